//! How models give boxes, and how their answers are read.

use super::reply::json_values;
use crate::perception::detection::Detection;
use serde_json::{Value, json};

/// Score of a box of a model: models give no confidence that means anything, so all have the same. It is that of a detector
/// which is rather sure: what counts is that several views agree.
pub(super) const SCORE: f64 = 0.6;
/// Boxes of one photo at most: a model that repeats itself gives hundreds.
const MOST: usize = 100;
/// Overlap from which two boxes with the same label are one that was given twice, intersection over union.
const REPEATED: f64 = 0.9;
/// Least side of a box, pixels of the photo: less is a point or a slip.
const LEAST_SIDE: f64 = 2.0;
/// How far outside the picture a coordinate may lie and count as its rim, share of the picture. Beyond, it is in other units.
const OVERSHOOT: f64 = 0.1;

/// What the numbers of a box mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// `[x0, y0, x1, y1]` in thousandths of the picture's width and height: Qwen2-VL, Qwen3-VL, InternVL. Also the default,
    /// as the prompt says it and most models were trained on it.
    Thousandths,
    /// `[y0, x0, y1, x1]` in thousandths: Gemini.
    ThousandthsYFirst,
    /// `[x0, y0, x1, y1]` in shares of the picture, 0 to 1: Kimi-VL.
    Shares,
    /// `[x0, y0, x1, y1]` in pixels of the picture as the model sees it: Qwen2.5-VL.
    Pixels,
}

impl Convention {
    /// The convention of a model by its name, for example `Qwen/Qwen2.5-VL-7B-Instruct` or `qwen2.5vl:7b`.
    pub fn of(model: &str) -> Self {
        let name: String = model.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
        if has(&["qwen25vl", "qwen25omni"]) {
            Self::Pixels
        } else if has(&["gemini"]) {
            Self::ThousandthsYFirst
        } else if has(&["kimi"]) {
            Self::Shares
        } else {
            Self::Thousandths
        }
    }

    /// What both sides of a picture have to be a multiple of, pixels, so that the model sees it as it was sent: Qwen2.5-VL
    /// resizes to multiples of 28.
    pub fn multiple(self) -> u32 {
        if self == Self::Pixels { 28 } else { 1 }
    }

    /// The name that the model knows for a box.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Thousandths | Self::Pixels => "bbox_2d",
            Self::ThousandthsYFirst => "box_2d",
            Self::Shares => "bbox",
        }
    }

    /// The convention in words, for a prompt.
    pub(super) fn in_words(self, sent: (u32, u32)) -> String {
        match self {
            Self::Thousandths => {
                "[x0, y0, x1, y1], x from the left and y from the top, both from 0 to 1000 over the whole \
                                  picture"
                    .into()
            }
            Self::ThousandthsYFirst => "[ymin, xmin, ymax, xmax], each from 0 to 1000 over the whole picture".into(),
            Self::Shares => "[x0, y0, x1, y1], x from the left and y from the top, both from 0 to 1 over the whole \
                             picture"
                .into(),
            Self::Pixels => format!("[x0, y0, x1, y1] in pixels of the picture, which is {} x {}", sent.0, sent.1),
        }
    }

    /// `[x0, y0, x1, y1)` in pixels of the photo, clamped to it; `None` where that is no box. `sent` is the size of the
    /// picture that the model was given, `photo` that of the photo, width and height.
    pub fn bounds(self, numbers: [f64; 4], sent: (u32, u32), photo: (u32, u32)) -> Option<[f64; 4]> {
        let [a, b, c, d] = numbers;
        let ([x0, y0, x1, y1], [wide, high]) = match self {
            Self::Thousandths => ([a, b, c, d], [1000.0, 1000.0]),
            Self::ThousandthsYFirst => ([b, a, d, c], [1000.0, 1000.0]),
            Self::Shares => ([a, b, c, d], [1.0, 1.0]),
            Self::Pixels => ([a, b, c, d], [f64::from(sent.0), f64::from(sent.1)]),
        };
        let side = |at: f64, full: f64, length: u32| {
            let share = at / full;
            let near = (-OVERSHOOT..=1.0 + OVERSHOOT).contains(&share);
            near.then(|| share.clamp(0.0, 1.0) * f64::from(length))
        };
        let bounds =
            [side(x0, wide, photo.0)?, side(y0, high, photo.1)?, side(x1, wide, photo.0)?, side(y1, high, photo.1)?];
        let fits = bounds[2] - bounds[0] >= LEAST_SIDE && bounds[3] - bounds[1] >= LEAST_SIDE;
        fits.then_some(bounds)
    }

    /// JSON schema of an answer with boxes of the given labels.
    pub(super) fn schema(self, labels: &[&str]) -> Value {
        let numbers = json!({ "type": "array", "items": { "type": "number" }, "minItems": 4, "maxItems": 4 });
        let thing = json!({
            "type": "object", "properties": { "label": { "type": "string", "enum": labels }, self.field(): numbers },
            "required": ["label", self.field()], "additionalProperties": false,
        });
        json!({
            "type": "object", "properties": { "things": { "type": "array", "items": thing } },
            "required": ["things"], "additionalProperties": false,
        })
    }
}

