//! The final masks: those given, and the thing drawn from 3D where a view shows it and its mask is missing or wrong.

use super::lift::Lifted;
use super::{Input, Track};
use crate::perception::geometric::pixel_labels;
use crate::perception::is_structural;
use crate::scene::{Cancelled, FrameMasks, Instance, Job, Mask2d, Rle};
use rayon::prelude::*;

/// IoU with the drawn mask from which a given one is believed; share of a thing that must show to draw it.
const BELIEVED: f64 = 0.6;
const SHOWS: f64 = 0.1;

/// One entry per view. `order[i]` is the track of instance `i`. Where the masks came with ids they are drawn from 3D
/// already and are only renamed.
pub(crate) fn masks(
    input: &Input,
    lifted: &[Lifted],
    tracks: &[Track],
    order: &[usize],
    instances: &[Instance],
    given: bool,
    job: &dyn Job,
) -> Result<Vec<FrameMasks>, Cancelled> {
    let mut of = vec![0u32; input.cloud.len()];
    if !given {
        // Small things lie on large ones and are drawn over them.
        let mut by_size: Vec<usize> = (0..order.len()).filter(|i| instances[*i].score >= 0.1).collect();
        by_size.sort_by_key(|i| (is_structural(&instances[*i].label), tracks[order[*i]].voxels.len(), *i));
        for i in by_size.into_iter().rev() {
            let first = !is_structural(&instances[i].label);
            tracks[order[i]].voxels.iter().for_each(|v| {
                if first || of[*v as usize] == 0 {
                    of[*v as usize] = i as u32 + 1;
                }
            });
        }
    }
    let mut instance_of = vec![0u32; lifted.len()];
    for (i, t) in order.iter().enumerate() {
        tracks[*t].masks.iter().for_each(|m| instance_of[*m] = i as u32 + 1);
    }
    let mut out = Vec::with_capacity(input.views.len());
    for chunk in (0..input.views.len()).collect::<Vec<_>>().chunks(8) {
        job.tick(5, 6)?;
        let part: Vec<FrameMasks> =
            chunk.par_iter().map(|v| one_view(input, lifted, &instance_of, instances, &of, *v, given)).collect();
        out.extend(part);
    }
    Ok(out)
}

fn one_view(
    input: &Input,
    lifted: &[Lifted],
    instance_of: &[u32],
    instances: &[Instance],
    of: &[u32],
    view: usize,
    given: bool,
) -> FrameMasks {
    let frame = &input.masks[view];
    let (w, h) = (frame.width, frame.height);
    let pixels = (w * h) as usize;
    let mut bits: Vec<(u32, Vec<bool>, f64)> = Vec::new();
    for (k, m) in lifted.iter().enumerate().filter(|(k, m)| m.view == view && instance_of[*k] != 0) {
        let rle = &frame.masks[m.mask].segmentation;
        match bits.iter_mut().find(|b| b.0 == instance_of[k]) {
            Some(b) => {
                rle.decode().iter().zip(&mut b.1).for_each(|(m, t)| *t |= m);
                b.2 = b.2.max(m.score);
            }
            None => bits.push((instance_of[k], rle.decode(), m.score)),
        }
    }
    if !given && (w, h) == input.views[view].image.dimensions() {
        let drawn = pixel_labels(input.cloud, &input.views[view], view, of);
        let mut area = vec![0usize; instances.len() + 1];
        drawn.iter().for_each(|l| area[*l as usize] += 1);
        let mut seen = vec![0usize; instances.len() + 1];
        let mut all = vec![0usize; instances.len() + 1];
        of.iter().for_each(|l| all[*l as usize] += 1);
        input.cloud.seen[view].iter().for_each(|h| seen[of[h.voxel as usize] as usize] += 1);
        for id in 1..=instances.len() as u32 {
            let i = id as usize;
            let shows = area[i] >= pixels / 4000
                && seen[i] as f64 >= SHOWS * all[i] as f64
                && !is_structural(&instances[i - 1].label);
            if !shows {
                continue;
            }
            let mine = drawn.iter().map(|l| *l == id);
            match bits.iter_mut().find(|b| b.0 == id) {
                Some(b) => {
                    let common = b.1.iter().zip(mine.clone()).filter(|(m, d)| **m && *d).count() as f64;
                    let either = b.1.iter().zip(mine.clone()).filter(|(m, d)| **m || *d).count() as f64;
                    if common < BELIEVED * either {
                        b.1 = mine.collect();
                    }
                }
                None => bits.push((id, mine.collect(), instances[i - 1].score)),
            }
        }
    }
    bits.sort_by_key(|b| b.0);
    let masks = bits
        .into_iter()
        .map(|(id, b, score)| Mask2d {
            instance_id: id,
            label: instances[id as usize - 1].label.clone(),
            score,
            segmentation: Rle::encode(w, h, &b),
        })
        .collect();
    FrameMasks { image: frame.image.clone(), width: w, height: h, masks }
}
