//! Analytic gradients against central finite differences.

use super::super::loss::{DepthTarget, Weights, loss, ssim};
use super::super::{Cpu, Gradient, Planes, Rasteriser};
use super::{looking, random_gaussians};
use crate::scene::{Camera, Gaussians, Intrinsics, sh_coefficients};

fn weights(width: usize, height: usize, rng: &mut fastrand::Rng) -> Planes {
    let mut by = Planes::zeros(width, height);
    let mut plane = |p: &mut Vec<f32>, scale: f32| p.iter_mut().for_each(|v| *v = (rng.f32() - 0.3) * scale);
    for c in 0..3 {
        plane(&mut by.rgb[c], 1.0);
    }
    plane(&mut by.alpha, 1.0);
    plane(&mut by.depth, 0.3);
    by
}

fn weighted(p: &Planes, by: &Planes) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    (0..3).map(|c| dot(&p.rgb[c], &by.rgb[c])).sum::<f64>() + dot(&p.alpha, &by.alpha) + dot(&p.depth, &by.depth)
}

/// Every parameter of a Gaussian as (name, way to it, analytic gradient).
type Parameter = (String, Box<dyn Fn(&mut Gaussians) -> &mut f32>, f32);

fn parameters(i: usize, degree: usize, by: &Gradient) -> Vec<Parameter> {
    let mut out: Vec<Parameter> = Vec::new();
    for k in 0..3 {
        out.push((format!("mean {i}.{k}"), Box::new(move |g| &mut g.means[i][k]), by.mean[k]));
        out.push((format!("scale {i}.{k}"), Box::new(move |g| &mut g.log_scales[i][k]), by.log_scale[k]));
    }
    for k in 0..4 {
        out.push((format!("quat {i}.{k}"), Box::new(move |g| &mut g.quats[i][k]), by.quat[k]));
    }
    out.push((format!("opacity {i}"), Box::new(move |g| &mut g.opacity_logits[i]), by.opacity_logit));
    let n = sh_coefficients(degree);
    for k in 0..n {
        for c in 0..3 {
            out.push((format!("sh {i}.{k}.{c}"), Box::new(move |g| &mut g.sh[i * n + k][c]), by.sh[k][c]));
        }
    }
    out
}

/// The Gaussians must cover the whole image, so that no pixel crosses the 1/255 ellipse, where the image jumps.
fn check(mut g: Gaussians, camera: &Camera) {
    let mut rng = fastrand::Rng::with_seed(3);
    let (w, h) = (camera.intrinsics.width as usize, camera.intrinsics.height as usize);
    let by = weights(w, h, &mut rng);
    let (planes, pass) = Cpu.forward(&g, 3, camera);
    let gradients = Cpu.backward(&g, &pass, &planes, &by);
    assert!(!gradients.is_empty());
    for (id, gradient) in gradients {
        for (name, at, analytic) in parameters(id as usize, g.sh_degree, &gradient) {
            let value = *at(&mut g);
            let mut moved = |d: f32| {
                *at(&mut g) = value + d;
                let (p, _) = Cpu.forward(&g, 3, camera);
                let step = f64::from(*at(&mut g)) - f64::from(value);
                *at(&mut g) = value;
                (weighted(&p, &by), step)
            };
            let ((a, da), (b, db)) = (moved(4e-3), moved(-4e-3));
            let numeric = ((a - b) / (da - db)) as f32;
            let tolerance = 0.01 * numeric.abs().max(analytic.abs()) + 0.05;
            assert!((numeric - analytic).abs() < tolerance, "{name}: analytic {analytic}, numeric {numeric}");
        }
    }
}

fn off_centre() -> Intrinsics {
    Intrinsics { width: 27, height: 21, fx: 30.0, fy: 33.0, cx: 9.0, cy: 13.5 }
}

