//! Sparse points from given poses, and poses and focal lengths that fit the photos better where the given ones are off.

use super::bundle::{Limits, PosePrior, Refine};
use super::features::Features;
use super::graph::{Pair, Tick, Track, normalised, per_pixel, tracks};
use super::learned::{self, Added};
use super::mapper::{Mapper, Tolerance};
use super::matching::match_features;
use super::two_view::{Match, sampson2};
use super::view::View;
use super::{SfmError, SfmInput, SfmOptions, Stage, assemble, math, outcome, posed, prepare, validate};
use crate::scene::{Camera, Cancelled, Intrinsics, Job, Sparse};
use rayon::prelude::*;

/// What observations must satisfy where poses are given: those may be off by a little.
const GIVEN: Tolerance = Tolerance { pixels: 4.0, angle: 0.02 };
/// Standard deviation of given rotations, radians. Trackers know turns best, and a looser hold lets scale drift from photo
/// to photo.
const SIGMA_ROTATION: f64 = 0.001;
/// Standard deviation of given camera centres as part of the median depth: 2.5 mm in a room.
const SIGMA_CENTRE: f64 = 0.001;
/// Variance of observations, square pixels, in the cost of leaving the given poses.
const OBSERVATION_VARIANCE: f64 = 0.25;
/// Adjustments of poses and focal lengths; between them observations are judged anew.
const ROUNDS: usize = 3;
const LIMITS: Limits = Limits { steps: 10, tolerance: 1e-4 };
/// Part of the mean reprojection error that must remain at most for what was given to be replaced.
const GAIN: f64 = 0.9;
/// Least pixels gained for poses to be replaced: so many parameters always fit a little better.
const LEAST_GAIN: f64 = 0.05;

/// Sparse points for photos whose cameras are known, in the frame and at the scale of those cameras.
///
/// Cameras come back exactly as given, unless poses and focal lengths near the given ones fit the photos clearly better:
/// trackers of hand-held devices are off by millimetres and tenths of degrees, calibrations of another day by a percent,
/// and depth suffers from both. Then they are adjusted together with the points, each pose held near its given one by a
/// Gaussian prior, and `job` is warned by how much they moved. Nothing here is random, so that the seed is not used.
pub fn triangulate(
    input: &SfmInput,
    cameras: &[Camera],
    options: &SfmOptions,
    job: &dyn Job,
) -> Result<Sparse, SfmError> {
    validate(input)?;
    validate_cameras(input, cameras)?;
    let intrinsics: Vec<Intrinsics> = cameras.iter().map(|c| c.intrinsics).collect();
    let input = &SfmInput { intrinsics: &intrinsics, ..*input };
    let stage = |from, to| Stage { job, from, to };
    let prepared = prepare(input, &stage(0, 500))?;
    let views: Vec<View> =
        prepared.intrinsics.iter().zip(cameras).map(|(k, c)| View::new(k, c.c2w.inverse())).collect();
    let pairs = posed_pairs(&prepared.features, &views, &posed::pairs(cameras), &stage(500, 800))?;
    let mut mapper = mapped(&prepared.features, &pairs, views.clone(), &prepared.group);
    let hanging = assemble::short_of(assemble::PLENTY, std::slice::from_ref(&mapper), cameras.len());
    let (added, with_added): (Added, Vec<Pair>);
    if let Some(learned) = options.learned.as_deref().filter(|_| hanging.contains(&true)) {
        let looking = stage(800, 900);
        let tick: Tick = &|d, t| looking.tick(d, t);
        added = learned::added(learned, input, &prepared.intrinsics, &prepared.features, &hanging, tick)?;
        with_added = with_matches(&added, &views, &pairs);
        mapper = mapped(&added.features, &with_added, views, &prepared.group);
    }
    job.tick(900, 1000)?;
    let mut sparse = outcome::collect(&mapper, &prepared.intrinsics, input).sparse;
    for (found, given) in sparse.cameras.iter_mut().zip(cameras) {
        *found = Some(*given);
    }
    // Focal lengths alone first: exact poses stay as they are.
    for poses in [false, true] {
        if let Some(mut better) = refined(mapper.clone(), poses, &prepared.intrinsics, input, &sparse, job)? {
            if !poses {
                better.cameras.iter_mut().flatten().zip(cameras).for_each(|(found, given)| found.c2w = given.c2w);
            }
            job.warn(what_moved(&sparse, &better));
            sparse = better;
        }
    }
    if sparse.points.is_empty() {
        job.warn(
            "no point could be triangulated from the given poses: the photos share too little, or the poses are wrong"
                .into(),
        );
    }
    Ok(sparse)
}

fn validate_cameras(input: &SfmInput, cameras: &[Camera]) -> Result<(), SfmError> {
    let photos = input.images.len();
    if cameras.len() != photos {
        return Err(SfmError::Mismatch { photos, given: cameras.len(), what: "cameras" });
    }
    for (i, c) in cameras.iter().enumerate() {
        if !c.c2w.to_homogeneous().iter().all(|v| v.is_finite()) {
            return Err(SfmError::BadPose(i));
        }
        if !c.intrinsics.is_plausible() || (c.intrinsics.width, c.intrinsics.height) != input.images[i].dimensions() {
            return Err(SfmError::BadIntrinsics(i));
        }
    }
    Ok(())
}

