//! Structure from motion: photos to cameras and sparse points.
//!
//! Features and matches: `features`, `matching`. Two photos: `two_view`. Tracks: `graph`. Growing a reconstruction
//! photo by photo: `incremental`, on the state in `mapper`. Everything is deterministic for a seed, whatever the number
//! of threads.

mod align;
mod assemble;
mod bridge;
mod bundle;
mod descriptor;
mod features;
mod five_point;
mod focal;
mod given;
mod graph;
mod incremental;
mod join;
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
use assemble::Setting;
use bundle::Refine;
use features::{Features, detect};
use graph::{Pair, Tick, verified_pairs};
use image::imageops::{FilterType, resize};
use image::{GrayImage, RgbImage};
use learned::{Added, Learned};
use mapper::Mapper;
use matching::choose_pairs;
use nalgebra::Isometry3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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
    /// Where keypoints and matches come from for photos that SIFT leaves out or that see few points with it.
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

/// A photo at the size where features are sought.
fn at_size(image: &RgbImage, (w, h): (u32, u32)) -> Cow<'_, RgbImage> {
    match image.dimensions() == (w, h) {
        true => Cow::Borrowed(image),
        false => Cow::Owned(resize(image, w, h, FilterType::Triangle)),
    }
}

/// Whether features may be at `p` in a photo seen at `size`: where its mask, which has a size of its own, is not 0.
fn allowed(mask: Option<&GrayImage>, size: (u32, u32), [x, y]: [f64; 2]) -> bool {
    let Some(mask) = mask else { return true };
    let (sx, sy) = (f64::from(mask.width()) / f64::from(size.0), f64::from(mask.height()) / f64::from(size.1));
    mask.get_pixel_checked((x * sx) as u32, (y * sy) as u32).is_some_and(|v| v.0[0] > 0)
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
                let mut found = detect(&at_size(input.images[i], (w, h)));
                let mask = input.masks.get(i).copied().flatten();
                found.retain(|p| allowed(mask, (w, h), *p));
                found
            })
            .collect();
        features.extend(some);
    }
    Ok(Prepared { features, intrinsics, group })
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
    let prepared = prepare(input, &stage(0, 250))?;
    let guessed: Vec<View> = prepared.intrinsics.iter().map(|k| View::new(k, Isometry3::identity())).collect();
    let choosing = stage(250, 300);
    let wanted = choose_pairs(&prepared.features, PARTNERS, &|d, t| choosing.tick(d, t))?;
    let features = &prepared.features;
    let matching = stage(300, 550);
    let (known, seed) = (input.intrinsics_known, options.seed);
    let pairs = verified_pairs(features, &guessed, &wanted, known, seed, &|d, t| matching.tick(d, t))?;
    let mut views = guessed.clone();
    if !known {
        focal::improve(features, &mut views, &pairs, &prepared.group, seed);
    }
    let refine = if known { Refine::Nothing } else { Refine::FocalAndRadial };
    let sizes: Vec<[f64; 2]> = prepared.intrinsics.iter().map(|k| [f64::from(k.width), f64::from(k.height)]).collect();
    let setting = Setting { features, views: &views, group: &prepared.group, sizes: &sizes, refine, seed };
    let mapping = stage(550, 700);
    let mut parts = assemble::parts(&setting, &pairs, &|d, t| mapping.tick(d, t))?;
    let weak = assemble::short_of(assemble::FEW, &parts, n);
    let more: Vec<Pair>;
    if weak.contains(&true) {
        more = graph::completed(features, &guessed, &pairs, &weak);
        let mapping = stage(700, 750);
        let again = assemble::parts(&setting, &more, &|d, t| mapping.tick(d, t))?;
        parts = assemble::better(again, parts);
    }
    let hanging = assemble::short_of(assemble::PLENTY, &parts, n);
    let (added, with_added): (Added, Vec<Pair>);
    if let Some(learned) = options.learned.as_deref().filter(|_| hanging.contains(&true)) {
        let (looking, mapping) = (stage(750, 900), stage(900, 950));
        let tick: Tick = &|d, t| looking.tick(d, t);
        added = learned::added(learned, input, &prepared.intrinsics, features, &hanging, tick)?;
        let base = parts.first().map_or(&pairs[..], |m| m.pairs);
        with_added = graph::with_matches(&added.features, &guessed, base, &added.matches, known, seed);
        let setting = Setting { features: &added.features, ..setting };
        let again = assemble::parts(&setting, &with_added, &|d, t| mapping.tick(d, t))?;
        parts = assemble::better(again, parts);
    }
    let mut parts = parts.into_iter();
    let Some(mut mapper) = parts.next() else { return Err(nothing(&pairs, wanted.len())) };
    let moved = align::aligned(&mapper, &pyramids(input, &prepared.intrinsics));
    mapper.features = &moved;
    let settling = stage(950, 1000);
    incremental::settle(&mut mapper, &|d, t| settling.tick(d, t))?;
    let mut found = outcome::collect(&mapper, &prepared.intrinsics, input);
    outcome::add_sigmas(&mut found.sparse.quality, &mapper.pose_sigmas());
    explained(&found.sparse, &pairs)?;
    found.sparse = outcome::scaled(found.sparse);
    warn_of_missing(&found.sparse, &pairs, parts.as_slice(), job);
    Ok(found)
}

