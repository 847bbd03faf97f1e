//! COLMAP's models (<https://colmap.github.io/format.html>): world-to-camera poses, OpenCV axes. Text is written, with
//! ids from 1; text and binary are read.

mod binary;
mod text;

use super::{FolderError, malformed, read_bytes, read_text};
use crate::scene::{Camera, Intrinsics, Lens, Sparse};
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};
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

/// A registered image of a model.
#[derive(Clone, Debug)]
pub struct ModelImage {
    /// File name, or path from the folder of the photos, with `/`.
    pub name: String,
    /// Id of its camera.
    pub camera: u32,
    /// World-to-camera, OpenCV axes.
    pub w2c: Isometry3<f64>,
    /// Pixel coordinates; empty from a binary model.
    keypoints: Vec<[f32; 2]>,
}

/// Cameras and images of a COLMAP model that another program made.
#[derive(Clone, Debug)]
pub struct Model {
    /// The file that lists the images.
    pub path: PathBuf,
    /// Intrinsics and lens by id.
    pub cameras: BTreeMap<u32, (Intrinsics, Lens)>,
    /// Images by id.
    pub images: BTreeMap<u32, ModelImage>,
}

/// Whether a folder holds a COLMAP model, text or binary.
pub fn is_model(folder: &Path) -> bool {
    ["bin", "txt"].iter().any(|e| ["cameras", "images"].iter().all(|n| folder.join(format!("{n}.{e}")).is_file()))
}

/// Reads the cameras and the images of a COLMAP model, binary where there is one, else text. Camera models: see
/// [`colmap_camera`](crate::scene::colmap_camera). Its points are not read.
pub fn read_model(folder: &Path) -> Result<Model, FolderError> {
    let binary = ["cameras.bin", "images.bin"].iter().all(|n| folder.join(n).is_file());
    let file = |name: &str| folder.join(format!("{name}.{}", if binary { "bin" } else { "txt" }));
    let [cameras, images] = [file("cameras"), file("images")];
    let bytes = [read_bytes(&cameras)?, read_bytes(&images)?];
    model_of([&cameras, &images], [&bytes[0], &bytes[1]], binary)
}

/// The model in the bytes of its files of cameras and of images; `paths` is what errors name.
pub fn model_of(paths: [&Path; 2], bytes: [&[u8]; 2], binary: bool) -> Result<Model, FolderError> {
    let (cameras, images) = if binary {
        (binary::cameras(paths[0], bytes[0])?, binary::images(paths[1], bytes[1])?)
    } else {
        let text = |i: usize| std::str::from_utf8(bytes[i]).map_err(|_| malformed(paths[i], "it is not UTF-8 text"));
        (text::cameras(paths[0], text(0)?)?, text::images(paths[1], text(1)?)?)
    };
    let model = Model { path: paths[1].to_path_buf(), cameras, images };
    model.check().map(|()| model)
}

impl Model {
    fn check(&self) -> Result<(), FolderError> {
        match self.images.iter().find(|(_, image)| !self.cameras.contains_key(&image.camera)) {
            Some((id, i)) => Err(malformed(&self.path, format!("image {id}: there is no camera {}", i.camera))),
            None => Ok(()),
        }
    }
}

/// A pose as COLMAP writes it: the quaternion w x y z, then the translation.
fn pose([qw, qx, qy, qz, tx, ty, tz]: [f64; 7]) -> Option<Isometry3<f64>> {
    let finite = [qw, qx, qy, qz, tx, ty, tz].iter().all(|v| v.is_finite());
    let q = UnitQuaternion::try_new(Quaternion::new(qw, qx, qy, qz), 1e-9)?;
    (finite && q.coords.iter().all(|v| v.is_finite())).then(|| Isometry3::from_parts(Translation3::new(tx, ty, tz), q))
}

/// Reads the text model of a scene folder, whose cameras are pinholes; cameras come in the order of `names`.
pub(super) fn read(folder: &Path, names: &[String]) -> Result<Sparse, FolderError> {
    let path = folder.join("cameras.txt");
    let intrinsics = text::cameras(&path, &read_text(&path)?)?;
    if intrinsics.values().any(|(_, lens)| *lens != Lens::Pinhole) {
        return Err(malformed(&path, "a scene's photos have no distortion: its cameras are PINHOLE"));
    }
    let path = folder.join("images.txt");
    let images = text::images(&path, &read_text(&path)?)?;
    let model = Model { path, cameras: intrinsics, images };
    model.check()?;
    let frame_of_name: HashMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();
    let (mut cameras, mut frame_of) = (vec![None; names.len()], HashMap::new());
    for (id, image) in &model.images {
        if let Some(frame) = frame_of_name.get(image.name.as_str()) {
            cameras[*frame] = Some(Camera { intrinsics: model.cameras[&image.camera].0, c2w: image.w2c.inverse() });
            frame_of.insert(*id, *frame);
        }
    }
    let path = folder.join("points3D.txt");
    let points = text::points(&path, &read_text(&path)?, &model.images, &frame_of)?;
    Ok(Sparse { cameras, points, ..Sparse::default() })
}
