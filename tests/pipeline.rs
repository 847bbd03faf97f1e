//! The whole pipeline on eight small photos, and every command that reads its result. One scene is made once and shared.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
mod common;

use common::{assert_same, files, json, photos, state};
use holoscope::pipeline::{Message, Pipeline, RunOptions, SceneView, Stage, TypedDistance, rescale};
use holoscope::review::{Decision, Review};
use holoscope::scene::folder::{SceneFolder, read_depth_png};
use holoscope::scene::{Camera, Instance, Quiet, Similarity, Sparse};
use holoscope::splat;
use image::DynamicImage;
use nalgebra::{Matrix3, Rotation3, UnitQuaternion, Vector3};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// Widths of the photos: two are smaller.
const WIDTHS: [u32; 8] = [320, 320, 256, 320, 320, 320, 256, 320];
const STAGES: [&str; 7] = ["frames", "poses", "depth", "splats", "mesh", "masks", "instances"];
/// What all runs that are compared have in common.
const OPTIONS: [&str; 6] = ["--seed", "7", "--steps", "60", "--holdout", "4"];

/// A finished scene, and the photos that it was made of.
struct Made {
    input: PathBuf,
    scene: PathBuf,
    stems: Vec<String>,
    /// What `run --json` printed.
    printed: Value,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    // Not a temporary folder: a static is never dropped.
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pipeline");
    let _ = std::fs::remove_dir_all(&root);
    let (input, scene) = (root.join("photos"), root.join("scene"));
    let stems = photos(&input, &WIDTHS);
    let ran = common::Ran::of(run(&input, &scene).args(["--threads", "2", "--json"])).ok();
    Made { input, scene, stems, printed: ran.json() }
});

impl Made {
    fn folder(&self) -> SceneFolder {
        SceneFolder::open(&self.scene).unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.stems.iter().map(|s| format!("{s}.jpg")).collect()
    }

    fn sparse(&self) -> Sparse {
        self.folder().read_sparse(&self.names()).unwrap()
    }

    fn cameras(&self) -> Vec<Camera> {
        self.sparse().cameras.into_iter().map(Option::unwrap).collect()
    }

    fn instances(&self) -> Vec<Instance> {
        self.folder().read_instances().unwrap().instances
    }

    /// A copy of the scene that a test may write to.
    fn copy(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, bytes) in files(&self.scene) {
            let to = dir.path().join("scene").join(path);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::write(to, bytes).unwrap();
        }
        dir
    }
}

fn run(input: &Path, scene: &Path) -> Command {
    let mut program = common::program();
    program.arg("run").arg(input).arg("--out").arg(scene).args(OPTIONS);
    program
}

/// `scene.json` without what differs from run to run: how long things took.
fn timeless(scene: &Path) -> Value {
    let mut meta = json(&scene.join("scene.json"));
    for stage in meta["stages"].as_array_mut().unwrap() {
        stage["seconds"] = Value::Null;
    }
    meta
}

/// Every file of a scene but those that hold times.
fn results(scene: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = files(scene);
    found.retain(|path, _| !["scene.json", "timings.json", "training.json"].iter().any(|name| path.ends_with(name)));
    found
}

fn matrix(c2w: &nalgebra::Isometry3<f64>) -> Value {
    let m = c2w.to_homogeneous();
    json!((0..4).map(|r| (0..4).map(|c| m[(r, c)]).collect::<Vec<f64>>()).collect::<Vec<_>>())
}

/// A `poses.json` with cameras of one size, moved by a similarity.
fn poses(cameras: &[(&str, Camera)], moved: &Similarity) -> Value {
    let mut file = common::intrinsics(WIDTHS[0]);
    let frames = cameras.iter().map(|(stem, c)| json!({ "file": stem, "c2w": matrix(&moved.camera(c).c2w) }));
    file["frames"] = frames.collect();
    file
}

fn some_similarity() -> Similarity {
    Similarity {
        scale: 1.7,
        rotation: UnitQuaternion::from_euler_angles(0.4, -1.1, 2.0),
        translation: Vector3::new(3.0, -2.0, 0.5),
    }
}

