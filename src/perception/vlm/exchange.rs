//! One request and its answer over HTTP: time-outs, and tries again after trouble that passes.

use super::address::{Address, Credentials};
use super::fault::{Kind, Refusal, error_in, one_line};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest answer that is read, bytes: the longest that a model gives is some hundred kilobytes.
const LONGEST_ANSWER: u64 = 8 << 20;
/// Time between two looks at whether the waiting was given up.
const LOOK: Duration = Duration::from_millis(50);
/// Share of a waiting time that chance adds or takes off, so that several clients do not come back at the same moment.
const JITTER: f64 = 0.25;

/// How patient the client is.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Questions that are with the server at the same time, at least 1.
    pub parallel: usize,
    /// Tries of one request, the first included, at least 1.
    pub tries: u32,
    /// Longest time for a connection to come about.
    pub connect: Duration,
    /// Longest time for one whole answer: a local server may have to load its model first.
    pub answer: Duration,
    /// Wait before the second try; it doubles with every other.
    pub back_off: Duration,
    /// Longest wait before a try, whatever the server asks for.
    pub longest_wait: Duration,
    /// Seed of what chance adds to the waits.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parallel: 4,
            tries: 3,
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(300),
            back_off: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            seed: 0,
        }
    }
}

/// What reaches one server, and nothing else.
pub(super) struct Client {
    pub(super) address: Address,
    pub(super) credentials: Credentials,
    pub(super) settings: Settings,
    agent: ureq::Agent,
}

/// A request, ready to be sent.
pub(super) struct Request {
    /// The last part of the address: `models`, `chat/completions`.
    pub(super) service: &'static str,
    /// JSON to be posted; without it the request is a `GET`.
    pub(super) body: Option<String>,
    /// Longest time for the answer.
    pub(super) patience: Duration,
    /// Distinguishes the chance of this request from that of others.
    pub(super) number: u64,
}

/// What came of a request.
pub(super) struct Exchanged {
    /// The answer's JSON.
    pub(super) result: Result<Value, Refusal>,
    /// How often it was tried.
    pub(super) tries: u32,
}

