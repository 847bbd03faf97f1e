//! The state of a reconstruction: views, tracks and their points, and the steps that keep them consistent.

use super::bundle::{IntrinsicsPrior, Landmark, Limits, Observation, PosePrior, Problem, Refine, adjust, pose_sigmas};
use super::features::Features;
use super::graph::{Pair, Track};
use super::triangulation::{Sight, triangulate_robust, widest_angle};
use super::view::View;
use crate::scene::Cancelled;
use nalgebra::Point3;
use rayon::prelude::*;

/// Cost, square pixels per observation, of focal lengths whose ratio is off by the factor 2. Off by 1 %, the usual limit of
/// real cameras, it is 0.0025: less than what clear evidence weighs.
const ASPECT_WEIGHT: f64 = 50.0;

/// Photos that must be placed before focal lengths are adjusted, and before distortion is.
const FOCAL_FROM: usize = 4;
const RADIAL_FROM: usize = 8;

/// Scale of the loss, pixels, while poses are rough.
pub(super) const GROWING_LOSS: f64 = 1.5;
/// Least scale of the loss, pixels: what the best of photos are exact to.
const LEAST_LOSS: f64 = 0.05;

/// Marks a feature that is in no track.
const NONE: u32 = u32::MAX;

/// What an observation and a point must satisfy.
#[derive(Clone, Copy)]
pub(super) struct Tolerance {
    /// Largest reprojection error, pixels.
    pub(super) pixels: f64,
    /// Least angle between the widest two rays to a point, radians.
    pub(super) angle: f64,
}

/// Views, tracks and points.
#[derive(Clone)]
pub(super) struct Mapper<'a> {
    pub(super) features: &'a [Features],
    pub(super) pairs: &'a [Pair],
    pub(super) tracks: Vec<Track>,
    /// Track of each feature of each photo, or [`NONE`].
    track_of: Vec<Vec<u32>>,
    pub(super) views: Vec<View>,
    pub(super) registered: Vec<bool>,
    /// Photos of one group share their intrinsics.
    group: Vec<usize>,
    /// fy / fx of each photo at the start.
    ratio: Vec<f64>,
    /// Which intrinsics are adjusted once enough photos are placed.
    pub(super) refine: Refine,
    /// What is known of poses beforehand.
    pub(super) priors: Vec<PosePrior>,
    /// The photo whose pose is held in global adjustments.
    pub(super) anchor: usize,
    /// Residual length, pixels, at which the robust loss has halved a residual's weight.
    pub(super) loss_scale: f64,
}

/// What a check of a track against its views gave.
type Checked = (Option<Point3<f64>>, Vec<bool>);

impl<'a> Mapper<'a> {
    pub(super) fn new(
        features: &'a [Features],
        pairs: &'a [Pair],
        tracks: Vec<Track>,
        views: Vec<View>,
        group: Vec<usize>,
        refine: Refine,
    ) -> Self {
        let track_of = features.iter().map(|f| vec![NONE; f.points.len()]).collect();
        let registered = vec![false; views.len()];
        let ratio = views.iter().map(|v| v.focal[1] / v.focal[0]).collect();
        let (priors, anchor, loss_scale) = (Vec::new(), 0, GROWING_LOSS);
        let mut mapper = Self {
            features,
            pairs,
            tracks,
            track_of,
            views,
            registered,
            group,
            ratio,
            refine,
            priors,
            anchor,
            loss_scale,
        };
        for t in 0..mapper.tracks.len() {
            mapper.claim(t);
        }
        mapper
    }

    fn claim(&mut self, t: usize) {
        for (i, f) in &self.tracks[t].seen {
            self.track_of[*i as usize][*f as usize] = t as u32;
        }
    }

    pub(super) fn count(&self) -> usize {
        self.registered.iter().filter(|r| **r).count()
    }

    /// Track of a feature.
    fn track(&self, image: usize, feature: u32) -> Option<usize> {
        let t = self.track_of[image][feature as usize];
        (t != NONE).then_some(t as usize)
    }

    /// The point that a feature of photo `i` is an observation of, if it fits one.
    pub(super) fn point_of(&self, i: usize, feature: usize) -> Option<Point3<f64>> {
        let track = &self.tracks[self.track(i, feature as u32)?];
        track.fitting().any(|seen| seen == (i, feature)).then_some(track.point)?
    }

    /// Number of observations that fit their points.
    pub(super) fn observations(&self) -> usize {
        self.tracks.iter().map(|t| t.fits.iter().filter(|f| **f).count()).sum()
    }

