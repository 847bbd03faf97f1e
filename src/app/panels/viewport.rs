//! The 3D view: splats by GL, lines and labels over them by egui, and the mouse.

use super::box_select::Band;
use super::edit_bar;
use super::ghosts;
use super::handles::{Handles, Scene};
use super::hover;
use super::legend;
use super::measure;
use super::scene_boxes;
use super::trim;
use super::viewport_bar;
use crate::app::command::Command;
use crate::app::gl::{self, Cloud, Picture, Screen, Sorter, View};
use crate::app::keystrokes::held_with_mouse;
use crate::app::look::Mode;
use crate::app::model::Model;
use crate::app::orbit::{Orbit, fitted};
use crate::app::overlay::{self, Line};
use crate::app::palette;
use crate::app::pick;
use crate::scene::Camera;
use eframe::egui::{
    self, Align2, Color32, FontId, PointerButton, Pos2, Rect, Response, Sense, Shape, Stroke, Ui, Vec2, pos2,
};
use nalgebra::Point3;
use std::sync::Arc;
use std::time::Duration;

/// Seconds without a move after which the picture is drawn at full size.
const REST: f64 = 0.1;

/// How long a frame of the window waits for a picture that the CPU draws, while the camera moves.
const WAIT: Duration = Duration::from_millis(12);

/// While a run is at work, new splats are drawn after so many times what the last picture cost: the run goes first.
const PATIENCE: f64 = 30.0;

/// What it keeps between frames.
pub(in crate::app) struct ViewportPanel {
    gl: Option<(Sorter, Arc<Screen>)>,
    /// What the sorter was asked for last, whether to draw it too, and when.
    asked: Option<(View, bool, f64)>,
    /// Camera of the last frame, and when it moved.
    last: Option<(Camera, f64)>,
    last_click: Option<Pos2>,
    tape: measure::Tape,
    handles: Handles,
    band: Band,
    rect: Rect,
    bare: bool,
}

impl ViewportPanel {
    pub(super) fn new(ctx: &egui::Context, with_gl: bool) -> Self {
        let (wake, again) = (ctx.clone(), ctx.clone());
        let screen = move || Arc::new(Screen::new(move || again.request_repaint()));
        let gl = with_gl.then(|| (Sorter::new(move || wake.request_repaint()), screen()));
        Self {
            gl,
            asked: None,
            last: None,
            last_click: None,
            tape: measure::Tape::default(),
            handles: Handles::default(),
            band: Band::default(),
            rect: Rect::NOTHING,
            bare: false,
        }
    }

    /// What went wrong while drawing.
    pub(in crate::app) fn take_error(&self) -> Option<String> {
        self.gl.as_ref()?.1.take_error()
    }

    /// Pictures shown so far.
    pub(in crate::app) fn shown(&self) -> u64 {
        self.gl.as_ref().map_or(0, |gl| gl.1.shown())
    }

    /// Whether the picture is in order, at full size, and of what is wanted.
    pub(in crate::app) fn is_settled(&self, model: &Model) -> bool {
        let (Some((sorter, screen)), Some(cloud)) = (&self.gl, cloud(model)) else { return true };
        let (Some((asked, ..)), Some(ready)) = (&self.asked, sorter.latest()) else { return false };
        let right = asked.cloud.same(&cloud) && ready.view.same(asked) && asked.look == model.view.look;
        right && screen.is_sharp() && ready.drawn().unwrap_or(!screen.is_soft())
    }

    /// Where the picture was in the last frame, points.
    pub(in crate::app) fn rect(&self) -> Rect {
        self.rect
    }

    /// Leaves the bars out, or not.
    pub(in crate::app) fn without_bars(&mut self, bare: bool) {
        self.bare = bare;
    }

    /// Whether the CPU draws the splats.
    pub(in crate::app) fn is_soft(&self) -> bool {
        self.gl.as_ref().is_none_or(|gl| gl.1.is_soft())
    }

