//! Up from floors, walls and edges.

use super::*;
use crate::geometry::planes::tests::patch;
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
        let g = find_gravity(&p, &turned(&r, &normals), &cams, None, 1).unwrap();
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
    let g = find_gravity(&points, &normals, &tilted, None, 1).unwrap();
    assert_eq!(g.floor_offset, None);
    let naive: Vector3<f64> = cameras.iter().map(|c| -(c.c2w.rotation * Vector3::y())).sum();
    assert!(naive.angle(&Vector3::z()).to_degrees() > 10.0, "the test needs cameras that look down");
    assert!(g.up.angle(&Vector3::z()).to_degrees() < 1.0, "{:?}", g.up);
}

fn gravity(up: Unit<Vector3<f64>>, floor_offset: Option<f64>) -> Gravity {
    Gravity { up, floor_offset, floor_share: 0.2, source: UpSource::Floor, contradiction_deg: None }
}

#[test]
fn alignment_keeps_yaw_and_survives_upside_down() {
    let up = Unit::new_normalize(Vector3::new(0.02, 0.0, 1.0));
    let a = gravity(up, Some(-1.5)).world_alignment();
    assert!((a.rotation * up.into_inner() - Vector3::z()).norm() < 1e-12);
    assert!(a.rotation.angle() < 0.021 && a.translation.z == 1.5);
    let down = gravity(-Vector3::z_axis(), None).world_alignment();
    assert!((down.rotation * -Vector3::z() - Vector3::z()).norm() < 1e-12);
    assert!(find_gravity(&[], &[], &[], None, 0).is_none());
    assert_eq!(estimate_metre(&[], None, f64::NAN), 1.0);
}
