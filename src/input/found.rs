//! What a reader of a layout finds, before any photo is opened.

use super::InputError;
use super::list::some_of;
use crate::scene::{Intrinsics, Lens};
use nalgebra::Isometry3;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A camera that a file gives for a photo as it is stored, at any scale.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    pub(super) intrinsics: Intrinsics,
    pub(super) lens: Lens,
    /// The file that says so.
    pub(super) from: PathBuf,
}

/// A file of a depth sensor, registered to a photo.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SensorFile {
    pub(super) path: PathBuf,
    /// Metres that 1 stands for, in files of whole numbers and in files of real ones.
    pub(super) unit: [f64; 2],
    /// The sensor's camera, at any scale, in the place of the photo's; `None` where it is the photo's own.
    pub(super) camera: Option<Intrinsics>,
}

/// A photo that was not opened yet, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) path: PathBuf,
    pub(super) stem: String,
    pub(super) given: Option<Given>,
    /// Camera-to-world, OpenCV axes, for the photo as it is stored.
    pub(super) c2w: Option<Isometry3<f64>>,
    pub(super) depth: Option<SensorFile>,
}

/// A capture before its photos are opened.
#[derive(Debug)]
pub(super) struct Found {
    /// In order of capture.
    pub(super) items: Vec<Item>,
    /// Whether poses are in metres.
    pub(super) metric: bool,
    /// Photos that are needed for anything to be done.
    pub(super) least_photos: usize,
    pub(super) warnings: Vec<String>,
}

/// Things of one kind that were left out: counted, and a few of them named.
pub(super) fn left_out(names: &[String], what: &str, warnings: &mut Vec<String>) {
    if !names.is_empty() {
        warnings.push(format!("left out: {} {what}: {}", names.len(), some_of(names)));
    }
}

/// File name without its last extension.
pub(super) fn stem_of(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Gives every item a stem of its own: where photos of several folders share names, all are named by their path below
/// `root`, `/` as `_`. Of items that still share one the first is kept.
pub(super) fn own_stems(items: Vec<Item>, root: &Path, warnings: &mut Vec<String>) -> Vec<Item> {
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let distinct = items.iter().all(|i| seen.insert(i.stem.clone(), i.path.clone()).is_none_or(|p| p == i.path));
    seen.clear();
    let mut out = Vec::with_capacity(items.len());
    for mut item in items {
        if !distinct {
            let below = item.path.strip_prefix(root).unwrap_or(&item.path).with_extension("");
            let parts = below.components().filter_map(|c| match c {
                std::path::Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
                _ => None,
            });
            item.stem = parts.collect::<Vec<_>>().join("_");
        }
        if let Some(kept) = seen.get(&item.stem) {
            warnings.push(format!("left out: {} has the same name as {}", item.path.display(), kept.display()));
            continue;
        }
        seen.insert(item.stem.clone(), item.path.clone());
        out.push(item);
    }
    out
}

/// Files of a folder with one of these extensions (lower case), by stem. Hidden files do not count.
pub(super) fn files_in(folder: &Path, ends: &[&str]) -> Result<BTreeMap<String, PathBuf>, InputError> {
    let unreadable = |source| InputError::Io { path: folder.into(), source };
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let end = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let stem = stem_of(&path);
        if ends.contains(&end.as_str()) && !stem.starts_with('.') && path.is_file() {
            out.insert(stem, path);
        }
    }
    Ok(out)
}

/// Photos that structure from motion needs.
pub(super) const TWO_PHOTOS: usize = 2;

/// Extensions of photos.
pub(super) const PHOTO: [&str; 3] = ["jpg", "jpeg", "png"];

/// Width and height of a photo as it is stored, from the start of its file.
pub(super) fn stored_size(path: &Path) -> Result<(u32, u32), InputError> {
    let unreadable = |source| InputError::Io { path: path.into(), source };
    let reader = image::ImageReader::open(path).map_err(unreadable)?.with_guessed_format().map_err(unreadable)?;
    reader.into_dimensions().map_err(|e| super::malformed(path, e))
}
