use super::*;
use crate::perception::testing::{Shot, room, views};
use crate::scene::Rle;
use image::imageops::FilterType;

/// What the room shows of a thing: a row-major mask and its bounds; `None` where it is small or at the border.
fn truth(shot: &Shot, id: u8) -> Option<(Vec<bool>, [f64; 4])> {
    let (w, h) = shot.image.dimensions();
    let bits: Vec<bool> = shot.ids.iter().map(|i| *i == id).collect();
    let b = Rle::encode(w, h, &bits).bounds()?;
    let is_whole = b[0] > 5 && b[1] > 5 && b[2] + 5 < w && b[3] + 5 < h;
    (is_whole && bits.iter().filter(|b| **b).count() > 500).then_some((bits, b.map(f64::from)))
}

fn iou(mask: &Rle, truth: &[bool]) -> f64 {
    let found = mask.decode();
    let count = |f: fn(bool, bool) -> bool| found.iter().zip(truth).filter(|(a, b)| f(**a, **b)).count() as f64;
    count(|a, b| a && b) / count(|a, b| a || b).max(1.0)
}

/// The pixel in the middle of a mask's pixels, row by row.
fn middle(bits: &[bool], width: usize) -> [f64; 2] {
    let all: Vec<usize> = (0..bits.len()).filter(|k| bits[*k]).collect();
    let k = all[all.len() / 2];
    [(k % width) as f64 + 0.5, (k / width) as f64 + 0.5]
}

fn around(rectangle: [f64; 4]) -> Prompt {
    Prompt { points: Vec::new(), rectangle: Some(rectangle) }
}

/// IoU of the answers to a prompt for each thing of the room that a photo shows whole.
fn answers(noise: f64, prompt: impl Fn(&[bool], [f64; 4]) -> Prompt) -> Vec<f64> {
    let shots = room(noise);
    let mut out = Vec::new();
    for (shot, view) in shots.iter().zip(views(&shots)) {
        let photo = Cutter.prepare(&view).unwrap();
        for (bits, bounds) in [4u8, 5, 6].into_iter().filter_map(|id| truth(shot, id)) {
            let found = photo.mask(&prompt(&bits, bounds)).unwrap();
            out.push(found.map_or(0.0, |m| iou(&m.mask, &bits)));
        }
    }
    assert!(out.len() > 8, "{}", out.len());
    out
}

fn mean(all: &[f64]) -> f64 {
    all.iter().sum::<f64>() / all.len() as f64
}

#[test]
fn a_click_finds_the_thing_under_it() {
    for noise in [0.0, 0.002] {
        let found = answers(noise, |bits, _| Prompt { points: vec![(middle(bits, 200), true)], rectangle: None });
        assert!(mean(&found) > 0.8, "{noise}: {found:.2?}");
    }
}

#[test]
fn a_rectangle_finds_the_thing_in_it_also_where_it_is_off() {
    let exact = answers(0.002, |_, b| around(b));
    assert!(mean(&exact) > 0.9 && exact.iter().all(|i| *i > 0.75), "{exact:.2?}");
    // Larger by 10 % on two sides, and cutting off 5 % on the others.
    let off = |b: [f64; 4]| {
        let (w, h) = (b[2] - b[0], b[3] - b[1]);
        around([b[0] - 0.1 * w, b[1] + 0.05 * h, b[2] - 0.05 * w, b[3] + 0.1 * h])
    };
    let found = answers(0.002, |_, b| off(b));
    assert!(mean(&found) > 0.8, "{found:.2?}");
}

#[test]
fn without_depth_colours_count() {
    let mut shots = room(0.0);
    shots.iter_mut().for_each(|s| s.depth.data.fill(0.0));
    let mut tried = 0;
    for (shot, view) in shots.iter().zip(views(&shots)) {
        let photo = Cutter.prepare(&view).unwrap();
        for (bits, bounds) in [4u8, 5, 6].into_iter().filter_map(|id| truth(shot, id)) {
            let found = photo.mask(&around(bounds)).unwrap().unwrap();
            assert!(iou(&found.mask, &bits) > 0.85, "{}", shot.name);
            tried += 1;
        }
    }
    assert!(tried > 8, "{tried}");
}

