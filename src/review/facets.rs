//! What the instances are like: counts and histograms that narrow the filter. The filter's text stays the one truth:
//! a click gives another filter.

use super::filter::{Filter, Range, State, Term, Test};
use super::measures::{Context, Measure};
use super::{Reason, Reviewed};
use std::collections::BTreeMap;

/// A property that instances are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What a reviewer said.
    Verdict,
    /// What the confidence gate said.
    Gate,
    /// What it is.
    Label,
    /// Why it was rejected.
    Reason,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Verdict, Self::Gate, Self::Label, Self::Reason];

    /// For a headline.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verdict => "Decision",
            Self::Gate => "Found as",
            Self::Label => "Label",
            Self::Reason => "Reason",
        }
    }

    /// Whether a term is about this and nothing else.
    fn owns(self, term: &Term) -> bool {
        let gate = |s: &State| matches!(s, State::Gate(_));
        !term.negated
            && match (&term.test, self) {
                (Test::Is(states), Self::Verdict) => !states.iter().any(gate),
                (Test::Is(states), Self::Gate) => states.iter().all(gate),
                (Test::Label(_), Self::Label) | (Test::Reason(_), Self::Reason) => true,
                _ => false,
            }
    }

    /// The values that an instance has.
    fn values(self, item: &Reviewed, context: &Context) -> Vec<String> {
        let states = |gate: bool| {
            let mine = State::ALL.into_iter().filter(move |s| matches!(s, State::Gate(_)) == gate);
            mine.filter(|s| s.holds(item, context)).map(|s| s.word().to_owned()).collect()
        };
        match self {
            Self::Verdict => states(false),
            Self::Gate => states(true),
            Self::Label => vec![item.instance.label.to_lowercase()],
            Self::Reason => item.reason.iter().map(|r| r.word().to_owned()).collect(),
        }
    }

    /// Values that are listed even where no instance has them, in order.
    fn always(self) -> Vec<&'static str> {
        let states = |gate: bool| State::ALL.iter().filter(move |s| matches!(s, State::Gate(_)) == gate);
        match self {
            Self::Verdict => states(false).map(|s| s.word()).collect(),
            Self::Gate => states(true).map(|s| s.word()).collect(),
            Self::Label | Self::Reason => Vec::new(),
        }
    }
}

/// A value, and how many have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// As the filter writes it.
    pub word: String,
    /// Instances with it that all other parts of the filter let through.
    pub count: usize,
    /// The filter asks for it.
    pub on: bool,
}

/// The values of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Facet {
    /// Which.
    pub group: Group,
    /// Its values; labels and reasons by falling count.
    pub values: Vec<Value>,
}

/// How often a number falls where.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Which number.
    pub measure: Measure,
    /// The lower end of the first bin and the upper end of the last, in the number's unit.
    pub ends: [f64; 2],
    /// Bins are equally wide in the logarithm.
    pub log: bool,
    /// Instances that all other parts of the filter let through, by bin.
    pub counts: Vec<usize>,
    /// What the filter asks for.
    pub brushed: Option<Range>,
}

/// The numbers with a histogram.
pub const HISTOGRAMS: [Measure; 6] =
    [Measure::Score, Measure::Size, Measure::Agreement, Measure::Visible, Measure::Views, Measure::Fit];

/// Bins of a histogram.
const BINS: usize = 20;

impl Histogram {
    fn new(measure: Measure, values: &[Option<f64>], filter: &Filter) -> Option<Self> {
        let known = || values.iter().flatten().copied();
        let log = measure == Measure::Size;
        let ends = match measure {
            Measure::Views => [0.0, known().fold(1.0, f64::max)],
            Measure::Size => {
                let solid = || known().filter(|v| *v > 0.0);
                let (low, high) = (solid().fold(f64::INFINITY, f64::min), solid().fold(0.0, f64::max));
                [low, high.max(low * 1.01)]
            }
            Measure::Outlier => [known().fold(0.0, f64::min), known().fold(1.0, f64::max)],
            Measure::Score | Measure::Agreement | Measure::Visible | Measure::Fit => [0.0, 1.0],
        };
        let brushed = filter.0.iter().find_map(|t| match t.test {
            Test::Within(m, range) if m == measure && !t.negated => Some(range),
            _ => None,
        });
        known().next()?;
        Some(Self { measure, ends, log, counts: vec![0; BINS], brushed })
            .filter(|h| h.ends.iter().all(|e| e.is_finite()))
    }

