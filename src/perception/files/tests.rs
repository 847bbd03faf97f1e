//! Masks of other programs, in the layouts that they write.

use super::*;
use crate::scene::{Quiet, Rle};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Mutex;

#[derive(Default)]
struct Listening(Mutex<Vec<String>>);

impl Job for Listening {
    fn tick(&self, _: usize, _: usize) -> Result<(), Cancelled> {
        Ok(())
    }

    fn warn(&self, message: String) {
        self.0.lock().unwrap().push(message);
    }
}

fn frames() -> Vec<Wanted<'static>> {
    vec![
        Wanted { name: "a.jpg", stem: "a", width: 8, height: 4 },
        Wanted { name: "b.png", stem: "b", width: 4, height: 2 },
    ]
}

/// The right half of 8 x 4 pixels.
fn mask() -> Rle {
    let bits: Vec<bool> = (0..32).map(|i| i % 8 >= 4).collect();
    Rle::encode(8, 4, &bits)
}

fn item(image: &str, counts: Value) -> Value {
    json!({"image": image, "label": " Chair ", "mask_path": "x", "bbox": [0, 0, 1, 1], "score": 0.8,
        "mask_rle": {"size": [4, 8], "counts": counts}})
}

fn write(dir: &Path, items: &[Value]) -> PathBuf {
    let path = dir.join("mask_index.json");
    let text = json!({"scene": "s", "image_root": "rgb", "mask_root": ".", "items": items, "missing_images": []});
    std::fs::write(&path, text.to_string()).unwrap();
    path
}

/// What was read and what was warned of.
fn heard(path: &Path) -> (Vec<FrameMasks>, Vec<String>) {
    let job = Listening::default();
    let found = read(path, &frames(), &job).unwrap();
    (found, job.0.into_inner().unwrap())
}

#[test]
fn an_index_is_read_and_resized_and_what_cannot_be_used_is_counted_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let good = json!(mask().to_coco());
    let items = [
        item("rgb/a.jpg", good.clone()),
        item("rgb\\b.jpg", good.clone()),
        item("c.jpg", good),
        item("a.jpg", json!("~~~")),
    ];
    write(dir.path(), &items);
    let (read, warnings) = heard(dir.path());
    assert_eq!(read[0].masks.len(), 1);
    let m = &read[0].masks[0];
    assert_eq!((m.label.as_str(), m.instance_id, m.score, &m.segmentation), ("chair", 0, 0.8, &mask()));
    assert_eq!(read[1].masks[0].segmentation.decode(), [false, false, true, true, false, false, true, true]);
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].starts_with("1 of the 4 masks") && warnings[0].contains("item 3 of a.jpg"), "{warnings:?}");
    assert!(warnings[1].contains("not in this capture: c.jpg"), "{warnings:?}");
}

/// Each odd entry costs itself and nothing else.
#[test]
fn odd_entries_of_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let counts = json!(mask().to_coco());
    let odd = |key: &str, value: Value| {
        let mut item = item("a.jpg", counts.clone());
        item[key] = value;
        item
    };
    let items = [
        odd("score", Value::Null),
        odd("label", json!(7)),
        odd("label", json!("sofa\u{1b}[31m\u{7}")),
        odd("mask_rle", json!({"size": [8, 4], "counts": [0, 32]})),
        odd("mask_rle", json!({"size": [4, 8], "counts": [0, 31]})),
        odd("mask_rle", json!({"size": [4, 8], "counts": [32]})),
        odd("image", json!(3)),
        odd("score", json!(-7)),
    ];
    let path = write(dir.path(), &items);
    let text = std::fs::read_to_string(&path).unwrap();
    // Python's NaN is not JSON.
    std::fs::write(&path, text.replace("\"score\":-7", "\"score\":NaN")).unwrap();
    let (read, warnings) = heard(dir.path());
    let labels: Vec<(&str, f64)> = read[0].masks.iter().map(|m| (m.label.as_str(), m.score)).collect();
    assert_eq!(labels, [("chair", 1.0), ("sofa [31m", 0.8)]);
    assert!(warnings[0].starts_with("5 of the 8 masks") && warnings[0].contains("are malformed"), "{warnings:?}");
    assert!(warnings[0].contains("its label is not a text") && warnings[0].contains("and 2 more"), "{warnings:?}");
    assert!(warnings[1].contains("proportions") && warnings[1].contains("4 x 8 for 8 x 4"), "{warnings:?}");
}

