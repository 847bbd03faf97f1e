//! First guesses: each detection as a box in the world.

use super::shown::depth_at;
use super::{ObjectOptions, Room, Upright};
use crate::perception::View;
use crate::perception::detection::Detection;
use crate::perception::vocabulary::{self, Sizes, Span, Support, Word};
use rayon::prelude::*;

/// A detection with the box that it suggests.
#[derive(Clone, Debug)]
pub(super) struct Seed {
    pub(super) view: usize,
    pub(super) detection: Detection,
    /// What it is: the word of the vocabulary, or the detection's own where that has none.
    pub(super) label: String,
    /// Depth measured in its middle, scene units.
    pub(super) depth: f64,
    /// Edges that lie on the photo's border: left, top, right, bottom.
    pub(super) at_border: [bool; 4],
    pub(super) upright: Upright,
}

/// Sizes of what the vocabulary has no word for.
static ANYTHING: Word = Word {
    name: "object",
    kind_of: "",
    synonyms: &[],
    support: Support::Any,
    sizes: Sizes {
        longest: Span { least: 0.04, typical: 0.4, most: 3.0 },
        shortest: Span { least: 0.02, typical: 0.25, most: 1.5 },
        height: Span { least: 0.02, typical: 0.4, most: 2.4 },
    },
};

/// Sizes and support of what has a name.
pub(super) fn word_of(label: &str) -> &'static Word {
    vocabulary::word(label).unwrap_or(&ANYTHING)
}

/// Distance of an edge from the border at which the thing may go on outside, as a share of the photo's longer side.
const BORDER: f64 = 0.005;
/// Part of the rectangle whose depth is looked at, and the quantile of it that is the thing's: what is behind it shows
/// through and around it, what is before it hides it, and the first is more often.
const MIDDLE: [f64; 2] = [0.3, 0.35];
const QUANTILE: f64 = 0.35;

/// Seeds of all detections that can be placed, by view and as given.
pub(super) fn seeds(views: &[View], detections: &[Vec<Detection>], room: &Room, o: &ObjectOptions) -> Vec<Seed> {
    views
        .par_iter()
        .zip(detections)
        .enumerate()
        .flat_map_iter(|(i, (view, found))| {
            let usable = found.iter().filter(|d| d.score >= o.least_score);
            usable.filter_map(|d| seed(i, view, d, room, o)).collect::<Vec<_>>()
        })
        .collect()
}

/// Whether a thing of that name can look so wide and so high, in metres at the measured depth.
fn is_plausible(word: &Word, [width, height]: [f64; 2], at_border: [bool; 4]) -> bool {
    /// How far beyond the usual range a size may be: the scale of a scene is often a guess, and so is the depth of a thing with gaps.
    const SLACK: f64 = 1.8;
    let Sizes { longest, shortest, height: tall } = word.sizes;
    // A thing that lies is seen from above, its depth as height in the photo.
    let highest = tall.most.hypot(longest.most);
    let is_cut = at_border.iter().any(|b| *b);
    width < SLACK * longest.most.hypot(shortest.most)
        && height < SLACK * highest
        && (is_cut || width.max(height) > shortest.least.min(tall.least).max(0.3 * longest.least) / SLACK)
}

fn seed(index: usize, view: &View, detection: &Detection, room: &Room, o: &ObjectOptions) -> Option<Seed> {
    let word = word_of(&detection.label);
    let label =
        vocabulary::canonical(&detection.label).map_or_else(|| vocabulary::tidy(&detection.label), str::to_owned);
    let r = detection.bounds;
    let (pw, ph) = (f64::from(view.image.width()), f64::from(view.image.height()));
    let longer = pw.max(ph);
    let (w, h) = (r[2] - r[0], r[3] - r[1]);
    if !(w.min(h) >= o.least_side * longer) {
        return None;
    }
    let depth = middle_depth(view, &r)?;
    let k = view.camera.intrinsics;
    let metres = [w / k.fx * depth / room.metre, h / k.fy * depth / room.metre];
    let border = BORDER * longer;
    let at_border = [r[0] <= border, r[1] <= border, r[2] >= pw - border, r[3] >= ph - border];
    if !is_plausible(word, metres, at_border) {
        return None;
    }
    let (u, v) = (0.5 * (r[0] + r[2]), 0.5 * (r[1] + r[3]));
    let middle = view.camera.unproject(u, v, depth);
    let mut away = middle - view.camera.center();
    away.z = 0.0;
    let away = away.try_normalize(1e-9)?;
    let Sizes { longest, shortest, height: tall } = word.sizes;
    let within = |x: f64, least: &Span, most: &Span| x.clamp(least.least * room.metre, most.most * room.metre);
    let deep = shortest.typical * room.metre;
    let is_cut = at_border[0] || at_border[2];
    let seen = within(w / k.fx * depth, &shortest, &longest);
    let width = if is_cut { seen.max(deep) } else { seen };
    let top = middle.z + 0.5 * h / k.fy * depth;
    let (foot, height) = if word.support == Support::Floor {
        (room.floor, within(top - room.floor, &tall, &tall))
    } else {
        let height = within(h / k.fy * depth, &tall, &tall);
        (middle.z - 0.5 * height, height)
    };
    let back = middle + away * (0.5 * deep);
    // The first axis lies across the line of sight, turned to the nearest direction of the walls.
    let yaw = room.along_grid(away.y.atan2(away.x) - std::f64::consts::FRAC_PI_2);
    let upright = Upright { foot: [back.x, back.y, foot], size: [width, deep, height], yaw };
    Some(Seed { view: index, detection: detection.clone(), label, depth, at_border, upright })
}

/// Depth of the thing in a rectangle; `None` where hardly anything is known.
fn middle_depth(view: &View, r: &[f64; 4]) -> Option<f64> {
    const ALONG: usize = 15;
    let (u, v) = (0.5 * (r[0] + r[2]), 0.5 * (r[1] + r[3]));
    let half = [MIDDLE[0] * (r[2] - r[0]), MIDDLE[1] * (r[3] - r[1])];
    let at = |k: usize, mid: f64, half: f64| mid + half * (2.0 * (k as f64 + 0.5) / ALONG as f64 - 1.0);
    let mut z: Vec<f64> = (0..ALONG * ALONG)
        .map(|k| depth_at(view, at(k % ALONG, u, half[0]), at(k / ALONG, v, half[1])))
        .filter(|z| *z > 0.0)
        .collect();
    z.sort_by(f64::total_cmp);
    (z.len() * 10 >= ALONG * ALONG).then(|| z[(z.len() as f64 * QUANTILE) as usize])
}
