//! Gaussians for what the seed leaves out: where a training view sees through the seed there was no depth (glass,
//! screens, far walls), and nothing there would have a gradient to grow from.

use super::backend::Shot;
use super::views::LevelView;
use super::{cpu, logit};
use crate::scene::{Gaussians, SH_C0, sh_coefficients};
use std::sync::Arc;

/// Nearest depth drawn, as a share of the typical viewing distance.
const NEAR: f32 = 0.005;
/// Opacity of a view below which a cell is a hole.
const HOLE: f32 = 0.4;
/// Side of a cell in pixels of the level used.
const CELL: usize = 2;
/// Opacity of a filling: soft, since its depth is a guess.
const OPACITY: f32 = 0.5;
/// Standard deviation of a filling as a share of its cell.
const SIZE: f32 = 0.5;

/// Adds a ball of the photo's colour for every cell of every view that the Gaussians so far do not cover, at a depth
/// taken from its surroundings in the view (`unit` where there are none). `g` never exceeds `max`.
pub(super) fn fill<'a>(g: &mut Gaussians, views: impl Iterator<Item = &'a Arc<LevelView>>, unit: f32, max: usize) {
    for view in views {
        let shot = Shot { camera: view.camera, near: NEAR * unit, degree: 0, normals: false };
        let planes = cpu::planes_of(g, &shot);
        let (width, height) = (planes.width, planes.height);
        let mut depth: Vec<f32> =
            planes.depth.iter().zip(&planes.alpha).map(|(d, a)| if *a > 0.7 { d / a } else { 0.0 }).collect();
        spread(&mut depth, width, height);
        for y in (0..height).step_by(CELL) {
            for x in (0..width).step_by(CELL) {
                let i = y * width + x;
                if planes.alpha[i] >= HOLE || g.len() >= max || !view.is_used(i) {
                    continue;
                }
                let z = if depth[i] > 0.0 { depth[i] } else { unit };
                let half = CELL as f64 * 0.5;
                let p = view.camera.unproject(x as f64 + half, y as f64 + half, f64::from(z));
                let size = SIZE * CELL as f32 * z / view.camera.intrinsics.fx as f32;
                g.means.push([p.x as f32, p.y as f32, p.z as f32]);
                g.log_scales.push([size.max(1e-12).ln(); 3]);
                g.quats.push([1.0, 0.0, 0.0, 0.0]);
                g.opacity_logits.push(logit(OPACITY));
                g.sh.push(view.pixel(i).map(|v| (v - 0.5) / SH_C0));
                g.sh.extend((1..sh_coefficients(g.sh_degree)).map(|_| [0.0; 3]));
            }
        }
    }
}

/// Gives unknown pixels (0) the mean of the known ones about them, from the finest halving that has any.
fn spread(values: &mut [f32], width: usize, height: usize) {
    if values.len() <= 1 || values.iter().all(|v| *v > 0.0) {
        return;
    }
    let (w, h) = (width.div_ceil(2), height.div_ceil(2));
    let mut sums = vec![(0.0f32, 0u32); w * h];
    for (i, v) in values.iter().enumerate().filter(|(_, v)| **v > 0.0) {
        let cell = &mut sums[i / width / 2 * w + i % width / 2];
        *cell = (cell.0 + v, cell.1 + 1);
    }
    let mut half: Vec<f32> = sums.iter().map(|(sum, n)| sum / (*n).max(1) as f32).collect();
    spread(&mut half, w, h);
    for (i, v) in values.iter_mut().enumerate().filter(|(_, v)| **v <= 0.0) {
        *v = half[i / width / 2 * w + i % width / 2];
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn unknown_pixels_take_their_surroundings() {
        let mut v = vec![0.0; 7 * 5];
        v[0] = 2.0;
        v[34] = 4.0;
        super::spread(&mut v, 7, 5);
        assert!(v[1] == 2.0 && v[33] == 4.0 && v.iter().all(|d| (2.0..=4.0).contains(d)), "{v:?}");
        let mut none = vec![0.0; 6];
        super::spread(&mut none, 3, 2);
        assert_eq!(none, [0.0; 6]);
    }
}
