//! The list of instances.

use super::bulk::BulkBar;
use super::hover;
use crate::app::command::Command;
use crate::app::keystrokes::held_with_mouse;
use crate::app::log::error_color;
use crate::app::model::Model;
use crate::app::order::{COLUMNS, state_word};
use crate::app::overlay;
use crate::app::shortcuts::{Action, tip};
use crate::review::filter::Filter;
use crate::review::pace::Pace;
use crate::review::queue::{self, Order};
use crate::review::{Counts, Decision, Review, Reviewed, Verdict};
use crate::scene::InstanceState;
use eframe::egui::{
    Align, Color32, ComboBox, Context, Frame, Id, Label, Layout, Modifiers, Panel, ProgressBar, RichText, Sense,
    TextEdit, Ui, Vec2,
};
use egui_extras::{Column, TableBuilder};
use std::collections::BTreeSet;

/// Height of a row, points.
const ROW: f32 = 20.0;

/// What the field of the filter is known by.
fn filter_id() -> Id {
    Id::unique("filter of the list")
}

/// Puts the cursor into the filter. Asked for between two frames, the keys of the next one are the field's already.
pub(super) fn focus_filter(ctx: &Context) {
    ctx.memory_mut(|m| m.request_focus(filter_id()));
}

/// What it keeps between frames.
#[derive(Default)]
pub(in crate::app) struct ListPanel {
    /// Selection at the last frame: the list scrolls when another panel changed it.
    last: Option<u32>,
    bulk: BulkBar,
    /// How fast it goes, for a state of the list.
    progress: Option<(u64, Counts, Pace)>,
}

impl ListPanel {
    /// Shows what a decision about all selected instances would change.
    pub(in crate::app) fn ask_all(&mut self, model: &Model, decision: &Decision) {
        self.bulk.ask(model, &model.marked, decision);
    }

    /// The decisions that were shown.
    pub(in crate::app) fn confirm(&mut self, model: &Model) -> Vec<(u32, Decision)> {
        self.bulk.confirm(model)
    }

    /// Drops the decisions that were shown; whether there were some.
    pub(in crate::app) fn cancel(&mut self) -> bool {
        self.bulk.cancel()
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        Self::head(ui, model, out);
        if model.items().is_empty() {
            ui.weak("No instances yet.");
            return;
        }
        self.progress(ui, model);
        // Below the rows, so that they stay where they are when it grows.
        let below = Panel::bottom("bulk").frame(Frame::NONE).show_separator_line(false).resizable(false);
        below.show(ui, |ui| self.bulk.ui(ui, model, out));
        if model.order.is_empty() {
            ui.weak("No instance matches the filter.");
            return;
        }
        self.table(ui, model, out);
    }

    fn table(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        let selected = model.view.instance;
        let row_of = |id: Option<u32>| model.order.iter().position(|i| Some(*i) == id);
        let scroll = if selected == self.last { None } else { row_of(selected) };
        self.last = selected;
        let measure = model.view.sort.order.measure();
        let mut table = TableBuilder::new(ui)
            .striped(true)
            .sense(Sense::click())
            .auto_shrink(false)
            .cell_layout(Layout::left_to_right(Align::Center))
            .column(Column::exact(34.0))
            .column(Column::exact(66.0))
            .column(Column::remainder().at_least(40.0).clip(true))
            .column(Column::exact(44.0));
        if measure.is_some() {
            table = table.column(Column::exact(54.0));
        }
        if let Some(row) = scroll {
            table = table.scroll_to_row(row, Some(Align::Center));
        }
        let mut under = None;
        let header = table.header(ROW, |mut header| {
            for (order, title) in COLUMNS {
                header.col(|ui| column_head(ui, model, order, title, out));
            }
            if measure.is_some() {
                header.col(|ui| column_head(ui, model, model.view.sort.order, "Value", out));
            }
        });
        header.body(|body| {
            body.rows(ROW, model.order.len(), |mut row| {
                let Some(item) = model.order.get(row.index()).and_then(|id| model.items().get(id)) else { return };
                let id = item.instance.id;
                row.set_selected(model.marked.contains(&id));
                row.set_hovered(model.hovered == Some(id));
                cells(&mut row, item, selected == Some(id));
                if let Some(measure) = measure {
                    row.col(|ui| {
                        let value = measure.of(item, &model.context).map_or("-".into(), |v| measure.text(v));
                        text(ui, RichText::new(value));
                    });
                }
                let response = row.response();
                if response.hovered() {
                    under = Some(id);
                }
                let why = |ui: &mut Ui| {
                    ui.label(queue::why(item, model.view.sort.order, &model.context));
                };
                let response = response.on_hover_ui_at_pointer(why);
                if response.double_clicked() {
                    out.push(Command::FlyTo(id));
                } else if response.clicked() {
                    let held = held_with_mouse(&response.ctx);
                    out.push(chosen(&model.order, selected, id, held));
                }
            });
        });
        hover::tell(ui, "list", ui.rect_contains_pointer(ui.min_rect()).then_some(under), model, out);
    }

