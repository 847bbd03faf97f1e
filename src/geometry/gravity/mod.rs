//! Which way is up, where the floor is, and how long a metre is.

mod lines;
mod segments;
#[cfg(test)]
mod tests;

pub use lines::{Verticals, find_verticals};

use super::planes::{Plane, PlaneSearch, find_planes, vector};
use crate::scene::{Camera, Similarity};
use nalgebra::{Matrix3, Point3, SymmetricEigen, Unit, UnitQuaternion, Vector3};

/// Up, and the floor where one shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gravity {
    /// Up in the world that was given.
    pub up: Unit<Vector3<f64>>,
    /// `up . x` of the points of the floor; `None` where no floor shows.
    pub floor_offset: Option<f64>,
    /// Share of the points that lie on the floor, 0..1.
    pub floor_share: f64,
    /// What up was taken from.
    pub source: UpSource,
    /// Angle between the up of the floor and that of vertical edges where they contradict each other, degrees.
    pub contradiction_deg: Option<f64>,
}

/// What up was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpSource {
    /// The normal of the floor.
    Floor,
    /// Vertical edges in the photos, and walls and level planes where there are some.
    Edges,
    /// Walls and level planes.
    Planes,
    /// How the cameras were held.
    Cameras,
}

impl Gravity {
    /// The rigid motion (scale 1) that turns up to +z by the smallest rotation, which keeps yaw, and puts the floor at
    /// z = 0; without a floor the origin stays where it is.
    pub fn world_alignment(&self) -> Similarity {
        let rotation = UnitQuaternion::rotation_between(&self.up, &Vector3::z())
            .unwrap_or_else(|| UnitQuaternion::from_axis_angle(&Vector3::x_axis(), std::f64::consts::PI));
        let translation = Vector3::new(0.0, 0.0, -self.floor_offset.unwrap_or(0.0));
        Similarity { scale: 1.0, rotation, translation }
    }

    /// Heights of the cameras above the floor; empty without a floor.
    pub fn camera_heights(&self, cameras: &[Camera]) -> Vec<f64> {
        let above = |f: f64| cameras.iter().map(|c| self.up.dot(&c.center().coords) - f).collect();
        self.floor_offset.map(above).unwrap_or_default()
    }
}

/// Largest angle between the mean up of the cameras and the floor's normal, degrees: hand-held cameras look down.
const FLOOR_TILT_DEG: f64 = 40.0;
/// Share of the points that may lie below the floor: reflections and noise.
const BELOW_FLOOR: f64 = 0.06;

/// Angle between the floor's normal and vertical edges beyond which one of them is wrong, degrees.
const CONTRADICTION_DEG: f64 = 10.0;
/// Angle within which a plane is level, or upright, for an up that is to be judged, degrees.
const AGREEMENT_DEG: f64 = 4.0;

/// Finds up and the floor from an oriented cloud, the cameras that saw it and the vertical edges of their photos. The
/// floor is a large plane below the cameras whose normal is near their mean up (-y) and that has next to nothing below
/// it. Where edges contradict it, the direction wins that more of the planes and of the edges agree with. Without a
/// floor, up is the direction that best agrees with the cameras and the edges and is across the walls: the smallest
/// eigenvector of `sum w n n^T` over walls and planes of edges plus `sum w (I - n n^T)` over level planes and the
/// cameras. `None` without cameras.
pub fn find_gravity(
    points: &[[f32; 3]],
    normals: &[[f32; 3]],
    cameras: &[Camera],
    edges: Option<&Verticals>,
    seed: u64,
) -> Option<Gravity> {
    let mean_up: Vector3<f64> = cameras.iter().map(|c| -(c.c2w.rotation * Vector3::y())).sum();
    let camera_up = mean_up.try_normalize(1e-9)?;
    let reach = median_distance(points, cameras);
    let search = PlaneSearch {
        distance: 0.012 * reach,
        angle_deg: 25.0,
        min_inliers: (points.len() / 100).max(30),
        max_planes: 16,
    };
    let planes = if reach > 0.0 { find_planes(points, normals, &search, seed) } else { Vec::new() };
    let found = Found { planes: &planes, points, cameras, edges, camera_up, tolerance: search.distance };
    let Some(floor) = found.floor(&camera_up, FLOOR_TILT_DEG) else { return Some(found.without_floor()) };
    let apart = edges.map(|e| floor.normal.angle(&e.up).to_degrees()).filter(|a| *a > CONTRADICTION_DEG);
    let (Some(_), Some(edges)) = (apart, edges) else { return Some(found.on(floor)) };
    let chosen = if found.support(&floor.normal) >= found.support(&edges.up) {
        found.on(floor)
    } else {
        found.floor(&edges.up, CONTRADICTION_DEG).map_or_else(|| found.without_floor(), |f| found.on(f))
    };
    Some(Gravity { contradiction_deg: apart, ..chosen })
}

