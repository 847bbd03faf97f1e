//! Comparisons, and second opinions.

use super::shell::News;
use super::{Answer, Window};
use crate::app::command::VersusWish;
use crate::app::log::Level;
use crate::app::versus::{self, Against, Other, Versus};
use crate::review::{self, Review};
use crate::scene::folder::SceneFolder;
use eframe::egui::Context;
use std::path::{Path, PathBuf};

/// Name of the task.
const COMPARE: &str = "Compare";

/// A comparison whose other side was read.
pub(super) type Read = (PathBuf, Against, PathBuf, Result<Other, String>);

impl Window {
    pub(super) fn versus(&mut self, ctx: &Context, wish: VersusWish) {
        match wish {
            VersusWish::Browse { file } => self.browse_versus(ctx, file),
            VersusWish::Start { against, path } => self.read_versus(ctx, against, path),
            VersusWish::Match { least_iou, same_label } => {
                if let Some(mut versus) = self.model.versus.take() {
                    (versus.least_iou, versus.same_label) = (least_iou, same_label);
                    versus.refresh(self.model.items());
                    self.model.versus = Some(versus);
                }
            }
            VersusWish::Stop => self.model.versus = None,
        }
    }

    fn read_versus(&mut self, ctx: &Context, against: Against, path: PathBuf) {
        let Some(root) = self.model.root.clone() else { return };
        self.start(ctx, COMPARE, move |worker| {
            let other = versus::read(&root, against, &path, worker);
            News::Versus((root, against, path, other))
        });
    }

    /// Shows a comparison, unless another scene was opened meanwhile.
    pub(super) fn take_versus(&mut self, (root, against, path, other): Read) {
        if self.model.root.as_ref() != Some(&root) {
            return;
        }
        match other {
            Ok(other) => self.model.versus = Some(Versus::new(against, path, other, self.model.items())),
            Err(e) => self.tell(Level::Error, e),
        }
    }

    fn browse_versus(&mut self, ctx: &Context, file: bool) {
        if std::mem::replace(&mut self.asking, true) {
            return;
        }
        let (answer, ctx) = (self.answers.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            let dialog = rfd::FileDialog::new().set_title("Compare with");
            let chosen = match file {
                true => dialog.add_filter("Review logs", &["jsonl"]).pick_file(),
                false => dialog.pick_folder(),
            };
            let _ = answer.send(Answer::ChosenVersus(chosen));
            ctx.request_repaint();
        });
    }

    /// Goes on with a log of one's own that knows nothing of the first, or comes back to the first.
    pub(super) fn second_opinion(&mut self, second: bool) {
        let Some(root) = self.model.root.clone() else { return };
        let found = SceneFolder::open(&root).and_then(|f| f.read_instances());
        let instances = match found {
            Ok(all) => all.instances,
            Err(e) => return self.tell(Level::Error, e.to_string()),
        };
        let view = self.model.view.clone();
        // Gives its lock back first.
        self.model.review = None;
        self.model.versus = None;
        self.model.second = second;
        self.begin_review(&root, instances);
        self.model.view = view;
        self.model.forget_gone();
        // The other log may not have what was selected.
        self.model.mark(self.model.marked.clone());
        let text = match (&self.model.review, second) {
            (Some(review), true) => format!("second opinion: decisions go to {}", review.path().display()),
            _ => "back to the first review".to_owned(),
        };
        self.tell(Level::Info, text);
    }
}

/// The logs of a scene that are not the one that is open.
pub(super) fn other_logs(root: &Path, mine: Option<&Review>) -> Vec<PathBuf> {
    let first = Some(root.join("review.jsonl")).filter(|p| p.is_file());
    let all = first.into_iter().chain(review::second_opinions(root));
    all.filter(|p| mine.is_none_or(|r| r.path() != p)).collect()
}
