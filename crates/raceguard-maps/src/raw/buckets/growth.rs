//! Growing, shrinking and closing: how entries get to another table while everybody goes on.
//!
//! A table that is too full or too empty gets a next one, and its root is marked as moving. From then on each write
//! that sees the mark first moves a few buckets, a *unit*: under their locks, entries go to the next table, and the
//! buckets are marked as moved, which sends operations on them to the next table. Who finishes the last unit makes the
//! next table the root. So no operation pays for more than one unit, and none waits for more than one bucket.
//!
//! Buckets are numbered by the high bits of the hash. So bucket `i` of a table moves to buckets `2i` and `2i + 1` of one
//! twice the size, and a run of buckets to the one bucket of a smaller table that has their common bits: entries of no
//! other bucket can be in the way.
//!
//! # Locks
//!
//! Only who moves entries holds two locks: the one of the bucket that comes first in this order: of a shrinking move
//! the target, then each source; of a growing one the source, then the targets. Everybody else holds one at a time, and
//! two tables are only ever part of one move, so no cycle of waiting can arise.
//!
//! # Panics
//!
//! To grow, `Hash` of the user runs for every entry, before anything of its bucket has moved. If it panics, the panic goes
//! on to the caller of the write that was helping, which has then done nothing else, and entries stay where they are
//! found. The unit is tried again by later writes; should it panic again, they go on with their own work.

use std::hash::{BuildHasher, Hash};
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::lifecycle::CloseReport;
use crate::raw::reclaim;
use crate::raw::sync::atomic::Ordering;
use crate::raw::table_memory::GiveBack;

use super::chain::{Chain, State};
use super::core::Buckets;
use super::shape::{Entry, Shape};
use super::table::{Details, FEWEST_BITS, Root};

/// Buckets of the larger table that belong to one unit.
const UNIT: usize = if cfg!(any(raceguard_shuttle, raceguard_loom)) {
    2
} else if cfg!(raceguard_stress) {
    8
} else {
    32
};
/// A table shrinks when it holds less than this part of what would make it grow.
const SHRINK_BELOW: usize = if cfg!(any(raceguard_stress, raceguard_shuttle)) { 4 } else { 8 };
/// By how many bits the number of buckets goes down at most at once.
const SHRINK_BITS: u32 = 4;

/// A table that nobody can find any more. Dropping it hands its memory over, to go back to the system.
#[derive(Debug)]
pub(super) struct Retired<K, V>(Root<K, V>, Arc<GiveBack>);

// SAFETY: entries were moved out of a retired table: what is left is memory.
unsafe impl<K, V> Send for Retired<K, V> {}

impl<K, V> Drop for Retired<K, V> {
    fn drop(&mut self) {
        // SAFETY: dropped after its grace period, or with the map.
        unsafe { self.0.free(&self.1) };
    }
}

/// How a table and its next one divide the work: the smaller one's buckets are groups, of which some make a unit.
struct Plan {
    grows: bool,
    groups: usize,
    groups_per_unit: usize,
}

impl Plan {
    fn new<K, V>(from: Root<K, V>, to: Root<K, V>) -> Self {
        let ratio_bits = from.bits().abs_diff(to.bits());
        let groups = from.buckets().min(to.buckets());
        let groups_per_unit = (UNIT >> ratio_bits).clamp(1, groups);
        Self { grows: to.bits() > from.bits(), groups, groups_per_unit }
    }

    fn units(&self) -> usize {
        self.groups / self.groups_per_unit
    }
}

impl<K, V, S, A> Buckets<K, V, S, A> {
    /// Begins to move to a table of `2^bits` buckets, unless somebody else has begun a move.
    fn begin_move(&self, from: Root<K, V>, bits: u32) {
        let resize = self.resize.lock();
        if resize.closed.is_some() || self.root() != from || from.is_moving() {
            return;
        }
        let next = Root::<K, V>::create(bits);
        // SAFETY: `from` is the root, which only `finish` and `close` replace, after a move that has not begun or under
        // the lock that we hold.
        // ORDERING: Release pairs with the Acquire in `Root::next`.
        unsafe { from.details() }.next.store(next.word(), Ordering::Release);
        let replaced = self.replace_root(from, from.moving(true));
        debug_assert!(replaced, "the root changed under the resize lock");
    }

