//! A symmetric positive definite matrix in tiles, of which those without entries are not stored, and its Cholesky factor.
//! For cameras in order of capture nearly all entries lie near the diagonal, so that cost grows with the number of cameras,
//! not with its cube.

use rayon::prelude::*;

/// Rows and columns of a tile: eight cameras.
pub(super) const TILE: usize = 48;

/// One tile, row by row.
pub(super) type Tile = [[f64; TILE]; TILE];

static ZERO: Tile = [[0.0; TILE]; TILE];

/// The lower triangle, tile by tile: row `i` holds tiles `0..=i`. Tiles on the diagonal are kept whole.
#[derive(Clone)]
pub(super) struct Tiles {
    rows: Vec<Vec<Option<Box<Tile>>>>,
}

impl Tiles {
    /// All zero, for `n` tiles a side.
    pub(super) fn zeros(n: usize) -> Self {
        Self { rows: (0..n).map(|i| vec![None; i + 1]).collect() }
    }

    /// The tile at `row >= column`.
    pub(super) fn tile_mut(&mut self, row: usize, column: usize) -> &mut Tile {
        self.rows[row][column].get_or_insert_with(|| Box::new(ZERO))
    }

    /// Adds `value` to an entry of the lower triangle.
    pub(super) fn add_at(&mut self, row: usize, column: usize, value: f64) {
        self.tile_mut(row / TILE, column / TILE)[row % TILE][column % TILE] += value;
    }

    /// Adds another matrix of the same size.
    pub(super) fn add(&mut self, other: &Self) {
        for (row, others) in self.rows.iter_mut().zip(&other.rows) {
            for (tile, other) in row.iter_mut().zip(others) {
                let Some(other) = other else { continue };
                match tile {
                    Some(tile) => {
                        tile.iter_mut().flatten().zip(other.iter().flatten()).for_each(|(a, b)| *a += b);
                    }
                    None => *tile = Some(other.clone()),
                }
            }
        }
    }

    /// Replaces the matrix by its Cholesky factor, in place; false where it is not positive definite.
    pub(super) fn factor(&mut self) -> bool {
        for k in 0..self.rows.len() {
            let (above, below) = self.rows.split_at_mut(k + 1);
            let Some(pivot) = above[k][k].as_mut() else { return false };
            if !factor_tile(pivot) {
                return false;
            }
            let pivot: &Tile = pivot;
            // Column k below the pivot, divided by it, and each tile's transpose for the products below.
            let column: Vec<Option<Box<Tile>>> = below
                .par_iter_mut()
                .map(|row| {
                    let tile = row[k].as_mut()?;
                    tile.iter_mut().for_each(|line| forward(pivot, line));
                    Some(Box::new(transposed(tile)))
                })
                .collect();
            below.par_iter_mut().enumerate().for_each(|(i, row)| {
                let (done, rest) = row.split_at_mut(k + 1);
                let Some(own) = &done[k] else { return };
                for (j, target) in rest.iter_mut().enumerate() {
                    if let Some(other) = &column[j] {
                        debug_assert!(j <= i);
                        subtract_product(target.get_or_insert_with(|| Box::new(ZERO)), own, other);
                    }
                }
            });
        }
        true
    }

    /// Solves `L Lᵀ x = b` for the factor `L`, in place.
    pub(super) fn solve(&self, b: &mut [f64]) {
        for (i, row) in self.rows.iter().enumerate() {
            let (before, own) = b.split_at_mut(i * TILE);
            for (j, tile) in row[..i].iter().enumerate() {
                let Some(tile) = tile else { continue };
                let known = &before[j * TILE..(j + 1) * TILE];
                for (value, line) in own[..TILE].iter_mut().zip(tile.iter()) {
                    *value -= line.iter().zip(known).map(|(l, x)| l * x).sum::<f64>();
                }
            }
            if let Some(tile) = &row[i] {
                forward_one(tile, &mut own[..TILE]);
            }
        }
        for (i, row) in self.rows.iter().enumerate().rev() {
            let (before, own) = b.split_at_mut(i * TILE);
            if let Some(tile) = &row[i] {
                backward_one(tile, &mut own[..TILE]);
            }
            for (j, tile) in row[..i].iter().enumerate() {
                let Some(tile) = tile else { continue };
                for (known, line) in own[..TILE].iter().zip(tile.iter()) {
                    before[j * TILE..(j + 1) * TILE].iter_mut().zip(line).for_each(|(x, l)| *x -= l * known);
                }
            }
        }
    }

