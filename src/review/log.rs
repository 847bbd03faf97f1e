//! `review.jsonl`: one JSON object a line, append-only, each line with its own checksum and synced before it counts.
//!
//! ```json
//! {"seq":4,"time":"2026-01-31T09:30:00.125Z","reviewer":"ana","program":"holoscope 0.1.0","action":"decide","id":12,
//!  "before":{"caption":"a chair"},"after":{"caption":"a red chair"},"decision":"recaption","text":"a red chair",
//!  "label":"chair","box":{...},"sum":"0f5ac2e17b3d9846"}
//! ```
//!
//! `action` is `decide` (with `decision`, a [`Decision`]), `decide_all` with `changes`, a list of the same, `undo` or
//! `redo` with `of`, the `seq` of a decision, or `rescale` with `factor`, about no instance. `label` and `box` are those
//! of what was judged, as it was found or added. `sum` comes last: the first 16 hex digits of the BLAKE3 hash of the line
//! without `,"sum":"..."` and line feed.

use super::{Decision, Reason, ReviewError, Reviewed, Verdict, is_finite};
use crate::scene::OrientedBox;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a line says was done. Undo and redo name the decision by its sequence number: the log is never rewritten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub(super) enum Action {
    Decide(Box<Change>),
    /// Several decisions that are one: all of them stand, or none.
    DecideAll {
        changes: Vec<Change>,
    },
    Undo {
        of: u64,
        /// For the reader of the log; replaying does not use it.
        #[serde(default)]
        changes: Vec<Effect>,
    },
    Redo {
        of: u64,
        #[serde(default)]
        changes: Vec<Effect>,
    },
    /// The scene was brought to another scale: the boxes of the lines before are `factor` times as large now.
    Rescale {
        factor: f64,
    },
}

/// A decision about one instance, with what it changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    #[serde(flatten)]
    pub(super) effect: Effect,
    #[serde(flatten)]
    pub(super) decision: Decision,
    /// The label of what was judged: tells what it was where it is gone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) label: String,
    /// The box of what was judged, as the pipeline found it or as it was added: tells the instance from another that
    /// got its id in a later run.
    #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
    pub(super) obb: Option<OrientedBox>,
}

/// What a line changed of an instance: for the reader of the log, replaying does not use it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Effect {
    pub(super) id: u32,
    pub(super) before: Values,
    pub(super) after: Values,
}

/// The fields that a line changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Values {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<Verdict>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) caption: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
    pub(super) obb: Option<OrientedBox>,
    /// Whether it is in the scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) present: Option<bool>,
}

impl Values {
    /// The fields that a decision changes, of an instance as it is; `None` is one that is not in the scene.
    pub(super) fn touched(decision: &Decision, item: Option<&Reviewed>) -> Self {
        let none = Self::default();
        let text = |of: fn(&Reviewed) -> &String| item.map(|r| of(r).clone());
        match decision {
            Decision::Accept | Decision::Reject { .. } | Decision::Unsure => {
                Self { verdict: item.map(|r| r.verdict), reason: item.and_then(|r| r.reason), ..none }
            }
            Decision::Recaption { .. } => Self { caption: text(|r| &r.instance.caption), ..none },
            Decision::Relabel { .. } => Self { label: text(|r| &r.instance.label), ..none },
            Decision::Note { .. } => Self { note: text(|r| &r.note), ..none },
            Decision::Rebox { .. } => Self { obb: item.map(|r| r.instance.obb).filter(is_finite), ..none },
            Decision::Keep { .. } | Decision::TakeIn { .. } => none,
            Decision::Add { .. } | Decision::Delete => Self { present: Some(item.is_some()), ..none },
        }
    }
}

/// A line, without its checksum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// 1, 2, 3, ... in the order of the lines.
    pub(super) seq: u64,
    /// RFC 3339, UTC.
    pub(super) time: String,
    pub(super) reviewer: String,
    /// Program and version.
    pub(super) program: String,
    #[serde(flatten)]
    pub(super) action: Action,
}

/// Between the fields of a line and its checksum.
const SUM: &str = ",\"sum\":\"";

/// First 8 bytes of BLAKE3, as 16 hex digits.
fn checksum(body: &[u8]) -> String {
    blake3::hash(body).to_hex().chars().take(16).collect()
}

impl Record {
    /// The line with its checksum and line feed. The checksum is of the JSON object as written, without `sum`.
    pub(super) fn to_line(&self) -> io::Result<String> {
        let mut line = serde_json::to_string(self)?;
        let sum = checksum(line.as_bytes());
        line.pop();
        line.extend([SUM, &sum, "\"}\n"]);
        Ok(line)
    }

