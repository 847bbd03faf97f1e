//! 3D Gaussians: rasterise, differentiate, train, render, read and write (Kerbl et al. 2023, from its formulas).
//!
//! [`seed`] makes Gaussians of a fused cloud, [`Trainer`] fits them to photos, [`render`] draws them, [`read`] and
//! [`write`] keep them. The drawing itself is behind [`Rasteriser`]; [`Cpu`] is its one backend so far.

mod adam;
mod cpu;
mod densify;
mod file;
mod fill;
mod lanes;
mod loss;
mod options;
mod rasteriser;
mod render;
mod seed;
mod sh;
#[cfg(test)]
mod tests;
mod train;
mod views;

pub use cpu::{Cpu, CpuPass};
pub use file::{SplatFileError, SplatFormat, read, read_ply, write, write_ply};
pub use options::{Level, Rates, TrainOptions};
pub use rasteriser::{Gradient, Planes, Rasteriser};
pub use render::{Rendered, psnr, render};
pub use seed::{seed, spacing_of};
pub use train::{StepStats, Trainer};
pub use views::TrainView;

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Inverse of the sigmoid.
fn logit(p: f32) -> f32 {
    (p / (1.0 - p)).ln()
}
