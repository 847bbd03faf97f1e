//! Agreement of two views (PGSR, Chen et al. 2024, eq. 11 to 13; Holi-Spatial 2.2, Lgeo and Lncc): a pixel taken to the
//! other view's surface and back comes back to itself, and the patch about it looks alike there.

use super::{add_by_depth, depth_at};
use crate::scene::{Camera, Intrinsics};
use crate::splat::backend::Planes;
use nalgebra::{Matrix3, Vector2, Vector3};
use rayon::prelude::*;

/// Pixels that come back farther off than this are hidden in the other view, or wrong.
const MAX_ERROR: f32 = 1.0;
/// Half width of a patch.
const PATCH: i32 = 3;
const PATCH_PIXELS: usize = ((2 * PATCH + 1) * (2 * PATCH + 1)) as usize;
/// Patches that look less alike, by `1 - NCC^2`, are of different things.
const MAX_UNLIKE: f32 = 0.9;
/// Least variance of grey in a patch that says anything.
const MIN_VARIANCE: f32 = 4e-5;

/// One of the two views.
#[derive(Clone, Copy)]
pub(in crate::splat) struct PairView<'a> {
    /// Those of the reference are drawn with normals.
    pub(in crate::splat) planes: &'a Planes,
    pub(in crate::splat) camera: &'a Camera,
    /// Grey of the photo, 0..1, of the size of the planes.
    pub(in crate::splat) grey: &'a [f32],
}

/// How two views are compared.
#[derive(Clone, Copy, Debug)]
pub(in crate::splat) struct Pair {
    /// Weight of the mean of `w * phi`, phi the error in pixels of the way there and back, w = exp(-phi) held fixed.
    pub(in crate::splat) geo: f32,
    /// Weight of the mean of `w * (1 - NCC^2)`.
    pub(in crate::splat) ncc: f32,
    /// Every so many pixels of every so many rows are taken, beginning at `offset`.
    pub(in crate::splat) stride: usize,
    /// First pixel and row, below `stride`.
    pub(in crate::splat) offset: [usize; 2],
}

/// What one pixel adds, before the weights.
struct Sample {
    pixel: usize,
    geo: f32,
    /// By the pixel's depth, and by the depths of four pixels of the other view.
    geo_by_depth: f32,
    geo_by_other: [(usize, f32); 4],
    /// Loss, its gradient by the pixel's depth and by its blended normal; `None` without a patch.
    ncc: Option<(f32, f32, Vector3<f32>)>,
}

/// Loss of `reference` against `other`; adds its gradients to `by` of either.
pub(in crate::splat) fn pair_loss(
    reference: &PairView,
    other: &PairView,
    pair: &Pair,
    by: &mut Planes,
    by_other: &mut Planes,
) -> f64 {
    let (w, h) = (reference.planes.width, reference.planes.height);
    let way = Way::new(reference, other);
    let stride = pair.stride.max(1);
    let rows: Vec<usize> = (pair.offset[1]..h).step_by(stride).collect();
    let samples: Vec<Sample> = rows
        .par_iter()
        .flat_map_iter(|&y| (pair.offset[0]..w).step_by(stride).filter_map(move |x| (x < w).then_some((x, y))))
        .filter_map(|(x, y)| way.sample(x, y, pair.ncc > 0.0))
        .collect();
    let patches = samples.iter().filter(|s| s.ncc.is_some()).count();
    let geo = pair.geo / samples.len().max(1) as f32;
    let ncc = pair.ncc / patches.max(1) as f32;
    let mut total = 0.0;
    for s in &samples {
        total += f64::from(geo * s.geo);
        let mut by_depth = geo * s.geo_by_depth;
        for (i, g) in s.geo_by_other {
            add_by_depth(other.planes, by_other, i, geo * g);
        }
        if let Some((loss, depth, normal)) = s.ncc {
            total += f64::from(ncc * loss);
            by_depth += ncc * depth;
            for c in 0..3 {
                by.normal[c][s.pixel] += ncc * normal[c];
            }
        }
        add_by_depth(reference.planes, by, s.pixel, by_depth);
    }
    total
}

/// From one view to the other.
struct Way<'a> {
    reference: &'a PairView<'a>,
    other: &'a PairView<'a>,
    /// Camera frame of the reference to that of the other.
    r: Matrix3<f32>,
    t: Vector3<f32>,
    k: Lens,
    k_other: Lens,
}