    /// Reads a line without its line feed; says what is wrong with it otherwise.
    fn from_line(line: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(line).map_err(|e| e.to_string())?.trim();
        let (body, sum) = text.rsplit_once(SUM).ok_or("it has no checksum")?;
        let body = format!("{body}}}");
        if sum.strip_suffix("\"}") != Some(checksum(body.as_bytes()).as_str()) {
            return Err("its checksum does not match".into());
        }
        serde_json::from_str(&body).map_err(|e| e.to_string())
    }
}

/// A line that cannot be used, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Damage {
    /// From 1.
    pub(super) line: usize,
    pub(super) reason: String,
}

/// What a log says.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The lines that are whole, in order.
    pub(super) records: Vec<Record>,
    /// Bytes up to the end of the last whole line.
    pub(super) whole: u64,
    /// Bytes after that: a line that a crash cut short.
    pub(super) torn: u64,
    /// The last line is whole but for its line feed.
    unterminated: bool,
    /// Lines that neither a crash nor this program can have made.
    pub(super) damage: Option<Damage>,
    /// Sequence number of the last line.
    last_seq: u64,
}

impl Contents {
    /// Reads the log; one that is not there yet is empty.
    pub(super) fn read(path: &Path) -> Result<Self, ReviewError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::parse(&bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ReviewError::Io { action: "read", path: path.to_path_buf(), source }),
        }
    }

    fn parse(bytes: &[u8]) -> Self {
        let mut out = Self::default();
        let mut skipped = 0;
        for (i, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            let end = out.whole + line.len() as u64;
            let last = end == bytes.len() as u64;
            if line.trim_ascii().is_empty() {
                out.whole = end;
                continue;
            }
            match Record::from_line(line) {
                Ok(record) => {
                    let expected = out.last_seq + 1;
                    if !(expected..=expected + skipped).contains(&record.seq) {
                        let reason =
                            format!("number {} where {expected} should be: lines are missing or doubled", record.seq);
                        out.damaged(i + 1, reason);
                    }
                    if record.seq >= expected {
                        out.last_seq = record.seq;
                        out.records.push(record);
                    }
                    skipped = 0;
                    out.unterminated = !line.ends_with(b"\n");
                }
                // A write that was cut short leaves no complete JSON, or at least no line feed.
                Err(_) if last && (!line.ends_with(b"\n") || !is_json(line)) => {
                    out.torn = line.len() as u64;
                    break;
                }
                Err(reason) => {
                    skipped += 1;
                    out.damaged(i + 1, reason);
                }
            }
            out.whole = end;
        }
        out
    }

    /// Notes the first damage.
    fn damaged(&mut self, line: usize, reason: String) {
        self.damage.get_or_insert(Damage { line, reason });
    }
}

fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

/// The right to write a scene's log; held until dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub(super) enum Lock {
    /// This process may write; the file is what holds the lock.
    Held(#[allow(dead_code, reason = "kept open: closing the file gives the lock up")] File),
    /// Another process, or another window of this one, may write.
    Taken,
    /// The file system knows no locks.
    Unknown,
}

impl Lock {
    /// Asks for the lock of `review.lock` beside the log. The log itself is left unlocked, since locks keep readers
    /// out on some systems.
    pub(super) fn take(log: &Path) -> io::Result<Self> {
        let path = log.with_extension("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        let mut waits = 0;
        loop {
            return match file.try_lock() {
                // A program that this one starts holds its locks for the moment until it has become that program.
                Err(TryLockError::WouldBlock) if waits < 10 => {
                    waits += 1;
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    continue;
                }
                Ok(()) => Ok(Self::Held(file)),
                Err(TryLockError::WouldBlock) => Ok(Self::Taken),
                Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(Self::Unknown),
                Err(TryLockError::Error(e)) => Err(e),
            };
        }
    }
}

/// The log, open for writing.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines; what lies beyond is a write that failed and could not be cut off.
    len: u64,
    last_seq: u64,
    _lock: Lock,
}

impl Log {
    /// Opens or creates the log for writing, cuts off a torn line, and mends a missing last line feed.
    pub(super) fn open(path: &Path, contents: &Contents, lock: Lock) -> io::Result<Self> {
        let is_new = !path.exists();
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        let mut len = contents.whole;
        if contents.torn > 0 || contents.unterminated {
            file.set_len(len)?;
            if contents.unterminated {
                file.seek(SeekFrom::Start(len))?;
                file.write_all(b"\n")?;
                len += 1;
            }
            file.sync_data()?;
        }
        if is_new {
            sync_parent(path)?;
        }
        Ok(Self { path: path.to_path_buf(), file, len, last_seq: contents.last_seq, _lock: lock })
    }

    /// Sequence number of the next line.
    pub(super) fn next_seq(&self) -> u64 {
        self.last_seq + 1
    }

