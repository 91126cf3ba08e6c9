//! [`QuotaMap`]: balances that never fall below a floor, and never change in sum but by what the caller asks for.
//!
//! Accounts lie in shards with a lock each; `ledger` has what happens inside one. An operation on two accounts locks
//! their shards in the order of the shards, so no two operations can wait for each other. Everything that runs code of
//! the keys (`Hash`, `Eq`, `Clone`) or of the clock comes before the first change, and all changes of one operation
//! happen under its locks: a panic leaves either nothing or all of an operation.

mod ledger;
mod reservation;

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use thiserror::Error;

pub use self::reservation::Reservation;

use crate::counters::clock::{Clock, SystemClock};
use crate::counters::quota::ledger::Ledger;
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::Lookup;
use crate::raw::sync::{Mutex, MutexGuard};
use crate::table::SHARD_SHIFT;

/// Balances per key that never fall below the key's floor.
///
/// What can be spent is `balance - floor - reserved`. [`try_debit`](Self::try_debit), [`transfer`](Self::transfer) and
/// [`reserve`](Self::reserve) are refused where that is less than the amount; nothing waits. A reservation keeps an
/// amount for its holder until it is committed, cancelled, dropped, or its time is up.
///
/// Every operation is linearizable, [`transfer`](Self::transfer) and [`Reservation::commit_to`] over both accounts and
/// [`totals`](Self::totals) over all: no observer ever sees an amount missing or twice. Amounts are `u64`, balances
/// `i64`; what does not fit is an error.
///
/// ```
/// use raceguard_maps::QuotaMap;
/// use raceguard_maps::counters::QuotaError;
///
/// let margin: QuotaMap<&str> = QuotaMap::new();
/// margin.open("alice", 0, 100)?;
/// margin.open("bob", -50, 0)?;
///
/// let held = margin.reserve(&"alice", 70)?;
/// assert_eq!(margin.try_debit(&"alice", 40), Err(QuotaError::Insufficient { available: 30, requested: 40 }));
/// held.commit_to(&"bob")?;
/// assert_eq!(margin.quota(&"alice")?.balance, 30);
///
/// margin.transfer(&"bob", &"alice", 120)?;
/// assert_eq!(margin.quota(&"bob")?.available, 0);
/// assert_eq!(margin.totals()?.balance, 100);
/// # Ok::<(), QuotaError>(())
/// ```
#[derive(Debug)]
pub struct QuotaMap<K, C = SystemClock, S = FastState> {
    shared: Arc<Shared<K, C, S>>,
}

type Locked<'a, K> = MutexGuard<'a, Ledger<K>>;

/// What reservations need as well.
#[derive(Debug)]
struct Shared<K, C, S> {
    /// A power of two of them. Who locks several does so in their order.
    shards: Box<[CachePadded<Mutex<Ledger<K>>>]>,
    clock: C,
    hasher: S,
}

/// What a key has.
///
/// ```
/// use raceguard_maps::QuotaMap;
/// use raceguard_maps::counters::{Quota, QuotaError};
///
/// let margin: QuotaMap<&str> = QuotaMap::new();
/// margin.open("alice", -20, 100)?;
/// let held = margin.reserve(&"alice", 30)?;
/// assert_eq!(margin.quota(&"alice")?, Quota { balance: 100, floor: -20, reserved: 30, available: 90 });
/// held.cancel();
/// # Ok::<(), QuotaError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What the key owns, with what is reserved of it.
    pub balance: i64,
    /// What `balance - reserved` never falls below.
    pub floor: i64,
    /// What reservations keep.
    pub reserved: u64,
    /// What can be spent or reserved now.
    pub available: u64,
}

