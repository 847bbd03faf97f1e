//! The training of stage `splats`: seeds, a backend, checkpoints, and what is shown meanwhile.

use super::geometry::{Geometry, round};
use crate::geometry::dense::View;
use crate::geometry::fusion::fuse;
use crate::pipeline::resources::available_memory;
use crate::pipeline::run::{Bench, RunError};
use crate::pipeline::{Device, RunOptions, cache};
use crate::scene::folder::write_atomic;
use crate::scene::{Camera, Capture, Gaussians, Job as _, TrainPoint, Training, ViewScore};
use crate::splat::{self, Backend, BackendError, Checkpoint, Cpu, Gpu, TrainOptions, TrainView, Trainer};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the window gets a new copy of the splats.
const LIVE_INTERVAL: Duration = Duration::from_millis(1500);
/// How often a checkpoint is written.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(30);
/// Share of the free memory that training may plan to take.
const MEMORY_SHARE: f64 = 0.8;

/// How the splats of a capture are trained.
pub(super) fn train_options(run: &RunOptions, capture: &Capture, geometry: &Geometry) -> TrainOptions {
    let views = geometry.views(capture);
    let mut options = TrainOptions::for_scene(views.len(), pixels_of(&views));
    options.seed = run.seed;
    options.steps = run.steps.unwrap_or(options.steps);
    options
}

fn pixels_of(views: &[View]) -> usize {
    views.first().map_or(0, |v| (v.image.width() * v.image.height()) as usize)
}

/// Trains the splats, and moves the cameras where the options say so; goes on from the checkpoint of a run that was cut off.
pub(super) fn train(
    bench: &mut Bench,
    capture: &Capture,
    geometry: &Geometry,
    options: TrainOptions,
) -> Result<(Arc<Gaussians>, Option<Vec<Camera>>), RunError> {
    let refined = options.poses.refine;
    let views = geometry.views(capture);
    let every = bench.options.holdout.map(|k| k as usize);
    let held_out = |i: usize| every.is_some_and(|k| geometry.frames[i].is_multiple_of(k));
    let train_views = train_views(capture, geometry, &views, held_out);
    let mut trainer = start(bench, geometry, (&views, &train_views), held_out, options)?;
    let stem = |i: usize| capture.frames[geometry.frames[i]].stem.clone();
    let held: Vec<(String, bool)> = (0..views.len()).map(|i| (stem(i), held_out(i))).collect();
    let training = follow(bench, &mut trainer, &held)?;
    bench.folder.write_training(&training)?;
    let gaussians = trainer.gaussians();
    splat::write_ply(&bench.folder.splat_path(), &gaussians)?;
    bench.meta.held_out = held.into_iter().filter(|h| h.1).map(|h| h.0).collect();
    bench.figure("gaussians", json!(gaussians.len()));
    bench.figure("training_steps", json!(training.points.last().map(|p| p.step)));
    bench.figure("psnr_training_db", json!(trainer.psnr_train().map(|p| round(f64::from(p)))));
    bench.figure("psnr_held_out_db", json!(trainer.psnr_held_out().map(|p| round(f64::from(p)))));
    bench.figure("ssim_held_out", json!(trainer.ssim_held_out().map(round)));
    // It has served; that it is still there where it cannot be removed does no harm.
    let _ = std::fs::remove_file(cache::checkpoint(bench.folder));
    // What later stages use is what a resumed run reads back.
    Ok((Arc::new(splat::read_ply(&bench.folder.splat_path())?), refined.then(|| trainer.cameras())))
}

fn train_views<'a>(
    capture: &'a Capture,
    geometry: &'a Geometry,
    views: &[View<'a>],
    held_out: impl Fn(usize) -> bool,
) -> Vec<TrainView<'a>> {
    let view = |(i, (view, dense)): (usize, (&View<'a>, &'a crate::geometry::dense::DenseDepth))| TrainView {
        image: view.image,
        camera: view.camera,
        depth: Some((&dense.depth, &dense.confidence)),
        mask: capture.frames[geometry.frames[i]].mask.as_deref(),
        alpha: None,
        held_out: held_out(i),
    };
    views.iter().zip(&geometry.depths).enumerate().map(view).collect()
}

