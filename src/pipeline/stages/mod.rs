//! What each stage does, one file a group. Each takes what the stages before made and returns what the next ones need.

mod geometry;
mod given_depth;
mod labels;
mod learned;
mod lenses;
mod objects;
mod opinion;
mod photos;
mod poses;
mod reviewed;
mod splats;
mod text_masks;
mod train;

pub(super) use geometry::depth;
pub(super) use labels::{instances, masks};
pub(super) use learned::check_models;
pub(super) use photos::frames;
pub(super) use poses::poses;
pub(super) use reviewed::reviewed;
pub(super) use splats::{mesh, splats};
