//! Photos that no scene can be made of: structure from motion says why in a sentence instead of making one up.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use holoscope::geometry::sfm::{SfmInput, SfmOptions, reconstruct};
use holoscope::scene::{Cancelled, Intrinsics, Job, Sparse};
use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};
use nalgebra::{Rotation3, Vector3};
use std::path::Path;
use std::sync::Mutex;

const SIZE: (u32, u32) = (320, 240);
/// Focal length of the bundled photos at 640 pixels of width.
const FOCAL: f64 = 525.0;

#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl Job for Listener {
    fn tick(&self, _: usize, _: usize) -> Result<(), Cancelled> {
        Ok(())
    }
    fn warn(&self, message: String) {
        self.0.lock().unwrap().push(message);
    }
}

/// The bundled photos, 640 x 480.
fn bundled(n: usize) -> Vec<RgbImage> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "jpg"));
    paths.sort();
    paths.iter().take(n).map(|p| image::open(p).unwrap().into_rgb8()).collect()
}

fn small(image: &RgbImage) -> RgbImage {
    resize(image, SIZE.0, SIZE.1, FilterType::Triangle)
}

fn noisy(image: &RgbImage, seed: u64) -> RgbImage {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut out = image.clone();
    out.iter_mut().for_each(|v| *v = (i32::from(*v) + rng.i32(-4..=4)).clamp(0, 255) as u8);
    out
}

/// What the camera of `photo` sees after it turned about its centre: the homography K R K^-1.
fn turned(photo: &RgbImage, yaw: f64, pitch: f64) -> RgbImage {
    let k = camera();
    let turn = Rotation3::from_euler_angles(pitch.to_radians(), yaw.to_radians(), 0.0);
    let (w, h) = (f64::from(photo.width()), f64::from(photo.height()));
    RgbImage::from_fn(SIZE.0, SIZE.1, |u, v| {
        let ray = turn * Vector3::new((f64::from(u) + 0.5 - k.cx) / k.fx, (f64::from(v) + 0.5 - k.cy) / k.fy, 1.0);
        let (x, y) = (FOCAL * ray.x / ray.z + w / 2.0 - 0.5, FOCAL * ray.y / ray.z + h / 2.0 - 0.5);
        image::imageops::interpolate_bilinear(photo, x as f32, y as f32).unwrap_or(Rgb([0; 3]))
    })
}

/// Of the turning camera: 44 degrees wide.
fn camera() -> Intrinsics {
    Intrinsics { width: SIZE.0, height: SIZE.1, fx: 400.0, fy: 400.0, cx: 160.0, cy: 120.0 }
}

/// What comes of photos with one camera, and the warnings.
fn outcome(photos: &[RgbImage], k: Intrinsics, known: bool) -> (Result<Sparse, String>, Vec<String>) {
    let images: Vec<&RgbImage> = photos.iter().collect();
    let input = SfmInput { images: &images, intrinsics: &vec![k; photos.len()], masks: &[], intrinsics_known: known };
    let listener = Listener::default();
    let result = reconstruct(&input, &SfmOptions { seed: 1, ..SfmOptions::default() }, &listener)
        .map(|r| r.sparse)
        .map_err(|e| e.to_string());
    (result, listener.0.into_inner().unwrap())
}

fn told(result: &(Result<Sparse, String>, Vec<String>)) -> String {
    match &result.0 {
        Ok(s) => {
            let c: Vec<_> = s.cameras.iter().flatten().map(|c| c.center()).collect();
            let spread = c.iter().flat_map(|a| c.iter().map(move |b| (a - b).norm())).fold(0.0, f64::max);
            format!(
                "{} of {} registered, {} points, {:.2} px, cameras {spread:.3} apart; warned {:?}",
                c.len(),
                s.cameras.len(),
                s.points.len(),
                s.mean_reprojection_error(),
                result.1
            )
        }
        Err(e) => format!("error: {e}"),
    }
}

