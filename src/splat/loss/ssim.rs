//! Structural similarity (Wang et al. 2004) and its gradient.

use rayon::prelude::*;

/// Half width of the window; 11 x 11, standard deviation 1.5.
const RADIUS: usize = 5;
const C1: f32 = 0.01 * 0.01;
const C2: f32 = 0.03 * 0.03;

/// Weights of the separable Gaussian window.
fn window() -> [f32; 2 * RADIUS + 1] {
    let raw: [f32; 2 * RADIUS + 1] = std::array::from_fn(|i| (-(i as f32 - RADIUS as f32).powi(2) / 4.5).exp());
    let sum: f32 = raw.iter().sum();
    raw.map(|v| v / sum)
}

/// Sum of the SSIM map of two planes (zero padding) and its gradient by `x`.
pub(in crate::splat) fn ssim(x: &[f32], y: &[f32], width: usize) -> (f64, Vec<f32>) {
    if width == 0 || x.is_empty() {
        return (0.0, Vec::new());
    }
    let kernel = window();
    // Moments of the window: mean x, mean y, x x, y y, x y.
    let rows = blur_rows::<5>(width, x.len() / width, &kernel, |at, out| {
        let (p, q) = (&x[at..at + width], &y[at..at + width]);
        for i in 0..width {
            out[0][i] = p[i];
            out[1][i] = q[i];
            out[2][i] = p[i] * p[i];
            out[3][i] = q[i] * q[i];
            out[4][i] = p[i] * q[i];
        }
    });
    let height = x.len() / width;
    // Per row: the sum of SSIM, and its derivatives by the means of x, x x and x y.
    let slopes: Vec<(f64, [Vec<f32>; 3])> = (0..height)
        .into_par_iter()
        .map(|r| {
            let m = blur_columns::<5>(&rows, r, width, &kernel);
            let mut out = [vec![0.0; width], vec![0.0; width], vec![0.0; width]];
            let mut line = vec![0.0f32; width];
            let [by_mean, by_square, by_product] = &mut out;
            for i in 0..width {
                let (mx, my) = (m[0][i], m[1][i]);
                let (a1, a2) = (2.0 * mx * my + C1, 2.0 * (m[4][i] - mx * my) + C2);
                let (b1, b2) = (mx * mx + my * my + C1, m[2][i] - mx * mx + m[3][i] - my * my + C2);
                let inverse = 1.0 / (b1 * b2);
                let s = a1 * a2 * inverse;
                line[i] = s;
                by_square[i] = -s * b1 * inverse;
                by_product[i] = 2.0 * a1 * inverse;
                by_mean[i] = 2.0 * (my * (a2 - a1) * inverse - s * mx * (b2 - b1) * inverse);
            }
            (line.iter().map(|v| f64::from(*v)).sum(), out)
        })
        .collect();
    let total = slopes.iter().map(|(s, _)| s).sum();
    let rows = blur_rows::<3>(width, height, &kernel, |at, out| {
        for (o, s) in out.iter_mut().zip(&slopes[at / width].1) {
            o[..width].copy_from_slice(s);
        }
    });
    let mut gradient = vec![0.0; x.len()];
    gradient.par_chunks_mut(width).enumerate().for_each(|(r, out)| {
        let m = blur_columns::<3>(&rows, r, width, &kernel);
        let at = r * width;
        for i in 0..width {
            out[i] = m[0][i] + 2.0 * x[at + i] * m[1][i] + y[at + i] * m[2][i];
        }
    });
    (total, gradient)
}

/// Blurs `N` planes along rows; `fill(offset, lines)` writes the unblurred row that starts at `offset`.
fn blur_rows<const N: usize>(
    width: usize,
    height: usize,
    kernel: &[f32; 2 * RADIUS + 1],
    fill: impl Fn(usize, &mut [Vec<f32>; N]) + Sync,
) -> Vec<[Vec<f32>; N]> {
    (0..height)
        .into_par_iter()
        .map(|r| {
            let mut raw: [Vec<f32>; N] = std::array::from_fn(|_| vec![0.0; width]);
            fill(r * width, &mut raw);
            let mut padded = vec![0.0f32; width + 2 * RADIUS];
            raw.map(|line| {
                padded[RADIUS..RADIUS + width].copy_from_slice(&line);
                let mut out = line;
                out.fill(0.0);
                for (k, w) in kernel.iter().enumerate() {
                    for (o, v) in out.iter_mut().zip(&padded[k..k + width]) {
                        *o = w.mul_add(*v, *o);
                    }
                }
                out
            })
        })
        .collect()
}

/// Row `r` of `N` planes blurred along columns.
fn blur_columns<const N: usize>(
    rows: &[[Vec<f32>; N]],
    r: usize,
    width: usize,
    kernel: &[f32; 2 * RADIUS + 1],
) -> [Vec<f32>; N] {
    let mut out: [Vec<f32>; N] = std::array::from_fn(|_| vec![0.0; width]);
    for (k, w) in kernel.iter().enumerate() {
        let Some(row) = (r + k).checked_sub(RADIUS).and_then(|at| rows.get(at)) else { continue };
        for (o, v) in out.iter_mut().zip(row) {
            for (o, v) in o.iter_mut().zip(v) {
                *o = w.mul_add(*v, *o);
            }
        }
    }
    out
}
