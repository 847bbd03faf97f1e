//! Bundle adjustment: Levenberg-Marquardt over poses, shared focal lengths and points, the points eliminated by the Schur
//! complement. B. Triggs, P. McLauchlan, R. Hartley & A. Fitzgibbon, "Bundle adjustment - a modern synthesis", 1999.

use super::math::skew;
use super::pnp::{moved, pose_jacobian};
use super::triangulation::projection_jacobian;
use super::view::View;
use nalgebra::{
    DMatrix, DVector, Isometry3, Matrix2x3, Matrix2x6, Matrix3, Matrix6, Point3, SMatrix, Vector2, Vector3, Vector6,
};
use rayon::prelude::*;

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

/// What is adjusted. Views that are not `free` stay; views of one `group` share their focal lengths.
pub(super) struct Problem {
    pub(super) views: Vec<View>,
    pub(super) free: Vec<bool>,
    pub(super) group: Vec<usize>,
    pub(super) refine_focal: bool,
    /// Used where focal lengths are refined.
    pub(super) aspects: Vec<Aspect>,
    /// What is known of poses beforehand.
    pub(super) priors: Vec<PosePrior>,
    pub(super) landmarks: Vec<Landmark>,
}

/// A pose that a view is expected to be near. Costs half the squared Mahalanobis distance, times `pixels2`.
#[derive(Clone, Copy)]
pub(super) struct PosePrior {
    pub(super) view: usize,
    pub(super) w2c: Isometry3<f64>,
    /// Standard deviations of the rotation vector (radians) and of each coordinate of the centre (scene units).
    pub(super) sigma: [f64; 2],
    /// Variance of an observation, square pixels: what makes this cost comparable with that of observations.
    pub(super) pixels2: f64,
}

impl PosePrior {
    /// Whitened residual, and its derivative by the twist of [`moved`].
    fn residual(&self, w2c: &Isometry3<f64>) -> (Vector6<f64>, Matrix6<f64>) {
        let (kr, kp) = (self.pixels2.sqrt() / self.sigma[0], self.pixels2.sqrt() / self.sigma[1]);
        let turn = (w2c.rotation * self.w2c.rotation.inverse()).scaled_axis() * kr;
        let centre = |pose: &Isometry3<f64>| pose.rotation.inverse() * -pose.translation.vector;
        let shift = (centre(w2c) - centre(&self.w2c)) * kp;
        let back = w2c.rotation.inverse().to_rotation_matrix().into_inner() * -kp;
        let mut j = Matrix6::zeros();
        // The rotation vector of a small turn after a small turn is their sum, to first order.
        j.fixed_view_mut::<3, 3>(0, 0).copy_from(&(Matrix3::identity() * kr));
        j.fixed_view_mut::<3, 3>(3, 0).copy_from(&(back * skew(&w2c.translation.vector)));
        j.fixed_view_mut::<3, 3>(3, 3).copy_from(&back);
        let mut r = Vector6::zeros();
        r.fixed_rows_mut::<3>(0).copy_from(&turn);
        r.fixed_rows_mut::<3>(3).copy_from(&shift);
        (r, j)
    }
}

/// What is expected of the ratio of the focal lengths of a group: motion along one axis alone says little about the other,
/// and pixels are nearly square. Costs `weight / 2 (fy / (ratio fx) - 1)²`.
#[derive(Clone, Copy)]
pub(super) struct Aspect {
    /// Any view of the group.
    pub(super) view: usize,
    /// Expected fy / fx.
    pub(super) ratio: f64,
    pub(super) weight: f64,
}

impl Aspect {
    /// Square root of twice the cost, and its derivatives by fx and fy.
    fn residual(&self, [fx, fy]: [f64; 2]) -> (f64, [f64; 2]) {
        let (k, q) = (self.weight.sqrt(), fy / (self.ratio * fx));
        (k * (q - 1.0), [-k * q / fx, k * q / fy])
    }
}

/// How long to adjust.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Most accepted or rejected steps.
    pub(super) steps: usize,
    /// Stops once a step lowers the cost by less than this fraction.
    pub(super) tolerance: f64,
}

