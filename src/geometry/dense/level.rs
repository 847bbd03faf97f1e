//! Photos at the resolutions of the passes, and the map from a pixel and an inverse depth in one camera to the pixel in
//! another.

use super::View;
use crate::scene::{Camera, Intrinsics};
use image::imageops::FilterType;
use image::{Rgb, RgbImage};
use std::borrow::Cow;

/// A grey image that can be sampled between pixels.
pub(super) struct Gray {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Luma, 0..255, row-major: of the pixel in the lowest byte, then of its right, lower, and lower right neighbours,
    /// so that one load gives the four taps of a bilinear sample.
    pub quads: Vec<u32>,
}

impl Gray {
    /// Luma (ITU-R BT.601) of an image.
    pub(super) fn new(image: &RgbImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let luma: Vec<u8> = image
            .pixels()
            .map(|Rgb([r, g, b])| (0.299 * f32::from(*r) + 0.587 * f32::from(*g) + 0.114 * f32::from(*b)).round() as u8)
            .collect();
        let mut quads = Vec::with_capacity(luma.len());
        for y in 0..height {
            let below = if y + 1 < height { width } else { 0 };
            for x in 0..width {
                let (i, right) = (y * width + x, usize::from(x + 1 < width));
                quads.push(u32::from_le_bytes([i, i + right, i + below, i + below + right].map(|k| luma[k])));
            }
        }
        Self { width, height, quads }
    }
}

/// The photo at the working resolution, no longer than `side` (times `shrink`) and no smaller than 8 x 8.
pub(super) fn working<'a>(view: &View<'a>, side: u32, shrink: f64) -> (Cow<'a, RgbImage>, Camera) {
    let (w, h) = view.image.dimensions();
    let scale = (f64::from(side) / f64::from(w.max(h).max(1))).min(shrink).min(1.0);
    let (nw, nh) = (((f64::from(w) * scale).round() as u32).max(8), ((f64::from(h) * scale).round() as u32).max(8));
    let photo = if (nw, nh) == (w, h) {
        Cow::Borrowed(view.image)
    } else if w == 0 || h == 0 {
        Cow::Owned(RgbImage::new(nw, nh))
    } else {
        Cow::Owned(image::imageops::resize(view.image, nw, nh, FilterType::Triangle))
    };
    (photo, view.camera.resized(nw, nh))
}

/// The image at `1 / 2^level` of its resolution, by means of blocks; rows and columns that fill no block are left out.
pub(super) fn reduced(image: &RgbImage, level: usize) -> Cow<'_, RgbImage> {
    if level == 0 {
        return Cow::Borrowed(image);
    }
    let side = 1u32 << level;
    let count = side * side;
    Cow::Owned(RgbImage::from_fn(image.width() / side, image.height() / side, |x, y| {
        let mut sum = [count / 2; 3];
        for k in 0..count {
            let p = image.get_pixel(x * side + k % side, y * side + k / side);
            (0..3).for_each(|c| sum[c] += u32::from(p.0[c]));
        }
        Rgb(sum.map(|s| (s / count) as u8))
    }))
}

/// The camera of [`reduced`].
pub(super) fn reduced_camera(camera: &Camera, level: usize) -> Camera {
    let (k, scale) = (camera.intrinsics, f64::powi(0.5, level as i32));
    let intrinsics = Intrinsics {
        width: k.width >> level,
        height: k.height >> level,
        fx: k.fx * scale,
        fy: k.fy * scale,
        cx: k.cx * scale,
        cy: k.cy * scale,
    };
    Camera { intrinsics, c2w: camera.c2w }
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
