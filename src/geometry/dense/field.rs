//! Planes per pixel, and how the planes of two views agree.

use super::level::Warp;

/// Cost of a hypothesis that has nothing to be compared with.
pub(super) const NO_MATCH: f32 = 1.0;

/// A plane seen from a camera: inverse depth is linear in pixel coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Plane {
    /// Inverse depth at the centre of the pixel that holds it; 0 = unknown.
    pub w: f32,
    /// Its derivative along u, per pixel.
    pub du: f32,
    /// Its derivative along v, per pixel.
    pub dv: f32,
}

impl Plane {
    /// The same plane held by the pixel `(dx, dy)` away.
    #[inline]
    pub(super) fn moved(self, dx: f32, dy: f32) -> Self {
        Self { w: self.du.mul_add(dx, self.dv.mul_add(dy, self.w)), ..self }
    }
}

/// A plane and its cost for every pixel of a view.
pub(super) struct Field {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Row-major.
    pub planes: Vec<Plane>,
    /// Cost of each plane, 0..2.
    pub cost: Vec<f32>,
}

impl Field {
    /// Nothing known.
    pub(super) fn empty(width: usize, height: usize) -> Self {
        Self { width, height, planes: vec![Plane::default(); width * height], cost: vec![NO_MATCH; width * height] }
    }

    /// The field on a finer (or equal) grid; costs are not carried over when the size changes.
    pub(super) fn resized(&self, width: usize, height: usize) -> Self {
        let mut out = Self::empty(width, height);
        let (sx, sy) = if width == self.width { (1.0, 1.0) } else { (0.5f32, 0.5f32) };
        for y in 0..height {
            let (v, yc) = ((y as f32 + 0.5) * sy, ((y as f32 * sy) as usize).min(self.height - 1));
            for x in 0..width {
                let (u, xc) = ((x as f32 + 0.5) * sx, ((x as f32 * sx) as usize).min(self.width - 1));
                let p = self.planes[yc * self.width + xc].moved(u - xc as f32 - 0.5, v - yc as f32 - 0.5);
                out.planes[y * width + x] = Plane { w: p.w.max(0.0), du: p.du * sx, dv: p.dv * sy };
            }
        }
        out
    }

    /// Inverse depth at pixel coordinates of a grid `1 / ratio` times as fine; 0 outside.
    #[inline]
    fn inverse_depth(&self, u: f32, v: f32, ratio: f32) -> f32 {
        let (u, v) = (u * ratio, v * ratio);
        let (x, y) = (u as usize, v as usize);
        if u < 0.0 || v < 0.0 || x >= self.width || y >= self.height {
            return 0.0;
        }
        let p = self.planes[y * self.width + x];
        if p.w > 0.0 { p.moved(u - x as f32 - 0.5, v - y as f32 - 0.5).w } else { 0.0 }
    }
}

/// Another view, and what it has of depth.
pub(super) struct Link<'a> {
    /// From the reference view to it.
    pub there: Warp,
    /// And back.
    pub back: Warp,
    /// Its depth.
    pub field: &'a Field,
    /// Pixels of `field` per pixel of the grid that the warps are for.
    pub ratio: f32,
}

/// Where a pixel comes back to by way of another view's depth.
#[derive(Clone, Copy)]
pub(super) struct RoundTrip {
    /// Displacement, pixels.
    pub moved: [f32; 2],
    /// Inverse depth that the other view has, over the one expected there.
    pub ratio: f32,
    /// The other view's inverse depth, as seen from the reference view.
    pub inverse: f32,
}

impl RoundTrip {
    /// Length of the displacement, pixels.
    #[inline]
    pub(super) fn error(&self) -> f32 {
        (self.moved[0] * self.moved[0] + self.moved[1] * self.moved[1]).sqrt()
    }
}

impl Link<'_> {
    /// To the other view at inverse depth `w`, and back at the depth that it has there.
    #[inline]
    pub(super) fn round_trip(&self, w: f32, u: f32, v: f32) -> Option<RoundTrip> {
        let h = self.there.apply(u, v, w);
        if h[2] <= 1e-6 {
            return None;
        }
        let (su, sv) = (h[0] / h[2], h[1] / h[2]);
        let there = self.field.inverse_depth(su, sv, self.ratio);
        if there <= 0.0 {
            return None;
        }
        let b = self.back.apply(su, sv, there);
        if b[2] <= 1e-6 {
            return None;
        }
        Some(RoundTrip { moved: [b[0] / b[2] - u, b[1] / b[2] - v], ratio: there * h[2] / w, inverse: there / b[2] })
    }
}
