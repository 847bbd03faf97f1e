//! Geometry of edits: what becomes of an oriented box when a reviewer moves, turns, resizes, fits, merges or splits it.
//! World coordinates, +z up, scene units; angles in radians. Nothing here knows a window or a log.

mod carry;
mod fit;
mod points;
mod split;
#[cfg(test)]
mod tests;

pub use carry::Thing;
pub use fit::{around, fitted, merged, named_like};
pub use points::{Shot, own_points};
pub use split::{cut, split};

use crate::scene::OrientedBox;
use nalgebra::{Point3, Rotation3, Unit, UnitQuaternion, Vector3};
use std::f64::consts::FRAC_PI_2;

/// Share of the largest side below which no side can be dragged: a box never turns inside out or vanishes.
const THINNEST: f64 = 1e-3;
/// Most that an axis leans from the vertical in a box that counts as upright, radians.
const UPRIGHT: f64 = 1e-3;

/// One of the six faces of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    /// Axis of the box that it is across, 0 to 2.
    pub axis: usize,
    /// On the positive side of it.
    pub positive: bool,
}

impl Face {
    /// All six, the negative face of each axis first.
    pub const ALL: [Self; 6] = [
        Self { axis: 0, positive: false },
        Self { axis: 0, positive: true },
        Self { axis: 1, positive: false },
        Self { axis: 1, positive: true },
        Self { axis: 2, positive: false },
        Self { axis: 2, positive: true },
    ];

    /// 1 on the positive side, -1 on the other.
    pub fn sign(self) -> f64 {
        if self.positive { 1.0 } else { -1.0 }
    }

    /// Outward unit normal, world.
    pub fn normal(self, b: &OrientedBox) -> Vector3<f64> {
        axis(b, self.axis) * self.sign()
    }

    /// Middle of the face, world.
    pub fn center(self, b: &OrientedBox) -> Point3<f64> {
        b.center + self.normal(b) * (b.size[self.axis] * 0.5)
    }
}

/// How a box gets down to the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snap {
    /// Its lower face goes down or up to the floor, its top stays where it was seen.
    KeepTop,
    /// The whole box moves.
    KeepSize,
}

/// Unit vector along axis `k` of a box, world.
pub fn axis(b: &OrientedBox, k: usize) -> Vector3<f64> {
    b.rotation * Vector3::ith(k, 1.0)
}

/// The box moved by a vector of the world.
pub fn moved(b: &OrientedBox, by: &Vector3<f64>) -> OrientedBox {
    OrientedBox { center: b.center + by, ..*b }
}

/// One face dragged outward by `by` (inward where negative); the opposite face stays.
pub fn face_dragged(b: &OrientedBox, face: Face, by: f64) -> OrientedBox {
    let k = face.axis;
    let mut out = *b;
    out.size[k] = (b.size[k] + by).max(thinnest(b)).min(1e9);
    out.center += face.normal(b) * ((out.size[k] - b.size[k]) * 0.5);
    out
}

fn thinnest(b: &OrientedBox) -> f64 {
    // A side that is thinner already may stay as it is.
    (THINNEST * b.size.max()).min(b.size.min()).max(1e-9)
}

/// Turned about an axis of the world through its centre, counter-clockwise seen against the axis.
pub fn turned(b: &OrientedBox, about: &Unit<Vector3<f64>>, angle: f64) -> OrientedBox {
    let mut rotation = UnitQuaternion::from_axis_angle(about, angle) * b.rotation;
    rotation.renormalize();
    OrientedBox { rotation, ..*b }
}

/// Sides times `factor`, each for itself; the centre stays.
pub fn scaled(b: &OrientedBox, factor: &Vector3<f64>) -> OrientedBox {
    let least = thinnest(b);
    OrientedBox { size: b.size.zip_map(factor, |s, f| (s * f.abs()).clamp(least, 1e9)), ..*b }
}

/// The same solid with its axes named anew: a quarter turn of the axes about axis `k`, and the other two sides change
/// places.
pub fn relabelled(b: &OrientedBox, k: usize) -> OrientedBox {
    let mut size = b.size;
    size.swap_rows((k + 1) % 3, (k + 2) % 3);
    let quarter = UnitQuaternion::from_axis_angle(&Unit::new_unchecked(Vector3::ith(k, 1.0)), FRAC_PI_2);
    OrientedBox { size, rotation: b.rotation * quarter, ..*b }
}

/// Whether an axis of the box, its third, points straight up.
pub fn is_upright(b: &OrientedBox) -> bool {
    axis(b, 2).angle(&Vector3::z()) < UPRIGHT
}

