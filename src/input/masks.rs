//! Masks beside photos: which pixels of a photo may be used.
//!
//! Two conventions are understood, black (0) for ignored in both: COLMAP's, `masks/` with the photo's whole name and
//! `.png` behind it; and that of nerfstudio and others, `masks/` with the photo's stem, or `STEM.mask.png` beside it.

use super::found::{Item, stem_of};
use super::photo::{Photo, swaps};
use crate::scene::{Intrinsics, Lens, mask_through};
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, ImageFormat, ImageReader, Luma};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// How the name of a mask that lies beside its photo ends.
pub(super) const BESIDE: &str = ".mask.png";

/// Largest file of a mask, bytes decoded.
const MAX_BYTES: u64 = 512 << 20;

/// How far JPEG may move black and white, and what part of the pixels it may move further.
const RINGING: (u8, usize) = (48, 20);

/// Where masks may lie.
pub(super) struct Places {
    folders: Vec<PathBuf>,
}

impl Places {
    /// For an input and the photos in it: `masks/` of the input, and of the folders that hold photos.
    pub(super) fn of(input: &Path, photos: &[Item]) -> Self {
        let mut folders = vec![input.join("masks")];
        folders.extend(photos.iter().filter_map(|p| p.path.parent()).map(|f| f.join("masks")));
        folders.dedup();
        Self { folders: folders.into_iter().filter(|f| f.is_dir()).collect() }
    }

    /// The mask of a photo, where there is one.
    pub(super) fn find(&self, photo: &Path) -> Option<PathBuf> {
        let (name, stem) = (photo.file_name()?.to_string_lossy(), stem_of(photo));
        let beside = photo.with_file_name(format!("{stem}{BESIDE}"));
        let names = ["png", "jpg", "jpeg"].map(|ending| format!("{stem}.{ending}"));
        let names = std::iter::once(format!("{name}.png")).chain(names);
        let mut in_folders = names.flat_map(|name| self.folders.iter().map(move |f| f.join(&name)));
        in_folders.find(|p| p.is_file()).or_else(|| beside.is_file().then_some(beside))
    }
}

/// Reads a mask of the photo as stored or as it stands upright, and takes it through what the photo went through. One of a
/// photo whose `lens` was undone must be of the photo as stored.
pub(super) fn read(path: &Path, photo: &Photo, lens: Option<(&Intrinsics, &Lens)>) -> Result<GrayImage, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let mut reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let jpeg = match reader.format() {
        Some(ImageFormat::Jpeg) => true,
        Some(ImageFormat::Png) => false,
        _ => return Err("it is neither a PNG nor a JPEG".into()),
    };
    let mask = black_and_white(&reader.decode().map_err(|e| e.to_string())?.into_luma8(), jpeg)?;
    if mask.as_raw().iter().all(|v| *v == 0) {
        return Err("it leaves no pixel of the photo".into());
    }
    let (image, stored) = (photo.image.dimensions(), photo.stored);
    let upright = if swaps(photo.orientation) { (stored.1, stored.0) } else { stored };
    if mask.dimensions() == stored {
        let (w, h) = photo.unturned_size();
        let mut out = image::imageops::resize(&mask, w, h, FilterType::Nearest);
        if let (Some(flat), Some((k, lens))) = (photo.flat, lens) {
            out = mask_through(&out, &k.resized(w, h), lens, &flat);
        }
        let mut out = DynamicImage::ImageLuma8(out);
        out.apply_orientation(photo.orientation);
        Ok(out.into_luma8())
    } else if mask.dimensions() == upright && photo.flat.is_none() {
        Ok(image::imageops::resize(&mask, image.0, image.1, FilterType::Nearest))
    } else {
        let (w, h) = mask.dimensions();
        Err(format!("it is {w} x {h} pixels, its photo {} x {}", stored.0, stored.1))
    }
}

/// 255 where a mask is not black. A picture of more than two greys is something else: a map of ids, a matte.
fn black_and_white(mask: &GrayImage, jpeg: bool) -> Result<GrayImage, String> {
    let values = mask.as_raw();
    let used = |v: u8| if jpeg { v >= 128 } else { v > 0 };
    let fits = if jpeg {
        let odd = values.iter().filter(|v| **v > RINGING.0 && **v < 255 - RINGING.0).count();
        odd * RINGING.1 <= values.len()
    } else {
        let white = values.iter().find(|v| **v > 0);
        values.iter().all(|v| *v == 0 || Some(v) == white)
    };
    if !fits {
        return Err("it is not black and white".into());
    }
    Ok(GrayImage::from_fn(mask.width(), mask.height(), |x, y| {
        Luma([if used(mask.get_pixel(x, y).0[0]) { 255 } else { 0 }])
    }))
}