/// Reads boxes from an answer. `label` brings a word of the answer to a label that was asked for, or says that it was not.
/// Entries that are no boxes, or of something else, are left out; an answer that has no readable entry and does not say that
/// there is none is refused.
pub(super) fn read(
    answer: &str,
    convention: Convention,
    sent: (u32, u32),
    photo: (u32, u32),
    label: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Detection>, String> {
    let mut entries = Vec::new();
    let lists = json_values(answer).iter().filter(|v| gather(v, &mut entries, 0)).count();
    if lists == 0 {
        return Err("there is no JSON list of things with boxes in it".into());
    }
    let (mut detections, mut readable): (Vec<Detection>, usize) = (Vec::new(), 0);
    for (word, numbers) in &entries {
        let Some(bounds) = numbers.and_then(|n| convention.bounds(n, sent, photo)) else { continue };
        readable += 1;
        let Some(label) = label(word) else { continue };
        let found = Detection { label, score: SCORE, bounds };
        let repeated = |d: &Detection| d.label == found.label && d.iou(&found) > REPEATED;
        if detections.len() < MOST && !detections.iter().any(repeated) {
            detections.push(found);
        }
    }
    if readable == 0 && !entries.is_empty() {
        return Err(format!("no entry has a box as {}", convention.in_words(sent)));
    }
    Ok(detections)
}

/// Deepest nesting of lists in which entries are looked for.
const DEEPEST: usize = 4;

/// Collects entries with a label from a list, an object with a list in it, or an entry by itself; whether there is a list
/// or an entry.
fn gather(value: &Value, entries: &mut Vec<(String, Option<[f64; 4]>)>, depth: usize) -> bool {
    if depth > DEEPEST {
        return false;
    }
    match value {
        Value::Array(all) => {
            let found =
                all.iter().filter(|v| v.is_object() || v.is_array()).filter(|v| gather(v, entries, depth + 1)).count();
            all.is_empty() || found > 0
        }
        Value::Object(fields) => {
            let label = ["label", "name", "category", "class"].iter().find_map(|name| fields.get(*name)?.as_str());
            if let Some(label) = label {
                let boxes = ["bbox_2d", "box_2d", "bbox", "box", "bounding_box"];
                let numbers = boxes.iter().find_map(|name| fields.get(*name)).and_then(four_numbers);
                entries.push((label.to_owned(), numbers));
                return true;
            }
            fields.values().filter(|v| v.is_array()).filter(|v| gather(v, entries, depth + 1)).count() > 0
        }
        _ => false,
    }
}

/// Four finite numbers, also where they are written as text or in pairs.
fn four_numbers(value: &Value) -> Option<[f64; 4]> {
    let mut numbers = Vec::new();
    collect_numbers(value, &mut numbers, 0);
    let four: [f64; 4] = numbers.try_into().ok()?;
    four.iter().all(|n| n.is_finite()).then_some(four)
}

fn collect_numbers(value: &Value, numbers: &mut Vec<f64>, depth: usize) {
    match value {
        Value::Array(all) if depth < 2 => all.iter().for_each(|v| collect_numbers(v, numbers, depth + 1)),
        Value::String(text) => numbers.push(text.trim().parse().unwrap_or(f64::NAN)),
        other => numbers.push(other.as_f64().unwrap_or(f64::NAN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHOTO: (u32, u32) = (2000, 1000);

    fn chairs(answer: &str) -> Result<Vec<[f64; 4]>, String> {
        let label = |word: &str| (word == "chair").then(|| word.to_owned());
        let read = read(answer, Convention::Thousandths, (1000, 500), PHOTO, &label)?;
        Ok(read.into_iter().map(|d| d.bounds).collect())
    }

    #[test]
    fn conventions_follow_the_name_of_the_model() {
        for (model, convention) in [
            ("Qwen/Qwen2.5-VL-7B-Instruct", Convention::Pixels),
            ("qwen2.5vl:7b", Convention::Pixels),
            ("qwen2_5_vl-32b-awq", Convention::Pixels),
            ("qwen3-vl:8b", Convention::Thousandths),
            ("Qwen2-VL-2B", Convention::Thousandths),
            ("models/gemini-3-flash", Convention::ThousandthsYFirst),
            ("moonshotai/Kimi-VL-A3B", Convention::Shares),
            ("gpt-5", Convention::Thousandths),
        ] {
            assert_eq!(Convention::of(model), convention, "{model}");
        }
    }

    #[test]
    fn one_box_in_every_convention() {
        // x 500..1000, y 250..500 of a photo of 2000 x 1000, sent as 1036 x 504.
        let want = [500.0, 250.0, 1000.0, 500.0];
        let sent = (1036, 504);
        for (convention, numbers) in [
            (Convention::Thousandths, [250.0, 250.0, 500.0, 500.0]),
            (Convention::ThousandthsYFirst, [250.0, 250.0, 500.0, 500.0]),
            (Convention::Shares, [0.25, 0.25, 0.5, 0.5]),
            (Convention::Pixels, [259.0, 126.0, 518.0, 252.0]),
        ] {
            let bounds = convention.bounds(numbers, sent, PHOTO).unwrap();
            assert!(bounds.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-9), "{convention:?}: {bounds:?}");
        }
        let y_first = Convention::ThousandthsYFirst.bounds([100.0, 200.0, 300.0, 400.0], sent, PHOTO);
        assert_eq!(y_first, Some([400.0, 100.0, 800.0, 300.0]));
    }

    #[test]
    fn boxes_are_clamped_and_what_is_none_is_refused() {
        let bounds = |numbers| Convention::Thousandths.bounds(numbers, (1000, 500), PHOTO);
        assert_eq!(bounds([-20.0, 0.0, 1040.0, 1003.0]), Some([0.0, 0.0, 2000.0, 1000.0]));
        for wrong in [
            [500.0, 0.0, 400.0, 100.0],
            [0.0, 0.0, 0.0, 100.0],
            [0.0, 0.0, 5000.0, 100.0],
            [f64::NAN, 0.0, 100.0, 100.0],
            [0.0, f64::NEG_INFINITY, 100.0, 100.0],
        ] {
            assert_eq!(bounds(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn every_layout_of_an_answer_is_read() {
        let want = vec![[200.0, 100.0, 400.0, 200.0]];
        for answer in [
            r#"{"things": [{"label": "chair", "bbox_2d": [100, 100, 200, 200]}]}"#,
            r#"[{"label": "chair", "bbox_2d": [100, 100, 200, 200]}]"#,
            r#"{"label": "chair", "box": ["100", 100.0, 200, "200"]}"#,
            r#"{"objects": [{"name": "chair", "bounding_box": [[100, 100], [200, 200]]}]}"#,
            "Sure!\n```json\n[{\"label\": \"chair\", \"bbox_2d\": [100, 100, 200, 200]}]\n```",
            r#"{"things": [{"label": "chair", "bbox_2d": [100, 100, 200, 200]}, {"label": "table", "bbox_2d": [1, 1, 9, 9]},
               {"label": "chair", "bbox_2d": [1, 2]}, {"label": "chair", "bbox_2d": [100, 100, 200, 201]}, 7, null]}"#,
            r#"{"things": [{"label": "chair", "bbox_2d": [100, 100, 200, 200]}, {"label": "cha"#,
        ] {
            assert_eq!(chairs(answer).unwrap(), want, "{answer}");
        }
        for nothing in [r#"{"things": []}"#, "[]", "There are none: []"] {
            assert!(chairs(nothing).unwrap().is_empty());
        }
        for wrong in ["", "no", "{}", "[1, 2]", r#"{"answer": "none"}"#, r#"[{"label": "chair", "bbox_2d": [1, 2]}]"#] {
            assert!(chairs(wrong).is_err(), "{wrong}");
        }
    }
}
