//! Bringing depth that something else made to the scale of a reconstruction, from a few points whose depth is known.

/// Which relation holds between a value and the depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// depth = scale * value
    Scale,
    /// depth = scale * value + shift
    ScaleAndShift,
    /// 1 / depth = scale * value + shift
    InverseScaleAndShift,
}

/// A relation with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// Which.
    pub relation: Relation,
    /// Factor; positive.
    pub scale: f64,
    /// Summand; 0 where there is none.
    pub shift: f64,
    /// Samples within [`INLIER`] of the relation.
    pub inliers: usize,
    /// Median relative error of the samples, of depth or inverse depth.
    pub error: f64,
    /// Least and greatest depth that is believed.
    range: [f64; 2],
}

/// Relative error up to which a sample agrees.
pub const INLIER: f64 = 0.1;
/// Fewest samples that must agree.
const FEWEST: usize = 8;
/// Share of the samples that must agree.
const SHARE: f64 = 0.3;
/// Pairs of samples tried for a relation with a shift.
const TRIES: usize = 256;
/// Steps of reweighted least squares.
const STEPS: usize = 12;
/// How much nearer than the nearest sample, or farther than the farthest, is still believed.
const BEYOND: f64 = 4.0;

impl Alignment {
    /// Depth for a value, in the unit of the samples; `None` where the value is not known or the depth not to be believed.
    pub fn depth(&self, value: f32) -> Option<f32> {
        if !(value > 0.0 && value.is_finite()) {
            return None;
        }
        let y = self.scale * f64::from(value) + self.shift;
        let depth = if self.relation == Relation::InverseScaleAndShift { 1.0 / y } else { y };
        (y > 0.0 && depth >= self.range[0] && depth <= self.range[1]).then_some(depth as f32)
    }
}

/// The relation that most samples `(value, depth)` agree with; `None` where too few do. Half of the samples and a little
/// more may be wrong where only the scale is sought. With a shift: MSAC over pairs of samples (Torr & Zisserman 2000);
/// then reweighted least squares of the relative error with Tukey's weights. The same samples give the same result.
pub fn align(samples: &[(f64, f64)], relation: Relation) -> Option<Alignment> {
    // x and 1: what y is a combination of, relative to y.
    let rows: Vec<[f64; 2]> = samples
        .iter()
        .filter(|(value, depth)| value.is_finite() && depth.is_finite() && *value > 0.0 && *depth > 0.0)
        .map(|(value, depth)| {
            let y = if relation == Relation::InverseScaleAndShift { 1.0 / depth } else { *depth };
            [value / y, 1.0 / y]
        })
        .collect();
    if rows.len() < FEWEST {
        return None;
    }
    let shifted = relation != Relation::Scale;
    let mut model = if shifted { best_pair(&rows)? } else { [1.0 / median(rows.iter().map(|r| r[0]).collect()), 0.0] };
    for _ in 0..STEPS {
        model = reweighted(&rows, model, shifted).unwrap_or(model);
    }
    let errors: Vec<f64> = rows.iter().map(|r| residual(r, model).abs()).collect();
    let inliers = errors.iter().filter(|e| **e < INLIER).count();
    let enough = inliers >= FEWEST && inliers as f64 >= SHARE * rows.len() as f64;
    if !(enough && model[0] > 0.0 && model.iter().all(|v| v.is_finite())) {
        return None;
    }
    let mut depths: Vec<f64> = samples.iter().map(|s| s.1).filter(|d| d.is_finite() && *d > 0.0).collect();
    depths.sort_by(f64::total_cmp);
    let range = [depths[0] / BEYOND, depths[depths.len() - 1] * BEYOND];
    Some(Alignment { relation, scale: model[0], shift: model[1], inliers, error: median(errors), range })
}

