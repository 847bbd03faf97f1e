//! Projection of Gaussians to the image (EWA: Zwicker et al. 2001; Kerbl et al. 2023, eq. 5), and its derivative.
//!
//! The camera-frame covariance V goes through the affine map J whose rows are the image axes and depth, so
//! `J V J^T = [[a b e] [b c f] [e f .]]` holds the image covariance and the covariance of depth with it. The depth of a
//! Gaussian at image offset d is its mean given d, `z + (e, f) Q d` with Q the conic: for a flat Gaussian its plane,
//! the same as the point of greatest density along the ray (RaDe-GS, Zhang et al. 2024).

use super::super::rasteriser::Gradient;
use super::super::{sh, sigmoid};
use super::tile::PairGradient;
use crate::scene::{Camera, Gaussians};
use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;

/// Added to the image covariance: a Gaussian is never thinner than about a pixel.
const LOW_PASS: f32 = 0.3;
/// Opacity below which a Gaussian is skipped.
const MIN_ALPHA: f32 = 1.0 / 255.0;
/// Nearest depth drawn, as a share of the mean depth of the scene in front of the camera.
const NEAR: f32 = 0.005;
/// Tangents are clamped at the image's borders plus this share of its half width, for the Jacobian only.
const TANGENT_MARGIN: f32 = 0.3;

/// A camera as the rasteriser needs it.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) width: usize,
    pub(super) height: usize,
    /// World to camera.
    w: Matrix3<f32>,
    center: Vector3<f32>,
    f: [f32; 2],
    c: [f32; 2],
    /// Least and greatest tangent along x and y.
    limits: [[f32; 2]; 2],
    near: f32,
}

impl View {
    pub(super) fn new(camera: &Camera, g: &Gaussians) -> Self {
        let k = &camera.intrinsics;
        let limit = |n: u32, f: f64, c: f64| {
            let margin = f64::from(TANGENT_MARGIN) * 0.5 * f64::from(n) / f;
            [(-c / f - margin) as f32, ((f64::from(n) - c) / f + margin) as f32]
        };
        let mut view = Self {
            width: k.width as usize,
            height: k.height as usize,
            w: camera.c2w.rotation.to_rotation_matrix().matrix().transpose().cast(),
            center: camera.center().coords.cast(),
            f: [k.fx as f32, k.fy as f32],
            c: [k.cx as f32, k.cy as f32],
            limits: [limit(k.width, k.fx, k.cx), limit(k.height, k.fy, k.cy)],
            near: 0.0,
        };
        let (sum, n) = g.means.iter().fold((0.0f64, 0u32), |(sum, n), m| {
            let z = view.camera_point(m).z;
            if z > 0.0 && z < 1e15 { (sum + f64::from(z), n + 1) } else { (sum, n) }
        });
        view.near = (NEAR * (sum / f64::from(n.max(1))) as f32).max(1e-12);
        view
    }

    fn camera_point(&self, mean: &[f32; 3]) -> Vector3<f32> {
        self.w * (Vector3::from(*mean) - self.center)
    }
}

/// A visible Gaussian in the image: one line of the cache.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Splat {
    /// Centre, pixels.
    pub(super) mx: f32,
    pub(super) my: f32,
    /// Conic: `q = ca dx dx + 2 cb dx dy + cc dy dy`.
    pub(super) ca: f32,
    pub(super) cb: f32,
    pub(super) cc: f32,
    /// Half width and height of the ellipse on which opacity falls to 1/255, and `q` there.
    pub(super) rx: f32,
    pub(super) ry: f32,
    pub(super) r2: f32,
    pub(super) opacity: f32,
    pub(super) rgb: [f32; 3],
    /// Depth at the centre, and its change per pixel.
    pub(super) z: f32,
    pub(super) slope: [f32; 2],
    /// Index of the Gaussian.
    pub(super) id: u32,
}

/// A Gaussian in the camera frame and its image covariance.
struct Geometry {
    p: Vector3<f32>,
    /// Clamped tangents, and whether each is free.
    tangent: [f32; 2],
    free: [bool; 2],
    /// Axes in the camera frame, as columns.
    axes: Matrix3<f32>,
    scales: Vector3<f32>,
    cov: Matrix3<f32>,
    jacobian: Matrix3<f32>,
    /// a, b, c of the image covariance with the low-pass, and e, f.
    image_cov: [f32; 5],
    conic: [f32; 3],
}

