//! The thing under one pixel: a region grown over depth, normals and colour.
//!
//! It grows over flat and convex places and stops at jumps of depth, at hollows (where a thing meets the floor or the
//! wall behind it: locally convex connected patches, Stein et al. 2014), and, on one flat surface, where the colour
//! changes.

use super::View;
use super::color::lab;
use super::surface::Surface;
use crate::scene::Rle;
use nalgebra::{Point3, Vector3};

/// Largest distance of a neighbour from the tangent plane, as a share of its depth.
const JUMP: f64 = 0.012;
/// Angle by which normals must turn towards each other in a hollow, radians.
const HOLLOW: f64 = 0.35;
/// Normals that differ by less are one flat surface, radians.
const FLAT: f64 = 0.3;
/// Difference of Lab colours on one flat surface that is another thing; lightness counts a half, for shadows.
const COLOR: f32 = 14.0;
/// Largest share of the photo that is a thing: beyond, the region has run out into the room.
const LARGEST: f64 = 0.5;
/// Tolerances to try in turn: less where a region runs out into the room, more where it is a speck.
const LESS: [f64; 4] = [1.0, 0.7, 0.5, 0.35];
const MORE: [f64; 3] = [1.4, 2.0, 2.8];
/// Grid points fewer than which are a speck.
const SPECK: usize = 12;

/// A photo made ready to grow regions in: the slow part, done once a photo.
pub struct Ground {
    surface: Surface,
    /// In the camera frame; `None` where the depth or the normal is not known.
    points: Vec<Option<(Point3<f64>, Vector3<f64>)>>,
    lab: Vec<[f32; 3]>,
    /// In a hollow: regions end here.
    hollow: Vec<bool>,
    /// Size of the photo, and pixels of it per pixel of the depth map.
    size: [u32; 2],
    scale: [f64; 2],
}

impl Ground {
    /// Smooths the depth, finds normals and hollows.
    pub fn of(view: &View) -> Self {
        let (surface, normals) = Surface::smooth(view);
        let k = view.camera.resized(view.depth.width, view.depth.height).intrinsics;
        let size = [view.image.width(), view.image.height()];
        let scale =
            [f64::from(size[0]) / f64::from(view.depth.width), f64::from(size[1]) / f64::from(view.depth.height)];
        let n = surface.depth.len();
        let points: Vec<_> = (0..n)
            .map(|i| {
                let (x, y) = surface.center(i);
                let z = f64::from(surface.depth[i]);
                (z > 0.0).then(|| (Point3::from(k.ray(x, y) * z), Vector3::from(normals[i].map(f64::from))))
            })
            .collect();
        let lab = (0..n)
            .map(|i| {
                let (x, y) = surface.center(i);
                let at = |v: f64, s: f64, m: u32| ((v * s) as u32).min(m.saturating_sub(1));
                lab(view.image.get_pixel(at(x, scale[0], size[0]), at(y, scale[1], size[1])).0)
            })
            .collect();
        let mut out = Self { surface, points, lab, hollow: vec![false; n], size, scale };
        out.hollow = (0..n).map(|i| out.is_hollow(i)).collect();
        out
    }

    fn neighbour(&self, i: usize, dx: i64, dy: i64) -> Option<usize> {
        let (w, h) = (self.surface.width as i64, self.surface.height as i64);
        let (x, y) = (i as i64 % w + dx, i as i64 / w + dy);
        (x >= 0 && y >= 0 && x < w && y < h).then_some((y * w + x) as usize)
    }

    /// Whether the surface turns inward across a grid point, along the rows or the columns or between them.
    fn is_hollow(&self, i: usize) -> bool {
        let reach = (self.surface.width as i64 / 100).clamp(2, 6);
        [(1, 0), (0, 1), (1, 1), (1, -1)].into_iter().any(|(dx, dy)| {
            let end = |s: i64| self.points[self.neighbour(i, s * dx * reach, s * dy * reach)?];
            let (Some((p, n)), Some((q, m))) = (end(-1), end(1)) else { return false };
            // In a hollow each end lies before the tangent plane of the other.
            n.angle(&m) > HOLLOW && n.dot(&(q - p)) > 0.0 && m.dot(&(p - q)) > 0.0
        })
    }

    /// The mask of the thing at a pixel of the photo (pixel centres at +0.5), at the size of the photo. `tolerance`
    /// multiplies what colours may differ by: 1 is usual, more takes in more. Where that is no thing, what is found with
    /// the nearest tolerance that gives one. `None` where the depth there is not known or nothing that could be a thing
    /// is there.
    pub fn grow(&self, pixel: [f64; 2], tolerance: f64) -> Option<Rle> {
        let most = LARGEST * self.points.len() as f64;
        let mut steps: &[f64] = &LESS;
        loop {
            let (step, rest) = steps.split_first()?;
            let (inside, count) = self.region(pixel, step * tolerance)?;
            if count >= SPECK && (count as f64) < most {
                return Some(self.drawn(&inside));
            }
            let is_first = *step == LESS[0];
            steps = if is_first && count < SPECK { &MORE } else { rest };
        }
    }

