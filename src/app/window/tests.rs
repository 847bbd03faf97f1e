//! The window without a screen: what its controls are called, and what keys do.

mod categories;
mod editing;

use super::*;
use crate::app::panels::{self, Pane};
use crate::app::settings::Settings;
use crate::review::{Review, Verdict};
use crate::scene::folder::SceneFolder;
use crate::scene::{Instance, InstanceState, Instances, OrientedBox};
use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, ThemePreference, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use nalgebra::{Point3, Vector3};
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

const LABELS: [&str; 4] = ["armchair", "bookshelf", "cupboard", "desk"];
const LARGE: [f32; 2] = [1440.0, 900.0];
/// A window of that many pixels at 200 %.
const AT_200: [f32; 2] = [720.0, 450.0];
const PATIENCE: Duration = Duration::from_secs(20);

fn scene(folder: &Path, name: &str) -> PathBuf {
    let root = folder.join(name);
    std::fs::create_dir_all(&root).unwrap();
    let meta = serde_json::json!({
        "version": 1, "name": name, "source": "x", "units": "arbitrary", "scale_source": "guess", "up": [0, 0, 1],
        "floor_found": true, "world_from_input": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        "images": [], "stages": [], "program": "test", "models": ["masks: embedded"], "warnings": []
    });
    std::fs::write(root.join("scene.json"), meta.to_string()).unwrap();
    let instance = |(k, label): (usize, &&str)| Instance {
        id: k as u32 + 1,
        label: (*label).into(),
        caption: format!("A {label}."),
        score: 0.5 + 0.1 * k as f64,
        state: InstanceState::Kept,
        obb: OrientedBox::upright(Point3::new(k as f64, 0.0, 0.5), Vector3::repeat(0.5), 0.0),
        views: Vec::new(),
        best_view: String::new(),
        evidence: serde_json::Value::Null,
    };
    let instances = LABELS.iter().enumerate().map(instance).collect();
    SceneFolder::open(&root).unwrap().write_instances(&Instances { version: 1, instances }).unwrap();
    root
}

/// A window whose settings are in a folder of its own.
struct Desk {
    harness: Harness<'static, Option<Window>>,
    home: TempDir,
}

impl Desk {
    fn new(size: [f32; 2]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = scene(home.path(), "room_a");
        Self::on(home, Open::Scene(root), ThemePreference::Dark, size)
    }

    fn on(home: TempDir, open: Open, theme: ThemePreference, size: [f32; 2]) -> Self {
        let config = home.path().join("config");
        let mut first = Some((open, config, Layout { theme, ..panels::default_layout() }));
        let ui = move |ui: &mut Ui, slot: &mut Option<Window>| {
            let ctx = ui.ctx().clone();
            if let Some((open, config, layout)) = first.take() {
                *slot = Some(Window::new(&ctx, false, open, Some(config), layout));
            }
            let window = slot.as_mut().unwrap();
            window.poll(&ctx);
            window.frame(ui, None);
        };
        let mut desk =
            Self { harness: Harness::builder().with_size(vec2(size[0], size[1])).build_ui_state(ui, None), home };
        desk.until("it is loaded", |w| !w.loading && w.shell.tasks.is_empty());
        desk
    }

    fn window(&self) -> &Window {
        self.harness.state().as_ref().unwrap()
    }

