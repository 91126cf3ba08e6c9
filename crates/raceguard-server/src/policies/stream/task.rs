//! The task that evaluates: takes triggers, looks at batches in their order, writes what fires.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use raceguard_maps::MapError;
use raceguard_policy::facts::SightingFact;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Owns, Question, Queue, StreamHandle};
use crate::clock::now_ms;
use crate::policies::commits::Place;
use crate::policies::evaluator::{Evaluator, Fired, Moment, TriggerCounts};
use crate::policies::events::Event;
use crate::policies::in_force::Current;
use crate::policies::progress::{self, Looked, Progress};
use crate::policies::registry::Registry;
use crate::policies::shadow::{HOUR_MS, Item, Recent, placed};
use crate::responses::{self, Recorded};
use crate::store::{Reader, StoreError, Writer};

/// Batches that are taken from the queue, and transactions that are read, before what came of them is written.
const AT_ONCE: usize = 64;

/// How often is noted up to where was looked, when nothing fires.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// How often is looked which triggers are to be evaluated here, and whether a batch was never told.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a batch waits for those before it, and how many wait at most, before those are read from their blocks.
const WAIT_FOR_EARLIER: Duration = Duration::from_millis(100);
const EARLY: usize = 4_096;

/// Time between tries to write when the database can't be written.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Findings whose facts are remembered; beyond that all are forgotten and read again.
const REMEMBERED: usize = 50_000;

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
    /// Random, so that no other evaluator of the database has it.
    name: String,
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
    /// Up to there it looked; it goes back when it takes a trigger that is behind.
    at: Place,
    /// The furthest that it ever looked.
    furthest: i64,
    noted: i64,
    /// The longest window of the triggers in force, whoever evaluates them, in milliseconds.
    window_ms: i64,
    /// What fired and is not written yet. Up to where was looked is noted together with it only.
    fired: Vec<Fired>,
    /// Batches whose predecessor has not come.
    early: BTreeMap<i64, Event>,
    early_until: Option<Instant>,
    next_note: Instant,
    next_look: Instant,
    stop: CancellationToken,
}

impl Stream {
    /// The task of a queue, under a name that no other evaluator of the database has.
    pub fn new(
        name: String,
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
        let now = Instant::now();
        let task = Self {
            name,
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
            at: Place::default(),
            furthest: 0,
            noted: 0,
            // Before it is known, nothing is forgotten.
            window_ms: i64::MAX,
            fired: Vec::new(),
            early: BTreeMap::new(),
            early_until: None,
            next_note: now + NOTE_EVERY,
            next_look: now + LOOK_EVERY,
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
        let (looked, fired, window) = (self.looked(), std::mem::take(&mut self.fired), self.window_ms);
        let _ = self
            .writer
            .change(move |connection| responses::record(connection, &looked, &fired, window))
            .await;
        Ok(())
    }

    async fn evaluate(&mut self) -> Result<(), StreamError> {
        let newest = self.ask(Reader::newest_commit).await?;
        let hour = newest.at_ms - HOUR_MS;
        self.recent.begin(hour);
        let begin = self.ask(move |reader| reader.commit_before(hour)).await?;
        (self.at, self.furthest, self.noted) = (begin, begin.number, newest.number);
        self.adopt().await?;
        self.catch_up().await?;
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            let early_until = self.early_until.unwrap_or_else(|| Instant::now() + LOOK_EVERY);
            tokio::select! {
                // What was saved is in force for what comes after it.
                biased;
                () = stop.cancelled() => break,
                Ok(()) = self.published.changed() => self.adopt().await?,
                Some(question) = self.questions.recv() => drop(question.send(self.recent.clone())),
                Some(event) = self.queue.events.recv() => self.take(event).await?,
                () = self.queue.wake.notified() => {}
                () = tokio::time::sleep_until(self.next_note) => self.write().await?,
                () = tokio::time::sleep_until(self.next_look) => self.look_around().await?,
                () = tokio::time::sleep_until(early_until), if self.early_until.is_some() => self.catch_up().await?,
            }
            if self.queue.missed.swap(false, Ordering::SeqCst) {
                self.catch_up().await?;
            }
        }
        Ok(())
    }

    /// Takes the triggers that are to be evaluated here, lets go of others, and looks for batches that were never told.
    async fn look_around(&mut self) -> Result<(), StreamError> {
        self.next_look = Instant::now() + LOOK_EVERY;
        let current = self.registry.in_force().current()?;
        let wanted = self.wanted(&current);
        let is_same = wanted.iter().all(|hash| self.evaluator.has(hash))
            && self.evaluator.hashes().all(|hash| wanted.iter().any(|it| it == hash));
        if !is_same {
            self.adopt().await?;
        }
        let newest = self.ask(Reader::newest_commit).await?;
        if newest.number > self.at.number && self.early.is_empty() && self.queue.events.is_empty() {
            self.catch_up().await?;
        }
        Ok(())
    }

