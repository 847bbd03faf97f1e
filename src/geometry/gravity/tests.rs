//! Up from floors, walls and edges.

use super::lines::{Edge, vertical};
use super::*;
use crate::geometry::dense::View;
use crate::geometry::fusion::fuse;
use crate::geometry::planes::tests::patch;
use crate::scene::{DepthMap, Intrinsics};
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

/// Edges as a camera sees straight things: planes through its centre, turned by noise.
fn seen(
    camera: &Camera,
    photo: usize,
    lines: &[(Point3<f64>, Vector3<f64>)],
    noise: f64,
    rng: &mut fastrand::Rng,
) -> Vec<Edge> {
    let mut jitter = || Vector3::new(rng.f64() - 0.5, rng.f64() - 0.5, rng.f64() - 0.5) * noise;
    let edge = |(p, d): &(Point3<f64>, Vector3<f64>)| {
        let ray = p - camera.center();
        let normal = (ray.cross(d).normalize() + jitter()).normalize();
        Edge { normal, span: 0.2, photo }
    };
    lines.iter().map(edge).collect()
}

/// Cameras all around that look down on a place of 30 vertical lines, 60 along x, and 80 in any direction.
fn edges_of_a_place(turn: &UnitQuaternion<f64>, verticals: usize) -> (Vec<Edge>, Vec<Camera>) {
    let mut rng = fastrand::Rng::with_seed(9);
    let place = |rng: &mut fastrand::Rng| Point3::new(rng.f64() * 4.0 - 2.0, rng.f64() * 4.0 - 2.0, rng.f64() * 2.0);
    let mut lines: Vec<(Point3<f64>, Vector3<f64>)> = Vec::new();
    lines.extend((0..verticals).map(|_| (place(&mut rng), Vector3::z())));
    lines.extend((0..60).map(|_| (place(&mut rng), Vector3::x())));
    for _ in 0..80 {
        let any = Vector3::new(rng.f64() - 0.5, rng.f64() - 0.5, rng.f64() - 0.5).normalize();
        lines.push((place(&mut rng), any));
    }
    let world = Similarity { rotation: *turn, ..Similarity::identity() };
    let lines: Vec<_> = lines.iter().map(|(p, d)| (world.point(p), turn * d)).collect();
    let eye = |i: usize| [4.0 * (i as f64).cos(), 4.0 * (i as f64).sin(), 3.0];
    let cameras: Vec<Camera> = (0..6).map(|i| world.camera(&camera(eye(i), [0.3, 0.1, 0.8]))).collect();
    let all = cameras.iter().enumerate().flat_map(|(i, c)| seen(c, i, &lines, 0.004, &mut rng)).collect();
    (all, cameras)
}

#[test]
fn vertical_edges_tell_up_among_many_that_are_not() {
    let turn = UnitQuaternion::from_euler_angles(0.7, -0.4, 2.0);
    let (all, cameras) = edges_of_a_place(&turn, 30);
    let up = turn * Vector3::z();
    // What the cameras alone say, all tilted to one side.
    let near = turn * Vector3::new(0.4, 0.2, 1.0).normalize();
    assert!(near.angle(&up).to_degrees() > 20.0);
    let found = vertical(all.clone(), &near, cameras.len(), 3).unwrap();
    assert!(found.up.angle(&up).to_degrees() < 0.1, "{}", found.up.angle(&up).to_degrees());
    assert!(found.photos == 6 && found.edges >= 150, "{found:?}");
    assert!(found.share(&up) > 2.0 * found.share(&near));
    let again = vertical(all, &near, cameras.len(), 3).unwrap();
    assert_eq!(again.up, found.up);
}

#[test]
fn edges_that_do_not_tell_are_not_believed() {
    let (all, cameras) = edges_of_a_place(&UnitQuaternion::identity(), 0);
    assert!(vertical(all.clone(), &Vector3::z(), cameras.len(), 3).is_none(), "none of them is vertical");
    let (with, _) = edges_of_a_place(&UnitQuaternion::identity(), 30);
    let few: Vec<Edge> = with.iter().filter(|e| e.photo < 2).copied().collect();
    assert!(vertical(few, &Vector3::z(), cameras.len(), 3).is_none(), "two photos of six");
    let one = Edge { normal: Vector3::x(), span: 0.3, photo: 0 };
    let parallel = (0..40).map(|i| Edge { photo: i % 6, ..one }).collect();
    assert!(vertical(parallel, &Vector3::z(), 6, 3).is_none(), "planes that are all the same fix no direction");
    assert!(vertical(Vec::new(), &Vector3::z(), 6, 3).is_none());
}

