//! The pose of a photo that shares much with one placed photo but hardly any point that is known already: direction and
//! turn from their essential matrix, and the length of the step from whatever else the photo shares with the
//! reconstruction, be it a few points or matches with a second photo.

use super::graph::{Pair, normalised, per_pixel};
use super::incremental::motion;
use super::mapper::Mapper;
use super::math::skew;
use super::two_view::{Match, sampson_parts};
use nalgebra::{Isometry3, Matrix3, Point3, Translation3, UnitQuaternion, Vector3};

/// Matches that the pair must share for its direction to be believed.
const MATCHES: usize = 30;
/// Median angle, radians, between the rays of the pair's matches: below it the direction of the step is a guess.
const ANGLE: f64 = 0.02;
/// Largest residual, pixels, of what agrees on the length of the step.
const LIMIT: f64 = 4.0;
/// Fewest that must agree on it beside the pair itself.
const LEAST: usize = 8;
/// Least part of all that could say something about it.
const PART: f64 = 2.0 / 3.0;
/// Largest standard deviation of the logarithm of the length, for residuals of a pixel.
const SURENESS: f64 = 0.05;

/// Something that depends on the length of the step: its residual is `(a + λ b) / scale(λ)`.
enum Witness {
    /// A known point and where the photo sees it (normalised), in the camera frame for λ = 0.
    Point { at: Vector3<f64>, seen: [f64; 2] },
    /// A match with another placed photo; the parts of its essential matrix.
    Match { fixed: Matrix3<f64>, moving: Matrix3<f64>, c: Match },
}

/// Poses of the photo along the step, `rotation` and `origin + λ direction`.
struct Family {
    rotation: UnitQuaternion<f64>,
    origin: Vector3<f64>,
    direction: Vector3<f64>,
}

impl Family {
    /// From the pose of `placed` and the relative pose between it and the photo, `second` where the photo is the second.
    fn new(placed: &Isometry3<f64>, relative: &Isometry3<f64>, second: bool) -> Self {
        let step = if second { *relative } else { relative.inverse() };
        Self {
            rotation: step.rotation * placed.rotation,
            origin: step.rotation * placed.translation.vector,
            direction: step.translation.vector,
        }
    }

    fn at(&self, length: f64) -> Isometry3<f64> {
        Isometry3::from_parts(Translation3::from(self.origin + self.direction * length), self.rotation)
    }
}

impl Witness {
    /// Lengths for which the residual is zero, or as near to it as it gets.
    fn length(&self, direction: &Vector3<f64>) -> f64 {
        match self {
            Self::Point { at, seen } => {
                let (mut a, mut b) = (0.0, 0.0);
                for k in 0..2 {
                    let (fixed, moving) = (at[k] - seen[k] * at.z, direction[k] - seen[k] * direction.z);
                    (a, b) = (a + fixed * moving, b + moving * moving);
                }
                -a / b
            }
            Self::Match { fixed, moving, c } => {
                let value = |m: &Matrix3<f64>| Vector3::new(c[2], c[3], 1.0).dot(&(m * Vector3::new(c[0], c[1], 1.0)));
                -value(fixed) / value(moving)
            }
        }
    }

    /// Signed or unsigned residual at a length, normalised coordinates; infinite behind the camera.
    fn residual(&self, direction: &Vector3<f64>, length: f64) -> [f64; 2] {
        match self {
            Self::Point { at, seen } => {
                let q = at + direction * length;
                if q.z > 0.0 { [q.x / q.z - seen[0], q.y / q.z - seen[1]] } else { [f64::INFINITY; 2] }
            }
            Self::Match { fixed, moving, c } => {
                let (numerator, denominator) = sampson_parts(&(fixed + moving * length), c);
                [numerator / denominator.sqrt(), 0.0]
            }
        }
    }
}

/// Everything but the pair with `partner` that tells of the length of the step of photo `i`.
fn witnesses(m: &Mapper, i: usize, partner: usize, family: &Family) -> Vec<Witness> {
    let start = family.at(0.0);
    let (points, pixels) = m.visible(i);
    let point = |(p, uv): (&Point3<f64>, &[f64; 2])| {
        let seen = m.views[i].normalised(*uv);
        Witness::Point { at: (start * p).coords, seen: [seen.x, seen.y] }
    };
    let mut out: Vec<Witness> = points.iter().zip(&pixels).map(point).collect();
    for pair in m.pairs.iter().filter(|p| p.i == i || p.j == i) {
        let other = pair.i + pair.j - i;
        if other == partner || !m.registered[other] {
            continue;
        }
        // From the other photo to this one: rotation R, translation t + λ d.
        let there = &m.views[other].w2c;
        let turn = family.rotation * there.rotation.inverse();
        let r = turn.to_rotation_matrix().into_inner();
        let fixed = skew(&(family.origin - turn * there.translation.vector)) * r;
        let moving = skew(&family.direction) * r;
        for c in normalised(m.features, &m.views, (pair.i, pair.j), &pair.matches) {
            let c = if pair.j == i { c } else { [c[2], c[3], c[0], c[1]] };
            out.push(Witness::Match { fixed, moving, c });
        }
    }
    out
}

