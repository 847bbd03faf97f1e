//! Stage `poses`: cameras, lenses and sparse points.

use super::geometry::round;
use super::photos::image_names;
use super::{learned, lenses};
use crate::geometry::sfm::{SfmError, SfmInput, SfmOptions, TakenWith, reconstruct, triangulate};
use crate::pipeline::run::{Bench, Run, RunError, matrix};
use crate::pipeline::{PosesMode, Stage};
use crate::scene::{Camera, Capture, Intrinsics, Similarity, Sparse};
use image::{GrayImage, RgbImage};
use serde_json::json;
use std::sync::Arc;

/// Camera poses: the given ones, or structure from motion.
/// Photos whose lenses were found to bend come back without their distortion.
pub(in crate::pipeline) fn poses(
    run: &mut Run,
    capture: &Arc<Capture>,
) -> Result<(Arc<Capture>, Arc<Sparse>), RunError> {
    let given = match run.options.poses {
        PosesMode::Auto => capture.has_poses(),
        PosesMode::Given if capture.has_poses() => true,
        PosesMode::Given => {
            return Err(RunError::Option(format!(
                "--poses given: {} has no camera poses, such as a poses.json",
                run.input.display()
            )));
        }
    };
    let names = image_names(capture);
    let (sparse, taken) = run.stage(
        Stage::Poses,
        &json!({ "given": given, "features": run.options.features.as_deref().map(learned::state_of) }),
        |bench| Ok((bench.folder.cache().read_sparse(&names)?, lenses::read(bench.folder, names.len())?)),
        |bench| make_poses(bench, capture, &names, given),
    )?;
    let sparse = Arc::new(sparse);
    run.publish(|live| live.sparse.store(Some(Arc::clone(&sparse))));
    if lenses::all_pinholes(&taken) {
        return Ok((Arc::clone(capture), sparse));
    }
    let capture = Arc::new(lenses::undone(capture, &taken));
    run.publish(|live| live.capture.store(Some(Arc::clone(&capture))));
    Ok((capture, sparse))
}

type Found = (Sparse, Vec<TakenWith>);

fn make_poses(bench: &mut Bench, capture: &Capture, names: &[String], given: bool) -> Result<Found, RunError> {
    let images: Vec<&RgbImage> = capture.frames.iter().map(|f| f.image.as_ref()).collect();
    let intrinsics: Vec<Intrinsics> = capture.frames.iter().map(|f| f.intrinsics).collect();
    let masks: Vec<Option<&GrayImage>> = capture.frames.iter().map(|f| f.mask.as_deref()).collect();
    let input = SfmInput {
        images: &images,
        intrinsics: &intrinsics,
        masks: &masks,
        intrinsics_known: capture.intrinsics_known || given,
    };
    let learned = learned::features(bench)?;
    let options = SfmOptions { seed: bench.options.seed, learned };
    let found = if given {
        let cameras: Vec<Camera> = capture
            .frames
            .iter()
            .filter_map(|f| f.given_c2w.map(|c2w| Camera { intrinsics: f.intrinsics, c2w }))
            .collect();
        triangulate(&input, &cameras, &options, bench.job).map(|sparse| (sparse, Vec::new()))
    } else {
        reconstruct(&input, &options, bench.job).map(|r| (r.sparse, r.taken_with))
    };
    let (sparse, taken) = found.map_err(|e| match e {
        SfmError::Cancelled(e) => RunError::Cancelled(e),
        SfmError::Model(e) => RunError::Model(e),
        reason => RunError::Sfm { input: capture.source.clone(), reason },
    })?;
    learned::used(bench, "features", options.learned.as_ref().map(|l| (l.name(), l.provider())));
    bench.figure("registered", json!(sparse.registered().len()));
    bench.figure("reprojection_error_px", json!(round(sparse.mean_reprojection_error())));
    bench.figure("sparse_points", json!(sparse.points.len()));
    let metric = given && capture.metric;
    bench.meta.units = if metric { "metres" } else { "arbitrary" }.into();
    bench.meta.scale_source = if metric { "given poses" } else { "none: structure from motion has no scale" }.into();
    bench.meta.world_from_input = matrix(&Similarity::identity());
    lenses::put_photos(bench, capture, &taken)?;
    bench.folder.cache().write_sparse(names, &sparse)?;
    // What later stages use is what a resumed run reads back, to the bit.
    let sparse = bench.folder.cache().read_sparse(names)?;
    bench.folder.write_sparse(names, &sparse)?;
    Ok((sparse, taken))
}
