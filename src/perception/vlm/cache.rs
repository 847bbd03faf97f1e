//! Answers that were given before, on disk, so that no question is put twice.

use super::reply::Reply;
use crate::scene::folder::{FolderError, write_atomic};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One answer.
#[derive(Serialize, Deserialize)]
struct Entry {
    model: String,
    question: String,
    answer: String,
    cut: bool,
    declined: Option<String>,
}

/// A folder with a file for each answer, named by the hash of its question.
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Answers in the given folder, which is made when the first is kept.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The answer that was kept under a name; a damaged file is none.
    pub(super) fn get(&self, key: &str) -> Option<Reply> {
        let bytes = std::fs::read(self.path(key)).ok()?;
        let entry: Entry = serde_json::from_slice(&bytes).ok()?;
        let Entry { answer, cut, declined, .. } = entry;
        Some(Reply { text: answer, prompt_tokens: None, completion_tokens: None, cut, declined })
    }

    /// Keeps an answer.
    pub(super) fn put(&self, key: &str, model: &str, question: &str, reply: &Reply) -> Result<(), FolderError> {
        let path = self.path(key);
        let entry = Entry {
            model: model.to_owned(),
            question: question.to_owned(),
            answer: reply.text.clone(),
            cut: reply.cut,
            declined: reply.declined.clone(),
        };
        let bytes = serde_json::to_vec_pretty(&entry)
            .map_err(|e| FolderError::Malformed { path: path.clone(), reason: e.to_string() })?;
        write_atomic(&path, &bytes)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }
}
