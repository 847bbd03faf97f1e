//! Boxes as a model gives them, and which of them stay.

/// A box that a model found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    /// `[x0, y0, x1, y1]`, in pixels of the picture that the model saw, or of the photo once it is brought back.
    pub(super) bounds: [f64; 4],
    /// Number of the class.
    pub(super) class: usize,
    /// Confidence, 0..1.
    pub(super) score: f64,
}

/// Boxes of one photo that are compared with one another at most, the surest: beyond it they are noise, and the work grows
/// with its square.
const MOST: usize = 2000;

/// Greedy non-maximum suppression within each class: of boxes whose intersection over union is more than `overlap` the
/// surest stays. Surest first; equal scores in the order given.
pub(super) fn suppressed(mut found: Vec<Found>, overlap: f64) -> Vec<Found> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MOST);
    let mut kept: Vec<Found> = Vec::new();
    for one in found {
        let rival =
            |k: &Found| k.class == one.class && crate::perception::detection::iou(&k.bounds, &one.bounds) > overlap;
        if !kept.iter().any(rival) {
            kept.push(one);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(x: f64, class: usize, score: f64) -> Found {
        Found { bounds: [x, 0.0, x + 10.0, 10.0], class, score }
    }

    #[test]
    fn the_surest_of_a_class_stays() {
        // Shifted by 2 of 10 the overlap is 8 / 12, by 3 it is 7 / 13.
        let all = vec![found(3.0, 1, 0.7), found(0.0, 1, 0.9), found(2.0, 1, 0.8), found(2.0, 2, 0.5)];
        let kept = suppressed(all, 0.6);
        assert_eq!(kept, [found(0.0, 1, 0.9), found(3.0, 1, 0.7), found(2.0, 2, 0.5)]);
    }
}
