//! The photos that show an instance best.

use super::Reviewed;
use crate::scene::{FrameMasks, Rle};

/// A photo that shows an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct BestView {
    /// Stem of the photo.
    pub image: String,
    /// Its index among the masks.
    pub frame: usize,
    /// Share of the photo that the masks cover, times how central they are (0..1), times the best score of them.
    pub rank: f64,
    /// Around the masks, `[x0, y0, x1, y1)`, pixels of the masks.
    pub bounds: [u32; 4],
}

/// At most `most` photos that show `item` best, the best first. `frame_of` gives the index in `masks` of a stem.
///
/// Rank: visible mask area x centring x mask score; centring is `1 - |2c/n - 1|` across times the same down, `c` the middle
/// of the masks and `n` the size of the photo, and never below 0.05.
pub fn best_views(
    item: &Reviewed,
    masks: &[FrameMasks],
    frame_of: impl Fn(&str) -> Option<usize>,
    most: usize,
) -> Vec<BestView> {
    let mut found: Vec<BestView> = item
        .instance
        .views
        .iter()
        .filter_map(|v| {
            let frame = frame_of(&v.image)?;
            rank(item, masks.get(frame)?, frame, &v.image)
        })
        .collect();
    found.sort_by(|a, b| b.rank.total_cmp(&a.rank).then_with(|| a.image.cmp(&b.image)));
    found.truncate(most);
    found
}

/// The masks of an instance in a photo with their scores: those that it has or has taken in, and those that a reviewer
/// drew. What a plane has cut off is still there.
pub fn own_masks<'a>(item: &'a Reviewed, frame: &'a FrameMasks, image: &str) -> Vec<(&'a Rle, f64)> {
    let mine = |id: u32| id != 0 && item.masks.iter().any(|part| part.of == id);
    let given = frame.masks.iter().filter(|m| mine(m.instance_id)).map(|m| (&m.segmentation, m.score));
    let drawn = item.masks.iter().flat_map(|part| &part.drawn).filter(|d| d.image == image);
    given.chain(drawn.map(|d| (&d.segmentation, 1.0))).collect()
}

fn rank(item: &Reviewed, frame: &FrameMasks, index: usize, image: &str) -> Option<BestView> {
    let masks = own_masks(item, frame, image);
    let (mut n, mut sum) = (0.0, [0.0; 2]);
    let mut bounds = [u32::MAX, u32::MAX, 0, 0];
    for (mask, _) in &masks {
        mask.for_each_run(|x, y0, y1| {
            let length = (y1 - y0) as f64;
            n += length;
            sum[0] += length * (x as f64 + 0.5);
            sum[1] += length * 0.5 * (y0 + y1) as f64;
        });
        if let Some(b) = mask.bounds() {
            bounds = [bounds[0].min(b[0]), bounds[1].min(b[1]), bounds[2].max(b[2]), bounds[3].max(b[3])];
        }
    }
    let size = [f64::from(frame.width), f64::from(frame.height)];
    if n <= 0.0 || size.iter().any(|s| *s <= 0.0) {
        return None;
    }
    let central = |k: usize| (1.0 - (2.0 * sum[k] / n / size[k] - 1.0).abs()).max(0.05);
    let score = masks.iter().map(|m| m.1).fold(0.0, f64::max);
    let rank = n / (size[0] * size[1]) * central(0) * central(1) * score;
    Some(BestView { image: image.to_owned(), frame: index, rank, bounds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::tests::instance;
    use crate::review::{DrawnMask, MaskPart};
    use crate::scene::{InstanceView, Mask2d};

    /// A photo of 10 x 10 pixels with a rectangle of each id: `[x0, y0, x1, y1)`.
    fn frame(name: &str, rects: &[(u32, f64, [u32; 4])]) -> FrameMasks {
        let mask = |(id, score, r): &(u32, f64, [u32; 4])| {
            let inside = |i: u32| (r[0]..r[2]).contains(&(i % 10)) && (r[1]..r[3]).contains(&(i / 10));
            let segmentation = Rle::encode(10, 10, &(0..100).map(inside).collect::<Vec<_>>());
            Mask2d { instance_id: *id, label: String::new(), score: *score, segmentation }
        };
        FrameMasks { image: name.into(), width: 10, height: 10, masks: rects.iter().map(mask).collect() }
    }

    fn item(id: u32) -> Reviewed {
        let mut item = Reviewed::new(instance(id));
        let view = |k: usize| InstanceView { image: format!("p{k}"), mask_score: 1.0, visible_fraction: 1.0 };
        item.instance.views = (0..5).map(view).collect();
        item
    }

    fn ranked(item: &Reviewed, masks: &[FrameMasks], most: usize) -> Vec<(usize, f64)> {
        let frame_of = |stem: &str| stem.strip_prefix('p')?.parse().ok();
        let views = best_views(item, masks, frame_of, most);
        views.iter().map(|v| (v.frame, (v.rank * 1e6).round() / 1e6)).collect()
    }

    #[test]
    fn large_central_and_sure_masks_first() {
        let masks = [
            frame("p0", &[(1, 1.0, [4, 4, 6, 6]), (2, 1.0, [0, 0, 10, 10])]),
            frame("p1", &[(1, 1.0, [0, 0, 4, 2])]),
            frame("p2", &[(1, 0.5, [3, 3, 7, 7])]),
            frame("p3", &[(2, 1.0, [0, 0, 9, 9])]),
        ];
        // p0: 4 % in the middle; p1: 8 % at 0.4 x 0.2; p2: 16 % in the middle at half the score; p3 and p4: none.
        assert_eq!(ranked(&item(1), &masks, 8), [(2, 0.08), (0, 0.04), (1, 0.0064)]);
        assert_eq!(ranked(&item(1), &masks, 1), [(2, 0.08)]);
        let views = best_views(&item(1), &masks, |s| (s == "p1").then_some(1), 8);
        assert_eq!(views[0].bounds, [0, 0, 4, 2]);
    }

    #[test]
    fn masks_taken_in_and_drawn_count_too() {
        let masks = [frame("p0", &[(1, 1.0, [3, 4, 5, 6]), (7, 0.5, [5, 4, 7, 6])])];
        let mut item = item(1);
        item.masks.push(MaskPart { of: 7, drawn: Vec::new(), sides: Vec::new() });
        assert_eq!(ranked(&item, &masks, 8), [(0, 0.08)]);
        let drawn = frame("p0", &[(1, 1.0, [0, 0, 10, 10])]).masks.remove(0).segmentation;
        let drawn = vec![DrawnMask { image: "p0".into(), segmentation: drawn }];
        item.masks = vec![MaskPart { of: 99, drawn, sides: Vec::new() }];
        assert_eq!(ranked(&item, &masks, 8), [(0, 1.0)]);
    }
}