    pub(in crate::app) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        if !self.bare {
            self.bars(ui, model, out);
        }
        self.picture(ui, model, out);
    }

    fn bars(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        egui::Frame::new().inner_margin(egui::Margin::symmetric(6, 3)).show(ui, |ui| {
            viewport_bar::bar(ui, model, out);
            trim::bar(ui, model, out);
            self.tape.bar(ui, model, out);
        });
    }

    fn picture(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        let rect = ui.available_rect_before_wrap();
        self.rect = rect;
        if rect.width() < 8.0 || rect.height() < 8.0 {
            return;
        }
        let response = ui.allocate_rect(rect, Sense::click_and_drag());
        let camera = camera(model, rect);
        let near = near(model);
        let painter = ui.painter().with_clip_rect(rect);
        let dark = ui.visuals().dark_mode;
        let background = if dark { Color32::from_gray(24) } else { Color32::from_gray(225) };
        painter.rect_filled(rect, 0.0, background);
        // Lines go with the picture: where it is a little behind the camera, so are they.
        let camera = self.splats(ui, rect, model, &camera, near, background);
        let to_screen = |line: Line| line.map(|p| pos2(p[0] as f32 + rect.min.x, p[1] as f32 + rect.min.y));
        let mut shapes = Vec::new();
        if model.view.shown.grid && model.extent.upright && !is_empty(model) {
            grid(model, &camera, near, dark, &mut |line, stroke| {
                shapes.push(Shape::line_segment(to_screen(line), stroke))
            });
        }
        if model.view.shown.cameras {
            frusta(model, &camera, near, ui, &mut |line, stroke| {
                shapes.push(Shape::line_segment(to_screen(line), stroke))
            });
        }
        if model.view.shown.boxes {
            scene_boxes::boxes(model, &camera, near, &to_screen, &mut shapes);
        }
        trim::outline(model, &camera, near, &mut |line, stroke| {
            shapes.push(Shape::line_segment(to_screen(line), stroke))
        });
        painter.extend(shapes);
        ghosts::draw(&painter, model, &camera, near, &to_screen);
        scene_boxes::names(ui, &painter, rect, model, &camera);
        measure::draw(&painter, model, &camera, near, &to_screen);
        if is_empty(model) {
            let text = "The 3D view fills up when the photos' cameras are known.";
            painter.text(rect.center(), Align2::CENTER_CENTER, text, FontId::default(), ui.visuals().weak_text_color());
        }
        if !self.bare {
            edit_bar::bar(ui, rect, model, out);
        }
        let scene = Scene { model, camera: &camera, rect, near };
        if self.handles.ui(ui, &response, &painter, &scene, out) && !camera_only(ui) {
            return;
        }
        if model.edit.is_some() || !self.band.ui(ui, &response, rect, model, &camera, out) {
            move_camera(ui, &response, rect, model, &camera, out);
        }
        self.click(ui, &response, rect, model, &camera, near, out);
    }

    /// Asks for the picture of the splats and shows what there is; returns the camera that it was taken with.
    fn splats(
        &mut self,
        ui: &Ui,
        rect: Rect,
        model: &Model,
        camera: &Camera,
        near: f64,
        background: Color32,
    ) -> Camera {
        let now = ui.input(|i| i.time);
        let moved = match &self.last {
            Some((last, at)) if last == camera => *at,
            Some(_) => now,
            // The first picture is not a move.
            None => now - REST,
        };
        self.last = Some((*camera, moved));
        let (Some((_, screen)), Some(cloud)) = (&self.gl, cloud(model)) else { return *camera };
        let screen = Arc::clone(screen);
        let moving = now - moved < REST;
        if moving {
            ui.ctx().request_repaint_after_secs((REST - (now - moved)) as f32 + 0.01);
        }
        let view = View {
            cloud,
            look: model.view.look,
            camera: *camera,
            near: near as f32,
            background: [background.r(), background.g(), background.b()].map(|c| f32::from(c) / 255.0),
            scale: ui.ctx().pixels_per_point(),
            moving,
        };
        self.ask(ui, &view, screen.is_soft(), model.at_work);
        let Some(ready) = self.gl.as_ref().and_then(|gl| gl.0.latest()) else { return *camera };
        let moving = moving || ready.view.camera.c2w != camera.c2w;
        let taken = if ready.drawn().is_some() && ready.view.camera.intrinsics == camera.intrinsics {
            ready.view.camera
        } else {
            *camera
        };
        let range = ready.range();
        screen.show(Picture { ready, view: View { moving, ..view } });
        let callback = eframe::egui_glow::CallbackFn::new(move |info, painter| gl::paint(&screen, &info, painter.gl()));
        ui.painter().add(egui::PaintCallback { rect, callback: Arc::new(callback) });
        if model.view.look.mode == Mode::Depth && model.view.shown.splats && model.cloud.is_some() {
            let ends = range.map(|d| format!("{d:.2} {}", model.unit()));
            legend::draw(ui, rect, Align2::LEFT_BOTTOM, "Depth", &palette::viridis, &ends);
        }
        taken
    }

    /// Asks the sorter, where it has not been asked for this already.
    fn ask(&mut self, ui: &Ui, view: &View, draw: bool, at_work: bool) {
        let Some((sorter, _)) = &self.gl else { return };
        let now = ui.input(|i| i.time);
        if let Some((asked, drawn, at)) = &self.asked {
            if asked.same(view) && *drawn == draw && (!draw || asked.moving == view.moving) {
                return;
            }
            let only_newer = View { cloud: asked.cloud.clone(), ..view.clone() }.same(asked);
            let wait = sorter.latest().map_or(0.0, |r| PATIENCE * f64::from(r.seconds)) - (now - at);
            if at_work && only_newer && *drawn == draw && wait > 0.0 {
                ui.ctx().request_repaint_after_secs(wait as f32 + 0.01);
                return;
            }
        }
        sorter.ask(view.clone(), draw);
        if draw && view.moving {
            // A frame of the window without a new picture would only take from the CPU what the picture needs.
            sorter.wait(WAIT);
        }
        self.asked = Some((view.clone(), draw, now));
    }

    #[allow(clippy::too_many_arguments)]
    fn click(
        &mut self,
        ui: &Ui,
        response: &Response,
        rect: Rect,
        model: &Model,
        camera: &Camera,
        near: f64,
        out: &mut Vec<Command>,
    ) {
        let local = |p: Pos2| [f64::from(p.x - rect.min.x), f64::from(p.y - rect.min.y)];
        let still = response.hover_pos().filter(|_| !ui.input(|i| i.pointer.any_down()));
        let under = still.map(|p| hits(model, camera, local(p), true).first().copied());
        // While a button is down, what was under the pointer stays.
        if still.is_some() || !response.contains_pointer() {
            hover::tell(ui, "3D", under, model, out);
        }
        let Some(p) = response.interact_pointer_pos().filter(|_| response.clicked()) else { return };
        if model.measure.is_some() {
            let (origin, direction) = overlay::ray(camera, local(p)[0], local(p)[1]);
            out.push(Command::MeasureAlong(origin, direction));
            return;
        }
        if model.edit.is_some() {
            return;
        }
        if held_with_mouse(ui.ctx()).command {
            out.extend(hits(model, camera, local(p), false).first().map(|id| Command::Toggle(*id)));
            return;
        }
        let again = self.last_click.is_some_and(|q| q.distance(p) < 5.0);
        let photo = photo_at(model, camera, near, local(p));
        if response.double_clicked() {
            match (photo, model.view.instance) {
                (Some(photo), _) => out.push(Command::Snap(photo)),
                (None, Some(id)) if !hits(model, camera, local(p), false).is_empty() => out.push(Command::FlyTo(id)),
                _ => {}
            }
            return;
        }
        self.last_click = Some(p);
        match photo {
            Some(photo) => out.push(Command::ShowPhoto(photo)),
            None => out.push(Command::Select(pick::choose(
                &hits(model, camera, local(p), false),
                model.view.instance,
                again,
            ))),
        }
    }
}

