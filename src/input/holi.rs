//! A Holi-Spatial result: what another pipeline made, to be reviewed. Splats (`point_cloud.ply`, or compressed), a mesh,
//! boxes in JSON, and where they are there, cameras (`cameras.json` of 3D Gaussian splatting) and the photos.

use super::found::{Found, Given, Item, PHOTO, files_in};
use super::poses::{read_json, rigid};
use super::{InputError, malformed};
use crate::scene::{Camera, Intrinsics, Lens, OrientedBox, Rle};
use nalgebra::{Isometry3, Point3, Vector3};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folders of a result, or of the dataset that it was made of, that hold photos.
const PHOTO_FOLDERS: [&str; 6] = ["images", "rgb", "color", "dense/rgb", "dslr/resized_undistorted_images", ""];

/// What the splats of a result may be called.
const SPLATS: [&str; 3] = ["point_cloud.ply", "point_cloud.compressed.ply", "point_cloud.spz"];

/// Masks of more pixels are of no photo.
const MOST_PIXELS: u64 = 100_000_000;

/// The files of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct HoliResult {
    /// 3D Gaussians.
    pub splats: PathBuf,
    /// The mesh, where there is one.
    pub mesh: Option<PathBuf>,
    /// Boxes with their labels, captions and masks.
    pub boxes: PathBuf,
    /// Cameras, where there are any.
    cameras: Option<PathBuf>,
    root: PathBuf,
}

/// An object of the box JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct HoliObject {
    /// Its `ins_id` where those are distinct numbers, else its place in the file, from 1.
    pub id: u32,
    /// What it is.
    pub label: String,
    /// A sentence about it; may be empty.
    pub caption: String,
    /// Score, where the file has one: the layout itself has none.
    pub score: Option<f64>,
    /// The box, in the world of the splats.
    pub obb: OrientedBox,
    /// Stems of the images that show it, each with its mask where it could be read.
    pub views: Vec<(String, Option<Rle>)>,
    /// Stem of the image whose mask scored highest.
    pub best_view: Option<String>,
}

impl HoliResult {
    /// The result that lies in a folder.
    pub fn find(root: &Path) -> Option<Self> {
        let inside = |folder: &Path, ends: &[&str]| files_in(folder, ends).unwrap_or_default();
        let trained = std::fs::read_dir(root.join("point_cloud")).into_iter().flatten().flatten().map(|e| e.path());
        let mut steps: Vec<(u64, PathBuf)> = trained
            .filter_map(|p| Some((p.file_name()?.to_str()?.strip_prefix("iteration_")?.parse().ok()?, p)))
            .collect();
        steps.sort();
        let places = std::iter::once(root.to_path_buf()).chain(steps.into_iter().rev().map(|s| s.1));
        let splats = places.flat_map(|p| SPLATS.map(|n| p.join(n))).find(|p| p.is_file())?;
        let mut jsons = inside(root, &["json"]);
        ["boxes", "json"].iter().for_each(|f| jsons.extend(inside(&root.join(f), &["json"])));
        let boxes = jsons.into_values().find(|p| objects_in(p).is_some())?;
        let named = [
            "mesh/tsdf_fusion_post.ply",
            "mesh/tsdf_fusion.ply",
            "tsdf_fusion_post.ply",
            "tsdf_fusion.ply",
            "mesh.ply",
        ];
        let mesh = named.iter().map(|n| root.join(n)).find(|p| p.is_file());
        let cameras = Some(root.join("cameras.json")).filter(|p| p.is_file());
        Some(Self { splats, mesh, boxes, cameras, root: root.to_path_buf() })
    }

