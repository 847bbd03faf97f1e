//! Fitting Gaussians to photos.

use super::adam::Adam;
use super::cpu::Cpu;
use super::densify::{Motion, densify};
use super::fill::fill;
use super::loss::{Weights, loss};
use super::options::{Rates, TrainOptions};
use super::rasteriser::{Gradient, Rasteriser};
use super::render::psnr;
use super::views::{Pyramid, TrainView};
use crate::scene::{Gaussians, sh_coefficients};
use rayon::prelude::*;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepStats {
    /// Steps done, this one included.
    pub step: usize,
    /// Loss of the view of this step, before it.
    pub loss: f32,
}

/// Fits Gaussians to photos, one view a step. Keeps its own copy of the photos.
#[derive(Clone, Debug)]
pub struct Trainer<R: Rasteriser = Cpu> {
    rasteriser: R,
    options: TrainOptions,
    views: Vec<Pyramid>,
    /// Indices of the views trained on.
    training: Vec<usize>,
    /// What is left of this round of the views, last first.
    queue: Vec<usize>,
    rng: fastrand::Rng,
    gaussians: Gaussians,
    adam: Adam,
    motion: Motion,
    /// Typical distance from the cameras to the Gaussians that they see.
    unit: f32,
    step: usize,
}

impl Trainer<Cpu> {
    /// Prepares training on the CPU of `init` on those of `views` that are not held out.
    pub fn new(views: &[TrainView], init: Gaussians, options: TrainOptions) -> Self {
        Self::with_rasteriser(Cpu, views, init, options)
    }
}

impl<R: Rasteriser> Trainer<R> {
    /// The same on any rasteriser.
    pub fn with_rasteriser(rasteriser: R, views: &[TrainView], init: Gaussians, mut options: TrainOptions) -> Self {
        options.sh_degree = options.sh_degree.min(3);
        let mut gaussians = with_degree(&init, options.sh_degree);
        let unit = typical_distance(views, &gaussians);
        let training: Vec<usize> = (0..views.len()).filter(|&i| !views[i].held_out).collect();
        let views = Pyramid::build(views, &options.levels);
        if !gaussians.is_empty() {
            let coarsest = training.iter().filter_map(|&i| views[i].levels.first());
            fill(&rasteriser, &mut gaussians, coarsest, unit, options.max_gaussians);
        }
        Self {
            rasteriser,
            views,
            training,
            queue: Vec::new(),
            rng: fastrand::Rng::with_seed(options.seed),
            adam: Adam::new(&gaussians),
            motion: Motion::new(gaussians.len()),
            gaussians,
            unit,
            step: 0,
            options,
        }
    }

    /// Trains on the next view. Once finished, or with nothing to train on, it changes nothing.
    pub fn step(&mut self) -> StepStats {
        if self.finished() {
            return StepStats { step: self.step, loss: 0.0 };
        }
        let done = self.step as f32 / self.options.steps as f32;
        let view = self.next_view();
        let Some(level) = self.views[view].levels.get(self.level(done)) else {
            self.step = self.options.steps;
            return StepStats { step: self.step, loss: 0.0 };
        };
        // One more degree every sixth of the steps.
        let degree = ((done * 6.0) as usize).min(self.options.sh_degree);
        let (planes, pass) = self.rasteriser.forward(&self.gaussians, degree, &level.camera);
        let decay = |from: f32, to: f32| if from > 0.0 { from * (to / from).powf(done) } else { 0.0 };
        let weights = Weights {
            ssim: self.options.ssim_weight,
            depth: decay(self.options.depth_weight, self.options.depth_weight_end),
            depth_unit: self.unit,
        };
        let (loss, by_planes) = loss(&planes, &level.planes(), level.depth.as_ref(), &weights);
        let mut gradients = self.rasteriser.backward(&self.gaussians, &pass, &planes, &by_planes);
        self.motion.add(&gradients, planes.width as f32 * 0.5);
        self.flatten(&mut gradients);
        let r = &self.options.rates;
        let position = decay(r.position, r.position_end) * self.unit;
        let rates = r.scaled(1.0 - (1.0 - r.end) * (done * 3.0 - 2.0).max(0.0));
        self.adam.step(&mut self.gaussians, &gradients, position, &rates, degree);
        self.step += 1;
        self.change_number(done);
        StepStats { step: self.step, loss: loss as f32 }
    }

    /// The Gaussians as they are now.
    pub fn gaussians(&self) -> Gaussians {
        self.gaussians.clone()
    }

