//! The scenes of a folder: what is done of each, and one click to open it.

use crate::app::command::Command;
use crate::app::model::Model;
use crate::app::shortcuts::{Action, tip};
use crate::review::worklist::{SceneWork, Tally, Worklist};
use eframe::egui::{Align, Label, Layout, ProgressBar, RichText, Role, Sense, TextStyle, Ui, WidgetInfo};
use egui_extras::{Column, TableBuilder};

pub(super) fn ui(ui: &mut Ui, model: &Model, list: Option<&Worklist>, out: &mut Vec<Command>) {
    let Some(list) = list else {
        ui.weak("Open a folder that holds scene folders: they are listed here, to be reviewed one after the other.");
        return;
    };
    // The open scene has moved on since it was read.
    let open = model.root.as_deref().and_then(|root| list.position(root));
    let live = model.review.as_ref().map(Tally::of);
    let work = |k: usize, scene: &SceneWork| match live {
        Some(tally) if open == Some(k) => Some(Ok(tally)),
        _ => scene.work.clone(),
    };
    head(ui, list, open, live, out);
    let row_height = ui.text_style_height(&TextStyle::Body) + 6.0;
    let table = TableBuilder::new(ui)
        .id_salt("scenes")
        .striped(true)
        .sense(Sense::click())
        .auto_shrink(false)
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Column::remainder().at_least(60.0).clip(true))
        .column(Column::exact(70.0))
        .column(Column::exact(62.0));
    table.body(|body| {
        body.rows(row_height, list.scenes.len(), |mut row| {
            let k = row.index();
            let Some(scene) = list.scenes.get(k) else { return };
            row.set_selected(open == Some(k));
            let work = work(k, scene);
            cells(&mut row, scene, work.as_ref());
            let words = words(work.as_ref());
            let response = row.response();
            let name = format!("{}: {words}", scene.name);
            response.widget_info(|| WidgetInfo::selected(Role::Button, true, open == Some(k), &name));
            if response.on_hover_text(words).clicked() && open != Some(k) {
                out.push(Command::Open(scene.root.clone()));
            }
        });
    });
}

fn head(ui: &mut Ui, list: &Worklist, open: Option<usize>, live: Option<Tally>, out: &mut Vec<Command>) {
    let mut total = list.total();
    if let (Some(live), Some(Some(Ok(old)))) = (live, open.and_then(|k| list.scenes.get(k)).map(|s| s.work.clone())) {
        total = Tally {
            all: total.all - old.all + live.all,
            unreviewed: total.unreviewed - old.unreviewed + live.unreviewed,
        };
    }
    ui.horizontal_wrapped(|ui| {
        let share = if total.all > 0 { total.done() as f32 / total.all as f32 } else { 0.0 };
        let text = format!("{} of {} reviewed", total.done(), total.all);
        ui.add(ProgressBar::new(share).desired_width(150.0).corner_radius(3.0).text(RichText::new(text).small()))
            .on_hover_text(format!("All scenes of {}", list.folder.display()));
        if ui.button("Next scene").on_hover_text(tip(Action::NextScene)).clicked() {
            out.push(Command::Do(Action::NextScene));
        }
    });
}

fn words(work: Option<&Result<Tally, String>>) -> String {
    match work {
        None => "being read".into(),
        Some(Err(e)) => e.clone(),
        Some(Ok(t)) if t.all == 0 => "no instances".into(),
        Some(Ok(t)) => format!("{} of {} instances reviewed", t.done(), t.all),
    }
}

fn cells(row: &mut egui_extras::TableRow<'_, '_>, scene: &SceneWork, work: Option<&Result<Tally, String>>) {
    row.col(|ui| {
        let broken = matches!(work, Some(Err(_)));
        let text = RichText::new(&scene.name);
        let text = if broken { text.color(ui.visuals().warn_fg_color) } else { text };
        ui.add(Label::new(text).selectable(false).truncate());
    });
    row.col(|ui| {
        if let Some(Ok(t)) = work {
            let share = if t.all > 0 { t.done() as f32 / t.all as f32 } else { 0.0 };
            ui.add(ProgressBar::new(share).desired_width(60.0).desired_height(9.0).corner_radius(3.0));
        }
    });
    row.col(|ui| {
        let text = match work {
            None => "...".into(),
            Some(Err(_)) => "broken".into(),
            Some(Ok(t)) => format!("{}/{}", t.done(), t.all),
        };
        ui.add(Label::new(RichText::new(text).small()).selectable(false).truncate());
    });
}
