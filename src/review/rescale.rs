//! A log that stays true when the scene is brought to another scale: decisions remember the box that was judged.

use super::log::{Action, Contents, Lock, Record};
use super::{ReviewError, now, second_opinions};
use crate::scene::{OrientedBox, Similarity};
use std::path::{Path, PathBuf};

/// A log of a scene as it must be after the scene is rescaled. Nobody else can decide until this is dropped.
#[derive(Debug)]
pub struct RescaledLog {
    /// The log.
    pub path: PathBuf,
    /// Its contents: as before, and a line that says so; `None` where nothing was ever decided.
    pub bytes: Option<Vec<u8>>,
    _lock: Lock,
}

/// Makes those of all reviewers of a scene; nothing is written. Refuses where another window holds one of them, and
/// where one is damaged.
pub fn rescaled_logs(scene: &Path, factor: f64, reviewer: &str) -> Result<Vec<RescaledLog>, ReviewError> {
    let first = scene.join("review.jsonl");
    let second = second_opinions(scene).into_iter();
    std::iter::once(first).chain(second).map(|path| rescaled_log(path, factor, reviewer)).collect()
}

fn rescaled_log(path: PathBuf, factor: f64, reviewer: &str) -> Result<RescaledLog, ReviewError> {
    let io = |action: &'static str| {
        let path = path.clone();
        move |source| ReviewError::Io { action, path, source }
    };
    let lock = match Lock::take(&path).map_err(io("lock"))? {
        Lock::Taken => return Err(ReviewError::ReadOnly { path }),
        lock => lock,
    };
    let contents = Contents::read(&path)?;
    if let Some(damage) = contents.damage {
        return Err(ReviewError::Malformed { path, line: damage.line, reason: damage.reason });
    }
    let Some(last) = contents.records.last() else { return Ok(RescaledLog { path, bytes: None, _lock: lock }) };
    let record = Record {
        seq: last.seq + 1,
        time: now(),
        reviewer: reviewer.to_owned(),
        program: concat!("holoscope ", env!("CARGO_PKG_VERSION")).to_owned(),
        action: Action::Rescale { factor },
    };
    let mut bytes = std::fs::read(&path).map_err(io("read"))?;
    bytes.truncate(contents.whole as usize);
    if !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    bytes.extend(record.to_line().map_err(io("write"))?.into_bytes());
    Ok(RescaledLog { path, bytes: Some(bytes), _lock: lock })
}

/// For each line: how much larger the world has become since it was written.
pub(super) fn scales(records: &[Record]) -> Vec<f64> {
    let mut scale = 1.0;
    let mut out: Vec<f64> = records
        .iter()
        .rev()
        .map(|r| {
            let since = scale;
            if let Action::Rescale { factor } = r.action {
                scale *= factor;
            }
            since
        })
        .collect();
    out.reverse();
    out
}

/// A box in a world that has become `scale` times as large.
pub(super) fn scaled(b: &OrientedBox, scale: f64) -> OrientedBox {
    let world = Similarity { scale, ..Similarity::identity() };
    if scale == 1.0 { *b } else { b.transformed(&world) }
}

#[cfg(test)]
mod tests {
    use super::super::{Decision, Review, Verdict};
    use super::*;
    use crate::scene::{Instance, InstanceState};

    fn instance(id: u32, scale: f64) -> Instance {
        let world = Similarity { scale, ..Similarity::identity() };
        let obb = OrientedBox::upright([f64::from(id), 2.0, 0.5].into(), [0.4, 0.5, 0.6].into(), 0.3);
        Instance {
            id,
            label: "chair".into(),
            caption: String::new(),
            score: 0.5,
            state: InstanceState::Kept,
            obb: obb.transformed(&world),
            views: Vec::new(),
            best_view: String::new(),
            evidence: serde_json::Value::Null,
        }
    }

    #[test]
    fn decisions_follow_a_scene_that_was_rescaled_twice() {
        let dir = tempfile::tempdir().unwrap();
        let scene = |scale: f64| vec![instance(1, scale), instance(2, scale)];
        let path = dir.path().join("review.jsonl");
        let second = dir.path().join("review-bob.jsonl");
        assert!(rescaled_logs(dir.path(), 2.0, "ana").unwrap()[0].bytes.is_none());
        let mut world = 1.0;
        for (id, factor) in [(1, 0.5), (2, 3.0)] {
            let mut review = Review::open(dir.path(), scene(world), "ana").unwrap();
            review.decide(id, Decision::Accept).unwrap();
            let mut other = Review::open_second(dir.path(), scene(world), "bob").unwrap();
            other.decide(id, Decision::REJECT).unwrap();
            drop(other);
            assert!(rescaled_logs(dir.path(), factor, "ana").is_err(), "the review is still open");
            drop(review);
            let logs = rescaled_logs(dir.path(), factor, "ana").unwrap();
            assert_eq!(logs.iter().map(|l| &l.path).collect::<Vec<_>>(), [&path, &second]);
            for log in logs {
                std::fs::write(&log.path, log.bytes.unwrap()).unwrap();
            }
            world *= factor;
        }
        // Without the two lines the box of the first decision would be another thing: IoU (2 / 3)^3 and a half away.
        let mut review = Review::open(dir.path(), scene(world), "ana").unwrap();
        assert!(review.notices().is_empty(), "{:?}", review.notices());
        assert_eq!(review.counts().accepted, 2);
        assert_eq!(review.undo().unwrap(), Some(vec![2]));
        assert_eq!(review.items()[&2].verdict, Verdict::Unreviewed);
        assert_eq!(Review::read_log(&second, scene(world)).unwrap().counts().rejected, 2);
        // In the old world the decisions are about other things.
        drop(review);
        assert_eq!(Review::read(dir.path(), scene(0.3)).unwrap().counts().unreviewed, 2);
    }
}