#[test]
fn the_scene_folder_is_as_the_contract_says() {
    let made = &*MADE;
    let meta = json(&made.scene.join("scene.json"));
    assert_eq!(meta["version"], 1);
    for key in ["name", "source", "units", "scale_source", "program"] {
        assert!(meta[key].as_str().is_some_and(|s| !s.is_empty()), "{key}: {}", meta[key]);
    }
    assert_eq!(meta["up"], json!([0.0, 0.0, 1.0]));
    assert_eq!(meta["images"], json!(made.names()));
    assert_eq!(meta["held_out"], json!([made.stems[0], made.stems[4]]));
    assert!(meta["models"].is_array() && meta["warnings"].is_array());
    let stages = meta["stages"].as_array().unwrap();
    assert_eq!(stages.iter().map(|s| s["name"].as_str().unwrap()).collect::<Vec<_>>(), STAGES);
    for s in stages {
        assert!(
            s["state"] == "done" && s["seconds"].is_f64() && s["device"] == "cpu" && s["options"].is_object(),
            "{s}"
        );
    }
    let timings = json(&made.scene.join("timings.json"));
    assert_eq!(timings.as_array().unwrap().iter().map(|t| t["stage"].as_str().unwrap()).collect::<Vec<_>>(), STAGES);
    assert!(timings.as_array().unwrap().iter().all(|t| t["seconds"].as_f64().is_some_and(|s| s >= 0.0)));
    assert_eq!(made.printed["figures"], meta["figures"]);
    assert_eq!(made.printed["instances"], made.instances().len());
    assert_eq!(meta["figures"]["registered"], 8, "{}", meta["figures"]);
    assert!(meta["figures"]["psnr_held_out_db"].as_f64().is_some_and(|p| p > 15.0), "{}", meta["figures"]);

    // COLMAP: world to camera, two lines an image.
    let images = std::fs::read_to_string(made.scene.join("sparse/0/images.txt")).unwrap();
    assert_eq!(images.lines().filter(|l| !l.starts_with('#')).count(), 16);
    let sparse = made.sparse();
    assert!(sparse.points.len() > 100 && sparse.mean_reprojection_error() < 1.0);
    for (stem, width) in made.stems.iter().zip(WIDTHS) {
        let depth = image::open(made.scene.join(format!("depth/{stem}.png"))).unwrap();
        assert!(matches!(depth, DynamicImage::ImageLuma16(_)), "{stem}: {:?}", depth.color());
        assert_eq!((depth.width(), depth.height()), (width, width * 3 / 4));
        assert!(made.folder().read_depth(stem).unwrap().coverage() > 0.5);
        let copy = std::fs::read(made.scene.join(format!("images/{stem}.jpg"))).unwrap();
        assert_eq!(copy, std::fs::read(made.input.join(format!("{stem}.jpg"))).unwrap());
    }
    let mesh = made.folder().read_mesh().unwrap();
    assert!(mesh.triangles.len() > 1000);
    assert!(!made.scene.join("review.jsonl").exists(), "the pipeline decides nothing");
}

#[test]
fn the_splat_is_an_ordinary_3dgs_file() {
    let path = MADE.scene.join("splat.ply");
    let bytes = std::fs::read(&path).unwrap();
    let end = bytes.windows(11).position(|w| w == b"end_header\n").unwrap() + 11;
    let header = std::str::from_utf8(&bytes[..end]).unwrap();
    assert!(header.starts_with("ply\nformat binary_little_endian 1.0\n"), "{header}");
    let properties: Vec<&str> = header.lines().filter_map(|l| l.strip_prefix("property float ")).collect();
    for name in ["x", "y", "z", "f_dc_0", "f_dc_2", "f_rest_0", "opacity", "scale_0", "scale_2", "rot_0", "rot_3"] {
        assert!(properties.contains(&name), "{name} is missing in {header}");
    }
    let count: usize = header.lines().find_map(|l| l.strip_prefix("element vertex ")).unwrap().parse().unwrap();
    assert_eq!(bytes.len() - end, count * properties.len() * 4);
    let gaussians = splat::read_ply(&path).unwrap();
    assert!(gaussians.len() == count && count > 1000);
}

