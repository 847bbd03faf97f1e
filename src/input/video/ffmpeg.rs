//! ffmpeg as a child process: pictures out of a video, one after another.

use super::pnm::{Picture, read_pnm};
use crate::input::InputError;
use ffmpeg_sidecar::child::FfmpegChild;
use ffmpeg_sidecar::command::FfmpegCommand;
use ffmpeg_sidecar::paths::ffmpeg_path;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Longest line of ffmpeg's log that is read in one piece, bytes.
const LINE: u64 = 1 << 14;

/// What ffmpeg tells of a video on its way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Length of the first input, seconds.
    pub seconds: Option<f64>,
    /// Frames per second of the first video stream.
    pub fps: Option<f64>,
    /// The first error.
    pub error: Option<String>,
}

impl Said {
    /// How many frames there should be.
    pub(super) fn frames(&self) -> Option<f64> {
        Some(self.seconds? * self.fps?).filter(|n| n.is_finite() && *n >= 1.0)
    }

    fn take(&mut self, line: &str) {
        if let Some((_, text)) = line.split_once("[error]").or_else(|| line.split_once("[fatal]")) {
            // What stands before is the address of a part of ffmpeg, another one each time.
            self.error.get_or_insert_with(|| text.trim().trim_end_matches('.').to_owned());
        } else if let Some((_, text)) = line.split_once("Duration: ") {
            self.seconds = self.seconds.or_else(|| seconds(text.split(',').next()?));
        } else if line.contains("Stream #0:") && line.contains("Video: ") && !line.contains("(attached pic)") {
            let fps = line.split(',').find_map(|part| part.trim().strip_suffix(" fps"));
            self.fps = self.fps.or_else(|| fps?.parse().ok().filter(|f: &f64| f.is_finite()));
        }
    }
}

/// Of "01:02:03.45".
fn seconds(text: &str) -> Option<f64> {
    let parts = text.trim().splitn(3, ':').map(|n| n.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0));
    let [h, m, s] = parts.collect::<Option<Vec<f64>>>()?.try_into().ok()?;
    Some(3600.0 * h + 60.0 * m + s)
}

/// Reads the log of an ffmpeg that runs with `-loglevel level+info`, to its end; `tell` hears what is known after each
/// line. (The parser of ffmpeg-sidecar 2.7 panics on names that are not ASCII.)
pub fn listen(log: impl Read, mut tell: impl FnMut(&Said)) -> Said {
    let (mut said, mut log, mut line) = (Said::default(), BufReader::new(log), Vec::new());
    while log.by_ref().take(LINE).read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        said.take(&String::from_utf8_lossy(&line));
        tell(&said);
        line.clear();
    }
    said
}

/// The option that hands every decoded frame on, once: it has another name since ffmpeg 5.1.
fn every_frame(path: &Path) -> Result<[&'static str; 2], InputError> {
    let mut command = std::process::Command::new(ffmpeg_path());
    let out = command.arg("-version").stdin(std::process::Stdio::null()).output().map_err(|e| not_run(path, e))?;
    Ok(if is_older_than_5_1(&String::from_utf8_lossy(&out.stdout)) {
        ["-vsync", "passthrough"]
    } else {
        ["-fps_mode", "passthrough"]
    })
}

/// Versions of snapshots ("N-109741-gbbe95f7353") are taken for new ones.
fn is_older_than_5_1(banner: &str) -> bool {
    let version = banner.split_whitespace().nth(2).unwrap_or_default().trim_start_matches('n');
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse::<u32>().ok());
    numbers.next().is_some_and(|major| (major, numbers.next().unwrap_or(0)) < (5, 1))
}

fn not_run(path: &Path, source: std::io::Error) -> InputError {
    if source.kind() == ErrorKind::NotFound {
        return InputError::NoFfmpeg(path.to_owned());
    }
    InputError::Io { path: ffmpeg_path(), source }
}

