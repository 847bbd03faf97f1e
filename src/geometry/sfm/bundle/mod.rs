//! Bundle adjustment: Levenberg-Marquardt over poses, shared intrinsics and points, the points eliminated by the Schur
//! complement. B. Triggs, P. McLauchlan, R. Hartley & A. Fitzgibbon, "Bundle adjustment - a modern synthesis", 1999.

mod reduced;
mod terms;
#[cfg(test)]
mod tests;
mod tiles;
mod uncertainty;

use super::pnp::moved;
use super::view::View;
use nalgebra::{Point3, Vector6};
use rayon::prelude::*;
use reduced::{Layout, point_block, reduce, rows};
pub(super) use terms::{IntrinsicsPrior, PosePrior};
pub(super) use uncertainty::pose_sigmas;

/// Where a view sees a point.
#[derive(Clone, Copy)]
pub(super) struct Observation {
    pub(super) view: usize,
    pub(super) uv: [f64; 2],
}

/// A point and its observations.
#[derive(Clone)]
pub(super) struct Landmark {
    pub(super) position: Point3<f64>,
    pub(super) seen: Vec<Observation>,
}

/// Which intrinsics are adjusted; views of one group share them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refine {
    /// None.
    Nothing,
    /// fx and fy.
    Focal,
    /// fx, fy, k1 and k2.
    FocalAndRadial,
}

/// Parameters of a group's intrinsics: fx, fy, k1, k2.
const INTRINSICS: usize = 4;

/// What is adjusted. Views that are not `free` stay.
pub(super) struct Problem {
    pub(super) views: Vec<View>,
    pub(super) free: Vec<bool>,
    pub(super) group: Vec<usize>,
    pub(super) refine: Refine,
    /// What is known of intrinsics beforehand; used where any are adjusted.
    pub(super) expected: Vec<IntrinsicsPrior>,
    /// What is known of poses beforehand.
    pub(super) priors: Vec<PosePrior>,
    /// Residual length, pixels, at which the Cauchy loss `c² log(1 + r² / c²) / 2` has halved a residual's weight.
    pub(super) loss_scale: f64,
    pub(super) landmarks: Vec<Landmark>,
}

/// How long to adjust.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Most accepted or rejected steps.
    pub(super) steps: usize,
    /// Stops once a step lowers the cost by less than this fraction.
    pub(super) tolerance: f64,
}

/// Residual charged for a point behind its viewer.
const BEHIND: f64 = 50.0;
/// Points whose costs are summed at a time, so that sums are the same for any number of threads.
const COST_CHUNK: usize = 512;
/// Range of k1 and k2.
const RADIAL_RANGE: f64 = 1.0;

fn loss(r2: f64, scale: f64) -> f64 {
    0.5 * scale * scale * (r2 / (scale * scale)).ln_1p()
}

/// Weight of a squared residual: the derivative of [`loss`], doubled.
fn weight(r2: f64, scale: f64) -> f64 {
    1.0 / (1.0 + r2 / (scale * scale))
}

impl Problem {
    /// Robust cost, half the sum of losses.
    pub(super) fn cost(&self) -> f64 {
        let per_chunk: Vec<f64> = self
            .landmarks
            .par_chunks(COST_CHUNK)
            .map(|chunk| chunk.iter().map(|l| self.landmark_cost(l)).sum())
            .collect();
        let pose = |p: &PosePrior| 0.5 * p.residual(&self.views[p.view].w2c).0.norm_squared();
        let intrinsics = |e: &IntrinsicsPrior| {
            let view = &self.views[e.view];
            e.residual(view.focal, view.radial).iter().map(|(r, _)| 0.5 * r * r).sum::<f64>()
        };
        let expected: f64 =
            if self.refine == Refine::Nothing { 0.0 } else { self.expected.iter().map(intrinsics).sum() };
        expected + self.priors.iter().map(pose).sum::<f64>() + per_chunk.iter().sum::<f64>()
    }

    fn landmark_cost(&self, l: &Landmark) -> f64 {
        let r2 = |o: &Observation| self.views[o.view].error2(&l.position, o.uv);
        l.seen.iter().map(r2).map(|r2| loss(if r2.is_finite() { r2 } else { BEHIND * BEHIND }, self.loss_scale)).sum()
    }
}

/// The step of cameras and intrinsics; `None` where the system is singular.
fn solve(p: &Problem, layout: &Layout, damping: f64) -> Option<Vec<f64>> {
    let mut system = reduce(p, layout, damping);
    for (row, d) in system.diagonal.iter().enumerate() {
        system.matrix.add_at(row, row, damping * d + 1e-9);
    }
    if !system.matrix.factor() {
        return None;
    }
    let mut step = system.gradient;
    system.matrix.solve(&mut step);
    step.iter_mut().for_each(|v| *v = -*v);
    step.iter().all(|v| v.is_finite()).then_some(step)
}

/// The problem after a step of the cameras, each point moved to its best place for that step.
fn stepped(p: &Problem, layout: &Layout, damping: f64, step: &[f64]) -> (Vec<View>, Vec<Point3<f64>>) {
    let positions = p
        .landmarks
        .par_iter()
        .with_min_len(64)
        .map(|l| {
            let rows = rows(p, layout, l);
            let Some((inverse, mut g)) = point_block(&rows, damping) else { return l.position };
            for r in &rows {
                let mut change = nalgebra::Vector2::zeros();
                if let Some(at) = r.pose {
                    change += r.d.pose * Vector6::from_fn(|k, _| step[at + k]);
                }
                if let Some(at) = r.intrinsics {
                    change += r.d.intrinsics * nalgebra::Vector4::from_fn(|k, _| step[at + k]);
                }
                g += r.d.point.transpose() * change;
            }
            l.position - inverse * g
        })
        .collect();
    let views = p
        .views
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let mut view = *v;
            if let Some(o) = layout.pose[i] {
                view.w2c = moved(&v.w2c, &Vector6::from_fn(|k, _| step[o + k]));
            }
            if let Some(o) = layout.intrinsics[i] {
                // A focal length that a bad step would halve or double is held back.
                view.focal =
                    std::array::from_fn(|k| (v.focal[k] + step[o + k]).clamp(0.6 * v.focal[k], 1.6 * v.focal[k]));
                view.radial =
                    std::array::from_fn(|k| (v.radial[k] + step[o + 2 + k]).clamp(-RADIAL_RANGE, RADIAL_RANGE));
            }
            view
        })
        .collect();
    (views, positions)
}

/// Adjusts `p` in place and returns its cost. `tick` is called before each step.
pub(super) fn adjust<E>(p: &mut Problem, limits: Limits, mut tick: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let layout = Layout::of(p);
    let mut cost = p.cost();
    let mut damping = 1e-4;
    for _ in 0..limits.steps {
        tick()?;
        let Some(step) = solve(p, &layout, damping) else {
            damping *= 10.0;
            continue;
        };
        let (mut views, positions) = stepped(p, &layout, damping, &step);
        std::mem::swap(&mut p.views, &mut views);
        let old: Vec<Point3<f64>> =
            p.landmarks.iter_mut().zip(positions).map(|(l, to)| std::mem::replace(&mut l.position, to)).collect();
        let next = p.cost();
        if next < cost {
            let gain = (cost - next) / cost.max(1e-300);
            cost = next;
            damping = (damping * 0.2).max(1e-9);
            if gain < limits.tolerance {
                break;
            }
        } else {
            p.views = views;
            p.landmarks.iter_mut().zip(old).for_each(|(l, to)| l.position = to);
            damping *= 10.0;
            if damping > 1e6 {
                break;
            }
        }
    }
    Ok(cost)
}
