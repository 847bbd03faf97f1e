//! What models take besides the photo: its size, masks of it, and what to look for.

use super::prepare::Shown;
use super::recognise::{Family, embeddings, named, picture};
use super::tokens::{MOST, Prompt, WordPiece};
use crate::input::npy;
use crate::models::{Data, Model, ModelError, Outputs, Port, Signature, Tensor};
use std::path::{Path, PathBuf};

/// What a model is to look for.
pub(super) enum Texts {
    /// It is in the model.
    Within,
    /// Phrases as tokens.
    Prompts(WordPiece, Vec<Prompt>),
    /// An embedding a class, `[1, N, D]`.
    Embeddings(Tensor),
}

/// The file of embeddings beside a model: `STEM.embeddings.npy`, else `embeddings.npy`.
pub(super) fn embeddings_beside(model: &Path) -> Option<PathBuf> {
    let files = [model.with_extension("embeddings.npy"), model.with_file_name("embeddings.npy")];
    files.into_iter().find(|p| p.is_file())
}

impl Texts {
    pub(super) fn of(
        path: &Path,
        signature: &Signature,
        family: Family,
        labels: &[String],
    ) -> Result<Self, ModelError> {
        match family {
            Family::GroundingDino => {
                let words = WordPiece::beside(path)?;
                let port = named(&signature.inputs, &["input_ids"]);
                let most = port.and_then(|p| p.dims.get(1).copied().flatten()).unwrap_or(MOST);
                let prompts = words.prompts(labels, most);
                if prompts.is_empty() {
                    return Err(ModelError::file(
                        path,
                        format!("none of its labels fits into a prompt of {most} tokens"),
                    ));
                }
                Ok(Self::Prompts(words, prompts))
            }
            Family::YoloWorld => read_embeddings(path, signature, labels.len()).map(Self::Embeddings),
            _ => Ok(Self::Within),
        }
    }

    /// One run of the model for each; no prompt where the model reads no text.
    pub(super) fn prompts(&self) -> Vec<Option<&Prompt>> {
        match self {
            Self::Prompts(_, prompts) => prompts.iter().map(Some).collect(),
            _ => vec![None],
        }
    }
}

/// The embeddings beside a model, one row a label, each brought to unit length as CLIP's are for YOLO-World.
fn read_embeddings(path: &Path, signature: &Signature, labels: usize) -> Result<Tensor, ModelError> {
    let file = embeddings_beside(path).filter(|_| labels > 0).ok_or_else(|| {
        ModelError::file(
            path,
            "its classes are an input: put labels.txt, one name a line, and embeddings.npy, one row of CLIP's text embedding \
             a name, beside it",
        )
    })?;
    let bytes = std::fs::read(&file).map_err(|e| ModelError::file(&file, e))?;
    let array = npy::parse(&bytes).map_err(|e| ModelError::file(&file, e))?;
    let wide = embeddings(signature).and_then(|p| p.dims.last().copied().flatten());
    let [.., rows, columns] = array.shape.as_slice() else {
        return Err(ModelError::file(&file, "a table of two dimensions was expected"));
    };
    if *rows != labels || array.values.len() != rows * columns || wide.is_some_and(|w| w != *columns) || *columns == 0 {
        let wanted = wide.map_or(String::new(), |w| format!(" of {w}"));
        let reason = format!("{labels} rows{wanted} were expected, one a label, and it has {rows} of {columns}");
        return Err(ModelError::file(&file, reason));
    }
    let unit = |row: &[f64]| {
        let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter().map(|v| if length > 0.0 { (v / length) as f32 } else { 0.0 }).collect::<Vec<f32>>()
    };
    Ok(Tensor::f32(&[1, *rows, *columns], array.values.chunks_exact(*columns).flat_map(unit).collect()))
}

/// Runs a model on a photo, and on what else it takes.
pub(super) fn run(model: &Model, shown: &Shown, texts: &Texts, prompt: Option<&Prompt>) -> Result<Outputs, ModelError> {
    let signature = model.signature();
    let photo = picture(signature).map(|p| p.name.as_str());
    let text = embeddings(signature).map(|p| p.name.as_str());
    let others: Vec<(&str, Tensor)> =
        signature.inputs.iter().filter_map(|p| Some((p.name.as_str(), other(p, shown, texts, prompt)?))).collect();
    let mut fed: Vec<(&str, &Tensor)> = others.iter().map(|(name, tensor)| (*name, tensor)).collect();
    fed.extend(photo.map(|name| (name, &shown.tensor)));
    if let (Some(name), Texts::Embeddings(tensor)) = (text, texts) {
        fed.push((name, tensor));
    }
    model.run(&fed)
}

/// What an input that is no photo is fed.
fn other(port: &Port, shown: &Shown, texts: &Texts, prompt: Option<&Prompt>) -> Option<Tensor> {
    let [w, h] = shown.canvas;
    let size = |k: usize, own: usize| port.dims.get(k).copied().flatten().unwrap_or(own);
    match port.name.as_str() {
        "orig_target_sizes" => return Some(Tensor::i64(&[1, 2], vec![w as i64, h as i64])),
        "pixel_mask" => {
            let (h, w) = (size(1, h), size(2, w));
            return Some(Tensor::i64(&[1, h, w], vec![1; h * w]));
        }
        _ => {}
    }
    let (Texts::Prompts(words, _), Some(prompt)) = (texts, prompt) else { return None };
    let used = prompt.ids.len();
    let length = size(1, used).max(used);
    let padded = |mut row: Vec<i64>| {
        row.resize(length, 0);
        Some(Tensor::i64(&[1, length], row))
    };
    match port.name.as_str() {
        "input_ids" => padded(prompt.ids.clone()),
        "attention_mask" => padded(vec![1; used]),
        "token_type_ids" => padded(Vec::new()),
        "position_ids" => padded(words.phrases_apart(&prompt.ids).1),
        "text_token_mask" => {
            let seen = words.phrases_apart(&prompt.ids).0;
            let mut whole = vec![false; length * length];
            for row in 0..length {
                match seen.get(row * used..(row + 1) * used) {
                    Some(seen) if row < used => whole[row * length..row * length + used].copy_from_slice(seen),
                    _ => whole[row * length + row] = true,
                }
            }
            Some(Tensor { dims: vec![1, length, length], data: Data::Bool(whole) })
        }
        _ => None,
    }
}
