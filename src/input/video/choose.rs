//! Which frames of a video are worth using.

/// What was found out of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Energy of the finest gradients over that of gradients four times as coarse: falls with blur, hardly changes with
    /// what is seen.
    pub(super) sharpness: f64,
    /// Way of the camera up to this frame, as part of the longer side of the picture.
    pub(super) way: f64,
}

/// What was chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Choice {
    /// Frame numbers, ascending.
    pub(super) frames: Vec<usize>,
    /// How many of the others are blurred.
    pub(super) blurred: usize,
    /// How many of the others show what a chosen one shows.
    pub(super) similar: usize,
}

/// Median movement from one chosen frame to the next, as part of the longer side.
const SPACING: f64 = 0.05;
/// In a video of few frames all are chosen that moved by this.
const DUPLICATE: f64 = 0.01;
/// Part of the sharpness of its sharper neighbours below which a frame is blurred.
const BLURRED: f64 = 0.6;
/// Frames to either side that a frame's sharpness is compared with.
const NEIGHBOURS: usize = 15;
/// A blurred frame is used after all where its sharp neighbours are further apart than this.
const WIDEST: f64 = 0.15;
/// Chosen frames closer than this part of the spacing are one too many.
const CLOSE: f64 = 0.35;

/// Sharpness of each frame over the upper quartile of its neighbourhood.
fn relative(looks: &[Look]) -> Vec<f64> {
    let of = |t: usize| {
        let near = &looks[t.saturating_sub(NEIGHBOURS)..looks.len().min(t + NEIGHBOURS + 1)];
        let mut sharp: Vec<f64> = near.iter().map(|l| l.sharpness).collect();
        sharp.sort_by(f64::total_cmp);
        let upper = sharp[(sharp.len() - 1) * 3 / 4];
        if upper > 0.0 { looks[t].sharpness / upper } else { 1.0 }
    };
    (0..looks.len()).map(of).collect()
}

/// At most `most` frames, spread evenly over the way of the camera, of each stretch the sharpest.
pub(super) fn choose(looks: &[Look], most: usize) -> Choice {
    let Some(length) = looks.iter().map(|l| l.way).max_by(f64::total_cmp) else { return Choice::default() };
    let sharp = relative(looks);
    let most = most.max(2);
    let few = if looks.len() <= most { DUPLICATE } else { SPACING };
    let spacing = few.max(length / most as f64);
    let cell = |t: usize| ((looks[t].way / spacing) as usize).min(most - 1);
    let mut picks: Vec<usize> = Vec::new();
    for t in 0..looks.len() {
        match picks.iter().rposition(|p| cell(*p) == cell(t)) {
            Some(k) if sharp[t] > sharp[picks[k]] => picks[k] = t,
            Some(_) => {}
            None => picks.push(t),
        }
    }
    // Shaking may bring a frame back into the cell before.
    picks.sort_unstable();
    let frames = without_close(without_blurred(picks, looks, &sharp, spacing), looks, &sharp, spacing);
    let is_blurred = |t: &usize| sharp[*t] < BLURRED && frames.binary_search(t).is_err();
    let blurred = (0..looks.len()).filter(is_blurred).count();
    Choice { blurred, similar: looks.len() - frames.len() - blurred, frames }
}

/// Leaves out what is blurred where its neighbours overlap enough without it.
fn without_blurred(picks: Vec<usize>, looks: &[Look], sharp: &[f64], spacing: f64) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for (k, &t) in picks.iter().enumerate() {
        let before = kept.last().copied();
        let after = picks[k + 1..].iter().copied().find(|p| sharp[*p] >= BLURRED);
        let gap = match (before, after) {
            (Some(a), Some(b)) => looks[b].way - looks[a].way,
            // At either end nothing is lost but a piece of the way.
            (Some(a), None) => looks[t].way - looks[a].way,
            (None, Some(b)) => looks[b].way - looks[t].way,
            (None, None) => f64::INFINITY,
        };
        if sharp[t] >= BLURRED || gap > WIDEST.max(2.5 * spacing) {
            kept.push(t);
        }
    }
    kept
}

/// Of two neighbours that are closer than they need be the sharper one stays.
fn without_close(picks: Vec<usize>, looks: &[Look], sharp: &[f64], spacing: f64) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for t in picks {
        match kept.last_mut() {
            Some(last) if looks[t].way - looks[*last].way < CLOSE * spacing => {
                if sharp[t] > sharp[*last] {
                    *last = t;
                }
            }
            _ => kept.push(t),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(n: usize, step: f64) -> Vec<Look> {
        (0..n).map(|t| Look { sharpness: 0.3, way: t as f64 * step }).collect()
    }

    #[test]
    fn few_sharp_and_distinct_frames_are_all_kept() {
        let choice = choose(&steady(120, 0.02), 180);
        assert_eq!(choice, Choice { frames: (0..120).collect(), blurred: 0, similar: 0 });
    }

    #[test]
    fn a_long_video_is_spread_over_its_way_and_not_over_its_time() {
        // Stands for 400 frames, then walks 4 widths in 400.
        let mut looks = vec![Look { sharpness: 0.3, way: 0.0 }; 400];
        looks.extend(steady(400, 0.01));
        let choice = choose(&looks, 180);
        assert!((78..=81).contains(&choice.frames.len()), "{}", choice.frames.len());
        assert_eq!(choice.frames.iter().filter(|t| **t < 400).count(), 1);
        let gaps: Vec<f64> = choice.frames.windows(2).map(|w| looks[w[1]].way - looks[w[0]].way).collect();
        assert!(gaps.iter().all(|g| (0.01..0.1).contains(g)), "{gaps:?}");
        assert_eq!(choice.similar, 800 - choice.frames.len());
        // The cap widens the spacing.
        let capped = choose(&looks, 20);
        assert!((18..=20).contains(&capped.frames.len()), "{}", capped.frames.len());
        assert!(capped.frames[capped.frames.len() - 1] > 760);
    }

    #[test]
    fn the_sharpest_of_each_stretch_is_taken_and_blurred_ones_are_counted() {
        let mut looks = steady(600, 0.01);
        for (t, l) in looks.iter_mut().enumerate() {
            l.sharpness = if t % 5 == 2 { 0.31 } else { 0.3 };
        }
        (100..108).for_each(|t| looks[t].sharpness = 0.1);
        let choice = choose(&looks, 180);
        let other = choice.frames.iter().filter(|t| *t % 5 != 2).count();
        assert!(other <= 1 && choice.frames.iter().all(|t| !(100..108).contains(t)), "{:?}", choice.frames);
        assert_eq!(choice.blurred, 8);
        // A blurred stretch that is too long to be jumped over is used after all.
        (100..160).filter(|t| t % 9 != 0).for_each(|t| looks[t].sharpness = 0.15);
        let widest = |c: &Choice| c.frames.windows(2).map(|w| w[1] - w[0]).max();
        assert!(widest(&choose(&looks, 180)) <= Some(15), "{:?}", choose(&looks, 180).frames);
    }

    #[test]
    fn a_camera_that_stands_gives_one_frame() {
        let still = vec![Look { sharpness: 0.3, way: 0.004 }; 50];
        assert_eq!(choose(&still, 180), Choice { frames: vec![0], blurred: 0, similar: 49 });
        assert_eq!(choose(&[], 180), Choice::default());
    }
}
