//! Masks of the objects in every photo that must show them.

use super::shown::shown;
use super::{Object, ObjectOptions, Room};
use crate::models::ModelError;
use crate::perception::View;
use crate::perception::prompt::{PreparedPhoto, Prompt, PromptSegmenter};
use crate::scene::{Cancelled, Job, Mask2d, Rle};
use rayon::prelude::*;

/// What ends the making of masks.
#[derive(Debug, thiserror::Error)]
pub enum MaskError {
    /// By the user.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The segmenter cannot go on.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// How far beyond its box, as a share of its horizontal sides and in metres, a pixel's point may lie and still be of the object.
const BEYOND: (f64, f64) = (0.2, 0.05);
/// Fewest pixels of a mask, as a share of the photo's.
const LEAST: f64 = 1.0 / 8000.0;
/// What the score of a mask is worth in a photo where the detector was silent.
const SILENT: f64 = 0.6;

/// One entry per view: masks of the objects, whose ids count from `first_id` in the order of `objects`. In photos with a
/// detection the segmenter is asked with its rectangle, in others with the part of the projected box that nothing hides;
/// pixels whose point lies elsewhere are taken off.
pub(crate) fn masks(
    objects: &[Object],
    views: &[View],
    segmenter: &dyn PromptSegmenter,
    first_id: u32,
    room: &Room,
    options: &ObjectOptions,
    job: &dyn Job,
) -> Result<Vec<Vec<Mask2d>>, MaskError> {
    let mut out = Vec::with_capacity(views.len());
    for chunk in (0..views.len()).collect::<Vec<_>>().chunks(4) {
        job.tick(out.len(), views.len())?;
        let part: Vec<Vec<Mask2d>> = chunk
            .par_iter()
            .map(|view| of_view(objects, views, *view, segmenter, first_id, room, options))
            .collect::<Result<_, ModelError>>()?;
        out.extend(part);
    }
    Ok(out)
}

fn of_view(
    objects: &[Object],
    views: &[View],
    index: usize,
    segmenter: &dyn PromptSegmenter,
    first_id: u32,
    room: &Room,
    options: &ObjectOptions,
) -> Result<Vec<Mask2d>, ModelError> {
    let view = &views[index];
    let mut prepared: Option<Box<dyn PreparedPhoto>> = None;
    let mut out = Vec::new();
    for (id, object) in (first_id..).zip(objects) {
        let Some((rectangle, score)) = asked(object, index, view, room, options) else { continue };
        let photo = match &mut prepared {
            Some(photo) => photo,
            none => none.insert(segmenter.prepare(view)?),
        };
        let prompt = Prompt { points: Vec::new(), rectangle: Some(rectangle) };
        let Some(answer) = photo.mask(&prompt)? else { continue };
        let pixels = within(object, view, &answer.mask, room);
        if pixels.iter().filter(|p| **p).count() as f64 >= LEAST * pixels.len() as f64 {
            let (w, h) = view.image.dimensions();
            out.push(Mask2d {
                instance_id: id,
                label: object.label.clone(),
                score,
                segmentation: Rle::encode(w, h, &pixels),
            });
        }
    }
    Ok(out)
}

/// Where the segmenter is asked for an object in a photo, and what the mask's score is; `None` where the photo does not
/// show it.
fn asked(object: &Object, index: usize, view: &View, room: &Room, options: &ObjectOptions) -> Option<([f64; 4], f64)> {
    let mut here = object.sightings.iter().filter(|s| s.view == index).peekable();
    if here.peek().is_some() {
        // A row of books has several detections in one photo.
        let all = here.fold(([f64::INFINITY, f64::INFINITY, 0.0, 0.0], 0.0f64), |(r, score), s| {
            let b = s.detection.bounds;
            ([r[0].min(b[0]), r[1].min(b[1]), f64::max(r[2], b[2]), f64::max(r[3], b[3])], score.max(s.detection.score))
        });
        return Some(all);
    }
    let shown = shown(&object.upright, view, room.metre, options).filter(|s| !s.seen_through)?;
    let side = options.least_side * f64::from(view.image.width().max(view.image.height()));
    let is_large = shown.free[2] - shown.free[0] >= side && shown.free[3] - shown.free[1] >= side;
    is_large.then_some((shown.free, SILENT * object.score))
}

/// The pixels of a mask without those whose points lie outside of the object's box.
fn within(object: &Object, view: &View, mask: &Rle, room: &Room) -> Vec<bool> {
    let (w, h) = view.image.dimensions();
    let mut pixels = mask.decode();
    if (mask.width, mask.height) != (w, h) {
        return vec![false; (w * h) as usize];
    }
    for (k, pixel) in pixels.iter_mut().enumerate().filter(|(_, p)| **p) {
        let (u, v) = ((k as u32 % w) as f64 + 0.5, (k as u32 / w) as f64 + 0.5);
        let z = super::shown::depth_at(view, u, v);
        if z > 0.0 {
            let p = view.camera.unproject(u, v, z);
            *pixel = object.upright.holds(&p, BEYOND.0, BEYOND.1 * room.metre);
        }
    }
    pixels
}
