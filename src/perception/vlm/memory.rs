//! The categories of a scene: what a model found in it, with the other words for the same, and what a reviewer made of
//! them.

use super::words;
use crate::perception::vocabulary;
use crate::scene::folder::{FolderError, write_atomic};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Layout version of the file.
const VERSION: u32 = 1;
/// Categories at most: a prompt that names more is not read with care.
const MOST: usize = 80;

/// A category.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Its name: a noun in the singular.
    pub name: String,
    /// Other words that the model used for it, in order of appearance.
    pub synonyms: Vec<String>,
    /// Key frames in which the model saw it.
    pub frames: usize,
    /// Boxes that the model drew around it.
    pub boxes: usize,
}

impl Category {
    /// The word that the model itself uses for it.
    pub(super) fn word(&self) -> &str {
        self.synonyms.first().unwrap_or(&self.name)
    }
}

/// All categories of a scene. What a model finds is found anew in every run; what a reviewer renames or merges stays, and
/// does not change what the model is asked: so the answers of an earlier run still count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    version: u32,
    /// As the model found them, in order of appearance.
    found: Vec<Category>,
    /// The reviewer's name for a category, by the name that it had.
    renamed: BTreeMap<String, String>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { version: VERSION, found: Vec::new(), renamed: BTreeMap::new() }
    }
}

impl Memory {
    /// Path of the file in a scene folder.
    pub fn path(scene: &Path) -> PathBuf {
        scene.join("categories.json")
    }

    /// Reads the memory of a scene; an empty one where there is no file.
    pub fn read(scene: &Path) -> Result<Self, FolderError> {
        let path = Self::path(scene);
        if !path.is_file() {
            return Ok(Self::default());
        }
        let bytes =
            std::fs::read(&path).map_err(|source| FolderError::Io { action: "read", path: path.clone(), source })?;
        let malformed = |reason: String| FolderError::Malformed { path: path.clone(), reason };
        let memory: Self = serde_json::from_slice(&bytes).map_err(|e| malformed(e.to_string()))?;
        match memory.version {
            VERSION => Ok(memory),
            other => Err(malformed(format!("its layout version is {other}, not {VERSION}"))),
        }
    }

