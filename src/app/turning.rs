//! How quick the window is: `HOLOSCOPE_ORBIT=SECONDS` turns the camera for so long once everything is there, says
//! how many pictures were shown, how long the full one took after the camera stood still, and what frames cost, and
//! closes the window.

use super::orbit::Orbit;
use super::system::thread_seconds;
use eframe::egui::{Context, ViewportCommand};
use std::time::Instant;

/// Radians a second.
const SPEED: f64 = 0.7;

/// One measurement.
#[derive(Default)]
pub(super) struct Turning {
    seconds: Option<f64>,
    /// When it began, and how many pictures had been shown by then.
    began: Option<(f64, u64)>,
    last: f64,
    /// When the camera came to rest, and how many pictures had been shown by then.
    rested: Option<(f64, u64)>,
    /// Milliseconds that the frames of the window took, drawing included.
    frames: Vec<f32>,
    /// Milliseconds of the processor that panels and commands of a frame took.
    ui: Vec<f32>,
    start: Option<Instant>,
    first: Option<f64>,
}

impl Turning {
    /// Reads the environment.
    pub(super) fn from_env() -> Self {
        let seconds = std::env::var("HOLOSCOPE_ORBIT").ok().and_then(|s| s.trim().parse().ok());
        Self { seconds, start: Some(Instant::now()), ..Self::default() }
    }

    /// What the thread has used so far, where that is measured.
    pub(super) fn used(&self) -> Option<f64> {
        self.seconds.and_then(|_| thread_seconds())
    }

    /// Takes in what a frame has used since `before`.
    pub(super) fn used_since(&mut self, before: Option<f64>) {
        if let (Some(_), Some(before), Some(now)) = (self.began, before, self.used()) {
            self.ui.push(((now - before) * 1e3) as f32);
        }
    }

    /// One frame: the next camera while it turns. `shown` pictures there have been so far, `settled` says that all is
    /// there at full size, `frame` is what the last frame took, seconds.
    pub(super) fn frame(
        &mut self,
        ctx: &Context,
        orbit: Option<Orbit>,
        shown: u64,
        settled: bool,
        frame: Option<f32>,
    ) -> Option<Orbit> {
        let seconds = self.seconds?;
        let now = ctx.input(|i| i.time);
        if shown > 0 && self.first.is_none() {
            self.first = self.start.map(|s| s.elapsed().as_secs_f64());
        }
        ctx.request_repaint_after_secs(0.008);
        let Some((start, before)) = self.began else {
            if settled {
                (self.began, self.last) = (Some((now, shown)), now);
            }
            return None;
        };
        let mut orbit = orbit?;
        if now - start < seconds {
            self.frames.extend(frame.map(|f| f * 1e3));
            // A drag of a screen's height turns by three radians.
            orbit.turn((now - self.last) * SPEED / 3.0, 0.0);
            self.last = now;
            return Some(orbit);
        }
        let (rest, pictures) = *self.rested.get_or_insert((now, shown));
        if settled && now > rest {
            let rate = (pictures - before) as f64 / (rest - start);
            println!("first picture {:.2} s after the window was asked for", self.first.unwrap_or_default());
            println!("{rate:.1} pictures a second; at full size {:.2} s after rest", now - rest);
            println!("frames of the window, drawing included: {}", percentiles(&mut self.frames));
            println!("panels and commands, processor time: {}", percentiles(&mut self.ui));
            self.seconds = None;
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        None
    }
}

fn percentiles(values: &mut [f32]) -> String {
    values.sort_by(f32::total_cmp);
    let at = |share: f32| values.get((values.len() as f32 * share) as usize).copied().unwrap_or(0.0);
    format!("median {:.1} ms, 95th percentile {:.1} ms, of {}", at(0.5), at(0.95), values.len())
}