/// Whether the mouse can only be meant for the camera: the wheel, or a drag with another button.
fn camera_only(ui: &Ui) -> bool {
    ui.input(|i| {
        let wheel = i.smooth_scroll_delta() != Vec2::ZERO || i.zoom_delta() != 1.0;
        wheel || i.pointer.secondary_down() || i.pointer.middle_down()
    })
}

/// What is drawn: splats where there are some and they are wanted, else points.
fn cloud(model: &Model) -> Option<Cloud> {
    match &model.cloud {
        Some(g) if model.view.shown.splats && !g.is_empty() => Some(Cloud::Splats(Arc::clone(g))),
        _ if !model.sparse.points.is_empty() => Some(Cloud::Points(Arc::clone(&model.sparse))),
        _ => None,
    }
}

/// Whether there is nothing to see yet.
fn is_empty(model: &Model) -> bool {
    model.sparse.cameras.is_empty() && model.cloud.is_none()
}

/// The camera for a panel: that of the photo it sits on, else the orbit's.
fn camera(model: &Model, rect: Rect) -> Camera {
    let (w, h) = (f64::from(rect.width()), f64::from(rect.height()));
    let photo = model.view.on_camera.as_deref().and_then(|stem| model.camera(model.photo_index(stem)?));
    photo.map_or_else(|| model.view.orbit.unwrap_or_default().camera(w, h), |c| fitted(c, w, h))
}

fn near(model: &Model) -> f64 {
    let distance = model.view.orbit.unwrap_or_default().distance;
    (0.03 * distance).min(0.05 * model.extent.radius).max(1e-4 * model.extent.radius)
}

