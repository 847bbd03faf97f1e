//! SH coefficients rounded to few values so that the colours that are seen change least.
//!
//! Trained coefficients are large where nobody looks: each rounded for itself, they shift the colours of the photos by
//! much. Rounded together they need not. For one Gaussian and channel with coefficients c, seen along directions whose
//! SH functions are the vectors b, the rounded x shall make
//! `mean (b . (x - c))^2 + KEEP |x - c|^2 + SMALL |x above degree 0|^2` small: a closest vector in a lattice, found
//! coordinate by coordinate (Babai 1986), degree 0, whose steps are the finest, last. What a rounding is off by, the
//! coordinates that are left make up for: they move along the column of the inverse of the quadratic form.

use crate::scene::{Camera, Gaussians};
use crate::splat::sh::basis;
use nalgebra::{Point3, SMatrix};
use rayon::prelude::*;

/// Weight of staying at the coefficients trained, for directions that nobody looks along.
const KEEP: f64 = 1e-4;
/// Weight of being small: small numbers take fewer bytes.
const SMALL: f64 = 5e-4;
/// Part of an image by which a centre may lie outside and still be seen.
const MARGIN: f64 = 0.1;

type Matrix = SMatrix<f64, 16, 16>;

/// A scale on which a number is one byte: it is `(byte - zero) / per_unit`, and `byte - zero` a multiple of `multiple`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub zero: f64,
    pub per_unit: f64,
    pub multiple: f64,
}

impl Scale {
    fn byte(&self, v: f64) -> u8 {
        // Where the zero is no whole number, steps are counted from the byte 0.
        let off = self.zero.fract();
        let steps = (v * self.per_unit + off) / self.multiple;
        ((steps.round() * self.multiple) + self.zero - off).clamp(0.0, 255.0) as u8
    }

    fn number(&self, byte: u8) -> f64 {
        (f64::from(byte) - self.zero) / self.per_unit
    }
}

/// The bytes of all coefficients of every Gaussian, on one scale for degree 0 and one above. `cameras` are those that it
/// is seen by; without any, it is seen from all sides.
pub(super) fn quantised(g: &Gaussians, cameras: &[Camera], first: Scale, above: Scale) -> Vec<[[u8; 3]; 16]> {
    let cameras: Vec<_> = cameras.iter().map(|c| (*c, c.w2c(), c.center())).collect();
    let one = |i: usize| {
        let m = g.means[i];
        let p = Point3::new(f64::from(m[0]), f64::from(m[1]), f64::from(m[2]));
        let (mut form, mut views) = (Matrix::zeros(), 0.0);
        for (camera, w2c, center) in &cameras {
            let k = camera.intrinsics;
            let inside = |v: f64, size: u32| (v / f64::from(size) - 0.5).abs() < 0.5 + MARGIN;
            let seen = k.project(&(w2c * p)).is_some_and(|(u, v)| inside(u, k.width) && inside(v, k.height));
            if let Some(d) = (p - center).try_normalize(1e-9).filter(|_| seen) {
                let b = SMatrix::<f32, 16, 1>::from(basis(g.sh_degree, [d.x as f32, d.y as f32, d.z as f32]));
                let b = b.cast::<f64>();
                form += b * b.transpose();
                views += 1.0;
            }
        }
        // The functions are orthonormal over the sphere, whose area is 4 pi.
        let form = if views > 0.0 { form / views } else { Matrix::identity() / (4.0 * std::f64::consts::PI) };
        rounded(g.sh_of(i), form + Matrix::identity() * KEEP, first, above)
    };
    (0..g.len()).into_par_iter().map(one).collect()
}

/// Rounds the coefficients of one Gaussian; `form` is the quadratic form of what a change costs.
fn rounded(sh: &[[f32; 3]], form: Matrix, first: Scale, above: Scale) -> [[u8; 3]; 16] {
    let mut out = [[0; 3]; 16];
    let mut whole = form;
    (1..16).for_each(|k| whole[(k, k)] += SMALL);
    let Some(factor) = whole.cholesky() else {
        // Only where a form is not finite; each for itself then.
        for (k, (bytes, rgb)) in out.iter_mut().zip(sh).enumerate() {
            *bytes = rgb.map(|v| if k == 0 { first } else { above }.byte(f64::from(v)));
        }
        return out;
    };
    let inverse = factor.inverse();
    let trained = SMatrix::<f64, 16, 3>::from_fn(|k, c| sh.get(k).map_or(0.0, |rgb| f64::from(rgb[c])));
    let mut best = inverse * (form * trained);
    let mut left = inverse;
    for k in (0..sh.len()).rev() {
        let scale = if k == 0 { first } else { above };
        let column = left.column(k) / left[(k, k)];
        for c in 0..3 {
            out[k][c] = scale.byte(best[(k, c)]);
            let off = scale.number(out[k][c]) - best[(k, c)];
            for j in 0..k {
                best[(j, c)] += column[j] * off;
            }
        }
        let row = left.row(k).into_owned();
        left -= column * row;
    }
    out
}