/// A video on its way through ffmpeg, which is killed when this is dropped.
pub(super) struct Decoder {
    path: PathBuf,
    child: FfmpegChild,
    pictures: BufReader<ChildStdout>,
    said: Arc<Mutex<Said>>,
    listener: Option<JoinHandle<()>>,
}

impl Decoder {
    /// Starts to decode a video, upright, through `filter` (a filter graph of ffmpeg), as `pgm` or `ppm`.
    pub(super) fn start(path: &Path, filter: &str, codec: &str) -> Result<Self, InputError> {
        // "file:" keeps a name such as "a:b.mp4" from being taken for an address.
        let mut url = OsString::from("file:");
        url.push(path);
        let mut command = FfmpegCommand::new();
        command.args(["-hide_banner", "-nostdin", "-nostats", "-protocol_whitelist", "file"]).input(url);
        // V is a video that is no cover picture.
        command.args(["-map", "0:V:0", "-an", "-sn", "-dn", "-vf", filter]).args(every_frame(path)?);
        command.args(["-f", "image2pipe", "-c:v", codec, "pipe:1"]);
        let mut child = command.spawn().map_err(|e| not_run(path, e))?;
        let broken = || InputError::Io { path: ffmpeg_path(), source: ErrorKind::BrokenPipe.into() };
        let pictures = BufReader::with_capacity(1 << 16, child.take_stdout().ok_or_else(broken)?);
        let log = child.take_stderr().ok_or_else(broken)?;
        let said = Arc::new(Mutex::new(Said::default()));
        let heard = Arc::clone(&said);
        let listener = std::thread::spawn(move || {
            listen(log, |now| heard.lock().unwrap_or_else(PoisonError::into_inner).clone_from(now));
        });
        Ok(Self { path: path.to_owned(), child, pictures, said, listener: Some(listener) })
    }

    /// The next picture; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Picture>, InputError> {
        read_pnm(&mut self.pictures).map_err(|source| InputError::Io { path: self.path.clone(), source })
    }

    /// What ffmpeg has said up to now.
    pub(super) fn said(&self) -> Said {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that ffmpeg said. To be called after the last picture.
    pub(super) fn finish(mut self) -> Said {
        self.listener.take().map(JoinHandle::join);
        self.said()
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Both fail where ffmpeg has ended by itself, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let old = ["ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright (c) 2000", "ffmpeg version n5.0.1 Copyright"];
        let new = [
            "ffmpeg version 5.1.9-0+deb12u1 Copyright",
            "ffmpeg version N-109741-gbbe95f7353",
            "",
            "ffmpeg version 8.0",
        ];
        assert!(old.iter().all(|v| is_older_than_5_1(v)) && !new.iter().any(|v| is_older_than_5_1(v)));
    }

    /// Lines as ffmpeg 5.1.9 writes them.
    #[test]
    fn what_is_said() {
        let log = "[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:a.mp4':\n\
            [info]   Metadata:\n[info]     major_brand     : isom\n\
            [info]   Duration: 00:00:12.50, start: 0.000000, bitrate: 1299 kb/s\n\
            [info]   Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, progressive), 540x360 \
            [SAR 1:1 DAR 3:2], 1298 kb/s, 10 fps, 10 tbr, 10240 tbn (default)\n\
            [h264 @ 0x55d0c8a0] [error] Invalid NAL unit size (5332 > 1200).\n[h264 @ 0x55d0c8a0] [error] two\n";
        let mut told = 0;
        let said = listen(log.as_bytes(), |_| told += 1);
        let error = Some("Invalid NAL unit size (5332 > 1200)".to_owned());
        assert_eq!(said, Said { seconds: Some(12.5), fps: Some(10.0), error });
        assert!(told >= 3 && said.frames() == Some(125.0));
        let odd =
            "Duration: N/A\n Stream #0:0: Video: größe, 90k fps\n\r\n Stream #0:1: Video: png, 25 fps (attached pic)\n";
        assert_eq!(listen([b"\xff\xfe", odd.as_bytes()].concat().as_slice(), |_| ()), Said::default());
    }
}