/// Residual length, pixels, at which the Cauchy loss `c² log(1 + r² / c²) / 2` has halved a residual's weight.
const LOSS_SCALE: f64 = 1.5;
/// Residual charged for a point behind its viewer.
const BEHIND: f64 = 50.0;
/// Points are summed in this many chunks at most, whatever the number of threads, so that sums are the same everywhere.
const CHUNKS: usize = 8;
/// Columns of an observation's Jacobian: six of its pose, two of its focal lengths.
const COLUMNS: usize = 8;

fn loss(r2: f64) -> f64 {
    0.5 * LOSS_SCALE * LOSS_SCALE * (r2 / (LOSS_SCALE * LOSS_SCALE)).ln_1p()
}

/// Where each view's parameters stand in the reduced system.
struct Layout {
    pose: Vec<Option<usize>>,
    focal: Vec<Option<usize>>,
    size: usize,
}

impl Layout {
    fn of(p: &Problem) -> Self {
        let mut size = 0;
        let pose = p
            .free
            .iter()
            .map(|free| {
                free.then(|| {
                    size += 6;
                    size - 6
                })
            })
            .collect();
        let groups = if p.refine_focal { p.group.iter().max().map_or(0, |g| g + 1) } else { 0 };
        let focal = p.group.iter().map(|g| (groups > 0).then_some(size + 2 * g)).collect();
        Self { pose, focal, size: size + 2 * groups }
    }
}

/// Residual, and derivatives by pose, focal lengths and point.
pub(super) struct Linearised {
    pub(super) residual: Vector2<f64>,
    pub(super) pose: Matrix2x6<f64>,
    pub(super) focal: Vector2<f64>,
    pub(super) point: Matrix2x3<f64>,
}

/// The reprojection error of `p` in `view` and its derivatives; `None` behind the camera.
pub(super) fn linearise(view: &View, p: &Point3<f64>, uv: [f64; 2]) -> Option<Linearised> {
    let q = (view.w2c * p).coords;
    let at = view.project(p)?;
    Some(Linearised {
        residual: Vector2::new(at[0] - uv[0], at[1] - uv[1]),
        pose: pose_jacobian(view, &q),
        focal: Vector2::new(q.x / q.z, q.y / q.z),
        point: projection_jacobian(view.focal, &q) * view.w2c.rotation.to_rotation_matrix().matrix(),
    })
}

impl Problem {
    /// Robust cost, half the sum of losses.
    pub(super) fn cost(&self) -> f64 {
        let per_chunk: Vec<f64> = self
            .landmarks
            .par_chunks(chunk_size(self.landmarks.len(), 0))
            .map(|chunk| chunk.iter().map(|l| self.landmark_cost(l)).sum())
            .collect();
        let expected = |a: &Aspect| 0.5 * a.residual(self.views[a.view].focal).0.powi(2);
        let aspects: f64 = if self.refine_focal { self.aspects.iter().map(expected).sum() } else { 0.0 };
        let priors: f64 = self.priors.iter().map(|p| 0.5 * p.residual(&self.views[p.view].w2c).0.norm_squared()).sum();
        aspects + priors + per_chunk.iter().sum::<f64>()
    }

    fn landmark_cost(&self, l: &Landmark) -> f64 {
        let r2 = |o: &Observation| self.views[o.view].error2(&l.position, o.uv);
        l.seen.iter().map(r2).map(|r2| loss(if r2.is_finite() { r2 } else { BEHIND * BEHIND })).sum()
    }
}

fn chunk_size(points: usize, size: usize) -> usize {
    // Each chunk holds a copy of the reduced matrix: few chunks where that is large.
    let chunks = if size > 2000 { 2 } else { CHUNKS };
    points.div_ceil(chunks).max(1)
}

/// Normal equations with the points eliminated. `half + halfᵀ` is the matrix.
struct Reduced {
    half: Vec<f64>,
    gradient: Vec<f64>,
    diagonal: Vec<f64>,
}

impl Reduced {
    fn zeros(n: usize) -> Self {
        Self { half: vec![0.0; n * n], gradient: vec![0.0; n], diagonal: vec![0.0; n] }
    }

    fn add(&mut self, other: &Self) {
        for (a, b) in [
            (&mut self.half, &other.half),
            (&mut self.gradient, &other.gradient),
            (&mut self.diagonal, &other.diagonal),
        ] {
            a.iter_mut().zip(b).for_each(|(x, y)| *x += y);
        }
    }
}

