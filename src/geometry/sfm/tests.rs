//! Structure from motion as a whole, on photos of a textured scene made here.

use super::*;
use crate::scene::{Camera, Quiet};
use image::Rgb;
use nalgebra::{Point3, Vector3};
use std::sync::Mutex;

/// Remembers what it was warned of.
#[derive(Default)]
struct Listening(Mutex<Vec<String>>);

impl Job for Listening {
    fn tick(&self, done: usize, total: usize) -> Result<(), Cancelled> {
        assert!(done <= total);
        Ok(())
    }

    fn warn(&self, message: String) {
        self.0.lock().unwrap().push(message);
    }
}

/// Cancels at once.
struct Impatient;

impl Job for Impatient {
    fn tick(&self, _: usize, _: usize) -> Result<(), Cancelled> {
        Err(Cancelled)
    }

    fn warn(&self, _: String) {}
}

fn hash(x: i64, y: i64, salt: u64) -> f64 {
    (graph::mix(salt, x as usize, y as usize) >> 40) as f64 / f64::from(1u32 << 24)
}

/// Smooth noise of two sizes in 0..1.
fn texture(x: f64, y: f64, salt: u64) -> f64 {
    let layer = |scale: f64, salt: u64| {
        let (u, v) = (x * scale, y * scale);
        let (i, j) = (u.floor(), v.floor());
        let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
        let (a, b) = (smooth(u - i), smooth(v - j));
        let at = |di: i64, dj: i64| hash(i as i64 + di, j as i64 + dj, salt);
        (at(0, 0) * (1.0 - a) + at(1, 0) * a) * (1.0 - b) + (at(0, 1) * (1.0 - a) + at(1, 1) * a) * b
    };
    0.5 * layer(14.0, salt) + 0.5 * layer(5.0, salt ^ 77)
}

/// A photo of a corner: a back wall z = 4, a floor y = 1 and a side wall x = -1.6, all textured.
fn photo(camera: &Camera) -> RgbImage {
    let k = camera.intrinsics;
    RgbImage::from_fn(k.width, k.height, |px, py| {
        let ray = camera.c2w.rotation * k.ray(f64::from(px) + 0.5, f64::from(py) + 0.5);
        let o = camera.center();
        let planes = [(Vector3::z(), 4.0, 1), (Vector3::y(), 1.0, 2), (-Vector3::x(), 1.6, 3)];
        let hit = planes
            .iter()
            .filter_map(|(n, d, salt)| {
                let t = (d - n.dot(&o.coords)) / n.dot(&ray);
                (t > 0.0).then_some((t, *salt))
            })
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let shade = hit.map_or(0.0, |(t, salt)| {
            let p: Point3<f64> = o + ray * t;
            match salt {
                1 => texture(p.x, p.y, 1),
                2 => texture(p.x, p.z, 2),
                _ => texture(p.z, p.y, 3),
            }
        });
        Rgb([(40.0 + 200.0 * shade) as u8; 3])
    })
}

fn cameras(n: usize) -> Vec<Camera> {
    let intrinsics = Intrinsics { width: 240, height: 180, fx: 210.0, fy: 210.0, cx: 120.0, cy: 90.0 };
    (0..n)
        .map(|i| {
            let s = i as f64 / (n - 1) as f64 - 0.5;
            let at = Vector3::new(1.6 * s, -0.2 * s, 0.5 * s * s);
            Camera { intrinsics, c2w: nalgebra::Isometry3::new(at, Vector3::new(-0.1, -0.35 * s, 0.0)) }
        })
        .collect()
}

fn gather(images: &[RgbImage]) -> Vec<&RgbImage> {
    images.iter().collect()
}

/// Largest distance of camera centres after the similarity that aligns the first two cameras' poses, in baselines.
fn worst_centre(found: &[Option<Camera>], truth: &[Camera]) -> f64 {
    let (a, b) = (found[0].unwrap(), found[found.len() - 1].unwrap());
    let (p, q) = (truth[0], truth[truth.len() - 1]);
    let scale = (q.center() - p.center()).norm() / (b.center() - a.center()).norm();
    let turn = p.c2w.rotation * a.c2w.rotation.inverse();
    let moved = |c: &Camera| p.center() + turn * (c.center() - a.center()) * scale;
    let base = (q.center() - p.center()).norm();
    found.iter().zip(truth).map(|(f, t)| (moved(&f.unwrap()) - t.center()).norm() / base).fold(0.0, f64::max)
}

