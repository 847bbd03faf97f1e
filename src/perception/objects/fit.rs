//! The upright box whose projections meet the rectangles of its supporters best.

use super::shown::{hidden_edges, project};
use super::support::{Supported, Supporters};
use super::{ObjectOptions, Room, Upright};
use crate::perception::View;
use crate::perception::vocabulary::{Span, Support, Word};
use crate::scene::Camera;
use nalgebra::{SMatrix, SVector};

/// Foot, logarithms of the sides, yaw.
type Parameters = SVector<f64, 7>;

/// How far a box may reach into the floor and into a wall, metres.
const FLOOR_NOISE: f64 = 0.01;
const WALL_NOISE: f64 = 0.03;
/// Weight of the usual sizes, and of the measured depth, against the edges of one detection.
const SIZES: f64 = 2.0;
/// Photos from which on more of them do not make a fit surer: a detector errs alike in neighbouring photos.
const INDEPENDENT: f64 = 8.0;
const DEPTH: f64 = 0.3;
/// Noise of the depth in the middle of a rectangle: a constant in metres and a share of the distance.
const DEPTH_NOISE: [f64; 2] = [0.15, 0.1];
/// Steps of the solver, and the change of the cost that ends it.
const STEPS: usize = 25;
const SETTLED: f64 = 1e-4;

/// A supporter as the fit sees it.
struct Edge {
    camera: Camera,
    bounds: [f64; 4],
    /// Edges beyond which the box may go on: cut off by the border, or hidden.
    is_free: [bool; 4],
    depth: f64,
    weight: f64,
}

struct Problem<'a> {
    edges: Vec<Edge>,
    word: &'static Word,
    room: &'a Room,
    options: &'a ObjectOptions,
}

/// The box fitted to its supporters, from a start.
pub(super) fn fitted(
    views: &[View],
    supporters: &Supporters,
    start: &Upright,
    word: &'static Word,
    supported: &Supported,
    room: &Room,
    options: &ObjectOptions,
) -> Upright {
    let n = supported.sightings.len().max(1) as f64;
    let mean = supported.sightings.iter().map(|s| s.weight.max(0.02).sqrt()).sum::<f64>() / n;
    let worth = (INDEPENDENT / n).min(1.0).sqrt() / mean;
    let edges = supported
        .sightings
        .iter()
        .map(|s| {
            let seed = supporters.seed(s.seed);
            let view = &views[seed.view];
            let bounds = seed.detection.bounds;
            let hidden = hidden_edges(view, &bounds, seed.depth, start.foot[2], room.metre, options);
            let is_free = std::array::from_fn(|k| hidden[k] || seed.at_border[k]);
            Edge { camera: view.camera, bounds, is_free, depth: seed.depth, weight: s.weight.max(0.02).sqrt() * worth }
        })
        .collect();
    let problem = Problem { edges, word, room, options };
    problem.upright(&minimum(&problem, parameters(start)))
}

fn parameters(b: &Upright) -> Parameters {
    let [w, d, h] = b.size.map(|s| s.max(1e-3).ln());
    Parameters::from([b.foot[0], b.foot[1], b.foot[2], w, d, h, b.yaw])
}

