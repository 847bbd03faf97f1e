//! Texts to token numbers as text encoders take them: byte pair encoding as a `tokenizer.json` beside a model describes it
//! (the layout of Hugging Face's tokenizers), of two kinds: CLIP's, words of bytes with `</w>` at their end, and Gemma's,
//! whole texts with `▁` for a space and bytes for characters that it does not know.
//!
//! Byte pair encoding: R. Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016: pieces
//! that lie side by side are joined, the pair that was learned first before all others, until no learned pair is left.

use crate::models::ModelError;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Names that the file has in published models.
const NAMES: [&str; 2] = ["tokenizer.json", "clip_tokenizer.json"];
/// What CLIP puts at the end of a word.
const WORD_END: &str = "</w>";
/// What stands for a space in Gemma's pieces.
const SPACE: char = '\u{2581}';
/// Longest text that is encoded, characters: a label, not a book.
const LONGEST_TEXT: usize = 400;

/// How texts are cut before pairs are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// CLIP: lower case, words, bytes.
    Clip,
    /// Gemma, as SigLIP 2 uses it: lower case, the whole text, characters.
    Gemma,
}

/// A vocabulary and its learned pairs.
pub struct Tokenizer {
    kind: Kind,
    vocabulary: HashMap<String, u32>,
    /// Which pair is joined, in which order, into what.
    pairs: HashMap<(u32, u32), (usize, u32)>,
    begin: Vec<u32>,
    end: Vec<u32>,
    unknown: Option<u32>,
}

impl Tokenizer {
    /// The file that lies beside a model, or in the folder above it, as on Hugging Face.
    pub fn find(model: &Path) -> Result<PathBuf, ModelError> {
        let mut places = model.ancestors().skip(1).take(2).flat_map(|f| NAMES.map(|name| f.join(name)));
        let missing = || ModelError::file(model, "it needs its tokenizer.json beside it, which is not there");
        places.find(|p| p.is_file()).ok_or_else(missing)
    }

    /// The tokenizer that lies beside a model, see [`Tokenizer::find`].
    pub fn beside(model: &Path) -> Result<Self, ModelError> {
        Self::read(&Self::find(model)?)
    }

