//! The binary form of a COLMAP model: little endian, counts as 64-bit numbers.

use super::{ModelImage, pose};
use crate::scene::folder::{FolderError, malformed};
use crate::scene::{Intrinsics, Lens, colmap_camera, colmap_model};
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes that a keypoint takes: x and y as f64, the id of its point as u64.
const KEYPOINT: u64 = 24;

struct Bytes<'a> {
    path: &'a Path,
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    fn error(&self, what: &str) -> FolderError {
        malformed(self.path, what)
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8], FolderError> {
        let split = usize::try_from(n).ok().and_then(|n| self.rest.split_at_checked(n));
        let (head, tail) = split.ok_or_else(|| self.error("the file is cut short"))?;
        self.rest = tail;
        Ok(head)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], FolderError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64)?);
        Ok(out)
    }

    fn u32(&mut self) -> Result<u32, FolderError> {
        self.number().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FolderError> {
        self.number().map(u64::from_le_bytes)
    }

    fn f64(&mut self) -> Result<f64, FolderError> {
        self.number().map(f64::from_le_bytes)
    }
}

pub(super) fn cameras(path: &Path, bytes: &[u8]) -> Result<BTreeMap<u32, (Intrinsics, Lens)>, FolderError> {
    let mut b = Bytes { path, rest: bytes };
    let mut out = BTreeMap::new();
    for _ in 0..b.u64()? {
        let (id, model) = (b.u32()?, b.u32()?);
        let size = [b.u64()?, b.u64()?].map(u32::try_from);
        let [Ok(width), Ok(height)] = size else {
            return Err(b.error(&format!("the size of camera {id} is not that of a photo")));
        };
        let known = colmap_model(model as usize);
        let (name, count) = known.ok_or_else(|| b.error(&format!("camera {id} is of an unknown model {model}")))?;
        let params = (0..count).map(|_| b.f64()).collect::<Result<Vec<f64>, _>>()?;
        let camera = colmap_camera(name, width, height, &params);
        out.insert(id, camera.map_err(|e| b.error(&format!("camera {id}: {e}")))?);
    }
    Ok(out)
}

/// Images without their keypoints.
pub(super) fn images(path: &Path, bytes: &[u8]) -> Result<BTreeMap<u32, ModelImage>, FolderError> {
    let mut b = Bytes { path, rest: bytes };
    let mut out = BTreeMap::new();
    for _ in 0..b.u64()? {
        let id = b.u32()?;
        let mut numbers = [0.0; 7];
        for v in &mut numbers {
            *v = b.f64()?;
        }
        let w2c = pose(numbers).ok_or_else(|| b.error(&format!("the pose of image {id} is not one")))?;
        let camera = b.u32()?;
        let length = b.rest.iter().position(|c| *c == 0).ok_or_else(|| b.error("the file is cut short"))?;
        let name = String::from_utf8_lossy(b.take(length as u64)?).into_owned();
        b.take(1)?;
        let keypoints = b.u64()?;
        b.take(keypoints.saturating_mul(KEYPOINT))?;
        out.insert(id, ModelImage { name, camera, w2c, keypoints: Vec::new() });
    }
    Ok(out)
}
