//! The backends of the splats against each other: milliseconds for drawing, gradients and a step of Adam.
//!
//! `cargo bench --bench splat_gpu` takes the GPU that `--device gpu` would take; `-- large` adds a million Gaussians at
//! 1920 x 1080.

use holoscope::scene::{Camera, Gaussians, Intrinsics, sh_coefficients};
use holoscope::splat::{Backend, BackendError, Cpu, Gpu, Parameters, Planes, Shot, TrainOptions, Update};
use std::time::Instant;

/// Gaussians on the walls of a box about the origin, as a room is seeded.
fn room(n: usize, degree: usize) -> Gaussians {
    let mut rng = fastrand::Rng::with_seed(1);
    let spacing = (24.0 / n as f32).sqrt();
    let mut g = Gaussians { sh_degree: degree, ..Gaussians::default() };
    for i in 0..n {
        let mut r = |scale: f32| (rng.f32() * 2.0 - 1.0) * scale;
        let mut mean = [r(1.0), r(1.0), r(1.0)];
        mean[i % 3] = if i % 2 == 0 { 1.0 } else { -1.0 };
        let mut scales = [0, 1, 2].map(|_| spacing.ln() + r(0.3));
        scales[i % 3] -= 2.0;
        g.means.push(mean);
        g.log_scales.push(scales);
        g.quats.push([1.0, r(0.2), r(0.2), r(0.2)]);
        g.opacity_logits.push(1.0 + r(1.5));
        g.sh.extend((0..sh_coefficients(degree)).map(|k| [0, 1, 2].map(|_| r(if k == 0 { 1.0 } else { 0.1 }))));
    }
    g
}

fn shot(width: u32, height: u32, turn: f64) -> Shot {
    let f = f64::from(width) * 0.8;
    let (cx, cy) = (f64::from(width) * 0.5, f64::from(height) * 0.5);
    let intrinsics = Intrinsics { width, height, fx: f, fy: f, cx, cy };
    let turn = nalgebra::Rotation3::from_euler_angles(0.1, turn, 0.0);
    let c2w = nalgebra::Isometry3::from_parts((turn * nalgebra::Vector3::new(0.0, 0.0, -0.7)).into(), turn.into());
    Shot { camera: Camera { intrinsics, c2w }, near: 0.01, degree: 3, normals: false }
}

/// Gradient of half the squared difference: a loss that costs next to nothing.
fn pull(planes: &Planes) -> Planes {
    let mut by = Planes::zeros(planes.width, planes.height, false);
    for c in 0..3 {
        by.rgb[c] = planes.rgb[c].iter().map(|v| (v - 0.5) / planes.alpha.len() as f32).collect();
    }
    by
}

/// Milliseconds of a forward pass, a backward pass and an update, and their sum, of the fastest of the rounds each.
fn measure(backend: &mut dyn Backend, g: &Gaussians, size: [u32; 2], rounds: usize) -> Result<[f64; 4], BackendError> {
    backend.load(Parameters::new(g.clone()))?;
    let rates = TrainOptions::for_scene(1, 1).rates;
    let update = Update { position: 1e-4, rates, flat: 0.0, degree: 3 };
    let mut best = [f64::INFINITY; 4];
    for round in 0..rounds + 2 {
        let start = Instant::now();
        let planes = backend.forward(0, &shot(size[0], size[1], round as f64 * 0.3))?;
        let drawn = start.elapsed();
        let by = pull(&planes);
        let lossy = start.elapsed();
        backend.backward(0, &by)?;
        let derived = start.elapsed();
        backend.update(&update)?;
        let moved = start.elapsed();
        // The first rounds find out how much memory is needed.
        if round >= 2 {
            let each = [drawn, derived - lossy, moved - derived, moved].map(|t| t.as_secs_f64() * 1e3);
            (0..4).for_each(|k| best[k] = best[k].min(each[k]));
        }
    }
    Ok(best)
}

fn main() -> Result<(), BackendError> {
    let large = std::env::args().any(|a| a == "large");
    let mut backends: Vec<Box<dyn Backend>> = vec![Box::new(Cpu::new())];
    match Gpu::software_allowed() {
        Ok(gpu) => backends.push(Box::new(gpu)),
        Err(e) => println!("{e}"),
    }
    println!(
        "{:>10} {:>11}  {:36} {:>9} {:>9} {:>9} {:>9}",
        "Gaussians", "image", "on", "forward", "backward", "update", "step/s"
    );
    for (n, [w, h], rounds) in [(2_709, [320, 240], 10), (100_000, [640, 480], 5), (1_000_000, [1920, 1080], 5)] {
        if n == 1_000_000 && !large {
            continue;
        }
        let g = room(n, 3);
        for backend in &mut backends {
            let name = backend.name();
            match measure(backend.as_mut(), &g, [w, h], rounds) {
                Ok([f, b, u, all]) => {
                    let rate = 1e3 / all;
                    println!("{n:>10} {:>11}  {name:36} {f:>9.2} {b:>9.2} {u:>9.2} {rate:>9.1}", format!("{w} x {h}"));
                }
                Err(e) => println!("{n:>10} {:>11}  {name:36} {e}", format!("{w} x {h}")),
            }
        }
    }
    Ok(())
}
