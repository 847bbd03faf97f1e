//! COCO instance annotations (<https://cocodataset.org/#format-data>).

use crate::review::Reviewed;
use crate::review::masks::{self, Surface};
use crate::scene::folder::{FolderError, SceneFolder, is_model};
use crate::scene::{Mask2d, Rle};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A COCO file. Ids count from 1; images are in order of capture, annotations in order of images.
#[derive(Debug, Serialize)]
pub(super) struct Coco {
    info: Info,
    licenses: Vec<()>,
    pub(super) images: Vec<Image>,
    pub(super) annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Debug, Serialize)]
struct Info {
    description: String,
    version: String,
    /// An addition to the format: what lengths in captions are in, "metres" or "arbitrary".
    units: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Image {
    id: usize,
    file_name: String,
    width: u32,
    height: u32,
}

/// A mask. `instance_uid`, `score` and `caption` are additions to the format: the instance's id in the scene (the same
/// in every image), the mask's score and the instance's caption.
#[derive(Debug, Serialize)]
pub(super) struct Annotation {
    id: usize,
    image_id: usize,
    category_id: usize,
    segmentation: Rle,
    /// x, y, width, height in pixels.
    bbox: [u32; 4],
    area: u64,
    iscrowd: u8,
    instance_uid: u32,
    score: f64,
    caption: String,
}

#[derive(Debug, Serialize)]
struct Category {
    id: usize,
    name: String,
    supercategory: &'static str,
}

impl Coco {
    /// The masks of these instances in all images of the scene that were segmented.
    pub(super) fn of(scene: &SceneFolder, taken: &BTreeMap<u32, &Reviewed>) -> Result<Self, FolderError> {
        let meta = scene.read_meta()?;
        let labels: BTreeSet<&str> = taken.values().map(|r| r.instance.label.as_str()).collect();
        let category: BTreeMap<&str, usize> = labels.into_iter().zip(1..).collect();
        let (mut images, mut annotations) = (Vec::new(), Vec::new());
        let cut = masks::any_changed(taken.values().copied()) && is_model(&scene.root().join("sparse/0"));
        let cameras = if cut { scene.read_sparse(&meta.images)?.cameras } else { Vec::new() };
        for (index, name) in meta.images.iter().enumerate() {
            let stem = Path::new(name).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let path = scene.masks_path(&stem);
            if !path.is_file() {
                continue;
            }
            let found = scene.read_masks(&stem)?;
            let (width, height) = (found.width, found.height);
            let wrong = |m: &&Mask2d| (m.segmentation.width, m.segmentation.height) != (width, height);
            if let Some(mask) = found.masks.iter().filter(|m| taken.contains_key(&m.instance_id)).find(wrong) {
                let reason = format!("a mask of instance {} is not {width} x {height}", mask.instance_id);
                return Err(FolderError::Malformed { path, reason });
            }
            let surface = || {
                let camera = cameras.get(index)?.as_ref().copied()?;
                Some(Surface { camera, depth: scene.read_depth(&stem).ok()? })
            };
            let masks = masks::of_photo(&found, &stem, taken.values().copied(), surface);
            let image_id = images.len() + 1;
            images.push(Image { id: image_id, file_name: name.clone(), width, height });
            for mask in masks.masks {
                let (Some(item), segmentation) = (taken.get(&mask.instance_id), mask.segmentation) else { continue };
                let Some([x0, y0, x1, y1]) = segmentation.bounds() else { continue };
                annotations.push(Annotation {
                    id: annotations.len() + 1,
                    image_id,
                    category_id: category.get(item.instance.label.as_str()).copied().unwrap_or_default(),
                    area: segmentation.area(),
                    segmentation,
                    bbox: [x0, y0, x1 - x0, y1 - y0],
                    iscrowd: 0,
                    instance_uid: mask.instance_id,
                    score: mask.score,
                    caption: item.instance.caption.clone(),
                });
            }
        }
        let categories =
            category.into_iter().map(|(name, id)| Category { id, name: name.into(), supercategory: "object" });
        Ok(Self {
            info: Info { description: meta.name, version: meta.program, units: meta.units },
            licenses: Vec::new(),
            images,
            annotations,
            categories: categories.collect(),
        })
    }
}
