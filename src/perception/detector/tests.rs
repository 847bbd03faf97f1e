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
    Detector::of(loaded(&path, rten)).unwrap()
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

/// Left (204, 0, 51), right (0, 153, 255), 128 x 64.
fn halves() -> RgbImage {
    RgbImage::from_fn(128, 64, |x, _| image::Rgb(if x < 64 { [204, 0, 51] } else { [0, 153, 255] }))
}

fn graph(name: &str) -> PathBuf {
    crate::models::testing::test_model("detectors").join(name)
}

/// Boxes of the tiny graphs (`tests/make_detectors.py`), worked out by hand. A score is a value of the picture that the model
/// was shown: 0.8 is the left half's red, 0.6 the right half's green, 114 / 255 the grey around.
#[test]
fn every_family_is_shown_what_it_wants_and_is_read_right() {
    const GREY: f64 = 114.0 / 255.0;
    let red = 1.0 / (1.0 + (-(0.8 - 0.485) / 0.229f64).exp());
    let (middle, query) = ([24.0, 24.0, 56.0, 40.0], [32.0, 16.0, 64.0, 48.0]);
    let wanted: [(&str, Family, &[(&str, f64, [f64; 4])]); 11] = [
        ("yolov8.onnx", Family::Yolo, &[("chair", 0.8, middle), ("couch", 0.6, middle), ("tv", GREY, middle)]),
        ("yolov5.onnx", Family::Yolo, &[("chair", 0.4, middle), ("couch", 0.3, middle)]),
        ("yolov10.onnx", Family::Yolo, &[("chair", 0.8, middle), ("couch", 0.6, middle), ("tv", GREY, middle)]),
        (
            "yolox.onnx",
            Family::Yolox,
            &[("chair", 0.4, [16.0, 0.0, 80.0, 32.0]), ("couch", 0.3, [16.0, 0.0, 80.0, 32.0])],
        ),
        (
            "centernet.onnx",
            Family::CenterNet,
            &[("chair", 0.8, [24.0, 16.0, 56.0, 32.0]), ("couch", 0.6, [24.0, 16.0, 56.0, 32.0])],
        ),
        ("rtdetr.onnx", Family::Detr, &[("chair", 0.8, query), ("tv", 0.6, [0.0, 0.0, 128.0, 64.0])]),
        ("rfdetr.onnx", Family::Detr, &[("chair", red, query)]),
        ("detr.onnx", Family::Detr, &[("chair", 0.75, query)]),
        (
            "ssd.onnx",
            Family::Ssd,
            &[("chair", 0.8, [64.0, 16.0, 128.0, 32.0]), ("toothbrush", 0.75, [0.0, 0.0, 64.0, 64.0])],
        ),
        ("world/yolo_world.onnx", Family::YoloWorld, &[("floor lamp", 0.48, middle)]),
        ("dino/model.onnx", Family::GroundingDino, &[("potted plant", 2.0 / 3.0, query)]),
    ];
    for (name, family, boxes) in wanted {
        for by_rten in [true, false] {
            if !by_rten && !ready() {
                continue;
            }
            let detector = Detector::of(loaded(&graph(name), by_rten)).unwrap();
            assert_eq!(detector.family(), family, "{name}");
            let found = detector.detect(&halves()).unwrap();
            let close = |d: &Detection, (label, score, bounds): &(&str, f64, [f64; 4])| {
                let apart = d.bounds.iter().zip(bounds).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                d.label == *label && (d.score - score).abs() < 1e-4 && apart < 1e-3
            };
            let right = found.len() == boxes.len() && found.iter().zip(boxes).all(|(d, b)| close(d, b));
            assert!(right, "{name}, RTen {by_rten}: {found:?}, and {boxes:?} are right");
        }
    }
}

