//! Asks a server, and tells it what to change.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::error::SendError;

/// A server, and the token to speak to it with.
#[derive(Debug)]
pub struct Api {
    server: String,
    token: String,
    agent: ureq::Agent,
}

/// An answer of a server that was reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body; text where it is no JSON.
    pub body: Value,
}

impl Api {
    /// A server by its base address.
    pub fn new(server: &str, token: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_mins(1)));
        Self {
            server: server.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
            agent: config.build().into(),
        }
    }

    /// Asks for what is at a path.
    pub fn get(&self, path: &str) -> Result<Answer, SendError> {
        self.send("GET", path, None, None)
    }

    /// Sends JSON; `revision` is the one that a change is based on.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        revision: Option<i64>,
    ) -> Result<Answer, SendError> {
        let unreachable = |reason: String| SendError::Unanswered { server: self.server.clone(), reason };
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json");
        if let Some(revision) = revision {
            request = request.header("if-match", revision.to_string());
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(body).map_err(|error| unreachable(error.to_string()))?;
        let answer = self
            .agent
            .run(request)
            .and_then(|mut response| Ok((response.status().as_u16(), response.body_mut().read_to_string()?)));
        let (status, text) = answer.map_err(|error| unreachable(error.to_string()))?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// The answer's body, when the server did what was asked.
    pub fn done(&self, answer: Answer) -> Result<Value, SendError> {
        let Answer { status, body } = answer;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let reason = match body.get("error").and_then(Value::as_str) {
            Some(reason) => reason.to_owned(),
            None => body.as_str().unwrap_or_default().chars().take(200).collect(),
        };
        Err(SendError::Denied { server: self.server.clone(), status, reason })
    }
}

/// A part of a path: what is no letter, digit or `-._~` is escaped.
pub fn path_part(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
