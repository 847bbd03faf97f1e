//! Learned depth, from ONNX files that the user brings: Depth Anything 3 (any-view, metric, mono), Depth Anything V2,
//! MoGe-2, VGGT. Which of them a file is is read from its inputs and outputs; what its numbers mean, where the signature
//! does not tell, from its name or from a note beside it. Their depth is a prior: see [`crate::geometry::dense::fill_from_priors`].

mod moge;
mod outputs;
mod prepare;
mod recognise;
#[cfg(test)]
mod tests;

pub use recognise::{Family, recognise};

use crate::models::{Execution, Hints, Model, ModelError, Signature, Tensor, hints, onnx_files};
use crate::scene::{Cancelled, DepthMap, Intrinsics, Job};
use image::RgbImage;
use prepare::{Prepared, prepare};
use std::path::{Path, PathBuf};

/// What the numbers of a prior mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Depth in metres.
    Metric,
    /// Depth times an unknown factor.
    UpToScale,
    /// Depth times an unknown factor, plus an unknown shift.
    UpToScaleAndShift,
    /// Inverse depth times an unknown factor, plus an unknown shift: more is nearer.
    Inverse,
}

/// What a model says of the depth of one photo.
#[derive(Clone, Debug)]
pub struct DepthPrior {
    /// At the size of the photo, along the optical axis, in the unit of `meaning`; 0 where the model does not know.
    pub depth: DepthMap,
    /// One per pixel, row-major, 0..1: how sure the model is; 1 where it does not tell, 0 where the depth is not known.
    pub confidence: Vec<f32>,
    /// What the numbers mean.
    pub meaning: Meaning,
}

/// A photo whose camera is known.
#[derive(Clone, Copy)]
pub struct Photo<'a> {
    /// The pixels.
    pub image: &'a RgbImage,
    /// Intrinsics of that image.
    pub intrinsics: Intrinsics,
}

/// Why there is no learned depth.
#[derive(Debug, thiserror::Error)]
pub enum DepthError {
    /// By the user.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// A model that gives depth.
pub trait DepthModel: Send + Sync {
    /// Name for people.
    fn name(&self) -> String;

    /// What it runs on, known for certain once it has run, and why not on something better.
    fn provider(&self) -> (&'static str, Option<String>);

    /// Depth of every photo, in order. Photos that follow one another in the capture may be looked at together.
    fn predict(&self, photos: &[Photo], job: &dyn Job) -> Result<Vec<DepthPrior>, DepthError>;
}

/// Photos that a model of many views sees at once, unless its file fixes their number: memory grows with it.
const CHUNK: usize = 8;
/// Photos that two chunks share, so that none is seen only at the end of one.
const OVERLAP: usize = 2;
/// Tokens that MoGe divides a photo into (its suggested range is 1200 to 3600).
const MOGE_TOKENS: i64 = 1800;

/// A depth model's file, not loaded.
#[derive(Clone, Debug)]
pub struct Found {
    path: PathBuf,
    family: Family,
    meaning: Meaning,
    hints: Hints,
}

const EXPECTED: &str = "expected is Depth Anything 3 (pixel_values [B, N, 3, H, W], or an image to depth and sky), Depth \
                        Anything V2 (an image to depth), MoGe-2 (image, num_tokens to points) or VGGT (to pose_enc, depth)";

/// Looks at a file, or at the one ONNX file in a folder, without loading it.
pub fn find(path: &Path) -> Result<Found, ModelError> {
    let path = match path.is_dir() {
        false => path.to_owned(),
        true => match onnx_files(path).as_slice() {
            [one] => one.path.clone(),
            [] => return Err(ModelError::file(path, format!("no ONNX file is in it; {EXPECTED}"))),
            many => return Err(ModelError::file(path, format!("it has {} ONNX files: name one of them", many.len()))),
        },
    };
    let signature = Signature::read(&path)?;
    let hints = hints(&path)?;
    let (family, meaning) =
        recognise(&signature, &hints).ok_or_else(|| ModelError::file(&path, format!("it {signature}; {EXPECTED}")))?;
    Ok(Found { path, family, meaning, hints })
}

/// Loads what [`find`] found.
pub fn open(path: &Path, execution: Execution) -> Result<Box<dyn DepthModel>, ModelError> {
    let found = find(path)?;
    Ok(Box::new(OnnxDepth { model: Model::load(&found.path, execution)?, found }))
}

struct OnnxDepth {
    model: Model,
    found: Found,
}

impl OnnxDepth {
    /// How many photos are looked at together, and whether exactly that many must be.
    fn together(&self) -> (usize, bool) {
        let port = self.model.signature().picture();
        let axis = match self.found.family {
            Family::AnyView => 1,
            Family::Vggt => port.map_or(0, |p| usize::from(p.dims.len() == 5)),
            _ => return (1, true),
        };
        match port.and_then(|p| p.dims.get(axis).copied().flatten()) {
            Some(fixed) => (fixed, true),
            None => (CHUNK, false),
        }
    }

