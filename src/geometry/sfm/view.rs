//! A camera as the solvers hold it: world-to-camera, so that projecting needs no inverse.

use crate::scene::Intrinsics;
use nalgebra::{Isometry3, Matrix2, Matrix2x3, Point3, Unit, Vector2, Vector3};

/// Points nearer to the camera plane than this, in scene units, do not project.
const NEAR: f64 = 1e-9;

/// Intrinsics and world-to-camera pose.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) w2c: Isometry3<f64>,
    pub(super) focal: [f64; 2],
    pub(super) centre: [f64; 2],
    /// Radial distortion k1, k2: a ray at radius r (z = 1) is seen at r (1 + k1 r² + k2 r⁴) (D. Brown, 1971).
    pub(super) radial: [f64; 2],
}

impl View {
    pub(super) fn new(intrinsics: &Intrinsics, w2c: Isometry3<f64>) -> Self {
        Self { w2c, focal: [intrinsics.fx, intrinsics.fy], centre: [intrinsics.cx, intrinsics.cy], radial: [0.0; 2] }
    }

    pub(super) fn mean_focal(&self) -> f64 {
        0.5 * (self.focal[0] + self.focal[1])
    }

    /// Factor by which distortion moves a ray whose squared radius is `r2`, and its derivative by `r2`.
    fn stretch(&self, r2: f64) -> (f64, f64) {
        let [k1, k2] = self.radial;
        (1.0 + r2 * (k1 + r2 * k2), k1 + 2.0 * r2 * k2)
    }

    /// Normalised coordinates (z = 1) of pixel coordinates, without distortion.
    pub(super) fn normalised(&self, uv: [f64; 2]) -> Vector2<f64> {
        let seen = Vector2::new((uv[0] - self.centre[0]) / self.focal[0], (uv[1] - self.centre[1]) / self.focal[1]);
        if self.radial == [0.0; 2] {
            return seen;
        }
        // Newton on the radius; where distortion folds, the radius as seen is as good as any.
        let target = seen.norm();
        let mut r = target;
        for _ in 0..8 {
            let (s, ds) = self.stretch(r * r);
            let slope = s + 2.0 * r * r * ds;
            if slope < 0.1 {
                return seen;
            }
            r -= (r * s - target) / slope;
        }
        if target > 0.0 && r.is_finite() { seen * (r / target) } else { seen }
    }

    /// Pixel coordinates of a point in the camera frame; `None` behind the camera.
    pub(super) fn image_of(&self, q: &Vector3<f64>) -> Option<[f64; 2]> {
        if !(q.z > NEAR) {
            return None;
        }
        let (x, y) = (q.x / q.z, q.y / q.z);
        let s = self.stretch(x * x + y * y).0;
        Some([self.focal[0] * x * s + self.centre[0], self.focal[1] * y * s + self.centre[1]])
    }

    pub(super) fn project(&self, p: &Point3<f64>) -> Option<[f64; 2]> {
        self.image_of(&(self.w2c * p).coords)
    }

    /// Derivative of pixel coordinates by the point in the camera frame.
    pub(super) fn jacobian(&self, q: &Vector3<f64>) -> Matrix2x3<f64> {
        let inv = 1.0 / q.z;
        let (x, y) = (q.x * inv, q.y * inv);
        let (s, ds) = self.stretch(x * x + y * y);
        let bend = Matrix2::new(
            self.focal[0] * (s + 2.0 * x * x * ds),
            self.focal[0] * 2.0 * x * y * ds,
            self.focal[1] * 2.0 * x * y * ds,
            self.focal[1] * (s + 2.0 * y * y * ds),
        );
        bend * Matrix2x3::new(inv, 0.0, -x * inv, 0.0, inv, -y * inv)
    }

    /// Derivative of pixel coordinates by fx, fy, k1, k2, for a point in the camera frame; u first.
    pub(super) fn intrinsic_jacobian(&self, q: &Vector3<f64>) -> [[f64; 4]; 2] {
        let (x, y) = (q.x / q.z, q.y / q.z);
        let r2 = x * x + y * y;
        let s = self.stretch(r2).0;
        let (u, v) = (self.focal[0] * x, self.focal[1] * y);
        [[x * s, 0.0, u * r2, u * r2 * r2], [0.0, y * s, v * r2, v * r2 * r2]]
    }

    /// Squared reprojection error in pixels; infinite behind the camera.
    pub(super) fn error2(&self, p: &Point3<f64>, uv: [f64; 2]) -> f64 {
        self.project(p).map_or(f64::INFINITY, |q| (q[0] - uv[0]).powi(2) + (q[1] - uv[1]).powi(2))
    }

    pub(super) fn centre_in_world(&self) -> Point3<f64> {
        self.w2c.inverse_transform_point(&Point3::origin())
    }

    /// Unit viewing ray of pixel coordinates, in the world.
    pub(super) fn ray(&self, uv: [f64; 2]) -> Unit<Vector3<f64>> {
        let n = self.normalised(uv);
        Unit::new_normalize(self.w2c.rotation.inverse_transform_vector(&Vector3::new(n.x, n.y, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distorted_ray_is_found_again_and_derivatives_agree_with_differences() {
        let k = Intrinsics { width: 640, height: 480, fx: 500.0, fy: 510.0, cx: 320.0, cy: 240.0 };
        let mut view = View::new(&k, Isometry3::identity());
        for radial in [[0.0, 0.0], [-0.25, 0.06], [0.1, -0.02]] {
            view.radial = radial;
            for q in [Vector3::new(0.3, -0.2, 1.1), Vector3::new(-0.9, 0.7, 2.0), Vector3::new(0.0, 0.0, 1.0)] {
                let uv = view.image_of(&q).unwrap();
                let n = view.normalised(uv);
                assert!((n - Vector2::new(q.x / q.z, q.y / q.z)).norm() < 1e-9, "{radial:?} {q:?}: {n:?}");
                let h = 1e-6;
                for c in 0..3 {
                    let at = |s: f64| view.image_of(&(q + Vector3::ith(c, s))).unwrap();
                    let (a, b) = (at(h), at(-h));
                    let numeric = [(a[0] - b[0]) / (2.0 * h), (a[1] - b[1]) / (2.0 * h)];
                    let j = view.jacobian(&q);
                    assert!((numeric[0] - j[(0, c)]).abs() < 1e-4 && (numeric[1] - j[(1, c)]).abs() < 1e-4);
                }
                for c in 0..4 {
                    let at = |s: f64| {
                        let mut v = view;
                        if c < 2 {
                            v.focal[c] += s
                        } else {
                            v.radial[c - 2] += s
                        }
                        v.image_of(&q).unwrap()
                    };
                    let (a, b, j) = (at(h), at(-h), view.intrinsic_jacobian(&q));
                    for row in 0..2 {
                        assert!(((a[row] - b[row]) / (2.0 * h) - j[row][c]).abs() < 1e-4, "{c} {row}");
                    }
                }
            }
        }
    }
}