/// The same points with focal lengths, and poses where `poses`, adjusted about the given ones; `None` where that gains
/// little over `given`.
fn refined(
    mut mapper: Mapper,
    poses: bool,
    working: &[Intrinsics],
    input: &SfmInput,
    given: &Sparse,
    job: &dyn Job,
) -> Result<Option<Sparse>, Cancelled> {
    let Some(depth) = given.median_depth() else { return Ok(None) };
    let sigma = [SIGMA_ROTATION, SIGMA_CENTRE * depth];
    let prior = |(view, v): (usize, &View)| PosePrior { view, w2c: v.w2c, sigma, pixels2: OBSERVATION_VARIANCE };
    mapper.priors = mapper.views.iter().enumerate().map(prior).collect();
    for _ in 0..ROUNDS {
        mapper.adjust_given(poses, LIMITS, || job.tick(950, 1000))?;
        mapper.update_all(GIVEN);
    }
    let mut found = outcome::collect(&mapper, working, input).sparse;
    // An error that falls because fewer observations are left is no gain.
    let (before, after) = (given.mean_reprojection_error(), found.mean_reprojection_error());
    let least = if poses { LEAST_GAIN } else { 0.0 };
    if after > GAIN * before || before - after < least || found.observations() < given.observations() {
        return Ok(None);
    }
    outcome::add_sigmas(&mut found.quality, &mapper.pose_sigmas());
    Ok(Some(found))
}

/// How far cameras were moved, in words.
fn what_moved(given: &Sparse, found: &Sparse) -> String {
    let (before, after) = (given.mean_reprojection_error(), found.mean_reprojection_error());
    let both = || given.cameras.iter().flatten().zip(found.cameras.iter().flatten());
    let median = |mut v: Vec<f64>| {
        v.sort_by(f64::total_cmp);
        v.get(v.len() / 2).copied().unwrap_or(0.0)
    };
    let shift = median(both().map(|(g, f)| (g.center() - f.center()).norm()).collect());
    let turn = median(both().map(|(g, f)| g.c2w.rotation.angle_to(&f.c2w.rotation).to_degrees()).collect());
    let focal = both().next().map_or((0.0, 0.0), |(g, f)| (g.intrinsics.fx, f.intrinsics.fx));
    format!(
        "the given cameras fit the photos to {before:.2} px only: they were adjusted to {after:.2} px (median shift \
         {shift:.4} units, turn {turn:.2} degrees; focal length {:.1} px, was {:.1})",
        focal.1, focal.0
    )
}

/// All photos where they were given, with the points that their tracks have.
fn mapped<'a>(features: &'a [Features], pairs: &'a [Pair], views: Vec<View>, group: &[usize]) -> Mapper<'a> {
    let tracks: Vec<Track> = tracks(features, pairs);
    let mut mapper = Mapper::new(features, pairs, tracks, views, group.to_vec(), Refine::Nothing);
    mapper.registered.fill(true);
    mapper.update_all(GIVEN);
    mapper.merge(GIVEN);
    mapper.split(GIVEN);
    mapper.update_all(GIVEN);
    mapper
}

/// The pair `(i, j)` with those of `matches` that agree with the epipolar geometry of the given poses.
fn posed_pair(features: &[Features], views: &[View], (i, j): (usize, usize), matches: Vec<(u32, u32)>) -> Pair {
    let between = views[j].w2c * views[i].w2c.inverse();
    let e = math::skew(&between.translation.vector) * between.rotation.to_rotation_matrix().matrix();
    let limit = GIVEN.pixels * per_pixel(views, i, j);
    let points = normalised(features, views, (i, j), &matches);
    let agree = |c: &Match| sampson2(&e, c) < limit * limit;
    let matches = matches.into_iter().zip(&points).filter(|(_, c)| agree(c)).map(|(m, _)| m).collect();
    Pair { i, j, matches, epipolar: e }
}

/// The pairs with what a model adds.
fn with_matches(added: &Added, views: &[View], pairs: &[Pair]) -> Vec<Pair> {
    let mut out = pairs.to_vec();
    for (at, matches) in &added.matches {
        let new = posed_pair(&added.features, views, *at, matches.clone());
        match out.iter_mut().find(|p| (p.i, p.j) == *at) {
            Some(pair) => pair.matches.extend(new.matches),
            None => out.push(new),
        }
    }
    out.sort_by_key(|p| (p.i, p.j));
    out
}

/// Matches of SIFT that agree with the given poses.
fn posed_pairs(
    features: &[Features],
    views: &[View],
    wanted: &[(usize, usize)],
    stage: &Stage,
) -> Result<Vec<Pair>, Cancelled> {
    let step = 8 * rayon::current_num_threads();
    let mut out = Vec::new();
    for (k, chunk) in wanted.chunks(step).enumerate() {
        stage.tick(k * step, wanted.len())?;
        let found = chunk.par_iter().map(|(i, j)| {
            let matches = match_features(&features[*i], &features[*j], usize::MAX);
            posed_pair(features, views, (*i, *j), matches)
        });
        out.extend(found.collect::<Vec<Pair>>());
    }
    Ok(out)
}
