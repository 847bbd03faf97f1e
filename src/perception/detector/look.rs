//! How each family was trained to see photos.

use super::prepare::{Place, Recipe, Sizing, Values};
use super::recognise::fixed;
use crate::models::{Element, Filter, Port};

/// Ways to show a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Proportions kept, at the top left of NanoDet's mean colour.
    NanoDet,
    /// Bytes, channels last, at the top left of black.
    CenterNet,
    /// Proportions kept, in the middle of grey (Ultralytics' `LetterBox`).
    Yolo,
    /// Blue first, bytes, at the top left of grey, sides rounded down (Megvii's `preproc`).
    Yolox,
    /// One size, proportions lost, 0..1: RT-DETR, D-FINE.
    Stretched,
    /// The same, by ImageNet's mean and deviation: RF-DETR.
    StretchedImageNet,
    /// The shorter side 800, the longer at most 1333, by ImageNet's mean and deviation: DETR, Grounding DINO.
    Detr,
    /// As it is: the graph resizes and normalises. SSD, torchvision.
    Plain,
}

/// NanoDet's mean colour, red, green, blue.
const NANODET_FILL: [u8; 3] = [104, 116, 124];

/// The grey around photos of YOLO and YOLOX.
const GREY: [u8; 3] = [114; 3];

/// The coarsest stride of NanoDet, YOLO and YOLOX: sides are multiples of it.
const STRIDE: usize = 32;

/// Side of RT-DETR's and D-FINE's pictures, and of RF-DETR's base model, where the file leaves it open.
const DETR_SIDE: usize = 640;
const RF_DETR_SIDE: usize = 560;

/// Shorter and longer side of DETR's pictures.
const DETR_SHORTER: usize = 800;
const DETR_LONGER: usize = 1333;

impl Look {
    /// What is done with photos for an input. `longest` is the longer side where the model takes any size and none is its
    /// own.
    pub(super) fn recipe(self, photo: &Port, longest: usize) -> Recipe {
        let fixed = fixed(photo).map(|(w, h)| Sizing::Fixed(w, h));
        let any = fixed.unwrap_or(Sizing::Longest(longest, STRIDE));
        let square = |side| fixed.unwrap_or(Sizing::Fixed(side, side));
        let plain = Recipe {
            sizing: any,
            place: Place::TopLeft,
            round_down: false,
            fill: [0; 3],
            values: Values::Unit,
            filter: Filter::Bilinear,
            blue_first: false,
            channels_last: photo.dims.last() == Some(&Some(3)),
            as_bytes: photo.element == Element::U8,
        };
        let stretched = Recipe { place: Place::Stretched, ..plain };
        match self {
            Self::NanoDet => Recipe { fill: NANODET_FILL, ..plain },
            Self::CenterNet => Recipe { values: Values::Bytes, ..plain },
            Self::Yolo => Recipe { place: Place::Middle, fill: GREY, filter: Filter::Linear, ..plain },
            Self::Yolox => Recipe {
                round_down: true,
                fill: GREY,
                values: Values::Bytes,
                filter: Filter::Linear,
                blue_first: true,
                ..plain
            },
            Self::Stretched => Recipe { sizing: square(DETR_SIDE), ..stretched },
            Self::StretchedImageNet => Recipe { sizing: square(RF_DETR_SIDE), values: Values::ImageNet, ..stretched },
            Self::Detr => {
                let sizing = fixed.unwrap_or(Sizing::Shortest(DETR_SHORTER, DETR_LONGER));
                Recipe { sizing, values: Values::ImageNet, ..stretched }
            }
            Self::Plain => Recipe {
                sizing: fixed.unwrap_or(Sizing::Own),
                values: if photo.element == Element::U8 { Values::Bytes } else { Values::Unit },
                ..stretched
            },
        }
    }
}
