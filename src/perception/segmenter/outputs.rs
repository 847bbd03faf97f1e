//! Masks as segmenters give them: a few candidates, coarse, as logits or probabilities.

use crate::models::{Filter, ModelError, Outputs, Planes, Tensor};
use crate::scene::Rle;

/// Masks of one size, one after the other.
pub(super) struct Candidates {
    width: usize,
    height: usize,
    /// Values, row-major, mask after mask.
    values: Vec<f32>,
    /// How good each is; 1 where the model does not tell.
    pub(super) scores: Vec<f32>,
}

impl Candidates {
    /// From an output whose last two sizes are height and width, and one with a number for each mask.
    pub(super) fn read(outputs: &Outputs, masks: &str, scores: &str) -> Result<Self, ModelError> {
        let wanted = || outputs.unexpected(&format!("{masks} [.., N, H, W] and {scores} with N numbers"));
        let (masks, scores) = outputs.named(&[masks]).zip(outputs.named(&[scores])).ok_or_else(wanted)?;
        let [.., height, width] = masks.dims[..] else { return Err(wanted()) };
        let scores = scores.to_f32().into_owned();
        let count: usize = masks.dims[..masks.dims.len() - 2].iter().product();
        if scores.len() != count || (count > 0 && width * height == 0) {
            return Err(wanted());
        }
        Ok(Self { width, height, values: masks.to_f32().into_owned(), scores })
    }

    /// Number of masks.
    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    fn plane(&self, k: usize) -> &[f32] {
        let pixels = self.width * self.height;
        &self.values[k * pixels..(k + 1) * pixels]
    }

    /// Whether a mask is set at a place of the photo, which is given in parts of its width and height.
    pub(super) fn is_set(&self, k: usize, at: [f64; 2], threshold: f32) -> bool {
        let cell = |part: f64, n: usize| ((part * n as f64) as usize).min(n.saturating_sub(1));
        self.plane(k)[cell(at[1], self.height) * self.width + cell(at[0], self.width)] > threshold
    }

    /// A mask at the size of the photo, by linear interpolation of its values, set where they exceed `threshold`.
    pub(super) fn mask(&self, k: usize, (width, height): (u32, u32), threshold: f32) -> Rle {
        let planes = Planes { width: self.width, height: self.height, data: self.plane(k).to_vec() };
        let full = planes.resized(width as usize, height as usize, Filter::Linear);
        Rle::encode(width, height, &full.data.iter().map(|v| *v > threshold).collect::<Vec<bool>>())
    }
}

/// 1 / (1 + e^-x).
pub(super) fn sigmoid(x: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(x)).exp())
}

/// The only number of a tensor.
pub(super) fn only(tensor: &Tensor) -> Option<f32> {
    tensor.to_f32().first().copied()
}