    /// Where a value lies, 0..1 from end to end.
    pub fn place(&self, value: f64) -> f64 {
        let [a, b] = self.scaled();
        let x = if self.log { value.max(1e-300).ln() } else { value };
        ((x - a) / (b - a)).clamp(0.0, 1.0)
    }

    /// The value at a place, 0..1, rounded to what a reader would write.
    pub fn value_at(&self, place: f64) -> f64 {
        let [a, b] = self.scaled();
        let x = a + (b - a) * place.clamp(0.0, 1.0);
        let x = if self.log { x.exp() } else { x };
        let step = match self.measure {
            Measure::Views => 1.0,
            Measure::Size => 10f64.powf(x.abs().max(1e-12).log10().floor() - 1.0),
            _ => 0.01,
        };
        let rounded = (x / step).round() * step;
        // Without the digits that a product of powers of ten leaves behind.
        format!("{rounded:.12}").parse().unwrap_or(rounded)
    }

    /// The range between two places, 0..1, either way round; an end of the histogram is open.
    pub fn range(&self, from: f64, to: f64) -> Range {
        let (low, high) = (from.min(to), from.max(to));
        let end = |place: f64, open: bool| (!open).then(|| self.value_at(place));
        Range { low: end(low, low <= 0.0), high: end(high, high >= 1.0) }
    }

    fn scaled(&self) -> [f64; 2] {
        if self.log { self.ends.map(f64::ln) } else { self.ends }
    }
}

/// What the instances are like, under a filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// One per group that has values.
    pub facets: Vec<Facet>,
    /// One per number of [`HISTOGRAMS`] that is known of an instance.
    pub histograms: Vec<Histogram>,
}

impl Summary {
    /// Counts. What a group or a histogram itself asks for does not narrow its own counts: it shows what else could be
    /// chosen.
    pub fn new(items: &BTreeMap<u32, Reviewed>, filter: &Filter, context: &Context) -> Self {
        let values = HISTOGRAMS.map(|m| items.values().map(|i| m.of(i, context)).collect::<Vec<_>>());
        let mut histograms =
            HISTOGRAMS.iter().zip(&values).map(|(m, v)| Histogram::new(*m, v, filter)).collect::<Vec<_>>();
        let mut counts: [BTreeMap<String, usize>; 4] = Default::default();
        for (k, item) in items.values().enumerate() {
            let failing: Vec<&Term> = filter.0.iter().filter(|t| !t.holds(item, context)).collect();
            for (group, counts) in Group::ALL.into_iter().zip(&mut counts) {
                if failing.iter().all(|t| group.owns(t)) {
                    group.values(item, context).into_iter().for_each(|v| *counts.entry(v).or_default() += 1);
                }
            }
            for (h, values) in histograms.iter_mut().zip(&values) {
                let Some((h, value)) = h.as_mut().zip(values.get(k).copied().flatten()) else { continue };
                let own = |t: &&Term| !t.negated && matches!(t.test, Test::Within(m, _) if m == h.measure);
                if failing.iter().all(own) {
                    let bin = ((h.place(value) * BINS as f64) as usize).min(BINS - 1);
                    h.counts.iter_mut().skip(bin).take(1).for_each(|c| *c += 1);
                }
            }
        }
        let facets = Group::ALL.into_iter().zip(counts).map(|(group, counts)| facet(group, counts, filter));
        Self {
            facets: facets.filter(|f| !f.values.is_empty()).collect(),
            histograms: histograms.into_iter().flatten().collect(),
        }
    }
}

fn facet(group: Group, mut counts: BTreeMap<String, usize>, filter: &Filter) -> Facet {
    let on = chosen(filter, group);
    let mut words: Vec<String> = group.always().into_iter().map(str::to_owned).collect();
    let mut others: Vec<String> = counts.keys().chain(&on).filter(|w| !words.contains(w)).cloned().collect();
    others.sort();
    others.dedup();
    others.sort_by_key(|w| std::cmp::Reverse(counts.get(w).copied().unwrap_or(0)));
    words.extend(others);
    let value = |word: String| Value { count: counts.remove(&word).unwrap_or(0), on: on.contains(&word), word };
    Facet { group, values: words.into_iter().map(value).collect() }
}