    /// Hashes of the triggers in force that are to be evaluated here.
    fn wanted(&self, current: &Current) -> Vec<String> {
        let released = current.stable().into_iter().chain(current.canary());
        let hashes = released.flat_map(|it| it.set.triggers.iter().map(|trigger| trigger.hash.clone()));
        let mut hashes: Vec<String> = hashes.filter(|hash| (self.owns)(hash)).collect();
        // In this order everybody locks rows.
        hashes.sort();
        hashes.dedup();
        hashes
    }

    /// Goes over to the set in force, and back to where what is new to it begins.
    async fn adopt(&mut self) -> Result<(), StreamError> {
        self.published.borrow_and_update();
        let current = self.registry.in_force().current()?;
        let windows = current.stable().into_iter().chain(current.canary()).flat_map(|it| &it.set.triggers);
        let longest = windows.map(|trigger| trigger.window).max().unwrap_or_default();
        self.window_ms = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
        let wanted = self.wanted(&current);
        if self.evaluator.hashes().any(|hash| !wanted.iter().any(|it| it == hash)) {
            // Whoever takes them goes on from here.
            self.write().await?;
        }
        let new: Vec<String> = wanted.iter().filter(|hash| !self.evaluator.has(hash)).cloned().collect();
        let taken: HashMap<String, Progress> = if new.is_empty() {
            HashMap::new()
        } else {
            self.take_triggers(new).await?.into_iter().collect()
        };
        self.evaluator.adopt(&current, &|hash| wanted.iter().any(|it| it == hash), &taken)?;
        self.queue.figures.triggers.store(wanted.len() as u64, Ordering::Relaxed);
        let Some(earliest) = taken.values().map(|it| it.done.at_ms).min() else { return Ok(()) };
        for (hash, labels, until_ms) in self.ask(move |reader| reader.cooldowns(earliest)).await? {
            if taken.get(&hash).is_some_and(|progress| until_ms > progress.done.at_ms) {
                self.evaluator.keep_still(&hash, &labels, until_ms);
            }
        }
        self.return_to_windows(&current, &taken).await
    }

    /// Goes back to where the windows of triggers begin that were taken.
    async fn return_to_windows(
        &mut self,
        current: &Current,
        taken: &HashMap<String, Progress>,
    ) -> Result<(), StreamError> {
        let mut back = self.at;
        let released = current.stable().into_iter().chain(current.canary());
        for trigger in released.flat_map(|it| &it.set.triggers) {
            let Some(progress) = taken.get(&trigger.hash).filter(|it| it.since < back.number) else {
                continue;
            };
            let window = i64::try_from(trigger.window.as_millis()).unwrap_or(i64::MAX);
            let from = progress.done.at_ms.saturating_sub(window);
            let begin = self.ask(move |reader| reader.commit_before(from)).await?;
            if begin.number < back.number {
                back = Place { number: begin.number.max(progress.since), ..begin };
            }
        }
        if back.number < self.at.number {
            self.at = back;
            self.catch_up().await?;
        }
        Ok(())
    }

    /// Takes triggers over, and tries until it is done.
    async fn take_triggers(&self, hashes: Vec<String>) -> Result<Vec<(String, Progress)>, StoreError> {
        loop {
            let (name, hashes) = (self.name.clone(), hashes.clone());
            let taken = self
                .writer
                .change(move |connection| progress::take(connection, &name, &hashes, now_ms()))
                .await;
            match taken {
                Err(StoreError::Stopping) => return Err(StoreError::Stopping),
                Err(_) => self.wait().await?,
                taken => return taken,
            }
        }
    }

    /// Looks at the stored batches behind the last one.
    async fn catch_up(&mut self) -> Result<(), StreamError> {
        while !self.stop.is_cancelled() {
            let number = self.at.number;
            let events = self.ask(move |reader| reader.events_after(number, AT_ONCE)).await?;
            if events.is_empty() {
                break;
            }
            let new = events.iter().filter(|event| event.number > self.furthest).count();
            self.queue.figures.caught_up.fetch_add(new as u64, Ordering::Relaxed);
            for event in &events {
                self.look(event).await?;
            }
            if !self.fired.is_empty() || Instant::now() >= self.next_note {
                self.write().await?;
            }
        }
        self.early = self.early.split_off(&(self.at.number + 1));
        self.early_until = (!self.early.is_empty()).then(|| Instant::now() + WAIT_FOR_EARLIER);
        Ok(())
    }

