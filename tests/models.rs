//! Models that a user brings, through the program: features, depth with metres, wrong files, and a broken runtime. The
//! models are the tiny ones of `tests/make_models.py`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
mod common;

use common::{files, json, photos};
use holoscope::scene::folder::SceneFolder;
use image::{Rgb, RgbImage};
use nalgebra::Vector3;
use std::path::{Path, PathBuf};
use std::process::Command;

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

/// The runtime's library. Where `HOLOSCOPE_ONNXRUNTIME` is set, as `tests/run.sh` does, it must be usable.
fn library() -> Option<PathBuf> {
    match holoscope::models::runtime() {
        Ok(runtime) => Some(runtime.path.clone()),
        Err(e) => {
            assert!(std::env::var_os("HOLOSCOPE_ONNXRUNTIME").is_none(), "{e}");
            println!("skipped: {e}");
            None
        }
    }
}

fn run(input: &Path, scene: &Path, args: &[&str]) -> Command {
    let mut command = common::program();
    command.arg("run").arg(input).arg("--out").arg(scene).args(["--json", "--quiet"]).args(args);
    command
}

#[test]
fn photos_are_placed_by_learned_features() {
    if library().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("photos");
    photos(&input, &[400; 8]);
    let features = model("xfeat.onnx");
    let with = |scene: &Path, threads: &str| {
        let args = ["--features", features.to_str().unwrap(), "--until", "poses", "--threads", threads];
        common::Ran::of(&mut run(&input, scene, &args)).ok()
    };
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let ran = with(&one, "1").json();
    println!("{}", ran["figures"]);
    assert!(ran["figures"]["registered"].as_u64() >= Some(7), "{ran}");
    assert!(ran["figures"]["reprojection_error_px"].as_f64().unwrap() < 1.2, "{ran}");
    assert_eq!(json(&one.join("scene.json"))["models"], serde_json::json!(["features: xfeat.onnx on CPU"]));
    with(&two, "2");
    common::assert_same(&files(&one.join("sparse")), &files(&two.join("sparse")), "one thread and two");
    // Without the option they are placed by SIFT, and the scene says so.
    let ran = common::Ran::of(&mut run(&input, &one, &["--until", "poses"])).ok().json();
    assert!(ran["figures"]["registered"].as_u64() >= Some(7), "{ran}");
    assert_eq!(json(&one.join("scene.json"))["models"], serde_json::json!([]));
}

fn hash(x: i64, y: i64, salt: i64) -> f64 {
    let mut z = (x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B) ^ salt.wrapping_mul(0xC2B2_AE35)) as u64;
    z = (z ^ (z >> 31)).wrapping_mul(0x7FB5_D329_728E_A185);
    z = (z ^ (z >> 27)).wrapping_mul(0x81DA_DEF4_BC2D_D44D);
    (z >> 40) as f64 / f64::from(1u32 << 24)
}

/// Smooth noise of two sizes, 0..1.
fn texture(x: f64, y: f64, salt: i64) -> f64 {
    let layer = |scale: f64, salt: i64| {
        let (u, v) = (x * scale, y * scale);
        let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
        let (a, b) = (smooth(u - u.floor()), smooth(v - v.floor()));
        let at = |di: i64, dj: i64| hash(u.floor() as i64 + di, v.floor() as i64 + dj, salt);
        (at(0, 0) * (1.0 - a) + at(1, 0) * a) * (1.0 - b) + (at(0, 1) * (1.0 - a) + at(1, 1) * a) * b
    };
    0.5 * layer(14.0, salt) + 0.5 * layer(5.0, salt + 77)
}

const SIZE: (u32, u32) = (320, 240);
/// Where the cameras of [`slanted_wall`] stand, in metres: they move along the wall, so that its depth stays the same.
fn stations() -> Vec<Vector3<f64>> {
    let along = Vector3::new(0.35, 0.0, 0.1).normalize();
    (0..8).map(|k| along * (0.12 * f64::from(k)) + Vector3::y() * 0.05 * f64::from(k).sin()).collect()
}

