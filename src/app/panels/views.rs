//! The photos that show the selected instance best: crops around it, side by side.

use super::hover;
use crate::app::command::Command;
use crate::app::crops::{Crops, Key, Wanted};
use crate::app::model::Model;
use crate::app::overlay;
use crate::review::best_views::{BestView, best_views, own_masks};
use crate::review::{Reviewed, Verdict};
use crate::scene::Camera;
use eframe::egui::{
    Align2, Color32, Context, FontId, Rect, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

/// Crops at most.
const MOST: usize = 8;

/// Space around the masks, of their longer side.
const MARGIN: f64 = 0.2;

/// A crop to show.
struct Crop {
    key: Key,
    view: BestView,
    /// Index of the photo.
    photo: usize,
    /// What of the photo, 0..1.
    part: [f64; 4],
}

/// What it keeps between frames.
pub(in crate::app) struct ViewsPanel {
    crops: Crops,
    /// What is shown, for which instance and which state of the masks.
    shown: Option<((u32, u64, usize), Vec<Crop>)>,
}

impl ViewsPanel {
    pub(super) fn new(ctx: &Context) -> Self {
        Self { crops: Crops::new(ctx), shown: None }
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        let Some(item) = model.selected() else {
            ui.weak("Select an instance to see the photos that show it best.");
            return;
        };
        let state = (item.instance.id, model.list_stamp, std::sync::Arc::as_ptr(&model.masks) as usize);
        if self.shown.as_ref().is_none_or(|s| s.0 != state) {
            let crops = ranked(model, item);
            self.crops.ask(crops.iter().filter_map(|c| Some((c.key.clone(), wanted(model, item, c)?))).collect());
            self.shown = Some((state, crops));
        }
        let Some((_, shown)) = self.shown.take() else { return };
        if shown.is_empty() {
            ui.weak("No masks of this instance are known in any photo.");
        }
        let mut under = None;
        ScrollArea::horizontal().auto_shrink(false).show(ui, |ui| {
            ui.horizontal_top(|ui| {
                for crop in &shown {
                    under = under.or(self.crop(ui, model, item, crop, out));
                }
            });
        });
        hover::tell(ui, "best views", ui.rect_contains_pointer(ui.min_rect()).then_some(under), model, out);
        self.shown = Some((state, shown));
    }

    /// One crop; the instance where the pointer is on it.
    fn crop(
        &mut self,
        ui: &mut Ui,
        model: &Model,
        item: &Reviewed,
        crop: &Crop,
        out: &mut Vec<Command>,
    ) -> Option<u32> {
        let caption = 14.0;
        let height = (ui.available_height() - caption - 4.0).max(30.0);
        let [x0, y0, x1, y1] = crop.part;
        let photo = photo_size(model, crop)?;
        let aspect = ((x1 - x0) * photo[0] / ((y1 - y0) * photo[1])).clamp(0.4, 2.5) as f32;
        let (cell, response) = ui.allocate_exact_size(vec2(height * aspect, height + caption), Sense::click());
        let stem = &crop.view.image;
        response.widget_info(|| WidgetInfo::labeled(eframe::egui::Role::Button, true, format!("Photo {stem}")));
        let rect = Rect::from_min_size(cell.min, vec2(cell.width(), height));
        let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
        painter.rect_filled(rect, 0.0, ui.visuals().extreme_bg_color);
        // All of the part is shown, in its own shape.
        let scale = f64::from(rect.width()) / ((x1 - x0) * photo[0]);
        let scale = scale.min(f64::from(rect.height()) / ((y1 - y0) * photo[1]));
        let size = vec2(((x1 - x0) * photo[0] * scale) as f32, ((y1 - y0) * photo[1] * scale) as f32);
        let picture = Rect::from_center_size(rect.center(), size);
        if let Some(texture) = self.crops.get(ui.ctx(), &crop.key) {
            painter.image(texture.id(), picture, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)), Color32::WHITE);
        }
        if let Some(camera) = model.camera(crop.photo).filter(|_| model.view.shown.boxes) {
            let camera: Camera = camera.resized(photo[0] as u32, photo[1] as u32);
            let [r, g, b] = overlay::color(item.instance.id);
            let to = |p: [f64; 2]| {
                let at = [(p[0] - x0 * photo[0]) * scale, (p[1] - y0 * photo[1]) * scale];
                picture.min + vec2(at[0] as f32, at[1] as f32)
            };
            for line in overlay::box_lines(&camera, &model.box_of(&item.instance), model.extent.radius * 1e-2) {
                let stroke = Stroke::new(1.2, Color32::from_rgba_unmultiplied(r, g, b, 200));
                painter.line_segment(line.map(to), stroke);
            }
        }
        tag(ui, &painter, rect, item);
        let here = model.photo() == Some(crop.photo);
        if here || response.hovered() {
            let color = if here { ui.visuals().strong_text_color() } else { ui.visuals().hyperlink_color };
            painter.rect_stroke(rect, 0.0, Stroke::new(2.0, color), StrokeKind::Inside);
        }
        let ink = ui.visuals().text_color();
        ui.painter().text(cell.center_bottom(), Align2::CENTER_BOTTOM, stem, FontId::proportional(11.0), ink);
        let hovered = response.hovered();
        let tip = format!("{stem}: click shows the photo, double-click puts the 3D view on its camera");
        let response = response.on_hover_text(tip);
        if response.double_clicked() {
            out.push(Command::Snap(crop.photo));
        } else if response.clicked() {
            out.push(Command::ShowPhoto(crop.photo));
        }
        hovered.then_some(item.instance.id)
    }
}

