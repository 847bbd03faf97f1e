//! JSON files of masks: which of the two layouts one has.

use super::collect::Collector;
use super::{MaskFileError, coco, holi};
use serde_json::Value;

/// Entries between two reports of progress.
pub(super) const TICK: usize = 8;

/// Reads a JSON file: `items` make it a Holi-Spatial index, `annotations` COCO.
pub(super) fn read(collector: &mut Collector) -> Result<(), MaskFileError> {
    let path = collector.path;
    let malformed = |reason: String| MaskFileError::Malformed { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(|source| MaskFileError::Read { path: path.to_owned(), source })?;
    let text = std::str::from_utf8(&bytes).map_err(|e| malformed(e.to_string()))?;
    // A text in place of Python's NaN: that it is no number is found where a number is wanted, and costs one entry.
    let text = crate::input::without_nan(text.trim_start_matches('\u{feff}'), "\"NaN\"");
    let value: Value = serde_json::from_str(&text).map_err(|e| malformed(e.to_string()))?;
    let Value::Object(mut keys) = value else {
        return Err(malformed("it is not an object with \"items\" or with \"images\" and \"annotations\"".into()));
    };
    match (keys.remove("items"), keys.remove("annotations")) {
        (Some(Value::Array(items)), _) => holi::read(collector, items),
        (None, Some(Value::Array(annotations))) => coco::read(collector, &keys, annotations),
        (Some(_), _) => Err(malformed("\"items\" is not a list".into())),
        (None, Some(_)) => Err(malformed("\"annotations\" is not a list".into())),
        (None, None) => Err(malformed("it has neither \"items\" nor \"annotations\"".into())),
    }
}

/// A score: 1 where there is none.
pub(super) fn score(value: Option<&Value>) -> Result<f64, &'static str> {
    match value {
        None | Some(Value::Null) => Ok(1.0),
        Some(value) => value.as_f64().ok_or("its score is not a number"),
    }
}
