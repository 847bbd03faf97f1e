//! COLMAP's text model (<https://colmap.github.io/format.html>): world-to-camera poses, OpenCV axes, ids from 1.

use super::{FolderError, malformed, read_text};
use crate::scene::{Camera, Intrinsics, Sparse, SparsePoint};
use nalgebra::{Isometry3, Point3, Quaternion, Translation3, UnitQuaternion};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// One keypoint of an image as `images.txt` lists it: pixel coordinates and index of its point in `Sparse::points`.
type Keypoint = ([f32; 2], usize);

/// The three files of a model as paths under `folder` of the scene at `root`, and their contents.
pub(super) fn encode(
    root: &Path,
    folder: &Path,
    names: &[String],
    sparse: &Sparse,
) -> Result<Vec<(PathBuf, Vec<u8>)>, FolderError> {
    let images = root.join(folder).join("images.txt");
    if names.len() != sparse.cameras.len() {
        return Err(malformed(&images, "not written: there is not one name per camera"));
    }
    if let Some(name) = names.iter().find(|n| n.trim().is_empty() || n.contains(['\n', '\r'])) {
        return Err(malformed(&images, format!("not written: {name:?} cannot be the name of an image")));
    }
    let (points_text, keypoints) = points_text(sparse);
    let (cameras_text, images_text) = images_text(names, sparse, &keypoints);
    let files = [("cameras.txt", cameras_text), ("points3D.txt", points_text), ("images.txt", images_text)];
    let file = |(name, text): (&str, String)| {
        let path = folder.join(name);
        if !all_finite(&text) {
            return Err(malformed(&root.join(&path), "not written: it holds a number that is not finite"));
        }
        Ok((path, text.into_bytes()))
    };
    files.into_iter().map(file).collect()
}

/// Whether the numbers at the start of each line (what follows may be a name, or was looked at before) are finite.
fn all_finite(text: &str) -> bool {
    let bad = |word: &str| matches!(word.trim_start_matches('-'), "NaN" | "inf");
    !text.lines().any(|line| !line.starts_with('#') && line.split(' ').take(9).any(bad))
}

/// `points3D.txt`, and the keypoints of every frame. Observations in frames that did not register are left out.
fn points_text(sparse: &Sparse) -> (String, Vec<Vec<Keypoint>>) {
    let mut keypoints: Vec<Vec<Keypoint>> = vec![Vec::new(); sparse.cameras.len()];
    let mut text = String::from("# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)\n");
    for (i, point) in sparse.points.iter().enumerate() {
        let (p, [r, g, b]) = (point.position, point.color);
        let _ = write!(text, "{} {:?} {:?} {:?} {r} {g} {b} {:?}", i + 1, p.x, p.y, p.z, point.error);
        for (frame, xy) in &point.track {
            if matches!(sparse.cameras.get(*frame), Some(Some(_))) && xy.iter().all(|v| v.is_finite()) {
                let _ = write!(text, " {} {}", frame + 1, keypoints[*frame].len());
                keypoints[*frame].push((*xy, i));
            }
        }
        text.push('\n');
    }
    (text, keypoints)
}

/// `cameras.txt` (one camera per distinct intrinsics) and `images.txt`.
fn images_text(names: &[String], sparse: &Sparse, keypoints: &[Vec<Keypoint>]) -> (String, String) {
    let mut cameras = String::from("# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n");
    let mut images = String::from(
        "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME (world-to-camera)\n# POINTS2D[] as (X, Y, POINT3D_ID)\n",
    );
    let mut distinct: Vec<Intrinsics> = Vec::new();
    for (i, camera) in sparse.cameras.iter().enumerate() {
        let Some(camera) = camera else { continue };
        let k = camera.intrinsics;
        let id = distinct.iter().position(|d| *d == k).unwrap_or_else(|| {
            distinct.push(k);
            let n = distinct.len();
            let (fx, fy, cx, cy) = (k.fx, k.fy, k.cx, k.cy);
            let _ = writeln!(cameras, "{n} PINHOLE {} {} {fx:?} {fy:?} {cx:?} {cy:?}", k.width, k.height);
            n - 1
        }) + 1;
        let w2c = camera.w2c();
        let (q, t) = (w2c.rotation, w2c.translation);
        let _ = write!(images, "{} {:?} {:?} {:?} {:?}", i + 1, q.w, q.i, q.j, q.k);
        let _ = writeln!(images, " {:?} {:?} {:?} {id} {}", t.x, t.y, t.z, names[i]);
        for (j, ([x, y], point)) in keypoints[i].iter().enumerate() {
            let _ = write!(images, "{}{x:?} {y:?} {}", if j > 0 { " " } else { "" }, point + 1);
        }
        images.push('\n');
    }
    (cameras, images)
}

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

