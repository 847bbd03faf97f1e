//! The one place where the window calls `crate::export`.

use std::path::Path;

/// Names of the formats, as on the command line, and what they are for.
pub(super) const FORMATS: [(&str, &str); 2] = [("coco", "masks, COCO JSON"), ("boxes", "oriented boxes, JSON")];

/// Writes the accepted instances of a scene; what was written, or why not, in one sentence.
pub(super) fn export(scene: &Path, format: usize, out: &Path) -> Result<String, String> {
    let name = FORMATS.get(format).map_or("?", |f| f.0);
    Err(format!("cannot export {} as {name} to {}: this build has no exporters", scene.display(), out.display()))
}
