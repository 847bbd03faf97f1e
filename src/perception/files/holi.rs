//! `mask_index.json` in the layout of Holi-Spatial: `{"items": [{"image", "label", "score", "mask_rle"}]}`.

use super::MaskFileError;
use super::collect::{Collector, Entry};
use super::json::{TICK, score};
use crate::scene::Rle;
use serde_json::Value;

/// Reads the items of an index.
pub(super) fn read(collector: &mut Collector, items: Vec<Value>) -> Result<(), MaskFileError> {
    let n = items.len();
    for (k, item) in items.into_iter().enumerate() {
        if k % TICK == 0 {
            collector.job.tick(k, n)?;
        }
        let Some(image) = item["image"].as_str() else {
            collector.broken(&format!("item {k}"), "its image is not a name");
            continue;
        };
        let name = format!("item {k} of {image}");
        let Some(frame) = collector.frame_of(image) else { continue };
        match entry(item, frame) {
            Ok(entry) => collector.add(&name, entry),
            Err(why) => collector.broken(&name, &why),
        }
    }
    Ok(())
}

fn entry(mut item: Value, frame: usize) -> Result<Entry, String> {
    let label = item["label"].as_str().ok_or("its label is not a text")?.to_owned();
    let score = score(item.get("score"))?;
    let mask: Rle = serde_json::from_value(item["mask_rle"].take()).map_err(|e| e.to_string())?;
    Ok(Entry { frame, label, score, instance_id: 0, mask })
}
