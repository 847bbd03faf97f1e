//! Skirts: depth that runs smoothly from a thing to the wall behind it makes a sheet in the air between them, which
//! ties things to each other and has the colours of the wall.

use super::Segmentation;
use super::structure::Structural;
use crate::perception::cloud::{Cloud, neighbours};
use nalgebra::Vector3;
use std::collections::BTreeMap;

/// Voxels along an edge of a cell of a plane's look, and cells around a point that it is compared with: what is behind
/// a skirt is seen along a ray, not straight behind it.
const CELL: f64 = 8.0;
const AROUND: i64 = 3;
/// Median absolute deviations within which a colour is the plane's, and least and most of one (CIE Lab).
const LIKE: f64 = 3.5;
const DEVIATION: (f64, f64) = (2.0, 5.0);
/// Farthest that a skirt reaches from a wall or ceiling, and from the floor, metres.
const REACH: (f64, f64) = (0.6, 0.08);
/// Cosine of the angle between normals from which a sheet is not a skirt but a face.
const FACES: f64 = 0.85;
/// Distance from the planes at which depth cannot be noise of theirs, metres.
const CLEAR: f64 = 0.08;

/// The colours of the structural planes, by place.
pub(crate) struct Looks<'a> {
    planes: &'a [Structural],
    cells: Vec<BTreeMap<[i64; 2], [f64; 3]>>,
    deviation: Vec<f64>,
    cell: f64,
}

