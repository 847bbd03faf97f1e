//! Decisions of a reviewer: log, undo, queue. No window, no GPU.
//!
//! State = `instances.json` + `review.jsonl` replayed. The pipeline's results are never changed, and the log only
//! grows: undo and redo are lines of it like any other.

pub mod edit;
mod log;
pub mod queue;
mod rescale;
#[cfg(test)]
mod tests;

use crate::scene::{Instance, OrientedBox};
pub use rescale::{RescaledLog, rescaled_log};

use log::{Action, Contents, Damage, Lock, Log, Record, Values};
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
    /// Another window has the scene open, or this is a reader's view of it.
    #[error("{path} is open for looking only here, so nothing can be decided: another window has it open")]
    ReadOnly {
        /// The log.
        path: PathBuf,
    },
    /// No such instance.
    #[error("there is no instance {0}")]
    NoSuchInstance(u32),
}

/// Two boxes of the same id that overlap by less (IoU) are two things: the pipeline ran again and counted anew.
const SAME_THING: f64 = 0.25;

/// A scene under review. Each decision is appended to `review.jsonl` and synced before the call returns.
#[derive(Debug)]
pub struct Review {
    path: PathBuf,
    reviewer: String,
    access: Access,
    notices: Vec<String>,
    /// As the pipeline left them.
    found: BTreeMap<u32, Instance>,
    items: BTreeMap<u32, Reviewed>,
    /// Every decision, in the order of the log.
    history: Vec<Step>,
    /// Sequence numbers of decisions that can be done again, the next one last.
    undone: Vec<u64>,
}

/// A decision of the log.
#[derive(Debug)]
struct Step {
    seq: u64,
    id: u32,
    decision: Decision,
    /// Not taken back.
    active: bool,
    /// About an instance that is there.
    applies: bool,
}

/// Whether decisions can be written, and if not, why.
#[derive(Debug)]
enum Access {
    Writer(Log),
    /// Another window writes, or this is a reader.
    Looking,
    Damaged(Damage),
    Unwritable(std::io::Error),
}

impl Review {
    /// Opens (or begins) the review of a scene folder: replays the log over `instances`, cuts off a torn last line.
    /// Takes the lock; where another process holds it the review is read-only, as it is where the log is damaged or
    /// cannot be written. Notices for the user are in [`Self::notices`].
    pub fn open(scene: &Path, instances: Vec<Instance>, reviewer: &str) -> Result<Self, ReviewError> {
        let path = scene.join("review.jsonl");
        let lock = Lock::take(&path);
        // After the lock: what is read now, nobody else changes.
        let contents = Contents::read(&path)?;
        let mut review = Self::replay(path, instances, reviewer, &contents);
        let name = review.path.display();
        let mut notices = Vec::new();
        review.access = match lock {
            Ok(Lock::Taken) => {
                notices.push(format!("{name} is open in another window: this one can look, not decide."));
                Access::Looking
            }
            Err(e) => {
                notices.push(format!("{name} cannot be locked for writing ({e}): you can look, not decide."));
                Access::Unwritable(e)
            }
            Ok(lock) => match contents.damage.clone() {
                Some(damage) => Access::Damaged(damage),
                None => {
                    if matches!(lock, Lock::Unknown) {
                        notices.push(format!("{name} is where files cannot be locked: open it in one window only."));
                    }
                    match Log::open(&review.path, &contents, lock) {
                        Ok(log) => Access::Writer(log),
                        Err(e) => {
                            notices.push(format!("{name} cannot be written ({e}): you can look, not decide."));
                            Access::Unwritable(e)
                        }
                    }
                }
            },
        };
        if contents.torn > 0 {
            let fate = if review.is_read_only() { "is left out" } else { "was cut off" };
            notices.push(format!("The last line of {name} is half-written (a crash while saving) and {fate}."));
        }
        review.notices.extend(notices);
        Ok(review)
    }

    /// The reviewed state without taking the lock or writing anything: for export and other readers.
    pub fn read(scene: &Path, instances: Vec<Instance>) -> Result<Self, ReviewError> {
        let path = scene.join("review.jsonl");
        let contents = Contents::read(&path)?;
        Ok(Self::replay(path, instances, "", &contents))
    }

