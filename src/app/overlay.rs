//! Lines of boxes, cameras and the ground as seen by a camera, and where a photo lies in its panel.

use crate::scene::{Camera, OrientedBox};
use nalgebra::{Point3, Vector3};

/// A line on the picture, pixel coordinates.
pub(super) type Line = [[f64; 2]; 2];

/// Projects a line segment of the world; the part behind `near` is cut off. `None` when nothing is left.
pub(super) fn segment(camera: &Camera, a: &Point3<f64>, b: &Point3<f64>, near: f64) -> Option<Line> {
    let to_camera = camera.w2c();
    let (mut p, mut q) = (to_camera * a, to_camera * b);
    if p.z < near && q.z < near {
        return None;
    }
    let cut = |p: Point3<f64>, q: Point3<f64>| p + (q - p) * ((near - p.z) / (q.z - p.z));
    if p.z < near {
        p = cut(p, q);
    } else if q.z < near {
        q = cut(q, p);
    }
    let (a, b) = (camera.intrinsics.project(&p)?, camera.intrinsics.project(&q)?);
    let i = &camera.intrinsics;
    let (w, h) = (f64::from(i.width), f64::from(i.height));
    let outside = |f: fn(f64, f64) -> bool, x: f64, y: f64, limit: f64| f(x, limit) && f(y, limit);
    let (less, more): (fn(f64, f64) -> bool, fn(f64, f64) -> bool) = (|x, l| x < l, |x, l| x > l);
    let gone = outside(less, a.0, b.0, 0.0)
        || outside(more, a.0, b.0, w)
        || outside(less, a.1, b.1, 0.0)
        || outside(more, a.1, b.1, h);
    (!gone).then_some([[a.0, a.1], [b.0, b.1]])
}

/// The edges of a box that are in the picture.
pub(super) fn box_lines(camera: &Camera, obb: &OrientedBox, near: f64) -> Vec<Line> {
    let c = obb.corners();
    OrientedBox::EDGES.iter().filter_map(|(i, j)| segment(camera, &c[*i], &c[*j], near)).collect()
}

/// The faces of a box as quadrilaterals, for those that lie wholly before the camera.
pub(super) fn box_faces(camera: &Camera, obb: &OrientedBox) -> Vec<[[f64; 2]; 4]> {
    const FACES: [[usize; 4]; 6] = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]];
    let c = obb.corners().map(|p| camera.project(&p));
    let corner = |i: usize| c[i].map(|(u, v, _)| [u, v]);
    FACES.iter().filter_map(|f| Some([corner(f[0])?, corner(f[1])?, corner(f[2])?, corner(f[3])?])).collect()
}

/// Where the name of a box goes: its highest corner in the picture. `None` when part of it is behind the camera.
pub(super) fn top(camera: &Camera, obb: &OrientedBox) -> Option<[f64; 2]> {
    let seen: Option<Vec<_>> = obb.corners().iter().map(|c| camera.project(c)).collect();
    let best = seen?.into_iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some([best.0, best.1])
}

/// Whether an instance is a part of the room itself: drawn faintly, so that it does not hide what is in the room.
pub(super) fn is_background(label: &str) -> bool {
    matches!(label, "floor" | "wall" | "ceiling")
}

/// The pyramid of a photo's camera, `depth` long, with a tick that says where up is.
pub(super) fn frustum(photo: &Camera, depth: f64) -> Vec<[Point3<f64>; 2]> {
    let (w, h) = (f64::from(photo.intrinsics.width), f64::from(photo.intrinsics.height));
    let c = photo.center();
    let at = |u: f64, v: f64| photo.unproject(u * w, v * h, depth);
    let corners = [at(0.0, 0.0), at(1.0, 0.0), at(1.0, 1.0), at(0.0, 1.0)];
    let mut lines: Vec<_> = (0..4).flat_map(|k| [[c, corners[k]], [corners[k], corners[(k + 1) % 4]]]).collect();
    let peak = at(0.5, -0.25);
    lines.extend([[at(0.3, 0.0), peak], [peak, at(0.7, 0.0)]]);
    lines
}

/// Lines of a square grid on the plane `z`, about `center`: a round step that gives some 9 to 21 lines each way.
pub(super) fn grid(center: &Point3<f64>, radius: f64, z: f64) -> Vec<[Point3<f64>; 2]> {
    let wanted = radius.max(1e-9) / 10.0;
    let decade = 10f64.powf(wanted.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|k| k * decade).into_iter().find(|s| *s >= wanted).unwrap_or(wanted);
    let n = (radius / step).ceil() as i32;
    let (cx, cy) = ((center.x / step).round() * step, (center.y / step).round() * step);
    let reach = f64::from(n) * step;
    (-n..=n)
        .flat_map(|i| {
            let d = f64::from(i) * step;
            let p = |x: f64, y: f64| Point3::new(cx + x, cy + y, z);
            [[p(d, -reach), p(d, reach)], [p(-reach, d), p(reach, d)]]
        })
        .collect()
}

/// The ray through a pixel of a camera's picture, in the world.
pub(super) fn ray(camera: &Camera, u: f64, v: f64) -> (Point3<f64>, Vector3<f64>) {
    (camera.center(), camera.c2w.rotation * camera.intrinsics.ray(u, v))
}

/// Zoom and pan of the photo: 1 fits it into the panel.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct PhotoView {
    /// Magnification over fitting the panel.
    pub zoom: f64,
    /// Photo coordinates (0..1 each way) at the middle of the panel.
    pub center: [f64; 2],
}

impl Default for PhotoView {
    fn default() -> Self {
        Self { zoom: 1.0, center: [0.5, 0.5] }
    }
}

