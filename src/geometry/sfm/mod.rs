//! Structure from motion: photos to cameras and sparse points.
//!
//! Features and matches: `features`, `matching`. Two photos: `two_view`. Tracks: `graph`. Growing a reconstruction
//! photo by photo: `incremental`, on the state in `mapper`. Everything is deterministic for a seed, whatever the number
//! of threads.

mod bundle;
mod descriptor;
mod features;
mod five_point;
mod focal;
mod given;
mod graph;
mod incremental;
pub mod learned;
mod mapper;
mod matching;
mod math;
mod outcome;
mod p3p;
mod pnp;
mod posed;
mod ransac;
mod retrieval;
mod scale_space;
#[cfg(test)]
mod tests;
mod triangulation;
mod two_view;
mod view;

pub use given::triangulate;

use crate::models::ModelError;
use crate::scene::{Cancelled, Intrinsics, Job, Lens, Sparse};
use bundle::Refine;
use features::{Features, detect};
use graph::{Pair, tracks, verified_pairs};
use image::imageops::{FilterType, resize};
use image::{GrayImage, RgbImage};
use learned::{Learned, Source};
use mapper::Mapper;
use matching::choose_pairs;
use nalgebra::Isometry3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use view::View;

/// Photos, one set of intrinsics for each.
pub struct SfmInput<'a> {
    /// The photos, in order of capture where there is one.
    pub images: &'a [&'a RgbImage],
    /// Intrinsics of each photo, of the photo's size.
    pub intrinsics: &'a [Intrinsics],
    /// Which pixels of each photo may be used (0: not), of the photo's size; empty where all may.
    pub masks: &'a [Option<&'a GrayImage>],
    /// Whether the intrinsics are exact. Else focal lengths are refined, shared by photos whose guesses are the same.
    pub intrinsics_known: bool,
}

/// The camera that a photo was taken with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakenWith {
    /// Intrinsics of the photo as it is.
    pub intrinsics: Intrinsics,
    /// Its lens.
    pub lens: Lens,
}

/// What structure from motion found.
#[derive(Clone, Debug)]
pub struct Reconstruction {
    /// Pinhole cameras and points. Pixel coordinates are those of the photos without distortion: where a lens bends,
    /// photos are to be passed through [`crate::scene::undistorted`] before they are used with these cameras.
    pub sparse: Sparse,
    /// How each photo was taken.
    pub taken_with: Vec<TakenWith>,
}

/// Choices that the user has.
#[derive(Clone, Debug, Default)]
pub struct SfmOptions {
    /// Seed of all random samples: the same seed gives the same reconstruction.
    pub seed: u64,
    /// Where keypoints and matches come from instead of SIFT. Which photos are matched is still chosen by SIFT.
    pub learned: Option<Arc<dyn Learned>>,
}

/// Why there is no reconstruction.
#[derive(Debug, thiserror::Error)]
pub enum SfmError {
    /// Cancelled by the user.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The learned features cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// One photo has no parallax.
    #[error("structure from motion needs two photos or more of the same place; there are {0}")]
    TooFewPhotos(usize),
    /// Lists of different lengths.
    #[error("there are {photos} photos but {given} {what}")]
    Mismatch {
        /// Number of photos.
        photos: usize,
        /// Number of the other list.
        given: usize,
        /// What the other list holds.
        what: &'static str,
    },
    /// Intrinsics that no camera has, or of another size than the photo.
    #[error("the intrinsics of photo {0} (counted from 0) are not plausible for its size")]
    BadIntrinsics(usize),
    /// A given pose with a number that is not finite.
    #[error("the given pose of photo {0} (counted from 0) is not finite")]
    BadPose(usize),
    /// Photos overlap, but from one place.
    #[error(
        "the photos overlap (two share {best} points) but show no parallax: the camera stood still or only turned; walk \
         sideways while taking them"
    )]
    NoParallax {
        /// Matches of the best pair that agree with one geometry.
        best: usize,
    },
    /// Nothing to start from.
    #[error(
        "no two photos overlap enough to start from: {pairs} pairs were matched, the best shares {best} consistent points"
    )]
    NoOverlap {
        /// Pairs of photos that were compared in full.
        pairs: usize,
        /// Matches of the best pair that agree with one geometry.
        best: usize,
    },
}

