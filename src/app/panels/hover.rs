//! The instance under the pointer, the same in all views.

use crate::app::command::Command;
use crate::app::model::Model;
use eframe::egui::{Id, Ui};

/// Tells what is under the pointer: `Some` while the pointer is in this panel (with the instance there, or none), `None`
/// while it is elsewhere. Only changes are told, and only by the panel that the pointer is in or has just left.
pub(super) fn tell(ui: &Ui, panel: &str, under: Option<Option<u32>>, model: &Model, out: &mut Vec<Command>) {
    let id = Id::unique(("pointer in", panel));
    let was_here = ui.data(|d| d.get_temp::<bool>(id)).unwrap_or(false);
    match under {
        Some(found) if found != model.hovered => out.push(Command::Hover(found)),
        None if was_here && model.hovered.is_some() => out.push(Command::Hover(None)),
        _ => {}
    }
    if was_here != under.is_some() {
        ui.data_mut(|d| d.insert_temp(id, under.is_some()));
    }
}
