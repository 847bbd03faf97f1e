//! DL3DV as Holi-Spatial takes it: `dense/cam/STEM.npz` (`intrinsic` 3x3, `pose` 4x4 camera-to-world, OpenCV axes) and
//! `dense/rgb/`. Its scale is that of structure from motion.

use super::found::{Found, Given, Item, PHOTO, TWO_PHOTOS, files_in, left_out, stored_size};
use super::{InputError, list, malformed, npy, poses, read_bytes};
use crate::scene::{Intrinsics, Lens};
use nalgebra::Isometry3;
use std::path::{Path, PathBuf};

/// The folder of `cam/` and `rgb/`.
fn place(input: &Path) -> Option<PathBuf> {
    let complete = |p: &PathBuf| p.join("rgb").is_dir() && p.join("cam").is_dir();
    [input.join("dense"), input.to_path_buf()].into_iter().find(complete)
}

pub(super) fn is_one(input: &Path) -> bool {
    place(input).is_some()
}

pub(super) fn read(input: &Path) -> Result<Found, InputError> {
    let dense = place(input).unwrap_or_else(|| input.to_path_buf());
    let cameras = files_in(&dense.join("cam"), &["npz"])?;
    let (mut items, mut without, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for (stem, path) in files_in(&dense.join("rgb"), &PHOTO)? {
        let Some(file) = cameras.get(&stem) else {
            without.push(stem);
            continue;
        };
        let (intrinsics, c2w) = camera(file, stored_size(&path)?)?;
        let given = Given { intrinsics, lens: Lens::Pinhole, from: file.clone() };
        items.push(Item { path, stem, given: Some(given), c2w: Some(c2w), depth: None });
    }
    left_out(&without, &format!("photos have no camera in {}", dense.join("cam").display()), &mut warnings);
    items.sort_by(|a, b| list::natural(&a.stem, &b.stem));
    Ok(Found { items, metric: false, least_photos: TWO_PHOTOS, warnings })
}

fn camera(path: &Path, (width, height): (u32, u32)) -> Result<(Intrinsics, Isometry3<f64>), InputError> {
    let bytes = read_bytes(path)?;
    let numbers = |name: &str, count: usize| -> Result<Vec<f64>, InputError> {
        let array = npy::from_npz(&bytes, name).map_err(|e| malformed(path, e))?;
        let array = array.ok_or_else(|| malformed(path, format!("it has no array {name}")))?;
        if array.values.len() == count {
            return Ok(array.values);
        }
        Err(malformed(path, format!("array {name} is of shape {:?}", array.shape)))
    };
    let k = numbers("intrinsic", 9)?;
    let intrinsics = Intrinsics { width, height, fx: k[0], fy: k[4], cx: k[2], cy: k[5] };
    if !intrinsics.is_plausible() {
        return Err(malformed(path, format!("intrinsic is not that of a camera of {width} x {height} pixels")));
    }
    let c2w = poses::rigid(&numbers("pose", 16)?).map_err(|reason| malformed(path, format!("pose: {reason}")))?;
    Ok((intrinsics, c2w))
}
