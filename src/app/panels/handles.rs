//! What is edited in the 3D view: handles of a box, the plane of a split, the footprint of a new box.

use super::edit_bar::COLOR;
use crate::app::command::Command;
use crate::app::edit::{Adding, BoxEdit, EditCommand, What};
use crate::app::gizmo::{self, Grip, Handle, Shape, Tool};
use crate::app::model::Model;
use crate::app::overlay::{self, Line};
use crate::review::edit;
use crate::scene::{Camera, OrientedBox};
use eframe::egui::{self, Color32, CursorIcon, Painter, Pos2, Rect, Response, Stroke, Ui, pos2, vec2};
use nalgebra::Vector3;

/// Colours of the axes.
const AXES: [Color32; 4] = [
    Color32::from_rgb(240, 90, 80),
    Color32::from_rgb(90, 205, 100),
    Color32::from_rgb(90, 150, 255),
    Color32::from_rgb(240, 240, 240),
];

/// A new box is so high until its height is given, scene units.
const LOW: f64 = 0.02;

/// What it keeps between frames.
#[derive(Default)]
pub(super) struct Handles {
    /// What is being dragged, and the edit's count of cancellations when it began.
    grip: Option<(Grip, u32)>,
    lit: Option<Handle>,
}

/// The 3D view as it is drawn now.
pub(super) struct Scene<'a> {
    pub model: &'a Model,
    pub camera: &'a Camera,
    pub rect: Rect,
    /// Nearest depth that is drawn.
    pub near: f64,
}

impl Scene<'_> {
    fn pixel(&self, p: Pos2) -> [f64; 2] {
        [f64::from(p.x - self.rect.min.x), f64::from(p.y - self.rect.min.y)]
    }

    fn pos(&self, p: [f64; 2]) -> Pos2 {
        pos2(p[0] as f32 + self.rect.min.x, p[1] as f32 + self.rect.min.y)
    }

    fn line(&self, painter: &Painter, line: Line, stroke: Stroke) {
        painter.line_segment(line.map(|p| self.pos(p)), stroke);
    }
}

impl Handles {
    /// Draws and takes the mouse; whether it wants the mouse for itself now.
    pub(super) fn ui(
        &mut self,
        ui: &Ui,
        response: &Response,
        painter: &Painter,
        scene: &Scene,
        out: &mut Vec<Command>,
    ) -> bool {
        let Some(edit) = &scene.model.edit else {
            *self = Self::default();
            return false;
        };
        match &edit.what {
            What::Adjust => {
                let shapes = gizmo::shapes(scene.camera, &edit.now, edit.tool, edit.free);
                self.drag(ui, response, scene, edit, (&shapes, &edit.now), out);
                self.draw(painter, scene, &shapes);
            }
            What::Split { plane } => {
                plane_of(painter, scene, edit, plane);
                let shapes = plane_shapes(scene.camera, plane);
                self.drag(ui, response, scene, edit, (&shapes, plane), out);
                self.draw(painter, scene, &shapes);
                if let (Some(p), None) = (response.interact_pointer_pos().filter(|_| response.clicked()), self.lit) {
                    let [u, v] = scene.pixel(p);
                    let (origin, direction) = overlay::ray(scene.camera, u, v);
                    out.push(Command::Edit(EditCommand::PlaneThrough(origin, direction)));
                }
            }
            What::Merge { .. } => outline(painter, scene, &edit.now),
            What::Add(adding) => {
                if let Some(b) = edit.shown() {
                    outline(painter, scene, &b);
                }
                return draw_new(ui, response, scene, edit, adding, out);
            }
        }
        self.grip.is_some() || self.lit.is_some()
    }

