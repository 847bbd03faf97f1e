//! SAM 3 with text: all things of a name in a photo.
//!
//! A photo is looked at once and a text read once; each pair of them is a run of the decoder. The prompt of a box that the
//! decoder also takes is left empty.

use super::outputs::{Candidates, only, sigmoid};
use super::recognise::Family;
use super::{adapter, name_of};
use crate::models::{Data, Element, Filter, Model, ModelError, Outputs, Port, Tensor};
use crate::perception::View;
use crate::perception::tokenizer::Tokenizer;
use crate::scene::{Cancelled, FrameMasks, Job, Mask2d, Rle};
use image::RgbImage;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Side of the square photos, where the file leaves it open.
const SIDE: usize = 1008;
/// Tokens of a text, where the file leaves it open.
const TOKENS: usize = 32;
/// Least score of a mask that is kept: that of the model's authors.
const LEAST_SCORE: f64 = 0.5;
/// Intersection over union beyond which two masks of one name are one thing found twice: as the model's authors do.
const SAME: f64 = 0.7;
/// Label of a box that is none, in the exports for usls.
const NO_BOX: i64 = -10;

/// Why there are no masks.
#[derive(Debug, thiserror::Error)]
pub enum SegmenterError {
    /// By the user.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// What a segmenter has seen in a photo.
pub struct Seen {
    features: Vec<(String, Tensor)>,
    /// Width and height of the photo.
    size: (u32, u32),
}

/// A segmenter that finds things by their names.
pub trait TextSegmenter: Send + Sync {
    /// Name for people.
    fn name(&self) -> String;

