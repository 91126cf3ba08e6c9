//! [`Core`]: the state that a durable map shares with its background threads.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::Sync;
use super::codec::Codec;
use super::commit::State;
use super::files::Files;
use super::frame::Encoder;
use super::log::{Identity, LogWriter};
use super::overlay::Stripe;
use crate::error::MapError;
use crate::hash::FastState;
use crate::raw::event::Event;
use crate::raw::sync::Mutex;
use crate::raw::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// Whether writes are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Open = 0,
    Failed = 1,
    Closed = 2,
}

/// A stripe on cache lines of its own.
type PaddedStripe<K, V> = CachePadded<Mutex<Stripe<K, V>>>;

/// Everything but the threads.
pub(super) struct Core<K, V, M> {
    pub(super) map: M,
    pub(super) hasher: FastState,
    pub(super) stripes: Box<[PaddedStripe<K, V>]>,
    pub(super) state: CachePadded<Mutex<State<K, V>>>,
    pub(super) log: CachePadded<Mutex<LogWriter>>,
    /// Number of the last record that is in `map`. Locked while records are applied.
    pub(super) applied: CachePadded<Mutex<u64>>,
    /// A hint that spares writers the lock of `state`; what counts is in there.
    status: AtomicU8,
    pub(super) keys: Box<dyn Codec<K>>,
    pub(super) values: Box<dyn Codec<V>>,
    pub(super) salt: u32,
    pub(super) sync: Sync,
    pub(super) files: Arc<dyn Files>,
    pub(super) folder: PathBuf,
    pub(super) identity: Identity,
    /// Raised when a group has nobody to lead it, and to end the thread that does.
    pub(super) flusher: Event,
    /// Raised when the log has grown enough, and to end the thread that compacts it.
    pub(super) compactor: Event,
    /// Whether the threads are to end.
    pub(super) retiring: AtomicBool,
    /// The log is compacted once its frames take this many bytes.
    pub(super) compact_at: AtomicU64,
    /// Held while the log is compacted.
    pub(super) compacting: Mutex<()>,
}

/// What a core is made of, besides what starts empty.
pub(super) struct Parts<K, V, M> {
    pub(super) map: M,
    pub(super) keys: Box<dyn Codec<K>>,
    pub(super) values: Box<dyn Codec<V>>,
    pub(super) sync: Sync,
    pub(super) files: Arc<dyn Files>,
    pub(super) identity: Identity,
    pub(super) log: LogWriter,
    pub(super) last_sequence: u64,
    pub(super) compact_at: u64,
}

impl<K, V, M> Core<K, V, M> {
    pub(super) fn new(parts: Parts<K, V, M>) -> Self {
        let Parts { map, keys, values, sync, files, identity, log, last_sequence, compact_at } = parts;
        let stripes = (0..super::overlay::STRIPES).map(|_| CachePadded::new(Mutex::new(Stripe::default())));
        Self {
            map,
            hasher: FastState::default(),
            stripes: stripes.collect(),
            state: CachePadded::new(Mutex::new(State::new(last_sequence + 1, log.durable()))),
            log: CachePadded::new(Mutex::new(log)),
            applied: CachePadded::new(Mutex::new(last_sequence)),
            status: AtomicU8::new(Status::Open as u8),
            keys,
            values,
            salt: super::frame::salt(identity.log),
            sync,
            folder: files.folder().to_owned(),
            files,
            identity,
            flusher: Event::default(),
            compactor: Event::default(),
            retiring: AtomicBool::new(false),
            compact_at: AtomicU64::new(compact_at),
            compacting: Mutex::new(()),
        }
    }

    pub(super) fn encoder(&self) -> Encoder<'_, K, V> {
        Encoder { keys: &*self.keys, values: &*self.values }
    }

    /// Whether a group is synced before it is acknowledged.
    pub(super) fn syncs(&self) -> bool {
        self.sync != Sync::Os
    }

    /// Refuses early what `join` would refuse, before any user code runs, and waits for room.
    pub(super) fn admit(&self) -> Result<(), MapError> {
        // ORDERING: Relaxed: a hint; `join` looks again under the lock of `state`.
        if self.status.load(Ordering::Relaxed) != Status::Open as u8 {
            self.state.lock().refuse()?;
        }
        self.wait_for_room()
    }

    pub(super) fn set_status(&self, status: Status) {
        // ORDERING: Relaxed: see `admit`. `max` lets closing win over failing.
        self.status.fetch_max(status as u8, Ordering::Relaxed);
    }

    /// Wakes the compactor when the log has grown enough.
    pub(super) fn note_extent(&self, (segments, bytes): (usize, u64)) {
        // ORDERING: Relaxed: a threshold, nothing is published by it.
        if bytes >= self.compact_at.load(Ordering::Relaxed) || segments >= super::compact::MOST_SEGMENTS {
            self.compactor.raise();
        }
    }

    pub(super) fn is_retiring(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `retire`.
        self.retiring.load(Ordering::Acquire)
    }

    /// Tells the threads to end.
    pub(super) fn retire(&self) {
        // ORDERING: Release pairs with the Acquire in `is_retiring`.
        self.retiring.store(true, Ordering::Release);
        self.flusher.raise();
        self.compactor.raise();
    }
}
