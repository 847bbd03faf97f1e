//! The measuring tape over the 3D view and the photo, and the field that sets the scale by it.

use crate::app::command::Command;
use crate::app::measure::metres;
use crate::app::model::Model;
use crate::app::overlay::{self, Line};
use crate::app::shortcuts::Action;
use crate::scene::Camera;
use eframe::egui::{
    Align2, Button, Color32, FontId, Key, Painter, Pos2, ProgressBar, Rect, RichText, Stroke, TextEdit, Ui, vec2,
};

/// Orange: seen on photos and splats, and no instance's colour.
const COLOR: Color32 = Color32::from_rgb(255, 150, 30);

/// What is being typed.
#[derive(Default)]
pub(super) struct Tape {
    typed: String,
}

impl Tape {
    /// The line under the toolbar while the tape is in use.
    pub(super) fn bar(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        let Some(measure) = &model.measure else {
            self.typed.clear();
            return;
        };
        ui.horizontal_wrapped(|ui| {
            if let Some(applying) = &measure.applying {
                self.typed.clear();
                ui.label("Bringing the scene to its new scale");
                ui.add(ProgressBar::new(applying.share()).desired_width(120.0).desired_height(12.0));
                ui.ctx().request_repaint_after_secs(0.1);
                return;
            }
            let Some(distance) = measure.distance() else {
                let which = if measure.points.is_empty() { "Click the first of two points" } else { "And the second" };
                ui.label(format!("{which}, in 3D or in the photo. D ends."));
                return;
            };
            ui.label(RichText::new(length(distance, model)).color(COLOR).strong());
            ui.label("between the points. This is");
            let field = ui.add(TextEdit::singleline(&mut self.typed).desired_width(54.0).hint_text("0.80"));
            let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            ui.label("m");
            let metres = metres(&self.typed);
            let ready = metres.is_some() && can_apply(model).is_ok();
            let hint = "Multiplies every length of the scene. To undo it, measure the same points and type the old \
                        distance.";
            let button = ui.add_enabled(ready, Button::new("Apply")).on_hover_text(hint);
            let button = button.on_disabled_hover_text(can_apply(model).err().unwrap_or("Type a number of metres"));
            if let (Some(metres), true) = (metres, ready && (button.clicked() || enter)) {
                out.push(Command::SetScale(metres));
            }
            ui.weak("Undo: type the old distance.");
            if ui.small_button("Done").clicked() {
                out.push(Command::Do(Action::Measure));
            }
        });
    }
}

/// Whether the scale can be set now; why not, otherwise.
fn can_apply(model: &Model) -> Result<(), &'static str> {
    match &model.review {
        None => Err("The scale can be set when the run is done"),
        Some(r) if r.is_read_only() => Err("The scene is open in another window: this one can look, not change"),
        Some(_) => Ok(()),
    }
}

fn length(distance: f64, model: &Model) -> String {
    let places = if distance < 0.1 { 4 } else { 3 };
    format!("{distance:.places$} {}", model.unit())
}

/// The points, the line between them, and how long it is.
pub(super) fn draw(
    painter: &Painter,
    model: &Model,
    camera: &Camera,
    near: f64,
    to_screen: &dyn Fn(Line) -> [Pos2; 2],
) {
    let Some(measure) = &model.measure else { return };
    let dark = Stroke::new(4.0, Color32::from_black_alpha(160));
    for p in &measure.points {
        if let Some(at) = overlay::segment(camera, p, p, near).map(|l| to_screen(l)[0]) {
            painter.circle(at, 4.5, COLOR, Stroke::new(1.5, Color32::BLACK));
        }
    }
    let ([a, b], Some(distance)) = (measure.points.as_slice(), measure.distance()) else { return };
    let Some(line) = overlay::segment(camera, a, b, near).map(to_screen) else { return };
    painter.line_segment(line, dark);
    painter.line_segment(line, Stroke::new(2.0, COLOR));
    let middle = line[0] + (line[1] - line[0]) * 0.5 - vec2(0.0, 12.0);
    let text = painter.layout_no_wrap(length(distance, model), FontId::proportional(14.0), COLOR);
    let rect = Rect::from_center_size(middle, text.size() + vec2(8.0, 4.0));
    painter.rect_filled(rect, 3.0, Color32::from_black_alpha(190));
    painter.galley(Align2::CENTER_CENTER.align_size_within_rect(text.size(), rect).min, text, COLOR);
}
