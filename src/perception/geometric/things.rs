//! Things: what is left of the cloud without its structural planes, cut where something stands on a level surface.

use super::Segmentation;
use super::skirt::Looks;
use super::tables::{BAND, bands, hollow, mended};
use crate::perception::View;
use crate::perception::cloud::{Cloud, neighbours};
use crate::perception::rect::{Rect, smallest};
use rayon::prelude::*;

/// Least area of a level surface that can support things, and of a thing's visible surface, square metres.
pub(super) const LEAST_SUPPORT: f64 = 0.05;
const LEAST_THING: f64 = 0.012;
/// Least area and height range of the top of a table-like object, metres.
const TABLE_AREA: f64 = 0.12;
pub(super) const TABLE_HEIGHT: (f64, f64) = (0.3, 1.3);

/// Largest spread of the heights of a level surface, metres: poses drift.
const LEVEL: f64 = 0.1;
/// Depth of the edge of a level surface, and height of the noise on it, metres.
const BELOW: f64 = 0.05;
const ABOVE: f64 = 0.03;
/// Share of the outline of a level surface along which parts must touch to be one thing.
const TOUCH: f64 = 0.12;

pub(super) struct Part {
    pub(super) voxels: Vec<u32>,
    /// A level surface that looks up.
    pub(super) level: bool,
    /// Low and high percentile (10 % of a level surface, 3 % of the rest) and median of height.
    pub(super) z: [f64; 3],
    pub(super) footprint: Option<Rect>,
    /// A level surface that views see under.
    pub(super) hollow: bool,
}

/// Labels the voxels of things.
pub(crate) fn find(cloud: &Cloud, views: &[View], looks: &Looks, metre: f64, s: &mut Segmentation) {
    let area = |n: usize| n as f64 * (cloud.voxel / metre).powi(2);
    let mut of = vec![0u32; cloud.len()];
    let mut parts: Vec<Part> = Vec::new();
    let level = |v: u32| cloud.normals[v as usize][2] > 0.9;
    let free: Vec<bool> = s.of.iter().map(|l| *l == 0).collect();
    grow(
        cloud,
        &mut of,
        &mut parts,
        true,
        |v| free[v as usize] && level(v),
        |p| area(p.voxels.len()) >= LEAST_SUPPORT && p.z[2] - p.z[0] < LEVEL * metre,
    );
    if cloud.coarse > 1.0 {
        bands(cloud, &mut of, &mut parts, |v| free[v as usize] && level(v), metre);
        for part in &mut parts {
            part.hollow = hollow(cloud, views, part, metre);
        }
        mended(cloud, &mut of, &mut parts, metre);
    }
    absorb(cloud, &mut of, &mut parts, &free, metre);
    let left: Vec<bool> = (0..cloud.len()).map(|v| free[v] && of[v] == 0).collect();
    let core = core(cloud, &left);
    grow(cloud, &mut of, &mut parts, false, |v| core[v as usize], |_| true);
    spread(cloud, &mut of, &mut parts, &left);
    grow(cloud, &mut of, &mut parts, false, |v| free[v as usize], |_| true);
    let upon = upon(cloud, &parts, metre);
    let owner = joined(cloud, &of, &parts, &upon, metre, &area);
    let mut groups: Vec<Vec<usize>> = vec![Vec::new(); parts.len()];
    owner.iter().enumerate().for_each(|(p, o)| groups[*o].push(p));
    let groups = on_poles(cloud, &parts, groups, metre);
    for g in groups.iter().filter(|g| !g.is_empty()) {
        let n: usize = g.iter().map(|p| parts[*p].voxels.len()).sum();
        let voxels: Vec<u32> = g.iter().flat_map(|p| parts[*p].voxels.iter().copied()).collect();
        let whole = Part::of(cloud, voxels, false);
        let Some(r) = whole.footprint else { continue };
        let tall = (whole.z[2] - whole.z[0]) / metre;
        let longest = (r.size[0].max(r.size[1]) / metre).max(tall);
        if area(n) < LEAST_THING || longest < 0.06 * cloud.coarse {
            continue;
        }
        let top =
            g.iter().filter(|p| upon[**p] == 0).map(|p| &parts[*p]).filter(|p| p.level).max_by_key(|p| p.voxels.len());
        let is_table = top.is_some_and(|t| {
            let spread = |r: &Option<Rect>| r.map_or(0.0, |r| r.size[0] * r.size[1]);
            area(t.voxels.len()) >= TABLE_AREA
                && (TABLE_HEIGHT.0..TABLE_HEIGHT.1).contains(&(t.z[1] / metre))
                && spread(&t.footprint) > 0.5 * spread(&whole.footprint)
                && whole.z[2] - t.z[1] < 0.1 * metre
        });
        let views = whole.voxels.iter().map(|v| f64::from(cloud.views[*v as usize])).sum::<f64>() / n as f64;
        let seen = 1.0 - (-views / 4.0).exp();
        let solid = 1.0 - (-area(n) / (0.06 * cloud.coarse.powi(2))).exp();
        let shape = 0.3 + 0.3 * seen + 0.25 * solid + 0.14 * freedom(cloud, &whole.voxels, &s.of);
        let score = shape * looks.apart(cloud, &whole.voxels, metre);
        let id = s.push(if is_table { "table-like object" } else { "object" }, score);
        whole.voxels.iter().for_each(|v| s.of[*v as usize] = id);
    }
}