impl Client {
    pub(super) fn new(address: Address, credentials: Credentials, settings: Settings) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(settings.connect))
            .http_status_as_error(false)
            // A redirect would carry photos, and perhaps the key, to an address that nobody chose.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .save_redirect_history(false);
        let config = if address.is_loopback() { config.proxy(None) } else { config };
        Self { agent: config.build().new_agent(), address, credentials, settings }
    }

    /// Sends a request and waits for its answer; ends early once `given_up` is set.
    pub(super) fn exchange(&self, request: &Request, given_up: &AtomicBool) -> Exchanged {
        let mut chance = fastrand::Rng::with_seed(self.settings.seed ^ request.number.rotate_left(32));
        let mut tries = 1;
        loop {
            let (refusal, asked_wait) = match self.once(request) {
                Ok(value) => return Exchanged { result: Ok(value), tries },
                Err(refused) => refused,
            };
            let again = refusal.kind == Kind::Passing && tries < self.settings.tries;
            let wait = asked_wait.unwrap_or_else(|| self.back_off(tries, &mut chance));
            if !again || !pause(wait.min(self.settings.longest_wait), given_up) {
                return Exchanged { result: Err(refusal), tries };
            }
            tries += 1;
        }
    }

    /// Wait after the given number of tries, seconds that double, with some chance in them.
    fn back_off(&self, tries: u32, chance: &mut fastrand::Rng) -> Duration {
        let doubled = self.settings.back_off.saturating_mul(1 << (tries - 1).min(16));
        doubled.mul_f64(1.0 + JITTER * (2.0 * chance.f64() - 1.0))
    }

    /// One try: the answer, or the refusal with the wait that the server asks for.
    fn once(&self, request: &Request) -> Result<Value, (Refusal, Option<Duration>)> {
        let sent = self.send(request);
        let (status, head, text) = sent.map_err(|e| (self.broken(&e, request.patience), None))?;
        let text = self.credentials.hide(&text);
        if !(200..300).contains(&status) {
            let mut refusal = Refusal::read(status, &text);
            refusal.reason = self.credentials.hide(&refusal.reason);
            if (300..400).contains(&status) {
                let target = head.location.and_then(|l| Address::parse(&l).ok());
                let target = target.map_or("another address".to_owned(), |a| a.shown().to_owned());
                refusal.reason = format!("status {status}: it sends on to {target}, which was not followed");
            }
            if status == 401 && self.credentials.withheld {
                refusal.reason.push_str(
                    "; OPENAI_API_KEY is not sent to other machines without https: set HOLOSCOPE_VLM_KEY for this one",
                );
            }
            return Err((refusal, head.retry_after));
        }
        let question = |reason: String| (Refusal { status: Some(status), reason, kind: Kind::Question }, None);
        let mut value: Value = serde_json::from_str(&text).map_err(|_| {
            let start = Refusal::read(status, &text).reason;
            question(format!("the answer is not JSON, so it is not from an OpenAI-compatible server ({start})"))
        })?;
        // Once more now that escapes are undone.
        self.credentials.hide_in(&mut value);
        match error_in(&value) {
            Some(error) => Err(question(error)),
            None => Ok(value),
        }
    }

    fn send(&self, request: &Request) -> Result<(u16, Head, String), ureq::Error> {
        let url = self.address.url(request.service);
        let bearer = self.credentials.authorization.as_ref();
        let mut response = match &request.body {
            Some(body) => {
                let post = self.agent.post(&url).config().timeout_global(Some(request.patience)).build();
                let post = bearer.iter().fold(post, |r, b| r.header("Authorization", b.as_str()));
                post.content_type("application/json").send(body.as_str())?
            }
            None => {
                let get = self.agent.get(&url).config().timeout_global(Some(request.patience)).build();
                bearer.iter().fold(get, |r, b| r.header("Authorization", b.as_str())).call()?
            }
        };
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let head = Head {
            retry_after: header("retry-after").and_then(|text| wait_asked_for(&text, jiff::Timestamp::now())),
            location: header("location"),
        };
        let text = response.body_mut().with_config().limit(LONGEST_ANSWER).lossy_utf8(true).read_to_string()?;
        Ok((response.status().as_u16(), head, text))
    }

    /// No whole answer came.
    fn broken(&self, error: &ureq::Error, patience: Duration) -> Refusal {
        let (reason, kind) = match error {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                (format!("no connection within {:?}", self.settings.connect), Kind::Passing)
            }
            // Who did not finish in that time will not do so the next time either.
            ureq::Error::Timeout(_) => (format!("no whole answer within {patience:?}"), Kind::Question),
            ureq::Error::BodyExceedsLimit(_) => ("the answer has no end".to_owned(), Kind::Question),
            other => (one_line(&self.credentials.hide(&other.to_string())), Kind::Passing),
        };
        Refusal { status: None, reason, kind }
    }
}

/// What is read of an answer's head.
struct Head {
    retry_after: Option<Duration>,
    location: Option<String>,
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn wait_asked_for(text: &str, now: jiff::Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Waits; false where the waiting was given up before it was over.
fn pause(time: Duration, given_up: &AtomicBool) -> bool {
    let end = Instant::now() + time;
    loop {
        if given_up.load(Ordering::Acquire) {
            return false;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: jiff::Timestamp = "2015-10-21T07:27:30Z".parse().unwrap();
        assert_eq!(wait_asked_for(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(wait_asked_for("0.5", now), Some(Duration::from_millis(500)));
        assert_eq!(wait_asked_for("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(wait_asked_for("Wed, 21 Oct 2015 07:27:00 GMT", now), Some(Duration::ZERO));
        for odd in ["", "soon", "-1", "NaN", "inf", "1e300"] {
            assert_eq!(wait_asked_for(odd, now), None, "{odd}");
        }
    }

    #[test]
    fn waits_double_and_the_same_seed_gives_the_same_waits() {
        let address = Address::parse("http://localhost/v1").unwrap();
        let credentials = Credentials::choose(&address, &|_| None);
        let client = Client::new(address, credentials, Settings::default());
        let waits = |seed| {
            let mut chance = fastrand::Rng::with_seed(seed);
            (1..=4).map(|tries| client.back_off(tries, &mut chance).as_secs_f64()).collect::<Vec<f64>>()
        };
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(4));
        for seed in 0..200 {
            let nominal = [1.0, 2.0, 4.0, 8.0];
            assert!(waits(seed).iter().zip(nominal).all(|(w, n)| (0.75 * n..=1.25 * n).contains(w)));
        }
    }
}
