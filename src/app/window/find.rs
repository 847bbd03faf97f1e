//! What was pointed out in a photo, found there and then in the other photos, on a thread that keeps the photo ready.

use super::Answer;
use crate::app::edit::Asked;
use crate::app::near::reduced;
use crate::app::photos::{Photo, Pixels};
use crate::instances::{Refit, Shot as MaskedShot};
use crate::perception::View;
use crate::perception::prompt::{PreparedPhoto, Prompt, PromptSegmenter};
use crate::review::edit::{self, Shot, Snap, Thing};
use crate::review::masks;
use crate::scene::folder::SceneFolder;
use crate::scene::{Camera, DepthMap, FrameMasks, Mask2d, OrientedBox, Rle};
use crossbeam_channel::{Receiver, Sender};
use eframe::egui::Context;
use image::RgbImage;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

/// Longest side that depth is read at.
const LONGEST: u32 = 640;
/// Of a mask of the scene, the share that a mask of a click must fill to be the same thing.
const SMALLER: f64 = 0.1;
/// A thing whose lowest seen point is so near the floor stands on it, scene units.
const STANDS: f64 = 0.15;
/// Most photos that a mask is carried to: those that see most of the thing, and this share of it at least.
const CARRIED: usize = 12;
const SEEN: f64 = 0.2;
/// Scenes are in metres, or about.
const METRE: f64 = 1.0;

/// What is needed to find something.
pub(super) struct Search {
    /// The id that the new instance will have: another edit may have begun meanwhile.
    pub id: u32,
    pub asked: Asked,
    /// All photos with their cameras.
    pub photos: Vec<(Photo, Option<Camera>)>,
    pub root: PathBuf,
    /// The masks of the scene in the photo.
    pub masks: Option<FrameMasks>,
    /// Instances whose masks are not to be had: the accepted ones.
    pub taken: BTreeSet<u32>,
    pub yaw: f64,
    pub floor: f64,
    /// Edge of the cells in which points are thinned out, scene units.
    pub cell: f64,
}

/// What was found in the photo itself.
pub(super) struct Masked {
    pub id: u32,
    pub asked: Asked,
    /// Mask and box; none where no thing is. An error is a sentence.
    pub found: Result<Option<(Rle, OrientedBox)>, String>,
}

/// What was found in the other photos.
pub(super) struct Carried {
    pub id: u32,
    pub asked: Asked,
    /// Index of the photo and mask, in order of the photos.
    pub others: Vec<(usize, Rle)>,
    /// The box of all masks.
    pub obb: Option<OrientedBox>,
}

/// The thread. It ends when this is dropped.
pub(super) struct Finder(Sender<Search>);

impl Finder {
    /// Begins; answers go to the window.
    pub(super) fn new(segmenter: Box<dyn PromptSegmenter>, answers: Sender<Answer>, ctx: Context) -> Self {
        let (ask, asked) = crossbeam_channel::unbounded();
        std::thread::spawn(move || work(&*segmenter, &asked, &answers, &ctx));
        Self(ask)
    }

    /// Looks for something; what is being looked for is let go.
    pub(super) fn ask(&self, search: Search) {
        let _ = self.0.send(search);
    }
}

/// A photo made ready.
struct Ready<'a> {
    root: PathBuf,
    stem: String,
    prepared: Box<dyn PreparedPhoto + 'a>,
    depth: DepthMap,
    /// Size of the photo, pixels.
    size: [f64; 2],
}

fn work(segmenter: &dyn PromptSegmenter, asked: &Receiver<Search>, answers: &Sender<Answer>, ctx: &Context) {
    let mut ready: Option<Ready> = None;
    let tell = |answer: Answer| {
        let _ = answers.send(answer);
        ctx.request_repaint();
    };
    while let Ok(mut search) = asked.recv() {
        // Of what was asked meanwhile only the last still counts.
        while let Ok(newer) = asked.try_recv() {
            search = newer;
        }
        let found = catch_unwind(AssertUnwindSafe(|| search.in_photo(segmenter, &mut ready)));
        let found = found.unwrap_or_else(|_| Err("the photo could not be searched".into()));
        let mask = found.as_ref().ok().and_then(|f| f.as_ref().map(|f| f.0.clone()));
        tell(Answer::Masked(Masked { id: search.id, asked: search.asked.clone(), found }));
        let (Some(mask), Some(ready)) = (mask, &ready) else { continue };
        let carry = || search.in_others(segmenter, ready, &mask, &|| !asked.is_empty());
        let (others, obb) = catch_unwind(AssertUnwindSafe(carry)).unwrap_or_default();
        tell(Answer::Carried(Carried { id: search.id, asked: search.asked, others, obb }));
    }
}

