//! How well labels fit pieces of photos, by models that know pictures and texts: CLIP and SigLIP 2, from ONNX files that the
//! user brings, as two graphs (one for pictures, one for texts) or as one that does both. Which of them files are is read
//! from their inputs and outputs.
//!
//! A picture is what [`crop`] cuts around a mask: the box of the mask with a margin, what is not of the mask blurred. These
//! models were trained on photos, and a thing cut out on black is none; sharp neighbours would be named in its place. Blur
//! outside of the mask: L. Yang et al., "Fine-Grained Visual Prompting", 2023.

use super::tokenizer::{Kind, Tokenizer};
use crate::models::{Execution, Filter, Model, ModelError, Outputs, Planes, Signature, Tensor, hints, onnx_files};
use crate::scene::Rle;
use image::{RgbImage, imageops};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Margin around the box of a mask, as a part of its longer side.
const MARGIN: f64 = 0.15;
/// Deviation of the blur outside of a mask, as a part of the longer side of what is cut out: light and colour of the
/// surroundings stay, shapes that could be named do not.
const BLUR: f32 = 0.04;
/// Side of the square pictures, where the file leaves it open.
const SIDE: usize = 224;
/// Mean and deviation of CLIP's pictures, red, green, blue.
const CLIP_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];
/// Tokens of a text: at most for CLIP, always for SigLIP 2.
const CLIP_TOKENS: usize = 77;
const SIGLIP_TOKENS: usize = 64;
/// What cosines are multiplied by before they are compared: the largest scale that CLIP's training allows, which its
/// published weights have reached.
const SCALE: f64 = 100.0;

/// The words of `models/catalogue.toml` for these models.
pub const FAMILIES: [&str; 2] = ["clip", "siglip"];

/// What a graph does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A picture to a vector.
    Pictures,
    /// A text to a vector.
    Texts,
    /// Both, and how well they fit.
    Both,
}

impl Part {
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pictures => "picture encoder",
            Self::Texts => "text encoder",
            Self::Both => "pictures and texts",
        }
    }
}

/// The word of `models/catalogue.toml` for a kind of model.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Clip => FAMILIES[0],
        Kind::Gemma => FAMILIES[1],
    }
}

/// What a signature is of: the word of the catalogue and the part; `None` where it is neither CLIP nor SigLIP. Graphs that
/// do both tell by an attention mask, which only CLIP has.
pub fn recognise(signature: &Signature) -> Option<(&'static str, Part)> {
    let takes = |name: &str| signature.input(name).is_some();
    let picture = signature.input("pixel_values").is_some_and(|p| p.dims.len() == 4 && p.element.is_float());
    let texts = takes("input_ids");
    if picture && texts && signature.gives("logits_per_image") {
        let kind = if takes("attention_mask") { Kind::Clip } else { Kind::Gemma };
        return Some((word(kind), Part::Both));
    }
    if picture && signature.inputs.len() == 1 {
        let kind = if signature.gives("image_embeds") { Kind::Clip } else { Kind::Gemma };
        return (kind == Kind::Clip || signature.gives("pooler_output")).then_some((word(kind), Part::Pictures));
    }
    let masked = signature.inputs.len() == 2 && takes("attention_mask");
    if texts && signature.gives("text_embeds") && (signature.inputs.len() == 1 || masked) {
        return Some((word(Kind::Clip), Part::Texts));
    }
    (texts && signature.inputs.len() == 1 && signature.gives("pooler_output"))
        .then_some((word(Kind::Gemma), Part::Texts))
}

const EXPECTED: &str = "expected is CLIP or SigLIP 2: a graph for pictures (pixel_values to image_embeds or pooler_output) and \
                        one for texts (input_ids to text_embeds or pooler_output), or one that does both (to logits_per_image)";

/// The files of a model, not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Files {
    Two { pictures: PathBuf, texts: PathBuf },
    One(PathBuf),
}

fn find(path: &Path) -> Result<Files, ModelError> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let named = (!path.is_dir()).then_some(path);
    let mut parts: Vec<(&'static str, Part, PathBuf)> = Vec::new();
    for file in onnx_files(folder).into_iter().map(|f| f.path) {
        match Signature::read(&file) {
            Ok(signature) => parts.extend(recognise(&signature).map(|(word, part)| (word, part, file))),
            Err(e) if named.is_none() || named == Some(file.as_path()) => return Err(e),
            Err(_) => {}
        }
    }
    if let Some(named) = named {
        let Some((word, part, _)) = parts.iter().find(|p| p.2 == named).cloned() else {
            let signature = Signature::read(named)?;
            return Err(ModelError::file(path, format!("it {signature}; {EXPECTED}")));
        };
        parts.retain(|p| p.0 == word && (p.1 != part || p.2 == named));
        if part == Part::Both {
            return Ok(Files::One(named.to_owned()));
        }
    }
    let of = |part: Part| -> Vec<PathBuf> { parts.iter().filter(|p| p.1 == part).map(|p| p.2.clone()).collect() };
    match (of(Part::Pictures).as_slice(), of(Part::Texts).as_slice(), of(Part::Both).as_slice()) {
        ([pictures], [texts], _) => Ok(Files::Two { pictures: pictures.clone(), texts: texts.clone() }),
        ([], [], [one]) => Ok(Files::One(one.clone())),
        ([], [], []) => Err(ModelError::file(path, format!("no such model is in it; {EXPECTED}"))),
        (pictures, texts, _) => {
            let counts = format!("{} graphs for pictures and {} for texts", pictures.len(), texts.len());
            Err(ModelError::file(path, format!("it holds {counts}: put one of each into a folder")))
        }
    }
}

