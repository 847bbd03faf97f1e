//! Masks to voxels.

use super::Input;
use crate::scene::Job;
use rayon::prelude::*;

/// A mask as the voxels that it covers.
pub(crate) struct Lifted {
    /// Index of the view, and of the mask in it.
    pub(crate) view: usize,
    pub(crate) mask: usize,
    /// Given instance id, 0 = none.
    pub(crate) id: u32,
    pub(crate) label: String,
    pub(crate) score: f64,
    /// Pixels of the mask.
    pub(crate) area: usize,
    /// Voxels seen through its inner pixels, ascending.
    pub(crate) inside: Vec<u32>,
    /// Voxels seen through the mask grown by a few pixels, ascending; holds all of `inside`.
    pub(crate) near: Vec<u32>,
}

/// Fewest voxels of a mask that can be lifted.
const LEAST_VOXELS: usize = 6;
/// Pixels that a mask is shrunk and grown by, for an image 640 pixels wide.
const RIM: f64 = 2.0;

/// Lifts all masks, in order of views and masks.
pub(crate) fn all(input: &Input, job: &dyn Job) -> Vec<Lifted> {
    let per_view: Vec<(Vec<Lifted>, usize)> =
        (0..input.views.len()).into_par_iter().map(|i| one_view(input, i)).collect();
    let empty: usize = per_view.iter().map(|p| p.1).sum();
    if empty > 0 {
        job.warn(format!("{empty} masks cover next to nothing whose depth is known and were left out"));
    }
    per_view.into_iter().flat_map(|p| p.0).collect()
}

fn one_view(input: &Input, view: usize) -> (Vec<Lifted>, usize) {
    let Some(frame) = input.masks.get(view) else { return (Vec::new(), 0) };
    let (w, h) = (frame.width as usize, frame.height as usize);
    let depth = input.views[view].depth;
    let (sx, sy) = (w as f64 / f64::from(depth.width), h as f64 / f64::from(depth.height));
    let rim = ((RIM * w as f64 / 640.0).round() as usize).max(1);
    let (mut out, mut empty) = (Vec::new(), 0);
    for (k, m) in frame.masks.iter().enumerate() {
        if (m.segmentation.width as usize, m.segmentation.height as usize) != (w, h) {
            empty += 1;
            continue;
        }
        let bits = m.segmentation.decode();
        let Some(window) = m.segmentation.bounds().map(|b| grown(b, rim + 1, w, h)) else { continue };
        let (inner, outer) = trimap(&bits, w, window, rim);
        let ww = window[2] - window[0];
        let (mut inside, mut near) = (Vec::new(), Vec::new());
        for hit in &input.cloud.seen[view] {
            let x = (((f64::from(hit.x) + 0.5) * sx) as usize).min(w - 1);
            let y = (((f64::from(hit.y) + 0.5) * sy) as usize).min(h - 1);
            if x < window[0] || x >= window[2] || y < window[1] || y >= window[3] {
                continue;
            }
            let i = (y - window[1]) * ww + x - window[0];
            if outer[i] {
                near.push(hit.voxel);
                if inner[i] {
                    inside.push(hit.voxel);
                }
            }
        }
        if inside.len() < LEAST_VOXELS {
            empty += 1;
            continue;
        }
        out.push(Lifted {
            view,
            mask: k,
            id: m.instance_id,
            label: m.label.clone(),
            score: m.score,
            area: m.segmentation.area() as usize,
            inside,
            near,
        });
    }
    (out, empty)
}

fn grown(b: [u32; 4], r: usize, w: usize, h: usize) -> [usize; 4] {
    let [x0, y0, x1, y1] = b.map(|v| v as usize);
    [x0.saturating_sub(r), y0.saturating_sub(r), (x1 + r).min(w), (y1 + r).min(h)]
}

/// Inner pixels (the mask shrunk by `r`, and those parts of it that are too thin to survive that) and outer pixels (the
/// mask grown by `r`), both over `window`.
fn trimap(bits: &[bool], w: usize, window: [usize; 4], r: usize) -> (Vec<bool>, Vec<bool>) {
    let [x0, y0, x1, y1] = window;
    let (ww, wh) = (x1 - x0, y1 - y0);
    let own: Vec<bool> = (0..ww * wh).map(|i| bits[(y0 + i / ww) * w + x0 + i % ww]).collect();
    let outer = dilated(&own, ww, wh, r);
    let not: Vec<bool> = own.iter().map(|b| !b).collect();
    let eroded: Vec<bool> = dilated(&not, ww, wh, r).iter().map(|b| !b).collect();
    let opened = dilated(&eroded, ww, wh, r + 1);
    let inner = (0..own.len()).map(|i| own[i] && (eroded[i] || !opened[i])).collect();
    (inner, outer)
}

/// Dilation by a square of side `2 r + 1`, one axis after the other.
fn dilated(bits: &[bool], w: usize, h: usize, r: usize) -> Vec<bool> {
    let mut rows = vec![false; bits.len()];
    for y in 0..h {
        for x in 0..w {
            if bits[y * w + x] {
                rows[y * w + x.saturating_sub(r)..=y * w + (x + r).min(w - 1)].fill(true);
            }
        }
    }
    let mut out = vec![false; bits.len()];
    for y in 0..h {
        for b in y.saturating_sub(r)..=(y + r).min(h - 1) {
            for x in 0..w {
                out[y * w + x] |= rows[b * w + x];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thin_parts_survive_the_shrinking() {
        // A 10x10 square with a pole one pixel wide on top of it.
        let (w, h) = (20, 30);
        let bits: Vec<bool> = (0..w * h)
            .map(|i| (i % w, i / w))
            .map(|(x, y)| (5..15).contains(&x) && (15..25).contains(&y) || x == 10 && (3..15).contains(&y))
            .collect();
        let (inner, outer) = trimap(&bits, w, [0, 0, w, h], 2);
        assert!(inner[5 * w + 10], "the pole stays");
        assert!(inner[20 * w + 10] && !inner[15 * w + 5] && !inner[24 * w + 14], "the square shrinks");
        assert!(outer[13 * w + 5] && outer[5 * w + 12] && !outer[5 * w + 13]);
        assert!(inner.iter().zip(&bits).all(|(i, b)| !i || *b));
    }
}