#[test]
fn what_is_no_detector_or_lacks_something_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let says = |name: &str, as_name: &str, words: &[&str]| {
        let path = dir.path().join(as_name);
        std::fs::copy(crate::models::testing::test_model(name), &path).unwrap();
        let error = check(&path).unwrap_err().to_string();
        assert!(words.iter().all(|w| error.contains(w)) && !error.contains('\n'), "{error}");
    };
    says("classifier.onnx", "classifier.onnx", &["classifier.onnx", "expected is a detector", "RT-DETR"]);
    says("depth_anything_v2_vits.onnx", "depth.onnx", &["expected is a detector"]);
    says("xfeat.onnx", "xfeat.onnx", &["expected is a detector"]);
    says("vggt.onnx", "vggt.onnx", &["expected is a detector"]);
    says("detectors/dino/model.onnx", "dino.onnx", &["dino.onnx", "vocab.txt"]);
    says("detectors/world/yolo_world.onnx", "world.onnx", &["world.onnx", "embeddings.npy"]);
    std::fs::write(dir.path().join("labels.txt"), "a\nb\nc\n").unwrap();
    std::fs::copy(graph("world/embeddings.npy"), dir.path().join("embeddings.npy")).unwrap();
    says("detectors/world/yolo_world.onnx", "world.onnx", &["embeddings.npy", "3 rows of 4", "2 of 4"]);
    // Classes without names: known only once the model has run.
    std::fs::remove_file(dir.path().join("labels.txt")).unwrap();
    let path = dir.path().join("mine.onnx");
    std::fs::copy(graph("yolox.onnx"), &path).unwrap();
    let error = Detector::load(&path, CPU).unwrap().detect(&halves()).unwrap_err().to_string();
    assert!(error.contains("mine.onnx") && error.contains("labels.txt"), "{error}");
    assert_eq!(files_beside(&graph("dino/model.onnx")), [graph("dino/labels.txt"), graph("dino/vocab.txt")]);
}

#[test]
fn a_cancelled_search_stops() {
    struct Stopped;
    impl Job for Stopped {
        fn tick(&self, done: usize, _: usize) -> Result<(), Cancelled> {
            if done < 1 { Ok(()) } else { Err(Cancelled) }
        }
        fn warn(&self, _: String) {}
    }
    let detector = Detector::load(&graph("yolov8.onnx"), CPU).unwrap();
    let image = halves();
    let many = vec![&image; 2 * rayon::current_num_threads()];
    let result = detector.detect_all(&many, &Stopped);
    assert!(matches!(result, Err(DetectError::Cancelled(_))));
}

#[test]
fn every_family_of_the_catalogue_is_recognised_and_the_other_way_round() {
    use std::collections::BTreeSet;
    let mut files = crate::models::onnx_files(&graph(""));
    files.extend(crate::models::onnx_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models")));
    let found: BTreeSet<String> = files.iter().map(|f| identify(&f.path).unwrap().unwrap().to_owned()).collect();
    let mut roles = crate::models::catalogue().unwrap();
    roles.retain(|r| r.role == "detector");
    let listed: BTreeSet<String> = roles.iter().flat_map(|r| &r.sources).filter_map(|s| s.family.clone()).collect();
    assert_eq!(found, listed);
}

/// `cargo test --release --lib -- --ignored --nocapture seconds_for_48_photos`
#[test]
#[ignore = "a measurement"]
fn seconds_for_48_photos() {
    let photos: Vec<RgbImage> = (0..24).map(|k| photo(&format!("{:04}.jpg", 2 * k))).collect();
    let many: Vec<&RgbImage> = photos.iter().chain(&photos).collect();
    for by_rten in [false, true] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/nanodet.onnx");
        let detector = Detector::of(loaded(&path, by_rten)).unwrap();
        let start = std::time::Instant::now();
        let found = detector.detect_all(&many, &Quiet).unwrap();
        let boxes: usize = found.iter().map(Vec::len).sum();
        println!("{}: {:.2} s, {boxes} boxes", detector.provider().0, start.elapsed().as_secs_f64());
    }
}
