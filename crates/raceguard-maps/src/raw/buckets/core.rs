//! The map itself: [`Buckets`], and its operations on single entries.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::error::MapError;
use crate::lifecycle::Lifecycle;
use crate::map::{Change, Lookup};
use crate::raw::prefetch;
use crate::raw::reclaim::{self, Limbo};
use crate::raw::sync::Mutex;
use crate::raw::sync::atomic::{AtomicPtr, Ordering};
use crate::raw::table_memory::GiveBack;

use super::chain::{Chain, Place, State};
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
    /// Memory of tables that were retired.
    pub(super) give_back: Arc<GiveBack>,
    entries: PhantomData<(K, V, A)>,
}

/// Entries are read under the lock of their bucket, and values changed where they lie.
#[derive(Debug)]
pub(crate) enum Locked {}

/// Entries are read without a lock, by copying. So values are never changed where they lie.
#[derive(Debug)]
pub(crate) enum Copied {}

/// The map was closed. Smaller than the public error, so that results fit into registers.
#[derive(Debug)]
pub(super) struct Closed;

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
            give_back: Arc::default(),
            entries: PhantomData,
        }
    }

    /// How many bits number the buckets of the smallest table for so many entries.
    pub(super) fn bits_for(capacity: usize) -> u32 {
        (FEWEST_BITS..usize::BITS).find(|bits| Shape::<K, V>::load(*bits) >= capacity).unwrap_or(usize::BITS)
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

    /// Does what an operation on one key does, under the lock of the bucket for `hash`. `is_it` finds the key, `found` and
    /// `absent` do the work in either case, and return by how much it changed the number of entries; the three have no
    /// state of their own but share `given`, so that the quick and the careful way can both hold them.
    ///
    /// The usual case is here: pinning is easy, nothing moves, and the key is in the bucket itself.
    // Left to itself the compiler calls it, and passes the result, which has room for an error, through memory.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn step<G, R>(
        &self,
        hash: u64,
        given: G,
        is_it: impl Fn(&G, &K) -> bool,
        found: impl Fn(G, &mut Chain<'_, K, V>, &Place<K, V>) -> (R, isize),
        absent: impl Fn(G, &mut Chain<'_, K, V>) -> (R, isize),
    ) -> Result<R, MapError> {
        let Some(guard) = reclaim::pin_quickly() else {
            return self.step_pinned(hash, given, is_it, found, absent).map_err(|Closed| MapError::Closed);
        };
        let table = self.root();
        let number = table.number(hash);
        if table.is_moving() {
            drop(guard);
            return self.step_pinned(hash, given, is_it, found, absent).map_err(|Closed| MapError::Closed);
        }
        // SAFETY: the table was reachable while we were pinned, and a hash has the number of a bucket.
        let mut chain = unsafe {
            let head = table.bucket(number);
            prefetch::to_write(head);
            Root::<K, V>::prefetch_rest(head);
            Chain::lock(table, number)
        };
        let Some(place) = chain.glance(hash, |key| is_it(&given, key)) else {
            return self
                .step_carefully((guard, chain), hash, given, is_it, found, absent)
                .map_err(|Closed| MapError::Closed);
        };
        let (result, change) = found(given, &mut chain, &place);
        drop(chain);
        if change != 0 {
            let stripe = self.len.add(guard.index(), change);
            drop(guard);
            self.shrink_if_due(stripe);
            self.give_back.step();
        }
        Ok(result)
    }

    #[cold]
    #[inline(never)]
    fn step_pinned<G, R>(
        &self,
        hash: u64,
        given: G,
        is_it: impl Fn(&G, &K) -> bool,
        found: impl Fn(G, &mut Chain<'_, K, V>, &Place<K, V>) -> (R, isize),
        absent: impl Fn(G, &mut Chain<'_, K, V>) -> (R, isize),
    ) -> Result<R, Closed> {
        let mut guard = reclaim::pin();
        let mut table = self.root();
        if table.is_moving() {
            drop(guard);
            self.help();
            guard = reclaim::pin();
            table = self.root();
        }
        // SAFETY: the table was reachable while we were pinned, and a hash has the number of a bucket.
        let chain = unsafe { Chain::lock(table, table.number(hash)) };
        self.step_carefully((guard, chain), hash, given, is_it, found, absent)
    }

    /// Does the step wherever the key may be: `chain` is where the search begins, `pinned` keeps its table alive.
    #[inline(never)]
    fn step_carefully<G, R>(
        &self,
        (pinned, mut chain): (impl Sized, Chain<'_, K, V>),
        hash: u64,
        given: G,
        is_it: impl Fn(&G, &K) -> bool,
        found: impl Fn(G, &mut Chain<'_, K, V>, &Place<K, V>) -> (R, isize),
        absent: impl Fn(G, &mut Chain<'_, K, V>) -> (R, isize),
    ) -> Result<R, Closed> {
        loop {
            match chain.state() {
                State::Open => break,
                State::Closed => return Err(Closed),
                State::Moved => {
                    // SAFETY: the header said that there is a next table, and we are pinned.
                    let table = unsafe { chain.table().next() };
                    drop(chain);
                    // SAFETY: as above; a hash has the number of a bucket.
                    chain = unsafe { Chain::lock(table, table.number(hash)) };
                }
            }
        }
        let (result, change) = match chain.find(hash, |key| is_it(&given, key)) {
            Some(place) => found(given, &mut chain, &place),
            None => absent(given, &mut chain),
        };
        let overflowed = chain.overflowed();
        drop(chain);
        drop(pinned);
        if change != 0 {
            let stripe = self.len.add(reclaim::pin().index(), change);
            if overflowed {
                self.grow_if_full();
            } else if change < 0 {
                self.shrink_if_due(stripe);
            }
            self.give_back.step();
        }
        Ok(result)
    }

    /// How full the table is, is looked at where a chain has become longer, and at every 64th removal of a stripe.
    #[inline]
    fn shrink_if_due(&self, stripe: isize) {
        if stripe % 64 == 0 {
            self.shrink_if_empty();
        }
    }

    /// Sets the value of `key` and returns the one it replaced.
    #[allow(clippy::inline_always)] // As for `step`.
    #[inline(always)]
    pub(crate) fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hash(&key);
        let replaced = self.step(
            hash,
            (key, value),
            |(key, _), found| found == key,
            // The key goes out with the old value: user code that drops them runs without the lock.
            |(key, value), chain, place| (Some((chain.replace(place, value), key)), 0),
            |(key, value), chain| {
                chain.insert(hash, key, value);
                (None, 1)
            },
        )?;
        Ok(replaced.map(|(old, _)| old))
    }

    /// Sets the value of `key` if there is none; returns a clone of the one that stays.
    #[inline]
    pub(crate) fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError>
    where
        V: Clone,
    {
        let hash = self.hash(&key);
        let found = self.step(
            hash,
            (key, value),
            |(key, _), found| found == key,
            |given, chain, place| (Some((chain.entry(place).1.clone(), given)), 0),
            |(key, value), chain| {
                chain.insert(hash, key, value);
                (None, 1)
            },
        )?;
        Ok(found.map(|(old, _)| old))
    }

    /// Shows `decide` the value of `key`, or its absence, and does what it returns.
    #[inline]
    pub(crate) fn compute<R>(
        &self,
        key: K,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> Result<R, MapError> {
        let hash = self.hash(&key);
        let (result, ..) = self.step(
            hash,
            (key, decide),
            |(key, _), found| found == key,
            |(key, decide), chain, place| {
                let (change, result) = decide(Some(chain.entry(place).1));
                match change {
                    Change::Keep => ((result, Some(key), None, None), 0),
                    Change::Put(value) => ((result, Some(key), Some(chain.replace(place, value)), None), 0),
                    Change::Remove => ((result, Some(key), None, Some(chain.remove(place))), -1),
                }
            },
            |(key, decide), chain| {
                let (change, result) = decide(None);
                match change {
                    Change::Put(value) => {
                        chain.insert(hash, key, value);
                        ((result, None, None, None), 1)
                    }
                    Change::Keep | Change::Remove => ((result, Some(key), None, None), 0),
                }
            },
        )?;
        Ok(result)
    }

    /// Removes `key` if `condition` holds for its value.
    #[inline]
    pub(crate) fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let removed = self.step(
            self.hash(key),
            condition,
            |_, found| key.matches(found),
            |condition, chain, place| {
                if condition(chain.entry(place).1) { (Some(chain.remove(place)), -1) } else { (None, 0) }
            },
            |_, _| (None, 0),
        )?;
        Ok(removed.map(|entry| entry.value))
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> Buckets<K, V, S, Locked> {
    /// Calls `read` with the value of `key`, under the lock of its bucket.
    #[allow(clippy::inline_always)] // As for `step`.
    #[inline(always)]
    pub(crate) fn read<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        self.step(
            self.hash(key),
            read,
            |_, found| key.matches(found),
            |read, chain, place| (Some(read(chain.entry(place).1)), 0),
            |_, _| (None, 0),
        )
    }

    /// Changes the value of `key` where it lies, under the lock of its bucket.
    #[allow(clippy::inline_always)] // As for `step`.
    #[inline(always)]
    pub(crate) fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        self.step(
            self.hash(key),
            change,
            |_, found| key.matches(found),
            // SAFETY: in a `Locked` map entries are read under the lock alone.
            |change, chain, place| (Some(change(unsafe { chain.value_mut(place) })), 0),
            |_, _| (None, 0),
        )
    }
}

impl<K: Hash + Eq, V: Copy, S: BuildHasher> Buckets<K, V, S, Copied> {
    /// Changes a copy of the value of `key`, under the lock of its bucket, and puts it back.
    #[allow(clippy::inline_always)] // As for `step`.
    #[inline(always)]
    pub(crate) fn update_copy<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        self.step(
            self.hash(key),
            change,
            |_, found| key.matches(found),
            |change, chain, place| {
                let mut value = *chain.entry(place).1;
                let result = change(&mut value);
                chain.replace(place, value);
                (Some(result), 0)
            },
            |_, _| (None, 0),
        )
    }
}
