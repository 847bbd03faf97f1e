//! The review desk in the real window under Xvfb, with keys and a mouse: what is clicked is what is decided about, every
//! decision is one line of the log and one undo, a kill in the middle of anything loses none that was shown, and the
//! export holds exactly what was decided.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::HOLOSCOPE;
use common::window::{Watch, Window, can_drive_a_window, make_scene, start_xvfb, wait_for, with};
use holoscope::review::{Reason, Review, Reviewed, Verdict};
use holoscope::scene::folder::SceneFolder;
use holoscope::scene::{DepthMap, Instances, OrientedBox, Rle};
use nalgebra::{Point3, Vector3};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the 3D view is in the window as it opens at first, pixels: left, top, right, bottom.
const VIEW: [f64; 4] = [317.0, 100.0, 979.0, 704.0];
/// From the cameras to the front of the boxes, metres.
const FRONT: f64 = 1.8;

/// A window, its scene, and the lines of the log that it has come to.
struct Desk {
    window: Window,
    watch: Watch,
    config: PathBuf,
    lines: usize,
}

impl Desk {
    /// How the window shows its scene, as it is kept in the user's configuration.
    fn view(&self) -> Option<Value> {
        let file = std::fs::read_dir(self.config.join("holoscope/views")).ok()?.find_map(Result::ok)?;
        serde_json::from_slice(&std::fs::read(file.path()).ok()?).ok()
    }

    /// Waits until an instance is the selected one.
    fn selects(&self, id: u32) {
        wait_for(&format!("instance {id} is selected"), || self.view().filter(|v| v["instance"] == id));
    }

    fn orbit(&self) -> Value {
        wait_for("the 3D view is saved", || Some(self.view()?["orbit"].clone()).filter(Value::is_object))
    }

