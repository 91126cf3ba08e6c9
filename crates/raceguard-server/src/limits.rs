//! How much of anything a request, and the holder of a token, may take.

mod names;
mod rate;

use std::time::Duration;

pub use names::{Cardinality, CardinalityLimits, FOLDED, TooManyNames};
pub use rate::{RateLimits, Rates, TooFast};

/// Limits on what strangers send. The defaults fit an agent that sends every few seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body as it is sent.
    pub body: usize,
    /// Bytes of a body when decompressed, and of the evidence that is made of it.
    pub decompressed: usize,
    /// Bytes of a request of OTLP when decompressed. Its attributes may take several times as much in memory.
    pub otlp: usize,
    /// Lines of a batch, and records that are made of one request.
    pub lines: usize,
    /// Resources of a request of OTLP: each is written as a batch of its own.
    pub resources: usize,
    /// Bytes that all requests under way may hold together.
    pub memory: usize,
    /// Raw files that are read at once: a parser may take several times the file.
    pub files: usize,
    /// How long a client may take for the head of a request.
    pub head_time: Duration,
    /// How long it may take for a body.
    pub body_time: Duration,
    /// Connections at once, on each port.
    pub connections: usize,
    /// Listeners to live updates at once.
    pub listeners: usize,
    /// What the holder of a token may send in a second.
    pub rates: RateLimits,
    /// How many different names it may send in an hour.
    pub cardinality: CardinalityLimits,
    /// Batches that may wait to be evaluated by triggers; of more, the stored blocks are read.
    pub policy_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 16 << 20,
            decompressed: 64 << 20,
            otlp: 32 << 20,
            lines: 50_000,
            resources: 1_000,
            memory: 256 << 20,
            files: 2,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            connections: 2_000,
            listeners: 1_200,
            rates: RateLimits::default(),
            cardinality: CardinalityLimits::default(),
            policy_queue: 4_096,
        }
    }
}

/// Which token something is counted for: the beginning of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenKey(u64);

impl TokenKey {
    /// The key of the token with this hash.
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        let (first, _) = hash.split_first_chunk().unwrap_or_else(|| unreachable!("32 bytes begin with 8"));
        Self(u64::from_be_bytes(*first))
    }
}
