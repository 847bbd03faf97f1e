//! Which kind of depth model a signature is of, and what its numbers mean.

use super::Meaning;
use crate::models::{Hints, Signature};

/// Kinds of depth models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Depth Anything 3, any number of views: `[B, N, 3, H, W]` to depth and confidence, and camera matrices.
    AnyView,
    /// Depth Anything 3 metric or mono: an image to depth, and for most exports sky.
    Single3,
    /// Depth Anything V2, relative or metric: an image to depth.
    Single2,
    /// MoGe: an image to points, mask and, from version 2 on, a metric scale.
    Moge,
    /// VGGT: images of one square size to `pose_enc`, depth and confidence.
    Vggt,
}

/// The family of a signature, and what its numbers mean; `None` where it is no depth model that is known here.
/// A note beside the file ([`crate::models::hints`]) goes before its name.
pub fn recognise(signature: &Signature, hints: &Hints) -> Option<(Family, Meaning)> {
    let picture = signature.picture()?;
    let only_known = signature.inputs.iter().all(|p| p.name == picture.name || p.name == "num_tokens");
    let rank = picture.dims.len();
    if !only_known || !picture.element.is_float() || !(4..=5).contains(&rank) {
        return None;
    }
    if picture.dims[rank - 3].is_some_and(|channels| channels != 3) {
        return None;
    }
    let depth = signature.gives("depth") || signature.gives("predicted_depth");
    let family = if signature.gives("points") && signature.gives("mask") {
        Family::Moge
    } else if signature.gives("pose_enc") && depth {
        Family::Vggt
    } else if rank == 5 {
        Family::AnyView
    } else if signature.gives("keypoints") || signature.gives("descriptors") {
        return None;
    } else if signature.gives("sky") || hints.say(&["da3", "depth-anything-3", "depth-anything-v3", "depth_anything_3"])
    {
        Family::Single3
    } else if depth || hints.say(&["depth"]) {
        Family::Single2
    } else {
        return None;
    };
    Some((family, meaning(family, signature, hints)))
}

fn meaning(family: Family, signature: &Signature, hints: &Hints) -> Meaning {
    match hints.meaning.as_deref() {
        Some("metric") => return Meaning::Metric,
        Some("scale") => return Meaning::UpToScale,
        Some("scale and shift") => return Meaning::UpToScaleAndShift,
        Some("inverse") => return Meaning::Inverse,
        _ => {}
    }
    match family {
        Family::AnyView if hints.say(&["nested"]) => Meaning::Metric,
        Family::AnyView | Family::Vggt => Meaning::UpToScale,
        Family::Single3 if hints.say(&["metric"]) => Meaning::Metric,
        Family::Single3 => Meaning::UpToScaleAndShift,
        Family::Single2 if hints.say(&["metric", "hypersim", "vkitti"]) => Meaning::Metric,
        Family::Single2 => Meaning::Inverse,
        Family::Moge if signature.gives("metric_scale") => Meaning::Metric,
        Family::Moge => Meaning::UpToScale,
    }
}
