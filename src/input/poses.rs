//! `poses.json` and `intrinsics.json`, as `shared/CONTRACT.md` lays them out.

use super::{InputError, malformed, read_text};
use crate::scene::Intrinsics;
use nalgebra::{Isometry3, Matrix3, Rotation3, Translation3, UnitQuaternion, Vector3};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How far a rotation matrix may be from a rotation (largest entry of R^T R - I) and still be taken for a rounded one.
const DRIFT: f64 = 0.02;

/// What a `poses.json` says.
#[derive(Clone, Debug)]
pub(crate) struct PosesFile {
    pub(crate) path: PathBuf,
    pub(crate) intrinsics: Intrinsics,
    /// Camera-to-world by stem.
    pub(crate) c2w: BTreeMap<String, Isometry3<f64>>,
    /// Frames that were left out, and why.
    pub(crate) warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Frames {
    frames: Vec<PosedFrame>,
}

#[derive(Deserialize)]
struct PosedFrame {
    file: String,
    c2w: serde_json::Value,
}

/// Reads JSON, with NaN and Infinity of Python as null.
pub(crate) fn read_json(path: &Path) -> Result<serde_json::Value, InputError> {
    parse_json(&read_text(path)?).map_err(|e| malformed(path, e))
}

/// See [`read_json`].
pub(super) fn parse_json(text: &str) -> serde_json::Result<serde_json::Value> {
    serde_json::from_str(&without_nan(text, "null"))
}

/// Python writes NaN and Infinity, which are not JSON: outside of strings something else takes their place, and one bad
/// number does not cost the whole file.
pub(crate) fn without_nan(text: &str, instead: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, part) in text.split('"').enumerate() {
        // Names with an escaped quote fall out of step, which only spares them the replacement.
        if i > 0 {
            out.push('"');
        }
        if i % 2 == 0 && (part.contains("NaN") || part.contains("Infinity")) {
            let part = part.replace("-Infinity", instead).replace("Infinity", instead);
            out.push_str(&part.replace("NaN", instead));
        } else {
            out.push_str(part);
        }
    }
    out
}

/// Reads an `intrinsics.json`; numbers that cannot be a camera's are an error.
pub(crate) fn intrinsics(path: &Path) -> Result<Intrinsics, InputError> {
    checked(path, read_json(path)?)
}

fn checked(path: &Path, value: serde_json::Value) -> Result<Intrinsics, InputError> {
    let k: Intrinsics = serde_json::from_value(value)
        .map_err(|e| malformed(path, format!("width, height, fx, fy, cx and cy are not all there ({e})")))?;
    if !k.is_plausible() {
        let Intrinsics { width, height, fx, fy, cx, cy } = k;
        let reason = format!("fx {fx}, fy {fy}, cx {cx}, cy {cy} cannot be a camera of {width} x {height} pixels");
        return Err(malformed(path, reason));
    }
    Ok(k)
}

/// Reads a `poses.json`. Frames whose matrix is not a pose are left out with a warning.
pub(crate) fn read(path: &Path) -> Result<PosesFile, InputError> {
    let value = read_json(path)?;
    let frames: Frames = Frames::deserialize(&value).map_err(|e| malformed(path, e))?;
    let intrinsics = checked(path, value)?;
    let (mut c2w, mut warnings) = (BTreeMap::new(), Vec::new());
    for frame in frames.frames {
        let name = stem(&frame.file);
        match rigid_json(&frame.c2w) {
            Err(reason) => warnings.push(format!("{}: the pose of {name} is not used: {reason}", path.display())),
            Ok(_) if c2w.contains_key(&name) => {
                warnings.push(format!("{} has more than one pose for {name}: the first is used", path.display()));
            }
            Ok(pose) => {
                c2w.insert(name, pose);
            }
        }
    }
    Ok(PosesFile { path: path.into(), intrinsics, c2w, warnings })
}

/// The file says the stem; a file name, or a path with one, is understood too.
fn stem(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    match name.rsplit_once('.') {
        Some((stem, end)) if ["jpg", "jpeg", "png"].contains(&end.to_lowercase().as_str()) => stem.into(),
        _ => name.into(),
    }
}

/// A matrix of a JSON file as a rigid motion, see [`rigid`].
pub(super) fn rigid_json(value: &serde_json::Value) -> Result<Isometry3<f64>, String> {
    let rows: Vec<Vec<Option<f64>>> = serde_json::from_value(value.clone()).map_err(|_| "it is not a 4x4 matrix")?;
    if !matches!(rows.len(), 3 | 4) || rows.iter().any(|r| r.len() != 4) {
        return Err("it is not a 4x4 matrix".into());
    }
    rigid(&rows.concat().into_iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<f64>>())
}

/// A 4x4 (or 3x4) row-major matrix as a rigid motion; small drift of its rotation is taken out (nearest rotation by
/// SVD, Arun et al. 1987).
pub(super) fn rigid(m: &[f64]) -> Result<Isometry3<f64>, String> {
    if !matches!(m.len(), 12 | 16) {
        return Err("it is not a 4x4 matrix".into());
    }
    if m.iter().any(|v| !v.is_finite()) {
        return Err("it holds a number that is not finite".into());
    }
    if m.get(12..16).is_some_and(|last| (0..4).any(|i| (last[i] - f64::from(i == 3)).abs() > 1e-6)) {
        return Err("its last row is not 0 0 0 1".into());
    }
    let r = Matrix3::from_fn(|i, j| m[4 * i + j]);
    if !((r.transpose() * r - Matrix3::identity()).amax() <= DRIFT && r.determinant() > 0.0) {
        return Err("its rotation is not a rotation".into());
    }
    let svd = r.svd(true, true);
    let (Some(u), Some(vt)) = (svd.u, svd.v_t) else { return Err("its rotation is not a rotation".into()) };
    let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(u * vt));
    Ok(Isometry3::from_parts(Translation3::from(Vector3::new(m[3], m[7], m[11])), rotation))
}
