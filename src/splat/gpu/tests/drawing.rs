//! Images of the GPU against those of the CPU.

use super::*;

/// Planes with their names; the last but three is the median.
fn planes(p: &Planes) -> [(&'static str, &[f32]); 9] {
    let [r, g, b] = &p.rgb;
    let [x, y, z] = &p.normal;
    [
        ("red", r),
        ("green", g),
        ("blue", b),
        ("alpha", &p.alpha),
        ("depth", &p.depth),
        ("normal x", x),
        ("normal y", y),
        ("normal z", z),
        ("median", &p.median),
    ]
}

/// Equal but for rounding; where that decides whether a Gaussian at 1/255 of opacity is drawn, by that much.
fn compare(name: &str, expected: &Planes, found: &Planes) {
    assert_eq!((expected.width, expected.height), (found.width, found.height), "{name}");
    for ((plane, e), (_, f)) in planes(expected).into_iter().zip(planes(found)) {
        assert_eq!(e.len(), f.len(), "{name}: {plane}");
        let size = e.iter().fold(1f32, |m, v| m.max(v.abs()));
        let off = |limit: f32| e.iter().zip(f).filter(|(a, b)| !((**a - **b).abs() <= limit * size)).count();
        let (rounding, jumps) = (off(1e-4), off(0.02));
        println!("{name}: {plane}: {rounding} beyond rounding, {jumps} far off, of {}", e.len());
        assert!(rounding * 100 <= e.len(), "{name}: {plane}: {rounding} of {} differ", e.len());
        // The median jumps from one Gaussian to the next.
        assert!(jumps == 0 || plane == "median" && jumps * 200 <= e.len(), "{name}: {plane}: {jumps} are far off");
    }
}

#[test]
fn images_are_those_of_the_cpu() {
    let mut shared = shared_gpu();
    let Some(gpu) = shared.as_mut() else { return };
    for Case { name, gaussians, shot } in cases() {
        load(gpu, &gaussians);
        let found = gpu.forward(1, &shot).unwrap();
        compare(name, &cpu(&gaussians).forward(0, &shot).unwrap(), &found);
        let again = gpu.forward(0, &shot).unwrap();
        for ((plane, a), (_, b)) in planes(&found).into_iter().zip(planes(&again)) {
            assert!(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}: {plane}: other bytes");
        }
    }
}

#[test]
fn nonsense_is_left_out() {
    let mut shared = shared_gpu();
    let Some(gpu) = shared.as_mut() else { return };
    let shot = all(front(intrinsics(49, 33)));
    let mut bad = random_gaussians(60, 3, 1.0, 0.2, &mut fastrand::Rng::with_seed(2));
    for (i, v) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38, -1e38, 1e-40].into_iter().enumerate() {
        bad.means[i][i % 3] = v;
        bad.log_scales[10 + i][i % 3] = v;
        bad.quats[20 + i][i % 4] = v;
        bad.opacity_logits[30 + i] = v;
        bad.sh[(40 + i) * 16 + i][i % 3] = v;
    }
    bad.quats[50] = [0.0; 4];
    load(gpu, &bad);
    let found = gpu.forward(0, &shot).unwrap();
    assert!(found.alpha.iter().any(|a| *a > 0.1));
    assert!(planes(&found).iter().all(|(_, p)| p.iter().all(|v| v.is_finite())));
    compare("nonsense", &cpu(&bad).forward(0, &shot).unwrap(), &found);
    gpu.backward(0, &found).unwrap();
    for (id, g) in gpu.gradients().unwrap() {
        let all = g.mean.iter().chain(&g.log_scale).chain(&g.quat).chain(g.sh.as_flattened());
        assert!(all.chain([&g.opacity_logit, &g.screen]).all(|v| v.is_finite()), "{id}");
    }
}