    /// Tracks that photo `i` observes, ascending, whether or not they have a point.
    pub(super) fn tracks_of(&self, i: usize) -> Vec<usize> {
        let mut out: Vec<usize> = self.track_of[i].iter().filter(|t| **t != NONE).map(|t| *t as usize).collect();
        out.sort_unstable();
        out
    }

    /// Points in the world that photo `i` should see by its tracks, and where.
    pub(super) fn visible(&self, i: usize) -> (Vec<Point3<f64>>, Vec<[f64; 2]>) {
        self.track_of[i]
            .iter()
            .zip(&self.features[i].points)
            .filter(|(t, _)| **t != NONE)
            .filter_map(|(t, uv)| self.tracks[*t as usize].point.map(|p| (p, *uv)))
            .unzip()
    }

    /// Mean reprojection error of all observations that fit their points, pixels.
    pub(super) fn mean_error(&self) -> f64 {
        let (mut sum, mut count) = (0.0, 0usize);
        for track in &self.tracks {
            let Some(p) = track.point else { continue };
            for (i, f) in track.fitting() {
                sum += self.views[i].error2(&p, self.features[i].points[f]).sqrt();
                count += 1;
            }
        }
        sum / count.max(1) as f64
    }

    /// Takes the median residual for the scale of the loss: what a half of the observations keeps to tells how much to
    /// believe the other half. Points that two photos see are left out, since they fit whatever they are.
    pub(super) fn settle_loss(&mut self) {
        let mut r2 = Vec::new();
        for track in self.tracks.iter().filter(|t| t.fits.iter().filter(|f| **f).count() > 2) {
            let Some(p) = track.point else { continue };
            r2.extend(track.fitting().map(|(i, f)| self.views[i].error2(&p, self.features[i].points[f])));
        }
        r2.sort_by(f64::total_cmp);
        let median = r2.get(r2.len() / 2).map_or(GROWING_LOSS, |r2| r2.sqrt());
        self.loss_scale = median.clamp(LEAST_LOSS, GROWING_LOSS);
    }

    /// Number of observations of photo `i` that fit their points.
    pub(super) fn fitting_in(&self, i: usize) -> usize {
        self.tracks_of(i).into_iter().filter(|t| self.tracks[*t].fitting().any(|(k, _)| k == i)).count()
    }

    fn uv(&self, (i, f): (u32, u32)) -> [f64; 2] {
        self.features[i as usize].points[f as usize]
    }

    fn check(&self, track: &Track, tolerance: Tolerance) -> Checked {
        let there: Vec<usize> = (0..track.seen.len()).filter(|k| self.registered[track.seen[*k].0 as usize]).collect();
        let sights: Vec<Sight> = there
            .iter()
            .map(|k| Sight { view: &self.views[track.seen[*k].0 as usize], uv: self.uv(track.seen[*k]) })
            .collect();
        let spread = |flags: &[bool]| {
            let mut fits = vec![false; track.seen.len()];
            there.iter().zip(flags).for_each(|(k, f)| fits[*k] = *f);
            fits
        };
        let limit2 = tolerance.pixels * tolerance.pixels;
        let mut kept: Option<(Point3<f64>, Vec<bool>, usize)> = None;
        if let Some(p) = track.point {
            let flags: Vec<bool> = sights.iter().map(|s| s.view.error2(&p, s.uv) < limit2).collect();
            let count = flags.iter().filter(|f| **f).count();
            let wide = || widest_angle(&p, sights.iter().zip(&flags).filter(|(_, f)| **f).map(|(s, _)| s.view));
            if count >= 2 && wide() >= tolerance.angle {
                if count == sights.len() {
                    return (Some(p), spread(&flags));
                }
                kept = Some((p, flags, count));
            }
        }
        let fresh = triangulate_robust(&sights, tolerance.pixels, tolerance.angle);
        let better = |n: usize| kept.as_ref().is_none_or(|k| n > k.2);
        match fresh {
            Some(r) if better(r.fits.iter().filter(|f| **f).count()) => (Some(r.point), spread(&r.fits)),
            _ => kept.map_or_else(|| (None, vec![false; track.seen.len()]), |(p, flags, _)| (Some(p), spread(&flags))),
        }
    }