    /// Writes the memory of a scene.
    pub fn write(&self, scene: &Path) -> Result<(), FolderError> {
        let path = Self::path(scene);
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| FolderError::Malformed { path: path.clone(), reason: e.to_string() })?;
        write_atomic(&path, &bytes)
    }

    /// Forgets what a model found; what a reviewer decided stays.
    pub fn forget_found(&mut self) {
        self.found.clear();
    }

    /// As the model found them, in order of appearance.
    pub fn found(&self) -> &[Category] {
        &self.found
    }

    /// Takes the words that a model gave for one key frame in.
    pub fn add_frame(&mut self, words: &[String]) {
        let mut counted = Vec::new();
        for word in words.iter().filter_map(|w| words::kept(w)) {
            let at = self.place(&word).or_else(|| {
                (self.found.len() < MOST).then(|| {
                    let name = vocabulary::canonical(&word).map_or_else(|| word.clone(), str::to_owned);
                    self.found.push(Category { name, ..Category::default() });
                    self.found.len() - 1
                })
            });
            let Some(at) = at else { continue };
            let category = &mut self.found[at];
            if category.name != word && !category.synonyms.contains(&word) {
                category.synonyms.push(word);
            }
            if !counted.contains(&at) {
                counted.push(at);
                category.frames += 1;
            }
        }
    }

    /// Index of the found category that a word names.
    fn place(&self, word: &str) -> Option<usize> {
        let exact = |c: &Category| c.name == word || c.synonyms.iter().any(|s| s == word);
        let exact = self.found.iter().position(exact);
        exact.or_else(|| self.found.iter().position(|c| vocabulary::same(&c.name, word)))
    }

    /// The found category that a word of an answer names, if it was found before.
    pub fn recognise(&self, word: &str) -> Option<&str> {
        self.place(&vocabulary::tidy(word)).map(|at| self.found[at].name.as_str())
    }

    /// Counts the boxes of a category, by the name that it was found under.
    pub fn count_boxes(&mut self, name: &str, boxes: usize) {
        if let Some(category) = self.found.iter_mut().find(|c| c.name == name) {
            category.boxes += boxes;
        }
    }

    /// The name of a category after what a reviewer decided.
    pub fn current<'a>(&'a self, name: &'a str) -> &'a str {
        self.renamed.get(name).map_or(name, String::as_str)
    }

    /// The reviewer's name for a category, by the name that it had: what labels depend on beside the answers.
    pub fn renamed(&self) -> &BTreeMap<String, String> {
        &self.renamed
    }

    /// From now on the category `from` is called `to`. Where there is a category `to`, the two are one from now on. Given
    /// back its old name, a category is as it was found. Nothing happens where either name is empty.
    pub fn rename(&mut self, from: &str, to: &str) {
        let (from, to) = (from.trim(), to.trim());
        if from.is_empty() || to.is_empty() || from == to {
            return;
        }
        self.renamed.values_mut().filter(|name| *name == from).for_each(|name| to.clone_into(name));
        self.renamed.insert(from.to_owned(), to.to_owned());
        // What was once renamed away from `to` must not lead on: `to` is what the reviewer wants to see now.
        self.renamed.remove(to);
        self.renamed.retain(|old, new| old != new);
    }

    /// The categories as a reviewer sees them: renamed, merged, by name.
    pub fn categories(&self) -> Vec<Category> {
        let mut merged: BTreeMap<&str, Category> = BTreeMap::new();
        for category in &self.found {
            let name = self.current(&category.name);
            let into = merged.entry(name).or_insert_with(|| Category { name: name.to_owned(), ..Category::default() });
            let words = std::iter::once(&category.name).chain(&category.synonyms);
            for word in words.filter(|w| *w != name) {
                if !into.synonyms.contains(word) {
                    into.synonyms.push(word.clone());
                }
            }
            into.frames += category.frames;
            into.boxes += category.boxes;
        }
        merged.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn names(memory: &Memory) -> Vec<String> {
        memory.categories().into_iter().map(|c| c.name).collect()
    }

    #[test]
    fn synonyms_are_one_category_and_parts_are_none() {
        let mut memory = Memory::default();
        memory.add_frame(&words("Couch,chairs,chair,wall,chair leg,flux capacitor"));
        memory.add_frame(&words("sofa,settee,flux capacitors"));
        let found: Vec<(&str, usize)> = memory.found().iter().map(|c| (c.name.as_str(), c.frames)).collect();
        assert_eq!(found, [("sofa", 2), ("chair", 1), ("flux capacitor", 2)]);
        assert_eq!(memory.found()[0].synonyms, ["couch", "settee"]);
        assert_eq!(memory.recognise("The Couches"), Some("sofa"));
        assert_eq!(memory.recognise("table"), None);
    }

    #[test]
    fn there_is_a_limit_to_what_a_prompt_can_name() {
        let mut memory = Memory::default();
        let many: Vec<String> = (0..500).map(|i| format!("gadget{i}x")).collect();
        memory.add_frame(&many);
        assert_eq!(memory.found().len(), MOST);
    }

    #[test]
    fn a_reviewer_renames_and_merges() {
        let mut memory = Memory::default();
        memory.add_frame(&words("sofa,armchair,lamp"));
        memory.count_boxes("sofa", 3);
        memory.count_boxes("armchair", 2);
        memory.rename("sofa", "lounge seat");
        assert_eq!(names(&memory), ["armchair", "lamp", "lounge seat"]);
        memory.rename("armchair", "lounge seat");
        assert_eq!(names(&memory), ["lamp", "lounge seat"]);
        let merged = &memory.categories()[1];
        assert_eq!((merged.boxes, merged.frames), (5, 2));
        assert_eq!(merged.synonyms, ["sofa", "armchair"]);
        // A name that a category got can be renamed further, and everything goes along.
        memory.rename("lounge seat", "seat");
        assert_eq!((memory.current("sofa"), memory.current("armchair")), ("seat", "seat"));
        // And back.
        memory.rename("seat", "sofa");
        assert_eq!((memory.current("sofa"), memory.current("armchair")), ("sofa", "sofa"));
        memory.rename("lamp", " ");
        assert_eq!(memory.current("lamp"), "lamp");
    }

    #[test]
    fn what_a_reviewer_decided_outlives_a_run_and_the_file() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Memory::read(dir.path()).unwrap(), Memory::default());
        let mut memory = Memory::default();
        memory.add_frame(&words("sofa"));
        memory.rename("sofa", "couch");
        memory.write(dir.path()).unwrap();
        let mut again = Memory::read(dir.path()).unwrap();
        assert_eq!(again, memory);
        again.forget_found();
        again.add_frame(&words("sofa"));
        assert_eq!(again, memory);
        std::fs::write(Memory::path(dir.path()), "{}").unwrap();
        assert!(Memory::read(dir.path()).unwrap_err().to_string().contains("categories.json"));
    }
}
