//! Single-view consistency of depth and normals (PGSR, Chen et al. 2024, eq. 10; Holi-Spatial 2.2, Lnormal).

use super::{Target, by_surface_depth, depth_at};
use crate::scene::Intrinsics;
use crate::splat::backend::Planes;
use nalgebra::Vector3;
use rayon::prelude::*;

/// Steps of depth between neighbours, as a share of it, above which they are not on one surface.
const JUMP: f32 = 0.1;

/// `weight * mean[(1 - |grad I|)^2 * |n_depth - n_rendered|_1]` over the pixels with a surface about them, `|grad I|`
/// scaled to 0..1 over the view; adds its gradient to `by`. `planes` has normals.
///
/// `n_depth` is the normal, turned to the camera, of the cross of the differences between the points of the left and the
/// right and of the upper and the lower neighbour; `n_rendered` the blended normal by opacity.
pub(in crate::splat) fn normal_loss(
    planes: &Planes,
    target: &Target,
    k: &Intrinsics,
    weight: f32,
    by: &mut Planes,
) -> f64 {
    let (w, h) = (planes.width, planes.height);
    if w < 3 || h < 3 {
        return 0.0;
    }
    let flat = flatness(target, w, h);
    let scale = weight / (w * h) as f32;
    let loss = View { planes, flat: &flat, k, scale };
    // Rows in parallel, then what their pixels say of each other's depth: the same order on any number of threads.
    let rows: Vec<(f64, Vec<Term>)> = (0..h).into_par_iter().map(|y| loss.row(y)).collect();
    let Planes { normal: [nx, ny, nz], alpha, depth, .. } = by;
    let lines = (nx.par_chunks_mut(w), ny.par_chunks_mut(w), nz.par_chunks_mut(w));
    let lines = (lines.0, lines.1, lines.2, alpha.par_chunks_mut(w), depth.par_chunks_mut(w));
    lines.into_par_iter().enumerate().for_each(|(y, (nx, ny, nz, by_alpha, by_depth))| {
        for x in 0..w {
            let i = y * w + x;
            let own = &rows[y].1[x];
            nx[x] += own.normal[0];
            ny[x] += own.normal[1];
            nz[x] += own.normal[2];
            by_alpha[x] += own.alpha;
            let at = |x: usize, y: usize, side: usize| rows[y].1[x].depth[side];
            let left_of = if x + 1 < w { at(x + 1, y, LEFT) } else { 0.0 };
            let right_of = if x > 0 { at(x - 1, y, RIGHT) } else { 0.0 };
            let above = if y + 1 < h { at(x, y + 1, ABOVE) } else { 0.0 };
            let below = if y > 0 { at(x, y - 1, BELOW) } else { 0.0 };
            let by = (left_of + right_of) + (above + below);
            if by != 0.0 {
                let (d, a) = by_surface_depth(planes, i, by);
                by_depth[x] += d;
                by_alpha[x] += a;
            }
        }
    });
    rows.iter().map(|r| r.0).sum()
}

const LEFT: usize = 0;
const RIGHT: usize = 1;
const ABOVE: usize = 2;
const BELOW: usize = 3;

/// What a pixel's normal says: gradients by its blended normal and its opacity, and by the depths of its neighbours.
#[derive(Clone, Copy, Default)]
struct Term {
    normal: [f32; 3],
    alpha: f32,
    depth: [f32; 4],
}

struct View<'a> {
    planes: &'a Planes,
    flat: &'a [f32],
    k: &'a Intrinsics,
    scale: f32,
}

impl View<'_> {
    /// The loss of a row, and what each of its pixels says.
    fn row(&self, y: usize) -> (f64, Vec<Term>) {
        let (w, h) = (self.planes.width, self.planes.height);
        let mut terms = vec![Term::default(); w];
        let mut total = 0.0;
        if y == 0 || y + 1 == h {
            return (total, terms);
        }
        for (x, term) in terms.iter_mut().enumerate().take(w - 1).skip(1) {
            if let Some((loss, own)) = self.term(x, y) {
                total += f64::from(loss);
                *term = own;
            }
        }
        (total, terms)
    }

    fn ray(&self, x: usize, y: usize) -> Vector3<f32> {
        let (u, v) = (x as f64 + 0.5, y as f64 + 0.5);
        Vector3::new(((u - self.k.cx) / self.k.fx) as f32, ((v - self.k.cy) / self.k.fy) as f32, 1.0)
    }

    fn term(&self, x: usize, y: usize) -> Option<(f32, Term)> {
        let (planes, w) = (self.planes, self.planes.width);
        let i = y * w + x;
        let at = depth_at(planes, i).filter(|_| self.flat[i] > 0.0)?;
        let [l, r, u, d] = near(planes, [i - 1, i + 1, i - w, i + w], at)?;
        let rays = [self.ray(x - 1, y), self.ray(x + 1, y), self.ray(x, y - 1), self.ray(x, y + 1)];
        let (a, b) = (rays[1] * r - rays[0] * l, rays[3] * d - rays[2] * u);
        // x right and y down: the cross of down and right looks at the camera.
        let cross = b.cross(&a);
        let length = cross.norm();
        if !(length > 1e-12) {
            return None;
        }
        let n = cross / length;
        let alpha = planes.alpha[i];
        let rendered = Vector3::new(planes.normal[0][i], planes.normal[1][i], planes.normal[2][i]) / alpha;
        let e = n - rendered;
        let s = self.scale * self.flat[i];
        let g = e.map(|v| s * super::sign(v));
        let by_cross = (g - n * n.dot(&g)) / length;
        let (by_a, by_b) = (by_cross.cross(&b), a.cross(&by_cross));
        let term = Term {
            normal: (-g / alpha).into(),
            alpha: g.dot(&rendered) / alpha,
            depth: [-rays[0].dot(&by_a), rays[1].dot(&by_a), -rays[2].dot(&by_b), rays[3].dot(&by_b)],
        };
        Some((s * e.abs().sum(), term))
    }
}

/// Depths of the neighbours, where all have one near that of the pixel.
fn near(planes: &Planes, around: [usize; 4], at: f32) -> Option<[f32; 4]> {
    let mut out = [0.0; 4];
    for (o, i) in out.iter_mut().zip(around) {
        *o = depth_at(planes, i).filter(|d| (d - at).abs() < JUMP * at)?;
    }
    Some(out)
}

/// `(1 - |grad I|)^2` of the target's grey, the gradient scaled to 0..1 over the view; 0 where the photo does not count.
fn flatness(target: &Target, w: usize, h: usize) -> Vec<f32> {
    let [r, g, b] = &target.rgb;
    let grey = |i: usize| (r[i] + g[i] + b[i]) / 3.0;
    let mut out = vec![0.0f32; w * h];
    out.par_chunks_mut(w).enumerate().filter(|(y, _)| *y > 0 && y + 1 < h).for_each(|(y, line)| {
        for (x, v) in line.iter_mut().enumerate().take(w - 1).skip(1) {
            let i = y * w + x;
            let (dx, dy) = (grey(i + 1) - grey(i - 1), grey(i + w) - grey(i - w));
            *v = (dx * dx + dy * dy).sqrt();
        }
    });
    let most = out.par_iter().copied().reduce(|| 1e-6f32, f32::max);
    out.par_iter_mut().enumerate().for_each(|(i, v)| {
        let counts = target.mask.as_ref().map_or(1.0, |m| m[i]);
        *v = counts * (1.0 - *v / most).powi(2);
    });
    out
}
