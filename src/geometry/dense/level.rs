//! Image pyramids, and the map from a pixel and an inverse depth in one camera to the pixel in another.

use super::View;
use crate::scene::{Camera, Intrinsics};
use image::imageops::FilterType;

/// A grey image that can be sampled between pixels.
pub(super) struct Gray {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Luma, 0..255, row-major.
    pub luma: Vec<f32>,
    /// Luma of a pixel (low half) and of its right neighbour (high half), in 1/256: one load for two taps.
    pub pairs: Vec<u32>,
}

impl Gray {
    fn new(width: usize, height: usize, luma: Vec<f32>) -> Self {
        let fixed = |v: f32| (v * 256.0) as u32;
        let pairs = (0..luma.len())
            .map(|i| fixed(luma[i]) | fixed(luma[if (i + 1) % width == 0 { i } else { i + 1 }]) << 16)
            .collect();
        Self { width, height, luma, pairs }
    }
}

/// One level of the pyramid of a view.
pub(super) struct Level {
    /// Luma.
    pub gray: Gray,
    /// sRGB, row-major.
    pub rgb: Vec<[f32; 3]>,
    /// The camera at this resolution.
    pub camera: Camera,
}

/// `count` levels, the first no longer than `side` (times `shrink`), each next one half of the one before.
pub(super) fn pyramid(view: &View, side: u32, shrink: f64, count: usize) -> Vec<Level> {
    let (w, h) = view.image.dimensions();
    let scale = (f64::from(side) / f64::from(w.max(h).max(1))).min(shrink).min(1.0);
    let (nw, nh) = (((f64::from(w) * scale).round() as u32).max(8), ((f64::from(h) * scale).round() as u32).max(8));
    let rgb: Vec<[f32; 3]> = if (nw, nh) == (w, h) {
        view.image.pixels().map(|p| p.0.map(f32::from)).collect()
    } else if w == 0 || h == 0 {
        vec![[0.0; 3]; (nw * nh) as usize]
    } else {
        image::imageops::resize(view.image, nw, nh, FilterType::Triangle).pixels().map(|p| p.0.map(f32::from)).collect()
    };
    let mut levels = vec![level(nw as usize, nh as usize, rgb, view.camera.resized(nw, nh))];
    while levels.len() < count {
        let next = half(&levels[levels.len() - 1]);
        levels.push(next);
    }
    levels
}

fn level(width: usize, height: usize, rgb: Vec<[f32; 3]>, camera: Camera) -> Level {
    let luma = rgb.iter().map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect();
    Level { gray: Gray::new(width, height, luma), rgb, camera }
}

/// Half the resolution by 2x2 means; an odd last row or column is left out, so intrinsics halve exactly.
fn half(fine: &Level) -> Level {
    let (fw, w, h) = (fine.gray.width, (fine.gray.width / 2).max(1), (fine.gray.height / 2).max(1));
    let mut rgb = Vec::with_capacity(w * h);
    for y in 0..h {
        for x in 0..w {
            let i = 2 * y * fw + 2 * x;
            let taps = [fine.rgb[i], fine.rgb[i + 1], fine.rgb[i + fw], fine.rgb[i + fw + 1]];
            rgb.push(std::array::from_fn(|c| taps.iter().map(|t| t[c]).sum::<f32>() * 0.25));
        }
    }
    let k = fine.camera.intrinsics;
    let intrinsics = Intrinsics {
        width: w as u32,
        height: h as u32,
        fx: k.fx * 0.5,
        fy: k.fy * 0.5,
        cx: k.cx * 0.5,
        cy: k.cy * 0.5,
    };
    level(w, h, rgb, Camera { intrinsics, c2w: fine.camera.c2w })
}

/// Pixel `x = (u, v, 1)` at inverse depth `w` in camera A falls on `m x + w t` (homogeneous) in camera B, where
/// `m = K_B R K_A^-1` and `t = K_B t_AB` (Hartley & Zisserman, section 9.2); its depth in B is the third entry over `w`.
#[derive(Clone, Copy)]
pub(super) struct Warp {
    /// Rows of `m`.
    pub m: [[f32; 3]; 3],
    /// `t`.
    pub t: [f32; 3],
}

impl Warp {
    /// The map from camera `a` to camera `b`.
    pub(super) fn between(a: &Camera, b: &Camera) -> Self {
        let relative = b.c2w.inverse() * a.c2w;
        let k = |i: &Intrinsics| nalgebra::Matrix3::new(i.fx, 0.0, i.cx, 0.0, i.fy, i.cy, 0.0, 0.0, 1.0);
        let ia = &a.intrinsics;
        let k_inv =
            nalgebra::Matrix3::new(1.0 / ia.fx, 0.0, -ia.cx / ia.fx, 0.0, 1.0 / ia.fy, -ia.cy / ia.fy, 0.0, 0.0, 1.0);
        let m = k(&b.intrinsics) * relative.rotation.to_rotation_matrix().matrix() * k_inv;
        let t = k(&b.intrinsics) * relative.translation.vector;
        Self {
            m: std::array::from_fn(|r| std::array::from_fn(|c| m[(r, c)] as f32)),
            t: std::array::from_fn(|r| t[r] as f32),
        }
    }

    /// Homogeneous image of pixel `(u, v)` at inverse depth `w`.
    #[inline]
    pub(super) fn apply(&self, u: f32, v: f32, w: f32) -> [f32; 3] {
        std::array::from_fn(|r| {
            let m = &self.m[r];
            m[0].mul_add(u, m[1].mul_add(v, w.mul_add(self.t[r], m[2])))
        })
    }
}
