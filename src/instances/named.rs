//! Named objects of the detector and unnamed things of the segmenter, brought together.

use super::Input;
use super::report::Draft;
use crate::perception::is_structural;
use crate::perception::objects::{Upright, explains};
use crate::perception::vocabulary;
use nalgebra::Point3;

/// By how much less the box of a thing that was seen as a whole may explain the photos, mean IoU, to be taken in place of the box
/// that was fitted to the photos: it stands on measured points.
const POINTS_AHEAD: f64 = 0.04;
/// 3D IoU from which a thing can be an object at all.
const MAY_BE: f64 = 0.15;
/// Share of a thing's voxels in the boxes of named objects, or 3D IoU with one of them, from which it is a part of them.
const ABSORBED: (f64, f64) = (0.5, 0.4);
/// How far beyond an object's box its own voxels are found: a share of its horizontal sides, and metres.
const BEYOND: (f64, f64) = (0.15, 0.05);
/// Upper part of a table that is full: below it other things stand.
const TOP: f64 = 0.75;
/// Object score of which 63 % are right: scores of objects become `1 - exp(-score / SURE)`, measured on rendered rooms.
const SURE: f64 = 0.2;

/// Gives objects the box that explains the photos best, and takes out the things that are parts of objects.
pub(super) fn combined<'a>(input: &Input, mut drafts: Vec<Draft<'a>>) -> Vec<Draft<'a>> {
    let mut order: Vec<usize> = (0..drafts.len()).filter(|i| drafts[*i].object.is_some()).collect();
    order.sort_by(|a, b| drafts[*b].score.total_cmp(&drafts[*a].score).then(a.cmp(b)));
    for i in &order {
        if let Some(k) = better(input, &drafts, *i) {
            let (obb, stands, at_wall) = (drafts[k].fitted.obb, drafts[k].fitted.stands, drafts[k].fitted.at_wall);
            let own = &mut drafts[*i].fitted;
            (own.obb, own.stands, own.at_wall) = (obb, stands, at_wall);
            drafts[*i].box_from = "points";
        }
    }
    let boxes: Vec<(Upright, bool)> = order
        .iter()
        .filter(|i| drafts[**i].score >= super::report::DROP)
        .map(|i| (Upright::of(&drafts[*i].fitted.obb), is_table(&drafts[*i].label)))
        .collect();
    let is_part: Vec<bool> = drafts.iter().map(|d| d.object.is_none() && is_part(input, d, &boxes)).collect();
    let mut part = is_part.iter();
    drafts.retain(|_| !part.next().unwrap_or(&false));
    drafts
}

/// The score of an instance for that of an object.
pub(super) fn probability(score: f64) -> f64 {
    1.0 - (-score / SURE).exp()
}

/// The thing whose box explains the photos of an object about as well as the object's own does.
fn better(input: &Input, drafts: &[Draft], i: usize) -> Option<usize> {
    let object = drafts[i].object?;
    let metre = input.metre;
    let fit = |b: &Upright| explains(object, b, input.views, metre, input.object_options);
    let own = fit(&object.upright);
    let can_be = |d: &Draft| d.object.is_none() && !is_structural(&d.label);
    let candidates = drafts.iter().enumerate().filter(|(_, d)| can_be(d));
    candidates
        .filter(|(_, d)| d.fitted.obb.iou(&object.upright.obb()) >= MAY_BE)
        .map(|(k, d)| (k, fit(&Upright::of(&d.fitted.obb))))
        .filter(|(_, how)| *how >= own - POINTS_AHEAD)
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
        .map(|(k, _)| k)
}

fn is_table(label: &str) -> bool {
    vocabulary::word(label).is_some_and(|w| w.name == "table" || w.kind_of == "table" || w.name == "counter")
}

fn is_part(input: &Input, d: &Draft, boxes: &[(Upright, bool)]) -> bool {
    if is_structural(&d.label) {
        return false;
    }
    if boxes.iter().any(|(b, _)| b.obb().iou(&d.fitted.obb) >= ABSORBED.1) {
        return true;
    }
    let holds = |(b, is_table): &(Upright, bool), p: &Point3<f64>| {
        let is_full = !is_table || p.z > b.foot[2] + TOP * b.size[2];
        is_full && b.holds(p, BEYOND.0, BEYOND.1 * input.metre)
    };
    let voxels = &d.fitted.voxels;
    let inside = voxels.iter().filter(|v| {
        let p = Point3::from(input.cloud.positions[**v as usize].map(f64::from));
        boxes.iter().any(|b| holds(b, &p))
    });
    inside.count() as f64 >= ABSORBED.0 * voxels.len() as f64
}
