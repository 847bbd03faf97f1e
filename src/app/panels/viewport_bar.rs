//! The bar over the 3D view: what is drawn, and how.

use crate::app::command::Command;
use crate::app::look::Mode;
use crate::app::model::Model;
use crate::app::shortcuts::{Action, tip};
use eframe::egui::{self, Ui};

/// The bar.
pub(super) fn bar(ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        let mut shown = model.view.shown;
        ui.checkbox(&mut shown.splats, "Splats").on_hover_text(tip(Action::Splats));
        ui.checkbox(&mut shown.boxes, "Boxes").on_hover_text(tip(Action::Boxes));
        ui.checkbox(&mut shown.cameras, "Cameras").on_hover_text(tip(Action::Cameras));
        ui.checkbox(&mut shown.grid, "Grid");
        ui.checkbox(&mut shown.rejected, "Rejected").on_hover_text("Boxes and masks of rejected instances");
        ui.checkbox(&mut shown.isolate, "Only selected").on_hover_text(tip(Action::Isolate));
        let mut look = model.view.look;
        let choice = egui::ComboBox::from_id_salt("mode").width(66.0).selected_text(look.mode.name());
        let choice = choice.show_ui(ui, |ui| {
            for mode in Mode::ALL {
                ui.selectable_value(&mut look.mode, mode, mode.name());
            }
        });
        choice.response.on_hover_text(tip(Action::NextMode));
        if look != model.view.look {
            out.push(Command::SetLook(look));
        }
        let trimmed = if model.view.look.hides() { "Trim *" } else { "Trim" };
        ui.toggle_value(&mut shown.trim, trimmed).on_hover_text(tip(Action::Trim));
        if shown != model.view.shown {
            out.push(Command::Show(shown));
        }
        if ui.button("Overview").on_hover_text(tip(Action::Overview)).clicked() {
            out.push(Command::Do(Action::Overview));
        }
        let measuring = ui.selectable_label(model.measure.is_some(), "Measure");
        if measuring.on_hover_text(tip(Action::Measure)).clicked() {
            out.push(Command::Do(Action::Measure));
        }
        if let Some(photo) = &model.view.on_camera {
            ui.weak(format!("camera of {photo}"));
        }
    });
}
