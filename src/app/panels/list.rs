//! The list of instances.

use crate::app::command::Command;
use crate::app::log::error_color;
use crate::app::model::Model;
use crate::app::order::{COLUMNS, state_word};
use crate::app::overlay;
use crate::app::shortcuts::{Action, tip};
use crate::review::queue::Order;
use crate::review::{Reviewed, Verdict};
use crate::scene::InstanceState;
use eframe::egui::{Align, Color32, ComboBox, Label, Layout, RichText, Sense, TextEdit, Ui, Vec2};
use egui_extras::{Column, TableBuilder};

/// What it keeps between frames.
#[derive(Default)]
pub(in crate::app) struct ListPanel {
    /// Selection at the last frame: the list scrolls when another panel changed it.
    last: Option<u32>,
    focus_filter: bool,
}

impl ListPanel {
    pub(super) fn edit_filter(&mut self) {
        self.focus_filter = true;
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        self.head(ui, model, out);
        if model.items().is_empty() {
            ui.weak("No instances yet.");
            return;
        }
        let selected = model.view.instance;
        let row_of = |id: Option<u32>| model.order.iter().position(|i| Some(*i) == id);
        let scroll = if selected == self.last { None } else { row_of(selected) };
        self.last = selected;
        let mut table = TableBuilder::new(ui)
            .striped(true)
            .sense(Sense::click())
            .auto_shrink(false)
            .cell_layout(Layout::left_to_right(Align::Center))
            .column(Column::exact(66.0))
            .column(Column::exact(30.0))
            .column(Column::remainder().at_least(40.0).clip(true))
            .column(Column::exact(44.0));
        if let Some(row) = scroll {
            table = table.scroll_to_row(row, Some(Align::Center));
        }
        let header = table.header(20.0, |mut header| {
            for (order, title) in COLUMNS {
                header.col(|ui| column_head(ui, model, order, title, out));
            }
        });
        header.body(|body| {
            body.rows(20.0, model.order.len(), |mut row| {
                let Some(item) = model.order.get(row.index()).and_then(|id| model.items().get(id)) else { return };
                row.set_selected(selected == Some(item.instance.id));
                cells(&mut row, item);
                let response = row.response();
                if response.double_clicked() {
                    out.push(Command::FlyTo(item.instance.id));
                } else if response.clicked() {
                    out.push(Command::Select(Some(item.instance.id)));
                }
            });
        });
    }

    fn head(&mut self, ui: &mut Ui, model: &Model, out: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            let mut sort = model.view.sort;
            ComboBox::from_id_salt("order").width(92.0).selected_text(sort.order.name()).show_ui(ui, |ui| {
                for order in Order::ALL {
                    ui.selectable_value(&mut sort.order, order, order.name());
                }
            });
            if sort != model.view.sort {
                out.push(Command::Sort(sort));
            }
            let mut filter = model.view.filter.clone();
            let hint = "filter: chair is:unreviewed";
            let field = ui.add(TextEdit::singleline(&mut filter).hint_text(hint).desired_width(f32::INFINITY));
            let field = field.on_hover_text(tip(Action::Filter));
            if std::mem::take(&mut self.focus_filter) {
                field.request_focus();
            }
            if field.changed() {
                out.push(Command::Filter(filter));
            }
        });
        let (shown, all) = (model.order.len(), model.items().len());
        if shown < all {
            ui.small(format!("{shown} of {all} match"));
        }
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

fn cells(row: &mut egui_extras::TableRow<'_, '_>, item: &Reviewed) {
    let i = &item.instance;
    let text = |ui: &mut Ui, t: RichText| ui.add(Label::new(t).selectable(false).truncate());
    row.col(|ui| {
        let word = RichText::new(state_word(item)).color(state_color(ui, item));
        text(ui, word);
    });
    row.col(|ui| {
        text(ui, RichText::new(i.id.to_string()));
    });
    row.col(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        let [r, g, b] = overlay::color(i.id);
        let (rect, _) = ui.allocate_exact_size(Vec2::splat(9.0), Sense::hover());
        ui.painter().rect_filled(rect, 2.0, Color32::from_rgb(r, g, b));
        let label = RichText::new(&i.label);
        text(ui, if item.verdict == Verdict::Rejected { label.strikethrough() } else { label });
    });
    row.col(|ui| {
        text(ui, RichText::new(format!("{:.2}", i.score)));
    });
}

/// Green for accepted, red for rejected, yellow where a look is asked for.
pub(super) fn state_color(ui: &Ui, item: &Reviewed) -> Color32 {
    let dark = ui.visuals().dark_mode;
    match (item.verdict, item.instance.state) {
        (Verdict::Accepted, _) if dark => Color32::from_rgb(110, 210, 120),
        (Verdict::Accepted, _) => Color32::from_rgb(20, 120, 40),
        (Verdict::Rejected, _) => error_color(ui),
        (_, InstanceState::Verify) => ui.visuals().warn_fg_color,
        (_, InstanceState::Dropped) => ui.visuals().weak_text_color(),
        (_, InstanceState::Kept) => ui.visuals().text_color(),
    }
}
