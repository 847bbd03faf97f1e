//! Segmenters that answer points and boxes: a photo is looked at once, then each prompt costs one run of a small graph.

use super::adapter::{Adapter, Shown};
use super::efficient::EfficientSam;
use super::mobile::MobileSam;
use super::outputs::{Candidates, only, sigmoid};
use super::sam2::Sam2;
use super::tracker::Tracker;
use super::{Family, name_of};
use crate::models::{Model, ModelError, Tensor, hints};
use crate::perception::View;
use crate::perception::prompt::{PreparedPhoto, Prompt, PromptSegmenter, PromptedMask};

/// A segmenter of two graphs.
pub(super) struct Prompted {
    name: String,
    image: Model,
    decoder: Model,
    adapter: Box<dyn Adapter>,
}

impl Prompted {
    pub(super) fn new(family: Family, image: Model, decoder: Model) -> Result<Self, ModelError> {
        let (encoder, decodes) = (image.signature(), decoder.signature());
        let adapter: Box<dyn Adapter> = match family {
            Family::Tracker => Box::new(Tracker::new(encoder, decodes, &hints(image.path())?)),
            Family::Sam2 => Box::new(Sam2::new(encoder, decodes)),
            Family::EfficientSam => Box::new(EfficientSam),
            Family::MobileSam => Box::new(MobileSam::new(encoder, decodes)),
            Family::Sam3Usls | Family::Sam3Original => {
                return Err(ModelError::file(image.path(), format!("{} takes texts", family.name())));
            }
        };
        Ok(Self { name: name_of(family, &image)?, image, decoder, adapter })
    }
}

impl PromptSegmenter for Prompted {
    fn prepare<'a>(&'a self, view: &View) -> Result<Box<dyn PreparedPhoto + 'a>, ModelError> {
        let Shown { tensor, scale } = self.adapter.shown(view.image);
        let name = self.image.signature().inputs.first().map_or("", |p| p.name.as_str());
        let features = self.image.run(&[(name, &tensor)])?.iter().cloned().collect();
        Ok(Box::new(Ready { segmenter: self, features, scale, size: view.image.dimensions() }))
    }

    fn model(&self) -> Option<(String, (&'static str, Option<String>))> {
        Some((self.name.clone(), self.image.provider()))
    }
}

struct Ready<'a> {
    segmenter: &'a Prompted,
    features: Vec<(String, Tensor)>,
    /// Pixels of the model for a pixel of the photo.
    scale: [f64; 2],
    /// Width and height of the photo.
    size: (u32, u32),
}

impl PreparedPhoto for Ready<'_> {
    fn mask(&self, prompt: &Prompt) -> Result<Option<PromptedMask>, ModelError> {
        if prompt.rectangle.is_none() && !prompt.points.iter().any(|(_, on)| *on) {
            return Ok(None);
        }
        let adapter = &self.segmenter.adapter;
        let own = adapter.inputs(prompt, self.scale, self.size);
        let mut inputs: Vec<(&str, &Tensor)> = self.features.iter().map(|(name, t)| (name.as_str(), t)).collect();
        inputs.extend(own.iter().map(|(name, t)| (*name, t)));
        let outputs = self.segmenter.decoder.run(&inputs)?;
        let [masks, scores, object] = adapter.outputs();
        let candidates = Candidates::read(&outputs, masks, scores)?;
        let object = outputs.named(&[object]).and_then(only).map_or(1.0, sigmoid);
        let Some(best) = self.best(&candidates, prompt) else { return Ok(None) };
        let mask = candidates.mask(best, self.size, 0.0);
        let score = f64::from(candidates.scores[best]) * object;
        let score = if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 };
        Ok((mask.area() > 0).then_some(PromptedMask { mask, score }))
    }
}

impl Ready<'_> {
    /// The candidate that the model thinks best; where it could not be told what is not on the thing, first the one that
    /// holds fewest of those points.
    fn best(&self, candidates: &Candidates, prompt: &Prompt) -> Option<usize> {
        let off = prompt.points.iter().filter(|(_, on)| !on && self.segmenter.adapter.lacks_negatives());
        let off: Vec<[f64; 2]> =
            off.map(|(p, _)| [p[0] / f64::from(self.size.0), p[1] / f64::from(self.size.1)]).collect();
        let wrong = |k: usize| off.iter().filter(|p| candidates.is_set(k, **p, 0.0)).count();
        let worth = |k: usize| if candidates.scores[k].is_nan() { f32::NEG_INFINITY } else { candidates.scores[k] };
        (0..candidates.len()).min_by(|a, b| wrong(*a).cmp(&wrong(*b)).then(worth(*b).total_cmp(&worth(*a))))
    }
}

/// The mask of an earlier round, which decoders of SAM take as a prompt: there is none.
pub(super) mod no_mask {
    use crate::models::{Signature, Tensor};

    /// Height and width that a decoder declares.
    pub(crate) fn size(decoder: &Signature) -> Option<(usize, usize)> {
        let [.., height, width] = decoder.input("mask_input")?.dims[..] else { return None };
        height.zip(width)
    }

    /// A mask of zeros, and that it is none.
    pub(crate) fn inputs((height, width): (usize, usize)) -> [(&'static str, Tensor); 2] {
        let mask = Tensor::f32(&[1, 1, height, width], vec![0.0; height * width]);
        [("mask_input", mask), ("has_mask_input", Tensor::f32(&[1], vec![0.0]))]
    }
}
