//! Planes along the directions of a room.

use super::Sample;
use nalgebra::{Matrix3, Point3, SymmetricEigen, Vector3};

/// Cosine between a sample's normal and that of a plane from which on it may lie on it.
const FACES: f32 = 0.85;
/// Spread of the samples of a plane, in typical depths.
const SPREAD: f32 = 0.008;
/// Share of all samples' area that a plane must have.
const LEAST_SHARE: f32 = 0.002;
/// Planes of a direction at most.
const MOST: usize = 10;
/// Samples farther than so many typical depths count for no more area.
const FAR: f32 = 2.0;
/// Turn of a plane by its own samples at most, radians: walls are built along the directions, to within this.
const TURN: f32 = 0.03;
/// Distance of the samples that a plane is refitted to, in their noise: farther ones are of what stands before it.
const CLOSE: f32 = 0.7;
/// Fewest samples that a plane is refitted to.
const FEWEST: usize = 50;

/// A plane `normal . x = offset`, seen from the side of its normal.
pub(super) struct Plane {
    pub(super) normal: Vector3<f32>,
    pub(super) offset: f32,
    /// Two directions in it.
    pub(super) axes: [Vector3<f32>; 2],
}

impl Plane {
    pub(super) fn distance(&self, p: &Point3<f32>) -> f32 {
        self.normal.dot(&p.coords) - self.offset
    }

    /// Coordinates in the plane.
    pub(super) fn within(&self, p: &Point3<f32>) -> [f32; 2] {
        self.axes.map(|a| a.dot(&p.coords))
    }

    /// The plane that fits its samples best, weighted by the square of their noise; the same where they would turn it too far.
    pub(super) fn refitted(self, samples: &[Sample], noise: impl Fn(f32) -> f32) -> Self {
        const ROUNDS: usize = 4;
        let (mut normal, mut offset) = (self.normal, self.offset);
        for _ in 0..ROUNDS {
            let on = samples.iter().filter(|s| {
                (normal.dot(&s.position.coords) - offset).abs() < CLOSE * noise(s.depth)
                    && s.normal.dot(&normal) > FACES
            });
            let on: Vec<(Vector3<f32>, f32)> = on.map(|s| (s.position.coords, noise(s.depth).powi(-2))).collect();
            let total: f32 = on.iter().map(|s| s.1).sum();
            if on.len() < FEWEST {
                return self;
            }
            let center = on.iter().map(|(p, w)| p * *w).sum::<Vector3<f32>>() / total;
            let cov =
                on.iter().map(|(p, w)| (p - center) * (p - center).transpose() * *w).sum::<Matrix3<f32>>() / total;
            let eigen = SymmetricEigen::new(cov);
            let fitted: Vector3<f32> = eigen.eigenvectors.column(eigen.eigenvalues.imin()).into_owned();
            normal = if fitted.dot(&self.normal) < 0.0 { -fitted } else { fitted };
            offset = normal.dot(&center);
        }
        if normal.angle(&self.normal) < TURN { Self { normal, offset, ..self } } else { self }
    }
}

/// The planes along `axes`, either way round. `unit` is the typical depth.
pub(super) fn planes(samples: &[Sample], axes: &[Vector3<f32>; 3], unit: f32) -> Vec<Plane> {
    let area = |s: &Sample| s.depth.min(FAR * unit).powi(2);
    let least = LEAST_SHARE * samples.iter().map(area).sum::<f32>();
    let mut out = Vec::new();
    for k in 0..3 {
        for normal in [axes[k], -axes[k]] {
            let mut on: Vec<(f32, f32)> = samples
                .iter()
                .filter(|s| s.normal.dot(&normal) > FACES)
                .map(|s| (normal.dot(&s.position.coords), area(s)))
                .collect();
            on.sort_by(|a, b| a.0.total_cmp(&b.0));
            let axes = [axes[(k + 1) % 3], axes[(k + 2) % 3]];
            out.extend(modes(&on, SPREAD * unit, least).into_iter().map(|offset| Plane { normal, offset, axes }));
        }
    }
    out
}

/// Offsets that much area is near, the most first; `on` holds offset and area, by rising offset.
fn modes(on: &[(f32, f32)], spread: f32, least: f32) -> Vec<f32> {
    let (Some(first), Some(last)) = (on.first(), on.last()) else { return Vec::new() };
    let (bin, margin) = (0.5 * spread, 3.0 * spread);
    let n = ((last.0 - first.0 + 2.0 * margin) / bin) as usize + 1;
    // A spread of the samples that leaves millions of bins is no room.
    if n > 1 << 22 {
        return Vec::new();
    }
    let place = |o: f32| ((o - first.0 + margin) / bin) as usize;
    let mut histogram = vec![0.0f32; n];
    on.iter().for_each(|(o, a)| histogram[place(*o).min(n - 1)] += a);
    let smooth = smoothed(&histogram);
    let mut peaks: Vec<usize> =
        (1..n - 1).filter(|i| smooth[*i] >= smooth[i - 1] && smooth[*i] > smooth[i + 1]).collect();
    peaks.sort_by(|a, b| smooth[*b].total_cmp(&smooth[*a]).then(a.cmp(b)));
    let mut out: Vec<f32> = Vec::new();
    for peak in peaks {
        let at = first.0 - margin + (peak as f32 + 0.5) * bin;
        let near =
            &on[on.partition_point(|s| s.0 < at - 2.0 * spread)..on.partition_point(|s| s.0 < at + 2.0 * spread)];
        let is_new = out.iter().all(|o| (o - at).abs() > 4.0 * spread);
        if out.len() < MOST && is_new && near.iter().map(|s| s.1).sum::<f32>() >= least {
            out.push(near[near.len() / 2].0);
        }
    }
    out
}

/// Two bins of Gaussian smoothing.
fn smoothed(values: &[f32]) -> Vec<f32> {
    const REACH: usize = 6;
    let weight: [f32; 2 * REACH + 1] =
        std::array::from_fn(|k| (-((k as f32 - REACH as f32) / 2.0).powi(2) / 2.0).exp());
    let at = |i: usize, k: usize| (i + k).checked_sub(REACH).and_then(|j| values.get(j)).copied().unwrap_or(0.0);
    (0..values.len()).map(|i| (0..weight.len()).map(|k| weight[k] * at(i, k)).sum()).collect()
}
