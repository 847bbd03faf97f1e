//! The rasteriser on the CPU: tiles in parallel, pixels of a row in vector lanes, the same bytes on any number of
//! threads.

mod bin;
mod gradient;
mod project;
mod tile;

use super::backend::{Backend, BackendError, CameraGradient, Gradient, Parameters, Planes, SLOTS, Shot, Update};
use crate::scene::Gaussians;
use bin::Bins;
use project::{Splat, View};
use rayon::prelude::*;
use std::sync::Arc;
use tile::{PairGradient, TILE, Tile};

/// Computes on all threads of the current rayon pool.
#[derive(Debug, Default)]
pub struct Cpu {
    parameters: Parameters,
    slots: [Option<(Pass, Arc<Planes>)>; SLOTS],
    /// Ascending by index.
    gathered: Vec<(u32, Gradient)>,
    /// Room for the gradients of pairs, kept between passes: it is large, and new memory has to be cleared.
    pairs: Vec<PairGradient>,
}

impl Cpu {
    /// Holds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Backend for Cpu {
    fn name(&self) -> String {
        "cpu".into()
    }

    fn load(&mut self, parameters: Parameters) -> Result<(), BackendError> {
        *self = Self { parameters, ..Self::default() };
        Ok(())
    }

    fn read(&mut self) -> Result<Parameters, BackendError> {
        Ok(self.parameters.clone())
    }

    fn gaussians(&mut self) -> Result<Gaussians, BackendError> {
        Ok(self.parameters.gaussians.clone())
    }

    fn can_be_lost(&self) -> bool {
        false
    }

    fn forward(&mut self, slot: usize, shot: &Shot) -> Result<Arc<Planes>, BackendError> {
        let (planes, pass) = draw(&self.parameters.gaussians, shot);
        let planes = Arc::new(planes);
        self.slots[slot] = Some((pass, Arc::clone(&planes)));
        Ok(planes)
    }

    fn backward(&mut self, slot: usize, by_planes: &Planes) -> Result<CameraGradient, BackendError> {
        let Some((pass, planes)) = self.slots[slot].take() else { return Ok(CameraGradient::default()) };
        let (gradients, camera) = differentiate(&self.parameters.gaussians, &pass, &planes, by_planes, &mut self.pairs);
        self.parameters.motion.add(&gradients, planes.width as f32 * 0.5);
        self.gathered = if self.gathered.is_empty() { gradients } else { merged(&self.gathered, &gradients) };
        Ok(camera)
    }

    fn gradients(&mut self) -> Result<Vec<(u32, Gradient)>, BackendError> {
        Ok(self.gathered.clone())
    }

    fn update(&mut self, update: &Update) -> Result<(), BackendError> {
        let mut gradients = std::mem::take(&mut self.gathered);
        let Parameters { gaussians, moments, .. } = &mut self.parameters;
        let weight = update.flat / gradients.len().max(1) as f32;
        let scales = &gaussians.log_scales;
        gradients.par_iter_mut().for_each(|(id, by)| {
            let s = scales[*id as usize];
            let shortest = project::shortest(&s);
            by.log_scale[shortest] += weight * s[shortest].exp();
        });
        moments.step(gaussians, &gradients, update);
        Ok(())
    }
}

/// A view that was drawn: what was visible, and where.
#[derive(Debug)]
struct Pass {
    view: View,
    degree: usize,
    /// Visible Gaussians, near to far.
    splats: Vec<Splat>,
    /// Their normals in the camera frame, where asked for.
    normals: Option<Vec<[f32; 3]>>,
    bins: Bins,
}

/// Draws a view of `g`.
pub(super) fn planes_of(g: &Gaussians, shot: &Shot) -> Planes {
    draw(g, shot).0
}

fn draw(g: &Gaussians, shot: &Shot) -> (Planes, Pass) {
    let view = View::new(shot);
    let degree = shot.degree.min(g.sh_degree);
    let splats = project::visible(&view, g, degree);
    let normal = |s: &Splat| project::normal(&view, g, s.id as usize);
    let normals: Option<Vec<[f32; 3]>> = shot.normals.then(|| splats.par_iter().map(normal).collect());
    let bins = Bins::new(&splats, view.width, view.height);
    let tile = |t: usize| match &normals {
        Some(n) => tile::forward::<true>(&splats, n, bins.list(t), bins.origin(t)),
        None => tile::forward::<false>(&splats, &[], bins.list(t), bins.origin(t)),
    };
    let tiles: Vec<Tile> = (0..bins.tiles()).into_par_iter().map(tile).collect();
    let planes = assemble(&tiles, view.width, view.height, bins.columns, shot.normals);
    (planes, Pass { view, degree, splats, normals, bins })
}