/// Run lengths that claim sizes beyond all memory: they are told by their proportions, and where those fit the size of the
/// photo counts, not theirs.
#[test]
fn huge_sizes_cost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let rle = |h: u64, w: u64, counts: Value| {
        let mut item = item("a.jpg", json!(0));
        item["mask_rle"] = json!({"size": [h, w], "counts": counts});
        item
    };
    let half = 1u64 << 31;
    let items = [
        rle(1, half, json!([0, half])),
        rle(half, half, json!([0, half])),
        rle(100_000_000, 1, json!([0, 100_000_000])),
        // 2^15 x 2^16 pixels: the proportions of 8 x 4; all but the last column of the photo is set.
        rle(1 << 15, 1 << 16, json!([0, (1u64 << 31) - (1 << 28), 1 << 28])),
        rle(1 << 33, 1 << 34, json!([])),
    ];
    write(dir.path(), &items);
    let (read, warnings) = heard(dir.path());
    assert_eq!(read[0].masks.len(), 1);
    assert_eq!(read[0].masks[0].segmentation.counts, [0, 28, 4]);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn errors_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let says = |path: &Path| read(path, &frames(), &Quiet).unwrap_err().to_string();
    assert!(says(&dir.path().join("no.json")).contains("no.json"));
    assert!(says(dir.path()).contains("LABEL/STEM.png"));
    let path = write(dir.path(), &[item("z.jpg", json!(mask().to_coco()))]);
    assert!(says(&path).contains("none of the 1 masks"));
    write(dir.path(), &[item("a.jpg", json!("~~~"))]);
    let unusable = says(&path);
    assert!(unusable.contains("none of the 1 masks") && unusable.contains("are malformed"), "{unusable}");
    for text in ["{\"items\": 3}", "[]", "{}", "{\"annotations\": {}}", "nonsense", "\u{feff}{"] {
        std::fs::write(&path, text).unwrap();
        let bad = says(&path);
        assert!(bad.contains("mask_index.json is not a mask index"), "{bad}");
    }
    // Nothing in it is nothing wrong.
    write(dir.path(), &[]);
    assert!(heard(dir.path()).0.iter().all(|f| f.masks.is_empty()));
}

fn coco(dir: &Path, annotations: Value) -> PathBuf {
    let path = dir.join("instances_val.json");
    let text = json!({
        "info": {}, "licenses": [],
        "images": [{"id": 7, "file_name": "rgb/a.jpg", "width": 8, "height": 4},
                   {"id": "second", "file_name": "b.jpg", "width": 8, "height": 4},
                   {"id": 9, "file_name": "other.jpg", "width": 8, "height": 4}],
        "categories": [{"id": 1, "name": "Chair", "supercategory": "x"}, {"id": 2, "name": "table"}],
        "annotations": annotations,
    });
    std::fs::write(&path, text.to_string()).unwrap();
    path
}

