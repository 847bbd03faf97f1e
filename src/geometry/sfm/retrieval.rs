//! Which photos look alike: each is summed up in one vector, so that pairs can be chosen without matching all of them.
//! H. Jégou, M. Douze, C. Schmid & P. Pérez, "Aggregating local descriptors into a compact image representation", CVPR 2010;
//! R. Arandjelović & A. Zisserman, "All about VLAD", CVPR 2013 (each word's part is normalised by itself).

use super::features::{DESCRIPTOR, DESCRIPTOR_NORM, Features};
use rayon::prelude::*;

/// Words of the vocabulary, which is made of the photos' own descriptors.
const WORDS: usize = 64;
/// Descriptors that the vocabulary is made of.
const SAMPLES: usize = 8192;
/// Rounds of k-means.
const ROUNDS: usize = 8;
/// Features of largest scale that sum up a photo.
const LARGEST: usize = 1000;

type Word = [f32; DESCRIPTOR];

fn unit(d: &[i16; DESCRIPTOR]) -> Word {
    d.map(|v| f32::from(v) / DESCRIPTOR_NORM)
}

fn nearest(words: &[Word], d: &Word) -> usize {
    let distance = |w: &Word| w.iter().zip(d).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let mut best = (0, f32::INFINITY);
    for (i, w) in words.iter().enumerate() {
        let to = distance(w);
        if to < best.1 {
            best = (i, to);
        }
    }
    best.0
}

/// Centres of k-means over an even sample of all descriptors; fewer where there are few descriptors.
fn vocabulary(features: &[Features]) -> Vec<Word> {
    let total: usize = features.iter().map(|f| f.descriptors.len()).sum();
    let stride = total.div_ceil(SAMPLES).max(1);
    let sample: Vec<Word> = features.iter().flat_map(|f| &f.descriptors).step_by(stride).map(unit).collect();
    let mut words: Vec<Word> = sample.iter().step_by(sample.len().div_ceil(WORDS).max(1)).copied().collect();
    for _ in 0..ROUNDS {
        let own: Vec<usize> = sample.par_iter().map(|d| nearest(&words, d)).collect();
        let mut sums = vec![([0.0f32; DESCRIPTOR], 0usize); words.len()];
        for (d, word) in sample.iter().zip(own) {
            sums[word].0.iter_mut().zip(d).for_each(|(s, v)| *s += v);
            sums[word].1 += 1;
        }
        for (word, (sum, count)) in words.iter_mut().zip(sums).filter(|(_, s)| s.1 > 0) {
            *word = sum.map(|s| s / count as f32);
        }
    }
    words
}

fn normalise(v: &mut [f32]) {
    let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        v.iter_mut().for_each(|x| *x /= norm);
    }
}

/// Sums of what each word's descriptors differ from it by, each normalised, then all together.
fn summary(words: &[Word], features: &Features) -> Vec<f32> {
    let mut out = vec![0.0f32; words.len() * DESCRIPTOR];
    for d in features.descriptors.iter().take(LARGEST).map(unit) {
        let word = nearest(words, &d);
        let part = &mut out[word * DESCRIPTOR..(word + 1) * DESCRIPTOR];
        part.iter_mut().zip(d.iter().zip(&words[word])).for_each(|(o, (a, b))| *o += a - b);
    }
    out.chunks_exact_mut(DESCRIPTOR).for_each(normalise);
    normalise(&mut out);
    out
}

/// For each photo the `count` others that look most like it, most alike first.
pub(super) fn alike(features: &[Features], count: usize) -> Vec<Vec<usize>> {
    let words = vocabulary(features);
    let summaries: Vec<Vec<f32>> = features.par_iter().map(|f| summary(&words, f)).collect();
    (0..features.len())
        .into_par_iter()
        .map(|i| {
            let likeness = |j: usize| summaries[i].iter().zip(&summaries[j]).map(|(a, b)| a * b).sum::<f32>();
            let mut others: Vec<(usize, f32)> =
                (0..features.len()).filter(|j| *j != i).map(|j| (j, likeness(j))).collect();
            others.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            others.truncate(count);
            others.into_iter().map(|o| o.0).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Photos of three places: noisy versions of the descriptors of each, shuffled among photos.
    #[test]
    fn photos_of_one_place_look_alike() {
        let mut rng = fastrand::Rng::with_seed(6);
        let mut place =
            || -> Vec<[i16; DESCRIPTOR]> { (0..150).map(|_| std::array::from_fn(|_| rng.i16(0..90))).collect() };
        let places = [place(), place(), place()];
        let features: Vec<Features> = (0..18)
            .map(|i| {
                let descriptors = places[i % 3].iter().map(|d| d.map(|v| (v + rng.i16(-12..=12)).max(0))).collect();
                Features { descriptors, ..Features::default() }
            })
            .collect();
        for (i, others) in alike(&features, 5).iter().enumerate() {
            assert!(others.iter().all(|j| j % 3 == i % 3), "{i}: {others:?}");
        }
    }

    #[test]
    fn photos_without_features_do_no_harm() {
        let features = vec![Features::default(); 4];
        assert_eq!(alike(&features, 2), [[1, 2], [0, 2], [0, 1], [0, 1]]);
    }
}
