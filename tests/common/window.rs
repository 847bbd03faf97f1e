//! The real window under Xvfb, driven by xdotool, and a scene to show in it.
#![allow(dead_code, reason = "each test file uses its part")]

use super::HOLOSCOPE;
use holoscope::review::{Review, Reviewed};
use holoscope::scene::folder::{SceneFolder, SceneMeta, StageRecord, VERSION};
use holoscope::scene::{
    Camera, FrameMasks, Instance, InstanceState, InstanceView, Instances, Intrinsics, Mask2d, OrientedBox, Rle, Sparse,
    SparsePoint,
};
use nalgebra::{Isometry3, Point3, Vector3};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) const LABELS: [&str; 4] = ["armchair", "bookshelf", "cupboard", "desk"];
/// Two cores with software OpenGL and other tests beside it are slow to open a window.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A child process that does not outlive the test.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Polls until `get` gives something; fails the test with `what` when patience runs out.
pub(crate) fn wait_for<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = get() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        sleep(Duration::from_millis(100));
    }
}

pub(crate) fn has(tool: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|p| std::env::split_paths(&p).any(|dir| dir.join(tool).is_file()))
}

/// A screen of our own, so that no key goes to somebody's desktop: the server and its display, `:7`.
pub(crate) fn start_xvfb() -> (Killed, String) {
    // Two servers that start at once may both take a display that neither holds yet.
    static STARTING: Mutex<()> = Mutex::new(());
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut server = Command::new("Xvfb")
        // Else the server starts anew when its last client has gone, be it xdotool, and refuses whoever comes meanwhile.
        .args(["-displayfd", "1", "-screen", "0", "1600x1000x24", "-nolisten", "tcp", "-noreset"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut number = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
    assert!(!number.trim().is_empty(), "Xvfb does not start");
    (Killed(server), format!(":{}", number.trim()))
}

/// The program with a scene open, and its window.
pub(crate) struct Window {
    pub(crate) process: Killed,
    display: String,
    id: String,
}

impl Window {
    /// Opens a scene and waits until it can be reviewed.
    pub(crate) fn open(display: &str, scene: &Path, config: &Path) -> Self {
        let window = Self::show(display, scene, config);
        wait_for("the window is ready: the review holds the scene's lock", || {
            let lock = std::fs::File::open(scene.join("review.lock")).ok()?;
            matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)).then_some(())
        });
        window.rest();
        window
    }

    /// Starts the program on a path, in the folder that holds it, and waits for its window.
    pub(crate) fn show(display: &str, path: &Path, config: &Path) -> Self {
        let process = Command::new(HOLOSCOPE)
            .arg(path)
            .current_dir(path.parent().unwrap())
            .env("DISPLAY", display)
            .env_remove("WAYLAND_DISPLAY")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("XDG_CONFIG_HOME", config)
            .spawn()
            .unwrap();
        let pid = process.id().to_string();
        let mut window = Self { process: Killed(process), display: display.to_owned(), id: String::new() };
        window.id = wait_for("the window opens", || {
            if let Some(status) = window.process.0.try_wait().unwrap() {
                panic!("the program ended before its window opened: {status}");
            }
            let found = window.xdotool(&["search", "--onlyvisible", "--pid", &pid])?;
            found.lines().next().map(str::to_owned)
        });
        // There is no window manager to give it the focus.
        window.xdotool(&["windowfocus", &window.id]).expect("the window takes the focus");
        window
    }

    /// Runs xdotool; its output, `None` where it says no.
    pub(crate) fn xdotool(&self, args: &[&str]) -> Option<String> {
        let output = Command::new("xdotool").args(args).env("DISPLAY", &self.display).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) fn key(&self, keys: &str) {
        self.xdotool(&["key", keys]).expect("xdotool sends a key");
    }

    /// Types keys one after the other, as fast as they come: ["ctrl+k", "Return"].
    pub(crate) fn keys(&self, keys: &[&str]) {
        self.xdotool(&[&["key"], keys].concat()).expect("xdotool sends keys");
    }

    /// Types into the field that has the focus.
    pub(crate) fn type_text(&self, text: &str) {
        self.xdotool(&["type", "--delay", "20", text]).expect("xdotool types");
    }

    /// Waits until the program rests. A key goes by way of the input method: a click that comes while the program is busy
    /// overtakes the key that was before it.
    fn rest(&self) {
        let ticks = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.0.id())).unwrap_or_default();
            let fields: Vec<u64> = stat.split(' ').map(|f| f.parse().unwrap_or(0)).collect();
            // Time in user mode and in the kernel.
            fields.get(13..15).map_or(0, |t| t[0] + t[1])
        };
        let mut last = ticks();
        wait_for("the program rests", || {
            sleep(Duration::from_millis(200));
            let now = ticks();
            (std::mem::replace(&mut last, now) == now).then_some(())
        });
    }

    /// Clicks a pixel of the screen, whose upper left corner is the window's too; `held` is a modifier's key, or none.
    pub(crate) fn click(&self, at: [i32; 2], held: Option<&str>) {
        self.rest();
        let [x, y] = at.map(|c| c.to_string());
        let mut args = vec!["mousemove", &x, &y];
        args.extend(held.iter().flat_map(|key| ["keydown", *key]));
        args.extend(["click", "1"]);
        args.extend(held.iter().flat_map(|key| ["keyup", *key]));
        self.xdotool(&args).expect("xdotool clicks");
    }

    /// Presses the left button at a pixel of the screen and moves on to another, as a hand would; the button stays down.
    pub(crate) fn drag(&self, from: [i32; 2], to: [i32; 2]) {
        self.rest();
        let half = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
        let [[ax, ay], [bx, by], [cx, cy]] = [from, half, to].map(|p| p.map(|c| c.to_string()));
        let wait = ["sleep", "0.15"];
        let steps: [&[&str]; 8] = [
            &["mousemove", &ax, &ay],
            &wait,
            &["mousedown", "1"],
            &wait,
            &["mousemove", &bx, &by],
            &wait,
            &["mousemove", &cx, &cy],
            &wait,
        ];
        self.xdotool(&steps.concat()).expect("xdotool drags");
    }

    pub(crate) fn let_go(&self) {
        self.rest();
        self.xdotool(&["mouseup", "1"]).expect("xdotool lets the button go");
    }

    /// Takes the keys from another window on the screen, and comes before it: a hidden window is not drawn and does nothing.
    pub(crate) fn focus(&self) {
        self.xdotool(&["windowraise", &self.id, "windowfocus", &self.id]).expect("the window takes the focus");
    }

    /// Opens the caption's field, replaces what is in it, and confirms.
    pub(crate) fn recaption(&self, text: &str) {
        self.key("c");
        sleep(Duration::from_secs(1));
        self.key("ctrl+a");
        self.xdotool(&["type", "--delay", "60", text]).expect("xdotool types");
        sleep(Duration::from_millis(500));
        self.key("Return");
    }

    /// `kill -9`, in the middle of whatever it does. The mouse outlives it: its button comes up.
    pub(crate) fn kill(mut self) {
        self.process.0.kill().expect("the program is killed");
        self.process.0.wait().expect("the program is gone");
        self.let_go();
    }
}

