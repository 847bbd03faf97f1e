//! Handles of a box in a picture: where they are drawn, which one is under the pointer, and what a drag of it means.
//! World coordinates, pixels of the picture; a drag follows the pointer by meeting its ray with the axis or the ring.

use super::overlay;
use super::pick::to_segment;
use crate::review::edit::{self, Face};
use crate::scene::{Camera, OrientedBox};
use nalgebra::{Point3, Unit, Vector3};
use std::f64::consts::TAU;

/// What the handles do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tool {
    /// Arrows.
    #[default]
    Move,
    /// Rings.
    Turn,
    /// Faces.
    Size,
}

impl Tool {
    /// All, in the order of their keys 1 to 3.
    pub(super) const ALL: [Self; 3] = [Self::Move, Self::Turn, Self::Size];

    /// As the button says.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Turn => "Turn",
            Self::Size => "Faces",
        }
    }
}

/// One handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handle {
    /// Arrow along an axis of the box.
    Arrow(usize),
    /// The middle: moves on the level plane.
    Middle,
    /// Ring about an axis of the box.
    Ring(usize),
    /// A face.
    Face(Face),
}

/// Length of arrows and radius of rings, pixels.
const REACH: f64 = 92.0;
/// How near the pointer must be, pixels.
const NEAR: f64 = 11.0;
/// Sides of a ring's polygon.
const SIDES: usize = 48;
/// An axis within so many radians of the line of sight is no use as a handle.
const END_ON: f64 = 0.12;

/// A handle as it is drawn: a line of points in pixels.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Which.
    pub handle: Handle,
    /// Points of its line; one where it is a knob.
    pub line: Vec<[f64; 2]>,
    /// Axis for its colour: 0 to 2; 3 for none.
    pub axis: usize,
}

/// World length of a pixel at the depth of a point; `None` behind the camera.
fn pixel(camera: &Camera, at: &Point3<f64>) -> Option<f64> {
    camera.project(at).map(|(_, _, z)| z / camera.intrinsics.fx)
}

/// The handles of a tool. Rings: only that about the vertical for an upright box, unless `free`.
pub(super) fn shapes(camera: &Camera, b: &OrientedBox, tool: Tool, free: bool) -> Vec<Shape> {
    let Some(unit) = pixel(camera, &b.center) else { return Vec::new() };
    let on = |p: &Point3<f64>| camera.project(p).map(|(u, v, _)| [u, v]);
    let sight = b.center - camera.center();
    let mut out = Vec::new();
    match tool {
        Tool::Move => {
            for k in 0..3 {
                let a = edit::axis(b, k);
                let lean = a.angle(&sight);
                if lean.min(std::f64::consts::PI - lean) < END_ON {
                    continue;
                }
                let line = [0.16, 1.0].map(|t| on(&(b.center + a * (t * REACH * unit))));
                if let [Some(p), Some(q)] = line {
                    out.push(Shape { handle: Handle::Arrow(k), line: vec![p, q], axis: k });
                }
            }
            out.extend(on(&b.center).map(|p| Shape { handle: Handle::Middle, line: vec![p], axis: 3 }));
        }
        Tool::Turn => {
            for k in (0..3).filter(|k| free || *k == 2 || !edit::is_upright(b)) {
                let (x, y) = (edit::axis(b, (k + 1) % 3), edit::axis(b, (k + 2) % 3));
                let at = |i: usize| {
                    let (s, c) = (i as f64 / SIDES as f64 * TAU).sin_cos();
                    on(&(b.center + (x * c + y * s) * (REACH * unit)))
                };
                let line: Vec<[f64; 2]> = (0..=SIDES).filter_map(at).collect();
                if line.len() == SIDES + 1 {
                    out.push(Shape { handle: Handle::Ring(k), line, axis: k });
                }
            }
        }
        Tool::Size => {
            for face in Face::ALL {
                let lean = face.normal(b).angle(&sight);
                if lean.min(std::f64::consts::PI - lean) < END_ON {
                    continue;
                }
                // Beyond the face by a little, so that the knobs of a thin box do not lie on each other.
                let at = face.center(b) + face.normal(b) * (14.0 * unit);
                let line = [face.center(b), at].map(|p| on(&p));
                if let [Some(p), Some(q)] = line {
                    out.push(Shape { handle: Handle::Face(face), line: vec![p, q], axis: face.axis });
                }
            }
        }
    }
    out
}

