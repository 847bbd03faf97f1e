//! Orientations and descriptors from gradients (Lowe 2004, sections 5 and 6).

use super::features::{DESCRIPTOR, DESCRIPTOR_NORM};
use super::scale_space::Plane;
use std::f32::consts::{FRAC_PI_2, PI, TAU};

/// Length and direction (radians, in 0..2π) of the gradient at every pixel.
pub(super) struct Gradients {
    length: Plane,
    angle: Plane,
}

/// atan2 in 0..2π with an error below 1e-3, free of branches so that it vectorises.
fn angle_of(y: f32, x: f32) -> f32 {
    let (ax, ay) = (x.abs(), y.abs());
    let t = ax.min(ay) / ax.max(ay).max(1e-20);
    let s = t * t;
    // Minimax polynomial of atan on 0..1.
    let p = ((-0.046_496_475 * s + 0.159_314_22) * s - 0.327_622_76) * s * t + t;
    let p = if ay > ax { FRAC_PI_2 - p } else { p };
    let p = if x < 0.0 { PI - p } else { p };
    if y < 0.0 { TAU - p } else { p }
}

/// exp(-x) for the weights of windows, x from 0 to 5, within 0.02: by (1 - x / 64)^64, which vectorises.
fn bell(x: f32) -> f32 {
    let mut y = (1.0 - x * (1.0 / 64.0)).max(0.0);
    for _ in 0..6 {
        y *= y;
    }
    y
}

impl Gradients {
    pub(super) fn of(image: &Plane) -> Self {
        let (w, h) = (image.width, image.height);
        let (mut length, mut angle) = (Plane::zeros(w, h), Plane::zeros(w, h));
        for y in 1..h.saturating_sub(1) {
            let (above, row, below) = (image.row(y - 1), image.row(y), image.row(y + 1));
            let range = y * w + 1..(y + 1) * w - 1;
            let (lengths, angles) = (&mut length.data[range.clone()], &mut angle.data[range]);
            let inner = lengths.iter_mut().zip(angles).zip(&row[2..]).zip(row).zip(&below[1..]).zip(&above[1..]);
            for (((((l, a), right), left), down), up) in inner {
                let (gx, gy) = (0.5 * (right - left), 0.5 * (down - up));
                *l = (gx * gx + gy * gy).sqrt();
                *a = angle_of(gy, gx);
            }
        }
        Self { length, angle }
    }

    /// Calls `visit(dx, dy, length, angle)` for pixels within `radius` of `(x, y)`, offsets from there.
    fn around(&self, x: f32, y: f32, radius: f32, mut visit: impl FnMut(f32, f32, f32, f32)) {
        let (w, h) = (self.length.width as i32, self.length.height as i32);
        let r = radius.ceil() as i32;
        let (cx, cy) = (x.round() as i32, y.round() as i32);
        let (x0, x1) = ((cx - r).max(1), (cx + r).min(w - 2));
        for yy in (cy - r).max(1)..=(cy + r).min(h - 2) {
            if x0 > x1 {
                return;
            }
            let range = (yy * w + x0) as usize..=(yy * w + x1) as usize;
            let dy = yy as f32 - y;
            for (k, (l, a)) in self.length.data[range.clone()].iter().zip(&self.angle.data[range]).enumerate() {
                visit((x0 + k as i32) as f32 - x, dy, *l, *a);
            }
        }
    }
}

const ANGLE_BINS: usize = 36;

