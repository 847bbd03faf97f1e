use super::*;
use crate::input::{copy_images, load};
use crate::scene::folder::SceneFolder;
use crate::scene::{Cancelled, Quiet};
use ffmpeg_sidecar::paths::ffmpeg_path;
use image::{GrayImage, Rgb};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

const SIZE: (u32, u32) = (320, 240);

/// Whether ffmpeg is there; else the tests that need it say so and are skipped.
fn has_ffmpeg() -> bool {
    let there = Command::new(ffmpeg_path()).arg("-version").stdout(Stdio::null()).status().is_ok();
    if !there {
        println!("skipped: ffmpeg is not installed");
    }
    there
}

/// A wall of blots, seen through a window whose left edge is at `x`. A bar of the first frame's number in binary, black
/// and white, lies over its top.
fn frame(x: f64, number: usize) -> RgbImage {
    RgbImage::from_fn(SIZE.0, SIZE.1, |u, v| {
        if v < 24 {
            return Rgb([if (number >> (u * 8 / SIZE.0)) & 1 == 1 { 235 } else { 20 }; 3]);
        }
        let (a, b) = (f64::from(u) + x, f64::from(v));
        let wave = (a * 0.31).sin() * (b * 0.23 + a * 0.05).cos()
            + (a * 0.13 - b * 0.17).sin()
            + (a * 0.9).sin() * (b * 0.8).sin();
        let v = 128.0 + 35.0 * wave;
        Rgb([v as u8, (v * 0.9) as u8, 90])
    })
}

/// The number that [`frame`] wrote.
fn number(image: &RgbImage) -> usize {
    let (w, h) = image.dimensions();
    (0..8).filter(|k| image.get_pixel((2 * k + 1) * w / 16, h / 20).0[1] > 128).map(|k| 1 << k).sum()
}

/// Encodes frames, ten a second, with options of ffmpeg.
fn video(path: &Path, frames: &[RgbImage], options: &[&str]) {
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let mut child = Command::new(ffmpeg_path())
        .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-r", "10", "-i", "pipe:0"])
        .args(options)
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    frames.iter().for_each(|f| pipe.write_all(f).unwrap());
    drop(pipe);
    assert!(child.wait().unwrap().success(), "{options:?}");
}

fn walk(frames: usize, step: f64) -> Vec<RgbImage> {
    (0..frames).map(|t| frame(t as f64 * step, t)).collect()
}

fn stem_number(frame: &Frame) -> usize {
    frame.stem.strip_prefix("frame_").unwrap().parse().unwrap()
}

fn error(path: &Path) -> String {
    load(path, None, &Quiet).unwrap_err().to_string()
}

#[test]
fn chosen_frames_are_the_ones_decoded_whatever_the_container() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Stands for 40 frames, walks for 60, stands for 20; frames 60 to 63 are blurred.
    let mut frames: Vec<RgbImage> =
        (0..120usize).map(|t| frame(t.saturating_sub(40).min(60) as f64 * 8.0, t)).collect();
    (60..64).for_each(|t| {
        let mut blurred = image::imageops::fast_blur(&frames[t], 6.0);
        (0..24).for_each(|y| (0..SIZE.0).for_each(|x| blurred.put_pixel(x, y, *frames[t].get_pixel(x, y))));
        frames[t] = blurred;
    });
    let quality = ["-c:v", "mpeg4", "-q:v", "3", "-bf", "2"];
    let mut chosen = Vec::new();
    for name in ["a b.mp4", "-ü:%02d.mkv", "c.avi", "d.mov"] {
        let path = dir.path().join(name);
        video(&path, &frames, &quality);
        let capture = load(&path, None, &Quiet).unwrap();
        let numbers: Vec<usize> = capture.frames.iter().map(stem_number).collect();
        assert_eq!(numbers, capture.frames.iter().map(|f| number(&f.image)).collect::<Vec<_>>(), "{name}");
        assert!((45..=64).contains(&numbers.len()), "{name}: {numbers:?}");
        assert!(numbers.iter().filter(|n| (41..=99).contains(*n)).count() >= numbers.len() - 3, "{numbers:?}");
        assert!(!numbers.iter().any(|n| (60..64).contains(n)), "blurred: {numbers:?}");
        let said = format!(
            "video: {} of 120 frames are used; 4 blurred and {} too similar left out",
            numbers.len(),
            116 - numbers.len()
        );
        assert_eq!(capture.warnings, [said], "{name}");
        assert!(!capture.intrinsics_known && !capture.metric && capture.name == name);
        chosen.push(numbers);
    }
    let again = load(&dir.path().join("a b.mp4"), None, &Quiet).unwrap();
    let once_more = load(&dir.path().join("a b.mp4"), None, &Quiet).unwrap();
    assert!(again.frames.iter().zip(&once_more.frames).all(|(a, b)| a.stem == b.stem && a.image == b.image));
    let few = load(&dir.path().join("a b.mp4"), Some(7), &Quiet).unwrap();
    assert!((6..=7).contains(&few.frames.len()), "{}", few.frames.len());
    // What the scene folder gets is what is used.
    let scene = SceneFolder::create(&dir.path().join("scene")).unwrap();
    let names = copy_images(&few, &scene, &Quiet).unwrap();
    for (name, frame) in names.iter().zip(&few.frames) {
        assert_eq!(*name, format!("{}.jpg", frame.stem));
        let back = image::open(scene.image_path(name)).unwrap().into_rgb8();
        let off = back.iter().zip(frame.image.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
        assert!(back.dimensions() == frame.image.dimensions() && off < 3 * back.len() as u64, "{name}: {off}");
    }
}

