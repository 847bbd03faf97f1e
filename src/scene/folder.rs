//! The scene folder on disk, as `shared/CONTRACT.md` lays it out. Every file is written atomically.

use super::{Camera, DepthMap, FrameMasks, Instances, Sparse, TriMesh};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Layout version that this program writes in `scene.json`.
pub const VERSION: u32 = 1;

/// What can go wrong with a scene folder. Each message names the file.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Reading or writing failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// "read", "write", "create".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is there but is not what it should be.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by another version of the program, and not to be touched.
    #[error("{path} is a scene of layout version {found}; this program reads and writes version {VERSION}: choose another folder")]
    Version {
        /// The scene folder.
        path: PathBuf,
        /// The version it says.
        found: u32,
    },
}

/// A stage's line in `scene.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Stage name, as in `--until`.
    pub name: String,
    /// "done", "failed", "cancelled", "running" or "skipped".
    pub state: String,
    /// Wall seconds.
    pub seconds: f64,
    /// What it ran on.
    pub device: String,
    /// The options that it ran with.
    pub options: serde_json::Value,
    /// Why it failed.
    pub error: Option<String>,
    /// Hash of its inputs and options: the stage is kept while this is unchanged.
    #[serde(default)]
    pub key: String,
}

/// `scene.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SceneMeta {
    /// Layout version, [`VERSION`].
    pub version: u32,
    /// Name of the scene.
    pub name: String,
    /// Where the photos came from.
    pub source: PathBuf,
    /// "metres" or "arbitrary".
    pub units: String,
    /// Where the scale came from.
    pub scale_source: String,
    /// World up, unit length; +z.
    pub up: [f64; 3],
    /// Whether a floor was found, and the world put on it.
    pub floor_found: bool,
    /// 4x4 row-major similarity from the frame of the input's poses (or of structure from motion) to the scene's world.
    pub world_from_input: [[f64; 4]; 4],
    /// Photos in order of capture: file names in `images/`.
    pub images: Vec<String>,
    /// Photos held out of training, stems.
    #[serde(default)]
    pub held_out: Vec<String>,
    /// Stages, in order.
    pub stages: Vec<StageRecord>,
    /// Version of the program that wrote it.
    pub program: String,
    /// Models used, role and name.
    pub models: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Figures of the run: registered images, reprojection error, Gaussians, PSNR.
    #[serde(default)]
    pub figures: serde_json::Value,
}

/// A scene folder. Photos lie in `images/` (a COLMAP project as it stands), the rest as the contract says.
#[derive(Clone, Debug)]
pub struct SceneFolder {
    root: PathBuf,
}

/// A camera of `sparse/0` and the image it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedCamera {
    /// File name of the image.
    pub name: String,
    /// The camera.
    pub camera: Camera,
}

// Helper "io" fills these in; the signatures are relied on by the other rooms.
#[allow(unused_variables, clippy::todo)]
impl SceneFolder {
    /// Opens or creates the folder; refuses one of another version, and one that is neither empty nor a scene.
    pub fn create(root: &Path) -> Result<Self, FolderError> { todo!() }
    /// Opens a folder that has a `scene.json`.
    pub fn open(root: &Path) -> Result<Self, FolderError> { todo!() }
    /// Whether the folder holds a `scene.json`.
    pub fn is_scene(root: &Path) -> bool { root.join("scene.json").is_file() }
    /// The folder.
    pub fn root(&self) -> &Path { &self.root }
    /// Reads `scene.json`.
    pub fn read_meta(&self) -> Result<SceneMeta, FolderError> { todo!() }
    /// Writes `scene.json`.
    pub fn write_meta(&self, meta: &SceneMeta) -> Result<(), FolderError> { todo!() }
    /// Writes `sparse/0/{cameras,images,points3D}.txt`; `names[i]` belongs to `sparse.cameras[i]`.
    pub fn write_sparse(&self, names: &[String], sparse: &Sparse) -> Result<(), FolderError> { todo!() }
    /// Reads `sparse/0`; cameras come in the order of `names`, `None` where an image is not registered.
    pub fn read_sparse(&self, names: &[String]) -> Result<Sparse, FolderError> { todo!() }
    /// Writes `depth/STEM.png`, 16-bit thousandths of a scene unit.
    pub fn write_depth(&self, stem: &str, depth: &DepthMap) -> Result<(), FolderError> { todo!() }
    /// Reads `depth/STEM.png`.
    pub fn read_depth(&self, stem: &str) -> Result<DepthMap, FolderError> { todo!() }
    /// Writes `mesh.ply`.
    pub fn write_mesh(&self, mesh: &TriMesh) -> Result<(), FolderError> { todo!() }
    /// Reads `mesh.ply`.
    pub fn read_mesh(&self) -> Result<TriMesh, FolderError> { todo!() }
    /// Writes `masks/STEM.json`.
    pub fn write_masks(&self, stem: &str, masks: &FrameMasks) -> Result<(), FolderError> { todo!() }
    /// Reads `masks/STEM.json`.
    pub fn read_masks(&self, stem: &str) -> Result<FrameMasks, FolderError> { todo!() }
    /// Writes `instances.json`.
    pub fn write_instances(&self, instances: &Instances) -> Result<(), FolderError> { todo!() }
    /// Reads `instances.json`.
    pub fn read_instances(&self) -> Result<Instances, FolderError> { todo!() }
    /// Path of `splat.ply`; `splat::read_ply` and `splat::write_ply` do the rest.
    pub fn splat_path(&self) -> PathBuf { self.root.join("splat.ply") }
    /// Path of a photo by file name.
    pub fn image_path(&self, name: &str) -> PathBuf { self.root.join("images").join(name) }
}

/// Writes a file whole or not at all: a temporary file beside it, synced, then renamed over it.
#[allow(unused_variables, clippy::todo)]
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FolderError> { todo!() }