#[test]
fn masks_and_instances_belong_together() {
    let made = &*MADE;
    let raw = json(&made.scene.join("instances.json"));
    assert_eq!(raw["version"], 1);
    let instances = raw["instances"].as_array().unwrap();
    assert!(!instances.is_empty());
    let stems: BTreeSet<&str> = made.stems.iter().map(String::as_str).collect();
    let numbers = |v: &Value, n: usize| v.as_array().is_some_and(|a| a.len() == n && a.iter().all(Value::is_number));
    let mut seen: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for i in instances {
        assert!(i["label"].as_str().is_some_and(|l| !l.is_empty()) && i["caption"].is_string(), "{i}");
        assert!(i["score"].as_f64().is_some_and(|s| (0.0..=1.0).contains(&s)) && i["evidence"].is_object(), "{i}");
        assert!(["kept", "verify", "dropped"].contains(&i["state"].as_str().unwrap()), "{i}");
        let b = &i["box"];
        assert!(numbers(&b["center"], 3) && numbers(&b["size"], 3) && numbers(&b["rotation_wxyz"], 4), "{i}");
        let views: BTreeSet<&str> =
            i["views"].as_array().unwrap().iter().map(|v| v["image"].as_str().unwrap()).collect();
        assert!(views.is_subset(&stems) && views.contains(i["best_view"].as_str().unwrap()), "{i}");
        assert!(seen.insert(i["id"].as_u64().unwrap(), views).is_none(), "two instances with one id: {i}");
    }
    let mut masks = 0;
    for (stem, width) in made.stems.iter().zip(WIDTHS) {
        let file = json(&made.scene.join(format!("masks/{stem}.json")));
        let height = width * 3 / 4;
        assert_eq!(
            (&file["image"], &file["width"], &file["height"]),
            (&json!(format!("{stem}.jpg")), &json!(width), &json!(height))
        );
        for mask in file["masks"].as_array().unwrap() {
            assert!(mask["label"].is_string() && mask["score"].is_number(), "{mask}");
            let segmentation = &mask["segmentation"];
            assert!(segmentation["size"] == json!([height, width]) && segmentation["counts"].is_string(), "{mask}");
            let id = mask["instance_id"].as_u64().unwrap();
            assert!(seen.get(&id).is_some_and(|views| views.contains(stem.as_str())), "{stem}: mask of instance {id}");
            masks += 1;
        }
    }
    assert!(masks >= instances.len());
}

