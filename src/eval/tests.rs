use super::boxes::{Ap, Detection, average_precision};
use super::truth::TruthBox;
use super::*;
use crate::scene::folder::VERSION;
use crate::scene::{
    DepthMap, FrameMasks, Instance, InstanceState, Instances, Intrinsics, Mask2d, OrientedBox, Quiet, Rle,
};
use image::{ImageBuffer, Luma, RgbImage};
use nalgebra::{Point3, Translation3};
use proptest::prelude::*;
use serde_json::json;

const W: u32 = 96;
const H: u32 = 48;
const FRAMES: usize = 8;
/// Width of an instance in pixels: 41 rows of it are more than the 400 pixels that count as seen.
const BAND: u32 = W / 8;

fn stem(i: usize) -> String {
    format!("f.{i:02}")
}

fn random_turn(rng: &mut fastrand::Rng, size: f64) -> UnitQuaternion<f64> {
    let mut r = || (rng.f64() - 0.5) * size;
    UnitQuaternion::from_euler_angles(r(), r(), r())
}

/// Ground truth and a scene that is like it but for noise, a similarity, lost frames and wrong finds.
struct Case {
    dir: tempfile::TempDir,
    scene: SceneFolder,
}

impl Case {
    fn gt(&self) -> PathBuf {
        self.dir.path().join("gt")
    }

    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let scene = SceneFolder::create(&dir.path().join("scene")).unwrap();
        let gt = dir.path().join("gt");
        for part in ["depth", "instance"] {
            std::fs::create_dir_all(gt.join(part)).unwrap();
        }
        // The scene's world is another one than that of the truth.
        let moved = Similarity {
            scale: 0.5 + rng.f64(),
            rotation: random_turn(&mut rng, 3.0),
            translation: Vector3::new(rng.f64(), 2.0, -1.0),
        };
        let k = Intrinsics { width: W, height: H, fx: 50.0, fy: 50.0, cx: 48.0, cy: 24.0 };
        let (mut cameras, mut frames) = (Vec::new(), Vec::new());
        for i in 0..FRAMES {
            let at = Translation3::new(rng.f64() * 3.0, rng.f64() * 3.0, 1.0 + rng.f64());
            let c2w = Isometry3::from_parts(at, random_turn(&mut rng, 6.0));
            let m = c2w.to_homogeneous();
            let rows: Vec<Vec<f64>> = m.row_iter().map(|r| r.iter().copied().collect()).collect();
            frames.push(json!({"file": stem(i), "c2w": rows}));
            let noisy = Isometry3::from_parts(
                Translation3::from(at.vector + Vector3::new(rng.f64(), rng.f64(), rng.f64()) * 0.05),
                c2w.rotation * random_turn(&mut rng, 0.03),
            );
            cameras.push((i != 5).then(|| moved.camera(&Camera { intrinsics: k, c2w: noisy })));
        }
        let poses = json!({"width": W, "height": H, "fx": 50, "fy": 50, "cx": 48, "cy": 24, "frames": frames});
        std::fs::write(gt.join("poses.json"), poses.to_string()).unwrap();
        let names: Vec<String> = (0..FRAMES).map(|i| format!("{}.jpg", stem(i))).collect();
        scene.write_sparse(&names, &Sparse { cameras, ..Sparse::default() }).unwrap();
        let case = Self { dir, scene };
        case.write_meta(names, &moved);
        case.write_images(&mut rng, moved.scale);
        case.write_boxes(&mut rng, &moved);
        case
    }

    fn write_meta(&self, images: Vec<String>, moved: &Similarity) {
        let r = moved.rotation.to_rotation_matrix();
        let world_from_input = std::array::from_fn(|i| {
            std::array::from_fn(|j| match (i, j) {
                (3, j) => f64::from(j == 3),
                (i, 3) => moved.translation[i],
                (i, j) => moved.scale * r[(i, j)],
            })
        });
        let meta = SceneMeta {
            version: VERSION,
            name: "case".into(),
            source: "x".into(),
            units: "metres".into(),
            scale_source: "x".into(),
            up: [0.0, 0.0, 1.0],
            floor_found: true,
            world_from_input,
            images,
            held_out: vec![],
            stages: vec![],
            program: "0".into(),
            models: vec![],
            warnings: vec![],
            typed_scale: None,
            figures: serde_json::Value::Null,
        };
        self.scene.write_meta(&meta).unwrap();
    }

    /// Depth and instance maps; instances are vertical bands, number 7 is hardly ever there.
    fn write_images(&self, rng: &mut fastrand::Rng, scale: f64) {
        for i in 0..FRAMES {
            let truth: Vec<u16> =
                (0..W * H).map(|_| if rng.u8(..) < 30 { 0 } else { 1000 + rng.u16(..3000) }).collect();
            let image = ImageBuffer::<Luma<u16>, _>::from_raw(W, H, truth.clone()).unwrap();
            image.save(self.gt().join("depth").join(format!("{}.png", stem(i)))).unwrap();
            // One frame at half the size, one missing.
            let step = if i == 2 { 2 } else { 1 };
            let (w, h) = (W / step, H / step);
            let data = (0..w * h)
                .map(|p| {
                    let g = truth[(p / w * step * W + p % w * step) as usize];
                    let noise = (rng.f64() - 0.5) * 0.25;
                    if rng.u8(..) < 25 { 0.0 } else { ((f64::from(g) / 1000.0 + noise) * scale) as f32 }
                })
                .collect();
            if i != 3 {
                self.scene.write_depth(&stem(i), &DepthMap { width: w, height: h, data }).unwrap();
            }
            let ids = ImageBuffer::from_fn(W, H, |x, y| {
                let id = (x / BAND) as u16;
                Luma([if id == 7 && i > 1 { 0 } else { id + u16::from(y > 40) * 300 }])
            });
            ids.save(self.gt().join("instance").join(format!("{}.png", stem(i)))).unwrap();
            let masks = (1..8u32)
                .map(|id| {
                    let shift = rng.u32(..4);
                    let (w, h) = if id == 4 { (W / 2, H / 2) } else { (W, H) };
                    let bits: Vec<bool> = (0..w * h)
                        .map(|p| ((p % w) * W / w + shift) / BAND == id && p / w > h / 10 && rng.u8(..) > 20)
                        .collect();
                    let segmentation = Rle::encode(w, h, &bits);
                    Mask2d { instance_id: id * 10, label: "x".into(), score: 0.9, segmentation }
                })
                .collect();
            let masks = FrameMasks { image: stem(i), width: W, height: H, masks };
            if i != 6 {
                self.scene.write_masks(&stem(i), &masks).unwrap();
            }
        }
    }

    /// Boxes 1 to 7 and a floor; finds of all of them, two of number 2, and one of nothing.
    fn write_boxes(&self, rng: &mut fastrand::Rng, moved: &Similarity) {
        let (mut boxes, mut instances) = (Vec::new(), Vec::new());
        let state = [InstanceState::Kept, InstanceState::Verify];
        for id in 1..=7u32 {
            let c = Point3::new(f64::from(id) * 1.5, rng.f64(), 0.5);
            let size = Vector3::new(0.4 + rng.f64(), 0.4 + rng.f64(), 1.0);
            let yaw = rng.f64() * 3.0;
            let aliases = &["Chair", "object"][id as usize % 2..];
            boxes.push(json!({"id": id, "label": format!("thing{id}"), "aliases": aliases,
                "caption": "", "center": [c.x, c.y, c.z], "size": [size.x, size.y, size.z], "yaw": yaw,
                "structural": false}));
            for copy in 0..1 + u32::from(id == 2) {
                let at = c + Vector3::new(rng.f64() - 0.5, rng.f64() - 0.5, 0.1) * 0.5;
                let obb = OrientedBox::upright(at, size * (0.8 + rng.f64() * 0.4), yaw + (rng.f64() - 0.5) * 0.5);
                instances.push(Instance {
                    id: id * 10 + copy,
                    label: match id {
                        3 => "Thing3".into(),
                        4 => "sofa".into(),
                        5 => "object".into(),
                        _ => format!("thing{id}"),
                    },
                    caption: String::new(),
                    score: f64::from(rng.u8(..20)) / 20.0,
                    state: state[rng.usize(..2)],
                    obb: obb.transformed(moved),
                    views: vec![],
                    best_view: stem(0),
                    evidence: serde_json::Value::Null,
                });
            }
        }
        boxes.push(json!({"id": 9, "label": "floor", "aliases": [], "center": [0, 0, 0], "size": [9, 9, 0], "yaw": 0,
            "structural": true}));
        for (id, label, state, x) in
            [(90, "floor", state[0], 0.0), (91, "ghost", state[0], 40.0), (92, "thing1", InstanceState::Dropped, 1.5)]
        {
            let obb = OrientedBox::upright(Point3::new(x, 0.0, 0.5), Vector3::repeat(1.0), 0.2).transformed(moved);
            instances.push(Instance { id, label: label.into(), score: 0.7, state, obb, ..instances[0].clone() });
        }
        std::fs::write(self.gt().join("boxes.json"), serde_json::Value::from(boxes).to_string()).unwrap();
        self.scene.write_instances(&Instances { version: 1, instances }).unwrap();
    }

    fn report(&self) -> Report {
        evaluate(&self.scene, &self.gt(), &|_| None, &Quiet).unwrap()
    }
}

