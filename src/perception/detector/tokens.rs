//! Texts for detectors that read them: BERT's WordPiece, and prompts of one phrase a class (Grounding DINO).

use crate::models::ModelError;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Most tokens of one prompt: Grounding DINO has a score for that many.
pub(super) const MOST: usize = 256;

/// Longest word that is looked up, characters; longer ones are unknown (BERT's own limit).
const LONGEST_WORD: usize = 100;

/// BERT's vocabulary.
pub(super) struct WordPiece {
    ids: BTreeMap<String, i64>,
    unknown: i64,
    start: i64,
    end: i64,
    stop: i64,
}

/// Phrases as one sequence of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prompt {
    /// `[CLS]`, the tokens of each phrase and a full stop after it, `[SEP]`.
    pub(super) ids: Vec<i64>,
    /// Where each phrase's tokens are.
    pub(super) spans: Vec<Range<usize>>,
    /// Number of the first phrase among all that are asked for.
    pub(super) first: usize,
}

/// The vocabulary's file beside a model, or in the folder above: `vocab.txt`, else `tokenizer.json`.
pub(super) fn file_beside(model: &Path) -> Option<PathBuf> {
    let folders = model.ancestors().skip(1).take(2);
    let files = folders.flat_map(|f| ["vocab.txt", "tokenizer.json"].map(|name| f.join(name)));
    files.into_iter().find(|p| p.is_file())
}

impl WordPiece {
    /// The vocabulary beside a model.
    pub(super) fn beside(model: &Path) -> Result<Self, ModelError> {
        let file = file_beside(model).ok_or_else(|| {
            ModelError::file(model, "it reads text: put its vocab.txt or tokenizer.json into the same folder")
        })?;
        let text = std::fs::read_to_string(&file).map_err(|e| ModelError::file(&file, e))?;
        let ids = if file.extension().is_some_and(|e| e == "json") { of_json(&text) } else { Some(of_lines(&text)) };
        let strange =
            || ModelError::file(&file, "it is not a WordPiece vocabulary with [UNK], [CLS], [SEP] and a full stop");
        let ids = ids.ok_or_else(strange)?;
        let one = |word: &str| ids.get(word).copied().ok_or_else(strange);
        let (unknown, start, end, stop) = (one("[UNK]")?, one("[CLS]")?, one("[SEP]")?, one(".")?);
        Ok(Self { unknown, start, end, stop, ids })
    }

    /// Tokens of a text: lower case, words and single marks, each word from the left the longest piece that is known.
    fn tokens(&self, text: &str) -> Vec<i64> {
        let lower = text.to_lowercase();
        let mut words: Vec<String> = Vec::new();
        let mut apart = true;
        for c in lower.chars() {
            if c.is_whitespace() || c.is_control() {
                apart = true;
            } else if c.is_ascii_punctuation() {
                words.push(c.to_string());
                apart = true;
            } else if apart {
                words.push(c.to_string());
                apart = false;
            } else if let Some(last) = words.last_mut() {
                last.push(c);
            }
        }
        words.iter().flat_map(|w| self.pieces(w)).collect()
    }

    fn pieces(&self, word: &str) -> Vec<i64> {
        let chars: Vec<char> = word.chars().collect();
        let (mut out, mut at) = (Vec::new(), 0);
        while at < chars.len() && chars.len() <= LONGEST_WORD {
            let piece = |end: usize| {
                let text: String = chars[at..end].iter().collect();
                let id = self.ids.get(&if at == 0 { text } else { format!("##{text}") })?;
                Some((*id, end))
            };
            let Some((id, end)) = (at + 1..=chars.len()).rev().find_map(piece) else { return vec![self.unknown] };
            out.push(id);
            at = end;
        }
        if out.is_empty() { vec![self.unknown] } else { out }
    }

    /// Prompts that ask for all phrases, each of at most `most` tokens; phrases that are longer are left out.
    pub(super) fn prompts(&self, phrases: &[String], most: usize) -> Vec<Prompt> {
        let most = most.min(MOST);
        let empty = |first| Prompt { ids: vec![self.start], spans: Vec::new(), first };
        let mut prompts = vec![empty(0)];
        for (k, phrase) in phrases.iter().enumerate() {
            let tokens = self.tokens(phrase);
            let room = |p: &Prompt| p.ids.len() + tokens.len() + 2 <= most;
            if prompts.last().is_some_and(|p| !p.spans.is_empty() && !room(p)) {
                prompts.push(empty(k));
            }
            let Some(prompt) = prompts.last_mut() else { continue };
            let start = prompt.ids.len();
            if tokens.is_empty() || !room(prompt) {
                prompt.spans.push(start..start);
                continue;
            }
            prompt.ids.extend(&tokens);
            prompt.spans.push(start..prompt.ids.len());
            prompt.ids.push(self.stop);
        }
        prompts.iter_mut().for_each(|p| p.ids.push(self.end));
        prompts.retain(|p| p.spans.iter().any(|s| !s.is_empty()));
        prompts
    }