/// Starts a run and kills it (SIGKILL) when a line on its stderr begins with `at` and ends with a percentage.
fn kill_at(made: &Made, scene: &Path, at: &str) {
    let mut child = run(&made.input, scene);
    let mut child = child.args(["--threads", "1"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut said = Vec::new();
    for line in lines {
        let there = line.starts_with(at) && line.ends_with('%');
        said.push(line);
        if there {
            break;
        }
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(said.last().unwrap().starts_with(at), "it ended before: {said:?}");
}

/// Killed in two stages, gone on with, then stage by stage, each reading back what the one before wrote, on one thread:
/// every byte is that of one undisturbed run on two threads.
#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let made = &*MADE;
    let dir = tempfile::tempdir().unwrap();
    let scene = dir.path().join("scene");
    let mut done = Vec::new();
    for (killed_in, next) in [("depth", "depth"), ("splats", "splats")] {
        kill_at(made, &scene, killed_in);
        assert_eq!(state(&scene, killed_in), "running");
        let ran = common::Ran::of(run(&made.input, &scene).args(["--threads", "1", "--until", next])).ok();
        done = STAGES.iter().copied().take_while(|s| *s != next).collect();
        for stage in &done {
            let kept = |l: &str| l.starts_with(&format!("{stage} done")) && l.ends_with("(kept from the last run)");
            assert!(ran.err.lines().any(kept), "{stage} was made again: {ran:?}");
        }
        assert!(!ran.err.contains(&format!("{next} done in 0.0 s (kept")), "{ran:?}");
    }
    assert_eq!(done.len(), 3);
    for stage in ["mesh", "masks", "instances"] {
        common::Ran::of(run(&made.input, &scene).args(["--threads", "1", "--until", stage])).ok();
    }
    assert_same(&results(&made.scene), &results(&scene), "a killed run");
    assert_eq!(timeless(&made.scene), timeless(&scene));
}

#[test]
fn a_finished_run_is_kept_and_changes_nothing() {
    let dir = MADE.copy();
    let scene = dir.path().join("scene");
    std::fs::write(scene.join("review.jsonl"), "").unwrap();
    let before = files(&scene);
    let again = common::Ran::of(&mut run(&MADE.input, &scene)).ok();
    assert_eq!(again.err.matches("kept from the last run").count(), 7, "{again:?}");
    common::Ran::of(run(&MADE.input, &scene).args(["--until", "frames"])).ok();
    assert_same(&before, &files(&scene), "a second run");
    // What cannot be read back is made again, with the same result.
    let (damaged, whole) = (scene.join("instances.json"), before[Path::new("instances.json")].clone());
    std::fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let repaired = common::Ran::of(&mut run(&MADE.input, &scene)).ok();
    assert!(repaired.err.contains("warning: the result of stage instances cannot be read back"), "{repaired:?}");
    assert_eq!(repaired.err.matches("kept from the last run").count(), 6, "{repaired:?}");
    assert_eq!(std::fs::read(&damaged).unwrap(), whole);
}

/// A run as the window has it: cancelled in a stage, it says so, and another one goes on from there.
/// A distance typed in the window: a resumed run keeps the scene as it is then, and a stage that is made anew comes to
/// the same scale.
#[test]
fn a_typed_scale_lasts() {
    let made = &*MADE;
    let dir = made.copy();
    let scene = dir.path().join("scene");
    let folder = SceneFolder::open(&scene).unwrap();
    let typed = TypedDistance { in_scene: 1.0, metres: 1.7 };
    assert_eq!(rescale(&folder, &typed, "test", &Quiet).unwrap(), 1.7);
    let centers = || -> Vec<_> {
        let sparse = folder.read_sparse(&made.names()).unwrap();
        sparse.cameras.iter().flatten().map(Camera::center).collect()
    };
    let after = centers();
    assert!(made.cameras().iter().zip(&after).all(|(a, b)| (a.center().coords * 1.7 - b.coords).norm() < 1e-9));
    let kept = common::Ran::of(&mut run(&made.input, &scene)).ok();
    assert_eq!(kept.err.matches("kept from the last run").count(), 7, "{kept:?}");
    assert_eq!(centers(), after);
    std::fs::remove_dir_all(scene.join("cache/dense")).unwrap();
    common::Ran::of(run(&made.input, &scene).args(["--until", "depth"])).ok();
    assert!(centers().iter().zip(&after).all(|(a, b)| (a - b).norm() < 1e-6), "made anew at the same scale");
    let meta = json(&scene.join("scene.json"));
    assert_eq!((&meta["units"], &meta["scale_source"]), (&json!("metres"), &json!("typed: 1.70 m between two points")));
}

#[test]
fn a_cancelled_run_keeps_what_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    photos(&input, &[256; 4]);
    let options = RunOptions { until: Some(Stage::Depth), steps: Some(20), ..RunOptions::default() };
    let start = || Pipeline::start(input.clone(), scene.clone(), options.clone(), || {});
    for stage in [Stage::Frames, Stage::Poses, Stage::Depth] {
        let pipeline = start();
        // Paused before it has done anything, so that the cancel comes while the stage is at work.
        pipeline.set_paused(true);
        let mut said = Vec::new();
        while let Ok(message) = pipeline.messages.recv() {
            match message {
                Message::StageStarted(s) if s == stage => pipeline.cancel(),
                Message::StageStarted(_) => pipeline.set_paused(false),
                _ => {}
            }
            said.push(message);
        }
        assert_eq!(said.last(), Some(&Message::Cancelled), "{stage:?}: {said:?}");
        if stage > Stage::Frames {
            assert_eq!(state(&scene, stage.name()), "cancelled");
            assert_eq!(state(&scene, "frames"), "done");
        }
    }
    let pipeline = start();
    let said: Vec<Message> = pipeline.messages.iter().collect();
    assert_eq!(said.last(), Some(&Message::Finished), "{said:?}");
    let reused =
        |s: Stage| said.iter().any(|m| matches!(m, Message::StageFinished { stage, reused: true, .. } if *stage == s));
    assert!(reused(Stage::Frames) && reused(Stage::Poses) && !reused(Stage::Depth), "{said:?}");
}

/// Cancelled while it trains, a run goes on at the step where it stopped, and ends with the bytes of an undisturbed one.
#[test]
fn cancelled_training_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("photos");
    photos(&input, &[256; 4]);
    let options = RunOptions {
        until: Some(Stage::Splats),
        steps: Some(90),
        device: holoscope::pipeline::Device::Cpu,
        ..RunOptions::default()
    };
    let start = |scene: &Path| Pipeline::start(input.clone(), scene.to_owned(), options.clone(), || {});
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    assert_eq!(start(&whole).messages.iter().last(), Some(Message::Finished));
    let pipeline = start(&parts);
    let mut last = None;
    while let Ok(message) = pipeline.messages.recv() {
        if matches!(message, Message::StageProgressed { stage: Stage::Splats, done, .. } if done >= 20) {
            pipeline.cancel();
        }
        last = Some(message);
    }
    assert_eq!(last, Some(Message::Cancelled));
    assert!(parts.join("cache/training.bin").is_file());
    let said: Vec<Message> = start(&parts).messages.iter().collect();
    let goes_on = |m: &Message| matches!(m, Message::Noted(text) if text.starts_with("training goes on from step"));
    assert!(said.iter().any(goes_on) && said.last() == Some(&Message::Finished), "{said:?}");
    assert!(!parts.join("cache/training.bin").exists());
    assert_eq!(std::fs::read(whole.join("splat.ply")).unwrap(), std::fs::read(parts.join("splat.ply")).unwrap());
    let training = SceneFolder::open(&parts).unwrap().read_training().unwrap().unwrap();
    assert_eq!((training.device.as_str(), training.steps, training.views.len()), ("cpu", 90, 4));
    assert!(training.points.last().unwrap().step == 90 && training.views.iter().all(|v| v.psnr_db > 5.0));
}

