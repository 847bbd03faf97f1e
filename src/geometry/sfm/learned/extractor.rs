//! Models that find and describe keypoints of one photo.

use super::recognise::{Wants, to_photo};
use super::{KeypointSet, Learned, nearest};
use crate::models::{Model, ModelError, Tensor};
use image::RgbImage;

/// Pixels at a side that was filled up where no keypoint is believed.
const RIM: f32 = 4.0;
/// Keypoints kept of a photo, surest first.
const MOST: usize = 4096;
/// Surest keypoints of a photo that tell whether another looks like it.
const LOOKED_AT: usize = 512;
/// Least cosine of XFeat descriptors that match (verlab/accelerated_features, `match`).
const XFEAT_COSINE: f32 = 0.82;
/// The same for SuperPoint, which sees grey photos: a distance of 0.7 between unit descriptors, as hloc has it.
const GREY_COSINE: f32 = 1.0 - 0.7 * 0.7 / 2.0;
/// The same for others: of ALIKED's n16 and t16 more photos of real places are placed, and as exactly, with anything from 0.60 to 0.67.
const COLOUR_COSINE: f32 = 0.63;

/// An extractor, with LightGlue or with nearest neighbours.
pub(super) struct Extractor {
    model: Model,
    matcher: Option<Model>,
    wants: Wants,
    least_cosine: f32,
}

impl Extractor {
    pub(super) fn new(model: Model, xfeat: bool, matcher: Option<Model>) -> Result<Self, ModelError> {
        let wants = Wants::of(model.path(), model.signature(), xfeat)?;
        let least_cosine = match (xfeat, wants.grey()) {
            (true, _) => XFEAT_COSINE,
            (false, true) => GREY_COSINE,
            (false, false) => COLOUR_COSINE,
        };
        Ok(Self { model, matcher, wants, least_cosine })
    }

    /// Keypoints in the model's pixels, `[N, 2]` or `[1, N, 2]`, with descriptors and scores of the same number.
    fn read(&self, image: &RgbImage) -> Result<(Vec<[f32; 2]>, Vec<f32>, Vec<f32>, [usize; 2]), ModelError> {
        let planes = self.wants.planes(image);
        let size = [planes.width, planes.height];
        let planes = self.wants.filled_up(&planes);
        let tensor = Tensor::f32(&[1, planes.channels(), planes.height, planes.width], planes.data);
        let name = &self.model.signature().inputs[0].name;
        let outputs = self.model.run(&[(name, &tensor)])?;
        let wanted = "keypoints [N, 2], descriptors [N, D] and scores [N]";
        let (Some(points), Some(described)) = (outputs.named(&["keypoints"]), outputs.named(&["descriptors"])) else {
            return Err(outputs.unexpected(wanted));
        };
        let n = points.len() / 2;
        let points = points.to_f32();
        let scores = outputs.named(&["scores"]).map_or_else(|| vec![1.0; n], |s| s.to_f32().into_owned());
        let whole = points.len() == 2 * n && scores.len() == n && described.len().is_multiple_of(n.max(1));
        if !whole || (n > 0 && described.is_empty()) {
            return Err(outputs.unexpected(wanted));
        }
        let points = points.chunks_exact(2).map(|p| [p[0], p[1]]).collect();
        Ok((points, described.to_f32().into_owned(), scores, size))
    }

    /// Matches by LightGlue of descriptors. Keypoints are centred and divided by half the longer side, as `kpts0` and
    /// `kpts1` are wanted by fabio-sim/LightGlue-ONNX v1.
    fn light_glue(&self, matcher: &Model, a: &KeypointSet, b: &KeypointSet) -> Result<Vec<(u32, u32)>, ModelError> {
        let points = |set: &KeypointSet| {
            let half = set.size[0].max(set.size[1]) as f32 / 2.0;
            let centred = set.raw().flat_map(|k| [0, 1].map(|x| (k[x] - set.size[x] as f32 / 2.0) / half));
            Tensor::f32(&[1, set.len(), 2], centred.collect())
        };
        let described = |set: &KeypointSet| Tensor::f32(&[1, set.len(), set.dim], set.descriptors.clone());
        let inputs = [points(a), points(b), described(a), described(b)];
        let names = ["kpts0", "kpts1", "desc0", "desc1"];
        let fed: Vec<(&str, &Tensor)> = names.into_iter().zip(&inputs).collect();
        let outputs = matcher.run(&fed)?;
        let Some(found) = outputs.named(&["matches0"]).filter(|m| m.is_empty() || m.dims.last() == Some(&2)) else {
            return Err(outputs.unexpected("matches0 [S, 2]"));
        };
        Ok(one_to_one(found.to_i64().chunks_exact(2).map(|m| (m[0], m[1])), a.len(), b.len()))
    }
}

