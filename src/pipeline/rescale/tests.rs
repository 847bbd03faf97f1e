//! A tiny scene brought to another scale: every file of it follows, or none.

use super::*;
use crate::geometry::dense::DenseDepth;
use crate::scene::folder::StageRecord;
use crate::scene::{
    Camera, DepthMap, Gaussians, Instance, InstanceState, Intrinsics, OrientedBox, PoseQuality, Quiet, Sparse,
    SparsePoint, TriMesh,
};
use crate::splat;
use nalgebra::{Isometry3, Point3};
use std::sync::Mutex;

const NAMES: [&str; 2] = ["a.jpg", "b.jpg"];

#[derive(Default)]
struct Listening(Mutex<Vec<String>>);

impl Job for Listening {
    fn tick(&self, _: usize, _: usize) -> Result<(), Cancelled> {
        Ok(())
    }

    fn warn(&self, message: String) {
        self.0.lock().unwrap().push(message);
    }
}

fn meta() -> SceneMeta {
    let stage = |name: &str| StageRecord {
        name: name.into(),
        state: "done".into(),
        seconds: 1.0,
        device: "cpu".into(),
        options: serde_json::json!({}),
        error: None,
        key: format!("key of {name}"),
    };
    // Half as large as the input, turned by a quarter about z and moved.
    let world = [[0.0, -0.5, 0.0, 3.0], [0.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.5, -1.0], [0.0, 0.0, 0.0, 1.0]];
    SceneMeta {
        version: 1,
        name: "room".into(),
        source: "/photos".into(),
        units: "arbitrary".into(),
        scale_source: "guess".into(),
        up: [0.0, 0.0, 1.0],
        floor_found: true,
        world_from_input: world,
        images: NAMES.map(String::from).to_vec(),
        held_out: vec![],
        stages: ["frames", "poses", "depth"].map(stage).to_vec(),
        program: "test".into(),
        models: vec![],
        warnings: vec![],
        typed_scale: None,
        figures: serde_json::Value::Null,
    }
}

fn sparse() -> Sparse {
    let intrinsics = Intrinsics { width: 2, height: 1, fx: 2.0, fy: 2.0, cx: 1.0, cy: 0.5 };
    let camera = |x: f64| Some(Camera { intrinsics, c2w: Isometry3::translation(x, 0.0, -1.0) });
    let quality = PoseQuality {
        observations: 1,
        reprojection_error_px: 0.25,
        center_sigma: Some(0.01),
        rotation_sigma_deg: Some(0.5),
    };
    let track = vec![(0, [1.0, 0.5])];
    Sparse {
        cameras: vec![camera(1.0), None],
        points: vec![SparsePoint { position: Point3::new(1.0, 0.0, 3.0), color: [1, 2, 3], track, error: 0.25 }],
        quality: vec![Some(quality), None],
    }
}

fn gaussians() -> Gaussians {
    Gaussians {
        means: vec![[1.0, -2.0, 4.0]],
        log_scales: vec![[0.0, -1.0, -2.0]],
        quats: vec![[1.0, 0.0, 0.0, 0.0]],
        opacity_logits: vec![2.0],
        sh_degree: 0,
        sh: vec![[0.1, 0.2, 0.3]],
        antialiased: false,
    }
}

fn a_scene() -> (tempfile::TempDir, SceneFolder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = SceneFolder::create(&dir.path().join("scene")).unwrap();
    let names = NAMES.map(String::from);
    folder.write_sparse(&names, &sparse()).unwrap();
    folder.cache().write_sparse(&names, &sparse()).unwrap();
    let depth = DepthMap { width: 2, height: 1, data: vec![2.0, 40.0] };
    folder.write_depth("a", &depth).unwrap();
    cache::write_dense(&folder, "a", &DenseDepth { depth, confidence: vec![1.0, 0.2] }).unwrap();
    splat::write_ply(&folder.splat_path(), &gaussians()).unwrap();
    let mesh = TriMesh {
        positions: vec![[1.0, 2.0, 3.0]; 3],
        normals: vec![[0.0, 0.0, 1.0]; 3],
        colors: vec![[9, 8, 7]; 3],
        triangles: vec![[0, 1, 2]],
    };
    folder.write_mesh(&mesh).unwrap();
    let instance = Instance {
        id: 1,
        label: "box".into(),
        caption: "a box".into(),
        score: 0.5,
        state: InstanceState::Kept,
        obb: OrientedBox::upright(Point3::new(1.0, 2.0, 3.0), [1.0, 1.0, 1.0].into(), 0.5),
        views: vec![],
        best_view: "a".into(),
        evidence: serde_json::Value::Null,
    };
    folder.write_instances(&Instances { version: 1, instances: vec![instance] }).unwrap();
    folder.write_meta(&meta()).unwrap();
    (dir, folder)
}

