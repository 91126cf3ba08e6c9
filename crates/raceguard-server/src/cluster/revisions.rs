//! The revision of the policies in force: one number that every replica follows.
//!
//! Who saves a policy writes it to the database first and then announces the number. Each replica is told at once, and
//! asks now and then as well, in case it was not.

use std::time::{Duration, Instant};

use async_nats::jetstream::kv::Store;
use futures_util::StreamExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ClusterError;

/// The one key of the bucket.
const KEY: &str = "revision";

/// How long announcing is tried: an election lasts some seconds.
const ANNOUNCE_TIME: Duration = Duration::from_secs(10);

/// After a failure.
const RETRY: Duration = Duration::from_millis(100);

/// How often the number is asked for.
const ASK: Duration = Duration::from_secs(5);

/// The number, here and at every replica. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Revisions {
    bucket: Store,
    newest: watch::Sender<u64>,
}

impl Revisions {
    pub(super) fn new(bucket: Store) -> Self {
        Self { bucket, newest: watch::Sender::new(0) }
    }

    /// Tells every replica that this revision is in the database and to be put in force. Numbers only grow: an older one
    /// changes nothing. While the servers elect who leads it is tried again.
    pub async fn announce(&self, revision: u64) -> Result<(), ClusterError> {
        let end = Instant::now() + ANNOUNCE_TIME;
        loop {
            match self.try_announce(revision).await {
                Ok(()) => return Ok(()),
                Err(reason) if Instant::now() >= end => {
                    return Err(ClusterError::JetStream { what: "announce a revision".to_owned(), reason });
                }
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    async fn try_announce(&self, revision: u64) -> Result<(), String> {
        let there = self.bucket.entry(KEY).await.map_err(|error| error.to_string())?;
        let (known, at) = there.as_ref().map_or((0, 0), |entry| (number(&entry.value), entry.revision));
        if known >= revision {
            return Ok(());
        }
        let updated = self.bucket.update(KEY, revision.to_string().into(), at).await;
        updated.map(drop).map_err(|error| error.to_string())
    }

    /// The newest number that this replica has heard of, 0 before the first, and those that come.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Announces what is published here, and refreshes what is in force here when another replica announced something
    /// newer, until it is to stop. What fails is tried again.
    pub async fn keep_in_step<F, E>(
        self,
        mut published: watch::Receiver<i64>,
        refresh: impl Fn() -> F,
        stop: CancellationToken,
    ) -> Result<(), ClusterError>
    where
        F: Future<Output = Result<(), E>>,
    {
        let mut newest = self.subscribe();
        // What is in force at the start is announced too: it may be newer than what the others have.
        published.mark_changed();
        loop {
            let done = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Ok(()) = published.changed() => {
                    let number = u64::try_from(*published.borrow_and_update()).unwrap_or(0);
                    let done = self.announce(number).await.is_ok();
                    if !done { published.mark_changed(); }
                    done
                }
                Ok(()) = newest.changed() => {
                    let number = *newest.borrow_and_update();
                    let here = u64::try_from(*published.borrow()).unwrap_or(0);
                    let done = number <= here || refresh().await.is_ok();
                    if !done { newest.mark_changed(); }
                    done
                }
                // Whoever published here is gone, which is the end too.
                else => return Ok(()),
            };
            if !done {
                super::wait(&stop, RETRY).await;
            }
        }
    }

    pub(super) async fn follow(self, stop: CancellationToken) -> Result<(), ClusterError> {
        while !stop.is_cancelled() {
            if let Ok(mut changes) = self.bucket.watch_with_history(KEY).await {
                self.listen(&mut changes, &stop).await;
            }
            // It broke off; what was missed meanwhile the next one tells first.
            super::wait(&stop, RETRY).await;
        }
        Ok(())
    }

    async fn listen(&self, changes: &mut async_nats::jetstream::kv::Watch, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                change = changes.next() => match change {
                    Some(Ok(entry)) => self.heard(number(&entry.value)),
                    _ => return,
                },
                () = tokio::time::sleep(ASK) => {
                    if let Ok(Some(value)) = self.bucket.get(KEY).await {
                        self.heard(number(&value));
                    }
                }
            }
        }
    }

    fn heard(&self, revision: u64) {
        self.newest.send_if_modified(|newest| {
            let is_newer = revision > *newest;
            *newest = revision.max(*newest);
            is_newer
        });
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
