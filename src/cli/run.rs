//! `holoscope run`: the pipeline without a window.

use super::Print;
use super::progress::Progress;
use anyhow::{Result, bail};
use holoscope::pipeline::{Message, Pipeline, RunOptions, Stage};
use holoscope::scene::folder::{FrameQuality, SceneFolder};
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
            Message::Noted(text) => progress.noted(&text),
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
    let frames = folder.read_pose_quality()?;
    let seconds: f64 = meta.stages.iter().map(|s| s.seconds).sum();
    if print.json {
        let result = json!({
            "scene": out, "units": meta.units, "scale_source": meta.scale_source, "frames": frames, "figures": meta.figures, "instances": instances,
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
    for line in weak_lines(&frames) {
        println!("  {line}");
    }
    println!("  units: {} ({})", meta.units, meta.scale_source);
    println!("  seconds in all: {seconds:.0}; warnings: {}", meta.warnings.len());
    Ok(())
}

/// Photos that are named in a line at most.
const NAMED: usize = 8;

/// The photos whose poses are weak, with why, and those without a camera; no lines where there are none.
fn weak_lines(frames: &[FrameQuality]) -> Vec<String> {
    let weak = frames.iter().filter_map(|f| Some(format!("{} ({})", f.image, f.weak.as_ref()?))).collect();
    let lost = frames.iter().filter(|f| !f.registered).map(|f| f.image.clone()).collect();
    let line = |(what, mut names): (&str, Vec<String>)| {
        let all = names.len();
        names.truncate(NAMED);
        let more = if all > NAMED { format!(" and {} more", all - NAMED) } else { String::new() };
        (all > 0).then(|| format!("{what}: {}{more}", names.join(", ")))
    };
    [("weak poses", weak), ("no pose found", lost)].into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_photos_are_named_and_healthy_ones_are_not() {
        let frame = |i: usize, registered: bool, weak: Option<&str>| FrameQuality {
            image: format!("f{i}"),
            registered,
            quality: None,
            weak: weak.map(str::to_owned),
        };
        assert!(weak_lines(&[frame(1, true, None)]).is_empty());
        let mut frames = vec![frame(1, true, Some("few points")), frame(2, true, None)];
        frames.extend((10..20).map(|i| frame(i, false, None)));
        let lines = weak_lines(&frames);
        assert_eq!(lines[0], "weak poses: f1 (few points)");
        assert_eq!(lines[1], "no pose found: f10, f11, f12, f13, f14, f15, f16, f17 and 2 more");
    }
}
