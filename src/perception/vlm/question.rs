//! A question as it is put to a server, and the names under which its answers are kept.

use super::VlmError;
use base64::Engine as _;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use serde_json::{Value, json};

/// Long side above which pictures are scaled down before they are sent, pixels (Holi-Spatial 1.11).
const LONG_SIDE: u32 = 1024;
/// Quality of the JPEGs that are sent, of 100: what is lost at 90 cannot be seen.
const QUALITY: u8 = 90;
/// Changed when the same question is put in another way, so that old answers do not count.
const WORDING: &str = "holoscope vlm 1";
/// How many times as long as the first answer the second may be: a model that thinks aloud may have run out of room.
const SECOND_LENGTH: u32 = 4;
/// Longest part of an unreadable answer that is shown to the model again, characters.
const SHOWN_AGAIN: usize = 2000;

/// A question about pictures.
#[derive(Clone)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// What it is about, of the size that is sent: see [`sent`].
    pub pictures: Vec<RgbImage>,
    /// JSON schema of the answer; `None` where the answer is plain text.
    pub schema: Option<Value>,
    /// Longest answer, tokens.
    pub max_tokens: u32,
}

/// Why a question is put once more.
pub(super) struct Again {
    /// The answer that could not be read.
    pub(super) answer: String,
    /// What is wrong with it.
    pub(super) complaint: String,
}

/// How a server wants to be asked: learned from what it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Whether the schema is sent along.
    pub(super) schema: bool,
    /// Name of the field for the longest answer, if it takes any.
    pub(super) limit: Option<&'static str>,
    /// Whether a temperature may be given.
    pub(super) temperature: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { schema: true, limit: Some("max_tokens"), temperature: true }
    }
}

/// The size at which a picture of the given width and height is sent: its long side at most 1024 pixels, both sides a
/// multiple of `multiple`.
pub(super) fn sent_size((width, height): (u32, u32), multiple: u32) -> (u32, u32) {
    let scale = (f64::from(LONG_SIDE) / f64::from(width.max(height).max(1))).min(1.0);
    let side = |length: u32| {
        let steps = f64::from(length) * scale / f64::from(multiple.max(1));
        (steps.round() as u32).max(1) * multiple.max(1)
    };
    (side(width), side(height))
}

/// The picture as it is sent: its long side at most 1024 pixels, both sides a multiple of `multiple`.
pub fn sent(picture: &RgbImage, multiple: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let to = sent_size((width, height), multiple);
    match to == (width, height) || width == 0 || height == 0 {
        true => picture.clone(),
        false => image::imageops::resize(picture, to.0, to.1, image::imageops::FilterType::Triangle),
    }
}

impl Question {
    /// The name under which the answer of a model is kept: a hash of all that it depends on.
    pub(super) fn key(&self, model: &str, again: Option<&Again>) -> String {
        let mut hash = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(WORDING.as_bytes());
        add(model.as_bytes());
        add(self.text.as_bytes());
        add(self.schema.as_ref().map(Value::to_string).unwrap_or_default().as_bytes());
        add(&self.max_tokens.to_le_bytes());
        for picture in &self.pictures {
            add(&picture.width().to_le_bytes());
            add(picture.as_raw());
        }
        if let Some(again) = again {
            add(again.answer.as_bytes());
            add(again.complaint.as_bytes());
        }
        hash.finalize().to_hex().to_string()
    }

    /// The body of the request.
    pub(super) fn body(&self, model: &str, again: Option<&Again>, dialect: Dialect) -> Result<String, VlmError> {
        let mut content = vec![json!({ "type": "text", "text": self.text })];
        for picture in &self.pictures {
            content.push(json!({ "type": "image_url", "image_url": { "url": data_url(picture)? } }));
        }
        let mut messages = vec![json!({ "role": "user", "content": content })];
        if let Some(again) = again {
            let shown: String = again.answer.chars().take(SHOWN_AGAIN).collect();
            let wish =
                if self.schema.is_some() { "Answer again, with the JSON and nothing else." } else { "Answer again." };
            // Some servers refuse an empty turn.
            if !shown.trim().is_empty() {
                messages.push(json!({ "role": "assistant", "content": shown }));
                messages.push(
                    json!({ "role": "user", "content": format!("That cannot be used: {}. {wish}", again.complaint) }),
                );
            }
        }
        let mut body = json!({ "model": model, "messages": messages });
        if dialect.temperature {
            body["temperature"] = json!(0);
        }
        if let Some(limit) = dialect.limit {
            body[limit] = json!(if again.is_some() { self.max_tokens * SECOND_LENGTH } else { self.max_tokens });
        }
        if let Some(schema) = self.schema.as_ref().filter(|_| dialect.schema) {
            let schema = json!({ "name": "answer", "strict": true, "schema": schema });
            body["response_format"] = json!({ "type": "json_schema", "json_schema": schema });
        }
        Ok(body.to_string())
    }
}

fn data_url(picture: &RgbImage) -> Result<String, VlmError> {
    let mut bytes = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(picture);
    encoded.map_err(|e| VlmError::Picture(e.to_string()))?;
    Ok(format!("data:image/jpeg;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question {
            text: "what?".into(),
            pictures: vec![RgbImage::new(4, 3)],
            schema: Some(json!({ "type": "object" })),
            max_tokens: 10,
        }
    }

    #[test]
    fn pictures_are_sent_no_larger_than_agreed() {
        for (from, multiple, to) in [
            ((640, 480), 1, (640, 480)),
            ((4000, 3000), 1, (1024, 768)),
            ((3000, 4000), 1, (768, 1024)),
            ((640, 480), 28, (644, 476)),
            ((4000, 3000), 28, (1036, 756)),
            ((9000, 1), 28, (1036, 28)),
        ] {
            assert_eq!(sent(&RgbImage::new(from.0, from.1), multiple).dimensions(), to, "{from:?}");
        }
    }

    #[test]
    fn an_answer_is_kept_under_everything_that_it_depends_on() {
        let base = question();
        let mut picture = RgbImage::new(4, 3);
        picture.put_pixel(1, 1, image::Rgb([1, 0, 0]));
        let again = Again { answer: "x".into(), complaint: "y".into() };
        let keys = [
            base.key("m", None),
            base.key("n", None),
            base.key("m", Some(&again)),
            Question { text: "what".into(), ..base.clone() }.key("m", None),
            Question { schema: None, ..base.clone() }.key("m", None),
            Question { max_tokens: 11, ..base.clone() }.key("m", None),
            Question { pictures: vec![picture], ..base.clone() }.key("m", None),
            Question { pictures: vec![RgbImage::new(3, 4)], ..base.clone() }.key("m", None),
        ];
        let different: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(keys[0], question().key("m", None));
    }

    #[test]
    fn a_question_has_only_fields_that_the_dialect_knows() {
        let body = |dialect| -> Value { serde_json::from_str(&question().body("m", None, dialect).unwrap()).unwrap() };
        let full = body(Dialect::default());
        assert_eq!(full["response_format"]["json_schema"]["schema"]["type"], "object");
        assert_eq!((&full["max_tokens"], &full["temperature"]), (&json!(10), &json!(0)));
        let url = full["messages"][0]["content"][1]["image_url"]["url"].as_str().unwrap();
        assert!(url.starts_with("data:image/jpeg;base64,/9j/"));
        let bare = body(Dialect { schema: false, limit: None, temperature: false });
        let fields: Vec<&String> = bare.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["messages", "model"]);
    }
}
