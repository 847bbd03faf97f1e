//! Oriented boxes and their exact overlap.

use nalgebra::{Point3, UnitQuaternion, Vector3};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An oriented box in the world.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrientedBox {
    /// Centre.
    pub center: Point3<f64>,
    /// Full side lengths along the box's own axes, not negative.
    pub size: Vector3<f64>,
    /// Box axes to world.
    #[serde(rename = "rotation_wxyz", serialize_with = "to_wxyz", deserialize_with = "from_wxyz")]
    pub rotation: UnitQuaternion<f64>,
}

fn to_wxyz<S: Serializer>(q: &UnitQuaternion<f64>, s: S) -> Result<S::Ok, S::Error> {
    [q.w, q.i, q.j, q.k].serialize(s)
}

fn from_wxyz<'de, D: Deserializer<'de>>(d: D) -> Result<UnitQuaternion<f64>, D::Error> {
    let [w, i, j, k] = <[f64; 4]>::deserialize(d)?;
    let q = nalgebra::Quaternion::new(w, i, j, k);
    UnitQuaternion::try_new(q, 1e-9).ok_or_else(|| serde::de::Error::custom("rotation_wxyz is not a rotation"))
}

impl OrientedBox {
    /// A box that stands upright, turned by `yaw` radians about +z.
    pub fn upright(center: Point3<f64>, size: Vector3<f64>, yaw: f64) -> Self {
        Self { center, size, rotation: UnitQuaternion::from_axis_angle(&Vector3::z_axis(), yaw) }
    }

    /// Volume in cubic scene units.
    pub fn volume(&self) -> f64 {
        self.size.x * self.size.y * self.size.z
    }

    /// The eight corners: (-,-,-),(-,-,+),(-,+,-),(-,+,+),(+,-,-),(+,-,+),(+,+,-),(+,+,+) in box axes.
    pub fn corners(&self) -> [Point3<f64>; 8] {
        std::array::from_fn(|i| {
            let sign = |bit: usize| if i & bit != 0 { 0.5 } else { -0.5 };
            self.center + self.rotation * Vector3::new(sign(4), sign(2), sign(1)).component_mul(&self.size)
        })
    }

    /// The twelve edges, as pairs of indices into [`Self::corners`].
    pub const EDGES: [(usize, usize); 12] =
        [(0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 3), (2, 6), (3, 7), (4, 5), (4, 6), (5, 7), (6, 7)];

    /// World point in box axes, relative to the centre.
    pub fn to_local(&self, p: &Point3<f64>) -> Vector3<f64> {
        self.rotation.inverse_transform_vector(&(p - self.center))
    }

    /// Whether the point is inside the box grown by `margin` on every side.
    pub fn contains(&self, p: &Point3<f64>, margin: f64) -> bool {
        let q = self.to_local(p).abs() - self.size * 0.5;
        q.max() <= margin
    }

    /// Entry distance along a ray (`direction` need not be of unit length; distance is in its units); `None` on a miss.
    /// A ray that starts inside enters at 0.
    pub fn ray_entry(&self, origin: &Point3<f64>, direction: &Vector3<f64>) -> Option<f64> {
        let (o, d) = (self.to_local(origin), self.rotation.inverse_transform_vector(direction));
        let (mut near, mut far) = (0.0f64, f64::INFINITY);
        for k in 0..3 {
            let h = self.size[k] * 0.5;
            if d[k].abs() < 1e-12 {
                if o[k].abs() > h {
                    return None;
                }
                continue;
            }
            let (a, b) = ((-h - o[k]) / d[k], (h - o[k]) / d[k]);
            near = near.max(a.min(b));
            far = far.min(a.max(b));
        }
        (near <= far).then_some(near)
    }

    /// Exact volume of the intersection: the faces of `other` clipped by the half-spaces of `self` and the other way
    /// round, summed as pyramids over an inner point (divergence theorem). Flat boxes have no volume.
    pub fn intersection_volume(&self, other: &Self) -> f64 {
        let reach = (self.size.norm() + other.size.norm()) * 0.5;
        if (self.center - other.center).norm() > reach {
            return 0.0;
        }
        let origin = self.center;
        let scale = self.size.max().max(other.size.max()).max(1e-300);
        let mut six_volumes = 0.0;
        for (a, b, first) in [(self, other, true), (other, self, false)] {
            for face in a.faces() {
                let polygon = clip(face.to_vec(), b, first, 1e-12 * scale);
                for k in 2..polygon.len() {
                    let (p, q, r) = (polygon[0] - origin, polygon[k - 1] - origin, polygon[k] - origin);
                    six_volumes += p.cross(&q).dot(&r);
                }
            }
        }
        (six_volumes / 6.0).clamp(0.0, self.volume().min(other.volume()))
    }

    /// Exact intersection over union; 0 where both are flat.
    pub fn iou(&self, other: &Self) -> f64 {
        let inter = self.intersection_volume(other);
        let union = self.volume() + other.volume() - inter;
        if union > 0.0 { inter / union } else { 0.0 }
    }

