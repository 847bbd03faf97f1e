//! Depth where it could not be measured: matches that views confirm loosely, planes through regions of like colour, and
//! interpolation over small gaps. Nothing is kept that stands in front of what other views see through.

use super::field::Field;
use super::filter::{LOOSE, MAX_ERROR, MAX_RELATIVE, MIN_AGREE, Map, links, to_native};
use super::level::Warp;
use super::segment::Segments;
use super::{DenseDepth, Prepared, View};
use crate::scene::Cancelled;
use nalgebra::{Matrix3, Vector3};
use rayon::prelude::*;

/// Confidence of a match that other views confirm only loosely.
const WEAK: f32 = 0.5;
/// Confidence of the plane of a pixel's own region.
const OWN_PLANE: f32 = 0.45;
/// Confidence of the plane of a neighbouring region.
const NEXT_PLANE: f32 = 0.2;
/// Confidence of interpolation between measured pixels.
const BETWEEN: f32 = 0.35;
/// Relative distance of an inlier to a region's plane.
const INLIER: f32 = 0.01;
/// Share of a region's measured pixels that has to lie on its plane.
const MIN_INLIERS: f32 = 0.55;
/// Measured pixels (of the half resolution) that a region's plane needs.
const MIN_SUPPORT: usize = 15;
/// Planes tried per region.
const TRIES: usize = 48;
/// Colour distance up to which a region takes the plane of its neighbour.
const LIKE_COLOR: f32 = 20.0;
/// Relative depth difference that counts as contradiction.
const CONTRADICTION: f32 = 0.03;
/// Widest gap that is interpolated, as a share of the map's width.
const GAP: f32 = 0.05;

/// Inverse depth over a map's pixel coordinates: `x u + y v + z`.
type Plane = Vector3<f32>;

/// Another view: how to get there, and what it measured.
struct Witness<'a> {
    there: Warp,
    map: &'a Map,
}

/// Fills the holes of every map, and brings it to the resolution of its photo.
pub(super) fn fill(
    views: &[View],
    prepared: &[Prepared],
    fields: &[Field],
    segments: &[Segments],
    measured: &[Map],
    step: &(dyn Fn() -> Result<(), Cancelled> + Sync),
) -> Result<Vec<DenseDepth>, Cancelled> {
    (0..measured.len())
        .into_par_iter()
        .map(|i| {
            let mut map = measured[i].clone();
            if prepared[i].range.is_some() {
                fill_view(prepared, fields, &segments[i], measured, i, &mut map);
            }
            let (width, height) = views[i].image.dimensions();
            step().map(|()| to_native(&map, width, height))
        })
        .collect()
}

fn fill_view(prepared: &[Prepared], fields: &[Field], segments: &Segments, measured: &[Map], i: usize, map: &mut Map) {
    let Some((low, high)) = prepared[i].range else { return };
    let me = &prepared[i].camera;
    let witnesses: Vec<Witness> = prepared[i]
        .neighbours
        .iter()
        .map(|&j| Witness { there: Warp::between(me, &prepared[j].camera), map: &measured[j] })
        .collect();
    let (half_w, half_h) = (map.width / 2, map.height / 2);
    let planes = region_planes(segments, map, half_w);
    weak_matches(prepared, fields, i, &witnesses, map);
    for at in 0..map.inverse.len() {
        if map.inverse[at] > 0.0 {
            continue;
        }
        let (x, y) = (at % map.width, at / map.width);
        let label = segments.label[(y / 2).min(half_h - 1) * half_w + (x / 2).min(half_w - 1)];
        let Some((plane, confidence)) = planes[label as usize] else { continue };
        let (u, v) = (x as f32 + 0.5, y as f32 + 0.5);
        let w = plane.x * u + plane.y * v + plane.z;
        if w >= low && w <= high && is_allowed(&witnesses, u, v, w) {
            map.inverse[at] = w;
            map.confidence[at] = confidence;
        }
    }
    bridge_gaps(&witnesses, map);
}

