//! Films of a scene: the 3D camera turns around a point, each picture is drawn by the CPU, ffmpeg joins them.

use super::orbit::Orbit;
use super::overlay::{self, Line};
use crate::scene::{Camera, Cancelled, Gaussians, Job, OrientedBox};
use crate::splat;
use ffmpeg_sidecar::paths::ffmpeg_path;
use image::{Rgb, RgbImage};
use std::f64::consts::{FRAC_PI_6, TAU};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Pictures a second.
pub(super) const FPS: u32 = 25;
/// Half of the width of a box's lines, pixels, in a picture of 720 lines.
const LINE: f64 = 1.2;
/// Nearest depth that lines are drawn at, as a share of the distance to the target.
const NEAR: f64 = 0.02;

/// How the camera moves around what it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Motion {
    /// Once around.
    Turn,
    /// 30 degrees to one side, to the other, and back: a room has walls.
    Swing,
}

/// What is filmed.
#[derive(Clone, Debug)]
pub(super) struct Film {
    /// The first view; what it looks at is what it turns about.
    pub from: Orbit,
    /// How the camera moves.
    pub motion: Motion,
    /// Width and height in pixels, even.
    pub size: [u32; 2],
    /// How long it is.
    pub seconds: u32,
    /// Boxes that are drawn, and their colours, sRGB.
    pub boxes: Vec<(OrientedBox, [u8; 3])>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Made {
    /// Its own new folder.
    pub folder: PathBuf,
    /// How many pictures are in it.
    pub pictures: usize,
    /// The film; a sentence that says why there is none otherwise.
    pub video: Result<PathBuf, String>,
}

/// Why there is no film.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilmError {
    /// A folder or a picture.
    #[error("{path} cannot be written: {reason}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The user stopped it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Film {
    /// The cameras, in order.
    fn cameras(&self) -> Vec<Camera> {
        let n = (self.seconds * FPS).max(1);
        let [w, h] = self.size.map(f64::from);
        let at = |k: u32| {
            let t = TAU * f64::from(k) / f64::from(n);
            let yaw = match self.motion {
                Motion::Turn => t,
                Motion::Swing => FRAC_PI_6 * t.sin(),
            };
            Orbit { yaw: self.from.yaw + yaw, ..self.from }.camera(w, h)
        };
        (0..n).map(at).collect()
    }

    /// One picture.
    fn picture(&self, g: &Gaussians, camera: &Camera) -> RgbImage {
        let rgb = splat::render(g, camera).rgb;
        let bytes = rgb.iter().flatten().map(|x| (x.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
        let mut picture = RgbImage::from_raw(self.size[0], self.size[1], bytes).unwrap_or_default();
        let wide = LINE * f64::from(self.size[1]) / 720.0;
        for (b, color) in &self.boxes {
            for line in overlay::box_lines(camera, b, NEAR * self.from.distance) {
                draw(&mut picture, line, *color, wide);
            }
        }
        picture
    }
}

/// Makes a film in a new folder of `out` that is named after the time.
pub(super) fn make(g: &Gaussians, film: &Film, out: &Path, job: &dyn Job) -> Result<Made, FilmError> {
    let folder = out.join(format!("film-{}", stamp()));
    let fail = |path: &Path, e: &dyn std::fmt::Display| FilmError::Write { path: path.into(), reason: e.to_string() };
    std::fs::create_dir_all(&folder).map_err(|e| fail(&folder, &e))?;
    let cameras = film.cameras();
    let draw_all = || -> Result<(), FilmError> {
        for (k, camera) in cameras.iter().enumerate() {
            job.tick(k, cameras.len())?;
            let path = folder.join(format!("{k:04}.png"));
            film.picture(g, camera).save(&path).map_err(|e| fail(&path, &e))?;
        }
        Ok(())
    };
    let video = match draw_all() {
        Ok(()) => join(&folder, job, cameras.len()),
        Err(e) => Err(Trouble::Film(e)),
    };
    let video = match video {
        Ok(path) => Ok(path),
        Err(Trouble::NoVideo(reason)) => Err(reason),
        Err(Trouble::Film(e)) => {
            // It is this film's own folder, and half a film is of no use.
            let _ = std::fs::remove_dir_all(&folder);
            return Err(e);
        }
    };
    Ok(Made { folder, pictures: cameras.len(), video })
}

/// Date and time, for the name of a file.
pub(super) fn stamp() -> String {
    jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string()
}

enum Trouble {
    /// The pictures are there, the film is not.
    NoVideo(String),
    Film(FilmError),
}

/// Joins the pictures of a folder to `film.mp4` in it.
fn join(folder: &Path, job: &dyn Job, pictures: usize) -> Result<PathBuf, Trouble> {
    let path = folder.join("film.mp4");
    let mut command = Command::new(ffmpeg_path());
    command.args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-framerate", &FPS.to_string(), "-i"]);
    command.arg(folder.join("%04d.png")).args(["-pix_fmt", "yuv420p", "-movflags", "+faststart"]).arg(&path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let no = |reason: String| Trouble::NoVideo(format!("no film was made of the pictures: {reason}"));
    let mut child = command.spawn().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => no("ffmpeg is not installed".into()),
        _ => no(format!("ffmpeg cannot be run: {e}")),
    })?;
    match wait(&mut child, job, pictures) {
        Ok(Ok(status)) if status.success() => Ok(path),
        Ok(Ok(status)) => Err(no(format!("ffmpeg ended with {status}"))),
        Ok(Err(e)) => Err(no(format!("ffmpeg was lost: {e}"))),
        Err(cancelled) => {
            // Both fail where it has just ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            Err(Trouble::Film(cancelled.into()))
        }
    }
}

fn wait(child: &mut Child, job: &dyn Job, pictures: usize) -> Result<std::io::Result<ExitStatus>, Cancelled> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Ok(status)),
            Ok(None) => job.tick(pictures, pictures)?,
            Err(e) => return Ok(Err(e)),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Draws a line `2 * half` pixels wide.