/// A weighted observation with its Jacobian by pose and focal lengths, and where its columns go.
struct Row {
    jacobian: SMatrix<f64, 2, COLUMNS>,
    point: Matrix2x3<f64>,
    residual: Vector2<f64>,
    pose: Option<usize>,
    focal: Option<usize>,
}

fn rows(p: &Problem, layout: &Layout, l: &Landmark) -> Vec<Row> {
    l.seen
        .iter()
        .filter_map(|o| {
            let d = linearise(&p.views[o.view], &l.position, o.uv)?;
            // Iteratively reweighted least squares: each residual scaled by the root of its weight.
            let w = (1.0 / (1.0 + d.residual.norm_squared() / (LOSS_SCALE * LOSS_SCALE))).sqrt();
            let mut jacobian = SMatrix::<f64, 2, COLUMNS>::zeros();
            jacobian.fixed_columns_mut::<6>(0).copy_from(&(d.pose * w));
            jacobian[(0, 6)] = d.focal[0] * w;
            jacobian[(1, 7)] = d.focal[1] * w;
            let (pose, focal) = (layout.pose[o.view], layout.focal[o.view]);
            Some(Row { jacobian, point: d.point * w, residual: d.residual * w, pose, focal })
        })
        .collect()
}

/// Inverse of the damped 3 x 3 block of a point and its gradient.
fn point_block(rows: &[Row], damping: f64) -> Option<(Matrix3<f64>, Vector3<f64>)> {
    let (mut v, mut g) = (Matrix3::zeros(), Vector3::zeros());
    for r in rows {
        v += r.point.transpose() * r.point;
        g += r.point.transpose() * r.residual;
    }
    for k in 0..3 {
        v[(k, k)] += damping * v[(k, k)] + 1e-12;
    }
    Some((v.try_inverse()?, g))
}

/// Columns of a row that are in the system: (column of the Jacobian, place in the system).
fn places(r: &Row) -> impl Iterator<Item = (usize, usize)> + '_ {
    let pose = r.pose.into_iter().flat_map(|o| (0..6).map(move |k| (k, o + k)));
    pose.chain(r.focal.into_iter().flat_map(|o| (0..2).map(move |k| (6 + k, o + k))))
}

/// Adds `-left rightᵀ` at the places of two rows.
fn subtract_block(
    half: &mut [f64],
    n: usize,
    a: &Row,
    b: &Row,
    left: &SMatrix<f64, COLUMNS, 3>,
    right: &SMatrix<f64, COLUMNS, 3>,
) {
    for (i, row) in places(a) {
        let y = [left[(i, 0)], left[(i, 1)], left[(i, 2)]];
        let value = |j: usize| y[0] * right[(j, 0)] + y[1] * right[(j, 1)] + y[2] * right[(j, 2)];
        let line = &mut half[row * n..(row + 1) * n];
        if let Some(o) = b.pose {
            for (j, x) in line[o..o + 6].iter_mut().enumerate() {
                *x -= value(j);
            }
        }
        if let Some(o) = b.focal {
            for (j, x) in line[o..o + 2].iter_mut().enumerate() {
                *x -= value(6 + j);
            }
        }
    }
}

fn accumulate(out: &mut Reduced, n: usize, rows: &[Row], damping: f64) {
    let Some((inverse, g)) = point_block(rows, damping) else { return };
    let w: Vec<SMatrix<f64, COLUMNS, 3>> = rows.iter().map(|r| r.jacobian.transpose() * r.point).collect();
    for (i, r) in rows.iter().enumerate() {
        if r.pose.is_none() && r.focal.is_none() {
            continue;
        }
        let jtj = r.jacobian.transpose() * r.jacobian;
        let y = w[i] * inverse;
        let gradient = r.jacobian.transpose() * r.residual - y * g;
        for (a, row) in places(r) {
            out.gradient[row] += gradient[a];
            out.diagonal[row] += jtj[(a, a)];
            for (b, col) in places(r) {
                out.half[row * n + col] += 0.5 * jtj[(a, b)];
            }
        }
        subtract_block(&mut out.half, n, r, r, &(y * 0.5), &w[i]);
        for j in i + 1..rows.len() {
            subtract_block(&mut out.half, n, r, &rows[j], &y, &w[j]);
        }
    }
}

