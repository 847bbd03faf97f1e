//! From what a model returns to depth at the photo's size.

use super::prepare::Prepared;
use super::{DepthPrior, Family, Meaning, Photo};
use crate::models::{ModelError, Outputs, Tensor};
use crate::scene::DepthMap;

/// Focal length, pixels, for which Depth Anything 3 metric's numbers are metres.
const CANONICAL_FOCAL: f64 = 300.0;
/// Sky of Depth Anything 3 from which on a pixel has no depth.
const SKY: f32 = 0.3;
/// Ratio of neighbouring values beyond which they are on two surfaces, and nothing lies between.
const EDGE: f32 = 1.05;

/// One number per pixel for each of some photos, as a model returned them.
pub(super) struct Maps<'t> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) data: std::borrow::Cow<'t, [f32]>,
}

impl<'t> Maps<'t> {
    /// `n` maps in a tensor whose last dimensions are height and width, perhaps followed by 1; a camera matrix (3 x 3 or
    /// 3 x 4) is none.
    pub(super) fn of(tensor: &'t Tensor, n: usize) -> Option<Self> {
        let mut dims = tensor.dims.as_slice();
        if dims.len() >= 4 && dims.last() == Some(&1) {
            dims = &dims[..dims.len() - 1];
        }
        let [.., height, width] = *dims else { return None };
        let matrix = height == 3 && (width == 3 || width == 4);
        (!matrix && tensor.len() == n * height * width && width > 0 && height > 0).then(|| Self {
            width,
            height,
            data: tensor.to_f32(),
        })
    }

    pub(super) fn one(&self, k: usize) -> &[f32] {
        &self.data[k * self.width * self.height..(k + 1) * self.width * self.height]
    }
}

/// Depth of photos that were looked at together.
pub(super) fn read(
    outputs: &Outputs,
    family: Family,
    meaning: Meaning,
    photos: &[Photo],
    prepared: &[Prepared],
) -> Result<Vec<DepthPrior>, ModelError> {
    let n = photos.len();
    let depth = outputs.named_or(&["depth", "predicted_depth"], 0).and_then(|t| Maps::of(t, n));
    let depth = depth.ok_or_else(|| outputs.unexpected("one depth for each pixel"))?;
    let beside = |names: &[&str]| {
        // Exports without names give it second.
        let found = outputs.named_or(names, 1).and_then(|t| Maps::of(t, n));
        found.filter(|m| (m.width, m.height) == (depth.width, depth.height))
    };
    let confidence = match family {
        Family::AnyView | Family::Vggt => beside(&["confidence", "conf", "depth_conf"]),
        _ => None,
    };
    let sky = if family == Family::Single3 { beside(&["sky"]) } else { None };
    let priors = photos.iter().zip(prepared).enumerate().map(|(k, (photo, ready))| {
        let factor = match (family, meaning) {
            (Family::Single3, Meaning::Metric) => metres_per_number(photo, ready),
            _ => 1.0,
        };
        let in_sky = |i: usize| sky.as_ref().is_some_and(|s| !(s.one(k)[i] < SKY));
        let known = |(i, v): (usize, &f32)| if v.is_finite() && *v > 0.0 && !in_sky(i) { v * factor } else { 0.0 };
        let values: Vec<f32> = depth.one(k).iter().enumerate().map(known).collect();
        // exp(x) + 1 or the like: 1 is no confidence at all.
        let sure: Option<Vec<f32>> =
            confidence.as_ref().map(|c| c.one(k).iter().map(|c| (1.0 - 1.0 / c.max(1.0)).clamp(0.0, 1.0)).collect());
        to_photo(&values, sure.as_deref(), (depth.width, depth.height), photo, ready, meaning)
    });
    Ok(priors.collect())
}

/// Metres for each 1 of Depth Anything 3 metric: the mean focal length, in the pixels that the model saw, over 300.
fn metres_per_number(photo: &Photo, ready: &Prepared) -> f32 {
    let k = photo.intrinsics.resized(ready.inner[2] as u32, ready.inner[3] as u32);
    ((k.fx + k.fy) / 2.0 / CANONICAL_FOCAL) as f32
}

/// A map of the model's size at the photo's: without what was added around it, bilinear inside surfaces, nearest across
/// their edges.
pub(super) fn to_photo(
    values: &[f32],
    sure: Option<&[f32]>,
    (width, height): (usize, usize),
    photo: &Photo,
    ready: &Prepared,
    meaning: Meaning,
) -> DepthPrior {
    let (w, h) = (photo.image.width() as usize, photo.image.height() as usize);
    let mut depth = DepthMap::unknown(w as u32, h as u32);
    let mut confidence = vec![0.0; w * h];
    // A model may return another size than it was shown.
    let scale = [width as f32 / ready.planes.width as f32, height as f32 / ready.planes.height as f32];
    let inner = ready.inner.map(|v| v as f32);
    for y in 0..h {
        let v = (inner[1] + (y as f32 + 0.5) / h as f32 * inner[3]) * scale[1];
        for x in 0..w {
            let u = (inner[0] + (x as f32 + 0.5) / w as f32 * inner[2]) * scale[0];
            let near = (v as usize).min(height - 1) * width + (u as usize).min(width - 1);
            let value = between(values, (width, height), u, v, values[near]);
            if value > 0.0 {
                depth.data[y * w + x] = value;
                confidence[y * w + x] = sure.map_or(1.0, |s| s[near]);
            }
        }
    }
    DepthPrior { depth, confidence, meaning }
}

fn between(values: &[f32], (width, height): (usize, usize), u: f32, v: f32, near: f32) -> f32 {
    let (x, y) = ((u - 0.5).max(0.0), (v - 0.5).max(0.0));
    let (x0, y0) = ((x as usize).min(width - 1), (y as usize).min(height - 1));
    let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
    let taps = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].map(|(x, y)| values[y * width + x]);
    if taps.iter().any(|t| !(*t > near / EDGE && *t < near * EDGE)) {
        return near;
    }
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let (top, bottom) = (taps[0] + fx * (taps[1] - taps[0]), taps[2] + fx * (taps[3] - taps[2]));
    top + fy * (bottom - top)
}
