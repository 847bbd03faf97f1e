//! The five-point relative pose problem: D. Nistér, "An efficient solution to the five-point relative pose problem",
//! PAMI 2004. Equation numbers are his.

use super::math::{null_space, real_roots};
use nalgebra::{Matrix3, SMatrix, Vector3};

/// Coefficients of x, y, z, 1.
type Linear = [f64; 4];
/// Coefficients of x², y², z², xy, xz, yz, x, y, z, 1.
type Quadratic = [f64; 10];
/// Coefficients in the order of [`times_linear`]'s table.
type Cubic = [f64; 20];

/// Where the product of two terms of [`Linear`] lies in [`Quadratic`].
const PRODUCT_11: [[usize; 4]; 4] = [[0, 3, 4, 6], [3, 1, 5, 7], [4, 5, 2, 8], [6, 7, 8, 9]];

/// Where the product of a term of [`Quadratic`] and one of [`Linear`] lies in [`Cubic`], whose order is
/// x³ y³ x²y xy² x²z x² y²z y² xyz xy | xz² xz x yz² yz y z³ z² z 1.
const PRODUCT_21: [[usize; 4]; 10] = [
    [0, 2, 4, 5],
    [3, 1, 6, 7],
    [10, 13, 16, 17],
    [2, 3, 8, 9],
    [4, 8, 10, 11],
    [8, 6, 13, 14],
    [5, 9, 11, 12],
    [9, 7, 14, 15],
    [11, 14, 17, 18],
    [12, 15, 18, 19],
];

fn add_product(out: &mut Quadratic, a: &Linear, b: &Linear, sign: f64) {
    for i in 0..4 {
        for j in 0..4 {
            out[PRODUCT_11[i][j]] += sign * a[i] * b[j];
        }
    }
}

fn times_linear(out: &mut Cubic, a: &Quadratic, b: &Linear) {
    for i in 0..10 {
        for j in 0..4 {
            out[PRODUCT_21[i][j]] += a[i] * b[j];
        }
    }
}

/// The ten cubic constraints on `E = x X + y Y + z Z + W`: det E = 0 and E Eᵀ E - tr(E Eᵀ) E / 2 = 0 (eqs. 5, 6).
fn constraints(e: &[[Linear; 3]; 3]) -> [Cubic; 10] {
    let mut rows = [[0.0; 20]; 10];
    for c in 0..3 {
        let (p, q) = ((c + 1) % 3, (c + 2) % 3);
        let mut minor = [0.0; 10];
        add_product(&mut minor, &e[1][p], &e[2][q], 1.0);
        add_product(&mut minor, &e[1][q], &e[2][p], -1.0);
        times_linear(&mut rows[9], &minor, &e[0][c]);
    }
    let mut gram = [[[0.0; 10]; 3]; 3];
    for i in 0..3 {
        for j in 0..3 {
            for k in 0..3 {
                add_product(&mut gram[i][j], &e[i][k], &e[j][k], 1.0);
            }
        }
    }
    let half_trace: Quadratic = std::array::from_fn(|k| 0.5 * (gram[0][0][k] + gram[1][1][k] + gram[2][2][k]));
    for (i, row) in gram.iter_mut().enumerate() {
        row[i].iter_mut().zip(&half_trace).for_each(|(g, t)| *g -= t);
    }
    for i in 0..3 {
        for j in 0..3 {
            for k in 0..3 {
                times_linear(&mut rows[3 * i + j], &gram[i][k], &e[k][j]);
            }
        }
    }
    rows
}

/// Gauss-Jordan elimination of the first ten columns, with row pivoting; false where they are singular.
fn reduce(rows: &mut [Cubic; 10]) -> bool {
    for col in 0..10 {
        let Some(pivot) = (col..10).max_by(|a, b| rows[*a][col].abs().total_cmp(&rows[*b][col].abs())) else {
            return false;
        };
        if !(rows[pivot][col].abs() > 1e-13) {
            return false;
        }
        rows.swap(col, pivot);
        let scale = 1.0 / rows[col][col];
        rows[col].iter_mut().for_each(|v| *v *= scale);
        let lead = rows[col];
        for (r, row) in rows.iter_mut().enumerate() {
            if r != col && row[col] != 0.0 {
                let f = row[col];
                row.iter_mut().zip(&lead).for_each(|(v, l)| *v -= f * l);
            }
        }
    }
    true
}

