//! Learned keypoints and matchers, from ONNX files that the user brings: XFeat and other extractors, with nearest
//! neighbours or LightGlue between them, and LightGlue pipelines that do both. Which of them a file is is read from its
//! inputs and outputs, not from its name.

mod extractor;
mod nearest;
mod pairwise;
mod recognise;
mod source;
#[cfg(test)]
mod tests;

pub use recognise::{Family, recognise};
pub(super) use source::{Added, added};

use crate::models::{Execution, Model, ModelError, Signature, onnx_files};
use extractor::Extractor;
use image::RgbImage;
use pairwise::Pairwise;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Keypoints of a photo.
#[derive(Clone, Debug, Default)]
pub struct KeypointSet {
    /// Pixel coordinates in the photo, pixel centres at +0.5.
    pub xy: Vec<[f32; 2]>,
    /// `dim` numbers for each keypoint, unit length; empty where the model compares photos, not descriptors.
    pub descriptors: Vec<f32>,
    /// Length of a descriptor.
    pub dim: usize,
    /// How sure the model is of each; 1 where it does not tell.
    pub scores: Vec<f32>,
    /// Width and height that the model saw.
    size: [usize; 2],
    /// Width and height of the photo.
    photo_size: [usize; 2],
    /// The photo at that size, where the model compares photos.
    photo: Option<Arc<RgbImage>>,
}

impl KeypointSet {
    /// Number of keypoints.
    pub fn len(&self) -> usize {
        self.xy.len()
    }

    /// Keeps the keypoints at places that `wanted` says yes to.
    pub(super) fn retain(&mut self, wanted: impl Fn([f32; 2]) -> bool) {
        let keep: Vec<bool> = self.xy.iter().map(|p| wanted(*p)).collect();
        let dim = self.dim.max(1);
        let mut k = 0;
        self.descriptors.retain(|_| {
            k += 1;
            keep[(k - 1) / dim]
        });
        let (mut p, mut s) = (keep.iter(), keep.iter());
        self.xy.retain(|_| p.next().is_some_and(|k| *k));
        self.scores.retain(|_| s.next().is_some_and(|k| *k));
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.xy.is_empty()
    }
}

/// A learned source of keypoints and matches.
pub trait Learned: Send + Sync {
    /// Name for people.
    fn name(&self) -> String;

    /// What it runs on, known for certain once it has run, and why not on something better.
    fn provider(&self) -> (&'static str, Option<String>);

    /// Keypoints of a photo, in an order that depends on the photo alone.
    fn extract(&self, image: &RgbImage) -> Result<KeypointSet, ModelError>;

    /// How much two photos look alike, for the choice of those to match: the number of descriptors that are each other's
    /// nearest; for models that only compare photos 0.
    fn likeness(&self, a: &KeypointSet, b: &KeypointSet) -> usize {
        let _ = (a, b);
        0
    }

    /// Matches of two photos as indices into their keypoints, ascending in the first; each keypoint at most once.
    fn matches(&self, a: &KeypointSet, b: &KeypointSet) -> Result<Vec<(u32, u32)>, ModelError>;
}

impl std::fmt::Debug for dyn Learned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Learned")
    }
}

/// The files of a learned source: one that finds keypoints, and perhaps one that matches them.
#[derive(Clone, Debug)]
pub struct Found {
    source: (PathBuf, Family),
    matcher: Option<PathBuf>,
}

const EXPECTED: &str = "expected are XFeat (images -> keypoints, descriptors, scores), an ALIKED, DISK or SuperPoint \
                        extractor, a LightGlue pipeline (images -> keypoints, matches, mscores), or a folder with an \
                        extractor and a LightGlue matcher (kpts0, kpts1, desc0, desc1 -> matches0)";

/// Looks at a file, or at the files in a folder, without loading them.
pub fn find(path: &Path) -> Result<Found, ModelError> {
    let files: Vec<PathBuf> =
        if path.is_dir() { onnx_files(path).into_iter().map(|f| f.path).collect() } else { vec![path.to_owned()] };
    let (mut sources, mut matchers, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        let signature = Signature::read(&file)?;
        match recognise(&signature) {
            Some(Family::Matcher) => matchers.push(file),
            Some(family) => sources.push((file, family)),
            None => others.push(signature),
        }
    }
    if sources.len() > 1 || matchers.len() > 1 {
        return Err(ModelError::file(path, "it holds several extractors or matchers: name one file"));
    }
    match (sources.pop(), matchers.pop(), others.first()) {
        (Some((_, Family::Pairwise)), Some(_), _) => {
            Err(ModelError::file(path, "it holds a pipeline, which matches by itself, and a matcher: name one file"))
        }
        (Some(source), matcher, _) => Ok(Found { source, matcher }),
        (None, Some(_), _) => {
            Err(ModelError::file(path, "it is a matcher and needs an extractor: name a folder with both"))
        }
        (None, None, Some(signature)) => Err(ModelError::file(path, format!("it {signature}; {EXPECTED}"))),
        (None, None, None) => Err(ModelError::file(path, format!("no ONNX file is in it; {EXPECTED}"))),
    }
}

/// Loads what [`find`] found.
pub fn open(path: &Path, execution: Execution) -> Result<Arc<dyn Learned>, ModelError> {
    let Found { source: (file, family), matcher } = find(path)?;
    let model = Model::load(&file, execution)?;
    Ok(match family {
        Family::Pairwise => Arc::new(Pairwise::new(model)?),
        _ => {
            let matcher = matcher.map(|m| Model::load(&m, execution)).transpose()?;
            Arc::new(Extractor::new(model, family == Family::XFeat, matcher)?)
        }
    })
}

/// Name of a model's file.
fn name_of(model: &Model) -> String {
    model.path().file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}
