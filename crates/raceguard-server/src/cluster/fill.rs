//! How full the queue is: asked twice a second, and what was put in since is added.
//!
//! JetStream could bound the stream itself, but it checks a message against the limit without what it keeps beside each,
//! and removes the oldest one when the sum of both is above it: a queue that is just full would lose what was acknowledged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::stream::Stream;
use tokio_util::sync::CancellationToken;

use super::ClusterError;

/// How often it is asked for.
const ASK: Duration = Duration::from_millis(500);

/// Bytes in the queue, and how many there may be.
#[derive(Debug)]
pub(super) struct Fill {
    limit: u64,
    /// When it was last asked for.
    asked: AtomicU64,
    /// What this replica has put in since.
    since: AtomicU64,
    /// Messages, when it was last asked for.
    messages: AtomicU64,
}

impl Fill {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, asked: AtomicU64::new(0), since: AtomicU64::new(0), messages: AtomicU64::new(0) }
    }

    /// Whether so many bytes more still fit. Other replicas may put in as many within half a second.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        let (asked, since) = (self.asked.load(Ordering::Relaxed), self.since.load(Ordering::Relaxed));
        asked.saturating_add(since).saturating_add(bytes) <= self.limit
    }

    /// Messages and bytes in the queue, and how many bytes there may be.
    pub(super) fn read(&self) -> (u64, u64, u64) {
        (self.messages.load(Ordering::Relaxed), self.asked.load(Ordering::Relaxed), self.limit)
    }

    /// Notes that this many were put in.
    pub(super) fn add(&self, bytes: u64) {
        self.since.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Asks again and again, until it is to stop.
    pub(super) async fn keep(&self, stream: &Stream, stop: CancellationToken) -> Result<(), ClusterError> {
        loop {
            // What is put in while it is asked for counts twice until the next time: rather too full than too empty.
            let before = self.since.load(Ordering::Relaxed);
            // When NATS is away nothing can be put in anyway.
            if let Ok(info) = stream.get_info().await {
                self.asked.store(info.state.bytes, Ordering::Relaxed);
                self.messages.store(info.state.messages, Ordering::Relaxed);
                self.since.fetch_sub(before, Ordering::Relaxed);
            }
            if !super::wait(&stop, ASK).await {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_counts_at_once() {
        let fill = Fill::new(100);
        assert!(fill.has_room_for(100) && !fill.has_room_for(101));
        fill.add(60);
        assert!(fill.has_room_for(40) && !fill.has_room_for(41));
    }
}
