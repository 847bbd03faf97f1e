//! Depth maps fused to a surface: a truncated signed distance in sparse blocks (Curless & Levoy 1996; Niessner et al.
//! 2013), its zero level as naive surface nets (Gibson 1998).

mod surface;
#[cfg(test)]
mod tests;
mod volume;

use super::dense::View;
use crate::scene::{Cancelled, DepthMap, Job, TriMesh};

/// How depth maps are fused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TsdfOptions {
    /// Side of a voxel, scene units.
    pub voxel: f32,
    /// Distance at which the signed distance is cut off, scene units.
    pub truncation: f32,
    /// Depth beyond which pixels are left out, scene units.
    pub max_depth: f32,
}

/// Blocks of 8 x 8 x 8 voxels that a volume may hold: 6 KiB each.
const MAX_BLOCKS: usize = 60_000;

impl TsdfOptions {
    /// Voxels of twice the median footprint of a pixel (1 to 2 cm in a room), larger where the scene would not fit in
    /// memory; truncation at four voxels.
    pub fn for_scene(views: &[View], depths: &[DepthMap]) -> Self {
        let (mut footprints, mut far) = (Vec::new(), Vec::new());
        for (view, depth) in views.iter().zip(depths) {
            let focal = view.camera.intrinsics.fx.abs().max(1e-9) as f32;
            for d in depth.data.iter().step_by(97).filter(|d| **d > 0.0) {
                footprints.push(d / focal);
                far.push(*d);
            }
        }
        footprints.sort_by(f32::total_cmp);
        far.sort_by(f32::total_cmp);
        let (Some(median), Some(max)) = (footprints.get(footprints.len() / 2), far.get(far.len() * 98 / 100)) else {
            return Self { voxel: 0.01, truncation: 0.04, max_depth: f32::MAX };
        };
        let mut options = Self { voxel: 2.0 * median, truncation: 0.0, max_depth: 1.1 * max };
        loop {
            options.truncation = 4.0 * options.voxel;
            if volume::blocks(views, depths, &options, 6).len() <= MAX_BLOCKS {
                return options;
            }
            options.voxel *= 1.25;
        }
    }
}

/// Fuses depth maps to a coloured mesh: vertices shared, wound counter-clockwise seen from free space, open where
/// nothing was seen; clusters of fewer than 50 triangles, or of less than a two-hundredth of the largest, are dropped. `depths[i]` belongs to `views[i]` and covers the
/// same field of view at any resolution. Maps of no use give an empty mesh.
pub fn tsdf_mesh(
    views: &[View],
    depths: &[DepthMap],
    options: &TsdfOptions,
    job: &dyn Job,
) -> Result<TriMesh, Cancelled> {
    if !(options.voxel > 0.0 && options.truncation > 0.0 && options.voxel.is_finite()) {
        return Ok(TriMesh::default());
    }
    let volume = volume::Volume::integrate(views, depths, options, job)?;
    let mesh = surface::extract(&volume);
    Ok(surface::without_small_clusters(&mesh))
}
