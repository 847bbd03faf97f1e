//! Projection of Gaussians to the image (EWA: Zwicker et al. 2001; Kerbl et al. 2023, eq. 5), and its derivative.
//!
//! The camera-frame covariance V goes through the affine map J whose rows are the image axes and depth, so
//! `J V J^T = [[a b e] [b c f] [e f .]]` holds the image covariance and the covariance of depth with it. The depth of a
//! Gaussian at image offset d is its mean given d, `z + (e, f) Q d` with Q the conic: for a flat Gaussian its plane,
//! the same as the point of greatest density along the ray (RaDe-GS, Zhang et al. 2024).

use super::super::backend::Shot;
use super::super::{sh, sigmoid};
use crate::scene::Gaussians;
use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;

/// Added to the image covariance: a Gaussian is never thinner than about a pixel.
const LOW_PASS: f32 = 0.3;
/// Opacity below which a Gaussian is skipped.
const MIN_ALPHA: f32 = 1.0 / 255.0;
/// Least factor of opacity of the 2D filter of Mip-Splatting, squared.
const MIN_FACTOR: f32 = 2.5e-5;
/// Factor on a bound of a radius that makes up for rounding.
const ROUNDING: f32 = 1.001;
/// Tangents are clamped at the image's borders plus this share of its half width, for the Jacobian only.
const TANGENT_MARGIN: f32 = 0.3;

/// A camera as the rasteriser needs it.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) width: usize,
    pub(super) height: usize,
    /// World to camera.
    pub(super) w: Matrix3<f32>,
    pub(super) center: Vector3<f32>,
    pub(super) f: [f32; 2],
    c: [f32; 2],
    /// Least and greatest tangent along x and y.
    limits: [[f32; 2]; 2],
    near: f32,
}

impl View {
    pub(super) fn new(shot: &Shot) -> Self {
        let (camera, k) = (&shot.camera, &shot.camera.intrinsics);
        let limit = |n: u32, f: f64, c: f64| {
            let margin = f64::from(TANGENT_MARGIN) * 0.5 * f64::from(n) / f;
            [(-c / f - margin) as f32, ((f64::from(n) - c) / f + margin) as f32]
        };
        Self {
            width: k.width as usize,
            height: k.height as usize,
            w: camera.c2w.rotation.to_rotation_matrix().matrix().transpose().cast(),
            center: camera.center().coords.cast(),
            f: [k.fx as f32, k.fy as f32],
            c: [k.cx as f32, k.cy as f32],
            limits: [limit(k.width, k.fx, k.cx), limit(k.height, k.fy, k.cy)],
            near: shot.near.max(1e-12),
        }
    }