    /// Lights the handle under the pointer, takes hold of it, follows it, lets it go.
    fn drag(
        &mut self,
        ui: &Ui,
        response: &Response,
        scene: &Scene,
        edit: &BoxEdit,
        (shapes, target): (&[Shape], &OrientedBox),
        out: &mut Vec<Command>,
    ) {
        let (pressed, down, at) =
            ui.input(|i| (i.pointer.primary_pressed(), i.pointer.primary_down(), i.pointer.latest_pos()));
        // In a slow frame the pointer has gone on since.
        let from = ui.input(|i| i.pointer.press_origin()).filter(|_| pressed);
        self.grip = self.grip.filter(|g| g.1 == edit.cancels);
        let splits = matches!(edit.what, What::Split { .. });
        if let Some((grip, _)) = self.grip {
            let moved = at.and_then(|p| grip.drag(scene.camera, scene.pixel(p)));
            match moved {
                // A command draws another frame, and a mouse that is held still needs none.
                Some(b) if down && b == *target && (splits || edit.live) => {}
                Some(b) if splits => out.push(Command::Edit(EditCommand::Plane(b))),
                Some(b) if down => out.push(Command::Edit(EditCommand::Preview(b))),
                Some(b) => out.push(Command::Edit(EditCommand::Keep(b))),
                None if !down && !splits => out.push(Command::Edit(EditCommand::Keep(edit.now))),
                None => {}
            }
            if !down {
                self.grip = None;
            }
            ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
            return;
        }
        let hover = response.hover_pos().filter(|_| !down || pressed).map(|p| scene.pixel(from.unwrap_or(p)));
        let lit = hover.and_then(|p| gizmo::under(shapes, p));
        if lit != self.lit && !down {
            ui.ctx().request_repaint();
        }
        if !down || pressed {
            self.lit = lit;
        }
        if lit.is_some() {
            ui.ctx().set_cursor_icon(CursorIcon::Grab);
        }
        if let (true, Some(handle), Some(p)) = (pressed, lit, hover) {
            self.grip = Grip::take(scene.camera, target, handle, p).map(|g| (g, edit.cancels));
        }
    }

    fn draw(&self, painter: &Painter, scene: &Scene, shapes: &[Shape]) {
        let active = self.grip.map(|g| g.0.handle).or(self.lit);
        for s in shapes {
            let on = active == Some(s.handle);
            let color = if on { COLOR } else { AXES[s.axis.min(3)] };
            let points: Vec<Pos2> = s.line.iter().map(|p| scene.pos(*p)).collect();
            let width = if on { 5.0 } else { 3.0 };
            let dark = Stroke::new(width + 2.5, Color32::from_black_alpha(150));
            painter.add(egui::Shape::line(points.clone(), dark));
            painter.add(egui::Shape::line(points.clone(), Stroke::new(width, color)));
            let (Some(end), ring) = (points.last().copied(), matches!(s.handle, Handle::Ring(_))) else { continue };
            let edge = Stroke::new(1.5, Color32::from_black_alpha(200));
            match s.handle {
                Handle::Arrow(_) => head(painter, &points, if on { 13.0 } else { 10.0 }, color),
                _ if ring => {}
                _ => {
                    painter.circle(end, if on { 9.0 } else { 7.0 }, color, edge);
                }
            }
        }
    }
}

/// The head of an arrow.
fn head(painter: &Painter, line: &[Pos2], size: f32, color: Color32) {
    let [a, .., b] = line else { return };
    let ahead = (*b - *a).normalized() * size;
    let side = vec2(-ahead.y, ahead.x) * 0.6;
    let points = vec![*b + ahead, *b + side, *b - side];
    painter.add(egui::Shape::convex_polygon(points, color, Stroke::new(1.5, Color32::from_black_alpha(200))));
}

fn outline(painter: &Painter, scene: &Scene, b: &OrientedBox) {
    for line in overlay::box_lines(scene.camera, b, scene.near) {
        scene.line(painter, line, Stroke::new(4.5, Color32::from_black_alpha(150)));
        scene.line(painter, line, Stroke::new(2.5, COLOR));
    }
}

