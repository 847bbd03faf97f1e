//! Many questions at once: what is remembered is not asked, a few are with the server at a time, and the wait for them can
//! be cancelled at any moment.

use super::exchange::{Client, Exchanged, Request};
use super::fault::{Kind, Refusal};
use super::question::{Again, Dialect, Question};
use super::reply::Reply;
use super::{Vlm, VlmError};
use crate::scene::{Cancelled, Job};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Time between two looks at whether the user has cancelled.
const LOOK: Duration = Duration::from_millis(100);
/// Questions in a row that the server may leave without any answer before the others are not put to it any more.
const SILENT: usize = 3;

/// Reads an answer: what is in it, or what is wrong with it.
type Reader<'a, T> = &'a dyn Fn(usize, &str) -> Result<T, String>;

/// A question that is under way.
struct Pending {
    index: usize,
    question: Question,
    again: Option<Again>,
    dialect: Dialect,
}

/// One call of [`Vlm::ask_all`].
struct Asking<'a, T> {
    vlm: &'a Vlm,
    read: Reader<'a, T>,
    answers: Vec<Option<Result<T, VlmError>>>,
    finished: usize,
    waiting: VecDeque<Pending>,
    in_flight: usize,
    sender: Sender<(Pending, Exchanged)>,
    given_up: Arc<AtomicBool>,
    /// Questions in a row without an answer.
    silent: usize,
    /// Why nothing more is asked.
    over: Option<VlmError>,
    cache_failed: Option<String>,
}

impl Vlm {
    /// Asks `count` questions. `question(i)` makes the i-th when its turn comes; `read(i, answer)` reads its answer, or
    /// says in a few words what is wrong with it: then it is asked once more. One entry a question, in order; a question
    /// that fails does not keep the others from being asked, unless the server would refuse them as well.
    pub fn ask_all<T>(
        &self,
        count: usize,
        question: impl Fn(usize) -> Question,
        read: impl Fn(usize, &str) -> Result<T, String>,
        job: &dyn Job,
    ) -> Result<Vec<Result<T, VlmError>>, Cancelled> {
        let start = Instant::now();
        let (sender, receiver) = channel();
        let mut asking = Asking {
            vlm: self,
            read: &read,
            answers: (0..count).map(|_| None).collect(),
            finished: 0,
            waiting: VecDeque::new(),
            in_flight: 0,
            sender,
            given_up: Arc::default(),
            silent: 0,
            over: None,
            cache_failed: None,
        };
        let outcome = asking.run(&question, &receiver, job);
        // Requests that are still on their way end by themselves; nobody waits for them.
        asking.given_up.store(true, Ordering::Release);
        self.state().tally.seconds += start.elapsed().as_secs_f64();
        if let Some(reason) = asking.cache_failed {
            job.warn(format!("answers of the VLM are not kept, and will be asked for again: {reason}"));
        }
        outcome?;
        let missing = || Err(self.refused("it was not asked".into()));
        Ok(asking.answers.into_iter().map(|a| a.unwrap_or_else(missing)).collect())
    }

    /// One request on a thread of its own, so that the wait for it can be cancelled.
    pub(super) fn one(&self, request: Request, job: &dyn Job) -> Result<Exchanged, VlmError> {
        let (sender, receiver) = channel();
        let (client, given_up) = (self.client.clone(), Arc::new(AtomicBool::new(false)));
        let seen = given_up.clone();
        let work = move || drop(sender.send(guarded(&client, &request, &seen)));
        self.thread(work)?;
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(exchanged) => return Ok(exchanged),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.refused("the request was lost".into())),
            }
            if let Err(cancelled) = job.tick(0, 1) {
                given_up.store(true, Ordering::Release);
                return Err(cancelled.into());
            }
        }
    }

    fn thread(&self, work: impl FnOnce() + Send + 'static) -> Result<(), VlmError> {
        let thread = std::thread::Builder::new().name("vlm request".into()).spawn(work);
        thread.map(drop).map_err(|e| self.refused(format!("no thread for the request: {e}")))
    }
}

