//! What can lie over the panels besides the dialogs that open a scene, and whether it wants the keyboard.

use super::categories::CategoriesDialog;
use super::export::ExportDialog;
use super::finder::{Finder, Outcome};
use super::pictures::{self, FilmDialog, PictureDialog};
use crate::app::command::Command;
use crate::app::model::Model;
use crate::app::shell::Place;
use eframe::egui::Context;
use std::path::Path;

/// Which of them are open.
#[derive(Default)]
pub(in crate::app) struct Overlays {
    /// The command palette.
    pub finder: Option<Finder>,
    /// The export.
    pub export: Option<ExportDialog>,
    /// A picture to save.
    pub picture: Option<PictureDialog>,
    /// A film to make.
    pub film: Option<FilmDialog>,
    /// The categories.
    pub categories: Option<CategoriesDialog>,
    /// Who reviews, as typed.
    pub reviewer: Option<String>,
}

impl Overlays {
    /// Whether one of them wants all keys.
    pub(in crate::app) fn is_modal(&self) -> bool {
        self.finder.is_some() || self.picture.is_some() || self.film.is_some() || self.reviewer.is_some()
    }

    /// Takes in a folder that the user chose.
    pub(in crate::app) fn set_folder(&mut self, place: Place, folder: &Path) {
        let path = match place {
            Place::Export => self.export.as_mut().map(|d| &mut d.path),
            Place::Picture => self.picture.as_mut().map(|d| &mut d.path),
            Place::Film => self.film.as_mut().map(|d| &mut d.path),
        };
        if let Some(path) = path {
            *path = folder.display().to_string();
        }
    }

    /// One frame. `exporting`: how far an export is, and the number of its task.
    pub(in crate::app) fn ui(
        &mut self,
        ctx: &Context,
        model: &Model,
        exporting: Option<(usize, usize, u64)>,
        out: &mut Vec<Command>,
    ) {
        if self.categories.as_mut().is_some_and(|d| !d.ui(ctx, model, out)) {
            self.categories = None;
        }
        if self.finder.as_mut().is_some_and(|f| matches!(f.ui(ctx, out), Outcome::Closed)) {
            self.finder = None;
        }
        if self.export.as_mut().is_some_and(|d| !d.ui(ctx, exporting, out)) {
            self.export = None;
        }
        if self.picture.as_mut().is_some_and(|d| !d.ui(ctx, out)) {
            self.picture = None;
        }
        if self.film.as_mut().is_some_and(|d| !d.ui(ctx, out)) {
            self.film = None;
        }
        if self.reviewer.as_mut().is_some_and(|name| !pictures::reviewer(name, ctx, out)) {
            self.reviewer = None;
        }
    }
}
