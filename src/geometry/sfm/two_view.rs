//! Geometry of two photos: essential, fundamental and homography matrices by LO-RANSAC, and the relative pose.
//! R. Hartley & A. Zisserman, "Multiple View Geometry", 2nd edition (HZ below).

use super::five_point::essentials;
use super::math::{null_space, skew};
use super::ransac::{Estimator, Fit, ransac};
use super::triangulation::{Sight, angle, triangulate};
use super::view::View;
use nalgebra::{Isometry3, Matrix3, Rotation3, SMatrix, SVector, Translation3, UnitQuaternion, Vector2, Vector3};

/// A correspondence `[x1, y1, x2, y2]` in normalised coordinates.
pub(super) type Match = [f64; 4];

/// Numerator and denominator of the first-order geometric error (Sampson, HZ eq. 11.9) of `x2ᵀ m x1`.
pub(super) fn sampson_parts(m: &Matrix3<f64>, c: &Match) -> (f64, f64) {
    let (a, b) = (Vector3::new(c[0], c[1], 1.0), Vector3::new(c[2], c[3], 1.0));
    let (ma, mb) = (m * a, m.tr_mul(&b));
    (b.dot(&ma), ma.x * ma.x + ma.y * ma.y + mb.x * mb.x + mb.y * mb.y)
}

/// Squared Sampson error of a correspondence under an essential or fundamental matrix.
pub(super) fn sampson2(m: &Matrix3<f64>, c: &Match) -> f64 {
    let (numerator, denominator) = sampson_parts(m, c);
    if denominator > 0.0 { numerator * numerator / denominator } else { f64::INFINITY }
}

/// Essential matrices of five correspondences, refined over rotation and direction of translation.
pub(super) struct Essential<'a>(pub(super) &'a [Match]);

impl Estimator for Essential<'_> {
    type Model = Matrix3<f64>;
    const SAMPLE: usize = 5;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn solve(&self, sample: &[usize], out: &mut Vec<Self::Model>) {
        essentials(&std::array::from_fn(|k| self.0[sample[k]]), out);
    }

    fn residual2(&self, model: &Self::Model, i: usize) -> f64 {
        sampson2(model, &self.0[i])
    }

    /// Gauss-Newton steps on the Sampson error over the five degrees of freedom of `[t]x R`.
    fn refine(&self, model: &Self::Model, inliers: &[usize]) -> Option<Self::Model> {
        if inliers.len() < 6 {
            return None;
        }
        let (mut r, mut t) = decompose(model).map(|d| (d[0].0, d[0].1))?;
        for _ in 0..3 {
            let (b1, b2) = tangents(&t);
            let tx = skew(&t);
            let e = tx * r.matrix();
            let ways: [Matrix3<f64>; 5] = [
                tx * skew(&Vector3::x()) * r.matrix(),
                tx * skew(&Vector3::y()) * r.matrix(),
                tx * skew(&Vector3::z()) * r.matrix(),
                skew(&b1) * r.matrix(),
                skew(&b2) * r.matrix(),
            ];
            let (mut h, mut g) = (SMatrix::<f64, 5, 5>::zeros(), SVector::<f64, 5>::zeros());
            for i in inliers {
                let c = &self.0[*i];
                let (numerator, denominator) = sampson_parts(&e, c);
                let scale = 1.0 / denominator.max(1e-18).sqrt();
                let (a, b) = (Vector3::new(c[0], c[1], 1.0), Vector3::new(c[2], c[3], 1.0));
                let j = SVector::<f64, 5>::from_fn(|k, _| b.dot(&(ways[k] * a)) * scale);
                h += j * j.transpose();
                g += j * (numerator * scale);
            }
            for k in 0..5 {
                h[(k, k)] += 1e-12 + 1e-9 * h[(k, k)];
            }
            let step = h.cholesky()?.solve(&g);
            r = Rotation3::new(-Vector3::new(step[0], step[1], step[2])) * r;
            t = (t - b1 * step[3] - b2 * step[4]).try_normalize(1e-12)?;
        }
        let e = skew(&t) * r.matrix();
        Some(e / e.norm())
    }
}

/// Two unit vectors orthogonal to `t` and to each other.
fn tangents(t: &Vector3<f64>) -> (Vector3<f64>, Vector3<f64>) {
    let helper = if t.x.abs() < 0.6 { Vector3::x() } else { Vector3::y() };
    let a = t.cross(&helper).normalize();
    (a, t.cross(&a))
}

