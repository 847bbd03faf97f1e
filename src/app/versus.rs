//! The scene beside something else: ground truth, another run, another reviewer, or what the pipeline found.

use crate::eval::{self, Found, Matching, Outcome, TrueObjects};
use crate::review::compare::{self, Agreement, Changes, Conflict, Difference};
use crate::review::{Decision, Lost, Review, Reviewed, Verdict};
use crate::scene::folder::SceneFolder;
use crate::scene::{Instance, InstanceState, Job, OrientedBox, Similarity};
use nalgebra::Point3;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// With what a scene is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Against {
    /// A folder of ground truth.
    #[default]
    Truth,
    /// Another run of the same scene: a scene folder.
    Run,
    /// The log of another reviewer.
    Reviewer,
    /// What the pipeline found.
    Found,
    /// Decisions about things that the pipeline no longer finds.
    Lost,
}

impl Against {
    pub(super) const ALL: [Self; 5] = [Self::Truth, Self::Run, Self::Reviewer, Self::Found, Self::Lost];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Truth => "ground truth",
            Self::Run => "another run",
            Self::Reviewer => "another reviewer",
            Self::Found => "what was found",
            Self::Lost => "earlier decisions",
        }
    }

    /// What has to be given; `None` where nothing has.
    pub(super) fn asks_for(self) -> Option<&'static str> {
        match self {
            Self::Truth => Some("folder with boxes.json and poses.json"),
            Self::Run => Some("scene folder"),
            Self::Reviewer => Some("review.jsonl of the other reviewer"),
            Self::Found | Self::Lost => None,
        }
    }
}

/// How an instance or a box of the other side stands; each has a colour and a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    Right,
    Wrong,
    Missed,
    Changed,
    New,
    Gone,
}

impl Tone {
    pub(super) const ALL: [Self; 6] = [Self::Right, Self::Wrong, Self::Missed, Self::Changed, Self::New, Self::Gone];

    /// Colours of Okabe and Ito (2008), apart for every kind of colour vision.
    pub(super) fn color(self) -> [u8; 3] {
        match self {
            Self::Right => [0, 158, 115],
            Self::Wrong => [213, 94, 0],
            Self::Missed => [86, 180, 233],
            Self::Changed => [230, 159, 0],
            Self::New => [240, 228, 66],
            Self::Gone => [204, 121, 167],
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Missed => "missed",
            Self::Changed => "differs",
            Self::New => "only here",
            Self::Gone => "only there",
        }
    }
}

/// What the other side is, as read from disk.
pub(super) enum Other {
    Truth(Box<TrueObjects>),
    /// In the world of this scene.
    Run(BTreeMap<u32, Instance>),
    Reviewer(BTreeMap<u32, Reviewed>),
    Found(BTreeMap<u32, Instance>),
    Lost(Vec<Lost>),
}

/// A cell of the table: a click on it selects instances, or flies to a box.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub text: String,
    pub ids: Vec<u32>,
    pub place: Option<OrientedBox>,
}

/// A row of the table, and what a click on its button decides.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub cells: Vec<Cell>,
    pub take: Option<Vec<(u32, Decision)>>,
}

/// A box of the other side.
#[derive(Clone, Debug)]
pub(super) struct Ghost {
    pub obb: OrientedBox,
    pub label: String,
    pub tone: Tone,
}

/// What there is to see of a comparison.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub summary: Vec<(&'static str, String)>,
    pub head: Vec<&'static str>,
    pub rows: Vec<Row>,
    pub ghosts: Vec<Ghost>,
    pub tones: BTreeMap<u32, Tone>,
}

/// A comparison.
pub(super) struct Versus {
    pub against: Against,
    /// Where the other side is; empty where it is this scene.
    pub path: PathBuf,
    /// Least IoU for a match with ground truth: 0.25 or 0.5.
    pub least_iou: f64,
    /// Whether the label has to be right too.
    pub same_label: bool,
    other: Other,
    pub findings: Findings,
}

impl Versus {
    pub(super) fn new(against: Against, path: PathBuf, other: Other, items: &BTreeMap<u32, Reviewed>) -> Self {
        let mut versus =
            Self { against, path, least_iou: 0.25, same_label: false, other, findings: Findings::default() };
        versus.refresh(items);
        versus
    }

