//! The bar at the top: menus, undo, and how far the review and the run are.

use super::Window;
use crate::app::command::Command;
use crate::app::load::StageProgress;
use crate::app::shortcuts::{self, Action, tip};
use crate::pipeline::Stage;
use crate::review::{Counts, Review};
use eframe::egui::{self, ThemePreference, Ui, ViewportCommand};

impl Window {
    pub(super) fn top_bar(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        egui::Panel::top("bar").show(ui, |ui| {
            egui::MenuBar::new().ui(ui, |ui| {
                ui.menu_button("File", |ui| {
                    item(ui, "Open...", Action::Open, out);
                    item(ui, "Export...", Action::Export, out);
                    if ui.button("Quit").clicked() {
                        ui.ctx().send_viewport_cmd(ViewportCommand::Close);
                    }
                });
                ui.menu_button("Edit", |ui| {
                    item(ui, "Undo", Action::Undo, out);
                    item(ui, "Redo", Action::Redo, out);
                });
                ui.menu_button("View", |ui| self.view_menu(ui, out));
                item(ui, "Help", Action::Help, out);
                ui.separator();
                let (undo, redo) = self.model.review.as_ref().map_or((false, false), Review::can_undo_redo);
                for (text, action, enabled) in [("Undo", Action::Undo, undo), ("Redo", Action::Redo, redo)] {
                    if ui.add_enabled(enabled, egui::Button::new(text)).on_hover_text(tip(action)).clicked() {
                        out.push(Command::Do(action));
                    }
                }
                ui.separator();
                self.summary(ui);
            });
        });
    }

    pub(super) fn view_menu(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        for (text, theme) in [
            ("Dark", ThemePreference::Dark),
            ("Light", ThemePreference::Light),
            ("As the system", ThemePreference::System),
        ] {
            if ui.radio(self.layout.theme == theme, text).clicked() {
                out.push(Command::Theme(theme));
            }
        }
        ui.separator();
        item(ui, "Overview", Action::Overview, out);
        if ui.button("Reset layout").clicked() {
            out.push(Command::ResetLayout);
            ui.close();
        }
    }

    pub(super) fn summary(&self, ui: &mut Ui) {
        ui.strong(&self.model.name);
        let counts = self.model.counts();
        let (done, all) = (counts.reviewed(), counts.all());
        if all > 0 {
            let Counts { accepted, rejected, unsure, .. } = counts;
            ui.label(format!("{done} of {all} reviewed"))
                .on_hover_text(format!("{accepted} accepted, {rejected} rejected, {unsure} unsure"));
            ui.add(egui::ProgressBar::new(done as f32 / all as f32).desired_width(90.0).desired_height(10.0));
        }
        if self.loading {
            ui.weak("loading...");
        }
        if let Some(run) = &self.run {
            let at = Stage::ALL.iter().zip(&run.progress.stages);
            for (stage, progress) in at {
                if let StageProgress::Running(done, total) = progress {
                    let device = self.model.training.as_ref().filter(|_| *stage == Stage::Splats);
                    let on = device.map_or(String::new(), |t| format!(" on {}", t.device));
                    ui.weak(format!("{} {done}/{total}{on}", stage.name()));
                }
            }
        }
    }
}

fn item(ui: &mut Ui, text: &str, action: Action, out: &mut Vec<Command>) {
    let button = egui::Button::new(text).shortcut_text(shortcuts::keys(action));
    if ui.add(button).on_hover_text(tip(action)).clicked() {
        out.push(Command::Do(action));
        ui.close();
    }
}