    fn head(ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            let mut sort = model.view.sort;
            let choice = ComboBox::from_id_salt("order").width(92.0).selected_text(sort.order.name());
            let choice = choice.show_ui(ui, |ui| {
                for order in Order::ALL {
                    ui.selectable_value(&mut sort.order, order, order.name());
                }
            });
            choice.response.on_hover_text("What the list is sorted by; after a decision it goes on in this order");
            if sort != model.view.sort {
                out.push(Command::Sort(sort));
            }
            let mut filter = model.view.filter.clone();
            let hint = "filter: chair is:unreviewed score:..0.7";
            let field = TextEdit::singleline(&mut filter).id(filter_id()).hint_text(hint);
            let field = ui.add(field.desired_width(f32::INFINITY));
            let field = field.on_hover_text(format!("{}. {LANGUAGE}", tip(Action::Filter)));
            if field.changed() {
                out.push(Command::Filter(filter));
            }
        });
        if let Err(hint) = Filter::parse(&model.view.filter) {
            let color = ui.visuals().warn_fg_color;
            ui.label(RichText::new(hint).small().color(color));
        }
    }

    /// How many are done, how fast it goes, and how long the rest will take.
    fn progress(&mut self, ui: &mut Ui, model: &Model) {
        let (shown, all) = (model.order.len(), model.items().len());
        if self.progress.is_none_or(|p| p.0 != model.list_stamp) {
            let counts = model.counts();
            let pace = |r: &Review| Pace::of(r.events(), r.reviewer(), counts.unreviewed);
            let pace = model.review.as_ref().map(pace).unwrap_or_default();
            self.progress = Some((model.list_stamp, counts, pace));
        }
        let Some((_, counts, pace)) = self.progress else { return };
        let (done, left, words) = (counts.reviewed(), counts.unreviewed, pace.in_words());
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 5.0;
            let bar = ProgressBar::new(done as f32 / all.max(1) as f32).desired_width(46.0).desired_height(7.0);
            ui.add(bar);
            let dot = if words.is_empty() { "" } else { " \u{b7} " };
            let pace = ui.small(format!("{done} done, {left} left{dot}{words}"));
            pace.on_hover_text("Instances that you decided about per hour; pauses over two minutes do not count");
            if shown < all {
                ui.small(format!("\u{b7} {shown} of {all} match"));
            }
        });
    }
}

/// What the filter understands, for the tooltip.
const LANGUAGE: &str = "Words, is:accepted, is:unsure, is:fixed, label:chair, reason:duplicate, has:note, #12, and ranges: \
                        score:0.3..0.7, size:..0.05, agreement:, visible:, views:, fit:, outlier:. A - before a word turns \
                        it round.";

/// What a click on a row selects: with Shift from the selected one to here, with Ctrl this one too, or no longer.
fn chosen(order: &[u32], lead: Option<u32>, id: u32, held: Modifiers) -> Command {
    let place = |id: u32| order.iter().position(|i| *i == id);
    match (held.shift, lead.and_then(place), place(id)) {
        (true, Some(a), Some(b)) => {
            let range: BTreeSet<u32> = order.iter().take(a.max(b) + 1).skip(a.min(b)).copied().collect();
            Command::Mark(range)
        }
        _ if held.command => Command::Toggle(id),
        _ => Command::Select(Some(id)),
    }
}

fn column_head(ui: &mut Ui, model: &Model, order: Order, title: &str, out: &mut Vec<Command>) {
    let sort = model.view.sort;
    let arrow = match (sort.order == order, sort.reversed) {
        (false, _) => "",
        (true, false) => " v",
        (true, true) => " ^",
    };
    let text = RichText::new(format!("{title}{arrow}")).strong();
    let head = ui.add(Label::new(text).selectable(false).sense(Sense::click()));
    if head.on_hover_text(format!("Sort by {}; again: the other way round", order.name())).clicked() {
        out.push(Command::Sort(sort.clicked(order)));
    }
}

