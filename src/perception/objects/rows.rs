//! Objects that belong together: books that stand side by side are one row, those on each
//! other one stack, rows above each other stand in a shelf, and a
//! plant includes its pot, and the parts of a long table that photos show one at a time are one table. That is what a person would point at.

use super::shown::depth_at;
use super::{Object, ObjectOptions, Room, Sighting, Upright};
use crate::perception::View;
use crate::perception::vocabulary;
use nalgebra::Point3;

/// Fewest books of a row.
const ROW: usize = 3;
/// Depth of a book that stands in a row, as a share of the longer side of one that lies.
const BOOK_DEPTH: f64 = 0.85;
/// Largest difference of the heights at which two books of a row stand, and by which one is before the other, as a share
/// of their own height and depth.
const LEVEL: f64 = 0.35;

/// The objects with rows of books made one.
pub(super) fn joined(objects: Vec<Object>, views: &[View], room: &Room, o: &ObjectOptions) -> Vec<Object> {
    let (books, mut rest): (Vec<Object>, Vec<Object>) = objects.into_iter().partition(|x| x.label == "book");
    let gap = o.row_gap * room.metre;
    let is_one = |a: usize, b: usize| {
        let (a, b) = (&books[a].upright, &books[b].upright);
        beside(a, b, gap) || stacked(a, b, gap)
    };
    let mut rows = Vec::new();
    for group in groups(books.len(), is_one) {
        let members: Vec<&Object> = group.iter().map(|k| &books[*k]).collect();
        let is_stack = members.len() > 1 && members.iter().all(|m| stacked(&members[0].upright, &m.upright, gap));
        if members.len() < ROW && !is_stack {
            rest.extend(members.into_iter().cloned());
        } else {
            rows.push(row(&members, room));
        }
    }
    rest.extend(shelves(&rows, &rest, room));
    rest.extend(rows);
    let mut rest = tables(potted(rest, room), views, room);
    rest.sort_by(|a, b| b.score.total_cmp(&a.score));
    rest
}

/// Whether two books stand on one board with less than `gap` between them.
fn beside(a: &Upright, b: &Upright, gap: f64) -> bool {
    let q = a.to_local(&b.center());
    let mid = q[2] - 0.5 * a.size[2];
    // Turns of thin books are uncertain: half of the sum of their larger sides would join boards, of the smaller ones nothing.
    let reach = |k: usize| 0.5 * (a.size[k] + b.size[k].max(b.size[1 - k].min(a.size[k])));
    let tall = a.size[2].min(b.size[2]);
    mid.abs() < LEVEL * tall && (0..2).all(|k| q[k].abs() < reach(k) + gap)
}

/// Whether one book lies on the other, with less than `gap` between them; a book lies on itself.
fn stacked(a: &Upright, b: &Upright, gap: f64) -> bool {
    let q = a.to_local(&b.center());
    let apart = (a.foot[2] - b.top()).max(b.foot[2] - a.top());
    (0..2).all(|k| q[k].abs() < 0.35 * a.sides()[0].max(b.sides()[0])) && apart < gap
}

fn row(members: &[&Object], room: &Room) -> Object {
    let first = Upright { yaw: room.along_grid(members[0].upright.yaw), ..members[0].upright };
    let mut whole = members.iter().fold(first, |b, m| b.with(&m.upright));
    // Across the row its members agree; their distances are noisy, and the outermost of many is far off.
    let across = usize::from(whole.size[0] > whole.size[1]);
    let ends = |sign: f64| {
        let end = |m: &&Object| {
            let q = m.upright.corners().map(|c| whole.to_local(&c)[across] * sign);
            q.into_iter().fold(f64::NEG_INFINITY, f64::max)
        };
        let mut all: Vec<f64> = members.iter().map(end).collect();
        all.sort_by(f64::total_cmp);
        sign * all[all.len() / 2]
    };
    if members.len() >= ROW {
        let (lo, hi) = (ends(-1.0), ends(1.0));
        let shift = whole.axes()[across] * (0.5 * (lo + hi));
        (whole.foot[0], whole.foot[1]) = (whole.foot[0] + shift.x, whole.foot[1] + shift.y);
        // Of books in a shelf only the backs are seen: a row is at least as deep as a book usually is wide.
        let usual = vocabulary::word("book").map_or(0.0, |w| w.sizes.longest.typical * BOOK_DEPTH);
        whole.size[across] = (hi - lo).max(usual * room.metre);
    }
    let best = members.iter().map(|m| m.score).fold(0.0, f64::max);
    let mut sightings: Vec<Sighting> = members.iter().flat_map(|m| m.sightings.iter().cloned()).collect();
    sightings.sort_by_key(|s| s.view);
    let sum = |f: fn(&Object) -> f64| members.iter().map(|m| f(m)).sum::<f64>();
    let votes = sum(|m| m.votes.iter().map(|v| v.1).sum());
    Object {
        label: "book".into(),
        score: best,
        upright: whole,
        votes: vec![("book".into(), votes)],
        sightings,
        visible_in: members.iter().map(|m| m.visible_in).max().unwrap_or(0),
        filled: sum(|m| m.filled) / members.len() as f64,
        seen_in_parts: false,
    }
}

