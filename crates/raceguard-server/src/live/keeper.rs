//! Keeps live state in step with the tables, in every process.
//!
//! What this process assigns is taken over at once. What other replicas assigned is looked for every second, and once a
//! minute everything is read, since findings may have come to further services. When something that another replica
//! committed was not heard of ([`Cluster::gaps`](crate::cluster::Cluster::gaps)), what is counted is made up for, too.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::http::Shared;
use crate::store::StoreError;

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Time between two readings of everything, in milliseconds.
const ALL_MS: i64 = 60_000;

/// Looks that may fail one after the other.
const FAILURES: u32 = 120;

/// The task.
#[derive(Debug)]
pub struct Keeper {
    shared: Arc<Shared>,
    gaps: u64,
    reloaded_ms: i64,
}

impl Keeper {
    /// The task of this server.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, gaps: 0, reloaded_ms: now_ms() }
    }

    /// Looks until it is told to stop.
    ///
    /// # Errors
    ///
    /// What went wrong, when it went wrong [`FAILURES`] times in a row.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), StoreError> {
        let mut failures = 0;
        while tokio::time::timeout(PAUSE, stop.cancelled()).await.is_err() {
            match self.look(now_ms()).await {
                Ok(()) => failures = 0,
                Err(StoreError::Stopping) => return Ok(()),
                Err(error) if failures >= FAILURES => return Err(error),
                Err(_) => failures += 1,
            }
        }
        Ok(())
    }

    async fn look(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let live = Arc::clone(&self.shared.live);
        let gaps = self.shared.cluster.as_ref().map_or(0, |cluster| cluster.gaps());
        let (has_gap, all) = (gaps != self.gaps, now_ms - self.reloaded_ms > ALL_MS);
        let read = move |reader: &crate::store::Reader| {
            if has_gap {
                live.rebuild(reader, now_ms)
            } else if all || live.expects_contention(now_ms) || live.is_behind(reader)? {
                live.reload(reader)
            } else {
                Ok(())
            }
        };
        self.shared.question(read).await?;
        // Noted when it is made up for: what failed is tried again.
        self.gaps = gaps;
        if all || has_gap {
            self.reloaded_ms = now_ms;
        }
        Ok(())
    }
}
