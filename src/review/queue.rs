//! The reviewer's queue: in what order to look at instances, which of them, and what comes next.

use super::filter::Filter;
use super::measures::{Context, Measure, score_terms};
use super::{Reviewed, Verdict};
use crate::scene::{Instance, InstanceState};
use std::collections::BTreeMap;

/// What the queue is sorted by. Ties go by id; what an order knows nothing about comes last.
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
    /// Least agreement between the masks of different photos first.
    Agreement,
    /// Least seen in its best photo first.
    Visible,
    /// Most unusual volume first.
    Outlier,
    /// Worst fit of box and masks first.
    Fit,
    /// What waits for a decision, then what is unsure, then the rest; each by uncertainty.
    Unreviewed,
    /// By id.
    Id,
}

impl Order {
    /// All of them, the default first.
    pub const ALL: [Self; 10] = [
        Self::Uncertainty,
        Self::Score,
        Self::Label,
        Self::Size,
        Self::Agreement,
        Self::Visible,
        Self::Outlier,
        Self::Fit,
        Self::Unreviewed,
        Self::Id,
    ];

    /// For a menu.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uncertainty => "uncertainty",
            Self::Score => "score",
            Self::Label => "label",
            Self::Size => "size",
            Self::Agreement => "agreement of masks",
            Self::Visible => "visible share",
            Self::Outlier => "unusual volume",
            Self::Fit => "fit of the box",
            Self::Unreviewed => "unreviewed first",
            Self::Id => "id",
        }
    }

    /// The number that it sorts by, where it is neither the score nor the label.
    pub fn measure(self) -> Option<Measure> {
        match self {
            Self::Size => Some(Measure::Size),
            Self::Agreement => Some(Measure::Agreement),
            Self::Visible => Some(Measure::Visible),
            Self::Outlier => Some(Measure::Outlier),
            Self::Fit => Some(Measure::Fit),
            Self::Uncertainty | Self::Score | Self::Label | Self::Unreviewed | Self::Id => None,
        }
    }

    /// What is compared: the lowest comes first.
    fn key(self, item: &Reviewed, context: &Context) -> (u8, String, f64) {
        let i = &item.instance;
        let doubt = if i.state == InstanceState::Dropped { -i.score } else { i.score };
        let measured = |m: Measure, rank: fn(f64) -> f64| {
            let value = m.of(item, context);
            (u8::from(value.is_none()), String::new(), value.map_or(0.0, rank))
        };
        match self {
            Self::Uncertainty => (gate(i), String::new(), doubt),
            Self::Score => (0, String::new(), -i.score),
            Self::Label => (0, i.label.to_lowercase(), -i.score),
            Self::Size => measured(Measure::Size, |x| -x),
            Self::Agreement => measured(Measure::Agreement, |x| x),
            Self::Visible => measured(Measure::Visible, |x| x),
            Self::Outlier => measured(Measure::Outlier, |x| -x.abs()),
            Self::Fit => measured(Measure::Fit, |x| x),
            Self::Unreviewed => (3 * waiting(item.verdict) + gate(i), String::new(), doubt),
            Self::Id => (0, String::new(), 0.0),
        }
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

/// How much a verdict is still to come, most first.
fn waiting(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Unreviewed => 0,
        Verdict::Unsure => 1,
        Verdict::Accepted | Verdict::Rejected => 2,
    }
}

/// Ids of the instances that match `filter` (see [`super::filter`]), in `order`. A filter that is not understood matches
/// nothing: no decision about all that is shown must reach further than was meant.
pub fn order(items: &BTreeMap<u32, Reviewed>, order: Order, filter: &str, context: &Context) -> Vec<u32> {
    let Ok(filter) = Filter::parse(filter) else { return Vec::new() };
    let mut found: Vec<_> =
        items.values().filter(|r| filter.matches(r, context)).map(|r| (order.key(r, context), r.instance.id)).collect();
    found.sort_by(|(a, i), (b, j)| a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2)).then(i.cmp(j)));
    found.into_iter().map(|f| f.1).collect()
}

/// Why an instance is where it is in an order: one sentence.
pub fn why(item: &Reviewed, order: Order, context: &Context) -> String {
    let i = &item.instance;
    let percent = |x: f64| format!("{:.0} %", x * 100.0);
    let known = order.measure().and_then(|m| m.of(item, context));
    match (order, known) {
        (Order::Uncertainty, _) => doubt(i),
        (Order::Unreviewed, _) => {
            let state = match item.verdict {
                Verdict::Unreviewed => "Waits for a decision",
                Verdict::Unsure => "Was left as unsure",
                Verdict::Accepted | Verdict::Rejected => "Is decided already",
            };
            format!("{state}. {}", doubt(i))
        }
        (Order::Score, _) => format!("Its score is {:.2}.", i.score),
        (Order::Label, _) => format!("Its label is {}, its score {:.2}.", i.label, i.score),
        (Order::Id, _) => format!("It is number {}.", i.id),
        (_, None) => format!("Its {} is not known, so it comes last.", order.name()),
        (Order::Size, Some(v)) => {
            let s = i.obb.size;
            format!("Its box is {:.2} \u{d7} {:.2} \u{d7} {:.2}, a volume of {}.", s.x, s.y, s.z, Measure::Size.text(v))
        }
        (Order::Agreement, Some(v)) => format!("The masks of different photos agree by {}.", percent(v)),
        (Order::Visible, Some(v)) => format!("Its best photo shows {} of it.", percent(v)),
        (Order::Fit, Some(v)) => format!("Box and masks cover the same part of the photos by {}.", percent(v)),
        (Order::Outlier, Some(z)) => unusual(i, z, context),
    }
}