/// Photos of a wall 0.35 z - 0.1 x = 1 and a floor y = 0.8, cameras not turned, focal length the width: the wall's inverse
/// depth is 0.4 - 0.1 u / width, what `metric_plane.onnx` says of every photo.
fn slanted_wall(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let f = f64::from(SIZE.0);
    for (k, at) in stations().iter().enumerate() {
        let photo = RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
            let ray = Vector3::new((f64::from(x) + 0.5) / f - 0.5, (f64::from(y) + 0.5 - 120.0) / f, 1.0);
            let wall = (1.0 - (0.35 * at.z - 0.1 * at.x)) / (0.35 - 0.1 * ray.x);
            let floor = if ray.y > 0.0 { (0.8 - at.y) / ray.y } else { f64::INFINITY };
            let p = at + ray * wall.min(floor);
            let shade = if wall < floor { texture(p.x, p.y, 1) } else { texture(p.x, p.z, 2) };
            Rgb([(40.0 + 200.0 * shade) as u8; 3])
        });
        photo.save(folder.join(format!("{k}.png"))).unwrap();
    }
    let k = serde_json::json!({ "width": SIZE.0, "height": SIZE.1, "fx": f, "fy": f, "cx": 160.0, "cy": 120.0 });
    std::fs::write(folder.join("intrinsics.json"), k.to_string()).unwrap();
}

#[test]
fn a_metric_depth_model_gives_metres() {
    if library().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    slanted_wall(&input);
    let depth = model("metric_plane.onnx");
    let args = ["--depth-model", depth.to_str().unwrap(), "--until", "depth"];
    let ran = common::Ran::of(&mut run(&input, &scene, &args)).ok().json();
    println!("{}", ran["figures"]);
    assert_eq!(ran["figures"]["depth_model_frames"], 8, "{ran}");
    let meta = json(&scene.join("scene.json"));
    assert_eq!(meta["units"], "metres");
    assert_eq!(meta["scale_source"], "metric depth model metric_plane");
    assert_eq!(meta["models"], serde_json::json!(["depth: metric_plane on CPU"]));
    let names: Vec<String> = (0..8).map(|k| format!("{k}.png")).collect();
    let sparse = SceneFolder::open(&scene).unwrap().read_sparse(&names).unwrap();
    let (first, last) = (sparse.cameras[0].unwrap().center(), sparse.cameras[7].unwrap().center());
    let (found, truth) = ((last - first).norm(), (stations()[7] - stations()[0]).norm());
    println!("{found:.4} m, {truth:.4} m are right");
    assert!((found / truth - 1.0).abs() < 0.02, "{found} m, {truth} m are right");
    // A note that says something else of the same file is heeded: more is farther there, so that nothing agrees.
    let copy = dir.path().join("plane.onnx");
    std::fs::copy(&depth, &copy).unwrap();
    let args = ["--depth-model", copy.to_str().unwrap(), "--until", "depth"];
    let figure =
        || common::Ran::of(&mut run(&input, &scene, &args)).ok().json()["figures"]["depth_model_frames"].clone();
    std::fs::write(dir.path().join("plane.onnx.toml"), "meaning = \"inverse\"\n").unwrap();
    assert_eq!(figure(), 0);
    std::fs::write(dir.path().join("plane.onnx.toml"), "meaning = \"scale\"\n").unwrap();
    assert_eq!(figure(), 8);
    assert_eq!(json(&scene.join("scene.json"))["units"], "arbitrary");
    // Taken back: the same photos without the model have no scale.
    common::Ran::of(&mut run(&input, &scene, &["--until", "depth"])).ok();
    let meta = json(&scene.join("scene.json"));
    assert_eq!((&meta["units"], &meta["models"]), (&"arbitrary".into(), &serde_json::json!([])));
}