/// What was found in a scene, to take up and the floor from.
struct Found<'a> {
    planes: &'a [Plane],
    points: &'a [[f32; 3]],
    cameras: &'a [Camera],
    edges: Option<&'a Verticals>,
    camera_up: Vector3<f64>,
    /// Distance within which a point is on a plane.
    tolerance: f64,
}

impl<'a> Found<'a> {
    /// The largest plane that may be the floor, with a normal within `tilt` degrees of `up`.
    fn floor(&self, up: &Vector3<f64>, tilt: f64) -> Option<&'a Plane> {
        self.planes.iter().find(|p| is_floor(p, self.points, self.cameras, up, tilt, self.tolerance))
    }

    fn on(&self, floor: &Plane) -> Gravity {
        Gravity {
            up: Unit::new_normalize(floor.normal),
            floor_offset: Some(floor.offset),
            floor_share: self.share(floor),
            source: UpSource::Floor,
            contradiction_deg: None,
        }
    }

    fn without_floor(&self) -> Gravity {
        let (up, source) = upright(self.planes, self.points.len(), &self.camera_up, self.edges);
        let up = Unit::new_normalize(up);
        Gravity { up, floor_offset: None, floor_share: 0.0, source, contradiction_deg: None }
    }

    fn share(&self, plane: &Plane) -> f64 {
        plane.inliers.len() as f64 / self.points.len().max(1) as f64
    }

    /// How much speaks for `up`: share of the points on planes that are level or upright, and of edges that are vertical.
    fn support(&self, up: &Vector3<f64>) -> f64 {
        let fits = |p: &&Plane| {
            let tilt = p.normal.angle(up).to_degrees();
            tilt.min(180.0 - tilt) < AGREEMENT_DEG || (tilt - 90.0).abs() < AGREEMENT_DEG
        };
        let planes: f64 = self.planes.iter().filter(fits).map(|p| self.share(p)).sum();
        planes + self.edges.map_or(0.0, |e| e.share(up))
    }
}

/// Median distance of (some of) the points from their nearest camera.
fn median_distance(points: &[[f32; 3]], cameras: &[Camera]) -> f64 {
    let step = (points.len() / 2000).max(1);
    let nearest = |p: &[f32; 3]| {
        let p = Point3::from(vector(p));
        cameras.iter().map(|c| (p - c.center()).norm()).fold(f64::INFINITY, f64::min)
    };
    let mut d: Vec<f64> = points.iter().step_by(step).map(nearest).filter(|d| d.is_finite()).collect();
    d.sort_by(f64::total_cmp);
    d.get(d.len() / 2).copied().unwrap_or(0.0)
}

fn is_floor(p: &Plane, points: &[[f32; 3]], cameras: &[Camera], up: &Vector3<f64>, tilt: f64, tolerance: f64) -> bool {
    let above = cameras.iter().filter(|c| p.normal.dot(&c.center().coords) - p.offset > 2.0 * tolerance).count();
    let below = points.iter().filter(|q| p.distance(q) < -4.0 * tolerance).count();
    p.normal.angle(up).to_degrees() < tilt
        && above * 50 >= cameras.len() * 49
        && below as f64 <= BELOW_FLOOR * points.len() as f64
}