/// The four motions `x2 = R x1 + t` of an essential matrix, `|t| = 1` (HZ result 9.19).
fn decompose(e: &Matrix3<f64>) -> Option<[(Rotation3<f64>, Vector3<f64>); 4]> {
    let svd = e.svd(true, true);
    let (mut u, mut v) = (svd.u?, svd.v_t?);
    if u.determinant() < 0.0 {
        u = -u;
    }
    if v.determinant() < 0.0 {
        v = -v;
    }
    let w = Matrix3::new(0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0);
    let (r1, r2) = (u * w * v, u * w.transpose() * v);
    let t: Vector3<f64> = u.column(2).into_owned();
    let finite = r1.iter().chain(r2.iter()).chain(t.iter()).all(|x| x.is_finite());
    let (r1, r2) = (Rotation3::from_matrix_unchecked(r1), Rotation3::from_matrix_unchecked(r2));
    finite.then_some([(r1, t), (r1, -t), (r2, t), (r2, -t)])
}

/// Weights-free linear fit `rows · f = 0` of nine unknowns: the eigenvector of the least eigenvalue.
fn least_eigenvector(rows: impl Iterator<Item = [f64; 9]>) -> Option<SVector<f64, 9>> {
    let mut a = SMatrix::<f64, 9, 9>::zeros();
    for row in rows {
        let v = SVector::<f64, 9>::from(row);
        a.ger(1.0, &v, &v, 1.0);
    }
    let eigen = a.try_symmetric_eigen(1e-15, 200)?;
    let v = eigen.eigenvectors.column(eigen.eigenvalues.imin()).into_owned();
    v.iter().all(|x| x.is_finite()).then_some(v)
}

/// Shift and scale that bring coordinates to mean zero and mean length √2 (HZ section 4.4.4), one matrix per photo.
fn conditioners(matches: &[Match], chosen: &[usize]) -> (Matrix3<f64>, Matrix3<f64>) {
    let one = |o: usize| {
        let n = chosen.len() as f64;
        let mean =
            chosen.iter().fold(Vector2::zeros(), |m, i| m + Vector2::new(matches[*i][o], matches[*i][o + 1])) / n;
        let spread =
            chosen.iter().map(|i| (Vector2::new(matches[*i][o], matches[*i][o + 1]) - mean).norm()).sum::<f64>() / n;
        let s = std::f64::consts::SQRT_2 / spread.max(1e-12);
        Matrix3::new(s, 0.0, -s * mean.x, 0.0, s, -s * mean.y, 0.0, 0.0, 1.0)
    };
    (one(0), one(2))
}

/// Homogeneous points of a match after conditioning.
fn conditioned(c: &Match, t: &(Matrix3<f64>, Matrix3<f64>)) -> (Vector3<f64>, Vector3<f64>) {
    (t.0 * Vector3::new(c[0], c[1], 1.0), t.1 * Vector3::new(c[2], c[3], 1.0))
}

/// Fundamental matrices of seven correspondences (HZ section 11.1.2), refined by the eight-point algorithm (11.1).
pub(super) struct Fundamental<'a>(pub(super) &'a [Match]);

fn epipolar_row(a: &Vector3<f64>, b: &Vector3<f64>) -> [f64; 9] {
    std::array::from_fn(|k| b[k / 3] * a[k % 3])
}

