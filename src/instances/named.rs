//! Named objects of the detector and unnamed things of the segmenter, brought together.

use super::Input;
use super::report::Draft;
use crate::perception::is_structural;
use crate::perception::objects::{Upright, explains, is_box_like};
use crate::perception::vocabulary;
use crate::scene::OrientedBox;
use nalgebra::{Point3, Vector3};

/// By how much less the box of a thing that was seen as a whole may explain the photos, mean IoU, to be taken in place of the box
/// that was fitted to the photos: it stands on measured points. That is for a cloud without more noise than lengths in
/// metres allow for; points count for less with the square of the noise.
const POINTS_AHEAD: f64 = 0.2;
/// 3D IoU from which a thing can be an object at all.
const MAY_BE: f64 = 0.15;
/// Share of a thing's voxels in the boxes of named objects, or 3D IoU with one of them, from which it is a part of them.
const ABSORBED: (f64, f64) = (0.5, 0.4);
/// How far beyond an object's box its own voxels are found: a share of its horizontal sides, and metres.
const BEYOND: (f64, f64) = (0.15, 0.05);
/// Upper part of a table that is full: below it other things stand.
const TOP: f64 = 0.75;
/// Scale on which scores of objects become those of instances, `1 - exp(-score / SURE)`: it brings objects that looked right in the
/// development captures above what is kept. It was chosen by eye and is not a calibrated probability.
const SURE: f64 = 0.2;

/// Samples along each side of a box, and photos that must see past one for it to be free space.
const SAMPLES: usize = 5;
const SEE_PAST: usize = 2;
/// Noise of depth by which a photo must see past a sample: metres, and a share of the distance.
const NOISE: (f64, f64) = (0.05, 0.02);
/// What a thing without a name is worth where a detector has looked and named others, of its own score: what stands in rooms mostly
/// has a name that it knows, and pieces of walls have none. Chosen by eye on the development captures, so that these come
/// behind what has a name.
const UNNAMED: f64 = 0.6;

/// Lowers the scores of things without a name, and of those whose name is that of a closed box, by the share of their box that photos
/// see past; of the first to nothing where a camera was in it or nothing is so large.
pub(super) fn doubted(input: &Input, drafts: &mut [Draft]) {
    let looked = if input.objects.is_empty() { 1.0 } else { UNNAMED };
    for d in drafts.iter_mut().filter(|d| d.object.is_none() && !is_structural(&d.label)) {
        let too_large = d.fitted.obb.volume() > largest() * input.metre.powi(3);
        let walked_in = too_large || input.views.iter().any(|v| d.fitted.obb.contains(&v.camera.center(), 0.0));
        d.solid = if walked_in { 0.0 } else { 1.0 - free_share(input, &d.fitted.obb) };
        d.unnamed = looked;
        d.score *= d.unnamed * d.solid;
    }
    for d in drafts.iter_mut().filter(|d| d.object.is_some() && is_box_like(&d.label)) {
        d.solid = 1.0 - free_share(input, &d.fitted.obb);
        d.score *= d.solid;
    }
}

/// Volume of the largest thing that stands in rooms, cubic metres: what is larger is a piece of the room.
fn largest() -> f64 {
    let volume = |w: &vocabulary::Word| w.sizes.longest.most * w.sizes.shortest.most * w.sizes.height.most;
    vocabulary::words().iter().map(volume).fold(0.0, f64::max)
}

/// Share of a box that photos see past: rays of all photos carve it.
fn free_share(input: &Input, b: &OrientedBox) -> f64 {
    let mut free = 0usize;
    for k in 0..SAMPLES.pow(3) {
        let at = |k: usize| (k % SAMPLES) as f64 / SAMPLES as f64 + 0.5 / SAMPLES as f64 - 0.5;
        let local = Vector3::new(at(k), at(k / SAMPLES), at(k / (SAMPLES * SAMPLES))).component_mul(&b.size);
        let p = b.center + b.rotation * local;
        let past = input.views.iter().filter(|v| {
            let camera = v.camera.resized(v.depth.width, v.depth.height);
            camera.project(&p).is_some_and(|(x, y, z)| {
                let seen = f64::from(v.depth.at(x.floor() as i64, y.floor() as i64));
                seen > z + NOISE.0 * input.metre + NOISE.1 * z
            })
        });
        free += usize::from(past.take(SEE_PAST).count() == SEE_PAST);
    }
    free as f64 / SAMPLES.pow(3) as f64
}

/// The plain name of what the embedded segmenter found, where its shape and place tell.
pub(super) fn by_shape(label: &str, b: &OrientedBox, floor: f64, metre: f64) -> String {
    /// Least area of a rug, square metres; sizes of doors, metres.
    const RUG: f64 = 0.5;
    const DOOR_WIDTH: (f64, f64) = (0.55, 1.3);
    const DOOR_HEIGHT: (f64, f64) = (1.8, 2.4);
    const AT_FLOOR: f64 = 0.2;
    let [x, y, z] = [b.size.x / metre, b.size.y / metre, b.size.z / metre];
    let within = |v: f64, span: (f64, f64)| v >= span.0 && v <= span.1;
    match label {
        "table-like object" => "table",
        "flat thing on floor" if x * y >= RUG => "rug",
        "flat thing on wall"
            if within(x.max(y), DOOR_WIDTH)
                && within(z, DOOR_HEIGHT)
                && b.center.z - 0.5 * b.size.z < floor + AT_FLOOR * metre =>
        {
            "door"
        }
        other => other,
    }
    .to_owned()
}

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
    let object = drafts[i].object.filter(|o| !o.sightings.is_empty() && !o.seen_in_parts)?;
    let metre = input.metre;
    let fit = |b: &Upright| explains(object, b, input.views, metre, input.object_options);
    let own = fit(&object.upright);
    let can_be = |d: &Draft| d.object.is_none() && !is_structural(&d.label);
    let candidates = drafts.iter().enumerate().filter(|(_, d)| can_be(d));
    candidates
        .filter(|(_, d)| d.fitted.obb.iou(&object.upright.obb()) >= MAY_BE)
        .map(|(k, d)| (k, fit(&Upright::of(&d.fitted.obb))))
        .filter(|(_, how)| *how >= own - POINTS_AHEAD / input.cloud.coarse.powi(2))
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
