//! Fitting Gaussians to photos.

mod checkpoint;
mod neighbours;
mod state;
mod step;

use super::backend::{Backend, BackendError, Parameters, Shot};
use super::cpu::Cpu;
use super::densify::{densify, select};
use super::fill::fill;
use super::loss::Target;
use super::options::TrainOptions;
use super::render::{psnr_of_planes, ssim_of_planes};
use super::views::{Pyramid, TrainView};
use crate::scene::{Camera, Gaussians, sh_coefficients};
use state::{State, ViewState};
use std::time::Instant;

pub use state::Checkpoint;

/// Nearest depth drawn, as a share of the typical viewing distance.
const NEAR: f32 = 0.005;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepStats {
    /// Steps done, this one included.
    pub step: usize,
    /// Loss of the view of this step, before it.
    pub loss: f32,
}

/// Fits Gaussians to photos, one view a step. Keeps its own copy of the photos.
pub struct Trainer {
    backend: Box<dyn Backend>,
    options: TrainOptions,
    views: Vec<Pyramid>,
    /// Indices of the views trained on.
    training: Vec<usize>,
    /// For each view those that it is compared with.
    neighbours: Vec<Vec<usize>>,
    state: State,
    /// Number of Gaussians now.
    count: usize,
    /// To go back to when the device is lost; only kept for one that can be.
    anchor: Option<Checkpoint>,
    warnings: Vec<String>,
    clock: Instant,
}

impl Trainer {
    /// Prepares training of `init` on those of `views` that are not held out.
    pub fn new(backend: Box<dyn Backend>, views: &[TrainView], init: Gaussians, mut options: TrainOptions) -> Self {
        options.sh_degree = options.sh_degree.min(3);
        let mut gaussians = Gaussians { antialiased: options.antialiased, ..with_degree(&init, options.sh_degree) };
        let unit = typical_distance(views, &gaussians);
        let pyramids = Pyramid::build(views, &options.levels);
        if !gaussians.is_empty() {
            let coarsest = pyramids.iter().filter(|v| !v.held_out).filter_map(|v| v.levels.first());
            fill(&mut gaussians, coarsest, unit, options.max_gaussians);
        }
        let state = State {
            step: 0,
            queue: Vec::new(),
            rng: fastrand::Rng::with_seed(options.seed).get_seed(),
            unit,
            views: vec![ViewState::default(); views.len()],
            loss: None,
            checks: Vec::new(),
            stopped: false,
            seconds: 0.0,
        };
        Self::start(backend, pyramids, Checkpoint { options, state, parameters: Parameters::new(gaussians) })
    }

    /// Goes on from a checkpoint, on the same views as before; `None` where it belongs to others.
    pub fn resume(backend: Box<dyn Backend>, views: &[TrainView], from: Checkpoint) -> Option<Self> {
        let same = from.state.views.len() == views.len() && from.state.queue.iter().all(|i| *i < views.len());
        same.then(|| Self::start(backend, Pyramid::build(views, &from.options.levels), from))
    }

    fn start(backend: Box<dyn Backend>, views: Vec<Pyramid>, from: Checkpoint) -> Self {
        let training: Vec<usize> = (0..views.len()).filter(|&i| !views[i].held_out).collect();
        let cameras: Vec<Camera> = views.iter().map(|v| v.camera).collect();
        let neighbours = neighbours::neighbours(&cameras, &training, from.state.unit, &from.options.surface);
        let mut trainer = Self {
            backend,
            options: from.options.clone(),
            views,
            training,
            neighbours,
            state: from.state.clone(),
            count: from.parameters.gaussians.len(),
            anchor: None,
            warnings: Vec::new(),
            clock: Instant::now(),
        };
        trainer.load(from);
        trainer
    }

    /// Gives `from` to the backend, or to the CPU where the device fails.
    fn load(&mut self, from: Checkpoint) {
        self.count = from.parameters.gaussians.len();
        self.anchor = self.backend.can_be_lost().then(|| from.clone());
        if let Err(e) = self.backend.load(from.parameters) {
            self.fall_back(&e);
        }
    }