/// The handle under the pointer, the nearest; knobs before lines.
pub(super) fn under(shapes: &[Shape], p: [f64; 2]) -> Option<Handle> {
    let distance = |s: &Shape| {
        let knob = s.line.last().map_or(f64::INFINITY, |q| (q[0] - p[0]).hypot(q[1] - p[1]) - 4.0);
        let line = s.line.windows(2).map(|w| to_segment(p, w[0], w[1])).fold(f64::INFINITY, f64::min);
        match s.handle {
            Handle::Ring(_) => line,
            Handle::Face(_) | Handle::Middle => knob,
            Handle::Arrow(_) => knob.min(line),
        }
    };
    let all = shapes.iter().map(|s| (distance(s), s.handle)).filter(|d| d.0 < NEAR);
    all.min_by(|a, b| a.0.total_cmp(&b.0)).map(|d| d.1)
}

/// A drag as it began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Grip {
    /// What was taken hold of.
    pub handle: Handle,
    /// The box then.
    pub from: OrientedBox,
    /// Where on the axis (scene units), at what angle of the ring (radians), or at which point of the level plane.
    start: [f64; 2],
}

impl Grip {
    /// Takes hold of a handle by the pixel `p`; `None` where the ray says nothing about it.
    pub(super) fn take(camera: &Camera, b: &OrientedBox, handle: Handle, p: [f64; 2]) -> Option<Self> {
        Some(Self { handle, from: *b, start: along(camera, b, handle, p)? })
    }

    /// The box with the pointer at `p`; `None` where the ray says nothing.
    pub(super) fn drag(&self, camera: &Camera, p: [f64; 2]) -> Option<OrientedBox> {
        let b = &self.from;
        let now = along(camera, b, self.handle, p)?;
        let by = now[0] - self.start[0];
        let out = match self.handle {
            Handle::Arrow(k) => edit::moved(b, &(edit::axis(b, k) * by)),
            Handle::Middle => edit::moved(b, &Vector3::new(by, now[1] - self.start[1], 0.0)),
            Handle::Ring(k) => edit::turned(b, &Unit::new_normalize(edit::axis(b, k)), by),
            Handle::Face(face) => edit::face_dragged(b, face, by),
        };
        edit::is_sane(&out).then_some(out)
    }
}

fn along(camera: &Camera, b: &OrientedBox, handle: Handle, p: [f64; 2]) -> Option<[f64; 2]> {
    let ray = overlay::ray(camera, p[0], p[1]);
    match handle {
        Handle::Arrow(k) => on_axis(&ray, &b.center, &edit::axis(b, k)).map(|t| [t, 0.0]),
        Handle::Face(face) => on_axis(&ray, &face.center(b), &face.normal(b)).map(|t| [t, 0.0]),
        Handle::Ring(k) => {
            let q = on_plane(&ray, &b.center, &edit::axis(b, k))? - b.center;
            let (x, y) = (edit::axis(b, (k + 1) % 3), edit::axis(b, (k + 2) % 3));
            Some([q.dot(&y).atan2(q.dot(&x)), 0.0])
        }
        Handle::Middle => on_plane(&ray, &b.center, &Vector3::z()).map(|q| [q.x, q.y]),
    }
}

/// Where on the axis through `at` along unit vector `a` the ray comes nearest, in units of `a`; `None` for a ray that
/// runs along it. Of the plane that holds the axis and faces the eye most: there the axis stays under the pointer.
pub(super) fn on_axis(ray: &(Point3<f64>, Vector3<f64>), at: &Point3<f64>, a: &Vector3<f64>) -> Option<f64> {
    let sight = at - ray.0;
    let normal = a.cross(&sight.cross(a)).try_normalize(1e-9)?;
    let hit = on_plane(ray, at, &normal)?;
    Some((hit - at).dot(a))
}

/// Where a ray meets a plane before the eye; `None` where it runs along it or away from it.
pub(super) fn on_plane(
    ray: &(Point3<f64>, Vector3<f64>),
    at: &Point3<f64>,
    normal: &Vector3<f64>,
) -> Option<Point3<f64>> {
    let slope = ray.1.dot(normal);
    if slope.abs() < 1e-3 * ray.1.norm() {
        return None;
    }
    let t = (at - ray.0).dot(normal) / slope;
    (t > 0.0 && t.is_finite()).then(|| ray.0 + ray.1 * t)
}

#[cfg(test)]
mod tests {
    use super::super::orbit::Orbit;
    use super::*;
    use proptest::prelude::*;

    fn camera(yaw: f64, pitch: f64) -> Camera {
        Orbit { yaw, pitch, distance: 4.0, ..Orbit::default() }.camera(800.0, 600.0)
    }

