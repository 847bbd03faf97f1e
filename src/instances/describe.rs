//! Captions by a vision-language model (Holi-Spatial 1.11).

use super::Built;
use crate::perception::View;
use crate::perception::vlm::{Vlm, VlmError};
use crate::scene::{Cancelled, Instance, InstanceState, Job, Rle};
use image::{Rgb, RgbImage};
use serde_json::json;

/// Width of the outline in pixels.
const OUTLINE: i64 = 3;
/// Colour of the outline.
const RED: Rgb<u8> = Rgb([255, 0, 0]);
/// Longest answer, tokens.
const TOKENS: u32 = 256;

/// What can end the asking.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// By the user.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The server does not answer.
    #[error(transparent)]
    Vlm(#[from] VlmError),
}

/// Asks for a caption of every instance that was not dropped, on the image that shows it best with its outline in red.
/// An empty answer leaves the measured caption, which stays in the evidence either way.
pub fn describe(vlm: &Vlm, views: &[View], built: &mut Built, job: &dyn Job) -> Result<(), DescribeError> {
    let total = built.instances.len();
    for (done, instance) in built.instances.iter_mut().enumerate() {
        job.tick(done, total)?;
        let Some(at) = views.iter().position(|v| v.stem == instance.best_view) else { continue };
        let mask = built.masks[at].masks.iter().find(|m| m.instance_id == instance.id);
        let Some(mask) = mask.filter(|_| instance.state != InstanceState::Dropped) else { continue };
        let answer = vlm.ask(&question(instance), &[outlined(views[at].image, &mask.segmentation)], TOKENS)?;
        if let Some(line) = answer.lines().map(str::trim).find(|l| !l.is_empty()) {
            let measured = std::mem::replace(&mut instance.caption, line.to_owned());
            if let Some(evidence) = instance.evidence.as_object_mut() {
                evidence.insert("caption".into(), json!({ "source": vlm.model(), "measured": measured }));
            }
        }
    }
    Ok(())
}

fn question(instance: &Instance) -> String {
    format!(
        "One object in this photo, probably a {}, is outlined in red. Describe it in one line of 10 to 15 words: its \
         type, colour, material, shape, text and parts that can be seen. Name neighbours if they help to tell it apart. \
         Do not mention the outline, and do not say where in the picture it is.",
        instance.label
    )
}

/// The photo with the border of the mask drawn in red.
fn outlined(image: &RgbImage, mask: &Rle) -> RgbImage {
    let (w, h) = (i64::from(mask.width), i64::from(mask.height));
    let bits = mask.decode();
    let inside = |x: i64, y: i64| x >= 0 && y >= 0 && x < w && y < h && bits[(y * w + x) as usize];
    let mut out = image.clone();
    for (x, y, pixel) in out.enumerate_pixels_mut() {
        let (x, y) = (i64::from(x), i64::from(y));
        let near = |d: i64| inside(x + d, y) || inside(x - d, y) || inside(x, y + d) || inside(x, y - d);
        if !inside(x, y) && (1..=OUTLINE).any(near) {
            *pixel = RED;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_surrounds_the_mask_and_leaves_it() {
        let mut bits = vec![false; 20 * 20];
        (8..12).for_each(|y| (8..12).for_each(|x| bits[y * 20 + x] = true));
        let out = outlined(&RgbImage::new(20, 20), &Rle::encode(20, 20, &bits));
        assert_eq!(out.get_pixel(9, 9), &Rgb([0, 0, 0]));
        assert_eq!(out.get_pixel(7, 9), &RED);
        assert_eq!(out.get_pixel(5, 9), &RED);
        assert_eq!(out.get_pixel(4, 9), &Rgb([0, 0, 0]));
    }
}
