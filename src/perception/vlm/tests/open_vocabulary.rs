//! Categories and boxes of a room.

use super::super::testing::{Act, Seen, Server, content, say};
use super::super::{Memory, detect, key_frames};
use super::*;
use crate::perception::cloud::Cloud;
use crate::perception::detection::Detection;
use crate::perception::testing::{room, views};

/// What a model answers that knows the first category under two names and gives one box of each thing.
fn model(seen: &Seen, _: usize) -> Act {
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let prompt = body["messages"][0]["content"][0]["text"].as_str().unwrap();
    if prompt.starts_with("List the categories") {
        let known = prompt.contains("these were found: couch");
        return content(if known {
            r#"{"categories": ["sofa", "lamps", "chair leg", "floor"]}"#
        } else {
            r#"Here you are: {"categories": ["Couch"]}"#
        });
    }
    content(
        r#"[{"label": "couch", "bbox_2d": [100, 200, 500, 600]}, {"label": "lamp", "bbox_2d": [0, 0, 50, 1010]},
            {"label": "zebra", "bbox_2d": [1, 1, 900, 900]}]"#,
    )
}

struct Run {
    detections: Vec<Vec<Detection>>,
    memory: Memory,
    asked: u64,
}

fn run(server: &Server, folder: &std::path::Path, mut memory: Memory, job: &dyn Job) -> Result<Run, VlmError> {
    let shots = room(0.0);
    let views = views(&shots);
    let cloud = Cloud::fuse(&views, 1.0, &Quiet).unwrap();
    let vlm = connect(server, Settings { parallel: 4, ..hasty() }).remembering_in(folder);
    let detections = detect(&vlm, &views, &cloud, &mut memory, job)?;
    let frames = key_frames(&cloud);
    let silent = |i: &usize| !frames.contains(i);
    assert!((0..views.len()).filter(silent).all(|i| detections[i].is_empty()));
    Ok(Run { detections, memory, asked: vlm.tally().asked })
}

#[test]
fn a_room_gets_labelled_boxes_and_the_second_run_asks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(model);
    let first = run(&server, dir.path(), Memory::default(), &Quiet).unwrap();
    let frames = first.detections.iter().filter(|d| !d.is_empty()).count();
    assert!(frames >= 2);
    assert_eq!(first.asked as usize, 2 * frames);
    for found in first.detections.iter().filter(|d| !d.is_empty()) {
        // The photos have 200 x 150 pixels.
        assert_eq!(found[0], Detection { label: "sofa".into(), score: 0.6, bounds: [20.0, 30.0, 100.0, 90.0] });
        assert_eq!((found[1].label.as_str(), found[1].bounds), ("lamp", [0.0, 0.0, 10.0, 150.0]));
        assert_eq!(found.len(), 2, "what was not asked for is left out");
    }
    let categories: Vec<(String, usize, usize)> =
        first.memory.categories().into_iter().map(|c| (c.name, c.frames, c.boxes)).collect();
    assert_eq!(categories, [("lamp".into(), frames - 1, frames), ("sofa".into(), frames, frames)]);

    // Again, with the memory of the first run and what a reviewer made of it.
    let mut memory = first.memory.clone();
    memory.rename("sofa", "settle");
    memory.rename("lamp", "light");
    let second = run(&server, dir.path(), memory, &Quiet).unwrap();
    assert_eq!((second.asked, server.questions()), (0, 2 * frames));
    let labels: Vec<&str> = second.detections.iter().flatten().map(|d| d.label.as_str()).collect();
    assert_eq!(labels, ["settle", "light"].repeat(frames));
    assert_eq!(second.memory.found(), first.memory.found());
}

#[test]
fn the_words_of_the_prompt_are_the_only_labels() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(model);
    run(&server, dir.path(), Memory::default(), &Quiet).unwrap();
    let last: Value = serde_json::from_str(&server.seen().last().unwrap().body).unwrap();
    let thing = &last["response_format"]["json_schema"]["schema"]["properties"]["things"]["items"];
    assert_eq!(thing["properties"]["label"]["enum"], json!(["couch", "lamp"]));
    let text = last["messages"][0]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("one of: couch, lamp.") && text.contains("from 0 to 1000"));
}

#[test]
fn a_frame_without_an_answer_is_left_out_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|seen, before| if before == 0 { say("400 Bad", "\"no\"") } else { model(seen, before) });
    let told = Told::default();
    // The first photo is refused with the schema and answered without it, so nothing is missing.
    run(&server, dir.path(), Memory::default(), &told).unwrap();
    assert!(told.all().is_empty());
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|seen, before| if before < 2 { say("400 Bad", "\"no\"") } else { model(seen, before) });
    run(&server, dir.path(), Memory::default(), &told).unwrap();
    let told = told.all();
    assert!(told.len() == 1 && told[0].contains("categories of 1 of"), "{told:?}");
}

#[test]
fn a_server_that_answers_nothing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _| say("401 No", r#"{"error":"no key"}"#));
    let error = run(&server, dir.path(), Memory::default(), &Quiet).err().unwrap().to_string();
    assert!(error.contains("no key"), "{error}");
    assert!(server.questions() <= 3);
}
