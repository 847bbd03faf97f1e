//! Models run by RTen: pure Rust, on the CPU, nothing to install. It knows most operators of ONNX, and reads 64-bit integers
//! and truth values as 32-bit integers.

use super::engine::{Engine, Named, Source};
use super::model::Execution;
use super::{Data, Element, Signature, Tensor};
use rten::{ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView, ValueView};
use rten_tensor::{AsView as _, Layout as _};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What `scene.json` says that a model ran on.
pub(super) const PROVIDER: &str = "CPU (RTen)";

/// A model and the threads that it runs on.
pub(super) struct RtenEngine {
    model: rten::Model,
    threads: Arc<ThreadPool>,
    /// Names, identifiers and declared elements.
    outputs: Vec<(String, NodeId, Element)>,
}

impl RtenEngine {
    /// Loads a model. `Err` is one line: an operator that RTen lacks, or a file that it cannot read.
    pub(super) fn open(source: &Source, signature: &Signature, execution: Execution) -> Result<Self, String> {
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = caught(|| match source {
            Source::Embedded(bytes) => options.load_static_slice(bytes).map_err(|e| e.to_string()),
            Source::File(path) if path.extension().is_some_and(|e| e == "onnx") => {
                options.load_file(path).map_err(|e| e.to_string())
            }
            Source::File(path) => {
                let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
                options.load(bytes).map_err(|e| e.to_string())
            }
        })?;
        let output = |port: &super::Port| {
            let id = model.node_id(&port.name).map_err(|e| super::one_line(&e.to_string()))?;
            Ok((port.name.clone(), id, port.element))
        };
        let outputs = signature.outputs.iter().map(output).collect::<Result<_, String>>()?;
        Ok(Self { model, threads: Arc::new(ThreadPool::with_num_threads(execution.threads.max(1))), outputs })
    }
}

impl Engine for RtenEngine {
    fn run(&self, inputs: &[(&str, Cow<Tensor>)]) -> Result<Vec<Named>, String> {
        caught(|| {
            let text = |e: rten::RunError| e.to_string();
            let mut fed = Vec::with_capacity(inputs.len());
            for (name, tensor) in inputs {
                fed.push((self.model.node_id(name).map_err(text)?, value(tensor)?));
            }
            let ids: Vec<NodeId> = self.outputs.iter().map(|(_, id, _)| *id).collect();
            let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.threads)));
            let values = self.model.run(fed, &ids, Some(options)).map_err(text)?;
            let named = self.outputs.iter().zip(values);
            named.map(|((name, _, element), value)| Ok((name.clone(), read(value, *element)?))).collect()
        })
    }

    fn provider(&self) -> &'static str {
        PROVIDER
    }
}

/// Runs what belongs to RTen; a panic of it is an error like any other.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("it stopped in the middle: {}", text.unwrap_or("no reason given")))
    });
    done.map_err(|e| super::one_line(&e))
}

fn value(tensor: &Tensor) -> Result<ValueOrView<'_>, String> {
    let dims = tensor.dims.as_slice();
    let narrow = |v: &mut dyn Iterator<Item = i32>| Value::from_shape(dims, v.collect::<Vec<i32>>());
    let integer = |v: &i64| i32::try_from(*v).unwrap_or(if *v < 0 { i32::MIN } else { i32::MAX });
    let owned = match &tensor.data {
        Data::F32(v) => return ValueView::from_shape(dims, v.as_slice()).map(Into::into).map_err(|e| e.to_string()),
        Data::U8(v) => return ValueView::from_shape(dims, v.as_slice()).map(Into::into).map_err(|e| e.to_string()),
        Data::I32(v) => return ValueView::from_shape(dims, v.as_slice()).map(Into::into).map_err(|e| e.to_string()),
        Data::I64(v) => narrow(&mut v.iter().map(integer)),
        Data::Bool(v) => narrow(&mut v.iter().map(|b| i32::from(*b))),
        Data::F16(_) => {
            return Value::from_shape(dims, tensor.to_f32().into_owned()).map(Into::into).map_err(|e| e.to_string());
        }
    };
    owned.map(Into::into).map_err(|e| e.to_string())
}

fn read(value: Value, declared: Element) -> Result<Tensor, String> {
    let dims = value.shape().to_vec();
    let data = match value {
        Value::FloatTensor(t) => Data::F32(t.to_vec()),
        Value::Int32Tensor(t) if declared == Element::Bool => Data::Bool(t.iter().map(|v| *v != 0).collect()),
        Value::Int32Tensor(t) => Data::I64(t.iter().map(|v| i64::from(*v)).collect()),
        Value::UInt8Tensor(t) => Data::U8(t.to_vec()),
        other => return Err(format!("it gives numbers of a kind that is not read here: {:?}", other.dtype())),
    };
    Ok(if dims.contains(&0) { Tensor::f32(&dims, Vec::new()) } else { Tensor { dims, data } })
}
