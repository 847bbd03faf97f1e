//! The order of the list: the reviewer's queue, either way round, and stepping through it.

use crate::review::measures::Context;
use crate::review::queue::{self, Order};
use crate::review::{Reviewed, Verdict};
use crate::scene::InstanceState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sort {
    /// By what.
    pub order: Order,
    /// The other way round.
    pub reversed: bool,
}

impl Sort {
    /// After a click on a header: the same column turns round.
    pub(super) fn clicked(self, order: Order) -> Self {
        Self { order, reversed: self.order == order && !self.reversed }
    }
}

/// Columns of the list: what a click on the header sorts by, and the header.
pub(super) const COLUMNS: [(Order, &str); 4] =
    [(Order::Id, "#"), (Order::Uncertainty, "State"), (Order::Label, "Label"), (Order::Score, "Score")];

/// The word for a verdict, or for the pipeline's state where there is none yet.
pub(super) fn state_word(item: &Reviewed) -> &'static str {
    match (item.verdict, item.instance.state) {
        (Verdict::Accepted, _) => "accepted",
        (Verdict::Rejected, _) => "rejected",
        (Verdict::Unsure, _) => "unsure",
        (_, InstanceState::Kept) => "kept",
        (_, InstanceState::Verify) => "verify",
        (_, InstanceState::Dropped) => "dropped",
    }
}

/// Ids that match the filter, in order.
pub(super) fn arrange(items: &BTreeMap<u32, Reviewed>, filter: &str, sort: Sort, context: &Context) -> Vec<u32> {
    let mut ids = queue::order(items, sort.order, filter, context);
    if sort.reversed {
        ids.reverse();
    }
    ids
}

/// The neighbour of `current`, `step` places on; the ends stop. Without a current one: the first.
pub(super) fn neighbour<T: Copy + PartialEq>(order: &[T], current: Option<T>, step: isize) -> Option<T> {
    let Some(at) = current.and_then(|c| order.iter().position(|i| *i == c)) else {
        return order.first().copied();
    };
    order.get(at.saturating_add_signed(step).min(order.len() - 1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Instance, OrientedBox};
    use nalgebra::{Point3, Vector3};

    fn items() -> BTreeMap<u32, Reviewed> {
        let item = |id, label: &str, score| {
            let instance = Instance {
                id,
                label: label.into(),
                caption: String::new(),
                score,
                state: InstanceState::Verify,
                obb: OrientedBox::upright(Point3::origin(), Vector3::repeat(1.0), 0.0),
                views: Vec::new(),
                best_view: String::new(),
                evidence: serde_json::Value::Null,
            };
            (id, Reviewed::new(instance))
        };
        [item(1, "chair", 0.9), item(2, "table", 0.4), item(3, "chair", 0.2)].into()
    }

    #[test]
    fn least_certain_first_and_headers_turn_round() {
        let sort = Sort::default();
        let arrange = |filter, sort| arrange(&items(), filter, sort, &Context::default());
        assert_eq!(arrange("", sort), [3, 2, 1]);
        assert_eq!(arrange("chair", sort), [3, 1]);
        let by_score = sort.clicked(Order::Score);
        assert_eq!(arrange("", by_score), [1, 2, 3]);
        assert_eq!(arrange("", by_score.clicked(Order::Score)), [3, 2, 1]);
        assert_eq!(by_score.clicked(Order::Score).clicked(Order::Id), Sort { order: Order::Id, reversed: false });
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
