//! The tiny models of `tests/make_models.py`, and the runtime that the tests run them with.

use super::engine::{Runner, Source};
use super::{Accelerator, Execution, Model, runtime};
use std::path::{Path, PathBuf};

pub(crate) const CPU: Execution = Execution { accelerator: Accelerator::Cpu, threads: 1 };

pub(crate) fn test_model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

/// Whether models can be run. Where `HOLOSCOPE_ONNXRUNTIME` is set, as `tests/run.sh` does, they must.
pub(crate) fn ready() -> bool {
    match runtime() {
        Ok(_) => true,
        Err(e) => {
            assert!(std::env::var_os("HOLOSCOPE_ONNXRUNTIME").is_none(), "{e}");
            println!("skipped: {e}");
            false
        }
    }
}

/// A model of the tests, run by RTen or by ONNX Runtime.
pub(crate) fn loaded(path: &Path, by_rten: bool) -> Model {
    let by = if by_rten { Runner::Rten } else { Runner::Onnx };
    Model::open(path, Source::File(path.to_owned()), CPU, by).unwrap_or_else(|e| panic!("{e}"))
}
