//! Two reconstructions of parts of one place brought together by the photos that both hold and the matches between them.

use super::graph::{normalised, per_pixel};
use super::mapper::Mapper;
use super::math::skew;
use super::two_view::sampson2;
use nalgebra::{Isometry3, Point3, Translation3};

/// Largest residual, pixels, of matches and points that agree with a way to join.
const LIMIT: f64 = 4.0;
/// Fewest that must agree.
const LEAST: usize = 24;
/// Least part of those there are that must agree.
const PART: f64 = 2.0 / 3.0;
/// Points that both reconstructions have of a photo, from which the ratio of their scales is taken.
const COMMON: usize = 5;

/// Brings the frame of the part to that of the whole: `x ↦ scale · rigid_rotation x + translation`.
#[derive(Clone, Copy)]
struct Frame {
    scale: f64,
    rigid: Isometry3<f64>,
}

impl Frame {
    /// The frame in which a photo has the same pose in both, at a ratio of scales.
    fn by_photo(whole: &Isometry3<f64>, part: &Isometry3<f64>, scale: f64) -> Self {
        let scaled = Isometry3::from_parts(Translation3::from(part.translation.vector * scale), part.rotation);
        Self { scale, rigid: whole.inverse() * scaled }
    }

    fn pose(&self, w2c: &Isometry3<f64>) -> Isometry3<f64> {
        Isometry3::from_parts(Translation3::from(w2c.translation.vector * self.scale), w2c.rotation)
            * self.rigid.inverse()
    }

    fn point(&self, p: &Point3<f64>) -> Point3<f64> {
        self.rigid * Point3::from(p.coords * self.scale)
    }
}

/// Points that both reconstructions have of the feature of a photo: of the whole, of the part, and where the photo sees it.
fn common(whole: &Mapper, part: &Mapper, i: usize) -> Vec<(Point3<f64>, Point3<f64>, [f64; 2])> {
    let points = |m: &Mapper, f: usize| m.point_of(i, f);
    let both = |f: usize| Some((points(whole, f)?, points(part, f)?, whole.features[i].points[f]));
    (0..whole.features[i].points.len()).filter_map(both).collect()
}

/// Ways to join that shared photos suggest: each by its pose, with the scale from points or from another shared photo.
fn suggestions(whole: &Mapper, part: &Mapper, shared: &[usize]) -> Vec<Frame> {
    let mut out = Vec::new();
    for i in shared {
        let (a, b) = (&whole.views[*i], &part.views[*i]);
        let mut scales = Vec::new();
        let depth = |w2c: &Isometry3<f64>, p: &Point3<f64>| (w2c * p).z;
        let mut ratios: Vec<f64> =
            common(whole, part, *i).iter().map(|(p, q, _)| depth(&a.w2c, p) / depth(&b.w2c, q)).collect();
        ratios.sort_by(f64::total_cmp);
        if ratios.len() >= COMMON {
            scales.push(ratios[ratios.len() / 2]);
        }
        for j in shared.iter().filter(|j| *j != i) {
            let apart = |m: &Mapper| (m.views[*i].centre_in_world() - m.views[*j].centre_in_world()).norm();
            scales.push(apart(whole) / apart(part));
        }
        let good = scales.into_iter().filter(|s| s.is_finite() && *s > 0.0);
        out.extend(good.map(|s| Frame::by_photo(&a.w2c, &b.w2c, s)));
    }
    out
}

/// How many matches between photos of only one and points of shared photos agree with a frame, and of how many.
fn support(whole: &Mapper, part: &Mapper, shared: &[usize], frame: &Frame) -> (usize, usize) {
    let (mut agree, mut all) = (0, 0);
    for i in shared {
        for (_, q, uv) in common(whole, part, *i) {
            agree += usize::from(whole.views[*i].error2(&frame.point(&q), uv) < LIMIT * LIMIT);
            all += 1;
        }
    }
    let only = |m: &Mapper, other: &Mapper, i: usize| m.registered[i] && !other.registered[i];
    for pair in whole.pairs {
        let forward = only(whole, part, pair.i) && only(part, whole, pair.j);
        if !(forward || only(part, whole, pair.i) && only(whole, part, pair.j)) {
            continue;
        }
        let pose = |i: usize| if whole.registered[i] { whole.views[i].w2c } else { frame.pose(&part.views[i].w2c) };
        let between = pose(pair.j) * pose(pair.i).inverse();
        let e = skew(&between.translation.vector) * between.rotation.to_rotation_matrix().matrix();
        let limit = LIMIT * per_pixel(&whole.views, pair.i, pair.j);
        let points = normalised(whole.features, &whole.views, (pair.i, pair.j), &pair.matches);
        agree += points.iter().filter(|c| sampson2(&e, c) < limit * limit).count();
        all += points.len();
    }
    (agree, all)
}

/// Gives the photos of `part` that `whole` lacks a pose in `whole`; false, and nothing changed, where nothing that both
/// share says clearly how.
pub(super) fn join(whole: &mut Mapper, part: &Mapper) -> bool {
    let shared: Vec<usize> = (0..whole.views.len()).filter(|i| whole.registered[*i] && part.registered[*i]).collect();
    let mut best: Option<(Frame, (usize, usize))> = None;
    for frame in suggestions(whole, part, &shared) {
        let found = support(whole, part, &shared, &frame);
        if best.as_ref().is_none_or(|b| found.0 > b.1.0) {
            best = Some((frame, found));
        }
    }
    let Some((frame, (agree, all))) = best else { return false };
    if agree < LEAST || (agree as f64) < PART * all as f64 {
        return false;
    }
    for i in 0..whole.views.len() {
        if part.registered[i] && !whole.registered[i] {
            whole.views[i].w2c = frame.pose(&part.views[i].w2c);
            whole.registered[i] = true;
        }
    }
    true
}
