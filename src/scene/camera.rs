//! Pinhole cameras with OpenCV axes.

use nalgebra::{Isometry3, Point3, Vector3};
use serde::{Deserialize, Serialize};

/// Pinhole intrinsics in pixels. Pixel centres are at +0.5, so the centre of an image is `(width / 2, height / 2)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intrinsics {
    /// Image width in pixels.
    pub width: u32,
    /// Image height in pixels.
    pub height: u32,
    /// Focal length along x, pixels.
    pub fx: f64,
    /// Focal length along y, pixels.
    pub fy: f64,
    /// Principal point x, pixels.
    pub cx: f64,
    /// Principal point y, pixels.
    pub cy: f64,
}

impl Intrinsics {
    /// A guess for an unknown camera: a horizontal or vertical field of view of 60 degrees over the longer side.
    pub fn guess(width: u32, height: u32) -> Self {
        let f = f64::from(width.max(height)) * 0.5 / (30f64.to_radians()).tan();
        Self { width, height, fx: f, fy: f, cx: f64::from(width) * 0.5, cy: f64::from(height) * 0.5 }
    }

    /// The same camera for an image resized to `width` x `height`.
    pub fn resized(&self, width: u32, height: u32) -> Self {
        let (sx, sy) = (f64::from(width) / f64::from(self.width), f64::from(height) / f64::from(self.height));
        Self { width, height, fx: self.fx * sx, fy: self.fy * sy, cx: self.cx * sx, cy: self.cy * sy }
    }

    /// Whether every number is finite, positive where it must be, and the principal point lies near the image.
    pub fn is_plausible(&self) -> bool {
        let (w, h) = (f64::from(self.width), f64::from(self.height));
        self.width > 0
            && self.height > 0
            && [self.fx, self.fy].iter().all(|f| f.is_finite() && *f > 0.05 * w.max(h) && *f < 50.0 * w.max(h))
            && self.cx.is_finite()
            && self.cy.is_finite()
            && (-w..2.0 * w).contains(&self.cx)
            && (-h..2.0 * h).contains(&self.cy)
    }

    /// Ray through pixel coordinates `(u, v)` in the camera frame, with z = 1.
    pub fn ray(&self, u: f64, v: f64) -> Vector3<f64> {
        Vector3::new((u - self.cx) / self.fx, (v - self.cy) / self.fy, 1.0)
    }

    /// Pixel coordinates of a point in the camera frame; `None` at or behind the camera plane.
    pub fn project(&self, p: &Point3<f64>) -> Option<(f64, f64)> {
        (p.z > 1e-9).then(|| (self.fx * p.x / p.z + self.cx, self.fy * p.y / p.z + self.cy))
    }
}

/// A camera in the world: intrinsics and a camera-to-world pose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Pinhole intrinsics.
    pub intrinsics: Intrinsics,
    /// Camera-to-world, OpenCV axes (x right, y down, z forward).
    pub c2w: Isometry3<f64>,
}

impl Camera {
    /// Camera centre in the world.
    pub fn center(&self) -> Point3<f64> {
        Point3::from(self.c2w.translation.vector)
    }

    /// Viewing direction (the optical axis) in the world, unit length.
    pub fn forward(&self) -> Vector3<f64> {
        self.c2w.rotation * Vector3::z()
    }

    /// World-to-camera.
    pub fn w2c(&self) -> Isometry3<f64> {
        self.c2w.inverse()
    }

    /// World point to `(u, v, z)`: pixel coordinates and depth along the optical axis; `None` behind the camera.
    pub fn project(&self, p: &Point3<f64>) -> Option<(f64, f64, f64)> {
        let q = self.c2w.inverse_transform_point(p);
        self.intrinsics.project(&q).map(|(u, v)| (u, v, q.z))
    }

    /// World point at depth `z` along the optical axis behind pixel coordinates `(u, v)`.
    pub fn unproject(&self, u: f64, v: f64, z: f64) -> Point3<f64> {
        self.c2w * Point3::from(self.intrinsics.ray(u, v) * z)
    }

    /// The same camera for an image resized to `width` x `height`.
    pub fn resized(&self, width: u32, height: u32) -> Self {
        Self { intrinsics: self.intrinsics.resized(width, height), c2w: self.c2w }
    }
}
