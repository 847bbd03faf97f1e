//! The masks of a photo as reviewed: merged, cut and drawn ones are made from those of the scene.

use super::{HalfSpace, MaskPart, Reviewed};
use crate::perception::files::resized;
use crate::scene::{Camera, DepthMap, FrameMasks, Mask2d, Rle};
use nalgebra::Point3;
use std::collections::BTreeMap;

/// What tells on which side of a plane a pixel is.
#[derive(Clone, Debug)]
pub struct Surface {
    /// The photo's camera.
    pub camera: Camera,
    /// The photo's depth; of any size.
    pub depth: DepthMap,
}

/// Largest share of a photo that a mask of a thing covers; what covers more is a part of the room.
const LARGEST: f64 = 0.5;

/// The smallest mask at a pixel of the photo, in pixels of the masks, that covers less than half of it and whose
/// instance `is_free`; 0 is no instance.
pub fn under(frame: &FrameMasks, [x, y]: [u32; 2], is_free: impl Fn(u32) -> bool) -> Option<&Rle> {
    let most = LARGEST * f64::from(frame.width) * f64::from(frame.height);
    let covers = |m: &Rle| {
        let mut hit = false;
        m.for_each_run(|column, y0, y1| hit |= column == x as usize && (y0..y1).contains(&(y as usize)));
        hit
    };
    let free = frame.masks.iter().filter(|m| is_free(m.instance_id)).map(|m| &m.segmentation);
    free.filter(|m| (m.area() as f64) < most && covers(m)).min_by_key(|m| m.area())
}

/// Whether the masks of an instance are those of the scene with its id, all of them and no others.
fn is_plain(item: &Reviewed) -> bool {
    matches!(&item.masks[..], [MaskPart { of, drawn, sides }] if *of == item.instance.id && drawn.is_empty() && sides.is_empty())
}

/// Whether any of these instances has masks that are not simply those of the scene.
pub fn any_changed<'a>(mut items: impl Iterator<Item = &'a Reviewed>) -> bool {
    items.any(|item| !is_plain(item))
}

/// The masks of a photo for these instances, labelled as reviewed: those that stand as they are in the order of `found`,
/// then the merged, cut and drawn ones by id. Masks of no instance (id 0) stay; those of instances that are not among
/// `items` are left out. `surface` is asked for where a mask was cut by a plane; without it such a mask stays whole.
pub fn of_photo<'a>(
    found: &FrameMasks,
    stem: &str,
    items: impl Iterator<Item = &'a Reviewed>,
    surface: impl FnOnce() -> Option<Surface>,
) -> FrameMasks {
    let (plain, changed): (Vec<&Reviewed>, Vec<&Reviewed>) = items.partition(|i| is_plain(i));
    let labels: BTreeMap<u32, &str> = plain.iter().map(|i| (i.instance.id, i.instance.label.as_str())).collect();
    let as_found = |m: &Mask2d| match labels.get(&m.instance_id) {
        Some(label) => Some(Mask2d { label: (*label).to_owned(), ..m.clone() }),
        None => (m.instance_id == 0).then(|| m.clone()),
    };
    let mut masks: Vec<Mask2d> = found.masks.iter().filter_map(as_found).collect();
    let is_cut = changed.iter().any(|i| i.masks.iter().any(|m| !m.sides.is_empty()));
    let surface = if is_cut { surface() } else { None };
    for item in changed {
        let mut pixels = vec![false; found.width as usize * found.height as usize];
        let mut score: Option<f64> = None;
        for part in &item.masks {
            let (mine, best) = bitmap(part, found, stem);
            let inside = sides(&mine, &part.sides, found, surface.as_ref());
            let kept = mine.iter().zip(&inside).map(|(a, b)| *a && *b);
            if kept.clone().any(|p| p) {
                score = best.map_or(score, |b| Some(score.map_or(b, |s: f64| s.max(b))));
            }
            pixels.iter_mut().zip(kept).for_each(|(p, k)| *p |= k);
        }
        if let Some(score) = score {
            masks.push(Mask2d {
                instance_id: item.instance.id,
                label: item.instance.label.clone(),
                score,
                segmentation: Rle::encode(found.width, found.height, &pixels),
            });
        }
    }
    FrameMasks { masks, image: found.image.clone(), ..*found }
}

