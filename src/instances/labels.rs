//! Names: which mean the same in this scene, and which one a thing gets.

use std::collections::BTreeMap;

/// Groups of labels whose masks cover the same things.
pub(crate) struct Synonyms {
    root: BTreeMap<String, String>,
}

/// Fewest matches of two names, and their least share of the matches of the rarer one.
const LEAST_MATCHES: usize = 3;
const LEAST_SHARE: f64 = 0.2;

impl Synonyms {
    /// Every label means only itself.
    pub(crate) fn none() -> Self {
        Self { root: BTreeMap::new() }
    }

    /// Learns from pairs of masks of different views that cover the same thing: names that take each other's place in a
    /// good share of the matches of the rarer one are synonyms. Structural names are nobody's.
    pub(crate) fn learn<'a>(matches: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut count: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut total: BTreeMap<&str, usize> = BTreeMap::new();
        for (a, b) in matches {
            *count.entry((a.min(b), a.max(b))).or_default() += 1;
            *total.entry(a).or_default() += 1;
            if a != b {
                *total.entry(b).or_default() += 1;
            }
        }
        let mut s = Self::none();
        for ((a, b), n) in count {
            let rarer = total[a].min(total[b]) as f64;
            let structural = [a, b].iter().any(|l| crate::perception::is_structural(l));
            if a != b && !structural && n >= LEAST_MATCHES && n as f64 >= LEAST_SHARE * rarer {
                let (x, y) = (s.root_of(a).to_owned(), s.root_of(b).to_owned());
                let (x, y) = (x.clone().min(y.clone()), x.max(y));
                s.root.entry(x.clone()).or_insert_with(|| x.clone());
                s.root.entry(a.into()).or_insert_with(|| x.clone());
                s.root.entry(b.into()).or_insert_with(|| x.clone());
                s.root.values_mut().filter(|r| **r == y).for_each(|r| r.clone_from(&x));
            }
        }
        s
    }

    fn root_of<'a>(&'a self, label: &'a str) -> &'a str {
        self.root.get(label).map_or(label, String::as_str)
    }

    /// Whether two labels mean the same.
    pub(crate) fn same(&self, a: &str, b: &str) -> bool {
        a == b || self.root_of(a) == self.root_of(b)
    }

    /// The label of a thing: names that mean the same pool their votes, then the strongest name of the strongest pool
    /// wins; ties go to the first in the alphabet. Gives the label and the share of the votes its pool has.
    pub(crate) fn elect<'a>(&self, votes: impl Iterator<Item = (&'a str, f64)>) -> (String, f64) {
        let mut by_label: BTreeMap<&str, f64> = BTreeMap::new();
        votes.for_each(|(l, w)| *by_label.entry(l).or_default() += w);
        let mut pools: BTreeMap<&str, f64> = BTreeMap::new();
        for (l, w) in &by_label {
            *pools.entry(self.root_of(l)).or_default() += w;
        }
        let all: f64 = by_label.values().sum();
        let top = |m: &BTreeMap<&'a str, f64>| {
            m.iter().rev().max_by(|a, b| a.1.total_cmp(b.1)).map(|(l, w)| ((*l).to_owned(), *w))
        };
        let Some(pool) = pools.iter().rev().max_by(|a, b| a.1.total_cmp(b.1)).map(|p| ((*p.0).to_owned(), *p.1)) else {
            return ("object".into(), 0.0);
        };
        let own: BTreeMap<&'a str, f64> = by_label.into_iter().filter(|(l, _)| self.root_of(l) == pool.0).collect();
        let label = top(&own).map_or_else(|| "object".to_owned(), |t| t.0);
        (label, if all > 0.0 { pool.1 / all } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_names_that_take_each_others_place() {
        let mut m = vec![("sofa", "couch"); 8];
        m.extend(vec![("sofa", "sofa"); 10]);
        m.extend(vec![("couch", "couch"); 6]);
        m.extend(vec![("settee", "couch"); 4]);
        m.extend(vec![("table", "table"); 40]);
        m.extend(vec![("table", "sofa"); 2]);
        m.extend(vec![("lamp", "lamp"); 40]);
        m.extend(vec![("lamp", "table"); 5]);
        m.extend(vec![("rug", "floor"); 30]);
        let s = Synonyms::learn(m.into_iter());
        assert!(s.same("sofa", "couch") && s.same("settee", "sofa"));
        assert!(!s.same("table", "sofa") && !s.same("lamp", "table") && !s.same("rug", "floor"));
        let (label, share) = s.elect([("sofa", 2.0), ("couch", 2.5), ("table", 3.0)].into_iter());
        assert_eq!(label, "couch");
        assert!((share - 0.6).abs() < 1e-9);
        assert_eq!(s.elect(std::iter::empty()).0, "object");
    }
}
