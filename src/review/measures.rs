//! Numbers about instances: what a queue is sorted by, filtered by, and drawn as a histogram of.

use super::{Reviewed, Verdict};
use crate::scene::Instance;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A number that an instance has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Confidence, 0..1.
    Score,
    /// Volume of the box, cubic scene units.
    Size,
    /// How far the masks of different photos agree, 0..1: the term of the score.
    Agreement,
    /// Share of the instance that its best photo sees, 0..1.
    Visible,
    /// Photos that show it.
    Views,
    /// How well box and masks cover the same part of the photos, 0..1.
    Fit,
    /// How unusual its volume is: standard deviations, above 0 for too large.
    Outlier,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Score, Self::Size, Self::Agreement, Self::Visible, Self::Views, Self::Fit, Self::Outlier];

    /// Its word in a filter.
    pub fn word(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Size => "size",
            Self::Agreement => "agreement",
            Self::Visible => "visible",
            Self::Views => "views",
            Self::Fit => "fit",
            Self::Outlier => "outlier",
        }
    }

    /// Its name for a reader.
    pub fn name(self) -> &'static str {
        match self {
            Self::Score => "Score",
            Self::Size => "Volume of the box",
            Self::Agreement => "Agreement of the masks",
            Self::Visible => "Share seen in the best photo",
            Self::Views => "Number of photos",
            Self::Fit => "Fit of the box",
            Self::Outlier => "Unusual volume",
        }
    }

    /// Its value; `None` where it is not known.
    pub fn of(self, item: &Reviewed, context: &Context) -> Option<f64> {
        let i = &item.instance;
        let value = match self {
            Self::Score => i.score,
            Self::Size => i.obb.volume(),
            Self::Agreement => i.evidence.get("score")?.get("agreement")?.as_f64()?,
            Self::Visible => visible(i)?,
            Self::Views => i.views.len() as f64,
            Self::Fit => *context.fits.get(&i.id)?,
            Self::Outlier => context.outliers.get(&i.id)?.z,
        };
        value.is_finite().then_some(value)
    }

    /// A value in few characters.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Views => format!("{value:.0}"),
            Self::Outlier => format!("{value:+.1}"),
            Self::Size if value < 0.01 => format!("{value:.1e}"),
            Self::Score | Self::Size | Self::Agreement | Self::Visible | Self::Fit => format!("{value:.2}"),
        }
    }
}

/// Share of the instance that its best view sees; of any view where the best one is not listed.
fn visible(i: &Instance) -> Option<f64> {
    let best = i.views.iter().find(|v| v.image == i.best_view).map(|v| v.visible_fraction);
    best.or_else(|| i.views.iter().map(|v| v.visible_fraction).max_by(f64::total_cmp))
}

/// The terms of the score, by name: what of `evidence.score` is a number.
pub fn score_terms(i: &Instance) -> Vec<(&str, f64)> {
    let terms = i.evidence.get("score").and_then(|s| s.as_object());
    terms.into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?))).collect()
}

/// How unusual a volume is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlier {
    /// Modified z-score of the logarithm of the volume, see [`Context::new`].
    pub z: f64,
    /// Its volume as a multiple of the median.
    pub ratio: f64,
    /// How many it was compared with, itself among them.
    pub among: usize,
    /// They have its label; all instances otherwise.
    pub same_label: bool,
}

/// What a queue has to know beyond the instance itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    pub(super) outliers: BTreeMap<u32, Outlier>,
    fits: Arc<BTreeMap<u32, f64>>,
    fixed: BTreeSet<u32>,
}

/// Fewest instances of a label to say what is usual among them.
const LEAST_OF_A_LABEL: usize = 5;

impl Context {
    /// Compares the instances with each other and with what the pipeline `found`. `fits` is how well boxes fit, by id, as
    /// far as that is known (see [`super::box_fit`]).
    ///
    /// Volumes are compared by the modified z-score of their logarithms: `0.6745 (x - median) / MAD`, with
    /// `(x - median) / (1.2533 mean absolute deviation)` where the MAD is 0 (Iglewicz and Hoaglin, How to Detect and
    /// Handle Outliers, 1993), among the instances of the same label where there are at least five, else among all.
    pub fn new<'a>(
        items: &BTreeMap<u32, Reviewed>,
        found: impl Fn(u32) -> Option<&'a Instance>,
        fits: &Arc<BTreeMap<u32, f64>>,
    ) -> Self {
        let fixed = items
            .values()
            .filter(|r| r.verdict == Verdict::Accepted)
            .filter(|r| found(r.instance.id).is_none_or(|f| r.differs_from(f)));
        let fixed = fixed.map(|r| r.instance.id).collect();
        Self { outliers: outliers(items), fits: Arc::clone(fits), fixed }
    }

    /// Whether it is accepted, and not as the pipeline found it.
    pub fn is_fixed(&self, id: u32) -> bool {
        self.fixed.contains(&id)
    }
}

