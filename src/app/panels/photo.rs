//! The photo with masks and boxes over it, and the strip to choose another.

use super::compare::{self, ComparePanel};
use super::edit_photo;
use super::ghosts;
use super::hover;
use super::measure;
use super::tags::{self, Tags};
use crate::app::command::Command;
use crate::app::compare::Compare;
use crate::app::keystrokes::held_with_mouse;
use crate::app::mask_image;
use crate::app::model::Model;
use crate::app::overlay::{self, PhotoView, Placed};
use crate::app::photos::{Photos, Size};
use crate::app::pick;
use crate::app::shortcuts::{Action, tip};
use eframe::egui::{
    Align, Checkbox, Color32, ColorImage, Context, FontId, PointerButton, Pos2, Rect, Response, ScrollArea, Sense,
    Stroke, StrokeKind, TextureHandle, TextureOptions, Ui, Vec2, pos2, vec2,
};

/// Height of the strip, and width of a photo in it.
const STRIP: Vec2 = vec2(64.0, 50.0);

/// What it keeps between frames.
pub(in crate::app) struct PhotoPanel {
    /// Masks as painted, and what for: photo and stamp.
    masks: Option<((usize, u64), TextureHandle)>,
    /// The outline of the instance under the pointer, and what for: photo, stamp and instance.
    outline: Option<((usize, u64, u32), TextureHandle)>,
    last_click: Option<Pos2>,
    /// Photo at the last frame: the strip scrolls when it has changed.
    last_photo: Option<usize>,
    /// Whether the photo is on the screen.
    there: bool,
    compare: ComparePanel,
    edit: edit_photo::EditOverlay,
}

impl PhotoPanel {
    pub(super) fn new(ctx: &Context) -> Self {
        Self {
            masks: None,
            outline: None,
            last_click: None,
            last_photo: None,
            there: false,
            compare: ComparePanel::new(ctx),
            edit: edit_photo::EditOverlay::default(),
        }
    }

    /// Whether the photo that shall be shown is shown.
    pub(super) fn is_settled(&self, model: &Model) -> bool {
        (self.there && self.compare.is_settled(model)) || model.photo().is_none()
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, photos: &mut Photos, out: &mut Vec<Command>) {
        let Some(index) = model.photo() else {
            ui.weak("No photos yet.");
            return;
        };
        head(ui, model, index, out);
        self.compare.update(ui, model, index);
        self.compare.words(ui, model, index);
        let space = ui.available_size() - vec2(0.0, STRIP.y + 14.0);
        let (rect, response) = ui.allocate_exact_size(space.max(vec2(20.0, 20.0)), Sense::click_and_drag());
        let texture = photos.get(&model.photos[index], Size::Full).or_else(|| {
            // The thumbnail stands in while the photo is being read.
            photos.get(&model.photos[index], Size::Thumbnail)
        });
        self.there = photos.get(&model.photos[index], Size::Full).is_some();
        let painter = ui.painter().with_clip_rect(rect);
        painter.rect_filled(rect, 0.0, ui.visuals().extreme_bg_color);
        match texture {
            Some(texture) => self.photo(ui, rect, &response, &texture, index, model, out),
            None => {
                let text = "reading the photo";
                painter.text(
                    rect.center(),
                    eframe::egui::Align2::CENTER_CENTER,
                    text,
                    FontId::default(),
                    ui.visuals().weak_text_color(),
                );
            }
        }
        self.strip(ui, model, photos, index, out);
    }