/// Given poses come back as they were, moved by the similarity that `scene.json` tells.
#[test]
fn given_poses_are_kept() {
    let made = &*MADE;
    let dir = tempfile::tempdir().unwrap();
    let (input, scene) = (dir.path().join("capture"), dir.path().join("scene"));
    let stems = photos(&input.join("rgb"), &[320; 5]);
    let given: Vec<(&str, Camera)> = stems.iter().map(String::as_str).zip(made.cameras()).collect();
    let file = poses(&given, &some_similarity());
    std::fs::write(input.join("poses.json"), file.to_string()).unwrap();
    let ran = holoscope!["run", &input, "--out", &scene, "--poses", "given", "--until", "depth", "--json"].ok();
    assert_eq!(ran.json()["units"], "metres");
    let meta = json(&scene.join("scene.json"));
    let m: Vec<Vec<f64>> = serde_json::from_value(meta["world_from_input"].clone()).unwrap();
    let linear = Matrix3::from_fn(|r, c| m[r][c]);
    let scale = linear.determinant().cbrt();
    assert!((scale - 1.0).abs() < 1e-9, "metres stay metres: {scale}");
    let world = Similarity {
        scale,
        rotation: UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(linear / scale)),
        translation: Vector3::new(m[0][3], m[1][3], m[2][3]),
    };
    let names: Vec<String> = stems.iter().map(|s| format!("{s}.jpg")).collect();
    let found = SceneFolder::open(&scene).unwrap().read_sparse(&names).unwrap().cameras;
    for ((stem, camera), found) in given.iter().zip(found) {
        let (expected, found) = (world.camera(&some_similarity().camera(camera)).c2w, found.unwrap().c2w);
        let apart = (expected.translation.vector - found.translation.vector).norm();
        assert!(apart < 1e-9 && expected.rotation.angle_to(&found.rotation) < 1e-9, "{stem}: {apart}");
    }
}

