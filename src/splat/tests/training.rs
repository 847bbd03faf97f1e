//! Training end to end on a tiny scene.

use super::super::{Level, TrainOptions, TrainView, Trainer, psnr, render, seed, spacing_of};
use super::{looking, random_gaussians};
use crate::scene::{Camera, DepthMap, Gaussians, Intrinsics};
use image::RgbImage;

struct Scene {
    images: Vec<RgbImage>,
    cameras: Vec<Camera>,
    depths: Vec<DepthMap>,
    confidence: Vec<f32>,
    truth: Gaussians,
}

fn scene() -> Scene {
    let k = Intrinsics { width: 56, height: 40, fx: 50.0, fy: 50.0, cx: 28.0, cy: 20.0 };
    let truth = random_gaussians(40, 1, 1.0, 0.25, &mut fastrand::Rng::with_seed(6));
    let mut s = Scene { images: vec![], cameras: vec![], depths: vec![], confidence: vec![1.0; 56 * 40], truth };
    for i in 0..9 {
        let angle = f64::from(i) * 0.7;
        let camera = looking([4.0 * angle.cos(), 4.0 * angle.sin(), 0.8], [0.0; 3], k);
        let r = render(&s.truth, &camera);
        let bytes = r.rgb.iter().flatten().map(|v| (v * 255.0 + 0.5) as u8).collect();
        s.images.push(RgbImage::from_raw(56, 40, bytes).unwrap());
        s.depths.push(DepthMap { width: 56, height: 40, data: r.depth });
        s.cameras.push(camera);
    }
    s
}

impl Scene {
    fn views(&self) -> Vec<TrainView<'_>> {
        (0..self.images.len())
            .map(|i| TrainView {
                image: &self.images[i],
                camera: self.cameras[i],
                depth: Some((&self.depths[i], &self.confidence)),
                held_out: i % 8 == 4,
            })
            .collect()
    }

    fn init(&self) -> Gaussians {
        let mut rng = fastrand::Rng::with_seed(9);
        let points: Vec<[f32; 3]> = self
            .truth
            .means
            .iter()
            .flat_map(|m| [m.map(|v| v + 0.1 * (rng.f32() - 0.5)), m.map(|v| v + 0.05)])
            .collect();
        let n = points.len();
        seed(&points, &vec![[0.0, 0.6, 0.8]; n], &vec![[120, 130, 140]; n], &spacing_of(&points), 0)
    }
}

fn options(steps: usize) -> TrainOptions {
    let mut o = TrainOptions::for_scene(9, 56 * 40);
    o.steps = steps;
    o.max_gaussians = 200;
    o.densify_every = 20;
    o.sh_degree = 1;
    o.levels = vec![Level { until: 0.4, divide: 2 }, Level { until: 1.0, divide: 1 }];
    o
}

#[test]
fn raises_psnr_of_views_it_never_saw() {
    let s = scene();
    let mut trainer = Trainer::new(&s.views(), s.init(), options(200));
    let before = trainer.psnr_held_out().unwrap();
    let first = trainer.step();
    assert_eq!(first.step, 1);
    while !trainer.finished() {
        assert!(trainer.step().loss.is_finite());
    }
    let (after, train) = (trainer.psnr_held_out().unwrap(), trainer.psnr_train().unwrap());
    println!("held out {before} -> {after} dB, training views {train} dB, {} Gaussians", trainer.gaussians().len());
    assert!(after > before + 5.0 && train > 22.0, "{before} -> {after}, {train}");
    let g = trainer.gaussians();
    assert_eq!(g.sh_degree, 1);
    let own = psnr(&render(&g, &s.cameras[4]).rgb, &render(&s.truth, &s.cameras[4]).rgb);
    assert!((own - after).abs() < 1.0, "{own} {after}");
}

#[test]
fn same_bytes_on_any_number_of_threads() {
    let s = scene();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = Trainer::new(&s.views(), s.init(), options(50));
            let losses: Vec<f32> = std::iter::from_fn(|| (!trainer.finished()).then(|| trainer.step().loss)).collect();
            (losses, trainer.gaussians())
        })
    };
    let one = run(1);
    assert_eq!(one, run(1));
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
    assert!(one.1.len() != s.init().len(), "the run should also cover growth or pruning");
}

#[test]
fn nothing_to_train_on_is_finished_at_once() {
    let s = scene();
    let mut empty = Trainer::new(&s.views(), Gaussians::default(), options(10));
    assert!(empty.finished());
    empty.step();
    assert!(Trainer::new(&[], s.init(), options(10)).finished());
    assert_eq!(Trainer::new(&[], s.init(), options(10)).psnr_held_out(), None);
    // An empty photo, and a degree beyond the highest, are survived as well.
    let void = RgbImage::new(0, 0);
    let view = TrainView { image: &void, camera: s.cameras[0], depth: None, held_out: false };
    let mut trainer = Trainer::new(&[view], s.init(), TrainOptions { sh_degree: 7, ..options(10) });
    while !trainer.finished() {
        trainer.step();
    }
    assert_eq!(trainer.gaussians().sh_degree, 3);
    // Gaussians that no camera sees, and some that are broken, are simply left as they are or dropped.
    let mut odd = s.init();
    odd.means.iter_mut().for_each(|m| m[2] += 100.0);
    odd.means[0][0] = f32::NAN;
    odd.log_scales[1][0] = f32::INFINITY;
    let mut trainer = Trainer::new(&s.views(), odd, options(25));
    while !trainer.finished() {
        assert!(trainer.step().loss.is_finite());
    }
    assert!(trainer.gaussians().means.iter().flatten().all(|v| v.is_finite()));
}

#[test]
fn seeds_lie_flat_on_their_points() {
    let points = [[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.1, 0.1, 0.0], [f32::NAN, 0.0, 0.0]];
    assert!(spacing_of(&points).iter().all(|s| *s == 0.0));
    let spacing = spacing_of(&points[..4]);
    let expected = ((0.01 + 0.01 + 0.02) / 3f32).sqrt();
    assert!(spacing.iter().all(|s| (s - expected).abs() < 1e-4), "{spacing:?}");
    let normals = [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0; 3], [0.0, 0.0, 1.0]];
    let g = seed(&points, &normals, &[[255, 0, 128]; 5], &[0.1; 5], 2);
    assert_eq!((g.len(), g.sh.len()), (4, 36));
    for i in 0..3 {
        let [w, x, y, z] = g.quats[i];
        let q = nalgebra::UnitQuaternion::new_normalize(nalgebra::Quaternion::new(w, x, y, z));
        assert!((q * nalgebra::Vector3::z() - nalgebra::Vector3::from(normals[i])).norm() < 1e-5);
        assert!(g.log_scales[i][2] < g.log_scales[i][0] - 1.0);
    }
    assert_eq!(g.log_scales[3][0], g.log_scales[3][2]);
}
