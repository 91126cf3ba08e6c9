//! HTTP to a server of ours.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use raceguard_server::origin::Origin;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::error::SendError;

/// Longest answer that is read.
const ANSWER_LIMIT: u64 = 16 << 20;

/// Asks one server, as the holder of one token. `Debug` does not show the token.
pub struct Connection {
    agent: ureq::Agent,
    server: String,
    token: String,
}

/// What is sent in one request.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Name of the stream.
    pub stream: &'a str,
    /// Number in it of the first line.
    pub first: u64,
    /// The program it is from.
    pub origin: &'a Origin,
    /// `gzip` or `zstd`.
    pub encoding: &'a str,
    /// The lines, encoded.
    pub body: &'a [u8],
}

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// When to come again, if it says so.
    pub retry_after: Option<Duration>,
    /// The body.
    pub text: String,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection to a server whose certificate is signed by those in the file `ca`, or by a public authority.
    pub fn new(server: &str, token: &str, ca: Option<&Path>) -> Result<Self, SendError> {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_mins(1)));
        if let Some(path) = ca {
            config = config.tls_config(TlsConfig::builder().root_certs(roots(path)?).build());
        }
        let server = server.trim_end_matches('/').to_owned();
        Ok(Self { agent: config.build().into(), server, token: token.to_owned() })
    }

    /// The server's base address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What it means that there is no answer.
    pub fn unanswered(&self, error: &ureq::Error) -> SendError {
        let (server, reason) = (self.server.clone(), error.to_string());
        if is_untrusted(error) {
            SendError::Untrusted { server, reason }
        } else {
            SendError::Unanswered { server, reason }
        }
    }

    /// Sends evidence.
    pub fn post_evidence(&self, batch: &Outgoing<'_>) -> Result<Answer, ureq::Error> {
        let request = self
            .post("/v1/evidence", batch.origin, batch.encoding)
            .header("raceguard-stream", batch.stream)
            .header("raceguard-sequence", batch.first.to_string());
        Answer::of(request.send(batch.body)?)
    }

    /// Sends a file of a foreign format.
    pub fn post_raw(
        &self,
        name: &str,
        origin: &Origin,
        encoding: &str,
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        Answer::of(self.post("/v1/raw", origin, encoding).query("name", name).send(body)?)
    }

    /// Tells the server something.
    pub fn post_json(&self, path: &str, body: &Value) -> Result<Answer, ureq::Error> {
        self.request("POST", path, Some(body), None)
    }

    /// Makes a request with a body of JSON, or none; `revision` is the one that a change is based on.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        revision: Option<i64>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("authorization", format!("Bearer {}", self.token));
        if let Some(revision) = revision {
            request = request.header("if-match", revision.to_string());
        }
        let response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string())?)
            }
            None => self.agent.run(request.body(())?),
        };
        Answer::of(response?)
    }

    fn post(
        &self,
        path: &str,
        origin: &Origin,
        encoding: &str,
    ) -> ureq::RequestBuilder<ureq::typestate::WithBody> {
        self.agent
            .post(format!("{}{path}", self.server))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-encoding", encoding)
            .header("raceguard-service", &origin.service)
            .header("raceguard-version", &origin.version)
            .header("raceguard-instance", &origin.instance)
            .header("raceguard-environment", &origin.environment)
    }

    /// Asks for what is at a path.
    pub fn get(&self, path: &str) -> Result<Answer, ureq::Error> {
        self.request("GET", path, None, None)
    }
}

impl Answer {
    /// What the server answered, when it did what was asked.
    pub fn done<T: DeserializeOwned>(&self, server: &str) -> Result<T, SendError> {
        let denied = |reason| SendError::Denied { server: server.to_owned(), status: self.status, reason };
        if self.status != 200 {
            return Err(denied(self.explanation()));
        }
        serde_json::from_str(&self.text)
            .map_err(|error| denied(format!("its answer is none of a raceguard server: {error}")))
    }

    fn of(mut response: ureq::http::Response<ureq::Body>) -> Result<Self, ureq::Error> {
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| wait(value, Timestamp::now()));
        let text = response.body_mut().with_config().limit(ANSWER_LIMIT).read_to_string()?;
        Ok(Self { status: response.status().as_u16(), retry_after, text })
    }

    /// What a server of ours says in its errors, or the beginning of what another one said.
    pub fn explanation(&self) -> String {
        #[derive(Deserialize)]
        struct Problem {
            error: String,
        }
        match serde_json::from_str::<Problem>(&self.text) {
            Ok(problem) => problem.error,
            Err(_) => self.text.chars().take(200).collect(),
        }
    }
}

/// Whether TLS failed, which trying again does not mend.
pub fn is_untrusted(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => true,
        // What rustls finds wrong while it shakes hands.
        ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// `Retry-After`: seconds, or a time (RFC 9110, 10.2.3).
fn wait(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = rfc2822::DateTimeParser::new().parse_timestamp(value.trim()).ok()?;
    Some(Duration::try_from(then.duration_since(now)).unwrap_or_default())
}

fn roots(path: &Path) -> Result<RootCerts, SendError> {
    let failed = |source| SendError::Read { path: path.to_owned(), source };
    let pem = fs::read(path).map_err(failed)?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(SendError::NoCertificate { path: path.to_owned() });
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().expect("it is a time");
        let seconds = |text: &str| wait(text, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds("Fri, 20 Nov 2026 10:01:30 GMT"), Some(90));
        assert_eq!(seconds("Fri, 20 Nov 2026 09:00:00 GMT"), Some(0));
        assert_eq!(seconds("later"), None);
    }

    #[test]
    fn the_token_does_not_show() {
        let connection = Connection::new("http://a/", "rgt_5ec3e7", None).expect("it is right");
        assert!(!format!("{connection:?}").contains("5ec3e7"));
        assert_eq!(connection.server(), "http://a");
    }
}