/// Largest width of a pole, and largest gap that depth leaves in one, metres.
const POLE: f64 = 0.3;
const GAP: f64 = 0.5;

/// Joins what is in the air with the slender thing on the floor below it: thin poles have no depth in places.
fn on_poles(cloud: &Cloud, parts: &[Part], mut groups: Vec<Vec<usize>>, metre: f64) -> Vec<Vec<usize>> {
    let whole =
        |g: &Vec<usize>| Part::of(cloud, g.iter().flat_map(|p| parts[*p].voxels.iter().copied()).collect(), false);
    groups.retain(|g| !g.is_empty());
    let wholes: Vec<Part> = groups.iter().map(whole).collect();
    for a in 0..groups.len() {
        let Some(top) = wholes[a].footprint.filter(|r| r.size[0].max(r.size[1]) < 3.0 * POLE * metre) else { continue };
        let carries = |b: &usize| {
            let p = &wholes[*b];
            let tall = p.z[2] - p.z[0];
            let Some(r) = p.footprint.filter(|r| r.size[0].max(r.size[1]) < POLE * metre) else { return false };
            *b != a
                && tall > 2.0 * r.size[0].max(r.size[1])
                && p.z[0] < 0.4 * metre
                && wholes[a].z[0] > p.z[0] + 0.6 * tall
                && wholes[a].z[0] < p.z[2] + GAP * metre
                && wholes[a].z[2] > p.z[2]
                && inside(&r, &top, 0.2 * metre)
        };
        if let Some(b) = (0..groups.len()).find(carries) {
            let moved = std::mem::take(&mut groups[a]);
            groups[b].extend(moved);
        }
    }
    groups
}

impl Part {
    pub(super) fn of(cloud: &Cloud, voxels: Vec<u32>, level: bool) -> Self {
        let mut z: Vec<f64> = voxels.iter().map(|v| f64::from(cloud.positions[*v as usize][2])).collect();
        z.sort_by(f64::total_cmp);
        let at = |share: f64| z.get(((z.len() as f64 - 1.0).max(0.0) * share) as usize).copied().unwrap_or(0.0);
        let ends = if level { 0.1 } else { 0.03 };
        let xy: Vec<[f64; 2]> =
            voxels.iter().map(|v| cloud.positions[*v as usize]).map(|p| [f64::from(p[0]), f64::from(p[1])]).collect();
        let footprint = smallest(&xy, if level { 0.0 } else { 0.02 });
        Self { level, z: [at(ends), at(0.5), at(1.0 - ends)], footprint, hollow: false, voxels }
    }
}