#[test]
fn render_shows_the_scene_from_its_own_cameras() {
    let made = &*MADE;
    let dir = tempfile::tempdir().unwrap();
    let cameras = dir.path().join("poses.json");
    // Held out 4, and two that were trained on; told in another frame, which the photos' names undo.
    let chosen = [0, 3, 4, 7];
    let some: Vec<(&str, Camera)> = chosen.map(|i| (made.stems[i].as_str(), made.cameras()[i])).to_vec();
    std::fs::write(&cameras, poses(&some, &some_similarity()).to_string()).unwrap();
    let render = |what: &str| {
        let out = dir.path().join(what);
        let ran =
            holoscope!["render", &made.scene, "--cameras", &cameras, "--out", &out, "--what", what, "--json"].ok();
        assert_eq!(ran.json()["files"].as_array().unwrap().len(), 4);
        assert_eq!(files(&out).len(), 4);
        chosen.map(|i| image::open(out.join(format!("{}.png", made.stems[i]))).unwrap())
    };
    let instances: BTreeSet<u16> = made.instances().iter().map(|i| i.id as u16).chain([0]).collect();
    let (rgb, depth, normal, ids) = (render("rgb"), render("depth"), render("normal"), render("instance"));
    for (k, i) in chosen.into_iter().enumerate() {
        let stem = &made.stems[i];
        assert!(matches!(rgb[k], DynamicImage::ImageRgb8(_)) && matches!(normal[k], DynamicImage::ImageRgb8(_)));
        let photo = image::open(made.input.join(format!("{stem}.jpg"))).unwrap().into_rgb8();
        let squares =
            rgb[k].to_rgb8().iter().zip(photo.iter()).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>();
        let psnr = 10.0 * (255.0f64.powi(2) * photo.len() as f64 / squares).log10();
        assert!(psnr > 15.0, "{stem}: {psnr} dB");

        let DynamicImage::ImageLuma16(depth) = &depth[k] else { panic!("{stem}: {:?}", depth[k].color()) };
        let own = made.folder().read_depth(stem).unwrap();
        let both = depth.iter().zip(&own.data).filter(|(d, o)| **d > 0 && **o > 0.0);
        let mut off: Vec<f32> = both.map(|(d, o)| (f32::from(*d) / 1000.0 / o - 1.0).abs()).collect();
        off.sort_by(f32::total_cmp);
        assert!(off.len() > own.data.len() / 2 && off[off.len() / 2] < 0.05, "{stem}: {}", off[off.len() / 2]);

        let DynamicImage::ImageLuma16(ids) = &ids[k] else { panic!("{stem}: {:?}", ids[k].color()) };
        let there: BTreeSet<u16> = ids.iter().copied().collect();
        assert!(there.is_subset(&instances) && there.len() > 1, "{stem}: {there:?}");
    }
    let unknown =
        holoscope!["render", &made.scene, "--cameras", dir.path().join("no.json"), "--out", dir.path().join("x")];
    unknown.fails(&["no.json"]);
}

#[test]
fn a_camera_of_ones_own_renders_in_the_scenes_world() {
    let made = &*MADE;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.json");
    let camera = made.cameras()[3];
    std::fs::write(&path, poses(&[("mine", camera)], &Similarity::identity()).to_string()).unwrap();
    let view = SceneView::open(&made.folder()).unwrap();
    let read = view.cameras_of(&path, &holoscope::scene::Quiet).unwrap();
    assert_eq!(read[0].0, "mine");
    assert!((read[0].1.center() - camera.center()).norm() < 1e-9);
}