/// Dominant gradient directions around a feature, at most two, strongest first.
pub(super) fn orientations(gradients: &Gradients, x: f32, y: f32, sigma: f32) -> Vec<f32> {
    let window = 1.5 * sigma;
    let radius = 3.0 * window;
    let mut bins = [0.0f32; ANGLE_BINS];
    gradients.around(x, y, radius, |dx, dy, length, angle| {
        let d2 = dx * dx + dy * dy;
        if d2 <= radius * radius {
            let place = angle * (ANGLE_BINS as f32 / TAU);
            let low = place as usize % ANGLE_BINS;
            let part = place - place.floor();
            let weight = length * bell(0.5 * d2 / (window * window));
            bins[low] += weight * (1.0 - part);
            bins[(low + 1) % ANGLE_BINS] += weight * part;
        }
    });
    for _ in 0..2 {
        let old = bins;
        for k in 0..ANGLE_BINS {
            bins[k] = 0.25 * old[(k + ANGLE_BINS - 1) % ANGLE_BINS] + 0.5 * old[k] + 0.25 * old[(k + 1) % ANGLE_BINS];
        }
    }
    let highest = bins.iter().fold(0.0f32, |m, v| m.max(*v));
    let mut peaks: Vec<(f32, f32)> = Vec::new();
    for k in 0..ANGLE_BINS {
        let (before, here, after) = (bins[(k + ANGLE_BINS - 1) % ANGLE_BINS], bins[k], bins[(k + 1) % ANGLE_BINS]);
        if here > before && here >= after && here >= 0.8 * highest && highest > 0.0 {
            let shift = 0.5 * (before - after) / (before - 2.0 * here + after);
            peaks.push((here, (k as f32 + shift) * TAU / ANGLE_BINS as f32));
        }
    }
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
    peaks.truncate(2);
    peaks.iter().map(|p| p.1).collect()
}

/// Side of the grid of histograms, and directions in each.
const GRID: usize = 4;
const DIRECTIONS: usize = 8;

/// RootSIFT descriptor of the patch around a feature, rotated by `angle`.
pub(super) fn describe(gradients: &Gradients, x: f32, y: f32, sigma: f32, angle: f32) -> [i16; DESCRIPTOR] {
    let cell = 3.0 * sigma;
    let radius = cell * std::f32::consts::SQRT_2 * 0.5 * (GRID as f32 + 1.0);
    let (sin, cos) = angle.sin_cos();
    let (sin, cos) = (sin / cell, cos / cell);
    let half = GRID as f32 * 0.5;
    // A border of one cell takes what falls outside; it is dropped below.
    let mut grid = [[[0.0f32; DIRECTIONS]; GRID + 2]; GRID + 2];
    gradients.around(x, y, radius, |dx, dy, length, direction| {
        let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
        let (bx, by) = (u + half + 0.5, v + half + 0.5);
        if bx <= 0.0 || by <= 0.0 || bx >= GRID as f32 + 1.0 || by >= GRID as f32 + 1.0 {
            return;
        }
        let weight = length * bell((u * u + v * v) / (2.0 * half * half));
        let turned = (direction - angle + 2.0 * TAU) * (DIRECTIONS as f32 / TAU);
        let (ix, iy, id) = (bx as usize, by as usize, turned as usize);
        let (fx, fy, fd) = (bx - ix as f32, by - iy as f32, turned - id as f32);
        let (d0, d1) = (id % DIRECTIONS, (id + 1) % DIRECTIONS);
        for (row, wy) in [(iy, weight * (1.0 - fy)), (iy + 1, weight * fy)] {
            for (col, w) in [(ix, wy * (1.0 - fx)), (ix + 1, wy * fx)] {
                grid[row][col][d0] += w * (1.0 - fd);
                grid[row][col][d1] += w * fd;
            }
        }
    });
    let mut raw = [0.0f32; DESCRIPTOR];
    for (k, v) in raw.iter_mut().enumerate() {
        *v = grid[1 + k / (GRID * DIRECTIONS)][1 + k / DIRECTIONS % GRID][k % DIRECTIONS];
    }
    root(&raw)
}

/// Clips at 0.2 of the length (Lowe, section 6.1), then takes square roots of the L1-normalised vector (RootSIFT).
fn root(raw: &[f32; DESCRIPTOR]) -> [i16; DESCRIPTOR] {
    let norm = raw.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
    let clipped = raw.map(|v| (v / norm).min(0.2));
    let sum = clipped.iter().sum::<f32>().max(1e-12);
    clipped.map(|v| ((v / sum).sqrt() * DESCRIPTOR_NORM).round().min(255.0) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bell_is_close_to_a_gaussian() {
        for k in 0..500 {
            let x = k as f32 * 0.01;
            assert!((bell(x) - (-x).exp()).abs() < 0.02, "{x}");
        }
    }

    #[test]
    fn fast_angle_is_close_to_atan2() {
        for k in 0..1000 {
            let a = k as f32 * TAU / 1000.0;
            let (s, c) = a.sin_cos();
            let error = (angle_of(s, c) - a).abs();
            assert!(error.min(TAU - error) < 2e-3, "{a}: {error}");
        }
    }
}
