//! Stages `splats` and `mesh`: Gaussians trained on the photos, their depth fused to a surface.

use super::geometry::{Geometry, round};
use crate::geometry::agreement::agreement;
use crate::geometry::dense::View;
use crate::geometry::fusion::fuse;
use crate::geometry::raster::render_mesh_depth;
use crate::geometry::tsdf::{TsdfOptions, tsdf_mesh};
use crate::pipeline::Stage;
use crate::pipeline::run::{Bench, Run, RunError};
use crate::scene::{Camera, Capture, DepthMap, Gaussians, Job as _, TrainPoint, Training, TriMesh};
use crate::splat::{self, TrainOptions, TrainView, Trainer};
use rayon::prelude::*;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the window gets a new copy of the splats.
const LIVE_INTERVAL: Duration = Duration::from_millis(1500);

/// How often PSNR is measured while training: each time costs a few renders.
const PSNR_CHECKS: usize = 10;

/// The surface, and the depth of it in every registered frame.
pub(in crate::pipeline) struct Surface {
    /// The fused mesh.
    pub(super) mesh: Arc<TriMesh>,
    /// Depth per registered frame, in the order of [`Geometry::frames`].
    pub(super) depths: Vec<DepthMap>,
}

/// Trains the splats.
pub(in crate::pipeline) fn splats(
    run: &mut Run,
    capture: &Arc<Capture>,
    geometry: &Geometry,
) -> Result<Arc<Gaussians>, RunError> {
    let depends = json!({ "steps": run.options.steps, "holdout": run.options.holdout });
    let gaussians = run.stage(
        Stage::Splats,
        &depends,
        |bench| Ok(Arc::new(splat::read_ply(&bench.folder.splat_path())?)),
        |bench| train(bench, capture, geometry),
    )?;
    run.publish(|live| live.gaussians.store(Some(Arc::clone(&gaussians))));
    Ok(gaussians)
}

fn train(bench: &mut Bench, capture: &Capture, geometry: &Geometry) -> Result<Arc<Gaussians>, RunError> {
    let views = geometry.views(capture);
    let every = bench.options.holdout.map(|k| k as usize);
    let held_out = |i: usize| every.is_some_and(|k| geometry.frames[i].is_multiple_of(k));
    let train_views: Vec<TrainView> = views
        .iter()
        .zip(&geometry.depths)
        .enumerate()
        .map(|(i, (view, dense))| TrainView {
            image: view.image,
            camera: view.camera,
            depth: Some((&dense.depth, &dense.confidence)),
            held_out: held_out(i),
        })
        .collect();
    let pixels = views.first().map_or(0, |v| (v.image.width() * v.image.height()) as usize);
    let mut options = TrainOptions::for_scene(views.len(), pixels);
    options.seed = bench.options.seed;
    if let Some(steps) = bench.options.steps {
        options.steps = steps;
    }
    let init = seed(&views, geometry, held_out, &options);
    let mut trainer = Trainer::new(&train_views, init, options.clone());
    let (start, mut shown) = (Instant::now(), Instant::now());
    let mut psnr = None;
    let mut training = Training { device: "CPU".into(), steps: options.steps, ..Training::default() };
    while !trainer.finished() {
        let stats = trainer.step();
        bench.job.tick(stats.step, options.steps)?;
        if stats.step % (options.steps / PSNR_CHECKS).max(1) == 0 {
            psnr = trainer.psnr_held_out().or_else(|| trainer.psnr_train());
        }
        if shown.elapsed() >= LIVE_INTERVAL || trainer.finished() {
            shown = Instant::now();
            let snapshot = Arc::new(trainer.gaussians());
            let seconds = start.elapsed().as_secs_f32().max(1e-3);
            training.points.push(TrainPoint {
                step: stats.step,
                seconds,
                loss: stats.loss,
                psnr_db: psnr,
                rate: stats.step as f32 / seconds,
                gaussians: snapshot.len(),
            });
            let training = Arc::new(training.clone());
            bench.publish(|live| {
                live.gaussians.store(Some(snapshot));
                live.training.store(Some(training));
            });
        }
    }
    bench.folder.write_training(&training)?;
    let gaussians = trainer.gaussians();
    splat::write_ply(&bench.folder.splat_path(), &gaussians)?;
    let stem = |i: usize| capture.frames[geometry.frames[i]].stem.clone();
    bench.meta.held_out = (0..views.len()).filter(|i| held_out(*i)).map(stem).collect();
    bench.figure("gaussians", json!(gaussians.len()));
    bench.figure("psnr_training_db", json!(trainer.psnr_train().map(|p| round(f64::from(p)))));
    bench.figure("psnr_held_out_db", json!(trainer.psnr_held_out().map(|p| round(f64::from(p)))));
    // What later stages use is what a resumed run reads back.
    Ok(Arc::new(splat::read_ply(&bench.folder.splat_path())?))
}

