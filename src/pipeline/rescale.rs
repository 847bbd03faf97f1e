//! A finished scene brought to metres by one distance that the user knows.

use super::cache;
use super::run::{RunError, lock};
use crate::instances;
use crate::review::{RescaledLog, ReviewError, rescaled_logs};
use crate::scene::folder::{FolderError, SceneFolder, SceneMeta, Swap, TypedScale, json_bytes, scaled_ply};
use crate::scene::{Cancelled, Instances, Job, Similarity};
use std::path::{Path, PathBuf};

/// A distance between two points of a scene, and what the user says it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TypedDistance {
    /// In units of the scene.
    pub in_scene: f64,
    /// In metres.
    pub metres: f64,
}

/// Largest change of scale at once: beyond it a number was mistyped.
const LARGEST_FACTOR: f64 = 1e4;

impl TypedDistance {
    /// What every length of the scene is multiplied by; what is wrong with the numbers, in a sentence, otherwise.
    pub fn factor(&self) -> Result<f64, RescaleError> {
        let factor = self.metres / self.in_scene;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if !positive(self.in_scene) {
            return Err(RescaleError::Distance("the two points are the same: choose two that are apart".into()));
        }
        if !positive(self.metres) {
            return Err(RescaleError::Distance("the distance is to be a number of metres above 0".into()));
        }
        if !(1.0 / LARGEST_FACTOR..=LARGEST_FACTOR).contains(&factor) {
            let text = format!("{} m would change the scale by a factor of {factor:.1e}: too much", self.metres);
            return Err(RescaleError::Distance(text));
        }
        Ok(factor)
    }
}

/// Why a scene was not rescaled. Nothing of it was changed then.
#[derive(Debug, thiserror::Error)]
pub enum RescaleError {
    /// By the user.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A file of the scene.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The log of the review.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// A run is at work on the folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The numbers cannot be used.
    #[error("{0}")]
    Distance(String),
    /// There is no world to rescale yet.
    #[error("{} has no depth yet: its scale can be set when stage depth is done", .0.display())]
    TooEarly(PathBuf),
}

/// Multiplies every length of a finished scene by `typed.metres / typed.in_scene`, and notes in `scene.json` that its
/// units are metres: cameras, points, pose quality, depth, splats, mesh, instances, the caches of a resumed run, and the
/// boxes that decisions of the review are about. A crash leaves the old scene or the new one. Returns the factor. Typing
/// the old distance between the same points brings the old lengths back.
pub fn rescale(
    folder: &SceneFolder,
    typed: &TypedDistance,
    reviewer: &str,
    job: &dyn Job,
) -> Result<f64, RescaleError> {
    let factor = typed.factor()?;
    let _lock = lock(folder)?;
    let (swap, _logs) = staged(folder, typed.metres, factor, reviewer, job)?;
    // A checkpoint of training, and cameras as they were before it, are of the old size; nothing finished needs them.
    let _ = std::fs::remove_file(cache::checkpoint(folder));
    let _ = std::fs::remove_dir_all(folder.untrained().root());
    // From here on it is carried through.
    swap.commit()?;
    Ok(factor)
}

/// All new files, none of them in place yet, and the locks of the reviews.
fn staged(
    folder: &SceneFolder,
    metres: f64,
    factor: f64,
    reviewer: &str,
    job: &dyn Job,
) -> Result<(Swap, Vec<RescaledLog>), RescaleError> {
    let meta = folder.read_meta()?;
    let poses = meta.stages.iter().find(|s| s.name == "poses" && s.state == "done");
    let depth_done = meta.stages.iter().any(|s| s.name == "depth" && s.state == "done");
    let Some(poses_key) = poses.map(|s| s.key.clone()).filter(|_| depth_done) else {
        return Err(RescaleError::TooEarly(folder.root().to_owned()));
    };
    let logs = rescaled_logs(folder.root(), factor, reviewer)?;
    let mut swap = Swap::begin(folder.root())?;
    write_depths(folder, &meta, factor, &mut swap, job)?;
    write_world(folder, &meta, factor, &mut swap)?;
    for log in &logs {
        if let (Some(bytes), Some(name)) = (&log.bytes, log.path.file_name()) {
            swap.put(Path::new(name), bytes)?;
        }
    }
    let meta = scaled_meta(meta, metres, factor, poses_key);
    swap.put(Path::new("scene.json"), &json_bytes(&folder.root().join("scene.json"), &meta)?)?;
    Ok((swap, logs))
}

