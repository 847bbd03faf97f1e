//! Detectors: the one in the program on a photo that is in the repository, against the figures of `shared/models/detect.py`
//! (ONNX Runtime, Pillow), and tiny graphs of every family whose boxes are known numbers.

use super::*;
use crate::models::testing::{CPU, loaded, ready};
use crate::scene::Quiet;

fn photo(name: &str) -> RgbImage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo").join(name);
    image::open(path).unwrap().to_rgb8()
}

fn bundled_by(rten: bool) -> Detector {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/nanodet.onnx");
    Detector::of(loaded(&path, rten), "nanodet".into()).unwrap()
}

/// Every wanted box is found with its name, overlapping by `overlap` and within 0.03 of its score.
fn assert_found(found: &[Detection], wanted: &[(&str, f64, [f64; 4])], overlap: f64) {
    for (label, score, bounds) in wanted {
        let one = Detection { label: (*label).to_owned(), score: *score, bounds: *bounds };
        let near = |d: &&Detection| d.label == one.label && (d.score - score).abs() < 0.03 && d.iou(&one) >= overlap;
        assert!(found.iter().any(|d| near(&d)), "{label} {score} {bounds:?} is not among {found:?}");
    }
}

/// From `detect.py nanodet.onnx --longest 640`, those of more than 0.4. Decoders of JPEG differ by a grey level, which moves
/// sides by a few pixels.
const IN_0000: [(&str, f64, [f64; 4]); 4] = [
    ("couch", 0.672, [1.8, 191.9, 280.1, 414.0]),
    ("tv", 0.5813, [1.6, 44.8, 129.1, 142.0]),
    ("dining table", 0.4593, [224.0, 214.9, 501.6, 461.9]),
    ("sports ball", 0.4103, [360.6, 234.5, 389.0, 261.3]),
];

#[test]
fn the_bundled_detector_finds_what_the_reference_finds() {
    let detector = Detector::bundled(CPU).unwrap();
    let image = photo("0000.jpg");
    let found = detector.detect(&image).unwrap();
    println!("{:?}", detector.provider());
    assert_found(&found, &IN_0000, 0.95);
    assert!(found.iter().filter(|d| d.score > 0.43).count() == 3, "{found:?}");
    assert!(found.windows(2).all(|w| w[0].score >= w[1].score) && found.iter().all(|d| d.score >= 0.25));
    let many = detector.detect_all(&[&image, &image], &Quiet).unwrap();
    assert_eq!(many, [found.clone(), found]);
    assert!(detector.detect(&RgbImage::new(0, 0)).unwrap().is_empty());
}

#[test]
fn both_runtimes_find_the_same() {
    let image = photo("0000.jpg");
    let by_rten = bundled_by(true).detect(&image).unwrap();
    assert_found(&by_rten, &IN_0000, 0.95);
    if ready() {
        let by_onnx = bundled_by(false).detect(&image).unwrap();
        assert_eq!(by_onnx.len(), by_rten.len());
        let wanted: Vec<_> = by_onnx.iter().map(|d| (d.label.as_str(), d.score, d.bounds)).collect();
        assert_found(&by_rten, &wanted, 0.999);
    }
}

/// A photo four times as large shows small things in tiles: what was found in the small one is found at its place.
#[test]
fn a_large_photo_is_looked_at_in_tiles_too() {
    let mut detector = Detector::bundled(CPU).unwrap();
    let small = photo("0000.jpg");
    let large = image::imageops::resize(&small, 1440, 1080, image::imageops::FilterType::CatmullRom);
    let found = detector.detect(&large).unwrap();
    let scaled: Vec<_> = IN_0000.iter().take(2).map(|(l, s, b)| (*l, *s, b.map(|v| v * 2.25))).collect();
    for (label, _, bounds) in &scaled {
        let one = Detection { label: String::new(), score: 1.0, bounds: *bounds };
        assert!(found.iter().any(|d| d.label == *label && d.iou(&one) > 0.8), "{label}: {found:?}");
    }
    detector.settings.tiles = false;
    let whole = detector.detect(&large).unwrap();
    assert!(found.len() > whole.len(), "{} with tiles, {} without", found.len(), whole.len());
}
