//! What of the matched depth is believed: consistency across views, speckles removed; and back to the photo's size.

use super::field::{Field, Link};
use super::level::Warp;
use super::{DenseDepth, Prepared};
use crate::scene::{Cancelled, DepthMap};
use rayon::prelude::*;

/// Forward-backward error allowed, pixels at the working resolution.
pub(super) const MAX_ERROR: f32 = 1.5;
/// Relative difference of depth allowed.
pub(super) const MAX_RELATIVE: f32 = 0.01;
/// Factor by which both may be exceeded where a depth is averaged over views, and where it is weak.
pub(super) const LOOSE: f32 = 2.0;
/// Views that have to agree.
pub(super) const MIN_AGREE: usize = 2;
/// Smaller connected patches are dropped, as a share of the pixels of the map.
const MIN_PATCH: f32 = 2e-4;
/// Cost beyond which a match is not believed even where views agree.
const MAX_COST: f32 = 0.75;

/// Inverse depth and confidence at the working resolution, row-major.
#[derive(Clone)]
pub(super) struct Map {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Inverse depth; 0 = unknown.
    pub inverse: Vec<f32>,
    /// As [`DenseDepth::confidence`].
    pub confidence: Vec<f32>,
}

/// The neighbours of view `i` and their depth in `fields`.
pub(super) fn links<'a>(prepared: &[Prepared], fields: &'a [Field], i: usize) -> Vec<Link<'a>> {
    let me = &prepared[i].camera;
    let matched = prepared[i].neighbours.iter().filter(|j| prepared[**j].range.is_some());
    matched
        .map(|&j| {
            let other = &prepared[j].camera;
            let (there, back) = (Warp::between(me, other), Warp::between(other, me));
            Link { there, back, field: &fields[j], ratio: 1.0 }
        })
        .collect()
}

/// Keeps of each field what at least two neighbours confirm.
pub(super) fn measured(
    prepared: &[Prepared],
    fields: &[Field],
    step: &(dyn Fn() -> Result<(), Cancelled> + Sync),
) -> Result<Vec<Map>, Cancelled> {
    (0..fields.len())
        .into_par_iter()
        .map(|i| {
            let field = &fields[i];
            let mut map = Map {
                width: field.width,
                height: field.height,
                inverse: vec![0.0; field.planes.len()],
                confidence: vec![0.0; field.planes.len()],
            };
            if prepared[i].range.is_some() {
                confirm(&links(prepared, fields, i), field, &mut map);
                remove_speckles(&mut map);
            }
            step().map(|()| map)
        })
        .collect()
}

fn confirm(links: &[Link], field: &Field, map: &mut Map) {
    for (i, plane) in field.planes.iter().enumerate() {
        let (u, v) = ((i % map.width) as f32 + 0.5, (i / map.width) as f32 + 0.5);
        if plane.w <= 0.0 || field.cost[i] > MAX_COST {
            continue;
        }
        let (mut count, mut through) = (0, 0);
        let (mut sum, mut total) = (plane.w, 1.0);
        for link in links {
            let Some(trip) = link.round_trip(plane.w, u, v) else { continue };
            let (error, relative) = (trip.error(), (trip.ratio - 1.0).abs());
            count += usize::from(error < MAX_ERROR && relative < MAX_RELATIVE);
            if error < LOOSE * MAX_ERROR && relative < LOOSE * MAX_RELATIVE {
                // The other view's plane, moved from where the pixel came back to.
                sum += trip.inverse - plane.du * trip.moved[0] - plane.dv * trip.moved[1];
                total += 1.0;
            }
            // The other view sees a surface further away: through the point.
            through += usize::from(trip.ratio < 1.0 - 2.0 * MAX_RELATIVE);
        }
        if count >= MIN_AGREE && through <= count {
            map.inverse[i] = sum / total;
            let share = (count as f32 / 5.0).min(1.0) * (1.0 - field.cost[i]).clamp(0.0, 1.0);
            map.confidence[i] = 0.51 + 0.49 * share;
        }
    }
}

/// Drops connected patches of depth that are too small to be a surface.
fn remove_speckles(map: &mut Map) {
    let least = ((map.inverse.len() as f32 * MIN_PATCH) as usize).max(6);
    let mut seen = vec![false; map.inverse.len()];
    let (mut stack, mut patch) = (Vec::new(), Vec::new());
    for start in 0..map.inverse.len() {
        if seen[start] || map.inverse[start] <= 0.0 {
            continue;
        }
        seen[start] = true;
        stack.push(start);
        patch.clear();
        while let Some(i) = stack.pop() {
            patch.push(i);
            let (x, w) = (i % map.width, map.inverse[i]);
            let around = [
                (x > 0, i.wrapping_sub(1)),
                (x + 1 < map.width, i + 1),
                (true, i.wrapping_sub(map.width)),
                (true, i + map.width),
            ];
            for (inside, j) in around {
                if inside && j < seen.len() && !seen[j] && (map.inverse[j] - w).abs() < 0.02 * w {
                    seen[j] = true;
                    stack.push(j);
                }
            }
        }
        if patch.len() < least {
            for &i in &patch {
                map.inverse[i] = 0.0;
                map.confidence[i] = 0.0;
            }
        }
    }
}

/// The map at the resolution of the photo: bilinear in inverse depth inside surfaces, nearest across their edges.
pub(super) fn to_native(map: &Map, width: u32, height: u32) -> DenseDepth {
    let (w, h) = (width as usize, height as usize);
    let mut out = DenseDepth { depth: DepthMap::unknown(width, height), confidence: vec![0.0; w * h] };
    let (sx, sy) = (map.width as f32 / w.max(1) as f32, map.height as f32 / h.max(1) as f32);
    for y in 0..h {
        let v = (y as f32 + 0.5) * sy;
        for x in 0..w {
            let u = (x as f32 + 0.5) * sx;
            let near = (v as usize).min(map.height - 1) * map.width + (u as usize).min(map.width - 1);
            let inverse = if (w, h) == (map.width, map.height) {
                map.inverse[near]
            } else {
                between(map, u, v, map.inverse[near])
            };
            if inverse > 0.0 {
                out.depth.data[y * w + x] = 1.0 / inverse;
                out.confidence[y * w + x] = map.confidence[near];
            }
        }
    }
    out
}

/// Bilinear where all four taps lie on one surface with `near`, else `near` itself.
fn between(map: &Map, u: f32, v: f32, near: f32) -> f32 {
    let (x, y) = ((u - 0.5).max(0.0), (v - 0.5).max(0.0));
    let (x0, y0) = ((x as usize).min(map.width - 1), (y as usize).min(map.height - 1));
    let (x1, y1) = ((x0 + 1).min(map.width - 1), (y0 + 1).min(map.height - 1));
    let taps = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].map(|(x, y)| map.inverse[y * map.width + x]);
    if taps.iter().any(|t| (t - near).abs() > 0.02 * near) {
        return near;
    }
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let (top, bottom) = (taps[0] + fx * (taps[1] - taps[0]), taps[2] + fx * (taps[3] - taps[2]));
    top + fy * (bottom - top)
}
