//! Which detections support a box.

use super::hypothesis::Seed;
use super::shown::{cut, project, shown};
use super::{ObjectOptions, Upright};
use crate::perception::View;
use crate::perception::detection::iou;
use crate::scene::{Cancelled, Job};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A detection that supports a box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Supporter {
    /// Index of its seed.
    pub(super) seed: usize,
    /// IoU of its rectangle with the projection, or with the part of it that shows.
    pub(super) overlap: f64,
    /// Score times overlap, less for another name.
    pub(super) weight: f64,
}

/// The support of a box, at most one detection a photo, by view.
#[derive(Clone, Debug, Default)]
pub(super) struct Supported {
    pub(super) sightings: Vec<Supporter>,
    /// Photos that must show the box.
    pub(super) visible_in: usize,
    /// Sum over those of the share of the box that they show, at least the vote of the detection there.
    pub(super) shown: f64,
}

/// All seeds, which of them are still free, and their first support.
pub(super) struct Supporters<'o> {
    seeds: Vec<Seed>,
    by_view: Vec<Vec<usize>>,
    free: Vec<bool>,
    tried: Vec<bool>,
    first: Vec<Supported>,
    options: &'o ObjectOptions,
    metre: f64,
}

impl<'o> Supporters<'o> {
    pub(super) fn of(
        views: &[View],
        seeds: Vec<Seed>,
        metre: f64,
        options: &'o ObjectOptions,
        job: &dyn Job,
    ) -> Result<Self, Cancelled> {
        let mut by_view = vec![Vec::new(); views.len()];
        seeds.iter().enumerate().for_each(|(k, s)| by_view[s.view].push(k));
        let n = seeds.len();
        let mut out =
            Self { seeds, by_view, free: vec![true; n], tried: vec![false; n], first: Vec::new(), options, metre };
        for chunk in (0..n).collect::<Vec<_>>().chunks(256) {
            job.tick(chunk[0], n)?;
            let part: Vec<Supported> = chunk
                .par_iter()
                .map(|k| out.supported(views, &out.seeds[*k].upright, &out.seeds[*k].label, options.first_overlap))
                .collect();
            out.first.extend(part);
        }
        Ok(out)
    }

    pub(super) fn len(&self) -> usize {
        self.seeds.len()
    }

    /// Seeds that need no more looking at.
    pub(super) fn done(&self) -> usize {
        (0..self.len()).filter(|k| self.tried[*k] || !self.free[*k]).count()
    }

    pub(super) fn seed(&self, k: usize) -> &Seed {
        &self.seeds[k]
    }

    /// The untried seed with the most support by free detections, which is tried now; `None` when none has enough.
    pub(super) fn best(&mut self) -> Option<usize> {
        let support = |k: usize| {
            let free = self.first[k].sightings.iter().filter(|s| self.free[s.seed]);
            free.fold((0.0, 0usize), |(w, n), s| (w + s.weight, n + 1))
        };
        let best = (0..self.len())
            .filter(|k| self.free[*k] && !self.tried[*k])
            .map(|k| (k, support(k)))
            .filter(|(_, (_, n))| *n >= self.options.least_views)
            .max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.0.cmp(&a.0)))?
            .0;
        self.tried[best] = true;
        Some(best)
    }

    /// The free detections that support a box of that name.
    pub(super) fn supported(&self, views: &[View], b: &Upright, label: &str, least: f64) -> Supported {
        let mut out = Supported::default();
        for (i, view) in views.iter().enumerate() {
            let Some(shown) = shown(b, view, self.metre, self.options) else { continue };
            out.visible_in += 1;
            if shown.seen_through {
                out.shown += 1.0;
                continue;
            }
            let best = self.by_view[i]
                .iter()
                .filter(|k| self.free[**k])
                .filter_map(|k| {
                    let seed = &self.seeds[*k];
                    let r = &seed.detection.bounds;
                    let overlap = iou(&shown.bounds, r).max(iou(&shown.free, r));
                    let name = if seed.label == label { 1.0 } else { self.options.other_name };
                    let weight = overlap * seed.detection.score * name;
                    (overlap >= least).then_some(Supporter { seed: *k, overlap, weight })
                })
                .max_by(|a, b| a.weight.total_cmp(&b.weight).then(b.seed.cmp(&a.seed)));
            let vote = best.map_or(0.0, |s: Supporter| s.overlap * self.seeds[s.seed].detection.score);
            out.shown += shown.share.max(vote);
            out.sightings.extend(best);
        }
        out
    }

    /// The name that the supporters elect, each with score times overlap.
    pub(super) fn elected(&self, supported: &Supported) -> Option<String> {
        let mut votes: BTreeMap<&str, f64> = BTreeMap::new();
        for s in &supported.sightings {
            *votes.entry(&self.seeds[s.seed].label).or_default() += self.seeds[s.seed].detection.score * s.overlap;
        }
        votes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(a.0))).map(|v| v.0.to_owned())
    }

    /// Takes away the supporters of a box, and the detections that it explains.
    pub(super) fn take(&mut self, views: &[View], b: &Upright, supported: &Supported) {
        supported.sightings.iter().for_each(|s| self.free[s.seed] = false);
        for (i, view) in views.iter().enumerate() {
            let Some(p) = project(b, &view.camera) else { continue };
            let bounds = cut(&p.bounds, &view.camera);
            let free = shown(b, view, self.metre, self.options).map_or(bounds, |s| s.free);
            for k in &self.by_view[i] {
                let r = &self.seeds[*k].detection.bounds;
                if iou(&bounds, r).max(iou(&free, r)) > self.options.explained_overlap {
                    self.free[*k] = false;
                }
            }
        }
    }
}
