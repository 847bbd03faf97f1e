//! A ray-cast room for tests: floor, two walls, boxes that stand on the floor, and a patch of colour on it.

use super::View;
use crate::scene::{Camera, DepthMap, Intrinsics, OrientedBox};
use image::{Rgb, RgbImage};
use nalgebra::{Isometry3, Matrix3, Point3, Rotation3, Translation3, UnitQuaternion, Vector3};

pub(crate) const PATCH: [[f64; 2]; 2] = [[0.8, 0.9], [1.7, 1.5]];

/// What one pixel shows: 1 floor, 2 and 3 walls, 4 the patch, 5.. the boxes.
pub(crate) struct Shot {
    pub(crate) name: String,
    pub(crate) stem: String,
    pub(crate) image: RgbImage,
    pub(crate) depth: DepthMap,
    pub(crate) camera: Camera,
    pub(crate) ids: Vec<u8>,
}

pub(crate) fn boxes() -> [OrientedBox; 2] {
    [
        OrientedBox::upright(Point3::new(2.3, 2.7, 0.25), Vector3::new(0.7, 0.6, 0.5), 0.0),
        OrientedBox::upright(Point3::new(2.9, 1.3, 0.4), Vector3::new(0.4, 0.5, 0.8), 0.3),
    ]
}

fn shot(i: usize, eye: Point3<f64>, target: Point3<f64>, noise: f64, rng: &mut fastrand::Rng) -> Shot {
    let (w, h) = (200u32, 150u32);
    let z = (target - eye).normalize();
    let x = z.cross(&Vector3::z()).normalize();
    let r = Rotation3::from_matrix_unchecked(Matrix3::from_columns(&[x, z.cross(&x), z]));
    let c2w = Isometry3::from_parts(Translation3::from(eye.coords), UnitQuaternion::from_rotation_matrix(&r));
    let camera = Camera { intrinsics: Intrinsics { fx: 150.0, fy: 150.0, ..Intrinsics::guess(w, h) }, c2w };
    let mut s = Shot {
        name: format!("{i:02}.jpg"),
        stem: format!("{i:02}"),
        image: RgbImage::new(w, h),
        depth: DepthMap::unknown(w, h),
        camera,
        ids: vec![0; (w * h) as usize],
    };
    for (k, id) in s.ids.iter_mut().enumerate() {
        let (u, v) = (k as u32 % w, k as u32 / w);
        let d = c2w.rotation * camera.intrinsics.ray(f64::from(u) + 0.5, f64::from(v) + 0.5);
        let mut best = (f64::INFINITY, 0u8, [0u8; 3]);
        let mut meet = |t: f64, id: u8, color: [u8; 3]| {
            if t > 1e-6 && t < best.0 {
                best = (t, id, color);
            }
        };
        meet((4.0 - eye.x) / d.x, 2, [200, 200, 190]);
        meet((4.0 - eye.y) / d.y, 3, [195, 200, 200]);
        let t = -eye.z / d.z;
        let f = eye + d * t;
        let on = (PATCH[0][0]..PATCH[1][0]).contains(&f.x) && (PATCH[0][1]..PATCH[1][1]).contains(&f.y);
        meet(t, if on { 4 } else { 1 }, if on { [190, 40, 40] } else { [150, 140, 130] });
        for (j, b) in boxes().iter().enumerate() {
            if let Some(t) = b.ray_entry(&eye, &d) {
                meet(t, 5 + j as u8, [[60, 90, 180], [70, 140, 70]][j]);
            }
        }
        if best.0.is_finite() && best.0 < 8.0 {
            *id = best.1;
            s.depth.data[k] = (best.0 * (1.0 + noise * (rng.f64() + rng.f64() - 1.0))) as f32;
            s.image.put_pixel(u, v, Rgb(best.2));
        }
    }
    s
}

/// Twelve shots around the room; `noise` is the relative noise of the depth.
pub(crate) fn room(noise: f64) -> Vec<Shot> {
    let mut rng = fastrand::Rng::with_seed(11);
    let at = |i: usize| {
        let t = i as f64 / 11.0 * 1.9 - 0.2;
        Point3::new(2.4 - 2.3 * t.sin(), 2.0 - 2.0 * t.cos(), 1.5)
    };
    (0..12).map(|i| shot(i, at(i), Point3::new(2.1, 1.9, 0.3), noise, &mut rng)).collect()
}

pub(crate) fn views(shots: &[Shot]) -> Vec<View<'_>> {
    shots
        .iter()
        .map(|s| View { name: &s.name, stem: &s.stem, image: &s.image, camera: s.camera, depth: &s.depth })
        .collect()
}
