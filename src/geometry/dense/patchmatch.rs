//! The matcher: slanted planes scored by bilaterally weighted NCC, spread by scan-line propagation.

use super::level::{Level, Warp};
use super::{Gray, seed};

/// Samples of a matching window: a 6 x 6 grid of every second pixel without its corners, four vectors of eight.
const SAMPLES: usize = 32;
/// Luma difference at which a sample counts half.
const SIGMA_LUMA: f32 = 12.0;
/// Variance of noise, luma squared: NCC of flat windows tends to zero.
const NOISE: f32 = 1.5;
/// Neighbours scored at most.
const MAX_SOURCES: usize = 8;
/// Cosine between the ray and the normal below which a plane is too slanted to match.
const MIN_COS: f32 = 0.12;
/// Forward-backward error at which the geometric term saturates, pixels.
const MAX_ERROR: f32 = 3.0;
/// Cost of a hypothesis that has nothing to be compared with.
pub(super) const NO_MATCH: f32 = 1.0;

/// A plane seen from a camera: inverse depth is linear in pixel coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Plane {
    /// Inverse depth at the centre of the pixel that holds it; 0 = unknown.
    pub w: f32,
    /// Its derivative along u, per pixel.
    pub du: f32,
    /// Its derivative along v, per pixel.
    pub dv: f32,
}

impl Plane {
    /// The same plane held by the pixel `(dx, dy)` away.
    #[inline]
    pub(super) fn moved(self, dx: f32, dy: f32) -> Self {
        Self { w: self.du.mul_add(dx, self.dv.mul_add(dy, self.w)), ..self }
    }
}

/// A plane and its cost for every pixel of a view.
pub(super) struct Field {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Row-major.
    pub planes: Vec<Plane>,
    /// Cost of each plane, 0..2.
    pub cost: Vec<f32>,
}

impl Field {
    /// Nothing known.
    pub(super) fn empty(width: usize, height: usize) -> Self {
        Self { width, height, planes: vec![Plane::default(); width * height], cost: vec![NO_MATCH; width * height] }
    }

    /// The field on a finer (or equal) grid; costs are not carried over when the size changes.
    pub(super) fn resized(&self, width: usize, height: usize) -> Self {
        let mut out = Self::empty(width, height);
        let (sx, sy) = if width == self.width { (1.0, 1.0) } else { (0.5f32, 0.5f32) };
        for y in 0..height {
            let (v, yc) = ((y as f32 + 0.5) * sy, ((y as f32 * sy) as usize).min(self.height - 1));
            for x in 0..width {
                let (u, xc) = ((x as f32 + 0.5) * sx, ((x as f32 * sx) as usize).min(self.width - 1));
                let p = self.planes[yc * self.width + xc].moved(u - xc as f32 - 0.5, v - yc as f32 - 0.5);
                out.planes[y * width + x] = Plane { w: p.w.max(0.0), du: p.du * sx, dv: p.dv * sy };
            }
        }
        out
    }

    /// Inverse depth at pixel coordinates of a grid `1 / ratio` times as fine; 0 outside.
    #[inline]
    pub(super) fn inverse_depth(&self, u: f32, v: f32, ratio: f32) -> f32 {
        let (u, v) = (u * ratio, v * ratio);
        let (x, y) = (u as usize, v as usize);
        if u < 0.0 || v < 0.0 || x >= self.width || y >= self.height {
            return 0.0;
        }
        let p = self.planes[y * self.width + x];
        if p.w > 0.0 { p.moved(u - x as f32 - 0.5, v - y as f32 - 0.5).w } else { 0.0 }
    }
}

/// A neighbour view to be matched with.
pub(super) struct Source<'a> {
    /// Its pixels.
    pub gray: &'a Gray,
    /// From the reference view to it.
    pub there: Warp,
    /// And back.
    pub back: Warp,
    /// Its depth from the pass before, at the same or half the resolution.
    pub depth: Option<&'a Field>,
}

