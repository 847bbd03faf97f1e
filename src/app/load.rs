//! Reads a finished scene on its own thread and hands it over piece by piece.

use crate::pipeline::Message;
use crate::scene::folder::{SceneFolder, SceneMeta};
use crate::scene::{FrameMasks, Gaussians, Instance, Sparse, Training};
use crossbeam_channel::{Receiver, Sender};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A piece of a scene.
pub(super) enum Piece {
    /// `scene.json`: always the first.
    Meta(Box<SceneMeta>),
    /// Cameras and points.
    Sparse(Arc<Sparse>),
    /// Masks, one entry per photo.
    Masks(Arc<Vec<FrameMasks>>),
    /// Instances.
    Instances(Vec<Instance>),
    /// How the splats were trained.
    Training(Arc<Training>),
    /// Splats.
    Gaussians(Arc<Gaussians>),
    /// Something is not there or is damaged; the rest is shown.
    Trouble(String),
    /// The folder cannot be shown at all.
    Failed(String),
    /// That was all.
    Done,
}

/// Starts to read the scene folder `root`. `wake` is called after each piece.
pub(super) fn start(root: PathBuf, wake: impl Fn() + Send + 'static) -> Receiver<Piece> {
    let (sender, receiver) = crossbeam_channel::bounded(16);
    std::thread::spawn(move || {
        let tell = |piece| {
            let heard = sender.send(piece).is_ok();
            wake();
            heard
        };
        let read = || read(&root, &tell);
        match std::panic::catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok(())) => tell(Piece::Done),
            Ok(Err(error)) => tell(Piece::Failed(error)),
            Err(_) => tell(Piece::Failed(format!("reading {} went wrong unexpectedly", root.display()))),
        };
    });
    receiver
}

/// Reads what is there, the small files first. `tell` says false when nobody listens any more.
fn read(root: &Path, tell: &dyn Fn(Piece) -> bool) -> Result<(), String> {
    let folder = SceneFolder::open(root).map_err(|e| e.to_string())?;
    let meta = folder.read_meta().map_err(|e| e.to_string())?;
    let names = meta.images.clone();
    if !tell(Piece::Meta(Box::new(meta))) {
        return Ok(());
    }
    if root.join("sparse/0").is_dir() {
        let sparse = folder.read_sparse(&names).map(|s| Piece::Sparse(Arc::new(s)));
        tell(sparse.unwrap_or_else(|e| Piece::Trouble(e.to_string())));
    }
    if root.join("instances.json").is_file() {
        let instances = folder.read_instances().map(|i| Piece::Instances(i.instances));
        tell(instances.unwrap_or_else(|e| Piece::Trouble(e.to_string())));
    }
    if root.join("masks").is_dir() {
        let masks = names.iter().map(|name| read_masks(&folder, name, tell)).collect();
        tell(Piece::Masks(Arc::new(masks)));
    }
    match folder.read_training() {
        Ok(training) => {
            training.map(|t| tell(Piece::Training(Arc::new(t))));
        }
        Err(e) => {
            tell(Piece::Trouble(e.to_string()));
        }
    }
    if folder.splat_path().is_file() {
        let splats = crate::splat::read_ply(&folder.splat_path()).map(|g| Piece::Gaussians(Arc::new(g)));
        tell(splats.unwrap_or_else(|e| Piece::Trouble(e.to_string())));
    }
    Ok(())
}

/// The masks of a photo; none where the file is missing or damaged.
fn read_masks(folder: &SceneFolder, name: &str, tell: &dyn Fn(Piece) -> bool) -> FrameMasks {
    let none = || FrameMasks { image: name.to_owned(), width: 0, height: 0, masks: Vec::new() };
    let stem = stem(name);
    if !folder.masks_path(stem).is_file() {
        return none();
    }
    folder.read_masks(stem).unwrap_or_else(|e| {
        tell(Piece::Trouble(e.to_string()));
        none()
    })
}

/// A file name without its extension.
pub(super) fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// A channel that is closed: where nothing is being read, or runs.
pub(super) fn closed() -> Receiver<Piece> {
    let (_, receiver): (Sender<Piece>, _) = crossbeam_channel::bounded(0);
    receiver
}

/// How far the stages of a run are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Progress {
    /// One per stage of [`crate::pipeline::Stage::ALL`].
    pub stages: [StageProgress; 7],
    /// What ended the run, if it ended badly.
    pub failed: Option<String>,
    /// Whether it is over.
    pub over: bool,
}

/// How far a stage is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum StageProgress {
    /// Not begun.
    #[default]
    Waiting,
    /// At work: done, total.
    Running(usize, usize),
    /// Done: seconds, and whether an earlier result was kept.
    Done(f64, bool),
    /// Ended with an error.
    Failed(String),
}

impl Progress {
    /// Takes a message in.
    pub(super) fn take(&mut self, message: &Message) {
        match message {
            Message::StageStarted(s) => self.stages[*s as usize] = StageProgress::Running(0, 0),
            Message::StageProgressed { stage, done, total } => {
                self.stages[*stage as usize] = StageProgress::Running(*done, *total);
            }
            Message::StageFinished { stage, seconds, reused } => {
                self.stages[*stage as usize] = StageProgress::Done(*seconds, *reused);
            }
            Message::StageFailed { stage, error } => {
                self.stages[*stage as usize] = StageProgress::Failed(error.clone());
                self.failed = Some(format!("{}: {error}", stage.name()));
                self.over = true;
            }
            Message::Noted(_) | Message::Warned(_) | Message::Updated => {}
            Message::Finished | Message::Cancelled => {
                self.over = true;
                for s in &mut self.stages {
                    if matches!(s, StageProgress::Running(..)) {
                        *s = StageProgress::Waiting;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Stage;

    #[test]
    fn a_folder_that_is_no_scene_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let pieces: Vec<Piece> = start(folder.path().to_path_buf(), || {}).iter().collect();
        assert!(matches!(pieces.as_slice(), [Piece::Failed(e)] if e.contains(&folder.path().display().to_string())));
    }

    #[test]
    fn progress_follows_the_messages() {
        let mut p = Progress::default();
        p.take(&Message::StageStarted(Stage::Frames));
        p.take(&Message::StageFinished { stage: Stage::Frames, seconds: 1.0, reused: true });
        p.take(&Message::StageStarted(Stage::Poses));
        p.take(&Message::StageProgressed { stage: Stage::Poses, done: 2, total: 5 });
        assert_eq!(p.stages[..2], [StageProgress::Done(1.0, true), StageProgress::Running(2, 5)]);
        let mut cancelled = p.clone();
        cancelled.take(&Message::Cancelled);
        assert!(cancelled.over && cancelled.failed.is_none() && cancelled.stages[1] == StageProgress::Waiting);
        p.take(&Message::StageFailed { stage: Stage::Poses, error: "no".into() });
        assert!(p.over && p.failed.as_deref() == Some("poses: no"));
    }
}
