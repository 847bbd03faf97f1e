//! Adam (Kingma and Ba 2015) over Gaussians; only those that a view saw are moved by its step.

use super::backend::{Gradient, Update};
use crate::scene::{Gaussians, sh_coefficients};
use rayon::prelude::*;

pub(super) const BETA1: f32 = 0.9;
pub(super) const BETA2: f32 = 0.999;
pub(super) const EPSILON: f32 = 1e-15;
/// Parameters before the SH coefficients: mean 3, log scale 3, quaternion 4, opacity 1.
pub(super) const FIXED: usize = 11;

/// First and second moments, one row per Gaussian.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Entries in a row: 3 of the centre, 3 of the log scales, 4 of the quaternion, 1 of the logit, 3 of each SH
    /// coefficient.
    pub(super) stride: usize,
    /// First and second moment of each parameter.
    pub(super) moments: Vec<[f32; 2]>,
    /// How often each Gaussian was moved, for the correction of its moments' bias.
    pub(super) count: Vec<u32>,
}

impl Moments {
    /// Of Gaussians that were never moved.
    pub fn new(g: &Gaussians) -> Self {
        let stride = FIXED + 3 * sh_coefficients(g.sh_degree);
        Self { stride, moments: vec![[0.0; 2]; stride * g.len()], count: vec![0; g.len()] }
    }

    /// Moves the Gaussians in `gradients` (ascending by index).
    pub(super) fn step(&mut self, g: &mut Gaussians, gradients: &[(u32, Gradient)], update: &Update) {
        let rates = &update.rates;
        const CHUNK: usize = 1024;
        let k = sh_coefficients(g.sh_degree);
        let active = sh_coefficients(update.degree.min(g.sh_degree));
        let stride = self.stride;
        let parts = (
            g.means.par_chunks_mut(CHUNK),
            g.log_scales.par_chunks_mut(CHUNK),
            g.quats.par_chunks_mut(CHUNK),
            g.opacity_logits.par_chunks_mut(CHUNK),
            g.sh.par_chunks_mut(CHUNK * k),
            self.moments.par_chunks_mut(CHUNK * stride),
            self.count.par_chunks_mut(CHUNK),
        );
        parts.into_par_iter().enumerate().for_each(|(chunk, (means, scales, quats, logits, sh, moments, count))| {
            let first = (chunk * CHUNK) as u32;
            let from = gradients.partition_point(|(id, _)| *id < first);
            let to = gradients.partition_point(|(id, _)| *id < first + CHUNK as u32);
            for (id, by) in &gradients[from..to] {
                let i = (id - first) as usize;
                count[i] += 1;
                let correct = Correction::new(count[i]);
                let m = &mut moments[i * stride..(i + 1) * stride];
                correct.apply(&mut means[i], &by.mean, &mut m[0..3], update.position);
                correct.apply(&mut scales[i], &by.log_scale, &mut m[3..6], rates.scale);
                correct.apply(&mut quats[i], &by.quat, &mut m[6..10], rates.rotation);
                correct.apply(&mut logits[i..=i], &[by.opacity_logit], &mut m[10..11], rates.opacity);
                let (sh, m) = (&mut sh[i * k..(i + 1) * k], &mut m[FIXED..]);
                correct.apply(&mut sh[0], &by.sh[0], &mut m[..3], rates.color);
                let (rest, by) = (sh[1..active].as_flattened_mut(), by.sh[1..active].as_flattened());
                correct.apply(rest, by, &mut m[3..3 * active], rates.color_rest);
            }
        });
    }

    /// Keeps the rows whose index is in `from`, in that order; `None` starts afresh.
    pub(super) fn reorder(&mut self, from: &[Option<usize>]) {
        let mut moments = vec![[0.0; 2]; self.stride * from.len()];
        let mut count = vec![0; from.len()];
        for (i, source) in from.iter().enumerate() {
            if let Some(s) = source {
                let (to, s0) = (i * self.stride, s * self.stride);
                moments[to..to + self.stride].copy_from_slice(&self.moments[s0..s0 + self.stride]);
                count[i] = self.count[*s];
            }
        }
        (self.moments, self.count) = (moments, count);
    }
}

/// Bias corrections of the moments after `n` moves.
struct Correction {
    first: f32,
    second: f32,
}

impl Correction {
    fn new(n: u32) -> Self {
        let n = n.min(100_000) as i32;
        Self { first: 1.0 / (1.0 - BETA1.powi(n)), second: 1.0 / (1.0 - BETA2.powi(n)) }
    }

    #[inline]
    fn apply(&self, values: &mut [f32], by: &[f32], moments: &mut [[f32; 2]], rate: f32) {
        for ((v, g), m) in values.iter_mut().zip(by).zip(moments) {
            m[0] = BETA1 * m[0] + (1.0 - BETA1) * g;
            m[1] = BETA2 * m[1] + (1.0 - BETA2) * g * g;
            *v -= rate * m[0] * self.first / ((m[1] * self.second).sqrt() + EPSILON);
        }
    }
}