    /// Steps until something holds.
    fn until(&mut self, what: &str, holds: impl Fn(&Window) -> bool) {
        let start = Instant::now();
        while !holds(self.window()) {
            assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(5));
            self.harness.step();
        }
        self.harness.run_steps(2);
    }

    fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run_steps(3);
    }

    /// Everything at once, as it comes to a window that is busy with a frame.
    fn at_once(&mut self, mut events: Vec<Event>) {
        for _ in 0..50 {
            keystrokes::deliver(&self.harness.ctx, self.window().mode(), &mut events);
            self.harness.input_mut().events.append(&mut events);
            self.harness.step();
        }
    }

    /// As a keyboard types: each letter is a key and a text.
    fn type_text(&mut self, text: &str) {
        for c in text.chars() {
            let key = Key::from_name(&c.to_uppercase().to_string()).unwrap_or(Key::Space);
            self.harness.key_down(key);
            self.harness.event(Event::Text(c.to_string()));
            self.harness.key_up(key);
            self.harness.run_steps(2);
        }
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.run_steps(4);
    }

    fn verdicts(&self) -> Vec<Verdict> {
        self.window().model.items().values().map(|r| r.verdict).collect()
    }

    fn selected(&self) -> Option<u32> {
        self.window().model.view.instance
    }

    /// Controls without a name.
    fn nameless(&self) -> Vec<String> {
        let controls = self.harness.root().children_recursive().filter_map(|node| {
            let node = node.accesskit_node();
            let controls = [
                Role::Button,
                Role::CheckBox,
                Role::RadioButton,
                Role::TextInput,
                Role::MultilineTextInput,
                Role::ComboBox,
                Role::Slider,
                Role::SpinButton,
                Role::Link,
            ];
            let name = node.label().filter(|l| !l.trim().is_empty());
            // What is chosen in a box is its text.
            let text = node
                .placeholder()
                .map(str::to_owned)
                .or_else(|| node.value().filter(|_| node.role() == Role::ComboBox));
            (controls.contains(&node.role()) && name.is_none() && text.is_none())
                .then(|| format!("{:?} {:?} at {:?}", node.role(), node.value(), node.bounding_box()))
        });
        controls.collect()
    }
}

const NONE: Modifiers = Modifiers::NONE;
const CTRL: Modifiers = Modifiers { ctrl: true, ..Modifiers::COMMAND };
const CTRL_SHIFT: Modifiers = Modifiers { shift: true, ..CTRL };

#[test]
fn every_control_has_a_name() {
    let mut desk = Desk::new(LARGE);
    assert_eq!(desk.nameless(), Vec::<String>::new(), "the window");
    for (modifiers, key) in [
        (Modifiers::SHIFT, Key::Questionmark),
        (CTRL, Key::P),
        (CTRL, Key::E),
        (CTRL, Key::O),
        (CTRL_SHIFT, Key::S),
        (CTRL_SHIFT, Key::R),
        (CTRL_SHIFT, Key::L),
        (NONE, Key::F10),
    ] {
        desk.press(modifiers, key);
        assert_eq!(desk.nameless(), Vec::<String>::new(), "after {key:?}");
        desk.press(NONE, Key::Escape);
        desk.press(NONE, Key::Escape);
    }
    for menu in ["File", "Edit", "View"] {
        desk.click(menu);
        assert_eq!(desk.nameless(), Vec::<String>::new(), "the menu {menu}");
        desk.press(NONE, Key::Escape);
    }
    let empty = Desk::on(tempfile::tempdir().unwrap(), Open::Nothing, ThemePreference::Dark, LARGE);
    assert_eq!(empty.nameless(), Vec::<String>::new(), "the welcome page");
}

#[test]
fn keys_decide_and_take_back() {
    let mut desk = Desk::new(LARGE);
    let first = desk.selected().unwrap_or(1);
    if desk.selected().is_none() {
        desk.press(NONE, Key::J);
    }
    let first = desk.selected().unwrap_or(first);
    desk.press(NONE, Key::A);
    let index = first as usize - 1;
    assert_eq!(desk.verdicts()[index], Verdict::Accepted);
    let second = desk.selected().unwrap();
    assert_ne!(second, first, "and goes on");
    desk.press(NONE, Key::R);
    assert_eq!(desk.verdicts()[second as usize - 1], Verdict::Rejected);
    desk.press(CTRL, Key::Z);
    assert_eq!(desk.verdicts()[second as usize - 1], Verdict::Unreviewed);
    desk.press(CTRL_SHIFT, Key::Z);
    assert_eq!(desk.verdicts()[second as usize - 1], Verdict::Rejected);
    let root = desk.home.path().join("room_a");
    let instances = SceneFolder::open(&root).unwrap().read_instances().unwrap().instances;
    let on_disk: Vec<Verdict> = Review::read(&root, instances).unwrap().items().values().map(|r| r.verdict).collect();
    assert_eq!(on_disk, desk.verdicts());
}

