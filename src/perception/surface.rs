//! Depth maps smoothed without crossing edges, with normals.

use super::View;
use nalgebra::{Matrix3, Vector3};

/// Cosine of the angle between a ray and the normal below which a fit is a ramp between two surfaces more often than a
/// surface.
const GRAZING: f64 = 0.15;

/// Smoothed depth on a grid of every `step`-th pixel.
#[derive(Debug)]
pub struct Surface {
    /// Pixels of the depth map from one grid point to the next.
    pub step: usize,
    /// Grid columns.
    pub width: usize,
    /// Grid rows.
    pub height: usize,
    /// Depth along the optical axis, row-major; 0 = unknown.
    pub depth: Vec<f32>,
}

impl Surface {
    /// Fits, around every grid point, inverse depth as a linear function of pixel coordinates (exact for planes) to the
    /// neighbours on the same surface, in two rounds: within 4 % of the median depth, then within 2 % of the first
    /// fit. Also gives unit normals in the camera frame, towards the camera.
    pub fn smooth(view: &View) -> (Self, Vec<[f32; 3]>) {
        let (dw, dh) = (view.depth.width as usize, view.depth.height as usize);
        let step = if dw * dh > 100_000 { 2 } else { 1 };
        let (width, height) = (dw.div_ceil(step), dh.div_ceil(step));
        let mut out = Self { step, width, height, depth: vec![0.0; width * height] };
        let mut normals = vec![[0.0; 3]; width * height];
        let k = view.camera.resized(view.depth.width, view.depth.height).intrinsics;
        let radius = ((dw as f64 / 180.0).round() as i64).clamp(2, 6);
        let mut window: Vec<(f32, f32, f32)> = Vec::new();
        for gy in 0..height {
            for gx in 0..width {
                let (x, y) = ((gx * step) as i64, (gy * step) as i64);
                gather(view, x, y, radius, &mut window);
                let Some((a, b, c)) = fit_inverse(&mut window, radius) else { continue };
                let z = 1.0 / c;
                // The plane a u + b v + c = 1/z in camera coordinates has normal (fx a, fy b, c0), c0 at the centre.
                let (u, v) = (x as f64 + 0.5 - k.cx, y as f64 + 0.5 - k.cy);
                let n = Vector3::new(a * k.fx, b * k.fy, c - a * u - b * v);
                let ray = Vector3::new(u / k.fx, v / k.fy, 1.0);
                let Some(n) = n.try_normalize(1e-12) else { continue };
                let n = if n.dot(&ray) > 0.0 { -n } else { n };
                if n.dot(&ray).abs() < GRAZING * ray.norm() || !z.is_finite() {
                    continue;
                }
                out.depth[gy * width + gx] = z as f32;
                normals[gy * width + gx] = [n.x as f32, n.y as f32, n.z as f32];
            }
        }
        (out, normals)
    }

    /// Pixel coordinates in the depth map of a grid point.
    pub fn center(&self, i: usize) -> (f64, f64) {
        ((i % self.width * self.step) as f64 + 0.5, (i / self.width * self.step) as f64 + 0.5)
    }

    /// Index of the grid point nearest to pixel coordinates; `None` outside.
    pub fn index(&self, x: f64, y: f64) -> Option<usize> {
        let (gx, gy) = ((x / self.step as f64).floor(), (y / self.step as f64).floor());
        let inside = gx >= 0.0 && gy >= 0.0 && gx < self.width as f64 && gy < self.height as f64;
        inside.then(|| gy as usize * self.width + gx as usize)
    }

    /// Whether a point at pixel `(x, y)` and depth `z` is seen (`true`) or seen through (`false`); `None` where it is
    /// hidden, outside, or too close to an edge to tell.
    pub fn test(&self, x: f64, y: f64, z: f32, tolerance: f32) -> Option<bool> {
        let i = self.index(x, y)?;
        let d = self.depth[i];
        if d > 0.0 && (d - z).abs() <= tolerance {
            return Some(true);
        }
        let (gx, gy) = ((i % self.width) as i64, (i / self.width) as i64);
        let mut nearest = f32::INFINITY;
        for (ny, nx) in (-1..=1).flat_map(|a| (-1..=1).map(move |b| (gy + a, gx + b))) {
            if nx >= 0 && ny >= 0 && nx < self.width as i64 && ny < self.height as i64 {
                let d = self.depth[ny as usize * self.width + nx as usize];
                nearest = nearest.min(if d > 0.0 { d } else { 0.0 });
            }
        }
        (nearest > z + 2.0 * tolerance).then_some(false)
    }
}

fn gather(view: &View, x: i64, y: i64, radius: i64, window: &mut Vec<(f32, f32, f32)>) {
    window.clear();
    for dy in -radius..=radius {
        for dx in -radius..=radius {
            let d = view.depth.at(x + dx, y + dy);
            if d > 0.0 {
                window.push((dx as f32, dy as f32, d));
            }
        }
    }
}

/// `(a, b, c)` with `1/z = a dx + b dy + c`; `None` where the surface at the centre is not known well enough.
fn fit_inverse(window: &mut Vec<(f32, f32, f32)>, radius: i64) -> Option<(f64, f64, f64)> {
    let full = ((2 * radius + 1) * (2 * radius + 1)) as usize;
    if window.len() * 4 < full {
        return None;
    }
    // The median of the inner window decides which surface the centre is on.
    let mut inner: Vec<f32> = window.iter().filter(|w| w.0.abs() <= 1.5 && w.1.abs() <= 1.5).map(|w| w.2).collect();
    if inner.len() < 3 {
        return None;
    }
    inner.sort_by(f32::total_cmp);
    let z = inner[inner.len() / 2];
    let first = solve(window.iter().filter(|w| (w.2 - z).abs() < 0.04 * z))?;
    let near = |w: &&(f32, f32, f32)| {
        let inv = first.0 * f64::from(w.0) + first.1 * f64::from(w.1) + first.2;
        (inv * f64::from(w.2) - 1.0).abs() < 0.02
    };
    window.retain(|w| near(&w));
    if window.len() * 5 < full {
        return None;
    }
    let fit = solve(window.iter())?;
    (fit.2 > 0.0 && (1.0 / fit.2 / f64::from(z) - 1.0).abs() < 0.05).then_some(fit)
}

fn solve<'a>(samples: impl Iterator<Item = &'a (f32, f32, f32)>) -> Option<(f64, f64, f64)> {
    let (mut n, mut s) = (0.0f32, [0.0f32; 8]);
    for (x, y, z) in samples {
        let w = 1.0 / z;
        n += 1.0;
        for (t, v) in s.iter_mut().zip([*x, *y, x * x, x * y, y * y, w, w * x, w * y]) {
            *t += v;
        }
    }
    let s = s.map(f64::from);
    let m = Matrix3::new(s[2], s[3], s[0], s[3], s[4], s[1], s[0], s[1], f64::from(n));
    let r = m.try_inverse()? * Vector3::new(s[6], s[7], s[5]);
    r.iter().all(|x| x.is_finite()).then(|| (r.x, r.y, r.z))
}
