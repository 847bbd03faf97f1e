//! `transforms.json` of nerfstudio and instant-ngp, also as ScanNet++ and DL3DV use it: camera-to-world with OpenGL axes
//! (x right, y up, looking along -z).

use super::found::{Found, Given, Item, PHOTO, SensorFile, TWO_PHOTOS, left_out, own_stems, stem_of, stored_size};
use super::{InputError, list, malformed, poses};
use crate::scene::{Intrinsics, Lens};
use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Files in the order in which they are looked for, the folder that their photos' names may start from, and whether
/// their poses are in metres (those of ScanNet++ are those of a laser scanner). Photos without distortion come first.
const LAYOUTS: [(&str, &str, bool); 6] = [
    ("transforms.json", "", false),
    ("dslr/nerfstudio/transforms_undistorted.json", "dslr/resized_undistorted_images", true),
    ("nerfstudio/transforms_undistorted.json", "resized_undistorted_images", true),
    ("dslr/nerfstudio/transforms.json", "dslr/resized_images", true),
    ("nerfstudio/transforms.json", "resized_images", true),
    ("transforms_train.json", "", false),
];

/// Sizes by which nerfstudio and DL3DV keep smaller photos beside a folder that may be missing.
const SMALLER: [&str; 3] = ["_2", "_4", "_8"];

/// Where it lies, the folder of its photos, whether its poses are metric.
fn place(input: &Path) -> Option<(PathBuf, PathBuf, bool)> {
    if input.is_file() {
        let name = input.extension().filter(|e| e.eq_ignore_ascii_case("json")).and(input.file_stem())?;
        let root = input.parent().unwrap_or(Path::new("")).to_path_buf();
        return name.to_string_lossy().starts_with("transforms").then(|| (input.to_path_buf(), root, false));
    }
    let there = LAYOUTS.iter().map(|(file, photos, metric)| (input.join(file), input.join(photos), *metric));
    there.into_iter().find(|(file, photos, _)| file.is_file() && photos.is_dir())
}

pub(super) fn is_one(input: &Path) -> bool {
    place(input).is_some()
}

pub(super) fn read(input: &Path) -> Result<Found, InputError> {
    let (path, photos, metric) = place(input).unwrap_or_else(|| (input.to_path_buf(), input.to_path_buf(), false));
    let file = File { value: poses::read_json(&path)?, roots: [photos, parent(&path)], path };
    let original = file.original_frame()?;
    let frames = |key: &str| file.value.get(key).and_then(Value::as_array).into_iter().flatten();
    if file.value.get("frames").and_then(Value::as_array).is_none() {
        return Err(malformed(&file.path, "it has no list of frames"));
    }
    let (mut items, mut warnings) = (Vec::new(), Vec::new());
    let [mut missing, mut marked] = [Vec::new(), Vec::new()];
    for frame in frames("frames").chain(frames("test_frames")) {
        let name = frame.get("file_path").and_then(Value::as_str);
        let name = name.ok_or_else(|| malformed(&file.path, "a frame has no file_path"))?;
        let Some(photo) = file.photo(name) else {
            missing.push(name.to_owned());
            continue;
        };
        if frame.get("is_bad").and_then(Value::as_bool) == Some(true) {
            marked.push(name.to_owned());
            continue;
        }
        match poses::rigid_json(frame.get("transform_matrix").unwrap_or(&Value::Null)) {
            Ok(c2w) => items.push(file.item(frame, photo, original.pose(&opencv(&c2w)))?),
            Err(why) => warnings.push(format!("left out: the pose of {name} in {}: {why}", file.path.display())),
        }
    }
    left_out(&missing, &format!("photos of {} are not there", file.path.display()), &mut warnings);
    left_out(&marked, "photos are marked as bad", &mut warnings);
    if items.is_empty() {
        let reason = match (missing.first(), warnings.first()) {
            (Some(first), _) => format!("not one of its {} photos ({first} ...) is there", missing.len()),
            (None, Some(why)) => format!("not one of its frames can be used ({why})"),
            (None, None) => "its list of frames is empty".into(),
        };
        return Err(malformed(&file.path, reason));
    }
    items.sort_by(|a, b| list::natural(&a.path.to_string_lossy(), &b.path.to_string_lossy()));
    let mut seen = std::collections::BTreeSet::new();
    items.retain(|i| seen.insert(i.path.clone()));
    Ok(Found { items: own_stems(items, &file.roots[0], &mut warnings), metric, least_photos: TWO_PHOTOS, warnings })
}

