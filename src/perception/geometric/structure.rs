//! Floor, walls and ceiling.

use super::Segmentation;
use crate::geometry::planes::{Plane, PlaneSearch, find_planes};
use crate::perception::View;
use crate::perception::cloud::Cloud;
use nalgebra::Vector3;

/// A plane of the building.
pub(crate) struct Structural {
    pub(crate) plane: Plane,
    pub(crate) label: &'static str,
}

/// Distance to a plane within which a voxel belongs to it or to a flat thing on it, metres.
const THICK: f64 = 0.05;
/// Distance to a plane within which even a voxel that faces another way is the plane, and distance behind it in which
/// voxels are noise of the plane, metres.
const TIGHT: f64 = 0.025;
const BEHIND: f64 = 0.2;

impl Structural {
    /// Distance in front of the plane, negative behind it.
    pub(crate) fn signed(&self, p: &[f32; 3]) -> f64 {
        self.plane.normal.dot(&at(p)) - self.plane.offset
    }

    /// Whether the foot of a point's perpendicular is within the plane's extent, grown by `margin`.
    pub(crate) fn holds(&self, p: &[f32; 3], margin: f64) -> bool {
        let r = at(p) - self.plane.center;
        (0..2).all(|k| self.plane.axes[k].dot(&r).abs() < 0.5 * self.plane.extent[k] + margin)
    }
}

fn at(p: &[f32; 3]) -> Vector3<f64> {
    Vector3::from(p.map(f64::from))
}

/// The structural planes: large planes with next to nothing behind them.
pub(crate) fn find(cloud: &Cloud, views: &[View], metre: f64, seed: u64) -> Vec<Structural> {
    let per_area = (metre / cloud.voxel).powi(2);
    let slack = metre * cloud.coarse;
    let search = PlaneSearch {
        distance: 0.03 * slack,
        angle_deg: 25.0,
        min_inliers: ((0.4 * per_area) as usize).max(20),
        max_planes: 24,
    };
    let planes = find_planes(&cloud.positions, &cloud.normals, &search, seed);
    let eyes: Vec<Vector3<f64>> = views.iter().map(|v| v.camera.center().coords).collect();
    let (low, high) = eyes.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), e| (l.min(e.z), h.max(e.z)));
    let mut out: Vec<Structural> = Vec::new();
    let mut floor_seen = false;
    for plane in planes {
        // A second plane just in front of one that is known is made of the flat things on it, or of its noise.
        let twin = |q: &Structural| {
            let ahead = q.plane.normal.dot(&plane.center) - q.plane.offset;
            q.plane.normal.dot(&plane.normal) > 0.9
                && ahead.abs() < 2.0 * THICK * slack
                && near(&q.plane, &plane, metre)
        };
        if let Some(q) = out.iter().find(|q| twin(q)) {
            // One wall beside something tall is two planes.
            let same = (q.plane.normal.dot(&plane.center) - q.plane.offset).abs() < THICK * slack;
            let corners = [(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)].map(|(i, j)| {
                plane.center + plane.axes[0] * (i * plane.extent[0]) + plane.axes[1] * (j * plane.extent[1])
            });
            let covered = corners.iter().all(|c| q.holds(&(*c).map(|x| x as f32).into(), 0.25 * metre));
            if same && !covered {
                let label = q.label;
                out.push(Structural { plane, label });
            }
            continue;
        }
        let up = plane.normal.z;
        let behind = |reach: f64| behind_share(cloud, &plane, metre, reach);
        let label = if up > 0.95 && plane.center.z < low - 0.2 * metre && !floor_seen && behind(0.0) < 0.1 {
            floor_seen = true;
            "floor"
        } else if up < -0.95 && plane.center.z > high && behind(0.0) < 0.1 {
            "ceiling"
        } else if up.abs() < 0.2 && plane.extent[0].min(plane.extent[1]) > 0.5 * metre && behind(0.3 * metre) < 0.2 {
            "wall"
        } else {
            continue;
        };
        out.push(Structural { plane, label });
    }
    out
}

/// Whether the centre of `b` is within the extent of `a`, grown by half a metre.
fn near(a: &Plane, b: &Plane, metre: f64) -> bool {
    let r = b.center - a.center;
    (0..2).all(|k| a.axes[k].dot(&r).abs() < 0.5 * (a.extent[k] + metre))
}

/// Voxels behind a plane, within its extent grown by `reach`, per inlier.
fn behind_share(cloud: &Cloud, plane: &Plane, metre: f64, reach: f64) -> f64 {
    let half = plane.extent.map(|e| e * 0.5 + reach);
    let count = cloud
        .positions
        .iter()
        .filter(|p| {
            let q = at(p) - plane.center;
            plane.normal.dot(&q) < -0.08 * metre * cloud.coarse && (0..2).all(|k| plane.axes[k].dot(&q).abs() < half[k])
        })
        .count();
    count as f64 / plane.inliers.len().max(1) as f64
}

/// Labels the voxels of the structural planes and returns, per plane, the voxels on it that
/// face as it does. Planes with one label that face
/// the same way at the same offset are one segment.
pub(crate) fn label(cloud: &Cloud, planes: &[Structural], metre: f64, s: &mut Segmentation) -> Vec<Vec<u32>> {
    let mut on = vec![Vec::new(); planes.len()];
    let thick = THICK * metre * cloud.coarse;
    let mut ids = Vec::with_capacity(planes.len());
    for (i, p) in planes.iter().enumerate() {
        let twin = planes[..i].iter().position(|q| {
            q.label == p.label
                && q.plane.normal.angle(&p.plane.normal) < 0.1
                && (q.plane.normal.dot(&p.plane.center) - q.plane.offset).abs() < thick
        });
        ids.push(twin.map_or_else(|| s.push(p.label, 0.95), |t| ids[t]));
    }
    for (v, p) in cloud.positions.iter().enumerate() {
        let (q, n) = (at(p), at(&cloud.normals[v]));
        let mut best = (thick, None);
        for (i, w) in planes.iter().enumerate() {
            let signed = w.plane.normal.dot(&q) - w.plane.offset;
            let d = if signed < 0.0 { -signed * thick / (BEHIND * metre * cloud.coarse) } else { signed };
            let inside = w.holds(p, 0.25 * metre);
            // Close to the plane and behind it normals are noise; farther in front they tell things from the plane.
            if d < best.0 && inside && (signed < TIGHT * metre * cloud.coarse || n.dot(&w.plane.normal) > 0.85) {
                best = (d, Some(i));
            }
        }
        if let Some(i) = best.1 {
            s.of[v] = ids[i];
            if n.dot(&planes[i].plane.normal) > 0.85 {
                on[i].push(v as u32);
            }
        }
    }
    on
}
