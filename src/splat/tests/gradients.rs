//! Analytic gradients against central finite differences.

use super::super::loss::{DepthTarget, ImageWeights, Target, image_loss, no_gradient, ssim};
use super::super::{Backend as _, CameraGradient, Gradient, Planes};
use super::{cpu, draw, looking, random_gaussians, shot};
use crate::scene::{Camera, Gaussians, Intrinsics, sh_coefficients};
use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};

fn weights(width: usize, height: usize, rng: &mut fastrand::Rng) -> Planes {
    let mut by = Planes::zeros(width, height, true);
    let mut plane = |p: &mut Vec<f32>, scale: f32| p.iter_mut().for_each(|v| *v = (rng.f32() - 0.3) * scale);
    for c in 0..3 {
        plane(&mut by.rgb[c], 1.0);
        plane(&mut by.normal[c], 0.5);
    }
    plane(&mut by.alpha, 1.0);
    plane(&mut by.depth, 0.3);
    by
}

fn weighted(p: &Planes, by: &Planes) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let colors = (0..3).map(|c| dot(&p.rgb[c], &by.rgb[c]) + dot(&p.normal[c], &by.normal[c]));
    colors.sum::<f64>() + dot(&p.alpha, &by.alpha) + dot(&p.depth, &by.depth)
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
    let mut backend = cpu(&g);
    backend.forward(0, &shot(camera)).unwrap();
    let by_camera = backend.backward(0, &by).unwrap();
    let gradients = backend.gradients().unwrap();
    assert!(!gradients.is_empty());
    for (id, gradient) in gradients {
        for (name, at, analytic) in parameters(id as usize, g.sh_degree, &gradient) {
            let value = *at(&mut g);
            let mut moved = |d: f32| {
                *at(&mut g) = value + d;
                let p = draw(&g, camera);
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
    check_camera(&g, camera, &by, &by_camera);
}

fn check_camera(g: &Gaussians, camera: &Camera, by: &Planes, analytic: &CameraGradient) {
    for k in 0..6 {
        let moved = |d: f64| {
            let axis = |j: usize| if j == k { d } else { 0.0 };
            let step = Isometry3::from_parts(
                Translation3::new(axis(0), axis(1), axis(2)),
                UnitQuaternion::from_scaled_axis(Vector3::new(axis(3), axis(4), axis(5))),
            );
            weighted(&draw(g, &Camera { c2w: camera.c2w * step, ..*camera }), by)
        };
        let numeric = ((moved(2e-3) - moved(-2e-3)) / 4e-3) as f32;
        let analytic = if k < 3 { analytic.translation[k] } else { analytic.rotation[k - 3] };
        let tolerance = 0.01 * numeric.abs().max(analytic.abs()) + 0.3;
        assert!((numeric - analytic).abs() < tolerance, "camera {k}: analytic {analytic}, numeric {numeric}");
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
    let mut backend = cpu(&g);
    let planes = backend.forward(0, &shot(&camera)).unwrap();
    backend.backward(0, &planes).unwrap();
    let ids: Vec<u32> = backend.gradients().unwrap().iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [0, 1, 2, 3]);
    check(g, &camera);
}

#[test]
fn with_the_filter_of_mip_splatting() {
    let mut g = random_gaussians(3, 2, 0.25, 2.0, &mut fastrand::Rng::with_seed(21));
    g.antialiased = true;
    check(g.clone(), &looking([3.0, -3.0, 2.0], [0.1, 0.0, -0.1], off_centre()));
    // Where the blur of a pixel counts: Gaussians about as large as one.
    let intrinsics = Intrinsics { width: 2, height: 2, fx: 1.2, fy: 1.1, cx: 1.0, cy: 1.05 };
    g.log_scales.iter_mut().flatten().for_each(|s| *s += 0.5);
    check(g, &looking([3.0, -3.0, 2.0], [0.1, 0.0, -0.1], intrinsics));
}

#[test]
fn gradients_of_two_views_add_up() {
    let g = random_gaussians(5, 1, 0.3, 0.3, &mut fastrand::Rng::with_seed(2));
    let cameras = [[3.0, -3.0, 2.0], [-2.0, -3.0, 1.0]].map(|eye| looking(eye, [0.0; 3], off_centre()));
    let by = weights(27, 21, &mut fastrand::Rng::with_seed(5));
    let alone = cameras.map(|c| {
        let mut backend = cpu(&g);
        backend.forward(1, &shot(&c)).unwrap();
        backend.backward(1, &by).unwrap();
        backend.gradients().unwrap()
    });
    let mut both = cpu(&g);
    for (slot, c) in cameras.iter().enumerate() {
        both.forward(slot, &shot(c)).unwrap();
    }
    for slot in 0..2 {
        both.backward(slot, &by).unwrap();
    }
    let sum = both.gradients().unwrap();
    assert_eq!(sum.len(), 5);
    for (id, gradient) in sum {
        let one = |k: usize| alone[k].iter().find(|e| e.0 == id).map_or(0.0, |e| e.1.mean[0]);
        assert!((gradient.mean[0] - one(0) - one(1)).abs() < 1e-4, "{id}");
    }
}

#[test]
fn a_loss_of_few_pixels_is_its_share_of_the_whole() {
    // Gradients are linear in those of the planes, and pixels without one are left out: parts add up to the whole.
    let g = random_gaussians(40, 2, 0.8, 0.2, &mut fastrand::Rng::with_seed(4));
    let camera = looking([3.0, -3.0, 2.0], [0.0; 3], off_centre());
    let whole = weights(27, 21, &mut fastrand::Rng::with_seed(5));
    let gradients = |by: &Planes| {
        let mut backend = cpu(&g);
        backend.forward(0, &shot(&camera)).unwrap();
        backend.backward(0, by).unwrap();
        backend.gradients().unwrap()
    };
    // One pixel in seven, and the others.
    let part = |few: bool| {
        let mut by = whole.clone();
        for plane in by.rgb.iter_mut().chain(&mut by.normal).chain([&mut by.alpha, &mut by.depth]) {
            plane.iter_mut().enumerate().filter(|(i, _)| (i % 7 == 3) != few).for_each(|(_, v)| *v = 0.0);
        }
        gradients(&by)
    };
    let (few, others, all) = (part(true), part(false), gradients(&whole));
    assert_eq!(few.iter().map(|e| e.0).collect::<Vec<_>>(), all.iter().map(|e| e.0).collect::<Vec<_>>());
    for ((a, b), (id, c)) in few.iter().zip(&others).zip(&all) {
        let sum = a.1.plus(&b.1);
        let flat = |g: &Gradient| [g.mean[0], g.mean[2], g.log_scale[1], g.quat[2], g.opacity_logit, g.sh[3][1]];
        for (got, wanted) in flat(&sum).into_iter().zip(flat(c)) {
            assert!((got - wanted).abs() <= 1e-4 * (1.0 + wanted.abs()), "{id}: {got} {wanted}");
        }
    }
    // A loss with nothing to say moves nothing.
    let nothing = gradients(&Planes::zeros(27, 21, true));
    assert!(nothing.len() == all.len() && nothing.iter().all(|(_, g)| g.mean == [0.0; 3] && g.screen == 0.0));
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
fn ssim_is_what_scipy_computes() {
    // SciPy 1.x: `correlate1d` with the window along both axes, mode "constant", and equation 13 of Wang et al. 2004.
    let (w, h) = (24, 20);
    let plane = |of: fn(usize, usize) -> f64| (0..w * h).map(|k| of(k / w, k % w) as f32).collect::<Vec<_>>();
    let x = plane(|i, j| ((i * 7 + j * 3) % 11) as f64 / 10.0);
    let y = plane(|i, j| ((i * 5 + j * 2) % 13) as f64 / 12.0);
    let fainter: Vec<f32> = x.iter().map(|v| 0.5 * v + 0.2).collect();
    let mean = |a: &[f32], b: &[f32]| ssim(a, b, w).0 / (w * h) as f64;
    assert!((mean(&x, &y) - 0.156_876_427).abs() < 1e-5, "{}", mean(&x, &y));
    assert!((mean(&x, &fainter) - 0.832_741_939).abs() < 1e-5, "{}", mean(&x, &fainter));
    let grey = |x: &[f32]| x.iter().map(|v| [*v; 3]).collect::<Vec<_>>();
    assert!((crate::splat::ssim(&grey(&x), &grey(&y), w) - 0.156_876_427).abs() < 1e-5);
    assert_eq!(crate::splat::ssim(&grey(&x), &grey(&y)[1..], w), 0.0);
}

#[test]
fn loss_gradient_of_colour_alpha_and_depth() {
    let (w, h) = (16, 12);
    let mut rng = fastrand::Rng::with_seed(4);
    let mut p = Planes::zeros(w, h, false);
    let mut target = Target { rgb: [0, 1, 2].map(|_| noise(w * h, &mut rng)), ..Target::default() };
    p.rgb = [0, 1, 2].map(|_| noise(w * h, &mut rng));
    p.alpha = noise(w * h, &mut rng);
    p.depth = noise(w * h, &mut rng);
    target.depth = Some(DepthTarget { depth: vec![1.5; w * h], confidence: noise(w * h, &mut rng) });
    target.alpha = Some(noise(w * h, &mut rng));
    let mut mask = vec![1.0; w * h];
    mask[..33].fill(0.0);
    target.mask = Some(mask);
    let weights = ImageWeights { ssim: 0.2, alpha: 0.3, depth: 0.7, depth_unit: 2.0 };
    let loss = |p: &Planes| {
        let mut by = no_gradient(p);
        (image_loss(&p.rgb, p, &target, &weights, &mut by), by)
    };
    let by = loss(&p).1;
    assert!(by.rgb.iter().all(|plane| plane[..33].iter().all(|g| *g == 0.0)), "masked pixels pull at nothing");
    for i in (0..w * h).step_by(11) {
        for (name, at, analytic) in [
            ("green", (|p| &mut p.rgb[1]) as fn(&mut Planes) -> &mut Vec<f32>, by.rgb[1][i]),
            ("alpha", |p| &mut p.alpha, by.alpha[i]),
            ("depth", |p| &mut p.depth, by.depth[i]),
        ] {
            let value = at(&mut p)[i];
            let mut moved = |v: f32| {
                at(&mut p)[i] = v;
                let l = loss(&p).0;
                at(&mut p)[i] = value;
                l
            };
            let numeric = ((moved(value + 2e-3) - moved(value - 2e-3)) / 4e-3) as f32;
            assert!((numeric - analytic).abs() < 0.02 * analytic.abs() + 1e-4, "{name} {i}: {analytic} {numeric}");
        }
    }
}
