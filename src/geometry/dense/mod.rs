//! Dense depth of posed photos: multi-view PatchMatch with slanted planes, checked across views, holes filled.
//!
//! The matcher follows Bleyer, Rhemann & Rother 2011 (PatchMatch stereo) and Schoenberger et al. 2016 (bilateral NCC,
//! geometric consistency): from a quarter of the resolution to the whole, each pass seeded by the one before.

mod edges;
mod field;
mod fill;
mod filter;
mod level;
mod manhattan;
mod ncc;
mod neighbours;
mod patchmatch;
mod prior;
mod seed;
mod segment;
#[cfg(test)]
mod tests;

pub use prior::{fill_from_priors, metres_per_unit};

use crate::scene::{Camera, Cancelled, DepthMap, Job, SparsePoint};
use field::{Field, Link};
use image::RgbImage;
use level::{Gray, Warp, reduced, reduced_camera};
use patchmatch::{Matcher, Source};
use rayon::prelude::*;
use segment::Segments;
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One posed photo; the camera's intrinsics are those of the image as it is.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The pixels.
    pub image: &'a RgbImage,
    /// Intrinsics and pose.
    pub camera: Camera,
}

/// A dense depth map that says which of its pixels were measured.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseDepth {
    /// Depth at the resolution of the photo; 0 = unknown.
    pub depth: DepthMap,
    /// One per pixel, row-major: 0 unknown, (0, 0.5] filled from its surroundings, (0.5, 1] measured.
    pub confidence: Vec<f32>,
}

/// Long side, in pixels, beyond which photos are reduced before they are matched.
const WORK_SIDE: u32 = 640;
/// Pixels of all views together at the finest level, 32 bytes each: a plane with its cost, what was measured, the result.
const WORK_PIXELS: u64 = 80_000_000;
/// Below this many tracked points a view has no usable depth range.
const MIN_POINTS: usize = 8;

/// One pass of the matcher over every view.
struct Pass {
    /// Pyramid level: 0 is the working resolution, each next one half of it.
    level: usize,
    /// Sweeps over the image, alternately from the top left and from the bottom right.
    sweeps: usize,
    /// Weight of the geometric term, cost per pixel of forward-backward error; 0 in passes that have no depth yet.
    geometric: f32,
    /// Relative size of the first sweep's perturbations.
    perturb: f32,
    /// Neighbour views matched at most.
    sources: usize,
}

const PASSES: [Pass; 4] = [
    Pass { level: 2, sweeps: 4, geometric: 0.0, perturb: 0.05, sources: 5 },
    Pass { level: 2, sweeps: 2, geometric: 0.15, perturb: 0.03, sources: 5 },
    Pass { level: 1, sweeps: 2, geometric: 0.12, perturb: 0.015, sources: 5 },
    Pass { level: 0, sweeps: 2, geometric: 0.08, perturb: 0.004, sources: 3 },
];

/// Everything known of a view before it is matched.
struct Prepared<'a> {
    /// The photo at the working resolution.
    photo: Cow<'a, RgbImage>,
    /// Its camera.
    camera: Camera,
    /// Neighbour views, best first.
    neighbours: Vec<usize>,
    /// Tracked points: pixel coordinates of `photo`, inverse depth.
    points: Vec<[f32; 3]>,
    /// Least and greatest inverse depth searched; `None` where the view cannot be matched.
    range: Option<(f32, f32)>,
}