/// Offsets of a window's samples, pixels.
type Offsets = ([f32; SAMPLES], [f32; SAMPLES]);
/// Offsets of 1, 3, 5 pixels to either side.
const WIDE: Offsets = offsets([-5.0, -3.0, -1.0, 1.0, 3.0, 5.0]);
/// Offsets of 1, 2, 3 pixels to either side: for the finest level, where edges matter.
const NARROW: Offsets = offsets([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]);

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
struct Window {
    weight: [f32; SAMPLES],
    weighted: [f32; SAMPLES],
    mean: f32,
    variance: f32,
}

impl Window {
    fn new(gray: &Gray, offsets: &Offsets, x: usize, y: usize) -> Self {
        let (w, h) = (gray.width as i32, gray.height as i32);
        let mut luma = [0.0f32; SAMPLES];
        for s in 0..SAMPLES {
            let sx = (x as i32 + offsets.0[s] as i32).clamp(0, w - 1);
            let sy = (y as i32 + offsets.1[s] as i32).clamp(0, h - 1);
            luma[s] = gray.luma[(sy * w + sx) as usize];
        }
        let center = gray.luma[y * gray.width + x];
        let mut weight = [0.0f32; SAMPLES];
        let (mut total, reach) = (0.0, offsets.0[4].abs());
        for s in 0..SAMPLES {
            let (d, r2) = ((luma[s] - center) / SIGMA_LUMA, offsets.0[s] * offsets.0[s] + offsets.1[s] * offsets.1[s]);
            weight[s] = 1.0 / ((1.0 + d * d) * (1.0 + r2 / (2.0 * reach * reach)));
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
}

/// Matches one view against its sources.
pub(super) struct Matcher<'a> {
    level: &'a Level,
    sources: Vec<Source<'a>>,
    range: (f32, f32),
    geometric: f32,
    focal: [f32; 2],
    center: [f32; 2],
    offsets: &'static Offsets,
}

impl<'a> Matcher<'a> {
    /// `range`: least and greatest inverse depth; `geometric`: weight of the forward-backward error;
    /// `wide`: a window of 11 pixels, else of 7.
    pub(super) fn new(
        level: &'a Level,
        mut sources: Vec<Source<'a>>,
        range: (f32, f32),
        geometric: f32,
        wide: bool,
    ) -> Self {
        sources.truncate(MAX_SOURCES);
        let k = level.camera.intrinsics;
        let (focal, center) = ([k.fx as f32, k.fy as f32], [k.cx as f32, k.cy as f32]);
        let offsets = if wide { &WIDE } else { &NARROW };
        Self { level, sources, range, geometric, focal, center, offsets }
    }

    /// Each pixel takes the best of its nearest sparse points (tilted at random too) and of random planes.
    pub(super) fn first_field(&self, points: &[[f32; 3]], scale: f32, rng: &mut fastrand::Rng) -> Field {
        let gray = &self.level.gray;
        let mut field = Field::empty(gray.width, gray.height);
        for y in 0..gray.height {
            for x in 0..gray.width {
                let (u, v) = (x as f32 + 0.5, y as f32 + 0.5);
                let near: [f32; 3] = seed::nearest(points, u / scale, v / scale);
                let window = Window::new(gray, self.offsets, x, y);
                let mut best = (f32::MAX, Plane::default());
                for k in 0..6 {
                    let w = if k < 4 { near[k % 3] } else { self.range.0 + rng.f32() * (self.range.1 - self.range.0) };
                    let plane = if k < 3 { Plane { w, du: 0.0, dv: 0.0 } } else { self.random_tilt(u, v, w, rng) };
                    let cost = self.evaluate(&window, plane, u, v, best.0);
                    if cost < best.0 {
                        best = (cost, plane);
                    }
                }
                (field.cost[y * gray.width + x], field.planes[y * gray.width + x]) = best;
            }
        }
        field
    }

