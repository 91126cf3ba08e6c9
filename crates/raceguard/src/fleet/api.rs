//! Asks a server, and tells it what to change.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::connection::Connection;
use super::error::SendError;

/// A server, and the token to speak to it with.
#[derive(Debug)]
pub struct Api {
    connection: Connection,
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
    /// A server by its base address, whose certificate is signed by those in the file `ca`, or by a public authority.
    pub fn new(server: &str, token: &str, ca: Option<&Path>) -> Result<Self, SendError> {
        Ok(Self { connection: Connection::new(server, token, ca)? })
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
        let answer = self.connection.request(method, path, body, revision);
        let answer = answer.map_err(|error| self.connection.unanswered(&error))?;
        let body = serde_json::from_str(&answer.text).unwrap_or(Value::String(answer.text));
        Ok(Answer { status: answer.status, body })
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
        Err(SendError::Denied { server: self.connection.server().to_owned(), status, reason })
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
