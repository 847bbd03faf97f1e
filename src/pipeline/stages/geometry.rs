//! Stage `depth`: dense depth, and the turn of the world onto its floor.

use super::learned;
use super::photos::image_names;
use crate::geometry::dense::{DenseDepth, View};
use crate::geometry::fusion::{FusedCloud, fuse};
use crate::geometry::gravity::{Gravity, UpSource, estimate_metre, find_gravity, find_verticals};
use crate::pipeline::run::{Bench, Run, RunError, matrix};
use crate::pipeline::{Stage, cache};
use crate::scene::folder::{FolderError, SceneFolder, TypedScale};
use crate::scene::{Camera, Capture, DepthMap, Job as _, Similarity, Sparse, SparsePoint};
use image::GrayImage;
use serde_json::json;
use std::sync::Arc;

/// Length of a metre in scene units after stage `depth`, which brings every scene to it as well as it can.
pub(super) const METRE: f64 = 1.0;

/// Points that gravity is looked for in: enough for planes, few enough for seconds.
const GRAVITY_POINTS: usize = 40_000;

/// What the stages after depth stand on. World: +z up, and where a floor was found z = 0 on it.
#[derive(Clone)]
pub(in crate::pipeline) struct Geometry {
    /// Cameras and sparse points.
    pub(super) sparse: Arc<Sparse>,
    /// Registered frames, ascending; the maps below belong to them, entry by entry.
    pub(super) frames: Vec<usize>,
    /// Multi-view depth with its confidence.
    pub(super) depths: Vec<DenseDepth>,
}

impl Geometry {
    /// The registered frames as views.
    pub(super) fn views<'a>(&self, capture: &'a Capture) -> Vec<View<'a>> {
        views(capture, &self.sparse, &self.frames)
    }
}

pub(super) fn views<'a>(capture: &'a Capture, sparse: &Sparse, frames: &[usize]) -> Vec<View<'a>> {
    frames
        .iter()
        .filter_map(|i| sparse.cameras[*i].map(|camera| View { image: capture.frames[*i].image.as_ref(), camera }))
        .collect()
}

/// Dense depth of every registered frame; then the world is turned onto its floor.
pub(in crate::pipeline) fn depth(
    run: &mut Run,
    capture: &Arc<Capture>,
    sparse: Arc<Sparse>,
) -> Result<Geometry, RunError> {
    let frames = sparse.registered();
    let names = image_names(capture);
    let stems: Vec<&str> = frames.iter().map(|i| capture.frames[*i].stem.as_str()).collect();
    let geometry = run.stage(
        Stage::Depth,
        &json!({
            "depth": run.options.depth.as_ref().map(|d| cache::fingerprint(&super::given_depth::place(d))),
            "depth_model": run.options.depth_model.as_deref().map(learned::state_of),
        }),
        |bench| {
            let depths = stems.iter().map(|s| cache::read_dense(bench.folder, s)).collect::<Result<_, _>>()?;
            Ok(Geometry {
                sparse: Arc::new(world_folder(bench.folder).read_sparse(&names)?),
                frames: frames.clone(),
                depths,
            })
        },
        |bench| make_depth(bench, capture, &sparse, &frames, &names),
    )?;
    run.publish(|live| live.sparse.store(Some(Arc::clone(&geometry.sparse))));
    Ok(geometry)
}

/// Where the cameras are as stage `depth` left them: apart, where training has moved them since.
pub(super) fn world_folder(folder: &SceneFolder) -> SceneFolder {
    let kept = folder.untrained();
    if kept.root().join("sparse/0/images.txt").is_file() { kept } else { folder.clone() }
}

/// Makes `sparse/0` the only place for cameras.
pub(super) fn forget_untrained(folder: &SceneFolder) -> Result<(), RunError> {
    let path = folder.untrained().root().to_owned();
    match std::fs::remove_dir_all(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(FolderError::Io { action: "remove", path, source }.into())
        }
        _ => Ok(()),
    }
}

fn make_depth(
    bench: &mut Bench,
    capture: &Capture,
    sparse: &Sparse,
    frames: &[usize],
    names: &[String],
) -> Result<Geometry, RunError> {
    let posed = views(capture, sparse, frames);
    let super::given_depth::Given { mut depths, metres_per_unit } =
        super::given_depth::depths(bench, capture, sparse, frames)?;
    let modelled = learned::fill_depth(bench, &posed, &points_by_view(sparse, frames), &mut depths)?;
    for (dense, frame) in depths.iter_mut().zip(frames) {
        hide_masked(dense, capture.frames[*frame].mask.as_deref());
    }
    let sensed = metres_per_unit.map(|metres_per_unit| Measured { metres_per_unit, by: "sensor depth".into() });
    let world = world_from_input(bench, capture, &posed, &depths, sensed.or(modelled))?;
    let sparse = sparse.moved(&world);
    for (dense, frame) in depths.iter_mut().zip(frames) {
        dense.depth.data.iter_mut().for_each(|d| *d *= world.scale as f32);
        let stem = &capture.frames[*frame].stem;
        // What later stages use is what a resumed run reads back, to the bit.
        *dense = cache::write_dense(bench.folder, stem, dense)?;
        bench.folder.write_depth(stem, &dense.depth)?;
    }
    let coverage = depths.iter().map(|d| f64::from(d.depth.coverage())).sum::<f64>() / depths.len().max(1) as f64;
    bench.figure("depth_coverage", json!(round(coverage)));
    forget_untrained(bench.folder)?;
    bench.folder.write_sparse(names, &sparse)?;
    let sparse = bench.folder.read_sparse(names)?;
    Ok(Geometry { sparse: Arc::new(sparse), frames: frames.to_vec(), depths })
}

