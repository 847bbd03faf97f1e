//! The latest of everything that a run has made so far, for whoever watches.

use crate::scene::{Capture, FrameMasks, Gaussians, Instance, Sparse, Training, TriMesh};
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Latest-value slots: the worker stores, the window loads, nobody waits. All in one world frame at any moment:
/// when gravity turns the world, every slot is stored anew.
#[derive(Default)]
pub struct Live {
    /// The photos.
    pub capture: ArcSwapOption<Capture>,
    /// Cameras and sparse points.
    pub sparse: ArcSwapOption<Sparse>,
    /// Splats as they train.
    pub gaussians: ArcSwapOption<Gaussians>,
    /// How training goes.
    pub training: ArcSwapOption<Training>,
    /// The fused surface.
    pub mesh: ArcSwapOption<TriMesh>,
    /// Masks, one entry per frame of the capture.
    pub masks: ArcSwapOption<Vec<FrameMasks>>,
    /// Instances.
    pub instances: ArcSwapOption<Vec<Instance>>,
}

impl Live {
    /// Nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }
}
