//! The signed distance: which blocks there are, and what every depth map says of their voxels.

use super::TsdfOptions;
use crate::geometry::dense::View;
use crate::scene::{Camera, Cancelled, DepthMap, Job};
use nalgebra::{Point3, Vector3};
use rayon::prelude::*;
use std::collections::HashMap;

/// Voxels along a side of a block.
pub(super) const SIDE: usize = 8;
/// Voxels of a block.
pub(super) const CELLS: usize = SIDE * SIDE * SIDE;
/// Surfaces seen at a flatter angle than this (cosine) are left out.
const MIN_COS: f32 = 0.15;

/// A block's voxels, x fastest.
#[derive(Clone)]
pub(super) struct Block {
    /// Signed distance over truncation, -1..1, positive in free space.
    pub distance: [f32; CELLS],
    /// Sum of weights; 0 = never seen.
    pub weight: [f32; CELLS],
    /// Mean colour, sRGB.
    pub color: [[u8; 3]; CELLS],
}

/// Sparse blocks in order of their keys.
pub(super) struct Volume {
    /// Side of a voxel.
    pub voxel: f32,
    /// Block coordinates `(z, y, x)` in units of blocks, ascending.
    pub keys: Vec<[i32; 3]>,
    /// One per key.
    pub blocks: Vec<Block>,
    /// Position in `keys`: for look-ups only, never iterated.
    index: HashMap<[i32; 3], usize>,
}

/// A depth map with what the update of a voxel needs beside the depth.
struct Measured<'a> {
    view: &'a View<'a>,
    depth: &'a DepthMap,
    camera: Camera,
    /// Perpendicular distance per unit of depth along the optical axis; 0 = leave out.
    slope: Vec<f32>,
}

/// The camera of a view at the resolution of its depth map.
fn depth_camera(view: &View, depth: &DepthMap) -> Camera {
    view.camera.resized(depth.width.max(1), depth.height.max(1))
}

/// Keys of the blocks that lie within the truncation of a surface, ascending; every `step`-th pixel is looked at.
pub(super) fn blocks(views: &[View], depths: &[DepthMap], options: &TsdfOptions, step: usize) -> Vec<[i32; 3]> {
    let side = f64::from(options.voxel) * SIDE as f64;
    let mut keys: Vec<[i32; 3]> = (0..views.len().min(depths.len()))
        .into_par_iter()
        .flat_map_iter(|i| {
            let (depth, camera) = (&depths[i], depth_camera(&views[i], &depths[i]));
            let (mut keys, reach) = (Vec::new(), f64::from(options.truncation));
            for y in (step / 2..depth.height as usize).step_by(step) {
                let mut last = [i32::MAX; 3];
                for x in (step / 2..depth.width as usize).step_by(step) {
                    let d = depth.data[y * depth.width as usize + x];
                    if d <= 0.0 || d > options.max_depth {
                        continue;
                    }
                    for along in [-1.0, 0.0, 1.0] {
                        let z = f64::from(d) + along * reach;
                        let p = camera.unproject(x as f64 + 0.5, y as f64 + 0.5, z) / side;
                        let key = [p.z, p.y, p.x].map(|v| v.floor().clamp(-1e9, 1e9) as i32);
                        if key != last {
                            keys.push(key);
                            last = key;
                        }
                    }
                }
            }
            keys.sort_unstable();
            keys.dedup();
            keys
        })
        .collect();
    keys.par_sort_unstable();
    keys.dedup();
    keys
}

impl Volume {
    /// Integrates every depth map, block by block: the order of views is fixed, so the sums are too.
    pub(super) fn integrate(
        views: &[View],
        depths: &[DepthMap],
        options: &TsdfOptions,
        job: &dyn Job,
    ) -> Result<Self, Cancelled> {
        let measured: Vec<Measured> = views.par_iter().zip(depths).map(|(v, d)| measure(v, d, options)).collect();
        let keys = blocks(views, depths, options, 2);
        const BATCH: usize = 1024;
        let (mut kept, mut filled) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
        for (n, batch) in keys.chunks(BATCH).enumerate() {
            job.tick(n * BATCH, keys.len())?;
            let made: Vec<_> = batch.par_iter().map(|key| integrate_block(*key, &measured, options)).collect();
            for (key, block) in batch.iter().zip(made) {
                if let Some(block) = block {
                    kept.push(*key);
                    filled.push(block);
                }
            }
        }
        job.tick(keys.len(), keys.len())?;
        let index = kept.iter().enumerate().map(|(i, k)| (*k, i)).collect();
        Ok(Self { voxel: options.voxel, keys: kept, blocks: filled, index })
    }

    /// Where the block with this key is.
    pub(super) fn find(&self, key: [i32; 3]) -> Option<usize> {
        self.index.get(&key).copied()
    }
}

