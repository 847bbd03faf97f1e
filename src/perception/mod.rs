//! Stage 2: two-dimensional masks, from the embedded geometric segmenter or from files.

pub mod cloud;
pub mod color;
pub mod cut;
pub mod detection;
pub mod detector;
pub mod files;
pub mod geometric;
pub mod label_scores;
pub mod objects;
pub mod prompt;
pub mod rect;
pub mod segmenter;
pub mod surface;
pub mod tokenizer;
pub mod vlm;
pub mod vocabulary;

use crate::scene::{Camera, DepthMap};
use image::RgbImage;

/// A registered photo with its depth.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// File name of the image.
    pub name: &'a str,
    /// Stem of the image.
    pub stem: &'a str,
    /// The pixels.
    pub image: &'a RgbImage,
    /// The camera, for the size of the image.
    pub camera: Camera,
    /// Depth, at the size of the image or smaller.
    pub depth: &'a DepthMap,
}

/// Whether a label names a part of the building, which is not an object: `wall`, `floor`, `ceiling`.
pub fn is_structural(label: &str) -> bool {
    matches!(label, "wall" | "floor" | "ceiling")
}

#[cfg(test)]
pub(crate) mod testing;
