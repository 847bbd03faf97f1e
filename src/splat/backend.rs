//! What a backend does: images from Gaussians, gradients back, and the steps of Adam, all where the Gaussians live.

use super::adam::Moments;
use super::densify::Motion;
use super::options::Rates;
use crate::scene::{Camera, Gaussians};
use std::sync::Arc;

/// What one pass over a view yields, row-major planes of `width * height`.
#[derive(Clone, Debug, Default)]
pub struct Planes {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Red, green and blue, blended over black.
    pub rgb: [Vec<f32>; 3],
    /// Opacity, 0..1.
    pub alpha: Vec<f32>,
    /// Blended depth along the optical axis, not divided by `alpha`.
    pub depth: Vec<f32>,
    /// Depth of the Gaussian at which half of the light is absorbed; 0 where that never happens. Has no gradient.
    pub median: Vec<f32>,
    /// Blended normals in the camera frame, not normalised: the shortest axes of the Gaussians, turned to the camera.
    /// Empty where they were not asked for.
    pub normal: [Vec<f32>; 3],
}

impl Planes {
    /// Black, and empty of everything; with planes of normals or without.
    pub fn zeros(width: usize, height: usize, normals: bool) -> Self {
        let plane = || vec![0.0; width * height];
        let normal = || if normals { plane() } else { Vec::new() };
        Self {
            width,
            height,
            rgb: [plane(), plane(), plane()],
            alpha: plane(),
            depth: plane(),
            median: plane(),
            normal: [normal(), normal(), normal()],
        }
    }
}

/// A view to draw.
#[derive(Clone, Copy, Debug)]
pub struct Shot {
    /// The camera; its size is that of the image.
    pub camera: Camera,
    /// Nearer Gaussians are not drawn, scene units.
    pub near: f32,
    /// Highest SH degree used.
    pub degree: usize,
    /// Whether normals are drawn too.
    pub normals: bool,
}

/// Gradient of a loss by one Gaussian's parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gradient {
    /// By the centre.
    pub mean: [f32; 3],
    /// By the logarithms of the scales.
    pub log_scale: [f32; 3],
    /// By the quaternion as stored, w x y z.
    pub quat: [f32; 4],
    /// By the opacity's logit.
    pub opacity_logit: f32,
    /// By the SH coefficients; those above the degree rendered are 0.
    pub sh: [[f32; 3]; 16],
    /// Length of the gradient by the centre in the image, per pixel of movement.
    pub screen: f32,
}

impl Gradient {
    /// The sum of both.
    pub(super) fn plus(&self, o: &Self) -> Self {
        fn add<const N: usize>(a: &[f32; N], b: &[f32; N]) -> [f32; N] {
            std::array::from_fn(|k| a[k] + b[k])
        }
        Self {
            mean: add(&self.mean, &o.mean),
            log_scale: add(&self.log_scale, &o.log_scale),
            quat: add(&self.quat, &o.quat),
            opacity_logit: self.opacity_logit + o.opacity_logit,
            sh: std::array::from_fn(|k| add(&self.sh[k], &o.sh[k])),
            screen: self.screen + o.screen,
        }
    }
}

/// Gradient of a loss by a rigid motion of the camera: by `xi = (translation, rotation)` in `c2w' = c2w * exp(xi)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CameraGradient {
    /// By a shift in the camera frame, per scene unit.
    pub translation: [f32; 3],
    /// By a turn about the axes of the camera frame, per radian.
    pub rotation: [f32; 3],
}

/// Everything of the Gaussians that training changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// The Gaussians.
    pub gaussians: Gaussians,
    /// Moments of Adam.
    pub moments: Moments,
    /// What decides which Gaussians are split.
    pub motion: Motion,
}

impl Parameters {
    /// Gaussians that were never moved.
    pub fn new(gaussians: Gaussians) -> Self {
        Self { moments: Moments::new(&gaussians), motion: Motion::new(gaussians.len()), gaussians }
    }
}

/// A step of Adam.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// Learning rate of the centres, scene units.
    pub position: f32,
    /// The other learning rates.
    pub rates: Rates,
    /// Weight of the mean, over the Gaussians seen, of the shortest scale (flatness), per scene unit.
    pub flat: f32,
    /// SH coefficients above this degree are left alone.
    pub degree: usize,
}

/// Why a backend stopped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BackendError {
    /// There is no such device.
    #[error("no GPU can be used: {0}")]
    Missing(String),
    /// The device was lost, or refused a command; what it held is gone.
    #[error("the GPU was lost: {0}")]
    Lost(String),
    /// The device has too little memory.
    #[error("the GPU has too little memory: {0}")]
    Memory(String),
}

/// Two views may be in flight at once, for losses between views.
pub const SLOTS: usize = 2;

/// Draws Gaussians, carries gradients of images back to them, and moves them.
pub trait Backend: Send {
    /// What it computes on, as in "cpu" or "NVIDIA H100 (Vulkan)".
    fn name(&self) -> String;

    /// Takes these Gaussians in place of all that it held.
    fn load(&mut self, parameters: Parameters) -> Result<(), BackendError>;

    /// What it holds now.
    fn read(&mut self) -> Result<Parameters, BackendError>;

    /// The Gaussians that it holds now.
    fn gaussians(&mut self) -> Result<Gaussians, BackendError>;

    /// Whether what it holds can be lost, so that whoever trains must keep a copy.
    fn can_be_lost(&self) -> bool;

    /// Draws a view, and keeps in `slot` (below [`SLOTS`]) what [`Backend::backward`] needs.
    fn forward(&mut self, slot: usize, shot: &Shot) -> Result<Arc<Planes>, BackendError>;

    /// Adds the gradients of the Gaussians, from those of the planes of the view in `slot` (`median` is not read, and
    /// `normal` only where it was drawn), to what [`Backend::update`] will use, and counts the motion in the image of
    /// those seen. Ends what was in `slot`. Returns the gradient by the camera.
    fn backward(&mut self, slot: usize, by_planes: &Planes) -> Result<CameraGradient, BackendError>;

    /// The gradients gathered since the last update, ascending by index.
    fn gradients(&mut self) -> Result<Vec<(u32, Gradient)>, BackendError>;

    /// Moves the Gaussians that were seen since the last update by a step of Adam, and forgets the gradients.
    fn update(&mut self, update: &Update) -> Result<(), BackendError>;
}
