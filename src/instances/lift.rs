//! Masks to voxels.

use super::Input;
use crate::scene::Job;
use rayon::prelude::*;
use serde::Serialize;

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

/// How masks are cleaned up before they say what a thing is made of; the same for every capture. Pixels are those of an image
/// 640 pixels wide.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LiftOptions {
    /// What a mask of the embedded segmenter is shrunk and grown by, pixels: it is drawn from the depth itself, and about as
    /// exact.
    pub rim: f64,
    /// What any other mask is shrunk and grown by, as a share of the root of its area: networks draw masks on a grid, coarse
    /// beside large things, and a rim that is right for those would leave nothing of small ones.
    pub rim_share: f64,
    /// Least and most of that, pixels: depth is off by one at any outline, and beyond a few pixels it is the mask that is wrong.
    pub rim_span: [f64; 2],
    /// Least share of what a photo sees on which splats and mesh must agree for single pixels to be judged by it, 0..1: where
    /// they do on less than half, it is the splats that are poor.
    pub least_agreed: f64,
}

impl Default for LiftOptions {
    fn default() -> Self {
        Self { rim: 2.0, rim_share: 0.02, rim_span: [1.0, 4.0], least_agreed: 0.5 }
    }
}

impl LiftOptions {
    /// What a mask of so many pixels is shrunk and grown by in an image so wide, pixels, at least one.
    fn rim_of(&self, by_shape: bool, area: usize, width: usize) -> usize {
        let unit = width as f64 / 640.0;
        let rim = match by_shape {
            true => self.rim * unit,
            false => (self.rim_share * (area as f64).sqrt()).clamp(self.rim_span[0] * unit, self.rim_span[1] * unit),
        };
        (rim.round() as usize).max(1)
    }
}

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
    let options = LiftOptions::default();
    let (mut out, mut empty) = (Vec::new(), 0);
    for (k, m) in frame.masks.iter().enumerate() {
        if (m.segmentation.width as usize, m.segmentation.height as usize) != (w, h) {
            empty += 1;
            continue;
        }
        let bits = m.segmentation.decode();
        let area = m.segmentation.area() as usize;
        let rim = options.rim_of(input.by_shape, area, w);
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
            area,
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
    fn the_rim_grows_with_the_mask() {
        let options = LiftOptions::default();
        // Side 100: 0.02 x 100 = 2. Side 20: 0.4, at least 1. Side 400: 8, at most 4, twice that in an image twice as wide.
        let rim = |side: usize, width: usize| options.rim_of(false, side * side, width);
        assert_eq!([rim(100, 640), rim(20, 640), rim(400, 640), rim(400, 1280)], [2, 1, 4, 8]);
        assert_eq!(
            [options.rim_of(true, 160_000, 640), options.rim_of(true, 9, 1280), options.rim_of(true, 9, 64)],
            [2, 4, 1]
        );
    }

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
