//! Which of very many instances are drawn: a picture of ten thousand boxes shows nothing and takes long.

use super::model::Model;
use crate::review::Reviewed;
use std::collections::{BTreeMap, BTreeSet};

/// How many are drawn at most, but for the selected one and the one under the pointer.
const MOST: usize = 500;

impl Model {
    /// The instances that are drawn in 3D, by id. Of too many those that are selected, then the first of the list: a
    /// filter says which.
    pub(super) fn drawn(&self) -> Vec<&Reviewed> {
        let items = self.items();
        if items.len() <= MOST {
            return items.values().filter(|i| self.is_shown(i.instance.id)).collect();
        }
        let first = self.marked.iter().chain(&self.order).filter(|id| self.is_shown(**id)).take(MOST);
        let always = self.view.instance.iter().chain(&self.hovered);
        let ids: BTreeSet<u32> = first.chain(always).copied().collect();
        ids.iter().filter_map(|id| items.get(id)).collect()
    }

    /// The instances that are drawn over a photo, by id: those that it shows, and the selected one.
    pub(super) fn drawn_over(&self, photo: usize) -> Vec<&Reviewed> {
        let stem = self.photos.get(photo).map_or("", |p| p.stem.as_str());
        let items = self.items();
        let there = |i: &&Reviewed| {
            let i = &i.instance;
            self.view.instance == Some(i.id) || (self.is_shown(i.id) && i.views.iter().any(|v| v.image == *stem))
        };
        match self.masks_of(photo).filter(|_| items.len() > MOST) {
            // To look through the views of all takes too long for each frame; what is shown has a mask.
            Some(masks) => {
                let ids = masks.masks.iter().map(|m| m.instance_id).chain(self.view.instance);
                let found: BTreeMap<u32, &Reviewed> = ids.filter_map(|id| Some((id, items.get(&id)?))).collect();
                found.into_values().filter(there).collect()
            }
            None => items.values().filter(there).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::photos::{Photo, Pixels};
    use crate::scene::{FrameMasks, Instance, InstanceState, InstanceView, Mask2d, OrientedBox, Rle};
    use nalgebra::{Point3, Vector3};
    use std::sync::Arc;

    fn instance(id: u32) -> Instance {
        let view = InstanceView { image: format!("p{}", id % 2), mask_score: 1.0, visible_fraction: 1.0 };
        Instance {
            id,
            label: if id.is_multiple_of(100) { "rare" } else { "common" }.into(),
            caption: String::new(),
            score: 1.0 / f64::from(id),
            state: InstanceState::Kept,
            obb: OrientedBox::upright(Point3::origin(), Vector3::repeat(1.0), 0.0),
            views: vec![view],
            best_view: String::new(),
            evidence: serde_json::Value::Null,
        }
    }

    fn model(n: u32) -> Model {
        let photo = |k: usize| Photo { stem: format!("p{k}"), pixels: Pixels::File("none".into()) };
        let mut model = Model { photos: (0..2).map(photo).collect(), ..Model::default() };
        model.set_running(&(1..=n).map(instance).collect::<Vec<_>>());
        model.show_photo(0);
        model
    }

    #[test]
    fn few_are_all_drawn_and_of_many_the_first_of_the_list() {
        assert_eq!(model(400).drawn().len(), 400);
        let mut many = model(3000);
        assert_eq!(many.drawn().len(), MOST);
        many.select(Some(7));
        many.hovered = Some(9);
        many.view.filter = "label:rare".into();
        many.arrange();
        let ids: Vec<u32> = many.drawn().iter().map(|i| i.instance.id).collect();
        assert_eq!(ids.len(), 32, "thirty rare ones, the selected one and the one under the pointer");
        assert!(ids.contains(&7) && ids.contains(&9) && ids.contains(&3000));
    }

    #[test]
    fn over_a_photo_is_what_it_shows() {
        let few = model(10);
        let ids = |m: &Model| m.drawn_over(0).iter().map(|i| i.instance.id).collect::<Vec<_>>();
        assert_eq!(ids(&few), [2, 4, 6, 8, 10]);
        let mut many = model(3000);
        let mask = |instance_id: u32| Mask2d {
            instance_id,
            label: String::new(),
            score: 1.0,
            segmentation: Rle::encode(1, 1, &[true]),
        };
        let masks = vec![mask(4), mask(2998), mask(0)];
        many.masks = Arc::new(vec![FrameMasks { image: "p0.jpg".into(), width: 1, height: 1, masks }]);
        many.select(Some(3));
        many.show_photo(0);
        assert_eq!(ids(&many), [3, 4, 2998]);
    }
}
