//! Where two depth maps of a view tell the same: of the splats and of the mesh fused from them.

use crate::scene::DepthMap;
use image::{GrayImage, Luma};

/// 255 where both depths are known and differ by at most `tolerance` (scene units), else 0; of the size of `a`. A `b` of
/// another size is looked up at the nearest pixel.
///
/// Holi-Spatial allows one voxel of its mesh, 6 mm. Pass the voxel of [`super::tsdf::TsdfOptions`], which is that at
/// its resolution and grows with the footprint of a pixel.
pub fn agreement(a: &DepthMap, b: &DepthMap, tolerance: f32) -> GrayImage {
    GrayImage::from_fn(a.width, a.height, |x, y| {
        let nearest = |v: u32, from: u32, to: u32| ((f64::from(v) + 0.5) / f64::from(from) * f64::from(to)) as i64;
        let p = a.at(i64::from(x), i64::from(y));
        let q = b.at(nearest(x, a.width, b.width), nearest(y, a.height, b.height));
        let agree = p > 0.0 && q > 0.0 && (p - q).abs() <= tolerance;
        Luma([if agree { 255 } else { 0 }])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_must_know_and_agree() {
        let map = |width, data: &[f32]| DepthMap { width, height: data.len() as u32 / width, data: data.to_vec() };
        let a = map(4, &[1.0, 1.0, 0.0, 2.0, 1.5, 1.5, 3.0, 0.0]);
        let b = map(4, &[1.01, 0.98, 1.0, 2.02, 0.0, 1.5, 2.97, 0.0]);
        let bits = |m: &GrayImage| m.as_raw().iter().map(|v| v / 255).collect::<Vec<_>>();
        assert_eq!(bits(&agreement(&a, &b, 0.015)), [1, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(bits(&agreement(&a, &b, 0.025)), [1, 1, 0, 1, 0, 1, 0, 0]);
        let half = map(2, &[1.0, 2.0]);
        assert_eq!(bits(&agreement(&a, &half, 0.01)), [1, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(bits(&agreement(&a, &map(1, &[]), 9.0)), [0; 8]);
    }
}
