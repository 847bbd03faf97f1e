//! Depth maps fused to a point cloud: what splats are seeded from.

use super::dense::View;
use crate::scene::{Camera, DepthMap};
use nalgebra::{Point3, Vector3};
use rayon::prelude::*;

/// Points on surfaces, one entry per point in every list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FusedCloud {
    /// Positions in the world.
    pub positions: Vec<[f32; 3]>,
    /// Unit normals, towards the cameras that saw the point.
    pub normals: Vec<[f32; 3]>,
    /// sRGB colours.
    pub colors: Vec<[u8; 3]>,
    /// Spacing of the points hereabouts, scene units: the voxel, or the footprint of a pixel where that is larger.
    pub spacing: Vec<f32>,
}

/// Relative depth difference within which two views see the same point.
const AGREE: f64 = 0.015;
/// Other views that a pixel is checked against.
const OTHERS: usize = 6;
/// Pixels looked at for each point wanted.
const PIXELS_PER_POINT: usize = 8;

/// A pixel's point before de-duplication.
struct Candidate {
    position: Point3<f64>,
    normal: Vector3<f64>,
    color: [u8; 3],
    footprint: f32,
}

/// Fuses depth maps to about `target_points` points (fewer where the maps hold fewer): pixels that another view
/// confirms, then one point per voxel, the mean of its pixels. `depths[i]` belongs to `views[i]`.
pub fn fuse(views: &[View], depths: &[DepthMap], target_points: usize) -> FusedCloud {
    let known: usize = depths.iter().map(|d| d.data.iter().filter(|v| **v > 0.0).count()).sum();
    let wanted = (target_points * PIXELS_PER_POINT).max(1);
    let stride = ((known as f64 / wanted as f64).sqrt().floor() as usize).max(1);
    let cameras: Vec<Camera> =
        views.iter().zip(depths).map(|(v, d)| v.camera.resized(d.width.max(1), d.height.max(1))).collect();
    let candidates: Vec<Candidate> = (0..cameras.len())
        .into_par_iter()
        .flat_map_iter(|i| {
            let others = overlapping(&cameras, depths, i);
            candidates_of(&views[i], &cameras, depths, i, &others, stride)
        })
        .collect();
    if candidates.is_empty() || target_points == 0 {
        return FusedCloud::default();
    }
    let voxel = voxel_for(&candidates, target_points);
    merge(&candidates, &keyed(&candidates, voxel), voxel)
}

/// The views that see most of what view `i` sees.
fn overlapping(cameras: &[Camera], depths: &[DepthMap], i: usize) -> Vec<usize> {
    let (w, h) = (i64::from(depths[i].width), i64::from(depths[i].height));
    let probes: Vec<Point3<f64>> = (0..100i64)
        .filter_map(|n| {
            let (x, y) = ((2 * (n % 10) + 1) * w / 20, (2 * (n / 10) + 1) * h / 20);
            let d = depths[i].at(x, y);
            (d > 0.0).then(|| cameras[i].unproject(x as f64 + 0.5, y as f64 + 0.5, f64::from(d)))
        })
        .collect();
    let agrees = |j: usize| probes.iter().filter(|p| confirms(&cameras[j], &depths[j], p)).count();
    let mut others: Vec<(usize, usize)> = (0..cameras.len()).filter(|j| *j != i).map(|j| (agrees(j), j)).collect();
    others.sort_by_key(|(n, j)| (std::cmp::Reverse(*n), *j));
    others.into_iter().take(OTHERS).filter(|(n, _)| *n > 0).map(|(_, j)| j).collect()
}

/// Whether a view's depth agrees that there is a surface at `p`.
fn confirms(camera: &Camera, depth: &DepthMap, p: &Point3<f64>) -> bool {
    camera.project(p).is_some_and(|(u, v, z)| {
        let d = f64::from(depth.at(u.floor() as i64, v.floor() as i64));
        d > 0.0 && (d - z).abs() < AGREE * z
    })
}