fn measure<'a>(view: &'a View<'a>, depth: &'a DepthMap, options: &TsdfOptions) -> Measured<'a> {
    let camera = depth_camera(view, depth);
    let (w, h) = (i64::from(depth.width), i64::from(depth.height));
    let mut slope = vec![0.0; depth.data.len()];
    let point = |x: i64, y: i64, d: f32| camera.intrinsics.ray(x as f64 + 0.5, y as f64 + 0.5).cast::<f32>() * d;
    for y in 0..h {
        for x in 0..w {
            let d = depth.at(x, y);
            if d <= 0.0 || d > options.max_depth {
                continue;
            }
            let here = point(x, y, d);
            // The neighbour on either side that is nearer in depth: differences do not cross an edge.
            let along = |dx: i64, dy: i64| {
                let (a, b) = (depth.at(x + dx, y + dy), depth.at(x - dx, y - dy));
                let forward = a > 0.0 && (b <= 0.0 || (a - d).abs() <= (b - d).abs());
                if forward {
                    Some(point(x + dx, y + dy, a) - here)
                } else {
                    (b > 0.0).then(|| here - point(x - dx, y - dy, b))
                }
            };
            let (Some(du), Some(dv)) = (along(1, 0), along(0, 1)) else { continue };
            let normal = du.cross(&dv);
            let ray = here / d;
            let cos = (normal.dot(&ray) / (normal.norm() * ray.norm()).max(1e-20)).abs();
            if cos.is_finite() && cos > MIN_COS {
                slope[(y * w + x) as usize] = cos * ray.norm();
            }
        }
    }
    Measured { view, depth, camera, slope }
}

/// Running sums of a voxel.
#[derive(Clone, Copy, Default)]
struct Sums {
    distance: f32,
    weight: f32,
    color: [f32; 3],
    color_weight: f32,
}

/// The block's voxels, or `None` where no surface crosses it.
fn integrate_block(key: [i32; 3], measured: &[Measured], options: &TsdfOptions) -> Option<Block> {
    let side = f64::from(options.voxel) * SIDE as f64;
    let corner = Point3::new(f64::from(key[2]), f64::from(key[1]), f64::from(key[0])) * side;
    let mut sums = vec![Sums::default(); CELLS];
    for m in measured {
        if is_visible(&m.camera, corner + Vector3::repeat(side * 0.5), side * 0.87) {
            update(&mut sums, corner, m, options);
        }
    }
    let near = sums.iter().any(|s| s.weight > 0.0 && s.distance < s.weight);
    near.then(|| {
        let mut block = Block { distance: [1.0; CELLS], weight: [0.0; CELLS], color: [[128; 3]; CELLS] };
        for (i, s) in sums.iter().enumerate() {
            if s.weight > 0.0 {
                block.distance[i] = s.distance / s.weight;
                block.weight[i] = s.weight;
                block.color[i] = s.color.map(|c| (c / s.color_weight.max(1e-20) + 0.5) as u8);
            }
        }
        block
    })
}

/// Whether a sphere may lie in a camera's field of view.
fn is_visible(camera: &Camera, center: Point3<f64>, radius: f64) -> bool {
    let k = &camera.intrinsics;
    let p = camera.c2w.inverse_transform_point(&center);
    if p.z < -radius {
        return false;
    }
    // Distance to each side plane of the frustum.
    let side =
        |along: f64, focal: f64, edge: f64, sign: f64| sign * (focal * along - edge * p.z) / focal.hypot(edge) < radius;
    side(p.x, k.fx, -k.cx, -1.0)
        && side(p.x, k.fx, f64::from(k.width) - k.cx, 1.0)
        && side(p.y, k.fy, -k.cy, -1.0)
        && side(p.y, k.fy, f64::from(k.height) - k.cy, 1.0)
}

/// Adds what one depth map says of the voxels of a block.
fn update(sums: &mut [Sums], corner: Point3<f64>, m: &Measured, options: &TsdfOptions) {
    let (w2c, k) = (m.camera.w2c(), &m.camera.intrinsics);
    let voxel = f64::from(options.voxel);
    let start = (w2c * (corner + Vector3::repeat(voxel * 0.5))).coords.cast::<f32>();
    let axes: [Vector3<f32>; 3] =
        [Vector3::x(), Vector3::y(), Vector3::z()].map(|a| (w2c.rotation * (a * voxel)).cast::<f32>());
    let [fx, fy, cx, cy] = [k.fx, k.fy, k.cx, k.cy].map(|v| v as f32);
    let (width, height) = (m.depth.width as usize, m.depth.height as usize);
    let (image_w, image_h) = m.view.image.dimensions();
    let (sx, sy) = (image_w as f32 / width as f32, image_h as f32 / height as f32);
    for i in 0..CELLS {
        let (x, y, z) = (i % SIDE, i / SIDE % SIDE, i / (SIDE * SIDE));
        let p = start + axes[0] * x as f32 + axes[1] * y as f32 + axes[2] * z as f32;
        if p.z <= 1e-9 {
            continue;
        }
        let (u, v) = (fx * p.x / p.z + cx, fy * p.y / p.z + cy);
        if !(u >= 0.0 && v >= 0.0 && u < width as f32 && v < height as f32) {
            continue;
        }
        let at = v as usize * width + u as usize;
        let (d, slope) = (m.depth.data[at], m.slope[at]);
        let distance = (d - p.z) * slope;
        // Far behind along the ray the tangent plane says nothing, however near the plane is.
        if slope <= 0.0 || distance < -options.truncation || d - p.z < -1.5 * options.truncation {
            continue;
        }
        // Flat angles and far surfaces are measured worse: weight by cosine over depth squared.
        let weight = slope / (d * d);
        let s = &mut sums[i];
        s.distance += weight * (distance / options.truncation).min(1.0);
        s.weight += weight;
        if distance < options.truncation {
            let (px, py) = (((u * sx) as u32).min(image_w - 1), ((v * sy) as u32).min(image_h - 1));
            let c = m.view.image.get_pixel(px, py).0;
            s.color_weight += weight;
            for q in 0..3 {
                s.color[q] += weight * f32::from(c[q]);
            }
        }
    }
}
