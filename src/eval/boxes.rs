//! Average precision of oriented boxes.

use super::masks::Counts;
use super::truth::TruthBox;
use super::{ObjectScore, Report};
use crate::scene::{InstanceState, Instances, OrientedBox, Similarity};

/// Labels of instances that are part of the building: not scored.
pub(super) const STRUCTURAL: [&str; 3] = ["floor", "ceiling", "wall"];

/// An object counts as seen where this many images show at least this many pixels of it.
const SEEN_IMAGES: usize = 3;
const SEEN_PIXELS: u64 = 400;

/// What the scene claims to be there, in the ground truth's frame.
#[derive(Clone, Debug)]
pub(super) struct Detection {
    pub(super) score: f64,
    pub(super) label: String,
    pub(super) obb: OrientedBox,
}

/// Average precision, and precision and recall of all detections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ap {
    pub(super) ap: f64,
    pub(super) precision: f64,
    pub(super) recall: f64,
}

/// The objects that a scene should have, and those that are hardly seen: too little to be asked for, but finding them is
/// no fault.
pub(super) fn asked_for<'a>(boxes: &'a [TruthBox], counts: Option<&Counts>) -> (Vec<&'a TruthBox>, Vec<&'a TruthBox>) {
    boxes
        .iter()
        .filter(|b| !b.structural)
        .partition(|b| counts.is_none_or(|c| c.images_with(b.id, SEEN_PIXELS) >= SEEN_IMAGES))
}

/// Lists the objects in the report, not yet scored.
pub(super) fn list(asked: &[&TruthBox], report: &mut Report) {
    let n = asked.len() as f64;
    report.add("gt_instances", n, "", "true objects, without structure and those hardly seen (400 pixels in 3 images)");
    let object = |b: &&TruthBox| ObjectScore { id: b.id, label: b.label.clone(), best_box_iou: None, mask_iou: None };
    report.objects = asked.iter().map(object).collect();
}

pub(super) fn score(
    instances: &Instances,
    asked: &[&TruthBox],
    ignored: &[&TruthBox],
    incomplete: bool,
    alignment: &Similarity,
    report: &mut Report,
) {
    let truth: Vec<OrientedBox> = asked.iter().map(|b| b.obb()).collect();
    let ignored: Vec<OrientedBox> = ignored.iter().map(|b| b.obb()).collect();
    let found: Vec<Detection> = instances
        .instances
        .iter()
        .filter(|i| i.state != InstanceState::Dropped && !STRUCTURAL.contains(&i.label.as_str()))
        .map(|i| Detection { score: i.score, label: i.label.clone(), obb: i.obb.transformed(alignment) })
        .filter(|d| best_iou(&d.obb, &ignored) < best_iou(&d.obb, &truth).max(0.25))
        .collect();
    let detections =
        "instances that are not dropped, without floor, ceiling, wall and those that match an object hardly seen";
    report.add("detections", found.len() as f64, "", detections);
    for (object, obb) in report.objects.iter_mut().zip(&truth) {
        let boxes: Vec<OrientedBox> = found.iter().map(|d| d.obb).collect();
        object.best_box_iou = Some(best_iou(obb, &boxes));
    }
    if incomplete {
        report.note("the ground truth does not list every object: of the boxes only recall is scored");
    }
    for (kind, same_label) in [("agnostic", false), ("labelled", true)] {
        for percent in [25, 50] {
            let Some(a) = average_precision(&found, asked, f64::from(percent) / 100.0, same_label) else { continue };
            let how = format!(
                "exact IoU of oriented boxes at least 0.{percent}, each object matched once, by falling score{}",
                if same_label { ", the label right (aliases count)" } else { ", any label" }
            );
            if !incomplete {
                let ap = format!("average precision: area under the interpolated precision-recall curve; {how}");
                report.add(format!("ap{percent}_{kind}"), a.ap, "", ap);
                report.add(
                    format!("p{percent}_{kind}"),
                    a.precision,
                    "",
                    format!("share of detections that match; {how}"),
                );
            }
            report.add(format!("r{percent}_{kind}"), a.recall, "", format!("share of objects that are matched; {how}"));
        }
    }
}

pub(super) fn best_iou(obb: &OrientedBox, others: &[OrientedBox]) -> f64 {
    others.iter().map(|o| obb.iou(o)).fold(0.0, f64::max)
}

/// In order of falling score each detection takes the free object that it overlaps most, and is right where that IoU
/// reaches `threshold`: indices of detections, and of the objects that they took.
pub(super) fn taken(
    found: &[Detection],
    truth: &[&TruthBox],
    threshold: f64,
    same_label: bool,
) -> Vec<(usize, Option<usize>)> {
    let mut ranked: Vec<(usize, &Detection)> = found.iter().enumerate().collect();
    ranked.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
    let mut used = vec![false; truth.len()];
    let mut take = |d: &Detection| {
        let free = truth.iter().enumerate().filter(|(i, t)| !used[*i] && (!same_label || t.is_called(&d.label)));
        let best = free.map(|(i, t)| (d.obb.iou(&t.obb()), i)).max_by(|a, b| a.0.total_cmp(&b.0));
        let object = best.filter(|(iou, _)| *iou >= threshold).map(|(_, i)| i)?;
        used[object] = true;
        Some(object)
    };
    ranked.into_iter().map(|(k, d)| (k, take(d))).collect()
}

/// Ranked average precision (PASCAL VOC 2010, all points) over [`taken`]. `None` without objects.
pub(super) fn average_precision(
    found: &[Detection],
    truth: &[&TruthBox],
    threshold: f64,
    same_label: bool,
) -> Option<Ap> {
    if truth.is_empty() {
        return None;
    }
    let (mut right, mut curve) = (0usize, Vec::new());
    for (rank, (_, taken)) in taken(found, truth, threshold, same_label).into_iter().enumerate() {
        right += usize::from(taken.is_some());
        curve.push((right as f64 / truth.len() as f64, right as f64 / (rank + 1) as f64));
    }
    let (recall, precision) = curve.last().copied().unwrap_or((0.0, 0.0));
    // From the last to the first: the best precision at this recall or a higher one.
    let (mut ap, mut best) = (0.0, 0.0f64);
    for (i, (r, p)) in curve.iter().enumerate().rev() {
        best = best.max(*p);
        ap += (r - if i > 0 { curve[i - 1].0 } else { 0.0 }) * best;
    }
    Some(Ap { ap, precision, recall })
}
