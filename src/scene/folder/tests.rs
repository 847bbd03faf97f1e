use super::*;
use crate::scene::{
    Camera, Instance, InstanceState, InstanceView, Intrinsics, Mask2d, OrientedBox, PoseQuality, Rle, SparsePoint,
};
use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};
use proptest::prelude::*;

fn scene() -> (tempfile::TempDir, SceneFolder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = SceneFolder::create(&dir.path().join("scene")).unwrap();
    (dir, folder)
}

fn meta() -> SceneMeta {
    SceneMeta {
        version: VERSION,
        name: "room".into(),
        source: "/photos/room".into(),
        units: "metres".into(),
        scale_source: "given poses".into(),
        up: [0.0, 0.0, 1.0],
        floor_found: true,
        world_from_input: std::array::from_fn(|i| std::array::from_fn(|j| if i == j { 1.0 } else { 0.1 })),
        images: vec!["a.jpg".into(), "b c.png".into()],
        held_out: vec!["a".into()],
        stages: vec![StageRecord {
            name: "poses".into(),
            state: "done".into(),
            seconds: 1.5,
            device: "cpu".into(),
            options: serde_json::json!({"seed": 0}),
            error: None,
            key: "abc".into(),
        }],
        program: "0.1.0".into(),
        models: vec![],
        warnings: vec![],
        typed_scale: None,
        figures: serde_json::json!({"registered": 2}),
    }
}

fn a_sparse(seed: u64, n: usize) -> (Vec<String>, Sparse) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut r = |lo: f64, hi: f64| lo + (hi - lo) * rng.f64();
    let names: Vec<String> = (0..n).map(|i| format!("img {i}.jpg")).collect();
    let cameras: Vec<Option<Camera>> = (0..n)
        .map(|i| {
            let rotation = UnitQuaternion::from_euler_angles(r(-3.0, 3.0), r(-1.5, 1.5), r(-3.0, 3.0));
            let c2w = Isometry3::from_parts(Translation3::new(r(-9.0, 9.0), r(-9.0, 9.0), r(-9.0, 9.0)), rotation);
            let f = if i % 2 == 0 { 500.0 } else { r(400.0, 600.0) };
            let intrinsics = Intrinsics { width: 640, height: 480, fx: f, fy: f + 1.0, cx: 320.0, cy: 240.5 };
            (n < 3 || i != 1).then_some(Camera { intrinsics, c2w })
        })
        .collect();
    let points = (0..20)
        .map(|_| SparsePoint {
            position: Point3::new(r(-9.0, 9.0), r(-9.0, 9.0), r(-9.0, 9.0)),
            color: [1, 2, r(0.0, 255.0) as u8],
            track: (0..n)
                .filter(|i| cameras[*i].is_some() && i % 3 != 2)
                .map(|i| (i, [r(0.0, 640.0) as f32, r(0.0, 480.0) as f32]))
                .collect(),
            error: r(0.0, 2.0),
        })
        .collect();
    (names, Sparse { cameras, points, ..Sparse::default() })
}

fn a_mesh(seed: u64, n: u32) -> TriMesh {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut v = || std::array::from_fn(|_| rng.f32() * 4.0 - 2.0);
    let positions = (0..n).map(|_| v()).collect();
    let normals = (0..n).map(|_| Vector3::from(v()).normalize().into()).collect();
    let colors = (0..n).map(|_| [rng.u8(..), rng.u8(..), rng.u8(..)]).collect();
    let triangles = (0..n).map(|_| [rng.u32(..n), rng.u32(..n), rng.u32(..n)]).collect();
    TriMesh { positions, normals, colors, triangles }
}

