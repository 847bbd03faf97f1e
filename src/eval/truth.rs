//! Ground truth on disk.

use super::EvalError;
use crate::input::InputError;
use crate::input::poses::{self, PosesFile};
use crate::scene::OrientedBox;
use image::{DynamicImage, ImageFormat};
use nalgebra::{Point3, Vector3};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// An object of `boxes.json`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TruthBox {
    pub(super) id: u32,
    pub(super) label: String,
    /// Other right names.
    #[serde(default)]
    aliases: Vec<String>,
    center: [f64; 3],
    size: [f64; 3],
    #[serde(default)]
    yaw: f64,
    /// Wall, floor, ceiling: not scored.
    #[serde(default)]
    pub(super) structural: bool,
    /// Set where not every object of the scene is in the list.
    #[serde(default)]
    pub(super) list_incomplete: bool,
}

impl TruthBox {
    pub(super) fn obb(&self) -> OrientedBox {
        OrientedBox::upright(Point3::from(self.center), Vector3::from(self.size), self.yaw)
    }

    /// Whether a label is one of the right names, in any case.
    pub(super) fn is_called(&self, label: &str) -> bool {
        let label = label.to_lowercase();
        std::iter::once(&self.label).chain(&self.aliases).any(|name| name.to_lowercase() == label)
    }
}

/// A map of instance ids.
pub(super) struct IdMap {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Row-major.
    pub(super) ids: Vec<u16>,
}

/// What a folder of ground truth holds.
pub(super) struct Truth {
    root: PathBuf,
    pub(super) poses: Option<PosesFile>,
    pub(super) boxes: Option<Vec<TruthBox>>,
    pub(super) has_depth: bool,
    pub(super) has_instance: bool,
}

impl Truth {
    pub(super) fn open(root: &Path) -> Result<Self, EvalError> {
        let file = |name: &str| Some(root.join(name)).filter(|p| p.is_file());
        let poses = file("poses.json").map(|p| poses::read(&p)).transpose()?;
        let boxes = file("boxes.json").map(|p| boxes(&p)).transpose()?;
        let (has_depth, has_instance) = (root.join("depth").is_dir(), root.join("instance").is_dir());
        if poses.is_none() && boxes.is_none() && !has_depth && !has_instance {
            return Err(EvalError::NoTruth(root.into()));
        }
        Ok(Self { root: root.into(), poses, boxes, has_depth, has_instance })
    }

    pub(super) fn depth_path(&self, stem: &str) -> PathBuf {
        self.root.join("depth").join(format!("{stem}.png"))
    }

    /// The instance map of an image; `None` where there is none.
    pub(super) fn instance_map(&self, stem: &str) -> Result<Option<IdMap>, InputError> {
        let path = self.root.join("instance").join(format!("{stem}.png"));
        if !path.is_file() {
            return Ok(None);
        }
        let malformed = |reason: String| InputError::Malformed { path: path.clone(), reason };
        let bytes = std::fs::read(&path).map_err(|source| InputError::Io { path: path.clone(), source })?;
        let image =
            image::load_from_memory_with_format(&bytes, ImageFormat::Png).map_err(|e| malformed(e.to_string()))?;
        let (width, height) = (image.width() as usize, image.height() as usize);
        let ids = match image {
            DynamicImage::ImageLuma16(image) => image.into_raw(),
            DynamicImage::ImageLuma8(image) => image.into_raw().into_iter().map(u16::from).collect(),
            other => return Err(malformed(format!("instance ids are 16-bit grayscale, this is {:?}", other.color()))),
        };
        Ok(Some(IdMap { width, height, ids }))
    }
}

fn boxes(path: &Path) -> Result<Vec<TruthBox>, InputError> {
    let malformed = |reason: String| InputError::Malformed { path: path.into(), reason };
    let boxes: Vec<TruthBox> = serde_json::from_value(poses::read_json(path)?).map_err(|e| malformed(e.to_string()))?;
    for b in &boxes {
        let numbers = b.center.iter().chain(&b.size).chain([&b.yaw]);
        if !numbers.into_iter().all(|v| v.is_finite()) || b.size.iter().any(|s| *s < 0.0) {
            return Err(malformed(format!("the box of {} (id {}) cannot be a box", b.label, b.id)));
        }
    }
    Ok(boxes)
}

/// Index in a row of `from` cells of what lies at the middle of cell `i` of `to`: nearest-neighbour resampling.
pub(super) fn nearest(i: usize, from: usize, to: usize) -> usize {
    (2 * i + 1) * from / (2 * to)
}
