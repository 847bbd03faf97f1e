use super::*;
use crate::scene::{Camera, Frame, Quiet, SparsePoint};
use image::RgbImage;
use nalgebra::Isometry3;
use std::sync::Arc;

/// Frames of one camera, each with a depth map, and points that its pixels see, every fourth of them wrong.
fn scene(maps: &[DepthMap], k: Intrinsics, seed: u64) -> (Capture, Sparse) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut sparse = Sparse::default();
    let mut frames = Vec::new();
    for (frame, map) in maps.iter().enumerate() {
        let camera = Camera { intrinsics: k, c2w: Isometry3::translation(0.1 * frame as f64, 0.0, 0.0) };
        for i in 0..300 {
            let (u, v) = (f64::from(k.width) * rng.f64(), f64::from(k.height) * rng.f64());
            let z = f64::from(map.at(u as i64, v as i64));
            let z = if i % 10 < 3 { 0.3 + 6.0 * rng.f64() } else { z * (1.0 + 0.01 * (rng.f64() - 0.5)) };
            if z > 0.0 {
                let position = camera.unproject(u, v, z);
                sparse.points.push(SparsePoint {
                    position,
                    color: [0; 3],
                    track: vec![(frame, [u as f32, v as f32])],
                    error: 0.0,
                });
            }
        }
        sparse.cameras.push(Some(camera));
        frames.push(Frame {
            stem: format!("{frame}"),
            path: format!("{frame}.png").into(),
            image: Arc::new(RgbImage::new(k.width, k.height)),
            as_stored: true,
            intrinsics: k,
            given_c2w: None,
            sensor_depth: None,
            mask: None,
        });
    }
    let (name, source) = ("s".into(), "s".into());
    (Capture { name, source, frames, intrinsics_known: true, metric: false, warnings: vec![] }, sparse)
}

/// A slanted wall with a box before it.
fn wall(w: u32, h: u32, shift: f32) -> DepthMap {
    let mut map = DepthMap::unknown(w, h);
    for (i, d) in map.data.iter_mut().enumerate() {
        let (x, y) = ((i % w as usize) as f32 / w as f32, (i / w as usize) as f32 / h as f32);
        let boxed = (0.3..0.5).contains(&x) && (0.4..0.8).contains(&y);
        *d = if boxed { 1.4 } else { 2.0 + shift + 1.5 * x };
    }
    map
}

