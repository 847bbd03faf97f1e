//! Features and matches as structure from motion takes them: SIFT's, or those of a learned model.

use super::{KeypointSet, Learned};
use crate::geometry::sfm::SfmError;
use crate::geometry::sfm::features::Features;
use crate::geometry::sfm::graph::Tick;
use crate::geometry::sfm::matching::match_features;
use crate::models::ModelError;
use crate::scene::Intrinsics;
use image::RgbImage;
use image::imageops::{FilterType, resize};

/// Where the matches of a pair of photos come from.
pub(in crate::geometry::sfm) struct Source<'a> {
    learned: Option<(&'a dyn Learned, Vec<KeypointSet>)>,
}

impl<'a> Source<'a> {
    /// Puts the learned model's keypoints, if there is one, in the place of `features`; `working` gives the size that
    /// each photo is looked at.
    pub(in crate::geometry::sfm) fn new(
        learned: Option<&'a dyn Learned>,
        images: &[&RgbImage],
        working: &[Intrinsics],
        features: &mut Vec<Features>,
        tick: Tick,
    ) -> Result<Self, SfmError> {
        let Some(learned) = learned else { return Ok(Self { learned: None }) };
        let mut sets = Vec::with_capacity(images.len());
        for (k, (image, size)) in images.iter().zip(working).enumerate() {
            tick(k, images.len())?;
            let (w, h) = (size.width, size.height);
            sets.push(match image.dimensions() == (w, h) {
                true => learned.extract(image)?,
                false => learned.extract(&resize(*image, w, h, FilterType::Triangle))?,
            });
        }
        *features = sets
            .iter()
            .map(|s| Features { points: s.xy.iter().map(|p| p.map(f64::from)).collect(), ..Features::default() })
            .collect();
        Ok(Self { learned: Some((learned, sets)) })
    }

    /// Matches of the photos `i` and `j`: indices of their features.
    pub(in crate::geometry::sfm) fn matches(
        &self,
        features: &[Features],
        i: usize,
        j: usize,
    ) -> Result<Vec<(u32, u32)>, ModelError> {
        match &self.learned {
            Some((learned, sets)) => learned.matches(&sets[i], &sets[j]),
            None => Ok(match_features(&features[i], &features[j], usize::MAX)),
        }
    }
}
