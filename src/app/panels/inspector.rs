//! One instance: what it is, how sure that is, and the decision.

use super::list::state_color;
use super::words;
use crate::app::command::Command;
use crate::app::model::Model;
use crate::app::order::state_word;
use crate::app::shortcuts::{Action, tip};
use crate::review::{Decision, Reviewed};
use eframe::egui::{
    Align2, Button, Event, Key, KeyboardShortcut, Label, Modifiers, RichText, ScrollArea, Sense, TextEdit, TextStyle,
    Ui, vec2,
};

/// A text that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum Field {
    /// The label.
    Label,
    /// The caption.
    Caption,
}

/// What it keeps between frames: texts that are being written.
#[derive(Default)]
pub(in crate::app) struct InspectorPanel {
    id: Option<u32>,
    label: String,
    caption: String,
    focus: Option<Field>,
    editing: Option<Field>,
}

impl InspectorPanel {
    pub(super) fn edit(&mut self, field: Field) {
        self.focus = Some(field);
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        let Some(item) = model.selected() else {
            self.finish(model, out);
            ui.weak("Select an instance: in the list, in 3D, or in the photo.");
            return;
        };
        let i = &item.instance;
        if self.id != Some(i.id) {
            self.finish(model, out);
            self.id = Some(i.id);
        }
        if self.editing.is_none() {
            (self.label, self.caption) = (i.label.clone(), i.caption.clone());
        }
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            decision(ui, model, item, out);
            ui.add_space(4.0);
            self.texts(ui, model, item, out);
            ui.add_space(4.0);
            facts(ui, model, item, out);
        });
    }

    fn texts(&mut self, ui: &mut Ui, model: &Model, item: &Reviewed, out: &mut Vec<Command>) {
        ui.add_enabled_ui(can_decide(model), |ui| {
            ui.small("Label");
            self.field(ui, Field::Label, item, out);
            ui.small("Caption");
            self.field(ui, Field::Caption, item, out);
        });
    }

    /// Enter or leaving the field keeps the text, Esc brings the old one back.
    fn field(&mut self, ui: &mut Ui, field: Field, item: &Reviewed, out: &mut Vec<Command>) {
        let (text, action, rows) = match field {
            Field::Label => (&mut self.label, Action::Relabel, 1),
            Field::Caption => (&mut self.caption, Action::Recaption, 3),
        };
        // Only Shift+Enter breaks the line.
        let newline = KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter);
        let edit = TextEdit::multiline(text).desired_rows(rows).desired_width(f32::INFINITY).return_key(newline);
        let response = ui.add(edit).on_hover_text(format!("{}. Enter keeps it, Esc does not.", tip(action)));
        if self.focus == Some(field) {
            self.focus = None;
            response.request_focus();
        }
        let plain =
            |e: &Event| matches!(e, Event::Key { key: Key::Enter, pressed: true, modifiers, .. } if !modifiers.shift);
        let (enter, escape) = ui.input(|i| (i.events.iter().any(plain), i.key_pressed(Key::Escape)));
        if response.has_focus() {
            self.editing = Some(field);
        }
        let leaving = response.lost_focus() || (response.has_focus() && enter);
        if self.editing == Some(field) && leaving {
            self.editing = None;
            response.surrender_focus();
            if !escape {
                self.keep(field, item, out);
            }
        }
    }

    /// What was being written when the selection changed is kept too: no work is lost.
    fn finish(&mut self, model: &Model, out: &mut Vec<Command>) {
        let before = self.id.take().and_then(|id| model.items().get(&id));
        if let (Some(field), Some(item)) = (self.editing.take(), before) {
            self.keep(field, item, out);
        }
    }

    fn keep(&self, field: Field, item: &Reviewed, out: &mut Vec<Command>) {
        let (text, old) = match field {
            Field::Label => (self.label.trim(), &item.instance.label),
            Field::Caption => (self.caption.trim(), &item.instance.caption),
        };
        if text == old || (field == Field::Label && text.is_empty()) {
            return;
        }
        let text = text.to_owned();
        out.push(Command::Decide(
            item.instance.id,
            match field {
                Field::Label => Decision::Relabel { text },
                Field::Caption => Decision::Recaption { text },
            },
        ));
    }
}

/// Whether decisions can be taken now.
fn can_decide(model: &Model) -> bool {
    model.review.as_ref().is_some_and(|r| !r.is_read_only())
}

fn decision(ui: &mut Ui, model: &Model, item: &Reviewed, out: &mut Vec<Command>) {
    let i = &item.instance;
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("#{} {}", i.id, i.label)).heading().strong());
        ui.label(RichText::new(state_word(item)).color(state_color(ui, item)).strong());
    });
    let why_not = match &model.review {
        None => Some("Decisions can be taken when the run is done."),
        Some(r) if r.is_read_only() => Some("The scene is open in another window: this one can look, not decide."),
        Some(_) => None,
    };
    if let Some(text) = why_not {
        ui.small(text);
    }
    ui.horizontal_wrapped(|ui| {
        let mut button = |ui: &mut Ui, text: &str, action: Action, needs_review: bool| {
            let enabled = !needs_review || can_decide(model);
            if ui.add_enabled(enabled, Button::new(text)).on_hover_text(tip(action)).clicked() {
                out.push(Command::Do(action));
            }
        };
        button(ui, "Accept (A)", Action::Accept, true);
        button(ui, "Reject (R)", Action::Reject, true);
        button(ui, "Best view (V)", Action::BestView, false);
        button(ui, "Focus (F)", Action::Focus, false);
    });
}

fn facts(ui: &mut Ui, model: &Model, item: &Reviewed, out: &mut Vec<Command>) {
    let i = &item.instance;
    let unit = model.unit();
    let s = &i.obb.size;
    let mut rows = vec![
        ("Score", format!("{:.3}", i.score)),
        ("Size", format!("{:.2} \u{d7} {:.2} \u{d7} {:.2} {unit}", s.x, s.y, s.z)),
        ("Centre", format!("{:.2}, {:.2}, {:.2} {unit}", i.obb.center.x, i.obb.center.y, i.obb.center.z)),
    ];
    if let Some(map) = i.evidence.as_object() {
        rows.extend(map.iter().map(|(k, v)| (k.as_str(), words::value(v))));
    }
    for (name, value) in rows {
        ui.horizontal_top(|ui| {
            let (room, _) = ui.allocate_exact_size(vec2(64.0, 16.0), Sense::hover());
            let (font, weak) = (TextStyle::Body.resolve(ui.style()), ui.visuals().weak_text_color());
            ui.painter().text(room.left_top(), Align2::LEFT_TOP, words::name(name), font, weak);
            ui.add(Label::new(value).wrap());
        });
    }
    ui.collapsing(format!("Seen in {} photos", i.views.len()), |ui| {
        for v in &i.views {
            let text = format!("{}  mask {:.2}, visible {:.0} %", v.image, v.mask_score, v.visible_fraction * 100.0);
            let here = model.view.photo.as_deref() == Some(v.image.as_str());
            if ui.selectable_label(here, text).clicked() {
                out.extend(model.photo_index(&v.image).map(Command::ShowPhoto));
            }
        }
    });
}
