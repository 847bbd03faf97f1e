//! Pictures of a splat: colour, opacity, depth and normals.

use super::cpu::{self, Cpu};
use super::rasteriser::Rasteriser;
use crate::scene::{Camera, Gaussians};
use rayon::prelude::*;

/// Opacity below which a pixel's depth and normal are unknown.
const KNOWN_ALPHA: f32 = 0.5;

/// A rendered view, row-major, of the camera's size.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Display values 0..1 (multiply by 255 for sRGB bytes), over black.
    pub rgb: Vec<[f32; 3]>,
    /// Opacity, 0..1.
    pub alpha: Vec<f32>,
    /// Depth along the optical axis, scene units; 0 where opacity is below one half.
    pub depth: Vec<f32>,
    /// Unit normals in the world, turned to the camera; zero where depth is unknown.
    pub normal: Vec<[f32; 3]>,
}

/// Renders `g` from `camera`; `camera.intrinsics.width` and `height` are the size of the output. Depth is the median
/// along each ray: where half of the light is absorbed, on the plane of the Gaussian that does it.
pub fn render(g: &Gaussians, camera: &Camera) -> Rendered {
    let (planes, _) = Cpu.forward(g, g.sh_degree, camera);
    let normals = cpu::draw_normals(g, camera);
    let known = |i: usize| planes.alpha[i] >= KNOWN_ALPHA && planes.median[i] > 0.0;
    let pixels = 0..planes.alpha.len();
    Rendered {
        width: camera.intrinsics.width,
        height: camera.intrinsics.height,
        rgb: pixels.clone().into_par_iter().map(|i| [0, 1, 2].map(|c| planes.rgb[c][i].clamp(0.0, 1.0))).collect(),
        depth: pixels.clone().into_par_iter().map(|i| if known(i) { planes.median[i] } else { 0.0 }).collect(),
        normal: pixels
            .into_par_iter()
            .map(|i| {
                let n = nalgebra::Vector3::from([0, 1, 2].map(|c| normals.rgb[c][i]));
                n.try_normalize(1e-6).filter(|_| known(i)).map_or([0.0; 3], Into::into)
            })
            .collect(),
        alpha: planes.alpha,
    }
}

/// Peak signal-to-noise ratio in dB of images with values 0..1; infinite for equal images, NaN never: images of
/// different or no size give 0.
pub fn psnr(a: &[[f32; 3]], b: &[[f32; 3]]) -> f32 {
    if a.is_empty() || a.len() != b.len() {
        return 0.0;
    }
    let square = |(p, q): (&[f32; 3], &[f32; 3])| (0..3).map(|c| f64::from(p[c] - q[c]).powi(2)).sum::<f64>();
    let mse = a.iter().zip(b).map(square).sum::<f64>() / (3 * a.len()) as f64;
    if mse > 0.0 { (-10.0 * mse.log10()) as f32 } else { f32::INFINITY }
}
