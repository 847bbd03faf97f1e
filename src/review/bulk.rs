//! The same decision about several instances, and what it would change.

use super::{Decision, Reviewed, Verdict};
use std::collections::BTreeMap;

/// A decision about several, before it is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Bulk {
    /// One for each instance that it changes.
    pub decisions: Vec<(u32, Decision)>,
    /// What it would do: "Accept 37: 30 unreviewed, 7 rejected change".
    pub sentence: String,
}

impl Bulk {
    /// What `decision` would change of the instances `ids`; those that are so already are left alone.
    pub fn new(items: &BTreeMap<u32, Reviewed>, ids: impl IntoIterator<Item = u32>, decision: &Decision) -> Self {
        let (mut decisions, mut left) = (Vec::new(), 0);
        let mut before = [0usize; 4];
        for item in ids.into_iter().filter_map(|id| items.get(&id)) {
            if changes(item, decision) {
                decisions.push((item.instance.id, decision.clone()));
                let at = Verdict::ALL.iter().position(|v| *v == item.verdict);
                before.iter_mut().skip(at.unwrap_or(0)).take(1).for_each(|n| *n += 1);
            } else {
                left += 1;
            }
        }
        let mut parts: Vec<String> = Vec::new();
        for (verdict, n) in Verdict::ALL.into_iter().zip(before).filter(|b| b.1 > 0) {
            let change = if decision.is_verdict() && verdict != Verdict::Unreviewed { " change" } else { "" };
            parts.push(format!("{n} {}{change}", verdict.name()));
        }
        if left > 0 {
            parts.push(format!("{left} {} so already", if left == 1 { "is" } else { "are" }));
        }
        let sentence = match decisions.len() {
            0 if left == 0 => "There is nothing to decide about".into(),
            0 => "Nothing would change: all are so already".into(),
            n => format!("{}: {}", verb(decision, n), parts.join(", ")),
        };
        Self { decisions, sentence }
    }
}

fn verb(decision: &Decision, n: usize) -> String {
    match decision {
        Decision::Accept => format!("Accept {n}"),
        Decision::Reject { reason: None } => format!("Reject {n}"),
        Decision::Reject { reason: Some(why) } => format!("Reject {n} ({})", why.name()),
        Decision::Unsure => format!("Leave {n} as unsure"),
        Decision::Relabel { text } => format!("Label {n} as {text}"),
        Decision::Delete => format!("Delete {n}"),
        other => format!("Decide about {n} ({})", other.in_words()),
    }
}

/// Whether an instance would be another after it.
fn changes(item: &Reviewed, decision: &Decision) -> bool {
    match decision {
        Decision::Accept => item.verdict != Verdict::Accepted,
        Decision::Reject { reason } => {
            item.verdict != Verdict::Rejected || (reason.is_some() && *reason != item.reason)
        }
        Decision::Unsure => item.verdict != Verdict::Unsure,
        Decision::Relabel { text } => item.instance.label != *text,
        _ => true,
    }
}

/// The instances of `shown` that nobody has looked at and whose score is at least `least`.
pub fn unreviewed_from(items: &BTreeMap<u32, Reviewed>, shown: &[u32], least: f64) -> Vec<u32> {
    let fits = |r: &&Reviewed| r.verdict == Verdict::Unreviewed && r.instance.score >= least;
    shown.iter().filter_map(|id| items.get(id)).filter(fits).map(|r| r.instance.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::Reason;
    use crate::review::tests::instance;

    fn items() -> BTreeMap<u32, Reviewed> {
        let verdict = |id| match id {
            1..=3 => Verdict::Unreviewed,
            4 | 5 => Verdict::Rejected,
            6 => Verdict::Accepted,
            _ => Verdict::Unsure,
        };
        let item = |id: u32| {
            let mut r = Reviewed { verdict: verdict(id), ..Reviewed::new(instance(id)) };
            r.instance.score = 0.1 * f64::from(id);
            (id, r)
        };
        (1..=7).map(item).collect()
    }

    #[test]
    fn says_what_would_change() {
        let items = items();
        let accept = Bulk::new(&items, 1..=6, &Decision::Accept);
        assert_eq!(accept.sentence, "Accept 5: 3 unreviewed, 2 rejected change, 1 is so already");
        assert_eq!(accept.decisions.iter().map(|d| d.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        let why = Decision::Reject { reason: Some(Reason::Box) };
        assert_eq!(
            Bulk::new(&items, [4, 7], &why).sentence,
            "Reject 2 (wrong box): 1 rejected change, 1 unsure change"
        );
        assert_eq!(Bulk::new(&items, [4, 5], &Decision::REJECT).sentence, "Nothing would change: all are so already");
        assert_eq!(Bulk::new(&items, [99], &Decision::Accept).sentence, "There is nothing to decide about");
        let relabel = Decision::Relabel { text: "chair".into() };
        assert_eq!(Bulk::new(&items, [1, 6], &relabel).sentence, "Label 2 as chair: 1 unreviewed, 1 accepted");
    }

    #[test]
    fn above_a_score_only_what_nobody_looked_at() {
        assert_eq!(unreviewed_from(&items(), &[7, 6, 3, 2, 1, 99], 0.2), [3, 2]);
    }
}
