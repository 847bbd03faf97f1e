//! Boxes with labels in photos, from a detector that is in the program or from an ONNX file of the user's.
//!
//! A file is recognised by its inputs and outputs, not by its name. What comes out is in the pixels of the photo, whatever
//! the model saw of it.

mod choice;
mod decode;
mod inputs;
mod labels;
mod look;
mod nms;
mod prepare;
mod recognise;
#[cfg(test)]
mod tests;
mod tiles;
mod tokens;
mod yolo;

pub use choice::DetectorChoice;
pub use recognise::Family;

use super::detection::Detection;
use super::vocabulary;
use crate::models::{Accelerator, Execution, Hints, Model, ModelError, Signature, hints};
use crate::scene::{Cancelled, Job};
use decode::{Decoded, Wanted, decode};
use image::RgbImage;
use inputs::Texts;
use nms::{Found, suppressed};
use rayon::prelude::*;
use recognise::Kind;
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
    known: Known,
}

/// What is known of a detector before its weights are read.
struct Known {
    kind: Kind,
    /// Names of the classes, where the model or a file beside it tells them.
    labels: Option<Vec<String>>,
    /// What the model is to look for, where that is an input.
    texts: Texts,
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
        let known = known(model.path(), model.signature(), &Hints::default())?;
        Ok(Self { settings: DetectorSettings::default(), name: BUNDLED_NAME.into(), model, known })
    }

    /// A detector from a file.
    pub fn load(path: &Path, execution: Execution) -> Result<Self, ModelError> {
        // What is no detector is refused before its weights are read.
        check(path)?;
        Self::of(Model::load(path, execution)?)
    }

    fn of(model: Model) -> Result<Self, ModelError> {
        let hints = hints(model.path())?;
        let known = known(model.path(), model.signature(), &hints)?;
        Ok(Self { settings: DetectorSettings::default(), name: hints.name, model, known })
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
        self.known.kind.family
    }

    /// What is in a photo, surest first.
    pub fn detect(&self, image: &RgbImage) -> Result<Vec<Detection>, ModelError> {
        if image.width() == 0 || image.height() == 0 {
            return Ok(Vec::new());
        }
        let Some(photo) = recognise::picture(self.model.signature()) else { return Ok(Vec::new()) };
        let recipe = self.known.kind.look.recipe(photo, self.settings.longest_side);
        let mut all = self.look(image, &recipe)?;
        let tiles = if self.settings.tiles { tiles::of(image.dimensions(), recipe.longest(image)) } else { Vec::new() };
        for tile in &tiles {
            let part = image::imageops::crop_imm(image, tile.x, tile.y, tile.width, tile.height).to_image();
            let seen = self.look(&part, &recipe)?.found;
            all.found.extend(seen.into_iter().filter_map(|f| tile.to_photo(f, image.dimensions())));
        }
        // What has been suppressed in the graph is only put in order, unless tiles see it again.
        let overlap = if all.finished && tiles.is_empty() { 1.0 } else { self.settings.overlap };
        let names = labels::names(&self.known, &all);
        let named = |found| self.named(found, names.as_deref(), image).transpose();
        suppressed(all.found, overlap).into_iter().filter_map(named).collect()
    }

    /// What is in many photos, in their order.
    pub fn detect_all(&self, images: &[&RgbImage], job: &dyn Job) -> Result<Vec<Vec<Detection>>, DetectError> {
        let mut out = Vec::with_capacity(images.len());
        // While the model looks at one photo, others are made ready and read.
        for some in images.chunks(rayon::current_num_threads()) {
            job.tick(out.len(), images.len())?;
            out.extend(some.par_iter().map(|image| self.detect(image)).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(out)
    }

    /// Boxes in the pixels of a picture.
    fn look(&self, image: &RgbImage, recipe: &prepare::Recipe) -> Result<Decoded, ModelError> {
        let shown = recipe.show(image);
        let mut all = Decoded::default();
        for prompt in self.known.texts.prompts() {
            let outputs = inputs::run(&self.model, &shown, &self.known.texts, prompt)?;
            let classes = self.known.labels.as_ref().map(Vec::len);
            let wanted = Wanted { least: self.settings.least_score, classes, prompt };
            let decoded = decode(self.known.kind.layout, &outputs, shown.canvas, &wanted)?;
            let sound =
                |f: &Found| f.score.is_finite() && f.score >= wanted.least && f.bounds.iter().all(|v| v.is_finite());
            all.found.extend(decoded.found.into_iter().filter(sound).map(|f| shown.to_photo(f)));
            (all.classes, all.finished) = (decoded.classes, decoded.finished);
        }
        Ok(all)
    }

    /// With its name, within the photo; `None` where nothing of it is there, or its class stands for nothing.
    fn named(&self, found: Found, names: Option<&[String]>, image: &RgbImage) -> Result<Option<Detection>, ModelError> {
        let (w, h) = (f64::from(image.width()), f64::from(image.height()));
        let [x0, y0, x1, y1] = found.bounds;
        let bounds = [x0.clamp(0.0, w), y0.clamp(0.0, h), x1.clamp(0.0, w), y1.clamp(0.0, h)];
        if !(bounds[0] < bounds[2] && bounds[1] < bounds[3]) {
            return Ok(None);
        }
        let name = names.and_then(|n| n.get(found.class)).ok_or_else(|| {
            let reason =
                format!("its class {} has no name: write the names, one a line, to labels.txt beside it", found.class);
            ModelError::run(self.model.path(), reason)
        })?;
        let label = vocabulary::tidy(name);
        Ok((!label.is_empty()).then_some(Detection { label, score: found.score.min(1.0), bounds }))
    }
}

/// Refuses a file that is no detector, or lacks a file that it needs beside it, without loading it.
pub fn check(path: &Path) -> Result<(), ModelError> {
    known(path, &Signature::read(path)?, &hints(path)?).map(|_| ())
}

/// The family of a file, in the words of `models/catalogue.toml`; `None` where it is no detector.
pub fn identify(path: &Path) -> Result<Option<&'static str>, ModelError> {
    let kind = recognise::recognise(&Signature::read(path)?, &hints(path)?);
    Ok(kind.map(|k| match k.family {
        Family::NanoDet => "nanodet",
        Family::CenterNet => "centernet",
        Family::Yolo => "yolo",
        Family::Yolox => "yolox",
        Family::YoloWorld => "yolo-world",
        Family::Detr => "detr",
        Family::Ssd => "ssd",
        Family::GroundingDino => "grounding-dino",
    }))
}

/// The files besides the model that its results depend on, where they are there.
pub fn files_beside(model: &Path) -> Vec<PathBuf> {
    let files = [labels::file_beside(model), tokens::file_beside(model), inputs::embeddings_beside(model)];
    files.into_iter().flatten().collect()
}

fn known(path: &Path, signature: &Signature, hints: &Hints) -> Result<Known, ModelError> {
    let kind = recognise::recognise(signature, hints)
        .ok_or_else(|| ModelError::file(path, format!("it {signature}; {}", recognise::EXPECTED)))?;
    let mut labels = labels::given(path, signature, kind.layout)?;
    if kind.family == Family::GroundingDino && labels.is_none() {
        labels = Some(vocabulary::words().iter().map(|w| w.name.to_owned()).collect());
    }
    let texts = Texts::of(path, signature, kind.family, labels.as_deref().unwrap_or_default())?;
    Ok(Known { kind, labels, texts })
}