#[test]
fn typing_is_no_shortcut() {
    let mut desk = Desk::new(LARGE);
    desk.press(NONE, Key::J);
    let before = (desk.verdicts(), desk.window().model.view.shown);
    desk.press(NONE, Key::Slash);
    desk.type_text("armgbop");
    assert_eq!(desk.window().model.view.filter, "armgbop");
    assert_eq!((desk.verdicts(), desk.window().model.view.shown), before);
    assert!(!desk.window().dialogs.is_open() && !desk.window().shell.overlays.is_modal());
}

/// Keys that go down and up, with the letters that they write.
fn strokes(keys: &[(Modifiers, Key)]) -> Vec<Event> {
    let stroke = |(modifiers, key): &(Modifiers, Key)| {
        let (key, modifiers) = (*key, *modifiers);
        let event = |pressed| Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
        let name = if key == Key::Space { " ".to_owned() } else { key.name().to_lowercase() };
        let letter = Some(name).filter(|name| name.len() == 1 && modifiers == NONE);
        [Some(event(true)), letter.map(Event::Text), Some(event(false))].into_iter().flatten()
    };
    keys.iter().flat_map(stroke).collect()
}

#[test]
fn keys_that_come_at_once_mean_what_they_mean_one_by_one() {
    use Key::*;
    let mut desk = Desk::new(LARGE);
    // A label is completed from what had been typed before Tab; what comes behind Enter is a decision again.
    let label = [L, B, O, O, K, Tab, Enter, A].map(|key| (NONE, key));
    desk.at_once(strokes(&label));
    let first = &desk.window().model.items()[&1];
    assert_eq!((first.instance.label.as_str(), first.verdict), ("bookshelf", Verdict::Accepted));
    // The palette has what is typed behind its key, and the list what is typed behind the palette's Enter.
    let shown = desk.window().model.view.shown.boxes;
    let palette =
        [(CTRL, P), (NONE, H), (NONE, I), (NONE, D), (NONE, E), (NONE, Space), (NONE, B), (NONE, O), (NONE, X)];
    desk.at_once(strokes(&palette));
    assert!(desk.harness.query_all_by_value("hide box").next().is_some(), "not a letter is lost");
    desk.at_once(strokes(&[(NONE, Enter), (NONE, R)]));
    assert_eq!(desk.window().model.view.shown.boxes, !shown);
    assert_eq!(desk.verdicts()[..2], [Verdict::Accepted, Verdict::Rejected]);
    // A tool ends before the keys behind Esc.
    desk.at_once(strokes(&[E, Escape, S].map(|key| (NONE, key))));
    assert_eq!(desk.verdicts()[2..], [Verdict::Unsure, Verdict::Unreviewed]);
}

#[test]
fn the_palette_finds_and_does() {
    let mut desk = Desk::new(LARGE);
    let shown = desk.window().model.view.shown;
    desk.press(CTRL, Key::P);
    assert!(desk.window().shell.overlays.finder.is_some());
    desk.type_text("hide box");
    desk.press(NONE, Key::Enter);
    assert!(desk.window().shell.overlays.finder.is_none());
    assert_eq!(desk.window().model.view.shown.boxes, !shown.boxes);
    desk.press(CTRL, Key::P);
    desk.press(NONE, Key::ArrowDown);
    desk.press(NONE, Key::Escape);
    assert!(desk.window().shell.overlays.finder.is_none() && desk.verdicts().iter().all(|v| *v == Verdict::Unreviewed));
    desk.press(CTRL, Key::P);
    desk.type_text("panel scenes");
    desk.press(NONE, Key::Enter);
    assert!(panels::is_open(&desk.window().layout.tree, Pane::Scenes));
}

