//! The camera of the 3D view: it orbits a target, keeps +z up, and can sit exactly on a photo's camera.

use crate::scene::{Camera, Intrinsics};
use nalgebra::{Isometry3, Matrix3, Point3, Rotation3, Translation3, UnitQuaternion, Vector3};
use serde::{Deserialize, Serialize};

/// Largest pitch: straight up or down, the horizon has no direction.
const MAX_PITCH: f64 = 1.55;

/// Looks at `target` from `distance`; `yaw` and `pitch` say where the eye is as seen from the target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Orbit {
    /// What it looks at and turns about, world.
    pub target: Point3<f64>,
    /// From target to eye, scene units.
    pub distance: f64,
    /// Of the eye about +z, radians.
    pub yaw: f64,
    /// Of the eye above the horizontal, radians.
    pub pitch: f64,
    /// Vertical field of view, radians.
    pub fov_y: f64,
}

impl Default for Orbit {
    fn default() -> Self {
        Self { target: Point3::origin(), distance: 4.0, yaw: -2.2, pitch: 0.4, fov_y: 1.1 }
    }
}

impl Orbit {
    /// From an eye and a viewing direction; what it turns about lies `distance` ahead.
    pub(super) fn from_eye(eye: &Point3<f64>, forward: &Vector3<f64>, distance: f64, fov_y: f64) -> Self {
        let back = -forward.normalize();
        let pitch = back.z.clamp(-1.0, 1.0).asin().clamp(-MAX_PITCH, MAX_PITCH);
        let yaw = if back.xy().norm() > 1e-9 { back.y.atan2(back.x) } else { 0.0 };
        let mut orbit = Self { target: *eye, distance, yaw, pitch, fov_y };
        orbit.target = eye - orbit.back() * distance;
        orbit
    }

    /// Unit vector from target to eye.
    fn back(&self) -> Vector3<f64> {
        let (sp, cp) = self.pitch.sin_cos();
        let (sy, cy) = self.yaw.sin_cos();
        Vector3::new(cp * cy, cp * sy, sp)
    }

    /// Where the eye is.
    pub(super) fn eye(&self) -> Point3<f64> {
        self.target + self.back() * self.distance
    }

    /// Camera-to-world, OpenCV axes. Right is always horizontal: the view never rolls.
    pub(super) fn c2w(&self) -> Isometry3<f64> {
        let forward = -self.back();
        let (sy, cy) = self.yaw.sin_cos();
        let right = Vector3::new(-sy, cy, 0.0);
        let axes = Matrix3::from_columns(&[right, forward.cross(&right), forward]);
        let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(axes));
        Isometry3::from_parts(Translation3::from(self.eye().coords), rotation)
    }

    /// The camera that this is for a picture of `width` x `height` pixels.
    pub(super) fn camera(&self, width: f64, height: f64) -> Camera {
        let f = height * 0.5 / (self.fov_y * 0.5).tan();
        Camera { intrinsics: pinhole(width, height, f, f), c2w: self.c2w() }
    }

    /// Turns by a drag of `(dx, dy)` in screen heights: the picture follows the pointer.
    pub(super) fn turn(&mut self, dx: f64, dy: f64) {
        self.yaw = wrap(self.yaw - dx * 3.0);
        self.pitch = (self.pitch + dy * 3.0).clamp(-MAX_PITCH, MAX_PITCH);
    }

    /// Moves sideways by a drag of `(dx, dy)` in screen heights: what is at the target's depth follows the pointer.
    pub(super) fn pan(&mut self, dx: f64, dy: f64) {
        let span = 2.0 * self.distance * (self.fov_y * 0.5).tan();
        self.target += self.c2w().rotation * Vector3::new(-dx * span, -dy * span, 0.0);
    }

    /// Comes closer for `factor` below 1. Close to the target it moves the target ahead, so one never gets stuck.
    pub(super) fn zoom(&mut self, factor: f64, nearest: f64) {
        let wanted = self.distance * factor;
        if wanted < nearest {
            self.target -= self.back() * (nearest - wanted);
        }
        self.distance = wanted.clamp(nearest, 1e6 * nearest);
    }

    /// The view that shows a sphere around `center` from the side where the eye is now.
    pub(super) fn framing(&self, center: Point3<f64>, radius: f64) -> Self {
        let distance = radius.max(1e-6) * 1.6 / (self.fov_y * 0.5).sin();
        // A photo seen from straight above says little: come down a bit.
        Self { target: center, distance, pitch: self.pitch.clamp(0.15, 1.0), ..*self }
    }

    /// Between two views: `t` from 0 to 1, the shorter way round, distance geometrically.
    pub(super) fn between(&self, to: &Self, t: f64) -> Self {
        let s = t * t * (3.0 - 2.0 * t);
        Self {
            target: self.target + (to.target - self.target) * s,
            distance: self.distance.powf(1.0 - s) * to.distance.powf(s),
            yaw: wrap(self.yaw + wrap(to.yaw - self.yaw) * s),
            pitch: self.pitch + (to.pitch - self.pitch) * s,
            fov_y: self.fov_y + (to.fov_y - self.fov_y) * s,
        }
    }

    /// Whether it can be used: a saved state may hold anything.
    pub(super) fn is_sane(&self) -> bool {
        let numbers = [self.target.x, self.target.y, self.target.z, self.distance, self.yaw, self.pitch, self.fov_y];
        numbers.iter().all(|x| x.is_finite())
            && self.distance > 0.0
            && self.pitch.abs() <= MAX_PITCH
            && (0.05..3.0).contains(&self.fov_y)
    }
}

