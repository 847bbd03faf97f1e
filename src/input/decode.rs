//! Photos opened: pixels, cameras, and the depth that a sensor measured.

use super::found::{Given, Item, SensorFile};
use super::masks::{self, Places};
use super::photo::{Photo, same_shape};
use super::{InputError, MAX_SIDE, depth_file, malformed};
use crate::scene::{DepthMap, Intrinsics, Job, Lens, depth_through};
use image::GrayImage;
use rayon::prelude::*;

/// A photo and what was known of it, made to fit its pixels.
pub(super) struct Decoded {
    pub(super) photo: Photo,
    /// The given camera, for the photo as it is now.
    pub(super) given: Option<Intrinsics>,
    pub(super) depth: Option<DepthMap>,
    /// Which pixels may be used, where there is a mask.
    pub(super) mask: Option<GrayImage>,
    /// What could not be used, and why.
    pub(super) warnings: Vec<String>,
}

/// Decodes in parallel, a few at a time, so that progress, pause and cancel come from the calling thread.
pub(super) fn decode_all(
    items: &[Item],
    masks: &Places,
    job: &dyn Job,
) -> Result<Vec<Result<Decoded, InputError>>, InputError> {
    let mut out = Vec::with_capacity(items.len());
    for some in items.chunks(2 * rayon::current_num_threads()) {
        job.tick(out.len(), items.len())?;
        out.par_extend(some.par_iter().map(|item| decode(item, masks)));
    }
    job.tick(out.len(), items.len())?;
    Ok(out)
}

fn decode(item: &Item, masks: &Places) -> Result<Decoded, InputError> {
    let lens = item.given.as_ref().map(|g| (&g.intrinsics, &g.lens));
    let photo = Photo::read(&item.path, item.c2w.is_some(), MAX_SIDE, lens)?;
    let given = item.given.as_ref().and_then(|g| photo.camera(&g.intrinsics, &g.lens));
    let mut warnings = Vec::new();
    if let (None, Some(g)) = (given, &item.given) {
        let ((w, h), k) = (photo.stored, g.intrinsics);
        let (path, from) = (item.path.display(), g.from.display());
        let sizes = format!("{path} is {w} x {h}, {from} is for {} x {}: its camera is guessed", k.width, k.height);
        warnings.push(sizes);
    }
    let depth = match item.depth.as_ref().map(|file| sensor_depth(file, &photo, item.given.as_ref())) {
        Some(Err(e)) => {
            warnings.push(format!("sensor depth is not used: {e}"));
            None
        }
        Some(Ok(depth)) => Some(depth),
        None => None,
    };
    let mask = masks.find(&item.path).map(|path| (masks::read(&path, &photo, lens), path));
    let mask = match mask {
        Some((Err(why), path)) => {
            warnings.push(format!("the mask {} is not used: {why}", path.display()));
            None
        }
        Some((Ok(mask), _)) => Some(mask),
        None => None,
    };
    Ok(Decoded { photo, given, depth, mask, warnings })
}

/// What the sensor measured, as the photo's camera sees it.
fn sensor_depth(file: &SensorFile, photo: &Photo, given: Option<&Given>) -> Result<DepthMap, InputError> {
    let map = depth_file::read(&file.path, file.unit)?;
    let (w, h) = photo.unturned_size();
    // Where nothing is known of the camera, it is one for both, whichever it is.
    let own = given.map_or((Intrinsics::guess(w, h), Lens::Pinhole), |g| (g.intrinsics, g.lens));
    let to = photo.flat.unwrap_or_else(|| own.0.resized(w, h));
    let (from, lens) = file.camera.map_or(own, |camera| (camera, Lens::Pinhole));
    if !same_shape((map.width, map.height), &from) {
        let Intrinsics { width, height, .. } = from;
        let reason = format!("it is {} x {}, which does not fit {width} x {height}", map.width, map.height);
        return Err(malformed(&file.path, reason));
    }
    Ok(photo.turned_depth(depth_through(&map, &from.resized(map.width, map.height), &lens, &to)))
}