fn outliers(items: &BTreeMap<u32, Reviewed>) -> BTreeMap<u32, Outlier> {
    let mut by_label: BTreeMap<String, Vec<(u32, f64)>> = BTreeMap::new();
    let mut all = Vec::new();
    for r in items.values() {
        let x = r.instance.obb.volume().ln();
        if x.is_finite() {
            by_label.entry(r.instance.label.to_lowercase()).or_default().push((r.instance.id, x));
            all.push((r.instance.id, x));
        }
    }
    let everything = Spread::of(&all);
    let mut out = BTreeMap::new();
    for group in by_label.values() {
        let same_label = group.len() >= LEAST_OF_A_LABEL;
        let spread = if same_label { Spread::of(group) } else { everything };
        let among = if same_label { group.len() } else { all.len() };
        for (id, x) in group {
            let (z, ratio) = (spread.z(*x), (x - spread.median).exp());
            out.insert(*id, Outlier { z, ratio, among, same_label });
        }
    }
    out
}

/// What is usual.
#[derive(Clone, Copy)]
struct Spread {
    median: f64,
    /// A standard deviation; 0 where all are equal.
    sigma: f64,
}

impl Spread {
    fn of(all: &[(u32, f64)]) -> Self {
        let center = median(all.iter().map(|a| a.1).collect());
        let away: Vec<f64> = all.iter().map(|a| (a.1 - center).abs()).collect();
        let mean = away.iter().sum::<f64>() / away.len().max(1) as f64;
        let mad = median(away);
        let sigma = if mad > 1e-9 { mad / 0.6745 } else { 1.2533 * mean };
        Self { median: center, sigma }
    }

    fn z(&self, x: f64) -> f64 {
        if self.sigma > 1e-9 { (x - self.median) / self.sigma } else { 0.0 }
    }
}

/// The middle value, the mean of the two middle ones; 0 for none.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match (values.get(n.saturating_sub(1) / 2), values.get(n / 2)) {
        (Some(a), Some(b)) => 0.5 * (a + b),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::tests::instance;
    use crate::scene::InstanceView;

    fn sized(id: u32, label: &str, volume: f64) -> (u32, Reviewed) {
        let mut i = Instance { label: label.into(), ..instance(id) };
        i.obb.size.x = volume;
        (id, Reviewed::new(i))
    }

    #[test]
    fn volumes_are_compared_within_a_label_where_there_are_enough() {
        let e = std::f64::consts::E;
        // Logarithms 0 1 2 3 10: median 2, deviations 2 1 0 1 8, MAD 1.
        let chairs = [1.0, e, e.powi(2), e.powi(3), e.powi(10)];
        let mut items: BTreeMap<u32, Reviewed> = (1..).zip(chairs).map(|(id, v)| sized(id, "Chair", v)).collect();
        items.extend([sized(9, "lamp", e.powi(2))]);
        let context = Context::new(&items, |_| None, &Arc::default());
        let o = context.outliers[&5];
        assert!((o.z - 0.6745 * 8.0).abs() < 1e-9 && o.same_label && o.among == 5, "{o:?}");
        assert!((o.ratio - e.powi(8)).abs() < 1e-6 * e.powi(8));
        assert!((context.outliers[&1].z + 0.6745 * 2.0).abs() < 1e-9);
        let lamp = context.outliers[&9];
        assert!(lamp.z == 0.0 && !lamp.same_label && lamp.among == 6, "{lamp:?}");
    }

    #[test]
    fn equal_volumes_are_no_outliers_and_flat_boxes_have_none() {
        let mut items: BTreeMap<u32, Reviewed> = (1..=6).map(|id| sized(id, "tile", 2.0)).collect();
        items.extend([sized(7, "tile", 4.0), sized(8, "tile", 0.0)]);
        let context = Context::new(&items, |_| None, &Arc::default());
        assert_eq!(context.outliers[&1].z, 0.0);
        // MAD 0: by the mean absolute deviation, ln 2 / 7.
        assert!((context.outliers[&7].z - 7.0 / 1.2533).abs() < 1e-9);
        assert_eq!(Measure::Outlier.of(&items[&8], &context), None);
    }

    #[test]
    fn what_is_fixed_and_what_is_known() {
        let found = instance(1);
        let mut item = Reviewed::new(Instance { label: "other".into(), ..instance(1) });
        item.verdict = Verdict::Accepted;
        let fits = Arc::new(BTreeMap::from([(1, 0.25)]));
        let items = BTreeMap::from([(1, item.clone())]);
        let context = Context::new(&items, |_| Some(&found), &fits);
        assert!(context.is_fixed(1) && !context.is_fixed(2));
        assert_eq!(Measure::Fit.of(&item, &context), Some(0.25));
        assert_eq!(Measure::Agreement.of(&item, &context), None);
        item.instance.evidence = serde_json::json!({"score": {"agreement": 0.5}});
        assert_eq!(Measure::Agreement.of(&item, &context), Some(0.5));
        assert_eq!(Measure::Visible.of(&item, &context), None);
        let view =
            |image: &str, visible_fraction| InstanceView { image: image.into(), mask_score: 1.0, visible_fraction };
        item.instance.views = vec![view("a", 0.9), view("b", 0.4)];
        assert_eq!(Measure::Visible.of(&item, &context), Some(0.9));
        item.instance.best_view = "b".into();
        assert_eq!(Measure::Visible.of(&item, &context), Some(0.4));
        let untouched = BTreeMap::from([(1, Reviewed { verdict: Verdict::Accepted, ..Reviewed::new(found.clone()) })]);
        assert!(!Context::new(&untouched, |_| Some(&found), &fits).is_fixed(1));
    }
}
