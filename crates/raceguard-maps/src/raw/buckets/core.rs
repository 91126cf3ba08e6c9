//! The map itself: [`Buckets`], and its operations on single entries.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use crossbeam_utils::CachePadded;

use crate::error::MapError;
use crate::lifecycle::Lifecycle;
use crate::map::{Change, Lookup};
use crate::raw::reclaim::{self, Limbo};
use crate::raw::sync::Mutex;
use crate::raw::sync::atomic::{AtomicPtr, Ordering};

use super::chain::{Chain, State};
use super::count::Count;
use super::growth::Retired;
use super::header::Head;
use super::shape::Shape;
use super::table::{FEWEST_BITS, Root};

/// A map in buckets. `A` says how entries are read: [`Locked`] or [`Copied`].
pub(crate) struct Buckets<K, V, S, A> {
    hot: CachePadded<Hot<S>>,
    len: Count,
    /// The map does not shrink below two to this power of buckets.
    pub(super) fewest_bits: u32,
    /// For those operations that come to no bucket.
    pub(super) lifecycle: Lifecycle,
    /// Held to begin moving to another table, and to close.
    pub(super) resize: Mutex<Resize>,
    pub(super) retired: Limbo<Retired<K, V>>,
    entries: PhantomData<(K, V, A)>,
}

/// Entries are read under the lock of their bucket, and values changed where they lie.
#[derive(Debug)]
pub(crate) enum Locked {}

/// Entries are read without a lock, by copying. So values are never changed where they lie.
#[derive(Debug)]
pub(crate) enum Copied {}

/// What every operation reads and almost none writes.
struct Hot<S> {
    root: AtomicPtr<Head>,
    hasher: S,
}

#[derive(Debug, Default)]
pub(super) struct Resize {
    /// Set by `close`, with the number of entries that there were.
    pub(super) closed: Option<usize>,
}

// SAFETY: the map owns its keys and values, which it reaches through pointers.
unsafe impl<K: Send, V: Send, S: Send, A> Send for Buckets<K, V, S, A> {}
// SAFETY: an entry is used by one thread at a time, the owner of its bucket's lock; with `Copied`, others get copies of
// `Copy` types, which is as if the entry had been sent to them.
unsafe impl<K: Send, V: Send, S: Sync, A> Sync for Buckets<K, V, S, A> {}

impl<K, V, S, A> fmt::Debug for Buckets<K, V, S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("len", &self.len.sum()).finish_non_exhaustive()
    }
}

impl<K, V, S, A> Buckets<K, V, S, A> {
    /// An empty map with room for `capacity` entries, below which it does not shrink.
    pub(crate) fn new(capacity: usize, hasher: S) -> Self {
        let fewest_bits = Self::bits_for(capacity);
        let root = AtomicPtr::new(Root::<K, V>::create(fewest_bits).word());
        Self {
            hot: CachePadded::new(Hot { root, hasher }),
            len: Count::default(),
            fewest_bits,
            lifecycle: Lifecycle::default(),
            resize: Mutex::new(Resize::default()),
            retired: Limbo::new(),
            entries: PhantomData,
        }
    }

    /// How many bits number the buckets of the smallest table for so many entries.
    pub(super) fn bits_for(capacity: usize) -> u32 {
        let buckets = capacity.div_ceil(Shape::<K, V>::LOAD).max(1);
        let bits = buckets.checked_next_power_of_two().map_or(usize::BITS, usize::trailing_zeros);
        bits.max(FEWEST_BITS)
    }

    /// The table where every search begins.
    #[inline]
    pub(super) fn root(&self) -> Root<K, V> {
        // ORDERING: Acquire pairs with the Release of `set_root` and `begin_move`: the table is set up.
        Root::from_word(self.hot.root.load(Ordering::Acquire))
    }

