//! Removing and splitting Gaussians while training.

use super::backend::{Gradient, Parameters};
use super::options::TrainOptions;
use super::sigmoid;
use crate::scene::{Gaussians, sh_coefficients};
use nalgebra::{Quaternion, UnitQuaternion, Vector3};

/// How far, in its longest standard deviations, the halves of a split Gaussian move apart, either way.
const SPLIT_OFFSET: f32 = 0.6;
/// Longest standard deviation of a half, as a share of the whole's.
const SPLIT_SCALE: f32 = 0.6;

/// Mean length of each Gaussian's gradient in the image since the last change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Motion {
    /// Sum of the lengths, per half image width of movement.
    pub(super) sum: Vec<f32>,
    /// Views that saw it.
    pub(super) count: Vec<u32>,
}

impl Motion {
    /// Of `n` Gaussians that no view has seen.
    pub fn new(n: usize) -> Self {
        Self { sum: vec![0.0; n], count: vec![0; n] }
    }

    /// Counts a view; `half_width` makes gradients comparable between resolutions.
    pub(super) fn add(&mut self, gradients: &[(u32, Gradient)], half_width: f32) {
        for (id, g) in gradients {
            self.sum[*id as usize] += g.screen * half_width;
            self.count[*id as usize] += 1;
        }
    }

    fn mean(&self, i: usize) -> f32 {
        self.sum[i] / self.count[i].max(1) as f32
    }
}

/// Removes faint and broken Gaussians, and splits along their longest axis those that the loss pulls at most, up to `most`
/// Gaussians. `unit` is the typical viewing distance.
pub(super) fn densify(p: &mut Parameters, o: &TrainOptions, most: usize, unit: f32) {
    let Parameters { gaussians: g, moments, motion } = p;
    let keep: Vec<usize> = (0..g.len())
        .filter(|&i| {
            let longest = g.log_scales[i].iter().fold(f32::NEG_INFINITY, |a, v| a.max(*v)).exp();
            sigmoid(g.opacity_logits[i]) >= o.prune_opacity
                && longest < unit
                && g.means[i].iter().all(|v| v.is_finite())
        })
        .collect();
    let mut split: Vec<usize> = Vec::new();
    if most > keep.len() {
        split = keep.iter().copied().filter(|&i| motion.mean(i) > o.grow_gradient).collect();
        split.sort_by(|&a, &b| motion.mean(b).total_cmp(&motion.mean(a)).then(a.cmp(&b)));
        let room = (most - keep.len()).min((keep.len() as f32 * o.grow) as usize);
        split.truncate(room);
    }
    let from: Vec<Option<usize>> = keep.iter().map(|i| Some(*i)).chain(split.iter().map(|_| None)).collect();
    moments.reorder(&from);
    let mut place = vec![usize::MAX; g.len()];
    for (to, &i) in keep.iter().enumerate() {
        place[i] = to;
    }
    let mut out = select(g, keep.iter().chain(&split).copied());
    for (k, &i) in split.iter().enumerate() {
        halve(&mut out, place[i], keep.len() + k);
    }
    *motion = Motion::new(out.len());
    *g = out;
}

/// The Gaussians at `indices`, in that order.
pub(super) fn select(g: &Gaussians, indices: impl Iterator<Item = usize> + Clone) -> Gaussians {
    let k = sh_coefficients(g.sh_degree);
    Gaussians {
        means: indices.clone().map(|i| g.means[i]).collect(),
        log_scales: indices.clone().map(|i| g.log_scales[i]).collect(),
        quats: indices.clone().map(|i| g.quats[i]).collect(),
        opacity_logits: indices.clone().map(|i| g.opacity_logits[i]).collect(),
        sh_degree: g.sh_degree,
        sh: indices.flat_map(|i| &g.sh[i * k..(i + 1) * k]).copied().collect(),
        antialiased: g.antialiased,
    }
}

/// Moves `a` and its copy `b` apart along their longest axis.
fn halve(g: &mut Gaussians, a: usize, b: usize) {
    let s = g.log_scales[a];
    let longest = (0..3).fold(0, |m, k| if s[k] > s[m] { k } else { m });
    let [w, x, y, z] = g.quats[a];
    let axis = UnitQuaternion::new_normalize(Quaternion::new(w, x, y, z)) * Vector3::ith(longest, 1.0);
    let offset = axis * (s[longest].exp() * SPLIT_OFFSET);
    for k in 0..3 {
        g.means[a][k] += offset[k];
        g.means[b][k] -= offset[k];
    }
    for i in [a, b] {
        g.log_scales[i][longest] += SPLIT_SCALE.ln();
    }
}