    /// Compares anew: after a decision, or when what counts as a match has changed.
    pub(super) fn refresh(&mut self, items: &BTreeMap<u32, Reviewed>) {
        self.findings = match &self.other {
            Other::Truth(truth) => with_truth(items, truth, self.least_iou, self.same_label),
            Other::Run(there) => changes(items, there, &compare::with_run(items, there)),
            Other::Found(there) => changes(items, there, &compare::with_found(items, there)),
            Other::Lost(lost) => not_applied(lost),
            Other::Reviewer(theirs) => with_reviewer(items, theirs, &compare::agreement(items, theirs)),
        };
    }
}

/// Reads the other side. Takes as long as reading masks does.
pub(super) fn read(scene: &Path, against: Against, path: &Path, job: &dyn Job) -> Result<Other, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let folder = SceneFolder::open(scene).map_err(|e| text(&e))?;
    let found = || folder.read_instances().map(|i| i.instances).map_err(|e| text(&e));
    let by_id = |all: Vec<Instance>| all.into_iter().map(|i| (i.id, i)).collect();
    match against {
        Against::Truth => {
            let truth = eval::true_objects(&folder, path, job).map_err(|e| text(&e))?;
            Ok(Other::Truth(Box::new(truth)))
        }
        Against::Found => Ok(Other::Found(by_id(found()?))),
        Against::Lost => {
            let review = Review::read(scene, found()?).map_err(|e| text(&e))?;
            Ok(Other::Lost(review.lost().to_vec()))
        }
        Against::Run => another_run(&folder, path).map(Other::Run),
        Against::Reviewer => {
            if !path.is_file() {
                return Err(format!("there is no log at {}", path.display()));
            }
            let review = Review::read_log(path, found()?).map_err(|e| text(&e))?;
            Ok(Other::Reviewer(review.items().clone()))
        }
    }
}

/// Instances of another run, as reviewed there, laid over this scene by the cameras of photos that both have.
fn another_run(here: &SceneFolder, path: &Path) -> Result<BTreeMap<u32, Instance>, String> {
    if !SceneFolder::is_scene(path) {
        return Err(format!("{} is not a scene folder", path.display()));
    }
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let there = SceneFolder::open(path).map_err(|e| text(&e))?;
    let centers = |folder: &SceneFolder| -> Result<BTreeMap<String, Point3<f64>>, String> {
        let meta = folder.read_meta().map_err(|e| text(&e))?;
        let sparse = folder.read_sparse(&meta.images).map_err(|e| text(&e))?;
        let placed = meta.images.into_iter().zip(sparse.cameras);
        Ok(placed.filter_map(|(name, camera)| Some((super::load::stem(&name).to_owned(), camera?.center()))).collect())
    };
    let (mine, theirs) = (centers(here)?, centers(&there)?);
    let both: Vec<(Point3<f64>, Point3<f64>)> = theirs.iter().filter_map(|(s, c)| Some((*c, *mine.get(s)?))).collect();
    let (from, to): (Vec<_>, Vec<_>) = both.into_iter().unzip();
    let over = Similarity::fit(&from, &to)
        .ok_or_else(|| format!("{} shares fewer than three placed photos with this scene", path.display()))?;
    let found = there.read_instances().map_err(|e| text(&e))?.instances;
    let review = Review::read(path, found).map_err(|e| text(&e))?;
    let moved = |(id, r): (&u32, &Reviewed)| {
        let obb = r.instance.obb.transformed(&over);
        (*id, Instance { obb, ..r.instance.clone() })
    };
    Ok(review.items().iter().map(moved).collect())
}

