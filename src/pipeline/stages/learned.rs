//! Models that the user brings: refused before any work, loaded where they are needed, written down once used.

use super::geometry::Measured;
use crate::geometry::dense::{DenseDepth, View, fill_from_priors, metres_per_unit};
use crate::geometry::depth_model::{self, DepthError, Meaning, Photo};
use crate::geometry::sfm::learned::{self, Learned};
use crate::models::{Accelerator, Execution, ModelError, note_of, onnx_files, runtime};
use crate::perception::{label_scores, segmenter};
use crate::pipeline::run::{Bench, RunError};
use crate::pipeline::{Device, RunOptions, cache};
use crate::scene::{Job as _, SparsePoint};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Median relative deviation of frames' scales beyond which the user is told that a metre is uncertain.
const UNCERTAIN: f64 = 0.1;

/// Refuses models that cannot be used, before any work; they are loaded where they are needed.
pub(in crate::pipeline) fn check_models(options: &RunOptions) -> Result<(), RunError> {
    let (features, depth_model) = (options.features.as_deref(), options.depth_model.as_deref());
    features.map(learned::find).transpose()?;
    depth_model.map(depth_model::find).transpose()?;
    options.detector.check()?;
    let found = options.segmenter.as_deref().map(segmenter::check).transpose()?;
    let scores = options.label_scores.as_deref();
    scores.map(label_scores::files).transpose()?;
    let none = features.is_none() && depth_model.is_none() && found.is_none() && scores.is_none();
    if none && options.detector.file().is_none() {
        return Ok(());
    }
    match runtime() {
        Ok(_) => Ok(()),
        // Without ONNX Runtime it is RTen that has to know all operators: better to learn that now than after hours.
        Err(ModelError::NoRuntime { .. }) => {
            let on = execution(options.device);
            features.map(|path| learned::open(path, on)).transpose()?;
            depth_model.map(|path| depth_model::open(path, on)).transpose()?;
            if options.detector.file().is_some() {
                options.detector.open(on)?;
            }
            scores.map(|path| label_scores::load(path, on)).transpose()?;
            if let (Some(path), Some(found)) = (options.segmenter.as_deref(), found) {
                match found.family.takes_text() {
                    true => drop(segmenter::load_text(path, on)?),
                    false => drop(segmenter::load(path, on)?),
                }
            }
            Ok(())
        }
        Err(e) => Err(e.into()),
    }
}

/// A name for the state of a model: its files, and the notes beside them.
pub(super) fn state_of(path: &Path) -> String {
    let files: Vec<PathBuf> =
        if path.is_dir() { onnx_files(path).into_iter().map(|f| f.path).collect() } else { vec![path.to_owned()] };
    let states = files.iter().flat_map(|f| [cache::fingerprint(f), cache::fingerprint(&note_of(f))]);
    blake3::hash(states.collect::<String>().as_bytes()).to_hex().to_string()
}

/// What models run on.
pub(super) fn execution(device: Device) -> Execution {
    let accelerator = match device {
        Device::Auto => Accelerator::Auto,
        Device::Gpu => Accelerator::Gpu,
        Device::Cpu => Accelerator::Cpu,
    };
    Execution { accelerator, threads: rayon::current_num_threads() }
}

/// The learned features that the user asks for.
pub(super) fn features(bench: &Bench) -> Result<Option<Arc<dyn Learned>>, RunError> {
    let path = bench.options.features.as_deref();
    Ok(path.map(|p| learned::open(p, execution(bench.options.device))).transpose()?)
}

/// Writes down which model was used for a role, and what it ran on; warns of why it was not something better.
pub(super) fn used(bench: &mut Bench, role: &str, model: Option<(String, (&str, Option<String>))>) {
    let start = format!("{role}: ");
    bench.meta.models.retain(|m| !m.starts_with(&start));
    let Some((name, (provider, setback))) = model else { return };
    if let Some(setback) = setback {
        bench.job.warn(format!("{name} runs on the {provider}: {setback}"));
    }
    bench.meta.models.push(format!("{start}{name} on {provider}"));
}

/// Fills the holes of `depths` from the depth model that the user asks for. Where its numbers are metres and the scene's
/// are not, it also tells how long a metre is.
pub(super) fn fill_depth(
    bench: &mut Bench,
    posed: &[View],
    points: &[SparsePoint],
    depths: &mut [DenseDepth],
) -> Result<Option<Measured>, RunError> {
    used(bench, "depth", None);
    let Some(path) = bench.options.depth_model.clone() else { return Ok(None) };
    let model = depth_model::open(&path, execution(bench.options.device))?;
    let photos: Vec<Photo> = posed.iter().map(|v| Photo { image: v.image, intrinsics: v.camera.intrinsics }).collect();
    let priors = model.predict(&photos, bench.job).map_err(|e| match e {
        DepthError::Cancelled(e) => RunError::Cancelled(e),
        DepthError::Model(e) => RunError::Model(e),
    })?;
    used(bench, "depth", Some((model.name(), model.provider())));
    let fits = fill_from_priors(posed, points, &priors, depths, bench.options.seed, bench.job)?;
    let fitting = fits.iter().flatten().count();
    bench.figure("depth_model_frames", json!(fitting));
    if fitting < posed.len() {
        bench.job.warn(format!(
            "--depth-model: {} of {} photos have depth by the model that the sparse points do not agree with, and it is left \
             out; if these are all, say what its numbers mean in a note FILE.onnx.toml beside the model (meaning = \"metric\", \
             \"scale\", \"scale and shift\" or \"inverse\")",
            posed.len() - fitting,
            posed.len()
        ));
    }
    let metric = priors.first().is_some_and(|p| p.meaning == Meaning::Metric);
    let Some((metres_per_unit, spread)) = metres_per_unit(&fits).filter(|_| metric) else { return Ok(None) };
    if spread > UNCERTAIN {
        bench.job.warn(format!(
            "--depth-model: the photos do not agree on the length of a metre: half of them are off by {:.0} % or more",
            spread * 100.0
        ));
    }
    bench.figure("metre_spread", json!(super::geometry::round(spread)));
    Ok(Some(Measured { metres_per_unit, by: format!("metric depth model {}", model.name()) }))
}