    /// Replaces the root if it is still `from`.
    pub(super) fn replace_root(&self, from: Root<K, V>, to: Root<K, V>) -> bool {
        // ORDERING: Release pairs with the Acquire in `root`.
        self.hot.root.compare_exchange(from.word(), to.word(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Replaces the root, whatever it is.
    pub(super) fn swap_root(&self, to: Root<K, V>) -> Root<K, V> {
        // ORDERING: as in `replace_root`; Acquire, since the old root is used.
        Root::from_word(self.hot.root.swap(to.word(), Ordering::AcqRel))
    }

    /// How many entries there are; what is under way may be counted or not.
    pub(crate) fn len(&self) -> Result<usize, MapError> {
        self.lifecycle.check()?;
        Ok(self.count())
    }

    pub(super) fn count(&self) -> usize {
        self.len.sum()
    }

    /// How many bits number the buckets.
    #[cfg(test)]
    pub(crate) fn bits(&self) -> u32 {
        self.root().bits()
    }

    /// Counts entries that were taken out in bulk.
    pub(super) fn subtract(&self, guard: &reclaim::Guard, entries: usize) {
        self.len.add(guard.index(), -(entries.cast_signed()));
    }
}

impl<K: Hash + Eq, V, S: BuildHasher, A> Buckets<K, V, S, A> {
    #[inline]
    pub(super) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hot.hasher.hash_one(key)
    }

    /// Locks the chain for `hash` and lets `work` at it, which returns by how much it changed the number of entries.
    #[inline]
    fn with_chain<R>(
        &self,
        hash: u64,
        work: impl FnOnce(&mut Chain<'_, K, V>) -> (R, isize),
    ) -> Result<R, MapError> {
        let mut guard = reclaim::pin();
        let mut table = self.root();
        if table.is_moving() {
            drop(guard);
            self.help();
            guard = reclaim::pin();
            table = self.root();
        }
        let mut chain = loop {
            // SAFETY: the table was reachable while we were pinned; a hash shifted by its root is a bucket's number.
            let chain = unsafe { Chain::lock(table, table.number(hash)) };
            match chain.state() {
                State::Open => break chain,
                State::Closed => return Err(MapError::Closed),
                State::Moved => {
                    drop(chain);
                    // SAFETY: the header said that there is a next table, and we are pinned.
                    table = unsafe { table.next() };
                }
            }
        };
        let (result, change) = work(&mut chain);
        let overflowed = chain.overflowed();
        drop(chain);
        if change != 0 {
            self.changed(guard, change, overflowed);
        }
        Ok(result)
    }

    /// Counts, and begins to grow or shrink where it is time. How full the table is, is looked at where a chain has
    /// become longer, and at every 64th removal.
    fn changed(&self, guard: reclaim::Guard, change: isize, overflowed: bool) {
        let stripe = self.len.add(guard.index(), change);
        drop(guard);
        if overflowed {
            self.grow_if_full();
        } else if change < 0 && stripe % 64 == 0 {
            self.shrink_if_empty();
        }
    }

    /// Sets the value of `key` and returns the one it replaced.
    #[inline]
    pub(crate) fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hash(&key);
        let replaced = self.with_chain(hash, |chain| match chain.find(hash, |found| *found == key) {
            // The key goes out with the old value: user code that drops them runs without the lock.
            Some(place) => (Some((chain.replace(&place, value), key)), 0),
            None => {
                chain.insert(hash, key, value);
                (None, 1)
            }
        })?;
        Ok(replaced.map(|(old, _)| old))
    }

    /// Sets the value of `key` if there is none; returns a clone of the one that stays.
    #[inline]
    pub(crate) fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError>
    where
        V: Clone,
    {
        let hash = self.hash(&key);
        let found = self.with_chain(hash, |chain| match chain.find(hash, |found| *found == key) {
            Some(place) => (Some((chain.entry(&place).1.clone(), key, value)), 0),
            None => {
                chain.insert(hash, key, value);
                (None, 1)
            }
        })?;
        Ok(found.map(|(old, ..)| old))
    }

    /// Shows `decide` the value of `key`, or its absence, and does what it returns.
    #[inline]
    pub(crate) fn compute<R>(
        &self,
        key: K,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> Result<R, MapError> {
        let hash = self.hash(&key);
        let (result, ..) = self.with_chain(hash, |chain| {
            if let Some(place) = chain.find(hash, |found| *found == key) {
                let (change, result) = decide(Some(chain.entry(&place).1));
                match change {
                    Change::Keep => ((result, Some(key), None, None), 0),
                    Change::Put(value) => ((result, Some(key), Some(chain.replace(&place, value)), None), 0),
                    Change::Remove => ((result, Some(key), None, Some(chain.remove(&place))), -1),
                }
            } else {
                let (change, result) = decide(None);
                match change {
                    Change::Put(value) => {
                        chain.insert(hash, key, value);
                        ((result, None, None, None), 1)
                    }
                    Change::Keep | Change::Remove => ((result, Some(key), None, None), 0),
                }
            }
        })?;
        Ok(result)
    }

    /// Removes `key` if `condition` holds for its value.
    #[inline]
    pub(crate) fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let hash = self.hash(key);
        let removed = self.with_chain(hash, |chain| match chain.find(hash, |found| key.matches(found)) {
            Some(place) if condition(chain.entry(&place).1) => (Some(chain.remove(&place)), -1),
            _ => (None, 0),
        })?;
        Ok(removed.map(|entry| entry.value))
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> Buckets<K, V, S, Locked> {
    /// Calls `read` with the value of `key`, under the lock of its bucket.
    #[inline]
    pub(crate) fn read<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hash(key);
        self.with_chain(hash, |chain| {
            let place = chain.find(hash, |found| key.matches(found));
            (place.map(|place| read(chain.entry(&place).1)), 0)
        })
    }

    /// Changes the value of `key` where it lies, under the lock of its bucket.
    #[inline]
    pub(crate) fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hash(key);
        self.with_chain(hash, |chain| {
            let place = chain.find(hash, |found| key.matches(found));
            // SAFETY: in a `Locked` map entries are read under the lock alone.
            (place.map(|place| change(unsafe { chain.value_mut(&place) })), 0)
        })
    }
}

impl<K: Hash + Eq, V: Copy, S: BuildHasher> Buckets<K, V, S, Copied> {
    /// Changes a copy of the value of `key`, under the lock of its bucket, and puts it back.
    #[inline]
    pub(crate) fn update_copy<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hash(key);
        self.with_chain(hash, |chain| {
            let place = chain.find(hash, |found| key.matches(found));
            let result = place.map(|place| {
                let mut value = *chain.entry(&place).1;
                let result = change(&mut value);
                chain.replace(&place, value);
                result
            });
            (result, 0)
        })
    }
}
