//! A review beside something else: another reviewer's, another run of the same scene, or what the pipeline found.

use super::{Reviewed, Verdict};
use crate::scene::{Instance, OrientedBox};
use std::collections::{BTreeMap, BTreeSet};

/// Two boxes that overlap by less (IoU) are two things.
pub const SAME_THING: f64 = 0.25;

/// Boxes that overlap by more (IoU) are the same box, but for rounding.
const SAME_BOX: f64 = 0.999;

/// What differs between two versions of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its label is another: before and after.
    pub label: Option<(String, String)>,
    /// Its caption is another.
    pub caption: Option<(String, String)>,
    /// Exact IoU of the boxes, where they are not the same.
    pub box_iou: Option<f64>,
}

impl Difference {
    fn between(before: &Instance, after: &Instance) -> Self {
        let text = |a: &String, b: &String| (a != b).then(|| (a.clone(), b.clone()));
        let iou = if before.obb == after.obb { 1.0 } else { before.obb.iou(&after.obb) };
        Self {
            label: text(&before.label, &after.label),
            caption: text(&before.caption, &after.caption),
            box_iou: (iou < SAME_BOX).then_some(iou),
        }
    }

    /// Whether nothing differs.
    pub fn is_none(&self) -> bool {
        self.label.is_none() && self.caption.is_none() && self.box_iou.is_none()
    }
}

/// What became of the things of one set in another.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// In both: the id here, the id there, and what differs (from there to here).
    pub pairs: Vec<(u32, u32, Difference)>,
    /// Only here.
    pub new: Vec<u32>,
    /// Only there.
    pub gone: Vec<u32>,
}

/// Pairs of boxes of two sets that overlap by at least `least` (exact IoU), each in one pair: by falling IoU, then ids.
pub fn overlapping(here: &[(u32, OrientedBox)], there: &[(u32, OrientedBox)], least: f64) -> Vec<(u32, u32, f64)> {
    let all = here.iter().flat_map(|a| there.iter().map(move |b| (a.0, b.0, a.1.iou(&b.1))));
    let mut all: Vec<(u32, u32, f64)> = all.filter(|p| p.2 >= least).collect();
    all.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    let (mut used_here, mut used_there) = (BTreeSet::new(), BTreeSet::new());
    all.retain(|(a, b, _)| {
        let free = !used_here.contains(a) && !used_there.contains(b);
        if free {
            used_here.insert(*a);
            used_there.insert(*b);
        }
        free
    });
    all
}

/// Compares with the instances of another run of the same scene, by overlap: `there` is brought into this world already.
pub fn with_run(here: &BTreeMap<u32, Reviewed>, there: &BTreeMap<u32, Instance>) -> Changes {
    let mine: Vec<_> = here.values().map(|r| (r.instance.id, r.instance.obb)).collect();
    let theirs: Vec<_> = there.values().map(|i| (i.id, i.obb)).collect();
    let pairs = overlapping(&mine, &theirs, SAME_THING);
    let (paired, met): (BTreeSet<u32>, BTreeSet<u32>) = pairs.iter().map(|p| (p.0, p.1)).unzip();
    let difference =
        |(a, b, _): &(u32, u32, f64)| Some((*a, *b, Difference::between(there.get(b)?, &here.get(a)?.instance)));
    Changes {
        pairs: pairs.iter().filter_map(difference).collect(),
        new: here.keys().copied().filter(|id| !paired.contains(id)).collect(),
        gone: there.keys().copied().filter(|id| !met.contains(id)).collect(),
    }
}

/// Compares with what the pipeline found: the same ids are the same things.
pub fn with_found(here: &BTreeMap<u32, Reviewed>, found: &BTreeMap<u32, Instance>) -> Changes {
    let both = here.iter().filter_map(|(id, r)| Some((*id, *id, Difference::between(found.get(id)?, &r.instance))));
    Changes {
        pairs: both.collect(),
        new: here.keys().copied().filter(|id| !found.contains_key(id)).collect(),
        gone: found.keys().copied().filter(|id| !here.contains_key(id)).collect(),
    }
}

