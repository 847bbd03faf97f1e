//! Models that take two photos and give keypoints of both with matches. Keypoints of a photo depend on it alone, so they
//! are found by showing it twice; the matches of a pair are then brought to those by place.

use super::extractor::one_to_one;
use super::recognise::{Wants, to_photo};
use super::{KeypointSet, Learned};
use crate::models::{Model, ModelError, Outputs, Planes, Tensor};
use image::RgbImage;
use std::sync::Arc;

/// Distance in the model's pixels within which a keypoint of a pair is one of the photo's own.
const SAME: f32 = 0.75;

/// A LightGlue pipeline, or an end-to-end file.
pub(super) struct Pairwise {
    model: Model,
    wants: Wants,
    /// One input of two photos, or two inputs of one.
    stacked: bool,
}

/// Keypoints of both photos in the model's pixels, and matches between them.
struct Pair {
    points: [Vec<[f32; 2]>; 2],
    matches: Vec<(i64, i64)>,
}

impl Pairwise {
    pub(super) fn new(model: Model) -> Result<Self, ModelError> {
        let wants = Wants::of(model.path(), model.signature(), false)?;
        let stacked = model.signature().inputs.len() == 1;
        Ok(Self { model, wants, stacked })
    }

    fn run(&self, a: &Planes, b: &Planes) -> Result<Pair, ModelError> {
        let [a, b] = [a, b].map(|p| self.wants.filled_up(p));
        let size = (a.width.max(b.width), a.height.max(b.height));
        // Photos of two sizes share a canvas; what is added is black and has no keypoints.
        let [a, b] = [a, b].map(|p| p.padded(size, (0, 0), 0.0));
        let channels = a.channels();
        let outputs = if self.stacked {
            let both = Tensor::f32(&[2, channels, size.1, size.0], [a.data, b.data].concat());
            self.model.run(&[(&self.model.signature().inputs[0].name, &both)])?
        } else {
            let [a, b] = [a, b].map(|p| Tensor::f32(&[1, channels, size.1, size.0], p.data));
            self.model.run(&[("image0", &a), ("image1", &b)])?
        };
        if self.stacked { stacked_pair(&outputs) } else { separate_pair(&outputs) }
    }
}

fn points_of(tensor: &Tensor) -> Vec<[f32; 2]> {
    tensor.to_f32().chunks_exact(2).map(|p| [p[0], p[1]]).collect()
}

/// `keypoints` `[2, K, 2]`, `matches` `[M, 3]`: pair, index in the first photo, index in the second.
fn stacked_pair(outputs: &Outputs) -> Result<Pair, ModelError> {
    let wanted = "keypoints [2, K, 2] and matches [M, 3]";
    let (Some(keypoints), Some(matches)) = (outputs.named(&["keypoints"]), outputs.named(&["matches"])) else {
        return Err(outputs.unexpected(wanted));
    };
    let listed = matches.is_empty() || matches.dims.last() == Some(&3);
    if !listed || !keypoints.len().is_multiple_of(4) || keypoints.dims.first() != Some(&2) {
        return Err(outputs.unexpected(wanted));
    }
    let all = points_of(keypoints);
    let (first, second) = all.split_at(all.len() / 2);
    let matches = matches.to_i64().chunks_exact(3).filter(|m| m[0] == 0).map(|m| (m[1], m[2])).collect();
    Ok(Pair { points: [first.to_vec(), second.to_vec()], matches })
}

/// `kpts0`, `kpts1` `[1, N, 2]`, `matches0` `[S, 2]`.
fn separate_pair(outputs: &Outputs) -> Result<Pair, ModelError> {
    let wanted = "kpts0 and kpts1 [1, N, 2] and matches0 [S, 2]";
    let [Some(a), Some(b), Some(m)] = ["kpts0", "kpts1", "matches0"].map(|n| outputs.named(&[n])) else {
        return Err(outputs.unexpected(wanted));
    };
    if !(m.is_empty() || m.dims.last() == Some(&2)) {
        return Err(outputs.unexpected(wanted));
    }
    let matches = m.to_i64().chunks_exact(2).map(|m| (m[0], m[1])).collect();
    Ok(Pair { points: [points_of(a), points_of(b)], matches })
}

/// For each point the nearest of `own`, if it is the same place; ties go to the first.
fn indices_in(own: &KeypointSet, points: &[[f32; 2]], size: [usize; 2]) -> Vec<i64> {
    let scale = [0, 1].map(|k| own.photo_size[k] as f32 / size[k] as f32);
    // In columns of one pixel of the photo, so that few are compared.
    let mut columns: Vec<Vec<u32>> = vec![Vec::new(); own.photo_size[0] + 1];
    own.xy.iter().enumerate().for_each(|(i, p)| columns[(p[0] as usize).min(own.photo_size[0])].push(i as u32));
    let reach = SAME * scale[0].max(scale[1]);
    points
        .iter()
        .map(|k| {
            let p = to_photo(*k, size, own.photo_size);
            let first = (p[0] - reach).max(0.0) as usize;
            let last = ((p[0] + reach).max(0.0) as usize).min(own.photo_size[0]);
            let near = (first..=last).flat_map(|c| columns.get(c).into_iter().flatten()).map(|i| {
                let q = own.xy[*i as usize];
                ((q[0] - p[0]).hypot(q[1] - p[1]), *i)
            });
            let best = near.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            best.filter(|(d, _)| *d <= reach).map_or(-1, |(_, i)| i64::from(i))
        })
        .collect()
}

impl Learned for Pairwise {
    fn name(&self) -> String {
        super::name_of(&self.model)
    }

    fn provider(&self) -> (&'static str, Option<String>) {
        self.model.provider()
    }

    fn extract(&self, image: &RgbImage) -> Result<KeypointSet, ModelError> {
        let shown = self.wants.bytes(image);
        let planes = self.wants.planes(&shown);
        let size = [planes.width, planes.height];
        let photo_size = [image.width() as usize, image.height() as usize];
        let [points, _] = self.run(&planes, &planes)?.points;
        let inside = |p: &[f32; 2]| (0..2).all(|k| p[k] >= 0.0 && p[k] < photo_size[k] as f32);
        let xy: Vec<[f32; 2]> = points.iter().map(|k| to_photo(*k, size, photo_size)).filter(inside).collect();
        let scores = vec![1.0; xy.len()];
        let photo = Some(Arc::new(shown));
        Ok(KeypointSet { xy, scores, size, photo_size, photo, ..KeypointSet::default() })
    }

    fn matches(&self, a: &KeypointSet, b: &KeypointSet) -> Result<Vec<(u32, u32)>, ModelError> {
        let (Some(first), Some(second)) = (&a.photo, &b.photo) else { return Ok(Vec::new()) };
        if a.is_empty() || b.is_empty() {
            return Ok(Vec::new());
        }
        let pair = self.run(&self.wants.planes(first), &self.wants.planes(second))?;
        let [in_a, in_b] = [(a, 0), (b, 1)].map(|(set, k)| indices_in(set, &pair.points[k], set.size));
        let known = |list: &[i64], k: i64| usize::try_from(k).ok().and_then(|k| list.get(k).copied()).unwrap_or(-1);
        let matches = pair.matches.iter().map(|(i, j)| (known(&in_a, *i), known(&in_b, *j)));
        Ok(one_to_one(matches, a.len(), b.len()))
    }
}
