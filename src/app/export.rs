//! The one place where the window writes exports.

use crate::export::check::{self, Problem};
use crate::export::{self, Format, Include};
use crate::scene::Job;
use crate::scene::folder::SceneFolder;
use std::path::Path;

/// The formats, and what they are.
pub(super) const FORMATS: [(Format, &str); 8] = [
    (Format::All, "Masks, boxes, splats as PLY, surface"),
    (Format::Coco, "Masks, as COCO annotations"),
    (Format::Instances, "Boxes, labels and captions, as JSON"),
    (Format::Splat, "Splats, as PLY"),
    (Format::CompressedPly, "Splats, as compressed PLY"),
    (Format::Spz, "Splats, as SPZ (version 3: most readers)"),
    (Format::Spz4, "Splats, as SPZ (version 4)"),
    (Format::Mesh, "Surface, as PLY"),
];

/// Which instances.
pub(super) const INCLUDES: [(Include, &str); 3] = [
    (Include::Accepted, "accepted"),
    (Include::Unreviewed, "accepted and unreviewed"),
    (Include::All, "all, rejected too"),
];

/// Writes a scene as reviewed; what was written, or why not, in one sentence.
pub(super) fn export(
    scene: &Path,
    format: Format,
    include: Include,
    out: &Path,
    job: &dyn Job,
) -> Result<String, String> {
    let folder = SceneFolder::open(scene).map_err(|e| e.to_string())?;
    let done = export::export_watched(&folder, format, out, include, job).map_err(|e| e.to_string())?;
    Ok(format!("exported {} files with {} instances to {}", done.files.len(), done.instances, out.display()))
}

/// What is wrong with exporting a scene so.
pub(super) fn check(scene: &Path, format: Format, include: Include) -> Result<Vec<Problem>, String> {
    let folder = SceneFolder::open(scene).map_err(|e| e.to_string())?;
    check::check(&folder, format, include).map_err(|e| e.to_string())
}
