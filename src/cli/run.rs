//! `holoscope run`: the pipeline without a window.

use super::Print;
use super::progress::Progress;
use anyhow::{Result, bail};
use holoscope::pipeline::{Message, Pipeline, RunOptions, Stage};
use holoscope::scene::folder::SceneFolder;
use serde_json::json;
use std::path::Path;

/// Runs the pipeline and prints where the scene is and what is in it.
pub(super) fn run(input: &Path, out: &Path, options: &RunOptions, print: Print) -> Result<()> {
    watch(&Pipeline::start(input.to_owned(), out.to_owned(), options.clone(), || {}), print)?;
    summary(out, print)
}

/// Shows a run until it ends.
fn watch(pipeline: &Pipeline, print: Print) -> Result<()> {
    let mut progress = Progress::new(print.quiet);
    for message in &pipeline.messages {
        match message {
            Message::StageStarted(stage) => progress.started(stage),
            Message::StageProgressed { stage, done, total } => progress.progressed(stage, done, total),
            Message::StageFinished { stage, seconds, reused } => progress.finished(stage, seconds, reused),
            Message::Warned(text) => progress.warned(&text),
            Message::Updated => {}
            Message::Finished => return Ok(()),
            Message::Cancelled => bail!("cancelled; finished stages are kept"),
            Message::StageFailed { error, .. } => bail!(error),
        }
    }
    bail!("the pipeline stopped without a word")
}

/// What came out, in a few lines or as JSON.
pub(super) fn summary(out: &Path, print: Print) -> Result<()> {
    let folder = SceneFolder::open(out)?;
    let meta = folder.read_meta()?;
    let done = |stage: Stage| meta.stages.iter().any(|s| s.name == stage.name() && s.state == "done");
    let instances = if done(Stage::Instances) { folder.read_instances()?.instances.len() } else { 0 };
    let seconds: f64 = meta.stages.iter().map(|s| s.seconds).sum();
    if print.json {
        let result = json!({
            "scene": out, "units": meta.units, "figures": meta.figures, "instances": instances,
            "seconds": seconds, "warnings": meta.warnings,
            "stages": meta.stages.iter().map(|s| json!({"name": s.name, "state": s.state, "seconds": s.seconds})).collect::<Vec<_>>(),
        });
        println!("{}", serde_json::to_string_pretty(&result)?);
        return Ok(());
    }
    println!("Scene: {}", out.display());
    if let Some(figures) = meta.figures.as_object() {
        for (name, value) in figures.iter().filter(|(name, _)| *name != "content") {
            println!("  {name}: {value}");
        }
    }
    if done(Stage::Instances) {
        println!("  instances: {instances}");
    }
    println!("  units: {}; seconds in all: {seconds:.0}; warnings: {}", meta.units, meta.warnings.len());
    Ok(())
}
