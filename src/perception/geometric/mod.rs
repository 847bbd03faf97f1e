//! Masks without a learned model: what stands on, hangs from or lies against the planes of a scene is a thing.
//! The fused cloud is cut at its structural planes; what is left falls apart into things; patches of another colour on
//! a plane are flat things. Every thing is drawn into every image, with occlusion. Labels say only what geometry knows.

mod draw;
mod flat;
mod skirt;
mod structure;
mod tables;
mod things;

pub(crate) use draw::pixel_labels;
pub(crate) use structure::Structural;

use super::View;
use super::cloud::Cloud;
use super::objects::Room;
use crate::scene::{Cancelled, FrameMasks, Job};

/// What a segment of the cloud is.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) label: &'static str,
    pub(crate) score: f64,
}

/// Label of each voxel (0 = nothing, else 1 + index into the segments) and the segments.
pub(crate) struct Segmentation {
    pub(crate) of: Vec<u32>,
    pub(crate) segments: Vec<Segment>,
}

impl Segmentation {
    fn push(&mut self, label: &'static str, score: f64) -> u32 {
        self.segments.push(Segment { label, score });
        self.segments.len() as u32
    }
}

/// The floor and the walls of a scene whose up is +z.
pub(crate) fn room(cloud: &Cloud, views: &[View], metre: f64, seed: u64) -> Room {
    let lowest = cloud.positions.iter().map(|p| f64::from(p[2])).fold(f64::INFINITY, f64::min);
    Room::of(&structure::find(cloud, views, metre, seed), if lowest.is_finite() { lowest } else { 0.0 }, metre)
}

/// Segments a scene whose up is +z; `metre` is the length of a metre in scene units. Gives one entry per view, with
/// labels `floor`, `wall`, `ceiling`, `table-like object`, `object`, `flat thing on floor` and `flat thing on wall`, and
/// instance ids from 1 that mean the same thing in every view. Scores are made of measured evidence: how much of a
/// thing's outline is free, how many views see it, how far its colour is from the plane that it lies on.
pub fn segment(
    cloud: &Cloud,
    views: &[View],
    metre: f64,
    seed: u64,
    job: &dyn Job,
) -> Result<Vec<FrameMasks>, Cancelled> {
    let total = views.len() + 3;
    job.tick(0, total)?;
    let planes = structure::find(cloud, views, metre, seed);
    job.tick(1, total)?;
    let mut s = Segmentation { of: vec![0; cloud.len()], segments: Vec::new() };
    let on_plane = structure::label(cloud, &planes, metre, &mut s);
    let looks = skirt::Looks::of(cloud, &planes, &on_plane);
    skirt::claim(cloud, &looks, &on_plane, metre, &mut s);
    flat::find(cloud, &planes, &on_plane, metre, &mut s);
    job.tick(2, total)?;
    things::find(cloud, views, &looks, metre, &mut s);
    job.tick(3, total)?;
    draw::masks(cloud, views, &s, job)
}

#[cfg(test)]
mod tests;
