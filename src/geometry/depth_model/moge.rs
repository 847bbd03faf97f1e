//! MoGe gives points up to a shift along the optical axis, and from version 2 on the size of a unit. Wang et al., "MoGe:
//! Unlocking accurate monocular geometry estimation", CVPR 2025, section 3.1.

use super::outputs::to_photo;
use super::prepare::Prepared;
use super::{DepthPrior, Meaning, Photo};
use crate::models::{ModelError, Outputs, Tensor};

/// Pixels per side that the shift is found from.
const GRID: usize = 64;
/// Steps of Gauss and Newton; few are needed.
const STEPS: usize = 30;
/// Least number of points that a shift is found from.
const FEWEST: usize = 16;

/// Depth of one photo: `points` `[1, H, W, 3]`, `mask` `[1, H, W]` as a probability, `metric_scale` `[1]`.
pub(super) fn read(
    outputs: &Outputs,
    photos: &[Photo],
    prepared: &[Prepared],
    meaning: Meaning,
) -> Result<Vec<DepthPrior>, ModelError> {
    let wanted = "points [1, H, W, 3] and mask [1, H, W]";
    let (Some(points), Some(mask)) = (outputs.named(&["points"]), outputs.named(&["mask"])) else {
        return Err(outputs.unexpected(wanted));
    };
    let [.., height, width, 3] = *points.dims.as_slice() else { return Err(outputs.unexpected(wanted)) };
    let (Some(photo), Some(ready)) = (photos.first(), prepared.first()) else { return Ok(Vec::new()) };
    if points.len() != 3 * width * height || mask.len() != width * height || mask.is_empty() {
        return Err(outputs.unexpected(wanted));
    }
    let unit = outputs.named(&["metric_scale"]).and_then(|t: &Tensor| t.to_f32().first().copied()).unwrap_or(1.0);
    let (points, mask) = (points.to_f32(), mask.to_f32());
    let k = photo.intrinsics.resized(width as u32, height as u32);
    let known = |i: usize| mask[i] > 0.5 && points[3 * i..3 * i + 3].iter().all(|v| v.is_finite());
    let (step_x, step_y) = ((width / GRID).max(1), (height / GRID).max(1));
    let mut samples = Vec::new();
    for y in (0..height).step_by(step_y) {
        for x in (0..width).step_by(step_x).filter(|x| known(y * width + x)) {
            let p = &points[3 * (y * width + x)..];
            let ray = [(x as f64 + 0.5 - k.cx) / k.fx, (y as f64 + 0.5 - k.cy) / k.fy];
            samples.push((ray, [f64::from(p[0]), f64::from(p[1]), f64::from(p[2])]));
        }
    }
    let shift = shift(&samples).unwrap_or(0.0) as f32;
    let value = |i: usize| if known(i) { ((points[3 * i + 2] + shift) * unit).max(0.0) } else { 0.0 };
    let values: Vec<f32> = (0..width * height).map(value).map(|v| if v.is_finite() { v } else { 0.0 }).collect();
    Ok(vec![to_photo(&values, Some(&mask), (width, height), photo, ready, meaning)])
}

/// The shift `t` along the optical axis for which points `(X, Y, Z + t)` lie best on the rays `(u, v, 1)` of their
/// pixels: least squares of `X / (Z + t) - u` and the same in y, which are in units of the focal length. The camera is
/// known here, so that its focal length need not be found too.
fn shift(samples: &[([f64; 2], [f64; 3])]) -> Option<f64> {
    if samples.len() < FEWEST {
        return None;
    }
    let nearest = samples.iter().map(|(_, p)| p[2]).fold(f64::INFINITY, f64::min);
    // A start: X = u (Z + t) is linear in t.
    let (mut top, mut bottom) = (0.0, 0.0);
    for (ray, p) in samples {
        for a in 0..2 {
            top += ray[a] * (p[a] - ray[a] * p[2]);
            bottom += ray[a] * ray[a];
        }
    }
    let far = samples.iter().map(|(_, p)| p[2] - nearest).fold(0.0, f64::max).max(1e-6);
    let floor = 1e-3 * far - nearest;
    let mut t = (top / bottom.max(1e-12)).max(floor);
    let cost = |t: f64| -> f64 {
        samples.iter().map(|(ray, p)| (0..2).map(|a| (p[a] / (p[2] + t) - ray[a]).powi(2)).sum::<f64>()).sum()
    };
    let mut best = cost(t);
    for _ in 0..STEPS {
        let (mut gradient, mut curvature) = (0.0, 0.0);
        for (ray, p) in samples {
            let z = p[2] + t;
            for a in 0..2 {
                let (residual, slope) = (p[a] / z - ray[a], -p[a] / (z * z));
                gradient += residual * slope;
                curvature += slope * slope;
            }
        }
        let step = -gradient / curvature.max(1e-12);
        // Half the step until it helps: the cost is not convex far from the solution.
        let tried = (0..12).map(|k| (t + step * f64::powi(0.5, k)).max(floor)).find(|next| cost(*next) < best);
        let Some(next) = tried else { break };
        (t, best) = (next, cost(next));
    }
    t.is_finite().then_some(t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shift_comes_back() {
        for truth in [0.7f64, -0.4, 3.0, 0.0] {
            let samples: Vec<_> = (0..400)
                .map(|k| {
                    let ray = [f64::from(k % 20) / 20.0 - 0.475, f64::from(k / 20) / 25.0 - 0.38];
                    let depth = 2.0 + (f64::from(k) * 0.7).sin() + truth.max(0.0);
                    (ray, [ray[0] * depth, ray[1] * depth, depth - truth])
                })
                .collect();
            assert!((shift(&samples).unwrap() - truth).abs() < 1e-6, "{truth}: {:?}", shift(&samples));
        }
        assert_eq!(shift(&[([0.1, 0.1], [0.1, 0.1, 1.0])]), None);
    }
}
