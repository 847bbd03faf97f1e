//! Models run by ONNX Runtime.

use super::engine::{Engine, Named, Source};
use super::model::Execution;
use super::{Data, Runtime, Tensor};
use half::f16;
use ort::ep::{self, ExecutionProvider as _, ExecutionProviderDispatch};
use ort::session::builder::{AutoDevicePolicy, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, TensorElementType, TensorRef, ValueType};
use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

/// A session. Runs follow one another, each on all its threads.
pub(super) struct OnnxEngine {
    session: Mutex<Session>,
    provider: &'static str,
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

impl OnnxEngine {
    /// On the first provider beside the CPU that the library has and that takes the model; `None` where there is none.
    /// Why one was passed over is added to `setbacks`.
    pub(super) fn on_gpu(
        source: &Source,
        runtime: &Runtime,
        execution: Execution,
        setbacks: &mut Vec<String>,
    ) -> Option<Self> {
        for (name, available, build) in PROVIDERS {
            if !available().unwrap_or(false) {
                continue;
            }
            match open(source, runtime, execution, Some(build().error_on_failure())) {
                Ok(session) => return Some(Self { session: Mutex::new(session), provider: name }),
                Err(e) => setbacks.push(format!("{name}: {e}")),
            }
        }
        None
    }

    /// On the CPU.
    pub(super) fn on_cpu(source: &Source, runtime: &Runtime, execution: Execution) -> Result<Self, String> {
        open(source, runtime, execution, None).map(|s| Self { session: Mutex::new(s), provider: "CPU" })
    }
}

impl Engine for OnnxEngine {
    fn run(&self, inputs: &[(&str, Cow<Tensor>)]) -> Result<Vec<Named>, String> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        run(&mut session, inputs)
    }

    fn provider(&self) -> &'static str {
        self.provider
    }
}

fn open(
    source: &Source,
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
        match source {
            Source::File(path) => builder.commit_from_file(path),
            Source::Embedded(bytes) => builder.commit_from_memory(bytes),
        }
    };
    open().map_err(|e| super::one_line(&e.to_string()))
}

fn run(session: &mut Session, inputs: &[(&str, Cow<Tensor>)]) -> Result<Vec<Named>, String> {
    let mut run = || -> Result<Vec<Named>, ort::Error> {
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
