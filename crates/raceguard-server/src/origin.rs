//! Who sends: the service, version and instance that evidence is from, and the stream that orders it.

use serde::{Deserialize, Serialize};

/// Longest name of anything in an [`Origin`], in bytes.
pub const NAME_LIMIT: usize = 200;

/// Which program evidence is from. Empty names are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// `service.name` in OpenTelemetry.
    pub service: String,
    /// `service.version`.
    pub version: String,
    /// `service.instance.id`.
    pub instance: String,
    /// `deployment.environment.name`.
    pub environment: String,
}

/// The name of a sequence of records, chosen by the sender. The n-th record of a stream is the same record
/// whenever it is sent: that is what makes sending again harmless.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamName(String);

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {length} bytes long, at most {NAME_LIMIT} are allowed, none of them control characters")]
pub struct BadName {
    /// Which name.
    pub what: &'static str,
    /// Its length in bytes.
    pub length: usize,
}

impl StreamName {
    /// A name of 1 to [`NAME_LIMIT`] bytes without control characters.
    pub fn new(name: &str) -> Result<Self, BadName> {
        if name.is_empty() {
            return Err(BadName { what: "the stream's name", length: 0 });
        }
        checked("the stream's name", name).map(Self)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `name`, if it is short and printable.
pub fn checked(what: &'static str, name: &str) -> Result<String, BadName> {
    if name.len() > NAME_LIMIT || name.chars().any(char::is_control) {
        return Err(BadName { what, length: name.len() });
    }
    Ok(name.to_owned())
}
