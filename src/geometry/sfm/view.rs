//! A camera as the solvers hold it: world-to-camera, so that projecting needs no inverse.

use crate::scene::Intrinsics;
use nalgebra::{Isometry3, Point3, Unit, Vector2, Vector3};

/// Points nearer to the camera plane than this, in scene units, do not project.
const NEAR: f64 = 1e-9;

/// Intrinsics and world-to-camera pose.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) w2c: Isometry3<f64>,
    pub(super) focal: [f64; 2],
    pub(super) centre: [f64; 2],
}

impl View {
    pub(super) fn new(intrinsics: &Intrinsics, w2c: Isometry3<f64>) -> Self {
        Self { w2c, focal: [intrinsics.fx, intrinsics.fy], centre: [intrinsics.cx, intrinsics.cy] }
    }

    pub(super) fn mean_focal(&self) -> f64 {
        0.5 * (self.focal[0] + self.focal[1])
    }

    /// Normalised coordinates (z = 1) of pixel coordinates.
    pub(super) fn normalised(&self, uv: [f64; 2]) -> Vector2<f64> {
        Vector2::new((uv[0] - self.centre[0]) / self.focal[0], (uv[1] - self.centre[1]) / self.focal[1])
    }

    pub(super) fn project(&self, p: &Point3<f64>) -> Option<[f64; 2]> {
        let q = self.w2c * p;
        (q.z > NEAR).then(|| [self.focal[0] * q.x / q.z + self.centre[0], self.focal[1] * q.y / q.z + self.centre[1]])
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
