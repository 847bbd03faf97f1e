//! Photos, videos, and what other programs and sensors say of them in: frames, cameras, poses, depth.

mod colmap;
mod copy;
mod decode;
pub(crate) mod depth_file;
mod dl3dv;
mod folder;
mod found;
#[doc(hidden)]
pub mod fuzz;
mod holi;
mod list;
mod masks;
pub(crate) mod npy;
mod photo;
pub(crate) mod poses;
mod scannet;
#[cfg(test)]
mod tests;
mod transforms;
mod tum;
pub mod video;

pub use copy::copy_images;
pub use holi::{HoliObject, HoliResult};
pub(crate) use list::natural;
pub use photo::decode_photo;
pub(crate) use poses::without_nan;

use crate::scene::folder::FolderError;
use crate::scene::{Cancelled, Capture, Frame, Intrinsics, Job};
use decode::{Decoded, decode_all};
use found::Found;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Photos whose longer side has more pixels than this are scaled down to it.
pub const MAX_SIDE: u32 = 1600;

/// How to install ffmpeg on this system.
const HOW_TO_GET_FFMPEG: &str = if cfg!(windows) {
    "`winget install ffmpeg` installs it"
} else if cfg!(target_os = "macos") {
    "`brew install ffmpeg` installs it"
} else {
    "`sudo apt install ffmpeg`, or your package manager's word for it, installs it"
};

