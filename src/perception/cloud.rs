//! One voxel cloud from all depth maps, with what each view sees of it: the ground that segmenting, lifting and merging
//! stand on.

use super::View;
use super::color::{lab_index, lab_table};
use super::surface::Surface;
use crate::scene::{Cancelled, Job};
use nalgebra::{Matrix3, Point3, SymmetricEigen, Vector3};
use rayon::prelude::*;

/// A voxel that a view sees, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Index of the voxel.
    pub voxel: u32,
    /// Column in the depth map.
    pub x: u16,
    /// Row in the depth map.
    pub y: u16,
}

/// Occupied voxels, in ascending order of their keys, and their visibility.
#[derive(Debug)]
pub struct Cloud {
    /// Edge of a voxel in scene units.
    pub voxel: f64,
    /// How many times larger the noise of the cloud is than lengths that are given in metres allow for, at least 1.
    pub coarse: f64,
    /// Weighted mean of the points in each voxel.
    pub positions: Vec<[f32; 3]>,
    /// Unit normal, towards the cameras.
    pub normals: Vec<[f32; 3]>,
    /// Mean colour, CIE Lab.
    pub lab: Vec<[f32; 3]>,
    /// Views that see each voxel.
    pub views: Vec<u16>,
    /// What each view sees, by voxel.
    pub seen: Vec<Vec<Hit>>,
    /// Smoothed depth of each view.
    pub surfaces: Vec<Surface>,
    keys: Vec<u64>,
    table: Vec<u32>,
}

/// Edge of a voxel, metres, and the most voxels before it is made larger.
const VOXEL: f64 = 0.02;
const MOST_VOXELS: usize = 1_500_000;
/// Noise of the cloud that fixed lengths allow for, metres, and most that they are multiplied by where there is more.
const NOISE: f64 = 0.006;
const COARSEST: f64 = 3.0;
/// Radius of the patches that noise is measured on, metres, and number of them.
const PATCH: f64 = 0.12;
const PATCHES: usize = 2000;
const EMPTY: u32 = u32::MAX;
const BIAS: i64 = 1 << 20;

#[derive(Clone, Copy, Default)]
struct Sum {
    position: [f64; 3],
    normal: [f32; 3],
    lab: [f32; 3],
    weight: f64,
}

impl Sum {
    fn add(&mut self, o: &Self) {
        for k in 0..3 {
            self.position[k] += o.position[k];
            self.normal[k] += o.normal[k];
            self.lab[k] += o.lab[k];
        }
        self.weight += o.weight;
    }
}

pub(crate) fn cell(p: [f64; 3], voxel: f64) -> [i64; 3] {
    p.map(|x| (x / voxel).floor().clamp(-(BIAS as f64) + 2.0, BIAS as f64 - 3.0) as i64)
}

fn key(c: [i64; 3]) -> u64 {
    c.iter().fold(0, |k, x| (k << 21) | (x + BIAS) as u64)
}

fn hash(key: u64, mask: usize) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 29) as usize & mask
}

impl Cloud {
    /// Fuses the views. `metre` is the length of a metre in scene units. A voxel stays when two views see it (or one,
    /// where there are fewer than three views) and not more views see through it than see it.
    pub fn fuse(views: &[View], metre: f64, job: &dyn Job) -> Result<Self, Cancelled> {
        let total = 2 * views.len();
        let mut surfaces: Vec<Surface> = Vec::with_capacity(views.len());
        let mut normals = Vec::with_capacity(views.len());
        for chunk in views.chunks(8) {
            job.tick(surfaces.len(), total)?;
            let part: Vec<_> = chunk.par_iter().map(Surface::smooth).collect();
            for (s, n) in part {
                surfaces.push(s);
                normals.push(n);
            }
        }
        job.tick(views.len(), total)?;
        let mut cloud = Self::at_voxel(views, &surfaces, &normals, VOXEL * metre);
        let coarse = (cloud.noise(metre) / (NOISE * metre)).clamp(1.0, COARSEST);
        if coarse > 1.0 {
            job.tick(views.len() * 3 / 2, total)?;
            cloud = Self::at_voxel(views, &surfaces, &normals, VOXEL * metre * coarse.sqrt());
            cloud.coarse = coarse;
            cloud.smooth_normals();
        }
        cloud.surfaces = surfaces;
        job.tick(total, total)?;
        Ok(cloud)
    }

    /// The cloud without its surfaces, with voxels of the given edge or, where those are too many, larger ones.
    fn at_voxel(views: &[View], surfaces: &[Surface], normals: &[Vec<[f32; 3]>], mut voxel: f64) -> Self {
        let table = lab_table();
        let fused = loop {
            let parts: Vec<Vec<(u64, Sum)>> = (0..views.len())
                .into_par_iter()
                .map(|i| samples(&views[i], &surfaces[i], &normals[i], voxel, &table))
                .collect();
            let all = reduced(parts.concat());
            if all.len() <= MOST_VOXELS {
                break all;
            }
            voxel *= 1.4;
        };
        let mut cloud = Self::from_sums(fused, voxel);
        let (seen, through) = cloud.look(views, surfaces);
        let enough = if views.len() < 3 { 1 } else { 2 };
        let keep: Vec<bool> =
            cloud.views.iter().zip(&through).map(|(s, t)| usize::from(*s) >= enough && *t <= *s).collect();
        cloud.retain(&keep, seen);
        cloud
    }