    #[allow(clippy::too_many_arguments)]
    fn photo(
        &mut self,
        ui: &Ui,
        rect: Rect,
        response: &Response,
        texture: &TextureHandle,
        index: usize,
        model: &Model,
        out: &mut Vec<Command>,
    ) {
        // Masks and cameras may be for another size than the texture: all is drawn in the pixels of the cameras.
        let size = pixels(model, index, texture);
        let (min, area) =
            ([f64::from(rect.min.x), f64::from(rect.min.y)], [f64::from(rect.width()), f64::from(rect.height())]);
        let view = model.view.photo_view;
        let placed = view.place(size, min, area);
        let on = |p: [f64; 2]| to_pos(placed.panel(p));
        let painter = ui.painter().with_clip_rect(rect);
        let whole = Rect::from_min_max(on([0.0, 0.0]), on(size));
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.image(texture.id(), whole, uv, Color32::WHITE);
        let alone = model.view.compare == Compare::Off;
        if alone
            && model.view.shown.masks
            && let Some(masks) = self.mask_texture(ui, model, index)
        {
            painter.image(masks, whole, uv, Color32::WHITE);
        }
        if alone && let Some(outline) = self.outline_texture(ui, model, index) {
            painter.image(outline, whole, uv, Color32::WHITE);
        }
        if alone && model.view.shown.boxes {
            boxes(ui, &painter.with_clip_rect(whole.intersect(rect)), model, index, size, &placed);
        }
        if let Some(camera) = model.camera(index) {
            let camera = camera.resized(size[0] as u32, size[1] as u32);
            let near = 1e-3 * model.extent.radius;
            let to_panel = |line: overlay::Line| line.map(|p| to_pos(placed.panel(p)));
            let inside = painter.with_clip_rect(whole.intersect(rect));
            if alone && model.view.shown.boxes {
                ghosts::draw(&inside, model, &camera, near, &to_panel);
            }
            measure::draw(&inside, model, &camera, near, &to_panel);
            self.edit.draw(ui, &inside, model, index, (&camera, near, whole), &to_panel, &on);
        }
        if !alone {
            self.compare.draw(ui, rect, whole, model, index, out);
        }
        // While an instance is added, what is dragged is a rectangle around it; other buttons still move the photo.
        let draws = edit_photo::is_adding(model) && response.dragged_by(PointerButton::Primary);
        navigate(ui, response, !draws, view, &placed, (size, min, area), out);
        let pixel = |p: Pos2| placed.photo([f64::from(p.x), f64::from(p.y)]);
        out.extend(self.edit.drag(response, &painter, model, (index, size), (&pixel, &on)));
        self.pointer(ui, response, (index, size), &pixel, model, out);
    }

    /// What hovering and clicking the photo mean; `pixel` is the pixel of the camera under the pointer.
    fn pointer(
        &mut self,
        ui: &Ui,
        response: &Response,
        (index, size): (usize, [f64; 2]),
        pixel: &dyn Fn(Pos2) -> [f64; 2],
        model: &Model,
        out: &mut Vec<Command>,
    ) {
        let still = response.hover_pos().filter(|_| !ui.input(|i| i.pointer.any_down()));
        let under = still.map(|p| hits(model, index, size, pixel(p)).first().copied());
        if still.is_some() || !response.contains_pointer() {
            hover::tell(ui, "photo", under, model, out);
        }
        let clicked = response.interact_pointer_pos().filter(|_| response.clicked());
        if let (Some(p), true) = (clicked, model.measure.is_some()) {
            out.push(Command::MeasureInPhoto(index, pixel(p)));
        } else if let (Some(p), Some(_)) = (clicked, &model.edit) {
            out.extend(edit_photo::click(model, index, pixel(p), held_with_mouse(ui.ctx()).command));
        } else if response.double_clicked() {
            out.extend(model.view.instance.map(Command::FlyTo));
        } else if let (Some(p), true) = (clicked, held_with_mouse(ui.ctx()).command) {
            out.extend(hits(model, index, size, pixel(p)).first().map(|id| Command::Toggle(*id)));
        } else if let Some(p) = clicked {
            let again = self.last_click.is_some_and(|q| q.distance(p) < 5.0);
            self.last_click = Some(p);
            let hits = hits(model, index, size, pixel(p));
            out.push(Command::Select(pick::choose(&hits, model.view.instance, again)));
        }
    }

    /// Masks of the photo as a texture, painted when they or the selection have changed.
    fn mask_texture(&mut self, ui: &Ui, model: &Model, index: usize) -> Option<eframe::egui::TextureId> {
        let key = (index, model.mask_stamp);
        if self.masks.as_ref().is_none_or(|m| m.0 != key) {
            let masks = model.masks_of(index)?;
            let image = mask_image::paint(masks, model.view.instance, |id| model.is_shown(id));
            let bytes: Vec<u8> = image.pixels.into_iter().flatten().collect();
            let image = ColorImage::from_rgba_unmultiplied([image.width, image.height], &bytes);
            self.masks = Some((key, ui.ctx().load_texture("masks", image, TextureOptions::LINEAR)));
        }
        self.masks.as_ref().map(|m| m.1.id())
    }

