//! What there is to see of a comparison: numbers, a table, boxes of the other side, and a colour for each instance.

use super::{Cell, Findings, Ghost, Row, Tone};
use crate::eval::{Found, Matching, Outcome, TrueObjects};
use crate::review::compare::{Agreement, Changes, Conflict, Difference};
use crate::review::{Decision, Lost, Reviewed, Verdict};
use crate::scene::{Instance, InstanceState, OrientedBox};
use std::collections::{BTreeMap, BTreeSet};

/// Counts by class: what is right, wrong and missed. Rejected and dropped instances claim nothing.
pub(super) fn with_truth(
    items: &BTreeMap<u32, Reviewed>,
    truth: &TrueObjects,
    least: f64,
    same_label: bool,
) -> Findings {
    let claims = |r: &&Reviewed| match r.verdict {
        Verdict::Accepted => true,
        Verdict::Rejected => false,
        Verdict::Unreviewed | Verdict::Unsure => r.instance.state != InstanceState::Dropped,
    };
    let found = items.values().filter(claims).map(|r| {
        let i = &r.instance;
        Found { id: i.id, label: &i.label, score: i.score, obb: i.obb }
    });
    let Matching { outcomes, missed } = truth.matched(found, least, same_label);
    #[derive(Default)]
    struct Class {
        total: usize,
        right: Vec<u32>,
        wrong: Vec<u32>,
        missed: Vec<usize>,
    }
    let mut classes: BTreeMap<&str, Class> = BTreeMap::new();
    let mut findings = Findings { head: vec!["Label", "True", "Right", "Wrong", "Missed"], ..Findings::default() };
    for object in &truth.objects {
        classes.entry(&object.label).or_default().total += 1;
    }
    for (id, outcome) in &outcomes {
        match outcome {
            Outcome::Right(k) => {
                let label = truth.objects.get(*k).map_or("", |o| o.label.as_str());
                classes.entry(label).or_default().right.push(*id);
                findings.tones.insert(*id, Tone::Right);
            }
            Outcome::Wrong => {
                let label = items.get(id).map_or("", |r| r.instance.label.as_str());
                classes.entry(label).or_default().wrong.push(*id);
                findings.tones.insert(*id, Tone::Wrong);
            }
            Outcome::Ignored => {}
        }
    }
    for k in missed {
        let Some(object) = truth.objects.get(k) else { continue };
        classes.entry(&object.label).or_default().missed.push(k);
        findings.ghosts.push(Ghost { obb: object.obb, label: object.label.clone(), tone: Tone::Missed });
    }
    let sum = |f: fn(&Class) -> usize| classes.values().map(f).sum::<usize>();
    let (right, wrong, total) = (sum(|c| c.right.len()), sum(|c| c.wrong.len()), truth.objects.len());
    let share =
        |a: usize, b: usize| if b > 0 { format!("{:.2} ({a} of {b})", a as f64 / b as f64) } else { "-".into() };
    findings.summary.push(("Recall", share(right, total)));
    if !truth.incomplete {
        findings.summary.push(("Precision", share(right, right + wrong)));
    }
    findings.summary.extend(truth.notes.iter().map(|n| ("Note", n.clone())));
    let row = |(label, class): (&&str, &Class)| {
        let many = |ids: &[u32]| Cell { text: ids.len().to_string(), ids: ids.to_vec(), place: None };
        let all: Vec<u32> = class.right.iter().chain(&class.wrong).copied().collect();
        let place = class.missed.first().and_then(|k| truth.objects.get(*k)).map(|o| o.obb);
        let cells = vec![
            Cell { text: (*label).to_owned(), ids: all, place: None },
            Cell { text: class.total.to_string(), ..Cell::default() },
            many(&class.right),
            many(&class.wrong),
            Cell { text: class.missed.len().to_string(), place, ..Cell::default() },
        ];
        Row { cells, take: None }
    };
    findings.rows = classes.iter().map(row).collect();
    findings
}

/// In words what differs.
fn difference(d: &Difference) -> String {
    let mut parts = Vec::new();
    if let Some((before, after)) = &d.label {
        parts.push(format!("{before} \u{2192} {after}"));
    }
    if d.caption.is_some() {
        parts.push("caption".to_owned());
    }
    if let Some(iou) = d.box_iou {
        parts.push(format!("box, IoU {iou:.2}"));
    }
    parts.join("; ")
}

/// Decisions of the log that could not be brought over to the instances of the last run.
pub(super) fn not_applied(lost: &[Lost]) -> Findings {
    let mut findings = Findings { head: vec!["#", "Label", "Decision"], ..Findings::default() };
    findings
        .summary
        .push(("Not applied", format!("{} decisions about things that are not there any more", lost.len())));
    for l in lost {
        let cell = |text: String| Cell { text, ids: Vec::new(), place: l.obb };
        let cells = vec![cell(l.id.to_string()), cell(l.label.clone()), cell(l.decision.in_words())];
        findings.rows.push(Row { cells, take: None });
        let ghost = |obb| Ghost { obb, label: l.label.clone(), tone: Tone::Gone };
        findings.ghosts.extend(l.obb.map(ghost));
    }
    findings
}

