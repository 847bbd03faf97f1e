//! What happened, for reading later: every toast is a line here too.

use eframe::egui::{Color32, RichText, ScrollArea, Ui};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Good to know.
    Info,
    /// Trouble that the work survives.
    Warning,
    /// Something did not work.
    Error,
}

/// Lines kept.
const KEPT: usize = 2000;

/// The lines, the latest last.
#[derive(Default)]
pub(super) struct Log {
    lines: Vec<(String, Level, String)>,
}

impl Log {
    /// Adds a line with the time of day.
    pub(super) fn add(&mut self, level: Level, text: String) {
        if self.lines.len() == KEPT {
            self.lines.remove(0);
        }
        self.lines.push((jiff::Zoned::now().strftime("%H:%M:%S").to_string(), level, text));
    }

    /// The panel.
    pub(super) fn ui(&self, ui: &mut Ui) {
        if self.lines.is_empty() {
            ui.weak("Nothing has happened yet.");
            return;
        }
        ScrollArea::vertical().auto_shrink(false).stick_to_bottom(true).show(ui, |ui| {
            for (time, level, text) in &self.lines {
                let color = match level {
                    Level::Info => ui.visuals().text_color(),
                    Level::Warning => ui.visuals().warn_fg_color,
                    Level::Error => error_color(ui),
                };
                ui.label(RichText::new(format!("{time}  {text}")).color(color).small());
            }
        });
    }
}

/// Red that can be read on this background.
pub(super) fn error_color(ui: &Ui) -> Color32 {
    if ui.visuals().dark_mode { Color32::from_rgb(255, 110, 100) } else { ui.visuals().error_fg_color }
}
