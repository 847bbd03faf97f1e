//! The filter of the queue: one line of text, read and written.
//!
//! Words stand beside each other and must all hold; `-` before a word turns it round. `is:accepted`, `is:kept,verify`
//! (one of them), `#12`, `#3,7` (one of them), `label:chair`, `label:"side table",desk`, `reason:duplicate`, `has:note`, and ranges
//! `score:0.3..0.7`, `size:..0.05`, `views:3..` with both ends included. Any other word is looked for in label and
//! caption; quotes take a word as it stands.

use super::measures::{Context, Measure};
use super::{Reason, Reviewed, Verdict};
use crate::scene::InstanceState;
use std::fmt;

/// What `is:` can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// What a reviewer said of it.
    Verdict(Verdict),
    /// What the confidence gate said of it.
    Gate(InstanceState),
    /// Accepted, and changed before.
    Fixed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Verdict(Verdict::Unreviewed),
        Self::Verdict(Verdict::Accepted),
        Self::Verdict(Verdict::Rejected),
        Self::Verdict(Verdict::Unsure),
        Self::Fixed,
        Self::Gate(InstanceState::Kept),
        Self::Gate(InstanceState::Verify),
        Self::Gate(InstanceState::Dropped),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verdict(v) => v.name(),
            Self::Gate(InstanceState::Kept) => "kept",
            Self::Gate(InstanceState::Verify) => "verify",
            Self::Gate(InstanceState::Dropped) => "dropped",
            Self::Fixed => "fixed",
        }
    }

    /// Whether it is so.
    pub fn holds(self, item: &Reviewed, context: &Context) -> bool {
        match self {
            Self::Verdict(v) => item.verdict == v,
            Self::Gate(s) => item.instance.state == s,
            Self::Fixed => context.is_fixed(item.instance.id),
        }
    }
}

/// Numbers from `low` to `high`, both included; an end that is not there is open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The least.
    pub low: Option<f64>,
    /// The largest.
    pub high: Option<f64>,
}

impl Range {
    fn holds(&self, x: f64) -> bool {
        self.low.is_none_or(|l| x >= l) && self.high.is_none_or(|h| x <= h)
    }

    fn parse(text: &str) -> Option<Self> {
        let number = |t: &str| t.parse().ok().filter(|x: &f64| x.is_finite());
        let end = |t: &str| if t.is_empty() { Some(None) } else { number(t).map(Some) };
        match text.split_once("..") {
            Some((low, high)) => Some(Self { low: end(low)?, high: end(high)? }),
            None => number(text).map(|x| Self { low: Some(x), high: Some(x) }),
        }
    }
}

/// What a word asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// One of these holds.
    Is(Vec<State>),
    /// One of these instances.
    Id(Vec<u32>),
    /// One of these is the label, whatever the case.
    Label(Vec<String>),
    /// It was rejected for one of these.
    Reason(Vec<Reason>),
    /// Somebody has written a note.
    HasNote,
    /// A number is known and in a range.
    Within(Measure, Range),
    /// It is in label, caption or note, whatever the case.
    Word(String),
}

/// A word of the filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// What must not hold.
    pub negated: bool,
    /// What is asked.
    pub test: Test,
}

/// A filter: every term must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter(pub Vec<Term>);

impl Filter {
    /// Reads a line. What is not understood is left out, and said in a sentence: one for the first such word.
    pub fn understood(text: &str) -> (Self, Option<String>) {
        let (mut terms, mut hint) = (Vec::new(), None);
        for raw in words(text) {
            match raw.test() {
                Ok(test) => terms.push(Term { negated: raw.negated, test }),
                Err(why) => hint = hint.or(Some(why)),
            }
        }
        (Self(terms), hint)
    }

    /// Reads a line; a sentence about the first word that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (filter, hint) = Self::understood(text);
        hint.map_or(Ok(filter), Err)
    }

    /// Whether every term holds.
    pub fn matches(&self, item: &Reviewed, context: &Context) -> bool {
        self.0.iter().all(|t| t.holds(item, context))
    }
}

impl Term {
    /// Whether it holds.
    pub fn holds(&self, item: &Reviewed, context: &Context) -> bool {
        let i = &item.instance;
        let yes = match &self.test {
            Test::Is(states) => states.iter().any(|s| s.holds(item, context)),
            Test::Id(ids) => ids.contains(&i.id),
            Test::Label(labels) => labels.iter().any(|l| l.to_lowercase() == i.label.to_lowercase()),
            Test::Reason(reasons) => item.reason.is_some_and(|r| reasons.contains(&r)),
            Test::HasNote => !item.note.is_empty(),
            Test::Within(measure, range) => measure.of(item, context).is_some_and(|x| range.holds(x)),
            Test::Word(word) => {
                let word = word.to_lowercase();
                [&i.label, &i.caption, &item.note].iter().any(|t| t.to_lowercase().contains(&word))
            }
        };
        yes != self.negated
    }
}

/// A word as it was written.
#[derive(Default)]
struct Raw {
    negated: bool,
    /// What stands before the first colon.
    key: Option<String>,
    /// The rest, split at commas where there is a key; whether a part was quoted.
    values: Vec<(String, bool)>,
}

