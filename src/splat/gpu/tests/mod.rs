//! The GPU against the CPU, and what only a GPU can do wrong. Skipped where there is no driver for one, not even an
//! emulated one.

mod device;
mod drawing;
mod gradients;
mod sorting;

use super::super::tests::{looking, random_gaussians};
use super::super::{Backend, BackendError, Cpu, Parameters, Planes, Shot};
use super::Gpu;
use crate::scene::{Camera, Gaussians, Intrinsics};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A GPU of the test's own.
fn own_gpu() -> Option<Gpu> {
    match Gpu::software_allowed() {
        Ok(gpu) => Some(gpu),
        Err(BackendError::Missing(why)) => {
            println!("skipped: {why}");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

/// The GPU that the tests share, as compiling the kernels takes a second.
fn shared_gpu() -> MutexGuard<'static, Option<Gpu>> {
    static GPU: Mutex<Option<Gpu>> = Mutex::new(None);
    let mut gpu = GPU.lock().unwrap_or_else(PoisonError::into_inner);
    if gpu.is_none() {
        *gpu = own_gpu();
    }
    gpu
}

/// A scene and a view of it.
struct Case {
    name: &'static str,
    gaussians: Gaussians,
    shot: Shot,
}

fn intrinsics(width: u32, height: u32) -> Intrinsics {
    let f = f64::from(width.max(height)) * 0.9;
    Intrinsics { width, height, fx: f, fy: f * 1.05, cx: f64::from(width) * 0.5, cy: f64::from(height) * 0.5 }
}

fn front(k: Intrinsics) -> Camera {
    looking([0.0, -4.0, 0.0], [0.0; 3], k)
}

/// Turned, above, and with the principal point far off the middle.
fn aslant(width: u32, height: u32) -> Camera {
    let k = Intrinsics { cx: f64::from(width) * 0.3, cy: f64::from(height) * 0.7, ..intrinsics(width, height) };
    looking([2.5, -2.5, 1.8], [0.1, 0.0, -0.1], k)
}

fn all(camera: Camera) -> Shot {
    Shot { camera, near: 0.01, degree: 3, normals: true }
}

/// Scenes that differ in everything that the kernels distinguish.
fn cases() -> Vec<Case> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut random = |n: usize, degree: usize, size: f32| random_gaussians(n, degree, 1.0, size, &mut rng);
    let case = |name, gaussians, shot| Case { name, gaussians, shot };
    let mut antialiased = random(400, 2, 0.02);
    antialiased.antialiased = true;
    let mut flat = random(300, 1, 0.15);
    flat.log_scales.iter_mut().for_each(|s| s[1] = 1e-4f32.ln());
    vec![
        case("no multiple of a tile", random(300, 3, 0.1), all(front(intrinsics(75, 50)))),
        case("one tile", random(40, 0, 0.3), all(front(intrinsics(16, 16)))),
        case("one pixel", random(40, 1, 0.3), all(front(intrinsics(1, 1)))),
        case("aslant", random(500, 2, 0.08), all(aslant(97, 61))),
        case("a lower degree than there is", random(200, 3, 0.1), Shot { degree: 1, ..all(aslant(64, 48)) }),
        case("a higher degree than there is", random(200, 0, 0.1), all(aslant(64, 48))),
        case("no normals", random(200, 1, 0.1), Shot { normals: false, ..all(aslant(64, 48)) }),
        case("filtered", antialiased, all(front(intrinsics(80, 60)))),
        case("flat", flat, all(aslant(80, 60))),
        case("from within", random(400, 1, 0.2), all(looking([0.1, 0.0, 0.0], [1.0, 0.3, 0.1], intrinsics(60, 44)))),
        case("far too near", random(400, 1, 0.2), Shot { near: 4.0, ..all(front(intrinsics(60, 44))) }),
        case("one Gaussian", random(1, 3, 0.5), all(front(intrinsics(40, 30)))),
        case("no Gaussian", random(0, 3, 0.5), all(front(intrinsics(40, 30)))),
        case("nothing seen", random(50, 3, 0.1), all(looking([0.0, -4.0, 0.0], [0.0, -9.0, 0.0], intrinsics(40, 30)))),
        case("more pairs than there is room for at first", random(400, 0, 1.5), all(front(intrinsics(320, 240)))),
        case("many small ones", random(5000, 0, 0.02), all(front(intrinsics(200, 150)))),
    ]
}

fn load(backend: &mut dyn Backend, g: &Gaussians) {
    backend.load(Parameters::new(g.clone())).unwrap();
}

fn cpu(g: &Gaussians) -> Cpu {
    let mut cpu = Cpu::new();
    load(&mut cpu, g);
    cpu
}

/// Gradients of a loss that pulls at every plane.
fn random_planes(like: &Planes, rng: &mut fastrand::Rng) -> Planes {
    let normals = !like.normal[0].is_empty();
    let mut by = Planes::zeros(like.width, like.height, normals);
    let mut fill = |p: &mut Vec<f32>, scale: f32| p.iter_mut().for_each(|v| *v = (rng.f32() - 0.3) * scale);
    for c in 0..3 {
        fill(&mut by.rgb[c], 1.0);
        fill(&mut by.normal[c], 0.5);
    }
    fill(&mut by.alpha, 1.0);
    fill(&mut by.depth, 0.3);
    by
}