#[test]
fn a_textured_corner_is_reconstructed_and_repeats_bit_for_bit() {
    let truth = cameras(6);
    let images: Vec<RgbImage> = truth.iter().map(photo).collect();
    let intrinsics: Vec<Intrinsics> = truth.iter().map(|c| c.intrinsics).collect();
    let input = SfmInput { images: &gather(&images), intrinsics: &intrinsics, masks: &[], intrinsics_known: true };
    let sparse = reconstruct(&input, &SfmOptions { seed: 3, ..SfmOptions::default() }, &Quiet).unwrap().sparse;
    assert_eq!(sparse.registered().len(), 6);
    assert!(sparse.mean_reprojection_error() < 0.5, "{}", sparse.mean_reprojection_error());
    let worst = worst_centre(&sparse.cameras, &truth);
    assert!(worst < 0.01, "{worst}");
    assert!(sparse.cameras.iter().all(|c| c.unwrap().intrinsics == intrinsics[0]));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let again =
        pool.install(|| reconstruct(&input, &SfmOptions { seed: 3, ..SfmOptions::default() }, &Quiet).unwrap().sparse);
    assert_eq!(again.cameras, sparse.cameras);
    assert!(again.points.iter().zip(&sparse.points).all(|(a, b)| a.position == b.position && a.track == b.track));
}

#[test]
fn a_guessed_focal_length_is_refined() {
    let truth = cameras(6);
    let images: Vec<RgbImage> = truth.iter().map(photo).collect();
    let guess = vec![Intrinsics { fx: 240.0, fy: 240.0, ..truth[0].intrinsics }; 6];
    let input = SfmInput { images: &gather(&images), intrinsics: &guess, masks: &[], intrinsics_known: false };
    let sparse = reconstruct(&input, &SfmOptions::default(), &Quiet).unwrap().sparse;
    assert_eq!(sparse.registered().len(), 6);
    let found = sparse.cameras[0].unwrap().intrinsics;
    assert!((found.fx - 210.0).abs() < 6.0 && (found.fy - 210.0).abs() < 6.0, "{found:?}");
}

#[test]
fn given_cameras_come_back_as_given_with_points_on_the_walls() {
    let truth = cameras(5);
    let images: Vec<RgbImage> = truth.iter().map(photo).collect();
    let intrinsics: Vec<Intrinsics> = truth.iter().map(|c| c.intrinsics).collect();
    let input = SfmInput { images: &gather(&images), intrinsics: &intrinsics, masks: &[], intrinsics_known: true };
    let sparse = triangulate(&input, &truth, &SfmOptions::default(), &Quiet).unwrap();
    assert_eq!(sparse.cameras, truth.iter().copied().map(Some).collect::<Vec<_>>());
    assert!(sparse.points.len() > 100, "{}", sparse.points.len());
    let off = |p: &Point3<f64>| (p.z - 4.0).abs().min((p.y - 1.0).abs()).min((p.x + 1.6).abs());
    let mut distances: Vec<f64> = sparse.points.iter().map(|p| off(&p.position)).collect();
    distances.sort_by(f64::total_cmp);
    assert!(distances[distances.len() / 2] < 0.01, "{}", distances[distances.len() / 2]);
}

#[test]
fn a_wrong_given_focal_length_is_found_out_and_the_poses_stay() {
    let truth = cameras(6);
    let images: Vec<RgbImage> = truth.iter().map(photo).collect();
    // Given as 3 % too long; the photos were taken with 210 px.
    let wrong = Intrinsics { fx: 216.3, fy: 216.3, ..truth[0].intrinsics };
    let given: Vec<Camera> = truth.iter().map(|c| Camera { intrinsics: wrong, ..*c }).collect();
    let input = SfmInput { images: &gather(&images), intrinsics: &[wrong; 6], masks: &[], intrinsics_known: true };
    let sparse = triangulate(&input, &given, &SfmOptions::default(), &Quiet).unwrap();
    for (found, truth) in sparse.cameras.iter().flatten().zip(&truth) {
        assert_eq!(found.c2w, truth.c2w);
        assert!((found.intrinsics.fx - 210.0).abs() < 1.0, "{:?}", found.intrinsics);
    }
}

