//! Where a plane is covered by a surface.

use super::candidates::Plane;
use super::{STRIDE, Sample};
use crate::geometry::dense::Prepared;
use crate::geometry::dense::filter::Map;
use nalgebra::Point3;

/// Side of a cell, in typical depths: 5 cm in a room of 3.3 m.
const CELL: f32 = 0.015;
/// Cosine between a sample's normal and that of a plane from which on its place belongs to the grid.
const ON: f32 = 0.7;
/// Cells around the samples of a plane.
const MARGIN: usize = 6;
/// Noise of depth, of the depth; near the camera as at a share of the typical depth.
const NOISE: f32 = 0.015;
const NEAR: f32 = 0.6;
/// Votes that a covered cell has, and their least share of all: mirror images and glass let most photos look past a top.
const LEAST_VOTES: u32 = 4;
const LEAST_SHARE: f32 = 0.15;
/// Gaps up to twice as many cells are closed.
const GAP: usize = 3;
/// Least area that is a surface of its own, in squared typical depths: 0.6 square metres in a room of 3.3 m.
const LEAST_AREA: f32 = 0.055;
/// Share of photos looking past, of those that see it, up to which a plane bounds the room: nothing is behind a wall.
const BOUNDS: f32 = 0.1;
/// Grids larger than this are no room.
const MOST_CELLS: usize = 1 << 22;

/// What a photo says of a place on a plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// There is a surface.
    Covered,
    /// Few photos say anything, and some of them that there is one.
    Thin,
    /// No photo says anything.
    Unknown,
    /// Photos look past it.
    Open,
}

/// A plane, and where it is covered.
pub(super) struct Cover {
    pub(super) plane: Plane,
    /// Nothing is seen behind it.
    pub(super) is_bound: bool,
    corner: [f32; 2],
    cell: f32,
    size: [usize; 2],
    places: Vec<Place>,
    unit: f32,
}

/// Depth along the ray of a pixel at which it meets a plane from the side of its normal.
pub(super) struct Hits {
    /// `offset - normal . camera`.
    above: f32,
    /// The normal in the camera frame.
    normal: [f32; 3],
}

impl Hits {
    pub(super) fn of(plane: &Plane, view: &Prepared) -> Self {
        let c2w = view.camera.c2w.cast::<f32>();
        let normal = c2w.rotation.inverse() * plane.normal;
        Self { above: plane.offset - plane.normal.dot(&c2w.translation.vector), normal: normal.into() }
    }

    /// `ray` has depth 1.
    pub(super) fn depth(&self, ray: &[f32; 3]) -> Option<f32> {
        let along = self.normal[0] * ray[0] + self.normal[1] * ray[1] + self.normal[2] * ray[2];
        let z = self.above / along;
        (along < -1e-3 && z.is_finite() && z > 0.0).then_some(z)
    }
}

/// Ray of depth 1 through the centre of a pixel.
pub(super) fn ray(view: &Prepared, x: usize, y: usize) -> [f32; 3] {
    let k = &view.camera.intrinsics;
    [(x as f32 + 0.5 - k.cx as f32) / k.fx as f32, (y as f32 + 0.5 - k.cy as f32) / k.fy as f32, 1.0]
}

/// Noise of a depth.
pub(super) fn noise(depth: f32, unit: f32) -> f32 {
    NOISE * depth.max(NEAR * unit)
}

impl Cover {
    /// `None` where the plane has no surface that is large enough.
    pub(super) fn of(
        plane: Plane,
        samples: &[Sample],
        prepared: &[Prepared],
        measured: &[Map],
        unit: f32,
    ) -> Option<Self> {
        let cell = CELL * unit;
        let (corner, size) = bounds(&plane, samples, cell, unit)?;
        let mut out = Self { plane, is_bound: false, corner, cell, size, places: Vec::new(), unit };
        let [on, past] = out.votes(prepared, measured);
        let sum = |v: &[u32]| v.iter().map(|n| u64::from(*n)).sum::<u64>() as f32;
        out.is_bound = sum(&past) < BOUNDS * sum(&on);
        let covered = out.covered(&on, &past);
        out.places = (0..on.len())
            .map(|i| match (covered[i], on[i], past[i]) {
                (true, _, _) => Place::Covered,
                (_, on, past) if past > on => Place::Open,
                (_, 0, 0) => Place::Unknown,
                _ => Place::Thin,
            })
            .collect();
        covered.contains(&true).then_some(out)
    }

    /// What is known of the place where a ray of `view` meets the plane at `depth`; `None` beyond what was seen of it.
    pub(super) fn place(&self, view: &Prepared, ray: &[f32; 3], depth: f32) -> Option<Place> {
        self.index(view, ray, depth).map(|i| self.places[i])
    }

    pub(super) fn noise(&self, depth: f32) -> f32 {
        noise(depth, self.unit)
    }

