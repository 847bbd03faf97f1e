//! Stages `splats` and `mesh`: Gaussians trained on the photos, their depth fused to a surface.

use super::geometry::Geometry;
use super::photos::image_names;
use super::train::{train, train_options};
use crate::geometry::agreement::agreement;
use crate::geometry::raster::render_mesh_depth;
use crate::geometry::tsdf::{TsdfOptions, tsdf_mesh};
use crate::pipeline::Stage;
use crate::pipeline::run::{Bench, Run, RunError};
use crate::scene::folder::FolderError;
use crate::scene::{Camera, Capture, DepthMap, Gaussians, Job as _, Sparse, TriMesh};
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

/// Trains the splats; the cameras come back where training moved them to.
pub(in crate::pipeline) fn splats(
    run: &mut Run,
    capture: &Arc<Capture>,
    geometry: &Geometry,
) -> Result<(Arc<Gaussians>, Geometry), RunError> {
    let options = train_options(run.options, capture, geometry);
    let depends = json!({ "holdout": run.options.holdout, "training": options });
    let names = image_names(capture);
    let (gaussians, sparse) = run.stage(
        Stage::Splats,
        &depends,
        |bench| Ok((Arc::new(splat::read_ply(&bench.folder.splat_path())?), bench.folder.read_sparse(&names)?)),
        |bench| {
            let (gaussians, cameras) = train(bench, capture, geometry, options)?;
            let sparse = moved_to(bench, geometry, &names, cameras)?;
            Ok((gaussians, sparse))
        },
    )?;
    let geometry = Geometry { sparse: Arc::new(sparse), ..geometry.clone() };
    run.publish(|live| {
        live.gaussians.store(Some(Arc::clone(&gaussians)));
        live.sparse.store(Some(Arc::clone(&geometry.sparse)));
    });
    Ok((gaussians, geometry))
}

/// Writes cameras that training moved; those before are kept apart for a run that trains anew.
fn moved_to(
    bench: &mut Bench,
    geometry: &Geometry,
    names: &[String],
    cameras: Option<Vec<Camera>>,
) -> Result<Sparse, RunError> {
    let Some(cameras) = cameras else { return Ok((*geometry.sparse).clone()) };
    let mut sparse = (*geometry.sparse).clone();
    for (frame, camera) in geometry.frames.iter().zip(cameras) {
        sparse.cameras[*frame] = Some(camera);
    }
    std::fs::create_dir_all(bench.folder.untrained().root().join("sparse/0")).map_err(|source| FolderError::Io {
        action: "create",
        path: bench.folder.untrained().root().to_owned(),
        source,
    })?;
    bench.folder.untrained().write_sparse(names, &geometry.sparse)?;
    bench.folder.write_sparse(names, &sparse)?;
    Ok(bench.folder.read_sparse(names)?)
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
