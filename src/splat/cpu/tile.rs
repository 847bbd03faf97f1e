//! One tile of 16 x 16 pixels: blending front to back, and its derivative, eight pixels of a row at a time.

use super::super::backend::Planes;
use super::super::lanes::F8;
use super::project::Splat;

/// Side of a tile in pixels.
pub(super) const TILE: usize = 16;
/// Rows of eight pixels in a tile; two make a row of the tile.
const BLOCKS: usize = TILE * 2;
/// Opacity of a Gaussian at a pixel is clipped here (Kerbl et al. 2023, as the thresholds below).
const MAX_ALPHA: f32 = 0.99;
/// A pixel is done before the Gaussian that would let less than this through.
const MIN_TRANSMITTANCE: f32 = 1e-4;

/// The pixels of a tile.
pub(super) struct Tile {
    pub(super) rgb: [[F8; BLOCKS]; 3],
    pub(super) transmittance: [F8; BLOCKS],
    pub(super) depth: [F8; BLOCKS],
    pub(super) median: [F8; BLOCKS],
    /// Zero unless drawn.
    pub(super) normal: [[F8; BLOCKS]; 3],
}

/// Sums over the pixels of a tile for one Gaussian. With `q` the quadratic form of the conic at offset (dx, dy) from
/// the centre, `e` the gradient by `q`, and `w` the blending weight times the gradient by depth.
#[derive(Clone, Copy, Debug, Default)]
// One line of the cache: a Gaussian's pairs are gathered from all over the image.
#[repr(align(64))]
pub(super) struct PairGradient {
    /// e
    pub(super) q: f32,
    /// e dx, e dy
    pub(super) q1: [f32; 2],
    /// e dx dx, e dx dy, e dy dy
    pub(super) q2: [f32; 3],
    /// By the colour.
    pub(super) rgb: [f32; 3],
    /// w, w dx, w dy
    pub(super) depth: [f32; 3],
    /// By the normal.
    pub(super) normal: [f32; 3],
}

impl PairGradient {
    pub(super) fn add(&mut self, o: &Self) {
        self.q += o.q;
        for k in 0..2 {
            self.q1[k] += o.q1[k];
        }
        for k in 0..3 {
            self.q2[k] += o.q2[k];
            self.rgb[k] += o.rgb[k];
            self.depth[k] += o.depth[k];
            self.normal[k] += o.normal[k];
        }
    }
}

/// Horizontal offsets of the pixel centres of either half of a tile's row.
const CENTRES: [F8; 2] =
    [F8([0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]), F8([8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15.5])];

/// The blocks of the tile that the bounds of a splat touch: rows `y0..y1`, halves `h0..h1`.
#[inline(always)]
fn blocks(s: &Splat, x0: f32, y0: f32) -> (usize, usize, usize, usize) {
    let (mx, my) = (s.mx - x0, s.my - y0);
    let top = (my - s.ry - 0.5).ceil().max(0.0) as usize;
    let bottom = ((my + s.ry + 0.5).floor().max(0.0) as usize).min(TILE);
    (top, bottom, usize::from(mx - s.rx > 7.5), 1 + usize::from(mx + s.rx >= 8.5))
}

/// Blends a tile's list front to back; `normals` belong to `splats` and are read where `N`.
pub(super) fn forward<const N: bool>(
    splats: &[Splat],
    normals: &[[f32; 3]],
    list: &[u32],
    origin: (usize, usize),
) -> Tile {
    let zero = [F8::ZERO; BLOCKS];
    let mut tile =
        Tile { rgb: [zero; 3], transmittance: [F8::ONE; BLOCKS], depth: zero, median: zero, normal: [zero; 3] };
    let mut live = [F8::ONE; BLOCKS];
    let mut done = 0u32;
    let (x0, y0) = (origin.0 as f32, origin.1 as f32);
    for &id in list {
        let s = &splats[id as usize];
        let (top, bottom, h0, h1) = blocks(s, x0, y0);
        for row in top..bottom {
            let dy = y0 + row as f32 + 0.5 - s.my;
            for half in h0..h1 {
                let i = row * 2 + half;
                if done & (1 << i) != 0 {
                    continue;
                }
                let dx = CENTRES[half] + F8::splat(x0 - s.mx);
                let q = quadratic(s, dx, dy);
                if !F8::any_lt(q, F8::splat(s.r2)) {
                    continue;
                }
                let mut alpha = raw_alpha(s, q).min(F8::splat(MAX_ALPHA)) * live[i];
                let t = tile.transmittance[i];
                let mut next = t - t * alpha;
                if F8::any_lt(next, F8::splat(MIN_TRANSMITTANCE)) {
                    stop(&mut alpha, &mut next, &mut live[i], t);
                    done |= u32::from(!F8::any_lt(F8::ZERO, live[i])) << i;
                }
                let w = alpha * t;
                for c in 0..3 {
                    tile.rgb[c][i] = w.fma(F8::splat(s.rgb[c]), tile.rgb[c][i]);
                }
                let z = dx.fma(F8::splat(s.slope[0]), F8::splat(s.slope[1].mul_add(dy, s.z)));
                tile.depth[i] = w.fma(z, tile.depth[i]);
                if N {
                    for c in 0..3 {
                        tile.normal[c][i] = w.fma(F8::splat(normals[id as usize][c]), tile.normal[c][i]);
                    }
                }
                // The median is set once, where the transmittance falls through one half.
                let through = F8::where_lt(next, F8::splat(0.5), z, F8::ZERO);
                tile.median[i] = F8::where_lt(t, F8::splat(0.5), tile.median[i], through);
                tile.transmittance[i] = next;
            }
        }
        if done == u32::MAX {
            break;
        }
    }
    tile
}

