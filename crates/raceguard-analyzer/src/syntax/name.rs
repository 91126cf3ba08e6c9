//! Interned names: an identifier is compared by address.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{LazyLock, Mutex, PoisonError};

use foldhash::{HashSet, HashSetExt as _};

/// An interned string: an identifier, or an import path.
///
/// Two names are equal exactly when their strings are. The strings live as long as the process, so memory is bounded
/// by the number of distinct identifiers ever read.
#[derive(Clone, Copy)]
pub struct Name(&'static str);

const SHARDS: usize = 16;

static INTERNED: LazyLock<[Mutex<HashSet<&'static str>>; SHARDS]> =
    LazyLock::new(|| std::array::from_fn(|_| Mutex::new(HashSet::new())));

impl Name {
    /// The name with this text.
    pub fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let first = bytes.first().copied().unwrap_or(0);
        let last = bytes.last().copied().unwrap_or(0);
        let shard = (usize::from(first) ^ usize::from(last).rotate_left(3) ^ bytes.len()) % SHARDS;
        let mut set = INTERNED[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = set.get(text) {
            return Self(known);
        }
        let leaked: &'static str = Box::leak(text.into());
        set.insert(leaked);
        Self(leaked)
    }

    /// The text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether it is `_`.
    pub fn is_blank(self) -> bool {
        self.0 == "_"
    }

    /// Whether it begins with an upper-case letter, which exports it from its package.
    pub fn is_exported(self) -> bool {
        self.0.chars().next().is_some_and(char::is_uppercase)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0.as_ptr(), other.0.as_ptr()) && self.0.len() == other.0.len()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_ptr().hash(state);
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(other.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
