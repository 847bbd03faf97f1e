//! The command palette: anything to do, found by some letters of its name.

use crate::app::command::Command;
use crate::app::fuzzy;
use eframe::egui::{Button, Context, Event, Id, Key, Modal, Modifiers, RichText, ScrollArea, TextEdit, vec2};

/// Lines shown at most.
const SHOWN: usize = 60;

/// Something to do.
#[derive(Clone)]
pub(in crate::app) struct Entry {
    /// What it is.
    pub text: String,
    /// Its keys; empty where it has none.
    pub keys: String,
    /// What it asks for.
    pub command: Command,
}

/// The palette while it is open.
pub(in crate::app) struct Finder {
    query: String,
    at: usize,
    entries: Vec<Entry>,
}

/// What became of it in a frame.
pub(super) enum Outcome {
    Open,
    Closed,
}

impl Finder {
    /// Opens it over what there is to do.
    pub(in crate::app) fn new(entries: Vec<Entry>) -> Self {
        Self { query: String::new(), at: 0, entries }
    }

    /// The entries that fit, the best first; all as they are where nothing is asked for.
    fn found(&self) -> Vec<&Entry> {
        let scored = self.entries.iter().filter_map(|e| Some((fuzzy::score(&self.query, &e.text)?, e)));
        let mut found: Vec<_> = scored.collect();
        if !self.query.trim().is_empty() {
            found.sort_by_key(|f| std::cmp::Reverse(f.0));
        }
        found.into_iter().map(|f| f.1).take(SHOWN).collect()
    }

    pub(super) fn ui(&mut self, ctx: &Context, out: &mut Vec<Command>) -> Outcome {
        let step = ctx.input_mut(|i| {
            let down = i.count_and_consume_key(Modifiers::NONE, Key::ArrowDown);
            let up = i.count_and_consume_key(Modifiers::NONE, Key::ArrowUp);
            down as isize - up as isize
        });
        let (escape, enter) = ctx.input(|i| (i.key_pressed(Key::Escape), i.key_pressed(Key::Enter)));
        let last = self.found().len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(step).min(last);
        let mut chosen = None;
        let modal = Modal::new(Id::unique("finder")).show(ctx, |ui| {
            ui.set_width(520.0_f32.min(ui.ctx().content_rect().width() - 60.0));
            let name = ui.label(RichText::new("What to do?").strong());
            let field = TextEdit::singleline(&mut self.query).desired_width(f32::INFINITY);
            let field = ui.add(field.hint_text("some letters, then Enter")).labelled_by(name.id);
            field.request_focus();
            if field.changed() {
                self.at = 0;
            }
            let typed = ui.input(|i| i.events.iter().any(|e| matches!(e, Event::Text(_))));
            let height = (ui.ctx().content_rect().height() * 0.55).max(120.0);
            ScrollArea::vertical().max_height(height).auto_shrink([false, true]).show(ui, |ui| {
                let found = self.found();
                for (k, entry) in found.iter().enumerate() {
                    let button =
                        Button::selectable(k == self.at, entry.text.as_str()).shortcut_text(entry.keys.as_str());
                    let line = ui.add(button.truncate().min_size(vec2(ui.available_width(), 0.0)));
                    if k == self.at && (step != 0 || typed) {
                        line.scroll_to_me(None);
                    }
                    if line.clicked() {
                        chosen = Some(entry.command.clone());
                    }
                }
                if found.is_empty() {
                    ui.weak("Nothing fits.");
                } else if enter && chosen.is_none() {
                    chosen = found.get(self.at).map(|e| e.command.clone());
                }
            });
        });
        let done = chosen.is_some();
        out.extend(chosen);
        if done || escape || modal.backdrop_response.clicked() { Outcome::Closed } else { Outcome::Open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_best_and_keeps_the_order_of_the_rest() {
        let entry = |text: &str| Entry { text: text.into(), keys: String::new(), command: Command::Select(None) };
        let mut finder = Finder::new(["Show the log", "Export", "Undo", "Open"].map(entry).to_vec());
        let texts = |f: &Finder| f.found().iter().map(|e| e.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&finder), ["Show the log", "Export", "Undo", "Open"]);
        finder.query = "o".into();
        assert_eq!(texts(&finder)[0], "Open");
        finder.query = "zz".into();
        assert!(texts(&finder).is_empty());
    }
}
