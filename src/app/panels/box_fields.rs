//! The numbers of a box, and what can be done with it by a button.

use crate::app::command::Command;
use crate::app::edit::{BoxEdit, EditCommand};
use crate::app::model::Model;
use crate::app::shortcuts::{Action, tip};
use crate::review::edit::{self, Snap};
use eframe::egui::{DragValue, Grid, Response, Ui};

/// Buttons.
pub(super) fn buttons(ui: &mut Ui, model: &Model, edit: &BoxEdit, out: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        let mut button = |ui: &mut Ui, text: &str, hint: &str, on: bool, command: EditCommand| {
            if ui.add_enabled(on, eframe::egui::Button::new(text)).on_hover_text(hint).clicked() {
                out.push(Command::Edit(command));
            }
        };
        button(
            ui,
            "Fit to points",
            "The upright box of the thing that this box is roughly around, by its masks and the depth of its photos (or the splats in it); again, where it was far off",
            true,
            EditCommand::Fit,
        );
        button(
            ui,
            "Bottom to floor",
            "Its lower face goes to the floor; its top stays",
            true,
            EditCommand::Snap(Snap::KeepTop),
        );
        button(
            ui,
            "Down to floor",
            "All of it moves to the floor; its size stays",
            true,
            EditCommand::Snap(Snap::KeepSize),
        );
        button(ui, "Upright", "Turned as little as is needed to stand upright", true, EditCommand::Upright);
        for (k, name) in ["Swap y z", "Swap z x", "Swap x y"].into_iter().enumerate().rev() {
            let hint = "Names these two axes the other way round; the solid stays where it is";
            button(ui, name, hint, true, EditCommand::Relabel(k));
        }
        let found = model.review.as_ref().and_then(|r| r.found(edit.id)).is_some_and(|i| i.obb != edit.now);
        button(ui, "As found", "The box that the pipeline found", found, EditCommand::Reset);
        button(ui, "Copy", "Remember the size and direction of this box (Ctrl+C)", true, EditCommand::Copy);
        let hint = "Give it the remembered size and direction; it stays where it is and stands as it stood (Ctrl+V)";
        button(ui, "Paste", hint, model.copied_box.is_some(), EditCommand::Paste);
        if ui.button("Fix and accept").on_hover_text(tip(Action::FixAndAccept)).clicked() {
            out.push(Command::Do(Action::FixAndAccept));
        }
    });
}

/// Centre, size and angles: drag a number, or click and type.
pub(super) fn numbers(ui: &mut Ui, model: &Model, edit: &BoxEdit, out: &mut Vec<Command>) {
    let mut b = edit.now;
    let (mut changed, mut done) = (false, false);
    let mut note = |r: Response| {
        changed |= r.changed();
        done |= r.drag_stopped() || r.lost_focus();
    };
    let unit = model.unit();
    let speed = 2e-3 * model.extent.radius.min(5.0);
    Grid::new("numbers of the box").num_columns(4).spacing([6.0, 3.0]).show(ui, |ui| {
        ui.label(format!("Centre ({unit})"));
        for (k, axis) in ["x", "y", "z"].into_iter().enumerate() {
            let field = DragValue::new(&mut b.center[k]).speed(speed).fixed_decimals(3).prefix(format!("{axis} "));
            note(ui.add(field).on_hover_text(format!("Centre along {axis} of the world, {unit}")));
        }
        ui.end_row();
        ui.label(format!("Size ({unit})"));
        for (k, axis) in ["x", "y", "z"].into_iter().enumerate() {
            let field = DragValue::new(&mut b.size[k]).speed(speed).range(1e-3..=1e6).fixed_decimals(3);
            note(
                ui.add(field.prefix(format!("{axis} "))).on_hover_text(format!("Length along its own {axis}, {unit}")),
            );
        }
        ui.end_row();
        ui.label("Turn (\u{b0})");
        // Rounding would show a zero with a sign.
        let shown = |a: f64| if a.abs() < 5e-5 { 0.0 } else { a.to_degrees() };
        let before = edit::yaw_pitch_roll(&edit.now).map(shown);
        let mut angles = before;
        for (k, name) in ["yaw", "pitch", "roll"].into_iter().enumerate() {
            let field = DragValue::new(&mut angles[k]).speed(0.25).fixed_decimals(1).prefix(format!("{name} "));
            note(
                ui.add(field).on_hover_text(format!("{name} in degrees: about z first, then about its own y, then x")),
            );
        }
        ui.end_row();
        if angles != before {
            b = edit::with_angles(&b, angles.map(f64::to_radians));
        }
    });
    if changed && edit::is_sane(&b) {
        out.push(Command::Edit(EditCommand::Preview(b)));
    }
    if done {
        out.push(Command::Edit(EditCommand::Keep(b)));
    }
}
