//! Incremental structure from motion: J. Schönberger & J.-M. Frahm, "Structure-from-Motion Revisited", CVPR 2016.

use super::bridge;
use super::bundle::{Limits, Refine};
use super::graph::{Pair, Tick, mix, normalised, per_pixel};
use super::join::join;
use super::mapper::{GROWING_LOSS, Mapper, Tolerance};
use super::pnp::{Resection, resect};
use super::ransac::ransac;
use super::two_view::{Essential, RelativePose, planarity, relative_pose};
use super::view::View;
use crate::scene::Cancelled;
use nalgebra::Isometry3;
use rayon::prelude::*;

/// While growing; the final pass is stricter.
const GROWING: Tolerance = Tolerance { pixels: 4.0, angle: 0.026 };
/// After the last adjustments.
const FINAL: Tolerance = Tolerance { pixels: 3.0, angle: 0.026 };
/// Least median angle, radians, between the rays of an initial pair.
const INITIAL_ANGLE: f64 = 0.035;
/// Median angle, radians, from which on more parallax makes an initial pair no better.
const AMPLE_ANGLE: f64 = 0.17;
/// Matches of which twice as many make an initial pair a third better.
const AMPLE_MATCHES: f64 = 100.0;
/// Fewest points of an initial pair.
pub(super) const INITIAL_POINTS: usize = 30;
/// Initial pairs that are looked at closely.
const CLOSE_LOOKS: usize = 40;
/// Reprojection error, pixels, of a resection's inliers.
const RESECTION_LIMIT: f64 = 5.0;
/// Fewest inliers of a resection, at first and once nothing else registers.
const RESECTION_INLIERS: [usize; 2] = [24, 14];
/// Smallest fraction of inliers of a resection.
const RESECTION_RATIO: f64 = 0.2;
/// Global adjustment each time the number of registered photos has grown by this factor.
const GROWTH: f64 = 1.2;

/// Distortion that moves no point by more than this, pixels, is none.
const LEAST_BEND: f64 = 0.5;
/// Part of the mean reprojection error that must remain at most for distortion to be believed.
const BEND_GAIN: f64 = 0.97;

/// Photos that were placed by [`bridge`] keep their pose if this many of their observations fit after an adjustment.
const BRIDGED: usize = 24;
/// Photos of other reconstructions that are placed at the edges of one.
const BORDERS: usize = 8;
/// Part of the observations of two reconstructions that must still fit once they are one.
const JOINED: f64 = 0.9;

const LOCAL: Limits = Limits { steps: 6, tolerance: 1e-3 };
const GLOBAL: Limits = Limits { steps: 10, tolerance: 1e-3 };
const LAST: Limits = Limits { steps: 30, tolerance: 1e-5 };

/// A pair to start from, with its relative pose.
struct Start {
    i: usize,
    j: usize,
    pose: Isometry3<f64>,
    score: f64,
}

/// Relative pose of a pair; the essential matrix is estimated here where intrinsics were only guessed.
pub(super) fn motion(m: &Mapper, pair: &Pair, seed: u64) -> Option<RelativePose> {
    let points = normalised(m.features, &m.views, (pair.i, pair.j), &pair.matches);
    let essential = if m.refine != Refine::Nothing {
        let limit = 3.0 * per_pixel(&m.views, pair.i, pair.j);
        ransac(&Essential(&points), limit, 400, mix(seed, pair.i, pair.j))?.model
    } else {
        pair.epipolar
    };
    relative_pose(&essential, &points)
}

