//! Bilaterally weighted normalised cross-correlation of a window and its image through a plane.

use super::field::{NO_MATCH, Plane};
use super::level::{Gray, Warp};

/// Samples of a matching window: a 6 x 6 grid without its corners, four vectors of eight.
const SAMPLES: usize = 32;
/// Luma difference at which a sample counts a quarter.
const SIGMA_LUMA: f32 = 12.0;
/// Variance of noise, luma squared: NCC of flat windows tends to zero.
const NOISE: f32 = 1.5;

/// Offsets of a window's samples, pixels.
pub(super) type Offsets = ([f32; SAMPLES], [f32; SAMPLES]);
/// Offsets of 1, 3, 5 pixels to either side.
pub(super) const WIDE: Offsets = offsets([-5.0, -3.0, -1.0, 1.0, 3.0, 5.0]);
/// Offsets of 1, 2, 3 pixels to either side: for the finest level, where edges matter.
pub(super) const NARROW: Offsets = offsets([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]);

const fn offsets(at: [f32; 6]) -> Offsets {
    let (mut dx, mut dy, mut n, mut k) = ([0.0; SAMPLES], [0.0; SAMPLES], 0, 0);
    while k < 36 {
        let (x, y) = (k % 6, k / 6);
        if !((x == 0 || x == 5) && (y == 0 || y == 5)) {
            dx[n] = at[x];
            dy[n] = at[y];
            n += 1;
        }
        k += 1;
    }
    (dx, dy)
}

/// The reference side of a window: weights and centred luma.
pub(super) struct Window {
    weight: [f32; SAMPLES],
    weighted: [f32; SAMPLES],
    mean: f32,
    variance: f32,
}

impl Window {
    /// The window around the pixel `(x, y)`.
    pub(super) fn new(gray: &Gray, offsets: &Offsets, x: usize, y: usize) -> Self {
        let (w, h) = (gray.width as i32, gray.height as i32);
        let mut luma = [0.0f32; SAMPLES];
        for s in 0..SAMPLES {
            let sx = (x as i32 + offsets.0[s] as i32).clamp(0, w - 1);
            let sy = (y as i32 + offsets.1[s] as i32).clamp(0, h - 1);
            luma[s] = (gray.quads[(sy * w + sx) as usize] & 0xff) as f32;
        }
        let center = (gray.quads[y * gray.width + x] & 0xff) as f32;
        let mut weight = [0.0f32; SAMPLES];
        let (mut total, reach) = (0.0, offsets.0[4].abs());
        for s in 0..SAMPLES {
            let (d, r2) = ((luma[s] - center) / SIGMA_LUMA, offsets.0[s] * offsets.0[s] + offsets.1[s] * offsets.1[s]);
            let like = 1.0 + d * d;
            weight[s] = 1.0 / (like * like * (1.0 + r2 / (2.0 * reach * reach)));
            total += weight[s];
        }
        let mut mean = 0.0;
        for s in 0..SAMPLES {
            weight[s] /= total;
            mean += weight[s] * luma[s];
        }
        let (mut weighted, mut variance) = ([0.0; SAMPLES], 0.0);
        for s in 0..SAMPLES {
            let r = luma[s] - mean;
            weighted[s] = weight[s] * r;
            variance += weighted[s] * r;
        }
        Self { weight, weighted, mean, variance }
    }

    /// `1 - NCC` of the window around `(u, v)` and its image in `gray` through the plane. The homography of the plane
    /// is taken as affine over the window: its centre and its derivatives there.
    #[inline]
    pub(super) fn cost(&self, offsets: &Offsets, gray: &Gray, warp: &Warp, plane: Plane, [u, v]: [f32; 2]) -> f32 {
        let h = warp.apply(u, v, plane.w);
        let (max_x, max_y) = (gray.width as f32 - 1.001, gray.height as f32 - 1.001);
        if h[2] <= 1e-6 {
            return NO_MATCH;
        }
        let inverse = 1.0 / h[2];
        let (cx, cy) = (h[0] * inverse, h[1] * inverse);
        if !(cx >= 1.0 && cy >= 1.0 && cx <= max_x && cy <= max_y) {
            return NO_MATCH;
        }
        let hx: [f32; 3] = std::array::from_fn(|r| plane.du.mul_add(warp.t[r], warp.m[r][0]));
        let hy: [f32; 3] = std::array::from_fn(|r| plane.dv.mul_add(warp.t[r], warp.m[r][1]));
        let (xx, xy) = ((hx[0] - cx * hx[2]) * inverse, (hy[0] - cx * hy[2]) * inverse);
        let (yx, yy) = ((hx[1] - cy * hx[2]) * inverse, (hy[1] - cy * hy[2]) * inverse);
        let (cx, cy, width) = (cx - 0.5, cy - 0.5, gray.width as f32);
        let (mut index, mut fx, mut fy) = ([0u32; SAMPLES], [0.0f32; SAMPLES], [0.0f32; SAMPLES]);
        for s in 0..SAMPLES {
            let (dx, dy) = (offsets.0[s], offsets.1[s]);
            let x = xx.mul_add(dx, xy.mul_add(dy, cx)).max(0.0).min(max_x);
            let y = yx.mul_add(dx, yy.mul_add(dy, cy)).max(0.0).min(max_y);
            let (xi, yi) = (x.floor(), y.floor());
            // Whole numbers below 2^23 sit in the low bits of 2^23 + n: a cast would not be vectorised.
            index[s] = (yi.mul_add(width, xi) + 8_388_608.0).to_bits() & 0x7f_ffff;
            fx[s] = x - xi;
            fy[s] = y - yi;
        }
        let quads: [u32; SAMPLES] = std::array::from_fn(|s| gray.quads[index[s] as usize]);
        let (mut sum, mut square, mut cross) = ([0.0f32; 8], [0.0f32; 8], [0.0f32; 8]);
        let tap = |q: u32, k: u32| (q >> (8 * k) & 0xff) as i32 as f32;
        for chunk in (0..SAMPLES).step_by(8) {
            for lane in 0..8 {
                let s = chunk + lane;
                let (a, b, c, d) = (tap(quads[s], 0), tap(quads[s], 1), tap(quads[s], 2), tap(quads[s], 3));
                let (ab, cd) = ((b - a).mul_add(fx[s], a), (d - c).mul_add(fx[s], c));
                let value = (cd - ab).mul_add(fy[s], ab) - self.mean;
                sum[lane] = self.weight[s].mul_add(value, sum[lane]);
                square[lane] = (self.weight[s] * value).mul_add(value, square[lane]);
                cross[lane] = self.weighted[s].mul_add(value, cross[lane]);
            }
        }
        let (sum, square, cross) = (total(sum), total(square), total(cross));
        let variance = (square - sum * sum).max(0.0);
        1.0 - cross / ((self.variance + NOISE) * (variance + NOISE)).sqrt()
    }
}

/// Sum in pairs, which needs three steps and not eight.
#[inline]
fn total(v: [f32; 8]) -> f32 {
    let half: [f32; 4] = std::array::from_fn(|k| v[k] + v[k + 4]);
    (half[0] + half[2]) + (half[1] + half[3])
}
