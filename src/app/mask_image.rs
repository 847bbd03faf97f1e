//! Masks as a translucent picture over the photo.

use super::overlay::color;
use crate::scene::{FrameMasks, Mask2d};

/// A picture with straight alpha, row-major.
#[derive(Debug, PartialEq)]
pub(super) struct MaskImage {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// RGBA.
    pub pixels: Vec<[u8; 4]>,
}

/// Longest side: more is not seen, and costs time on every change of the selection.
const LONGEST: u32 = 1024;

/// Opacity of masks that are not selected: those of an eighth of the photo and more, and the others.
const LARGE: u8 = 34;
const SMALL: u8 = 76;

/// Paints the masks of a frame, the larger below; `selected` gets an outline and stands out. Only `shown` ids.
pub(super) fn paint(frame: &FrameMasks, selected: Option<u32>, shown: impl Fn(u32) -> bool) -> MaskImage {
    let shrink = frame.width.max(frame.height).div_ceil(LONGEST).max(1) as usize;
    let (w, h) = ((frame.width as usize).div_ceil(shrink).max(1), (frame.height as usize).div_ceil(shrink).max(1));
    let mut image = MaskImage { width: w, height: h, pixels: vec![[0; 4]; w * h] };
    let mut masks: Vec<&Mask2d> = frame.masks.iter().filter(|m| m.instance_id == 0 || shown(m.instance_id)).collect();
    masks.sort_by_key(|m| std::cmp::Reverse(m.segmentation.area()));
    for (k, m) in masks.iter().enumerate() {
        let [r, g, b] = if m.instance_id == 0 { color(k as u32) } else { color(m.instance_id) };
        // Walls and floors cover much of a photo: they must not drown it.
        let large = m.segmentation.area() * 8 > u64::from(frame.width) * u64::from(frame.height);
        let alpha = match (selected, large) {
            (Some(id), _) if id == m.instance_id => 120,
            (_, true) => LARGE,
            (_, false) => SMALL,
        };
        for_each_pixel(m, shrink, w, h, |at| image.pixels[at] = [r, g, b, alpha]);
        if m.instance_id != 0 {
            outline(m, shrink, [r, g, b, 210], 1, &mut image);
        }
    }
    for m in masks.iter().filter(|m| m.instance_id != 0 && selected == Some(m.instance_id)) {
        outline(m, shrink, [255; 4], 2, &mut image);
    }
    image
}

/// The bright outline of one instance alone; `None` where the frame does not show it.
pub(super) fn paint_outline(frame: &FrameMasks, id: u32) -> Option<MaskImage> {
    let mine: Vec<&Mask2d> = frame.masks.iter().filter(|m| m.instance_id == id).collect();
    let shrink = frame.width.max(frame.height).div_ceil(LONGEST).max(1) as usize;
    let (w, h) = ((frame.width as usize).div_ceil(shrink).max(1), (frame.height as usize).div_ceil(shrink).max(1));
    let mut image = MaskImage { width: w, height: h, pixels: vec![[0; 4]; w * h] };
    mine.iter().for_each(|m| outline(m, shrink, [255, 255, 255, 230], 1, &mut image));
    (!mine.is_empty()).then_some(image)
}

fn for_each_pixel(mask: &Mask2d, shrink: usize, w: usize, h: usize, mut f: impl FnMut(usize)) {
    mask.segmentation.for_each_run(|x, y0, y1| {
        if x % shrink == 0 && x / shrink < w {
            for y in y0.div_ceil(shrink)..y1.div_ceil(shrink).min(h) {
                f(y * w + x / shrink);
            }
        }
    });
}

/// A line along the inner edge, `wide` pixels.
fn outline(mask: &Mask2d, shrink: usize, color: [u8; 4], wide: i64, image: &mut MaskImage) {
    let (w, h) = (image.width, image.height);
    let mut inside = vec![false; w * h];
    for_each_pixel(mask, shrink, w, h, |at| inside[at] = true);
    let is_in = |x: i64, y: i64| {
        (0..w as i64).contains(&x) && (0..h as i64).contains(&y) && inside[y as usize * w + x as usize]
    };
    for (at, _) in inside.iter().enumerate().filter(|i| *i.1) {
        let (x, y) = ((at % w) as i64, (at / w) as i64);
        if (1..=wide).any(|d| !(is_in(x - d, y) && is_in(x + d, y) && is_in(x, y - d) && is_in(x, y + d))) {
            image.pixels[at] = color;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Rle;

    fn frame(w: u32, h: u32, masks: &[(u32, fn(u32, u32) -> bool)]) -> FrameMasks {
        let masks = masks
            .iter()
            .map(|(id, f)| {
                let pixels: Vec<bool> = (0..w * h).map(|i| f(i % w, i / w)).collect();
                let segmentation = Rle::encode(w, h, &pixels);
                Mask2d { instance_id: *id, label: String::new(), score: 1.0, segmentation }
            })
            .collect();
        FrameMasks { image: "a.png".into(), width: w, height: h, masks }
    }

    #[test]
    fn small_masks_lie_on_top_and_the_selected_has_an_outline() {
        let f = frame(20, 20, &[(2, |x, y| x > 9 && y > 9), (1, |_, _| true)]);
        let image = paint(&f, Some(2), |_| true);
        assert_eq!(image.pixels[0][..3], color(1));
        assert_eq!(image.pixels[15 * 20 + 15][..3], color(2));
        assert_eq!(image.pixels[10 * 20 + 15], [255; 4]);
        let without = paint(&f, None, |id| id == 1);
        assert_eq!(without.pixels[15 * 20 + 15][..3], color(1));
    }

    #[test]
    fn an_outline_alone() {
        let f = frame(8, 8, &[(2, |x, y| x > 1 && x < 6 && y > 1 && y < 6), (1, |_, _| true)]);
        let image = paint_outline(&f, 2).unwrap();
        let at = |x: usize, y: usize| image.pixels[y * 8 + x][3];
        assert_eq!([at(2, 2), at(5, 3), at(3, 3), at(1, 2), at(7, 7)], [230, 230, 0, 0, 0]);
        assert_eq!(paint_outline(&f, 3), None);
    }

    #[test]
    fn large_frames_are_shrunk() {
        let f = frame(3000, 7, &[(1, |x, _| x >= 1500)]);
        let image = paint(&f, None, |_| true);
        assert_eq!((image.width, image.height), (1000, 3));
        assert_eq!(image.pixels[1000 + 499][3], 0);
        assert_eq!(image.pixels[1000 + 501][3], LARGE);
    }
}
