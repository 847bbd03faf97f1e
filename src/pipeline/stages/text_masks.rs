//! `--segmenter`, where it is one that finds things by their names: it makes all masks of a run.

use super::learned::{execution, state_of};
use crate::perception::segmenter::{self, TextSegmenter};
use crate::perception::vocabulary;
use crate::pipeline::RunOptions;
use crate::pipeline::run::{Bench, RunError};
use std::path::Path;

/// The segmenter that the user asks for, where it finds things by their names and no masks are given.
pub(super) fn text_segmenter(bench: &Bench) -> Result<Option<Box<dyn TextSegmenter>>, RunError> {
    let path = bench.options.segmenter.as_deref().filter(|_| bench.options.masks.is_none());
    match path {
        Some(path) if segmenter::find(path)?.family.takes_text() => {
            Ok(Some(segmenter::load_text(path, execution(bench.options.device))?))
        }
        _ => Ok(None),
    }
}

/// Whether the masks of a run are those of the embedded segmenter: none are given, and no segmenter makes them by names.
pub(super) fn is_embedded(options: &RunOptions) -> Result<bool, RunError> {
    let by_names = match options.segmenter.as_deref() {
        Some(path) => segmenter::find(path)?.family.takes_text(),
        None => false,
    };
    Ok(options.masks.is_none() && !by_names)
}

/// What it is asked for: the things that stand in rooms, and the parts of the room itself.
pub(super) fn room_words() -> Vec<String> {
    let parts = ["wall", "floor", "ceiling"];
    parts.into_iter().chain(vocabulary::words().iter().map(|w| w.name)).map(str::to_owned).collect()
}

/// A name for the state of a segmenter: a file of it stands for those beside it.
pub(super) fn segmenter_state(path: &Path) -> String {
    let folder = path.parent().filter(|f| !path.is_dir() && !f.as_os_str().is_empty());
    format!("{} {}", path.display(), state_of(folder.unwrap_or(path)))
}