    /// Triangulates the tracks `ids` that have no point, and keeps, extends or drops the points of the others.
    pub(super) fn update(&mut self, ids: &[usize], tolerance: Tolerance) {
        let checked: Vec<Checked> =
            ids.par_iter().with_min_len(32).map(|t| self.check(&self.tracks[*t], tolerance)).collect();
        for (t, (point, fits)) in ids.iter().zip(checked) {
            (self.tracks[*t].point, self.tracks[*t].fits) = (point, fits);
        }
    }

    /// [`Mapper::update`] for every track.
    pub(super) fn update_all(&mut self, tolerance: Tolerance) {
        let ids: Vec<usize> = (0..self.tracks.len()).collect();
        self.update(&ids, tolerance);
    }

    /// Observations that do not fit their track's point but agree on another become a track of their own.
    pub(super) fn split(&mut self, tolerance: Tolerance) {
        for t in 0..self.tracks.len() {
            let track = &self.tracks[t];
            if track.point.is_none() {
                continue;
            }
            let (rest, own): (Vec<_>, Vec<_>) =
                track.seen.iter().zip(&track.fits).partition(|((i, _), fits)| !**fits && self.registered[*i as usize]);
            if rest.len() < 2 {
                continue;
            }
            let mut other = Track::new(rest.into_iter().map(|(s, _)| *s).collect());
            (other.point, other.fits) = self.check(&other, tolerance);
            if other.point.is_some() {
                let (seen, fits) = own.into_iter().map(|(s, f)| (*s, *f)).unzip();
                self.tracks[t] = Track { seen, fits, point: self.tracks[t].point };
                self.tracks.push(other);
                self.claim(self.tracks.len() - 1);
            }
        }
    }

    /// Joins tracks and loose features that a verified match links and one point explains.
    pub(super) fn merge(&mut self, tolerance: Tolerance) {
        let pairs = self.pairs;
        for pair in pairs {
            if !(self.registered[pair.i] && self.registered[pair.j]) {
                continue;
            }
            for (a, b) in &pair.matches {
                let ends = [(pair.i, *a), (pair.j, *b)];
                let [first, second] = ends.map(|(i, f)| self.track(i, f));
                match (first, second) {
                    (Some(s), Some(t)) if s != t => self.merge_tracks(s, t, tolerance),
                    (Some(s), None) => self.adopt(s, (pair.j as u32, *b), tolerance),
                    (None, Some(t)) => self.adopt(t, (pair.i as u32, *a), tolerance),
                    _ => {}
                }
            }
        }
    }

    fn merge_tracks(&mut self, s: usize, t: usize, tolerance: Tolerance) {
        let (a, b) = (&self.tracks[s], &self.tracks[t]);
        let (Some(p), Some(q)) = (a.point, b.point) else { return };
        if a.seen.iter().any(|(i, _)| b.seen.iter().any(|(j, _)| i == j)) {
            return;
        }
        // The points must be near each other in pixels of every view before the costlier check.
        let near = |p: &Point3<f64>, track: &Track| {
            track
                .fitting()
                .all(|(i, f)| self.views[i].error2(p, self.features[i].points[f]) < (3.0 * tolerance.pixels).powi(2))
        };
        if !(near(&p, b) && near(&q, a)) {
            return;
        }
        let fitting = |t: &Track| t.fits.iter().filter(|f| **f).count();
        let mut joint = Track::new(a.seen.iter().chain(&b.seen).copied().collect());
        (joint.point, joint.fits) = self.check(&joint, tolerance);
        if joint.point.is_some() && fitting(&joint) >= fitting(a) + fitting(b) {
            self.tracks[s] = joint;
            self.tracks[t] = Track::default();
            self.claim(s);
        }
    }

    fn adopt(&mut self, t: usize, feature: (u32, u32), tolerance: Tolerance) {
        let track = &self.tracks[t];
        let Some(p) = track.point else { return };
        let fits = self.views[feature.0 as usize].error2(&p, self.uv(feature)) < tolerance.pixels * tolerance.pixels;
        if !fits || track.seen.iter().any(|(i, _)| *i == feature.0) {
            return;
        }
        let at = track.seen.partition_point(|s| *s < feature);
        self.tracks[t].seen.insert(at, feature);
        self.tracks[t].fits.insert(at, true);
        self.claim(t);
    }

    /// What is expected of each group's intrinsics, weighted by what is seen in it.
    fn expected(&self) -> Vec<IntrinsicsPrior> {
        let mut seen = vec![0usize; self.views.len()];
        self.tracks.iter().flat_map(Track::fitting).for_each(|(i, _)| seen[i] += 1);
        let mut out: Vec<IntrinsicsPrior> = Vec::new();
        for (i, count) in seen.iter().enumerate() {
            let weight = ASPECT_WEIGHT * *count as f64;
            match out.iter_mut().find(|a| self.group[a.view] == self.group[i]) {
                Some(a) => a.weight += weight,
                None => out.push(IntrinsicsPrior { view: i, ratio: self.ratio[i], weight }),
            }
        }
        out
    }

