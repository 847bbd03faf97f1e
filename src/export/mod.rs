//! What leaves the program: COCO, reviewed instances, splat and mesh.

mod coco;
#[cfg(test)]
mod tests;

use crate::review::{Review, ReviewError, Reviewed, Verdict};
use crate::scene::folder::{FolderError, SceneFolder, write_atomic};
use crate::scene::{Instance, InstanceState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// 2D masks as COCO instance annotations: coco.json
    Coco,
    /// 3D instances as reviewed, with verdicts: instances.json
    Instances,
    /// The Gaussians: splat.ply
    Splat,
    /// The surface: mesh.ply
    Mesh,
    /// All of these
    All,
}

/// Which instances to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Include {
    /// Those that a reviewer accepted
    #[default]
    Accepted,
    /// Those too that nobody has reviewed, unless the pipeline dropped them
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
    /// The log of the review.
    #[error(transparent)]
    Review(#[from] ReviewError),
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

/// An instance of the exported `instances.json`: that of the scene, label and caption as decided, and the verdict.
#[derive(Serialize)]
struct Item<'a> {
    #[serde(flatten)]
    instance: &'a Instance,
    verdict: Verdict,
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
    if matches!(format, Format::Splat | Format::Mesh) {
        return write(scene, &BTreeMap::new(), format, out, include);
    }
    let instances = scene.root().join("instances.json");
    if !instances.is_file() {
        return Err(ExportError::Missing(instances));
    }
    let review = Review::read(scene.root(), scene.read_instances()?.instances)?;
    write(scene, review.items(), format, out, include)
}

/// As [`export`], of a reviewed state that is given.
fn write(
    scene: &SceneFolder,
    items: &BTreeMap<u32, Reviewed>,
    format: Format,
    out: &Path,
    include: Include,
) -> Result<Exported, ExportError> {
    if let (Ok(a), Ok(b)) = (std::fs::canonicalize(out), std::fs::canonicalize(scene.root()))
        && a == b
    {
        return Err(ExportError::IntoScene(out.into()));
    }
    let mut done = Exported::default();
    let wants = |f: Format| format == f || format == Format::All;
    if wants(Format::Coco) || wants(Format::Instances) {
        let taken = taken(scene, items, include)?;
        done.instances = taken.len();
        if wants(Format::Coco) {
            let file = coco::Coco::of(scene, &taken)?;
            (done.images, done.annotations) = (file.images.len(), file.annotations.len());
            write_json(&mut done, out.join("coco.json"), &file)?;
        }
        if wants(Format::Instances) {
            let instances = taken.values().map(|r| Item { instance: &r.instance, verdict: r.verdict }).collect();
            let meta = scene.read_meta()?;
            let (units, scale_source) = (meta.units.as_str(), meta.scale_source.as_str());
            write_json(&mut done, out.join("instances.json"), &Items { version: 1, units, scale_source, instances })?;
        }
    }
    for (wanted, from) in [(Format::Splat, scene.splat_path()), (Format::Mesh, scene.mesh_path())] {
        if wants(wanted) {
            copy(&mut done, &from, out, format == Format::All)?;
        }
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

/// Copies a file of the scene; one that is not there is an error, or noted where it is one of many.
fn copy(done: &mut Exported, from: &Path, out: &Path, one_of_many: bool) -> Result<(), ExportError> {
    let Some(name) = from.file_name() else { return Ok(()) };
    if !from.is_file() {
        if !one_of_many {
            return Err(ExportError::Missing(from.into()));
        }
        done.missing.push(name.to_string_lossy().into_owned());
        return Ok(());
    }
    let bytes = std::fs::read(from).map_err(|source| FolderError::Io { action: "read", path: from.into(), source })?;
    write_atomic(&out.join(name), &bytes)?;
    done.files.push(out.join(name));
    Ok(())
}
