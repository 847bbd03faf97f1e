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

#[cfg(test)]
mod tests {
    use super::super::bundle::Refine;
    use super::super::features::Features;
    use super::super::graph::{Pair, tracks};
    use super::super::mapper::Tolerance;
    use super::super::view::View;
    use super::*;
    use crate::scene::Intrinsics;
    use nalgebra::{Matrix3, Vector3};

    const PHOTOS: usize = 6;

    /// Photos on an arc that look at 200 points; every two photos in a row share all of them.
    fn scene() -> (Vec<Features>, Vec<Pair>, Vec<View>) {
        let mut rng = fastrand::Rng::with_seed(5);
        let k = Intrinsics { width: 640, height: 480, fx: 500.0, fy: 500.0, cx: 320.0, cy: 240.0 };
        let view = |i: usize| {
            let a = 0.2 * i as f64;
            View::new(&k, Isometry3::new(Vector3::new(-1.5 * a.sin(), 0.1 * a, 4.0), Vector3::y() * a))
        };
        let views: Vec<View> = (0..PHOTOS).map(view).collect();
        let points: Vec<Point3<f64>> =
            (0..200).map(|_| Point3::new(rng.f64() - 0.5, rng.f64() - 0.5, rng.f64() - 0.5) * 2.0).collect();
        let of = |v: &View| Features {
            points: points.iter().map(|p| v.project(p).unwrap()).collect(),
            ..Features::default()
        };
        let matches: Vec<(u32, u32)> = (0..200).map(|k| (k, k)).collect();
        let pairs = (1..PHOTOS).map(|j| Pair { i: j - 1, j, matches: matches.clone(), epipolar: Matrix3::zeros() });
        (views.iter().map(of).collect(), pairs.collect(), views)
    }

    fn reconstruction<'a>(f: &'a [Features], pairs: &'a [Pair], views: &[View], photos: &[usize]) -> Mapper<'a> {
        let mut m = Mapper::new(f, pairs, tracks(f, pairs), views.to_vec(), vec![0; PHOTOS], Refine::Nothing);
        photos.iter().for_each(|i| m.registered[*i] = true);
        m.update_all(Tolerance { pixels: 2.0, angle: 0.02 });
        m
    }

    #[test]
    fn a_part_in_another_frame_and_at_another_scale_is_put_where_it_belongs() {
        let (features, pairs, views) = scene();
        let away = Isometry3::new(Vector3::new(3.0, -2.0, 1.0), Vector3::new(0.4, -1.1, 0.3));
        // What the part calls x is 0.4 of what the whole does, turned and moved.
        let other: Vec<View> = views
            .iter()
            .map(|v| {
                let moved = v.w2c * away;
                let small = Translation3::from(moved.translation.vector * 0.4);
                View { w2c: Isometry3::from_parts(small, moved.rotation), ..*v }
            })
            .collect();
        for shared in [vec![2, 3], vec![3]] {
            let mut whole = reconstruction(&features, &pairs, &views, &[0, 1, 2, 3]);
            let photos: Vec<usize> = shared.into_iter().chain([4, 5]).collect();
            assert!(join(&mut whole, &reconstruction(&features, &pairs, &other, &photos)));
            for i in 4..PHOTOS {
                let off = whole.views[i].w2c.to_homogeneous() - views[i].w2c.to_homogeneous();
                assert!(whole.registered[i] && off.norm() < 1e-6, "{off}");
            }
        }
    }

    #[test]
    fn parts_without_a_common_photo_and_parts_that_disagree_stay_apart() {
        let (features, pairs, views) = scene();
        let mut whole = reconstruction(&features, &pairs, &views, &[0, 1, 2]);
        assert!(!join(&mut whole, &reconstruction(&features, &pairs, &views, &[3, 4, 5])));
        // Photo 2 is also seen by a part whose photo 3 looks elsewhere.
        let mut wrong = views.clone();
        wrong[2].w2c = Isometry3::new(Vector3::new(2.0, 1.0, 6.0), Vector3::new(0.0, 1.5, 0.0));
        let mut part = reconstruction(&features, &pairs, &views, &[2, 3, 4]);
        part.views = wrong;
        assert!(!join(&mut whole, &part));
        assert_eq!(whole.count(), 3);
    }
}