/// Rotation matrix of a quaternion w x y z, and the quaternion's length.
fn rotation(q: &[f32; 4]) -> (Matrix3<f32>, f32) {
    let n = q.iter().map(|v| v * v).sum::<f32>().sqrt();
    let [w, x, y, z] = q.map(|v| v / n);
    let r = Matrix3::new(
        1.0 - 2.0 * (y * y + z * z),
        2.0 * (x * y - w * z),
        2.0 * (x * z + w * y),
        2.0 * (x * y + w * z),
        1.0 - 2.0 * (x * x + z * z),
        2.0 * (y * z - w * x),
        2.0 * (x * z - w * y),
        2.0 * (y * z + w * x),
        1.0 - 2.0 * (x * x + y * y),
    );
    (r, n)
}

fn geometry(view: &View, g: &Gaussians, i: usize) -> Option<Geometry> {
    let p = view.camera_point(&g.means[i]);
    if !(p.z > view.near) {
        return None;
    }
    let (r, _) = rotation(&g.quats[i]);
    let axes = view.w * r;
    let scales = Vector3::from(g.log_scales[i].map(f32::exp));
    let half =
        Matrix3::from_columns(&[axes.column(0) * scales.x, axes.column(1) * scales.y, axes.column(2) * scales.z]);
    let cov = half * half.transpose();
    let raw = [p.x / p.z, p.y / p.z];
    let tangent: [f32; 2] = std::array::from_fn(|k| raw[k].max(view.limits[k][0]).min(view.limits[k][1]));
    let jacobian = Matrix3::new(
        view.f[0] / p.z,
        0.0,
        -view.f[0] * tangent[0] / p.z,
        0.0,
        view.f[1] / p.z,
        -view.f[1] * tangent[1] / p.z,
        0.0,
        0.0,
        1.0,
    );
    let m = jacobian * cov * jacobian.transpose();
    let (a, b, c) = (m[(0, 0)] + LOW_PASS, m[(0, 1)], m[(1, 1)] + LOW_PASS);
    let det = a * c - b * b;
    let conic = [c / det, -b / det, a / det];
    let fine = det > 0.0 && conic.iter().all(|v| v.is_finite()) && conic[0] > 0.0 && conic[2] > 0.0;
    fine.then_some(Geometry {
        p,
        tangent,
        free: [raw[0] == tangent[0], raw[1] == tangent[1]],
        axes,
        scales,
        cov,
        jacobian,
        image_cov: [a, b, c, m[(0, 2)], m[(1, 2)]],
        conic,
    })
}

/// Unit direction from the camera to a Gaussian in the world, and the distance.
fn direction(view: &View, mean: &[f32; 3]) -> ([f32; 3], f32) {
    let d = Vector3::from(*mean) - view.center;
    let n = d.norm().max(1e-20);
    ((d / n).into(), n)
}

fn splat(view: &View, g: &Gaussians, i: usize, degree: usize) -> Option<Splat> {
    let opacity = sigmoid(g.opacity_logits[i]);
    if !(opacity > MIN_ALPHA) {
        return None;
    }
    let geo = geometry(view, g, i)?;
    let [a, _, c, e, f] = geo.image_cov;
    let [ca, cb, cc] = geo.conic;
    let r2 = 2.0 * (opacity / MIN_ALPHA).ln();
    let (mx, my) = (view.f[0] * geo.p.x / geo.p.z + view.c[0], view.f[1] * geo.p.y / geo.p.z + view.c[1]);
    let (rx, ry) = ((r2 * a).sqrt(), (r2 * c).sqrt());
    let inside = mx + rx > 0.0 && mx - rx < view.width as f32 && my + ry > 0.0 && my - ry < view.height as f32;
    if !inside {
        return None;
    }
    let basis = sh::basis(degree, direction(view, &g.means[i]).0);
    let mut rgb = [0.5f32; 3];
    for (b, k) in basis.iter().zip(g.sh_of(i)) {
        for c in 0..3 {
            rgb[c] += b * k[c];
        }
    }
    let slope = [ca * e + cb * f, cb * e + cc * f];
    let all = [mx, my, rx, ry, geo.p.z, slope[0], slope[1], rgb[0], rgb[1], rgb[2]];
    all.iter().all(|v| v.is_finite()).then_some(Splat {
        mx,
        my,
        ca,
        cb,
        cc,
        rx,
        ry,
        r2,
        opacity,
        rgb: rgb.map(|v| v.max(0.0)),
        z: geo.p.z,
        slope,
        id: i as u32,
    })
}

