//! A colour map with the values at its ends, in the corner of a picture.

use eframe::egui::{Align2, Color32, FontId, Rect, Ui, pos2, vec2};

/// Width and height of the colours, points.
const BAR: [f32; 2] = [110.0, 9.0];

/// Draws the legend of `map` (0..1 to sRGB) into a corner of `rect`: what it shows, and both ends in words.
pub(super) fn draw(
    ui: &Ui,
    rect: Rect,
    corner: Align2,
    what: &str,
    map: &dyn Fn(f32) -> [u8; 3],
    [low, high]: &[String; 2],
) {
    let painter = ui.painter().with_clip_rect(rect);
    let font = FontId::proportional(11.0);
    let text = |t: &str| painter.layout_no_wrap(t.to_owned(), font.clone(), Color32::WHITE);
    let (what, low, high) = (text(what), text(low), text(high));
    let width = BAR[0].max(low.size().x + high.size().x + 14.0).max(what.size().x) + 16.0;
    let height = what.size().y + BAR[1] + low.size().y + 14.0;
    let back = corner.align_size_within_rect(vec2(width, height), rect.shrink(8.0));
    painter.rect_filled(back, 4.0, Color32::from_black_alpha(185));
    let inner = back.shrink2(vec2(8.0, 5.0));
    painter.galley(inner.min, what.clone(), Color32::WHITE);
    let bar = Rect::from_min_size(inner.min + vec2(0.0, what.size().y + 2.0), vec2(inner.width(), BAR[1]));
    let steps = bar.width() as usize;
    for k in 0..steps {
        let [r, g, b] = map((k as f32 + 0.5) / steps as f32);
        let left = bar.min.x + bar.width() * k as f32 / steps as f32;
        let column =
            Rect::from_min_max(pos2(left, bar.min.y), pos2(left + bar.width() / steps as f32 + 0.5, bar.max.y));
        painter.rect_filled(column, 0.0, Color32::from_rgb(r, g, b));
    }
    let under = bar.max.y + 2.0;
    painter.galley(pos2(bar.min.x, under), low, Color32::WHITE);
    let at = Align2::RIGHT_TOP.anchor_size(pos2(bar.max.x, under), high.size());
    painter.galley(at.min, high, Color32::WHITE);
}
