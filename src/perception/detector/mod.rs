//! Boxes with labels in photos, from a detector that is in the program or from an ONNX file of the user's.
//!
//! A file is recognised by its inputs and outputs, not by its name. What comes out is in the pixels of the photo, whatever
//! the model saw of it.

mod decode;
mod labels;
mod nms;
mod prepare;
mod recognise;
#[cfg(test)]
mod tests;
mod tiles;

pub use recognise::Family;

use super::detection::Detection;
use super::vocabulary;
use crate::models::{Accelerator, Execution, Model, ModelError, Outputs, Signature, hints};
use crate::scene::{Cancelled, Job};
use image::RgbImage;
use nms::{Found, suppressed};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// NanoDet-g with COCO's 80 classes, any size of picture (RangiLyu/nanodet, Apache-2.0; `models/nanodet.LICENCE.txt`).
const BUNDLED: &[u8] = include_bytes!("../../../models/nanodet.onnx");

/// What messages and `scene.json` call it.
const BUNDLED_NAME: &str = "nanodet.onnx (built in)";

/// What a detector is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectorSettings {
    /// Boxes that are less sure are left out, 0..1. A quarter: single boxes are noise at that, those that agree in several
    /// views are not.
    pub least_score: f64,
    /// Intersection over union beyond which the less sure of two boxes of a class is the same thing (NanoDet's own 0.6).
    pub overlap: f64,
    /// Longer side at which a model that takes any size sees a photo, pixels. NanoDet was trained at 416; at 640 it finds
    /// more.
    pub longest_side: usize,
    /// Whether photos more than twice as long as what the model sees are also looked at in tiles.
    pub tiles: bool,
}

impl Default for DetectorSettings {
    fn default() -> Self {
        Self { least_score: 0.25, overlap: 0.6, longest_side: 640, tiles: true }
    }
}

/// What can go wrong while many photos are looked at.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The user stopped it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The model fails.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// A detector that is loaded. It may be used from several threads.
pub struct Detector {
    /// May be changed between photos.
    pub settings: DetectorSettings,
    name: String,
    model: Model,
    family: Family,
    /// Names of the classes, where the model or a file beside it tells them.
    labels: Option<Vec<String>>,
}

impl Detector {
    /// The detector that is in the program. Where a GPU is demanded that models cannot use, it runs on the CPU: nobody
    /// asked for this model.
    pub fn bundled(execution: Execution) -> Result<Self, ModelError> {
        let accelerator = match execution.accelerator {
            Accelerator::Cpu => Accelerator::Cpu,
            Accelerator::Auto | Accelerator::Gpu => Accelerator::Auto,
        };
        let model = Model::embedded(BUNDLED_NAME, BUNDLED, Execution { accelerator, ..execution })?;
        Self::of(model, BUNDLED_NAME.into())
    }

    /// A detector from a file.
    pub fn load(path: &Path, execution: Execution) -> Result<Self, ModelError> {
        // What is no detector is refused before its weights are read.
        check(path)?;
        Self::of(Model::load(path, execution)?, hints(path)?.name)
    }

    fn of(model: Model, name: String) -> Result<Self, ModelError> {
        let family = family(model.path(), model.signature())?;
        let labels = labels::given(model.path(), model.signature())?;
        Ok(Self { settings: DetectorSettings::default(), name, model, family, labels })
    }

    /// Name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it runs on, known for certain once it has run, and why not on something better.
    pub fn provider(&self) -> (&'static str, Option<String>) {
        self.model.provider()
    }

    /// What kind of detector it is.
    pub fn family(&self) -> Family {
        self.family
    }

    /// What is in a photo, surest first.
    pub fn detect(&self, image: &RgbImage) -> Result<Vec<Detection>, ModelError> {
        if image.width() == 0 || image.height() == 0 {
            return Ok(Vec::new());
        }
        let recipe = self.family.recipe(self.model.signature(), self.settings.longest_side);
        let seen = recipe.longest(image);
        let mut found = self.look(image, &recipe)?;
        if self.settings.tiles {
            for tile in tiles::of(image.dimensions(), seen) {
                let part = image::imageops::crop_imm(image, tile.x, tile.y, tile.width, tile.height).to_image();
                found.extend(
                    self.look(&part, &recipe)?.into_iter().filter_map(|f| tile.to_photo(f, image.dimensions())),
                );
            }
        }
        suppressed(found, self.settings.overlap).into_iter().filter_map(|f| self.named(f, image).transpose()).collect()
    }

    /// What is in many photos, in their order.
    pub fn detect_all(&self, images: &[&RgbImage], job: &dyn Job) -> Result<Vec<Vec<Detection>>, DetectError> {
        let mut out = Vec::with_capacity(images.len());
        for (done, image) in images.iter().enumerate() {
            job.tick(done, images.len())?;
            out.push(self.detect(image)?);
        }
        Ok(out)
    }

    /// Boxes in the pixels of a picture.
    fn look(&self, image: &RgbImage, recipe: &prepare::Recipe) -> Result<Vec<Found>, ModelError> {
        let shown = recipe.show(image);
        let outputs = self.run(&shown)?;
        let wanted = decode::Wanted { least: self.settings.least_score, classes: self.labels.as_ref().map(Vec::len) };
        let mut found = decode::decode(self.family, &outputs, shown.canvas, &wanted)?;
        found.retain(|f| f.score.is_finite() && f.score >= wanted.least && f.bounds.iter().all(|v| v.is_finite()));
        Ok(found.into_iter().map(|f| shown.to_photo(f)).collect())
    }

    fn run(&self, shown: &prepare::Shown) -> Result<Outputs, ModelError> {
        let picture = self.model.signature().inputs.first().map_or("image", |p| p.name.as_str());
        self.model.run(&[(picture, &shown.tensor)])
    }

    /// With its name, within the photo; `None` where nothing of it is there, or its class has no name.
    fn named(&self, found: Found, image: &RgbImage) -> Result<Option<Detection>, ModelError> {
        let (w, h) = (f64::from(image.width()), f64::from(image.height()));
        let [x0, y0, x1, y1] = found.bounds;
        let bounds = [x0.clamp(0.0, w), y0.clamp(0.0, h), x1.clamp(0.0, w), y1.clamp(0.0, h)];
        if !(bounds[0] < bounds[2] && bounds[1] < bounds[3]) {
            return Ok(None);
        }
        let label = match &self.labels {
            Some(labels) => labels.get(found.class).cloned(),
            None => None,
        };
        let label = label.ok_or_else(|| {
            let reason =
                format!("its class {} has no name: write its names, one a line, to labels.txt beside it", found.class);
            ModelError::run(self.model.path(), reason)
        })?;
        let label = vocabulary::tidy(&label);
        Ok((!label.is_empty()).then_some(Detection { label, score: found.score.min(1.0), bounds }))
    }
}

/// Refuses a file that is no detector, without loading it.
pub fn check(path: &Path) -> Result<(), ModelError> {
    family(path, &Signature::read(path)?).map(|_| ())
}

/// The files besides the model that its results depend on, where they are there.
pub fn files_beside(model: &Path) -> Vec<PathBuf> {
    labels::file_beside(model).into_iter().collect()
}

fn family(path: &Path, signature: &Signature) -> Result<Family, ModelError> {
    recognise::recognise(signature)
        .ok_or_else(|| ModelError::file(path, format!("it {signature}; {}", recognise::EXPECTED)))
}
