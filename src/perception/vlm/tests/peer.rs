//! The client against a server that nobody here wrote: `tests/vlm_peer.sh` starts LiteLLM's proxy with models that answer
//! by rote, and runs this.

use super::*;
use crate::perception::vlm::boxes;

/// The proxy's key, as the script sets it.
const PROXY_KEY: &str = "sk-local-test-0123";

fn to(model: &str, key: &'static str) -> Result<Vlm, VlmError> {
    let url = std::env::var("HOLOSCOPE_VLM_PEER").unwrap();
    let keys = move |name: &str| (name == super::super::KEY).then(|| key.to_owned());
    Vlm::connect_with(&url, Some(model), hasty(), &keys, &Quiet)
}

/// What a model answers, and what it cost.
fn answer(model: &str) -> (Result<String, VlmError>, super::super::Tally) {
    let vlm = to(model, PROXY_KEY).unwrap();
    let text = |_: usize, answer: &str| Ok(answer.to_owned());
    let answer = vlm.ask_all(1, question, text, &Quiet).unwrap().remove(0);
    println!("{model}: {answer:?}; {}", vlm.tally());
    (answer, vlm.tally())
}

#[test]
#[ignore = "needs the proxy of tests/vlm_peer.sh"]
fn litellm_is_understood() {
    let (caption, cost) = answer("caption");
    assert_eq!(caption.unwrap(), "A red chair with four legs.");
    assert!(cost.prompt_tokens > 0 && cost.completion_tokens > 0);

    let convention = to("boxes", PROXY_KEY).unwrap().convention();
    let label = |word: &str| Some(word.to_owned());
    let boxes = boxes::read(&answer("boxes").0.unwrap(), convention, (1000, 500), (2000, 1000), &label).unwrap();
    assert_eq!((boxes[0].label.as_str(), boxes[0].bounds), ("sofa", [200.0, 200.0, 1000.0, 600.0]));

    let (busy, cost) = answer("busy");
    assert!(busy.unwrap_err().to_string().contains("status 429"));
    assert_eq!(cost.retries, 2);
    let (broken, cost) = answer("broken");
    assert!(broken.unwrap_err().to_string().contains("status 500"));
    assert_eq!(cost.retries, 2);

    let absent = to("absent", PROXY_KEY).err().unwrap().to_string();
    println!("{absent}");
    assert!(absent.contains("it lists") && absent.contains("caption"));
    let stranger = to("caption", "sk-wrong-key-9876").err().unwrap().to_string();
    println!("{stranger}");
    assert!(stranger.contains("status 4") && !stranger.contains("9876"), "{stranger}");
}
