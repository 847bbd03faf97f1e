//! Training end to end on a tiny scene.

use super::super::{
    Backend, BackendError, CameraGradient, Checkpoint, Cpu, Gradient, Level, Parameters, Planes, Shot, TrainOptions,
    TrainView, Trainer, Update, psnr, render, seed, spacing_of,
};
use super::{looking, random_gaussians};
use crate::scene::{Camera, DepthMap, Gaussians, Intrinsics};
use image::RgbImage;
use std::sync::Arc;

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
                mask: None,
                alpha: None,
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
    let mut trainer = Trainer::new(Box::new(Cpu::new()), &s.views(), s.init(), options(200));
    let before = trainer.psnr_held_out().unwrap();
    let first = trainer.step();
    assert_eq!(first.step, 1);
    while !trainer.finished() {
        assert!(trainer.step().loss.is_finite());
    }
    let (after, train) = (trainer.psnr_held_out().unwrap(), trainer.psnr_train().unwrap());
    assert!(trainer.scores().iter().all(Option::is_some) && trainer.loss() > 0.0);
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
            let mut trainer = Trainer::new(Box::new(Cpu::new()), &s.views(), s.init(), options(50));
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
fn the_most_gaussians_rises_from_the_seeds_to_all() {
    let o = TrainOptions { max_gaussians: 1600, seeds: 0.25, densify_until: 0.6, ..options(100) };
    // 400 to 1600 by the same factor: half way is twice the seeds.
    assert_eq!([0.0, 0.3, 0.599_999].map(|done| o.most_at(done)), [400, 800, 1600]);
    assert_eq!([0.6, 1.0].map(|done| o.most_at(done)), [0, 0]);
    // As many seeds as there may be never grow in number.
    assert_eq!(TrainOptions { seeds: 1.0, ..o }.most_at(0.2), 1600);
}

#[test]
fn nothing_to_train_on_is_finished_at_once() {
    let s = scene();
    let mut empty = Trainer::new(Box::new(Cpu::new()), &s.views(), Gaussians::default(), options(10));
    assert!(empty.finished());
    empty.step();
    assert!(Trainer::new(Box::new(Cpu::new()), &[], s.init(), options(10)).finished());
    assert_eq!(Trainer::new(Box::new(Cpu::new()), &[], s.init(), options(10)).psnr_held_out(), None);
    // An empty photo, and a degree beyond the highest, are survived as well.
    let void = RgbImage::new(0, 0);
    let view = TrainView { image: &void, camera: s.cameras[0], depth: None, mask: None, alpha: None, held_out: false };
    let mut trainer =
        Trainer::new(Box::new(Cpu::new()), &[view], s.init(), TrainOptions { sh_degree: 7, ..options(10) });
    while !trainer.finished() {
        trainer.step();
    }
    assert_eq!(trainer.gaussians().sh_degree, 3);
    // Gaussians that no camera sees, and some that are broken, are simply left as they are or dropped.
    let mut odd = s.init();
    odd.means.iter_mut().for_each(|m| m[2] += 100.0);
    odd.means[0][0] = f32::NAN;
    odd.log_scales[1][0] = f32::INFINITY;
    let mut trainer = Trainer::new(Box::new(Cpu::new()), &s.views(), odd, options(25));
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

/// A device that is lost at its `left`th drawing, and is the CPU until then.
struct Fragile {
    cpu: Cpu,
    left: usize,
}

impl Backend for Fragile {
    fn name(&self) -> String {
        "fragile".into()
    }
    fn load(&mut self, parameters: Parameters) -> Result<(), BackendError> {
        self.cpu.load(parameters)
    }
    fn read(&mut self) -> Result<Parameters, BackendError> {
        if self.left == 0 { Err(BackendError::Lost("unplugged".into())) } else { self.cpu.read() }
    }
    fn gaussians(&mut self) -> Result<Gaussians, BackendError> {
        self.read().map(|p| p.gaussians)
    }
    fn can_be_lost(&self) -> bool {
        true
    }
    fn forward(&mut self, slot: usize, shot: &Shot) -> Result<Arc<Planes>, BackendError> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 { Err(BackendError::Lost("unplugged".into())) } else { self.cpu.forward(slot, shot) }
    }
    fn backward(&mut self, slot: usize, by: &Planes) -> Result<CameraGradient, BackendError> {
        self.cpu.backward(slot, by)
    }
    fn gradients(&mut self) -> Result<Vec<(u32, Gradient)>, BackendError> {
        self.cpu.gradients()
    }
    fn update(&mut self, update: &Update) -> Result<(), BackendError> {
        self.cpu.update(update)
    }
}