fn draw(picture: &mut RgbImage, [a, b]: Line, color: [u8; 3], half: f64) {
    // What lies outside is never drawn: the ends are cut before the steps are counted.
    let (w, h) = (f64::from(picture.width()), f64::from(picture.height()));
    let Some([a, b]) = within(a, b, [w, h]) else { return };
    let steps = (b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil().max(1.0);
    let reach = half.ceil() as i64;
    for k in 0..=steps as u32 {
        let t = f64::from(k) / steps;
        let (x, y) = (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t);
        for (i, j) in (-reach..=reach).flat_map(|i| (-reach..=reach).map(move |j| (i, j))) {
            let (px, py) = (x.floor() as i64 + i, y.floor() as i64 + j);
            let away = (px as f64 + 0.5 - x).hypot(py as f64 + 0.5 - y);
            if let (true, Ok(px), Ok(py)) = (away <= half.max(0.75), u32::try_from(px), u32::try_from(py))
                && let Some(pixel) = picture.get_pixel_mut_checked(px, py)
            {
                *pixel = Rgb(color);
            }
        }
    }
}

/// The part of a line in a picture of `size` (Liang and Barsky 1984).
fn within(a: [f64; 2], b: [f64; 2], size: [f64; 2]) -> Option<Line> {
    let d = [b[0] - a[0], b[1] - a[1]];
    let (mut from, mut to) = (0.0f64, 1.0f64);
    for k in 0..2 {
        for (p, q) in [(-d[k], a[k]), (d[k], size[k] - a[k])] {
            if !(p.is_finite() && q.is_finite()) || (p == 0.0 && q < 0.0) {
                return None;
            }
            if p < 0.0 {
                from = from.max(q / p);
            } else if p > 0.0 {
                to = to.min(q / p);
            }
        }
    }
    let at = |t: f64| [a[0] + d[0] * t, a[1] + d[1] * t];
    (from <= to).then(|| [at(from), at(to)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Quiet;
    use nalgebra::{Point3, Vector3};

    fn film(motion: Motion) -> Film {
        let b = OrientedBox::upright(Point3::origin(), Vector3::repeat(1.0), 0.0);
        Film { from: Orbit::default(), motion, size: [64, 48], seconds: 1, boxes: vec![(b, [255, 0, 0])] }
    }

    #[test]
    fn a_turn_goes_once_around_and_a_swing_comes_back() {
        for motion in [Motion::Turn, Motion::Swing] {
            let film = film(motion);
            let eyes: Vec<Point3<f64>> = film.cameras().iter().map(Camera::center).collect();
            assert_eq!(eyes.len(), 25);
            assert!(eyes.iter().all(|e| (e.coords.norm() - film.from.distance).abs() < 1e-9), "about the target");
            let steps: Vec<f64> = (0..25).map(|k| (eyes[(k + 1) % 25] - eyes[k]).norm()).collect();
            // The last is followed by the first as any other is by its next.
            assert!(steps.iter().all(|s| *s < 0.26 * film.from.distance), "{steps:?}");
            let widest = eyes.iter().map(|e| (e - eyes[0]).norm()).fold(0.0, f64::max) / film.from.distance;
            let full = 2.0 * film.from.pitch.cos();
            let limit = if motion == Motion::Turn { full } else { full * (FRAC_PI_6 / 2.0).sin() };
            assert!((widest - limit).abs() < 0.02 * limit, "{motion:?}: {widest} of {limit}");
        }
    }

    #[test]
    fn pictures_and_a_film_are_made_in_a_new_folder() {
        let home = tempfile::tempdir().unwrap();
        let made = make(&Gaussians::default(), &film(Motion::Turn), home.path(), &Quiet).unwrap();
        assert_eq!(made.pictures, 25);
        let first = image::open(made.folder.join("0000.png")).unwrap().to_rgb8();
        assert_eq!(first.dimensions(), (64, 48));
        let red = first.pixels().filter(|p| p.0 == [255, 0, 0]).count();
        assert!((50..1500).contains(&red), "lines of the box and little else: {red}");
        match made.video {
            Ok(path) => assert!(std::fs::metadata(path).unwrap().len() > 500),
            Err(reason) => assert!(reason.contains("ffmpeg"), "{reason}"),
        }
    }

    #[test]
    fn a_cancelled_film_leaves_nothing() {
        struct Stop;
        impl Job for Stop {
            fn tick(&self, done: usize, _: usize) -> Result<(), Cancelled> {
                if done < 3 { Ok(()) } else { Err(Cancelled) }
            }
            fn warn(&self, _: String) {}
        }
        let home = tempfile::tempdir().unwrap();
        let error = make(&Gaussians::default(), &film(Motion::Swing), home.path(), &Stop).unwrap_err();
        assert!(matches!(error, FilmError::Cancelled(_)));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn lines_are_cut_at_the_edges() {
        assert_eq!(within([-10.0, 5.0], [30.0, 5.0], [20.0, 10.0]), Some([[0.0, 5.0], [20.0, 5.0]]));
        assert_eq!(within([-10.0, 5.0], [-1.0, 5.0], [20.0, 10.0]), None);
        assert_eq!(within([3.0, 1e12], [3.0, -1e12], [20.0, 10.0]).map(|l| l[0][0]), Some(3.0));
        assert_eq!(within([f64::NAN, 0.0], [1.0, 1.0], [20.0, 10.0]), None);
    }
}