    /// A plane through the pixel's point with a normal up to about 60 degrees off the ray.
    fn random_tilt(&self, u: f32, v: f32, w: f32, rng: &mut fastrand::Rng) -> Plane {
        let (rx, ry) = ((u - self.center[0]) / self.focal[0], (v - self.center[1]) / self.focal[1]);
        let (nx, ny) = (rng.f32() * 3.0 - 1.5 + rx, rng.f32() * 3.0 - 1.5 + ry);
        let along = (nx * rx + ny * ry + 1.0).max(0.2);
        Plane { w, du: nx / along * w / self.focal[0], dv: ny / along * w / self.focal[1] }
    }

    /// Whether inverse depth and slant are within bounds.
    fn is_plausible(&self, p: Plane, u: f32, v: f32) -> bool {
        if !(p.w >= self.range.0 && p.w <= self.range.1) {
            return false;
        }
        let (rx, ry) = ((u - self.center[0]) / self.focal[0], (v - self.center[1]) / self.focal[1]);
        let (nx, ny) = (p.du * self.focal[0], p.dv * self.focal[1]);
        let nz = p.w - nx * rx - ny * ry;
        let cos2 = p.w * p.w / ((nx * nx + ny * ny + nz * nz) * (rx * rx + ry * ry + 1.0));
        cos2 > MIN_COS * MIN_COS
    }

    /// Scores every pixel's plane.
    pub(super) fn score(&self, field: &mut Field) {
        for y in 0..field.height {
            for x in 0..field.width {
                let i = y * field.width + x;
                let window = Window::new(&self.level.gray, self.offsets, x, y);
                field.planes[i].w = field.planes[i].w.clamp(self.range.0, self.range.1);
                field.cost[i] = self.evaluate(&window, field.planes[i], x as f32 + 0.5, y as f32 + 0.5, f32::MAX);
            }
        }
    }

    /// One sweep: each pixel tries its neighbours' planes, one from further away, and perturbations of its own.
    pub(super) fn sweep(&self, field: &mut Field, forward: bool, perturb: f32, rng: &mut fastrand::Rng) {
        let (w, h) = (field.width, field.height);
        for k in 0..w * h {
            let i = if forward { k } else { w * h - 1 - k };
            let (x, y) = (i % w, i / w);
            let (u, v) = (x as f32 + 0.5, y as f32 + 0.5);
            let window = Window::new(&self.level.gray, self.offsets, x, y);
            let mut best = (field.cost[i], field.planes[i]);
            // Only the start has anything to gain from afar.
            let skip = usize::from(perturb < 0.005);
            let far = (rng.i32(-12..=12), rng.i32(-12..=12));
            for (dx, dy) in &[far, (-1, 0), (0, -1), (1, 0), (0, 1)][skip..] {
                let (nx, ny) = (x as i32 + dx, y as i32 + dy);
                if nx < 0 || ny < 0 || nx >= w as i32 || ny >= h as i32 {
                    continue;
                }
                let plane = field.planes[ny as usize * w + nx as usize].moved(-*dx as f32, -*dy as f32);
                self.challenge(&mut best, &window, plane, u, v);
            }
            for plane in self.perturbed(best.1, u, v, perturb, rng) {
                self.challenge(&mut best, &window, plane, u, v);
            }
            (field.cost[i], field.planes[i]) = best;
        }
    }

    /// Takes `plane` where it is plausible, differs from the best, and costs less.
    #[inline]
    fn challenge(&self, best: &mut (f32, Plane), window: &Window, plane: Plane, u: f32, v: f32) {
        let p = best.1;
        let same = (plane.w - p.w).abs() < 3e-4 * p.w
            && ((plane.du - p.du).abs() + (plane.dv - p.dv).abs()) * self.focal[0] < 0.04 * p.w;
        if same || !self.is_plausible(plane, u, v) {
            return;
        }
        let cost = self.evaluate(window, plane, u, v, best.0);
        if cost < best.0 {
            *best = (cost, plane);
        }
    }