    /// Reads a `tokenizer.json`.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(|e| ModelError::file(path, e))?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|e| ModelError::file(path, format!("it is not a tokenizer.json: {e}")))?;
        Self::parse(&value).map_err(|reason| ModelError::file(path, reason))
    }

    fn parse(value: &Value) -> Result<Self, String> {
        let model = &value["model"];
        let kind = if model["end_of_word_suffix"] == WORD_END {
            Kind::Clip
        } else if model["byte_fallback"] == true {
            Kind::Gemma
        } else {
            return Err("it is a tokenizer of neither CLIP nor Gemma".into());
        };
        let words = model["vocab"].as_object().ok_or("it has no vocabulary")?;
        let number = |v: &Value| v.as_u64().and_then(|v| u32::try_from(v).ok());
        let vocabulary: HashMap<String, u32> =
            words.iter().filter_map(|(word, id)| Some((word.clone(), number(id)?))).collect();
        let id = |word: &str| {
            let added = value["added_tokens"].as_array().into_iter().flatten();
            let added = added.into_iter().find(|t| t["content"] == word).and_then(|t| number(&t["id"]));
            added.or_else(|| vocabulary.get(word).copied())
        };
        let (begin, end) = around(&value["post_processor"], &id).unwrap_or_else(|| match kind {
            Kind::Clip => (id("<|startoftext|>").into_iter().collect(), id("<|endoftext|>").into_iter().collect()),
            Kind::Gemma => (Vec::new(), id("<eos>").into_iter().collect()),
        });
        let unknown = model["unk_token"].as_str().and_then(&id);
        let mut pairs = HashMap::new();
        for (rank, pair) in model["merges"].as_array().into_iter().flatten().enumerate() {
            let (a, b) = match pair {
                Value::String(text) => text.split_once(' ').ok_or("a pair of it is not two words")?,
                pair => pair[0].as_str().zip(pair[1].as_str()).ok_or("a pair of it is not two words")?,
            };
            let joined = vocabulary.get(&format!("{a}{b}"));
            if let (Some(a), Some(b), Some(joined)) = (vocabulary.get(a), vocabulary.get(b), joined) {
                pairs.entry((*a, *b)).or_insert((rank, *joined));
            }
        }
        Ok(Self { kind, vocabulary, pairs, begin, end, unknown })
    }

    /// Which kind it is: that of the model that it belongs to.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The token at the end of a text.
    pub fn end(&self) -> i64 {
        self.end.last().map_or(0, |id| i64::from(*id))
    }

    /// The tokens of a text, with those at its beginning and end; at most `longest` in all.
    pub fn encode(&self, text: &str, longest: usize) -> Vec<i64> {
        let text: String = text.chars().take(LONGEST_TEXT).collect::<String>().to_lowercase();
        let mut tokens = match self.kind {
            Kind::Clip => words(&text).iter().flat_map(|word| self.joined(self.bytes_of(word))).collect::<Vec<u32>>(),
            Kind::Gemma => self.joined(self.characters_of(&text.replace(' ', &SPACE.to_string()))),
        };
        tokens.truncate(longest.saturating_sub(self.begin.len() + self.end.len()));
        let all = self.begin.iter().chain(&tokens).chain(&self.end);
        all.map(|id| i64::from(*id)).collect()
    }

    /// CLIP's first pieces of a word: its bytes, each as a character that can be seen, the last with the end of the word.
    fn bytes_of(&self, word: &str) -> Vec<u32> {
        let last = word.len().saturating_sub(1);
        let piece = |(k, byte): (usize, u8)| {
            let mut piece = visible(byte).to_string();
            if k == last {
                piece += WORD_END;
            }
            self.vocabulary.get(&piece).copied().or(self.unknown)
        };
        word.bytes().enumerate().filter_map(piece).collect()
    }

    /// Gemma's first pieces of a text: its characters, or the bytes of those that it does not know.
    fn characters_of(&self, text: &str) -> Vec<u32> {
        let mut pieces = Vec::new();
        for c in text.chars() {
            let mut buffer = [0; 4];
            let c = &*c.encode_utf8(&mut buffer);
            match self.vocabulary.get(c) {
                Some(id) => pieces.push(*id),
                None => pieces.extend(
                    c.bytes().filter_map(|b| self.vocabulary.get(&format!("<0x{b:02X}>")).copied().or(self.unknown)),
                ),
            }
        }
        pieces
    }

    /// Joins pairs until none is left that was learned.
    fn joined(&self, mut pieces: Vec<u32>) -> Vec<u32> {
        loop {
            let learned = pieces.windows(2).enumerate().filter_map(|(k, p)| Some((self.pairs.get(&(p[0], p[1]))?, k)));
            let Some(((_, joined), at)) = learned.min_by_key(|((rank, _), k)| (*rank, *k)) else { return pieces };
            pieces[at] = *joined;
            pieces.remove(at + 1);
        }
    }
}

/// Tokens before and after a text, as the file's `post_processor` has them.
fn around(processor: &Value, id: &dyn Fn(&str) -> Option<u32>) -> Option<(Vec<u32>, Vec<u32>)> {
    let number = |v: &Value| v.as_u64().and_then(|v| u32::try_from(v).ok());
    match processor["type"].as_str()? {
        "RobertaProcessing" | "BertProcessing" => {
            Some((vec![number(&processor["cls"][1])?], vec![number(&processor["sep"][1])?]))
        }
        "TemplateProcessing" => {
            let (mut begin, mut end, mut after) = (Vec::new(), Vec::new(), false);
            for part in processor["single"].as_array()? {
                if part.get("Sequence").is_some() {
                    after = true;
                } else if let Some(token) = part["SpecialToken"]["id"].as_str().and_then(id) {
                    if after { end.push(token) } else { begin.push(token) }
                }
            }
            Some((begin, end))
        }
        "Sequence" => processor["processors"].as_array()?.iter().find_map(|p| around(p, id)),
        _ => None,
    }
}