fn pixels(photo: &Photo) -> Option<Arc<RgbImage>> {
    match &photo.pixels {
        Pixels::Memory(image) => Some(Arc::clone(image)),
        Pixels::File(path) => Some(Arc::new(image::open(path).ok()?.into_rgb8())),
    }
}

impl Search {
    /// The depth of a photo.
    fn depth(&self, photo: &Photo) -> Option<DepthMap> {
        let folder = SceneFolder::open(&self.root).ok()?;
        Some(reduced(folder.read_depth(&photo.stem).ok()?, LONGEST))
    }

    /// Mask and box of the thing, by the photo it was pointed out in.
    fn in_photo<'a>(
        &self,
        segmenter: &'a dyn PromptSegmenter,
        ready: &mut Option<Ready<'a>>,
    ) -> Result<Option<(Rle, OrientedBox)>, String> {
        let Some((photo, Some(camera))) = self.photos.get(self.asked.photo) else { return Ok(None) };
        if ready.as_ref().is_none_or(|r| r.stem != photo.stem || r.root != self.root) {
            *ready = None;
            let (Some(image), Some(depth)) = (pixels(photo), self.depth(photo)) else { return Ok(None) };
            let (width, height) = image.dimensions();
            let view = View {
                name: &photo.stem,
                stem: &photo.stem,
                image: &image,
                camera: camera.resized(width, height),
                depth: &depth,
            };
            let prepared = segmenter.prepare(&view).map_err(|e| e.to_string())?;
            let size = [f64::from(width), f64::from(height)];
            *ready = Some(Ready { root: self.root.clone(), stem: photo.stem.clone(), prepared, depth, size });
        }
        let Some(ready) = ready else { return Ok(None) };
        let Some(mask) = self.meant(ready, camera)? else { return Ok(None) };
        let shot = Shot::new(camera, ready.depth.clone(), Some(&mask));
        let obb = edit::fitted(&edit::own_points(&[shot], self.cell), self.yaw);
        Ok(obb.map(|b| (mask, self.standing(b))))
    }

    /// Down to the floor, where it all but stands there.
    fn standing(&self, b: OrientedBox) -> OrientedBox {
        let floats = edit::bottom(&b) - self.floor;
        if (-STANDS..STANDS).contains(&floats) { edit::snapped(&b, self.floor, Snap::KeepTop) } else { b }
    }

    /// The prompt in pixels of the photo: cameras may be for another size.
    fn prompt(&self, camera: &Camera, size: [f64; 2]) -> Prompt {
        let k = camera.intrinsics;
        let scale = [size[0] / f64::from(k.width), size[1] / f64::from(k.height)];
        let asked = &self.asked.prompt;
        let points = asked.points.iter().map(|(p, on)| ([p[0] * scale[0], p[1] * scale[1]], *on));
        let rectangle = asked.rectangle.map(|r| [r[0] * scale[0], r[1] * scale[1], r[2] * scale[0], r[3] * scale[1]]);
        Prompt { points: points.collect(), rectangle }
    }

    /// What was meant. By one click alone: the mask of the scene there, or what the segmenter finds, where that is a small
    /// part of it and so a smaller thing on what the mask shows.
    fn meant(&self, ready: &Ready, camera: &Camera) -> Result<Option<Rle>, String> {
        let found = ready.prepared.mask(&self.prompt(camera, ready.size)).map_err(|e| e.to_string())?.map(|m| m.mask);
        let share = |m: &Rle| m.area() as f64 / (f64::from(m.width) * f64::from(m.height)).max(1.0);
        Ok(match (self.unclaimed(camera), found) {
            (Some(mask), Some(found)) if share(&found) < SMALLER * share(&mask) => Some(found),
            (mask, found) => mask.or(found),
        })
    }

    /// The mask of the scene under a single click, where there is one that may be of a new instance.
    fn unclaimed(&self, camera: &Camera) -> Option<Rle> {
        let frame = self.masks.as_ref()?;
        let ([(p, true)], None) = (self.asked.prompt.points.as_slice(), self.asked.prompt.rectangle) else {
            return None;
        };
        let k = camera.intrinsics;
        let at = |v: f64, of: u32, n: u32| (v / f64::from(of) * f64::from(n)).floor().max(0.0) as u32;
        let pixel = [at(p[0], k.width, frame.width), at(p[1], k.height, frame.height)];
        masks::under(frame, pixel, |id| !self.taken.contains(&id)).cloned()
    }

    /// The masks of the thing in the other photos that see it, and the box of all. Gives up as soon as `stop` says so.
    fn in_others(
        &self,
        segmenter: &dyn PromptSegmenter,
        ready: &Ready,
        mask: &Rle,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> (Vec<(usize, Rle)>, Option<OrientedBox>) {
        let first = self.asked.photo;
        let Some(camera) = self.photos.get(first).and_then(|p| p.1) else { return Default::default() };
        let Some(thing) = Thing::of(&camera, ready.depth.clone(), mask) else { return Default::default() };
        let share = |(k, (photo, camera)): (usize, &(Photo, Option<Camera>))| {
            let camera = camera.as_ref().filter(|_| k != first && !stop())?;
            let depth = self.depth(photo)?;
            let share = thing.share_seen(camera, &depth);
            (share >= SEEN).then_some((share, k, depth))
        };
        let mut best: Vec<(f64, usize, DepthMap)> = self.photos.par_iter().enumerate().filter_map(share).collect();
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.truncate(CARRIED);
        best.sort_by_key(|b| b.1);
        let carried = |(_, k, depth): (f64, usize, DepthMap)| {
            let (photo, camera) = self.photos.get(k).filter(|_| !stop())?;
            let image = pixels(photo)?;
            let camera = camera.as_ref()?.resized(image.width(), image.height());
            let view = View { name: &photo.stem, stem: &photo.stem, image: &image, camera, depth: &depth };
            let mask = thing.carried(segmenter, &view).ok()??;
            Some((k, mask, camera, depth))
        };
        let found: Vec<_> = best.into_par_iter().filter_map(carried).collect();
        if stop() || found.is_empty() {
            return Default::default();
        }
        let all = found.iter().map(|(_, mask, camera, depth)| (mask, *camera, depth));
        let all: Vec<_> = all.chain([(mask, camera, &ready.depth)]).collect();
        let obb = self.boxed(&all).map(|b| self.standing(b));
        (found.into_iter().map(|f| (f.0, f.1)).collect(), obb)
    }

    /// The box of all masks: as the pipeline finds it, else of the points that the photos agree on.
    fn boxed(&self, all: &[(&Rle, Camera, &DepthMap)]) -> Option<OrientedBox> {
        let shot = |(mask, camera, depth): &(&Rle, Camera, &DepthMap)| {
            let segmentation = Rle::clone(mask);
            let (width, height) = (segmentation.width, segmentation.height);
            let mask = Mask2d { instance_id: self.id, label: String::new(), score: 1.0, segmentation };
            let masks = FrameMasks { image: String::new(), width, height, masks: vec![mask] };
            MaskedShot { camera: *camera, depth: DepthMap::clone(depth), masks }
        };
        let shots: Vec<MaskedShot> = all.iter().map(shot).collect();
        let refit = Refit::of(&shots, &[self.id], METRE).and_then(|r| r.by_masks());
        refit.map(|b| edit::named_like(&b, self.yaw)).or_else(|| {
            let shots: Vec<Shot> = all.iter().map(|(m, c, d)| Shot::new(c, DepthMap::clone(d), Some(*m))).collect();
            edit::fitted(&edit::own_points(&shots, self.cell), self.yaw)
        })
    }
}
