//! Keypoints moved to where the photos agree: each observation of a point is laid over the one in the most central photo.
//! Inverse compositional Lucas-Kanade with an affine warp, a gain and a bias (S. Baker & I. Matthews, "Lucas-Kanade 20
//! years on: a unifying framework", IJCV 2004, sections 3.2 and 4); that structure from motion gains by it is shown in
//! P. Lindenberger et al., "Pixel-perfect structure-from-motion with featuremetric refinement", ICCV 2021.

use super::features::Features;
use super::graph::Track;
use super::mapper::Mapper;
use super::scale_space::Plane;
use super::triangulation::angle;
use super::view::View;
use nalgebra::{Matrix2, Point3, SMatrix, SVector, Vector2};
use rayon::prelude::*;

/// Samples of a patch to each side of its middle.
const REACH: i32 = 6;
/// Samples of a patch along a side.
const SIDE: usize = 2 * REACH as usize + 1;
/// Standard deviation of the window that weighs samples, in samples.
const WINDOW: f64 = 4.0;
/// Blur of photos before they are compared, pixels: bilinear samples of sharper ones pull towards pixel centres.
const BLUR: f32 = 0.8;
/// Size of a feature, pixels, from which on the photo is halved; at twice the size it is halved again.
const HALVE_FROM: f32 = 6.0;
/// Times that photos are halved at most.
const HALVINGS: usize = 2;
/// Standard deviation, in brightness of 0..1, of what the model of a patch leaves over.
const NOISE: f64 = 0.01;
/// Standard deviation of where features are found, samples: holds patches that are edges along the edge.
const SIGMA_SHIFT: f64 = 0.7;
/// Standard deviation of a step of each entry of the affine part.
const SIGMA_SHAPE: f64 = 0.2;
/// Steps.
const STEPS: usize = 10;
/// A step below this, samples, is the last.
const STILL: f64 = 0.005;
/// Furthest that a keypoint is moved, samples.
const FURTHEST: f64 = 2.0;
/// Least correlation of patches that are one thing.
const CORRELATION: f64 = 0.8;
/// Range of the sizes that a patch may have in the other photo.
const SIZES: [f64; 2] = [0.5, 2.0];

/// A grey photo at several sizes, 16 bits a pixel.
pub(super) struct Pyramid(Vec<Grey>);

struct Grey {
    width: usize,
    height: usize,
    data: Vec<u16>,
}

impl Grey {
    fn of(plane: &Plane) -> Self {
        let data = plane.data.iter().map(|v| (v * 65535.0).clamp(0.0, 65535.0) as u16).collect();
        Self { width: plane.width, height: plane.height, data }
    }

    /// Brightness at `(x, y)`, pixel centres at +0.5; `None` off the photo.
    fn at(&self, x: f64, y: f64) -> Option<f64> {
        let (x, y) = (x - 0.5, y - 0.5);
        if !(x >= 0.0 && y >= 0.0 && x < (self.width - 1) as f64 && y < (self.height - 1) as f64) {
            return None;
        }
        let (i, j) = (x as usize, y as usize);
        let (a, b) = (x - i as f64, y - j as f64);
        let k = j * self.width + i;
        let v = |k: usize| f64::from(self.data[k]);
        let top = v(k) * (1.0 - a) + v(k + 1) * a;
        let bottom = v(k + self.width) * (1.0 - a) + v(k + self.width + 1) * a;
        Some((top * (1.0 - b) + bottom * b) / 65535.0)
    }
}

impl Pyramid {
    pub(super) fn new(photo: &Plane) -> Self {
        let mut plane = photo.blurred(BLUR);
        let mut levels = vec![Grey::of(&plane)];
        while levels.len() <= HALVINGS && plane.width.min(plane.height) >= 8 * SIDE {
            plane = plane.shrunk();
            levels.push(Grey::of(&plane.blurred(BLUR)));
        }
        Self(levels)
    }
}

/// A patch of the central photo with what every alignment to it needs.
struct Template {
    values: Vec<f64>,
    /// Rows of the linear model: value, 1, gradient, gradient times x, gradient times y.
    rows: Vec<SVector<f64, 8>>,
    weights: Vec<f64>,
    normal: SMatrix<f64, 8, 8>,
    /// Weighted variance of the values, times the sum of weights.
    variation: f64,
}

fn offsets() -> impl Iterator<Item = (f64, f64)> {
    (-REACH..=REACH).flat_map(|y| (-REACH..=REACH).map(move |x| (f64::from(x), f64::from(y))))
}

