//! [`Recent`]: a bounded number of keys in the order in which they were last added to.
//!
//! A table finds a key's slot; the slots form a list from the key that was added to last to the one that waits longest.
//! Sequential; the shard's lock is around it.

use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use slab::Slab;

use crate::counters::window::series::{Scale, Series};
use crate::map::Lookup;
use crate::table::Table;

/// No slot.
const NONE: usize = usize::MAX;

#[derive(Debug)]
pub(super) struct Recent<K> {
    index: Table<K, usize>,
    slots: Slab<Slot>,
    newest: usize,
    oldest: usize,
    places: usize,
    idle_after: Duration,
}

#[derive(Debug)]
struct Slot {
    hash: u64,
    series: Series,
    newer: usize,
    older: usize,
}

impl<K> Recent<K> {
    pub(super) fn new(places: usize, idle_after: Duration) -> Self {
        Self {
            index: Table::default(),
            slots: Slab::new(),
            newest: NONE,
            oldest: NONE,
            places: places.max(1),
            idle_after,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Everything, leaving it empty.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.places, self.idle_after))
    }

    /// A slot's series, unless the key is idle.
    pub(super) fn live(&self, slot: usize, now: Duration) -> Option<&Series> {
        let series = &self.slots[slot].series;
        (now.saturating_sub(series.last()) < self.idle_after).then_some(series)
    }

    pub(super) fn for_each_live(&self, now: Duration, mut visit: impl FnMut(&K, &Series)) {
        self.index.for_each(|key, slot| {
            if let Some(series) = self.live(*slot, now) {
                visit(key, series);
            }
        });
    }

    /// Makes a slot the newest, and forgets what it had if it was idle.
    pub(super) fn touch(&mut self, slot: usize, scale: Scale, now: Duration) -> &mut Series {
        if self.newest != slot {
            self.unlink(slot);
            self.link(slot);
        }
        if self.live(slot, now).is_none() {
            self.slots[slot].series = Series::new(scale, now);
        }
        &mut self.slots[slot].series
    }

    fn link(&mut self, slot: usize) {
        let newest = self.newest;
        (self.slots[slot].newer, self.slots[slot].older) = (NONE, newest);
        match self.slots.get_mut(newest) {
            Some(newest) => newest.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
    }

    fn unlink(&mut self, slot: usize) {
        let Slot { newer, older, .. } = self.slots[slot];
        match self.slots.get_mut(newer) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }
}

impl<K: Hash + Eq + Clone> Recent<K> {
    pub(super) fn find<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<usize> {
        self.index.get(hash, key).copied()
    }

    /// Adds a key that is not there, as the newest. Code of the key runs before anything changes.
    pub(super) fn insert(&mut self, hash: u64, key: K, series: Series, hasher: &impl BuildHasher) -> usize {
        self.index.make_way(hash, hasher);
        let slot = self.slots.insert(Slot { hash, series, newer: NONE, older: NONE });
        self.index.add(hash, key, slot, hasher);
        self.link(slot);
        slot
    }

    /// Removes a slot's key, and returns it for the caller to drop.
    pub(super) fn evict(&mut self, slot: usize, hasher: &impl BuildHasher) -> Option<K> {
        let removed = self.index.remove_value(self.slots[slot].hash, |found| *found == slot, hasher);
        self.unlink(slot);
        self.slots.remove(slot);
        removed.map(|(key, _)| key)
    }

    /// Removes idle keys, those that wait longest first, so many at most.
    pub(super) fn evict_idle(&mut self, now: Duration, most: usize, hasher: &impl BuildHasher) -> Vec<K> {
        let mut evicted = Vec::new();
        while evicted.len() < most && self.oldest != NONE && self.live(self.oldest, now).is_none() {
            evicted.extend(self.evict(self.oldest, hasher));
        }
        evicted
    }

    /// Removes the key that waits longest if there is no place for another.
    pub(super) fn evict_for_one_more(&mut self, hasher: &impl BuildHasher) -> Option<K> {
        if self.len() < self.places { None } else { self.evict(self.oldest, hasher) }
    }
}