    /// Depth of photos that are looked at together; all are prepared to one size.
    fn look(&self, photos: &[Photo], prepared: &[Prepared]) -> Result<Vec<DepthPrior>, ModelError> {
        let Some(first) = prepared.first() else { return Ok(Vec::new()) };
        let (w, h) = (first.planes.width, first.planes.height);
        let port = self.model.signature().picture();
        let dims: Vec<usize> = match port.map_or(4, |p| p.dims.len()) {
            5 => vec![1, prepared.len(), 3, h, w],
            _ => vec![prepared.len(), 3, h, w],
        };
        let data = prepared.iter().flat_map(|p| p.planes.data.iter().copied()).collect();
        let (images, tokens) = (Tensor::f32(&dims, data), Tensor::i64(&[], vec![MOGE_TOKENS]));
        let name = port.map_or("image", |p| p.name.as_str());
        let outputs = self.model.run(&[(name, &images), ("num_tokens", &tokens)])?;
        if self.found.family == Family::Moge {
            return moge::read(&outputs, photos, prepared, self.found.meaning);
        }
        outputs::read(&outputs, self.found.family, self.found.meaning, photos, prepared)
    }
}

impl DepthModel for OnnxDepth {
    fn name(&self) -> String {
        self.found.hints.name.clone()
    }

    fn provider(&self) -> (&'static str, Option<String>) {
        self.model.provider()
    }

    fn predict(&self, photos: &[Photo], job: &dyn Job) -> Result<Vec<DepthPrior>, DepthError> {
        let (together, exactly) = self.together();
        let port = self.model.signature().picture();
        let sizes: Vec<(usize, usize)> =
            photos.iter().map(|p| prepare::size(self.found.family, port, p.image)).collect();
        let mut out: Vec<Option<DepthPrior>> = vec![None; photos.len()];
        for chunk in chunks(&sizes, together, exactly) {
            job.tick(chunk.keep.start, photos.len())?;
            let some: Vec<Photo> = chunk.photos.iter().map(|i| photos[*i]).collect();
            let prepared: Vec<Prepared> =
                some.iter().map(|p| prepare(self.found.family, &self.found.hints, port, p.image)).collect();
            let priors = self.look(&some, &prepared)?;
            for (i, prior) in chunk.photos.iter().zip(priors) {
                if chunk.keep.contains(i) {
                    out[*i] = Some(prior);
                }
            }
        }
        let unknown = |p: &Photo| {
            let (w, h) = p.image.dimensions();
            let pixels = w as usize * h as usize;
            DepthPrior { depth: DepthMap::unknown(w, h), confidence: vec![0.0; pixels], meaning: self.found.meaning }
        };
        Ok(out.into_iter().zip(photos).map(|(prior, photo)| prior.unwrap_or_else(|| unknown(photo))).collect())
    }
}

/// Photos that are looked at together, and those of them whose depth is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chunk {
    photos: Vec<usize>,
    keep: std::ops::Range<usize>,
}

/// Chunks of at most `together` photos of one size that follow one another, overlapping; of what two chunks share each
/// keeps the half that is farther from its end. Where the number is fixed, a chunk at the end starts earlier, or repeats
/// its last photo.
fn chunks(sizes: &[(usize, usize)], together: usize, exactly: bool) -> Vec<Chunk> {
    let (together, overlap) = (together.max(1), OVERLAP.min(together.saturating_sub(1) / 2));
    let mut out = Vec::new();
    let mut start = 0;
    while start < sizes.len() {
        let run = sizes[start..].iter().take_while(|s| **s == sizes[start]).count();
        let (end, mut from, mut kept) = (start + run, start, start);
        loop {
            let to = (from + together).min(end);
            let keep_to = if to == end { end } else { to - overlap / 2 };
            let begin = if exactly { to.saturating_sub(together).max(start) } else { from };
            let mut photos: Vec<usize> = (begin..to).collect();
            while exactly && photos.len() < together {
                photos.push(to - 1);
            }
            out.push(Chunk { photos, keep: kept..keep_to });
            if to == end {
                break;
            }
            (kept, from) = (keep_to, to - overlap);
        }
        start = end;
    }
    out
}
