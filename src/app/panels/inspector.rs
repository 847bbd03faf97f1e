//! One instance: what it is, how sure that is, and the decision.

use super::completion::Completion;
use super::history;
use super::list::state_color;
use super::words;
use crate::app::command::Command;
use crate::app::model::Model;
use crate::app::order::state_word;
use crate::app::shortcuts::{Action, tip};
use crate::review::measures::score_terms;
use crate::review::{Decision, Reason, Reviewed, Verdict, queue};
use eframe::egui::text::{CCursor, CCursorRange};
use eframe::egui::{
    Align2, Button, Context, Event, FontId, Id, Key, KeyboardShortcut, Label, Modifiers, Rect, RichText, ScrollArea,
    Sense, TextEdit, TextStyle, Ui, vec2,
};

/// A text that can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::app) enum Field {
    /// The label.
    Label,
    /// The caption.
    Caption,
    /// The note beside it.
    Note,
}

/// What it keeps between frames: texts that are being written.
#[derive(Default)]
pub(in crate::app) struct InspectorPanel {
    id: Option<u32>,
    label: String,
    caption: String,
    note: String,
    editing: Option<Field>,
    completion: Completion,
}

/// What a field is known by.
fn id_of(field: Field) -> Id {
    Id::unique(("inspector", field))
}

/// Puts the cursor into a field, with all of a label chosen: another one is typed over it. Asked for between two frames,
/// the keys of the next one are the field's already.
pub(super) fn focus(ctx: &Context, field: Field) {
    let id = id_of(field);
    ctx.memory_mut(|m| m.request_focus(id));
    if field == Field::Label {
        let mut state = TextEdit::load_state(ctx, id).unwrap_or_default();
        let all = CCursorRange::two(CCursor::new(0), CCursor::new(usize::MAX));
        state.cursor.set_char_range(Some(all));
        TextEdit::store_state(ctx, id, state);
    }
}

impl InspectorPanel {
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
            (self.label, self.caption, self.note) = (i.label.clone(), i.caption.clone(), item.note.clone());
        }
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            decision(ui, model, item, out);
            ui.add_space(4.0);
            self.texts(ui, model, item, out);
            ui.add_space(4.0);
            history::changed(ui, model, item, out);
            terms(ui, item);
            facts(ui, model, item, out);
            history::list(ui, model, item);
        });
    }

    fn texts(&mut self, ui: &mut Ui, model: &Model, item: &Reviewed, out: &mut Vec<Command>) {
        ui.add_enabled_ui(can_decide(model), |ui| {
            ui.small("Label");
            self.field(ui, Field::Label, model, item, out);
            if self.editing == Some(Field::Label) {
                if let Some(text) = self.completion.ui(ui, model, item.instance.id, &self.label) {
                    (self.label, self.editing) = (text, None);
                    self.keep(Field::Label, item, out);
                } else {
                    // A click between two of them leaves the field no more than one on them.
                    ui.memory_mut(|m| m.request_focus(id_of(Field::Label)));
                }
            }
            ui.small("Caption");
            self.field(ui, Field::Caption, model, item, out);
            ui.small("Note");
            self.field(ui, Field::Note, model, item, out);
        });
    }

    /// Enter or leaving the field keeps the text, Esc brings the old one back.
    fn field(&mut self, ui: &mut Ui, field: Field, model: &Model, item: &Reviewed, out: &mut Vec<Command>) {
        let id = id_of(field);
        let (text, action, rows) = match field {
            Field::Label => (&mut self.label, Action::Relabel, 1),
            Field::Caption => (&mut self.caption, Action::Recaption, 3),
            Field::Note => (&mut self.note, Action::Note, 1),
        };
        let is_label = field == Field::Label;
        if is_label && ui.memory(|m| m.has_focus(id)) {
            self.completion.keys(ui.ctx(), id, model, item.instance.id, text);
        }
        // Only Shift+Enter breaks the line.
        let newline = KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter);
        let edit = TextEdit::multiline(text).id(id).desired_rows(rows).desired_width(f32::INFINITY).return_key(newline);
        // Tab completes a label instead of going on to the next field.
        let edit = edit.lock_focus(is_label);
        let response = ui.add(edit).on_hover_text(format!("{}. Enter keeps it, Esc does not.", tip(action)));
        let plain =
            |e: &Event| matches!(e, Event::Key { key: Key::Enter, pressed: true, modifiers, .. } if !modifiers.shift);
        let (enter, escape) = ui.input(|i| (i.events.iter().any(plain), i.key_pressed(Key::Escape)));
        if response.has_focus() {
            self.editing = Some(field);
        }
        let to_offer = is_label && self.completion.is_clicked(ui.ctx());
        let leaving = (response.lost_focus() && !to_offer) || (response.has_focus() && enter);
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
            Field::Note => (self.note.trim(), &item.note),
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
                Field::Note => Decision::Note { text },
            },
        ));
    }
}