/// CLIP's words: endings after an apostrophe, runs of letters, single digits, runs of other signs (A. Radford et al.,
/// "Learning Transferable Visual Models From Natural Language Supervision", 2021, and its published tokenizer).
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let ending = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].into_iter().find(|e| rest.starts_with(e));
        let other = |c: char| !c.is_whitespace() && !c.is_alphabetic() && !c.is_numeric();
        let length = match ending {
            Some(ending) => ending.len(),
            None if first.is_alphabetic() => run(rest, char::is_alphabetic),
            None if first.is_numeric() => first.len_utf8(),
            None => run(rest, other).max(first.len_utf8()),
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

/// Bytes at the start of a text whose characters are all of a kind.
fn run(text: &str, of: impl Fn(char) -> bool) -> usize {
    text.char_indices().find(|(_, c)| !of(*c)).map_or(text.len(), |(at, _)| at)
}

/// The character that stands for a byte: itself where it can be seen, else one from 256 on, in order.
fn visible(byte: u8) -> char {
    let seen = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if seen(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|b| !seen(*b)).count() as u32;
    char::from_u32(256 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::test_model;

    /// Numbers of the Python package tokenizers 0.23.3 for the same files, see `tests/make_segmenters.py`.
    #[test]
    fn numbers_are_those_of_the_tokenizers_package() {
        for file in ["segmenters/usls/tokenizer.json", "label_scores/siglip/tokenizer.json"] {
            let tokenizer = Tokenizer::read(&test_model(file)).unwrap();
            let expected: Value =
                serde_json::from_slice(&std::fs::read(test_model(&format!("{file}.expected"))).unwrap()).unwrap();
            let expected = expected.as_object().unwrap();
            assert!(expected.len() >= 8);
            for (text, ids) in expected {
                let ids: Vec<i64> = serde_json::from_value(ids.clone()).unwrap();
                assert_eq!(tokenizer.encode(text, 1000), ids, "{text:?} with {file}");
            }
        }
    }

    #[test]
    fn a_long_text_keeps_its_end() {
        let tokenizer = Tokenizer::read(&test_model("segmenters/usls/tokenizer.json")).unwrap();
        let long = tokenizer.encode(&"chair ".repeat(90), 32);
        assert_eq!(long.len(), 32);
        assert_eq!((long[0], long[31], tokenizer.end(), tokenizer.kind()), (49406, 49407, 49407, Kind::Clip));
        assert_eq!(tokenizer.encode("", 32), [49406, 49407]);
    }

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        let all: std::collections::BTreeSet<char> = (0..=255).map(visible).collect();
        assert_eq!((all.len(), visible(b' '), visible(b'a'), visible(0xad)), (256, '\u{120}', 'a', '\u{143}'));
    }

    #[test]
    fn what_is_no_tokenizer_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (path, model) = (dir.path().join("tokenizer.json"), dir.path().join("text.onnx"));
        assert!(Tokenizer::beside(&model).err().unwrap().to_string().contains("tokenizer.json"));
        for (text, words) in [
            ("{", "not a tokenizer.json"),
            ("{}", "neither CLIP nor Gemma"),
            (r#"{"model": {"byte_fallback": true}}"#, "no vocabulary"),
            (r#"{"model": {"byte_fallback": true, "vocab": {}, "merges": ["a"]}}"#, "two words"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Tokenizer::beside(&model).err().unwrap().to_string();
            assert!(error.contains("tokenizer.json") && error.contains(words), "{error}");
        }
    }
}
