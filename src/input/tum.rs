//! TUM RGB-D (Sturm et al. 2012): `rgb.txt`, `depth.txt` and `groundtruth.txt`, matched by time.

use super::found::{Found, Given, Item, SensorFile, TWO_PHOTOS, left_out, stem_of};
use super::{InputError, malformed, poses, read_text};
use crate::scene::{Intrinsics, Lens};
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};
use std::path::{Path, PathBuf};

/// Longest time between a photo and its depth, seconds: that of the benchmark's own `associate.py`.
const DEPTH_TOLERANCE: f64 = 0.02;

/// Longest time between two given poses that a photo's is interpolated from, seconds.
const POSE_GAP: f64 = 0.2;

/// Metres that 1 stands for in a depth PNG.
const UNIT: f64 = 1.0 / 5000.0;

/// The benchmark's calibration of its three colour cameras, 640 x 480: fx fy cx cy, then k1 k2 p1 p2 k3.
const CALIBRATED: [(&str, [f64; 4], [f64; 5]); 3] = [
    ("1", [517.3, 516.5, 318.6, 255.3], [0.2624, -0.9531, -0.0054, 0.0026, 1.1633]),
    ("2", [520.9, 521.0, 325.1, 249.7], [0.2312, -0.7849, -0.0033, -0.0001, 0.9172]),
    ("3", [535.4, 539.2, 320.1, 247.6], [0.0; 5]),
];

pub(super) fn is_one(input: &Path) -> bool {
    input.join("rgb.txt").is_file()
}

/// Lines of a time and something else, in order of time; comments and empty lines do not count.
fn timed<'a>(path: &Path, text: &'a str) -> Result<Vec<(f64, &'a str)>, InputError> {
    let mut out = Vec::new();
    for (i, line) in text.lines().map(str::trim).enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
        let split = line.split_once(|c: char| c.is_whitespace() || c == ',');
        let time = split.and_then(|(t, rest)| Some((t.parse::<f64>().ok().filter(|t| t.is_finite())?, rest.trim())));
        out.push(time.ok_or_else(|| malformed(path, format!("line {}: it does not begin with a time", i + 1)))?);
    }
    out.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(out)
}

/// The entry nearest to a time, within the tolerance.
fn nearest<T>(entries: &[(f64, T)], time: f64, tolerance: f64) -> Option<&T> {
    let after = entries.partition_point(|e| e.0 < time);
    let around = entries[after.saturating_sub(1)..].iter().take(2);
    let best = around.min_by(|a, b| (a.0 - time).abs().total_cmp(&(b.0 - time).abs()))?;
    ((best.0 - time).abs() <= tolerance).then_some(&best.1)
}

/// The pose at a time: between the poses before and after it, straight and at an even turn.
fn pose_at(poses: &[(f64, Isometry3<f64>)], time: f64) -> Option<Isometry3<f64>> {
    let after = poses.partition_point(|p| p.0 < time);
    let (b, a) = (poses.get(after), after.checked_sub(1).and_then(|i| poses.get(i)));
    match (a, b) {
        (_, Some(b)) if b.0 == time => Some(b.1),
        (Some(a), Some(b)) if b.0 - a.0 <= POSE_GAP => {
            let t = (time - a.0) / (b.0 - a.0);
            a.1.try_lerp_slerp(&b.1, t, 1e-9)
        }
        _ => None,
    }
}

/// The poses of a `groundtruth.txt` in order of time.
pub(super) fn trajectory(path: &Path, text: &str) -> Result<Vec<(f64, Isometry3<f64>)>, InputError> {
    let mut out = Vec::new();
    for (time, rest) in timed(path, text)? {
        let numbers: Vec<f64> = rest.split_whitespace().map_while(|w| w.parse().ok()).collect();
        let [x, y, z, qx, qy, qz, qw] = numbers[..] else {
            return Err(malformed(path, format!("the line of time {time} is not tx ty tz qx qy qz qw")));
        };
        let q = UnitQuaternion::try_new(Quaternion::new(qw, qx, qy, qz), 1e-6);
        match q.filter(|q| [x, y, z].iter().all(|v| v.is_finite()) && q.coords.iter().all(|v| v.is_finite())) {
            Some(q) => out.push((time, Isometry3::from_parts(Translation3::new(x, y, z), q))),
            None => return Err(malformed(path, format!("the pose of time {time} is not one"))),
        }
    }
    Ok(out)
}

/// The camera: from `intrinsics.json`, else as calibrated for the sequence that the folder is named after.
fn camera(input: &Path) -> Result<Option<Given>, InputError> {
    let file = input.join("intrinsics.json");
    if file.is_file() {
        return Ok(Some(Given { intrinsics: poses::intrinsics(&file)?, lens: Lens::Pinhole, from: file }));
    }
    let full = std::fs::canonicalize(input).unwrap_or_else(|_| input.to_path_buf());
    let name = full.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let is = |n: &str| name.contains(&format!("freiburg{n}")) || name.contains(&format!("fr{n}"));
    Ok(CALIBRATED.iter().find(|(n, ..)| is(n)).map(|(_, [fx, fy, cx, cy], [k1, k2, p1, p2, k3])| Given {
        intrinsics: Intrinsics { width: 640, height: 480, fx: *fx, fy: *fy, cx: *cx, cy: *cy },
        lens: Lens::brown(&[*k1, *k2, *k3], [*p1, *p2]),
        from: input.join("rgb.txt"),
    }))
}

pub(super) fn read(input: &Path) -> Result<Found, InputError> {
    let given = camera(input)?;
    let at = |name: &str| input.join(name);
    let rgb = read_text(&at("rgb.txt"))?;
    let depth = if at("depth.txt").is_file() { read_text(&at("depth.txt"))? } else { String::new() };
    let depths: Vec<(f64, PathBuf)> =
        timed(&at("depth.txt"), &depth)?.into_iter().map(|(t, name)| (t, at(name))).filter(|d| d.1.is_file()).collect();
    let truth = at("groundtruth.txt");
    let poses = if truth.is_file() { Some(trajectory(&truth, &read_text(&truth)?)?) } else { None };
    let (mut items, mut missing, mut no_pose, mut warnings) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (time, name) in timed(&at("rgb.txt"), &rgb)? {
        let path = at(name);
        let c2w = poses.as_ref().and_then(|poses| pose_at(poses, time));
        if !path.is_file() {
            missing.push(name.to_owned());
        } else if poses.is_some() && c2w.is_none() {
            no_pose.push(name.to_owned());
        } else {
            let sensor = nearest(&depths, time, DEPTH_TOLERANCE);
            let depth = sensor.map(|p| SensorFile { path: p.clone(), unit: [UNIT, 1.0], camera: None });
            items.push(Item { stem: stem_of(&path), path, given: given.clone(), c2w, depth });
        }
    }
    left_out(&missing, &format!("photos of {} are not there", at("rgb.txt").display()), &mut warnings);
    left_out(
        &no_pose,
        &format!("photos have no pose near their time in {}", at("groundtruth.txt").display()),
        &mut warnings,
    );
    let mut seen = std::collections::BTreeSet::new();
    items.retain(|i| seen.insert(i.stem.clone()));
    Ok(Found { items, metric: poses.is_some(), least_photos: TWO_PHOTOS, warnings })
}
