//! Which scene is open: opening, closing, running, and saving how one looks at it.

use super::poll::Seen;
use super::{Running, Window};
use crate::app::load::{self, Progress};
use crate::app::log::Level;
use crate::app::model::Model;
use crate::app::orbit::Orbit;
use crate::app::panels;
use crate::app::view_state::{self, LAYOUT_FILE, Layout, SceneView};
use crate::pipeline::Pipeline;
use crate::review::worklist::Worklist;
use crate::scene::folder::SceneFolder;
use eframe::egui::Context;
use std::path::{Path, PathBuf};

/// Seconds between a change of the view and its being saved.
const SAVE_AFTER: f64 = 0.5;

/// The saved layout, or the first one.
pub(in crate::app) fn load_layout(config: Option<&Path>) -> Layout {
    let saved: Option<Layout> = config.and_then(|c| view_state::load(c, LAYOUT_FILE));
    saved
        .filter(|l| panels::is_complete(&l.tree) && l.size.iter().all(|s| (100.0..1e5).contains(s)))
        .unwrap_or_else(panels::default_layout)
}

/// Seconds that news of a run may wait for to be shown.
const NEWS: f32 = 0.3;

impl Window {
    /// Opens a scene; offers to make one of anything else.
    pub(super) fn open(&mut self, ctx: &Context, path: &Path) {
        if !SceneFolder::is_scene(path) {
            let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
            if let Some(list) = Worklist::find(&full) {
                self.open_list(ctx, list);
            } else if path.exists() {
                self.dialogs.offer_run(path);
            } else {
                self.tell(Level::Error, format!("there is nothing at {}", path.display()));
            }
            return;
        }
        self.close_scene();
        self.end_run();
        self.remember(ctx, path);
        self.load(ctx, path);
    }

    /// Reads a scene on the loader's thread.
    pub(super) fn load(&mut self, ctx: &Context, root: &Path) {
        self.model.root = Some(root.to_path_buf());
        let saved =
            self.config.as_deref().and_then(|c| view_state::load::<SceneView>(c, &view_state::scene_file(root)));
        if let Some(view) = saved {
            self.camera_moved = view.orbit.is_some_and(|o| o.is_sane());
            self.model.view = SceneView { orbit: view.orbit.filter(Orbit::is_sane), ..view };
        }
        let wake = ctx.clone();
        self.pieces = load::start(root.to_path_buf(), move || wake.request_repaint());
        self.loading = true;
        self.log.add(Level::Info, format!("opening {}", root.display()));
    }

    /// Saves how one looked at the scene, and forgets it.
    pub(super) fn close_scene(&mut self) {
        self.save_view();
        self.keep_tally();
        let shown = self.model.view.shown;
        let mask_stamp = self.model.mask_stamp + 1;
        let list_stamp = self.model.list_stamp + 1;
        let filters = std::mem::take(&mut self.model.filters);
        self.model = Model { mask_stamp, list_stamp, filters, ..Model::default() };
        self.model.view.shown = shown;
        self.photos.clear();
        (self.camera_moved, self.flight, self.saved.0) = (false, None, None);
        (self.shell.overlays.export, self.shell.overlays.categories) = (None, None);
        self.pieces = load::closed();
        self.loading = false;
    }

    /// Ends a run without waiting for it here: that may take as long as its next tick.
    pub(super) fn end_run(&mut self) {
        if let Some(run) = self.run.take() {
            std::thread::spawn(move || drop(run));
        }
    }

    pub(super) fn start_run(&mut self, ctx: &Context, input: PathBuf, out: PathBuf) {
        self.close_scene();
        self.end_run();
        self.model.name = input.display().to_string();
        let wake = ctx.clone();
        // A run says something ten times a second: that many frames would take from it what it needs itself.
        let soon = move || wake.request_repaint_after_secs(NEWS);
        let pipeline = Pipeline::start(input.clone(), out.clone(), self.options.clone(), soon);
        self.run = Some(Running { pipeline, progress: Progress::default(), input, out, seen: Seen::default() });
    }

    pub(super) fn save_view(&mut self) {
        let Some(config) = &self.config else { return };
        let mut troubles = Vec::new();
        if let Some(root) = self.model.root.as_deref().filter(|_| !self.loading)
            && self.saved.0.as_ref() != Some(&self.model.view)
        {
            troubles.extend(view_state::save(config, &view_state::scene_file(root), &self.model.view).err());
            self.saved.0 = Some(self.model.view.clone());
        }
        if self.saved.1.as_ref() != Some(&self.layout) {
            troubles.extend(view_state::save(config, LAYOUT_FILE, &self.layout).err());
            self.saved.1 = Some(self.layout.clone());
        }
        let config = config.display().to_string();
        for e in troubles {
            self.log.add(Level::Warning, format!("the view cannot be saved to {config}: {e}"));
        }
    }

    /// Saves a little after the last change.
    pub(super) fn save_later(&mut self, ctx: &Context) {
        if self.config.is_none() {
            return;
        }
        let no_scene = self.model.root.is_none() || self.loading;
        let same_view = no_scene || self.saved.0.as_ref() == Some(&self.model.view);
        let same = same_view && self.saved.1.as_ref() == Some(&self.layout);
        let now = ctx.input(|i| i.time);
        match self.changed_at {
            None if !same => {
                self.changed_at = Some(now);
                ctx.request_repaint_after_secs(SAVE_AFTER as f32 + 0.05);
            }
            Some(at) if now - at >= SAVE_AFTER => {
                self.changed_at = None;
                self.save_view();
            }
            // A frame in between forgets when the next one was asked for.
            Some(at) => ctx.request_repaint_after_secs((SAVE_AFTER - (now - at)) as f32 + 0.05),
            None => {}
        }
    }
}
