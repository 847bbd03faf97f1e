//! What is under the pointer.

use crate::scene::{FrameMasks, OrientedBox, Rle};
use nalgebra::{Point3, Vector3};

/// Ids of the boxes that a ray meets, the nearest first; boxes around the eye come last, the smaller first: a room's
/// box must not swallow every click.
pub(super) fn along_ray<'a>(
    boxes: impl Iterator<Item = (u32, &'a OrientedBox)>,
    origin: &Point3<f64>,
    direction: &Vector3<f64>,
) -> Vec<u32> {
    let mut hits: Vec<(f64, f64, u32)> = boxes
        .filter_map(|(id, b)| {
            let entry = b.ray_entry(origin, direction)?;
            let inside = b.contains(origin, 0.0);
            Some((if inside { f64::INFINITY } else { entry }, b.volume(), id))
        })
        .collect();
    hits.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    hits.into_iter().map(|h| h.2).collect()
}

/// Instances whose masks cover pixel `(x, y)`, the smallest mask first.
pub(super) fn masks_at(frame: &FrameMasks, x: u32, y: u32) -> Vec<u32> {
    let mut hits: Vec<(u64, u32)> = frame
        .masks
        .iter()
        .filter(|m| m.instance_id != 0 && covers(&m.segmentation, x, y))
        .map(|m| (m.segmentation.area(), m.instance_id))
        .collect();
    hits.sort_unstable();
    let mut ids: Vec<u32> = Vec::new();
    for (_, id) in hits {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// Whether a mask covers a pixel.
fn covers(mask: &Rle, x: u32, y: u32) -> bool {
    if x >= mask.width || y >= mask.height {
        return false;
    }
    let at = u64::from(x) * u64::from(mask.height) + u64::from(y);
    let mut end = 0u64;
    for (i, n) in mask.counts.iter().enumerate() {
        end += u64::from(*n);
        if at < end {
            return i % 2 == 1;
        }
    }
    false
}

/// What a click selects: the first of `hits`, or, when it is `again` at the same place, the one after `current`.
pub(super) fn choose(hits: &[u32], current: Option<u32>, again: bool) -> Option<u32> {
    let at = current.and_then(|c| hits.iter().position(|h| *h == c));
    match at {
        Some(i) if again => Some(hits[(i + 1) % hits.len()]),
        _ => hits.first().copied(),
    }
}

/// Distance from `p` to the segment `a`-`b`.
pub(super) fn to_segment(p: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let (ab, ap) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let length = ab[0] * ab[0] + ab[1] * ab[1];
    let t = if length > 0.0 { ((ab[0] * ap[0] + ab[1] * ap[1]) / length).clamp(0.0, 1.0) } else { 0.0 };
    (ap[0] - ab[0] * t).hypot(ap[1] - ab[1] * t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Mask2d;

    fn cube(x: f64, side: f64) -> OrientedBox {
        OrientedBox::upright(Point3::new(x, 0.0, 0.0), Vector3::repeat(side), 0.3)
    }

    #[test]
    fn nearest_first_and_the_room_last() {
        let boxes = [(1, cube(0.0, 20.0)), (2, cube(5.0, 1.0)), (3, cube(3.0, 1.0)), (4, cube(-3.0, 1.0))];
        let hits = along_ray(boxes.iter().map(|(i, b)| (*i, b)), &Point3::origin(), &Vector3::x());
        assert_eq!(hits, [3, 2, 1]);
    }

    #[test]
    fn clicking_again_cycles() {
        let hits = [7, 8, 9];
        assert_eq!(choose(&hits, None, false), Some(7));
        assert_eq!(choose(&hits, Some(7), true), Some(8));
        assert_eq!(choose(&hits, Some(9), true), Some(7));
        assert_eq!(choose(&hits, Some(8), false), Some(7));
        assert_eq!(choose(&hits, Some(1), true), Some(7));
        assert_eq!(choose(&[], Some(1), true), None);
    }

    #[test]
    fn smallest_mask_first() {
        let mask = |id, f: fn(usize, usize) -> bool| {
            let pixels: Vec<bool> = (0..12).map(|i| f(i % 4, i / 4)).collect();
            let segmentation = Rle::encode(4, 3, &pixels);
            Mask2d { instance_id: id, label: String::new(), score: 1.0, segmentation }
        };
        let masks = vec![mask(1, |_, _| true), mask(2, |x, y| x == 2 && y > 0), mask(0, |_, _| true)];
        let frame = FrameMasks { image: "a.png".into(), width: 4, height: 3, masks };
        assert_eq!(masks_at(&frame, 2, 1), [2, 1]);
        assert_eq!(masks_at(&frame, 2, 0), [1]);
        assert!(masks_at(&frame, 4, 0).is_empty());
    }

    #[test]
    fn distance_to_a_segment() {
        assert_eq!(to_segment([0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]), 1.0);
        assert_eq!(to_segment([4.0, 4.0], [-1.0, 0.0], [1.0, 0.0]), 5.0);
        assert_eq!(to_segment([3.0, 4.0], [0.0, 0.0], [0.0, 0.0]), 5.0);
    }
}