    /// The box moved by a similarity.
    pub fn transformed(&self, s: &super::Similarity) -> Self {
        Self { center: s.point(&self.center), size: self.size * s.scale, rotation: s.rotation * self.rotation }
    }

    /// The six faces, counter-clockwise seen from outside.
    fn faces(&self) -> [[Point3<f64>; 4]; 6] {
        let c = self.corners();
        let f = |i: [usize; 4]| i.map(|k| c[k]);
        [f([0, 1, 3, 2]), f([4, 6, 7, 5]), f([0, 4, 5, 1]), f([2, 3, 7, 6]), f([0, 2, 6, 4]), f([1, 5, 7, 3])]
    }
}

/// Sutherland-Hodgman: `polygon` inside `bounds`. A polygon that lies in a face of `bounds` is kept only for
/// `keep_coplanar`, so that shared faces count once.
fn clip(mut polygon: Vec<Point3<f64>>, bounds: &OrientedBox, keep_coplanar: bool, eps: f64) -> Vec<Point3<f64>> {
    for axis in 0..3 {
        for sign in [1.0, -1.0] {
            let n = bounds.rotation * Vector3::ith(axis, sign);
            let offset = n.dot(&bounds.center.coords) + bounds.size[axis] * 0.5;
            let d: Vec<f64> = polygon.iter().map(|p| n.dot(&p.coords) - offset).collect();
            if !keep_coplanar && d.iter().all(|x| x.abs() <= eps) {
                return Vec::new();
            }
            let mut out = Vec::with_capacity(polygon.len() + 1);
            for i in 0..polygon.len() {
                let j = (i + 1) % polygon.len();
                if d[i] <= eps {
                    out.push(polygon[i]);
                }
                if (d[i] > eps) != (d[j] > eps) {
                    out.push(polygon[i] + (polygon[j] - polygon[i]) * (d[i] / (d[i] - d[j])));
                }
            }
            polygon = out;
            if polygon.len() < 3 {
                return Vec::new();
            }
        }
    }
    polygon
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(x: f64, yaw: f64) -> OrientedBox {
        OrientedBox::upright(Point3::new(x, 0.0, 0.0), Vector3::repeat(1.0), yaw)
    }

    #[test]
    fn closed_forms() {
        assert!((unit(0.0, 0.0).iou(&unit(0.0, 0.0)) - 1.0).abs() < 1e-12);
        assert!((unit(0.0, 0.0).iou(&unit(0.5, 0.0)) - 1.0 / 3.0).abs() < 1e-12);
        // Two unit squares turned by 45 degrees meet in a regular octagon of area 2 (sqrt 2 - 1).
        let octagon = 2.0 * (2f64.sqrt() - 1.0);
        let v = unit(0.0, 0.0).intersection_volume(&unit(0.0, std::f64::consts::FRAC_PI_4));
        assert!((v - octagon).abs() < 1e-12, "{v}");
        assert_eq!(unit(0.0, 0.0).iou(&unit(3.0, 0.3)), 0.0);
        let small = OrientedBox { size: Vector3::repeat(0.5), ..unit(0.1, 0.7) };
        assert!((unit(0.0, 0.0).intersection_volume(&small) - 0.125).abs() < 1e-12);
        assert_eq!(unit(0.0, 0.0).ray_entry(&Point3::new(-2.0, 0.0, 0.0), &Vector3::x()), Some(1.5));
        assert_eq!(unit(0.0, 0.0).ray_entry(&Point3::new(-2.0, 0.6, 0.0), &Vector3::x()), None);
    }

    fn any_box() -> impl Strategy<Value = OrientedBox> {
        (prop::array::uniform3(-0.5..0.5f64), prop::array::uniform3(0.2..1.5f64), prop::array::uniform3(-3.0..3.0f64))
            .prop_map(|(c, s, r)| OrientedBox {
                center: Point3::from(c),
                size: Vector3::from(s),
                rotation: UnitQuaternion::from_euler_angles(r[0], r[1], r[2]),
            })
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_agrees_with_counting(a in any_box(), b in any_box()) {
            let v = a.intersection_volume(&b);
            prop_assert!((v - b.intersection_volume(&a)).abs() < 1e-9);
            let n = 40;
            let mut hits = 0;
            for i in 0..n { for j in 0..n { for k in 0..n {
                let t = Vector3::new(i as f64, j as f64, k as f64).add_scalar(0.5) / f64::from(n) - Vector3::repeat(0.5);
                if b.contains(&(a.center + a.rotation * t.component_mul(&a.size)), 0.0) { hits += 1; }
            }}}
            let counted = f64::from(hits) / f64::from(n).powi(3) * a.volume();
            prop_assert!((v - counted).abs() < 0.02 * a.volume() + 0.005, "{v} {counted}");
        }
    }
}