    /// What it runs on, known for certain once it has run, and why not on something better.
    fn provider(&self) -> (&'static str, Option<String>);

    /// Looks at a photo: the slow part, once a photo.
    fn look(&self, photo: &RgbImage) -> Result<Seen, ModelError>;

    /// All things of a name in a photo, best first; instance ids are 0.
    fn find(&self, seen: &Seen, label: &str) -> Result<Vec<Mask2d>, ModelError>;

    /// All things of several names in a photo, name after name.
    fn masks(&self, view: &View, labels: &[String]) -> Result<Vec<Mask2d>, ModelError> {
        let seen = self.look(view.image)?;
        let found: Vec<Vec<Mask2d>> = labels.iter().map(|l| self.find(&seen, l)).collect::<Result<_, _>>()?;
        Ok(found.concat())
    }
}

/// The things of several names in all photos.
pub fn segment(
    segmenter: &dyn TextSegmenter,
    views: &[View],
    labels: &[String],
    job: &dyn Job,
) -> Result<Vec<FrameMasks>, SegmenterError> {
    let steps = labels.len() + 1;
    let mut out = Vec::with_capacity(views.len());
    for (k, view) in views.iter().enumerate() {
        job.tick(k * steps, views.len() * steps)?;
        let seen = segmenter.look(view.image)?;
        let mut masks = Vec::new();
        for (j, label) in labels.iter().enumerate() {
            job.tick(k * steps + j + 1, views.len() * steps)?;
            masks.extend(segmenter.find(&seen, label)?);
        }
        let (width, height) = view.image.dimensions();
        out.push(FrameMasks { image: view.name.into(), width, height, masks });
    }
    job.tick(views.len() * steps, views.len() * steps)?;
    Ok(out)
}

/// A text as the decoder takes it, under the decoder's names.
type Text = Arc<Vec<(&'static str, Tensor)>>;

/// SAM 3 in three graphs.
pub(super) struct Sam3 {
    name: String,
    family: Family,
    image: Model,
    text: Model,
    decoder: Model,
    tokenizer: Tokenizer,
    /// Texts that were read already.
    texts: Mutex<BTreeMap<String, Text>>,
}

impl Sam3 {
    pub(super) fn new(family: Family, image: Model, text: Model, decoder: Model) -> Result<Self, ModelError> {
        let tokenizer = Tokenizer::beside(text.path())?;
        Ok(Self { name: name_of(family, &image)?, family, image, text, decoder, tokenizer, texts: Mutex::default() })
    }

    /// The tokens of a label and which of them count. The exports for usls are padded with the token of the end, the
    /// others with zeros.
    fn read(&self, label: &str) -> Result<Text, ModelError> {
        if let Some(text) = self.texts.lock().unwrap_or_else(PoisonError::into_inner).get(label) {
            return Ok(Arc::clone(text));
        }
        let port = self.text.signature().inputs.first();
        let longest = port.and_then(|p| p.dims.last().copied().flatten()).unwrap_or(TOKENS);
        let mut tokens = self.tokenizer.encode(label, longest);
        let count = tokens.len();
        let usls = self.family == Family::Sam3Usls;
        tokens.resize(longest, if usls { self.tokenizer.end() } else { 0 });
        let attention = (0..longest).map(|k| i64::from(k < count)).collect();
        let (tokens, attention) = (Tensor::i64(&[1, longest], tokens), Tensor::i64(&[1, longest], attention));
        let outputs = self.text.run(&[("input_ids", &tokens), ("tokens", &tokens), ("attention_mask", &attention)])?;
        let names: &[(&str, &'static str)] = match usls {
            true => &[("text_features", "text_features"), ("text_mask", "text_mask")],
            false => &[
                ("text_attention_mask", "language_mask"),
                ("text_memory", "language_features"),
                ("text_embeds", "language_embeds"),
            ],
        };
        let known = names.iter().filter_map(|(from, to)| Some((*to, outputs.named(&[from])?.clone())));
        let text = Arc::new(known.collect::<Vec<_>>());
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).insert(label.to_owned(), Arc::clone(&text));
        Ok(text)
    }

    /// The decoder's inputs that stand for no box, and the size of the photo.
    fn rest(&self, (width, height): (u32, u32)) -> Vec<(&'static str, Tensor)> {
        if self.family == Family::Sam3Usls {
            let boxes = Tensor::f32(&[1, 1, 4], vec![0.0; 4]);
            return vec![("input_boxes", boxes), ("input_boxes_labels", Tensor::i64(&[1, 1], vec![NO_BOX]))];
        }
        // Some decoders are cut for a fixed number of boxes; all are said to be none.
        let port = self.decoder.signature().input("box_coords");
        let n = port.and_then(|p| p.dims.first().copied().flatten()).unwrap_or(1);
        let none = Tensor { dims: vec![1, n], data: Data::Bool(vec![true; n]) };
        vec![
            ("box_coords", Tensor::f32(&[n, 1, 4], vec![0.0; 4 * n])),
            ("box_labels", Tensor::i64(&[n, 1], vec![1; n])),
            ("box_masks", none),
            ("original_height", Tensor::i64(&[], vec![i64::from(height)])),
            ("original_width", Tensor::i64(&[], vec![i64::from(width)])),
        ]
    }
}

/// The photo as an image encoder wants it: a square of values in -1..1, or bytes where the graph normalises them itself.
/// The filter is that of each export's own program.
fn shown(family: Family, port: Option<&Port>, photo: &RgbImage) -> Tensor {
    let axis = |from_end: usize| port.and_then(|p| p.dims.iter().rev().nth(from_end).copied().flatten());
    let size = (axis(0).unwrap_or(SIDE), axis(1).unwrap_or(SIDE));
    let in_bytes = port.is_some_and(|p| p.element == Element::U8);
    let filter = match (family, in_bytes) {
        (Family::Sam3Usls, _) => Filter::Bilinear,
        (_, true) => Filter::Bicubic,
        (_, false) => Filter::Linear,
    };
    let (planes, _) = adapter::stretched(photo, size, filter);
    let flat = port.is_some_and(|p| p.dims.len() == 3);
    let mut tensor = if in_bytes { adapter::bytes(&planes) } else { adapter::batch(adapter::around_zero(planes)) };
    match (flat, tensor.dims.len()) {
        (true, 4) => drop(tensor.dims.remove(0)),
        (false, 3) => tensor.dims.insert(0, 1),
        _ => {}
    }
    tensor
}

impl TextSegmenter for Sam3 {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn provider(&self) -> (&'static str, Option<String>) {
        self.image.provider()
    }

    fn look(&self, photo: &RgbImage) -> Result<Seen, ModelError> {
        let port = self.image.signature().inputs.first();
        let tensor = shown(self.family, port, photo);
        let features = self.image.run(&[(port.map_or("", |p| p.name.as_str()), &tensor)])?;
        Ok(Seen { features: features.iter().cloned().collect(), size: photo.dimensions() })
    }

    fn find(&self, seen: &Seen, label: &str) -> Result<Vec<Mask2d>, ModelError> {
        let (text, rest) = (self.read(label)?, self.rest(seen.size));
        let mut inputs: Vec<(&str, &Tensor)> = seen.features.iter().map(|(name, t)| (name.as_str(), t)).collect();
        inputs.extend(text.iter().chain(&rest).map(|(name, t)| (*name, t)));
        let outputs = self.decoder.run(&inputs)?;
        let mut found = match self.family {
            Family::Sam3Usls => usls(&outputs, seen.size)?,
            _ => original(&outputs, seen.size)?,
        };
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut kept: Vec<Mask2d> = Vec::new();
        for (score, segmentation) in found {
            if kept.iter().all(|k| iou(&k.segmentation, &segmentation) <= SAME) {
                kept.push(Mask2d { instance_id: 0, label: label.to_owned(), score: score.min(1.0), segmentation });
            }
        }
        Ok(kept)
    }
}

/// Masks with their scores: logits of queries, weighed by whether there is such a thing in the photo at all.
fn usls(outputs: &Outputs, size: (u32, u32)) -> Result<Vec<(f64, Rle)>, ModelError> {
    let candidates = Candidates::read(outputs, "pred_masks", "pred_logits")?;
    let presence = outputs.named(&["presence_logits"]).and_then(only).map_or(1.0, sigmoid);
    Ok(kept(&candidates, size, 0.0, |logit| sigmoid(logit) * presence))
}

/// Masks with their scores: probabilities, or truth values at the size of the photo.
fn original(outputs: &Outputs, size: (u32, u32)) -> Result<Vec<(f64, Rle)>, ModelError> {
    if outputs.named(&["scores"]).is_some_and(Tensor::is_empty) {
        return Ok(Vec::new());
    }
    Ok(kept(&Candidates::read(outputs, "masks", "scores")?, size, 0.5, f64::from))
}

fn kept(found: &Candidates, size: (u32, u32), threshold: f32, score: impl Fn(f32) -> f64) -> Vec<(f64, Rle)> {
    let good = (0..found.len()).map(|k| (k, score(found.scores[k]))).filter(|(_, s)| *s > LEAST_SCORE);
    let masks = good.map(|(k, s)| (s, found.mask(k, size, threshold)));
    masks.filter(|(_, mask)| mask.area() > 0).collect()
}

/// Intersection over union of two masks of one size.
fn iou(a: &Rle, b: &Rle) -> f64 {
    let (mut both, mut either) = (0u32, 0u32);
    for (a, b) in a.decode().into_iter().zip(b.decode()) {
        both += u32::from(a && b);
        either += u32::from(a || b);
    }
    f64::from(both) / f64::from(either.max(1))
}