fn an_instance(id: u32) -> Instance {
    Instance {
        id,
        label: "chair".into(),
        caption: "a chair".into(),
        score: 0.875,
        state: InstanceState::Kept,
        obb: OrientedBox::upright(Point3::new(1.0, 2.0, 0.5), Vector3::new(0.5, 0.6, 1.0), 0.3),
        views: vec![InstanceView { image: "a".into(), mask_score: 0.9, visible_fraction: 0.5 }],
        best_view: "a".into(),
        evidence: serde_json::json!({"label": "mask"}),
    }
}

#[test]
fn json_files_round_trip() {
    let (_dir, folder) = scene();
    folder.write_meta(&meta()).unwrap();
    assert_eq!(folder.read_meta().unwrap(), meta());
    let instances = Instances { version: 1, instances: vec![an_instance(1), an_instance(7)] };
    folder.write_instances(&instances).unwrap();
    let back = folder.read_instances().unwrap();
    assert_eq!(back.instances.len(), 2);
    assert!((back.instances[1].obb.rotation.angle_to(&instances.instances[1].obb.rotation)) < 1e-12);
    let segmentation = Rle::encode(3, 2, &[true, false, false, true, true, false]);
    let mask = Mask2d { instance_id: 7, label: "chair".into(), score: 0.5, segmentation };
    let masks = FrameMasks { image: "a.jpg".into(), width: 3, height: 2, masks: vec![mask] };
    folder.write_masks("a", &masks).unwrap();
    assert_eq!(folder.read_masks("a").unwrap(), masks);
    // Nothing but the files themselves is left.
    let mut names: Vec<_> = std::fs::read_dir(folder.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["instances.json", "masks", "scene.json"]);
}

#[test]
fn numbers_that_are_not_finite_are_never_written() {
    let (_dir, folder) = scene();
    let mut instance = an_instance(1);
    instance.obb.center.x = f64::NAN;
    let error = folder.write_instances(&Instances { version: 1, instances: vec![instance] }).unwrap_err().to_string();
    assert!(error.contains("instances.json") && error.contains("not finite"), "{error}");
    assert!(!folder.root().join("instances.json").exists());
    let mut mesh = a_mesh(1, 5);
    mesh.positions[2][1] = f32::INFINITY;
    assert!(folder.write_mesh(&mesh).is_err());
    let (names, mut sparse) = a_sparse(1, 4);
    sparse.points[3].position.z = f64::NAN;
    assert!(folder.write_sparse(&names, &sparse).is_err());
    let (names, mut sparse) = a_sparse(1, 4);
    if let Some(c) = &mut sparse.cameras[0] {
        c.c2w.translation.x = f64::NEG_INFINITY;
    }
    assert!(folder.write_sparse(&names, &sparse).is_err());
    let depth = DepthMap { width: 3, height: 1, data: vec![f32::NAN, f32::INFINITY, -1.0] };
    folder.write_depth("a", &depth).unwrap();
    assert_eq!(folder.read_depth("a").unwrap().data, [0.0; 3]);
}

#[test]
fn create_refuses_what_is_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    let error = |root: &Path| SceneFolder::create(root).unwrap_err().to_string();
    let full = dir.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("thesis.doc"), "x").unwrap();
    assert!(error(&full).contains("full") && error(&full).contains("is not empty and not a scene"));
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(error(&file).starts_with("cannot create") && error(&file.join("below")).starts_with("cannot create"));
    let other = SceneFolder::create(&dir.path().join("deep/other")).unwrap();
    other.write_meta(&SceneMeta { version: 2, ..meta() }).unwrap();
    assert!(error(other.root()).contains("layout version 2"), "{}", error(other.root()));
    assert!(matches!(other.read_meta(), Err(FolderError::Version { found: 2, .. })));
    for text in ["", "[]", "{}", "{\"version\": \"1\"}", "{\"version\": -1}", "\u{0}"] {
        std::fs::write(other.root().join("scene.json"), text).unwrap();
        assert!(error(other.root()).contains("scene.json"));
    }
    assert!(SceneFolder::open(&dir.path().join("nowhere")).unwrap_err().to_string().contains("nowhere"));
    // An unfinished file of a killed run does not make a folder somebody else's.
    let torn = dir.path().join("torn");
    std::fs::create_dir(&torn).unwrap();
    std::fs::write(torn.join(".holoscope-x1"), "x").unwrap();
    SceneFolder::create(&torn).unwrap();
}

