//! The normal equations with the points eliminated (Triggs et al. 1999, section 6.1).

use super::super::pnp::pose_jacobian;
use super::super::view::View;
use super::tiles::{TILE, Tiles};
use super::{INTRINSICS, Landmark, Problem, Refine, weight};
use nalgebra::{Matrix2x3, Matrix2x6, Matrix3, Point3, SMatrix, Vector2, Vector3};
use rayon::prelude::*;

/// Points are summed in this many chunks at most, whatever the number of threads, so that sums are the same everywhere.
const CHUNKS: usize = 8;

/// Where each view's parameters stand in the reduced system: poses first, then intrinsics from a tile of their own on.
pub(super) struct Layout {
    pub(super) pose: Vec<Option<usize>>,
    pub(super) intrinsics: Vec<Option<usize>>,
    /// End of the poses, and begin and end of the intrinsics.
    bounds: [usize; 3],
}

impl Layout {
    pub(super) fn of(p: &Problem) -> Self {
        let mut size = 0usize;
        let pose = p
            .free
            .iter()
            .map(|free| {
                free.then(|| {
                    size += 6;
                    size - 6
                })
            })
            .collect();
        let groups = if p.refine == Refine::Nothing { 0 } else { p.group.iter().max().map_or(0, |g| g + 1) };
        let begin = size.next_multiple_of(TILE);
        let intrinsics = p.group.iter().map(|g| (groups > 0).then_some(begin + INTRINSICS * g)).collect();
        Self { pose, intrinsics, bounds: [size, begin, begin + INTRINSICS * groups] }
    }

    /// Tiles a side.
    fn tiles(&self) -> usize {
        let end = if self.bounds[2] > self.bounds[1] { self.bounds[2] } else { self.bounds[0] };
        end.div_ceil(TILE)
    }

    /// Rows of the system, padding included.
    pub(super) fn size(&self) -> usize {
        self.tiles() * TILE
    }

    /// Whether a row of the system stands for a parameter.
    fn is_used(&self, row: usize) -> bool {
        row < self.bounds[0] || (row >= self.bounds[1] && row < self.bounds[2])
    }
}

/// Residual, and derivatives by pose, intrinsics (fx, fy, k1, k2) and point.
pub(in super::super) struct Linearised {
    pub(in super::super) residual: Vector2<f64>,
    pub(in super::super) pose: Matrix2x6<f64>,
    pub(in super::super) intrinsics: SMatrix<f64, 2, INTRINSICS>,
    pub(in super::super) point: Matrix2x3<f64>,
}

/// The reprojection error of `p` in `view` and its derivatives; `None` behind the camera.
pub(in super::super) fn linearise(view: &View, p: &Point3<f64>, uv: [f64; 2]) -> Option<Linearised> {
    let q = (view.w2c * p).coords;
    let at = view.image_of(&q)?;
    let [u, v] = view.intrinsic_jacobian(&q);
    Some(Linearised {
        residual: Vector2::new(at[0] - uv[0], at[1] - uv[1]),
        pose: pose_jacobian(view, &q),
        intrinsics: SMatrix::from_fn(|r, c| if r == 0 { u[c] } else { v[c] }),
        point: view.jacobian(&q) * view.w2c.rotation.to_rotation_matrix().matrix(),
    })
}

/// An observation, scaled by the root of its weight, and where its columns go.
pub(super) struct Row {
    pub(super) d: Linearised,
    pub(super) pose: Option<usize>,
    pub(super) intrinsics: Option<usize>,
}

pub(super) fn rows(p: &Problem, layout: &Layout, l: &Landmark) -> Vec<Row> {
    l.seen
        .iter()
        .filter_map(|o| {
            let mut d = linearise(&p.views[o.view], &l.position, o.uv)?;
            // Iteratively reweighted least squares.
            let w = weight(d.residual.norm_squared(), p.loss_scale).sqrt();
            if p.refine != Refine::FocalAndRadial {
                d.intrinsics.fixed_columns_mut::<2>(2).fill(0.0);
            }
            d.residual *= w;
            d.pose *= w;
            d.intrinsics *= w;
            d.point *= w;
            Some(Row { d, pose: layout.pose[o.view], intrinsics: layout.intrinsics[o.view] })
        })
        .collect()
}

/// Inverse of the damped 3 x 3 block of a point, and its gradient.
pub(super) fn point_block(rows: &[Row], damping: f64) -> Option<(Matrix3<f64>, Vector3<f64>)> {
    let (mut v, mut g) = (Matrix3::zeros(), Vector3::zeros());
    for r in rows {
        v += r.d.point.transpose() * r.d.point;
        g += r.d.point.transpose() * r.d.residual;
    }
    for k in 0..3 {
        v[(k, k)] += damping * v[(k, k)] + 1e-12;
    }
    Some((v.try_inverse()?, g))
}

/// The reduced system: matrix (undamped diagonal kept beside it) and gradient.
pub(super) struct Reduced {
    pub(super) matrix: Tiles,
    pub(super) gradient: Vec<f64>,
    pub(super) diagonal: Vec<f64>,
}

/// The parameters of a pose or of a group's intrinsics as one point sees them: derivatives against the point.
struct Block {
    at: usize,
    size: usize,
    /// Jᵀ Jp, rows beyond `size` zero.
    cross: SMatrix<f64, 6, 3>,
}

impl Reduced {
    fn zeros(layout: &Layout) -> Self {
        let n = layout.size();
        Self { matrix: Tiles::zeros(layout.tiles()), gradient: vec![0.0; n], diagonal: vec![0.0; n] }
    }