#[test]
fn a_few_distinct_frames_are_all_used() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("walk.mp4");
    video(&path, &walk(60, 10.0), &["-c:v", "mpeg4", "-q:v", "2"]);
    let capture = load(&path, None, &Quiet).unwrap();
    assert!(capture.frames.len() >= 58, "{:?}", capture.warnings);
}

/// A video that says it lies on its side stands upright, sound and cover pictures are passed over, 10-bit pixels that are
/// not square are read, long ones are scaled.
#[test]
fn odd_videos() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (plain, turned, odd) =
        (dir.path().join("plain.mp4"), dir.path().join("turned.mov"), dir.path().join("odd.mkv"));
    let frames = walk(20, 10.0);
    video(&plain, &frames, &["-c:v", "mpeg4", "-q:v", "2"]);
    let ran = Command::new(ffmpeg_path())
        .args(["-v", "error", "-i"])
        .arg(&plain)
        .args(["-c", "copy", "-metadata:s:v", "rotate=90"])
        .arg(&turned)
        .status();
    assert!(ran.unwrap().success());
    let (a, b) = (load(&plain, None, &Quiet).unwrap(), load(&turned, None, &Quiet).unwrap());
    assert_eq!(b.frames[0].image.dimensions(), (SIZE.1, SIZE.0));
    // The grid of corners is another one, and so may be some of the frames that are chosen.
    assert!(a.frames.len().abs_diff(b.frames.len()) <= 2, "{:?} {:?}", a.warnings, b.warnings);
    let shared: Vec<(&Frame, &Frame)> =
        a.frames.iter().filter_map(|f| Some((f, b.frames.iter().find(|g| g.stem == f.stem)?))).collect();
    assert!(shared.len() + 3 >= a.frames.len());
    for (plain, turned) in shared {
        let off = |c: RgbImage| c.iter().zip(turned.image.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
        let upright =
            [image::imageops::rotate90(plain.image.as_ref()), image::imageops::rotate270(plain.image.as_ref())];
        let least = upright.into_iter().map(off).min().unwrap();
        assert!(least < 3 * plain.image.len() as u64, "{}: {least}", plain.stem);
    }

    let sound = "-f lavfi -i sine -shortest -map 1:a -map 0:v -c:a pcm_s16le";
    let pixels = "-vf scale=1800:900,setsar=2/1 -c:v ffv1 -pix_fmt yuv422p10le";
    video(&odd, &frames[..6], &sound.split(' ').chain(pixels.split(' ')).collect::<Vec<_>>());
    let capture = load(&odd, None, &Quiet).unwrap();
    assert_eq!(capture.frames[0].image.dimensions(), (1600, 400));
    assert!(capture.frames.iter().all(|f| number(&f.image) == stem_number(f)), "{:?}", capture.warnings);
}