/// Difference of colours, lightness for half: shading.
fn difference(a: &[f64; 3], b: &[f32; 3]) -> f64 {
    let d = [0, 1, 2].map(|k| a[k] - f64::from(b[k]));
    (0.25 * d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt()
}

/// Largest difference of a cell from the middle of all that light makes on a plane (CIE Lab): backs of furniture are as
/// close to a wall as its own noise.
const LIGHT: f64 = 12.0;

/// Keeps the cells that look like most of all planes of the same kind: one wall may be hidden behind a bookcase.
fn plain(planes: &[Structural], cells: &mut [BTreeMap<[i64; 2], [f64; 3]>]) {
    let middles: Vec<[f32; 3]> = planes
        .iter()
        .map(|p| {
            let kind = || planes.iter().zip(cells.iter()).filter(|q| q.0.label == p.label).flat_map(|q| q.1.values());
            [0, 1, 2].map(|k| {
                let mut x: Vec<f64> = kind().map(|c| c[k]).collect();
                x.sort_by(f64::total_cmp);
                x.get(x.len() / 2).map_or(0.0, |m| *m as f32)
            })
        })
        .collect();
    for (c, middle) in cells.iter_mut().zip(&middles) {
        c.retain(|_, look| difference(look, middle) < LIGHT);
    }
}

impl<'a> Looks<'a> {
    /// Mean colours of the voxels on each plane.
    pub(crate) fn of(cloud: &Cloud, planes: &'a [Structural], on: &[Vec<u32>]) -> Self {
        let cell = CELL * cloud.voxel;
        let mut out = Self { planes, cells: Vec::new(), deviation: Vec::new(), cell };
        for (i, voxels) in on.iter().enumerate() {
            let mut sums: BTreeMap<[i64; 2], ([f64; 3], f64)> = BTreeMap::new();
            for v in voxels {
                let t = sums.entry(out.place(i, &cloud.positions[*v as usize])).or_default();
                (0..3).for_each(|k| t.0[k] += f64::from(cloud.lab[*v as usize][k]));
                t.1 += 1.0;
            }
            let means: BTreeMap<[i64; 2], [f64; 3]> =
                sums.into_iter().filter(|s| s.1.1 >= 4.0).map(|(c, s)| (c, s.0.map(|x| x / s.1))).collect();
            out.cells.push(means);
        }
        plain(planes, &mut out.cells);
        for (i, voxels) in on.iter().enumerate() {
            let mut off: Vec<f64> = voxels
                .iter()
                .filter_map(|v| {
                    let mean = out.cells[i].get(&out.place(i, &cloud.positions[*v as usize]))?;
                    Some(difference(mean, &cloud.lab[*v as usize]))
                })
                .collect();
            off.sort_by(f64::total_cmp);
            let middle = off.get(off.len() / 2).copied().unwrap_or(0.0);
            out.deviation.push(middle.clamp(DEVIATION.0, DEVIATION.1));
        }
        out
    }

    fn place(&self, plane: usize, p: &[f32; 3]) -> [i64; 2] {
        let plane = &self.planes[plane].plane;
        let q = Vector3::from(p.map(f64::from)) - plane.center;
        [0, 1].map(|k| (plane.axes[k].dot(&q) / self.cell).floor() as i64)
    }

    /// Whether a voxel has a colour that the plane has near the foot of its perpendicular.
    fn alike(&self, cloud: &Cloud, plane: usize, v: u32) -> bool {
        let c = self.place(plane, &cloud.positions[v as usize]);
        let most = LIKE * self.deviation[plane];
        (-AROUND..=AROUND)
            .flat_map(|a| (-AROUND..=AROUND).map(move |b| [c[0] + a, c[1] + b]))
            .any(|c| self.cells[plane].get(&c).is_some_and(|look| difference(look, &cloud.lab[v as usize]) < most))
    }

    /// How far a set of voxels is from being noise of the planes, 0..1: by the distance of its farther voxels from
    /// the planes, by the share of it that has a colour of its own, and by the share that is not behind a plane.
    pub(crate) fn apart(&self, cloud: &Cloud, voxels: &[u32], metre: f64) -> f64 {
        let step = (voxels.len() / 2000).max(1);
        let (mut far, mut own, mut behind, mut n) = (Vec::new(), 0.0, 0.0, 0.0);
        for v in voxels.iter().step_by(step) {
            let p = &cloud.positions[*v as usize];
            let near = (0..self.planes.len())
                .filter(|i| self.planes[*i].holds(p, 0.3 * metre))
                .map(|i| (self.planes[i].plane.distance(p).abs(), i))
                .min_by(|a, b| a.0.total_cmp(&b.0));
            let (d, like) =
                near.map_or((f64::INFINITY, false), |(d, i)| (d, d < REACH.0 * metre && self.alike(cloud, i, *v)));
            let hidden = |w: &Structural| w.holds(p, 0.3 * metre) && w.signed(p) < -CLEAR * metre;
            behind += f64::from(u8::from(self.planes.iter().any(hidden)));
            far.push(d);
            own += f64::from(u8::from(!like));
            n += 1.0;
        }
        far.sort_by(f64::total_cmp);
        let d = far.get(far.len() * 3 / 4).copied().unwrap_or(0.0) / (CLEAR * metre);
        let away = 1.0 - (-d * d).exp();
        let own = if n > 0.0 { own / n } else { 0.0 };
        (0.15 + 0.85 * away * (0.4 + 0.6 * own)) * (1.0 - 0.8 * behind / n.max(1.0))
    }
}

/// Gives skirts to their planes: from the planes on, through sheets that have the plane's colour and do not face as it
/// does.
pub(crate) fn claim(cloud: &Cloud, looks: &Looks, on: &[Vec<u32>], metre: f64, s: &mut Segmentation) {
    for (i, plane) in looks.planes.iter().enumerate() {
        let Some(first) = on[i].first() else { continue };
        let id = s.of[*first as usize];
        let reach = if plane.label == "floor" { REACH.1 } else { REACH.0 } * metre;
        let mut queue: Vec<u32> = (0..s.of.len() as u32).filter(|v| s.of[*v as usize] == id).collect();
        let mut at = 0;
        while at < queue.len() {
            let c = cloud.cell(queue[at]);
            at += 1;
            for d in neighbours() {
                let Some(v) = cloud.at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]) else { continue };
                let n = Vector3::from(cloud.normals[v as usize].map(f64::from));
                if s.of[v as usize] == 0
                    && plane.plane.distance(&cloud.positions[v as usize]) < reach
                    && n.dot(&plane.plane.normal) < FACES
                    && looks.alike(cloud, i, v)
                {
                    s.of[v as usize] = id;
                    queue.push(v);
                }
            }
        }
    }
}
