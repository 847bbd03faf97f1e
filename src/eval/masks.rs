//! Accuracy of 2D masks.

use super::truth::{IdMap, Truth, TruthBox, nearest};
use super::{EvalError, Progress, Report, View};
use crate::scene::FrameMasks;
use crate::scene::folder::SceneFolder;
use std::collections::BTreeMap;

/// Pixels over all images.
#[derive(Default)]
pub(super) struct Counts {
    /// Of each true object, in each image that shows it.
    seen: BTreeMap<u32, Vec<u64>>,
    /// Of each instance.
    instance: BTreeMap<u32, u64>,
    /// Of each instance on each true object.
    both: BTreeMap<(u32, u32), u64>,
}

impl Counts {
    /// Number of images that show at least `pixels` of a true object.
    pub(super) fn images_with(&self, id: u32, pixels: u64) -> usize {
        self.seen.get(&id).map_or(0, |images| images.iter().filter(|n| **n >= pixels).count())
    }

    fn add(&mut self, other: Self) {
        for (id, images) in other.seen {
            self.seen.entry(id).or_default().extend(images);
        }
        for (id, n) in other.instance {
            *self.instance.entry(id).or_default() += n;
        }
        for (pair, n) in other.both {
            *self.both.entry(pair).or_default() += n;
        }
    }

    /// IoU of an object with the instance whose masks fit it best.
    fn best_iou(&self, id: u32) -> f64 {
        let truth: u64 = self.seen.get(&id).map_or(0, |images| images.iter().sum());
        let iou = |(instance, pixels): (&u32, &u64)| {
            let both = self.both.get(&(*instance, id)).copied().unwrap_or(0);
            both as f64 / (pixels + truth - both).max(1) as f64
        };
        self.instance.iter().map(iou).fold(0.0, f64::max)
    }
}

/// Counts the pixels of true objects and of instances, and where they meet.
pub(super) fn count(
    scene: &SceneFolder,
    truth: &Truth,
    views: &[View],
    progress: &mut Progress,
    report: &mut Report,
) -> Result<Counts, EvalError> {
    let counted = progress.each(views, |view| {
        let Some(map) = truth.instance_map(&view.stem)? else { return Ok(None) };
        let masks = scene.masks_path(&view.stem).is_file().then(|| scene.read_masks(&view.stem)).transpose()?;
        Ok(Some(count_one(&map, masks.as_ref())))
    })?;
    let missing = counted.iter().filter(|c| c.is_none()).count();
    if missing > 0 {
        report.note(format!("{missing} images have no instance map in the ground truth"));
    }
    let mut sum = Counts::default();
    counted.into_iter().flatten().for_each(|c| sum.add(c));
    Ok(sum)
}

fn count_one(map: &IdMap, masks: Option<&FrameMasks>) -> Counts {
    let mut counts = Counts::default();
    for (id, n) in histogram(map.ids.iter().copied()) {
        counts.seen.insert(id, vec![n]);
    }
    for mask in masks.iter().flat_map(|m| &m.masks) {
        let (w, h) = (mask.segmentation.width as usize, mask.segmentation.height as usize);
        let set = mask.segmentation.decode();
        if set.is_empty() {
            continue;
        }
        let under = (0..map.height).flat_map(|y| {
            let (row, set) = (nearest(y, h, map.height) * w, &set);
            (0..map.width)
                .filter(move |x| set[row + nearest(*x, w, map.width)])
                .map(move |x| map.ids[y * map.width + x])
        });
        let area = counts.instance.entry(mask.instance_id).or_default();
        for (id, n) in histogram(under) {
            *area += n;
            *counts.both.entry((mask.instance_id, id)).or_default() += n;
        }
    }
    counts
}

/// How often each id occurs, ids ascending.
fn histogram(ids: impl Iterator<Item = u16>) -> Vec<(u32, u64)> {
    let mut bins = vec![0u64; 1 << 16];
    ids.for_each(|id| bins[usize::from(id)] += 1);
    (0u32..).zip(bins).filter(|(_, n)| *n > 0).collect()
}

pub(super) fn score(counts: &Counts, asked: &[&TruthBox], report: &mut Report) {
    if asked.is_empty() {
        return;
    }
    let ious: Vec<f64> = asked.iter().map(|b| counts.best_iou(b.id)).collect();
    for (object, iou) in report.objects.iter_mut().zip(&ious) {
        object.mask_iou = Some(*iou);
    }
    let definition = "mean over the true objects of the IoU with the best instance, pixels summed over all images";
    report.add("mask_iou_2d", ious.iter().sum::<f64>() / ious.len() as f64, "", definition);
}
