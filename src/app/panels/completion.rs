//! Labels offered while one is being typed.

use crate::app::model::Model;
use crate::review::vocabulary;
use eframe::egui::text::{CCursor, CCursorRange};
use eframe::egui::{Context, Id, Key, Modifiers, Rect, RichText, TextEdit, Ui};

/// Labels offered at a time.
const MOST: usize = 6;

/// What it keeps between frames.
#[derive(Default)]
pub(super) struct Completion {
    /// What was typed, for which instance, and what that may become.
    offered: Option<((String, u32, u64), Vec<String>)>,
    /// The chosen one of them.
    chosen: Option<usize>,
    /// Where they were shown last.
    area: Option<Rect>,
}

impl Completion {
    /// What is offered for a text.
    fn offer(&mut self, model: &Model, id: u32, typed: &str) -> Vec<String> {
        let about = (typed.to_owned(), id, model.list_stamp);
        if self.offered.as_ref().is_none_or(|o| o.0 != about) {
            let found = vocabulary::suggestions(model.items(), id, typed, MOST);
            self.offered = Some((about, found));
            self.chosen = None;
        }
        self.offered.as_ref().map(|o| o.1.clone()).unwrap_or_default()
    }

    /// Before the field is drawn, while it has the focus: Up and Down choose, Tab takes the chosen one or the first.
    /// Enter with one chosen takes it, and goes on to the field.
    pub(super) fn keys(&mut self, ctx: &Context, field: Id, model: &Model, id: u32, text: &mut String) {
        let offered = self.offer(model, id, text);
        let pressed = |key| ctx.input_mut(|i| i.consume_key(Modifiers::NONE, key));
        let tab = pressed(Key::Tab);
        if offered.is_empty() {
            return;
        }
        let last = offered.len() - 1;
        if pressed(Key::ArrowDown) {
            self.chosen = Some(self.chosen.map_or(0, |c| (c + 1).min(last)));
        }
        if pressed(Key::ArrowUp) {
            self.chosen = self.chosen.and_then(|c| c.checked_sub(1));
        }
        let enter = ctx.input(|i| i.key_pressed(Key::Enter)) && self.chosen.is_some();
        if (tab || enter)
            && let Some(label) = offered.get(self.chosen.unwrap_or(0))
        {
            take(ctx, field, text, label);
        }
    }

    /// Under the field: what is offered. The one that was clicked.
    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, id: u32, text: &str) -> Option<String> {
        let offered = self.offer(model, id, text);
        let mut clicked = None;
        let row = ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 3.0;
            for (k, label) in offered.iter().enumerate() {
                let row = ui.selectable_label(self.chosen == Some(k), RichText::new(label).small());
                if row.on_hover_text("Up and Down choose, Tab or Enter takes it").clicked() {
                    clicked = Some(label.clone());
                }
            }
        });
        self.area = Some(row.response.rect);
        clicked
    }

    /// Whether the pointer has just been clicked on what is offered: the field must not take that for leaving it.
    pub(super) fn is_clicked(&self, ctx: &Context) -> bool {
        let click = ctx.input(|i| i.pointer.interact_pos().filter(|_| i.pointer.any_click()));
        self.area.zip(click).is_some_and(|(area, p)| area.contains(p))
    }
}

/// Puts a label into the field, the cursor behind it.
fn take(ctx: &Context, field: Id, text: &mut String, label: &str) {
    label.clone_into(text);
    if let Some(mut state) = TextEdit::load_state(ctx, field) {
        state.cursor.set_char_range(Some(CCursorRange::one(CCursor::new(text.chars().count()))));
        TextEdit::store_state(ctx, field, state);
    }
}
