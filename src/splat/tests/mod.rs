//! Tests of the splat room: small scenes that are shared by them.

mod files;
mod gradients;
mod reference;
mod surface;
mod training;

use super::{Backend as _, Cpu, Parameters, Planes, Shot};
use crate::scene::{Camera, Gaussians, Intrinsics, sh_coefficients};
use nalgebra::{Isometry3, Point3, Vector3};

/// A camera at `eye` that looks at `target`, y down towards -z of the world.
pub(super) fn looking(eye: [f64; 3], target: [f64; 3], intrinsics: Intrinsics) -> Camera {
    let (eye, target) = (Point3::from(eye), Point3::from(target));
    let z = (target - eye).normalize();
    let x = z.cross(&Vector3::z()).normalize();
    let r = nalgebra::Rotation3::from_basis_unchecked(&[x, z.cross(&x), z]);
    Camera { intrinsics, c2w: Isometry3::from_parts(eye.coords.into(), r.into()) }
}

/// A view with everything drawn.
fn shot(camera: &Camera) -> Shot {
    Shot { camera: *camera, near: 0.01, degree: 3, normals: true }
}

/// The CPU with these Gaussians loaded.
fn cpu(g: &Gaussians) -> Cpu {
    let mut cpu = Cpu::new();
    cpu.load(Parameters::new(g.clone())).unwrap();
    cpu
}

fn draw(g: &Gaussians, camera: &Camera) -> std::sync::Arc<Planes> {
    cpu(g).forward(0, &shot(camera)).unwrap()
}

/// Random Gaussians about the origin within `spread`, of standard deviations about `size`, with bright colours.
pub(super) fn random_gaussians(n: usize, degree: usize, spread: f32, size: f32, rng: &mut fastrand::Rng) -> Gaussians {
    let mut g = Gaussians { sh_degree: degree, ..Gaussians::default() };
    let mut r = |scale: f32| (rng.f32() * 2.0 - 1.0) * scale;
    for _ in 0..n {
        g.means.push([r(spread), r(spread), r(spread)]);
        g.log_scales.push([size.ln() + r(0.5), size.ln() + r(0.5), size.ln() + r(0.5)]);
        g.quats.push([r(1.0), r(1.0), r(1.0), 1.2 + r(1.0)]);
        g.opacity_logits.push(r(0.8));
        g.sh.push([1.0 + r(0.6), 1.0 + r(0.6), 1.0 + r(0.6)]);
        g.sh.extend((1..sh_coefficients(degree)).map(|_| [r(0.15), r(0.15), r(0.15)]));
    }
    g
}
