//! Tokens that were seen a moment ago, so that not each request asks the database.
//!
//! What is known holds for half a second: a token that is revoked anywhere is refused within a second. Only tokens that hold
//! are kept, so strangers can't fill the memory; they are looked up each time, by an index.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use raceguard_maps::{ConcurrentMap as _, MapError, MapSnapshot as _, ReadMostlyMap};
use tokio_util::sync::CancellationToken;

use super::{Holder, Token, table};
use crate::clock::now_ms;
use crate::store::{Reader, StoreError, Writer};

/// How long an answer of the database holds.
const HOLDS: Duration = Duration::from_millis(500);
/// How often it is written down when tokens were used.
const NOTE_EVERY: Duration = Duration::from_secs(30);

/// Tokens by the hash of each.
#[derive(Debug, Default)]
pub struct KnownTokens {
    known: ReadMostlyMap<[u8; 32], Arc<Known>>,
    /// Uses of tokens that hold no more, not yet written down.
    last_uses: Mutex<Vec<(String, i64)>>,
}

#[derive(Debug)]
struct Known {
    holder: Holder,
    asked: Instant,
    /// When it was used last, in milliseconds since the Unix epoch; negated once that was written down.
    used_ms: AtomicI64,
}

impl KnownTokens {
    /// Who holds the token, if that was asked a moment ago. The time of its use is noted.
    pub fn fresh(&self, token: &Token) -> Option<Holder> {
        let known = self.known.get(&token.hash()).ok().flatten()?;
        if known.asked.elapsed() > HOLDS {
            return None;
        }
        // ORDERING: the number stands for itself, nothing is published by it.
        known.used_ms.store(now_ms(), Ordering::Relaxed);
        Some(known.holder.clone())
    }

    /// Asks the database who holds the token, and remembers that.
    pub fn ask(&self, reader: &Reader, token: &Token) -> Result<Option<Holder>, StoreError> {
        let (hash, asked) = (token.hash(), Instant::now());
        let holder = reader.ask(|connection| table::holder(connection, &hash, now_ms()))?;
        let kept = match &holder {
            Some(holder) => {
                let used_ms = AtomicI64::new(now_ms());
                self.known.insert(hash, Arc::new(Known { holder: holder.clone(), asked, used_ms }))
            }
            None => self.known.remove(&hash).inspect(|removed| self.keep_use(removed.as_ref())),
        };
        // A map that is closed remembers nothing, which costs a question each time.
        let _: Result<_, MapError> = kept;
        Ok(holder)
    }

    /// Writes down when tokens were used, again and again until `stop`, and once more then.
    pub async fn note_uses(
        self: Arc<Self>,
        writer: Writer,
        stop: CancellationToken,
    ) -> Result<(), StoreError> {
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(NOTE_EVERY) => false,
            };
            let used = self.take_uses();
            if !used.is_empty() {
                // A database that is full now takes the next ones; nothing rests on this.
                let _ = writer.change(move |connection| table::note_used(connection, &used)).await;
            }
            if stopped {
                return Ok(());
            }
        }
    }

    fn keep_use(&self, removed: Option<&Arc<Known>>) {
        let Some(known) = removed else { return };
        // ORDERING: as above.
        let used_ms = known.used_ms.load(Ordering::Relaxed);
        if used_ms > 0 {
            let mut uses = self.last_uses.lock().unwrap_or_else(PoisonError::into_inner);
            uses.push((known.holder.name.clone(), used_ms));
        }
    }

    fn take_uses(&self) -> Vec<(String, i64)> {
        let Ok(snapshot) = self.known.snapshot() else { return Vec::new() };
        let mut used = std::mem::take(&mut *self.last_uses.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, known) in snapshot.iter() {
            // ORDERING: as above. A use between the two is noted with the next ones.
            let at_ms = known.used_ms.load(Ordering::Relaxed);
            if at_ms > 0 {
                used.push((known.holder.name.clone(), at_ms));
                known.used_ms.store(-at_ms, Ordering::Relaxed);
            }
        }
        used
    }
}
