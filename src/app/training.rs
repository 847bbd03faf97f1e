//! The training of the splats in figures for the window.

use crate::scene::{TrainPoint, Training};

/// Points of a curve that are drawn at most.
const DRAWN: usize = 400;

/// The curves over steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Curves {
    /// Step and loss.
    pub loss: Vec<[f64; 2]>,
    /// Step and PSNR in dB, where it was measured.
    pub psnr: Vec<[f64; 2]>,
}

impl Curves {
    /// Of a training; what is no number is left out.
    pub(super) fn of(training: &Training) -> Self {
        let at = |p: &TrainPoint, y: f32| [p.step as f64, f64::from(y)];
        let loss = training.points.iter().map(|p| at(p, p.loss)).collect();
        let mut psnr: Vec<[f64; 2]> = training.points.iter().filter_map(|p| Some(at(p, p.psnr_db?))).collect();
        // The same figure stands in every point until it is measured again: what is drawn is when it changed.
        let last = psnr.last().copied();
        psnr.dedup_by_key(|p| p[1].to_bits());
        psnr.extend(last.filter(|l| psnr.last() != Some(l)));
        Self { loss: thinned(loss), psnr: thinned(psnr) }
    }
}

/// At most [`DRAWN`] points, the last one among them.
fn thinned(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.retain(|p| p[1].is_finite());
    let step = points.len().div_ceil(DRAWN).max(1);
    let n = points.len();
    points.into_iter().enumerate().filter(|(k, _)| (n - 1 - k).is_multiple_of(step)).map(|(_, p)| p).collect()
}

/// Indices of the views, the worst rendered first; of equal ones the earlier.
pub(super) fn worst_first(training: &Training) -> Vec<usize> {
    let mut all: Vec<usize> = (0..training.views.len()).collect();
    all.sort_by(|a, b| training.views[*a].psnr_db.total_cmp(&training.views[*b].psnr_db));
    all
}

/// Seconds until the last step, at the pace of the last tenth of the points; `None` where there is no pace yet.
pub(super) fn seconds_left(training: &Training) -> Option<f32> {
    let points = &training.points;
    let last = points.last()?;
    let since = points.len().saturating_sub(2 + points.len() / 10);
    let before = points.get(since).filter(|p| p.step < last.step)?;
    let pace = (last.seconds - before.seconds) / (last.step - before.step) as f32;
    let left = pace * training.steps.saturating_sub(last.step) as f32;
    (left.is_finite() && left >= 0.0).then_some(left)
}

/// A duration: "45 s", "3 min 20 s", "2 h 05 min".
pub(super) fn time(seconds: f32) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// A whole number with its thousands apart: "1,234,567".
pub(super) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (k, c) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::ViewScore;

    fn training(points: usize) -> Training {
        let point = |k: usize| TrainPoint {
            step: 10 * (k + 1),
            seconds: 2.0 * (k + 1) as f32,
            loss: 1.0 / (k + 1) as f32,
            psnr_db: (k >= 4).then_some(20.0 + (k / 5) as f32),
            rate: 5.0,
            gaussians: 1000,
        };
        let view = |image: &str, psnr_db: f32| ViewScore { image: image.into(), psnr_db, held_out: false };
        Training {
            device: "CPU".into(),
            steps: 20_000,
            points: (0..points).map(point).collect(),
            views: vec![view("a", 25.0), view("b", 19.5), view("c", f32::INFINITY), view("d", 19.5)],
        }
    }

    #[test]
    fn curves_are_thinned_and_keep_their_ends() {
        let curves = Curves::of(&training(1001));
        assert!(curves.loss.len() <= DRAWN && curves.loss.len() > DRAWN / 2);
        assert_eq!(curves.loss.last(), Some(&[10_010.0, f64::from(1.0f32 / 1001.0)]));
        let few = Curves::of(&training(12));
        assert_eq!(few.loss.len(), 12);
        assert_eq!(few.psnr, [[50.0, 20.0], [60.0, 21.0], [110.0, 22.0], [120.0, 22.0]]);
        assert_eq!(Curves::of(&Training::default()), Curves::default());
        let mut broken = training(3);
        broken.points[1].loss = f32::NAN;
        assert_eq!(Curves::of(&broken).loss.len(), 2);
    }

    #[test]
    fn bad_photos_come_first() {
        assert_eq!(worst_first(&training(1)), [1, 3, 0, 2]);
    }

    #[test]
    fn time_left_follows_the_pace() {
        // 0.2 s a step, 19,000 steps to go.
        assert!((seconds_left(&training(100)).unwrap() - 3800.0).abs() < 0.1);
        assert_eq!(seconds_left(&training(1)), None);
        let mut paused = training(100);
        for p in &mut paused.points[50..] {
            p.seconds += 1e4;
        }
        assert!((seconds_left(&paused).unwrap() - 3800.0).abs() < 1.0, "what was long ago does not count");
    }

    #[test]
    fn figures_in_words() {
        assert_eq!((time(59.4).as_str(), time(200.0).as_str()), ("59 s", "3 min 20 s"));
        assert_eq!((time(7500.0).as_str(), time(-1.0).as_str()), ("2 h 05 min", "0 s"));
        assert_eq!([grouped(7), grouped(1234), grouped(1_234_567)], ["7", "1,234", "1,234,567"]);
    }
}
