//! Training views at every resolution of the schedule.

use super::loss::{DepthTarget, Target};
use super::options::Level;
use crate::scene::{Camera, DepthMap};
use image::{GrayImage, RgbImage};
use rayon::prelude::*;
use std::sync::Arc;

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
    /// Which pixels count, 255 where, 0 where not, of the photo's size; `None` is all.
    pub mask: Option<&'a GrayImage>,
    /// Opacity of the photo, of its size, where it has one: what is transparent shall be empty.
    pub alpha: Option<&'a GrayImage>,
    /// Never trained on, only measured.
    pub held_out: bool,
}

/// A photo at one resolution.
#[derive(Clone, Debug)]
pub(super) struct LevelView {
    pub(super) camera: Camera,
    /// RGB bytes.
    pixels: Vec<[u8; 3]>,
    /// 255 where the photo counts.
    mask: Option<Vec<u8>>,
    /// Opacity, 255 for opaque.
    alpha: Option<Vec<u8>>,
    depth: Option<DepthTarget>,
}

impl LevelView {
    /// What a rendering of it shall be.
    pub(super) fn target(&self) -> Target {
        let alpha: Option<Vec<f32>> = self.alpha.as_ref().map(|a| a.iter().map(|v| unit(*v)).collect());
        let opaque = |i: usize| alpha.as_ref().map_or(1.0, |a| a[i]);
        let plane = |c: usize| self.pixels.par_iter().enumerate().map(|(i, p)| unit(p[c]) * opaque(i)).collect();
        Target {
            rgb: [plane(0), plane(1), plane(2)],
            mask: self.mask.as_ref().map(|m| m.iter().map(|v| f32::from(u8::from(*v == 255))).collect()),
            depth: self.depth.clone(),
            alpha,
        }
    }

    /// Colours 0..1 of a pixel.
    pub(super) fn pixel(&self, i: usize) -> [f32; 3] {
        self.pixels[i].map(unit)
    }

    /// Whether a pixel counts and shows something.
    pub(super) fn is_used(&self, i: usize) -> bool {
        self.mask.as_ref().is_none_or(|m| m[i] == 255) && self.alpha.as_ref().is_none_or(|a| a[i] > 127)
    }

    /// Grey 0..1.
    pub(super) fn grey(&self) -> Vec<f32> {
        self.pixels.par_iter().map(|p| (unit(p[0]) + unit(p[1]) + unit(p[2])) / 3.0).collect()
    }
}

fn unit(v: u8) -> f32 {
    f32::from(v) / 255.0
}

/// A photo at the resolutions of the schedule.
#[derive(Clone, Debug)]
pub(super) struct Pyramid {
    /// As given.
    pub(super) camera: Camera,
    /// One for each level; those with the same `divide` share one.
    pub(super) levels: Vec<Arc<LevelView>>,
    pub(super) held_out: bool,
}

impl Pyramid {
    pub(super) fn build(views: &[TrainView], levels: &[Level]) -> Vec<Self> {
        let pyramid = |v: &TrainView| {
            let mut out: Vec<Arc<LevelView>> = Vec::with_capacity(levels.len());
            for (k, l) in levels.iter().enumerate() {
                let same = levels[..k].iter().position(|m| m.divide == l.divide);
                out.push(same.map_or_else(|| Arc::new(level(v, l.divide.max(1))), |k| Arc::clone(&out[k])));
            }
            Self { camera: v.camera, levels: out, held_out: v.held_out }
        };
        views.par_iter().map(pyramid).collect()
    }
}

/// One view, `divide` times smaller.
fn level(view: &TrainView, divide: u32) -> LevelView {
    let (w, h) = view.image.dimensions();
    let (sw, sh) = ((w / divide).max(1), (h / divide).max(1));
    let grey = |image: &GrayImage| {
        let whole = image.dimensions() == (w, h);
        whole.then(|| shrink((w, h), (sw, sh), |x, y| image.get_pixel(x, y).0).into_iter().map(|[v]| v).collect())
    };
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
    LevelView {
        camera: view.camera.resized(sw, sh),
        pixels: shrink((w, h), (sw, sh), |x, y| view.image.get_pixel(x, y).0),
        mask: view.mask.and_then(grey),
        alpha: view.alpha.and_then(grey),
        depth,
    }
}

/// Mean of the pixels that each new pixel covers, whole pixels only.
fn shrink<const N: usize>(
    (w, h): (u32, u32),
    (sw, sh): (u32, u32),
    pixel: impl Fn(u32, u32) -> [u8; N],
) -> Vec<[u8; N]> {
    if w == 0 || h == 0 {
        return vec![[0; N]; (sw * sh) as usize];
    }
    let range = |i: u32, n: u32, m: u32| {
        let (a, b) = (u64::from(i) * u64::from(m) / u64::from(n), u64::from(i + 1) * u64::from(m) / u64::from(n));
        a as u32..(b as u32).max(a as u32 + 1)
    };
    let mut out = Vec::with_capacity((sw * sh) as usize);
    for y in 0..sh {
        for x in 0..sw {
            let (mut sum, mut n) = ([0u32; N], 0);
            for v in range(y, sh, h) {
                for u in range(x, sw, w) {
                    let p = pixel(u, v);
                    for c in 0..N {
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
