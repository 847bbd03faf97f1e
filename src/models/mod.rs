//! Learned models: ONNX files and their signatures, the runtimes that run them (ONNX Runtime where it is found, else RTen,
//! which is in the program), and the preparation of photos that all models share. What a model means is decided where it is
//! used (`geometry::sfm::learned`, `geometry::depth_model`, `perception::detector`); nothing is downloaded.

mod catalogue;
mod engine;
mod folder;
mod library;
mod model;
mod onnx_engine;
mod picture;
mod protobuf;
mod resample;
mod rten_engine;
mod runtime;
mod settings;
mod signature;
mod tensor;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use catalogue::{CATALOGUE, Role, Source, catalogue};
pub use folder::{FoundModel, Hints, foreign_files, hints, models_folder, note_of, onnx_files};
pub use model::{Accelerator, Execution, Model, Outputs};
pub use picture::{IMAGENET_MEAN, IMAGENET_STD, Planes};
pub use resample::Filter;
pub use runtime::{Runtime, runtime};
pub use settings::{Settings, Value};
pub use signature::{Element, Port, Signature};
pub use tensor::{Data, Tensor};

use std::path::{Path, PathBuf};

/// How to get ONNX Runtime.
const INSTALL: &str = "install it (for example `pip install onnxruntime`), or set HOLOSCOPE_ONNXRUNTIME to its library";

/// What can go wrong with a model. Each message is one sentence that names the file.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ModelError {
    /// There is no ONNX Runtime.
    #[error("a model needs ONNX Runtime and none was found ({looked}): {INSTALL}")]
    NoRuntime {
        /// Where it was looked for, and what was wrong with what was there.
        looked: String,
    },
    /// The library cannot be used.
    #[error("{} is not a usable ONNX Runtime library: {reason}", .path.display())]
    Library {
        /// The library.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The model file cannot be used.
    #[error("the model {} cannot be used: {reason}", .path.display())]
    File {
        /// The model.
        path: PathBuf,
        /// Why, and what was expected.
        reason: String,
    },
    /// The model failed at work.
    #[error("the model {} failed: {reason}", .path.display())]
    Run {
        /// The model.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another file that tells of models is wrong.
    #[error("{} line {line}: {reason}", .path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

impl ModelError {
    /// The file cannot be used.
    pub fn file(path: &Path, reason: impl ToString) -> Self {
        Self::File { path: path.to_owned(), reason: one_line(&reason.to_string()) }
    }

    /// The model failed at work.
    pub fn run(path: &Path, reason: impl ToString) -> Self {
        Self::Run { path: path.to_owned(), reason: one_line(&reason.to_string()) }
    }
}

/// The runtime's messages run over several lines and can be very long: the first part, on one line.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 400;
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &joined[..end]),
        None => joined,
    }
}
