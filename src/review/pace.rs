//! How fast a reviewer is, and how long the rest will take.

use super::{Decision, Event};
use std::collections::BTreeSet;
use std::time::Duration;

/// A pause that is longer does not count as work.
const PAUSE: f64 = 120.0;

/// Fewest decisions, and seconds of work, before a pace is told.
const LEAST: (usize, f64) = (3, 10.0);

/// How a review goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// Instances decided about per hour of work; `None` while too few to say.
    pub per_hour: Option<f64>,
    /// Time that the instances left will take at this pace.
    pub left: Option<Duration>,
}

impl Pace {
    /// From the log, for one reviewer: the instances that got a verdict which stands, over the time between lines that
    /// follow each other by at most two minutes. `left` is how many instances wait.
    ///
    /// The decision after a pause counts for neither side: how long it took is not known.
    pub fn of<'a>(events: impl Iterator<Item = &'a Event>, reviewer: &str, left: usize) -> Self {
        let (mut last, mut worked): (Option<jiff::Timestamp>, f64) = (None, 0.0);
        let mut decided = BTreeSet::new();
        for event in events.filter(|e| e.reviewer == reviewer) {
            let gap = last.map(|l| event.time.duration_since(l).as_secs_f64()).filter(|g| (0.0..=PAUSE).contains(g));
            last = Some(event.time);
            let Some(gap) = gap else { continue };
            worked += gap;
            if event.active {
                decided.extend(event.changes.iter().filter(|c| Decision::is_verdict(&c.1)).map(|c| c.0));
            }
        }
        let known = decided.len() >= LEAST.0 && worked >= LEAST.1;
        let per_hour = known.then(|| decided.len() as f64 / worked * 3600.0);
        let left = per_hour.map(|p| Duration::from_secs_f64(left as f64 / p * 3600.0));
        Self { per_hour, left }
    }

    /// In words: "412 an hour, about 8 min left"; empty while too few to say.
    pub fn in_words(&self) -> String {
        let (Some(per_hour), Some(left)) = (self.per_hour, self.left) else { return String::new() };
        let seconds = left.as_secs();
        let left = match seconds {
            0 => return format!("{per_hour:.0} an hour"),
            1..60 => "less than a minute".into(),
            60..5400 => format!("about {} min", (seconds + 30) / 60),
            _ => format!("about {:.1} h", left.as_secs_f64() / 3600.0),
        };
        format!("{per_hour:.0} an hour, {left} left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seconds: i64, id: u32, decision: Decision, reviewer: &str) -> Event {
        Event {
            seq: 0,
            time: jiff::Timestamp::from_second(1_800_000_000 + seconds).unwrap(),
            reviewer: reviewer.into(),
            program: String::new(),
            changes: vec![(id, decision)],
            active: true,
        }
    }

    fn accept(seconds: i64, id: u32) -> Event {
        event(seconds, id, Decision::Accept, "ana")
    }

    #[test]
    fn pauses_do_not_count() {
        // Ten seconds each for 2 to 4, a night, and ten seconds for 6: 4 in 40 seconds.
        let times = [(0, 1), (10, 2), (20, 3), (30, 4), (30_000, 5), (30_010, 6)];
        let events: Vec<Event> = times.map(|(s, id)| accept(s, id)).into();
        let pace = Pace::of(events.iter(), "ana", 36);
        assert_eq!(pace.per_hour, Some(360.0));
        assert_eq!(pace.left, Some(Duration::from_secs(360)));
        assert_eq!(pace.in_words(), "360 an hour, about 6 min left");
        assert_eq!(Pace::of(events.iter(), "ben", 36), Pace::default(), "that was somebody else");
    }

    #[test]
    fn a_pause_of_two_minutes_is_work_and_a_longer_one_is_not() {
        let events = [accept(0, 1), accept(120, 2), accept(240, 3), accept(360, 4), accept(481, 5)];
        assert_eq!(Pace::of(events.iter(), "ana", 0).per_hour, Some(30.0));
        assert_eq!(Pace::of(events.iter(), "ana", 0).in_words(), "30 an hour");
    }

    #[test]
    fn what_is_undone_or_no_verdict_takes_time_only() {
        let mut events = vec![accept(0, 1), accept(20, 2), accept(40, 3), accept(60, 3), accept(80, 4), accept(100, 5)];
        events[4].active = false;
        events.push(event(120, 6, Decision::Relabel { text: "chair".into() }, "ana"));
        // 2, 3 and 5 in 120 seconds; 3 once.
        assert_eq!(Pace::of(events.iter(), "ana", 9).per_hour, Some(90.0));
        assert_eq!(Pace::of(events[..2].iter(), "ana", 9), Pace::default(), "too few to say");
    }
}
