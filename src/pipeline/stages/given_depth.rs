//! `--depth DIR`: depth that another program predicted, brought to the scale of the sparse points.

use crate::geometry::dense::DenseDepth;
use crate::pipeline::run::RunError;
use crate::scene::folder::read_depth_png;
use crate::scene::{Capture, DepthMap, Job, Sparse};
use std::path::Path;

/// How far given depth is trusted: as measured, but below agreement of many views.
const CONFIDENCE: f32 = 0.75;

/// Fewest sparse points in a frame that its scale is taken from.
const FEWEST_POINTS: usize = 8;

/// Reads `DIR/STEM.png` (16-bit thousandths) for every registered frame. Each map is multiplied by the median ratio
/// of sparse to given depth. Frames without a file, of another size, or without enough points stay unknown.
pub(super) fn read(
    folder: &Path,
    capture: &Capture,
    sparse: &Sparse,
    frames: &[usize],
    job: &dyn Job,
) -> Result<Vec<DenseDepth>, RunError> {
    let mut missing = 0;
    let mut out = Vec::with_capacity(frames.len());
    for (done, frame) in frames.iter().enumerate() {
        job.tick(done, frames.len())?;
        let size = (capture.frames[*frame].image.width(), capture.frames[*frame].image.height());
        let path = folder.join(format!("{}.png", capture.frames[*frame].stem));
        let map = path.is_file().then(|| read_depth_png(&path)).transpose()?;
        let fitted = map.filter(|m| (m.width, m.height) == size).and_then(|m| fit(m, sparse, *frame));
        missing += usize::from(fitted.is_none());
        let depth = fitted.unwrap_or_else(|| DepthMap::unknown(size.0, size.1));
        let confidence = depth.data.iter().map(|d| if *d > 0.0 { CONFIDENCE } else { 0.0 }).collect();
        out.push(DenseDepth { depth, confidence });
    }
    if missing == frames.len() {
        return Err(RunError::Option(format!("--depth: {} has no usable depth map (STEM.png)", folder.display())));
    }
    if missing > 0 {
        job.warn(format!("--depth: {missing} of {} photos have no usable depth map", frames.len()));
    }
    Ok(out)
}

fn fit(mut map: DepthMap, sparse: &Sparse, frame: usize) -> Option<DepthMap> {
    let camera = sparse.cameras[frame].as_ref()?;
    let mut ratios: Vec<f64> = sparse
        .points
        .iter()
        .filter_map(|p| {
            let (_, [u, v]) = *p.track.iter().find(|(f, _)| *f == frame)?;
            let given = f64::from(map.at(u.floor() as i64, v.floor() as i64));
            let (_, _, z) = camera.project(&p.position)?;
            (given > 0.0).then_some(z / given)
        })
        .collect();
    if ratios.len() < FEWEST_POINTS {
        return None;
    }
    ratios.sort_by(f64::total_cmp);
    let scale = ratios[ratios.len() / 2] as f32;
    map.data.iter_mut().for_each(|d| *d *= scale);
    Some(map)
}
