//! Progress on stderr: a bar on a terminal, plain lines otherwise.

use holoscope::pipeline::Stage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;

/// Percent between two lines of progress where there is no terminal.
const LINE_PERCENT: usize = 25;

/// Shows a run as it goes.
pub(super) struct Progress {
    quiet: bool,
    bar: Option<ProgressBar>,
    last_percent: usize,
}

impl Progress {
    /// `quiet` shows nothing at all.
    pub(super) fn new(quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template("{msg:10} {bar:40} {percent:>3} % {elapsed} (about {eta} left)")
            {
                bar.set_style(style);
            }
            bar
        });
        Self { quiet, bar, last_percent: 0 }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None if !self.quiet => eprintln!("{text}"),
            None => {}
        }
    }

    pub(super) fn started(&mut self, stage: Stage) {
        self.last_percent = 0;
        match &self.bar {
            Some(bar) => {
                bar.reset();
                bar.set_message(stage.name());
            }
            None => self.line(&format!("{} ...", stage.name())),
        }
    }

    pub(super) fn progressed(&mut self, stage: Stage, done: usize, total: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
            return;
        }
        let percent = done * 100 / total.max(1);
        if percent >= self.last_percent + LINE_PERCENT && percent < 100 {
            self.last_percent = percent / LINE_PERCENT * LINE_PERCENT;
            self.line(&format!("{} {percent} %", stage.name()));
        }
    }

    pub(super) fn finished(&self, stage: Stage, seconds: f64, reused: bool) {
        let kept = if reused { " (kept from the last run)" } else { "" };
        self.line(&format!("{} done in {seconds:.1} s{kept}", stage.name()));
    }

    pub(super) fn noted(&self, text: &str) {
        self.line(text);
    }

    pub(super) fn warned(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