/// Depth is unknown on pixels that are masked.
fn hide_masked(dense: &mut DenseDepth, mask: Option<&GrayImage>) {
    for (k, _) in mask.iter().flat_map(|m| m.as_raw().iter().enumerate()).filter(|(_, v)| **v == 0) {
        (dense.depth.data[k], dense.confidence[k]) = (0.0, 0.0);
    }
}

/// How long a unit of the scene is, and what says so.
pub(super) struct Measured {
    pub(super) metres_per_unit: f64,
    pub(super) by: String,
}

/// The similarity that turns the world onto its floor, and brings a scene of unknown scale near to metres.
fn world_from_input(
    bench: &mut Bench,
    capture: &Capture,
    posed: &[View],
    depths: &[DenseDepth],
    measured: Option<Measured>,
) -> Result<Similarity, RunError> {
    let maps: Vec<DepthMap> = depths.iter().map(|d| d.depth.clone()).collect();
    let cloud: FusedCloud = fuse(posed, &maps, GRAVITY_POINTS);
    let cameras: Vec<Camera> = posed.iter().map(|v| v.camera).collect();
    let edges = find_verticals(posed, bench.options.seed);
    let gravity = find_gravity(&cloud.positions, &cloud.normals, &cameras, edges.as_ref(), bench.options.seed);
    tell_gravity(bench, gravity.as_ref());
    let upright = gravity.as_ref().map_or_else(Similarity::identity, Gravity::world_alignment);
    let floor = gravity.as_ref().is_some_and(|g| g.floor_offset.is_some());
    let given = (capture.has_poses() && capture.metric).then(|| (1.0, bench.meta.scale_source.clone()));
    let typed = typed_scale(bench).map(|typed| (typed.metres_per_input_unit, typed.source()));
    let known = typed.or(given).or(measured.map(|m| (m.metres_per_unit, m.by)));
    bench.meta.units = if known.is_some() { "metres" } else { "arbitrary" }.into();
    let (scale, source) = known.unwrap_or_else(|| {
        let guess = if floor && capture.frames.len() > 1 {
            "guess: cameras are held about 1.4 units above the floor"
        } else {
            "guess: the median depth is about 2.5 units"
        };
        (1.0 / estimate_metre(&cameras, gravity.as_ref(), median_depth(&maps)), guess.into())
    });
    bench.meta.scale_source = source;
    let world = Similarity { scale, ..Similarity::identity() }.after(&upright);
    bench.meta.floor_found = floor;
    bench.meta.world_from_input = matrix(&world);
    Ok(world)
}

/// The scale that the user typed in the window, if it is of these poses.
fn typed_scale(bench: &mut Bench) -> Option<TypedScale> {
    let typed = bench.meta.typed_scale.clone()?;
    if bench.meta.stages.iter().any(|s| s.name == Stage::Poses.name() && s.key == typed.poses_key) {
        return Some(typed);
    }
    bench.meta.typed_scale = None;
    bench.job.warn(format!(
        "the {:.2} m that were typed for a distance belong to other camera poses: measure and type it again",
        typed.metres
    ));
    None
}

/// Tells where up came from, where that is not a floor that nothing contradicts.
fn tell_gravity(bench: &Bench, gravity: Option<&Gravity>) {
    let source = gravity.map_or(UpSource::Cameras, |g| g.source);
    if let Some(degrees) = gravity.and_then(|g| g.contradiction_deg) {
        let taken = if source == UpSource::Floor { "the floor" } else { "the edges" };
        bench.job.warn(format!(
            "the largest level plane and the vertical edges in the photos are {degrees:.0} degrees apart: up is taken \
             from {taken}, which more of the scene agrees with"
        ));
    }
    let from = match source {
        UpSource::Floor => return,
        UpSource::Edges => "vertical edges in the photos",
        UpSource::Planes => "walls and level planes",
        UpSource::Cameras => "the cameras",
    };
    bench.job.warn(format!("no floor was found: up is taken from {from}, and z = 0 is not on a floor"));
}

fn median_depth(maps: &[DepthMap]) -> f64 {
    let mut known: Vec<f32> =
        maps.iter().flat_map(|m| m.data.iter().step_by(97).copied().filter(|d| *d > 0.0)).collect();
    known.sort_by(f32::total_cmp);
    known.get(known.len() / 2).map_or(1.0, |d| f64::from(*d))
}

/// Sparse points with track entries renumbered from frames to views.
pub(super) fn points_by_view(sparse: &Sparse, frames: &[usize]) -> Vec<SparsePoint> {
    let mut view_of = vec![None; sparse.cameras.len()];
    for (view, frame) in frames.iter().enumerate() {
        view_of[*frame] = Some(view);
    }
    sparse
        .points
        .iter()
        .map(|p| SparsePoint {
            track: p.track.iter().filter_map(|(f, xy)| view_of[*f].map(|v| (v, *xy))).collect(),
            ..p.clone()
        })
        .collect()
}

/// A figure to four digits after the point: more would promise too much.
pub(super) fn round(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}
