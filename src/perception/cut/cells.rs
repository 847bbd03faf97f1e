//! A part of a photo as a grid of square cells, and how strongly neighbours are parted.

use super::flow::STEPS;
use super::ground::{Ground, apart};
use nalgebra::Vector3;

/// Most cells of a window: more would be slow, fewer would lose thin parts.
const MOST: usize = 10_000;
/// Distance from a neighbour's tangent plane that parts two cells, as a share of their depth.
const JUMP: f32 = 0.012;
/// Angle by which normals must turn towards each other in a hollow to part two cells, radians.
const HOLLOW: f32 = 0.35;
/// Cells to each side between which a hollow is looked for.
const REACH: isize = 2;
/// Difference of Lab colours that parts two cells.
const COLOR: f32 = 7.0;
/// On a ridge the light changes and the thing goes on: colours part this much less there.
const RIDGE: f32 = 0.3;
/// Normals that differ by less are one flat surface, radians.
const FLAT: f32 = 0.2;
/// Most that a hollow and a change of colour count for the edge of a whole thing, and the sum that is half an edge.
const MOST_HOLLOW: f32 = 3.0;
const MOST_COLOR: f32 = 2.0;
const HALF: f32 = 3.0;
/// How much farther, as a share of its depth, what a thing is clearly before is.
const BEFORE: f32 = 0.02;
/// How strongly a place without depth is parted from one with depth.
const UNKNOWN: f32 = 0.3;

/// Cells of `step` x `step` pixels from `origin` on.
pub(super) struct Cells {
    /// Pixel of the photo (at the size of [`Ground`]) where the first cell begins.
    pub(super) origin: [usize; 2],
    pub(super) step: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Mean colour.
    pub(super) lab: Vec<[f32; 3]>,
    /// The point in the middle, camera frame, and the normal there (zero = unknown).
    pub(super) points: Vec<Option<(Vector3<f32>, Vector3<f32>)>>,
    /// By cell, how strongly it is parted from its neighbour in each of the first four directions; infinite off the grid.
    pub(super) parted: Vec<[f32; 4]>,
    /// The same for whole things: a change of colour or a hollow says less than a jump of depth; 0..1.
    pub(super) strength: Vec<[f32; 4]>,
}

