//! Gradients and steps of the GPU against those of the CPU.

use super::super::super::{CameraGradient, Gradient, Rates, Update};
use super::*;

/// The gradient in classes that are of one size each.
fn classes(g: &Gradient) -> [(&'static str, Vec<f32>); 6] {
    [
        ("mean", g.mean.to_vec()),
        ("log scale", g.log_scale.to_vec()),
        ("quaternion", g.quat.to_vec()),
        ("logit", vec![g.opacity_logit]),
        ("sh", g.sh.as_flattened().to_vec()),
        ("screen", vec![g.screen]),
    ]
}

fn compare(name: &str, expected: &[(u32, Gradient)], found: &[(u32, Gradient)]) {
    let ids = |g: &[(u32, Gradient)]| g.iter().map(|(id, _)| *id).collect::<Vec<u32>>();
    assert_eq!(ids(expected), ids(found), "{name}");
    for class in 0..6 {
        let of = |g: &[(u32, Gradient)]| g.iter().flat_map(|(_, g)| classes(g)[class].1.clone()).collect::<Vec<f32>>();
        let (e, f, label) = (of(expected), of(found), classes(&Gradient::default())[class].0);
        let size = (e.iter().map(|v| f64::from(v * v)).sum::<f64>() / e.len().max(1) as f64).sqrt() as f32;
        let error = |a: f32, b: f32| (a - b).abs() / (a.abs() + size).max(1e-12);
        let each: Vec<f32> = e.iter().zip(&f).map(|(a, b)| error(*a, *b)).collect();
        let worst = each.iter().fold(0f32, |w, v| w.max(*v));
        let off = each.iter().filter(|v| !(**v <= 1e-4)).count();
        println!("{name}: {label}: worst {worst}, {off} of {} off", e.len());
        // A few pixels at 1/255 of opacity are drawn by the one and not by the other.
        assert!(f.iter().all(|v| v.is_finite()) && worst < 0.1, "{name}: {label}: {worst}");
        assert!(off * 50 <= e.len(), "{name}: {label}: {off} of {} off", e.len());
    }
}

fn compare_cameras(name: &str, expected: &CameraGradient, found: &CameraGradient) {
    for (e, f) in [(expected.translation, found.translation), (expected.rotation, found.rotation)] {
        let size = e.iter().fold(0.1f32, |m, v| m.max(v.abs()));
        println!("{name}: camera {e:?} {f:?}");
        assert!((0..3).all(|k| (e[k] - f[k]).abs() < 0.01 * size), "{name}: {e:?} {f:?}");
    }
}

#[test]
fn gradients_are_those_of_the_cpu() {
    let mut shared = shared_gpu();
    let Some(gpu) = shared.as_mut() else { return };
    let mut rng = fastrand::Rng::with_seed(3);
    for Case { name, gaussians, shot } in cases() {
        let mut cpu = cpu(&gaussians);
        load(gpu, &gaussians);
        let planes = cpu.forward(0, &shot).unwrap();
        gpu.forward(0, &shot).unwrap();
        let by = random_planes(&planes, &mut rng);
        compare_cameras(name, &cpu.backward(0, &by).unwrap(), &gpu.backward(0, &by).unwrap());
        compare(name, &cpu.gradients().unwrap(), &gpu.gradients().unwrap());
    }
}

#[test]
fn two_views_in_flight_add_up() {
    let mut shared = shared_gpu();
    let Some(gpu) = shared.as_mut() else { return };
    let g = random_gaussians(300, 2, 1.0, 0.1, &mut fastrand::Rng::with_seed(4));
    let shots = [all(front(intrinsics(64, 40))), Shot { normals: false, ..all(aslant(50, 50)) }];
    let mut cpu = cpu(&g);
    load(gpu, &g);
    let mut rng = fastrand::Rng::with_seed(5);
    let mut by = Vec::new();
    for (slot, shot) in shots.iter().enumerate() {
        by.push(random_planes(&cpu.forward(slot, shot).unwrap(), &mut rng));
        gpu.forward(slot, shot).unwrap();
    }
    // A loss that has nothing to say of normals.
    by[0].normal = Default::default();
    for (slot, by) in by.iter().enumerate() {
        compare_cameras("two views", &cpu.backward(slot, by).unwrap(), &gpu.backward(slot, by).unwrap());
    }
    compare("two views", &cpu.gradients().unwrap(), &gpu.gradients().unwrap());
    let (expected, found) = (cpu.read().unwrap().motion, gpu.read().unwrap().motion);
    assert_eq!(expected.count, found.count);
    assert!(expected.sum.iter().zip(&found.sum).all(|(a, b)| (a - b).abs() <= 0.01 * a.abs() + 0.1));
    // What was in the slot is gone.
    assert_eq!(gpu.backward(0, &by[0]).unwrap(), CameraGradient::default());
}

fn update() -> Update {
    let rates = Rates {
        position: 0.0,
        position_end: 0.0,
        scale: 5e-3,
        rotation: 1e-3,
        opacity: 5e-2,
        color: 2.5e-3,
        color_rest: 1e-3,
        end: 1.0,
    };
    Update { position: 1e-3, rates, flat: 3.0, degree: 1 }
}

#[test]
fn steps_are_those_of_the_cpu() {
    let mut shared = shared_gpu();
    let Some(gpu) = shared.as_mut() else { return };
    let g = random_gaussians(200, 2, 1.0, 0.15, &mut fastrand::Rng::with_seed(6));
    let shot = Shot { degree: 1, ..all(aslant(64, 48)) };
    let mut cpu = cpu(&g);
    load(gpu, &g);
    let mut rng = fastrand::Rng::with_seed(8);
    let by = random_planes(&cpu.forward(0, &shot).unwrap(), &mut rng);
    for _ in 0..5 {
        for backend in [&mut cpu as &mut dyn Backend, gpu] {
            backend.forward(0, &shot).unwrap();
            backend.backward(0, &by).unwrap();
            backend.update(&update()).unwrap();
        }
    }
    let (e, f, start) = (cpu.read().unwrap(), gpu.read().unwrap(), g);
    assert_eq!(e.moments.count, f.moments.count);
    assert!(gpu.gradients().unwrap().is_empty(), "an update forgets them");
    let rows = |g: &Gaussians| -> Vec<(&'static str, Vec<f32>, f32)> {
        vec![
            ("mean", g.means.as_flattened().to_vec(), 1e-3),
            ("log scale", g.log_scales.as_flattened().to_vec(), 5e-3),
            ("quaternion", g.quats.as_flattened().to_vec(), 1e-3),
            ("logit", g.opacity_logits.clone(), 5e-2),
            ("sh", g.sh.as_flattened().to_vec(), 1e-3),
        ]
    };
    for (((name, e, rate), (_, f, _)), (_, s, _)) in
        rows(&e.gaussians).into_iter().zip(rows(&f.gaussians)).zip(rows(&start))
    {
        let off = e.iter().zip(&f).filter(|(a, b)| !((**a - **b).abs() <= 0.1 * rate)).count();
        let moved = e.iter().zip(&s).filter(|(a, b)| (**a - **b).abs() > rate).count();
        println!("{name}: {off} of {} off, {moved} moved", e.len());
        assert!(off * 100 <= e.len(), "{name}: {off} of {} off", e.len());
        assert!(moved * 10 > e.len(), "{name}: only {moved} of {} moved", e.len());
    }
}