#[test]
fn the_keys_file_holds() {
    let home = tempfile::tempdir().unwrap();
    let root = scene(home.path(), "room_a");
    std::fs::create_dir_all(home.path().join("config")).unwrap();
    std::fs::write(home.path().join("config/keys.json"), r#"{"accept": ["Space", "Ctrl+J"], "warp": []}"#).unwrap();
    let mut desk = Desk::on(home, Open::Scene(root), ThemePreference::Dark, LARGE);
    desk.press(NONE, Key::J);
    desk.press(NONE, Key::A);
    assert!(desk.verdicts().iter().all(|v| *v == Verdict::Unreviewed));
    desk.press(NONE, Key::Space);
    assert_eq!(desk.verdicts().iter().filter(|v| **v == Verdict::Accepted).count(), 1);
    desk.press(NONE, Key::F1);
    assert!(desk.harness.query_by_label("Space or Ctrl+J").is_some(), "the help shows the keys in force");
}

#[test]
fn larger_smaller_and_demo_are_remembered() {
    let mut desk = Desk::new(LARGE);
    let config = desk.home.path().join("config");
    desk.press(CTRL, Key::Plus);
    desk.press(CTRL, Key::Equals);
    assert_eq!(desk.window().shell.settings.scale, 1.5);
    assert_eq!(desk.harness.ctx.zoom_factor(), 1.5);
    desk.press(CTRL, Key::Minus);
    assert_eq!(Settings::load(Some(&config)).scale, 1.25);
    desk.press(CTRL, Key::Num0);
    assert_eq!(Settings::load(Some(&config)).scale, 1.0);
    assert!(Settings::load(Some(&config)).recent[0].ends_with("room_a"));
    desk.press(NONE, Key::F10);
    desk.press(NONE, Key::J);
    assert!(desk.window().layout.demo && desk.harness.query_by_label("File").is_none());
    let caption = format!("A {}.", LABELS[desk.selected().unwrap() as usize - 1]);
    assert!(desk.harness.query_by_label(&caption).is_some());
    desk.press(NONE, Key::Escape);
    assert!(!desk.window().layout.demo && desk.harness.query_by_label("File").is_some());
}

#[test]
fn goes_through_a_folder_of_scenes() {
    let home = tempfile::tempdir().unwrap();
    let rooms = home.path().join("rooms");
    for name in ["one", "two"] {
        scene(&rooms, name);
    }
    std::fs::create_dir_all(rooms.join("broken")).unwrap();
    std::fs::write(rooms.join("broken/scene.json"), "{").unwrap();
    let mut desk = Desk::on(home, Open::Scene(rooms), ThemePreference::Dark, LARGE);
    let name = |w: &Window| w.model.root.as_ref().and_then(|r| Some(r.file_name()?.to_string_lossy().into_owned()));
    desk.until("the first scene is open", |w| w.model.review.is_some());
    assert_eq!(name(desk.window()).as_deref(), Some("one"));
    assert!(desk.harness.query_by_label("two: 0 of 4 instances reviewed").is_some());
    desk.press(NONE, Key::J);
    desk.press(NONE, Key::A);
    assert!(desk.harness.query_by_label("one: 1 of 4 instances reviewed").is_some());
    desk.press(CTRL, Key::ArrowRight);
    desk.until("the second scene is open", |w| name(w).as_deref() == Some("two") && w.model.review.is_some());
    assert!(desk.harness.query_by_label("one: 1 of 4 instances reviewed").is_some(), "what was done is kept");
    let broken = desk.window().shell.worklist.as_ref().unwrap().scenes[0].work.clone();
    assert!(broken.unwrap().unwrap_err().contains("broken/scene.json"));
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("nobody reads it here".into())
    }
}

