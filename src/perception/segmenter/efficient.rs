//! EfficientSAM: photos at their own size, prompts in the photo's pixels.
//! Interface: `export_to_onnx.py` and `onnx_models.py` of yformer/EfficientSAM.

use super::adapter::{Adapter, Points, Shown, batch};
use crate::models::{Planes, Tensor};
use crate::perception::prompt::Prompt;
use image::RgbImage;

/// Most points that the decoder looks at; two of them are the corners of a box.
const MOST_POINTS: usize = 6;

pub(super) struct EfficientSam;

impl Adapter for EfficientSam {
    fn shown(&self, photo: &RgbImage) -> Shown {
        Shown { tensor: batch(Planes::rgb(photo)), scale: [1.0; 2] }
    }

    /// It knows no label for what is not on the thing: such points are not handed over.
    fn inputs(&self, prompt: &Prompt, scale: [f64; 2], (width, height): (u32, u32)) -> Vec<(&'static str, Tensor)> {
        let on = prompt.points.iter().filter(|(_, on)| *on).copied();
        let room = MOST_POINTS - if prompt.rectangle.is_some() { 2 } else { 0 };
        let taken = Prompt { points: on.take(room).collect(), rectangle: prompt.rectangle };
        let mut points = Points::default();
        points.corners(&taken, scale);
        points.points(&taken, scale);
        let (coordinates, labels) = points.tensors(2);
        let size = Tensor::i64(&[2], vec![i64::from(height), i64::from(width)]);
        vec![("batched_point_coords", coordinates), ("batched_point_labels", labels), ("orig_im_size", size)]
    }

    fn outputs(&self) -> [&'static str; 3] {
        ["output_masks", "iou_predictions", ""]
    }

    fn lacks_negatives(&self) -> bool {
        true
    }
}
