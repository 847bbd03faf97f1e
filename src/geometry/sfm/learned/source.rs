//! What a learned model adds where SIFT is at its end: keypoints of the photos in question, and matches of their pairs.

use super::{KeypointSet, Learned};
use crate::geometry::sfm::features::Features;
use crate::geometry::sfm::graph::Tick;
use crate::geometry::sfm::{SfmError, SfmInput, allowed, at_size};
use crate::scene::Intrinsics;

/// Partners that a photo in question is matched with, those that look most alike to the model.
const PARTNERS: usize = 5;
/// Photos before and after one in question that are always tried with it.
const SEQUENCE: usize = 1;
/// Mutual nearest descriptors below which a pair is not tried.
const ALIKE: usize = 12;

/// Features with the model's keypoints after SIFT's, and the model's matches by pairs `(i, j)`, `i < j`.
pub(in crate::geometry::sfm) struct Added {
    pub(in crate::geometry::sfm) features: Vec<Features>,
    pub(in crate::geometry::sfm) matches: Vec<((usize, usize), Vec<(u32, u32)>)>,
}

/// Keypoints of all photos, and matches of the photos `in_question` with those that the model finds most alike.
pub(in crate::geometry::sfm) fn added(
    learned: &dyn Learned,
    input: &SfmInput,
    working: &[Intrinsics],
    features: &[Features],
    in_question: &[bool],
    tick: Tick,
) -> Result<Added, SfmError> {
    let n = features.len();
    let mut sets = Vec::with_capacity(n);
    for (i, k) in working.iter().enumerate() {
        tick(i, 2 * n)?;
        let mut set = learned.extract(&at_size(input.images[i], (k.width, k.height)))?;
        let mask = input.masks.get(i).copied().flatten();
        set.retain(|p| allowed(mask, (k.width, k.height), p.map(f64::from)));
        sets.push(set);
    }
    let pairs = pairs(learned, &sets, in_question);
    let mut matches = Vec::with_capacity(pairs.len());
    for (done, (i, j)) in pairs.iter().enumerate() {
        tick(n + n * done / pairs.len(), 2 * n)?;
        let (a, b) = (features[*i].points.len() as u32, features[*j].points.len() as u32);
        let found = learned.matches(&sets[*i], &sets[*j])?;
        matches.push(((*i, *j), found.into_iter().map(|(f, g)| (f + a, g + b)).collect()));
    }
    let with = |(f, set): (&Features, &KeypointSet)| {
        let mut f = f.clone();
        f.scales.resize(f.points.len(), 1.0);
        f.points.extend(set.xy.iter().map(|p| p.map(f64::from)));
        f.scales.resize(f.points.len(), 1.0);
        f
    };
    Ok(Added { features: features.iter().zip(&sets).map(with).collect(), matches })
}

/// Which pairs to match: each photo in question with its neighbours in the sequence and those most alike.
fn pairs(learned: &dyn Learned, sets: &[KeypointSet], in_question: &[bool]) -> Vec<(usize, usize)> {
    let n = sets.len();
    let mut wanted = Vec::new();
    for i in (0..n).filter(|i| in_question[*i]) {
        let mut others: Vec<(usize, usize)> = (0..n)
            .filter(|j| *j != i)
            .map(|j| (learned.likeness(&sets[i], &sets[j]), j))
            .filter(|(count, j)| *count >= ALIKE || i.abs_diff(*j) <= SEQUENCE)
            .collect();
        others.sort_by_key(|(count, j)| (i.abs_diff(*j) > SEQUENCE, std::cmp::Reverse(*count), *j));
        wanted.extend(others.into_iter().take(PARTNERS).map(|(_, j)| (i.min(j), i.max(j))));
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}
