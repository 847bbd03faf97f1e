//! What the tests of the program share: small photos, the program as a child, folders byte for byte.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(target_os = "linux")]
pub(crate) mod window;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program under test.
pub(crate) const HOLOSCOPE: &str = env!("CARGO_BIN_EXE_holoscope");

/// Width of the bundled photos, and their focal length in pixels.
const DEMO: (u32, f64) = (640, 525.0);

#[allow(unused_macros, reason = "each test program uses a part of this")]
/// Runs the program with arguments that may be text or paths, and waits for it.
macro_rules! holoscope {
    ($($arg:expr),* $(,)?) => {
        common::Ran::of(common::program()$(.arg($arg))*)
    };
}

/// The program, on a machine without a display.
pub(crate) fn program() -> Command {
    let mut program = Command::new(HOLOSCOPE);
    program.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    program
}

/// How the program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        Self { code: status.code(), out: String::from_utf8(stdout).unwrap(), err: String::from_utf8(stderr).unwrap() }
    }

    /// It did what it was asked for.
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It failed with exit code 1, nothing on stdout, and one sentence as the last line, which holds all of `names`.
    pub(crate) fn fails(self, names: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.out.is_empty(), "{self:?}");
        let said: Vec<&str> = self.err.lines().filter(|l| l.starts_with("holoscope: ")).collect();
        assert!(said.len() == 1 && self.err.lines().last() == Some(said[0]), "not one sentence at the end: {self:?}");
        for name in names {
            assert!(said[0].contains(name), "{name:?} is not named in {:?}", said[0]);
        }
        assert!(!self.err.contains("panicked") && !self.err.contains("fault in the program"), "{self:?}");
        self
    }

    /// Its stdout as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e} in {:?}", self.out))
    }
}

/// Stems of the bundled photos, in order.
fn demo_stems() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    let paths = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut stems: Vec<String> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "jpg"))
        .map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    stems.sort();
    stems
}

/// Writes the first of the bundled photos, each `widths[i]` pixels wide, and the intrinsics of the first width.
/// Returns their stems.
pub(crate) fn photos(folder: &Path, widths: &[u32]) -> Vec<String> {
    std::fs::create_dir_all(folder).unwrap();
    let stems: Vec<String> = demo_stems().into_iter().take(widths.len()).collect();
    assert_eq!(stems.len(), widths.len());
    for (stem, width) in stems.iter().zip(widths) {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/demo/{stem}.jpg"));
        let photo = image::open(demo).unwrap().into_rgb8();
        let small = resize(&photo, *width, width * photo.height() / photo.width(), FilterType::Triangle);
        let file = std::fs::File::create(folder.join(format!("{stem}.jpg"))).unwrap();
        small.write_with_encoder(JpegEncoder::new_with_quality(file, 95)).unwrap();
    }
    std::fs::write(folder.join("intrinsics.json"), intrinsics(widths[0]).to_string()).unwrap();
    stems
}

/// Intrinsics of a bundled photo that is `width` pixels wide.
pub(crate) fn intrinsics(width: u32) -> serde_json::Value {
    let height = width * 3 / 4;
    let f = DEMO.1 * f64::from(width) / f64::from(DEMO.0);
    let (cx, cy) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
    serde_json::json!({ "width": width, "height": height, "fx": f, "fy": f, "cx": cx, "cy": cy })
}

/// Every file below a folder, with its bytes. Names that begin with a dot, which a killed run may leave, are left out.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path.strip_prefix(root).unwrap().to_owned(), bytes);
            }
        }
    }
    found
}

/// Fails unless both hold the same files with the same bytes.
pub(crate) fn assert_same(a: &BTreeMap<PathBuf, Vec<u8>>, b: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
    let names = |f: &BTreeMap<PathBuf, Vec<u8>>| f.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(a), names(b), "{what}: other files");
    let differ: Vec<&PathBuf> = a.keys().filter(|k| a[*k] != b[*k]).collect();
    assert!(differ.is_empty(), "{what}: {differ:?} differ");
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> serde_json::Value {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// State of a stage in `scene.json`; empty where it has none.
pub(crate) fn state(scene: &Path, stage: &str) -> String {
    let meta = json(&scene.join("scene.json"));
    let stages = meta["stages"].as_array().unwrap();
    stages.iter().find(|s| s["name"] == stage).map_or_else(String::new, |s| s["state"].as_str().unwrap().to_owned())
}