/// Connected parts of the voxels for which `takes`; those that are not `kept` leave their voxels free again.
pub(super) fn grow(
    cloud: &Cloud,
    of: &mut [u32],
    parts: &mut Vec<Part>,
    level: bool,
    takes: impl Fn(u32) -> bool,
    kept: impl Fn(&Part) -> bool,
) {
    let mut tried = vec![false; of.len()];
    for start in 0..of.len() as u32 {
        if of[start as usize] != 0 || tried[start as usize] || !takes(start) {
            continue;
        }
        tried[start as usize] = true;
        let (mut voxels, mut at) = (vec![start], 0);
        while at < voxels.len() {
            let c = cloud.cell(voxels[at]);
            at += 1;
            for d in neighbours() {
                let Some(v) = cloud.at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]) else { continue };
                if of[v as usize] == 0 && !tried[v as usize] && takes(v) {
                    tried[v as usize] = true;
                    voxels.push(v);
                }
            }
        }
        voxels.sort_unstable();
        let mut part = Part::of(cloud, voxels, level);
        if kept(&part) {
            if level {
                // Smoothed depth runs on from a table over what lies on it: that is not the table.
                let flat = |v: &u32| (f64::from(cloud.positions[*v as usize][2]) - part.z[1]).abs() < 2.0 * cloud.voxel;
                let voxels = part.voxels.iter().copied().filter(flat).collect();
                part = Part::of(cloud, voxels, level);
            }
            parts.push(part);
            let id = parts.len() as u32;
            parts[id as usize - 1].voxels.iter().for_each(|v| of[*v as usize] = id);
        }
    }
}

/// Least share of the 5x5x5 cells around a voxel, of those that a sheet fills, that must be taken for it to hold parts
/// together: noise bridges gaps with threads.
const SHEET: usize = 15;

/// Voxels on sheets, as against those on threads and rims.
fn core(cloud: &Cloud, left: &[bool]) -> Vec<bool> {
    let on_sheet = |v: u32| {
        let c = cloud.cell(v);
        let taken = |i: &i64| {
            let d = [i / 25 - 2, i / 5 % 5 - 2, i % 5 - 2];
            cloud.at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]).is_some_and(|u| left[u as usize])
        };
        (0..125).filter(taken).count() >= SHEET
    };
    (0..left.len() as u32).into_par_iter().map(|v| left[v as usize] && on_sheet(v)).collect()
}

/// Gives what is left to the parts that are not level, each voxel to the one that reaches it first.
fn spread(cloud: &Cloud, of: &mut [u32], parts: &mut [Part], left: &[bool]) {
    let mut queue: Vec<u32> = (0..of.len() as u32).filter(|v| left[*v as usize] && of[*v as usize] != 0).collect();
    let mut more: Vec<Vec<u32>> = vec![Vec::new(); parts.len()];
    let mut at = 0;
    while at < queue.len() {
        let (c, k) = (cloud.cell(queue[at]), of[queue[at] as usize]);
        at += 1;
        for d in neighbours() {
            let Some(v) = cloud.at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]) else { continue };
            if left[v as usize] && of[v as usize] == 0 {
                of[v as usize] = k;
                more[k as usize - 1].push(v);
                queue.push(v);
            }
        }
    }
    for (part, mut new) in parts.iter_mut().zip(more).filter(|p| !p.1.is_empty()) {
        new.extend(&part.voxels);
        new.sort_unstable();
        *part = Part::of(cloud, new, part.level);
    }
}

/// Gives level surfaces what is next to them within their outline: their edges, and noise just above them, which would
/// tie the things on them together.
fn absorb(cloud: &Cloud, of: &mut [u32], parts: &mut [Part], free: &[bool], metre: f64) {
    for k in 0..parts.len() {
        let Some(r) = parts[k].footprint else { continue };
        let (z, mut at) = (parts[k].z[1], 0);
        let mut queue = parts[k].voxels.clone();
        while at < queue.len() {
            let c = cloud.cell(queue[at]);
            at += 1;
            for d in neighbours() {
                let Some(v) = cloud.at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]) else { continue };
                let p = cloud.positions[v as usize].map(f64::from);
                let point = Rect { center: [p[0], p[1]], size: [0.0; 2], yaw: 0.0 };
                if free[v as usize]
                    && of[v as usize] == 0
                    && p[2] > z - BELOW * metre
                    && p[2] < z + ABOVE * metre
                    && inside(&point, &r, 0.5 * cloud.voxel)
                {
                    of[v as usize] = k as u32 + 1;
                    queue.push(v);
                }
            }
        }
        queue.sort_unstable();
        parts[k].voxels = queue;
    }
}

