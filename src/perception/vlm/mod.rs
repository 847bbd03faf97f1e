//! A vision-language model behind an OpenAI-compatible server: vLLM, Ollama, llama.cpp, LM Studio, OpenAI, Gemini's layer.
//!
//! [`Vlm`] is the connection: it asks ([`Vlm::ask_all`]), survives what servers do wrong, keeps every answer. [`detect`]
//! uses it for labelled boxes of an open vocabulary.

mod address;
mod ask;
mod boxes;
mod cache;
mod detect;
mod exchange;
mod fault;
mod keyframes;
mod memory;
mod question;
mod reply;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod words;

pub use address::{KEY, OPENAI_KEY, shown_address};
pub use boxes::Convention;
pub use detect::detect;
pub use exchange::Settings;
pub use keyframes::key_frames;
pub use memory::{Category, Memory};
pub use question::{Question, sent};

use crate::scene::{Cancelled, Job};
use address::{Address, Credentials};
use cache::Cache;
use exchange::{Client, Request};
use fault::Refusal;
use question::Dialect;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest time for the list of models: nothing has to be loaded for it.
const LISTING: Duration = Duration::from_secs(30);
/// Models that a message names at most.
const NAMED: usize = 12;

/// What can go wrong with a server. Each message names the option and, where it can be shown, the address.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum VlmError {
    /// By the user.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The address cannot be read. It is not repeated: it may hold a password.
    #[error("--vlm: the address cannot be used: {reason}")]
    Address {
        /// Why.
        reason: String,
    },
    /// Nobody answers, or the answer is no.
    #[error("--vlm {address}: {reason}")]
    Refused {
        /// The address.
        address: String,
        /// What it said.
        reason: String,
    },
    /// The answer cannot be used, also when asked again.
    #[error("--vlm {address}: {model} gave no usable answer: {reason}")]
    Unusable {
        /// The address.
        address: String,
        /// Who answered.
        model: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server has other models.
    #[error("--vlm-model {model}: {address} does not list it; it lists {listed}")]
    NoSuchModel {
        /// The address.
        address: String,
        /// The name that was asked for.
        model: String,
        /// What there is.
        listed: String,
    },
    /// The picture cannot be encoded.
    #[error("a picture for the VLM cannot be encoded: {0}")]
    Picture(String),
}

/// What asking has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Questions that went to the server.
    pub asked: u64,
    /// Questions whose answer was there from before.
    pub remembered: u64,
    /// Requests that were sent again after trouble.
    pub retries: u64,
    /// Tokens of the questions, as far as the server counts them.
    pub prompt_tokens: u64,
    /// Tokens of the answers, as far as the server counts them.
    pub completion_tokens: u64,
    /// Time from the first question to the last answer, seconds.
    pub seconds: f64,
}

impl Tally {
    /// What was spent since an earlier tally.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            asked: self.asked - earlier.asked,
            remembered: self.remembered - earlier.remembered,
            retries: self.retries - earlier.retries,
            prompt_tokens: self.prompt_tokens - earlier.prompt_tokens,
            completion_tokens: self.completion_tokens - earlier.completion_tokens,
            seconds: self.seconds - earlier.seconds,
        }
    }

    /// For the figures in `scene.json`.
    pub fn figures(&self) -> Value {
        json!({
            "questions": self.asked, "remembered": self.remembered, "retries": self.retries,
            "prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens,
            "seconds": (self.seconds * 1000.0).round() / 1000.0,
        })
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { asked, remembered, prompt_tokens, completion_tokens, seconds, .. } = self;
        let plural = if *asked == 1 { "" } else { "s" };
        write!(f, "{asked} question{plural} in {seconds:.1} s")?;
        if prompt_tokens + completion_tokens > 0 {
            write!(f, ", {prompt_tokens} tokens sent and {completion_tokens} received")?;
        }
        if *remembered > 0 {
            write!(f, ", {remembered} answered from memory")?;
        }
        if self.retries > 0 {
            write!(f, ", {} tried again", self.retries)?;
        }
        Ok(())
    }
}

/// A connection to a server, and the answers that it gave before.
pub struct Vlm {
    client: Arc<Client>,
    model: String,
    cache: Option<Cache>,
    state: Mutex<State>,
}