fn text(ui: &mut Ui, text: RichText) {
    ui.add(Label::new(text).selectable(false).truncate());
}

fn cells(row: &mut egui_extras::TableRow<'_, '_>, item: &Reviewed, lead: bool) {
    let i = &item.instance;
    row.col(|ui| text(ui, RichText::new(i.id.to_string())));
    row.col(|ui| {
        let word = RichText::new(state_word(item)).color(state_color(ui, item));
        text(ui, word);
    });
    row.col(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        let [r, g, b] = overlay::color(i.id);
        let (rect, _) = ui.allocate_exact_size(Vec2::splat(9.0), Sense::hover());
        ui.painter().rect_filled(rect, 2.0, Color32::from_rgb(r, g, b));
        let label = RichText::new(&i.label);
        let label = if lead { label.strong() } else { label };
        text(ui, if item.verdict == Verdict::Rejected { label.strikethrough() } else { label });
    });
    row.col(|ui| text(ui, RichText::new(format!("{:.2}", i.score))));
}

/// Green for accepted, red for rejected, yellow where a look is asked for.
pub(super) fn state_color(ui: &Ui, item: &Reviewed) -> Color32 {
    let dark = ui.visuals().dark_mode;
    match (item.verdict, item.instance.state) {
        (Verdict::Accepted, _) if dark => Color32::from_rgb(110, 210, 120),
        (Verdict::Accepted, _) => Color32::from_rgb(20, 120, 40),
        (Verdict::Rejected, _) => error_color(ui),
        (Verdict::Unsure, _) => ui.visuals().hyperlink_color,
        (_, InstanceState::Verify) => ui.visuals().warn_fg_color,
        (_, InstanceState::Dropped) => ui.visuals().weak_text_color(),
        (_, InstanceState::Kept) => ui.visuals().text_color(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_select_one_several_and_ranges() {
        let order = [5, 3, 9, 1];
        let click = |lead, id, held| match chosen(&order, lead, id, held) {
            Command::Mark(ids) => ids.into_iter().collect(),
            Command::Toggle(id) => vec![id, id],
            Command::Select(id) => id.into_iter().collect(),
            other => panic!("{other:?}"),
        };
        assert_eq!(click(Some(5), 9, Modifiers::NONE), [9]);
        assert_eq!(click(Some(5), 9, Modifiers::SHIFT), [3, 5, 9]);
        assert_eq!(click(Some(1), 3, Modifiers::SHIFT), [1, 3, 9]);
        assert_eq!(click(Some(5), 9, Modifiers::COMMAND), [9, 9]);
        assert_eq!(click(None, 9, Modifiers::SHIFT), [9]);
        assert_eq!(click(Some(77), 9, Modifiers::SHIFT), [9], "the selected one is not in the list");
    }

    fn model(n: u32) -> Model {
        let mut model = Model::default();
        let instance = |id: u32| crate::scene::Instance {
            id,
            label: format!("thing {}", id % 40),
            caption: "a thing that stands on the floor".into(),
            score: f64::from(id % 997) / 997.0,
            state: InstanceState::Verify,
            obb: crate::scene::OrientedBox::upright(
                nalgebra::Point3::origin(),
                nalgebra::Vector3::repeat(f64::from(id % 13 + 1)),
                0.0,
            ),
            views: Vec::new(),
            best_view: String::new(),
            evidence: serde_json::json!({"score": {"agreement": 0.5}}),
        };
        model.set_running(&(1..=n).map(instance).collect::<Vec<_>>());
        model
    }

    #[test]
    fn only_rows_in_sight_are_drawn() {
        let shapes = |n| {
            let (ctx, mut panel, model) = (Context::default(), ListPanel::default(), model(n));
            let screen_rect = Some(eframe::egui::Rect::from_min_size(Default::default(), Vec2::new(320.0, 800.0)));
            let input = eframe::egui::RawInput { screen_rect, ..Default::default() };
            let mut frame = || ctx.run_ui(input.clone(), |ui| panel.ui(ui, &model, &mut Vec::new())).shapes.len();
            frame();
            frame()
        };
        let (few, many) = (shapes(300), shapes(3000));
        assert!(many < few + few / 5, "{few} shapes for 300 instances, {many} for 3000");
    }
}
