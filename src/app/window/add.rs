//! Adding an instance that the pipeline did not find: its box drawn, or its mask found under a click.

use super::{Answer, Window};
use crate::app::edit::{Adding, BoxEdit, Found, What};
use crate::app::log::Level;
use crate::app::near::reduced;
use crate::app::panels::Field;
use crate::app::photos::{Photo, Pixels};
use crate::perception::View;
use crate::perception::grow::Ground;
use crate::review::edit::{self, Shot, Snap};
use crate::review::{Decision, DrawnMask, Verdict, masks};
use crate::scene::folder::SceneFolder;
use crate::scene::{Camera, FrameMasks, Instance, InstanceState, InstanceView, OrientedBox, Rle};
use eframe::egui::Context;
use nalgebra::{Point3, Vector3};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Longest side that depth is read at to grow a region.
const LONGEST: u32 = 640;
/// Of a mask that is there, the share that a region must fill to be the same thing.
const SMALLER: f64 = 0.1;
/// A thing whose lowest seen point is so near the floor stands on it, scene units.
const STANDS: f64 = 0.15;

/// What a click in a photo found.
pub(super) struct Masked {
    /// The id that the new instance will have: another edit may have begun meanwhile.
    id: u32,
    photo: usize,
    pixel: [f64; 2],
    tolerance: f64,
    /// The photo made ready, for the next click.
    ground: Option<Arc<Ground>>,
    /// Mask and box.
    found: Option<(Rle, OrientedBox)>,
}

/// What a thread needs to find the thing under a click.
struct Search {
    id: u32,
    photo: usize,
    pixel: [f64; 2],
    tolerance: f64,
    ground: Option<Arc<Ground>>,
    source: Photo,
    camera: Camera,
    root: PathBuf,
    masks: Option<FrameMasks>,
    /// Instances whose masks are not to be had: the accepted ones.
    taken: BTreeSet<u32>,
    yaw: f64,
    floor: f64,
    cell: f64,
}

impl Window {
    /// Begins to add an instance, or ends that.
    pub(super) fn ask_add(&mut self, ctx: &Context) {
        let Some(review) = self.model.review.as_ref().filter(|r| !r.is_read_only()) else {
            self.tell(
                Level::Info,
                "instances can be added when the run is done and no other window has the scene".into(),
            );
            return;
        };
        let id = review.free_id();
        let obb = OrientedBox::upright(Point3::origin(), Vector3::repeat(1.0), 0.0);
        self.model.edit = Some(BoxEdit::new(id, What::Add(Adding::Start), obb));
        self.model.measure = None;
        self.show_box_panel();
        self.gather(ctx, Vec::new());
    }

    /// Looks for the thing at a pixel of a photo, on a thread of its own.
    pub(super) fn find_mask(&mut self, ctx: &Context, photo: usize, pixel: [f64; 2], tolerance: f64) {
        let (Some(camera), Some(root)) = (self.model.camera(photo).copied(), self.model.root.clone()) else {
            self.tell(Level::Info, "this photo has no camera: draw the box in 3D".into());
            return;
        };
        let Some(source) = self.model.photos.get(photo).cloned() else { return };
        let search = Search {
            photo,
            pixel,
            tolerance,
            ground: self.ground.as_ref().filter(|g| g.0 == photo).map(|g| Arc::clone(&g.1)),
            source,
            camera,
            root,
            masks: self.model.masks_of(photo).cloned(),
            taken: self
                .model
                .items()
                .values()
                .filter(|i| i.verdict == Verdict::Accepted)
                .map(|i| i.instance.id)
                .collect(),
            yaw: self.model.usual_yaw(),
            floor: self.model.floor(),
            cell: 0.005 * self.model.extent.radius.min(4.0),
            id: self.model.edit.as_ref().map_or(0, |e| e.id),
        };
        if let Some(edit) = self.model.edit.as_mut().filter(|e| matches!(e.what, What::Add(_))) {
            edit.what = What::Add(Adding::Finding);
        }
        let (answer, ctx) = (self.answers.0.clone(), ctx.clone());
        std::thread::spawn(move || {
            let (id, photo, pixel, tolerance) = (search.id, search.photo, search.pixel, search.tolerance);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| search.run()));
            let (ground, found) = result.unwrap_or_default();
            let _ = answer.send(Answer::Masked(Masked { id, photo, pixel, tolerance, ground, found }));
            ctx.request_repaint();
        });
    }

    /// Shows what a click has found, to be confirmed.
    pub(super) fn masked(&mut self, masked: Masked) {
        self.ground = masked.ground.map(|g| (masked.photo, g));
        let finding = |e: &&mut BoxEdit| e.id == masked.id && matches!(e.what, What::Add(Adding::Finding));
        let Some(edit) = self.model.edit.as_mut().filter(finding) else { return };
        match masked.found {
            Some((mask, obb)) => {
                let (photo, pixel, tolerance) = (masked.photo, masked.pixel, masked.tolerance);
                edit.now = obb;
                edit.what = What::Add(Adding::Mask(Found { photo, pixel, tolerance, mask: Arc::new(mask) }));
            }
            None => {
                edit.what = What::Add(Adding::Start);
                let why = "nothing that could be a thing of its own is found there: click another place, or draw a box";
                self.tell(Level::Info, why.into());
            }
        }
    }

    /// Adds the instance; its label is what is asked for next.
    pub(super) fn apply_add(&mut self, ctx: &Context, edit: &BoxEdit) {
        let (photo, masks) = match &edit.what {
            What::Add(Adding::Mask(found)) => {
                let image = self.model.photos.get(found.photo).map(|p| p.stem.clone()).unwrap_or_default();
                (Some(found.photo), vec![DrawnMask { image, segmentation: Rle::clone(&found.mask) }])
            }
            What::Add(Adding::Height(_)) => (None, Vec::new()),
            _ => {
                self.tell(Level::Info, "draw its box or click it in the photo first".into());
                return;
            }
        };
        let (views, best_view) = self.views_of(&edit.now, photo);
        let instance = Instance {
            id: edit.id,
            label: "object".into(),
            caption: String::new(),
            score: 1.0,
            state: InstanceState::Kept,
            obb: edit.now,
            views,
            best_view,
            evidence: serde_json::Value::Null,
        };
        self.end_edit();
        self.decide_all(vec![(edit.id, Decision::Add { instance: Box::new(instance), masks })]);
        if self.model.items().contains_key(&edit.id) {
            self.model.select(Some(edit.id));
            self.edit(ctx, Field::Label);
            ctx.request_repaint();
        }
    }

    /// Photos that look at a box, in order of capture, and the best of them: the one that was clicked in, else the one
    /// that has most corners of it in the picture and it largest there.
    fn views_of(&self, b: &OrientedBox, clicked: Option<usize>) -> (Vec<InstanceView>, String) {
        let (mut views, mut best) = (Vec::new(), (0.0, String::new()));
        for (k, photo) in self.model.photos.iter().enumerate() {
            let Some(camera) = self.model.camera(k) else { continue };
            let (w, h) = (f64::from(camera.intrinsics.width), f64::from(camera.intrinsics.height));
            let inside = |p: &Point3<f64>| {
                camera.project(p).is_some_and(|(u, v, _)| (0.0..w).contains(&u) && (0.0..h).contains(&v))
            };
            let share = b.corners().iter().filter(|c| inside(c)).count() as f64 / 8.0;
            if clicked != Some(k) && (share < 0.5 || !inside(&b.center)) {
                continue;
            }
            let is_clicked = clicked == Some(k);
            let near = 1.0 / (b.center - camera.center()).norm().max(1e-6);
            let rank = if is_clicked { f64::INFINITY } else { share * near };
            if rank > best.0 {
                best = (rank, photo.stem.clone());
            }
            let mask_score = if is_clicked { 1.0 } else { 0.0 };
            views.push(InstanceView { image: photo.stem.clone(), mask_score, visible_fraction: share });
        }
        (views, best.1)
    }
}

