//! Pictures of instance ids, one a photo, as ScanNet's `instance/` and `instance-filt/` have them: 0 is nothing.
//!
//! Ids hold either for one photo or for the whole scene, and the pictures do not say so. Where every picture counts its
//! things 1, 2, 3 without a gap, ids are taken for those of the photo; else they are those of the scene, and things keep
//! their ids across photos. Labels come from a table beside the pictures or beside their folder: `labels.json`, an object
//! of id to label, or ScanNet's `*.aggregation.json`, whose ids are one less.

use super::collect::{Collector, Entry, stem};
use super::{MaskFileError, entries, picture, pictures};
use crate::scene::Rle;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Label of a thing that no table names.
const UNNAMED: &str = "object";

/// Reads the pictures of a folder.
pub(super) fn read(collector: &mut Collector) -> Result<(), MaskFileError> {
    let files = pictures(collector.path);
    let table = label_table(collector.path);
    let mut found: Vec<(String, usize, BTreeMap<u16, Rle>)> = Vec::new();
    for (k, file) in files.iter().enumerate() {
        collector.job.tick(k, files.len())?;
        let name = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let Some(frame) = collector.frame_of(&name) else { continue };
        match picture::read(file) {
            Ok(numbers) => found.push((name, frame, split(&numbers))),
            Err(why) => collector.broken(&name, &why),
        }
    }
    let of_photos = found.iter().all(|(_, _, ids)| ids.keys().zip(1..).all(|(id, k)| *id == k));
    for (name, frame, ids) in found {
        for (id, mask) in ids {
            let instance_id = if of_photos { 0 } else { u32::from(id) };
            let label = table.get(&id).map_or(UNNAMED, String::as_str).to_owned();
            let entry = Entry { frame, label, score: 1.0, instance_id, mask };
            collector.add(&format!("{} of {}", id, stem(&name)), entry);
        }
    }
    Ok(())
}

/// One mask for each number but 0.
fn split(numbers: &picture::Numbers) -> BTreeMap<u16, Rle> {
    let (w, h) = (numbers.width as usize, numbers.height as usize);
    let at = |k: usize| numbers.data[(k % h) * w + k / h];
    // Run lengths so far, and where the last run ends.
    let mut runs: BTreeMap<u16, (Vec<u32>, usize)> = BTreeMap::new();
    let mut start = 0;
    while start < w * h {
        let id = at(start);
        let end = (start + 1..w * h).find(|k| at(*k) != id).unwrap_or(w * h);
        if id != 0 {
            let (counts, before) = runs.entry(id).or_default();
            counts.extend([(start - *before) as u32, (end - start) as u32]);
            *before = end;
        }
        start = end;
    }
    let mask = |(mut counts, end): (Vec<u32>, usize)| {
        if end < w * h {
            counts.push((w * h - end) as u32);
        }
        Rle { height: numbers.height, width: numbers.width, counts }
    };
    runs.into_iter().map(|(id, runs)| (id, mask(runs))).collect()
}

/// Labels by id, from a table in the folder or in the one above it; empty where there is none.
fn label_table(folder: &Path) -> BTreeMap<u16, String> {
    let parse = |path: &Path| -> Option<Value> { serde_json::from_slice(&std::fs::read(path).ok()?).ok() };
    for place in [Some(folder), folder.parent()].into_iter().flatten() {
        if let Some(Value::Object(table)) = parse(&place.join("labels.json")) {
            let row = |(id, label): (String, Value)| Some((id.trim().parse().ok()?, label.as_str()?.to_owned()));
            return table.into_iter().filter_map(row).collect();
        }
        let named = |p: &&std::path::PathBuf| p.to_string_lossy().ends_with(".aggregation.json");
        if let Some(table) = entries(place).iter().find(named).and_then(|p| parse(p)) {
            let group = |g: &Value| {
                let id = u16::try_from(g["objectId"].as_u64()?.checked_add(1)?).ok()?;
                Some((id, g["label"].as_str()?.to_owned()))
            };
            return table["segGroups"].as_array().into_iter().flatten().filter_map(group).collect();
        }
    }
    BTreeMap::new()
}
