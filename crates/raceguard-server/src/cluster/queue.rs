//! Evidence on its way into JetStream: a sender is answered when most of the servers have it on disk.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use tokio::sync::Semaphore;

use super::counters::{Counters, count};
use super::fill::Fill;
use super::parcel::{ParcelError, pack};
use super::partition::Partition;
use crate::batch::Batch;
use crate::store::{Receipt, StoreError};

/// Kilobytes of messages that may wait for JetStream's answer at once; who comes when they do is told to wait.
const UNANSWERED_KB: usize = 64 << 10;

/// How long JetStream may take to answer: an election of who leads lasts some seconds.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// What JetStream keeps beside a payload, about: subject, numbers, checksum.
const KEPT_BESIDE: usize = 64;

/// What a message needs beside its payload: subject, headers.
const ENVELOPE: usize = 4096;

/// Takes batches to JetStream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    jetstream: Context,
    name: String,
    room: Arc<Semaphore>,
    fill: Arc<Fill>,
    counters: Arc<Counters>,
}

impl Queue {
    pub(super) fn new(
        client: Client,
        jetstream: Context,
        name: String,
        fill: Arc<Fill>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { client, jetstream, name, room: Arc::new(Semaphore::new(UNANSWERED_KB)), fill, counters }
    }

    /// Puts a batch into the queue; returns when it is durable there. Which of its records were received before is found
    /// out when they are written, so the receipt names none.
    ///
    /// # Errors
    ///
    /// After any error some of the batch may be in the queue; sending it again is harmless.
    pub async fn put(&self, batch: Batch, received_ms: i64) -> Result<Receipt, StoreError> {
        let limit = self.client.max_payload().saturating_sub(ENVELOPE);
        let accepted = batch.records.len() as u64;
        let partition = Partition::of(batch.stream.as_str());
        let packed = tokio::task::spawn_blocking(move || pack(&batch, received_ms, limit)).await;
        let messages = packed.map_err(|_| StoreError::Stopping)?.map_err(|error| match error {
            ParcelError::TooLarge { limit } => StoreError::TooLarge { limit },
            error => StoreError::Queue(error.to_string()),
        })?;
        let bytes: usize = messages.iter().map(|message| message.len() + KEPT_BESIDE).sum();
        if !self.fill.has_room_for(bytes as u64) {
            return Err(StoreError::Busy);
        }
        let kilobytes = bytes / 1024 + 1;
        let kilobytes = u32::try_from(kilobytes.min(UNANSWERED_KB)).unwrap_or(u32::MAX);
        let _room = self.room.try_acquire_many(kilobytes).map_err(|_| StoreError::Busy)?;
        let subject = format!("{}.evidence.{}", self.name, partition.number());
        // Whatever becomes of it: that it is too full for a moment does no harm.
        self.fill.add(bytes as u64);
        let all = async {
            let mut answers: Vec<PublishAckFuture> = Vec::with_capacity(messages.len());
            for message in messages {
                answers.push(self.jetstream.publish(subject.clone(), message.into()).await.map_err(refused)?);
            }
            for answer in answers {
                answer.await.map_err(refused)?;
                count(&self.counters.published);
            }
            Ok::<(), StoreError>(())
        };
        match tokio::time::timeout(ANSWER_TIME, all).await {
            Ok(answered) => answered?,
            Err(_) => return Err(StoreError::Queue("JetStream did not answer in time".to_owned())),
        }
        Ok(Receipt { accepted, duplicates: 0 })
    }

    /// Kilobytes that wait for JetStream's answer.
    pub fn waiting(&self) -> usize {
        UNANSWERED_KB - self.room.available_permits()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it away")]
fn refused(error: PublishError) -> StoreError {
    match error.kind() {
        PublishErrorKind::MaxAckPending => StoreError::Busy,
        _ => StoreError::Queue(error.to_string()),
    }
}