/// The pixels of a part before it is cut, and the best score of its masks; a drawn one has 1.
fn bitmap(part: &MaskPart, found: &FrameMasks, stem: &str) -> (Vec<bool>, Option<f64>) {
    let size = (found.width, found.height);
    let mut pixels = vec![false; size.0 as usize * size.1 as usize];
    let fits = |m: &&Mask2d| (m.segmentation.width, m.segmentation.height) == size;
    let of_scene = found.masks.iter().filter(|m| m.instance_id == part.of && part.of != 0).filter(fits);
    let drawn = part.drawn.iter().filter(|d| d.image == stem);
    let all = of_scene
        .map(|m| (m.segmentation.clone(), m.score))
        .chain(drawn.map(|d| (resized(d.segmentation.clone(), size.0, size.1), 1.0)));
    let mut best: Option<f64> = None;
    for (mask, score) in all {
        pixels.iter_mut().zip(mask.decode()).for_each(|(p, m)| *p |= m);
        best = Some(best.map_or(score, |b| b.max(score)));
    }
    (pixels, best)
}

/// For each pixel of a mask whether it lies on all sides. A pixel without depth is taken to be as far as the middle of
/// the mask is.
fn sides(mask: &[bool], sides: &[HalfSpace], frame: &FrameMasks, surface: Option<&Surface>) -> Vec<bool> {
    let (Some(surface), false) = (surface, sides.is_empty()) else { return vec![true; mask.len()] };
    let (w, h) = (frame.width.max(1), frame.height.max(1));
    let camera = surface.camera.resized(w, h);
    let depth = |k: usize| {
        let (x, y) = ((k as u32 % w) as f64 + 0.5, (k as u32 / w) as f64 + 0.5);
        let to = |v: f64, from: u32, into: u32| (v / f64::from(from) * f64::from(into)).floor() as i64;
        f64::from(surface.depth.at(to(x, w, surface.depth.width), to(y, h, surface.depth.height)))
    };
    let mut known: Vec<f64> = (0..mask.len()).filter(|k| mask[*k]).map(depth).filter(|z| *z > 0.0).collect();
    known.sort_by(f64::total_cmp);
    let Some(middle) = known.get(known.len() / 2).copied() else { return vec![true; mask.len()] };
    let inside = |k: usize| {
        let z = Some(depth(k)).filter(|z| *z > 0.0).unwrap_or(middle);
        let (x, y) = (f64::from(k as u32 % w) + 0.5, f64::from(k as u32 / w) + 0.5);
        let p: Point3<f64> = camera.unproject(x, y, z);
        sides.iter().all(|s| s.contains(&p))
    };
    (0..mask.len()).map(|k| mask[k] && inside(k)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::tests::instance;
    use crate::review::{Decision, DrawnMask};
    use crate::scene::Intrinsics;
    use nalgebra::{Isometry3, Vector3};

    /// A photo of 8 x 4 pixels: instance 1 in the left half, 2 in the right, and one mask of nobody.
    fn frame() -> FrameMasks {
        let mask = |instance_id: u32, f: fn(u32) -> bool| Mask2d {
            instance_id,
            label: "old".into(),
            score: 0.5 + 0.1 * f64::from(instance_id),
            segmentation: Rle::encode(8, 4, &(0..32).map(|k| f(k % 8)).collect::<Vec<_>>()),
        };
        let masks = vec![mask(2, |x| x >= 4), mask(0, |x| x == 0), mask(1, |x| x < 4)];
        FrameMasks { image: "a.jpg".into(), width: 8, height: 4, masks }
    }

    fn none() -> Option<Surface> {
        panic!("nothing is cut")
    }

    #[test]
    fn what_was_not_changed_stays_and_what_is_gone_goes() {
        let item = Reviewed::new(instance(1));
        let out = of_photo(&frame(), "a", [&item].into_iter(), none);
        let ids: Vec<_> = out.masks.iter().map(|m| (m.instance_id, m.label.as_str())).collect();
        assert_eq!(ids, [(0, "old"), (1, "thing 1")]);
        assert_eq!(out.masks[1].segmentation, frame().masks[2].segmentation);
        assert!(!any_changed([&item].into_iter()));
    }

    #[test]
    fn a_merge_is_the_union_and_a_drawn_mask_counts_in_its_photo_only() {
        let mut item = Reviewed::new(instance(1));
        item.apply(&Decision::TakeIn { ids: vec![2] }, &|id| Some(Reviewed::new(instance(id))));
        let out = of_photo(&frame(), "a", [&item].into_iter(), none);
        assert_eq!((out.masks.len(), out.masks[1].segmentation.area(), out.masks[1].score), (2, 32, 0.7));
        assert!(any_changed([&item].into_iter()));
        let drawn = DrawnMask { image: "a".into(), segmentation: Rle::encode(4, 2, &[true; 8]) };
        let added = Reviewed::added(9, &instance(9), &[drawn]);
        let out = of_photo(&frame(), "a", [&added].into_iter(), none);
        assert_eq!((out.masks[1].instance_id, out.masks[1].segmentation.area()), (9, 32), "at the size of the photo");
        assert_eq!(of_photo(&frame(), "b", [&added].into_iter(), none).masks.len(), 1);
    }

    #[test]
    fn the_smallest_free_mask_is_under_a_click() {
        // Halves of 16 pixels cover no less than half of the photo: they are of the room.
        assert_eq!(under(&frame(), [1, 1], |_| true), None);
        let mut frame = frame();
        let of = |f: fn(u32) -> bool| Rle::encode(8, 4, &(0..32).map(f).collect::<Vec<_>>());
        frame.masks[0].segmentation = of(|k| k % 8 >= 5);
        frame.masks[2].segmentation = of(|k| k % 8 < 3);
        assert_eq!(under(&frame, [0, 3], |_| true), Some(&frame.masks[1].segmentation), "the smaller of two");
        assert_eq!(under(&frame, [1, 3], |_| true), Some(&frame.masks[2].segmentation));
        assert_eq!(under(&frame, [1, 3], |id| id != 1), None, "it is another's");
        assert_eq!(under(&frame, [4, 3], |_| true), None);
        assert_eq!(under(&frame, [90, 3], |_| true), None);
    }

    /// A wall 2 away, cut at x = 0.5: pixel centre u is at x = 2 (u - 4) / 8 with a focal length of 8.
    #[test]
    fn a_plane_parts_the_pixels_by_where_they_are() {
        let intrinsics = Intrinsics { width: 8, height: 4, fx: 8.0, fy: 8.0, cx: 4.0, cy: 2.0 };
        let camera = Camera { intrinsics, c2w: Isometry3::identity() };
        let mut depth = DepthMap { data: vec![2.0; 32], ..DepthMap::unknown(8, 4) };
        depth.data[7] = 0.0;
        let surface = || Some(Surface { camera, depth: depth.clone() });
        let side = HalfSpace { normal: Vector3::x(), offset: 0.5 };
        let part = |side: HalfSpace| {
            let mut item = Reviewed::new(instance(2));
            item.apply(&Decision::Keep { side }, &|_| None);
            of_photo(&frame(), "a", [&item].into_iter(), surface).masks.pop().unwrap().segmentation.decode()
        };
        let (near, far) = (part(side), part(side.opposite()));
        for k in 0..32 {
            let x = k % 8;
            assert_eq!((near[k], far[k]), (x == 4 || x == 5, x >= 6), "pixel {k}");
        }
        // Where nothing of it is left, there is no mask.
        let nowhere = HalfSpace { normal: Vector3::x(), offset: -9.0 };
        let mut item = Reviewed::new(instance(2));
        item.apply(&Decision::Keep { side: nowhere }, &|_| None);
        assert_eq!(of_photo(&frame(), "a", [&item].into_iter(), surface).masks.len(), 1);
    }
}
