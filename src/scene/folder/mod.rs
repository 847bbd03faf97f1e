//! The scene folder on disk, as `shared/CONTRACT.md` lays it out. Every file is written atomically.

mod colmap;
mod depth_png;
mod mesh_ply;
mod ply_scale;
mod pose_quality;
mod swap;
#[cfg(test)]
mod tests;

pub use colmap::{Model, ModelImage, is_model, model_of, read_model};

use super::{DepthMap, FrameMasks, Instances, Sparse, Training, TriMesh};
use image::{DynamicImage, GrayImage, ImageFormat};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

pub use ply_scale::scaled_ply;
pub use pose_quality::FrameQuality;
pub use swap::Swap;

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
    #[error(
        "{path} is a scene of layout version {found}; this program reads and writes version {VERSION}: choose another folder"
    )]
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

/// The scale that follows from a distance that the user typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypedScale {
    /// The distance that was typed, metres.
    pub metres: f64,
    /// Metres per unit of the frame of the input's poses (or of structure from motion).
    pub metres_per_input_unit: f64,
    /// Key of the stage `poses` whose frame that is: the scale means nothing in the frame of others.
    pub poses_key: String,
}

impl TypedScale {
    /// Where the scale came from, for [`SceneMeta::scale_source`].
    pub fn source(&self) -> String {
        format!("typed: {:.2} m between two points", self.metres)
    }
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
    /// A distance that the user typed, and the scale that follows from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed_scale: Option<TypedScale>,
    /// Figures of the run: registered images, reprojection error, Gaussians, PSNR.
    #[serde(default)]
    pub figures: serde_json::Value,
}

/// A scene folder. Photos lie in `images/` (a COLMAP project as it stands), the rest as the contract says.
#[derive(Clone, Debug)]
pub struct SceneFolder {
    root: PathBuf,
}

