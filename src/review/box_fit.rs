//! How well boxes fit: whether a box covers in the photos what its masks cover.

use super::Reviewed;
use super::measures::median;
use crate::scene::{Camera, FrameMasks, OrientedBox};
use std::collections::BTreeMap;

/// Photos that a box is judged by: those that see most of the instance.
const VIEWS: usize = 5;

/// What is needed of an instance to judge its box.
#[derive(Clone, Debug)]
pub struct Wanted {
    id: u32,
    obb: OrientedBox,
    /// Ids of its masks.
    ids: Vec<u32>,
    /// Indices of the photos that see most of it.
    frames: Vec<usize>,
}

/// What is needed of the instances: little, so that another thread can have it. `frame_of` gives the index of a stem.
pub fn wanted(items: &BTreeMap<u32, Reviewed>, frame_of: impl Fn(&str) -> Option<usize>) -> Vec<Wanted> {
    let one = |r: &Reviewed| {
        let mut views: Vec<_> = r.instance.views.iter().collect();
        views.sort_by(|a, b| b.visible_fraction.total_cmp(&a.visible_fraction).then_with(|| a.image.cmp(&b.image)));
        let frames = views.iter().take(VIEWS).filter_map(|v| frame_of(&v.image)).collect();
        Wanted { id: r.instance.id, obb: r.instance.obb, ids: r.masks.iter().map(|m| m.of).collect(), frames }
    };
    items.values().map(one).collect()
}

/// The fit of each box, 0..1, by id: the median over the photos that see most of the instance of the IoU of two
/// rectangles in the photo, that around the projected box and that around the masks. `cameras` and `masks` belong
/// together by index. An instance without a photo that shows all corners of its box in front of the camera has none.
pub fn fits(wanted: &[Wanted], cameras: &[Option<Camera>], masks: &[FrameMasks]) -> BTreeMap<u32, f64> {
    let one = |w: &Wanted| {
        let ious: Vec<f64> = w
            .frames
            .iter()
            .filter_map(|k| Some((cameras.get(*k)?.as_ref()?, masks.get(*k)?)))
            .filter_map(|(camera, frame)| in_photo(w, camera, frame))
            .collect();
        (!ious.is_empty()).then(|| (w.id, median(ious)))
    };
    wanted.iter().filter_map(one).collect()
}

fn in_photo(w: &Wanted, camera: &Camera, frame: &FrameMasks) -> Option<f64> {
    let mine = frame.masks.iter().filter(|m| m.instance_id != 0 && w.ids.contains(&m.instance_id));
    let seen = around(
        mine.filter_map(|m| m.segmentation.bounds())
            .flat_map(|[x0, y0, x1, y1]| [[f64::from(x0), f64::from(y0)], [f64::from(x1), f64::from(y1)]]),
    )?;
    let camera = camera.resized(frame.width, frame.height);
    let size = [f64::from(frame.width), f64::from(frame.height)];
    let corners: Option<Vec<_>> = w.obb.corners().iter().map(|c| camera.project(c)).collect();
    let within = |(u, v, _): (f64, f64, f64)| [u.clamp(0.0, size[0]), v.clamp(0.0, size[1])];
    let boxed = around(corners?.into_iter().map(within))?;
    Some(iou(&seen, &boxed))
}

/// `[x0, y0, x1, y1]` around points.
fn around(points: impl Iterator<Item = [f64; 2]>) -> Option<[f64; 4]> {
    points.fold(None, |rect: Option<[f64; 4]>, [x, y]| {
        let r = rect.unwrap_or([x, y, x, y]);
        Some([r[0].min(x), r[1].min(y), r[2].max(x), r[3].max(y)])
    })
}

fn iou(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let area = |r: &[f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let inter = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let union = area(a) + area(b) - inter;
    if union > 0.0 { inter / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::tests::instance;
    use crate::scene::{InstanceView, Intrinsics, Mask2d, Rle};
    use nalgebra::{Isometry3, Point3, Vector3};

    /// A camera at the origin that looks along +z, 100 x 100 pixels, focal length 50.
    fn camera() -> Camera {
        let intrinsics = Intrinsics { width: 100, height: 100, fx: 50.0, fy: 50.0, cx: 50.0, cy: 50.0 };
        Camera { intrinsics, c2w: Isometry3::identity() }
    }

    fn masked(id: u32, x: std::ops::Range<u32>, y: std::ops::Range<u32>) -> FrameMasks {
        let pixels: Vec<bool> = (0..50 * 50).map(|i| x.contains(&(i % 50)) && y.contains(&(i / 50))).collect();
        let mask =
            Mask2d { instance_id: id, label: String::new(), score: 1.0, segmentation: Rle::encode(50, 50, &pixels) };
        FrameMasks { image: "p.png".into(), width: 50, height: 50, masks: vec![mask] }
    }

    fn item(center: [f64; 3]) -> Reviewed {
        let mut item = Reviewed::new(instance(1));
        // Its front face is 2 wide at distance 2: 50 pixels of the camera, 25 of the masks.
        item.instance.obb = OrientedBox::upright(Point3::from(center), Vector3::repeat(2.0), 0.0);
        item.instance.views =
            ["0", "1", "2"].map(|s| InstanceView { image: s.into(), mask_score: 1.0, visible_fraction: 0.5 }).into();
        item
    }

    fn fit(item: Reviewed, masks: &[FrameMasks]) -> Option<f64> {
        let wanted = wanted(&BTreeMap::from([(1, item)]), |s| s.parse().ok());
        fits(&wanted, &[Some(camera()), Some(camera()), None], masks).get(&1).copied()
    }

    #[test]
    fn rectangles_of_box_and_masks_are_compared() {
        // The box covers 12.5..37.5 each way; the masks 12..38, the left half of it, and a photo without a camera.
        let whole = masked(1, 12..38, 12..38);
        let exact = 625.0 / 676.0;
        assert!((fit(item([0.0, 0.0, 3.0]), std::slice::from_ref(&whole)).unwrap() - exact).abs() < 1e-9);
        let half = masked(1, 12..25, 12..38);
        let overlap = 12.5 * 25.0;
        let of_half = overlap / (625.0 + 13.0 * 26.0 - overlap);
        let both = fit(item([0.0, 0.0, 3.0]), &[whole.clone(), half, whole.clone()]).unwrap();
        assert!((both - 0.5 * (exact + of_half)).abs() < 1e-9);
        assert_eq!(fit(item([9.0, 0.0, 3.0]), std::slice::from_ref(&whole)), Some(0.0), "beside the masks");
        assert_eq!(fit(item([0.0, 0.0, 0.5]), &[whole]), None, "around the camera");
        assert_eq!(fit(item([0.0, 0.0, 3.0]), &[masked(2, 12..38, 12..38)]), None, "no masks of it");
    }
}
