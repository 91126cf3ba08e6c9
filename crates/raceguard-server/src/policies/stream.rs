//! Feeds the evaluator: from what the writer tells, and from the stored blocks for what that left out.
//!
//! The writer's thread puts what it committed, and what other replicas did, into a bounded queue ([`Feed`]). The task
//! ([`task::Stream`]) takes batches in the order in which they were committed ([`super::commits`]): one that does not follow
//! the last one waits a moment for those before it, and then they are read from their blocks. So is what did not fit into the
//! queue, and what came while no server ran.
//!
//! Each trigger has its own note of up to where it was evaluated, and one evaluator at a time ([`super::progress`]). A batch
//! is acted on only together with that note ([`crate::responses`]), so it counts once for each trigger, whatever is killed.
//!
//! Windows are not kept: whoever takes a trigger looks again through the batches that its window reaches back to, without
//! acting.

pub mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use serde::Serialize;
use tokio::sync::{Notify, mpsc, oneshot};

use super::evaluator::TriggerCounts;
use super::events::{Event, Shown};
use super::shadow::Recent;
use crate::store::{Committed, Observer};

/// Whether this server evaluates the trigger with a hash: all of them, unless several share the work.
pub type Owns = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Figures of the stream, for metrics.
#[derive(Debug, Default)]
pub struct StreamFigures {
    /// Sightings that were evaluated.
    pub sightings: AtomicU64,
    /// Triggers that fired.
    pub fired: AtomicU64,
    /// Times that the queue was full.
    pub overflows: AtomicU64,
    /// Batches that were read from their blocks because the queue had left them out.
    pub caught_up: AtomicU64,
    /// Triggers that are evaluated here.
    pub triggers: AtomicU64,
    /// The last block that was looked at.
    pub block: AtomicI64,
    /// Nanoseconds that evaluating took.
    pub busy_ns: AtomicU64,
}

/// Takes what the writer committed into the queue.
#[derive(Debug)]
pub struct Feed {
    queue: mpsc::Sender<Event>,
    /// Set when something was left out of the queue.
    missed: Arc<AtomicBool>,
    wake: Arc<Notify>,
    figures: Arc<StreamFigures>,
}

/// The other end of the queue.
#[derive(Debug)]
pub struct Queue {
    events: mpsc::Receiver<Event>,
    missed: Arc<AtomicBool>,
    wake: Arc<Notify>,
    figures: Arc<StreamFigures>,
}

/// A queue of so many events.
pub fn queue(length: usize) -> (Feed, Queue) {
    let (queue, events) = mpsc::channel(length.max(1));
    let (missed, wake, figures) = (Arc::<AtomicBool>::default(), Arc::<Notify>::default(), Arc::default());
    let feed = Feed { queue, missed: missed.clone(), wake: wake.clone(), figures: Arc::clone(&figures) };
    (feed, Queue { events, missed, wake, figures })
}

impl Observer for Feed {
    fn committed(&self, batches: &[Committed]) {
        for batch in batches {
            let Some(block) = batch.block else { continue };
            let shown = |seen: &crate::store::Seen| Shown {
                finding: seen.finding,
                is_new: seen.is_new,
                occurrences: seen.occurrences,
            };
            let event = Event {
                number: batch.number,
                records: i64::try_from(batch.accepted).unwrap_or(i64::MAX),
                block,
                received_ms: batch.received_ms,
                origin: Arc::clone(&batch.origin),
                seen: batch.seen.iter().map(shown).collect(),
            };
            if self.queue.try_send(event).is_err() {
                self.figures.overflows.fetch_add(1, Ordering::Relaxed);
                self.missed.store(true, Ordering::SeqCst);
                self.wake.notify_one();
            }
        }
    }
}

/// What is asked of the task.
type Question = oneshot::Sender<Recent>;

/// What others know of the stream.
#[derive(Debug, Clone)]
pub struct StreamHandle {
    questions: mpsc::Sender<Question>,
    /// For metrics.
    pub figures: Arc<StreamFigures>,
    /// What each trigger did.
    pub counts: Arc<TriggerCounts>,
}

impl StreamHandle {
    /// What was seen in the last hour. Nothing when the server is stopping.
    pub async fn recent(&self) -> Option<Recent> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(answer).await.ok()?;
        answered.await.ok()
    }
}

/// The state of the stream, as it is told.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StreamState {
    /// Sightings that were evaluated.
    pub sightings: u64,
    /// Triggers that fired.
    pub fired: u64,
    /// Times that the queue was full.
    pub overflows: u64,
    /// The last block that was looked at.
    pub block: i64,
    /// Nanoseconds that evaluating took.
    pub busy_ns: u64,
}

impl StreamFigures {
    /// The figures as they are now.
    pub fn state(&self) -> StreamState {
        StreamState {
            sightings: self.sightings.load(Ordering::Relaxed),
            fired: self.fired.load(Ordering::Relaxed),
            overflows: self.overflows.load(Ordering::Relaxed),
            block: self.block.load(Ordering::Relaxed),
            busy_ns: self.busy_ns.load(Ordering::Relaxed),
        }
    }
}
