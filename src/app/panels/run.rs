//! The stages of a run, or those of the scene that is open.

use super::{RunState, words};
use crate::app::command::Command;
use crate::app::health;
use crate::app::load::StageProgress;
use crate::app::log::error_color;
use crate::app::model::Model;
use crate::pipeline::Stage;
use crate::scene::folder::SceneMeta;
use eframe::egui::{Color32, Grid, Id, Label, ProgressBar, RichText, ScrollArea, Ui};

pub(super) fn ui(ui: &mut Ui, model: &Model, run: Option<&RunState<'_>>, out: &mut Vec<Command>) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| match (run, &model.meta) {
        (Some(run), _) => running(ui, model, run, out),
        (None, Some(meta)) => finished(ui, meta),
        (None, None) => {
            ui.weak("Nothing is running.");
        }
    });
}

fn running(ui: &mut Ui, model: &Model, run: &RunState<'_>, out: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        if run.running {
            let text = if run.paused { "Go on" } else { "Pause" };
            if ui.button(text).clicked() {
                out.push(Command::Pause(!run.paused));
            }
            if ui.button("Cancel").on_hover_text("Finished stages are kept").clicked() {
                out.push(Command::Cancel);
            }
            ui.weak(if run.paused { "paused" } else { "running" });
        } else {
            let done = run.progress.stages.iter().all(|s| matches!(s, StageProgress::Done(..)));
            if !done && ui.button("Go on").on_hover_text("Runs again from the first stage that is not done").clicked() {
                out.push(Command::Run { input: run.folders.0.to_path_buf(), out: run.folders.1.to_path_buf() });
            }
            if run.progress.failed.is_some() {
                ui.colored_label(error_color(ui), "failed");
            } else {
                ui.weak(if done { "done" } else { "stopped; finished stages are kept" });
            }
        }
    });
    if let Some(error) = &run.progress.failed {
        ui.add(Label::new(RichText::new(error).color(error_color(ui))).wrap());
    }
    Grid::new("stages").num_columns(2).spacing([10.0, 2.0]).show(ui, |ui| {
        for (stage, progress) in Stage::ALL.iter().zip(&run.progress.stages) {
            ui.label(stage.name());
            stage_bar(ui, *stage, progress);
            ui.end_row();
        }
    });
    if let Some(training) = &model.training {
        ui.small(format!("training on {}", training.device));
    }
    if let Some((training, p)) = model.training.as_deref().and_then(|t| Some((t, t.points.last()?))) {
        let psnr = p.psnr_db.map_or(String::new(), |p| format!(", {p:.1} dB"));
        let text = format!(
            "step {} of {}: loss {:.4}{psnr}, {} splats, {:.1} steps/s",
            p.step, training.steps, p.loss, p.gaussians, p.rate
        );
        ui.small(text);
    }
}

fn stage_bar(ui: &mut Ui, stage: Stage, progress: &StageProgress) {
    let id = Id::unique(("began", stage.name()));
    if !matches!(progress, StageProgress::Running(..)) {
        ui.data_mut(|d| d.remove::<(f64, usize)>(id));
    }
    match progress {
        StageProgress::Waiting => {
            ui.weak("-");
        }
        StageProgress::Running(done, total) => {
            let share = if *total > 0 { *done as f32 / *total as f32 } else { 0.0 };
            let now = ui.input(|i| i.time);
            let from = (now, *done);
            // What was done before the window looked says nothing about the pace.
            let (began, before) = ui.data_mut(|d| *d.get_temp_mut_or_insert_with(id, || from));
            let left = health::seconds_left(now - began, done.saturating_sub(before), total.saturating_sub(before));
            let left = left.map_or(String::new(), |s| match s {
                ..60.0 => format!(", about {s:.0} s left"),
                _ => format!(", about {:.0} min left", s / 60.0),
            });
            let text = if *total > 0 { format!("{done} of {total}{left}") } else { "...".into() };
            ui.add(ProgressBar::new(share).desired_height(15.0).corner_radius(3.0).text(RichText::new(text).small()));
        }
        StageProgress::Done(seconds, reused) => {
            let text = if *reused { "kept from before".into() } else { format!("{seconds:.1} s") };
            ui.label(RichText::new(text).color(done_color(ui)));
        }
        StageProgress::Failed(error) => {
            ui.colored_label(error_color(ui), "failed").on_hover_text(error);
        }
    }
}

/// Green that can be read on this background.
fn done_color(ui: &Ui) -> Color32 {
    if ui.visuals().dark_mode { Color32::from_rgb(120, 190, 130) } else { Color32::from_rgb(20, 110, 40) }
}

fn finished(ui: &mut Ui, meta: &SceneMeta) {
    let units = crate::app::health::scale_words(&meta.units, Some(meta));
    ui.label(format!("{} photos; units: {units}", meta.images.len()));
    Grid::new("stages").num_columns(3).spacing([10.0, 1.0]).striped(true).show(ui, |ui| {
        for s in &meta.stages {
            ui.label(&s.name);
            match &s.error {
                Some(e) => ui.colored_label(error_color(ui), &s.state).on_hover_text(e),
                None => ui.label(RichText::new(&s.state).color(done_color(ui))),
            };
            ui.weak(format!("{:.1} s, {}", s.seconds, s.device));
            ui.end_row();
        }
    });
    if let Some(figures) = meta.figures.as_object().filter(|f| !f.is_empty()) {
        ui.separator();
        Grid::new("figures").num_columns(2).spacing([10.0, 1.0]).striped(true).show(ui, |ui| {
            for (name, value) in figures.iter().filter(|f| !f.1.is_null()) {
                ui.weak(words::name(name));
                ui.label(words::value(value));
                ui.end_row();
            }
        });
    }
    for warning in &meta.warnings {
        ui.small(RichText::new(warning).color(ui.visuals().warn_fg_color));
    }
}
