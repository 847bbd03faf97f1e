//! Lens distortion, and photos and depth maps without it.
//!
//! A lens maps the normalised image plane of a pinhole camera (x right, y down, z = 1) onto the plane that the sensor
//! sees; the focal length and the principal point turn either into pixels.

use super::{DepthMap, Intrinsics};
use image::{GrayImage, Luma, Rgb, RgbImage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Half of the widest field of view, horizontally and vertically, that a photo without distortion is given: 60 degrees.
/// Beyond it a pinhole camera spends most of its pixels on the rim.
const WIDEST: f64 = 1.732_050_8;

/// Half of the widest diagonal field of view: 75 degrees.
const WIDEST_DIAGONAL: f64 = 3.732_050_8;

/// How a lens departs from a pinhole. Coefficients have no units; they apply to the normalised image plane.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Lens {
    /// No distortion.
    Pinhole,
    /// Brown 1966 with OpenCV's rational extension: COLMAP's `SIMPLE_RADIAL`, `RADIAL`, `OPENCV`, `FULL_OPENCV`.
    Brown {
        /// Radial: `(1 + k1 r^2 + k2 r^4 + k3 r^6) / (1 + k4 r^2 + k5 r^4 + k6 r^6)`.
        k: [f64; 6],
        /// Tangential p1, p2.
        p: [f64; 2],
    },
    /// Equidistant (Kannala & Brandt 2006), then thin prism (Weng et al. 1992): COLMAP's `FISHEYE`, `OPENCV_FISHEYE`,
    /// `SIMPLE_RADIAL_FISHEYE`, `RADIAL_FISHEYE`, `THIN_PRISM_FISHEYE`.
    Fisheye {
        /// Radial: `theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8)`.
        k: [f64; 4],
        /// Tangential p1, p2.
        p: [f64; 2],
        /// Thin prism sx1, sy1.
        s: [f64; 2],
    },
    /// Devernay & Faugeras 2001, eq. 13: COLMAP's `FOV`.
    Fov {
        /// Field of view of the ideal fisheye, radians.
        omega: f64,
    },
}

/// Why a camera of COLMAP cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LensError {
    /// A model that is not known here.
    #[error("camera model {0} is not read: undistort the photos to PINHOLE first")]
    Model(String),
    /// Too few or too many parameters.
    #[error("camera model {model} has {expected} parameters, not {found}")]
    Parameters {
        /// Name of the model.
        model: String,
        /// How many it has.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Numbers that no camera has.
    #[error("these are not the intrinsics of a camera")]
    Implausible,
}

/// COLMAP's models in the order of their ids in binary files, with their number of parameters (its `models.h`).
const MODELS: [(&str, usize); 18] = [
    ("SIMPLE_PINHOLE", 3),
    ("PINHOLE", 4),
    ("SIMPLE_RADIAL", 4),
    ("RADIAL", 5),
    ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12),
    ("FOV", 5),
    ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5),
    ("THIN_PRISM_FISHEYE", 12),
    ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    ("SIMPLE_DIVISION", 4),
    ("DIVISION", 5),
    ("SIMPLE_FISHEYE", 3),
    ("FISHEYE", 4),
    ("EUCM", 6),
    ("EQUIRECTANGULAR", 2),
];

/// Name and number of parameters of a COLMAP camera model, by its id in binary files.
pub fn colmap_model(id: usize) -> Option<(&'static str, usize)> {
    MODELS.get(id).copied()
}

/// The camera that a COLMAP model and its parameters describe, for photos of `width` x `height` pixels.
pub fn colmap_camera(model: &str, width: u32, height: u32, params: &[f64]) -> Result<(Intrinsics, Lens), LensError> {
    let unknown = || LensError::Model(model.into());
    let expected = MODELS.iter().find(|(name, _)| *name == model).ok_or_else(unknown)?.1;
    if params.len() != expected {
        return Err(LensError::Parameters { model: model.into(), expected, found: params.len() });
    }
    let one_focal = model.starts_with("SIMPLE_") || matches!(model, "RADIAL" | "RADIAL_FISHEYE");
    let (focal, rest) = params.split_at(if one_focal { 3 } else { 4.min(expected) });
    let lens = match (model, rest) {
        ("SIMPLE_PINHOLE" | "PINHOLE", _) => Lens::Pinhole,
        ("SIMPLE_RADIAL" | "RADIAL", k) => Lens::brown(k, [0.0; 2]),
        ("OPENCV", [k1, k2, p1, p2]) => Lens::brown(&[*k1, *k2], [*p1, *p2]),
        ("FULL_OPENCV", [k1, k2, p1, p2, k @ ..]) => Lens::brown(&[&[*k1, *k2], k].concat(), [*p1, *p2]),
        ("SIMPLE_FISHEYE" | "FISHEYE" | "OPENCV_FISHEYE" | "SIMPLE_RADIAL_FISHEYE" | "RADIAL_FISHEYE", k) => {
            Lens::fisheye(k, [0.0; 2], [0.0; 2])
        }
        ("THIN_PRISM_FISHEYE", [k1, k2, p1, p2, k3, k4, s1, s2]) => {
            Lens::fisheye(&[*k1, *k2, *k3, *k4], [*p1, *p2], [*s1, *s2])
        }
        ("FOV", [omega]) => Lens::Fov { omega: *omega },
        _ => return Err(unknown()),
    };
    let [fx, fy, cx, cy] = match focal {
        [f, cx, cy] => [*f, *f, *cx, *cy],
        [fx, fy, cx, cy] => [*fx, *fy, *cx, *cy],
        _ => return Err(unknown()),
    };
    let camera = Intrinsics { width, height, fx, fy, cx, cy };
    if camera.is_plausible() && lens.is_plausible() { Ok((camera, lens)) } else { Err(LensError::Implausible) }
}

