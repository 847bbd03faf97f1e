//! The thing in a rectangle: a cut between what is like the inside and what is like the outside, found in rounds as
//! GrabCut does (Rother et al. 2004), with depth: pieces of surface and planes that go on outside are background.

use super::cells::Cells;
use super::flow::{Flow, STEPS};
use super::ground::Ground;
use super::partition::{self, NONE, Partition};
use super::plane::Plane;

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
const PIECES: f32 = 0.3;
const COLORS: f32 = 0.5;
const PLANES: f32 = 0.5;
const MOST: f32 = 3.0;
/// What speaks against floor, walls and ceiling, nats.
const ROOM: f32 = 2.0;
/// Cells of a plane outside of the rectangle from which on its colours there are known.
const KNOWN: f32 = 30.0;
/// Shares of a colour that is outside, of what of a plane has it inside or outside: no sign of the plane, and a sure one.
const RARE: f32 = 0.1;
const COMMON: f32 = 0.35;
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
/// How many cells of the piece that a point is on are taken with it, to each side.
const PIECE: f64 = 3.0;
/// Scale of those pieces.
const FINE: f32 = 1.0;

/// A window with what is needed to cut it.
pub(super) struct Stage {
    pub(super) cells: Cells,
    /// What is alike, and how much that counts: planes, colours, then pieces of surface from small to large.
    parts: Vec<(Partition, f32)>,
    /// What speaks for (positive) and against a cell because of where it is; infinite = must not be inside.
    place: Vec<f32>,
    /// By cell, how surely it is of the floor, a wall or the ceiling, 0..1.
    room: Vec<f32>,
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
        let colors = partition::colors(&cells);
        let planes = partition::planes(&cells, &ground.planes);
        let within = |i: usize| {
            let [x, y] = cells.middle(i);
            x0 <= x && x < x1 && y0 <= y && y < y1
        };
        let inside: Vec<bool> = (0..cells.len()).map(within).collect();
        let room = room(&ground.planes, &planes, &colors, &inside);
        let mut parts = vec![(partition::both(&planes, &colors, &inside), PLANES), (colors, COLORS)];
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
        Some(Self { cells, parts, place, room })
    }

    /// By cell, whether it is of the thing that fills the rectangle.
    pub(super) fn cut(&self, points: &[([f64; 2], bool)]) -> Vec<bool> {
        let inside = (0..self.cells.len()).map(|i| self.place[i] == 0.0 && self.room[i] < 0.5).collect();
        self.settled(inside, points)
    }

    /// By cell, whether it is of the thing that is mostly where `start` says, by pixel.
    pub(super) fn grown(&self, start: impl Fn([f64; 2]) -> bool, points: &[([f64; 2], bool)]) -> Vec<bool> {
        let is_in = |i: usize| self.place[i].is_finite() && start(self.cells.middle(i));
        self.settled((0..self.cells.len()).map(is_in).collect(), points)
    }

    /// Likeness and cut in turn.
    fn settled(&self, mut inside: Vec<bool>, points: &[([f64; 2], bool)]) -> Vec<bool> {
        let seeds = self.seeds(points);
        self.leave_out(&mut inside, points);
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

    /// To begin with, leaves out the pieces that a point which is not of the thing is on, and none that is.
    fn leave_out(&self, inside: &mut [bool], points: &[([f64; 2], bool)]) {
        for (part, _) in self.parts.iter().skip(2) {
            let label = |p: &[f64; 2]| self.cells.at(*p).map(|i| part.labels[i]);
            for (p, _) in points.iter().filter(|p| !p.1) {
                let of_thing = points.iter().any(|q| q.1 && label(&q.0) == label(p));
                if let Some(piece) = label(p).filter(|_| !of_thing) {
                    inside.iter_mut().zip(&part.labels).filter(|i| *i.1 == piece).for_each(|i| *i.0 = false);
                }
            }
        }
    }

    /// Cells that points hold to a side: those around them, and the small piece of surface that they are on, where no
    /// point of the other side is on it.
    fn seeds(&self, points: &[([f64; 2], bool)]) -> Vec<(usize, bool)> {
        if points.is_empty() {
            return Vec::new();
        }
        let fine = partition::pieces(&self.cells, FINE);
        let piece = |p: &[f64; 2]| self.cells.at(*p).map(|i| fine.labels[i]);
        let mut out = Vec::new();
        for (p, on) in points {
            let disputed = points.iter().any(|(q, other)| other != on && piece(q) == piece(p));
            let own = piece(p).filter(|_| !disputed);
            let near = |i: usize| {
                let [x, y] = self.cells.middle(i);
                (x - p[0]).hypot(y - p[1])
            };
            let reach = self.cells.step as f64;
            let is_held = |i: &usize| {
                let is_own = own == Some(fine.labels[*i]);
                near(*i) <= SEED * reach || (is_own && near(*i) <= PIECE * reach)
            };
            out.extend((0..self.cells.len()).filter(is_held).map(|i| (i, *on)));
            out.extend(self.cells.at(*p).map(|i| (i, *on)));
        }
        out
    }

    fn round(&self, inside: &[bool], seeds: &[(usize, bool)]) -> Vec<bool> {
        let mut draws: Vec<f32> = self.place.iter().zip(&self.room).map(|(p, room)| p - ROOM * room).collect();
        for (k, (part, weight)) in self.parts.iter().enumerate() {
            let likes = likes(part, inside, k != 1);
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

/// By cell, how surely it is of the floor, a wall or the ceiling: it lies on their plane, and that plane has its colour
/// outside of the rectangle too. A picture lies on the wall and is not of it.
fn room(planes: &[Plane], on: &Partition, colors: &Partition, inside: &[bool]) -> Vec<f32> {
    let mut counts = vec![[0.0f32; 2]; planes.len() * colors.count];
    let mut all = vec![[0.0f32; 2]; planes.len()];
    for ((k, c), is_in) in on.labels.iter().zip(&colors.labels).zip(inside).filter(|l| *l.0.0 != NONE) {
        let k = usize::from(*k);
        counts[k * colors.count + usize::from(*c)][usize::from(*is_in)] += 1.0;
        all[k][usize::from(*is_in)] += 1.0;
    }
    let sure = |(k, c): (&u16, &u16)| {
        let k = usize::from(*k);
        if !planes.get(k).is_some_and(|p| p.is_room) {
            return 0.0;
        }
        if all[k][0] < KNOWN {
            return 1.0;
        }
        let share = |s: usize| counts[k * colors.count + usize::from(*c)][s] / all[k][s].max(1.0);
        ((share(0) / (share(0) + share(1)).max(1e-6) - RARE) / (COMMON - RARE)).clamp(0.0, 1.0)
    };
    on.labels.iter().zip(&colors.labels).map(sure).collect()
}

/// By label, how much more of the inside than of the outside has it, nats. Where `by_count`, not shares are compared but
/// numbers of cells: how much of a piece is inside.
fn likes(part: &Partition, inside: &[bool], by_count: bool) -> Vec<f32> {
    let mut counts: Vec<[f32; 2]> = part.beyond.iter().map(|b| [*b, 0.0]).collect();
    let mut all = [0.0f32; 2];
    for (label, on) in part.labels.iter().zip(inside).filter(|l| *l.0 != NONE) {
        counts[usize::from(*label)][usize::from(*on)] += 1.0;
        all[usize::from(*on)] += 1.0;
    }
    let share = |c: &[f32; 2], k: usize| if by_count { c[k] + 1.0 } else { (c[k] + 0.5) / (all[k] + 1.0) };
    counts.iter().map(|c| (share(c, 1) / share(c, 0)).ln().clamp(-MOST, MOST)).collect()
}
