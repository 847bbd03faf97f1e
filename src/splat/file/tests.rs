//! What a peer wrote is read, what is written is read back within its steps, and no bytes bring a reader down.

use super::*;
use crate::splat::tests::random_gaussians;
use proptest::prelude::*;
use std::path::Path;

const FORMATS: [SplatFormat; 4] = [SplatFormat::Ply, SplatFormat::CompressedPly, SplatFormat::Spz3, SplatFormat::Spz4];

fn encode(g: &Gaussians, format: SplatFormat) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("splat");
    write(&path, g, format, &[]).unwrap();
    std::fs::read(&path).unwrap()
}

fn decode(bytes: &[u8]) -> Result<Gaussians, SplatFileError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("splat");
    std::fs::write(&path, bytes).unwrap();
    read(&path)
}

/// The most by which numbers differ: of centres, log scales, opacities, rotations (sine of half the angle between them),
/// colours, and SH of degree 1 and above.
fn differences(a: &Gaussians, b: &Gaussians) -> [f32; 7] {
    assert_eq!((a.len(), a.sh_degree, a.antialiased), (b.len(), b.sh_degree, b.antialiased));
    let most3 = |p: &[f32; 3], q: &[f32; 3]| (0..3).map(|k| (p[k] - q[k]).abs()).fold(0.0, f32::max);
    let mut most = [0f32; 7];
    for i in 0..a.len() {
        let length = |q: &[f32; 4]| q.iter().map(|v| v * v).sum::<f32>().sqrt();
        let (p, q) = (a.quats[i], b.quats[i]);
        let dot = p.iter().zip(&q).map(|(x, y)| x * y).sum::<f32>() / length(&p) / length(&q);
        let alpha = |g: &Gaussians| crate::splat::sigmoid(g.opacity_logits[i]);
        let sh = |from: usize, to: usize| {
            let (p, q) = (a.sh_of(i), b.sh_of(i));
            (from..to.min(p.len())).map(|k| most3(&p[k], &q[k])).fold(0.0, f32::max)
        };
        let now = [
            most3(&a.means[i], &b.means[i]),
            most3(&a.log_scales[i], &b.log_scales[i]),
            (alpha(a) - alpha(b)).abs(),
            (1.0 - dot * dot).max(0.0).sqrt(),
            sh(0, 1),
            sh(1, 4),
            sh(4, 16),
        ];
        most = std::array::from_fn(|k| most[k].max(now[k]));
    }
    most
}

/// Half a step of each format, for Gaussians within a cube of side 2 * `spread` whose colours span 1.2 in SH and whose
/// log scales span 1; and a little for rounding twice.
fn steps(format: SplatFormat, spread: f32) -> [f32; 7] {
    let slack = |steps: [f32; 7]| steps.map(|s| s * 1.01 + 1e-6);
    match format {
        // Quaternions were brought to unit length.
        SplatFormat::Ply => [0.0, 0.0, 0.0, 1e-3, 0.0, 0.0, 0.0],
        SplatFormat::CompressedPly => {
            slack([spread / 1023.0, 0.5 / 1023.0, 0.5 / 255.0, 2.5e-3, 0.6 / 255.0, 4.0 / 256.0, 4.0 / 256.0])
        }
        SplatFormat::Spz3 | SplatFormat::Spz4 => {
            let sh = |step: f32| (step / 2.0 + 0.5) / 128.0;
            slack([0.5 / 4096.0, 0.5 / 16.0, 0.5 / 255.0, 2.5e-3, 0.5 / 255.0 / 0.15, sh(16.0), sh(16.0)])
        }
    }
}