    /// Occupied voxels within `r` cells of a voxel along each axis, itself included.
    fn around(&self, v: u32, r: i64) -> impl Iterator<Item = u32> + '_ {
        let c = self.cell(v);
        let each = move || -r..=r;
        each()
            .flat_map(move |x| each().flat_map(move |y| each().map(move |z| [x, y, z])))
            .filter_map(move |d| self.at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]))
    }

    /// Noise of the cloud, scene units: the lower quartile over patches of the root mean square distance of their voxels
    /// to their plane; edges and clutter are in the other quartiles.
    fn noise(&self, metre: f64) -> f64 {
        let r = ((PATCH * metre / self.voxel).round() as i64).clamp(2, 6);
        let step = (self.len() / PATCHES).max(1);
        let mut off: Vec<f64> = (0..self.len() as u32)
            .into_par_iter()
            .step_by(step)
            .filter_map(|v| {
                let patch: Vec<Vector3<f64>> =
                    self.around(v, r).map(|u| Vector3::from(self.positions[u as usize].map(f64::from))).collect();
                let n = patch.len() as f64;
                let mean = patch.iter().sum::<Vector3<f64>>() / n;
                let cov = patch.iter().fold(Matrix3::zeros(), |m, p| m + (p - mean) * (p - mean).transpose()) / n;
                (patch.len() >= 20).then(|| SymmetricEigen::new(cov).eigenvalues.min().max(0.0).sqrt())
            })
            .collect();
        off.sort_by(f64::total_cmp);
        off.get(off.len() / 4).copied().unwrap_or(0.0)
    }

    /// Averages each normal with those of the neighbours that face the same half of space.
    fn smooth_normals(&mut self) {
        let smooth: Vec<[f32; 3]> = (0..self.len() as u32)
            .into_par_iter()
            .map(|v| {
                let own = self.normals[v as usize];
                let sum = self.around(v, 1).fold([0f32; 3], |s, u| {
                    let n = self.normals[u as usize];
                    let same = (0..3).map(|k| own[k] * n[k]).sum::<f32>() > 0.0;
                    if same { [0, 1, 2].map(|k| s[k] + n[k]) } else { s }
                });
                let norm = sum.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-20);
                sum.map(|x| x / norm)
            })
            .collect();
        self.normals = smooth;
    }

    fn from_sums(sums: Vec<(u64, Sum)>, voxel: f64) -> Self {
        let n = sums.len();
        let mut c = Self {
            voxel,
            coarse: 1.0,
            positions: Vec::with_capacity(n),
            normals: Vec::with_capacity(n),
            lab: Vec::with_capacity(n),
            views: vec![0; n],
            seen: Vec::new(),
            surfaces: Vec::new(),
            keys: Vec::with_capacity(n),
            table: Vec::new(),
        };
        for (k, s) in sums {
            let w = s.weight.max(1e-30);
            let norm = s.normal.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-20);
            c.keys.push(k);
            c.positions.push(s.position.map(|x| (x / w) as f32));
            c.normals.push(s.normal.map(|x| x / norm));
            c.lab.push(s.lab.map(|x| x / w as f32));
        }
        c
    }

    /// What each view sees, and how many views see through each voxel; counts the views of each voxel.
    fn look(&mut self, views: &[View], surfaces: &[Surface]) -> (Vec<Vec<Hit>>, Vec<u16>) {
        let looks: Vec<(Vec<Hit>, Vec<u32>)> = views
            .par_iter()
            .zip(surfaces)
            .map(|(v, s)| {
                let (mut hits, mut through) = (Vec::new(), Vec::new());
                let camera = v.camera.resized(v.depth.width, v.depth.height);
                for (i, p) in self.positions.iter().enumerate() {
                    let p = Point3::new(f64::from(p[0]), f64::from(p[1]), f64::from(p[2]));
                    let Some((x, y, z)) = camera.project(&p) else { continue };
                    let tolerance = (1.5 * self.voxel).max(0.02 * z) as f32;
                    match s.test(x, y, z as f32, tolerance) {
                        Some(true) => hits.push(Hit { voxel: i as u32, x: x as u16, y: y as u16 }),
                        Some(false) => through.push(i as u32),
                        None => {}
                    }
                }
                (hits, through)
            })
            .collect();
        let mut through = vec![0u16; self.positions.len()];
        for (hits, t) in &looks {
            hits.iter().for_each(|h| self.views[h.voxel as usize] += 1);
            t.iter().for_each(|i| through[*i as usize] += 1);
        }
        (looks.into_iter().map(|l| l.0).collect(), through)
    }

    fn retain(&mut self, keep: &[bool], mut seen: Vec<Vec<Hit>>) {
        let mut to = vec![EMPTY; keep.len()];
        let mut n = 0u32;
        for (i, k) in keep.iter().enumerate() {
            if *k {
                to[i] = n;
                n += 1;
            }
        }
        let mut it = keep.iter();
        self.positions.retain(|_| *it.next().unwrap_or(&false));
        let mut it = keep.iter();
        self.normals.retain(|_| *it.next().unwrap_or(&false));
        let mut it = keep.iter();
        self.lab.retain(|_| *it.next().unwrap_or(&false));
        let mut it = keep.iter();
        self.views.retain(|_| *it.next().unwrap_or(&false));
        let mut it = keep.iter();
        self.keys.retain(|_| *it.next().unwrap_or(&false));
        for s in &mut seen {
            s.retain_mut(|h| {
                h.voxel = to[h.voxel as usize];
                h.voxel != EMPTY
            });
        }
        self.seen = seen;
        let size = (2 * self.keys.len()).next_power_of_two().max(2);
        self.table = vec![EMPTY; size];
        for (i, k) in self.keys.iter().enumerate() {
            let mut at = hash(*k, size - 1);
            while self.table[at] != EMPTY {
                at = (at + 1) & (size - 1);
            }
            self.table[at] = i as u32;
        }
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there is no voxel.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Integer coordinates of a voxel.
    pub fn cell(&self, voxel: u32) -> [i64; 3] {
        let k = self.keys[voxel as usize];
        [42, 21, 0].map(|s| ((k >> s) & 0x1f_ffff) as i64 - BIAS)
    }

    /// The voxel at integer coordinates, if it is occupied.
    pub fn at(&self, c: [i64; 3]) -> Option<u32> {
        let (k, mask) = (key(c), self.table.len().checked_sub(1)?);
        let mut at = hash(k, mask);
        while self.table[at] != EMPTY {
            if self.keys[self.table[at] as usize] == k {
                return Some(self.table[at]);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The occupied voxel that a point belongs to: its own, or the nearest of the 26 around it.
    pub fn find(&self, p: [f64; 3]) -> Option<u32> {
        let c = cell(p, self.voxel);
        if let Some(i) = self.at(c) {
            return Some(i);
        }
        let mut best = (f64::INFINITY, None);
        for d in neighbours() {
            let Some(i) = self.at([c[0] + d[0], c[1] + d[1], c[2] + d[2]]) else { continue };
            let q = self.positions[i as usize];
            let dist = (0..3).map(|k| (f64::from(q[k]) - p[k]).powi(2)).sum::<f64>();
            if dist < best.0 {
                best = (dist, Some(i));
            }
        }
        best.1
    }
}

/// The 26 steps to the neighbours of a voxel.
pub(crate) fn neighbours() -> impl Iterator<Item = [i64; 3]> {
    (0..27).filter(|i| *i != 13).map(|i| [i / 9 - 1, i / 3 % 3 - 1, i % 3 - 1])
}

/// Samples of one view, summed by voxel, ascending by key.
fn samples(view: &View, s: &Surface, normals: &[[f32; 3]], voxel: f64, table: &[[f32; 3]]) -> Vec<(u64, Sum)> {
    let camera = view.camera.resized(view.depth.width, view.depth.height);
    let (iw, ih) = view.image.dimensions();
    let (sx, sy) = (f64::from(iw) / f64::from(view.depth.width), f64::from(ih) / f64::from(view.depth.height));
    let mut out = Vec::with_capacity(s.depth.len());
    for (i, d) in s.depth.iter().enumerate().filter(|(_, d)| **d > 0.0) {
        let (u, v) = s.center(i);
        let p = camera.unproject(u, v, f64::from(*d));
        // The variance of stereo depth grows with the square of the distance.
        let weight = 1.0 / f64::from(*d * *d);
        let n = camera.c2w.rotation * nalgebra::Vector3::from(normals[i].map(f64::from));
        let rgb = view.image.get_pixel(((u * sx) as u32).min(iw - 1), ((v * sy) as u32).min(ih - 1)).0;
        let sum = Sum {
            position: [p.x * weight, p.y * weight, p.z * weight],
            normal: [n.x, n.y, n.z].map(|x| (x * weight) as f32),
            lab: table[lab_index(rgb)].map(|x| x * weight as f32),
            weight,
        };
        out.push((key(cell([p.x, p.y, p.z], voxel)), sum));
    }
    reduced(out)
}

/// Sums equal keys; the order of equal keys is kept, so the sums do not depend on threads.
fn reduced(mut all: Vec<(u64, Sum)>) -> Vec<(u64, Sum)> {
    all.par_sort_by_key(|s| s.0);
    all.dedup_by(|b, a| {
        let same = a.0 == b.0;
        if same {
            a.1.add(&b.1);
        }
        same
    });
    all
}
