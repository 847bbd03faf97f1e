//! How well the pose of each photo is known, and which photos to look at first.

use super::Sparse;
use serde::{Deserialize, Serialize};

/// How well one camera's pose is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoseQuality {
    /// Points that the photo sees, of those that were triangulated.
    pub observations: usize,
    /// Mean distance of those points' projections from where they were seen, pixels.
    pub reprojection_error_px: f64,
    /// 1-sigma of the camera centre, scene units: square root of the trace of its covariance; `None` where unknown.
    pub center_sigma: Option<f64>,
    /// 1-sigma of the rotation, degrees: square root of the trace of its covariance; `None` where unknown.
    pub rotation_sigma_deg: Option<f64>,
}

impl PoseQuality {
    /// What the points alone say of every camera of `sparse`: no covariance. One entry per camera, `None` where the
    /// photo did not register. Observations behind their camera count, and have no error.
    pub fn of(sparse: &Sparse) -> Vec<Option<Self>> {
        let mut sums = vec![(0usize, 0usize, 0.0f64); sparse.cameras.len()];
        for point in &sparse.points {
            for (frame, [u, v]) in &point.track {
                let Some(Some(camera)) = sparse.cameras.get(*frame) else { continue };
                let sum = &mut sums[*frame];
                sum.0 += 1;
                let projected = camera.project(&point.position).filter(|(u, v, _)| u.is_finite() && v.is_finite());
                if let Some((pu, pv, _)) = projected {
                    sum.1 += 1;
                    sum.2 += (pu - f64::from(*u)).hypot(pv - f64::from(*v));
                }
            }
        }
        let quality = |(seen, measured, total): (usize, usize, f64)| Self {
            observations: seen,
            reprojection_error_px: total / measured.max(1) as f64,
            ..Self::default()
        };
        sparse.cameras.iter().zip(sums).map(|(c, sum)| c.map(|_| quality(sum))).collect()
    }

    /// The same pose in a world that is `scale` times as large.
    pub fn scaled(&self, scale: f64) -> Self {
        Self { center_sigma: self.center_sigma.map(|s| s * scale), ..*self }
    }

    /// The worst of what makes the pose weak beside the others of its scene; `None` where nothing does.
    pub fn weakness(&self, all: &QualitySummary) -> Option<Weakness> {
        self.doubts(all).into_iter().filter(|w| w.severity() > 1.0).max_by(|a, b| a.severity().total_cmp(&b.severity()))
    }

    /// How near the pose is to being weak: weak above 1. For sorting.
    pub fn severity(&self, all: &QualitySummary) -> f64 {
        self.doubts(all).iter().map(Weakness::severity).fold(0.0, f64::max)
    }

    fn doubts(&self, all: &QualitySummary) -> Vec<Weakness> {
        let mut out = vec![
            Weakness::FewPoints { points: self.observations, fewest: all.fewest_points, typical: all.points },
            Weakness::LargeError {
                px: self.reprojection_error_px,
                largest: all.largest_error_px,
                typical: all.error_px,
            },
        ];
        if let (Some(sigma), Some(typical)) = (self.center_sigma, all.center_sigma) {
            out.push(Weakness::UncertainCenter { sigma, typical });
        }
        out
    }
}

/// A photo with fewer points than this is weak whatever the others have.
const FEWEST_POINTS: f64 = 20.0;
/// Share of the median number of points below which a photo has few of them.
const FEW_POINTS: f64 = 0.2;
/// A photo that has this many points is not weak for want of them.
const PLENTY_OF_POINTS: f64 = 150.0;
/// Multiples of the median above which an error, or the uncertainty of a centre, is large.
const LARGE_ERROR: f64 = 2.5;
const LARGE_SIGMA: f64 = 4.0;
/// An error below this many pixels is never large.
const GOOD_ERROR_PX: f64 = 1.0;

/// What is typical in a scene, by medians, which weak photos do not move, and where weakness begins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QualitySummary {
    /// Median number of points of a photo.
    pub points: f64,
    /// Median reprojection error of a photo, pixels.
    pub error_px: f64,
    /// Median 1-sigma of a camera centre, scene units; `None` where unknown.
    pub center_sigma: Option<f64>,
    /// A photo with fewer points is weak.
    pub fewest_points: f64,
    /// A photo with a larger mean error, in pixels, is weak.
    pub largest_error_px: f64,
}

