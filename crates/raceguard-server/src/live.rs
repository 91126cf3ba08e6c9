//! What the server knows without asking its database, in the maps of `raceguard-maps`.
//!
//! | map | strategy | why this one | written by | read by |
//! |---|---|---|---|---|
//! | `findings` | `ReadMostlyMap` | fingerprint index: read for every batch, written for a new finding | [`crate::causes::diagnoser`] | the writing thread |
//! | `causes` | `SnapshotMap` | what is known of causes: readers see one state of all | the same | metrics, policies, pages |
//! | `code` | `SnapshotMap` | code of open findings by service: read for every span, replaced as a whole | the same | whoever takes batches |
//! | `services` | `SerialMap` | one owner counts what comes; readers see what it published | the writing thread | metrics, `/v1/services` |
//! | `activity`, `service_activity` | `WindowCounterMap` | what happened in the last five minutes, bounded | the writing thread | metrics, `/v1/services` |
//! | `suspects` | `CounterMap` | causes that may have come back, drained by who looks | the writing thread | [`crate::causes::diagnoser`] |
//!
//! The tables have all of it: after a restart, and when a replica did not hear what another one committed, it is rebuilt from
//! them ([`rebuild`], [`keeper`]). The first four are `Observed`: their hit rates
//! and lock waits are at `GET /v1/live/maps` and in the metrics; the counters are no `ConcurrentMap`, of them only the sizes are told.

pub mod keeper;
mod observing;
mod rebuild;
pub mod report;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use raceguard_maps::counters::WindowSettings;
use raceguard_maps::{
    CounterMap, MapError, Observed, ReadMostlyMap, SerialMap, SnapshotMap, WindowCounterMap,
};
use tokio::sync::Notify;

use crate::causes::services::Origins;
use crate::causes::state::CauseState;
use crate::slts::code::CodeIndex;

/// How long a batch may take to be written once it came, as far as waiting for locks is concerned.
const CONTENTION_COMES_MS: i64 = 5_000;

/// Live state. One for each process.
#[derive(Debug)]
pub struct Live {
    /// The cause of each finding that has one.
    pub(crate) findings: Observed<ReadMostlyMap<i64, i64>>,
    /// What is known of each cause beside its counts.
    pub(crate) causes: Observed<SnapshotMap<i64, Arc<LiveCause>>>,
    /// Code of open findings by service.
    pub(crate) code: Observed<SnapshotMap<String, Arc<CodeIndex>>>,
    /// What came from each service since the process began.
    pub(crate) services: Observed<SerialMap<String, LiveService>>,
    /// Occurrences by cause in the last five minutes.
    pub(crate) activity: WindowCounterMap<i64>,
    /// Occurrences by service in the last five minutes.
    pub(crate) service_activity: WindowCounterMap<String>,
    /// Causes said to be fixed that were seen since.
    pub(crate) suspects: CounterMap<i64>,
    /// The programs that evidence is from, counted.
    pub(crate) origins: Origins,
    /// There is something to diagnose or to look at.
    pub(crate) work: Notify,
    /// Held while something is read from the tables, so that an older reading never replaces a newer one.
    reading: Mutex<()>,
    /// How often causes had been assigned when this was read.
    assigned: AtomicU64,
    /// Until when what is known of waiting for locks may be behind, in milliseconds since the Unix epoch.
    contended_until_ms: AtomicI64,
}

/// What readers need of a cause without asking the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCause {
    /// Its number.
    pub id: i64,
    /// One line for people.
    pub title: String,
    /// Class of the root cause.
    pub class: String,
    /// `error`, `warning`, `advice`.
    pub severity: String,
    /// What is known of its mending.
    pub state: CauseState,
    /// The version that mends it; empty when none is known.
    pub fixed_in: String,
    /// Services that it was seen in when it was looked at last.
    pub services: Vec<String>,
}

/// What came from a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveService {
    /// Batches with something new.
    pub batches: u64,
    /// Records that were new.
    pub records: u64,
    /// Records that had been received before.
    pub duplicates: u64,
    /// When the last batch came, in milliseconds since the Unix epoch.
    pub last_ms: i64,
    /// How old the newest record of the last batch was when it came, in milliseconds; nothing when it did not say.
    pub lag_ms: Option<i64>,
}

impl Live {
    /// Nothing known yet.
    ///
    /// # Errors
    ///
    /// None but for a mistake in the settings below.
    pub fn new() -> Result<Self, MapError> {
        let settings = WindowSettings {
            window: Duration::from_mins(5),
            buckets: 30,
            half_life: Duration::from_mins(5),
            idle_after: Duration::from_mins(10),
            max_keys: 1 << 14,
        };
        Ok(Self {
            findings: Observed::default(),
            causes: Observed::default(),
            code: Observed::default(),
            services: Observed::default(),
            activity: WindowCounterMap::new(&settings)?,
            service_activity: WindowCounterMap::new(&settings)?,
            suspects: CounterMap::new(),
            origins: Origins::default(),
            work: Notify::new(),
            reading: Mutex::default(),
            assigned: AtomicU64::new(u64::MAX),
            contended_until_ms: AtomicI64::new(0),
        })
    }
}

impl Live {
    /// A batch is on its way that tells of long waits for locks: whoever keeps live state fresh looks again for a while.
    fn expect_contention(&self, now_ms: i64) {
        // ORDERING: Relaxed: it says when to look, nothing of what is there.
        self.contended_until_ms.fetch_max(now_ms + CONTENTION_COMES_MS, Ordering::Relaxed);
    }

    pub(crate) fn expects_contention(&self, now_ms: i64) -> bool {
        // ORDERING: Relaxed: as above.
        self.contended_until_ms.load(Ordering::Relaxed) > now_ms
    }

    fn reading(&self) -> MutexGuard<'_, ()> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assigned(&self) -> u64 {
        // ORDERING: Relaxed: who is behind finds it out by the maps' own order, and at worst reads once more.
        self.assigned.load(Ordering::Relaxed)
    }

    fn set_assigned(&self, number: u64) {
        // ORDERING: Relaxed: as above.
        self.assigned.store(number, Ordering::Relaxed);
    }
}
