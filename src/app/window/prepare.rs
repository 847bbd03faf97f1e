//! What `HOLOSCOPE_DO` asks for, before a picture is taken.

use super::Window;
use crate::app::command::{Command, VersusWish};
use crate::app::keymap;
use crate::app::log::Level;
use crate::app::panels::{self, Pane};
use crate::app::shortcuts::TABLE;
use crate::app::versus::Against;
use eframe::egui::Context;
use std::path::PathBuf;

impl Window {
    /// What is asked for before a picture is taken; what is not known is said.
    pub(super) fn prepare(&mut self, ctx: &Context, wish: &str) {
        let action = || TABLE.iter().map(|t| t.0).find(|a| keymap::name(*a) == wish);
        match wish.split_once(':') {
            Some(("panel", title)) => match Pane::ALL.iter().find(|p| p.title() == title) {
                Some(pane) => panels::bring_up(&mut self.layout.tree, *pane),
                None => self.tell(Level::Warning, format!("HOLOSCOPE_DO: there is no panel {title}")),
            },
            Some(("filter", text)) => self.handle(ctx, Command::Filter(text.to_owned())),
            Some(("truth", path)) => {
                let wish = VersusWish::Start { against: Against::Truth, path: PathBuf::from(path) };
                self.handle(ctx, Command::Versus(wish));
            }
            _ => match action() {
                Some(action) => self.act(ctx, action),
                None => self.tell(Level::Warning, format!("HOLOSCOPE_DO: there is no action {wish}")),
            },
        }
    }
}
