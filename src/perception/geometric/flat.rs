//! Flat things: patches of a structural plane whose colour or height differs from the plane's.

use super::Segmentation;
use super::structure::Structural;
use crate::geometry::planes::Plane;
use crate::perception::cloud::Cloud;
use nalgebra::{Matrix3, Vector3};

/// Smallest and largest area, square metres, and narrowest side, metres, of a flat thing.
const LEAST_AREA: f64 = 0.03;
const MOST_AREA: f64 = 6.0;
const LEAST_SIDE: f64 = 0.1;
/// Share of its smallest rectangle that a flat thing fills.
const FILLS: f64 = 0.6;
/// Standard deviations from the plane at which a cell is not the plane.
const FAR: f64 = 3.0;

/// A plane as an image: one cell per voxel.
struct Grid {
    width: usize,
    height: usize,
    /// Voxels by cell.
    voxels: Vec<Vec<u32>>,
    /// L, a, b and signed distance from the plane, means over each cell.
    value: Vec<[f64; 4]>,
    full: Vec<bool>,
}

/// Relabels the voxels of flat things on the floor and the walls.
pub(crate) fn find(cloud: &Cloud, planes: &[Structural], on: &[Vec<u32>], metre: f64, s: &mut Segmentation) {
    for (p, voxels) in planes.iter().zip(on) {
        let label = match p.label {
            "floor" => "flat thing on floor",
            "wall" => "flat thing on wall",
            _ => continue,
        };
        let grid = rasterise(cloud, &p.plane, voxels);
        let Some(distance) = unlike(&grid, metre) else { continue };
        let mask = cleaned(&grid, &distance);
        for part in apart(&mask, &grid) {
            let Some(score) = judged(&grid, &part, &distance, cloud.voxel, metre) else { continue };
            let id = s.push(label, score);
            for c in part {
                grid.voxels[c].iter().for_each(|v| s.of[*v as usize] = id);
            }
        }
    }
}

fn rasterise(cloud: &Cloud, plane: &Plane, voxels: &[u32]) -> Grid {
    let uv = |v: u32| {
        let q = Vector3::from(cloud.positions[v as usize].map(f64::from)) - plane.center;
        [0, 1].map(|k| (plane.axes[k].dot(&q) / cloud.voxel).floor() as i64)
    };
    let (mut lo, mut hi) = ([i64::MAX; 2], [i64::MIN; 2]);
    for v in voxels {
        let c = uv(*v);
        for k in 0..2 {
            lo[k] = lo[k].min(c[k]);
            hi[k] = hi[k].max(c[k]);
        }
    }
    let (width, height) =
        if voxels.is_empty() { (0, 0) } else { ((hi[0] - lo[0] + 1) as usize, (hi[1] - lo[1] + 1) as usize) };
    let mut g = Grid {
        width,
        height,
        voxels: vec![Vec::new(); width * height],
        value: vec![[0.0; 4]; width * height],
        full: vec![false; width * height],
    };
    for v in voxels {
        let c = uv(*v);
        g.voxels[(c[1] - lo[1]) as usize * width + (c[0] - lo[0]) as usize].push(*v);
    }
    for (i, list) in g.voxels.iter().enumerate().filter(|l| !l.1.is_empty()) {
        for v in list {
            let l = cloud.lab[*v as usize];
            let d = plane.distance(&cloud.positions[*v as usize]);
            for (t, x) in g.value[i].iter_mut().zip([f64::from(l[0]), f64::from(l[1]), f64::from(l[2]), d]) {
                *t += x / list.len() as f64;
            }
        }
        g.full[i] = true;
    }
    smooth(&mut g);
    g
}

/// Mean over the 3x3 neighbourhood: texture and noise are finer than things.
fn smooth(g: &mut Grid) {
    let old = g.value.clone();
    for i in (0..g.value.len()).filter(|i| g.full[*i]) {
        let (mut sum, mut n) = ([0.0; 4], 0.0);
        for j in around(i, g.width, g.height, 1).filter(|j| g.full[*j]) {
            (0..4).for_each(|k| sum[k] += old[j][k]);
            n += 1.0;
        }
        g.value[i] = sum.map(|x| x / n);
    }
}

fn around(i: usize, w: usize, h: usize, r: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (i % w, i / w);
    (y.saturating_sub(r)..(y + r + 1).min(h))
        .flat_map(move |b| (x.saturating_sub(r)..(x + r + 1).min(w)).map(move |a| b * w + a))
}

