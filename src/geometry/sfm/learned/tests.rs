//! Learned features, on the tiny models of `tests/make_models.py`: a blob detector in the place of XFeat, and pipelines
//! whose keypoints are the brightest pixels.

use super::*;
use crate::models::testing::{CPU, ready, test_model};
use crate::models::{Element, Port};
use image::Rgb;

/// Black, but for pixels of the given brightness.
fn dots(size: (u32, u32), dots: &[(u32, u32, u8)]) -> RgbImage {
    let mut image = RgbImage::new(size.0, size.1);
    dots.iter().for_each(|(x, y, v)| image.put_pixel(*x, *y, Rgb([*v; 3])));
    image
}

/// Four dots, brightest first: keypoints 0 to 3.
const A: [(u32, u32, u8); 4] = [(10, 20, 250), (40, 8, 200), (3, 30, 150), (55, 25, 100)];
const B: [(u32, u32, u8); 4] = [(12, 21, 250), (42, 9, 200), (5, 31, 150), (57, 26, 100)];

fn centres(dots: &[(u32, u32, u8)]) -> Vec<[f32; 2]> {
    dots.iter().map(|(x, y, _)| [*x as f32 + 0.5, *y as f32 + 0.5]).collect()
}

#[test]
fn families_are_told_by_their_signatures() {
    let of = |name: &str| recognise(&Signature::read(&test_model(name)).unwrap());
    assert_eq!(of("xfeat.onnx"), Some(Family::XFeat));
    assert_eq!(of("split/disk.onnx"), Some(Family::Extractor));
    assert_eq!(of("split/disk_lightglue.onnx"), Some(Family::Matcher));
    for name in ["superpoint_pipeline.onnx", "aliked_pipeline.onnx", "end_to_end.onnx"] {
        assert_eq!(of(name), Some(Family::Pairwise));
    }
    for name in ["classifier.onnx", "vggt.onnx", "moge-2-vits.onnx", "da3_small/model.onnx"] {
        assert_eq!(of(name), None, "{name}");
    }
}

#[test]
fn the_width_of_descriptors_does_not_tell_what_found_them() {
    let port = |name: &str, dims: &[usize]| Port {
        name: name.into(),
        element: Element::F32,
        dims: dims.iter().map(|d| (*d > 0).then_some(*d)).collect(),
    };
    // 0 stands for a size that is left open; ALIKED's t16 has 64 numbers a keypoint, as XFeat has.
    let of = |input: &str, points: &[usize], described: &[usize]| {
        recognise(&Signature {
            inputs: vec![port(input, &[1, 3, 0, 0])],
            outputs: vec![port("keypoints", points), port("descriptors", described), port("scores", &[1, 0])],
            metadata: Vec::new(),
        })
    };
    assert_eq!(of("image", &[1, 0, 2], &[1, 0, 64]), Some(Family::Extractor));
    assert_eq!(of("images", &[0, 2], &[0, 64]), Some(Family::XFeat));
}

#[test]
fn a_wrong_file_is_named_with_what_was_expected() {
    let says = |name: &str| find(&test_model(name)).unwrap_err().to_string();
    let wrong = says("classifier.onnx");
    assert!(wrong.contains("classifier.onnx") && wrong.contains("logits") && wrong.contains("XFeat"), "{wrong}");
    assert!(says("split/disk_lightglue.onnx").contains("needs an extractor"));
    assert!(says("").contains("several"));
    assert!(find(&test_model("split")).is_ok());
    let empty = tempfile::tempdir().unwrap();
    assert!(find(empty.path()).unwrap_err().to_string().contains("no ONNX file"));
}

#[test]
fn an_extractor_finds_blobs_where_they_are_and_matches_them() {
    if !ready() {
        return;
    }
    // Blurred discs on grey, each with surroundings of its own.
    let scene = |dx: f32, dy: f32| {
        RgbImage::from_fn(192, 160, |x, y| {
            let mut v = 110.0;
            for k in 0..9u8 {
                let (cx, cy) = (40.0 + 50.0 * f32::from(k % 3) + dx, 35.0 + 42.0 * f32::from(k / 3) + dy);
                for m in 0..=k {
                    let angle = f32::from(m) * 2.1 + f32::from(k);
                    let r = if m == 0 { 0.0 } else { 9.0 };
                    let d2 = (x as f32 - cx - r * angle.cos()).powi(2) + (y as f32 - cy - r * angle.sin()).powi(2);
                    v += (90.0 - 8.0 * f32::from(m)) * (-d2 / 8.0).exp();
                }
            }
            Rgb([v.min(255.0) as u8; 3])
        })
    };
    let learned = open(&test_model("xfeat.onnx"), CPU).unwrap();
    let (a, b) = (learned.extract(&scene(0.0, 0.0)).unwrap(), learned.extract(&scene(5.0, -3.0)).unwrap());
    assert!(a.len() > 20 && a.dim == 64 && a.descriptors.len() == 64 * a.len());
    assert!(a.scores.windows(2).all(|s| s[0] >= s[1]));
    assert!(a.xy.iter().any(|p| (p[0] - 40.5).abs() < 0.6 && (p[1] - 35.5).abs() < 0.6), "{:?}", a.xy);
    let matches = learned.matches(&a, &b).unwrap();
    let right = |(i, j): &&(u32, u32)| {
        let (p, q) = (a.xy[*i as usize], b.xy[*j as usize]);
        (q[0] - p[0] - 5.0).abs() < 1.5 && (q[1] - p[1] + 3.0).abs() < 1.5
    };
    assert!(matches.len() * 10 >= a.len() * 7 && matches.iter().filter(right).count() * 10 >= matches.len() * 9);
    assert!(matches.windows(2).all(|m| m[0].0 < m[1].0));
    assert_eq!((learned.name().as_str(), learned.provider()), ("xfeat.onnx", ("CPU", None)));
}

