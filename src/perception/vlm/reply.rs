//! What a server answered: the text, and the JSON in it.

use serde_json::{Deserializer, Value};

/// Longest answer that JSON is looked for in, bytes, and number of brackets in it that may begin nothing: an answer of
/// nothing but brackets must not take minutes.
const LONGEST: usize = 1 << 20;
const FALSE_STARTS: usize = 1000;

/// An answer as it came.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    /// The text, without what the model thought aloud.
    pub(super) text: String,
    /// Tokens of the question, where the server counts.
    pub(super) prompt_tokens: Option<u64>,
    /// Tokens of the answer, where the server counts.
    pub(super) completion_tokens: Option<u64>,
    /// Whether the answer ends where it ran out of tokens.
    pub(super) cut: bool,
    /// Why there is no text, where the model says so.
    pub(super) declined: Option<String>,
}

impl Reply {
    /// Reads an answer of `chat/completions`; an error where it is none.
    pub(super) fn read(answer: &Value) -> Result<Self, String> {
        let choice = answer.get("choices").and_then(|c| c.get(0)).ok_or("the answer has no choices")?;
        let message = choice.get("message").ok_or("the answer has no message")?;
        let field = |name: &str| message.get(name).map(text_of).filter(|t| !t.trim().is_empty());
        let content = field("content");
        let declined = field("refusal").filter(|_| content.is_none());
        let count = |name: &str| answer.get("usage").and_then(|u| u.get(name)).and_then(Value::as_u64);
        Ok(Self {
            text: without_thoughts(&content.unwrap_or_default()).to_owned(),
            prompt_tokens: count("prompt_tokens"),
            completion_tokens: count("completion_tokens"),
            cut: choice.get("finish_reason").and_then(Value::as_str) == Some("length"),
            declined: declined.map(|words| format!("the model declines: {}", super::fault::one_line(&words))),
        })
    }
}

/// The text of a message: a string, or an array of parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let text = |part: &Value| part.get("text").unwrap_or(part).as_str().map(str::to_owned);
            parts.iter().filter_map(text).collect()
        }
        _ => String::new(),
    }
}

/// The answer after what the model thought aloud; nothing where it never came to an answer.
fn without_thoughts(text: &str) -> &str {
    match text.rsplit_once("</think>") {
        Some((_, after)) => after.trim(),
        None if text.trim_start().starts_with("<think>") => "",
        None => text.trim(),
    }
}

/// Every JSON array and object in a text, outermost only, in order: prose, code fences and what is broken are skipped.
pub(super) fn json_values(text: &str) -> Vec<Value> {
    let end = (0..=LONGEST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (text, mut found, mut at, mut false_starts) = (&text[..end], Vec::new(), 0, 0);
    while let Some(step) = text[at..].find(['{', '[']) {
        let start = at + step;
        let mut stream = Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => {
                at = start + stream.byte_offset();
                found.push(value);
            }
            _ => {
                at = start + 1;
                false_starts += 1;
            }
        }
        if false_starts > FALSE_STARTS {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(message: Value) -> Result<Reply, String> {
        Reply::read(&json!({ "choices": [{ "message": message, "finish_reason": "stop" }] }))
    }

    #[test]
    fn the_text_is_found_without_the_thoughts() {
        for content in [
            json!("<think>hm\n{}</think>\n a red chair "),
            json!([{ "type": "text", "text": "a red " }, { "type": "text", "text": "chair" }]),
            json!("a red chair"),
            json!("reasoning that began in the prompt</think>a red chair"),
        ] {
            assert_eq!(read(json!({ "content": content })).unwrap().text, "a red chair");
        }
        assert_eq!(read(json!({ "content": "<think>never ends" })).unwrap().text, "");
        assert_eq!(read(json!({ "content": null, "reasoning_content": "hm" })).unwrap().text, "");
        let declined = read(json!({ "content": null, "refusal": "I cannot" })).unwrap().declined;
        assert_eq!(declined.as_deref(), Some("the model declines: I cannot"));
        assert!(Reply::read(&json!({ "choices": [] })).is_err());
        assert!(Reply::read(&json!([1, "x", null])).is_err());
    }

    #[test]
    fn tokens_are_counted_where_the_server_counts() {
        let mut answer = json!({ "choices": [{ "message": { "content": "x" }, "finish_reason": "length" }] });
        let reply = Reply::read(&answer).unwrap();
        assert_eq!((reply.prompt_tokens, reply.cut), (None, true));
        answer["usage"] = json!({ "prompt_tokens": 7, "completion_tokens": null });
        let reply = Reply::read(&answer).unwrap();
        assert_eq!((reply.prompt_tokens, reply.completion_tokens), (Some(7), None));
    }

    #[test]
    fn json_is_found_in_prose_and_fences() {
        let want = json!({ "a": [1, { "b": "}]" }] });
        for text in [
            want.to_string(),
            format!("Here [as asked]: you go {{ok}}\n```json\n{want}\n```\nAnything else?"),
            format!("```\n{want}```"),
        ] {
            assert!(json_values(&text).contains(&want), "{text}");
        }
        assert_eq!(json_values(r#"{"x": [{"a": 1}, {"a": 2}, {"a":"#), [json!({ "a": 1 }), json!({ "a": 2 })]);
        assert!(json_values("no json").is_empty());
        assert!(json_values(&"[{".repeat(1_000_000)).is_empty());
    }
}