/// The files of a model that a file is of, with those beside it, or that is in a folder, its tokenizer included; an error
/// says what is missing.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let graphs = match find(path)? {
        Files::Two { pictures, texts } => vec![pictures, texts],
        Files::One(file) => vec![file],
    };
    let tokenizer = graphs.last().map(|file| Tokenizer::find(file)).transpose()?;
    Ok(graphs.into_iter().chain(tokenizer).collect())
}

/// A model that knows pictures and texts.
pub struct LabelScores {
    name: String,
    /// For pictures, or for both.
    pictures: Model,
    texts: Option<Model>,
    tokenizer: Tokenizer,
    /// Unit vectors of labels that were read already.
    known: Mutex<BTreeMap<String, Vec<f64>>>,
}

/// Loads the model in a file, with the files beside it, or in a folder.
pub fn load(path: &Path, execution: Execution) -> Result<LabelScores, ModelError> {
    let (pictures, texts) = match find(path)? {
        Files::Two { pictures, texts } => (pictures, Some(texts)),
        Files::One(file) => (file, None),
    };
    let tokenizer = Tokenizer::beside(texts.as_ref().unwrap_or(&pictures))?;
    let texts = texts.map(|t| Model::load(&t, execution)).transpose()?;
    let name = hints(&pictures)?.name;
    Ok(LabelScores { name, pictures: Model::load(&pictures, execution)?, texts, tokenizer, known: Mutex::default() })
}

impl LabelScores {
    /// Name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it runs on, known for certain once it has run, and why not on something better.
    pub fn provider(&self) -> (&'static str, Option<String>) {
        self.pictures.provider()
    }

    /// How well each label fits each picture, 0..1: `[picture][label]`. Scores of one picture are shares of one (they are
    /// probabilities among these labels), but for SigLIP in one graph, which says for each label by itself how likely it is.
    pub fn scores(&self, crops: &[RgbImage], labels: &[String]) -> Result<Vec<Vec<f64>>, ModelError> {
        if labels.is_empty() {
            return Ok(vec![Vec::new(); crops.len()]);
        }
        let Some(texts) = &self.texts else {
            return crops.iter().map(|crop| self.together(crop, labels)).collect();
        };
        let known: Vec<Vec<f64>> = labels.iter().map(|label| self.text(texts, label)).collect::<Result<_, _>>()?;
        let one = |crop: &RgbImage| {
            let outputs = self.pictures.run(&[("pixel_values", &self.picture(crop))])?;
            let picture = unit(&outputs, &["image_embeds", "pooler_output"])?;
            let fits = |text: &Vec<f64>| SCALE * text.iter().zip(&picture).map(|(a, b)| a * b).sum::<f64>();
            Ok(shares(&known.iter().map(fits).collect::<Vec<_>>()))
        };
        crops.iter().map(one).collect()
    }

    /// One graph: the picture and all labels at once.
    fn together(&self, crop: &RgbImage, labels: &[String]) -> Result<Vec<f64>, ModelError> {
        let rows: Vec<Vec<i64>> = labels.iter().map(|label| self.tokens(label)).collect();
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let pad = self.padding();
        let attention = rows.iter().flat_map(|r| (0..width).map(move |k| i64::from(k < r.len()))).collect();
        let ids = rows.iter().flat_map(|r| r.iter().copied().chain(std::iter::repeat(pad)).take(width)).collect();
        let (ids, attention) = (Tensor::i64(&[rows.len(), width], ids), Tensor::i64(&[rows.len(), width], attention));
        let picture = self.picture(crop);
        let outputs =
            self.pictures.run(&[("pixel_values", &picture), ("input_ids", &ids), ("attention_mask", &attention)])?;
        let wanted = || outputs.unexpected("logits_per_image with a number for each label");
        let logits = outputs.named(&["logits_per_image"]).ok_or_else(wanted)?.to_f32().into_owned();
        if logits.len() != labels.len() || !logits.iter().all(|l| l.is_finite()) {
            return Err(wanted());
        }
        let logits: Vec<f64> = logits.into_iter().map(f64::from).collect();
        Ok(match self.tokenizer.kind() {
            Kind::Clip => shares(&logits),
            Kind::Gemma => logits.iter().map(|l| 1.0 / (1.0 + (-l).exp())).collect(),
        })
    }

