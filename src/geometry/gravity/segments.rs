//! Straight line segments of a photo: pixels whose gradients agree in direction are grown into regions, and regions that
//! are long and thin are lines (the idea of LSD: Grompone von Gioi et al. 2010, without its a-contrario test).

use image::{GrayImage, RgbImage, imageops};

/// A straight edge, end points in pixels of the photo (pixel centres at +0.5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) from: [f64; 2],
    pub(super) to: [f64; 2],
}

/// Longer side of the picture that is searched, pixels.
const WORKING_SIDE: u32 = 640;
/// Blur before gradients are taken, pixels.
const BLUR: f32 = 0.8;
/// Weakest gradient of an edge, gray levels per pixel: that of noise bends directions by more than the tolerance.
const WEAKEST: f32 = 6.0;
/// Largest angle between a pixel's direction and that of its region, radians (22.5 degrees, as in LSD).
const TOLERANCE: f32 = std::f32::consts::PI / 8.0;
/// Shortest segment as a share of the longer side.
const SHORTEST: f64 = 0.05;
/// Largest standard deviation across a segment, pixels: an edge is as wide as its blur, a curve is wider.
const WIDEST: f64 = 1.2;

/// The straight edges of a photo.
pub(super) fn segments(photo: &RgbImage) -> Vec<Segment> {
    let (w, h) = photo.dimensions();
    if w < 16 || h < 16 {
        return Vec::new();
    }
    let scale = (f64::from(WORKING_SIDE) / f64::from(w.max(h))).min(1.0);
    let size = |x: u32| ((f64::from(x) * scale).round() as u32).max(8);
    let gray = imageops::grayscale(photo);
    let small =
        if scale < 1.0 { imageops::resize(&gray, size(w), size(h), imageops::FilterType::Triangle) } else { gray };
    let field = Field::of(&imageops::blur(&small, BLUR));
    let back = [f64::from(w) / f64::from(small.width()), f64::from(h) / f64::from(small.height())];
    let full = |p: [f64; 2]| [p[0] * back[0], p[1] * back[1]];
    let shortest = SHORTEST * f64::from(small.width().max(small.height()));
    let mut taken = vec![false; field.strength.len()];
    let mut found = Vec::new();
    for seed in field.strongest_first() {
        if taken[seed] {
            continue;
        }
        let region = field.grow(seed, &mut taken);
        if (region.len() as f64) < shortest {
            continue;
        }
        found.extend(field.fit(&region, shortest).map(|s| Segment { from: full(s.from), to: full(s.to) }));
    }
    found
}

/// Gradients of a picture: strength, and the angle of the edge (dark on its right), 0 strength where there is none.
struct Field {
    width: usize,
    strength: Vec<f32>,
    angle: Vec<f32>,
}

