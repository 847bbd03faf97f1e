//! The Gaussians on the GPU with all that training changes: rows of floats, one per Gaussian.

use super::super::adam::Moments;
use super::super::backend::{BackendError, Gradient, Parameters};
use super::super::densify::Motion;
use super::device::{Device, floats};
use super::kernels::Kernels;
use super::layout::Words;
use super::plan::{Plan, Planner};
use crate::scene::{Gaussians, sh_coefficients};
use wgpu::Buffer;

/// Parameters before the SH coefficients: centre 3, log scales 3, quaternion 4, opacity 1.
pub(super) const FIXED: usize = 11;
/// Words of a `Seen` and of a `Tally`.
const TALLY: usize = 4;

/// Gaussians in rows of `stride` floats, in the order of Adam's moments.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) count: usize,
    pub(super) stride: usize,
    pub(super) sh_degree: usize,
    pub(super) antialiased: bool,
    pub(super) parameters: Buffer,
    pub(super) gradients: Buffer,
    /// First and second moments.
    pub(super) moments: [Buffer; 2],
    /// What was gathered since the last update: `Seen`.
    pub(super) seen: Buffer,
    /// What is kept from step to step: `Tally`.
    pub(super) tallies: Buffer,
}

impl Scene {
    /// Puts them on the GPU.
    pub(super) fn new(device: &Device, p: &Parameters) -> Result<Self, BackendError> {
        let g = &p.gaussians;
        let (count, stride) = (g.len(), FIXED + 3 * sh_coefficients(g.sh_degree));
        let rows = |label: &str| device.storage(label, count * stride);
        let scene = Self {
            count,
            stride,
            sh_degree: g.sh_degree,
            antialiased: g.antialiased,
            parameters: rows("the Gaussians' parameters")?,
            gradients: rows("the Gaussians' gradients")?,
            moments: [rows("Adam's first moments")?, rows("Adam's second moments")?],
            seen: device.storage("the list of Gaussians seen", count * TALLY)?,
            tallies: device.storage("the Gaussians' counts", count * TALLY)?,
        };
        let write = |to: &Buffer, words: &mut dyn Iterator<Item = u32>| {
            let words: Vec<u32> = words.collect();
            device.queue.write_buffer(to, 0, bytemuck::cast_slice(&words));
        };
        write(&scene.parameters, &mut (0..count).flat_map(|i| row(g, i)).map(f32::to_bits));
        for (k, buffer) in scene.moments.iter().enumerate() {
            write(buffer, &mut p.moments.moments.iter().map(|m| m[k].to_bits()));
        }
        let tally = |i: usize| [p.motion.sum[i].to_bits(), p.motion.count[i], p.moments.count[i], 0];
        write(&scene.tallies, &mut (0..count).flat_map(tally));
        device.check()?;
        Ok(scene)
    }

    /// Brings the Gaussians alone back.
    pub(super) fn gaussians(&self, device: &Device) -> Result<Gaussians, BackendError> {
        let mut g = Gaussians { sh_degree: self.sh_degree, antialiased: self.antialiased, ..Gaussians::default() };
        let values: Vec<f32> = floats(&device.download(&self.parameters, self.count * self.stride)?).collect();
        for r in values.chunks_exact(self.stride) {
            g.means.push([r[0], r[1], r[2]]);
            g.log_scales.push([r[3], r[4], r[5]]);
            g.quats.push([r[6], r[7], r[8], r[9]]);
            g.opacity_logits.push(r[10]);
            g.sh.extend_from_slice(r[FIXED..].as_chunks().0);
        }
        Ok(g)
    }

    /// Brings everything back.
    pub(super) fn read(&self, device: &Device) -> Result<Parameters, BackendError> {
        let words = self.count * self.stride;
        let [first, second] = [&self.moments[0], &self.moments[1]].map(|b| device.download(b, words));
        let moments = floats(&first?).zip(floats(&second?)).map(|(m, v)| [m, v]).collect();
        let tallies = device.download(&self.tallies, self.count * TALLY)?;
        let column =
            |k: usize| tallies.as_chunks::<4>().0.iter().skip(k).step_by(TALLY).map(|b| u32::from_le_bytes(*b));
        Ok(Parameters {
            gaussians: self.gaussians(device)?,
            moments: Moments { stride: self.stride, moments, count: column(2).collect() },
            motion: Motion { sum: column(0).map(f32::from_bits).collect(), count: column(1).collect() },
        })
    }

    /// The runs of a step of Adam; their first block is an `Update`.
    pub(super) fn plan_update(&self, device: &Device, kernels: &Kernels, update: &Words) -> Result<Plan, BackendError> {
        let (mut plan, block) = Planner::new(kernels, update);
        let [first, second] = &self.moments;
        let all = [(1, &self.parameters), (2, &self.gradients), (3, &self.seen), (4, &self.tallies)];
        plan.line(&kernels.prepare, block, &all, self.count.div_ceil(64));
        let moved = [(1, &self.parameters), (2, &self.gradients), (3, &self.seen), (5, first), (6, second)];
        plan.line(&kernels.move_parameters, block, &moved, (self.count * self.stride).div_ceil(64));
        plan.finish(device)
    }

    /// The gradients of those seen, ascending by index.
    pub(super) fn gradients(&self, device: &Device) -> Result<Vec<(u32, Gradient)>, BackendError> {
        let values: Vec<f32> = floats(&device.download(&self.gradients, self.count * self.stride)?).collect();
        let seen = device.download(&self.seen, self.count * TALLY)?;
        let rows = values.chunks_exact(self.stride).zip(seen.as_chunks::<{ 4 * TALLY }>().0);
        let seen = rows.zip(0..).filter(|((_, s), _)| s[..4] != [0; 4]);
        Ok(seen
            .map(|((r, s), id)| {
                let mut g = Gradient {
                    mean: [r[0], r[1], r[2]],
                    log_scale: [r[3], r[4], r[5]],
                    quat: [r[6], r[7], r[8], r[9]],
                    opacity_logit: r[10],
                    screen: f32::from_le_bytes([s[4], s[5], s[6], s[7]]),
                    ..Gradient::default()
                };
                for (to, from) in g.sh.iter_mut().zip(r[FIXED..].as_chunks().0) {
                    *to = *from;
                }
                (id, g)
            })
            .collect())
    }
}

/// The parameters of one Gaussian.
fn row(g: &Gaussians, i: usize) -> impl Iterator<Item = f32> + '_ {
    let fixed = g.means[i].into_iter().chain(g.log_scales[i]).chain(g.quats[i]).chain([g.opacity_logits[i]]);
    fixed.chain(g.sh_of(i).as_flattened().iter().copied())
}