pub(super) fn changes(items: &BTreeMap<u32, Reviewed>, there: &BTreeMap<u32, Instance>, changes: &Changes) -> Findings {
    let mut findings = Findings { head: vec!["#", "Label", "What differs"], ..Findings::default() };
    let label = |id: &u32| items.get(id).map_or("", |r| r.instance.label.as_str()).to_owned();
    let row = |id: Option<u32>, place: Option<OrientedBox>, label: String, what: String| {
        let ids: Vec<u32> = id.into_iter().collect();
        let number = id.map_or_else(String::new, |id| id.to_string());
        let cell = |text: String| Cell { text, ids: ids.clone(), place };
        Row { cells: vec![cell(number), cell(label), cell(what)], take: None }
    };
    let differing = changes.pairs.iter().filter(|p| !p.2.is_none());
    for (id, other, d) in differing.clone() {
        findings.tones.insert(*id, Tone::Changed);
        findings.rows.push(row(Some(*id), None, label(id), difference(d)));
        if let (Some(_), Some(i)) = (d.box_iou, there.get(other)) {
            findings.ghosts.push(Ghost { obb: i.obb, label: i.label.clone(), tone: Tone::Changed });
        }
    }
    for id in &changes.new {
        findings.tones.insert(*id, Tone::New);
        findings.rows.push(row(Some(*id), None, label(id), Tone::New.name().into()));
    }
    for i in changes.gone.iter().filter_map(|id| there.get(id)) {
        findings.ghosts.push(Ghost { obb: i.obb, label: i.label.clone(), tone: Tone::Gone });
        findings.rows.push(row(None, Some(i.obb), i.label.clone(), Tone::Gone.name().into()));
    }
    let same = changes.pairs.len() - differing.count();
    let numbers = [
        ("Same", same),
        ("Different", changes.pairs.len() - same),
        ("Only here", changes.new.len()),
        ("Only there", changes.gone.len()),
    ];
    findings.summary = numbers.into_iter().map(|(name, n)| (name, n.to_string())).collect();
    findings
}

pub(super) fn with_reviewer(
    items: &BTreeMap<u32, Reviewed>,
    theirs: &BTreeMap<u32, Reviewed>,
    agreement: &Agreement,
) -> Findings {
    let mut findings = Findings { head: vec!["#", "Label", "Mine", "Theirs", "Differs"], ..Findings::default() };
    let number = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{x:.2}"));
    let [[both, mine_only], [their_only, neither]] = agreement.table;
    findings.summary = vec![
        ("Both decided", (both + mine_only + their_only + neither).to_string()),
        ("Cohen's kappa", number(agreement.kappa)),
        ("Accepted by both", both.to_string()),
        ("Accepted by me only", mine_only.to_string()),
        ("Accepted by them only", their_only.to_string()),
        ("Median IoU of boxes", number(agreement.median_box_iou)),
        ("Edit distance of captions", number(agreement.mean_caption_distance)),
    ];
    for conflict in &agreement.conflicts {
        let (mine, other) = (items.get(&conflict.id), theirs.get(&conflict.id));
        let place = other.filter(|_| mine.is_none()).map(|r| r.instance.obb);
        let cell = |text: String| Cell { text, ids: mine.map(|_| conflict.id).into_iter().collect(), place };
        let said = |r: Option<&Reviewed>| r.map_or("not there", |r| r.verdict.name()).to_owned();
        let label = mine.or(other).map(|r| r.instance.label.clone()).unwrap_or_default();
        let cells = [conflict.id.to_string(), label, said(mine), said(other), difference(&conflict.difference)];
        findings.rows.push(Row { cells: cells.into_iter().map(cell).collect(), take: take(conflict, other) });
        findings.tones.insert(conflict.id, Tone::Changed);
        if let Some(r) = other.filter(|_| mine.is_none() || conflict.difference.box_iou.is_some()) {
            findings.ghosts.push(Ghost { obb: r.instance.obb, label: r.instance.label.clone(), tone: Tone::Changed });
        }
    }
    let agreed: BTreeSet<u32> = findings.tones.keys().copied().collect();
    let right = items.keys().filter(|id| !agreed.contains(id) && decided(items, id) && decided(theirs, id));
    let right: Vec<(u32, Tone)> = right.map(|id| (*id, Tone::Right)).collect();
    findings.tones.extend(right);
    findings
}

fn decided(items: &BTreeMap<u32, Reviewed>, id: &u32) -> bool {
    items.get(id).is_some_and(|r| matches!(r.verdict, Verdict::Accepted | Verdict::Rejected))
}

/// What makes mine like theirs; `None` where it is in one scene only.
fn take(conflict: &Conflict, theirs: Option<&Reviewed>) -> Option<Vec<(u32, Decision)>> {
    let theirs = theirs.filter(|_| conflict.only_mine.is_none())?;
    let mut out = Vec::new();
    if let Some((_, text)) = conflict.difference.label.clone() {
        out.push(Decision::Relabel { text });
    }
    if let Some((_, text)) = conflict.difference.caption.clone() {
        out.push(Decision::Recaption { text });
    }
    if conflict.difference.box_iou.is_some() {
        out.push(Decision::Rebox { to: theirs.instance.obb });
    }
    if let Some((_, verdict)) = conflict.verdicts {
        out.push(if verdict == Verdict::Accepted {
            Decision::Accept
        } else {
            Decision::Reject { reason: theirs.reason }
        });
    }
    Some(out.into_iter().map(|d| (conflict.id, d)).collect())
}