    /// Whether a token ends a phrase.
    fn divides(&self, id: i64) -> bool {
        [self.start, self.end, self.stop].contains(&id)
    }

    /// Which tokens see one another, `[L, L]`, and the place of each in its phrase: a phrase sees itself and the full stop
    /// after it, the first and the last token only themselves.
    pub(super) fn phrases_apart(&self, ids: &[i64]) -> (Vec<bool>, Vec<i64>) {
        let n = ids.len();
        let (mut seen, mut places) = (vec![false; n * n], vec![0i64; n]);
        for k in 0..n {
            seen[k * n + k] = true;
        }
        let mut before = 0;
        for (k, id) in ids.iter().enumerate() {
            if !self.divides(*id) {
                continue;
            }
            if k > 0 && k + 1 < n {
                for row in before + 1..=k {
                    seen[row * n + before + 1..=row * n + k].fill(true);
                    places[row] = (row - before - 1) as i64;
                }
            }
            before = k;
        }
        (seen, places)
    }
}

/// One word a line, its number that of the line.
fn of_lines(text: &str) -> BTreeMap<String, i64> {
    text.lines().enumerate().map(|(k, word)| (word.trim_end().to_owned(), k as i64)).collect()
}

/// The vocabulary of a `tokenizer.json` (Hugging Face tokenizers).
fn of_json(text: &str) -> Option<BTreeMap<String, i64>> {
    let read: serde_json::Value = serde_json::from_str(text).ok()?;
    let vocabulary = read["model"]["vocab"].as_object()?;
    vocabulary.iter().map(|(word, id)| Some((word.clone(), id.as_i64()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n.\nchair\npot\n##ted\nplant\ndining\ntable\n-\n##s";
        std::fs::write(dir.path().join("vocab.txt"), words).unwrap();
        let model = dir.path().join("model.onnx");
        (dir, model)
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn words_are_cut_into_the_longest_pieces_known() {
        let (_dir, model) = vocabulary();
        let words = WordPiece::beside(&model).unwrap();
        assert_eq!(words.tokens("Potted  PLANTS"), [6, 7, 8, 12]);
        assert_eq!(words.tokens("dining-table zebra"), [9, 11, 10, 1]);
        assert_eq!(words.tokens(" "), [0i64; 0]);
    }

    #[test]
    fn a_prompt_is_phrases_with_full_stops() {
        let (_dir, model) = vocabulary();
        let words = WordPiece::beside(&model).unwrap();
        let phrases = owned(&["chair", "potted plant", "dining table"]);
        let prompts = words.prompts(&phrases, 256);
        let one = Prompt { ids: vec![2, 5, 4, 6, 7, 8, 4, 9, 10, 4, 3], spans: vec![1..2, 3..6, 7..9], first: 0 };
        assert_eq!(prompts, [one]);
        // Eight tokens hold the first two phrases: 1 + 2 + 4 + 1.
        let parted = words.prompts(&phrases, 8);
        assert_eq!(parted.iter().map(|p| (p.first, p.ids.len())).collect::<Vec<_>>(), [(0, 8), (2, 5)]);
        assert!(words.prompts(&[], 256).is_empty());
    }

    /// Worked out by hand from the rule.
    #[test]
    fn phrases_do_not_see_one_another() {
        let (_dir, model) = vocabulary();
        let words = WordPiece::beside(&model).unwrap();
        let (seen, places) = words.phrases_apart(&[2, 5, 4, 9, 10, 4, 3]);
        assert_eq!(places, [0, 0, 1, 0, 1, 2, 0]);
        let rows = ["1000000", "0110000", "0110000", "0001110", "0001110", "0001110", "0000001"];
        let wanted: Vec<bool> = rows.iter().flat_map(|r| r.chars().map(|c| c == '1')).collect();
        assert_eq!(seen, wanted);
    }

    #[test]
    fn a_vocabulary_in_json_and_none() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("onnx/model.onnx");
        std::fs::create_dir_all(dir.path().join("onnx")).unwrap();
        assert!(WordPiece::beside(&model).err().unwrap().to_string().contains("vocab.txt or tokenizer.json"));
        let json = r#"{"model": {"vocab": {"[UNK]": 100, "[CLS]": 101, "[SEP]": 102, ".": 1012, "chair": 3242}}}"#;
        std::fs::write(dir.path().join("tokenizer.json"), json).unwrap();
        let prompts = WordPiece::beside(&model).unwrap().prompts(&owned(&["chair"]), 256);
        assert_eq!(prompts[0].ids, [101, 3242, 1012, 102]);
        std::fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
        assert!(WordPiece::beside(&model).err().unwrap().to_string().contains("tokenizer.json"));
    }
}
