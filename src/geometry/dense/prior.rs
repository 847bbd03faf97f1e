//! Learned depth as a prior: brought to the scale of the sparse points, bent to what was measured, and used where nothing
//! was measured. Measured pixels stay as they are.

use super::{DenseDepth, View, neighbours};
use crate::geometry::depth_fit::{DepthFit, DepthKind};
use crate::geometry::depth_model::{DepthPrior, Meaning};
use crate::scene::{Cancelled, DepthMap, Job, SparsePoint};
use rayon::prelude::*;

/// Confidence of a pixel that only a prior that is sure of it tells of; filled pixels of less give way to it.
const CONFIDENCE: f32 = 0.4;
/// Confidence from which on a pixel was measured, see [`DenseDepth::confidence`].
const MEASURED: f32 = 0.5;
/// Largest correction by measured pixels, natural logarithm of a ratio; beyond it one of the two is wrong.
const MOST_BENT: f32 = 0.25;
/// Measured pixels that an area of a correction needs to be believed half.
const PSEUDO_COUNT: f32 = 1.0;
/// Relative depth difference that counts as contradiction between views.
const CONTRADICTION: f64 = 0.03;
/// Other views that are asked.
const WITNESSES: usize = 4;

/// Median relative error of the sparse points up to which a prior is used.
const AGREES: f64 = 0.15;
/// How many times nearer than the nearest sparse point, or farther than the farthest, a prior is still believed.
const BEYOND: f64 = 4.0;

impl From<Meaning> for DepthKind {
    fn from(meaning: Meaning) -> Self {
        match meaning {
            Meaning::Metric | Meaning::UpToScale => Self::Scaled,
            Meaning::UpToScaleAndShift => Self::Shifted,
            Meaning::Inverse => Self::Inverse,
        }
    }
}

/// Fills the holes of `depths` from `priors`, one for each view, and returns how each prior was fitted; `None` where too
/// few sparse points agree with it, and nothing was taken from it. The frame indices of the tracks index `views`.
/// Nothing is filled in front of what more views see through than see a surface there.
pub fn fill_from_priors(
    views: &[View],
    points: &[SparsePoint],
    priors: &[DepthPrior],
    depths: &mut [DenseDepth],
    seed: u64,
    job: &dyn Job,
) -> Result<Vec<Option<DepthFit>>, Cancelled> {
    let samples = samples(views, points, priors);
    let neighbours = neighbours::choose(views, points);
    let before: &[DenseDepth] = depths;
    let filled: Vec<Option<(DepthFit, DenseDepth)>> = (0..views.len().min(priors.len()))
        .into_par_iter()
        .map(|i| {
            job.tick(i, views.len())?;
            let fit = DepthFit::of(priors[i].meaning.into(), &samples[i], seed ^ i as u64);
            let Some(fit) = fit.filter(|f| f.residual < AGREES) else { return Ok(None) };
            let prior = bent(&aligned(&priors[i], &fit, &samples[i]), &before[i]);
            let mut dense = before[i].clone();
            take(&mut dense, &prior, &priors[i].confidence, |x, y, z| {
                let witnesses = neighbours[i].iter().take(WITNESSES);
                is_allowed(&views[i], x, y, z, witnesses.map(|j| (&views[*j], &before[*j])))
            });
            Ok(Some((fit, dense)))
        })
        .collect::<Result<_, Cancelled>>()?;
    let mut fits = vec![None; views.len()];
    for (i, one) in filled.into_iter().enumerate() {
        if let Some((fit, dense)) = one {
            fits[i] = Some(fit);
            depths[i] = dense;
        }
    }
    Ok(fits)
}

/// For each view the prior's value and the depth of each sparse point that it sees.
fn samples(views: &[View], points: &[SparsePoint], priors: &[DepthPrior]) -> Vec<Vec<(f64, f64)>> {
    let mut out = vec![Vec::new(); views.len()];
    for point in points {
        for (i, [u, v]) in &point.track {
            let (Some(view), Some(prior)) = (views.get(*i), priors.get(*i)) else { continue };
            let value = prior.depth.at(u.floor() as i64, v.floor() as i64);
            if let (true, Some((_, _, z))) = (value > 0.0, view.camera.project(&point.position)) {
                out[*i].push((f64::from(value), z));
            }
        }
    }
    out
}