/// A look at the scene's state as any other program has it.
pub(crate) struct Watch {
    pub(crate) scene: PathBuf,
    pub(crate) instances: Vec<Instance>,
}

impl Watch {
    pub(crate) fn items(&self) -> BTreeMap<u32, Reviewed> {
        let review = Review::read(&self.scene, self.instances.clone()).unwrap();
        assert!(review.notices().is_empty(), "{:?}", review.notices());
        review.items().clone()
    }

    pub(crate) fn lines(&self) -> usize {
        std::fs::read_to_string(self.scene.join("review.jsonl")).map_or(0, |t| t.lines().count())
    }

    /// Waits for the log to have `n` lines; the reviewed state then.
    pub(crate) fn after_line(&self, n: usize) -> BTreeMap<u32, Reviewed> {
        wait_for(&format!("line {n} of the log"), || (self.lines() >= n).then_some(()));
        sleep(Duration::from_millis(300));
        assert_eq!(self.lines(), n, "one key, one line");
        self.items()
    }
}

pub(crate) fn with(items: &BTreeMap<u32, Reviewed>, is: impl Fn(&Reviewed) -> bool) -> Vec<u32> {
    items.values().filter(|r| is(r)).map(|r| r.instance.id).collect()
}

/// Whether the tools are there; says which is not.
pub(crate) fn can_drive_a_window() -> bool {
    let missing = ["Xvfb", "xdotool"].into_iter().find(|tool| !has(tool));
    if let Some(tool) = missing {
        println!("skipped: {tool} is not installed");
    }
    missing.is_none()
}

