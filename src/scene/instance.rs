//! Instances: what the pipeline found.

use super::OrientedBox;
use serde::{Deserialize, Serialize};

/// Where an instance stands after the confidence gate (Holi-Spatial 1.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// Sure enough to keep.
    Kept,
    /// In between: a reviewer or a VLM should look.
    Verify,
    /// Not sure enough; kept in the file so that a reviewer can bring it back.
    Dropped,
}

/// One image that shows an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceView {
    /// Stem of the image.
    pub image: String,
    /// Score of the mask, 0..1.
    pub mask_score: f64,
    /// Share of the instance's points that this image sees, 0..1.
    pub visible_fraction: f64,
}

/// A thing in the scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Unique in the scene, from 1.
    pub id: u32,
    /// What it is.
    pub label: String,
    /// A sentence about it.
    pub caption: String,
    /// Confidence, 0..1.
    pub score: f64,
    /// State after the confidence gate.
    pub state: InstanceState,
    /// Oriented box in the world.
    #[serde(rename = "box")]
    pub obb: OrientedBox,
    /// Images that show it, in order of capture.
    pub views: Vec<InstanceView>,
    /// Stem of the image that shows it best.
    pub best_view: String,
    /// Where the label, the caption and the score came from, and how sure each is.
    #[serde(default)]
    pub evidence: serde_json::Value,
}

/// `instances.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instances {
    /// Layout version, 1.
    pub version: u32,
    /// The instances, by id.
    pub instances: Vec<Instance>,
}
