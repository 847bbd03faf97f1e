//! The address of a server, what is secret in it, and the key that goes with it.

use super::VlmError;
use base64::Engine as _;

/// Variable whose key is sent to whatever host the user chose.
pub const KEY: &str = "HOLOSCOPE_VLM_KEY";
/// Variable whose key is sent only where nobody on the way can read it: to https, and to this machine.
pub const OPENAI_KEY: &str = "OPENAI_API_KEY";

/// Shortest part of an address that is taken out of messages, characters: shorter ones would blot out ordinary words.
const SHORTEST_SECRET: usize = 6;
/// What stands in a message in place of a secret.
const HIDDEN: &str = "[hidden]";

/// Where a server is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Address {
    /// Scheme, host, port and path, without a final `/`: what may be shown and stored.
    base: String,
    /// Sent with every request, never shown.
    query: Option<String>,
    /// User and password, decoded.
    user: Option<(String, String)>,
    encrypted: bool,
    loopback: bool,
}

impl Address {
    /// Reads the base of a server's addresses, for example `http://localhost:8000/v1`. The address of one of its services
    /// (`.../chat/completions`, `.../models`) does as well.
    pub(super) fn parse(text: &str) -> Result<Self, VlmError> {
        let wrong = |reason: &str| VlmError::Address { reason: reason.to_owned() };
        let (scheme, rest) =
            text.trim().split_once("://").ok_or_else(|| wrong("it has to begin with http:// or https://"))?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(wrong("it has to begin with http:// or https://"));
        }
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, host) =
            authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(decoded_user(user)), host));
        let path = ["/chat/completions", "/models"]
            .iter()
            .fold(path.trim_end_matches('/'), |path, service| path.strip_suffix(service).unwrap_or(path));
        // An @ after the host is the end of a password with a / in it.
        if host.is_empty() || path.contains('@') {
            return Err(wrong("it has no readable host; in a password / is written as %2F and @ as %40"));
        }
        let base = format!("{scheme}://{}{path}", host.to_ascii_lowercase());
        let uri: ureq::http::Uri = base.parse().map_err(|_| wrong("it is not an address"))?;
        let loopback = uri.host().is_some_and(is_loopback);
        let query = query.filter(|q| !q.is_empty()).map(str::to_owned);
        Ok(Self { base, query, user, encrypted: scheme == "https", loopback })
    }

    /// The address without user, password and query.
    pub(super) fn shown(&self) -> &str {
        &self.base
    }

    /// Address of a service, with everything that the user gave but user and password.
    pub(super) fn url(&self, service: &str) -> String {
        match &self.query {
            Some(query) => format!("{}/{service}?{query}", self.base),
            None => format!("{}/{service}", self.base),
        }
    }

    /// Whether it is this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.loopback
    }
}

/// The address of a server without user, password and query: what may be stored and shown.
pub fn shown_address(text: &str) -> String {
    Address::parse(text).map_or_else(|_| "an address that cannot be read".to_owned(), |a| a.base)
}

/// What goes along with every request, and what must never be seen.
#[derive(Clone)]
pub(super) struct Credentials {
    /// Value of the header `Authorization`.
    pub(super) authorization: Option<String>,
    /// Whether `OPENAI_API_KEY` is set and is kept from a host that others could read along with.
    pub(super) withheld: bool,
    secrets: Vec<String>,
}

