//! The three-point pose problem: Grunert's solution as given by Haralick, Lee, Ottenberg & Nölle, "Review and analysis of
//! solutions of the three point perspective pose estimation problem", IJCV 1994, eqs. 8 and 9.

use super::math::real_roots;
use nalgebra::{Isometry3, Matrix3, Point3, Rotation3, Translation3, UnitQuaternion, Vector3};

/// Orthonormal frame of a triangle: x along its first edge, z along its normal.
fn triad(a: &Vector3<f64>, b: &Vector3<f64>, c: &Vector3<f64>) -> Option<Matrix3<f64>> {
    let x = (b - a).try_normalize(1e-12)?;
    let z = x.cross(&(c - a)).try_normalize(1e-12)?;
    Some(Matrix3::from_columns(&[x, z.cross(&x), z]))
}

/// World-to-camera poses that see the world points `p` along the unit rays `f` (camera frame).
pub(super) fn poses(f: &[Vector3<f64>; 3], p: &[Point3<f64>; 3], out: &mut Vec<Isometry3<f64>>) {
    let (a2, b2, c2) = ((p[1] - p[2]).norm_squared(), (p[0] - p[2]).norm_squared(), (p[0] - p[1]).norm_squared());
    if !(a2.min(b2).min(c2) > 1e-18) {
        return;
    }
    let (ca, cb, cg) = (f[1].dot(&f[2]), f[0].dot(&f[2]), f[0].dot(&f[1]));
    let (q, s) = ((a2 - c2) / b2, (a2 + c2) / b2);
    let quartic = [
        (1.0 + q).powi(2) - 4.0 * a2 / b2 * cg * cg,
        4.0 * (-q * (1.0 + q) * cb + 2.0 * a2 / b2 * cg * cg * cb - (1.0 - s) * ca * cg),
        2.0 * (q * q - 1.0 + 2.0 * q * q * cb * cb + 2.0 * (b2 - c2) / b2 * ca * ca - 4.0 * s * ca * cb * cg
            + 2.0 * (b2 - a2) / b2 * cg * cg),
        4.0 * (q * (1.0 - q) * cb - (1.0 - s) * ca * cg + 2.0 * c2 / b2 * ca * ca * cb),
        (q - 1.0).powi(2) - 4.0 * c2 / b2 * ca * ca,
    ];
    for v in real_roots(&quartic, 1e3) {
        let denominator = 2.0 * (cg - v * ca);
        let u = ((q - 1.0) * v * v - 2.0 * q * cb * v + 1.0 + q) / denominator;
        let s1 = (b2 / (1.0 + v * v - 2.0 * v * cb)).sqrt();
        if !(v > 0.0 && u > 0.0 && u.is_finite() && s1.is_finite()) {
            continue;
        }
        let (x1, x2, x3) = (f[0] * s1, f[1] * (u * s1), f[2] * (v * s1));
        let (Some(camera), Some(world)) = (triad(&x1, &x2, &x3), triad(&p[0].coords, &p[1].coords, &p[2].coords))
        else {
            continue;
        };
        let r = Rotation3::from_matrix_unchecked(camera * world.transpose());
        let t = (x1 + x2 + x3) / 3.0 - r * ((p[0].coords + p[1].coords + p[2].coords) / 3.0);
        out.push(Isometry3::from_parts(Translation3::from(t), UnitQuaternion::from_rotation_matrix(&r)));
    }
}
