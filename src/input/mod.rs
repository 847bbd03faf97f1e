//! Photos, videos and posed folders in: frames, intrinsics, and what came with them.

mod copy;
mod list;
mod masks;
mod photo;
pub(crate) mod poses;
#[cfg(test)]
mod tests;
pub mod video;

pub use copy::copy_images;
pub use photo::decode_photo;

use crate::scene::folder::FolderError;
use crate::scene::{Cancelled, Capture, Frame, Intrinsics, Job};
use list::Listing;
use photo::Photo;
use poses::PosesFile;
use rayon::prelude::*;
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

/// Reads a folder of photos (JPEG or PNG; in `rgb/`, in `images/` or directly in it), upright and at most [`MAX_SIDE`]
/// pixels long, in natural order of their names. Of more than `max_frames` photos, as many are taken, evenly spread.
///
/// A video is read instead of a folder where ffmpeg is installed ([`video`]). Photos may have masks (`masks`).
///
/// Intrinsics come from `poses.json` or `intrinsics.json` in the folder or beside the photos, else from EXIF, else
/// they are a guess. With a `poses.json` (given camera-to-world poses, metres) the photos that it names are the
/// capture. What was left out, and why, is in [`Capture::warnings`] (and not told to `job`, which only sees progress).
pub fn load(input: &Path, max_frames: Option<u32>, job: &dyn Job) -> Result<Capture, InputError> {
    if list::is_video(input) && input.is_file() {
        return video::load(input, max_frames, job);
    }
    let Listing { folder, mut photos, mut warnings } = list::photos(input)?;
    let beside = |name: &str| [input, &folder].map(|f| f.join(name)).into_iter().find(|p| p.is_file());
    let poses = beside("poses.json").map(|p| poses::read(&p)).transpose()?;
    let given = match &poses {
        Some(p) => Some((p.path.clone(), p.intrinsics)),
        None => {
            beside("intrinsics.json").map(|p| Ok::<_, InputError>((p.clone(), poses::intrinsics(&p)?))).transpose()?
        }
    };
    if let Some(p) = &poses {
        photos = with_poses(p, photos, &mut warnings)?;
    }
    let photos = spread(photos, max_frames);
    enough(input, photos.len(), &warnings)?;
    let masks = masks::Places::of(input, &folder);
    let decoded = decode_all(&photos, poses.is_some(), &masks, job)?;

    let (mut frames, mut all_known) = (Vec::new(), true);
    for (listed, photo) in photos.into_iter().zip(decoded) {
        let mut photo = match photo {
            Ok(photo) => photo,
            Err(e) => {
                warnings.push(format!("left out: {e}"));
                continue;
            }
        };
        let fitted = given.as_ref().and_then(|(_, k)| photo.fit(k));
        if let (None, Some((path, k))) = (fitted, &given) {
            let (w, h) = photo.stored;
            warnings.push(format!(
                "{} is {w} x {h}, {} is for {} x {}: its camera is guessed",
                listed.path.display(),
                path.display(),
                k.width,
                k.height
            ));
        }
        warnings.extend(photo.mask_warning.take());
        all_known &= fitted.is_some();
        let intrinsics = fitted.or(photo.exif_intrinsics).unwrap_or_else(|| photo.guess());
        let given_c2w = poses.as_ref().and_then(|p| p.c2w.get(&listed.stem)).map(|c2w| c2w * photo.turn());
        frames.push(Frame {
            stem: listed.stem,
            path: listed.path,
            image: Arc::new(photo.image),
            intrinsics,
            given_c2w,
            mask: photo.mask.map(Arc::new),
        });
    }
    enough(input, frames.len(), &warnings)?;
    Ok(Capture {
        name: name_of(input),
        source: input.to_path_buf(),
        frames,
        intrinsics_known: given.is_some() && all_known,
        metric: poses.is_some(),
        warnings,
    })
}

/// Keeps the photos that `poses.json` gives a pose for, and says which it does not, and which it names in vain.
fn with_poses(
    poses: &PosesFile,
    photos: Vec<list::Photo>,
    out: &mut Vec<String>,
) -> Result<Vec<list::Photo>, InputError> {
    out.extend(poses.warnings.iter().cloned());
    let name = poses.path.display();
    for stem in poses.c2w.keys().filter(|s| photos.iter().all(|p| p.stem != **s)) {
        out.push(format!("{name} has a pose for {stem}, which has no photo"));
    }
    let (kept, left): (Vec<_>, Vec<_>) = photos.into_iter().partition(|p| poses.c2w.contains_key(&p.stem));
    // A pose that cannot be used was named already.
    let named = |stem: &str| poses.warnings.iter().any(|w| w.contains(&format!("the pose of {stem} is not used")));
    for photo in left.iter().filter(|p| !named(&p.stem)) {
        out.push(format!("left out: {} has no pose in {name}", photo.path.display()));
    }
    if kept.is_empty() {
        let reason = "not one photo has a usable pose in it".into();
        return Err(InputError::Malformed { path: poses.path.clone(), reason });
    }
    Ok(kept)
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

fn enough(path: &Path, photos: usize, warnings: &[String]) -> Result<(), InputError> {
    let left = warnings.iter().find(|w| w.starts_with("left out"));
    let hint = left.map(|w| format!(" that can be used ({w})")).unwrap_or_default();
    match photos {
        0 => Err(InputError::NoPhotos { path: path.to_path_buf(), hint }),
        1 => Err(InputError::OnePhoto { path: path.to_path_buf(), hint }),
        _ => Ok(()),
    }
}

/// Decodes in parallel, a few at a time, so that progress, pause and cancel come from the calling thread.
fn decode_all(
    photos: &[list::Photo],
    posed: bool,
    masks: &masks::Places,
    job: &dyn Job,
) -> Result<Vec<Result<Photo, InputError>>, InputError> {
    let mut out = Vec::with_capacity(photos.len());
    for some in photos.chunks(2 * rayon::current_num_threads()) {
        job.tick(out.len(), photos.len())?;
        out.par_extend(some.par_iter().map(|p| Photo::read(&p.path, posed, MAX_SIDE).map(|photo| masks.add(photo, p))));
    }
    job.tick(out.len(), photos.len())?;
    Ok(out)
}

/// Name of the folder, also for "." and "..".
fn name_of(input: &Path) -> String {
    let full = std::fs::canonicalize(input).unwrap_or_else(|_| input.to_path_buf());
    full.file_name().map_or_else(|| "scene".into(), |n| n.to_string_lossy().into_owned())
}

/// `k` without a camera whose numbers cannot be.
fn plausible(k: Intrinsics) -> Option<Intrinsics> {
    k.is_plausible().then_some(k)
}
