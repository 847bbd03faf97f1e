//! Reconstructions of the parts that the photos fall into, joined where they fit together.

use super::bundle::Refine;
use super::features::Features;
use super::graph::{Pair, Tick, tracks};
use super::incremental::{self, extend};
use super::mapper::Mapper;
use super::view::View;
use crate::scene::Cancelled;

/// Photos that a part must have to be worth making.
const LEAST: usize = 3;
/// Observations below which a photo hangs on few points.
pub(super) const FEW: usize = 40;
/// Observations from which on a photo is better served by SIFT, which is several times as exact, than by a feature model.
pub(super) const PLENTY: usize = 300;

/// What all reconstructions of a capture have in common.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) features: &'a [Features],
    pub(super) views: &'a [View],
    pub(super) group: &'a [usize],
    /// Width and height of each photo.
    pub(super) sizes: &'a [[f64; 2]],
    pub(super) refine: Refine,
    pub(super) seed: u64,
}

/// Reconstructions of all parts of the capture, that with most photos first; parts that fit together are one.
pub(super) fn parts<'a>(s: &Setting<'a>, pairs: &'a [Pair], tick: Tick) -> Result<Vec<Mapper<'a>>, Cancelled> {
    let n = s.views.len();
    let mut blocked = vec![false; n];
    let mut found: Vec<Mapper> = Vec::new();
    while blocked.iter().filter(|b| !**b).count() >= if found.is_empty() { 2 } else { LEAST } {
        let tracks = tracks(s.features, pairs);
        let mut mapper = Mapper::new(s.features, pairs, tracks, s.views.to_vec(), s.group.to_vec(), s.refine);
        if !incremental::map(&mut mapper, s.sizes, &blocked, s.seed, tick)? {
            break;
        }
        blocked.iter_mut().zip(&mapper.registered).for_each(|(b, r)| *b |= *r);
        found.push(mapper);
    }
    found.sort_by_key(|m| std::cmp::Reverse(m.count()));
    if found.is_empty() {
        return Ok(found);
    }
    let mut whole = found.remove(0);
    let mut next = 0;
    while next < found.len() {
        let new = (0..n).any(|i| found[next].registered[i] && !whole.registered[i]);
        if !new || extend(&mut whole, &found[next], s.sizes, s.seed, tick)? {
            found.remove(next);
            next = 0;
        } else {
            next += 1;
        }
    }
    found.insert(0, whole);
    Ok(found)
}

/// Photos that the largest part lacks, or of which it has fewer than `least` observations.
pub(super) fn short_of(least: usize, parts: &[Mapper], photos: usize) -> Vec<bool> {
    let is_short = |i: usize| parts.first().is_none_or(|m| !m.registered[i] || m.fitting_in(i) < least);
    (0..photos).map(is_short).collect()
}

/// `a` if its largest part places more photos than that of `b`, or as many by more points; else `b`.
pub(super) fn better<'a>(a: Vec<Mapper<'a>>, b: Vec<Mapper<'a>>) -> Vec<Mapper<'a>> {
    let figures = |parts: &[Mapper]| {
        let Some(whole) = parts.first() else { return (0, 0, 0) };
        let photos = whole.views.len();
        (whole.count(), short_of(FEW, parts, photos).iter().filter(|w| !**w).count(), whole.observations())
    };
    if figures(&a) > figures(&b) { a } else { b }
}
