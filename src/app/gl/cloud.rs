//! What the 3D view draws, as its two renderers read it.

use crate::app::look::{Look, Mode};
use crate::scene::{Gaussians, SH_C0, SparsePoint};
use nalgebra::{Matrix3, Quaternion, UnitQuaternion, Vector3};
use rayon::prelude::*;
use std::sync::Arc;

/// What is drawn: splats, or points as tiny splats.
#[derive(Clone)]
pub(in crate::app) enum Cloud {
    /// Splats.
    Splats(Arc<Gaussians>),
    /// Sparse points.
    Points(Arc<crate::scene::Sparse>),
}

impl Cloud {
    /// Whether both are the very same data.
    pub(in crate::app) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Splats(a), Self::Splats(b)) => Arc::ptr_eq(a, b),
            (Self::Points(a), Self::Points(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Variance in square pixels that each gets: points are dots, splats only must not fall between pixels.
    pub(super) fn blur(&self) -> f32 {
        if matches!(self, Self::Splats(_)) { 0.3 } else { 1.1 }
    }

    /// Whether opacity falls by as much as the blur widens a splat (Mip-Splatting, Yu et al. 2024, eq. 8).
    pub(super) fn antialiased(&self) -> bool {
        matches!(self, Self::Splats(g) if g.antialiased)
    }

    /// What is shown of it: points have colours only, and nothing of them is hidden.
    pub(super) fn look(&self, look: &Look) -> Look {
        if matches!(self, Self::Splats(_)) { *look } else { Look::default() }
    }
}

/// A cloud as the shader reads it.
pub(super) struct Packed {
    /// Of what.
    pub cloud: Cloud,
    /// Three texels per splat: mean, opacity; covariance xx xy xz yy; covariance yz zz 0 0.
    pub texels: Vec<[f32; 4]>,
    /// Centres, world.
    pub means: Vec<[f32; 3]>,
}

/// Splats in a row of the texture.
pub(super) const PER_ROW: usize = 1024;

pub(super) fn pack(cloud: &Cloud) -> Packed {
    let (mut texels, means): (Vec<[f32; 4]>, Vec<[f32; 3]>) = match cloud {
        Cloud::Splats(g) => {
            ((0..g.len()).into_par_iter().flat_map_iter(|i| splat_texels(g, i)).collect(), g.means.clone())
        }
        Cloud::Points(s) => {
            let mean = |p: &SparsePoint| [p.position.x as f32, p.position.y as f32, p.position.z as f32];
            let texels = s.points.iter().flat_map(|p| {
                let [x, y, z] = mean(p);
                [[x, y, z, 0.95], [0.0; 4], [0.0; 4]]
            });
            (texels.collect(), s.points.iter().map(mean).collect())
        }
    };
    texels.resize(means.len().div_ceil(PER_ROW).max(1) * PER_ROW * 3, [0.0; 4]);
    Packed { cloud: cloud.clone(), texels, means }
}

/// Rotation from the axes of a Gaussian to the world.
fn axes(g: &Gaussians, i: usize) -> Matrix3<f32> {
    let [w, x, y, z] = g.quats[i];
    UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z)).to_rotation_matrix().into_inner()
}

/// Mean, opacity and covariance R S S R^T (Kerbl et al. 2023, eq. 6) of a Gaussian. A broken one gets opacity 0.
fn splat_texels(g: &Gaussians, i: usize) -> [[f32; 4]; 3] {
    let [x, y, z] = g.means[i];
    let mut m = axes(g, i);
    for k in 0..3 {
        let s = g.log_scales[i][k].exp();
        m.column_mut(k).scale_mut(s);
    }
    let c = m * m.transpose();
    let opacity = 1.0 / (1.0 + (-g.opacity_logits[i]).exp());
    let texels = [[x, y, z, opacity], [c[(0, 0)], c[(0, 1)], c[(0, 2)], c[(1, 1)]], [c[(1, 2)], c[(2, 2)], 0.0, 0.0]];
    if texels.iter().flatten().all(|v| v.is_finite()) { texels } else { [[0.0; 4]; 3] }
}

/// What a splat says to an eye at `eye` in a mode, as bytes: sRGB, world normal from -1..1, or nothing (depth is put in
/// by who knows its range).
pub(super) fn color(cloud: &Cloud, i: usize, eye: &[f32; 3], mode: Mode) -> [u8; 4] {
    let bytes = |x: [f32; 3]| {
        let [r, g, b] = x.map(|x| (x * 255.0).round().clamp(0.0, 255.0) as u8);
        [r, g, b, 255]
    };
    match (cloud, mode) {
        (Cloud::Splats(g), Mode::Color) => {
            let d = from_eye(g, i, eye);
            bytes(sh_color(g.sh_of(i), d / d.norm().max(1e-12)))
        }
        (Cloud::Splats(g), Mode::Normals) => {
            let s = g.log_scales[i];
            let thinnest = (0..3).min_by(|a, b| s[*a].total_cmp(&s[*b])).unwrap_or(0);
            let n = axes(g, i).column(thinnest).into_owned();
            let n = if n.dot(&from_eye(g, i, eye)) > 0.0 { -n } else { n };
            bytes([0, 1, 2].map(|k| 0.5 * n[k] + 0.5))
        }
        (Cloud::Splats(_), Mode::Depth | Mode::Opacity) => [255; 4],
        (Cloud::Points(s), _) => {
            let [r, g, b] = s.points[i].color;
            [r, g, b, 255]
        }
    }
}