/// Runs the independent scorer; `None`, saying why, where it cannot run.
fn score_py(case: &Case) -> Option<serde_json::Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tools/score.py");
    let importable = std::process::Command::new("python3").args(["-c", "import numpy, scipy, PIL"]).output();
    if !script.is_file() || !importable.is_ok_and(|o| o.status.success()) {
        println!("skipped: {} or python3 with numpy, scipy and pillow is not there", script.display());
        return None;
    }
    let command = std::process::Command::new("python3").arg(&script).arg(case.scene.root()).arg(case.gt()).output();
    let output = command.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Every number that the independent scorer gives is in the report, and the same.
fn compare(case: &Case) -> usize {
    let Some(expected) = score_py(case) else { return usize::MAX };
    let report = case.report();
    let mut compared = 0;
    for (name, value) in expected.as_object().unwrap() {
        let Some(value) = value.as_f64() else { continue };
        let ours = report.value(name).unwrap_or_else(|| panic!("{name} is missing:\n{report}"));
        assert!((ours - value).abs() < 1e-3, "{name}: {ours}, score.py says {value}");
        compared += 1;
    }
    for (name, of) in [("mask_iou_2d_per_gt", 0), ("best_iou_per_gt", 1)] {
        for (key, value) in expected[name].as_object().into_iter().flatten() {
            let object = report.objects.iter().find(|o| key.ends_with(&format!("#{}", o.id))).unwrap();
            let ours = [object.mask_iou, object.best_box_iou][of].unwrap();
            assert!((ours - value.as_f64().unwrap()).abs() < 2e-3, "{key}");
            compared += 1;
        }
    }
    compared
}

