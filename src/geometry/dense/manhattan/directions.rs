//! The three directions of a room.

use super::Sample;
use nalgebra::Vector3;
use std::collections::BTreeMap;
use std::f32::consts::FRAC_PI_2;

/// Samples that vote, and normals that are tried for the first direction.
const VOTERS: usize = 20_000;
const TRIED: usize = 600;
/// Cosines from which on a normal is along a direction, and up to which it is across.
const ALONG: f32 = 0.985;
const ACROSS: f32 = 0.1;
/// A normal across the first direction says less: any vertical surface has one.
const ACROSS_WEIGHT: f32 = 0.5;
/// Angles tried within a quarter turn for the second direction, and the noise of normals about it, radians.
const ANGLES: usize = 180;
const NOISE: f32 = 0.07;

/// Turns tried about the second direction, radians either way, and their step; normals are off by degrees, since smooth shading and edges
/// pull them one way, where positions metres apart tell minutes of arc.
const TURN: f32 = 0.105;
const TURN_STEP: f32 = 0.003;
/// Normals farther than this from a direction do not belong to it, radians.
const BELONGS: f32 = 0.4;
/// Bin of offsets along a direction, in typical depths.
const BIN: f32 = 0.005;

/// Three directions across one another that most surfaces are along: that with most normals along or across it, then
/// that about it along which the samples lie in the thinnest layers. `unit` is the typical depth.
pub(super) fn directions(samples: &[Sample], unit: f32) -> [Vector3<f32>; 3] {
    let every = samples.len().div_ceil(VOTERS).max(1);
    let voters: Vec<&Sample> = samples.iter().step_by(every).collect();
    let normals: Vec<Vector3<f32>> = voters.iter().map(|s| s.normal).collect();
    let first = first(&normals);
    let e = first.cross(&Vector3::ith(first.abs().imin(), 1.0)).normalize();
    let f = first.cross(&e);
    let walls: Vec<Wall> = voters
        .iter()
        .filter(|s| s.normal.dot(&first).abs() < 0.2)
        .map(|s| {
            let p = &s.position.coords;
            let angle = s.normal.dot(&f).atan2(s.normal.dot(&e));
            Wall { at: [p.dot(&e) / unit, p.dot(&f) / unit], angle, area: (s.depth / unit).min(2.0).powi(2) }
        })
        .collect();
    let rough = mode(&walls.iter().map(|w| w.angle).collect::<Vec<f32>>());
    let angle = thinnest(&walls, rough);
    let second = e * angle.cos() + f * angle.sin();
    [second, first.cross(&second), first]
}

/// A sample across the first direction, seen along it.
struct Wall {
    /// Position, in typical depths.
    at: [f32; 2],
    /// Of its normal.
    angle: f32,
    area: f32,
}

/// The angle near `rough` along which, or across which, the samples lie in the thinnest layers: the largest sum of squares of the
/// histogram of their offsets.
fn thinnest(walls: &[Wall], rough: f32) -> f32 {
    let score = |angle: f32| -> f32 {
        let (sin, cos) = angle.sin_cos();
        let mut layers: BTreeMap<(bool, i32), f32> = BTreeMap::new();
        for w in walls.iter().filter(|w| quarter_off(w.angle, angle).abs() < BELONGS) {
            let is_second = (w.angle - angle).cos().abs() > 0.7;
            let offset = if is_second { cos * w.at[0] + sin * w.at[1] } else { cos * w.at[1] - sin * w.at[0] };
            *layers.entry((is_second, (offset / BIN).floor() as i32)).or_default() += w.area;
        }
        layers.values().map(|a| a * a).sum()
    };
    let turns = (TURN / TURN_STEP) as i32;
    let tried = (-turns..=turns).map(|k| rough + k as f32 * TURN_STEP);
    tried.map(|a| (score(a), a)).fold((f32::MIN, rough), |a, b| if b.0 > a.0 { b } else { a }).1
}

/// The difference of two angles modulo a quarter turn, within an eighth of a turn of 0.
fn quarter_off(a: f32, b: f32) -> f32 {
    (a - b + 0.5 * FRAC_PI_2).rem_euclid(FRAC_PI_2) - 0.5 * FRAC_PI_2
}

fn first(voters: &[Vector3<f32>]) -> Vector3<f32> {
    let votes = |d: &Vector3<f32>| -> f32 {
        let one = |n: &Vector3<f32>| {
            let cos = n.dot(d).abs();
            f32::from(u8::from(cos > ALONG)) + ACROSS_WEIGHT * f32::from(u8::from(cos < ACROSS))
        };
        voters.iter().map(one).sum()
    };
    let tried = voters.iter().step_by(voters.len().div_ceil(TRIED).max(1));
    let scored = tried.map(|d| (votes(d), *d));
    let mut best = scored.fold((f32::MIN, Vector3::z()), |a, b| if b.0 > a.0 { b } else { a }).1;
    const ROUNDS: usize = 5;
    for _ in 0..ROUNDS {
        let along = voters.iter().filter(|n| n.dot(&best).abs() > ALONG - 0.015);
        let sum: Vector3<f32> = along.map(|n| n * n.dot(&best).signum()).sum();
        best = sum.try_normalize(1e-9).unwrap_or(best);
    }
    best
}

/// The angle that most angles are near, modulo a quarter turn.
fn mode(angles: &[f32]) -> f32 {
    let near = |angle: f32, a: &f32| (-(quarter_off(*a, angle) / NOISE).powi(2)).exp();
    let tried = (0..ANGLES).map(|k| k as f32 * FRAC_PI_2 / ANGLES as f32);
    let scored = tried.map(|t| (angles.iter().map(|a| near(t, a)).sum::<f32>(), t));
    let mut best = scored.fold((f32::MIN, 0.0), |a, b| if b.0 > a.0 { b } else { a }).1;
    const ROUNDS: usize = 5;
    for _ in 0..ROUNDS {
        let (sum, total) = angles.iter().fold((0.0f32, 1e-9f32), |(s, t), a| {
            let w = near(best, a);
            (s + w * quarter_off(*a, best), t + w)
        });
        best += sum / total;
    }
    best
}
