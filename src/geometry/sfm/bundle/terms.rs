//! Terms of the cost beside reprojection errors: what is known of poses and of intrinsics beforehand.

use super::super::math::skew;
use super::INTRINSICS;
use nalgebra::{Isometry3, Matrix3, Matrix6, Vector3, Vector6};

/// A pose that a view is expected to be near. Costs half the squared Mahalanobis distance, times `pixels2`.
#[derive(Clone, Copy)]
pub(in super::super) struct PosePrior {
    pub(in super::super) view: usize,
    pub(in super::super) w2c: Isometry3<f64>,
    /// Standard deviations of the rotation vector (radians) and of each coordinate of the centre (scene units).
    pub(in super::super) sigma: [f64; 2],
    /// Variance of an observation, square pixels: what makes this cost comparable with that of observations.
    pub(in super::super) pixels2: f64,
}

impl PosePrior {
    /// Whitened residual, and its derivative by the twist of `moved`.
    pub(super) fn residual(&self, w2c: &Isometry3<f64>) -> (Vector6<f64>, Matrix6<f64>) {
        let (kr, kp) = (self.pixels2.sqrt() / self.sigma[0], self.pixels2.sqrt() / self.sigma[1]);
        let turn = (w2c.rotation * self.w2c.rotation.inverse()).scaled_axis() * kr;
        let centre = |pose: &Isometry3<f64>| pose.rotation.inverse() * -pose.translation.vector;
        let shift: Vector3<f64> = (centre(w2c) - centre(&self.w2c)) * kp;
        let back = w2c.rotation.inverse().to_rotation_matrix().into_inner() * -kp;
        let mut j = Matrix6::zeros();
        // The rotation vector of a small turn after a small turn is their sum, to first order.
        j.fixed_view_mut::<3, 3>(0, 0).copy_from(&(Matrix3::identity() * kr));
        j.fixed_view_mut::<3, 3>(3, 0).copy_from(&(back * skew(&w2c.translation.vector)));
        j.fixed_view_mut::<3, 3>(3, 3).copy_from(&back);
        let mut r = Vector6::zeros();
        r.fixed_rows_mut::<3>(0).copy_from(&turn);
        r.fixed_rows_mut::<3>(3).copy_from(&shift);
        (r, j)
    }
}

/// Cost, square pixels per observation, of distortion that moves a ray at radius 1 by its whole length.
const DISTORTION_WEIGHT: f64 = 0.02;

/// What is expected of the intrinsics of a group: motion along one axis alone says little about the other, pixels are
/// nearly square, and lenses bend little. Costs `weight / 2 ((fy / (ratio fx) - 1)² + 0.02 (k1² + k2²) / 50)`.
#[derive(Clone, Copy)]
pub(in super::super) struct IntrinsicsPrior {
    /// Any view of the group.
    pub(in super::super) view: usize,
    /// Expected fy / fx.
    pub(in super::super) ratio: f64,
    pub(in super::super) weight: f64,
}

impl IntrinsicsPrior {
    /// Residuals, and their derivatives by fx, fy, k1, k2.
    pub(super) fn residual(&self, [fx, fy]: [f64; 2], radial: [f64; 2]) -> [(f64, [f64; INTRINSICS]); 3] {
        let (k, q) = (self.weight.sqrt(), fy / (self.ratio * fx));
        let bend = (self.weight * DISTORTION_WEIGHT / 50.0).sqrt();
        [
            (k * (q - 1.0), [-k * q / fx, k * q / fy, 0.0, 0.0]),
            (bend * radial[0], [0.0, 0.0, bend, 0.0]),
            (bend * radial[1], [0.0, 0.0, 0.0, bend]),
        ]
    }
}