/// Longest side, pixels, at which features are sought; larger photos are reduced.
const LONGEST_SIDE: u32 = 1600;
/// Partners per photo in a full match, beside neighbours in the sequence.
const PARTNERS: usize = 14;

/// A job whose stage covers a part, in thousandths, of the whole.
struct Stage<'a> {
    job: &'a dyn Job,
    from: usize,
    to: usize,
}

impl Stage<'_> {
    fn tick(&self, done: usize, total: usize) -> Result<(), Cancelled> {
        self.job.tick(self.from + (self.to - self.from) * done.min(total) / total.max(1), 1000)
    }
}

/// Photos at working size with their features; all pixel coordinates inside this module are of that size.
struct Prepared {
    features: Vec<Features>,
    intrinsics: Vec<Intrinsics>,
    /// Photos with the same intrinsics share a group.
    group: Vec<usize>,
}

fn validate(input: &SfmInput) -> Result<(), SfmError> {
    let photos = input.images.len();
    if input.intrinsics.len() != photos {
        return Err(SfmError::Mismatch { photos, given: input.intrinsics.len(), what: "intrinsics" });
    }
    if !input.masks.is_empty() && input.masks.len() != photos {
        return Err(SfmError::Mismatch { photos, given: input.masks.len(), what: "masks" });
    }
    for (i, (image, k)) in input.images.iter().zip(input.intrinsics).enumerate() {
        if !k.is_plausible() || (k.width, k.height) != image.dimensions() {
            return Err(SfmError::BadIntrinsics(i));
        }
    }
    Ok(())
}

/// Size at which features of a photo are sought.
fn working_size(k: &Intrinsics) -> (u32, u32) {
    let longest = k.width.max(k.height);
    if longest <= LONGEST_SIDE {
        return (k.width, k.height);
    }
    let scale = f64::from(LONGEST_SIDE) / f64::from(longest);
    let side = |v: u32| ((f64::from(v) * scale).round() as u32).max(1);
    (side(k.width), side(k.height))
}

fn prepare(input: &SfmInput, stage: &Stage) -> Result<Prepared, Cancelled> {
    let intrinsics: Vec<Intrinsics> = input
        .intrinsics
        .iter()
        .map(|k| {
            let (w, h) = working_size(k);
            k.resized(w, h)
        })
        .collect();
    let mut kinds: Vec<Intrinsics> = Vec::new();
    let group = intrinsics
        .iter()
        .map(|k| {
            kinds.iter().position(|o| o == k).unwrap_or_else(|| {
                kinds.push(*k);
                kinds.len() - 1
            })
        })
        .collect();
    let n = input.images.len();
    let step = rayon::current_num_threads();
    let mut features = Vec::with_capacity(n);
    for start in (0..n).step_by(step) {
        stage.tick(start, n)?;
        let some: Vec<Features> = (start..(start + step).min(n))
            .into_par_iter()
            .map(|i| {
                let (w, h) = (intrinsics[i].width, intrinsics[i].height);
                let mut found = if input.images[i].dimensions() == (w, h) {
                    detect(input.images[i])
                } else {
                    detect(&resize(input.images[i], w, h, FilterType::Triangle))
                };
                if let Some(mask) = input.masks.get(i).copied().flatten() {
                    let (sx, sy) = (f64::from(mask.width()) / f64::from(w), f64::from(mask.height()) / f64::from(h));
                    found.retain(|[x, y]| {
                        mask.get_pixel_checked((x * sx) as u32, (y * sy) as u32).is_some_and(|v| v.0[0] > 0)
                    });
                }
                found
            })
            .collect();
        features.extend(some);
    }
    Ok(Prepared { features, intrinsics, group })
}

/// The learned model's keypoints in the place of SIFT's, where there is one.
fn learned_source<'a>(
    input: &SfmInput,
    options: &'a SfmOptions,
    prepared: &mut Prepared,
    stage: &Stage,
) -> Result<Source<'a>, SfmError> {
    let (working, features) = (&prepared.intrinsics, &mut prepared.features);
    Source::new(options.learned.as_deref(), input.images, working, features, &|d, t| stage.tick(d, t))
}

