//! The commands as a script sees them: exit codes, what goes to stdout and stderr, and bad input. Whatever goes wrong,
//! what was there before is still there.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
mod common;

use common::{assert_same, files, json, photos, state};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn temp() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A scene that has only its photos yet, in `DIR/scene`, of `DIR/photos`; and a review that must survive.
fn small_scene() -> TempDir {
    let dir = temp();
    photos(&dir.path().join("photos"), &[160; 3]);
    let scene = dir.path().join("scene");
    holoscope!["run", dir.path().join("photos"), "--out", &scene, "--until", "frames"].ok();
    std::fs::write(scene.join("review.jsonl"), "").unwrap();
    dir
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let lines: [(&[&str], &str); 9] = [
        (&["run", "photos"], "--out"),
        (&["run", "photos", "--out", "scene", "--frobnicate"], "--frobnicate"),
        (&["run", "photos", "--out", "scene", "--until", "lunch"], "--until"),
        (&["run", "photos", "--out", "scene", "--holdout", "1"], "--holdout"),
        (&["run", "photos", "--out", "scene", "--seed", "x"], "--seed"),
        (&["render", "scene", "--out", "out"], "--cameras"),
        (&["eval", "scene"], "--gt"),
        (&["export", "scene", "--format", "obj", "--out", "out"], "--format"),
        (&["export", "scene", "--format", "coco", "--out", "out", "--include", "some"], "--include"),
    ];
    let dir = temp();
    for (line, named) in lines {
        let ran = common::Ran::of(common::program().args(line).current_dir(dir.path()));
        assert_eq!(ran.code, Some(2), "{line:?}: {ran:?}");
        assert!(ran.out.is_empty() && ran.err.contains(named), "{line:?}: {ran:?}");
    }
    assert!(files(dir.path()).is_empty());
}

#[test]
fn help_tells_all_options() {
    let commands: [(&str, &[&str]); 6] = [
        ("demo", &["--out", "--quiet", "--json"]),
        (
            "run",
            &[
                "<INPUT>",
                "--out",
                "--device",
                "auto",
                "gpu",
                "cpu",
                "--seed",
                "--threads",
                "--poses",
                "given",
                "--steps",
                "--holdout",
                "--masks",
                "--depth",
                "--vlm",
                "--vlm-model",
                "--max-frames",
                "--until",
                "frames",
                "splats",
                "instances",
                "--quiet",
                "--json",
            ],
        ),
        ("render", &["<SCENE>", "--cameras", "--out", "--what", "rgb", "depth", "normal", "instance"]),
        ("eval", &["<SCENE>", "--gt", "--json"]),
        ("export", &["<SCENE>", "--format", "--out", "--include", "accepted", "unreviewed", "all", "coco"]),
        ("models", &["--json"]),
    ];
    let all = holoscope!["--help"].ok();
    for (command, words) in commands {
        assert!(all.out.contains(command), "{all:?}");
        let help = holoscope![command, "--help"].ok();
        for word in words {
            assert!(help.out.contains(word), "{command}: {word} is missing in {}", help.out);
        }
        assert!(help.err.is_empty());
    }
}

#[test]
fn stdout_is_the_result_and_stderr_the_progress() {
    let dir = temp();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    photos(&input, &[160; 3]);
    let first = holoscope!["run", &input, "--out", &scene, "--until", "frames", "--json"].ok();
    assert_eq!(first.json()["figures"]["photos"], 3, "{first:?}");
    assert!(first.err.contains("frames done"), "{first:?}");
    let again = holoscope!["run", &input, "--out", &scene, "--until", "frames"].ok();
    assert!(again.err.contains("kept from the last run"), "{again:?}");
    assert!(again.out.contains(scene.to_str().unwrap()), "{again:?}");
    let quiet = holoscope!["run", &input, "--out", &scene, "--until", "frames", "--json", "--quiet"].ok();
    assert!(quiet.err.is_empty(), "{quiet:?}");
    assert_eq!(quiet.json()["stages"][0]["state"], "done");

    let models = holoscope!["models", "--json"].ok();
    assert!(models.json().as_array().is_some_and(|m| !m.is_empty() && m.iter().all(|m| m["role"].is_string())));
    assert!(models.err.is_empty());
    assert!(holoscope!["models"].ok().out.contains("masks"));
}