#[test]
fn every_parameter_of_a_turned_off_centre_view() {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut g = random_gaussians(4, 3, 0.25, 1.4, &mut rng);
    // One behind the camera: neither drawn nor moved.
    let behind = random_gaussians(1, 3, 0.1, 0.2, &mut rng);
    g.means.push([9.0, -9.0, 6.0]);
    g.log_scales.extend(behind.log_scales);
    g.quats.extend(behind.quats);
    g.opacity_logits.extend(behind.opacity_logits);
    g.sh.extend(behind.sh);
    let camera = looking([3.0, -3.0, 2.0], [0.1, 0.0, -0.1], off_centre());
    let (planes, pass) = Cpu.forward(&g, 3, &camera);
    let ids: Vec<u32> = Cpu.backward(&g, &pass, &planes, &planes).iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [0, 1, 2, 3]);
    check(g, &camera);
}

#[test]
fn a_thin_gaussian_and_lower_degrees() {
    for degree in 0..3 {
        let mut g = random_gaussians(2, degree, 0.2, 1.8, &mut fastrand::Rng::with_seed(5));
        g.log_scales[0][2] = 0.05f32.ln();
        check(g, &looking([-3.0, 1.0, 2.5], [0.0, 0.0, 0.0], off_centre()));
    }
}

#[test]
fn beyond_the_clamped_tangent() {
    let mut g = random_gaussians(1, 1, 0.0, 3.0, &mut fastrand::Rng::with_seed(8));
    // To the right of the image by more than the margin, and wide enough to cover it.
    g.means[0] = [0.0, 0.0, 0.0];
    g.log_scales[0] = [1.6, 1.4, 1.5];
    check(g, &looking([0.0, -3.0, 0.5], [-4.0, 0.0, 0.0], off_centre()));
}

fn noise(n: usize, rng: &mut fastrand::Rng) -> Vec<f32> {
    (0..n).map(|i| 0.5 + 0.2 * (i as f32 * 0.3).sin() + 0.2 * rng.f32()).collect()
}

#[test]
fn ssim_of_equal_images_is_one_and_its_gradient_is_right() {
    let (w, h) = (19, 14);
    let mut rng = fastrand::Rng::with_seed(2);
    let (mut x, y) = (noise(w * h, &mut rng), noise(w * h, &mut rng));
    assert!((ssim(&x, &x, w).0 / (w * h) as f64 - 1.0).abs() < 1e-4);
    let gradient = ssim(&x, &y, w).1;
    for i in (0..w * h).step_by(7) {
        let value = x[i];
        let mut at = |v: f32| {
            x[i] = v;
            ssim(&x, &y, w).0
        };
        let numeric = ((at(value + 2e-3) - at(value - 2e-3)) / 4e-3) as f32;
        x[i] = value;
        assert!((numeric - gradient[i]).abs() < 0.02 * gradient[i].abs() + 0.02, "{i}: {} {numeric}", gradient[i]);
    }
}

#[test]
fn loss_gradient_of_colour_alpha_and_depth() {
    let (w, h) = (16, 12);
    let mut rng = fastrand::Rng::with_seed(4);
    let mut p = Planes::zeros(w, h);
    let target = [0, 1, 2].map(|_| noise(w * h, &mut rng));
    p.rgb = [0, 1, 2].map(|_| noise(w * h, &mut rng));
    p.alpha = noise(w * h, &mut rng);
    p.depth = noise(w * h, &mut rng);
    let depth = DepthTarget { depth: vec![1.5; w * h], confidence: noise(w * h, &mut rng) };
    let weights = Weights { ssim: 0.2, depth: 0.7, depth_unit: 2.0 };
    let by = loss(&p, &target, Some(&depth), &weights).1;
    for i in (0..w * h).step_by(11) {
        for (name, at, analytic) in [
            ("green", (|p| &mut p.rgb[1]) as fn(&mut Planes) -> &mut Vec<f32>, by.rgb[1][i]),
            ("alpha", |p| &mut p.alpha, by.alpha[i]),
            ("depth", |p| &mut p.depth, by.depth[i]),
        ] {
            let value = at(&mut p)[i];
            let mut moved = |v: f32| {
                at(&mut p)[i] = v;
                let l = loss(&p, &target, Some(&depth), &weights).0;
                at(&mut p)[i] = value;
                l
            };
            let numeric = ((moved(value + 2e-3) - moved(value - 2e-3)) / 4e-3) as f32;
            assert!((numeric - analytic).abs() < 0.02 * analytic.abs() + 1e-4, "{name} {i}: {analytic} {numeric}");
        }
    }
}
