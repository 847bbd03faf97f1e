//! What the sparse points say of a view: where to look, and first guesses.

use crate::scene::{Camera, SparsePoint};

/// Points tracked in view `index`: pixel coordinates in `camera`, inverse depth.
pub(super) fn points_of(index: usize, camera: &Camera, points: &[SparsePoint]) -> Vec<[f32; 3]> {
    let (w, h) = (f64::from(camera.intrinsics.width), f64::from(camera.intrinsics.height));
    points
        .iter()
        .filter(|p| p.track.iter().any(|(frame, _)| *frame == index))
        .filter_map(|p| camera.project(&p.position))
        .filter(|(u, v, z)| *u >= 0.0 && *v >= 0.0 && *u < w && *v < h && z.is_finite() && *z > 1e-6)
        .map(|(u, v, z)| [u as f32, v as f32, (1.0 / z) as f32])
        .collect()
}

/// Inverse depths to search: the points' range without its extremes, widened.
pub(super) fn range(points: &[[f32; 3]]) -> Option<(f32, f32)> {
    let mut w: Vec<f32> = points.iter().map(|p| p[2]).collect();
    w.sort_by(f32::total_cmp);
    let at = |q: f32| w[((w.len() - 1) as f32 * q) as usize];
    let (low, high) = (at(0.01) / 1.6, at(0.99) * 1.6);
    (low > 0.0 && high.is_finite() && low < high).then_some((low, high))
}

/// Inverse depths of the `N` points nearest to `(u, v)`, nearest first; fewer points repeat the last.
pub(super) fn nearest<const N: usize>(points: &[[f32; 3]], u: f32, v: f32) -> [f32; N] {
    let mut best = [(f32::MAX, 0.0f32); N];
    for p in points {
        let d = (p[0] - u) * (p[0] - u) + (p[1] - v) * (p[1] - v);
        if d < best[N - 1].0 {
            let mut k = N - 1;
            while k > 0 && best[k - 1].0 > d {
                best[k] = best[k - 1];
                k -= 1;
            }
            best[k] = (d, p[2]);
        }
    }
    let first = best[0].1;
    best.map(|(d, w)| if d < f32::MAX { w } else { first })
}
