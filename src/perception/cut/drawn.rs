//! A cut over cells drawn at the size of the photo, its edge moved to where colours and depth change.

use super::cells::Cells;
use super::ground::{Ground, apart, lab_of};
use crate::scene::Rle;

/// Difference of colours, and of depth as a share of it, that make a pixel unlike a cell.
const COLOR: f32 = 6.0;
const DEPTH: f32 = 0.02;

/// The mask of the cells, for the photo.
pub(super) fn drawn(ground: &Ground, cells: &Cells, inside: &[bool]) -> Rle {
    let (pw, ph) = ground.photo.dimensions();
    let scale = [f64::from(pw) / ground.width as f64, f64::from(ph) / ground.height as f64];
    let mut bits = vec![false; pw as usize * ph as usize];
    let from = |k: usize| (cells.origin[k] as f64 * scale[k]).floor() as u32;
    let to =
        |k: usize, n: usize, of: u32| (((cells.origin[k] + n * cells.step) as f64 * scale[k]).ceil() as u32).min(of);
    let is_plain = cells.step == 1 && (pw as usize, ph as usize) == (ground.width, ground.height);
    let edge: Vec<bool> = (0..cells.len()).map(|i| is_edge(cells, inside, i)).collect();
    for y in from(1)..to(1, cells.height, ph) {
        for x in from(0)..to(0, cells.width, pw) {
            let at = [(f64::from(x) + 0.5) / scale[0], (f64::from(y) + 0.5) / scale[1]];
            let Some(i) = cells.at(at) else { continue };
            let on = if edge[i] && !is_plain { vote(ground, cells, inside, i, at, [x, y]) } else { inside[i] };
            bits[y as usize * pw as usize + x as usize] = on;
        }
    }
    Rle::encode(pw, ph, &bits)
}

fn is_edge(cells: &Cells, inside: &[bool], i: usize) -> bool {
    (0..8).any(|d| cells.neighbour(i, d, 1).is_some_and(|j| inside[j] != inside[i]))
}

/// Which side the cells around a pixel take it to, by how near and how like they are.
fn vote(ground: &Ground, cells: &Cells, inside: &[bool], i: usize, at: [f64; 2], pixel: [u32; 2]) -> bool {
    let color = lab_of(ground.photo.get_pixel(pixel[0], pixel[1]).0);
    let (gx, gy) = ((at[0] as usize).min(ground.width - 1), (at[1] as usize).min(ground.height - 1));
    let depth = ground.depth[gy * ground.width + gx];
    let mut sum = 0.0;
    for j in (0..8).filter_map(|d| cells.neighbour(i, d, 1)).chain([i]) {
        let m = cells.middle(j);
        let far = ((m[0] - at[0]).powi(2) + (m[1] - at[1]).powi(2)) as f32 / (cells.step * cells.step) as f32;
        let unlike = (apart(&color, &cells.lab[j]) / COLOR).powi(2);
        let off = match cells.points[j] {
            Some((p, _)) if depth > 0.0 => ((depth - p.z) / (DEPTH * depth)).powi(2),
            _ => 0.0,
        };
        let weight = (-far - 0.5 * unlike - 0.5 * off.min(8.0)).exp();
        sum += if inside[j] { weight } else { -weight };
    }
    sum > 0.0
}
