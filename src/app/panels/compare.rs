//! The render or the error right of a line over the photo, and the words above them.

use super::legend;
use crate::app::command::Command;
use crate::app::compare::{self, Compare, Compared, Comparer, Subject};
use crate::app::model::Model;
use crate::app::palette;
use crate::app::shortcuts::{Action, tip};
use eframe::egui::{
    self, Align2, Color32, CursorIcon, FontId, Id, Painter, Rect, Sense, Stroke, TextureHandle, TextureOptions, Ui,
    pos2, vec2,
};
use std::sync::Arc;

/// While a run is at work, newer splats are compared after so many times what the last comparison cost.
const PATIENCE: f64 = 40.0;

/// What it keeps between frames.
pub(super) struct ComparePanel {
    comparer: Comparer,
    /// What was asked for last, and when.
    asked: Option<(Subject, f64)>,
    shown: Option<(Arc<Compared>, [TextureHandle; 2])>,
}

impl ComparePanel {
    pub(super) fn new(ctx: &egui::Context) -> Self {
        let wake = ctx.clone();
        Self { comparer: Comparer::new(move || wake.request_repaint()), asked: None, shown: None }
    }

    /// Whether the comparison of the photo that is shown is there, where one is wanted.
    pub(super) fn is_settled(&self, model: &Model) -> bool {
        let wanted = model.photo().and_then(|k| subject(model, k));
        wanted.is_none_or(|w| self.comparer.latest().is_some_and(|l| l.of.same(&w)))
    }

    /// Asks for what is needed and takes in what has come.
    pub(super) fn update(&mut self, ui: &Ui, model: &Model, index: usize) {
        let Some(wanted) = subject(model, index) else {
            (self.shown, self.asked) = (None, None);
            return;
        };
        let now = ui.input(|i| i.time);
        match &self.asked {
            Some((asked, _)) if asked.same(&wanted) => {}
            Some((asked, at)) if model.at_work && asked.same_but_cloud(&wanted) => {
                let cost = self.shown.as_ref().map_or(0.0, |s| f64::from(s.0.seconds));
                let wait = PATIENCE * cost - (now - at);
                if wait > 0.0 {
                    ui.ctx().request_repaint_after_secs(wait as f32 + 0.01);
                } else {
                    self.ask(wanted, now);
                }
            }
            _ => self.ask(wanted, now),
        }
        if let Some(latest) = self.comparer.latest()
            && self.shown.as_ref().is_none_or(|s| !Arc::ptr_eq(&s.0, &latest))
            && let Ok(p) = &latest.result
        {
            let load = |name: &str, image: &egui::ColorImage| {
                ui.ctx().load_texture(name, image.clone(), TextureOptions::LINEAR)
            };
            self.shown = Some((Arc::clone(&latest), [load("render", &p.render), load("error", &p.heat)]));
        }
    }

    fn ask(&mut self, wanted: Subject, now: f64) {
        self.comparer.ask(wanted.clone());
        self.asked = Some((wanted, now));
    }

    /// The line of words over the photo.
    pub(super) fn words(&self, ui: &mut Ui, model: &Model, index: usize) {
        if model.view.compare == Compare::Off {
            return;
        }
        if model.camera(index).is_none() {
            ui.weak("This photo has no camera: there is nothing to compare it with.");
            return;
        }
        if model.cloud.is_none() {
            ui.weak("There are no splats yet.");
            return;
        }
        let latest = self.comparer.latest().filter(|l| l.of.photo.stem == model.photos[index].stem);
        match latest.as_ref().map(|l| &l.result) {
            Some(Ok(p)) => {
                let [w, h] = p.render.size;
                let words = compare::in_words(p.psnr_db);
                let hint = format!("At {w} x {h} pixels. A dB more is a fifth less squared error.");
                ui.label(format!("Splats against photo: PSNR {:.1} dB, {words}", p.psnr_db)).on_hover_text(hint);
            }
            Some(Err(e)) => {
                ui.colored_label(ui.visuals().warn_fg_color, e);
            }
            None => {
                ui.weak("rendering...");
            }
        }
    }

