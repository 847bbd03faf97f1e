//! What is seen before a scene is open, and scenes that were open before.

use crate::app::command::Command;
use crate::app::shortcuts::{Action, tip};
use eframe::egui::{Button, Key, RichText, ScrollArea, TextEdit, Ui};
use std::path::{Path, PathBuf};

/// A scene that was open before, and whether it is still there.
pub(in crate::app) type Recent = (PathBuf, bool);

pub(super) fn ui(ui: &mut Ui, path: &mut String, recent: &[Recent], out: &mut Vec<Command>) {
    let fill = ui.visuals().panel_fill;
    ui.painter().rect_filled(ui.max_rect(), 0.0, fill);
    let share = if recent.is_empty() { 0.3 } else { 0.15 };
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * share);
        ui.heading("Holoscope");
        ui.label("Photos of a place in, a labelled and reviewed 3D scene out.");
        ui.add_space(16.0);
        if ui.button("Open a folder").on_hover_text(tip(Action::Open)).clicked() {
            out.push(Command::Do(Action::Open));
        }
        ui.add_space(8.0);
        let what = "A scene or a folder of scenes to review, or photos or a video to make a scene of. You can also drop \
                    it here, or type its path:";
        let label = ui.label(what);
        let width = 420.0_f32.min(ui.available_width() - 20.0);
        let field = TextEdit::singleline(path).desired_width(width).hint_text("/path/to/folder");
        let field = ui.add(field).labelled_by(label.id);
        if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) && !path.trim().is_empty() {
            out.push(Command::Open(PathBuf::from(path.trim())));
        }
        if !recent.is_empty() {
            ui.add_space(18.0);
            ui.label(RichText::new("Recent").strong());
            ScrollArea::vertical().show(ui, |ui| recent.iter().for_each(|r| entry(ui, r, out)));
        }
    });
}

/// Recent scenes, for a menu or a page; what is gone is greyed.
pub(in crate::app) fn entry(ui: &mut Ui, (path, there): &Recent, out: &mut Vec<Command>) {
    let button = Button::new(line(path)).frame_when_inactive(false);
    let button = ui.add_enabled(*there, button);
    let hint = if *there { path.display().to_string() } else { format!("{} is not there any more", path.display()) };
    if button.on_hover_text(&hint).on_disabled_hover_text(&hint).clicked() {
        out.push(Command::Open(path.clone()));
        ui.close();
    }
}

/// Name and place: "room_a  (/home/ada/scenes)".
fn line(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    match path.parent() {
        Some(place) => format!("{name}  ({})", place.display()),
        None => name.into_owned(),
    }
}
