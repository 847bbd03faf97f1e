//! What a resumed run needs and the contract does not name: `cache/` in the scene folder. It may be deleted when the
//! run is done; a later run then makes those stages anew.

use crate::geometry::dense::DenseDepth;
use crate::perception::objects::Object;
use crate::scene::DepthMap;
use crate::scene::folder::{FolderError, SceneFolder, json_bytes, write_atomic};
use std::path::{Path, PathBuf};

/// Path of the checkpoint of a training that is not done.
pub(super) fn checkpoint(folder: &SceneFolder) -> PathBuf {
    folder.root().join("cache/training.bin")
}

/// Path of a photo's cached depth within the scene folder.
fn dense_name(stem: &str) -> PathBuf {
    Path::new("cache/dense").join(format!("{stem}.bin"))
}

/// Whether there is cached depth of a photo.
pub(super) fn has_dense(folder: &SceneFolder, stem: &str) -> bool {
    folder.root().join(dense_name(stem)).is_file()
}

/// Writes multi-view depth and its confidence: width and height, then depth as 16-bit thousandths of a unit, then
/// confidence as bytes, little-endian. Returns what will be read back.
pub(super) fn write_dense(folder: &SceneFolder, stem: &str, dense: &DenseDepth) -> Result<DenseDepth, FolderError> {
    let (path, bytes) = dense_file(stem, dense);
    write_atomic(&folder.root().join(path), &bytes)?;
    read_dense(folder, stem)
}

/// What [`write_dense`] writes: path within the folder, and contents.
pub(super) fn dense_file(stem: &str, dense: &DenseDepth) -> (PathBuf, Vec<u8>) {
    let map = &dense.depth;
    let mut bytes = Vec::with_capacity(8 + map.data.len() * 3);
    bytes.extend(map.width.to_le_bytes());
    bytes.extend(map.height.to_le_bytes());
    bytes.extend(map.data.iter().flat_map(|d| ((d * 1000.0).round().clamp(0.0, 65535.0) as u16).to_le_bytes()));
    bytes.extend(dense.confidence.iter().map(|c| (c * 255.0).round().clamp(0.0, 255.0) as u8));
    (dense_name(stem), bytes)
}

/// Reads what [`write_dense`] wrote.
pub(super) fn read_dense(folder: &SceneFolder, stem: &str) -> Result<DenseDepth, FolderError> {
    let path = folder.root().join(dense_name(stem));
    let bytes =
        std::fs::read(&path).map_err(|source| FolderError::Io { action: "read", path: path.clone(), source })?;
    let number = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
    let (width, height) = (number(0), number(4));
    let pixels = width as usize * height as usize;
    if bytes.len() != 8 + pixels * 3 {
        return Err(FolderError::Malformed { path, reason: "not a depth map of this program".into() });
    }
    let (depth, confidence) = bytes[8..].split_at(pixels * 2);
    let data = depth.chunks_exact(2).map(|b| f32::from(u16::from_le_bytes([b[0], b[1]])) / 1000.0).collect();
    let confidence = confidence.iter().map(|c| f32::from(*c) / 255.0).collect();
    Ok(DenseDepth { depth: DepthMap { width, height, data }, confidence })
}

/// Path of the named objects, which stage `instances` needs, within the scene folder.
pub(super) const OBJECTS: &str = "cache/objects.json";

/// Writes the named objects, each with the id of its masks.
pub(super) fn write_objects(folder: &SceneFolder, objects: &Vec<(u32, Object)>) -> Result<(), FolderError> {
    let path = folder.root().join(OBJECTS);
    write_atomic(&path, &json_bytes(&path, objects)?)
}

/// Reads what [`write_objects`] wrote.
pub(super) fn read_objects(folder: &SceneFolder) -> Result<Vec<(u32, Object)>, FolderError> {
    let path = folder.root().join(OBJECTS);
    let bytes =
        std::fs::read(&path).map_err(|source| FolderError::Io { action: "read", path: path.clone(), source })?;
    serde_json::from_slice(&bytes).map_err(|e| FolderError::Malformed { path, reason: e.to_string() })
}

/// A name for the state of a file or folder of the user's: names, sizes and times of change.
pub(super) fn fingerprint(path: &Path) -> String {
    let inside = |path: &Path| match std::fs::read_dir(path) {
        Ok(dir) => dir.filter_map(|e| e.ok().map(|e| e.path())).collect(),
        Err(_) => vec![path.to_owned()],
    };
    // What lies in folders of the folder counts too: masks may lie in one for each label.
    let mut entries: Vec<PathBuf> = inside(path).iter().flat_map(|entry| inside(entry)).collect();
    entries.sort();
    let mut hash = blake3::Hasher::new();
    for entry in entries {
        let meta = std::fs::metadata(&entry).ok().map(|m| (m.len(), m.modified().ok()));
        hash.update(format!("{entry:?} {meta:?}").as_bytes());
    }
    hash.finalize().to_hex().to_string()
}
