//! Files of other programs with bytes changed, cut, or made up: errors or warnings, never panics, never absurd memory.

use super::layouts::{colmap_files, depth_png, fixture, laid, npy};
use super::*;

/// Changes, cuts, or makes up bytes.
fn damaged(rng: &mut fastrand::Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    if rng.u8(..10) == 0 {
        let length = rng.usize(..200);
        return std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
    }
    for _ in 0..rng.usize(0..6) {
        let at = rng.usize(..bytes.len().max(1));
        let value = match rng.u8(..4) {
            0 => *rng.choice(b"0123456789-.eN{}[], ()'\n").unwrap(),
            1 => 0xff,
            _ => rng.u8(..),
        };
        bytes[at] = value;
    }
    if rng.u8(..5) == 0 {
        bytes.truncate(rng.usize(..bytes.len()));
    }
    bytes
}

fn layouts() -> Vec<Vec<(String, Vec<u8>)>> {
    let own = |files: &[(&str, Vec<u8>)]| files.iter().map(|(n, b)| ((*n).to_owned(), b.clone())).collect::<Vec<_>>();
    let (a, b) = (png(40, 32), png(40, 32));
    let matrix = b"1 0 0 0.5\n0 1 0 0\n0 0 1 0\n0 0 0 1\n".to_vec();
    let rows = serde_json::json!([[1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]);
    let transforms =
        json(serde_json::json!({"w": 40, "h": 32, "fl_x": 40.0, "k1": 0.01, "applied_scale": 1.0, "frames": [
        {"file_path": "a", "transform_matrix": rows, "depth_file_path": "d.npy"},
        {"file_path": "b.png", "transform_matrix": rows, "is_bad": false}]}));
    vec![
        colmap_files("bin"),
        colmap_files("txt"),
        own(&[
            ("a.png", a.clone()),
            ("b.png", b.clone()),
            ("transforms.json", transforms),
            ("d.npy", npy(&[32, 40], &[1.0; 1280])),
        ]),
        own(&[
            ("color/1.png", a.clone()),
            ("color/2.png", b.clone()),
            ("pose/1.txt", matrix.clone()),
            ("pose/2.txt", matrix.clone()),
            ("depth/1.png", depth_png(20, 16, |_, _| 900)),
            ("intrinsic/intrinsic_color.txt", b"40 0 20 0 40 16 0 0 1".to_vec()),
            ("intrinsic/intrinsic_depth.txt", b"20 0 10 0 20 8 0 0 1".to_vec()),
        ]),
        own(&[
            ("rgb/1.png", a.clone()),
            ("rgb/2.png", b.clone()),
            ("cam/1.npz", fixture("packed.npz")),
            ("cam/2.npz", fixture("plain.npz")),
        ]),
        own(&[
            ("rgb/1.png", a),
            ("rgb/2.png", b),
            ("rgb.txt", b"1 rgb/1.png\n2 rgb/2.png\n".to_vec()),
            ("depth.txt", b"1 d.png\n".to_vec()),
            ("d.png", depth_png(40, 32, |_, _| 900)),
            ("groundtruth.txt", b"1 0 0 0 0 0 0 1\n2 0 0 1 0 0 0 1\n".to_vec()),
        ]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn layouts_with_damaged_files(seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        for mut files in layouts() {
            let at = rng.usize(..files.len());
            files[at].1 = damaged(&mut rng, files[at].1.clone());
            match load(laid(&files).path(), None, &Quiet) {
                Ok(c) => for f in &c.frames {
                    prop_assert!(f.intrinsics.is_plausible());
                    prop_assert!(f.given_c2w.is_none_or(|p| p.to_homogeneous().iter().all(|v| v.is_finite())));
                    prop_assert!(f.sensor_depth.iter().all(|d| d.data.iter().all(|z| z.is_finite() && *z >= 0.0)));
                },
                Err(e) => prop_assert!(e.to_string().len() > 10),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn damaged_depth_files(seed in any::<u64>()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        for (name, end) in [("f4.npy", "npy"), ("f2.npy", "npy"), ("fortran.npy", "npy"), ("depth.png", "png"),
            ("packed.npz", "npz"), ("plain.npz", "npz"), ("f4.exr", "exr"), ("half.exr", "exr")] {
            let bytes = damaged(&mut rng, fixture(name));
            if let Ok(map) = depth_file::decode(&bytes, end, [0.001, 1.0]) {
                prop_assert_eq!(map.data.len(), map.width as usize * map.height as usize);
                prop_assert!(map.data.iter().all(|d| d.is_finite() && *d >= 0.0));
            }
            for array in ["intrinsic", "pose"] {
                let _ = npy::from_npz(&bytes, array);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Any bytes, and whole files with some of them changed, through the doors that the fuzzer uses.
    #[test]
    fn any_bytes(seed in any::<u64>(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let both = |form: &str| ["cameras", "images"].map(|n| fixture(&format!("colmap_{form}/{n}.{form}"))).concat();
        let transforms = br#"{"fl_x": 60, "w": 64, "h": 48, "k1": 0.1, "applied_scale": 2, "frames": [{"file_path": "a",
            "transform_matrix": [[1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}]}"#;
        let doors: [(fn(&[u8]), Vec<u8>); 8] = [
            (fuzz::colmap, both("bin")),
            (fuzz::colmap, both("txt")),
            (fuzz::transforms, transforms.to_vec()),
            (fuzz::tum, b"1 0 0 0 0 0 0 1\n2 0 0 1 0 0 0 1\n".to_vec()),
            (fuzz::npy, fixture("fortran.npy")),
            (fuzz::npz, fixture("packed.npz")),
            (fuzz::exr, fixture("half.exr")),
            (fuzz::depth_png, fixture("depth.png")),
        ];
        for (door, whole) in doors {
            door(&bytes);
            door(&damaged(&mut rng, whole));
        }
    }
}