/// Distance of each cell from the plane's own look, in standard deviations. The plane's look is its most frequent colour
/// with a linear change over the plane (light falls off), fitted with Tukey's weights so that things do not pull it.
fn unlike(g: &Grid, metre: f64) -> Option<Vec<f64>> {
    let cells: Vec<usize> = (0..g.full.len()).filter(|i| g.full[*i]).collect();
    if cells.len() < 50 {
        return None;
    }
    let mode = most_frequent(g, &cells);
    // Least and most a plane may vary by itself: shading moves L most.
    let (least, most) = ([7.0, 3.5, 3.5, 0.005 * metre], [14.0, 7.0, 7.0, 0.012 * metre]);
    let mut sigma = [12.0, 6.0, 6.0, 0.012 * metre];
    let mut model = [mode[0], mode[1], mode[2], 0.0].map(|m| Vector3::new(m, 0.0, 0.0));
    let base = |i: usize| {
        let (x, y) = ((i % g.width) as f64 / g.width as f64 - 0.5, (i / g.width) as f64 / g.height as f64 - 0.5);
        Vector3::new(1.0, x, y)
    };
    let far = |i: usize, model: &[Vector3<f64>; 4], sigma: &[f64; 4]| {
        let b = base(i);
        let plain = [0, 1, 2, 3].map(|k| model[k].dot(&b));
        // In shadow a and b fall with L; and a shadow is no thing, so that darker counts for half.
        let shade = (g.value[i][0] / plain[0].max(1.0)).clamp(0.2, 1.0);
        let light = (g.value[i][0] - plain[0]) / sigma[0] * if shade < 1.0 { 0.5 } else { 1.0 };
        let rest = [1, 2, 3].map(|k| (g.value[i][k] - plain[k] * if k < 3 { shade } else { 1.0 }) / sigma[k]);
        (light * light + rest.iter().map(|r| r * r).sum::<f64>()).sqrt()
    };
    for _ in 0..12 {
        let (mut m, mut r) = (Matrix3::identity() * 1e-6, [Vector3::zeros(); 4]);
        let mut residuals: [Vec<f64>; 4] = Default::default();
        for i in &cells {
            let t = far(*i, &model, &sigma) / (1.5 * FAR);
            if t >= 1.0 {
                continue;
            }
            let (w, b) = ((1.0 - t * t).powi(2), base(*i));
            m += b * b.transpose() * w;
            for k in 0..4 {
                r[k] += b * (w * g.value[*i][k]);
                residuals[k].push((g.value[*i][k] - model[k].dot(&b)).abs());
            }
        }
        let inverse = m.try_inverse()?;
        for k in 0..4 {
            model[k] = inverse * r[k];
            let q = &mut residuals[k];
            let mid = q.len() / 2;
            if !q.is_empty() {
                sigma[k] = (1.4826 * *q.select_nth_unstable_by(mid, f64::total_cmp).1).clamp(least[k], most[k]);
            }
        }
    }
    Some((0..g.full.len()).map(|i| if g.full[i] { far(i, &model, &sigma) } else { 0.0 }).collect())
}

/// The most frequent colour, over bins of 10 in L and 6 in a and b.
fn most_frequent(g: &Grid, cells: &[usize]) -> [f64; 3] {
    let bin = |v: &[f64; 4]| ((v[0] / 10.0) as i64, (v[1] / 6.0).round() as i64, (v[2] / 6.0).round() as i64);
    let mut sorted: Vec<_> = cells.iter().map(|i| (bin(&g.value[*i]), *i)).collect();
    sorted.sort_unstable();
    let best = sorted.chunk_by(|a, b| a.0 == b.0).max_by_key(|c| c.len()).unwrap_or(&[]);
    let n = best.len().max(1) as f64;
    best.iter().fold([0.0; 3], |s, (_, i)| [0, 1, 2].map(|k| s[k] + g.value[*i][k] / n))
}

/// Cells that differ, after a majority vote over 5x5 full cells that also closes small gaps.
fn cleaned(g: &Grid, distance: &[f64]) -> Vec<bool> {
    (0..g.full.len())
        .map(|i| {
            let (mut far, mut full) = (0, 0);
            for j in around(i, g.width, g.height, 2) {
                full += usize::from(g.full[j]);
                far += usize::from(g.full[j] && distance[j] > FAR);
            }
            g.full[i] && full >= 6 && far * 2 > full
        })
        .collect()
}

