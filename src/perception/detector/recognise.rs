//! Which kind of detector a signature is of, and how it wants its photos.

use super::prepare::{Place, Recipe, Sizing, Values};
use crate::models::{Filter, Port, Signature};

/// Kinds of detectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `image` to `boxes` `[1, N, 4]` in pixels and `scores` `[1, N, C]`: the bundled NanoDet.
    BoxesAndScores,
}

/// What would have been recognised.
pub(super) const EXPECTED: &str = "expected is a detector: NanoDet (image to boxes, scores)";

/// NanoDet's mean colour, which surrounds photos (`shared/models`: pad right and below).
const NANODET_FILL: [u8; 3] = [104, 116, 124];

/// The coarsest of NanoDet's strides.
const STRIDE: usize = 32;

/// The family of a signature; `None` where it is no detector that is known here.
pub(super) fn recognise(signature: &Signature) -> Option<Family> {
    let picture = signature.picture().filter(|p| p.dims.len() == 4 && p.element.is_float())?;
    if signature.inputs.len() != 1 {
        return None;
    }
    let rank = |name: &str| signature.outputs.iter().find(|p| p.name == name).map(|p| p.dims.len());
    let channels_first = picture.dims[1].is_none_or(|c| c == 3);
    (channels_first && rank("boxes") == Some(3) && rank("scores") == Some(3)).then_some(Family::BoxesAndScores)
}

impl Family {
    /// What is done with photos. `longest` is the longer side where the model takes any size.
    pub(super) fn recipe(self, signature: &Signature, longest: usize) -> Recipe {
        let fixed = signature.inputs.first().and_then(fixed);
        let any = fixed.map_or(Sizing::Longest(longest, STRIDE), |(w, h)| Sizing::Fixed(w, h));
        match self {
            Self::BoxesAndScores => Recipe {
                sizing: any,
                place: Place::TopLeft,
                round_down: false,
                fill: NANODET_FILL,
                values: Values::Unit,
                filter: Filter::Bilinear,
                blue_first: false,
                channels_last: false,
                as_bytes: false,
            },
        }
    }
}

/// Width and height of `[.., 3, H, W]`, where the file fixes both.
fn fixed(port: &Port) -> Option<(usize, usize)> {
    let [.., h, w] = port.dims.as_slice() else { return None };
    Some(((*w)?, (*h)?))
}