/// The Gaussians that can be seen, near to far (equal depths by index).
pub(super) fn visible(view: &View, g: &Gaussians, degree: usize) -> Vec<Splat> {
    let seen: Vec<Splat> = (0..g.len()).into_par_iter().filter_map(|i| splat(view, g, i, degree)).collect();
    // Bits of positive floats sort as the floats do.
    let mut order: Vec<u64> =
        seen.iter().enumerate().map(|(k, s)| (u64::from(s.z.to_bits()) << 32) | k as u64).collect();
    order.par_sort_unstable();
    order.par_iter().map(|key| seen[(key & 0xffff_ffff) as usize]).collect()
}

/// World-frame normal: the shortest axis, turned to the camera.
pub(super) fn normal(view: &View, g: &Gaussians, i: usize) -> [f32; 3] {
    let s = g.log_scales[i];
    let shortest = (0..3).fold(0, |a, k| if s[k] < s[a] { k } else { a });
    let axis = rotation(&g.quats[i]).0.column(shortest).into_owned();
    let towards = view.center - Vector3::from(g.means[i]);
    (if axis.dot(&towards) < 0.0 { -axis } else { axis }).into()
}

/// Gradient of one Gaussian from the sums over its pixels.
pub(super) fn backward(view: &View, g: &Gaussians, degree: usize, s: &Splat, sums: &PairGradient) -> Gradient {
    let i = s.id as usize;
    let Some(geo) = geometry(view, g, i) else { return Gradient::default() };
    let mut out = Gradient::default();
    // alpha = opacity exp(-q / 2), so d/d opacity = -2 (d/dq) / opacity, and d opacity / d logit = o (1 - o).
    out.opacity_logit = -2.0 * sums.q * (1.0 - s.opacity);
    let by_center = [
        -2.0 * (s.ca * sums.q1[0] + s.cb * sums.q1[1]) - s.slope[0] * sums.depth[0],
        -2.0 * (s.cb * sums.q1[0] + s.cc * sums.q1[1]) - s.slope[1] * sums.depth[0],
    ];
    out.screen = (by_center[0] * by_center[0] + by_center[1] * by_center[1]).sqrt();
    let mut by_p = Vector3::new(0.0, 0.0, sums.depth[0]);
    for k in 0..2 {
        by_p[k] += by_center[k] * view.f[k] / geo.p.z;
        by_p.z -= by_center[k] * view.f[k] * geo.p[k] / (geo.p.z * geo.p.z);
    }
    let (by_cov, by_jacobian) = through_image_covariance(&geo, sums);
    through_jacobian(view, &geo, &by_jacobian, &mut by_p);
    let (by_rotation, by_log_scale) = through_covariance(view, &geo, &by_cov);
    out.log_scale = by_log_scale;
    out.quat = through_rotation(&g.quats[i], &by_rotation);
    let by_mean = view.w.transpose() * by_p + through_color(view, g, i, degree, s, sums, &mut out);
    out.mean = by_mean.into();
    let flat = out.mean.iter().chain(&out.log_scale).chain(&out.quat).chain(out.sh.as_flattened());
    if flat.chain([&out.opacity_logit]).all(|v| v.is_finite()) { out } else { Gradient::default() }
}

/// Gradients by the camera-frame covariance and by the Jacobian.
fn through_image_covariance(geo: &Geometry, sums: &PairGradient) -> (Matrix3<f32>, Matrix3<f32>) {
    let [_, _, _, e, f] = geo.image_cov;
    let [ca, cb, cc] = geo.conic;
    let [_, sx, sy] = sums.depth;
    // slope = Q (e, f)
    let (by_e, by_f) = (sx * ca + sy * cb, sx * cb + sy * cc);
    let by_conic = [sums.q2[0] + sx * e, 2.0 * sums.q2[1] + sx * f + sy * e, sums.q2[2] + sy * f];
    // Q = inverse of the image covariance: d = -Q G Q, G with half of the off-diagonal on either side.
    let (g00, g01, g11) = (by_conic[0], by_conic[1] * 0.5, by_conic[2]);
    let (m00, m01) = (g00 * ca + g01 * cb, g00 * cb + g01 * cc);
    let (m10, m11) = (g01 * ca + g11 * cb, g01 * cb + g11 * cc);
    let (h00, h01, h11) = (-(ca * m00 + cb * m10), -(ca * m01 + cb * m11), -(cb * m01 + cc * m11));
    let n = Matrix3::new(h00, h01, by_e * 0.5, h01, h11, by_f * 0.5, by_e * 0.5, by_f * 0.5, 0.0);
    (geo.jacobian.transpose() * n * geo.jacobian, n * geo.jacobian * geo.cov * 2.0)
}

