//! A first focal length where it was only guessed: the one that turns most fundamental matrices into essential ones, whose
//! two singular values are equal. P. Mendonça & R. Cipolla, "A simple technique for self-calibration", CVPR 1999.

use super::features::Features;
use super::graph::{Pair, mix, normalised, per_pixel};
use super::two_view::planarity;
use super::view::View;
use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;

/// Pairs that vote, those with most matches.
const VOTERS: usize = 60;
/// Pairs that one homography explains beyond this say nothing about focal lengths.
const FLAT: f64 = 0.75;
/// Fewest pairs that can overrule the guess.
const QUORUM: usize = 4;
/// Disagreement of a pair counts no more than this: its matrix may be wrong.
const CAP: f64 = 0.2;
/// The guess is kept unless another focal length lowers the disagreement to this fraction.
const CONVINCING: f64 = 0.7;

/// How far a fundamental matrix, in the coordinates of the guess, is from essential for focal lengths `s` times the guess:
/// 1 - σ2 / σ1.
fn disagreement(f: &Matrix3<f64>, s: f64) -> f64 {
    let d = Matrix3::from_diagonal(&Vector3::new(s, s, 1.0));
    let mut sigma: [f64; 3] = (d * f * d).singular_values().into();
    sigma.sort_by(f64::total_cmp);
    if sigma[2] > 0.0 { (1.0 - sigma[1] / sigma[2]).min(CAP) } else { CAP }
}

/// The factor, from 0.4 to 2.4, on the guess that the matrices agree on; 1 where none is convincing.
fn vote(matrices: &[Matrix3<f64>]) -> f64 {
    if matrices.len() < QUORUM {
        return 1.0;
    }
    let total = |s: f64| matrices.iter().map(|f| disagreement(f, s)).sum::<f64>();
    let factors = (-20..=20).map(|k| (f64::from(k) / 16.0).exp2());
    let best = factors.map(|s| (s, total(s))).min_by(|a, b| a.1.total_cmp(&b.1));
    best.filter(|b| b.1 < CONVINCING * total(1.0)).map_or(1.0, |b| b.0)
}

/// Replaces the guessed focal lengths of `views` by what the pairs within each group vote for.
pub(super) fn improve(features: &[Features], views: &mut [View], pairs: &[Pair], group: &[usize], seed: u64) {
    for g in 0..group.iter().max().map_or(0, |g| g + 1) {
        let mut own: Vec<&Pair> = pairs.iter().filter(|p| group[p.i] == g && group[p.j] == g).collect();
        own.sort_by_key(|p| (std::cmp::Reverse(p.matches.len()), p.i, p.j));
        own.truncate(VOTERS);
        let matrices: Vec<Matrix3<f64>> = own
            .par_iter()
            .filter(|p| {
                let points = normalised(features, views, (p.i, p.j), &p.matches);
                planarity(&points, 3.0 * per_pixel(views, p.i, p.j), mix(seed, p.i, p.j)) < FLAT
            })
            .map(|p| p.epipolar)
            .collect();
        let factor = vote(&matrices);
        views.iter_mut().zip(group).filter(|(_, k)| **k == g).for_each(|(v, _)| v.focal = v.focal.map(|f| f * factor));
    }
}

#[cfg(test)]
mod tests {
    use super::super::math::skew;
    use super::*;
    use nalgebra::Rotation3;

    #[test]
    fn matrices_of_a_longer_lens_vote_for_it_and_few_are_not_heard() {
        let mut rng = fastrand::Rng::with_seed(5);
        let mut random = || Vector3::from_fn(|_, _| rng.f64() - 0.5);
        for truth in [0.6, 1.0, 1.7f64] {
            let back = Matrix3::from_diagonal(&Vector3::new(1.0 / truth, 1.0 / truth, 1.0));
            let mut matrices: Vec<Matrix3<f64>> =
                (0..12).map(|_| back * skew(&random()) * Rotation3::new(random()).matrix() * back).collect();
            matrices.push(Matrix3::from_columns(&[random(), random(), random()]));
            assert!((vote(&matrices) / truth).log2().abs() < 0.07, "{truth}: {}", vote(&matrices));
            assert_eq!(vote(&matrices[..3]), 1.0);
        }
    }
}
