//! Oriented, gravity-aligned boxes of things that were seen in part.

use crate::geometry::planes::{PlaneSearch, find_planes};
use crate::perception::View;
use crate::perception::cloud::Cloud;
use crate::perception::rect::{at_yaw, quarter, smallest};
use crate::scene::{Camera, OrientedBox};
use nalgebra::{Point3, Vector3};

/// A box and what it rests on.
pub(crate) struct Fitted {
    pub(crate) obb: OrientedBox,
    /// The lower face was moved to the floor or to a level surface below the thing.
    pub(crate) stands: Option<Support>,
    /// A side was moved to a wall behind the thing, or a flat thing was laid on one.
    pub(crate) at_wall: bool,
    /// Median colours to name are taken from these voxels.
    pub(crate) voxels: Vec<u32>,
}

/// What a thing stands on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Support {
    /// Height of the surface.
    pub(crate) z: f64,
    /// The surface is as low as the scene goes.
    pub(crate) is_floor: bool,
}

/// Share of the points left out at each end of each side.
const TRIM: f64 = 0.01;
/// Below this a side is the thickness of a flat thing, metres.
const FLAT: f64 = 0.09;
/// Least thickness, and farthest that a face is moved to meet a floor, table or wall, metres.
const THINNEST: f64 = 0.01;
const REACH: f64 = 0.12;
/// Share of a thing in a slab this thin at its bottom that makes it a flat thing; the rest is the rims of things on it.
const SLAB: f64 = 0.8;
/// Distances from the side of a thing within which a wall behind it must show, metres: nearer is its own rim.
const BESIDE: (f64, f64) = (0.08, 0.4);
/// Least area of an upright plane that is a wall to what stands in front of it, square metres.
const WALL_AREA: f64 = 0.5;
/// Farthest that a hidden side is moved to a wall through space that no view sees into, metres.
const HIDDEN_REACH: f64 = 0.7;
/// Largest gap between the floor and the lowest point seen of a thing that stands on it, metres.
const FLOATS: f64 = 0.85;
/// Share of the area of a thing that what it stands on must show.
const COVERS: f64 = 0.05;
/// Voxels of a surface that are enough to move a face to it.
const ENOUGH: usize = 12;

/// The rest of the scene, for the boxes to meet.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Level voxels that look up, and those of large upright planes, in ascending order.
    level: Vec<u32>,
    upright: Vec<u32>,
    /// Direction of the walls modulo a quarter turn, where the scene has one.
    grid: Option<f64>,
    floor: f64,
    /// Cameras of the views, for the size of their depth maps.
    cameras: Vec<Camera>,
    /// Length of a metre in scene units.
    metre: f64,
}

impl Surroundings {
    /// Sorts the cloud of some views by what a face can meet.
    pub(crate) fn of(cloud: &Cloud, views: &[View], metre: f64) -> Self {
        let mut level = Vec::new();
        let (mut sin, mut cos, mut sides) = (0.0, 0.0, 0usize);
        for (i, n) in cloud.normals.iter().enumerate() {
            if n[2] > 0.9 {
                level.push(i as u32);
            } else if n[2].abs() < 0.3 {
                let t = 4.0 * f64::from(n[1]).atan2(f64::from(n[0]));
                sin += t.sin();
                cos += t.cos();
                sides += 1;
            }
        }
        let search = PlaneSearch {
            distance: 0.03 * metre * cloud.coarse,
            angle_deg: 25.0,
            min_inliers: ((WALL_AREA * (metre / cloud.voxel).powi(2)) as usize).max(20),
            max_planes: 24,
        };
        let planes = find_planes(&cloud.positions, &cloud.normals, &search, 0);
        let walls = planes.iter().filter(|p| p.normal.z.abs() < 0.2);
        let mut upright: Vec<u32> = walls.flat_map(|p| p.inliers.iter().copied()).collect();
        upright.sort_unstable();
        let sure = f64::hypot(sin, cos) > 0.3 * sides as f64;
        let mut z: Vec<f32> = level.iter().map(|v| cloud.positions[*v as usize][2]).collect();
        z.sort_by(f32::total_cmp);
        let floor = z.get(z.len() / 50).copied().map_or(0.0, f64::from);
        let grid = (sure && sides > 200).then(|| sin.atan2(cos) / 4.0);
        let cameras = views.iter().map(|v| v.camera.resized(v.depth.width, v.depth.height)).collect();
        Self { level, upright, grid, floor, cameras, metre }
    }

    /// Length of a metre in scene units.
    pub(crate) fn metre(&self) -> f64 {
        self.metre
    }

