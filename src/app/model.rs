//! What the window shows: the scene as far as it is known, the review, and the selection that all panels share.

use super::edit::BoxEdit;
use super::extent::Extent;
use super::filters::Filters;
use super::health;
use super::load::stem;
use super::measure::Measure;
use super::order;
use super::overlay;
use super::photos::{Photo, Pixels};
use super::pick;
use super::pick_index::PickIndex;
use super::versus::Versus;
use super::view_state::SceneView;
use crate::review::edit;
use crate::review::masks::{self, Surface};
use crate::review::measures::Context;
use crate::review::{Counts, Review, Reviewed, Verdict};
use crate::scene::folder::{SceneFolder, SceneMeta};
use crate::scene::{Camera, Capture, FrameMasks, Gaussians, Instance, OrientedBox, Sparse, Training};
use nalgebra::{Point3, Vector3};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that panels read. Only the window changes it, between frames.
#[derive(Default)]
pub(super) struct Model {
    /// The scene folder: where decisions go.
    pub root: Option<PathBuf>,
    /// Name of the scene.
    pub name: String,
    /// "metres" or "arbitrary".
    pub units: String,
    /// Photos in order of capture.
    pub photos: Vec<Photo>,
    /// Cameras and points.
    pub sparse: Arc<Sparse>,
    /// Splats.
    pub cloud: Option<Arc<Gaussians>>,
    /// How the splats are trained, or were.
    pub training: Option<Arc<Training>>,
    /// Masks by photo; shorter than `photos` while not known.
    pub masks: Arc<Vec<FrameMasks>>,
    /// Masks of the selected photo as reviewed, where a review has changed masks; the photo, and `mask_stamp` then.
    pub reviewed_masks: Option<((usize, u64), FrameMasks)>,
    /// The review; none before instances are on disk.
    pub review: Option<Review>,
    /// Instances of a run that goes on: to look at.
    pub running: BTreeMap<u32, Reviewed>,
    /// All selected instances; holds the one of `view.instance`, and is empty where that is none.
    pub marked: BTreeSet<u32>,
    /// Which splats a ray may meet; of the cloud of some time ago.
    pub pick_index: Option<Arc<PickIndex>>,
    /// A comparison with something else.
    pub versus: Option<Versus>,
    /// Other logs of the scene.
    pub other_logs: Vec<PathBuf>,
    /// Whether the review is a second opinion.
    pub second: bool,
    /// The instance under the pointer, in whatever view.
    pub hovered: Option<u32>,
    /// How one looks at it.
    pub view: SceneView,
    /// Ids in the order of the list.
    pub order: Vec<u32>,
    /// Middle of the scene, its radius and its ground.
    pub extent: Extent,
    /// What `scene.json` says.
    pub meta: Option<SceneMeta>,
    /// Photos that a run could not read, and why.
    pub reading_warnings: Vec<String>,
    /// The measuring tape, while it is in use.
    pub measure: Option<Measure>,
    /// What is being edited, and how far.
    pub edit: Option<BoxEdit>,
    /// A box that was copied: its size and direction can be given to others.
    pub copied_box: Option<OrientedBox>,
    /// Whether a run is at work on it.
    pub at_work: bool,
    /// Goes up whenever masks or what is shown of them change.
    pub mask_stamp: u64,
    /// How well boxes fit, by id, as far as that is known.
    pub fits: Arc<BTreeMap<u32, f64>>,
    /// What orders and filters have to know beyond an instance itself.
    pub context: Context,
    /// Goes up whenever instances, order or filter may have changed.
    pub list_stamp: u64,
    /// Filters kept by name.
    pub filters: Filters,
}

impl Model {
    /// Instances as reviewed.
    pub(super) fn items(&self) -> &BTreeMap<u32, Reviewed> {
        self.review.as_ref().map_or(&self.running, Review::items)
    }

    /// The selected instance.
    pub(super) fn selected(&self) -> Option<&Reviewed> {
        self.items().get(&self.view.instance?)
    }

