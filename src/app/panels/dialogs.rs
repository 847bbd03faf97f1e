//! What lies over the panels: welcome, help, the offer to make a scene, export.

use crate::app::command::Command;
use crate::app::edit;
use crate::app::export::{FORMATS, INCLUDES};
use crate::app::shortcuts::{Action, TABLE, keys, tip};
use crate::export::{Format, Include};
use eframe::egui::{Align2, Button, Context, Grid, Id, Key, Modal, RichText, TextEdit, Ui, Window};
use std::path::{Path, PathBuf};

/// Which of them are open.
#[derive(Default)]
pub(in crate::app) struct Dialogs {
    /// The table of keys.
    pub help: bool,
    offer: Option<(String, String)>,
    export: Option<(Format, Include, String)>,
    open: Option<String>,
    path: String,
}

impl Dialogs {
    /// Offers to make a scene of photos or a video.
    pub(in crate::app) fn offer_run(&mut self, input: &Path) {
        let name = input.file_stem().unwrap_or_default().to_string_lossy();
        let out = input.with_file_name(format!("{name}-scene"));
        self.offer = Some((input.display().to_string(), out.display().to_string()));
    }

    /// Asks for a folder or a video to open.
    pub(in crate::app) fn ask_open(&mut self) {
        self.open = Some(self.path.clone());
    }

    /// Asks for format and place.
    pub(in crate::app) fn ask_export(&mut self, scene: &Path) {
        self.export = Some((Format::All, Include::Accepted, scene.join("export").display().to_string()));
    }

    /// Whether one of them wants the keyboard.
    pub(in crate::app) fn is_open(&self) -> bool {
        self.help || self.offer.is_some() || self.export.is_some() || self.open.is_some()
    }

    pub(in crate::app) fn ui(&mut self, ctx: &Context, out: &mut Vec<Command>) {
        if self.is_open() && ctx.input(|i| i.key_pressed(Key::Escape)) {
            (self.help, self.offer, self.export, self.open) = (false, None, None, None);
        }
        self.help(ctx);
        self.offer(ctx, out);
        self.export(ctx, out);
        self.open(ctx, out);
    }

