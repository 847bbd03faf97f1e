//! What other threads send: the loader, a run, and the answers of threads that the window started.

use super::versus::other_logs;
use super::{Answer, Window};
use crate::app::load::Piece;
use crate::app::log::Level;
use crate::app::panels::{self, Pane};
use crate::pipeline::{Live, Message};
use crate::review::{Review, Verdict};
use crate::scene::Instance;
use crossbeam_channel::TryRecvError;
use eframe::egui::Context;
use std::path::Path;
use std::sync::Arc;

/// Addresses of the values taken in from [`Live`] last.
#[derive(Default, PartialEq, Clone, Copy)]
pub(super) struct Seen {
    capture: usize,
    sparse: usize,
    gaussians: usize,
    training: usize,
    masks: usize,
    instances: usize,
}

impl Window {
    pub(super) fn poll_loader(&mut self) {
        while self.loading {
            match self.pieces.try_recv() {
                Ok(piece) => self.take(piece),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.loading = false,
            }
        }
    }

    pub(super) fn take(&mut self, piece: Piece) {
        let root = self.model.root.clone().unwrap_or_default();
        match piece {
            Piece::Meta(meta) => {
                self.photos.clear();
                self.model.set_meta(&root, &meta);
            }
            Piece::Sparse(sparse) => self.model.sparse = sparse,
            Piece::Masks(masks) => {
                self.model.masks = masks;
                self.model.mask_stamp += 1;
            }
            Piece::Training(training) => self.model.training = Some(training),
            Piece::Gaussians(g) => self.model.cloud = Some(g),
            Piece::Instances(instances) => self.begin_review(&root, instances),
            Piece::Trouble(text) => self.tell(Level::Warning, text),
            Piece::Failed(text) => self.tell(Level::Error, text),
            Piece::Done => {
                self.loading = false;
                self.fits_old = true;
                self.log.add(Level::Info, "the scene is loaded".into());
                if self.run.as_ref().is_some_and(|r| r.progress.over && r.progress.failed.is_none()) {
                    self.end_run();
                }
            }
        }
        self.scene_changed();
    }

    /// After cameras, points or splats have changed.
    pub(super) fn scene_changed(&mut self) {
        self.model.measure();
        if !self.camera_moved || self.model.view.orbit.is_none() {
            self.model.view.orbit = self.model.overview().or(self.model.view.orbit);
            // The orbit keeps +z up; where up is not known yet, a photo's own camera shows things as they stand.
            let first = || self.model.sparse.cameras.iter().position(Option::is_some);
            let photo = if self.model.extent.upright { None } else { first() };
            self.model.view.on_camera = photo.and_then(|k| Some(self.model.photos.get(k)?.stem.clone()));
        }
    }

    pub(super) fn begin_review(&mut self, root: &Path, instances: Vec<Instance>) {
        self.model.set_running(&instances);
        let open = if self.model.second { Review::open_second } else { Review::open };
        match open(root, instances, &self.reviewer) {
            Ok(review) => {
                for notice in review.notices().to_vec() {
                    self.tell(Level::Warning, notice);
                }
                self.model.review = Some(review);
            }
            Err(e) => self.tell(Level::Error, e.to_string()),
        }
        self.model.other_logs = other_logs(root, self.model.review.as_ref());
        self.model.arrange();
        if self.model.selected().is_none() {
            self.model.view.instance = None;
            // The first that waits for a decision.
            let first =
                self.model.order.iter().copied().find(|id| self.model.items()[id].verdict == Verdict::Unreviewed);
            self.model.select(first);
        } else if self.model.view.instance.is_some_and(|id| !self.model.marked.contains(&id)) {
            // A view that was saved knows the selected one only.
            self.model.select(self.model.view.instance);
        }
        if let Some(id) = self.screenshot.select.take() {
            self.model.select(Some(id));
            self.model.show_best_view();
        }
        self.model.mask_stamp += 1;
    }

