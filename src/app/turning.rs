//! How quick the 3D view is: `HOLOSCOPE_ORBIT=SECONDS` turns the camera for so long once everything is there, says how
//! many pictures were shown and how long the full one took after the camera stood still, and closes the window.

use super::orbit::Orbit;
use eframe::egui::{Context, ViewportCommand};

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
    /// Milliseconds that the frames of the window took.
    frames: Vec<f32>,
}

impl Turning {
    /// Reads the environment.
    pub(super) fn from_env() -> Self {
        let seconds = std::env::var("HOLOSCOPE_ORBIT").ok().and_then(|s| s.trim().parse().ok());
        Self { seconds, ..Self::default() }
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
            self.frames.sort_by(f32::total_cmp);
            let at = |share: f32| self.frames.get((self.frames.len() as f32 * share) as usize).copied().unwrap_or(0.0);
            println!(
                "{rate:.1} pictures a second; at full size {:.2} s after rest; frames of the window: median {:.1} ms, \
                 95th percentile {:.1} ms",
                now - rest,
                at(0.5),
                at(0.95)
            );
            self.seconds = None;
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
        None
    }
}
