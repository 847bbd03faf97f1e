//! A COLMAP project: photos and a sparse model, text or binary, with any of its camera models.

use super::found::{Found, Given, Item, TWO_PHOTOS, left_out, own_stems, stem_of};
use super::{InputError, list, malformed};
use crate::scene::folder::{Model, is_model, read_model};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where a project keeps its models, below its folder: as COLMAP, its undistorter and nerfstudio lay them out.
const PLACES: [&str; 5] = ["sparse", "colmap/sparse", "dense/sparse", "undistorted/sparse", ""];

/// Whether there is a model, or a folder where one should be beside photos.
pub(super) fn is_one(input: &Path) -> bool {
    input.is_dir() && (!models(input).is_empty() || input.join("sparse").is_dir())
}

/// Folders that hold a model.
fn models(input: &Path) -> Vec<PathBuf> {
    let folders_in = |place: PathBuf| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&place).into_iter().flatten().flatten().map(|e| e.path());
        let mut found: Vec<PathBuf> = entries.filter(|p| is_model(p)).collect();
        found.sort_by(|a, b| list::natural(&a.to_string_lossy(), &b.to_string_lossy()));
        found.extend(is_model(&place).then_some(place));
        found
    };
    let places = PLACES.iter().map(|p| if p.is_empty() { input.to_path_buf() } else { input.join(p) });
    places.map(folders_in).find(|found| !found.is_empty()).unwrap_or_default()
}

pub(super) fn read(input: &Path) -> Result<Found, InputError> {
    let mut warnings = Vec::new();
    let (folder, model) = largest(input, &mut warnings)?;
    let root = photo_root(input, &folder, &model)?;
    let (mut items, mut missing) = (Vec::new(), Vec::new());
    for image in model.images.values() {
        let path = root.join(&image.name);
        if !path.is_file() {
            missing.push(image.name.clone());
            continue;
        }
        let given = model.cameras.get(&image.camera).map(|(intrinsics, lens)| Given {
            intrinsics: *intrinsics,
            lens: *lens,
            from: model.path.clone(),
        });
        items.push(Item { stem: stem_of(&path), path, given, c2w: Some(image.w2c.inverse()), depth: None });
    }
    missing.sort_by(|a, b| list::natural(a, b));
    let what = format!("of {} photos of {} are not in {}", model.images.len(), model.path.display(), root.display());
    left_out(&missing, &what, &mut warnings);
    items.sort_by(|a, b| list::natural(&a.path.to_string_lossy(), &b.path.to_string_lossy()));
    unregistered(&root, &items, &mut warnings);
    Ok(Found { items: own_stems(items, &root, &mut warnings), metric: false, least_photos: TWO_PHOTOS, warnings })
}

/// The model with the most photos; the others are named.
fn largest(input: &Path, warnings: &mut Vec<String>) -> Result<(PathBuf, Model), InputError> {
    let folders = models(input);
    let mut read = Vec::new();
    for folder in &folders {
        read.push((folder.clone(), read_model(folder)?));
    }
    // The first of equals.
    let best = read.iter().map(|(_, m)| m.images.len()).max().unwrap_or(0);
    let Some(at) = read.iter().position(|(_, m)| m.images.len() == best && best > 0) else {
        let reason = match folders.first() {
            Some(_) => "the model has no images",
            None => "it holds no model (cameras and images as .bin or .txt): remove it, and poses come from the photos",
        };
        return Err(malformed(folders.first().unwrap_or(&input.join("sparse")), reason));
    };
    if read.len() > 1 {
        let (n, folder) = (read.len(), read[at].0.display());
        warnings.push(format!("{n} COLMAP models: the largest, {folder}, with {best} photos, is used"));
    }
    Ok(read.swap_remove(at))
}

/// The folder that the names of the model's images start from: the one in which most of them are found.
fn photo_root(input: &Path, folder: &Path, model: &Model) -> Result<PathBuf, InputError> {
    let mut roots = vec![input.join("images"), input.join("rgb"), input.join("dense/images"), input.to_path_buf()];
    // A model may be given by its own folder, beside the photos or one or two levels below them.
    roots.extend(folder.ancestors().skip(1).take(3).flat_map(|up| [up.join("images"), up.to_path_buf()]));
    let found = |root: &Path| model.images.values().filter(|i| root.join(&i.name).is_file()).count();
    let counts: Vec<usize> = roots.iter().map(|r| if r.is_dir() { found(r) } else { 0 }).collect();
    let best = counts.iter().copied().max().unwrap_or(0);
    let first = model.images.values().next().map_or("", |i| &i.name);
    if best == 0 {
        let reason = format!(
            "none of its {} photos ({first} ...) is in {} or beside the model",
            model.images.len(),
            roots[0].display()
        );
        return Err(malformed(&model.path, reason));
    }
    let at = counts.iter().position(|n| *n == best).unwrap_or(0);
    Ok(roots.swap_remove(at))
}

/// Says how many photos the model has no pose for.
fn unregistered(root: &Path, items: &[Item], warnings: &mut Vec<String>) {
    let mut folders: Vec<&Path> = items.iter().filter_map(|i| i.path.parent()).collect();
    folders.sort();
    folders.dedup();
    let posed: BTreeSet<&Path> = items.iter().map(|i| i.path.as_path()).collect();
    let mut left = Vec::new();
    for folder in folders {
        let Ok(listing) = list::photos_directly_in(folder) else { continue };
        left.extend(listing.into_iter().map(|n| folder.join(n)).filter(|p| !posed.contains(p.as_path())));
    }
    let left: Vec<String> =
        left.iter().map(|p| p.strip_prefix(root).unwrap_or(p).to_string_lossy().into_owned()).collect();
    left_out(&left, "photos have no pose in the model", warnings);
}
