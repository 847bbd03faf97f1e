//! A model that is loaded and can be run.

use super::engine::{self, Engine, Named, Runner, Source};
use super::onnx_engine::OnnxEngine;
use super::{Data, Element, ModelError, Port, Signature, Tensor, runtime};
use half::f16;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What to run models on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The CPU.
    Cpu,
    /// What is there: CUDA, CoreML or DirectML where the library has it and it works, else the CPU.
    Auto,
    /// One of those, or an error.
    Gpu,
}

/// How models are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// On what.
    pub accelerator: Accelerator,
    /// Threads inside an operator, on the CPU; at least 1.
    pub threads: usize,
}

/// A loaded model. It may be used from several threads; runs of ONNX Runtime follow one another, each on all its threads.
pub struct Model {
    path: PathBuf,
    source: Source,
    signature: Signature,
    execution: Execution,
    state: Mutex<State>,
}

struct State {
    engine: Arc<dyn Engine>,
    /// Whether a run has succeeded: a provider is believed only then.
    proven: bool,
    /// Why a better provider is not used.
    setbacks: Vec<String>,
}

/// What a run gave.
pub struct Outputs {
    path: PathBuf,
    list: Vec<Named>,
}

impl Outputs {
    /// The first output that has one of `names`.
    pub fn named(&self, names: &[&str]) -> Option<&Tensor> {
        names.iter().find_map(|name| self.list.iter().find(|(n, _)| n == name).map(|(_, t)| t))
    }

    /// As [`Outputs::named`], and else the output at `position`.
    pub fn named_or(&self, names: &[&str], position: usize) -> Option<&Tensor> {
        self.named(names).or_else(|| self.list.get(position).map(|(_, t)| t))
    }

    /// All outputs, in order.
    pub fn iter(&self) -> impl Iterator<Item = &(String, Tensor)> {
        self.list.iter()
    }

    /// An error that says that what came back is not what was expected.
    pub fn unexpected(&self, wanted: &str) -> ModelError {
        let got: Vec<String> = self.list.iter().map(|(n, t)| format!("{n}{:?}", t.dims)).collect();
        ModelError::run(&self.path, format!("{wanted} was expected, it gave {}", got.join(" ")))
    }
}

impl Model {
    /// Loads a model from a file: by ONNX Runtime where it is found and takes the file, else by RTen. A provider beside the
    /// CPU that the library offers but that does not work is passed over, or an error where one is demanded.
    pub fn load(path: &Path, execution: Execution) -> Result<Self, ModelError> {
        Self::open(path, Source::File(path.to_owned()), execution, Runner::Best)
    }

    /// Loads a model that is in the program. `name` stands for it in messages. A library of ONNX Runtime that cannot be
    /// used is no error here, though one was named: nobody asked for this model by its file.
    pub fn embedded(name: &str, bytes: &'static [u8], execution: Execution) -> Result<Self, ModelError> {
        Self::open(Path::new(name), Source::Embedded(bytes), execution, Runner::Best)
    }

    pub(super) fn open(path: &Path, source: Source, execution: Execution, by: Runner) -> Result<Self, ModelError> {
        let signature = match &source {
            Source::File(path) => Signature::read(path)?,
            Source::Embedded(bytes) => Signature::of_bytes(bytes, path)?,
        };
        let (engine, setbacks) = engine::open(path, &source, &signature, execution, by)?;
        let state = Mutex::new(State { engine, proven: false, setbacks });
        Ok(Self { path: path.to_owned(), source, signature, execution, state })
    }

    /// The file, or the name of what is in the program.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What really runs the model, known for certain after the first run, and why nothing better is used: `CPU` and the
    /// names of providers are ONNX Runtime's, `CPU (RTen)` is RTen.
    pub fn provider(&self) -> (&'static str, Option<String>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.engine.provider(), (!state.setbacks.is_empty()).then(|| state.setbacks.join("; ")))
    }

    /// Runs the model. Of `inputs` those are fed that it declares; floats and integers get the width that it declares.
    /// The first run on a GPU is a trial: if it fails, or gives what is not finite, the CPU takes over.
    pub fn run(&self, inputs: &[(&str, &Tensor)]) -> Result<Outputs, ModelError> {
        let inputs = self.fitted(inputs)?;
        // The lock is not held while the model runs: RTen's threads may take up other work of a caller meanwhile.
        let (engine, proven) = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (Arc::clone(&state.engine), state.proven)
        };
        let mut result = engine.run(&inputs);
        if !proven && engine.on_gpu() {
            let trouble = match &result {
                Ok(list) if list.iter().all(|(_, t)| t.is_finite()) => None,
                Ok(_) => Some("its results are not finite".to_owned()),
                Err(e) => Some(e.clone()),
            };
            if let Some(trouble) = trouble {
                result = self.on_cpu_after(format!("{}: {trouble}", engine.provider()))?.run(&inputs);
            }
        }
        let list = result.map_err(|e| ModelError::run(&self.path, e))?;
        self.state.lock().unwrap_or_else(PoisonError::into_inner).proven = true;
        Ok(Outputs { path: self.path.clone(), list })
    }

    /// The CPU in place of a provider that failed.
    fn on_cpu_after(&self, setback: String) -> Result<Arc<dyn Engine>, ModelError> {
        let runtime = runtime()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.setbacks.push(setback);
        if self.execution.accelerator == Accelerator::Gpu {
            return Err(ModelError::run(&self.path, engine::no_gpu(&runtime, &state.setbacks)));
        }
        let cpu = OnnxEngine::on_cpu(&self.source, &runtime, self.execution);
        state.engine = Arc::new(cpu.map_err(|e| ModelError::run(&self.path, e))?);
        Ok(Arc::clone(&state.engine))
    }

    /// Those inputs that the model declares, in its element types.
    fn fitted<'t>(&self, inputs: &[(&str, &'t Tensor)]) -> Result<Vec<(&str, Cow<'t, Tensor>)>, ModelError> {
        self.signature
            .inputs
            .iter()
            .map(|port| {
                let given = inputs.iter().find(|(name, _)| *name == port.name);
                let (_, tensor) = given.ok_or_else(|| {
                    ModelError::file(&self.path, format!("it wants an input {} that is not known here", port.name))
                })?;
                Ok((port.name.as_str(), fit(port, tensor)))
            })
            .collect()
    }
}

fn fit<'t>(port: &Port, tensor: &'t Tensor) -> Cow<'t, Tensor> {
    let data = match (port.element, &tensor.data) {
        (Element::F16, Data::F32(v)) => Data::F16(v.iter().map(|x| f16::from_f32(*x)).collect()),
        (Element::I32, Data::I64(v)) => Data::I32(v.iter().map(|x| *x as i32).collect()),
        (Element::Bool, Data::I64(v)) => Data::Bool(v.iter().map(|x| *x != 0).collect()),
        (Element::F32, Data::I64(_)) => Data::F32(tensor.to_f32().into_owned()),
        _ => return Cow::Borrowed(tensor),
    };
    Cow::Owned(Tensor { dims: tensor.dims.clone(), data })
}