/// Counts by class: what is right, wrong and missed. Rejected and dropped instances claim nothing.
fn with_truth(items: &BTreeMap<u32, Reviewed>, truth: &TrueObjects, least: f64, same_label: bool) -> Findings {
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
fn not_applied(lost: &[Lost]) -> Findings {
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

fn changes(items: &BTreeMap<u32, Reviewed>, there: &BTreeMap<u32, Instance>, changes: &Changes) -> Findings {
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

fn with_reviewer(items: &BTreeMap<u32, Reviewed>, theirs: &BTreeMap<u32, Reviewed>, agreement: &Agreement) -> Findings {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::Reason;
    use nalgebra::Vector3;

    fn instance(id: u32) -> Instance {
        Instance {
            id,
            label: "chair".into(),
            caption: format!("chair {id}"),
            score: 0.5,
            state: InstanceState::Kept,
            obb: OrientedBox::upright(Point3::new(2.0 * f64::from(id), 0.0, 0.0), Vector3::repeat(1.0), 0.2),
            views: Vec::new(),
            best_view: String::new(),
            evidence: serde_json::Value::Null,
        }
    }

    fn review(scene: &Path, second: bool, decisions: Vec<(u32, Decision)>) -> Review {
        let open = if second { Review::open_second } else { Review::open };
        let mut review = open(scene, (1..6).map(instance).collect(), "bob").unwrap();
        review.decide_all(decisions).unwrap();
        review
    }

    #[test]
    fn taking_theirs_ends_the_conflict() {
        let scene = tempfile::tempdir().unwrap();
        let mut mine = review(
            scene.path(),
            false,
            vec![
                (1, Decision::Accept),
                (2, Decision::Accept),
                (3, Decision::REJECT),
                (4, Decision::Accept),
                (5, Decision::Accept),
            ],
        );
        let moved = OrientedBox { center: Point3::new(8.3, 0.0, 0.0), ..instance(4).obb };
        let theirs = review(
            scene.path(),
            true,
            vec![
                (1, Decision::Accept),
                (2, Decision::Reject { reason: Some(Reason::Part) }),
                (3, Decision::Relabel { text: "stool".into() }),
                (3, Decision::Accept),
                (4, Decision::Rebox { to: moved }),
                (4, Decision::Recaption { text: "a chair at the wall".into() }),
                (4, Decision::Accept),
                (5, Decision::Delete),
            ],
        );
        let other = Other::Reviewer(theirs.items().clone());
        let mut versus = Versus::new(Against::Reviewer, PathBuf::new(), other, mine.items());
        let ids = |v: &Versus| v.findings.rows.iter().map(|r| r.cells[0].text.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&versus), ["2", "3", "4", "5"]);
        // The deleted one is not taken over by a click: what to do with it is for the reviewer to say.
        for take in versus.findings.rows.iter().filter_map(|r| r.take.clone()).collect::<Vec<_>>() {
            mine.decide_all(take).unwrap();
        }
        versus.refresh(mine.items());
        assert_eq!(ids(&versus), ["5"]);
        assert_eq!(mine.items()[&2].reason, Some(Reason::Part));
        assert_eq!(mine.items()[&4].instance, theirs.items()[&4].instance);
        assert_eq!(versus.findings.tones[&1], Tone::Right);
    }

    #[test]
    fn what_was_found_against_what_was_decided() {
        let scene = tempfile::tempdir().unwrap();
        let mine = review(
            scene.path(),
            false,
            vec![
                (1, Decision::Relabel { text: "stool".into() }),
                (2, Decision::Delete),
                (6, Decision::Add { instance: Box::new(instance(6)), masks: Vec::new() }),
            ],
        );
        let found: BTreeMap<u32, Instance> = (1..6).map(|id| (id, instance(id))).collect();
        let versus = Versus::new(Against::Found, PathBuf::new(), Other::Found(found), mine.items());
        let rows: Vec<Vec<&str>> =
            versus.findings.rows.iter().map(|r| r.cells.iter().map(|c| c.text.as_str()).collect()).collect();
        assert_eq!(
            rows,
            [["1", "stool", "chair \u{2192} stool"], ["6", "chair", "only here"], ["", "chair", "only there"]]
        );
        assert_eq!(versus.findings.ghosts.len(), 1);
        assert_eq!(versus.findings.ghosts[0].obb, instance(2).obb);
    }

    #[test]
    fn colours_of_tones_are_apart() {
        for (i, a) in Tone::ALL.iter().enumerate() {
            for b in &Tone::ALL[..i] {
                let apart: u32 = (0..3).map(|k| u32::from(a.color()[k].abs_diff(b.color()[k]))).sum();
                assert!(apart > 90, "{a:?} {b:?}");
            }
        }
    }
}