/// Whether decisions can be taken now.
pub(super) fn can_decide(model: &Model) -> bool {
    model.review.as_ref().is_some_and(|r| !r.is_read_only())
}

fn decision(ui: &mut Ui, model: &Model, item: &Reviewed, out: &mut Vec<Command>) {
    let i = &item.instance;
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("#{} {}", i.id, i.label)).heading().strong());
        let word = item.reason.map_or(state_word(item).to_owned(), |r| format!("{}: {}", state_word(item), r.name()));
        ui.label(RichText::new(word).color(state_color(ui, item)).strong());
    });
    let order = model.view.sort.order;
    ui.small(queue::why(item, order, &model.context)).on_hover_text(format!("Why it is here by {}", order.name()));
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
        button(ui, "Unsure (S)", Action::Unsure, true);
        button(ui, "Best view (V)", Action::BestView, false);
        button(ui, "Focus (F)", Action::Focus, false);
    });
    reasons(ui, model, item, out);
}

/// A small button for each reason to reject, with its key.
fn reasons(ui: &mut Ui, model: &Model, item: &Reviewed, out: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(3.0, 2.0);
        ui.small("Reject as");
        for reason in Reason::ALL {
            let on = item.verdict == Verdict::Rejected && item.reason == Some(reason);
            let text = RichText::new(format!("{} {}", reason.key(), reason.name())).small();
            let button = Button::new(text).small().selected(on);
            let action = Action::RejectAs(reason);
            if ui.add_enabled(can_decide(model), button).on_hover_text(tip(action)).clicked() {
                out.push(Command::Do(action));
            }
        }
    });
}

/// The terms of the score as bars.
fn terms(ui: &mut Ui, item: &Reviewed) {
    let terms = score_terms(&item.instance);
    let all = std::iter::once(("score", item.instance.score)).chain(terms);
    for (k, (name, value)) in all.enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width().min(260.0), 13.0), Sense::hover());
        let visuals = ui.visuals();
        let bar = Rect::from_min_max(rect.min + vec2(118.0, 3.0), rect.max - vec2(34.0, 3.0));
        let full = Rect::from_min_size(bar.min, vec2(bar.width() * value.clamp(0.0, 1.0) as f32, bar.height()));
        let (font, ink) =
            (FontId::proportional(11.0), if k == 0 { visuals.text_color() } else { visuals.weak_text_color() });
        let color = if k == 0 { visuals.hyperlink_color } else { visuals.weak_text_color() };
        ui.painter().rect_filled(bar, 2.0, visuals.extreme_bg_color);
        ui.painter().rect_filled(full, 2.0, color);
        ui.painter().text(rect.left_center(), Align2::LEFT_CENTER, words::name(name), font.clone(), ink);
        ui.painter().text(rect.right_center(), Align2::RIGHT_CENTER, format!("{value:.2}"), font, ink);
        let told = if k == 0 { "The score is the product of the terms below".to_owned() } else { words::name(name) };
        response.on_hover_text(format!("{told}: {value:.3}"));
    }
}

fn facts(ui: &mut Ui, model: &Model, item: &Reviewed, out: &mut Vec<Command>) {
    let i = &item.instance;
    let unit = model.unit();
    let s = &i.obb.size;
    let mut rows = vec![
        ("Size", format!("{:.2} \u{d7} {:.2} \u{d7} {:.2} {unit}", s.x, s.y, s.z)),
        ("Centre", format!("{:.2}, {:.2}, {:.2} {unit}", i.obb.center.x, i.obb.center.y, i.obb.center.z)),
    ];
    if let Some(map) = i.evidence.as_object() {
        rows.extend(map.iter().filter(|(k, _)| *k != "score").map(|(k, v)| (k.as_str(), words::value(v))));
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
