//! What a box is edited by: the splats near it, for the three views, and the points of the thing, to fit it to.

use crate::instances::{Refit, Shot};
use crate::review::Reviewed;
use crate::review::edit;
use crate::review::masks::{self, Surface};
use crate::scene::folder::SceneFolder;
use crate::scene::{Camera, DepthMap, FrameMasks, Gaussians, OrientedBox, SH_C0};
use nalgebra::Point3;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Most points that are drawn.
const MOST: usize = 250_000;
/// Splats that are fainter are not drawn.
const FAINT: f32 = 0.25;
/// Most photos that the points of a thing are taken from, and the longest side that their depth is read at.
const SHOTS: usize = 24;
const LONGEST: u32 = 800;
/// Scenes are in metres, or about.
const METRE: f64 = 1.0;

/// Points near a box.
#[derive(Clone, Debug, Default)]
pub(super) struct Near {
    /// Middles of splats, world.
    pub points: Vec<Point3<f32>>,
    /// Their colours.
    pub colors: Vec<[u8; 3]>,
    /// What its photos see, where they have depth.
    pub refit: Option<Arc<Refit>>,
    /// Nothing more is to come: splats are there long before the rest.
    pub is_whole: bool,
    /// Where the splats were taken from.
    pub region: Option<OrientedBox>,
}

/// What is to be gathered.
pub(super) struct Gather {
    /// Splats.
    pub cloud: Option<Arc<Gaussians>>,
    /// Where, in the world.
    pub region: OrientedBox,
    /// The scene folder.
    pub root: Option<PathBuf>,
    /// Stem and camera of the photos, with their masks as found.
    pub photos: Vec<(String, Option<Camera>)>,
    /// Masks by photo.
    pub masks: Arc<Vec<FrameMasks>>,
    /// What is to be one thing.
    pub items: Vec<Reviewed>,
    /// Ids of the other things.
    pub others: BTreeSet<u32>,
}

impl Gather {
    /// Gathers the splats.
    pub(super) fn splats(&self) -> Near {
        let (points, colors) = self.cloud.as_deref().map(|c| splats(c, &self.region)).unwrap_or_default();
        Near { points, colors, region: Some(self.region), ..Near::default() }
    }

    /// Gathers the rest; takes seconds.
    pub(super) fn whole(&self, near: Near) -> Near {
        let ids: Vec<u32> = self.items.iter().map(|i| i.instance.id).collect();
        Near { refit: Refit::of(&self.shots(), &ids, METRE).map(Arc::new), is_whole: true, ..near }
    }

    fn shots(&self) -> Vec<Shot> {
        let Some(folder) = self.root.as_deref().and_then(|r| SceneFolder::open(r).ok()) else { return Vec::new() };
        let views = self.items.iter().flat_map(|i| &i.instance.views);
        let mut best: Vec<(f64, &str)> = views.map(|v| (v.mask_score * v.visible_fraction, v.image.as_str())).collect();
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let mut stems: Vec<&str> = Vec::new();
        for (_, stem) in best {
            if stems.len() < SHOTS && !stems.contains(&stem) {
                stems.push(stem);
            }
        }
        stems.into_par_iter().filter_map(|stem| self.shot(&folder, stem)).collect()
    }

    fn shot(&self, folder: &SceneFolder, stem: &str) -> Option<Shot> {
        let k = self.photos.iter().position(|p| p.0 == stem)?;
        let camera = self.photos.get(k)?.1?;
        let depth = reduced(folder.read_depth(stem).ok()?, LONGEST);
        let found = self.masks.get(k).filter(|m| m.width > 0)?;
        let surface = || Some(Surface { camera, depth: depth.clone() });
        let mut masks = masks::of_photo(found, stem, self.items.iter(), surface);
        masks.masks.retain(|m| m.instance_id != 0);
        masks.masks.extend(found.masks.iter().filter(|m| self.others.contains(&m.instance_id)).cloned());
        Some(Shot { camera, depth, masks })
    }
}

/// Splats in a region: middles and colours, at most so many, evenly taken.
fn splats(cloud: &Gaussians, region: &OrientedBox) -> (Vec<Point3<f32>>, Vec<[u8; 3]>) {
    let opaque = |i: usize| 1.0 / (1.0 + (-cloud.opacity_logits[i]).exp()) > FAINT;
    let inside = |i: &usize| opaque(*i) && region.contains(&Point3::from(cloud.means[*i]).cast(), 0.0);
    let all: Vec<usize> = (0..cloud.len()).filter(inside).collect();
    let step = all.len().div_ceil(MOST).max(1);
    let color = |i: usize| {
        let c = cloud.sh_of(i).first().copied().unwrap_or_default();
        c.map(|f| ((0.5 + SH_C0 * f).clamp(0.0, 1.0) * 255.0) as u8)
    };
    all.into_iter().step_by(step).map(|i| (Point3::from(cloud.means[i]), color(i))).unzip()
}

/// A depth map of at most `longest` pixels a side: the pixel nearest to the middle of each new one.
pub(super) fn reduced(depth: DepthMap, longest: u32) -> DepthMap {
    let step = depth.width.max(depth.height).div_ceil(longest).max(1);
    let (w, h) = (depth.width / step, depth.height / step);
    if step == 1 || w == 0 || h == 0 {
        return depth;
    }
    let middle = |k: u32, old: u32, new: u32| ((f64::from(k) + 0.5) * f64::from(old) / f64::from(new)) as i64;
    let at = |i: u32| depth.at(middle(i % w, depth.width, w), middle(i / w, depth.height, h));
    DepthMap { width: w, height: h, data: (0..w * h).map(at).collect() }
}

/// The box of the thing that `now` is roughly around: of what its photos see, or, where they have no depth, of the splats
/// in it but for the floor it stands on. `None` where there is nothing.
pub(super) fn fitted(near: &Near, now: &OrientedBox, floor: f64) -> Option<OrientedBox> {
    let yaw = edit::yaw_pitch_roll(now)[0];
    let seen = near.refit.as_ref().and_then(|r| r.fit(now));
    seen.map(|b| edit::named_like(&b, yaw)).or_else(|| edit::fitted(&splats_in(near, now, floor), yaw))
}

fn splats_in(near: &Near, now: &OrientedBox, floor: f64) -> Vec<Point3<f64>> {
    let margin = 0.05 * now.size.max();
    let above = floor + 0.02_f64.min(0.2 * now.size.z);
    let splats = near.points.iter().map(|p| p.cast::<f64>());
    splats.filter(|p| now.contains(p, margin) && p.z > above).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Vector3;

    #[test]
    fn depth_is_thinned() {
        let depth = DepthMap { width: 7, height: 4, data: (0..28).map(|i| i as f32).collect() };
        let small = reduced(depth.clone(), 4);
        assert_eq!((small.width, small.height), (3, 2));
        assert_eq!(small.data, [8.0, 10.0, 12.0, 22.0, 24.0, 26.0]);
        assert_eq!(reduced(depth.clone(), 7), depth);
    }

    #[test]
    fn without_depth_the_splats_in_the_box_count() {
        let b = OrientedBox::upright(Point3::new(0.0, 0.0, 0.5), Vector3::repeat(1.0), 0.0);
        let at = |x: f32, z: f32| Point3::new(x, 0.0, z);
        let near = Near { points: vec![at(0.0, 0.5), at(0.0, 0.0), at(3.0, 0.5)], ..Near::default() };
        assert_eq!(splats_in(&near, &b, 0.0), [Point3::new(0.0, 0.0, 0.5)]);
        assert!(fitted(&near, &b, 0.0).is_none(), "one splat is no box");
    }
}
