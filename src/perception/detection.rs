//! Labelled boxes in photos: what every detector gives, whichever way it came in.

use serde::{Deserialize, Serialize};

/// A box with a label in one photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// What it is, in the detector's own words, lower case, singular.
    pub label: String,
    /// Confidence, 0..1.
    pub score: f64,
    /// `[x0, y0, x1, y1)` in pixels of the photo, within it, `x0 < x1`, `y0 < y1`.
    pub bounds: [f64; 4],
}

impl Detection {
    /// Intersection over union of the boxes, 0..1.
    pub fn iou(&self, other: &Self) -> f64 {
        iou(&self.bounds, &other.bounds)
    }
}

/// Intersection over union of two rectangles `[x0, y0, x1, y1)`, 0 where either is empty.
pub fn iou(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    let area = |r: &[f64; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let both = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let either = area(a) + area(b) - both;
    if either > 0.0 { both / either } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_of_rectangles() {
        let unit = [0.0, 0.0, 1.0, 1.0];
        assert_eq!(iou(&unit, &unit), 1.0);
        assert_eq!(iou(&unit, &[0.5, 0.0, 1.5, 1.0]), 1.0 / 3.0);
        assert_eq!(iou(&unit, &[2.0, 0.0, 3.0, 1.0]), 0.0);
        assert_eq!(iou(&[0.0; 4], &[0.0; 4]), 0.0);
    }
}