    fn cube(yaw: f64) -> OrientedBox {
        OrientedBox::upright(Point3::new(0.1, -0.2, 0.3), Vector3::new(1.0, 0.6, 0.8), yaw)
    }

    fn pixel_of(c: &Camera, p: &Point3<f64>) -> [f64; 2] {
        let (u, v, _) = c.project(p).unwrap();
        [u, v]
    }

    proptest! {
        #[test]
        fn an_arrow_stays_under_the_pointer(yaw in -3.1..3.1f64, pitch in -1.2..1.2f64, turn in -3.1..3.1f64, k in 0..3usize, s in 0.1..0.5f64, t in -0.8..0.8f64) {
            let (c, b) = (camera(yaw, pitch), cube(turn));
            let a = edit::axis(&b, k);
            prop_assume!(a.cross(&(b.center - c.center()).normalize()).norm() > 0.2);
            let grip = Grip::take(&c, &b, Handle::Arrow(k), pixel_of(&c, &(b.center + a * s))).unwrap();
            let out = grip.drag(&c, pixel_of(&c, &(b.center + a * (s + t)))).unwrap();
            prop_assert!((out.center - (b.center + a * t)).norm() < 1e-6);
            prop_assert_eq!((out.size, out.rotation), (b.size, b.rotation));
        }

        #[test]
        fn a_face_stays_under_the_pointer(yaw in -3.1..3.1f64, pitch in -1.2..1.2f64, f in 0..6usize, t in -0.3..0.8f64) {
            let (c, b, face) = (camera(yaw, pitch), cube(0.4), Face::ALL[f]);
            let n = face.normal(&b);
            prop_assume!(n.cross(&(face.center(&b) - c.center()).normalize()).norm() > 0.2);
            let grip = Grip::take(&c, &b, Handle::Face(face), pixel_of(&c, &face.center(&b))).unwrap();
            let out = grip.drag(&c, pixel_of(&c, &(face.center(&b) + n * t))).unwrap();
            prop_assert!((face.center(&out) - (face.center(&b) + n * t)).norm() < 1e-6);
        }

        #[test]
        fn a_ring_turns_by_the_angle_that_was_drawn(yaw in -3.1..3.1f64, pitch in 0.3..1.2f64, from in -3.0..3.0f64, by in -1.5..1.5f64) {
            let (c, b) = (camera(yaw, pitch), cube(0.7));
            let on_ring = |angle: f64| b.center + b.rotation * Vector3::new(angle.cos(), angle.sin(), 0.0) * 0.6;
            let grip = Grip::take(&c, &b, Handle::Ring(2), pixel_of(&c, &on_ring(from))).unwrap();
            let out = grip.drag(&c, pixel_of(&c, &on_ring(from + by))).unwrap();
            let wanted = edit::turned(&b, &Vector3::z_axis(), by);
            prop_assert!(out.rotation.angle_to(&wanted.rotation) < 1e-6);
        }

        #[test]
        fn what_is_drawn_can_be_taken(yaw in -3.1..3.1f64, pitch in -1.2..1.2f64, t in 0..3usize) {
            let (c, b) = (camera(yaw, pitch), cube(0.2));
            let all = shapes(&c, &b, Tool::ALL[t], true);
            prop_assert!(!all.is_empty());
            for s in &all {
                let p = *s.line.last().unwrap();
                let found = under(&all, p).unwrap();
                // Two may lie on each other: then the one found is there too.
                prop_assert!(found == s.handle || all.iter().any(|o| o.handle == found));
                prop_assert!(Grip::take(&c, &b, found, p).is_some() || matches!(found, Handle::Ring(_) | Handle::Middle));
            }
            prop_assert!(under(&all, [-500.0, -500.0]).is_none());
        }
    }

    #[test]
    fn upright_things_turn_about_the_vertical() {
        let c = camera(0.3, 0.5);
        let rings =
            |b: &OrientedBox, free| shapes(&c, b, Tool::Turn, free).iter().map(|s| s.handle).collect::<Vec<_>>();
        assert_eq!(rings(&cube(0.1), false), [Handle::Ring(2)]);
        assert_eq!(rings(&cube(0.1), true).len(), 3);
        let leaning = edit::turned(&cube(0.1), &Vector3::x_axis(), 0.3);
        assert_eq!(rings(&leaning, false).len(), 3);
        let behind = OrientedBox { center: c.center() - c.forward(), ..cube(0.0) };
        assert!(shapes(&c, &behind, Tool::Move, false).is_empty());
    }
}