    /// Where a point of the world is on the screen, and how many pixels a metre has there.
    fn on_screen(&self, p: Point3<f64>) -> ([i32; 2], f64) {
        let orbit = self.orbit();
        let number = |key: &str| orbit[key].as_f64().unwrap();
        let target: Vec<f64> = orbit["target"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let ((sp, cp), (sy, cy)) = (number("pitch").sin_cos(), number("yaw").sin_cos());
        let back = Vector3::new(cp * cy, cp * sy, sp);
        let right = Vector3::new(-sy, cy, 0.0);
        let ahead = p - Point3::new(target[0], target[1], target[2]) - back * number("distance");
        let [left, top, end, bottom] = VIEW;
        let scale = (bottom - top) * 0.5 / (number("fov_y") * 0.5).tan() / -ahead.dot(&back);
        let (u, v) = (right.dot(&ahead) * scale, right.cross(&back).dot(&ahead) * scale);
        ([(left + end) * 0.5 + u, (top + bottom) * 0.5 + v].map(|x| x.round() as i32), scale)
    }

    /// Clicks the middle of a box in 3D.
    fn click(&self, b: &OrientedBox, held: Option<&str>) {
        self.window.click(self.on_screen(b.center).0, held);
    }

    /// The reviewed state after the one next line.
    fn step(&mut self) -> BTreeMap<u32, Reviewed> {
        self.lines += 1;
        self.watch.after_line(self.lines)
    }

    /// Takes hold of the arrow along the x axis of a box that is being edited, and pulls it 60 pixels to the right.
    fn pull(&self, b: &OrientedBox) -> f64 {
        let ([x, y], scale) = self.on_screen(b.center);
        self.window.drag([x + 60, y], [x + 120, y]);
        60.0 / scale
    }

    /// `kill -9`, and another window on the same scene, where everything that was decided is still there.
    fn kill_and_reopen(self, display: &str) -> Self {
        let Self { window, watch, config, lines } = self;
        let before = watch.items();
        window.kill();
        assert_eq!((watch.lines(), watch.items()), (lines, before));
        let window = Window::open(display, &watch.scene, &config);
        Self { window, watch, config, lines }
    }
}

/// A box that was moved.
fn moved(b: OrientedBox, by: [f64; 3]) -> OrientedBox {
    OrientedBox { center: b.center + Vector3::from(by), ..b }
}

fn assert_same_box(a: &OrientedBox, b: &OrientedBox, within: f64) {
    let off = (a.center - b.center).abs().max().max((a.size - b.size).abs().max());
    assert!(off <= within, "{a:?} is not {b:?}: {off}");
}

fn verdicts(items: &BTreeMap<u32, Reviewed>) -> Vec<(u32, Verdict)> {
    items.iter().map(|(id, r)| (*id, r.verdict)).collect()
}

#[test]
fn a_review_by_keys_and_mouse_is_what_the_export_holds() {
    if !can_drive_a_window() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (scene, config) = (dir.path().join("scene"), dir.path().join("config"));
    let watch = Watch { instances: make_scene(&scene, 4), scene: scene.clone() };
    let folder = SceneFolder::open(&scene).unwrap();
    for stem in ["0000", "0001"] {
        let depth = DepthMap { data: vec![FRONT as f32; 320 * 240], ..DepthMap::unknown(320, 240) };
        folder.write_depth(stem, &depth).unwrap();
    }
    let found: Vec<OrientedBox> = watch.instances.iter().map(|i| i.obb).collect();
    let (_server, display) = start_xvfb();
    let window = Window::open(&display, &scene, &config);
    let mut desk = Desk { window, watch, config, lines: 0 };
    desk.selects(1);
    let orbit = desk.orbit();

    merge_and_split(&mut desk, &found);
    edit_by_keys_and_mouse(&mut desk, &found[3]);

    // Killed in the middle of a drag. What was selected is selected again: a key is about it.
    desk.window.key("e");
    let ([x, y], _) = desk.on_screen(found[3].center);
    desk.window.drag([x + 60, y], [x + 150, y]);
    let mut desk = desk.kill_and_reopen(&display);
    let before = desk.watch.items();
    desk.window.key("Delete");
    assert_eq!(desk.step().keys().copied().collect::<Vec<_>>(), [1, 2, 5]);
    desk.window.key("ctrl+z");
    assert_eq!(desk.step(), before);

    // Killed in the middle of a word: what was not kept was never decided.
    desk.window.key("y");
    desk.window.type_text("half a no");
    let mut desk = desk.kill_and_reopen(&display);
    texts_and_verdicts(&mut desk, &found);

    let before = desk.watch.items();
    let mut desk = desk.kill_and_reopen(&display);
    desk.window.key("ctrl+z");
    assert_eq!(desk.step()[&2].verdict, Verdict::Unreviewed, "undo reaches across restarts");
    desk.window.key("ctrl+y");
    assert_eq!(desk.step(), before);
    assert_eq!(desk.orbit(), orbit, "nobody asked the camera to move");
    desk.window.kill();
    exports_hold(&folder, dir.path(), &before);
}

/// Merges 2 and 3, and splits 1 into 1 and 5.
fn merge_and_split(desk: &mut Desk, found: &[OrientedBox]) {
    let before = desk.watch.items();
    desk.click(&found[1], None);
    desk.selects(2);
    desk.click(&found[2], Some("ctrl"));
    desk.window.keys(&["ctrl+m", "Return"]);
    let merged = desk.step();
    assert_eq!(merged.keys().copied().collect::<Vec<_>>(), [1, 2, 4]);
    let both = OrientedBox::upright([0.0, 0.0, 0.5].into(), Vector3::new(0.9, 0.4, 0.4), 0.0);
    assert_same_box(&merged[&2].instance.obb, &both, 1e-9);
    desk.window.key("ctrl+z");
    assert_eq!(desk.step(), before);
    desk.window.key("ctrl+shift+z");
    assert_eq!(desk.step(), merged);

    desk.click(&found[0], None);
    desk.selects(1);
    // A digit behind it is the plane's, and rejects nothing.
    desk.window.keys(&["ctrl+k", "1", "Return"]);
    let split = desk.step();
    assert_eq!(verdicts(&split), [1, 2, 4, 5].map(|id| (id, Verdict::Unreviewed)));
    let mut parts = [1, 5].map(|id| split[&id].instance.obb);
    parts.sort_by(|a, b| a.center.x.total_cmp(&b.center.x));
    for (part, x) in parts.iter().zip([-0.85, -0.65]) {
        assert_same_box(part, &OrientedBox::upright([x, 0.0, 0.5].into(), Vector3::new(0.2, 0.4, 0.4), 0.0), 1e-9);
    }
    desk.window.keys(&["Escape", "Delete"]);
    assert_eq!(desk.step().keys().copied().collect::<Vec<_>>(), [2, 4, 5], "one of the two parts");
    desk.window.key("ctrl+z");
    assert_eq!(desk.step(), split);
}

/// Moves box 4 by 2 cm along y, among much that is taken back.
fn edit_by_keys_and_mouse(desk: &mut Desk, found: &OrientedBox) {
    desk.click(found, None);
    desk.selects(4);
    desk.window.keys(&["e", "Right"]);
    let right = moved(*found, [0.01, 0.0, 0.0]);
    assert_same_box(&desk.step()[&4].instance.obb, &right, 1e-9);
    desk.window.key("Up");
    let mut now = moved(right, [0.0, 0.01, 0.0]);
    assert_same_box(&desk.step()[&4].instance.obb, &now, 1e-9);
    // Held down it goes on, and is one decision.
    desk.window.xdotool(&["keydown", "Left", "sleep", "1", "keyup", "Left"]).expect("xdotool holds a key");
    let held = desk.step()[&4].instance.obb;
    let steps = (now.center.x - held.center.x) / 0.01;
    assert!(steps > 0.5 && (steps - steps.round()).abs() < 1e-6, "{steps} steps");
    desk.window.key("ctrl+z");
    assert_same_box(&desk.step()[&4].instance.obb, &now, 1e-9);

    let by = desk.pull(&now);
    desk.window.let_go();
    let pulled = desk.step()[&4].instance.obb;
    assert_same_box(&pulled, &moved(now, [by, 0.0, 0.0]), 0.1 * by);
    assert_same_box(&pulled, &moved(now, [pulled.center.x - now.center.x, 0.0, 0.0]), 1e-9);
    desk.window.key("ctrl+z");
    assert_same_box(&desk.step()[&4].instance.obb, &now, 1e-9);
    // Let go of in the middle it has moved nothing: the next stroke goes on from where the box was.
    desk.pull(&now);
    desk.window.key("Escape");
    desk.window.let_go();
    desk.window.key("Up");
    now = moved(now, [0.0, 0.01, 0.0]);
    assert_same_box(&desk.step()[&4].instance.obb, &now, 1e-9);
    desk.window.key("ctrl+z");
    desk.step();
    desk.window.key("ctrl+z");
    desk.step();
    desk.window.key("ctrl+z");
    assert_same_box(&desk.step()[&4].instance.obb, found, 1e-9);
    desk.window.keys(&["shift+Up"]);
    let before = desk.step();
    assert_same_box(&before[&4].instance.obb, &moved(*found, [0.0, 0.1, 0.0]), 1e-9);
    // Its size, for another one that stays where it is.
    desk.window.keys(&["ctrl+c", "Escape"]);
    let other = before[&2].instance.obb;
    desk.click(&other, None);
    desk.selects(2);
    desk.window.keys(&["e", "ctrl+v"]);
    assert_same_box(&desk.step()[&2].instance.obb, &OrientedBox { size: found.size, ..other }, 1e-9);
    desk.window.key("ctrl+z");
    assert_eq!(desk.step(), before);
    desk.window.key("Escape");
    desk.click(&before[&4].instance.obb, None);
    desk.selects(4);
}

/// 4 becomes an accepted bookshelf with a note, 5 a duplicate, 1 unsure, 2 accepted.
fn texts_and_verdicts(desk: &mut Desk, found: &[OrientedBox]) {
    desk.selects(4);
    desk.window.key("y");
    desk.window.type_text("as 3, near the door");
    desk.window.key("Return");
    assert_eq!(desk.step()[&4].note, "as 3, near the door");
    desk.window.key("l");
    desk.window.type_text("bookshe");
    desk.window.keys(&["Tab", "Return"]);
    assert_eq!(desk.step()[&4].instance.label, "bookshelf");
    // Not a letter of a text that is left is a decision.
    desk.window.key("l");
    desk.window.type_text("arms");
    desk.window.key("Escape");
    desk.window.key("c");
    desk.window.key("ctrl+a");
    desk.window.type_text("a rust red shelf");
    desk.window.key("ctrl+Return");
    let fixed = desk.step();
    let of = |item: &Reviewed| (item.instance.label.clone(), item.instance.caption.clone(), item.verdict);
    assert_eq!(of(&fixed[&4]), ("bookshelf".into(), "a rust red shelf".into(), Verdict::Accepted));

    let right_part = if fixed[&5].instance.obb.center.x > -0.75 { 5 } else { 1 };
    let left_part = 6 - right_part;
    desk.click(&fixed[&right_part].instance.obb, None);
    desk.selects(right_part);
    desk.window.key("5");
    let item = desk.step()[&right_part].clone();
    assert_eq!((item.verdict, item.reason), (Verdict::Rejected, Some(Reason::Duplicate)));
    desk.click(&fixed[&left_part].instance.obb, None);
    desk.selects(left_part);
    desk.window.key("s");
    let before = desk.step();
    assert_eq!(before[&left_part].verdict, Verdict::Unsure);
    // All at once: first only shown.
    desk.window.keys(&["ctrl+a", "a", "Return"]);
    assert!(desk.step().values().all(|r| r.verdict == Verdict::Accepted));
    desk.window.key("ctrl+z");
    assert_eq!(desk.step(), before);
    desk.window.keys(&["ctrl+a", "Delete", "Escape", "ctrl+a", "r", "Escape"]);
    desk.click(&found[1], None);
    desk.selects(2);
    desk.window.key("a");
    let done = desk.step();
    assert_eq!(with(&done, |r| r.verdict == Verdict::Accepted), [2, 4]);
}

/// Whether what `holoscope export` writes is what was decided, and nothing else.
fn exports_hold(folder: &SceneFolder, dir: &Path, items: &BTreeMap<u32, Reviewed>) {
    let out = |include: &str| {
        let out = dir.join(include);
        for format in ["coco", "instances"] {
            let mut command = Command::new(HOLOSCOPE);
            command.arg("export").arg(folder.root()).args(["--format", format, "--include", include, "--out"]);
            let run = command.arg(&out).output().unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        }
        let read = |file: &str| serde_json::from_slice::<Value>(&std::fs::read(out.join(file)).unwrap()).unwrap();
        (read("instances.json"), read("coco.json"))
    };
    let ids = |list: &Value, key: &str| -> BTreeSet<u64> {
        list.as_array().unwrap().iter().map(|i| i[key].as_u64().unwrap()).collect()
    };
    let (accepted, coco) = out("accepted");
    assert_eq!(ids(&accepted["instances"], "id"), [2, 4].into());
    assert_eq!(ids(&coco["annotations"], "instance_uid"), [2, 4].into());

    let (all, coco) = out("all");
    assert_eq!(ids(&all["instances"], "id"), [1, 2, 4, 5].into());
    for row in all["instances"].as_array().unwrap() {
        let item = &items[&(row["id"].as_u64().unwrap() as u32)];
        assert_eq!(serde_json::from_value::<OrientedBox>(row["box"].clone()).unwrap(), item.instance.obb);
        let texts = [&row["label"], &row["caption"], &row["verdict"]].map(|t| t.as_str().unwrap().to_owned());
        let decided = [&item.instance.label, &item.instance.caption, item.verdict.name()].map(str::to_owned);
        assert_eq!(texts, decided);
        assert_eq!(row["note"].as_str().unwrap_or_default(), item.note);
        assert_eq!(row["reason"].as_str(), item.reason.map(Reason::word));
    }
    for (image_id, stem, camera_x) in [(1, "0000", -0.05), (2, "0001", 0.05)] {
        let masks = folder.read_masks(stem).unwrap().masks;
        let found = |id: u32| masks.iter().find(|m| m.instance_id == id).unwrap().segmentation.decode();
        let exported: BTreeMap<u32, Vec<bool>> = coco["annotations"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|a| a["image_id"] == image_id)
            .map(|a| {
                let mask = serde_json::from_value::<Rle>(a["segmentation"].clone()).unwrap();
                (a["instance_uid"].as_u64().unwrap() as u32, mask.decode())
            })
            .collect();
        let either = |a: &[bool], b: &[bool]| a.iter().zip(b).map(|(a, b)| *a || *b).collect::<Vec<_>>();
        assert_eq!(exported[&2], either(&found(2), &found(3)), "merged masks are both together");
        assert_eq!(exported[&4], found(4));
        // The cut is where x = -0.75, as the photo sees it on the front.
        let is_left = |k: usize| camera_x + ((k % 320) as f64 + 0.5 - 160.0) / 250.0 * FRONT < -0.75;
        let whole = found(1);
        for id in [1, 5] {
            let left = items[&id].instance.obb.center.x < -0.75;
            let part: Vec<bool> = (0..whole.len()).map(|k| whole[k] && is_left(k) == left).collect();
            assert!(part.contains(&true) && exported[&id] == part, "{stem}: the part {id}");
        }
        assert_eq!(exported.len(), 4);
    }
}

#[test]
fn a_second_window_looks_and_a_new_run_keeps_the_decisions() {
    if !can_drive_a_window() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let scene = dir.path().join("scene");
    let watch = Watch { instances: make_scene(&scene, 4), scene: scene.clone() };
    let (_server, display) = start_xvfb();
    let config = |name: &str| dir.path().join(name);
    let window = Window::open(&display, &scene, &config("first"));
    let mut first = Desk { window, watch, config: config("first"), lines: 0 };
    let instances = first.watch.instances.clone();
    let watch = Watch { instances: instances.clone(), scene: scene.clone() };
    let second =
        Desk { window: Window::open(&display, &scene, &config("second")), watch, config: config("second"), lines: 0 };
    second.selects(1);
    second.window.keys(&["a", "r", "3", "s", "Delete", "e", "Right", "Escape", "ctrl+k", "Return", "ctrl+z"]);
    // It moves on in the list: so all keys before were seen, and none did anything.
    second.window.keys(&["j", "j"]);
    second.selects(3);
    assert_eq!(second.watch.lines(), 0);
    first.window.focus();
    first.window.key("a");
    assert_eq!(first.step()[&1].verdict, Verdict::Accepted, "the first window still decides");
    first.window.key("2");
    assert_eq!(first.step()[&2].reason, Some(Reason::Label));
    first.window.kill();
    second.window.kill();

    // The same things under other numbers, 1 to 4 as 3, 4, 1, 2, each a little off.
    let mut again = instances;
    for instance in &mut again {
        instance.id = (instance.id + 1) % 4 + 1;
        instance.obb = moved(instance.obb, [0.02, -0.01, 0.0]);
    }
    again.sort_by_key(|i| i.id);
    let folder = SceneFolder::open(&scene).unwrap();
    folder.write_instances(&Instances { version: 1, instances: again.clone() }).unwrap();
    let read = || Review::read(&scene, again.clone()).unwrap();
    let decided = [(1, Verdict::Unreviewed), (2, Verdict::Unreviewed), (3, Verdict::Accepted), (4, Verdict::Rejected)];
    assert_eq!(verdicts(read().items()), decided);
    let window = Window::open(&display, &scene, &config("third"));
    window.key("ctrl+z");
    wait_for("the undo", || (first.watch.lines() == 3).then_some(()));
    assert_eq!(verdicts(read().items())[3], (4, Verdict::Unreviewed), "undo is about the same thing");
    assert_eq!(verdicts(read().items())[2], (3, Verdict::Accepted));
}
