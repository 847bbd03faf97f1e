//! Masks beside photos: which pixels of a photo may be used.
//!
//! Two conventions are understood, black (0) for ignored in both: COLMAP's, `masks/` with the photo's whole name and
//! `.png` behind it; and that of nerfstudio and others, `masks/` with the photo's stem, or `STEM.mask.png` beside it.

use super::list;
use super::photo::{Photo, swaps};
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
    /// For the photos in `photos`, which is `input` or a folder of it.
    pub(super) fn of(input: &Path, photos: &Path) -> Self {
        let folders = [input.join("masks"), photos.join("masks")];
        Self { folders: folders.into_iter().filter(|f| f.is_dir()).collect() }
    }

    fn find(&self, photo: &list::Photo) -> Option<PathBuf> {
        let name = photo.path.file_name()?.to_string_lossy();
        let beside = photo.path.with_file_name(format!("{}{BESIDE}", photo.stem));
        let names = ["png", "jpg", "jpeg"].map(|ending| format!("{}.{ending}", photo.stem));
        let names = std::iter::once(format!("{name}.png")).chain(names);
        let mut in_folders = names.flat_map(|name| self.folders.iter().map(move |f| f.join(&name)));
        in_folders.find(|p| p.is_file()).or_else(|| beside.is_file().then_some(beside))
    }

    /// Adds the mask of a photo, where there is one. One that cannot be used is named in a warning.
    pub(super) fn add(&self, mut photo: Photo, listed: &list::Photo) -> Photo {
        let Some(path) = self.find(listed) else { return photo };
        match read(&path, &photo) {
            Ok(mask) => photo.mask = Some(mask),
            Err(why) => photo.mask_warning = Some(format!("the mask {} is not used: {why}", path.display())),
        }
        photo
    }
}

/// Reads a mask of the photo as stored or as it stands upright.
fn read(path: &Path, photo: &Photo) -> Result<GrayImage, String> {
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
    let turned = |(w, h): (u32, u32)| if swaps(photo.orientation) { (h, w) } else { (w, h) };
    if mask.dimensions() == stored {
        let (w, h) = turned(image);
        let mut out = DynamicImage::ImageLuma8(mask).resize_exact(w, h, FilterType::Nearest);
        out.apply_orientation(photo.orientation);
        Ok(out.into_luma8())
    } else if mask.dimensions() == upright {
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
