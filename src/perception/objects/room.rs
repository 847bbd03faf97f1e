//! What boxes meet: the floor and the walls.

use crate::perception::geometric::Structural;
use nalgebra::{Point3, Vector3};
use std::f64::consts::FRAC_PI_2;

/// A wall: the plane `normal . p = offset`, the normal towards the room, and how far it reaches.
#[derive(Clone, Debug)]
pub(crate) struct Wall {
    pub(crate) normal: Vector3<f64>,
    pub(crate) offset: f64,
    center: Point3<f64>,
    /// Horizontal direction along the wall, and half its length.
    along: Vector3<f64>,
    half: f64,
}

impl Wall {
    /// Distance of a point in front of the wall, negative behind it.
    pub(crate) fn distance(&self, p: &Point3<f64>) -> f64 {
        self.normal.dot(&p.coords) - self.offset
    }

    /// Whether a point is in front of or behind the wall itself, and not beyond its end.
    pub(crate) fn faces(&self, p: &Point3<f64>) -> bool {
        self.along.dot(&(p - self.center)).abs() < self.half
    }
}

/// Floor, walls and scale of a scene whose up is +z.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// Height of the floor, scene units.
    pub(crate) floor: f64,
    pub(crate) walls: Vec<Wall>,
    /// Direction of the walls modulo a quarter turn, radians; `None` without walls.
    pub(crate) grid: Option<f64>,
    /// Length of a metre in scene units.
    pub(crate) metre: f64,
}

impl Room {
    /// The planes of a scene as a room. Without a floor plane the floor is at `lowest`.
    pub(crate) fn of(planes: &[Structural], lowest: f64, metre: f64) -> Self {
        let floor = planes.iter().find(|p| p.label == "floor").map_or(lowest, |p| p.plane.center.z);
        let walls: Vec<Wall> = planes
            .iter()
            .filter(|p| p.label == "wall")
            .filter_map(|p| {
                let normal = Vector3::new(p.plane.normal.x, p.plane.normal.y, 0.0).try_normalize(1e-9)?;
                let center = Point3::from(p.plane.center);
                let along = Vector3::new(-normal.y, normal.x, 0.0);
                let reach = |k: usize| p.plane.axes[k].dot(&along).abs() * p.plane.extent[k];
                Some(Wall {
                    normal,
                    offset: normal.dot(&center.coords),
                    center,
                    along,
                    half: 0.5 * (reach(0) + reach(1)),
                })
            })
            .collect();
        Self { floor, grid: grid(&walls), walls, metre }
    }

    /// The wall that is nearest behind a point, no farther than `reach`.
    pub(crate) fn wall_behind(&self, p: &Point3<f64>, reach: f64) -> Option<&Wall> {
        let near = self.walls.iter().filter(|w| w.faces(p) && w.distance(p).abs() <= reach);
        near.min_by(|a, b| a.distance(p).abs().total_cmp(&b.distance(p).abs()))
    }

    /// Turn of a yaw from the nearest direction of the walls, radians; 0 without walls.
    pub(crate) fn off_grid(&self, yaw: f64) -> f64 {
        self.grid.map_or(0.0, |g| (yaw - g + 0.5 * FRAC_PI_2).rem_euclid(FRAC_PI_2) - 0.5 * FRAC_PI_2)
    }

    /// The nearest yaw along the walls; the same without walls.
    pub(crate) fn along_grid(&self, yaw: f64) -> f64 {
        yaw - self.off_grid(yaw)
    }
}

/// Mean direction of the walls modulo a quarter turn, weighted by length.
fn grid(walls: &[Wall]) -> Option<f64> {
    let (sin, cos) = walls.iter().fold((0.0, 0.0), |(s, c), w| {
        let t = 4.0 * w.normal.y.atan2(w.normal.x);
        (s + w.half * t.sin(), c + w.half * t.cos())
    });
    let total: f64 = walls.iter().map(|w| w.half).sum();
    // Walls that meet at odd angles have no common direction.
    (total > 0.0 && f64::hypot(sin, cos) > 0.5 * total).then(|| f64::atan2(sin, cos) / 4.0)
}