/// A ramp is the largest plane below the cameras: walls and edges know better.
#[test]
fn a_floor_that_edges_contradict_is_not_believed() {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut c = (Vec::new(), Vec::new());
    let tilt = 16f64.to_radians();
    let ramp = [4.0 * tilt.cos(), 0.0, -4.0 * tilt.sin()];
    patch(&mut c, [-2.0, -2.0, 0.0], ramp, [0.0, 4.0, 0.0], 3000, 0.01, &mut rng);
    patch(&mut c, [-2.0, -2.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 2.5], 5000, 0.01, &mut rng);
    patch(&mut c, [-2.0, 2.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 2.5], 4000, 0.01, &mut rng);
    let (all, cameras) = edges_of_a_place(&UnitQuaternion::identity(), 40);
    let edges = vertical(all, &Vector3::z(), cameras.len(), 1).unwrap();
    let alone = find_gravity(&c.0, &c.1, &cameras, None, 1).unwrap();
    assert_eq!(alone.source, UpSource::Floor);
    assert!((alone.up.angle(&Vector3::z()).to_degrees() - 16.0).abs() < 1.0, "the test needs a floor that is none");
    let g = find_gravity(&c.0, &c.1, &cameras, Some(&edges), 1).unwrap();
    assert!((g.contradiction_deg.unwrap() - 16.0).abs() < 1.0);
    assert_eq!((g.source, g.floor_offset), (UpSource::Edges, None));
    assert!(g.up.angle(&Vector3::z()).to_degrees() < 0.5, "{:?}", g.up);
}

/// Photos and poses of a capture with ground truth, every `step`-th; `None` where the captures are not there.
fn capture(name: &str, step: usize) -> Option<(Vec<image::RgbImage>, Vec<Camera>)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(root.join("poses.json")).ok()?).unwrap();
    let intrinsics: Intrinsics = serde_json::from_value(json.clone()).unwrap();
    let (mut photos, mut cameras) = (Vec::new(), Vec::new());
    for frame in json["frames"].as_array().unwrap().iter().step_by(step) {
        let stem = frame["file"].as_str().unwrap();
        let path =
            ["jpg", "png"].map(|e| root.join("rgb").join(format!("{stem}.{e}"))).into_iter().find(|p| p.is_file());
        photos.push(image::open(path.unwrap()).unwrap().to_rgb8());
        let m = nalgebra::Matrix4::from_fn(|r, c| frame["c2w"][r][c].as_f64().unwrap());
        let rotation = UnitQuaternion::from_matrix(&m.fixed_view::<3, 3>(0, 0).into_owned());
        cameras.push(Camera {
            intrinsics,
            c2w: Isometry3::from_parts(Translation3::new(m[(0, 3)], m[(1, 3)], m[(2, 3)]), rotation),
        });
    }
    Some((photos, cameras))
}

/// True depth of the same photos.
fn depths(name: &str, step: usize) -> Vec<DepthMap> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(root.join("poses.json")).unwrap()).unwrap();
    let frames = json["frames"].as_array().unwrap().iter().step_by(step);
    let path = |f: &serde_json::Value| root.join("depth").join(format!("{}.png", f["file"].as_str().unwrap()));
    frames.map(|f| crate::scene::folder::read_depth_png(&path(f)).unwrap()).collect()
}

/// Ground truth is z-up: edges alone, without any floor, find it in photos of real and rendered rooms.
#[test]
fn edges_find_up_in_photos_of_rooms() {
    for (name, step) in [("lounge", 5), ("room_a", 2)] {
        let Some((photos, cameras)) = capture(name, step) else { continue };
        // The world is turned, so that nothing can be right by accident.
        let turn = UnitQuaternion::from_euler_angles(0.5, 0.3, -0.8);
        let world = Similarity { rotation: turn, ..Similarity::identity() };
        let turned: Vec<Camera> = cameras.iter().map(|c| world.camera(c)).collect();
        let views: Vec<View> =
            photos.iter().zip(&turned).map(|(image, camera)| View { image, camera: *camera }).collect();
        let found = find_verticals(&views, 0).unwrap();
        let held: Vector3<f64> = turned.iter().map(|c| -(c.c2w.rotation * Vector3::y())).sum();
        let truth = turn * Vector3::z();
        let degrees = found.up.angle(&truth).to_degrees();
        println!(
            "{name}: {degrees:.2} degrees off by {} edges in {} of {} photos, share {:.2}; cameras {:.1} degrees off",
            found.edges,
            found.photos,
            photos.len(),
            found.share(&found.up),
            held.angle(&truth).to_degrees()
        );
        assert!(degrees < 1.0, "{name}: {degrees}");
        let g = find_gravity(&[], &[], &turned, Some(&found), 0).unwrap();
        assert_eq!((g.source, g.floor_offset), (UpSource::Edges, None));
        assert!(g.up.angle(&truth).to_degrees() < 1.0);
        // With the walls and tables of the true depth, all that is near the floor cut away.
        let depths: Vec<DepthMap> = depths(name, step);
        let cloud = fuse(&views, &depths, 20_000);
        let high = |p: &[f32; 3]| turn.inverse_transform_vector(&vector(p)).z > 0.2;
        let kept: Vec<usize> = (0..cloud.positions.len()).filter(|i| high(&cloud.positions[*i])).collect();
        let of = |all: &[[f32; 3]]| kept.iter().map(|i| all[*i]).collect::<Vec<_>>();
        let (points, normals) = (of(&cloud.positions), of(&cloud.normals));
        for edges in [None, Some(&found)] {
            let g = find_gravity(&points, &normals, &turned, edges, 0).unwrap();
            let degrees = g.up.angle(&truth).to_degrees();
            println!("{name}, no floor, edges {}: {:?}, {degrees:.2} degrees off", edges.is_some(), g.source);
            assert!(edges.is_none() || degrees < 1.0, "{name}: {degrees}");
        }
    }
}