/// Ground truth made of the scene itself, told in another frame: everything is right. One camera moved: it is seen.
#[test]
fn eval_scores_a_scene_against_itself() {
    let made = &*MADE;
    let dir = tempfile::tempdir().unwrap();
    let gt = dir.path();
    let moved = some_similarity();
    let named: Vec<(&str, Camera)> = made.stems.iter().map(String::as_str).zip(made.cameras()).collect();
    let mut truth = poses(&named, &moved);
    std::fs::write(gt.join("poses.json"), truth.to_string()).unwrap();
    std::fs::create_dir(gt.join("depth")).unwrap();
    for stem in &made.stems {
        let mut depth = made.folder().read_depth(stem).unwrap();
        depth.data.iter_mut().for_each(|d| *d *= moved.scale as f32);
        let (w, h) = (depth.width, depth.height);
        let pixels: Vec<u16> = depth.data.iter().map(|d| (d * 1000.0).round() as u16).collect();
        let path = gt.join(format!("depth/{stem}.png"));
        image::ImageBuffer::<image::Luma<u16>, _>::from_raw(w, h, pixels).unwrap().save(&path).unwrap();
        assert_eq!(read_depth_png(&path).unwrap().width, w);
    }
    let before = files(&made.scene);
    let eval = || holoscope!["eval", &made.scene, "--gt", gt, "--json", "--quiet"].ok().json()["metrics"].clone();
    let value =
        |metrics: &Value, name: &str| metrics[name]["value"].as_f64().unwrap_or_else(|| panic!("{name}: {metrics}"));
    let right = eval();
    assert_eq!(value(&right, "registered"), 8.0);
    assert!(value(&right, "ate_m") < 1e-6 && (value(&right, "scale") - moved.scale).abs() < 1e-6, "{right}");
    assert!(value(&right, "depth_f1_2cm") > 0.999, "{right}");
    assert!(value(&right, "psnr_held_out") > 15.0);
    // The same views, rendered from what was written: half precision and JPEG apart the same figure.
    let trained = json(&made.scene.join("scene.json"))["figures"]["ssim_held_out"].as_f64().unwrap();
    assert!((value(&right, "ssim_held_out") - trained).abs() < 0.03, "{trained}: {right}");
    assert!(right["ate_m"]["definition"].as_str().is_some_and(|d| d.contains("root mean square")), "{right}");
    truth["frames"][2]["c2w"][0][3] = json!(truth["frames"][2]["c2w"][0][3].as_f64().unwrap() + 0.3);
    std::fs::write(gt.join("poses.json"), truth.to_string()).unwrap();
    let wrong = eval();
    assert!(value(&wrong, "ate_m") > 0.02 && value(&wrong, "depth_f1_2cm") < value(&right, "depth_f1_2cm"), "{wrong}");
    let text = holoscope!["eval", &made.scene, "--gt", gt].ok();
    assert!(text.out.contains("ate_m") && text.out.contains("depth_f1_5cm"), "{text:?}");
    assert_same(&before, &files(&made.scene), "eval");
}

/// The scorer that the project is accepted with reads the result, and agrees.
#[test]
fn the_independent_scorer_reads_the_scene() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let (score, gt) = (shared.join("tools/score.py"), shared.join("data/room_a"));
    if !score.is_file() || !gt.is_dir() {
        println!("skipped: {} or {} is not there", score.display(), gt.display());
        return;
    }
    let python = |args: &[&str]| Command::new("python3").args(args).output();
    if !python(&["-c", "import numpy, scipy, PIL"]).is_ok_and(|o| o.status.success()) {
        println!("skipped: python3 has no numpy, scipy and pillow");
        return;
    }
    let made = &*MADE;
    let output =
        python(&[score.to_str().unwrap(), made.scene.to_str().unwrap(), gt.to_str().unwrap(), "--json"]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ours = holoscope!["eval", &made.scene, "--gt", &gt, "--json"].ok().json()["metrics"].clone();
    for (name, scorer) in SAME_METRICS {
        let (a, b) = (ours[name]["value"].as_f64(), theirs[scorer].as_f64());
        assert!(a.zip(b).is_some_and(|(a, b)| (a - b).abs() <= 1e-3 * b.abs().max(1.0)), "{name}: {a:?} {b:?}");
    }
}

/// Metrics by our name and by that of `score.py`.
const SAME_METRICS: [(&str, &str); 3] =
    [("registered", "registered"), ("ate_m", "ate_m"), ("depth_f1_5cm", "depth_f1_5cm")];

