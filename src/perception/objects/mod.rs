//! Things that a detector names, found in 3D: the boxes of many photos that agree on one upright box in the world.
//!
//! A box in one photo is a guess: right in about half of the cases, and silent about how far away the thing is. Boxes of
//! several photos that are the projections of one and the same upright box are evidence. Each detection starts a
//! hypothesis (its rectangle, at the depth that was measured in its middle, as deep as such a thing usually is); the
//! hypothesis that most photos support is fitted to the rectangles of those photos, to the sizes that such things have,
//! and to the floor and the walls; its detections are taken away, and the next is sought. The fit to rectangles is that
//! of cuboids in multi-view object SLAM (Yang & Scherer 2019, CubeSLAM, eq. 8), with edges that are hidden or cut off by the photo's
//! border left free.

mod fit;
mod hypothesis;
mod masks;
mod options;
mod room;
mod rows;
mod rules;
mod shown;
mod support;
#[cfg(test)]
mod tests;
mod upright;

pub use masks::MaskError;
pub(crate) use masks::masks;
pub use options::ObjectOptions;
pub(crate) use room::Room;
pub(crate) use rules::is_box_like;
pub use upright::Upright;

use super::View;
use super::detection::{Detection, iou};
use crate::scene::{Cancelled, Job};
use hypothesis::{Seed, word_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use support::{Supported, Supporters};

/// A detection that shows an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// Index of the view.
    pub view: usize,
    /// The detection.
    pub detection: Detection,
    /// IoU of its rectangle with the projection of the object's box, 0..1.
    pub overlap: f64,
}

/// A named thing in 3D.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// What it is: a word of the vocabulary where that has one.
    pub label: String,
    /// Mean over the photos that must show it of detection score times overlap, each photo weighed by the share of the thing that it
    /// shows; lowered where few photos or little depth support it; 0..1.
    pub score: f64,
    /// Its box.
    pub upright: Upright,
    /// Sum of detection scores times overlaps by name, as the detector gave them; by falling sum.
    pub votes: Vec<(String, f64)>,
    /// The detections behind it, by view.
    pub sightings: Vec<Sighting>,
    /// Photos that must show it: in the picture, near enough, and not hidden.
    pub visible_in: usize,
    /// Share of the depth in its rectangles that lies in its box, 0..1.
    pub filled: f64,
    /// Each photo shows a part of it: its rectangles are not those of the whole.
    pub seen_in_parts: bool,
}

/// Finds the objects, by falling score. `detections` has one entry per view. Nothing random: same input, same output.
pub(crate) fn find(
    views: &[View],
    detections: &[Vec<Detection>],
    room: &Room,
    options: &ObjectOptions,
    job: &dyn Job,
) -> Result<Vec<Object>, Cancelled> {
    let seeds = hypothesis::seeds(views, detections, room, options);
    let mut supporters = Supporters::of(views, seeds, room.metre, options, job)?;
    let mut found = Vec::new();
    while let Some(start) = supporters.best() {
        job.tick(supporters.done(), supporters.len())?;
        let Some((upright, label, supported)) = settled(views, &supporters, start, room, options) else { continue };
        supporters.take(views, &upright, &supported);
        found.push(object(views, &supporters, upright, label, &supported, options));
    }
    found.retain(|o| o.filled >= options.least_filled);
    let found = rules::named(found, views, room, options);
    Ok(rows::joined(rules::distinct(found, views, options), views, room, options))
}

/// The box that a start comes to rest at: fitted to its supporters, which are sought anew, three times over.
fn settled(
    views: &[View],
    supporters: &Supporters,
    start: usize,
    room: &Room,
    options: &ObjectOptions,
) -> Option<(Upright, String, Supported)> {
    const ROUNDS: usize = 3;
    let seed: &Seed = supporters.seed(start);
    let (mut upright, mut label) = (seed.upright, seed.label.clone());
    for round in 0..ROUNDS {
        let least = if round == 0 { options.first_overlap } else { options.least_overlap };
        let supported = supporters.supported(views, &upright, &label, least);
        if supported.sightings.len() < options.least_views {
            return None;
        }
        label = supporters.elected(&supported)?;
        upright = fit::fitted(views, supporters, &upright, word_of(&label), &supported, room, options);
    }
    let mut supported = supporters.supported(views, &upright, &label, options.least_overlap);
    let elected = supporters.elected(&supported)?;
    if elected != label {
        // The name has changed with the last fit: what it means for the size and the floor is made good.
        label = elected;
        upright = fit::fitted(views, supporters, &upright, word_of(&label), &supported, room, options);
        supported = supporters.supported(views, &upright, &label, options.least_overlap);
    }
    (supported.sightings.len() >= options.least_views).then_some((upright, label, supported))
}

fn object(
    views: &[View],
    supporters: &Supporters,
    upright: Upright,
    label: String,
    supported: &Supported,
    options: &ObjectOptions,
) -> Object {
    let filled = shown::filled(
        views,
        &upright,
        supported.sightings.iter().map(|s| {
            let seed = supporters.seed(s.seed);
            (seed.view, seed.detection.bounds)
        }),
    );
    let mut votes: BTreeMap<&str, f64> = BTreeMap::new();
    let mut sum = 0.0;
    let sightings: Vec<Sighting> = supported
        .sightings
        .iter()
        .map(|s| {
            let seed = supporters.seed(s.seed);
            let vote = seed.detection.score * s.overlap;
            *votes.entry(&seed.detection.label).or_default() += vote;
            sum += vote;
            Sighting { view: seed.view, detection: seed.detection.clone(), overlap: s.overlap }
        })
        .collect();
    let mut votes: Vec<(String, f64)> = votes.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
    votes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let many = (sightings.len() as f64 / options.enough_views).min(1.0);
    let deep = (filled / options.enough_filled).min(1.0);
    let score = sum / supported.shown.max(f64::MIN_POSITIVE) * many * deep;
    Object { label, score, upright, votes, sightings, visible_in: supported.visible_in, filled, seen_in_parts: false }
}

/// Mean IoU of some box with the rectangles of an object's sightings, as far as photos show the box: how well it explains the photos.
pub(crate) fn explains(object: &Object, b: &Upright, views: &[View], metre: f64, options: &ObjectOptions) -> f64 {
    let overlap = |s: &Sighting| {
        let shown = shown::shown(b, &views[s.view], metre, options);
        shown.map_or(0.0, |shown| {
            let r = &s.detection.bounds;
            iou(&shown.bounds, r).max(iou(&shown.free, r))
        })
    };
    object.sightings.iter().map(overlap).sum::<f64>() / object.sightings.len().max(1) as f64
}
