//! Masks that another program made: a `mask_index.json` in the layout of Holi-Spatial, instances of COCO, instance ids in
//! PNG pictures, or a folder of PNG pictures for each label. Which of them a file or folder is, is read from what is in it.

mod coco;
mod collect;
mod holi;
mod ids;
mod json;
mod labels;
mod picture;
mod polygon;
mod scale;
#[cfg(test)]
mod tests;

pub(crate) use scale::resized;

use crate::scene::{Cancelled, FrameMasks, Job};
use collect::Collector;
use std::path::{Path, PathBuf};

/// What can be wrong with masks of another program as a whole.
#[derive(Debug, thiserror::Error)]
pub enum MaskFileError {
    /// By the user.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// It is not there or cannot be read.
    #[error("cannot read the masks in {}: {source}", path.display())]
    Read {
        /// The file that was sought.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is JSON of neither layout.
    #[error("{} is not a mask index: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it went wrong.
        reason: String,
    },
    /// It is none of the layouts.
    #[error("{} holds no masks that are known here: {EXPECTED}", .0.display())]
    Unknown(PathBuf),
    /// None of its masks is for one of the frames.
    #[error("none of the {items} masks in {} is for a frame of this capture", path.display())]
    Unrelated {
        /// The file.
        path: PathBuf,
        /// Masks in it.
        items: usize,
    },
    /// None of its masks can be used.
    #[error("none of the {items} masks in {} can be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Masks in it.
        items: usize,
        /// What is wrong with how many, and with which.
        reason: String,
    },
}

const EXPECTED: &str = "expected is a mask_index.json (Holi-Spatial), a JSON file with COCO instances, a folder with either, \
                        a folder of 16-bit PNG pictures of instance ids named as the photos (or its instance/), or a folder \
                        with LABEL/STEM.png";

/// A frame that masks are sought for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// File name of the image.
    pub name: &'a str,
    /// Stem: what masks are matched by.
    pub stem: &'a str,
    /// Width of the image in pixels.
    pub width: u32,
    /// Height of the image in pixels.
    pub height: u32,
}

/// How masks are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A JSON file: a Holi-Spatial index, or COCO instances; its keys tell which.
    Json(PathBuf),
    /// A folder of pictures whose numbers are instance ids.
    Ids(PathBuf),
    /// A folder with a folder of pictures for each label.
    Labels(PathBuf),
}

/// Finds out how masks are laid out, by names and keys alone.
pub fn find(path: &Path) -> Result<Layout, MaskFileError> {
    if !path.is_dir() {
        return Ok(Layout::Json(path.to_owned()));
    }
    let index = path.join("mask_index.json");
    if index.is_file() {
        return Ok(Layout::Json(index));
    }
    for name in ["instance", "instance-filt"] {
        let folder = path.join(name);
        if !pictures(&folder).is_empty() {
            return Ok(Layout::Ids(folder));
        }
    }
    if !pictures(path).is_empty() {
        return Ok(Layout::Ids(path.to_owned()));
    }
    if folders(path).iter().any(|f| !pictures(f).is_empty()) {
        return Ok(Layout::Labels(path.to_owned()));
    }
    let jsons: Vec<PathBuf> = entries(path).into_iter().filter(|p| ending(p) == "json" && names_masks(p)).collect();
    match jsons.as_slice() {
        [one] => Ok(Layout::Json(one.clone())),
        _ => Err(MaskFileError::Unknown(path.to_owned())),
    }
}

/// Reads the masks in a file or folder into one entry per frame. Masks go to frames by the stem of their image. A mask of
/// another size is brought to the size of its frame by nearest neighbour where it has its proportions. Instance ids are 0
/// unless the file has ids that hold for the whole scene. Masks that cannot be used are counted and named in warnings.
pub fn read(path: &Path, frames: &[Wanted], job: &dyn Job) -> Result<Vec<FrameMasks>, MaskFileError> {
    let layout = find(path)?;
    let (Layout::Json(file) | Layout::Ids(file) | Layout::Labels(file)) = &layout;
    let mut collector = Collector::new(file, frames, job);
    match layout {
        Layout::Json(_) => json::read(&mut collector)?,
        Layout::Ids(_) => ids::read(&mut collector)?,
        Layout::Labels(_) => labels::read(&mut collector)?,
    }
    collector.finish()
}

/// Whether a JSON file has the key of either layout somewhere: a folder may hold cameras and other things beside.
fn names_masks(path: &Path) -> bool {
    let text = std::fs::read(path).unwrap_or_default();
    let has = |key: &str| text.windows(key.len()).any(|w| w == key.as_bytes());
    has("\"annotations\"") || has("\"items\"")
}

/// Entries of a folder, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    all.sort();
    all
}

/// The PNG files of a folder, by name.
fn pictures(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|p| ending(p) == "png" && p.is_file()).collect()
}

/// The folders of a folder, by name.
fn folders(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|p| p.is_dir()).collect()
}

/// Ending of a file's name, in lower case.
fn ending(path: &Path) -> String {
    path.extension().map_or_else(String::new, |e| e.to_string_lossy().to_lowercase())
}