impl Lens {
    /// Brown's model of up to six radial coefficients; [`Lens::Pinhole`] where all are zero.
    pub fn brown(radial: &[f64], p: [f64; 2]) -> Self {
        let mut k = [0.0; 6];
        k.iter_mut().zip(radial).for_each(|(k, r)| *k = *r);
        if k.iter().chain(&p).all(|v| *v == 0.0) { Self::Pinhole } else { Self::Brown { k, p } }
    }

    /// A fisheye of up to four radial coefficients.
    pub fn fisheye(radial: &[f64], p: [f64; 2], s: [f64; 2]) -> Self {
        let mut k = [0.0; 4];
        k.iter_mut().zip(radial).for_each(|(k, r)| *k = *r);
        Self::Fisheye { k, p, s }
    }

    /// Whether every coefficient is finite, and the lens keeps the order of points over at least a few degrees.
    pub fn is_plausible(&self) -> bool {
        let finite = match self {
            Self::Pinhole => true,
            Self::Brown { k, p } => k.iter().chain(p).all(|v| v.is_finite()),
            Self::Fisheye { k, p, s } => k.iter().chain(p).chain(s).all(|v| v.is_finite()),
            Self::Fov { omega } => (0.0..std::f64::consts::PI).contains(omega),
        };
        finite && self.reach() > 0.1
    }

    /// Where a ray through `(x, y, 1)` meets the distorted plane.
    pub fn distort(&self, x: f64, y: f64) -> (f64, f64) {
        match *self {
            Self::Fisheye { .. } => {
                let r = x.hypot(y);
                let scale = if r > 1e-9 { r.atan() / r } else { 1.0 };
                self.bent(x * scale, y * scale)
            }
            Self::Fov { omega } if omega > 1e-6 => {
                let (r, full) = (x.hypot(y), 2.0 * (omega / 2.0).tan());
                let scale = if r > 1e-9 { (r * full).atan() / (r * omega) } else { full / omega };
                (x * scale, y * scale)
            }
            _ => self.bent(x, y),
        }
    }

    /// The polynomial part: of the plane for [`Lens::Brown`], of the equidistant plane for [`Lens::Fisheye`].
    fn bent(&self, x: f64, y: f64) -> (f64, f64) {
        let r2 = x * x + y * y;
        let (radial, p, s) = match *self {
            Self::Brown { k, p } => {
                let up = 1.0 + r2 * (k[0] + r2 * (k[1] + r2 * k[2]));
                (up / (1.0 + r2 * (k[3] + r2 * (k[4] + r2 * k[5]))), p, [0.0; 2])
            }
            Self::Fisheye { k, p, s } => (1.0 + r2 * (k[0] + r2 * (k[1] + r2 * (k[2] + r2 * k[3]))), p, s),
            Self::Pinhole | Self::Fov { .. } => return (x, y),
        };
        (
            x * radial + 2.0 * p[0] * x * y + p[1] * (r2 + 2.0 * x * x) + s[0] * r2,
            y * radial + 2.0 * p[1] * x * y + p[0] * (r2 + 2.0 * y * y) + s[1] * r2,
        )
    }

