//! The log as events about the instances that are there now: what was decided about the results of an earlier run is
//! brought over to the new instances by overlap.

use super::compare::SAME_THING;
use super::log::{Action, Change, Record};
use super::{Decision, rescale};
use crate::scene::{Instance, OrientedBox};
use std::collections::{BTreeMap, BTreeSet};

/// A decision of the log, or several that are one.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Number of its line.
    pub seq: u64,
    /// When.
    pub time: jiff::Timestamp,
    /// Who.
    pub reviewer: String,
    /// With which program and version.
    pub program: String,
    /// What was decided about which of the instances that are there.
    pub changes: Vec<(u32, Decision)>,
    /// Not taken back.
    pub active: bool,
}

/// A decision about something that later results do not have.
#[derive(Clone, Debug, PartialEq)]
pub struct Lost {
    /// Number of its line.
    pub seq: u64,
    /// The id that it had.
    pub id: u32,
    /// The label that it had; empty where the log does not say.
    pub label: String,
    /// Its box, in the world as it is now.
    pub obb: Option<OrientedBox>,
    /// What was decided.
    pub decision: Decision,
}

/// What a log comes to over the instances of the last run.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) events: Vec<Event>,
    pub(super) lost: Vec<Lost>,
    /// Sequence numbers of decisions that can be done again, the next one last.
    undone: Vec<u64>,
    /// For each instance the indices of the events about it, ascending.
    about: BTreeMap<u32, Vec<usize>>,
    /// Instances that reviewers added, with their first boxes.
    added: BTreeMap<u32, Option<OrientedBox>>,
    /// The largest id that was ever used.
    last_id: u32,
    /// Decisions that went over to an instance of another id.
    pub(super) moved: usize,
}

/// Brings ids of a log over to the instances that are there.
struct Mapping<'a> {
    found: &'a BTreeMap<u32, Instance>,
    /// Ids that additions have in the log, to what they have here.
    added: BTreeMap<u32, (u32, Option<OrientedBox>)>,
    /// Ids in the log to where they went last.
    last: BTreeMap<u32, u32>,
}

impl History {
    /// Reads the lines of a log over the instances that were found.
    pub(super) fn new(records: &[Record], found: &BTreeMap<u32, Instance>) -> Self {
        let logged = records.iter().flat_map(changes).map(|c| c.effect.id);
        let last_id = logged.chain(found.keys().copied()).max().unwrap_or(0);
        let mut history = Self { last_id, ..Self::default() };
        let mut mapping = Mapping { found, added: BTreeMap::new(), last: BTreeMap::new() };
        for (record, scale) in records.iter().zip(rescale::scales(records)) {
            let mut here = Vec::new();
            for change in changes(record) {
                let decision = change.decision.rescaled(scale);
                let judged = change.obb.map(|b| rescale::scaled(&b, scale));
                let id = match &decision {
                    Decision::Add { .. } => Some(mapping.place(change.effect.id, judged)),
                    _ => mapping.find(change.effect.id, judged.as_ref()),
                };
                match id {
                    Some(id) => {
                        history.moved += usize::from(id != change.effect.id);
                        mapping.last.insert(change.effect.id, id);
                        here.push((id, decision));
                    }
                    None => history.lost.push(Lost {
                        seq: record.seq,
                        id: change.effect.id,
                        label: change.label.clone(),
                        obb: judged,
                        decision,
                    }),
                }
            }
            for (_, decision) in &mut here {
                if let Decision::TakeIn { ids } = decision {
                    ids.iter_mut().for_each(|id| *id = mapping.last.get(id).copied().unwrap_or(*id));
                }
            }
            history.take_in(record, here);
        }
        let undone: Vec<u64> = history.events.iter().filter(|e| !e.active).map(|e| e.seq).collect();
        history.lost.retain(|l| !undone.contains(&l.seq));
        history
    }