    /// The problem of adjusting the poses of `free` photos, the points they see, and intrinsics as `refine` says, with the
    /// tracks of its landmarks.
    fn problem(&self, free: &[bool], refine: Refine) -> (Problem, Vec<usize>) {
        let all = refine != Refine::Nothing;
        let concerned = |t: &Track| t.point.is_some() && (all || t.fitting().any(|(i, _)| free[i]));
        let ids: Vec<usize> = (0..self.tracks.len()).filter(|t| concerned(&self.tracks[*t])).collect();
        let landmarks = ids
            .iter()
            .filter_map(|t| {
                let track = &self.tracks[*t];
                let seen =
                    track.fitting().map(|(view, f)| Observation { view, uv: self.features[view].points[f] }).collect();
                track.point.map(|position| Landmark { position, seen })
            })
            .collect();
        let problem = Problem {
            views: self.views.clone(),
            free: free.to_vec(),
            group: self.group.clone(),
            refine,
            expected: if all { self.expected() } else { Vec::new() },
            priors: self.priors.iter().filter(|p| free[p.view]).copied().collect(),
            loss_scale: self.loss_scale,
            landmarks,
        };
        (problem, ids)
    }

    fn adjust(
        &mut self,
        free: &[bool],
        refine: Refine,
        limits: Limits,
        tick: impl FnMut() -> Result<(), Cancelled>,
    ) -> Result<(), Cancelled> {
        let (mut problem, ids) = self.problem(free, refine);
        adjust(&mut problem, limits, tick)?;
        self.views = problem.views;
        for (t, l) in ids.iter().zip(problem.landmarks) {
            self.tracks[*t].point = Some(l.position);
        }
        Ok(())
    }

    /// Adjusts everything.
    pub(super) fn adjust_all(
        &mut self,
        limits: Limits,
        tick: impl FnMut() -> Result<(), Cancelled>,
    ) -> Result<(), Cancelled> {
        let mut free = self.registered.clone();
        free[self.anchor] = false;
        self.adjust(&free, self.refine_now(), limits, tick)
    }

    /// Intrinsics that the photos placed so far say enough about.
    fn refine_now(&self) -> Refine {
        match self.count() {
            _ if self.refine == Refine::Nothing => Refine::Nothing,
            0..FOCAL_FROM => Refine::Nothing,
            FOCAL_FROM..RADIAL_FROM => Refine::Focal,
            _ => self.refine,
        }
    }

    /// Standard deviations of each registered photo's centre (scene units) and rotation (radians), where they are known.
    pub(super) fn pose_sigmas(&self) -> Vec<Option<[f64; 2]>> {
        pose_sigmas(&self.problem(&self.registered, Refine::Nothing).0)
    }

    /// Adjusts focal lengths, points, and where `poses`, poses about what is known of them.
    pub(super) fn adjust_given(
        &mut self,
        poses: bool,
        limits: Limits,
        tick: impl FnMut() -> Result<(), Cancelled>,
    ) -> Result<(), Cancelled> {
        self.adjust(&vec![poses; self.views.len()], Refine::Focal, limits, tick)
    }

    /// Adjusts photo `i` and the `neighbours` registered photos that share most points with it.
    pub(super) fn adjust_around(
        &mut self,
        i: usize,
        neighbours: usize,
        limits: Limits,
        tick: impl FnMut() -> Result<(), Cancelled>,
    ) -> Result<(), Cancelled> {
        let mut shared = vec![0usize; self.views.len()];
        for t in self.tracks_of(i) {
            if self.tracks[t].fitting().any(|(k, _)| k == i) {
                self.tracks[t].fitting().for_each(|(k, _)| shared[k] += 1);
            }
        }
        let mut others: Vec<usize> = (0..shared.len()).filter(|k| *k != i && shared[*k] > 0).collect();
        others.sort_by_key(|k| (std::cmp::Reverse(shared[*k]), *k));
        let mut free = vec![false; self.views.len()];
        free[i] = true;
        others.into_iter().take(neighbours).filter(|k| *k != self.anchor).for_each(|k| free[k] = true);
        self.adjust(&free, Refine::Nothing, limits, tick)
    }
}