#[test]
fn a_large_photo_gets_a_mask_of_its_own_size() {
    let mut shots = room(0.0);
    let (k, (bits, b)) = (0..shots.len()).find_map(|k| Some((k, truth(&shots[k], 5)?))).unwrap();
    shots[k].image = image::imageops::resize(&shots[k].image, 1000, 750, FilterType::Nearest);
    shots[k].camera = shots[k].camera.resized(1000, 750);
    let large: Vec<bool> = (0..1000 * 750).map(|i| bits[i / 1000 / 5 * 200 + i % 1000 / 5]).collect();
    let found = Cutter.prepare(&views(&shots)[k]).unwrap().mask(&around(b.map(|v| v * 5.0))).unwrap().unwrap();
    assert_eq!((found.mask.width, found.mask.height), (1000, 750));
    assert!(iou(&found.mask, &large) > 0.9, "{}", iou(&found.mask, &large));
}

#[test]
fn a_point_that_is_not_on_it_is_left_out() {
    let shots = room(0.0);
    let mut tried = 0;
    for (shot, view) in shots.iter().zip(views(&shots)) {
        let (Some((bits, a)), Some((other, b))) = (truth(shot, 5), truth(shot, 6)) else { continue };
        let photo = Cutter.prepare(&view).unwrap();
        let both = [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])];
        let points = vec![(middle(&bits, 200), true), (middle(&other, 200), false)];
        let found = photo.mask(&Prompt { points, rectangle: Some(both) }).unwrap().unwrap().mask;
        let decoded = found.decode();
        let taken = |of: &[bool]| {
            let n = of.iter().filter(|b| **b).count() as f64;
            decoded.iter().zip(of).filter(|(a, b)| **a && **b).count() as f64 / n
        };
        assert!(taken(&bits) > 0.85 && taken(&other) < 0.2, "{} {} {}", shot.name, taken(&bits), taken(&other));
        tried += 1;
    }
    assert!(tried > 2, "{tried}");
}

#[test]
fn prompts_that_mean_nothing_find_nothing() {
    let shots = room(0.0);
    let view = views(&shots)[0];
    let photo = Cutter.prepare(&view).unwrap();
    let nan = f64::NAN;
    for points in [vec![], vec![([-5.0, 75.0], true)], vec![([100.0, 1e9], true)], vec![([nan, 1.0], true)]] {
        assert_eq!(photo.mask(&Prompt { points, rectangle: None }).unwrap(), None);
    }
    assert_eq!(photo.mask(&Prompt { points: vec![([50.0, 50.0], false)], rectangle: None }).unwrap(), None);
    for r in [[10.0, 10.0, 10.0, 20.0], [nan, 0.0, 5.0, 5.0], [500.0, 500.0, 600.0, 600.0], [9.0, 9.0, 3.0, 3.0]] {
        assert_eq!(photo.mask(&around(r)).unwrap(), None, "{r:?}");
    }
    // Whatever else is asked, there is an answer.
    for r in [[0.0, 0.0, 200.0, 150.0], [-50.0, -50.0, 900.0, 900.0], [10.0, 10.0, 10.4, 10.4], [0.0, 0.0, 1.0, 150.0]]
    {
        let found = photo.mask(&around(r)).unwrap();
        assert!(found.is_none_or(|m| (0.0..=1.0).contains(&m.score) && m.mask.area() > 0));
    }
}

#[test]
fn the_same_prompt_gives_the_same_mask() {
    let shots = room(0.002);
    let view = views(&shots)[3];
    let answer = || {
        let photo = Cutter.prepare(&view).unwrap();
        photo.mask(&Prompt { points: vec![([100.5, 80.5], true)], rectangle: None }).unwrap()
    };
    assert_eq!(answer(), answer());
}
