//! What is being edited as the photo shows it: the new box, the plane of a split, the mask under a click.

use super::edit_bar::COLOR;
use crate::app::command::Command;
use crate::app::edit::{Adding, Asked, EditCommand, Found, What};
use crate::app::mask_image;
use crate::app::model::Model;
use crate::app::overlay::{self, Line};
use crate::review::edit;
use crate::scene::{Camera, FrameMasks, Mask2d, OrientedBox, Rle};
use eframe::egui::{
    Color32, ColorImage, Painter, PointerButton, Pos2, Rect, Response, Stroke, StrokeKind, TextureHandle, TextureId,
    TextureOptions, Ui, Vec2, pos2, vec2,
};
use std::sync::Arc;

/// What it keeps between frames: masks as painted, and where the rectangle that is being drawn began.
#[derive(Default)]
pub(super) struct EditOverlay {
    mask: Option<(Arc<Rle>, TextureHandle)>,
    other: Option<(Arc<Vec<(usize, Rle)>>, usize, TextureHandle)>,
    corner: Option<[f64; 2]>,
}

/// How large the marks of points are, pixels of the screen.
const MARK: f32 = 5.0;
/// Sides of a rectangle that was drawn, below which it was none, pixels of the camera.
const LEAST: f64 = 4.0;

/// Whether a new instance is being pointed out: clicks and drags in the photo are of it.
pub(super) fn is_adding(model: &Model) -> bool {
    model.edit.as_ref().is_some_and(|e| matches!(e.what, What::Add(_)))
}

/// A click in the photo while something is edited: a point of the new instance, or with Ctrl one that is not of it.
pub(super) fn click(model: &Model, photo: usize, pixel: [f64; 2], not: bool) -> Option<Command> {
    is_adding(model).then_some(Command::Edit(EditCommand::Point(photo, pixel, !not)))
}

/// `[x0, y0, x1, y1)` between two corners, within a photo of this size; `None` where it is too thin.
fn rectangle(a: [f64; 2], b: [f64; 2], size: [f64; 2]) -> Option<[f64; 4]> {
    let at = |k: usize, f: fn(f64, f64) -> f64| f(a[k], b[k]).clamp(0.0, size[k]);
    let r = [at(0, f64::min), at(1, f64::min), at(0, f64::max), at(1, f64::max)];
    (r[2] - r[0] >= LEAST && r[3] - r[1] >= LEAST).then_some(r)
}

impl EditOverlay {
    /// A drag in the photo while an instance is added: the rectangle that it is in. `pixel` is the pixel of the camera under
    /// a place of the screen, `place` the other way.
    pub(super) fn drag(
        &mut self,
        response: &Response,
        painter: &Painter,
        model: &Model,
        (photo, size): (usize, [f64; 2]),
        (pixel, place): (&dyn Fn(Pos2) -> [f64; 2], &dyn Fn([f64; 2]) -> Pos2),
    ) -> Option<Command> {
        if !is_adding(model) {
            self.corner = None;
            return None;
        }
        if response.drag_started_by(PointerButton::Primary) {
            self.corner = response.ctx.input(|i| i.pointer.press_origin()).map(pixel);
        }
        let (corner, now) = (self.corner?, response.interact_pointer_pos().map(pixel));
        let found = now.and_then(|now| rectangle(corner, now, size));
        if let Some([x0, y0, x1, y1]) = found {
            let rect = Rect::from_min_max(place([x0, y0]), place([x1, y1]));
            painter.rect_stroke(rect, 0.0, Stroke::new(1.5, COLOR), StrokeKind::Middle);
        }
        if !response.drag_stopped_by(PointerButton::Primary) {
            return None;
        }
        self.corner = None;
        found.map(|r| Command::Edit(EditCommand::Around(photo, r)))
    }

    /// What was pointed out in the photo: points, points that are not of it, and the rectangle.
    fn asked(painter: &Painter, asked: &Asked, place: &dyn Fn([f64; 2]) -> Pos2) {
        if let Some([x0, y0, x1, y1]) = asked.prompt.rectangle {
            let rect = Rect::from_min_max(place([x0, y0]), place([x1, y1]));
            painter.rect_stroke(rect, 0.0, Stroke::new(1.5, COLOR), StrokeKind::Middle);
        }
        for (pixel, on) in &asked.prompt.points {
            let (at, color) = (place(*pixel), if *on { COLOR } else { Color32::from_rgb(255, 80, 70) });
            let line = |d: Vec2| painter.line_segment([at - d, at + d], Stroke::new(2.0, color));
            painter.circle_filled(at, MARK + 2.0, Color32::from_black_alpha(150));
            line(vec2(MARK, 0.0));
            if *on {
                line(vec2(0.0, MARK));
            }
        }
    }

