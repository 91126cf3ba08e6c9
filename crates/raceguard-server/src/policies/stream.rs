//! Feeds the evaluator: from what the writer tells, and from the stored blocks for what that left out.
//!
//! The writer's thread puts what it committed into a bounded queue ([`Feed`]). When the queue is full it puts nothing more
//! in; the task ([`Stream`]) then empties the queue, reads the blocks behind its checkpoint until there are none, and takes
//! the queue up again. After a restart it does the same from the checkpoint in the database. What it met twice it knows by
//! the number of the block, and it acts on a block only together with the note that it did ([`responses::record`]), so
//! each block counts once.
//!
//! Windows are not kept: at the start the blocks that they reach back to are looked through again, without acting.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use raceguard_maps::MapError;
use raceguard_policy::facts::SightingFact;
use serde::Serialize;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::evaluator::{Evaluator, Fired, Moment, TriggerCounts};
use super::events::{Checkpoint, Event, Shown};
use super::registry::Registry;
use super::shadow::{HOUR_MS, Item, Recent, placed};
use crate::responses;
use crate::store::sql::values;
use crate::store::{Committed, Observer, Reader, StoreError, Writer};

/// Whether this server evaluates the finding with a fingerprint: all of them, unless several share the work.
pub type Owns = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Events that are taken from the queue, and blocks that are read, before what came of them is written.
const AT_ONCE: usize = 64;

/// How often is noted up to where the stream was evaluated, when nothing fires.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// Time between tries to write when the database can't be written.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Findings whose facts are remembered; beyond that all are forgotten and read again.
const REMEMBERED: usize = 50_000;

/// Figures of the stream, for metrics.
#[derive(Debug, Default)]
pub struct StreamFigures {
    /// Sightings that were evaluated.
    pub sightings: AtomicU64,
    /// Triggers that fired.
    pub fired: AtomicU64,
    /// Times that the queue was full.
    pub overflows: AtomicU64,
    /// Blocks that were read because the queue had left them out.
    pub caught_up: AtomicU64,
    /// The last block that was evaluated.
    pub block: AtomicI64,
    /// Nanoseconds that evaluating took.
    pub busy_ns: AtomicU64,
}

