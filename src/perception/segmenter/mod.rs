//! Larger segmenters, from ONNX files that the user brings: SAM 2, SAM 3's tracker, EfficientSAM and MobileSAM, which
//! answer prompts of points and boxes, and SAM 3 with text, which finds all things of a name. Which of them files are is
//! read from their inputs and outputs, not from their names. Each is two or three graphs: one that looks at a photo, for
//! SAM 3 one that reads a text, and one that makes masks; they lie in one folder.

mod adapter;
mod efficient;
mod mobile;
mod outputs;
mod prompted;
mod recognise;
mod sam2;
#[cfg(test)]
mod tests;
mod text;
mod tracker;

pub use recognise::{Family, Role, recognise};
pub use text::{SegmenterError, TextSegmenter, segment};

use super::prompt::PromptSegmenter;
use super::tokenizer::Tokenizer;
use crate::models::{Execution, Model, ModelError, Signature, hints, onnx_files};
use std::path::{Path, PathBuf};

/// The files of a segmenter, not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub family: Family,
    /// The graph that looks at a photo.
    image: PathBuf,
    /// The graph that reads a text, for families that take texts.
    text: Option<PathBuf>,
    /// The graph that makes masks.
    decoder: PathBuf,
}

const EXPECTED: &str = "expected is the image encoder and the mask decoder of SAM 2, of SAM 3's tracker, of EfficientSAM or \
                        of MobileSAM, or the image encoder, the text encoder and the decoder of SAM 3";

/// Looks at a file and those beside it, or at the files in a folder, without loading them. Of a file the family is that of
/// the file; a folder must hold one family.
pub fn find(path: &Path) -> Result<Found, ModelError> {
    let (files, wanted) = match path.is_dir() {
        true => (onnx_files(path).into_iter().map(|f| f.path).collect(), None),
        false => {
            let signature = Signature::read(path)?;
            let part = recognise(&signature);
            let part = part.ok_or_else(|| ModelError::file(path, format!("it {signature}; {EXPECTED}")))?;
            (beside(path), Some(part))
        }
    };
    let mut parts: Vec<(Family, Role, PathBuf)> = Vec::new();
    for file in files {
        // Of the files beside the one that was named, one that cannot be read is no fault.
        let signature = match Signature::read(&file) {
            Ok(signature) => signature,
            Err(_) if wanted.is_some() => continue,
            Err(e) => return Err(e),
        };
        let Some((family, role)) = recognise(&signature) else { continue };
        let named = wanted.is_some_and(|w| w == (family, role));
        if wanted.is_none_or(|(of, _)| of == family) && (!named || file == path) {
            parts.push((family, role, file));
        }
    }
    assembled(path, parts)
}

/// Whether a file and those beside it are a whole segmenter, its tokenizer included; an error says what is missing.
pub fn check(path: &Path) -> Result<Found, ModelError> {
    let found = find(path)?;
    found.text.as_deref().map(Tokenizer::find).transpose()?;
    Ok(found)
}

/// The one family whose files are all there.
fn assembled(path: &Path, parts: Vec<(Family, Role, PathBuf)>) -> Result<Found, ModelError> {
    let Some(family) = parts.first().map(|p| p.0) else {
        return Err(ModelError::file(path, format!("no file of a segmenter is in it; {EXPECTED}")));
    };
    if let Some((other, ..)) = parts.iter().find(|p| p.0 != family) {
        let names = format!("{} and {}", family.name(), other.name());
        return Err(ModelError::file(path, format!("it holds parts of {names}: name one of the files")));
    }
    let of = |role: Role| {
        let files: Vec<&PathBuf> = parts.iter().filter(|p| p.1 == role).map(|p| &p.2).collect();
        match files.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(ModelError::file(path, format!("the {} of {} is not there", role.name(), family.name()))),
            many => {
                let all = format!("it holds {} times the {} of {}", many.len(), role.name(), family.name());
                Err(ModelError::file(path, format!("{all}: put one of each part into a folder")))
            }
        }
    };
    let text = family.takes_text().then(|| of(Role::Text)).transpose()?;
    Ok(Found { family, image: of(Role::Image)?, text, decoder: of(Role::Decoder)? })
}

/// The ONNX files in the folder of a file.
fn beside(file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut files: Vec<PathBuf> =
        onnx_files(folder).into_iter().map(|f| f.path).filter(|f| f.parent() == Some(folder)).collect();
    files.retain(|f| f.file_name() != file.file_name());
    files.push(file.to_owned());
    files
}

/// Loads a segmenter that takes points and boxes.
pub fn load(path: &Path, execution: Execution) -> Result<Box<dyn PromptSegmenter>, ModelError> {
    let found = find(path)?;
    if found.family.takes_text() {
        return Err(ModelError::file(path, format!("{} takes texts, not points and boxes", found.family.name())));
    }
    let (image, decoder) = (Model::load(&found.image, execution)?, Model::load(&found.decoder, execution)?);
    Ok(Box::new(prompted::Prompted::new(found.family, image, decoder)?))
}

/// Loads a segmenter that takes texts.
pub fn load_text(path: &Path, execution: Execution) -> Result<Box<dyn TextSegmenter>, ModelError> {
    let found = find(path)?;
    let Some(text) = found.text else {
        return Err(ModelError::file(path, format!("{} takes points and boxes, not texts", found.family.name())));
    };
    let load = |path: &Path| Model::load(path, execution);
    Ok(Box::new(text::Sam3::new(found.family, load(&found.image)?, load(&text)?, load(&found.decoder)?)?))
}

/// Name of a segmenter for people: that of its family, and that of its image encoder.
fn name_of(family: Family, image: &Model) -> Result<String, ModelError> {
    Ok(format!("{}, {}", family.name(), hints(image.path())?.name))
}
