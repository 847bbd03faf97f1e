//! Ten thousand broken answers.

use super::super::Memory;
use super::super::boxes::{self, Convention};
use super::super::detect::read_words;
use super::super::fault::Refusal;
use super::super::reply::{Reply, json_values};
use super::*;

const ANSWERS: usize = 10_000;
const SENT: (u32, u32) = (1036, 756);
const PHOTO: (u32, u32) = (1999, 1501);

/// Answers that are as they should be, in several layouts.
const VALID: [&str; 6] = [
    r#"{"things": [{"label": "chair", "bbox_2d": [12, 40, 530, 980]}, {"label": "table", "bbox_2d": [0, 0, 1000, 1000]}]}"#,
    r#"[{"box_2d": [104, 22, 711, 400], "label": "chair"}, {"box_2d": [1, 2, 33, 44], "label": "lamp"}]"#,
    "Here:\n```json\n[{\"label\": \"sofa\", \"bbox\": [0.1, 0.25, 0.5, 0.75]}]\n```\nDone.",
    r#"<think>[1, 2]</think>{"objects": [{"name": "chair", "box": [[1, 2], [300, 400]]}, {"name": "x", "box": ["1", "2", "3", "9"]}]}"#,
    r#"{"label": "table", "bounding_box": [-3, 5.5, 1e2, 1003]}"#,
    r#"{"things": []}"#,
];

/// Pieces that mutations put in.
const PIECES: [&str; 20] = [
    "[",
    "]",
    "{",
    "}",
    "\"",
    ",",
    ":",
    "null",
    "1e999",
    "-1e308",
    "NaN",
    "\\u0000",
    "é",
    "[[[[",
    "\"label\":",
    "\"bbox_2d\":",
    "99999999999999999999",
    "-0.0",
    "</think>",
    "```",
];

fn mutated(chance: &mut fastrand::Rng) -> String {
    let mut text: Vec<char> = VALID[chance.usize(..VALID.len())].chars().collect();
    for _ in 0..chance.usize(1..8) {
        let at = chance.usize(..=text.len());
        let to = (at + chance.usize(0..12)).min(text.len());
        match chance.u8(0..6) {
            0 => text.truncate(at),
            1 => drop(text.drain(at..to)),
            2 => drop(text.splice(at..at, PIECES[chance.usize(..PIECES.len())].chars())),
            3 => drop(text.splice(at..to, PIECES[chance.usize(..PIECES.len())].chars())),
            4 => {
                let twice: Vec<char> = text[at..to].to_vec();
                drop(text.splice(at..at, twice));
            }
            _ => {
                let digits = (0..chance.usize(1..6)).map(|_| char::from(b'0' + chance.u8(0..10))).collect::<Vec<_>>();
                drop(text.splice(at..to, digits));
            }
        }
    }
    text.into_iter().collect()
}

#[test]
fn broken_answers_never_give_a_broken_box() {
    let mut chance = fastrand::Rng::with_seed(20_261_130);
    let asked = ["chair", "table", "lamp", "sofa"];
    let label = |word: &str| asked.contains(&word).then(|| word.to_owned());
    let conventions = [Convention::Thousandths, Convention::ThousandthsYFirst, Convention::Shares, Convention::Pixels];
    let (mut read, mut boxes_read) = (0, 0);
    for i in 0..ANSWERS {
        let answer = mutated(&mut chance);
        let Ok(found) = boxes::read(&answer, conventions[i % 4], SENT, PHOTO, &label) else { continue };
        read += 1;
        boxes_read += found.len();
        for detection in found {
            let [x0, y0, x1, y1] = detection.bounds;
            let inside =
                0.0 <= x0 && x0 < x1 && x1 <= f64::from(PHOTO.0) && 0.0 <= y0 && y0 < y1 && y1 <= f64::from(PHOTO.1);
            assert!(inside && asked.contains(&detection.label.as_str()), "{answer}: {detection:?}");
            assert!((0.0..=1.0).contains(&detection.score));
        }
    }
    // The mutations are such that enough of the answers still say something.
    assert!(read > ANSWERS / 20 && boxes_read > ANSWERS / 20, "{read} read, {boxes_read} boxes");
}

#[test]
fn broken_lists_never_give_a_broken_category() {
    let mut chance = fastrand::Rng::with_seed(3);
    let mut read = 0;
    for _ in 0..ANSWERS {
        let Ok(words) = read_words(&mutated(&mut chance).replace("label", "name")) else { continue };
        read += 1;
        let mut memory = Memory::default();
        memory.add_frame(&words);
        for category in memory.found() {
            assert!(category.frames == 1 && category.name.chars().any(char::is_alphabetic), "{category:?}");
            assert!(category.name.chars().count() <= 30 && category.name == category.name.trim(), "{category:?}");
        }
    }
    assert!(read > ANSWERS / 20, "{read}");
}

#[test]
fn broken_envelopes_and_errors_are_survived() {
    let mut chance = fastrand::Rng::with_seed(7);
    for _ in 0..ANSWERS {
        let text = mutated(&mut chance);
        let shown = Refusal::read(400, &text).reason;
        assert!(!shown.is_empty() && !shown.chars().any(char::is_control));
        for value in json_values(&text) {
            let _ = Reply::read(&value);
            let message =
                json!({ "choices": [{ "message": { "content": value }, "finish_reason": value }], "usage": value });
            assert!(Reply::read(&message).is_ok());
        }
    }
}
