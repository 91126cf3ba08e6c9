//! Concurrent maps: one interface, many strategies, layers over any of them.
//!
//! The question that every team with a shared map has is which kind to take, with how many shards, at what cost, and
//! what a crash leaves. This crate holds the candidates behind one trait, [`ConcurrentMap`], so that the answer can be
//! measured instead of believed.
//!
//! ```
//! use raceguard_maps::{ConcurrentMap, MutexMap};
//!
//! # fn main() -> Result<(), raceguard_maps::MapError> {
//! let routes: MutexMap<String, u32> = MutexMap::new();
//! routes.insert("alipay".to_owned(), 1)?;
//! assert_eq!(routes.update("alipay", |weight| *weight += 1)?, Some(()));
//! assert_eq!(routes.get("alipay")?, Some(2));
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! - No method hands out a guard. What a caller holds after a call is its own: a clone, an `Arc`, a snapshot. So no
//!   deadlock can come from holding a reference across another call, an `await` or an iteration.
//! - A closure that is given to a method runs exactly once (or not at all where the method says so), on the calling
//!   thread. When it panics, the panic goes on to the caller and the map stays usable: nothing is poisoned, no entry is
//!   lost, no lock stays held.
//! - What each method promises to concurrent callers is stated per strategy in one table: [`Consistency`].
//! - After [`ConcurrentMap::close`], every other method returns [`MapError::Closed`], or under [`Checked`] the misuse
//!   with its call sites; [`MapError::is_closed`] is true for both.
//! - `unsafe` lives in `raw` alone.
//!
//! # Where to start reading
//!
//! [`map`] has the interface, [`strategies`] one file per strategy, [`advice`] says which one suits, [`counters`] are
//! maps of numbers, `raw` has the cores with the unsafe parts and the proofs of why they are right.

pub mod advice;
pub mod consistency;
pub mod counters;
pub mod error;
pub mod hash;
pub mod layers;
pub mod lifecycle;
pub mod map;
pub mod snapshot;
pub mod strategies;

mod raw;
mod table;

pub use advice::WorkloadProfile;
pub use consistency::Consistency;
pub use counters::{CounterMap, QuotaMap, WindowCounterMap};
pub use error::MapError;
pub use hash::{FastState, KeyedState};
pub use layers::checked::{Checked, Misuse, MisuseKind};
pub use layers::coalesced::{Coalesced, Coalescing};
#[cfg(unix)]
pub use layers::durable::{self, Durable};
pub use layers::observed::{Kind, Observation, Observed};
pub use lifecycle::CloseReport;
pub use map::{Change, ConcurrentMap, Lookup, Operation};
pub use snapshot::{Entries, MapSnapshot};
pub use strategies::bucket::BucketMap;
pub use strategies::inline::InlineMap;
pub use strategies::lock_free::LockFreeMap;
pub use strategies::mutex::MutexMap;
pub use strategies::read_mostly::ReadMostlyMap;
pub use strategies::rwlock::RwLockMap;
pub use strategies::serial::{Acknowledgement, SerialMap, SerialReader, SerialSettings, SerialSnapshot};
pub use strategies::sharded::ShardedMap;
pub use strategies::sharded_snapshot::ShardedSnapshotMap;
pub use strategies::snapshot::{PublishError, Reader, Snapshot, SnapshotMap};