impl QualitySummary {
    /// Medians over the photos that registered.
    pub fn of(quality: &[Option<PoseQuality>]) -> Self {
        let over = |value: &dyn Fn(&PoseQuality) -> Option<f64>| median(quality.iter().flatten().filter_map(value));
        let points = over(&|q| Some(q.observations as f64)).unwrap_or(0.0);
        let error_px = over(&|q| Some(q.reprojection_error_px)).unwrap_or(0.0);
        Self {
            points,
            error_px,
            center_sigma: over(&|q| q.center_sigma).filter(|s| *s > 0.0),
            fewest_points: (FEW_POINTS * points).clamp(FEWEST_POINTS, PLENTY_OF_POINTS),
            largest_error_px: (LARGE_ERROR * error_px).max(GOOD_ERROR_PX),
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Why a pose should not be trusted as the others are. Shown as plain words.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Weakness {
    /// It rests on few points.
    #[error("few points: {points}, where a typical photo has {typical:.0}")]
    FewPoints {
        /// Points of the photo.
        points: usize,
        /// Fewest that are enough.
        fewest: f64,
        /// Median of the scene.
        typical: f64,
    },
    /// Its points do not project to where they were seen.
    #[error("large error: {px:.1} px, where a typical photo has {typical:.1} px")]
    LargeError {
        /// Mean error of the photo, pixels.
        px: f64,
        /// Largest that is no weakness, pixels.
        largest: f64,
        /// Median of the scene, pixels.
        typical: f64,
    },
    /// Its place is held by little.
    #[error("uncertain place: {:.1} times as uncertain as that of a typical photo", sigma / typical)]
    UncertainCenter {
        /// 1-sigma of the centre, scene units.
        sigma: f64,
        /// Median of the scene, scene units, positive.
        typical: f64,
    },
}

impl Weakness {
    /// How far beyond its limit: 1 at the limit; infinite where nothing is left to trust.
    pub fn severity(&self) -> f64 {
        let beyond = match self {
            Self::FewPoints { points, fewest, .. } => fewest / *points as f64,
            Self::LargeError { px, largest, .. } => px / largest,
            Self::UncertainCenter { sigma, typical } => sigma / (LARGE_SIGMA * typical),
        };
        if beyond.is_nan() { f64::INFINITY } else { beyond }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Camera, Intrinsics, SparsePoint};
    use nalgebra::{Isometry3, Point3};

    fn good(observations: usize) -> PoseQuality {
        PoseQuality {
            observations,
            reprojection_error_px: 0.5,
            center_sigma: Some(0.002),
            rotation_sigma_deg: Some(0.1),
        }
    }

    #[test]
    fn error_of_a_camera_is_the_mean_over_its_own_observations() {
        let k = Intrinsics { width: 100, height: 100, fx: 100.0, fy: 100.0, cx: 50.0, cy: 50.0 };
        let camera = Camera { intrinsics: k, c2w: Isometry3::identity() };
        // Both project to (50, 50) and (60, 50) exactly; seen 3-4-5 and 1 pixel off.
        let point = |x: f64, track: Vec<(usize, [f32; 2])>| SparsePoint {
            position: Point3::new(x, 0.0, 10.0),
            color: [0; 3],
            track,
            error: 9.0,
        };
        let sparse = Sparse {
            cameras: vec![Some(camera), None, Some(camera)],
            points: vec![
                point(0.0, vec![(0, [53.0, 54.0]), (2, [50.0, 50.0])]),
                point(1.0, vec![(0, [60.0, 51.0])]),
                SparsePoint { position: Point3::new(0.0, 0.0, -1.0), ..point(0.0, vec![(2, [1.0, 1.0])]) },
            ],
            ..Sparse::default()
        };
        let q = PoseQuality::of(&sparse);
        assert_eq!(q[1], None);
        let first = q[0].unwrap();
        assert_eq!((first.observations, first.center_sigma), (2, None));
        assert!((first.reprojection_error_px - 3.0).abs() < 1e-6);
        let last = q[2].unwrap();
        assert_eq!((last.observations, last.reprojection_error_px), (2, 0.0));
    }

    #[test]
    fn weak_is_what_differs_from_the_others() {
        let mut all: Vec<Option<PoseQuality>> = (0..20).map(|i| Some(good(400 + i))).collect();
        all.push(None);
        let weak = |q: PoseQuality| q.weakness(&QualitySummary::of(&[all.clone(), vec![Some(q)]].concat()));
        assert_eq!(weak(good(90)), None);
        assert!(matches!(weak(good(60)), Some(Weakness::FewPoints { points: 60, .. })));
        assert!(weak(good(0)).unwrap().to_string().starts_with("few points: 0, where a typical photo has 409"));
        let text = |q: PoseQuality| weak(q).unwrap().to_string();
        let blurred = PoseQuality { reprojection_error_px: 2.0, ..good(400) };
        assert_eq!(text(blurred), "large error: 2.0 px, where a typical photo has 0.5 px");
        let loose = PoseQuality { center_sigma: Some(0.02), ..good(400) };
        assert_eq!(text(loose), "uncertain place: 10.0 times as uncertain as that of a typical photo");
        // The worst of several is the reason: 10 / 4 beats 2 / 1.25, and is beaten by 80 / 5.
        assert_eq!(weak(PoseQuality { reprojection_error_px: 2.0, ..loose }), weak(loose));
        assert!(matches!(weak(PoseQuality { observations: 5, ..loose }), Some(Weakness::FewPoints { .. })));
        assert!(QualitySummary::of(&[]).center_sigma.is_none());
    }

    #[test]
    fn sigma_of_a_centre_follows_the_world() {
        let q = good(10).scaled(3.0);
        assert_eq!((q.center_sigma, q.rotation_sigma_deg), (Some(0.006), Some(0.1)));
        let broken = PoseQuality { reprojection_error_px: f64::NAN, ..good(400) };
        let all = QualitySummary::of(&[Some(good(400)), Some(broken)]);
        assert_eq!(all.error_px, 0.5);
        assert_eq!(broken.severity(&all), f64::INFINITY);
    }
}
