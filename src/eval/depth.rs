//! Depth accuracy, pixel by pixel.

use super::truth::{Truth, nearest};
use super::{EvalError, Progress, Report, View};
use crate::scene::folder::{SceneFolder, read_depth_png};

/// Thresholds in metres, and how they are called.
const THRESHOLDS: [(f64, &str); 3] = [(0.02, "2cm"), (0.05, "5cm"), (0.10, "10cm")];

/// Pixels of one image: within each threshold, compared, and known in the ground truth.
#[derive(Clone, Copy, Default)]
struct Counts {
    hits: [u64; 3],
    compared: u64,
    known: u64,
}

/// Precision, recall and F1 over the pixels of all registered images; `scale` takes the scene's depth to metres.
pub(super) fn score(
    scene: &SceneFolder,
    truth: &Truth,
    views: &[View],
    scale: f64,
    progress: &mut Progress,
    report: &mut Report,
) -> Result<(), EvalError> {
    let counts = progress.each(views, |view| one(scene, truth, view, scale))?;
    let missing = views.iter().zip(&counts).filter(|(v, c)| v.camera.is_some() && c.is_none()).count();
    if missing > 0 {
        report.note(format!("{missing} registered images have no depth in the ground truth"));
    }
    let sum = counts.into_iter().flatten().fold(Counts::default(), |a, b| Counts {
        hits: std::array::from_fn(|i| a.hits[i] + b.hits[i]),
        compared: a.compared + b.compared,
        known: a.known + b.known,
    });
    for ((_, name), hits) in THRESHOLDS.iter().zip(sum.hits) {
        let (p, r) = (hits as f64 / sum.compared.max(1) as f64, hits as f64 / sum.known.max(1) as f64);
        let f1 = 2.0 * p * r / (p + r).max(1e-9);
        let of = format!("over all registered images, share of pixels within {name} of the true depth");
        report.add(format!("depth_precision_{name}"), p, "", format!("{of}, of those known in both"));
        report.add(format!("depth_recall_{name}"), r, "", format!("{of}, of those known in the ground truth"));
        report.add(
            format!("depth_f1_{name}"),
            f1,
            "",
            format!("harmonic mean of depth precision and recall at {name}"),
        );
    }
    Ok(())
}

/// `None` for an image that is not registered or has no true depth.
fn one(scene: &SceneFolder, truth: &Truth, view: &View, scale: f64) -> Result<Option<Counts>, EvalError> {
    let path = truth.depth_path(&view.stem);
    if view.camera.is_none() || !path.is_file() {
        return Ok(None);
    }
    let gt = read_depth_png(&path)?;
    let mut counts = Counts { known: gt.data.iter().filter(|d| **d > 0.0).count() as u64, ..Counts::default() };
    if !scene.depth_path(&view.stem).is_file() {
        return Ok(Some(counts));
    }
    let depth = scene.read_depth(&view.stem)?;
    let (w, h) = (gt.width as usize, gt.height as usize);
    for y in 0..h {
        let row = nearest(y, depth.height as usize, h) * depth.width as usize;
        for x in 0..w {
            let d = f64::from(depth.data[row + nearest(x, depth.width as usize, w)]) * scale;
            let g = f64::from(gt.data[y * w + x]);
            if d > 0.0 && g > 0.0 {
                counts.compared += 1;
                for (hit, (threshold, _)) in counts.hits.iter_mut().zip(THRESHOLDS) {
                    *hit += u64::from((d - g).abs() < threshold);
                }
            }
        }
    }
    Ok(Some(counts))
}
