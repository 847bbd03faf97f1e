//! ONNX Runtime, loaded once a process.

use super::{ModelError, library};
use ort::environment::Environment;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The library in use.
pub struct Runtime {
    /// Where it lies.
    pub path: PathBuf,
    pub(super) environment: Environment,
}

/// Loaded by the first that needs it and kept: a process has one environment.
static LOADED: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);

/// The runtime, loaded if it is not yet. A library that the user names by `HOLOSCOPE_ONNXRUNTIME` (or `ORT_DYLIB_PATH`)
/// is the only one tried; else the first that can be used of those beside the program, in the models folder, in the
/// system's folders and in Python's packages.
pub fn runtime() -> Result<Arc<Runtime>, ModelError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*loaded {
        return Ok(Arc::clone(runtime));
    }
    let runtime = Arc::new(find()?);
    *loaded = Some(Arc::clone(&runtime));
    Ok(runtime)
}

fn find() -> Result<Runtime, ModelError> {
    let places = library::places(super::models_folder().as_deref());
    if let Some((variable, path)) = places.named {
        return load(&path).map_err(|reason| ModelError::Library { path, reason: format!("{variable}: {reason}") });
    }
    let mut looked = Vec::new();
    for path in places.found {
        match load(&path) {
            Ok(runtime) => return Ok(runtime),
            Err(reason) => looked.push(format!("{}: {reason}", path.display())),
        }
    }
    let nothing = "looked beside the program, in the models folder, in the system's folders and in Python's packages";
    Err(ModelError::NoRuntime { looked: if looked.is_empty() { nothing.into() } else { looked.join("; ") } })
}

fn load(path: &Path) -> Result<Runtime, String> {
    library::check(path)?;
    let builder = ort::init_from(path).map_err(|e| match e {
        ort::LoadDynamicError::Dlopen { error, .. } => super::one_line(&error.to_string()),
        ort::LoadDynamicError::MissingApi { .. } => "it is a library, but not ONNX Runtime".into(),
        ort::LoadDynamicError::InvalidVersionString => "it does not tell its version".into(),
        ort::LoadDynamicError::BadVersion { version_str, .. } => {
            format!("it is version {version_str}, and 1.{} or later is needed", ort::MINOR_VERSION)
        }
    })?;
    let environment =
        builder.with_name("holoscope").with_telemetry(false).build().map_err(|e| super::one_line(&e.to_string()))?;
    environment.set_log_level(ort::logging::LogLevel::Fatal);
    Ok(Runtime { path: path.to_owned(), environment })
}
