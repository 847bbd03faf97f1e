//! Model files on this machine, and what is known of them beside their signature.

use super::{ModelError, Settings};
use std::path::{Path, PathBuf};

/// How deep model files are sought below the models folder: `NAME/onnx/model.onnx` is found.
const DEPTH: usize = 3;

/// An ONNX file in the models folder.
#[derive(Clone, Debug)]
pub struct FoundModel {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes, without weights that lie beside it.
    pub bytes: u64,
}

/// What the name of a model or a note beside it says: a signature does not tell everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Name of the model for people: from the note, else from its path.
    pub name: String,
    /// What its output means, where the note says it: `metric`, `scale`, `scale and shift`, or `inverse`.
    pub meaning: Option<String>,
    /// Which family it is of, where the note says it.
    pub family: Option<String>,
    /// Whether the note says that the graph itself normalises the photo.
    pub normalised_in_graph: bool,
}

impl Hints {
    /// Whether name or family, in lower case, have any of `words` in them.
    pub fn say(&self, words: &[&str]) -> bool {
        let text = format!("{} {}", self.name, self.family.as_deref().unwrap_or_default()).to_lowercase();
        words.iter().any(|w| text.contains(w))
    }
}

/// Where models are kept: `HOLOSCOPE_MODELS`, else the user's data folder (`~/.local/share/holoscope/models` on Linux),
/// else, where that is not there but one beside the program is, that one.
pub fn models_folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("HOLOSCOPE_MODELS").filter(|v| !v.is_empty()) {
        return Some(named.into());
    }
    let own = directories::ProjectDirs::from("", "", "holoscope").map(|d| d.data_dir().join("models"));
    let beside = std::env::current_exe().ok().and_then(|e| e.parent().map(|p| p.join("models")));
    match (&own, beside.filter(|b| b.is_dir())) {
        (Some(folder), Some(beside)) if !folder.is_dir() => Some(beside),
        (None, beside) => beside,
        _ => own,
    }
}

/// Endings of files that hold weights, or will, and that cannot be run.
const FOREIGN: [&str; 18] = [
    "pt",
    "pth",
    "ckpt",
    "safetensors",
    "bin",
    "gguf",
    "tflite",
    "pb",
    "h5",
    "engine",
    "mlmodel",
    "zip",
    "gz",
    "tar",
    "7z",
    "part",
    "crdownload",
    "download",
];

/// The ONNX files below a folder, by path.
pub fn onnx_files(folder: &Path) -> Vec<FoundModel> {
    files_ending(folder, &["onnx"])
}

/// Files below a folder that look as if they were models, by path, but are not in the ONNX format.
pub fn foreign_files(folder: &Path) -> Vec<FoundModel> {
    files_ending(folder, &FOREIGN)
}

fn files_ending(folder: &Path, endings: &[&str]) -> Vec<FoundModel> {
    fn walk(folder: &Path, depth: usize, endings: &[&str], out: &mut Vec<FoundModel>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && depth > 0 {
                walk(&path, depth - 1, endings, out);
            } else if path.extension().is_some_and(|e| endings.iter().any(|known| e == *known)) {
                out.push(FoundModel { bytes: std::fs::metadata(&path).map_or(0, |m| m.len()), path });
            }
        }
    }
    let mut out = Vec::new();
    walk(folder, DEPTH, endings, &mut out);
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

/// Where the note beside a model is: `FILE.onnx.toml`.
pub fn note_of(model: &Path) -> PathBuf {
    PathBuf::from(format!("{}.toml", model.display()))
}

/// Reads the note `FILE.onnx.toml` beside a model, if there is one: keys `name`, `meaning`, `family`,
/// `normalised_in_graph`. Without a note the name is that of the file, or, where the file is called `model`, as on
/// Hugging Face, that of its folder.
pub fn hints(model: &Path) -> Result<Hints, ModelError> {
    let note = note_of(model);
    let mut hints = Hints { name: name_of(model), ..Hints::default() };
    if !note.is_file() {
        return Ok(hints);
    }
    let text = std::fs::read_to_string(&note).map_err(|e| ModelError::file(&note, e))?;
    for table in Settings::parse(&text, &note)? {
        hints.name = table.text("name").map_or(hints.name, str::to_owned);
        hints.meaning = table.text("meaning").map_or(hints.meaning, |m| Some(m.to_owned()));
        hints.family = table.text("family").map_or(hints.family, |f| Some(f.to_owned()));
        hints.normalised_in_graph |= table.is("normalised_in_graph");
    }
    match hints.meaning.as_deref() {
        None | Some("metric" | "scale" | "scale and shift" | "inverse") => Ok(hints),
        Some(other) => {
            let reason = format!("meaning = {other:?} is none of metric, scale, scale and shift, inverse");
            Err(ModelError::file(&note, reason))
        }
    }
}

fn name_of(model: &Path) -> String {
    let stem = model.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    if !stem.to_lowercase().starts_with("model") {
        return stem;
    }
    let folders = model.ancestors().skip(1).filter_map(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    folders.into_iter().find(|n| n != "onnx" && n != "models").map_or(stem.clone(), |folder| format!("{folder}/{stem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_file_or_of_its_folder_and_a_note_wins() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("depth-anything-v2-small/onnx/model_fp16.onnx");
        std::fs::create_dir_all(model.parent().unwrap()).unwrap();
        std::fs::write(&model, b"x").unwrap();
        assert_eq!(hints(&model).unwrap().name, "depth-anything-v2-small/model_fp16");
        assert_eq!(hints(Path::new("/a/xfeat.onnx")).unwrap().name, "xfeat");
        let note = dir.path().join("depth-anything-v2-small/onnx/model_fp16.onnx.toml");
        std::fs::write(&note, "name = \"Mine\"\nmeaning = \"metric\"\nnormalised_in_graph = true\n").unwrap();
        let found = hints(&model).unwrap();
        assert_eq!((found.name.as_str(), found.meaning.as_deref()), ("Mine", Some("metric")));
        assert!(found.normalised_in_graph);
        std::fs::write(&note, "meaning = \"metres\"\n").unwrap();
        assert!(hints(&model).unwrap_err().to_string().contains("model_fp16.onnx.toml"));
        let listed = onnx_files(dir.path());
        assert_eq!(listed.iter().map(|m| m.path.clone()).collect::<Vec<_>>(), [model]);
    }
}