fn candidates_of(
    view: &View,
    cameras: &[Camera],
    depths: &[DepthMap],
    i: usize,
    others: &[usize],
    stride: usize,
) -> Vec<Candidate> {
    let (camera, depth) = (&cameras[i], &depths[i]);
    let (image_w, image_h) = view.image.dimensions();
    let mut out = Vec::new();
    if image_w == 0 || image_h == 0 {
        return out;
    }
    // Each view starts elsewhere in the grid, so that views complete each other.
    let (ox, oy) = ((i * 7) % stride, (i * 13) % stride);
    for y in (oy..depth.height as usize).step_by(stride) {
        for x in (ox..depth.width as usize).step_by(stride) {
            let d = f64::from(depth.data[y * depth.width as usize + x]);
            if d <= 0.0 {
                continue;
            }
            let (u, v) = (x as f64 + 0.5, y as f64 + 0.5);
            let position = camera.unproject(u, v, d);
            if !others.iter().any(|j| confirms(&cameras[*j], &depths[*j], &position)) {
                continue;
            }
            let Some(normal) = normal_at(camera, depth, x as i64, y as i64) else { continue };
            let px = ((u * f64::from(image_w) / f64::from(depth.width)) as u32).min(image_w - 1);
            let py = ((v * f64::from(image_h) / f64::from(depth.height)) as u32).min(image_h - 1);
            let footprint = (d / camera.intrinsics.fx) as f32 * stride as f32;
            out.push(Candidate { position, normal, color: view.image.get_pixel(px, py).0, footprint });
        }
    }
    out
}

/// Normal from the neighbours of a pixel that lie on the same surface.
fn normal_at(camera: &Camera, depth: &DepthMap, x: i64, y: i64) -> Option<Vector3<f64>> {
    let d = depth.at(x, y);
    let side = |dx: i64, dy: i64| {
        let n = depth.at(x + dx, y + dy);
        let on_surface = n > 0.0 && (n - d).abs() < 0.03 * d;
        on_surface.then(|| camera.unproject((x + dx) as f64 + 0.5, (y + dy) as f64 + 0.5, f64::from(n)))
    };
    let here = camera.unproject(x as f64 + 0.5, y as f64 + 0.5, f64::from(d));
    let across = |a: Option<Point3<f64>>, b: Option<Point3<f64>>| match (a, b) {
        (None, None) => None,
        (a, b) => Some(b.unwrap_or(here) - a.unwrap_or(here)),
    };
    let (du, dv) = (across(side(-2, 0), side(2, 0))?, across(side(0, -2), side(0, 2))?);
    let n = du.cross(&dv).try_normalize(1e-20)?;
    Some(if n.dot(&(camera.center() - here)) < 0.0 { -n } else { n })
}

/// Voxel keys and candidate indices, sorted.
fn keyed(candidates: &[Candidate], voxel: f64) -> Vec<([i32; 3], u32)> {
    let mut keys: Vec<([i32; 3], u32)> = candidates
        .par_iter()
        .enumerate()
        .map(|(i, c)| ([c.position.z, c.position.y, c.position.x].map(|v| (v / voxel).floor() as i32), i as u32))
        .collect();
    keys.par_sort_unstable();
    keys
}

/// A voxel that leaves about `target` points: their number falls with its square, on surfaces.
fn voxel_for(candidates: &[Candidate], target: usize) -> f64 {
    let mut footprints: Vec<f32> = candidates.iter().map(|c| c.footprint).collect();
    footprints.sort_by(f32::total_cmp);
    let least = f64::from(footprints[footprints.len() / 2]) * 0.25;
    let mut voxel = least.max(1e-9) * 4.0;
    for _ in 0..6 {
        let keys = keyed(candidates, voxel);
        let count = 1 + keys.windows(2).filter(|k| k[0].0 != k[1].0).count();
        let ratio = count as f64 / target as f64;
        if (0.95..1.05).contains(&ratio) {
            break;
        }
        voxel = (voxel * ratio.sqrt()).max(least);
    }
    voxel
}

/// One point per voxel: mean position, normal and colour of its candidates.
fn merge(candidates: &[Candidate], keys: &[([i32; 3], u32)], voxel: f64) -> FusedCloud {
    let mut cloud = FusedCloud::default();
    for group in keys.chunk_by(|a, b| a.0 == b.0) {
        let members = || group.iter().map(|(_, i)| &candidates[*i as usize]);
        let n = group.len() as f64;
        let position = members().map(|c| c.position.coords).sum::<Vector3<f64>>() / n;
        let normal = members().map(|c| c.normal).sum::<Vector3<f64>>();
        // Two sides of a thin sheet cancel: the first one's normal stands in.
        let normal = normal.try_normalize(1e-3 * n).unwrap_or(candidates[group[0].1 as usize].normal);
        let footprint = members().map(|c| c.footprint).fold(f32::MAX, f32::min);
        cloud.positions.push(position.cast::<f32>().into());
        cloud.normals.push(normal.cast::<f32>().into());
        cloud
            .colors
            .push(std::array::from_fn(|q| (members().map(|c| f64::from(c.color[q])).sum::<f64>() / n + 0.5) as u8));
        cloud.spacing.push(footprint.max(voxel as f32));
    }
    cloud
}
