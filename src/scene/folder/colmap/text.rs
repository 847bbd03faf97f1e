//! The text form of a COLMAP model.

use super::{ModelImage, pose};
use crate::scene::folder::{FolderError, malformed};
use crate::scene::{Intrinsics, Lens, SparsePoint, colmap_camera};
use nalgebra::Point3;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The words of one line, read as what the format says they are.
struct Words<'a> {
    path: &'a Path,
    line: usize,
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn error(&self, what: &str) -> FolderError {
        malformed(self.path, format!("line {}: {what}", self.line))
    }

    fn word(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        self.rest = &text[end..];
        (end > 0).then(|| &text[..end])
    }

    fn take<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, FolderError> {
        let word = self.word().ok_or_else(|| self.error(&format!("{what} is missing")))?;
        word.parse().map_err(|_| self.error(&format!("{what} is {word:?}")))
    }

    fn number(&mut self, what: &str) -> Result<f64, FolderError> {
        let value: f64 = self.take(what)?;
        if value.is_finite() { Ok(value) } else { Err(self.error(&format!("{what} is not finite"))) }
    }

    fn numbers<const N: usize>(&mut self, what: &str) -> Result<[f64; N], FolderError> {
        let mut out = [0.0; N];
        for v in &mut out {
            *v = self.number(what)?;
        }
        Ok(out)
    }

    fn at_end(&self) -> bool {
        self.rest.trim().is_empty()
    }
}

/// Lines with their numbers, without comments.
fn lines<'a>(path: &'a Path, text: &'a str) -> impl Iterator<Item = Words<'a>> {
    let lines = text.lines().enumerate().filter(|(_, l)| !l.starts_with('#'));
    lines.map(move |(i, rest)| Words { path, line: i + 1, rest })
}

pub(super) fn cameras(path: &Path, text: &str) -> Result<BTreeMap<u32, (Intrinsics, Lens)>, FolderError> {
    let mut out = BTreeMap::new();
    for mut w in lines(path, text).filter(|w| !w.at_end()) {
        let id: u32 = w.take("the camera's id")?;
        let model: String = w.take("the camera model")?;
        let (width, height) = (w.take("the width")?, w.take("the height")?);
        let mut params = Vec::new();
        while !w.at_end() {
            params.push(w.number("a parameter")?);
        }
        out.insert(id, colmap_camera(&model, width, height, &params).map_err(|e| w.error(&e.to_string()))?);
    }
    Ok(out)
}

pub(super) fn images(path: &Path, text: &str) -> Result<BTreeMap<u32, ModelImage>, FolderError> {
    let mut images = BTreeMap::new();
    let mut rows = lines(path, text);
    while let Some(mut w) = rows.next() {
        if w.at_end() {
            continue;
        }
        let id: u32 = w.take("the image's id")?;
        let numbers = w.numbers("the pose")?;
        let camera: u32 = w.take("the camera's id")?;
        let name = w.rest.trim().to_owned();
        let w2c = pose(numbers).ok_or_else(|| w.error("the quaternion is not a rotation"))?;
        let mut keypoints = Vec::new();
        // The line after an image holds its keypoints; it is empty where there are none.
        if let Some(mut w) = rows.next() {
            while !w.at_end() {
                let [x, y] = w.numbers("a keypoint")?;
                let _: i64 = w.take("a keypoint's point")?;
                keypoints.push([x as f32, y as f32]);
            }
        }
        images.insert(id, ModelImage { name, camera, w2c, keypoints });
    }
    Ok(images)
}

/// Points, their tracks with the frames that `frame_of` gives for the ids of images.
pub(super) fn points(
    path: &Path,
    text: &str,
    images: &BTreeMap<u32, ModelImage>,
    frame_of: &HashMap<u32, usize>,
) -> Result<Vec<SparsePoint>, FolderError> {
    let mut out = Vec::new();
    for mut w in lines(path, text).filter(|w| !w.at_end()) {
        let _: u64 = w.take("the point's id")?;
        let position = Point3::from(w.numbers::<3>("the position")?);
        let color = [w.take("the colour")?, w.take("the colour")?, w.take("the colour")?];
        // COLMAP writes -1 where it has no error.
        let error = w.number("the error")?.max(0.0);
        let mut track = Vec::new();
        while !w.at_end() {
            let (id, index): (u32, usize) = (w.take("a track's image")?, w.take("a track's keypoint")?);
            let image = images.get(&id).ok_or_else(|| w.error(&format!("there is no image {id}")))?;
            let xy = image.keypoints.get(index);
            let xy = xy.ok_or_else(|| w.error(&format!("image {id} has no keypoint {index}")))?;
            track.extend(frame_of.get(&id).map(|frame| (*frame, *xy)));
        }
        out.push(SparsePoint { position, color, track, error });
    }
    Ok(out)
}
