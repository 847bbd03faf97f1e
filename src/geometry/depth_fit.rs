//! Depth that another program predicted, fitted to points that are known: predictions are right up to a scale, or up to
//! a scale and a shift of depth or of inverse depth (Ranftl et al. 2020, sec. 5).

/// Relative error beyond which a point says nothing of a fit.
const OUTLIER: f64 = 0.1;

/// Samples that are drawn for a fit; with half of them outliers, one of the draws is clean but for one in 10^18.
const DRAWS: usize = 150;

/// Rounds of reweighting.
const ROUNDS: usize = 20;

/// Fewest points that a fit is made of.
pub const FEWEST: usize = 8;

/// What a prediction says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthKind {
    /// Depth, up to a scale.
    Scaled,
    /// Depth, up to a scale and a shift.
    Shifted,
    /// Inverse depth, up to a scale and a shift.
    Inverse,
}

impl DepthKind {
    /// All of them; each has as much freedom as those before it, or more.
    pub const ALL: [Self; 3] = [Self::Scaled, Self::Shifted, Self::Inverse];

    /// For figures and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scaled => "scale",
            Self::Shifted => "scale and shift",
            Self::Inverse => "inverse depth, scale and shift",
        }
    }
}

/// A prediction's place on the scale of known points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthFit {
    /// What the prediction is taken to be.
    pub kind: DepthKind,
    /// Factor.
    pub scale: f64,
    /// Summand; 0 for [`DepthKind::Scaled`].
    pub shift: f64,
    /// Mean of the squared relative error, each at most that of an outlier.
    pub cost: f64,
    /// Median of the absolute relative error of all points.
    pub residual: f64,
}

/// Part of the pairs of points that must say that larger predictions go with larger depths: half do by chance.
const RISING: f64 = 0.55;

impl DepthFit {
    /// Depth of a predicted value; `None` where it is not positive.
    pub fn depth(&self, predicted: f64) -> Option<f64> {
        let value = self.scale * predicted + self.shift;
        let depth = if self.kind == DepthKind::Inverse { 1.0 / value } else { value };
        (value > 0.0 && depth.is_finite()).then_some(depth)
    }

    /// Fits a prediction to points: pairs of a predicted value and a known depth, both positive. RANSAC (Fischler &
    /// Bolles 1981) with a truncated cost, then least squares of the relative error, reweighted by Tukey's biweight.
    /// `None` for fewer than [`FEWEST`] points, and where larger predictions do not go with larger depths (smaller, for
    /// inverse depth).
    pub fn of(kind: DepthKind, pairs: &[(f64, f64)], seed: u64) -> Option<Self> {
        if pairs.len() < FEWEST {
            return None;
        }
        let target = |z: f64| if kind == DepthKind::Inverse { 1.0 / z } else { z };
        let points: Vec<(f64, f64)> = pairs.iter().map(|(d, z)| (*d, target(*z))).collect();
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut best: Option<(f64, [f64; 2])> = None;
        let (mut rising, mut drawn) = (0.0, 0.0);
        for _ in 0..DRAWS {
            let ((a, y), (b, z)) = (points[rng.usize(..points.len())], points[rng.usize(..points.len())]);
            let line = match kind {
                DepthKind::Scaled => [y / a, 0.0],
                _ if (a - b).abs() < 1e-9 * a.abs().max(b.abs()) => continue,
                _ => [(z - y) / (b - a), y - (z - y) / (b - a) * a],
            };
            drawn += 1.0;
            rising += if line[0] > 0.0 { 1.0 } else { 0.0 };
            let cost = cost(&points, line);
            if line[0] > 0.0 && best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, line));
            }
        }
        if rising < RISING * drawn {
            return None;
        }
        let mut line = best?.1;
        for _ in 0..ROUNDS {
            line = reweighted(&points, line, kind != DepthKind::Scaled).unwrap_or(line);
        }
        let mut fit = Self { kind, scale: line[0], shift: line[1], cost: cost(&points, line), residual: 0.0 };
        let off = |(d, z): &(f64, f64)| fit.depth(*d).map_or(f64::INFINITY, |fitted| (fitted / z - 1.0).abs());
        let mut errors: Vec<f64> = pairs.iter().map(off).collect();
        errors.sort_by(f64::total_cmp);
        let residual = errors[errors.len() / 2];
        fit.residual = residual;
        (fit.scale > 0.0 && residual.is_finite()).then_some(fit)
    }
}

fn cost(points: &[(f64, f64)], [s, t]: [f64; 2]) -> f64 {
    let each = |(d, y): &(f64, f64)| ((s * d + t) / y - 1.0).powi(2).min(OUTLIER * OUTLIER);
    points.iter().map(each).sum::<f64>() / points.len() as f64
}