    /// What is seen before a scene is open.
    pub(in crate::app) fn welcome(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        ui.vertical_centered(|ui| {
            ui.add_space(ui.available_height() * 0.3);
            ui.heading("Holoscope");
            ui.label("Photos of a place in, a labelled and reviewed 3D scene out.");
            ui.add_space(16.0);
            if ui.button("Open a folder").on_hover_text(tip(Action::Open)).clicked() {
                out.push(Command::Do(Action::Open));
            }
            ui.add_space(8.0);
            ui.label(
                "A scene to review, or photos or a video to make one of. You can also drop it here, or type its path:",
            );
            let field = ui.add(TextEdit::singleline(&mut self.path).desired_width(420.0).hint_text("/path/to/folder"));
            if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) && !self.path.trim().is_empty() {
                out.push(Command::Open(PathBuf::from(self.path.trim())));
            }
        });
    }

    fn help(&mut self, ctx: &Context) {
        Window::new("Keys and mouse")
            .open(&mut self.help)
            .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
            .min_width(500.0)
            .collapsible(false)
            .resizable(false)
            .show(ctx, |ui| {
                Grid::new("keys").num_columns(2).striped(true).show(ui, |ui| {
                    let mut told: Vec<Action> = Vec::new();
                    for (action, _, _, what) in TABLE {
                        if !told.contains(&action) {
                            told.push(action);
                            ui.label(RichText::new(keys(action)).strong());
                            ui.label(what);
                            ui.end_row();
                        }
                    }
                });
                ui.separator();
                ui.label(RichText::new("While a box is edited").strong());
                Grid::new("keys of an edit").num_columns(2).striped(true).show(ui, |ui| {
                    for (k, (does, key, what)) in edit::KEYS.iter().enumerate() {
                        // Of several keys that do the same the first is told.
                        if edit::KEYS[..k].iter().all(|other| other.0 != *does) {
                            ui.label(RichText::new(key.symbol_or_name()).strong());
                            ui.label(*what);
                            ui.end_row();
                        }
                    }
                });
                ui.separator();
                ui.label("3D: left drag turns, right or middle drag moves, the wheel zooms.");
                ui.label("Click selects a box or a camera, click again the one behind it; double-click goes there.");
                ui.label("Measuring (D): click two points in 3D or in the photo, then type their distance.");
                ui.label("Photo: the wheel zooms, dragging moves, a middle click fits it; click selects a mask.");
            });
    }

    fn open(&mut self, ctx: &Context, out: &mut Vec<Command>) {
        let Some(path) = &mut self.open else { return };
        let mut answer = None;
        Modal::new(Id::unique("open")).show(ctx, |ui| {
            ui.set_width(460.0);
            ui.heading("Open a scene, a folder of photos, or a video");
            ui.add_space(6.0);
            let field = ui.add(TextEdit::singleline(path).desired_width(f32::INFINITY).hint_text("/path/to/folder"));
            if !field.has_focus() && !field.lost_focus() {
                field.request_focus();
            }
            let there = !path.trim().is_empty();
            let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                if (ui.add_enabled(there, Button::new("Open")).clicked() || enter) && there {
                    answer = Some(Some(Command::Open(PathBuf::from(path.trim()))));
                }
                for (text, video) in [("Browse...", false), ("Browse for a video...", true)] {
                    if ui.button(text).clicked() {
                        answer = Some(Some(Command::Browse { video }));
                    }
                }
                if ui.button("Not now").clicked() {
                    answer = Some(None);
                }
            });
        });
        if let Some(command) = answer {
            out.extend(command);
            self.open = None;
        }
    }

    fn offer(&mut self, ctx: &Context, out: &mut Vec<Command>) {
        let Some((input, scene)) = &mut self.offer else { return };
        let mut answer = None;
        Modal::new(Id::unique("offer")).show(ctx, |ui| {
            ui.set_width(460.0);
            ui.heading("Make a scene?");
            ui.label("This is not a scene yet. Its photos can be made into one.");
            ui.add_space(6.0);
            Grid::new("offer").num_columns(2).show(ui, |ui| {
                ui.label("Photos");
                ui.add(TextEdit::singleline(input).desired_width(360.0));
                ui.end_row();
                ui.label("Scene");
                ui.add(TextEdit::singleline(scene).desired_width(360.0));
                ui.end_row();
            });
            ui.horizontal(|ui| {
                if ui.button("Start").clicked() {
                    answer = Some(true);
                }
                if ui.button("Not now").clicked() {
                    answer = Some(false);
                }
            });
        });
        if let Some(yes) = answer {
            if yes {
                out.push(Command::Run { input: PathBuf::from(input.trim()), out: PathBuf::from(scene.trim()) });
            }
            self.offer = None;
        }
    }

    fn export(&mut self, ctx: &Context, out: &mut Vec<Command>) {
        let Some((format, include, path)) = &mut self.export else { return };
        let mut answer = None;
        Modal::new(Id::unique("export")).show(ctx, |ui| {
            ui.set_width(460.0);
            ui.heading("Export the reviewed scene");
            for (f, what) in FORMATS {
                ui.radio_value(format, f, what);
            }
            ui.horizontal(|ui| {
                ui.label("Instances");
                for (i, what) in INCLUDES {
                    ui.radio_value(include, i, what);
                }
            });
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                ui.label("Into");
                ui.add(TextEdit::singleline(path).desired_width(400.0));
            });
            ui.horizontal(|ui| {
                if ui.button("Export").clicked() {
                    answer = Some(true);
                }
                if ui.button("Not now").clicked() {
                    answer = Some(false);
                }
            });
        });
        if let Some(yes) = answer {
            if yes {
                out.push(Command::Export { format: *format, include: *include, out: PathBuf::from(path.trim()) });
            }
            self.export = None;
        }
    }
}
