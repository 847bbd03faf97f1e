//! What servers say when they refuse, in every shape that they say it in.

use serde_json::Value;

/// Longest reason that is shown, characters.
const LONGEST: usize = 300;

/// Words of errors that no waiting mends: the account is empty.
const SPENT: [&str; 8] = [
    "insufficient_quota",
    "insufficient quota",
    "exceeded your current quota",
    "billing",
    "spend limit",
    "spending limit",
    "insufficient credit",
    "insufficient balance",
];

/// What a refusal means for the questions that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It may pass: busy, overloaded, no connection.
    Passing,
    /// This question is refused, others may be answered.
    Question,
    /// Every question will be refused: no key, no money, no such model or address.
    Everything,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    /// Status of HTTP; `None` where no whole answer came.
    pub(super) status: Option<u16>,
    /// The reason, one line, fit to be shown.
    pub(super) reason: String,
    /// What it means.
    pub(super) kind: Kind,
}

impl Refusal {
    /// Reads a refusal from status and body: `{"error": {"message", "type", "code"}}` with any type of code, the same in
    /// an array, `{"error": "..."}`, `{"detail": ...}`, a bare string, HTML, or nothing.
    pub(super) fn read(status: u16, body: &str) -> Self {
        let json: Option<Value> = serde_json::from_str(body).ok();
        let (text, marks) = match &json {
            Some(value) => (message(value), marks(value)),
            None => (plain_text(body), String::new()),
        };
        let spent = is_spent(&format!("{marks} {text}"));
        let reason =
            one_line(&if text.is_empty() { format!("status {status}") } else { format!("status {status}: {text}") });
        let kind = match status {
            429 if spent => Kind::Everything,
            408 | 429 | 500 | 502 | 503 | 504 => Kind::Passing,
            300..=399 | 401..=405 => Kind::Everything,
            _ => Kind::Question,
        };
        Self { status: Some(status), reason, kind }
    }

    /// Whether the reason contains one of the words, whatever their case.
    pub(super) fn mentions(&self, words: &[&str]) -> bool {
        let reason = self.reason.to_lowercase();
        words.iter().any(|w| reason.contains(w))
    }
}

/// The error in a body that came with a good status, as some servers in between send it.
pub(super) fn error_in(value: &Value) -> Option<String> {
    let first = value.get(0).unwrap_or(value);
    let error = first.get("error").filter(|e| !e.is_null())?;
    first.get("choices").is_none().then(|| one_line(&message(error)))
}

fn is_spent(text: &str) -> bool {
    let text = text.to_lowercase();
    SPENT.iter().any(|w| text.contains(w))
}

/// The text of an error.
fn message(value: &Value) -> String {
    match value {
        Value::String(text) if text.trim_start().starts_with('<') => plain_text(text),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.first().map(message).unwrap_or_default(),
        Value::Object(fields) => {
            let inner = ["error", "message", "detail", "msg", "errors"].iter().filter_map(|name| fields.get(*name));
            let mut texts = inner.map(message).filter(|t| !t.is_empty());
            texts.next().unwrap_or_else(|| value.to_string())
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The words by which programs tell errors apart: `type`, `code` and `status`, of whatever type they are.
fn marks(value: &Value) -> String {
    let first = value.get(0).unwrap_or(value);
    let error = first.get("error").unwrap_or(first);
    let each = ["type", "code", "status"].iter().filter_map(|name| error.get(*name)).filter(|v| !v.is_null());
    each.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect::<Vec<_>>().join(" ")
}

/// The words of a page: its tags, scripts and styles left out.
fn plain_text(page: &str) -> String {
    if !page.trim_start().starts_with('<') {
        return page.to_owned();
    }
    let (mut text, mut rest) = (String::new(), page);
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let name = tag.get(..6).unwrap_or(tag).to_ascii_lowercase();
        let hidden = [("script", "</script"), ("style", "</style")].iter().find(|h| name.starts_with(h.0));
        let end = hidden.and_then(|h| tag.to_ascii_lowercase().find(h.1)).unwrap_or(0);
        rest = tag.get(end..).and_then(|t| t.split_once('>')).map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text
}

/// One line of ordinary characters, of bounded length.
pub(super) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut line: String = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(at);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_an_error_is_read() {
        for body in [
            r#"{"error":{"message":"no vision","type":"x","param":null,"code":400}}"#,
            r#"{"error":{"message":"no vision","code":"bad"}}"#,
            r#"{"error":{"message":"no vision","code":null}}"#,
            r#"[{"error":{"code":400,"message":"no vision","status":"INVALID_ARGUMENT"}}]"#,
            r#"{"error":"no vision"}"#,
            r#"{"detail":[{"loc":["body"],"msg":"no vision"}]}"#,
            r#"{"detail":"no vision"}"#,
            r#"{"object":"error","message":"no vision"}"#,
            r#""no vision""#,
            "no vision",
            "<html><head><style>p{}</style><script>if(a<b){}</script></head>\n<body><p>no\tvision</p></body></html>",
        ] {
            let refusal = Refusal::read(400, body);
            assert_eq!(refusal.reason, "status 400: no vision", "{body}");
            assert_eq!(refusal.kind, Kind::Question);
        }
        assert_eq!(Refusal::read(502, "").reason, "status 502");
        assert_eq!(Refusal::read(502, "null").reason, "status 502");
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let quota =
            r#"{"error":{"message":"You exceeded it","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        assert_eq!(Refusal::read(429, quota).kind, Kind::Everything);
        assert_eq!(Refusal::read(429, r#"{"error":{"message":"slow down","code":429}}"#).kind, Kind::Passing);
        for (status, kind) in [
            (302, Kind::Everything),
            (400, Kind::Question),
            (401, Kind::Everything),
            (402, Kind::Everything),
            (404, Kind::Everything),
            (408, Kind::Passing),
            (413, Kind::Question),
            (422, Kind::Question),
            (500, Kind::Passing),
            (501, Kind::Question),
            (503, Kind::Passing),
        ] {
            assert_eq!(Refusal::read(status, "x").kind, kind, "{status}");
        }
    }

    #[test]
    fn reasons_are_one_short_line_without_control_characters() {
        let refusal = Refusal::read(400, &format!("\u{1b}[31mred\r\n{}", "é".repeat(1000)));
        assert!(refusal.reason.chars().count() <= LONGEST + 1 && !refusal.reason.chars().any(char::is_control));
    }

    #[test]
    fn an_error_with_a_good_status_is_found() {
        let found = |text| error_in(&serde_json::from_str(text).unwrap());
        assert_eq!(found(r#"{"error":{"message":"overloaded"}}"#).as_deref(), Some("overloaded"));
        assert_eq!(found(r#"{"error":null,"choices":[]}"#), None);
    }
}
