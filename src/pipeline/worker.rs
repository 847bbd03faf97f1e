//! The background thread of a run, and how it is watched, paused and cancelled.

use super::run::{Run, RunError};
use super::{Live, Message, RunOptions, Stage};
use crate::scene::{Cancelled, Job};
use crossbeam_channel::{Receiver, Sender};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Progress messages closer together than this are dropped: nobody can see them.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Room for messages; the worker waits when the watcher is this far behind on messages that matter.
const CHANNEL: usize = 1024;

/// A run on its own thread. Dropping it cancels the run and waits for the thread.
pub struct Pipeline {
    /// What happens, in order.
    pub messages: Receiver<Message>,
    /// The latest results.
    pub live: Arc<Live>,
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

impl Pipeline {
    /// Starts a run. `wake` is called after every message, from the worker: a window asks for a repaint there.
    pub fn start(input: PathBuf, out: PathBuf, options: RunOptions, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (sender, messages) = crossbeam_channel::bounded(CHANNEL);
        let live = Live::new();
        let control = Arc::new(Control::default());
        let worker = Worker { sender, wake: Box::new(wake), control: Arc::clone(&control), live: Arc::clone(&live) };
        let thread = std::thread::spawn(move || worker.work(&input, &out, &options));
        Self { messages, live, control, thread: Some(thread) }
    }

    /// Pauses the run at its next tick, or lets it go on.
    pub fn set_paused(&self, paused: bool) {
        *self.control.paused.lock().unwrap_or_else(PoisonError::into_inner) = paused;
        self.control.changed.notify_all();
    }

    /// Whether the run is paused.
    pub fn is_paused(&self) -> bool {
        *self.control.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the run to stop at its next tick. Finished stages are kept.
    pub fn cancel(&self) {
        self.control.cancelled.store(true, Ordering::Release);
        self.set_paused(false);
    }

    /// Whether the thread is still at work.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|t| !t.is_finished())
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.cancel();
        // A full channel must not keep the worker waiting for a reader that is gone.
        while self.is_running() {
            while self.messages.try_recv().is_ok() {}
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(thread) = self.thread.take() {
            // A panic of the worker has been reported as a message.
            let _ = thread.join();
        }
    }
}

#[derive(Default)]
struct Control {
    paused: Mutex<bool>,
    changed: Condvar,
    cancelled: AtomicBool,
}

/// The worker's side: what it can say, and where it puts results.
pub(super) struct Worker {
    sender: Sender<Message>,
    wake: Box<dyn Fn() + Send + Sync>,
    control: Arc<Control>,
    pub(super) live: Arc<Live>,
}

impl Worker {
    fn work(&self, input: &std::path::Path, out: &std::path::Path, options: &RunOptions) {
        let current = Mutex::new(Stage::Frames);
        let existed = out.exists();
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
            match rayon::ThreadPoolBuilder::new().num_threads(options.threads as usize).build() {
                Ok(pool) => pool.install(|| Run::new(self, input, out, options, &current)?.all()),
                Err(e) => Err(RunError::Threads(e.to_string())),
            }
        }));
        if !existed && !matches!(outcome, Ok(Ok(()))) {
            // An input that was refused leaves no empty folder; one that holds anything is not removed by this.
            let _ = std::fs::remove_dir(out);
        }
        let stage = *current.lock().unwrap_or_else(PoisonError::into_inner);
        self.say(match outcome {
            Ok(Ok(())) => Message::Finished,
            Ok(Err(RunError::Cancelled(_))) => Message::Cancelled,
            Ok(Err(e)) => Message::StageFailed { stage, error: e.to_string() },
            Err(panic) => {
                Message::StageFailed { stage, error: format!("a fault in the program: {}", panic_text(&*panic)) }
            }
        });
    }

    /// Says something that must arrive.
    pub(super) fn say(&self, message: Message) {
        // A watcher that is gone needs no message.
        let _ = self.sender.send(message);
        (self.wake)();
    }

    /// Tells that a slot of [`Live`] changed; may be dropped when the watcher is behind, since the slot is there.
    pub(super) fn updated(&self) {
        let _ = self.sender.try_send(Message::Updated);
        (self.wake)();
    }

    pub(super) fn job(&self, stage: Stage) -> StageJob<'_> {
        StageJob { worker: self, stage, last: Mutex::new(None), warnings: Mutex::default() }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}

/// The [`Job`] of a stage.
pub(super) struct StageJob<'a> {
    worker: &'a Worker,
    stage: Stage,
    last: Mutex<Option<Instant>>,
    warnings: Mutex<Vec<String>>,
}

impl StageJob<'_> {
    /// Says something worth knowing that is no trouble.
    pub(super) fn note(&self, text: String) {
        self.worker.say(Message::Noted(text));
    }

    /// The warnings given so far.
    pub(super) fn warnings(self) -> Vec<String> {
        self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job for StageJob<'_> {
    fn tick(&self, done: usize, total: usize) -> Result<(), Cancelled> {
        let control = &self.worker.control;
        let mut paused = control.paused.lock().unwrap_or_else(PoisonError::into_inner);
        while *paused {
            paused = control.changed.wait(paused).unwrap_or_else(PoisonError::into_inner);
        }
        drop(paused);
        if control.cancelled.load(Ordering::Acquire) {
            return Err(Cancelled);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|t| t.elapsed() >= PROGRESS_INTERVAL) || done == total {
            *last = Some(Instant::now());
            let _ = self.worker.sender.try_send(Message::StageProgressed { stage: self.stage, done, total });
            (self.worker.wake)();
        }
        Ok(())
    }

    fn warn(&self, message: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
        self.worker.say(Message::Warned(message));
    }
}
