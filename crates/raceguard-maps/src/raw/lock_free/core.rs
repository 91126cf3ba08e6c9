//! [`Core`]: lookup, and the locked bucket through which every write goes.

use std::ptr::{self, NonNull};
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::bucket::{Bucket, Word, tag_of};
use super::table::{MIN_BUCKETS, Next, Table, chain, closed_mark};
use crate::raw::prefetch;
use crate::raw::reclaim::{Guard, Limbo, Local, pin};
use crate::raw::striped_count::StripedCount;
use crate::raw::sync::atomic::{AtomicPtr, Ordering};
use crate::raw::table_memory::GiveBack;

/// A key with its value. Not changed after it was published.
#[derive(Debug)]
pub(crate) struct Entry<K, V> {
    pub(crate) hash: u64,
    pub(crate) key: K,
    pub(crate) value: V,
}

/// The map was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// The table, its garbage, and its count.
#[derive(Debug)]
pub(crate) struct Core<K, V> {
    /// Null before the first write, [`closed_mark`] after close.
    pub(super) root: CachePadded<AtomicPtr<Table<Entry<K, V>>>>,
    pub(super) entries: Limbo<Entry<K, V>>,
    pub(super) tables: Limbo<Table<Entry<K, V>>>,
    /// Memory of tables that were retired.
    pub(super) give_back: Arc<GiveBack>,
    /// Entries added less entries removed.
    counts: StripedCount,
}

// SAFETY: the entries are reached through raw pointers, by several threads at a time (Sync) and dropped by any (Send).
unsafe impl<K: Send + Sync, V: Send + Sync> Sync for Core<K, V> {}
// SAFETY: owns its entries.
unsafe impl<K: Send, V: Send> Send for Core<K, V> {}

impl<K, V> Core<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            root: CachePadded::new(AtomicPtr::new(ptr::null_mut())),
            entries: Limbo::new(),
            tables: Limbo::new(),
            give_back: Arc::default(),
            counts: StripedCount::new(),
        }
    }

    /// The current table; `None` before the first write.
    #[inline]
    pub(super) fn table<'g>(&self, _guard: &'g Guard) -> Result<Option<&'g Table<Entry<K, V>>>, Closed> {
        // ORDERING: Acquire pairs with the Release of whoever set the root.
        let root = self.root.load(Ordering::Acquire);
        if root == closed_mark() {
            return Err(Closed);
        }
        // SAFETY: null or a table that is not freed while the guard lives.
        Ok(unsafe { root.as_ref() })
    }

    fn table_or_first<'g>(&self, guard: &'g Guard) -> Result<&'g Table<Entry<K, V>>, Closed> {
        loop {
            if let Some(table) = self.table(guard)? {
                return Ok(table);
            }
            let first = Box::into_raw(Box::new(Table::new(MIN_BUCKETS, &self.give_back)));
            // ORDERING: Release publishes the table.
            if self
                .root
                .compare_exchange(ptr::null_mut(), first, Ordering::Release, Ordering::Relaxed)
                .is_err()
            {
                // SAFETY: not published.
                drop(unsafe { Box::from_raw(first) });
            }
        }
    }

    /// The entry with this hash whose key `is_key` accepts.
    #[inline]
    pub(crate) fn find<'g>(
        &self,
        guard: &'g Guard,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
    ) -> Result<Option<&'g Entry<K, V>>, Closed> {
        Ok(self.find_place::<false>(guard, hash, is_key)?.map(|place| place.entry))
    }

    /// As `find`, for a caller that is going to lock the bucket: it already asks for the bucket's cache line as a writer,
    /// and brings in the entry before the lock is taken. [`Locked::find`] then only checks that it is still there.
    #[inline]
    pub(crate) fn find_to_write<'g>(
        &self,
        guard: &'g Guard,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
    ) -> Result<Option<Place<'g, K, V>>, Closed> {
        self.find_place::<true>(guard, hash, is_key)
    }

    #[inline]
    fn find_place<'g, const TO_WRITE: bool>(
        &self,
        guard: &'g Guard,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
    ) -> Result<Option<Place<'g, K, V>>, Closed> {
        let Some(mut table) = self.table(guard)? else { return Ok(None) };
        loop {
            let bucket = table.bucket_of(hash);
            if TO_WRITE {
                prefetch::to_write(ptr::from_ref(bucket));
            }
            let word = bucket.word();
            if word.is_moved() {
                match table.next() {
                    Next::Table(next) => table = next,
                    Next::None | Next::Closed => return Err(Closed),
                }
                continue;
            }
            // SAFETY: the table lives as long as the guard.
            return Ok(unsafe { find_in(bucket, word, tag_of(hash), is_key) });
        }
    }

    /// Locks the bucket of `hash`.
    pub(crate) fn lock<'g>(&'g self, guard: &'g Guard, hash: u64) -> Result<Locked<'g, K, V>, Closed> {
        let mut table = self.table_or_first(guard)?;
        loop {
            let next = table.next();
            if let Next::Table(next) = next {
                self.help_moving(table, next, guard);
            }
            let root = table.bucket_of(hash);
            if let Some(word) = root.lock() {
                return Ok(Locked { core: self, guard, table, root, word, hash, crowded: false });
            }
            match table.next() {
                Next::Table(next) => table = next,
                Next::None | Next::Closed => return Err(Closed),
            }
        }
    }

    /// Locks a given bucket; `None` if it was moved.
    pub(super) fn lock_at<'g>(
        &'g self,
        table: &'g Table<Entry<K, V>>,
        root: &'g Bucket<Entry<K, V>>,
        guard: &'g Guard,
    ) -> Option<Locked<'g, K, V>> {
        let word = root.lock()?;
        Some(Locked { core: self, guard, table, root, word, hash: 0, crowded: false })
    }

    /// Allocates an entry that is freed again if it is not put into the map.
    #[inline]
    pub(crate) fn prepare<'g>(&'g self, guard: &'g Guard, hash: u64, key: K, value: V) -> Prepared<'g, K, V> {
        let local = self.entries.local(guard);
        Prepared { entry: local.alloc(Entry { hash, key, value }), local }
    }

    pub(crate) fn check_open(&self) -> Result<(), Closed> {
        self.table(&pin()).map(|_| ())
    }

    /// How many entries there are: exact when nobody writes.
    pub(crate) fn len(&self) -> usize {
        self.counts.sum()
    }

    /// Buckets of the current table.
    #[cfg(test)]
    pub(super) fn buckets(&self) -> usize {
        self.table(&pin()).ok().flatten().map_or(0, Table::len)
    }

    /// Counts entries that came or went, and does a little of what large tables leave to do.
    pub(super) fn count(&self, guard: &Guard, change: isize) -> isize {
        self.give_back.step();
        self.counts.add(guard, change)
    }
}

