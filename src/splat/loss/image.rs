//! Colour, opacity and depth of one view against what it shall be.

use super::ssim::ssim;
use super::{DepthTarget, Target, sign};
use crate::splat::backend::Planes;
use rayon::prelude::*;

/// Weights of the terms.
#[derive(Clone, Copy, Debug)]
pub(in crate::splat) struct ImageWeights {
    /// Share of 1 - SSIM; the rest is L1.
    pub(in crate::splat) ssim: f32,
    /// Weight of the opacity term.
    pub(in crate::splat) alpha: f32,
    /// Weight of the depth term.
    pub(in crate::splat) depth: f32,
    /// Scene units that count as one in the depth term.
    pub(in crate::splat) depth_unit: f32,
}

/// Loss of the colours `rgb` and of opacity and depth of `planes` against `target`; adds its gradient to `by`.
pub(in crate::splat) fn image_loss(
    rgb: &[Vec<f32>; 3],
    planes: &Planes,
    target: &Target,
    w: &ImageWeights,
    by: &mut Planes,
) -> f64 {
    let mut total = 0.0;
    for c in 0..3 {
        // Where the photo does not count it is taken to be what was rendered.
        let shown = target.mask.as_ref().map(|mask| masked(&rgb[c], &target.rgb[c], mask));
        let (loss, mut gradient) = color_loss(shown.as_ref().unwrap_or(&rgb[c]), &target.rgb[c], planes.width, w.ssim);
        total += loss;
        if let Some(mask) = &target.mask {
            gradient.iter_mut().zip(mask).for_each(|(g, m)| *g *= m);
        }
        by.rgb[c].iter_mut().zip(&gradient).for_each(|(b, g)| *b += g);
    }
    if let Some(alpha) = &target.alpha {
        total += alpha_loss(planes, alpha, target.mask.as_deref(), w.alpha, by);
    }
    if let Some(depth) = &target.depth {
        total += depth_loss(planes, depth, w, by);
    }
    total
}

fn masked(x: &[f32], y: &[f32], mask: &[f32]) -> Vec<f32> {
    x.iter().zip(y).zip(mask).map(|((x, y), m)| m * x + (1.0 - m) * y).collect()
}

/// `(1 - w) L1 + w (1 - SSIM)`, a third of it as one of three channels, and its gradient by `x`.
fn color_loss(x: &[f32], y: &[f32], width: usize, ssim_weight: f32) -> (f64, Vec<f32>) {
    let n = (3 * x.len()).max(1) as f32;
    let (similarity, mut gradient) = ssim(x, y, width);
    let (ssim_scale, l1_scale) = (-ssim_weight / n, (1.0 - ssim_weight) / n);
    let sums: Vec<f64> = gradient
        .par_chunks_mut(width.max(1))
        .zip(x.par_chunks(width.max(1)).zip(y.par_chunks(width.max(1))))
        .map(|(g, (x, y))| {
            let mut sum = 0.0;
            for i in 0..g.len() {
                let d = x[i] - y[i];
                sum += f64::from(d.abs());
                g[i] = g[i].mul_add(ssim_scale, sign(d) * l1_scale);
            }
            sum
        })
        .collect();
    let loss = f64::from(ssim_weight) * (1.0 / 3.0 - similarity / f64::from(n));
    (loss + f64::from(l1_scale) * sums.iter().sum::<f64>(), gradient)
}

/// Mean absolute difference of opacity.
fn alpha_loss(planes: &Planes, target: &[f32], mask: Option<&[f32]>, weight: f32, by: &mut Planes) -> f64 {
    let scale = weight / target.len().max(1) as f32;
    let mut sum = 0.0;
    for i in 0..target.len() {
        let m = mask.map_or(1.0, |m| m[i]);
        let d = planes.alpha[i] - target[i];
        sum += f64::from(m * d.abs());
        by.alpha[i] += scale * m * sign(d);
    }
    sum * f64::from(scale)
}

/// Mean absolute difference of the normalised depth to the target's, by confidence, where the view is fairly opaque.
fn depth_loss(planes: &Planes, target: &DepthTarget, w: &ImageWeights, by: &mut Planes) -> f64 {
    let known = target.confidence.iter().filter(|c| **c > 0.0).count().max(1);
    let scale = w.depth / (known as f32 * w.depth_unit);
    let mut sum = 0.0;
    for i in 0..target.depth.len() {
        let (c, alpha) = (target.confidence[i], planes.alpha[i]);
        if !(c > 0.0 && alpha > 0.3) {
            continue;
        }
        let e = planes.depth[i] / alpha - target.depth[i];
        sum += f64::from(c * e.abs());
        super::add_by_depth(planes, by, i, scale * c * if e > 0.0 { 1.0 } else { -1.0 });
    }
    sum * f64::from(scale)
}