#[test]
fn a_failed_write_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    // A folder of the file's name: the rename fails after the temporary file was written.
    let taken = dir.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    let error = write_atomic(&taken, b"new").unwrap_err().to_string();
    assert!(error.starts_with("cannot write") && error.contains("taken"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let file = dir.path().join("file");
    write_atomic(&file, b"old").unwrap();
    write_atomic(&file, b"newer").unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"newer");
    // A read-only folder, where permissions bind (they do not for root).
    let mut locked = std::fs::metadata(dir.path()).unwrap().permissions();
    locked.set_readonly(true);
    std::fs::set_permissions(dir.path(), locked.clone()).unwrap();
    if std::fs::write(dir.path().join("probe"), "x").is_err() {
        assert!(matches!(write_atomic(&file, b"newest"), Err(FolderError::Io { action: "write", .. })));
        assert_eq!(std::fs::read(&file).unwrap(), b"newer");
    } else {
        println!("permissions do not bind this user: the read-only folder is not tried");
    }
    #[allow(clippy::permissions_set_readonly_false)]
    locked.set_readonly(false);
    std::fs::set_permissions(dir.path(), locked).unwrap();
}

#[test]
fn depth_is_thousandths() {
    let (_dir, folder) = scene();
    let depth = DepthMap { width: 3, height: 2, data: vec![0.0, 1.2344, 1.2346, 0.0001, 65.535, 80.0] };
    folder.write_depth("x.5", &depth).unwrap();
    let bytes = std::fs::read(folder.root().join("depth/x.5.png")).unwrap();
    let png = image::load_from_memory(&bytes).unwrap();
    assert_eq!(png.as_luma16().unwrap().as_raw().as_slice(), [0, 1234, 1235, 1, 65535, 65535]);
    assert_eq!(folder.read_depth("x.5").unwrap().data, [0.0, 1.234, 1.235, 0.001, 65.535, 65.535]);
    assert!(folder.write_depth("y", &DepthMap { width: 3, height: 3, ..depth }).is_err());
    image::RgbImage::new(2, 2).save(folder.depth_path("rgb")).unwrap();
    let error = folder.read_depth("rgb").unwrap_err().to_string();
    assert!(error.contains("rgb.png") && error.contains("16-bit"), "{error}");
}

#[test]
fn reads_meshes_of_other_programs() {
    let path = Path::new("m.ply");
    let text = "ply\nformat ascii 1.0\ncomment x\nelement vertex 4\nproperty double x\nproperty double y\n\
                property double z\nproperty float quality\nelement face 1\nproperty list uchar uint vertex_index\n\
                element edge 1\nproperty int a\nend_header\n0 0 0 1\n1 0 0 1\n1 1 0 1\n0 1 0 1\n4 0 1 2 3\n9\n";
    let mesh = mesh_ply::decode(path, text.as_bytes()).unwrap();
    assert_eq!(mesh.triangles, [[0, 1, 2], [0, 2, 3]]);
    assert_eq!(mesh.normals, [[0.0, 0.0, 1.0]; 4]);
    let error = |t: &str| mesh_ply::decode(path, t.as_bytes()).unwrap_err().to_string();
    assert!(error(&text.replace("4 0 1 2 3", "3 0 1 4")).contains("not among the 4"));
    assert!(error(&text.replace("4 0 1 2 3", "3 0 1 -1")).contains("not among the 4"));
    assert!(error(&text.replace("vertex 4", "vertex 99999999999999")).contains("ends in the middle of vertex"));
    assert!(error(&text.replace("1 1 0 1", "1 nan 0 1")).contains("not finite"));
    assert!(error(&text.replace("uchar", "string")).contains("string"));
    assert!(error("solid stl\n").contains("ply"));
    let mut big = b"ply\nformat binary_big_endian 1.0\nelement vertex 1\nproperty float x\nproperty float y\n\
        property float z\nproperty uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
        .to_vec();
    big.extend([1.5f32, -2.0, 3.0].iter().flat_map(|v| v.to_be_bytes()));
    big.extend([7, 8, 9]);
    let mesh = mesh_ply::decode(path, &big).unwrap();
    assert_eq!((mesh.positions[0], mesh.colors[0]), ([1.5, -2.0, 3.0], [7, 8, 9]));
}

