//! The box that is being edited, from above, from the front and from the side, with handles, over the splats near it.

use super::box_fields;
use super::edit_bar::COLOR;
use crate::app::command::Command;
use crate::app::edit::{Adding, BoxEdit, EditCommand, What};
use crate::app::model::Model;
use crate::app::near::Near;
use crate::app::ortho::{self, Grip, Part, Side, View};
use crate::app::shortcuts::{Action, tip};
use crate::review::edit::{self, Face};
use crate::scene::OrientedBox;
use eframe::egui::{
    Align2, Color32, ColorImage, CursorIcon, FontId, Painter, PointerButton, Pos2, Rect, Sense, Stroke, TextureHandle,
    TextureOptions, Ui, pos2, vec2,
};
use nalgebra::{Point3, Vector3};
use std::sync::Arc;

/// Height that a new box is drawn with in the view from above, scene units.
const FIRST_HEIGHT: f64 = 0.5;

/// What a picture of points was made for: view, box, size, and the points by their address.
type Key = (View, OrientedBox, [usize; 2], usize);

/// What it keeps between frames.
#[derive(Default)]
pub(in crate::app) struct BoxPanel {
    /// Whose box, whether it is a new one, and the axes and middle of the views.
    laid_out: Option<((u32, bool), OrientedBox)>,
    /// Magnification over the box filling about half of a view.
    zoom: f64,
    grip: Option<(Grip, u32)>,
    lit: Option<(Side, Part)>,
    pictures: [Option<(Key, TextureHandle)>; 3],
}

