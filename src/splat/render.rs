//! Pictures of a splat: colour, opacity, depth and normals.

use super::backend::Shot;
use super::cpu;
use super::loss;
use crate::scene::{Camera, Gaussians};
use rayon::prelude::*;

/// Opacity below which a pixel's depth and normal are unknown.
const KNOWN_ALPHA: f32 = 0.5;
/// Nearest depth drawn, as a share of the mean depth of the Gaussians in front of the camera.
const NEAR: f32 = 0.005;

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
    let shot = Shot { camera: *camera, near: NEAR * mean_depth(g, camera), degree: g.sh_degree, normals: true };
    let planes = cpu::planes_of(g, &shot);
    let to_world = camera.c2w.rotation.cast::<f32>();
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
                let n = nalgebra::Vector3::from([0, 1, 2].map(|c: usize| planes.normal[c][i]));
                n.try_normalize(1e-6).filter(|_| known(i)).map_or([0.0; 3], |n| (to_world * n).into())
            })
            .collect(),
        alpha: planes.alpha,
    }
}

/// Mean depth of the Gaussians in front of the camera, 0 without any.
fn mean_depth(g: &Gaussians, camera: &Camera) -> f32 {
    let (forward, center) = (camera.forward().cast::<f32>(), camera.center().cast::<f32>());
    let depths = g.means.iter().map(|m| forward.dot(&(nalgebra::Point3::from(*m) - center)));
    let (sum, n) =
        depths.filter(|z| *z > 0.0 && *z < 1e15).fold((0.0f64, 0u32), |(sum, n), z| (sum + f64::from(z), n + 1));
    (sum / f64::from(n.max(1))) as f32
}

/// PSNR in dB, at most 99, of planes of colours, of which only the first are clamped to 0..1; where `mask` is not 0.
pub(super) fn psnr_of_planes(rendered: &[Vec<f32>; 3], target: &[Vec<f32>; 3], mask: Option<&[f32]>) -> f32 {
    let (mut sum, mut n) = (0.0f64, 0u32);
    for (a, b) in rendered.iter().zip(target) {
        for i in (0..a.len().min(b.len())).filter(|i| mask.is_none_or(|m| m[*i] > 0.0)) {
            sum += f64::from(a[i].clamp(0.0, 1.0) - b[i]).powi(2);
            n += 1;
        }
    }
    let mse = sum / f64::from(n.max(1));
    if mse > 0.0 { ((-10.0 * mse.log10()) as f32).min(99.0) } else { 99.0 }
}

/// SSIM, mean over pixels and channels, of planes of colours `width` wide, of which only the first are clamped to 0..1;
/// where `mask` is 0 they are taken to be equal.
pub(super) fn ssim_of_planes(
    rendered: &[Vec<f32>; 3],
    target: &[Vec<f32>; 3],
    width: usize,
    mask: Option<&[f32]>,
) -> f64 {
    let sum = rendered.iter().zip(target).map(|(a, b)| {
        let shown = |i: usize| if mask.is_none_or(|m| m[i] > 0.0) { a[i].clamp(0.0, 1.0) } else { b[i] };
        let shown: Vec<f32> = (0..a.len().min(b.len())).map(shown).collect();
        loss::ssim(&shown, b, width).0
    });
    sum.sum::<f64>() / (3 * target[0].len()).max(1) as f64
}

/// Structural similarity of images `width` wide with values 0..1: Wang et al. 2004, 11 x 11 window of 1.5 pixels, black
/// around the image, mean over pixels and channels; 1 for equal images. Images of different or no size give 0.
pub fn ssim(a: &[[f32; 3]], b: &[[f32; 3]], width: usize) -> f64 {
    if a.is_empty() || a.len() != b.len() || width == 0 || !a.len().is_multiple_of(width) {
        return 0.0;
    }
    let planes = |of: &[[f32; 3]]| [0, 1, 2].map(|c: usize| of.iter().map(|p| p[c]).collect());
    ssim_of_planes(&planes(a), &planes(b), width, None)
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
