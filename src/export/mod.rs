//! What leaves the program: COCO, reviewed instances, splat and mesh.

pub mod check;
mod coco;
#[cfg(test)]
mod tests;

use crate::review::{Reason, Review, ReviewError, Reviewed, Verdict};
use crate::scene::folder::{FolderError, SceneFolder, is_model, write_atomic};
use crate::scene::{Camera, Cancelled, Instance, InstanceState, Job, Quiet};
use crate::splat::{self, SplatFileError, SplatFormat};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// 2D masks as COCO instance annotations: coco.json
    Coco,
    /// 3D instances as reviewed, with verdicts: instances.json
    Instances,
    /// The Gaussians, as 3DGS holds them: splat.ply
    Splat,
    /// The Gaussians in a tenth of the space, for SuperSplat and PlayCanvas: splat.compressed.ply
    CompressedPly,
    /// The Gaussians in a tenth of the space, as SPZ of version 3, which most readers know: splat.spz
    Spz,
    /// The same as SPZ of version 4: splat.v4.spz
    Spz4,
    /// The surface: mesh.ply
    Mesh,
    /// COCO, instances, splat and mesh
    All,
}

impl Format {
    /// How the Gaussians are written, where they are.
    fn of_splats(self) -> Option<SplatFormat> {
        match self {
            Self::Splat | Self::All => Some(SplatFormat::Ply),
            Self::CompressedPly => Some(SplatFormat::CompressedPly),
            Self::Spz => Some(SplatFormat::Spz3),
            Self::Spz4 => Some(SplatFormat::Spz4),
            Self::Coco | Self::Instances | Self::Mesh => None,
        }
    }
}

/// Which instances to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Include {
    /// Those that a reviewer accepted
    #[default]
    Accepted,
    /// Those too that nobody has reviewed, unless the pipeline dropped them; none that a reviewer was unsure of
    Unreviewed,
    /// Every one, rejected and dropped ones too
    All,
}

impl Include {
    /// Whether an instance is written.
    pub fn takes(self, item: &Reviewed) -> bool {
        match (self, item.verdict) {
            (Self::All, _) | (_, Verdict::Accepted) => true,
            (Self::Unreviewed, Verdict::Unreviewed) => item.instance.state != InstanceState::Dropped,
            _ => false,
        }
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Number of instances in them.
    pub instances: usize,
    /// Number of images in the COCO file.
    pub images: usize,
    /// Number of masks in the COCO file.
    pub annotations: usize,
    /// Files that the scene does not have and that `Format::All` therefore left out.
    pub missing: Vec<String>,
}

/// What can go wrong with an export. Each message names the file or option.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file of the scene or of the export.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The Gaussians.
    #[error(transparent)]
    Splat(#[from] SplatFileError),
    /// The log of the review.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// The user stopped it; files that were written are whole.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Nobody has accepted anything.
    #[error(
        "{scene} has no accepted instances ({unreviewed} unreviewed, {rejected} rejected): accept some in the window, or export with --include unreviewed or --include all"
    )]
    NothingAccepted {
        /// The scene folder.
        scene: PathBuf,
        /// Instances that nobody has reviewed.
        unreviewed: usize,
        /// Instances that were rejected.
        rejected: usize,
    },
    /// There is nothing to choose from.
    #[error("{scene} has no instances that --include {include} takes")]
    Nothing {
        /// The scene folder.
        scene: PathBuf,
        /// The option.
        include: &'static str,
    },
    /// The pipeline has not come that far.
    #[error("{0} is not there: run the pipeline to the end first")]
    Missing(PathBuf),
    /// The export would write over the scene.
    #[error("--out {0} is the scene folder itself: choose another folder")]
    IntoScene(PathBuf),
}

/// An instance of the exported `instances.json`: that of the scene, label, caption and box as decided, the verdict with
/// its reason, and the reviewers' note.
#[derive(Serialize)]
struct Item<'a> {
    #[serde(flatten)]
    instance: &'a Instance,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
}

impl<'a> Item<'a> {
    fn of(r: &'a Reviewed) -> Self {
        Self { instance: &r.instance, verdict: r.verdict, reason: r.reason, note: &r.note }
    }
}

#[derive(Serialize)]
struct Items<'a> {
    version: u32,
    /// "metres" or "arbitrary": what lengths of boxes and captions are in.
    units: &'a str,
    scale_source: &'a str,
    instances: Vec<Item<'a>>,
}

/// Writes one export format (or all) of a scene into the folder `out`; every file whole or not at all.
pub fn export(scene: &SceneFolder, format: Format, out: &Path, include: Include) -> Result<Exported, ExportError> {
    export_watched(scene, format, out, include, &Quiet)
}

/// As [`export`], saying how far it is: it can be stopped between files.
pub fn export_watched(
    scene: &SceneFolder,
    format: Format,
    out: &Path,
    include: Include,
    job: &dyn Job,
) -> Result<Exported, ExportError> {
    if !matches!(format, Format::Coco | Format::Instances | Format::All) {
        return write(scene, &BTreeMap::new(), format, out, include, job);
    }
    let instances = scene.root().join("instances.json");
    if !instances.is_file() {
        return Err(ExportError::Missing(instances));
    }
    let review = Review::read(scene.root(), scene.read_instances()?.instances)?;
    write(scene, review.items(), format, out, include, job)
}

