//! Instances seen from a camera that took no photo.

use crate::scene::{Camera, DepthMap, FrameMasks};
use rayon::prelude::*;

/// Share of the depth by which two views may differ on the same surface.
const SAME_SURFACE: f64 = 0.03;

/// Instance id of every pixel of `camera`, row-major; 0 where there is none. Each pixel's point, at `depth`, is looked
/// up in every view that sees the same surface there; most votes win, the smaller id on a tie, and "no instance" has a
/// vote too. `cameras`, `depths` and `masks` belong together by index.
pub fn seen_from(
    camera: &Camera,
    depth: &DepthMap,
    cameras: &[Camera],
    depths: &[DepthMap],
    masks: &[FrameMasks],
) -> Vec<u32> {
    let maps: Vec<Vec<u32>> = masks.par_iter().map(id_map).collect();
    let w = depth.width as usize;
    (0..depth.data.len())
        .into_par_iter()
        .map(|i| {
            let z = f64::from(depth.data[i]);
            if z <= 0.0 {
                return 0;
            }
            let point = camera.unproject((i % w) as f64 + 0.5, (i / w) as f64 + 0.5, z);
            let mut votes: Vec<u32> = cameras
                .iter()
                .zip(depths)
                .zip(&maps)
                .filter_map(|((c, d), ids)| {
                    let (u, v, z) = c.project(&point)?;
                    let own = f64::from(d.at(u.floor() as i64, v.floor() as i64));
                    let same = own > 0.0 && (own - z).abs() < SAME_SURFACE * z;
                    same.then(|| ids.get(v as usize * d.width as usize + u as usize).copied()).flatten()
                })
                .collect();
            most(&mut votes)
        })
        .collect()
}

/// The most frequent value, the smallest of several; 0 for none.
fn most(votes: &mut [u32]) -> u32 {
    votes.sort_unstable();
    votes
        .chunk_by(|a, b| a == b)
        .fold((0, 0), |best, run| if run.len() > best.1 { (run[0], run.len()) } else { best })
        .0
}

/// Instance ids of an image, row-major; where masks overlap the smaller one is on top.
fn id_map(masks: &FrameMasks) -> Vec<u32> {
    let mut order: Vec<_> = masks.masks.iter().collect();
    order.sort_by_key(|m| (std::cmp::Reverse(m.segmentation.area()), m.instance_id));
    let mut out = vec![0; masks.width as usize * masks.height as usize];
    for mask in order {
        mask.segmentation.for_each_run(|x, y0, y1| {
            for y in y0..y1 {
                if let Some(id) = out.get_mut(y * masks.width as usize + x) {
                    *id = mask.instance_id;
                }
            }
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majority_wins_and_ties_go_to_the_smaller_id() {
        assert_eq!(most(&mut [3, 1, 3]), 3);
        assert_eq!(most(&mut [4, 2]), 2);
        assert_eq!(most(&mut []), 0);
    }
}
