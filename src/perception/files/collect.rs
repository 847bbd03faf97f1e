//! Masks gathered by frame, and what could not be used of them.

use super::scale::{fits, resized};
use super::{MaskFileError, Wanted};
use crate::scene::{FrameMasks, Job, Mask2d, Rle};
use std::collections::BTreeMap;
use std::path::Path;

/// Entries that a warning names; the others are counted.
const NAMED: usize = 3;
/// Longest label, characters: a longer one is a description, or no label at all.
const LONGEST_LABEL: usize = 100;
/// Longest name of an entry, and longest reason, in a warning, characters.
const LONGEST_NAME: usize = 60;

/// Entries of one kind that were left out.
#[derive(Default)]
struct Tally {
    count: usize,
    names: Vec<String>,
}

impl Tally {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name());
        }
    }

    /// The names, and how many more there are.
    fn which(&self) -> String {
        match self.count - self.names.len() {
            0 => self.names.join(", "),
            more => format!("{} and {more} more", self.names.join(", ")),
        }
    }
}

/// Gathers masks by frame.
pub(super) struct Collector<'a> {
    /// The file or folder.
    pub(super) path: &'a Path,
    pub(super) job: &'a dyn Job,
    frames: &'a [Wanted<'a>],
    by_stem: BTreeMap<&'a str, usize>,
    out: Vec<FrameMasks>,
    used: usize,
    broken: Tally,
    unknown: Tally,
    misfits: Tally,
}

/// A mask as a file has it.
pub(super) struct Entry {
    /// Number of the frame.
    pub(super) frame: usize,
    pub(super) label: String,
    pub(super) score: f64,
    pub(super) instance_id: u32,
    pub(super) mask: Rle,
}

impl<'a> Collector<'a> {
    pub(super) fn new(path: &'a Path, frames: &'a [Wanted<'a>], job: &'a dyn Job) -> Self {
        let empty =
            |f: &Wanted| FrameMasks { image: f.name.into(), width: f.width, height: f.height, masks: Vec::new() };
        Self {
            path,
            job,
            frames,
            by_stem: frames.iter().enumerate().map(|(i, f)| (f.stem, i)).collect(),
            out: frames.iter().map(empty).collect(),
            used: 0,
            broken: Tally::default(),
            unknown: Tally::default(),
            misfits: Tally::default(),
        }
    }

    /// The frame of an image, by its stem; `None`, and counted as unknown, where there is none.
    pub(super) fn frame_of(&mut self, image: &str) -> Option<usize> {
        let frame = self.by_stem.get(stem(image)).copied();
        if frame.is_none() {
            self.unknown.add(|| named(image));
        }
        frame
    }

    /// A frame that masks are wanted for.
    pub(super) fn wanted(&self, frame: usize) -> &'a Wanted<'a> {
        &self.frames[frame]
    }

    /// Counts an entry that cannot be used: its name, and why.
    pub(super) fn broken(&mut self, name: &str, why: &str) {
        self.broken.add(|| format!("{} ({})", named(name), named(why)));
    }

    /// Takes a mask in; `name` is that of the entry.
    pub(super) fn add(&mut self, name: &str, entry: Entry) {
        let f = &self.frames[entry.frame];
        let size = (entry.mask.width, entry.mask.height);
        let label = readable(&entry.label, LONGEST_LABEL).to_lowercase();
        if label.is_empty() {
            return self.broken(name, "its label is empty");
        }
        if !entry.score.is_finite() {
            return self.broken(name, "its score is not a number");
        }
        if !fits(size, (f.width, f.height)) {
            let sizes = || format!("{} ({} x {} for {} x {})", named(name), size.0, size.1, f.width, f.height);
            return self.misfits.add(sizes);
        }
        let segmentation = resized(entry.mask, f.width, f.height);
        if segmentation.area() == 0 {
            return self.broken(name, "it has no pixel");
        }
        self.used += 1;
        let score = entry.score.clamp(0.0, 1.0);
        self.out[entry.frame].masks.push(Mask2d { instance_id: entry.instance_id, label, score, segmentation });
    }

    /// The masks, after a warning for each kind of entry that was left out; an error where entries were there and none
    /// could be used.
    pub(super) fn finish(self) -> Result<Vec<FrameMasks>, MaskFileError> {
        let Self { path, job, used, broken, unknown, misfits, .. } = self;
        let items = used + broken.count + unknown.count + misfits.count;
        let told = [
            (&broken, "are malformed and were left out"),
            (&misfits, "do not have the proportions of their photo and were left out"),
            (&unknown, "are for images that are not in this capture"),
        ];
        let told = told.into_iter().filter(|(tally, _)| tally.count > 0);
        if used == 0 && items > 0 {
            if unknown.count == items {
                return Err(MaskFileError::Unrelated { path: path.to_owned(), items });
            }
            let reasons = told.map(|(tally, what)| format!("{} {what}: {}", tally.count, tally.which()));
            let reason = reasons.collect::<Vec<_>>().join("; ");
            return Err(MaskFileError::Unusable { path: path.to_owned(), items, reason });
        }
        for (tally, what) in told {
            job.warn(format!("{} of the {items} masks in {} {what}: {}", tally.count, path.display(), tally.which()));
        }
        Ok(self.out)
    }
}

/// Stem of an image's name or path, which may be one of another system.
pub(super) fn stem(image: &str) -> &str {
    let name = image.rsplit(['/', '\\']).next().unwrap_or(image);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// A name or a reason as it can be shown.
fn named(text: &str) -> String {
    readable(text, LONGEST_NAME)
}

/// Text of another program as it can be shown: no control characters, single spaces, not too long.
fn readable(text: &str, longest: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(longest).collect::<String>().trim_end().to_owned()
}
