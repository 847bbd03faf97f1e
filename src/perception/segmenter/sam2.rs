//! SAM 2 as samexporter cuts it: a box is two points with labels of their own.
//! Interface: `export_sam2.py` and `sam2_onnx.py` of vietanhdev/samexporter.

use super::adapter::{Adapter, Points, Shown, batch, imagenet, stretched};
use super::prompted::no_mask;
use crate::models::{Filter, Signature, Tensor};
use crate::perception::prompt::Prompt;
use image::RgbImage;

/// Side of the square photos, where the file leaves it open.
const SIDE: usize = 1024;

pub(super) struct Sam2 {
    size: (usize, usize),
    /// Height and width of the mask that could be handed over as a prompt.
    mask: (usize, usize),
}

impl Sam2 {
    pub(super) fn new(encoder: &Signature, decoder: &Signature) -> Self {
        let port = encoder.inputs.first();
        let side =
            |from_end: usize| port.and_then(|p| p.dims.iter().rev().nth(from_end).copied().flatten()).unwrap_or(SIDE);
        let size = (side(0), side(1));
        Self { size, mask: no_mask::size(decoder).unwrap_or((size.1 / 4, size.0 / 4)) }
    }
}

impl Adapter for Sam2 {
    fn shown(&self, photo: &RgbImage) -> Shown {
        let (planes, scale) = stretched(photo, self.size, Filter::Linear);
        Shown { tensor: batch(imagenet(planes)), scale }
    }

    fn inputs(&self, prompt: &Prompt, scale: [f64; 2], _: (u32, u32)) -> Vec<(&'static str, Tensor)> {
        let mut points = Points::default();
        points.corners(prompt, scale);
        points.points(prompt, scale);
        let (coordinates, labels) = points.tensors(1);
        let mut inputs = vec![("point_coords", coordinates), ("point_labels", labels)];
        inputs.extend(no_mask::inputs(self.mask));
        inputs
    }

    fn outputs(&self) -> [&'static str; 3] {
        ["masks", "iou_predictions", ""]
    }
}
