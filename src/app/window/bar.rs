//! The bar at the top: menus, undo, and how far the review and the run are.

use super::Window;
use crate::app::command::Command;
use crate::app::load::StageProgress;
use crate::app::panels::{self, Pane};
use crate::app::settings::SCALES;
use crate::app::shell::Shell;
use crate::app::shortcuts::{self, Action, tip};
use crate::pipeline::Stage;
use crate::review::{Counts, Review};
use eframe::egui::{self, ThemePreference, Ui, ViewportCommand};

impl Window {
    pub(super) fn top_bar(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        egui::Panel::top("bar").show(ui, |ui| {
            egui::MenuBar::new().ui(ui, |ui| {
                ui.menu_button("File", |ui| self.file_menu(ui, out));
                ui.menu_button("Edit", |ui| {
                    item(ui, "Undo", Action::Undo, out);
                    item(ui, "Redo", Action::Redo, out);
                    ui.separator();
                    item(ui, "Categories...", Action::Categories, out);
                    item(ui, "Reviewer...", Action::Reviewer, out);
                    self.second_menu(ui, out);
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

    /// Two reviewers, who do not see each other's decisions.
    fn second_menu(&self, ui: &mut Ui, out: &mut Vec<Command>) {
        let mut second = self.model.second;
        let hint =
            "Review with a log of your own that starts empty, beside the first. Compare the two in the panel Compare.";
        let can = self.model.review.is_some();
        if ui.add_enabled(can, egui::Checkbox::new(&mut second, "Second opinion")).on_hover_text(hint).changed() {
            out.push(Command::SecondOpinion(second));
            ui.close();
        }
    }

    fn file_menu(&self, ui: &mut Ui, out: &mut Vec<Command>) {
        item(ui, "Open...", Action::Open, out);
        let recent = &self.shell.recent;
        ui.add_enabled_ui(!recent.is_empty(), |ui| {
            ui.menu_button("Recent", |ui| recent.iter().for_each(|r| panels::recent_entry(ui, r, out)));
        });
        item(ui, "Next scene", Action::NextScene, out);
        ui.separator();
        item(ui, "Export...", Action::Export, out);
        item(ui, "Save a picture...", Action::Picture, out);
        item(ui, "Make a film...", Action::Film, out);
        ui.separator();
        if ui.button("Quit").clicked() {
            ui.ctx().send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn view_menu(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        item(ui, "Find anything...", Action::Palette, out);
        ui.menu_button("Theme", |ui| {
            for (text, theme) in [
                ("Dark", ThemePreference::Dark),
                ("Light", ThemePreference::Light),
                ("As the system", ThemePreference::System),
            ] {
                if ui.radio(self.layout.theme == theme, text).clicked() {
                    out.push(Command::Theme(theme));
                }
            }
        });
        ui.menu_button("Size", |ui| {
            for scale in SCALES {
                let text = format!("{:.0} %", scale * 100.0);
                if ui.radio((self.shell.settings.scale - scale).abs() < 0.01, text).clicked() {
                    out.push(Command::Shell(Shell::Scale(scale)));
                }
            }
            item(ui, "Larger", Action::ScaleUp, out);
            item(ui, "Smaller", Action::ScaleDown, out);
        });
        ui.menu_button("Layout", |ui| {
            for (text, demo) in [("Review", false), ("Demo", true)] {
                let hint = if demo { tip(Action::DemoLayout) } else { "All panels".into() };
                if ui.radio(self.layout.demo == demo, text).on_hover_text(hint).clicked() {
                    out.push(Command::Shell(Shell::Demo(demo)));
                }
            }
            if ui.button("Reset").on_hover_text("Panels as they were at first").clicked() {
                out.push(Command::ResetLayout);
                ui.close();
            }
        });
        ui.menu_button("Panels", |ui| {
            for pane in Pane::ALL {
                let mut open = panels::is_open(&self.layout.tree, pane);
                if ui.checkbox(&mut open, pane.title()).clicked() {
                    out.push(Command::Shell(Shell::ShowPane(pane, open)));
                }
            }
        });
        ui.separator();
        item(ui, "Overview", Action::Overview, out);
        item(ui, "Turn slowly", Action::SlowOrbit, out);
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
