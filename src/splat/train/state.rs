//! What training knows beside the Gaussians, and both together as a checkpoint.

use super::super::backend::{CameraGradient, Parameters};
use super::super::options::TrainOptions;
use crate::scene::Camera;
use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use serde::{Deserialize, Serialize};

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.99;

/// A few numbers moved by Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Small<const N: usize>
where
    [[f32; 2]; N]: Serialize + for<'a> Deserialize<'a>,
{
    moments: [[f32; 2]; N],
    count: i32,
}

impl<const N: usize> Default for Small<N>
where
    [[f32; 2]; N]: Serialize + for<'a> Deserialize<'a>,
{
    fn default() -> Self {
        Self { moments: [[0.0; 2]; N], count: 0 }
    }
}

impl<const N: usize> Small<N>
where
    [[f32; 2]; N]: Serialize + for<'a> Deserialize<'a>,
{
    /// How far to move along each, before the learning rate.
    fn step(&mut self, gradient: [f32; N]) -> [f32; N] {
        self.count += 1;
        let (first, second) = (1.0 - BETA1.powi(self.count), 1.0 - BETA2.powi(self.count));
        std::array::from_fn(|k| {
            let g = if gradient[k].is_finite() { gradient[k] } else { 0.0 };
            let m = &mut self.moments[k];
            m[0] = BETA1 * m[0] + (1.0 - BETA1) * g;
            m[1] = BETA2 * m[1] + (1.0 - BETA2) * g * g;
            -(m[0] / first) / ((m[1] / second).sqrt() + 1e-15)
        })
    }
}

/// What is known of one view.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ViewState {
    /// Exposure of the photo against that of the scene: logarithm of the gain, and what is added.
    pub(super) exposure: [f32; 2],
    exposure_adam: Small<2>,
    /// Where its camera was moved to in its own frame: `c2w * moved`.
    moved: Isometry3<f64>,
    pose_adam: Small<6>,
    /// PSNR when it was last drawn, dB.
    pub(super) psnr_db: Option<f32>,
}

impl ViewState {
    /// Moves the exposure against its gradient.
    pub(super) fn expose(&mut self, gradient: [f32; 2], rate: f32) {
        let step = self.exposure_adam.step(gradient);
        for (e, s) in self.exposure.iter_mut().zip(step) {
            *e += rate * s;
        }
    }

    /// Moves the camera against its gradient; rates in scene units and radians.
    pub(super) fn move_camera(&mut self, by: &CameraGradient, translation_rate: f32, rotation_rate: f32) {
        let ([tx, ty, tz], [rx, ry, rz]) = (by.translation, by.rotation);
        let s = self.pose_adam.step([tx, ty, tz, rx, ry, rz]).map(f64::from);
        let (t, r) = (f64::from(translation_rate), f64::from(rotation_rate));
        let step = Isometry3::from_parts(
            Translation3::new(t * s[0], t * s[1], t * s[2]),
            UnitQuaternion::from_scaled_axis(Vector3::new(r * s[3], r * s[4], r * s[5])),
        );
        self.moved *= step;
    }

    /// The camera where it is now.
    pub(super) fn camera(&self, given: &Camera) -> Camera {
        Camera { c2w: given.c2w * self.moved, ..*given }
    }
}

/// Everything but the Gaussians.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) step: usize,
    /// What is left of this round of the views, last first.
    pub(super) queue: Vec<usize>,
    pub(super) rng: u64,
    /// Typical distance from the cameras to the Gaussians that they see.
    pub(super) unit: f32,
    pub(super) views: Vec<ViewState>,
    /// Running mean of the loss.
    pub(super) loss: Option<f32>,
    /// PSNR of held-out views, or of views trained on where there are none, at every check.
    pub(super) checks: Vec<f32>,
    /// Held-out PSNR has stopped rising.
    pub(super) stopped: bool,
    /// Wall seconds of training, those before a checkpoint included.
    pub(super) seconds: f32,
}

/// Training to go on with: the options it had, and everything that it changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    pub(in crate::splat) options: TrainOptions,
    pub(super) state: State,
    pub(super) parameters: Parameters,
}

impl Checkpoint {
    /// Steps done.
    pub fn step(&self) -> usize {
        self.state.step
    }
}