/// Why the gate's answer is worth a look.
fn doubt(i: &Instance) -> String {
    let weakest = score_terms(i).into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let because = weakest.filter(|w| w.1 < 0.9).map_or(String::new(), |(name, value)| {
        format!(", weakest in \u{201c}{}\u{201d} ({value:.2})", name.replace('_', " "))
    });
    match i.state {
        InstanceState::Verify => format!("Score {:.2} is neither enough to keep it nor to drop it{because}.", i.score),
        InstanceState::Kept => format!("Kept with score {:.2}{because}.", i.score),
        InstanceState::Dropped => format!("Dropped with score {:.2}{because}.", i.score),
    }
}

fn unusual(i: &Instance, z: f64, context: &Context) -> String {
    let Some(o) = context.outliers.get(&i.id) else { return String::new() };
    let group = if o.same_label {
        format!("the {} instances with label {}", o.among, i.label)
    } else {
        format!("all {} instances", o.among)
    };
    let times =
        if o.ratio >= 1.0 { format!("{:.1} times", o.ratio) } else { format!("1/{:.1} of", 1.0 / o.ratio.max(1e-9)) };
    format!("Its volume is {times} the usual one of {group} ({z:+.1} standard deviations).")
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
    use std::sync::Arc;

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

    fn ordered(items: &BTreeMap<u32, Reviewed>, by: Order, filter: &str) -> Vec<u32> {
        order(items, by, filter, &Context::new(items, |_| None, &Arc::new(BTreeMap::from([(3, 0.9), (1, 0.2)]))))
    }

    #[test]
    fn orders() {
        let mut items = items();
        assert_eq!(ordered(&items, Order::Uncertainty, ""), [2, 6, 1, 3, 5, 4]);
        assert_eq!(ordered(&items, Order::Score, ""), [3, 1, 6, 2, 5, 4]);
        assert_eq!(ordered(&items, Order::Label, ""), [5, 3, 1, 6, 4, 2]);
        assert_eq!(ordered(&items, Order::Size, ""), [5, 2, 3, 1, 4, 6]);
        assert_eq!(ordered(&items, Order::Id, ""), [1, 2, 3, 4, 5, 6]);
        assert_eq!(ordered(&items, Order::Fit, ""), [1, 3, 2, 4, 5, 6]);
        assert_eq!(ordered(&items, Order::Unreviewed, ""), [6, 1, 5, 4, 2, 3]);
        let agree = |x: f64| serde_json::json!({"score": {"agreement": x}});
        for (id, x) in [(4, 0.7), (2, 0.5), (5, 0.9)] {
            items.get_mut(&id).unwrap().instance.evidence = agree(x);
        }
        assert_eq!(ordered(&items, Order::Agreement, ""), [2, 4, 5, 1, 3, 6]);
        // Volumes 1 3 2 0.5 4 0.5: the median is the root of 2, from which 0.5 and 4 are equally far.
        let mut by_volume = ordered(&items, Order::Outlier, "");
        assert_eq!(by_volume.split_off(3), [2, 1, 3]);
        by_volume.sort_unstable();
        assert_eq!(by_volume, [4, 5, 6]);
    }

    #[test]
    fn every_order_says_why_in_one_sentence() {
        let mut items = items();
        let fits = Arc::new(BTreeMap::from([(2, 0.25)]));
        let i = &mut items.get_mut(&2).unwrap().instance;
        i.evidence = serde_json::json!({"score": {"formula": "product", "agreement": 0.5, "points": 0.95}});
        let context = Context::new(&items, |_| None, &fits);
        let why = |order| why(&items[&2], order, &context);
        assert_eq!(
            why(Order::Uncertainty),
            "Score 0.60 is neither enough to keep it nor to drop it, weakest in \u{201c}agreement\u{201d} (0.50)."
        );
        assert_eq!(why(Order::Fit), "Box and masks cover the same part of the photos by 25 %.");
        assert_eq!(why(Order::Visible), "Its visible share is not known, so it comes last.");
        assert!(why(Order::Outlier).starts_with("Its volume is 2.1 times the usual one of all 6 instances"));
        for order in Order::ALL {
            assert!(why(order).ends_with('.') && why(order).len() < 120, "{order:?}: {}", why(order));
        }
    }

    #[test]
    fn filters() {
        let items = items();
        let by = |filter| ordered(&items, Order::Id, filter);
        assert_eq!(by(" CHAIR "), [1, 3, 5]);
        assert_eq!(by("chair is:unreviewed"), [1, 5]);
        assert_eq!(by("label:chair"), [1, 3]);
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
