//! Which plane, if any, each pixel of a photo shows.

use super::belief;
use super::cover::{Cover, Hits, Place, ray};
use crate::geometry::dense::Prepared;
use crate::geometry::dense::filter::Map;
use crate::geometry::dense::level::Gray;
use crate::geometry::dense::segment::Segments;

/// Confidence of a pixel whose depth is that of a plane.
pub(super) const INFERRED: f32 = 0.5;
/// Labels are for every so many pixels, as segments are.
const STEP: usize = 2;

/// Cost of a pixel's own depth, where it was measured and where it was not: a plane that nothing speaks against is simpler.
const OWN: f32 = 0.15;
const UNMEASURED: f32 = 0.7;
/// Cost of a plane behind what was measured, of one in front of it, and of a covered one in front of it: that is what a
/// mirror image looks like. Each times the belief in what was measured.
const BEHIND: f32 = 1.0;
const IN_FRONT: f32 = 1.0;
const MIRROR: f32 = 0.15;
/// Share of a segment's measured pixels on a plane from which on those behind it are mirror images.
const REFLECTS: f32 = 0.2;
/// Weight of what a segment's measured pixels say of those that are not, and weight of measured pixels at which that is halved.
const SEGMENT: f32 = 0.8;
const LITTLE: f32 = 5.0;
/// What a plane gains by a measured depth on it.
const AGREES: f32 = 0.3;
/// Cost of a plane where it is open, thinly covered, not known, and not known though it bounds the room; beyond what was seen of
/// it, the first, and one and a half of the last.
const OPEN: f32 = 0.8;
const THIN: f32 = 0.4;
const UNKNOWN: f32 = 0.5;
const UNKNOWN_BOUND: f32 = 0.4;
/// Cost of a plane that cannot be seen here.
const NEVER: f32 = 9.0;
/// Cost of a change of labels between neighbours of one colour; difference of colour (0..255) at which it has fallen to 1/e, and
/// the share that is left at any difference.
const CHANGE: f32 = 8.0;
const EDGE: f32 = 8.0;
const LEAST_CHANGE: f32 = 0.05;
/// Texture, see [`texture`], from which on a measured depth on a plane is more exact than the plane.
const TEXTURED: f32 = 0.5;

/// Gives the pixels of a map that show one of the planes its depth. `segments` are of the photo at half its resolution.
pub(super) fn apply(view: &Prepared, covers: &[Cover], segments: &Segments, map: &mut Map) {
    let hits: Vec<Hits> = covers.iter().map(|c| Hits::of(&c.plane, view)).collect();
    let gray = Gray::new(&view.photo);
    let (w, h) = ((map.width / STEP).max(1), (map.height / STEP).max(1));
    let pixels = Pixels { view, covers, hits: &hits, map, gray: &gray };
    let seen: Vec<Pixel> = (0..w * h).map(|k| pixels.at(k % w * STEP, k / w * STEP)).collect();
    let evidence = Evidence::of(&pixels, segments, &seen);
    let mut costs = Costs { labels: covers.len() + 1, width: w, height: h, values: Vec::new() };
    for (pixel, segment) in seen.iter().zip(&segments.label) {
        costs.values.push(if pixel.own > 0.0 { OWN } else { UNMEASURED });
        costs.values.extend((0..covers.len()).map(|k| pixels.cost(pixel, k, &evidence.of_segment(*segment)[k])));
    }
    let labels = costs.chosen(&changes(view, w, h));
    for y in 0..map.height {
        for x in 0..map.width {
            let label = labels[(y / STEP).min(h - 1) * w + (x / STEP).min(w - 1)] as usize;
            let Some(k) = label.checked_sub(1) else { continue };
            let Some(depth) = hits[k].depth(&ray(view, x, y)) else { continue };
            let i = y * map.width + x;
            let own = map.inverse[i];
            let agrees = own > 0.0 && (1.0 / own - depth).abs() < covers[k].noise(depth);
            let is_better = agrees && belief(map.confidence[i]) >= super::SURE && texture(&gray, x, y) >= TEXTURED;
            if !is_better {
                (map.inverse[i], map.confidence[i]) = (1.0 / depth, INFERRED);
            }
        }
    }
}