/// Which part each part belongs to. Parts that touch are one thing, unless the touch is slight, or one stands on the other: it reaches no lower
/// than the level surface, keeps within its outline, and is clearly smaller.
fn joined(
    cloud: &Cloud,
    of: &[u32],
    parts: &[Part],
    upon: &[usize],
    metre: f64,
    area: &dyn Fn(usize) -> f64,
) -> Vec<usize> {
    // (level part, other part, voxel of the level part, whether the other is under it there)
    let mut touching: Vec<(u32, u32, u32, bool)> = Vec::new();
    for v in 0..of.len() as u32 {
        let a = of[v as usize];
        if a == 0 || !parts[a as usize - 1].level {
            continue;
        }
        let c = cloud.cell(v);
        for d in neighbours() {
            let Some(u) = cloud.at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]) else { continue };
            let b = of[u as usize];
            if b != 0 && b != a {
                touching.push((a - 1, b - 1, v, d[2] < 0));
            }
        }
    }
    touching.sort_unstable();
    let mut parent: Vec<usize> = (0..parts.len()).collect();
    for run in touching.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (a, b) = (run[0].0 as usize, run[0].1 as usize);
        let tiny = area(parts[b].voxels.len()) < LEAST_THING;
        let outline = parts[a].footprint.map_or(0.0, |r| 2.0 * (r.size[0] + r.size[1]) / cloud.voxel);
        let along = run.chunk_by(|a, b| a.2 == b.2).count() as f64;
        let under = run.iter().filter(|t| t.3).count();
        if !tiny && !parts[b].level && under < 4 && along < TOUCH * outline {
            continue;
        }
        let steps = parts[b].level && upon[a] != 0 && (parts[a].z[1] - parts[b].z[1]).abs() > 0.5 * BAND * metre;
        if upon[a] != upon[b] || steps {
            continue;
        }
        let apart = |x: usize, y: usize| parts[x].hollow && !holds_up(&parts[y], &parts[x], cloud, metre);
        if apart(a, b) || apart(b, a) {
            continue;
        }
        let on = |x: usize, y: usize| parts[y].level && stands_on(&parts[x], &parts[y], cloud.voxel, metre);
        if tiny || !(on(b, a) || on(a, b)) {
            let (ra, rb) = (root(&mut parent, a), root(&mut parent, b));
            parent[ra.max(rb)] = ra.min(rb);
        }
    }
    rejoin(cloud, of, parts, upon, &mut parent);
    for leg in 0..parts.len() {
        if let Some(top) = (0..parts.len())
            .find(|t| root(&mut parent, *t) != root(&mut parent, leg) && is_leg(&parts[leg], &parts[*t], metre))
        {
            let (ra, rb) = (root(&mut parent, leg), root(&mut parent, top));
            parent[ra.max(rb)] = ra.min(rb);
        }
    }
    (0..parts.len()).map(|p| root(&mut parent, p)).collect()
}

/// For each part 1 + the hollow level surface that it stands on, 0 = none: what is on a table is no part of what is
/// beside it.
fn upon(cloud: &Cloud, parts: &[Part], metre: f64) -> Vec<usize> {
    let on = |p: &Part, top: &Part| {
        let within = p.footprint.zip(top.footprint).is_some_and(|(p, t)| inside(&p, &t, 0.1 * metre));
        top.hollow && within && !p.hollow && p.z[0] > top.z[1] - 1.5 * cloud.voxel
    };
    parts.iter().map(|p| parts.iter().position(|t| on(p, t)).map_or(0, |t| t + 1)).collect()
}

