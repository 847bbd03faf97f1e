//! What counts as agreement.

use serde::{Deserialize, Serialize};

/// Thresholds of the search for objects; the same for every capture. Lengths are in metres.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectOptions {
    /// Least score of a detection, 0..1. Weak ones are mostly noise; agreement of views sorts that out, their number costs time.
    pub least_score: f64,
    /// Least side of a detection as a share of the photo's longer side: below, its depth is a handful of pixels.
    pub least_side: f64,
    /// Fewest photos that support an object: two can agree by chance, three hardly.
    pub least_views: usize,
    /// Photos from which on more of them add nothing to the score.
    pub enough_views: f64,
    /// IoU of a detection with the projection of a box from which it supports it: of the first guess, and of a fitted box.
    pub first_overlap: f64,
    /// As `first_overlap`, of a box that was fitted.
    pub least_overlap: f64,
    /// IoU from which a detection is explained by a box, and cannot start or support another.
    pub explained_overlap: f64,
    /// What the support of a detection with another name is worth, of 1.
    pub other_name: f64,
    /// Farthest distance at which a photo must show a thing: beyond, detectors miss it.
    pub farthest: f64,
    /// Least share of a box's projection that must be in the picture for a photo to count.
    pub in_picture: f64,
    /// Share of a box's projection behind something nearer from which on a photo says nothing.
    pub hidden: f64,
    /// Noise of depth: a constant, and a share of the distance.
    pub depth_noise: [f64; 2],
    /// Share of the depth in the rectangles that must lie in the box, for an object to be kept at all and for a full score.
    pub least_filled: f64,
    /// As `least_filled`, for a full score.
    pub enough_filled: f64,
    /// One standard deviation of an edge of a detection, as a share of its size (the root of its area).
    pub edge_noise: f64,
    /// What a step beyond a hidden or cut-off edge weighs, of 1.
    pub free_edge: f64,
    /// Standard deviation of the yaw from that of the walls, radians: of what people line up with walls, and of the rest.
    pub yaw_noise: [f64; 2],
    /// Farthest that the back of a thing is from the wall that it hangs flat on; twice that is its largest thickness.
    pub flat_on_wall: f64,
    /// Median distance from the wall of what is measured in a thing's rectangles, from which on it stands before the wall, metres: doors lie a
    /// few centimetres back, and nothing that stands on a floor is thinner than this.
    pub in_wall: f64,
    /// Largest gap between two books of one row.
    pub row_gap: f64,
    /// Share of its rectangles, averaged over the photos, or of its box within a stronger object of the same name, from
    /// which an object is a part of that.
    pub same_projection: f64,
    /// 3D IoU from which the weaker of two objects is the stronger found twice.
    pub same_place: f64,
}

impl Default for ObjectOptions {
    fn default() -> Self {
        Self {
            least_score: 0.2,
            least_side: 0.0125,
            least_views: 3,
            enough_views: 6.0,
            first_overlap: 0.35,
            least_overlap: 0.45,
            explained_overlap: 0.5,
            other_name: 0.35,
            farthest: 8.0,
            in_picture: 0.3,
            hidden: 0.6,
            depth_noise: [0.15, 0.03],
            least_filled: 0.1,
            enough_filled: 0.35,
            edge_noise: 0.1,
            free_edge: 0.1,
            yaw_noise: [0.12, 0.35],
            flat_on_wall: 0.08,
            in_wall: 0.12,
            row_gap: 0.06,
            same_projection: 0.7,
            same_place: 0.3,
        }
    }
}