/// What can go wrong with an input. Each message names the file or folder.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Nothing is there.
    #[error("there is no {0}: give a folder of photos, or a video")]
    Missing(PathBuf),
    /// A file where a folder should be.
    #[error("{path} is {what}: give a folder of photos (JPEG or PNG), or a video")]
    NotAFolder {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        what: &'static str,
    },
    /// A video, and nothing to decode it with.
    #[error("{0} is a video, and ffmpeg, which decodes it, is not installed: {HOW_TO_GET_FFMPEG}")]
    NoFfmpeg(PathBuf),
    /// A folder of photos most of which are in formats that are not read.
    #[error("{path}: {count} of {total} photos are in a format that is not read ({names}): {how}, or take them out")]
    Unread {
        /// The folder.
        path: PathBuf,
        /// How many are not read.
        count: usize,
        /// Of how many.
        total: usize,
        /// Some of them.
        names: String,
        /// How to convert them.
        how: String,
    },
    /// A folder without photos.
    #[error("{path} holds no photos{hint}: give a folder with JPEG or PNG files in it, in rgb/ or in images/")]
    NoPhotos {
        /// The folder.
        path: PathBuf,
        /// What it holds instead; may be empty.
        hint: String,
    },
    /// A folder with one usable photo.
    #[error("{path} holds one photo{hint}; at least two photos of the same place are needed")]
    OnePhoto {
        /// The folder.
        path: PathBuf,
        /// Why there are not more; may be empty.
        hint: String,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A copy cannot be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The user cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// A layout that is read: whether a folder or file is one, and how it is read.
struct Reader {
    find: fn(&Path) -> bool,
    read: fn(&Path) -> Result<Found, InputError>,
}

/// Layouts, the first that fits is taken. A result may lie in the folder of what it was made of; a `poses.json` says
/// more than anything that may lie beside it, and a folder of nothing but photos comes last.
const READERS: [Reader; 8] = [
    Reader { find: holi::is_one, read: holi::read },
    Reader { find: folder::has_poses, read: folder::read },
    Reader { find: transforms::is_one, read: transforms::read },
    Reader { find: scannet::is_one, read: scannet::read },
    Reader { find: dl3dv::is_one, read: dl3dv::read },
    Reader { find: tum::is_one, read: tum::read },
    Reader { find: colmap::is_one, read: colmap::read },
    Reader { find: |_| true, read: folder::read },
];

/// Reads an input: upright photos (JPEG or PNG) of pinhole cameras, at most [`MAX_SIDE`] pixels long, with what is known
/// of their cameras, poses (camera-to-world, OpenCV axes) and depth. Of more than `max_frames` photos, as many are
/// taken, evenly spread.
///
/// The layout tells what it is: a folder of photos (`rgb/`, `images/` or directly in it; `intrinsics.json` is used) with
/// or without a `poses.json`, a COLMAP project, a nerfstudio `transforms.json` (also of ScanNet++ and DL3DV), ScanNet,
/// DL3DV, TUM RGB-D; a Holi-Spatial result ([`HoliResult`]), which may have no photos. A `depth/` beside a `poses.json`
/// is ground truth for `eval`, not a sensor's, and is not read.
///
/// A video is read where ffmpeg is installed ([`video`]). Photos may have masks (`masks`).
///
/// Where no intrinsics are given they come from EXIF, else they are a guess. Where poses are given, the photos that have
/// one are the capture. What was left out, and why, is in [`Capture::warnings`] (and not told to `job`, which only sees
/// progress).
pub fn load(input: &Path, max_frames: Option<u32>, job: &dyn Job) -> Result<Capture, InputError> {
    if !input.exists() {
        return Err(InputError::Missing(input.into()));
    }
    if list::is_video(input) && input.is_file() {
        return video::load(input, max_frames, job);
    }
    let reader = READERS.iter().find(|r| (r.find)(input)).unwrap_or(&READERS[READERS.len() - 1]);
    let Found { items, metric, least_photos, mut warnings } = (reader.read)(input)?;
    let items = spread(items, max_frames);
    enough(input, items.len(), least_photos, &warnings)?;
    let masks = masks::Places::of(input, &items);
    let decoded = decode_all(&items, &masks, job)?;

    let (mut frames, mut all_known) = (Vec::new(), true);
    for (item, decoded) in items.into_iter().zip(decoded) {
        let Decoded { photo, given, depth, mask, warnings: odd } = match decoded {
            Ok(decoded) => decoded,
            Err(e) => {
                warnings.push(format!("left out: {e}"));
                continue;
            }
        };
        warnings.extend(odd);
        all_known &= given.is_some();
        frames.push(Frame {
            intrinsics: given.or(photo.exif_intrinsics).unwrap_or_else(|| photo.guess()),
            given_c2w: item.c2w.map(|c2w| c2w * photo.turn()),
            sensor_depth: depth.map(Arc::new),
            as_stored: photo.as_stored,
            image: Arc::new(photo.image),
            stem: item.stem,
            path: item.path,
            mask: mask.map(Arc::new),
        });
    }
    enough(input, frames.len(), least_photos, &warnings)?;
    Ok(Capture {
        name: name_of(input),
        source: input.to_path_buf(),
        frames,
        intrinsics_known: all_known,
        metric,
        warnings,
    })
}

/// At most `max` of the photos, the first and the last among them, evenly spread.
fn spread<T>(photos: Vec<T>, max: Option<u32>) -> Vec<T> {
    let (n, m) = (photos.len(), max.map_or(usize::MAX, |m| m as usize));
    if n <= m {
        return photos;
    }
    let mut wanted = (0..m).map(|i| (i * (n - 1) + (m - 1) / 2) / (m - 1).max(1)).peekable();
    let taken = photos.into_iter().enumerate().filter(|(i, _)| wanted.next_if_eq(i).is_some());
    taken.map(|(_, photo)| photo).collect()
}

fn enough(path: &Path, photos: usize, least: usize, warnings: &[String]) -> Result<(), InputError> {
    let left = warnings.iter().find(|w| w.starts_with("left out"));
    let hint = left.map(|w| format!(" that can be used ({w})")).unwrap_or_default();
    match photos {
        n if n >= least => Ok(()),
        0 => Err(InputError::NoPhotos { path: path.to_path_buf(), hint }),
        _ => Err(InputError::OnePhoto { path: path.to_path_buf(), hint }),
    }
}

/// Name of the folder, also for "." and "..", and for a JSON file in it.
fn name_of(input: &Path) -> String {
    let full = std::fs::canonicalize(input).unwrap_or_else(|_| input.to_path_buf());
    let json = full.is_file() && full.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let folder = if json { full.parent().unwrap_or(&full) } else { &full };
    folder.file_name().map_or_else(|| "scene".into(), |n| n.to_string_lossy().into_owned())
}

/// `k` without a camera whose numbers cannot be.
fn plausible(k: Intrinsics) -> Option<Intrinsics> {
    k.is_plausible().then_some(k)
}

fn malformed(path: &Path, reason: impl std::fmt::Display) -> InputError {
    InputError::Malformed { path: path.into(), reason: reason.to_string() }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, InputError> {
    std::fs::read(path).map_err(|source| InputError::Io { path: path.into(), source })
}

fn read_text(path: &Path) -> Result<String, InputError> {
    String::from_utf8(read_bytes(path)?).map_err(|_| malformed(path, "it is not UTF-8 text"))
}