    /// Trains on the next view. Once finished, or with nothing to train on, it changes nothing. When the device is lost,
    /// the CPU goes on from where the Gaussians were last kept: no step is left out.
    pub fn step(&mut self) -> StepStats {
        while !self.finished() {
            match self.try_step() {
                Ok(stats) => return stats,
                Err(e) => self.fall_back(&e),
            }
        }
        StepStats { step: self.state.step, loss: 0.0 }
    }

    fn fall_back(&mut self, e: &BackendError) {
        self.warnings.push(format!("{e}: training goes on on the CPU"));
        self.backend = Box::new(Cpu::new());
        if let Some(anchor) = self.anchor.take() {
            self.state = anchor.state.clone();
            self.load(anchor);
        }
    }

    /// The Gaussians as they are now.
    pub fn gaussians(&mut self) -> Gaussians {
        self.read(|backend| backend.gaussians())
    }

    /// Everything that is needed to go on from here.
    pub fn checkpoint(&mut self) -> Checkpoint {
        let parameters = self.read(|backend| backend.read());
        let state = State { seconds: self.seconds(), ..self.state.clone() };
        Checkpoint { options: self.options.clone(), state, parameters }
    }

    /// What the backend holds; once it is lost, what the CPU goes on with.
    fn read<T: Default>(&mut self, read: impl Fn(&mut dyn Backend) -> Result<T, BackendError>) -> T {
        match read(self.backend.as_mut()) {
            Ok(found) => found,
            Err(e) => {
                self.fall_back(&e);
                // The CPU never fails.
                read(self.backend.as_mut()).unwrap_or_default()
            }
        }
    }

    /// Whether training is over: all steps done, held-out PSNR no longer rising, or nothing to train or to train on.
    pub fn finished(&self) -> bool {
        self.state.step >= self.options.steps || self.state.stopped || self.training.is_empty() || self.count == 0
    }

    /// Whether it stopped before all steps were done, since PSNR had stopped rising.
    pub fn stopped_early(&self) -> bool {
        self.state.stopped
    }

    /// What it computes on.
    pub fn device(&self) -> String {
        self.backend.name()
    }

    /// Steps done.
    pub fn done(&self) -> usize {
        self.state.step
    }

    /// Steps in all, unless it stops early.
    pub fn steps(&self) -> usize {
        self.options.steps
    }

    /// Wall seconds of training so far, those before a checkpoint included.
    pub fn seconds(&self) -> f32 {
        self.state.seconds + self.clock.elapsed().as_secs_f32()
    }

    /// Running mean of the loss over about a round of the views.
    pub fn loss(&self) -> f32 {
        self.state.loss.unwrap_or_default()
    }

    /// Number of Gaussians.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no Gaussians.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The PSNR last checked, of held-out views where there are any, dB.
    pub fn checked_psnr(&self) -> Option<f32> {
        self.state.checks.last().copied()
    }

    /// PSNR of each view when it was last drawn, in the order of the views, dB.
    pub fn scores(&self) -> Vec<Option<f32>> {
        self.state.views.iter().map(|v| v.psnr_db).collect()
    }

    /// The cameras of the views, where training moved them to.
    pub fn cameras(&self) -> Vec<Camera> {
        self.views.iter().zip(&self.state.views).map(|(v, s)| s.camera(&v.camera)).collect()
    }

    /// Takes what went wrong and was survived.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Mean PSNR of the held-out views at the last level's resolution, dB; `None` without any.
    pub fn psnr_held_out(&mut self) -> Option<f32> {
        self.mean_psnr(self.held_out())
    }

    /// Mean PSNR of at most eight of the views trained on, evenly chosen; `None` without any.
    pub fn psnr_train(&mut self) -> Option<f32> {
        let every = self.training.len().div_ceil(8).max(1);
        self.mean_psnr(self.training.iter().step_by(every).copied().collect())
    }

    /// Mean SSIM of the held-out views at the last level's resolution; `None` without any.
    pub fn ssim_held_out(&mut self) -> Option<f64> {
        let all: Vec<f64> = self.held_out().into_iter().filter_map(|i| Some(self.draw(i)?.ssim())).collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }

