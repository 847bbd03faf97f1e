//! What geometry knows better than a detector: what a thing cannot be, and that two objects are one.

use super::room::Wall;
use super::shown::{area, cut, depth_at, project};
use super::{Object, ObjectOptions, Room, Upright};
use crate::perception::View;
use crate::perception::color::lab;
use crate::perception::vocabulary::{self, Sizes, Support};
use nalgebra::Vector3;

/// Names that detectors give to cupboards: boxes with flat fronts.
const FRONTS: [&str; 4] = ["microwave", "oven", "screen", "fridge"];
/// How much larger than the usual largest a thing may be, for its own noise.
const SLACK: f64 = 1.15;
/// Lightness (CIE L) below which the middle of a flat thing is a screen that is off.
const DARK: f32 = 28.0;

/// The objects with names that their boxes allow; those that no name fits are left out.
pub(super) fn named(objects: Vec<Object>, views: &[View], room: &Room, o: &ObjectOptions) -> Vec<Object> {
    let name = |mut x: Object| {
        let label = allowed(&x, views, room, o)?.to_owned();
        x.label = label;
        flattened(&mut x, room, o);
        Some(x)
    };
    objects.into_iter().filter_map(name).collect()
}

/// Lays a thing that hangs flat on a wall onto it, as thick as such a thing usually is: rectangles do not tell thickness.
fn flattened(x: &mut Object, room: &Room, o: &ObjectOptions) {
    let Some(word) = vocabulary::word(&x.label).filter(|w| w.support == Support::Wall || x.label == "screen") else {
        return;
    };
    let Some(wall) = hung_on(x, room, o) else { return };
    let b = &x.upright;
    let along = Vector3::new(-wall.normal.y, wall.normal.x, 0.0);
    let reach = b.corners().map(|c| along.dot(&(c - b.center())).abs()).into_iter().fold(0.0, f64::max);
    // The box may be turned against the wall by a little: its longer side is the thing's width.
    let width = (2.0 * reach).min(b.sides()[0]);
    let thick = word.sizes.shortest.typical * room.metre;
    let center = b.center() + wall.normal * (0.5 * thick - wall.distance(&b.center()));
    x.upright =
        Upright { foot: [center.x, center.y, b.foot[2]], size: [width, thick, b.size[2]], yaw: along.y.atan2(along.x) };
}

/// The name of an object, after what its box says of it.
fn allowed<'a>(x: &'a Object, views: &[View], room: &Room, o: &ObjectOptions) -> Option<&'a str> {
    let [long, short, tall] = x.upright.sides().map(|s| s / room.metre);
    let at_wall = hung_on(x, room, o).is_some();
    if is_box_like(&x.label) && stands(x, room) && lies_in_wall(x, views, room, o) {
        // What detectors call a fridge is then a door, or a piece of the wall.
        return is_door(tall, long).then_some("door");
    }
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

/// Whether a thing of that name is a closed box, so that photos do not see past any part of it.
pub(crate) fn is_box_like(label: &str) -> bool {
    FRONTS.contains(&label) || label == "cabinet"
}

fn stands(x: &Object, room: &Room) -> bool {
    /// Height above the floor up to which a thing stands on it, metres: the feet of boxes are off by so much.
    const ON_FLOOR: f64 = 0.25;
    x.upright.foot[2] < room.floor + ON_FLOOR * room.metre
}

fn is_door(tall: f64, wide: f64) -> bool {
    let sizes = vocabulary::word("door").map(|w| w.sizes);
    sizes.is_some_and(|s| {
        tall >= s.height.least && tall <= s.height.most && wide >= s.longest.least && wide <= SLACK * s.longest.most
    })
}

/// Whether what was measured in the middle of a thing's rectangles lies in the plane of the wall behind it.
fn lies_in_wall(x: &Object, views: &[View], room: &Room, o: &ObjectOptions) -> bool {
    const ALONG: usize = 8;
    let b = &x.upright;
    let Some(wall) = room.wall_behind(&b.center(), b.sides()[0]) else { return false };
    let mut distances: Vec<f64> = Vec::new();
    for s in &x.sightings {
        let (view, r) = (&views[s.view], s.detection.bounds);
        for k in 0..ALONG * ALONG {
            let at = |k: usize, lo: f64, hi: f64| lo + (hi - lo) * (0.2 + 0.6 * (k as f64 + 0.5) / ALONG as f64);
            let (u, v) = (at(k % ALONG, r[0], r[2]), at(k / ALONG, r[1], r[3]));
            let z = depth_at(view, u, v);
            if z > 0.0 {
                distances.push(wall.distance(&view.camera.unproject(u, v, z)));
            }
        }
    }
    distances.sort_by(f64::total_cmp);
    distances.get(distances.len() / 2).is_some_and(|d| d.abs() < o.in_wall * room.metre)
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

/// The wall that a thing hangs flat on, clear of the floor.
fn hung_on<'r>(x: &Object, room: &'r Room, o: &ObjectOptions) -> Option<&'r Wall> {
    /// Height above the floor from which a thing hangs, metres.
    const CLEAR: f64 = 0.5;
    let b = &x.upright;
    let reach = (o.flat_on_wall + 0.5 * b.sides()[1] / room.metre) * room.metre;
    let wall = room.wall_behind(&b.center(), reach)?;
    let is_thin = b.sides()[1] < 2.0 * o.flat_on_wall * room.metre;
    (is_thin && b.foot[2] > room.floor + CLEAR * room.metre).then_some(wall)
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
    // Its rectangles lie within those of the stronger one, in all photos and near it: it is what one saw of that.
    let away = (x.upright.center() - stronger.upright.center()).xy().norm();
    let inside = x.sightings.iter().map(|s| {
        let camera = &views[s.view].camera;
        let r = s.detection.bounds;
        project(&stronger.upright, camera).map_or(0.0, |p| {
            let b = cut(&p.bounds, camera);
            let both = area(&[b[0].max(r[0]), b[1].max(r[1]), b[2].min(r[2]), b[3].min(r[3])]);
            both / area(&r).max(1.0)
        })
    });
    let share = inside.sum::<f64>() / x.sightings.len().max(1) as f64;
    share >= o.same_projection && away < 0.5 * (x.upright.sides()[0] + stronger.upright.sides()[0])
}
