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
        let cov =
            from.iter().zip(to).map(|(a, b)| (b.coords - mb) * (a.coords - ma).transpose()).sum::<Matrix3<f64>>() / n;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Intrinsics;
    use proptest::prelude::*;

    fn any_similarity() -> impl Strategy<Value = Similarity> {
        (0.01..50.0f64, prop::array::uniform3(-3.0..3.0f64), prop::array::uniform3(-20.0..20.0f64)).prop_map(
            |(scale, r, t)| Similarity {
                scale,
                rotation: UnitQuaternion::from_euler_angles(r[0], r[1], r[2]),
                translation: t.into(),
            },
        )
    }

    fn points(seed: u64, n: usize) -> Vec<Point3<f64>> {
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..n).map(|_| Point3::new(rng.f64() * 4.0, rng.f64() * 2.0 - 7.0, rng.f64())).collect()
    }

    #[test]
    fn no_fit_without_extent() {
        let p = points(1, 5);
        assert_eq!(Similarity::fit(&p[..2], &p[..2]), None);
        assert_eq!(Similarity::fit(&p, &p[..4]), None);
        assert_eq!(Similarity::fit(&[p[0]; 4], &p[..4]), None);
        // Points in a plane are enough, and the fit is never a reflection.
        let flat: Vec<_> = p.iter().map(|q| Point3::new(q.x, q.y, 0.0)).collect();
        let mirrored: Vec<_> = flat.iter().map(|q| Point3::new(-q.x, q.y, 0.0)).collect();
        let s = Similarity::fit(&flat, &mirrored).unwrap();
        assert!(
            (s.scale - 1.0).abs() < 1e-9 && flat.iter().zip(&mirrored).all(|(a, b)| (s.point(a) - b).norm() < 1e-9)
        );
    }

    proptest! {
        #[test]
        fn fit_recovers_what_made_the_points(s in any_similarity(), seed in any::<u64>(), n in 4usize..30) {
            let from = points(seed, n);
            let to: Vec<_> = from.iter().map(|p| s.point(p)).collect();
            let f = Similarity::fit(&from, &to).unwrap();
            prop_assert!((f.scale / s.scale - 1.0).abs() < 1e-6, "{} {}", f.scale, s.scale);
            prop_assert!(from.iter().zip(&to).all(|(a, b)| (f.point(a) - b).norm() < 1e-6 * s.scale));
        }

        #[test]
        fn fit_is_the_least_squares_one(s in any_similarity(), seed in any::<u64>(), d in prop::array::uniform3(-1e-3..1e-3f64)) {
            let (from, noise) = (points(seed, 12), points(!seed, 12));
            let to: Vec<_> = from.iter().zip(&noise).map(|(p, n)| s.point(p) + n.coords * 0.05).collect();
            let error = |f: &Similarity| from.iter().zip(&to).map(|(a, b)| (f.point(a) - b).norm_squared()).sum::<f64>();
            let f = Similarity::fit(&from, &to).unwrap();
            let turned = Similarity { rotation: UnitQuaternion::from_euler_angles(d[0], d[1], d[2]) * f.rotation, ..f };
            let moved = Similarity { translation: f.translation + Vector3::from(d), ..f };
            let scaled = Similarity { scale: f.scale * (1.0 + d[0]), ..f };
            for other in [turned, moved, scaled] {
                prop_assert!(error(&f) <= error(&other) * (1.0 + 1e-9));
            }
        }

        #[test]
        fn inverse_and_composition(a in any_similarity(), b in any_similarity(), seed in any::<u64>()) {
            for p in points(seed, 3) {
                prop_assert!((a.inverse().point(&a.point(&p)) - p).norm() < 1e-8);
                let q = a.point(&b.point(&p));
                prop_assert!((a.after(&b).point(&p) - q).norm() < 1e-9 * (1.0 + q.coords.norm()));
            }
        }

        #[test]
        fn a_moved_camera_sees_the_moved_point_at_the_same_pixel(s in any_similarity(), r in prop::array::uniform3(-3.0..3.0f64)) {
            let c2w = Isometry3::from_parts(Translation3::new(r[1], r[2], r[0]), UnitQuaternion::from_euler_angles(r[0], r[1], r[2]));
            let camera = Camera { intrinsics: Intrinsics::guess(640, 480), c2w };
            let p = camera.unproject(100.0, 200.0, 2.5);
            let (u, v, z) = s.camera(&camera).project(&s.point(&p)).unwrap();
            prop_assert!((u - 100.0).abs() < 1e-6 && (v - 200.0).abs() < 1e-6 && (z / s.scale - 2.5).abs() < 1e-8);
        }
    }
}
