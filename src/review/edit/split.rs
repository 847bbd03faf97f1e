//! A box cut by a plane.

use super::fit::around;
use crate::scene::OrientedBox;
use nalgebra::{Point3, Vector3};

/// Where the plane `normal . p = offset` cuts the box: its corners in order around their middle; empty where it does
/// not.
pub fn cut(b: &OrientedBox, normal: &Vector3<f64>, offset: f64) -> Vec<Point3<f64>> {
    let Some(n) = normal.try_normalize(1e-12) else { return Vec::new() };
    let offset = offset / normal.norm();
    let c = b.corners();
    let height = c.map(|p| n.dot(&p.coords) - offset);
    let mut met = Vec::new();
    for (i, j) in OrientedBox::EDGES {
        if (height[i] > 0.0) != (height[j] > 0.0) {
            met.push(c[i] + (c[j] - c[i]) * (height[i] / (height[i] - height[j])));
        }
    }
    let Some(first) = met.first().copied() else { return met };
    let middle = Point3::from(met.iter().map(|p| p.coords).sum::<Vector3<f64>>() / met.len() as f64);
    let Some(u) = (first - middle).try_normalize(1e-15) else { return met };
    let v = n.cross(&u);
    let angle = |p: &Point3<f64>| (p - middle).dot(&v).atan2((p - middle).dot(&u));
    met.sort_by(|p, q| angle(p).total_cmp(&angle(q)));
    met
}

/// The two parts of a box on the sides of the plane `normal . p = offset`, below it first: each the smallest box in the
/// axes of the whole that holds its part, which is exact for a plane across an axis. `None` where the plane leaves less
/// than a thousandth of a side on one of its sides.
pub fn split(b: &OrientedBox, normal: &Vector3<f64>, offset: f64) -> Option<[OrientedBox; 2]> {
    let n = normal.try_normalize(1e-12)?;
    let offset = offset / normal.norm();
    let edge = cut(b, &n, offset);
    let part = |sign: f64| {
        let inside = |p: &Point3<f64>| (n.dot(&p.coords) - offset) * sign > 0.0;
        let corners: Vec<Point3<f64>> = b.corners().into_iter().filter(inside).collect();
        // Deep enough to be a part of it, not a sliver of rounding.
        let depth = corners.iter().map(|p| (n.dot(&p.coords) - offset).abs()).fold(0.0, f64::max);
        let all: Vec<Point3<f64>> = corners.into_iter().chain(edge.iter().copied()).collect();
        (depth > 1e-3 * b.size.max()).then(|| around(&b.rotation, &all)).flatten()
    };
    (edge.len() >= 3).then_some([part(-1.0)?, part(1.0)?])
}
