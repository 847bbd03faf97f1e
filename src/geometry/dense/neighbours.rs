//! Which views to match against which.

use super::View;
use crate::scene::SparsePoint;
use rayon::prelude::*;

/// Neighbours kept per view.
const KEEP: usize = 10;

/// Weight of a point by the angle between its two rays: full from 4 to 15 degrees, little below 1 and beyond 40.
fn angle_weight(degrees: f64) -> f64 {
    let sigma = if degrees < 6.0 { 2.5 } else { 12.0 };
    (-(degrees - 6.0).powi(2) / (2.0 * sigma * sigma)).exp()
}

/// Neighbours of each view, best first: seen points in common, weighted by triangulation angle and by likeness of
/// scale; then greedily those that stand apart from the ones already chosen.
pub(super) fn choose(views: &[View], points: &[SparsePoint]) -> Vec<Vec<usize>> {
    let mut seen: Vec<Vec<usize>> = vec![Vec::new(); views.len()];
    for (k, p) in points.iter().enumerate() {
        for (frame, _) in &p.track {
            if let Some(list) = seen.get_mut(*frame) {
                list.push(k);
            }
        }
    }
    (0..views.len()).into_par_iter().map(|i| pick(views, i, &scores(views, points, &seen[i], i))).collect()
}

/// Score of every view as a neighbour of view `i`.
fn scores(views: &[View], points: &[SparsePoint], seen: &[usize], i: usize) -> Vec<f64> {
    let me = &views[i].camera;
    (0..views.len())
        .map(|j| {
            let other = &views[j].camera;
            if i == j || (me.center() - other.center()).norm() < 1e-9 {
                return 0.0;
            }
            let (w, h) = (f64::from(other.intrinsics.width), f64::from(other.intrinsics.height));
            let mut sum = 0.0;
            for k in seen {
                let p = &points[*k];
                let Some((u, v, _)) = other.project(&p.position) else { continue };
                if u < 0.0 || v < 0.0 || u >= w || v >= h {
                    continue;
                }
                let (a, b) = (me.center() - p.position, other.center() - p.position);
                let (la, lb) = (a.norm().max(1e-12), b.norm().max(1e-12));
                let angle = (a.dot(&b) / (la * lb)).clamp(-1.0, 1.0).acos().to_degrees();
                let scale = (la / lb).min(lb / la);
                // A point in view but not in the track may be hidden there.
                let tracked = if p.track.iter().any(|(frame, _)| *frame == j) { 1.0 } else { 0.4 };
                sum += tracked * angle_weight(angle) * scale * scale;
            }
            sum
        })
        .collect()
}

/// Greedy choice: a view close to one already chosen, as seen from `i`, counts for less.
fn pick(views: &[View], i: usize, scores: &[f64]) -> Vec<usize> {
    let top = scores.iter().copied().fold(0.0, f64::max);
    let mut left: Vec<usize> = (0..scores.len()).filter(|j| scores[*j] > 0.05 * top && scores[*j] > 0.0).collect();
    let mut chosen: Vec<usize> = Vec::new();
    let center = |k: usize| views[k].camera.center();
    while chosen.len() < KEEP && !left.is_empty() {
        let value = |j: usize| {
            let crowding = chosen.iter().map(|c| {
                let base = (center(j) - center(i)).norm().min((center(*c) - center(i)).norm());
                (0.2 + (center(j) - center(*c)).norm() / base.max(1e-12)).min(1.0)
            });
            scores[j] * crowding.product::<f64>()
        };
        let Some(best) = (0..left.len()).max_by(|a, b| value(left[*a]).total_cmp(&value(left[*b])).then(b.cmp(a)))
        else {
            break;
        };
        chosen.push(left.swap_remove(best));
        left.sort_unstable();
    }
    chosen
}
