//! Stage 3: masks lifted to 3D, merged across views, boxed, scored, captioned.

mod boxes;
mod caption;
mod consensus;
mod describe;
mod labels;
mod lift;
mod merge;
mod named;
mod opinion;
mod redraw;
mod refit;
mod report;
mod rescale;
mod seen;
mod voters;

pub use describe::describe;
pub use lift::LiftOptions;
pub use opinion::{Opinion, OpinionOptions};
pub use refit::{Refit, Shot};
pub use rescale::rescaled;
pub use seen::seen_from;
pub use voters::only_agreed;

use crate::models::ModelError;
use crate::perception::View;
use crate::perception::cloud::Cloud;
use crate::perception::objects::{Object, ObjectOptions};
use crate::scene::{Cancelled, FrameMasks, Instance, Job};

/// What instances are made from.
pub struct Input<'a> {
    /// The fused cloud of the views.
    pub cloud: &'a Cloud,
    /// The views; world up is +z.
    pub views: &'a [View<'a>],
    /// One entry per view. Masks with equal instance ids other than 0 are one thing; masks with 0 are merged by what
    /// they cover.
    pub masks: &'a [FrameMasks],
    /// Whether the masks are of the embedded segmenter, which finds things by their shape and knows no names.
    pub by_shape: bool,
    /// Named objects, each with the id of its masks.
    pub objects: &'a [(u32, Object)],
    /// The options that they were found with.
    pub object_options: &'a ObjectOptions,
    /// A model that has a say in names.
    pub opinion: Option<&'a Opinion<'a>>,
    /// Length of a metre in scene units.
    pub metre: f64,
    /// True where scene units are known to be metres: captions then give metres, else "units".
    pub metric: bool,
}

/// What ends the making of instances.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// By the user.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The model that has a say in names cannot go on.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Instances, and the masks with their ids.
pub struct Built {
    /// Instances, by falling score; ids from 1 in that order.
    pub instances: Vec<Instance>,
    /// One entry per view: masks of the instances only, in full, also where no mask was given but the thing shows.
    pub masks: Vec<FrameMasks>,
}

/// Masks across views that are one thing.
pub(crate) struct Track {
    /// Indices into the lifted masks, ascending.
    pub(crate) masks: Vec<usize>,
    /// Voxels that the views agree on, ascending.
    pub(crate) voxels: Vec<u32>,
    /// Mean share of the views of a voxel that put it in a mask, 0..1.
    pub(crate) agreement: f64,
}

/// Lifts, merges, boxes, names, scores and captions. Nothing random: same input, same output.
pub fn build(input: &Input, job: &dyn Job) -> Result<Built, BuildError> {
    job.tick(0, 6)?;
    let lifted = lift::all(input, job);
    job.tick(1, 6)?;
    let given = lifted.iter().any(|m| m.id != 0);
    let (groups, synonyms) =
        if given { (merge::by_id(&lifted), labels::Synonyms::none()) } else { merge::by_overlap(input, &lifted, job)? };
    job.tick(3, 6)?;
    let tracks = consensus::tracks(input, &lifted, groups, &synonyms);
    job.tick(4, 6)?;
    let (instances, order) = report::instances(input, &lifted, &tracks, &synonyms, job)?;
    job.tick(5, 6)?;
    let masks = redraw::masks(input, &lifted, &tracks, &order, &instances, given, job)?;
    job.tick(6, 6)?;
    Ok(Built { instances, masks })
}

#[cfg(test)]
mod tests;