/// Where an entry is, or was when it was looked for without the lock.
pub(crate) struct Place<'g, K, V> {
    root: &'g Bucket<Entry<K, V>>,
    bucket: &'g Bucket<Entry<K, V>>,
    lane: usize,
    entry: &'g Entry<K, V>,
}

impl<'g, K, V> Place<'g, K, V> {
    #[inline]
    pub(crate) fn entry(&self) -> &'g Entry<K, V> {
        self.entry
    }
}

/// # Safety
///
/// The bucket's table and entries live as long as the reference.
#[inline]
unsafe fn find_in<K, V>(
    root: &Bucket<Entry<K, V>>,
    word: Word,
    tag: u8,
    is_key: impl Fn(&K) -> bool,
) -> Option<Place<'_, K, V>> {
    let (mut bucket, mut word) = (root, word);
    loop {
        for lane in word.matches(tag) {
            // SAFETY: null or an entry that is not freed while the caller's guard lives.
            if let Some(entry) = unsafe { bucket.entry(lane).as_ref() }
                && is_key(&entry.key)
            {
                return Some(Place { root, bucket, lane, entry });
            }
        }
        bucket = bucket.next()?;
        word = bucket.word();
    }
}

/// An entry that is not in the map yet.
pub(crate) struct Prepared<'g, K, V> {
    entry: NonNull<Entry<K, V>>,
    local: Local<'g, Entry<K, V>>,
}

impl<K, V> Prepared<'_, K, V> {
    #[inline]
    pub(crate) fn entry(&self) -> &Entry<K, V> {
        // SAFETY: allocated by `prepare`, not published.
        unsafe { self.entry.as_ref() }
    }

    #[inline]
    fn publish(self) -> *mut Entry<K, V> {
        let entry = self.entry.as_ptr();
        std::mem::forget(self);
        entry
    }
}

impl<K, V> Drop for Prepared<'_, K, V> {
    fn drop(&mut self) {
        // SAFETY: allocated by this `local` and not published.
        drop(unsafe { self.local.take(self.entry) });
    }
}

/// A locked bucket. Unlocks when it goes, also in a panic of user code.
pub(crate) struct Locked<'g, K, V> {
    core: &'g Core<K, V>,
    guard: &'g Guard,
    table: &'g Table<Entry<K, V>>,
    root: &'g Bucket<Entry<K, V>>,
    /// What unlocking stores.
    word: Word,
    hash: u64,
    crowded: bool,
}

