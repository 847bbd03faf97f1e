//! What runs a model: ONNX Runtime where it is found, else RTen.

use super::model::{Accelerator, Execution};
use super::onnx_engine::OnnxEngine;
use super::rten_engine::RtenEngine;
use super::{INSTALL, ModelError, Runtime, Signature, Tensor, runtime};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a model's bytes are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// In a file, with other files beside it where it says so.
    File(PathBuf),
    /// In the program.
    Embedded(&'static [u8]),
}

/// Which runtime may run a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runner {
    /// ONNX Runtime where it is found and takes the model, else RTen.
    Best,
    /// ONNX Runtime.
    #[cfg(test)]
    Onnx,
    /// RTen.
    #[cfg(test)]
    Rten,
}

/// A tensor with the name of its output.
pub(super) type Named = (String, Tensor);

/// One model, loaded by one runtime.
pub(super) trait Engine: Send + Sync {
    /// Runs on inputs that are those of the model's signature, in its order and element types. `Err` is one line.
    fn run(&self, inputs: &[(&str, Cow<Tensor>)]) -> Result<Vec<Named>, String>;

    /// What it runs on, in the words of `scene.json`: `CPU` and the names of providers are ONNX Runtime's.
    fn provider(&self) -> &'static str;

    /// Whether the first run is a trial, after which the CPU may have to take over.
    fn on_gpu(&self) -> bool {
        !self.provider().starts_with("CPU")
    }
}

/// The best engine that takes a model, and why nothing better does.
pub(super) fn open(
    path: &Path,
    source: &Source,
    signature: &Signature,
    execution: Execution,
    by: Runner,
) -> Result<(Arc<dyn Engine>, Vec<String>), ModelError> {
    let rten = || RtenEngine::open(source, signature, execution).map(|e| Arc::new(e) as Arc<dyn Engine>);
    let only_rten = |setbacks| match rten() {
        Ok(engine) => Ok((engine, setbacks)),
        Err(e) => {
            Err(ModelError::file(path, format!("{e} (it was run by RTen, as there is no ONNX Runtime: {INSTALL})")))
        }
    };
    #[cfg(test)]
    if by == Runner::Rten {
        return only_rten(Vec::new());
    }
    let fallback = by == Runner::Best && execution.accelerator != Accelerator::Gpu;
    match runtime() {
        Ok(runtime) => {
            let mut setbacks = Vec::new();
            match by_onnx(source, &runtime, execution, &mut setbacks) {
                Ok(engine) => Ok((engine, setbacks)),
                Err(e) => match rten() {
                    Ok(engine) if fallback => Ok((engine, vec![format!("ONNX Runtime: {e}")])),
                    _ => Err(ModelError::file(path, e)),
                },
            }
        }
        // A library that the user named has to be usable for a model that the user named.
        Err(e @ ModelError::Library { .. }) if matches!(source, Source::File(_)) => Err(e),
        Err(ModelError::Library { reason, .. }) if fallback => only_rten(vec![reason]),
        Err(ModelError::NoRuntime { .. }) if fallback => only_rten(Vec::new()),
        Err(e) => Err(e),
    }
}

/// A session of ONNX Runtime on what is asked for.
fn by_onnx(
    source: &Source,
    runtime: &Runtime,
    execution: Execution,
    setbacks: &mut Vec<String>,
) -> Result<Arc<dyn Engine>, String> {
    if execution.accelerator != Accelerator::Cpu
        && let Some(engine) = OnnxEngine::on_gpu(source, runtime, execution, setbacks)
    {
        return Ok(Arc::new(engine));
    }
    if execution.accelerator == Accelerator::Gpu {
        return Err(no_gpu(runtime, setbacks));
    }
    OnnxEngine::on_cpu(source, runtime, execution).map(|e| Arc::new(e) as Arc<dyn Engine>)
}

/// Why there is no GPU although one is demanded.
pub(super) fn no_gpu(runtime: &Runtime, setbacks: &[String]) -> String {
    match setbacks {
        [] => format!("--device gpu: {} has neither CUDA nor CoreML nor DirectML", runtime.path.display()),
        some => format!("--device gpu: {}", some.join("; ")),
    }
}
