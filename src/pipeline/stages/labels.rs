//! Stages `masks` and `instances`: what is where, in the images and in 3D.

use super::geometry::Geometry;
use super::splats::Surface;
use crate::instances::{self, Evidence};
use crate::perception;
use crate::pipeline::run::{Bench, Run, RunError};
use crate::pipeline::{Stage, cache};
use crate::scene::{Camera, Capture, FrameMasks, Instances};
use serde_json::json;
use std::sync::Arc;

/// Masks of every registered frame: from a file, or from the embedded segmenter.
pub(in crate::pipeline) fn masks(
    run: &mut Run,
    capture: &Arc<Capture>,
    geometry: &Geometry,
    surface: &Surface,
) -> Result<Vec<FrameMasks>, RunError> {
    let masks = run.stage(
        Stage::Masks,
        &json!({ "masks": run.options.masks.as_ref().map(|m| (m, cache::fingerprint(m))) }),
        |bench| cache::read_masks(bench.folder, &stems(capture, geometry)),
        |bench| make_masks(bench, capture, geometry, surface),
    )?;
    publish(run, capture, geometry, &masks);
    Ok(masks)
}