pub(super) fn read(folder: &Path, names: &[String]) -> Result<Sparse, FolderError> {
    let path = folder.join("cameras.txt");
    let intrinsics = read_cameras(&path, &read_text(&path)?)?;
    let path = folder.join("images.txt");
    let (cameras, keypoints) = read_images(&path, &read_text(&path)?, &intrinsics, names)?;
    let path = folder.join("points3D.txt");
    let points = read_points(&path, &read_text(&path)?, &keypoints)?;
    Ok(Sparse { cameras, points, ..Sparse::default() })
}

fn read_cameras(path: &Path, text: &str) -> Result<BTreeMap<u32, Intrinsics>, FolderError> {
    let mut out = BTreeMap::new();
    for mut w in lines(path, text).filter(|w| !w.at_end()) {
        let id: u32 = w.take("the camera's id")?;
        let model: String = w.take("the camera model")?;
        let (width, height) = (w.take("the width")?, w.take("the height")?);
        let [fx, fy, cx, cy] = match model.as_str() {
            "PINHOLE" => w.numbers("a parameter")?,
            "SIMPLE_PINHOLE" => w.numbers("a parameter").map(|[f, cx, cy]: [f64; 3]| [f, f, cx, cy])?,
            other => {
                let reason = format!("camera model {other} is not read: undistort to PINHOLE first");
                return Err(w.error(&reason));
            }
        };
        let k = Intrinsics { width, height, fx, fy, cx, cy };
        if !k.is_plausible() {
            return Err(w.error("these are not the intrinsics of a camera"));
        }
        out.insert(id, k);
    }
    Ok(out)
}

/// What an image id stands for: the frame, and its keypoints' coordinates; images that nobody asked for have no frame.
type ReadImage = (Option<usize>, Vec<[f32; 2]>);

fn read_images(
    path: &Path,
    text: &str,
    intrinsics: &BTreeMap<u32, Intrinsics>,
    names: &[String],
) -> Result<(Vec<Option<Camera>>, HashMap<u32, ReadImage>), FolderError> {
    let frame_of: HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
    let mut cameras = vec![None; names.len()];
    let mut images = HashMap::new();
    let mut rows = lines(path, text);
    while let Some(mut w) = rows.next() {
        if w.at_end() {
            continue;
        }
        let id: u32 = w.take("the image's id")?;
        let [qw, qx, qy, qz, tx, ty, tz] = w.numbers("the pose")?;
        let camera: u32 = w.take("the camera's id")?;
        let name = w.rest.trim();
        let q = UnitQuaternion::try_new(Quaternion::new(qw, qx, qy, qz), 1e-9);
        let q = q.ok_or_else(|| w.error("the quaternion is not a rotation"))?;
        let k = intrinsics.get(&camera).ok_or_else(|| w.error(&format!("there is no camera {camera}")))?;
        let frame = frame_of.get(name).copied();
        if let Some(i) = frame {
            let w2c = Isometry3::from_parts(Translation3::new(tx, ty, tz), q);
            cameras[i] = Some(Camera { intrinsics: *k, c2w: w2c.inverse() });
        }
        let mut keypoints = Vec::new();
        // The line after an image holds its keypoints; it is empty where there are none.
        if let Some(mut w) = rows.next() {
            while !w.at_end() {
                let [x, y] = w.numbers("a keypoint")?;
                let _: i64 = w.take("a keypoint's point")?;
                keypoints.push([x as f32, y as f32]);
            }
        }
        images.insert(id, (frame, keypoints));
    }
    Ok((cameras, images))
}

fn read_points(path: &Path, text: &str, images: &HashMap<u32, ReadImage>) -> Result<Vec<SparsePoint>, FolderError> {
    let mut out = Vec::new();
    for mut w in lines(path, text).filter(|w| !w.at_end()) {
        let _: u64 = w.take("the point's id")?;
        let position = Point3::from(w.numbers::<3>("the position")?);
        let color = [w.take("the colour")?, w.take("the colour")?, w.take("the colour")?];
        // COLMAP writes -1 where it has no error.
        let error = w.number("the error")?.max(0.0);
        let mut track = Vec::new();
        while !w.at_end() {
            let (image, index): (u32, usize) = (w.take("a track's image")?, w.take("a track's keypoint")?);
            let seen = images.get(&image).ok_or_else(|| w.error(&format!("there is no image {image}")))?;
            let xy = seen.1.get(index).ok_or_else(|| w.error(&format!("image {image} has no keypoint {index}")))?;
            track.extend(seen.0.map(|frame| (frame, *xy)));
        }
        out.push(SparsePoint { position, color, track, error });
    }
    Ok(out)
}