/// A trainer at the checkpoint that fits, or at its beginning.
fn start(
    bench: &mut Bench,
    geometry: &Geometry,
    (views, train_views): (&[View], &[TrainView]),
    held_out: impl Fn(usize) -> bool,
    mut options: TrainOptions,
) -> Result<Trainer, RunError> {
    let found = std::fs::read(cache::checkpoint(bench.folder)).ok().and_then(|b| Checkpoint::decode(&b, bench.key));
    if let Some(checkpoint) = found {
        let step = checkpoint.step();
        if let Some(trainer) = Trainer::resume(backend(bench)?, train_views, checkpoint) {
            bench.job.note(format!("training goes on from step {step}"));
            return Ok(trainer);
        }
    }
    let pixels = pixels_of(views);
    if let Some(free) = available_memory() {
        let within = splat::gaussians_within((free as f64 * MEMORY_SHARE) as usize, views.len(), pixels, &options);
        if within < options.max_gaussians {
            let mib = splat::training_bytes(options.max_gaussians, views.len(), pixels, &options) >> 20;
            bench.job.warn(format!(
                "training {} splats would take {mib} MiB of memory and {} MiB are free: it stays below {within} splats",
                options.max_gaussians,
                free >> 20
            ));
            options.max_gaussians = within;
        }
    }
    let init = seed(views, geometry, held_out, &options);
    Ok(Trainer::new(backend(bench)?, train_views, init, options))
}

/// What `--device` asks for: by itself a real GPU where there is one, else the CPU.
fn backend(bench: &Bench) -> Result<Box<dyn Backend>, RunError> {
    match bench.options.device {
        Device::Cpu => Ok(Box::new(Cpu::new())),
        Device::Auto => match Gpu::new() {
            Ok(gpu) => Ok(Box::new(gpu)),
            Err(BackendError::Missing(_)) => Ok(Box::new(Cpu::new())),
            Err(e) => {
                bench.job.warn(format!("{e}: the splats are trained on the CPU"));
                Ok(Box::new(Cpu::new()))
            }
        },
        Device::Gpu => {
            let gpu = Gpu::software_allowed().map_err(|e| RunError::Option(format!("--device gpu: {e}")))?;
            if gpu.is_software() {
                bench.job.warn(format!("{} computes on the CPU, and slower than --device cpu", gpu.name()));
            }
            Ok(Box::new(gpu))
        }
    }
}

fn save(bench: &Bench, trainer: &mut Trainer) -> Result<(), RunError> {
    let bytes = trainer.checkpoint().encode(bench.key);
    Ok(write_atomic(&cache::checkpoint(bench.folder), &bytes)?)
}

/// Trains to the end, and shows how it goes. `views` are stems, and whether they are held out.
fn follow(bench: &mut Bench, trainer: &mut Trainer, views: &[(String, bool)]) -> Result<Training, RunError> {
    let mut training = Training { device: trainer.device(), steps: trainer.steps(), ..Training::default() };
    let (mut shown, mut saved, mut last) = (Instant::now(), Instant::now(), (0, trainer.seconds()));
    while !trainer.finished() {
        let step = trainer.step().step;
        for warning in trainer.take_warnings() {
            bench.job.warn(warning);
        }
        if let Err(cancelled) = bench.job.tick(step, trainer.steps()) {
            save(bench, trainer)?;
            return Err(cancelled.into());
        }
        if saved.elapsed() >= CHECKPOINT_INTERVAL {
            save(bench, trainer)?;
            saved = Instant::now();
        }
        if shown.elapsed() >= LIVE_INTERVAL || trainer.finished() {
            shown = Instant::now();
            let seconds = trainer.seconds();
            training.device = trainer.device();
            training.views = scores(trainer, views);
            training.points.push(TrainPoint {
                step,
                seconds,
                loss: trainer.loss(),
                psnr_db: trainer.checked_psnr(),
                rate: (step - last.0) as f32 / (seconds - last.1).max(1e-3),
                gaussians: trainer.len(),
            });
            last = (step, seconds);
            let (snapshot, training) = (Arc::new(trainer.gaussians()), Arc::new(training.clone()));
            bench.publish(|live| {
                live.gaussians.store(Some(snapshot));
                live.training.store(Some(training));
            });
        }
    }
    if trainer.stopped_early() {
        let text = format!("training stopped at step {}: held-out PSNR no longer rose", trainer.done());
        bench.job.note(text);
    }
    *bench.device = trainer.device();
    Ok(training)
}

fn scores(trainer: &Trainer, views: &[(String, bool)]) -> Vec<ViewScore> {
    let score = |((image, held_out), psnr): (&(String, bool), Option<f32>)| {
        Some(ViewScore { image: image.clone(), psnr_db: psnr?, held_out: *held_out })
    };
    views.iter().zip(trainer.scores()).filter_map(score).collect()
}

/// Gaussians on the fused multi-view depth of the training frames, and on the sparse points where there is none.
fn seed(views: &[View], geometry: &Geometry, held_out: impl Fn(usize) -> bool, options: &TrainOptions) -> Gaussians {
    let (mut seen, mut depths) = (Vec::new(), Vec::new());
    for (i, view) in views.iter().enumerate().filter(|(i, _)| !held_out(*i)) {
        seen.push(View { image: view.image, camera: view.camera });
        depths.push(geometry.depths[i].depth.clone());
    }
    let cloud = fuse(&seen, &depths, (options.max_gaussians as f32 * options.seeds) as usize);
    splat::seed(&cloud.positions, &cloud.normals, &cloud.colors, &cloud.spacing, options.sh_degree)
}
