//! What a reviewer was told is saved, is saved: `kill -9` at random moments, and a disk that fills up.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use holoscope::review::{Decision, Review, ReviewError};
use holoscope::scene::{Instance, InstanceState, OrientedBox};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const INSTANCES: u32 = 50;

fn instances() -> Vec<Instance> {
    let make = |id: u32| Instance {
        id,
        label: "thing".into(),
        caption: String::new(),
        score: 0.5,
        state: InstanceState::Verify,
        obb: OrientedBox::upright([f64::from(id) * 2.0, 0.0, 0.0].into(), [1.0, 1.0, 1.0].into(), 0.0),
        views: Vec::new(),
        best_view: String::new(),
        evidence: serde_json::Value::Null,
    };
    (1..=INSTANCES).map(make).collect()
}

/// Scene folder that a child process is to write to; `None` in the process that runs the tests.
fn child_scene() -> Option<PathBuf> {
    std::env::var_os("REVIEW_CRASH_SCENE").map(PathBuf::from)
}

/// This executable, running one test as a child over a scene. `shell` is what goes before it.
fn child(test: &str, scene: &Path, shell: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{shell} exec \"$0\" \"$@\"")]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("REVIEW_CRASH_SCENE", scene);
    command
}

/// Not a test by itself: recaptions with a rising number, and says each one once it is saved, until it is killed.
#[test]
fn writer() {
    let Some(scene) = child_scene() else { return };
    let mut review = Review::open(&scene, instances(), "writer").unwrap();
    assert!(!review.is_read_only(), "{:?}", review.notices());
    let mut n = review.items().values().filter_map(|r| r.instance.caption.parse::<u64>().ok()).max().unwrap_or(0);
    loop {
        n += 1;
        let id = (n % u64::from(INSTANCES)) as u32 + 1;
        review.decide(id, Decision::Recaption { text: n.to_string() }).unwrap();
        writeln!(std::io::stdout(), "\nsaved {id} {n}").unwrap();
    }
}

#[test]
fn killed_at_random_moments() {
    if child_scene().is_some() {
        return;
    }
    let scene = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    let mut saved = 0u64;
    for round in 0..200 {
        let mut writer = child("writer", scene.path(), "").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // The first report says that it is under way; then it is killed within a few decisions, at any point of one.
        let first = lines.by_ref().map_while(Result::ok).find_map(|l| saved_number(&l)).expect("the writer saves");
        std::thread::sleep(std::time::Duration::from_micros(random.u64(0..12_000)));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let last = lines.map_while(Result::ok).filter_map(|l| saved_number(&l)).last().unwrap_or(first);
        assert!(first > saved && last >= first, "round {round}: numbers go on after a restart");
        saved = last;

        let review = Review::open(scene.path(), instances(), "check").unwrap();
        assert!(!review.is_read_only(), "the lock is gone with its holder: {:?}", review.notices());
        for n in saved.saturating_sub(u64::from(INSTANCES) - 1).max(1)..=saved {
            let id = (n % u64::from(INSTANCES)) as u32 + 1;
            let found: u64 = review.items()[&id].instance.caption.parse().unwrap();
            // One more than was reported may have been saved: it was killed between the two.
            assert!(found == n || found == saved + 1, "round {round}: {n} was reported, {found} is there");
        }
    }
    println!("{saved} decisions reported over 200 kills, none lost");
}

fn saved_number(line: &str) -> Option<u64> {
    line.strip_prefix("saved ")?.split(' ').nth(1)?.parse().ok()
}

/// Not a test by itself: decides until the file may not grow any more.
#[test]
fn writer_on_a_full_disk() {
    let Some(scene) = child_scene() else { return };
    let mut review = Review::open(&scene, instances(), "writer").unwrap();
    let log = scene.join("review.jsonl");
    let mut done = 0;
    let error = loop {
        let (before, bytes) = (review.items().clone(), std::fs::read(&log).unwrap());
        match review.decide(1, Decision::Recaption { text: done.to_string() }) {
            Ok(()) => done += 1,
            Err(e) => {
                assert_eq!(review.items(), &before, "a decision that was not saved is not applied");
                assert_eq!(std::fs::read(&log).unwrap(), bytes, "the part that was written is cut off");
                break e;
            }
        }
    };
    assert!(matches!(error, ReviewError::Io { .. }) && error.to_string().contains("review.jsonl"), "{error}");
    writeln!(std::io::stdout(), "\nsaved 1 {done}").unwrap();
}

#[test]
fn full_disk() {
    if child_scene().is_some() {
        return;
    }
    let scene = tempfile::tempdir().unwrap();
    let output = child("writer_on_a_full_disk", scene.path(), "trap '' XFSZ; ulimit -f 8;").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let done = text.lines().find_map(saved_number).expect("the child reports");
    assert!(done > 2, "{text}");
    let mut review = Review::open(scene.path(), instances(), "check").unwrap();
    assert!(review.notices().is_empty(), "{:?}", review.notices());
    assert_eq!(review.items()[&1].instance.caption, (done - 1).to_string());
    review.decide(1, Decision::Accept).unwrap();
}
