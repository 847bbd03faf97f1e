//! The GPU against the CPU, and what only a GPU can do wrong. Skipped where there is no driver.

use super::super::tests::{looking, random_gaussians};
use super::super::{Backend, BackendError, Cpu, Parameters, Planes, Rates, Shot, Update};
use super::Gpu;
use crate::scene::{Camera, Gaussians, Intrinsics};

fn gpu() -> Option<Gpu> {
    match Gpu::software_allowed() {
        Ok(gpu) => Some(gpu),
        Err(BackendError::Missing(why)) => {
            println!("skipped: {why}");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn smoke() {
    let Some(mut gpu) = gpu() else { return };
    println!("{}", gpu.name());
    let g = random_gaussians(300, 3, 1.0, 0.1, &mut fastrand::Rng::with_seed(2));
    let k = Intrinsics { width: 75, height: 50, fx: 60.0, fy: 60.0, cx: 37.5, cy: 25.0 };
    let shot = Shot { camera: looking([0.0, -4.0, 0.0], [0.0; 3], k), near: 0.01, degree: 3, normals: true };
    let mut cpu = Cpu::new();
    cpu.load(Parameters::new(g.clone())).unwrap();
    gpu.load(Parameters::new(g)).unwrap();
    let a = cpu.forward(0, &shot).unwrap();
    let b = gpu.forward(0, &shot).unwrap();
    let worst = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0f32, |w, (a, b)| w.max((a - b).abs()));
    for c in 0..3 {
        println!("rgb {c} {} normal {}", worst(&a.rgb[c], &b.rgb[c]), worst(&a.normal[c], &b.normal[c]));
    }
    println!("{} {} {}", worst(&a.alpha, &b.alpha), worst(&a.depth, &b.depth), worst(&a.median, &b.median));
    let by = a.clone();
    println!("{:?}", cpu.backward(0, &by).unwrap());
    println!("{:?}", gpu.backward(0, &by).unwrap());
    let (x, y) = (cpu.gradients().unwrap(), gpu.gradients().unwrap());
    println!("{} {}", x.len(), y.len());
    println!("{:?}\n{:?}", x[5], y[5]);
}
