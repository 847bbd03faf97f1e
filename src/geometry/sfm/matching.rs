//! Brute-force matching of descriptors, and the choice of pairs of photos worth matching.

use super::features::{DESCRIPTOR, DESCRIPTOR_NORM, Features};
use super::retrieval::alike;
use crate::scene::Cancelled;
use nalgebra::{DMatrix, Matrix3, Vector3};
use rayon::prelude::*;

/// Largest ratio of the distance to the nearest and to the second nearest descriptor (Lowe 2004, section 7.1).
const RATIO: f32 = 0.8;
/// Largest distance of unit descriptors that match.
const MAX_DISTANCE: f32 = 0.8;
/// Features nearer to each other than this many times the reach of an epipolar line are one thing.
const SAME: f64 = 1.5;
/// Queries compared at a time, in one product of matrices.
const BLOCK: usize = 32;
/// Features of largest scale that the pre-emptive match looks at (C. Wu, "Towards linear-time incremental structure from
/// motion", 3DV 2013, section 3).
const PREVIEW: usize = 320;
/// Matches among those below which a pair is not matched in full.
const PREVIEW_MATCHES: usize = 8;
/// Photos that look most like one and are tried with it; fewer photos are all tried.
const TRIED: usize = 48;
/// Pairs tried between two reports of progress.
const TICK: usize = 256;
/// Photos before and after each that are always matched with it: captures are mostly sequences.
const SEQUENCE: usize = 3;

/// Largest and second largest of `values`, with the position of the largest.
fn top_two(values: &[f32]) -> (usize, f32, f32) {
    const LANES: usize = 8;
    let (mut first, mut second) = ([f32::MIN; LANES], [f32::MIN; LANES]);
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for k in 0..LANES {
            second[k] = second[k].max(first[k].min(chunk[k]));
            first[k] = first[k].max(chunk[k]);
        }
    }
    let (mut a, mut b) = (f32::MIN, f32::MIN);
    for v in first.iter().chain(&second).chain(rest) {
        b = b.max(a.min(*v));
        a = a.max(*v);
    }
    (values.iter().position(|v| *v == a).unwrap_or(0), a, b)
}

/// Mutual nearest neighbours among the first `limit` features of each photo, that pass the ratio test from `a` to `b`.
/// Dot products are sums of whole numbers below 2²⁴, so that floats hold them exactly.
pub(super) fn match_features(a: &Features, b: &Features, limit: usize) -> Vec<(u32, u32)> {
    let (queries, trains) =
        (&a.descriptors[..a.descriptors.len().min(limit)], &b.descriptors[..b.descriptors.len().min(limit)]);
    if queries.len() < 2 || trains.len() < 2 {
        return Vec::new();
    }
    let train = DMatrix::from_fn(trains.len(), DESCRIPTOR, |j, k| f32::from(trains[j][k]));
    let mut column = vec![(f32::MIN, 0u32); trains.len()];
    let mut forward = Vec::with_capacity(queries.len());
    let mut dots = DMatrix::zeros(trains.len(), BLOCK);
    for (block, chunk) in queries.chunks(BLOCK).enumerate() {
        let query = DMatrix::from_fn(DESCRIPTOR, BLOCK, |k, q| chunk.get(q).map_or(0.0, |d| f32::from(d[k])));
        dots.gemm(1.0, &train, &query, 0.0);
        for (k, row) in dots.as_slice().chunks_exact(trains.len()).enumerate().take(chunk.len()) {
            let i = (block * BLOCK + k) as u32;
            for (best, v) in column.iter_mut().zip(row) {
                *best = if *v > best.0 { (*v, i) } else { *best };
            }
            let (j, first, second) = top_two(row);
            let near = distance(first);
            if near < MAX_DISTANCE && near < RATIO * distance(second) {
                forward.push((i, j as u32));
            }
        }
    }
    forward.retain(|(i, j)| column[*j as usize].1 == *i);
    forward
}

