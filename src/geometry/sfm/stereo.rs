//! Poses for matching pixels: given poses are often a pixel off, which is nothing to a viewer and much to a matcher.

use super::bundle::{Landmark, Limits, Observation, Problem, adjust};
use super::view::View;
use crate::scene::{Camera, Cancelled, Job, Similarity, Sparse};
use nalgebra::Point3;

const LIMITS: Limits = Limits { steps: 20, tolerance: 1e-4 };

/// The cameras of `sparse`, poses adjusted to its points and laid over the given centres by a similarity; for stereo
/// between neighbouring views alone. Where that cannot be done they come back as they are.
pub fn stereo_cameras(sparse: &Sparse, job: &dyn Job) -> Result<Vec<Option<Camera>>, Cancelled> {
    let frames = sparse.registered();
    let mut view_of = vec![usize::MAX; sparse.cameras.len()];
    frames.iter().enumerate().for_each(|(view, frame)| view_of[*frame] = view);
    let cameras: Vec<Camera> = sparse.cameras.iter().flatten().copied().collect();
    let landmarks = sparse
        .points
        .iter()
        .map(|p| Landmark {
            position: p.position,
            seen: p
                .track
                .iter()
                .map(|(frame, uv)| Observation { view: view_of[*frame], uv: uv.map(f64::from) })
                .filter(|o| o.view != usize::MAX)
                .collect(),
        })
        .collect();
    let mut problem = Problem {
        views: cameras.iter().map(|c| View::new(&c.intrinsics, c.c2w.inverse())).collect(),
        free: (0..cameras.len()).map(|i| i > 0).collect(),
        group: vec![0; cameras.len()],
        refine_focal: false,
        aspects: Vec::new(),
        landmarks,
    };
    adjust(&mut problem, LIMITS, || job.tick(0, 1))?;
    let adjusted: Vec<Camera> = cameras
        .iter()
        .zip(&problem.views)
        .map(|(c, v)| Camera { intrinsics: c.intrinsics, c2w: v.w2c.inverse() })
        .collect();
    let centres = |c: &[Camera]| c.iter().map(Camera::center).collect::<Vec<Point3<f64>>>();
    let Some(world) = Similarity::fit(&centres(&adjusted), &centres(&cameras)) else {
        return Ok(sparse.cameras.clone());
    };
    let mut out = sparse.cameras.clone();
    for (frame, camera) in frames.iter().zip(&adjusted) {
        out[*frame] = Some(world.camera(camera));
    }
    Ok(out)
}
