//! The real window under Xvfb, driven by keys: what a reviewer decides is in the log, survives `kill -9`, and is what
//! the export holds.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::HOLOSCOPE;
use common::window::{LABELS, Watch, Window, can_drive_a_window, make_scene, start_xvfb, wait_for, with};
use holoscope::review::{Reason, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Photos given to the window are processed behind it; what was finished when it is killed is kept.
#[test]
fn photos_are_processed_behind_the_window() {
    if !can_drive_a_window() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (input, scene) = (dir.path().join("photos"), dir.path().join("photos-scene"));
    common::photos(&input, &[256; 4]);
    let (_server, display) = start_xvfb();
    let window = Window::show(&display, &input, &dir.path().join("config"));
    let done = |stage| scene.join("scene.json").is_file() && common::state(&scene, stage) == "done";
    wait_for("the window has made the depth", || done("depth").then_some(()));
    window.kill();
    let again =
        common::Ran::of(common::program().arg("run").arg(&input).arg("--out").arg(&scene).args(["--until", "depth"]));
    let again = again.ok();
    assert_eq!(again.err.matches("kept from the last run").count(), 3, "{again:?}");
}

#[test]
fn decisions_made_with_keys_last_and_are_exported() {
    if !can_drive_a_window() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let scene = dir.path().join("scene");
    let config = dir.path().join("config");
    let watch = Watch { instances: make_scene(&scene, 4), scene: scene.clone() };
    let untouched = std::fs::read(scene.join("instances.json")).unwrap();
    let (_server, display) = start_xvfb();

    let window = Window::open(&display, &scene, &config);
    window.key("a");
    let accepted = with(&watch.after_line(1), |r| r.verdict == Verdict::Accepted);
    assert_eq!(accepted.len(), 1);
    window.key("r");
    let items = watch.after_line(2);
    let rejected = with(&items, |r| r.verdict == Verdict::Rejected);
    assert_eq!((rejected.len(), with(&items, |r| r.verdict == Verdict::Accepted)), (1, accepted.clone()));
    // No letter of the caption is taken for a key: it would add a line, or change a verdict.
    let caption = "a raj blocked mug, corner";
    window.recaption(caption);
    let items = watch.after_line(3);
    let recaptioned = with(&items, |r| r.instance.caption == caption);
    assert_eq!(recaptioned.len(), 1);
    assert!(items[&recaptioned[0]].verdict == Verdict::Unreviewed, "a decision goes on to the next instance");
    window.key("ctrl+z");
    assert!(with(&watch.after_line(4), |r| r.instance.caption == caption).is_empty());
    window.key("ctrl+shift+z");
    let before = watch.after_line(5);
    assert_eq!(before, items);
    // One key shows depth in 3D, another the splats over the photo: both are kept with the view, and decide nothing.
    window.key("n");
    window.key("x");
    let mode = |view: &serde_json::Value| view["look"]["mode"] == "Depth" && view["compare"] == "Render";
    wait_for("the view is saved", || saved_view(&config).filter(mode));
    assert_eq!(watch.lines(), 5);
    window.kill();

    assert_eq!(watch.items(), before);
    let window = Window::open(&display, &scene, &config);
    window.key("ctrl+z");
    assert!(with(&watch.after_line(6), |r| r.instance.caption == caption).is_empty(), "undo reaches across restarts");
    window.key("ctrl+y");
    assert_eq!(watch.after_line(7), before);
    window.kill();

    assert_eq!(std::fs::read(scene.join("instances.json")).unwrap(), untouched, "a review never changes the results");
    let of = |ids: &[u32]| ids.iter().map(|id| LABELS[*id as usize - 1].to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(exported_labels(&scene, &dir.path().join("accepted"), "accepted"), of(&accepted));
    let unreviewed = exported_labels(&scene, &dir.path().join("unreviewed"), "unreviewed");
    assert!(unreviewed.is_superset(&of(&with(&before, |r| r.verdict == Verdict::Unreviewed))), "{unreviewed:?}");
    assert!(unreviewed.is_disjoint(&of(&rejected)), "{unreviewed:?}");
    assert_eq!(exported_labels(&scene, &dir.path().join("all"), "all"), of(&[1, 2, 3, 4]));
}

/// How the window shows the one scene that it has shown, as it is kept in the user's configuration.
fn saved_view(config: &Path) -> Option<serde_json::Value> {
    let file = std::fs::read_dir(config.join("holoscope/views")).ok()?.find_map(Result::ok)?;
    serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()
}

/// Runs `holoscope export --format coco`; the categories that its annotations have.
fn exported_labels(scene: &Path, out: &Path, include: &str) -> BTreeSet<String> {
    let output = Command::new(HOLOSCOPE)
        .arg("export")
        .arg(scene)
        .args(["--format", "coco", "--include", include, "--out"])
        .arg(out)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut labels = BTreeSet::new();
    for entry in std::fs::read_dir(out).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let coco: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let rows = |key: &str| coco[key].as_array().cloned().unwrap_or_default();
        let names: BTreeMap<u64, String> = rows("categories")
            .iter()
            .map(|c| (c["id"].as_u64().unwrap(), c["name"].as_str().unwrap().to_owned()))
            .collect();
        labels.extend(rows("annotations").iter().map(|a| names[&a["category_id"].as_u64().unwrap()].clone()));
    }
    labels
}

/// A hundred keys, as fast as a hand can: a hundred decisions, each about the instance that was selected when its key
/// went down, in the order of the list, and not one about another.
#[test]
fn a_hundred_keys_are_a_hundred_decisions() {
    if !can_drive_a_window() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let scene = dir.path().join("scene");
    let watch = Watch { instances: make_scene(&scene, 104), scene: scene.clone() };
    let (_server, display) = start_xvfb();
    let window = Window::open(&display, &scene, &dir.path().join("config"));
    let keys: Vec<&str> = ["a", "r", "s", "5", "a"].into_iter().cycle().take(100).collect();
    window.xdotool(&[&["key", "--delay", "100"], &keys[..]].concat()).expect("xdotool sends keys");
    let items = watch.after_line(100);
    window.kill();
    // The list begins with the least sure.
    let mut order: Vec<_> = watch.instances.iter().collect();
    order.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.id.cmp(&b.id)));
    let said = |key: &str| match key {
        "a" => (Verdict::Accepted, None),
        "r" => (Verdict::Rejected, None),
        "s" => (Verdict::Unsure, None),
        _ => (Verdict::Rejected, Some(Reason::Duplicate)),
    };
    for (instance, key) in order.iter().zip(&keys) {
        let item = &items[&instance.id];
        assert_eq!((item.verdict, item.reason), said(key), "instance {}", instance.id);
    }
    assert_eq!(with(&items, |r| r.verdict == Verdict::Unreviewed).len(), 4);
}
