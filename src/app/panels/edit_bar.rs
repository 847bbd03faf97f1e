//! The line that says what is being edited and what can be done with it.

use crate::app::command::Command;
use crate::app::edit::{Adding, BoxEdit, EditCommand, Found, What};
use crate::app::gizmo::Tool;
use crate::app::model::Model;
use crate::app::shortcuts::{Action, tip};
use eframe::egui::{Color32, Frame, Rect, RichText, Ui, UiBuilder};

/// Yellow: of all that is being edited.
pub(super) const COLOR: Color32 = Color32::from_rgb(255, 210, 60);

/// The line at the top of the 3D view, over it: what is seen there must not move when an edit begins.
pub(super) fn bar(ui: &mut Ui, view: Rect, model: &Model, out: &mut Vec<Command>) {
    let Some(edit) = &model.edit else { return };
    let mut over = ui.new_child(UiBuilder::new().max_rect(view.shrink(6.0)));
    Frame::popup(over.style()).inner_margin(5).show(&mut over, |ui| {
        ui.horizontal_wrapped(|ui| match &edit.what {
            What::Adjust => adjust(ui, edit, out),
            What::Split { .. } => split(ui, edit, out),
            What::Merge { ids } => merge(ui, model, ids, out),
            What::Add(adding) => add(ui, adding, out),
        })
    });
}

fn ask(out: &mut Vec<Command>, command: EditCommand) {
    out.push(Command::Edit(command));
}

fn apply_or_not(ui: &mut Ui, text: &str, ready: bool, out: &mut Vec<Command>) {
    let button = eframe::egui::Button::new(format!("{text} (Enter)"));
    if ui.add_enabled(ready, button).on_hover_text(format!("{text}: one step of undo")).clicked() {
        ask(out, EditCommand::Apply);
    }
    if ui.button("Cancel (Esc)").on_hover_text("Change nothing").clicked() {
        ask(out, EditCommand::Cancel);
    }
}

fn adjust(ui: &mut Ui, edit: &BoxEdit, out: &mut Vec<Command>) {
    ui.label(RichText::new("Box").color(COLOR).strong());
    for (tool, key) in Tool::ALL.into_iter().zip(1..) {
        let label = ui.selectable_label(edit.tool == tool, format!("{} ({key})", tool.name()));
        if label.on_hover_text(format!("Handles: {} (key {key})", tool.name().to_lowercase())).clicked() {
            ask(out, EditCommand::Tool(tool));
        }
    }
    let mut free = edit.free;
    let hint = "Handles turn it about all three axes, not only about the vertical";
    if ui.checkbox(&mut free, "Tilt").on_hover_text(hint).changed() {
        ask(out, EditCommand::Free(free));
    }
    if ui.button("Fix and accept").on_hover_text(tip(Action::FixAndAccept)).clicked() {
        out.push(Command::Do(Action::FixAndAccept));
    }
    if ui.button("Done").on_hover_text(tip(Action::EditBox)).clicked() {
        ask(out, EditCommand::Apply);
    }
    ui.weak("Arrows, PageUp and PageDown nudge, , and . turn.");
}

fn split(ui: &mut Ui, edit: &BoxEdit, out: &mut Vec<Command>) {
    ui.label(RichText::new("Split").color(COLOR).strong());
    for (k, name) in ["across x", "across y", "across z"].into_iter().enumerate() {
        let hint = format!("A plane across this axis of the box (key {})", k + 1);
        if ui.button(name).on_hover_text(hint).clicked() {
            ask(out, EditCommand::Plane(crate::app::edit::across(&edit.now, k)));
        }
    }
    ui.label("Drag the plane, or click a point for it to go through.");
    apply_or_not(ui, "Split", edit.parts().is_some(), out);
}

fn merge(ui: &mut Ui, model: &Model, ids: &[u32], out: &mut Vec<Command>) {
    let name = |id: &u32| {
        let label = model.items().get(id).map_or("", |i| i.instance.label.as_str());
        format!("#{id} {label}")
    };
    let others: Vec<String> = ids.iter().skip(1).map(name).collect();
    ui.label(RichText::new("Merge").color(COLOR).strong());
    let lead = ids.first().map(name).unwrap_or_default();
    ui.label(format!(
        "{lead} takes in {} and gets the yellow box; {} will be gone.",
        others.join(", "),
        if others.len() == 1 { "that one" } else { "those" }
    ));
    apply_or_not(ui, "Merge", ids.len() > 1, out);
}

fn add(ui: &mut Ui, adding: &Adding, out: &mut Vec<Command>) {
    ui.label(RichText::new("New instance").color(COLOR).strong());
    let what = match adding {
        Adding::Start => {
            "Click it in the photo or drag a rectangle around it there, or drag its footprint on the floor in 3D or in the \
             top view of the box."
        }
        Adding::Footprint(_) => "Drag to the opposite corner of its footprint.",
        Adding::Height(_) => "Move up to its height and click.",
        Adding::Finding(_) => "Finding it in the photo...",
        Adding::Mask(Found { others: None, .. }) => "Is it this? Finding it in the other photos...",
        Adding::Mask(_) => "Is it this? Click what is missing, Ctrl+click what is not of it.",
    };
    ui.label(what);
    if let Adding::Mask(Found { others: Some(others), .. }) = adding {
        ui.weak(format!("Found in {} other photos.", others.len()));
    }
    if matches!(adding, Adding::Finding(_) | Adding::Mask(_)) {
        let hint = "Forget the points and the rectangle";
        if ui.small_button("Start again").on_hover_text(hint).clicked() {
            ask(out, EditCommand::Anew);
        }
    }
    apply_or_not(ui, "Add", matches!(adding, Adding::Height(_) | Adding::Mask(_)), out);
}
