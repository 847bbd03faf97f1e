//! The surface terms: their gradients against finite differences, and what they do to depth and normals.

use super::super::Planes;
use super::super::loss::{Pair, PairView, Target, no_gradient, normal_loss, pair_loss};
use super::looking;
use crate::scene::{Camera, Intrinsics};
use nalgebra::Vector3;

const K: Intrinsics = Intrinsics { width: 34, height: 26, fx: 40.0, fy: 42.0, cx: 15.0, cy: 14.0 };

/// Planes of a view of the plane `normal . x = offset` in the world, seen through a cloud of opacity 0.9.
fn view_of_plane(camera: &Camera, normal: Vector3<f64>, offset: f64) -> Planes {
    let (w, h) = (K.width as usize, K.height as usize);
    let mut p = Planes::zeros(w, h, true);
    let n = camera.w2c().rotation * normal;
    let n = if n.z > 0.0 { -n } else { n };
    for y in 0..h {
        for x in 0..w {
            let i = y * w + x;
            let at_one = camera.unproject(x as f64 + 0.5, y as f64 + 0.5, 1.0) - camera.center();
            let depth = (offset - normal.dot(&camera.center().coords)) / normal.dot(&at_one);
            p.alpha[i] = 0.9;
            p.depth[i] = 0.9 * depth as f32;
            for c in 0..3 {
                p.normal[c][i] = 0.9 * n[c] as f32;
            }
        }
    }
    p
}

/// A smooth pattern on the plane, as a camera sees it.
fn grey_of_plane(camera: &Camera, p: &Planes) -> Vec<f32> {
    let pattern = |i: usize| {
        let (x, y) = (i % p.width, i / p.width);
        let at = camera.unproject(x as f64 + 0.5, y as f64 + 0.5, f64::from(p.depth[i] / p.alpha[i]));
        (0.5 + 0.2 * (3.1 * at.x).sin() + 0.2 * (2.3 * at.z + 1.7 * at.x).cos()) as f32
    };
    (0..p.alpha.len()).map(pattern).collect()
}

fn cameras() -> [Camera; 2] {
    [looking([0.0, -4.0, 0.3], [0.0; 3], K), looking([0.7, -3.8, 0.0], [0.1, 0.0, 0.0], K)]
}

/// Moves every depth and normal of a view a little, the same way every time.
fn disturbed(p: &Planes, by: f32) -> Planes {
    let mut out = p.clone();
    let mut rng = fastrand::Rng::with_seed(7);
    for i in 0..p.alpha.len() {
        out.alpha[i] += 0.1 * (rng.f32() - 0.5);
        out.depth[i] *= out.alpha[i] / p.alpha[i] * (1.0 + by * (rng.f32() - 0.5));
        for c in 0..3 {
            out.normal[c][i] += 3.0 * by * (rng.f32() - 0.5);
        }
    }
    out
}

fn compare(p: &mut Planes, loss: &dyn Fn(&Planes) -> f64, by: &Planes, normals: bool, step: f32) -> (usize, usize) {
    type At = fn(&mut Planes) -> &mut Vec<f32>;
    let all: [(At, &Vec<f32>); 4] = [
        (|p| &mut p.depth, &by.depth),
        (|p| &mut p.alpha, &by.alpha),
        (|p| &mut p.normal[0], &by.normal[0]),
        (|p| &mut p.normal[2], &by.normal[2]),
    ];
    let (mut good, mut counted) = (0, 0);
    for (at, analytic) in all.iter().take(if normals { 4 } else { 2 }) {
        let largest = analytic.iter().fold(0.0f32, |a, v| a.max(v.abs()));
        assert!(largest > 0.0);
        for i in (0..p.alpha.len()).step_by(3) {
            let value = at(p)[i];
            let mut moved = |d: f32| {
                at(p)[i] = value + d;
                let l = loss(p);
                let actual = at(p)[i] - value;
                at(p)[i] = value;
                (l, f64::from(actual))
            };
            let ((a, da), (b, db)) = (moved(step), moved(-step));
            let numeric = ((a - b) / (da - db)) as f32;
            counted += 1;
            good += usize::from((numeric - analytic[i]).abs() < 0.05 * analytic[i].abs() + 0.02 * largest);
        }
    }
    (good, counted)
}

#[test]
fn normals_agree_with_the_depth_of_their_plane() {
    let [camera, _] = cameras();
    let p = view_of_plane(&camera, Vector3::new(0.3, -0.9, 0.3).normalize(), 0.2);
    let target = Target { rgb: [0, 1, 2].map(|_| vec![0.5; p.alpha.len()]), ..Target::default() };
    let loss = |p: &Planes| normal_loss(p, &target, &K, 1.0, &mut no_gradient(p));
    // Blended normals by opacity are the plane's.
    assert!(loss(&p) < 1e-3, "{}", loss(&p));
    let mut p = disturbed(&p, 0.02);
    assert!(loss(&p) > 0.1);
    let mut by = no_gradient(&p);
    normal_loss(&p, &target, &K, 1.0, &mut by);
    let (good, counted) = compare(&mut p, &loss, &by, true, 1e-4);
    // Absolute values have corners: a few differences straddle one.
    assert!(good * 100 >= counted * 97, "{good} of {counted}");
}

#[test]
fn two_views_of_a_plane_agree_and_the_gradient_is_right() {
    let cams = cameras();
    let plane = Vector3::new(0.3, -0.9, 0.3).normalize();
    let clean = cams.map(|c| view_of_plane(&c, plane, 0.2));
    let grey = [0, 1].map(|k| grey_of_plane(&cams[k], &clean[k]));
    for (pair, most, normals) in [
        (Pair { geo: 1.0, ncc: 0.0, stride: 1, offset: [0, 0] }, 0.02, false),
        (Pair { geo: 0.0, ncc: 1.0, stride: 2, offset: [0, 1] }, 0.02, true),
    ] {
        let run = |a: &Planes, b: &Planes| {
            let (mut by_a, mut by_b) = (no_gradient(a), no_gradient(b));
            let first = PairView { planes: a, camera: &cams[0], grey: &grey[0] };
            let second = PairView { planes: b, camera: &cams[1], grey: &grey[1] };
            let l = pair_loss(&first, &second, &pair, &mut by_a, &mut by_b);
            (l, by_a, by_b)
        };
        let still = run(&clean[0], &clean[1]).0;
        assert!(still < most, "{pair:?}: {still}");
        // A surface too near is seen to disagree.
        let mut near = clean[0].clone();
        near.depth.iter_mut().for_each(|d| *d *= 0.99);
        assert!(run(&near, &clean[1]).0 > 3.0 * still + 1e-4, "{pair:?}");
        // The weights exp(-phi) are held fixed: only where phi is far below 1 do differences agree.
        let mut a = disturbed(&clean[0], 6e-3);
        let mut b = disturbed(&clean[1], 6e-3);
        let (_, by_a, by_b) = run(&a, &b);
        let other = b.clone();
        let (good, counted) = compare(&mut a, &|p| run(p, &other).0, &by_a, normals, 2e-4);
        assert!(good * 100 >= counted * 85, "{pair:?} first view: {good} of {counted}");
        if !normals {
            let (good, counted) = compare(&mut b, &|p| run(&a, p).0, &by_b, false, 2e-4);
            assert!(good * 100 >= counted * 85, "{pair:?} second view: {good} of {counted}");
        }
    }
}