impl Cells {
    /// The cells of `[x0, y0, x1, y1)`, pixels within the photo.
    pub(super) fn of(ground: &Ground, bounds: [usize; 4]) -> Self {
        let [x0, y0, x1, y1] = bounds;
        let area = (x1 - x0) * (y1 - y0);
        let step = (1..).find(|s| area <= MOST * s * s).unwrap_or(1);
        let (width, height) = ((x1 - x0).div_ceil(step), (y1 - y0).div_ceil(step));
        let mut out = Self {
            origin: [x0, y0],
            step,
            width,
            height,
            lab: Vec::with_capacity(width * height),
            points: Vec::with_capacity(width * height),
            parted: Vec::new(),
            strength: Vec::new(),
        };
        for (cy, cx) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let (px, py) = (x0 + cx * step, y0 + cy * step);
            let (ex, ey) = ((px + step).min(x1), (py + step).min(y1));
            let mut sum = [0.0f32; 3];
            for (y, x) in (py..ey).flat_map(|y| (px..ex).map(move |x| (y, x))) {
                let c = ground.lab[y * ground.width + x];
                (0..3).for_each(|k| sum[k] += c[k]);
            }
            let n = ((ex - px) * (ey - py)) as f32;
            out.lab.push(sum.map(|s| s / n));
            let (mx, my) = ((px + ex) / 2, (py + ey) / 2);
            out.points.push(ground.point(mx, my).map(|p| (p, ground.normal(mx, my))));
        }
        let all: Vec<[[f32; 2]; 4]> = (0..width * height).map(|i| std::array::from_fn(|d| out.parting(i, d))).collect();
        out.parted = all.iter().map(|e| e.map(|p| p[0])).collect();
        out.strength = all.iter().map(|e| e.map(|p| p[1])).collect();
        out
    }

    pub(super) fn len(&self) -> usize {
        self.lab.len()
    }

    /// The cell `times` steps away in a direction, if it is on the grid.
    pub(super) fn neighbour(&self, cell: usize, direction: usize, times: isize) -> Option<usize> {
        let (dx, dy) = STEPS[direction];
        let (x, y) = ((cell % self.width) as isize + dx * times, (cell / self.width) as isize + dy * times);
        let inside = x >= 0 && y >= 0 && x < self.width as isize && y < self.height as isize;
        inside.then(|| y as usize * self.width + x as usize)
    }

    /// Middle of a cell, pixels.
    pub(super) fn middle(&self, cell: usize) -> [f64; 2] {
        let at = |v: usize, o: usize| o as f64 + (v as f64 + 0.5) * self.step as f64;
        [at(cell % self.width, self.origin[0]), at(cell / self.width, self.origin[1])]
    }

    /// The cell of a pixel, if it is on the grid.
    pub(super) fn at(&self, pixel: [f64; 2]) -> Option<usize> {
        let on = |k: usize| ((pixel[k] - self.origin[k] as f64) / self.step as f64).floor();
        let (x, y) = (on(0), on(1));
        let inside = x >= 0.0 && y >= 0.0 && x < self.width as f64 && y < self.height as f64;
        inside.then(|| y as usize * self.width + x as usize)
    }

    /// `[x0, y0, x1, y1)` around the cells of a mask, pixels; `None` without any.
    pub(super) fn bounds(&self, inside: &[bool]) -> Option<[f64; 4]> {
        let mut b = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let half = self.step as f64 * 0.5;
        for i in (0..inside.len()).filter(|i| inside[*i]) {
            let [x, y] = self.middle(i);
            b = [b[0].min(x - half), b[1].min(y - half), b[2].max(x + half), b[3].max(y + half)];
        }
        (b[0] < b[2]).then_some(b)
    }

    /// Whether a rectangle ends at a side of the grid that is not a side of the photo.
    pub(super) fn is_cut_off(&self, rectangle: &[f64; 4], photo: [usize; 2]) -> bool {
        let ends = [self.origin[0] + self.width * self.step, self.origin[1] + self.height * self.step];
        (0..2).any(|k| {
            let low = self.origin[k] > 0 && rectangle[k] <= self.origin[k] as f64;
            low || (ends[k] < photo[k] && rectangle[k + 2] >= ends[k] as f64)
        })
    }

    /// Of the edge of a mask, the share where the mask is clearly before what is around it.
    pub(super) fn before(&self, inside: &[bool]) -> f64 {
        let (mut sum, mut n) = (0.0, 0.0);
        for i in (0..self.len()).filter(|i| inside[*i]) {
            for j in (0..8).filter_map(|d| self.neighbour(i, d, 1)).filter(|j| !inside[*j]) {
                n += 1.0;
                if let (Some(a), Some(b)) = (self.points[i], self.points[j]) {
                    sum += f64::from(u8::from(b.0.z - a.0.z > BEFORE * a.0.z));
                }
            }
        }
        if n > 0.0 { sum / n } else { 0.0 }
    }

    /// Mean strength of edges within a mask, 0..1.
    pub(super) fn strength_within(&self, inside: &[bool]) -> f64 {
        let (mut sum, mut n) = (0.0, 0.0);
        for (i, strength) in self.strength.iter().enumerate().filter(|x| inside[x.0]) {
            for d in (0..4).filter(|d| self.neighbour(i, *d, 1).is_some_and(|j| inside[j])) {
                sum += f64::from(strength[d]);
                n += 1.0;
            }
        }
        if n > 0.0 { sum / n } else { 0.0 }
    }

    /// How far in the middle of a mask a pixel is: its distance from the edge as a share of the greatest, 0..1.
    pub(super) fn middleness(&self, inside: &[bool], pixel: [f64; 2]) -> f64 {
        let Some(at) = self.at(pixel).filter(|i| inside[*i]) else { return 0.0 };
        let mut steps: Vec<u32> = inside.iter().map(|b| if *b { u32::MAX / 2 } else { 0 }).collect();
        let mut near = |i: usize, directions: std::ops::Range<usize>| {
            for d in directions {
                let beside = self.neighbour(i, d, 1).map_or(0, |j| steps[j]);
                steps[i] = steps[i].min(beside + 1);
            }
        };
        (0..inside.len()).for_each(|i| near(i, 4..8));
        (0..inside.len()).rev().for_each(|i| near(i, 0..4));
        let most = steps.iter().max().copied().unwrap_or_default().max(1);
        f64::from(steps[at]) / f64::from(most)
    }

    /// How much of the edge of a mask runs where something parts the cells, 0..1.
    pub(super) fn edge(&self, inside: &[bool]) -> f64 {
        let (mut sum, mut n) = (0.0, 0.0);
        for (i, parted) in self.parted.iter().enumerate() {
            for d in 0..4 {
                if self.neighbour(i, d, 1).is_some_and(|j| inside[i] != inside[j]) {
                    sum += 1.0 - f64::from((-parted[d]).exp());
                    n += 1.0;
                }
            }
        }
        if n > 0.0 { sum / n } else { 0.0 }
    }

    /// How strongly a cell is parted from a neighbour, and the strength of that as an edge between things.
    fn parting(&self, i: usize, direction: usize) -> [f32; 2] {
        let Some(j) = self.neighbour(i, direction, 1) else { return [f32::INFINITY, 1.0] };
        let color = (apart(&self.lab[i], &self.lab[j]) / COLOR).powi(2);
        let both = |jump: f32, hollow: f32, color: f32| {
            let sum = jump + hollow.min(MOST_HOLLOW) + color.min(MOST_COLOR);
            [jump + hollow + color, sum / (sum + HALF)]
        };
        let (Some((p, n)), Some((q, m))) = (self.points[i], self.points[j]) else {
            let one_known = self.points[i].is_some() != self.points[j].is_some();
            return both(if one_known { UNKNOWN } else { 0.0 }, 0.0, color);
        };
        let way = q - p;
        let off = match (n != Vector3::zeros(), m != Vector3::zeros()) {
            (true, true) => n.dot(&way).abs().min(m.dot(&way).abs()),
            (true, false) => n.dot(&way).abs(),
            (false, true) => m.dot(&way).abs(),
            (false, false) => way.z.abs() * 0.5,
        };
        let jump = (off / (JUMP * p.z.min(q.z))).powi(2);
        let (bend, is_hollow) = self.bend(i, j, direction);
        let hollow = if is_hollow { (bend / HOLLOW).powi(2) } else { 0.0 };
        let color = if !is_hollow && bend > FLAT && jump < 1.0 { color * RIDGE } else { color };
        both(jump, hollow, color)
    }

    /// By how much the surface turns across two neighbours, radians, and whether it turns inward.
    fn bend(&self, i: usize, j: usize, direction: usize) -> (f32, bool) {
        let end = |c: usize, times: isize| {
            let far = self.neighbour(c, direction, times).and_then(|f| self.points[f]);
            far.filter(|f| f.1 != Vector3::zeros()).or(self.points[c]).filter(|f| f.1 != Vector3::zeros())
        };
        let (Some((p, n)), Some((q, m))) = (end(i, 1 - REACH), end(j, REACH - 1)) else { return (0.0, false) };
        let way = q - p;
        // In a hollow each end lies before the tangent plane of the other.
        (n.dot(&m).clamp(-1.0, 1.0).acos(), n.dot(&way) > 0.0 && m.dot(&way) < 0.0)
    }
}
