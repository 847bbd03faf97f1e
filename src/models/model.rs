//! A model that is loaded and can be run.

use super::{Data, Element, ModelError, Port, Runtime, Signature, Tensor, runtime};
use half::f16;
use ort::ep::{self, ExecutionProvider as _, ExecutionProviderDispatch};
use ort::session::builder::{AutoDevicePolicy, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, TensorElementType, TensorRef, ValueType};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

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

/// A loaded model. It may be used from several threads; runs follow one another, each on all its threads.
pub struct Model {
    path: PathBuf,
    signature: Signature,
    execution: Execution,
    state: Mutex<State>,
}

struct State {
    session: Session,
    provider: &'static str,
    /// Whether a run has succeeded: a provider is believed only then.
    proven: bool,
    /// Why a better provider is not used.
    setbacks: Vec<String>,
}

/// What a run gave.
pub struct Outputs {
    path: PathBuf,
    list: Vec<(String, Tensor)>,
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

/// A provider: its name, whether the library has it, and how it is asked for.
type Provider = (&'static str, fn() -> ort::Result<bool>, fn() -> ExecutionProviderDispatch);

/// Providers that are tried before the CPU.
const PROVIDERS: [Provider; 3] = [
    ("CUDA", ep::CUDA::is_available, || ep::CUDA::default().build()),
    ("CoreML", ep::CoreML::is_available, || ep::CoreML::default().build()),
    ("DirectML", ep::DirectML::is_available, || ep::DirectML::default().build()),
];

/// Whether the library offers a provider beside the CPU.
#[cfg(test)]
pub(super) fn any_gpu() -> bool {
    PROVIDERS.iter().any(|(_, available, _)| available().unwrap_or(false))
}

impl Model {
    /// Loads a model. A provider beside the CPU that the library offers but that does not work is passed over, or an
    /// error where one is demanded.
    pub fn load(path: &Path, execution: Execution) -> Result<Self, ModelError> {
        let signature = Signature::read(path)?;
        let runtime = runtime()?;
        let mut setbacks = Vec::new();
        let mut opened = None;
        if execution.accelerator != Accelerator::Cpu {
            for (name, available, build) in PROVIDERS {
                if !available().unwrap_or(false) {
                    continue;
                }
                match open(path, &runtime, execution, Some(build().error_on_failure())) {
                    Ok(session) => {
                        opened = Some((session, name));
                        break;
                    }
                    Err(e) => setbacks.push(format!("{name}: {e}")),
                }
            }
        }
        if opened.is_none() && execution.accelerator == Accelerator::Gpu {
            return Err(ModelError::file(path, no_gpu(&runtime, &setbacks)));
        }
        let (session, provider) = match opened {
            Some(opened) => opened,
            None => (open(path, &runtime, execution, None).map_err(|e| ModelError::file(path, e))?, "CPU"),
        };
        let state = Mutex::new(State { session, provider, proven: false, setbacks });
        Ok(Self { path: path.to_owned(), signature, execution, state })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Name of the provider that really runs the model, known for certain after the first run, and why a better one is
    /// not used.
    pub fn provider(&self) -> (&'static str, Option<String>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.provider, (!state.setbacks.is_empty()).then(|| state.setbacks.join("; ")))
    }

    /// Runs the model. Of `inputs` those are fed that it declares; floats and integers get the width that it declares.
    /// The first run on a GPU is a trial: if it fails, or gives what is not finite, the CPU takes over.
    pub fn run(&self, inputs: &[(&str, &Tensor)]) -> Result<Outputs, ModelError> {
        let inputs = self.fitted(inputs)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let trial = !state.proven && state.provider != "CPU";
        let mut result = run(&mut state.session, &inputs);
        if trial {
            let trouble = match &result {
                Ok(list) if list.iter().all(|(_, t)| t.is_finite()) => None,
                Ok(_) => Some("its results are not finite".to_owned()),
                Err(e) => Some(e.clone()),
            };
            if let Some(trouble) = trouble {
                let setback = format!("{}: {trouble}", state.provider);
                state.setbacks.push(setback);
                let runtime = runtime()?;
                if self.execution.accelerator == Accelerator::Gpu {
                    return Err(ModelError::run(&self.path, no_gpu(&runtime, &state.setbacks)));
                }
                state.session =
                    open(&self.path, &runtime, self.execution, None).map_err(|e| ModelError::run(&self.path, e))?;
                state.provider = "CPU";
                result = run(&mut state.session, &inputs);
            }
        }
        let list = result.map_err(|e| ModelError::run(&self.path, e))?;
        state.proven = true;
        Ok(Outputs { path: self.path.clone(), list })
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

fn no_gpu(runtime: &Runtime, setbacks: &[String]) -> String {
    match setbacks {
        [] => format!("--device gpu: {} has neither CUDA nor CoreML nor DirectML", runtime.path.display()),
        some => format!("--device gpu: {}", some.join("; ")),
    }
}

fn fit<'t>(port: &Port, tensor: &'t Tensor) -> Cow<'t, Tensor> {
    let data = match (port.element, &tensor.data) {
        (Element::F16, Data::F32(v)) => Data::F16(v.iter().map(|x| f16::from_f32(*x)).collect()),
        (Element::I32, Data::I64(v)) => Data::I32(v.iter().map(|x| *x as i32).collect()),
        (Element::F32, Data::I64(_)) => Data::F32(tensor.to_f32().into_owned()),
        _ => return Cow::Borrowed(tensor),
    };
    Cow::Owned(Tensor { dims: tensor.dims.clone(), data })
}

fn open(
    path: &Path,
    runtime: &Runtime,
    execution: Execution,
    provider: Option<ExecutionProviderDispatch>,
) -> Result<Session, String> {
    let open = || -> Result<Session, ort::Error> {
        let mut builder: SessionBuilder = Session::builder(&runtime.environment)?
            .with_auto_device(AutoDevicePolicy::PreferCPU)?
            .with_log_level(ort::logging::LogLevel::Fatal)?
            .with_intra_threads(execution.threads.max(1))?;
        if let Some(provider) = provider {
            builder = builder.with_execution_providers([provider])?;
        }
        builder.commit_from_file(path)
    };
    open().map_err(|e| super::one_line(&e.to_string()))
}

fn run(session: &mut Session, inputs: &[(&str, Cow<Tensor>)]) -> Result<Vec<(String, Tensor)>, String> {
    let mut run = || -> Result<Vec<(String, Tensor)>, ort::Error> {
        let mut fed: Vec<(Cow<str>, SessionInputValue)> = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            fed.push((Cow::Borrowed(*name), view(tensor)?));
        }
        let outputs = session.run(fed)?;
        outputs.iter().map(|(name, value)| Ok((name.to_owned(), read(&value)?))).collect()
    };
    run().map_err(|e| super::one_line(&e.to_string()))
}

fn view(tensor: &Tensor) -> Result<SessionInputValue<'_>, ort::Error> {
    let dims: Vec<i64> = tensor.dims.iter().map(|d| *d as i64).collect();
    Ok(match &tensor.data {
        Data::F32(v) => TensorRef::from_array_view((dims, v.as_slice()))?.into(),
        Data::F16(v) => TensorRef::from_array_view((dims, v.as_slice()))?.into(),
        Data::I64(v) => TensorRef::from_array_view((dims, v.as_slice()))?.into(),
        Data::I32(v) => TensorRef::from_array_view((dims, v.as_slice()))?.into(),
        Data::U8(v) => TensorRef::from_array_view((dims, v.as_slice()))?.into(),
        Data::Bool(v) => TensorRef::from_array_view((dims, v.as_slice()))?.into(),
    })
}

fn read(value: &DynValue) -> Result<Tensor, ort::Error> {
    let ValueType::Tensor { ty, shape, .. } = value.dtype() else {
        return Err(ort::Error::new("it gives something that is not a tensor"));
    };
    let dims: Vec<usize> = shape.iter().map(|d| usize::try_from(*d).unwrap_or(0)).collect();
    if dims.contains(&0) {
        return Ok(Tensor::f32(&dims, Vec::new()));
    }
    let data = match ty {
        TensorElementType::Float32 => Data::F32(value.try_extract_tensor::<f32>()?.1.to_vec()),
        TensorElementType::Float16 => {
            Data::F32(value.try_extract_tensor::<f16>()?.1.iter().map(|x| x.to_f32()).collect())
        }
        TensorElementType::Float64 => {
            Data::F32(value.try_extract_tensor::<f64>()?.1.iter().map(|x| *x as f32).collect())
        }
        TensorElementType::Int64 => Data::I64(value.try_extract_tensor::<i64>()?.1.to_vec()),
        TensorElementType::Int32 => {
            Data::I64(value.try_extract_tensor::<i32>()?.1.iter().map(|x| i64::from(*x)).collect())
        }
        TensorElementType::Uint8 => Data::U8(value.try_extract_tensor::<u8>()?.1.to_vec()),
        TensorElementType::Bool => Data::Bool(value.try_extract_tensor::<bool>()?.1.to_vec()),
        other => return Err(ort::Error::new(format!("it gives numbers of a kind that is not read here: {other:?}"))),
    };
    Ok(Tensor { dims, data })
}
