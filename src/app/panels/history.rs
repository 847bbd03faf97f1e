//! What was decided about an instance, and what the pipeline had found.

use super::inspector::can_decide;
use crate::app::command::Command;
use crate::app::model::Model;
use crate::review::{Decision, Reviewed};
use crate::scene::Instance;
use eframe::egui::{RichText, Ui};

/// Decisions that are listed, the latest.
const LISTED: usize = 40;

/// What is not as it was found, with a button that brings it back.
pub(super) fn changed(ui: &mut Ui, model: &Model, item: &Reviewed, out: &mut Vec<Command>) {
    let id = item.instance.id;
    let Some(review) = &model.review else { return };
    let Some(found) = review.found(id) else {
        ui.small("Added by a reviewer.");
        return;
    };
    for (text, back) in differences(&item.instance, found, model.unit()) {
        ui.horizontal_wrapped(|ui| {
            let button = ui.add_enabled(can_decide(model), eframe::egui::Button::new("Bring back").small());
            if button.on_hover_text("As the pipeline found it; one decision, one undo").clicked() {
                out.push(Command::Decide(id, back));
            }
            ui.small(text);
        });
    }
}

/// What differs, in words, and the decision that undoes it.
fn differences(now: &Instance, found: &Instance, unit: &str) -> Vec<(String, Decision)> {
    let mut all = Vec::new();
    if now.label != found.label {
        all.push((format!("label was: {}", found.label), Decision::Relabel { text: found.label.clone() }));
    }
    if now.caption != found.caption {
        all.push((format!("caption was: {}", found.caption), Decision::Recaption { text: found.caption.clone() }));
    }
    if now.obb != found.obb {
        let (s, moved) = (found.obb.size, (now.obb.center - found.obb.center).norm());
        let size = format!("{:.2} \u{d7} {:.2} \u{d7} {:.2} {unit}", s.x, s.y, s.z);
        all.push((format!("box was: {size}, {moved:.2} {unit} from here"), Decision::Rebox { to: found.obb }));
    }
    all
}

/// Who decided what and when, the latest first; what was undone is struck out.
pub(super) fn list(ui: &mut Ui, model: &Model, item: &Reviewed) {
    let id = item.instance.id;
    let Some(review) = &model.review else { return };
    let events = review.history(id);
    if events.is_empty() {
        return;
    }
    ui.collapsing(format!("History ({})", events.len()), |ui| {
        let zone = jiff::tz::TimeZone::system();
        for event in events.iter().rev().take(LISTED) {
            let time = event.time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M");
            let mine = event.changes.iter().filter(|c| c.0 == id).map(|c| c.1.in_words());
            let what = mine.collect::<Vec<_>>().join(", ");
            let with = match event.changes.len() {
                0 | 1 => String::new(),
                n => format!(" (with {} others)", n - 1),
            };
            let text = RichText::new(format!("{time}  {}: {what}{with}", event.reviewer)).small();
            let undone = "Taken back";
            match event.active {
                true => ui.label(text).on_hover_text(&event.program),
                false => ui.label(text.strikethrough().weak()).on_hover_text(undone),
            };
        }
        if events.len() > LISTED {
            ui.small(format!("and {} earlier ones", events.len() - LISTED));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{InstanceState, OrientedBox};
    use nalgebra::{Point3, Vector3};

    #[test]
    fn says_what_was_and_how_to_get_it_back() {
        let found = Instance {
            id: 1,
            label: "object".into(),
            caption: "a thing".into(),
            score: 0.5,
            state: InstanceState::Kept,
            obb: OrientedBox::upright(Point3::origin(), Vector3::new(1.0, 2.0, 3.0), 0.0),
            views: Vec::new(),
            best_view: String::new(),
            evidence: serde_json::Value::Null,
        };
        assert!(differences(&found, &found, "m").is_empty());
        let mut now = Instance { label: "chair".into(), ..found.clone() };
        now.obb.center.x = 0.5;
        let all = differences(&now, &found, "m");
        assert_eq!(all[0], ("label was: object".into(), Decision::Relabel { text: "object".into() }));
        assert_eq!(all[1].0, "box was: 1.00 \u{d7} 2.00 \u{d7} 3.00 m, 0.50 m from here");
        assert_eq!(all[1].1, Decision::Rebox { to: found.obb });
    }
}
