//! How the training of the splats went: `training.json` of the scene folder, and what the window shows while it goes.

use serde::{Deserialize, Serialize};

/// A point of the training curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainPoint {
    /// Steps done.
    pub step: usize,
    /// Wall seconds since training began, pauses and earlier runs of the same training included.
    pub seconds: f32,
    /// Training loss, a running mean over about one round of the photos.
    pub loss: f32,
    /// PSNR on held-out photos, or on training photos where none are held out, dB; `None` until it is measured.
    pub psnr_db: Option<f32>,
    /// Steps per second since the last point.
    pub rate: f32,
    /// Gaussians.
    pub gaussians: usize,
}

/// How well one photo is rendered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewScore {
    /// Stem of the photo.
    pub image: String,
    /// PSNR when it was last rendered, dB.
    pub psnr_db: f32,
    /// Left out of training.
    pub held_out: bool,
}

/// The training of a scene's splats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// What it ran on, "cpu" or the name of the GPU's adapter.
    pub device: String,
    /// Steps in all, unless it stops early.
    pub steps: usize,
    /// The curve, ascending by step.
    pub points: Vec<TrainPoint>,
    /// Every registered photo that has been rendered so far, in order of capture.
    pub views: Vec<ViewScore>,
}