fn multiply<const A: usize, const B: usize, const C: usize>(a: &[f64; A], b: &[f64; B]) -> [f64; C] {
    let mut out = [0.0; C];
    for i in 0..A {
        for j in 0..B {
            out[i + j] += a[i] * b[j];
        }
    }
    out
}

/// A row of B(z) (eqs. 14 to 16): polynomials in z, lowest power first, that multiply x, y and 1.
struct RowOfB {
    x: [f64; 4],
    y: [f64; 4],
    one: [f64; 5],
}

/// Row of B(z) from the reduced rows whose leading terms are `m z` and `m`.
fn row_of_b(e: &Cubic, f: &Cubic) -> RowOfB {
    RowOfB {
        x: [e[12], e[11] - f[12], e[10] - f[11], -f[10]],
        y: [e[15], e[14] - f[15], e[13] - f[14], -f[13]],
        one: [e[19], e[18] - f[19], e[17] - f[18], e[16] - f[17], -f[16]],
    }
}

/// det B(z), lowest power first (eqs. 18 to 20).
fn determinant(b: &[RowOfB; 3]) -> [f64; 11] {
    let mut out = [0.0; 11];
    for (i, j, k) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
        let (p, q): ([f64; 7], [f64; 7]) = (multiply(&b[j].x, &b[k].y), multiply(&b[k].x, &b[j].y));
        let minor: [f64; 7] = std::array::from_fn(|n| p[n] - q[n]);
        let term: [f64; 11] = multiply(&minor, &b[i].one);
        out.iter_mut().zip(&term).for_each(|(o, t)| *o += t);
    }
    out
}

/// Essential matrices (unit norm, `x2ᵀ E x1 = 0`) through five correspondences `[x1, y1, x2, y2]` in normalised
/// coordinates (z = 1).
pub(super) fn essentials(points: &[[f64; 4]; 5], out: &mut Vec<Matrix3<f64>>) {
    let rows = points.map(|[x, y, u, v]| [u * x, u * y, u, v * x, v * y, v, x, y, 1.0]);
    let Some(basis) = null_space(&rows) else { return };
    let e: [[Linear; 3]; 3] =
        std::array::from_fn(|i| std::array::from_fn(|j| std::array::from_fn(|k| basis[k][3 * i + j])));
    let mut rows = constraints(&e);
    if !reduce(&mut rows) {
        return;
    }
    let b = [row_of_b(&rows[4], &rows[5]), row_of_b(&rows[6], &rows[7]), row_of_b(&rows[8], &rows[9])];
    let poly = determinant(&b);
    for z in real_roots(&poly, 1e4) {
        let at = |c: &[f64]| c.iter().rev().fold(0.0, |acc, k| acc * z + k);
        let row = |r: &RowOfB| Vector3::new(at(&r.x), at(&r.y), at(&r.one));
        let (r0, r1, r2) = (row(&b[0]), row(&b[1]), row(&b[2]));
        let null = [r0.cross(&r1), r0.cross(&r2), r1.cross(&r2)]
            .into_iter()
            .max_by(|p, q| p.norm_squared().total_cmp(&q.norm_squared()))
            .unwrap_or_default();
        if !(null.z.abs() > 1e-12 * null.norm()) {
            continue;
        }
        let (x, y) = (null.x / null.z, null.y / null.z);
        let m: SMatrix<f64, 3, 3> =
            Matrix3::from_fn(|i, j| x * e[i][j][0] + y * e[i][j][1] + z * e[i][j][2] + e[i][j][3]);
        let norm = m.norm();
        if norm.is_finite() && norm > 0.0 {
            out.push(m / norm);
        }
    }
}
