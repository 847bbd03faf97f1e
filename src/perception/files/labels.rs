//! A folder for each label, with a PNG picture for each photo that shows it: `LABEL/STEM.png`, a mask where it is not 0.

use super::collect::{Collector, Entry};
use super::{MaskFileError, folders, picture, pictures};
use crate::scene::Rle;
use std::path::Path;

/// Reads the pictures of all labels. In the name of a folder `_` stands for a space.
pub(super) fn read(collector: &mut Collector) -> Result<(), MaskFileError> {
    let folders = folders(collector.path);
    for (k, folder) in folders.iter().enumerate() {
        let label = folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().replace('_', " "));
        for file in pictures(folder) {
            collector.job.tick(k, folders.len())?;
            let image = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            let Some(frame) = collector.frame_of(&image) else { continue };
            let name = format!("{label} of {image}");
            match mask(&file) {
                Ok(mask) => {
                    collector.add(&name, Entry { frame, label: label.clone(), score: 1.0, instance_id: 0, mask })
                }
                Err(why) => collector.broken(&name, &why),
            }
        }
    }
    Ok(())
}

fn mask(file: &Path) -> Result<Rle, String> {
    let numbers = picture::read(file)?;
    let set: Vec<bool> = numbers.data.iter().map(|v| *v != 0).collect();
    Ok(Rle::encode(numbers.width, numbers.height, &set))
}