    /// The box of an instance as it is shown: while it is edited, as far as the edit is.
    pub(super) fn box_of(&self, instance: &Instance) -> OrientedBox {
        let edited = self.edit.as_ref().filter(|e| e.id == instance.id && e.is_adjusting());
        edited.map_or(instance.obb, |e| e.now)
    }

    /// Height of the floor, world.
    pub(super) fn floor(&self) -> f64 {
        if self.meta.as_ref().is_some_and(|m| m.floor_found) { 0.0 } else { self.extent.ground }
    }

    /// How a new box is turned: as most others are. Radians about +z.
    pub(super) fn usual_yaw(&self) -> f64 {
        edit::usual_yaw(self.items().values().map(|i| &i.instance.obb))
    }

    /// The unit of lengths: "m" or "units".
    pub(super) fn unit(&self) -> &'static str {
        health::unit(&self.units)
    }

    /// Index of the selected photo.
    pub(super) fn photo(&self) -> Option<usize> {
        self.photo_index(self.view.photo.as_deref()?)
    }

    /// Index of a photo.
    pub(super) fn photo_index(&self, stem: &str) -> Option<usize> {
        self.photos.iter().position(|p| p.stem == stem)
    }

    /// Camera of a photo.
    pub(super) fn camera(&self, photo: usize) -> Option<&Camera> {
        self.sparse.cameras.get(photo)?.as_ref()
    }

    /// Masks of a photo; of the selected one as reviewed, of others as they were found.
    pub(super) fn masks_of(&self, photo: usize) -> Option<&FrameMasks> {
        match &self.reviewed_masks {
            Some((at, masks)) if at.0 == photo => Some(masks),
            _ => self.masks.get(photo).filter(|m| m.width > 0),
        }
    }

    /// Brings the masks of the selected photo up to date with the review.
    pub(super) fn review_masks(&mut self) {
        let (Some(photo), true) = (self.photo(), masks::any_changed(self.items().values())) else {
            self.reviewed_masks = None;
            return;
        };
        let at = (photo, self.mask_stamp);
        if self.reviewed_masks.as_ref().is_some_and(|m| m.0 == at) {
            return;
        }
        let Some(found) = self.masks.get(photo).filter(|m| m.width > 0) else { return };
        let stem = &self.photos[photo].stem;
        let surface = || {
            let depth = SceneFolder::open(self.root.as_deref()?).ok()?.read_depth(stem).ok()?;
            Some(Surface { camera: *self.camera(photo)?, depth })
        };
        self.reviewed_masks = Some((at, masks::of_photo(found, stem, self.items().values(), surface)));
    }

    /// Indices of the photos that show an instance, ascending.
    pub(super) fn photos_of(&self, instance: &Instance) -> Vec<usize> {
        let mut found: Vec<usize> = instance.views.iter().filter_map(|v| self.photo_index(&v.image)).collect();
        found.sort_unstable();
        found
    }

    /// Whether boxes and masks of an instance are drawn.
    pub(super) fn is_shown(&self, id: u32) -> bool {
        let selected = self.view.instance == Some(id) || self.marked.contains(&id);
        if selected || (self.view.shown.isolate && self.view.instance.is_some()) {
            return selected;
        }
        self.view.shown.rejected || self.items().get(&id).is_none_or(|i| i.verdict != Verdict::Rejected)
    }

    /// Colour of an instance: its own, or, while the scene is compared, that of what became of it.
    pub(super) fn color(&self, id: u32) -> [u8; 3] {
        let tone = self.versus.as_ref().map(|v| v.findings.tones.get(&id));
        match tone {
            Some(Some(tone)) => tone.color(),
            Some(None) => [150; 3],
            None => overlay::color(id),
        }
    }

    /// Where a ray ends on the splats, as they are shown.
    pub(super) fn surface(&self, origin: &Point3<f64>, direction: &Vector3<f64>) -> Option<Point3<f64>> {
        let cloud = self.cloud.as_ref()?;
        match self.pick_index.as_ref().filter(|i| i.is_of(cloud)) {
            Some(index) => {
                let near = index.near(&origin.cast(), &direction.normalize().cast());
                pick::surface(cloud, near, &self.view.look, origin, direction)
            }
            None => pick::surface(cloud, 0..cloud.len(), &self.view.look, origin, direction),
        }
    }

    /// Whether [`Self::surface`] takes no time worth naming.
    pub(super) fn is_indexed(&self) -> bool {
        self.cloud.as_ref().is_none_or(|c| self.pick_index.as_ref().is_some_and(|i| i.is_of(c)))
    }

    /// Number of instances of each verdict.
    pub(super) fn counts(&self) -> Counts {
        Counts::of(self.items().values())
    }

    /// Sorts and filters the list anew.
    pub(super) fn arrange(&mut self) {
        let found = |id| self.review.as_ref().and_then(|r| r.found(id));
        self.context = Context::new(self.items(), found, &self.fits);
        self.order = order::arrange(self.items(), &self.view.filter, self.view.sort, &self.context);
        self.list_stamp += 1;
    }

    /// Selects an instance; the photo changes to its best view where it is not to be seen in the current one.
    pub(super) fn select(&mut self, id: Option<u32>) {
        self.marked = id.into_iter().collect();
        if self.view.instance == id {
            return;
        }
        self.view.instance = id;
        self.mask_stamp += 1;
        let Some(item) = self.selected() else { return };
        let seen = self.photos_of(&item.instance);
        if self.photo().is_none_or(|p| !seen.contains(&p)) {
            self.show_best_view();
        }
    }

    /// Selects several: the selected one stays where it is among them, else the first of them in the list is.
    pub(super) fn mark(&mut self, ids: BTreeSet<u32>) {
        let ids: BTreeSet<u32> = ids.into_iter().filter(|id| self.items().contains_key(id)).collect();
        let lead = self.view.instance.filter(|id| ids.contains(id));
        let lead = lead.or_else(|| self.order.iter().copied().find(|id| ids.contains(id)));
        self.select(lead.or_else(|| ids.first().copied()));
        self.marked = ids;
        self.mask_stamp += 1;
    }

    /// Adds an instance to the selected ones, or takes it out of them.
    pub(super) fn toggle(&mut self, id: u32) {
        let mut ids = self.marked.clone();
        if !ids.remove(&id) {
            ids.insert(id);
        }
        self.mark(ids);
    }

    /// After a decision: forgets the selection of what is not there any more.
    pub(super) fn forget_gone(&mut self) {
        let there: BTreeSet<u32> = self.marked.iter().copied().filter(|id| self.items().contains_key(id)).collect();
        if there != self.marked {
            self.mark(there);
        }
        self.hovered = self.hovered.filter(|id| self.items().contains_key(id));
    }

    /// Shows the photo that shows the selected instance best.
    pub(super) fn show_best_view(&mut self) {
        let best = self.selected().and_then(|i| self.photo_index(&i.instance.best_view));
        let any = || self.selected().and_then(|i| self.photos_of(&i.instance).first().copied());
        if let Some(photo) = best.or_else(any) {
            self.show_photo(photo);
        }
    }

    /// Shows a photo.
    pub(super) fn show_photo(&mut self, photo: usize) {
        if let Some(p) = self.photos.get(photo)
            && self.view.photo.as_deref() != Some(p.stem.as_str())
        {
            self.view.photo = Some(p.stem.clone());
            self.mask_stamp += 1;
        }
    }

    /// The next photo that shows the selected instance; of all photos when nothing is selected.
    pub(super) fn step_photo(&mut self, step: isize) {
        let all: Vec<usize> = match self.selected() {
            Some(item) => self.photos_of(&item.instance),
            None => (0..self.photos.len()).collect(),
        };
        // From a photo that does not show it: to the nearest in the direction of the step.
        let here = self.photo();
        let found = match here {
            Some(p) if !all.contains(&p) && step > 0 => all.iter().copied().find(|q| *q > p),
            Some(p) if !all.contains(&p) => all.iter().rev().copied().find(|q| *q < p),
            _ => order::neighbour(&all, here, step),
        };
        if let Some(photo) = found {
            self.show_photo(photo);
        }
    }

    /// Takes in `scene.json`.
    pub(super) fn set_meta(&mut self, root: &Path, meta: &SceneMeta) {
        self.name.clone_from(&meta.name);
        self.units.clone_from(&meta.units);
        self.meta = Some(meta.clone());
        let pixels = |name: &String| Pixels::File(root.join("images").join(name));
        let photo = |name: &String| Photo { stem: stem(name).to_owned(), pixels: pixels(name) };
        self.photos = meta.images.iter().map(photo).collect();
        if self.photo().is_none() {
            self.show_photo(0);
        }
    }

    /// Takes in the photos of a run.
    pub(super) fn set_capture(&mut self, capture: &Capture) {
        self.name.clone_from(&capture.name);
        self.reading_warnings.clone_from(&capture.warnings);
        self.units = if capture.metric { "metres" } else { "arbitrary" }.into();
        let photo =
            |f: &crate::scene::Frame| Photo { stem: f.stem.clone(), pixels: Pixels::Memory(Arc::clone(&f.image)) };
        self.photos = capture.frames.iter().map(photo).collect();
        if self.photo().is_none() {
            self.show_photo(0);
        }
    }

    /// Takes in the instances of a run that goes on.
    pub(super) fn set_running(&mut self, instances: &[Instance]) {
        let item = |i: &Instance| (i.id, Reviewed::new(i.clone()));
        self.running = instances.iter().map(item).collect();
        self.arrange();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{InstanceState, InstanceView, OrientedBox};

    fn model() -> Model {
        let view = |i: usize| InstanceView { image: format!("p{i}"), mask_score: 1.0, visible_fraction: 1.0 };
        let instance = |id: u32, photos: &[usize], best: usize| Instance {
            id,
            label: "thing".into(),
            caption: String::new(),
            score: 0.1 * f64::from(id),
            state: InstanceState::Kept,
            obb: OrientedBox::upright(Point3::origin(), Vector3::repeat(1.0), 0.0),
            views: photos.iter().map(|p| view(*p)).collect(),
            best_view: format!("p{best}"),
            evidence: serde_json::Value::Null,
        };
        let pixels = || Pixels::File("none".into());
        let photos = (0..6).map(|i| Photo { stem: format!("p{i}"), pixels: pixels() }).collect();
        let mut model = Model { photos, ..Model::default() };
        model.set_running(&[instance(1, &[1, 3], 3), instance(2, &[1, 4], 4)]);
        model.show_photo(0);
        model
    }

    #[test]
    fn the_photo_changes_only_when_it_must() {
        let mut m = model();
        m.select(Some(1));
        assert_eq!(m.photo(), Some(3), "best view");
        m.show_photo(1);
        m.select(Some(2));
        assert_eq!(m.photo(), Some(1), "it is to be seen here too");
        m.select(None);
        assert_eq!(m.photo(), Some(1));
    }

    #[test]
    fn steps_through_photos_that_show_it() {
        let mut m = model();
        m.select(Some(1));
        m.step_photo(1);
        assert_eq!(m.photo(), Some(3), "the end stops");
        m.step_photo(-1);
        assert_eq!(m.photo(), Some(1));
        m.show_photo(2);
        m.step_photo(1);
        assert_eq!(m.photo(), Some(3));
        m.show_photo(2);
        m.step_photo(-1);
        assert_eq!(m.photo(), Some(1));
        m.select(None);
        m.step_photo(1);
        assert_eq!(m.photo(), Some(2));
    }
}
