//! Which kind of matching model a signature is of, and how it wants its photos.

use crate::models::{Element, Filter, ModelError, Planes, Port, Signature};
use image::RgbImage;
use std::path::Path;

/// Kinds of models for matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// XFeat: `images` to `keypoints` `[N, 2]`, `descriptors` `[N, 64]`, `scores` `[N]` (DavideCatto/XFeat-ONNX).
    XFeat,
    /// SuperPoint, DISK or ALIKED: `image` to `keypoints` `[1, N, 2]`, `descriptors` `[1, N, D]`, `scores` `[1, N]`.
    Extractor,
    /// LightGlue over two sets of descriptors: `kpts0`, `kpts1`, `desc0`, `desc1` to `matches0` `[S, 2]`.
    Matcher,
    /// Two photos to keypoints and matches: LightGlue-ONNX pipelines (`images` `[2, C, H, W]`) and end-to-end files
    /// (`image0`, `image1`).
    Pairwise,
}

/// The family of a signature; `None` where it is none of them.
pub fn recognise(signature: &Signature) -> Option<Family> {
    let takes = |names: &[&str]| names.iter().all(|n| signature.input(n).is_some());
    if takes(&["kpts0", "kpts1", "desc0", "desc1"]) && signature.gives("matches0") {
        return Some(Family::Matcher);
    }
    if takes(&["image0", "image1"]) && signature.gives("kpts0") && signature.gives("matches0") {
        return Some(Family::Pairwise);
    }
    let picture = signature.picture().filter(|p| p.dims.len() == 4 && p.element.is_float())?;
    if signature.inputs.len() != 1 || picture.dims[1].is_some_and(|c| c != 1 && c != 3) || !signature.gives("keypoints")
    {
        return None;
    }
    if signature.gives("matches") {
        return Some(Family::Pairwise);
    }
    let descriptors = signature.outputs.iter().find(|p| p.name == "descriptors")?;
    let flat = signature.outputs.iter().any(|p| p.name == "keypoints" && p.dims.len() == 2);
    // The width of descriptors tells nothing: ALIKED has one of 64 too.
    let xfeat = flat || picture.name == "images" && descriptors.dims.last() == Some(&Some(64));
    Some(if xfeat { Family::XFeat } else { Family::Extractor })
}

/// How a model wants its photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wants {
    grey: bool,
    multiple: usize,
    longest: usize,
    /// Height and width, where the model has only one size.
    fixed: (Option<usize>, Option<usize>),
}

/// Brightness of what fills up the sides of a photo.
const FILL: f32 = 0.5;
/// Longest side that LightGlue's own tools resize to.
const LONGEST: usize = 1024;

impl Wants {
    /// From the input of a model and, for those of three channels, whether its keypoints are whole numbers: DISK's are,
    /// and it halves four times; ALIKED, RaCo and XFeat halve five times, SuperPoint three times.
    pub(super) fn of(path: &Path, signature: &Signature, xfeat: bool) -> Result<Self, ModelError> {
        let unusable = || ModelError::file(path, format!("it {signature}, which is not a photo"));
        let picture: &Port =
            signature.inputs.first().filter(|p| p.dims.len() == 4 && p.element.is_float()).ok_or_else(unusable)?;
        let grey = picture.dims[1] == Some(1);
        let whole = signature.outputs.iter().any(|p| {
            ["keypoints", "kpts0"].contains(&p.name.as_str()) && matches!(p.element, Element::I64 | Element::I32)
        });
        let multiple = match (grey, whole && !xfeat) {
            (true, _) => 8,
            (false, true) => 16,
            (false, false) => 32,
        };
        let longest = if xfeat { usize::MAX } else { LONGEST };
        Ok(Self { grey, multiple, longest, fixed: (picture.dims[2], picture.dims[3]) })
    }

    /// Whether photos are made grey.
    pub(super) fn grey(&self) -> bool {
        self.grey
    }

    /// Width and height at which a photo is shown to the model: its proportions, at most the longest side.
    fn size(&self, width: usize, height: usize) -> (usize, usize) {
        let shrink = (self.longest as f64 / width.max(height) as f64).min(1.0);
        let side = |v: usize| ((v as f64 * shrink).round() as usize).max(1);
        (self.fixed.1.unwrap_or_else(|| side(width)), self.fixed.0.unwrap_or_else(|| side(height)))
    }

    /// Whether a side (0: width, 1: height) of this length has to be filled up to the multiple.
    pub(super) fn is_filled(&self, length: usize, side: usize) -> bool {
        let fixed = if side == 0 { self.fixed.1 } else { self.fixed.0 };
        fixed.is_none() && !length.is_multiple_of(self.multiple)
    }

    /// The photo with grey to its right and below, up to the multiple that the model wants.
    pub(super) fn filled_up(&self, planes: &Planes) -> Planes {
        let side = |v: usize, k: usize| if self.is_filled(v, k) { v.next_multiple_of(self.multiple) } else { v };
        planes.padded((side(planes.width, 0), side(planes.height, 1)), (0, 0), FILL)
    }

    /// The photo at that size, as bytes: a quarter of the memory, where photos have to be kept.
    pub(super) fn bytes(&self, image: &RgbImage) -> RgbImage {
        let all = Self { grey: false, ..*self }.planes(image);
        let pixels = all.width * all.height;
        RgbImage::from_fn(all.width as u32, all.height as u32, |x, y| {
            let at = y as usize * all.width + x as usize;
            image::Rgb([0, 1, 2].map(|c| (all.data[c * pixels + at] * 255.0).round().clamp(0.0, 255.0) as u8))
        })
    }

    /// The photo at that size, values in 0..1.
    pub(super) fn planes(&self, image: &RgbImage) -> Planes {
        let planes = if self.grey { Planes::grey(image) } else { Planes::rgb(image) };
        let (w, h) = self.size(planes.width, planes.height);
        let filter = if w * 2 <= planes.width { Filter::Area } else { Filter::Linear };
        planes.resized(w, h, filter)
    }
}

/// From a keypoint in the model's pixels, whose first pixel's centre is 0, to the photo's, whose is 0.5.
pub(super) fn to_photo(k: [f32; 2], model: [usize; 2], photo: [usize; 2]) -> [f32; 2] {
    [0, 1].map(|a| (k[a] + 0.5) * photo[a] as f32 / model[a] as f32)
}