/// Cameras, lenses and sparse points from photos alone. The result is scaled so that the median depth of points is 2.5; photos that
/// do not register are `None` and `job` is warned of them.
pub fn reconstruct(input: &SfmInput, options: &SfmOptions, job: &dyn Job) -> Result<Reconstruction, SfmError> {
    validate(input)?;
    let n = input.images.len();
    if n < 2 {
        return Err(SfmError::TooFewPhotos(n));
    }
    let stage = |from, to| Stage { job, from, to };
    let mut prepared = prepare(input, &stage(0, 250))?;
    let mut views: Vec<View> = prepared.intrinsics.iter().map(|k| View::new(k, Isometry3::identity())).collect();
    let choosing = stage(250, 300);
    let wanted = choose_pairs(&prepared.features, PARTNERS, &|d, t| choosing.tick(d, t))?;
    let source = learned_source(input, options, &mut prepared, &stage(300, 400))?;
    let features = &prepared.features;
    let matching = stage(400, 600);
    let pairs = verified_pairs(features, &source, &views, &wanted, input.intrinsics_known, options.seed, &|d, t| {
        matching.tick(d, t)
    })?;
    if !input.intrinsics_known {
        focal::improve(features, &mut views, &pairs, &prepared.group, options.seed);
    }
    let mapping = stage(600, 1000);
    let refine = if input.intrinsics_known { Refine::Nothing } else { Refine::FocalAndRadial };
    let fresh = || {
        let tracks = tracks(features, &pairs);
        Mapper::new(features, &pairs, tracks, views.clone(), prepared.group.clone(), refine)
    };
    let sizes: Vec<[f64; 2]> = prepared.intrinsics.iter().map(|k| [f64::from(k.width), f64::from(k.height)]).collect();
    let (mut blocked, mut best, mut components) = (vec![false; n], None::<Mapper>, 0);
    loop {
        let mut mapper = fresh();
        if !incremental::map(&mut mapper, &sizes, &blocked, options.seed, &|d, t| mapping.tick(d, t))? {
            break;
        }
        components += 1;
        blocked.iter_mut().zip(&mapper.registered).for_each(|(b, r)| *b |= *r);
        if best.as_ref().is_none_or(|b| mapper.count() > b.count()) {
            best = Some(mapper);
        }
        // The photos that are left must be able to make a larger component.
        let left = blocked.iter().filter(|b| !**b).count();
        if left <= best.as_ref().map_or(2, Mapper::count) {
            break;
        }
    }
    let best_pair = pairs.iter().map(|p: &Pair| p.matches.len()).max().unwrap_or(0);
    let Some(mapper) = best else {
        return Err(match best_pair {
            0..incremental::INITIAL_POINTS => SfmError::NoOverlap { pairs: wanted.len(), best: best_pair },
            _ => SfmError::NoParallax { best: best_pair },
        });
    };
    let mut found = outcome::collect(&mapper, &prepared.intrinsics, input);
    outcome::add_sigmas(&mut found.sparse.quality, &mapper.pose_sigmas());
    found.sparse = outcome::scaled(found.sparse);
    warn_of_missing(&found.sparse, &pairs, components, job);
    Ok(found)
}

/// Photos among themselves that make a part of its own, worth telling of.
const PART: usize = 3;

fn warn_of_missing(sparse: &Sparse, pairs: &[Pair], components: usize, job: &dyn Job) {
    let (n, registered) = (sparse.cameras.len(), sparse.registered().len());
    let others = graph::parts(n, pairs.iter().filter(|p| p.matches.len() >= incremental::INITIAL_POINTS), |i| {
        sparse.cameras[i].is_none()
    });
    let parts = components.max(1 + others.iter().filter(|size| **size >= PART).count());
    if parts > 1 {
        job.warn(format!(
            "the photos fall into {parts} or more parts that share too little; the largest, {registered} photos, is kept"
        ));
    }
    if registered < n {
        job.warn(format!("{} of {n} photos could not be placed and are left out", n - registered));
    }
}
