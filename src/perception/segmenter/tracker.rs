//! SAM 3's tracker and SAM 2 as transformers cuts them: points and boxes are two inputs.
//! Interface: `modeling_sam2.js` of transformers.js, and the exports of onnx-community.

use super::adapter::{Adapter, PADDING, Points, Shown, around_zero, batch, imagenet, stretched};
use crate::models::{Filter, Hints, Signature, Tensor};
use crate::perception::prompt::Prompt;
use image::RgbImage;

/// Sides of the square photos: SAM 3 has patches of 14 pixels, SAM 2 of 16.
const SIDE_SAM3: usize = 1008;
const SIDE_SAM2: usize = 1024;
const PATCH_SAM3: usize = 14;
/// Photo pixels for a cell of the finest features: 1008 / 288 and 1024 / 256.
const CELL_SAM3: (usize, usize) = (7, 2);
const CELL_SAM2: usize = 4;

pub(super) struct Tracker {
    side: usize,
}

impl Tracker {
    /// The side is what the encoder declares, else what the size of its finest features says, else what its name says.
    pub(super) fn new(encoder: &Signature, decoder: &Signature, hints: &Hints) -> Self {
        let declared = encoder.inputs.first().and_then(|p| p.dims.last().copied().flatten());
        let cells = |s: &Signature| {
            let port = s.inputs.iter().chain(&s.outputs).find(|p| p.name == "image_embeddings.0");
            port.and_then(|p| p.dims.last().copied().flatten())
        };
        let by_cells = || {
            let cells = cells(encoder).or_else(|| cells(decoder))?;
            let sam3 = cells * CELL_SAM3.0 / CELL_SAM3.1;
            Some(if sam3 == SIDE_SAM3 { sam3 } else { cells * CELL_SAM2 })
        };
        let by_name = || if hints.say(&["sam3", "sam-3", "tracker"]) { SIDE_SAM3 } else { SIDE_SAM2 };
        Self { side: declared.or_else(by_cells).unwrap_or_else(by_name) }
    }
}

impl Adapter for Tracker {
    fn shown(&self, photo: &RgbImage) -> Shown {
        let (planes, scale) = stretched(photo, (self.side, self.side), Filter::Bilinear);
        let planes = if self.side.is_multiple_of(PATCH_SAM3) { around_zero(planes) } else { imagenet(planes) };
        Shown { tensor: batch(planes), scale }
    }

    /// A box alone goes with one point that is padding: some runtimes refuse tensors without elements.
    fn inputs(&self, prompt: &Prompt, scale: [f64; 2], _: (u32, u32)) -> Vec<(&'static str, Tensor)> {
        let mut points = Points::default();
        points.points(prompt, scale);
        if points.len() == 0 {
            points.push([0.0; 2], PADDING);
        }
        let (coordinates, labels) = points.tensors(2);
        let boxes: Vec<f32> =
            prompt.rectangle.iter().flat_map(|r| [0, 1, 2, 3].map(|k| (r[k] * scale[k % 2]) as f32)).collect();
        let boxes = Tensor::f32(&[1, boxes.len() / 4, 4], boxes);
        vec![("input_points", coordinates), ("input_labels", labels), ("input_boxes", boxes)]
    }

    fn outputs(&self) -> [&'static str; 3] {
        ["pred_masks", "iou_scores", "object_score_logits"]
    }
}
