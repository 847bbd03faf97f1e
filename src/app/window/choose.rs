//! Selecting several, deciding about them, and what is kept beside the scene: saved filters, and how well boxes fit.

use super::{Answer, Window};
use crate::app::filters::{FILTERS_FILE, Filters};
use crate::app::log::Level;
use crate::app::panels::{self, Pane};
use crate::app::view_state;
use crate::review::{Decision, box_fit};
use eframe::egui::Context;
use std::sync::Arc;

impl Window {
    /// A decision by key: about the selected instance at once; about several, first shows what it would change.
    pub(super) fn decide_selected(&mut self, decision: Decision) {
        if self.model.marked.len() > 1 {
            panels::bring_up(&mut self.layout.tree, Pane::List);
            self.panels.list.ask_all(&self.model, &decision);
        } else if let Some(id) = self.model.view.instance {
            self.decide(id, decision);
        }
    }

    /// Takes the decisions that were shown.
    pub(super) fn confirm(&mut self) {
        let decisions = self.panels.list.confirm(&self.model);
        if !decisions.is_empty() {
            self.decide_all(decisions);
        }
    }

    /// Esc: first drops what waits, then leaves one of several selected.
    pub(super) fn only_one(&mut self) {
        if self.layout.demo {
            self.set_demo(false);
        } else if self.shell.overlays.categories.take().is_some() || self.shell.overlays.export.take().is_some() {
            // That was what Esc was meant for.
        } else if !self.panels.list.cancel() && self.model.marked.len() > 1 {
            self.model.select(self.model.view.instance);
        }
    }

    /// Selects all that the list shows.
    pub(super) fn mark_all(&mut self) {
        self.model.mark(self.model.order.iter().copied().collect());
    }

    /// Reads the saved filters.
    pub(super) fn load_filters(&mut self) {
        let saved = self.config.as_deref().and_then(|c| view_state::load(c, FILTERS_FILE));
        self.model.filters = saved.unwrap_or_default();
    }

    /// Takes and keeps another set of saved filters.
    pub(super) fn set_filters(&mut self, filters: Filters) {
        self.model.filters = filters;
        let Some(config) = &self.config else { return };
        if let Err(e) = view_state::save(config, FILTERS_FILE, &self.model.filters) {
            let text = format!("the filter cannot be saved to {}: {e}", config.join(FILTERS_FILE).display());
            self.tell(Level::Warning, text);
        }
    }

    /// Finds out on a thread how well the boxes fit: for the order by that.
    pub(super) fn find_fits(&mut self, ctx: &Context) {
        if self.model.masks.is_empty() || self.model.sparse.cameras.is_empty() {
            return;
        }
        let wanted = box_fit::wanted(self.model.items(), |stem| self.model.photo_index(stem));
        let (masks, sparse) = (Arc::clone(&self.model.masks), Arc::clone(&self.model.sparse));
        let (answer, ctx) = (self.answers.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            let fits = box_fit::fits(&wanted, &sparse.cameras, &masks);
            let _ = answer.send(Answer::Fitted(masks, fits));
            ctx.request_repaint();
        });
    }
}

/// Whether a decision changes where an instance is, or what shows it.
pub(super) fn is_about_shape(decision: &Decision) -> bool {
    matches!(decision, Decision::Rebox { .. } | Decision::Keep { .. } | Decision::TakeIn { .. } | Decision::Add { .. })
}
