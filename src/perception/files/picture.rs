//! Pictures of masks: grey PNG files of 8 or 16 bits.

use image::{DynamicImage, ImageReader, Limits};
use std::path::Path;

/// Most memory for a picture, bytes decoded: 16384 x 16384 pixels of 16 bits.
const MOST_MEMORY: u64 = 512 << 20;

/// The numbers of a picture, row-major.
pub(super) struct Numbers {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) data: Vec<u16>,
}

/// Reads a grey picture, or the reason why it is none.
pub(super) fn read(path: &Path) -> Result<Numbers, String> {
    let mut reader =
        ImageReader::open(path).map_err(|e| e.to_string())?.with_guessed_format().map_err(|e| e.to_string())?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let picture = reader.decode().map_err(|e| e.to_string())?;
    let (width, height) = (picture.width(), picture.height());
    let data = match picture {
        DynamicImage::ImageLuma16(grey) => grey.into_raw(),
        DynamicImage::ImageLuma8(grey) => grey.into_raw().into_iter().map(u16::from).collect(),
        other => return Err(format!("it is not grey but {:?}", other.color())),
    };
    Ok(Numbers { width, height, data })
}