fn from_eye(g: &Gaussians, i: usize, eye: &[f32; 3]) -> Vector3<f32> {
    Vector3::from_fn(|k, _| g.means[i][k] - eye[k])
}

/// 0.5 + the real spherical harmonics of the direction times their coefficients, in the order and with the signs of
/// 3DGS (Kerbl et al. 2023; the basis of Ramamoorthi and Hanrahan 2001 with the Condon-Shortley phase).
fn sh_color(sh: &[[f32; 3]], d: Vector3<f32>) -> [f32; 3] {
    let (x, y, z) = (d.x, d.y, d.z);
    let (xx, yy, zz) = (x * x, y * y, z * z);
    let basis = [
        SH_C0,
        -0.488_602_5 * y,
        0.488_602_5 * z,
        -0.488_602_5 * x,
        1.092_548_4 * x * y,
        -1.092_548_4 * y * z,
        0.315_391_57 * (2.0 * zz - xx - yy),
        -1.092_548_4 * x * z,
        0.546_274_2 * (xx - yy),
        -0.590_043_6 * y * (3.0 * xx - yy),
        2.890_611_4 * x * y * z,
        -0.457_045_8 * y * (4.0 * zz - xx - yy),
        0.373_176_33 * z * (2.0 * zz - 3.0 * xx - 3.0 * yy),
        -0.457_045_8 * x * (4.0 * zz - xx - yy),
        1.445_305_7 * z * (xx - yy),
        -0.590_043_6 * x * (xx - 3.0 * yy),
    ];
    let mut rgb = [0.5; 3];
    for (b, c) in basis.iter().zip(sh) {
        for k in 0..3 {
            rgb[k] += b * c[k];
        }
    }
    rgb
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Five round splats with opacity one half: four at whole places, one broken.
    pub(in crate::app::gl) fn cloud() -> Arc<Gaussians> {
        Arc::new(Gaussians {
            means: vec![[0.0, 0.0, 1.0], [0.0, 0.0, 3.0], [0.0, 0.0, -1.0], [1.0, 0.0, 2.0], [f32::NAN; 3]],
            log_scales: vec![[0.0, 1.0, 2.0]; 5],
            quats: vec![[2.0, 0.0, 0.0, 0.0]; 5],
            opacity_logits: vec![0.0; 5],
            sh_degree: 0,
            sh: vec![[0.0, 0.5 / SH_C0, -0.5 / SH_C0]; 5],
            antialiased: false,
        })
    }

    #[test]
    fn covariance_follows_the_rotation() {
        let mut g = (*cloud()).clone();
        let t = splat_texels(&g, 0);
        let e = std::f32::consts::E;
        assert!((t[1][0] - 1.0).abs() < 1e-5 && (t[1][3] - e * e).abs() < 1e-4 && (t[2][1] - e.powi(4)).abs() < 1e-3);
        assert!((t[0][3] - 0.5).abs() < 1e-6);
        // A quarter turn about x swaps y and z.
        g.quats[0] = [1.0, 1.0, 0.0, 0.0];
        let t = splat_texels(&g, 0);
        assert!((t[1][3] - e.powi(4)).abs() < 1e-3 && (t[2][1] - e * e).abs() < 1e-4);
        assert_eq!(splat_texels(&g, 4), [[0.0; 4]; 3], "no NaN reaches the GPU");
    }

    #[test]
    fn first_degree_points_where_it_should() {
        let mut sh = [[0.0f32; 3]; 4];
        sh[2] = [1.0; 3];
        let up = sh_color(&sh, Vector3::z());
        assert!((up[0] - 0.988_602_5).abs() < 1e-6);
        sh = [[0.0; 3]; 4];
        sh[3] = [1.0; 3];
        assert!((sh_color(&sh, Vector3::x())[0] - (0.5 - 0.488_602_5)).abs() < 1e-6);
    }

    #[test]
    fn normals_face_the_eye() {
        let c = Cloud::Splats(cloud());
        // The thinnest axis is x: seen from either side it points there.
        assert_eq!(color(&c, 0, &[5.0, 0.0, 1.0], Mode::Normals), [255, 128, 128, 255]);
        assert_eq!(color(&c, 0, &[-5.0, 0.0, 1.0], Mode::Normals), [0, 128, 128, 255]);
    }
}
