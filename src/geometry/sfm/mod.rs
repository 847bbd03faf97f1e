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
mod scale_space;
#[cfg(test)]
mod tests;
mod triangulation;
mod two_view;
mod view;

use crate::models::ModelError;
use crate::scene::{Camera, Cancelled, Intrinsics, Job, Sparse};
use bundle::Limits;
use features::{Features, detect};
use graph::{Pair, Track, normalised, per_pixel, tracks, verified_pairs};
use image::RgbImage;
use image::imageops::{FilterType, resize};
use learned::{Learned, Source};
use mapper::{Mapper, Tolerance};
use matching::choose_pairs;
use nalgebra::Isometry3;
use rayon::prelude::*;
use std::sync::Arc;
use two_view::sampson2;
use view::View;

/// Photos, one set of intrinsics for each.
pub struct SfmInput<'a> {
    /// The photos, in order of capture where there is one.
    pub images: &'a [&'a RgbImage],
    /// Intrinsics of each photo, of the photo's size.
    pub intrinsics: &'a [Intrinsics],
    /// Whether the intrinsics are exact. Else focal lengths are refined, shared by photos whose guesses are the same.
    pub intrinsics_known: bool,
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
/// What observations must satisfy where poses are given: those may be off by a little.
const GIVEN: Tolerance = Tolerance { pixels: 4.0, angle: 0.02 };

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
                if input.images[i].dimensions() == (w, h) {
                    detect(input.images[i])
                } else {
                    detect(&resize(input.images[i], w, h, FilterType::Triangle))
                }
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

