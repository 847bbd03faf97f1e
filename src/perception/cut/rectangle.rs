//! The thing in a rectangle: a cut between what is like the inside and what is like the outside, found in rounds as
//! GrabCut does (Rother et al. 2004), with depth: pieces of surface and planes that go on outside are background.

use super::cells::Cells;
use super::flow::{Flow, STEPS};
use super::ground::Ground;
use super::partition::{self, NONE, Partition};

/// By how much of its sides a window is larger than the rectangle, at each side, and pixels at least.
const MARGIN: f64 = 0.3;
const MARGIN_PIXELS: f64 = 8.0;
/// How far beyond the rectangle a mask may reach, as a share of its sides.
pub(super) const BEYOND: f64 = 0.08;
/// How much speaks against a cell at the end of that reach, nats.
const OUTSIDE: f32 = 2.5;
/// Rounds of looking like and cutting.
const ROUNDS: usize = 4;
/// How much each kind of likeness counts, and most that one of them says, nats.
const PIECES: f32 = 0.5;
const COLORS: f32 = 0.5;
const PLANES: f32 = 0.5;
const MOST: f32 = 3.0;
/// Scales of the pieces of surface.
const SCALES: [f32; 3] = [2.0, 10.0, 40.0];
/// Cost of parting two cells between which nothing is seen, nats.
const SMOOTH: f32 = 2.0;
/// Cost that is left where everything parts them.
const LEFT: f32 = 0.02;
/// Capacities a nat.
const UNIT: f32 = 1000.0;
/// What holds a cell to a side that it must be on.
const HARD: i32 = 1_000_000;
/// How many cells around a point are taken with it.
const SEED: f64 = 1.5;

/// A window with what is needed to cut it.
pub(super) struct Stage {
    pub(super) cells: Cells,
    parts: Vec<(Partition, f32)>,
    /// What speaks for (positive) and against a cell because of where it is; infinite = must not be inside.
    place: Vec<f32>,
}

impl Stage {
    pub(super) fn of(ground: &Ground, rectangle: [f64; 4]) -> Option<Self> {
        let [x0, y0, x1, y1] = rectangle;
        let (w, h) = (x1 - x0, y1 - y0);
        let (mx, my) = ((w * MARGIN).max(MARGIN_PIXELS), (h * MARGIN).max(MARGIN_PIXELS));
        let low = |v: f64| v.floor().max(0.0) as usize;
        let high = |v: f64, n: usize| (v.ceil().max(0.0) as usize).min(n);
        let bounds = [low(x0 - mx), low(y0 - my), high(x1 + mx, ground.width), high(y1 + my, ground.height)];
        if bounds[0] + 1 >= bounds[2] || bounds[1] + 1 >= bounds[3] {
            return None;
        }
        let cells = Cells::of(ground, bounds);
        let mut parts = vec![(partition::colors(&cells), COLORS), (partition::planes(&cells), PLANES)];
        parts.extend(SCALES.iter().map(|s| (partition::pieces(&cells, *s), PIECES)));
        let place = (0..cells.len())
            .map(|i| {
                let [x, y] = cells.middle(i);
                let out = |v: f64, a: f64, b: f64| ((a - v).max(v - b) / (b - a)).max(0.0);
                let out = out(x, x0, x1).max(out(y, y0, y1));
                let slack = BEYOND + cells.step as f64 / w.min(h);
                if out > slack { f32::NEG_INFINITY } else { -OUTSIDE * (out / slack) as f32 }
            })
            .collect();
        Some(Self { cells, parts, place })
    }

    /// By cell, whether it is of the thing. Empty where nothing is.
    pub(super) fn cut(&self, points: &[([f64; 2], bool)]) -> Vec<bool> {
        let mut inside: Vec<bool> = self.place.iter().map(|p| *p == 0.0).collect();
        let seeds = self.seeds(points);
        for (i, on) in &seeds {
            inside[*i] = *on;
        }
        for _ in 0..ROUNDS {
            let next = self.round(&inside, &seeds);
            let is_same = next == inside;
            inside = next;
            if is_same || inside.iter().all(|b| !b) {
                break;
            }
        }
        inside
    }

    fn seeds(&self, points: &[([f64; 2], bool)]) -> Vec<(usize, bool)> {
        let near = |p: &[f64; 2], i: usize| {
            let m = self.cells.middle(i);
            (m[0] - p[0]).hypot(m[1] - p[1]) <= SEED * self.cells.step as f64
        };
        let mut out = Vec::new();
        for (p, on) in points {
            out.extend((0..self.cells.len()).filter(|i| near(p, *i)).map(|i| (i, *on)));
            out.extend(self.cells.at(*p).map(|i| (i, *on)));
        }
        out
    }

    fn round(&self, inside: &[bool], seeds: &[(usize, bool)]) -> Vec<bool> {
        let mut draws: Vec<f32> = self.place.clone();
        for (part, weight) in &self.parts {
            let likes = likes(part, inside);
            for (draw, label) in draws.iter_mut().zip(&part.labels) {
                if *label != NONE {
                    *draw += weight * likes[usize::from(*label)];
                }
            }
        }
        let mut flow = Flow::new(self.cells.width, self.cells.height);
        for (i, draw) in draws.iter().enumerate() {
            let strength = if draw.is_finite() { (draw * UNIT) as i32 } else { -HARD };
            flow.draw(i, strength);
            for (d, parted) in self.cells.parted[i].iter().enumerate() {
                if parted.is_finite() {
                    let (dx, dy) = STEPS[d];
                    let length = ((dx * dx + dy * dy) as f32).sqrt();
                    let cost = (SMOOTH * (-parted).exp() + LEFT) / length;
                    flow.join(i, d, (cost * UNIT) as i32);
                }
            }
        }
        for (i, on) in seeds {
            flow.draw(*i, if *on { HARD } else { -HARD });
        }
        flow.cut()
    }
}

/// By label, how much more of the inside than of the outside has it, nats.
fn likes(part: &Partition, inside: &[bool]) -> Vec<f32> {
    let mut counts = vec![[0.0f32; 2]; part.count];
    let mut all = [0.0f32; 2];
    for (label, on) in part.labels.iter().zip(inside).filter(|l| *l.0 != NONE) {
        counts[usize::from(*label)][usize::from(*on)] += 1.0;
        all[usize::from(*on)] += 1.0;
    }
    let share = |c: &[f32; 2], k: usize| (c[k] + 0.5) / (all[k] + 1.0);
    counts.iter().map(|c| (share(c, 1) / share(c, 0)).ln().clamp(-MOST, MOST)).collect()
}