/// Length of the contact of two parts, as a share of the side of the smaller one, from which they are one.
const SEAM: f64 = 0.6;

/// Joins parts that are not level along long seams: noise ties things together by threads, furniture by boards.
fn rejoin(cloud: &Cloud, of: &[u32], parts: &[Part], upon: &[usize], parent: &mut [usize]) {
    let mut seams: Vec<(u32, u32, u32)> = Vec::new();
    for v in 0..of.len() as u32 {
        let a = of[v as usize];
        let c = cloud.cell(v);
        for d in neighbours().filter(|_| a != 0 && !parts[a as usize - 1].level) {
            let Some(u) = cloud.at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]) else { continue };
            let b = of[u as usize];
            if b != 0 && b < a && !parts[b as usize - 1].level {
                seams.push((a - 1, b - 1, v));
            }
        }
    }
    seams.sort_unstable();
    seams.dedup();
    for run in seams.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let (a, b) = (run[0].0 as usize, run[0].1 as usize);
        let side = (parts[a].voxels.len().min(parts[b].voxels.len()) as f64).sqrt();
        if upon[a] == upon[b] && run.len() as f64 >= SEAM * side {
            let (ra, rb) = (root(parent, a), root(parent, b));
            parent[ra.max(rb)] = ra.min(rb);
        }
    }
}

/// Whether something slender under a level surface, which reaches more than half its height, holds it up: the rest of a
/// table's far legs is often hidden.
fn is_leg(leg: &Part, top: &Part, metre: f64) -> bool {
    let Some(l) = leg.footprint.filter(|l| l.size[0].max(l.size[1]) < 0.2 * metre) else { return false };
    top.level
        && leg.z[0] < 0.12 * metre
        && leg.z[2] > 0.5 * top.z[1]
        && leg.z[2] < top.z[1] + 0.03 * metre
        && top.footprint.is_some_and(|t| inside(&l, &t, 0.06 * metre))
}

/// Whether a part keeps under a level surface and within its outline, as legs and frames do.
fn holds_up(part: &Part, top: &Part, cloud: &Cloud, metre: f64) -> bool {
    let (Some(p), Some(t)) = (part.footprint, top.footprint) else { return false };
    part.z[2] < top.z[1] + (ABOVE * metre).max(cloud.voxel) && inside(&p, &t, 0.1 * metre)
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

fn stands_on(thing: &Part, support: &Part, voxel: f64, metre: f64) -> bool {
    let (Some(t), Some(s)) = (thing.footprint, support.footprint) else { return false };
    if thing.z[0] < support.z[1] - 1.5 * voxel || thing.z[2] < support.z[1] + voxel {
        return false;
    }
    inside(&t, &s, 0.04 * metre) && t.size[0] * t.size[1] < 0.6 * s.size[0] * s.size[1]
}

/// Whether the corners of one rectangle are in another one that is grown by `margin`.
pub(super) fn inside(t: &Rect, s: &Rect, margin: f64) -> bool {
    let (sin, cos) = s.yaw.sin_cos();
    let (ts, tc) = t.yaw.sin_cos();
    [(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)].iter().all(|(i, j)| {
        let (a, b) = (i * t.size[0], j * t.size[1]);
        let (x, y) = (t.center[0] + a * tc - b * ts - s.center[0], t.center[1] + a * ts + b * tc - s.center[1]);
        (x * cos + y * sin).abs() < 0.5 * s.size[0] + margin && (y * cos - x * sin).abs() < 0.5 * s.size[1] + margin
    })
}

/// Share of a thing's voxels that touch nothing else, 0..1.
fn freedom(cloud: &Cloud, voxels: &[u32], label: &[u32]) -> f64 {
    let touches = |v: &&u32| {
        let c = cloud.cell(**v);
        neighbours().any(|d| cloud.at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]).is_some_and(|u| label[u as usize] != 0))
    };
    1.0 - voxels.iter().filter(touches).count() as f64 / voxels.len().max(1) as f64
}
