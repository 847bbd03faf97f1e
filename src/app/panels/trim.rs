//! What of the splats is hidden: outside of a box, or fainter than a floor.

use crate::app::command::Command;
use crate::app::look::{Crop, Look};
use crate::app::model::Model;
use crate::app::overlay::{self, Line};
use crate::scene::{Camera, OrientedBox};
use eframe::egui::{Color32, DragValue, Slider, Stroke, Ui};
use nalgebra::{Point3, Vector3};

/// The lines under the toolbar while something is being trimmed.
pub(super) fn bar(ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
    if !model.view.shown.trim {
        return;
    }
    let mut look = model.view.look;
    ui.horizontal_wrapped(|ui| {
        let mut cropped = look.crop.is_some();
        let hint = "Hides splats with their centre outside of a box; begins with the whole scene";
        if ui.checkbox(&mut cropped, "Crop box").on_hover_text(hint).changed() {
            look.crop = cropped.then(|| whole(model));
        }
        if let Some(crop) = &mut look.crop {
            sides(ui, crop, 0.005 * model.extent.radius, model.unit());
        }
    });
    ui.horizontal_wrapped(|ui| {
        ui.label("Hide fainter than").on_hover_text("Splats of less opacity: floaters are often faint");
        let percent = |x: f64, _: std::ops::RangeInclusive<usize>| format!("{:.0} %", 100.0 * x);
        ui.add(
            Slider::new(&mut look.least_opacity, 0.0..=0.95)
                .custom_formatter(percent)
                .custom_parser(|s| s.trim_end_matches(['%', ' ']).parse::<f64>().ok().map(|p| p / 100.0)),
        );
        if ui.button("Show all").on_hover_text("Nothing is hidden").clicked() {
            look = Look { mode: look.mode, ..Look::default() };
        }
        ui.weak("Only the view: nothing is deleted.");
    });
    if look != model.view.look {
        out.push(Command::SetLook(look));
    }
}

/// The six numbers of a box; the lower one is never above the upper one.
fn sides(ui: &mut Ui, crop: &mut Crop, speed: f64, unit: &str) {
    for (k, axis) in ["x", "y", "z"].into_iter().enumerate() {
        ui.label(axis);
        let (low, high) = (crop.min[k], crop.max[k]);
        let number = |v| DragValue::new(v).speed(speed).fixed_decimals(2);
        let hint = format!("{unit}; drag, or click and type");
        ui.add(number(&mut crop.min[k]).range(f32::NEG_INFINITY..=high)).on_hover_text(&hint);
        ui.add(number(&mut crop.max[k]).range(low..=f32::INFINITY)).on_hover_text(&hint);
    }
}

/// A box around all splats.
fn whole(model: &Model) -> Crop {
    let bounds = model.cloud.as_ref().and_then(|c| c.bounds());
    let (min, max) = bounds.unwrap_or((Point3::origin(), Point3::origin()));
    Crop { min: min.into(), max: max.into() }
}

/// Edges of the box while it is being set.
pub(super) fn outline(model: &Model, camera: &Camera, near: f64, draw: &mut dyn FnMut(Line, Stroke)) {
    let Some(crop) = model.view.look.crop.filter(|_| model.view.shown.trim) else { return };
    let (min, max) = (Point3::from(crop.min).cast::<f64>(), Point3::from(crop.max).cast::<f64>());
    let size: Vector3<f64> = max - min;
    let edges = OrientedBox::upright(min + size * 0.5, size, 0.0);
    for line in overlay::box_lines(camera, &edges, near) {
        draw(line, Stroke::new(1.5, Color32::from_rgb(250, 220, 60)));
    }
}