/// How far two reviewers of the same instances agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Of the instances that both accepted or rejected: `[mine][theirs]`, accepted first.
    pub table: [[usize; 2]; 2],
    /// Cohen's kappa of that table; `None` where it is not defined, since nobody or chance alone could disagree.
    pub kappa: Option<f64>,
    /// Of the instances that both accepted: median exact IoU of the boxes.
    pub median_box_iou: Option<f64>,
    /// Of the instances that both accepted: mean edit distance of the captions (Levenshtein, over the length of the
    /// longer one), 0 is the same.
    pub mean_caption_distance: Option<f64>,
    /// Where they differ, by id.
    pub conflicts: Vec<Conflict>,
}

/// An instance that two reviewers see differently.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// Its id.
    pub id: u32,
    /// My verdict and theirs, where one accepted and the other rejected.
    pub verdicts: Option<(Verdict, Verdict)>,
    /// Whether it is in the scene of only one of them; then it is in mine (`true`) or theirs.
    pub only_mine: Option<bool>,
    /// What else differs (from mine to theirs).
    pub difference: Difference,
}

/// Cohen's kappa (Cohen 1960, eq. 1) of a table `[mine][theirs]`: (po - pe) / (1 - pe), po the share of equal answers and
/// pe that expected by chance. `None` where pe is 1 or the table is empty.
pub fn kappa(table: &[[usize; 2]; 2]) -> Option<f64> {
    let n: usize = table.iter().flatten().sum();
    if n == 0 {
        return None;
    }
    let share = |count: usize| count as f64 / n as f64;
    let observed = share(table[0][0] + table[1][1]);
    let row = |k: usize| share(table[k][0] + table[k][1]);
    let column = |k: usize| share(table[0][k] + table[1][k]);
    let chance = row(0) * column(0) + row(1) * column(1);
    (chance < 1.0).then(|| (observed - chance) / (1.0 - chance))
}

