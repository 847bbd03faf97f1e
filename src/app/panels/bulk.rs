//! The bar under the list: one decision about all selected instances, shown before it is taken.

use super::inspector::can_decide;
use crate::app::command::Command;
use crate::app::model::Model;
use crate::app::shortcuts::{Action, keys};
use crate::review::bulk::{Bulk, unreviewed_from};
use crate::review::{Decision, Reason};
use eframe::egui::{DragValue, Frame, Key, RichText, TextEdit, Ui};
use std::collections::BTreeSet;

/// What it keeps between frames.
pub(in crate::app) struct BulkBar {
    /// What waits for Enter; for which state of the list and which instances.
    pending: Option<(u64, BTreeSet<u32>, Bulk)>,
    /// The label that is being written for all of them; whether it has had the focus.
    relabel: Option<(String, bool)>,
    /// Score from which all are accepted.
    least: f64,
}

impl Default for BulkBar {
    fn default() -> Self {
        Self { pending: None, relabel: None, least: 0.8 }
    }
}

impl BulkBar {
    /// Shows what a decision about `ids` would change; it is taken by [`Self::confirm`].
    pub(super) fn ask(&mut self, model: &Model, ids: &BTreeSet<u32>, decision: &Decision) {
        // In the order of the list; what the filter hides comes behind.
        let shown = model.order.iter().copied().filter(|id| ids.contains(id));
        let listed: BTreeSet<u32> = shown.clone().collect();
        let all = shown.chain(ids.difference(&listed).copied());
        self.pending = Some((model.list_stamp, model.marked.clone(), Bulk::new(model.items(), all, decision)));
        self.relabel = None;
    }

    /// The decisions that wait, if nothing has changed since they were shown.
    pub(super) fn confirm(&mut self, model: &Model) -> Vec<(u32, Decision)> {
        self.forget_old(model);
        self.pending.take().map(|p| p.2.decisions).unwrap_or_default()
    }

    /// Drops what waits; whether there was something.
    pub(super) fn cancel(&mut self) -> bool {
        let relabel = self.relabel.take().is_some();
        self.pending.take().is_some() || relabel
    }

    fn forget_old(&mut self, model: &Model) {
        let same = |p: &(u64, BTreeSet<u32>, Bulk)| p.0 == model.list_stamp && p.1 == model.marked;
        self.pending = self.pending.take().filter(same);
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        self.forget_old(model);
        if !can_decide(model) {
            return;
        }
        let fill = ui.visuals().faint_bg_color;
        Frame::new().fill(fill).inner_margin(4).corner_radius(3).show(ui, |ui| {
            ui.set_width(ui.available_width());
            if self.pending.is_some() {
                self.preview(ui, out);
            } else if self.relabel.is_some() {
                self.write_label(ui, model);
            } else {
                self.choices(ui, model, out);
            }
        });
    }

    fn choices(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        if model.marked.len() > 1 {
            ui.horizontal_wrapped(|ui| {
                ui.strong(format!("{} selected:", model.marked.len()));
                for (text, decision, action) in [
                    ("Accept", Decision::Accept, Action::Accept),
                    ("Reject", Decision::REJECT, Action::Reject),
                    ("Unsure", Decision::Unsure, Action::Unsure),
                ] {
                    let tip = format!("{text} all selected; first shows how many ({})", keys(action));
                    if ui.small_button(text).on_hover_text(tip).clicked() {
                        self.ask(model, &model.marked, &decision);
                    }
                }
                ui.menu_button("Reject as", |ui| {
                    for reason in Reason::ALL {
                        if ui.button(format!("{} {}", reason.key(), reason.name())).clicked() {
                            self.ask(model, &model.marked, &Decision::Reject { reason: Some(reason) });
                            ui.close();
                        }
                    }
                });
                if ui.small_button("Relabel\u{2026}").on_hover_text("One label for all selected").clicked() {
                    self.relabel = Some((String::new(), false));
                }
                let one = format!("Back to one selected instance ({})", keys(Action::OnlyOne));
                if ui.small_button("One").on_hover_text(one).clicked() {
                    out.push(Command::Do(Action::OnlyOne));
                }
            });
        }
        ui.horizontal_wrapped(|ui| {
            let text = "Accept all from score";
            let tip = "Accepts what the list shows, has at least this score, and nobody has decided about; first shows \
                       how many";
            let pressed = ui.small_button(text).on_hover_text(tip).clicked();
            let least = DragValue::new(&mut self.least).range(0.0..=1.0).speed(0.01).fixed_decimals(2);
            ui.add(least).on_hover_text("Least score, 0 to 1");
            if pressed {
                let ids = unreviewed_from(model.items(), &model.order, self.least).into_iter().collect();
                self.ask(model, &ids, &Decision::Accept);
            }
        });
    }

    fn preview(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        let Some((_, _, bulk)) = &self.pending else { return };
        ui.label(RichText::new(&bulk.sentence).strong());
        let nothing = bulk.decisions.is_empty();
        let mut left = false;
        ui.horizontal(|ui| {
            let go = ui.add_enabled(!nothing, eframe::egui::Button::new(format!("Do it ({})", keys(Action::Confirm))));
            if go.on_hover_text("Takes all these decisions; one undo takes them back").clicked() {
                out.push(Command::DecideAll(bulk.decisions.clone()));
            }
            let leave = ui.button(format!("Leave it ({})", keys(Action::OnlyOne)));
            left = leave.on_hover_text("Changes nothing").clicked();
        });
        if left {
            self.pending = None;
        }
    }

    fn write_label(&mut self, ui: &mut Ui, model: &Model) {
        let Some((mut text, had_focus)) = self.relabel.take() else { return };
        ui.horizontal(|ui| {
            ui.label(format!("Label for {}", model.marked.len()));
            let field = ui.add(TextEdit::singleline(&mut text).hint_text("chair").desired_width(f32::INFINITY));
            let field = field.on_hover_text("Enter shows what it would change, Esc leaves it");
            if !had_focus {
                field.request_focus();
            }
            let enter = ui.input(|i| i.key_pressed(Key::Enter));
            match text.trim() {
                label if field.lost_focus() && enter && !label.is_empty() => {
                    self.ask(model, &model.marked, &Decision::Relabel { text: label.to_owned() });
                }
                _ if field.lost_focus() => {}
                _ => self.relabel = Some((text, true)),
            }
        });
    }
}
