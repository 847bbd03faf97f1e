//! A box found anew, from its masks and from where a reviewer has put it.

use super::boxes::{Surroundings, fit};
use super::{Input, consensus, lift, merge};
use crate::perception::View;
use crate::perception::cloud::Cloud;
use crate::perception::objects::ObjectOptions;
use crate::scene::{Camera, DepthMap, FrameMasks, OrientedBox, Quiet};
use image::RgbImage;
use nalgebra::Point3;

/// Share of each side, and metres, by which a box that was put there by hand may be too small.
const NEAR: f64 = 0.1;
const NEAR_METRES: f64 = 0.03;
/// How many times as far what masks say is the thing's own may be outside.
const OWN: f64 = 3.0;
/// Fewer voxels say nothing about a box.
const FEWEST: usize = 12;

/// A photo without its colours.
pub struct Shot {
    /// Its camera, for any size.
    pub camera: Camera,
    /// Its depth, scene units.
    pub depth: DepthMap,
    /// Its masks, with the ids of what they show.
    pub masks: FrameMasks,
}

/// What a box can be fitted to: the surfaces that some photos see, and whose they are.
#[derive(Debug)]
pub struct Refit {
    cloud: Cloud,
    around: Surroundings,
    /// Voxels of the thing itself by its masks, ascending.
    own: Vec<u32>,
    /// By voxel, whether it is another thing's.
    others: Vec<bool>,
}

impl Refit {
    /// Fuses the depth of the shots, and lifts their masks as the pipeline does. `ids` are of the thing; `metre` is the
    /// length of a metre in scene units; masks of id 0 are of nothing. `None` where nothing is seen.
    pub fn of(shots: &[Shot], ids: &[u32], metre: f64) -> Option<Self> {
        let lead = ids.first()?;
        // Boxes ask for no colours.
        let blank = RgbImage::new(1, 1);
        let views: Vec<View> = shots
            .iter()
            .map(|s| View { name: "", stem: "", image: &blank, camera: s.camera, depth: &s.depth })
            .collect();
        let mut masks: Vec<FrameMasks> = shots.iter().map(|s| s.masks.clone()).collect();
        for m in masks.iter_mut().flat_map(|f| &mut f.masks).filter(|m| ids.contains(&m.instance_id)) {
            m.instance_id = *lead;
        }
        let mut cloud = Cloud::fuse(&views, metre, &Quiet).ok().filter(|c| !c.is_empty())?;
        let around = Surroundings::of(&cloud, &views, metre);
        let object_options = ObjectOptions::default();
        let input = Input {
            cloud: &cloud,
            views: &views,
            masks: &masks,
            by_shape: false,
            objects: &[],
            object_options: &object_options,
            opinion: None,
            metre,
            metric: false,
        };
        let lifted = lift::all(&input, &Quiet);
        let (mut own, mut others) = (Vec::new(), vec![false; cloud.len()]);
        for group in merge::by_id(&lifted) {
            let Some(track) = consensus::one(&input, &lifted, &group) else { continue };
            match group.first().is_some_and(|i| lifted[*i].id == *lead) {
                true => own = track.voxels,
                false => track.voxels.iter().for_each(|v| others[*v as usize] = true),
            }
        }
        // By far the most of it, and of no use to boxes.
        cloud.seen = Vec::new();
        Some(Self { cloud, around, own, others })
    }

    /// The box of the thing by its masks alone, as the pipeline finds it.
    pub fn by_masks(&self) -> Option<OrientedBox> {
        self.boxed(&self.own)
    }

    /// The box of the thing that `now` is roughly around: of its own voxels in or near it, and of those in it that are
    /// of no other thing, of the floor or of a wall. Faces that nothing shows go to what hides them. Upright.
    pub fn fit(&self, now: &OrientedBox) -> Option<OrientedBox> {
        let margin = now.size.map(|s| NEAR * s + NEAR_METRES * self.around.metre());
        let voxels: Vec<u32> = (0..self.cloud.len() as u32)
            .filter(|v| {
                let out = now.to_local(&self.position(*v)).abs() - now.size * 0.5;
                let is_within = |times: f64| (out - margin * times).max() <= 0.0;
                match self.own.binary_search(v) {
                    Ok(_) => is_within(OWN),
                    Err(_) => is_within(1.0) && self.is_free(*v),
                }
            })
            .collect();
        self.boxed(&voxels)
    }