/// Pairs to start from, best first: many matches, ample parallax, not one plane.
fn starts(m: &Mapper, blocked: &[bool], seed: u64) -> Vec<Start> {
    let open: Vec<&Pair> =
        m.pairs.iter().filter(|p| p.matches.len() >= INITIAL_POINTS && !blocked[p.i] && !blocked[p.j]).collect();
    let mut found: Vec<(Start, &Pair)> = open
        .par_iter()
        .filter_map(|pair| {
            let motion = motion(m, pair, seed)?;
            let enough = motion.angle >= INITIAL_ANGLE && 2 * motion.in_front > pair.matches.len();
            let matches = pair.matches.len() as f64;
            // Parallax decides between pairs with many matches: neighbours in a video share most and say least on depth.
            let score = matches / (matches + AMPLE_MATCHES) * (motion.angle / AMPLE_ANGLE).min(1.0);
            enough.then_some((Start { i: pair.i, j: pair.j, pose: motion.pose, score }, *pair))
        })
        .collect();
    let best_first = |a: &Start, b: &Start| b.score.total_cmp(&a.score).then((a.i, a.j).cmp(&(b.i, b.j)));
    found.sort_by(|a, b| best_first(&a.0, &b.0));
    found.truncate(CLOSE_LOOKS);
    let mut out: Vec<Start> = found
        .into_par_iter()
        .map(|(start, pair)| {
            let points = normalised(m.features, &m.views, (pair.i, pair.j), &pair.matches);
            let flat = planarity(&points, 3.0 * per_pixel(&m.views, pair.i, pair.j), mix(seed, pair.i, pair.j));
            Start { score: start.score * (1.05 - flat), ..start }
        })
        .collect();
    out.sort_by(best_first);
    out
}

/// Sets the first two views from `start`; false, and nothing registered, where they share too few good points.
fn begin(m: &mut Mapper, start: &Start, tick: Tick) -> Result<bool, Cancelled> {
    let (before, total) = ((m.views[start.i], m.views[start.j]), m.views.len());
    m.views[start.i].w2c = Isometry3::identity();
    m.views[start.j].w2c = start.pose;
    (m.registered[start.i], m.registered[start.j]) = (true, true);
    m.anchor = start.i;
    let ids = m.tracks_of(start.i);
    m.update(&ids, GROWING);
    for _ in 0..2 {
        m.adjust_all(GLOBAL, || tick(2, total))?;
        m.update(&ids, GROWING);
    }
    let points = ids.iter().filter(|t| m.tracks[**t].point.is_some()).count();
    if points >= INITIAL_POINTS {
        return Ok(true);
    }
    (m.views[start.i], m.views[start.j]) = before;
    (m.registered[start.i], m.registered[start.j]) = (false, false);
    m.update(&ids, GROWING);
    Ok(false)
}

/// How well the points that a photo should see are spread over it: cells that hold a point, over grids of 2 x 2 to 16 x 16
/// cells, finer grids counting more (Schönberger & Frahm, section 4.2).
fn spread(pixels: &[[f64; 2]], size: [f64; 2]) -> usize {
    (1..=4u32)
        .map(|level| {
            let n = 1usize << level;
            let mut taken = vec![false; n * n];
            for p in pixels {
                let cell = |k: usize| ((p[k] / size[k] * n as f64) as usize).min(n - 1);
                taken[cell(1) * n + cell(0)] = true;
            }
            taken.iter().filter(|t| **t).count() * n * n
        })
        .sum()
}

/// Finds the pose of photo `i` from the points it should see; false where too few agree.
fn register(m: &mut Mapper, i: usize, least: usize, seed: u64) -> bool {
    let (points, pixels) = m.visible(i);
    if points.len() < least {
        return false;
    }
    let problem = Resection { view: m.views[i], points: &points, pixels: &pixels };
    let Some(fit) = resect(&problem, RESECTION_LIMIT, mix(seed, i, points.len())) else { return false };
    if fit.inliers.len() < least || (fit.inliers.len() as f64) < RESECTION_RATIO * points.len() as f64 {
        return false;
    }
    m.views[i].w2c = fit.model;
    m.registered[i] = true;
    true
}

