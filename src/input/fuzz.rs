//! One function per reader of other programs' files, for the fuzzer: each takes any bytes and must return.

use super::{depth_file, npy, poses, transforms, tum};
use crate::scene::folder::model_of;
use std::path::Path;

const NOWHERE: &str = "fuzz";

/// `cameras` and `images` of a COLMAP model, binary and text: the first half of the bytes and the second.
pub fn colmap(bytes: &[u8]) {
    let (cameras, images) = bytes.split_at(bytes.len() / 2);
    for binary in [true, false] {
        let _ = model_of([Path::new(NOWHERE); 2], [cameras, images], binary);
        let _ = model_of([Path::new(NOWHERE); 2], [bytes, bytes], binary);
    }
}

/// `transforms.json`.
pub fn transforms(bytes: &[u8]) {
    if let Ok(Ok(value)) = std::str::from_utf8(bytes).map(poses::parse_json) {
        let _ = transforms::parsed(value);
    }
}

/// `groundtruth.txt` of TUM RGB-D.
pub fn tum(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = tum::trajectory(Path::new(NOWHERE), text);
    }
}

/// `.npy`.
pub fn npy(bytes: &[u8]) {
    let _ = npy::parse(bytes);
}

/// `.npz`.
pub fn npz(bytes: &[u8]) {
    let _ = npy::from_npz(bytes, "pose");
}

/// Depth in OpenEXR.
pub fn exr(bytes: &[u8]) {
    let _ = depth_file::decode(bytes, "exr", [0.001, 1.0]);
}

/// Depth in a 16-bit PNG.
pub fn depth_png(bytes: &[u8]) {
    let _ = depth_file::decode(bytes, "png", [0.001, 1.0]);
}