#[test]
fn what_cannot_work_says_why() {
    let white = RgbImage::from_pixel(200, 150, Rgb([255; 3]));
    let k = Intrinsics::guess(200, 150);
    let options = SfmOptions::default();
    let run = |images: &[&RgbImage], k: &[Intrinsics]| {
        reconstruct(&SfmInput { images, intrinsics: k, masks: &[], intrinsics_known: false }, &options, &Quiet)
            .unwrap_err()
    };
    assert!(matches!(run(&[&white], &[k]), SfmError::TooFewPhotos(1)));
    assert!(matches!(run(&[], &[]), SfmError::TooFewPhotos(0)));
    assert!(matches!(run(&[&white, &white, &white], &[k; 3]), SfmError::NoOverlap { best: 0, .. }));
    assert!(matches!(run(&[&white, &white], &[k]), SfmError::Mismatch { .. }));
    assert!(matches!(run(&[&white, &white], &[k, Intrinsics { fx: f64::NAN, ..k }]), SfmError::BadIntrinsics(1)));
    let input = SfmInput { images: &[&white, &white], intrinsics: &[k; 2], masks: &[], intrinsics_known: false };
    assert!(matches!(reconstruct(&input, &options, &Impatient), Err(SfmError::Cancelled(_))));
    let listening = Listening::default();
    let camera = Camera { intrinsics: k, c2w: nalgebra::Isometry3::identity() };
    assert!(triangulate(&input, &[camera; 2], &options, &listening).unwrap().points.is_empty());
    assert_eq!(listening.0.lock().unwrap().len(), 1);
}

#[test]
fn a_photo_of_something_else_is_left_out_with_a_warning() {
    let truth = cameras(4);
    let mut images: Vec<RgbImage> = truth.iter().map(photo).collect();
    images.push(RgbImage::from_fn(240, 180, |x, y| {
        Rgb([(255.0 * texture(f64::from(x) / 60.0, f64::from(y) / 60.0, 99)) as u8; 3])
    }));
    let intrinsics = vec![truth[0].intrinsics; 5];
    let listening = Listening::default();
    let input = SfmInput { images: &gather(&images), intrinsics: &intrinsics, masks: &[], intrinsics_known: true };
    let sparse = reconstruct(&input, &SfmOptions::default(), &listening).unwrap().sparse;
    assert_eq!(sparse.registered(), [0, 1, 2, 3]);
    assert!(listening.0.lock().unwrap().iter().any(|w| w.contains("1 of 5 photos")));
}

#[test]
fn masked_pixels_give_no_points() {
    let truth = cameras(6);
    let images: Vec<RgbImage> = truth.iter().map(photo).collect();
    let intrinsics: Vec<Intrinsics> = truth.iter().map(|c| c.intrinsics).collect();
    let right_half = image::GrayImage::from_fn(240, 180, |x, _| image::Luma([if x < 120 { 0 } else { 255 }]));
    let masks = [Some(&right_half), None, Some(&right_half), None, Some(&right_half), None];
    let input = SfmInput { images: &gather(&images), intrinsics: &intrinsics, masks: &masks, intrinsics_known: true };
    let sparse = triangulate(&input, &truth, &SfmOptions::default(), &Quiet).unwrap();
    let seen = |odd: usize| {
        let of = move |(frame, at): &&(usize, [f32; 2])| frame % 2 == odd && at[0] < 119.0;
        sparse.points.iter().flat_map(|p| &p.track).filter(of).count()
    };
    assert!(seen(0) == 0 && seen(1) > 20, "{} {}", seen(0), seen(1));
    let short = SfmInput { masks: &masks[..2], ..input };
    assert!(triangulate(&short, &truth, &SfmOptions::default(), &Quiet).is_err());
}
