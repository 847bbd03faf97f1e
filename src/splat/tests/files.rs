//! Splat files: what is written is read back, and what is no splat is refused by name.

use super::super::{read_ply, write_ply};
use super::random_gaussians;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn round_trip(n in 0usize..40, degree in 0usize..4, seed in any::<u64>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("splat.ply");
        let g = random_gaussians(n, degree, 3.0, 0.1, &mut fastrand::Rng::with_seed(seed));
        write_ply(&path, &g).unwrap();
        prop_assert_eq!(read_ply(&path).unwrap(), g);
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn any_bytes_are_an_error_or_a_splat(cut in 0usize..2000, at in 0usize..700, byte in any::<u8>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("splat.ply");
        write_ply(&path, &random_gaussians(6, 1, 1.0, 0.1, &mut fastrand::Rng::with_seed(1))).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(cut);
        if let Some(b) = bytes.get_mut(at) {
            *b = byte;
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Err(e) = read_ply(&path) {
            prop_assert!(e.to_string().contains("splat.ply"));
        }
    }
}

#[test]
fn not_finite_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ply");
    let mut g = random_gaussians(5, 1, 1.0, 0.1, &mut fastrand::Rng::with_seed(1));
    g.means[1][2] = f32::NAN;
    g.sh[3 * 4 + 2][1] = f32::INFINITY;
    write_ply(&path, &g).unwrap();
    let back = read_ply(&path).unwrap();
    assert_eq!(back.means, [g.means[0], g.means[2], g.means[4]]);
}

#[test]
fn order_types_comments_and_other_elements_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.ply");
    let names = ["rot_3", "rot_2", "rot_1", "rot_0", "opacity", "scale_2", "scale_1", "scale_0", "z", "y"];
    let mut bytes = b"ply\r\nformat binary_little_endian 1.0\r\ncomment made by hand\r\n".to_vec();
    bytes.extend(b"element camera 2\nproperty short id\nelement vertex 1\nproperty uchar label\n");
    for n in names {
        bytes.extend(format!("property float {n}\n").bytes());
    }
    bytes.extend(b"property double x\nproperty float f_dc_2\nproperty float f_dc_0\nproperty float f_dc_1\n");
    bytes.extend(b"element face 1\nproperty list uchar int vertex_indices\nend_header\n");
    bytes.extend([1, 0, 2, 0, 7]);
    for v in 1..=10u8 {
        bytes.extend(f32::from(v).to_le_bytes());
    }
    bytes.extend(0.25f64.to_le_bytes());
    for v in [3f32, 1.0, 2.0] {
        bytes.extend(v.to_le_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    let g = read_ply(&path).unwrap();
    assert_eq!((g.means[0], g.quats[0]), ([0.25, 10.0, 9.0], [4.0, 3.0, 2.0, 1.0]));
    assert_eq!((g.log_scales[0], g.opacity_logits[0]), ([8.0, 7.0, 6.0], 5.0));
    assert_eq!((g.sh_degree, g.sh[0]), (0, [1.0, 2.0, 3.0]));
}

#[test]
fn what_is_no_splat_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.ply");
    let xyz = "property float x\nproperty float y\nproperty float z\n";
    let head = "ply\nformat binary_little_endian 1.0\n";
    for (text, reason) in [
        ("".to_string(), "header"),
        ("solid\n".into(), "not a PLY"),
        (format!("ply\nformat ascii 1.0\nelement vertex 0\n{xyz}end_header\n"), "ascii"),
        (format!("{head}element vertex 0\n{xyz}end_header\n"), "scale_0"),
        (format!("{head}element vertex x\n{xyz}end_header\n"), "count"),
        (format!("{head}element vertex 1\nproperty half x\nend_header\n"), "type"),
        (format!("{head}element vertex 1\nproperty list uchar int x\nend_header\n"), "lists"),
        (format!("{head}element vertex 1\n{xyz}"), "header"),
        (format!("{head}end_header\n"), "no vertex"),
        (format!("{head}wat\nend_header\n"), "wat"),
    ] {
        std::fs::write(&path, text).unwrap();
        let e = read_ply(&path).unwrap_err().to_string();
        assert!(e.contains("c.ply") && e.contains(reason), "{e} should say {reason}");
    }
    let good = random_gaussians(3, 0, 1.0, 0.1, &mut fastrand::Rng::with_seed(1));
    write_ply(&path, &good).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.pop();
    std::fs::write(&path, &bytes).unwrap();
    assert!(read_ply(&path).unwrap_err().to_string().contains("ends before"));
    let text = String::from_utf8_lossy(&bytes[..60]).replace("vertex 3", "vertex 99999999999999999");
    std::fs::write(&path, [text.as_bytes(), &bytes[60..]].concat()).unwrap();
    assert!(read_ply(&path).unwrap_err().to_string().contains("ends before"));
    let missing = folder.path().join("none.ply");
    assert!(read_ply(&missing).unwrap_err().to_string().contains("none.ply"));
    assert!(write_ply(&folder.path().join("no/where.ply"), &good).unwrap_err().to_string().contains("where.ply"));
}
