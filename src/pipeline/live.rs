//! The latest of everything that a run has made so far, for whoever watches.

use crate::scene::{Capture, FrameMasks, Gaussians, Instance, Sparse, TriMesh};
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// A point of the training curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainPoint {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Training loss.
    pub loss: f32,
    /// PSNR on held-out frames, or on training frames where none are held out, dB; `None` until
    /// it is measured.
    pub psnr: Option<f32>,
    /// Steps per second.
    pub rate: f32,
    /// Gaussians.
    pub gaussians: usize,
}

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
    pub training: ArcSwapOption<TrainPoint>,
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
