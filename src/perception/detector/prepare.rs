//! Photos as each family of detectors was trained with them, and the way back from a model's pixels to the photo's.

use super::nms::Found;
use crate::models::{Data, Filter, IMAGENET_MEAN, IMAGENET_STD, Planes, Tensor};
use image::RgbImage;

/// How large a photo is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sizing {
    /// At one width and height.
    Fixed(usize, usize),
    /// The longer side at this many pixels, the picture filled up to multiples.
    Longest(usize, usize),
    /// The shorter side at this many pixels, but the longer at most at that many.
    Shortest(usize, usize),
    /// As it is.
    Own,
}

/// Where the photo lies in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It fills it, whatever becomes of its proportions.
    Stretched,
    /// Its proportions kept, at the top left.
    TopLeft,
    /// Its proportions kept, in the middle.
    Middle,
}

/// What a value of a channel becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// 0..1.
    Unit,
    /// 0..255.
    Bytes,
    /// 0..1, less ImageNet's mean, by its deviation.
    ImageNet,
}

/// Everything that is done with a photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recipe {
    pub(super) sizing: Sizing,
    pub(super) place: Place,
    /// Sides are rounded down, not to the nearest.
    pub(super) round_down: bool,
    /// Red, green and blue around the photo, 0..255.
    pub(super) fill: [u8; 3],
    pub(super) values: Values,
    pub(super) filter: Filter,
    /// Blue first, in place of red.
    pub(super) blue_first: bool,
    /// Channels last: `[1, H, W, 3]`.
    pub(super) channels_last: bool,
    /// Bytes in place of floats.
    pub(super) as_bytes: bool,
}

/// A photo as it is shown to a model.
pub(super) struct Shown {
    pub(super) tensor: Tensor,
    /// Width and height of the whole picture.
    pub(super) canvas: [usize; 2],
    /// Left and top of the photo in it.
    corner: [usize; 2],
    /// Pixels of the photo for one of the picture, across and down.
    scale: [f64; 2],
}

impl Shown {
    /// A box in the pixels of the photo.
    pub(super) fn to_photo(&self, found: Found) -> Found {
        let back = |k: usize| (found.bounds[k] - self.corner[k % 2] as f64) * self.scale[k % 2];
        Found { bounds: [back(0), back(1), back(2), back(3)], ..found }
    }
}

impl Recipe {
    /// Size of the photo in the picture, and of the picture.
    fn sizes(&self, w: usize, h: usize) -> ([usize; 2], [usize; 2]) {
        let whole = |v: f64| if self.round_down { v.floor() } else { v.round_ties_even() };
        let scaled = |k: f64| [w, h].map(|v| (whole(v as f64 * k) as usize).max(1));
        let (long, short) = (w.max(h).max(1) as f64, w.min(h).max(1) as f64);
        match (self.sizing, self.place) {
            (Sizing::Own, _) => ([w, h], [w, h]),
            (Sizing::Fixed(fw, fh), Place::Stretched) => ([fw, fh], [fw, fh]),
            (Sizing::Fixed(fw, fh), _) => {
                let inner = scaled((fw as f64 / w as f64).min(fh as f64 / h as f64));
                ([inner[0].min(fw), inner[1].min(fh)], [fw, fh])
            }
            (Sizing::Longest(side, multiple), place) => {
                let inner = scaled(side as f64 / long);
                let whole = inner.map(|v| v.div_ceil(multiple) * multiple);
                (if place == Place::Stretched { whole } else { inner }, whole)
            }
            (Sizing::Shortest(least, most), _) => {
                let by_longer = (most as f64 * short / long).round_ties_even();
                let side = if long / short * least as f64 > most as f64 { by_longer } else { least as f64 };
                let inner = [w, h].map(|v| ((side * v as f64 / short) as usize).max(1));
                (inner, inner)
            }
        }
    }

    /// Longer side of a photo as it is shown, pixels.
    pub(super) fn longest(&self, image: &RgbImage) -> usize {
        let (inner, _) = self.sizes(image.width() as usize, image.height() as usize);
        inner[0].max(inner[1])
    }

    /// The photo as the model wants it.
    pub(super) fn show(&self, image: &RgbImage) -> Shown {
        let (w, h) = (image.width() as usize, image.height() as usize);
        let (inner, canvas) = self.sizes(w, h);
        // The references resize bytes.
        let planes = Planes::rgb(image).resized(inner[0], inner[1], self.filter).in_bytes();
        // One pixel more goes to the right and below, as in the references.
        let corner = match self.place {
            Place::Middle => [0, 1].map(|k| (canvas[k] - inner[k]) / 2),
            _ => [0, 0],
        };
        let scale = [w as f64 / inner[0] as f64, h as f64 / inner[1] as f64];
        Shown { tensor: self.tensor(&planes, corner, canvas), canvas, corner, scale }
    }

    fn tensor(&self, planes: &Planes, corner: [usize; 2], [cw, ch]: [usize; 2]) -> Tensor {
        let value = |channel: usize, unit: f32| match self.values {
            Values::Unit => unit,
            Values::Bytes => (unit * 255.0).round(),
            Values::ImageNet => (unit - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel],
        };
        let pixels = cw * ch;
        let (mut data, rows) = (vec![0.0f32; 3 * pixels], planes.width.max(1));
        for k in 0..3 {
            let channel = if self.blue_first { 2 - k } else { k };
            let (start, step) = if self.channels_last { (k, 3) } else { (k * pixels, 1) };
            let fill = value(channel, f32::from(self.fill[channel]) / 255.0);
            if (planes.width, planes.height) != (cw, ch) {
                data[start..].iter_mut().step_by(step).take(pixels).for_each(|v| *v = fill);
            }
            let size = planes.width * planes.height;
            for (y, row) in planes.data[channel * size..(channel + 1) * size].chunks_exact(rows).enumerate() {
                let at = start + ((corner[1] + y) * cw + corner[0]) * step;
                let to = data[at..].iter_mut().step_by(step);
                to.zip(row).for_each(|(v, unit)| *v = value(channel, *unit));
            }
        }
        let dims = if self.channels_last { [1, ch, cw, 3] } else { [1, 3, ch, cw] };
        let data = if self.as_bytes { Data::U8(data.iter().map(|v| *v as u8).collect()) } else { Data::F32(data) };
        Tensor { dims: dims.to_vec(), data }
    }
}