    /// Tiles on the diagonal of the inverse, for the factor `L`: the squares of the columns of `L⁻¹`.
    pub(super) fn inverse_diagonal(&self) -> Vec<Tile> {
        let n = self.rows.len();
        (0..n)
            .into_par_iter()
            .map(|k| {
                // Column tiles of L⁻¹, transposed: row c of `column[i]` is what unit vector c gives in tile i.
                let mut column: Vec<Option<Box<Tile>>> = vec![None; n];
                let mut sum = ZERO;
                for i in k..n {
                    let mut tile = ZERO;
                    if i == k {
                        (0..TILE).for_each(|c| tile[c][c] = 1.0);
                    }
                    for j in k..i {
                        if let (Some(l), Some(x)) = (&self.rows[i][j], &column[j]) {
                            subtract_product(&mut tile, x, &transposed(l));
                        }
                    }
                    let Some(pivot) = &self.rows[i][i] else { continue };
                    if tile.iter().flatten().all(|v| *v == 0.0) {
                        continue;
                    }
                    tile.iter_mut().for_each(|line| forward(pivot, line));
                    let across = transposed(&tile);
                    subtract_product(&mut sum, &tile, &across);
                    column[i] = Some(Box::new(tile));
                }
                sum.iter_mut().flatten().for_each(|v| *v = -*v);
                sum
            })
            .collect()
    }
}

fn transposed(tile: &Tile) -> Tile {
    let mut out = ZERO;
    for (r, line) in tile.iter().enumerate() {
        for (c, v) in line.iter().enumerate() {
            out[c][r] = *v;
        }
    }
    out
}

/// `target -= a bᵀ`, given the transpose of `b`.
fn subtract_product(target: &mut Tile, a: &Tile, b_transposed: &Tile) {
    for (line, row) in target.iter_mut().zip(a) {
        let mut sums = [0.0; TILE];
        for (k, factor) in row.iter().enumerate() {
            for (s, v) in sums.iter_mut().zip(&b_transposed[k]) {
                *s = factor.mul_add(*v, *s);
            }
        }
        line.iter_mut().zip(&sums).for_each(|(t, s)| *t -= s);
    }
}

/// Cholesky factor of one tile, in place; the upper triangle is set to zero.
fn factor_tile(tile: &mut Tile) -> bool {
    for i in 0..TILE {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| tile[i][k] * tile[j][k]).sum();
            let rest = tile[i][j] - dot;
            if i == j {
                if !(rest > 0.0 && rest.is_finite()) {
                    return false;
                }
                tile[i][i] = rest.sqrt();
            } else {
                tile[i][j] = rest / tile[j][j];
            }
        }
        tile[i][i + 1..].fill(0.0);
    }
    true
}

/// Solves `L x = b` for one right side, in place.
fn forward_one(l: &Tile, b: &mut [f64]) {
    for i in 0..TILE {
        let dot: f64 = (0..i).map(|k| l[i][k] * b[k]).sum();
        b[i] = (b[i] - dot) / l[i][i];
    }
}

/// The same for a row of a tile: `x Lᵀ = b`.
fn forward(l: &Tile, b: &mut [f64; TILE]) {
    forward_one(l, b);
}

/// Solves `Lᵀ x = b` for one right side, in place.
fn backward_one(l: &Tile, b: &mut [f64]) {
    for i in (0..TILE).rev() {
        b[i] /= l[i][i];
        let x = b[i];
        for k in 0..i {
            b[k] -= l[i][k] * x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{DMatrix, DVector};

    /// A banded positive definite matrix with a full last tile row, as cameras with shared intrinsics give.
    fn arrow(n: usize) -> (Tiles, DMatrix<f64>) {
        let mut rng = fastrand::Rng::with_seed(3);
        let (mut tiles, mut dense) = (Tiles::zeros(n), DMatrix::zeros(n * TILE, n * TILE));
        for row in 0..n * TILE {
            for column in 0..=row {
                if row / TILE == n - 1 || row / TILE - column / TILE <= 1 || (row / TILE, column / TILE) == (3, 0) {
                    let v = if row == column { 60.0 } else { rng.f64() - 0.5 };
                    tiles.add_at(row, column, v);
                    (dense[(row, column)], dense[(column, row)]) = (v, v);
                }
            }
        }
        (tiles, dense)
    }

    #[test]
    fn solutions_and_inverse_agree_with_a_dense_solver() {
        let (mut tiles, dense) = arrow(5);
        let b = DVector::from_fn(dense.nrows(), |i, _| (i as f64 * 0.7).sin());
        let mut x = b.as_slice().to_vec();
        assert!(tiles.factor());
        tiles.solve(&mut x);
        assert!((&dense * DVector::from_vec(x) - b).amax() < 1e-9);
        let inverse = dense.try_inverse().unwrap();
        for (k, tile) in tiles.inverse_diagonal().iter().enumerate() {
            for r in 0..TILE {
                for c in 0..TILE {
                    assert!((tile[r][c] - inverse[(k * TILE + r, k * TILE + c)]).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        let (mut tiles, _) = arrow(2);
        tiles.add_at(7, 7, -1000.0);
        assert!(!tiles.factor());
        assert!(!Tiles::zeros(1).factor());
    }
}