/// Left drag turns, right or middle drag moves, the wheel zooms.
fn move_camera(ui: &Ui, response: &Response, rect: Rect, model: &Model, camera: &Camera, out: &mut Vec<Command>) {
    let h = f64::from(rect.height());
    let d = response.drag_delta() / rect.height();
    let (dx, dy) = (f64::from(d.x), f64::from(d.y));
    let wheel = |i: &egui::InputState| f64::from((-i.smooth_scroll_delta().y * 0.004).exp() / i.zoom_delta());
    let factor = if response.contains_pointer() { ui.input(wheel) } else { 1.0 };
    if d == Vec2::ZERO && factor == 1.0 {
        return;
    }
    let mut orbit = model.view.orbit.unwrap_or_default();
    if model.view.on_camera.is_some() {
        // Leaves the photo's camera from where it is.
        let fov_y = 2.0 * (h * 0.5 / camera.intrinsics.fy).atan();
        orbit = Orbit::from_eye(&camera.center(), &camera.forward(), orbit.distance, fov_y);
    }
    let with_shift = held_with_mouse(ui.ctx()).shift;
    if response.dragged_by(PointerButton::Primary) && !with_shift {
        orbit.turn(dx, dy);
    } else if d != Vec2::ZERO {
        orbit.pan(dx, dy);
    }
    orbit.zoom(factor, 0.02 * model.extent.radius);
    out.push(Command::Look(orbit));
}

/// Instances along the ray through a point of the panel. Where they are asked for in each frame (`hovering`), splats count
/// only once that is quick.
fn hits(model: &Model, camera: &Camera, p: [f64; 2], hovering: bool) -> Vec<u32> {
    if !model.view.shown.boxes {
        return Vec::new();
    }
    let (origin, direction) = overlay::ray(camera, p[0], p[1]);
    let boxes = model.drawn().into_iter().map(|i| (i.instance.id, &i.instance.obb));
    // What is seen there, where splats are shown.
    let seen = match model.view.shown.splats && (!hovering || model.is_indexed()) {
        true => model.surface(&origin, &direction),
        false => None,
    };
    pick::along_ray(boxes, &origin, &direction, seen.map(|p| (p, 0.01 * model.extent.radius)))
}

/// The photo whose frustum is drawn within a few points of `p`.
fn photo_at(model: &Model, camera: &Camera, near: f64, p: [f64; 2]) -> Option<usize> {
    if !model.view.shown.cameras {
        return None;
    }
    let distance = |photo: &Camera| {
        let depth = frustum_depth(model, camera, photo)?;
        let lines = overlay::frustum(photo, depth);
        let seen = lines.iter().filter_map(|l| overlay::segment(camera, &l[0], &l[1], near));
        seen.map(|l| pick::to_segment(p, l[0], l[1])).min_by(f64::total_cmp)
    };
    let all = model.sparse.cameras.iter().enumerate().filter_map(|(k, c)| Some((k, distance(c.as_ref()?)?)));
    all.filter(|a| a.1 < 5.0).min_by(|a, b| a.1.total_cmp(&b.1)).map(|a| a.0)
}

/// How long a photo's frustum is drawn: small in the scene and never large on the screen. `None` for one that the eye
/// is almost in.
fn frustum_depth(model: &Model, camera: &Camera, photo: &Camera) -> Option<f64> {
    let away = (photo.center() - camera.center()).norm();
    (away > 0.02 * model.extent.radius).then_some((0.03 * model.extent.radius).min(0.035 * away))
}

type Draw<'a> = dyn FnMut(Line, Stroke) + 'a;

fn grid(model: &Model, camera: &Camera, near: f64, dark: bool, draw: &mut Draw<'_>) {
    let color = if dark { Color32::from_white_alpha(26) } else { Color32::from_black_alpha(36) };
    let e = &model.extent;
    let center = Point3::new(e.center.x, e.center.y, e.ground);
    for [a, b] in overlay::grid(&center, e.radius * 1.5, e.ground) {
        if let Some(line) = overlay::segment(camera, &a, &b, near) {
            draw(line, Stroke::new(1.0, color));
        }
    }
}

fn frusta(model: &Model, camera: &Camera, near: f64, ui: &Ui, draw: &mut Draw<'_>) {
    let current = model.photo();
    let shows = model.selected().map(|i| model.photos_of(&i.instance)).unwrap_or_default();
    for (k, photo) in model.sparse.cameras.iter().enumerate() {
        let Some(photo) = photo else { continue };
        let Some(depth) = frustum_depth(model, camera, photo) else { continue };
        let stroke = if current == Some(k) {
            Stroke::new(2.0, ui.visuals().hyperlink_color)
        } else if shows.binary_search(&k).is_ok() {
            Stroke::new(1.0, ui.visuals().hyperlink_color.gamma_multiply(0.45))
        } else {
            Stroke::new(0.8, ui.visuals().weak_text_color().gamma_multiply(0.4))
        };
        for [a, b] in overlay::frustum(photo, depth) {
            if let Some(line) = overlay::segment(camera, &a, &b, near) {
                draw(line, stroke);
            }
        }
    }
}