impl BoxPanel {
    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        let Some(edit) = &model.edit else {
            *self = Self::default();
            ui.weak("The box of the selected instance can be changed here: drag its faces, or type numbers.");
            ui.horizontal(|ui| {
                for (text, action) in [("Edit box (E)", Action::EditBox), ("Add an instance (I)", Action::Add)] {
                    if ui.button(text).on_hover_text(tip(action)).clicked() {
                        out.push(Command::Do(action));
                    }
                }
            });
            return;
        };
        self.lay_out(model, edit);
        if edit.is_adjusting() {
            box_fields::buttons(ui, model, edit, out);
            box_fields::numbers(ui, model, edit, out);
        }
        let all = ui.available_rect_before_wrap();
        if all.width() < 60.0 || all.height() < 60.0 {
            return;
        }
        if matches!(edit.what, What::Add(_)) {
            self.view(ui, all, Side::Top, model, edit, out);
            return;
        }
        for (side, rect) in Side::ALL.into_iter().zip(places(all)) {
            self.view(ui, rect, side, model, edit, out);
        }
        if !ui.input(|i| i.pointer.primary_down()) {
            self.grip = None;
        }
    }

    /// Axes of the views are those of the box; while it is dragged they stay, and their middle stays while the box is in
    /// sight.
    fn lay_out(&mut self, model: &Model, edit: &BoxEdit) {
        let frame = match &edit.what {
            What::Add(_) => whole(model),
            _ => edit.now,
        };
        // A box that was drawn in all of the scene is much smaller than that.
        let about = (edit.id, matches!(edit.what, What::Add(_)));
        match &mut self.laid_out {
            Some((old_about, old)) if *old_about == about => {
                if self.grip.is_none() && !edit.live && !matches!(edit.what, What::Add(_)) {
                    let away = (frame.center - old.center).norm() > 0.6 * old.size.max();
                    let center = if away { frame.center } else { old.center };
                    *old = OrientedBox { center, rotation: frame.rotation, size: old.size };
                }
            }
            _ => {
                self.laid_out = Some((about, frame));
                self.zoom = 1.0;
            }
        }
    }

    fn view(&mut self, ui: &mut Ui, rect: Rect, side: Side, model: &Model, edit: &BoxEdit, out: &mut Vec<Command>) {
        let response = ui.allocate_rect(rect, Sense::click_and_drag());
        let Some((_, frame)) = self.laid_out else { return };
        let fills = if matches!(edit.what, What::Add(_)) { 0.95 } else { 0.55 };
        let (right, up, ..) = side.axes();
        let fits = |room: f32, k: usize| f64::from(room) / frame.size[k].max(0.2 * frame.size.max()).max(1e-9);
        let scale = self.zoom * fills * fits(rect.width(), right).min(fits(rect.height(), up));
        let middle = [f64::from(rect.center().x), f64::from(rect.center().y)];
        let view = View { side, frame, scale, middle };
        let painter = ui.painter().with_clip_rect(rect);
        painter.rect_filled(rect, 2.0, ui.visuals().extreme_bg_color);
        if let Some(near) = &edit.near {
            let shown = if matches!(edit.what, What::Add(_)) { frame } else { edit.now };
            self.picture(ui, &painter, rect, &view, near, &shown);
        }
        if response.contains_pointer() {
            let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
            self.zoom = (self.zoom * f64::from((scroll * 0.005).exp() * pinch)).clamp(0.05, 50.0);
        }
        let pan = response.dragged_by(PointerButton::Middle) || response.dragged_by(PointerButton::Secondary);
        if let (true, Some((_, frame))) = (pan, &mut self.laid_out) {
            let d = response.drag_delta();
            frame.center -= view.world([f64::from(d.x) / scale, -f64::from(d.y) / scale]);
        }
        match &edit.what {
            What::Adjust => self.handles(ui, &response, &view, edit, out),
            What::Add(adding) => draw_footprint(ui, rect, &view, model, adding, out),
            What::Split { .. } | What::Merge { .. } => {}
        }
        self.lines(&painter, &view, edit);
        let text = format!("{}  {}", side.name(), lengths(&view, edit, model.unit()));
        let at = rect.left_top() + vec2(6.0, 4.0);
        painter.text(at, Align2::LEFT_TOP, text, FontId::proportional(11.0), ui.visuals().text_color());
    }

    /// The points behind the box, painted when something of it has changed.
    fn picture(&mut self, ui: &Ui, painter: &Painter, rect: Rect, view: &View, near: &Arc<Near>, b: &OrientedBox) {
        let size = [rect.width().max(1.0) as usize, rect.height().max(1.0) as usize];
        let key = (*view, *b, size, Arc::as_ptr(near) as usize);
        let slot = &mut self.pictures[view.side as usize];
        if slot.as_ref().is_none_or(|s| s.0 != key) {
            let pixels = ortho::picture(view, near, b, size);
            let image = ColorImage::from_rgba_unmultiplied(size, &pixels);
            *slot = Some((key, ui.ctx().load_texture(view.side.name(), image, TextureOptions::NEAREST)));
        }
        if let Some((_, texture)) = slot {
            let at = Rect::from_min_size(rect.min, vec2(size[0] as f32, size[1] as f32));
            let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            painter.image(texture.id(), at, uv, Color32::WHITE);
        }
    }

    /// Takes hold of a part, follows the pointer, lets go.
    fn handles(
        &mut self,
        ui: &Ui,
        response: &eframe::egui::Response,
        view: &View,
        edit: &BoxEdit,
        out: &mut Vec<Command>,
    ) {
        let (pressed, down, at) =
            ui.input(|i| (i.pointer.primary_pressed(), i.pointer.primary_down(), i.pointer.latest_pos()));
        self.grip = self.grip.filter(|g| g.1 == edit.cancels);
        let local = |p: Pos2| [f64::from(p.x), f64::from(p.y)];
        if let Some((grip, _)) = self.grip.filter(|g| g.0.view.side == view.side) {
            let Some(p) = at else { return };
            let b = grip.drag(local(p));
            // A command draws another frame, and a mouse that is held still needs none.
            if !(down && edit.live && b == edit.now) {
                out.push(Command::Edit(if down { EditCommand::Preview(b) } else { EditCommand::Keep(b) }));
            }
            return;
        }
        if self.grip.is_some() || (down && !pressed) {
            return;
        }
        // In a slow frame the pointer has gone on since it was pressed.
        let from = ui.input(|i| i.pointer.press_origin()).filter(|_| pressed);
        let hover = response.hover_pos().map(|p| local(from.unwrap_or(p)));
        let turns = view.side == Side::Top || edit.free || !edit::is_upright(&edit.now);
        let part = hover.and_then(|p| ortho::under(view, &edit.now, p, turns));
        match part {
            Some(part) => {
                self.lit = Some((view.side, part));
                ui.ctx().set_cursor_icon(CursorIcon::Grab);
            }
            None if self.lit.is_some_and(|l| l.0 == view.side) => self.lit = None,
            None => {}
        }
        if let (true, Some(part), Some(p)) = (pressed, part, hover) {
            self.grip = Some((Grip::take(view, &edit.now, part, p), edit.cancels));
        }
    }

    fn lines(&self, painter: &Painter, view: &View, edit: &BoxEdit) {
        let at = |p: &Point3<f64>| {
            let [x, y] = view.panel(p);
            pos2(x as f32, y as f32)
        };
        let draw = |b: &OrientedBox, stroke: Stroke| {
            let c = b.corners().map(|p| at(&p));
            for (i, j) in OrientedBox::EDGES {
                painter.line_segment([c[i], c[j]], stroke);
            }
        };
        let Some(b) = edit.shown() else { return };
        draw(&b, Stroke::new(3.5, Color32::from_black_alpha(150)));
        draw(&b, Stroke::new(1.8, COLOR));
        for part in edit.parts().iter().flatten() {
            draw(part, Stroke::new(1.2, Color32::WHITE));
        }
        if !edit.is_adjusting() {
            return;
        }
        let lit = self.lit.filter(|l| l.0 == view.side).map(|l| l.1);
        let faces = match lit {
            Some(Part::Edge(f)) => vec![f],
            Some(Part::Corner(f, g)) => vec![f, g],
            _ => Vec::new(),
        };
        for f in faces {
            let c = face_corners(&b, f).map(|p| at(&p));
            for k in 0..4 {
                painter.line_segment([c[k], c[(k + 1) % 4]], Stroke::new(4.0, Color32::WHITE));
            }
        }
        if view.side == Side::Top || edit.free || !edit::is_upright(&b) {
            let (_, up, ..) = view.side.axes();
            let knob = view.knob(&b);
            let knob = pos2(knob[0] as f32, knob[1] as f32);
            let from = at(&Face { axis: up, positive: true }.center(&b));
            painter.line_segment([from, knob], Stroke::new(1.5, COLOR));
            let radius = if lit == Some(Part::Knob) { 8.0 } else { 6.0 };
            painter.circle(knob, radius, COLOR, Stroke::new(1.5, Color32::BLACK));
        }
    }
}

