//! Segments of the cloud drawn into the images, with edges that follow the colours.

use super::Segmentation;
use crate::perception::View;
use crate::perception::cloud::Cloud;
use crate::scene::{Cancelled, FrameMasks, Job, Mask2d, Rle};
use rayon::prelude::*;

/// A grid point whose segment is not known.
const UNKNOWN: u32 = u32::MAX;

/// One entry per view; ids are 1 + the index of the segment.
pub(crate) fn masks(
    cloud: &Cloud,
    views: &[View],
    s: &Segmentation,
    job: &dyn Job,
) -> Result<Vec<FrameMasks>, Cancelled> {
    let mut out = Vec::with_capacity(views.len());
    for chunk in (0..views.len()).collect::<Vec<_>>().chunks(8) {
        job.tick(out.len() + 3, views.len() + 3)?;
        let part: Vec<FrameMasks> = chunk.par_iter().map(|i| one(cloud, &views[*i], *i, s)).collect();
        out.extend(part);
    }
    Ok(out)
}

fn one(cloud: &Cloud, view: &View, index: usize, s: &Segmentation) -> FrameMasks {
    let labels = pixel_labels(cloud, view, index, &s.of);
    let (w, h) = view.image.dimensions();
    let mut present: Vec<u32> = labels.iter().copied().filter(|l| *l != 0 && *l != UNKNOWN).collect();
    present.sort_unstable();
    let least = (w as usize * h as usize / 8000).max(12);
    let masks = present
        .chunk_by(|a, b| a == b)
        .filter(|run| run.len() >= least)
        .map(|run| {
            let bits: Vec<bool> = labels.iter().map(|l| *l == run[0]).collect();
            let segment = &s.segments[run[0] as usize - 1];
            Mask2d {
                instance_id: run[0],
                label: segment.label.into(),
                score: segment.score,
                segmentation: Rle::encode(w, h, &bits),
            }
        })
        .collect();
    FrameMasks { image: view.name.into(), width: w, height: h, masks }
}

/// The value of `of` (0 = nothing) for every pixel of a view's image: looked up through the depth on the grid of the
/// smoothed surface, gaps filled from their neighbours, and voted to full size by nearness in colour, so that edges
/// come to lie on edges of the image.
pub(crate) fn pixel_labels(cloud: &Cloud, view: &View, index: usize, of: &[u32]) -> Vec<u32> {
    let surface = &cloud.surfaces[index];
    let camera = view.camera.resized(view.depth.width, view.depth.height);
    let (gw, gh) = (surface.width, surface.height);
    let mut grid: Vec<u32> = (0..gw * gh)
        .map(|i| {
            let d = surface.depth[i];
            if d <= 0.0 {
                return UNKNOWN;
            }
            let (u, v) = surface.center(i);
            let p = camera.unproject(u, v, f64::from(d));
            cloud.find([p.x, p.y, p.z]).map_or(UNKNOWN, |x| of[x as usize])
        })
        .collect();
    let (iw, ih) = (view.image.width() as usize, view.image.height() as usize);
    let color = |gx: usize, gy: usize| {
        let (x, y) =
            (((gx as f64 + 0.5) / gw as f64 * iw as f64) as u32, ((gy as f64 + 0.5) / gh as f64 * ih as f64) as u32);
        view.image.get_pixel(x.min(iw as u32 - 1), y.min(ih as u32 - 1)).0.map(f32::from)
    };
    let colors: Vec<[f32; 3]> = (0..gw * gh).map(|i| color(i % gw, i / gw)).collect();
    for round in 0..8 {
        // The first two rounds also smooth what is known; the rest only fill gaps.
        let old = grid.clone();
        for i in (0..old.len()).filter(|i| round < 2 || old[*i] == UNKNOWN) {
            grid[i] = vote(&old, &colors, gw, gh, i % gw, i / gw, &colors[i], 1).unwrap_or(old[i]);
        }
    }
    let mut out = vec![0; iw * ih];
    for y in 0..ih {
        let gy = (y * gh / ih).min(gh - 1);
        for x in 0..iw {
            let gx = (x * gw / iw).min(gw - 1);
            let c = view.image.get_pixel(x as u32, y as u32).0.map(f32::from);
            let l = vote(&grid, &colors, gw, gh, gx, gy, &c, 2).unwrap_or(0);
            out[y * iw + x] = if l == UNKNOWN { 0 } else { l };
        }
    }
    out
}

/// The label with the most votes within `r` grid points, weighted by nearness in colour; `None` where none is known.
#[allow(clippy::too_many_arguments)]
fn vote(
    grid: &[u32],
    colors: &[[f32; 3]],
    w: usize,
    h: usize,
    x: usize,
    y: usize,
    c: &[f32; 3],
    r: usize,
) -> Option<u32> {
    let (x0, x1, y0, y1) = (x.saturating_sub(r), (x + r).min(w - 1), y.saturating_sub(r), (y + r).min(h - 1));
    let mine = grid[y * w + x];
    if mine != UNKNOWN && (y0..=y1).all(|b| grid[b * w + x0..=b * w + x1].iter().all(|l| *l == mine)) {
        return Some(mine);
    }
    let mut tally = [(0u32, 0f32); 8];
    let mut n = 0;
    for b in y0..=y1 {
        for a in x0..=x1 {
            let i = b * w + a;
            if grid[i] == UNKNOWN {
                continue;
            }
            let d = (0..3).map(|k| (colors[i][k] - c[k]).powi(2)).sum::<f32>();
            let near = if a == x && b == y { 3.0 } else { 1.0 };
            let weight = near * (0.05 + 1.0 / (1.0 + d / 400.0));
            match tally[..n].iter().position(|t| t.0 == grid[i]) {
                Some(k) => tally[k].1 += weight,
                None if n < tally.len() => {
                    tally[n] = (grid[i], weight);
                    n += 1;
                }
                None => {}
            }
        }
    }
    tally[..n].iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|t| t.0)
}