impl<'g, K, V> Locked<'g, K, V> {
    /// The entry whose key `is_key` accepts. `seen` is where it was found before the lock: the key is still there if the
    /// same entry is, for no entry is freed and used again while the caller is pinned.
    #[inline]
    pub(crate) fn find(
        &self,
        seen: Option<Place<'g, K, V>>,
        is_key: impl Fn(&K) -> bool,
    ) -> Option<Place<'g, K, V>> {
        if let Some(place) = seen
            && ptr::eq(place.root, self.root)
            && ptr::eq(place.bucket.entry(place.lane), place.entry)
        {
            return Some(place);
        }
        // SAFETY: the guard lives as long as `'g`.
        unsafe { find_in(self.root, self.word, tag_of(self.hash), is_key) }
    }

    /// Puts an entry in the place of another one with the same key.
    #[inline]
    pub(crate) fn replace(self, place: &Place<'g, K, V>, new: Prepared<'g, K, V>) -> Unlinked<'g, K, V> {
        let entry = place.entry;
        place.bucket.set_entry(place.lane, new.publish());
        let (core, guard) = (self.core, self.guard);
        drop(self);
        // SAFETY: just unlinked, under the lock.
        unsafe { core.unlinked(guard, entry) }
    }

    /// Adds an entry whose key is not there.
    pub(crate) fn add(mut self, new: Prepared<'g, K, V>) {
        let (core, guard, table) = (self.core, self.guard, self.table);
        (self.word, self.crowded) = table.add(self.root, self.word, self.hash, new.publish());
        core.count(guard, 1);
        let crowded = self.crowded;
        drop(self);
        if crowded {
            core.grow_if_full(table, guard);
        }
    }

    /// Takes out the entries that `condition` accepts.
    pub(super) fn remove_where(
        &mut self,
        mut condition: impl FnMut(&Entry<K, V>) -> bool,
        removed: &mut Vec<Unlinked<'g, K, V>>,
    ) {
        for bucket in chain(self.root) {
            for lane in bucket.word().occupied() {
                // SAFETY: null or an entry that is not freed while the guard lives.
                let Some(entry) = (unsafe { bucket.entry(lane).as_ref() }) else { continue };
                if condition(entry) {
                    self.unlink(bucket, lane);
                    self.core.count(self.guard, -1);
                    // SAFETY: just unlinked, under the lock.
                    removed.push(unsafe { self.core.unlinked(self.guard, entry) });
                }
            }
        }
    }

    fn unlink(&mut self, bucket: &Bucket<Entry<K, V>>, lane: usize) {
        bucket.set_entry(lane, ptr::null_mut());
        if ptr::eq(bucket, self.root) {
            self.word = self.word.with_tag(lane, 0);
        } else {
            bucket.set_word(bucket.word().with_tag(lane, 0));
        }
    }

    /// Takes an entry out.
    pub(crate) fn remove(mut self, place: &Place<'g, K, V>) -> Unlinked<'g, K, V> {
        self.unlink(place.bucket, place.lane);
        let entry = place.entry;
        let (core, guard, table) = (self.core, self.guard, self.table);
        let left = core.count(guard, -1);
        drop(self);
        core.shrink_if_empty(table, left, guard);
        // SAFETY: just unlinked, under the lock.
        unsafe { core.unlinked(guard, entry) }
    }
}

impl<K, V> Drop for Locked<'_, K, V> {
    #[inline]
    fn drop(&mut self) {
        self.root.set_word(self.word);
    }
}

/// An entry that was taken out of the map, retired when this goes: nobody else finds it any more.
pub(crate) struct Unlinked<'g, K, V> {
    entry: &'g Entry<K, V>,
    local: Local<'g, Entry<K, V>>,
}

impl<K, V> Core<K, V> {
    /// # Safety
    ///
    /// The entry was in this map and cannot be reached from it any more.
    #[inline]
    pub(super) unsafe fn unlinked<'g>(
        &'g self,
        guard: &'g Guard,
        entry: &'g Entry<K, V>,
    ) -> Unlinked<'g, K, V> {
        Unlinked { entry, local: self.entries.local(guard) }
    }
}

impl<K, V> Unlinked<'_, K, V> {
    #[inline]
    pub(crate) fn value(&self) -> &V {
        &self.entry.value
    }
}

impl<K, V> Drop for Unlinked<'_, K, V> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken out of the map once, allocated by `prepare`; the caller holds no lock any more.
        unsafe { self.local.retire(NonNull::from(self.entry)) };
    }
}