#[test]
fn sparse_of_other_programs() {
    let (_dir, folder) = scene();
    let at = folder.root().join("sparse/0");
    let files = |cameras: &str, images: &str, points: &str| {
        write_atomic(&at.join("cameras.txt"), cameras.as_bytes()).unwrap();
        write_atomic(&at.join("images.txt"), images.as_bytes()).unwrap();
        write_atomic(&at.join("points3D.txt"), points.as_bytes()).unwrap();
        folder.read_sparse(&["b.jpg".into(), "a.jpg".into()])
    };
    let (camera, image) = ("3 SIMPLE_PINHOLE 64 48 50 32 24\n", "# x\n\n5 1 0 0 0 1 2 3 3 a.jpg\n1 2 -1 3 4 8\n");
    let s = files(camera, image, "8 1 2 3 9 9 9 0.5 5 1\n").unwrap();
    assert!(s.cameras[0].is_none());
    let c = s.cameras[1].unwrap();
    assert_eq!((c.intrinsics.fy, c.center()), (50.0, Point3::new(-1.0, -2.0, -3.0)));
    assert_eq!(s.points[0].track, [(1, [3.0, 4.0])]);
    let error = |c: &str, i: &str, p: &str| files(c, i, p).unwrap_err().to_string();
    assert!(error("3 OPENCV 64 48 50 50 32 24 0.1 0 0 0\n", image, "").contains("cameras are PINHOLE"));
    assert!(error("3 OPENCV 64 48 50 50 32 24 0\n", image, "").contains("line 1: camera model OPENCV has 8"));
    assert!(error("3 PINHOLE 64 48 50 nan 32 24\n", image, "").contains("cameras.txt: line 1"));
    assert!(error(camera, "5 0 0 0 0 1 2 3 3 a.jpg\n\n", "").contains("images.txt: line 1: the quaternion"));
    assert!(error(camera, "5 1 0 0 0 1 2 3 4 a.jpg\n\n", "").contains("no camera 4"));
    assert!(error(camera, "5 1 0 0 0 1 2\n\n", "").contains("missing"));
    assert!(error(camera, image, "8 1 2 3 9 9 9 0.5 6 0\n").contains("no image 6"));
    assert!(error(camera, image, "8 1 2 3 9 9 9 0.5 5 7\n").contains("no keypoint 7"));
    assert!(error(camera, image, "8 1 2 3 999 9 9 0.5\n").contains("999"));
}

