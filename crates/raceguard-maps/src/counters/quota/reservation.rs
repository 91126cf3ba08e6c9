//! [`Reservation`]: an amount that is kept for its holder.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use crate::counters::clock::{Clock, SystemClock};
use crate::counters::quota::ledger::HoldId;
use crate::counters::quota::{QuotaError, Shared};
use crate::hash::FastState;
use crate::map::Lookup;

/// An amount of one account that nobody else can spend. Dropping it cancels it, also in a panic.
///
/// It keeps the map's accounts in memory, but not the map open.
///
/// ```
/// use raceguard_maps::QuotaMap;
/// use raceguard_maps::counters::QuotaError;
///
/// let margin: QuotaMap<&str> = QuotaMap::new();
/// margin.open("alice", 0, 100)?;
/// let held = margin.reserve(&"alice", 60)?;
/// assert_eq!(held.amount(), 60);
/// assert_eq!(held.commit()?, 40);
/// drop(margin.reserve(&"alice", 40)?); // cancels
/// assert_eq!(margin.quota(&"alice")?.available, 40);
/// # Ok::<(), QuotaError>(())
/// ```
#[derive(Debug)]
#[must_use = "a reservation that is dropped is cancelled"]
pub struct Reservation<K, C = SystemClock, S = FastState> {
    shared: Arc<Shared<K, C, S>>,
    shard: usize,
    hold: HoldId,
    amount: u64,
}

impl<K, C, S> Reservation<K, C, S> {
    pub(super) fn new(shared: Arc<Shared<K, C, S>>, number: usize, hold: HoldId, amount: u64) -> Self {
        Self { shared, shard: number, hold, amount }
    }

    /// What is kept.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// Gives the amount back. As dropping it, with a name.
    pub fn cancel(self) {
        drop(self);
    }
}

impl<K, C: Clock, S> Reservation<K, C, S> {
    /// Spends the amount and returns the balance. Refused when the reservation's time was up or the map is closed.
    pub fn commit(self) -> Result<i64, QuotaError> {
        // The drop after this finds the hold gone and does nothing.
        self.shared.open(self.shard)?.spend(self.hold)
    }
}

impl<K: Hash + Eq + Clone, C: Clock, S: BuildHasher> Reservation<K, C, S> {
    /// Moves the amount to the account of `to` as one step. When that is refused, the amount goes
    /// back to where it was reserved.
    pub fn commit_to<Q: Lookup<K> + ?Sized>(self, to: &Q) -> Result<(), QuotaError> {
        let hash = self.shared.hasher.hash_one(to);
        let to_shard = self.shared.shard_of(hash);
        if to_shard == self.shard {
            let mut ledger = self.shared.open(self.shard)?;
            let (from_slot, amount) = ledger.held(self.hold)?;
            let to_slot = ledger.find(hash, to)?;
            if from_slot == to_slot {
                ledger.release(self.hold);
                return Ok(());
            }
            let received = ledger.credited(to_slot, amount)?;
            ledger.spend(self.hold)?;
            ledger.set_balance(to_slot, received);
            return Ok(());
        }
        let (mut source, mut target) = self.shared.open_two(self.shard, to_shard)?;
        let (_, amount) = source.held(self.hold)?;
        let to_slot = target.find(hash, to)?;
        let received = target.credited(to_slot, amount)?;
        source.spend(self.hold)?;
        target.set_balance(to_slot, received);
        Ok(())
    }
}

impl<K, C, S> Drop for Reservation<K, C, S> {
    fn drop(&mut self) {
        let mut ledger = self.shared.shards[self.shard].lock();
        if ledger.closed.is_none() {
            ledger.release(self.hold);
        }
    }
}
