//! Boxes of the other side of a comparison: dashed, in the colour of what became of them.

use crate::app::model::Model;
use crate::app::overlay::{self, Line};
use crate::app::versus::Tone;
use crate::scene::Camera;
use eframe::egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Shape, Stroke, vec2};

/// Lengths of dashes and gaps, points.
const DASH: (f32, f32) = (6.0, 4.0);

/// Draws them as seen by `camera`, with the names that find room.
pub(super) fn draw(
    painter: &Painter,
    model: &Model,
    camera: &Camera,
    near: f64,
    to_screen: &dyn Fn(Line) -> [Pos2; 2],
) {
    let Some(versus) = &model.versus else { return };
    let mut taken: Vec<Rect> = Vec::new();
    for ghost in &versus.findings.ghosts {
        let [r, g, b] = ghost.tone.color();
        let stroke = Stroke::new(2.0, Color32::from_rgb(r, g, b));
        for line in overlay::box_lines(camera, &ghost.obb, near) {
            painter.extend(Shape::dashed_line(&to_screen(line), stroke, DASH.0, DASH.1));
        }
        // What differs has its name from this side, at the same place.
        if let Some(p) = overlay::top(camera, &ghost.obb).filter(|_| ghost.tone != Tone::Changed) {
            let [at, _] = to_screen([p, p]);
            let text = format!("{} ({})", ghost.label, ghost.tone.name());
            let font = FontId::proportional(11.0);
            let galley = painter.layout_no_wrap(text, font, stroke.color);
            let place = Align2::CENTER_BOTTOM.anchor_size(at, galley.size());
            if taken.iter().any(|t| t.intersects(place)) {
                continue;
            }
            taken.push(place.expand(2.0));
            painter.rect_filled(place.expand2(vec2(3.0, 1.0)), 2.0, Color32::from_black_alpha(190));
            painter.galley(place.min, galley, stroke.color);
        }
    }
}