/// The plane of a split where it cuts the box, and the two parts.
fn plane_of(painter: &Painter, scene: &Scene, edit: &BoxEdit, plane: &OrientedBox) {
    let normal = edit::axis(plane, 2);
    let cut = edit::cut(&edit.now, &normal, normal.dot(&plane.center.coords));
    if let Some(points) = polygon(scene, &cut) {
        let fill = COLOR.gamma_multiply(0.35);
        painter.add(egui::Shape::convex_polygon(points, fill, Stroke::new(2.5, COLOR)));
    }
    for (part, color) in edit.parts().iter().flatten().zip([AXES[2], AXES[0]]) {
        for line in overlay::box_lines(scene.camera, part, scene.near) {
            scene.line(painter, line, Stroke::new(1.8, color));
        }
    }
}

fn polygon(scene: &Scene, corners: &[nalgebra::Point3<f64>]) -> Option<Vec<Pos2>> {
    let points: Option<Vec<Pos2>> =
        corners.iter().map(|c| scene.camera.project(c).map(|(u, v, _)| scene.pos([u, v]))).collect();
    points.filter(|p| p.len() >= 3)
}

/// An arrow along the normal of a plane, and two rings to tilt it.
fn plane_shapes(camera: &Camera, plane: &OrientedBox) -> Vec<Shape> {
    let mut all = gizmo::shapes(camera, plane, Tool::Move, true);
    all.extend(gizmo::shapes(camera, plane, Tool::Turn, true));
    all.retain(|s| matches!(s.handle, Handle::Arrow(2) | Handle::Ring(0 | 1)));
    all
}

/// Draws a new box by the mouse: footprint, then height. Whether it wants the mouse for itself.
fn draw_new(
    ui: &Ui,
    response: &Response,
    scene: &Scene,
    edit: &BoxEdit,
    adding: &Adding,
    out: &mut Vec<Command>,
) -> bool {
    let floor = scene.model.floor();
    let at = ui.input(|i| i.pointer.latest_pos()).filter(|p| scene.rect.contains(*p));
    let (pressed, released) = ui.input(|i| (i.pointer.primary_pressed(), i.pointer.primary_released()));
    let ray = at.map(|p| scene.pixel(p)).map(|p| overlay::ray(scene.camera, p[0], p[1]));
    let mut draw = |adding: Adding, b: Option<OrientedBox>| out.push(Command::Edit(EditCommand::Draw(adding, b)));
    let on_floor = ray.and_then(|r| gizmo::on_plane(&r, &nalgebra::Point3::new(0.0, 0.0, floor), &Vector3::z()));
    match adding {
        Adding::Start => {
            if let (true, true, Some(p)) = (pressed, response.contains_pointer(), on_floor) {
                draw(Adding::Footprint(p), Some(edit::drawn(&p, &p, scene.model.usual_yaw(), floor, LOW)));
            }
        }
        // The buttons of the line over the view are pressed then, not the floor behind them.
        Adding::Mask(_) | Adding::Finding(_) => {}
        Adding::Footprint(from) => {
            let Some(p) = on_floor else { return true };
            let b = edit::drawn(from, &p, scene.model.usual_yaw(), floor, LOW);
            let large = b.size.xy().min() > 5e-3 * scene.model.extent.radius;
            let next = if released && large { Adding::Height(p) } else { Adding::Footprint(*from) };
            if b != edit.now || matches!(next, Adding::Height(_)) {
                draw(next, Some(b));
            }
        }
        Adding::Height(corner) => {
            let height = ray.and_then(|r| gizmo::on_axis(&r, corner, &Vector3::z()));
            if let Some(height) = height.filter(|h| h.is_finite()) {
                let height = height.clamp(LOW, 4.0 * scene.model.extent.radius);
                let mut b = edit.now;
                (b.size.z, b.center.z) = (height, floor + height * 0.5);
                if b != edit.now {
                    draw(Adding::Height(*corner), Some(b));
                }
            }
            if response.clicked() {
                out.push(Command::Edit(EditCommand::Apply));
            }
        }
    }
    true
}