#[test]
fn keypoints_are_in_the_photos_own_pixels_whatever_the_model_saw() {
    if !ready() {
        return;
    }
    // 192 x 160 are multiples of 32; 200 x 170 are filled up to 224 x 192.
    let disc = |w: u32, h: u32| {
        RgbImage::from_fn(w, h, |x, y| {
            let d2 = (x as f32 + 0.5 - 120.0).powi(2) + (y as f32 + 0.5 - 90.0).powi(2);
            Rgb([(60.0 + 150.0 * (-d2 / 9.0).exp()) as u8; 3])
        })
    };
    let learned = open(&test_model("xfeat.onnx"), CPU).unwrap();
    for (w, h) in [(192, 160), (200, 170)] {
        let found = learned.extract(&disc(w, h)).unwrap().xy[0];
        assert!((found[0] - 120.0).abs() < 0.6 && (found[1] - 90.0).abs() < 0.6, "{found:?}");
    }
}

#[test]
fn nothing_found_is_no_error() {
    if !ready() {
        return;
    }
    let learned = open(&test_model("xfeat_nothing.onnx"), CPU).unwrap();
    let none = learned.extract(&RgbImage::new(64, 64)).unwrap();
    assert!(none.is_empty());
    assert_eq!(learned.matches(&none, &none).unwrap(), []);
    let learned = open(&test_model("xfeat.onnx"), CPU).unwrap();
    assert!(learned.extract(&RgbImage::from_pixel(20, 15, Rgb([9; 3]))).unwrap().is_empty());
}

#[test]
fn pipelines_give_keypoints_of_a_photo_and_matches_of_two() {
    if !ready() {
        return;
    }
    // The graphs match 2-0, 0-1, 3-3 and say two things that cannot be.
    for (name, offset) in [("superpoint_pipeline.onnx", 0.0), ("aliked_pipeline.onnx", 0.25)] {
        let learned = open(&test_model(name), CPU).unwrap();
        let (a, b) = (learned.extract(&dots((64, 32), &A)).unwrap(), learned.extract(&dots((64, 32), &B)).unwrap());
        let want: Vec<[f32; 2]> = centres(&A).iter().map(|p| p.map(|v| v + offset)).collect();
        assert_eq!(a.xy, want, "{name}");
        assert_eq!(learned.matches(&a, &b).unwrap(), [(0, 1), (2, 0), (3, 3)], "{name}");
    }
    let learned = open(&test_model("end_to_end.onnx"), CPU).unwrap();
    let (a, b) = (learned.extract(&dots((64, 32), &A)).unwrap(), learned.extract(&dots((64, 40), &B)).unwrap());
    assert_eq!(b.xy, centres(&B));
    assert_eq!(learned.matches(&a, &b).unwrap(), [(0, 1), (1, 0)]);
}

#[test]
fn a_matcher_gets_keypoints_in_its_own_coordinates() {
    if !ready() {
        return;
    }
    let learned = open(&test_model("split"), CPU).unwrap();
    // It matches what lies within 0.02 in coordinates divided by half the longer side: 0.64 pixels of 64 x 32.
    let moved = [(10, 20, 250), (41, 8, 200), (3, 30, 90), (55, 25, 100)];
    let (a, b) = (learned.extract(&dots((64, 32), &A)).unwrap(), learned.extract(&dots((64, 32), &moved)).unwrap());
    assert_eq!(a.xy, centres(&A));
    assert_eq!(learned.matches(&a, &b).unwrap(), [(0, 0), (2, 3), (3, 2)]);
    // In 128 x 64 a pixel is half as much.
    let (a, b) = (learned.extract(&dots((128, 64), &A)).unwrap(), learned.extract(&dots((128, 64), &moved)).unwrap());
    assert_eq!(learned.matches(&a, &b).unwrap(), [(0, 0), (1, 1), (2, 3), (3, 2)]);
    assert_eq!(learned.name(), "disk.onnx, disk_lightglue.onnx");
}