    /// Adds a line whose changes are about the instances that are there.
    pub(super) fn take_in(&mut self, record: &Record, changes: Vec<(u32, Decision)>) {
        match &record.action {
            Action::Decide(_) | Action::DecideAll { .. } => {
                self.undone.clear();
                for (id, decision) in &changes {
                    let about = self.about.entry(*id).or_default();
                    if about.last() != Some(&self.events.len()) {
                        about.push(self.events.len());
                    }
                    if let Decision::Add { instance, .. } = decision {
                        self.added.insert(*id, Some(instance.obb));
                        self.last_id = self.last_id.max(*id);
                    }
                }
                self.events.push(Event {
                    seq: record.seq,
                    time: record.time.parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH),
                    reviewer: record.reviewer.clone(),
                    program: record.program.clone(),
                    changes,
                    active: true,
                });
            }
            Action::Undo { of, .. } => {
                self.set_active(*of, false);
                self.undone.push(*of);
            }
            Action::Redo { of, .. } => {
                self.set_active(*of, true);
                self.undone.retain(|seq| seq != of);
            }
            Action::Rescale { .. } => {}
        }
    }

    fn index(&self, seq: u64) -> Option<usize> {
        self.events.binary_search_by_key(&seq, |e| e.seq).ok()
    }

    pub(super) fn set_active(&mut self, seq: u64, active: bool) {
        if let Some(i) = self.index(seq) {
            self.events[i].active = active;
        }
    }

    /// An id that neither this log nor the pipeline has ever used.
    pub(super) fn free_id(&self) -> u32 {
        self.last_id.saturating_add(1)
    }

    /// Ids of the instances that were added, taken back or not.
    pub(super) fn added(&self) -> impl Iterator<Item = u32> {
        self.added.keys().copied()
    }

    /// The box with which an instance was added.
    pub(super) fn added_box(&self, id: u32) -> Option<OrientedBox> {
        self.added.get(&id).copied().flatten()
    }

    /// The events about an instance, oldest first.
    pub(super) fn about(&self, id: u32) -> Vec<&Event> {
        self.about.get(&id).into_iter().flatten().map(|k| &self.events[*k]).collect()
    }

    /// These instances with all that they ever took in, and the events about any of them, oldest first.
    pub(super) fn all_about(&self, ids: &[u32]) -> (BTreeSet<u32>, Vec<&Event>) {
        let mut all: BTreeSet<u32> = ids.iter().copied().collect();
        let mut events = BTreeSet::new();
        let mut open: Vec<u32> = ids.to_vec();
        while let Some(id) = open.pop() {
            for k in self.about.get(&id).into_iter().flatten() {
                if events.insert(*k) {
                    open.extend(taken_in(&self.events[*k]).filter(|id| all.insert(*id)));
                }
            }
        }
        (all, events.into_iter().map(|k| &self.events[k]).collect())
    }

    /// The last decision that stands.
    pub(super) fn undoable(&self) -> Option<&Event> {
        self.events.iter().rev().find(|e| e.active && !e.changes.is_empty())
    }

    /// The decision that was taken back last.
    pub(super) fn redoable(&self) -> Option<&Event> {
        let event = |seq: &u64| self.index(*seq).map(|i| &self.events[i]);
        self.undone.iter().rev().filter_map(event).find(|e| !e.changes.is_empty())
    }
}

/// An added instance whose id a later run gave to another thing gets one that is so much larger, each time the same.
const OUT_OF_THE_WAY: u32 = 1_000_000;

impl Mapping<'_> {
    /// The id of an added instance.
    fn place(&mut self, logged: u32, judged: Option<OrientedBox>) -> u32 {
        let taken = self.found.contains_key(&logged);
        let id = if taken { logged.saturating_add(OUT_OF_THE_WAY) } else { logged };
        self.added.insert(logged, (id, judged));
        self.added.insert(id, (id, judged));
        id
    }

    /// The instance that a line is about: the one of the same id if it is still the same thing, else the one that
    /// overlaps most.
    fn find(&self, logged: u32, judged: Option<&OrientedBox>) -> Option<u32> {
        if let Some((id, at)) = self.added.get(&logged)
            && (judged.is_none() || at.is_none() || at.as_ref() == judged)
        {
            return Some(*id);
        }
        let same = self.found.get(&logged).map(|i| &i.obb);
        match (same, judged) {
            (Some(_), None) => return Some(logged),
            (Some(now), Some(judged)) if now == judged || now.iou(judged) >= SAME_THING => return Some(logged),
            _ => {}
        }
        let judged = judged?;
        let overlaps = self.found.values().map(|i| (i.id, i.obb.iou(judged))).filter(|(_, iou)| *iou >= SAME_THING);
        overlaps.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(id, _)| id)
    }
}

/// The instances whose masks an event moves to others.
pub(super) fn taken_in(event: &Event) -> impl Iterator<Item = u32> {
    let ids = |d: &(u32, Decision)| match &d.1 {
        Decision::TakeIn { ids } => ids.clone(),
        _ => Vec::new(),
    };
    event.changes.iter().flat_map(ids)
}

/// The decisions of a line.
fn changes(record: &Record) -> &[Change] {
    match &record.action {
        Action::Decide(change) => std::slice::from_ref(&**change),
        Action::DecideAll { changes } => changes,
        Action::Undo { .. } | Action::Redo { .. } | Action::Rescale { .. } => &[],
    }
}