/// Where a match may lie once the geometry of two photos is known.
pub(super) struct Guide<'a> {
    /// Normalised coordinates of the features of both photos.
    pub(super) points: [&'a [[f64; 2]]; 2],
    /// `x2ᵀ m x1 = 0` for true matches.
    pub(super) epipolar: Matrix3<f64>,
    /// Largest distance from the epipolar line in either photo, normalised coordinates.
    pub(super) limit: f64,
}

impl Guide<'_> {
    /// Lines in the photo that `forward` leads to, scaled so that a product with a point is a distance in limits.
    fn lines(&self, forward: bool) -> Vec<[f32; 3]> {
        let (points, m) =
            if forward { (self.points[0], self.epipolar) } else { (self.points[1], self.epipolar.transpose()) };
        let line = |p: &[f64; 2]| {
            let l = m * Vector3::new(p[0], p[1], 1.0);
            let scale = 1.0 / (self.limit * l.xy().norm().max(1e-12));
            [l.x * scale, l.y * scale, l.z * scale].map(|v| v as f32)
        };
        points.iter().map(line).collect()
    }
}

/// Largest and second largest of `dots` among the features within reach of `line`; those near the largest are no rivals
/// to it, being the same thing at another scale.
fn best_near(dots: &[f32], line: [f32; 3], points: &[[f32; 2]], same: f32) -> Option<(usize, f32, f32)> {
    let within = |p: &[f32; 2]| (line[0] * p[0] + line[1] * p[1] + line[2]).abs() < 1.0;
    let mut best = (usize::MAX, f32::MIN);
    for (j, (dot, p)) in dots.iter().zip(points).enumerate() {
        if *dot > best.1 && within(p) {
            best = (j, *dot);
        }
    }
    let at = *points.get(best.0)?;
    let mut second = f32::MIN;
    for (dot, p) in dots.iter().zip(points) {
        if *dot > second && within(p) && (p[0] - at[0]).abs().max((p[1] - at[1]).abs()) > same {
            second = *dot;
        }
    }
    Some((best.0, best.1, second))
}

/// Matches along the epipolar lines of `guide`: each other's nearest there, and nearer than the second by a ratio. What
/// looks alike elsewhere is no rival any more, so that more is found than without.
pub(super) fn match_along(a: &Features, b: &Features, guide: &Guide) -> Vec<(u32, u32)> {
    let (queries, trains) = (&a.descriptors, &b.descriptors);
    if queries.len() < 2 || trains.len() < 2 {
        return Vec::new();
    }
    let train = DMatrix::from_fn(trains.len(), DESCRIPTOR, |j, k| f32::from(trains[j][k]));
    let narrow = |k: usize| -> Vec<[f32; 2]> { guide.points[k].iter().map(|p| p.map(|v| v as f32)).collect() };
    let (lines, back) = (guide.lines(true), guide.lines(false));
    let (from, to) = (narrow(0), narrow(1));
    let same = (SAME * guide.limit) as f32;
    let mut column = vec![(f32::MIN, 0u32); trains.len()];
    let mut forward = Vec::new();
    let mut dots = DMatrix::zeros(trains.len(), BLOCK);
    for (block, chunk) in queries.chunks(BLOCK).enumerate() {
        let query = DMatrix::from_fn(DESCRIPTOR, BLOCK, |k, q| chunk.get(q).map_or(0.0, |d| f32::from(d[k])));
        dots.gemm(1.0, &train, &query, 0.0);
        for (k, row) in dots.as_slice().chunks_exact(trains.len()).enumerate().take(chunk.len()) {
            let i = block * BLOCK + k;
            let p = from[i];
            for ((best, v), l) in column.iter_mut().zip(row).zip(&back) {
                let within = (l[0] * p[0] + l[1] * p[1] + l[2]).abs() < 1.0;
                *best = if *v > best.0 && within { (*v, i as u32) } else { *best };
            }
            let Some((j, first, second)) = best_near(row, lines[i], &to, same) else { continue };
            let near = distance(first);
            if near < MAX_DISTANCE && near < RATIO * distance(second) {
                forward.push((i as u32, j as u32));
            }
        }
    }
    forward.retain(|(i, j)| column[*j as usize].1 == *i);
    forward
}