/// Shelves that rows of books above each other stand in, where the detector has found none there.
fn shelves(rows: &[Object], others: &[Object], room: &Room) -> Vec<Object> {
    /// Largest gap between two boards, and thickness of a shelf's sides, metres.
    const BOARDS: f64 = 0.45;
    const SIDE: f64 = 0.03;
    /// A shelf whose lowest books are no higher than this stands on the floor, metres.
    const LOW: f64 = 0.8;
    /// What a shelf is worth that is known by its books only, of the mean of their scores.
    const KNOWN_BY_BOOKS: f64 = 0.7;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| rows[*a].upright.foot[2].total_cmp(&rows[*b].upright.foot[2]));
    let mut stacks: Vec<Vec<usize>> = Vec::new();
    for i in order {
        let above = |stack: &&mut Vec<usize>| {
            let lower = &rows[stack[stack.len() - 1]].upright;
            let q = lower.to_local(&rows[i].upright.center());
            let gap = rows[i].upright.foot[2] - lower.top();
            (0..2).all(|k| q[k].abs() < 0.5 * (lower.size[k] + rows[i].upright.size[k]))
                && gap < BOARDS * room.metre
                && gap > -0.5 * lower.size[2]
        };
        match stacks.iter_mut().find(above) {
            Some(stack) => stack.push(i),
            None => stacks.push(vec![i]),
        }
    }
    let shelf = |stack: &Vec<usize>| {
        let first = &rows[stack[0]];
        let mut b = stack.iter().fold(first.upright, |b, i| b.with(&rows[*i].upright));
        (0..2).for_each(|k| b.size[k] += 2.0 * SIDE * room.metre);
        b.size[2] += SIDE * room.metre;
        if b.foot[2] < room.floor + LOW * room.metre {
            (b.foot[2], b.size[2]) = (room.floor, b.top() - room.floor);
        }
        let score = stack.iter().map(|i| rows[*i].score).sum::<f64>() / stack.len() as f64 * KNOWN_BY_BOOKS;
        let votes = vec![("book".to_owned(), stack.iter().flat_map(|i| &rows[*i].votes).map(|v| v.1).sum())];
        let (visible_in, filled) = (first.visible_in, first.filled);
        // Nobody has seen the shelf itself: no rectangle is its own.
        let sightings = Vec::new();
        Object {
            label: "bookshelf".into(),
            score,
            upright: b,
            votes,
            sightings,
            visible_in,
            filled,
            seen_in_parts: false,
        }
    };
    let known = |s: &Object| others.iter().any(|o| o.upright.obb().iou(&s.upright.obb()) > 0.3 && o.label != "book");
    stacks.iter().filter(|s| s.len() > 1).map(shelf).filter(|s| !known(s)).collect()
}

/// The objects with the pots of plants, which detectors call vases and bowls, taken into the plants.
fn potted(objects: Vec<Object>, room: &Room) -> Vec<Object> {
    let is_pot = |o: &Object| matches!(o.label.as_str(), "vase" | "bowl" | "flower pot" | "bucket");
    let is_plant = |o: &Object| vocabulary::same(&o.label, "plant");
    let (pots, mut rest): (Vec<Object>, Vec<Object>) = objects.into_iter().partition(is_pot);
    for pot in pots {
        let holds = |plant: &&mut Object| {
            let q = plant.upright.to_local(&pot.upright.center());
            let below = plant.upright.foot[2] - pot.upright.foot[2];
            is_plant(plant)
                && (0..2).all(|k| q[k].abs() < 0.5 * plant.upright.size[k])
                && below > -0.1 * room.metre
                && below < pot.upright.size[2] + 0.1 * room.metre
        };
        match rest.iter_mut().find(holds) {
            Some(plant) => plant.upright = plant.upright.with(&pot.upright),
            None => rest.push(pot),
        }
    }
    rest
}

/// The objects with tables made one whose tops are at one height and whose footprints overlap, or between which photos see
/// that the top goes on: of a long table each photo shows a part.
fn tables(objects: Vec<Object>, views: &[View], room: &Room) -> Vec<Object> {
    /// Largest difference of the heights of two tops, metres, and least share of the smaller footprint in the other.
    const LEVEL: f64 = 0.1;
    const OVERLAP: f64 = 0.08;
    let is_table = |o: &Object| vocabulary::related(&o.label, "table");
    let (tables, mut rest): (Vec<Object>, Vec<Object>) = objects.into_iter().partition(is_table);
    let is_one = |a: &Upright, b: &Upright| {
        let smaller = (a.size[0] * a.size[1]).min(b.size[0] * b.size[1]);
        (a.top() - b.top()).abs() < LEVEL * room.metre
            && (footprint_overlap(a, b) > OVERLAP * smaller || is_bridged(a, b, views, room))
    };
    for group in groups(tables.len(), |a, b| is_one(&tables[a].upright, &tables[b].upright)) {
        let members: Vec<&Object> = group.iter().map(|k| &tables[*k]).collect();
        rest.push(one_table(&members));
    }
    rest
}