/// One round of least squares of `(s d + t) / y - 1`.
fn reweighted(points: &[(f64, f64)], [s, t]: [f64; 2], shift: bool) -> Option<[f64; 2]> {
    let (mut aa, mut ab, mut bb, mut a, mut b) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (d, y) in points {
        let error = (s * d + t) / y - 1.0;
        let weight = (1.0 - (error / OUTLIER).powi(2)).max(0.0).powi(2);
        let (u, v) = (d / y, 1.0 / y);
        aa += weight * u * u;
        ab += weight * u * v;
        bb += weight * v * v;
        a += weight * u;
        b += weight * v;
    }
    let found = if shift {
        let det = aa * bb - ab * ab;
        if !(det > 1e-12 * aa * bb) {
            return None;
        }
        [(bb * a - ab * b) / det, (aa * b - ab * a) / det]
    } else {
        [a / aa, 0.0]
    };
    (found.iter().all(|v| v.is_finite()) && found[0] > 0.0).then_some(found)
}

/// The kind that all predictions of one program are, by the mean cost of their fits. More freedom always fits better:
/// a kind must be better by a quarter than a simpler one.
pub fn kind_of(frames: &[Vec<(f64, f64)>], seed: u64) -> Option<DepthKind> {
    const BETTER: f64 = 0.75;
    let mean = |kind: DepthKind| {
        let costs: Vec<f64> = frames
            .iter()
            .filter(|pairs| pairs.len() >= FEWEST)
            .map(|pairs| DepthFit::of(kind, pairs, seed).map_or(OUTLIER * OUTLIER, |fit| fit.cost))
            .collect();
        (!costs.is_empty()).then(|| costs.iter().sum::<f64>() / costs.len() as f64)
    };
    let [scaled, shifted, inverse] = DepthKind::ALL.map(mean);
    let (scaled, shifted, inverse) = (scaled?, shifted?, inverse?);
    let affine = if inverse < shifted { (inverse, DepthKind::Inverse) } else { (shifted, DepthKind::Shifted) };
    // A cost of nothing at all is that of the truth.
    Some(if affine.0 < BETTER * scaled - 1e-12 { affine.1 } else { DepthKind::Scaled })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Points 1 to 8 units away, 30 of 100 wrong, the others measured to one per cent; predicted by `f`.
    fn pairs(seed: u64, f: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..200)
            .map(|i| {
                let z = 1.0 + 7.0 * rng.f64();
                let measured = z * (1.0 + 0.02 * (rng.f64() - 0.5));
                (f(z), if i % 10 < 3 { 0.5 + 12.0 * rng.f64() } else { measured })
            })
            .collect()
    }

    fn check(kind: DepthKind, f: impl Fn(f64) -> f64) {
        let frames: Vec<_> = (0..4).map(|seed| pairs(seed, &f)).collect();
        assert_eq!(kind_of(&frames, 1), Some(kind));
        for (i, pairs) in frames.iter().enumerate() {
            let fit = DepthFit::of(kind, pairs, i as u64).unwrap();
            for z in [1.0, 3.0, 8.0] {
                let depth = fit.depth(f(z)).unwrap();
                assert!((depth / z - 1.0).abs() < 0.006, "{kind:?}: {depth} for {z} ({fit:?})");
            }
            // 70 of 100 are off by half a per cent at the median, so that of all is off by no more than their worst.
            assert!(fit.residual < 0.01, "{fit:?}");
        }
    }

    #[test]
    fn with_three_in_ten_points_wrong() {
        check(DepthKind::Scaled, |z| 0.37 * z);
        check(DepthKind::Shifted, |z| 2.5 * z + 4.0);
        check(DepthKind::Inverse, |z| 30.0 / z + 5.0);
        // Disparity without a shift is no depth either.
        check(DepthKind::Inverse, |z| 1.0 / z);
    }

    #[test]
    fn what_is_no_depth_is_no_fit() {
        let right = pairs(0, |z| z);
        assert!(DepthFit::of(DepthKind::Scaled, &right[..FEWEST - 1], 0).is_none());
        assert!(kind_of(&[right[..3].to_vec()], 0).is_none());
        // The same everywhere: a scale fits, and nothing can be said of a shift.
        let flat: Vec<_> = right.iter().map(|(_, z)| (1.0, *z)).collect();
        assert!(DepthFit::of(DepthKind::Shifted, &flat, 0).is_none());
        let fit = DepthFit { kind: DepthKind::Shifted, scale: 1.0, shift: -2.0, cost: 0.0, residual: 0.0 };
        assert_eq!((fit.depth(1.0), fit.depth(3.0)), (None, Some(1.0)));
    }

    proptest! {
        /// Any positive numbers: no panic, and depths that are numbers.
        #[test]
        fn any_points(pairs in prop::collection::vec((1e-30..1e30f64, 1e-30..1e30f64), 0..30), d in 0.0..1e30f64) {
            for kind in DepthKind::ALL {
                if let Some(fit) = DepthFit::of(kind, &pairs, 3) {
                    prop_assert!(fit.scale > 0.0 && fit.residual.is_finite());
                    prop_assert!(fit.depth(d).is_none_or(|z| z > 0.0 && z.is_finite()));
                }
            }
        }
    }
}
