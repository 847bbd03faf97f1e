//! What training takes, before it starts.

use super::options::TrainOptions;
use crate::scene::sh_coefficients;

/// Bytes of a gradient, a projected splat, its normal and its place in the order.
const PASS: usize = 248 + 64 + 12 + 16;
/// Tiles that a Gaussian touches, about, and bytes of a pair of both: its gradient, its places in the lists.
const PAIRS: usize = 5 * (64 + 8);
/// Planes of f32 that are alive at once in a step with two views: drawn, kept, targets, gradients.
const PLANES: usize = 2 * (9 + 9 + 8 + 8);

/// Bytes of memory that training takes at most with `gaussians` on `views` photos of `pixels` pixels, estimated: the
/// Gaussians with Adam's moments, twice while their number changes; the copy that is shown; a pass over a view; photos,
/// depth and confidence at all resolutions.
pub fn training_bytes(gaussians: usize, views: usize, pixels: usize, options: &TrainOptions) -> usize {
    let row = 11 + 3 * sh_coefficients(options.sh_degree);
    let each = 2 * (3 * 4 * row + 12) + 4 * row + PASS + PAIRS;
    // The means of an image pyramid: 1 + 1/4 + 1/16.
    let photos = views * pixels * (3 + 8) * 21 / 16;
    gaussians * each + photos + pixels * 4 * PLANES
}

/// The most Gaussians, up to those of `options`, that training may have within `bytes`.
pub fn gaussians_within(bytes: usize, views: usize, pixels: usize, options: &TrainOptions) -> usize {
    let fixed = training_bytes(0, views, pixels, options);
    let each = (training_bytes(1000, views, pixels, options) - fixed) / 1000;
    (bytes.saturating_sub(fixed) / each.max(1)).min(options.max_gaussians)
}
