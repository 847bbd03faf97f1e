//! Metrics against ground truth: cameras, depth, boxes, masks, views held out. Each metric carries its definition.

mod boxes;
mod cameras;
mod depth;
mod masks;
mod objects;
mod report;
#[cfg(test)]
mod tests;
mod truth;

pub use objects::{Found, Matching, Outcome, TrueObject, TrueObjects, true_objects};
pub use report::{Metric, ObjectScore, Report};

use crate::input::InputError;
use crate::scene::folder::{FolderError, SceneFolder, SceneMeta};
use crate::scene::{Camera, Cancelled, Job, Similarity, Sparse};
use nalgebra::{Isometry3, Matrix3, Rotation3, UnitQuaternion, Vector3};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use truth::Truth;

/// Renders a camera: row-major RGB from 0 to 1, `width * height` of it; `None` where there is nothing to render.
pub type Renderer<'a> = &'a dyn Fn(&Camera) -> Option<Vec<[f32; 3]>>;

/// What can go wrong with an evaluation. Each message names the file.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// No ground truth where it should be.
    #[error("{0} holds no ground truth: none of poses.json, depth/, instance/ and boxes.json is there")]
    NoTruth(PathBuf),
    /// No boxes to compare instances with.
    #[error("{0} has no boxes.json: there are no true objects to compare with")]
    NoBoxes(PathBuf),
    /// The scene cannot be laid over the truth.
    #[error("{0} cannot be laid over the ground truth: fewer than three of its cameras have a true pose")]
    NotAligned(PathBuf),
    /// A file of the scene.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file of the ground truth.
    #[error(transparent)]
    Truth(#[from] InputError),
    /// The user cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// One image of the ground truth, and what the scene and the truth say of its camera.
struct View {
    stem: String,
    camera: Option<Camera>,
    truth: Option<Isometry3<f64>>,
}

/// Runs over the views in parallel, a few at a time, so that progress and cancel come from the calling thread.
struct Progress<'a> {
    job: &'a dyn Job,
    done: usize,
    total: usize,
}

impl Progress<'_> {
    fn each<T: Send>(
        &mut self,
        views: &[View],
        f: impl Fn(&View) -> Result<T, EvalError> + Sync,
    ) -> Result<Vec<T>, EvalError> {
        let mut out = Vec::with_capacity(views.len());
        for some in views.chunks(2 * rayon::current_num_threads()) {
            self.job.tick(self.done, self.total)?;
            let part: Result<Vec<T>, EvalError> = some.par_iter().map(&f).collect();
            out.extend(part?);
            self.done += some.len();
        }
        Ok(out)
    }
}

/// Scores a scene against a folder of ground truth (any of `poses.json`, `depth/`, `instance/`, `boxes.json`). Parts that
/// are not there are skipped and named in [`Report::notes`]. Distances are in the units of the ground truth (metres),
/// after a similarity alignment of the camera centres.
pub fn evaluate(scene: &SceneFolder, gt: &Path, render: Renderer, job: &dyn Job) -> Result<Report, EvalError> {
    let truth = Truth::open(gt)?;
    let meta = scene.read_meta()?;
    let mut report = Report::new(scene.root(), gt);
    let sparse = if scene.root().join("sparse/0").is_dir() {
        scene.read_sparse(&meta.images)?
    } else {
        report.note("the scene has no cameras (sparse/0)");
        Sparse { cameras: vec![None; meta.images.len()], ..Sparse::default() }
    };
    let views = views(&meta, &sparse, &truth);
    let mut progress = Progress { job, done: 0, total: 2 * views.len() + meta.held_out.len() };
    let alignment = align(&meta, &truth, &views, &mut report);
    if let Some(alignment) = &alignment {
        if truth.has_depth {
            depth::score(scene, &truth, &views, alignment.scale, &mut progress, &mut report)?;
        } else {
            report.note("no depth/ in the ground truth: depth is not scored");
        }
    }
    score_objects(scene, &truth, &views, alignment.as_ref(), &mut progress, &mut report)?;
    score_held_out(scene, &meta, &sparse, render, &mut progress, &mut report)?;
    job.tick(progress.total, progress.total)?;
    Ok(report)
}

fn stem_of(name: &str) -> String {
    Path::new(name).file_stem().map_or_else(|| name.to_string(), |s| s.to_string_lossy().into_owned())
}

/// One view per image of the ground truth's poses, or of the scene where there are none.
fn views(meta: &SceneMeta, sparse: &Sparse, truth: &Truth) -> Vec<View> {
    let cameras: BTreeMap<String, Option<Camera>> =
        meta.images.iter().zip(&sparse.cameras).map(|(name, camera)| (stem_of(name), *camera)).collect();
    match &truth.poses {
        Some(poses) => {
            let view = |(stem, c2w): (&String, &Isometry3<f64>)| View {
                stem: stem.clone(),
                camera: cameras.get(stem).copied().flatten(),
                truth: Some(*c2w),
            };
            poses.c2w.iter().map(view).collect()
        }
        None => cameras.into_iter().map(|(stem, camera)| View { stem, camera, truth: None }).collect(),
    }
}

