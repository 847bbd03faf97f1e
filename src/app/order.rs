//! The order of the instances: filter, sort, and which comes next.

use crate::review::{Reviewed, Verdict};
use crate::scene::InstanceState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A column of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Column {
    /// Number.
    Id,
    /// Label.
    Label,
    /// Confidence.
    Score,
    /// Verdict, then state.
    Verdict,
}

impl Column {
    /// All, in the order shown.
    pub const ALL: [Self; 4] = [Self::Verdict, Self::Id, Self::Label, Self::Score];

    /// Header.
    pub fn title(self) -> &'static str {
        match self {
            Self::Id => "#",
            Self::Label => "Label",
            Self::Score => "Score",
            Self::Verdict => "State",
        }
    }
}

/// How the list is sorted. The least certain first is where a reviewer's time helps most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sort {
    /// By what.
    pub column: Column,
    /// Largest first.
    pub descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self { column: Column::Score, descending: false }
    }
}

impl Sort {
    /// After a click on a header: the same column turns round.
    pub fn clicked(self, column: Column) -> Self {
        Self { column, descending: self.column == column && !self.descending }
    }
}

/// The word for a verdict, or for the pipeline's state where there is none yet.
pub(super) fn state_word(item: &Reviewed) -> &'static str {
    match (item.verdict, item.instance.state) {
        (Verdict::Accepted, _) => "accepted",
        (Verdict::Rejected, _) => "rejected",
        (_, InstanceState::Kept) => "kept",
        (_, InstanceState::Verify) => "verify",
        (_, InstanceState::Dropped) => "dropped",
    }
}

/// Ids that match every word of `filter` (in label, caption, state, or `#id`), sorted; ties by id.
pub(super) fn arrange(items: &BTreeMap<u32, Reviewed>, filter: &str, sort: Sort) -> Vec<u32> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let mut found: Vec<&Reviewed> = items.values().filter(|i| words.iter().all(|w| matches(i, w))).collect();
    found.sort_by(|a, b| {
        let (x, y) = (&a.instance, &b.instance);
        let order = match sort.column {
            Column::Id => x.id.cmp(&y.id),
            Column::Label => x.label.to_lowercase().cmp(&y.label.to_lowercase()),
            Column::Score => x.score.total_cmp(&y.score),
            Column::Verdict => (a.verdict, x.state).cmp(&(b.verdict, y.state)),
        };
        let order = if sort.descending { order.reverse() } else { order };
        order.then(x.id.cmp(&y.id))
    });
    found.into_iter().map(|i| i.instance.id).collect()
}

fn matches(item: &Reviewed, word: &str) -> bool {
    let i = &item.instance;
    if let Some(id) = word.strip_prefix('#') {
        return i.id.to_string() == id;
    }
    let verdict = if item.verdict == Verdict::Unreviewed { "unreviewed" } else { "reviewed" };
    [i.label.to_lowercase().as_str(), i.caption.to_lowercase().as_str(), state_word(item)].iter().any(|t| t.contains(word))
        || verdict == word
}

/// The neighbour of `current`, `step` places on; the ends stop. Without a current one: the first.
pub(super) fn neighbour(order: &[u32], current: Option<u32>, step: isize) -> Option<u32> {
    let Some(at) = current.and_then(|c| order.iter().position(|i| *i == c)) else {
        return order.first().copied();
    };
    order.get(at.saturating_add_signed(step).min(order.len() - 1)).copied()
}

/// Where to go after a decision about `current`: the next unreviewed one after it in `order`, else the first one
/// before it; `None` when all are done.
pub(super) fn next_unreviewed(order: &[u32], current: u32, unreviewed: impl Fn(u32) -> bool) -> Option<u32> {
    let at = order.iter().position(|i| *i == current).map_or(0, |i| i + 1);
    order[at..].iter().chain(&order[..at]).copied().find(|i| *i != current && unreviewed(*i))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::scene::{Instance, OrientedBox};
    use nalgebra::{Point3, Vector3};

    pub(crate) fn item(id: u32, label: &str, score: f64, verdict: Verdict) -> Reviewed {
        let instance = Instance {
            id,
            label: label.into(),
            caption: format!("a {label}"),
            score,
            state: InstanceState::Verify,
            obb: OrientedBox::upright(Point3::origin(), Vector3::repeat(1.0), 0.0),
            views: Vec::new(),
            best_view: String::new(),
            evidence: serde_json::Value::Null,
        };
        Reviewed { instance, verdict }
    }

    fn items() -> BTreeMap<u32, Reviewed> {
        let all = [
            item(1, "Chair", 0.9, Verdict::Accepted),
            item(2, "table", 0.4, Verdict::Unreviewed),
            item(3, "chair", 0.4, Verdict::Unreviewed),
            item(4, "lamp", 0.2, Verdict::Rejected),
        ];
        all.into_iter().map(|i| (i.instance.id, i)).collect()
    }

    #[test]
    fn least_certain_first_by_default() {
        assert_eq!(arrange(&items(), "", Sort::default()), [4, 2, 3, 1]);
        let sort = Sort::default().clicked(Column::Score);
        assert_eq!(arrange(&items(), "", sort), [1, 2, 3, 4]);
        assert_eq!(arrange(&items(), "", sort.clicked(Column::Label)), [1, 3, 4, 2]);
        assert_eq!(arrange(&items(), "", sort.clicked(Column::Verdict)), [2, 3, 1, 4]);
    }

    #[test]
    fn every_word_must_match() {
        let found = |f: &str| arrange(&items(), f, Sort { column: Column::Id, descending: false });
        assert_eq!(found("CHAIR"), [1, 3]);
        assert_eq!(found("chair unreviewed"), [3]);
        assert_eq!(found("rejected"), [4]);
        assert_eq!(found("#2"), [2]);
        assert!(found("sofa").is_empty());
    }

    #[test]
    fn goes_on_to_the_next_unreviewed_and_wraps() {
        let all = items();
        let open = |id: u32| all[&id].verdict == Verdict::Unreviewed;
        let order = [4, 2, 3, 1];
        assert_eq!(next_unreviewed(&order, 4, open), Some(2));
        assert_eq!(next_unreviewed(&order, 2, open), Some(3));
        assert_eq!(next_unreviewed(&order, 3, open), Some(2));
        assert_eq!(next_unreviewed(&order, 2, |id| id == 2), None);
        // One that the filter hides starts from the top.
        assert_eq!(next_unreviewed(&[2, 3], 9, open), Some(2));
    }

    #[test]
    fn neighbours_stop_at_the_ends() {
        let order = [4, 2, 3];
        assert_eq!(neighbour(&order, Some(4), 1), Some(2));
        assert_eq!(neighbour(&order, Some(4), -1), Some(4));
        assert_eq!(neighbour(&order, Some(3), 1), Some(3));
        assert_eq!(neighbour(&order, None, 1), Some(4));
        assert_eq!(neighbour(&[], Some(4), 1), None);
    }
}
