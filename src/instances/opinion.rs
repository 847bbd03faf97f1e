//! A second opinion on names: a model that knows pictures and texts (CLIP, SigLIP 2) says how well words fit the photos of
//! a thing. It names what has no name, and takes the place of a name that fits clearly worse.
//!
//! Several views count more than one: scores of the best views are averaged, as A. Takmaz et al., "OpenMask3D", 2023, do.

use super::lift::Lifted;
use super::report::{DROP, Draft};
use super::{BuildError, Input, Track};
use crate::perception::label_scores::{self, LabelScores};
use crate::perception::{is_structural, vocabulary};
use crate::scene::Job;
use image::RgbImage;
use serde::Serialize;

/// A model that has a say in names.
pub struct Opinion<'a> {
    /// The model.
    pub model: &'a LabelScores,
    /// Words that it chooses from, parts of the room among them: what fits those best is given no name.
    pub words: &'a [String],
    /// How much it is believed.
    pub options: OpinionOptions,
}

/// How much a second opinion is believed. A score is the share that a word has of one, among all words, as a mean over
/// views: with about 150 words, chance is below 0.01.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OpinionOptions {
    /// Views of a thing that are looked at, those with the largest masks: more say the same again, and each costs a run
    /// of the model. As many as OpenMask3D takes.
    pub views: usize,
    /// Least score of a word for a thing without a name: words that are close (sofa, armchair) share, so that half of it
    /// all is too much to ask.
    pub names: f64,
    /// Least score of a word that takes the place of a name: more than all other words together.
    pub renames: f64,
    /// How many times as well it has to fit as the name whose place it takes: detectors that were trained on a thing are
    /// right more often than a comparison of words.
    pub clearly: f64,
}

impl Default for OpinionOptions {
    fn default() -> Self {
        Self { views: 5, names: 0.3, renames: 0.5, clearly: 3.0 }
    }
}

/// What the model said of a thing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Second {
    pub(super) model: String,
    /// The word that fits best.
    pub(super) label: String,
    /// Its score, 0..1.
    pub(super) share: f64,
    /// Views that were looked at.
    pub(super) photos: usize,
    /// The name whose place the word took; `None` where the name stays.
    pub(super) instead_of: Option<String>,
}

/// Asks about all things that would be shown if they had a name, parts of the room left out.
pub(super) fn ask(
    input: &Input,
    lifted: &[Lifted],
    tracks: &[Track],
    drafts: &mut [Draft],
    job: &dyn Job,
) -> Result<(), BuildError> {
    let Some(opinion) = input.opinion else { return Ok(()) };
    let asked = |d: &&mut Draft| !is_structural(&d.label) && d.score / d.unnamed >= DROP;
    let all = drafts.iter_mut().filter(asked).count();
    for (k, draft) in drafts.iter_mut().filter(asked).enumerate() {
        job.tick(k, all)?;
        let crops = crops(input, lifted, &tracks[draft.track], opinion.options.views);
        if crops.is_empty() {
            continue;
        }
        let own = Some(draft.label.clone()).filter(|_| draft.object.is_some() || !input.by_shape);
        let own = own.filter(|label| !vocabulary::says_nothing(label));
        let mut labels = opinion.words.to_vec();
        labels.extend(own.iter().filter(|own| !opinion.words.contains(own)).cloned());
        let means = means(&opinion.model.scores(&crops, &labels)?);
        let Some(best) = best(&means) else { continue };
        let taken = takes_place(own.as_deref(), &labels, &means, best, &opinion.options);
        draft.second = Some(Second {
            model: opinion.model.name().to_owned(),
            label: labels[best].clone(),
            share: means[best],
            photos: crops.len(),
            instead_of: taken.then(|| draft.label.clone()),
        });
        if taken {
            draft.label.clone_from(&labels[best]);
            // What being without a name took from the score is given back.
            draft.score /= draft.unnamed;
            draft.unnamed = 1.0;
        }
    }
    Ok(())
}

