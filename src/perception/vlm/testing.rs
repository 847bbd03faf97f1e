//! A server for tests, with every fault that servers have.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and path: `POST /v1/chat/completions`.
    pub(crate) line: String,
    /// Headers, names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    pub(crate) body: String,
}

/// What the server does with a request.
pub(crate) enum Act {
    /// Answers with a status line, headers and a body.
    Say(&'static str, Vec<(&'static str, String)>, String),
    /// Announces the whole body and sends half of it.
    Half(String),
    /// Sends the body a byte at a time, for ever.
    Drip,
    /// Keeps the connection and says nothing.
    Hang,
    /// Closes the connection without a word.
    Drop,
}

/// An answer with a status and a body.
pub(crate) fn say(status: &'static str, body: impl Into<String>) -> Act {
    Act::Say(status, Vec::new(), body.into())
}

/// An answer of a model.
pub(crate) fn content(text: &str) -> Act {
    let message = serde_json::json!({ "role": "assistant", "content": text });
    let answer = serde_json::json!({
        "id": "x", "object": "chat.completion", "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107 },
    });
    say("200 OK", answer.to_string())
}

/// A list of one model, `tiny-vl`.
pub(crate) fn models() -> Act {
    say("200 OK", r#"{"object":"list","data":[{"id":"tiny-vl"},{"id":"other"}]}"#)
}

/// A server on this machine; it ends when it is dropped.
pub(crate) struct Server {
    /// The base of its addresses.
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    ended: Arc<AtomicBool>,
    address: std::net::SocketAddr,
}

impl Server {
    /// Answers questions as told: the handler gets the request and how many questions came before it. The list of models is
    /// that of [`models`].
    pub(crate) fn start(handler: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        Self::bare(move |seen, before| if seen.line.starts_with("GET") { models() } else { handler(seen, before) })
    }

    /// As [`Self::start`]; the list of models is asked of the handler too.
    pub(crate) fn bare(handler: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (all, end, handler) = (seen.clone(), ended.clone(), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if end.load(Ordering::Acquire) {
                    return;
                }
                let (all, handler) = (all.clone(), handler.clone());
                std::thread::spawn(move || serve(stream, &all, &*handler));
            }
        });
        Self { url: format!("http://{address}/v1"), seen, ended, address }
    }

    /// Everything that was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Number of questions so far, the list of models not counted.
    pub(crate) fn questions(&self) -> usize {
        self.seen().iter().filter(|s| s.line.starts_with("POST")).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, all: &Mutex<Vec<Seen>>, handler: &(dyn Fn(&Seen, usize) -> Act + Send + Sync)) {
    let Some(seen) = read_request(&mut stream) else { return };
    let before = {
        let mut all = all.lock().unwrap();
        let before = all.iter().filter(|s| s.line.starts_with("POST")).count();
        all.push(seen.clone());
        before
    };
    let head = |status: &str, headers: &[(&str, String)], length: usize| {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    // Writing fails where the client has gone, which is what some tests are about.
    match handler(&seen, before) {
        Act::Say(status, headers, body) => {
            let _ = stream.write_all(format!("{}{body}", head(status, &headers, body.len())).as_bytes());
        }
        Act::Half(body) => {
            let half = &body[..body.len() / 2];
            let _ = stream.write_all(format!("{}{half}", head("200 OK", &[], body.len())).as_bytes());
        }
        Act::Drip => {
            let _ = stream.write_all(head("200 OK", &[], 1 << 20).as_bytes());
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Act::Hang => {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
            let _ = stream.read(&mut [0]);
        }
        Act::Drop => {}
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 65536]);
    loop {
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        bytes.extend(&buffer[..n]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
        let pair = |l: &str| l.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
        let headers: BTreeMap<String, String> = lines.filter_map(pair).collect();
        let length: usize = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            return Some(Seen { line, headers, body: String::from_utf8_lossy(&bytes[end + 4..]).into_owned() });
        }
    }
}