#[test]
fn a_dropped_folder_is_opened_and_a_dropped_video_offered() {
    let home = tempfile::tempdir().unwrap();
    let root = scene(home.path(), "room_a");
    let video = home.path().join("walk.mp4");
    std::fs::write(&video, "not read before the user says so").unwrap();
    let mut desk = Desk::on(home, Open::Nothing, ThemePreference::Dark, LARGE);
    let drop = |desk: &mut Desk, path: &Path| {
        desk.harness.input_mut().dropped_files.push(Arc::new(Dropped(path.to_path_buf())));
        desk.harness.run_steps(3);
    };
    drop(&mut desk, &root);
    desk.until("the dropped scene is open", |w| w.model.review.is_some());
    drop(&mut desk, &video);
    assert!(desk.harness.query_by_label("Make a scene?").is_some());
}

#[test]
fn the_export_lists_problems_and_says_where_it_went() {
    let mut desk = Desk::new(LARGE);
    desk.press(NONE, Key::J);
    desk.press(CTRL, Key::E);
    let shows = |d: &Desk, text: &str| d.harness.query_by_label_contains(text).is_some();
    let checked = |desk: &mut Desk, text: &str| {
        let start = Instant::now();
        while !shows(desk, text) {
            assert!(start.elapsed() < PATIENCE, "{text} is not shown");
            std::thread::sleep(Duration::from_millis(5));
            desk.harness.step();
        }
        desk.harness.run_steps(2);
    };
    checked(&mut desk, "nothing is accepted yet");
    desk.click("#3");
    assert_eq!(desk.selected(), Some(3));
    desk.press(NONE, Key::A);
    desk.click("Boxes, labels and captions, as JSON");
    checked(&mut desk, "no mask in any photo");
    desk.click("Export");
    checked(&mut desk, "exported 1 files with 1 instances");
    assert!(shows(&desk, "Open folder") && shows(&desk, "Copy path"));
    assert!(desk.home.path().join("room_a/export/instances.json").is_file());
}

#[test]
fn panels_close_and_come_back() {
    let mut desk = Desk::new(LARGE);
    let open = |d: &Desk| panels::is_open(&d.window().layout.tree, Pane::Photo);
    assert!(open(&desk));
    desk.click("View");
    desk.harness.get_by_label_contains("Panels").click();
    desk.harness.run_steps(4);
    let boxes = desk.harness.get_all_by_role(Role::CheckBox);
    let photo = boxes.into_iter().find(|n| n.accesskit_node().label().as_deref() == Some("Photo")).unwrap();
    photo.click();
    desk.harness.run_steps(4);
    assert!(!open(&desk));
    desk.press(NONE, Key::Escape);
    desk.press(CTRL, Key::P);
    desk.type_text("panel photo");
    desk.press(NONE, Key::Enter);
    assert!(open(&desk));
}

#[test]
fn lays_out_dark_and_light_at_every_size() {
    for theme in [ThemePreference::Dark, ThemePreference::Light] {
        for size in [LARGE, AT_200, [480.0, 320.0]] {
            let home = tempfile::tempdir().unwrap();
            let root = scene(home.path(), "room_a");
            let mut desk = Desk::on(home, Open::Scene(root), theme, size);
            for (modifiers, key) in [(CTRL, Key::P), (CTRL, Key::E), (NONE, Key::F1), (NONE, Key::F10)] {
                desk.press(modifiers, key);
                desk.harness.run_steps(4);
                desk.press(NONE, Key::Escape);
                desk.press(NONE, Key::Escape);
            }
            desk.press(CTRL, Key::E);
            desk.harness.run_steps(6);
            let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, vec2(size[0], size[1]));
            let dialog = desk.harness.get_by_label("Check again").rect();
            assert!(screen.x_range().contains(dialog.min.x) && screen.x_range().contains(dialog.max.x), "{size:?}");
        }
    }
}
