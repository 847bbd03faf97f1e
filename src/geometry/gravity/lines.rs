//! Up from vertical edges: door frames, shelves, table legs and the corners of walls all point to one vanishing point.

use super::segments::segments;
use crate::geometry::dense::View;
use nalgebra::{Matrix3, SymmetricEigen, Unit, Vector3};
use rayon::prelude::*;

/// Edges that are looked at: the longest, as seen from their cameras.
const MOST_EDGES: usize = 6000;
/// Directions that are tried.
const TRIALS: usize = 1500;
/// Largest angle between the mean up of the cameras and up, degrees.
const LARGEST_TILT_DEG: f64 = 40.0;
/// Angle between an edge's plane and up below which the edge is taken for vertical, degrees.
const INLIER_DEG: f64 = 1.5;
/// Fewest vertical edges, and photos that they are seen in.
const FEWEST_EDGES: usize = 12;
const FEWEST_PHOTOS: usize = 3;
/// Smallest spread of the edges' planes about up: 0.5 where they face all ways, 0 where all are parallel, as in photos
/// taken in one direction of edges in one line.
const SMALLEST_SPREAD: f64 = 0.02;
/// How many times as much edge length must point up as points in a typical other direction near the cameras' up.
const SALIENCE: f64 = 1.8;

/// An edge of a photo: the plane through it and the camera's centre holds the edge itself, so an edge along `v` has
/// `normal . v = 0` (the interpretation plane, Barnard 1983).
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// Unit normal of the plane in the world.
    pub(super) normal: Vector3<f64>,
    /// Angle that the edge spans as seen from the camera, radians: how much it counts.
    pub(super) span: f64,
    /// Index of the photo.
    pub(super) photo: usize,
}

/// The vertical edges of some photos.
#[derive(Clone, Debug)]
pub struct Verticals {
    /// Up in the world of the cameras.
    pub up: Unit<Vector3<f64>>,
    /// Number of vertical edges.
    pub edges: usize,
    /// Number of photos that they are seen in.
    pub photos: usize,
    /// `sum w n n^T / sum w` over the planes of the vertical edges.
    pub(super) moment: Matrix3<f64>,
    all: Vec<Edge>,
}

impl Verticals {
    /// Share, by length, of all edges near the vertical that are vertical if up is `up`, 0..1.
    pub fn share(&self, up: &Vector3<f64>) -> f64 {
        let limit = INLIER_DEG.to_radians().sin();
        let total: f64 = self.all.iter().map(|e| e.span).sum();
        let fitting: f64 = self.all.iter().filter(|e| e.normal.dot(up).abs() < limit).map(|e| e.span).sum();
        if total > 0.0 { fitting / total } else { 0.0 }
    }
}

/// Finds up from the straight edges of the photos; `None` where too few are vertical, or they do not tell.
/// Same seed, same answer.
pub fn find_verticals(views: &[View], seed: u64) -> Option<Verticals> {
    let mean_up: Vector3<f64> = views.iter().map(|v| -(v.camera.c2w.rotation * Vector3::y())).sum();
    let near = mean_up.try_normalize(1e-9)?;
    let of_view = |(photo, view): (usize, &View)| edges(photo, view);
    let all: Vec<Edge> = views.par_iter().enumerate().flat_map_iter(of_view).collect();
    vertical(all, &near, views.len(), seed)
}

/// The straight edges of one photo as planes.
fn edges(photo: usize, view: &View) -> Vec<Edge> {
    let (k, rotation) = (&view.camera.intrinsics, view.camera.c2w.rotation);
    let found = segments(view.image).into_iter().filter_map(|s| {
        let (a, b) = (k.ray(s.from[0], s.from[1]), k.ray(s.to[0], s.to[1]));
        let normal = rotation * a.cross(&b).try_normalize(1e-12)?;
        Some(Edge { normal, span: a.angle(&b), photo })
    });
    found.filter(|e| e.span.is_finite() && e.normal.iter().all(|x| x.is_finite())).collect()
}

