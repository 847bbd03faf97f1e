//! Transfers, and devices that fail.

use super::super::super::Update;
use super::*;

#[test]
fn what_goes_in_comes_out() {
    let mut shared = shared_gpu();
    let Some(gpu) = shared.as_mut() else { return };
    let mut rng = fastrand::Rng::with_seed(12);
    for degree in 0..4 {
        let mut p = Parameters::new(random_gaussians(77, degree, 1.0, 0.1, &mut rng));
        p.gaussians.antialiased = degree == 2;
        p.gaussians.means[3][1] = 1e-42;
        p.moments.moments.iter_mut().flatten().for_each(|m| *m = rng.f32() - 0.5);
        p.moments.count.iter_mut().for_each(|c| *c = rng.u32(0..1000));
        p.motion.sum.iter_mut().for_each(|s| *s = rng.f32());
        p.motion.count.iter_mut().for_each(|c| *c = rng.u32(0..1000));
        gpu.load(p.clone()).unwrap();
        assert_eq!(gpu.read().unwrap(), p);
        assert_eq!(gpu.gaussians().unwrap(), p.gaussians);
    }
    gpu.load(Parameters::new(Gaussians::default())).unwrap();
    assert_eq!(gpu.read().unwrap(), Parameters::new(Gaussians::default()));
    assert!(gpu.gradients().unwrap().is_empty());
}

#[test]
fn a_lost_device_is_an_error_and_stays_one() {
    let Some(mut gpu) = own_gpu() else { return };
    let g = random_gaussians(50, 1, 1.0, 0.1, &mut fastrand::Rng::with_seed(13));
    let shot = all(front(intrinsics(40, 30)));
    load(&mut gpu, &g);
    let planes = gpu.forward(0, &shot).unwrap();
    gpu.device.device.destroy();
    let lost = |what: &str, r: Option<BackendError>| {
        println!("{what}: {r:?}");
        assert!(matches!(r, Some(BackendError::Lost(_))), "{what}: {r:?}");
    };
    lost("backward", gpu.backward(0, &planes).err());
    lost("forward", gpu.forward(0, &shot).err());
    lost("forward", gpu.forward(1, &Shot { normals: false, ..shot }).err());
    let rates = super::super::super::TrainOptions::for_scene(1, 1).rates;
    lost("update", gpu.update(&Update { position: 1e-3, rates, flat: 0.0, degree: 1 }).err());
    lost("read", gpu.read().err());
    lost("gaussians", gpu.gaussians().err());
    lost("gradients", gpu.gradients().err());
    lost("load", gpu.load(Parameters::new(g)).err());
}

#[test]
fn too_much_is_refused_and_the_rest_goes_on() {
    let Some(mut gpu) = own_gpu() else { return };
    let refused = gpu.device.storage("the whole world", usize::MAX / 64).unwrap_err();
    assert!(matches!(&refused, BackendError::Memory(m) if m.contains("the whole world")), "{refused}");
    load(&mut gpu, &random_gaussians(5, 0, 1.0, 0.3, &mut fastrand::Rng::with_seed(14)));
    assert!(gpu.forward(0, &all(front(intrinsics(40, 30)))).unwrap().alpha.iter().any(|a| *a > 0.1));
}

#[test]
fn an_emulated_gpu_is_taken_only_where_that_is_allowed() {
    if let Ok(gpu) = Gpu::new() {
        assert!(!gpu.is_software(), "{}", gpu.name());
    }
    if let Some(gpu) = shared_gpu().as_ref() {
        println!("{}", gpu.name());
        assert!(gpu.name().contains('('));
    }
}