    /// Reads the objects. One that has no usable box is left out and named in `warnings`.
    pub fn objects(&self, warnings: &mut Vec<String>) -> Result<Vec<HoliObject>, InputError> {
        let list = objects_in(&self.boxes).ok_or_else(|| malformed(&self.boxes, "it is not a list of boxes"))?;
        let own = |value: &Value| value.get("ins_id")?.as_str()?.parse().ok().filter(|id| *id > 0);
        let ids: BTreeSet<u32> = list.iter().filter_map(own).collect();
        let mut out = Vec::new();
        for (i, value) in list.iter().enumerate() {
            let place = u32::try_from(i + 1).unwrap_or(u32::MAX);
            match object(value) {
                Ok(object) if ids.len() == list.len() => {
                    out.push(HoliObject { id: own(value).unwrap_or(place), ..object });
                }
                Ok(object) => out.push(HoliObject { id: place, ..object }),
                Err(why) => warnings.push(format!("left out: object {i} of {}: {why}", self.boxes.display())),
            }
        }
        Ok(out)
    }

    /// Cameras by the stem of their image.
    fn cameras(&self) -> Result<BTreeMap<String, Camera>, InputError> {
        let Some(path) = &self.cameras else { return Ok(BTreeMap::new()) };
        let value = read_json(path)?;
        let list = value.as_array().ok_or_else(|| malformed(path, "it is not a list of cameras"))?;
        let each = list
            .iter()
            .enumerate()
            .map(|(i, c)| camera(c).ok_or_else(|| malformed(path, format!("camera {i} is not one"))));
        each.collect()
    }
}

pub(super) fn is_one(input: &Path) -> bool {
    HoliResult::find(input).is_some()
}

/// The photos that are there, with their cameras where those are known; none at all is fine.
pub(super) fn read(input: &Path) -> Result<Found, InputError> {
    let result = HoliResult::find(input).ok_or_else(|| InputError::Missing(input.into()))?;
    let cameras = result.cameras()?;
    let places = PHOTO_FOLDERS.iter().map(|f| result.root.join(f)).filter(|p| p.is_dir());
    let photos = places.map(|p| files_in(&p, &PHOTO)).find(|p| p.as_ref().is_ok_and(|p| !p.is_empty()));
    let mut warnings = Vec::new();
    let items: Vec<Item> = photos
        .transpose()?
        .unwrap_or_default()
        .into_iter()
        .filter(|(stem, _)| cameras.is_empty() || cameras.contains_key(stem))
        .map(|(stem, path)| {
            let camera = cameras.get(&stem);
            let from = result.cameras.clone().unwrap_or_default();
            let given = camera.map(|c| Given { intrinsics: c.intrinsics, lens: Lens::Pinhole, from });
            Item { path, stem, given, c2w: camera.map(|c| c.c2w), depth: None }
        })
        .collect();
    if items.is_empty() {
        warnings.push(format!("{} has no photos: boxes are shown in 3D only", input.display()));
    }
    Ok(Found { items, metric: true, least_photos: 0, warnings })
}

/// The entries of a box JSON; `None` where the file is none.
fn objects_in(path: &Path) -> Option<Vec<Value>> {
    let Value::Array(list) = read_json(path).ok()? else { return None };
    let is_box =
        |v: &Value| v.get("label").is_some() && (v.get("obb_transform").is_some() || v.get("bounding_box").is_some());
    list.first().is_some_and(is_box).then_some(list)
}

fn object(value: &Value) -> Result<HoliObject, String> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| value.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let label = text("label");
    if label.is_empty() {
        return Err("it has no label".into());
    }
    let obb = match turned_box(value) {
        Some(obb) => obb,
        None => corner_box(list("bounding_box")).ok_or("its box is not one")?,
    };
    // A mask lies in a folder of the name of its image.
    let stem = |path: &str| Some(stem_of_text(path.rsplit(['/', '\\']).nth(1)?));
    let masks = list("mask_encodings");
    let views = list("images").iter().enumerate().filter_map(|(i, path)| {
        let mask = masks.get(i).and_then(|m| serde_json::from_value::<Rle>(m.clone()).ok());
        let mask = mask.filter(|m| u64::from(m.width) * u64::from(m.height) <= MOST_PIXELS);
        Some((stem(path.as_str()?)?, mask))
    });
    let score =
        ["score", "confidence"].iter().find_map(|k| value.get(*k)?.as_f64()).filter(|s| (0.0..=1.0).contains(s));
    Ok(HoliObject {
        id: 0,
        caption: if text("description").is_empty() { text("caption") } else { text("description") },
        best_view: stem(&text("highest_confidence_mask")),
        views: views.collect(),
        label,
        score,
        obb,
    })
}

