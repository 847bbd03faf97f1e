//! The points of a thing: its masks lifted through the depth of the photos, where the photos agree.

use crate::scene::{Camera, DepthMap, Rle};
use nalgebra::Point3;
use std::collections::BTreeMap;

/// A photo with its depth and the mask of the thing in it.
pub struct Shot {
    /// Its camera, for the size of the depth map.
    pub camera: Camera,
    /// Its depth, scene units.
    pub depth: DepthMap,
    /// The mask at the size of the depth map, row-major; all false where the thing is not marked.
    pub mask: Vec<bool>,
}

impl Shot {
    /// Puts a camera, a depth map and a mask of any sizes together.
    pub fn new(camera: &Camera, depth: DepthMap, mask: Option<&Rle>) -> Self {
        let (w, h) = (depth.width as usize, depth.height as usize);
        let mut bits = vec![false; w * h];
        if let Some(rle) = mask.filter(|m| m.width > 0 && m.height > 0) {
            let whole = rle.decode();
            let (mw, mh) = (rle.width as usize, rle.height as usize);
            for (i, bit) in bits.iter_mut().enumerate() {
                let (x, y) = ((i % w) * mw / w, (i / w) * mh / h);
                *bit = whole[y.min(mh - 1) * mw + x.min(mw - 1)];
            }
        }
        Self { camera: camera.resized(depth.width, depth.height), depth, mask: bits }
    }

    /// Whether a pixel and its neighbours `r` pixels away are in the mask: its rim often shows what is behind.
    fn well_inside(&self, x: i64, y: i64, r: i64) -> bool {
        self.has(x, y) && self.has(x - r, y) && self.has(x + r, y) && self.has(x, y - r) && self.has(x, y + r)
    }

    /// Whether a pixel of the depth map is in the mask.
    pub(super) fn has(&self, x: i64, y: i64) -> bool {
        let (w, h) = (i64::from(self.depth.width), i64::from(self.depth.height));
        x >= 0 && y >= 0 && x < w && y < h && self.mask[(y * w + x) as usize]
    }

    /// The points of pixels well inside the mask, world, row by row.
    pub(super) fn lifted(&self) -> Vec<Point3<f64>> {
        let w = self.depth.width as usize;
        let rim = (w as i64 / 320).max(1);
        let point = |i: usize| {
            let (x, y) = (i % w, i / w);
            let z = f64::from(self.depth.data[i]);
            let is_in = z > 0.0 && self.well_inside(x as i64, y as i64, rim);
            is_in.then(|| self.camera.unproject(x as f64 + 0.5, y as f64 + 0.5, z))
        };
        (0..self.mask.len()).filter(|i| self.mask[*i]).filter_map(point).collect()
    }

    /// Whether the photo sees the point and has it in the mask; `None` where it is hidden or outside.
    pub(super) fn says(&self, p: &Point3<f64>) -> Option<bool> {
        let (u, v, z) = self.camera.project(p)?;
        let (x, y) = (u.floor() as i64, v.floor() as i64);
        let d = f64::from(self.depth.at(x, y));
        if d <= 0.0 || (d - z).abs() > 0.02 * z {
            return None;
        }
        Some(self.mask[y as usize * self.depth.width as usize + x as usize])
    }
}

/// Points of the thing, one a cell of edge `cell` (scene units), in ascending order of cells: pixels well inside its
/// masks lifted through the depth. Of the photos that see a point, at least half must have it in the mask, and two of
/// them where more than one has the thing at all.
pub fn own_points(shots: &[Shot], cell: f64) -> Vec<Point3<f64>> {
    let mut cells: BTreeMap<[i64; 3], (nalgebra::Vector3<f64>, u32)> = BTreeMap::new();
    for s in shots {
        for p in s.lifted() {
            let key = [p.x, p.y, p.z].map(|c| (c / cell).floor() as i64);
            let sum = cells.entry(key).or_default();
            *sum = (sum.0 + p.coords, sum.1 + 1);
        }
    }
    let marked = shots.iter().filter(|s| s.mask.contains(&true)).count();
    let means = cells.into_values().map(|(sum, n)| Point3::from(sum / f64::from(n)));
    let agreed = |p: &Point3<f64>| {
        let (yes, seen) =
            shots.iter().filter_map(|s| s.says(p)).fold((0, 0), |(a, n), in_it| (a + usize::from(in_it), n + 1));
        yes >= marked.min(2) && 2 * yes >= seen
    };
    means.filter(agreed).collect()
}