    /// The ray `(x, y, 1)` that meets the distorted plane at a point; `None` where no ray in front of the camera does.
    pub fn undistort(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let (x, y) = match *self {
            Self::Fisheye { .. } => {
                let (x, y) = self.unbent(x, y)?;
                let theta = x.hypot(y);
                if !(theta < std::f64::consts::FRAC_PI_2 - 1e-6) {
                    return None;
                }
                let scale = if theta > 1e-9 { theta.tan() / theta } else { 1.0 };
                (x * scale, y * scale)
            }
            Self::Fov { omega } if omega > 1e-6 => {
                let (r, full) = (x.hypot(y), 2.0 * (omega / 2.0).tan());
                if !(r * omega < std::f64::consts::FRAC_PI_2 - 1e-6) {
                    return None;
                }
                let scale = if r > 1e-9 { (r * omega).tan() / (r * full) } else { omega / full };
                (x * scale, y * scale)
            }
            _ => self.unbent(x, y)?,
        };
        (x.is_finite() && y.is_finite()).then_some((x, y))
    }

    /// Inverse of [`Self::bent`] by Newton's method, derivatives by central differences.
    fn unbent(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        const STEP: f64 = 1e-6;
        let (mut a, mut b) = (x, y);
        for _ in 0..50 {
            let (u, v) = self.bent(a, b);
            let (right, left) = (self.bent(a + STEP, b), self.bent(a - STEP, b));
            let (down, up) = (self.bent(a, b + STEP), self.bent(a, b - STEP));
            let half = 0.5 / STEP;
            let (ux, vx) = ((right.0 - left.0) * half, (right.1 - left.1) * half);
            let (uy, vy) = ((down.0 - up.0) * half, (down.1 - up.1) * half);
            let det = ux * vy - uy * vx;
            // Past a fold of the mapping the same point is met by a ray that the lens does not let in.
            if !(det > 1e-6) {
                return None;
            }
            let (eu, ev) = (x - u, y - v);
            if eu.abs().max(ev.abs()) < 1e-12 {
                return Some((a, b));
            }
            a += (vy * eu - uy * ev) / det;
            b += (ux * ev - vx * eu) / det;
        }
        let (u, v) = self.bent(a, b);
        ((u - x).hypot(v - y) < 1e-9).then_some((a, b))
    }

    /// Largest radius of the normalised plane within which points further out stay further out, in all directions.
    fn reach(&self) -> f64 {
        const STEP: f64 = 0.02;
        let ordered = |r: f64| {
            (0..24).all(|i| {
                let (dy, dx) = (f64::from(i) / 24.0 * std::f64::consts::TAU).sin_cos();
                let (near, far) = (self.distort(r * dx, r * dy), self.distort((r + STEP) * dx, (r + STEP) * dy));
                (far.0 - near.0) * dx + (far.1 - near.1) * dy > 0.0
            })
        };
        let steps = (WIDEST_DIAGONAL / STEP) as usize;
        (0..steps).map(|i| i as f64 * STEP).find(|r| !ordered(*r)).unwrap_or(WIDEST_DIAGONAL)
    }
}