/// Copies tiles into row-major planes.
fn assemble(tiles: &[Tile], width: usize, height: usize, columns: usize, normals: bool) -> Planes {
    let mut planes = Planes::zeros(width, height, normals);
    if width == 0 || height == 0 {
        return planes;
    }
    let band = width * TILE;
    let Planes { rgb: [r, g, b], alpha, depth, median, normal: [nx, ny, nz], .. } = &mut planes;
    let outputs: [(&mut Vec<f32>, fn(&Tile, usize, usize) -> f32); 9] = [
        (r, |t, i, k| t.rgb[0][i].0[k]),
        (g, |t, i, k| t.rgb[1][i].0[k]),
        (b, |t, i, k| t.rgb[2][i].0[k]),
        (alpha, |t, i, k| 1.0 - t.transmittance[i].0[k]),
        (depth, |t, i, k| t.depth[i].0[k]),
        (median, |t, i, k| t.median[i].0[k]),
        (nx, |t, i, k| t.normal[0][i].0[k]),
        (ny, |t, i, k| t.normal[1][i].0[k]),
        (nz, |t, i, k| t.normal[2][i].0[k]),
    ];
    for (plane, value) in outputs {
        // Planes that were not asked for are empty.
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

/// Gradients of the Gaussians that were drawn, ascending by index, and by the camera.
fn differentiate(
    g: &Gaussians,
    pass: &Pass,
    planes: &Planes,
    by: &Planes,
    pairs: &mut Vec<PairGradient>,
) -> (Vec<(u32, Gradient)>, CameraGradient) {
    let touched = pair_gradients(pass, planes, by, pairs);
    let pairs = pairs.as_slice();
    let mut order: Vec<(u32, u32)> = pass.splats.iter().zip(0..).map(|(s, k)| (s.id, k)).collect();
    order.par_sort_unstable();
    let gradient = |&(id, k): &(u32, u32)| {
        let (mut sum, mut any) = (PairGradient::default(), false);
        for &slot in pass.bins.slots_of(k as usize).iter().filter(|s| touched[**s as usize]) {
            sum.add(&pairs[slot as usize]);
            any = true;
        }
        // Hidden behind others, or where the loss says nothing: the chain rule of zeros is left out.
        let (own, camera) = match any {
            true => gradient::backward(&pass.view, g, pass.degree, &pass.splats[k as usize], &sum),
            false => Default::default(),
        };
        ((id, own), camera)
    };
    let (gradients, cameras): (Vec<_>, Vec<CameraGradient>) = order.par_iter().map(gradient).unzip();
    // In order: the same bytes on any number of threads.
    let mut camera = CameraGradient::default();
    for c in &cameras {
        for k in 0..3 {
            camera.translation[k] += c.translation[k];
            camera.rotation[k] += c.rotation[k];
        }
    }
    (gradients, camera)
}

/// Writes the gradients of the tile-Gaussian pairs to `pairs`, in the order of the tiles' lists, and returns which were
/// written: the others have none.
fn pair_gradients(pass: &Pass, planes: &Planes, by: &Planes, pairs: &mut Vec<PairGradient>) -> Vec<bool> {
    let n = pass.bins.len();
    if pairs.len() < n {
        pairs.resize(n, PairGradient::default());
    }
    let mut touched = vec![false; n];
    let (mut rest, mut flags) = (&mut pairs[..n], touched.as_mut_slice());
    let mut parts = Vec::with_capacity(pass.bins.tiles());
    for t in 0..pass.bins.tiles() {
        let length = pass.bins.list(t).len();
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(length);
        let (own, others) = std::mem::take(&mut flags).split_at_mut(length);
        parts.push((t, part, own));
        (rest, flags) = (tail, others);
    }
    parts.into_par_iter().for_each(|(t, out, touched)| {
        let (list, origin) = (pass.bins.list(t), pass.bins.origin(t));
        match &pass.normals {
            // A loss that has nothing to say of normals leaves their gradients out.
            Some(n) if !by.normal[0].is_empty() => {
                tile::backward::<true>((&pass.splats, n), list, origin, (planes, by), (out, touched));
            }
            _ => tile::backward::<false>((&pass.splats, &[]), list, origin, (planes, by), (out, touched)),
        }
    });
    touched
}

/// Sums of gradients, ascending by index.
fn merged(a: &[(u32, Gradient)], b: &[(u32, Gradient)]) -> Vec<(u32, Gradient)> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let (x, y) = (a.get(i).map(|e| e.0), b.get(j).map(|e| e.0));
        let (from_a, from_b) =
            (x.is_some_and(|x| y.is_none_or(|y| x <= y)), y.is_some_and(|y| x.is_none_or(|x| y <= x)));
        out.push(match (from_a, from_b) {
            (true, true) => (a[i].0, a[i].1.plus(&b[j].1)),
            (true, false) => a[i],
            _ => b[j],
        });
        i += usize::from(from_a);
        j += usize::from(from_b);
    }
    out
}
