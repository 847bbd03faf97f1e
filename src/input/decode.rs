//! Photos opened: pixels, cameras, and the depth that a sensor measured.

use super::found::{Given, Item, SensorFile};
use super::photo::{Photo, same_shape};
use super::{InputError, MAX_SIDE, depth_file, malformed};
use crate::scene::{DepthMap, Intrinsics, Job, Lens, depth_through};
use rayon::prelude::*;

/// A photo and what was known of it, made to fit its pixels.
pub(super) struct Decoded {
    pub(super) photo: Photo,
    /// The given camera, for the photo as it is now.
    pub(super) given: Option<Intrinsics>,
    pub(super) depth: Option<DepthMap>,
    /// What could not be used.
    pub(super) warning: Option<String>,
}

/// Decodes in parallel, a few at a time, so that progress, pause and cancel come from the calling thread.
pub(super) fn decode_all(items: &[Item], job: &dyn Job) -> Result<Vec<Result<Decoded, InputError>>, InputError> {
    let mut out = Vec::with_capacity(items.len());
    for some in items.chunks(2 * rayon::current_num_threads()) {
        job.tick(out.len(), items.len())?;
        out.par_extend(some.par_iter().map(decode));
    }
    job.tick(out.len(), items.len())?;
    Ok(out)
}

fn decode(item: &Item) -> Result<Decoded, InputError> {
    let lens = item.given.as_ref().map(|g| (&g.intrinsics, &g.lens));
    let photo = Photo::read(&item.path, item.c2w.is_some(), MAX_SIDE, lens)?;
    let given = item.given.as_ref().and_then(|g| photo.camera(&g.intrinsics, &g.lens));
    let mut warning = None;
    if let (None, Some(g)) = (given, &item.given) {
        let ((w, h), k) = (photo.stored, g.intrinsics);
        let (path, from) = (item.path.display(), g.from.display());
        let sizes = format!("{path} is {w} x {h}, {from} is for {} x {}: its camera is guessed", k.width, k.height);
        warning = Some(sizes);
    }
    let depth = match item.depth.as_ref().map(|file| sensor_depth(file, &photo, item.given.as_ref())) {
        Some(Err(e)) => {
            warning = Some(format!("sensor depth is not used: {e}"));
            None
        }
        Some(Ok(depth)) => Some(depth),
        None => None,
    };
    Ok(Decoded { photo, given, depth, warning })
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
