//! What a rasteriser backend does: images from Gaussians, and gradients back.

use crate::scene::{Camera, Gaussians};

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
}

impl Planes {
    /// Black, and empty of everything.
    pub fn zeros(width: usize, height: usize) -> Self {
        let plane = || vec![0.0; width * height];
        Self { width, height, rgb: [plane(), plane(), plane()], alpha: plane(), depth: plane(), median: plane() }
    }
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

/// Draws Gaussians, and carries gradients of the image back to them.
pub trait Rasteriser: Sync {
    /// What `backward` needs to know of the forward pass.
    type Pass;

    /// Draws `g` with colours up to SH degree `degree` into an image of the camera's size.
    fn forward(&self, g: &Gaussians, degree: usize, camera: &Camera) -> (Planes, Self::Pass);

    /// Gradients of the Gaussians that were drawn, ascending by index, from the gradients of the planes (`median` is
    /// not read). `planes` is what `forward` returned with `pass`.
    fn backward(&self, g: &Gaussians, pass: &Self::Pass, planes: &Planes, by_planes: &Planes) -> Vec<(u32, Gradient)>;
}
