//! Layouts of other programs and sensors.

use super::*;
use image::{ImageBuffer, Luma};
use nalgebra::Vector3;
use serde_json::json as value;

pub(super) fn fixture(name: &str) -> Vec<u8> {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inputs").join(name);
    std::fs::read(&at).unwrap_or_else(|e| panic!("{}: {e}", at.display()))
}

/// A `.npy` of 32-bit floats in C order.
pub(super) fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let sides: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sides}), }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    out
}

/// A 16-bit PNG, each pixel as `f` says.
pub(super) fn depth_png(w: u32, h: u32, f: impl Fn(u32, u32) -> u16) -> Vec<u8> {
    let image = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(w, h, |x, y| Luma([f(x, y)]));
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

pub(super) fn colmap_files(form: &str) -> Vec<(String, Vec<u8>)> {
    let ends = ["cameras", "images", "points3D", "rigs", "frames"];
    let mut files: Vec<_> =
        ends.iter().map(|n| (format!("sparse/0/{n}.{form}"), fixture(&format!("colmap_{form}/{n}.{form}")))).collect();
    files.extend(["left/a", "right/a", "right/b"].map(|n| (format!("images/{n}.png"), png(64, 48))));
    files
}

pub(super) fn laid(files: &[(String, Vec<u8>)]) -> tempfile::TempDir {
    folder(&files.iter().map(|(n, b)| (n.as_str(), b.clone())).collect::<Vec<_>>())
}

fn center(c: &Capture, stem: &str) -> [f64; 3] {
    c.frames.iter().find(|f| f.stem == stem).unwrap().given_c2w.unwrap().translation.vector.into()
}

fn near(a: [f64; 3], b: [f64; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9)
}

#[test]
fn colmap_projects_of_pycolmap() {
    for form in ["bin", "txt"] {
        let files = colmap_files(form);
        // The whole project, and the model itself, given beside its photos.
        for (dir, at) in [(laid(&files), ""), (laid(&files), "sparse/0"), (laid(&files), "sparse")] {
            let c = load(&dir.path().join(at), None, &Quiet).unwrap();
            assert_eq!(stems(&c), ["left_a", "right_a", "right_b"], "photos of one name in two folders");
            assert!(c.has_poses() && !c.metric && c.intrinsics_known && c.warnings.is_empty(), "{:?}", c.warnings);
            // pycolmap's Image.projection_center() and viewing_direction().
            assert!(near(center(&c, "left_a"), [-0.09592326139088726, 0.26918465227817745, -1.9952038369304557]));
            assert!(near(center(&c, "right_a"), [-0.7660332541567697, -0.09204275534441819, -2.9524940617577196]));
            let forward = c.frames[2].given_c2w.unwrap() * Vector3::z();
            assert!(near(forward.into(), [0.1662817551963049, 0.35103926096997695, 0.9214780600461894]));
            let k = c.frames[2].intrinsics;
            assert_eq!([k.fx, k.fy, k.cx, k.cy], [60.0, 61.0, 32.0, 24.0]);
            assert!(c.frames[2].as_stored && !c.frames[0].as_stored && !c.frames[1].as_stored);
            assert!(c.frames[0].intrinsics.fx != 60.0 && c.frames[0].image.dimensions() == (64, 48));
            let scene = SceneFolder::create(&dir.path().join("scene")).unwrap();
            assert_eq!(copy_images(&c, &scene, &Quiet).unwrap(), ["left_a.png", "right_a.png", "right_b.png"]);
        }
    }
}

#[test]
fn colmap_projects_that_do_not_fit_their_photos() {
    let mut files = colmap_files("txt");
    files.push(("images/right/new.png".into(), png(64, 48)));
    files.retain(|(n, _)| n != "images/left/a.png");
    let c = loaded(&laid(&files));
    assert_eq!(stems(&c), ["a", "b"]);
    assert!(c.warnings[0].contains("left/a.png") && c.warnings[0].contains("of 3 photos"), "{:?}", c.warnings);
    assert!(c.warnings[1].contains("right/new.png"), "{:?}", c.warnings);

    files.retain(|(n, _)| n != "images/right/a.png" && n != "images/right/b.png");
    let e = error(laid(&files).path());
    assert!(e.contains("images.txt") && e.contains("none of its 3 photos"), "{e}");

    let dir = folder(&[("images/a.png", png(64, 48)), ("images/b.png", png(64, 48)), ("sparse/readme.md", vec![])]);
    assert!(error(dir.path()).contains("sparse: it holds no model"), "{}", error(dir.path()));

    let mut files = colmap_files("bin");
    let empty = 0u64.to_le_bytes().to_vec();
    files.iter_mut().filter(|(n, _)| n.ends_with("images.bin")).for_each(|(_, b)| *b = empty.clone());
    assert!(error(laid(&files).path()).contains("the model has no images"));
    // A second, larger one is taken.
    files.extend(colmap_files("bin").into_iter().map(|(n, b)| (n.replace("sparse/0", "sparse/1"), b)));
    let c = loaded(&laid(&files));
    assert!(c.frames.len() == 3 && c.warnings[0].contains("2 COLMAP models: the largest"), "{:?}", c.warnings);

    let refused = |file: &str, from: &str, to: &str| {
        let mut files = colmap_files("txt");
        let at = files.iter_mut().find(|(n, _)| n.ends_with(file)).unwrap();
        at.1 = String::from_utf8(at.1.clone()).unwrap().replace(from, to).into_bytes();
        error(laid(&files).path())
    };
    assert!(refused("cameras.txt", "PINHOLE", "EUCM").contains("EUCM"));
    assert!(refused("cameras.txt", "-0.1", "NaN").contains("cameras.txt"));
    assert!(refused("images.txt", "17 right/b.png", "18 right/b.png").contains("no camera 18"));
    let cut = |file: &str| {
        let mut files = colmap_files("bin");
        let at = files.iter_mut().find(|(n, _)| n.ends_with(file)).unwrap();
        at.1.truncate(at.1.len() - 9);
        error(laid(&files).path())
    };
    for file in ["cameras.bin", "images.bin"] {
        assert!(cut(file).contains(file) && cut(file).contains("cut short"), "{}", cut(file));
    }
}

const IDENTITY: [[f64; 4]; 4] = [[1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.]];

fn shifted(x: f64) -> [[f64; 4]; 4] {
    let mut m = IDENTITY;
    m[0][3] = x;
    m
}

#[test]
fn transforms_of_nerfstudio_and_instant_ngp() {
    let photos = [("images/a.png", png(128, 96)), ("images/b.png", png(128, 96)), ("images_4/c.jpg", jpg(64, 48))];
    let with = |file: serde_json::Value| {
        let mut files = photos.to_vec();
        files.push(("transforms.json", json(file)));
        folder(&files)
    };
    let frames = value!([
        {"file_path": "./images/a.png", "transform_matrix": shifted(1.0)},
        {"file_path": "images/b", "transform_matrix": IDENTITY, "fl_x": 70.0, "cx": 30.0},
        {"file_path": "images/c.jpg", "transform_matrix": IDENTITY},
        {"file_path": "images/gone.png", "transform_matrix": IDENTITY},
        {"file_path": "images/b.png", "transform_matrix": IDENTITY, "is_bad": true},
    ]);
    let dir = with(value!({"w": 128, "h": 96, "fl_x": 60.0, "fl_y": 61.0, "cx": 31.0, "cy": 25.0, "frames": frames}));
    for at in ["", "transforms.json"] {
        let c = load(&dir.path().join(at), None, &Quiet).unwrap();
        assert_eq!(stems(&c), ["a", "b", "c"]);
        assert!(!c.metric && c.intrinsics_known && c.has_poses());
        assert_eq!(c.name, dir.path().file_name().unwrap().to_str().unwrap());
        assert!(c.warnings[0].contains("gone") && c.warnings[1].contains("bad"), "{:?}", c.warnings);
        let k = c.frames[1].intrinsics;
        assert_eq!([k.fx, k.fy, k.cx, k.cy], [70.0, 61.0, 30.0, 25.0]);
        assert_eq!(c.frames[2].intrinsics.fx, 30.0, "a smaller copy of the photo");
        // An OpenGL camera looks along -z, its y up.
        let pose = c.frames[0].given_c2w.unwrap();
        assert!(near((pose * Vector3::z()).into(), [0., 0., -1.]) && near((pose * Vector3::y()).into(), [0., -1., 0.]));
        assert!(near(center(&c, "a"), [1.0, 0.0, 0.0]));
    }
    // instant-ngp's angles: tan(angle / 2) = w / 2 / f. The transform that was applied is undone: centre and axes.
    let applied = [[1., 0., 0., 0.], [0., 0., 1., 0.], [0., -1., 0., 5.]];
    let two = value!([{"file_path": "images/a.png", "transform_matrix": shifted(3.0)},
        {"file_path": "images/b.png", "transform_matrix": IDENTITY}]);
    let c = loaded(&with(
        value!({"camera_angle_x": 1.0, "applied_transform": applied, "applied_scale": 2.0, "frames": two}),
    ));
    assert!((c.frames[0].intrinsics.fx - 64.0 / 0.5f64.tan()).abs() < 1e-9);
    assert!(near(center(&c, "a"), [1.5, 5.0, 0.0]), "{:?}", center(&c, "a"));
    let c = loaded(&with(value!({"fl_x": 30.0, "k1": -0.01, "camera_model": "OPENCV_FISHEYE", "frames": two})));
    assert!(!c.frames[0].as_stored && c.frames[0].intrinsics.fx > 20.0);

    let refused = |file: serde_json::Value| error(with(file).path());
    assert!(refused(value!({"fl_x": 60.0})).contains("no list of frames"));
    assert!(refused(value!({"frames": two})).contains("neither fl_x"));
    assert!(refused(value!({"fl_x": -60.0, "frames": two})).contains("cannot be a camera"));
    assert!(refused(value!({"fl_x": 60.0, "k1": null, "frames": two})).contains("k1 is null"));
    assert!(refused(value!({"fl_x": 60.0, "k1": -9e9, "frames": two})).contains("distortion"));
    assert!(refused(value!({"fl_x": 60.0, "camera_model": "EQUIRECTANGULAR", "frames": two})).contains("EQUIRECT"));
    assert!(refused(value!({"fl_x": 60.0, "applied_scale": 0.0, "frames": two})).contains("applied_scale"));
    assert!(refused(value!({"fl_x": 60.0, "frames": []})).contains("list of frames is empty"));
    let skewed =
        value!([{"file_path": "images/a.png", "transform_matrix": [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]}]);
    assert!(refused(value!({"fl_x": 60.0, "frames": skewed})).contains("not a rotation"));
    let none = value!({"fl_x": 60.0, "frames": [{"file_path": "x.png", "transform_matrix": IDENTITY}]});
    assert!(refused(none).contains("not one of its 1 photos"));
}

#[test]
fn transforms_with_depth_and_of_scannetpp() {
    let frame = |n: &str, depth: &str| value!({"file_path": n, "transform_matrix": IDENTITY, "depth_file_path": depth});
    let frames = value!([
        frame("images/a.png", "depth/a.png"),
        frame("images/b.png", "depth/b.npy"),
        frame("images/c.png", "depth/c.png")
    ]);
    let dir = folder(&[
        ("images/a.png", png(64, 48)),
        ("images/b.png", png(64, 48)),
        ("images/c.png", png(64, 48)),
        ("depth/a.png", depth_png(32, 24, |x, _| if x < 16 { 1500 } else { 0 })),
        ("depth/b.npy", npy(&[48, 64], &[2500.0; 48 * 64])),
        ("depth/c.png", depth_png(32, 32, |_, _| 1500)),
        ("transforms.json", json(value!({"fl_x": 60.0, "frames": frames}))),
    ]);
    let c = loaded(&dir);
    let a = c.frames[0].sensor_depth.as_deref().unwrap();
    assert_eq!((a.width, a.height, a.at(10, 10), a.at(50, 10)), (64, 48, 1.5, 0.0));
    assert_eq!(c.frames[1].sensor_depth.as_deref().unwrap().at(3, 3), 2.5);
    assert!(c.frames[2].sensor_depth.is_none() && c.warnings[0].contains("32 x 32"), "{:?}", c.warnings);

    let camera = value!({"fl_x": 60.0, "fl_y": 60.0, "cx": 32.0, "cy": 24.0, "w": 64, "h": 48,
        "frames": [{"file_path": "DSC1.JPG", "transform_matrix": IDENTITY}],
        "test_frames": [{"file_path": "DSC2.JPG", "transform_matrix": IDENTITY}]});
    let mut fisheye = camera.clone();
    fisheye["camera_model"] = "OPENCV_FISHEYE".into();
    let mut files = vec![
        ("dslr/resized_images/DSC1.JPG", jpg(64, 48)),
        ("dslr/resized_images/DSC2.JPG", jpg(64, 48)),
        ("dslr/nerfstudio/transforms.json", json(fisheye)),
    ];
    for flat in [false, true] {
        if flat {
            files.push(("dslr/resized_undistorted_images/DSC1.JPG", jpg(64, 48)));
            files.push(("dslr/resized_undistorted_images/DSC2.JPG", jpg(64, 48)));
            files.push(("dslr/nerfstudio/transforms_undistorted.json", json(camera.clone())));
        }
        let dir = folder(&files);
        for at in ["", "dslr"] {
            let c = load(&dir.path().join(at), None, &Quiet).unwrap();
            assert!(c.metric && c.has_poses() && stems(&c) == ["DSC1", "DSC2"]);
            assert_eq!(c.frames[0].as_stored, flat);
        }
    }
}

#[test]
fn scannet() {
    let pose = b"1 0 0 0.5\n0 1 0 0\n0 0 1 0\n0 0 0 1\n".to_vec();
    let lost = b"-inf -inf -inf -inf\n-inf -inf -inf -inf\n-inf -inf -inf -inf\n0 0 0 1\n".to_vec();
    let k = |fx: f64, cx: f64, cy: f64| format!("{fx} 0 {cx} 0\n0 {fx} {cy} 0\n0 0 1 0\n0 0 0 1\n").into_bytes();
    let files = [
        ("color/0.jpg", jpg(648, 484)),
        ("color/2.jpg", jpg(648, 484)),
        ("color/10.jpg", jpg(648, 484)),
        ("color/11.jpg", jpg(648, 484)),
        ("pose/0.txt", pose.clone()),
        ("pose/2.txt", lost),
        ("pose/10.txt", pose),
        // Half as wide a view as the photo's, straight ahead.
        ("depth/0.png", depth_png(320, 240, |_, _| 2000)),
        ("intrinsic/intrinsic_color.txt", k(1160.0, 648.0, 484.0)),
        ("intrinsic/intrinsic_depth.txt", k(580.0, 160.0, 120.0)),
    ];
    let c = loaded(&folder(&files));
    assert_eq!(stems(&c), ["0", "10"]);
    assert!(c.metric && c.has_poses() && c.intrinsics_known);
    assert!(c.warnings[0].contains("no pose") && c.warnings[1].ends_with("or no poses: 2"), "{:?}", c.warnings);
    // The numbers are for 1296 x 968.
    let intrinsics = c.frames[0].intrinsics;
    assert_eq!([intrinsics.fx, intrinsics.cx, intrinsics.cy], [580.0, 324.0, 242.0]);
    let depth = c.frames[0].sensor_depth.as_deref().unwrap();
    assert_eq!((depth.width, depth.height, depth.at(324, 242), depth.at(100, 242)), (648, 484, 2.0, 0.0));
    assert!((depth.coverage() - 320.0 * 240.0 / (648.0 * 484.0)).abs() < 0.01);
    assert!(c.frames[1].sensor_depth.is_none());
    let mut bad = files.to_vec();
    bad[8].1 = k(f64::NAN, 648.0, 484.0);
    assert!(error(folder(&bad).path()).contains("intrinsic_color.txt"));
    bad[8].1 = b"1 2 3".to_vec();
    assert!(error(folder(&bad).path()).contains("intrinsic_color.txt"));
}

#[test]
fn dl3dv() {
    for (name, at) in [("plain.npz", "dense/"), ("packed.npz", "")] {
        let files = [
            (format!("{at}rgb/1.png"), png(64, 48)),
            (format!("{at}rgb/2.png"), png(64, 48)),
            (format!("{at}rgb/3.png"), png(64, 48)),
            (format!("{at}cam/1.npz"), fixture(name)),
            (format!("{at}cam/2.npz"), fixture(name)),
        ];
        let c = loaded(&laid(&files));
        assert!(stems(&c) == ["1", "2"] && !c.metric && c.warnings[0].contains('3'), "{:?}", c.warnings);
        let k = c.frames[0].intrinsics;
        assert_eq!([k.fx, k.fy, k.cx, k.cy], [50.0, 51.0, 32.0, 24.0]);
        assert!(near(center(&c, "1"), [1.0, 2.0, 3.0]));
        let mut bad = files.to_vec();
        bad[3].1.truncate(100);
        assert!(error(laid(&bad).path()).contains("1.npz"));
    }
}

#[test]
fn tum_rgbd() {
    let files = |gt: Option<&str>| {
        let mut files = vec![
            (
                "rgbd_dataset_freiburg2_desk/rgb.txt",
                b"# color\n1.50 rgb/1.5.png\n1.00 rgb/1.0.png\n2.00 rgb/2.png\n3 rgb/no.png\n".to_vec(),
            ),
            (
                "rgbd_dataset_freiburg2_desk/depth.txt",
                b"# depth\n1.015 depth/a.png\n1.45 depth/b.png\n1.999 depth/c.png\n".to_vec(),
            ),
            ("rgbd_dataset_freiburg2_desk/depth/a.png", depth_png(640, 480, |_, _| 5000)),
            ("rgbd_dataset_freiburg2_desk/depth/b.png", depth_png(640, 480, |_, _| 10000)),
            ("rgbd_dataset_freiburg2_desk/depth/c.png", depth_png(640, 480, |_, _| 15000)),
        ];
        files.extend(["1.0", "1.5", "2"].map(|n| match n {
            "1.0" => ("rgbd_dataset_freiburg2_desk/rgb/1.0.png", png(640, 480)),
            "1.5" => ("rgbd_dataset_freiburg2_desk/rgb/1.5.png", png(640, 480)),
            _ => ("rgbd_dataset_freiburg2_desk/rgb/2.png", png(640, 480)),
        }));
        files.extend(gt.map(|t| ("rgbd_dataset_freiburg2_desk/groundtruth.txt", t.as_bytes().to_vec())));
        folder(&files)
    };
    let at = |dir: &tempfile::TempDir| dir.path().join("rgbd_dataset_freiburg2_desk");
    let dir = files(None);
    let c = load(&at(&dir), None, &Quiet).unwrap();
    assert_eq!(stems(&c), ["1.0", "1.5", "2"]);
    assert!(!c.has_poses() && !c.metric && c.intrinsics_known && c.warnings[0].contains("no.png"), "{:?}", c.warnings);
    // The lens of fr2 is undone, and the depth follows the photo.
    assert!(!c.frames[0].as_stored && (c.frames[0].intrinsics.fx - 520.9).abs() < 40.0);
    let depths: Vec<_> = c.frames.iter().map(|f| f.sensor_depth.as_deref().map(|d| d.at(320, 240))).collect();
    assert_eq!(depths, [Some(1.0), None, Some(3.0)], "0.015 s is near enough, 0.05 s is not");
    // Half way in time between two poses, and past the last one.
    let gt = "# gt\n0.95 0 0 0 0 0 0 1\n1.05 1 0 0 0 0 0.7071067811865476 0.7071067811865476\n1.5 2 2 2 0 0 0 1\n";
    let dir = files(Some(gt));
    let c = load(&at(&dir), None, &Quiet).unwrap();
    assert!(stems(&c) == ["1.0", "1.5"] && c.metric && c.has_poses(), "{:?}", c.warnings);
    assert!(near(center(&c, "1.0"), [0.5, 0.0, 0.0]) && near(center(&c, "1.5"), [2.0; 3]));
    assert!((c.frames[0].given_c2w.unwrap().rotation.angle().to_degrees() - 45.0).abs() < 1e-6);
    for bad in ["1.0 0 0 0 0 0 0 0\n", "1.0 0 0 nan 0 0 0 1\n", "1.0 0 0\n", "now 0 0 0 0 0 0 1\n"] {
        let dir = files(Some(bad));
        assert!(error(&at(&dir)).contains("groundtruth.txt"), "{bad}");
    }
}

#[test]
fn depth_beside_poses_json_is_ground_truth() {
    let mut file = camera(64, 48, 60.0);
    file["frames"] = value!([{"file": "a", "c2w": IDENTITY}, {"file": "b", "c2w": IDENTITY}]);
    let dir = folder(&[
        ("rgb/a.png", png(64, 48)),
        ("rgb/b.png", png(64, 48)),
        ("depth/a.png", depth_png(64, 48, |_, _| 1000)),
        ("poses.json", json(file)),
    ]);
    for at in ["", "poses.json"] {
        let c = load(&dir.path().join(at), None, &Quiet).unwrap();
        assert!(c.metric && c.frames.len() == 2 && c.frames.iter().all(|f| f.sensor_depth.is_none()));
    }
}

#[test]
fn arrays_as_numpy_writes_them() {
    // 0.5, 0.75, ... in rows of four, with a NaN in the middle row.
    for name in ["f2", "f4", "f8", "big", "fortran", "one"] {
        let a = npy::parse(&fixture(&format!("{name}.npy"))).unwrap();
        assert!(a.real && a.values.len() == 12, "{name}");
        let d = depth_file::decode(&fixture(&format!("{name}.npy")), "npy", [0.001, 1.0]).unwrap();
        assert_eq!((d.width, d.height, d.at(1, 0), d.at(0, 1), d.at(3, 2)), (4, 3, 0.75, 1.5, 3.25), "{name}");
        assert_eq!(d.at(2, 1), 0.0, "{name}: NaN is unknown");
    }
    let whole = depth_file::decode(&fixture("u2.npy"), "npy", [0.001, 1.0]).unwrap();
    assert_eq!((whole.at(1, 0), whole.at(2, 1)), (0.75, 0.0));
    let png = depth_file::decode(&fixture("depth.png"), "png", [0.001, 1.0]).unwrap();
    assert_eq!((png.at(0, 0), png.at(1, 0), png.at(3, 2)), (0.0, 0.75, 3.25), "65535 is saturated");
    for name in ["f4", "half"] {
        let d = depth_file::decode(&fixture(&format!("{name}.exr")), "exr", [0.001, 1.0]).unwrap();
        assert_eq!((d.width, d.height, d.at(1, 0), d.at(0, 1), d.at(3, 2), d.at(2, 1)), (4, 3, 0.75, 1.5, 3.25, 0.0));
    }
    let refused = |bytes: &[u8], end: &str| depth_file::decode(bytes, end, [1.0; 2]).unwrap_err();
    assert!(refused(&npy(&[2, 2, 2], &[1.0; 8]), "npy").contains("[2, 2, 2]"));
    assert!(refused(&npy(&[9, 9], &[1.0; 8]), "npy").contains("cut short"));
    assert!(refused(&npy(&[usize::MAX, 9], &[1.0; 8]), "npy").contains("too large"));
    assert!(refused(&super::png(9, 9), "png").contains("16-bit"));
    assert!(refused(&fixture("plain.npz"), "npz").contains("no array named depth"));
}