/// `depth/*.png` and the cached depth. What does not fit 16 bits any more becomes unknown.
fn write_depths(
    folder: &SceneFolder,
    meta: &SceneMeta,
    factor: f64,
    swap: &mut Swap,
    job: &dyn Job,
) -> Result<(), RescaleError> {
    let mut lost = 0;
    for (done, name) in meta.images.iter().enumerate() {
        job.tick(done, meta.images.len())?;
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        if folder.depth_path(stem).is_file() {
            let mut map = folder.read_depth(stem)?;
            lost += scale_depth(&mut map.data, factor);
            let (path, bytes) = folder.depth_file(stem, &map)?;
            swap.put(&path, &bytes)?;
        }
        if cache::has_dense(folder, stem) {
            let mut dense = cache::read_dense(folder, stem)?;
            scale_depth(&mut dense.depth.data, factor);
            let (path, bytes) = cache::dense_file(stem, &dense);
            swap.put(&path, &bytes)?;
        }
    }
    if lost > 0 {
        job.warn(format!("{lost} pixels of depth lie beyond 65.5 m now, more than the files can say: unknown"));
    }
    Ok(())
}

/// Multiplies depths; those that thousandths of 16 bits cannot say become 0, and are counted.
fn scale_depth(data: &mut [f32], factor: f64) -> usize {
    let mut lost = 0;
    for d in data.iter_mut().filter(|d| **d > 0.0) {
        let scaled = f64::from(*d) * factor;
        let fits = (scaled * 1000.0).round() <= f64::from(u16::MAX);
        lost += usize::from(!fits);
        *d = if fits { scaled as f32 } else { 0.0 };
    }
    lost
}

/// Cameras, points, splats, mesh and instances.
fn write_world(folder: &SceneFolder, meta: &SceneMeta, factor: f64, swap: &mut Swap) -> Result<(), RescaleError> {
    let world = Similarity { scale: factor, ..Similarity::identity() };
    let sparse = folder.read_sparse(&meta.images)?.moved(&world);
    for (path, bytes) in folder.sparse_files(&meta.images, &sparse)? {
        swap.put(&path, &bytes)?;
    }
    for path in [folder.splat_path(), folder.mesh_path()] {
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            let bytes = std::fs::read(&path);
            let bytes = bytes.map_err(|source| FolderError::Io { action: "read", path: path.clone(), source })?;
            swap.put(Path::new(name), &scaled_ply(&path, bytes, factor)?)?;
        }
    }
    let path = folder.root().join("instances.json");
    if path.is_file() {
        let old = folder.read_instances()?;
        let was_metric = meta.units == "metres";
        let new = old.instances.iter().map(|i| instances::rescaled(i, factor, was_metric)).collect();
        let new = Instances { instances: new, ..old };
        swap.put(Path::new("instances.json"), &json_bytes(&path, &new)?)?;
    }
    if folder.root().join(cache::OBJECTS).is_file() {
        let mut objects = cache::read_objects(folder)?;
        objects.iter_mut().for_each(|(_, o)| o.upright = o.upright.scaled(factor));
        swap.put(Path::new(cache::OBJECTS), &json_bytes(Path::new(cache::OBJECTS), &objects)?)?;
    }
    Ok(())
}

fn scaled_meta(mut meta: SceneMeta, metres: f64, factor: f64, poses_key: String) -> SceneMeta {
    meta.world_from_input[..3].iter_mut().flatten().for_each(|x| *x *= factor);
    let column = |c: usize| (0..3).map(|r| meta.world_from_input[r][c].powi(2)).sum::<f64>();
    let scale = ((column(0) + column(1) + column(2)) / 3.0).sqrt();
    let typed = TypedScale { metres, metres_per_input_unit: scale, poses_key };
    meta.units = "metres".into();
    meta.scale_source = typed.source();
    meta.typed_scale = Some(typed);
    meta
}

#[cfg(test)]
mod tests;