/// Trains to the end; the Gaussians, and the warnings.
fn trained(mut trainer: Trainer) -> (Gaussians, Vec<String>) {
    while !trainer.finished() {
        trainer.step();
    }
    (trainer.gaussians(), trainer.take_warnings())
}

#[test]
fn a_lost_device_loses_no_step() {
    let s = scene();
    let whole = trained(Trainer::new(Box::new(Cpu::new()), &s.views(), s.init(), options(60)));
    assert!(whole.1.is_empty());
    for left in [1, 2, 30, 57, 75] {
        let fragile = Fragile { cpu: Cpu::new(), left };
        let (gaussians, warnings) = trained(Trainer::new(Box::new(fragile), &s.views(), s.init(), options(60)));
        assert_eq!(gaussians, whole.0, "lost at drawing {left}");
        assert!(
            warnings.len() == 1 && warnings[0].contains("unplugged") && warnings[0].contains("CPU"),
            "{warnings:?}"
        );
    }
}

#[test]
fn goes_on_from_a_checkpoint_to_the_same_bytes() {
    let s = scene();
    let mut o = options(60);
    o.exposure_from = 0.2;
    o.poses.refine = true;
    let whole = trained(Trainer::new(Box::new(Cpu::new()), &s.views(), s.init(), o.clone())).0;
    let mut first = Trainer::new(Box::new(Cpu::new()), &s.views(), s.init(), o);
    for _ in 0..37 {
        first.step();
    }
    let bytes = first.checkpoint().encode("scene");
    drop(first);
    let checkpoint = Checkpoint::decode(&bytes, "scene").unwrap();
    assert_eq!(checkpoint.step(), 37);
    let second = Trainer::resume(Box::new(Cpu::new()), &s.views(), checkpoint.clone()).unwrap();
    assert_eq!(trained(second).0, whole);
    assert!(Trainer::resume(Box::new(Cpu::new()), &s.views()[1..], checkpoint).is_none());
    assert!(Checkpoint::decode(&bytes, "another").is_none());
    for cut in [0, 3, 20, 200, bytes.len() - 1] {
        assert!(Checkpoint::decode(&bytes[..cut], "scene").is_none());
    }
    for at in [2, 10, 40, bytes.len() / 2, bytes.len() - 5] {
        let mut torn = bytes.clone();
        torn[at] ^= 4;
        assert!(Checkpoint::decode(&torn, "scene").is_none(), "{at}");
    }
}

#[test]
fn stops_when_held_out_psnr_no_longer_rises() {
    let s = scene();
    let mut o = options(400);
    // Nothing can get better where nothing moves.
    o = still(o);
    let mut trainer = Trainer::new(Box::new(Cpu::new()), &s.views(), s.init(), o.clone());
    while !trainer.finished() {
        trainer.step();
    }
    assert!(trainer.stopped_early());
    // Never before the last resolution has had its chance.
    assert!(trainer.done() >= 160 && trainer.done() <= 260, "{}", trainer.done());
    o.patience = 0;
    let mut trainer = Trainer::new(Box::new(Cpu::new()), &s.views(), s.init(), TrainOptions { steps: 100, ..o });
    while !trainer.finished() {
        trainer.step();
    }
    assert_eq!((trainer.done(), trainer.stopped_early()), (100, false));
}