/// From the scene's world to the frame of the ground truth.
fn align(meta: &SceneMeta, truth: &Truth, views: &[View], report: &mut Report) -> Option<Similarity> {
    if let Some(poses) = &truth.poses {
        report.notes.extend(poses.warnings.iter().cloned());
        let alignment = cameras::score(views, report);
        if alignment.is_none() {
            report.note("fewer than three cameras (apart from each other) are registered: nothing can be aligned");
        }
        return alignment;
    }
    report.note(
        "no poses.json in the ground truth: cameras are not scored, and its frame is taken for that of the input",
    );
    let input = inverse_of(&meta.world_from_input);
    if input.is_none() {
        report.note("world_from_input in scene.json is not a similarity: nothing can be aligned");
    }
    input
}

/// Undoes a row-major 4x4 similarity.
fn inverse_of(m: &[[f64; 4]; 4]) -> Option<Similarity> {
    let a = Matrix3::from_fn(|i, j| m[i][j]);
    let scale = a.determinant().cbrt();
    let r = a / scale;
    if !(scale > 0.0 && scale.is_finite()) || (r.transpose() * r - Matrix3::identity()).amax() > 1e-3 {
        return None;
    }
    let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(r));
    let translation = Vector3::new(m[0][3], m[1][3], m[2][3]);
    Some(Similarity { scale, rotation, translation }.inverse())
}

fn score_objects(
    scene: &SceneFolder,
    truth: &Truth,
    views: &[View],
    alignment: Option<&Similarity>,
    progress: &mut Progress,
    report: &mut Report,
) -> Result<(), EvalError> {
    let Some(boxes) = &truth.boxes else {
        report.note("no boxes.json in the ground truth: boxes and masks are not scored");
        return Ok(());
    };
    let counts = if truth.has_instance {
        Some(masks::count(scene, truth, views, progress, report)?)
    } else {
        report.note("no instance/ in the ground truth: masks are not scored, and every object counts as seen");
        None
    };
    let (asked, ignored) = boxes::asked_for(boxes, counts.as_ref());
    boxes::list(&asked, report);
    match alignment {
        _ if !scene.root().join("instances.json").is_file() => report.note("the scene has no instances.json"),
        Some(alignment) => {
            let incomplete = boxes.iter().any(|b| b.list_incomplete);
            boxes::score(&scene.read_instances()?, &asked, &ignored, incomplete, alignment, report);
        }
        None => {}
    }
    if let Some(counts) = &counts {
        masks::score(counts, &asked, report);
    }
    Ok(())
}

/// PSNR of the views that were held out of training.
fn score_held_out(
    scene: &SceneFolder,
    meta: &SceneMeta,
    sparse: &Sparse,
    render: Renderer,
    progress: &mut Progress,
    report: &mut Report,
) -> Result<(), EvalError> {
    if meta.held_out.is_empty() {
        report.note("no view was held out (run with --holdout K): PSNR is not measured");
        return Ok(());
    }
    let (mut psnrs, mut ssims) = (Vec::new(), Vec::new());
    for (name, camera) in meta.images.iter().zip(&sparse.cameras).filter(|(n, _)| meta.held_out.contains(&stem_of(n))) {
        progress.job.tick(progress.done, progress.total)?;
        progress.done += 1;
        let Some(camera) = camera else {
            report.note(format!("{name} was held out but is not registered: it has no PSNR"));
            continue;
        };
        let photo = crate::input::decode_photo(&scene.image_path(name))?;
        let rendered = render(&camera.resized(photo.width(), photo.height()));
        match rendered.filter(|r| r.len() == photo.pixels().len()) {
            Some(rendered) => {
                psnrs.push(psnr(&rendered, &photo));
                ssims.push(ssim(&rendered, &photo));
            }
            None => report.note(format!("{name} was held out but cannot be rendered: it has no PSNR")),
        }
    }
    if !psnrs.is_empty() {
        let mean = psnrs.iter().sum::<f64>() / psnrs.len() as f64;
        report.add(
            "psnr_held_out",
            mean,
            "dB",
            format!(
                "mean over {} photos held out of training of 10 log10(1 / MSE), MSE over all pixels and channels, 0 to 1",
                psnrs.len()
            ),
        );
        report.add(
            "ssim_held_out",
            ssims.iter().sum::<f64>() / ssims.len() as f64,
            "",
            "mean over the same photos of the structural similarity (Wang et al. 2004; 11 x 11 window of 1.5 pixels, black \
             around the photo), mean over pixels and channels",
        );
    }
    Ok(())
}

fn ssim(rendered: &[[f32; 3]], photo: &image::RgbImage) -> f64 {
    let values: Vec<[f32; 3]> = photo.pixels().map(|p| p.0.map(|v| f32::from(v) / 255.0)).collect();
    crate::splat::ssim(rendered, &values, photo.width() as usize)
}

/// 10 log10(1 / MSE), at most 100 dB: a perfect picture has no finite PSNR.
fn psnr(rendered: &[[f32; 3]], photo: &image::RgbImage) -> f64 {
    let difference = |(r, p): (&[f32; 3], &image::Rgb<u8>)| -> f64 {
        (0..3).map(|k| (f64::from(r[k].clamp(0.0, 1.0)) - f64::from(p[k]) / 255.0).powi(2)).sum()
    };
    let mse = rendered.iter().zip(photo.pixels()).map(difference).sum::<f64>() / (3 * rendered.len().max(1)) as f64;
    -10.0 * mse.max(1e-10).log10()
}