/// Where a photo lies: panel point = `origin + photo pixel * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placed {
    /// Panel coordinates of the photo's upper left corner.
    pub origin: [f64; 2],
    /// Panel points per photo pixel.
    pub scale: f64,
}

impl PhotoView {
    /// Places a photo of `photo` pixels in a panel that starts at `min` and is `size` large.
    pub(super) fn place(&self, photo: [f64; 2], min: [f64; 2], size: [f64; 2]) -> Placed {
        let scale = (size[0] / photo[0]).min(size[1] / photo[1]) * self.zoom;
        let origin = std::array::from_fn(|k| min[k] + size[k] * 0.5 - self.center[k] * photo[k] * scale);
        Placed { origin, scale }
    }

    /// Zooms by `factor` so that panel point `at` stays on the same photo pixel.
    pub(super) fn zoomed(&self, factor: f64, at: [f64; 2], photo: [f64; 2], min: [f64; 2], size: [f64; 2]) -> Self {
        let zoom = (self.zoom * factor).clamp(1.0, 40.0);
        let pixel = self.place(photo, min, size).photo(at);
        let scale = (size[0] / photo[0]).min(size[1] / photo[1]) * zoom;
        let center = std::array::from_fn(|k| (pixel[k] + (min[k] + size[k] * 0.5 - at[k]) / scale) / photo[k]);
        Self { zoom, center }.held()
    }

    /// Moved by a drag of `d` panel points.
    pub(super) fn panned(&self, d: [f64; 2], photo: [f64; 2], placed: &Placed) -> Self {
        Self { center: std::array::from_fn(|k| self.center[k] - d[k] / (placed.scale * photo[k])), ..*self }.held()
    }

    /// Kept such that the photo never leaves the panel; a photo that fits stays in the middle.
    fn held(self) -> Self {
        let reach = 0.5 - 0.5 / self.zoom;
        Self {
            center: self.center.map(|c| if c.is_finite() { c.clamp(0.5 - reach, 0.5 + reach) } else { 0.5 }),
            ..self
        }
    }
}

impl Placed {
    /// Panel point of a photo pixel.
    pub(super) fn panel(&self, p: [f64; 2]) -> [f64; 2] {
        std::array::from_fn(|k| self.origin[k] + p[k] * self.scale)
    }

    /// Photo pixel of a panel point.
    pub(super) fn photo(&self, p: [f64; 2]) -> [f64; 2] {
        std::array::from_fn(|k| (p[k] - self.origin[k]) / self.scale)
    }
}

/// The colour of an instance.
pub(super) fn color(id: u32) -> [u8; 3] {
    super::colors::instance(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Intrinsics;
    use nalgebra::Isometry3;

    fn camera() -> Camera {
        Camera { intrinsics: Intrinsics::guess(200, 100), c2w: Isometry3::identity() }
    }

    #[test]
    fn cuts_what_is_behind() {
        let c = camera();
        let (a, b) = (Point3::new(0.0, 0.0, -1.0), Point3::new(0.0, 0.0, 3.0));
        let line = segment(&c, &a, &b, 0.1).unwrap();
        assert!(line.iter().flatten().all(|x| x.is_finite()));
        assert_eq!(segment(&c, &a, &Point3::new(1.0, 1.0, -2.0), 0.1), None);
        assert_eq!(segment(&c, &Point3::new(-9.0, 0.0, 1.0), &Point3::new(-8.0, 0.0, 1.0), 0.1), None);
        let around = OrientedBox::upright(Point3::origin(), Vector3::repeat(2.0), 0.0);
        assert!(box_lines(&c, &around, 0.1).iter().flatten().flatten().all(|x| x.is_finite()));
        let ahead = OrientedBox::upright(Point3::new(0.0, 0.0, 5.0), Vector3::repeat(1.0), 0.4);
        assert_eq!(box_lines(&c, &ahead, 0.1).len(), 12);
        assert_eq!(box_faces(&c, &ahead).len(), 6);
        let all: Vec<_> = ahead.corners().iter().filter_map(|p| c.project(p)).collect();
        assert!(all.iter().all(|p| p.1 >= top(&c, &ahead).unwrap()[1]));
        assert_eq!(top(&c, &around), None, "a part of it is behind");
    }

    #[test]
    fn a_ray_projects_to_its_pixel() {
        let c = camera();
        let (o, d) = ray(&c, 30.0, 70.0);
        let (u, v, _) = c.project(&(o + d * 4.0)).unwrap();
        assert!((u - 30.0).abs() < 1e-9 && (v - 70.0).abs() < 1e-9);
    }

    #[test]
    fn zoom_keeps_the_pixel_under_the_pointer() {
        let (photo, min, size) = ([640.0, 480.0], [10.0, 20.0], [300.0, 300.0]);
        let at = [150.0, 160.0];
        let mut view = PhotoView::default();
        let before = view.place(photo, min, size).photo(at);
        view = view.zoomed(3.0, at, photo, min, size);
        let placed = view.place(photo, min, size);
        let after = placed.photo(at);
        assert!((before[0] - after[0]).abs() < 1e-9 && (before[1] - after[1]).abs() < 1e-9);
        assert_eq!(placed.photo(placed.panel([3.0, 4.0])), [3.0, 4.0]);
        assert_eq!(view.zoomed(1e-3, at, photo, min, size), PhotoView::default());
        let moved = view.panned([1e9, 0.0], photo, &placed);
        assert!(moved.center[0] >= 0.0);
    }

    #[test]
    fn grid_is_round_and_bounded() {
        for radius in [0.003, 1.0, 7.0, 2e4] {
            let lines = grid(&Point3::new(1.0, 2.0, 9.0), radius, 0.5);
            assert!((18..=42).contains(&lines.len()), "{radius}: {}", lines.len());
            assert!(lines.iter().flatten().all(|p| p.z == 0.5));
        }
    }
}
