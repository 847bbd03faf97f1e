//! From the sums over a Gaussian's pixels to the gradient by its parameters, and by the camera.

use super::super::backend::{CameraGradient, Gradient};
use super::super::{sh, sigmoid};
use super::project::{Geometry, Splat, View, direction, geometry, rotation, shortest};
use super::tile::PairGradient;
use crate::scene::Gaussians;
use nalgebra::{Matrix3, Vector3};

/// Gradient of one Gaussian from the sums over its pixels.
pub(super) fn backward(
    view: &View,
    g: &Gaussians,
    degree: usize,
    s: &Splat,
    sums: &PairGradient,
) -> (Gradient, CameraGradient) {
    let i = s.id as usize;
    let none = (Gradient::default(), CameraGradient::default());
    let Some(geo) = geometry(view, g, i) else { return none };
    // alpha = opacity exp(-q / 2), so d/d opacity = -2 (d/dq) / opacity; opacity is the sigmoid o, maybe times a factor,
    // so d opacity / d logit = opacity (1 - o).
    let own = sigmoid(g.opacity_logits[i]);
    let mut out = Gradient { opacity_logit: -2.0 * sums.q * (1.0 - own), ..Gradient::default() };
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
    // The factor of the filter is part of the opacity: d opacity / d log factor = opacity.
    let by_filter = if g.antialiased { geo.filter().1.map(|slope| -sums.q * slope) } else { [0.0; 3] };
    let (by_cov, by_jacobian) = through_image_covariance(&geo, sums, by_filter);
    through_jacobian(view, &geo, &by_jacobian, &mut by_p);
    let (mut by_axes, by_log_scale) = through_covariance(&geo, &by_cov);
    through_normal(&geo, shortest(&g.log_scales[i]), sums, &mut by_axes);
    out.log_scale = by_log_scale;
    out.quat = through_rotation(&g.quats[i], &(view.w.transpose() * by_axes));
    let by_direction = through_color(view, g, i, degree, s, sums, &mut out);
    out.mean = (view.w.transpose() * by_p + by_direction).into();
    // Moving the camera is moving everything the other way; a turn about its centre changes no viewing direction.
    let torque = (0..3).fold(geo.p.cross(&by_p), |sum, k| sum + geo.axes.column(k).cross(&by_axes.column(k)));
    let camera = CameraGradient { translation: (-by_p - view.w * by_direction).into(), rotation: (-torque).into() };
    let flat = out.mean.iter().chain(&out.log_scale).chain(&out.quat).chain(out.sh.as_flattened());
    let flat = flat.chain(&camera.translation).chain(&camera.rotation).chain([&out.opacity_logit]);
    if flat.copied().all(f32::is_finite) { (out, camera) } else { none }
}

/// Adds the gradient of the normal by the axis that it is.
fn through_normal(geo: &Geometry, shortest: usize, sums: &PairGradient, by_axes: &mut Matrix3<f32>) {
    let away = geo.axes.column(shortest).dot(&geo.p) > 0.0;
    let by_normal = Vector3::from(sums.normal) * if away { -1.0 } else { 1.0 };
    by_axes.set_column(shortest, &(by_axes.column(shortest) + by_normal));
}

/// Gradients by the camera-frame covariance and by the Jacobian.
fn through_image_covariance(geo: &Geometry, sums: &PairGradient, by_filter: [f32; 3]) -> (Matrix3<f32>, Matrix3<f32>) {
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
    let h00 = by_filter[0] - (ca * m00 + cb * m10);
    let h01 = 0.5 * by_filter[1] - (ca * m01 + cb * m11);
    let h11 = by_filter[2] - (cb * m01 + cc * m11);
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

/// Gradients by the camera-frame axes and the log scales: `V = B B^T`, `B = axes * diag(scales)`.
fn through_covariance(geo: &Geometry, by: &Matrix3<f32>) -> (Matrix3<f32>, [f32; 3]) {
    let mut by_axes = Matrix3::zeros();
    let mut by_log_scale = [0.0; 3];
    for k in 0..3 {
        let by_half = by * geo.axes.column(k) * (2.0 * geo.scales[k]);
        by_log_scale[k] = by_half.dot(&geo.axes.column(k)) * geo.scales[k];
        by_axes.set_column(k, &(by_half * geo.scales[k]));
    }
    (by_axes, by_log_scale)
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
