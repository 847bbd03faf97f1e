//! Which way is up, where the floor is, and how long a metre is.

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

/// Finds up and the floor from an oriented cloud and the cameras that saw it. The floor is a large plane below the
/// cameras whose normal is near their mean up (-y) and that has next to nothing below it. Without one, up is the
/// direction that best agrees with the cameras and is across the walls: the smallest eigenvector of
/// `sum w n n^T` over walls plus `sum w (I - n n^T)` over level planes and the cameras. `None` without cameras.
pub fn find_gravity(points: &[[f32; 3]], normals: &[[f32; 3]], cameras: &[Camera], seed: u64) -> Option<Gravity> {
    let mean_up: Vector3<f64> = cameras.iter().map(|c| -(c.c2w.rotation * Vector3::y())).sum();
    let camera_up = mean_up.try_normalize(1e-9)?;
    let lost = Gravity { up: Unit::new_normalize(camera_up), floor_offset: None, floor_share: 0.0 };
    let reach = median_distance(points, cameras);
    if !(reach > 0.0) {
        return Some(lost);
    }
    let search = PlaneSearch {
        distance: 0.012 * reach,
        angle_deg: 25.0,
        min_inliers: (points.len() / 100).max(30),
        max_planes: 16,
    };
    let planes = find_planes(points, normals, &search, seed);
    if let Some(floor) = planes.iter().find(|p| is_floor(p, points, cameras, &camera_up, search.distance)) {
        return Some(Gravity {
            up: Unit::new_normalize(floor.normal),
            floor_offset: Some(floor.offset),
            floor_share: floor.inliers.len() as f64 / points.len() as f64,
        });
    }
    Some(Gravity { up: Unit::new_normalize(upright(&planes, points.len(), &camera_up)), ..lost })
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

fn is_floor(p: &Plane, points: &[[f32; 3]], cameras: &[Camera], up: &Vector3<f64>, tolerance: f64) -> bool {
    let above = cameras.iter().filter(|c| p.normal.dot(&c.center().coords) - p.offset > 2.0 * tolerance).count();
    let below = points.iter().filter(|q| p.distance(q) < -4.0 * tolerance).count();
    p.normal.angle(up).to_degrees() < FLOOR_TILT_DEG
        && above * 50 >= cameras.len() * 49
        && below as f64 <= BELOW_FLOOR * points.len() as f64
}

fn upright(planes: &[Plane], points: usize, camera_up: &Vector3<f64>) -> Vector3<f64> {
    let mut m = (Matrix3::identity() - camera_up * camera_up.transpose()) * 0.01;
    for p in planes {
        let weight = p.inliers.len() as f64 / points.max(1) as f64;
        let tilt = p.normal.angle(camera_up).to_degrees();
        let nn = p.normal * p.normal.transpose();
        if tilt < 20.0 || tilt > 160.0 {
            m += (Matrix3::identity() - nn) * weight;
        } else if (70.0..110.0).contains(&tilt) {
            m += nn * weight;
        }
    }
    let eigen = SymmetricEigen::new(m);
    let u: Vector3<f64> = eigen.eigenvectors.column(eigen.eigenvalues.imin()).into_owned();
    let u = if u.dot(camera_up) < 0.0 { -u } else { u };
    // A direction far from the cameras' up would rest on planes that are no walls.
    if u.angle(camera_up).to_degrees() < 25.0 { u } else { *camera_up }
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

#[cfg(test)]
mod tests {
    use super::super::planes::tests::patch;
    use super::*;
    use crate::scene::Intrinsics;
    use nalgebra::{Isometry3, Rotation3, Translation3};

    fn camera(eye: [f64; 3], target: [f64; 3]) -> Camera {
        let (e, t) = (Point3::from(eye), Point3::from(target));
        let z = (t - e).normalize();
        let x = z.cross(&Vector3::z()).normalize();
        let r = Rotation3::from_matrix_unchecked(nalgebra::Matrix3::from_columns(&[x, z.cross(&x), z]));
        Camera {
            intrinsics: Intrinsics::guess(64, 48),
            c2w: Isometry3::from_parts(Translation3::from(e.coords), UnitQuaternion::from_rotation_matrix(&r)),
        }
    }

    /// A room with a table in it: floor at 0 if asked for, two walls, a table top at 0.75.
    fn room(floor: bool) -> (Vec<[f32; 3]>, Vec<[f32; 3]>, Vec<Camera>) {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut c = (Vec::new(), Vec::new());
        if floor {
            patch(&mut c, [0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [0.0, 4.0, 0.0], 3000, 0.01, &mut rng);
        }
        patch(&mut c, [0.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 2.5], 5000, 0.01, &mut rng);
        patch(&mut c, [0.0, 4.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 2.5], 5000, 0.01, &mut rng);
        c.1[if floor { 8000 } else { 5000 }..].iter_mut().for_each(|n| *n = n.map(|x| x));
        if floor {
            patch(&mut c, [1.5, 1.5, 0.75], [1.2, 0.0, 0.0], [0.0, 1.2, 0.0], 3500, 0.01, &mut rng);
        }
        let cams = (0..6).map(|i| camera([3.5 - 0.2 * f64::from(i), 0.5, 1.4], [1.0, 3.0, 0.6])).collect();
        (c.0, c.1, cams)
    }

    fn turned(r: &UnitQuaternion<f64>, v: &[[f32; 3]]) -> Vec<[f32; 3]> {
        v.iter().map(|p| (r * vector(p)).map(|x| x as f32).into()).collect()
    }

    #[test]
    fn up_is_the_floors_normal_whatever_way_the_world_was_turned_and_scaled() {
        let (points, normals, cameras) = room(true);
        for (i, scale) in [1.0, 0.01, 40.0].into_iter().enumerate() {
            let r = UnitQuaternion::from_euler_angles(0.9 * i as f64, 0.4, -1.1);
            let s = Similarity { scale, rotation: r, translation: Vector3::zeros() };
            let p: Vec<[f32; 3]> = turned(&r, &points).iter().map(|p| p.map(|x| x * scale as f32)).collect();
            let cams: Vec<Camera> = cameras.iter().map(|c| s.camera(c)).collect();
            let g = find_gravity(&p, &turned(&r, &normals), &cams, 1).unwrap();
            assert!(g.up.angle(&(r * Vector3::z())).to_degrees() < 0.5);
            assert!(g.floor_offset.unwrap().abs() < 0.01 * scale);
            assert!((estimate_metre(&cams, Some(&g), 2.5 * scale) / scale - 1.0).abs() < 0.05);
            let a = g.world_alignment();
            let lifted = a.camera(&cams[0]).center();
            assert!((lifted.z / scale - 1.4).abs() < 0.02 && a.scale == 1.0);
        }
    }

    #[test]
    fn without_a_floor_the_walls_correct_the_cameras() {
        let (points, normals, cameras) = room(false);
        let tilted: Vec<Camera> = cameras.clone();
        let g = find_gravity(&points, &normals, &tilted, 1).unwrap();
        assert_eq!(g.floor_offset, None);
        let naive: Vector3<f64> = cameras.iter().map(|c| -(c.c2w.rotation * Vector3::y())).sum();
        assert!(naive.angle(&Vector3::z()).to_degrees() > 10.0, "the test needs cameras that look down");
        assert!(g.up.angle(&Vector3::z()).to_degrees() < 1.0, "{:?}", g.up);
    }

    #[test]
    fn alignment_keeps_yaw_and_survives_upside_down() {
        let up = Unit::new_normalize(Vector3::new(0.02, 0.0, 1.0));
        let a = Gravity { up, floor_offset: Some(-1.5), floor_share: 0.2 }.world_alignment();
        assert!((a.rotation * up.into_inner() - Vector3::z()).norm() < 1e-12);
        assert!(a.rotation.angle() < 0.021 && a.translation.z == 1.5);
        let down = Gravity { up: -Vector3::z_axis(), floor_offset: None, floor_share: 0.0 }.world_alignment();
        assert!((down.rotation * -Vector3::z() - Vector3::z()).norm() < 1e-12);
        assert!(find_gravity(&[], &[], &[], 0).is_none());
        assert_eq!(estimate_metre(&[], None, f64::NAN), 1.0);
    }
}