/// The direction near `near` that most edges point in: the best of many that two edges fix, then least squares with
/// weights that fall to 0 at twice the tolerance (Tukey's biweight), the smallest eigenvector of `sum w n n^T`.
pub(super) fn vertical(mut all: Vec<Edge>, near: &Vector3<f64>, photos: usize, seed: u64) -> Option<Verticals> {
    // What cannot be vertical whatever up is.
    let steepest = LARGEST_TILT_DEG.to_radians().sin();
    all.retain(|e| e.normal.dot(near).abs() <= steepest);
    all.sort_by(|a, b| b.span.total_cmp(&a.span));
    all.truncate(MOST_EDGES);
    if all.len() < FEWEST_EDGES {
        return None;
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    let tried: Vec<Vector3<f64>> = (0..TRIALS).filter_map(|_| crossing(&all, near, &mut rng)).collect();
    let scores: Vec<f64> = tried.par_iter().map(|v| score(&all, v)).collect();
    let best = (0..tried.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)))?;
    let up = refined(&all, tried[best])?;
    // What is typical: the median over the directions that are clearly others.
    let mut others: Vec<f64> =
        tried.iter().zip(&scores).filter(|(v, _)| v.angle(&up).to_degrees() > 5.0).map(|(_, s)| *s).collect();
    others.sort_by(f64::total_cmp);
    let typical = others.get(others.len() / 2).copied().unwrap_or(0.0);
    let limit = INLIER_DEG.to_radians().sin();
    let vertical: Vec<&Edge> = all.iter().filter(|e| e.normal.dot(&up).abs() < limit).collect();
    let mut seen: Vec<usize> = vertical.iter().map(|e| e.photo).collect();
    seen.sort_unstable();
    seen.dedup();
    let total: f64 = vertical.iter().map(|e| e.span).sum();
    let moment = vertical.iter().map(|e| e.normal * e.normal.transpose() * e.span).sum::<Matrix3<f64>>() / total;
    let mut spread: Vec<f64> = SymmetricEigen::new(moment).eigenvalues.iter().copied().collect();
    spread.sort_by(f64::total_cmp);
    let told = vertical.len() >= FEWEST_EDGES
        && seen.len() >= FEWEST_PHOTOS.min(photos)
        && spread[1] >= SMALLEST_SPREAD
        && score(&all, &up) >= SALIENCE * typical
        && up.angle(near).to_degrees() <= LARGEST_TILT_DEG;
    let (edges, photos) = (vertical.len(), seen.len());
    told.then(|| Verticals { up: Unit::new_normalize(up), edges, photos, moment, all })
}

/// The direction that two edges share, drawn at random; `None` where it is far from `near`.
fn crossing(all: &[Edge], near: &Vector3<f64>, rng: &mut fastrand::Rng) -> Option<Vector3<f64>> {
    let (a, b) = (&all[rng.usize(..all.len())], &all[rng.usize(..all.len())]);
    // Planes that are almost parallel fix no direction.
    let v = a.normal.cross(&b.normal).try_normalize(0.1)?;
    let v = if v.dot(near) < 0.0 { -v } else { v };
    (v.angle(near).to_degrees() <= LARGEST_TILT_DEG).then_some(v)
}

fn score(all: &[Edge], v: &Vector3<f64>) -> f64 {
    let limit = INLIER_DEG.to_radians().sin();
    let worth = |e: &Edge| e.span * (1.0 - (e.normal.dot(v) / limit).powi(2)).max(0.0);
    all.iter().map(worth).sum()
}

fn refined(all: &[Edge], start: Vector3<f64>) -> Option<Vector3<f64>> {
    let reach = 2.0 * INLIER_DEG.to_radians().sin();
    let mut v = start;
    for _ in 0..10 {
        let weight = |e: &Edge| e.span * (1.0 - (e.normal.dot(&v) / reach).powi(2)).max(0.0).powi(2);
        let m: Matrix3<f64> = all.iter().map(|e| e.normal * e.normal.transpose() * weight(e)).sum();
        let eigen = SymmetricEigen::new(m);
        let u: Vector3<f64> = eigen.eigenvectors.column(eigen.eigenvalues.imin()).into_owned();
        let u = if u.dot(&v) < 0.0 { -u } else { u };
        let moved = u.angle(&v);
        v = u;
        if moved < 1e-7 {
            break;
        }
    }
    v.iter().all(|x| x.is_finite()).then_some(v)
}