#[test]
fn agrees_with_the_independent_scorer() {
    for seed in [1, 2] {
        let case = Case::new(seed);
        assert!(compare(&case) >= 25);
        let report = case.report();
        assert_eq!(report.value("images"), Some(8.0));
        assert_eq!(report.value("registered"), Some(7.0));
        assert_eq!(report.value("gt_instances"), Some(6.0), "number 7 is hardly seen");
        assert_eq!(
            report.value("detections"),
            Some(8.0),
            "not the floor, not the dropped one, not number 7:\n{report}"
        );
    }
}

#[test]
fn agrees_where_the_truth_is_incomplete() {
    let case = Case::new(3);
    std::fs::remove_dir_all(case.gt().join("instance")).unwrap();
    let boxes = std::fs::read_to_string(case.gt().join("boxes.json")).unwrap();
    std::fs::write(case.gt().join("boxes.json"), boxes.replacen("\"id\":1", "\"list_incomplete\":true,\"id\":1", 1))
        .unwrap();
    assert!(compare(&case) >= 15);
    let report = case.report();
    assert!(report.value("ap25_agnostic").is_none() && report.value("r25_agnostic").is_some());
    assert!(report.value("mask_iou_2d").is_none() && report.notes.iter().any(|n| n.contains("instance/")));
}