#[test]
fn instances_of_coco() {
    let dir = tempfile::tempdir().unwrap();
    let square = json!([[4, 0, 8, 0, 8, 4, 4, 4]]);
    let one = |id: u32, image: Value, category: u32, segmentation: Value| {
        json!({"id": id, "image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": 0,
            "area": 1, "bbox": [0, 0, 1, 1]})
    };
    let mut scored = one(3, json!("second"), 2, json!({"size": [4, 8], "counts": mask().counts}));
    scored["score"] = json!(0.25);
    let annotations = json!([
        one(1, json!(7), 1, square.clone()),
        one(2, json!(7), 2, json!({"size": [4, 8], "counts": mask().to_coco()})),
        scored,
        one(4, json!(9), 1, square.clone()),
        one(5, json!(7), 3, square.clone()),
        one(6, json!(8), 1, square),
        one(7, json!(7), 1, json!([[0, 0, 1]])),
        one(8, json!(7), 1, json!([])),
        one(9, json!(7), 1, json!([[0, 0, 1e9, 0, 1e9, 1e9]])),
    ]);
    coco(dir.path(), annotations);
    // Something else beside it is no fault.
    std::fs::write(dir.path().join("intrinsics.json"), r#"{"fx": 500}"#).unwrap();
    let (read, warnings) = heard(dir.path());
    let of = |k: usize| -> Vec<(&str, f64, &Rle)> {
        read[k].masks.iter().map(|m| (m.label.as_str(), m.score, &m.segmentation)).collect()
    };
    let half = mask();
    assert_eq!(of(0), [("chair", 1.0, &half), ("table", 1.0, &half)]);
    assert_eq!(of(1), [("table", 0.25, &resized(half.clone(), 4, 2))]);
    assert!(warnings[0].starts_with("5 of the 9 masks") && warnings[0].contains("annotation 5 of rgb/a.jpg"));
    assert!(warnings[1].starts_with("1 of the 9 masks") && warnings[1].contains("other.jpg"), "{warnings:?}");
}

/// Polygons of chance, in and out of the image, with few and many corners, one and several: the same pixels as pycocotools.
#[test]
fn polygons_are_those_of_pycocotools() {
    let importable = Command::new("python3").args(["-c", "import pycocotools.mask"]).output();
    if !importable.is_ok_and(|o| o.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "python3 cannot import pycocotools");
        println!("skipped: python3 cannot import pycocotools");
        return;
    }
    let mut rng = fastrand::Rng::with_seed(5);
    let cases: Vec<(u32, u32, Vec<Vec<f64>>)> = (0..300)
        .map(|k| {
            let (w, h) = (rng.u32(1..70), rng.u32(1..50));
            let mut value = |side: u32| {
                let v = (rng.f64() * 1.4 - 0.2) * f64::from(side);
                if k % 3 == 0 { v.round() } else { v }
            };
            let count = 1 + k % 3;
            let mut polygon = |corners: usize| (0..corners).flat_map(|_| [value(w), value(h)]).collect::<Vec<f64>>();
            (w, h, (0..count).map(|j| polygon(3 + (k + j) % 6)).collect())
        })
        .collect();
    let script = "import json, sys\nfrom pycocotools import mask as M\n\
                  print(json.dumps([M.merge(M.frPyObjects(p, h, w))['counts'].decode() for w, h, p in json.load(sys.stdin)]))";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &cases).unwrap();
    let said = child.wait_with_output().unwrap();
    let want: Vec<String> = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(want.len(), cases.len());
    for ((w, h, polygons), want) in cases.iter().zip(&want) {
        let corners: Vec<Vec<[f64; 2]>> =
            polygons.iter().map(|p| p.chunks_exact(2).map(|c| [c[0], c[1]]).collect()).collect();
        let got = polygon::fill(&corners, (*w, *h)).unwrap();
        assert_eq!(got, Rle::from_coco(*h, *w, want).unwrap(), "{w} x {h} {polygons:?}");
    }
}

/// Without a peer: an axis-parallel rectangle of whole pixels is just those pixels, and polygons are united.
#[test]
fn polygons_by_hand() {
    let square = |x0: f64, y0: f64, x1: f64, y1: f64| vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
    let bits = |polygons: &[Vec<[f64; 2]>]| polygon::fill(polygons, (6, 4)).unwrap().decode();
    let inside = |x0: usize, y0: usize, x1: usize, y1: usize| {
        move |k: usize| (x0..x1).contains(&(k % 6)) && (y0..y1).contains(&(k / 6))
    };
    let a = inside(1, 1, 4, 3);
    assert_eq!(bits(&[square(1.0, 1.0, 4.0, 3.0)]), (0..24).map(a).collect::<Vec<_>>());
    let b = inside(3, 0, 6, 2);
    let both = bits(&[square(1.0, 1.0, 4.0, 3.0), square(3.0, -9.0, 60.0, 2.0)]);
    assert_eq!(both, (0..24).map(|k| a(k) || b(k)).collect::<Vec<_>>());
    assert!(polygon::fill(&[square(0.0, 0.0, 1.0, 1.0)], (1 << 20, 4)).is_err());
    assert!(polygon::fill(&[vec![[0.0, f64::INFINITY]; 3]], (6, 4)).is_err());
    let zigzag: Vec<[f64; 2]> = (0..2000).map(|k| [f64::from(k % 2) * 60_000.0, 0.0]).collect();
    assert!(polygon::fill(&[zigzag], (6, 4)).unwrap_err().contains("longer"));
}

fn grey16(path: &Path, size: (u32, u32), at: impl Fn(u32, u32) -> u16) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::ImageBuffer::<image::Luma<u16>, _>::from_fn(size.0, size.1, |x, y| image::Luma([at(x, y)]))
        .save(path)
        .unwrap();
}