#[test]
fn exposures_and_cameras_are_found() {
    let mut s = scene();
    let truth = s.cameras[3].center();
    // Two photos brighter than the others, one camera put down a little aside; the Gaussians are right and stay so.
    for i in [2, 6] {
        s.images[i].iter_mut().for_each(|v| *v = (f32::from(*v) * 1.25).min(255.0) as u8);
    }
    s.cameras[3].c2w *= nalgebra::Isometry3::translation(0.06, -0.03, 0.02);
    let mut o = still(options(300));
    o.max_gaussians = s.truth.len();
    let run = |o: TrainOptions| {
        let mut t = Trainer::new(Box::new(Cpu::new()), &s.views(), s.truth.clone(), o);
        while !t.finished() {
            t.step();
        }
        t.psnr_train();
        (t.scores().into_iter().map(Option::unwrap_or_default).collect::<Vec<f32>>(), t.cameras())
    };
    let (before, still) = run(o.clone());
    assert_eq!(still, s.cameras, "cameras move only where they are told to");
    (o.exposure_from, o.exposure_rate) = (0.0, 1e-2);
    o.poses = super::super::PoseOptions { refine: true, from: 0.0, translation: 2e-3, rotation: 5e-4 };
    let (after, moved) = run(o);
    for i in [2, 3, 6] {
        assert!(after[i] > before[i] + 5.0 && after[i] > 30.0, "photo {i}: {} -> {} dB", before[i], after[i]);
    }
    let off = |c: &Camera| (c.center() - truth).norm();
    let (before, after) = (off(&s.cameras[3]), off(&moved[3]));
    assert!(after < 0.4 * before, "camera 3 is off by {before} before, {after} after");
}

/// Options by which no Gaussian changes.
fn still(o: TrainOptions) -> TrainOptions {
    let rates = super::super::Rates {
        position: 0.0,
        position_end: 0.0,
        scale: 0.0,
        rotation: 0.0,
        opacity: 0.0,
        color: 0.0,
        color_rest: 0.0,
        end: 1.0,
    };
    TrainOptions { rates, densify_every: 0, ..o }
}

#[test]
fn masked_pixels_and_transparency() {
    let s = scene();
    // Rubbish in one corner of every photo is not learned where it is masked.
    let mut images = s.images.clone();
    let mut mask = image::GrayImage::from_pixel(56, 40, image::Luma([255]));
    for y in 0..16 {
        for x in 0..20 {
            images.iter_mut().for_each(|i| i.put_pixel(x, y, image::Rgb([255, 0, 255])));
            mask.put_pixel(x, y, image::Luma([0]));
        }
    }
    let run = |masked: bool| {
        let views: Vec<TrainView> =
            (0..9).map(|i| TrainView { image: &images[i], mask: masked.then_some(&mask), ..s.views()[i] }).collect();
        let g = trained(Trainer::new(Box::new(Cpu::new()), &views, s.init(), options(150))).0;
        psnr(&render(&g, &s.cameras[0]).rgb, &render(&s.truth, &s.cameras[0]).rgb)
    };
    let (with, without) = (run(true), run(false));
    assert!(with > without + 2.0, "{without} dB with rubbish, {with} dB masked");
    // What is transparent in the photos is empty in the splats.
    let empty = image::GrayImage::from_pixel(56, 40, image::Luma([0]));
    let views: Vec<TrainView> =
        (0..9).map(|i| TrainView { alpha: Some(&empty), depth: None, ..s.views()[i] }).collect();
    let o = TrainOptions { alpha_weight: 1.0, ..options(120) };
    let g = trained(Trainer::new(Box::new(Cpu::new()), &views, s.init(), o)).0;
    let left = if g.is_empty() { 0.0 } else { render(&g, &s.cameras[0]).alpha.iter().sum::<f32>() / (56.0 * 40.0) };
    assert!(left < 0.05, "{left}");
}
