//! A cloud of 3D Gaussians in the parametrisation of 3DGS (Kerbl et al. 2023).

use nalgebra::Point3;

/// The constant of the degree-0 spherical harmonic: colour = 0.5 + SH_C0 * f_dc.
pub const SH_C0: f32 = 0.282_094_79;

/// Coefficients per colour channel of spherical harmonics up to `degree`.
pub const fn sh_coefficients(degree: usize) -> usize {
    (degree + 1) * (degree + 1)
}

/// Structure of arrays; entry `i` of each belongs to Gaussian `i`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gaussians {
    /// Centres in the world.
    pub means: Vec<[f32; 3]>,
    /// Natural logarithms of the standard deviations along the Gaussian's own axes.
    pub log_scales: Vec<[f32; 3]>,
    /// Rotations from the Gaussian's axes to the world, quaternions w x y z, not necessarily of unit length.
    pub quats: Vec<[f32; 4]>,
    /// Opacity before the sigmoid.
    pub opacity_logits: Vec<f32>,
    /// SH degree of `sh`, 0 to 3.
    pub sh_degree: usize,
    /// SH coefficients, `sh_coefficients(sh_degree)` RGB triples per Gaussian, Gaussian-major.
    pub sh: Vec<[f32; 3]>,
    /// Trained with the 2D filter of Mip-Splatting (Yu et al. 2024, eq. 8), and to be drawn with it: opacity falls by as
    /// much as the pixel's blur widens a Gaussian.
    pub antialiased: bool,
}

impl Gaussians {
    /// Number of Gaussians.
    pub fn len(&self) -> usize {
        self.means.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.means.is_empty()
    }

    /// The SH coefficients of Gaussian `i`, lowest degree first.
    pub fn sh_of(&self, i: usize) -> &[[f32; 3]] {
        let k = sh_coefficients(self.sh_degree);
        &self.sh[i * k..(i + 1) * k]
    }

    /// Whether all numbers of Gaussian `i` are finite.
    pub fn is_finite(&self, i: usize) -> bool {
        let numbers = self.means[i].iter().chain(&self.log_scales[i]).chain(&self.quats[i]);
        numbers.chain(self.sh_of(i).as_flattened()).chain([&self.opacity_logits[i]]).all(|v| v.is_finite())
    }

    /// Axis-aligned bounds of the centres, `None` when empty.
    pub fn bounds(&self) -> Option<(Point3<f32>, Point3<f32>)> {
        let first = self.means.first()?;
        let fold =
            |f: fn(f32, f32) -> f32| self.means.iter().fold(*first, |a, m| std::array::from_fn(|k| f(a[k], m[k])));
        Some((Point3::from(fold(f32::min)), Point3::from(fold(f32::max))))
    }
}