    fn index(&self, view: &Prepared, ray: &[f32; 3], depth: f32) -> Option<usize> {
        let p = view.camera.c2w.cast::<f32>() * Point3::new(ray[0] * depth, ray[1] * depth, depth);
        let within = self.plane.within(&p);
        let at: [f32; 2] = std::array::from_fn(|k| (within[k] - self.corner[k]) / self.cell);
        let inside = (0..2).all(|k| at[k] >= 0.0 && at[k] < self.size[k] as f32);
        inside.then(|| at[1] as usize * self.size[0] + at[0] as usize)
    }

    /// For each cell how many measured pixels lie on it, and how many look past it.
    fn votes(&self, prepared: &[Prepared], measured: &[Map]) -> [Vec<u32>; 2] {
        let mut votes = [0, 1].map(|_| vec![0u32; self.size[0] * self.size[1]]);
        for (view, map) in prepared.iter().zip(measured).filter(|(v, _)| v.range.is_some()) {
            let hits = Hits::of(&self.plane, view);
            for y in (1..map.height).step_by(STRIDE - 1) {
                for x in (1..map.width).step_by(STRIDE - 1) {
                    let w = map.inverse[y * map.width + x];
                    let ray = ray(view, x, y);
                    let Some(depth) = hits.depth(&ray).filter(|_| w > 0.0) else { continue };
                    let (off, noise) = (1.0 / w - depth, noise(depth, self.unit));
                    let kind = if off.abs() < noise {
                        0
                    } else if off > 1.5 * noise {
                        1
                    } else {
                        continue;
                    };
                    if let Some(i) = self.index(view, &ray, depth) {
                        votes[kind][i] += 1;
                    }
                }
            }
        }
        votes
    }

    fn covered(&self, on: &[u32], past: &[u32]) -> Vec<bool> {
        let is_on = |(on, past): (&u32, &u32)| *on >= LEAST_VOTES && *on as f32 >= LEAST_SHARE * (*on + *past) as f32;
        let mut cells: Vec<bool> = on.iter().zip(past).map(is_on).collect();
        for (grows, times) in [(true, GAP), (false, GAP), (false, 1), (true, 1)] {
            (0..times).for_each(|_| cells = stepped(&cells, self.size, grows));
        }
        let least = LEAST_AREA * self.unit * self.unit / (self.cell * self.cell);
        large_parts(&cells, self.size, least as usize)
    }
}

/// Corner and size of the grid around the samples that lie on a plane.
fn bounds(plane: &Plane, samples: &[Sample], cell: f32, unit: f32) -> Option<([f32; 2], [usize; 2])> {
    let on = samples
        .iter()
        .filter(|s| plane.distance(&s.position).abs() < noise(s.depth, unit) && s.normal.dot(&plane.normal) > ON);
    let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
    for s in on {
        let at = plane.within(&s.position);
        for k in 0..2 {
            low[k] = low[k].min(at[k]);
            high[k] = high[k].max(at[k]);
        }
    }
    let margin = MARGIN as f32 * cell;
    let size: [usize; 2] = std::array::from_fn(|k| ((high[k] - low[k] + 2.0 * margin) / cell).max(0.0) as usize + 1);
    let fits = low[0] <= high[0] && size[0].checked_mul(size[1]).is_some_and(|n| n <= MOST_CELLS);
    fits.then(|| (low.map(|v| v - margin), size))
}

/// Cells of which one neighbour or more (of four) or the cell itself is set, or, shrinking, all of them are.
fn stepped(cells: &[bool], [w, h]: [usize; 2], grows: bool) -> Vec<bool> {
    (0..w * h)
        .map(|i| {
            let (x, y) = (i % w, i / w);
            let around = [
                Some(i),
                (x > 0).then(|| i - 1),
                (x + 1 < w).then(|| i + 1),
                (y > 0).then(|| i - w),
                (y + 1 < h).then(|| i + w),
            ];
            let mut known = around.into_iter().flatten().map(|j| cells[j]);
            if grows { known.any(|c| c) } else { known.all(|c| c) }
        })
        .collect()
}

/// The connected parts of at least `least` cells.
fn large_parts(cells: &[bool], [w, h]: [usize; 2], least: usize) -> Vec<bool> {
    let (mut seen, mut out) = (vec![false; cells.len()], vec![false; cells.len()]);
    let (mut stack, mut part) = (Vec::new(), Vec::new());
    for start in 0..cells.len() {
        if !cells[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        stack.push(start);
        part.clear();
        while let Some(i) = stack.pop() {
            part.push(i);
            let (x, y) = (i % w, i / w);
            let around = [
                (x > 0).then(|| i - 1),
                (x + 1 < w).then(|| i + 1),
                (y > 0).then(|| i - w),
                (y + 1 < h).then(|| i + w),
            ];
            for j in around.into_iter().flatten() {
                if cells[j] && !seen[j] {
                    seen[j] = true;
                    stack.push(j);
                }
            }
        }
        if part.len() >= least {
            part.iter().for_each(|i| out[*i] = true);
        }
    }
    out
}
