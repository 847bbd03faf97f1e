//! Books that stand side by side are one row of books: that is what a person would point at, and what fits one box.

use super::{Object, ObjectOptions, Room, Sighting, Upright};

/// Fewest books of a row.
const ROW: usize = 3;
/// Largest difference of the heights at which two books of a row stand, and by which one is before the other, as a share
/// of their own height and depth.
const LEVEL: f64 = 0.35;

/// The objects with rows of books made one.
pub(super) fn joined(objects: Vec<Object>, room: &Room, o: &ObjectOptions) -> Vec<Object> {
    let (books, mut rest): (Vec<Object>, Vec<Object>) = objects.into_iter().partition(|x| x.label == "book");
    let mut group: Vec<usize> = (0..books.len()).collect();
    for a in 0..books.len() {
        for b in 0..a {
            if group[a] != group[b] && beside(&books[a].upright, &books[b].upright, o.row_gap * room.metre) {
                let (from, to) = (group[a].max(group[b]), group[a].min(group[b]));
                group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
            }
        }
    }
    for g in 0..books.len() {
        let members: Vec<&Object> = (0..books.len()).filter(|k| group[*k] == g).map(|k| &books[k]).collect();
        if members.len() < ROW {
            rest.extend(members.into_iter().cloned());
        } else {
            rest.push(row(&members, room));
        }
    }
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

fn row(members: &[&Object], room: &Room) -> Object {
    let mut whole = Upright { yaw: room.along_grid(members[0].upright.yaw), ..members[0].upright };
    for m in members {
        whole = whole.with(&m.upright);
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
    }
}
