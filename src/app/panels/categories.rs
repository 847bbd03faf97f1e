//! The categories of the scene: each is renamed or merged once for all of its instances.

use super::inspector::can_decide;
use crate::app::command::Command;
use crate::app::model::Model;
use crate::perception::vlm::Memory;
use crate::review::categories::{self, Category};
use eframe::egui::{Align2, Button, Context, Grid, Key, ScrollArea, TextEdit, Ui, Window};

/// The dialog while it is open.
pub(in crate::app) struct CategoriesDialog {
    memory: Memory,
    /// The category that is being renamed, and the name as typed.
    renaming: Option<(String, String)>,
    /// Of which state of the list the categories are.
    listed: Option<(u64, Vec<Category>)>,
}

impl CategoriesDialog {
    /// With what a model found in the scene.
    pub(in crate::app) fn new(memory: Memory) -> Self {
        Self { memory, renaming: None, listed: None }
    }

    /// One frame; false when it is closed.
    pub(super) fn ui(&mut self, ctx: &Context, model: &Model, out: &mut Vec<Command>) -> bool {
        let mut open = true;
        let room = ctx.content_rect();
        // Not modal: what is being renamed is to be seen.
        Window::new("Categories")
            .open(&mut open)
            .pivot(Align2::CENTER_TOP)
            .default_pos(room.center_top() + eframe::egui::vec2(0.0, 50.0))
            .default_width(460.0_f32.min(room.width() - 40.0))
            .max_height(room.height() - 90.0)
            .collapsible(false)
            .show(ctx, |ui| {
                ui.label("A new name counts for all instances of a category; the name of another one merges the two.");
                let scroll = ScrollArea::vertical().max_height((room.height() - 200.0).max(80.0));
                scroll.show(ui, |ui| self.rows(ui, model, out));
            });
        open
    }

    fn rows(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        if self.listed.as_ref().is_none_or(|l| l.0 != model.list_stamp) {
            self.listed = Some((model.list_stamp, categories::list(model.items(), &self.memory)));
        }
        let listed = self.listed.as_ref().map(|l| l.1.clone()).unwrap_or_default();
        if listed.is_empty() {
            ui.weak("There are no instances yet.");
        }
        Grid::new("categories").num_columns(3).striped(true).show(ui, |ui| {
            for category in &listed {
                self.row(ui, category, can_decide(model), out);
                ui.end_row();
            }
        });
    }

    fn row(&mut self, ui: &mut Ui, category: &Category, can: bool, out: &mut Vec<Command>) {
        let Category { name, ids, synonyms } = category;
        let count = match ids.len() {
            0 => "none".to_owned(),
            1 => "1 instance".to_owned(),
            n => format!("{n} instances"),
        };
        let select = ui.add_enabled(!ids.is_empty(), Button::new(count).small());
        if select.on_hover_text(format!("Select every {name}")).clicked() {
            out.push(Command::Mark(ids.iter().copied().collect()));
        }
        let label = ui.label(name);
        if !synonyms.is_empty() {
            label.on_hover_text(format!("The model also said: {}", synonyms.join(", ")));
        }
        if self.renaming.as_ref().is_none_or(|r| r.0 != *name) {
            let rename = ui.add_enabled(can, Button::new(format!("Rename {name}")).small());
            if rename.on_hover_text("For all of its instances; one step of undo").clicked() {
                self.renaming = Some((name.clone(), String::new()));
            }
            return;
        }
        ui.horizontal(|ui| {
            let Some((_, typed)) = &mut self.renaming else { return };
            let hint = format!("New name of {name}");
            let field = ui.add(TextEdit::singleline(typed).desired_width(140.0).hint_text(hint));
            if !field.has_focus() && !field.lost_focus() {
                field.request_focus();
            }
            let to = typed.trim().to_owned();
            let ready = can && !to.is_empty() && to != *name;
            let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            let keep = ui.add_enabled(ready, Button::new("Keep").small()).on_hover_text("Enter").clicked();
            if ready && (keep || enter) {
                // As the window will write it down.
                self.memory.rename(name, &to);
                out.push(Command::RenameCategory { from: name.clone(), to });
                (self.renaming, self.listed) = (None, None);
            } else if ui.small_button("Not now").clicked() {
                self.renaming = None;
            }
        });
    }
}
