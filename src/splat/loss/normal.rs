//! Single-view consistency of depth and normals (PGSR, Chen et al. 2024, eq. 10; Holi-Spatial 2.2, Lnormal).

use super::{Target, add_by_depth, depth_at};
use crate::scene::Intrinsics;
use crate::splat::backend::Planes;
use nalgebra::Vector3;

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
    let ray = |x: usize, y: usize| {
        let (u, v) = (x as f64 + 0.5, y as f64 + 0.5);
        Vector3::new(((u - k.cx) / k.fx) as f32, ((v - k.cy) / k.fy) as f32, 1.0)
    };
    let mut total = 0.0;
    for y in 1..h - 1 {
        for x in 1..w - 1 {
            let i = y * w + x;
            let Some(at) = depth_at(planes, i).filter(|_| flat[i] > 0.0) else { continue };
            let around = [i - 1, i + 1, i - w, i + w];
            let Some([l, r, u, d]) = near(planes, around, at) else { continue };
            let rays = [ray(x - 1, y), ray(x + 1, y), ray(x, y - 1), ray(x, y + 1)];
            let (a, b) = (rays[1] * r - rays[0] * l, rays[3] * d - rays[2] * u);
            // x right and y down: the cross of down and right looks at the camera.
            let cross = b.cross(&a);
            let length = cross.norm();
            if !(length > 1e-12) {
                continue;
            }
            let n = cross / length;
            let alpha = planes.alpha[i];
            let rendered = Vector3::new(planes.normal[0][i], planes.normal[1][i], planes.normal[2][i]) / alpha;
            let e = n - rendered;
            let s = scale * flat[i];
            total += f64::from(s * e.abs().sum());
            let g = e.map(|v| s * super::sign(v));
            for c in 0..3 {
                by.normal[c][i] -= g[c] / alpha;
            }
            by.alpha[i] += g.dot(&rendered) / alpha;
            let by_cross = (g - n * n.dot(&g)) / length;
            let (by_a, by_b) = (by_cross.cross(&b), a.cross(&by_cross));
            let slopes = [-rays[0].dot(&by_a), rays[1].dot(&by_a), -rays[2].dot(&by_b), rays[3].dot(&by_b)];
            for (j, slope) in around.into_iter().zip(slopes) {
                add_by_depth(planes, by, j, slope);
            }
        }
    }
    total
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
    for y in 1..h - 1 {
        for x in 1..w - 1 {
            let i = y * w + x;
            let (dx, dy) = (grey(i + 1) - grey(i - 1), grey(i + w) - grey(i - w));
            out[i] = (dx * dx + dy * dy).sqrt();
        }
    }
    let most = out.iter().fold(1e-6f32, |a, v| a.max(*v));
    for (i, v) in out.iter_mut().enumerate() {
        let counts = target.mask.as_ref().map_or(1.0, |m| m[i]);
        *v = counts * (1.0 - *v / most).powi(2);
    }
    out
}
