//! Masks at another size.

use crate::scene::Rle;

/// How far the sides of a mask may be from the photo's proportions: this part of a side, or a pixel.
const SHAPE_TOLERANCE: f64 = 0.01;

/// Whether a picture of one size (width, height) shows the same as one of another: their proportions are equal up to
/// rounding.
pub(super) fn fits(of: (u32, u32), to: (u32, u32)) -> bool {
    if of.0 == 0 || of.1 == 0 {
        return false;
    }
    let (of, to) = ((f64::from(of.0), f64::from(of.1)), (f64::from(to.0), f64::from(to.1)));
    // Each side may have been rounded: at the size of the smaller picture that is up to one pixel.
    let scale = (of.0 / to.0).max(of.1 / to.1);
    let off = (of.0 - to.0 * scale).abs().max((of.1 - to.1 * scale).abs());
    let pixel = scale.max(1.0);
    off <= pixel.max(SHAPE_TOLERANCE * of.0.max(of.1))
}

/// The mask at another size, by nearest neighbour. Time and memory go by the new size and the number of runs: the old size
/// is what another program claims it to be, and may be far larger than any memory.
pub(crate) fn resized(mask: Rle, width: u32, height: u32) -> Rle {
    if (mask.width, mask.height) == (width, height) {
        return mask;
    }
    let mut end = 0u64;
    let ends: Vec<u64> = mask
        .counts
        .iter()
        .map(|n| {
            end += u64::from(*n);
            end
        })
        .collect();
    let from = |i: u32, n: u32, m: u32| ((f64::from(i) + 0.5) * f64::from(m) / f64::from(n)) as u64;
    let mut counts = Counts::default();
    for x in 0..width {
        let column = from(x, width, mask.width) * u64::from(mask.height);
        for y in 0..height {
            let at = column + from(y, height, mask.height);
            let run = ends.partition_point(|end| *end <= at);
            counts.push(run % 2 == 1 && run < ends.len());
        }
    }
    Rle { height, width, counts: counts.done() }
}

/// Run lengths that are made value by value, in the order of the mask (column after column).
#[derive(Default)]
struct Counts {
    counts: Vec<u32>,
    run: u32,
    value: bool,
}

impl Counts {
    fn push(&mut self, value: bool) {
        if value != self.value {
            self.counts.push(self.run);
            (self.run, self.value) = (0, value);
        }
        self.run += 1;
    }

    fn done(mut self) -> Vec<u32> {
        self.counts.push(self.run);
        self.counts
    }
}