    /// Applies a log to what the pipeline found.
    fn replay(path: PathBuf, instances: Vec<Instance>, reviewer: &str, contents: &Contents) -> Self {
        let found: BTreeMap<u32, Instance> = instances.into_iter().map(|i| (i.id, i)).collect();
        let mut review = Self {
            path,
            reviewer: reviewer.to_owned(),
            access: Access::Looking,
            notices: Vec::new(),
            items: BTreeMap::new(),
            found,
            history: Vec::new(),
            undone: Vec::new(),
        };
        for (record, scale) in contents.records.iter().zip(rescale::scales(&contents.records)) {
            review.take_in(record, scale);
        }
        review.items = review.found.keys().filter_map(|id| Some((*id, review.fold(*id)?))).collect();
        let gone = review.history.iter().filter(|s| s.active && !s.applies).count();
        if gone > 0 {
            let (are, they) = if gone == 1 { ("decision is", "it is") } else { ("decisions are", "they are") };
            review.notices.push(format!(
                "{gone} {are} about instances that instances.json does not have any more: {they} kept in {}, not applied.",
                review.path.display()
            ));
        }
        if let Some(Damage { line, reason }) = &contents.damage {
            review.notices.push(format!(
                "{}, line {line}: {reason}. The file is left as it is and the other lines are applied; nothing can be \
                 decided until the line is mended or removed.",
                review.path.display()
            ));
        }
        review
    }

    /// Adds a line of the log to the history. The items are not touched. `scale` is how much larger the world has
    /// become since the line was written.
    fn take_in(&mut self, record: &Record, scale: f64) {
        match &record.action {
            Action::Decide { decision } => {
                self.undone.clear();
                let applies = self
                    .found
                    .get(&record.id)
                    .is_some_and(|i| is_same(&i.obb, rescale::judged(record, scale).as_ref()));
                let (seq, id, decision) = (record.seq, record.id, decision.clone());
                self.history.push(Step { seq, id, decision, active: true, applies });
            }
            Action::Undo { of } => {
                self.set_active(*of, false);
                self.undone.push(*of);
            }
            Action::Redo { of } => {
                self.set_active(*of, true);
                self.undone.retain(|seq| seq != of);
            }
            Action::Rescale { .. } => {}
        }
    }

    fn set_active(&mut self, seq: u64, active: bool) {
        if let Ok(i) = self.history.binary_search_by_key(&seq, |s| s.seq) {
            self.history[i].active = active;
        }
    }

    /// An instance with its active decisions applied in order.
    fn fold(&self, id: u32) -> Option<Reviewed> {
        let mut item = Reviewed { instance: self.found.get(&id)?.clone(), verdict: Verdict::default() };
        for step in self.history.iter().filter(|s| s.id == id && s.active && s.applies) {
            item.apply(&step.decision);
        }
        Some(item)
    }

    /// What the user should be told: a torn line that was cut off, decisions about instances that are gone, read-only.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Whether decisions are refused.
    pub fn is_read_only(&self) -> bool {
        !matches!(self.access, Access::Writer(_))
    }

    /// Instances as reviewed, by id.
    pub fn items(&self) -> &BTreeMap<u32, Reviewed> {
        &self.items
    }

    /// Decides. Drops the redo tail.
    pub fn decide(&mut self, id: u32, decision: Decision) -> Result<(), ReviewError> {
        let mut item = self.items.get(&id).ok_or(ReviewError::NoSuchInstance(id))?.clone();
        item.apply(&decision);
        self.commit(Action::Decide { decision: decision.clone() }, &decision, item)
    }

    /// Takes the last decision back, across restarts too; the id it was about, or `None` when there is nothing to undo.
    pub fn undo(&mut self) -> Result<Option<u32>, ReviewError> {
        let last = self.undoable().map(|s| (s.seq, s.id, s.decision.clone()));
        self.turn(last, false)
    }

    /// Does the last undone decision again.
    pub fn redo(&mut self) -> Result<Option<u32>, ReviewError> {
        let last = self.redoable().map(|s| (s.seq, s.id, s.decision.clone()));
        self.turn(last, true)
    }

