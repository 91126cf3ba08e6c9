//! [`Table`]: the sequential hash table that the locking strategies put behind their locks.
//!
//! It grows and shrinks in small steps, so that no operation under a lock pays for a whole rehash. The scheme is
//! linear hashing (Litwin, 1980) over segments: `n` small hash tables, of which one is split in two, in a fixed order,
//! each time the count of entries passes the next mark. A key's segment follows from its hash and `n` alone, so there
//! is no directory to walk or to copy. While everything fits into one segment there is just that one, held in the
//! table itself: a small map costs what one plain hash table costs.
//!
//! # Invariants
//!
//! - Every entry lies in the segment that `index` gives for its hash.
//! - User code (`Hash`, `Eq`, `Clone`, closures) never runs while entries are on their way between segments: a step
//!   first hashes all keys that it may move, then moves them. So a panic leaves every entry where it was.
//! - An operation makes its room, or gives back memory, before it changes the entry that it is about: when hashing
//!   panics there, the operation has not happened.
//! - What an operation displaces is handed back, for the caller to drop after it let go of the lock.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

use crate::map::{Change, Lookup, Operation};

mod closable;
mod growth;
#[cfg(test)]
mod tests;

pub(crate) use closable::{Closable, HashedBatch};

/// What an operation took out of the table or did not need: dropped by the caller, outside the lock.
#[derive(Debug)]
#[must_use = "hold it until the lock is released"]
pub(crate) struct Leftover<K, V> {
    _key: Option<K>,
    _value: Option<V>,
}

impl<K, V> Leftover<K, V> {
    const NOTHING: Self = Self { _key: None, _value: None };

    fn new(key: Option<K>, value: Option<V>) -> Self {
        Self { _key: key, _value: value }
    }
}

/// A hash table that is told the hash of each key, so that a strategy which picks a shard by it hashes once.
///
/// It uses the lowest bits of a hash for the place in a segment, those from `INDEX_SHIFT` on for the
/// segment, and the seven highest as tags; the bits from [`SHARD_SHIFT`] on are free for picking a shard.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Table<K, V> {
    /// Empty while all entries are in `small`, else at least two.
    segments: Vec<HashTable<(K, V)>>,
    /// One less than the smallest power of two that is at least the number of segments.
    mask: usize,
    /// The only segment while `segments` is empty; else without entries and memory.
    small: HashTable<(K, V)>,
    len: usize,
    /// A new entry that finds this many splits a segment.
    split_at: usize,
    /// A removal that finds this many or fewer gives back memory.
    shrink_at: usize,
}

/// The lowest of the 16 bits of a hash that a [`Table`] does not use.
pub(crate) const SHARD_SHIFT: u32 = 41;

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            segments: Vec::new(),
            mask: 0,
            small: HashTable::new(),
            len: 0,
            split_at: Self::FIRST_SPLIT,
            shrink_at: 0,
        }
    }
}