    /// Looks at a batch and at those that wait behind it, as far as each follows the one before.
    async fn take(&mut self, first: Event) -> Result<(), StreamError> {
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(event) = next {
            if event.number > self.at.number {
                self.early.insert(event.number, event);
            }
            while let Some(entry) = self.early.first_entry() {
                if entry.get().number - entry.get().records > self.at.number {
                    break;
                }
                let event = entry.remove();
                if event.number > self.at.number {
                    self.look(&event).await?;
                }
            }
            taken += 1;
            next = if taken < AT_ONCE { self.queue.events.try_recv().ok() } else { None };
        }
        if !self.fired.is_empty() {
            self.write().await?;
        }
        if self.early.is_empty() {
            self.early_until = None;
        } else if self.early.len() > EARLY {
            self.catch_up().await?;
        } else if self.early_until.is_none() {
            self.early_until = Some(Instant::now() + WAIT_FOR_EARLIER);
        }
        Ok(())
    }

    /// Counts what a batch shows and passes it, and keeps what fires.
    async fn look(&mut self, event: &Event) -> Result<(), StreamError> {
        let started = std::time::Instant::now();
        let is_new = event.number > self.furthest;
        for shown in &event.seen {
            let Some(fact) = self.fact(shown.finding).await? else { continue };
            if is_new {
                let (at_ms, origin) = (event.received_ms, Arc::clone(&event.origin));
                self.recent.push(Item { at_ms, origin, shown: *shown });
            }
            if self.evaluator.is_idle() {
                continue;
            }
            let sighting = Arc::new(placed(&fact, &event.origin, shown));
            let moment = Moment { number: event.number, at_ms: event.received_ms, finding: shown.finding };
            self.fired.extend(self.evaluator.see(&sighting, moment)?);
        }
        self.evaluator.pass(event.number);
        self.at.number = event.number;
        self.at.at_ms = self.at.at_ms.max(event.received_ms);
        let figures = &self.queue.figures;
        if is_new {
            self.furthest = event.number;
            figures.sightings.fetch_add(event.seen.len() as u64, Ordering::Relaxed);
            figures.block.store(event.block, Ordering::Relaxed);
        }
        let busy = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        figures.busy_ns.fetch_add(busy, Ordering::Relaxed);
        Ok(())
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

    /// What is to be noted of how far triggers were evaluated.
    fn looked(&self) -> Looked {
        let mut triggers: Vec<String> = self.evaluator.hashes().map(str::to_owned).collect();
        triggers.sort();
        Looked { evaluator: self.name.clone(), triggers, upto: self.at }
    }

    /// Writes what fired and up to where was looked, and tries until it can be written: nothing that comes later is
    /// looked at before.
    async fn write(&mut self) -> Result<(), StoreError> {
        self.next_note = Instant::now() + NOTE_EVERY;
        if self.fired.is_empty() && self.at.number == self.noted {
            return Ok(());
        }
        let (looked, fired) = (Arc::new(self.looked()), Arc::new(std::mem::take(&mut self.fired)));
        loop {
            let (note, firings, window) = (Arc::clone(&looked), Arc::clone(&fired), self.window_ms);
            let written = self
                .writer
                .change(move |connection| responses::record(connection, &note, &firings, window))
                .await;
            match written {
                Ok(Recorded { kept, lost }) => {
                    self.noted = looked.upto.number;
                    for hash in &lost {
                        self.evaluator.drop_trigger(hash);
                    }
                    if kept > 0 {
                        self.queue.figures.fired.fetch_add(kept as u64, Ordering::Relaxed);
                        self.sending.notify_one();
                    }
                    return Ok(());
                }
                // The disk may be full: what fired stays here, or is found again after a restart.
                Err(error) => {
                    if matches!(error, StoreError::Stopping) || self.wait().await.is_err() {
                        self.fired = Arc::unwrap_or_clone(fired);
                        return Err(StoreError::Stopping);
                    }
                }
            }
        }
    }

    /// Waits before something is tried again.
    async fn wait(&self) -> Result<(), StoreError> {
        let stopped = self.stop.run_until_cancelled(tokio::time::sleep(TRY_AGAIN)).await.is_none();
        if stopped { Err(StoreError::Stopping) } else { Ok(()) }
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
            self.wait().await?;
        }
    }
}
