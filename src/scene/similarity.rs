//! Similarity transforms, and their least-squares fit to point pairs.

use super::Camera;
use nalgebra::{Isometry3, Matrix3, Point3, Rotation3, Translation3, UnitQuaternion, Vector3};

/// `x -> scale * rotation * x + translation`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// Uniform scale, positive.
    pub scale: f64,
    /// Rotation.
    pub rotation: UnitQuaternion<f64>,
    /// Translation, applied last.
    pub translation: Vector3<f64>,
}

impl Similarity {
    /// Changes nothing.
    pub fn identity() -> Self {
        Self { scale: 1.0, rotation: UnitQuaternion::identity(), translation: Vector3::zeros() }
    }

    /// Applies the transform to a point.
    pub fn point(&self, p: &Point3<f64>) -> Point3<f64> {
        Point3::from(self.rotation * p.coords * self.scale + self.translation)
    }

    /// Applies the transform to a camera: its centre is moved, its axes turned, its intrinsics kept.
    pub fn camera(&self, c: &Camera) -> Camera {
        let center = self.point(&c.center());
        Camera {
            intrinsics: c.intrinsics,
            c2w: Isometry3::from_parts(Translation3::from(center.coords), self.rotation * c.c2w.rotation),
        }
    }

    /// The transform that undoes this one.
    pub fn inverse(&self) -> Self {
        let rotation = self.rotation.inverse();
        Self { scale: 1.0 / self.scale, rotation, translation: rotation * -self.translation / self.scale }
    }

    /// `self` after `first`.
    pub fn after(&self, first: &Self) -> Self {
        Self {
            scale: self.scale * first.scale,
            rotation: self.rotation * first.rotation,
            translation: self.rotation * first.translation * self.scale + self.translation,
        }
    }

    /// Least-squares similarity from `from` to `to` (Umeyama 1991, eqs. 40-42); `None` for fewer than three pairs or
    /// when `from` has no extent. Points on one line leave the turn about it free: the smallest turn is not promised.
    pub fn fit(from: &[Point3<f64>], to: &[Point3<f64>]) -> Option<Self> {
        if from.len() < 3 || from.len() != to.len() {
            return None;
        }
        let n = from.len() as f64;
        let mean = |p: &[Point3<f64>]| p.iter().map(|q| q.coords).sum::<Vector3<f64>>() / n;
        let (ma, mb) = (mean(from), mean(to));
        let var = from.iter().map(|p| (p.coords - ma).norm_squared()).sum::<f64>() / n;
        if !(var > 1e-18) {
            return None;
        }
        let cov = from.iter().zip(to).map(|(a, b)| (b.coords - mb) * (a.coords - ma).transpose()).sum::<Matrix3<f64>>() / n;
        let svd = cov.svd(true, true);
        let (u, vt) = (svd.u?, svd.v_t?);
        let mut d = Matrix3::identity();
        d[(2, 2)] = (u * vt).determinant().signum();
        let r = u * d * vt;
        let scale = (Matrix3::from_diagonal(&svd.singular_values) * d).trace() / var;
        let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(r));
        Some(Self { scale, rotation, translation: mb - r * ma * scale })
    }
}
