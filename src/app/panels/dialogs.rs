//! What lies over the panels: welcome, help, the offer to make a scene.

use super::welcome::{self, Recent};
use crate::app::command::Command;
use crate::app::edit;
use crate::app::shell::Shell;
use crate::app::shortcuts::{Action, TABLE, keys, what};
use eframe::egui::{Align2, Button, Context, Grid, Id, Key, Modal, RichText, TextEdit, Ui, Window, vec2};
use std::path::{Path, PathBuf};

/// Which of them are open.
#[derive(Default)]
pub(in crate::app) struct Dialogs {
    /// The table of keys.
    pub help: bool,
    offer: Option<(String, String)>,
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

    /// Whether one of them wants the keyboard.
    pub(in crate::app) fn is_open(&self) -> bool {
        self.help || self.offer.is_some() || self.open.is_some()
    }

    pub(in crate::app) fn ui(&mut self, ctx: &Context, out: &mut Vec<Command>) {
        if self.is_open() && ctx.input(|i| i.key_pressed(Key::Escape)) {
            (self.help, self.offer, self.open) = (false, None, None);
        }
        self.help(ctx, out);
        self.offer(ctx, out);
        self.open(ctx, out);
    }

    /// What is seen before a scene is open.
    pub(in crate::app) fn welcome(&mut self, ui: &mut Ui, recent: &[Recent], out: &mut Vec<Command>) {
        welcome::ui(ui, &mut self.path, recent, out);
    }

    fn help(&mut self, ctx: &Context, out: &mut Vec<Command>) {
        let room = ctx.content_rect().size() - vec2(40.0, 90.0);
        Window::new("Keys and mouse")
            .open(&mut self.help)
            .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
            .min_width(500.0_f32.min(room.x))
            .min_height(room.y.min(740.0))
            .max_size(room)
            .collapsible(false)
            .resizable(false)
            .vscroll(true)
            .show(ctx, |ui| help(ui, out));
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
}

fn help(ui: &mut Ui, out: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        let hint = "A file that says which keys do what: change it, then read it again";
        if ui.button("Open keys file").on_hover_text(hint).clicked() {
            out.push(Command::Shell(Shell::OpenKeys));
        }
        let hint = "Take in what was changed in the file";
        if ui.button("Read keys again").on_hover_text(hint).clicked() {
            out.push(Command::Shell(Shell::ReadKeys));
        }
    });
    ui.separator();
    Grid::new("keys").num_columns(2).striped(true).show(ui, |ui| {
        let mut told: Vec<Action> = Vec::new();
        for row in TABLE {
            if !told.contains(&row.0) {
                told.push(row.0);
                let own = keys(row.0);
                ui.label(RichText::new(if own.is_empty() { "no key" } else { &own }).strong());
                ui.label(what(row.0));
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
                ui.label(RichText::new(key.name()).strong());
                ui.label(*what);
                ui.end_row();
            }
        }
    });
    ui.separator();
    ui.label("3D: left drag turns, right or middle drag moves, the wheel zooms.");
    ui.label("Click selects a box or a camera, click again the one behind it; double-click goes there.");
    ui.label("Ctrl+click selects one more, Shift+click in the list all up to it; Ctrl+drag in 3D what is inside.");
    ui.label("Measuring (D): click two points in 3D or in the photo, then type their distance.");
    ui.label("Photo: the wheel zooms, dragging moves, a middle click fits it; click selects a mask.");
}
