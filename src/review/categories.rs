//! The categories of a scene: renamed or merged once for all of their instances.

use super::bulk::Bulk;
use super::{Decision, Reviewed};
use crate::perception::vlm::Memory;
use std::collections::BTreeMap;

/// A category as a reviewer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Its name: the label of its instances.
    pub name: String,
    /// Instances that have it, ascending.
    pub ids: Vec<u32>,
    /// Other words that a model used for it.
    pub synonyms: Vec<String>,
}

/// The categories of a scene: the labels of its instances, the most frequent first, then what a model found and no instance
/// has, each by name.
pub fn list(items: &BTreeMap<u32, Reviewed>, memory: &Memory) -> Vec<Category> {
    let mut all: BTreeMap<String, Category> = BTreeMap::new();
    let empty = |name: &str| Category { name: name.to_owned(), ids: Vec::new(), synonyms: Vec::new() };
    for found in memory.categories() {
        let category = Category { synonyms: found.synonyms, ..empty(&found.name) };
        all.insert(found.name, category);
    }
    for item in items.values() {
        let label = &item.instance.label;
        all.entry(label.clone()).or_insert_with(|| empty(label)).ids.push(item.instance.id);
    }
    let mut all: Vec<Category> = all.into_values().collect();
    // Those of equal number stay in the order of their names.
    all.sort_by_key(|c| std::cmp::Reverse(c.ids.len()));
    all
}

/// What calling the category `from` by the name `to` changes: every instance with that label is relabelled. Where there is a
/// category `to`, the two are one after it.
pub fn rename(items: &BTreeMap<u32, Reviewed>, from: &str, to: &str) -> Bulk {
    let has = |item: &&Reviewed| item.instance.label == from;
    let ids: Vec<u32> = items.values().filter(has).map(|item| item.instance.id).collect();
    Bulk::new(items, ids, &Decision::Relabel { text: to.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::Review;
    use crate::review::tests::instance;
    use crate::scene::Instance;

    fn names(review: &Review, memory: &Memory) -> Vec<(String, usize)> {
        list(review.items(), memory).into_iter().map(|c| (c.name, c.ids.len())).collect()
    }

    #[test]
    fn a_category_is_renamed_and_merged_as_one_step_of_undo() {
        let scene = tempfile::tempdir().unwrap();
        let labelled = |id, label: &str| Instance { label: label.into(), ..instance(id) };
        let instances = vec![labelled(1, "couch"), labelled(2, "sofa"), labelled(3, "couch"), labelled(4, "lamp")];
        let mut review = Review::open(scene.path(), instances, "ana").unwrap();
        let mut memory = Memory::default();
        memory.add_frame(&["vase".to_owned()]);
        let pair = |name: &str, n| (name.to_owned(), n);
        let before = [pair("couch", 2), pair("lamp", 1), pair("sofa", 1), pair("vase", 0)];
        assert_eq!(names(&review, &memory), before);

        let merge = rename(review.items(), "couch", " sofa ");
        assert_eq!(merge.sentence, "Label 2 as sofa: 2 unreviewed");
        review.decide_all(merge.decisions).unwrap();
        assert_eq!(names(&review, &memory), [pair("sofa", 3), pair("lamp", 1), pair("vase", 0)]);
        assert_eq!(review.undo().unwrap(), Some(vec![1, 3]));
        assert_eq!(names(&review, &memory), before);
        assert!(rename(review.items(), "vase", "jar").decisions.is_empty());
    }
}