/// Compares two reviews of the same instances.
pub fn agreement(mine: &BTreeMap<u32, Reviewed>, theirs: &BTreeMap<u32, Reviewed>) -> Agreement {
    let mut table = [[0; 2]; 2];
    let (mut ious, mut distances, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
    let ids: BTreeSet<u32> = mine.keys().chain(theirs.keys()).copied().collect();
    let said = |v: Verdict| match v {
        Verdict::Accepted => Some(0),
        Verdict::Rejected => Some(1),
        Verdict::Unreviewed | Verdict::Unsure => None,
    };
    for id in ids {
        let (a, b) = match (mine.get(&id), theirs.get(&id)) {
            (Some(a), Some(b)) => (a, b),
            (a, b) => {
                let nothing = Difference { label: None, caption: None, box_iou: None };
                let seen = a.or(b).map(|r| said(r.verdict).is_some()).unwrap_or_default();
                // What nobody has decided about is no conflict: the other may not have come that far.
                if seen || a.is_none() {
                    let only_mine = Some(a.is_some());
                    conflicts.push(Conflict { id, verdicts: None, only_mine, difference: nothing });
                }
                continue;
            }
        };
        let (Some(i), Some(k)) = (said(a.verdict), said(b.verdict)) else { continue };
        table[i][k] += 1;
        let difference = Difference::between(&a.instance, &b.instance);
        if (i, k) == (0, 0) {
            ious.push(difference.box_iou.unwrap_or(1.0));
            distances.push(1.0 - strsim::normalized_levenshtein(&a.instance.caption, &b.instance.caption));
        }
        let verdicts = (i != k).then_some((a.verdict, b.verdict));
        // What both rejected does not matter any more.
        if verdicts.is_some() || (i == 0 && !difference.is_none()) {
            conflicts.push(Conflict { id, verdicts, only_mine: None, difference });
        }
    }
    ious.sort_by(f64::total_cmp);
    let median = |v: &[f64]| Some(0.5 * (v.get((v.len().checked_sub(1)?) / 2)? + v.get(v.len() / 2)?));
    let mean = (!distances.is_empty()).then(|| distances.iter().sum::<f64>() / distances.len() as f64);
    Agreement { table, kappa: kappa(&table), median_box_iou: median(&ious), mean_caption_distance: mean, conflicts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::tests::instance;

    #[test]
    fn kappa_of_the_textbook() {
        // Two readers of 50 proposals: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: po 0.7, pe 0.5, kappa 0.4.
        assert!((kappa(&[[20, 5], [10, 15]]).unwrap() - 0.4).abs() < 1e-12);
        assert_eq!(kappa(&[[7, 0], [0, 3]]), Some(1.0));
        assert_eq!((kappa(&[[7, 0], [0, 0]]), kappa(&[[0; 2]; 2])), (None, None));
        assert!((kappa(&[[0, 5], [5, 0]]).unwrap() + 1.0).abs() < 1e-12);
    }

    fn items(rows: &[(u32, Verdict)]) -> BTreeMap<u32, Reviewed> {
        rows.iter().map(|(id, verdict)| (*id, Reviewed { verdict: *verdict, ..Reviewed::new(instance(*id)) })).collect()
    }

    #[test]
    fn two_reviewers() {
        use Verdict::*;
        let mut mine = items(&[(1, Accepted), (2, Accepted), (3, Rejected), (4, Accepted), (5, Unsure), (6, Accepted)]);
        let mut theirs = items(&[(1, Accepted), (2, Rejected), (3, Rejected), (4, Accepted), (5, Accepted)]);
        // Half a side along one axis: IoU 1/3. "kitten" to "sitting" takes three edits of seven letters.
        mine.get_mut(&4).unwrap().instance.caption = "kitten".into();
        let four = theirs.get_mut(&4).unwrap();
        four.instance.caption = "sitting".into();
        four.instance.obb.center += four.instance.obb.rotation * nalgebra::Vector3::new(0.5, 0.0, 0.0);
        theirs.get_mut(&3).unwrap().instance.label = "of no matter".into();
        let a = agreement(&mine, &theirs);
        assert_eq!(a.table, [[2, 1], [0, 1]]);
        // po 3/4, pe (3/4 2/4 + 1/4 2/4) = 1/2.
        assert!((a.kappa.unwrap() - 0.5).abs() < 1e-12);
        assert!((a.median_box_iou.unwrap() - (1.0 + 1.0 / 3.0) / 2.0).abs() < 1e-9);
        assert!((a.mean_caption_distance.unwrap() - 0.5 * 3.0 / 7.0).abs() < 1e-12);
        let conflicts: Vec<_> = a.conflicts.iter().map(|c| (c.id, c.verdicts, c.only_mine)).collect();
        assert_eq!(conflicts, [(2, Some((Accepted, Rejected)), None), (4, None, None), (6, None, Some(true))]);
        let none = agreement(&BTreeMap::new(), &BTreeMap::new());
        assert_eq!((none.kappa, none.median_box_iou, none.mean_caption_distance), (None, None, None));
    }

    #[test]
    fn another_run_of_the_scene() {
        let here = items(&[(1, Verdict::Accepted), (2, Verdict::Unreviewed), (3, Verdict::Unreviewed)]);
        let at = |id: u32, like: u32, off: f64| {
            let mut i = Instance { id, ..instance(like) };
            i.obb.center.z += off;
            i
        };
        let there: BTreeMap<u32, Instance> =
            [at(7, 1, 0.0), at(8, 2, 0.5), at(9, 4, 0.0)].into_iter().map(|i| (i.id, i)).collect();
        let changes = with_run(&here, &there);
        assert_eq!((&changes.new[..], &changes.gone[..]), (&[3][..], &[9][..]));
        let pairs: Vec<_> = changes.pairs.iter().map(|(a, b, d)| (*a, *b, d.is_none())).collect();
        assert_eq!(pairs, [(1, 7, true), (2, 8, false)]);
        assert!((changes.pairs[1].2.box_iou.unwrap() - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn pairs_are_the_best_and_each_thing_is_in_one() {
        let b = |x: f64| OrientedBox::upright([x, 0.0, 0.0].into(), [1.0; 3].into(), 0.0);
        let pairs = overlapping(&[(1, b(0.0)), (2, b(0.3))], &[(5, b(0.25)), (6, b(0.9))], 0.1);
        assert_eq!(pairs.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>(), [(2, 5)]);
        let pairs = overlapping(&[(1, b(0.0)), (2, b(0.3))], &[(5, b(0.25)), (6, b(-0.2))], 0.1);
        assert_eq!(pairs.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>(), [(2, 5), (1, 6)]);
    }
}