    pub(super) fn poll_run(&mut self, ctx: &Context) {
        self.model.at_work = self.run.as_ref().is_some_and(|r| !r.progress.over && r.pipeline.is_running());
        if self.model.at_work {
            // What it says wakes the window; this is for a last word that was said between two frames.
            ctx.request_repaint_after_secs(1.0);
        }
        let Some(run) = &mut self.run else { return };
        let messages: Vec<Message> = run.pipeline.messages.try_iter().collect();
        for m in &messages {
            run.progress.take(m);
        }
        let live = Arc::clone(&run.pipeline.live);
        let (before, now) = (run.seen, seen(&live));
        run.seen = now;
        let out = run.out.clone();
        if before != now {
            self.take_live(&live, before, now);
        }
        for m in messages {
            match m {
                Message::Noted(text) => self.tell(Level::Info, text),
                Message::Warned(text) => self.tell(Level::Warning, text),
                Message::StageFailed { stage, error } => {
                    self.tell(Level::Error, format!("stage {}: {error}", stage.name()))
                }
                Message::Cancelled => self.tell(Level::Info, "the run was cancelled; finished stages are kept".into()),
                Message::StageFinished { stage, seconds, .. } => {
                    self.log.add(Level::Info, format!("stage {} took {seconds:.1} s", stage.name()));
                }
                Message::Finished => {
                    self.tell(Level::Info, "the scene is ready".into());
                    // From here on the files count: decisions are about them.
                    let view = self.model.view.clone();
                    let moved = self.camera_moved;
                    self.load(ctx, &out);
                    (self.model.view, self.camera_moved) = (view, moved);
                }
                Message::StageStarted(_) | Message::StageProgressed { .. } | Message::Updated => {}
            }
        }
    }

    pub(super) fn take_live(&mut self, live: &Live, before: Seen, now: Seen) {
        if let (true, Some(c)) = (before.capture != now.capture, live.capture.load_full()) {
            self.model.set_capture(&c);
            for warning in c.warnings.clone() {
                self.log.add(Level::Warning, warning);
            }
        }
        if let (true, Some(s)) = (before.sparse != now.sparse, live.sparse.load_full()) {
            self.model.sparse = s;
        }
        if let (true, Some(g)) = (before.gaussians != now.gaussians, live.gaussians.load_full()) {
            self.model.cloud = Some(g);
        }
        if let (true, Some(m)) = (before.masks != now.masks, live.masks.load_full()) {
            self.model.masks = m;
            self.model.mask_stamp += 1;
        }
        if let (true, Some(i)) = (before.instances != now.instances, live.instances.load_full()) {
            self.model.set_running(&i);
            self.model.mask_stamp += 1;
        }
        if let (true, Some(t)) = (before.training != now.training, live.training.load_full()) {
            if self.model.training.is_none() {
                panels::bring_up(&mut self.layout.tree, Pane::Training);
            }
            self.model.training = Some(t);
        }
        if (Seen { training: 0, ..before }) != (Seen { training: 0, ..now }) {
            self.scene_changed();
        }
    }

    pub(super) fn poll_answers(&mut self, ctx: &Context) {
        while let Ok(answer) = self.answers.1.try_recv() {
            match answer {
                Answer::Chosen(path) => {
                    self.asking = false;
                    match path {
                        Some(path) => self.open(ctx, &path),
                        None => self.log.add(Level::Info, "nothing was chosen".into()),
                    }
                }
                Answer::ChosenVersus(path) => {
                    self.asking = false;
                    if let Some(path) = path {
                        self.panels.chosen_versus(path.display().to_string());
                    }
                }
                Answer::Indexed(index) => {
                    self.indexing = false;
                    self.model.pick_index = Some(index);
                }
                Answer::Rescaled(result) => self.rescaled(ctx, result),
                Answer::Near(id, near) => self.gathered(ctx, id, near),
                Answer::Masked(masked) => self.masked(masked),
                Answer::Carried(carried) => self.carried(ctx, carried),
                Answer::Fitted(masks, fits) if Arc::ptr_eq(&masks, &self.model.masks) => {
                    self.model.fits = Arc::new(fits);
                    self.model.arrange();
                }
                Answer::Fitted(..) => {}
            }
        }
    }
}

fn seen(live: &Live) -> Seen {
    Seen {
        capture: live.capture.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
        sparse: live.sparse.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
        training: live.training.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
        gaussians: live.gaussians.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
        masks: live.masks.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
        instances: live.instances.load().as_ref().map_or(0, |a| Arc::as_ptr(a) as usize),
    }
}