/// Turned as little as is needed to stand upright: the axis nearest to the vertical becomes the third and points
/// straight up; sides keep their lengths.
pub fn made_upright(b: &OrientedBox) -> OrientedBox {
    let axes = [axis(b, 0), axis(b, 1), axis(b, 2)];
    // Of equals the last: what is upright already keeps its axes.
    let up = (0..3).fold(2, |best, k| if axes[k].z.abs() > axes[best].z.abs() + 1e-12 { k } else { best });
    let (x, y) = ((up + 1) % 3, (up + 2) % 3);
    // Which end is up does not matter to a box.
    let upwards = axes[up] * axes[up].z.signum();
    let straight = UnitQuaternion::rotation_between(&upwards, &Vector3::z()).unwrap_or_default();
    let side = straight * axes[x];
    let yaw = side.y.atan2(side.x);
    OrientedBox::upright(b.center, Vector3::new(b.size[x], b.size[y], b.size[up]), yaw)
}

/// Height of the lowest corner, world.
pub fn bottom(b: &OrientedBox) -> f64 {
    b.corners().iter().map(|c| c.z).fold(f64::INFINITY, f64::min)
}

/// Down (or up) to the floor at height `ground`. A leaning box, and one that lies wholly below the floor, is moved even
/// where its top should stay.
pub fn snapped(b: &OrientedBox, ground: f64, how: Snap) -> OrientedBox {
    let gap = bottom(b) - ground;
    let top = b.center.z + b.size.z * 0.5;
    if how == Snap::KeepTop && is_upright(b) && top - ground > thinnest(b) {
        return face_dragged(b, Face { axis: 2, positive: false }, gap);
    }
    moved(b, &Vector3::new(0.0, 0.0, -gap))
}

/// The horizontal axis of the box (or of the world, for a leaning one) that points most nearly the way `wanted` does:
/// what an arrow key moves along. Unit vector.
pub fn nudge_direction(b: &OrientedBox, wanted: &Vector3<f64>) -> Vector3<f64> {
    let axes = if is_upright(b) { [axis(b, 0), axis(b, 1)] } else { [Vector3::x(), Vector3::y()] };
    let flat = Vector3::new(wanted.x, wanted.y, 0.0);
    let best = if axes[0].dot(&flat).abs() >= axes[1].dot(&flat).abs() { axes[0] } else { axes[1] };
    let best = Vector3::new(best.x, best.y, 0.0).try_normalize(1e-9).unwrap_or(Vector3::x());
    if best.dot(&flat) < 0.0 { -best } else { best }
}

/// Yaw, pitch and roll of a box, radians: turned by roll about x, then by pitch about y, then by yaw about z.
pub fn yaw_pitch_roll(b: &OrientedBox) -> [f64; 3] {
    let (roll, pitch, yaw) = b.rotation.euler_angles();
    [yaw, pitch, roll]
}

/// The box with other angles, see [`yaw_pitch_roll`].
pub fn with_angles(b: &OrientedBox, [yaw, pitch, roll]: [f64; 3]) -> OrientedBox {
    OrientedBox { rotation: UnitQuaternion::from_euler_angles(roll, pitch, yaw), ..*b }
}

/// Whether it can be decided: numbers that are numbers, and sides longer than nothing.
pub fn is_sane(b: &OrientedBox) -> bool {
    let q = b.rotation.coords;
    b.center.iter().chain(b.size.iter()).chain(q.iter()).all(|x| x.is_finite()) && b.size.min() > 0.0
}

/// A box between two corners of its footprint on a level plane at height `z`, turned by `yaw`, and so high.
pub fn drawn(a: &Point3<f64>, b: &Point3<f64>, yaw: f64, z: f64, height: f64) -> OrientedBox {
    let turn = Rotation3::from_axis_angle(&Vector3::z_axis(), yaw);
    let across = turn.inverse() * (b - a);
    let size = Vector3::new(across.x.abs(), across.y.abs(), height.abs()).map(|s| s.max(1e-9));
    let middle = nalgebra::center(a, b);
    OrientedBox::upright(Point3::new(middle.x, middle.y, z + height * 0.5), size, yaw)
}

/// The yaw that most upright boxes share modulo a quarter turn, the longer ones counting more; 0 without boxes.
/// Radians, within an eighth of a turn.
pub fn usual_yaw<'a>(boxes: impl Iterator<Item = &'a OrientedBox>) -> f64 {
    let (mut sin, mut cos) = (0.0, 0.0);
    for b in boxes.filter(|b| is_upright(b) && is_sane(b)) {
        let (s, c) = (4.0 * yaw_pitch_roll(b)[0]).sin_cos();
        let weight = b.size.x.max(b.size.y);
        (sin, cos) = (sin + s * weight, cos + c * weight);
    }
    if sin == 0.0 && cos == 0.0 { 0.0 } else { f64::atan2(sin, cos) / 4.0 }
}
