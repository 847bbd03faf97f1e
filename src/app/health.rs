//! How healthy a scene is: which photos to trust less, where the scale came from, what was left out.

use crate::scene::folder::SceneMeta;
use crate::scene::{Gaussians, QualitySummary, Sparse, Training};

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

/// What is known of the splats and the world, as name and value.
pub(super) fn world(
    meta: Option<&SceneMeta>,
    sparse: &Sparse,
    training: Option<&Training>,
) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    if !sparse.points.is_empty() {
        let seen: usize = sparse.points.iter().map(|p| p.track.len()).sum();
        let mean = seen as f64 / sparse.points.len() as f64;
        out.push(("Points", format!("{}, each in {mean:.1} photos", sparse.points.len())));
    }
    if let Some(training) = training {
        let mean = |held_out: bool| {
            let psnr = training.views.iter().filter(|v| v.held_out == held_out).map(|v| f64::from(v.psnr_db));
            let all: Vec<f64> = psnr.collect();
            (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
        };
        let text = |p: Option<f64>| p.map_or_else(|| "-".to_owned(), |p| format!("{p:.1} dB"));
        out.push(("PSNR", format!("{} held out, {} trained on", text(mean(true)), text(mean(false)))));
        if let Some(ssim) = meta.and_then(|m| m.figures["ssim_held_out"].as_f64()) {
            out.push(("SSIM", format!("{ssim:.3} held out")));
        }
        if let Some(last) = training.points.last() {
            out.push(("Splats", last.gaussians.to_string()));
        }
    }
    if let Some(meta) = meta {
        out.push(("Up", if meta.floor_found { "+z, the floor is at z = 0" } else { "+z, no floor was found" }.into()));
    }
    out
}

/// Shares of all splats by opacity, ten classes from 0 to 1, and by their longest side (1 sigma), ten classes evenly
/// apart on a logarithmic scale between the two ends that are given too, scene units.
pub(super) fn splat_histograms(cloud: &Gaussians) -> ([f32; 10], [f32; 10], [f64; 2]) {
    let class = |share: f32| ((share * 10.0) as usize).min(9);
    let opacity = cloud.opacity_logits.iter().map(|l| class(1.0 / (1.0 + (-l).exp())));
    let sides: Vec<f32> = cloud.log_scales.iter().map(|s| s.iter().copied().fold(f32::MIN, f32::max)).collect();
    let low = sides.iter().copied().fold(f32::INFINITY, f32::min);
    let high = sides.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let side = sides.iter().map(|s| class((s - low) / (high - low).max(1e-9)));
    let shares = |classes: &mut dyn Iterator<Item = usize>| {
        let mut counts = [0.0; 10];
        classes.for_each(|k| counts[k] += 1.0 / cloud.len().max(1) as f32);
        counts
    };
    let ends = if sides.is_empty() { [0.0; 2] } else { [low, high].map(|x| f64::from(x).exp()) };
    (shares(&mut opacity.into_iter()), shares(&mut side.into_iter()), ends)
}

/// Seconds that are left of work that has taken `elapsed` seconds for `done` of `total`; `None` while too little to say.
pub(super) fn seconds_left(elapsed: f64, done: usize, total: usize) -> Option<f64> {
    let known = elapsed >= 5.0 && done > 0 && total > done;
    known.then(|| elapsed * (total - done) as f64 / done as f64)
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

    #[test]
    fn splats_are_counted_by_opacity_and_size() {
        let cloud = Gaussians {
            means: vec![[0.0; 3]; 4],
            log_scales: vec![[-5.0, -9.0, -9.0], [-5.0, -6.0, -7.0], [-1.0, -2.0, -2.0], [-2.9, -3.0, -3.0]],
            quats: vec![[1.0, 0.0, 0.0, 0.0]; 4],
            opacity_logits: vec![-9.0, 0.0, 9.0, 9.0],
            sh_degree: 0,
            sh: vec![[0.0; 3]; 4],
            antialiased: false,
        };
        let (opacity, size, ends) = splat_histograms(&cloud);
        assert_eq!((opacity[0], opacity[5], opacity[9]), (0.25, 0.25, 0.5));
        // -5 to -1: -2.9 is at 0.525 of the way.
        assert_eq!((size[0], size[5], size[9]), (0.5, 0.25, 0.25));
        assert!((ends[0] - (-5f64).exp()).abs() < 1e-9 && (ends[1] - (-1f64).exp()).abs() < 1e-9);
        let (none, _, ends) = splat_histograms(&Gaussians::default());
        assert_eq!((none, ends), ([0.0; 10], [0.0; 2]));
    }

    #[test]
    fn time_left_is_in_proportion() {
        assert_eq!(seconds_left(30.0, 10, 40), Some(90.0));
        assert_eq!([seconds_left(1.0, 1, 9), seconds_left(9.0, 0, 9), seconds_left(9.0, 9, 9)], [None; 3]);
    }
}