    pub(super) fn grow_if_full(&self) {
        let _guard = reclaim::pin();
        let root = self.root();
        if !root.is_moving() && self.count() > Shape::<K, V>::load(root.bits()) {
            self.begin_move(root, root.bits() + 1);
        }
    }

    pub(super) fn shrink_if_empty(&self) {
        let _guard = reclaim::pin();
        let root = self.root();
        let len = self.count();
        if root.is_moving() || len > Shape::<K, V>::load(root.bits()) / SHRINK_BELOW {
            return;
        }
        let enough = Self::bits_for(2 * len).max(self.fewest_bits);
        let bits = enough.max(root.bits().saturating_sub(SHRINK_BITS));
        if bits < root.bits() {
            self.begin_move(root, bits);
        }
    }

    /// The tables that operations can reach, the root first.
    fn tables(&self) -> impl Iterator<Item = Root<K, V>> {
        let root = self.root();
        // SAFETY: the caller is pinned or alone; the mark on the root says that there is a next table.
        let next = root.is_moving().then(|| unsafe { root.next() });
        std::iter::once(root).chain(next)
    }

    /// Closes the map: whoever comes to a bucket after this has, gets `Closed`. Entries are dropped at the end, when
    /// everything else is done, as that may panic.
    pub(crate) fn close(&self) -> CloseReport {
        let mut resize = self.resize.lock();
        if let Some(entries) = resize.closed {
            return CloseReport { entries, already_closed: true, ..CloseReport::default() };
        }
        self.lifecycle.close();
        let mut entries = Vec::new();
        {
            let guard = reclaim::pin();
            // No other move begins while we hold the lock. What is on the move is found in one of the two tables.
            for table in self.tables() {
                for number in 0..table.buckets() {
                    // SAFETY: the table lives while we are pinned.
                    let mut chain = unsafe { Chain::lock(table, number) };
                    if chain.state() == State::Open {
                        chain.drain(|_, entry| entries.push(entry));
                        chain.set_closed();
                    }
                }
            }
            resize.closed = Some(entries.len());
            self.subtract(&guard, entries.len());
            let old = self.swap_root(Self::closed_table());
            self.retire(old, &guard);
            if old.is_moving() {
                // SAFETY: as in `tables`.
                self.retire(unsafe { old.next() }, &guard);
            }
        }
        drop(resize);
        self.retired.collect();
        self.give_back.finish();
        CloseReport { entries: entries.len(), ..CloseReport::default() }
    }

    fn closed_table() -> Root<K, V> {
        let table = Root::create(FEWEST_BITS);
        for number in 0..table.buckets() {
            // SAFETY: a new table.
            unsafe { Chain::lock(table, number) }.set_closed();
        }
        table
    }

    /// Hands a table over whose entries have gone and that cannot be reached any more by who pins itself from now on.
    fn retire(&self, table: Root<K, V>, guard: &reclaim::Guard) {
        let bytes = table.buckets() * Shape::<K, V>::STRIDE;
        let item =
            NonNull::from(Box::leak(Box::new(Retired(table.moving(false), Arc::clone(&self.give_back)))));
        // SAFETY: allocated by `Box`, once for each table that has left the root.
        unsafe { self.retired.local(guard).retire_sized(item, bytes) };
    }
}

impl<K: Hash + Eq, V, S: BuildHasher, A> Buckets<K, V, S, A> {
    /// Moves one unit, if there is one left to move.
    #[cold]
    pub(super) fn help(&self) {
        let finished = {
            let guard = reclaim::pin();
            let from = self.root();
            from.is_moving() && self.move_unit(from, &guard)
        };
        if finished {
            self.retired.collect();
        }
    }

    /// Moves everything that is left to move, and as long as the table is much too large, to smaller ones.
    pub(super) fn shrink_to_fit(&self) {
        self.move_all();
        self.give_back.finish();
    }

    fn move_all(&self) {
        loop {
            self.shrink_if_empty();
            let before = self.root();
            if !before.is_moving() {
                return;
            }
            while self.root() == before && self.has_units(before) {
                self.help();
            }
            if self.root() == before {
                // Others are at the last units.
                return;
            }
        }
    }

    fn has_units(&self, root: Root<K, V>) -> bool {
        let _guard = reclaim::pin();
        if self.root() != root {
            return false;
        }
        // SAFETY: still the root while we are pinned, and marked as moving.
        let (details, next) = unsafe { (root.details(), root.next()) };
        details.taken.load(Ordering::Relaxed) < Plan::new(root, next).units()
    }

