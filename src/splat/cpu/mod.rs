//! The rasteriser on the CPU: tiles in parallel, pixels of a row in vector lanes, the same bytes on any number of
//! threads.

mod bin;
mod project;
mod tile;

use super::rasteriser::{Gradient, Planes, Rasteriser};
use crate::scene::{Camera, Gaussians};
use bin::Bins;
use project::{Splat, View};
use rayon::prelude::*;
use tile::{PairGradient, TILE, Tile};

/// Rasterises on all threads of the current rayon pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

/// The forward pass of [`Cpu`]: what was visible, and where.
#[derive(Debug)]
pub struct CpuPass {
    view: View,
    degree: usize,
    /// Visible Gaussians, near to far.
    splats: Vec<Splat>,
    bins: Bins,
}

impl Rasteriser for Cpu {
    type Pass = CpuPass;

    fn forward(&self, g: &Gaussians, degree: usize, camera: &Camera) -> (Planes, CpuPass) {
        let degree = degree.min(g.sh_degree);
        let view = View::new(camera, g);
        let splats = project::visible(&view, g, degree);
        draw(view, degree, splats)
    }

    fn backward(&self, g: &Gaussians, pass: &CpuPass, planes: &Planes, by_planes: &Planes) -> Vec<(u32, Gradient)> {
        let pairs = pair_gradients(pass, planes, by_planes);
        let mut order: Vec<(u32, u32)> = pass.splats.iter().zip(0..).map(|(s, k)| (s.id, k)).collect();
        order.par_sort_unstable();
        let gradient = |&(id, k): &(u32, u32)| {
            let mut sum = PairGradient::default();
            for &slot in pass.bins.slots_of(k as usize) {
                sum.add(&pairs[slot as usize]);
            }
            (id, project::backward(&pass.view, g, pass.degree, &pass.splats[k as usize], &sum))
        };
        order.par_iter().map(gradient).collect()
    }
}

/// Draws world-frame normals instead of colours: shortest axes, turned to the camera, blended but not normalised.
pub(super) fn draw_normals(g: &Gaussians, camera: &Camera) -> Planes {
    let view = View::new(camera, g);
    let mut splats = project::visible(&view, g, 0);
    splats.par_iter_mut().for_each(|s| s.rgb = project::normal(&view, g, s.id as usize));
    draw(view, 0, splats).0
}

fn draw(view: View, degree: usize, splats: Vec<Splat>) -> (Planes, CpuPass) {
    let bins = Bins::new(&splats, view.width, view.height);
    let tiles: Vec<Tile> =
        (0..bins.tiles()).into_par_iter().map(|t| tile::forward(&splats, bins.list(t), bins.origin(t))).collect();
    let planes = assemble(&tiles, view.width, view.height, bins.columns);
    (planes, CpuPass { view, degree, splats, bins })
}

/// Copies tiles into row-major planes.
fn assemble(tiles: &[Tile], width: usize, height: usize, columns: usize) -> Planes {
    let mut planes = Planes::zeros(width, height);
    if width == 0 || height == 0 {
        return planes;
    }
    let band = width * TILE;
    let Planes { rgb: [r, g, b], alpha, depth, median, .. } = &mut planes;
    let outputs: [(&mut Vec<f32>, fn(&Tile, usize, usize) -> f32); 6] = [
        (r, |t, i, k| t.rgb[0][i].0[k]),
        (g, |t, i, k| t.rgb[1][i].0[k]),
        (b, |t, i, k| t.rgb[2][i].0[k]),
        (alpha, |t, i, k| 1.0 - t.transmittance[i].0[k]),
        (depth, |t, i, k| t.depth[i].0[k]),
        (median, |t, i, k| t.median[i].0[k]),
    ];
    for (plane, value) in outputs {
        plane.par_chunks_mut(band).enumerate().for_each(|(row, rows)| {
            for (y, line) in rows.chunks_mut(width).enumerate() {
                for (c, part) in line.chunks_mut(TILE).enumerate() {
                    let tile = &tiles[row * columns + c];
                    for (x, out) in part.iter_mut().enumerate() {
                        *out = value(tile, y * 2 + x / 8, x % 8);
                    }
                }
            }
        });
    }
    planes
}

/// Gradients of every tile-Gaussian pair, in the order of the tiles' lists.
fn pair_gradients(pass: &CpuPass, planes: &Planes, by_planes: &Planes) -> Vec<PairGradient> {
    let mut pairs = vec![PairGradient::default(); pass.bins.len()];
    let mut rest = pairs.as_mut_slice();
    let mut parts = Vec::with_capacity(pass.bins.tiles());
    for t in 0..pass.bins.tiles() {
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(pass.bins.list(t).len());
        parts.push((t, part));
        rest = tail;
    }
    parts.into_par_iter().for_each(|(t, out)| {
        tile::backward(&pass.splats, pass.bins.list(t), pass.bins.origin(t), planes, by_planes, out);
    });
    pairs
}
