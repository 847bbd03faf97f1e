//! The client against a server with faults.

mod asking;
mod faults;
mod fuzz;
mod open_vocabulary;
mod peer;
mod secrets;

use super::testing::Server;
use super::{Question, Settings, Vlm, VlmError};
use crate::scene::{Cancelled, Job, Quiet};
use image::RgbImage;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;

/// A client that does not wait long.
fn hasty() -> Settings {
    Settings { back_off: Duration::from_millis(1), answer: Duration::from_secs(20), parallel: 1, ..Settings::default() }
}

fn no_keys(_: &str) -> Option<String> {
    None
}

fn connect(server: &Server, settings: Settings) -> Vlm {
    Vlm::connect_with(&server.url, None, settings, &no_keys, &Quiet).unwrap()
}

fn question(i: usize) -> Question {
    Question {
        text: format!("question {i}"),
        pictures: vec![RgbImage::new(8, 6)],
        schema: Some(json!({ "type": "object", "properties": { "n": { "type": "integer" } } })),
        max_tokens: 16,
    }
}

/// Reads `{"n": integer}`.
fn number(_: usize, answer: &str) -> Result<i64, String> {
    let value: Value = serde_json::from_str(answer).map_err(|_| "it is not JSON")?;
    value["n"].as_i64().ok_or_else(|| "it has no n".to_owned())
}

/// Asks some questions.
fn ask(vlm: &Vlm, count: usize) -> Vec<Result<i64, VlmError>> {
    vlm.ask_all(count, question, number, &Quiet).unwrap()
}

/// Asks one question.
fn ask_one(vlm: &Vlm) -> Result<i64, VlmError> {
    ask(vlm, 1).remove(0)
}

/// Keeps what the user is told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Job for Told {
    fn tick(&self, _: usize, _: usize) -> Result<(), Cancelled> {
        Ok(())
    }

    fn warn(&self, message: String) {
        self.0.lock().unwrap().push(message);
    }
}
