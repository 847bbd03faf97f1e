//! Adding an instance that the pipeline did not find: its box drawn, or its mask found by points and rectangles in a photo.

use super::Window;
use super::find::{Carried, Finder, Masked, Search};
use crate::app::edit::{Adding, Asked, BoxEdit, Found, What};
use crate::app::log::Level;
use crate::app::panels::Field;
use crate::perception::cut::Cutter;
use crate::perception::prompt::Prompt;
use crate::review::{Decision, DrawnMask, Verdict};
use crate::scene::{Instance, InstanceState, InstanceView, OrientedBox, Rle};
use eframe::egui::Context;
use nalgebra::{Point3, Vector3};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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

    /// A point more of what is being added, or the first: in another photo it begins anew.
    pub(super) fn point_out(&mut self, ctx: &Context, photo: usize, pixel: [f64; 2], on: bool) {
        let Some(What::Add(adding)) = self.model.edit.as_ref().map(|e| &e.what) else { return };
        let before = match adding {
            Adding::Finding(asked) | Adding::Mask(Found { asked, .. }) => Some(asked),
            _ => None,
        };
        let mut prompt = before.filter(|a| a.photo == photo).map(|a| a.prompt.clone()).unwrap_or_default();
        if !on && prompt == Prompt::default() {
            self.tell(Level::Info, "first click the thing itself, then what is not of it".into());
            return;
        }
        prompt.points.push((pixel, on));
        self.find_mask(ctx, Asked { photo, prompt });
    }

    /// Looks for what was pointed out, on a thread of its own.
    pub(super) fn find_mask(&mut self, ctx: &Context, asked: Asked) {
        let (Some(_), Some(root)) = (self.model.camera(asked.photo), self.model.root.clone()) else {
            self.tell(Level::Info, "this photo has no camera: draw the box in 3D".into());
            return;
        };
        let Some(edit) = self.model.edit.as_mut().filter(|e| matches!(e.what, What::Add(_))) else { return };
        edit.what = What::Add(Adding::Finding(asked.clone()));
        edit.add_later = false;
        let accepted = self.model.items().values().filter(|i| i.verdict == Verdict::Accepted);
        let cameras = (0..self.model.photos.len()).map(|k| self.model.camera(k).copied());
        let search = Search {
            id: self.model.edit.as_ref().map_or(0, |e| e.id),
            photos: self.model.photos.iter().cloned().zip(cameras).collect(),
            root,
            masks: self.model.masks_of(asked.photo).cloned(),
            taken: accepted.map(|i| i.instance.id).collect(),
            yaw: self.model.usual_yaw(),
            floor: self.model.floor(),
            cell: 0.005 * self.model.extent.radius.min(4.0),
            asked,
        };
        let answers = &self.answers.0;
        let finder = self.finder.get_or_insert_with(|| Finder::new(Box::new(Cutter), answers.clone(), ctx.clone()));
        finder.ask(search);
    }

    /// Shows what was found in the photo, to be confirmed or pointed out better.
    pub(super) fn masked(&mut self, masked: Masked) {
        let asked = |e: &&mut BoxEdit| {
            e.id == masked.id && matches!(&e.what, What::Add(Adding::Finding(asked)) if *asked == masked.asked)
        };
        let Some(edit) = self.model.edit.as_mut().filter(asked) else { return };
        match masked.found {
            Ok(Some((mask, obb))) => {
                edit.now = obb;
                edit.what = What::Add(Adding::Mask(Found { asked: masked.asked, mask: Arc::new(mask), others: None }));
            }
            Ok(None) => {
                edit.what = What::Add(Adding::Start);
                let why = "nothing that could be a thing of its own is found there: click another place, or draw a box";
                self.tell(Level::Info, why.into());
            }
            Err(why) => {
                edit.what = What::Add(Adding::Start);
                self.tell(Level::Error, why);
            }
        }
    }

    /// Takes the masks in the other photos, and the box of all.
    pub(super) fn carried(&mut self, ctx: &Context, carried: Carried) {
        let Some(edit) = self.model.edit.as_mut().filter(|e| e.id == carried.id) else { return };
        let What::Add(Adding::Mask(found)) = &mut edit.what else { return };
        if found.asked != carried.asked {
            return;
        }
        found.others = Some(Arc::new(carried.others));
        edit.now = carried.obb.unwrap_or(edit.now);
        if std::mem::take(&mut edit.add_later) {
            let edit = edit.clone();
            self.apply_add(ctx, &edit);
        }
    }

    /// Adds the instance; its label is what is asked for next.
    pub(super) fn apply_add(&mut self, ctx: &Context, edit: &BoxEdit) {
        let (photos, masks) = match &edit.what {
            What::Add(Adding::Mask(Found { others: None, .. })) => {
                // The box and the views are better when the other photos have been looked through.
                self.model.edit.iter_mut().for_each(|e| e.add_later = true);
                return;
            }
            What::Add(Adding::Mask(found)) => {
                let others = found.others.iter().flat_map(|o| o.iter()).map(|(k, mask)| (*k, mask));
                let all: BTreeMap<usize, &Rle> = others.chain([(found.asked.photo, &*found.mask)]).collect();
                let drawn = |(k, mask): (&usize, &&Rle)| {
                    let image = self.model.photos.get(*k)?.stem.clone();
                    Some(DrawnMask { image, segmentation: Rle::clone(mask) })
                };
                (Some((found.asked.photo, all.keys().copied().collect())), all.iter().filter_map(drawn).collect())
            }
            What::Add(Adding::Height(_)) => (None, Vec::new()),
            _ => {
                self.tell(Level::Info, "draw its box or click it in the photo first".into());
                return;
            }
        };
        let (views, best_view) = self.views_of(&edit.now, photos);
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

    /// Photos that look at a box or have its mask, in order of capture, and the best of them: the one that it was pointed out
    /// in, else the one that has most corners of it in the picture and it largest there.
    fn views_of(&self, b: &OrientedBox, masked: Option<(usize, BTreeSet<usize>)>) -> (Vec<InstanceView>, String) {
        let (first, masked) = masked.map_or((None, BTreeSet::new()), |(first, all)| (Some(first), all));
        let (mut views, mut best) = (Vec::new(), (0.0, String::new()));
        for (k, photo) in self.model.photos.iter().enumerate() {
            let Some(camera) = self.model.camera(k) else { continue };
            let (w, h) = (f64::from(camera.intrinsics.width), f64::from(camera.intrinsics.height));
            let inside = |p: &Point3<f64>| {
                camera.project(p).is_some_and(|(u, v, _)| (0.0..w).contains(&u) && (0.0..h).contains(&v))
            };
            let share = b.corners().iter().filter(|c| inside(c)).count() as f64 / 8.0;
            let has_mask = masked.contains(&k);
            if !has_mask && (share < 0.5 || !inside(&b.center)) {
                continue;
            }
            let near = 1.0 / (b.center - camera.center()).norm().max(1e-6);
            let rank = if first == Some(k) { f64::INFINITY } else { share * near };
            if rank > best.0 {
                best = (rank, photo.stem.clone());
            }
            let mask_score = if has_mask { 1.0 } else { 0.0 };
            views.push(InstanceView { image: photo.stem.clone(), mask_score, visible_fraction: share });
        }
        (views, best.1)
    }
}
