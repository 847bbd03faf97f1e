//! Gaussians in the order of a curve that fills space: neighbours in a file are neighbours in the world, so that chunks
//! are tight and bytes repeat.

use super::select;
use crate::scene::Gaussians;
use rayon::prelude::*;

/// Bits of a coordinate along each axis.
const BITS: u32 = 21;

/// `g` sorted by the Morton code (Morton 1966) of the centres within their bounds; equal codes keep their order.
pub(super) fn morton(g: &Gaussians) -> Gaussians {
    let Some((low, high)) = g.bounds() else { return g.clone() };
    // One cell size for all axes: a flat scene is not cut into slices.
    let side = (high - low).max().max(f32::MIN_POSITIVE);
    let code = |mean: &[f32; 3]| {
        let cell = |a: usize| (f64::from((mean[a] - low[a]) / side) * f64::from((1u32 << BITS) - 1)) as u64;
        spread(cell(0)) | spread(cell(1)) << 1 | spread(cell(2)) << 2
    };
    let codes: Vec<u64> = g.means.par_iter().map(code).collect();
    let mut indices: Vec<usize> = (0..g.len()).collect();
    indices.par_sort_by_key(|&i| codes[i]);
    select(g, &indices)
}

/// The lowest 21 bits, two zeros between each.
fn spread(v: u64) -> u64 {
    let mut v = v & 0x1f_ffff;
    for (shift, mask) in [
        (32, 0x001f_0000_0000_ffff),
        (16, 0x001f_0000_ff00_00ff),
        (8, 0x100f_00f0_0f00_f00f),
        (4, 0x10c3_0c30_c30c_30c3),
        (2, 0x1249_2492_4924_9249),
    ] {
        v = (v | v << shift) & mask;
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_spread_and_eighths_stay_together() {
        for v in [0, 1, 0b101, 0x1f_ffff, 0x12_3456] {
            let expected = (0..BITS).fold(0, |s, b| s | (v >> b & 1) << (3 * b));
            assert_eq!(spread(v), expected);
        }
        let mut rng = fastrand::Rng::with_seed(3);
        let g = crate::splat::tests::random_gaussians(400, 0, 1.0, 0.1, &mut rng);
        let sorted = morton(&g);
        let octant = |m: &[f32; 3]| [0, 1, 2].map(|a| m[a] > 0.0);
        let changes = sorted.means.windows(2).filter(|w| octant(&w[0]) != octant(&w[1])).count();
        // The bounds are about, not exactly, -1 to 1: a few lie on the other side of a middle.
        assert!(changes < 40, "{changes}");
        let mut a = g.means.clone();
        let mut b = sorted.means.clone();
        a.sort_by(|p, q| p.partial_cmp(q).unwrap());
        b.sort_by(|p, q| p.partial_cmp(q).unwrap());
        assert_eq!(a, b);
    }
}
