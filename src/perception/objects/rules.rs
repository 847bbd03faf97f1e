//! What geometry knows better than a detector: what a thing cannot be, and that two objects are one.

use super::shown::{cut, project};
use super::{Object, ObjectOptions, Room};
use crate::perception::View;
use crate::perception::color::lab;
use crate::perception::detection::iou;
use crate::perception::vocabulary::{self, Sizes};

/// Names that detectors give to cupboards: boxes with flat fronts.
const FRONTS: [&str; 4] = ["microwave", "oven", "screen", "fridge"];
/// How much larger than the usual largest a thing may be, for its own noise.
const SLACK: f64 = 1.15;
/// Lightness (CIE L) below which the middle of a flat thing is a screen that is off.
const DARK: f32 = 28.0;

/// The objects with names that their boxes allow; those that no name fits are left out.
pub(super) fn named(objects: Vec<Object>, views: &[View], room: &Room, o: &ObjectOptions) -> Vec<Object> {
    let name = |mut x: Object| {
        let label = allowed(&x, views, room, o)?;
        x.label = label.to_owned();
        Some(x)
    };
    objects.into_iter().filter_map(name).collect()
}

/// The name of an object, after what its box says of it.
fn allowed<'a>(x: &'a Object, views: &[View], room: &Room, o: &ObjectOptions) -> Option<&'a str> {
    let [long, short, tall] = x.upright.sides().map(|s| s / room.metre);
    let at_wall = hangs_flat(x, room, o);
    if FRONTS.contains(&x.label.as_str()) {
        let sizes = vocabulary::word(&x.label)?.sizes;
        if at_wall && x.label != "fridge" {
            // A screen that is off is black; a picture is no thicker than its frame, and seldom black.
            return Some(if darkness(x, views) < DARK { "screen" } else { "picture" });
        }
        let is_too_wide = x.label == "fridge" && long > SLACK * tall;
        if is_too_wide || exceeds(&sizes, long, tall) || mixed(x) {
            return Some("cabinet");
        }
    }
    let flat_on_floor = tall < 0.1 && x.upright.foot[2] < room.floor + 0.1 * room.metre && short > 0.4;
    if flat_on_floor { Some("rug") } else { Some(&x.label) }
}

/// Whether the names that an object was given are several of [`FRONTS`]: detectors know no cupboards.
fn mixed(x: &Object) -> bool {
    let of = |name: &str| vocabulary::canonical(name).is_some_and(|c| FRONTS.contains(&c));
    let all: f64 = x.votes.iter().map(|v| v.1).sum();
    let fronts: Vec<f64> = x.votes.iter().filter(|v| of(&v.0)).map(|v| v.1).collect();
    // A second name with a quarter of the votes is no slip.
    const SECOND: f64 = 0.25;
    fronts.get(1).is_some_and(|second| *second > SECOND * all)
}

fn exceeds(sizes: &Sizes, long: f64, tall: f64) -> bool {
    long > SLACK * sizes.longest.most || tall > SLACK * sizes.height.most
}

/// Whether a thing hangs flat on a wall, clear of the floor.
fn hangs_flat(x: &Object, room: &Room, o: &ObjectOptions) -> bool {
    let b = &x.upright;
    let clear = b.foot[2] > room.floor + 0.5 * room.metre;
    let before = |w: &super::room::Wall| {
        let farthest = b.corners().iter().map(|c| w.distance(c)).fold(f64::NEG_INFINITY, f64::max);
        w.faces(&b.center()) && farthest < (o.flat_on_wall + 0.06) * room.metre
    };
    clear && room.walls.iter().any(before)
}

/// Median lightness (CIE L) of the middle of an object in the photo that shows it largest.
fn darkness(x: &Object, views: &[View]) -> f32 {
    let size = |r: &[f64; 4]| (r[2] - r[0]) * (r[3] - r[1]);
    let Some(best) = x.sightings.iter().max_by(|a, b| size(&a.detection.bounds).total_cmp(&size(&b.detection.bounds)))
    else {
        return 100.0;
    };
    let (r, image) = (best.detection.bounds, views[best.view].image);
    const ALONG: usize = 12;
    let mut light: Vec<f32> = (0..ALONG * ALONG)
        .map(|k| {
            let at = |k: usize, lo: f64, hi: f64| lo + (hi - lo) * (0.25 + 0.5 * (k as f64 + 0.5) / ALONG as f64);
            let (u, v) = (at(k % ALONG, r[0], r[2]) as u32, at(k / ALONG, r[1], r[3]) as u32);
            lab(image.get_pixel(u.min(image.width() - 1), v.min(image.height() - 1)).0)[0]
        })
        .collect();
    light.sort_by(f32::total_cmp);
    light[light.len() / 2]
}

/// The objects without those that are a stronger one, found again from photos that show another part of it.
pub(super) fn distinct(mut objects: Vec<Object>, views: &[View], o: &ObjectOptions) -> Vec<Object> {
    objects.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Object> = Vec::new();
    for x in objects {
        if !kept.iter().any(|k| is_again(&x, k, views, o)) {
            kept.push(x);
        }
    }
    kept
}

fn is_again(x: &Object, stronger: &Object, views: &[View], o: &ObjectOptions) -> bool {
    if x.upright.obb().iou(&stronger.upright.obb()) >= o.same_place {
        return true;
    }
    if !vocabulary::related(&x.label, &stronger.label) || x.label == "book" {
        return false;
    }
    // A part of a thing, named as the whole.
    let inside = x.upright.obb().intersection_volume(&stronger.upright.obb());
    if inside > o.same_projection * x.upright.obb().volume() {
        return true;
    }
    let bounds = |x: &Object, view: usize| project(&x.upright, &views[view].camera).map(|p| cut(&p.bounds, &views[view].camera));
    let overlaps = x.sightings.iter().map(|s| {
        let other = bounds(stronger, s.view);
        other.map_or(0.0, |r| iou(&s.detection.bounds, &r))
    });
    overlaps.sum::<f64>() >= o.same_projection * x.sightings.len() as f64
}
