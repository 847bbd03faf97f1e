//! From a model's outputs to boxes in the pixels of the picture that it saw.

use super::nms::Found;
use super::recognise::Family;
use crate::models::{ModelError, Outputs};

/// What is asked of the outputs.
pub(super) struct Wanted {
    /// Boxes that are less sure are left out.
    pub(super) least: f64,
    /// Number of classes, where it is known.
    #[allow(dead_code)]
    pub(super) classes: Option<usize>,
}

/// The boxes of a picture of width and height `canvas`.
pub(super) fn decode(
    family: Family,
    outputs: &Outputs,
    _canvas: [usize; 2],
    wanted: &Wanted,
) -> Result<Vec<Found>, ModelError> {
    match family {
        Family::BoxesAndScores => boxes_and_scores(outputs, wanted),
    }
}

fn boxes_and_scores(outputs: &Outputs, wanted: &Wanted) -> Result<Vec<Found>, ModelError> {
    let strange = || outputs.unexpected("boxes [1, N, 4] and scores [1, N, C]");
    let boxes = outputs.named(&["boxes"]).ok_or_else(strange)?;
    let scores = outputs.named(&["scores"]).ok_or_else(strange)?;
    let (&[1, n, 4], &[1, m, classes]) = (boxes.dims.as_slice(), scores.dims.as_slice()) else { return Err(strange()) };
    if n != m {
        return Err(strange());
    }
    let (boxes, scores) = (boxes.to_f32(), scores.to_f32());
    let mut found = Vec::new();
    for (bounds, scores) in boxes.chunks_exact(4).zip(scores.chunks_exact(classes.max(1))) {
        for (class, score) in scores.iter().map(|s| f64::from(*s)).enumerate().filter(|(_, s)| *s >= wanted.least) {
            found.push(Found { bounds: [0, 1, 2, 3].map(|k| f64::from(bounds[k])), class, score });
        }
    }
    Ok(found)
}
