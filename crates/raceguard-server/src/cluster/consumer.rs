//! Evidence on its way out of JetStream: written by who owns its partition, acknowledged when it is committed.
//!
//! A bounded number of messages is in work at once; they become groups on the writing thread, as requests do. While the
//! database can't be written messages go back with a delay, and stay.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::counters::count;
use super::parcel::unpack;
use super::partition::Partition;
use super::{Cluster, ClusterError, set_aside};
use crate::limits::Limits;
use crate::store::{StoreError, Writer};

/// Messages in work at once.
const IN_WORK: usize = 64;

/// Messages that are fetched of a partition at a time, and their bytes.
const FETCH: usize = 32;
const FETCH_BYTES: usize = 8 << 20;

/// After this long without an acknowledgement a message is delivered again, to who owns the partition then.
const ACK_TIME: Duration = Duration::from_secs(20);

/// How long a message that could not be written waits.
const DELAY: Duration = Duration::from_secs(2);

/// Deliveries after which a message that the database refuses, though it works, is set aside.
const DELIVERIES: i64 = 8;

/// How long what is in work may take to end.
const END_TIME: Duration = Duration::from_secs(15);

/// What the work on a message needs.
struct Work {
    cluster: Arc<Cluster>,
    writer: Writer,
    limits: Limits,
    room: Arc<Semaphore>,
}

/// Works on the partitions that this replica owns, until it is to stop.
pub(super) async fn run(
    cluster: Arc<Cluster>,
    writer: Writer,
    limits: Limits,
    stop: CancellationToken,
) -> Result<(), ClusterError> {
    let mut owned = cluster.ownership.subscribe();
    let work = Arc::new(Work { cluster, writer, limits, room: Arc::new(Semaphore::new(IN_WORK)) });
    let mut pulling: HashMap<Partition, CancellationToken> = HashMap::new();
    let mut pullers = JoinSet::new();
    while !stop.is_cancelled() {
        let now = owned.borrow_and_update().clone();
        pulling.retain(|partition, stop| {
            now.contains(partition) || {
                stop.cancel();
                false
            }
        });
        for partition in now {
            pulling.entry(partition).or_insert_with(|| {
                let token = stop.child_token();
                pullers.spawn(pull(Arc::clone(&work), partition, token.clone()));
                token
            });
        }
        tokio::select! {
            () = stop.cancelled() => {}
            // Its sender is in `work`, so this fails never.
            _ = owned.changed() => {}
            Some(_) = pullers.join_next() => {}
        }
    }
    let _ = tokio::time::timeout(END_TIME, async { while pullers.join_next().await.is_some() {} }).await;
    Ok(())
}

/// Works on one partition until it is lost.
async fn pull(work: Arc<Work>, partition: Partition, stop: CancellationToken) {
    let mut in_work = JoinSet::new();
    while !stop.is_cancelled() {
        let Ok(consumer) = consumer(&work.cluster, partition).await else {
            // Most of the servers are away, or elect who leads.
            super::wait(&stop, Duration::from_secs(1)).await;
            continue;
        };
        let messages = consumer
            .stream()
            .max_messages_per_batch(FETCH)
            .max_bytes_per_batch(FETCH_BYTES)
            .expires(Duration::from_secs(30))
            .heartbeat(Duration::from_secs(5))
            .messages()
            .await;
        let Ok(mut messages) = messages else {
            super::wait(&stop, Duration::from_secs(1)).await;
            continue;
        };
        let mut errors = 0;
        while let Some(Some(next)) = stop.run_until_cancelled(messages.next()).await {
            let Ok(message) = next else {
                // While the writer was behind nobody listened for a sign of life; two errors in a row mean that it broke.
                errors += 1;
                if errors > 1 {
                    break;
                }
                continue;
            };
            errors = 0;
            let Ok(permit) = Arc::clone(&work.room).acquire_owned().await else { return };
            let work = Arc::clone(&work);
            in_work.spawn(async move {
                work.write(&message).await;
                drop(permit);
            });
            while in_work.try_join_next().is_some() {}
        }
    }
    let _ = tokio::time::timeout(END_TIME, async { while in_work.join_next().await.is_some() {} }).await;
}

async fn consumer(cluster: &Cluster, partition: Partition) -> Result<PullConsumer, ClusterError> {
    let name = format!("partition-{}", partition.number());
    let config = pull::Config {
        durable_name: Some(name.clone()),
        filter_subject: format!("{}.evidence.{}", cluster.name, partition.number()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_TIME,
        max_ack_pending: 512,
        ..pull::Config::default()
    };
    let made = cluster.evidence.get_or_create_consumer(&name, config).await;
    made.map_err(|error| ClusterError::JetStream {
        what: format!("make the consumer {name}"),
        reason: error.to_string(),
    })
}

impl Work {
    /// Writes a message and acknowledges it, or puts it back.
    async fn write(&self, message: &Message) {
        let counters = &self.cluster.counters;
        let delivered = message.info().map_or(1, |info| info.delivered);
        if delivered > 1 {
            count(&counters.redelivered);
        }
        let (payload, limits) = (message.payload.clone(), self.limits);
        let unpacked = tokio::task::spawn_blocking(move || unpack(&payload, &limits)).await;
        let reason = match unpacked {
            Ok(Ok((batch, received_ms))) => match self.writer.write(batch, received_ms).await {
                Ok(_) => {
                    // When this is lost the message comes again, and is known.
                    let _ = message.ack().await;
                    count(&counters.written);
                    return;
                }
                Err(StoreError::NotWritten { reason }) if delivered >= DELIVERIES => reason,
                Err(_) => {
                    count(&counters.postponed);
                    let _ = message.ack_with(AckKind::Nak(Some(DELAY))).await;
                    return;
                }
            },
            Ok(Err(error)) => error.to_string(),
            // It panicked over this message.
            Err(error) => error.to_string(),
        };
        self.set_aside(message, &reason).await;
    }

    /// Keeps what can't be written in a stream of its own, and goes on.
    async fn set_aside(&self, message: &Message, reason: &str) {
        let partition = message.subject.rsplit('.').next().unwrap_or_default();
        let subject = format!("{}.set-aside.{partition}", self.cluster.name);
        let mut headers = async_nats::HeaderMap::new();
        headers.insert(set_aside::REASON, reason.replace(['\r', '\n'], " ").as_str());
        let kept =
            self.cluster.jetstream.publish_with_headers(subject, headers, message.payload.clone()).await;
        let is_kept = match kept {
            Ok(answer) => answer.await.is_ok(),
            Err(_) => false,
        };
        let kind = if is_kept { AckKind::Ack } else { AckKind::Nak(Some(DELAY)) };
        let _ = message.ack_with(kind).await;
        if is_kept {
            count(&self.cluster.counters.set_aside);
            eprintln!(
                "raceguard: a message of {} can't be written and was set aside: {reason}",
                message.subject
            );
        }
    }
}
