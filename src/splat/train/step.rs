//! One step: views drawn, losses and their gradients, everything moved.

use super::super::backend::{BackendError, CameraGradient, Planes, Shot, Update};
use super::super::loss::{ImageWeights, Pair, PairView, image_loss, no_gradient, normal_loss, pair_loss};
use super::super::options::Rates;
use super::super::render::psnr_of_planes;
use super::super::views::LevelView;
use super::{NEAR, StepStats, Trainer};
use std::borrow::Cow;
use std::sync::Arc;

/// Weight of a new loss in the running mean, per view trained on.
const LOSS_MEMORY: f32 = 1.0;

/// A view that is compared with that of the step.
struct Other {
    view: usize,
    level: Arc<LevelView>,
    shot: Shot,
    planes: Arc<Planes>,
}

impl Trainer {
    pub(super) fn try_step(&mut self) -> Result<StepStats, BackendError> {
        let done = self.state.step as f32 / self.options.steps as f32;
        let (view, place) = (self.next_view(), self.level(done));
        let Some(level) = self.views[view].levels.get(place).cloned() else {
            self.state.step = self.options.steps;
            return Ok(StepStats { step: self.state.step, loss: 0.0 });
        };
        let surface = done >= self.options.surface.from;
        let shot = self.shot(view, &level, done, surface);
        let planes = self.backend.forward(0, &shot)?;
        let other = if surface { self.other(view, place, done)? } else { None };
        let target = level.target();
        let shown = exposed(&planes.rgb, self.state.views[view].exposure);
        let exposes = done >= self.options.exposure_from;
        let mut by = no_gradient(&planes);
        let mut loss = image_loss(&shown, &planes, &target, &self.weights(done), &mut by);
        let by_exposure = if exposes { self.by_exposure(view, &planes, &mut by) } else { [0.0; 2] };
        let mut by_other = None;
        if surface {
            let o = &self.options.surface;
            loss += normal_loss(&planes, &target, &shot.camera.intrinsics, o.normal_weight, &mut by);
            if let Some(other) = &other {
                let mut gradient = no_gradient(&other.planes);
                loss += self.compare((&planes, &level, &shot), other, (&mut by, &mut gradient));
                by_other = Some(gradient);
            }
        }
        let by_camera = self.backend.backward(0, &by)?;
        if let (Some(gradient), Some(other)) = (by_other, &other) {
            let by_camera = self.backend.backward(1, &gradient)?;
            self.move_camera(other.view, &by_camera, done);
        }
        self.move_camera(view, &by_camera, done);
        if exposes {
            self.state.views[view].expose(by_exposure, self.options.exposure_rate);
        }
        self.backend.update(&self.update(done))?;
        self.note(view, psnr_of_planes(&shown, &target.rgb, target.mask.as_deref()), loss as f32);
        self.state.step += 1;
        self.after_step(done)?;
        Ok(StepStats { step: self.state.step, loss: loss as f32 })
    }

    fn next_view(&mut self) -> usize {
        if self.state.queue.is_empty() {
            let mut rng = fastrand::Rng::with_seed(self.state.rng);
            self.state.queue.clone_from(&self.training);
            rng.shuffle(&mut self.state.queue);
            self.state.rng = rng.get_seed();
        }
        self.state.queue.pop().unwrap_or_default()
    }

    fn shot(&self, view: usize, level: &LevelView, done: f32, normals: bool) -> Shot {
        // One more degree every sixth of the steps.
        let degree = ((done * 6.0) as usize).min(self.options.sh_degree);
        let camera = self.state.views[view].camera(&level.camera);
        Shot { camera, near: NEAR * self.state.unit, degree, normals }
    }

    /// Draws a neighbour of `view`, another one at every visit.
    fn other(&mut self, view: usize, place: usize, done: f32) -> Result<Option<Other>, BackendError> {
        let o = &self.options.surface;
        let near = &self.neighbours[view];
        let now = self.state.step.is_multiple_of(o.pair_every.max(1));
        if !now || near.is_empty() || !(o.geo_weight > 0.0 || o.ncc_weight > 0.0) {
            return Ok(None);
        }
        let view = near[self.state.step / self.training.len().max(1) % near.len()];
        let Some(level) = self.views[view].levels.get(place).cloned() else { return Ok(None) };
        // Of the other view only the depth is read.
        let shot = self.shot(view, &level, done, false);
        let planes = self.backend.forward(1, &shot)?;
        Ok(Some(Other { view, level, shot, planes }))
    }