/// Gaussians on the fused multi-view depth of the training frames, and on the sparse points where there is none.
fn seed(views: &[View], geometry: &Geometry, held_out: impl Fn(usize) -> bool, options: &TrainOptions) -> Gaussians {
    let (mut seen, mut depths) = (Vec::new(), Vec::new());
    for (i, view) in views.iter().enumerate().filter(|(i, _)| !held_out(*i)) {
        seen.push(View { image: view.image, camera: view.camera });
        depths.push(geometry.depths[i].depth.clone());
    }
    let cloud = fuse(&seen, &depths, options.max_gaussians * 2 / 3);
    splat::seed(&cloud.positions, &cloud.normals, &cloud.colors, &cloud.spacing, options.sh_degree)
}

/// Fuses the depth of the splats to a mesh, and writes the depth that everything after stands on.
pub(in crate::pipeline) fn mesh(
    run: &mut Run,
    capture: &Arc<Capture>,
    geometry: &Geometry,
    gaussians: &Gaussians,
) -> Result<Surface, RunError> {
    let stems: Vec<&str> = geometry.frames.iter().map(|i| capture.frames[*i].stem.as_str()).collect();
    let surface = run.stage(
        Stage::Mesh,
        &json!({}),
        |bench| {
            let mesh = Arc::new(bench.folder.read_mesh()?);
            let depths = stems.iter().map(|s| bench.folder.read_depth(s)).collect::<Result<_, _>>()?;
            Ok(Surface { mesh, depths })
        },
        |bench| {
            let surface = fuse_surface(bench, capture, geometry, gaussians)?;
            for (stem, depth) in stems.iter().zip(&surface.depths) {
                bench.folder.write_depth(stem, depth)?;
            }
            let depths = stems.iter().map(|s| bench.folder.read_depth(s)).collect::<Result<_, _>>()?;
            Ok(Surface { depths, ..surface })
        },
    )?;
    run.publish(|live| live.mesh.store(Some(Arc::clone(&surface.mesh))));
    Ok(surface)
}

fn fuse_surface(
    bench: &mut Bench,
    capture: &Capture,
    geometry: &Geometry,
    gaussians: &Gaussians,
) -> Result<Surface, RunError> {
    let views = geometry.views(capture);
    let mut rendered = Vec::with_capacity(views.len());
    for (i, view) in views.iter().enumerate() {
        bench.job.tick(i, 2 * views.len())?;
        rendered.push(splat_depth(gaussians, &view.camera));
    }
    let options = TsdfOptions::for_scene(&views, &rendered);
    let mesh = tsdf_mesh(&views, &rendered, &options, bench.job)?;
    bench.folder.write_mesh(&mesh)?;
    bench.figure("mesh_triangles", json!(mesh.triangles.len()));
    let depths: Vec<DepthMap> = views.par_iter().map(|v| render_mesh_depth(&mesh, &v.camera)).collect();
    for (i, (splats, mesh)) in rendered.iter().zip(&depths).enumerate() {
        let stem = &capture.frames[geometry.frames[i]].stem;
        bench.folder.write_agreement(stem, &agreement(splats, mesh, options.voxel))?;
    }
    Ok(Surface { mesh: Arc::new(mesh), depths })
}

fn splat_depth(gaussians: &Gaussians, camera: &Camera) -> DepthMap {
    let rendered = splat::render(gaussians, camera);
    DepthMap { width: camera.intrinsics.width, height: camera.intrinsics.height, data: rendered.depth }
}
