//! The folder of scenes that is gone through, one after the other.

use super::Window;
use super::shell::{News, SCENES};
use crate::app::log::Level;
use crate::app::panels::{self, Pane};
use crate::review::worklist::{Tally, Worklist};
use eframe::egui::Context;
use std::path::Path;

impl Window {
    /// Opens a folder of scenes.
    pub(super) fn open_list(&mut self, ctx: &Context, list: Worklist) {
        self.remember(ctx, &list.folder);
        self.close_scene();
        self.end_run();
        self.layout.demo = false;
        panels::set_open(&mut self.layout.tree, Pane::Scenes, true);
        panels::bring_up(&mut self.layout.tree, Pane::Scenes);
        self.log.add(Level::Info, format!("{} has {} scenes", list.folder.display(), list.scenes.len()));
        let (to_read, news) = (list.clone(), self.shell.news.0.clone());
        self.shell.worklist = Some(list);
        self.start(ctx, SCENES, move |worker| {
            let tell = |k: usize, work| drop(news.send(News::Work(to_read.folder.clone(), k, work)));
            // Whoever cancels it has what was read so far.
            let _ = to_read.read(worker, &tell);
            News::WorkDone(to_read.folder.clone())
        });
    }

    /// Keeps in the list of scenes what has been done in the open one.
    pub(super) fn keep_tally(&mut self) {
        let (Some(root), Some(review)) = (&self.model.root, &self.model.review) else { return };
        let tally = Tally::of(review);
        if let Some(list) = &mut self.shell.worklist
            && let Some(scene) = list.position(root).and_then(|k| list.scenes.get_mut(k))
        {
            scene.work = Some(Ok(tally));
        }
    }

    pub(super) fn next_scene(&mut self, ctx: &Context) {
        self.keep_tally();
        let Some(list) = &self.shell.worklist else {
            self.tell(Level::Info, "open a folder that holds scenes to go from one to the next".into());
            return;
        };
        match list.next(self.model.root.as_deref()).map(|s| s.root.clone()) {
            Some(next) => self.open(ctx, &next),
            None if list.scenes.iter().any(|s| s.work.is_none()) => {
                self.tell(Level::Info, "the scenes are still being read".into());
            }
            None => {
                let text = format!("no other scene of {} has unreviewed instances", list.folder.display());
                self.tell(Level::Info, text);
            }
        }
    }

    pub(super) fn take_work(&mut self, ctx: &Context, folder: &Path, k: usize, work: Result<Tally, String>) {
        let Some(list) = self.shell.worklist.as_mut().filter(|l| l.folder == folder) else { return };
        let Some(scene) = list.scenes.get_mut(k) else { return };
        let root = scene.root.clone();
        let trouble = work.as_ref().err().cloned();
        let has_work = work.as_ref().is_ok_and(|t| t.unreviewed > 0);
        scene.work = Some(work);
        if let Some(text) = trouble {
            self.log.add(Level::Warning, text);
        }
        if has_work && self.model.root.is_none() && self.run.is_none() {
            self.open(ctx, &root);
        }
    }

    /// Where no scene of a list has work, the first that can be opened is.
    pub(super) fn open_any(&mut self, ctx: &Context, folder: &Path) {
        let Some(list) = self.shell.worklist.as_ref().filter(|l| l.folder == folder) else { return };
        let good = list.scenes.iter().find(|s| matches!(s.work, Some(Ok(_)))).map(|s| s.root.clone());
        if let (None, None, Some(root)) = (&self.model.root, &self.run, good) {
            self.open(ctx, &root);
        }
    }
}
