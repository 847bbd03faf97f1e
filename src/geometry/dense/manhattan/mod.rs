//! Rooms are mostly flat, and their plain or glossy surfaces are what matching fails at: what lies on a large plane along one
//! of the room's three directions is put onto it (Manhattan-world stereo, Furukawa et al. 2009).
//!
//! The directions come from the normals of what was measured, the planes from the modes of the offsets along them. Each
//! plane is covered where photos measured a surface on it, even if others look past: that is what a mirror image in a glossy
//! top does. Each photo then chooses, pixel by pixel and smooth between its edges, between the planes and its own depth.

mod candidates;
mod cover;
mod directions;
mod labels;
#[cfg(test)]
mod tests;

use super::Prepared;
use super::field::Field;
use super::filter::Map;
use super::segment::Segments;
use crate::scene::Cancelled;
use candidates::{Plane, planes};
use cover::Cover;
use directions::directions;
use nalgebra::{Point3, Vector3};
use rayon::prelude::*;

/// Every so many pixels and rows are looked at for planes.
const STRIDE: usize = 4;
/// Least belief, 0..1, in a measured pixel from which a plane may come, see [`belief`].
const SURE: f32 = 0.3;
/// Fewest samples that directions are looked for in.
const MIN_SAMPLES: usize = 500;

/// A measured point with its normal, towards the camera. Frame and units of the input's poses.
struct Sample {
    position: Point3<f32>,
    normal: Vector3<f32>,
    /// Depth in the photo that it is of.
    depth: f32,
}

/// How much a measured pixel is believed, 0..1: how many views confirm it and how well it matches.
fn belief(confidence: f32) -> f32 {
    ((confidence - 0.51) / 0.49).clamp(0.0, 1.0)
}

/// Puts what lies on large planes onto them, in every map: the pixels are inferred then, see [`labels::INFERRED`]. Measured
/// pixels that agree with a plane and have texture stay as they are. `segments` are of the photos at half their resolution. Same input, same output.
pub(super) fn flatten(
    prepared: &[Prepared],
    fields: &[Field],
    segments: &[Segments],
    measured: &mut [Map],
    step: &(dyn Fn() -> Result<(), Cancelled> + Sync),
) -> Result<(), Cancelled> {
    let samples: Vec<Sample> =
        (0..measured.len()).flat_map(|i| samples(&prepared[i], &fields[i], &measured[i])).collect();
    let covers = if samples.len() < MIN_SAMPLES { Vec::new() } else { covers(prepared, measured, &samples) };
    measured.par_iter_mut().zip(prepared).zip(segments).try_for_each(|((map, view), segments)| {
        if view.range.is_some() && !covers.is_empty() {
            labels::apply(view, &covers, segments, map);
        }
        step()
    })
}

/// The planes of the scene that are covered anywhere.
fn covers(prepared: &[Prepared], measured: &[Map], samples: &[Sample]) -> Vec<Cover> {
    let unit = typical_depth(samples);
    let axes = directions(samples, unit);
    let planes: Vec<Plane> = planes(samples, &axes, unit);
    let cover = |p: Plane| {
        let plane = p.refitted(samples, |depth| cover::noise(depth, unit));
        Cover::of(plane, samples, prepared, measured, unit)
    };
    let covers: Vec<Option<Cover>> = planes.into_par_iter().map(cover).collect();
    covers.into_iter().flatten().collect()
}

/// Median depth of the samples: the length that all thresholds are shares of, since the scene has no scale yet.
fn typical_depth(samples: &[Sample]) -> f32 {
    let mut depths: Vec<f32> = samples.iter().map(|s| s.depth).collect();
    let middle = depths.len() / 2;
    *depths.select_nth_unstable_by(middle, f32::total_cmp).1
}

fn samples(view: &Prepared, field: &Field, map: &Map) -> Vec<Sample> {
    let (k, c2w) = (&view.camera.intrinsics, view.camera.c2w.cast::<f32>());
    let (fx, fy, cx, cy) = (k.fx as f32, k.fy as f32, k.cx as f32, k.cy as f32);
    let mut out = Vec::new();
    for y in (STRIDE / 2..map.height).step_by(STRIDE) {
        for x in (STRIDE / 2..map.width).step_by(STRIDE) {
            let i = y * map.width + x;
            let (w, plane) = (map.inverse[i], field.planes[i]);
            if w <= 0.0 || belief(map.confidence[i]) < SURE {
                continue;
            }
            let ray = Vector3::new((x as f32 + 0.5 - cx) / fx, (y as f32 + 0.5 - cy) / fy, 1.0);
            // Inverse depth is linear in the ray: w = n . ray, and the plane's normal is n.
            let (nx, ny) = (plane.du * fx, plane.dv * fy);
            let n = Vector3::new(nx, ny, plane.w - nx * ray.x - ny * ray.y);
            let Some(n) = n.try_normalize(1e-12) else { continue };
            let towards = if n.dot(&ray) > 0.0 { -n } else { n };
            out.push(Sample { position: c2w * Point3::from(ray / w), normal: c2w.rotation * towards, depth: 1.0 / w });
        }
    }
    out
}
