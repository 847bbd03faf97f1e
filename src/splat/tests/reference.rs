//! The forward pass against closed forms and against another program's renders.

use super::super::{Backend as _, render};
use super::{cpu, draw, looking, random_gaussians, shot};
use crate::scene::{Camera, Gaussians, Intrinsics};
use nalgebra::Isometry3;
use std::collections::BTreeMap;

/// The tensors of a safetensors file, all f32: 8 bytes of header length, JSON, data.
fn tensors(path: &std::path::Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let data = &bytes[8 + length..];
    let tensor = |v: &serde_json::Value| {
        let at = |k: usize| v["data_offsets"][k].as_u64().unwrap() as usize;
        data[at(0)..at(1)].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    header.iter().filter(|(k, _)| *k != "__metadata__").map(|(k, v)| (k.clone(), tensor(v))).collect()
}

#[test]
fn agrees_with_brush() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/vectors");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    for name in ["tiny", "basic"] {
        let t = tensors(&folder.join(format!("{name}_case.safetensors")));
        let g = Gaussians {
            means: t["means"].as_chunks().0.to_vec(),
            log_scales: t["scales"].as_chunks().0.to_vec(),
            quats: t["quats"].as_chunks().0.to_vec(),
            opacity_logits: t["opacities"].clone(),
            sh_degree: 3,
            sh: t["coeffs"].as_chunks().0.to_vec(),
            antialiased: false,
        };
        let intrinsics = Intrinsics { width: 123, height: 82, fx: 61.5, fy: 61.5, cx: 61.5, cy: 41.0 };
        let camera = Camera { intrinsics, c2w: Isometry3::translation(0.123, 0.456, -8.0) };
        let p = draw(&g, &camera);
        let expected: &[[f32; 4]] = t["out_img"].as_chunks().0;
        let mut worst = 0f32;
        for (i, e) in expected.iter().enumerate() {
            let found = [p.rgb[0][i], p.rgb[1][i], p.rgb[2][i], p.alpha[i]];
            for c in 0..4 {
                worst = worst.max((found[c] - e[c]).abs() - 0.01 * e[c].abs());
            }
        }
        println!("{name}: worst difference beyond 1 % is {worst}");
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}

#[test]
fn a_ball_is_what_the_formula_says() {
    let mut g = random_gaussians(1, 0, 0.0, 1.0, &mut fastrand::Rng::with_seed(1));
    let (s, opacity) = (0.3f32, 0.6f32);
    g.log_scales[0] = [s.ln(); 3];
    g.opacity_logits[0] = (opacity / (1.0 - opacity)).ln();
    let intrinsics = Intrinsics { width: 40, height: 30, fx: 50.0, fy: 50.0, cx: 20.0, cy: 15.0 };
    let r = render(&g, &looking([0.0, -4.0, 0.0], [0.0; 3], intrinsics));
    let variance = (50.0 * s / 4.0).powi(2) + 0.3;
    // With the filter of Mip-Splatting the blur takes as much opacity as it adds area.
    let mut filtered = g.clone();
    filtered.antialiased = true;
    let thin = render(&filtered, &looking([0.0, -4.0, 0.0], [0.0; 3], intrinsics));
    let factor = (variance - 0.3) / variance;
    for (x, y) in [(20, 15), (24, 13), (12, 20), (39, 29)] {
        let d2 = (x as f32 + 0.5 - 20.0).powi(2) + (y as f32 + 0.5 - 15.0).powi(2);
        let alpha = opacity * (-0.5 * d2 / variance).exp();
        let expected = if alpha < 1.0 / 255.0 { 0.0 } else { alpha };
        assert!((r.alpha[y * 40 + x] - expected).abs() < 1e-5, "{x} {y}: {} {expected}", r.alpha[y * 40 + x]);
        let expected = if factor * alpha < 1.0 / 255.0 { 0.0 } else { factor * alpha };
        assert!((thin.alpha[y * 40 + x] - expected).abs() < 1e-5, "{x} {y}: {} {expected}", thin.alpha[y * 40 + x]);
    }
    let i = 15 * 40 + 20;
    assert!((r.depth[i] - 4.0).abs() < 0.01, "{}", r.depth[i]);
}