    fn boxed(&self, voxels: &[u32]) -> Option<OrientedBox> {
        let fitted = (voxels.len() >= FEWEST).then(|| fit(&self.cloud, &self.around, voxels));
        Some(fitted??.obb)
    }

    fn position(&self, voxel: u32) -> Point3<f64> {
        Point3::from(self.cloud.positions[voxel as usize].map(f64::from))
    }

    /// Whether a voxel may be a part of the thing that its masks have missed.
    fn is_free(&self, voxel: u32) -> bool {
        let looks_up = self.cloud.normals[voxel as usize][2] > 0.8;
        let of_room = looks_up && self.around.is_floor(self.position(voxel).z) || self.around.is_wall(voxel);
        !of_room && !self.others[voxel as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perception::testing::{boxes, room};
    use crate::scene::{Mask2d, Rle};
    use nalgebra::Vector3;

    /// The shots of the room, with masks of the boxes (5 and 6) that `keep` keeps, by photo, column and thing.
    fn shots(keep: impl Fn(usize, usize, u8) -> bool) -> Vec<Shot> {
        let shot = |(i, s): (usize, crate::perception::testing::Shot)| {
            let (w, h) = s.image.dimensions();
            let mask = |id: u8| {
                let bits: Vec<bool> =
                    s.ids.iter().enumerate().map(|(k, x)| *x == id && keep(i, k % w as usize, id)).collect();
                let segmentation = Rle::encode(w, h, &bits);
                Mask2d { instance_id: u32::from(id), label: "crate".into(), score: 0.9, segmentation }
            };
            let masks = FrameMasks { image: s.name.clone(), width: w, height: h, masks: vec![mask(5), mask(6)] };
            Shot { camera: s.camera, depth: s.depth, masks }
        };
        room(0.002).into_iter().enumerate().map(shot).collect()
    }

    fn rough(b: &OrientedBox) -> OrientedBox {
        let size = b.size.component_mul(&Vector3::new(0.75, 1.25, 0.85));
        OrientedBox {
            size,
            center: b.center + Vector3::new(0.06, -0.05, 0.03),
            rotation: nalgebra::UnitQuaternion::from_euler_angles(0.0, 0.0, 0.2) * b.rotation,
        }
    }

    #[test]
    fn a_rough_box_becomes_right() {
        for (id, truth) in [5u32, 6].into_iter().zip(boxes()) {
            let refit = Refit::of(&shots(|_, _, _| true), &[id], 1.0).unwrap();
            let (before, after) = (rough(&truth), refit.fit(&rough(&truth)).unwrap());
            assert!(
                before.iou(&truth) < 0.6 && after.iou(&truth) > 0.75,
                "{id}: {} {}",
                before.iou(&truth),
                after.iou(&truth)
            );
            assert!(refit.by_masks().unwrap().iou(&truth) > 0.75);
        }
    }

    #[test]
    fn masks_that_miss_a_part_are_mended_by_the_box() {
        // Masks that show the left half of the photo only: what they miss is inside the box.
        let truth = boxes()[0];
        let refit = Refit::of(&shots(|_, x, id| id == 6 || x < 100), &[5], 1.0).unwrap();
        let by_box = refit.fit(&truth).unwrap();
        assert!(by_box.iou(&truth) > 0.75, "{}", by_box.iou(&truth));
    }

    #[test]
    fn without_masks_the_box_counts_and_without_anything_nothing() {
        let truth = boxes()[1];
        let none = |_: usize, _: usize, _: u8| false;
        let refit = Refit::of(&shots(none), &[9], 1.0).unwrap();
        assert!(refit.by_masks().is_none());
        assert!(refit.fit(&truth).unwrap().iou(&truth) > 0.7);
        let nowhere = OrientedBox::upright(Point3::new(50.0, 0.0, 0.0), Vector3::repeat(1.0), 0.0);
        assert!(refit.fit(&nowhere).is_none());
        assert!(Refit::of(&[], &[1], 1.0).is_none() && Refit::of(&shots(none), &[], 1.0).is_none());
    }
}