    /// Draws over the photo, which lies at `whole`; `place` is where a pixel of the camera is on the screen.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn draw(
        &mut self,
        ui: &Ui,
        painter: &Painter,
        model: &Model,
        photo: usize,
        (camera, near, whole): (&Camera, f64, Rect),
        to_panel: &dyn Fn(Line) -> [Pos2; 2],
        place: &dyn Fn([f64; 2]) -> Pos2,
    ) {
        let Some(edit) = &model.edit else {
            (self.mask, self.other) = (None, None);
            return;
        };
        let draw = |b: &OrientedBox, color: Color32, width: f32| {
            for line in overlay::box_lines(camera, b, near) {
                painter.line_segment(to_panel(line), Stroke::new(width + 2.0, Color32::from_black_alpha(150)));
                painter.line_segment(to_panel(line), Stroke::new(width, color));
            }
        };
        match (&edit.what, edit.shown()) {
            (What::Split { plane }, _) => {
                edit.parts().iter().flatten().for_each(|p| draw(p, Color32::WHITE, 1.2));
                let normal = edit::axis(plane, 2);
                let corners = edit::cut(&edit.now, &normal, normal.dot(&plane.center.coords));
                for k in 0..corners.len() {
                    let next = &corners[(k + 1) % corners.len()];
                    if let Some(line) = overlay::segment(camera, &corners[k], next, near) {
                        painter.line_segment(to_panel(line), Stroke::new(2.5, COLOR));
                    }
                }
            }
            (What::Adjust, Some(b)) => {
                if edit.live {
                    draw(&b, COLOR, 1.8);
                }
            }
            (_, Some(b)) => draw(&b, COLOR, 2.0),
            (_, None) => {}
        }
        let What::Add(adding) = &edit.what else { return };
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        if let Adding::Mask(found) = adding
            && let Some(texture) = self.mask_of(ui, edit.id, found, photo)
        {
            painter.image(texture, whole, uv, Color32::WHITE);
        }
        if let Adding::Finding(asked) | Adding::Mask(Found { asked, .. }) = adding
            && asked.photo == photo
        {
            Self::asked(painter, asked, place);
        }
    }

    /// The mask of the new instance in a photo, as a texture.
    fn mask_of(&mut self, ui: &Ui, id: u32, found: &Found, photo: usize) -> Option<TextureId> {
        if found.asked.photo == photo {
            if self.mask.as_ref().is_none_or(|(mask, _)| !Arc::ptr_eq(mask, &found.mask)) {
                self.mask = Some((Arc::clone(&found.mask), painted(ui, id, &found.mask)));
            }
            return self.mask.as_ref().map(|m| m.1.id());
        }
        let others = found.others.as_ref()?;
        let mask = &others.iter().find(|o| o.0 == photo)?.1;
        if self.other.as_ref().is_none_or(|(all, at, _)| *at != photo || !Arc::ptr_eq(all, others)) {
            self.other = Some((Arc::clone(others), photo, painted(ui, id, mask)));
        }
        self.other.as_ref().map(|o| o.2.id())
    }
}

/// A mask painted for a texture of its own.
fn painted(ui: &Ui, id: u32, mask: &Rle) -> TextureHandle {
    let (width, height) = (mask.width, mask.height);
    let mask = Mask2d { instance_id: id, label: String::new(), score: 1.0, segmentation: mask.clone() };
    let frame = FrameMasks { image: String::new(), width, height, masks: vec![mask] };
    let image = mask_image::paint(&frame, Some(id), |_| true);
    let bytes: Vec<u8> = image.pixels.into_iter().flatten().collect();
    let image = ColorImage::from_rgba_unmultiplied([image.width, image.height], &bytes);
    ui.ctx().load_texture("new mask", image, TextureOptions::LINEAR)
}
