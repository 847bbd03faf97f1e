//! Boxes that stand upright, as the few numbers that a fit moves.

use crate::scene::OrientedBox;
use nalgebra::{Point3, Vector3};
use serde::{Deserialize, Serialize};

/// A box that stands upright in a world whose up is +z.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upright {
    /// Middle of the lower face, scene units.
    pub foot: [f64; 3],
    /// Full side lengths along the box's first and second axis and upwards, scene units.
    pub size: [f64; 3],
    /// Turn of the first axis from +x about +z, radians.
    pub yaw: f64,
}

impl Upright {
    /// The same box in the form that everything else uses.
    pub fn obb(&self) -> OrientedBox {
        OrientedBox::upright(self.center(), Vector3::from(self.size), self.yaw)
    }

    /// The upright box of an oriented one that stands upright.
    pub fn of(b: &OrientedBox) -> Self {
        let x = b.rotation * Vector3::x();
        let foot = [b.center.x, b.center.y, b.center.z - 0.5 * b.size.z];
        Self { foot, size: b.size.into(), yaw: x.y.atan2(x.x) }
    }

    /// Centre of the box.
    pub fn center(&self) -> Point3<f64> {
        Point3::new(self.foot[0], self.foot[1], self.foot[2] + 0.5 * self.size[2])
    }

    /// Height of the upper face.
    pub fn top(&self) -> f64 {
        self.foot[2] + self.size[2]
    }

    /// Longer and shorter horizontal side and the height.
    pub fn sides(&self) -> [f64; 3] {
        let [a, b, h] = self.size;
        [a.max(b), a.min(b), h]
    }

    /// Unit vectors of the two horizontal axes.
    pub fn axes(&self) -> [Vector3<f64>; 2] {
        let (s, c) = self.yaw.sin_cos();
        [Vector3::new(c, s, 0.0), Vector3::new(-s, c, 0.0)]
    }

    /// The eight corners, lower and upper of each side in turn.
    pub fn corners(&self) -> [Point3<f64>; 8] {
        let [a, b] = self.axes();
        std::array::from_fn(|i| {
            let half = |bit: usize, k: usize| if i & bit != 0 { 0.5 * self.size[k] } else { -0.5 * self.size[k] };
            let up = if i & 1 != 0 { self.size[2] } else { 0.0 };
            Point3::from(self.foot) + a * half(4, 0) + b * half(2, 1) + Vector3::new(0.0, 0.0, up)
        })
    }

    /// A point along the box's axes, relative to the foot.
    pub fn to_local(&self, p: &Point3<f64>) -> [f64; 3] {
        let r = p - Point3::from(self.foot);
        let [a, b] = self.axes();
        [a.dot(&r), b.dot(&r), r.z]
    }

    /// Whether a point is inside the box, grown by `share` of its horizontal sides and by `margin` on every side.
    pub fn holds(&self, p: &Point3<f64>, share: f64, margin: f64) -> bool {
        let q = self.to_local(p);
        (0..2).all(|k| q[k].abs() <= 0.5 * self.size[k] * (1.0 + share) + margin)
            && q[2] >= -margin
            && q[2] <= self.size[2] + margin
    }

    /// The same box in a world that is `factor` times as large.
    pub fn scaled(&self, factor: f64) -> Self {
        Self { foot: self.foot.map(|x| x * factor), size: self.size.map(|x| x * factor), yaw: self.yaw }
    }

    /// The smallest box with this one's yaw around both.
    pub fn with(&self, other: &Self) -> Self {
        let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for corner in self.corners().iter().chain(&other.corners()) {
            let q = self.to_local(corner);
            for k in 0..3 {
                (lo[k], hi[k]) = (lo[k].min(q[k]), hi[k].max(q[k]));
            }
        }
        let [a, b] = self.axes();
        let foot = Point3::from(self.foot) + a * (0.5 * (lo[0] + hi[0])) + b * (0.5 * (lo[1] + hi[1]));
        Self {
            foot: [foot.x, foot.y, self.foot[2] + lo[2]],
            size: std::array::from_fn(|k| hi[k] - lo[k]),
            yaw: self.yaw,
        }
    }
}