/// Places a photo that sees too few known points by what it shares with one placed photo; whether any could be.
fn span(m: &mut Mapper, blocked: &[bool], seed: u64, tick: Tick) -> Result<bool, Cancelled> {
    let n = m.views.len();
    for i in (0..n).filter(|i| !blocked[*i]) {
        if m.registered[i] {
            continue;
        }
        tick(m.count(), n)?;
        for pose in bridge::poses(m, i, seed) {
            let (before, count) = (m.clone(), m.count());
            m.views[i].w2c = pose;
            m.registered[i] = true;
            let ids = m.tracks_of(i);
            m.update(&ids, GROWING);
            m.adjust_around(i, 6, LOCAL, || tick(count, n))?;
            m.update(&ids, GROWING);
            if m.fitting_in(i) >= BRIDGED {
                return Ok(true);
            }
            *m = before;
        }
    }
    Ok(false)
}

/// Registers photos one by one until no more can be.
fn grow(m: &mut Mapper, sizes: &[[f64; 2]], blocked: &[bool], seed: u64, tick: Tick) -> Result<(), Cancelled> {
    let n = m.views.len();
    let mut adjusted_at = m.count();
    let mut strictness = 0;
    // Points that a photo saw when it last failed: it is tried again once it sees more.
    let mut failed_with = vec![0usize; n];
    loop {
        tick(m.count(), n)?;
        let mut order: Vec<(usize, usize, usize)> = (0..n)
            .filter(|i| !m.registered[*i] && !blocked[*i])
            .map(|i| {
                let pixels = m.visible(i).1;
                (spread(&pixels, sizes[i]), i, pixels.len())
            })
            .filter(|(_, i, seen)| *seen > failed_with[*i])
            .collect();
        order.sort_by_key(|(score, i, _)| (std::cmp::Reverse(*score), *i));
        let mut added = None;
        for (_, i, seen) in order {
            tick(m.count(), n)?;
            if register(m, i, RESECTION_INLIERS[strictness], seed) {
                added = Some(i);
                break;
            }
            failed_with[i] = seen;
        }
        let Some(i) = added else {
            if strictness + 1 == RESECTION_INLIERS.len() && adjusted_at == m.count() {
                if span(m, blocked, seed, tick)? {
                    failed_with.fill(0);
                    continue;
                }
                return Ok(());
            }
            // Better poses and completed tracks may let the rest in.
            strictness = RESECTION_INLIERS.len() - 1;
            tidy(m, GROWING, GLOBAL, tick)?;
            adjusted_at = m.count();
            failed_with.fill(0);
            continue;
        };
        let ids = m.tracks_of(i);
        m.update(&ids, GROWING);
        let count = m.count();
        if count as f64 >= GROWTH * adjusted_at as f64 || count < 6 {
            m.adjust_all(GLOBAL, || tick(count, n))?;
            m.update_all(GROWING);
            adjusted_at = count;
        } else {
            m.adjust_around(i, 6, LOCAL, || tick(count, n))?;
            m.update(&ids, GROWING);
        }
    }
}

/// Completes tracks, adjusts everything and drops what no longer fits.
fn tidy(m: &mut Mapper, tolerance: Tolerance, limits: Limits, tick: Tick) -> Result<(), Cancelled> {
    let (count, n) = (m.count(), m.views.len());
    m.update_all(GROWING);
    m.merge(tolerance);
    m.split(tolerance);
    m.adjust_all(limits, || tick(count, n))?;
    m.update_all(tolerance);
    Ok(())
}

/// Adjusts everything once more, to observations that have moved a little.
pub(super) fn settle(m: &mut Mapper, tick: Tick) -> Result<(), Cancelled> {
    let (count, n) = (m.count(), m.views.len());
    for _ in 0..2 {
        m.adjust_all(LAST, || tick(count, n))?;
        m.settle_loss();
        m.update_all(FINAL);
    }
    m.adjust_all(LAST, || tick(count, n))
}

/// Places `blocked` photos, which belong to another reconstruction, at the edges of this one, so that both can be joined.
fn borders(m: &mut Mapper, blocked: &[bool], seed: u64) {
    let mut order: Vec<(usize, usize)> =
        (0..m.views.len()).filter(|i| blocked[*i]).map(|i| (m.visible(i).0.len(), i)).collect();
    order.sort_by_key(|(seen, i)| (std::cmp::Reverse(*seen), *i));
    for (_, i) in order.into_iter().take(BORDERS) {
        if register(m, i, RESECTION_INLIERS[0], seed) {
            let ids = m.tracks_of(i);
            m.update(&ids, GROWING);
        }
    }
}