    /// Height of the floor.
    pub(crate) fn floor(&self) -> f64 {
        self.floor
    }

    /// Whether a height is that of the floor.
    pub(crate) fn is_floor(&self, z: f64) -> bool {
        z < self.floor + 0.03 * self.metre
    }

    /// Whether a voxel is of a large upright plane.
    pub(crate) fn is_wall(&self, voxel: u32) -> bool {
        self.upright.binary_search(&voxel).is_ok()
    }
}

fn at(cloud: &Cloud, v: u32) -> Vector3<f64> {
    Vector3::from(cloud.positions[v as usize].map(f64::from))
}

fn median(mut x: Vec<f64>) -> Option<f64> {
    let mid = x.len() / 2;
    (!x.is_empty()).then(|| *x.select_nth_unstable_by(mid, f64::total_cmp).1)
}

/// Bounds of a box along its own axes, which are turned by `yaw` about +z.
#[derive(Clone, Copy)]
struct Bounds {
    yaw: f64,
    lo: [f64; 3],
    hi: [f64; 3],
}

impl Bounds {
    fn local(&self, p: &Vector3<f64>) -> [f64; 3] {
        let (s, c) = self.yaw.sin_cos();
        [p.x * c + p.y * s, p.y * c - p.x * s, p.z]
    }

    fn size(&self, k: usize) -> f64 {
        self.hi[k] - self.lo[k]
    }

    /// Whether a local point is within the bounds grown by `margin`, along the axes other than `free`.
    fn holds(&self, q: &[f64; 3], free: usize, margin: f64) -> bool {
        (0..3).all(|k| k == free || (q[k] > self.lo[k] - margin && q[k] < self.hi[k] + margin))
    }
}

/// Fits a box to the voxels of a thing; `None` without voxels. Yaw is that of the smallest trimmed rectangle around the
/// footprint, or the walls' where that is as good. Faces that nothing shows are moved to the surface that hides them:
/// down to the floor or table, back to the wall. The thickness of a flat thing is the median height of its face above
/// the surface that it lies on, which averages depth noise away.
pub(crate) fn fit(cloud: &Cloud, around: &Surroundings, voxels: &[u32]) -> Option<Fitted> {
    let metre = around.metre;
    let voxels = &slab(cloud, voxels, metre)[..];
    let points: Vec<Vector3<f64>> = voxels.iter().map(|v| at(cloud, *v)).collect();
    let xy: Vec<[f64; 2]> = points.iter().map(|p| [p.x, p.y]).collect();
    let mut rect = smallest(&xy, TRIM)?;
    if let Some(r) = around.grid.and_then(|g| at_yaw(&xy, quarter(g), TRIM))
        && (r.size[0] * r.size[1] < 1.03 * rect.size[0] * rect.size[1] || quarter(r.yaw - rect.yaw).abs() < 0.035)
    {
        rect = r;
    }
    if let Some(r) = own_yaw(cloud, voxels).and_then(|y| at_yaw(&xy, quarter(y), TRIM)) {
        let flat = rect.size[0].min(rect.size[1]) < 2.0 * FLAT * metre;
        if flat || r.size[0] * r.size[1] < 1.25 * rect.size[0] * rect.size[1] {
            rect = r;
        }
    }
    let mut z: Vec<f64> = points.iter().map(|p| p.z).collect();
    z.sort_by(f64::total_cmp);
    let cut = ((z.len() - 1) as f64 * 0.5 * TRIM) as usize;
    let mut b = Bounds { yaw: rect.yaw, lo: [0.0; 3], hi: [0.0; 3] };
    let c = b.local(&Vector3::new(rect.center[0], rect.center[1], 0.0));
    for k in 0..2 {
        (b.lo[k], b.hi[k]) = (c[k] - 0.5 * rect.size[k], c[k] + 0.5 * rect.size[k]);
    }
    (b.lo[2], b.hi[2]) = (z[cut], z[z.len() - 1 - cut]);
    let own = |v: &u32| voxels.binary_search(v).is_ok();
    let stands = lower(cloud, around, &mut b, voxels, &own);
    let at_wall = back(cloud, around, &mut b, voxels, stands.is_some_and(|s| s.is_floor), &own);
    let stands = stands.or_else(|| grounded(around, &mut b, at_wall));
    for k in 0..3 {
        let missing = THINNEST * metre - b.size(k);
        if missing > 0.0 {
            b.hi[k] += missing * 0.5;
            b.lo[k] -= missing * 0.5;
        }
    }
    let mid = [0, 1, 2].map(|k| 0.5 * (b.lo[k] + b.hi[k]));
    let (s, c) = b.yaw.sin_cos();
    let center = Point3::new(mid[0] * c - mid[1] * s, mid[0] * s + mid[1] * c, mid[2]);
    let obb = OrientedBox::upright(center, Vector3::new(b.size(0), b.size(1), b.size(2)), b.yaw);
    Some(Fitted { obb, stands, at_wall, voxels: voxels.to_vec() })
}

