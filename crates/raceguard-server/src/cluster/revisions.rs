//! The revision of the policies in force: one number that every replica follows.
//!
//! Who saves a policy writes it to the database first, then the number to a key-value bucket, then says it aloud. A replica
//! follows in three ways, since each of them fails in its own time when a NATS server goes: it listens, which goes on with
//! the next server at once; it watches the bucket, which is silent for up to half a minute when the watch was on that
//! server; and it asks, which is never long behind.

use std::time::{Duration, Instant};

use async_nats::Client;
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
const ASK: Duration = Duration::from_millis(500);

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// The number, here and at every replica. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Revisions {
    client: Client,
    subject: String,
    bucket: Store,
    newest: watch::Sender<u64>,
}

impl Revisions {
    pub(super) fn new(client: Client, name: &str, bucket: Store) -> Self {
        Self { client, subject: format!("{name}.revision"), bucket, newest: watch::Sender::new(0) }
    }

    /// Tells every replica that this revision is in the database and to be put in force. Numbers only grow: an older one
    /// changes nothing. While the servers elect who leads it is tried again.
    pub async fn announce(&self, revision: u64) -> Result<(), ClusterError> {
        let end = Instant::now() + ANNOUNCE_TIME;
        loop {
            let tried = tokio::time::timeout(ANSWER_TIME, self.try_announce(revision)).await;
            match tried.unwrap_or_else(|_| Err("there was no answer in time".to_owned())) {
                Ok(()) => {
                    // Who does not hear it watches or asks.
                    let _ = self.client.publish(self.subject.clone(), revision.to_string().into()).await;
                    return Ok(());
                }
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
        let every_way = async { tokio::join!(self.listen(), self.watch(), self.ask()) };
        // None of them ends by itself.
        stop.run_until_cancelled(every_way).await;
        Ok(())
    }

    async fn listen(&self) {
        loop {
            if let Ok(mut messages) = self.client.subscribe(self.subject.clone()).await {
                while let Some(message) = messages.next().await {
                    self.heard(number(&message.payload));
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn watch(&self) {
        loop {
            if let Ok(mut changes) = self.bucket.watch_with_history(KEY).await {
                while let Some(Ok(entry)) = changes.next().await {
                    self.heard(number(&entry.value));
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn ask(&self) {
        loop {
            if let Ok(Ok(Some(value))) = tokio::time::timeout(ANSWER_TIME, self.bucket.get(KEY)).await {
                self.heard(number(&value));
            }
            tokio::time::sleep(ASK).await;
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
