//! A vision-language model behind an OpenAI-compatible server.

use base64::Engine as _;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use serde_json::{Value, json};
use std::time::Duration;

/// Tries of one question: the first, and two more after transient trouble.
const TRIES: u32 = 3;

/// Long side above which pictures are scaled down before they are sent, pixels (Holi-Spatial 1.11).
const LONG_SIDE: u32 = 1024;

/// What can go wrong with a server. Each message names the address.
#[derive(Debug, thiserror::Error)]
pub enum VlmError {
    /// Nobody answers, or the answer is no.
    #[error("--vlm {url}: {reason}")]
    Refused {
        /// The address.
        url: String,
        /// What it said.
        reason: String,
    },
    /// The picture cannot be encoded.
    #[error("a picture for the VLM cannot be encoded: {0}")]
    Picture(#[from] image::ImageError),
}

/// A connection to a server. Sends `OPENAI_API_KEY` as the bearer token where that variable is set.
pub struct Vlm {
    base: String,
    model: String,
    key: Option<String>,
    agent: ureq::Agent,
}

impl Vlm {
    /// Connects and takes the first model that the server lists. `url` is the base, with or without a final `/`, for
    /// example `http://localhost:8000/v1`.
    pub fn connect(url: &str) -> Result<Self, VlmError> {
        let agent = ureq::Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(300)))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let key = std::env::var("OPENAI_API_KEY").ok().filter(|k| !k.is_empty());
        let mut vlm = Self { base: url.trim_end_matches('/').to_owned(), model: String::new(), key, agent };
        let models = vlm.exchange("models", None)?;
        vlm.model =
            models["data"][0]["id"].as_str().ok_or_else(|| vlm.refused("the server lists no model".into()))?.to_owned();
        Ok(vlm)
    }

    /// Name of the model that answers.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Asks one question about pictures; the answer without reasoning and surrounding space.
    pub fn ask(&self, question: &str, pictures: &[RgbImage], max_tokens: u32) -> Result<String, VlmError> {
        let mut content = vec![json!({ "type": "text", "text": question })];
        for picture in pictures {
            content.push(json!({ "type": "image_url", "image_url": { "url": data_url(picture)? } }));
        }
        let body = json!({
            "model": self.model, "temperature": 0, "max_tokens": max_tokens,
            "messages": [{ "role": "user", "content": content }],
        });
        let answer = self.exchange("chat/completions", Some(&body))?;
        let text = answer["choices"][0]["message"]["content"]
            .as_str()
            .ok_or_else(|| self.refused("the answer has no text".into()))?;
        Ok(without_reasoning(text).to_owned())
    }

    fn refused(&self, reason: String) -> VlmError {
        VlmError::Refused { url: self.base.clone(), reason }
    }

    /// One request, tried again after trouble that passes (408, 429, 5xx, no connection).
    fn exchange(&self, path: &str, body: Option<&Value>) -> Result<Value, VlmError> {
        let mut reason = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(Duration::from_secs(1 << (attempt - 1)));
            }
            match self.once(path, body) {
                Ok((200..300, answer)) => return Ok(answer),
                Ok((status, answer)) => {
                    reason = format!("status {status}: {}", error_text(&answer));
                    let spent = reason.contains("insufficient_quota");
                    if spent || !matches!(status, 408 | 429 | 500 | 502..=504) {
                        break;
                    }
                }
                Err(e) => reason = e.to_string(),
            }
        }
        Err(self.refused(reason))
    }

    fn once(&self, path: &str, body: Option<&Value>) -> Result<(u16, Value), ureq::Error> {
        let url = format!("{}/{path}", self.base);
        let bearer = self.key.as_ref().map(|k| format!("Bearer {k}"));
        let mut response = match body {
            Some(body) => {
                let request = self.agent.post(&url).content_type("application/json");
                let request = bearer.iter().fold(request, |r, b| r.header("Authorization", b));
                request.send(body.to_string())?
            }
            None => {
                let request = bearer.iter().fold(self.agent.get(&url), |r, b| r.header("Authorization", b));
                request.call()?
            }
        };
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string()?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}

/// Servers put the reason into an object, an array of one, or a bare string.
fn error_text(answer: &Value) -> String {
    let first = answer.get(0).unwrap_or(answer);
    let error = first.get("error").unwrap_or(first);
    let text = error.get("message").unwrap_or(error);
    text.as_str().map_or_else(|| text.to_string(), str::to_owned).chars().take(300).collect()
}

fn without_reasoning(text: &str) -> &str {
    text.rsplit_once("</think>").map_or(text, |(_, after)| after).trim()
}

fn data_url(picture: &RgbImage) -> Result<String, VlmError> {
    let long = picture.width().max(picture.height());
    let scaled = (long > LONG_SIDE).then(|| {
        let to = |side: u32| (side * LONG_SIDE / long).max(1);
        image::imageops::resize(
            picture,
            to(picture.width()),
            to(picture.height()),
            image::imageops::FilterType::Triangle,
        )
    });
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(scaled.as_ref().unwrap_or(picture))?;
    Ok(format!("data:image/jpeg;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// Serves the given answers, one a connection, and returns the requests.
    fn serve(answers: Vec<(&'static str, &'static str)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|(status, body)| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let request = read_request(&mut stream);
                    let head =
                        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
                    request
                })
                .collect()
        });
        (url, thread)
    }

    fn read_request(stream: &mut std::net::TcpStream) -> String {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 65536]);
        loop {
            let n = stream.read(&mut buffer).unwrap();
            bytes.extend(&buffer[..n]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head
                .lines()
                .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap()))
                .unwrap_or(0);
            if n == 0 || body.len() >= length {
                return text;
            }
        }
    }

    #[test]
    fn asks_and_survives_a_busy_server() {
        let (url, server) = serve(vec![
            ("200 OK", r#"{"data":[{"id":"tiny-vl"}]}"#),
            ("503 Busy", r#"{"error":{"code":503,"message":"Loading model"}}"#),
            ("200 OK", r#"{"choices":[{"message":{"content":"<think>hm</think>\n a red chair "}}]}"#),
        ]);
        let vlm = Vlm::connect(&url).unwrap();
        assert_eq!(vlm.model(), "tiny-vl");
        assert_eq!(vlm.ask("what is it?", &[RgbImage::new(8, 6)], 64).unwrap(), "a red chair");
        let requests = server.join().unwrap();
        assert!(requests[0].starts_with("GET /v1/models"));
        assert!(
            requests[2].starts_with("POST /v1/chat/completions") && requests[2].contains("data:image/jpeg;base64,")
        );
    }

    #[test]
    fn refusals_are_told_in_the_servers_words() {
        for body in [
            r#"{"error":{"message":"no vision","code":"x"}}"#,
            r#"[{"error":{"message":"no vision"}}]"#,
            r#"{"error":"no vision"}"#,
        ] {
            let (url, server) = serve(vec![("400 Bad", body)]);
            let error = Vlm::connect(&url).err().unwrap().to_string();
            assert!(error.contains("no vision") && error.contains("--vlm") && error.contains("400"), "{error}");
            server.join().unwrap();
        }
    }
}