impl Problem<'_> {
    /// The box of some parameters. What stands on floors stands on this one, whatever its parameter says.
    fn upright(&self, p: &Parameters) -> Upright {
        /// Logarithms of the smallest and the largest side that a step may reach, scene units.
        const SIDES: (f64, f64) = (-5.3, 1.7);
        let side = |k: usize| p[k].clamp(SIDES.0, SIDES.1).exp();
        let foot = if self.word.support == Support::Floor { self.room.floor } else { p[2] };
        Upright { foot: [p[0], p[1], foot], size: [side(3), side(4), side(5)], yaw: p[6] }
    }

    /// All residuals in standard deviations; their number does not depend on the parameters.
    fn residuals(&self, p: &Parameters, out: &mut Vec<f64>) {
        out.clear();
        let b = self.upright(p);
        for e in &self.edges {
            self.of_edges(&b, e, out);
        }
        let metre = self.room.metre;
        let sizes = self.word.sizes;
        let [long, short, tall] = b.sides();
        for (side, span) in [(long, sizes.longest), (short, sizes.shortest), (tall, sizes.height)] {
            out.push(SIZES * off_usual(side / metre, &span));
        }
        out.push(((b.foot[2] - self.room.floor) / (FLOOR_NOISE * metre)).min(0.0));
        out.push(self.room.off_grid(b.yaw) / self.options.yaw_noise[usize::from(turns_freely(self.word))]);
        for wall in &self.room.walls {
            let deepest = b.corners().iter().map(|c| wall.distance(c)).fold(f64::INFINITY, f64::min);
            let is_before = wall.faces(&b.center());
            out.push(if is_before { deepest.min(0.0) / (WALL_NOISE * metre) } else { 0.0 });
        }
    }

    /// How far the projection is beyond each edge of a detection (positive) or within it, and the middle from the measured depth.
    fn of_edges(&self, b: &Upright, e: &Edge, out: &mut Vec<f64>) {
        /// Residual of an edge where the box is behind the camera.
        const LOST: f64 = 3.0;
        let size = ((e.bounds[2] - e.bounds[0]) * (e.bounds[3] - e.bounds[1])).sqrt().max(1.0);
        let Some(p) = project(b, &e.camera) else {
            out.extend([LOST; 5]);
            return;
        };
        for k in 0..4 {
            let sign = if k < 2 { -1.0 } else { 1.0 };
            let beyond = sign * (p.bounds[k] - e.bounds[k]) / (self.options.edge_noise * size);
            let weight = if beyond > 0.0 && e.is_free[k] { self.options.free_edge } else { 1.0 };
            out.push(e.weight * weight * beyond);
        }
        let z = (e.camera.w2c() * b.center()).z;
        // What is measured is the front of the thing, about a third of its depth before its middle.
        let off = z - e.depth - 0.35 * b.sides()[1];
        out.push(DEPTH * e.weight * off / (DEPTH_NOISE[0] * self.room.metre + DEPTH_NOISE[1] * e.depth));
    }
}

/// Distance of a size from the usual one, in halves of the range on the logarithmic scale.
fn off_usual(size: f64, span: &Span) -> f64 {
    (size.max(1e-3) / span.typical).ln() / (0.5 * (span.most / span.least).ln()).max(0.05)
}

/// Whether people set a thing down at any angle: what stands on other things, and seats.
fn turns_freely(word: &Word) -> bool {
    let is = |name: &str| word.name == name || word.kind_of == name;
    word.support == Support::Surface
        || ["chair", "plant", "bag", "suitcase", "stool", "toy", "vase"].iter().any(|n| is(n))
}

/// Sum of the soft-L1 costs `2 (sqrt(1 + r^2) - 1)`, which count outliers by their distance, not its square.
fn cost(r: &[f64]) -> f64 {
    r.iter().map(|r| 2.0 * ((1.0 + r * r).sqrt() - 1.0)).sum()
}

/// Levenberg-Marquardt with numerical derivatives, reweighted for the soft-L1 cost (Triggs et al. 2000, section 4).
fn minimum(problem: &Problem, start: Parameters) -> Parameters {
    const STEP: f64 = 1e-5;
    let (mut p, mut damping) = (start, 1e-2);
    let (mut r, mut moved) = (Vec::new(), Vec::new());
    problem.residuals(&p, &mut r);
    let mut now = cost(&r);
    for _ in 0..STEPS {
        let mut columns = vec![[0.0; 7]; r.len()];
        for k in 0..7 {
            let mut q = p;
            q[k] += STEP;
            problem.residuals(&q, &mut moved);
            for (c, (a, b)) in columns.iter_mut().zip(moved.iter().zip(&r)) {
                c[k] = (a - b) / STEP;
            }
        }
        let (mut h, mut g) = (SMatrix::<f64, 7, 7>::zeros(), Parameters::zeros());
        for (c, r) in columns.iter().zip(&r) {
            let (j, w) = (Parameters::from(*c), 1.0 / (1.0 + r * r).sqrt());
            h += j * j.transpose() * w;
            g += j * (r * w);
        }
        let mut gain = 0.0;
        while damping < 1e8 {
            let mut damped = h;
            (0..7).for_each(|k| damped[(k, k)] += damping * (h[(k, k)] + 1e-6));
            let next = damped.cholesky().map(|c| p - c.solve(&g));
            if let Some(next) = next.filter(|n| n.iter().all(|x| x.is_finite())) {
                problem.residuals(&next, &mut moved);
                let then = cost(&moved);
                if then < now {
                    gain = (now - then) / now.max(1e-12);
                    (p, now) = (next, then);
                    std::mem::swap(&mut r, &mut moved);
                    damping = (damping * 0.3).max(1e-9);
                    break;
                }
            }
            damping *= 10.0;
        }
        if gain < SETTLED {
            break;
        }
    }
    p
}