#[test]
fn parts_that_are_missing_are_said() {
    let case = Case::new(4);
    let note = |r: &Report, text: &str| assert!(r.notes.iter().any(|n| n.contains(text)), "{text}: {:?}", r.notes);
    let whole = case.report();
    note(&whole, "PSNR");
    // Without true poses the frame of the input is that of the truth: nearly the same boxes match.
    std::fs::remove_file(case.gt().join("poses.json")).unwrap();
    let report = case.report();
    note(&report, "no poses.json");
    let gap = report.value("ap25_agnostic").unwrap() - whole.value("ap25_agnostic").unwrap();
    assert!(report.value("ate_m").is_none() && gap.abs() < 0.3, "{gap}");
    std::fs::remove_file(case.scene.root().join("instances.json")).unwrap();
    note(&case.report(), "no instances.json");
    std::fs::remove_dir_all(case.gt().join("depth")).unwrap();
    std::fs::remove_file(case.gt().join("boxes.json")).unwrap();
    note(&case.report(), "no depth/");
    std::fs::remove_dir_all(case.gt().join("instance")).unwrap();
    let error = evaluate(&case.scene, &case.gt(), &|_| None, &Quiet).unwrap_err().to_string();
    assert!(error.contains("holds no ground truth"), "{error}");
}

#[test]
fn psnr_of_views_held_out() {
    let case = Case::new(5);
    let mut meta = case.scene.read_meta().unwrap();
    meta.held_out = vec![stem(1), stem(4), stem(5)];
    meta.images.iter_mut().for_each(|n| *n = n.replace(".jpg", ".png"));
    case.scene.write_meta(&meta).unwrap();
    let sparse = case.scene.read_sparse(&(0..FRAMES).map(|i| format!("{}.jpg", stem(i))).collect::<Vec<_>>()).unwrap();
    case.scene.write_sparse(&meta.images, &sparse).unwrap();
    std::fs::create_dir(case.scene.root().join("images")).unwrap();
    for (i, grey) in [(1, 51), (4, 102)] {
        RgbImage::from_pixel(W, H, image::Rgb([grey; 3]))
            .save(case.scene.image_path(&format!("{}.png", stem(i))))
            .unwrap();
    }
    // Errors of 0.1 and 0.3: 20 dB and 10.458 dB.
    let render = |c: &Camera| Some(vec![[0.1f32; 3]; (c.intrinsics.width * c.intrinsics.height) as usize]);
    let report = evaluate(&case.scene, &case.gt(), &render, &Quiet).unwrap();
    let expected = (20.0 - 20.0 * 0.3f64.log10()) / 2.0;
    assert!((report.value("psnr_held_out").unwrap() - expected).abs() < 1e-4, "{report}");
    // Far from the edges of even pictures the structure is the same: only the means differ.
    let ssim = report.value("ssim_held_out").unwrap();
    let even = |a: f64, b: f64| (2.0 * a * b + 1e-4) / (a * a + b * b + 1e-4);
    let inside = (even(0.1, 0.2) + even(0.1, 0.4)) / 2.0;
    assert!((ssim - inside).abs() < 0.2 && ssim < 1.0, "{ssim}, {inside}");
    assert!(report.notes.iter().any(|n| n.contains("f.05") && n.contains("not registered")));
    let report = case.report();
    assert!(report.value("psnr_held_out").is_none() && report.notes.iter().any(|n| n.contains("cannot be rendered")));
}

#[test]
fn every_metric_has_its_definition_in_the_json_and_the_table() {
    let report = Case::new(6).report();
    let json = serde_json::to_value(&report).unwrap();
    let table = report.to_string();
    for m in &report.metrics {
        let entry = &json["metrics"][&m.name];
        assert_eq!(entry["value"].as_f64(), Some(m.value));
        assert!(entry["definition"].as_str().unwrap().len() > 10 && table.contains(&m.definition), "{}", m.name);
    }
    assert_eq!(json["metrics"].as_object().unwrap().len(), report.metrics.len());
}

fn a_box(id: u32, x: f64) -> TruthBox {
    serde_json::from_value(
        json!({"id": id, "label": "Mug", "aliases": ["cup"], "center": [x, 0, 0], "size": [1, 1, 1]}),
    )
    .unwrap()
}