/// All accounts together, at one instant.
///
/// ```
/// use raceguard_maps::QuotaMap;
/// use raceguard_maps::counters::QuotaError;
///
/// let margin: QuotaMap<&str> = QuotaMap::new();
/// margin.open("alice", 0, 100)?;
/// margin.open("bob", 0, 50)?;
/// margin.transfer(&"alice", &"bob", 70)?;
/// let totals = margin.totals()?;
/// assert_eq!((totals.accounts, totals.balance, totals.reservations), (2, 150, 0));
/// # Ok::<(), QuotaError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many keys there are.
    pub accounts: usize,
    /// The sum of all balances.
    pub balance: i128,
    /// What all reservations keep.
    pub reserved: u128,
    /// How many reservations there are.
    pub reservations: usize,
}

/// Why a quota was not changed.
///
/// ```
/// use raceguard_maps::QuotaMap;
/// use raceguard_maps::counters::QuotaError;
///
/// let margin: QuotaMap<&str> = QuotaMap::new();
/// assert_eq!(margin.credit(&"alice", 5), Err(QuotaError::NoAccount));
/// margin.open("alice", 0, 100)?;
/// let refused = margin.try_debit(&"alice", 101).unwrap_err();
/// assert_eq!(refused.to_string(), "101 asked for, 100 available");
/// # Ok::<(), QuotaError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// The map is closed.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The key has no account.
    #[error("the key has no account: open() one first")]
    NoAccount,
    /// The key has an account already.
    #[error("the key has an account already")]
    Exists,
    /// There is less than was asked for.
    #[error("{requested} asked for, {available} available")]
    Insufficient {
        /// What could have been taken.
        available: u64,
        /// What was asked for.
        requested: u64,
    },
    /// The balance would be below the floor.
    #[error("a balance of {balance} with {reserved} reserved is below the floor of {floor}")]
    BelowFloor {
        /// The balance.
        balance: i64,
        /// The part of it that is reserved.
        reserved: u64,
        /// The floor that was asked for.
        floor: i64,
    },
    /// The balance would not fit into an `i64`.
    #[error("{balance} and {amount} together are more than a balance can be")]
    Overflow {
        /// The balance.
        balance: i64,
        /// What was to be added.
        amount: u64,
    },
    /// The reservation's time was up, and its amount went back.
    #[error("the reservation's time was up")]
    Expired,
    /// The account cannot go while something of it is reserved.
    #[error("{reserved} are reserved: commit or cancel the reservations first")]
    Reserved {
        /// How much.
        reserved: u64,
    },
}

impl<K> QuotaMap<K> {
    /// A map without accounts.
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }
}

impl<K> Default for QuotaMap<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, C> QuotaMap<K, C> {
    /// A map without accounts whose reservations go by `clock`. The clock is asked under a lock of the map.
    pub fn with_clock(clock: C) -> Self {
        Self::with_clock_and_hasher(clock, FastState::default())
    }
}

impl<K, C, S> QuotaMap<K, C, S> {
    /// A map without accounts.
    pub fn with_clock_and_hasher(clock: C, hasher: S) -> Self {
        let threads = available_parallelism().map_or(1, std::num::NonZero::get).next_power_of_two();
        Self::with_parts((threads * 8).clamp(32, 1024), clock, hasher)
    }

    pub(super) fn with_parts(shards: usize, clock: C, hasher: S) -> Self {
        let shards = (0..shards).map(|_| CachePadded::default()).collect();
        Self { shared: Arc::new(Shared { shards, clock, hasher }) }
    }
}

impl<K, C, S> Shared<K, C, S> {
    fn shard_of(&self, hash: u64) -> usize {
        (hash >> SHARD_SHIFT) as usize & (self.shards.len() - 1)
    }

    /// All shards, locked in their order.
    fn all(&self) -> Vec<Locked<'_, K>> {
        self.shards.iter().map(|shard| shard.lock()).collect()
    }
}

