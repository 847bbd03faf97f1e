//! `pose_quality.json`: how well the pose of each photo is known.

use super::{FolderError, json_bytes, malformed, read_json};
use crate::scene::{PoseQuality, QualitySummary, Sparse};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// Layout version of the file.
const FILE_VERSION: u32 = 1;

/// A photo's entry in `pose_quality.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameQuality {
    /// Stem of the photo.
    pub image: String,
    /// Whether it has a camera.
    pub registered: bool,
    /// How well the camera is known; nothing for a photo without one.
    #[serde(flatten)]
    pub quality: Option<PoseQuality>,
    /// Why the pose is weak beside the others, in plain words.
    pub weak: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    frames: Vec<FrameQuality>,
}

pub(super) fn encode(path: &Path, names: &[String], sparse: &Sparse) -> Result<Vec<u8>, FolderError> {
    let quality = sparse.pose_quality();
    let all = QualitySummary::of(&quality);
    let frame = |(name, quality): (&String, &Option<PoseQuality>)| FrameQuality {
        image: stem(name).to_owned(),
        registered: quality.is_some(),
        quality: *quality,
        weak: quality.and_then(|q| q.weakness(&all)).map(|w| w.to_string()),
    };
    json_bytes(path, &File { version: FILE_VERSION, frames: names.iter().zip(&quality).map(frame).collect() })
}

/// The entries of the file; none where there is no file, as in scenes of older programs.
pub(super) fn read(path: &Path) -> Result<Vec<FrameQuality>, FolderError> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let file: File = read_json(path)?;
    if file.version != FILE_VERSION {
        return Err(malformed(path, format!("its layout version is {}, not {FILE_VERSION}", file.version)));
    }
    Ok(file.frames)
}

/// Entries in the order of `names`; empty where a photo of `sparse` that has a camera has no entry.
pub(super) fn in_order(frames: &[FrameQuality], names: &[String], sparse: &Sparse) -> Vec<Option<PoseQuality>> {
    let by_stem: HashMap<&str, PoseQuality> =
        frames.iter().filter_map(|f| Some((f.image.as_str(), f.quality?))).collect();
    let cameras = names.iter().zip(&sparse.cameras);
    let known: Option<Vec<_>> = cameras
        .map(|(name, camera)| match camera {
            Some(_) => by_stem.get(stem(name)).map(|q| Some(*q)),
            None => Some(None),
        })
        .collect();
    known.unwrap_or_default()
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