fn find(score: f64, label: &str, x: f64) -> Detection {
    let obb = OrientedBox::upright(Point3::new(x, 0.0, 0.0), Vector3::repeat(1.0), 0.0);
    Detection { score, label: label.into(), obb }
}

#[test]
fn average_precision_by_hand() {
    let truth = [a_box(1, 0.0), a_box(2, 5.0)];
    let truth: Vec<&TruthBox> = truth.iter().collect();
    // Right, wrong (the same object again), right: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1.
    let found = [find(0.9, "CUP", 0.1), find(0.8, "mug", 0.0), find(0.7, "plate", 5.2)];
    let ap = average_precision(&found, &truth, 0.5, false).unwrap();
    let expected = Ap { ap: 0.5 + 0.5 * 2.0 / 3.0, precision: 2.0 / 3.0, recall: 1.0 };
    assert!((ap.ap - expected.ap).abs() < 1e-12 && ap.precision == expected.precision && ap.recall == 1.0);
    // The plate is no mug.
    assert_eq!(average_precision(&found, &truth, 0.5, true), Some(Ap { ap: 0.5, precision: 1.0 / 3.0, recall: 0.5 }));
    assert_eq!(average_precision(&[], &truth, 0.5, true), Some(Ap { ap: 0.0, precision: 0.0, recall: 0.0 }));
    assert_eq!(average_precision(&found, &[], 0.5, true), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// A damaged ground truth is an error or a report, never a panic.
    #[test]
    fn damaged_truth_never_panics(seed in any::<u64>()) {
        let case = Case::new(7);
        let mut rng = fastrand::Rng::with_seed(seed);
        let files = ["poses.json", "boxes.json", "depth/f.00.png", "instance/f.01.png"];
        for file in files.iter().filter(|_| rng.bool()).collect::<Vec<_>>() {
            let path = case.gt().join(file);
            let mut bytes = std::fs::read(&path).unwrap();
            for _ in 0..rng.usize(1..5) {
                let at = rng.usize(..bytes.len());
                bytes[at] = if rng.bool() { rng.u8(..) } else { *rng.choice(b"0123456789-.e{}[],").unwrap() };
            }
            std::fs::write(&path, bytes).unwrap();
        }
        if let Ok(report) = evaluate(&case.scene, &case.gt(), &|_| None, &Quiet) {
            prop_assert!(report.metrics.iter().all(|m| m.value.is_finite()));
        }
    }
}

/// What a reviewer is shown is what `eval` counts.
#[test]
fn objects_one_by_one_add_up_to_the_metrics() {
    for seed in [6, 7, 8] {
        let case = Case::new(seed);
        let report = case.report();
        let truth = true_objects(&case.scene, &case.gt(), &Quiet).unwrap();
        let instances = case.scene.read_instances().unwrap().instances;
        for (same_label, kind) in [(false, "agnostic"), (true, "labelled")] {
            for (threshold, percent) in [(0.25, 25), (0.5, 50)] {
                let kept = instances.iter().filter(|i| i.state != InstanceState::Dropped);
                let found = kept.map(|i| Found { id: i.id, label: &i.label, score: i.score, obb: i.obb });
                let matching = truth.matched(found, threshold, same_label);
                let of = |f: fn(&Outcome) -> bool| matching.outcomes.values().filter(|o| f(o)).count() as f64;
                let (right, wrong) = (of(|o| matches!(o, Outcome::Right(_))), of(|o| matches!(o, Outcome::Wrong)));
                let value = |name: &str| report.value(&format!("{name}{percent}_{kind}")).unwrap();
                assert!((value("p") - right / (right + wrong).max(1.0)).abs() < 1e-12);
                assert!((value("r") - right / truth.objects.len() as f64).abs() < 1e-12);
                assert_eq!(matching.missed.len(), truth.objects.len() - right as usize);
            }
        }
    }
    let case = Case::new(6);
    std::fs::remove_file(case.gt().join("boxes.json")).unwrap();
    assert!(matches!(true_objects(&case.scene, &case.gt(), &Quiet), Err(EvalError::NoBoxes(_))));
}
