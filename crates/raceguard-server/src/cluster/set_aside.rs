//! Messages that could not be written: what they are, and back into the queue with them when what was in their way is gone.

use std::ops::RangeInclusive;
use std::sync::Arc;

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{RawMessageErrorKind, State, Stream};
use serde::Serialize;

use super::counters::{Counters, count};
use super::{Cluster, ClusterError};

/// The header that says why.
pub(super) const REASON: &str = "Raceguard-Reason";

/// A message that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Aside {
    /// Its number among them.
    pub number: u64,
    /// The partition that it was in.
    pub partition: String,
    /// When it was set aside, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its size.
    pub bytes: usize,
    /// Why it could not be written.
    pub reason: String,
}

/// What became of messages that were to be tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Those that are in the queue again.
    pub replayed: u64,
    /// Those that are still set aside.
    pub left: u64,
}

/// What is set aside.
#[derive(Debug, Clone)]
pub struct SetAside {
    stream: Stream,
    jetstream: async_nats::jetstream::Context,
    name: String,
    counters: Arc<Counters>,
}

impl Cluster {
    /// What could not be written.
    pub async fn set_aside(&self) -> Result<SetAside, ClusterError> {
        let name = format!("{}-set-aside", self.name);
        let stream = self.jetstream.get_stream(&name).await;
        Ok(SetAside {
            stream: stream.map_err(|error| failed("find what is set aside", &error))?,
            jetstream: self.jetstream.clone(),
            name: self.name.clone(),
            counters: Arc::clone(&self.counters),
        })
    }
}

impl SetAside {
    /// The oldest ones, and how many there are in all.
    pub async fn list(&self, limit: usize) -> Result<(Vec<Aside>, u64), ClusterError> {
        let state = self.state().await?;
        let mut found = Vec::new();
        for number in numbers(&state) {
            if found.len() >= limit {
                break;
            }
            found.extend(self.message(number).await?.map(|message| aside(&message)));
        }
        Ok((found, state.messages))
    }

    /// Puts the oldest ones back into the queue. One that still can't be written is set aside again, with a new number.
    ///
    /// # Errors
    ///
    /// After any error some are in the queue again; one may be in both places, and counts once all the same.
    pub async fn replay(&self, limit: u64) -> Result<Replayed, ClusterError> {
        let state = self.state().await?;
        let mut replayed = 0;
        // Those that come meanwhile have higher numbers.
        for number in numbers(&state) {
            if replayed >= limit {
                break;
            }
            let Some(message) = self.message(number).await? else { continue };
            let subject = format!("{}.evidence.{}", self.name, partition(&message));
            let sent = self.jetstream.publish(subject, message.payload).await;
            let answered = match sent {
                Ok(answer) => answer.await,
                Err(error) => Err(error),
            };
            answered.map_err(|error| failed("put a message back into the queue", &error))?;
            let gone = self.stream.delete_message(number).await;
            gone.map_err(|error| failed("remove a message that is in the queue again", &error))?;
            count(&self.counters.published);
            replayed += 1;
        }
        Ok(Replayed { replayed, left: self.state().await?.messages })
    }

    async fn state(&self) -> Result<State, ClusterError> {
        let info = self.stream.get_info().await;
        Ok(info.map_err(|error| failed("count what is set aside", &error))?.state)
    }

    /// The message with this number, if it is there.
    async fn message(&self, number: u64) -> Result<Option<StreamMessage>, ClusterError> {
        match self.stream.get_raw_message(number).await {
            Ok(message) => Ok(Some(message)),
            Err(error) if matches!(error.kind(), RawMessageErrorKind::NoMessageFound) => Ok(None),
            Err(error) => Err(failed("give a message that is set aside", &error)),
        }
    }
}

/// The numbers that messages may have. Streams count from 1, and 0 stands for none.
fn numbers(state: &State) -> RangeInclusive<u64> {
    state.first_sequence.max(1)..=state.last_sequence
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> ClusterError {
    ClusterError::JetStream { what: what.to_owned(), reason: error.to_string() }
}

fn partition(message: &StreamMessage) -> &str {
    message.subject.rsplit('.').next().unwrap_or_default()
}

fn aside(message: &StreamMessage) -> Aside {
    let reason = message.headers.get(REASON).map(ToString::to_string).unwrap_or_default();
    Aside {
        number: message.sequence,
        partition: partition(message).to_owned(),
        at_ms: i64::try_from(message.time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
        bytes: message.payload.len(),
        reason,
    }
}
