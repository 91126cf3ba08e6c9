//! What comes in: from whom, how much of it, and what became of it. The same for every way in.
//!
//! A request goes through these steps, whether it is evidence, OTLP or a raw file, over HTTP or gRPC:
//!
//! 1. its token, and whether the holder sent too much before ([`Rates`]): refused before the body is read;
//! 2. the body, within its limits, its time and the memory that all requests share ([`Memory`]);
//! 3. what it holds becomes batches of evidence;
//! 4. names that are too many are folded into one ([`Cardinality`]), times that can't be are mended;
//! 5. the store takes them; only then is the request answered.
//!
//! Each step that fails is a [`Refusal`], which says what happened and is counted by its reason.

mod counters;
mod memory;
mod refusal;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::sync::{Semaphore, SemaphorePermit};

pub use counters::{IntakeCounters, Transport};
pub use memory::{Memory, OutOfMemory, Reservation};
pub use refusal::{Reason, Refusal};

use crate::batch::Batch;
use crate::limits::{Cardinality, Limits, Rates, TokenKey};
use crate::otlp::LogTails;
use crate::store::{Receipt, Writer};

/// The state of everything that limits and counts what comes in.
#[derive(Debug)]
pub struct Intake {
    /// What was taken and what was not.
    pub counters: IntakeCounters,
    /// Reports in logs that the next request may complete.
    pub tails: LogTails,
    limits: Limits,
    rates: Rates,
    cardinality: Cardinality,
    memory: Memory,
    /// Places for raw files that are read at once.
    files: Semaphore,
}

/// A body, and the memory that is set aside for it.
#[derive(Debug)]
pub struct Received {
    /// As it was sent.
    pub body: Vec<u8>,
    /// Grows when the body is decompressed.
    pub memory: Reservation,
}

impl Intake {
    /// Nothing came in yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            counters: IntakeCounters::default(),
            tails: LogTails::default(),
            limits: *limits,
            rates: Rates::new(limits.rates),
            cardinality: Cardinality::new(limits.cardinality),
            memory: Memory::new(limits.memory),
            files: Semaphore::new(limits.files.max(1)),
        }
    }

    /// Whether the holder of the token may send now.
    pub fn check(&self, token: TokenKey) -> Result<(), Refusal> {
        self.rates.check(token, Instant::now()).map_err(Refusal::TooFast)
    }

    /// A place to read a raw file in, once there is one.
    pub async fn file_place(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        match tokio::time::timeout(self.limits.body_time, self.files.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Refusal::Memory(OutOfMemory)),
        }
    }

    /// Memory for a request whose body someone else reads.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Refusal> {
        let mut memory = self.memory.reservation();
        memory.grow(bytes)?;
        Ok(memory)
    }

    /// Reads a body.
    pub async fn receive(&self, token: TokenKey, body: Body) -> Result<Received, Refusal> {
        let read = self.read_whole(body);
        let received = tokio::time::timeout(self.limits.body_time, read)
            .await
            .map_err(|_| Refusal::SlowBody(self.limits.body_time))??;
        self.charge_bytes(token, received.body.len());
        Ok(received)
    }

    /// Counts bytes that were received.
    pub fn charge_bytes(&self, token: TokenKey, bytes: usize) {
        self.counters.bytes_received.add(bytes as u64);
        self.rates.charge_bytes(token, bytes as u64, Instant::now());
    }

    async fn read_whole(&self, mut body: Body) -> Result<Received, Refusal> {
        let too_large = || Refusal::BodyTooLarge { limit: self.limits.body };
        let announced = body.size_hint().lower();
        if announced > self.limits.body as u64 {
            return Err(too_large());
        }
        let mut memory = self.memory.reservation();
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Refusal::BrokenBody(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + data.len() > self.limits.body {
                return Err(too_large());
            }
            memory.grow(data.len())?;
            if whole.is_empty() {
                // What was announced is at most the limit, and memory that is not written costs nothing.
                whole.reserve_exact(usize::try_from(announced).unwrap_or(0).max(data.len()));
            }
            whole.extend_from_slice(&data);
        }
        Ok(Received { body: whole, memory })
    }

    /// Writes a batch; returns when it is durable.
    pub async fn write(
        &self,
        writer: &Writer,
        token: TokenKey,
        mut batch: Batch,
    ) -> Result<Receipt, Refusal> {
        let now = SystemTime::now();
        let mended = batch.mend_times(unix_ns(now));
        self.counters.future_times.add(mended.future);
        self.counters.past_times.add(mended.past);
        self.rates.charge_records(token, batch.records.len() as u64, Instant::now());
        let folded = self.cardinality.admit(token, &mut batch, now).map_err(Refusal::TooManyNames)?;
        self.counters.folded_names.add(folded);
        let receipt = writer.write(batch, unix_ms(now)).await?;
        self.counters.accepted.add(receipt.accepted);
        self.counters.duplicates.add(receipt.duplicates);
        Ok(receipt)
    }
}

fn unix_ms(time: SystemTime) -> i64 {
    i64::try_from(since_epoch(time).as_millis()).unwrap_or(i64::MAX)
}

fn unix_ns(time: SystemTime) -> u64 {
    u64::try_from(since_epoch(time).as_nanos()).unwrap_or(u64::MAX)
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
