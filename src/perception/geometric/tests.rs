use super::*;
use crate::perception::testing::{room, views};
use crate::scene::Quiet;

/// IoU over all views of each true thing with the best segment, and that segment's label.
fn best(found: &[FrameMasks], shots: &[crate::perception::testing::Shot], id: u8) -> (f64, String) {
    let mut tally: std::collections::BTreeMap<(u32, String), (usize, usize)> = Default::default();
    let mut truth = 0;
    for (f, s) in found.iter().zip(shots) {
        truth += s.ids.iter().filter(|i| **i == id).count();
        for m in &f.masks {
            let bits = m.segmentation.decode();
            let t = tally.entry((m.instance_id, m.label.clone())).or_default();
            t.0 += bits.iter().zip(&s.ids).filter(|(b, i)| **b && **i == id).count();
            t.1 += bits.iter().filter(|b| **b).count();
        }
    }
    let iou = |t: &(usize, usize)| t.0 as f64 / (truth + t.1 - t.0) as f64;
    tally.iter().map(|(k, t)| (iou(t), k.1.clone())).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

#[test]
fn finds_what_stands_and_lies_in_a_room() {
    let shots = room(0.01);
    let v = views(&shots);
    let cloud = Cloud::fuse(&v, 1.0, &Quiet).unwrap();
    let found = segment(&cloud, &v, 1.0, 3, &Quiet).unwrap();
    for (id, label, least) in
        [(1, "floor", 0.8), (2, "wall", 0.8), (4, "flat thing on floor", 0.7), (5, "object", 0.75), (6, "object", 0.7)]
    {
        let (iou, name) = best(&found, &shots, id);
        assert!(iou > least, "{label} {iou}");
        assert!(name == label || label == "object" && name == "table-like object", "{name} is no {label}");
    }
    assert_eq!(found, segment(&cloud, &v, 1.0, 3, &Quiet).unwrap(), "same seed, same masks");
}

#[test]
fn the_unit_of_length_does_not_matter() {
    let mut shots = room(0.005);
    for s in &mut shots {
        s.depth.data.iter_mut().for_each(|d| *d *= 0.1);
        s.camera.c2w.translation.vector *= 0.1;
    }
    let v = views(&shots);
    let cloud = Cloud::fuse(&v, 0.1, &Quiet).unwrap();
    let found = segment(&cloud, &v, 0.1, 3, &Quiet).unwrap();
    for id in [1, 4, 5, 6] {
        let (iou, label) = best(&found, &shots, id);
        assert!(iou > 0.6, "{id} {label} {iou}");
    }
}

#[test]
fn lengths_follow_the_noise() {
    let mut shots = room(0.0);
    assert_eq!(Cloud::fuse(&views(&shots), 1.0, &Quiet).unwrap().coarse, 1.0);
    // Depth that was estimated from images has smooth bumps, other ones in each view.
    for (i, s) in shots.iter_mut().enumerate() {
        let (w, phase) = (s.depth.width as usize, i as f32);
        for (k, d) in s.depth.data.iter_mut().enumerate() {
            let (x, y) = ((k % w) as f32, (k / w) as f32);
            *d *= 1.0 + 0.02 * (x / 9.0 + 2.0 * phase).sin() * (y / 8.0 + 3.0 * phase).cos();
        }
    }
    let v = views(&shots);
    let cloud = Cloud::fuse(&v, 1.0, &Quiet).unwrap();
    assert!(cloud.coarse > 1.2, "{}", cloud.coarse);
    let found = segment(&cloud, &v, 1.0, 3, &Quiet).unwrap();
    for (id, least) in [(1, 0.6), (2, 0.6), (5, 0.5), (6, 0.5)] {
        let (iou, label) = best(&found, &shots, id);
        assert!(iou > least, "{id} {label} {iou}");
    }
}

#[test]
fn no_views_no_masks() {
    let cloud = Cloud::fuse(&[], 1.0, &Quiet).unwrap();
    assert!(cloud.is_empty());
    assert!(segment(&cloud, &[], 1.0, 0, &Quiet).unwrap().is_empty());
}