impl<T> Asking<'_, T> {
    fn run(
        &mut self,
        question: &dyn Fn(usize) -> Question,
        receiver: &Receiver<(Pending, Exchanged)>,
        job: &dyn Job,
    ) -> Result<(), Cancelled> {
        let (total, mut next) = (self.answers.len(), 0);
        while self.finished < total {
            job.tick(self.finished, total)?;
            let room = self.in_flight < self.vlm.client.settings.parallel.max(1);
            if let Some(error) = self.over.clone() {
                // What is remembered still counts; nothing else is asked.
                for pending in std::mem::take(&mut self.waiting) {
                    self.finish(pending.index, Err(error.clone()));
                }
            }
            if room && let Some(pending) = self.waiting.pop_front() {
                self.send(pending);
            } else if room && next < total {
                let dialect = self.vlm.state().dialect;
                self.advance(Pending { index: next, question: question(next), again: None, dialect });
                next += 1;
            } else if self.in_flight > 0 {
                match receiver.recv_timeout(LOOK) {
                    Ok((pending, exchanged)) => self.receive(pending, exchanged),
                    Err(_) => continue,
                }
            }
        }
        job.tick(total, total)
    }

    /// Brings a question as far as it goes without the server.
    fn advance(&mut self, mut pending: Pending) {
        loop {
            let key = pending.question.key(&self.vlm.model, pending.again.as_ref());
            let Some(reply) = self.vlm.cache.as_ref().and_then(|c| c.get(&key)) else { break };
            self.vlm.state().tally.remembered += 1;
            match self.judged(pending, &reply) {
                Some(further) => pending = further,
                None => return,
            }
        }
        self.waiting.push_back(pending);
    }

    /// Sends a question to the server.
    fn send(&mut self, pending: Pending) {
        let index = pending.index;
        let vlm = self.vlm;
        let body = match pending.question.body(&vlm.model, pending.again.as_ref(), pending.dialect) {
            Ok(body) => body,
            Err(e) => return self.finish(index, Err(e)),
        };
        let number = {
            let tally = &mut vlm.state().tally;
            tally.asked += 1;
            tally.asked
        };
        let patience = vlm.client.settings.answer;
        let request = Request { service: "chat/completions", body: Some(body), patience, number };
        let (client, sender, given_up) = (vlm.client.clone(), self.sender.clone(), self.given_up.clone());
        let work = move || {
            let exchanged = guarded(&client, &request, &given_up);
            // Whoever asked may have cancelled since.
            let _ = sender.send((pending, exchanged));
        };
        match vlm.thread(work) {
            Ok(()) => self.in_flight += 1,
            Err(e) => self.finish(index, Err(e)),
        }
    }

    /// Takes what came of a request.
    fn receive(&mut self, pending: Pending, exchanged: Exchanged) {
        self.in_flight -= 1;
        self.vlm.state().tally.retries += u64::from(exchanged.tries.saturating_sub(1));
        match exchanged.result {
            Ok(answer) => {
                self.silent = 0;
                match Reply::read(&answer) {
                    Ok(reply) => self.answered(pending, &reply),
                    // No answer of a model: it is not kept.
                    Err(reason) => match complain(pending, "", reason) {
                        Ok(further) => self.advance(further),
                        Err((index, reason)) => self.finish(index, Err(self.vlm.unusable(reason))),
                    },
                }
            }
            Err(refusal) => self.refused(pending, refusal),
        }
    }

    /// Takes an answer: it is kept, whatever it is worth, and read.
    fn answered(&mut self, pending: Pending, reply: &Reply) {
        {
            let mut state = self.vlm.state();
            state.dialect = pending.dialect;
            state.tally.prompt_tokens += reply.prompt_tokens.unwrap_or(0);
            state.tally.completion_tokens += reply.completion_tokens.unwrap_or(0);
        }
        if let Some(cache) = &self.vlm.cache {
            let key = pending.question.key(&self.vlm.model, pending.again.as_ref());
            if let Err(e) = cache.put(&key, &self.vlm.model, &pending.question.text, reply) {
                self.cache_failed.get_or_insert(e.to_string());
            }
        }
        if let Some(further) = self.judged(pending, reply) {
            self.advance(further);
        }
    }

    /// Reads an answer; the question as it is put once more where the answer cannot be used.
    fn judged(&mut self, pending: Pending, reply: &Reply) -> Option<Pending> {
        let read = match &reply.declined {
            Some(reason) => Err(reason.clone()),
            None => (self.read)(pending.index, &reply.text),
        };
        match read {
            Ok(value) => self.finish(pending.index, Ok(value)),
            Err(reason) => {
                let reason = if reply.cut { format!("{reason}, and it was cut short") } else { reason };
                match complain(pending, &reply.text, reason) {
                    Ok(further) => return Some(further),
                    Err((index, reason)) => self.finish(index, Err(self.vlm.unusable(reason))),
                }
            }
        }
        None
    }

    /// Takes a refusal: the question is put in the way that the server wants, or given up.
    fn refused(&mut self, mut pending: Pending, refusal: Refusal) {
        if let Some(dialect) = other_dialect(pending.dialect, &refusal) {
            pending.dialect = dialect;
            self.waiting.push_front(pending);
            return;
        }
        let error = self.vlm.refused(refusal.reason);
        let answered = refusal.kind == Kind::Question && refusal.status.is_some();
        self.silent = if answered { 0 } else { self.silent + 1 };
        if refusal.kind == Kind::Everything || self.silent >= SILENT {
            self.over = Some(error.clone());
        }
        self.finish(pending.index, Err(error));
    }

    fn finish(&mut self, index: usize, answer: Result<T, VlmError>) {
        self.answers[index] = Some(answer);
        self.finished += 1;
    }
}