impl Credentials {
    /// Chooses among user and password of the address, [`KEY`] and [`OPENAI_KEY`], in this order. `variable` reads the
    /// environment.
    pub(super) fn choose(address: &Address, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).map(|k| k.trim().to_owned()).filter(|k| !k.is_empty());
        let safe = address.encrypted || address.loopback;
        let (own, openai) = (set(KEY), set(OPENAI_KEY));
        let withheld = own.is_none() && address.user.is_none() && openai.is_some() && !safe;
        let basic = address.user.as_ref().map(|(name, password)| {
            let both = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
            format!("Basic {both}")
        });
        let key = own.clone().or_else(|| openai.clone().filter(|_| safe));
        let authorization = basic.clone().or_else(|| key.map(|k| format!("Bearer {k}")));
        let password = address.user.as_ref().map(|u| u.1.clone());
        let parts = address.query.iter().flat_map(|q| {
            let values = q.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned());
            values.chain([q.clone()])
        });
        let basic = basic.map(|b| b.trim_start_matches("Basic ").to_owned());
        let mut secrets: Vec<String> = [own, openai, password, basic].into_iter().flatten().chain(parts).collect();
        secrets.retain(|s| s.len() >= SHORTEST_SECRET);
        // A longer one may contain a shorter one.
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        secrets.dedup();
        Self { authorization, withheld, secrets }
    }

    /// The same for every text in an answer.
    pub(super) fn hide_in(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => *text = self.hide(text),
            serde_json::Value::Array(all) => all.iter_mut().for_each(|v| self.hide_in(v)),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(|v| self.hide_in(v)),
            _ => {}
        }
    }

    /// A text of the server's without anything that is secret: servers repeat keys in their errors.
    pub(super) fn hide(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let named = host == "localhost" || host.ends_with(".localhost");
    named || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// User and password, percent-decoded.
fn decoded_user(text: &str) -> (String, String) {
    let (name, password) = text.split_once(':').unwrap_or((text, ""));
    (percent_decoded(name), percent_decoded(password))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let code = code.filter(|_| *first == b'%').and_then(|d| u8::from_str_radix(d, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(address: &str, variables: &[(&str, &str)]) -> Credentials {
        let look = |name: &str| variables.iter().find(|v| v.0 == name).map(|v| v.1.to_owned());
        Credentials::choose(&Address::parse(address).unwrap(), &look)
    }

    #[test]
    fn addresses_are_shown_without_what_is_secret_in_them() {
        for (given, shown, models) in [
            ("http://LocalHost:8000/v1/", "http://localhost:8000/v1", "http://localhost:8000/v1/models"),
            ("https://a.b/v1/chat/completions", "https://a.b/v1", "https://a.b/v1/models"),
            ("https://me:p%2Fw@a.b/v1?api-key=123#x", "https://a.b/v1", "https://a.b/v1/models?api-key=123"),
            ("http://[::1]:80", "http://[::1]:80", "http://[::1]:80/models"),
        ] {
            let address = Address::parse(given).unwrap();
            assert_eq!(address.shown(), shown);
            assert_eq!(address.url("models"), models);
            assert_eq!(shown_address(given), shown);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        for given in ["localhost:8000", "ftp://secret", "http://", "http://me:12/secret@host/v1", "http://a b/secret"] {
            let error = Address::parse(given).unwrap_err().to_string();
            assert!(error.contains("--vlm") && !error.contains("secret"), "{error}");
            assert!(!shown_address(given).contains("secret"));
        }
    }

    #[test]
    fn a_key_for_another_service_is_kept_from_hosts_that_can_be_read_along_with() {
        let openai = [(OPENAI_KEY, "sk-openai")];
        for safe in ["https://api.openai.com/v1", "http://localhost:1234/v1", "http://127.0.0.1/v1", "http://[::1]/v1"]
        {
            assert_eq!(chosen(safe, &openai).authorization.as_deref(), Some("Bearer sk-openai"), "{safe}");
        }
        let open = chosen("http://192.168.0.7:8000/v1", &openai);
        assert!(open.authorization.is_none() && open.withheld);
        let own = chosen("http://192.168.0.7:8000/v1", &[openai[0], (KEY, "own-key")]);
        assert_eq!(own.authorization.as_deref(), Some("Bearer own-key"));
        assert!(!own.withheld);
        assert!(chosen("http://127.0.0.1.example.com/v1", &openai).authorization.is_none());
    }

    #[test]
    fn the_users_own_password_comes_first() {
        // RFC 7617, section 2: "Aladdin:open sesame".
        let login = chosen("https://Aladdin:open%20sesame@a.b/v1", &[(KEY, "own-key")]);
        assert_eq!(login.authorization.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    }

    #[test]
    fn secrets_are_taken_out_of_what_servers_say() {
        let keys = chosen("https://me:hunter22@a.b/v1?token=abcdef", &[(KEY, "own-key"), (OPENAI_KEY, "sk-openai")]);
        let said = keys.hide("key own-key or sk-openai, password hunter22, at /v1?token=abcdef, abcdef");
        assert_eq!(said, "key [hidden] or [hidden], password [hidden], at /v1?[hidden], [hidden]");
    }
}
