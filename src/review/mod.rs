//! Decisions of a reviewer: log, undo, queue. No window, no GPU.
//!
//! State = `instances.json` + `review.jsonl` replayed. The pipeline's results are never changed.

use crate::scene::Instance;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a reviewer thinks of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nobody has said anything.
    #[default]
    Unreviewed,
    /// Good.
    Accepted,
    /// Not good.
    Rejected,
}

/// One decision about one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "lowercase")]
pub enum Decision {
    /// Accept it.
    Accept,
    /// Reject it.
    Reject,
    /// Give it another caption.
    Recaption {
        /// The new caption.
        text: String,
    },
    /// Give it another label.
    Relabel {
        /// The new label.
        text: String,
    },
}

/// An instance as reviewed: the pipeline's, with the decisions applied to `label` and `caption`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reviewed {
    /// The instance, label and caption as decided.
    pub instance: Instance,
    /// Accepted, rejected, or neither.
    pub verdict: Verdict,
}

/// What can go wrong with a review.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The log cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// "read", "write", "lock".
        action: &'static str,
        /// The log.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line that is not the last one is damaged.
    #[error("{path}, line {line}: {reason}")]
    Malformed {
        /// The log.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Another window has the scene open.
    #[error("{path} is open in another window: this one can look, not decide")]
    ReadOnly {
        /// The log.
        path: PathBuf,
    },
    /// No such instance.
    #[error("there is no instance {0}")]
    NoSuchInstance(u32),
}

/// A scene under review. Each decision is appended to `review.jsonl` and synced before the call returns.
#[derive(Debug)]
pub struct Review {
    items: BTreeMap<u32, Reviewed>,
}

// Helper "review" fills these in; the signatures are relied on by `app` and `export`.
#[allow(unused_variables, clippy::todo)]
impl Review {
    /// Opens (or begins) the review of a scene folder: replays the log over `instances`, cuts off a torn last line.
    /// Takes the lock; where another process holds it the review is read-only. Notices for the user are in
    /// [`Self::notices`].
    pub fn open(scene: &Path, instances: Vec<Instance>, reviewer: &str) -> Result<Self, ReviewError> { todo!() }
    /// The reviewed state without taking the lock or writing anything: for export and other readers.
    pub fn read(scene: &Path, instances: Vec<Instance>) -> Result<Self, ReviewError> { todo!() }
    /// What the user should be told: a torn line that was cut off, decisions about instances that are gone, read-only.
    pub fn notices(&self) -> &[String] { todo!() }
    /// Whether decisions are refused.
    pub fn is_read_only(&self) -> bool { todo!() }
    /// Instances as reviewed, by id.
    pub fn items(&self) -> &BTreeMap<u32, Reviewed> { &self.items }
    /// Decides. Drops the redo tail.
    pub fn decide(&mut self, id: u32, decision: Decision) -> Result<(), ReviewError> { todo!() }
    /// Takes the last decision back, across restarts too; the id it was about, or `None` when there is nothing to undo.
    pub fn undo(&mut self) -> Result<Option<u32>, ReviewError> { todo!() }
    /// Does the last undone decision again.
    pub fn redo(&mut self) -> Result<Option<u32>, ReviewError> { todo!() }
    /// Whether there is something to undo, and to redo.
    pub fn can_undo_redo(&self) -> (bool, bool) { todo!() }
    /// Number of instances accepted, rejected, unreviewed.
    pub fn counts(&self) -> [usize; 3] { todo!() }
}