/// Whether no more views see through the point than see a surface there.
fn is_allowed(witnesses: &[Witness], u: f32, v: f32, w: f32) -> bool {
    let (mut support, mut against) = (0, 0);
    for witness in witnesses {
        let h = witness.there.apply(u, v, w);
        if h[2] <= 1e-6 {
            continue;
        }
        let (su, sv) = (h[0] / h[2], h[1] / h[2]);
        let map = witness.map;
        if su < 0.0 || sv < 0.0 || su >= map.width as f32 || sv >= map.height as f32 {
            continue;
        }
        let (seen, expected) = (map.inverse[sv as usize * map.width + su as usize], w / h[2]);
        if seen > 0.0 {
            support += usize::from((expected / seen - 1.0).abs() < CONTRADICTION);
            against += usize::from(expected > seen * (1.0 + CONTRADICTION));
        }
    }
    against <= support
}

/// Takes the matcher's own depth where three views confirm it loosely and no more contradict it.
fn weak_matches(prepared: &[Prepared], fields: &[Field], i: usize, witnesses: &[Witness], map: &mut Map) {
    let links = links(prepared, fields, i);
    // Two or three photos in all have no third view to ask.
    let least = links.len().clamp(1, MIN_AGREE + 1);
    for at in 0..map.inverse.len() {
        let (plane, cost) = (fields[i].planes[at], fields[i].cost[at]);
        if map.inverse[at] > 0.0 || plane.w <= 0.0 || cost > 0.6 {
            continue;
        }
        let (u, v) = ((at % map.width) as f32 + 0.5, (at / map.width) as f32 + 0.5);
        let (mut count, mut sum) = (0, plane.w);
        for trip in links.iter().filter_map(|link| link.round_trip(plane.w, u, v)) {
            if trip.error() < LOOSE * MAX_ERROR && (trip.ratio - 1.0).abs() < LOOSE * MAX_RELATIVE {
                count += 1;
                sum += trip.inverse - plane.du * trip.moved[0] - plane.dv * trip.moved[1];
            }
        }
        if count >= least && is_allowed(witnesses, u, v, plane.w) {
            map.inverse[at] = sum / (count + 1) as f32;
            map.confidence[at] = WEAK;
        }
    }
}

/// A plane for every region that has one, or that touches a region of like colour that has one.
fn region_planes(segments: &Segments, map: &Map, half_w: usize) -> Vec<Option<(Plane, f32)>> {
    let mut samples: Vec<Vec<[f32; 3]>> = vec![Vec::new(); segments.color.len()];
    for (k, label) in segments.label.iter().enumerate() {
        let (x, y) = (2 * (k % half_w), 2 * (k / half_w));
        let w = map.inverse.get(y * map.width + x).copied().unwrap_or(0.0);
        if w > 0.0 {
            samples[*label as usize].push([x as f32 + 0.5, y as f32 + 0.5, w]);
        }
    }
    let mut planes: Vec<Option<(Plane, f32)>> =
        samples.iter().enumerate().map(|(k, s)| robust_plane(s, k as u64).map(|p| (p, OWN_PLANE))).collect();
    // Only regions without measurements borrow: one whose own pixels lie on no plane is not flat.
    let before = planes.clone();
    for group in segments.touching.chunk_by(|a, b| a.0 == b.0) {
        let k = group[0].0 as usize;
        if before[k].is_some() || samples[k].len() >= MIN_SUPPORT {
            continue;
        }
        let distance = |j: u32| -> f32 {
            (0..3).map(|c| (segments.color[k][c] - segments.color[j as usize][c]).powi(2)).sum::<f32>().sqrt()
        };
        let like = group.iter().map(|(_, j)| *j).filter(|j| before[*j as usize].is_some());
        let nearest = like.min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        if let Some(j) = nearest.filter(|j| distance(*j) < LIKE_COLOR) {
            planes[k] = before[j as usize].map(|(p, _)| (p, NEXT_PLANE));
        }
    }
    planes
}