/// Least points of a reconstruction, as a share of what its two best matched photos share: of a camera that only turned, a wrong focal
/// length lets some matches meet in space and most not.
const EXPLAINED: f64 = 0.25;

/// Refuses what explains few of the matches of the photos that it places.
fn explained(sparse: &Sparse, pairs: &[Pair]) -> Result<(), SfmError> {
    let placed = |i: usize| sparse.cameras[i].is_some();
    let best = pairs.iter().filter(|p| placed(p.i) && placed(p.j)).map(|p| p.matches.len()).max().unwrap_or(0);
    if (sparse.points.len() as f64) < EXPLAINED * best as f64 {
        return Err(SfmError::NoParallax { best });
    }
    Ok(())
}

/// Why no pair served to start from.
fn nothing(pairs: &[Pair], compared: usize) -> SfmError {
    let best = pairs.iter().map(|p| p.matches.len()).max().unwrap_or(0);
    match best {
        0..incremental::INITIAL_POINTS => SfmError::NoOverlap { pairs: compared, best },
        _ => SfmError::NoParallax { best },
    }
}

/// The photos as alignment wants them.
fn pyramids(input: &SfmInput, working: &[Intrinsics]) -> Vec<align::Pyramid> {
    let photo = |(image, k): (&&RgbImage, &Intrinsics)| {
        align::Pyramid::new(&scale_space::Plane::grey(&at_size(image, (k.width, k.height))))
    };
    input.images.par_iter().zip(working).map(photo).collect()
}

/// Photos among themselves that make a part of its own, worth telling of.
const PART: usize = 3;

/// The photos of a part, in words: how many, and from which to which.
fn described(part: &Mapper, sparse: &Sparse) -> Option<String> {
    let own: Vec<usize> =
        (0..sparse.cameras.len()).filter(|i| part.registered[*i] && sparse.cameras[*i].is_none()).collect();
    let ([first, ..], [.., last]) = (own.as_slice(), own.as_slice()) else { return None };
    (own.len() >= PART).then(|| format!("{} photos among numbers {} to {}", own.len(), first + 1, last + 1))
}

fn warn_of_missing(sparse: &Sparse, pairs: &[Pair], others: &[Mapper], job: &dyn Job) {
    let (n, registered) = (sparse.cameras.len(), sparse.registered().len());
    let apart: Vec<String> = others.iter().filter_map(|part| described(part, sparse)).collect();
    let loose = graph::parts(n, pairs.iter().filter(|p| p.matches.len() >= incremental::INITIAL_POINTS), |i| {
        sparse.cameras[i].is_none()
    });
    let parts = (1 + apart.len()).max(1 + loose.iter().filter(|size| **size >= PART).count());
    if parts > 1 {
        job.warn(format!(
            "the photos fall into {parts} or more parts that share too little; the largest, {registered} photos, is kept{}",
            if apart.is_empty() { String::new() } else { format!("; a run of their own would serve {}", apart.join(", ")) }
        ));
    }
    if registered < n {
        job.warn(format!("{} of {n} photos could not be placed and are left out", n - registered));
    }
}
