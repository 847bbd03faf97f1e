//! Open vocabulary: a model names what stands in the key frames, and then draws boxes around it.

use super::memory::Category;
use super::reply::json_values;
use super::{Memory, Question, Vlm, VlmError, boxes, key_frames, sent};
use crate::perception::View;
use crate::perception::cloud::Cloud;
use crate::perception::detection::Detection;
use crate::scene::{Cancelled, Job};
use serde_json::{Value, json};

/// Longest answers, tokens: some tens of words, and some tens of boxes.
const WORD_TOKENS: u32 = 1024;
const BOX_TOKENS: u32 = 4096;
/// Words that one photo may add: a model that repeats itself gives hundreds.
const MOST_WORDS: usize = 60;

/// Labelled boxes by a model: one entry a view, empty where the view is no key frame. First the model names the categories of
/// whole things in each key frame, with those that it found before in its prompt; then it draws boxes around things of all
/// categories in each key frame. `memory` comes back with what was found; labels are as a reviewer renamed them.
///
/// A question that is not answered costs its frame and is told; an error is given where no question about categories, or
/// none about boxes, is answered at all.
pub fn detect(
    vlm: &Vlm,
    views: &[View],
    cloud: &Cloud,
    memory: &mut Memory,
    job: &dyn Job,
) -> Result<Vec<Vec<Detection>>, VlmError> {
    let frames = key_frames(cloud);
    let mut detections = vec![Vec::new(); views.len()];
    memory.forget_found();
    name_things(vlm, views, &frames, memory, job)?;
    if memory.found().is_empty() {
        return Ok(detections);
    }
    let part = Part { job, before: frames.len(), total: 2 * frames.len() };
    let answers = draw_boxes(vlm, views, &frames, memory, &part)?;
    for (frame, found) in frames.iter().zip(answers) {
        for category in memory.found().to_vec() {
            memory.count_boxes(&category.name, found.iter().filter(|d| d.label == category.name).count());
        }
        let renamed = |d: Detection| Detection { label: memory.current(&d.label).to_owned(), ..d };
        detections[*frame] = found.into_iter().map(renamed).collect();
    }
    Ok(detections)
}

/// Fills the memory with the categories of the key frames, one after the other: each is asked with what was found before.
fn name_things(
    vlm: &Vlm,
    views: &[View],
    frames: &[usize],
    memory: &mut Memory,
    job: &dyn Job,
) -> Result<(), VlmError> {
    let mut failures = Failures::default();
    for (done, frame) in frames.iter().enumerate() {
        let question = |_| Question {
            text: words_prompt(memory.found()),
            pictures: vec![sent(views[*frame].image, vlm.convention().multiple())],
            schema: Some(words_schema()),
            max_tokens: WORD_TOKENS,
        };
        let part = Part { job, before: done, total: 2 * frames.len() };
        for answer in vlm.ask_all(1, question, |_, answer| read_words(answer), &part)? {
            if let Some(words) = failures.unless(answer) {
                memory.add_frame(&words);
            }
        }
        // A server that is gone is not waited for once a photo.
        if failures.in_a_row >= GONE {
            break;
        }
    }
    failures.tell(frames.len(), "categories", job)
}

/// Photos in a row without an answer before the others are left out.
const GONE: usize = 3;

/// Boxes of all categories in each key frame, labelled with the names of the categories.
fn draw_boxes(
    vlm: &Vlm,
    views: &[View],
    frames: &[usize],
    memory: &Memory,
    job: &dyn Job,
) -> Result<Vec<Vec<Detection>>, VlmError> {
    let convention = vlm.convention();
    let photo = |i: usize| views[frames[i]].image.dimensions();
    // The size that is sent, without the picture: it is made when its turn comes.
    let sizes: Vec<(u32, u32)> =
        (0..frames.len()).map(|i| super::question::sent_size(photo(i), convention.multiple())).collect();
    let labels: Vec<&str> = memory.found().iter().map(Category::word).collect();
    let question = |i: usize| Question {
        text: boxes_prompt(&labels, convention.field(), &convention.in_words(sizes[i])),
        pictures: vec![sent(views[frames[i]].image, convention.multiple())],
        schema: Some(convention.schema(&labels)),
        max_tokens: BOX_TOKENS,
    };
    let label = |word: &str| memory.recognise(word).map(str::to_owned);
    let read = |i: usize, answer: &str| boxes::read(answer, convention, sizes[i], photo(i), &label);
    let mut failures = Failures::default();
    let answers = vlm.ask_all(frames.len(), question, read, job)?;
    let found = answers.into_iter().map(|answer| failures.unless(answer).unwrap_or_default()).collect();
    failures.tell(frames.len(), "boxes", job)?;
    Ok(found)
}

