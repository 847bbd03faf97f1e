//! What is being edited as the photo shows it: the new box, the plane of a split, the mask under a click.

use super::edit_bar::COLOR;
use crate::app::command::Command;
use crate::app::edit::{Adding, EditCommand, Found, What};
use crate::app::mask_image;
use crate::app::model::Model;
use crate::app::overlay::{self, Line};
use crate::review::edit;
use crate::scene::{Camera, FrameMasks, Mask2d, OrientedBox, Rle};
use eframe::egui::{Color32, ColorImage, Painter, Pos2, Rect, Stroke, TextureHandle, TextureOptions, Ui, pos2};
use std::sync::Arc;

/// What it keeps between frames: the mask as painted.
#[derive(Default)]
pub(super) struct EditOverlay {
    mask: Option<(Arc<Rle>, TextureHandle)>,
}

/// A click in the photo while something is edited: the thing there becomes the new instance.
pub(super) fn click(model: &Model, photo: usize, pixel: [f64; 2]) -> Option<Command> {
    let adds = model.edit.as_ref().is_some_and(|e| matches!(e.what, What::Add(_)));
    adds.then_some(Command::Edit(EditCommand::MaskAt(photo, pixel)))
}

impl EditOverlay {
    /// Draws over the photo, which lies at `whole`.
    pub(super) fn draw(
        &mut self,
        ui: &Ui,
        painter: &Painter,
        model: &Model,
        photo: usize,
        (camera, near, whole): (&Camera, f64, Rect),
        to_panel: &dyn Fn(Line) -> [Pos2; 2],
    ) {
        let Some(edit) = &model.edit else {
            self.mask = None;
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
        if let What::Add(Adding::Mask(found)) = &edit.what
            && found.photo == photo
        {
            let texture = self.texture(ui, edit.id, found);
            let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            painter.image(texture, whole, uv, Color32::WHITE);
        }
    }

    fn texture(&mut self, ui: &Ui, id: u32, found: &Found) -> eframe::egui::TextureId {
        if let Some((mask, texture)) = &self.mask
            && Arc::ptr_eq(mask, &found.mask)
        {
            return texture.id();
        }
        let segmentation = Rle::clone(&found.mask);
        let (width, height) = (segmentation.width, segmentation.height);
        let mask = Mask2d { instance_id: id, label: String::new(), score: 1.0, segmentation };
        let frame = FrameMasks { image: String::new(), width, height, masks: vec![mask] };
        let image = mask_image::paint(&frame, Some(id), |_| true);
        let bytes: Vec<u8> = image.pixels.into_iter().flatten().collect();
        let image = ColorImage::from_rgba_unmultiplied([image.width, image.height], &bytes);
        let texture = ui.ctx().load_texture("new mask", image, TextureOptions::LINEAR);
        let shown = texture.id();
        self.mask = Some((Arc::clone(&found.mask), texture));
        shown
    }
}