/// What there is to know of the pixels of a view.
struct Pixels<'a> {
    view: &'a Prepared<'a>,
    covers: &'a [Cover],
    hits: &'a [Hits],
    map: &'a Map,
    gray: &'a Gray,
}

/// A pixel that gets a label.
struct Pixel {
    ray: [f32; 3],
    /// Measured depth, 0 where there is none.
    own: f32,
    /// How much that is believed, 0..1.
    weight: f32,
}

impl Pixels<'_> {
    fn at(&self, x: usize, y: usize) -> Pixel {
        let i = y * self.map.width + x;
        let inverse = self.map.inverse[i];
        let (own, weight) = if inverse > 0.0 {
            let certain = 0.1 + 0.9 * belief(self.map.confidence[i]);
            (1.0 / inverse, certain * (0.3 + 0.7 * texture(self.gray, x, y)))
        } else {
            (0.0, 0.0)
        };
        Pixel { ray: ray(self.view, x, y), own, weight }
    }

    /// By how much a measured depth is behind a plane, in units of its noise.
    fn off(&self, pixel: &Pixel, k: usize) -> Option<f32> {
        let depth = self.hits[k].depth(&pixel.ray)?;
        Some((pixel.own - depth) / self.covers[k].noise(depth))
    }

    /// What it costs that a pixel shows a plane.
    fn cost(&self, pixel: &Pixel, k: usize, of_segment: &Shares) -> f32 {
        let Some(depth) = self.hits[k].depth(&pixel.ray) else { return NEVER };
        let cover = &self.covers[k];
        let place = cover.place(self.view, &pixel.ray, depth);
        let is_covered = place == Some(Place::Covered);
        let mut cost = match place {
            Some(Place::Covered) => 0.0,
            Some(Place::Thin) => THIN,
            Some(Place::Unknown) if cover.is_bound => UNKNOWN_BOUND,
            Some(Place::Unknown) => UNKNOWN,
            None if cover.is_bound => 1.5 * UNKNOWN_BOUND,
            Some(Place::Open) | None => OPEN,
        };
        // A surface that reflects lies on its plane here and seems to be behind it there.
        let looks_past = if is_covered && of_segment.on >= REFLECTS { MIRROR } else { IN_FRONT };
        if pixel.own > 0.0 {
            let off = (pixel.own - depth) / cover.noise(depth);
            let against = BEHIND * (-off - 1.0).clamp(0.0, 1.0) + looks_past * (off - 1.0).clamp(0.0, 1.0);
            let agrees = if is_covered { AGREES * (2.0 - off.abs()).clamp(0.0, 1.0) } else { 0.0 };
            cost += pixel.weight * (against - agrees);
        }
        let around = BEHIND * of_segment.before + looks_past * of_segment.beyond;
        cost + SEGMENT * (1.0 - pixel.weight) * around
    }
}

/// How a segment's measured pixels lie to a plane: shares of their weights.
#[derive(Clone, Copy, Debug, Default)]
struct Shares {
    on: f32,
    before: f32,
    beyond: f32,
}

/// What the segments say of the planes.
struct Evidence {
    planes: usize,
    shares: Vec<Shares>,
}

impl Evidence {
    fn of(pixels: &Pixels, segments: &Segments, seen: &[Pixel]) -> Self {
        let planes = pixels.covers.len();
        let mut shares = vec![Shares::default(); planes * segments.color.len()];
        let mut total = vec![0.0f32; segments.color.len()];
        for (pixel, segment) in seen.iter().zip(&segments.label).filter(|(p, _)| p.own > 0.0) {
            let s = *segment as usize;
            total[s] += pixel.weight;
            for k in 0..planes {
                let share = &mut shares[s * planes + k];
                match pixels.off(pixel, k) {
                    Some(off) if off < -1.5 => share.before += pixel.weight,
                    Some(off) if off > 1.5 => share.beyond += pixel.weight,
                    Some(_) => share.on += pixel.weight,
                    None => {}
                }
            }
        }
        for (s, total) in total.iter().enumerate() {
            for share in &mut shares[s * planes..(s + 1) * planes] {
                let scale = 1.0 / (total + LITTLE);
                (share.on, share.before, share.beyond) = (share.on * scale, share.before * scale, share.beyond * scale);
            }
        }
        Self { planes, shares }
    }