/// Distance of unit descriptors with this product of what they are stored as.
fn distance(dot: f32) -> f32 {
    (2.0 - 2.0 * (dot / (DESCRIPTOR_NORM * DESCRIPTOR_NORM)).min(1.0)).sqrt()
}

/// Pairs `(i, j)`, `i < j`, worth matching in full: neighbours in the sequence, and for each photo up to `partners` others
/// that agree best on their largest features. Of many photos only those that look most alike are tried, so that cost grows
/// with their number, not with its square.
pub(super) fn choose_pairs(
    features: &[Features],
    partners: usize,
    tick: &(dyn Fn(usize, usize) -> Result<(), Cancelled> + Sync),
) -> Result<Vec<(usize, usize)>, Cancelled> {
    let n = features.len();
    let alike = if n > TRIED + 1 { alike(features, TRIED) } else { (0..n).map(|_| (0..n).collect()).collect() };
    let near = |i: usize| (i.saturating_sub(SEQUENCE)..(i + SEQUENCE + 1).min(n)).filter(move |j| *j != i);
    let ordered = |i: usize, j: usize| (i.min(j), i.max(j));
    let mut tried: Vec<(usize, usize)> =
        (0..n).flat_map(|i| alike[i].iter().filter(move |j| **j != i).map(move |j| ordered(i, *j))).collect();
    tried.sort_unstable();
    tried.dedup();
    let mut agree: Vec<Vec<(usize, usize)>> = vec![Vec::new(); n];
    for (k, chunk) in tried.chunks(TICK).enumerate() {
        tick(k * TICK, tried.len())?;
        let counts: Vec<usize> =
            chunk.par_iter().map(|(i, j)| match_features(&features[*i], &features[*j], PREVIEW).len()).collect();
        for ((i, j), count) in chunk.iter().zip(counts).filter(|(_, count)| *count >= PREVIEW_MATCHES) {
            agree[*i].push((count, *j));
            agree[*j].push((count, *i));
        }
    }
    let mut wanted: Vec<(usize, usize)> = Vec::new();
    for (i, others) in agree.iter_mut().enumerate() {
        others.sort_by_key(|(count, j)| (std::cmp::Reverse(*count), *j));
        wanted.extend(others.iter().take(partners).map(|(_, j)| ordered(i, *j)));
        wanted.extend(near(i).map(|j| ordered(i, j)));
    }
    wanted.sort_unstable();
    wanted.dedup();
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_is_told_apart_along_epipolar_lines() {
        let mut rng = fastrand::Rng::with_seed(3);
        // A unit of descriptors: 512 in one place of its own each, and two that are the same.
        let mut one = || -> [i16; DESCRIPTOR] {
            let at = rng.usize(0..DESCRIPTOR);
            std::array::from_fn(|k| if k == at { 512 } else { 0 })
        };
        let same = one();
        let features = |ys: [f64; 2]| Features {
            points: vec![[100.0, ys[0]], [200.0, ys[1]]],
            descriptors: vec![same; 2],
            ..Features::default()
        };
        let (a, b) = (features([50.0, 150.0]), features([150.0, 50.0]));
        assert!(match_features(&a, &b, usize::MAX).is_empty());
        // A step along x: matches lie in one row.
        let epipolar = Matrix3::new(0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0);
        let guide = Guide { points: [&a.points, &b.points], epipolar, limit: 2.0 };
        assert_eq!(match_along(&a, &b, &guide), [(0, 1), (1, 0)]);
    }
}