impl Field {
    /// Entry `(x, y)` is for the corner that four pixels share, at `(x + 1, y + 1)`.
    fn of(image: &GrayImage) -> Self {
        let (width, height) = (image.width() as usize - 1, image.height() as usize - 1);
        let at = |x: usize, y: usize| f32::from(image.as_raw()[y * (width + 1) + x]);
        let (mut strength, mut angle) = (vec![0.0; width * height], vec![0.0; width * height]);
        for y in 0..height {
            for x in 0..width {
                let (a, b, c, d) = (at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1));
                let (gx, gy) = (0.5 * (b + d - a - c), 0.5 * (c + d - a - b));
                let g = gx.hypot(gy);
                if g >= WEAKEST {
                    (strength[y * width + x], angle[y * width + x]) = (g, gx.atan2(-gy));
                }
            }
        }
        Self { width, strength, angle }
    }

    fn strongest_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.strength.len()).filter(|i| self.strength[*i] > 0.0).collect();
        order.sort_by(|a, b| self.strength[*b].total_cmp(&self.strength[*a]).then(a.cmp(b)));
        order
    }

    /// Pixels connected to `seed` whose angle is that of the region.
    fn grow(&self, seed: usize, taken: &mut [bool]) -> Vec<usize> {
        let mut region = vec![seed];
        taken[seed] = true;
        let (mut sin, mut cos) = self.angle[seed].sin_cos();
        let mut next = 0;
        while next < region.len() {
            let (x, y) = (region[next] % self.width, region[next] / self.width);
            next += 1;
            for ny in y.saturating_sub(1)..=(y + 1).min(self.strength.len() / self.width - 1) {
                for nx in x.saturating_sub(1)..=(x + 1).min(self.width - 1) {
                    let i = ny * self.width + nx;
                    if taken[i] || self.strength[i] == 0.0 || turn(self.angle[i], sin.atan2(cos)) > TOLERANCE {
                        continue;
                    }
                    taken[i] = true;
                    region.push(i);
                    let (s, c) = self.angle[i].sin_cos();
                    (sin, cos) = (sin + s, cos + c);
                }
            }
        }
        region
    }

    /// The line through a region by its second moments, weighted by strength; `None` where it is not long and thin.
    fn fit(&self, region: &[usize], shortest: f64) -> Option<Segment> {
        let point = |i: usize| [(i % self.width) as f64 + 1.0, (i / self.width) as f64 + 1.0];
        let weight = |i: usize| f64::from(self.strength[i]);
        let total: f64 = region.iter().map(|i| weight(*i)).sum();
        let mean = |k: usize| region.iter().map(|i| weight(*i) * point(*i)[k]).sum::<f64>() / total;
        let (mx, my) = (mean(0), mean(1));
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for i in region {
            let ([x, y], w) = (point(*i), weight(*i) / total);
            let (dx, dy) = (x - mx, y - my);
            (xx, xy, yy) = (xx + w * dx * dx, xy + w * dx * dy, yy + w * dy * dy);
        }
        let direction = 0.5 * (2.0 * xy).atan2(xx - yy);
        let (s, c) = direction.sin_cos();
        let across = (xx * s * s - 2.0 * xy * s * c + yy * c * c).max(0.0).sqrt();
        let along = region.iter().map(|i| (point(*i)[0] - mx) * c + (point(*i)[1] - my) * s);
        let (first, last) = along.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), t| (a.min(t), b.max(t)));
        let at = |t: f64| [mx + t * c, my + t * s];
        (last - first >= shortest && across <= WIDEST).then(|| Segment { from: at(first), to: at(last) })
    }
}

/// Angle between two directions, 0..pi.
fn turn(a: f32, b: f32) -> f32 {
    let d = (a - b).abs() % std::f32::consts::TAU;
    d.min(std::f32::consts::TAU - d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn an_edge_is_found_where_it_is() {
        // Bright right of the line x = 60 + y / 8, smoothed over a pixel.
        let photo = RgbImage::from_fn(160, 120, |x, y| {
            let d = (f64::from(x) + 0.5) - (60.0 + (f64::from(y) + 0.5) / 8.0);
            Rgb([(60.0 + 120.0 * (d + 0.5).clamp(0.0, 1.0)) as u8; 3])
        });
        let found = segments(&photo);
        assert_eq!(found.len(), 1, "{found:?}");
        for [x, y] in [found[0].from, found[0].to] {
            assert!((x - (60.0 + y / 8.0)).abs() < 0.15, "{found:?}");
        }
        assert!((found[0].to[1] - found[0].from[1]).abs() > 110.0);
    }

    #[test]
    fn a_disc_and_a_plain_wall_have_no_lines() {
        let disc = RgbImage::from_fn(200, 200, |x, y| {
            let d = (f64::from(x) - 100.0).hypot(f64::from(y) - 100.0) - 60.0;
            Rgb([(60.0 + 120.0 * (d + 0.5).clamp(0.0, 1.0)) as u8; 3])
        });
        let lines: f64 = segments(&disc).iter().map(|s| (s.to[0] - s.from[0]).hypot(s.to[1] - s.from[1])).sum();
        assert!(lines < 0.5 * std::f64::consts::TAU * 60.0, "{lines}");
        assert!(segments(&RgbImage::from_pixel(200, 100, Rgb([90; 3]))).is_empty());
        assert!(segments(&RgbImage::new(3, 900)).is_empty());
    }
}