impl KeypointSet {
    /// Keypoints in the model's pixels, the first pixel's centre at 0.
    fn raw(&self) -> impl Iterator<Item = [f32; 2]> {
        let photo = self.photo_size;
        self.xy.iter().map(move |p| [0, 1].map(|k| p[k] * self.size[k] as f32 / photo[k] as f32 - 0.5))
    }
}

/// Matches with indices that exist, each keypoint at most once, ascending in the first.
pub(super) fn one_to_one(matches: impl Iterator<Item = (i64, i64)>, a: usize, b: usize) -> Vec<(u32, u32)> {
    let (mut in_a, mut in_b) = (vec![false; a], vec![false; b]);
    let mut out = Vec::new();
    for (i, j) in matches {
        let (Ok(i), Ok(j)) = (usize::try_from(i), usize::try_from(j)) else { continue };
        if i < a && j < b && !in_a[i] && !in_b[j] {
            (in_a[i], in_b[j]) = (true, true);
            out.push((i as u32, j as u32));
        }
    }
    out.sort_unstable();
    out
}

impl Learned for Extractor {
    fn name(&self) -> String {
        let files: Vec<String> = std::iter::once(&self.model).chain(&self.matcher).map(super::name_of).collect();
        files.join(", ")
    }

    fn provider(&self) -> (&'static str, Option<String>) {
        self.model.provider()
    }

    fn extract(&self, image: &RgbImage) -> Result<KeypointSet, ModelError> {
        let (points, described, scores, size) = self.read(image)?;
        let dim = described.len() / points.len().max(1);
        let photo = [image.width() as usize, image.height() as usize];
        // What is added to fill up the sides makes an edge, and keypoints on it.
        let rim =
            |k: usize| if self.wants.is_filled(size[k], k) { RIM * photo[k] as f32 / size[k] as f32 } else { 0.0 };
        let inside = |p: &[f32; 2]| (0..2).all(|k| p[k] >= 0.0 && p[k] < photo[k] as f32 - rim(k));
        let mut order: Vec<(usize, [f32; 2])> =
            points.iter().map(|p| to_photo(*p, size, photo)).enumerate().filter(|(_, p)| inside(p)).collect();
        order.sort_by(|(i, _), (j, _)| scores[*j].total_cmp(&scores[*i]).then(i.cmp(j)));
        order.truncate(MOST);
        let mut descriptors = Vec::with_capacity(order.len() * dim);
        order.iter().for_each(|(i, _)| descriptors.extend_from_slice(&described[i * dim..(i + 1) * dim]));
        nearest::normalise(&mut descriptors, dim);
        Ok(KeypointSet {
            xy: order.iter().map(|(_, p)| *p).collect(),
            descriptors,
            dim,
            scores: order.iter().map(|(i, _)| scores[*i]).collect(),
            size,
            photo_size: photo,
            photo: None,
        })
    }

    fn likeness(&self, a: &KeypointSet, b: &KeypointSet) -> usize {
        let most = |set: &KeypointSet| set.descriptors.len().min(LOOKED_AT * set.dim);
        match a.dim == b.dim {
            true => {
                let (a, b, dim) = (&a.descriptors[..most(a)], &b.descriptors[..most(b)], a.dim);
                nearest::mutual(a, b, dim, self.least_cosine).len()
            }
            false => 0,
        }
    }

    fn matches(&self, a: &KeypointSet, b: &KeypointSet) -> Result<Vec<(u32, u32)>, ModelError> {
        if a.is_empty() || b.is_empty() || a.dim != b.dim {
            return Ok(Vec::new());
        }
        match &self.matcher {
            Some(matcher) => self.light_glue(matcher, a, b),
            None => Ok(nearest::mutual(&a.descriptors, &b.descriptors, a.dim, self.least_cosine)),
        }
    }
}