impl<K, V> Table<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        let index = (hash >> Self::INDEX_SHIFT) as usize & self.mask;
        if index < self.segments.len() { index } else { index & (self.mask >> 1) }
    }

    #[inline]
    fn segment(&self, hash: u64) -> &HashTable<(K, V)> {
        if self.segments.is_empty() { &self.small } else { &self.segments[self.index(hash)] }
    }

    #[inline]
    fn segment_mut(&mut self, hash: u64) -> &mut HashTable<(K, V)> {
        if self.segments.is_empty() {
            &mut self.small
        } else {
            let index = self.index(hash);
            &mut self.segments[index]
        }
    }

    /// Calls `visit` with every entry.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&K, &V)) {
        for segment in std::iter::once(&self.small).chain(&self.segments) {
            // Faster than a `for` loop: hashbrown walks groups of buckets at once in `fold`.
            segment.iter().for_each(|(key, value)| visit(key, value));
        }
    }

    /// All entries.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (K, V)> {
        std::iter::once(self.small).chain(self.segments).flatten()
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Table<K, V> {
    #[inline]
    pub(crate) fn get<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V> {
        self.segment(hash).find(hash, |(found, _)| key.matches(found)).map(|(_, value)| value)
    }

    #[inline]
    pub(crate) fn get_mut<Q: Lookup<K> + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<&mut V> {
        self.segment_mut(hash).find_mut(hash, |(found, _)| key.matches(found)).map(|(_, value)| value)
    }

    /// Returns the value that was replaced, with the key that was not needed.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        key: K,
        value: V,
        hasher: &impl BuildHasher,
    ) -> Option<(K, V)> {
        if let Some(present) = self.get_mut(hash, &key) {
            return Some((key, std::mem::replace(present, value)));
        }
        self.insert_new(hash, key, value, hasher);
        None
    }

    /// Returns a clone of the value that stays, with the key and value that were not needed.
    #[inline]
    pub(crate) fn insert_if_absent(
        &mut self,
        hash: u64,
        key: K,
        value: V,
        hasher: &impl BuildHasher,
    ) -> Option<(V, Leftover<K, V>)> {
        if let Some(present) = self.get(hash, &key) {
            return Some((present.clone(), Leftover::new(Some(key), Some(value))));
        }
        self.insert_new(hash, key, value, hasher);
        None
    }

    #[inline]
    pub(crate) fn compute<R>(
        &mut self,
        hash: u64,
        key: K,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
        hasher: &impl BuildHasher,
    ) -> (R, Leftover<K, V>) {
        let found = self.get_mut(hash, &key);
        let (change, result) = decide(found.as_deref());
        let leftover = match (change, found) {
            (Change::Keep, _) | (Change::Remove, None) => Leftover::new(Some(key), None),
            (Change::Put(value), Some(present)) => {
                Leftover::new(Some(key), Some(std::mem::replace(present, value)))
            }
            (Change::Put(value), None) => {
                self.insert_new(hash, key, value, hasher);
                Leftover::NOTHING
            }
            (Change::Remove, Some(_)) => {
                let (key, value) = self.remove_if(hash, &key, |_| true, hasher).unzip();
                Leftover::new(key, value)
            }
        };
        (result, leftover)
    }

    #[inline]
    pub(crate) fn remove_if<Q: Lookup<K> + ?Sized>(
        &mut self,
        hash: u64,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
        hasher: &impl BuildHasher,
    ) -> Option<(K, V)> {
        let shrink = self.len <= self.shrink_at;
        let entry = self.segment_mut(hash).find_entry(hash, |(found, _)| key.matches(found)).ok()?;
        if !condition(&entry.get().1) {
            return None;
        }
        let removed = if shrink {
            self.shrink(hasher);
            let entry = self.segment_mut(hash).find_entry(hash, |(found, _)| key.matches(found)).ok()?;
            entry.remove().0
        } else {
            entry.remove().0
        };
        self.len -= 1;
        Some(removed)
    }

    /// Returns how many entries went, and those of them whose drop does something.
    pub(crate) fn retain(
        &mut self,
        mut keep: impl FnMut(&K, &V) -> bool,
        hasher: &impl BuildHasher,
    ) -> (usize, Vec<(K, V)>) {
        let before = self.len;
        let mut removed = Vec::new();
        let recount = Recount(self);
        let Table { small, segments, .. } = &mut *recount.0;
        for segment in std::iter::once(small).chain(segments) {
            if std::mem::needs_drop::<(K, V)>() {
                removed.extend(segment.extract_if(|(key, value)| !keep(key, value)));
            } else {
                segment.retain(|(key, value)| keep(key, value));
            }
        }
        drop(recount);
        let after = self.len;
        while self.len < self.shrink_at {
            self.shrink(hasher);
        }
        (before - after, removed)
    }

    /// Does one operation of a batch; whether it changed the table.
    pub(crate) fn apply(
        &mut self,
        hash: u64,
        operation: Operation<K, V>,
        hasher: &impl BuildHasher,
    ) -> (bool, Leftover<K, V>) {
        match operation {
            Operation::Insert(key, value) => {
                let (key, value) = self.insert(hash, key, value, hasher).unzip();
                (true, Leftover::new(key, value))
            }
            Operation::InsertIfAbsent(key, value) => {
                if self.get(hash, &key).is_some() {
                    return (false, Leftover::new(Some(key), Some(value)));
                }
                self.insert_new(hash, key, value, hasher);
                (true, Leftover::NOTHING)
            }
            Operation::Remove(key) => match self.remove_if(hash, &key, |_| true, hasher) {
                Some((removed, value)) => {
                    drop(key);
                    (true, Leftover::new(Some(removed), Some(value)))
                }
                None => (false, Leftover::new(Some(key), None)),
            },
        }
    }

    /// Adds an entry whose key is known to be absent.
    #[inline]
    fn insert_new(&mut self, hash: u64, key: K, value: V, hasher: &impl BuildHasher) {
        self.make_way(hash, hasher);
        self.add(hash, key, value, hasher);
    }

    /// Makes room for an entry with this hash: all of an insertion that runs user code.
    #[inline]
    pub(crate) fn make_way(&mut self, hash: u64, hasher: &impl BuildHasher) {
        if self.len >= self.split_at {
            self.split(hasher);
        }
        let segment = self.segment(hash);
        if segment.len() == segment.capacity() {
            self.make_room(hash, hasher);
        }
    }

    /// Adds an entry whose key is known to be absent, right after [`make_way`](Self::make_way) for its hash.
    #[inline]
    pub(crate) fn add(&mut self, hash: u64, key: K, value: V, hasher: &impl BuildHasher) {
        // There is room, so the table does not hash.
        self.segment_mut(hash).insert_unique(hash, (key, value), |(key, _)| hasher.hash_one(key));
        self.len += 1;
    }
}

/// Counts the entries again when dropped, so that `len` is right even after a panic half-way.
struct Recount<'a, K, V>(&'a mut Table<K, V>);

impl<K, V> Drop for Recount<'_, K, V> {
    fn drop(&mut self) {
        self.0.len = self.0.small.len() + self.0.segments.iter().map(HashTable::len).sum::<usize>();
    }
}
