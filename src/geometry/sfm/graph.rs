//! Which photos see the same things: verified matches between pairs of photos, and the tracks they form.

use super::features::Features;
use super::matching::{Guide, match_along, match_features};
use super::two_view::{Match, sampson2, verify};
use super::view::View;
use crate::scene::Cancelled;
use nalgebra::{Matrix3, Point3};
use rayon::prelude::*;

/// Verified matches of the photos `i < j`: indices of their features.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) i: usize,
    pub(super) j: usize,
    pub(super) matches: Vec<(u32, u32)>,
    /// Essential matrix in the coordinates of the intrinsics; where those are guessed, a fundamental matrix.
    pub(super) epipolar: Matrix3<f64>,
}

/// Fewest verified matches of a pair.
pub(super) const MIN_MATCHES: usize = 15;
/// Largest distance from the epipolar line, pixels, for known intrinsics and for fundamental matrices.
const EPIPOLAR_LIMIT: f64 = 2.5;

/// Reports progress `(done, total)` of a stage; an error once cancelled.
pub(super) type Tick<'a> = &'a (dyn Fn(usize, usize) -> Result<(), Cancelled> + Sync);

/// A seed that differs for every `(a, b)`: one round of SplitMix64.
pub(super) fn mix(seed: u64, a: usize, b: usize) -> u64 {
    let mut z = seed
        .wrapping_add((a as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add((b as u64).wrapping_mul(0xD1B5_4A32_D192_ED03));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Matches in the normalised coordinates of their views.
pub(super) fn normalised(
    features: &[Features],
    views: &[View],
    (i, j): (usize, usize),
    matches: &[(u32, u32)],
) -> Vec<Match> {
    matches
        .iter()
        .map(|(a, b)| {
            let p = views[i].normalised(features[i].points[*a as usize]);
            let q = views[j].normalised(features[j].points[*b as usize]);
            [p.x, p.y, q.x, q.y]
        })
        .collect()
}

/// Pixels in normalised coordinates, for a pair of views.
pub(super) fn per_pixel(views: &[View], i: usize, j: usize) -> f64 {
    2.0 / (views[i].mean_focal() + views[j].mean_focal())
}

/// One match per place: a feature with two orientations, or two features at one place, may match twice.
fn without_doubles(features: &[Features], (i, j): (usize, usize), matches: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    let place = |m: &(u32, u32)| {
        let (p, q) = (features[i].points[m.0 as usize], features[j].points[m.1 as usize]);
        [p[0], p[1], q[0], q[1]].map(|v| (v * 4.0).round() as i64)
    };
    let mut keyed: Vec<([i64; 4], (u32, u32))> = matches.into_iter().map(|m| (place(&m), m)).collect();
    keyed.sort_unstable();
    keyed.dedup_by_key(|k| k.0);
    keyed.into_iter().map(|k| k.1).collect()
}

/// Matches and verifies the pairs `wanted`; those with too few matches are left out.
pub(super) fn verified_pairs(
    features: &[Features],
    views: &[View],
    wanted: &[(usize, usize)],
    known: bool,
    seed: u64,
    tick: Tick,
) -> Result<Vec<Pair>, Cancelled> {
    let step = 8 * rayon::current_num_threads();
    let mut out = Vec::new();
    for (k, chunk) in wanted.chunks(step).enumerate() {
        tick(k * step, wanted.len())?;
        let verify = |(i, j): &(usize, usize)| {
            let matches = match_features(&features[*i], &features[*j], usize::MAX);
            verified_pair(features, views, (*i, *j), matches, known, seed)
        };
        let found: Vec<Option<Pair>> = chunk.par_iter().map(verify).collect();
        out.extend(found.into_iter().flatten());
    }
    Ok(out)
}

fn verified_pair(
    features: &[Features],
    views: &[View],
    (i, j): (usize, usize),
    matches: Vec<(u32, u32)>,
    known: bool,
    seed: u64,
) -> Option<Pair> {
    let matches = without_doubles(features, (i, j), matches);
    if matches.len() < MIN_MATCHES {
        return None;
    }
    let points = normalised(features, views, (i, j), &matches);
    let fit = verify(&points, known, EPIPOLAR_LIMIT * per_pixel(views, i, j), mix(seed, i, j))?;
    let matches: Vec<(u32, u32)> = fit.inliers.iter().map(|k| matches[*k]).collect();
    if matches.len() < MIN_MATCHES {
        return None;
    }
    Some(Pair { i, j, matches, epipolar: fit.model })
}

/// The pairs, those of the photos in question with what more is found along their epipolar lines.
pub(super) fn completed(features: &[Features], views: &[View], pairs: &[Pair], in_question: &[bool]) -> Vec<Pair> {
    let more =
        |p: &Pair| if in_question[p.i] || in_question[p.j] { along(features, views, p.clone()) } else { p.clone() };
    pairs.par_iter().map(more).collect()
}

/// The pairs with the matches `more` of some, verified together with those that there are.
pub(super) fn with_matches(
    features: &[Features],
    views: &[View],
    pairs: &[Pair],
    more: &[((usize, usize), Vec<(u32, u32)>)],
    known: bool,
    seed: u64,
) -> Vec<Pair> {
    let old = |at: &(usize, usize)| pairs.iter().find(|p| (p.i, p.j) == *at);
    let mut out: Vec<Pair> = more
        .par_iter()
        .filter_map(|(at, matches)| {
            let before = old(at);
            let all = before.map_or(&[][..], |p| &p.matches).iter().chain(matches).copied().collect();
            // Where both do not go together the old ones stay.
            verified_pair(features, views, *at, all, known, seed).or_else(|| before.cloned())
        })
        .collect();
    out.extend(pairs.iter().filter(|p| more.iter().all(|(at, _)| *at != (p.i, p.j))).cloned());
    out.sort_by_key(|p| (p.i, p.j));
    out
}

/// The pair with what more is found along its epipolar lines.
fn along(features: &[Features], views: &[View], mut pair: Pair) -> Pair {
    let (i, j) = (pair.i, pair.j);
    let points = [i, j].map(|k| -> Vec<[f64; 2]> {
        features[k].points.iter().map(|p| views[k].normalised(*p)).map(|n| [n.x, n.y]).collect()
    });
    let limit = EPIPOLAR_LIMIT * per_pixel(views, i, j);
    let guide = Guide { points: [&points[0], &points[1]], epipolar: pair.epipolar, limit };
    let more = match_along(&features[i], &features[j], &guide);
    let fits = |(a, b): &(u32, u32)| {
        let (p, q) = (points[0][*a as usize], points[1][*b as usize]);
        sampson2(&pair.epipolar, &[p[0], p[1], q[0], q[1]]) < limit * limit
    };
    let more: Vec<(u32, u32)> = more.into_iter().filter(fits).collect();
    // What was found before keeps its place: both features of a further match must be free.
    let mut taken: [Vec<bool>; 2] = [i, j].map(|k| vec![false; features[k].points.len()]);
    for (a, b) in &pair.matches {
        (taken[0][*a as usize], taken[1][*b as usize]) = (true, true);
    }
    pair.matches.extend(more.into_iter().filter(|(a, b)| !taken[0][*a as usize] && !taken[1][*b as usize]));
    pair.matches = without_doubles(features, (i, j), pair.matches);
    pair
}

/// Sizes of the groups that `pairs` tie the photos together to, of those that are `in_question`.
pub(super) fn parts<'a>(
    photos: usize,
    pairs: impl Iterator<Item = &'a Pair>,
    in_question: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let mut group: Vec<usize> = (0..photos).collect();
    for pair in pairs.filter(|p| in_question(p.i) && in_question(p.j)) {
        let (from, to) = (group[pair.j], group[pair.i]);
        group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
    }
    let mut sizes = vec![0; photos];
    (0..photos).filter(|i| in_question(*i)).for_each(|i| sizes[group[i]] += 1);
    sizes.retain(|size| *size > 0);
    sizes
}

/// One point of the scene as photos see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    /// Photo and feature, ascending; at most one per photo.
    pub(super) seen: Vec<(u32, u32)>,
    /// Whether each fits the point; all false while there is none.
    pub(super) fits: Vec<bool>,
    pub(super) point: Option<Point3<f64>>,
}

impl Track {
    pub(super) fn new(mut seen: Vec<(u32, u32)>) -> Self {
        seen.sort_unstable();
        Self { fits: vec![false; seen.len()], seen, point: None }
    }

    /// The observations that fit the point.
    pub(super) fn fitting(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.seen.iter().zip(&self.fits).filter(|(_, f)| **f).map(|((i, f), _)| (*i as usize, *f as usize))
    }
}

/// Joins matches to tracks, strongest pairs first. A match that would put two features of one photo in a track is left
/// out, so that one wrong match does not spoil two long tracks.
pub(super) fn tracks(features: &[Features], pairs: &[Pair]) -> Vec<Track> {
    let mut offset = vec![0usize; features.len() + 1];
    for (i, f) in features.iter().enumerate() {
        offset[i + 1] = offset[i] + f.points.len();
    }
    let mut sets = Sets::new(&offset);
    let mut order: Vec<&Pair> = pairs.iter().collect();
    order.sort_by_key(|p| (std::cmp::Reverse(p.matches.len()), p.i, p.j));
    for pair in order {
        for (a, b) in &pair.matches {
            sets.join(offset[pair.i] + *a as usize, offset[pair.j] + *b as usize);
        }
    }
    let mut out: Vec<Track> = sets.members.into_iter().filter(|m| m.len() > 1).map(Track::new).collect();
    out.sort_by(|a, b| a.seen.cmp(&b.seen));
    out
}

/// Disjoint sets of features, each with its members.
struct Sets {
    set_of: Vec<u32>,
    members: Vec<Vec<(u32, u32)>>,
    offset: Vec<usize>,
}

impl Sets {
    fn new(offset: &[usize]) -> Self {
        let total = offset[offset.len() - 1];
        let members = offset
            .windows(2)
            .enumerate()
            .flat_map(|(i, w)| (0..w[1] - w[0]).map(move |f| vec![(i as u32, f as u32)]))
            .collect();
        Self { set_of: (0..total as u32).collect(), members, offset: offset.to_vec() }
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.set_of[a] as usize, self.set_of[b] as usize);
        if a == b {
            return;
        }
        let (small, large) = if self.members[a].len() < self.members[b].len() { (a, b) } else { (b, a) };
        if self.members[small].iter().any(|(i, _)| self.members[large].iter().any(|(j, _)| i == j)) {
            return;
        }
        let moved = std::mem::take(&mut self.members[small]);
        for (i, f) in &moved {
            self.set_of[self.offset[*i as usize] + *f as usize] = large as u32;
        }
        self.members[large].extend(moved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_join_matches_and_refuse_two_features_of_one_photo() {
        let features: Vec<Features> =
            (0..3).map(|_| Features { points: vec![[0.0; 2]; 3], ..Features::default() }).collect();
        let pair = |i, j, matches: &[(u32, u32)]| Pair { i, j, matches: matches.to_vec(), epipolar: Matrix3::zeros() };
        let pairs = [pair(0, 1, &[(0, 0), (1, 1), (2, 2)]), pair(1, 2, &[(0, 0), (1, 1)]), pair(0, 2, &[(0, 1)])];
        let seen: Vec<Vec<(u32, u32)>> = tracks(&features, &pairs).into_iter().map(|t| t.seen).collect();
        assert_eq!(seen, [vec![(0, 0), (1, 0), (2, 0)], vec![(0, 1), (1, 1), (2, 1)], vec![(0, 2), (1, 2)]]);
    }
}