/// The graphs of `tests/make_segmenters.py` find something for each word that is one token to them.
#[test]
fn a_segmenter_with_text_makes_the_masks() {
    if library().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    slanted_wall(&input);
    let segmenter = model("segmenters/usls");
    let args = ["--segmenter", segmenter.to_str().unwrap(), "--until", "masks", "--steps", "10"];
    common::Ran::of(&mut run(&input, &scene, &args)).ok();
    let meta = json(&scene.join("scene.json"));
    let masks = "masks: SAM 3 with text (usls), vision-encoder on CPU";
    assert!(meta["models"].as_array().unwrap().contains(&masks.into()), "{}", meta["models"]);
    let of = |k: usize| json(&scene.join(format!("masks/{k}.json")))["masks"].as_array().unwrap().clone();
    let labels: std::collections::BTreeSet<String> =
        (0..8).flat_map(of).map(|m| m["label"].as_str().unwrap().to_owned()).collect();
    assert!(labels.contains("chair") && labels.contains("sofa") && !labels.contains("armchair"), "{labels:?}");
    // Masks of another program go first; without both the embedded segmenter makes them.
    let index = serde_json::json!({"items": [{"image": "0.png", "label": "crate", "mask_rle": {"size": [240, 320],
        "counts": [0, 24000, 52800]}}, {"image": "x.png", "label": "crate"}]});
    let file = dir.path().join("mask_index.json");
    std::fs::write(&file, index.to_string()).unwrap();
    let args = [&args[..], &["--masks", file.to_str().unwrap()]].concat();
    let ran = common::Ran::of(&mut run(&input, &scene, &args)).ok().json();
    assert_eq!(of(0).len(), 1);
    assert!(of(1).is_empty() && of(0)[0]["label"] == "crate");
    assert!(ran["warnings"].to_string().contains("1 of the 2 masks"), "{ran}");
}

#[test]
fn label_scores_have_a_say_in_names() {
    if library().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    slanted_wall(&input);
    // One mask a photo, of a thing that has no name, and one that has.
    let at = |x: usize, label: &str, k: usize| {
        let rows = (60..180).flat_map(|y| [y * 320 + x, y * 320 + x + 90]);
        let mut bits = vec![false; 320 * 240];
        rows.collect::<Vec<_>>().chunks(2).for_each(|r| bits[r[0]..r[1]].fill(true));
        let rle = holoscope::scene::Rle::encode(320, 240, &bits);
        serde_json::json!({"image": format!("{k}.png"), "label": label, "mask_rle": rle})
    };
    let items: Vec<_> = (0..8).flat_map(|k| [at(30, "object", k), at(200, "crate", k)]).collect();
    let file = dir.path().join("mask_index.json");
    std::fs::write(&file, serde_json::json!({ "items": items }).to_string()).unwrap();
    let scores = model("label_scores/siglip/model.onnx");
    let given = ["--steps", "10", "--masks", file.to_str().unwrap()];
    let with = [&given[..], &["--label-scores", scores.to_str().unwrap()]].concat();
    common::Ran::of(&mut run(&input, &scene, &with)).ok();
    let meta = || json(&scene.join("scene.json"));
    let models = meta()["models"].to_string();
    assert!(models.contains("label scores: siglip/model on CPU"), "{models}");
    // What this graph sees in a room word is little more than the 1 / (1 + e^2) of a text without colours: no name comes of it.
    let instances = json(&scene.join("instances.json"))["instances"].as_array().unwrap().clone();
    assert!(!instances.is_empty());
    for instance in &instances {
        let said = &instance["evidence"]["label"]["label_scores"];
        let share = said["share"].as_f64().unwrap();
        assert!((0.1192..0.3).contains(&share), "{instance}");
        let views = instance["views"].as_array().unwrap().len().min(5);
        assert_eq!(said["photos"], views);
        assert_ne!(instance["evidence"]["label"]["source"], "label scores");
    }
    // The stage is kept for the same model, and made anew without it.
    let again = common::Ran::of(&mut run(&input, &scene, &with)).ok();
    assert!(again.json()["stages"].to_string().contains("instances"));
    let kept = std::fs::read(scene.join("instances.json")).unwrap();
    common::Ran::of(&mut run(&input, &scene, &given)).ok();
    assert!(!meta()["models"].to_string().contains("label scores"));
    assert_ne!(std::fs::read(scene.join("instances.json")).unwrap(), kept);
}

