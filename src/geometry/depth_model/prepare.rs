//! Photos as each family was trained with them.

use super::Family;
use crate::models::{Filter, Hints, IMAGENET_MEAN, IMAGENET_STD, Planes, Port};
use image::RgbImage;

/// Side of a patch of the vision transformers.
const PATCH: usize = 14;
/// Longest side of Depth Anything 3's photos.
const LONGEST_DA3: usize = 504;
/// Least side of Depth Anything V2's photos.
const LEAST_DA2: usize = 518;
/// Side of VGGT's square photos.
const SQUARE_VGGT: usize = 518;
/// Longest side shown to MoGe, which resizes inside: more pixels than this only cost memory.
const LONGEST_MOGE: usize = 1036;

/// A photo made ready, and where in it the photo's own pixels lie.
pub(super) struct Prepared {
    pub(super) planes: Planes,
    /// Left, top, width, height.
    pub(super) inner: [usize; 4],
}

/// What is done with a photo: resizes one after the other, then perhaps a canvas.
struct Plan {
    steps: Vec<(usize, usize, Filter)>,
    canvas: Option<(usize, usize)>,
}

impl Plan {
    fn stretch(width: usize, height: usize, filter: Filter) -> Self {
        Self { steps: vec![(width, height, filter)], canvas: None }
    }

    fn end(&self, from: (usize, usize)) -> (usize, usize) {
        self.steps.last().map_or(from, |s| (s.0, s.1))
    }
}

/// The multiple of 14 nearest to `v`, the larger of two.
fn nearest(v: usize) -> usize {
    ((v + PATCH / 2) / PATCH * PATCH).max(PATCH)
}

fn plan(family: Family, fixed: Option<(usize, usize)>, (w, h): (usize, usize)) -> Plan {
    let scaled = |scale: f64| [w, h].map(|v| ((v as f64 * scale).round_ties_even() as usize).max(1));
    let longest = w.max(h) as f64;
    match (family, fixed) {
        (Family::Vggt, fixed) => {
            let (to_w, to_h) = fixed.unwrap_or((SQUARE_VGGT, SQUARE_VGGT));
            let (long, short) = (w.max(h), w.min(h));
            let other =
                (short as f64 * to_w.min(to_h) as f64 / long as f64 / PATCH as f64).round_ties_even() as usize * PATCH;
            let other = other.max(PATCH);
            let (iw, ih) = if w >= h { (to_w, other.min(to_h)) } else { (other.min(to_w), to_h) };
            Plan { steps: vec![(iw, ih, Filter::Bicubic)], canvas: Some((to_w, to_h)) }
        }
        (Family::AnyView | Family::Single3, Some((fw, fh))) => {
            Plan::stretch(fw, fh, if fw > w || fh > h { Filter::Cubic } else { Filter::Area })
        }
        (Family::AnyView | Family::Single3, None) => {
            let mut steps = Vec::new();
            let scale = LONGEST_DA3 as f64 / longest;
            let [sw, sh] = scaled(scale);
            if w.max(h) != LONGEST_DA3 {
                steps.push((sw, sh, if scale > 1.0 { Filter::Cubic } else { Filter::Area }));
            }
            let (nw, nh) = (nearest(sw), nearest(sh));
            if (nw, nh) != (sw, sh) {
                steps.push((nw, nh, if nw > sw || nh > sh { Filter::Cubic } else { Filter::Area }));
            }
            Plan { steps, canvas: None }
        }
        (Family::Single2, Some((fw, fh))) => Plan::stretch(fw, fh, Filter::Cubic),
        (Family::Single2, None) => {
            let scale = (LEAST_DA2 as f64 / w as f64).max(LEAST_DA2 as f64 / h as f64);
            let side = |v: usize| {
                let near = (v as f64 * scale / PATCH as f64).round_ties_even() as usize * PATCH;
                if near < LEAST_DA2 { (v as f64 * scale / PATCH as f64).ceil() as usize * PATCH } else { near }
            };
            Plan::stretch(side(w), side(h), Filter::Cubic)
        }
        (Family::Moge, Some((fw, fh))) => Plan::stretch(fw, fh, Filter::Area),
        (Family::Moge, None) => {
            let [sw, sh] = scaled((LONGEST_MOGE as f64 / longest).min(1.0));
            Plan::stretch(sw, sh, Filter::Area)
        }
    }
}

/// Width and height that the input declares, if it declares both.
fn fixed(port: Option<&Port>) -> Option<(usize, usize)> {
    let dims = &port?.dims;
    let n = dims.len();
    Some((dims.get(n.checked_sub(1)?).copied().flatten()?, dims.get(n.checked_sub(2)?).copied().flatten()?))
}