/// Intrinsics in f32.
#[derive(Clone, Copy)]
struct Lens {
    f: [f32; 2],
    c: [f32; 2],
}

impl Lens {
    fn of(k: &Intrinsics) -> Self {
        Self { f: [k.fx as f32, k.fy as f32], c: [k.cx as f32, k.cy as f32] }
    }

    /// Point at depth 1.
    fn ray(&self, p: Vector2<f32>) -> Vector3<f32> {
        Vector3::new((p.x - self.c[0]) / self.f[0], (p.y - self.c[1]) / self.f[1], 1.0)
    }

    fn project(&self, x: &Vector3<f32>) -> Vector2<f32> {
        Vector2::new(self.f[0] * x.x / x.z + self.c[0], self.f[1] * x.y / x.z + self.c[1])
    }

    /// From the gradient by the projection of `x` to that by `x`.
    fn project_back(&self, x: &Vector3<f32>, by: &Vector2<f32>) -> Vector3<f32> {
        let (gx, gy) = (by.x * self.f[0] / x.z, by.y * self.f[1] / x.z);
        Vector3::new(gx, gy, -(gx * x.x + gy * x.y) / x.z)
    }
}

/// A value between pixel centres: itself, its slope, and the four pixels with their weights.
struct Between {
    value: f32,
    slope: Vector2<f32>,
    pixels: [(usize, f32); 4],
}

fn between(w: usize, h: usize, p: &Vector2<f32>, value: impl Fn(usize) -> Option<f32>) -> Option<Between> {
    let (u, v) = (p.x - 0.5, p.y - 0.5);
    if !(u >= 0.0 && v >= 0.0 && u < (w - 1) as f32 && v < (h - 1) as f32) {
        return None;
    }
    let (x, y) = (u as usize, v as usize);
    let (a, b) = (u - x as f32, v - y as f32);
    let i = y * w + x;
    let at = [i, i + 1, i + w, i + w + 1];
    let [p00, p10, p01, p11] = [value(at[0])?, value(at[1])?, value(at[2])?, value(at[3])?];
    let weights = [(1.0 - a) * (1.0 - b), a * (1.0 - b), (1.0 - a) * b, a * b];
    Some(Between {
        value: p00 * weights[0] + p10 * weights[1] + p01 * weights[2] + p11 * weights[3],
        slope: Vector2::new((p10 - p00) * (1.0 - b) + (p11 - p01) * b, (p01 - p00) * (1.0 - a) + (p11 - p10) * a),
        pixels: std::array::from_fn(|k| (at[k], weights[k])),
    })
}

impl<'a> Way<'a> {
    fn new(reference: &'a PairView<'a>, other: &'a PairView<'a>) -> Self {
        let m = other.camera.w2c() * reference.camera.c2w;
        Self {
            reference,
            other,
            r: m.rotation.to_rotation_matrix().into_inner().cast(),
            t: m.translation.vector.cast(),
            k: Lens::of(&reference.camera.intrinsics),
            k_other: Lens::of(&other.camera.intrinsics),
        }
    }

    fn sample(&self, x: usize, y: usize, patch: bool) -> Option<Sample> {
        let pixel = y * self.reference.planes.width + x;
        let depth = depth_at(self.reference.planes, pixel)?;
        let p = Vector2::new(x as f32 + 0.5, y as f32 + 0.5);
        let turned = self.r * self.k.ray(p);
        let there = turned * depth + self.t;
        if !(there.z > 1e-3 * depth) {
            return None;
        }
        let q = self.k_other.project(&there);
        let planes = self.other.planes;
        let met = between(planes.width, planes.height, &q, |i| depth_at(planes, i))?;
        let ray = self.k_other.ray(q);
        let back = self.r.transpose() * (ray * met.value - self.t);
        if !(back.z > 1e-3 * depth) {
            return None;
        }
        let error = self.k.project(&back) - p;
        let phi = error.norm();
        if !(phi < MAX_ERROR) {
            return None;
        }
        let weight = (-phi).exp();
        let by_error = if phi > 1e-6 { error * (weight / phi) } else { Vector2::zeros() };
        let by_met = self.r * self.k.project_back(&back, &by_error);
        let by_value = by_met.dot(&ray);
        let by_q = Vector2::new(by_met.x * met.value / self.k_other.f[0], by_met.y * met.value / self.k_other.f[1])
            + met.slope * by_value;
        Some(Sample {
            pixel,
            geo: weight * phi,
            geo_by_depth: self.k_other.project_back(&there, &by_q).dot(&turned),
            geo_by_other: met.pixels.map(|(i, w)| (i, w * by_value)),
            ncc: if patch { self.patch(x, y, depth, weight) } else { None },
        })
    }