/// The voxels of a thing without what stands up from it, where nearly all of it is a slab at its bottom.
fn slab(cloud: &Cloud, voxels: &[u32], metre: f64) -> Vec<u32> {
    let mut z: Vec<f32> = voxels.iter().map(|v| cloud.positions[*v as usize][2]).collect();
    z.sort_by(f32::total_cmp);
    let Some(low) = z.get(z.len() / 50) else { return Vec::new() };
    let top = low + (FLAT * metre) as f32;
    if (z.partition_point(|h| *h < top) as f64) < SLAB * z.len() as f64 {
        return voxels.to_vec();
    }
    voxels.iter().copied().filter(|v| cloud.positions[*v as usize][2] < top).collect()
}

/// Yaw of a thing whose upright faces agree on one modulo a quarter turn.
fn own_yaw(cloud: &Cloud, voxels: &[u32]) -> Option<f64> {
    let (mut sin, mut cos, mut n) = (0.0, 0.0, 0usize);
    for v in voxels {
        let q = cloud.normals[*v as usize];
        if q[2].abs() < 0.3 {
            let t = 4.0 * f64::from(q[1]).atan2(f64::from(q[0]));
            (sin, cos, n) = (sin + t.sin(), cos + t.cos(), n + 1);
        }
    }
    (n * 3 > voxels.len() && n > 50 && f64::hypot(sin, cos) > 0.6 * n as f64).then(|| f64::atan2(sin, cos) / 4.0)
}

/// Moves the lower face to what the thing stands on, and measures the thickness of a thing that lies on it.
fn lower(
    cloud: &Cloud,
    around: &Surroundings,
    b: &mut Bounds,
    voxels: &[u32],
    own: &dyn Fn(&u32) -> bool,
) -> Option<Support> {
    let metre = around.metre;
    let height = b.size(2);
    let (from, to) =
        (b.lo[2] - (REACH * metre).max(0.12 * height), b.lo[2] + (0.04 * metre).max(0.2 * height).min(0.15 * metre));
    let near = |v: &&u32| {
        let p = at(cloud, **v);
        p.z > from && p.z < to && b.holds(&b.local(&p), 2, 0.1 * metre) && !own(v)
    };
    // Under a flat thing nothing else is seen: what faces up there is its own rim.
    let around_it = |v: &&u32| {
        let p = at(cloud, **v);
        let q = b.local(&p);
        p.z > from && p.z < to && !b.holds(&q, 2, 0.04 * metre) && b.holds(&q, 2, 0.2 * metre)
    };
    let height_of = |v: &u32| at(cloud, *v).z;
    let mut heights: Vec<f64> = Vec::new();
    if height < FLAT * metre {
        heights = around.level.iter().filter(around_it).map(height_of).collect();
    }
    if heights.len() < ENOUGH {
        heights = around.level.iter().filter(near).map(height_of).collect();
    }
    if heights.len() < ENOUGH {
        return None;
    }
    heights.sort_by(f64::total_cmp);
    // The densest 3 cm: shelves and table edges may also be near.
    let band = 0.03 * metre;
    let count = |z: &f64| heights.partition_point(|h| *h <= z + band) - heights.partition_point(|h| h < z);
    let start = heights.iter().copied().max_by(|a, c| count(a).cmp(&count(c)).then(c.total_cmp(a)))?;
    // Where noise hides edges, what covers next to nothing of the space below is often the seat of a chair there.
    if cloud.coarse > 1.0 && (count(&start) as f64) < COVERS * b.size(0) * b.size(1) / cloud.voxel.powi(2) {
        return None;
    }
    let z = median(heights.iter().copied().filter(|h| *h >= start && *h <= start + band).collect())?;
    if b.hi[2] - z < FLAT * metre {
        let faces = voxels.iter().filter(|v| cloud.normals[**v as usize][2] > 0.8).map(|v| at(cloud, *v).z).collect();
        b.hi[2] = median(faces).map_or(b.hi[2], |m| m.max(z + THINNEST * metre));
    }
    b.lo[2] = z;
    Some(Support { z, is_floor: z < around.floor + 0.08 * metre })
}