#[test]
fn pictures_of_ids() {
    let dir = tempfile::tempdir().unwrap();
    // Ids of the scene: 300 and 5 in one, 5 in the other, of twice the size; with the table of ScanNet, one less.
    grey16(&dir.path().join("instance/a.png"), (8, 4), |x, y| if x >= 4 { 300 } else { u16::from(y == 0) * 5 });
    grey16(&dir.path().join("instance/b.png"), (8, 4), |x, _| if x < 4 { 5 } else { 0 });
    grey16(&dir.path().join("instance/z.png"), (8, 4), |_, _| 1);
    std::fs::write(dir.path().join("instance/c.png"), "no picture").unwrap();
    let table =
        json!({"segGroups": [{"objectId": 299, "label": "Sofa"}, {"objectId": 99999, "label": "x"}, {"label": 3}]});
    std::fs::write(dir.path().join("scene0000_00.aggregation.json"), table.to_string()).unwrap();
    let (read, warnings) = heard(dir.path());
    let of = |read: &[FrameMasks], k: usize| -> Vec<(u32, String, u64)> {
        read[k].masks.iter().map(|m| (m.instance_id, m.label.clone(), m.segmentation.area())).collect()
    };
    assert_eq!(of(&read, 0), [(5, "object".into(), 4), (300, "sofa".into(), 16)]);
    assert_eq!(read[0].masks[1].segmentation, mask());
    assert_eq!(of(&read, 1), [(5, "object".into(), 4)]);
    assert!(warnings[0].contains("c.png, z.png"), "{warnings:?}");
    // Where each picture counts from one, an id says nothing of other photos.
    grey16(&dir.path().join("instance/a.png"), (8, 4), |x, _| if x >= 4 { 2 } else { 1 });
    grey16(&dir.path().join("instance/b.png"), (8, 4), |x, _| if x < 4 { 1 } else { 0 });
    std::fs::write(dir.path().join("instance/labels.json"), r#"{"1": "lamp", "x": "y", "2": 4}"#).unwrap();
    let (read, _) = heard(&dir.path().join("instance"));
    assert_eq!(of(&read, 0), [(0, "lamp".into(), 16), (0, "object".into(), 16)]);
    // Colour is no id.
    image::RgbImage::from_pixel(8, 4, image::Rgb([1, 2, 3])).save(dir.path().join("instance/a.png")).unwrap();
    let (read, warnings) = heard(dir.path());
    assert!(read[0].masks.is_empty() && warnings[0].contains("a.png (it is not grey but Rgb8)"), "{warnings:?}");
}

#[test]
fn a_folder_of_pictures_for_each_label() {
    let dir = tempfile::tempdir().unwrap();
    let save = |name: &str, size: (u32, u32), at: &dyn Fn(u32, u32) -> bool| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_fn(size.0, size.1, |x, y| image::Luma([255 * u8::from(at(x, y))])).save(path).unwrap();
    };
    save("coffee_table/a.png", (8, 4), &|x, _| x >= 4);
    save("coffee_table/b.png", (4, 2), &|_, _| false);
    save("chair/b.png", (8, 4), &|x, _| x >= 4);
    save("chair/a.png", (4, 8), &|_, _| true);
    std::fs::create_dir_all(dir.path().join("empty")).unwrap();
    let (read, warnings) = heard(dir.path());
    assert_eq!(read[0].masks.len(), 1);
    assert_eq!((read[0].masks[0].label.as_str(), &read[0].masks[0].segmentation), ("coffee table", &mask()));
    assert_eq!((read[1].masks[0].label.as_str(), read[1].masks[0].segmentation.area()), ("chair", 4));
    assert!(warnings[0].contains("coffee table of b.png (it has no pixel)"), "{warnings:?}");
    assert!(warnings[1].contains("chair of a.png (4 x 8 for 8 x 4)"), "{warnings:?}");
}

#[test]
fn sizes_fit_up_to_rounding() {
    for (of, to, fit) in [
        ((1296, 968), (640, 478), true),
        ((640, 480), (1600, 1200), true),
        ((640, 480), (1599, 1200), true),
        ((320, 213), (640, 427), true),
        ((480, 640), (640, 480), false),
        ((640, 480), (640, 360), false),
        ((1, 1 << 31), (640, 480), false),
        ((0, 0), (640, 480), false),
    ] {
        assert_eq!(scale::fits(of, to), fit, "{of:?} {to:?}");
    }
}
