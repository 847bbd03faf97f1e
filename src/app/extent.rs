//! How large the scene is, and the view that it opens with.

use super::model::Model;
use super::orbit::{self, Orbit};
use crate::scene::Camera;
use nalgebra::{Point3, Vector3};

/// How large the scene is: for the grid, the size of frusta and the near plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Its middle.
    pub center: Point3<f64>,
    /// Half of its horizontal size.
    pub radius: f64,
    /// Height of its lowest points.
    pub ground: f64,
    /// Whether +z is up: before gravity is known, it is not.
    pub upright: bool,
}

impl Default for Extent {
    fn default() -> Self {
        Self { center: Point3::origin(), radius: 1.0, ground: 0.0, upright: true }
    }
}

impl Model {
    /// The view that the scene opens with; `None` while there is nothing to see.
    pub(super) fn overview(&self) -> Option<Orbit> {
        let cameras: Vec<Camera> = self.sparse.cameras.iter().flatten().copied().collect();
        let points = self.some_points();
        (!cameras.is_empty() || !points.is_empty()).then(|| orbit::overview(&cameras, &points))
    }

    /// At most a few thousand points of the scene, evenly taken.
    fn some_points(&self) -> Vec<Point3<f64>> {
        let sparse: Vec<Point3<f64>> = thinned(&self.sparse.points).map(|p| p.position).collect();
        match &self.cloud {
            Some(cloud) if sparse.is_empty() => thinned(&cloud.means).map(|m| Point3::from(*m).cast()).collect(),
            _ => sparse,
        }
    }

    /// Measures how large the scene is, after its points or cameras have changed.
    pub(super) fn measure(&mut self) {
        let mut points = self.some_points();
        points.extend(self.sparse.cameras.iter().flatten().map(Camera::center));
        if points.is_empty() {
            self.extent = Extent::default();
            return;
        }
        let at = |k: usize, share: f64| {
            let mut x: Vec<f64> = points.iter().map(|p| p[k]).collect();
            x.sort_by(f64::total_cmp);
            x[((x.len() - 1) as f64 * share) as usize]
        };
        let center = Point3::new(at(0, 0.5), at(1, 0.5), at(2, 0.5));
        let radius = (0..2).map(|k| at(k, 0.95) - at(k, 0.05)).fold(0.0, f64::max) * 0.5;
        let tops: Vec<f64> = self.sparse.cameras.iter().flatten().map(|c| -(c.c2w.rotation * Vector3::y()).z).collect();
        let upright = tops.is_empty() || tops.iter().sum::<f64>() > 0.5 * tops.len() as f64;
        self.extent = Extent { center, radius: radius.max(1e-3), ground: at(2, 0.01), upright };
    }
}

fn thinned<T>(all: &[T]) -> impl Iterator<Item = &T> {
    all.iter().step_by((all.len() / 4000).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_scene_has_an_extent() {
        let mut m = Model::default();
        m.measure();
        assert!(m.extent.radius > 0.0 && Model::default().overview().is_none());
    }
}