#[inline(always)]
fn quadratic(s: &Splat, dx: F8, dy: f32) -> F8 {
    F8::splat(s.ca).fma(dx, F8::splat(2.0 * s.cb * dy)).fma(dx, F8::splat(s.cc * dy * dy))
}

/// Opacity before clipping; 0 outside the ellipse on which it is 1/255.
#[inline(always)]
fn raw_alpha(s: &Splat, q: F8) -> F8 {
    let r2 = F8::splat(s.r2);
    F8::where_lt(q, r2, F8::splat(s.opacity) * q.max(F8::ZERO).min(r2).exp_half_neg(), F8::ZERO)
}

/// Ends the lanes that would become opaque: they take no part of this Gaussian nor of those behind it.
#[inline(always)]
fn stop(alpha: &mut F8, next: &mut F8, live: &mut F8, t: F8) {
    let least = F8::splat(MIN_TRANSMITTANCE);
    *alpha = F8::where_lt(*next, least, F8::ZERO, *alpha);
    *live = F8::where_lt(*next, least, F8::ZERO, *live);
    *next = F8::where_lt(*next, least, t, *next);
}

/// What `backward` keeps for each block of pixels.
struct Pixels {
    by_rgb: [[F8; BLOCKS]; 3],
    by_alpha: [F8; BLOCKS],
    by_depth: [F8; BLOCKS],
    by_normal: [[F8; BLOCKS]; 3],
    /// Sum over the Gaussians still ahead of weight times the gradient by that weight.
    rest: [F8; BLOCKS],
    /// Blocks whose pixels have a gradient, a bit each: a loss of some pixels only leaves the others without work.
    wanted: u32,
}

/// Reads a tile's gradients out of the planes; pixels beyond the image have none.
fn load<const N: bool>(planes: &Planes, by: &Planes, origin: (usize, usize)) -> Pixels {
    let zero = [F8::ZERO; BLOCKS];
    let mut p =
        Pixels { by_rgb: [zero; 3], by_alpha: zero, by_depth: zero, by_normal: [zero; 3], rest: zero, wanted: 0 };
    for y in 0..TILE.min(planes.height - origin.1) {
        for x in 0..TILE.min(planes.width - origin.0) {
            let (i, k) = (y * 2 + x / 8, x % 8);
            let at = (origin.1 + y) * planes.width + origin.0 + x;
            let mut rest = by.alpha[at] * planes.alpha[at] + by.depth[at] * planes.depth[at];
            let mut any = by.alpha[at] != 0.0 || by.depth[at] != 0.0;
            for c in 0..3 {
                any |= by.rgb[c][at] != 0.0 || (N && by.normal[c][at] != 0.0);
                p.by_rgb[c][i].0[k] = by.rgb[c][at];
                rest += by.rgb[c][at] * planes.rgb[c][at];
            }
            if N {
                for c in 0..3 {
                    p.by_normal[c][i].0[k] = by.normal[c][at];
                    rest += by.normal[c][at] * planes.normal[c][at];
                }
            }
            p.by_alpha[i].0[k] = by.alpha[at];
            p.by_depth[i].0[k] = by.depth[at];
            p.rest[i].0[k] = rest;
            p.wanted |= u32::from(any) << i;
        }
    }
    p
}