/// A pinhole with its centre in the middle.
fn pinhole(width: f64, height: f64, fx: f64, fy: f64) -> Intrinsics {
    Intrinsics { width: width.round() as u32, height: height.round() as u32, fx, fy, cx: width * 0.5, cy: height * 0.5 }
}

/// A photo's camera shown in a picture of another shape: the photo fits inside it.
pub(super) fn fitted(photo: &Camera, width: f64, height: f64) -> Camera {
    let i = &photo.intrinsics;
    let (w, h) = (f64::from(i.width), f64::from(i.height));
    let s = (width / w).min(height / h);
    let (cx, cy) = (width * 0.5 + (i.cx - w * 0.5) * s, height * 0.5 + (i.cy - h * 0.5) * s);
    let intrinsics = Intrinsics { cx, cy, ..pinhole(width, height, i.fx * s, i.fy * s) };
    Camera { intrinsics, c2w: photo.c2w }
}

/// An angle as one from -pi to pi, radians.
pub(super) fn wrap(angle: f64) -> f64 {
    use std::f64::consts::{PI, TAU};
    (angle + PI).rem_euclid(TAU) - PI
}

/// Where to start: a little behind and above the photo that shows most of `points` (any points of the scene), turning
/// about what it looks at. It shows what that photo shows, so it is never empty.
pub(super) fn overview(cameras: &[Camera], points: &[Point3<f64>]) -> Orbit {
    let few: Vec<&Point3<f64>> = points.iter().step_by((points.len() / 500).max(1)).collect();
    let seen = |c: &Camera| {
        let (w, h) = (f64::from(c.intrinsics.width), f64::from(c.intrinsics.height));
        let inside =
            |p: &Point3<f64>| c.project(p).is_some_and(|(u, v, _)| (0.0..w).contains(&u) && (0.0..h).contains(&v));
        few.iter().filter(|p| inside(p)).count()
    };
    // Of equals the best.
    let Some(best) = cameras.iter().rev().max_by_key(|c| seen(c)) else {
        return around(points);
    };
    let (eye, forward) = (best.center(), best.forward());
    let mut depths: Vec<f64> = points
        .iter()
        .filter_map(|p| best.project(p))
        .filter(|(u, v, _)| {
            (0.0..f64::from(best.intrinsics.width)).contains(u) && (0.0..f64::from(best.intrinsics.height)).contains(v)
        })
        .map(|(_, _, z)| z)
        .collect();
    depths.sort_by(f64::total_cmp);
    let spread = || cameras.iter().map(|c| (c.center() - eye).norm()).fold(0.0, f64::max);
    let depth = depths.get(depths.len() / 2).copied().unwrap_or_else(|| spread().max(1.0));
    let at_photo = Orbit::from_eye(&eye, &forward, depth, Orbit::default().fov_y);
    Orbit { distance: depth * 1.12, pitch: (at_photo.pitch + 0.06).min(MAX_PITCH), ..at_photo }
}