#[test]
fn what_was_decided_is_what_is_exported() {
    let dir = MADE.copy();
    let (scene, out) = (dir.path().join("scene"), dir.path().join("out"));
    let found = MADE.instances();
    assert!(found.len() >= 4, "too few instances to decide on: {}", found.len());
    let export = |format: &str, include: &str| {
        holoscope!["export", &scene, "--format", format, "--out", &out, "--include", include, "--json"]
    };
    export("all", "accepted").fails(&["no accepted instances"]);
    assert!(!out.exists());
    {
        let mut review = Review::open(&scene, found.clone(), "tester").unwrap();
        assert!(!review.is_read_only(), "{:?}", review.notices());
        review.decide(found[0].id, Decision::Relabel { text: "reading lamp".into() }).unwrap();
        review.decide(found[0].id, Decision::Accept).unwrap();
        review.decide(found[1].id, Decision::REJECT).unwrap();
        review.decide(found[2].id, Decision::Recaption { text: "Ein Stuhl für Gäste".into() }).unwrap();
        review.decide(found[2].id, Decision::Accept).unwrap();
        review.decide(found[3].id, Decision::Accept).unwrap();
        review.undo().unwrap();
    }
    let before = files(&scene);
    let ran = export("all", "accepted").ok();
    assert_eq!(ran.json()["instances"], 2, "{ran:?}");

    let reviewed = json(&out.join("instances.json"));
    let exported = reviewed["instances"].as_array().unwrap();
    let mut expected = [found[0].clone(), found[2].clone()];
    expected[0].label = "reading lamp".into();
    expected[1].caption = "Ein Stuhl für Gäste".into();
    assert_eq!(exported.len(), 2);
    for (row, instance) in exported.iter().zip(expected) {
        assert_eq!(row["verdict"], "accepted");
        assert_eq!(serde_json::from_value::<Instance>(row.clone()).unwrap(), instance);
    }

    let coco = json(&out.join("coco.json"));
    let uids: BTreeSet<u64> =
        coco["annotations"].as_array().unwrap().iter().map(|a| a["instance_uid"].as_u64().unwrap()).collect();
    assert!(uids.is_subset(&BTreeSet::from([found[0].id, found[2].id].map(u64::from))), "{uids:?}");
    let accepted = |id: u32| id == found[0].id || id == found[2].id;
    let masks_of = |stem: &String| MADE.folder().read_masks(stem).unwrap().masks;
    let masks = MADE.stems.iter().flat_map(masks_of).filter(|m| accepted(m.instance_id)).count();
    assert_eq!(coco["annotations"].as_array().unwrap().len(), masks);
    let categories: Vec<&str> =
        coco["categories"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert!(categories.contains(&"reading lamp"), "{categories:?}");
    assert_eq!(std::fs::read(out.join("mesh.ply")).unwrap(), before[Path::new("mesh.ply")]);
    // What nobody can see is left out, and quaternions are of unit length.
    let (whole, exported) = (splat::read_ply(&scene.join("splat.ply")), splat::read_ply(&out.join("splat.ply")));
    let (whole, exported) = (whole.unwrap(), exported.unwrap());
    let seen = |i: &usize| 1.0 / (1.0 + (-whole.opacity_logits[*i]).exp()) >= 1.0 / 255.0;
    let means: Vec<[f32; 3]> = (0..whole.len()).filter(seen).map(|i| whole.means[i]).collect();
    assert_eq!(exported.means, means);
    assert!(exported.quats.iter().all(|q| (q.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5));
    assert_same(&before, &files(&scene), "export");
    assert_eq!(export("instances", "all").ok().json()["instances"], found.len());
    let into_scene = holoscope!["export", &scene, "--format", "instances", "--out", &scene, "--include", "all"];
    into_scene.fails(&["--out", "scene"]);

    // Another run of the pipeline leaves the review alone.
    common::Ran::of(&mut run(&MADE.input, &scene)).ok();
    assert_same(&before, &files(&scene), "a run after the review");
}
