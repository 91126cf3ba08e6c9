//! What people say of a cause, and how it comes back.
//!
//! ```text
//! open ──▶ acknowledged ──▶ fixed in VERSION ──▶ regressed
//!   ▲            │                 │                 │
//!   └────────────┴──── by people ──┴─────────────────┘
//! ```
//!
//! People may move a cause to any state but `regressed`, which only a sighting makes.

use serde::{Deserialize, Serialize};

/// What is known of the mending of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CauseState {
    /// Nobody has said anything.
    Open,
    /// Somebody knows.
    Acknowledged,
    /// A version mends it.
    Fixed,
    /// It was seen in a version that should not have it any more.
    Regressed,
}

impl CauseState {
    /// All states, those that need somebody first.
    pub const ALL: [Self; 4] = [Self::Regressed, Self::Open, Self::Acknowledged, Self::Fixed];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Fixed => "fixed",
            Self::Regressed => "regressed",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the code still has it, as far as is known.
    pub fn is_open(self) -> bool {
        self != Self::Fixed
    }
}

/// What somebody says of a cause.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateChange {
    /// `open`, `acknowledged` or `fixed`.
    pub state: CauseState,
    /// The first version without it; needed by `fixed`.
    #[serde(default)]
    pub version: String,
    /// Why, for people; at most [`NOTE_LIMIT`] bytes.
    #[serde(default)]
    pub note: String,
}

/// Bytes of a note.
pub const NOTE_LIMIT: usize = 2_000;

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadChange {
    /// Only a sighting makes it.
    #[error("a cause becomes regressed by being seen again; say open, acknowledged or fixed")]
    Regressed,
    /// No version.
    #[error("fixed needs the version that mends it: {{\"state\": \"fixed\", \"version\": \"1.4.3\"}}")]
    NoVersion,
    /// A version with another state.
    #[error("a version goes with the state fixed only")]
    Version,
    /// Too long.
    #[error("the {0} is too long or has control characters")]
    Long(&'static str),
}

impl StateChange {
    /// The change, if it can be made.
    pub fn checked(self) -> Result<Self, BadChange> {
        match self.state {
            CauseState::Regressed => return Err(BadChange::Regressed),
            CauseState::Fixed if self.version.trim().is_empty() => return Err(BadChange::NoVersion),
            CauseState::Open | CauseState::Acknowledged if !self.version.is_empty() => {
                return Err(BadChange::Version);
            }
            _ => {}
        }
        if self.version.len() > crate::origin::NAME_LIMIT || self.version.chars().any(char::is_control) {
            return Err(BadChange::Long("version"));
        }
        if self.note.len() > NOTE_LIMIT || self.note.chars().any(|c| c.is_control() && c != '\n') {
            return Err(BadChange::Long("note"));
        }
        Ok(Self { version: self.version.trim().to_owned(), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(state: CauseState, version: &str) -> Result<StateChange, BadChange> {
        StateChange { state, version: version.to_owned(), note: String::new() }.checked()
    }

    #[test]
    fn people_say_open_acknowledged_or_fixed_in_a_version() {
        assert_eq!(change(CauseState::Fixed, " 1.4 ").map(|change| change.version), Ok("1.4".to_owned()));
        assert!(change(CauseState::Open, "").is_ok() && change(CauseState::Acknowledged, "").is_ok());
        assert_eq!(change(CauseState::Fixed, " "), Err(BadChange::NoVersion));
        assert_eq!(change(CauseState::Open, "1"), Err(BadChange::Version));
        assert_eq!(change(CauseState::Regressed, ""), Err(BadChange::Regressed));
        assert_eq!(change(CauseState::Fixed, "1\n2"), Err(BadChange::Long("version")));
    }

    #[test]
    fn states_have_names() {
        for state in CauseState::ALL {
            assert_eq!(CauseState::named(state.as_str()), Some(state));
        }
        assert_eq!(CauseState::named("closed"), None);
    }
}
