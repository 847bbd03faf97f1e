//! Stages `splats` and `mesh`: Gaussians trained on the photos, their depth fused to a surface.

use super::geometry::Geometry;
use super::train::train;
use crate::geometry::raster::render_mesh_depth;
use crate::geometry::tsdf::{TsdfOptions, tsdf_mesh};
use crate::pipeline::Stage;
use crate::pipeline::run::{Bench, Run, RunError};
use crate::scene::{Camera, Capture, DepthMap, Gaussians, Job as _, TriMesh};
use crate::splat;
use rayon::prelude::*;
use serde_json::json;
use std::sync::Arc;

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
    let depths = views.par_iter().map(|v| render_mesh_depth(&mesh, &v.camera)).collect();
    Ok(Surface { mesh: Arc::new(mesh), depths })
}

fn splat_depth(gaussians: &Gaussians, camera: &Camera) -> DepthMap {
    let rendered = splat::render(gaussians, camera);
    DepthMap { width: camera.intrinsics.width, height: camera.intrinsics.height, data: rendered.depth }
}
