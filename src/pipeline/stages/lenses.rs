//! Photos without the distortion that structure from motion found in them: everything after it is for pinhole cameras.

use crate::geometry::sfm::TakenWith;
use crate::pipeline::run::{Bench, RunError};
use crate::scene::folder::{FolderError, SceneFolder, json_bytes, write_atomic};
use crate::scene::{Capture, Frame, Job as _, Lens, depth_through, mask_through, undistorted};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) fn all_pinholes(taken: &[TakenWith]) -> bool {
    taken.iter().all(|t| t.lens == Lens::Pinhole)
}

fn path(folder: &SceneFolder) -> PathBuf {
    folder.cache().root().join("lenses.json")
}

/// The lenses of an earlier run; none where all were pinholes.
pub(super) fn read(folder: &SceneFolder, photos: usize) -> Result<Vec<TakenWith>, FolderError> {
    let path = path(folder);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let malformed = |reason: String| FolderError::Malformed { path: path.clone(), reason };
    let bytes =
        std::fs::read(&path).map_err(|source| FolderError::Io { action: "read", path: path.clone(), source })?;
    let taken: Vec<TakenWith> = serde_json::from_slice(&bytes).map_err(|e| malformed(e.to_string()))?;
    let sound = taken.len() == photos && taken.iter().all(|t| t.intrinsics.is_plausible() && t.lens.is_plausible());
    if sound { Ok(taken) } else { Err(malformed("these are not the lenses of the photos".into())) }
}

/// Puts photos without distortion into the scene folder where lenses bend, and writes the lenses down. Where an earlier
/// run found other lenses, the photos are put there as they are.
pub(super) fn put_photos(bench: &mut Bench, capture: &Capture, taken: &[TakenWith]) -> Result<(), RunError> {
    let path = path(bench.folder);
    let bends = !all_pinholes(taken);
    if bends {
        crate::input::copy_images(&undone(capture, taken), bench.folder, bench.job)?;
        write_atomic(&path, &json_bytes(&path, &taken.to_vec())?)?;
        bench.job.warn("the lens bends straight lines: the photos in images/ are without its distortion".into());
    } else if path.exists() {
        crate::input::copy_images(capture, bench.folder, bench.job)?;
        std::fs::remove_file(&path).map_err(|source| FolderError::Io { action: "remove", path, source })?;
    }
    Ok(())
}

/// The capture as pinhole cameras would have taken it.
pub(super) fn undone(capture: &Capture, taken: &[TakenWith]) -> Capture {
    let frames = capture.frames.par_iter().zip(taken).map(|(frame, taken)| straight(frame, taken)).collect();
    Capture { frames, ..capture.clone() }
}

fn straight(frame: &Frame, TakenWith { intrinsics, lens }: &TakenWith) -> Frame {
    if *lens == Lens::Pinhole {
        return frame.clone();
    }
    let Some((image, pinhole)) = undistorted(&frame.image, intrinsics, lens) else { return frame.clone() };
    let depth = |map: &Arc<_>| Arc::new(depth_through(map, intrinsics, lens, &pinhole));
    let mask = |mask: &Arc<_>| Arc::new(mask_through(mask, intrinsics, lens, &pinhole));
    Frame {
        image: Arc::new(image),
        as_stored: false,
        intrinsics: pinhole,
        sensor_depth: frame.sensor_depth.as_ref().map(depth),
        mask: frame.mask.as_ref().map(mask),
        ..frame.clone()
    }
}