/// The step of cameras and focal lengths; `None` where the system is singular.
fn solve(p: &Problem, layout: &Layout, damping: f64) -> Option<DVector<f64>> {
    let n = layout.size;
    let chunks: Vec<Reduced> = p
        .landmarks
        .par_chunks(chunk_size(p.landmarks.len(), n))
        .map(|chunk| {
            let mut part = Reduced::zeros(n);
            chunk.iter().for_each(|l| accumulate(&mut part, n, &rows(p, layout, l), damping));
            part
        })
        .collect();
    let mut total = Reduced::zeros(n);
    chunks.iter().for_each(|c| total.add(c));
    for aspect in &p.aspects {
        let Some(o) = layout.focal[aspect.view] else { continue };
        let (residual, j) = aspect.residual(p.views[aspect.view].focal);
        for a in 0..2 {
            total.gradient[o + a] += j[a] * residual;
            total.diagonal[o + a] += j[a] * j[a];
            for b in 0..2 {
                total.half[(o + a) * n + o + b] += 0.5 * j[a] * j[b];
            }
        }
    }
    for prior in &p.priors {
        let Some(o) = layout.pose[prior.view] else { continue };
        let (residual, j) = prior.residual(&p.views[prior.view].w2c);
        let (gradient, jtj) = (j.transpose() * residual, j.transpose() * j);
        for a in 0..6 {
            total.gradient[o + a] += gradient[a];
            total.diagonal[o + a] += jtj[(a, a)];
            for b in 0..6 {
                total.half[(o + a) * n + o + b] += 0.5 * jtj[(a, b)];
            }
        }
    }
    let half = DMatrix::from_vec(n, n, total.half);
    let mut matrix = &half + half.transpose();
    for k in 0..n {
        matrix[(k, k)] += damping * total.diagonal[k] + 1e-9;
    }
    let step = -matrix.cholesky()?.solve(&DVector::from_vec(total.gradient));
    step.iter().all(|v| v.is_finite()).then_some(step)
}

