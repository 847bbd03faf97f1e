//! Rendered planes with known depth.
use super::{DenseDepth, View, dense_depth};
use crate::scene::{Camera, Cancelled, Intrinsics, Job, Quiet, SparsePoint};
use image::{Rgb, RgbImage};
use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};

/// Smooth random texture: value noise of three octaves over a plane.
fn texture(x: f64, y: f64) -> f64 {
    let lattice = |i: i64, j: i64| {
        let h = (i.wrapping_mul(73_856_093) ^ j.wrapping_mul(19_349_663)).wrapping_mul(0x9e37_79b9) as u64;
        ((h ^ (h >> 15)).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f64 / f64::from(1 << 24)
    };
    let octave = |x: f64, y: f64| {
        let (i, j) = (x.floor(), y.floor());
        let s = |t: f64| t * t * (3.0 - 2.0 * t);
        let (a, b) = (s(x - i), s(y - j));
        let (i, j) = (i as i64, j as i64);
        (lattice(i, j) * (1.0 - a) + lattice(i + 1, j) * a) * (1.0 - b)
            + (lattice(i, j + 1) * (1.0 - a) + lattice(i + 1, j + 1) * a) * b
    };
    0.5 * octave(4.0 * x, 4.0 * y) + 0.3 * octave(9.0 * x, 9.0 * y) + 0.2 * octave(21.0 * x, 21.0 * y)
}

/// Slanted plane `z = 3 + 0.4 x` (world axes are those of the first camera, nearly), seen by five cameras.
const SLOPE: f64 = 0.4;

fn camera(i: usize) -> Camera {
    let intrinsics = Intrinsics { width: 160, height: 120, fx: 140.0, fy: 142.0, cx: 80.5, cy: 59.0 };
    let at = Translation3::new(0.15 * (i as f64 - 2.0), 0.08 * ((i * 2 % 5) as f64 - 2.0), 0.03 * i as f64);
    let turn = UnitQuaternion::from_euler_angles(0.01 * i as f64, -0.04 * (i as f64 - 2.0), 0.01);
    Camera { intrinsics, c2w: Isometry3::from_parts(at, turn) }
}

/// Depth along the axis of a surface at a pixel.
type Surface = fn(&Camera, f64, f64) -> f64;

/// That of the plane.
fn truth(camera: &Camera, u: f64, v: f64) -> f64 {
    let (ray, o) = (camera.c2w.rotation * camera.intrinsics.ray(u, v), camera.center());
    (3.0 + SLOPE * o.x - o.z) / (ray.z - SLOPE * ray.x)
}

/// Image of the surface whose depth at a pixel is `truth`, by the brightness of its points, 0..1.
fn image_of(camera: &Camera, truth: Surface, brightness: impl Fn(Point3<f64>) -> f64) -> RgbImage {
    RgbImage::from_fn(160, 120, |x, y| {
        let mut sum = 0.0;
        for k in 0..4 {
            let (u, v) = (f64::from(x) + 0.25 + 0.5 * f64::from(k % 2), f64::from(y) + 0.25 + 0.5 * f64::from(k / 2));
            sum += brightness(camera.unproject(u, v, truth(camera, u, v)));
        }
        Rgb([(sum * 0.25 * 230.0) as u8; 3])
    })
}

/// Image of the plane; a blank square of side 0.5 in its middle where `blank`.
fn render(camera: &Camera, blank: bool) -> RgbImage {
    image_of(camera, truth, |p| {
        let inside = blank && p.x.abs() < 0.3 && p.y.abs() < 0.3;
        if inside { 0.45 } else { texture(p.x + 20.0, p.y + 20.0) }
    })
}

/// Points on the plane, seen by all cameras whose image holds them; none inside the blank square.
fn points(cameras: &[Camera]) -> Vec<SparsePoint> {
    points_on(cameras, truth)
}

/// As [`points`], on another surface.
fn points_on(cameras: &[Camera], truth: Surface) -> Vec<SparsePoint> {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut out = Vec::new();
    while out.len() < 60 {
        let (u, v) = (rng.f64() * 160.0, rng.f64() * 120.0);
        let position = cameras[2].unproject(u, v, truth(&cameras[2], u, v));
        let track: Vec<_> = (0..cameras.len())
            .filter_map(|i| {
                let (u, v, _) = cameras[i].project(&position)?;
                ((0.0..160.0).contains(&u) && (0.0..120.0).contains(&v)).then_some((i, [u as f32, v as f32]))
            })
            .collect();
        if track.len() >= 2 && (position.x.abs() > 0.3 || position.y.abs() > 0.3) {
            out.push(SparsePoint { position, color: [128; 3], track, error: 0.2 });
        }
    }
    out
}

fn run(blank: bool, count: usize) -> (Vec<Camera>, Vec<DenseDepth>) {
    let cameras: Vec<Camera> = (0..count).map(camera).collect();
    let images: Vec<RgbImage> = cameras.iter().map(|c| render(c, blank)).collect();
    let views: Vec<View> = images.iter().zip(&cameras).map(|(image, c)| View { image, camera: *c }).collect();
    let out = dense_depth(&views, &points(&(0..5).map(camera).collect::<Vec<_>>()), 5, &Quiet).unwrap();
    (cameras, out)
}

/// Relative errors of the pixels whose confidence passes, sorted, and their share of the image.
fn errors(camera: &Camera, d: &DenseDepth, keep: impl Fn(f32) -> bool) -> (Vec<f64>, f64) {
    let mut out = Vec::new();
    for (i, (depth, confidence)) in d.depth.data.iter().zip(&d.confidence).enumerate() {
        assert!(depth.is_finite() && (0.0..=1.0).contains(confidence) && (*depth > 0.0) == (*confidence > 0.0));
        if *depth > 0.0 && keep(*confidence) {
            let z = truth(camera, (i % 160) as f64 + 0.5, (i / 160) as f64 + 0.5);
            out.push((f64::from(*depth) / z - 1.0).abs());
        }
    }
    out.sort_by(f64::total_cmp);
    let share = out.len() as f64 / d.depth.data.len() as f64;
    (out, share)
}

#[test]
fn a_slanted_plane_is_measured_to_a_fraction_of_a_pixel() {
    let (cameras, out) = run(false, 5);
    let (errors, share) = errors(&cameras[2], &out[2], |c| c > 0.5);
    assert!(share > 0.85, "measured {share}");
    // Baseline 0.3, depth 3, focal 140: a pixel of disparity is 7 % of depth.
    let (median, most) = (errors[errors.len() / 2], errors[errors.len() * 95 / 100]);
    assert!(median < 0.003 && most < 0.012, "median {median}, 95 % {most}");
}

#[test]
fn two_photos_are_enough_for_depth_but_not_to_call_it_measured() {
    let (cameras, out) = run(false, 2);
    let (errors, share) = errors(&cameras[0], &out[0], |c| c <= 0.5);
    assert!(share > 0.6, "known {share}");
    assert!(errors[errors.len() / 2] < 0.01, "median {}", errors[errors.len() / 2]);
    assert!(out[0].confidence.iter().all(|c| *c <= 0.5));
}

#[test]
fn a_blank_patch_of_the_plane_is_filled_and_says_so() {
    let (cameras, out) = run(true, 5);
    let (all, share) = errors(&cameras[2], &out[2], |_| true);
    assert!(share > 0.93, "known {share}");
    assert!(all[all.len() * 95 / 100] < 0.02, "95 % {}", all[all.len() * 95 / 100]);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(run(true, 3).1, run(true, 3).1);
}

#[test]
fn input_without_overlap_or_points_gives_empty_maps() {
    let empty = |maps: &[DenseDepth]| maps.iter().all(|m| m.depth.coverage() == 0.0);
    assert!(empty(&run(false, 1).1));
    let (cameras, image) = ([camera(0), camera(1)], render(&camera(0), false));
    let views: Vec<View> = cameras.iter().map(|c| View { image: &image, camera: *c }).collect();
    assert!(empty(&dense_depth(&views, &[], 1, &Quiet).unwrap()));
    assert!(dense_depth(&[], &[], 1, &Quiet).unwrap().is_empty());
    // Back to back: no view sees what the other sees.
    let mut away = camera(1);
    away.c2w.rotation *= UnitQuaternion::from_axis_angle(&Vector3::y_axis(), std::f64::consts::PI);
    let views = [View { image: &image, camera: cameras[0] }, View { image: &image, camera: away }];
    let mut lone = points(&[camera(0), camera(1), camera(2)]);
    lone.iter_mut().for_each(|p| p.track.truncate(1));
    assert!(empty(&dense_depth(&views, &lone, 1, &Quiet).unwrap()));
    let tiny = RgbImage::new(3, 2);
    let nowhere = SparsePoint { position: Point3::origin(), color: [0; 3], track: vec![(9, [0.0; 2])], error: 0.0 };
    assert!(empty(&dense_depth(&[View { image: &tiny, camera: camera(0) }], &[nowhere], 1, &Quiet).unwrap()));
}

#[test]
fn cancelling_stops_the_work() {
    struct Impatient;
    impl Job for Impatient {
        fn tick(&self, done: usize, _: usize) -> Result<(), Cancelled> {
            if done > 2 { Err(Cancelled) } else { Ok(()) }
        }
        fn warn(&self, _: String) {}
    }
    let cameras: Vec<Camera> = (0..3).map(camera).collect();
    let images: Vec<RgbImage> = cameras.iter().map(|c| render(c, false)).collect();
    let views: Vec<View> = images.iter().zip(&cameras).map(|(image, c)| View { image, camera: *c }).collect();
    assert_eq!(dense_depth(&views, &points(&cameras), 5, &Impatient).unwrap_err(), Cancelled);
}

/// A square of side 1 at z = 2.5 before a wall at z = 4.
fn square_before_wall(camera: &Camera, u: f64, v: f64) -> f64 {
    let (ray, o) = (camera.c2w.rotation * camera.intrinsics.ray(u, v), camera.center());
    let near = (2.5 - o.z) / ray.z;
    let p = o + ray * near;
    if p.x.abs() < 0.5 && p.y.abs() < 0.5 { near } else { (4.0 - o.z) / ray.z }
}

#[test]
fn a_surface_before_another_keeps_its_outline() {
    let cameras: Vec<Camera> = (0..5).map(camera).collect();
    let look = |p: Point3<f64>| {
        if p.z < 3.0 { 0.5 + 0.5 * texture(p.x + 7.0, p.y + 9.0) } else { 0.6 * texture(p.x + 20.0, p.y + 20.0) }
    };
    let images: Vec<RgbImage> = cameras.iter().map(|c| image_of(c, square_before_wall, look)).collect();
    let views: Vec<View> = images.iter().zip(&cameras).map(|(image, c)| View { image, camera: *c }).collect();
    let out = dense_depth(&views, &points_on(&cameras, square_before_wall), 5, &Quiet).unwrap();
    let at = |x: i32, y: i32| square_before_wall(&cameras[2], f64::from(x) + 0.5, f64::from(y) + 0.5);
    // Pixels 2 to 5 pixels from the outline, on either side of it; a window of 7 reaches across.
    let (mut known, mut right) = (0, 0);
    for (x, y) in (5..115).flat_map(|y| (5..155).map(move |x| (x, y))) {
        let differs = |r: i32| {
            [(-r, 0), (r, 0), (0, -r), (0, r)].iter().any(|(dx, dy)| (at(x + dx, y + dy) - at(x, y)).abs() > 0.5)
        };
        let depth = f64::from(out[2].depth.at(i64::from(x), i64::from(y)));
        if !differs(1) && differs(4) && depth > 0.0 {
            known += 1;
            right += usize::from((depth / at(x, y) - 1.0).abs() < 0.02);
        }
    }
    assert!(known > 600 && right as f64 > 0.97 * known as f64, "{right} of {known}");
}
