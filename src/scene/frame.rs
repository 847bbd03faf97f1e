//! Frames of a capture, before and after their cameras are known.

use super::{Camera, DepthMap, Intrinsics, PoseQuality, Similarity};
use image::{GrayImage, RgbImage};
use nalgebra::{Isometry3, Point3};
use std::path::PathBuf;
use std::sync::Arc;

/// One photo. Pixels are decoded once, upright, and shared.
#[derive(Clone, Debug)]
pub struct Frame {
    /// File name without extension; unique in a capture, the key of every per-image file in the scene folder.
    pub stem: String,
    /// Where the photo came from. A frame of a video has no file of its own: its name lies below that of the video.
    pub path: PathBuf,
    /// The pixels: upright, and of a pinhole camera.
    pub image: Arc<RgbImage>,
    /// Whether the pixels are those of the file as it is: not turned, scaled or undistorted.
    pub as_stored: bool,
    /// Intrinsics of this photo: given, from EXIF, or a guess (see [`Capture::intrinsics_known`]).
    pub intrinsics: Intrinsics,
    /// Camera-to-world pose, where the input gives one.
    pub given_c2w: Option<Isometry3<f64>>,
    /// What a depth sensor measured, in metres, at the size of `image` and registered to it.
    pub sensor_depth: Option<Arc<DepthMap>>,
    /// Which pixels may be used, of the size of `image`: 255 where, 0 where not. `None` is all.
    pub mask: Option<Arc<GrayImage>>,
}

impl Frame {
    /// Name of the photo's file in the scene folder: its stem, and the extension that it came with.
    pub fn file_name(&self) -> String {
        let end = self.path.extension().map_or_else(|| "png".into(), |e| e.to_string_lossy().into_owned());
        format!("{}.{end}", self.stem)
    }
}

/// What `input` hands to the pipeline: frames in order of capture, and what came with them.
#[derive(Clone, Debug)]
pub struct Capture {
    /// Name of the scene, from the folder or file.
    pub name: String,
    /// Where it was read from.
    pub source: PathBuf,
    /// Frames in order of capture (natural order of file names).
    pub frames: Vec<Frame>,
    /// True where intrinsics were given in a file; false for EXIF and guesses, which bundle adjustment refines.
    pub intrinsics_known: bool,
    /// True where the given poses are metric.
    pub metric: bool,
    /// Photos that were left out, and why: for the window and `scene.json`.
    pub warnings: Vec<String>,
}

impl Capture {
    /// Whether every frame came with a pose.
    pub fn has_poses(&self) -> bool {
        !self.frames.is_empty() && self.frames.iter().all(|f| f.given_c2w.is_some())
    }
}

/// A triangulated point.
#[derive(Clone, Debug)]
pub struct SparsePoint {
    /// Position in the world.
    pub position: Point3<f64>,
    /// Mean colour of its observations, sRGB.
    pub color: [u8; 3],
    /// Observations: frame index and pixel coordinates (pixel centres at +0.5).
    pub track: Vec<(usize, [f32; 2])>,
    /// Mean reprojection error over the track, pixels.
    pub error: f64,
}

/// Cameras and sparse points: what structure from motion, or triangulation with given poses, makes.
#[derive(Clone, Debug, Default)]
pub struct Sparse {
    /// One entry per frame of the capture; `None` where the frame did not register.
    pub cameras: Vec<Option<Camera>>,
    /// Triangulated points.
    pub points: Vec<SparsePoint>,
    /// How well each camera is known, entry by entry with `cameras`; empty where nobody has worked it out.
    pub quality: Vec<Option<PoseQuality>>,
}

impl Sparse {
    /// Indices of the registered frames, ascending.
    pub fn registered(&self) -> Vec<usize> {
        (0..self.cameras.len()).filter(|i| self.cameras[*i].is_some()).collect()
    }

    /// How well each camera is known, one entry per camera: as it came, else what the points alone say.
    pub fn pose_quality(&self) -> Vec<Option<PoseQuality>> {
        if self.quality.len() == self.cameras.len() { self.quality.clone() } else { PoseQuality::of(self) }
    }

    /// Cameras and points moved by a similarity; what is known of the cameras follows its scale.
    pub fn moved(&self, world: &Similarity) -> Self {
        let point = |p: &SparsePoint| SparsePoint { position: world.point(&p.position), ..p.clone() };
        Self {
            cameras: self.cameras.iter().map(|c| c.as_ref().map(|c| world.camera(c))).collect(),
            points: self.points.iter().map(point).collect(),
            quality: self.quality.iter().map(|q| q.map(|q| q.scaled(world.scale))).collect(),
        }
    }

    /// Number of observations of all points.
    pub fn observations(&self) -> usize {
        self.points.iter().map(|p| p.track.len()).sum()
    }

    /// Mean reprojection error over all observations, pixels.
    pub fn mean_reprojection_error(&self) -> f64 {
        self.points.iter().map(|p| p.error * p.track.len() as f64).sum::<f64>() / self.observations().max(1) as f64
    }

    /// Median depth of the points over all observations, scene units; `None` where nothing is seen.
    pub fn median_depth(&self) -> Option<f64> {
        let depth = |p: &SparsePoint, i: usize| Some(self.cameras[i]?.c2w.inverse_transform_point(&p.position).z);
        let mut depths: Vec<f64> =
            self.points.iter().flat_map(|p| p.track.iter().filter_map(move |(i, _)| depth(p, *i))).collect();
        depths.sort_by(f64::total_cmp);
        depths.get(depths.len() / 2).copied().filter(|d| *d > 0.0)
    }
}