/// Adds the gradient that reaches the camera-frame centre through the Jacobian.
fn through_jacobian(view: &View, geo: &Geometry, by: &Matrix3<f32>, by_p: &mut Vector3<f32>) {
    let z = geo.p.z;
    for k in 0..2 {
        let (f, t) = (view.f[k], geo.tangent[k]);
        by_p.z += (by[(k, 2)] * f * t - by[(k, k)] * f) / (z * z);
        if geo.free[k] {
            let by_tangent = -by[(k, 2)] * f / z;
            by_p[k] += by_tangent / z;
            by_p.z -= by_tangent * t / z;
        }
    }
}

/// Gradients by the world rotation matrix and the log scales: `V = B B^T`, `B = axes * diag(scales)`.
fn through_covariance(view: &View, geo: &Geometry, by: &Matrix3<f32>) -> (Matrix3<f32>, [f32; 3]) {
    let mut by_axes = Matrix3::zeros();
    let mut by_log_scale = [0.0; 3];
    for k in 0..3 {
        let by_half = by * geo.axes.column(k) * (2.0 * geo.scales[k]);
        by_log_scale[k] = by_half.dot(&geo.axes.column(k)) * geo.scales[k];
        by_axes.set_column(k, &(by_half * geo.scales[k]));
    }
    (view.w.transpose() * by_axes, by_log_scale)
}

/// Gradient by the quaternion as stored, through its normalisation.
fn through_rotation(q: &[f32; 4], r: &Matrix3<f32>) -> [f32; 4] {
    let n = rotation(q).1;
    let [w, x, y, z] = q.map(|v| v / n);
    let m = |i: usize, j: usize| r[(i, j)];
    let by = [
        2.0 * (x * (m(2, 1) - m(1, 2)) + y * (m(0, 2) - m(2, 0)) + z * (m(1, 0) - m(0, 1))),
        2.0 * (y * (m(0, 1) + m(1, 0)) + z * (m(0, 2) + m(2, 0)) + w * (m(2, 1) - m(1, 2)))
            - 4.0 * x * (m(1, 1) + m(2, 2)),
        2.0 * (x * (m(0, 1) + m(1, 0)) + z * (m(1, 2) + m(2, 1)) + w * (m(0, 2) - m(2, 0)))
            - 4.0 * y * (m(0, 0) + m(2, 2)),
        2.0 * (x * (m(0, 2) + m(2, 0)) + y * (m(1, 2) + m(2, 1)) + w * (m(1, 0) - m(0, 1)))
            - 4.0 * z * (m(0, 0) + m(1, 1)),
    ];
    let unit = [w, x, y, z];
    let along: f32 = (0..4).map(|k| by[k] * unit[k]).sum();
    std::array::from_fn(|k| (by[k] - along * unit[k]) / n)
}

/// Fills in the SH gradient and returns the gradient by the centre through the viewing direction.
fn through_color(
    view: &View,
    g: &Gaussians,
    i: usize,
    degree: usize,
    s: &Splat,
    sums: &PairGradient,
    out: &mut Gradient,
) -> Vector3<f32> {
    let by_rgb: [f32; 3] = std::array::from_fn(|c| if s.rgb[c] > 0.0 { sums.rgb[c] } else { 0.0 });
    let (d, distance) = direction(view, &g.means[i]);
    let (basis, slopes) = (sh::basis(degree, d), sh::basis_gradient(degree, d));
    let mut by_d = Vector3::zeros();
    for (k, coefficients) in g.sh_of(i).iter().enumerate() {
        out.sh[k] = by_rgb.map(|v| v * basis[k]);
        let along: f32 = (0..3).map(|c| by_rgb[c] * coefficients[c]).sum();
        by_d += Vector3::from(slopes[k]) * along;
    }
    let d = Vector3::from(d);
    (by_d - d * d.dot(&by_d)) / distance
}