    /// The unit vector of a label.
    fn text(&self, model: &Model, label: &str) -> Result<Vec<f64>, ModelError> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(label) {
            return Ok(known.clone());
        }
        let tokens = self.tokens(label);
        let (n, attention) = (tokens.len(), vec![1; tokens.len()]);
        let (tokens, attention) = (Tensor::i64(&[1, n], tokens), Tensor::i64(&[1, n], attention));
        let outputs = model.run(&[("input_ids", &tokens), ("attention_mask", &attention)])?;
        let vector = unit(&outputs, &["text_embeds", "pooler_output"])?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(label.to_owned(), vector.clone());
        Ok(vector)
    }

    /// The tokens of the sentence around a label, as each model was tested by its authors. SigLIP's are always 64.
    fn tokens(&self, label: &str) -> Vec<i64> {
        match self.tokenizer.kind() {
            Kind::Clip => self.tokenizer.encode(&format!("a photo of a {label}."), CLIP_TOKENS),
            Kind::Gemma => {
                let mut tokens = self.tokenizer.encode(&format!("This is a photo of {label}."), SIGLIP_TOKENS);
                tokens.resize(SIGLIP_TOKENS, self.padding());
                tokens
            }
        }
    }

    /// What short texts are filled up with: CLIP's end of text, Gemma's `<pad>`, whose number is 0.
    fn padding(&self) -> i64 {
        match self.tokenizer.kind() {
            Kind::Clip => self.tokenizer.end(),
            Kind::Gemma => 0,
        }
    }

    /// A picture as the model wants it: for CLIP the shorter side to 224 and the middle of it, for SigLIP stretched.
    fn picture(&self, crop: &RgbImage) -> Tensor {
        let port = self.pictures.signature().input("pixel_values");
        let side = port.and_then(|p| p.dims.last().copied().flatten()).unwrap_or(SIDE);
        let planes = match self.tokenizer.kind() {
            Kind::Clip => {
                let (w, h) = (crop.width().max(1) as usize, crop.height().max(1) as usize);
                let other = |long: usize, short: usize| (side * long / short).max(side);
                let (to_w, to_h) = if w < h { (side, other(h, w)) } else { (other(w, h), side) };
                let scaled = Planes::rgb(crop).resized(to_w, to_h, Filter::Bicubic).in_bytes();
                middle(&scaled, side).normalised(CLIP_MEAN, CLIP_STD)
            }
            Kind::Gemma => {
                Planes::rgb(crop).resized(side, side, Filter::Bilinear).in_bytes().normalised([0.5; 3], [0.5; 3])
            }
        };
        Tensor::f32(&[1, 3, side, side], planes.data)
    }
}

/// The middle square of a picture.
fn middle(planes: &Planes, side: usize) -> Planes {
    let (left, top) = ((planes.width - side) / 2, (planes.height - side) / 2);
    let mut data = Vec::with_capacity(planes.channels() * side * side);
    for channel in 0..planes.channels() {
        for y in top..top + side {
            let at = (channel * planes.height + y) * planes.width + left;
            data.extend_from_slice(&planes.data[at..at + side]);
        }
    }
    Planes { width: side, height: side, data }
}

/// An output as a vector of length 1.
fn unit(outputs: &Outputs, names: &[&str]) -> Result<Vec<f64>, ModelError> {
    let wanted = || outputs.unexpected(&format!("{} of finite numbers", names.join(" or ")));
    let vector: Vec<f64> = outputs.named(names).ok_or_else(wanted)?.to_f32().iter().map(|v| f64::from(*v)).collect();
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    if !(length > 0.0 && length.is_finite()) {
        return Err(wanted());
    }
    Ok(vector.into_iter().map(|v| v / length).collect())
}

/// Softmax.
fn shares(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let parts: Vec<f64> = logits.iter().map(|l| (l - most).exp()).collect();
    let sum: f64 = parts.iter().sum();
    parts.into_iter().map(|p| p / sum).collect()
}

/// The box of a mask with a margin, cut out of its photo, what is not of the mask blurred; `None` where the mask has no
/// pixel, or is not of the photo's size.
pub fn crop(photo: &RgbImage, mask: &Rle) -> Option<RgbImage> {
    let [x0, y0, x1, y1] = mask.bounds().filter(|_| (mask.width, mask.height) == photo.dimensions())?;
    let margin = (MARGIN * f64::from((x1 - x0).max(y1 - y0))).round() as u32;
    let (x0, y0) = (x0.saturating_sub(margin), y0.saturating_sub(margin));
    let (x1, y1) = ((x1 + margin).min(photo.width()), (y1 + margin).min(photo.height()));
    let sharp = imageops::crop_imm(photo, x0, y0, x1 - x0, y1 - y0).to_image();
    let mut out = imageops::fast_blur(&sharp, BLUR * sharp.width().max(sharp.height()) as f32);
    let bits = mask.decode();
    let of_mask = |x: u32, y: u32| bits[(y0 + y) as usize * photo.width() as usize + (x0 + x) as usize];
    for (x, y, pixel) in out.enumerate_pixels_mut().filter(|(x, y, _)| of_mask(*x, *y)) {
        *pixel = *sharp.get_pixel(x, y);
    }
    Some(out)
}

#[cfg(test)]
mod tests;