/// Three views side by side, or the one from above over the others.
fn places(all: Rect) -> [Rect; 3] {
    let gap = 4.0;
    if all.width() > 1.9 * all.height() {
        let w = (all.width() - 2.0 * gap) / 3.0;
        return [0.0, 1.0, 2.0].map(|k| Rect::from_min_size(all.min + vec2(k * (w + gap), 0.0), vec2(w, all.height())));
    }
    let (w, h) = ((all.width() - gap) / 2.0, (all.height() - gap) / 2.0);
    let below = |k: f32| Rect::from_min_size(all.min + vec2(k * (w + gap), h + gap), vec2(w, h));
    [Rect::from_min_size(all.min, vec2(all.width(), h)), below(0.0), below(1.0)]
}

/// The room up to above a person's head: what one draws a new box in.
fn whole(model: &Model) -> OrientedBox {
    let e = &model.extent;
    let height = 0.75 * e.radius;
    let center = Point3::new(e.center.x, e.center.y, model.floor() + height * 0.5);
    OrientedBox::upright(center, Vector3::new(2.2 * e.radius, 2.2 * e.radius, height), model.usual_yaw())
}

fn face_corners(b: &OrientedBox, face: Face) -> [Point3<f64>; 4] {
    let (u, v) = ((face.axis + 1) % 3, (face.axis + 2) % 3);
    let (du, dv) = (edit::axis(b, u) * (b.size[u] * 0.5), edit::axis(b, v) * (b.size[v] * 0.5));
    let c = face.center(b);
    [c + du + dv, c + du - dv, c - du - dv, c - du + dv]
}

fn lengths(view: &View, edit: &BoxEdit, unit: &str) -> String {
    let (right, up, ..) = view.side.axes();
    let size = edit.now.size;
    edit.shown().map_or(String::new(), |_| format!("{:.2} \u{d7} {:.2} {unit}", size[right], size[up]))
}

/// A footprint drawn in the view from above.
fn draw_footprint(ui: &Ui, rect: Rect, view: &View, model: &Model, adding: &Adding, out: &mut Vec<Command>) {
    let (pressed, released, at) =
        ui.input(|i| (i.pointer.primary_pressed(), i.pointer.primary_released(), i.pointer.latest_pos()));
    let Some(p) = at.filter(|p| rect.contains(*p)) else { return };
    let floor = model.floor();
    let mut on_floor = view.frame.center + view.world(view.units([f64::from(p.x), f64::from(p.y)]));
    on_floor.z = floor;
    let b = |from: &Point3<f64>| edit::drawn(from, &on_floor, model.usual_yaw(), floor, FIRST_HEIGHT);
    match adding {
        Adding::Footprint(from) => {
            let large = b(from).size.xy().min() > 5e-3 * model.extent.radius;
            let next = if released && large { Adding::Height(on_floor) } else { Adding::Footprint(*from) };
            out.push(Command::Edit(EditCommand::Draw(next, Some(b(from)))));
        }
        _ if pressed => {
            out.push(Command::Edit(EditCommand::Draw(Adding::Footprint(on_floor), Some(b(&on_floor)))));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_was_drawn_fills_the_views_when_it_is_edited() {
        let (mut panel, model) = (BoxPanel::default(), Model::default());
        let small = OrientedBox::upright(Point3::origin(), nalgebra::Vector3::repeat(0.01), 0.0);
        panel.lay_out(&model, &BoxEdit::new(7, What::Add(Adding::Start), small));
        assert_ne!(panel.laid_out.map(|l| l.1), Some(small));
        panel.lay_out(&model, &BoxEdit::new(7, What::Adjust, small));
        assert_eq!(panel.laid_out.map(|l| l.1), Some(small));
    }
}