    /// Takes a decision back, or does it again.
    fn turn(&mut self, step: Option<(u64, u32, Decision)>, active: bool) -> Result<Option<u32>, ReviewError> {
        let Some((of, id, decision)) = step else { return Ok(None) };
        self.set_active(of, active);
        let item = self.fold(id).ok_or(ReviewError::NoSuchInstance(id));
        self.set_active(of, !active);
        let action = if active { Action::Redo { of } } else { Action::Undo { of } };
        self.commit(action, &decision, item?)?;
        Ok(Some(id))
    }

    /// Writes a line and, once it is safe on disk, makes `item` the state of its instance.
    fn commit(&mut self, action: Action, decision: &Decision, item: Reviewed) -> Result<(), ReviewError> {
        let id = item.instance.id;
        let before = self.items.get(&id).ok_or(ReviewError::NoSuchInstance(id))?.touched_by(decision);
        let log = match &mut self.access {
            Access::Writer(log) => log,
            refused => return Err(refused.error(&self.path)),
        };
        let record = Record {
            seq: log.next_seq(),
            time: now(),
            reviewer: self.reviewer.clone(),
            program: concat!("holoscope ", env!("CARGO_PKG_VERSION")).to_owned(),
            id,
            action,
            before,
            after: item.touched_by(decision),
            obb: Some(item.instance.obb).filter(is_finite),
        };
        log.append(&record)?;
        self.take_in(&record, 1.0);
        self.items.insert(id, item);
        Ok(())
    }

    fn undoable(&self) -> Option<&Step> {
        self.history.iter().rev().find(|s| s.active && s.applies)
    }

    fn redoable(&self) -> Option<&Step> {
        let step = |seq: &u64| self.history.binary_search_by_key(seq, |s| s.seq).ok().map(|i| &self.history[i]);
        self.undone.iter().rev().filter_map(step).find(|s| s.applies)
    }

    /// Whether there is something to undo, and to redo.
    pub fn can_undo_redo(&self) -> (bool, bool) {
        (self.undoable().is_some(), self.redoable().is_some())
    }

    /// Number of instances accepted, rejected, unreviewed.
    pub fn counts(&self) -> [usize; 3] {
        [Verdict::Accepted, Verdict::Rejected, Verdict::Unreviewed]
            .map(|v| self.items.values().filter(|r| r.verdict == v).count())
    }
}

impl Reviewed {
    fn apply(&mut self, decision: &Decision) {
        match decision {
            Decision::Accept => self.verdict = Verdict::Accepted,
            Decision::Reject => self.verdict = Verdict::Rejected,
            Decision::Recaption { text } => self.instance.caption.clone_from(text),
            Decision::Relabel { text } => self.instance.label.clone_from(text),
        }
    }

    /// The field that a decision changes.
    fn touched_by(&self, decision: &Decision) -> Values {
        match decision {
            Decision::Accept | Decision::Reject => Values { verdict: Some(self.verdict), ..Values::default() },
            Decision::Recaption { .. } => Values { caption: Some(self.instance.caption.clone()), ..Values::default() },
            Decision::Relabel { .. } => Values { label: Some(self.instance.label.clone()), ..Values::default() },
        }
    }
}

impl Access {
    /// What a decision is answered with.
    fn error(&self, path: &Path) -> ReviewError {
        let path = path.to_path_buf();
        match self {
            Self::Writer(_) | Self::Looking => ReviewError::ReadOnly { path },
            Self::Damaged(Damage { line, reason }) => {
                ReviewError::Malformed { path, line: *line, reason: reason.clone() }
            }
            Self::Unwritable(e) => {
                let source = std::io::Error::new(e.kind(), e.to_string());
                ReviewError::Io { action: "write", path, source }
            }
        }
    }
}

/// Whether the box that was judged is still the box of that id.
fn is_same(now: &OrientedBox, judged: Option<&OrientedBox>) -> bool {
    judged.is_none_or(|judged| judged == now || judged.iou(now) >= SAME_THING)
}

fn is_finite(b: &OrientedBox) -> bool {
    let numbers = b.center.coords.iter().chain(b.size.iter()).chain(b.rotation.coords.iter());
    numbers.copied().all(f64::is_finite)
}

/// RFC 3339, UTC, milliseconds.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Millisecond).unwrap_or(now).to_string()
}
