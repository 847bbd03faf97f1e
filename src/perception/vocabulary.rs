//! Room words: what detectors, language models and people call a thing, brought to one word each, with the sizes that such
//! a thing plausibly has and what it stands on.
//!
//! Parts of the building (`wall`, `floor`, `ceiling`) are no things and have no word here; neither has what does not stand in
//! rooms or does not stay where it is (cars, zebras, people).

mod words;

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a thing usually rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// The floor.
    Floor,
    /// The top of another thing: a table, a shelf, a bed.
    Surface,
    /// A wall, or an opening in it.
    Wall,
    /// Any of these, or it hangs from the ceiling.
    Any,
}

/// A plausible range of a length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Less is hardly ever met, metres.
    pub least: f64,
    /// What to expect where nothing else is known, metres.
    pub typical: f64,
    /// More is hardly ever met, metres.
    pub most: f64,
}

/// Plausible sizes of an upright box around a whole thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// The longer horizontal side.
    pub longest: Span,
    /// The shorter horizontal side: for what hangs on a wall its depth.
    pub shortest: Span,
    /// The vertical side.
    pub height: Span,
}

/// One thing that stands in rooms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Word {
    /// Its one name, singular, American where the English differ.
    pub name: &'static str,
    /// The name of the wider word that it is a kind of (an office chair is a chair), or empty.
    pub kind_of: &'static str,
    /// Other names, singular, lower case.
    pub synonyms: &'static [&'static str],
    /// What it usually rests on.
    pub support: Support,
    /// How large it plausibly is.
    pub sizes: Sizes,
}

/// All words, in the order of the table.
pub fn words() -> &'static [Word] {
    words::WORDS
}

/// The word of a label. Case, number, articles, hyphens, underscores and adjectives before the name do not matter.
pub fn word(label: &str) -> Option<&'static Word> {
    let parts = label.split(['/', ',', ';', '(', '|']).map(tidy);
    std::iter::once(tidy(label)).chain(parts).find_map(|text| by_phrase(&text))
}

/// The one name of what a label calls a thing; `None` for what does not stand in rooms.
pub fn canonical(label: &str) -> Option<&'static str> {
    word(label).map(|w| w.name)
}

/// Whether two labels name the same thing. Labels that have no word here are compared as they are, once tidy.
pub fn same(a: &str, b: &str) -> bool {
    match (canonical(a), canonical(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => tidy(a) == tidy(b),
        _ => false,
    }
}

/// Whether two labels can be said of one thing: they are the same, or one is a kind of the other.
pub fn related(a: &str, b: &str) -> bool {
    let kinds = |a: &Word, b: &Word| a.kind_of == b.name || b.kind_of == a.name;
    same(a, b) || word(a).zip(word(b)).is_some_and(|(a, b)| kinds(a, b))
}

/// Whether a label says no more than that something is there.
pub fn says_nothing(label: &str) -> bool {
    matches!(label.trim().to_lowercase().as_str(), "" | "object" | "thing" | "unknown")
}

/// A label in the form that this table has: lower case, single spaces, no article, its last word singular.
pub fn tidy(label: &str) -> String {
    let spaced: String = label.chars().map(|c| if c.is_alphanumeric() || c == '/' { c } else { ' ' }).collect();
    let lower = spaced.to_lowercase();
    let mut parts: Vec<&str> = lower.split_whitespace().collect();
    while parts.len() > 1 && ["a", "an", "the", "some", "one"].contains(&parts[0]) {
        parts.remove(0);
    }
    let Some(last) = parts.pop() else { return String::new() };
    let last = singular(last);
    parts.push(&last);
    parts.join(" ")
}

/// Labels whose last word is one of ours but which are something else.
const ELSEWHERE: &str = "traffic light,street light,street lamp,stop sign,traffic sign,car seat,car door,car window,bus seat,\
                         train door,baseball glove,skirting board,circuit board,hot tub,pepper mill";

/// What is counted, where a phrase begins with how it is arranged: a stack of books is books.
const ARRANGED: &[&str] = &["stack", "pile", "row", "set", "pair", "bunch", "group", "collection", "piece", "lot"];

/// Names and synonyms, tidy, each with its word.
static BY_NAME: LazyLock<BTreeMap<String, &'static Word>> = LazyLock::new(|| {
    let names = |w: &'static Word| w.synonyms.iter().chain([&w.name]).map(move |name| (tidy(name), w));
    words::WORDS.iter().flat_map(names).collect()
});

/// The word of a tidy phrase: as a whole, by what stands before "of" or "with", or without its adjectives.
fn by_phrase(text: &str) -> Option<&'static Word> {
    if let Some(word) = BY_NAME.get(text) {
        return Some(word);
    }
    let parts: Vec<&str> = text.split(' ').collect();
    let joint = parts.iter().skip(1).position(|p| ["of", "with", "on", "in", "for", "and"].contains(p)).map(|k| k + 1);
    if let Some(at) = joint {
        let arranged = parts[at] == "of" && ARRANGED.contains(&singular(parts[at - 1]).as_str());
        let kept = if arranged { &parts[at + 1..] } else { &parts[..at] };
        return by_phrase(&tidy(&kept.join(" ")));
    }
    if ELSEWHERE.split(',').any(|e| e == text) {
        return None;
    }
    (1..parts.len()).find_map(|k| {
        let end = parts[k..].join(" ");
        BY_NAME.get(end.as_str()).copied()
    })
}

/// The singular of an English noun, by its ending; words that are the same in both, or only plural, stay.
fn singular(word: &str) -> String {
    /// Words on -s that are not plurals, or have no singular.
    const KEPT: &str = "scissors headphones stairs clothes blinds pants jeans trousers shears pliers canvas christmas \
                        earbuds gas bias";
    /// Endings of plurals whose singular no rule tells.
    const ODD: &str = "shelves shelf,knives knife,leaves leaf,scarves scarf,glasses glass,mice mouse,people person,\
                       children child,cacti cactus,buses bus,shoes shoe";
    let mut odd = ODD.split(',').filter_map(|pair| pair.split_once(' '));
    if let Some(whole) = odd.find_map(|(many, one)| word.strip_suffix(many).map(|start| format!("{start}{one}"))) {
        return whole;
    }
    let short = word.chars().count() < 4;
    if short || KEPT.split(' ').any(|k| k == word) || ["ss", "us", "is"].iter().any(|e| word.ends_with(e)) {
        return word.to_owned();
    }
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    for ending in ["sses", "shes", "ches", "xes", "zes", "toes"] {
        if word.ends_with(ending) {
            return word[..word.len() - 2].to_owned();
        }
    }
    word.strip_suffix('s').unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests;
