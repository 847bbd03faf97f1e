//! Boxes and their names in the 3D view.

use super::tags::{self, Tags};
use crate::app::model::Model;
use crate::app::overlay::{self, Line};
use crate::review::Verdict;
use crate::scene::{Camera, InstanceState};
use eframe::egui::{self, Color32, Pos2, Rect, Shape, Stroke, Ui, vec2};

/// Edges of all boxes, the selected ones on top.
pub(super) fn boxes(
    model: &Model,
    camera: &Camera,
    near: f64,
    to_screen: &dyn Fn(Line) -> [Pos2; 2],
    shapes: &mut Vec<Shape>,
) {
    let selected = model.view.instance;
    let is_marked = |id: u32| model.marked.contains(&id);
    let mut items = model.drawn();
    // The selected ones on top of the others.
    items.sort_by_key(|i| (Some(i.instance.id) == selected, is_marked(i.instance.id), i.instance.id));
    for item in items {
        let i = &item.instance;
        let is_selected = selected == Some(i.id);
        let obb = model.box_of(i);
        let [r, g, b] = model.color(i.id);
        let edged = is_selected || is_marked(i.id);
        let stroke = if is_selected {
            for face in overlay::box_faces(camera, &obb) {
                let points = face.map(|p| to_screen([p, p])[0]);
                let fill = Color32::from_rgba_unmultiplied(r, g, b, 18);
                shapes.push(Shape::convex_polygon(points.to_vec(), fill, Stroke::NONE));
            }
            Stroke::new(3.0, Color32::from_rgb(r, g, b))
        } else if edged {
            Stroke::new(2.2, Color32::from_rgb(r, g, b))
        } else {
            let faint = item.verdict == Verdict::Rejected || i.state == InstanceState::Dropped;
            let alpha = if faint || overlay::is_background(&i.label) { 60 } else { 200 };
            let (width, alpha) = if model.hovered == Some(i.id) { (2.2, 255) } else { (1.3, alpha) };
            Stroke::new(width, Color32::from_rgba_unmultiplied(r, g, b, alpha))
        };
        for line in overlay::box_lines(camera, &obb, near) {
            if edged {
                let edge = Stroke::new(stroke.width + 1.5, Color32::from_black_alpha(150));
                shapes.push(Shape::line_segment(to_screen(line), edge));
            }
            shapes.push(Shape::line_segment(to_screen(line), stroke));
        }
    }
}

/// Names of the boxes.
pub(super) fn names(ui: &Ui, painter: &egui::Painter, rect: Rect, model: &Model, camera: &Camera) {
    if !model.view.shown.boxes {
        return;
    }
    let mut tags = Tags::new(rect);
    for item in tags::by_importance(model, model.drawn(), model.hovered) {
        let i = &item.instance;
        let chosen = [model.hovered, model.view.instance].contains(&Some(i.id));
        let spot = overlay::top(camera, &model.box_of(i)).map(|p| rect.min + vec2(p[0] as f32, p[1] as f32));
        tags.put(ui, painter, model, spot, item, chosen);
    }
}