    /// Whether this was the last unit.
    fn move_unit(&self, from: Root<K, V>, guard: &reclaim::Guard) -> bool {
        // SAFETY: `from` was the root while we were pinned, and marked as moving.
        let (details, to) = unsafe { (from.details(), from.next()) };
        let plan = Plan::new(from, to);
        let Some((unit, again)) = take_unit(details, &plan) else { return false };
        let groups = unit * plan.groups_per_unit..(unit + 1) * plan.groups_per_unit;
        let mut hashes = Vec::new();
        let moved = panic::catch_unwind(AssertUnwindSafe(|| {
            for group in groups {
                if plan.grows {
                    self.split(from, to, group, &mut hashes);
                } else {
                    merge(from, to, group);
                }
            }
        }));
        if let Err(payload) = moved {
            details.again.lock().push(unit);
            if !again {
                panic::resume_unwind(payload);
            }
            return false;
        }
        // ORDERING: AcqRel: who counts the last unit has all the others behind it before the table is retired.
        if details.done.fetch_add(1, Ordering::AcqRel) + 1 < plan.units() {
            return false;
        }
        // It fails if the map was closed meanwhile; then `close` has retired both tables.
        let finished = self.replace_root(from, to);
        if finished {
            self.retire(from, guard);
        }
        finished
    }

    /// Moves the entries of one bucket to the two that it becomes in a table of twice the size.
    fn split(&self, from: Root<K, V>, to: Root<K, V>, number: usize, hashes: &mut Vec<u64>) {
        // SAFETY: both tables live while the caller is pinned.
        let mut source = unsafe { Chain::lock(from, number) };
        if source.state() != State::Open {
            return;
        }
        hashes.clear();
        source.for_each(|key, _| hashes.push(self.hash(key)));
        // SAFETY: as above.
        let mut targets = unsafe { [Chain::lock(to, 2 * number), Chain::lock(to, 2 * number + 1)] };
        let mut hashes = hashes.iter();
        source.drain(|tag, entry| {
            // One bit alone: with a `Hash` that changes its mind, the entry would go to a bucket that is not ours.
            let hash = hashes.next().copied().unwrap_or_default();
            targets[to.number(hash) & 1].insert_tagged(tag, entry);
        });
        source.set_moved();
        // First, so that who is sent to a target need not wait for it.
        drop(targets);
    }
}

/// Moves the entries of several buckets to the one that they become in a smaller table. Needs no hashes: the tags
/// stay the same.
fn merge<K, V>(from: Root<K, V>, to: Root<K, V>, number: usize) {
    // SAFETY: both tables live while the caller is pinned. The target is locked throughout: when the first source is
    // marked as moved, others come to it.
    let mut target = unsafe { Chain::lock(to, number) };
    let ratio_bits = from.bits() - to.bits();
    for number in number << ratio_bits..(number + 1) << ratio_bits {
        // SAFETY: as above.
        let mut source = unsafe { Chain::lock(from, number) };
        if source.state() == State::Open {
            source.drain(|tag, entry| target.insert_tagged(tag, entry));
            source.set_moved();
        }
    }
}

/// The next unit to move, and whether it was tried before.
fn take_unit(details: &Details, plan: &Plan) -> Option<(usize, bool)> {
    // ORDERING: Relaxed: which unit it is carries no data; buckets have their own locks. Read first: late helpers
    // should not let the count run up.
    if details.taken.load(Ordering::Relaxed) < plan.units() {
        let unit = details.taken.fetch_add(1, Ordering::Relaxed);
        if unit < plan.units() {
            return Some((unit, false));
        }
    }
    Some((details.again.lock().pop()?, true))
}

impl<K, V, S, A> Drop for Buckets<K, V, S, A> {
    fn drop(&mut self) {
        let mut entries: Vec<Entry<K, V>> = Vec::new();
        for table in self.tables() {
            if std::mem::needs_drop::<Entry<K, V>>() {
                for number in 0..table.buckets() {
                    // SAFETY: nobody else uses the map.
                    unsafe { Chain::lock(table, number) }.drain(|_, entry| entries.push(entry));
                }
            }
        }
        for table in self.tables().collect::<Vec<_>>() {
            // SAFETY: as above, and the entries have been taken out.
            unsafe { table.free(&self.give_back) };
        }
    }
}