/// What the filter asks of a group.
fn chosen(filter: &Filter, group: Group) -> Vec<String> {
    let Some(term) = filter.0.iter().find(|t| group.owns(t)) else { return Vec::new() };
    match &term.test {
        Test::Is(states) => states.iter().map(|s| s.word().to_owned()).collect(),
        Test::Label(labels) => labels.iter().map(|l| l.to_lowercase()).collect(),
        Test::Reason(reasons) => reasons.iter().map(|r| r.word().to_owned()).collect(),
        _ => Vec::new(),
    }
}

/// The filter that asks for a value too, or, where it did, no longer.
pub fn toggled(filter: &Filter, group: Group, word: &str) -> Filter {
    let mut words = chosen(filter, group);
    let before = words.len();
    words.retain(|w| w != word);
    if words.len() == before {
        words.push(word.to_owned());
    }
    let test = match group {
        Group::Verdict | Group::Gate => Test::Is(named(&words, &State::ALL, State::word)),
        Group::Label => Test::Label(words.clone()),
        Group::Reason => Test::Reason(named(&words, &Reason::ALL, Reason::word)),
    };
    replaced(filter, |t| group.owns(t), (!words.is_empty()).then_some(test))
}

fn named<T: Copy>(words: &[String], all: &[T], word: impl Fn(T) -> &'static str) -> Vec<T> {
    words.iter().filter_map(|w| all.iter().copied().find(|a| word(*a) == w)).collect()
}

/// The filter with another range of a number; `None` takes it out.
pub fn brushed(filter: &Filter, measure: Measure, range: Option<Range>) -> Filter {
    let range = range.filter(|r| r.low.is_some() || r.high.is_some());
    let own = |t: &Term| !t.negated && matches!(t.test, Test::Within(m, _) if m == measure);
    replaced(filter, own, range.map(|r| Test::Within(measure, r)))
}

