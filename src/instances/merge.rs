//! Which masks are one thing: average-linkage clustering on how far pairs of views agree about what both see.

use super::Input;
use super::labels::Synonyms;
use super::lift::Lifted;
use crate::perception::is_structural;
use crate::scene::{Cancelled, Job};
use rayon::prelude::*;

/// Mean agreement at which groups are merged, and what agreement between different names is worth.
const MERGE: f32 = 0.4;
const OTHER_NAME: f32 = 0.65;
/// Voxels of a mask that a comparison looks at, and fewest of them that must be visible in the other view.
const SAMPLED: usize = 600;
const LEAST_COMMON: f32 = 6.0;
/// Most masks that are clustered.
const MOST_MASKS: usize = 4000;

/// Groups of masks by the ids they came with, ascending by id; masks without an id are left out.
pub(crate) fn by_id(lifted: &[Lifted]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lifted.len()).filter(|i| lifted[*i].id != 0).collect();
    order.sort_by_key(|i| (lifted[*i].id, *i));
    order.chunk_by(|a, b| lifted[*a].id == lifted[*b].id).map(<[usize]>::to_vec).collect()
}

/// How far one mask agrees with each mask of another view: of its voxels that the view sees, off the rim of the other
/// mask, the share inside it.
#[derive(Clone, Copy, Default)]
struct Share {
    inside: f32,
    judged: f32,
}

/// Groups masks by overlap, and learns which labels mean the same.
///
/// Two masks of different views are compared on what both views see: IoU of the masks over the voxels visible in both.
/// That is near 1 for two views of one thing, however little of it they share, near 0 for neighbours and for a thing
/// inside another, and about 1/2 where one of the masks is split or merged: the mean over a group outvotes those.
pub(crate) fn by_overlap(
    input: &Input,
    lifted: &[Lifted],
    job: &dyn Job,
) -> Result<(Vec<Vec<usize>>, Synonyms), Cancelled> {
    let mut chosen: Vec<usize> = (0..lifted.len()).collect();
    if chosen.len() > MOST_MASKS {
        job.warn(format!("{} masks: an even {MOST_MASKS} of them were used", chosen.len()));
        chosen = (0..MOST_MASKS).map(|i| i * lifted.len() / MOST_MASKS).collect();
    }
    let n = chosen.len();
    let shares = shares(input, lifted, &chosen);
    job.tick(2, 6)?;
    let mut sim = vec![0f32; n * n];
    let mut weight = vec![0f32; n * n];
    for a in 0..n {
        for b in a + 1..n {
            if let Some((s, w)) =
                agreement(&shares[a * n + b], &shares[b * n + a], lifted[chosen[a]].view == lifted[chosen[b]].view)
            {
                (sim[a * n + b], weight[a * n + b]) = (s, w);
            }
        }
    }
    drop(shares);
    let names: Vec<&str> = chosen.iter().map(|i| lifted[*i].label.as_str()).collect();
    let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    let synonyms = Synonyms::learn(
        pairs
            .filter(|(a, b)| sim[a * n + b] > 0.5 && lifted[chosen[*a]].view != lifted[chosen[*b]].view)
            .map(|(a, b)| (names[a], names[b])),
    );
    for a in 0..n {
        for b in a + 1..n {
            let k = a * n + b;
            if names[a] != names[b] {
                if is_structural(names[a]) || is_structural(names[b]) {
                    (sim[k], weight[k]) = (0.0, 1.0);
                } else if !synonyms.same(names[a], names[b]) {
                    sim[k] *= OTHER_NAME;
                }
            }
            sim[k] *= weight[k];
            (sim[b * n + a], weight[b * n + a]) = (sim[k], weight[k]);
        }
    }
    let groups = cluster(sim, weight, n);
    Ok((groups.into_iter().map(|g| g.into_iter().map(|i| chosen[i]).collect()).collect(), synonyms))
}

/// `shares[a * n + b]`: mask `a` judged by the view and the pixels of mask `b`.
fn shares(input: &Input, lifted: &[Lifted], chosen: &[usize]) -> Vec<Share> {
    let n = chosen.len();
    let mut by_view: Vec<Vec<usize>> = vec![Vec::new(); input.views.len()];
    chosen.iter().enumerate().for_each(|(k, i)| by_view[lifted[*i].view].push(k));
    let columns: Vec<Vec<Vec<Share>>> = by_view
        .par_iter()
        .enumerate()
        .map(|(view, here)| {
            if here.is_empty() {
                return Vec::new();
            }
            // Row of each visible voxel in a table of which masks of this view it is near to or inside.
            let mut row = vec![u32::MAX; input.cloud.len()];
            input.cloud.seen[view].iter().enumerate().for_each(|(r, h)| row[h.voxel as usize] = r as u32);
            let words = here.len();
            let mut state = vec![0u8; input.cloud.seen[view].len() * words];
            for (j, k) in here.iter().enumerate() {
                let m = &lifted[chosen[*k]];
                m.near.iter().for_each(|v| state[row[*v as usize] as usize * words + j] = 1);
                m.inside.iter().for_each(|v| state[row[*v as usize] as usize * words + j] = 2);
            }
            chosen
                .iter()
                .map(|i| {
                    let voxels = &lifted[*i].inside;
                    let step = (voxels.len() / SAMPLED).max(1);
                    let mut out = vec![Share::default(); words];
                    for v in voxels.iter().step_by(step) {
                        let r = row[*v as usize];
                        if r == u32::MAX {
                            continue;
                        }
                        for (s, t) in out.iter_mut().zip(&state[r as usize * words..][..words]) {
                            s.inside += f32::from(*t == 2);
                            s.judged += f32::from(*t != 1);
                        }
                    }
                    out
                })
                .collect()
        })
        .collect();
    let mut all = vec![Share::default(); n * n];
    for (here, column) in by_view.iter().zip(&columns) {
        for (a, row) in column.iter().enumerate() {
            for (s, b) in row.iter().zip(here) {
                all[a * n + b] = *s;
            }
        }
    }
    all
}

