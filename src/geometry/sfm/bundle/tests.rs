//! Bundle adjustment against closed forms and differences.

use super::reduced::linearise;
use super::*;
use crate::scene::{Cancelled, Intrinsics};
use nalgebra::{Isometry3, Vector3};

fn problem() -> Problem {
    let mut rng = fastrand::Rng::with_seed(2);
    let k = Intrinsics { width: 640, height: 480, fx: 500.0, fy: 510.0, cx: 320.0, cy: 240.0 };
    let views: Vec<View> = (0..6)
        .map(|i| {
            let a = 0.25 * f64::from(i);
            View::new(
                &k,
                Isometry3::new(Vector3::new(-1.2 * a.sin(), 0.1 * a, 4.0 + 0.3 * a), Vector3::new(0.05 * a, a, 0.0)),
            )
        })
        .collect();
    let landmarks = (0..120)
        .map(|_| {
            let position = Point3::new(rng.f64() - 0.5, rng.f64() - 0.5, rng.f64() - 0.5) * 2.0;
            let seen = (0..6).map(|view| Observation { view, uv: views[view].project(&position).unwrap() }).collect();
            Landmark { position, seen }
        })
        .collect();
    let free = (0..6).map(|i| i > 0).collect();
    Problem {
        views,
        free,
        group: vec![0; 6],
        refine: Refine::Nothing,
        expected: Vec::new(),
        priors: Vec::new(),
        loss_scale: 1.5,
        landmarks,
    }
}

#[test]
fn jacobians_agree_with_finite_differences() {
    let p = problem();
    let (view, point, uv) = (p.views[2], p.landmarks[0].position, [310.0, 250.0]);
    let d = linearise(&view, &point, uv).unwrap();
    let h = 1e-6;
    let at = |v: &View, x: &Point3<f64>| linearise(v, x, uv).unwrap().residual;
    for k in 0..6 {
        let twist =
            |s: f64| View { w2c: moved(&view.w2c, &Vector6::from_fn(|i, _| if i == k { s } else { 0.0 })), ..view };
        let numeric = (at(&twist(h), &point) - at(&twist(-h), &point)) / (2.0 * h);
        assert!((numeric - d.pose.column(k)).norm() < 1e-4, "pose {k}");
    }
    for k in 0..3 {
        let shift = |s: f64| point + Vector3::from_fn(|i, _| if i == k { s } else { 0.0 });
        let numeric = (at(&view, &shift(h)) - at(&view, &shift(-h))) / (2.0 * h);
        assert!((numeric - d.point.column(k)).norm() < 1e-4, "point {k}");
    }
}

/// A step of the cameras alone changes the cost as the reduced gradient says once every point sits at its best place:
/// then moving points changes nothing, to first order.
#[test]
fn the_reduced_gradient_is_that_of_the_cost() {
    let mut p = problem();
    p.refine = Refine::FocalAndRadial;
    let mut rng = fastrand::Rng::with_seed(9);
    p.landmarks.iter_mut().flat_map(|l| &mut l.seen).for_each(|o| o.uv[0] += rng.f64() - 0.5);
    let still = Problem { free: vec![false; 6], refine: Refine::Nothing, ..copy(&p) };
    let mut settled = still;
    adjust(&mut settled, Limits { steps: 200, tolerance: 0.0 }, || Ok::<(), Cancelled>(())).unwrap();
    p.landmarks = settled.landmarks;
    let layout = Layout::of(&p);
    let gradient = reduce(&p, &layout, 0.0).gradient;
    let numeric = |place: usize| {
        let moved_cost = |s: f64| {
            let mut step = vec![0.0; layout.size()];
            step[place] = s;
            Problem { views: stepped(&p, &layout, 0.0, &step).0, ..copy(&p) }.cost()
        };
        (moved_cost(1e-6) - moved_cost(-1e-6)) / 2e-6
    };
    for place in [0, 4, 11, 17, 48, 49, 50, 51] {
        assert!((numeric(place) - gradient[place]).abs() < 2e-3 * (1.0 + gradient[place].abs()), "{place}");
    }
}

fn copy(p: &Problem) -> Problem {
    Problem {
        views: p.views.clone(),
        free: p.free.clone(),
        group: p.group.clone(),
        expected: p.expected.clone(),
        priors: p.priors.clone(),
        landmarks: p.landmarks.clone(),
        refine: p.refine,
        loss_scale: p.loss_scale,
    }
}

#[test]
fn disturbed_cameras_points_and_intrinsics_come_back() {
    for refine in [Refine::Nothing, Refine::Focal, Refine::FocalAndRadial] {
        let mut truth = problem();
        if refine == Refine::FocalAndRadial {
            truth.views.iter_mut().for_each(|v| v.radial = [-0.12, 0.03]);
            for l in &mut truth.landmarks {
                l.seen.iter_mut().for_each(|o| o.uv = truth.views[o.view].project(&l.position).unwrap());
            }
        }
        let mut p = Problem { refine, ..copy(&truth) };
        p.free[1] = refine != Refine::Nothing;
        let mut rng = fastrand::Rng::with_seed(4);
        let mut noise = |s: f64| (rng.f64() - 0.5) * s;
        for i in 1..6 {
            if p.free[i] {
                p.views[i].w2c = moved(&p.views[i].w2c, &Vector6::from_fn(|_, _| noise(0.04)));
            }
        }
        if refine != Refine::Nothing {
            p.views.iter_mut().for_each(|v| (v.focal, v.radial) = ([530.0, 480.0], [0.0; 2]));
        }
        p.landmarks.iter_mut().for_each(|l| l.position += Vector3::from_fn(|_, _| noise(0.05)));
        let cost = adjust(&mut p, Limits { steps: 90, tolerance: 0.0 }, || Ok::<(), Cancelled>(())).unwrap();
        assert!(cost < 1e-10, "{cost}");
        for (a, b) in p.views.iter().zip(&truth.views) {
            assert!(a.w2c.rotation.angle_to(&b.w2c.rotation) < 1e-5);
            assert!((a.focal[0] - b.focal[0]).abs() < 1e-2 && (a.focal[1] - b.focal[1]).abs() < 1e-2);
            assert!((a.radial[0] - b.radial[0]).abs() < 1e-4);
        }
    }
}

/// The derivative of a prior agrees with differences, and its cost is half the squared distance in sigmas.
#[test]
fn a_pose_prior_costs_its_mahalanobis_distance() {
    let w2c = Isometry3::new(Vector3::new(0.3, -0.2, 1.0), Vector3::new(0.1, 0.4, -0.3));
    let prior = PosePrior { view: 0, w2c, sigma: [0.01, 0.05], pixels2: 1.0 };
    let away = moved(&w2c, &Vector6::new(0.0, 0.003, 0.0, 0.0, 0.0, 0.0));
    let (r, j) = prior.residual(&away);
    let centre = |p: &Isometry3<f64>| p.inverse().translation.vector;
    let distance2 = (0.003f64 / 0.01).powi(2) + (centre(&away) - centre(&w2c)).norm_squared() / 0.05f64.powi(2);
    assert!((r.norm_squared() - distance2).abs() < 1e-9);
    for k in 0..6 {
        let at = |s: f64| prior.residual(&moved(&away, &Vector6::ith(k, s))).0;
        let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
        assert!((numeric - j.column(k)).norm() < 0.01 * j.column(k).norm(), "{k}");
    }
}
