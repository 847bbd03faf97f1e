//! Depth that was not computed here: `--depth DIR`, what another program predicted; and what a sensor measured.

use crate::geometry::dense::{DenseDepth, dense_depth};
use crate::geometry::depth_fit::{self, DepthFit, DepthKind};
use crate::input::depth_file;
use crate::pipeline::run::{Bench, RunError};
use crate::scene::{Capture, DepthMap, Intrinsics, Job, Sparse};
use rayon::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};

/// How far predicted depth is trusted: as measured, but below agreement of many views.
const PREDICTED: f32 = 0.75;

/// How far sensor depth is trusted.
const MEASURED: f32 = 0.9;

/// Neighbouring depths further apart than this, relatively, lie on two sides of an edge.
const EDGE: f32 = 0.05;

/// How far, relatively, a sensor may be from the points of a photo, or from given poses in metres, at the median.
const SENSOR_TOLERANCE: f64 = 0.1;

/// Depth of the registered frames, in the units of the sparse points.
pub(super) struct Given {
    pub(super) depths: Vec<DenseDepth>,
    /// Metres in a unit of the sparse points, where a sensor tells.
    pub(super) metres_per_unit: Option<f64>,
}

/// Where the files of `--depth DIR` lie: in it, or in `depth_da3/` or `depth/` of it.
pub(super) fn place(folder: &Path) -> PathBuf {
    let holds_depth = |place: &PathBuf| {
        let files = std::fs::read_dir(place).into_iter().flatten().flatten();
        let end = |p: PathBuf| p.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        files.map(|f| end(f.path())).any(|e| depth_file::ENDS.contains(&e.as_str()))
    };
    let places = [folder.to_path_buf(), folder.join("depth_da3"), folder.join("depth")];
    places.into_iter().find(holds_depth).unwrap_or_else(|| folder.to_path_buf())
}

/// Depth of the registered frames: as `--depth` gives it, else as a sensor measured it, its holes filled from many
/// views, else from many views alone.
pub(super) fn depths(
    bench: &mut Bench,
    capture: &Capture,
    sparse: &Sparse,
    frames: &[usize],
) -> Result<Given, RunError> {
    let sensor = sensor(bench.job, capture, sparse, frames);
    if let Some(folder) = bench.options.depth.clone() {
        let (depths, figure) = predicted(&place(&folder), capture, sparse, frames, bench.options.seed, bench.job)?;
        bench.figure("given_depth", figure);
        return Ok(Given { depths, metres_per_unit: sensor.map(|s| s.0) });
    }
    let posed = super::geometry::views(capture, sparse, frames);
    let points = super::geometry::points_by_view(sparse, frames);
    let mut depths = dense_depth(&posed, &points, bench.options.seed, bench.job)?;
    let Some((metres_per_unit, maps)) = sensor else { return Ok(Given { depths, metres_per_unit: None }) };
    for (dense, map) in depths.iter_mut().zip(maps) {
        let Some(map) = map else { continue };
        for (i, metres) in map.data.iter().enumerate().filter(|(_, d)| **d > 0.0) {
            dense.depth.data[i] = metres / metres_per_unit as f32;
            dense.confidence[i] = MEASURED;
        }
    }
    bench.figure("sensor_metres_per_unit", json!(super::geometry::round(metres_per_unit)));
    Ok(Given { depths, metres_per_unit: Some(metres_per_unit) })
}

