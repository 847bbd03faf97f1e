//! Decisions of a reviewer: log, undo, queue. No window, no GPU.
//!
//! State = `instances.json` + `review.jsonl` replayed. The pipeline's results are never changed, and the log only
//! grows: undo and redo are lines of it like any other.

pub mod best_views;
pub mod box_fit;
pub mod bulk;
pub mod categories;
pub mod compare;
mod counts;
mod decision;
pub mod edit;
mod error;
pub mod facets;
pub mod filter;
mod history;
mod log;
pub mod masks;
pub mod measures;
pub mod pace;
pub mod queue;
mod rescale;
#[cfg(test)]
mod tests;
pub mod vocabulary;
pub mod worklist;

use crate::scene::{Instance, OrientedBox};
pub use counts::Counts;
pub use decision::{Decision, DrawnMask, HalfSpace, MaskPart, Reason, Reviewed, Verdict};
pub use error::ReviewError;
pub use history::{Event, Lost};
pub use rescale::{RescaledLog, rescaled_logs};

use history::History;
use log::{Action, Change, Contents, Damage, Effect, Lock, Log, Record, Values};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The logs of second opinions on a scene, by name.
pub fn second_opinions(scene: &Path) -> Vec<PathBuf> {
    let is_one = |p: &PathBuf| {
        let name = p.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("review-") && name.ends_with(".jsonl")
    };
    let entries = std::fs::read_dir(scene).into_iter().flatten().filter_map(Result::ok).map(|e| e.path());
    let mut logs: Vec<PathBuf> = entries.filter(is_one).collect();
    logs.sort();
    logs
}

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
    history: History,
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
        Self::open_log(scene.join("review.jsonl"), instances, reviewer)
    }

    /// A second opinion: as [`Self::open`], of a log of its own that knows nothing of the first. It lies beside it, as
    /// `review-NAME.jsonl`.
    pub fn open_second(scene: &Path, instances: Vec<Instance>, reviewer: &str) -> Result<Self, ReviewError> {
        let name: String = reviewer.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        Self::open_log(scene.join(format!("review-{name}.jsonl")), instances, reviewer)
    }

    fn open_log(path: PathBuf, instances: Vec<Instance>, reviewer: &str) -> Result<Self, ReviewError> {
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
        Self::read_log(&scene.join("review.jsonl"), instances)
    }

    /// As [`Self::read`], of any log: that of another reviewer over the same scene.
    pub fn read_log(log: &Path, instances: Vec<Instance>) -> Result<Self, ReviewError> {
        let contents = Contents::read(log)?;
        Ok(Self::replay(log.to_path_buf(), instances, "", &contents))
    }

    /// Applies a log to what the pipeline found.
    fn replay(path: PathBuf, instances: Vec<Instance>, reviewer: &str, contents: &Contents) -> Self {
        let found: BTreeMap<u32, Instance> = instances.into_iter().map(|i| (i.id, i)).collect();
        let history = History::new(&contents.records, &found);
        let mut review = Self {
            path,
            reviewer: reviewer.to_owned(),
            access: Access::Looking,
            notices: Vec::new(),
            items: BTreeMap::new(),
            found,
            history,
        };
        let mut ids: Vec<u32> = review.found.keys().copied().chain(review.history.added()).collect();
        ids.sort_unstable();
        review.items = review.fold(&ids);
        let name = review.path.display();
        let moved = review.history.moved;
        if moved > 0 {
            let (are, they) = if moved == 1 { ("decision was", "it") } else { ("decisions were", "they") };
            review.notices.push(format!(
                "{moved} {are} taken over from instances of an earlier run, by overlap of the boxes: {they} count for \
                 the instances that are in the same place now."
            ));
        }
        let gone = review.history.lost.len();
        if gone > 0 {
            let (are, they) = if gone == 1 { ("decision is", "it is") } else { ("decisions are", "they are") };
            review.notices.push(format!(
                "{gone} {are} about instances that instances.json does not have any more: {they} kept in {name}, not \
                 applied."
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

    /// Instances (ascending ids) with their active decisions applied in order; those that are not in the scene are left
    /// out.
    fn fold(&self, ids: &[u32]) -> BTreeMap<u32, Reviewed> {
        let (all, events) = self.history.all_about(ids);
        let start = |id: &u32| Some((*id, Reviewed::new(self.found.get(id)?.clone())));
        let mut items: BTreeMap<u32, Reviewed> = all.iter().filter_map(start).collect();
        for event in events.into_iter().filter(|e| e.active) {
            let others: BTreeMap<u32, Reviewed> =
                history::taken_in(event).filter_map(|id| Some((id, items.get(&id)?.clone()))).collect();
            for (id, decision) in event.changes.iter().filter(|c| all.contains(&c.0)) {
                if let Some(item) = applied(*id, items.remove(id), decision, &|other| others.get(&other).cloned()) {
                    items.insert(*id, item);
                }
            }
        }
        items.retain(|id, _| ids.binary_search(id).is_ok());
        items
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

    /// As the pipeline left it; `None` for what a reviewer added.
    pub fn found(&self, id: u32) -> Option<&Instance> {
        self.found.get(&id)
    }

    /// Everything that was decided, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.history.events.iter()
    }

    /// What was decided about an instance, oldest first.
    pub fn history(&self, id: u32) -> Vec<&Event> {
        self.history.about(id)
    }

    /// What was decided about instances that are not there any more.
    pub fn lost(&self) -> &[Lost] {
        &self.history.lost
    }

    /// Who decides.
    pub fn reviewer(&self) -> &str {
        &self.reviewer
    }

    /// From now on somebody else decides.
    pub fn set_reviewer(&mut self, name: &str) {
        name.clone_into(&mut self.reviewer);
    }

    /// The log.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The least id that an instance can be added under: no other ever had it or a larger one.
    pub fn free_id(&self) -> u32 {
        self.history.free_id()
    }

    /// Decides. Drops the redo tail.
    pub fn decide(&mut self, id: u32, decision: Decision) -> Result<(), ReviewError> {
        self.decide_all(vec![(id, decision)])
    }

    /// Decides several things at once: one line of the log, one step of undo, all of it or nothing. [`Decision::TakeIn`]
    /// takes the others as they are before all of it. Nothing to decide is nothing done.
    pub fn decide_all(&mut self, decisions: Vec<(u32, Decision)>) -> Result<(), ReviewError> {
        let mut new: BTreeMap<u32, Option<Reviewed>> = BTreeMap::new();
        let mut changes = Vec::with_capacity(decisions.len());
        for (id, decision) in &decisions {
            let item = new.remove(id).unwrap_or_else(|| self.items.get(id).cloned());
            match (decision, &item) {
                (Decision::Add { .. }, _) if *id < self.free_id() || item.is_some() => {
                    return Err(ReviewError::Taken(*id));
                }
                (Decision::Add { instance, .. }, None) if !is_finite(&instance.obb) => {
                    return Err(ReviewError::NotFinite(*id));
                }
                (Decision::Rebox { to }, Some(_)) if !is_finite(to) => return Err(ReviewError::NotFinite(*id)),
                (Decision::Add { .. }, None) | (_, Some(_)) => {}
                (_, None) => return Err(ReviewError::NoSuchInstance(*id)),
            }
            let (label, before) = (self.judged_label(*id, decision), Values::touched(decision, item.as_ref()));
            let item = applied(*id, item, decision, &|other| self.items.get(&other).cloned());
            let effect = Effect { id: *id, before, after: Values::touched(decision, item.as_ref()) };
            changes.push(Change { effect, decision: decision.clone(), label, obb: self.judged_box(*id, decision) });
            new.insert(*id, item);
        }
        let action = match changes.len() {
            0 => return Ok(()),
            1 => Action::Decide(Box::new(changes.remove(0))),
            _ => Action::DecideAll { changes },
        };
        self.commit(action, decisions, new)
    }

    /// The box that tells what is judged: as it was found or added.
    fn judged_box(&self, id: u32, decision: &Decision) -> Option<OrientedBox> {
        let found = || self.found.get(&id).map(|i| i.obb).or_else(|| self.history.added_box(id));
        match decision {
            Decision::Add { instance, .. } => Some(instance.obb),
            _ => found().filter(is_finite),
        }
    }

    fn judged_label(&self, id: u32, decision: &Decision) -> String {
        match decision {
            Decision::Add { instance, .. } => instance.label.clone(),
            _ => self.items.get(&id).map(|i| i.instance.label.clone()).unwrap_or_default(),
        }
    }

    /// Takes the last decision back, across restarts too; the ids it was about, or `None` when there is nothing to undo.
    pub fn undo(&mut self) -> Result<Option<Vec<u32>>, ReviewError> {
        let last = self.history.undoable().cloned();
        self.turn(last, false)
    }

    /// Does the last undone decision again.
    pub fn redo(&mut self) -> Result<Option<Vec<u32>>, ReviewError> {
        let last = self.history.redoable().cloned();
        self.turn(last, true)
    }

    /// Takes a decision back, or does it again.
    fn turn(&mut self, event: Option<Event>, active: bool) -> Result<Option<Vec<u32>>, ReviewError> {
        let Some(Event { seq: of, changes, .. }) = event else { return Ok(None) };
        let mut ids: Vec<u32> = changes.iter().map(|c| c.0).collect();
        ids.sort_unstable();
        ids.dedup();
        self.history.set_active(of, active);
        let mut there = self.fold(&ids);
        self.history.set_active(of, !active);
        let new: BTreeMap<u32, Option<Reviewed>> = ids.iter().map(|id| (*id, there.remove(id))).collect();
        let effect = |(id, decision): &(u32, Decision)| Effect {
            id: *id,
            before: Values::touched(decision, self.items.get(id)),
            after: Values::touched(decision, new.get(id).and_then(Option::as_ref)),
        };
        let effects = changes.iter().map(effect).collect();
        let action = match active {
            true => Action::Redo { of, changes: effects },
            false => Action::Undo { of, changes: effects },
        };
        self.commit(action, Vec::new(), new)?;
        Ok(Some(ids))
    }

    /// Writes a line and, once it is safe on disk, makes `new` the state of its instances.
    fn commit(
        &mut self,
        action: Action,
        decisions: Vec<(u32, Decision)>,
        new: BTreeMap<u32, Option<Reviewed>>,
    ) -> Result<(), ReviewError> {
        let log = match &mut self.access {
            Access::Writer(log) => log,
            refused => return Err(refused.error(&self.path)),
        };
        let record = Record {
            seq: log.next_seq(),
            time: now(),
            reviewer: self.reviewer.clone(),
            program: concat!("holoscope ", env!("CARGO_PKG_VERSION")).to_owned(),
            action,
        };
        log.append(&record)?;
        self.history.take_in(&record, decisions);
        for (id, item) in new {
            match item {
                Some(item) => self.items.insert(id, item),
                None => self.items.remove(&id),
            };
        }
        Ok(())
    }

    /// Whether there is something to undo, and to redo.
    pub fn can_undo_redo(&self) -> (bool, bool) {
        (self.history.undoable().is_some(), self.history.redoable().is_some())
    }

    /// Number of instances of each verdict.
    pub fn counts(&self) -> Counts {
        Counts::of(self.items.values())
    }
}

/// An instance after a decision.
fn applied(
    id: u32,
    item: Option<Reviewed>,
    decision: &Decision,
    before: &dyn Fn(u32) -> Option<Reviewed>,
) -> Option<Reviewed> {
    match (decision, item) {
        (Decision::Add { instance, masks }, _) => Some(Reviewed::added(id, instance, masks)),
        (Decision::Delete, _) | (_, None) => None,
        (decision, Some(mut item)) => {
            item.apply(decision, before);
            Some(item)
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

fn is_finite(b: &OrientedBox) -> bool {
    let numbers = b.center.coords.iter().chain(b.size.iter()).chain(b.rotation.coords.iter());
    numbers.copied().all(f64::is_finite)
}

/// RFC 3339, UTC, milliseconds.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Millisecond).unwrap_or(now).to_string()
}