/// Writes the gradients of a tile's pairs, front to back, and which were written: by the opacity a of Gaussian i, `T v - rest / (1 - a)` with
/// v the gradient by its weight (derived from C = sum of w v, w = a T, T' = T (1 - a)).
pub(super) fn backward<const N: bool>(
    (splats, normals): (&[Splat], &[[f32; 3]]),
    list: &[u32],
    origin: (usize, usize),
    (planes, by): (&Planes, &Planes),
    (out, touched): (&mut [PairGradient], &mut [bool]),
) {
    let mut p = load::<N>(planes, by, origin);
    let mut transmittance = [F8::ONE; BLOCKS];
    let mut live = [F8::ONE; BLOCKS];
    let mut done = !p.wanted;
    if done == u32::MAX {
        return;
    }
    let (x0, y0) = (origin.0 as f32, origin.1 as f32);
    for (&id, (out, touched)) in list.iter().zip(out.iter_mut().zip(touched)) {
        let s = &splats[id as usize];
        let normal = if N { normals[id as usize] } else { [0.0; 3] };
        let (top, bottom, h0, h1) = blocks(s, x0, y0);
        let mut sums = Sums::new();
        let mut any = false;
        for row in top..bottom {
            let dy = y0 + row as f32 + 0.5 - s.my;
            for half in h0..h1 {
                let i = row * 2 + half;
                if done & (1 << i) != 0 {
                    continue;
                }
                let dx = CENTRES[half] + F8::splat(x0 - s.mx);
                let q = quadratic(s, dx, dy);
                if !F8::any_lt(q, F8::splat(s.r2)) {
                    continue;
                }
                let raw = raw_alpha(s, q);
                let mut alpha = raw.min(F8::splat(MAX_ALPHA)) * live[i];
                let t = transmittance[i];
                let mut next = t - t * alpha;
                if F8::any_lt(next, F8::splat(MIN_TRANSMITTANCE)) {
                    stop(&mut alpha, &mut next, &mut live[i], t);
                    done |= u32::from(!F8::any_lt(F8::ZERO, live[i])) << i;
                }
                transmittance[i] = next;
                any = true;
                sums.add::<N>(s, &normal, &mut p, i, (dx, dy), (raw, alpha, t));
            }
        }
        if any {
            (*out, *touched) = (sums.finish(), true);
        }
        if done == u32::MAX {
            break;
        }
    }
}

/// The sums of [`PairGradient`], per lane.
struct Sums {
    q: F8,
    q1: [F8; 2],
    q2: [F8; 3],
    rgb: [F8; 3],
    depth: [F8; 3],
    normal: [F8; 3],
}

impl Sums {
    #[inline(always)]
    fn new() -> Self {
        let zero = F8::ZERO;
        Self { q: zero, q1: [zero; 2], q2: [zero; 3], rgb: [zero; 3], depth: [zero; 3], normal: [zero; 3] }
    }

    /// Not inlined: kept in memory, the sums are what the compiler starts its vectors from (twice as fast).
    #[inline(never)]
    fn add<const N: bool>(
        &mut self,
        s: &Splat,
        normal: &[f32; 3],
        p: &mut Pixels,
        i: usize,
        (dx, dy): (F8, f32),
        (raw, alpha, t): (F8, F8, F8),
    ) {
        let dy = F8::splat(dy);
        let w = alpha * t;
        let z = dx.fma(F8::splat(s.slope[0]), dy.fma(F8::splat(s.slope[1]), F8::splat(s.z)));
        let mut v = p.by_depth[i].fma(z, p.by_alpha[i]);
        for c in 0..3 {
            let g = p.by_rgb[c][i];
            v = g.fma(F8::splat(s.rgb[c]), v);
            self.rgb[c] = g.fma(w, self.rgb[c]);
        }
        if N {
            for c in 0..3 {
                let g = p.by_normal[c][i];
                v = g.fma(F8::splat(normal[c]), v);
                self.normal[c] = g.fma(w, self.normal[c]);
            }
        }
        p.rest[i] -= w * v;
        let by_alpha = t * v - p.rest[i].div(F8::ONE - alpha);
        // A clipped opacity does not move with q.
        let free = F8::where_lt(raw, F8::splat(MAX_ALPHA), alpha, F8::ZERO);
        let e = by_alpha * free * F8::splat(-0.5);
        let (ex, ey) = (e * dx, e * dy);
        self.q += e;
        self.q1[0] += ex;
        self.q1[1] += ey;
        self.q2[0] = ex.fma(dx, self.q2[0]);
        self.q2[1] = ex.fma(dy, self.q2[1]);
        self.q2[2] = ey.fma(dy, self.q2[2]);
        let d = w * p.by_depth[i];
        self.depth[0] += d;
        self.depth[1] = d.fma(dx, self.depth[1]);
        self.depth[2] = d.fma(dy, self.depth[2]);
    }

    #[inline(always)]
    fn finish(self) -> PairGradient {
        PairGradient {
            q: self.q.sum(),
            q1: self.q1.map(F8::sum),
            q2: self.q2.map(F8::sum),
            rgb: self.rgb.map(F8::sum),
            depth: self.depth.map(F8::sum),
            normal: self.normal.map(F8::sum),
        }
    }
}
