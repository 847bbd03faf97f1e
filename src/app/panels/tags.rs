//! Names at boxes: as many as find room, the selected one always.

use crate::app::model::Model;
use crate::app::overlay;
use crate::review::{Reviewed, Verdict};
use crate::scene::InstanceState;
use eframe::egui::{Align2, Color32, FontId, Painter, Pos2, Rect, Ui, vec2};

/// Where names are already.
pub(super) struct Tags {
    area: Rect,
    taken: Vec<Rect>,
}

/// What of `drawn` gets a name, the most important first: selected, hovered, then by score.
pub(super) fn by_importance<'a>(model: &Model, drawn: Vec<&'a Reviewed>, hovered: Option<u32>) -> Vec<&'a Reviewed> {
    let chosen = |i: &Reviewed| [model.view.instance, hovered].contains(&Some(i.instance.id));
    let named = |i: &&Reviewed| {
        let doubtful = i.verdict == Verdict::Rejected || i.instance.state == InstanceState::Dropped;
        chosen(i) || (model.is_shown(i.instance.id) && !doubtful && !overlay::is_background(&i.instance.label))
    };
    let mut items: Vec<&Reviewed> = drawn.into_iter().filter(named).collect();
    let selected = |i: &Reviewed| model.view.instance == Some(i.instance.id);
    items.sort_by(|a, b| {
        let rank = |i: &Reviewed| (selected(i), chosen(i));
        rank(b).cmp(&rank(a)).then(b.instance.score.total_cmp(&a.instance.score))
    });
    items
}

impl Tags {
    pub(super) fn new(area: Rect) -> Self {
        Self { area: area.shrink(2.0), taken: Vec::new() }
    }

    /// Writes the name above `spot`. One that is `chosen` is written in full, moved into the area if need be; another
    /// only where it fits.
    pub(super) fn put(
        &mut self,
        ui: &Ui,
        painter: &Painter,
        model: &Model,
        spot: Option<Pos2>,
        item: &Reviewed,
        chosen: bool,
    ) {
        let Some(spot) = spot.filter(|p| self.area.expand(if chosen { 200.0 } else { 0.0 }).contains(*p)) else {
            return;
        };
        let i = &item.instance;
        let (text, size) = if chosen { (format!("#{} {}", i.id, i.label), 13.0) } else { (i.label.clone(), 11.0) };
        let text: String = text.chars().take(40).collect();
        let ink = if chosen { Color32::WHITE } else { Color32::from_gray(225) };
        let galley = painter.layout_no_wrap(text, FontId::proportional(size), ink);
        let room = galley.size() + vec2(11.0, 2.0);
        let mut tag = Align2::CENTER_BOTTOM.anchor_size(spot - vec2(0.0, 4.0), room);
        if chosen {
            let inside = |min: f32, length: f32, lo: f32, hi: f32| min.min(hi - length).max(lo);
            let x = inside(tag.min.x, room.x, self.area.min.x, self.area.max.x);
            let y = inside(tag.min.y, room.y, self.area.min.y, self.area.max.y);
            tag = Rect::from_min_size(Pos2::new(x, y), room);
        } else if !self.area.contains_rect(tag) || self.taken.iter().any(|t| t.intersects(tag)) {
            return;
        }
        let [r, g, b] = model.color(i.id);
        let dim = if ui.visuals().dark_mode { 170 } else { 200 };
        painter.rect_filled(tag, 3.0, Color32::from_black_alpha(if chosen { 225 } else { dim }));
        let bar = Rect::from_min_size(tag.min, vec2(3.5, tag.height()));
        painter.rect_filled(bar, 2.0, Color32::from_rgb(r, g, b));
        painter.galley(tag.min + vec2(7.0, 1.0), galley, ink);
        self.taken.push(tag.expand(1.0));
    }
}
