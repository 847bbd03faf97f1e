//! A result of another pipeline made a scene: nothing is computed but what its files leave out.

use super::photos::image_names;
use crate::geometry::raster::render_mesh_depth;
use crate::input::{HoliObject, HoliResult};
use crate::perception::files::resized;
use crate::pipeline::run::{Bench, Run, RunError, matrix};
use crate::pipeline::{Stage, cache};
use crate::scene::{
    Camera, Capture, FrameMasks, Instance, InstanceState, InstanceView, Instances, Job as _, Mask2d, Similarity, Sparse,
};
use crate::splat;
use rayon::prelude::*;
use serde_json::json;
use std::sync::Arc;

/// Score of an object whose file has none: what is in the file passed that pipeline's own gate, which keeps from 0.9.
const SCORE: f64 = 0.9;

/// All stages after `frames`: the files of the result, in the layout and, unchanged, in the world of the scene folder.
pub(in crate::pipeline) fn reviewed(
    run: &mut Run,
    capture: &Arc<Capture>,
    result: &HoliResult,
) -> Result<(), RunError> {
    let until = run.options.until;
    let files = [Some(&result.splats), result.mesh.as_ref(), Some(&result.boxes)];
    let depends = json!({ "files": files.map(|f| f.map(|f| cache::fingerprint(f))) });
    let names = image_names(capture);
    for stage in Stage::ALL.into_iter().skip(1).filter(|s| until.is_none_or(|until| *s <= until)) {
        run.stage(stage, &depends, |_| Ok(()), |bench| make(bench, stage, capture, result, &names))?;
    }
    Ok(())
}

fn make(
    bench: &mut Bench,
    stage: Stage,
    capture: &Capture,
    result: &HoliResult,
    names: &[String],
) -> Result<(), RunError> {
    match stage {
        Stage::Frames => {}
        Stage::Poses => {
            bench.meta.units = "metres".into();
            bench.meta.scale_source = "taken for metres: the result names no unit".into();
            bench.meta.world_from_input = matrix(&Similarity::identity());
            let sparse = Sparse { cameras: cameras(capture), ..Sparse::default() };
            bench.folder.write_sparse(names, &sparse)?;
            bench.publish(|live| live.sparse.store(Some(Arc::new(sparse))));
        }
        // Depth is that of the mesh.
        Stage::Depth => {}
        Stage::Splats => {
            let splats = splat::read(&result.splats)?;
            splat::write_ply(&bench.folder.splat_path(), &splats)?;
            bench.figure("gaussians", json!(splats.len()));
            bench.publish(|live| live.gaussians.store(Some(Arc::new(splats))));
        }
        Stage::Mesh => mesh(bench, capture, result)?,
        Stage::Masks => masks(bench, capture, result, names)?,
        Stage::Instances => {
            let mut warnings = Vec::new();
            let found = result.objects(&mut warnings)?;
            warnings.into_iter().for_each(|w| bench.job.warn(w));
            let mut instances: Vec<Instance> = found.iter().map(instance).collect();
            instances.sort_by_key(|i| i.id);
            bench.folder.write_instances(&Instances { version: 1, instances: instances.clone() })?;
            bench.publish(|live| live.instances.store(Some(Arc::new(instances))));
        }
    }
    Ok(())
}

fn cameras(capture: &Capture) -> Vec<Option<Camera>> {
    let camera = |f: &crate::scene::Frame| f.given_c2w.map(|c2w| Camera { intrinsics: f.intrinsics, c2w });
    capture.frames.iter().map(camera).collect()
}

fn mesh(bench: &mut Bench, capture: &Capture, result: &HoliResult) -> Result<(), RunError> {
    let Some(path) = &result.mesh else {
        bench.job.warn("the result has no mesh".into());
        return Ok(());
    };
    let mesh = crate::scene::folder::read_mesh_ply(path)?;
    bench.folder.write_mesh(&mesh)?;
    bench.figure("mesh_triangles", json!(mesh.triangles.len()));
    let frames: Vec<_> = capture.frames.iter().zip(cameras(capture)).collect();
    for (done, some) in frames.chunks(2 * rayon::current_num_threads()).enumerate() {
        bench.job.tick(done * some.len(), frames.len().max(done * some.len()))?;
        let write = |(frame, camera): &(&crate::scene::Frame, Option<Camera>)| match camera {
            Some(camera) => bench.folder.write_depth(&frame.stem, &render_mesh_depth(&mesh, camera)),
            None => Ok(()),
        };
        some.par_iter().map(write).collect::<Result<(), _>>()?;
    }
    bench.publish(|live| live.mesh.store(Some(Arc::new(mesh))));
    Ok(())
}

/// The masks of the objects, by image.
fn masks(bench: &mut Bench, capture: &Capture, result: &HoliResult, names: &[String]) -> Result<(), RunError> {
    let found = result.objects(&mut Vec::new())?;
    let mut all = Vec::with_capacity(names.len());
    for (frame, name) in capture.frames.iter().zip(names) {
        let (width, height) = frame.image.dimensions();
        let mut masks = Vec::new();
        for object in &found {
            let mine =
                object.views.iter().filter(|(stem, _)| *stem == frame.stem).filter_map(|(_, mask)| mask.as_ref());
            masks.extend(mine.map(|rle| Mask2d {
                instance_id: object.id,
                label: object.label.clone(),
                score: object.score.unwrap_or(SCORE),
                segmentation: resized(rle.clone(), width, height),
            }));
        }
        let entry = FrameMasks { image: name.clone(), width, height, masks };
        bench.folder.write_masks(&frame.stem, &entry)?;
        all.push(entry);
    }
    bench.publish(|live| live.masks.store(Some(Arc::new(all))));
    Ok(())
}

fn instance(object: &HoliObject) -> Instance {
    let area = |mask: &Option<crate::scene::Rle>| mask.as_ref().map_or(0, |m| m.area());
    let largest = object.views.iter().map(|(_, mask)| area(mask)).max().unwrap_or(0);
    let score = object.score.unwrap_or(SCORE);
    let views = object.views.iter().map(|(stem, mask)| InstanceView {
        image: stem.clone(),
        mask_score: score,
        visible_fraction: if largest > 0 { area(mask) as f64 / largest as f64 } else { 1.0 },
    });
    let first = object.views.first().map(|v| v.0.clone());
    let source =
        if object.score.is_some() { "the result" } else { "none in the result: the least that its gate keeps" };
    Instance {
        id: object.id,
        label: object.label.clone(),
        caption: object.caption.clone(),
        score,
        state: InstanceState::Kept,
        obb: object.obb,
        views: views.collect(),
        best_view: object.best_view.clone().or(first).unwrap_or_default(),
        evidence: json!({
            "label": { "source": "the result" },
            "caption": { "source": "the result" },
            "score": { "source": source },
            "views": { "visible_fraction": "area of the mask relative to the largest" },
        }),
    }
}