    fn compare(
        &self,
        (planes, level, shot): (&Planes, &LevelView, &Shot),
        other: &Other,
        (by, by_other): (&mut Planes, &mut Planes),
    ) -> f64 {
        let o = &self.options.surface;
        let (grey, other_grey) = (level.grey(), other.level.grey());
        let view = PairView { planes, camera: &shot.camera, grey: &grey };
        let second = PairView { planes: &other.planes, camera: &other.shot.camera, grey: &other_grey };
        let stride = ((planes.alpha.len() as f32 / o.samples.max(1) as f32).sqrt().ceil() as usize).max(1);
        let offset = offset_of(self.state.step / o.pair_every.max(1), stride);
        let times = o.pair_every.max(1) as f32;
        let pair = Pair { geo: times * o.geo_weight, ncc: times * o.ncc_weight, stride, offset };
        pair_loss(&view, &second, &pair, by, by_other)
    }

    fn weights(&self, done: f32) -> ImageWeights {
        let o = &self.options;
        ImageWeights {
            ssim: o.ssim_weight,
            alpha: o.alpha_weight,
            depth: decay(o.depth_weight, o.depth_weight_end, done),
            depth_unit: self.state.unit,
        }
    }

    fn update(&self, done: f32) -> Update {
        let r = &self.options.rates;
        Update {
            position: decay(r.position, r.position_end, done) * self.state.unit,
            rates: r.scaled(1.0 - (1.0 - r.end) * (done * 3.0 - 2.0).max(0.0)),
            flat: self.options.flat_weight / self.state.unit,
            degree: ((done * 6.0) as usize).min(self.options.sh_degree),
        }
    }

    /// Gradient by the exposure of a view; that by the colours shown becomes that by the colours drawn.
    fn by_exposure(&self, view: usize, planes: &Planes, by: &mut Planes) -> [f32; 2] {
        let gain = self.state.views[view].exposure[0].exp();
        let mut sums = [0.0f64; 2];
        for (g, v) in by.rgb.iter().zip(&planes.rgb) {
            for (g, v) in g.iter().zip(v) {
                sums[0] += f64::from(g * v * gain);
                sums[1] += f64::from(*g);
            }
        }
        by.rgb.iter_mut().flatten().for_each(|g| *g *= gain);
        sums.map(|s| s as f32)
    }

    fn move_camera(&mut self, view: usize, by: &CameraGradient, done: f32) {
        let o = &self.options.poses;
        if o.refine && done >= o.from {
            let fade = 1.0 - done;
            self.state.views[view].move_camera(by, o.translation * self.state.unit * fade, o.rotation * fade);
        }
    }

    fn note(&mut self, view: usize, psnr: f32, loss: f32) {
        self.state.views[view].psnr_db = Some(psnr);
        let share = LOSS_MEMORY / self.training.len().max(1) as f32;
        self.state.loss = Some(self.state.loss.map_or(loss, |l| l + (loss - l) * share));
    }
}

/// First pixel and row that the comparison of number `turn` looks at: each place of a square of `stride` once in as many turns
/// as it has places.
fn offset_of(turn: usize, stride: usize) -> [usize; 2] {
    [turn % stride, turn / stride % stride]
}

/// From `from` to `to` exponentially as training goes from 0 to 1.
fn decay(from: f32, to: f32, done: f32) -> f32 {
    if from > 0.0 { from * (to / from).powf(done) } else { 0.0 }
}

/// Colours as a photo of this exposure shows them.
pub(super) fn exposed(rgb: &[Vec<f32>; 3], [log_gain, offset]: [f32; 2]) -> Cow<'_, [Vec<f32>; 3]> {
    if log_gain == 0.0 && offset == 0.0 {
        return Cow::Borrowed(rgb);
    }
    let gain = log_gain.exp();
    Cow::Owned([0, 1, 2].map(|c: usize| rgb[c].iter().map(|v| v.mul_add(gain, offset)).collect()))
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

#[cfg(test)]
mod tests {
    use super::offset_of;

    #[test]
    fn comparisons_look_at_every_pixel_in_turn() {
        for (stride, pair_every) in [(1, 1), (4, 2), (8, 2), (5, 3)] {
            // Two views are compared at every `pair_every`th step.
            let steps = (0..stride * stride * pair_every).step_by(pair_every);
            let mut seen: Vec<[usize; 2]> = steps.map(|step| offset_of(step / pair_every, stride)).collect();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), stride * stride, "stride {stride}, every {pair_every} steps");
        }
    }
}