/// The filter with the first of its `own` terms replaced and the others of them gone; at the end where there was none.
fn replaced(filter: &Filter, own: impl Fn(&Term) -> bool, test: Option<Test>) -> Filter {
    let at = filter.0.iter().position(&own).unwrap_or(filter.0.len());
    let mut terms: Vec<Term> = filter.0.iter().take(at).cloned().collect();
    terms.extend(test.map(|test| Term { negated: false, test }));
    terms.extend(filter.0.iter().skip(at).filter(|t| !own(t)).cloned());
    Filter(terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::Verdict;
    use crate::review::tests::instance;
    use crate::scene::{Instance, InstanceState};

    fn items() -> BTreeMap<u32, Reviewed> {
        let rows = [
            (1, "chair", 0.95, InstanceState::Kept, Verdict::Accepted, None),
            (2, "Chair", 0.60, InstanceState::Verify, Verdict::Unreviewed, None),
            (3, "lamp", 0.42, InstanceState::Verify, Verdict::Rejected, Some(Reason::Duplicate)),
            (4, "lamp", 1.0, InstanceState::Kept, Verdict::Unreviewed, None),
            (5, "side table", 0.0, InstanceState::Dropped, Verdict::Unsure, None),
        ];
        let make = |(id, label, score, state, verdict, reason): (u32, &str, f64, _, _, _)| {
            let instance = Instance { label: label.into(), score, state, ..instance(id) };
            (id, Reviewed { verdict, reason, ..Reviewed::new(instance) })
        };
        rows.into_iter().map(make).collect()
    }

    fn summary(filter: &str) -> Summary {
        let items = items();
        let same: BTreeMap<u32, Instance> = items.iter().map(|(id, r)| (*id, r.instance.clone())).collect();
        let context = Context::new(&items, |id| same.get(&id), &Default::default());
        Summary::new(&items, &Filter::parse(filter).unwrap(), &context)
    }

    fn counts(s: &Summary, group: Group) -> Vec<(&str, usize)> {
        let facet = s.facets.iter().find(|f| f.group == group).unwrap();
        facet.values.iter().filter(|v| v.count > 0).map(|v| (v.word.as_str(), v.count)).collect()
    }

    #[test]
    fn counts_what_the_rest_of_the_filter_lets_through() {
        let all = summary("");
        assert_eq!(counts(&all, Group::Label), [("chair", 2), ("lamp", 2), ("side table", 1)]);
        assert_eq!(counts(&all, Group::Verdict), [("unreviewed", 2), ("accepted", 1), ("rejected", 1), ("unsure", 1)]);
        assert_eq!(counts(&all, Group::Reason), [("duplicate", 1)]);
        let chairs = summary("label:chair is:kept");
        assert_eq!(counts(&chairs, Group::Label), [("chair", 1), ("lamp", 1)], "its own words do not narrow it");
        assert_eq!(counts(&chairs, Group::Gate), [("kept", 1), ("verify", 1)]);
        assert_eq!(counts(&chairs, Group::Verdict), [("accepted", 1)]);
        let on: Vec<&Value> = chairs.facets.iter().flat_map(|f| &f.values).filter(|v| v.on).collect();
        assert_eq!(on.iter().map(|v| v.word.as_str()).collect::<Vec<_>>(), ["kept", "chair"]);
    }

    #[test]
    fn histograms_count_into_bins() {
        let s = summary("score:0.5.. is:kept,verify");
        let h = s.histograms.iter().find(|h| h.measure == Measure::Score).unwrap();
        let at = |bin: usize| h.counts[bin];
        assert_eq!([at(19), at(12), at(8), h.counts.iter().sum()], [2, 1, 1, 4], "its own range does not narrow it");
        assert_eq!(h.brushed, Some(Range { low: Some(0.5), high: None }));
        assert!(s.histograms.iter().all(|h| h.measure != Measure::Fit), "nothing is known of it");
        assert_eq!(h.range(0.7, 0.298), Range { low: Some(0.3), high: Some(0.7) });
        assert_eq!(h.range(-1.0, 0.5), Range { low: None, high: Some(0.5) });
    }

    #[test]
    fn volumes_are_binned_by_their_logarithm() {
        let mut items = items();
        for (item, volume) in items.values_mut().zip([0.001, 0.01, 0.1, 1.0, 10.0]) {
            item.instance.obb.size.x = volume;
        }
        let s = Summary::new(&items, &Filter::default(), &Context::default());
        let h = s.histograms.iter().find(|h| h.measure == Measure::Size).unwrap();
        assert!((h.place(0.1) - 0.5).abs() < 1e-9 && (h.value_at(0.25) - 0.01).abs() < 1e-12);
        assert_eq!(h.counts.iter().sum::<usize>(), 5);
        assert_eq!((h.counts[0], h.counts[19]), (1, 1));
        assert_eq!(h.value_at(0.3), 0.016);
    }

    #[test]
    fn clicks_edit_the_filter() {
        let f = |t: &str| Filter::parse(t).unwrap();
        let click = |t: &str, group, word: &str| toggled(&f(t), group, word).to_string();
        assert_eq!(click("oak", Group::Label, "side table"), "oak label:\"side table\"");
        assert_eq!(click("label:chair oak", Group::Label, "lamp"), "label:chair,lamp oak");
        assert_eq!(click("label:chair,lamp oak", Group::Label, "chair"), "label:lamp oak");
        assert_eq!(click("label:lamp oak", Group::Label, "lamp"), "oak");
        assert_eq!(click("is:kept", Group::Verdict, "unsure"), "is:kept is:unsure");
        assert_eq!(click("-is:kept", Group::Gate, "kept"), "-is:kept is:kept", "what is excluded stays so");
        assert_eq!(click("", Group::Reason, "box"), "reason:box");
        let range = |low, high| Some(Range { low, high });
        assert_eq!(
            brushed(&f("a score:0.1.. b"), Measure::Score, range(Some(0.3), Some(0.7))).to_string(),
            "a score:0.3..0.7 b"
        );
        assert_eq!(brushed(&f("a score:0.1.."), Measure::Score, None).to_string(), "a");
        assert_eq!(brushed(&f("a"), Measure::Views, range(None, None)).to_string(), "a");
    }
}