/// A finished scene: two photos 2 m in front of four boxes that stand side by side, each 40 cm wide; `n` instances, the
/// fifth and so on where the first and so on are, but each time larger.
pub(crate) fn make_scene(root: &Path, n: usize) -> Vec<Instance> {
    let folder = SceneFolder::create(root).unwrap();
    let intrinsics = Intrinsics { width: 320, height: 240, fx: 250.0, fy: 250.0, cx: 160.0, cy: 120.0 };
    let names = ["0000.jpg".to_owned(), "0001.jpg".to_owned()];
    let rotation = nalgebra::UnitQuaternion::from_axis_angle(&Vector3::x_axis(), -std::f64::consts::FRAC_PI_2);
    let camera = |x: f64| Camera { intrinsics, c2w: Isometry3::from_parts([x, -2.0, 0.5].into(), rotation) };
    let cameras = [camera(-0.05), camera(0.05)];
    let boxes: Vec<OrientedBox> = (0..4)
        .map(|i| OrientedBox::upright([-0.75 + 0.5 * f64::from(i), 0.0, 0.5].into(), Vector3::repeat(0.4), 0.0))
        .collect();
    std::fs::create_dir_all(root.join("images")).unwrap();
    let mut tracks = vec![Vec::new(); boxes.len()];
    for (f, (name, camera)) in names.iter().zip(&cameras).enumerate() {
        let stem = name.trim_end_matches(".jpg");
        let mut photo = image::RgbImage::from_fn(320, 240, |x, y| image::Rgb([(x / 2) as u8, y as u8, 128]));
        let mut masks = Vec::new();
        for (i, b) in boxes.iter().enumerate() {
            let (u, v, _) = camera.project(&b.center).unwrap();
            tracks[i].push((f, [u as f32, v as f32]));
            let inside = |k: u32| (f64::from(k % 320) - u).abs() < 24.0 && (f64::from(k / 320) - v).abs() < 24.0;
            let pixels: Vec<bool> = (0..320 * 240).map(inside).collect();
            for (pixel, _) in photo.pixels_mut().zip(&pixels).filter(|(_, is_in)| **is_in) {
                *pixel = image::Rgb([200, 60 * i as u8, 20]);
            }
            let segmentation = Rle::encode(320, 240, &pixels);
            masks.push(Mask2d { instance_id: i as u32 + 1, label: LABELS[i].into(), score: 0.9, segmentation });
        }
        photo.save(folder.image_path(name)).unwrap();
        folder.write_masks(stem, &FrameMasks { image: name.clone(), width: 320, height: 240, masks }).unwrap();
    }
    let points = boxes.iter().zip(tracks).map(|(b, track)| SparsePoint {
        position: Point3::from(b.center.coords - Vector3::y() * 0.2),
        color: [200, 60, 20],
        track,
        error: 0.3,
    });
    let sparse =
        Sparse { cameras: cameras.iter().copied().map(Some).collect(), points: points.collect(), ..Sparse::default() };
    folder.write_sparse(&names, &sparse).unwrap();
    std::fs::write(folder.splat_path(), splat_ply(&boxes)).unwrap();
    let large = |i: usize| OrientedBox { size: Vector3::repeat(0.4 * (1 + i / 4) as f64), ..boxes[i % 4] };
    let instances: Vec<Instance> = (0..n).map(|i| instance(i, large(i))).collect();
    folder.write_instances(&Instances { version: 1, instances: instances.clone() }).unwrap();
    folder.write_meta(&meta(&names)).unwrap();
    instances
}

fn instance(i: usize, obb: OrientedBox) -> Instance {
    let view = |image: &str| InstanceView { image: image.into(), mask_score: 0.9, visible_fraction: 0.8 };
    Instance {
        id: i as u32 + 1,
        label: LABELS[i % 4].into(),
        caption: format!("caption of the {}", LABELS[i % 4]),
        score: 0.5 + 0.1 * (i % 4) as f64 + 1e-4 * (i / 4) as f64,
        state: InstanceState::Kept,
        obb,
        views: vec![view("0000"), view("0001")],
        best_view: "0000".into(),
        evidence: serde_json::json!({"label": "test", "score": "test"}),
    }
}

fn meta(names: &[String]) -> SceneMeta {
    let stage = |s: &holoscope::pipeline::Stage| StageRecord {
        name: s.name().into(),
        state: "done".into(),
        seconds: 1.0,
        device: "cpu".into(),
        options: serde_json::json!({}),
        error: None,
        key: "test".into(),
    };
    SceneMeta {
        version: VERSION,
        name: "window test".into(),
        source: "/nowhere".into(),
        units: "metres".into(),
        scale_source: "test".into(),
        up: [0.0, 0.0, 1.0],
        floor_found: false,
        world_from_input: std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j)))),
        images: names.to_vec(),
        held_out: Vec::new(),
        stages: holoscope::pipeline::Stage::ALL.iter().map(stage).collect(),
        program: env!("CARGO_PKG_VERSION").into(),
        models: Vec::new(),
        warnings: Vec::new(),
        typed_scale: None,
        figures: serde_json::Value::Null,
    }
}

/// A splat file as the 3DGS reference writes it, without higher harmonics: one round Gaussian a box.
fn splat_ply(boxes: &[OrientedBox]) -> Vec<u8> {
    let names = "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3";
    let properties: String = names.split(' ').map(|n| format!("property float {n}\n")).collect();
    let header =
        format!("ply\nformat binary_little_endian 1.0\nelement vertex {}\n{properties}end_header\n", boxes.len());
    let mut bytes = header.into_bytes();
    for b in boxes {
        let [x, y, z] = [b.center.x, b.center.y, b.center.z].map(|v| v as f32);
        let row = [x, y, z, 0.0, 0.0, 0.0, 1.0, -0.5, -0.5, 3.0, -2.0, -2.0, -2.0, 1.0, 0.0, 0.0, 0.0f32];
        bytes.extend(row.iter().flat_map(|v| v.to_le_bytes()));
    }
    bytes
}