    /// Whether all steps are done, or there is nothing to train or to train on.
    pub fn finished(&self) -> bool {
        self.step >= self.options.steps || self.training.is_empty() || self.gaussians.is_empty()
    }

    /// Mean PSNR of the held-out views at the last level's resolution; `None` without any.
    pub fn psnr_held_out(&self) -> Option<f32> {
        self.mean_psnr(self.views.iter().filter(|v| v.held_out))
    }

    /// Mean PSNR of at most eight of the views trained on, evenly chosen; `None` without any.
    pub fn psnr_train(&self) -> Option<f32> {
        let every = self.training.len().div_ceil(8).max(1);
        self.mean_psnr(self.training.iter().step_by(every).map(|&i| &self.views[i]))
    }

    fn mean_psnr<'a>(&self, views: impl Iterator<Item = &'a Pyramid>) -> Option<f32> {
        let each: Vec<f32> = views
            .filter_map(|v| v.levels.last())
            .map(|v| {
                let (planes, _) = self.rasteriser.forward(&self.gaussians, self.options.sh_degree, &v.camera);
                let pixel = |i: usize| [0, 1, 2].map(|c: usize| planes.rgb[c][i].clamp(0.0, 1.0));
                let rendered: Vec<[f32; 3]> = (0..planes.alpha.len()).map(pixel).collect();
                psnr(&rendered, &v.pixels()).min(99.0)
            })
            .collect();
        (!each.is_empty()).then(|| each.iter().sum::<f32>() / each.len() as f32)
    }

    fn next_view(&mut self) -> usize {
        if self.queue.is_empty() {
            self.queue.clone_from(&self.training);
            self.rng.shuffle(&mut self.queue);
        }
        self.queue.pop().unwrap_or_default()
    }

    fn level(&self, done: f32) -> usize {
        let levels = &self.options.levels;
        levels.iter().position(|l| done < l.until).unwrap_or(levels.len().saturating_sub(1))
    }

    /// Adds the gradient of the flatness term: the mean of the shortest scales of the visible.
    fn flatten(&self, gradients: &mut [(u32, Gradient)]) {
        let weight = self.options.flat_weight / (self.unit * gradients.len().max(1) as f32);
        let scales = &self.gaussians.log_scales;
        gradients.par_iter_mut().for_each(|(id, by)| {
            let s = scales[*id as usize];
            let shortest = (0..3).fold(0, |a, k| if s[k] < s[a] { k } else { a });
            by.log_scale[shortest] += weight * s[shortest].exp();
        });
    }

    fn change_number(&mut self, done: f32) {
        let o = &self.options;
        if o.densify_every > 0 && self.step.is_multiple_of(o.densify_every) && self.step < o.steps {
            let grow = done < o.densify_until;
            densify(&mut self.gaussians, &mut self.adam, &mut self.motion, o, grow, self.unit);
        }
    }
}

impl Rates {
    /// All but the position's, times `factor`.
    fn scaled(&self, factor: f32) -> Self {
        Self {
            scale: self.scale * factor,
            rotation: self.rotation * factor,
            opacity: self.opacity * factor,
            color: self.color * factor,
            color_rest: self.color_rest * factor,
            ..*self
        }
    }
}

/// The same Gaussians with SH of another degree: cut, or filled up with zeros.
fn with_degree(g: &Gaussians, degree: usize) -> Gaussians {
    let k = sh_coefficients(degree);
    let take = |i: usize| (0..k).map(move |j| g.sh_of(i).get(j).copied().unwrap_or_default());
    Gaussians { sh_degree: degree, sh: (0..g.len()).flat_map(take).collect(), ..g.clone() }
}

/// Median over the views of the median depth of the Gaussians in view; 1 when nothing is seen.
fn typical_distance(views: &[TrainView], g: &Gaussians) -> f32 {
    let every = g.len().div_ceil(4000).max(1);
    let median = |mut v: Vec<f64>| {
        v.sort_by(f64::total_cmp);
        v.get(v.len() / 2).copied()
    };
    let each = views.iter().filter_map(|v| {
        let k = &v.camera.intrinsics;
        let depth = |m: &[f32; 3]| {
            let (x, y, z) = v.camera.project(&nalgebra::Point3::from(m.map(f64::from)))?;
            let inside = x >= 0.0 && y >= 0.0 && x < f64::from(k.width) && y < f64::from(k.height);
            (inside && z.is_finite()).then_some(z)
        };
        median(g.means.iter().step_by(every).filter_map(depth).collect())
    });
    median(each.collect()).map_or(1.0, |d| d as f32)
}