/// The prior in units of the scene, where it is not far beyond the depth of the samples.
fn aligned(prior: &DepthPrior, fit: &DepthFit, samples: &[(f64, f64)]) -> DepthMap {
    let near = samples.iter().map(|s| s.1).fold(f64::INFINITY, f64::min) / BEYOND;
    let far = samples.iter().map(|s| s.1).fold(0.0, f64::max) * BEYOND;
    let depth = |v: f32| fit.depth(f64::from(v)).filter(|z| v > 0.0 && *z >= near && *z <= far);
    let data = prior.depth.data.iter().map(|v| depth(*v).map_or(0.0, |z| z as f32)).collect();
    DepthMap { width: prior.depth.width, height: prior.depth.height, data }
}

/// The prior times a smooth field that brings it to the measured pixels: the logarithm of their ratio, averaged over
/// squares of twice the side again and again, and from the largest squares back to the smallest, each drawn to the one
/// around it where it holds little (a pyramid of normalised convolutions; Knutsson & Westin, CVPR 1993).
fn bent(prior: &DepthMap, dense: &DenseDepth) -> DepthMap {
    let (w, h) = (prior.width as usize, prior.height as usize);
    let mut level = Level { width: w, height: h, sum: vec![0.0; w * h], weight: vec![0.0; w * h] };
    for i in 0..w * h {
        let (known, measured) = (prior.data[i], dense.depth.data[i]);
        if known > 0.0 && measured > 0.0 && dense.confidence[i] > MEASURED {
            let ratio = (measured / known).ln();
            if ratio.abs() < MOST_BENT {
                (level.sum[i], level.weight[i]) = (ratio, 1.0);
            }
        }
    }
    let mut pyramid = vec![level];
    while let Some(last) = pyramid.last().filter(|l| l.width.max(l.height) > 1) {
        let next = last.halved();
        pyramid.push(next);
    }
    let mut field = Level { width: 1, height: 1, sum: vec![0.0], weight: Vec::new() };
    for level in pyramid.iter().rev() {
        field = level.drawn_to(&field);
    }
    let data = prior.data.iter().zip(&field.sum).map(|(d, r)| d * r.exp()).collect();
    DepthMap { width: prior.width, height: prior.height, data }
}

/// A level of the pyramid: sums of ratios and their number.
struct Level {
    width: usize,
    height: usize,
    sum: Vec<f32>,
    weight: Vec<f32>,
}

impl Level {
    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut out = Self { width, height, sum: vec![0.0; width * height], weight: vec![0.0; width * height] };
        for y in 0..self.height {
            for x in 0..self.width {
                let (from, to) = (y * self.width + x, y / 2 * width + x / 2);
                out.sum[to] += self.sum[from];
                out.weight[to] += self.weight[from];
            }
        }
        out
    }

    /// The means of this level, each drawn to the coarser field as by [`PSEUDO_COUNT`] more samples of it.
    fn drawn_to(&self, coarse: &Self) -> Self {
        let mut sum = vec![0.0; self.sum.len()];
        for y in 0..self.height {
            for x in 0..self.width {
                let i = y * self.width + x;
                let around = coarse.at(x as f32 * 0.5 - 0.25, y as f32 * 0.5 - 0.25);
                sum[i] = (self.sum[i] + PSEUDO_COUNT * around) / (self.weight[i] + PSEUDO_COUNT);
            }
        }
        Self { width: self.width, height: self.height, sum, weight: Vec::new() }
    }

    /// Bilinear, indices of pixels.
    fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x.clamp(0.0, self.width as f32 - 1.0), y.clamp(0.0, self.height as f32 - 1.0));
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.width - 1), (y0 + 1).min(self.height - 1));
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let v = |x: usize, y: usize| self.sum[y * self.width + x];
        (v(x0, y0) * (1.0 - fx) + v(x1, y0) * fx) * (1.0 - fy) + (v(x0, y1) * (1.0 - fx) + v(x1, y1) * fx) * fy
    }
}

/// Takes the prior's depth where it is surer than what is there and nothing speaks against it.
fn take(dense: &mut DenseDepth, prior: &DepthMap, sure: &[f32], allowed: impl Fn(usize, usize, f32) -> bool) {
    let w = prior.width as usize;
    for i in 0..prior.data.len().min(dense.depth.data.len()) {
        let confidence = CONFIDENCE * sure[i];
        let z = prior.data[i];
        if z > 0.0 && z.is_finite() && dense.confidence[i] < confidence && allowed(i % w, i / w, z) {
            dense.depth.data[i] = z;
            dense.confidence[i] = confidence;
        }
    }
}

