//! Which tiles each Gaussian touches: lists per tile in order of depth, by one counting sort.

use super::project::Splat;
use super::tile::TILE;
use rayon::prelude::*;

/// Lists of splats per tile, near to far, and the way back from a splat to its places in them.
#[derive(Debug)]
pub(super) struct Bins {
    /// Tiles in a row.
    pub(super) columns: usize,
    /// Where each tile's list starts; one more entry than tiles.
    starts: Vec<u32>,
    /// Indices of splats, tile by tile.
    lists: Vec<u32>,
    /// Where each splat's slots start; one more entry than splats.
    slot_starts: Vec<u32>,
    /// Positions in `lists`, splat by splat.
    slots: Vec<u32>,
}

impl Bins {
    /// Bins splats, which must be in order of depth.
    pub(super) fn new(splats: &[Splat], width: usize, height: usize) -> Self {
        let (columns, rows) = (width.div_ceil(TILE), height.div_ceil(TILE));
        let touched: Vec<(Vec<u32>, Vec<u32>)> = splats
            .par_chunks(512)
            .map(|part| {
                let (mut tiles, mut counts) = (Vec::with_capacity(part.len() * 4), Vec::with_capacity(part.len()));
                for s in part {
                    let before = tiles.len();
                    touch(s, width, height, columns, &mut tiles);
                    counts.push((tiles.len() - before) as u32);
                }
                (tiles, counts)
            })
            .collect();
        let mut starts = vec![0u32; columns * rows + 1];
        for t in touched.iter().flat_map(|(tiles, _)| tiles) {
            starts[*t as usize + 1] += 1;
        }
        for t in 1..starts.len() {
            starts[t] += starts[t - 1];
        }
        let total = starts[columns * rows] as usize;
        let mut next = starts.clone();
        let mut bins = Self {
            columns,
            starts,
            lists: vec![0; total],
            slot_starts: Vec::with_capacity(splats.len() + 1),
            slots: Vec::with_capacity(total),
        };
        bins.slot_starts.push(0);
        let mut splat = 0u32;
        for (tiles, counts) in &touched {
            let mut tiles = tiles.iter();
            for &n in counts {
                for &t in tiles.by_ref().take(n as usize) {
                    let slot = &mut next[t as usize];
                    bins.lists[*slot as usize] = splat;
                    bins.slots.push(*slot);
                    *slot += 1;
                }
                bins.slot_starts.push(bins.slots.len() as u32);
                splat += 1;
            }
        }
        bins
    }

    /// Number of tiles.
    pub(super) fn tiles(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of tile-splat pairs.
    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// Splats of a tile, near to far.
    pub(super) fn list(&self, tile: usize) -> &[u32] {
        &self.lists[self.starts[tile] as usize..self.starts[tile + 1] as usize]
    }

    /// First pixel of a tile.
    pub(super) fn origin(&self, tile: usize) -> (usize, usize) {
        ((tile % self.columns) * TILE, (tile / self.columns) * TILE)
    }

    /// Positions of splat `k` in the concatenated lists.
    pub(super) fn slots_of(&self, k: usize) -> &[u32] {
        &self.slots[self.slot_starts[k] as usize..self.slot_starts[k + 1] as usize]
    }
}

/// Appends the tiles whose pixel centres the ellipse `q <= r2` may hold: for each row of tiles the exact horizontal
/// extent of the ellipse within that band.
fn touch(s: &Splat, width: usize, height: usize, columns: usize, out: &mut Vec<u32>) {
    const SLACK: f32 = 0.01; // pixels: rounding never loses a pixel
    let first = |v: f32| (v - 0.5 - SLACK).ceil().max(0.0) as usize;
    let last = |v: f32, n: usize| (v - 0.5 + SLACK).floor().min(n as f32 - 1.0);
    let bottom = last(s.my + s.ry, height);
    let top = first(s.my - s.ry);
    if bottom < top as f32 {
        return;
    }
    let tilt = -s.cb / s.cc * s.rx; // dy of the rightmost point of the ellipse
    for row in top / TILE..=bottom as usize / TILE {
        let y = (row * TILE) as f32 + 0.5 - s.my;
        let (lo, hi) = (y.max(-s.ry), (y + (TILE - 1) as f32).min(s.ry).max(y.max(-s.ry)));
        let reach = |dy: f32, sign: f32| {
            let b = s.cb * dy;
            let disc = (b * b - s.ca * (s.cc * dy * dy - s.r2)).max(0.0);
            (-b + sign * disc.sqrt()) / s.ca
        };
        let right = last(s.mx + reach(tilt.clamp(lo, hi), 1.0), width);
        let left = first(s.mx + reach((-tilt).clamp(lo, hi), -1.0));
        if right >= left as f32 {
            for c in left / TILE..=right as usize / TILE {
                out.push((row * columns + c) as u32);
            }
        }
    }
}