/// A folder's name, which may be a file name of the image.
fn stem_of_text(name: &str) -> String {
    let is_photo = |end: &str| PHOTO.contains(&end.to_lowercase().as_str());
    name.rsplit_once('.').filter(|(_, end)| is_photo(end)).map_or(name, |(stem, _)| stem).to_owned()
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Array(list) => Some(list.iter().map(numbers).collect::<Option<Vec<_>>>()?.concat()),
        number => number.as_f64().map(|v| vec![v]),
    }
}

/// Axes, which may be left-handed, and full lengths.
fn upright_handed(center: Point3<f64>, mut axes: [Vector3<f64>; 3], size: Vector3<f64>) -> Option<OrientedBox> {
    // A box is its own mirror image: turning one axis around changes nothing but the hand.
    if axes[0].cross(&axes[1]).dot(&axes[2]) < 0.0 {
        axes[2] = -axes[2];
    }
    let [x, y, z] = axes;
    let m = [x.x, y.x, z.x, center.x, x.y, y.y, z.y, center.y, x.z, y.z, z.z, center.z];
    let pose = rigid(&m).ok()?;
    let real = size.iter().all(|s| s.is_finite() && *s >= 0.0);
    real.then_some(OrientedBox { center, size, rotation: pose.rotation })
}

/// `obb_transform` (4x4, box to world) and `obb_extents`.
fn turned_box(value: &Value) -> Option<OrientedBox> {
    let m = numbers(value.get("obb_transform")?).filter(|m| m.len() == 16)?;
    let size = numbers(value.get("obb_extents")?).filter(|s| s.len() == 3)?;
    let axis = |i: usize| Vector3::new(m[i], m[4 + i], m[8 + i]);
    upright_handed(Point3::new(m[3], m[7], m[11]), [axis(0), axis(1), axis(2)], Vector3::new(size[0], size[1], size[2]))
}

/// Eight corners in the order of [`OrientedBox::corners`].
fn corner_box(corners: &[Value]) -> Option<OrientedBox> {
    let point = |v: &Value| Some(Vector3::new(v.get("x")?.as_f64()?, v.get("y")?.as_f64()?, v.get("z")?.as_f64()?));
    let p: Vec<Vector3<f64>> = corners.iter().map(point).collect::<Option<_>>()?;
    if p.len() != 8 {
        return None;
    }
    let center = Point3::from(p.iter().sum::<Vector3<f64>>() / 8.0);
    let edges = [4, 2, 1].map(|i| p[i] - p[0]);
    let size = Vector3::new(edges[0].norm(), edges[1].norm(), edges[2].norm());
    let axes = edges.map(|e| e.try_normalize(1e-9));
    upright_handed(center, [axes[0]?, axes[1]?, axes[2]?], size)
}

/// A camera of `cameras.json`: `position` and `rotation` are camera-to-world, OpenCV axes; the principal point is the
/// middle of the image.
fn camera(value: &Value) -> Option<(String, Camera)> {
    let number = |key: &str| value.get(key)?.as_f64().filter(|v| v.is_finite());
    let (w, h) = (number("width")?, number("height")?);
    let intrinsics = Intrinsics {
        width: w as u32,
        height: h as u32,
        fx: number("fx")?,
        fy: number("fy")?,
        cx: 0.5 * w,
        cy: 0.5 * h,
    };
    let r = numbers(value.get("rotation")?).filter(|r| r.len() == 9)?;
    let t = numbers(value.get("position")?).filter(|t| t.len() == 3)?;
    let rows = [0, 1, 2].map(|i| [r[3 * i], r[3 * i + 1], r[3 * i + 2], t[i]]).concat();
    let c2w: Isometry3<f64> = rigid(&rows).ok()?;
    let name = stem_of_text(value.get("img_name")?.as_str()?.rsplit('/').next()?);
    intrinsics.is_plausible().then_some((name, Camera { intrinsics, c2w }))
}
