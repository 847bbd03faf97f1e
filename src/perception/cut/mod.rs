//! Prompts to masks without a model: minimum cuts over colour, depth and planes.
//!
//! A photo is made ready once: Lab colours, depth, normals, and its large planes, of which those with nothing behind them are
//! the room (`ground`, `plane`). A prompt is cut in a window of at most 10,000 cells (`cells`), whatever the size of the
//! thing, so that small things are cut as finely as large ones. A rectangle asks for what is like its inside and unlike what
//! is around it, in colour, in pieces of surface and in planes (`rectangle`, `partition`); points alone first become a few
//! things that could be meant (`click`, `tree`). The edge is drawn at the size of the photo (`drawn`).

mod cells;
mod click;
mod drawn;
mod flow;
mod ground;
mod partition;
mod plane;
mod rectangle;
mod tree;

use crate::models::ModelError;
use crate::perception::View;
use crate::perception::prompt::{PreparedPhoto, Prompt, PromptSegmenter, PromptedMask};
use ground::Ground;

/// The embedded segmenter. It has no state: one serves all threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cutter;

impl PromptSegmenter for Cutter {
    fn prepare<'a>(&'a self, view: &View) -> Result<Box<dyn PreparedPhoto + 'a>, ModelError> {
        Ok(Box::new(Ground::of(view)))
    }
}

impl PreparedPhoto for Ground {
    fn mask(&self, prompt: &Prompt) -> Result<Option<PromptedMask>, ModelError> {
        let is_real = |r: &[f64; 4]| r.iter().all(|v| v.is_finite()) && r[0] < r[2] && r[1] < r[3];
        let (pw, ph) = self.photo.dimensions();
        let scale = [self.width as f64 / f64::from(pw), self.height as f64 / f64::from(ph)];
        let points: Vec<_> = prompt.points.iter().map(|(p, on)| ([p[0] * scale[0], p[1] * scale[1]], *on)).collect();
        let Some(rectangle) = prompt.rectangle.filter(is_real) else {
            let found = click::at(self, &points);
            return Ok(found.map(|c| self.prompted(&c.stage, &c.inside)));
        };
        let r = [rectangle[0] * scale[0], rectangle[1] * scale[1], rectangle[2] * scale[0], rectangle[3] * scale[1]];
        let Some(stage) = rectangle::Stage::of(self, r) else { return Ok(None) };
        let inside = stage.cut(&points);
        if inside.iter().all(|b| !b) {
            return Ok(None);
        }
        Ok(Some(self.prompted(&stage, &inside)))
    }
}

impl Ground {
    /// The mask of a cut. It is the surer, the more of its edge runs where something parts the cells.
    fn prompted(&self, stage: &rectangle::Stage, inside: &[bool]) -> PromptedMask {
        PromptedMask { mask: drawn::drawn(self, &stage.cells, inside), score: stage.cells.edge(inside) }
    }
}

#[cfg(test)]
mod tests;
