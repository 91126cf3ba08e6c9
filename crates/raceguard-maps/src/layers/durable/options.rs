//! [`DurableOptions`]: settings of a durable map, and opening it.

use std::hash::{BuildHasher, Hash, RandomState};
use std::path::Path;
use std::sync::Arc;

use super::codec::Codec;
use super::core::{Core, Parts};
use super::error::{Failure, OpenError};
use super::files::{DiskFiles, Files};
use super::frame::Encoder;
use super::lock::LockFile;
use super::log::LogWriter;
use super::read::{self, Expected, Found};
use super::report::LogReport;
use super::{Durable, Sync};
use crate::consistency::Promise;
use crate::error::MapError;
use crate::map::{ConcurrentMap, Operation};
use crate::raw::sync::spawn;

/// Size of a segment.
const SEGMENT_BYTES: u64 = if cfg!(raceguard_stress) { 8 << 10 } else { 16 << 20 };

/// Sizes of segments that make sense.
const SEGMENT_RANGE: std::ops::RangeInclusive<u64> = 8 << 10..=1 << 30;

/// The log is compacted when it is at least this large.
const COMPACT_AT: u64 = if cfg!(raceguard_stress) { 2 << 10 } else { 32 << 20 };

/// Settings of a [`Durable`] map.
///
/// ```
/// use std::time::Duration;
/// use raceguard_maps::MutexMap;
/// use raceguard_maps::durable::{DurableOptions, Native, Sync};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let map = DurableOptions::<u64, String>::new(Native, Native)
///     .sync(Sync::Group(Duration::from_millis(1)))
///     .segment_bytes(1 << 20)
///     .open(folder, MutexMap::new())?;
/// # drop(map);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DurableOptions<K, V> {
    keys: Box<dyn Codec<K>>,
    values: Box<dyn Codec<V>>,
    sync: Sync,
    segment_bytes: u64,
    compact_at: u64,
}

impl<K, V> std::fmt::Debug for DurableOptions<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DurableOptions")
            .field("keys", &self.keys.name())
            .field("values", &self.values.name())
            .field("sync", &self.sync)
            .field("segment_bytes", &self.segment_bytes)
            .field("compact_at", &self.compact_at)
            .finish()
    }
}

impl<K, V> DurableOptions<K, V> {
    /// The default settings with these encodings.
    pub fn new(keys: impl Codec<K> + 'static, values: impl Codec<V> + 'static) -> Self {
        Self {
            keys: Box::new(keys),
            values: Box::new(values),
            sync: Sync::Always,
            segment_bytes: SEGMENT_BYTES,
            compact_at: COMPACT_AT,
        }
    }

    /// When a write counts as durable.
    #[must_use]
    pub fn sync(mut self, sync: Sync) -> Self {
        self.sync = sync;
        self
    }

    /// How many bytes to reserve for a segment of the log: 8 KiB to 1 GiB. Default 16 MiB.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// The log is compacted when its records take this many bytes, and twice as many as the last snapshot. Default
    /// 32 MiB; `u64::MAX` leaves compacting to calls of [`Durable::compact`].
    #[must_use]
    pub fn compact_at(mut self, bytes: u64) -> Self {
        self.compact_at = bytes;
        self
    }

    /// Reads the log in `folder` into `map` without changing anything there, up to its end or the first damage, and
    /// says what it found. Takes no lock: another process may have the log open, whose newest writes may then be missing.
    pub fn inspect<M>(&self, folder: impl AsRef<Path>, map: &M) -> Result<LogReport, OpenError>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        M: ConcurrentMap<K, V>,
    {
        self.inspect_on(&DiskFiles::new(folder.as_ref()), map)
    }

    /// As [`inspect`](Self::inspect), behind another door to the disk.
    pub fn inspect_on<M>(&self, files: &dyn Files, map: &M) -> Result<LogReport, OpenError>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        M: ConcurrentMap<K, V>,
    {
        Ok(self.read(files, map)?.report)
    }

    /// Opens the log in `folder`, or begins one there, and fills `map` from it. The folder must exist, the map must be
    /// empty and its single-key methods linearizable.
    pub fn open<M>(self, folder: impl AsRef<Path>, map: M) -> Result<Durable<K, V, M>, OpenError>
    where
        K: Hash + Eq + Clone + Send + 'static,
        V: Clone + Send + 'static,
        M: ConcurrentMap<K, V> + Send + std::marker::Sync + 'static,
    {
        let lock = LockFile::take(folder.as_ref())?;
        let map = self.open_on(Arc::new(DiskFiles::new(folder.as_ref())), map)?;
        *map.lock.lock() = Some(lock);
        Ok(map)
    }

