//! Who sends: the service, version and instance that evidence is from, and the stream that orders it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use raceguard_evidence::hex::hex;

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

impl Origin {
    /// SHA-256 of the content and of the program that it is from: the same content from elsewhere is another.
    pub fn digest(&self, content: &[u8]) -> [u8; 32] {
        let mut digest = Sha256::new();
        for name in [&self.service, &self.version, &self.instance, &self.environment] {
            digest.update(name.as_bytes());
            digest.update([0]);
        }
        digest.update(content);
        digest.finalize().into()
    }
}

/// The name of a sequence of records, chosen by the sender. The n-th record of a stream is the same record
/// whenever it is sent: that is what makes sending again harmless.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamName {
    name: String,
    is_content: bool,
}

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
        Ok(Self { name: checked("the stream's name", name)?, is_content: false })
    }

    /// The name of a stream that is one request, by what the request holds.
    pub fn of_content(what: &'static str, digest: &[u8; 32]) -> Self {
        Self { name: format!("{what}:{}", hex(digest)), is_content: true }
    }

    /// Whether it was made by [`StreamName::of_content`].
    pub fn is_content(&self) -> bool {
        self.is_content
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// `name`, if it is short and printable.
pub fn checked(what: &'static str, name: &str) -> Result<String, BadName> {
    if name.len() > NAME_LIMIT || name.chars().any(char::is_control) {
        return Err(BadName { what, length: name.len() });
    }
    Ok(name.to_owned())
}

/// The beginning of `name` that is short and printable: for names that nobody can be asked to change.
pub fn fitted(name: &str) -> String {
    let name = &name[..name.floor_char_boundary(NAME_LIMIT)];
    name.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