/// What the connection has learned, and what it has cost.
#[derive(Default)]
struct State {
    dialect: Dialect,
    tally: Tally,
}

impl Vlm {
    /// Connects to the server at `address`, the base of its services, for example `http://localhost:8000/v1`, and takes
    /// the model of that name or, without one, the first that the server lists. The key comes from the environment:
    /// [`KEY`] for any host, [`OPENAI_KEY`] for https and this machine only.
    pub fn connect(address: &str, model: Option<&str>, settings: Settings, job: &dyn Job) -> Result<Self, VlmError> {
        Self::connect_with(address, model, settings, &|name| std::env::var(name).ok(), job)
    }

    /// As [`Self::connect`], with another source of keys than the environment.
    pub(crate) fn connect_with(
        address: &str,
        model: Option<&str>,
        settings: Settings,
        variable: &dyn Fn(&str) -> Option<String>,
        job: &dyn Job,
    ) -> Result<Self, VlmError> {
        let address = Address::parse(address)?;
        let credentials = Credentials::choose(&address, variable);
        let client = Arc::new(Client::new(address, credentials, settings));
        let mut vlm = Self { client, model: String::new(), cache: None, state: Mutex::default() };
        let patience = LISTING.min(vlm.client.settings.answer);
        let request = Request { service: "models", body: None, patience, number: 0 };
        vlm.model = match (vlm.one(request, job)?.result, model) {
            (Ok(list), model) => vlm.chosen(&listed(&list), model)?,
            // Some servers have no such list; they will say themselves whether they know the name.
            (Err(Refusal { status: Some(404 | 405 | 501), .. }), Some(model)) => model.to_owned(),
            (Err(Refusal { status: Some(404), reason, .. }), None) => {
                let hint = "it has no list of models; does its address end in /v1? If so, give --vlm-model";
                return Err(vlm.refused(format!("{reason}; {hint}")));
            }
            (Err(refusal), _) => return Err(vlm.refused(refusal.reason)),
        };
        Ok(vlm)
    }

    /// Keeps answers as files in a folder, and takes those that are there already.
    pub fn remembering_in(mut self, folder: &Path) -> Self {
        self.cache = Some(Cache::new(folder));
        self
    }

    /// Name of the model that answers.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The address without user, password and query.
    pub fn address(&self) -> &str {
        self.client.address.shown()
    }

    /// How the model gives boxes.
    pub fn convention(&self) -> Convention {
        Convention::of(&self.model)
    }

    /// What asking has cost so far.
    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, reason: String) -> VlmError {
        VlmError::Refused { address: self.address().to_owned(), reason }
    }

    fn unusable(&self, reason: String) -> VlmError {
        VlmError::Unusable { address: self.address().to_owned(), model: self.model.clone(), reason }
    }

    /// The listed model that is meant: that of the name, or the first.
    fn chosen(&self, listed: &[String], model: Option<&str>) -> Result<String, VlmError> {
        let Some(model) = model else {
            return listed.first().cloned().ok_or_else(|| self.refused("the server lists no model".into()));
        };
        // Ollama lists NAME:latest and Gemini models/NAME for what both also take as NAME.
        let means = |name: &&String| {
            *name == model || name.strip_suffix(":latest") == Some(model) || name.strip_prefix("models/") == Some(model)
        };
        listed.iter().find(means).cloned().ok_or_else(|| {
            let more = if listed.len() > NAMED { format!(" and {} more", listed.len() - NAMED) } else { String::new() };
            let names = listed.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let listed = if listed.is_empty() { "none".into() } else { format!("{names}{more}") };
            VlmError::NoSuchModel { address: self.address().to_owned(), model: model.to_owned(), listed }
        })
    }
}

/// The names in a list of models: `{"data": [{"id"}]}`, or such an array by itself.
fn listed(list: &Value) -> Vec<String> {
    let entries = list.get("data").or_else(|| list.get("models")).unwrap_or(list).as_array();
    let name =
        |entry: &Value| entry.get("id").or_else(|| entry.get("name")).unwrap_or(entry).as_str().map(fault::one_line);
    entries.into_iter().flatten().filter_map(name).filter(|n| !n.is_empty()).collect()
}
