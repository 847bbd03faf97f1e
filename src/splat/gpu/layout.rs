//! Uniform blocks as the kernels read them (`View`, `Scan`, `Pass`, `Update` in the WGSL files).

use super::super::backend::{Shot, Update};
use super::scene::Scene;
use crate::scene::sh_coefficients;
use nalgebra::{Matrix3, Vector3};

/// Tangents are clamped at the image's borders plus this share of its half width, for the Jacobian only.
const TANGENT_MARGIN: f64 = 0.3;
/// Side of a tile in pixels.
pub(super) const TILE: usize = 16;

/// Bytes of a `View`.
pub(super) const VIEW: usize = 144;

/// A uniform block, little endian as all GPUs are.
#[derive(Debug, Default)]
pub(super) struct Words(pub(super) Vec<u8>);

impl Words {
    fn floats(&mut self, values: &[f32]) {
        self.0.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    fn ints(&mut self, values: &[usize]) {
        self.0.extend(values.iter().flat_map(|v| (*v as u32).to_le_bytes()));
    }
}

/// `View`, with space for `room` pairs.
pub(super) fn view(scene: &Scene, shot: &Shot, room: usize) -> Words {
    let k = &shot.camera.intrinsics;
    let w: Matrix3<f32> = shot.camera.c2w.rotation.to_rotation_matrix().matrix().transpose().cast();
    let center: Vector3<f32> = shot.camera.center().coords.cast();
    let limit = |n: u32, f: f64, c: f64| {
        let margin = TANGENT_MARGIN * 0.5 * f64::from(n) / f;
        [-c / f - margin, (f64::from(n) - c) / f + margin]
    };
    let (x, y) = (limit(k.width, k.fx, k.cx), limit(k.height, k.fy, k.cy));
    let mut out = Words::default();
    for column in w.column_iter() {
        out.floats(&[column[0], column[1], column[2], 0.0]);
    }
    out.floats(&[center.x, center.y, center.z, shot.near.max(1e-12)]);
    out.floats(&[k.fx, k.fy, k.cx, k.cy, x[0], y[0], x[1], y[1]].map(|v| v as f32));
    out.ints(&[k.width as usize, k.height as usize]);
    out.ints(&[(k.width as usize).div_ceil(TILE), (k.height as usize).div_ceil(TILE)]);
    let degree = shot.degree.min(scene.sh_degree);
    out.ints(&[scene.count, scene.stride, degree, usize::from(scene.antialiased), room, 0, 0, 0]);
    out
}

/// `Scan` over `length` values.
pub(super) fn scan(length: usize) -> Words {
    let mut out = Words::default();
    out.ints(&[length, length.div_ceil(1024), 0, 0]);
    out
}

/// `Pass` of a radix sort of at most `room` keys; `first` where their values are their places.
pub(super) fn pass(shift: usize, room: usize, first: bool) -> Words {
    let mut out = Words::default();
    out.ints(&[shift, room, room.div_ceil(1024), usize::from(first)]);
    out
}

/// `Update` where `seen` Gaussians were seen.
pub(super) fn update(scene: &Scene, u: &Update, seen: u32) -> Words {
    let mut out = Words::default();
    let active = super::scene::FIXED + 3 * sh_coefficients(u.degree.min(scene.sh_degree));
    out.ints(&[scene.count, scene.stride, active]);
    let r = &u.rates;
    out.floats(&[u.flat / seen.max(1) as f32, u.position, r.scale, r.rotation, r.opacity, r.color, r.color_rest]);
    out.ints(&[0, 0]);
    out
}
