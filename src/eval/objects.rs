//! Object by object: which instance is which true object. For a reviewer who wants to see where a scene is wrong.

use super::boxes::{self, Detection, STRUCTURAL, asked_for, best_iou};
use super::truth::{Truth, TruthBox};
use super::{EvalError, Progress, Report, align, masks, views};
use crate::scene::folder::SceneFolder;
use crate::scene::{Job, OrientedBox, Similarity, Sparse};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The objects of a folder of ground truth, and where they are in a scene.
#[derive(Clone, Debug)]
pub struct TrueObjects {
    truth: Vec<TruthBox>,
    /// Too little seen to be asked for; finding them is no fault.
    hardly_seen: Vec<TruthBox>,
    alignment: Similarity,
    /// The objects that are asked for, in the world of the scene.
    pub objects: Vec<TrueObject>,
    /// Whether the ground truth names only some of the objects: then an instance without one may be right.
    pub incomplete: bool,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A true object.
#[derive(Clone, Debug)]
pub struct TrueObject {
    /// Its label.
    pub label: String,
    /// Its box, world of the scene.
    pub obb: OrientedBox,
}

/// An instance as it is matched.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Its id.
    pub id: u32,
    /// Its label.
    pub label: &'a str,
    /// Its score, 0..1.
    pub score: f64,
    /// Its box, world of the scene.
    pub obb: OrientedBox,
}

/// What becomes of an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It is the true object of this index: true positive.
    Right(usize),
    /// It is none of them: false positive.
    Wrong,
    /// It is not scored: a part of the building, or an object that is hardly seen.
    Ignored,
}

/// Which instance is which object.
#[derive(Clone, Debug, Default)]
pub struct Matching {
    /// By instance id.
    pub outcomes: BTreeMap<u32, Outcome>,
    /// Indices of the objects that no instance is: false negatives.
    pub missed: Vec<usize>,
}

/// Reads the objects of a folder of ground truth (`boxes.json`, and `poses.json` or `instance/` where they are there)
/// and brings them into the world of a scene.
pub fn true_objects(scene: &SceneFolder, gt: &Path, job: &dyn Job) -> Result<TrueObjects, EvalError> {
    let truth = Truth::open(gt)?;
    let boxes = truth.boxes.clone().ok_or_else(|| EvalError::NoBoxes(gt.to_owned()))?;
    let meta = scene.read_meta()?;
    let no_cameras = || Sparse { cameras: vec![None; meta.images.len()], ..Sparse::default() };
    let sparse = match scene.root().join("sparse/0").is_dir() {
        true => scene.read_sparse(&meta.images)?,
        false => no_cameras(),
    };
    let views = views(&meta, &sparse, &truth);
    let mut report = Report::new(scene.root(), gt);
    let alignment =
        align(&meta, &truth, &views, &mut report).ok_or_else(|| EvalError::NotAligned(PathBuf::from(scene.root())))?;
    let mut progress = Progress { job, done: 0, total: views.len() };
    let counts = match truth.has_instance {
        true => Some(masks::count(scene, &truth, &views, &mut progress, &mut report)?),
        false => None,
    };
    let (asked, ignored) = asked_for(&boxes, counts.as_ref());
    let here = alignment.inverse();
    let object = |t: &&TruthBox| TrueObject { label: t.label.clone(), obb: t.obb().transformed(&here) };
    Ok(TrueObjects {
        objects: asked.iter().map(object).collect(),
        truth: asked.into_iter().cloned().collect(),
        hardly_seen: ignored.into_iter().cloned().collect(),
        incomplete: boxes.iter().any(|b| b.list_incomplete),
        alignment,
        notes: report.notes,
    })
}

impl TrueObjects {
    /// Matches instances to the objects as `eval` does: by falling score, each object once, exact IoU at least
    /// `threshold`; where `same_label`, the label right too.
    pub fn matched<'a>(&self, found: impl Iterator<Item = Found<'a>>, threshold: f64, same_label: bool) -> Matching {
        let mut matching = Matching::default();
        let truth: Vec<&TruthBox> = self.truth.iter().collect();
        let boxes: Vec<OrientedBox> = truth.iter().map(|t| t.obb()).collect();
        let ignored: Vec<OrientedBox> = self.hardly_seen.iter().map(|t| t.obb()).collect();
        let (mut ids, mut detections) = (Vec::new(), Vec::new());
        for f in found {
            let obb = f.obb.transformed(&self.alignment);
            let counts = best_iou(&obb, &ignored) < best_iou(&obb, &boxes).max(0.25);
            if counts && !STRUCTURAL.contains(&f.label) {
                ids.push(f.id);
                detections.push(Detection { score: f.score, label: f.label.to_owned(), obb });
            } else {
                matching.outcomes.insert(f.id, Outcome::Ignored);
            }
        }
        let mut missed: Vec<bool> = vec![true; truth.len()];
        for (k, object) in boxes::taken(&detections, &truth, threshold, same_label) {
            if let Some(object) = object {
                missed[object] = false;
            }
            matching.outcomes.insert(ids[k], object.map_or(Outcome::Wrong, Outcome::Right));
        }
        matching.missed = (0..truth.len()).filter(|k| missed[*k]).collect();
        matching
    }
}
