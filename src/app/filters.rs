//! Filters kept by name, in the user's configuration folder.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of their file.
pub(super) const FILTERS_FILE: &str = "filters.json";

/// Filters by name, and the one that was deleted last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Filters {
    /// Text by name.
    pub saved: BTreeMap<String, String>,
    /// Name and text of the last one deleted: it can be brought back, in a later session too.
    pub deleted: Option<(String, String)>,
}

impl Filters {
    /// With a filter kept under a name; one that had the name can be brought back.
    pub(super) fn with(&self, name: &str, text: &str) -> Self {
        let mut new = self.clone();
        let before = new.saved.insert(name.to_owned(), text.to_owned()).filter(|b| b != text);
        new.deleted = before.map(|b| (name.to_owned(), b)).or(new.deleted);
        new
    }

    /// Without a filter.
    pub(super) fn without(&self, name: &str) -> Self {
        let mut new = self.clone();
        let gone = new.saved.remove(name).map(|text| (name.to_owned(), text));
        new.deleted = gone.or(new.deleted);
        new
    }

    /// With the last deleted one back; what has its name now takes its place.
    pub(super) fn restored(&self) -> Self {
        let mut new = self.clone();
        if let Some((name, text)) = new.deleted.take() {
            let other = new.saved.insert(name.clone(), text);
            new.deleted = other.map(|o| (name, o));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deleted_or_written_over_comes_back() {
        let a = Filters::default().with("chairs", "label:chair").with("open", "is:unreviewed");
        let deleted = a.without("chairs");
        assert_eq!(deleted.saved.keys().collect::<Vec<_>>(), ["open"]);
        assert_eq!(deleted.restored(), a);
        assert_eq!(deleted.without("nothing").restored(), a);
        let over = a.with("chairs", "label:armchair");
        assert_eq!(over.restored().saved, a.saved);
        assert_eq!(over.restored().restored(), over);
        assert_eq!(a.with("chairs", "label:chair").deleted, None);
    }
}