/// Dense depth for every view, in order, each at the resolution of its photo.
///
/// `sparse_points` give the depth range, the first hypotheses and the choice of neighbours; the frame indices of their
/// tracks index `views`. A view without points or without neighbours gets an empty map and a warning. The result
/// depends on the input and `seed` alone.
pub fn dense_depth(
    views: &[View],
    sparse_points: &[SparsePoint],
    seed: u64,
    job: &dyn Job,
) -> Result<Vec<DenseDepth>, Cancelled> {
    let prepared = prepare(views, sparse_points);
    let lost = prepared.iter().filter(|p| p.range.is_none()).count();
    if lost > 0 {
        job.warn(format!("{lost} of {} photos see too few known points for dense depth", views.len()));
    }
    let (done, total) = (AtomicUsize::new(0), views.len() * (PASSES.len() + 3));
    let step = || job.tick(done.fetch_add(1, Ordering::Relaxed) + 1, total);

    let mut fields: Vec<Field> = Vec::new();
    for (number, pass) in PASSES.iter().enumerate() {
        let grays: Vec<Gray> = prepared.par_iter().map(|p| Gray::new(&reduced(&p.photo, pass.level))).collect();
        fields = (0..views.len())
            .into_par_iter()
            .map(|i| {
                let field = run_pass(&prepared, &grays, &fields, i, number, pass, seed);
                step().map(|()| field)
            })
            .collect::<Result<_, _>>()?;
    }
    let mut measured = filter::measured(&prepared, &fields, &step)?;
    let segments: Vec<Segments> = prepared.par_iter().map(|p| segment::segments(&reduced(&p.photo, 1))).collect();
    manhattan::flatten(&prepared, &fields, &segments, &mut measured, &step)?;
    fill::fill(views, &prepared, &fields, &segments, &measured, &step)
}

/// Photos at the working resolution, neighbours and depth ranges of all views.
fn prepare<'a>(views: &[View<'a>], points: &[SparsePoint]) -> Vec<Prepared<'a>> {
    let pixels: u64 = views.iter().map(|v| u64::from(v.image.width()) * u64::from(v.image.height())).sum();
    let shrink = (WORK_PIXELS as f64 / pixels.max(1) as f64).sqrt().min(1.0);
    let neighbours = neighbours::choose(views, points);
    views
        .par_iter()
        .zip(neighbours)
        .enumerate()
        .map(|(i, (view, neighbours))| {
            let (photo, camera) = level::working(view, WORK_SIDE, shrink);
            let points = seed::points_of(i, &camera, points);
            let range = if neighbours.is_empty() || points.len() < MIN_POINTS { None } else { seed::range(&points) };
            Prepared { photo, camera, neighbours, points, range }
        })
        .collect()
}

/// Runs one pass over one view; `grays` are the photos at its level, and `before` the fields of the pass before, of all
/// views.
fn run_pass(
    prepared: &[Prepared],
    grays: &[Gray],
    before: &[Field],
    i: usize,
    number: usize,
    pass: &Pass,
    seed: u64,
) -> Field {
    let (me, gray) = (&prepared[i], &grays[i]);
    let Some(range) = me.range else { return Field::empty(gray.width, gray.height) };
    let camera = reduced_camera(&me.camera, pass.level);
    let sources: Vec<Source> = me
        .neighbours
        .iter()
        .filter(|j| prepared[**j].range.is_some() || pass.geometric == 0.0)
        .take(pass.sources)
        .map(|&j| {
            let other = reduced_camera(&prepared[j].camera, pass.level);
            let warp = Warp::between(&camera, &other);
            let link = (pass.geometric > 0.0).then(|| Link {
                there: warp,
                back: Warp::between(&other, &camera),
                field: &before[j],
                ratio: if before[j].width == grays[j].width { 1.0 } else { 0.5 },
            });
            Source { gray: &grays[j], warp, link }
        })
        .collect();
    let matcher = Matcher::new(gray, &camera.intrinsics, sources, range, pass.geometric, pass.level > 0);
    let mut rng =
        fastrand::Rng::with_seed(seed ^ (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((number as u64) << 56));
    let mut field = match before.get(i) {
        Some(f) => f.resized(gray.width, gray.height),
        None => matcher.first_field(&me.points, f32::powi(0.5, pass.level as i32), &mut rng),
    };
    if number > 0 {
        matcher.score(&mut field);
    }
    for sweep in 0..pass.sweeps {
        matcher.sweep(
            &mut field,
            (sweep + number).is_multiple_of(2),
            pass.perturb * f32::powi(0.5, sweep as i32),
            &mut rng,
        );
    }
    if pass.level == 0 {
        edges::sharpen(&me.photo, &mut field);
    }
    field
}
