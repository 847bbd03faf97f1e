//! How sure adjusted poses are: the diagonal of the covariance matrix in the gauge of inner constraints, where the mean
//! position, orientation and scale of all cameras are held (Triggs et al. 1999, section 9.4).

use super::super::math::skew;
use super::Problem;
use super::reduced::{Layout, reduce};
use super::tiles::TILE;
use nalgebra::{DMatrix, Matrix3, Matrix6, Vector3};

/// Cameras beyond which the dense matrix would take more than about 300 MB.
const MOST_CAMERAS: usize = 1000;

/// Standard deviations of each free view's centre (scene units) and rotation vector (radians), roots of
/// the traces of their covariances, from the spread of the residuals, intrinsics taken as known; `None` for views that are not free, for all of them where the
/// system is singular, and for captures of more than 1000 photos.
pub(in super::super) fn pose_sigmas(p: &Problem) -> Vec<Option<[f64; 2]>> {
    let nothing = || vec![None; p.views.len()];
    let layout = Layout::of(p);
    let free: Vec<usize> = (0..p.views.len()).filter(|i| p.free[*i]).collect();
    if free.len() < 2 || free.len() > MOST_CAMERAS {
        return nothing();
    }
    let mut system = reduce(p, &layout, 0.0).matrix;
    let gauge =
        if p.priors.is_empty() { gauge_directions(p, &layout, &free) } else { DMatrix::zeros(layout.size(), 0) };
    for row in 0..layout.size() {
        for column in 0..=row {
            let v = gauge.row(row).dot(&gauge.row(column));
            if v != 0.0 {
                system.add_at(row, column, v * GAUGE_WEIGHT);
            }
        }
        system.add_at(row, row, 1e-9);
    }
    if !system.factor() {
        return nothing();
    }
    let inverse = system.inverse_diagonal();
    let variance = residual_variance(p);
    let mut out = nothing();
    for i in free {
        let Some(at) = layout.pose[i] else { continue };
        let tile = &inverse[at / TILE];
        // The gauge directions were given a variance of their own: it is taken out again.
        let own = gauge.rows(at, 6);
        let free = Matrix6::from_fn(|r, c| tile[at % TILE + r][at % TILE + c]) - own * own.transpose() / GAUGE_WEIGHT;
        let turn: Matrix3<f64> = free.fixed_view::<3, 3>(0, 0).into_owned();
        // The centre is -Rᵀ t: it moves with both parts of the twist.
        let mut by_twist = nalgebra::Matrix3x6::zeros();
        by_twist.fixed_view_mut::<3, 3>(0, 0).copy_from(&-skew(&p.views[i].w2c.translation.vector));
        by_twist.fixed_view_mut::<3, 3>(0, 3).copy_from(&-Matrix3::identity());
        let centre: Matrix3<f64> = by_twist * free * by_twist.transpose();
        out[i] = Some([centre, turn].map(|c| (c.trace().max(0.0) * variance).sqrt()));
    }
    out
}

/// Weight that the directions of the gauge are held with.
const GAUGE_WEIGHT: f64 = 1e6;

/// Orthonormal basis of the twists (of `moved`) that change nothing but the frame: three shifts, three turns about the
/// mean centre, one scale.
fn gauge_directions(p: &Problem, layout: &Layout, free: &[usize]) -> DMatrix<f64> {
    let mut basis = DMatrix::zeros(layout.size(), 7);
    let n = free.len() as f64;
    let mean = free.iter().fold(Vector3::zeros(), |m, i| m + p.views[*i].centre_in_world().coords) / n;
    for i in free {
        let Some(at) = layout.pose[*i] else { continue };
        let view = &p.views[*i];
        let r: Matrix3<f64> = view.w2c.rotation.to_rotation_matrix().into_inner();
        let offset = view.centre_in_world().coords - mean;
        for axis in 0..3 {
            let e = Vector3::ith(axis, 1.0);
            basis.fixed_view_mut::<3, 1>(at + 3, axis).copy_from(&-(r * e));
            basis.fixed_view_mut::<3, 1>(at, 3 + axis).copy_from(&-(r * e));
            basis.fixed_view_mut::<3, 1>(at + 3, 3 + axis).copy_from(&(r * e.cross(&mean)));
        }
        basis.fixed_view_mut::<3, 1>(at + 3, 6).copy_from(&-(r * offset));
    }
    basis.qr().q()
}

/// Robust variance of an observation's coordinate, square pixels: from the median of squared residuals, which for two
/// Gaussian coordinates is 2 ln 2 times it.
fn residual_variance(p: &Problem) -> f64 {
    let mut r2: Vec<f64> = p
        .landmarks
        .iter()
        .flat_map(|l| l.seen.iter().map(|o| p.views[o.view].error2(&l.position, o.uv)))
        .filter(|r| r.is_finite())
        .collect();
    r2.sort_by(f64::total_cmp);
    r2.get(r2.len() / 2).map_or(1.0, |m| m / (2.0 * std::f64::consts::LN_2))
}
