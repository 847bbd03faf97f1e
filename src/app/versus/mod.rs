//! The scene beside something else: ground truth, another run, another reviewer, or what the pipeline found.

mod findings;
#[cfg(test)]
mod tests;

use crate::eval::{self, TrueObjects};
use crate::review::compare;
use crate::review::{Decision, Lost, Review, Reviewed};
use crate::scene::folder::SceneFolder;
use crate::scene::{Instance, Job, OrientedBox, Similarity};
use findings::{changes, not_applied, with_reviewer, with_truth};
use nalgebra::Point3;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// With what a scene is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::app) enum Against {
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
    pub(in crate::app) const ALL: [Self; 5] = [Self::Truth, Self::Run, Self::Reviewer, Self::Found, Self::Lost];

    pub(in crate::app) fn name(self) -> &'static str {
        match self {
            Self::Truth => "ground truth",
            Self::Run => "another run",
            Self::Reviewer => "another reviewer",
            Self::Found => "what was found",
            Self::Lost => "earlier decisions",
        }
    }

    /// What has to be given; `None` where nothing has.
    pub(in crate::app) fn asks_for(self) -> Option<&'static str> {
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
pub(in crate::app) enum Tone {
    Right,
    Wrong,
    Missed,
    Changed,
    New,
    Gone,
}

impl Tone {
    pub(in crate::app) const ALL: [Self; 6] =
        [Self::Right, Self::Wrong, Self::Missed, Self::Changed, Self::New, Self::Gone];

    /// Colours of Okabe and Ito (2008), apart for every kind of colour vision.
    pub(in crate::app) fn color(self) -> [u8; 3] {
        match self {
            Self::Right => [0, 158, 115],
            Self::Wrong => [213, 94, 0],
            Self::Missed => [86, 180, 233],
            Self::Changed => [230, 159, 0],
            Self::New => [240, 228, 66],
            Self::Gone => [204, 121, 167],
        }
    }

    pub(in crate::app) fn name(self) -> &'static str {
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
pub(in crate::app) enum Other {
    Truth(Box<TrueObjects>),
    /// In the world of this scene.
    Run(BTreeMap<u32, Instance>),
    Reviewer(BTreeMap<u32, Reviewed>),
    Found(BTreeMap<u32, Instance>),
    Lost(Vec<Lost>),
}

/// A cell of the table: a click on it selects instances, or flies to a box.
#[derive(Clone, Debug, Default)]
pub(in crate::app) struct Cell {
    pub text: String,
    pub ids: Vec<u32>,
    pub place: Option<OrientedBox>,
}

/// A row of the table, and what a click on its button decides.
#[derive(Clone, Debug, Default)]
pub(in crate::app) struct Row {
    pub cells: Vec<Cell>,
    pub take: Option<Vec<(u32, Decision)>>,
}

/// A box of the other side.
#[derive(Clone, Debug)]
pub(in crate::app) struct Ghost {
    pub obb: OrientedBox,
    pub label: String,
    pub tone: Tone,
}

/// What there is to see of a comparison.
#[derive(Clone, Debug, Default)]
pub(in crate::app) struct Findings {
    pub summary: Vec<(&'static str, String)>,
    pub head: Vec<&'static str>,
    pub rows: Vec<Row>,
    pub ghosts: Vec<Ghost>,
    pub tones: BTreeMap<u32, Tone>,
}

/// A comparison.
pub(in crate::app) struct Versus {
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
    pub(in crate::app) fn new(against: Against, path: PathBuf, other: Other, items: &BTreeMap<u32, Reviewed>) -> Self {
        let mut versus =
            Self { against, path, least_iou: 0.25, same_label: false, other, findings: Findings::default() };
        versus.refresh(items);
        versus
    }

    /// Compares anew: after a decision, or when what counts as a match has changed.
    pub(in crate::app) fn refresh(&mut self, items: &BTreeMap<u32, Reviewed>) {
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
pub(in crate::app) fn read(scene: &Path, against: Against, path: &Path, job: &dyn Job) -> Result<Other, String> {
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
        Ok(placed
            .filter_map(|(name, camera)| Some((crate::app::load::stem(&name).to_owned(), camera?.center())))
            .collect())
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
