//! Training views at every resolution of the schedule.

use super::loss::DepthTarget;
use super::options::Level;
use crate::scene::{Camera, DepthMap};
use image::RgbImage;
use rayon::prelude::*;

/// A photo to train on, or to measure with.
#[derive(Clone, Copy, Debug)]
pub struct TrainView<'a> {
    /// The photo.
    pub image: &'a RgbImage,
    /// Its camera; the intrinsics may be of another size than the photo.
    pub camera: Camera,
    /// Depth along the optical axis and its confidence 0..1, both of the depth map's size (any size; a confidence of
    /// another length is no depth).
    pub depth: Option<(&'a DepthMap, &'a [f32])>,
    /// Never trained on, only measured.
    pub held_out: bool,
}

/// A photo at one resolution.
#[derive(Clone, Debug)]
pub(super) struct LevelView {
    pub(super) camera: Camera,
    /// RGB bytes.
    pixels: Vec<[u8; 3]>,
    pub(super) depth: Option<DepthTarget>,
}

impl LevelView {
    /// Planes with values 0..1.
    pub(super) fn planes(&self) -> [Vec<f32>; 3] {
        [0, 1, 2].map(|c| self.pixels.iter().map(|p| f32::from(p[c]) / 255.0).collect())
    }

    /// Pixels with values 0..1.
    pub(super) fn pixels(&self) -> Vec<[f32; 3]> {
        self.pixels.iter().map(|p| p.map(|v| f32::from(v) / 255.0)).collect()
    }
}

/// A photo at the resolutions of the schedule.
#[derive(Clone, Debug)]
pub(super) struct Pyramid {
    /// One for each level; levels with the same `divide` share nothing, a schedule has few.
    pub(super) levels: Vec<LevelView>,
    pub(super) held_out: bool,
}

impl Pyramid {
    pub(super) fn build(views: &[TrainView], levels: &[Level]) -> Vec<Self> {
        views
            .par_iter()
            .map(|v| Self { levels: levels.iter().map(|l| level(v, l.divide.max(1))).collect(), held_out: v.held_out })
            .collect()
    }
}

/// One view, `divide` times smaller.
fn level(view: &TrainView, divide: u32) -> LevelView {
    let (w, h) = view.image.dimensions();
    let (sw, sh) = ((w / divide).max(1), (h / divide).max(1));
    let pixels = shrink(view.image, sw, sh);
    let depth = view.depth.filter(|(d, c)| c.len() == d.data.len() && d.width > 0 && d.height > 0).map(|(d, c)| {
        let mut target = DepthTarget { depth: Vec::new(), confidence: Vec::new() };
        for y in 0..sh {
            for x in 0..sw {
                let at = |i: u32, n: u32, m: u32| ((f64::from(i) + 0.5) * f64::from(m) / f64::from(n)) as u32;
                let i = (at(y, sh, d.height) * d.width + at(x, sw, d.width)) as usize;
                let good = d.data[i] > 0.0 && d.data[i].is_finite() && c[i] > 0.0;
                target.depth.push(if good { d.data[i] } else { 0.0 });
                target.confidence.push(if good { c[i].min(1.0) } else { 0.0 });
            }
        }
        target
    });
    LevelView { camera: view.camera.resized(sw, sh), pixels, depth }
}

/// Mean of the pixels that each new pixel covers, whole pixels only.
fn shrink(image: &RgbImage, sw: u32, sh: u32) -> Vec<[u8; 3]> {
    let (w, h) = image.dimensions();
    if w == 0 || h == 0 {
        return vec![[0; 3]; (sw * sh) as usize];
    }
    let range = |i: u32, n: u32, m: u32| {
        let (a, b) = (u64::from(i) * u64::from(m) / u64::from(n), u64::from(i + 1) * u64::from(m) / u64::from(n));
        a as u32..(b as u32).max(a as u32 + 1)
    };
    let mut out = Vec::with_capacity((sw * sh) as usize);
    for y in 0..sh {
        for x in 0..sw {
            let (mut sum, mut n) = ([0u32; 3], 0);
            for v in range(y, sh, h) {
                for u in range(x, sw, w) {
                    let p = image.get_pixel(u, v).0;
                    for c in 0..3 {
                        sum[c] += u32::from(p[c]);
                    }
                    n += 1;
                }
            }
            out.push(sum.map(|s| ((s + n / 2) / n) as u8));
        }
    }
    out
}