/// Relative error of `scale * x + shift` against y.
fn residual(row: &[f64; 2], model: [f64; 2]) -> f64 {
    model[0] * row[0] + model[1] * row[1] - 1.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The scale and shift through two samples that the others agree with best.
fn best_pair(rows: &[[f64; 2]]) -> Option<[f64; 2]> {
    let mut rng = fastrand::Rng::with_seed(rows.len() as u64);
    let mut best: Option<(f64, [f64; 2])> = None;
    for _ in 0..TRIES {
        let (a, b) = (rows[rng.usize(..rows.len())], rows[rng.usize(..rows.len())]);
        let det = a[0] * b[1] - a[1] * b[0];
        if det.abs() < 1e-9 * (a[0] * b[1]).abs() {
            continue;
        }
        let model = [(b[1] - a[1]) / det, (a[0] - b[0]) / det];
        if !(model[0] > 0.0) {
            continue;
        }
        let cost: f64 = rows.iter().map(|r| residual(r, model).powi(2).min(INLIER * INLIER)).sum();
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, model));
        }
    }
    best.map(|(_, model)| model)
}

/// One step of least squares with Tukey's weights at 4.685 times the robust deviation; `None` where it is not determined.
fn reweighted(rows: &[[f64; 2]], model: [f64; 2], shifted: bool) -> Option<[f64; 2]> {
    let deviation = 1.4826 * median(rows.iter().map(|r| residual(r, model).abs()).collect());
    let limit = (4.685 * deviation).clamp(1e-6, 3.0 * INLIER);
    let (mut xx, mut x1, mut oo, mut bx, mut bo) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for r in rows {
        let e = residual(r, model) / limit;
        let w = if e.abs() < 1.0 { (1.0 - e * e).powi(2) } else { 0.0 };
        xx += w * r[0] * r[0];
        x1 += w * r[0] * r[1];
        oo += w * r[1] * r[1];
        bx += w * r[0];
        bo += w * r[1];
    }
    if !shifted {
        return (xx > 0.0).then(|| [bx / xx, 0.0]);
    }
    let det = xx * oo - x1 * x1;
    (det > 1e-9 * xx * oo).then(|| [(bx * oo - bo * x1) / det, (bo * xx - bx * x1) / det])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Depths 1 to 5, values by `value`; every third sample is replaced by nonsense.
    fn samples(value: impl Fn(f64) -> f64, wrong: bool) -> Vec<(f64, f64)> {
        (0..60)
            .map(|k| {
                let depth = 1.0 + 4.0 * f64::from(k) / 59.0;
                let x = if wrong && k % 3 == 1 { 0.3 + f64::from(k * 37 % 50) / 10.0 } else { value(depth) };
                (x, depth)
            })
            .collect()
    }

    fn check(value: impl Fn(f64) -> f64, relation: Relation, scale: f64, shift: f64) {
        for wrong in [false, true] {
            let found = align(&samples(&value, wrong), relation).unwrap();
            assert!((found.scale - scale).abs() < 1e-6 * scale, "{found:?}");
            assert!((found.shift - shift).abs() < 1e-6, "{found:?}");
            for depth in [1.2, 3.0, 4.9] {
                assert!((f64::from(found.depth(value(depth) as f32).unwrap()) - depth).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn every_relation_is_found_though_a_third_is_nonsense() {
        check(|z| z / 2.5, Relation::Scale, 2.5, 0.0);
        check(|z| (z + 0.5) / 2.0, Relation::ScaleAndShift, 2.0, -0.5);
        check(|z| (1.0 / z + 0.1) / 0.02, Relation::InverseScaleAndShift, 0.02, -0.1);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(align(&samples(|z| z, false)[..7], Relation::Scale), None);
        // More is nearer: no positive scale fits depth, and one fits inverse depth.
        let inverse = samples(|z| 1.0 / z, false);
        assert_eq!(align(&inverse, Relation::ScaleAndShift), None);
        assert!(align(&inverse, Relation::InverseScaleAndShift).is_some());
        let noise: Vec<(f64, f64)> =
            (0..60).map(|k| (0.01 * 1.3f64.powi(k * 29 % 31), 1.0 + f64::from(k % 7))).collect();
        assert_eq!(align(&noise, Relation::Scale), None);
        assert_eq!(align(&[(f64::NAN, 1.0); 20], Relation::Scale), None);
    }

    #[test]
    fn depth_far_beyond_the_samples_is_not_believed() {
        let found = align(&samples(|z| 1.0 / z, false), Relation::InverseScaleAndShift).unwrap();
        assert_eq!(found.depth(0.0), None);
        assert_eq!(found.depth(0.04), None);
        assert!(found.depth(0.06).is_some());
        assert_eq!(found.depth(f32::NAN), None);
    }
}