/// IoU over what both views see, and how much it is worth; `None` where the views share too little to tell.
fn agreement(ab: &Share, ba: &Share, same_view: bool) -> Option<(f32, f32)> {
    let share = |s: &Share| (s.judged >= LEAST_COMMON).then(|| s.inside / s.judged);
    let iou = match (share(ab), share(ba)) {
        (Some(p), Some(q)) if p > 0.0 && q > 0.0 => 1.0 / (1.0 / p + 1.0 / q - 1.0),
        (Some(_), Some(_)) => 0.0,
        // One way only: the other view saw too little of it.
        (Some(p), None) | (None, Some(p)) => 0.5 * p,
        (None, None) => return None,
    };
    // Masks of one view: two names for one thing, or two parts of it; being apart says nothing, since masks split.
    if same_view && iou < 0.5 {
        return None;
    }
    Some((iou, (ab.judged.max(LEAST_COMMON).min(ba.judged.max(LEAST_COMMON)) / 60.0).min(1.0)))
}

/// Average linkage: merges the two groups with the highest mean agreement until none reaches [`MERGE`]. `sim` holds
/// weighted agreements, `weight` their weights, both symmetric.
fn cluster(mut sim: Vec<f32>, mut weight: Vec<f32>, n: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
    let mean = |sim: &[f32], weight: &[f32], k: usize| if weight[k] > 0.15 { sim[k] / weight[k] } else { 0.0 };
    let best_of = |a: usize, sim: &[f32], weight: &[f32], groups: &[Vec<usize>]| {
        let mut best = (0f32, usize::MAX);
        for b in (0..n).filter(|b| *b != a && !groups[*b].is_empty()) {
            let s = mean(sim, weight, a * n + b);
            if s > best.0 {
                best = (s, b);
            }
        }
        best
    };
    let mut best: Vec<(f32, usize)> = (0..n).map(|a| best_of(a, &sim, &weight, &groups)).collect();
    loop {
        let top =
            (0..n).filter(|a| !groups[*a].is_empty()).max_by(|a, b| best[*a].0.total_cmp(&best[*b].0).then(b.cmp(a)));
        let Some(a) = top.filter(|a| best[*a].0 >= MERGE) else { break };
        let (a, b) = (a.min(best[a].1), a.max(best[a].1));
        let moved = std::mem::take(&mut groups[b]);
        groups[a].extend(moved);
        for c in 0..n {
            for m in [&mut sim, &mut weight] {
                m[a * n + c] += m[b * n + c];
                m[c * n + a] = m[a * n + c];
            }
        }
        best[b] = (0.0, usize::MAX);
        for c in (0..n).filter(|c| !groups[*c].is_empty()) {
            if c == a || best[c].1 == a || best[c].1 == b {
                best[c] = best_of(c, &sim, &weight, &groups);
            } else {
                let s = mean(&sim, &weight, c * n + a);
                if s > best[c].0 {
                    best[c] = (s, a);
                }
            }
        }
    }
    groups.retain(|g| !g.is_empty());
    groups.iter_mut().for_each(|g| g.sort_unstable());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_mask_does_not_glue_two_things() {
        // Masks 0-3 see one thing, 4-7 another, 8 covers both.
        let n = 9;
        let of = |i: usize| if i < 4 { 0 } else { 1 };
        let (mut sim, weight) = (vec![0f32; n * n], vec![1f32; n * n]);
        for a in 0..n {
            for b in 0..n {
                sim[a * n + b] = if a == 8 || b == 8 {
                    0.5
                } else if of(a) == of(b) {
                    0.9
                } else {
                    0.0
                };
            }
        }
        let groups = cluster(sim, weight, n);
        assert_eq!(groups.len(), 2);
        assert!(groups.iter().any(|g| g.contains(&0) && g.contains(&3) && !g.contains(&4)));
    }

    #[test]
    fn agreement_is_iou_over_what_both_see() {
        let s = |inside, judged| Share { inside, judged };
        assert!((agreement(&s(50.0, 100.0), &s(50.0, 50.0), false).unwrap().0 - 0.5).abs() < 1e-6);
        assert_eq!(agreement(&s(100.0, 100.0), &s(80.0, 80.0), false).unwrap().0, 1.0);
        assert!(agreement(&s(0.0, 2.0), &s(0.0, 3.0), false).is_none());
        assert!(agreement(&s(10.0, 100.0), &s(10.0, 100.0), true).is_none());
    }
}
