//! What the instances are like: counts to click and histograms to brush. Both edit the filter.

use crate::app::command::Command;
use crate::app::filters::Filters;
use crate::app::model::Model;
use crate::review::facets::{self, Facet, Histogram, Summary};
use crate::review::filter::Filter;
use eframe::egui::{
    Align2, CursorIcon, FontId, Rect, RichText, Role, ScrollArea, Sense, TextEdit, Ui, WidgetInfo, pos2, vec2,
};

/// Values of a group that are listed before the rest is folded away.
const LISTED: usize = 8;

/// Height of a histogram, points.
const HEIGHT: f32 = 34.0;

/// What it keeps between frames.
#[derive(Default)]
pub(in crate::app) struct FacetsPanel {
    /// The counts, for a state of the list.
    summary: Option<(u64, Summary)>,
    /// Name that a filter is being saved under.
    name: String,
    /// Where a drag over a histogram began, 0..1, and which one.
    from: Option<(usize, f64)>,
}

impl FacetsPanel {
    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        if model.items().is_empty() {
            ui.weak("No instances yet.");
            return;
        }
        let (filter, _) = Filter::understood(&model.view.filter);
        if self.summary.as_ref().is_none_or(|s| s.0 != model.list_stamp) {
            let summary = Summary::new(model.items(), &filter, &model.context);
            self.summary = Some((model.list_stamp, summary));
        }
        let Some((_, summary)) = self.summary.take() else { return };
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            self.saved(ui, model, out);
            for facet in &summary.facets {
                values(ui, &filter, facet, out);
            }
            ui.add_space(4.0);
            for (k, histogram) in summary.histograms.iter().enumerate() {
                self.histogram(ui, k, histogram, &filter, out);
            }
        });
        self.summary = Some((model.list_stamp, summary));
    }

    fn saved(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        let filters = &model.filters;
        let mut new: Option<Filters> = None;
        ui.horizontal_wrapped(|ui| {
            if !model.view.filter.is_empty() {
                let field = TextEdit::singleline(&mut self.name).hint_text("name").desired_width(70.0);
                ui.add(field).on_hover_text("Name for the filter as it is now");
                let name = self.name.trim().to_owned();
                let save = ui.add_enabled(!name.is_empty(), eframe::egui::Button::new("Save filter").small());
                if save.on_hover_text("Keeps the filter under this name, for all scenes").clicked() {
                    new = Some(filters.with(&name, &model.view.filter));
                    self.name.clear();
                }
                if ui.small_button("Clear").on_hover_text("Shows all instances").clicked() {
                    out.push(Command::Filter(String::new()));
                }
            }
            for (name, text) in &filters.saved {
                let on = model.view.filter == *text;
                if ui.selectable_label(on, name).on_hover_text(text).clicked() {
                    out.push(Command::Filter(if on { String::new() } else { text.clone() }));
                }
                if ui
                    .small_button("x")
                    .on_hover_text(format!("Delete the filter {name}; it can be brought back"))
                    .clicked()
                {
                    new = Some(filters.without(name));
                }
            }
            if let Some((name, text)) = &filters.deleted
                && ui.small_button(format!("Bring back {name}")).on_hover_text(text).clicked()
            {
                new = Some(filters.restored());
            }
        });
        out.extend(new.map(Command::SetFilters));
    }

    fn histogram(&mut self, ui: &mut Ui, index: usize, h: &Histogram, filter: &Filter, out: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            ui.small(h.measure.name());
            if let Some(range) = h.brushed {
                ui.small(RichText::new(range.to_string()).strong());
                if ui.small_button("x").on_hover_text("All values again").clicked() {
                    out.push(Command::Filter(facets::brushed(filter, h.measure, None).to_string()));
                }
            }
        });
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, h.measure.name()));
        let response = response.on_hover_cursor(CursorIcon::ResizeHorizontal);
        let bars = Rect::from_min_max(rect.min, pos2(rect.max.x, rect.max.y - 11.0));
        draw(ui, rect, bars, h);
        let place = |x: f32| f64::from(((x - bars.min.x) / bars.width()).clamp(0.0, 1.0));
        // From bin edge to bin edge: what is seen is what is counted.
        let n = h.counts.len().max(1) as f64;
        if let (true, Some(p)) = (response.drag_started(), ui.input(|i| i.pointer.press_origin())) {
            self.from = Some((index, place(p.x)));
        }
        if let (Some((k, from)), Some(p)) = (self.from, response.interact_pointer_pos())
            && k == index
            && response.dragged()
        {
            let (a, b) = (from.min(place(p.x)), from.max(place(p.x)));
            let range = h.range((a * n).floor() / n, (b * n).ceil() / n);
            let text = facets::brushed(filter, h.measure, Some(range)).to_string();
            if text != filter.to_string() {
                out.push(Command::Filter(text));
            }
        }
        if response.clicked()
            && let Some(p) = response.interact_pointer_pos()
        {
            let bin = (place(p.x) * n).floor().min(n - 1.0);
            let range = h.range(bin / n, (bin + 1.0) / n);
            out.push(Command::Filter(facets::brushed(filter, h.measure, Some(range)).to_string()));
        }
        if let Some(p) = response.hover_pos() {
            let bin = (place(p.x) * n).floor().min(n - 1.0);
            let count = h.counts.get(bin as usize).copied().unwrap_or(0);
            let (a, b) = (h.measure.text(h.value_at(bin / n)), h.measure.text(h.value_at((bin + 1.0) / n)));
            response.on_hover_text_at_pointer(format!("{count} from {a} to {b}. Drag to choose a range."));
        }
    }
}

