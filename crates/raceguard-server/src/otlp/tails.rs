//! Reports that a request of logs cut off: their beginning waits for the next request of the same program.
//!
//! They are in memory alone. When the server ends in between, or the next request goes to another one, such a report is lost;
//! it was not evidence yet, and is what a collector with larger batches never sends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use raceguard_evidence::foreign::otlp::{LogTail, Producer};
use raceguard_maps::{ConcurrentMap as _, ShardedMap};

use crate::limits::TokenKey;

/// How long a beginning waits.
const PATIENCE: Duration = Duration::from_mins(1);

/// Bytes of text that all together may have; beyond that all are forgotten.
const LIMIT: usize = 16 << 20;

type Program = (TokenKey, Producer);

/// The beginnings of reports.
#[derive(Debug, Default)]
pub struct LogTails {
    tails: ShardedMap<Program, (LogTail, Instant)>,
    bytes: AtomicUsize,
}

impl LogTails {
    /// What waits for the next request of the program.
    pub fn of(&self, token: TokenKey, producer: &Producer) -> LogTail {
        // ORDERING: a tail that another request just left is found or not, and so it would be had this one come earlier.
        if self.bytes.load(Ordering::Relaxed) == 0 {
            return LogTail::default();
        }
        match self.tails.get(&(token, producer.clone())) {
            Ok(Some((tail, since))) if since.elapsed() < PATIENCE => tail,
            _ => LogTail::default(),
        }
    }

    /// Replaces what waits, once the request is durable.
    pub fn keep(&self, token: TokenKey, producer: Producer, tail: LogTail) {
        // ORDERING: as in `of`; the sum is a bound on memory and may be off by what is under way.
        if tail.is_empty() && self.bytes.load(Ordering::Relaxed) == 0 {
            return;
        }
        let added = tail.bytes();
        if self.bytes.fetch_add(added, Ordering::Relaxed) + added > LIMIT {
            let _ = self.tails.clear();
            self.bytes.store(added, Ordering::Relaxed);
        }
        // The map fails only when it is closed, which nobody does.
        let before = if tail.is_empty() {
            self.tails.remove(&(token, producer))
        } else {
            self.tails.insert((token, producer), (tail, Instant::now()))
        };
        if let Ok(Some((before, _))) = before {
            let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bytes| {
                Some(bytes.saturating_sub(before.bytes()))
            });
        }
    }
}