/// The problem after a step of the cameras, each point moved to its best place for that step.
fn stepped(p: &Problem, layout: &Layout, damping: f64, step: &DVector<f64>) -> (Vec<View>, Vec<Point3<f64>>) {
    let positions = p
        .landmarks
        .par_iter()
        .with_min_len(64)
        .map(|l| {
            let rows = rows(p, layout, l);
            let Some((inverse, mut g)) = point_block(&rows, damping) else { return l.position };
            for r in &rows {
                let mut change = Vector2::zeros();
                for (k, place) in places(r) {
                    change += r.jacobian.column(k) * step[place];
                }
                g += r.point.transpose() * change;
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
            if let Some(o) = layout.focal[i] {
                // A focal length that a bad step would halve or double is held back.
                view.focal =
                    std::array::from_fn(|k| (v.focal[k] + step[o + k]).clamp(0.6 * v.focal[k], 1.6 * v.focal[k]));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Cancelled, Intrinsics};

    fn problem() -> Problem {
        let mut rng = fastrand::Rng::with_seed(2);
        let k = Intrinsics { width: 640, height: 480, fx: 500.0, fy: 510.0, cx: 320.0, cy: 240.0 };
        let views: Vec<View> = (0..6)
            .map(|i| {
                let a = 0.25 * f64::from(i);
                View::new(
                    &k,
                    Isometry3::new(
                        Vector3::new(-1.2 * a.sin(), 0.1 * a, 4.0 + 0.3 * a),
                        Vector3::new(0.05 * a, a, 0.0),
                    ),
                )
            })
            .collect();
        let landmarks = (0..120)
            .map(|_| {
                let position = Point3::new(rng.f64() - 0.5, rng.f64() - 0.5, rng.f64() - 0.5) * 2.0;
                let seen =
                    (0..6).map(|view| Observation { view, uv: views[view].project(&position).unwrap() }).collect();
                Landmark { position, seen }
            })
            .collect();
        let free = (0..6).map(|i| i > 0).collect();
        Problem {
            views,
            free,
            group: vec![0; 6],
            refine_focal: false,
            aspects: Vec::new(),
            priors: Vec::new(),
            landmarks,
        }
    }

    #[test]
    fn jacobians_agree_with_finite_differences() {
        let p = problem();
        let (view, point, uv) = (p.views[2], p.landmarks[0].position, [310.0, 250.0]);
        let d = linearise(&view, &point, uv).unwrap();
        let h = 1e-6;
        let at = |v: &View, x: &Point3<f64>| linearise(v, x, uv).unwrap().residual;
        for k in 0..6 {
            let twist =
                |s: f64| View { w2c: moved(&view.w2c, &Vector6::from_fn(|i, _| if i == k { s } else { 0.0 })), ..view };
            let numeric = (at(&twist(h), &point) - at(&twist(-h), &point)) / (2.0 * h);
            assert!((numeric - d.pose.column(k)).norm() < 1e-4, "pose {k}");
        }
        for k in 0..3 {
            let shift = |s: f64| point + Vector3::from_fn(|i, _| if i == k { s } else { 0.0 });
            let numeric = (at(&view, &shift(h)) - at(&view, &shift(-h))) / (2.0 * h);
            assert!((numeric - d.point.column(k)).norm() < 1e-4, "point {k}");
        }
        for k in 0..2 {
            let longer =
                |s: f64| View { focal: std::array::from_fn(|i| view.focal[i] + if i == k { s } else { 0.0 }), ..view };
            let numeric = (at(&longer(h), &point) - at(&longer(-h), &point))[k] / (2.0 * h);
            assert!((numeric - d.focal[k]).abs() < 1e-6, "focal {k}");
        }
    }

    #[test]
    fn the_reduced_gradient_is_that_of_the_cost() {
        let mut p = problem();
        p.refine_focal = true;
        let mut rng = fastrand::Rng::with_seed(9);
        p.landmarks.iter_mut().flat_map(|l| &mut l.seen).for_each(|o| o.uv[0] += rng.f64() - 0.5);
        let layout = Layout::of(&p);
        let mut full = vec![0.0; layout.size];
        for l in &p.landmarks {
            for r in rows(&p, &layout, l) {
                let g = r.jacobian.transpose() * r.residual;
                places(&r).for_each(|(k, place)| full[place] += g[k]);
            }
        }
        let numeric = |place: usize| {
            let moved_cost = |s: f64| {
                let step = DVector::from_fn(layout.size, |i, _| if i == place { s } else { 0.0 });
                let (views, _) = stepped(&p, &layout, 0.0, &step);
                Problem {
                    views,
                    free: p.free.clone(),
                    group: p.group.clone(),
                    refine_focal: true,
                    aspects: Vec::new(),
                    landmarks: p.landmarks.clone(),
                }
                .cost()
            };
            (moved_cost(1e-6) - moved_cost(-1e-6)) / 2e-6
        };
        for place in [0, 4, 11, 17, 30, 31] {
            assert!((numeric(place) - full[place]).abs() < 1e-3 * (1.0 + full[place].abs()), "{place}");
        }
    }

    #[test]
    fn disturbed_cameras_points_and_focal_lengths_come_back() {
        for refine_focal in [false, true] {
            let truth = problem();
            let mut p = problem();
            p.refine_focal = refine_focal;
            p.free[1] = !refine_focal;
            let mut rng = fastrand::Rng::with_seed(4);
            let mut noise = |s: f64| (rng.f64() - 0.5) * s;
            for i in 1..6 {
                if p.free[i] {
                    p.views[i].w2c = moved(&p.views[i].w2c, &Vector6::from_fn(|_, _| noise(0.04)));
                }
            }
            if refine_focal {
                p.views.iter_mut().for_each(|v| v.focal = [530.0, 480.0]);
            }
            p.landmarks.iter_mut().for_each(|l| l.position += Vector3::from_fn(|_, _| noise(0.05)));
            let cost = adjust(&mut p, Limits { steps: 60, tolerance: 0.0 }, || Ok::<(), Cancelled>(())).unwrap();
            assert!(cost < 1e-12, "{cost}");
            for (a, b) in p.views.iter().zip(&truth.views) {
                assert!(a.w2c.rotation.angle_to(&b.w2c.rotation) < 1e-6);
                assert!((a.focal[0] - b.focal[0]).abs() < 1e-4 && (a.focal[1] - b.focal[1]).abs() < 1e-4);
            }
        }
    }
}
