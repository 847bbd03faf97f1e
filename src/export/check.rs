//! What a reviewer should know before a scene is exported.

use super::{ExportError, Format, Include};
use crate::perception::vocabulary;
use crate::review::{Review, Reviewed, Verdict};
use crate::scene::folder::{SceneFolder, SceneMeta, is_model};
use crate::scene::{Camera, OrientedBox};
use nalgebra::Point3;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Overlap (IoU) from which two boxes of the same label are taken for the same thing.
const SAME: f64 = 0.7;
/// A box with a side below this many scene units (metres, or near to them) is flat.
const FLAT: f64 = 1e-3;
/// Share of the points left out at each end when the reach of the scene is measured.
const ODD: f64 = 0.01;
/// How far out of the reach of the scene a box may be centred, as a share of its diagonal.
const MARGIN: f64 = 0.1;

/// What kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing would be written.
    Nothing,
    /// A file of the scene is not there.
    MissingFile,
    /// A box has a number that is none.
    NotFinite,
    /// Instances that nobody has decided about.
    Unreviewed,
    /// The length of a unit is not known.
    UnknownScale,
    /// No label, or one that says nothing.
    NoLabel,
    /// No caption.
    NoCaption,
    /// No mask in any photo.
    NoMask,
    /// A box without thickness.
    Flat,
    /// A box larger than the scene.
    Huge,
    /// A box outside of the scene.
    Outside,
    /// Two boxes of one label at one place.
    Duplicate,
}

/// One problem, and the instances that have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What kind.
    pub kind: Kind,
    /// A sentence.
    pub text: String,
    /// The instances, by id; none where it is about the whole scene.
    pub ids: Vec<u32>,
}

impl Problem {
    /// Whether the export would fail.
    pub fn is_fatal(&self) -> bool {
        self.kind == Kind::Nothing
    }
}

/// Reads a scene as reviewed and says what is wrong with exporting it so.
pub fn check(scene: &SceneFolder, format: Format, include: Include) -> Result<Vec<Problem>, ExportError> {
    let meta = scene.read_meta()?;
    let mut problems = missing_files(scene, &meta, format);
    let has_instances = matches!(format, Format::Coco | Format::Instances | Format::All);
    if has_instances && scene.root().join("instances.json").is_file() {
        let review = Review::read(scene.root(), scene.read_instances()?.instances)?;
        problems.extend(of_instances(review.items(), include, &masked(scene, &meta), reach(scene, &meta)));
    }
    let what = "the length of a unit is not known: measure a distance (D) to set the scale";
    if meta.units != "metres" {
        problems.push(Problem { kind: Kind::UnknownScale, text: what.into(), ids: Vec::new() });
    }
    problems.sort_by_key(|p| p.kind);
    Ok(problems)
}

fn missing_files(scene: &SceneFolder, meta: &SceneMeta, format: Format) -> Vec<Problem> {
    let wants = |f: Format| format == f || format == Format::All;
    let mut files = Vec::new();
    if wants(Format::Coco) || wants(Format::Instances) {
        files.push(scene.root().join("instances.json"));
    }
    if wants(Format::Coco) {
        files.extend(meta.images.iter().map(|name| scene.masks_path(stem(name))));
    }
    if format.of_splats().is_some() {
        files.push(scene.splat_path());
    }
    if wants(Format::Mesh) {
        files.push(scene.mesh_path());
    }
    let gone: Vec<String> = files.iter().filter(|f| !f.is_file()).map(|f| name_in(scene.root(), f)).collect();
    let Some(first) = gone.first() else { return Vec::new() };
    let more = gone.len() - 1;
    let text = match more {
        0 => format!("{first} is not there"),
        _ => format!("{first} and {more} more files are not there"),
    };
    vec![Problem { kind: Kind::MissingFile, text, ids: Vec::new() }]
}