/// A camera that turns on the spot sees no depth.
#[test]
fn pure_rotation_is_said_to_have_no_parallax() {
    let photo = &bundled(1)[0];
    let turns: Vec<RgbImage> = (0..8)
        .map(|k| noisy(&turned(photo, -8.0 + 2.2 * f64::from(k), f64::from(k % 3) * 2.0 - 2.0), k as u64))
        .collect();
    for known in [true, false] {
        let k = if known { camera() } else { Intrinsics::guess(SIZE.0, SIZE.1) };
        let result = outcome(&turns, k, known);
        println!("pure rotation, intrinsics known {known}: {}", told(&result));
        assert!(result.0.as_ref().is_err_and(|e| e.contains("parallax")), "{}", told(&result));
    }
}

/// So does one that stands still.
#[test]
fn a_static_camera_is_said_to_have_no_parallax() {
    let photo = small(&bundled(1)[0]);
    let same: Vec<RgbImage> = (0..8).map(|k| noisy(&photo, k)).collect();
    let result = outcome(&same, Intrinsics::guess(SIZE.0, SIZE.1), false);
    println!("static camera: {}", told(&result));
    assert!(result.0.as_ref().is_err_and(|e| e.contains("parallax")), "{}", told(&result));
}

#[test]
fn a_white_wall_is_said_to_show_too_little() {
    let wall = RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([236, 234, 230]));
    let walls: Vec<RgbImage> = (0..6).map(|k| noisy(&wall, k)).collect();
    let result = outcome(&walls, Intrinsics::guess(SIZE.0, SIZE.1), false);
    println!("white wall: {}", told(&result));
    assert!(result.0.as_ref().is_err_and(|e| e.contains("no two photos overlap")), "{}", told(&result));
}

/// Of two places that share nothing the larger one is kept, and the user is told. The second place is a textured ball of
/// noise that the camera turns in: its photos match each other and nothing else.
#[test]
fn of_two_unrelated_places_the_larger_is_kept_with_a_warning() {
    let photos: Vec<RgbImage> = bundled(8).iter().map(small).collect();
    let mut rng = fastrand::Rng::with_seed(3);
    let coarse = RgbImage::from_fn(80, 60, |_, _| Rgb([rng.u8(..), rng.u8(..), rng.u8(..)]));
    let noise = resize(&coarse, 640, 480, FilterType::CatmullRom);
    let other = (0..6).map(|k| noisy(&turned(&noise, -4.0 + 1.6 * f64::from(k), 0.0), k as u64));
    let both: Vec<RgbImage> = photos.into_iter().chain(other).collect();
    let k = Intrinsics { width: SIZE.0, height: SIZE.1, fx: FOCAL / 2.0, fy: FOCAL / 2.0, cx: 160.0, cy: 120.0 };
    let result = outcome(&both, k, true);
    println!("two places: {}", told(&result));
    let sparse = result.0.as_ref().unwrap();
    let registered = sparse.registered();
    assert!(registered.len() >= 6 && registered.iter().all(|i| *i < 8), "{registered:?}: {}", told(&result));
    assert!(result.1.iter().any(|w| w.contains("parts")), "{}", told(&result));
}

/// Two real places, half and half.
#[test]
fn of_a_room_and_an_office_one_is_kept_with_a_warning() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let photos = |place: &str, n: usize| -> Vec<RgbImage> {
        let Ok(folder) = std::fs::read_dir(data.join(place).join("rgb")) else { return Vec::new() };
        let mut paths: Vec<_> = folder.map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths.iter().take(n).map(|p| small(&image::open(p).unwrap().into_rgb8())).collect()
    };
    let (room, office) = (photos("room_a", 9), photos("tum_office", 9));
    if room.is_empty() || office.is_empty() {
        println!("skipped: {} is not there", data.display());
        return;
    }
    let split = room.len();
    let both: Vec<RgbImage> = room.into_iter().chain(office).collect();
    let k = Intrinsics { width: SIZE.0, height: SIZE.1, fx: 265.0, fy: 265.0, cx: 160.0, cy: 120.0 };
    let result = outcome(&both, k, false);
    println!("room and office: {}", told(&result));
    let registered = result.0.as_ref().unwrap().registered();
    let in_room = registered.iter().filter(|i| **i < split).count();
    assert!(in_room == 0 || in_room == registered.len(), "{registered:?}");
    assert!(registered.len() >= 5 && result.1.iter().any(|w| w.contains("parts")), "{registered:?} {}", told(&result));
}