/// Metres in a unit of the sparse points (the median ratio over all points that a sensor saw), and the maps of the
/// frames that agree with it; `None` where no frame has any.
fn sensor<'a>(
    job: &dyn Job,
    capture: &'a Capture,
    sparse: &Sparse,
    frames: &[usize],
) -> Option<(f64, Vec<Option<&'a DepthMap>>)> {
    let maps: Vec<Option<&DepthMap>> = frames.iter().map(|f| capture.frames[*f].sensor_depth.as_deref()).collect();
    let ratios_of = |(frame, map): (&usize, &Option<&DepthMap>)| -> Vec<f64> {
        map.map_or_else(Vec::new, |map| pairs(map, sparse, *frame).iter().map(|(metres, z)| metres / z).collect())
    };
    let ratios: Vec<Vec<f64>> = frames.iter().zip(&maps).map(ratios_of).collect();
    let known = maps.iter().flatten().count();
    let scale = median(ratios.concat()).filter(|_| ratios.iter().map(Vec::len).sum::<usize>() >= depth_fit::FEWEST);
    let Some(scale) = scale else {
        if known > 0 {
            job.warn("sensor depth is not used: too few points of the photos have any".into());
        }
        return None;
    };
    let fits = |ratios: &Vec<f64>| median(ratios.clone()).is_none_or(|r| (r / scale - 1.0).abs() < SENSOR_TOLERANCE);
    let kept: Vec<_> = maps.into_iter().zip(&ratios).map(|(map, r)| map.filter(|_| fits(r))).collect();
    let left = known - kept.iter().flatten().count();
    if left > 0 {
        job.warn(format!("sensor depth of {left} of {known} photos does not fit their points: it is not used"));
    }
    if capture.has_poses() && capture.metric && (scale - 1.0).abs() > SENSOR_TOLERANCE {
        job.warn(format!("the given poses are in metres, but a sensor's metre is {:.3} of theirs", 1.0 / scale));
    }
    Some((scale, kept))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Depth in a map and depth of the point, where a frame sees one.
fn pairs(map: &DepthMap, sparse: &Sparse, frame: usize) -> Vec<(f64, f64)> {
    let Some(camera) = sparse.cameras[frame].as_ref() else { return Vec::new() };
    let pair = |p: &crate::scene::SparsePoint| {
        let (_, [u, v]) = *p.track.iter().find(|(f, _)| *f == frame)?;
        let given = f64::from(map.at(u.floor() as i64, v.floor() as i64));
        let (_, _, z) = camera.project(&p.position)?;
        (given > 0.0).then_some((given, z))
    };
    sparse.points.iter().filter_map(pair).collect()
}

/// Reads `DIR/STEM.npy`, `.npz`, `.exr` (any unit) or `.png` (16-bit) for every registered frame, for the photos as they
/// are in `images/` of the scene folder, at any size of their shape, and brings each to the sparse points
/// ([`depth_fit`]). Frames without a usable file stay unknown. Also gives the figures of the fit.
fn predicted(
    folder: &Path,
    capture: &Capture,
    sparse: &Sparse,
    frames: &[usize],
    seed: u64,
    job: &dyn Job,
) -> Result<(Vec<DenseDepth>, serde_json::Value), RunError> {
    let mut maps = Vec::with_capacity(frames.len());
    let mut first_error = None;
    for some in frames.chunks(2 * rayon::current_num_threads()) {
        job.tick(maps.len(), frames.len())?;
        let read = |frame: &usize| read_one(folder, &capture.frames[*frame].stem, &capture.frames[*frame].intrinsics);
        maps.extend(some.par_iter().map(read).collect::<Vec<_>>().into_iter().map(|map| match map {
            Ok(map) => map,
            Err(e) => {
                job.warn(format!("--depth: {e}"));
                first_error.get_or_insert(e);
                None
            }
        }));
    }
    let samples: Vec<Vec<(f64, f64)>> = frames
        .iter()
        .zip(&maps)
        .map(|(frame, map)| map.as_ref().map_or_else(Vec::new, |map| pairs(map, sparse, *frame)))
        .collect();
    let Some(kind) = depth_fit::kind_of(&samples, seed) else {
        let why = first_error.unwrap_or_else(|| {
            format!("{} has no usable depth map (STEM.npy, .npz, .exr or 16-bit .png)", folder.display())
        });
        return Err(RunError::Option(format!("--depth: {why}")));
    };
    let fits: Vec<Option<DepthFit>> =
        samples.par_iter().enumerate().map(|(i, pairs)| DepthFit::of(kind, pairs, seed ^ i as u64)).collect();
    let missing = fits.iter().filter(|f| f.is_none()).count();
    if missing > 0 {
        job.warn(format!("--depth: {missing} of {} photos have no usable depth map", frames.len()));
    }
    let residuals = fits.iter().flatten().map(|f| f.residual).collect();
    let figure = json!({
        "kind": kind.name(),
        "photos": frames.len() - missing,
        "median_relative_residual": median(residuals).map(super::geometry::round),
    });
    let farthest = 3.0 * samples.iter().flatten().map(|(_, z)| *z).fold(0.0, f64::max);
    let depths = frames.iter().zip(maps).zip(fits).map(|((frame, map), fit)| {
        let k = &capture.frames[*frame].intrinsics;
        let map = map.zip(fit).map(|(map, fit)| fitted(map, &fit, farthest));
        let depth = map.unwrap_or_else(|| DepthMap::unknown(k.width, k.height));
        let confidence = depth.data.iter().map(|d| if *d > 0.0 { PREDICTED } else { 0.0 }).collect();
        DenseDepth { depth, confidence }
    });
    Ok((depths.collect(), figure))
}

/// A map on the scale of the points. Inverse depth near zero is nowhere: beyond `farthest` depth is unknown.
fn fitted(mut map: DepthMap, fit: &DepthFit, farthest: f64) -> DepthMap {
    let limit = if fit.kind == DepthKind::Inverse { farthest } else { f64::INFINITY };
    for d in map.data.iter_mut().filter(|d| **d > 0.0) {
        *d = fit.depth(f64::from(*d)).filter(|z| *z < limit).map_or(0.0, |z| z as f32);
    }
    map
}

/// The map of a photo at its size; `None` where there is no file.
fn read_one(folder: &Path, stem: &str, camera: &Intrinsics) -> Result<Option<DepthMap>, String> {
    let files = depth_file::ENDS.iter().map(|end| folder.join(format!("{stem}.{end}")));
    let Some(path) = files.into_iter().find(|p| p.is_file()) else { return Ok(None) };
    let map = depth_file::read(&path, [0.001, 1.0]).map_err(|e| e.to_string())?;
    // Networks work on multiples of 14 or 16 pixels, which changes the shape a little.
    let shape = f64::from(map.width) * f64::from(camera.height) / (f64::from(map.height) * f64::from(camera.width));
    if !((shape - 1.0).abs() < 0.04) {
        let (w, h) = (camera.width, camera.height);
        return Err(format!("{} is {} x {}, its photo {w} x {h}", path.display(), map.width, map.height));
    }
    Ok(Some(resized(&map, camera.width, camera.height)))
}

/// A map of another size: linear between pixels of one surface, the nearest pixel elsewhere.
fn resized(map: &DepthMap, width: u32, height: u32) -> DepthMap {
    if (map.width, map.height) == (width, height) {
        return map.clone();
    }
    let mut out = DepthMap::unknown(width, height);
    let (sx, sy) = (f64::from(map.width) / f64::from(width), f64::from(map.height) / f64::from(height));
    for (i, d) in out.data.iter_mut().enumerate() {
        let (x, y) = ((i % width as usize) as f64, (i / width as usize) as f64);
        let (u, v) = ((x + 0.5) * sx - 0.5, (y + 0.5) * sy - 0.5);
        let clamp = |a: f64, n: u32| (a as i64).clamp(0, i64::from(n) - 1);
        let at = |dx: f64, dy: f64| map.at(clamp(u.floor() + dx, map.width), clamp(v.floor() + dy, map.height));
        let corners = [at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0), at(1.0, 1.0)];
        let (least, most) = corners.iter().fold((f32::MAX, 0f32), |(a, b), c| (a.min(*c), b.max(*c)));
        *d = if least > 0.0 && most < least * (1.0 + EDGE) {
            let (a, b) = ((u - u.floor()) as f32, (v - v.floor()) as f32);
            let row = |k: usize| corners[k] * (1.0 - a) + corners[k + 1] * a;
            row(0) * (1.0 - b) + row(2) * b
        } else {
            map.at(clamp(u.round(), map.width), clamp(v.round(), map.height))
        };
    }
    out
}

#[cfg(test)]
mod tests;