#[test]
fn what_is_no_walk_is_one_sentence() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("junk.mp4"), "no video").unwrap();
    std::fs::write(at("empty.mov"), "").unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    let still: Vec<RgbImage> = (0..30)
        .map(|t| {
            let mut f = frame(0.0, t);
            f.iter_mut().for_each(|v| *v = v.saturating_add(rng.u8(..6)));
            f
        })
        .collect();
    video(&at("still.mp4"), &still, &["-c:v", "mpeg4", "-q:v", "3"]);
    video(&at("white.mp4"), &vec![RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([250; 3])); 12], &["-c:v", "mpeg4"]);
    video(&at("whole.mkv"), &walk(40, 8.0), &["-c:v", "mpeg4", "-q:v", "3"]);
    let sound = ["-v", "error", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "pcm_s16le"];
    assert!(Command::new(ffmpeg_path()).args(sound).arg(at("sound.mkv")).status().unwrap().success());
    for (name, says) in [
        ("junk.mp4", "no picture can be decoded from this video (ffmpeg: "),
        ("empty.mov", "empty file"),
        ("sound.mkv", "no picture can be decoded"),
        ("still.mp4", "the camera hardly moves in this video of 30 frames"),
        ("white.mp4", "the camera hardly moves in this video of 12 frames"),
    ] {
        let said = error(&at(name));
        // The folder's random name may well hold a "0x" of its own.
        let reason = said.replace(&dir.path().display().to_string(), "");
        assert!(said.contains(name) && said.contains(says) && !reason.contains("0x"), "{said}");
    }
    // Half of a video is used, with a warning.
    let bytes = std::fs::read(at("whole.mkv")).unwrap();
    std::fs::write(at("half.mkv"), &bytes[..bytes.len() / 2]).unwrap();
    let half = load(&at("half.mkv"), None, &Quiet).unwrap();
    assert!((10..=25).contains(&half.frames.len()), "{}", half.frames.len());
    assert!(
        half.warnings[1].contains("ends early") && half.warnings[1].contains("of about 40 frames"),
        "{:?}",
        half.warnings
    );
    assert!(half.frames.iter().all(|f| number(&f.image) == stem_number(f)));
    // Bytes that are wrong in the middle cost no more than some frames.
    let mut hurt = bytes.clone();
    (bytes.len() / 3..bytes.len() / 3 + 2000).for_each(|k| hurt[k] = rng.u8(..));
    std::fs::write(at("hurt.mkv"), &hurt).unwrap();
    if let Ok(capture) = load(&at("hurt.mkv"), None, &Quiet) {
        assert!(capture.frames.len() >= 5 && capture.frames.iter().all(|f| f.image.dimensions() == SIZE));
    }
}

/// Cancels at the n-th tick.
struct CancelAt(AtomicUsize);

impl Job for CancelAt {
    fn tick(&self, done: usize, total: usize) -> Result<(), Cancelled> {
        assert!(done <= total);
        if self.0.fetch_sub(1, Ordering::Relaxed) == 0 { Err(Cancelled) } else { Ok(()) }
    }
    fn warn(&self, _: String) {}
}

#[test]
fn can_be_cancelled_in_either_pass() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("walk.mp4");
    video(&path, &walk(30, 8.0), &["-c:v", "mpeg4"]);
    for at in [0, 12, 40] {
        let job = CancelAt(AtomicUsize::new(at));
        assert!(matches!(load(&path, None, &job), Err(InputError::Cancelled(_))), "{at}");
    }
}

/// Frames of a real walk: nearly all of the 120 are sharp and distinct, and they are the photos of `rgb/`, in order.
#[test]
fn the_shared_video_gives_what_its_photos_show() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/lounge");
    if !data.is_dir() || !has_ffmpeg() {
        println!("skipped: {} is not there", data.display());
        return;
    }
    let capture = load(&data.join("lounge.mp4"), None, &Quiet).unwrap();
    assert!(capture.frames.len() >= 100, "{:?}", capture.warnings);
    let photos = load(&data.join("rgb"), None, &Quiet).unwrap();
    let grey = |image: &RgbImage| -> GrayImage {
        image::imageops::resize(
            &image::DynamicImage::ImageRgb8(image.clone()).into_luma8(),
            90,
            60,
            image::imageops::FilterType::Triangle,
        )
    };
    for frame in capture.frames.iter().step_by(11) {
        let shown = grey(&frame.image);
        let off = |k: usize| {
            let photo = grey(&photos.frames[k].image);
            shown.iter().zip(photo.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
        };
        let nearest = (0..photos.frames.len()).min_by_key(|k| off(*k)).unwrap();
        assert_eq!(nearest, stem_number(frame));
    }
}