#[test]
fn a_tilted_plate_has_the_depth_and_normal_of_its_plane() {
    // A plate through the origin whose normal is 45 degrees off the viewing direction (+y).
    let mut g = random_gaussians(1, 0, 0.0, 1.0, &mut fastrand::Rng::with_seed(1));
    g.log_scales[0] = [0f32, 0.0, -7.0];
    let turn = nalgebra::UnitQuaternion::from_axis_angle(&nalgebra::Vector3::x_axis(), 45f32.to_radians());
    g.quats[0] = [turn.w, turn.i, turn.j, turn.k];
    g.opacity_logits[0] = 3.0;
    let intrinsics = Intrinsics { width: 40, height: 40, fx: 400.0, fy: 400.0, cx: 20.0, cy: 20.0 };
    let camera = looking([0.0, -10.0, 0.0], [0.0; 3], intrinsics);
    let r = render(&g, &camera);
    let n = turn * nalgebra::Vector3::z();
    for (x, y) in [(20usize, 20usize), (5, 33), (35, 8)] {
        let i = y * 40 + x;
        let p = camera.unproject(x as f64 + 0.5, y as f64 + 0.5, f64::from(r.depth[i]));
        let off = p.coords.cast::<f32>().dot(&n);
        assert!(off.abs() < 0.01, "{x} {y}: {off} from the plane");
        let m = nalgebra::Vector3::from(r.normal[i]);
        assert!(m.dot(&n).abs() > 0.999 && m.y < 0.0, "{m}");
    }
}

#[test]
fn nothing_to_see_and_nonsense_are_survived() {
    let k = Intrinsics { width: 33, height: 17, fx: 30.0, fy: 30.0, cx: 16.5, cy: 8.5 };
    let camera = looking([0.0, -4.0, 0.0], [0.0; 3], k);
    let black = render(&Gaussians::default(), &camera);
    assert!(black.alpha.iter().all(|a| *a == 0.0) && black.rgb.len() == 33 * 17);
    let good = random_gaussians(60, 3, 1.0, 0.2, &mut fastrand::Rng::with_seed(2));
    let away = render(&good, &looking([0.0, -4.0, 0.0], [0.0, -9.0, 0.0], k));
    assert!(away.alpha.iter().all(|a| *a == 0.0));
    let mut bad = good.clone();
    for (i, v) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38, -1e38, 1e-40].into_iter().enumerate() {
        bad.means[i][i % 3] = v;
        bad.log_scales[10 + i][i % 3] = v;
        bad.quats[20 + i][i % 4] = v;
        bad.opacity_logits[30 + i] = v;
        bad.sh[(40 + i) * 16 + i][i % 3] = v;
    }
    bad.quats[50] = [0.0; 4];
    for antialiased in [false, true] {
        bad.antialiased = antialiased;
        let mut backend = cpu(&bad);
        let planes = backend.forward(0, &shot(&camera)).unwrap();
        let all = planes.rgb.iter().chain(&planes.normal).flatten().chain(&planes.alpha).chain(&planes.depth);
        assert!(all.chain(&planes.median).all(|v| v.is_finite()) && planes.alpha.iter().any(|a| *a > 0.1));
        let by_camera = backend.backward(0, &planes).unwrap();
        assert!(by_camera.translation.iter().chain(&by_camera.rotation).all(|v| v.is_finite()));
        for (_, g) in backend.gradients().unwrap() {
            assert!(g.mean.iter().chain(&g.log_scale).chain(&g.quat).all(|v| v.is_finite()));
        }
    }
    let r = render(&bad, &camera);
    assert!(r.normal.iter().flatten().chain(&r.depth).all(|v| v.is_finite()));
}

#[test]
fn valid_extremes_are_drawn() {
    let k = Intrinsics { width: 64, height: 48, fx: 60.0, fy: 60.0, cx: 32.0, cy: 24.0 };
    let camera = looking([0.0, -4.0, 0.0], [0.0; 3], k);
    let mut g = random_gaussians(1, 0, 0.0, 0.2, &mut fastrand::Rng::with_seed(2));
    // A needle, a speck far smaller than a pixel, and a cloud larger than the scene.
    for scales in [[3.0, -9.0, -9.0], [-12.0, -12.0, -12.0], [4.0, 4.0, 4.0]] {
        g.log_scales[0] = scales;
        g.opacity_logits[0] = 4.0;
        assert!(render(&g, &camera).alpha.iter().any(|a| *a > 0.2), "{scales:?}");
    }
}