    /// The grid points of the region, and how many there are.
    fn region(&self, pixel: [f64; 2], tolerance: f64) -> Option<(Vec<bool>, usize)> {
        let start = self.surface.index(pixel[0] / self.scale[0], pixel[1] / self.scale[1])?;
        let start = self.nearby(start)?;
        let mut inside = vec![false; self.points.len()];
        let (mut queue, mut at) = (vec![start], 0);
        inside[start] = true;
        let mut sum = [0.0f32; 3];
        let mut count = 0.0f32;
        while let Some(i) = queue.get(at).copied() {
            at += 1;
            for k in 0..3 {
                sum[k] += self.lab[i][k];
            }
            count += 1.0;
            // In a hollow the region may end, not go on.
            if self.hollow[i] {
                continue;
            }
            let mean = sum.map(|s| s / count);
            for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
                if let Some(j) = self.neighbour(i, dx, dy).filter(|j| !inside[*j])
                    && self.joins(i, j, &mean, tolerance)
                {
                    inside[j] = true;
                    queue.push(j);
                }
            }
        }
        Some((inside, queue.len()))
    }

    /// The grid point itself, or the nearest one within a few whose depth is known and that is in no hollow.
    fn nearby(&self, i: usize) -> Option<usize> {
        let all = (-3..=3i64).flat_map(|dy| (-3..=3i64).map(move |dx| (dx, dy)));
        let near = all.filter_map(|(dx, dy)| Some((dx * dx + dy * dy, self.neighbour(i, dx, dy)?)));
        near.filter(|(_, j)| self.points[*j].is_some() && !self.hollow[*j]).min().map(|n| n.1)
    }

    fn joins(&self, i: usize, j: usize, mean: &[f32; 3], tolerance: f64) -> bool {
        let (Some((p, n)), Some((q, m))) = (self.points[i], self.points[j]) else { return false };
        let off = n.dot(&(q - p)).abs().min(m.dot(&(q - p)).abs());
        if off > JUMP * p.z || (q.z - p.z).abs() > 0.06 * p.z {
            return false;
        }
        let apart = |a: &[f32; 3], b: &[f32; 3]| {
            let d: [f32; 3] = std::array::from_fn(|k| a[k] - b[k]);
            (0.25 * d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt()
        };
        let limit = COLOR * tolerance as f32;
        // Round an edge the light changes: there the colour of the neighbour counts, not that of the whole.
        let on_edge = n.angle(&m) > FLAT * 0.2;
        apart(&self.lab[i], &self.lab[j]) < limit && (on_edge || apart(mean, &self.lab[j]) < 2.0 * limit)
    }

    /// With its holes filled: what does not touch the border of the photo and is smaller than a fifth of it.
    fn filled(&self, mut inside: Vec<bool>) -> Vec<bool> {
        let (w, h) = (self.surface.width, self.surface.height);
        let most = inside.iter().filter(|b| **b).count() / 5;
        let mut seen = inside.clone();
        for start in 0..inside.len() {
            if seen[start] {
                continue;
            }
            seen[start] = true;
            let (mut hole, mut at, mut open) = (vec![start], 0, false);
            while let Some(i) = hole.get(at).copied() {
                at += 1;
                open |= i % w == 0 || i % w == w - 1 || i / w == 0 || i / w == h - 1;
                for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
                    if let Some(j) = self.neighbour(i, dx, dy).filter(|j| !seen[*j]) {
                        seen[j] = true;
                        hole.push(j);
                    }
                }
            }
            if !open && hole.len() <= most {
                hole.into_iter().for_each(|i| inside[i] = true);
            }
        }
        inside
    }

    /// Closed by a grid point, so that it has no pin holes, filled, and drawn at the size of the photo.
    fn drawn(&self, inside: &[bool]) -> Rle {
        let around = |bits: &[bool], i: usize, all: bool| {
            let mut near = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
            let on = |(dx, dy)| self.neighbour(i, dx, dy).map_or(all, |j| bits[j]);
            if all { near.all(on) } else { near.any(on) }
        };
        let grown: Vec<bool> = (0..inside.len()).map(|i| around(inside, i, false)).collect();
        let closed: Vec<bool> = (0..inside.len()).map(|i| inside[i] || around(&grown, i, true)).collect();
        let closed = self.filled(closed);
        let [w, h] = self.size;
        let pixels: Vec<bool> = (0..w as usize * h as usize)
            .map(|k| {
                let (x, y) = ((k % w as usize) as f64 + 0.5, (k / w as usize) as f64 + 0.5);
                self.surface.index(x / self.scale[0], y / self.scale[1]).is_some_and(|i| closed[i])
            })
            .collect();
        Rle::encode(w, h, &pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perception::testing::{room, views};

    /// Of the truth how much is found, and of what is found how much is true.
    fn compared(mask: &Rle, truth: &[bool]) -> (f64, f64) {
        let found = mask.decode();
        let both = found.iter().zip(truth).filter(|(a, b)| **a && **b).count() as f64;
        let count = |x: &[bool]| x.iter().filter(|b| **b).count().max(1) as f64;
        (both / count(truth), both / count(&found))
    }

    #[test]
    fn a_click_finds_the_thing_under_it() {
        for noise in [0.0, 0.002] {
            let shots = room(noise);
            let mut tried = 0;
            for (shot, view) in shots.iter().zip(views(&shots)) {
                let ground = Ground::of(&view);
                for id in [4u8, 5, 6] {
                    let truth: Vec<bool> = shot.ids.iter().map(|i| *i == id).collect();
                    let area = truth.iter().filter(|b| **b).count();
                    let (w, edge) = (200usize, 6usize);
                    let at_border = truth
                        .iter()
                        .enumerate()
                        .any(|(k, b)| *b && (k % w < edge || k % w >= w - edge || k / w < edge || k / w >= 150 - edge));
                    if area < 500 || at_border {
                        continue;
                    }
                    let mut xs: Vec<usize> = (0..truth.len()).filter(|k| truth[*k]).collect();
                    let middle = xs.remove(xs.len() / 2);
                    let pixel = [(middle % w) as f64 + 0.5, (middle / w) as f64 + 0.5];
                    let mask = ground.grow(pixel, 1.0).unwrap();
                    let (recall, precision) = compared(&mask, &truth);
                    assert!(recall > 0.75 && precision > 0.85, "{} {id}: {recall:.2} {precision:.2}", shot.name);
                    tried += 1;
                }
            }
            assert!(tried > 8, "{tried}");
        }
    }

    #[test]
    fn a_label_on_a_thing_is_part_of_it() {
        let mut tried = 0;
        for k in 0..room(0.0).len() {
            let mut shots = room(0.0);
            let shot = &mut shots[k];
            // A white sticker of 7 x 5 pixels in the middle of the patch of colour.
            let of_patch: Vec<usize> = (0..shot.ids.len()).filter(|k| shot.ids[*k] == 4).collect();
            let (xs, ys) = (of_patch.iter().map(|k| *k as u32 % 200), of_patch.iter().map(|k| *k as u32 / 200));
            let [x, y] = [xs.sum::<u32>(), ys.sum::<u32>()].map(|s| s / of_patch.len().max(1) as u32);
            let is_patch = |x: u32, y: u32| shot.ids.get((y * 200 + x) as usize) == Some(&4);
            let around = |dx: i64, dy: i64| is_patch((i64::from(x) + dx) as u32, (i64::from(y) + dy) as u32);
            if of_patch.is_empty() || ![(-14, 0), (14, 0), (0, -8), (0, 8)].iter().all(|d| around(d.0, d.1)) {
                continue;
            }
            for (dx, dy) in (0..7).flat_map(|a| (0..5).map(move |b| (a, b))) {
                shot.image.put_pixel(x + dx - 3, y + dy - 2, image::Rgb([250, 250, 250]));
            }
            let ground = Ground::of(&views(&shots)[k]);
            let mask = ground.grow([f64::from(x) + 0.5 - 9.0, f64::from(y) + 0.5], 1.0).unwrap().decode();
            assert!(mask[(y * 200 + x) as usize], "photo {k}: the sticker is taken in");
            assert!(mask[(y * 200 + x + 9) as usize], "photo {k}: what is beyond it too");
            tried += 1;
        }
        assert!(tried > 2, "{tried}");
    }

    #[test]
    fn small_holes_are_part_of_a_thing() {
        let shots = room(0.0);
        let ground = Ground::of(&views(&shots)[0]);
        let (w, n) = (ground.surface.width, ground.points.len());
        let within = |i: usize, lo: usize, hi: usize| (lo..hi).contains(&(i % w)) && (lo..hi).contains(&(i / w));
        let with_hole = |lo: usize, hi: usize| (0..n).map(|i| within(i, 20, 60) && !within(i, lo, hi)).collect();
        let filled = |bits: Vec<bool>| ground.filled(bits).into_iter().filter(|b| *b).count();
        assert_eq!(filled(with_hole(30, 36)), 40 * 40);
        assert_eq!(filled(with_hole(25, 55)), 40 * 40 - 30 * 30, "what is seen through a frame is not the frame");
    }

    #[test]
    fn nothing_grows_where_nothing_is_known() {
        let mut shots = room(0.0);
        shots[0].depth.data.fill(0.0);
        let ground = Ground::of(&views(&shots)[0]);
        assert_eq!(ground.grow([100.0, 75.0], 1.0), None);
        assert_eq!(ground.grow([-5.0, 75.0], 1.0), None);
        assert_eq!(ground.grow([100.0, 1e9], 1.0), None);
    }
}