    fn of_segment(&self, segment: u32) -> &[Shares] {
        let first = segment as usize * self.planes;
        &self.shares[first..first + self.planes]
    }
}

/// How much texture a pixel has about it, 0..1: variance of luma over 7 by 7 pixels from 2 to 32, by its logarithm.
fn texture(gray: &Gray, x: usize, y: usize) -> f32 {
    const REACH: usize = 3;
    let (mut sum, mut squares, mut n) = (0u32, 0u32, 0u32);
    for v in y.saturating_sub(REACH)..(y + REACH + 1).min(gray.height) {
        for u in x.saturating_sub(REACH)..(x + REACH + 1).min(gray.width) {
            let luma = gray.quads[v * gray.width + u] & 0xff;
            sum += luma;
            squares += luma * luma;
            n += 1;
        }
    }
    let mean = sum as f32 / n as f32;
    let variance = squares as f32 / n as f32 - mean * mean;
    ((variance.max(1.0) / 2.0).log2() / 4.0).clamp(0.0, 1.0)
}

/// Cost of a change between each pixel and its right, and its lower neighbour.
fn changes(view: &Prepared, w: usize, h: usize) -> [Vec<f32>; 2] {
    let color = |x: usize, y: usize| {
        let (x, y) = ((x * STEP) as u32, (y * STEP) as u32);
        view.photo.get_pixel(x.min(view.photo.width() - 1), y.min(view.photo.height() - 1)).0.map(i32::from)
    };
    let cost = |a: [i32; 3], b: [i32; 3]| {
        let difference = (0..3).map(|c| (a[c] - b[c]).abs()).fold(0, i32::max) as f32;
        CHANGE * (LEAST_CHANGE + (1.0 - LEAST_CHANGE) * (-difference / EDGE).exp())
    };
    let all = |dx: usize, dy: usize| {
        (0..w * h).map(|i| cost(color(i % w, i / w), color((i % w + dx).min(w - 1), (i / w + dy).min(h - 1)))).collect()
    };
    [all(1, 0), all(0, 1)]
}

/// What each label costs at each pixel.
struct Costs {
    labels: usize,
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Costs {
    /// The label of each pixel by semi-global matching (Hirschmueller 2008) with one cost of change: the sum of the least costs of
    /// the paths that reach a pixel along its row and its column, from either side.
    fn chosen(&self, [right, lower]: &[Vec<f32>; 2]) -> Vec<u16> {
        let (w, h, n) = (self.width, self.height, self.labels);
        let mut sums = vec![0.0f32; self.values.len()];
        for y in 0..h {
            self.path(&mut sums, w, |k| y * w + k, |k| right[y * w + k]);
            self.path(&mut sums, w, |k| y * w + w - 1 - k, |k| right[y * w + w - 2 - k]);
        }
        for x in 0..w {
            self.path(&mut sums, h, |k| k * w + x, |k| lower[k * w + x]);
            self.path(&mut sums, h, |k| (h - 1 - k) * w + x, |k| lower[(h - 2 - k) * w + x]);
        }
        let least = |costs: &[f32]| (1..n).fold(0, |best, k| if costs[k] < costs[best] { k } else { best }) as u16;
        sums.chunks_exact(n).map(least).collect()
    }

    /// Adds the least costs along a path of `length` pixels; `pixel` is that of a place on it, `change` the cost from one place to
    /// the next.
    fn path(&self, sums: &mut [f32], length: usize, pixel: impl Fn(usize) -> usize, change: impl Fn(usize) -> f32) {
        let n = self.labels;
        let mut before = vec![0.0f32; n];
        for k in 0..length {
            let at = pixel(k) * n;
            let least = before.iter().copied().fold(f32::MAX, f32::min);
            let jump = if k > 0 { least + change(k - 1) } else { least };
            for l in 0..n {
                before[l] = self.values[at + l] + before[l].min(jump) - least;
                sums[at + l] += before[l];
            }
        }
    }
}