impl SceneFolder {
    /// Opens or creates the folder; refuses one of another version, and one that is neither empty nor a scene.
    pub fn create(root: &Path) -> Result<Self, FolderError> {
        if Self::is_scene(root) {
            return Self::open(root);
        }
        std::fs::create_dir_all(root).map_err(io("create", root))?;
        for entry in std::fs::read_dir(root).map_err(io("read", root))? {
            let name = entry.map_err(io("read", root))?.file_name();
            // What a killed run may have left of a file that it never finished does not count.
            if !name.to_string_lossy().starts_with(TEMP_PREFIX) {
                return Err(malformed(root, "the folder is not empty and not a scene: choose another folder"));
            }
        }
        // A folder that cannot be written is refused now, not after an hour of work.
        tempfile::Builder::new().prefix(TEMP_PREFIX).tempfile_in(root).map_err(io("write", root))?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// Opens a folder that has a `scene.json`. Where a crash interrupted a [`Swap`], it is carried through first.
    pub fn open(root: &Path) -> Result<Self, FolderError> {
        swap::roll_forward(root)?;
        let folder = Self { root: root.to_path_buf() };
        let path = root.join("scene.json");
        let value: serde_json::Value = read_json(&path)?;
        let found = value.get("version").and_then(serde_json::Value::as_u64);
        let found = found.ok_or_else(|| malformed(&path, "it has no layout version: it is not a scene.json"))?;
        if found != u64::from(VERSION) {
            return Err(FolderError::Version { path: folder.root, found: u32::try_from(found).unwrap_or(u32::MAX) });
        }
        Ok(folder)
    }

    /// Whether the folder holds a `scene.json`.
    pub fn is_scene(root: &Path) -> bool {
        root.join("scene.json").is_file()
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `cache/`: the same layout, for what only a resumed run needs. It has no `scene.json`.
    pub fn cache(&self) -> Self {
        Self { root: self.root.join("cache") }
    }

    /// `cache/untrained/`: the same layout, for the cameras as they were where training has moved them since.
    pub fn untrained(&self) -> Self {
        Self { root: self.root.join("cache/untrained") }
    }

    /// Reads `scene.json`.
    pub fn read_meta(&self) -> Result<SceneMeta, FolderError> {
        Self::open(&self.root)?;
        read_json(&self.root.join("scene.json"))
    }

    /// Writes `scene.json`.
    pub fn write_meta(&self, meta: &SceneMeta) -> Result<(), FolderError> {
        write_json(&self.root.join("scene.json"), meta)
    }

    /// Writes `sparse/0/{cameras,images,points3D}.txt` and `pose_quality.json`; `names[i]` belongs to
    /// `sparse.cameras[i]`.
    pub fn write_sparse(&self, names: &[String], sparse: &Sparse) -> Result<(), FolderError> {
        let files = self.sparse_files(names, sparse)?;
        files.iter().try_for_each(|(path, bytes)| write_atomic(&self.root.join(path), bytes))
    }

    /// What [`Self::write_sparse`] writes: paths within the folder, and contents.
    pub fn sparse_files(&self, names: &[String], sparse: &Sparse) -> Result<Vec<(PathBuf, Vec<u8>)>, FolderError> {
        let mut files = colmap::encode(&self.root, Path::new("sparse/0"), names, sparse)?;
        let quality = PathBuf::from(POSE_QUALITY);
        let bytes = pose_quality::encode(&self.root.join(&quality), names, sparse)?;
        files.push((quality, bytes));
        Ok(files)
    }

    /// Reads `sparse/0` and, where it is there, `pose_quality.json`; cameras come in the order of `names`, `None` where
    /// an image is not registered.
    pub fn read_sparse(&self, names: &[String]) -> Result<Sparse, FolderError> {
        let sparse = colmap::read(&self.root.join("sparse/0"), names)?;
        let quality = pose_quality::in_order(&self.read_pose_quality()?, names, &sparse);
        Ok(Sparse { quality, ..sparse })
    }

    /// Reads `pose_quality.json`: photos in order of capture; none where there is no such file.
    pub fn read_pose_quality(&self) -> Result<Vec<FrameQuality>, FolderError> {
        pose_quality::read(&self.root.join(POSE_QUALITY))
    }

    /// Writes `depth/STEM.png`, 16-bit thousandths of a scene unit.
    pub fn write_depth(&self, stem: &str, depth: &DepthMap) -> Result<(), FolderError> {
        let (path, bytes) = self.depth_file(stem, depth)?;
        write_atomic(&self.root.join(path), &bytes)
    }

    /// What [`Self::write_depth`] writes: path within the folder, and contents.
    pub fn depth_file(&self, stem: &str, depth: &DepthMap) -> Result<(PathBuf, Vec<u8>), FolderError> {
        let path = self.depth_path(stem);
        let bytes = depth_png::encode(&path, depth)?;
        Ok((Path::new("depth").join(format!("{stem}.png")), bytes))
    }

    /// Reads `depth/STEM.png`.
    pub fn read_depth(&self, stem: &str) -> Result<DepthMap, FolderError> {
        read_depth_png(&self.depth_path(stem))
    }

    /// Writes `agreement/STEM.png`: 255 where the depth of the splats and that of the mesh agree, else 0.
    pub fn write_agreement(&self, stem: &str, mask: &GrayImage) -> Result<(), FolderError> {
        let path = self.agreement_path(stem);
        let mut bytes = std::io::Cursor::new(Vec::new());
        let written = mask.write_to(&mut bytes, ImageFormat::Png);
        written.map_err(|e| malformed(&path, format!("cannot be encoded: {e}")))?;
        write_atomic(&path, bytes.get_ref())
    }

    /// Reads `agreement/STEM.png`; `None` where there is none: then nothing is known to disagree.
    pub fn read_agreement(&self, stem: &str) -> Result<Option<GrayImage>, FolderError> {
        let path = self.agreement_path(stem);
        if !path.is_file() {
            return Ok(None);
        }
        let image = image::load_from_memory_with_format(&read_bytes(&path)?, ImageFormat::Png);
        match image.map_err(|e| malformed(&path, e.to_string()))? {
            DynamicImage::ImageLuma8(mask) => Ok(Some(mask)),
            other => Err(malformed(&path, format!("it is {:?}, not 8-bit grey", other.color()))),
        }
    }

    /// Writes `mesh.ply`.
    pub fn write_mesh(&self, mesh: &TriMesh) -> Result<(), FolderError> {
        let path = self.mesh_path();
        write_atomic(&path, &mesh_ply::encode(&path, mesh)?)
    }

    /// Reads `mesh.ply`.
    pub fn read_mesh(&self) -> Result<TriMesh, FolderError> {
        let path = self.mesh_path();
        mesh_ply::decode(&path, &read_bytes(&path)?)
    }

    /// Writes `masks/STEM.json`.
    pub fn write_masks(&self, stem: &str, masks: &FrameMasks) -> Result<(), FolderError> {
        write_json(&self.masks_path(stem), masks)
    }

    /// Reads `masks/STEM.json`.
    pub fn read_masks(&self, stem: &str) -> Result<FrameMasks, FolderError> {
        read_json(&self.masks_path(stem))
    }

    /// Writes `instances.json`.
    pub fn write_instances(&self, instances: &Instances) -> Result<(), FolderError> {
        write_json(&self.root.join("instances.json"), instances)
    }

    /// Reads `instances.json`.
    pub fn read_instances(&self) -> Result<Instances, FolderError> {
        let path = self.root.join("instances.json");
        let instances: Instances = read_json(&path)?;
        if instances.version != 1 {
            return Err(malformed(&path, format!("its layout version is {}, not 1", instances.version)));
        }
        Ok(instances)
    }

    /// Writes `training.json`.
    pub fn write_training(&self, training: &Training) -> Result<(), FolderError> {
        write_json(&self.root.join("training.json"), training)
    }

    /// Reads `training.json`; `None` where there is none.
    pub fn read_training(&self) -> Result<Option<Training>, FolderError> {
        let path = self.root.join("training.json");
        if path.is_file() { read_json(&path).map(Some) } else { Ok(None) }
    }

    /// Path of `splat.ply`; `splat::read_ply` and `splat::write_ply` do the rest.
    pub fn splat_path(&self) -> PathBuf {
        self.root.join("splat.ply")
    }

    /// Path of `mesh.ply`.
    pub fn mesh_path(&self) -> PathBuf {
        self.root.join("mesh.ply")
    }

    /// Path of `depth/STEM.png`.
    pub fn depth_path(&self, stem: &str) -> PathBuf {
        self.root.join("depth").join(format!("{stem}.png"))
    }

    /// Path of `agreement/STEM.png`.
    pub fn agreement_path(&self, stem: &str) -> PathBuf {
        self.root.join("agreement").join(format!("{stem}.png"))
    }

    /// Path of `masks/STEM.json`.
    pub fn masks_path(&self, stem: &str) -> PathBuf {
        self.root.join("masks").join(format!("{stem}.json"))
    }

    /// Path of a photo by file name.
    pub fn image_path(&self, name: &str) -> PathBuf {
        self.root.join("images").join(name)
    }
}

/// Name of the file that says how well each pose is known.
const POSE_QUALITY: &str = "pose_quality.json";

/// Start of the names of files that are not finished.
const TEMP_PREFIX: &str = ".holoscope-";

/// Writes a file whole or not at all: a temporary file beside it, synced, then renamed over it.
/// Folders on the way to it are made.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io("create", folder))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMP_PREFIX);
    // Temporary files are private by default; this one becomes an ordinary file (the umask still applies).
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let write = || -> std::io::Result<()> {
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(io("write", path))?;
    // The rename itself lives in the folder. Some file systems cannot sync a folder: then there is nothing to do.
    #[cfg(unix)]
    let _ = std::fs::File::open(folder).and_then(|f| f.sync_all());
    Ok(())
}

/// Reads a 16-bit grayscale PNG of thousandths, wherever it lies, as depth; 0 = unknown.
pub fn read_depth_png(path: &Path) -> Result<DepthMap, FolderError> {
    depth_png::decode(path, &read_bytes(path)?)
}

/// Reads a triangle mesh from a PLY, wherever it lies.
pub fn read_mesh_ply(path: &Path) -> Result<TriMesh, FolderError> {
    mesh_ply::decode(path, &read_bytes(path)?)
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FolderError {
    move |source| FolderError::Io { action, path: path.to_path_buf(), source }
}

fn malformed(path: &Path, reason: impl Into<String>) -> FolderError {
    FolderError::Malformed { path: path.to_path_buf(), reason: reason.into() }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, FolderError> {
    std::fs::read(path).map_err(io("read", path))
}

fn read_text(path: &Path) -> Result<String, FolderError> {
    String::from_utf8(read_bytes(path)?).map_err(|_| malformed(path, "it is not UTF-8 text"))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, FolderError> {
    serde_json::from_slice(&read_bytes(path)?).map_err(|e| malformed(path, e.to_string()))
}

/// Writes JSON.
fn write_json<T: Serialize + DeserializeOwned>(path: &Path, value: &T) -> Result<(), FolderError> {
    write_atomic(path, &json_bytes(path, value)?)
}

/// JSON for the file `path`, after a look at whether it reads back: JSON has no NaN, serde_json writes null in its place.
pub fn json_bytes<T: Serialize + DeserializeOwned>(path: &Path, value: &T) -> Result<Vec<u8>, FolderError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| malformed(path, e.to_string()))?;
    if let Err(e) = serde_json::from_slice::<T>(&bytes) {
        return Err(malformed(path, format!("not written: it holds a number that is not finite ({e})")));
    }
    bytes.push(b'\n');
    Ok(bytes)
}
