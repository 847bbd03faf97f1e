//! Boxes around points.

use crate::perception::rect::{quarter, smallest};
use crate::scene::OrientedBox;
use nalgebra::{Point3, UnitQuaternion, Vector3};

/// Share of the points at each end of each side that may be outliers.
const TRIM: f64 = 0.01;
/// Beyond the trimmed box by this share of its side (or this share of the longest) a point is an outlier.
const SLACK: f64 = 0.03;
const SLACK_OF_LONGEST: f64 = 0.01;
/// Fewer points say nothing about a box.
const FEWEST: usize = 4;

/// Bounds of the points along the axes of `frame`; `None` without points.
pub fn around(frame: &UnitQuaternion<f64>, points: &[Point3<f64>]) -> Option<OrientedBox> {
    let (mut lo, mut hi) = (Vector3::repeat(f64::INFINITY), Vector3::repeat(f64::NEG_INFINITY));
    for p in points.iter().filter(|p| p.iter().all(|x| x.is_finite())) {
        let q = frame.inverse_transform_vector(&p.coords);
        (lo, hi) = (lo.inf(&q), hi.sup(&q));
    }
    let center = Point3::from(frame * ((lo + hi) * 0.5));
    (lo.x <= hi.x).then_some(OrientedBox { center, size: hi - lo, rotation: *frame })
}

/// The tightest upright box of the points but for a small share of outliers. Its yaw is that of the smallest rectangle
/// around their footprint (a side of their convex hull: Freeman & Shapira 1975), in the quarter turn nearest to
/// `near_yaw`, so that a fit does not name the axes anew. First the box that leaves out 1 % at each end of each side;
/// then the exact one of the points in or close to it. `None` for fewer than four points.
pub fn fitted(points: &[Point3<f64>], near_yaw: f64) -> Option<OrientedBox> {
    let finite: Vec<Point3<f64>> = points.iter().copied().filter(|p| p.iter().all(|x| x.is_finite())).collect();
    if finite.len() < FEWEST {
        return None;
    }
    let rough = upright(&finite, TRIM)?;
    let slack = rough.size.map(|s| (SLACK * s).max(SLACK_OF_LONGEST * rough.size.max()));
    let near = |p: &Point3<f64>| {
        let q = rough.to_local(p).abs() - rough.size * 0.5 - slack;
        q.max() <= 0.0
    };
    let kept: Vec<Point3<f64>> = finite.into_iter().filter(near).collect();
    Some(named_like(&upright(&kept, 0.0)?, near_yaw))
}

fn upright(points: &[Point3<f64>], trim: f64) -> Option<OrientedBox> {
    let xy: Vec<[f64; 2]> = points.iter().map(|p| [p.x, p.y]).collect();
    let rect = smallest(&xy, trim)?;
    let mut z: Vec<f64> = points.iter().map(|p| p.z).collect();
    z.sort_by(f64::total_cmp);
    let cut = ((z.len().checked_sub(1)?) as f64 * trim) as usize;
    let (lo, hi) = (z[cut], z[z.len() - 1 - cut]);
    let size = Vector3::new(rect.size[0], rect.size[1], hi - lo).map(|s| s.max(1e-6));
    Some(OrientedBox::upright(Point3::new(rect.center[0], rect.center[1], (lo + hi) * 0.5), size, rect.yaw))
}

/// The same upright solid with its yaw within an eighth of a turn of `yaw`, or half a turn from there.
pub fn named_like(b: &OrientedBox, yaw: f64) -> OrientedBox {
    let own = b.rotation.euler_angles().2;
    let off = quarter(own - yaw);
    let quarters = ((yaw + off - own) / std::f64::consts::FRAC_PI_2).round() as i64;
    let mut size = b.size;
    if quarters.rem_euclid(2) == 1 {
        size.swap_rows(0, 1);
    }
    OrientedBox::upright(b.center, size, yaw + off)
}

/// One box around several: the corners of all in the axes of the largest. `None` without boxes.
pub fn merged(boxes: &[OrientedBox]) -> Option<OrientedBox> {
    let volume = |b: &OrientedBox| b.size.map(|s| s.max(1e-6)).product();
    // Of equals the first.
    let largest = boxes.iter().rev().max_by(|a, b| volume(a).total_cmp(&volume(b)))?;
    let corners: Vec<Point3<f64>> = boxes.iter().flat_map(OrientedBox::corners).collect();
    around(&largest.rotation, &corners)
}
