//! Hashers: the default, and a keyed one for keys that strangers choose.
//!
//! [`FastState`] seeds each map at random, which stops collisions by accident and by precomputed lists, but foldhash
//! does not claim to resist an adversary who can watch the timing of many chosen keys. Where strangers choose the
//! keys, take [`KeyedState`]: SipHash-1-3 with a random key, about three times slower for small keys.
//!
//! ```
//! use raceguard_maps::{ConcurrentMap, KeyedState, MutexMap};
//!
//! let sessions: MutexMap<String, u64, KeyedState> = MutexMap::with_hasher(KeyedState::new());
//! # let _ = sessions.insert("a".to_owned(), 1);
//! ```

/// The default: foldhash, quick, seeded at random.
pub type FastState = foldhash::fast::RandomState;

/// SipHash-1-3 under a random key (what `std::collections::HashMap` uses): for keys that strangers choose.
pub type KeyedState = std::hash::RandomState;
