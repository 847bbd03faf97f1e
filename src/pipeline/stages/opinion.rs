//! `--label-scores`: a model that knows pictures and texts has a say in what things are called.

use super::learned::execution;
use crate::instances::OpinionOptions;
use crate::perception::label_scores::{self, LabelScores};
use crate::pipeline::run::{Bench, RunError};
use crate::pipeline::{RunOptions, cache};
use serde_json::{Value, json};

/// What the names of instances depend on: the files of the model, its tokenizer among them, and how much it is believed;
/// null without a model.
pub(super) fn opinion_state(options: &RunOptions) -> Result<Value, RunError> {
    let Some(path) = &options.label_scores else { return Ok(Value::Null) };
    let files: Vec<String> = label_scores::files(path)?.iter().map(|f| cache::fingerprint(f)).collect();
    Ok(json!({ "model": path, "files": files, "options": OpinionOptions::default() }))
}

/// The model of `--label-scores`.
pub(super) fn label_scores(bench: &Bench) -> Result<Option<LabelScores>, RunError> {
    let path = bench.options.label_scores.as_deref();
    Ok(path.map(|p| label_scores::load(p, execution(bench.options.device))).transpose()?)
}
