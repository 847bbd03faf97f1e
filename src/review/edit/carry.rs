//! The mask of a thing carried from one photo to others: its points by depth, seen there, are a prompt there.

use super::points::Shot;
use crate::models::ModelError;
use crate::perception::View;
use crate::perception::prompt::{Prompt, PromptSegmenter};
use crate::scene::{Camera, DepthMap, Rle};
use nalgebra::Point3;

/// Most points of a thing that are projected: more say nothing new.
const MOST: usize = 3000;
/// How far the depth of another photo may be from that of a point that it sees, as a share of it.
const AGREES: f64 = 0.03;
/// Points that a photo must see for a mask to be carried there: so many, and this share of all.
const FEWEST: usize = 25;
const SEEN: f64 = 0.2;
/// Share of the points at each end of each side that are left out of the rectangle around them: depth is ragged at rims.
const TRIM: f64 = 0.01;
/// Share of the points seen that the mask there must cover.
const COVERED: f64 = 0.6;
/// Share of the mask there that, where the first photo sees it, must be in the mask it came from.
const RETURNED: f64 = 0.7;

/// A thing by its mask in one photo.
pub struct Thing {
    shot: Shot,
    points: Vec<Point3<f64>>,
}

impl Thing {
    /// Lifts a mask through the depth of its photo; both may be of any size. `None` where no depth is known in it.
    pub fn of(camera: &Camera, depth: DepthMap, mask: &Rle) -> Option<Self> {
        let shot = Shot::new(camera, depth, Some(mask));
        let all = shot.lifted();
        let step = all.len().div_ceil(MOST).max(1);
        let points: Vec<_> = all.into_iter().step_by(step).collect();
        (!points.is_empty()).then_some(Self { shot, points })
    }

    /// Share of its points that another photo sees, 0..1.
    pub fn share_seen(&self, camera: &Camera, depth: &DepthMap) -> f64 {
        self.seen(camera, depth).len() as f64 / self.points.len() as f64
    }

    /// Where another photo sees its points: pixels of the depth map, centres at +0.5.
    fn seen(&self, camera: &Camera, depth: &DepthMap) -> Vec<[f64; 2]> {
        let camera = camera.resized(depth.width, depth.height);
        let sees = |p: &Point3<f64>| {
            let (u, v, z) = camera.project(p)?;
            let d = f64::from(depth.at(u.floor() as i64, v.floor() as i64));
            (d > 0.0 && (d - z).abs() <= AGREES * z).then_some([u, v])
        };
        self.points.iter().filter_map(sees).collect()
    }

    /// The mask of the thing in another photo, at the size of that; `None` where it is hidden there for the most part, or
    /// where what is found does not agree with the mask it came from.
    pub fn carried(&self, segmenter: &dyn PromptSegmenter, to: &View) -> Result<Option<Rle>, ModelError> {
        let seen = self.seen(&to.camera, to.depth);
        if seen.len() < FEWEST || (seen.len() as f64) < SEEN * self.points.len() as f64 {
            return Ok(None);
        }
        let size = [f64::from(to.image.width()), f64::from(to.image.height())];
        let scale = [size[0] / f64::from(to.depth.width), size[1] / f64::from(to.depth.height)];
        let pixels: Vec<[f64; 2]> = seen.iter().map(|p| [p[0] * scale[0], p[1] * scale[1]]).collect();
        let Some(prompt) = prompt_of(&pixels) else { return Ok(None) };
        let Some(found) = segmenter.prepare(to)?.mask(&prompt)? else { return Ok(None) };
        let shot = Shot::new(&to.camera, to.depth.clone(), Some(&found.mask));
        let covered = seen.iter().filter(|p| shot.has(p[0] as i64, p[1] as i64)).count();
        if (covered as f64) < COVERED * seen.len() as f64 {
            return Ok(None);
        }
        let (back, all) = shot
            .lifted()
            .iter()
            .filter_map(|p| self.shot.says(p))
            .fold((0, 0), |(yes, n), is_in| (yes + usize::from(is_in), n + 1));
        Ok((f64::from(back as u32) >= RETURNED * f64::from(all as u32)).then_some(found.mask))
    }
}

/// The rectangle around some pixels of a thing but for outliers, and the pixel that is most in their middle.
fn prompt_of(pixels: &[[f64; 2]]) -> Option<Prompt> {
    let ends = |k: usize| {
        let mut all: Vec<f64> = pixels.iter().map(|p| p[k]).collect();
        all.sort_by(f64::total_cmp);
        let cut = (all.len() as f64 * TRIM) as usize;
        Some((*all.get(cut)?, *all.get(all.len().checked_sub(1 + cut)?)?, all[all.len() / 2]))
    };
    let ((x0, x1, x), (y0, y1, y)) = (ends(0)?, ends(1)?);
    let off = |p: &[f64; 2]| (p[0] - x).powi(2) + (p[1] - y).powi(2);
    let middle = pixels.iter().min_by(|a, b| off(a).total_cmp(&off(b)))?;
    Some(Prompt { points: vec![(*middle, true)], rectangle: Some([x0 - 0.5, y0 - 0.5, x1 + 0.5, y1 + 0.5]) })
}
