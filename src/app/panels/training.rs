//! How the training of the splats goes, or went: figures, curves, and the photos that it does worst on.

use crate::app::command::Command;
use crate::app::model::Model;
use crate::app::training::{self, Curves};
use crate::scene::Training;
use eframe::egui::{Align, Color32, Grid, Label, Layout, Rangef, RichText, Sense, Ui, Vec2b};
use egui_extras::{Column, TableBuilder};
use egui_plot::{Line, Plot, PlotPoints};
use std::sync::Arc;

/// What it keeps between frames: curves and list, worked out anew when something has arrived.
#[derive(Default)]
pub(in crate::app) struct TrainingPanel {
    of: Option<Arc<Training>>,
    curves: Curves,
    /// Indices into the views, the worst first.
    worst: Vec<usize>,
}

impl TrainingPanel {
    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        let Some(training) = &model.training else {
            let text = match model.at_work {
                true => "Training has not begun yet.",
                false => "How these splats were trained is not recorded.",
            };
            ui.weak(text);
            return;
        };
        if self.of.as_ref().is_none_or(|t| !Arc::ptr_eq(t, training)) {
            self.curves = Curves::of(training);
            self.worst = training::worst_first(training);
            self.of = Some(Arc::clone(training));
        }
        facts(ui, training, model.at_work);
        ui.columns(2, |columns| {
            curve(&mut columns[0], "Loss", &self.curves.loss, Color32::from_rgb(230, 160, 60));
            curve(&mut columns[1], "PSNR, dB", &self.curves.psnr, Color32::from_rgb(90, 170, 240));
        });
        self.views(ui, model, training, out);
    }

    /// Photos and their PSNR; a click shows the photo.
    fn views(&self, ui: &mut Ui, model: &Model, training: &Training, out: &mut Vec<Command>) {
        if training.views.is_empty() {
            return;
        }
        let table = TableBuilder::new(ui)
            .id_salt("views")
            .striped(true)
            .sense(Sense::click())
            .auto_shrink(false)
            .cell_layout(Layout::left_to_right(Align::Center))
            .column(Column::remainder().at_least(70.0).clip(true))
            .column(Column::exact(64.0))
            .column(Column::exact(74.0));
        let header = table.header(20.0, |mut header| {
            let heads = [
                ("Photo", "The worst first: often blurred, badly placed, or something moved. Click to look at it."),
                ("PSNR", "How close the splats come to the photo, dB, when it was last rendered"),
                ("", "Held out: not trained on, so that it tells how good new views are"),
            ];
            for (title, hint) in heads {
                header.col(|ui| {
                    ui.add(Label::new(RichText::new(title).strong()).selectable(false)).on_hover_text(hint);
                });
            }
        });
        let current = model.view.photo.as_deref();
        header.body(|body| {
            body.rows(18.0, self.worst.len(), |mut row| {
                let Some(view) = self.worst.get(row.index()).and_then(|k| training.views.get(*k)) else { return };
                row.set_selected(current == Some(view.image.as_str()));
                let held_out = if view.held_out { "held out" } else { "" };
                for text in [view.image.clone(), format!("{:.1} dB", view.psnr_db), held_out.into()] {
                    row.col(|ui| {
                        ui.add(Label::new(text).selectable(false).truncate());
                    });
                }
                if row.response().clicked() {
                    out.extend(model.photo_index(&view.image).map(Command::ShowPhoto));
                }
            });
        });
    }
}

fn facts(ui: &mut Ui, training: &Training, at_work: bool) {
    Grid::new("training").num_columns(4).spacing([12.0, 2.0]).show(ui, |ui| {
        ui.weak("Device");
        ui.label(&training.device);
        ui.end_row();
        let Some(last) = training.points.last() else { return };
        ui.weak("Step");
        ui.label(format!("{} of {}", last.step, training.steps));
        ui.weak("Gaussians");
        ui.label(training::grouped(last.gaussians));
        ui.end_row();
        ui.weak("Speed");
        ui.label(format!("{:.1} steps/s", last.rate));
        let left = training::seconds_left(training).filter(|_| at_work && last.step < training.steps);
        ui.weak(if left.is_some() { "Time left" } else { "Took" });
        let time = training::time(left.unwrap_or(last.seconds));
        let label = ui.label(if left.is_some() { format!("about {time}") } else { time });
        if left.is_some() {
            label.on_hover_text("At the speed of late; it may stop early");
        }
        ui.end_row();
    });
}

fn curve(ui: &mut Ui, name: &str, points: &[[f64; 2]], color: Color32) {
    let last = points.last().map_or(String::new(), |p| format!(": {:.*}", if p[1] < 1.0 { 4 } else { 1 }, p[1]));
    ui.small(format!("{name}{last}"));
    let plot = Plot::new(name)
        .height(96.0)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_axis_zoom_drag(false)
        .show_background(false)
        .set_margin_fraction(eframe::egui::vec2(0.02, 0.08))
        .auto_bounds(Vec2b::TRUE)
        .grid_spacing(Rangef::new(16.0, 60.0))
        .y_axis_min_width(30.0);
    plot.show(ui, |ui| ui.line(Line::new(name, PlotPoints::from(points.to_vec())).color(color).width(1.6)));
}
