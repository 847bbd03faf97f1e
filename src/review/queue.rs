//! The reviewer's queue: in what order to look at instances, which of them, and what comes next.

use super::{Reviewed, Verdict};
use crate::scene::{Instance, InstanceState};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What the queue is sorted by. Ties go by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Where a look is worth most: instances that the confidence gate left open, then kept ones from the least sure,
    /// then dropped ones from the nearly kept.
    #[default]
    Uncertainty,
    /// Highest score first.
    Score,
    /// By label, then highest score first: like beside like.
    Label,
    /// Largest box first.
    Size,
    /// By id.
    Id,
}

impl Order {
    /// All of them, the default first.
    pub const ALL: [Self; 5] = [Self::Uncertainty, Self::Score, Self::Label, Self::Size, Self::Id];

    /// For a menu.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uncertainty => "uncertainty",
            Self::Score => "score",
            Self::Label => "label",
            Self::Size => "size",
            Self::Id => "id",
        }
    }

    fn compare(self, a: &Instance, b: &Instance) -> Ordering {
        let higher_score = b.score.total_cmp(&a.score);
        match self {
            Self::Uncertainty => gate(a).cmp(&gate(b)).then(match a.state {
                InstanceState::Dropped => higher_score,
                InstanceState::Kept | InstanceState::Verify => higher_score.reverse(),
            }),
            Self::Score => higher_score,
            Self::Label => a.label.to_lowercase().cmp(&b.label.to_lowercase()).then(higher_score),
            Self::Size => b.obb.volume().total_cmp(&a.obb.volume()),
            Self::Id => Ordering::Equal,
        }
        .then(a.id.cmp(&b.id))
    }
}

/// How much the gate's answer wants a second opinion, most first.
fn gate(instance: &Instance) -> u8 {
    match instance.state {
        InstanceState::Verify => 0,
        InstanceState::Kept => 1,
        InstanceState::Dropped => 2,
    }
}

/// Ids of the instances that match `filter`, in `order`.
///
/// Every word of the filter must match: `is:` with accepted, rejected, unreviewed, kept, verify or dropped; `#12` is an
/// id; any other word is looked for in label and caption, whatever its case.
pub fn order(items: &BTreeMap<u32, Reviewed>, order: Order, filter: &str) -> Vec<u32> {
    let filter = filter.to_lowercase();
    let mut found: Vec<&Reviewed> = items.values().filter(|r| matches(r, &filter)).collect();
    found.sort_by(|a, b| order.compare(&a.instance, &b.instance));
    found.iter().map(|r| r.instance.id).collect()
}

fn matches(item: &Reviewed, filter: &str) -> bool {
    let instance = &item.instance;
    let text = format!("{}\n{}", instance.label, instance.caption).to_lowercase();
    filter.split_whitespace().all(|word| {
        if let Some(state) = word.strip_prefix("is:") {
            state == item.verdict.name() || state == state_name(instance.state)
        } else if let Some(Ok(id)) = word.strip_prefix('#').map(str::parse::<u32>) {
            id == instance.id
        } else {
            text.contains(word)
        }
    })
}

fn state_name(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Kept => "kept",
        InstanceState::Verify => "verify",
        InstanceState::Dropped => "dropped",
    }
}

/// The next unreviewed instance of `order` behind `after`, going on at the top when the end is reached; `after` itself
/// comes last. `None` when all are reviewed. An `after` that is not in `order` stands for the place before its top.
pub fn next_unreviewed(order: &[u32], items: &BTreeMap<u32, Reviewed>, after: u32) -> Option<u32> {
    let start = order.iter().position(|id| *id == after).map_or(0, |i| i + 1);
    let (before, behind) = order.split_at(start);
    behind.iter().chain(before).copied().find(|id| items.get(id).is_some_and(|r| r.verdict == Verdict::Unreviewed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::tests::instance;
    use InstanceState::{Dropped, Kept, Verify};

    fn items() -> BTreeMap<u32, Reviewed> {
        let rows = [
            (1, "chair", 0.95, Kept, 1.0, Verdict::Unreviewed),
            (2, "Table", 0.60, Verify, 3.0, Verdict::Accepted),
            (3, "chair", 0.99, Kept, 2.0, Verdict::Rejected),
            (4, "lamp", 0.10, Dropped, 0.5, Verdict::Unreviewed),
            (5, "armchair", 0.45, Dropped, 4.0, Verdict::Unreviewed),
            (6, "lamp", 0.70, Verify, 0.5, Verdict::Unreviewed),
        ];
        let make = |(id, label, score, state, side, verdict): (u32, &str, f64, _, f64, _)| {
            let mut instance = Instance { label: label.into(), score, state, ..instance(id) };
            instance.obb.size.x = side;
            (id, Reviewed { verdict, ..Reviewed::new(instance) })
        };
        rows.into_iter().map(make).collect()
    }

    #[test]
    fn orders() {
        let items = items();
        assert_eq!(order(&items, Order::Uncertainty, ""), [2, 6, 1, 3, 5, 4]);
        assert_eq!(order(&items, Order::Score, ""), [3, 1, 6, 2, 5, 4]);
        assert_eq!(order(&items, Order::Label, ""), [5, 3, 1, 6, 4, 2]);
        assert_eq!(order(&items, Order::Size, ""), [5, 2, 3, 1, 4, 6]);
        assert_eq!(order(&items, Order::Id, ""), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn filters() {
        let items = items();
        let by = |filter| order(&items, Order::Id, filter);
        assert_eq!(by(" CHAIR "), [1, 3, 5]);
        assert_eq!(by("chair is:unreviewed"), [1, 5]);
        assert_eq!(by("is:dropped"), [4, 5]);
        assert_eq!(by("is:accepted"), [2]);
        assert_eq!(by("#6"), [6]);
        assert_eq!(by("caption 4"), [4]);
        assert!(by("is:nonsense").is_empty() && by("sofa").is_empty());
    }

    #[test]
    fn next_wraps_and_ends() {
        let mut items = items();
        let ids = [2, 6, 1, 3, 5, 4];
        assert_eq!(next_unreviewed(&ids, &items, 2), Some(6));
        assert_eq!(next_unreviewed(&ids, &items, 1), Some(5));
        assert_eq!(next_unreviewed(&ids, &items, 4), Some(6));
        assert_eq!(next_unreviewed(&ids, &items, 99), Some(6));
        for id in [1, 4, 5] {
            items.get_mut(&id).unwrap().verdict = Verdict::Accepted;
        }
        assert_eq!(next_unreviewed(&ids, &items, 6), Some(6));
        items.get_mut(&6).unwrap().verdict = Verdict::Rejected;
        assert_eq!(next_unreviewed(&ids, &items, 6), None);
        assert_eq!(next_unreviewed(&[], &items, 1), None);
    }
}