/// Depths, and all other lengths, that are `factor` times those of the scene above.
fn assert_scaled(folder: &SceneFolder, factor: f64, depths: [f32; 2]) {
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{a} is not {b}");
    let names = NAMES.map(String::from);
    let read = folder.read_sparse(&names).unwrap();
    let camera = read.cameras[0].unwrap();
    close(camera.center().x, factor);
    close(camera.center().z, -factor);
    close(read.points[0].position.z, 3.0 * factor);
    assert_eq!((read.cameras[1], read.points[0].error), (None, 0.25));
    close(read.quality[0].unwrap().center_sigma.unwrap(), 0.01 * factor);
    assert_eq!(read.quality[0].unwrap().rotation_sigma_deg, Some(0.5));
    assert_eq!(folder.read_depth("a").unwrap().data, depths);
    let dense = cache::read_dense(folder, "a").unwrap();
    assert_eq!((dense.depth.data, dense.confidence[1]), (depths.to_vec(), 0.2));
    let (g, old) = (splat::read_ply(&folder.splat_path()).unwrap(), gaussians());
    (0..3).for_each(|k| close(f64::from(g.means[0][k]), f64::from(old.means[0][k]) * factor));
    (0..3).for_each(|k| close(f64::from(g.log_scales[0][k]).exp(), f64::from(old.log_scales[0][k]).exp() * factor));
    assert_eq!((g.opacity_logits, g.sh, g.quats), (old.opacity_logits, old.sh, old.quats));
    let mesh = folder.read_mesh().unwrap();
    close(f64::from(mesh.positions[2][2]), 3.0 * factor);
    assert_eq!((mesh.normals[0], mesh.colors[0], mesh.triangles.len()), ([0.0, 0.0, 1.0], [9, 8, 7], 1));
    let b = folder.read_instances().unwrap().instances[0].obb;
    close(b.center.y, 2.0 * factor);
    close(b.size.x, factor);
    // Poses of a resumed run are in the frame of the input: they stay as they are.
    close(folder.cache().read_sparse(&names).unwrap().cameras[0].unwrap().center().x, 1.0);
    close(folder.read_meta().unwrap().world_from_input[0][3], 3.0 * factor);
}

#[test]
fn every_file_follows() {
    let (_dir, folder) = a_scene();
    assert_scaled(&folder, 1.0, [2.0, 40.0]);
    let job = Listening::default();
    let factor = rescale(&folder, &TypedDistance { in_scene: 0.4, metres: 0.8 }, "ana", &job).unwrap();
    assert_eq!(factor, 2.0);
    // 80 m are more than 16 bits of thousandths hold.
    assert_scaled(&folder, 2.0, [4.0, 0.0]);
    assert!(job.0.lock().unwrap()[0].starts_with("1 pixels"));
    let meta = folder.read_meta().unwrap();
    assert_eq!((meta.units.as_str(), meta.scale_source.as_str()), ("metres", "typed: 0.80 m between two points"));
    let typed = meta.typed_scale.unwrap();
    assert_eq!((typed.metres_per_input_unit, typed.poses_key.as_str()), (1.0, "key of poses"));
    // Undo is to type the old distance.
    rescale(&folder, &TypedDistance { in_scene: 0.8, metres: 0.4 }, "ana", &Quiet).unwrap();
    assert_scaled(&folder, 1.0, [2.0, 0.0]);
}

#[test]
fn a_crash_leaves_the_old_scene_or_the_new_one() {
    let (_dir, folder) = a_scene();
    let staged = || staged(&folder, 1.0, 2.0, "ana", &Quiet).unwrap().0;
    drop(staged());
    let folder = SceneFolder::open(folder.root()).unwrap();
    assert_scaled(&folder, 1.0, [2.0, 40.0]);
    staged().crash_after_marker().unwrap();
    let folder = SceneFolder::open(folder.root()).unwrap();
    assert_scaled(&folder, 2.0, [4.0, 0.0]);
    assert_eq!(folder.read_meta().unwrap().units, "metres");
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    let (_dir, folder) = a_scene();
    let no = |in_scene: f64, metres: f64| {
        rescale(&folder, &TypedDistance { in_scene, metres }, "ana", &Quiet).unwrap_err().to_string()
    };
    assert!(no(0.0, 1.0).contains("two points are the same"));
    assert!(no(1.0, f64::NAN).contains("above 0"));
    assert!(no(1.0, -2.0).contains("above 0"));
    assert!(no(1e-9, 1.0).contains("too much"));
    std::fs::write(folder.mesh_path(), "rubbish").unwrap();
    assert!(no(1.0, 2.0).contains("mesh.ply"));
    let names = NAMES.map(String::from);
    assert_eq!(folder.read_sparse(&names).unwrap().cameras[0].unwrap().center().x, 1.0);
    assert_eq!(folder.read_depth("a").unwrap().data, [2.0, 40.0]);
    folder.write_meta(&SceneMeta { stages: vec![], ..meta() }).unwrap();
    assert!(no(1.0, 2.0).contains("no depth yet"));
}
