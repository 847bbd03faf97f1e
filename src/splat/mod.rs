//! 3D Gaussians: rasterise, differentiate, train, render, read and write (Kerbl et al. 2023, from its formulas).
//!
//! [`seed`] makes Gaussians of a fused cloud, [`Trainer`] fits them to photos, [`render`] draws them, [`read`] and
//! [`write()`] keep them. Drawing, gradients and Adam are behind [`Backend`], of
//! which there are [`Cpu`] and [`Gpu`].

mod adam;
mod backend;
mod cpu;
mod densify;
mod file;
mod fill;
mod gpu;
mod lanes;
mod loss;
mod memory;
mod options;
mod render;
mod seed;
mod sh;
#[cfg(test)]
mod tests;
mod train;
mod views;

pub use adam::Moments;
pub use backend::{Backend, BackendError, CameraGradient, Gradient, Parameters, Planes, SLOTS, Shot, Update};
pub use cpu::Cpu;
pub use densify::Motion;
pub use file::{SplatFileError, SplatFormat, read, read_ply, write, write_ply};
pub use gpu::Gpu;
pub use memory::{gaussians_within, training_bytes};
pub use options::{Level, PoseOptions, Rates, SurfaceOptions, TrainOptions};
pub use render::{Rendered, psnr, render, ssim};
pub use seed::{seed, spacing_of};
pub use train::{Checkpoint, StepStats, Trainer};
pub use views::TrainView;

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Inverse of the sigmoid.
fn logit(p: f32) -> f32 {
    (p / (1.0 - p)).ln()
}