/// Weight of how the cameras were held, where planes carry their share of the points and edges 1; less beside edges.
const CAMERA_WEIGHT: f64 = 0.01;
const CAMERA_WEIGHT_BESIDE_EDGES: f64 = 1e-4;
/// Angle within which a plane is taken to be level or upright, degrees: by how the cameras were held, and by edges.
const ROUGHLY: f64 = 20.0;
const ROUGHLY_BESIDE_EDGES: f64 = 8.0;

fn upright(
    planes: &[Plane],
    points: usize,
    camera_up: &Vector3<f64>,
    edges: Option<&Verticals>,
) -> (Vector3<f64>, UpSource) {
    let weight = if edges.is_some() { CAMERA_WEIGHT_BESIDE_EDGES } else { CAMERA_WEIGHT };
    let mut m = (Matrix3::identity() - camera_up * camera_up.transpose()) * weight;
    m += edges.map_or_else(Matrix3::zeros, |e| e.moment);
    let start = edges.map_or(*camera_up, |e| e.up.into_inner());
    let roughly = if edges.is_some() { ROUGHLY_BESIDE_EDGES } else { ROUGHLY };
    let mut used = 0;
    for p in planes {
        let weight = p.inliers.len() as f64 / points.max(1) as f64;
        let tilt = p.normal.angle(&start).to_degrees();
        let nn = p.normal * p.normal.transpose();
        let level = tilt.min(180.0 - tilt) < roughly;
        let wall = (tilt - 90.0).abs() < roughly;
        used += usize::from(level || wall);
        if level {
            m += (Matrix3::identity() - nn) * weight;
        } else if wall {
            m += nn * weight;
        }
    }
    let eigen = SymmetricEigen::new(m);
    let u: Vector3<f64> = eigen.eigenvectors.column(eigen.eigenvalues.imin()).into_owned();
    let u = if u.dot(&start) < 0.0 { -u } else { u };
    // A direction far from where it started would rest on planes that are no walls.
    match (edges.is_some(), u.angle(&start).to_degrees()) {
        (true, turned) if turned < ROUGHLY_BESIDE_EDGES => (u, UpSource::Edges),
        (true, _) => (start, UpSource::Edges),
        (false, turned) if turned < 25.0 && used > 0 => (u, UpSource::Planes),
        (false, _) => (*camera_up, UpSource::Cameras),
    }
}

/// Height of a hand-held camera above the floor, and typical depth of an indoor photo, metres.
const CAMERA_HEIGHT: f64 = 1.4;
const TYPICAL_DEPTH: f64 = 2.5;

/// Length of a metre in scene units for a scene of unknown scale: hand-held cameras are about 1.4 m above the floor;
/// without a floor, or with one that does not fit the depth, the median depth of an indoor photo is about 2.5 m.
/// `median_depth` is in scene units. Good to a factor of about two; 1 where nothing is known.
pub fn estimate_metre(cameras: &[Camera], gravity: Option<&Gravity>, median_depth: f64) -> f64 {
    let mut heights = gravity.map(|g| g.camera_heights(cameras)).unwrap_or_default();
    heights.sort_by(f64::total_cmp);
    let by_height = heights.get(heights.len() / 2).map_or(0.0, |h| h / CAMERA_HEIGHT);
    let by_depth = median_depth / TYPICAL_DEPTH;
    let depth_known = by_depth.is_finite() && by_depth > 0.0;
    let sane = by_height > 0.0 && (!depth_known || (0.2..5.0).contains(&(by_height / by_depth)));
    match (sane, depth_known) {
        (true, _) => by_height,
        (false, true) => by_depth,
        (false, false) => 1.0,
    }
}