/// Components that hold together without necks narrower than five cells.
fn apart(mask: &[bool], g: &Grid) -> Vec<Vec<usize>> {
    let core: Vec<bool> = (0..mask.len())
        .map(|i| mask[i] && around(i, g.width, g.height, 2).filter(|j| g.full[*j]).all(|j| mask[j]))
        .collect();
    let mut owner = vec![0u32; mask.len()];
    let parts = components(&core, g.width, g.height);
    parts.iter().enumerate().for_each(|(k, p)| p.iter().for_each(|i| owner[*i] = k as u32 + 1));
    for _ in 0..3 {
        let old = owner.clone();
        for i in (0..mask.len()).filter(|i| mask[*i] && old[*i] == 0) {
            owner[i] = around(i, g.width, g.height, 1).map(|j| old[j]).find(|o| *o != 0).unwrap_or(0);
        }
    }
    let mut out = vec![Vec::new(); parts.len()];
    owner.iter().enumerate().filter(|o| *o.1 != 0).for_each(|(i, o)| out[*o as usize - 1].push(i));
    out
}

/// 8-connected components, each ascending.
pub(crate) fn components(mask: &[bool], w: usize, h: usize) -> Vec<Vec<usize>> {
    let mut left = mask.to_vec();
    let mut out = Vec::new();
    for start in 0..mask.len() {
        if !left[start] {
            continue;
        }
        left[start] = false;
        let (mut part, mut at) = (vec![start], 0);
        while at < part.len() {
            let i = part[at];
            at += 1;
            for j in around(i, w, h, 1) {
                if left[j] {
                    left[j] = false;
                    part.push(j);
                }
            }
        }
        part.sort_unstable();
        out.push(part);
    }
    out
}

/// Score of a patch, or `None` for what is no flat thing: too small, too narrow, or ragged.
fn judged(g: &Grid, part: &[usize], distance: &[f64], voxel: f64, metre: f64) -> Option<f64> {
    let area = part.len() as f64 * voxel * voxel;
    // What covers metres on end is another floor covering or a wall of another colour.
    if area < LEAST_AREA * metre * metre || area > MOST_AREA * metre * metre {
        return None;
    }
    let points: Vec<[f64; 2]> = part.iter().map(|i| [(i % g.width) as f64, (i / g.width) as f64]).collect();
    let r = crate::perception::rect::smallest(&points, 0.0)?;
    let side = [r.size[0] + 1.0, r.size[1] + 1.0].map(|s| s * voxel);
    // Cells that nothing was seen in (hidden behind an object) say nothing against the patch.
    let (sin, cos) = r.yaw.sin_cos();
    let within = |i: &usize| {
        let (x, y) = ((i % g.width) as f64 - r.center[0], (i / g.width) as f64 - r.center[1]);
        g.full[*i]
            && (x * cos + y * sin).abs() <= 0.5 * r.size[0] + 1e-6
            && (y * cos - x * sin).abs() <= 0.5 * r.size[1] + 1e-6
    };
    let fills = part.len() as f64 / (0..g.full.len()).filter(within).count().max(1) as f64;
    if side[0].min(side[1]) < LEAST_SIDE * metre || fills < FILLS || area < 0.3 * side[0] * side[1] {
        return None;
    }
    let contrast = part.iter().map(|i| distance[*i]).sum::<f64>() / part.len() as f64;
    let clear = 1.0 - (-(contrast - FAR) / 3.0).exp();
    let look = 0.55 + 0.25 * clear.clamp(0.0, 1.0) + 0.2 * ((fills - FILLS) / (1.0 - FILLS)).clamp(0.0, 1.0);
    Some(look.min(0.99) * (0.5 + 0.5 * framed(g, part)))
}

/// Share of a patch's outline beyond which the plane is seen, 0..1: next to what hides the plane its colour and its
/// height are those of the rims of other things.
fn framed(g: &Grid, part: &[usize]) -> f64 {
    let (mut seen, mut all) = (0.0, 0.0);
    for i in part {
        let (x, y) = ((*i % g.width) as i64, (*i / g.width) as i64);
        for (dx, dy) in [(3, 0), (-3, 0), (0, 3), (0, -3)] {
            let (u, v) = (x + dx, y + dy);
            let within = u >= 0 && v >= 0 && u < g.width as i64 && v < g.height as i64;
            let j = if within { v as usize * g.width + u as usize } else { usize::MAX };
            if within && part.binary_search(&j).is_ok() {
                continue;
            }
            all += 1.0;
            seen += f64::from(u8::from(within && g.full[j]));
        }
    }
    if all > 0.0 { seen / all } else { 0.0 }
}
