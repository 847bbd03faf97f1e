//! Masks that another program made: `mask_index.json` in the layout of Holi-Spatial.

use crate::scene::{FrameMasks, Job, Mask2d, Rle};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What can be wrong with a file of masks as a whole.
#[derive(Debug, thiserror::Error)]
pub enum MaskFileError {
    /// It is not there or cannot be read.
    #[error("cannot read the masks in {}: {source}", path.display())]
    Read {
        /// The file that was sought.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a `mask_index.json`.
    #[error("{} is not a mask index: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it went wrong.
        source: serde_json::Error,
    },
    /// None of its masks is for one of the frames.
    #[error("none of the {items} masks in {} is for a frame of this capture", path.display())]
    Unrelated {
        /// The file.
        path: PathBuf,
        /// Masks in it.
        items: usize,
    },
}

#[derive(Deserialize)]
struct Index {
    items: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Item {
    image: String,
    label: String,
    mask_rle: Rle,
    #[serde(default = "one")]
    score: f64,
}

fn one() -> f64 {
    1.0
}

/// A frame that masks are sought for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// File name of the image.
    pub name: &'a str,
    /// Stem: what items are matched by.
    pub stem: &'a str,
    /// Width of the image in pixels.
    pub width: u32,
    /// Height of the image in pixels.
    pub height: u32,
}

/// Reads a `mask_index.json`, or the one in a folder, into one entry per frame. Items go to frames by the stem of their
/// image; a mask of another size is resized to its frame by nearest neighbour; instance ids are 0, since the layout has
/// none. Items that cannot be used are counted in a warning.
pub fn read(path: &Path, frames: &[Wanted], job: &dyn Job) -> Result<Vec<FrameMasks>, MaskFileError> {
    let path = if path.is_dir() { path.join("mask_index.json") } else { path.to_path_buf() };
    let text = std::fs::read(&path).map_err(|source| MaskFileError::Read { path: path.clone(), source })?;
    let index: Index =
        serde_json::from_slice(&text).map_err(|source| MaskFileError::Malformed { path: path.clone(), source })?;
    let by_stem: BTreeMap<&str, usize> = frames.iter().enumerate().map(|(i, f)| (f.stem, i)).collect();
    let mut out: Vec<FrameMasks> = frames
        .iter()
        .map(|f| FrameMasks { image: f.name.into(), width: f.width, height: f.height, masks: Vec::new() })
        .collect();
    let (items, mut broken, mut unknown) = (index.items.len(), 0usize, 0usize);
    for value in index.items {
        let Ok(item) = serde_json::from_value::<Item>(value) else {
            broken += 1;
            continue;
        };
        let stem = Path::new(&item.image).file_stem().and_then(|s| s.to_str()).unwrap_or(&item.image);
        let Some(frame) = by_stem.get(stem) else {
            unknown += 1;
            continue;
        };
        let rle = item.mask_rle;
        if rle.width == 0 || rle.height == 0 || !item.score.is_finite() {
            broken += 1;
            continue;
        }
        let f = &mut out[*frame];
        f.masks.push(Mask2d {
            instance_id: 0,
            label: item.label.trim().to_lowercase(),
            score: item.score.clamp(0.0, 1.0),
            segmentation: resized(rle, f.width, f.height),
        });
    }
    if items == 0 || unknown + broken < items {
        if broken > 0 {
            job.warn(format!("{broken} of the {items} masks in {} are malformed and were left out", path.display()));
        }
        if unknown > 0 {
            job.warn(format!(
                "{unknown} of the {items} masks in {} are for images that are not in this capture",
                path.display()
            ));
        }
        return Ok(out);
    }
    Err(MaskFileError::Unrelated { path, items })
}

/// The mask at another size, by nearest neighbour.
pub(crate) fn resized(mask: Rle, width: u32, height: u32) -> Rle {
    if (mask.width, mask.height) == (width, height) {
        return mask;
    }
    let bits = mask.decode();
    let from = |i: u32, n: u32, m: u32| ((f64::from(i) + 0.5) * f64::from(m) / f64::from(n)) as u32;
    let pixels: Vec<bool> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| bits[(from(y, height, mask.height) * mask.width + from(x, width, mask.width)) as usize])
        .collect();
    Rle::encode(width, height, &pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Cancelled, Quiet};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Listening(Mutex<Vec<String>>);

    impl Job for Listening {
        fn tick(&self, _: usize, _: usize) -> Result<(), Cancelled> {
            Ok(())
        }

        fn warn(&self, message: String) {
            self.0.lock().unwrap().push(message);
        }
    }

    fn frames() -> Vec<Wanted<'static>> {
        vec![
            Wanted { name: "a.jpg", stem: "a", width: 8, height: 4 },
            Wanted { name: "b.png", stem: "b", width: 4, height: 2 },
        ]
    }

    fn mask() -> Rle {
        let bits: Vec<bool> = (0..32).map(|i| i % 8 >= 4).collect();
        Rle::encode(8, 4, &bits)
    }

    fn item(image: &str, counts: serde_json::Value) -> serde_json::Value {
        serde_json::json!({"image": image, "label": " Chair ", "mask_path": "x", "bbox": [0, 0, 1, 1], "score": 0.8,
            "mask_rle": {"size": [4, 8], "counts": counts}})
    }

    fn write(dir: &Path, items: &[serde_json::Value]) -> PathBuf {
        let path = dir.join("mask_index.json");
        let text = serde_json::json!({"scene": "s", "image_root": "rgb", "mask_root": ".", "items": items, "missing_images": []});
        std::fs::write(&path, text.to_string()).unwrap();
        path
    }

    #[test]
    fn reads_resizes_and_counts_what_it_cannot_use() {
        let dir = tempfile::tempdir().unwrap();
        let good = serde_json::json!(mask().to_coco());
        let items = [
            item("rgb/a.jpg", good.clone()),
            item("b.jpg", good.clone()),
            item("c.jpg", good),
            item("a.jpg", serde_json::json!("~~~")),
        ];
        write(dir.path(), &items);
        let job = Listening::default();
        let read = read(dir.path(), &frames(), &job).unwrap();
        assert_eq!(read[0].masks.len(), 1);
        let m = &read[0].masks[0];
        assert_eq!((m.label.as_str(), m.instance_id, m.score, &m.segmentation), ("chair", 0, 0.8, &mask()));
        assert_eq!(read[1].masks[0].segmentation.decode(), [false, false, true, true, false, false, true, true]);
        let warnings = job.0.lock().unwrap();
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].starts_with("1 of the 4 masks") && warnings[1].contains("not in this capture"));
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let missing = read(&dir.path().join("no.json"), &frames(), &Quiet).unwrap_err().to_string();
        assert!(missing.contains("no.json"), "{missing}");
        let path = write(dir.path(), &[item("z.jpg", serde_json::json!(mask().to_coco()))]);
        assert!(read(&path, &frames(), &Quiet).unwrap_err().to_string().contains("none of the 1 masks"));
        std::fs::write(&path, "{\"items\": 3}").unwrap();
        let bad = read(&path, &frames(), &Quiet).unwrap_err().to_string();
        assert!(bad.contains("mask_index.json is not a mask index"), "{bad}");
    }
}