/// What was answered, and what was not.
#[derive(Default)]
struct Failures {
    answered: usize,
    in_a_row: usize,
    first: Option<VlmError>,
}

impl Failures {
    /// The answer, unless it is a failure, which is counted.
    fn unless<T>(&mut self, answer: Result<T, VlmError>) -> Option<T> {
        match answer {
            Ok(value) => {
                self.answered += 1;
                self.in_a_row = 0;
                Some(value)
            }
            Err(error) => {
                self.in_a_row += 1;
                self.first.get_or_insert(error);
                None
            }
        }
    }

    /// Tells of what failed; an error where nothing was answered.
    fn tell(self, of: usize, what: &str, job: &dyn Job) -> Result<(), VlmError> {
        let Some(first) = self.first else { return Ok(()) };
        if self.answered == 0 {
            return Err(first);
        }
        job.warn(format!("{what} of {} of {of} key frames are missing: {first}", of - self.answered));
        Ok(())
    }
}

fn words_prompt(known: &[Category]) -> String {
    let known = match known {
        [] => String::new(),
        known => {
            let words: Vec<&str> = known.iter().map(Category::word).collect();
            format!(
                " In other photos of the same place these were found: {}. Where one of these words fits, use it.",
                words.join(", ")
            )
        }
    };
    format!(
        "List the categories of the things in this photo that a person could point at: furniture, appliances, lamps, plants, \
         and smaller things that stand, lie or hang there. Each category once, as a plain English noun in the singular and in \
         lower case. Name whole things only: no parts of things, no materials, no colours, no numbers, no people, and not \
         wall, floor or ceiling.{known} Answer with JSON: {{\"categories\": [\"...\"]}}"
    )
}

fn words_schema() -> Value {
    json!({
        "type": "object", "properties": { "categories": { "type": "array", "items": { "type": "string" } } },
        "required": ["categories"], "additionalProperties": false,
    })
}

/// Reads a list of words: `{"categories": [...]}`, or a list by itself, of words or of objects that name one.
pub(super) fn read_words(answer: &str) -> Result<Vec<String>, String> {
    let values = json_values(answer);
    let list = |value: &Value| match value {
        Value::Array(all) => Some(all.clone()),
        Value::Object(fields) => fields.values().find_map(Value::as_array).cloned(),
        _ => None,
    };
    let name = |value: &Value| {
        let named = || ["name", "label", "category"].iter().find_map(|field| value.get(*field)?.as_str());
        value.as_str().or_else(named).map(str::to_owned)
    };
    let lists: Vec<Vec<Value>> = values.iter().filter_map(list).collect();
    let words: Vec<String> = lists.iter().flatten().filter_map(name).take(MOST_WORDS).collect();
    match words.is_empty() && !lists.iter().any(Vec::is_empty) {
        true => Err("there is no JSON list of words in it".into()),
        false => Ok(words),
    }
}

fn boxes_prompt(labels: &[&str], field: &str, convention: &str) -> String {
    format!(
        "Find every single thing in this photo that is one of: {}. Give a box around each of them, as tight as it can be and \
         around all of the thing that shows; things of the same kind get a box each. Leave out what is not in this photo. \
         Answer with JSON: {{\"things\": [{{\"label\": \"...\", \"{field}\": [...]}}]}}. The label is one of the words above; \
         a box is {convention}.",
        labels.join(", ")
    )
}

/// A part of a longer job.
struct Part<'a> {
    job: &'a dyn Job,
    before: usize,
    total: usize,
}

impl Job for Part<'_> {
    fn tick(&self, done: usize, _: usize) -> Result<(), Cancelled> {
        self.job.tick(self.before + done, self.total)
    }

    fn warn(&self, message: String) {
        self.job.warn(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_from_every_layout() {
        for answer in [
            r#"{"categories": ["chair", "Table"]}"#,
            r#"["chair", "Table"]"#,
            r#"{"things": [{"name": "chair"}, {"label": "Table"}, 3]}"#,
            "Of course:\n```json\n{\"categories\": [\"chair\", \"Table\"]}\n```",
        ] {
            assert_eq!(read_words(answer).unwrap(), ["chair", "Table"], "{answer}");
        }
        assert!(read_words(r#"{"categories": []}"#).unwrap().is_empty());
        for wrong in ["", "chair", "{}", "[1, 2]", r#"{"categories": "chair"}"#] {
            assert!(read_words(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_found_goes_into_the_next_prompt() {
        assert!(!words_prompt(&[]).contains("other photos"));
        let mut memory = Memory::default();
        memory.add_frame(&["couch".into(), "lamp".into()]);
        assert!(words_prompt(memory.found()).contains("these were found: couch, lamp."));
    }
}
