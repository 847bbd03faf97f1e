//! Depth as 16-bit grayscale PNG: thousandths of a scene unit, 0 = unknown.

use super::{FolderError, malformed};
use crate::scene::DepthMap;
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma};
use std::io::Cursor;
use std::path::Path;

/// Depths beyond 65.535 are written as 65.535, those below a thousandth as a thousandth, non-finite ones as unknown.
pub(super) fn encode(path: &Path, depth: &DepthMap) -> Result<Vec<u8>, FolderError> {
    let thousandths = depth.data.iter().map(|d| match d {
        d if d.is_finite() && *d > 0.0 => (f64::from(*d) * 1000.0).round().clamp(1.0, 65535.0) as u16,
        _ => 0,
    });
    let image = ImageBuffer::<Luma<u16>, _>::from_raw(depth.width, depth.height, thousandths.collect::<Vec<u16>>())
        .ok_or_else(|| malformed(path, format!("not written: it is not {} x {} depths", depth.width, depth.height)))?;
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|e| malformed(path, format!("not written: {e}")))?;
    Ok(bytes.into_inner())
}

pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<DepthMap, FolderError> {
    match image::load_from_memory_with_format(bytes, ImageFormat::Png) {
        Ok(DynamicImage::ImageLuma16(image)) => Ok(DepthMap {
            width: image.width(),
            height: image.height(),
            data: image.as_raw().iter().map(|d| f32::from(*d) / 1000.0).collect(),
        }),
        Ok(other) => Err(malformed(path, format!("depth is 16-bit grayscale, this is {:?}", other.color()))),
        Err(e) => Err(malformed(path, e.to_string())),
    }
}
