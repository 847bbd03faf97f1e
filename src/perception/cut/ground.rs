//! What a photo and its depth say, pixel by pixel: colours, depth and normals, at a size that cuts are made at.

use super::plane::{self, Plane};
use crate::perception::View;
use crate::perception::color::{lab_index, lab_table};
use crate::scene::Intrinsics;
use image::RgbImage;
use nalgebra::{Matrix3, Vector3};
use std::sync::LazyLock;

/// Longest side of a photo that cuts are made at, pixels: edges are refined at full size afterwards.
const LONGEST: u32 = 640;
/// Pixels from one normal to the next.
const PACE: usize = 2;
/// Pixels from one point to the next of those that planes are found from.
const SPARSE: usize = 10;
/// Normals to each side whose depths a normal is fitted to.
const RADIUS: i64 = 2;
/// Share of a depth within which a neighbour is on the same surface, for fitting normals.
const SAME: f32 = 0.04;
/// Cosine between a ray and a normal below which the fit is a ramp between two surfaces more often than a surface.
const GRAZING: f32 = 0.1;

static LAB: LazyLock<Vec<[f32; 3]>> = LazyLock::new(lab_table);

/// Colour of a pixel in Lab.
pub(super) fn lab_of(rgb: [u8; 3]) -> [f32; 3] {
    LAB.get(lab_index(rgb)).copied().unwrap_or_default()
}

/// How much colours differ; lightness counts a half, for shadows and shading.
pub(super) fn apart(a: &[f32; 3], b: &[f32; 3]) -> f32 {
    let d: [f32; 3] = std::array::from_fn(|k| a[k] - b[k]);
    (0.25 * d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt()
}

/// A photo made ready.
pub(super) struct Ground {
    pub(super) width: usize,
    pub(super) height: usize,
    /// The photo itself, for edges at full size.
    pub(super) photo: RgbImage,
    /// Lab, row-major.
    pub(super) lab: Vec<[f32; 3]>,
    /// Along the optical axis, scene units; 0 = unknown.
    pub(super) depth: Vec<f32>,
    /// Every [`PACE`]-th row and column: unit normals in the camera frame, towards the camera; zero = unknown.
    normals: Vec<Vector3<f32>>,
    /// The large planes, greatest first.
    pub(super) planes: Vec<Plane>,
    camera: Intrinsics,
}

impl Ground {
    pub(super) fn of(view: &View) -> Self {
        let (pw, ph) = view.image.dimensions();
        let shrink = (f64::from(LONGEST) / f64::from(pw.max(ph).max(1))).min(1.0);
        let side = |n: u32| ((f64::from(n) * shrink).round() as u32).max(1);
        let (w, h) = (side(pw), side(ph));
        let small = match (w, h) == (pw, ph) {
            true => None,
            false => Some(image::imageops::thumbnail(view.image, w, h)),
        };
        let lab = small.as_ref().unwrap_or(view.image).pixels().map(|p| lab_of(p.0)).collect();
        let (width, height) = (w as usize, h as usize);
        let near = |v: usize, n: usize, of: u32| ((v as f64 + 0.5) / n as f64 * f64::from(of)) as i64;
        let columns: Vec<i64> = (0..width).map(|x| near(x, width, view.depth.width)).collect();
        let depth = (0..height)
            .flat_map(|y| {
                let row = near(y, height, view.depth.height);
                columns.iter().map(move |x| view.depth.at(*x, row))
            })
            .collect();
        let camera = view.camera.intrinsics.resized(w, h);
        let mut out = Self {
            width,
            height,
            photo: view.image.clone(),
            lab,
            depth,
            normals: Vec::new(),
            planes: Vec::new(),
            camera,
        };
        out.normals = out.fitted();
        out.planes = out.large_planes();
        out
    }

    /// The point that a pixel shows, camera frame; `None` where its depth is not known.
    pub(super) fn point(&self, x: usize, y: usize) -> Option<Vector3<f32>> {
        let z = self.depth[y * self.width + x];
        let ray = self.camera.ray(x as f64 + 0.5, y as f64 + 0.5).cast::<f32>();
        (z > 0.0).then(|| ray * z)
    }

    /// The normal at a pixel; zero where it is not known.
    pub(super) fn normal(&self, x: usize, y: usize) -> Vector3<f32> {
        self.normals[(y / PACE) * self.width.div_ceil(PACE) + x / PACE]
    }

    fn large_planes(&self) -> Vec<Plane> {
        let some = |n: usize| (SPARSE / 2..n).step_by(SPARSE);
        let all = some(self.height).flat_map(|y| some(self.width).map(move |x| (x, y)));
        let points: Vec<_> = all.filter_map(|(x, y)| Some((self.point(x, y)?, self.normal(x, y)))).collect();
        plane::planes(&points, (SPARSE * SPARSE) as f32)
    }

    /// Normals of planes fitted to inverse depth, which is linear over the pixels of a plane.
    fn fitted(&self) -> Vec<Vector3<f32>> {
        let (gw, gh) = (self.width.div_ceil(PACE), self.height.div_ceil(PACE));
        let z = |x: i64, y: i64| match x < 0 || y < 0 || x >= gw as i64 || y >= gh as i64 {
            true => 0.0,
            false => self.depth[y as usize * PACE * self.width + x as usize * PACE],
        };
        let mut out = Vec::with_capacity(gw * gh);
        for (gy, gx) in (0..gh as i64).flat_map(|y| (0..gw as i64).map(move |x| (y, x))) {
            let middle = z(gx, gy);
            let (mut n, mut s) = (0.0f32, [0.0f32; 8]);
            if middle > 0.0 {
                for (dy, dx) in (-RADIUS..=RADIUS).flat_map(|a| (-RADIUS..=RADIUS).map(move |b| (a, b))) {
                    let d = z(gx + dx, gy + dy);
                    if (d - middle).abs() < SAME * middle {
                        let (x, y, w) = (dx as f32, dy as f32, middle / d);
                        n += 1.0;
                        for (t, v) in s.iter_mut().zip([x, y, x * x, x * y, y * y, w, w * x, w * y]) {
                            *t += v;
                        }
                    }
                }
            }
            out.push(self.plane(n, &s, gx, gy).unwrap_or_else(Vector3::zeros));
        }
        out
    }

    /// The normal of `w = a dx + b dy + c` at a grid point, from sums over its neighbours.
    fn plane(&self, n: f32, s: &[f32; 8], gx: i64, gy: i64) -> Option<Vector3<f32>> {
        if n < 6.0 {
            return None;
        }
        let m = Matrix3::new(s[2], s[3], s[0], s[3], s[4], s[1], s[0], s[1], n);
        let fit = m.try_inverse()? * Vector3::new(s[6], s[7], s[5]);
        let pace = PACE as f32;
        let (x, y) = (gx as f32 * pace + 0.5, gy as f32 * pace + 0.5);
        let k = self.camera;
        let (u, v) = (x - k.cx as f32, y - k.cy as f32);
        let (a, b) = (fit.x / pace, fit.y / pace);
        let normal = Vector3::new(a * k.fx as f32, b * k.fy as f32, fit.z - a * u - b * v).try_normalize(1e-9)?;
        let ray = Vector3::new(u / k.fx as f32, v / k.fy as f32, 1.0).normalize();
        let facing = normal.dot(&ray);
        (facing.abs() > GRAZING).then(|| if facing > 0.0 { -normal } else { normal })
    }
}
