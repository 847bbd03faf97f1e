//! Long work that the window has started on a thread: how far it is, and how it is stopped.

use crate::scene::{Cancelled, Job};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
struct State {
    done: AtomicUsize,
    total: AtomicUsize,
    cancelled: AtomicBool,
    over: AtomicBool,
    warnings: Mutex<Vec<String>>,
}

/// One piece of work, as the window sees it.
pub(super) struct Task {
    /// Unlike that of any other.
    pub id: u64,
    /// What it does: "Export".
    pub name: &'static str,
    state: Arc<State>,
}

/// The same, as its thread sees it. It is over when this is dropped, by a panic too.
pub(super) struct Worker {
    state: Arc<State>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Task {
    /// A task and what its thread reports to; `wake` is called whenever there is news.
    pub(super) fn new(id: u64, name: &'static str, wake: impl Fn() + Send + Sync + 'static) -> (Self, Worker) {
        let state = Arc::new(State::default());
        (Self { id, name, state: Arc::clone(&state) }, Worker { state, wake: Box::new(wake) })
    }

    /// Done, and of how many; 0 where that is not known yet.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.state.done.load(Ordering::Acquire), self.state.total.load(Ordering::Acquire))
    }

    /// Asks it to stop.
    pub(super) fn cancel(&self) {
        self.state.cancelled.store(true, Ordering::Release);
    }

    /// Whether its thread has ended.
    pub(super) fn is_over(&self) -> bool {
        self.state.over.load(Ordering::Acquire)
    }

    /// What it has warned of since it was asked last.
    pub(super) fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Job for Worker {
    fn tick(&self, done: usize, total: usize) -> Result<(), Cancelled> {
        self.state.done.store(done, Ordering::Release);
        self.state.total.store(total, Ordering::Release);
        (self.wake)();
        if self.state.cancelled.load(Ordering::Acquire) { Err(Cancelled) } else { Ok(()) }
    }

    fn warn(&self, message: String) {
        self.state.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        (self.wake)();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Release);
        (self.wake)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_far_it_is_and_stops_when_asked() {
        let (task, worker) = Task::new(1, "Work", || {});
        assert_eq!(worker.tick(3, 9), Ok(()));
        worker.warn("odd".into());
        assert_eq!((task.progress(), task.is_over(), task.warnings()), ((3, 9), false, vec!["odd".into()]));
        task.cancel();
        assert_eq!(worker.tick(4, 9), Err(Cancelled));
        drop(worker);
        assert!(task.is_over() && task.warnings().is_empty());
    }
}