/// Whether no more of the other views see through the point than see a surface there.
fn is_allowed<'a>(
    view: &View,
    x: usize,
    y: usize,
    z: f32,
    witnesses: impl Iterator<Item = (&'a View<'a>, &'a DenseDepth)>,
) -> bool {
    let point = view.camera.unproject(x as f64 + 0.5, y as f64 + 0.5, f64::from(z));
    let (mut support, mut against) = (0, 0);
    for (other, dense) in witnesses {
        let Some((u, v, expected)) = other.camera.project(&point) else { continue };
        let (map, column, row) = (&dense.depth, u.floor() as i64, v.floor() as i64);
        let seen = f64::from(map.at(column, row));
        if seen <= 0.0 || dense.confidence[row as usize * map.width as usize + column as usize] <= MEASURED {
            continue;
        }
        support += usize::from((expected / seen - 1.0).abs() < CONTRADICTION);
        against += usize::from(expected < seen * (1.0 - CONTRADICTION));
    }
    against <= support
}

/// Metres in a unit of the scene by priors in metres: from the median of their scales, with the median relative deviation
/// of the others from it; `None` where no prior could be fitted.
pub fn metres_per_unit(fits: &[Option<DepthFit>]) -> Option<(f64, f64)> {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let scales: Vec<f64> = fits.iter().flatten().map(|f| f.scale).collect();
    let metre = middle(scales.clone())?;
    let spread = middle(scales.iter().map(|s| (s / metre - 1.0).abs()).collect())?;
    Some((1.0 / metre, spread))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Camera, Intrinsics, Quiet};
    use image::RgbImage;
    use nalgebra::{Isometry3, Point3, Vector3};

    const SIZE: (u32, u32) = (40, 30);

    fn camera(x: f64) -> Camera {
        let intrinsics = Intrinsics { width: SIZE.0, height: SIZE.1, fx: 30.0, fy: 30.0, cx: 20.0, cy: 15.0 };
        Camera { intrinsics, c2w: Isometry3::new(Vector3::new(x, 0.0, 0.0), Vector3::zeros()) }
    }

    /// A wall z = 3 + x / 2 seen by a camera at `(x, 0, 0)`.
    fn wall(camera: &Camera) -> DepthMap {
        let mut map = DepthMap::unknown(SIZE.0, SIZE.1);
        for i in 0..map.data.len() {
            let (u, v) = ((i % SIZE.0 as usize) as f64 + 0.5, (i / SIZE.0 as usize) as f64 + 0.5);
            let ray = camera.intrinsics.ray(u, v);
            map.data[i] = ((3.0 + camera.center().x / 2.0) / (1.0 - ray.x / 2.0)) as f32;
        }
        map
    }

    /// Points on the wall, seen by all cameras.
    fn points(cameras: &[Camera]) -> Vec<SparsePoint> {
        let grid = (0..48).map(|k| (f64::from(k % 8) * 0.3 - 1.0, f64::from(k / 8) * 0.3 - 0.8));
        grid.map(|(x, y)| {
            let position = Point3::new(x, y, 3.0 + x / 2.0);
            let seen = |(i, c): (usize, &Camera)| c.project(&position).map(|(u, v, _)| (i, [u as f32, v as f32]));
            SparsePoint {
                position,
                color: [0; 3],
                track: cameras.iter().enumerate().filter_map(seen).collect(),
                error: 0.0,
            }
        })
        .collect()
    }

    /// Multi-view depth that is right, with a hole in the middle.
    fn measured(camera: &Camera) -> DenseDepth {
        let mut dense = DenseDepth { depth: wall(camera), confidence: vec![0.9; 1200] };
        for i in hole() {
            (dense.depth.data[i], dense.confidence[i]) = (0.0, 0.0);
        }
        dense
    }

    fn hole() -> impl Iterator<Item = usize> {
        (0..1200).filter(|i| (10..28).contains(&(i % 40)) && (8..22).contains(&(i / 40)))
    }

    fn run(value: impl Fn(f32, usize) -> f32, meaning: Meaning) -> (Vec<Option<DepthFit>>, Vec<DenseDepth>) {
        let cameras = [camera(0.0), camera(0.25), camera(0.5)];
        let image = RgbImage::new(SIZE.0, SIZE.1);
        let views = cameras.map(|camera| View { image: &image, camera });
        let mut depths: Vec<DenseDepth> = cameras.iter().map(measured).collect();
        let priors: Vec<DepthPrior> = cameras
            .iter()
            .map(|c| {
                let mut depth = wall(c);
                depth.data.iter_mut().enumerate().for_each(|(i, d)| *d = value(*d, i));
                DepthPrior { depth, confidence: vec![1.0; 1200], meaning }
            })
            .collect();
        let found = fill_from_priors(&views, &points(&cameras), &priors, &mut depths, 1, &Quiet).unwrap();
        (found, depths)
    }

    #[test]
    fn holes_are_filled_and_measured_pixels_stay() {
        let kinds: [(Meaning, fn(f32, usize) -> f32); 3] = [
            (Meaning::Metric, |z, _| z / 2.5),
            (Meaning::UpToScaleAndShift, |z, _| z * 0.3 + 0.2),
            (Meaning::Inverse, |z, _| 10.0 / z + 1.0),
        ];
        for (meaning, value) in kinds {
            let (fits, depths) = run(value, meaning);
            assert!(fits.iter().all(Option::is_some));
            let truth = wall(&camera(0.0));
            for i in hole() {
                let (got, want) = (depths[0].depth.data[i], truth.data[i]);
                assert!((got / want - 1.0).abs() < 0.01, "{meaning:?}: pixel {i} has {got}, not {want}");
                assert_eq!(depths[0].confidence[i], CONFIDENCE);
            }
            let outside = (0..1200).filter(|i| !hole().any(|h| h == *i));
            assert!(
                outside.into_iter().all(|i| depths[0].depth.data[i] == truth.data[i] && depths[0].confidence[i] == 0.9)
            );
        }
    }

    #[test]
    fn metres_come_from_metric_priors() {
        let (fits, _) = run(|z, _| z / 2.5, Meaning::Metric);
        let (metres, spread) = metres_per_unit(&fits).unwrap();
        assert!((metres - 0.4).abs() < 0.003 && spread < 0.01, "{metres} {spread}");
        assert_eq!(metres_per_unit(&[None, None]), None);
    }

    #[test]
    fn a_prior_that_is_off_by_a_slow_field_is_bent_to_what_was_measured() {
        // 12 % too deep on the left, 12 % too near on the right.
        let slow = |z: f32, i: usize| z * (1.12 - 0.24 * (i % 40) as f32 / 39.0);
        let (_, depths) = run(slow, Meaning::UpToScale);
        let truth = wall(&camera(0.0));
        for i in hole() {
            let off = (depths[0].depth.data[i] / truth.data[i] - 1.0).abs();
            assert!(off < 0.03, "pixel {i} is off by {off}");
        }
    }

    #[test]
    fn nothing_is_filled_in_front_of_what_others_see_through() {
        // In the middle of the hole the prior has a thing that is not there, well in front of the wall.
        let thing = |i: usize| (16..22).contains(&(i % 40)) && (12..18).contains(&(i / 40));
        let cameras = [camera(0.0), camera(0.25), camera(0.5)];
        let image = RgbImage::new(SIZE.0, SIZE.1);
        let views = cameras.map(|camera| View { image: &image, camera });
        let mut depths: Vec<DenseDepth> = cameras.iter().map(measured).collect();
        // The others measured all of it.
        for k in 1..3 {
            depths[k] = DenseDepth { depth: wall(&cameras[k]), confidence: vec![0.9; 1200] };
        }
        let mut prior = wall(&cameras[0]);
        (0..1200).filter(|i| thing(*i)).for_each(|i| prior.data[i] = 1.5);
        let priors = cameras.map(|c| DepthPrior {
            depth: if c == cameras[0] { prior.clone() } else { wall(&c) },
            confidence: vec![1.0; 1200],
            meaning: Meaning::Metric,
        });
        fill_from_priors(&views, &points(&cameras), &priors, &mut depths, 1, &Quiet).unwrap();
        for i in hole() {
            assert_eq!(depths[0].depth.data[i] == 0.0, thing(i), "pixel {i} has {}", depths[0].depth.data[i]);
        }
    }

    #[test]
    fn a_prior_that_no_points_agree_with_changes_nothing() {
        let (fits, depths) = run(|z, _| 10.0 / z, Meaning::UpToScaleAndShift);
        assert_eq!(fits, [None; 3]);
        assert_eq!(depths[1], measured(&camera(0.25)));
    }
}