    /// The outline of the instance under the pointer, painted when that has changed.
    fn outline_texture(&mut self, ui: &Ui, model: &Model, index: usize) -> Option<eframe::egui::TextureId> {
        let id = model.hovered.filter(|id| model.view.instance != Some(*id))?;
        let key = (index, model.mask_stamp, id);
        if self.outline.as_ref().is_none_or(|o| o.0 != key) {
            let image = mask_image::paint_outline(model.masks_of(index)?, id)?;
            let bytes: Vec<u8> = image.pixels.into_iter().flatten().collect();
            let image = ColorImage::from_rgba_unmultiplied([image.width, image.height], &bytes);
            self.outline = Some((key, ui.ctx().load_texture("outline", image, TextureOptions::LINEAR)));
        }
        self.outline.as_ref().map(|o| o.1.id())
    }

    fn strip(&mut self, ui: &mut Ui, model: &Model, photos: &mut Photos, index: usize, out: &mut Vec<Command>) {
        let shows = model.selected().map(|i| model.photos_of(&i.instance)).unwrap_or_default();
        let moved = self.last_photo != Some(index);
        self.last_photo = Some(index);
        ScrollArea::horizontal().auto_shrink(false).show_viewport(ui, |ui, view| {
            let n = model.photos.len();
            let (area, response) = ui.allocate_exact_size(vec2(n as f32 * STRIP.x, STRIP.y), Sense::click());
            let cell = |k: usize| Rect::from_min_size(area.min + vec2(k as f32 * STRIP.x, 0.0), STRIP).shrink(1.5);
            if moved {
                ui.scroll_to_rect(cell(index), Some(Align::Center));
            }
            let first = (view.min.x / STRIP.x).floor().max(0.0) as usize;
            let last = ((view.max.x / STRIP.x).ceil().max(0.0) as usize).min(n);
            for k in first..last {
                thumbnail(
                    ui,
                    cell(k),
                    photos.get(&model.photos[k], Size::Thumbnail),
                    k == index,
                    shows.binary_search(&k).is_ok(),
                );
            }
            let at = response.hover_pos().map(|p| ((p.x - area.min.x) / STRIP.x) as usize).filter(|k| *k < n);
            if let Some(k) = at {
                let response = response.on_hover_text_at_pointer(&model.photos[k].stem);
                if response.double_clicked() {
                    out.push(Command::Snap(k));
                } else if response.clicked() {
                    out.push(Command::ShowPhoto(k));
                }
            }
        });
    }
}

/// Name of the photo, and switches.
fn head(ui: &mut Ui, model: &Model, index: usize, out: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        let step = |ui: &mut Ui, text: &str, action: Action, out: &mut Vec<Command>| {
            if ui.small_button(text).on_hover_text(tip(action)).clicked() {
                out.push(Command::Do(action));
            }
        };
        step(ui, "[", Action::PreviousFrame, out);
        step(ui, "]", Action::NextFrame, out);
        ui.label(format!("{}  ({} of {})", model.photos[index].stem, index + 1, model.photos.len()));
        compare::choice(ui, model, out);
        let mut shown = model.view.shown;
        // Over a comparison they would hide what is compared.
        let alone = model.view.compare == Compare::Off;
        let boxes = [(&mut shown.masks, "Masks", Action::Masks), (&mut shown.boxes, "Boxes", Action::Boxes)];
        for (on, text, action) in boxes {
            ui.add_enabled(alone, Checkbox::new(on, text)).on_hover_text(tip(action));
        }
        if shown != model.view.shown {
            out.push(Command::Show(shown));
        }
        if model.camera(index).is_some() {
            let hint = "Put the 3D view on this photo's camera (or double-click it in the strip or in 3D)";
            if ui.small_button("3D from here").on_hover_text(hint).clicked() {
                out.push(Command::Snap(index));
            }
        } else if !model.sparse.cameras.is_empty() {
            ui.weak("not registered");
        }
    });
}

/// Size of the photo in the pixels of its camera, else of its masks, else of its texture.
fn pixels(model: &Model, index: usize, texture: &TextureHandle) -> [f64; 2] {
    let camera = model.camera(index).map(|c| [c.intrinsics.width, c.intrinsics.height]);
    let masks = || model.masks_of(index).map(|m| [m.width, m.height]);
    let own = || texture.size().map(|x| x as u32);
    camera.or_else(masks).unwrap_or_else(own).map(f64::from)
}