fn within(found: [f32; 7], allowed: [f32; 7]) -> bool {
    found.iter().zip(allowed).all(|(f, a)| *f <= a)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(n in 1usize..600, degree in 0usize..4, mip in any::<bool>(), seed in any::<u64>()) {
        let g = random_gaussians(n, degree, 3.0, 0.1, &mut fastrand::Rng::with_seed(seed));
        let g = Gaussians { antialiased: mip, ..g };
        for format in FORMATS {
            let back = decode(&encode(&g, format)).unwrap();
            let sorted = if format == SplatFormat::Ply { g.clone() } else { order::morton(&g) };
            let found = differences(&sorted, &back);
            prop_assert!(within(found, steps(format, 3.0)), "{format:?} {found:?} {:?}", steps(format, 3.0));
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_splat(cut in 0usize..3000, at in 0usize..900, byte in any::<u8>(), which in 0usize..4) {
        let g = random_gaussians(20, 2, 1.0, 0.1, &mut fastrand::Rng::with_seed(1));
        let mut bytes = encode(&g, FORMATS[which]);
        if at < bytes.len() {
            bytes[at] = byte;
        }
        // Half of them keep their whole length.
        bytes.truncate(if cut % 2 == 0 { bytes.len() } else { cut });
        if let Ok(g) = decode(&bytes) {
            prop_assert!((0..g.len()).all(|i| finite(&g, i)));
        }
    }

    #[test]
    fn any_bytes_after_a_magic_are_an_error_or_a_splat(which in 0usize..3, body in prop::collection::vec(any::<u8>(), 0..400)) {
        let start: &[u8] = [&b"ply\n"[..], b"NGSP\x04\0\0\0", b"\x1f\x8b\x08\0"][which];
        prop_assert!(decode(&[start, &body].concat()).is_err());
    }

    #[test]
    fn contents_of_gzip_may_be_anything(version in 1u32..5, count in any::<u32>(), degree in 0u8..6, body in prop::collection::vec(any::<u8>(), 0..400)) {
        let head = [&b"NGSP"[..], &version.to_le_bytes(), &count.to_le_bytes(), &[degree, 12, 0, 0]].concat();
        if let Ok(g) = decode(&gzip(&[head, body].concat())) {
            prop_assert!(g.len() == count as usize && (2..4).contains(&version));
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn what_cannot_be_seen_is_left_out() {
    let mut g = random_gaussians(6, 1, 1.0, 0.1, &mut fastrand::Rng::with_seed(5));
    g.opacity_logits[1] = crate::splat::logit(0.9 / 255.0);
    g.opacity_logits[2] = crate::splat::logit(1.1 / 255.0);
    g.quats[3] = [0.0; 4];
    g.means[4][1] = f32::NAN;
    let kept = select(&g, &[0, 2, 5]);
    for format in FORMATS {
        let back = decode(&encode(&g, format)).unwrap();
        let sorted = if format == SplatFormat::Ply { kept.clone() } else { order::morton(&kept) };
        assert!(within(differences(&sorted, &back), steps(format, 1.0)), "{format:?}");
        assert!(back.quats.iter().all(|q| (q.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5));
    }
    let none = select(&g, &[1, 3, 4]);
    for format in FORMATS {
        let error = write(Path::new("/tmp/none.spz"), &none, format, &[]).unwrap_err().to_string();
        assert!(error.contains("none.spz") && error.contains("no Gaussian"), "{error}");
    }
}

/// Opacities of 0 and 1 in a byte, scales and SH beyond the range, and a scene too wide for 24 bits.
#[test]
fn ends_of_the_ranges_hold() {
    let mut g = random_gaussians(2000, 1, 1.0, 0.1, &mut fastrand::Rng::with_seed(5));
    g.opacity_logits[0] = 40.0;
    g.log_scales[1] = [30.0, -30.0, 0.0];
    g.sh[4 * 2 + 1] = [9.0, -9.0, 0.0];
    for format in FORMATS {
        let bytes = encode(&g, format);
        let back = decode(&bytes).unwrap();
        assert!((0..back.len()).all(|i| finite(&back, i)) && back.len() == 2000, "{format:?}");
        let opaque = back.opacity_logits.iter().copied().fold(f32::MIN, f32::max);
        assert!(crate::splat::sigmoid(opaque) > 254.0 / 255.0, "{format:?}");
        // Another trip changes nothing; but a rotation whose largest components are equal may be told by the other.
        if matches!(format, SplatFormat::Spz3 | SplatFormat::Spz4) {
            let again = spz::decode(&spz::encode_gzip(&back, &[]).unwrap()).unwrap();
            let allowed = [0.0, 0.0, 1e-6, 2.5e-3, 1e-6, 0.0, 0.0];
            assert!(within(differences(&back, &again), allowed), "{:?}", differences(&back, &again));
        }
    }
    let mut wide = g.clone();
    wide.means.iter_mut().for_each(|m| *m = m.map(|v| v * 10_000.0));
    wide.means[7] = [1e30, 0.0, 0.0];
    let back = decode(&encode(&wide, SplatFormat::Spz3)).unwrap();
    // 9 bits after the point reach 16,384 units.
    let (sorted, step) = (order::morton(&wide), 1.0 / 512.0);
    for (a, b) in sorted.means.iter().zip(&back.means) {
        let fits = a.iter().all(|v| v.abs() < 16_383.0);
        assert!(if fits { (0..3).all(|k| (a[k] - b[k]).abs() <= step) } else { b[0] > 16_383.0 }, "{a:?} {b:?}");
    }
}

#[test]
fn lying_headers_are_refused() {
    let g = random_gaussians(9, 1, 1.0, 0.1, &mut fastrand::Rng::with_seed(5));
    let refuse = |bytes: &[u8], reason: &str| {
        let error = decode(bytes).unwrap_err().to_string();
        assert!(error.contains("splat") && error.contains(reason), "{error} should say {reason}");
    };
    refuse(b"glTF", "neither a PLY nor an SPZ");
    refuse(&gzip(b"0123456789abcdef"), "no SPZ");
    let plain = encode(&g, SplatFormat::Spz4);
    let with = |at: usize, with: &[u8]| {
        let mut bytes = plain.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    refuse(&with(8, &u32::MAX.to_le_bytes()), "ends before its 4294967295");
    refuse(&with(8, &10u32.to_le_bytes()), "not of 10 Gaussians");
    refuse(&with(4, &[5]), "version 5");
    refuse(&with(4, &[3]), "without gzip");
    refuse(&with(12, &[9]), "degree 9");
    refuse(&with(15, &[200]), "table");
    refuse(&with(16, &[0xff; 4]), "table");
    refuse(&with(32, &[0xff; 8]), "ends before its streams");
    refuse(&plain[..plain.len() - 1], "ends before");
    let streams = |count: u32| [&b"NGSP\x03\0\0\0"[..], &count.to_le_bytes(), &[0, 12, 0, 0], &[0; 40]].concat();
    assert_eq!(decode(&gzip(&streams(2))).unwrap().len(), 2);
    refuse(&gzip(&streams(3)), "ends before its 3");
    refuse(&gzip(&streams(u32::MAX)), "ends before its 4294967295");
    let packed = String::from_utf8_lossy(&encode(&g, SplatFormat::CompressedPly)).into_owned();
    refuse(packed.replace("element chunk 1", "element chunk 2").as_bytes(), "fit");
    refuse(packed.replace("element vertex 9", "element vertex 99999999999").as_bytes(), "ends before");
    refuse(packed.replace("uint packed_color", "float packed_color").as_bytes(), "packed_color");
    refuse(packed.replace("element sh 9", "element sh 0").as_bytes(), "SH for 0 of 9");
}

/// The Gaussians of `tests/make_splats.py`.
fn known(n: usize, degree: usize) -> Gaussians {
    let number = |i: usize, j: usize| ((i * 7919 + j * 104_729 + i * j * 31) % 1000) as f32 / 1000.0;
    let mut g = with_room(n, degree, false);
    for i in 0..n {
        let three = |j: usize, scale: f32, shift: f32| [0, 1, 2].map(|k| number(i, j + k) * scale + shift);
        g.means.push(three(0, 4.0, -2.0));
        g.log_scales.push(three(3, 3.0, -6.0));
        let [w, x, y, z] = [6, 7, 8, 9].map(|j| number(i, j) - 0.45);
        let length = (w * w + x * x + y * y + z * z).sqrt();
        g.quats.push([w, x, y, z].map(|v| v / length));
        g.opacity_logits.push(number(i, 10) * 6.0 - 2.0);
        g.sh.push(three(11, 2.0, -1.0));
        g.sh.extend((1..sh_coefficients(degree)).map(|k| three(11 + 3 * k, 0.8, -0.4)));
    }
    g
}

/// Files that `tests/make_splats.py` let other programs write: plyfile, SplatTransform, Niantic's library, gsply.
#[test]
fn files_of_other_programs_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/splats");
    let small = known(40, 3);
    // Spans of the numbers set the steps: log scales of 3, colours of 2, and positions of 4 in a cube.
    let packed =
        [2.0 / 1023.0, 1.5 / 1023.0, 0.5 / 255.0, 2.5e-3, 1.0 / 255.0, 4.0 / 256.0, 4.0 / 256.0].map(|s| s * 1.01);
    let exact = [1e-6; 7].map(|s: f32| s.max(if s > 0.0 { 1e-3 } else { 0.0 }));
    let spz = |version: u32| {
        let mut steps = steps(SplatFormat::Spz3, 1.0);
        // Other programs keep five bits of degree 1.
        steps[5] = 4.6 / 128.0;
        steps[3] = if version == 2 { 6e-2 } else { steps[3] };
        steps
    };
    for (name, expected, sorted, allowed) in [
        ("plyfile.ply", &small, false, exact),
        ("splat-transform.ply", &small, false, exact),
        ("splat-transform.compressed.ply", &known(300, 1), true, packed),
        ("gsply.compressed.ply", &small, false, packed),
        ("niantic.v2.spz", &small, false, spz(2)),
        ("niantic.v3.spz", &small, false, spz(3)),
        ("niantic.v4.spz", &small, false, spz(4)),
        ("splat-transform.v3.spz", &small, false, spz(3)),
        ("gsply.v4.spz", &small, false, spz(4)),
    ] {
        let found = read(&folder.join(name)).unwrap();
        let mip = name == "niantic.v4.spz" || name == "plyfile.ply";
        assert_eq!(found.antialiased, mip, "{name}");
        let found = Gaussians { antialiased: false, ..found };
        let found = if sorted { nearest(&found, expected) } else { found };
        let most = differences(expected, &found);
        assert!(within(most, allowed), "{name}: {most:?}, not {allowed:?}");
    }
    let error = read_ply(&folder.join("niantic.v3.spz")).unwrap_err().to_string();
    assert!(error.contains("niantic.v3.spz") && error.contains("not a PLY"), "{error}");
}

/// `found` in the order of those of `expected` that are nearest.
fn nearest(found: &Gaussians, expected: &Gaussians) -> Gaussians {
    let away = |p: &[f32; 3], q: &[f32; 3]| (0..3).map(|k| (p[k] - q[k]).powi(2)).sum::<f32>();
    let closest = |p: &[f32; 3]| {
        (0..found.len()).min_by(|a, b| away(p, &found.means[*a]).total_cmp(&away(p, &found.means[*b]))).unwrap()
    };
    select(found, &expected.means.iter().map(closest).collect::<Vec<_>>())
}

/// The error that a camera sees is a part of that of rounding each coefficient for itself, between the cameras too.
#[test]
fn rounding_together_changes_what_is_seen_least() {
    let g = random_gaussians(60, 2, 1.0, 0.1, &mut fastrand::Rng::with_seed(9));
    let g = Gaussians { sh: g.sh.iter().map(|k| k.map(|v| v * 1.3)).collect(), ..g };
    let intrinsics = crate::scene::Intrinsics { width: 64, height: 48, fx: 60.0, fy: 60.0, cx: 32.0, cy: 24.0 };
    let camera = |k: usize| {
        let eye = nalgebra::Point3::new(-6.0, 0.3 * k as f64 - 1.5, 0.2 * (k % 3) as f64);
        let up = nalgebra::Vector3::new(0.0, 0.1, -1.0);
        crate::scene::Camera {
            intrinsics,
            c2w: nalgebra::Isometry3::face_towards(&eye, &nalgebra::Point3::origin(), &up),
        }
    };
    let cameras: Vec<_> = (0..10).map(camera).collect();
    let error = |other: &Gaussians, at: &crate::scene::Camera| {
        let color = |g: &Gaussians, i: usize| {
            let eye = at.center();
            let d = nalgebra::Vector3::from(g.means[i]) - eye.coords.cast::<f32>();
            let b = crate::splat::sh::basis(2, d.normalize().into());
            [0, 1, 2].map(|c| g.sh_of(i).iter().zip(b).map(|(k, b)| k[c] * b).sum::<f32>())
        };
        let of = |i: usize| color(&g, i).iter().zip(color(other, i)).map(|(p, q)| (p - q).powi(2)).sum::<f32>();
        ((0..g.len()).map(of).sum::<f32>() / (3 * g.len()) as f32).sqrt()
    };
    // Positions are kept, so that directions are the same.
    let with = |cameras: &[crate::scene::Camera]| {
        let back = spz::decode(&spz::encode_gzip(&g, cameras).unwrap()).unwrap();
        Gaussians { means: g.means.clone(), ..back }
    };
    let even: Vec<_> = cameras.iter().step_by(2).copied().collect();
    let (apart, together) = (with(&[]), with(&even));
    for at in &cameras {
        let (before, after) = (error(&apart, at), error(&together, at));
        assert!(after < 0.6 * before, "{before} {after}");
    }
}
