//! Which photos to match where poses are known.

use crate::scene::Camera;
use nalgebra::Point3;

/// Pairs per photo: the best by shared view, and the best by shared view and parallax.
const PARTNERS: [usize; 2] = [6, 6];
/// Least part of a photo's view that its partner shares.
const LEAST_OVERLAP: f64 = 0.15;

/// Part of what `a` sees, at a few depths, that `b` sees too, from no more than about 75 degrees to the side.
fn overlap(a: &Camera, b: &Camera, depths: &[f64]) -> f64 {
    if a.forward().dot(&b.forward()) < 0.25 {
        return 0.0;
    }
    let (w, h) = (f64::from(a.intrinsics.width), f64::from(a.intrinsics.height));
    let sees = |p: &Point3<f64>| {
        b.project(p).is_some_and(|(u, v, _)| {
            u >= 0.0 && v >= 0.0 && u < f64::from(b.intrinsics.width) && v < f64::from(b.intrinsics.height)
        })
    };
    let mut shared = 0;
    for z in depths {
        for k in 0..16 {
            let (x, y) = ((f64::from(k % 4) + 0.5) / 4.0, (f64::from(k / 4) + 0.5) / 4.0);
            shared += usize::from(sees(&a.unproject(x * w, y * h, *z)));
        }
    }
    shared as f64 / (16 * depths.len()) as f64
}

/// Depths worth a look: around the size of the path that the cameras take, for want of the scene's own.
fn likely_depths(cameras: &[Camera]) -> Vec<f64> {
    let n = cameras.len() as f64;
    let mean = cameras.iter().fold(nalgebra::Vector3::zeros(), |m, c| m + c.center().coords) / n;
    let mut reach: Vec<f64> = cameras.iter().map(|c| (c.center().coords - mean).norm()).collect();
    reach.sort_by(f64::total_cmp);
    let typical = reach[reach.len() / 2].max(1e-6);
    [0.5, 1.0, 2.0, 4.0].map(|k| k * typical).to_vec()
}

/// Pairs `(i, j)`, `i < j`, of photos that see common ground, at most about twelve a photo.
pub(super) fn pairs(cameras: &[Camera]) -> Vec<(usize, usize)> {
    let n = cameras.len();
    if n < 2 {
        return Vec::new();
    }
    let total: usize = PARTNERS.iter().sum();
    let depths = likely_depths(cameras);
    let mut wanted = vec![vec![n <= total; n]; n];
    for i in 0..n {
        let scored: Vec<(usize, f64, f64)> = (0..n)
            .filter(|j| *j != i)
            .map(|j| {
                let shared = overlap(&cameras[i], &cameras[j], &depths).min(overlap(&cameras[j], &cameras[i], &depths));
                let baseline = (cameras[i].center() - cameras[j].center()).norm() / depths[1];
                (j, shared, shared * (baseline / 0.2).min(1.0))
            })
            .filter(|s| s.1 >= LEAST_OVERLAP)
            .collect();
        let mut by_view = scored.clone();
        by_view.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut by_parallax = scored;
        by_parallax.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
        for (list, count) in [(by_view, PARTNERS[0]), (by_parallax, PARTNERS[1])] {
            list.iter().take(count).for_each(|s| wanted[i.min(s.0)][i.max(s.0)] = true);
        }
        if i + 1 < n {
            wanted[i][i + 1] = true;
        }
    }
    (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).filter(|(i, j)| wanted[*i][*j]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Intrinsics;
    use nalgebra::{Isometry3, Vector3};

    #[test]
    fn cameras_that_look_away_are_no_pair() {
        let intrinsics = Intrinsics::guess(640, 480);
        let camera =
            |x: f64, turn: f64| Camera { intrinsics, c2w: Isometry3::new(Vector3::x() * x, Vector3::y() * turn) };
        let cameras: Vec<Camera> =
            (0..40).map(|i| camera(0.1 * f64::from(i), if i < 20 { 0.0 } else { 3.0 })).collect();
        let found = pairs(&cameras);
        assert!(found.iter().all(|(i, j)| (*i < 20) == (*j < 20) || (*i, *j) == (19, 20)));
        assert!((0..40).all(|i| found.iter().filter(|(a, b)| *a == i || *b == i).count() >= 6));
        assert!(found.len() <= 40 * 12);
    }
}