impl Estimator for Fundamental<'_> {
    type Model = Matrix3<f64>;
    const SAMPLE: usize = 7;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn solve(&self, sample: &[usize], out: &mut Vec<Self::Model>) {
        let rows: Vec<[f64; 9]> = sample
            .iter()
            .map(|i| self.0[*i])
            .map(|c| epipolar_row(&Vector3::new(c[0], c[1], 1.0), &Vector3::new(c[2], c[3], 1.0)))
            .collect();
        let Some(basis) = null_space(&rows) else { return };
        let (f1, f2) = (Matrix3::from_row_slice(&basis[0]), Matrix3::from_row_slice(&basis[1]));
        // det(a F1 + F2) is a cubic in a; its outer coefficients are determinants, the inner two follow from a = ±1.
        let (c0, c3) = (f2.determinant(), f1.determinant());
        let (plus, minus) = ((f1 + f2).determinant(), (f2 - f1).determinant());
        let cubic = [c0, 0.5 * (plus - minus) - c3, 0.5 * (plus + minus) - c0, c3];
        for a in super::math::real_roots(&cubic, 1e4) {
            let f = f1 * a + f2;
            out.push(f / f.norm());
        }
    }

    fn residual2(&self, model: &Self::Model, i: usize) -> f64 {
        sampson2(model, &self.0[i])
    }

    fn refine(&self, _: &Self::Model, inliers: &[usize]) -> Option<Self::Model> {
        if inliers.len() < 8 {
            return None;
        }
        let t = conditioners(self.0, inliers);
        let rows = inliers.iter().map(|i| {
            let (a, b) = conditioned(&self.0[*i], &t);
            epipolar_row(&a, &b)
        });
        let f = least_eigenvector(rows)?;
        let mut svd = Matrix3::from_row_slice(f.as_slice()).svd(true, true);
        let least = svd.singular_values.imin();
        svd.singular_values[least] = 0.0;
        let f = t.1.transpose() * svd.recompose().ok()? * t.0;
        let norm = f.norm();
        (norm > 0.0 && norm.is_finite()).then(|| f / norm)
    }
}

/// Homographies of four correspondences by the DLT (HZ algorithm 4.2).
pub(super) struct Homography<'a>(pub(super) &'a [Match]);

impl Estimator for Homography<'_> {
    type Model = Matrix3<f64>;
    const SAMPLE: usize = 4;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn solve(&self, sample: &[usize], out: &mut Vec<Self::Model>) {
        let rows: Vec<[f64; 9]> = sample
            .iter()
            .flat_map(|i| {
                let c = &self.0[*i];
                dlt_rows(&Vector3::new(c[0], c[1], 1.0), &Vector3::new(c[2], c[3], 1.0))
            })
            .collect();
        if let Some(basis) = null_space(&rows) {
            out.push(Matrix3::from_row_slice(&basis[0]));
        }
    }

    /// Squared transfer error in the second photo.
    fn residual2(&self, model: &Self::Model, i: usize) -> f64 {
        let c = &self.0[i];
        let p = model * Vector3::new(c[0], c[1], 1.0);
        let r2 = (p.x / p.z - c[2]).powi(2) + (p.y / p.z - c[3]).powi(2);
        if r2.is_finite() { r2 } else { f64::INFINITY }
    }

    fn refine(&self, _: &Self::Model, inliers: &[usize]) -> Option<Self::Model> {
        if inliers.len() < 5 {
            return None;
        }
        let t = conditioners(self.0, inliers);
        let rows = inliers.iter().flat_map(|i| {
            let (a, b) = conditioned(&self.0[*i], &t);
            dlt_rows(&a, &b)
        });
        let h = least_eigenvector(rows)?;
        let h = t.1.try_inverse()? * Matrix3::from_row_slice(h.as_slice()) * t.0;
        let norm = h.norm();
        (norm > 0.0 && norm.is_finite()).then(|| h / norm)
    }
}

/// The two equations of `b ~ H a`, for `b.z = 1`.
fn dlt_rows(a: &Vector3<f64>, b: &Vector3<f64>) -> [[f64; 9]; 2] {
    [
        [0.0, 0.0, 0.0, -a.x, -a.y, -a.z, b.y * a.x, b.y * a.y, b.y * a.z],
        [a.x, a.y, a.z, 0.0, 0.0, 0.0, -b.x * a.x, -b.x * a.y, -b.x * a.z],
    ]
}

/// Fraction of the matches that one homography explains: near 1 for planes and pure rotations.
pub(super) fn planarity(matches: &[Match], limit: f64, seed: u64) -> f64 {
    let fit = ransac(&Homography(matches), limit, 200, seed);
    fit.map_or(0.0, |f| f.inliers.len() as f64 / matches.len() as f64)
}

/// Matches that agree with one epipolar geometry: essential where the intrinsics are known, else fundamental.
pub(super) fn verify(matches: &[Match], known: bool, limit: f64, seed: u64) -> Option<Fit<Matrix3<f64>>> {
    if known { ransac(&Essential(matches), limit, 500, seed) } else { ransac(&Fundamental(matches), limit, 800, seed) }
}