    fn held_out(&self) -> Vec<usize> {
        (0..self.views.len()).filter(|&i| self.views[i].held_out).collect()
    }

    fn mean_psnr(&mut self, views: Vec<usize>) -> Option<f32> {
        let mut sum = 0.0;
        let mut n = 0;
        for i in views {
            let Some(drawn) = self.draw(i) else { continue };
            let psnr = drawn.psnr();
            self.state.views[i].psnr_db = Some(psnr);
            sum += psnr;
            n += 1;
        }
        (n > 0).then(|| sum / n as f32)
    }

    /// A view as it is rendered now, at the last level's resolution.
    fn draw(&mut self, view: usize) -> Option<Drawn> {
        let level = self.views[view].levels.last()?;
        let state = &self.state.views[view];
        let (camera, exposure, target) = (state.camera(&level.camera), state.exposure, level.target());
        let shot = Shot { camera, near: NEAR * self.state.unit, degree: self.options.sh_degree, normals: false };
        let planes = self.read(|backend| backend.forward(0, &shot));
        Some(Drawn { rgb: step::exposed(&planes.rgb, exposure).into_owned(), width: planes.width, target })
    }

    /// Prunes and grows when it is time, and checks the PSNR.
    fn after_step(&mut self, done: f32) -> Result<(), BackendError> {
        let o = &self.options;
        let step = self.state.step;
        if o.densify_every > 0 && step.is_multiple_of(o.densify_every) && step < o.steps {
            let mut parameters = self.backend.read()?;
            densify(&mut parameters, o, o.most_at(done), self.state.unit);
            let state = self.state.clone();
            self.load(Checkpoint { options: self.options.clone(), state, parameters });
        }
        let o = &self.options;
        let every = ((o.steps as f32 * o.check_every) as usize).max(1);
        if step.is_multiple_of(every) && step < o.steps {
            let held_out = self.psnr_held_out();
            let Some(psnr) = held_out.or_else(|| self.psnr_train()) else { return Ok(()) };
            self.state.checks.push(psnr);
            let n = self.options.patience;
            let last_level = self.level(done) + 1 >= self.options.levels.len();
            let recent = self.state.checks.len().saturating_sub(n);
            let best = |c: &[f32]| c.iter().fold(f32::NEG_INFINITY, |a, v| a.max(*v));
            let (before, after) = self.state.checks.split_at(recent);
            let since = self.state.checks.len() as f32 * self.options.check_every - n as f32 * self.options.check_every;
            let long_enough = last_level && self.level(since) + 1 >= self.options.levels.len();
            self.state.stopped =
                held_out.is_some() && n > 0 && long_enough && best(after) < best(before) + self.options.min_rise_db;
        }
        Ok(())
    }

    fn level(&self, done: f32) -> usize {
        let levels = &self.options.levels;
        levels.iter().position(|l| done < l.until).unwrap_or(levels.len().saturating_sub(1))
    }
}

/// A rendered view and its photo.
struct Drawn {
    rgb: [Vec<f32>; 3],
    width: usize,
    target: Target,
}

impl Drawn {
    fn psnr(&self) -> f32 {
        psnr_of_planes(&self.rgb, &self.target.rgb, self.target.mask.as_deref())
    }

    fn ssim(&self) -> f64 {
        ssim_of_planes(&self.rgb, &self.target.rgb, self.width, self.target.mask.as_deref())
    }
}

/// The Gaussians whose numbers are all finite, with SH of another degree: cut, or filled up with zeros.
fn with_degree(g: &Gaussians, degree: usize) -> Gaussians {
    let k = sh_coefficients(degree);
    let fine: Vec<usize> = (0..g.len()).filter(|i| g.is_finite(*i)).collect();
    let kept = select(g, fine.iter().copied());
    let take = |i: usize| (0..k).map(move |j| g.sh_of(i).get(j).copied().unwrap_or_default());
    Gaussians { sh_degree: degree, sh: fine.into_iter().flat_map(take).collect(), ..kept }
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
