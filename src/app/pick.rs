//! What is under the pointer.

use super::look::Look;
use super::pick_index::REACH;
use crate::scene::{FrameMasks, Gaussians, OrientedBox, Rle};
use nalgebra::{Point3, Quaternion, UnitQuaternion, Vector3};

/// Ids of the boxes that a ray meets: first those that hold the `surface` point it ends on (with a margin), the smaller
/// first; then the nearest. Boxes around the eye come last: a room's box must not swallow every click.
pub(super) fn along_ray<'a>(
    boxes: impl Iterator<Item = (u32, &'a OrientedBox)>,
    origin: &Point3<f64>,
    direction: &Vector3<f64>,
    surface: Option<(Point3<f64>, f64)>,
) -> Vec<u32> {
    let mut hits: Vec<(f64, f64, u32)> = boxes
        .filter_map(|(id, b)| {
            let entry = b.ray_entry(origin, direction)?;
            let inside = b.contains(origin, 0.0);
            let holds = surface.is_some_and(|(p, margin)| b.contains(&p, margin));
            let rank = match (holds, inside) {
                (true, _) => -1.0,
                (false, true) => f64::INFINITY,
                (false, false) => entry,
            };
            Some((rank, b.volume(), id))
        })
        .collect();
    hits.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    hits.into_iter().map(|h| h.2).collect()
}

/// Where a ray ends on the splats: the depth at which half of the light is gone. A Gaussian counts at its point of
/// highest density along the ray, with the alpha it has there; what `look` hides does not count. `near` are the indices
/// of those that the ray may meet.
pub(super) fn surface(
    cloud: &Gaussians,
    near: impl Iterator<Item = usize>,
    look: &Look,
    origin: &Point3<f64>,
    direction: &Vector3<f64>,
) -> Option<Point3<f64>> {
    let (eye, ahead) = (origin.cast::<f32>(), direction.normalize().cast::<f32>());
    let mut met: Vec<(f32, f32)> = Vec::new();
    for i in near {
        let mean = &cloud.means[i];
        let to = Point3::from(*mean) - eye;
        let along = to.dot(&ahead);
        let s = Vector3::from(cloud.log_scales[i].map(f32::exp));
        let reach = REACH * s.max();
        if along <= 0.0 || to.norm_squared() - along * along > reach * reach {
            continue;
        }
        let [w, x, y, z] = cloud.quats[i];
        let axes = UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z));
        // In units of its standard deviations; a flat one keeps a thickness that numbers can bear.
        let thick = s.map(|v| v.max(1e-4 * reach));
        let local = |v: &Vector3<f32>| axes.inverse_transform_vector(v).component_div(&thick);
        let (m, d) = (local(&to), local(&ahead));
        let t = m.dot(&d) / d.norm_squared();
        let opacity = 1.0 / (1.0 + (-cloud.opacity_logits[i]).exp());
        if !look.shows(mean, opacity) {
            continue;
        }
        let alpha = opacity * (-0.5 * (m - d * t).norm_squared()).exp();
        if t > 0.0 && alpha > 0.01 {
            met.push((t, alpha));
        }
    }
    met.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut left = 1.0;
    let end = met.iter().find(|(_, alpha)| {
        left *= 1.0 - alpha;
        left < 0.5
    })?;
    Some(origin + direction.normalize() * f64::from(end.0))
}

/// The point nearest to a ray by angle, within a degree and before the eye; of two equally near the first.
pub(super) fn nearest_point<'a>(
    points: impl Iterator<Item = &'a Point3<f64>>,
    origin: &Point3<f64>,
    direction: &Vector3<f64>,
) -> Option<Point3<f64>> {
    let angle = |p: &Point3<f64>| (p - origin).angle(direction);
    let near = points.map(|p| (angle(p), *p)).filter(|(a, _)| *a < 1f64.to_radians());
    near.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, p)| p)
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
        let hits = along_ray(boxes.iter().map(|(i, b)| (*i, b)), &Point3::origin(), &Vector3::x(), None);
        assert_eq!(hits, [3, 2, 1]);
        let seen = Some((Point3::new(5.0, 0.0, 0.0), 0.01));
        let hits = along_ray(boxes.iter().map(|(i, b)| (*i, b)), &Point3::origin(), &Vector3::x(), seen);
        assert_eq!(hits, [2, 1, 3], "what the surface is in comes first, the smaller before the room");
    }

    #[test]
    fn a_ray_ends_on_the_first_thing_that_hides_the_rest() {
        // A mist that lets most light through, a disc that faces the ray, and another behind it.
        let cloud = Gaussians {
            means: vec![[6.0, 0.0, 0.0], [1.0, 0.0, 0.0], [3.0, 0.2, 0.1]],
            log_scales: vec![[-9.0, 0.0, 0.0], [-1.0; 3], [-9.0, 0.0, 0.0]],
            quats: vec![[2.0, 0.0, 0.0, 0.0]; 3],
            opacity_logits: vec![4.0, -2.0, 4.0],
            sh_degree: 0,
            sh: vec![[0.0; 3]; 3],
            antialiased: false,
        };
        let met = surface(&cloud, 0..3, &Look::default(), &Point3::origin(), &(Vector3::x() * 2.0)).unwrap();
        assert!((met - Point3::new(3.0, 0.0, 0.0)).norm() < 1e-3, "{met}");
        assert!(surface(&cloud, 0..3, &Look::default(), &Point3::origin(), &-Vector3::x()).is_none());
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

    #[test]
    fn of_bare_points_the_one_under_the_pointer() {
        let points = [Point3::new(0.0, 0.01, 2.0), Point3::new(0.0, 0.02, 9.0), Point3::new(0.0, 0.0, -1.0)];
        let near = |y: f64| nearest_point(points.iter(), &Point3::origin(), &Vector3::new(0.0, y, 1.0));
        assert_eq!(near(0.0), Some(points[1]));
        assert_eq!(near(0.006), Some(points[0]));
        assert_eq!(near(0.3), None);
    }
}