impl Raw {
    fn test(&self) -> Result<Test, String> {
        let Some(key) = &self.key else {
            let (word, quoted) = self.values.first().cloned().unwrap_or_default();
            let numbers = word.strip_prefix('#').filter(|_| !quoted);
            let ids = numbers.and_then(|n| n.split(',').map(|n| n.parse().ok()).collect::<Option<Vec<u32>>>());
            return Ok(ids.map_or(Test::Word(word), Test::Id));
        };
        let values: Vec<&str> = self.values.iter().filter(|v| v.1 || !v.0.is_empty()).map(|v| v.0.as_str()).collect();
        let key = key.to_lowercase();
        match key.as_str() {
            "is" => listed("is", &values, &State::ALL, State::word).map(Test::Is),
            "reason" => listed("reason", &values, &Reason::ALL, Reason::word).map(Test::Reason),
            "has" => listed("has", &values, &["note"], |w| w).map(|_| Test::HasNote),
            "label" if values.is_empty() => Err("label: needs a label, as in label:chair".into()),
            "label" => Ok(Test::Label(values.iter().map(|v| (*v).to_owned()).collect())),
            _ => match (Measure::ALL.into_iter().find(|m| m.word() == key), values.as_slice()) {
                (Some(m), [one]) => Range::parse(one).map(|r| Test::Within(m, r)).ok_or_else(|| {
                    format!("{key}:{one} is no range: write {key}:0.3..0.7, {key}:..0.5 or {key}:0.5..")
                }),
                (Some(_), _) => Err(format!("{key}: needs one range, as in {key}:0.3..0.7")),
                (None, _) => {
                    let known: Vec<&str> = Measure::ALL.iter().map(|m| m.word()).collect();
                    let known = known.join(", ");
                    Err(format!(
                        "{key}: is not known. There are is, label, reason, has, {known}; a word with a colon goes in quotes"
                    ))
                }
            },
        }
    }
}

/// The values of a list; a sentence about the first that is not among `all`.
fn listed<T: Copy>(key: &str, values: &[&str], all: &[T], word: impl Fn(T) -> &'static str) -> Result<Vec<T>, String> {
    let find = |v: &&str| all.iter().copied().find(|a| word(*a) == v.to_lowercase());
    let found: Option<Vec<T>> = values.iter().map(find).collect();
    found.filter(|f| !f.is_empty()).ok_or_else(|| {
        let all: Vec<&str> = all.iter().map(|a| word(*a)).collect();
        format!("{key}: takes {}", all.join(", "))
    })
}

/// Splits a line at spaces, colons and commas that are not in quotes. In quotes, a backslash takes the next character as
/// it is. A quote that is not closed goes to the end.
fn words(text: &str) -> Vec<Raw> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.next_if(|c| c.is_whitespace()).is_some() || chars.peek().is_some() {
        if chars.peek().is_none_or(|c| c.is_whitespace()) {
            continue;
        }
        let mut raw = Raw::default();
        let (mut value, mut quoted) = (String::new(), false);
        if chars.next_if_eq(&'-').is_some() {
            raw.negated = chars.peek().is_some_and(|c| !c.is_whitespace());
            value.extend((!raw.negated).then_some('-'));
        }
        while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
            match c {
                '"' => {
                    quoted = true;
                    while let Some(c) = chars.next().filter(|c| *c != '"') {
                        value.extend(if c == '\\' { chars.next() } else { Some(c) });
                    }
                }
                ':' if raw.key.is_none() && !quoted && !value.is_empty() => raw.key = Some(std::mem::take(&mut value)),
                ',' if raw.key.is_some() => raw.values.push((std::mem::take(&mut value), std::mem::take(&mut quoted))),
                c => value.push(c),
            }
        }
        raw.values.push((value, quoted));
        out.push(raw);
    }
    out
}

/// Text as a word or as a value of a list, in quotes where it must be.
fn quoted(text: &str) -> String {
    let special = |c: char| c.is_whitespace() || matches!(c, '"' | ':' | ',');
    if text.is_empty() || text.contains(special) || text.starts_with(['-', '#']) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text.to_owned()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.0.iter().enumerate() {
            let gap = if i > 0 { " " } else { "" };
            write!(f, "{gap}{}{}", if term.negated { "-" } else { "" }, term.test)?;
        }
        Ok(())
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, key: &str, words: Vec<String>| write!(f, "{key}:{}", words.join(","));
        match self {
            Self::Is(states) => list(f, "is", states.iter().map(|s| s.word().to_owned()).collect()),
            Self::Reason(reasons) => list(f, "reason", reasons.iter().map(|r| r.word().to_owned()).collect()),
            Self::Label(labels) => list(f, "label", labels.iter().map(|l| quoted(l)).collect()),
            Self::Id(ids) => {
                let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
                write!(f, "#{}", ids.join(","))
            }
            Self::HasNote => write!(f, "has:note"),
            Self::Within(measure, range) => write!(f, "{}:{range}", measure.word()),
            Self::Word(word) => write!(f, "{}", quoted(word)),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.low, self.high) {
            (Some(a), Some(b)) if a == b => write!(f, "{a}"),
            (low, high) => {
                let text = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
                write!(f, "{}..{}", text(low), text(high))
            }
        }
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