/// COLMAP itself reads what is written, and sees the same cameras, points and reprojections.
#[test]
fn colmap_reads_the_sparse_model() {
    let importable = std::process::Command::new("python3").args(["-c", "import pycolmap"]).output();
    if !importable.is_ok_and(|o| o.status.success()) {
        println!("skipped: python3 cannot import pycolmap");
        return;
    }
    let (_dir, folder) = scene();
    let (mut names, sparse) = a_sparse(4, 5);
    names.iter_mut().for_each(|n| *n = n.replace(' ', "_"));
    folder.write_sparse(&names, &sparse).unwrap();
    let script = "import pycolmap, sys\nr = pycolmap.Reconstruction(sys.argv[1])\n\
        for i in sorted(r.images):\n m = r.images[i]; c = m.projection_center()\n \
        print(m.name, m.camera.model.name, m.num_points3D, *c)\n\
        p = r.points3D[3]; e = p.track.elements[1]; print(*p.xyz, *r.images[e.image_id].points2D[e.point2D_idx].xy)";
    let output =
        std::process::Command::new("python3").args(["-c", script]).arg(folder.root().join("sparse/0")).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers =
        |line: &str, skip: usize| -> Vec<f64> { line.split(' ').skip(skip).map(|w| w.parse().unwrap()).collect() };
    for (line, i) in text.lines().zip([0, 2, 3, 4]) {
        let seen = if i == 2 { 0 } else { 20 };
        assert!(line.starts_with(&format!("img_{i}.jpg PINHOLE {seen} ")), "{line}");
        let c = sparse.cameras[i].unwrap().center();
        assert!((Point3::from_slice(&numbers(line, 3)) - c).norm() < 1e-9);
    }
    let last = numbers(text.lines().last().unwrap(), 0);
    let p = &sparse.points[2];
    assert!((Point3::from_slice(&last[..3]) - p.position).norm() < 1e-9);
    assert_eq!([last[3] as f32, last[4] as f32], p.track[1].1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn sparse_round_trip(seed in any::<u64>(), n in 1usize..7) {
        let (_dir, folder) = scene();
        let (names, sparse) = a_sparse(seed, n);
        folder.write_sparse(&names, &sparse).unwrap();
        let back = folder.read_sparse(&names).unwrap();
        for (a, b) in sparse.cameras.iter().zip(&back.cameras) {
            prop_assert_eq!(a.is_some(), b.is_some());
            if let (Some(a), Some(b)) = (a, b) {
                prop_assert_eq!(a.intrinsics, b.intrinsics);
                prop_assert!((a.center() - b.center()).norm() < 1e-12 && a.c2w.rotation.angle_to(&b.c2w.rotation) < 1e-7);
            }
        }
        for (a, b) in sparse.points.iter().zip(&back.points) {
            prop_assert_eq!((a.position, a.color, &a.track, a.error), (b.position, b.color, &b.track, b.error));
        }
    }

    #[test]
    fn mesh_round_trip(seed in any::<u64>(), n in 0u32..30) {
        let (_dir, folder) = scene();
        let mesh = a_mesh(seed, n);
        folder.write_mesh(&mesh).unwrap();
        prop_assert_eq!(folder.read_mesh().unwrap(), mesh);
    }

    #[test]
    fn depth_round_trip(data in prop::collection::vec(0u16..=65535, 12)) {
        let path = Path::new("d.png");
        let depth = DepthMap { width: 4, height: 3, data: data.iter().map(|d| f32::from(*d) / 1000.0).collect() };
        prop_assert_eq!(depth_png::decode(path, &depth_png::encode(path, &depth).unwrap()).unwrap(), depth);
    }

    /// Files with a few bytes changed, or cut short, are read or refused; nothing panics.
    #[test]
    fn damaged_files_are_errors_not_panics(seed in any::<u64>()) {
        let (_dir, folder) = scene();
        let (names, sparse) = a_sparse(seed, 4);
        folder.write_meta(&meta()).unwrap();
        folder.write_sparse(&names, &sparse).unwrap();
        folder.write_mesh(&a_mesh(seed, 6)).unwrap();
        folder.write_depth("a", &DepthMap { width: 4, height: 3, data: vec![1.0; 12] }).unwrap();
        folder.write_instances(&Instances { version: 1, instances: vec![an_instance(1)] }).unwrap();
        let segmentation = Rle::encode(2, 2, &[true, false, false, true]);
        let mask = Mask2d { instance_id: 1, label: "x".into(), score: 1.0, segmentation };
        folder.write_masks("a", &FrameMasks { image: "a".into(), width: 2, height: 2, masks: vec![mask] }).unwrap();
        let mut rng = fastrand::Rng::with_seed(seed);
        let files = ["scene.json", "sparse/0/cameras.txt", "sparse/0/images.txt", "sparse/0/points3D.txt", "mesh.ply",
            "depth/a.png", "instances.json", "masks/a.json"];
        for file in files {
            let path = folder.root().join(file);
            let mut bytes = std::fs::read(&path).unwrap();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..bytes.len());
                bytes[at] = if rng.bool() { rng.u8(..) } else { *rng.choice(b"0123456789-.e \n\"{}[]").unwrap() };
            }
            if rng.u8(..4) == 0 {
                bytes.truncate(rng.usize(..bytes.len()));
            }
            std::fs::write(&path, bytes).unwrap();
        }
        let _ = (folder.read_meta(), folder.read_sparse(&names), folder.read_mesh(), folder.read_depth("a"));
        let _ = (folder.read_instances(), folder.read_masks("a"));
        let noise: Vec<u8> = (0..200).map(|_| rng.u8(..)).collect();
        prop_assert!(mesh_ply::decode(Path::new("m"), &noise).is_err() && depth_png::decode(Path::new("d"), &noise).is_err());
    }
}