/// Indices below `n` in groups of those that `is_one` joins, directly or by way of others; groups by their first.
fn groups(n: usize, is_one: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut group: Vec<usize> = (0..n).collect();
    for a in 0..n {
        for b in 0..a {
            if group[a] != group[b] && is_one(a, b) {
                let (from, to) = (group[a].max(group[b]), group[a].min(group[b]));
                group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
            }
        }
    }
    let members = |g: usize| (0..n).filter(|k| group[*k] == g).collect::<Vec<_>>();
    (0..n).map(members).filter(|m| !m.is_empty()).collect()
}

/// Whether a surface at the height of two tops spans the gap between them.
fn is_bridged(a: &Upright, b: &Upright, views: &[View], room: &Room) -> bool {
    /// Widest gap, metres; noise of the depth there, metres and a share of the distance.
    const GAP: f64 = 0.6;
    const NOISE: (f64, f64) = (0.05, 0.02);
    const STEPS: usize = 12;
    let [p, q] = [a, b].map(|u| Point3::new(u.foot[0], u.foot[1], 0.5 * (a.top() + b.top())));
    let within = |u: &Upright, p: &Point3<f64>| {
        let q = u.to_local(p);
        (0..2).all(|k| q[k].abs() <= 0.5 * u.size[k])
    };
    let line = (1..STEPS).map(|k| p + (q - p) * (k as f64 / STEPS as f64));
    let gap: Vec<Point3<f64>> = line.filter(|p| !within(a, p) && !within(b, p)).collect();
    let width = gap.len() as f64 / STEPS as f64 * (q - p).norm();
    // Whether photos see the surface there, or past the place, or are hidden from it.
    let is_surface = |p: &Point3<f64>| {
        let (mut on, mut past) = (0usize, 0usize);
        for view in views {
            let Some((u, v, z)) = view.camera.project(p) else { continue };
            let seen = depth_at(view, u, v);
            let noise = NOISE.0 * room.metre + NOISE.1 * z;
            on += usize::from(seen > 0.0 && (seen - z).abs() < noise);
            past += usize::from(seen > z + noise);
        }
        on > past
    };
    width < GAP * room.metre && !gap.is_empty() && gap.iter().all(is_surface)
}

/// Area that two footprints share.
fn footprint_overlap(a: &Upright, b: &Upright) -> f64 {
    let flat = |u: &Upright| {
        Upright { foot: [u.foot[0], u.foot[1], 0.0], size: [u.size[0], u.size[1], 1.0], yaw: u.yaw }.obb()
    };
    flat(a).intersection_volume(&flat(b))
}

/// Tables as one. It lies along the line of their middles and reaches as far as they do; across, where all show the same, it
/// has their mean. The strongest gives name and score.
fn one_table(members: &[&Object]) -> Object {
    let Some(strong) = members.iter().max_by(|a, b| a.score.total_cmp(&b.score)) else { return members[0].clone() };
    let mut whole = (*strong).clone();
    if members.len() < 2 {
        return whole;
    }
    let total: f64 = members.iter().map(|m| m.score.max(1e-6)).sum();
    let mean = |f: &dyn Fn(&Object) -> f64| members.iter().map(|m| m.score.max(1e-6) * f(m)).sum::<f64>() / total;
    let [x, y] = [mean(&|m| m.upright.foot[0]), mean(&|m| m.upright.foot[1])];
    let spread = |f: &dyn Fn(f64, f64) -> f64| mean(&|m| f(m.upright.foot[0] - x, m.upright.foot[1] - y));
    // Direction of the larger principal axis of the middles.
    let yaw = 0.5 * (2.0 * spread(&|a, b| a * b)).atan2(spread(&|a, b| a * a - b * b));
    let frame = Upright { foot: [x, y, whole.upright.foot[2]], size: [0.0, 0.0, whole.upright.size[2]], yaw };
    let end = |m: &Object, axis: usize, sign: f64| {
        let all = m.upright.corners().map(|c| sign * frame.to_local(&c)[axis]);
        all.into_iter().fold(f64::NEG_INFINITY, f64::max)
    };
    let farthest = |sign: f64| members.iter().map(|m| end(m, 0, sign)).fold(f64::NEG_INFINITY, f64::max);
    let (lo, hi) = (-farthest(-1.0), farthest(1.0));
    let (near, far) = (-mean(&|m| end(m, 1, -1.0)), mean(&|m| end(m, 1, 1.0)));
    let [along, across] = frame.axes();
    let middle = along * (0.5 * (lo + hi)) + across * (0.5 * (near + far));
    whole.upright.foot = [x + middle.x, y + middle.y, frame.foot[2]];
    whole.upright.size = [hi - lo, far - near, frame.size[2]];
    whole.upright.yaw = yaw;
    whole.sightings = members.iter().flat_map(|m| m.sightings.iter().cloned()).collect();
    whole.sightings.sort_by_key(|s| s.view);
    whole.visible_in = members.iter().map(|m| m.visible_in).max().unwrap_or(0);
    whole.seen_in_parts = true;
    whole
}
