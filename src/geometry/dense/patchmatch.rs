//! The matcher: slanted planes scored by bilaterally weighted NCC, spread by scan-line propagation.

use super::field::{Field, Link, NO_MATCH, Plane};
use super::level::{Gray, Warp};
use super::ncc::{NARROW, Offsets, WIDE, Window};
use super::seed;
use crate::scene::Intrinsics;

/// Neighbours whose costs count: beside a depth edge only those on one side see what is behind.
const KEPT: usize = 2;
/// Neighbours scored at most.
const MAX_SOURCES: usize = 8;
/// Cosine between the ray and the normal below which a plane is too slanted to match.
const MIN_COS: f32 = 0.12;
/// Forward-backward error at which the geometric term saturates, pixels.
const MAX_ERROR: f32 = 3.0;
/// A neighbour view to be matched with.
pub(super) struct Source<'a> {
    /// Its pixels.
    pub gray: &'a Gray,
    /// From the reference view to it.
    pub warp: Warp,
    /// Its depth from the pass before.
    pub link: Option<Link<'a>>,
}

/// Matches one view against its sources.
pub(super) struct Matcher<'a> {
    gray: &'a Gray,
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
        gray: &'a Gray,
        k: &Intrinsics,
        mut sources: Vec<Source<'a>>,
        range: (f32, f32),
        geometric: f32,
        wide: bool,
    ) -> Self {
        sources.truncate(MAX_SOURCES);
        let (focal, center) = ([k.fx as f32, k.fy as f32], [k.cx as f32, k.cy as f32]);
        let offsets = if wide { &WIDE } else { &NARROW };
        Self { gray, sources, range, geometric, focal, center, offsets }
    }

    /// Each pixel takes the best of its nearest sparse points (tilted at random too) and of random planes.
    pub(super) fn first_field(&self, points: &[[f32; 3]], scale: f32, rng: &mut fastrand::Rng) -> Field {
        let gray = self.gray;
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
                let window = Window::new(self.gray, self.offsets, x, y);
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
            let window = Window::new(self.gray, self.offsets, x, y);
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

    /// Mean cost over the sources that match best: the others may not see the point. Gives up, with a cost of at least
    /// `bound`, once the sources not yet compared can no longer bring the mean below it.
    fn evaluate(&self, window: &Window, plane: Plane, u: f32, v: f32, bound: f32) -> f32 {
        let n = self.sources.len();
        let kept = n.clamp(1, KEPT);
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
            costs[k] += window.cost(self.offsets, source.gray, &source.warp, plane, [u, v]);
        }
        mean_of_least(&costs[..n.max(1)], kept)
    }

    /// Forward-backward error against the source's own depth (Schoenberger et al. 2016, eq. 8), capped.
    #[inline]
    fn geometric_cost(&self, source: &Source, w: f32, u: f32, v: f32) -> f32 {
        let Some(link) = &source.link else { return 0.0 };
        self.geometric * link.round_trip(w, u, v).map_or(MAX_ERROR, |trip| trip.error().min(MAX_ERROR))
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
