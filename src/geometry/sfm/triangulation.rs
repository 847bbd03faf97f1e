//! Points from rays: the midpoint of many rays, refined on reprojection error, and a robust choice among observations.

use super::view::View;
use nalgebra::{Matrix3, Point3, Vector2, Vector3};

/// An observation: who sees the point, and where (pixel coordinates).
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) view: &'a View,
    pub(super) uv: [f64; 2],
}

/// Angle between two directions, radians.
pub(super) fn angle(a: &Vector3<f64>, b: &Vector3<f64>) -> f64 {
    a.cross(b).norm().atan2(a.dot(b))
}

/// Largest angle between the rays from the viewers to `p`.
pub(super) fn widest_angle<'a>(p: &Point3<f64>, views: impl Iterator<Item = &'a View>) -> f64 {
    let rays: Vec<Vector3<f64>> = views.map(|v| p - v.centre_in_world()).collect();
    let mut widest = 0.0f64;
    for (i, a) in rays.iter().enumerate() {
        for b in &rays[..i] {
            widest = widest.max(angle(a, b));
        }
    }
    widest
}

/// The point nearest to all rays: minimises the sum of squared distances to them; `None` for parallel rays.
fn midpoint(sights: &[Sight]) -> Option<Point3<f64>> {
    let (mut a, mut b) = (Matrix3::zeros(), Vector3::zeros());
    for s in sights {
        let d = s.view.ray(s.uv).into_inner();
        let across = Matrix3::identity() - d * d.transpose();
        a += across;
        b += across * s.view.centre_in_world().coords;
    }
    let p = a.cholesky()?.solve(&b);
    p.iter().all(|v| v.is_finite()).then(|| Point3::from(p))
}

/// Gauss-Newton on the squared reprojection error.
fn polish(mut p: Point3<f64>, sights: &[Sight], steps: usize) -> Option<Point3<f64>> {
    for _ in 0..steps {
        let (mut h, mut g) = (Matrix3::zeros(), Vector3::zeros());
        for s in sights {
            let q = (s.view.w2c * p).coords;
            let uv = s.view.project(&p)?;
            let j = s.view.jacobian(&q) * s.view.w2c.rotation.to_rotation_matrix().matrix();
            h += j.transpose() * j;
            g += j.transpose() * Vector2::new(uv[0] - s.uv[0], uv[1] - s.uv[1]);
        }
        let step = h.cholesky()?.solve(&g);
        p -= step;
        if !(step.norm() > 1e-9 * (p - sights[0].view.centre_in_world()).norm()) {
            break;
        }
    }
    p.coords.iter().all(|v| v.is_finite()).then_some(p)
}

/// Point that best fits all sights; `None` where rays are parallel or it lies behind a viewer.
pub(super) fn triangulate(sights: &[Sight]) -> Option<Point3<f64>> {
    let p = midpoint(sights)?;
    sights.iter().all(|s| s.view.project(&p).is_some()).then_some(())?;
    polish(p, sights, 5)
}

/// A robustly triangulated point and which sights it fits.
pub(super) struct Robust {
    pub(super) point: Point3<f64>,
    pub(super) fits: Vec<bool>,
}

/// Pairs of sights tried: all, or for long tracks an even subset.
const MAX_PAIRS: usize = 24;

/// The point that most sights agree on within `limit` pixels, seen by two or more under at least `least_angle`.
pub(super) fn triangulate_robust(sights: &[Sight], limit: f64, least_angle: f64) -> Option<Robust> {
    let n = sights.len();
    if n < 2 {
        return None;
    }
    let limit2 = limit * limit;
    let fitting = |p: &Point3<f64>| -> Vec<bool> { sights.iter().map(|s| s.view.error2(p, s.uv) < limit2).collect() };
    let count = |fits: &[bool]| fits.iter().filter(|f| **f).count();
    let mut best: Option<(Point3<f64>, Vec<bool>, usize)> = None;
    let mut consider = |p: Point3<f64>| -> usize {
        let fits = fitting(&p);
        let c = count(&fits);
        if c >= 2 && best.as_ref().is_none_or(|b| c > b.2) {
            best = Some((p, fits, c));
        }
        c
    };
    let all = triangulate(sights).map_or(0, &mut consider);
    if all < n {
        let pairs: Vec<(usize, usize)> = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).collect();
        let stride = pairs.len().div_ceil(MAX_PAIRS);
        for (i, j) in pairs.into_iter().step_by(stride) {
            if let Some(p) = triangulate(&[sights[i], sights[j]]) {
                consider(p);
            }
        }
    }
    let (mut point, mut fits, c) = best?;
    if c < n && c > 2 {
        let chosen: Vec<Sight> = sights.iter().zip(&fits).filter(|(_, f)| **f).map(|(s, _)| *s).collect();
        if let Some(p) = polish(point, &chosen, 5) {
            let again = fitting(&p);
            if count(&again) >= c {
                (point, fits) = (p, again);
            }
        }
    }
    let wide = widest_angle(&point, sights.iter().zip(&fits).filter(|(_, f)| **f).map(|(s, _)| s.view));
    (wide >= least_angle).then_some(Robust { point, fits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Intrinsics;
    use nalgebra::Isometry3;

    #[test]
    fn exact_sights_give_the_point_and_a_wrong_one_is_told() {
        let k = Intrinsics { width: 640, height: 480, fx: 500.0, fy: 510.0, cx: 320.0, cy: 240.0 };
        let p = Point3::new(0.3, -0.2, 4.0);
        let views: Vec<View> = (0..4)
            .map(|i| {
                View::new(&k, Isometry3::new(Vector3::new(0.4 * i as f64, 0.0, 0.1), Vector3::y() * 0.05 * i as f64))
            })
            .collect();
        let mut sights: Vec<Sight> = views.iter().map(|view| Sight { view, uv: view.project(&p).unwrap() }).collect();
        assert!((triangulate(&sights).unwrap() - p).norm() < 1e-9);
        sights[2].uv[1] += 60.0;
        let robust = triangulate_robust(&sights, 2.0, 0.01).unwrap();
        assert!((robust.point - p).norm() < 1e-9);
        assert_eq!(robust.fits, [true, true, false, true]);
        assert!(triangulate_robust(&sights[..2], 2.0, 1.0).is_none());
    }
}