impl Template {
    /// The patch around `at` (pixels of this size of the photo); `None` at the border and where nothing is to be seen.
    fn new(photo: &Grey, at: Vector2<f64>) -> Option<Self> {
        let sample = |x: f64, y: f64| photo.at(at.x + x, at.y + y);
        let (mut values, mut rows, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let mut normal = SMatrix::<f64, 8, 8>::zeros();
        for (x, y) in offsets() {
            let v = sample(x, y)?;
            let gx = 0.5 * (sample(x + 1.0, y)? - sample(x - 1.0, y)?);
            let gy = 0.5 * (sample(x, y + 1.0)? - sample(x, y - 1.0)?);
            let row = SVector::<f64, 8>::from([v, 1.0, gx, gy, gx * x, gx * y, gy * x, gy * y]);
            let w = (-(x * x + y * y) / (2.0 * WINDOW * WINDOW)).exp();
            normal.ger(w, &row, &row, 1.0);
            values.push(v);
            rows.push(row);
            weights.push(w);
        }
        let (total, mean) = (normal[(1, 1)], normal[(0, 1)] / normal[(1, 1)]);
        let variation = normal[(0, 0)] - mean * mean * total;
        (variation > total * NOISE * NOISE).then_some(Self { values, rows, weights, normal, variation })
    }

    /// Where the middle of the patch is in another photo, from `at` and the shape `affine` that it should have there.
    fn find(&self, photo: &Grey, at: Vector2<f64>, affine: Matrix2<f64>) -> Option<Vector2<f64>> {
        let (mut place, mut shape, mut moved) = (at, affine, Vector2::zeros());
        let hold = (NOISE / SIGMA_SHIFT).powi(2);
        let mut seen = vec![0.0; SIDE * SIDE];
        let mut settled = false;
        for _ in 0..STEPS {
            for (v, (x, y)) in seen.iter_mut().zip(offsets()) {
                let p = place + shape * Vector2::new(x, y);
                *v = photo.at(p.x, p.y)?;
            }
            if settled {
                break;
            }
            let mut right = SVector::<f64, 8>::zeros();
            for ((row, v), w) in self.rows.iter().zip(&seen).zip(&self.weights) {
                right += row * (v * w);
            }
            let mut normal = self.normal;
            for k in 2..4 {
                normal[(k, k)] += hold;
                right[k] += hold * moved[k - 2];
            }
            for k in 4..8 {
                normal[(k, k)] += (NOISE / SIGMA_SHAPE).powi(2);
            }
            let s = normal.cholesky()?.solve(&right);
            if !(s[0] > 0.1) {
                return None;
            }
            let step = Vector2::new(s[2], s[3]) / s[0];
            let bend = Matrix2::new(1.0 + s[4] / s[0], s[5] / s[0], s[6] / s[0], 1.0 + s[7] / s[0]);
            shape *= bend.try_inverse()?;
            place -= shape * step;
            moved -= step;
            if !(moved.norm() < FURTHEST) {
                return None;
            }
            settled = step.norm() < STILL;
        }
        (self.correlation(&seen) > CORRELATION).then_some(place)
    }

    fn correlation(&self, seen: &[f64]) -> f64 {
        let (mut s, mut s2, mut st, mut t, mut total) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for ((v, w), own) in seen.iter().zip(&self.weights).zip(&self.values) {
            (s, s2, st, t, total) = (s + w * v, s2 + w * v * v, st + w * v * own, t + w * own, total + w);
        }
        let (own, theirs) = (self.variation, s2 - s * s / total);
        if theirs > 0.0 { (st - s * t / total) / (own * theirs).sqrt() } else { 0.0 }
    }
}

/// How a step of a pixel in `from` moves in `to`, on a plane through `p` that faces `from`.
fn shape(from: &View, to: &View, uv: [f64; 2], p: &Point3<f64>) -> Option<Matrix2<f64>> {
    let (centre, facing) = (from.centre_in_world(), from.ray(uv));
    let middle = to.project(p)?;
    let column = |du: f64, dv: f64| {
        let ray = from.ray([uv[0] + du, uv[1] + dv]).into_inner();
        let there = centre + ray * (facing.dot(&(p - centre)) / facing.dot(&ray));
        to.project(&there).map(|q| Vector2::new(q[0] - middle[0], q[1] - middle[1]))
    };
    let a = Matrix2::from_columns(&[column(1.0, 0.0)?, column(0.0, 1.0)?]);
    let size = a.determinant().abs().sqrt();
    (size > SIZES[0] && size < SIZES[1]).then_some(a)
}

/// The observation whose photo is most central among those of a track: nearest to the others in direction and distance.
fn central(m: &Mapper, seen: &[(usize, usize)], p: &Point3<f64>) -> usize {
    let rays: Vec<_> = seen.iter().map(|(i, _)| p - m.views[*i].centre_in_world()).collect();
    let apart = |a: usize| -> f64 {
        (0..seen.len()).map(|b| angle(&rays[a], &rays[b]) + (rays[a].norm() / rays[b].norm()).ln().abs()).sum()
    };
    let sums: Vec<f64> = (0..seen.len()).map(apart).collect();
    (0..seen.len()).min_by(|a, b| sums[*a].total_cmp(&sums[*b])).unwrap_or(0)
}

/// New places of the observations of a track, as photo, feature and place.
fn of_track(m: &Mapper, photos: &[Pyramid], track: &Track) -> Vec<(usize, usize, [f64; 2])> {
    let Some(p) = track.point else { return Vec::new() };
    let seen: Vec<(usize, usize)> = track.fitting().collect();
    if seen.len() < 2 {
        return Vec::new();
    }
    let middle = central(m, &seen, &p);
    let (i, f) = seen[middle];
    let uv = m.features[i].points[f];
    let size = m.features[i].scales.get(f).copied().unwrap_or(1.0);
    let level = ((size / HALVE_FROM).log2().floor() + 1.0).clamp(0.0, HALVINGS as f32) as usize;
    let level = level.min(photos[i].0.len() - 1);
    let scale = 0.5f64.powi(level as i32);
    let Some(template) = Template::new(&photos[i].0[level], Vector2::from(uv) * scale) else { return Vec::new() };
    let found = seen.iter().enumerate().filter(|(k, _)| *k != middle).filter_map(|(_, (j, g))| {
        let at = Vector2::from(m.features[*j].points[*g]) * scale;
        let place = template.find(photos[*j].0.get(level)?, at, shape(&m.views[i], &m.views[*j], uv, &p)?)? / scale;
        Some((*j, *g, [place.x, place.y]))
    });
    found.collect()
}

/// The features of `m`, those that its points stand on moved to where the photos agree; descriptors are left out.
pub(super) fn aligned(m: &Mapper, photos: &[Pyramid]) -> Vec<Features> {
    let mut out: Vec<Features> = m
        .features
        .iter()
        .map(|f| Features { points: f.points.clone(), scales: f.scales.clone(), ..Features::default() })
        .collect();
    let moved: Vec<_> = m.tracks.par_iter().with_min_len(16).map(|t| of_track(m, photos, t)).collect();
    for (i, f, place) in moved.into_iter().flatten() {
        out[i].points[f] = place;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brightness of a smooth surface at `(x, y)`: sines whose waves are 7 to 25 pixels long.
    fn surface(x: f64, y: f64) -> f64 {
        0.5 + 0.12 * (0.9 * x + 0.2 * y).sin() + 0.12 * (0.8 * y - 0.3 * x).sin() + 0.12 * (0.25 * (x + y)).cos()
    }

    fn photo(map: impl Fn(f64, f64) -> (f64, f64)) -> Grey {
        let mut plane = Plane::zeros(80, 60);
        for (k, v) in plane.data.iter_mut().enumerate() {
            let (x, y) = map((k % 80) as f64 + 0.5, (k / 80) as f64 + 0.5);
            *v = surface(x, y) as f32;
        }
        Grey::of(&plane)
    }

    #[test]
    fn a_patch_is_found_where_it_was_moved_turned_and_lit_otherwise() {
        let (from, to) = (Vector2::new(40.2, 30.7), Vector2::new(38.65, 31.4));
        // Of the second photo: a turn by 5 degrees, 10 % smaller along x, and a step; darker by a fifth.
        let warp = Matrix2::new(0.9 * 0.087f64.cos(), -0.087f64.sin(), 0.9 * 0.087f64.sin(), 0.087f64.cos());
        let back = warp.try_inverse().unwrap();
        let first = photo(|x, y| (x, y));
        let mut second = photo(|x, y| {
            let p = from + back * (Vector2::new(x, y) - to);
            (p.x, p.y)
        });
        second.data.iter_mut().for_each(|v| *v = (f64::from(*v) * 0.8 + 2000.0) as u16);
        let template = Template::new(&first, from).unwrap();
        // Bilinear samples of waves of 7 pixels are off by up to (pi / 7)^2 / 2 of their height, whatever the alignment.
        let found = template.find(&second, to + Vector2::new(0.8, -0.6), Matrix2::identity()).unwrap();
        assert!((found - to).norm() < 0.03, "{found}");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let first = photo(|x, y| (x, y));
        let template = Template::new(&first, Vector2::new(40.0, 30.0)).unwrap();
        let other = photo(|x, y| (1.7 * y + 13.0, 2.3 * x));
        assert!(template.find(&other, Vector2::new(40.0, 30.0), Matrix2::identity()).is_none());
        let plain = Grey::of(&Plane { width: 80, height: 60, data: vec![0.4; 4800] });
        assert!(Template::new(&plain, Vector2::new(40.0, 30.0)).is_none());
        assert!(Template::new(&first, Vector2::new(3.0, 30.0)).is_none());
    }
}