#[test]
fn wrong_files_are_refused_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    photos(&input, &[160; 3]);
    let cut = dir.path().join("cut.onnx");
    let whole = std::fs::read(model("xfeat.onnx")).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    for (option, file, words) in [
        ("--features", model("classifier.onnx"), ["classifier.onnx", "XFeat"]),
        ("--features", model("vggt.onnx"), ["vggt.onnx", "LightGlue"]),
        ("--depth-model", model("xfeat.onnx"), ["xfeat.onnx", "Depth Anything"]),
        ("--depth-model", cut, ["cut.onnx", "ONNX file"]),
        ("--depth-model", dir.path().join("none.onnx"), ["--depth-model", "none.onnx"]),
        ("--detector", dir.path().join("none.onnx"), ["--detector", "none.onnx"]),
        ("--label-scores", dir.path().join("none.onnx"), ["--label-scores", "none.onnx"]),
        ("--label-scores", model("classifier.onnx"), ["classifier.onnx", "SigLIP 2"]),
        ("--detector", model("vggt.onnx"), ["vggt.onnx", "expected is a detector"]),
        ("--detector", model("detectors/dino/labels.txt"), ["labels.txt", "ONNX file"]),
        ("--segmenter", model("classifier.onnx"), ["classifier.onnx", "MobileSAM"]),
        ("--segmenter", model("split"), ["split", "no file of a segmenter"]),
        ("--segmenter", model("segmenters"), ["segmenters", "name one of the files"]),
        ("--masks", model("split"), ["--masks", "LABEL/STEM.png"]),
    ] {
        common::Ran::of(&mut run(&input, &scene, &[option, file.to_str().unwrap()])).fails(&words);
        assert!(!scene.exists());
    }
}

#[test]
fn a_runtime_that_cannot_be_used_is_one_sentence() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    photos(&input, &[160; 3]);
    let bytes = std::fs::read(library).unwrap();
    let (cut, text) = (dir.path().join("libcut.so"), dir.path().join("libtext.so"));
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    std::fs::write(&text, "no library").unwrap();
    let none = dir.path().join("libnone.so");
    for (path, word) in [(&cut, "cut off"), (&text, "not a shared library"), (&none, "No such file")] {
        let features = model("xfeat.onnx");
        let mut command = run(&input, &scene, &["--features", features.to_str().unwrap()]);
        command.env("HOLOSCOPE_ONNXRUNTIME", path);
        common::Ran::of(&mut command).fails(&["HOLOSCOPE_ONNXRUNTIME", path.to_str().unwrap(), word]);
        // The list of models says it, and is no failure.
        let mut command = common::program();
        let said = common::Ran::of(command.arg("models").env("HOLOSCOPE_ONNXRUNTIME", path)).ok();
        assert!(said.out.contains(word), "{said:?}");
    }
}

#[test]
fn the_list_of_models_says_what_is_there() {
    let list = |args: &[&str]| {
        let mut command = common::program();
        common::Ran::of(command.arg("models").args(args).env("HOLOSCOPE_MODELS", model(""))).ok()
    };
    let rows = list(&["--json"]).json();
    let role = |name: &str| rows.as_array().unwrap().iter().find(|r| r["role"] == name).unwrap();
    let source = |name: &str, family: &str| {
        role(name)["sources"].as_array().unwrap().iter().find(|s| s["family"] == family).unwrap()
    };
    let xfeat = source("features", "xfeat");
    assert_eq!((&xfeat["state"], &xfeat["licence"]), (&"there".into(), &"Apache-2.0".into()));
    assert_eq!(xfeat["found"].as_array().unwrap().len(), 2, "{xfeat}");
    assert_eq!(source("depth", "moge")["found"][0], model("moge-2-vits.onnx").to_str().unwrap());
    let sam2 = source("segmenter", "sam2");
    assert_eq!((&sam2["state"], &sam2["bytes"]), (&"there".into(), &155_000_000.into()));
    assert!(sam2["command"].as_str().unwrap().contains(model("").to_str().unwrap()), "{sam2}");
    let files = role("runtime")["files"].as_array().unwrap();
    let other = files.iter().find(|f| f["path"].as_str().unwrap().ends_with("classifier.onnx")).unwrap();
    assert!(other["family"].is_null() && other["problem"].is_null() && other["usable"] == false);
    let text = list(&[]).out;
    for words in [
        "multi-view stereo: built in, the default",
        "XFeat: there",
        "classifier.onnx (0.0 MB): it is a model of no role",
    ] {
        assert!(text.contains(words), "{words:?} is missing in {text}");
    }
}