fn draw(ui: &Ui, rect: Rect, bars: Rect, h: &Histogram) {
    let visuals = ui.visuals();
    let most = h.counts.iter().copied().max().unwrap_or(0).max(1) as f32;
    let width = bars.width() / h.counts.len().max(1) as f32;
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(bars, 2.0, visuals.extreme_bg_color);
    let inside = |bin: usize| {
        let Some(range) = h.brushed else { return true };
        let middle = (bin as f64 + 0.5) / h.counts.len() as f64;
        range.low.is_none_or(|l| middle > h.place(l)) && range.high.is_none_or(|x| middle < h.place(x))
    };
    for (bin, count) in h.counts.iter().enumerate().filter(|c| *c.1 > 0) {
        // The root, so that a few beside very many are seen.
        let height = bars.height() * (*count as f32 / most).sqrt();
        let x = bars.min.x + bin as f32 * width;
        let bar = Rect::from_min_max(pos2(x + 0.5, bars.max.y - height), pos2(x + width - 0.5, bars.max.y));
        let color = if inside(bin) { visuals.hyperlink_color } else { visuals.weak_text_color().gamma_multiply(0.4) };
        painter.rect_filled(bar, 1.0, color);
    }
    for (value, align, x) in
        [(h.value_at(0.0), Align2::LEFT_BOTTOM, rect.min.x), (h.value_at(1.0), Align2::RIGHT_BOTTOM, rect.max.x)]
    {
        let (font, ink) = (FontId::proportional(9.0), visuals.weak_text_color());
        painter.text(pos2(x, rect.max.y + 1.0), align, h.measure.text(value), font, ink);
    }
}

/// The values of a group, to click.
fn values(ui: &mut Ui, filter: &Filter, facet: &Facet, out: &mut Vec<Command>) {
    let mut show = |ui: &mut Ui, values: &[facets::Value]| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(4.0, 2.0);
            for value in values {
                let text = RichText::new(format!("{} {}", value.word, value.count)).small();
                let text = if value.count == 0 && !value.on { text.weak() } else { text };
                let tip = if value.on { "Asked for; click again to let it go" } else { "Only these" };
                if ui.selectable_label(value.on, text).on_hover_text(tip).clicked() {
                    out.push(Command::Filter(facets::toggled(filter, facet.group, &value.word).to_string()));
                }
            }
        });
    };
    ui.small(RichText::new(facet.group.name()).strong());
    let (listed, rest) = facet.values.split_at(LISTED.min(facet.values.len()));
    show(ui, listed);
    if !rest.is_empty() {
        ui.collapsing(RichText::new(format!("{} more", rest.len())).small(), |ui| show(ui, rest));
    }
}