/// Instances under a pixel: by masks, or by boxes where there are no masks or none is hit.
fn hits(model: &Model, index: usize, size: [f64; 2], pixel: [f64; 2]) -> Vec<u32> {
    let mut found = Vec::new();
    if let (true, Some(masks)) = (model.view.shown.masks, model.masks_of(index)) {
        let at = |k: usize, n: u32| (pixel[k] / size[k] * f64::from(n)).floor();
        let (x, y) = (at(0, masks.width), at(1, masks.height));
        if x >= 0.0 && y >= 0.0 {
            found = pick::masks_at(masks, x as u32, y as u32);
        }
    }
    if let (true, true, Some(camera)) = (found.is_empty(), model.view.shown.boxes, model.camera(index)) {
        let (origin, direction) = overlay::ray(camera, pixel[0], pixel[1]);
        let seen = model.drawn_over(index).into_iter().map(|i| (i.instance.id, &i.instance.obb));
        found = pick::along_ray(seen, &origin, &direction, None);
    }
    found.retain(|id| model.items().contains_key(id) && model.is_shown(*id));
    found
}

/// Boxes of what the photo shows, with their labels; the selected one always.
fn boxes(ui: &Ui, painter: &eframe::egui::Painter, model: &Model, index: usize, size: [f64; 2], placed: &Placed) {
    let Some(camera) = model.camera(index) else { return };
    let camera = camera.resized(size[0] as u32, size[1] as u32);
    let drawn = model.drawn_over(index);
    for item in &drawn {
        let i = &item.instance;
        let selected = model.view.instance == Some(i.id);
        let [r, g, b] = model.color(i.id);
        let stroke = if selected {
            Stroke::new(2.5, Color32::from_rgb(r, g, b))
        } else if model.hovered == Some(i.id) || model.marked.contains(&i.id) {
            Stroke::new(2.0, Color32::from_rgb(r, g, b))
        } else if overlay::is_background(&i.label) {
            Stroke::new(1.0, Color32::from_rgba_unmultiplied(r, g, b, 60))
        } else {
            Stroke::new(1.2, Color32::from_rgba_unmultiplied(r, g, b, 190))
        };
        for line in overlay::box_lines(&camera, &model.box_of(i), model.extent.radius * 1e-2) {
            painter.line_segment(line.map(|p| to_pos(placed.panel(p))), stroke);
        }
    }
    let mut tags = Tags::new(painter.clip_rect());
    for item in tags::by_importance(model, drawn, model.hovered) {
        let i = &item.instance;
        let spot = overlay::top(&camera, &model.box_of(i)).map(|p| to_pos(placed.panel(p)));
        tags.put(ui, painter, model, spot, item, [model.view.instance, model.hovered].contains(&Some(i.id)));
    }
}

type Area = ([f64; 2], [f64; 2], [f64; 2]);

/// The wheel zooms at the pointer, dragging moves, if it `moves` anything; a middle click fits the photo.
fn navigate(
    ui: &Ui,
    response: &Response,
    moves: bool,
    view: PhotoView,
    placed: &Placed,
    (size, min, area): Area,
    out: &mut Vec<Command>,
) {
    let mut new = view;
    if let (true, Some(p)) = (response.contains_pointer(), response.hover_pos()) {
        let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
        let factor = f64::from((scroll * 0.005).exp() * pinch);
        if factor != 1.0 {
            new = new.zoomed(factor, [f64::from(p.x), f64::from(p.y)], size, min, area);
        }
    }
    let d = response.drag_delta();
    if moves && d != Vec2::ZERO {
        new = new.panned([f64::from(d.x), f64::from(d.y)], size, placed);
    }
    if response.clicked_by(PointerButton::Middle) {
        new = PhotoView::default();
    }
    if new != view {
        out.push(Command::LookAtPhoto(new));
    }
}

fn thumbnail(ui: &Ui, cell: Rect, texture: Option<TextureHandle>, current: bool, shows: bool) {
    let painter = ui.painter();
    if let Some(t) = texture {
        let [w, h] = t.size().map(|x| x as f32);
        // Cut to the shape of the cell.
        let (cw, ch) = ((cell.aspect_ratio() * h / w).min(1.0), (w / h / cell.aspect_ratio()).min(1.0));
        let uv = Rect::from_center_size(pos2(0.5, 0.5), vec2(cw, ch));
        painter.image(t.id(), cell, uv, Color32::WHITE);
    } else {
        painter.rect_filled(cell, 0.0, ui.visuals().faint_bg_color);
    }
    if shows {
        let bar = Rect::from_min_max(pos2(cell.min.x, cell.max.y - 4.0), cell.max);
        painter.rect_filled(bar, 0.0, ui.visuals().selection.bg_fill);
    }
    if current {
        painter.rect_stroke(cell, 0.0, Stroke::new(2.0, ui.visuals().strong_text_color()), StrokeKind::Outside);
    }
}

fn to_pos(p: [f64; 2]) -> Pos2 {
    pos2(p[0] as f32, p[1] as f32)
}