/// The view of a bare cloud of points.
fn around(points: &[Point3<f64>]) -> Orbit {
    let median = |k: usize| {
        let mut x: Vec<f64> = points.iter().map(|p| p[k]).collect();
        x.sort_by(f64::total_cmp);
        x.get(x.len() / 2).copied().unwrap_or(0.0)
    };
    let center = Point3::new(median(0), median(1), median(2));
    let mut radii: Vec<f64> = points.iter().map(|p| (p - center).norm()).collect();
    radii.sort_by(f64::total_cmp);
    match radii.get(radii.len() * 9 / 10) {
        Some(r) if *r > 0.0 => Orbit::default().framing(center, *r),
        _ => Orbit { target: center, ..Orbit::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_flips_or_rolls(drags in prop::collection::vec((-2.0..2.0f64, -2.0..2.0f64, -1.0..1.0f64), 1..40)) {
            let mut o = Orbit::default();
            for (dx, dy, z) in drags {
                o.turn(dx, dy);
                o.pan(dy, dx);
                o.zoom(z.exp(), 0.01);
                prop_assert!(o.is_sane());
                let r = o.c2w().rotation;
                prop_assert!((r * Vector3::x()).z.abs() < 1e-12, "right is horizontal");
                prop_assert!((r * Vector3::y()).z < 0.0, "down is down");
                let centre = o.camera(800.0, 600.0).project(&o.target).unwrap();
                prop_assert!((centre.0 - 400.0).abs() < 1e-6 && (centre.1 - 300.0).abs() < 1e-6);
            }
        }

        #[test]
        fn keeps_the_eye_of_a_photo(yaw in -3.1..3.1f64, pitch in -1.5..1.5f64, d in 0.1..9.0f64) {
            let a = Orbit { yaw, pitch, ..Orbit::default() };
            let b = Orbit::from_eye(&a.eye(), &(a.target - a.eye()), d, a.fov_y);
            prop_assert!((a.eye() - b.eye()).norm() < 1e-9);
            prop_assert!(a.c2w().rotation.angle_to(&b.c2w().rotation) < 1e-6);
        }
    }

    #[test]
    fn what_is_at_the_target_follows_a_pan() {
        let mut o = Orbit::default();
        let p = o.target;
        o.pan(0.1, -0.2);
        let (u, v, _) = o.camera(600.0, 600.0).project(&p).unwrap();
        assert!((u - 360.0).abs() < 1e-6 && (v - 180.0).abs() < 1e-6, "{u} {v}");
    }

    #[test]
    fn overview_sees_what_the_first_photo_sees() {
        let camera = Orbit { yaw: 1.0, ..Orbit::default() }.camera(640.0, 480.0);
        let points: Vec<_> = (1..50).map(|k| camera.unproject(320.0, 240.0, 0.1 * f64::from(k))).collect();
        let o = overview(&[camera], &points);
        assert!((o.target - points[24]).norm() < 0.2);
        assert!((o.eye() - camera.center()).norm() < 0.3 * o.distance, "near the photo's camera");
        assert!(o.distance > (o.target - camera.center()).norm(), "a little behind it");
        assert!(overview(&[], &points).is_sane() && overview(&[], &[]).is_sane());
    }

    #[test]
    fn goes_the_shorter_way_round() {
        let (a, b) = (Orbit { yaw: 3.0, ..Orbit::default() }, Orbit { yaw: -3.0, ..Orbit::default() });
        assert!(a.between(&b, 0.5).yaw.abs() > 3.0);
        assert!((a.between(&b, 1.0).yaw - b.yaw).abs() < 1e-12);
    }
}
