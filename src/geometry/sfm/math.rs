//! Small numerical tools: real roots of polynomials, null spaces of few rows, skew matrices.

use nalgebra::{Matrix3, Vector3};

/// The matrix `[v]x` with `[v]x w = v x w`.
pub(super) fn skew(v: &Vector3<f64>) -> Matrix3<f64> {
    Matrix3::new(0.0, -v.z, v.y, v.z, 0.0, -v.x, -v.y, v.x, 0.0)
}

/// The highest degree that [`real_roots`] takes.
const MAX_DEGREE: usize = 10;

fn horner(c: &[f64], x: f64) -> f64 {
    c.iter().rev().fold(0.0, |acc, k| acc.mul_add(x, *k))
}

/// Root of `c` in `[lo, hi]`, where it changes sign: Newton steps kept inside a shrinking bracket.
fn bracketed_root(c: &[f64], slope: &[f64], mut lo: f64, mut hi: f64) -> f64 {
    let rising = horner(c, hi) > 0.0;
    let mut x = 0.5 * (lo + hi);
    for _ in 0..80 {
        let value = horner(c, x);
        if value == 0.0 {
            return x;
        }
        if (value > 0.0) == rising {
            hi = x;
        } else {
            lo = x;
        }
        let newton = x - value / horner(slope, x);
        let next = if newton > lo && newton < hi { newton } else { 0.5 * (lo + hi) };
        if (next - x).abs() <= 1e-15 * (1.0 + x.abs()) {
            return next;
        }
        x = next;
    }
    x
}

/// Real roots, ascending, of the polynomial with coefficients `c` (`c[k]` of `x^k`, degree at most ten) within
/// `(-bound, bound)`. The roots of each derivative bracket those of the polynomial above it; roots of even order, where
/// no sign changes, are left out.
pub(super) fn real_roots(c: &[f64], bound: f64) -> Vec<f64> {
    let largest = c.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let mut degree = c.len().saturating_sub(1).min(MAX_DEGREE);
    while degree > 0 && c[degree].abs() <= 1e-14 * largest {
        degree -= 1;
    }
    if degree == 0 || !largest.is_finite() {
        return Vec::new();
    }
    let mut chain = vec![c[..=degree].to_vec()];
    for level in 0..degree {
        let above = &chain[level];
        let next = above.iter().enumerate().skip(1).map(|(k, v)| k as f64 * v).collect();
        chain.push(next);
    }
    let mut roots: Vec<f64> = Vec::new();
    for level in (0..degree).rev() {
        let (poly, slope) = (&chain[level], &chain[level + 1]);
        let mut edges = Vec::with_capacity(roots.len() + 2);
        edges.push(-bound);
        edges.append(&mut roots);
        edges.push(bound);
        for pair in edges.windows(2) {
            if (horner(poly, pair[0]) > 0.0) != (horner(poly, pair[1]) > 0.0) {
                roots.push(bracketed_root(poly, slope, pair[0], pair[1]));
            }
        }
    }
    roots
}

fn dot9(a: &[f64; 9], b: &[f64; 9]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Removes from `v` its parts along the orthonormal `basis`, twice for accuracy, and returns the length that is left.
fn orthogonalise(v: &mut [f64; 9], basis: &[[f64; 9]]) -> f64 {
    for _ in 0..2 {
        for b in basis {
            let d = dot9(v, b);
            v.iter_mut().zip(b).for_each(|(x, y)| *x -= d * y);
        }
    }
    dot9(v, v).sqrt()
}

/// Orthonormal basis of the vectors orthogonal to all `rows` (at most eight), by Gram-Schmidt; `None` where the rows
/// depend on each other.
pub(super) fn null_space(rows: &[[f64; 9]]) -> Option<Vec<[f64; 9]>> {
    let mut basis: Vec<[f64; 9]> = Vec::with_capacity(9);
    for row in rows {
        let mut v = *row;
        let before = dot9(&v, &v).sqrt();
        let left = orthogonalise(&mut v, &basis);
        if !(left > 1e-9 * before) {
            return None;
        }
        basis.push(v.map(|x| x / left));
    }
    while basis.len() < 9 {
        let mut best = ([0.0; 9], 0.0);
        for axis in 0..9 {
            let mut v = [0.0; 9];
            v[axis] = 1.0;
            let left = orthogonalise(&mut v, &basis);
            if left > best.1 {
                best = (v, left);
            }
            // No more than one axis of a complete basis can be short of 1 / 3.
            if left > 0.5 {
                break;
            }
        }
        basis.push(best.0.map(|x| x / best.1));
    }
    Some(basis.split_off(rows.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_a_known_product() {
        // (x - 1)(x + 2)(x - 3)(x^2 + 1)
        let mut c = vec![1.0];
        for factor in [vec![-1.0, 1.0], vec![2.0, 1.0], vec![-3.0, 1.0], vec![1.0, 0.0, 1.0]] {
            let mut out = vec![0.0; c.len() + factor.len() - 1];
            for (i, a) in c.iter().enumerate() {
                for (j, b) in factor.iter().enumerate() {
                    out[i + j] += a * b;
                }
            }
            c = out;
        }
        let roots = real_roots(&c, 1e3);
        assert_eq!(roots.len(), 3);
        for (r, want) in roots.iter().zip([-2.0, 1.0, 3.0]) {
            assert!((r - want).abs() < 1e-12);
        }
    }

    #[test]
    fn null_space_is_orthogonal_to_the_rows() {
        let mut rng = fastrand::Rng::with_seed(3);
        let rows: Vec<[f64; 9]> = (0..5).map(|_| std::array::from_fn(|_| rng.f64() - 0.5)).collect();
        let basis = null_space(&rows).unwrap();
        assert_eq!(basis.len(), 4);
        for (i, b) in basis.iter().enumerate() {
            assert!(rows.iter().all(|r| dot9(r, b).abs() < 1e-12));
            assert!((dot9(b, b) - 1.0).abs() < 1e-12);
            assert!(basis[..i].iter().all(|o| dot9(o, b).abs() < 1e-12));
        }
        assert!(null_space(&[rows[0], rows[0]]).is_none());
    }
}
