//! How healthy a scene is: which photos to trust less, where the scale came from, what was left out.

use crate::scene::folder::SceneMeta;
use crate::scene::{QualitySummary, Sparse};

/// A photo's line in the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Index of the photo.
    pub photo: usize,
    /// Its stem.
    pub stem: String,
    /// How well its pose is known; none where it did not register.
    pub pose: Option<Pose>,
    /// Why it is weak, or that it is left out; empty where nothing is wrong.
    pub reason: String,
}

/// How well a pose is known, as shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pose {
    /// Points that the photo sees.
    pub points: usize,
    /// Mean reprojection error, pixels.
    pub error_px: f64,
    /// 1-sigma of the centre, scene units.
    pub sigma: Option<f64>,
}

/// All photos: those without a camera first, then the weakest first.
pub(super) fn rows(sparse: &Sparse, stems: &[&str]) -> Vec<Row> {
    let quality = sparse.pose_quality();
    let all = QualitySummary::of(&quality);
    let mut rows: Vec<(f64, Row)> = stems
        .iter()
        .zip(&quality)
        .enumerate()
        .map(|(photo, (stem, quality))| {
            let pose = quality.map(|q| Pose {
                points: q.observations,
                error_px: q.reprojection_error_px,
                sigma: q.center_sigma,
            });
            let weak = quality.and_then(|q| q.weakness(&all)).map(|w| w.to_string());
            let reason = if pose.is_some() { weak.unwrap_or_default() } else { "its camera was not found".into() };
            let severity = quality.map_or(f64::INFINITY, |q| q.severity(&all));
            (severity, Row { photo, stem: (*stem).to_owned(), pose, reason })
        })
        .collect();
    // Stable: of equals, the first photo first.
    rows.sort_by(|a, b| a.1.pose.is_some().cmp(&b.1.pose.is_some()).then(b.0.total_cmp(&a.0)));
    rows.into_iter().map(|r| r.1).collect()
}

/// The unit of lengths, for numbers: "m", or "units" where the scale is arbitrary.
pub(super) fn unit(units: &str) -> &'static str {
    if units == "metres" { "m" } else { "units" }
}

/// Units and where they came from: "metres (given poses)".
pub(super) fn scale_words(units: &str, meta: Option<&SceneMeta>) -> String {
    let name = if units == "metres" { "metres" } else { "arbitrary" };
    match meta.map(|m| m.scale_source.as_str()).filter(|s| !s.is_empty()) {
        Some(source) => format!("{name} ({source})"),
        None => name.into(),
    }
}

/// A small length with its unit: millimetres where units are metres.
pub(super) fn small_length(length: f64, units: &str) -> String {
    if units == "metres" { format!("{:.1} mm", 1e3 * length) } else { format!("{length:.4} units") }
}

/// Warnings about photos that were left out while reading, and all other warnings.
pub(super) fn sorted_warnings<'a>(meta: Option<&'a SceneMeta>, reading: &'a [String]) -> (Vec<&'a str>, Vec<&'a str>) {
    let Some(meta) = meta else { return (reading.iter().map(String::as_str).collect(), Vec::new()) };
    let of_frames = |w: &&'a str| w.starts_with("frames: ");
    let (left_out, others): (Vec<&str>, Vec<&str>) = meta.warnings.iter().map(String::as_str).partition(of_frames);
    (left_out.into_iter().map(|w| w.trim_start_matches("frames: ")).collect(), others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Camera, Intrinsics, PoseQuality};
    use nalgebra::Isometry3;

    #[test]
    fn what_is_left_out_comes_first_and_then_the_weakest() {
        let camera = Camera { intrinsics: Intrinsics::guess(64, 48), c2w: Isometry3::identity() };
        let quality = |observations: usize| PoseQuality {
            observations,
            reprojection_error_px: 0.5,
            center_sigma: Some(0.002),
            rotation_sigma_deg: None,
        };
        let sparse = Sparse {
            cameras: vec![Some(camera), None, Some(camera), Some(camera), Some(camera)],
            points: Vec::new(),
            quality: vec![Some(quality(500)), None, Some(quality(30)), Some(quality(510)), Some(quality(490))],
        };
        let rows = rows(&sparse, &["a", "b", "c", "d", "e"]);
        assert_eq!(rows.iter().map(|r| r.stem.as_str()).collect::<Vec<_>>()[..2], ["b", "c"]);
        assert_eq!((rows[0].reason.as_str(), rows[0].pose), ("its camera was not found", None));
        assert!(rows[1].reason.starts_with("few points: 30") && rows[2..].iter().all(|r| r.reason.is_empty()));
        assert_eq!(rows[1].pose.unwrap().sigma, Some(0.002));
        assert!(super::rows(&Sparse::default(), &["a"]).is_empty());
    }

    #[test]
    fn every_length_says_its_unit() {
        assert_eq!(small_length(0.0123, "metres"), "12.3 mm");
        assert_eq!(small_length(0.0123, "arbitrary"), "0.0123 units");
        assert_eq!((unit("metres"), unit("arbitrary"), unit("")), ("m", "units", "units"));
        assert_eq!(scale_words("arbitrary", None), "arbitrary");
    }
}
