//! ScanNet (Dai et al. 2017) as its reader exports it: `color/`, `pose/STEM.txt` (camera-to-world, metres),
//! `intrinsic/`, `depth/STEM.png` (millimetres).

use super::found::{Found, Given, Item, PHOTO, SensorFile, TWO_PHOTOS, files_in, left_out, stored_size};
use super::{InputError, list, malformed, poses, read_text};
use crate::scene::{Intrinsics, Lens};
use std::path::{Path, PathBuf};

/// Size of the photos that `intrinsic_color.txt` is for; the export may have made them smaller.
const FULL: (u32, u32) = (1296, 968);

pub(super) fn is_one(input: &Path) -> bool {
    ["color", "pose"].iter().all(|f| input.join(f).is_dir())
}

/// Numbers of a text file, apart by white space; `nan` and `inf` are numbers too.
fn numbers(path: &Path) -> Result<Vec<f64>, InputError> {
    let text = read_text(path)?;
    let parsed = text.split_whitespace().map(|w| w.parse().map_err(|_| malformed(path, format!("{w:?} is no number"))));
    parsed.collect()
}

/// The camera of a 4x4 or 3x3 matrix.
fn camera(path: &Path, (width, height): (u32, u32)) -> Result<Intrinsics, InputError> {
    let m = numbers(path)?;
    let side = match m.len() {
        16 => 4,
        9 => 3,
        n => return Err(malformed(path, format!("a 4x4 matrix was expected, there are {n} numbers"))),
    };
    let k = Intrinsics { width, height, fx: m[0], fy: m[side + 1], cx: m[2], cy: m[side + 2] };
    if k.is_plausible() {
        return Ok(k);
    }
    let Intrinsics { fx, fy, cx, cy, .. } = k;
    Err(malformed(path, format!("fx {fx}, fy {fy}, cx {cx}, cy {cy} cannot be a camera of {width} x {height} pixels")))
}

/// The intrinsics file of `color` or `depth`, in `intrinsic/` or beside the folders.
fn intrinsic_file(input: &Path, of: &str) -> Option<PathBuf> {
    let name = format!("intrinsic_{of}.txt");
    [input.join("intrinsic").join(&name), input.join(&name)].into_iter().find(|p| p.is_file())
}

pub(super) fn read(input: &Path) -> Result<Found, InputError> {
    let photos = files_in(&input.join("color"), &PHOTO)?;
    let depths =
        if input.join("depth").is_dir() { files_in(&input.join("depth"), &["png"])? } else { Default::default() };
    let given = match (intrinsic_file(input, "color"), photos.values().next()) {
        (Some(from), Some(first)) => Some(color_camera(from, stored_size(first)?)?),
        _ => None,
    };
    let sensor = match (intrinsic_file(input, "depth"), depths.values().next()) {
        (Some(from), Some(first)) => Some(camera(&from, stored_size(first)?)?),
        _ => None,
    };
    let (mut items, mut no_pose, mut bad, mut warnings) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (stem, path) in photos {
        let pose = input.join("pose").join(format!("{stem}.txt"));
        if !pose.is_file() {
            no_pose.push(stem);
            continue;
        }
        let Ok(c2w) = poses::rigid(&numbers(&pose)?) else {
            bad.push(stem);
            continue;
        };
        let sensor_file = |path: &PathBuf| SensorFile { path: path.clone(), unit: [0.001, 1.0], camera: sensor };
        let depth = depths.get(&stem).map(sensor_file);
        items.push(Item { path, stem, given: given.clone(), c2w: Some(c2w), depth });
    }
    let at = input.join("pose");
    left_out(&no_pose, &format!("photos have no pose in {}", at.display()), &mut warnings);
    left_out(&bad, &format!("poses in {} are not finite, or no poses", at.display()), &mut warnings);
    items.sort_by(|a, b| list::natural(&a.stem, &b.stem));
    Ok(Found { items, metric: true, least_photos: TWO_PHOTOS, warnings })
}

fn color_camera(from: PathBuf, size: (u32, u32)) -> Result<Given, InputError> {
    let own = camera(&from, size);
    // The principal point tells which size the numbers are for.
    let is_own = |k: &Intrinsics| (0.75..1.34).contains(&(2.0 * k.cx / f64::from(size.0)));
    let intrinsics = match own {
        Ok(k) if is_own(&k) => k,
        _ => camera(&from, FULL)?,
    };
    Ok(Given { intrinsics, lens: Lens::Pinhole, from })
}
