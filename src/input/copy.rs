//! Photos into the scene folder.

use super::InputError;
use crate::scene::folder::{SceneFolder, write_atomic};
use crate::scene::{Capture, Frame, Job};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder, ImageFormat};
use rayon::prelude::*;
use std::io::Cursor;

/// Puts the photos into `images/` of the scene folder and returns their file names, in the order of the frames. A photo
/// whose pixels are used as they are is copied byte for byte; one that was turned, scaled or undistorted is written anew,
/// PNG as PNG, JPEG with quality 95, without metadata, so that nobody turns it twice. So is a frame that has no file, as
/// those of videos.
pub fn copy_images(capture: &Capture, folder: &SceneFolder, job: &dyn Job) -> Result<Vec<String>, InputError> {
    let mut names = Vec::with_capacity(capture.frames.len());
    for frames in capture.frames.chunks(2 * rayon::current_num_threads()) {
        job.tick(names.len(), capture.frames.len())?;
        let copied: Result<Vec<String>, InputError> = frames.par_iter().map(|f| copy(f, folder)).collect();
        names.extend(copied?);
    }
    job.tick(names.len(), capture.frames.len())?;
    Ok(names)
}

fn copy(frame: &Frame, folder: &SceneFolder) -> Result<String, InputError> {
    let path = &frame.path;
    let name = frame.file_name();
    if frame.as_stored {
        let bytes = std::fs::read(path).map_err(|source| InputError::Io { path: path.clone(), source })?;
        write_atomic(&folder.image_path(&name), &bytes)?;
        return Ok(name);
    }
    let mut out = Cursor::new(Vec::new());
    let (w, h) = frame.image.dimensions();
    let encoded = if name.to_lowercase().ends_with(".png") {
        frame.image.write_to(&mut out, ImageFormat::Png)
    } else {
        JpegEncoder::new_with_quality(&mut out, 95).write_image(&frame.image, w, h, image::ExtendedColorType::Rgb8)
    };
    encoded.map_err(|e| InputError::Malformed { path: path.clone(), reason: e.to_string() })?;
    write_atomic(&folder.image_path(&name), &out.into_inner())?;
    Ok(name)
}
