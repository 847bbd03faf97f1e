//! A folder of photos, with or without `poses.json` or `intrinsics.json`.

use super::found::{Found, Given, Item, TWO_PHOTOS};
use super::list::{self, Listing};
use super::poses::{self, PosesFile};
use super::{InputError, malformed};
use crate::scene::Lens;
use std::path::{Path, PathBuf};

/// Where a file of this name lies: in the input, in the folder of its photos, or the input itself.
fn beside(input: &Path, name: &str) -> Option<PathBuf> {
    let places = [input.join(name), input.join("rgb").join(name), input.join("images").join(name)];
    let named = input.is_file() && input.file_name().is_some_and(|n| n == name);
    if named { Some(input.to_path_buf()) } else { places.into_iter().find(|p| p.is_file()) }
}

/// Whether there is a `poses.json`.
pub(super) fn has_poses(input: &Path) -> bool {
    beside(input, "poses.json").is_some()
}

pub(super) fn read(input: &Path) -> Result<Found, InputError> {
    let poses = beside(input, "poses.json").map(|p| poses::read(&p)).transpose()?;
    let folder = match &poses {
        Some(p) if p.path == input => input.parent().unwrap_or(input),
        _ => input,
    };
    let Listing { mut photos, mut warnings, .. } = list::photos(folder)?;
    let given = match &poses {
        Some(p) => Some((p.intrinsics, p.path.clone())),
        None => match beside(input, "intrinsics.json") {
            Some(path) => Some((poses::intrinsics(&path)?, path)),
            None => None,
        },
    };
    if let Some(p) = &poses {
        photos = with_poses(p, photos, &mut warnings)?;
    }
    let given = given.map(|(intrinsics, from)| Given { intrinsics, lens: Lens::Pinhole, from });
    let items = photos.into_iter().map(|photo| Item {
        given: given.clone(),
        c2w: poses.as_ref().and_then(|p| p.c2w.get(&photo.stem)).copied(),
        depth: None,
        path: photo.path,
        stem: photo.stem,
    });
    Ok(Found { items: items.collect(), metric: poses.is_some(), least_photos: TWO_PHOTOS, warnings })
}

/// Keeps the photos that `poses.json` gives a pose for, and says which it does not, and which it names in vain.
fn with_poses(
    poses: &PosesFile,
    photos: Vec<list::Photo>,
    out: &mut Vec<String>,
) -> Result<Vec<list::Photo>, InputError> {
    out.extend(poses.warnings.iter().cloned());
    let name = poses.path.display();
    for stem in poses.c2w.keys().filter(|s| photos.iter().all(|p| p.stem != **s)) {
        out.push(format!("{name} has a pose for {stem}, which has no photo"));
    }
    let (kept, left): (Vec<_>, Vec<_>) = photos.into_iter().partition(|p| poses.c2w.contains_key(&p.stem));
    // A pose that cannot be used was named already.
    let named = |stem: &str| poses.warnings.iter().any(|w| w.contains(&format!("the pose of {stem} is not used")));
    for photo in left.iter().filter(|p| !named(&p.stem)) {
        out.push(format!("left out: {} has no pose in {name}", photo.path.display()));
    }
    if kept.is_empty() {
        return Err(malformed(&poses.path, "not one photo has a usable pose in it"));
    }
    Ok(kept)
}
