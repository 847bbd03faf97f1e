//! Which views are compared with which.

use super::super::options::SurfaceOptions;
use crate::scene::Camera;

/// For each view the indices into `cameras` of those it may be compared with, the nearest first (Holi-Spatial 2.2): viewing
/// directions within an angle, centres neither too near nor too far for `unit`, the typical viewing distance. Only those
/// in `among` are compared.
pub(super) fn neighbours(cameras: &[Camera], among: &[usize], unit: f32, o: &SurfaceOptions) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); cameras.len()];
    for &i in among {
        let a = &cameras[i];
        let mut near: Vec<(f64, usize)> = among
            .iter()
            .filter(|j| **j != i)
            .filter_map(|&j| {
                let b = &cameras[j];
                let angle = a.forward().dot(&b.forward()).clamp(-1.0, 1.0).acos().to_degrees();
                let baseline = (a.center() - b.center()).norm() / f64::from(unit);
                let [least, most] = o.baseline.map(f64::from);
                (angle < f64::from(o.max_degrees) && baseline > least && baseline < most).then_some((baseline, j))
            })
            .collect();
        near.sort_by(|p, q| p.0.total_cmp(&q.0).then(p.1.cmp(&q.1)));
        out[i] = near.into_iter().take(o.neighbours).map(|(_, j)| j).collect();
    }
    out
}
