//! A video: which of its frames to use, and their pixels. Decoding is ffmpeg's.
//!
//! The video is decoded twice. A first pass over small grey pictures tells how sharp each frame is and how far the camera
//! has come (`track`); from that frames are chosen (`choose`), and a second pass decodes those in full.

mod choose;
mod ffmpeg;
mod pnm;
#[cfg(test)]
mod tests;
mod track;

pub use ffmpeg::{Said, listen};
pub use pnm::{Picture, read_pnm};

use super::{InputError, MAX_SIDE, malformed, name_of};
use crate::scene::{Capture, Frame, Intrinsics, Job};
use choose::{Choice, Look, choose};
use ffmpeg::Decoder;
use image::RgbImage;
use std::path::Path;
use std::sync::Arc;
use track::{Plane, Walk};

/// Frames used where nobody says how many.
const FRAMES: u32 = 180;
/// Longer side of the pictures of the first pass, pixels.
const SMALL: u32 = 480;
/// Frames that one run of ffmpeg picks out: its filter is a word of the command line, which has an end.
const AT_ONCE: usize = 500;
/// Way, as part of the longer side, below which the camera has not moved.
const STILL: f64 = 0.02;
/// Part of the frames that were promised below which the video ends early.
const WHOLE: f64 = 0.9;
/// Progress of the whole, and of it that of the first pass.
const PROGRESS: (usize, usize) = (1000, 700);

/// Endings of the names of videos.
pub(crate) const ENDINGS: [&str; 7] = ["mp4", "mov", "avi", "mkv", "webm", "m4v", "mpg"];

/// A filter that makes pixels square and the longer side at most `side`.
fn fitted(side: u32) -> String {
    let scale = format!("min(1,{side}/max(iw*sar,ih))");
    format!("scale=w='max(1,round(iw*sar*{scale}))':h='max(1,round(ih*{scale}))':flags=area+accurate_rnd+bitexact")
}

/// Reads a video through ffmpeg: at most `max_frames` frames, or [`FRAMES`], upright and at most [`MAX_SIDE`] pixels long.
///
/// Frames are chosen by what they show: evenly along the way of the camera, of each stretch the sharpest. Their stems tell
/// the number of the frame in the video, from 0. What was left out is in [`Capture::warnings`].
pub(super) fn load(path: &Path, max_frames: Option<u32>, job: &dyn Job) -> Result<Capture, InputError> {
    if std::fs::metadata(path).is_ok_and(|m| m.len() == 0) {
        return Err(malformed(path, "the video is an empty file"));
    }
    let (looks, said) = look(path, job)?;
    let mut warnings = Vec::new();
    if looks.is_empty() {
        let why = said.error.map_or_else(String::new, |e| format!(" (ffmpeg: {e})"));
        return Err(malformed(path, format!("no picture can be decoded from this video{why}")));
    }
    if let Some(whole) = said.frames().filter(|n| (looks.len() as f64) < WHOLE * n) {
        let why = said.error.map_or_else(String::new, |e| format!(" (ffmpeg: {e})"));
        warnings.push(format!(
            "video: it ends early, after {} of about {} frames{why}; what came before is used",
            counted(looks.len()),
            counted(whole.round() as usize)
        ));
    }
    let choice = choose(&looks, max_frames.unwrap_or(FRAMES) as usize);
    let way = looks.iter().map(|l| l.way).fold(0.0, f64::max);
    if choice.frames.len() < 2 || way < STILL {
        let reason = format!(
            "the camera hardly moves in this video of {} frames: walk around the place while filming",
            counted(looks.len())
        );
        return Err(malformed(path, reason));
    }
    warnings.insert(0, summary(looks.len(), &choice));
    let frames = decode(path, &choice.frames, job)?;
    if frames.len() < choice.frames.len() {
        return Err(malformed(path, "the video decodes differently each time: it is damaged"));
    }
    Ok(Capture {
        name: name_of(path),
        source: path.to_path_buf(),
        frames,
        intrinsics_known: false,
        metric: false,
        warnings,
    })
}

/// How many frames are used, and why not the others.
fn summary(total: usize, choice: &Choice) -> String {
    let mut text = format!("video: {} of {} frames are used", counted(choice.frames.len()), counted(total));
    let why = [(choice.blurred, "blurred"), (choice.similar, "too similar")];
    let why: Vec<String> =
        why.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", counted(*n))).collect();
    if !why.is_empty() {
        text.push_str(&format!("; {} left out", why.join(" and ")));
    }
    text
}

/// A number with a comma at the thousands.
fn counted(n: usize) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", counted(n / 1000), n % 1000) }
}

/// First pass: every frame, small and grey.
fn look(path: &Path, job: &dyn Job) -> Result<(Vec<Look>, Said), InputError> {
    job.tick(0, PROGRESS.0)?;
    let mut decoder = Decoder::start(path, &format!("{},format=gray", fitted(SMALL)), "pgm")?;
    let (mut sharpness, mut walk) = (Vec::new(), Walk::default());
    while let Some(picture) = decoder.next()? {
        let fine = Plane::of(&picture);
        let half = fine.halved();
        let coarse = half.halved().gradient_energy();
        sharpness.push(if coarse > 0.0 { fine.gradient_energy() / coarse } else { 0.0 });
        walk.step(half);
        // Where the length is not known, ever closer to the end.
        let expected = decoder.said().frames().unwrap_or(sharpness.len() as f64 + 300.0);
        let part = (sharpness.len() as f64 / expected).min(1.0);
        job.tick((part * PROGRESS.1 as f64) as usize, PROGRESS.0)?;
    }
    let looks = sharpness.into_iter().zip(walk.ways).map(|(sharpness, way)| Look { sharpness, way }).collect();
    Ok((looks, decoder.finish()))
}

/// An expression of ffmpeg that is true for these frame numbers. It is a balanced tree, since ffmpeg reads no deep ones.
fn any_of(numbers: &[usize]) -> String {
    match numbers {
        [one] => format!("eq(n,{one})"),
        _ => {
            let (left, right) = numbers.split_at(numbers.len() / 2);
            format!("({}+{})", any_of(left), any_of(right))
        }
    }
}

/// Second pass: the chosen frames in full.
fn decode(path: &Path, chosen: &[usize], job: &dyn Job) -> Result<Vec<Frame>, InputError> {
    let mut frames = Vec::with_capacity(chosen.len());
    for some in chosen.chunks(AT_ONCE) {
        let filter = format!("select='{}',{},format=rgb24", any_of(some), fitted(MAX_SIDE));
        let mut decoder = Decoder::start(path, &filter, "ppm")?;
        for number in some {
            job.tick(PROGRESS.1 + (PROGRESS.0 - PROGRESS.1) * frames.len() / chosen.len(), PROGRESS.0)?;
            let Some(Picture { width, height, data }) = decoder.next()? else { return Ok(frames) };
            let Some(image) = RgbImage::from_raw(width, height, data) else { return Ok(frames) };
            let stem = format!("frame_{number:06}");
            let file = path.join(format!("{stem}.jpg"));
            let intrinsics = Intrinsics::guess(width, height);
            frames.push(Frame {
                stem,
                path: file,
                image: Arc::new(image),
                as_stored: false,
                intrinsics,
                given_c2w: None,
                sensor_depth: None,
                mask: None,
            });
        }
    }
    job.tick(PROGRESS.0, PROGRESS.0)?;
    Ok(frames)
}