    /// Normalised cross-correlation of the patch about a pixel with where its plane puts it in the other view.
    fn patch(&self, x: usize, y: usize, depth: f32, weight: f32) -> Option<(f32, f32, Vector3<f32>)> {
        let planes = self.reference.planes;
        let (w, h) = (planes.width as i32, planes.height as i32);
        let (x, y) = (x as i32, y as i32);
        if x < PATCH || y < PATCH || x >= w - PATCH || y >= h - PATCH {
            return None;
        }
        let pixel = (y * w + x) as usize;
        let normal = Vector3::new(planes.normal[0][pixel], planes.normal[1][pixel], planes.normal[2][pixel]);
        let ray_p = self.k.ray(Vector2::new(x as f32 + 0.5, y as f32 + 0.5));
        let along = normal.dot(&ray_p);
        // Planes seen too flatly have no patch.
        if !(along < -0.1 * ray_p.norm()) {
            return None;
        }
        let (mut a, mut b) = ([0.0f32; PATCH_PIXELS], [0.0f32; PATCH_PIXELS]);
        let mut by_plane = [(0.0f32, Vector3::zeros()); PATCH_PIXELS];
        let offsets = (-PATCH..=PATCH).flat_map(|dy| (-PATCH..=PATCH).map(move |dx| (dx, dy)));
        for (k, (dx, dy)) in offsets.enumerate() {
            let ray = self.k.ray(Vector2::new((x + dx) as f32 + 0.5, (y + dy) as f32 + 0.5));
            let across = normal.dot(&ray);
            let ratio = along / across;
            if !(ratio > 0.5 && ratio < 2.0) {
                return None;
            }
            let turned = self.r * ray;
            let there = turned * (depth * ratio) + self.t;
            if !(there.z > 1e-3 * depth) {
                return None;
            }
            let grey = self.other.grey;
            let other = self.other.planes;
            let seen = between(other.width, other.height, &self.k_other.project(&there), |i| Some(grey[i]))?;
            a[k] = self.reference.grey[((y + dy) * w + x + dx) as usize];
            b[k] = seen.value;
            let by_z = self.k_other.project_back(&there, &seen.slope).dot(&turned);
            by_plane[k] = (by_z * ratio, (ray_p - ray * ratio) * (by_z * depth / across));
        }
        let (similarity, slopes) = correlation(&a, &b)?;
        let unlike = 1.0 - similarity * similarity;
        if !(unlike < MAX_UNLIKE && similarity > 0.0) {
            return None;
        }
        let (mut by_depth, mut by_normal) = (0.0, Vector3::zeros());
        for (slope, (d, n)) in slopes.iter().zip(&by_plane) {
            let g = -2.0 * similarity * slope * weight;
            by_depth += g * d;
            by_normal += n * g;
        }
        Some((weight * unlike, by_depth, by_normal))
    }
}

/// Normalised cross-correlation, and its gradient by the second patch; `None` where either says nothing.
fn correlation(a: &[f32; PATCH_PIXELS], b: &[f32; PATCH_PIXELS]) -> Option<(f32, [f32; PATCH_PIXELS])> {
    let n = PATCH_PIXELS as f32;
    let (mean_a, mean_b) = (a.iter().sum::<f32>() / n, b.iter().sum::<f32>() / n);
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for k in 0..PATCH_PIXELS {
        let (p, q) = (a[k] - mean_a, b[k] - mean_b);
        aa += p * p;
        bb += q * q;
        ab += p * q;
    }
    if aa < MIN_VARIANCE * n || bb < MIN_VARIANCE * n {
        return None;
    }
    let root = (aa * bb).sqrt();
    let ncc = ab / root;
    Some((ncc, std::array::from_fn(|k| (a[k] - mean_a) / root - ncc * (b[k] - mean_b) / bb)))
}
