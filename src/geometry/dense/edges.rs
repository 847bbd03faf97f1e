//! Depth edges put back onto colour edges: a matching window near an edge sees the nearer surface, which grows by half a
//! window. A weighted median by colour undoes that (Ma et al. 2013, constant time weighted median filtering).

use super::field::{Field, Plane};
use image::RgbImage;

/// Reach of the median, pixels; every second one is a sample.
const REACH: i32 = 6;
/// Samples of the median.
const COUNT: usize = 49;
/// Relative difference of depth that makes an edge.
const EDGE: f32 = 0.03;
/// Colour difference (0..441) at which a sample's weight has fallen to a half.
const SIGMA_COLOR: f32 = 14.0;

/// Replaces the plane of each pixel near a depth edge by the weighted median of its surroundings.
pub(super) fn sharpen(photo: &RgbImage, field: &mut Field) {
    let before = field.planes.clone();
    let (w, h) = (field.width as i32, field.height as i32);
    for y in 0..h {
        for x in 0..w {
            let i = (y * w + x) as usize;
            let here = before[i];
            let clamped = |dx: i32, dy: i32| ((y + dy).clamp(0, h - 1) * w + (x + dx).clamp(0, w - 1)) as usize;
            let ring = [(-6, 0), (6, 0), (0, -6), (0, 6), (-3, -3), (3, -3), (-3, 3), (3, 3)];
            let is_edge = ring.iter().any(|(dx, dy)| {
                let expected = here.moved(*dx as f32, *dy as f32).w;
                (before[clamped(*dx, *dy)].w - expected).abs() > EDGE * here.w
            });
            if is_edge && here.w > 0.0 {
                field.planes[i] = median(photo, &before, [x, y, w, h]);
            }
        }
    }
}

/// The weighted median, by inverse depth at the pixel, of the planes around it.
fn median(photo: &RgbImage, planes: &[Plane], [x, y, w, h]: [i32; 4]) -> Plane {
    let color = |x: i32, y: i32| photo.get_pixel(x as u32, y as u32).0.map(f32::from);
    let center = color(x, y);
    let mut samples = [(0.0f32, 0.0f32, Plane::default()); COUNT];
    let (mut n, mut total) = (0, 0.0);
    for dy in (-REACH..=REACH).step_by(2) {
        for dx in (-REACH..=REACH).step_by(2) {
            let (sx, sy) = (x + dx, y + dy);
            if sx < 0 || sy < 0 || sx >= w || sy >= h {
                continue;
            }
            let there = color(sx, sy);
            let difference: f32 = (0..3).map(|c| (there[c] - center[c]).powi(2)).sum();
            let ratio = difference / (SIGMA_COLOR * SIGMA_COLOR);
            let weight = 1.0 / ((1.0 + ratio * ratio) * (1.0 + (dx * dx + dy * dy) as f32 / 40.0));
            let plane = planes[(sy * w + sx) as usize].moved(-dx as f32, -dy as f32);
            samples[n] = (plane.w, weight, plane);
            total += weight;
            n += 1;
        }
    }
    let samples = &mut samples[..n];
    samples.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut sum = 0.0;
    for s in samples.iter() {
        sum += s.1;
        if sum >= 0.5 * total {
            return s.2;
        }
    }
    planes[(y * w + x) as usize]
}
