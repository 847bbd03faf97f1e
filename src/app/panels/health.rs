//! Scene health: how well the cameras are known, where the scale came from, what went wrong.

use crate::app::command::Command;
use crate::app::health::{self, Row};
use crate::app::model::Model;
use crate::scene::{Gaussians, Sparse};
use eframe::egui::{Align, Label, Layout, Rect, RichText, ScrollArea, Sense, Ui, pos2, vec2};
use egui_extras::{Column, TableBuilder};
use std::sync::Arc;

/// What it keeps between frames: the table, worked out anew when cameras or photos change.
#[derive(Default)]
pub(in crate::app) struct HealthPanel {
    /// The cameras and the number of photos that the rows are of.
    of: Option<(Arc<Sparse>, usize)>,
    rows: Vec<Row>,
    /// The splats that the histograms are of.
    cloud: Option<Arc<Gaussians>>,
    opacity: [f32; 10],
    size: [f32; 10],
    ends: [f64; 2],
}

impl HealthPanel {
    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        if model.sparse.cameras.is_empty() {
            ui.weak("No cameras yet.");
            return;
        }
        let photos = model.photos.len();
        if self.of.as_ref().is_none_or(|(s, n)| !Arc::ptr_eq(s, &model.sparse) || *n != photos) {
            let stems: Vec<&str> = model.photos.iter().map(|p| p.stem.as_str()).collect();
            self.rows = health::rows(&model.sparse, &stems);
            self.of = Some((Arc::clone(&model.sparse), photos));
        }
        facts(ui, model, &self.rows);
        self.splats(ui, model);
        troubles(ui, model);
        ui.separator();
        self.table(ui, model, out);
    }

    /// Histograms of the splats, once they change no more.
    fn splats(&mut self, ui: &mut Ui, model: &Model) {
        let Some(cloud) = model.cloud.as_ref().filter(|c| !model.at_work && !c.is_empty()) else { return };
        if self.cloud.as_ref().is_none_or(|c| !Arc::ptr_eq(c, cloud)) {
            (self.opacity, self.size, self.ends) = health::splat_histograms(cloud);
            self.cloud = Some(Arc::clone(cloud));
        }
        let [low, high] = self.ends.map(|x| health::small_length(x, &model.units));
        ui.columns(2, |columns| {
            bars(&mut columns[0], "Opacity of the splats, 0 to 1", &self.opacity);
            bars(&mut columns[1], &format!("Size, {low} to {high}"), &self.size);
        });
    }

    fn table(&self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        let table = TableBuilder::new(ui)
            .striped(true)
            .sense(Sense::click())
            .auto_shrink(false)
            .cell_layout(Layout::left_to_right(Align::Center))
            .column(Column::initial(90.0).at_least(50.0).clip(true).resizable(true))
            .column(Column::exact(48.0))
            .column(Column::exact(54.0))
            .column(Column::exact(84.0))
            .column(Column::remainder().at_least(60.0).clip(true));
        let header = table.header(20.0, |mut header| {
            let heads = [
                ("Photo", "Photos without a camera first, then the weakest first"),
                ("Points", "Points that the photo sees"),
                ("Error", "Mean distance of the points from where they were seen, pixels"),
                ("Place \u{b1}", "How far off the camera's place may be (1 sigma)"),
                ("Why to look", "What sets it apart from the other photos"),
            ];
            for (title, hint) in heads {
                header.col(|ui| {
                    ui.add(Label::new(RichText::new(title).strong()).selectable(false)).on_hover_text(hint);
                });
            }
        });
        let current = model.photo();
        header.body(|body| {
            body.rows(20.0, self.rows.len(), |mut row| {
                let Some(r) = self.rows.get(row.index()) else { return };
                row.set_selected(current == Some(r.photo));
                cells(&mut row, r, &model.units);
                if row.response().clicked() {
                    // Shows the photo, and puts the 3D view on its camera where it has one.
                    out.push(Command::Snap(r.photo));
                }
            });
        });
    }
}

fn cells(row: &mut egui_extras::TableRow<'_, '_>, r: &Row, units: &str) {
    let numbers = match &r.pose {
        Some(p) => [
            p.points.to_string(),
            format!("{:.2} px", p.error_px),
            p.sigma.map_or_else(|| "unknown".into(), |s| health::small_length(s, units)),
        ],
        None => ["-".into(), "-".into(), "-".into()],
    };
    for text in [r.stem.clone()].into_iter().chain(numbers) {
        row.col(|ui| {
            ui.add(Label::new(text).selectable(false).truncate());
        });
    }
    row.col(|ui| {
        let text = RichText::new(&r.reason).color(ui.visuals().warn_fg_color);
        ui.add(Label::new(text).selectable(false).truncate()).on_hover_text(&r.reason);
    });
}

fn facts(ui: &mut Ui, model: &Model, rows: &[Row]) {
    let registered: Vec<_> = rows.iter().filter_map(|r| r.pose).collect();
    let weak = rows.iter().filter(|r| r.pose.is_some() && !r.reason.is_empty()).count();
    let error = model.sparse.mean_reprojection_error();
    ui.label(format!(
        "{} of {} photos have a camera, {weak} of them weak; mean error {error:.2} px",
        registered.len(),
        rows.len()
    ));
    ui.label(format!("Units: {}", health::scale_words(&model.units, model.meta.as_ref())));
    for (name, value) in health::world(model.meta.as_ref(), &model.sparse, model.training.as_deref()) {
        ui.label(format!("{name}: {value}"));
    }
}

/// A small histogram of shares.
fn bars(ui: &mut Ui, title: &str, shares: &[f32; 10]) {
    ui.small(title);
    let (area, response) = ui.allocate_exact_size(vec2(ui.available_width(), 26.0), Sense::hover());
    let most = shares.iter().copied().fold(1e-6, f32::max);
    let width = area.width() / shares.len() as f32;
    for (k, share) in shares.iter().enumerate() {
        let left = area.min.x + width * k as f32;
        let bar = Rect::from_min_max(
            pos2(left + 0.5, area.max.y - (area.height() * share / most).max(1.0)),
            pos2(left + width - 0.5, area.max.y),
        );
        ui.painter().rect_filled(bar, 0.0, ui.visuals().selection.bg_fill);
    }
    let percent: Vec<String> = shares.iter().map(|s| format!("{:.0}", 100.0 * s)).collect();
    response.on_hover_text(format!("{title}: {} % of all", percent.join(", ")));
}

/// Warnings of the run, and photos that never came in.
fn troubles(ui: &mut Ui, model: &Model) {
    let (left_out, others) = health::sorted_warnings(model.meta.as_ref(), &model.reading_warnings);
    if left_out.is_empty() && others.is_empty() {
        return;
    }
    let color = ui.visuals().warn_fg_color;
    ScrollArea::vertical().id_salt("troubles").max_height(90.0).auto_shrink([false, true]).show(ui, |ui| {
        for text in left_out.into_iter().chain(others) {
            ui.add(Label::new(RichText::new(text).small().color(color)).wrap());
        }
    });
}
