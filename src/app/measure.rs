//! A distance between two points, and the number of metres that the user says it is.

use crate::scene::{Cancelled, Job};
use nalgebra::Point3;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The measuring tape: in the user's hand while it is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Measure {
    /// None, one or two points of the world.
    pub points: Vec<Point3<f64>>,
    /// A change of scale that is being carried out.
    pub applying: Option<Arc<Applying>>,
}

impl Measure {
    /// Takes a point; after two a third one begins anew.
    pub(super) fn add(&mut self, point: Point3<f64>) {
        if self.points.len() >= 2 {
            self.points.clear();
        }
        self.points.push(point);
    }

    /// Distance of the two points, scene units.
    pub(super) fn distance(&self) -> Option<f64> {
        match self.points.as_slice() {
            [a, b] => Some((b - a).norm()),
            _ => None,
        }
    }
}

/// What a user typed as metres: "0.8", "0,8 m", "80 cm", "800 mm". `None` where it is no length.
pub(super) fn metres(text: &str) -> Option<f64> {
    let text = text.trim().to_lowercase().replace(',', ".");
    let number = text.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = match text[number.len()..].trim() {
        "" | "m" => 1.0,
        "cm" => 0.01,
        "mm" => 0.001,
        _ => return None,
    };
    number.trim().parse::<f64>().ok().map(|x| x * unit).filter(|x| x.is_finite() && *x > 0.0)
}

/// How far a change of scale is: the working thread writes, the window reads.
#[derive(Debug, Default)]
pub(super) struct Applying {
    done: AtomicUsize,
    total: AtomicUsize,
    warnings: Mutex<Vec<String>>,
}

impl Applying {
    /// Share that is done, 0..1.
    pub(super) fn share(&self) -> f32 {
        self.done.load(Ordering::Relaxed) as f32 / self.total.load(Ordering::Relaxed).max(1) as f32
    }

    /// What the work warned of.
    pub(super) fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Job for Applying {
    fn tick(&self, done: usize, total: usize) -> Result<(), Cancelled> {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        Ok(())
    }

    fn warn(&self, message: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_as_people_type_them() {
        for (text, expected) in [("0.80", 0.8), (" 0,8 m", 0.8), ("80 cm", 0.8), ("800mm", 0.8), ("1e-1", 0.1)] {
            assert!((metres(text).unwrap() - expected).abs() < 1e-12, "{text}");
        }
        for text in ["", "m", "0", "-1", "inf", "nan", "3 feet", "1.2.3", "\u{b5}"] {
            assert_eq!(metres(text), None, "{text}");
        }
    }

    #[test]
    fn a_third_point_begins_anew() {
        let mut m = Measure::default();
        assert_eq!(m.distance(), None);
        m.add(Point3::new(1.0, 1.0, 1.0));
        assert_eq!(m.distance(), None);
        m.add(Point3::new(4.0, 5.0, 1.0));
        assert_eq!(m.distance(), Some(5.0));
        m.add(Point3::origin());
        assert_eq!((m.points.len(), m.distance()), (1, None));
    }

    #[test]
    fn progress_is_a_share() {
        let a = Applying::default();
        assert_eq!(a.share(), 0.0);
        a.tick(3, 4).unwrap();
        a.warn("w".into());
        assert_eq!((a.share(), a.warnings()), (0.75, vec!["w".to_owned()]));
    }
}
