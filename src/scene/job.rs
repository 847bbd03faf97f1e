//! How long work reports progress, pauses and is cancelled.

/// The work was cancelled by the user; nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// Handed to every function that runs for more than a moment. Called from the working thread.
pub trait Job: Sync {
    /// Reports progress as `done` of `total`; blocks while the user has paused; `Err` once the user has cancelled.
    fn tick(&self, done: usize, total: usize) -> Result<(), Cancelled>;

    /// Tells the user of trouble that the work survives.
    fn warn(&self, message: String);
}

/// A job that nobody watches: for tests and benchmarks.
pub struct Quiet;

impl Job for Quiet {
    fn tick(&self, _: usize, _: usize) -> Result<(), Cancelled> {
        Ok(())
    }

    fn warn(&self, _: String) {}
}