/// A relative pose and how well it is supported.
pub(super) struct RelativePose {
    /// `x2 = pose x1`, with a baseline of length one.
    pub(super) pose: Isometry3<f64>,
    /// Matches that lie in front of both cameras.
    pub(super) in_front: usize,
    /// Median angle between the rays of those matches, radians.
    pub(super) angle: f64,
}

/// The motion of an essential matrix that puts most matches in front of both cameras (HZ section 9.6.3).
pub(super) fn relative_pose(e: &Matrix3<f64>, matches: &[Match]) -> Option<RelativePose> {
    let unit = |w2c| View { w2c, focal: [1.0; 2], centre: [0.0; 2], radial: [0.0; 2] };
    let first = unit(Isometry3::identity());
    let stride = matches.len().div_ceil(200).max(1);
    let mut best: Option<RelativePose> = None;
    for (r, t) in decompose(e)? {
        let pose = Isometry3::from_parts(Translation3::from(t), UnitQuaternion::from_rotation_matrix(&r));
        let second = unit(pose);
        let centre = second.centre_in_world();
        let mut angles: Vec<f64> = matches
            .iter()
            .step_by(stride)
            .filter_map(|c| {
                let sights = [Sight { view: &first, uv: [c[0], c[1]] }, Sight { view: &second, uv: [c[2], c[3]] }];
                triangulate(&sights).map(|p| angle(&p.coords, &(p - centre)))
            })
            .collect();
        angles.sort_by(f64::total_cmp);
        let in_front = angles.len() * stride;
        if !angles.is_empty() && best.as_ref().is_none_or(|b| in_front > b.in_front) {
            best = Some(RelativePose { pose, in_front, angle: angles[angles.len() / 2] });
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Point3;

    fn scene(n: usize, flat: bool) -> (Vec<Match>, Isometry3<f64>) {
        let mut rng = fastrand::Rng::with_seed(7);
        let pose = Isometry3::new(Vector3::new(-0.8, 0.1, 0.2), Vector3::new(0.05, 0.3, -0.1));
        let matches = (0..n)
            .map(|_| {
                let z = if flat { 4.0 } else { 3.0 + 3.0 * rng.f64() };
                let p = Point3::new(rng.f64() * 3.0 - 1.0, rng.f64() * 2.0 - 1.0, z);
                let q = pose * p;
                [p.x / p.z, p.y / p.z, q.x / q.z, q.y / q.z]
            })
            .collect();
        (matches, pose)
    }

    #[test]
    fn five_points_give_the_true_essential_matrix() {
        let (matches, pose) = scene(5, false);
        let truth = skew(&pose.translation.vector) * pose.rotation.to_rotation_matrix().matrix();
        let truth = truth / truth.norm();
        let mut found = Vec::new();
        essentials(&std::array::from_fn(|k| matches[k]), &mut found);
        let best = found.iter().map(|e| (e - truth).norm().min((e + truth).norm())).fold(f64::INFINITY, f64::min);
        assert!(best < 1e-7, "{best}");
        for e in &found {
            assert!(matches.iter().all(|c| sampson2(e, c) < 1e-16));
        }
    }

    #[test]
    fn pose_survives_a_third_of_outliers() {
        for known in [true, false] {
            let (mut matches, pose) = scene(150, false);
            let mut rng = fastrand::Rng::with_seed(1);
            for c in matches.iter_mut().step_by(3) {
                *c = std::array::from_fn(|_| rng.f64() - 0.5);
            }
            let fit = verify(&matches, known, 0.002, 5).unwrap();
            assert!((1..150).filter(|i| i % 3 != 0).all(|i| fit.inliers.contains(&i)));
            let inliers: Vec<Match> = fit.inliers.iter().map(|i| matches[*i]).collect();
            let found = relative_pose(&fit.model, &inliers).unwrap().pose;
            assert!(found.rotation.angle_to(&pose.rotation) < 5e-3);
            assert!(angle(&found.translation.vector, &pose.translation.vector) < 3e-2);
            assert!(planarity(&inliers, 0.002, 1) < 0.7);
        }
    }

    #[test]
    fn a_plane_is_told_and_fits_an_essential_matrix() {
        let (matches, _) = scene(80, true);
        assert!(planarity(&matches, 0.002, 1) > 0.99);
        let fit = verify(&matches, true, 0.002, 5).unwrap();
        assert_eq!(fit.inliers.len(), 80);
    }
}
