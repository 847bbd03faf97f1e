//! What servers do wrong.

use super::super::testing::{Act, Server, content, models, say};
use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const GOOD: &str = r#"{"n": 7}"#;

#[test]
fn trouble_that_passes_is_waited_out() {
    for fault in 0..8 {
        let server = Server::start(move |_, before| match (before, fault) {
            (1.., _) => content(GOOD),
            (_, 0) => say("500 Oops", "{}"),
            (_, 1) => say("502 Bad", "<html><title>Bad gateway</title></html>"),
            (_, 2) => say("503 Busy", r#"{"error":{"code":503,"message":"Loading model"}}"#),
            (_, 3) => say("504 Late", ""),
            (_, 4) => say("429 Slow down", r#"{"error":{"message":"rate limit","code":"rate_limit_exceeded"}}"#),
            (_, 5) => say("408 Late", r#""late""#),
            (_, 6) => Act::Half(GOOD.repeat(100)),
            _ => Act::Drop,
        });
        let vlm = connect(&server, hasty());
        assert_eq!(ask_one(&vlm).unwrap(), 7, "fault {fault}");
        assert_eq!((server.questions(), vlm.tally().retries), (2, 1), "fault {fault}");
    }
}

#[test]
fn a_server_that_stays_in_trouble_is_tried_three_times() {
    let server = Server::start(|_, _| say("503 Busy", r#"{"error":{"message":"overloaded"}}"#));
    let error = ask_one(&connect(&server, hasty())).unwrap_err().to_string();
    assert_eq!(server.questions(), 3);
    assert!(
        error.contains("--vlm http://127.0.0.1") && error.contains("503") && error.contains("overloaded"),
        "{error}"
    );
}

#[test]
fn retry_after_is_honoured_up_to_a_limit() {
    let busy = |wait: &'static str| {
        Server::start(move |_, before| match before {
            0 => Act::Say("429 Slow down", vec![("Retry-After", wait.into())], "{}".into()),
            _ => content(GOOD),
        })
    };
    let (short, long) = (busy("1"), busy("3600"));
    let start = Instant::now();
    ask_one(&connect(&short, hasty())).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    let limited = Settings { longest_wait: Duration::from_millis(20), ..hasty() };
    let start = Instant::now();
    ask_one(&connect(&long, limited)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn an_empty_account_is_asked_once() {
    for body in [
        r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
        r#"[{"error":{"code":429,"message":"Quota: check your billing details"}}]"#,
    ] {
        let server = Server::start(move |_, _| say("429 Too many", body));
        let answers = ask(&connect(&server, hasty()), 5);
        assert!(answers.iter().all(|a| a.as_ref().is_err_and(|e| e.to_string().to_lowercase().contains("quota"))));
        assert_eq!(server.questions(), 1);
    }
}

#[test]
fn a_dripping_and_a_silent_server_end() {
    for drips in [true, false] {
        let server = Server::start(move |_, _| if drips { Act::Drip } else { Act::Hang });
        let vlm = connect(&server, Settings { answer: Duration::from_millis(300), ..hasty() });
        let start = Instant::now();
        let error = ask_one(&vlm).unwrap_err().to_string();
        assert!(error.contains("no whole answer within 300ms"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(server.questions(), 1, "who did not finish is not asked again");
    }
}

/// Cancels once told to.
struct Stop(Arc<AtomicBool>);

impl Job for Stop {
    fn tick(&self, _: usize, _: usize) -> Result<(), Cancelled> {
        if self.0.load(Ordering::Acquire) { Err(Cancelled) } else { Ok(()) }
    }

    fn warn(&self, _: String) {}
}

#[test]
fn cancelling_does_not_wait_for_the_server() {
    // While a request hangs, and while a try is waited for.
    for hangs in [true, false] {
        let (stop, at) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
        let (arrived, when) = (stop.clone(), at.clone());
        let server = Server::start(move |_, _| {
            when.lock().unwrap().get_or_insert(Instant::now());
            arrived.store(true, Ordering::Release);
            if hangs { Act::Hang } else { Act::Say("503 Busy", vec![("Retry-After", "60".into())], String::new()) }
        });
        let vlm = connect(&server, hasty());
        assert_eq!(vlm.ask_all(3, question, number, &Stop(stop)).unwrap_err(), Cancelled);
        let since = at.lock().unwrap().unwrap().elapsed();
        assert!(since < Duration::from_secs(1), "{since:?}");
    }
    let hanging = Server::bare(|_, _| Act::Hang);
    let stopped = Stop(Arc::new(AtomicBool::new(true)));
    let error = Vlm::connect_with(&hanging.url, None, hasty(), &no_keys, &stopped).err().unwrap();
    assert_eq!(error, VlmError::Cancelled(Cancelled));
}

#[test]
fn an_unusable_answer_is_asked_for_once_more() {
    for bad in ["", "no JSON", r#"{"m": 7}"#, "[1, 2]", r#"{"n": "#, "<think>for ever"] {
        let server = Server::start(move |_, before| content(if before == 0 { bad } else { GOOD }));
        assert_eq!(ask_one(&connect(&server, hasty())).unwrap(), 7);
        assert_eq!(server.questions(), 2);
        let again = &server.seen()[2].body;
        assert!(bad.is_empty() || bad.starts_with('<') || again.contains("That cannot be used"), "{again}");

        let server = Server::start(move |_, _| content(bad));
        let error = ask_one(&connect(&server, hasty())).unwrap_err();
        assert!(matches!(error, VlmError::Unusable { .. }), "{error}");
        assert_eq!(server.questions(), 2);
    }
}

#[test]
fn what_is_no_answer_of_a_model_is_said_to_be_none() {
    for (body, words) in [
        ("<html><body>Sign in</body></html>", "Sign in"),
        ("[]", "no choices"),
        (r#""hello""#, "no choices"),
        (r#"{"choices":[{}]}"#, "no message"),
        (r#"{"error":"no vision"}"#, "no vision"),
        (r#"[{"error":{"code":400,"message":"no vision"}}]"#, "no vision"),
    ] {
        let server = Server::start(move |_, _| say("200 OK", body));
        let error = ask_one(&connect(&server, hasty())).unwrap_err().to_string();
        assert!(error.contains(words), "{body}: {error}");
    }
}

#[test]
fn one_refused_question_does_not_keep_the_others_from_being_asked() {
    let server = Server::start(|seen, _| match seen.body.contains("question 1") {
        true => say("413 Large", r#"{"error":{"message":"picture too large","code":null}}"#),
        false => content(GOOD),
    });
    let answers = ask(&connect(&server, hasty()), 3);
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert!(answers[1].as_ref().unwrap_err().to_string().contains("picture too large"));
}

#[test]
fn a_server_that_is_gone_is_not_waited_for_with_every_question() {
    let server = Server::start(|_, before| if before == 0 { content(GOOD) } else { Act::Drop });
    let answers = ask(&connect(&server, Settings { tries: 1, ..hasty() }), 50);
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1);
    assert_eq!(server.questions(), 4);
}

#[test]
fn redirects_are_not_followed() {
    let other = Server::start(|_, _| content(GOOD));
    let target = format!("{}/chat/completions?token=abcdef", other.url);
    let server = Server::start(move |_, _| Act::Say("307 Moved", vec![("Location", target.clone())], String::new()));
    let error = ask_one(&connect(&server, hasty())).unwrap_err().to_string();
    assert!(error.contains(&other.url) && !error.contains("abcdef"), "{error}");
    assert!(other.seen().is_empty());
    assert_eq!(server.questions(), 1);
}

#[test]
fn models_are_chosen_by_name() {
    let server = Server::start(|_, _| content(GOOD));
    let named = |name| Vlm::connect_with(&server.url, name, hasty(), &no_keys, &Quiet);
    assert_eq!(named(None).unwrap().model(), "tiny-vl");
    assert_eq!(named(Some("other")).unwrap().model(), "other");
    let error = named(Some("big")).err().unwrap().to_string();
    assert!(error.contains("--vlm-model big") && error.contains("tiny-vl, other"), "{error}");

    let served = |list: &'static str| Server::bare(move |_, _| say("200 OK", list));
    let found = |list, name| Vlm::connect_with(&served(list).url, name, hasty(), &no_keys, &Quiet);
    assert_eq!(found(r#"{"data":[{"id":"llava:latest"}]}"#, Some("llava")).unwrap().model(), "llava:latest");
    assert_eq!(found(r#"{"data":[{"id":"models/gemini-3"}]}"#, Some("gemini-3")).unwrap().model(), "models/gemini-3");
    assert!(found(r#"{"data":[]}"#, None).err().unwrap().to_string().contains("no model"));
    assert!(found("[1, null, {}]", None).is_err());

    let listless = Server::bare(|_, _| say("404 Not found", "<html>404</html>"));
    let named = |name| Vlm::connect_with(&listless.url, name, hasty(), &no_keys, &Quiet);
    assert_eq!(named(Some("any")).unwrap().model(), "any");
    assert!(named(None).err().unwrap().to_string().contains("/v1"));
}

#[test]
fn a_list_of_models_is_waited_for_as_well() {
    let tries = Arc::new(Mutex::new(0));
    let count = tries.clone();
    let server = Server::bare(move |_, _| {
        *count.lock().unwrap() += 1;
        if *count.lock().unwrap() < 3 { say("503 Busy", "loading") } else { models() }
    });
    assert_eq!(connect(&server, hasty()).model(), "tiny-vl");
    assert_eq!(*tries.lock().unwrap(), 3);
}