/// Things do not float: what touches neither a wall nor anything below it, and is low, stands on the floor on legs that
/// the depth has missed.
fn grounded(around: &Surroundings, b: &mut Bounds, at_wall: bool) -> Option<Support> {
    let metre = around.metre;
    let gap = b.lo[2] - around.floor;
    let low = !at_wall && gap > 0.0 && gap < FLOATS * metre && b.hi[2] < 1.5 * metre;
    low.then(|| {
        b.lo[2] = around.floor;
        Support { z: around.floor, is_floor: true }
    })
}

/// Moves a side that nothing shows to the wall behind it, and measures the thickness of a thing that hangs on it.
fn back(
    cloud: &Cloud,
    around: &Surroundings,
    b: &mut Bounds,
    voxels: &[u32],
    on_floor: bool,
    own: &dyn Fn(&u32) -> bool,
) -> bool {
    let metre = around.metre;
    // What lies flat hides nothing.
    if b.size(2) < FLAT * metre {
        return false;
    }
    let (s, c) = b.yaw.sin_cos();
    let mut moved = false;
    for (axis, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0)] {
        let out = if axis == 0 { [c * sign, s * sign] } else { [-s * sign, c * sign] };
        let facing = |v: u32| {
            let n = cloud.normals[v as usize];
            f64::from(n[0]) * out[0] + f64::from(n[1]) * out[1]
        };
        let face = if sign > 0.0 { b.hi[axis] } else { b.lo[axis] };
        let shown = voxels
            .iter()
            .filter(|v| facing(**v) > 0.7 && (b.local(&at(cloud, **v))[axis] - face) * sign > -0.06 * metre)
            .count();
        if shown * 25 > voxels.len() {
            continue;
        }
        let flat = b.size(axis) < FLAT * metre;
        let inward = if flat { b.size(axis) } else { 0.04 * metre };
        // Of a chest against a wall often only the front is seen.
        let outward = if flat && !on_floor { 0.06 } else { HIDDEN_REACH } * metre;
        let behind = |v: &&u32| {
            if facing(**v) > -0.97 {
                return false;
            }
            let q = b.local(&at(cloud, **v));
            let d = (q[axis] - face) * sign;
            let beside = !b.holds(&q, axis, BESIDE.0 * metre) && b.holds(&q, axis, BESIDE.1 * metre);
            d > -inward && d < outward && beside && !own(v)
        };
        let wall: Vec<f64> = around.upright.iter().filter(behind).map(|v| b.local(&at(cloud, *v))[axis]).collect();
        if wall.len() < 2 * ENOUGH {
            continue;
        }
        let Some(w) = median(wall) else { continue };
        if (w - face) * sign > 0.06 * metre && !hidden(cloud, around, b, axis, face, w) {
            continue;
        }
        let front: Vec<f64> =
            voxels.iter().filter(|v| facing(**v) < -0.8).map(|v| b.local(&at(cloud, *v))[axis]).collect();
        let thin = median(front)
            .filter(|_| flat && (w - face) * sign < 0.06 * metre)
            .map(|f| (w - f) * sign)
            .map(|t| t.max(THINNEST * metre));
        if sign > 0.0 {
            b.hi[axis] = w;
            b.lo[axis] = thin.map_or(b.lo[axis].min(w), |t| w - t);
        } else {
            b.lo[axis] = w;
            b.hi[axis] = thin.map_or(b.hi[axis].max(w), |t| w + t);
        }
        moved = true;
    }
    moved
}

/// Whether the space between a side of the box and a wall is hidden from all views: of 60 points in it, few are seen
/// through by two views.
fn hidden(cloud: &Cloud, around: &Surroundings, b: &Bounds, axis: usize, face: f64, wall: f64) -> bool {
    let other = 1 - axis;
    let (s, c) = b.yaw.sin_cos();
    let mut open = 0;
    for i in 0..60 {
        let (d, l, h) = (i % 3, i / 3 % 5, i / 15);
        let mut q = [0.0; 3];
        q[axis] = face + (wall - face) * (0.25 + 0.25 * f64::from(d));
        q[other] = b.lo[other] + b.size(other) * (0.1 + 0.2 * f64::from(l));
        q[2] = b.lo[2] + b.size(2) * (0.15 + 0.23 * f64::from(h));
        let p = Point3::new(q[0] * c - q[1] * s, q[0] * s + q[1] * c, q[2]);
        let through = around.cameras.iter().zip(&cloud.surfaces).filter(|(camera, surface)| {
            let seen = camera.project(&p);
            seen.is_some_and(|(x, y, z)| surface.test(x, y, z as f32, 0.01 * z as f32) == Some(false))
        });
        open += usize::from(through.take(2).count() == 2);
    }
    open < 15
}
