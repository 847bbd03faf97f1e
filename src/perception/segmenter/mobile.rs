//! MobileSAM, and other encoders in front of the decoder of the first SAM.
//! Interface: `scripts/export_onnx_model.py` and `mobile_sam/utils/onnx.py` of ChaoningZhang/MobileSAM; encoders of Acly
//! (rows of pixels, 0..255, normalised in the graph) and of samexporter (normalised planes).

use super::adapter::{Adapter, PADDING, Points, Shown, batch, imagenet};
use super::prompted::no_mask;
use super::recognise::rows_of_pixels;
use crate::models::{Filter, Planes, Signature, Tensor};
use crate::perception::prompt::Prompt;
use image::RgbImage;

/// Longest side of a photo.
const LONGEST: usize = 1024;
/// Height and width of the mask that could be handed over as a prompt.
const MASK: (usize, usize) = (256, 256);

pub(super) struct MobileSam {
    longest: usize,
    /// Width and height of the canvas, where the encoder takes only one.
    canvas: Option<(usize, usize)>,
    rows: bool,
    mask: (usize, usize),
}

impl MobileSam {
    pub(super) fn new(encoder: &Signature, decoder: &Signature) -> Self {
        let port = encoder.inputs.first();
        let rows = port.is_some_and(rows_of_pixels);
        let axis = |from_end: usize| port.and_then(|p| p.dims.iter().rev().nth(from_end).copied().flatten());
        // Rows end in height, width and colours, planes in height and width. Planes are always a whole canvas.
        let declared = if rows { axis(1).zip(axis(2)) } else { axis(0).zip(axis(1)) };
        let canvas = declared.or((!rows).then_some((LONGEST, LONGEST)));
        let longest = canvas.map_or(LONGEST, |c| c.0.max(c.1));
        Self { longest, canvas, rows, mask: no_mask::size(decoder).unwrap_or(MASK) }
    }
}

impl Adapter for MobileSam {
    /// The longest side to 1024, nothing but zeros to the right and below.
    fn shown(&self, photo: &RgbImage) -> Shown {
        let (w, h) = (f64::from(photo.width()), f64::from(photo.height()));
        let scale = self.longest as f64 / w.max(h);
        let side = |v: f64| ((v * scale + 0.5) as usize).max(1);
        let mut planes = Planes::rgb(photo).resized(side(w), side(h), Filter::Bilinear).in_bytes();
        if !self.rows {
            planes = imagenet(planes);
        }
        if let Some((width, height)) = self.canvas.filter(|c| c.0 >= planes.width && c.1 >= planes.height) {
            planes = planes.padded((width, height), (0, 0), 0.0);
        }
        let tensor = if self.rows { rows(&planes) } else { batch(planes) };
        Shown { tensor, scale: [scale; 2] }
    }

    /// Without a box there is a last point that is padding.
    fn inputs(&self, prompt: &Prompt, scale: [f64; 2], (width, height): (u32, u32)) -> Vec<(&'static str, Tensor)> {
        let mut points = Points::default();
        points.points(prompt, scale);
        points.corners(prompt, scale);
        if prompt.rectangle.is_none() {
            points.push([0.0; 2], PADDING);
        }
        let (coordinates, labels) = points.tensors(1);
        let size = Tensor::i64(&[2], vec![i64::from(height), i64::from(width)]);
        let mut inputs = vec![("point_coords", coordinates), ("point_labels", labels), ("orig_im_size", size)];
        inputs.extend(no_mask::inputs(self.mask));
        inputs
    }

    fn outputs(&self) -> [&'static str; 3] {
        ["masks", "iou_predictions", ""]
    }
}

/// Rows of pixels of three colours, 0..255.
fn rows(planes: &Planes) -> Tensor {
    let pixels = planes.width * planes.height;
    let data = (0..pixels).flat_map(|p| [0, 1, 2].map(|c| planes.data[c * pixels + p] * 255.0)).collect();
    Tensor::f32(&[planes.height, planes.width, 3], data)
}