/// Width and height at which a photo is shown to the model.
pub(super) fn size(family: Family, port: Option<&Port>, image: &RgbImage) -> (usize, usize) {
    let from = (image.width() as usize, image.height() as usize);
    let plan = plan(family, fixed(port), from);
    plan.canvas.unwrap_or_else(|| plan.end(from))
}

/// The photo as the model wants it: Depth Anything normalised by ImageNet's mean and deviation unless the graph does it,
/// MoGe and VGGT in 0..1, VGGT in the middle of a white square.
pub(super) fn prepare(family: Family, hints: &Hints, port: Option<&Port>, image: &RgbImage) -> Prepared {
    let mut planes = Planes::rgb(image);
    let plan = plan(family, fixed(port), (planes.width, planes.height));
    for (w, h, filter) in &plan.steps {
        planes = planes.resized(*w, *h, *filter);
        // The references of these two resize bytes; that of V2 resizes floats, and MoGe's leaves the size alone.
        if matches!(family, Family::AnyView | Family::Single3 | Family::Vggt) {
            planes = planes.in_bytes();
        }
    }
    let mut inner = [0, 0, planes.width, planes.height];
    if let Some((w, h)) = plan.canvas {
        (inner[0], inner[1]) = ((w - planes.width) / 2, (h - planes.height) / 2);
        planes = planes.padded((w, h), (inner[0], inner[1]), 1.0);
    }
    let imagenet = matches!(family, Family::AnyView | Family::Single3 | Family::Single2);
    if imagenet && !hints.normalised_in_graph {
        planes = planes.normalised(IMAGENET_MEAN, IMAGENET_STD);
    }
    Prepared { planes, inner }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes worked out by hand from the references' rules.
    #[test]
    fn sizes_are_those_of_the_references() {
        let size = |family, fixed, from| {
            let plan = plan(family, fixed, from);
            (plan.end(from), plan.canvas, plan.steps.len())
        };
        // 640 x 480: 504 x 378, both multiples of 14. 540 x 360: 504 x 336.
        assert_eq!(size(Family::AnyView, None, (640, 480)), ((504, 378), None, 1));
        assert_eq!(size(Family::Single3, None, (540, 360)), ((504, 336), None, 1));
        // 1920 x 1080: 504 x 283.5, rounded to 284, then to 280; small photos grow.
        assert_eq!(size(Family::AnyView, None, (1920, 1080)), ((504, 280), None, 2));
        assert_eq!(size(Family::AnyView, None, (160, 120)), ((504, 378), None, 1));
        assert_eq!(size(Family::AnyView, None, (504, 301)), ((504, 308), None, 1));
        assert_eq!(size(Family::Single3, Some((504, 280)), (640, 480)), ((504, 280), None, 1));
        // The shorter side to 518, the longer to the nearest multiple: 690.67 is nearest to 49.33 patches, 686.
        assert_eq!(size(Family::Single2, None, (640, 480)), ((686, 518), None, 1));
        // The longest side to 518, 388.5 is 27.75 patches, 392, on a white square.
        assert_eq!(size(Family::Vggt, None, (640, 480)), ((518, 392), Some((518, 518)), 1));
        assert_eq!(size(Family::Vggt, None, (480, 640)), ((392, 518), Some((518, 518)), 1));
        assert_eq!(size(Family::Moge, None, (640, 480)), ((640, 480), None, 1));
        assert_eq!(size(Family::Moge, None, (4000, 3000)), ((1036, 777), None, 1));
    }

    #[test]
    fn vggt_has_white_bars_and_no_normalisation() {
        let image = RgbImage::from_pixel(20, 10, image::Rgb([0, 51, 102]));
        let ready = prepare(Family::Vggt, &Hints::default(), None, &image);
        // 259 is 18.5 patches, and Python rounds to the even.
        assert_eq!(ready.inner, [0, 133, 518, 252]);
        let at = |c: usize, x: usize, y: usize| ready.planes.data[(c * 518 + y) * 518 + x];
        assert_eq!([at(0, 9, 132), at(1, 9, 0), at(2, 517, 517)], [1.0; 3]);
        for (c, want) in [0.0, 0.2, 0.4].into_iter().enumerate() {
            assert!((at(c, 100, 133) - want).abs() < 1e-6 && (at(c, 517, 384) - want).abs() < 1e-6);
        }
    }

    #[test]
    fn depth_anything_is_normalised_unless_its_graph_does_it() {
        let image = RgbImage::from_pixel(28, 14, image::Rgb([255, 0, 51]));
        let value = |hints: &Hints| prepare(Family::AnyView, hints, None, &image).planes.data[0];
        assert!((value(&Hints::default()) - (1.0 - 0.485) / 0.229).abs() < 1e-5);
        assert!((value(&Hints { normalised_in_graph: true, ..Hints::default() }) - 1.0).abs() < 1e-6);
    }
}