impl Search {
    /// The photo made ready, and mask and box of the thing.
    fn run(self) -> (Option<Arc<Ground>>, Option<(Rle, OrientedBox)>) {
        let depth = SceneFolder::open(&self.root).ok().and_then(|f| f.read_depth(&self.source.stem).ok());
        let Some(depth) = depth.map(|d| reduced(d, LONGEST)) else { return (None, None) };
        let ground = self.ground.clone().or_else(|| self.ground_of(&depth).map(Arc::new));
        let mask = self.meant(ground.as_deref());
        let found = mask.and_then(|mask| {
            let shot = Shot::new(&self.camera, depth, Some(&mask));
            let b = edit::fitted(&edit::own_points(&[shot], self.cell), self.yaw)?;
            let floats = edit::bottom(&b) - self.floor;
            let b = if (-STANDS..STANDS).contains(&floats) { edit::snapped(&b, self.floor, Snap::KeepTop) } else { b };
            Some((mask, b))
        });
        (ground, found)
    }

    /// The click in pixels of the photo: cameras may be for another size.
    fn in_photo(&self) -> [f64; 2] {
        let size = self.ground_size();
        let k = self.camera.intrinsics;
        [self.pixel[0] * size[0] / f64::from(k.width), self.pixel[1] * size[1] / f64::from(k.height)]
    }

    fn ground_size(&self) -> [f64; 2] {
        let k = self.camera.intrinsics;
        let size = |(w, h): (u32, u32)| [f64::from(w), f64::from(h)];
        match &self.source.pixels {
            Pixels::Memory(image) => size(image.dimensions()),
            Pixels::File(path) => image::image_dimensions(path).map_or(size((k.width, k.height)), size),
        }
    }

    fn ground_of(&self, depth: &crate::scene::DepthMap) -> Option<Ground> {
        let image = match &self.source.pixels {
            Pixels::Memory(image) => Arc::clone(image),
            Pixels::File(path) => Arc::new(image::open(path).ok()?.into_rgb8()),
        };
        let camera = self.camera.resized(image.width(), image.height());
        let stem = &self.source.stem;
        Some(Ground::of(&View { name: stem, stem, image: &image, camera, depth }))
    }

    /// The mask of the scene at the pixel, where there is one that may be of a new instance.
    fn unclaimed(&self) -> Option<Rle> {
        let frame = self.masks.as_ref()?;
        let k = self.camera.intrinsics;
        let at = |v: f64, of: u32, n: u32| (v / f64::from(of) * f64::from(n)).floor().max(0.0) as u32;
        let pixel = [at(self.pixel[0], k.width, frame.width), at(self.pixel[1], k.height, frame.height)];
        masks::under(frame, pixel, |id| !self.taken.contains(&id)).cloned()
    }

    /// What was meant by the click: the mask of the scene there, or the region grown, where that is a small part of the
    /// mask and so a smaller thing on what the mask shows, or where the user has asked for more or less of it.
    fn meant(&self, ground: Option<&Ground>) -> Option<Rle> {
        let grown = ground.and_then(|g| g.grow(self.in_photo(), self.tolerance));
        let share = |m: &Rle| m.area() as f64 / (f64::from(m.width) * f64::from(m.height));
        match (self.unclaimed(), grown) {
            (Some(mask), Some(grown)) if self.tolerance != 1.0 || share(&grown) < SMALLER * share(&mask) => Some(grown),
            (mask, grown) => mask.or(grown),
        }
    }
}