    /// As [`open`](Self::open), behind another door to the disk. Nothing keeps others from the same files.
    pub fn open_on<M>(self, files: Arc<dyn Files>, map: M) -> Result<Durable<K, V, M>, OpenError>
    where
        K: Hash + Eq + Clone + Send + 'static,
        V: Clone + Send + 'static,
        M: ConcurrentMap<K, V> + Send + std::marker::Sync + 'static,
    {
        self.check::<M>()?;
        let found = self.read(&*files, &map)?;
        if found.report.damage.is_some() {
            return Err(OpenError::Damaged(Box::new(found.report)));
        }
        for name in &found.leftovers {
            files.remove(name).map_err(OpenError::io("remove", &files.folder().join(name)))?;
        }
        let report = found.report.clone();
        let least = self.compact_at;
        let core = Arc::new(self.core(files, found, map)?);
        let map = Durable::new(Arc::clone(&core), report);
        let no_thread = OpenError::io("start a thread for", &core.folder);
        let flusher = Arc::clone(&core);
        map.keep_thread(spawn("maps-flush", move || flusher.run_flusher()), no_thread)?;
        if least != u64::MAX {
            let no_thread = OpenError::io("start a thread for", &core.folder);
            map.keep_thread(spawn("maps-compact", move || core.run_compactor(least)), no_thread)?;
        }
        Ok(map)
    }

    fn check<M>(&self) -> Result<(), OpenError>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        M: ConcurrentMap<K, V>,
    {
        let refuse =
            |setting, given: String, allowed| Err(MapError::Configuration { setting, given, allowed }.into());
        if M::CONSISTENCY.read != Promise::Linearizable || M::CONSISTENCY.write != Promise::Linearizable {
            let given = format!("{} reads, {} writes", M::CONSISTENCY.read, M::CONSISTENCY.write);
            return refuse("map", given, "reads and writes of one key must be linearizable");
        }
        if !SEGMENT_RANGE.contains(&self.segment_bytes) {
            return refuse("segment_bytes", self.segment_bytes.to_string(), "8 KiB to 1 GiB");
        }
        for name in [self.keys.name(), self.values.name()] {
            if name.len() > usize::from(u8::MAX) {
                return refuse("name of a codec", name, "up to 255 bytes");
            }
        }
        Ok(())
    }

    fn expected<'a>(&self, files: &'a dyn Files) -> Expected<'a> {
        Expected { files, key_codec: self.keys.name(), value_codec: self.values.name() }
    }

    fn read<M>(&self, files: &dyn Files, map: &M) -> Result<Found, OpenError>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        M: ConcurrentMap<K, V>,
    {
        if !map.is_empty()? {
            let given = format!("{} entries", map.len()?);
            return Err(MapError::Configuration { setting: "map", given, allowed: "an empty map" }.into());
        }
        let encoder = Encoder { keys: &*self.keys, values: &*self.values };
        let mut apply = |operations: Vec<Operation<K, V>>| map.apply(operations).map(drop);
        read::read(&self.expected(files), &encoder, &mut apply, &mut || map.clear().map(drop))
    }

    fn core<M>(self, files: Arc<dyn Files>, found: Found, map: M) -> Result<Core<K, V, M>, OpenError> {
        let identity = found.identity(self.expected(&*files), fresh_identity);
        let log = LogWriter::begin(
            Arc::clone(&files),
            identity.clone(),
            (self.segment_bytes, self.sync != Sync::Os),
            found.segments,
            (found.tail_first, &found.tail),
            found.bytes,
        )
        .map_err(|Failure { operation, path, cause }| OpenError::Io {
            operation,
            path,
            source: std::io::Error::other(cause),
        })?;
        Ok(Core::new(Parts {
            map,
            keys: self.keys,
            values: self.values,
            sync: self.sync,
            files,
            identity,
            log,
            last_sequence: found.report.last_sequence.max(found.tail_first - 1),
            compact_at: self.compact_at.max(found.snapshot_bytes.saturating_mul(2)),
        }))
    }
}

/// A number that no other log has.
fn fresh_identity() -> u128 {
    let [high, low] = [(); 2].map(|()| RandomState::new().hash_one(std::process::id()));
    (u128::from(high) << 64) | u128::from(low)
}
