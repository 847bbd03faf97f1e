//! Selecting in 3D with a rectangle: Ctrl and a left drag. A drag with Shift, or the other buttons, moves the view.

use crate::app::command::Command;
use crate::app::keystrokes::held_with_mouse;
use crate::app::model::Model;
use crate::scene::{Camera, OrientedBox};
use eframe::egui::{PointerButton, Pos2, Rect, Response, Stroke, StrokeKind, Ui};
use std::collections::BTreeSet;

/// The rectangle that is being drawn.
#[derive(Default)]
pub(super) struct Band {
    from: Option<Pos2>,
}

impl Band {
    /// Follows the pointer over the 3D view in `rect`; whether a rectangle is being drawn. When it ends, all instances
    /// are selected whose box has its centre inside; with Shift, they are added.
    pub(super) fn ui(
        &mut self,
        ui: &Ui,
        response: &Response,
        rect: Rect,
        model: &Model,
        camera: &Camera,
        out: &mut Vec<Command>,
    ) -> bool {
        let held = held_with_mouse(ui.ctx());
        if response.drag_started_by(PointerButton::Primary) && held.command && model.view.shown.boxes {
            self.from = ui.input(|i| i.pointer.press_origin());
        }
        let Some(from) = self.from else { return false };
        let Some(to) = response.interact_pointer_pos() else {
            self.from = None;
            return false;
        };
        let band = Rect::from_two_pos(from, to).intersect(rect);
        if response.drag_stopped() {
            self.from = None;
            let shown = model.items().values().map(|i| (i.instance.id, &i.instance.obb));
            let mut ids = inside(shown.filter(|i| model.is_shown(i.0)), camera, band.translate(-rect.min.to_vec2()));
            if held.shift {
                ids.extend(&model.marked);
            }
            out.push(Command::Mark(ids));
        } else {
            let color = ui.visuals().hyperlink_color;
            let painter = ui.painter().with_clip_rect(rect);
            painter.rect_filled(band, 0.0, color.gamma_multiply(0.12));
            painter.rect_stroke(band, 0.0, Stroke::new(1.0, color), StrokeKind::Inside);
        }
        true
    }
}

/// The boxes whose centre is seen in `area`, in the camera's pixels.
fn inside<'a>(boxes: impl Iterator<Item = (u32, &'a OrientedBox)>, camera: &Camera, area: Rect) -> BTreeSet<u32> {
    let seen = |b: &OrientedBox| camera.project(&b.center).map(|(u, v, _)| Pos2::new(u as f32, v as f32));
    boxes.filter(|(_, b)| seen(b).is_some_and(|p| area.contains(p))).map(|b| b.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Intrinsics;
    use nalgebra::{Isometry3, Point3, Vector3};

    #[test]
    fn centres_in_the_rectangle_before_the_camera() {
        let intrinsics = Intrinsics { width: 100, height: 100, fx: 50.0, fy: 50.0, cx: 50.0, cy: 50.0 };
        let camera = Camera { intrinsics, c2w: Isometry3::identity() };
        let at = |x: f64, y: f64, z: f64| OrientedBox::upright(Point3::new(x, y, z), Vector3::repeat(1.0), 0.0);
        // At (75, 50), (25, 50), behind the camera, and (50, 90).
        let boxes = [at(0.5, 0.0, 1.0), at(-1.0, 0.0, 2.0), at(0.0, 0.0, -1.0), at(0.0, 0.8, 1.0)];
        let within = |x0, y0, x1, y1| {
            let area = Rect::from_min_max(Pos2::new(x0, y0), Pos2::new(x1, y1));
            inside((1..).zip(&boxes), &camera, area).into_iter().collect::<Vec<u32>>()
        };
        assert_eq!(within(0.0, 0.0, 100.0, 100.0), [1, 2, 4]);
        assert_eq!(within(50.0, 0.0, 100.0, 60.0), [1]);
        assert!(within(40.0, 40.0, 60.0, 60.0).is_empty());
    }
}