/// What the views with the largest masks show of a thing; a view counts once, with its largest mask.
fn crops(input: &Input, lifted: &[Lifted], track: &Track, most: usize) -> Vec<RgbImage> {
    let mut masks: Vec<&Lifted> = track.masks.iter().map(|m| &lifted[*m]).collect();
    masks.sort_by_key(|m| (std::cmp::Reverse(m.area), m.view, m.mask));
    let mut views = Vec::new();
    masks.retain(|m| {
        !views.contains(&m.view) && {
            views.push(m.view);
            true
        }
    });
    let cut =
        |m: &&Lifted| label_scores::crop(input.views[m.view].image, &input.masks[m.view].masks[m.mask].segmentation);
    masks.iter().filter_map(cut).take(most).collect()
}

/// Means over views, one a label.
fn means(scores: &[Vec<f64>]) -> Vec<f64> {
    let labels = scores.first().map_or(0, Vec::len);
    (0..labels).map(|k| scores.iter().map(|s| s[k]).sum::<f64>() / scores.len() as f64).collect()
}

/// The highest; the first of equals.
fn best(means: &[f64]) -> Option<usize> {
    (0..means.len()).rev().max_by(|a, b| means[*a].total_cmp(&means[*b]))
}

/// Whether the word that fits best becomes the name: of a thing without one, or in place of `own`, which it neither means
/// nor is a kind of.
fn takes_place(own: Option<&str>, labels: &[String], means: &[f64], best: usize, options: &OpinionOptions) -> bool {
    let (word, score) = (labels[best].as_str(), means[best]);
    if is_structural(word) {
        return false;
    }
    let Some(own) = own else { return score >= options.names };
    let means_own = |label: &String| label == own || vocabulary::related(label, own);
    let fits = labels.iter().zip(means).filter(|(label, _)| means_own(label)).map(|(_, m)| *m).fold(0.0, f64::max);
    !means_own(&labels[best]) && score >= options.renames && score >= options.clearly * fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_takes_the_place_of_a_name_that_fits_clearly_worse() {
        let labels: Vec<String> = ["chair", "office chair", "tv", "wall", "gadget"].map(String::from).to_vec();
        let takes = |own: Option<&str>, means: [f64; 5]| {
            let best = best(&means).unwrap();
            takes_place(own, &labels, &means, best, &OpinionOptions::default())
        };
        // Nothing has a name: 0.3 is enough; a wall stays without one.
        assert!(takes(None, [0.3, 0.2, 0.2, 0.2, 0.1]));
        assert!(!takes(None, [0.28, 0.2, 0.2, 0.22, 0.1]));
        assert!(!takes(None, [0.1, 0.1, 0.1, 0.6, 0.1]));
        // In place of a name: 0.5, and three times as well.
        assert!(takes(Some("tv"), [0.62, 0.1, 0.18, 0.05, 0.05]));
        assert!(!takes(Some("tv"), [0.6, 0.05, 0.25, 0.05, 0.05]), "0.6 is not three times 0.25");
        assert!(!takes(Some("tv"), [0.45, 0.1, 0.1, 0.2, 0.15]), "not half of it all");
        // A kind of the same, and a name that no table knows.
        assert!(!takes(Some("chair"), [0.1, 0.8, 0.05, 0.03, 0.02]));
        assert!(!takes(Some("gadget"), [0.5, 0.0, 0.0, 0.0, 0.5]));
        assert!(takes(Some("gadget"), [0.9, 0.05, 0.0, 0.0, 0.05]));
    }

    #[test]
    fn views_are_averaged_and_the_first_of_equals_wins() {
        let m = means(&[vec![0.2, 0.8], vec![0.8, 0.2]]);
        assert!(m.iter().all(|v| (v - 0.5).abs() < 1e-12));
        assert_eq!(best(&m), Some(0));
        assert_eq!((best(&[]), means(&[]).len()), (None, 0));
    }
}
