//! How far a review is.

use super::{Reviewed, Verdict};

/// How many instances there are of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accepted.
    pub accepted: usize,
    /// Rejected.
    pub rejected: usize,
    /// Left as unsure.
    pub unsure: usize,
    /// Not looked at.
    pub unreviewed: usize,
}

impl Counts {
    /// Of some instances.
    pub fn of<'a>(items: impl Iterator<Item = &'a Reviewed>) -> Self {
        let mut counts = Self::default();
        for item in items {
            *match item.verdict {
                Verdict::Accepted => &mut counts.accepted,
                Verdict::Rejected => &mut counts.rejected,
                Verdict::Unsure => &mut counts.unsure,
                Verdict::Unreviewed => &mut counts.unreviewed,
            } += 1;
        }
        counts
    }

    /// Those that somebody has looked at.
    pub fn reviewed(&self) -> usize {
        self.accepted + self.rejected + self.unsure
    }

    /// All of them.
    pub fn all(&self) -> usize {
        self.reviewed() + self.unreviewed
    }
}
