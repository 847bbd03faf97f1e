//! The loss of rendered views and its gradient by their planes: colour (L1 and SSIM), opacity, depth, and the surface
//! terms of PGSR as Holi-Spatial uses them (its section 2.2): normals, agreement of two views in depth and in grey.

mod image;
mod multiview;
mod normal;
mod ssim;

pub(super) use image::{ImageWeights, image_loss};
pub(super) use multiview::{Pair, PairView, pair_loss};
pub(super) use normal::normal_loss;
pub(super) use ssim::ssim;

use super::backend::Planes;

/// Opacity below which a pixel has no surface.
const SURFACE_ALPHA: f32 = 0.5;

/// What a view shall look like, row-major.
#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    /// Colours 0..1, premultiplied where there is an opacity.
    pub(super) rgb: [Vec<f32>; 3],
    /// Opacity 0..1; `None` where photos are opaque and the cloud may be as it likes.
    pub(super) alpha: Option<Vec<f32>>,
    /// 1 where the photo counts, 0 where not; `None` is everywhere.
    pub(super) mask: Option<Vec<f32>>,
    /// Depth.
    pub(super) depth: Option<DepthTarget>,
}

/// Target depth of a view, row-major; confidence 0 where unknown.
#[derive(Clone, Debug)]
pub(super) struct DepthTarget {
    pub(super) depth: Vec<f32>,
    pub(super) confidence: Vec<f32>,
}

/// Gradients of nothing yet, for a view like `planes`.
pub(super) fn no_gradient(planes: &Planes) -> Planes {
    let (width, height) = (planes.width, planes.height);
    Planes { median: Vec::new(), ..Planes::zeros(width, height, !planes.normal[0].is_empty()) }
}

/// The sign of `v`, 0 at 0.
fn sign(v: f32) -> f32 {
    if v > 0.0 {
        1.0
    } else if v < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// Depth of the surface at pixel `i`; `None` where it is not opaque enough.
fn depth_at(planes: &Planes, i: usize) -> Option<f32> {
    let alpha = planes.alpha[i];
    (alpha > SURFACE_ALPHA && planes.depth[i] > 0.0).then(|| planes.depth[i] / alpha)
}

/// From the gradient by the surface's depth at pixel `i` to those by blended depth and by opacity.
fn by_surface_depth(planes: &Planes, i: usize, gradient: f32) -> (f32, f32) {
    let alpha = planes.alpha[i];
    (gradient / alpha, -gradient * planes.depth[i] / (alpha * alpha))
}

/// Adds the gradient by the surface's depth at pixel `i` to those by blended depth and opacity.
fn add_by_depth(planes: &Planes, by: &mut Planes, i: usize, gradient: f32) {
    let (by_depth, by_alpha) = by_surface_depth(planes, i, gradient);
    by.depth[i] += by_depth;
    by.alpha[i] += by_alpha;
}
