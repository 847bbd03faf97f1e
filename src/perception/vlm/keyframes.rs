//! Which photos a model is asked about: few that together see nearly everything.

use crate::perception::cloud::Cloud;

/// Photos that are asked about at most.
const MOST: usize = 24;
/// Share of what can be seen that the key frames are to see, 0..1: the rest is specks at the rim of the scene.
const ENOUGH: f64 = 0.95;
/// Key frames that are to see each place where as many views do: a box counts where several views agree on it.
const TIMES: u8 = 2;

/// Indices of the views to ask about, ascending: views are taken while they see the most of what still lacks a view
/// (greedy set cover), until nearly every voxel is seen twice, or once where only one view sees it. 24 at most.
pub fn key_frames(cloud: &Cloud) -> Vec<usize> {
    let seen: Vec<Vec<u32>> = cloud.seen.iter().map(|hits| hits.iter().map(|h| h.voxel).collect()).collect();
    covering(&seen, cloud.len())
}

/// As [`key_frames`], from the voxels that each view sees, of `voxels` in all.
fn covering(seen: &[Vec<u32>], voxels: usize) -> Vec<usize> {
    let mut lacking = vec![0u8; voxels];
    for v in seen.iter().flatten() {
        lacking[*v as usize] = (lacking[*v as usize] + 1).min(TIMES);
    }
    let all: u64 = lacking.iter().map(|n| u64::from(*n)).sum();
    let (mut left, mut chosen) = (all, Vec::new());
    while chosen.len() < MOST && left as f64 > (1.0 - ENOUGH) * all as f64 {
        let gain = |i: &usize| seen[*i].iter().filter(|v| lacking[**v as usize] > 0).count();
        let free = (0..seen.len()).filter(|i| !chosen.contains(i));
        // Of equals the earliest.
        let Some((gained, Some(best))) = free.map(|i| (gain(&i), Some(i))).reduce(|a, b| if b.0 > a.0 { b } else { a })
        else {
            break;
        };
        if gained == 0 {
            break;
        }
        seen[best].iter().for_each(|v| lacking[*v as usize] = lacking[*v as usize].saturating_sub(1));
        left -= gained as u64;
        chosen.push(best);
    }
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perception::testing::{room, views};
    use crate::scene::Quiet;

    #[test]
    fn few_views_that_see_everything_are_taken() {
        // One view sees all, the others parts of it: the wide one, and then the two that see it all once more.
        let wide: Vec<u32> = (0..100).collect();
        let seen = [(0..10).collect(), wide.clone(), (10..50).collect(), (5..50).collect(), (50..100).collect()];
        assert_eq!(covering(&seen, 100), [1, 3, 4]);
        assert_eq!(covering(&[wide.clone(), wide.clone(), wide], 100), [0, 1]);
        assert!(covering(&[], 0).is_empty());
        assert!(covering(&[vec![], vec![]], 5).is_empty());
    }

    #[test]
    fn there_is_a_limit_to_their_number() {
        let seen: Vec<Vec<u32>> = (0..100).map(|i| vec![i]).collect();
        assert_eq!(covering(&seen, 100), (0..MOST).collect::<Vec<_>>());
    }

    #[test]
    fn key_frames_of_a_room_see_nearly_all_of_it() {
        let shots = room(0.0);
        let views = views(&shots);
        let cloud = Cloud::fuse(&views, 1.0, &Quiet).unwrap();
        let frames = key_frames(&cloud);
        assert!(frames.len() >= 2 && frames.len() < views.len(), "{frames:?}");
        let mut covered = vec![false; cloud.len()];
        frames.iter().flat_map(|f| &cloud.seen[*f]).for_each(|h| covered[h.voxel as usize] = true);
        let share = covered.iter().filter(|c| **c).count() as f64 / cloud.len() as f64;
        assert!(share >= 0.9, "{share}");
    }
}