    pub(super) fn camera_point(&self, mean: &[f32; 3]) -> Vector3<f32> {
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
    /// With the factor of the 2D filter, where that is used.
    pub(super) opacity: f32,
    pub(super) rgb: [f32; 3],
    /// Depth at the centre, and its change per pixel.
    pub(super) z: f32,
    pub(super) slope: [f32; 2],
    /// Index of the Gaussian.
    pub(super) id: u32,
}

/// A Gaussian in the camera frame and its image covariance.
pub(super) struct Geometry {
    pub(super) p: Vector3<f32>,
    /// Clamped tangents, and whether each is free.
    pub(super) tangent: [f32; 2],
    pub(super) free: [bool; 2],
    /// Axes in the camera frame, as columns.
    pub(super) axes: Matrix3<f32>,
    pub(super) scales: Vector3<f32>,
    pub(super) cov: Matrix3<f32>,
    pub(super) jacobian: Matrix3<f32>,
    /// a, b, c of the image covariance with the low-pass, and e, f.
    pub(super) image_cov: [f32; 5],
    pub(super) conic: [f32; 3],
}

impl Geometry {
    /// Square of the factor of opacity of the 2D filter (Mip-Splatting, Yu et al. 2024, eq. 8), and its logarithmic
    /// derivative by a, b and c of the image covariance, 0 where it is clamped.
    pub(super) fn filter(&self) -> (f32, [f32; 3]) {
        let [a, b, c, ..] = self.image_cov;
        let (raw, wide) = ((a - LOW_PASS) * (c - LOW_PASS) - b * b, a * c - b * b);
        let square = raw / wide;
        if !(square > MIN_FACTOR) {
            return (MIN_FACTOR, [0.0; 3]);
        }
        let by = |raw_slope: f32, wide_slope: f32| raw_slope / raw - wide_slope / wide;
        (square, [by(c - LOW_PASS, c), by(-2.0 * b, -2.0 * b), by(a - LOW_PASS, a)])
    }
}

/// Rotation matrix of a quaternion w x y z, and the quaternion's length.
pub(super) fn rotation(q: &[f32; 4]) -> (Matrix3<f32>, f32) {
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

pub(super) fn geometry(view: &View, g: &Gaussians, i: usize) -> Option<Geometry> {
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
pub(super) fn direction(view: &View, mean: &[f32; 3]) -> ([f32; 3], f32) {
    let d = Vector3::from(*mean) - view.center;
    let n = d.norm().max(1e-20);
    ((d / n).into(), n)
}

/// Whether a Gaussian is behind the camera, or a ball as wide as its longest axis is beside the image: most are, and need
/// no covariance to tell. The image variance along an axis is at most `(f / z)^2 (1 + t^2)` times the greatest variance.
fn outside(view: &View, g: &Gaussians, i: usize, opacity: f32) -> bool {
    let p = view.camera_point(&g.means[i]);
    if !(p.z > view.near) {
        return true;
    }
    let longest = g.log_scales[i].iter().fold(f32::NEG_INFINITY, |a, v| a.max(*v)).exp();
    let r2 = 2.0 * (opacity / MIN_ALPHA).ln();
    let size = [view.width as f32, view.height as f32];
    (0..2).any(|k| {
        let tangent = p[k] / p.z;
        let clamped = tangent.max(view.limits[k][0]).min(view.limits[k][1]);
        let per_unit = view.f[k] / p.z * longest;
        let radius = ROUNDING * (r2 * (per_unit * per_unit * (1.0 + clamped * clamped) + LOW_PASS)).sqrt();
        let m = view.f[k] * tangent + view.c[k];
        m + radius < 0.0 || m - radius > size[k]
    })
}

fn splat(view: &View, g: &Gaussians, i: usize, degree: usize) -> Option<Splat> {
    let mut opacity = sigmoid(g.opacity_logits[i]);
    if !(opacity > MIN_ALPHA) {
        return None;
    }
    if outside(view, g, i, opacity) {
        return None;
    }
    let geo = geometry(view, g, i)?;
    if g.antialiased {
        opacity *= geo.filter().0.sqrt();
        if !(opacity > MIN_ALPHA) {
            return None;
        }
    }
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

/// Which axis is the shortest, the first of equals.
pub(super) fn shortest(log_scales: &[f32; 3]) -> usize {
    (0..3).fold(0, |a, k| if log_scales[k] < log_scales[a] { k } else { a })
}

/// Camera-frame normal: the shortest axis, turned to the camera.
pub(super) fn normal(view: &View, g: &Gaussians, i: usize) -> [f32; 3] {
    let axis = view.w * rotation(&g.quats[i]).0.column(shortest(&g.log_scales[i]));
    (if axis.dot(&view.camera_point(&g.means[i])) > 0.0 { -axis } else { axis }).into()
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{looking, random_gaussians};
    use super::*;
    use crate::scene::Intrinsics;

    #[test]
    fn nothing_that_reaches_into_the_image_is_left_out() {
        let intrinsics = Intrinsics { width: 64, height: 48, fx: 50.0, fy: 45.0, cx: 30.0, cy: 26.0 };
        let (mut kept, mut left_out) = (0, 0);
        for seed in 0..20 {
            let g = random_gaussians(200, 0, 6.0, 0.15, &mut fastrand::Rng::with_seed(seed));
            let camera = looking([3.0, -2.0, 1.5], [0.0; 3], intrinsics);
            let view = View::new(&Shot { camera, near: 0.01, degree: 0, normals: false });
            for i in 0..g.len() {
                let opacity = sigmoid(g.opacity_logits[i]);
                let Some(geo) = geometry(&view, &g, i) else { continue };
                // The ellipse on which opacity falls to 1/255, from the covariance itself.
                let r2 = 2.0 * (opacity / MIN_ALPHA).ln();
                let reaches = (0..2).all(|k| {
                    let m = view.f[k] * geo.p[k] / geo.p.z + view.c[k];
                    let radius = (r2 * geo.image_cov[2 * k]).sqrt();
                    m + radius > 0.0 && m - radius < [64.0, 48.0][k]
                });
                let out = outside(&view, &g, i, opacity);
                assert!(!(reaches && out), "seed {seed}, Gaussian {i}");
                kept += usize::from(reaches);
                left_out += usize::from(out);
            }
        }
        assert!(kept > 200 && left_out > 1000, "{kept} {left_out}");
    }
}
