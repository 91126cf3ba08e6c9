//! Tokens: who may send, read, administer.
//!
//! A token is 32 random bytes, shown once when it is made. Kept is its SHA-256: with that much chance in it a
//! slow hash would add nothing.

pub mod known;
pub mod table;

use sha2::{Digest as _, Sha256};

use raceguard_evidence::hex::hex;

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Send evidence, and nothing else: for agents.
    Write,
    /// Ask, and nothing else: for people and gates.
    Read,
    /// Everything.
    Admin,
}

/// A role that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("there is no role {0:?}; roles are write, read and admin")]
pub struct UnknownRole(String);

impl Role {
    /// The role of this name.
    pub fn named(name: &str) -> Result<Self, UnknownRole> {
        match name {
            "write" => Ok(Self::Write),
            "read" => Ok(Self::Read),
            "admin" => Ok(Self::Admin),
            _ => Err(UnknownRole(name.to_owned())),
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }

    /// Whether it covers what `needed` may do.
    pub fn covers(self, needed: Self) -> bool {
        self == Self::Admin || self == needed
    }
}

/// Who holds a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The token's name, which stands for its holder in what is kept of acts.
    pub name: String,
    /// What the holder may do.
    pub role: Role,
}

/// Whether two hashes are equal, in a time that does not say where they differ.
fn same(one: &[u8], other: &[u8; 32]) -> bool {
    let difference = one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && std::hint::black_box(difference) == 0
}

/// What every token begins with, so that scanners for secrets find one that leaked.
const PREFIX: &str = "rgt_";

/// A token, as its holder has it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{PREFIX}{}", hex(&bytes))))
    }

    /// The token in an `Authorization: Bearer …` header.
    pub fn of_header(header: &str) -> Option<Self> {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| Self(token.trim().to_owned()))
    }

    /// What is kept of it.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The token itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_do_not_show_in_debug_output() {
        let (one, other) =
            (Token::random().expect("there is chance"), Token::random().expect("there is chance"));
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), 68);
        assert!(!format!("{one:?}").contains(&one.reveal()[4..]));
        assert_eq!(Token::of_header(&format!("bearer {}", one.reveal())), Some(one.clone()));
        assert_eq!(Token::of_header(one.reveal()), None);
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn a_role_covers_itself_and_admin_covers_all() {
        assert!(Role::Admin.covers(Role::Write) && Role::Write.covers(Role::Write));
        assert!(!Role::Write.covers(Role::Read) && !Role::Read.covers(Role::Admin));
        assert_eq!(Role::named("read").expect("it exists").as_str(), "read");
        assert!(Role::named("root").is_err());
    }
}