/// RANSAC plane (Fischler & Bolles 1981), refined by least squares over its inliers.
fn robust_plane(samples: &[[f32; 3]], seed: u64) -> Option<Plane> {
    if samples.len() < MIN_SUPPORT {
        return None;
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    let subset: Vec<[f32; 3]> = samples.iter().step_by(samples.len().div_ceil(300)).copied().collect();
    let is_inlier = |p: &Plane, s: &[f32; 3]| (p.x * s[0] + p.y * s[1] + p.z - s[2]).abs() < INLIER * s[2];
    let mut best: (usize, Option<Plane>) = (0, None);
    for _ in 0..TRIES {
        let pick: [[f32; 3]; 3] = std::array::from_fn(|_| subset[rng.usize(..subset.len())]);
        let Some(plane) = least_squares(&pick) else { continue };
        let count = subset.iter().filter(|s| is_inlier(&plane, s)).count();
        if count > best.0 {
            best = (count, Some(plane));
        }
    }
    let plane = best.1?;
    let inliers: Vec<[f32; 3]> = samples.iter().filter(|s| is_inlier(&plane, s)).copied().collect();
    let enough = inliers.len() >= MIN_SUPPORT && inliers.len() as f32 >= MIN_INLIERS * samples.len() as f32;
    if enough { least_squares(&inliers) } else { None }
}

/// Least-squares plane through `(u, v, w)`; `None` where the points lie on a line.
fn least_squares(points: &[[f32; 3]]) -> Option<Plane> {
    let n = points.len() as f64;
    let mean = points.iter().map(|p| Vector3::from(*p).cast::<f64>()).sum::<Vector3<f64>>() / n;
    let (mut a, mut b) = (Matrix3::zeros(), Vector3::zeros());
    for p in points {
        let d = Vector3::from(*p).cast::<f64>() - mean;
        let row = Vector3::new(d.x, d.y, 0.0);
        a += row * row.transpose();
        b += row * d.z;
    }
    let determinant = a.m11 * a.m22 - a.m12 * a.m12;
    // Points within half a pixel of a line leave the turn about it free.
    if determinant < 0.25 * n * (a.m11 + a.m22) {
        return None;
    }
    let (gu, gv) = ((b.x * a.m22 - b.y * a.m12) / determinant, (b.y * a.m11 - b.x * a.m12) / determinant);
    Some(Vector3::new(gu, gv, mean.z - gu * mean.x - gv * mean.y).cast::<f32>())
}

/// Interpolates inverse depth over narrow gaps, along rows and columns, where both ends lie on one surface.
fn bridge_gaps(witnesses: &[Witness], map: &mut Map) {
    let reach = ((map.width as f32 * GAP) as usize).max(2);
    let mut sums = vec![(0.0f32, 0.0f32); map.inverse.len()];
    let mut line = |start: usize, stride: usize, length: usize| {
        let mut last: Option<usize> = None;
        for k in 0..length {
            let w = map.inverse[start + k * stride];
            if w <= 0.0 {
                continue;
            }
            if let Some(from) = last.filter(|l| k - l > 1 && k - l <= reach) {
                let a = map.inverse[start + from * stride];
                if (a - w).abs() < 0.02 * (k - from) as f32 / reach as f32 * a + 0.01 * a {
                    for q in from + 1..k {
                        let t = (q - from) as f32 / (k - from) as f32;
                        let weight = 1.0 / (k - from) as f32;
                        let s = &mut sums[start + q * stride];
                        *s = (s.0 + weight * (a + t * (w - a)), s.1 + weight);
                    }
                }
            }
            last = Some(k);
        }
    };
    (0..map.height).for_each(|y| line(y * map.width, 1, map.width));
    (0..map.width).for_each(|x| line(x, map.width, map.height));
    for (at, (sum, weight)) in sums.into_iter().enumerate() {
        if weight > 0.0 {
            let (u, v, w) = ((at % map.width) as f32 + 0.5, (at / map.width) as f32 + 0.5, sum / weight);
            if is_allowed(witnesses, u, v, w) {
                map.inverse[at] = w;
                map.confidence[at] = BETWEEN;
            }
        }
    }
}