/// The length that most witnesses agree on, and how many do; `None` where too few do or they leave it open.
fn length_of(witnesses: &[Witness], direction: &Vector3<f64>, pixel: f64) -> Option<(f64, usize)> {
    let limit2 = (LIMIT * pixel).powi(2);
    let agree = |length: f64| {
        let fits = move |w: &&Witness| w.residual(direction, length).iter().map(|r| r * r).sum::<f64>() < limit2;
        witnesses.iter().filter(fits)
    };
    let lengths = witnesses.iter().map(|w| w.length(direction)).filter(|l| l.is_finite() && *l > 0.0);
    let mut best = (0.0, 0);
    for length in lengths {
        let count = agree(length).count();
        if count > best.1 {
            best = (length, count);
        }
    }
    let (length, count) = best;
    let information: f64 = agree(length)
        .map(|w| {
            let (a, b) = (w.residual(direction, length * 0.99), w.residual(direction, length * 1.01));
            (0..2).map(|k| ((b[k] - a[k]) / (0.02 * pixel)).powi(2)).filter(|v| v.is_finite()).sum::<f64>()
        })
        .sum();
    let sure = information > SURENESS.powi(-2);
    (count >= LEAST && count as f64 >= PART * witnesses.len() as f64 && sure).then_some(best)
}

/// Poses of photo `i` by way of each placed photo that it shares enough with, those that most agree with first.
pub(super) fn poses(m: &Mapper, i: usize, seed: u64) -> Vec<Isometry3<f64>> {
    let open =
        |p: &&Pair| (p.i == i && m.registered[p.j] || p.j == i && m.registered[p.i]) && p.matches.len() >= MATCHES;
    let mut found: Vec<(usize, usize, Isometry3<f64>)> = Vec::new();
    for pair in m.pairs.iter().filter(open) {
        let partner = pair.i + pair.j - i;
        let Some(relative) = motion(m, pair, seed).filter(|r| r.angle >= ANGLE) else { continue };
        let family = Family::new(&m.views[partner].w2c, &relative.pose, pair.j == i);
        let witnesses = witnesses(m, i, partner, &family);
        if let Some((length, count)) = length_of(&witnesses, &family.direction, per_pixel(&m.views, i, partner)) {
            found.push((count, partner, family.at(length)));
        }
    }
    found.sort_by_key(|(count, partner, _)| (std::cmp::Reverse(*count), *partner));
    found.into_iter().map(|f| f.2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTION: [f64; 3] = [0.6, 0.0, 0.8];
    const PIXEL: f64 = 0.002;

    /// Witnesses of a step of length 1.7 in front of a camera that looks at points 3 to 6 units away; every third is wrong.
    fn scene(points: usize, wrong: bool) -> Vec<Witness> {
        let mut rng = fastrand::Rng::with_seed(4);
        let d = Vector3::from(DIRECTION);
        (0..points)
            .map(|k| {
                let at = Vector3::new(rng.f64() * 3.0 - 1.5, rng.f64() * 2.0 - 1.0, 3.0 + 3.0 * rng.f64());
                let q = at + d * 1.7;
                let seen =
                    if wrong && k % 4 == 0 { [rng.f64() - 0.5, rng.f64() - 0.5] } else { [q.x / q.z, q.y / q.z] };
                Witness::Point { at, seen }
            })
            .collect()
    }

    #[test]
    fn the_length_of_a_step_is_what_most_points_say() {
        let (length, count) = length_of(&scene(40, true), &Vector3::from(DIRECTION), PIXEL).unwrap();
        assert!((length - 1.7).abs() < 1e-9 && (30..34).contains(&count), "{length} {count}");
        assert!(length_of(&scene(7, false), &Vector3::from(DIRECTION), PIXEL).is_none());
    }

    #[test]
    fn matches_with_a_second_photo_tell_the_length_too() {
        let (d, mut rng) = (Vector3::from(DIRECTION), fastrand::Rng::with_seed(9));
        // The other photo stands one unit to the right of where the step starts, turned by nothing.
        let fixed = skew(&Vector3::new(1.0, 0.0, 0.0));
        let witnesses: Vec<Witness> = (0..30)
            .map(|_| {
                let p = Vector3::new(rng.f64() * 3.0 - 1.5, rng.f64() * 2.0 - 1.0, 3.0 + 3.0 * rng.f64());
                let q = p + Vector3::x() + d * 0.6;
                Witness::Match { fixed, moving: skew(&d), c: [p.x / p.z, p.y / p.z, q.x / q.z, q.y / q.z] }
            })
            .collect();
        let (length, count) = length_of(&witnesses, &d, PIXEL).unwrap();
        assert!((length - 0.6).abs() < 1e-6 && count == 30, "{length} {count}");
    }

    #[test]
    fn a_family_holds_the_true_pose_whichever_photo_is_first() {
        let placed = Isometry3::new(Vector3::new(0.3, -0.1, 0.5), Vector3::new(0.1, 0.4, -0.2));
        let truth = Isometry3::new(Vector3::new(-0.8, 0.2, 0.1), Vector3::new(-0.2, 0.7, 0.1));
        let between = truth * placed.inverse();
        let length = between.translation.vector.norm();
        let unit =
            |p: Isometry3<f64>| Isometry3::from_parts(Translation3::from(p.translation.vector / length), p.rotation);
        for (relative, second) in [(unit(between), true), (unit(between.inverse()), false)] {
            let found = Family::new(&placed, &relative, second).at(length);
            assert!((found.to_homogeneous() - truth.to_homogeneous()).norm() < 1e-12);
        }
    }
}