/// `holoscope ... | head`: a reader that goes away is no failure. A disk that is full is one.
#[test]
#[cfg(target_os = "linux")]
fn nobody_has_to_read_to_the_end() {
    let dir = temp();
    photos(&dir.path().join("photos"), &[160; 3]);
    // The pipe is closed before the program writes to it.
    let script = r#"{ sleep 0.3; "$HOLOSCOPE" "$@"; echo $? >"$D/code"; } 2>"$D/said" | true"#;
    let cut_off = |script: &str, args: &[&str]| {
        let mut sh = Command::new("sh");
        sh.args(["-c", script, "sh"]).args(args).env("HOLOSCOPE", common::HOLOSCOPE).env("D", dir.path());
        common::Ran::of(sh.current_dir(dir.path()));
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        (read("code"), read("said"))
    };
    assert_eq!(cut_off(script, &["models"]), ("0\n".into(), String::new()));
    let stderr_too = script.replace(r#"2>"$D/said""#, "2>&1");
    let run = ["run", "photos", "--out", "scene", "--until", "frames"];
    assert_eq!(cut_off(&stderr_too, &run).0, "0\n");
    assert_eq!(state(&dir.path().join("scene"), "frames"), "done");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = common::Ran::of(common::program().arg("models").stdout(full));
    ran.fails(&["stdout", "No space left"]);
}

#[test]
fn input_that_is_no_capture_is_one_sentence() {
    let dir = temp();
    let path = |name: &str| dir.path().join(name);
    std::fs::create_dir(path("empty")).unwrap();
    photos(&path("one"), &[160]);
    photos(&path("half"), &[160; 2]);
    let whole = std::fs::read(path("half/0002.jpg")).unwrap();
    std::fs::write(path("half/0002.jpg"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(path("walk.mp4"), "no video").unwrap();
    let before = files(dir.path());
    let out = path("out/scene");
    for (input, says) in [
        ("empty", "holds no photos"),
        ("one", "holds one photo"),
        ("half", "0002.jpg"),
        ("missing", "missing"),
        ("walk.mp4", "video"),
    ] {
        holoscope!["run", path(input), "--out", &out].fails(&[input, says]);
        holoscope!["run", path(input), "--out", &out, "--quiet", "--json"].fails(&[input, says]);
    }
    assert_same(&before, &files(dir.path()), "failed runs");
}

#[test]
fn a_video_becomes_a_scene_and_its_frames_are_kept() {
    let dir = temp();
    let (video, scene) = (dir.path().join("walk.mp4"), dir.path().join("scene"));
    photos(&dir.path().join("photos"), &[320; 6]);
    let frames = dir.path().join("photos/*.jpg");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-framerate", "5", "-pattern_type", "glob", "-i"])
        .arg(frames)
        .args(["-c:v", "mpeg4", "-q:v", "2"])
        .arg(&video)
        .status();
    if !made.is_ok_and(|s| s.success()) {
        println!("skipped: no ffmpeg");
        return;
    }
    let ran = holoscope!["run", &video, "--out", &scene, "--until", "frames"].ok();
    assert!(ran.err.contains("video: 6 of 6 frames are used"), "{ran:?}");
    let meta = json(&scene.join("scene.json"));
    let names: Vec<String> = (0..6).map(|n| format!("frame_{n:06}.jpg")).collect();
    assert_eq!(meta["images"], serde_json::json!(names));
    assert!(meta["warnings"][0].as_str().unwrap().contains("6 of 6"), "{meta}");
    let before = files(&scene.join("images"));
    assert_eq!(before.len(), 6);
    let again = holoscope!["run", &video, "--out", &scene, "--until", "frames"].ok();
    assert!(again.err.contains("kept"), "{again:?}");
    assert_same(&before, &files(&scene.join("images")), "a second run");
    // Where there is no ffmpeg it is said how to get one.
    let without = common::Ran::of(
        common::program()
            .args(["run".as_ref(), video.as_os_str(), "--out".as_ref(), dir.path().join("b").as_os_str()])
            .env("PATH", ""),
    );
    without.fails(&["walk.mp4", "ffmpeg", "is not installed", "install ffmpeg"]);
}

#[test]
fn a_scene_outlives_the_loss_of_its_photos() {
    let dir = small_scene();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    let before = files(&scene);
    for entry in std::fs::read_dir(&input).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    holoscope!["run", &input, "--out", &scene].fails(&["photos", "holds no photos"]);
    assert_same(&before, &files(&scene), "a run without photos");
}

#[test]
fn a_truncated_photo_among_good_ones_is_left_out_with_a_warning() {
    let dir = temp();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    let stems = photos(&input, &[160; 4]);
    let bad = input.join(format!("{}.jpg", stems[1]));
    let whole = std::fs::read(&bad).unwrap();
    std::fs::write(&bad, &whole[..whole.len() * 2 / 3]).unwrap();
    let before = files(&input);
    let ran = holoscope!["run", &input, "--out", &scene, "--until", "frames"].ok();
    let named = |text: &str| text.contains("warning: left out") && text.contains(bad.to_str().unwrap());
    assert!(ran.err.lines().any(named), "{ran:?}");
    let meta = json(&scene.join("scene.json"));
    let left: Vec<String> = [0, 2, 3].map(|i| format!("{}.jpg", stems[i])).to_vec();
    assert_eq!(meta["images"], serde_json::json!(left));
    assert!(meta["warnings"][0].as_str().unwrap().contains("cut short"), "{}", meta["warnings"]);
    assert_eq!(files(&scene.join("images")).len(), 3);
    assert_same(&before, &files(&input), "the run");
}

#[test]
fn photos_of_nothing_that_matches_are_one_sentence() {
    let dir = temp();
    let white = |_: u32, _: u32| image::Rgb([250u8; 3]);
    let mut random = fastrand::Rng::with_seed(1);
    for i in 0..3 {
        let noise =
            image::RgbImage::from_fn(160, 120, |_, _| image::Rgb([random.u8(..), random.u8(..), random.u8(..)]));
        for (name, photo) in [("white", image::RgbImage::from_fn(160, 120, white)), ("noise", noise)] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
            photo.save(dir.path().join(name).join(format!("{i}.png"))).unwrap();
        }
    }
    for name in ["white", "noise"] {
        let (input, scene) = (dir.path().join(name), dir.path().join(format!("{name}-scene")));
        let before = files(&input);
        holoscope!["run", &input, "--out", &scene].fails(&[name, "no two photos overlap enough"]);
        assert_same(&before, &files(&input), "the run");
        // What did work is kept, and the folder says how far it came.
        assert_eq!((state(&scene, "frames"), state(&scene, "poses")), ("done".into(), "failed".into()));
        assert_same(&before, &files(&scene.join("images")), "the copy of the photos");
        let again = holoscope!["run", &input, "--out", &scene].fails(&[name]);
        assert!(again.err.contains("frames done") && again.err.contains("kept from the last run"), "{again:?}");
    }
}

#[test]
fn photos_of_several_sizes_are_fine() {
    let dir = temp();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    let widths = [320, 256, 320, 256, 320];
    let stems = photos(&input, &widths);
    let ran = holoscope!["run", &input, "--out", &scene, "--until", "poses", "--json"].ok();
    assert_eq!(ran.json()["figures"]["registered"], 5, "{ran:?}");
    for (stem, width) in stems.iter().zip(widths) {
        let copy = image::open(scene.join(format!("images/{stem}.jpg"))).unwrap();
        assert_eq!((copy.width(), copy.height()), (width, width * 3 / 4));
    }
    let cameras = std::fs::read_to_string(scene.join("sparse/0/cameras.txt")).unwrap();
    assert!(cameras.contains(" 320 240 ") && cameras.contains(" 256 192 "), "{cameras}");
}

#[test]
fn absurd_intrinsics_are_refused_and_named() {
    let dir = temp();
    let input = dir.path().join("photos");
    photos(&input, &[160; 3]);
    for text in [
        r#"{"width": 160, "height": 120, "fx": -131, "fy": 131, "cx": 80, "cy": 60}"#,
        r#"{"width": 160, "height": 120, "fx": 1e12, "fy": 131, "cx": 80, "cy": 60}"#,
        r#"{"width": 160, "height": 120, "fx": 131, "fy": 131, "cx": 8e9, "cy": 60}"#,
        r#"{"width": 0, "height": 0, "fx": 131, "fy": 131, "cx": 80, "cy": 60}"#,
        r#"{"width": 160}"#,
        "not JSON",
    ] {
        std::fs::write(input.join("intrinsics.json"), text).unwrap();
        let before = files(dir.path());
        holoscope!["run", &input, "--out", dir.path().join("scene")].fails(&["intrinsics.json"]);
        assert_same(&before, &files(dir.path()), text);
        assert!(!dir.path().join("scene").exists(), "a refused input leaves no folder");
    }
}

#[test]
fn options_that_cannot_be_honoured_are_named_before_any_work() {
    let dir = temp();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    photos(&input, &[160; 3]);
    // A machine without any Vulkan driver.
    let mut program = common::program();
    program.env("VK_ICD_FILENAMES", "/none").env("VK_DRIVER_FILES", "/none");
    program.args(["run", "--device", "gpu"]).arg(&input).arg("--out").arg(&scene);
    common::Ran::of(&mut program).fails(&["--device gpu", "no GPU"]);
    holoscope!["run", &input, "--out", &scene, "--masks", dir.path().join("m.json")].fails(&["--masks", "m.json"]);
    holoscope!["run", &input, "--out", &scene, "--depth", dir.path().join("d")].fails(&["--depth", "/d "]);
    holoscope!["run", &input, "--out", &scene, "--masks", &input].fails(&["--masks", "photos", "mask_index.json"]);
    assert!(!scene.exists(), "nothing was begun");
    holoscope!["run", &input, "--out", &scene, "--poses", "given"].fails(&["--poses given", "poses.json"]);
}

#[test]
fn a_folder_that_is_not_ours_is_left_alone() {
    let dir = temp();
    let input = dir.path().join("photos");
    photos(&input, &[160; 3]);
    let thesis = dir.path().join("thesis");
    std::fs::create_dir_all(thesis.join("depth")).unwrap();
    std::fs::write(thesis.join("chapter1.txt"), "all my work").unwrap();
    std::fs::write(thesis.join("depth/0000.png"), "mine").unwrap();
    let later = dir.path().join("later");
    std::fs::create_dir_all(&later).unwrap();
    std::fs::write(later.join("scene.json"), r#"{"version": 99, "name": "of a later program"}"#).unwrap();
    std::fs::write(later.join("instances.json"), r#"{"version": 99}"#).unwrap();
    let broken = dir.path().join("broken");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("scene.json"), "{\"version\": 1, \"name").unwrap();
    let before = files(dir.path());
    holoscope!["run", &input, "--out", &thesis].fails(&["thesis", "not empty and not a scene"]);
    holoscope!["run", &input, "--out", thesis.join("chapter1.txt")].fails(&["chapter1.txt"]);
    holoscope!["run", &input, "--out", &broken].fails(&["broken/scene.json"]);
    let out = dir.path().join("out");
    holoscope!["run", &input, "--out", &later].fails(&["later", "version 99"]);
    holoscope!["export", &later, "--format", "all", "--out", &out].fails(&["later", "version 99"]);
    holoscope!["eval", &later, "--gt", &input].fails(&["later", "version 99"]);
    holoscope!["render", &later, "--cameras", input.join("poses.json"), "--out", &out].fails(&["later", "version 99"]);
    assert_same(&before, &files(dir.path()), "refused commands");
}

#[test]
fn a_scene_of_other_photos_is_left_alone() {
    let dir = small_scene();
    let other = dir.path().join("other");
    photos(&other, &[160; 2]);
    let before = files(dir.path());
    holoscope!["run", &other, "--out", dir.path().join("scene")].fails(&["scene", "photos", "choose another folder"]);
    assert_same(&before, &files(dir.path()), "a run on other photos");
}

#[test]
fn reading_commands_name_what_is_missing() {
    let dir = small_scene();
    let (input, scene, out) = (dir.path().join("photos"), dir.path().join("scene"), dir.path().join("out"));
    let before = files(dir.path());
    for format in ["coco", "instances", "all"] {
        holoscope!["export", &scene, "--format", format, "--out", &out].fails(&["instances.json", "run the pipeline"]);
    }
    holoscope!["export", &scene, "--format", "splat", "--out", &out].fails(&["splat.ply"]);
    holoscope!["export", &input, "--format", "splat", "--out", &out].fails(&["photos/scene.json"]);
    holoscope!["eval", &scene, "--gt", &input].fails(&["photos", "no ground truth"]);
    holoscope!["render", &scene, "--cameras", input.join("poses.json"), "--out", &out].fails(&["splat.ply"]);
    holoscope![dir.path().join("nowhere")].fails(&["nowhere", "does not exist"]);
    holoscope![&scene].fails(&["display"]);
    assert_same(&before, &files(dir.path()), "reading commands");
}

#[test]
fn two_runs_do_not_write_one_folder() {
    let dir = temp();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("scene"));
    photos(&input, &[640; 6]);
    let mut first = common::program();
    first.arg("run").arg(&input).arg("--out").arg(&scene).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut first = first.spawn().unwrap();
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    let begun = lines.any(|l| l.unwrap().starts_with("poses ..."));
    let second = holoscope!["run", &input, "--out", &scene];
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(begun, "the first run ended early");
    second.fails(&["scene", "another run"]);
    assert_eq!(state(&scene, "frames"), "done");
}

#[test]
fn the_demo_runs_without_a_display_on_the_bundled_photos() {
    let dir = temp();
    let scene = dir.path().join("scene");
    let mut demo = common::program();
    demo.arg("demo").arg("--out").arg(&scene).env("XDG_CACHE_HOME", dir.path().join("cache"));
    let mut demo = demo.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Enough is seen once the photos are in: the rest is what every run does.
    let lines = BufReader::new(demo.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut said = Vec::new();
    for line in lines {
        said.push(line);
        if said.last().is_some_and(|l| l.starts_with("frames done")) {
            break;
        }
    }
    demo.kill().unwrap();
    demo.wait().unwrap();
    assert!(said[0].contains("No window") && said.last().unwrap().starts_with("frames done"), "{said:?}");
    let photos = json(&scene.join("scene.json"))["images"].as_array().unwrap().len();
    assert_eq!(photos, std::fs::read_dir(scene.join("images")).unwrap().count());
    assert!((2..=24).contains(&photos));
}

/// Whether this process may mount file systems of its own.
#[cfg(target_os = "linux")]
fn can_mount() -> bool {
    let mount = Command::new("unshare").args(["-m", "sh", "-c", "mount -t tmpfs none /mnt"]).output();
    mount.is_ok_and(|m| m.status.success())
}

/// Runs `script` with `sh`, the program as `$HOLOSCOPE` and `dir` as `$D`, where mounts end with it.
#[cfg(target_os = "linux")]
fn with_mounts(dir: &Path, script: &str) -> common::Ran {
    let mut sh = Command::new("unshare");
    sh.args(["-m", "sh", "-c", script]).env("HOLOSCOPE", common::HOLOSCOPE).env("D", dir);
    common::Ran::of(&mut sh)
}

#[test]
#[cfg(target_os = "linux")]
fn a_read_only_output_folder_is_refused_and_kept() {
    let dir = small_scene();
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let before = files(dir.path());
    if can_mount() {
        // Root may write where the permissions say no, but not on a file system that is mounted read-only.
        let read_only =
            r#"mount --bind "$D/$0" "$D/$0" && mount -o remount,ro,bind "$D/$0" && "$HOLOSCOPE" run "$D/photos" --out"#;
        let try_in = |folder: &str, path: &str| {
            with_mounts(dir.path(), &format!("{} \"$D/{path}\"", read_only.replace("$0", folder)))
        };
        try_in("out", "out").fails(&["out", "Read-only"]);
        try_in("out", "out/new").fails(&["out/new", "Read-only"]);
        let scene = try_in("scene", "scene").fails(&["scene", "Read-only"]);
        assert!(scene.err.contains("kept from the last run"), "{scene:?}");
    } else {
        use std::os::unix::fs::PermissionsExt as _;
        let permit = |mode| std::fs::set_permissions(&out, std::fs::Permissions::from_mode(mode)).unwrap();
        permit(0o555);
        if std::fs::write(out.join("probe"), "").is_ok() {
            std::fs::remove_file(out.join("probe")).unwrap();
            println!("skipped: as root without the right to mount nothing is read-only");
            return;
        }
        holoscope!["run", dir.path().join("photos"), "--out", &out].fails(&["out", "denied"]);
        holoscope!["run", dir.path().join("photos"), "--out", out.join("new")].fails(&["out/new", "denied"]);
        permit(0o755);
    }
    assert_same(&before, &files(dir.path()), "runs into read-only folders");
}

/// The disk fills up in the middle of a stage: what was there stays, and with more room the run goes on.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_nothing() {
    let dir = temp();
    let scene = dir.path().join("scene");
    photos(&dir.path().join("photos"), &[256; 4]);
    holoscope!["run", dir.path().join("photos"), "--out", &scene, "--until", "frames"].ok();
    std::fs::write(scene.join("review.jsonl"), "{\"kept\": true}\n").unwrap();
    let before = files(&scene);
    let ran = if can_mount() {
        // Room for the scene as it is, and hardly more. What is there in the end is copied out of the mount.
        let script = r#"mkdir "$D/full" && mount -t tmpfs -o size=SIZEk none "$D/full" && cp -a "$D/scene" "$D/full/scene" || exit 9
            "$HOLOSCOPE" run "$D/photos" --out "$D/full/scene" --until poses; code=$?
            cp -a "$D/full/scene" "$D/after" && exit $code"#;
        let pages: usize = before.values().map(|b| b.len().div_ceil(4096) + 1).sum();
        with_mounts(dir.path(), &script.replace("SIZE", &(4 * (pages + 6)).to_string()))
            .fails(&["full/scene", "No space left"])
    } else {
        println!("no right to mount a small disk: files are limited to 16 KiB instead");
        let script = r#"cp -a "$D/scene" "$D/after"; trap '' XFSZ; ulimit -f 32
            exec "$HOLOSCOPE" run "$D/photos" --out "$D/after" --until poses"#;
        let mut sh = Command::new("sh");
        sh.args(["-c", script]).env("HOLOSCOPE", common::HOLOSCOPE).env("D", dir.path());
        common::Ran::of(&mut sh).fails(&["after", "too large"])
    };
    assert!(ran.err.contains("poses"), "it failed too early: {ran:?}");
    let after = dir.path().join("after");
    let mut now = files(&after);
    for (path, bytes) in before.iter().filter(|(p, _)| !p.ends_with("scene.json")) {
        assert!(now.remove(path).as_ref() == Some(bytes), "{} was lost", path.display());
    }
    assert_eq!(state(&after, "frames"), "done");
    assert_ne!(state(&after, "poses"), "done");
    let again = holoscope!["run", dir.path().join("photos"), "--out", &after, "--until", "poses"].ok();
    assert!(again.err.contains("kept from the last run"), "{again:?}");
    assert_eq!(state(&after, "poses"), "done");
}