impl<K, C: Clock, S> Shared<K, C, S> {
    /// The ledger of a shard, without reservations whose time is up.
    fn open(&self, shard: usize) -> Result<Locked<'_, K>, QuotaError> {
        let mut ledger = self.shards[shard].lock();
        ledger.refresh(&self.clock)?;
        Ok(ledger)
    }

    /// The ledgers of two different shards, in the order asked for, locked in the order of the shards.
    fn open_two(&self, one: usize, other: usize) -> Result<(Locked<'_, K>, Locked<'_, K>), QuotaError> {
        debug_assert_ne!(one, other, "a shard cannot be locked twice");
        if one < other {
            let first = self.open(one)?;
            Ok((first, self.open(other)?))
        } else {
            let first = self.open(other)?;
            Ok((self.open(one)?, first))
        }
    }

    fn all_open(&self) -> Result<Vec<Locked<'_, K>>, QuotaError> {
        let mut ledgers = self.all();
        for ledger in &mut ledgers {
            ledger.refresh(&self.clock)?;
        }
        Ok(ledgers)
    }
}

impl<K: Hash + Eq + Clone, C: Clock, S: BuildHasher> QuotaMap<K, C, S> {
    /// Opens an account.
    pub fn open(&self, key: K, floor: i64, balance: i64) -> Result<(), QuotaError> {
        let hash = self.shared.hasher.hash_one(&key);
        self.shared.open(self.shared.shard_of(hash))?.add(hash, key, floor, balance, &self.shared.hasher)
    }

    /// What `key` has.
    pub fn quota<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Quota, QuotaError> {
        let (ledger, slot) = self.find(key)?;
        Ok(ledger.quota(slot))
    }

    /// Adds to a balance and returns it.
    pub fn credit<Q: Lookup<K> + ?Sized>(&self, key: &Q, amount: u64) -> Result<i64, QuotaError> {
        let (mut ledger, slot) = self.find(key)?;
        let balance = ledger.credited(slot, amount)?;
        ledger.set_balance(slot, balance);
        Ok(balance)
    }

    /// Takes from a balance, if that much is available, and returns what is left of it.
    pub fn try_debit<Q: Lookup<K> + ?Sized>(&self, key: &Q, amount: u64) -> Result<i64, QuotaError> {
        let (mut ledger, slot) = self.find(key)?;
        let balance = ledger.debited(slot, amount)?;
        ledger.set_balance(slot, balance);
        Ok(balance)
    }

    /// Moves an amount from one account to the other, if it is available, as one step. Between a key and itself, that
    /// only checks whether it is available.
    pub fn transfer<P, Q>(&self, from: &P, to: &Q, amount: u64) -> Result<(), QuotaError>
    where
        P: Lookup<K> + ?Sized,
        Q: Lookup<K> + ?Sized,
    {
        let (from_hash, to_hash) = (self.shared.hasher.hash_one(from), self.shared.hasher.hash_one(to));
        let (from_shard, to_shard) = (self.shared.shard_of(from_hash), self.shared.shard_of(to_hash));
        if from_shard == to_shard {
            let mut ledger = self.shared.open(from_shard)?;
            let (from_slot, to_slot) = (ledger.find(from_hash, from)?, ledger.find(to_hash, to)?);
            let paid = ledger.debited(from_slot, amount)?;
            if from_slot != to_slot {
                let received = ledger.credited(to_slot, amount)?;
                ledger.set_balance(from_slot, paid);
                ledger.set_balance(to_slot, received);
            }
            return Ok(());
        }
        let (mut source, mut target) = self.shared.open_two(from_shard, to_shard)?;
        let (from_slot, to_slot) = (source.find(from_hash, from)?, target.find(to_hash, to)?);
        let paid = source.debited(from_slot, amount)?;
        let received = target.credited(to_slot, amount)?;
        source.set_balance(from_slot, paid);
        target.set_balance(to_slot, received);
        Ok(())
    }

