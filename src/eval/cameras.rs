//! Camera accuracy.

use super::{Report, View};
use crate::scene::Similarity;
use nalgebra::Point3;

/// Scores the cameras and returns the similarity from the scene's world to the ground truth's frame.
pub(super) fn score(views: &[View], report: &mut Report) -> Option<Similarity> {
    let both: Vec<_> = views.iter().filter_map(|v| Some((v.camera?, v.truth?))).collect();
    report.add("images", views.len() as f64, "", "images that the ground truth has a pose for");
    report.add("registered", both.len() as f64, "", "those of them that the scene has a camera for");
    let from: Vec<_> = both.iter().map(|(camera, _)| camera.center()).collect();
    let to: Vec<_> = both.iter().map(|(_, truth)| Point3::from(truth.translation.vector)).collect();
    let s = Similarity::fit(&from, &to)?;
    let scale = "scale of the least-squares similarity (Umeyama 1991) from the scene's camera centres to the true ones";
    report.add("scale", s.scale, "", scale);
    let squares: f64 = from.iter().zip(&to).map(|(a, b)| (s.point(a) - b).norm_squared()).sum();
    let ate = "absolute trajectory error: root mean square distance of camera centres after that alignment";
    report.add("ate_m", (squares / both.len() as f64).sqrt(), "m", ate);
    let mut degrees: Vec<f64> =
        both.iter().map(|(c, t)| t.rotation.angle_to(&(s.rotation * c.c2w.rotation)).to_degrees()).collect();
    degrees.sort_by(f64::total_cmp);
    let median = (degrees[(degrees.len() - 1) / 2] + degrees[degrees.len() / 2]) * 0.5;
    report.add("rot_deg_median", median, "deg", "median angle between true and aligned camera rotations");
    Some(s)
}
