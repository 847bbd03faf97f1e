//! Keys, passwords and queries go to the server and nowhere else.

use super::super::testing::{Server, content, say};
use super::super::{KEY, OPENAI_KEY};
use super::*;

const SECRET: &str = "sk-very/secret-0123";

fn files(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.map(|path| format!("{path:?} {}", std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn a_server_that_repeats_the_key_does_not_bring_it_into_messages_or_files() {
    // With the slash as it is, and escaped as PHP writes it.
    for escaped in [SECRET.to_owned(), SECRET.replace('/', "\\/")] {
        let dir = tempfile::tempdir().unwrap();
        let words = escaped.clone();
        let server = Server::start(move |seen, before| match before {
            0 => content(&format!("{{\"n\": 1, \"key\": \"{SECRET}\"}}")),
            1 => say("400 Bad", format!("{{\"error\":{{\"message\":\"Incorrect API key provided: {words}.\"}}}}")),
            2 => say("400 Bad", format!("<html>{:?} hunter22 token=abcdef</html>", seen.headers)),
            _ => say("401 No", format!("[{{\"error\":\"{words}\"}}]")),
        });
        let url = format!("{}?token=abcdef", server.url);
        let told = Told::default();
        let keys = |name: &str| (name == OPENAI_KEY || name == KEY).then(|| SECRET.to_owned());
        let vlm = Vlm::connect_with(&url, None, hasty(), &keys, &told).unwrap().remembering_in(dir.path());
        let answers = vlm.ask_all(4, question, number, &told).unwrap();
        assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_err());
        let sent = server.seen();
        assert!(sent.iter().all(|s| s.headers["authorization"] == format!("Bearer {SECRET}")));
        assert!(sent.iter().all(|s| s.line.ends_with("?token=abcdef")));
        let mut said: Vec<String> =
            answers.iter().filter_map(|a| a.as_ref().err()).map(|e| format!("{e} {e:?}")).collect();
        said.extend(told.all());
        said.extend([vlm.address().to_owned(), vlm.tally().to_string()]);
        let kept = files(dir.path());
        assert!(!kept.is_empty() && said.len() > 3);
        for text in said.iter().chain(&kept) {
            for secret in [SECRET, "very", "abcdef", "token="] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}

#[test]
fn user_and_password_are_sent_and_not_shown() {
    let server = Server::start(|_, _| say("403 No", r#"{"error":"Basic YWRhOmh1bnRlcjIy is not for ada, hunter22"}"#));
    let url = server.url.replace("http://", "http://ada:hunter22@");
    let vlm = Vlm::connect_with(&url, None, hasty(), &no_keys, &Quiet).unwrap();
    let error = ask_one(&vlm).unwrap_err().to_string();
    // RFC 7617 of ada:hunter22.
    assert_eq!(server.seen()[1].headers["authorization"], "Basic YWRhOmh1bnRlcjIy");
    assert!(!error.contains("hunter22") && !error.contains("YWRh"), "{error}");
    assert_eq!(vlm.address(), server.url);
}

#[test]
fn without_a_key_none_is_sent() {
    let server = Server::start(|_, _| content(r#"{"n": 1}"#));
    ask_one(&connect(&server, hasty())).unwrap();
    assert!(server.seen().iter().all(|s| !s.headers.contains_key("authorization")));
}