    /// Keeps an amount for the caller, if it is available, until the reservation is committed, cancelled or dropped.
    pub fn reserve<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        amount: u64,
    ) -> Result<Reservation<K, C, S>, QuotaError> {
        self.hold(key, amount, None)
    }

    /// As [`reserve`](Self::reserve), for so long at most: at that time the amount goes back, whatever became of the
    /// reservation's holder.
    pub fn reserve_for<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        amount: u64,
        time_to_live: Duration,
    ) -> Result<Reservation<K, C, S>, QuotaError> {
        self.hold(key, amount, Some(time_to_live))
    }

    /// Changes the floor, if what is not reserved is not below the new one.
    pub fn set_floor<Q: Lookup<K> + ?Sized>(&self, key: &Q, floor: i64) -> Result<(), QuotaError> {
        let (mut ledger, slot) = self.find(key)?;
        ledger.set_floor(slot, floor)
    }

    /// Ends an account of which nothing is reserved, and returns its balance.
    pub fn remove<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<i64, QuotaError> {
        let hash = self.shared.hasher.hash_one(key);
        let mut ledger = self.shared.open(self.shared.shard_of(hash))?;
        let removed = ledger.remove(hash, key, &self.shared.hasher);
        drop(ledger);
        removed.map(|(_, balance)| balance)
    }

    /// All accounts together, at one instant: every other operation waits meanwhile.
    pub fn totals(&self) -> Result<Totals, QuotaError> {
        let ledgers = self.shared.all_open()?;
        let mut totals = Totals::default();
        for ledger in &ledgers {
            ledger.add_to(&mut totals);
        }
        Ok(totals)
    }

    /// How many accounts there are.
    pub fn len(&self) -> Result<usize, QuotaError> {
        Ok(self.totals()?.accounts)
    }

    /// Whether there are no accounts.
    pub fn is_empty(&self) -> Result<bool, QuotaError> {
        Ok(self.len()? == 0)
    }

    /// Ends the map's life. The report counts the accounts, and as live handles the reservations that were open; what
    /// they kept stays in the balances, and committing them is refused. Calling it again gives the same report with
    /// `already_closed` set.
    pub fn close(&self) -> Result<CloseReport, MapError> {
        self.close_and_drain().map(|(report, _)| report)
    }

    /// As [`close`](Self::close), and returns the balances, as they were at one instant.
    pub fn close_and_drain(&self) -> Result<(CloseReport, Vec<(K, i64)>), MapError> {
        let mut ledgers = self.shared.all();
        if let Some(report) = &ledgers[0].closed {
            return Ok((CloseReport { already_closed: true, ..report.clone() }, Vec::new()));
        }
        let mut totals = Totals::default();
        for ledger in &mut ledgers {
            ledger.expire(&self.shared.clock);
            ledger.add_to(&mut totals);
        }
        let report = CloseReport {
            entries: totals.accounts,
            live_handles: totals.reservations,
            ..CloseReport::default()
        };
        let mut balances = Vec::with_capacity(totals.accounts);
        for ledger in &mut ledgers {
            ledger.close(report.clone(), &mut balances);
        }
        Ok((report, balances))
    }

    fn find<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<(Locked<'_, K>, usize), QuotaError> {
        let hash = self.shared.hasher.hash_one(key);
        let ledger = self.shared.open(self.shared.shard_of(hash))?;
        let slot = ledger.find(hash, key)?;
        Ok((ledger, slot))
    }

    fn hold<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        amount: u64,
        time_to_live: Option<Duration>,
    ) -> Result<Reservation<K, C, S>, QuotaError> {
        let hash = self.shared.hasher.hash_one(key);
        let shard = self.shared.shard_of(hash);
        let mut ledger = self.shared.open(shard)?;
        let slot = ledger.find(hash, key)?;
        // A time too far away to be expressed never comes.
        let deadline = time_to_live.and_then(|time| self.shared.clock.now().checked_add(time));
        let hold = ledger.hold(slot, amount, deadline)?;
        Ok(Reservation::new(Arc::clone(&self.shared), shard, hold, amount))
    }
}
