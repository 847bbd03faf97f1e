//! Rows that several dialogs have.

use crate::app::command::Command;
use crate::app::shell::{Place, Shell};
use eframe::egui::{RichText, TextEdit, Ui};

/// A small heading.
pub(super) fn section(ui: &mut Ui, text: &str) {
    ui.add_space(2.0);
    ui.label(RichText::new(text).strong());
}

/// A folder, typed or browsed for.
pub(super) fn folder_row(ui: &mut Ui, name: &str, path: &mut String, place: Place, out: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        let label = ui.label(name);
        let width = (ui.available_width() - 90.0).max(120.0);
        ui.add(TextEdit::singleline(path).desired_width(width)).labelled_by(label.id);
        if ui.button("Browse...").on_hover_text("Choose the folder in a dialog of the system").clicked() {
            out.push(Command::Shell(Shell::Browse(place)));
        }
    });
}
