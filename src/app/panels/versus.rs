//! The comparison with ground truth, another run, another reviewer, or what was found.

use crate::app::command::{Command, VersusWish};
use crate::app::model::Model;
use crate::app::versus::{Against, Cell, Row, Tone, Versus};
use eframe::egui::{Align, Color32, ComboBox, Grid, Label, Layout, RichText, ScrollArea, Sense, TextEdit, Ui, vec2};
use egui_extras::{Column, TableBuilder};
use std::path::PathBuf;

/// What it keeps between frames.
#[derive(Default)]
pub(in crate::app) struct VersusPanel {
    against: Against,
    path: String,
}

impl VersusPanel {
    /// A folder or file that the user chose.
    pub(super) fn chosen(&mut self, path: String) {
        self.path = path;
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        if model.review.is_none() {
            ui.weak("There is nothing to compare before the scene has instances.");
            return;
        }
        self.ask(ui, model, out);
        let Some(versus) = &model.versus else { return };
        ui.separator();
        let with =
            if versus.path.as_os_str().is_empty() { String::new() } else { format!(": {}", versus.path.display()) };
        ui.strong(format!("{}{with}", versus.against.name()));
        settings(ui, versus, out);
        Grid::new("summary").num_columns(2).show(ui, |ui| {
            for (name, value) in &versus.findings.summary {
                ui.weak(*name);
                ui.add(Label::new(value).wrap());
                ui.end_row();
            }
        });
        legend(ui, versus);
        ui.separator();
        ScrollArea::horizontal().show(ui, |ui| table(ui, versus, out));
    }

    fn ask(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        ui.horizontal_wrapped(|ui| {
            ui.label("Compare with");
            ComboBox::from_id_salt("against").selected_text(self.against.name()).show_ui(ui, |ui| {
                for against in Against::ALL {
                    ui.selectable_value(&mut self.against, against, against.name());
                }
            });
            let ready = self.against.asks_for().is_none() || !self.path.trim().is_empty();
            if ui.add_enabled(ready, eframe::egui::Button::new("Compare")).clicked() {
                // What was typed for another kind of comparison is not about this one.
                let asked = self.against.asks_for().map(|_| self.path.trim());
                let path = PathBuf::from(asked.unwrap_or_default());
                out.push(Command::Versus(VersusWish::Start { against: self.against, path }));
            }
            if model.versus.is_some() && ui.button("Stop comparing").clicked() {
                out.push(Command::Versus(VersusWish::Stop));
            }
        });
        let Some(hint) = self.against.asks_for() else { return };
        ui.horizontal(|ui| {
            let field = TextEdit::singleline(&mut self.path).hint_text(hint).desired_width(ui.available_width() - 76.0);
            ui.add(field).on_hover_text(hint);
            if ui.button("Browse...").clicked() {
                out.push(Command::Versus(VersusWish::Browse { file: self.against == Against::Reviewer }));
            }
        });
        if self.against == Against::Reviewer {
            for log in model.other_logs.iter() {
                if ui.link(log.display().to_string()).on_hover_text("Another log of this scene").clicked() {
                    self.path = log.display().to_string();
                }
            }
        }
    }
}

fn settings(ui: &mut Ui, versus: &Versus, out: &mut Vec<Command>) {
    if versus.against != Against::Truth {
        return;
    }
    let (mut least_iou, mut same_label) = (versus.least_iou, versus.same_label);
    ui.horizontal_wrapped(|ui| {
        ui.label("A match is an IoU of at least");
        ui.radio_value(&mut least_iou, 0.25, "0.25");
        ui.radio_value(&mut least_iou, 0.5, "0.5");
        ui.checkbox(&mut same_label, "and the right label");
    });
    if (least_iou, same_label) != (versus.least_iou, versus.same_label) {
        out.push(Command::Versus(VersusWish::Match { least_iou, same_label }));
    }
}

/// The colours that are in use.
fn legend(ui: &mut Ui, versus: &Versus) {
    let f = &versus.findings;
    let used = |tone: &Tone| f.tones.values().any(|t| t == tone) || f.ghosts.iter().any(|g| g.tone == *tone);
    ui.horizontal_wrapped(|ui| {
        for tone in Tone::ALL.into_iter().filter(used) {
            let [r, g, b] = tone.color();
            let (spot, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
            ui.painter().rect_filled(spot, 2.0, Color32::from_rgb(r, g, b));
            ui.label(tone.name());
        }
    });
}

fn table(ui: &mut Ui, versus: &Versus, out: &mut Vec<Command>) {
    let findings = &versus.findings;
    let takes = findings.rows.iter().any(|r| r.take.is_some());
    let mut table = TableBuilder::new(ui)
        .id_salt("versus")
        .striped(true)
        .auto_shrink(false)
        .cell_layout(Layout::left_to_right(Align::Center));
    for _ in 0..findings.head.len() + usize::from(takes) {
        table = table.column(Column::auto().at_least(34.0).resizable(true));
    }
    let head = table.header(20.0, |mut header| {
        for title in &findings.head {
            header.col(|ui| {
                ui.strong(*title);
            });
        }
        if takes {
            header.col(|_| {});
        }
    });
    head.body(|body| {
        body.rows(20.0, findings.rows.len(), |mut row| {
            let Some(data) = findings.rows.get(row.index()) else { return };
            for cell in &data.cells {
                row.col(|ui| show(ui, cell, out));
            }
            if takes {
                row.col(|ui| take(ui, data, out));
            }
        });
    });
}

fn show(ui: &mut Ui, cell: &Cell, out: &mut Vec<Command>) {
    if cell.ids.is_empty() && cell.place.is_none() {
        ui.label(&cell.text);
        return;
    }
    let hint = if cell.ids.is_empty() { "Fly there in 3D" } else { "Select, and list only these" };
    let label = ui.add(Label::new(RichText::new(&cell.text).underline()).truncate().sense(Sense::click()));
    if label.on_hover_text(hint).clicked() {
        match cell.place {
            Some(place) if cell.ids.is_empty() => out.push(Command::FlyToBox(place)),
            _ => out.push(Command::Only(cell.ids.clone())),
        }
    }
}

fn take(ui: &mut Ui, row: &Row, out: &mut Vec<Command>) {
    if let Some(decisions) = &row.take
        && ui.small_button("Take theirs").on_hover_text("Decide as the other reviewer did; one step of undo").clicked()
    {
        out.push(Command::DecideAll(decisions.clone()));
    }
}