/// As [`export_watched`], of a reviewed state that is given.
fn write(
    scene: &SceneFolder,
    items: &BTreeMap<u32, Reviewed>,
    format: Format,
    out: &Path,
    include: Include,
    job: &dyn Job,
) -> Result<Exported, ExportError> {
    if let (Ok(a), Ok(b)) = (std::fs::canonicalize(out), std::fs::canonicalize(scene.root()))
        && a == b
    {
        return Err(ExportError::IntoScene(out.into()));
    }
    let mut done = Exported::default();
    let wants = |f: Format| format == f || format == Format::All;
    let total = if format == Format::All { 4 } else { 1 };
    job.tick(0, total)?;
    if wants(Format::Coco) || wants(Format::Instances) {
        let taken = taken(scene, items, include)?;
        done.instances = taken.len();
        if wants(Format::Coco) {
            let file = coco::Coco::of(scene, &taken)?;
            (done.images, done.annotations) = (file.images.len(), file.annotations.len());
            write_json(&mut done, out.join("coco.json"), &file)?;
            job.tick(1, total)?;
        }
        if wants(Format::Instances) {
            let instances = taken.values().map(|r| Item::of(r)).collect();
            let meta = scene.read_meta()?;
            let (units, scale_source) = (meta.units.as_str(), meta.scale_source.as_str());
            write_json(&mut done, out.join("instances.json"), &Items { version: 1, units, scale_source, instances })?;
            job.tick(total.min(2), total)?;
        }
    }
    if let Some(as_what) = format.of_splats()
        && is_there(&mut done, &scene.splat_path(), format)?
    {
        std::fs::create_dir_all(out).map_err(|source| FolderError::Io {
            action: "create",
            path: out.into(),
            source,
        })?;
        let path = out.join(as_what.file_name());
        splat::write(&path, &splat::read_ply(&scene.splat_path())?, as_what, &cameras(scene)?)?;
        done.files.push(path);
        job.tick(total.min(3), total)?;
    }
    if wants(Format::Mesh) && is_there(&mut done, &scene.mesh_path(), format)? {
        copy(&mut done, &scene.mesh_path(), out)?;
    }
    Ok(done)
}

/// The instances that are asked for; none is an error, since an empty export is never what was meant.
fn taken<'a>(
    scene: &SceneFolder,
    items: &'a BTreeMap<u32, Reviewed>,
    include: Include,
) -> Result<BTreeMap<u32, &'a Reviewed>, ExportError> {
    let taken: BTreeMap<u32, &Reviewed> =
        items.iter().filter(|(_, r)| include.takes(r)).map(|(i, r)| (*i, r)).collect();
    if !taken.is_empty() {
        return Ok(taken);
    }
    let scene = scene.root().to_path_buf();
    let count = |v: Verdict| items.values().filter(|r| r.verdict == v).count();
    Err(match include {
        Include::Accepted => ExportError::NothingAccepted {
            scene,
            unreviewed: count(Verdict::Unreviewed),
            rejected: count(Verdict::Rejected),
        },
        Include::Unreviewed => ExportError::Nothing { scene, include: "unreviewed" },
        Include::All => ExportError::Nothing { scene, include: "all" },
    })
}

fn write_json(done: &mut Exported, path: PathBuf, value: &impl Serialize) -> Result<(), ExportError> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|e| FolderError::Malformed { path: path.clone(), reason: format!("not written: {e}") })?;
    bytes.push(b'\n');
    write_atomic(&path, &bytes)?;
    done.files.push(path);
    Ok(())
}

/// The cameras of the photos; none where the scene has no poses.
fn cameras(scene: &SceneFolder) -> Result<Vec<Camera>, ExportError> {
    if !is_model(&scene.root().join("sparse/0")) {
        return Ok(Vec::new());
    }
    Ok(scene.read_sparse(&scene.read_meta()?.images)?.cameras.into_iter().flatten().collect())
}

/// Whether the scene has a file; one that it lacks is an error, or noted where it is one of many.
fn is_there(done: &mut Exported, file: &Path, format: Format) -> Result<bool, ExportError> {
    if file.is_file() {
        return Ok(true);
    }
    if format != Format::All {
        return Err(ExportError::Missing(file.into()));
    }
    done.missing.extend(file.file_name().map(|n| n.to_string_lossy().into_owned()));
    Ok(false)
}

/// Copies a file of the scene.
fn copy(done: &mut Exported, from: &Path, out: &Path) -> Result<(), ExportError> {
    let Some(name) = from.file_name() else { return Ok(()) };
    let bytes = std::fs::read(from).map_err(|source| FolderError::Io { action: "read", path: from.into(), source })?;
    write_atomic(&out.join(name), &bytes)?;
    done.files.push(out.join(name));
    Ok(())
}
