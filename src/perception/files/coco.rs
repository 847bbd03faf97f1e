//! COCO instances: `images`, `annotations` and `categories`, with `segmentation` as polygons or as run lengths
//! (<https://cocodataset.org/#format-data>).

use super::MaskFileError;
use super::collect::{Collector, Entry};
use super::json::{TICK, score};
use super::polygon;
use crate::scene::Rle;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An image as the file describes it.
struct Image<'a> {
    name: &'a str,
    /// Width and height, where both are there.
    size: Option<(u32, u32)>,
}

/// Reads the annotations of a file whose other keys are `keys`.
pub(super) fn read(
    collector: &mut Collector,
    keys: &Map<String, Value>,
    annotations: Vec<Value>,
) -> Result<(), MaskFileError> {
    let list = |key: &str| keys.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let images: BTreeMap<String, Image> = list("images").iter().filter_map(image).collect();
    let category = |c: &Value| Some((id(c.get("id"))?, c["name"].as_str()?.to_owned()));
    let categories: BTreeMap<String, String> = list("categories").iter().filter_map(category).collect();
    let n = annotations.len();
    for (k, annotation) in annotations.into_iter().enumerate() {
        if k % TICK == 0 {
            collector.job.tick(k, n)?;
        }
        let name = id(annotation.get("id")).map_or_else(|| format!("annotation {k}"), |id| format!("annotation {id}"));
        let Some(image) = id(annotation.get("image_id")).and_then(|id| images.get(&id)) else {
            collector.broken(&name, "its image_id is that of no image");
            continue;
        };
        let Some(frame) = collector.frame_of(image.name) else { continue };
        let name = format!("{name} of {}", image.name);
        let wanted = collector.wanted(frame);
        let size = image.size.unwrap_or((wanted.width, wanted.height));
        match entry(annotation, frame, size, &categories) {
            Ok(entry) => collector.add(&name, entry),
            Err(why) => collector.broken(&name, &why),
        }
    }
    Ok(())
}

/// An id as text: files use numbers, some use names.
fn id(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn image(value: &Value) -> Option<(String, Image<'_>)> {
    let side = |key: &str| value[key].as_u64().and_then(|v| u32::try_from(v).ok()).filter(|v| *v > 0);
    let image = Image { name: value["file_name"].as_str()?, size: side("width").zip(side("height")) };
    Some((id(value.get("id"))?, image))
}

fn entry(
    mut annotation: Value,
    frame: usize,
    size: (u32, u32),
    categories: &BTreeMap<String, String>,
) -> Result<Entry, String> {
    let label = id(annotation.get("category_id")).and_then(|id| categories.get(&id));
    let label = label.ok_or("its category_id is that of no category")?.clone();
    let score = score(annotation.get("score"))?;
    let mask = match annotation["segmentation"].take() {
        Value::Array(polygons) => polygon::fill(&points(&polygons)?, size)?,
        Value::Null => return Err("it has no segmentation".into()),
        rle => serde_json::from_value::<Rle>(rle).map_err(|e| e.to_string())?,
    };
    Ok(Entry { frame, label, score, instance_id: 0, mask })
}

/// The corners of polygons: lists `[x0, y0, x1, y1, ..]`, pixels.
fn points(polygons: &[Value]) -> Result<Vec<Vec<[f64; 2]>>, String> {
    if polygons.is_empty() {
        return Err("it has no polygon".into());
    }
    let corners = |polygon: &Value| {
        let numbers: Option<Vec<f64>> = polygon.as_array()?.iter().map(Value::as_f64).collect();
        let numbers = numbers.filter(|n| n.len() >= 6 && n.len() % 2 == 0)?;
        Some(numbers.chunks_exact(2).map(|p| [p[0], p[1]]).collect())
    };
    polygons
        .iter()
        .map(|p| corners(p).ok_or_else(|| "a polygon is not three or more pairs of numbers".into()))
        .collect()
}