    fn add(&mut self, other: &Self) {
        self.matrix.add(&other.matrix);
        self.gradient.iter_mut().zip(&other.gradient).for_each(|(a, b)| *a += b);
        self.diagonal.iter_mut().zip(&other.diagonal).for_each(|(a, b)| *a += b);
    }

    /// Adds a square block on the diagonal, and its part of the gradient.
    pub(super) fn add_own<const N: usize>(&mut self, at: usize, jtj: &SMatrix<f64, N, N>, g: &SMatrix<f64, N, 1>) {
        for a in 0..N {
            self.gradient[at + a] += g[a];
            self.diagonal[at + a] += jtj[(a, a)];
            for b in 0..=a {
                self.matrix.add_at(at + a, at + b, jtj[(a, b)]);
            }
        }
    }

    fn add_observation(&mut self, r: &Row) {
        if let Some(at) = r.pose {
            self.add_own(at, &(r.d.pose.transpose() * r.d.pose), &(r.d.pose.transpose() * r.d.residual));
        }
        if let Some(at) = r.intrinsics {
            let j = &r.d.intrinsics;
            self.add_own(at, &(j.transpose() * j), &(j.transpose() * r.d.residual));
            if let Some(pose) = r.pose {
                let both = j.transpose() * r.d.pose;
                for a in 0..INTRINSICS {
                    for b in 0..6 {
                        self.matrix.add_at(at + a, pose + b, both[(a, b)]);
                    }
                }
            }
        }
    }

    fn add_landmark(&mut self, rows: &[Row], damping: f64) {
        let Some((inverse, g)) = point_block(rows, damping) else { return };
        let blocks = blocks(rows);
        if blocks.is_empty() {
            return;
        }
        rows.iter().for_each(|r| self.add_observation(r));
        for (i, b) in blocks.iter().enumerate() {
            let y = b.cross * inverse;
            let shift = y * g;
            for a in 0..b.size {
                self.gradient[b.at + a] -= shift[a];
            }
            for (k, other) in blocks[..=i].iter().enumerate() {
                self.subtract(b, &y, other, k == i);
            }
        }
    }

    /// Subtracts `y other.crossᵀ` at the places of `b` and `other`, which stands before it or is the same.
    fn subtract(&mut self, b: &Block, y: &SMatrix<f64, 6, 3>, other: &Block, same: bool) {
        // Blocks of poses never cross a tile's edge; those of intrinsics may.
        if other.at % TILE + other.size > TILE || b.at % TILE + b.size > TILE {
            for a in 0..b.size {
                for c in 0..if same { a + 1 } else { other.size } {
                    let v = y[(a, 0)] * other.cross[(c, 0)]
                        + y[(a, 1)] * other.cross[(c, 1)]
                        + y[(a, 2)] * other.cross[(c, 2)];
                    self.matrix.add_at(b.at + a, other.at + c, -v);
                }
            }
            return;
        }
        let tile = self.matrix.tile_mut(b.at / TILE, other.at / TILE);
        let (row, column) = (b.at % TILE, other.at % TILE);
        for a in 0..b.size {
            let (y0, y1, y2) = (y[(a, 0)], y[(a, 1)], y[(a, 2)]);
            for (c, v) in tile[row + a][column..column + other.size].iter_mut().enumerate() {
                *v -= y0 * other.cross[(c, 0)] + y1 * other.cross[(c, 1)] + y2 * other.cross[(c, 2)];
            }
        }
    }
}

/// What one point's observations say of poses and intrinsics, by ascending place in the system.
fn blocks(rows: &[Row]) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::with_capacity(rows.len() + 1);
    for r in rows {
        if let Some(at) = r.pose {
            out.push(Block { at, size: 6, cross: r.d.pose.transpose() * r.d.point });
        }
    }
    out.sort_by_key(|b| b.at);
    for r in rows {
        let Some(at) = r.intrinsics else { continue };
        let mut cross = SMatrix::<f64, 6, 3>::zeros();
        cross.fixed_rows_mut::<INTRINSICS>(0).copy_from(&(r.d.intrinsics.transpose() * r.d.point));
        match out.iter_mut().find(|b| b.at == at) {
            Some(b) => b.cross += cross,
            None => {
                let place = out.partition_point(|b| b.at < at);
                out.insert(place, Block { at, size: INTRINSICS, cross });
            }
        }
    }
    out
}

/// The reduced system of the problem as it stands. Diagonal tiles hold their lower triangle; of damping only what points
/// feel is in it.
pub(super) fn reduce(p: &Problem, layout: &Layout, damping: f64) -> Reduced {
    let chunk = p.landmarks.len().div_ceil(CHUNKS).max(1);
    let parts: Vec<Reduced> = p
        .landmarks
        .par_chunks(chunk)
        .map(|landmarks| {
            let mut part = Reduced::zeros(layout);
            landmarks.iter().for_each(|l| part.add_landmark(&rows(p, layout, l), damping));
            part
        })
        .collect();
    let mut total = Reduced::zeros(layout);
    parts.iter().for_each(|part| total.add(part));
    for prior in &p.priors {
        let Some(at) = layout.pose[prior.view] else { continue };
        let (residual, j) = prior.residual(&p.views[prior.view].w2c);
        total.add_own(at, &(j.transpose() * j), &(j.transpose() * residual));
    }
    for expected in &p.expected {
        let Some(at) = layout.intrinsics[expected.view] else { continue };
        let view = &p.views[expected.view];
        for (residual, j) in expected.residual(view.focal, view.radial) {
            let j = SMatrix::<f64, 1, INTRINSICS>::from(j);
            total.add_own(at, &(j.transpose() * j), &(j.transpose() * residual));
        }
    }
    for row in 0..layout.size() {
        if !layout.is_used(row) {
            total.matrix.add_at(row, row, 1.0);
        }
    }
    total
}