/// The label in the corner of a crop.
fn tag(ui: &Ui, painter: &eframe::egui::Painter, rect: Rect, item: &Reviewed) {
    let text: String = item.instance.label.chars().take(24).collect();
    let ink = if item.verdict == Verdict::Rejected { Color32::from_gray(160) } else { Color32::WHITE };
    let galley = painter.layout_no_wrap(text, FontId::proportional(10.0), ink);
    let back = Rect::from_min_size(rect.min, galley.size() + vec2(6.0, 2.0));
    painter.rect_filled(back, 0.0, Color32::from_black_alpha(if ui.visuals().dark_mode { 170 } else { 190 }));
    painter.galley(rect.min + vec2(3.0, 1.0), galley, ink);
}

/// The crops of an instance, the best first.
fn ranked(model: &Model, item: &Reviewed) -> Vec<Crop> {
    let views = best_views(item, &model.masks, |stem| model.photo_index(stem), MOST);
    let crop = |view: BestView| {
        let frame = model.masks.get(view.frame)?;
        let size = [f64::from(frame.width), f64::from(frame.height)];
        let [x0, y0, x1, y1] = view.bounds.map(f64::from);
        let margin = MARGIN * (x1 - x0).max(y1 - y0) + 4.0;
        let part = [
            ((x0 - margin) / size[0]).max(0.0),
            ((y0 - margin) / size[1]).max(0.0),
            ((x1 + margin) / size[0]).min(1.0),
            ((y1 + margin) / size[1]).min(1.0),
        ];
        let mut hash = blake3::Hasher::new();
        own_masks(item, frame, &view.image).iter().flat_map(|m| &m.0.counts).for_each(|c| {
            hash.update(&c.to_le_bytes());
        });
        let digest = hash.finalize();
        let number = digest.as_bytes().iter().take(8).fold(0u64, |n, b| (n << 8) | u64::from(*b));
        Some(Crop { key: (item.instance.id, view.image.clone(), number), photo: view.frame, part, view })
    };
    views.into_iter().filter_map(crop).collect()
}

fn wanted(model: &Model, item: &Reviewed, crop: &Crop) -> Option<Wanted> {
    let frame = model.masks.get(crop.view.frame)?;
    let masks = own_masks(item, frame, &crop.view.image).into_iter().map(|m| m.0.clone()).collect();
    let pixels = model.photos.get(crop.photo)?.pixels.clone();
    Some(Wanted { pixels, part: crop.part, masks, color: overlay::color(item.instance.id) })
}

/// Size of the photo in the pixels of its camera, else of its masks.
fn photo_size(model: &Model, crop: &Crop) -> Option<[f64; 2]> {
    let camera = model.camera(crop.photo).map(|c| [c.intrinsics.width, c.intrinsics.height]);
    let masks = || model.masks.get(crop.view.frame).map(|m| [m.width, m.height]);
    camera.or_else(masks).map(|s| s.map(f64::from)).filter(|s| s.iter().all(|n| *n > 0.0))
}
