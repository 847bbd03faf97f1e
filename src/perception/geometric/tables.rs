//! Level surfaces in noisy clouds: cut from what lies on them, mended, and told to be tables by the free space below.

use super::things::{LEAST_SUPPORT, Part, TABLE_HEIGHT, grow, inside};
use crate::perception::View;
use crate::perception::cloud::Cloud;
use crate::perception::rect::Rect;
use nalgebra::Point3;
use rayon::prelude::*;

/// Heights in which level surfaces are sought that noise has run together with what lies on them, metres.
pub(super) const BAND: f64 = 0.08;

/// Level surfaces among the voxels that belong to none since they run on over steps: the fullest band of heights of each
/// connected set first.
pub(super) fn bands(cloud: &Cloud, of: &mut [u32], parts: &mut Vec<Part>, takes: impl Fn(u32) -> bool, metre: f64) {
    let least = (LEAST_SUPPORT * (metre / cloud.voxel).powi(2)) as usize;
    let mut sets: Vec<Part> = Vec::new();
    let mut marks = of.to_vec();
    grow(cloud, &mut marks, &mut sets, false, &takes, |p| p.voxels.len() >= least);
    let height = |v: &u32| f64::from(cloud.positions[*v as usize][2]);
    for set in sets {
        let mut left = set.voxels;
        loop {
            let mut z: Vec<f64> = left.iter().map(height).collect();
            z.sort_by(f64::total_cmp);
            let count = |low: f64| z.partition_point(|h| *h <= low + BAND * metre) - z.partition_point(|h| *h < low);
            let Some(low) = z.iter().copied().max_by(|a, b| count(*a).cmp(&count(*b)).then(b.total_cmp(a))) else {
                break;
            };
            if count(low) < least {
                break;
            }
            let within = |v: &u32| (low..=low + BAND * metre).contains(&height(v));
            let band: Vec<u32> = left.iter().copied().filter(within).collect();
            grow(cloud, of, parts, true, |v| band.binary_search(&v).is_ok(), |p| p.voxels.len() >= least);
            left.retain(|v| !within(v));
        }
    }
}

/// Points under a level surface that are looked at, and share of them that must be seen through.
const UNDER: usize = 200;
const HOLLOW: f64 = 0.15;

/// Whether there is free space under a level surface at the height of a table.
pub(super) fn hollow(cloud: &Cloud, views: &[View], part: &Part, metre: f64) -> bool {
    if !part.level || !(TABLE_HEIGHT.0..TABLE_HEIGHT.1).contains(&(part.z[1] / metre)) {
        return false;
    }
    let step = (part.voxels.len() / UNDER).max(1);
    let some: Vec<&u32> = part.voxels.iter().step_by(step).collect();
    let open = |v: &&&u32| {
        let p = cloud.positions[***v as usize].map(f64::from);
        [0.35, 0.5, 0.65].iter().any(|share| {
            let q = Point3::new(p[0], p[1], part.z[1] * share);
            let through = views.iter().zip(&cloud.surfaces).filter(|(v, s)| {
                let seen = v.camera.resized(v.depth.width, v.depth.height).project(&q);
                seen.is_some_and(|(x, y, z)| s.test(x, y, z as f32, (0.02 * cloud.coarse * z) as f32) == Some(false))
            });
            through.take(2).count() == 2
        })
    };
    let share = some.par_iter().filter(open).count() as f64 / some.len().max(1) as f64;
    share > HOLLOW
}

/// Largest gap between pieces of one table, metres, and how much larger than the pieces their outline may be.
const PIECES: f64 = 0.15;
const OUTLINE: f64 = 1.3;

/// Makes one of the pieces of a hollow level surface that clutter or holes in the depth cut: they are level with each
/// other and together fill a rectangle.
pub(super) fn mended(cloud: &Cloud, of: &mut [u32], parts: &mut Vec<Part>, metre: f64) {
    let area = |p: &Part| p.footprint.map_or(0.0, |r| r.size[0] * r.size[1]);
    let joins = |a: &Part, b: &Part| {
        let (Some(r), Some(t)) = (a.footprint, b.footprint) else { return None };
        let near = |r: &Rect, t: &Rect| {
            let (sin, cos) = r.yaw.sin_cos();
            [(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)].iter().any(|(i, j)| {
                let (x, y) = (i * r.size[0], j * r.size[1]);
                let at = [r.center[0] + x * cos - y * sin, r.center[1] + x * sin + y * cos];
                inside(&Rect { center: at, size: [0.0; 2], yaw: 0.0 }, t, PIECES * metre)
            })
        };
        if !a.hollow || !b.hollow || (a.z[1] - b.z[1]).abs() > 0.5 * BAND * metre || !(near(&r, &t) || near(&t, &r)) {
            return None;
        }
        let mut voxels = [&a.voxels[..], &b.voxels[..]].concat();
        voxels.sort_unstable();
        let both = Part { hollow: true, ..Part::of(cloud, voxels, true) };
        (area(&both) < OUTLINE * (area(a) + area(b))).then_some(both)
    };
    let mut a = 0;
    while a < parts.len() {
        match (a + 1..parts.len()).find_map(|b| joins(&parts[a], &parts[b]).map(|both| (b, both))) {
            Some((b, both)) => {
                parts[a] = both;
                parts.remove(b);
            }
            None => a += 1,
        }
    }
    for (k, part) in parts.iter().enumerate() {
        part.voxels.iter().for_each(|v| of[*v as usize] = k as u32 + 1);
    }
}