/// An exchange that always comes back: a fault in a library must not leave anybody waiting.
fn guarded(client: &Client, request: &Request, given_up: &AtomicBool) -> Exchanged {
    let exchange = std::panic::AssertUnwindSafe(|| client.exchange(request, given_up));
    std::panic::catch_unwind(exchange).unwrap_or_else(|_| {
        let reason = "a fault in the program while it was asked".to_owned();
        Exchanged { result: Err(Refusal { status: None, reason, kind: Kind::Question }), tries: 1 }
    })
}

/// The question with what is wrong with its answer, or where that was the second one its index and the reason.
fn complain(pending: Pending, answer: &str, complaint: String) -> Result<Pending, (usize, String)> {
    match pending.again {
        Some(_) => Err((pending.index, complaint)),
        None => Ok(Pending { again: Some(Again { answer: answer.to_owned(), complaint }), ..pending }),
    }
}

/// Another way to put a question that was refused, if the refusal may be about the way that it was put.
fn other_dialect(dialect: Dialect, refusal: &Refusal) -> Option<Dialect> {
    let status = refusal.status?;
    if dialect.limit.is_some() && refusal.mentions(&["max_tokens", "max_completion_tokens"]) {
        let limit = if dialect.limit == Some("max_tokens") { Some("max_completion_tokens") } else { None };
        return Some(Dialect { limit, ..dialect });
    }
    if dialect.temperature && refusal.mentions(&["temperature"]) {
        return Some(Dialect { temperature: false, ..dialect });
    }
    let about_schema = matches!(status, 400 | 415 | 422 | 501)
        || refusal.mentions(&["response_format", "json_schema", "schema", "grammar", "structured output"]);
    (dialect.schema && about_schema && refusal.kind != Kind::Everything).then_some(Dialect { schema: false, ..dialect })
}
