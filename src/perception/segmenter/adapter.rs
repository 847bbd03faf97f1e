//! What tells one promptable segmenter from another: how it wants a photo, how it wants prompts, and what its outputs are
//! called.

use crate::models::{Data, Filter, IMAGENET_MEAN, IMAGENET_STD, Planes, Tensor};
use crate::perception::prompt::Prompt;
use image::RgbImage;

/// A photo as a model wants it.
pub(super) struct Shown {
    /// The pixels.
    pub(super) tensor: Tensor,
    /// Pixels of the model for a pixel of the photo, across and down.
    pub(super) scale: [f64; 2],
}

/// How one family is called.
pub(super) trait Adapter: Send + Sync {
    /// The photo as the image encoder wants it.
    fn shown(&self, photo: &RgbImage) -> Shown;

    /// The decoder's inputs beside what the image encoder gave. `size` is width and height of the photo.
    fn inputs(&self, prompt: &Prompt, scale: [f64; 2], size: (u32, u32)) -> Vec<(&'static str, Tensor)>;

    /// Names of the decoder's outputs: masks, how good each is, and where there is one, whether there is a thing at all.
    fn outputs(&self) -> [&'static str; 3];

    /// Whether the family cannot be told what is not on the thing, so that masks have to be chosen by it.
    fn lacks_negatives(&self) -> bool {
        false
    }
}

/// Labels of points as the prompt encoders of SAM have them.
pub(super) const NEGATIVE: i64 = 0;
pub(super) const POSITIVE: i64 = 1;
pub(super) const TOP_LEFT: i64 = 2;
pub(super) const BOTTOM_RIGHT: i64 = 3;
pub(super) const PADDING: i64 = -1;

/// A list of points with labels, in the model's pixels.
#[derive(Default)]
pub(super) struct Points {
    coordinates: Vec<f32>,
    labels: Vec<i64>,
}

impl Points {
    /// The corners of the rectangle, where there is one.
    pub(super) fn corners(&mut self, prompt: &Prompt, scale: [f64; 2]) {
        if let Some([x0, y0, x1, y1]) = prompt.rectangle {
            self.push([x0 * scale[0], y0 * scale[1]], TOP_LEFT);
            self.push([x1 * scale[0], y1 * scale[1]], BOTTOM_RIGHT);
        }
    }

    /// The points. SAM has the centre of the first pixel at 0, and adds the half itself.
    pub(super) fn points(&mut self, prompt: &Prompt, scale: [f64; 2]) {
        for (p, on) in &prompt.points {
            self.push([(p[0] - 0.5) * scale[0], (p[1] - 0.5) * scale[1]], if *on { POSITIVE } else { NEGATIVE });
        }
    }

    pub(super) fn push(&mut self, [x, y]: [f64; 2], label: i64) {
        self.coordinates.extend([x as f32, y as f32]);
        self.labels.push(label);
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Coordinates `[.., P, 2]` and labels `[.., P]` with `ones` dimensions of 1 before.
    pub(super) fn tensors(self, ones: usize) -> (Tensor, Tensor) {
        let n = self.len();
        let dims = |last: &[usize]| [&vec![1; ones][..], last].concat();
        (Tensor::f32(&dims(&[n, 2]), self.coordinates), Tensor::i64(&dims(&[n]), self.labels))
    }
}

/// Planes as a tensor with a batch of one.
pub(super) fn batch(planes: Planes) -> Tensor {
    Tensor::f32(&[1, planes.channels(), planes.height, planes.width], planes.data)
}

/// A photo stretched to a square, bytes, by Pillow's bilinear filter.
pub(super) fn stretched(photo: &RgbImage, (width, height): (usize, usize), filter: Filter) -> (Planes, [f64; 2]) {
    let scale = [width as f64 / f64::from(photo.width()), height as f64 / f64::from(photo.height())];
    (Planes::rgb(photo).resized(width, height, filter).in_bytes(), scale)
}

/// Values -1..1, as SAM 3 takes them.
pub(super) fn around_zero(planes: Planes) -> Planes {
    planes.normalised([0.5; 3], [0.5; 3])
}

/// Normalised by ImageNet's mean and deviation, as SAM 1 and 2 take them.
pub(super) fn imagenet(planes: Planes) -> Planes {
    planes.normalised(IMAGENET_MEAN, IMAGENET_STD)
}

/// Values 0..255 as bytes, planes without a batch.
pub(super) fn bytes(planes: &Planes) -> Tensor {
    let data = planes.data.iter().map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8).collect();
    Tensor { dims: vec![planes.channels(), planes.height, planes.width], data: Data::U8(data) }
}