#[test]
fn pose_quality_lies_beside_the_cameras_and_comes_back_with_them() {
    let (_dir, folder) = scene();
    let (names, sparse) = a_sparse(5, 4);
    // Given by whoever made the cameras: written as it is.
    let known = |observations| PoseQuality { observations, rotation_sigma_deg: Some(0.1), ..PoseQuality::default() };
    let given = vec![Some(known(300)), None, Some(known(310)), Some(known(7))];
    folder.write_sparse(&names, &Sparse { quality: given.clone(), ..sparse.clone() }).unwrap();
    assert_eq!(folder.read_sparse(&names).unwrap().quality, given);
    let frames = folder.read_pose_quality().unwrap();
    assert_eq!(frames[3].weak.as_deref(), Some("few points: 7, where a typical photo has 300"));
    assert_eq!((frames[0].weak.as_deref(), frames[1].weak.as_deref()), (None, None));
    // Not given: what the points say.
    folder.write_sparse(&names, &sparse).unwrap();
    let text = std::fs::read_to_string(folder.root().join("pose_quality.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["version"], &json["frames"][0]["image"]), (&1.into(), &"img 0".into()));
    assert_eq!((&json["frames"][1]["registered"], &json["frames"][0]["registered"]), (&false.into(), &true.into()));
    assert!(json["frames"][1].get("observations").is_none() && json["frames"][0]["center_sigma"].is_null());
    let back = folder.read_sparse(&names).unwrap();
    assert_eq!(back.quality, PoseQuality::of(&sparse));
    // In another order, and without the file.
    let (mut turned, mut expected) = (names.clone(), back.quality.clone());
    turned.reverse();
    expected.reverse();
    assert_eq!(folder.read_sparse(&turned).unwrap().quality, expected);
    std::fs::write(folder.root().join("pose_quality.json"), "{}").unwrap();
    assert!(folder.read_sparse(&names).unwrap_err().to_string().contains("pose_quality.json"));
    std::fs::remove_file(folder.root().join("pose_quality.json")).unwrap();
    assert!(folder.read_sparse(&names).unwrap().quality.is_empty());
}

#[test]
fn agreement_round_trips_and_may_be_missing() {
    let (_dir, folder) = scene();
    assert_eq!(folder.read_agreement("a.b").unwrap(), None);
    let mask = image::GrayImage::from_fn(5, 3, |x, y| image::Luma([if (x + y) % 2 == 0 { 255 } else { 0 }]));
    folder.write_agreement("a.b", &mask).unwrap();
    assert_eq!(folder.read_agreement("a.b").unwrap(), Some(mask));
    image::RgbImage::new(2, 2).save(folder.agreement_path("rgb")).unwrap();
    assert!(folder.read_agreement("rgb").unwrap_err().to_string().contains("rgb.png"));
}