fn write_npy(path: &Path, map: &DepthMap) {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", map.height, map.width);
    header.push_str(&" ".repeat(117 - header.len()));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(map.data.iter().flat_map(|d| d.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

/// Median and 95th percentile of the relative error where both are known, and the share that is known.
fn errors(found: &DepthMap, truth: &DepthMap) -> (f32, f32, f32) {
    let pairs = found.data.iter().zip(&truth.data).filter(|(a, b)| **a > 0.0 && **b > 0.0);
    let mut off: Vec<f32> = pairs.map(|(a, b)| (a / b - 1.0).abs()).collect();
    off.sort_by(f32::total_cmp);
    (
        off[off.len() / 2],
        off[off.len() * 95 / 100],
        off.len() as f32 / truth.data.iter().filter(|d| **d > 0.0).count() as f32,
    )
}

/// Half the size, each pixel the nearest of the truth, changed by `f` and by noise of one per cent.
fn prediction(truth: &DepthMap, rng: &mut fastrand::Rng, f: impl Fn(f32) -> f32) -> DepthMap {
    let mut out = DepthMap::unknown(truth.width / 2, truth.height / 2);
    for i in 0..out.data.len() {
        let (x, y) = (i % out.width as usize, i / out.width as usize);
        let z = truth.at(2 * x as i64, 2 * y as i64);
        out.data[i] = if z > 0.0 { f(z * (1.0 + 0.02 * (rng.f32() - 0.5))) } else { f32::NAN };
    }
    out
}

fn check(truth: &[DepthMap], k: Intrinsics, places: &str) {
    let (capture, sparse) = scene(truth, k, 1);
    let frames: Vec<usize> = (0..truth.len()).collect();
    let ways: [(&str, fn(f32) -> f32); 3] = [
        ("scale", |z| 0.4 * z),
        ("scale and shift", |z| 2.0 * z + 3.0),
        ("inverse depth, scale and shift", |z| 12.0 / z + 1.5),
    ];
    for (kind, f) in ways {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(places);
        std::fs::create_dir_all(&folder).unwrap();
        let mut rng = fastrand::Rng::with_seed(2);
        for (i, map) in truth.iter().enumerate() {
            write_npy(&folder.join(format!("{i}.npy")), &prediction(map, &mut rng, f));
        }
        let (found, figure) = predicted(&place(dir.path()), &capture, &sparse, &frames, 0, &Quiet).unwrap();
        assert_eq!(figure["kind"], kind, "{figure}");
        assert!(figure["median_relative_residual"].as_f64().unwrap() < 0.012, "{figure}");
        for (dense, truth) in found.iter().zip(truth) {
            let (median, most, known) = errors(&dense.depth, truth);
            println!("{kind}: median {median}, 95 % {most}, known {known}");
            assert!(median < 0.008 && most < 0.04 && known > 0.95, "{kind}: {median} {most} {known}");
        }
    }
}

#[test]
fn predictions_are_brought_to_the_points() {
    let k = Intrinsics { width: 160, height: 120, fx: 150.0, fy: 150.0, cx: 80.0, cy: 60.0 };
    check(&[wall(160, 120, 0.0), wall(160, 120, 0.4)], k, "");
    check(&[wall(160, 120, 0.0), wall(160, 120, 0.4)], k, "depth_da3");
}

#[test]
fn predictions_for_a_rendered_room() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/room_a/depth");
    let Ok(files) = std::fs::read_dir(&data) else { return println!("skipped: {} is not there", data.display()) };
    let mut files: Vec<_> = files.map(|f| f.unwrap().path()).collect();
    files.sort();
    let truth: Vec<_> = files.iter().step_by(16).map(|f| crate::scene::folder::read_depth_png(f).unwrap()).collect();
    let k = Intrinsics { width: 640, height: 480, fx: 525.0, fy: 525.0, cx: 320.0, cy: 240.0 };
    check(&truth, k, "");
}

#[test]
fn what_cannot_be_used_is_one_sentence() {
    let k = Intrinsics { width: 160, height: 120, fx: 150.0, fy: 150.0, cx: 80.0, cy: 60.0 };
    let truth = [wall(160, 120, 0.0), wall(160, 120, 0.4)];
    let (capture, sparse) = scene(&truth, k, 1);
    let dir = tempfile::tempdir().unwrap();
    let read = || predicted(&place(dir.path()), &capture, &sparse, &[0, 1], 0, &Quiet).map_err(|e| e.to_string());
    assert!(read().unwrap_err().contains("has no usable depth map"));
    write_npy(&dir.path().join("0.npy"), &wall(120, 120, 0.0));
    let e = read().unwrap_err();
    assert!(e.contains("0.npy is 120 x 120, its photo 160 x 120"), "{e}");
    // One of two is enough to go on.
    write_npy(&dir.path().join("1.npy"), &truth[1]);
    let (found, figure) = read().unwrap();
    assert!(found[0].depth.coverage() == 0.0 && found[1].depth.coverage() == 1.0 && figure["photos"] == 1);
    assert_eq!((found[0].confidence[0], found[1].confidence[0]), (0.0, PREDICTED));
}

#[test]
fn a_sensor_says_how_long_a_metre_is() {
    let k = Intrinsics { width: 160, height: 120, fx: 150.0, fy: 150.0, cx: 80.0, cy: 60.0 };
    let truth = [wall(160, 120, 0.0), wall(160, 120, 0.4), wall(160, 120, 0.2)];
    let (mut capture, sparse) = scene(&truth, k, 1);
    assert!(sensor(&Quiet, &capture, &sparse, &[0, 1, 2]).is_none());
    // 2.5 metres in a unit of the points; the third map belongs to another photo.
    for (frame, factor) in [(0, 2.5), (1, 2.5), (2, 4.0)] {
        let mut map = truth[frame].clone();
        map.data.iter_mut().for_each(|d| *d *= factor);
        capture.frames[frame].sensor_depth = Some(Arc::new(map));
    }
    let (metres, maps) = sensor(&Quiet, &capture, &sparse, &[0, 1, 2]).unwrap();
    assert!((metres / 2.5 - 1.0).abs() < 0.02, "{metres}");
    assert_eq!(maps.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
}