    /// Appends a line in one write and syncs it. When that fails the log is as it was before.
    pub(super) fn append(&mut self, record: &Record) -> Result<(), ReviewError> {
        self.try_append(record).map_err(|source| ReviewError::Io { action: "write", path: self.path.clone(), source })
    }

    fn try_append(&mut self, record: &Record) -> io::Result<()> {
        let line = record.to_line()?;
        if self.file.metadata()?.len() > self.len {
            self.file.set_len(self.len)?;
        }
        // By path, not by handle: a log that was moved away or deleted must not swallow decisions.
        if std::fs::metadata(&self.path)?.len() != self.len {
            return Err(io::Error::other("another program changed it: close the scene and open it again"));
        }
        self.file.seek(SeekFrom::Start(self.len))?;
        if let Err(e) = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data()) {
            // Where the cut fails as well, the next append or the next opening makes it.
            let _ = self.file.set_len(self.len).and_then(|()| self.file.sync_data());
            return Err(e);
        }
        self.len += line.len() as u64;
        self.last_seq = record.seq;
        Ok(())
    }
}

/// Makes a new file's name as lasting as its contents.
fn sync_parent(path: &Path) -> io::Result<()> {
    if cfg!(unix)
        && let Some(parent) = path.parent()
    {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64) -> Record {
        Record {
            seq,
            time: "2026-01-01T00:00:00Z".into(),
            reviewer: "an \"odd\" ,\"sum\":\" name\n".into(),
            program: "holoscope".into(),
            action: Action::Decide(Box::new(Change {
                effect: Effect {
                    id: 7,
                    before: Values::default(),
                    after: Values { caption: Some("grün\u{2028}".into()), ..Values::default() },
                },
                decision: Decision::Recaption { text: "grün\u{2028}".into() },
                label: "chair".into(),
                obb: Some(OrientedBox::upright([0.1, 0.2, 0.3].into(), [1.0, 2.0, 1e-7].into(), 0.7)),
            })),
        }
    }

    fn lines(seqs: &[u64]) -> Vec<u8> {
        seqs.iter().flat_map(|s| record(*s).to_line().unwrap().into_bytes()).collect()
    }

    #[test]
    fn lines_come_back_and_every_flipped_byte_is_seen() {
        let line = record(1).to_line().unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        let line = line.trim_end().as_bytes();
        assert_eq!(Record::from_line(line).unwrap(), record(1));
        for i in 0..line.len() {
            let mut bad = line.to_vec();
            bad[i] ^= 1;
            assert!(Record::from_line(&bad).is_err(), "byte {i}");
        }
    }

    #[test]
    fn a_log_cut_anywhere_keeps_its_whole_lines() {
        let bytes = lines(&[1, 2, 3]);
        let ends: Vec<usize> = (1..=3).map(|n| lines(&[1, 2, 3][..n]).len()).collect();
        for cut in 0..=bytes.len() {
            let c = Contents::parse(&bytes[..cut]);
            // A line that lacks no more than its line feed is whole.
            let whole = ends.iter().filter(|e| **e <= cut + 1).count();
            assert_eq!((c.records.len(), &c.damage), (whole, &None), "cut at {cut}");
            assert_eq!(c.whole + c.torn, cut as u64);
        }
    }

    #[test]
    fn damage_is_named_and_the_other_lines_are_kept() {
        let mut bytes = lines(&[1, 2, 3]);
        let second = lines(&[1]).len();
        bytes[second + 20] ^= 1;
        let c = Contents::parse(&bytes);
        assert_eq!(c.records.iter().map(|r| r.seq).collect::<Vec<_>>(), [1, 3]);
        assert_eq!((c.damage.unwrap().line, c.torn), (2, 0));

        let gone = Contents::parse(&lines(&[1, 3]));
        assert_eq!((gone.damage.unwrap().line, gone.records.len()), (2, 2));
        let doubled = Contents::parse(&lines(&[1, 2, 2, 3]));
        assert_eq!((doubled.damage.unwrap().line, doubled.records.len()), (3, 3));
    }

    #[test]
    fn a_last_line_that_was_edited_is_damage_and_one_of_rubbish_is_torn() {
        let edited = String::from_utf8(lines(&[1, 2])).unwrap().replacen("\"seq\":2", "\"seq\":9", 1);
        assert_eq!(Contents::parse(edited.as_bytes()).damage.unwrap().line, 2);
        for tail in [&b"{\"seq\":2,\"ti\n"[..], b"\0\0\0\0", b"\xff"] {
            let c = Contents::parse(&[lines(&[1]), tail.to_vec()].concat());
            assert_eq!((c.records.len(), c.torn, c.damage), (1, tail.len() as u64, None));
        }
    }
}
