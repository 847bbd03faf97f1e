//! Training from the sparse points of a scene, as the peers begin: steps a second, CPU seconds a step, held-out PSNR.
//!
//! `cargo bench --bench train -- SCENE [--width 320] [--steps 300] [--gaussians 2171] [--degree 3] [--device cpu|gpu] [--surface]`
//! SCENE is a scene folder that has its poses (`holoscope run INPUT --out SCENE --until poses`): a COLMAP project too,
//! so that OpenSplat and Brush train on the very same photos, cameras and points.

use anyhow::{Context, bail};
use holoscope::scene::folder::SceneFolder;
use holoscope::splat::{Backend, Cpu, Gpu, Level, TrainOptions, TrainView, Trainer, seed, spacing_of};
use std::path::Path;
use std::time::Instant;

struct Arguments {
    scene: String,
    width: u32,
    steps: usize,
    gaussians: usize,
    degree: usize,
    device: String,
    surface: bool,
}

fn arguments() -> anyhow::Result<Option<Arguments>> {
    let mut out = Arguments {
        scene: String::new(),
        width: 320,
        steps: 300,
        gaussians: 2171,
        degree: 3,
        device: "cpu".into(),
        surface: false,
    };
    let mut words = std::env::args().skip(1).filter(|w| w != "--bench");
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} wants a value"));
        match word.as_str() {
            "--width" => out.width = value()?.parse()?,
            "--steps" => out.steps = value()?.parse()?,
            "--gaussians" => out.gaussians = value()?.parse()?,
            "--degree" => out.degree = value()?.parse()?,
            "--device" => out.device = value()?,
            "--surface" => out.surface = true,
            _ if word.starts_with("--") => bail!("unknown option {word}"),
            _ => out.scene = word,
        }
    }
    Ok((!out.scene.is_empty()).then_some(out))
}

fn main() -> anyhow::Result<()> {
    let Some(a) = arguments()? else {
        println!(
            "usage: cargo bench --bench train -- SCENE [--width W] [--steps N] [--gaussians N] [--degree D] [--device cpu|gpu] [--surface]"
        );
        return Ok(());
    };
    let folder = SceneFolder::open(Path::new(&a.scene))?;
    let meta = folder.read_meta()?;
    let sparse = folder.read_sparse(&meta.images)?;
    let mut photos = Vec::new();
    for (name, camera) in meta.images.iter().zip(&sparse.cameras) {
        let Some(camera) = camera else { continue };
        let path = folder.root().join("images").join(name);
        let image = image::open(&path).with_context(|| path.display().to_string())?.to_rgb8();
        let (w, h) = (a.width, (u64::from(image.height()) * u64::from(a.width) / u64::from(image.width())) as u32);
        let small = image::imageops::resize(&image, w, h, image::imageops::FilterType::Triangle);
        photos.push((small, camera.resized(w, h)));
    }
    let views: Vec<TrainView> = photos
        .iter()
        .enumerate()
        .map(|(i, (image, camera))| TrainView {
            image,
            camera: *camera,
            depth: None,
            mask: None,
            alpha: None,
            held_out: i % 8 == 0,
        })
        .collect();
    let points: Vec<[f32; 3]> =
        sparse.points.iter().take(a.gaussians).map(|p| p.position.coords.cast::<f32>().into()).collect();
    let colors: Vec<[u8; 3]> = sparse.points.iter().map(|p| p.color).collect();
    let init = seed(&points, &vec![[0.0; 3]; points.len()], &colors, &spacing_of(&points), 0);
    let pixels = (a.width * views.first().map_or(0, |v| v.image.height())) as usize;
    let mut options = TrainOptions {
        steps: a.steps,
        max_gaussians: a.gaussians,
        sh_degree: a.degree,
        levels: vec![Level { until: 1.0, divide: 1 }],
        patience: 0,
        check_every: 2.0,
        ..TrainOptions::for_scene(views.len(), pixels)
    };
    // The peers have no surface terms.
    options.surface.from = if a.surface { options.surface.from } else { 2.0 };
    let backend: Box<dyn Backend> = match a.device.as_str() {
        "cpu" => Box::new(Cpu::new()),
        "gpu" => Box::new(Gpu::software_allowed()?),
        other => bail!("--device {other}: it is cpu or gpu"),
    };
    let mut trainer = Trainer::new(backend, &views, init, options);
    let (start, cpu) = (Instant::now(), cpu_seconds());
    while !trainer.finished() {
        trainer.step();
    }
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!(
        "{}: {} steps at {} px, {} Gaussians, SH {}: {:.1} steps/s, {:.4} CPU s a step, {:.2} dB held out, {:.2} dB trained on",
        trainer.device(),
        trainer.done(),
        a.width,
        trainer.len(),
        a.degree,
        trainer.done() as f64 / wall,
        cpu / trainer.done().max(1) as f64,
        trainer.psnr_held_out().unwrap_or_default(),
        trainer.psnr_train().unwrap_or_default(),
    );
    Ok(())
}

/// User and system seconds of this process (Linux; 0 elsewhere).
fn cpu_seconds() -> f64 {
    let Ok(text) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
