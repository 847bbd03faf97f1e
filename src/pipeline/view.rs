//! A finished scene, looked at from any camera: colour, depth, normals, instances of the splats.

use crate::instances;
use crate::pipeline::run::RunError;
use crate::scene::folder::{FolderError, SceneFolder};
use crate::scene::{Camera, DepthMap, FrameMasks, Gaussians, Intrinsics, Job, Similarity, Sparse};
use crate::splat;
use image::{DynamicImage, ImageBuffer, Luma, RgbImage};
use nalgebra::{Isometry3, Matrix3, Matrix4, Point3, Rotation3, Translation3, UnitQuaternion};
use serde::Deserialize;
use std::path::Path;

/// Residual of the alignment to shared photos, relative to the extent of the cameras, above which the cameras of a
/// file are taken to be in another place.
const WORST_ALIGNMENT: f64 = 0.05;

/// A finished scene, read for rendering.
pub struct SceneView {
    folder: SceneFolder,
    gaussians: Gaussians,
    stems: Vec<String>,
    sparse: Sparse,
}

#[derive(Deserialize)]
struct CameraFile {
    #[serde(flatten)]
    intrinsics: Intrinsics,
    frames: Vec<CameraFrame>,
}

#[derive(Deserialize)]
struct CameraFrame {
    file: String,
    c2w: [[f64; 4]; 4],
}

impl SceneView {
    /// Reads splats and cameras.
    pub fn open(folder: &SceneFolder) -> Result<Self, RunError> {
        let meta = folder.read_meta()?;
        let stems = meta.images.iter().map(|n| stem(n).to_owned()).collect();
        Ok(Self {
            gaussians: splat::read_ply(&folder.splat_path())?,
            sparse: folder.read_sparse(&meta.images)?,
            folder: folder.clone(),
            stems,
        })
    }

    /// The cameras of a `poses.json`, in the scene's world. When at least three of them name photos of the scene, they
    /// are moved by the similarity that brings those onto the scene's own; else they are taken to be in its world.
    pub fn cameras_of(&self, path: &Path, job: &dyn Job) -> Result<Vec<(String, Camera)>, FolderError> {
        let malformed = |reason: String| FolderError::Malformed { path: path.to_owned(), reason };
        let text =
            std::fs::read(path).map_err(|source| FolderError::Io { action: "read", path: path.to_owned(), source })?;
        let file: CameraFile = serde_json::from_slice(&text).map_err(|e| malformed(e.to_string()))?;
        if !file.intrinsics.is_plausible() {
            return Err(malformed("its intrinsics are not those of a camera".into()));
        }
        let mut cameras = Vec::with_capacity(file.frames.len());
        for frame in &file.frames {
            let c2w = rigid(&frame.c2w).ok_or_else(|| malformed(format!("c2w of {} is not a pose", frame.file)))?;
            cameras.push((stem(&frame.file).to_owned(), Camera { intrinsics: file.intrinsics, c2w }));
        }
        let world = self.alignment(&cameras, job);
        Ok(cameras.into_iter().map(|(stem, c)| (stem, world.camera(&c))).collect())
    }

    fn alignment(&self, cameras: &[(String, Camera)], job: &dyn Job) -> Similarity {
        let own = |name: &str| self.stems.iter().position(|s| s == name).and_then(|i| self.sparse.cameras[i]);
        let pairs: Vec<(Point3<f64>, Point3<f64>)> =
            cameras.iter().filter_map(|(name, c)| Some((c.center(), own(name)?.center()))).collect();
        let (from, to): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let Some(world) = Similarity::fit(&from, &to) else { return Similarity::identity() };
        let extent = to.iter().map(|p| (p - to[0]).norm()).fold(0.0, f64::max);
        let worst = from.iter().zip(&to).map(|(a, b)| (world.point(a) - b).norm()).fold(0.0, f64::max);
        if worst > WORST_ALIGNMENT * extent {
            job.warn(format!(
                "the cameras name {} photos of the scene but do not fit its poses: taken as they are",
                to.len()
            ));
            return Similarity::identity();
        }
        world
    }

    /// sRGB colour.
    pub fn rgb(&self, camera: &Camera) -> DynamicImage {
        bytes(camera, &splat::render(&self.gaussians, camera).rgb)
    }

    /// Depth, 16-bit thousandths of a scene unit.
    pub fn depth(&self, camera: &Camera) -> DynamicImage {
        let depth = splat::render(&self.gaussians, camera).depth;
        sixteen(camera, depth.iter().map(|d| (d * 1000.0).round().clamp(0.0, 65535.0) as u16).collect())
    }

    /// World normals, each component from -1..1 to 0..255.
    pub fn normal(&self, camera: &Camera) -> DynamicImage {
        let normal = splat::render(&self.gaussians, camera).normal;
        bytes(camera, &normal.iter().map(|n| n.map(|x| 0.5 * x + 0.5)).collect::<Vec<_>>())
    }

    /// Instance ids, 16-bit; 0 where there is none. The masks of the scene's photos vote for each pixel.
    pub fn instance(&self, camera: &Camera) -> Result<DynamicImage, FolderError> {
        let depth = DepthMap {
            width: camera.intrinsics.width,
            height: camera.intrinsics.height,
            data: splat::render(&self.gaussians, camera).depth,
        };
        let (mut cameras, mut depths, mut masks): (Vec<Camera>, Vec<DepthMap>, Vec<FrameMasks>) = Default::default();
        for (stem, own) in self.stems.iter().zip(&self.sparse.cameras) {
            let Some(own) = own else { continue };
            cameras.push(*own);
            depths.push(self.folder.read_depth(stem)?);
            masks.push(self.folder.read_masks(stem)?);
        }
        let ids = instances::seen_from(camera, &depth, &cameras, &depths, &masks);
        Ok(sixteen(camera, ids.iter().map(|id| u16::try_from(*id).unwrap_or(u16::MAX)).collect()))
    }
}

/// A file name without the extension of an image; stems may have dots of their own.
fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, end)) if ["jpg", "jpeg", "png"].contains(&end.to_ascii_lowercase().as_str()) => stem,
        _ => name,
    }
}

/// A rigid transform of a 4x4 row-major matrix; `None` where it is none.
fn rigid(m: &[[f64; 4]; 4]) -> Option<Isometry3<f64>> {
    let m = Matrix4::from_fn(|r, c| m[r][c]);
    let r: Matrix3<f64> = m.fixed_view::<3, 3>(0, 0).into_owned();
    let drift = (r.transpose() * r - Matrix3::identity()).norm();
    let finite = m.iter().all(|x| x.is_finite());
    (finite && drift < 1e-2 && r.determinant() > 0.0).then(|| {
        let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix(&r));
        Isometry3::from_parts(Translation3::new(m[(0, 3)], m[(1, 3)], m[(2, 3)]), rotation)
    })
}

fn bytes(camera: &Camera, pixels: &[[f32; 3]]) -> DynamicImage {
    let k = &camera.intrinsics;
    let raw = pixels.iter().flatten().map(|x| (x.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    RgbImage::from_raw(k.width, k.height, raw).unwrap_or_default().into()
}

fn sixteen(camera: &Camera, pixels: Vec<u16>) -> DynamicImage {
    let k = &camera.intrinsics;
    ImageBuffer::<Luma<u16>, _>::from_raw(k.width, k.height, pixels).unwrap_or_default().into()
}
