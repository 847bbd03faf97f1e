//! Pose of a camera from points in the world: P3P in LO-RANSAC, refined on reprojection error.

use super::math::skew;
use super::p3p::poses;
use super::ransac::{Estimator, Fit, ransac};
use super::view::View;
use nalgebra::{Isometry3, Matrix2x6, Matrix6, Point3, Translation3, UnitQuaternion, Vector2, Vector3, Vector6};

/// World points and the pixel coordinates where `view` (whose pose is not used) sees them.
pub(super) struct Resection<'a> {
    pub(super) view: View,
    pub(super) points: &'a [Point3<f64>],
    pub(super) pixels: &'a [[f64; 2]],
}

impl Resection<'_> {
    fn at(&self, w2c: &Isometry3<f64>) -> View {
        View { w2c: *w2c, ..self.view }
    }
}

/// `pose` moved by the twist `d`: rotation vector, then translation, both in the camera frame.
pub(super) fn moved(pose: &Isometry3<f64>, d: &Vector6<f64>) -> Isometry3<f64> {
    let r = UnitQuaternion::from_scaled_axis(Vector3::new(d[0], d[1], d[2]));
    let t = pose.translation.vector + Vector3::new(d[3], d[4], d[5]);
    let mut rotation = r * pose.rotation;
    rotation.renormalize();
    Isometry3::from_parts(Translation3::from(t), rotation)
}

/// Derivative of pixel coordinates by the twist of [`moved`], for the world point `p` at `q` in the camera frame.
pub(super) fn pose_jacobian(view: &View, q: &Vector3<f64>) -> Matrix2x6<f64> {
    let j = view.jacobian(q);
    let rotation = j * -skew(&(q - view.w2c.translation.vector));
    let mut out = Matrix2x6::zeros();
    out.fixed_columns_mut::<3>(0).copy_from(&rotation);
    out.fixed_columns_mut::<3>(3).copy_from(&j);
    out
}

impl Estimator for Resection<'_> {
    type Model = Isometry3<f64>;
    const SAMPLE: usize = 3;

    fn len(&self) -> usize {
        self.points.len()
    }

    fn solve(&self, sample: &[usize], out: &mut Vec<Self::Model>) {
        let rays = std::array::from_fn(|k| {
            let n = self.view.normalised(self.pixels[sample[k]]);
            Vector3::new(n.x, n.y, 1.0).normalize()
        });
        poses(&rays, &std::array::from_fn(|k| self.points[sample[k]]), out);
    }

    fn residual2(&self, model: &Self::Model, i: usize) -> f64 {
        self.at(model).error2(&self.points[i], self.pixels[i])
    }

    /// Gauss-Newton steps with Cauchy weights of one pixel.
    fn refine(&self, model: &Self::Model, inliers: &[usize]) -> Option<Self::Model> {
        if inliers.len() < 4 {
            return None;
        }
        let mut pose = *model;
        for _ in 0..4 {
            let view = self.at(&pose);
            let (mut h, mut g) = (Matrix6::zeros(), Vector6::zeros());
            for i in inliers {
                let Some(uv) = view.project(&self.points[*i]) else { continue };
                let j = pose_jacobian(&view, &(pose * self.points[*i]).coords);
                let r = Vector2::new(uv[0] - self.pixels[*i][0], uv[1] - self.pixels[*i][1]);
                let w = 1.0 / (1.0 + r.norm_squared());
                h += j.transpose() * j * w;
                g += j.transpose() * r * w;
            }
            let step = h.cholesky()?.solve(&g);
            pose = moved(&pose, &-step);
        }
        pose.translation.vector.iter().all(|v| v.is_finite()).then_some(pose)
    }
}

/// Pose (world-to-camera) that most points agree on within `limit` pixels.
pub(super) fn resect(problem: &Resection, limit: f64, seed: u64) -> Option<Fit<Isometry3<f64>>> {
    ransac(problem, limit, 3000, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Intrinsics;

    fn scene(n: usize) -> (View, Vec<Point3<f64>>, Vec<[f64; 2]>) {
        let mut rng = fastrand::Rng::with_seed(11);
        let k = Intrinsics { width: 640, height: 480, fx: 500.0, fy: 510.0, cx: 320.0, cy: 240.0 };
        let view = View::new(&k, Isometry3::new(Vector3::new(0.3, -0.4, 1.0), Vector3::new(0.4, -0.7, 0.2)));
        let mut coordinate = || rng.f64() * 2.0 - 1.0;
        let points: Vec<_> = (0..n)
            .map(|_| view.w2c.inverse_transform_point(&Point3::new(coordinate(), coordinate(), 3.0 + coordinate())))
            .collect();
        let pixels = points.iter().map(|p| view.project(p).unwrap()).collect();
        (view, points, pixels)
    }

    #[test]
    fn three_points_give_the_true_pose() {
        let (view, points, pixels) = scene(30);
        for sample in [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], [12, 13, 14]] {
            let mut found = Vec::new();
            Resection { view, points: &points, pixels: &pixels }.solve(&sample, &mut found);
            let error = |p: &Isometry3<f64>| {
                p.rotation.angle_to(&view.w2c.rotation) + (p.translation.vector - view.w2c.translation.vector).norm()
            };
            let best = found.iter().map(error).fold(f64::INFINITY, f64::min);
            assert!(best < 1e-6, "{best} of {}", found.len());
        }
    }

    #[test]
    fn resection_survives_half_of_outliers() {
        let (view, points, mut pixels) = scene(80);
        pixels.iter_mut().step_by(2).enumerate().for_each(|(i, p)| *p = [(i * 37 % 640) as f64, (i * 91 % 480) as f64]);
        let fit = resect(&Resection { view, points: &points, pixels: &pixels }, 2.0, 1).unwrap();
        assert!(fit.inliers.len() >= 40);
        assert!((fit.model.translation.vector - view.w2c.translation.vector).norm() < 1e-3);
    }
}