/// Joins `part` to `m`, and goes on from there; false, and nothing changed, where they do not fit together.
pub(super) fn extend(
    m: &mut Mapper,
    part: &Mapper,
    sizes: &[[f64; 2]],
    seed: u64,
    tick: Tick,
) -> Result<bool, Cancelled> {
    let before = m.clone();
    if !join(m, part) {
        return Ok(false);
    }
    m.loss_scale = GROWING_LOSS;
    for _ in 0..2 {
        tidy(m, GROWING, GLOBAL, tick)?;
    }
    grow(m, sizes, &vec![false; m.views.len()], seed, tick)?;
    finish(m, sizes, tick)?;
    // What was two must hold together as one: else the parts were of places that look alike.
    let kept = m.observations() as f64 >= JOINED * (before.observations() + part.observations()) as f64;
    if !kept || m.count() <= before.count() {
        *m = before;
        return Ok(false);
    }
    Ok(true)
}

/// The last adjustments of a reconstruction that has all its photos.
fn finish(m: &mut Mapper, sizes: &[[f64; 2]], tick: Tick) -> Result<(), Cancelled> {
    tidy(m, GROWING, LAST, tick)?;
    m.settle_loss();
    tidy(m, FINAL, LAST, tick)?;
    drop_weak(m);
    tidy(m, FINAL, LAST, tick)?;
    flatten(m, sizes, tick)
}

/// Photos that hardly any point supports lose their pose.
fn drop_weak(m: &mut Mapper) {
    for i in 0..m.views.len() {
        if m.registered[i] && m.fitting_in(i) < RESECTION_INLIERS[1] {
            m.registered[i] = false;
        }
    }
}

/// Takes the lens for a pinhole again where its distortion is too little to see or explains too little.
fn flatten(m: &mut Mapper, sizes: &[[f64; 2]], tick: Tick) -> Result<(), Cancelled> {
    if m.views.iter().all(|v| v.radial == [0.0; 2]) {
        return Ok(());
    }
    let bend = m.views.iter().zip(sizes).map(|(v, size)| bend(v, *size)).fold(0.0, f64::max);
    let (bent, error) = (m.clone(), m.mean_error());
    m.views.iter_mut().for_each(|v| v.radial = [0.0; 2]);
    m.refine = Refine::Focal;
    tidy(m, FINAL, LAST, tick)?;
    if bend > LEAST_BEND && error < BEND_GAIN * m.mean_error() {
        *m = bent;
    }
    Ok(())
}

/// Furthest, in pixels, that the distortion of a view moves a point on a line from the centre to a corner.
fn bend(view: &View, size: [f64; 2]) -> f64 {
    let reach = (0.5 * size[0] / view.focal[0]).hypot(0.5 * size[1] / view.focal[1]);
    let moved = |r: f64| (r * (view.radial[0] * r * r + view.radial[1] * r.powi(4))).abs() * view.mean_focal();
    (1..=10).map(|k| moved(reach * f64::from(k) / 10.0)).fold(0.0, f64::max)
}

/// Reconstructs what can be reached from the best initial pair without the `blocked` photos; false, and nothing
/// registered, where no pair serves.
pub(super) fn map(
    m: &mut Mapper,
    sizes: &[[f64; 2]],
    blocked: &[bool],
    seed: u64,
    tick: Tick,
) -> Result<bool, Cancelled> {
    for start in starts(m, blocked, seed).iter().take(12) {
        tick(0, m.views.len())?;
        if !begin(m, start, tick)? {
            continue;
        }
        grow(m, sizes, blocked, seed, tick)?;
        borders(m, blocked, seed);
        finish(m, sizes, tick)?;
        return Ok(m.count() >= 2);
    }
    Ok(false)
}