fn name_in(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The instances that have a mask in a photo; files that cannot be read have none.
fn masked(scene: &SceneFolder, meta: &SceneMeta) -> BTreeSet<u32> {
    let frames = meta.images.iter().filter_map(|name| scene.read_masks(stem(name)).ok());
    frames.flat_map(|f| f.masks.into_iter().map(|m| m.instance_id)).collect()
}

/// How far the scene reaches: lowest and highest corner of its points and cameras without the odd ones.
fn reach(scene: &SceneFolder, meta: &SceneMeta) -> Option<[Point3<f64>; 2]> {
    if !is_model(&scene.root().join("sparse/0")) {
        return None;
    }
    let sparse = scene.read_sparse(&meta.images).ok()?;
    let mut points: Vec<Point3<f64>> = sparse.points.iter().map(|p| p.position).collect();
    points.extend(sparse.cameras.iter().flatten().map(Camera::center));
    points.retain(|p| p.iter().all(|x| x.is_finite()));
    let at = |k: usize, share: f64| {
        let mut x: Vec<f64> = points.iter().map(|p| p[k]).collect();
        x.sort_by(f64::total_cmp);
        x.get(((x.len().saturating_sub(1)) as f64 * share).round() as usize).copied()
    };
    let corner = |share: f64| Some(Point3::new(at(0, share)?, at(1, share)?, at(2, share)?));
    Some([corner(ODD)?, corner(1.0 - ODD)?])
}

/// The problems of the instances that would be written; `masked` have a mask, `reach` is how far the scene reaches.
fn of_instances(
    items: &BTreeMap<u32, Reviewed>,
    include: Include,
    masked: &BTreeSet<u32>,
    reach: Option<[Point3<f64>; 2]>,
) -> Vec<Problem> {
    let taken: Vec<&Reviewed> = items.values().filter(|r| include.takes(r)).collect();
    let unreviewed: Vec<u32> = ids(items.values(), |r| r.verdict == Verdict::Unreviewed);
    let mut problems = Vec::new();
    let mut add = |kind, ids: Vec<u32>, text: &str| {
        if !ids.is_empty() {
            problems.push(Problem { kind, text: text.into(), ids });
        }
    };
    let of = |holds: &dyn Fn(&Reviewed) -> bool| ids(taken.iter().copied(), holds);
    let left = match include {
        Include::Accepted => "not reviewed yet, and left out",
        _ => "not reviewed yet",
    };
    add(Kind::Unreviewed, unreviewed, left);
    add(Kind::NoLabel, of(&|r| vocabulary::says_nothing(&r.instance.label)), "no label, or only \"object\"");
    add(Kind::NoCaption, of(&|r| r.instance.caption.trim().is_empty()), "no caption");
    add(Kind::NoMask, of(&|r| !has_mask(r, masked)), "no mask in any photo");
    add(Kind::NotFinite, of(&|r| !is_finite(&r.instance.obb)), "the box has a number that is none");
    let solid = |r: &Reviewed| is_finite(&r.instance.obb);
    add(Kind::Flat, of(&|r| solid(r) && r.instance.obb.size.min() < FLAT), "the box has no thickness");
    if let Some([low, high]) = reach {
        let diagonal = (high - low).norm();
        let outside = |r: &Reviewed| {
            let c = r.instance.obb.center;
            (0..3).any(|k| c[k] < low[k] - MARGIN * diagonal || c[k] > high[k] + MARGIN * diagonal)
        };
        add(Kind::Huge, of(&|r| solid(r) && r.instance.obb.size.max() > diagonal), "the box is larger than the scene");
        add(Kind::Outside, of(&|r| solid(r) && outside(r)), "the box is outside of the scene");
    }
    problems.extend(duplicates(&taken));
    if taken.is_empty() {
        let text = match include {
            Include::Accepted => "nothing is accepted yet: accept instances first, or export unreviewed ones too",
            _ => "there are no instances to write",
        };
        problems.push(Problem { kind: Kind::Nothing, text: text.into(), ids: Vec::new() });
    }
    problems
}

fn ids<'a>(items: impl Iterator<Item = &'a Reviewed>, holds: impl Fn(&Reviewed) -> bool) -> Vec<u32> {
    items.filter(|r| holds(r)).map(|r| r.instance.id).collect()
}

/// Whether an instance has a mask: one that was drawn, or one of an instance whose masks it has.
fn has_mask(item: &Reviewed, masked: &BTreeSet<u32>) -> bool {
    item.masks.iter().any(|part| !part.drawn.is_empty() || masked.contains(&part.of))
}

fn is_finite(b: &OrientedBox) -> bool {
    let turned = b.rotation.coords.iter().all(|x| x.is_finite());
    turned && b.center.iter().chain(b.size.iter()).all(|x| x.is_finite())
}