    /// Depth alone, tilt alone, and both.
    fn perturbed(&self, p: Plane, u: f32, v: f32, size: f32, rng: &mut fastrand::Rng) -> [Plane; 3] {
        let mut jitter = |s: f32| (rng.f32() * 2.0 - 1.0) * s;
        let tilt = (size * 15.0).min(0.6);
        let depth = p.w * (1.0 + jitter(size));
        let (du, dv) = (p.du + jitter(tilt) * p.w / self.focal[0], p.dv + jitter(tilt) * p.w / self.focal[1]);
        let both = p.w * (1.0 + jitter(size * 0.5));
        let random = if size > 0.02 { Some(self.range.0 + rng.f32() * (self.range.1 - self.range.0)) } else { None };
        let last = match random {
            Some(w) => self.random_tilt(u, v, w, rng),
            None => Plane { w: both, du: 0.5 * (du + p.du), dv: 0.5 * (dv + p.dv) },
        };
        [Plane { w: depth, ..p }, Plane { w: p.w, du, dv }, last]
    }

    /// Mean cost over the better half of the sources: the others may be hidden there. Gives up, with a cost of at least
    /// `bound`, once the sources not yet compared can no longer bring the mean below it.
    fn evaluate(&self, window: &Window, plane: Plane, u: f32, v: f32, bound: f32) -> f32 {
        let n = self.sources.len();
        let kept = n.div_ceil(2).max(1);
        // Costs so far: the geometric term is cheap and comes first, NCC only adds to it.
        let mut costs = [NO_MATCH; MAX_SOURCES];
        if self.geometric > 0.0 {
            for (cost, source) in costs.iter_mut().zip(&self.sources) {
                *cost = self.geometric_cost(source, plane.w, u, v);
            }
        } else {
            costs[..n].fill(0.0);
        }
        for (k, source) in self.sources.iter().enumerate() {
            if k + kept >= n || self.geometric > 0.0 {
                let least = mean_of_least(&costs[..n], kept);
                if least >= bound {
                    return least;
                }
            }
            costs[k] += ncc_cost(window, self.offsets, source, plane, u, v);
        }
        mean_of_least(&costs[..n.max(1)], kept)
    }

