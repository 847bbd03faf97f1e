//! The export: what, which instances, where to, what is wrong with it, and where it went.

use super::fields::{folder_row, section};
use crate::app::command::Command;
use crate::app::export::{FORMATS, INCLUDES};
use crate::app::log::error_color;
use crate::app::shell::{Place, Shell};
use crate::export::check::Problem;
use crate::export::{Format, Include};
use eframe::egui::{Align2, Button, Context, ProgressBar, RichText, ScrollArea, Ui, Window};
use std::path::{Path, PathBuf};

/// Ids shown of a problem.
const SHOWN: usize = 14;

/// The dialog while it is open.
pub(in crate::app) struct ExportDialog {
    format: Format,
    include: Include,
    /// The folder, as typed.
    pub path: String,
    /// What the check said last, and of what it was asked.
    problems: Option<Result<Vec<Problem>, String>>,
    asked: Option<(Format, Include)>,
    went: Option<Result<(String, PathBuf), String>>,
}

impl ExportDialog {
    /// For the scene in a folder.
    pub(in crate::app) fn new(scene: &Path) -> Self {
        Self {
            format: Format::All,
            include: Include::Accepted,
            path: scene.join("export").display().to_string(),
            problems: None,
            asked: None,
            went: None,
        }
    }

    /// Takes in what the check says; of anything but what was asked last it is no news.
    pub(in crate::app) fn checked(&mut self, of: (Format, Include), problems: Result<Vec<Problem>, String>) {
        if self.asked == Some(of) {
            self.problems = Some(problems);
        }
    }

    /// Takes in what became of the export: a sentence and the folder, or why not.
    pub(in crate::app) fn went(&mut self, went: Result<(String, PathBuf), String>) {
        self.went = Some(went);
    }

    /// One frame; false when it is closed. `running` is the task that exports: how far it is, and its number.
    pub(super) fn ui(&mut self, ctx: &Context, running: Option<(usize, usize, u64)>, out: &mut Vec<Command>) -> bool {
        let mut open = true;
        let mut done = false;
        // Not modal: a click on a problem selects its instance, which is then to be seen and put right.
        Window::new("Export the reviewed scene")
            .open(&mut open)
            .pivot(Align2::CENTER_TOP)
            .default_pos(ctx.content_rect().center_top() + eframe::egui::vec2(0.0, 50.0))
            .default_width(520.0_f32.min(ctx.content_rect().width() - 40.0))
            .default_height((ctx.content_rect().height() - 120.0).min(640.0))
            .max_height(ctx.content_rect().height() - 90.0)
            .collapsible(false)
            .vscroll(true)
            .show(ctx, |ui| {
                self.choices(ui);
                folder_row(ui, "Into", &mut self.path, Place::Export, out);
                self.check(ui, out);
                self.result(ui, out);
                done = self.buttons(ui, running, out);
            });
        open && !done
    }

    fn choices(&mut self, ui: &mut Ui) {
        section(ui, "What");
        for (f, what) in FORMATS {
            ui.radio_value(&mut self.format, f, what);
        }
        section(ui, "Which instances");
        ui.horizontal_wrapped(|ui| {
            for (i, what) in INCLUDES {
                ui.radio_value(&mut self.include, i, what);
            }
        });
        ui.add_space(4.0);
    }

    fn check(&mut self, ui: &mut Ui, out: &mut Vec<Command>) {
        let wanted = (self.format, self.include);
        let mut again = self.asked != Some(wanted);
        ui.horizontal(|ui| {
            section(ui, "Check");
            again |= ui.small_button("Check again").on_hover_text("After decisions, look for problems anew").clicked();
        });
        if again {
            (self.asked, self.problems) = (Some(wanted), None);
            out.push(Command::Shell(Shell::Check(wanted.0, wanted.1)));
        }
        match &self.problems {
            None => {
                ui.weak("looking for problems...");
            }
            Some(Err(e)) => {
                ui.colored_label(error_color(ui), e);
            }
            Some(Ok(none)) if none.is_empty() => {
                ui.label("No problems found.");
            }
            Some(Ok(problems)) => {
                let scroll = ScrollArea::vertical().id_salt("problems").max_height(190.0);
                scroll.auto_shrink([false, true]).show(ui, |ui| problems.iter().for_each(|p| problem(ui, p, out)));
            }
        }
    }

    fn result(&self, ui: &mut Ui, out: &mut Vec<Command>) {
        match &self.went {
            None => {}
            Some(Err(e)) => {
                ui.separator();
                ui.colored_label(error_color(ui), e);
            }
            Some(Ok((text, folder))) => {
                ui.separator();
                ui.label(text);
                ui.horizontal(|ui| {
                    if ui.button("Open folder").on_hover_text("Show it in the file manager").clicked() {
                        out.push(Command::Shell(Shell::Reveal(folder.clone())));
                    }
                    if ui.button("Copy path").on_hover_text("Put its path on the clipboard").clicked() {
                        ui.ctx().copy_text(folder.display().to_string());
                    }
                });
            }
        }
    }

    /// Export, cancel, close; true to close.
    fn buttons(&mut self, ui: &mut Ui, running: Option<(usize, usize, u64)>, out: &mut Vec<Command>) -> bool {
        let mut close = false;
        ui.separator();
        ui.horizontal(|ui| {
            if let Some((done, total, id)) = running {
                let share = if total > 0 { done as f32 / total as f32 } else { 0.0 };
                ui.add(ProgressBar::new(share).desired_width(200.0).text(format!("{done} of {total}")));
                if ui.button("Cancel").on_hover_text("Files that are written stay").clicked() {
                    out.push(Command::Shell(Shell::Stop(id)));
                }
                return;
            }
            let fatal = matches!(&self.problems, Some(Ok(all)) if all.iter().any(Problem::is_fatal));
            let ready = !fatal && !self.path.trim().is_empty();
            if ui.add_enabled(ready, Button::new("Export")).on_hover_text("Write the files").clicked() {
                self.went = None;
                let out_path = PathBuf::from(self.path.trim());
                out.push(Command::Export { format: self.format, include: self.include, out: out_path });
            }
            close = ui.button("Close").on_hover_text("Esc").clicked();
        });
        close
    }
}

fn problem(ui: &mut Ui, problem: &Problem, out: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        let color = if problem.is_fatal() { error_color(ui) } else { ui.visuals().warn_fg_color };
        let count = match problem.ids.len() {
            0 => String::new(),
            n => format!("{n}: "),
        };
        ui.label(RichText::new(format!("{count}{}", problem.text)).color(color));
        for id in problem.ids.iter().take(SHOWN) {
            if ui.link(format!("#{id}")).on_hover_text("Select it").clicked() {
                out.push(Command::Select(Some(*id)));
            }
        }
        if problem.ids.len() > SHOWN {
            ui.weak(format!("and {} more", problem.ids.len() - SHOWN));
        }
    });
}
