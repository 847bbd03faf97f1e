//! The stages of a run, or those of the scene that is open.

use super::RunState;
use crate::app::command::Command;
use crate::app::load::StageProgress;
use crate::app::log::error_color;
use crate::app::model::Model;
use crate::pipeline::Stage;
use crate::scene::folder::SceneMeta;
use eframe::egui::{Grid, ProgressBar, RichText, ScrollArea, Ui};

pub(super) fn ui(ui: &mut Ui, model: &Model, run: Option<RunState<'_>>, out: &mut Vec<Command>) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| match (run, &model.meta) {
        (Some(run), _) => running(ui, run, out),
        (None, Some(meta)) => finished(ui, meta),
        (None, None) => {
            ui.weak("Nothing is running.");
        }
    });
}

fn running(ui: &mut Ui, run: RunState<'_>, out: &mut Vec<Command>) {
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
        } else if run.progress.failed.is_some() {
            ui.colored_label(error_color(ui), "The run failed");
        } else {
            ui.weak(if run.progress.over { "The run is over" } else { "The run has stopped" });
        }
    });
    Grid::new("stages").num_columns(2).show(ui, |ui| {
        for (stage, progress) in Stage::ALL.iter().zip(&run.progress.stages) {
            ui.label(stage.name());
            stage_bar(ui, progress);
            ui.end_row();
        }
    });
    if let Some(t) = run.training {
        let psnr = t.psnr.map_or(String::new(), |p| format!(", {p:.1} dB"));
        let text = format!(
            "step {} of {}: loss {:.4}{psnr}, {} splats, {:.1} steps/s",
            t.step, t.steps, t.loss, t.gaussians, t.rate
        );
        ui.small(text);
    }
    if let Some(error) = &run.progress.failed {
        ui.colored_label(error_color(ui), error);
    }
}

fn stage_bar(ui: &mut Ui, progress: &StageProgress) {
    match progress {
        StageProgress::Waiting => {
            ui.add(ProgressBar::new(0.0).desired_height(14.0));
        }
        StageProgress::Running(done, total) => {
            let share = if *total > 0 { *done as f32 / *total as f32 } else { 0.0 };
            let text = if *total > 0 { format!("{done} of {total}") } else { "...".into() };
            ui.add(ProgressBar::new(share).desired_height(14.0).text(RichText::new(text).small()));
        }
        StageProgress::Done(seconds, reused) => {
            let text = if *reused { "kept from before".into() } else { format!("{seconds:.1} s") };
            ui.add(ProgressBar::new(1.0).desired_height(14.0).text(RichText::new(text).small()));
        }
        StageProgress::Failed(error) => {
            ui.colored_label(error_color(ui), "failed").on_hover_text(error);
        }
    }
}

fn finished(ui: &mut Ui, meta: &SceneMeta) {
    ui.label(format!("{}: {} photos, {}", meta.name, meta.images.len(), meta.units));
    Grid::new("stages").num_columns(3).striped(true).show(ui, |ui| {
        for s in &meta.stages {
            ui.label(&s.name);
            match &s.error {
                Some(e) => ui.colored_label(error_color(ui), &s.state).on_hover_text(e),
                None => ui.label(&s.state),
            };
            ui.label(format!("{:.1} s, {}", s.seconds, s.device));
            ui.end_row();
        }
    });
    if let Some(figures) = meta.figures.as_object().filter(|f| !f.is_empty()) {
        ui.separator();
        Grid::new("figures").num_columns(2).striped(true).show(ui, |ui| {
            for (name, value) in figures {
                ui.weak(name);
                ui.label(value.to_string());
                ui.end_row();
            }
        });
    }
    for warning in &meta.warnings {
        ui.small(RichText::new(warning).color(ui.visuals().warn_fg_color));
    }
}