    /// Forward-backward error against the source's own depth (Schoenberger et al. 2016, eq. 8), capped.
    #[inline]
    fn geometric_cost(&self, source: &Source, w: f32, u: f32, v: f32) -> f32 {
        let Some(field) = source.depth else { return 0.0 };
        let ratio = if field.width == source.gray.width { 1.0 } else { 0.5 };
        self.geometric * round_trip(source, field, ratio, w, u, v).map_or(MAX_ERROR, |e| e.0.min(MAX_ERROR))
    }
}

/// Mean of the `kept` least costs.
#[inline]
fn mean_of_least(costs: &[f32], kept: usize) -> f32 {
    let mut sorted = [f32::MAX; MAX_SOURCES];
    for (k, c) in costs.iter().enumerate() {
        let mut at = k;
        while at > 0 && sorted[at - 1] > *c {
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        sorted[at] = *c;
    }
    sorted[..kept].iter().sum::<f32>() / kept as f32
}

/// Pixels between `(u, v)` and where it comes back to by way of the source's depth; and the ratio of the inverse depth
/// seen from the source to the one expected there.
#[inline]
pub(super) fn round_trip(source: &Source, field: &Field, ratio: f32, w: f32, u: f32, v: f32) -> Option<(f32, f32)> {
    let h = source.there.apply(u, v, w);
    if h[2] <= 1e-6 {
        return None;
    }
    let (su, sv) = (h[0] / h[2], h[1] / h[2]);
    let there = field.inverse_depth(su, sv, ratio);
    if there <= 0.0 {
        return None;
    }
    let b = source.back.apply(su, sv, there);
    if b[2] <= 1e-6 {
        return None;
    }
    let (eu, ev) = (b[0] / b[2] - u, b[1] / b[2] - v);
    Some(((eu * eu + ev * ev).sqrt(), there * h[2] / w))
}

/// `1 - NCC` of the window and its image in the source through the plane.
#[inline]
fn ncc_cost(window: &Window, offsets: &Offsets, source: &Source, plane: Plane, u: f32, v: f32) -> f32 {
    let (gray, warp) = (source.gray, &source.there);
    let h = warp.apply(u, v, plane.w);
    let (max_x, max_y) = (gray.width as f32 - 1.001, gray.height as f32 - 1.001);
    if h[2] <= 1e-6 {
        return NO_MATCH;
    }
    let (cx, cy) = (h[0] / h[2], h[1] / h[2]);
    if !(cx >= 1.0 && cy >= 1.0 && cx <= max_x && cy <= max_y) {
        return NO_MATCH;
    }
    let hx: [f32; 3] = std::array::from_fn(|r| plane.du.mul_add(warp.t[r], warp.m[r][0]));
    let hy: [f32; 3] = std::array::from_fn(|r| plane.dv.mul_add(warp.t[r], warp.m[r][1]));
    let (mut index, mut fx, mut fy) = ([0u32; SAMPLES], [0.0f32; SAMPLES], [0.0f32; SAMPLES]);
    let width = gray.width as f32;
    for s in 0..SAMPLES {
        let (dx, dy) = (offsets.0[s], offsets.1[s]);
        let z = hx[2].mul_add(dx, hy[2].mul_add(dy, h[2])).max(1e-6);
        let x = (hx[0].mul_add(dx, hy[0].mul_add(dy, h[0])) / z - 0.5).max(0.0).min(max_x);
        let y = (hx[1].mul_add(dx, hy[1].mul_add(dy, h[1])) / z - 0.5).max(0.0).min(max_y);
        let (xi, yi) = (x.floor(), y.floor());
        // Whole numbers below 2^23 sit in the low bits of 2^23 + n: a cast would not be vectorised.
        index[s] = (yi.mul_add(width, xi) + 8_388_608.0).to_bits() & 0x7f_ffff;
        fx[s] = x - xi;
        fy[s] = y - yi;
    }
    let (mut top, mut bottom) = ([0u32; SAMPLES], [0u32; SAMPLES]);
    let below = &gray.pairs[gray.width..];
    for s in 0..SAMPLES {
        let i = index[s] as usize;
        top[s] = gray.pairs[i];
        bottom[s] = below[i];
    }
    let (mut sum, mut square, mut cross) = ([0.0f32; 8], [0.0f32; 8], [0.0f32; 8]);
    let tap = |v: u32| ((v & 0xffff) as i32 as f32, (v >> 16) as i32 as f32);
    for chunk in (0..SAMPLES).step_by(8) {
        for lane in 0..8 {
            let s = chunk + lane;
            let ((a, b), (c, d)) = (tap(top[s]), tap(bottom[s]));
            let (ab, cd) = ((b - a).mul_add(fx[s], a), (d - c).mul_add(fx[s], c));
            let value = (cd - ab).mul_add(fy[s], ab).mul_add(1.0 / 256.0, -window.mean);
            sum[lane] = window.weight[s].mul_add(value, sum[lane]);
            square[lane] = (window.weight[s] * value).mul_add(value, square[lane]);
            cross[lane] = window.weighted[s].mul_add(value, cross[lane]);
        }
    }
    let (sum, square, cross) = (sum.iter().sum::<f32>(), square.iter().sum::<f32>(), cross.iter().sum::<f32>());
    let variance = (square - sum * sum).max(0.0);
    1.0 - cross / ((window.variance + NOISE) * (variance + NOISE)).sqrt()
}
