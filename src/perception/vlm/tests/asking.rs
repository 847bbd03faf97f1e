//! Many questions, the ways in which servers want them, and answers that are remembered.

use super::super::testing::{Seen, Server, content, say};
use super::*;
use std::sync::{Arc, Barrier};

fn body(seen: &Seen) -> Value {
    serde_json::from_str(&seen.body).unwrap()
}

/// Answers with the number in the question.
fn echo(seen: &Seen) -> super::super::testing::Act {
    let text = body(seen)["messages"][0]["content"][0]["text"].as_str().unwrap().to_owned();
    content(&format!("{{\"n\": {}}}", text.trim_start_matches("question ")))
}

#[test]
fn answers_come_in_the_order_of_the_questions_and_cost_is_counted() {
    let server = Server::start(|seen, _| echo(seen));
    let vlm = connect(&server, Settings { parallel: 4, ..hasty() });
    let answers: Vec<i64> = ask(&vlm, 20).into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, (0..20).collect::<Vec<_>>());
    let tally = vlm.tally();
    assert_eq!((tally.asked, tally.remembered), (20, 0));
    assert_eq!((tally.prompt_tokens, tally.completion_tokens), (2000, 140));
    assert!(tally.seconds > 0.0);
    assert!(tally.to_string().starts_with("20 questions in ") && tally.to_string().contains("2000 tokens sent"));
    let seen = server.seen();
    assert_eq!(seen[0].line, "GET /v1/models");
    let first = body(&seen[1]);
    assert_eq!(seen[1].line, "POST /v1/chat/completions");
    assert_eq!((&first["model"], &first["temperature"]), (&json!("tiny-vl"), &json!(0)));
    let url = first["messages"][0]["content"][1]["image_url"]["url"].as_str().unwrap();
    assert!(url.starts_with("data:image/jpeg;base64,/9j/"));
}

#[test]
fn no_more_are_under_way_at_once_than_allowed_and_as_many_as_that() {
    // No answer is given before three questions are there: with fewer at once the client would run out of patience.
    let (gate, counts) = (Barrier::new(3), Arc::new(Mutex::new((0, 0))));
    let shared = counts.clone();
    let server = Server::start(move |seen, _| {
        {
            let (now, most) = &mut *shared.lock().unwrap();
            *now += 1;
            *most = (*most).max(*now);
        }
        gate.wait();
        shared.lock().unwrap().0 -= 1;
        echo(seen)
    });
    let vlm = connect(&server, Settings { parallel: 3, ..hasty() });
    assert!(ask(&vlm, 9).iter().all(Result::is_ok));
    assert_eq!(*counts.lock().unwrap(), (0, 3));
    let single = Server::start(|seen, _| echo(seen));
    assert!(ask(&connect(&single, Settings { parallel: 0, ..hasty() }), 2).iter().all(Result::is_ok));
}

#[test]
fn a_server_without_schemas_is_asked_without_and_that_is_learned() {
    let server = Server::start(|seen, _| match body(seen).get("response_format") {
        Some(_) => say("400 Bad", r#"{"error":"'response_format.type' must be 'text'"}"#),
        None => echo(seen),
    });
    let vlm = connect(&server, hasty());
    assert!(ask(&vlm, 4).iter().all(Result::is_ok));
    assert_eq!(server.questions(), 5, "only the first question was put twice");
}

#[test]
fn a_refusal_that_has_nothing_to_do_with_the_schema_does_not_end_schemas() {
    let server = Server::start(|seen, _| match seen.body.contains("question 0") {
        true => say("400 Bad", r#"{"error":{"message":"I do not like it"}}"#),
        false => echo(seen),
    });
    let answers = ask(&connect(&server, hasty()), 2);
    assert!(answers[0].is_err() && answers[1].is_ok());
    assert!(body(server.seen().last().unwrap()).get("response_format").is_some());
}

#[test]
fn models_that_know_other_fields_are_asked_with_those() {
    let server = Server::start(|seen, _| {
        let body = body(seen);
        let refuse = |text: &str| say("400 Bad", format!(r#"{{"error":{{"message":"{text}","code":"unsupported"}}}}"#));
        if body.get("max_tokens").is_some() {
            refuse("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        } else if body.get("temperature").is_some() {
            refuse("Unsupported value: 'temperature' does not support 0.")
        } else {
            echo(seen)
        }
    });
    let vlm = connect(&server, hasty());
    assert!(ask(&vlm, 3).iter().all(Result::is_ok));
    assert_eq!(server.questions(), 5);
    let last = body(server.seen().last().unwrap());
    assert!(last.get("response_format").is_some() && last["max_completion_tokens"] == 16);
}

#[test]
fn nothing_is_asked_twice() {
    let dir = tempfile::tempdir().unwrap();
    let bad = |seen: &Seen| seen.body.contains("question 3");
    let server = Server::start(move |seen, _| if bad(seen) { content("never JSON") } else { echo(seen) });
    let run = || {
        let vlm = connect(&server, hasty()).remembering_in(dir.path());
        let answers = ask(&vlm, 5);
        (answers, vlm.tally())
    };
    let (first, cost) = run();
    assert_eq!((server.questions(), cost.asked), (6, 6), "five, and one of them once more");
    let (second, cost) = run();
    assert_eq!(server.questions(), 6, "no question went out again, not even the one without a usable answer");
    assert_eq!((cost.asked, cost.remembered, cost.prompt_tokens), (0, 6, 0));
    assert_eq!(first, second);
    assert!(first[3].is_err() && first[4].as_ref().is_ok_and(|n| *n == 4));
    // A damaged file is asked for again.
    let file = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::write(file, "{").unwrap();
    assert_eq!(run().0, first);
    assert_eq!(server.questions(), 7);
}

#[test]
fn after_a_run_that_broke_off_only_the_rest_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|seen, before| if before < 2 { echo(seen) } else { say("401 No", "{}") });
    let answers = ask(&connect(&server, hasty()).remembering_in(dir.path()), 5);
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 2);
    let healed = Server::start(|seen, _| echo(seen));
    let answers = ask(&connect(&healed, hasty()).remembering_in(dir.path()), 5);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(healed.questions(), 3);
}

#[test]
fn a_folder_that_cannot_be_written_is_survived_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vlm");
    std::fs::write(&file, "a file where a folder should be").unwrap();
    let server = Server::start(|seen, _| echo(seen));
    let vlm = connect(&server, hasty()).remembering_in(&file);
    let told = Told::default();
    let answers = vlm.ask_all(3, question, number, &told).unwrap();
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(told.all().len(), 1);
}
