//! Prompts for a segmenter: points, negative points and a rectangle in one photo become one mask. A person's clicks and a
//! detector's boxes go the same way, to the embedded segmenter or to a model.

use super::View;
use crate::models::ModelError;
use crate::scene::Rle;

/// What is asked for. At least one point that is on the thing, or a rectangle around it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// Pixels of the photo (pixel centres at +0.5), and whether each is on the thing.
    pub points: Vec<([f64; 2], bool)>,
    /// `[x0, y0, x1, y1)` around the whole thing as far as it shows, pixels of the photo.
    pub rectangle: Option<[f64; 4]>,
}

/// A mask that answers a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptedMask {
    /// The pixels, at the size of the photo.
    pub mask: Rle,
    /// How sure the segmenter is, 0..1.
    pub score: f64,
}

/// Turns prompts into masks: the embedded segmenter, or a model.
pub trait PromptSegmenter: Send + Sync {
    /// Makes a photo ready: the slow part, done once a photo.
    fn prepare<'a>(&'a self, view: &View) -> Result<Box<dyn PreparedPhoto + 'a>, ModelError>;

    /// Name of the model, what it runs on, and why not on something better; `None` for the embedded segmenter.
    fn model(&self) -> Option<(String, (&'static str, Option<String>))> {
        None
    }
}

/// A photo made ready for prompts.
pub trait PreparedPhoto: Send + Sync {
    /// The mask that answers a prompt; `None` where nothing that could be a thing is there.
    fn mask(&self, prompt: &Prompt) -> Result<Option<PromptedMask>, ModelError>;
}