    /// Draws over the photo, which lies at `whole` and is seen in `rect`.
    pub(super) fn draw(&self, ui: &Ui, rect: Rect, whole: Rect, model: &Model, index: usize, out: &mut Vec<Command>) {
        let here = self.shown.as_ref().filter(|s| s.0.of.photo.stem == model.photos[index].stem);
        let Some((_, [render, error])) = here else { return };
        let is_error = model.view.compare == Compare::Error;
        let seen = whole.intersect(rect);
        let x = (whole.min.x + whole.width() * model.view.split).clamp(seen.min.x, seen.max.x);
        let right = Rect::from_min_max(pos2(x, seen.min.y), seen.max);
        let texture = if is_error { error } else { render };
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter().with_clip_rect(right).image(texture.id(), whole, uv, Color32::WHITE);
        let painter = ui.painter().with_clip_rect(seen);
        let names = ["Photo", if is_error { "Error" } else { "Splats" }];
        name(&painter, names[0], pos2(x - 8.0, seen.min.y + 6.0), Align2::RIGHT_TOP);
        name(&painter, names[1], pos2(x + 8.0, seen.min.y + 6.0), Align2::LEFT_TOP);
        if is_error {
            let percent = |x: f32| format!("{:.0} %", 100.0 * x);
            let ends = [percent(0.0), format!("{} or more", percent(compare::WORST))];
            legend::draw(ui, seen, Align2::RIGHT_BOTTOM, "Mean difference of the colours", &palette::inferno, &ends);
        }
        let handle = Rect::from_center_size(pos2(x, seen.center().y), vec2(14.0, seen.height()));
        let grip = ui
            .interact(handle, Id::unique("compare split"), Sense::drag())
            .on_hover_cursor(CursorIcon::ResizeHorizontal);
        let bright = if grip.hovered() || grip.dragged() { 255 } else { 200 };
        painter.vline(x, seen.y_range(), Stroke::new(3.0, Color32::from_black_alpha(140)));
        painter.vline(x, seen.y_range(), Stroke::new(1.5, Color32::from_white_alpha(bright)));
        let knob = Rect::from_center_size(handle.center(), vec2(8.0, 26.0));
        painter.rect_filled(knob, 4.0, Color32::from_white_alpha(bright));
        if let Some(p) = grip.interact_pointer_pos().filter(|_| grip.dragged()) {
            out.push(Command::Split(((p.x - whole.min.x) / whole.width()).clamp(0.0, 1.0)));
        }
    }
}

/// The choice between photo, render and error.
pub(super) fn choice(ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
    for (mode, name) in Compare::ALL.into_iter().zip(["Photo", "Splats", "Error"]) {
        let label = ui.selectable_label(model.view.compare == mode, name);
        if label.on_hover_text(tip(Action::Compare)).clicked() {
            out.push(Command::Compare(mode));
        }
    }
}

/// What is to be compared for a photo; `None` where nothing is or can be.
fn subject(model: &Model, index: usize) -> Option<Subject> {
    let (cloud, camera) = (model.cloud.as_ref()?, model.camera(index)?);
    let on = model.view.compare != Compare::Off && !cloud.is_empty();
    on.then(|| Subject {
        photo: model.photos[index].clone(),
        camera: *camera,
        cloud: Arc::clone(cloud),
        halved: model.at_work,
    })
}

fn name(painter: &Painter, text: &str, at: egui::Pos2, anchor: Align2) {
    let galley = painter.layout_no_wrap(text.to_owned(), FontId::proportional(12.0), Color32::WHITE);
    let rect = anchor.anchor_size(at, galley.size());
    painter.rect_filled(rect.expand2(vec2(5.0, 2.0)), 3.0, Color32::from_black_alpha(150));
    painter.galley(rect.min, galley, Color32::WHITE);
}