/// Cameras and sparse points from photos alone. The result is scaled so that the median depth of points is 2.5; photos that
/// do not register are `None` and `job` is warned of them.
pub fn reconstruct(input: &SfmInput, options: &SfmOptions, job: &dyn Job) -> Result<Sparse, SfmError> {
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
    let fresh = || {
        let tracks = tracks(features, &pairs);
        Mapper::new(features, &pairs, tracks, views.clone(), prepared.group.clone(), !input.intrinsics_known)
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
    let Some(mapper) = best else { return Err(SfmError::NoOverlap { pairs: wanted.len(), best: best_pair }) };
    let sparse = outcome::scaled(outcome::collect(&mapper, &prepared.intrinsics, input));
    warn_of_missing(&sparse, components, job);
    Ok(sparse)
}

fn warn_of_missing(sparse: &Sparse, components: usize, job: &dyn Job) {
    let (n, registered) = (sparse.cameras.len(), sparse.registered().len());
    if components > 1 {
        job.warn(format!(
            "the photos fall into {components} or more parts that share too little; the largest, {registered} photos, is kept"
        ));
    }
    if registered < n {
        job.warn(format!("{} of {n} photos could not be placed and are left out", n - registered));
    }
}

/// Sparse points for photos whose cameras are known. Poses come back exactly as given, and so does their scale. So do
/// intrinsics, unless other focal lengths fit poses and photos clearly better: depth is proportional to them, and a
/// calibration of another day or another size is often off by a percent. Then they are refined, with a warning.
/// Nothing here is random, so that the seed is not used.
pub fn triangulate(
    input: &SfmInput,
    cameras: &[Camera],
    options: &SfmOptions,
    job: &dyn Job,
) -> Result<Sparse, SfmError> {
    validate(input)?;
    let n = input.images.len();
    if cameras.len() != n {
        return Err(SfmError::Mismatch { photos: n, given: cameras.len(), what: "cameras" });
    }
    for (i, c) in cameras.iter().enumerate() {
        let pose = c.c2w.to_homogeneous();
        if !pose.iter().all(|v| v.is_finite()) {
            return Err(SfmError::BadPose(i));
        }
        if !c.intrinsics.is_plausible() || (c.intrinsics.width, c.intrinsics.height) != input.images[i].dimensions() {
            return Err(SfmError::BadIntrinsics(i));
        }
    }
    let intrinsics: Vec<Intrinsics> = cameras.iter().map(|c| c.intrinsics).collect();
    let input = &SfmInput { intrinsics: &intrinsics, ..*input };
    let stage = |from, to| Stage { job, from, to };
    let mut prepared = prepare(input, &stage(0, 400))?;
    let source = learned_source(input, options, &mut prepared, &stage(400, 500))?;
    let views: Vec<View> =
        prepared.intrinsics.iter().zip(cameras).map(|(k, c)| View::new(k, c.c2w.inverse())).collect();
    let pairs = posed_pairs(&prepared.features, &source, &views, &posed::pairs(cameras), &stage(500, 900))?;
    let tracks: Vec<Track> = tracks(&prepared.features, &pairs);
    let mut mapper = Mapper::new(&prepared.features, &pairs, tracks, views, prepared.group.clone(), false);
    mapper.registered.fill(true);
    job.tick(900, 1000)?;
    mapper.update_all(GIVEN);
    mapper.merge(GIVEN);
    mapper.split(GIVEN);
    mapper.update_all(GIVEN);
    let mut sparse = outcome::collect(&mapper, &prepared.intrinsics, input);
    if let Some(better) = with_better_focal(mapper, &prepared.intrinsics, input, &sparse, job)? {
        sparse = better;
    }
    for (found, given) in sparse.cameras.iter_mut().zip(cameras) {
        *found = Some(Camera { intrinsics: found.map_or(given.intrinsics, |f| f.intrinsics), c2w: given.c2w });
    }
    if sparse.points.is_empty() {
        job.warn(
            "no point could be triangulated from the given poses: the photos share too little, or the poses are wrong"
                .into(),
        );
    }
    Ok(sparse)
}

/// Least relative change of a focal length that is worth making to given intrinsics.
const FOCAL_CHANGE: f64 = 0.003;
/// Part of the mean reprojection error that must remain at most for given focal lengths to be replaced.
const FOCAL_GAIN: f64 = 0.95;
/// Adjustments of the focal length; between them observations are judged anew.
const FOCAL_ROUNDS: usize = 3;
const FOCAL_LIMITS: Limits = Limits { steps: 10, tolerance: 1e-4 };

/// The same points with focal lengths refined against the given poses; `None` where that gains little.
fn with_better_focal(
    mut mapper: Mapper,
    working: &[Intrinsics],
    input: &SfmInput,
    given: &Sparse,
    job: &dyn Job,
) -> Result<Option<Sparse>, Cancelled> {
    for _ in 0..FOCAL_ROUNDS {
        mapper.adjust_focal(FOCAL_LIMITS, || job.tick(950, 1000))?;
        mapper.update_all(GIVEN);
    }
    let found = outcome::collect(&mapper, working, input);
    let change = |(found, own): (&Option<Camera>, &Intrinsics)| {
        found.map_or(0.0, |c| (c.intrinsics.fx / own.fx - 1.0).abs().max((c.intrinsics.fy / own.fy - 1.0).abs()))
    };
    let most = found.cameras.iter().zip(input.intrinsics).map(change).fold(0.0, f64::max);
    let (before, after) = (given.mean_reprojection_error(), found.mean_reprojection_error());
    // An error that falls because fewer observations are left is no gain.
    let kept = found.points.iter().map(|p| p.track.len()).sum::<usize>();
    let had = given.points.iter().map(|p| p.track.len()).sum::<usize>();
    if most < FOCAL_CHANGE || after > FOCAL_GAIN * before || kept < had {
        return Ok(None);
    }
    if let (Some(Some(c)), Some(own)) = (found.cameras.first(), input.intrinsics.first()) {
        job.warn(format!(
            "the given focal length {:.1} px does not fit the given poses: {:.1} px does (reprojection error {after:.2} px, \
             was {before:.2}), and is used",
            own.fx, c.intrinsics.fx
        ));
    }
    Ok(Some(found))
}

/// Matches that agree with the epipolar geometry of the given poses.
fn posed_pairs(
    features: &[Features],
    source: &Source,
    views: &[View],
    wanted: &[(usize, usize)],
    stage: &Stage,
) -> Result<Vec<Pair>, SfmError> {
    let step = 8 * rayon::current_num_threads();
    let mut out = Vec::new();
    for (k, chunk) in wanted.chunks(step).enumerate() {
        stage.tick(k * step, wanted.len())?;
        let found = chunk
            .par_iter()
            .map(|(i, j)| {
                let between = views[*j].w2c * views[*i].w2c.inverse();
                let e = math::skew(&between.translation.vector) * between.rotation.to_rotation_matrix().matrix();
                let limit = GIVEN.pixels * per_pixel(views, *i, *j);
                let matches = source.matches(features, *i, *j)?;
                let points = normalised(features, views, (*i, *j), &matches);
                let agree = |c: &two_view::Match| sampson2(&e, c) < limit * limit;
                let matches = matches.into_iter().zip(&points).filter(|(_, c)| agree(c)).map(|(m, _)| m).collect();
                Ok(Pair { i: *i, j: *j, matches, epipolar: e })
            })
            .collect::<Result<Vec<Pair>, ModelError>>()?;
        out.extend(found);
    }
    Ok(out)
}