/// Pairs of the same label at the same place, one problem each.
fn duplicates(taken: &[&Reviewed]) -> Vec<Problem> {
    let mut by_label: BTreeMap<String, Vec<&Reviewed>> = BTreeMap::new();
    for r in taken.iter().filter(|r| is_finite(&r.instance.obb)) {
        by_label.entry(r.instance.label.trim().to_lowercase()).or_default().push(r);
    }
    let mut found = Vec::new();
    for group in by_label.values() {
        for (i, b) in group.iter().enumerate() {
            for a in group.iter().take(i) {
                let iou = a.instance.obb.iou(&b.instance.obb);
                if iou >= SAME {
                    let text = format!("two of \"{}\" at one place (overlap {iou:.2})", b.instance.label);
                    found.push(Problem { kind: Kind::Duplicate, text, ids: vec![a.instance.id, b.instance.id] });
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Instance, InstanceState};
    use nalgebra::Vector3;

    fn item(id: u32, verdict: Verdict, change: impl Fn(&mut Instance)) -> (u32, Reviewed) {
        let obb = OrientedBox::upright(Point3::new(f64::from(id), 0.0, 0.5), Vector3::repeat(0.5), 0.0);
        let mut instance = Instance {
            id,
            label: "chair".into(),
            caption: "A chair.".into(),
            score: 1.0,
            state: InstanceState::Kept,
            obb,
            views: Vec::new(),
            best_view: String::new(),
            evidence: serde_json::Value::Null,
        };
        change(&mut instance);
        (id, Reviewed { verdict, ..Reviewed::new(instance) })
    }

    fn found(items: &[(u32, Reviewed)], include: Include) -> Vec<(Kind, Vec<u32>)> {
        let items: BTreeMap<u32, Reviewed> = items.iter().cloned().collect();
        let masked = items.keys().copied().filter(|id| *id != 9).collect();
        let reach = Some([Point3::origin(), Point3::new(12.0, 3.0, 4.0)]);
        of_instances(&items, include, &masked, reach).into_iter().map(|p| (p.kind, p.ids)).collect()
    }

    #[test]
    fn says_what_is_wrong_of_what_is_written() {
        use Verdict::{Accepted, Rejected, Unreviewed};
        let items = [
            item(1, Accepted, |_| {}),
            item(2, Accepted, |i| i.label = " Object".into()),
            item(3, Accepted, |i| i.caption = "  ".into()),
            item(4, Accepted, |i| i.obb.size.z = 0.0),
            // The diagonal of the reach is 13.
            item(5, Accepted, |i| i.obb.size.x = 13.1),
            item(6, Accepted, |i| i.obb.center.y = 4.4),
            item(7, Accepted, |i| i.obb.center.x = f64::NAN),
            item(8, Rejected, |i| i.label = String::new()),
            item(9, Accepted, |_| {}),
            item(10, Unreviewed, |i| i.caption = String::new()),
        ];
        let wanted = [
            (Kind::Unreviewed, vec![10]),
            (Kind::NoLabel, vec![2]),
            (Kind::NoCaption, vec![3]),
            (Kind::NoMask, vec![9]),
            (Kind::NotFinite, vec![7]),
            (Kind::Flat, vec![4]),
            (Kind::Huge, vec![5]),
            (Kind::Outside, vec![6]),
        ];
        assert_eq!(found(&items, Include::Accepted), wanted);
        let captions = found(&items, Include::Unreviewed).into_iter().find(|p| p.0 == Kind::NoCaption);
        assert_eq!(captions, Some((Kind::NoCaption, vec![3, 10])));
    }

    #[test]
    fn finds_duplicates_of_one_label() {
        // Cubes of side 0.5 moved by 0.05: IoU 0.45 / 0.55 = 0.818; by 0.1: 0.4 / 0.6 = 0.667.
        let at = |id: u32, x: f64, label: &'static str| {
            item(id, Verdict::Accepted, move |i| (i.obb.center.x, i.label) = (x, label.into()))
        };
        let items = [at(1, 0.0, "chair"), at(2, 0.05, "Chair"), at(3, 0.1, "table"), at(4, 0.15, "chair")];
        assert_eq!(found(&items, Include::Accepted), [(Kind::Duplicate, vec![1, 2])]);
    }

    #[test]
    fn nothing_accepted_is_said_first() {
        let items = [item(1, Verdict::Unreviewed, |_| {})];
        let all = found(&items, Include::Accepted);
        assert!(all.contains(&(Kind::Nothing, vec![])) && Kind::Nothing < Kind::Unreviewed, "{all:?}");
        assert_eq!(found(&items, Include::Unreviewed), [(Kind::Unreviewed, vec![1])]);
    }

    #[test]
    fn a_folder_without_files_says_which() {
        let home = tempfile::tempdir().unwrap();
        let meta = r#"{"version":1,"name":"x","source":"y","units":"arbitrary","scale_source":"","up":[0,0,1],
            "floor_found":false,"world_from_input":[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]],"images":["a.jpg"],
            "stages":[],"program":"","models":[],"warnings":[]}"#;
        std::fs::write(home.path().join("scene.json"), meta).unwrap();
        let scene = SceneFolder::open(home.path()).unwrap();
        let problems = check(&scene, Format::All, Include::Accepted).unwrap();
        let told: Vec<&str> = problems.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(told[0], "instances.json and 3 more files are not there");
        assert_eq!(problems[1].kind, Kind::UnknownScale);
        assert_eq!(check(&scene, Format::Mesh, Include::Accepted).unwrap()[0].text, "mesh.ply is not there");
    }
}