/// Everything of a file that is looked at before its photos are, for the fuzzer.
pub(super) fn parsed(value: Value) -> Result<usize, InputError> {
    let nowhere = PathBuf::from("transforms.json");
    let file = File { value, roots: [nowhere.clone(), nowhere.clone()], path: nowhere.clone() };
    let original = file.original_frame()?;
    let mut poses = 0;
    for frame in file.value.get("frames").and_then(Value::as_array).into_iter().flatten() {
        file.camera(frame, &nowhere)?;
        let c2w = poses::rigid_json(frame.get("transform_matrix").unwrap_or(&Value::Null));
        poses += usize::from(c2w.is_ok_and(|c2w| original.pose(&opencv(&c2w)).rotation.coords.norm() > 0.5));
    }
    Ok(poses)
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_path_buf()
}

/// Camera-to-world with OpenGL axes to OpenCV axes: y and z of the camera turn around.
fn opencv(c2w: &Isometry3<f64>) -> Isometry3<f64> {
    c2w * UnitQuaternion::from_axis_angle(&Vector3::x_axis(), std::f64::consts::PI)
}

/// From the world of the file back to that of the poses it was made of.
struct Original {
    turn: Isometry3<f64>,
    scale: f64,
}

impl Original {
    fn pose(&self, c2w: &Isometry3<f64>) -> Isometry3<f64> {
        let center = Translation3::from(c2w.translation.vector / self.scale);
        self.turn * Isometry3::from_parts(center, c2w.rotation)
    }
}

struct File {
    path: PathBuf,
    value: Value,
    /// Folders that names of photos start from.
    roots: [PathBuf; 2],
}

impl File {
    /// `applied_transform` (first) and `applied_scale` (second), undone: scale and axes are those of the capture.
    fn original_frame(&self) -> Result<Original, InputError> {
        let turn = match self.value.get("applied_transform").filter(|v| !v.is_null()) {
            Some(m) => poses::rigid_json(m).map_err(|e| malformed(&self.path, format!("applied_transform: {e}")))?,
            None => Isometry3::identity(),
        };
        let scale = self.number(&Value::Null, "applied_scale")?.unwrap_or(1.0);
        if !(scale > 1e-9 && scale < 1e9) {
            return Err(malformed(&self.path, format!("applied_scale is {scale}")));
        }
        Ok(Original { turn: turn.inverse(), scale })
    }

    /// A number of a frame, else of the whole file; what is there but is no number is an error.
    fn number(&self, frame: &Value, key: &str) -> Result<Option<f64>, InputError> {
        let Some(value) = frame.get(key).or_else(|| self.value.get(key)) else { return Ok(None) };
        let number = value.as_f64().filter(|v| v.is_finite());
        number.map(Some).ok_or_else(|| malformed(&self.path, format!("{key} is {value}, not a number")))
    }

    fn text<'a>(&'a self, frame: &'a Value, key: &str) -> Option<&'a str> {
        frame.get(key).or_else(|| self.value.get(key)).and_then(Value::as_str)
    }

    /// The file of a photo: as named, with an extension, in a folder of smaller copies, or by its name alone.
    fn photo(&self, name: &str) -> Option<PathBuf> {
        let name = Path::new(name);
        let (folder, file) = (name.parent().unwrap_or(Path::new("")), Path::new(name.file_name()?));
        let mut places: Vec<PathBuf> = self.roots.iter().map(|r| r.join(folder)).collect();
        for end in SMALLER {
            let smaller = PathBuf::from(format!("{}{end}", folder.display()));
            places.extend(self.roots.iter().map(|r| r.join(&smaller)));
        }
        places.push(self.roots[0].clone());
        let named = |place: &PathBuf| {
            let exact = place.join(file);
            let with = |end: &str| PathBuf::from(format!("{}.{end}", exact.display()));
            let ends = PHOTO.iter().flat_map(|e| [with(e), with(&e.to_uppercase())]);
            std::iter::once(exact.clone()).chain(ends).find(|p| p.is_file())
        };
        places.iter().find_map(named)
    }

