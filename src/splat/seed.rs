//! Gaussians from a fused point cloud.

use super::logit;
use crate::scene::{Gaussians, SH_C0, sh_coefficients};
use kiddo::{ImmutableKdTree, SquaredEuclidean};
use nalgebra::{UnitQuaternion, Vector3};
use rayon::prelude::*;

/// In-plane standard deviation as a share of the spacing: neighbours at one spacing close the surface.
const IN_PLANE: f32 = 0.6;
/// Thickness as a share of the in-plane standard deviation.
const THICKNESS: f32 = 0.2;
/// Opacity of a seed: dense enough to hide what lies behind a few of them, soft enough to be moved.
const OPACITY: f32 = 0.7;

/// One Gaussian per point: flat along the normal, as wide as the spacing, of the point's colour.
///
/// `positions`, `normals` (unit length; zero where unknown gives a ball), `colors` (sRGB) and `spacing` (distance to
/// the neighbours, world units, positive; see [`spacing_of`]) belong together by index; points with a number that is
/// not finite, or without spacing, are left out.
pub fn seed(
    positions: &[[f32; 3]],
    normals: &[[f32; 3]],
    colors: &[[u8; 3]],
    spacing: &[f32],
    sh_degree: usize,
) -> Gaussians {
    let n = positions.len().min(normals.len()).min(colors.len()).min(spacing.len());
    let mut g = Gaussians { sh_degree, ..Gaussians::default() };
    for i in 0..n {
        let finite = positions[i].iter().chain(&normals[i]).all(|v| v.is_finite());
        if !(finite && spacing[i] > 0.0 && spacing[i] < 1e15) {
            continue;
        }
        let wide = (spacing[i] * IN_PLANE).max(1e-12).ln();
        let (quat, thin) = match Vector3::from(normals[i]).try_normalize(1e-6) {
            Some(normal) => (quat_of_normal(&normal), wide + THICKNESS.ln()),
            None => ([1.0, 0.0, 0.0, 0.0], wide),
        };
        g.means.push(positions[i]);
        g.log_scales.push([wide, wide, thin]);
        g.quats.push(quat);
        g.opacity_logits.push(logit(OPACITY));
        g.sh.push(colors[i].map(|v| (f32::from(v) / 255.0 - 0.5) / SH_C0));
        g.sh.extend((1..sh_coefficients(sh_degree)).map(|_| [0.0; 3]));
    }
    g
}

/// Root mean square distance of each point to its three nearest neighbours, as 3DGS sizes its seeds.
pub fn spacing_of(positions: &[[f32; 3]]) -> Vec<f32> {
    if positions.len() < 2 || positions.iter().flatten().any(|v| !v.is_finite()) {
        return vec![0.0; positions.len()];
    }
    let tree: ImmutableKdTree<f32, 3> = ImmutableKdTree::new_from_slice(positions);
    let four = std::num::NonZero::<usize>::MIN.saturating_add(3);
    let spacing = |p: &[f32; 3]| {
        let near = tree.nearest_n::<SquaredEuclidean>(p, four);
        let others = near.len().saturating_sub(1).max(1) as f32;
        (near.iter().skip(1).map(|x| x.distance).sum::<f32>() / others).sqrt()
    };
    positions.par_iter().map(spacing).collect()
}

/// Quaternion w x y z that turns +z to `normal`.
fn quat_of_normal(normal: &Vector3<f32>) -> [f32; 4] {
    let q = UnitQuaternion::rotation_between(&Vector3::z(), normal)
        .unwrap_or_else(|| UnitQuaternion::from_axis_angle(&Vector3::x_axis(), std::f32::consts::PI));
    [q.w, q.i, q.j, q.k]
}
