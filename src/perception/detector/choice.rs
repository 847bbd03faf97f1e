//! Which detector a run uses.

use super::{Detector, check, files_beside};
use crate::models::{Execution, ModelError};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

/// What `--detector` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorChoice {
    /// The one in the program.
    #[default]
    Bundled,
    /// None: things have no names.
    None,
    /// An ONNX file.
    File(PathBuf),
}

impl FromStr for DetectorChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "bundled" => Self::Bundled,
            "none" => Self::None,
            file => Self::File(file.into()),
        })
    }
}

impl DetectorChoice {
    /// The file that is named.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Bundled | Self::None => None,
        }
    }

    /// Refuses a file that is no detector, or lacks a file that it needs beside it, without loading it.
    pub fn check(&self) -> Result<(), ModelError> {
        self.file().map_or(Ok(()), |path| check(path))
    }

    /// The detector, loaded; `None` where none is wanted.
    pub fn open(&self, execution: Execution) -> Result<Option<Detector>, ModelError> {
        match self {
            Self::Bundled => Detector::bundled(execution).map(Some),
            Self::None => Ok(None),
            Self::File(path) => Detector::load(path, execution).map(Some),
        }
    }

    /// The files that its results depend on.
    pub fn files(&self) -> Vec<PathBuf> {
        let with_others = |path: &PathBuf| [vec![path.clone()], files_beside(path)].concat();
        self.file().map_or_else(Vec::new, with_others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_command_line() {
        assert_eq!("none".parse(), Ok(DetectorChoice::None));
        assert_eq!("bundled".parse(), Ok(DetectorChoice::default()));
        assert_eq!("a/none".parse(), Ok(DetectorChoice::File("a/none".into())));
        let choice = DetectorChoice::File("yolo.onnx".into());
        let text = serde_json::to_string(&choice).unwrap();
        assert_eq!((text.as_str(), serde_json::from_str(&text).unwrap()), (r#"{"file":"yolo.onnx"}"#, choice));
    }
}
