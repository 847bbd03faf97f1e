//! The dialogs that save a picture, make a film, and ask who reviews.

use super::fields::{folder_row, section};
use crate::app::command::Command;
use crate::app::film::Motion;
use crate::app::shell::{FilmWish, Place, Shell};
use eframe::egui::{Button, Checkbox, Context, Id, Key, Modal, Slider, TextEdit};
use std::path::{Path, PathBuf};

/// Sizes of a film, pixels.
const SIZES: [([u32; 2], &str); 3] =
    [([640, 360], "640 x 360"), ([1280, 720], "1280 x 720"), ([1920, 1080], "1920 x 1080")];

/// A picture to save.
pub(in crate::app) struct PictureDialog {
    whole: bool,
    /// The folder, as typed.
    pub path: String,
}

impl PictureDialog {
    /// Into a folder of the scene, or the current one.
    pub(in crate::app) fn new(scene: Option<&Path>) -> Self {
        Self { whole: true, path: pictures_of(scene) }
    }

    /// One frame; false when it is closed.
    pub(super) fn ui(&mut self, ctx: &Context, out: &mut Vec<Command>) -> bool {
        let mut stays = !ctx.input(|i| i.key_pressed(Key::Escape));
        Modal::new(Id::unique("picture")).show(ctx, |ui| {
            ui.set_width(460.0);
            ui.heading("Save a picture");
            ui.radio_value(&mut self.whole, true, "Of the window");
            ui.radio_value(&mut self.whole, false, "Of the 3D view");
            folder_row(ui, "Into", &mut self.path, Place::Picture, out);
            ui.horizontal(|ui| {
                let ready = !self.path.trim().is_empty();
                if ui.add_enabled(ready, Button::new("Save")).on_hover_text("Write a PNG file").clicked() {
                    let folder = PathBuf::from(self.path.trim());
                    out.push(Command::Shell(Shell::Picture { whole: self.whole, folder }));
                    stays = false;
                }
                stays &= !ui.button("Not now").on_hover_text("Esc").clicked();
            });
        });
        stays
    }
}

/// A film to make.
pub(in crate::app) struct FilmDialog {
    wish: FilmWish,
    /// Whether an instance is selected.
    has_selected: bool,
    /// The folder, as typed.
    pub path: String,
}

impl FilmDialog {
    /// Of the scene, around the selected instance where there is one.
    pub(in crate::app) fn new(scene: Option<&Path>, has_selected: bool) -> Self {
        let motion = if has_selected { Motion::Turn } else { Motion::Swing };
        let folder = PathBuf::new();
        let wish = FilmWish { selected: has_selected, motion, boxes: true, size: SIZES[1].0, seconds: 8, folder };
        Self { wish, has_selected, path: pictures_of(scene) }
    }

    /// One frame; false when it is closed.
    pub(super) fn ui(&mut self, ctx: &Context, out: &mut Vec<Command>) -> bool {
        let mut stays = !ctx.input(|i| i.key_pressed(Key::Escape));
        Modal::new(Id::unique("film")).show(ctx, |ui| {
            ui.set_width(460.0);
            ui.heading("Make a film");
            section(ui, "Around");
            ui.add_enabled_ui(self.has_selected, |ui| {
                ui.radio_value(&mut self.wish.selected, true, "The selected instance");
            });
            ui.radio_value(&mut self.wish.selected, false, "What the 3D view looks at");
            section(ui, "How");
            ui.radio_value(&mut self.wish.motion, Motion::Turn, "Once around");
            ui.radio_value(&mut self.wish.motion, Motion::Swing, "30 degrees to each side and back");
            ui.add(Checkbox::new(&mut self.wish.boxes, "Boxes"));
            section(ui, "Size");
            ui.horizontal(|ui| {
                for (size, name) in SIZES {
                    ui.radio_value(&mut self.wish.size, size, name);
                }
            });
            ui.add(Slider::new(&mut self.wish.seconds, 2..=30).text("seconds"));
            folder_row(ui, "Into", &mut self.path, Place::Film, out);
            ui.weak("Pictures are drawn in the background. Where ffmpeg is installed, they become a film too.");
            ui.horizontal(|ui| {
                let ready = !self.path.trim().is_empty();
                if ui.add_enabled(ready, Button::new("Make it")).on_hover_text("Start in the background").clicked() {
                    let folder = PathBuf::from(self.path.trim());
                    out.push(Command::Shell(Shell::Film(FilmWish { folder, ..self.wish.clone() })));
                    stays = false;
                }
                stays &= !ui.button("Not now").on_hover_text("Esc").clicked();
            });
        });
        stays
    }
}

fn pictures_of(scene: Option<&Path>) -> String {
    scene.unwrap_or(Path::new(".")).join("pictures").display().to_string()
}

/// Asks who reviews; false when it is closed.
pub(super) fn reviewer(name: &mut String, ctx: &Context, out: &mut Vec<Command>) -> bool {
    let (escape, enter) = ctx.input(|i| (i.key_pressed(Key::Escape), i.key_pressed(Key::Enter)));
    let mut stays = !escape;
    Modal::new(Id::unique("reviewer")).show(ctx, |ui| {
        ui.set_width(360.0);
        ui.heading("Who reviews?");
        let label = ui.label("The name stands with each decision from now on.");
        let field = ui.add(TextEdit::singleline(name).desired_width(f32::INFINITY)).labelled_by(label.id);
        if !field.has_focus() && !field.lost_focus() {
            field.request_focus();
        }
        let ready = !name.trim().is_empty();
        ui.horizontal(|ui| {
            let keep = ui.add_enabled(ready, Button::new("Keep")).on_hover_text("Enter").clicked();
            if ready && (keep || enter) {
                out.push(Command::Shell(Shell::Reviewer(name.trim().to_owned())));
                stays = false;
            }
            stays &= !ui.button("Not now").on_hover_text("Esc").clicked();
        });
    });
    stays
}