    fn item(&self, frame: &Value, path: PathBuf, c2w: Isometry3<f64>) -> Result<Item, InputError> {
        let (intrinsics, lens) = self.camera(frame, &path)?;
        let given = Given { intrinsics, lens, from: self.path.clone() };
        let scale = self.number(frame, "depth_unit_scale_factor")?.unwrap_or(0.001);
        let depth = frame.get("depth_file_path").and_then(Value::as_str).and_then(|name| {
            let found = self.roots.iter().map(|r| r.join(name)).find(|p| p.is_file())?;
            Some(SensorFile { path: found, unit: [scale; 2], camera: None })
        });
        Ok(Item { stem: stem_of(&path), path, given: Some(given), c2w: Some(c2w), depth })
    }

    fn camera(&self, frame: &Value, photo: &Path) -> Result<(Intrinsics, Lens), InputError> {
        let number = |key: &str| self.number(frame, key);
        let (w, h) = match (number("w")?, number("h")?) {
            (Some(w), Some(h)) => (w, h),
            _ => stored_size(photo).map(|(w, h)| (f64::from(w), f64::from(h)))?,
        };
        let wide = |angle: Option<f64>, side: f64| angle.map(|a| 0.5 * side / (0.5 * a).tan());
        let fx = number("fl_x")?.or(wide(number("camera_angle_x")?, w));
        let fy = number("fl_y")?.or(wide(number("camera_angle_y")?, h)).or(fx);
        let (Some(fx), Some(fy)) = (fx.or(fy), fy) else {
            return Err(malformed(&self.path, "it has neither fl_x nor camera_angle_x"));
        };
        let (cx, cy) = (number("cx")?.unwrap_or(0.5 * w), number("cy")?.unwrap_or(0.5 * h));
        let k = Intrinsics { width: w as u32, height: h as u32, fx, fy, cx, cy };
        if !k.is_plausible() {
            let reason = format!("fl_x {fx}, fl_y {fy}, cx {cx}, cy {cy} cannot be a camera of {w} x {h} pixels");
            return Err(malformed(&self.path, reason));
        }
        let lens = self.lens(frame)?;
        if !lens.is_plausible() {
            return Err(malformed(&self.path, "the distortion (k1, k2, ...) is not that of a lens"));
        }
        Ok((k, lens))
    }

    /// nerfstudio's `OPENCV` has three radial coefficients, `FULL_OPENCV` six, `OPENCV_FISHEYE` four.
    fn lens(&self, frame: &Value) -> Result<Lens, InputError> {
        let coefficient = |key: &str| self.number(frame, key).map(|v| v.unwrap_or(0.0));
        let mut k = [0.0; 6];
        for (i, k) in k.iter_mut().enumerate() {
            *k = coefficient(&format!("k{}", i + 1))?;
        }
        let p = [coefficient("p1")?, coefficient("p2")?];
        let fisheye = frame.get("is_fisheye").or_else(|| self.value.get("is_fisheye")).and_then(Value::as_bool);
        let model = self.text(frame, "camera_model").unwrap_or("OPENCV").to_uppercase();
        Ok(match model.as_str() {
            _ if fisheye == Some(true) => Lens::fisheye(&k[..4], [0.0; 2], [0.0; 2]),
            "PINHOLE" | "SIMPLE_PINHOLE" => Lens::Pinhole,
            "OPENCV" | "PERSPECTIVE" | "SIMPLE_RADIAL" | "RADIAL" => Lens::brown(&k[..3], p),
            "FULL_OPENCV" => Lens::brown(&k, p),
            "OPENCV_FISHEYE" | "FISHEYE" => Lens::fisheye(&k[..4], [0.0; 2], [0.0; 2]),
            _ => {
                let reason = format!("camera_model {model} is not read: undistort the photos to PINHOLE first");
                return Err(malformed(&self.path, reason));
            }
        })
    }
}