/// Takes what the writer committed into the queue.
#[derive(Debug)]
pub struct Feed {
    queue: mpsc::Sender<Event>,
    /// Set while something is left out of the queue.
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
            // While something is left out everything is: the task reads all of it from the blocks, in their order.
            if self.missed.load(Ordering::SeqCst) {
                self.wake.notify_one();
                return;
            }
            let shown = |seen: &crate::store::Seen| Shown {
                finding: seen.finding,
                is_new: seen.is_new,
                occurrences: seen.occurrences,
            };
            let event = Event {
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
    /// The last block that was evaluated.
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

/// Why the task can't go on.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The database can't be read.
    #[error("the stream of evidence can't be read: {0}")]
    Store(#[from] StoreError),
    /// A map was closed.
    #[error("the counts of triggers can't be used: {0}")]
    Map(#[from] MapError),
}

/// The task that evaluates.
pub struct Stream {
    registry: Arc<Registry>,
    writer: Writer,
    reader: Reader,
    owns: Owns,
    queue: Queue,
    questions: mpsc::Receiver<Question>,
    published: watch::Receiver<i64>,
    /// Woken when something is to be sent.
    sending: Arc<Notify>,
    evaluator: Evaluator,
    recent: Recent,
    facts: HashMap<i64, Arc<SightingFact>>,
    at: Checkpoint,
    noted: Checkpoint,
    next_note: Instant,
    stop: CancellationToken,
}

impl Stream {
    /// The task of a queue.
    pub fn new(
        registry: Arc<Registry>,
        writer: Writer,
        reader: Reader,
        queue: Queue,
        owns: Owns,
        sending: Arc<Notify>,
    ) -> (Self, StreamHandle) {
        let (ask, questions) = mpsc::channel(8);
        let counts = Arc::new(TriggerCounts::default());
        let handle =
            StreamHandle { questions: ask, figures: Arc::clone(&queue.figures), counts: Arc::clone(&counts) };
        let published = registry.published();
        let task = Self {
            registry,
            writer,
            reader,
            owns,
            queue,
            questions,
            published,
            sending,
            evaluator: Evaluator::new(counts),
            recent: Recent::default(),
            facts: HashMap::new(),
            at: Checkpoint::default(),
            noted: Checkpoint::default(),
            next_note: Instant::now(),
            stop: CancellationToken::new(),
        };
        (task, handle)
    }

    /// Evaluates until it is told to stop.
    ///
    /// # Errors
    ///
    /// When a map of counts is closed. A database that can't be read is waited for.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), StreamError> {
        self.stop = stop;
        match self.evaluate().await {
            Err(StreamError::Store(StoreError::Stopping)) => {}
            ended => ended?,
        }
        // Best effort: what is not noted is looked through again.
        if self.at != self.noted {
            let at = self.at;
            let _ = self.writer.change(move |connection| responses::record(connection, &[], at)).await;
        }
        Ok(())
    }

    async fn evaluate(&mut self) -> Result<(), StreamError> {
        self.adopt().await?;
        self.warm_up().await?;
        self.catch_up().await?;
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            tokio::select! {
                // What was saved is in force for what comes after it.
                biased;
                () = stop.cancelled() => break,
                Ok(()) = self.published.changed() => self.adopt().await?,
                Some(question) = self.questions.recv() => drop(question.send(self.recent.clone())),
                Some(event) = self.queue.events.recv() => self.take(event).await?,
                () = self.queue.wake.notified() => {}
                () = tokio::time::sleep_until(self.next_note) => self.write(Vec::new()).await?,
            }
            if self.queue.missed.load(Ordering::SeqCst) {
                while let Ok(event) = self.queue.events.try_recv() {
                    self.take(event).await?;
                }
                self.catch_up().await?;
                self.queue.missed.store(false, Ordering::SeqCst);
                // What was committed before that is read here, what comes after it is in the queue.
                self.catch_up().await?;
            }
        }
        Ok(())
    }

    /// Goes over to the set in force.
    async fn adopt(&mut self) -> Result<(), StreamError> {
        self.published.borrow_and_update();
        let since = self.ask(Reader::triggers_since).await?;
        let current = self.registry.in_force().current()?;
        Ok(self.evaluator.adopt(&current, &since)?)
    }

    /// Looks through what windows reach back to, up to the checkpoint, and takes over cool-downs.
    async fn warm_up(&mut self) -> Result<(), StreamError> {
        let window = i64::try_from(self.evaluator.longest_window().as_millis()).unwrap_or(i64::MAX);
        let span = window.max(HOUR_MS);
        let (last, mut from) = self.ask(move |reader| reader.policy_checkpoints(span)).await?;
        for (hash, labels, until_ms) in self.ask(move |reader| reader.cooldowns(last.at_ms)).await? {
            self.evaluator.keep_still(&hash, &labels, until_ms);
        }
        self.recent.begin(from.at_ms);
        while from.block < last.block && !self.stop.is_cancelled() {
            let events = self.ask(move |reader| reader.events_after(from, AT_ONCE)).await?;
            if events.is_empty() {
                break;
            }
            for event in events.into_iter().take_while(|event| event.block <= last.block) {
                self.look(&event, true).await?;
                from.pass(&event);
            }
        }
        (self.at, self.noted) = (last, last);
        Ok(())
    }

    /// Evaluates the stored blocks behind the checkpoint.
    async fn catch_up(&mut self) -> Result<(), StreamError> {
        while !self.stop.is_cancelled() {
            let at = self.at;
            let events = self.ask(move |reader| reader.events_after(at, AT_ONCE)).await?;
            if events.is_empty() {
                return Ok(());
            }
            self.queue.figures.caught_up.fetch_add(events.len() as u64, Ordering::Relaxed);
            let mut fired = Vec::new();
            for event in &events {
                fired.extend(self.look(event, false).await?);
                self.at.pass(event);
            }
            self.write(fired).await?;
        }
        Ok(())
    }

    /// Evaluates an event, and those that wait behind it.
    async fn take(&mut self, first: Event) -> Result<(), StreamError> {
        let mut fired = Vec::new();
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(event) = next {
            if event.block > self.at.block {
                fired.extend(self.look(&event, false).await?);
                self.at.pass(&event);
            }
            taken += 1;
            next = if taken < AT_ONCE { self.queue.events.try_recv().ok() } else { None };
        }
        if fired.is_empty() { Ok(()) } else { self.write(fired).await }
    }

    /// Counts what an event shows; gives what fires.
    async fn look(&mut self, event: &Event, warming: bool) -> Result<Vec<Fired>, StreamError> {
        let started = std::time::Instant::now();
        let mut fired = Vec::new();
        for shown in &event.seen {
            let Some(fact) = self.fact(shown.finding).await? else { continue };
            if !(self.owns)(&fact.fingerprint) {
                continue;
            }
            self.recent.push(Item {
                block: event.block,
                at_ms: event.received_ms,
                origin: Arc::clone(&event.origin),
                shown: *shown,
            });
            if self.evaluator.is_idle() {
                continue;
            }
            let sighting = Arc::new(placed(&fact, &event.origin, shown));
            let moment = Moment { block: event.block, at_ms: event.received_ms, finding: shown.finding };
            fired.extend(self.evaluator.see(&sighting, moment, warming)?);
        }
        let figures = &self.queue.figures;
        figures.sightings.fetch_add(event.seen.len() as u64, Ordering::Relaxed);
        figures.block.store(event.block, Ordering::Relaxed);
        let busy = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        figures.busy_ns.fetch_add(busy, Ordering::Relaxed);
        Ok(fired)
    }

    async fn fact(&mut self, finding: i64) -> Result<Option<Arc<SightingFact>>, StreamError> {
        if let Some(fact) = self.facts.get(&finding) {
            return Ok(Some(Arc::clone(fact)));
        }
        let Some(fact) = self.ask(move |reader| reader.sighting_fact(finding)).await? else {
            return Ok(None);
        };
        if self.facts.len() >= REMEMBERED {
            self.facts.clear();
        }
        let fact = Arc::new(fact);
        self.facts.insert(finding, Arc::clone(&fact));
        Ok(Some(fact))
    }

    /// Writes what fired and up to where the stream was evaluated, and tries until it can be written: nothing that comes
    /// later is evaluated before.
    async fn write(&mut self, fired: Vec<Fired>) -> Result<(), StreamError> {
        self.next_note = Instant::now() + NOTE_EVERY;
        if fired.is_empty() && self.at == self.noted {
            return Ok(());
        }
        let (fired, at) = (Arc::new(fired), self.at);
        loop {
            let firings = Arc::clone(&fired);
            let written =
                self.writer.change(move |connection| responses::record(connection, &firings, at)).await;
            match written {
                Ok(kept) => {
                    self.noted = at;
                    if kept > 0 {
                        self.queue.figures.fired.fetch_add(kept as u64, Ordering::Relaxed);
                        self.sending.notify_one();
                    }
                    return Ok(());
                }
                Err(StoreError::Stopping) => return Ok(()),
                // The disk may be full: what fired stays here, or is found again after a restart.
                Err(_) => {
                    tokio::select! {
                        () = self.stop.cancelled() => return Ok(()),
                        () = tokio::time::sleep(TRY_AGAIN) => {}
                    }
                }
            }
        }
    }

    /// Asks the store until it answers: a database that is away for a while only makes the stream late.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&Reader) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut is_told = false;
        loop {
            let (reader, question) = (self.reader.clone(), question.clone());
            let answer = tokio::task::spawn_blocking(move || question(&reader)).await;
            let error = match answer.map_err(|_| StoreError::Stopping)? {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !std::mem::replace(&mut is_told, true) {
                eprintln!("raceguard: triggers wait for the evidence to be readable: {error}");
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(StoreError::Stopping),
                () = tokio::time::sleep(TRY_AGAIN) => {}
            }
        }
    }
}

/// Notes where evaluation begins, in a database in which it never did.
pub async fn begin(writer: &Writer, now_ms: i64) -> Result<(), StoreError> {
    writer
        .change(move |connection| {
            if connection.row("SELECT block FROM policy_checkpoint LIMIT 1", &[])?.is_some() {
                return Ok(());
            }
            let block = connection.row("SELECT id FROM block ORDER BY id DESC LIMIT 1", &[])?;
            let finding = connection.row("SELECT id FROM finding ORDER BY id DESC LIMIT 1", &[])?;
            let block: i64 = block.map_or(Ok(0), |row| row.get(0))?;
            let finding: i64 = finding.map_or(Ok(0), |row| row.get(0))?;
            connection.execute(
                "INSERT INTO policy_checkpoint (block, finding, at_ms) VALUES ($1, $2, $3)",
                values![block, finding, now_ms],
            )?;
            Ok(())
        })
        .await
}

/// Hash of a trigger, labels of a group, end of its cool-down.
type Cooldown = (String, BTreeMap<String, String>, i64);

impl Reader {
    /// The last checkpoint, and the newest one that lies at least so many milliseconds before it, else the oldest.
    fn policy_checkpoints(&self, span_ms: i64) -> Result<(Checkpoint, Checkpoint), StoreError> {
        self.ask(|connection| {
            let rows = connection
                .query("SELECT block, finding, at_ms FROM policy_checkpoint ORDER BY block DESC", &[])?;
            let all = rows
                .iter()
                .map(|row| Ok(Checkpoint { block: row.get(0)?, finding: row.get(1)?, at_ms: row.get(2)? }));
            let all = all.collect::<Result<Vec<_>, StoreError>>()?;
            let last = all.first().copied().unwrap_or_default();
            let reaches = |it: &&Checkpoint| it.at_ms <= last.at_ms.saturating_sub(span_ms);
            let from = all.iter().find(reaches).or(all.last()).copied().unwrap_or_default();
            Ok((last, from))
        })
    }

    /// Cool-downs that were not over at a time: hash of the trigger, group, end.
    fn cooldowns(&self, at_ms: i64) -> Result<Vec<Cooldown>, StoreError> {
        self.ask(|connection| {
            let rows = connection.query(
                "SELECT hash, labels, until_ms FROM policy_firing WHERE until_ms > $1 ORDER BY id",
                values![at_ms],
            )?;
            let cooldown = |row: &crate::store::sql::Row| {
                let labels = serde_json::from_str(&row.get::<String>(1)?).unwrap_or_default();
                Ok((row.get(0)?, labels, row.get(2)?))
            };
            rows.iter().map(cooldown).collect()
        })
    }

    /// The last block that each trigger in force does not count, by its hash.
    fn triggers_since(&self) -> Result<HashMap<String, i64>, StoreError> {
        self.ask(|connection| {
            let rows = connection.query("SELECT hash, since_block FROM policy_trigger", &[])?;
            rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
        })
    }
}