/// The pinhole camera of the undistorted photo: of the same size, of one optical axis with `camera`, and with the
/// widest field of view in which every pixel is seen by the lens, at most 120 degrees. `None` where the lens leaves none.
pub fn pinhole_of(camera: &Intrinsics, lens: &Lens) -> Option<Intrinsics> {
    if *lens == Lens::Pinhole {
        return Some(*camera);
    }
    let (w, h) = (f64::from(camera.width), f64::from(camera.height));
    let ray = |u: f64, v: f64| lens.undistort((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy);
    let (mut x, mut y) = ([-WIDEST, WIDEST], [-WIDEST, WIDEST]);
    const SAMPLES: u32 = 100;
    for i in 0..=SAMPLES {
        let (u, v) = (w * f64::from(i) / f64::from(SAMPLES), h * f64::from(i) / f64::from(SAMPLES));
        // Beyond 90 degrees and beyond the lens there is no ray, and nothing to keep out.
        x[0] = ray(0.0, v).map_or(x[0], |p| p.0.max(x[0]));
        x[1] = ray(w, v).map_or(x[1], |p| p.0.min(x[1]));
        y[0] = ray(u, 0.0).map_or(y[0], |p| p.1.max(y[0]));
        y[1] = ray(u, h).map_or(y[1], |p| p.1.min(y[1]));
    }
    let corner = x[0].abs().max(x[1].abs()).hypot(y[0].abs().max(y[1].abs()));
    let shrink = (0.98 * lens.reach() / corner).min(1.0);
    let ([x0, x1], [y0, y1]) = (x.map(|v| v * shrink), y.map(|v| v * shrink));
    if !(x1 - x0 > 1e-3 && y1 - y0 > 1e-3) {
        return None;
    }
    // One factor for both axes keeps the shape of pixels.
    let zoom = (w / (x1 - x0) / camera.fx).max(h / (y1 - y0) / camera.fy);
    let (fx, fy) = (camera.fx * zoom, camera.fy * zoom);
    let between =
        |c: f64, least: f64, most: f64| if least < most { c.clamp(least, most) } else { 0.5 * (least + most) };
    let cx = between(camera.cx, w - x1 * fx, -x0 * fx);
    let cy = between(camera.cy, h - y1 * fy, -y0 * fy);
    let out = Intrinsics { fx, fy, cx, cy, ..*camera };
    out.is_plausible().then_some(out)
}

/// A photo without its lens's distortion, and its pinhole camera ([`pinhole_of`]). `camera` is that of `image`, pixel
/// centres at +0.5. Resampled by cubic convolution (Keys 1981, a = -1/2).
pub fn undistorted(image: &RgbImage, camera: &Intrinsics, lens: &Lens) -> Option<(RgbImage, Intrinsics)> {
    let to = pinhole_of(camera, lens)?;
    let mut out = RgbImage::new(to.width, to.height);
    let row = to.width as usize * 3;
    out.par_chunks_mut(row.max(3)).enumerate().for_each(|(y, pixels)| {
        for (x, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            let (u, v) = source_of(x, y, &to, camera, lens);
            if u >= -0.5 && v >= -0.5 && u <= f64::from(camera.width) + 0.5 && v <= f64::from(camera.height) + 0.5 {
                pixel.copy_from_slice(&cubic(image, u - 0.5, v - 0.5).0);
            }
        }
    });
    Some((out, to))
}

/// A depth map (along the optical axis) of the camera `from` with a lens, as the camera `to` of the same position and
/// axes sees it: nearest neighbour, since depth has edges; unknown outside of it.
pub fn depth_through(depth: &DepthMap, from: &Intrinsics, lens: &Lens, to: &Intrinsics) -> DepthMap {
    let mut out = DepthMap::unknown(to.width, to.height);
    out.data.par_chunks_mut((to.width as usize).max(1)).enumerate().for_each(|(y, row)| {
        for (x, d) in row.iter_mut().enumerate() {
            let (u, v) = source_of(x, y, to, from, lens);
            *d = depth.at(u.floor() as i64, v.floor() as i64);
        }
    });
    out
}

/// A mask of the camera `from` with a lens, as the camera `to` of the same position and axes sees it; 0 outside of it.
pub fn mask_through(mask: &GrayImage, from: &Intrinsics, lens: &Lens, to: &Intrinsics) -> GrayImage {
    let mut out = GrayImage::new(to.width, to.height);
    for (x, y, pixel) in out.enumerate_pixels_mut() {
        let (u, v) = source_of(x as usize, y as usize, to, from, lens);
        let inside = u >= 0.0 && v >= 0.0 && u < f64::from(mask.width()) && v < f64::from(mask.height());
        *pixel = if inside { *mask.get_pixel(u as u32, v as u32) } else { Luma([0]) };
    }
    out
}

/// Pixel coordinates in `from`, behind its lens, of what the centre of pixel `(x, y)` of `to` sees.
fn source_of(x: usize, y: usize, to: &Intrinsics, from: &Intrinsics, lens: &Lens) -> (f64, f64) {
    let ray = to.ray(x as f64 + 0.5, y as f64 + 0.5);
    let (a, b) = lens.distort(ray.x, ray.y);
    (a * from.fx + from.cx, b * from.fy + from.cy)
}

/// Cubic convolution at a place counted from the centre of the first pixel; the border is repeated.
fn cubic(image: &RgbImage, x: f64, y: f64) -> Rgb<u8> {
    let weights = |t: f64| {
        let near = |t: f64| 1.0 - t * t * (2.5 - 1.5 * t);
        let far = |t: f64| 2.0 - t * (4.0 - t * (2.5 - 0.5 * t));
        [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)]
    };
    let (x0, y0) = (x.floor(), y.floor());
    let (wx, wy) = (weights(x - x0), weights(y - y0));
    let clamp = |v: f64, n: u32| v.clamp(0.0, f64::from(n.max(1) - 1)) as u32;
    let mut sum = [0.0; 3];
    for (j, wy) in wy.iter().enumerate() {
        for (i, wx) in wx.iter().enumerate() {
            let at = (clamp(x0 + i as f64 - 1.0, image.width()), clamp(y0 + j as f64 - 1.0, image.height()));
            let pixel = image.get_pixel(at.0, at.1);
            (0..3).for_each(|c| sum[c] += wx * wy * f64::from(pixel.0[c]));
        }
    }
    Rgb(sum.map(|v| v.round().clamp(0.0, 255.0) as u8))
}

#[cfg(test)]
mod tests;
