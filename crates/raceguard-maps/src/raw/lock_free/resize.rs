//! Growing and shrinking, a few buckets per write.
//!
//! Whoever finds the table too full or too empty hangs a second one behind it. From then on each write first moves
//! [`CHUNK`] buckets; the one that moves the last makes the second table the root and retires the first. Nobody waits
//! for a move but those that need the very bucket. The next resize starts when this one is over.

use std::ptr::{self, NonNull};

use super::bucket::Bucket;
use super::core::{Core, Entry};
use super::table::{MIN_BUCKETS, Next, Table, chain};
use crate::raw::prefetch;
use crate::raw::reclaim::{Guard, pin};
use crate::raw::sync::atomic::Ordering;

/// Entries per bucket, on average, at which a table grows.
const LOAD: usize = if cfg!(any(raceguard_stress, raceguard_loom)) { 2 } else { 4 };
/// A table shrinks when it holds this many times fewer entries than would make it grow.
const EMPTY: usize = if cfg!(any(raceguard_stress, raceguard_loom)) { 4 } else { 8 };
/// Buckets that a write moves: so many that the move is over when half of the entries that were left have been removed,
/// and long before as many have been added.
const CHUNK: usize = if cfg!(any(raceguard_stress, raceguard_loom)) { 4 } else { 8 };
/// A thread looks whether to shrink, and after retired tables, when its count is a multiple of this.
const LOOK: isize = if cfg!(any(raceguard_stress, raceguard_loom)) { 1 } else { 64 };

impl<K, V> Core<K, V> {
    /// Called when an entry did not fit into its bucket.
    #[cold]
    pub(super) fn grow_if_full(&self, table: &Table<Entry<K, V>>, guard: &Guard) {
        if self.len() > table.len() * LOAD {
            self.start_moving(table, table.len() * 2, guard);
        }
    }

    /// Called after a removal that left the calling thread's count at `left`.
    #[inline]
    pub(super) fn shrink_if_empty(&self, table: &Table<Entry<K, V>>, left: isize, guard: &Guard) {
        if left % LOOK == 0 {
            self.look(table, guard);
        }
    }

    #[cold]
    fn look(&self, table: &Table<Entry<K, V>>, guard: &Guard) {
        self.free_tables(guard);
        if table.len() > MIN_BUCKETS && self.len() < table.len() * LOAD / EMPTY {
            self.start_moving(table, (table.len() / 4).max(MIN_BUCKETS), guard);
        }
    }

    pub(super) fn start_moving(&self, table: &Table<Entry<K, V>>, buckets: usize, guard: &Guard) {
        let is_root = matches!(self.table(guard), Ok(Some(root)) if ptr::eq(root, table));
        if !is_root || !matches!(table.next(), Next::None) {
            return;
        }
        let next = Box::into_raw(Box::new(Table::new(buckets, &self.give_back)));
        if !table.set_next(next) {
            // SAFETY: not published.
            drop(unsafe { Box::from_raw(next) });
        }
    }

    /// Moves the next few buckets that nobody has undertaken to move.
    #[cold]
    pub(super) fn help_moving<'g>(
        &self,
        table: &'g Table<Entry<K, V>>,
        next: &'g Table<Entry<K, V>>,
        guard: &'g Guard,
    ) {
        let len = table.len();
        // ORDERING: Relaxed: the counter only deals out work.
        if table.claimed.load(Ordering::Relaxed) >= len {
            return;
        }
        let start = table.claimed.fetch_add(CHUNK, Ordering::Relaxed);
        if start >= len {
            return;
        }
        let end = (start + CHUNK).min(len);
        prefetch_entries(table, start..end);
        for index in start..end {
            move_bucket(table, next, index);
        }
        // ORDERING: AcqRel: who brings the count to the end has seen all moves.
        if table.moved.fetch_add(end - start, Ordering::AcqRel) + (end - start) == len {
            self.finish_moving(table, next, guard);
        }
    }

    fn finish_moving(&self, table: &Table<Entry<K, V>>, next: &Table<Entry<K, V>>, guard: &Guard) {
        // ORDERING: Release publishes the next table to whoever starts there.
        self.root.store(ptr::from_ref(next).cast_mut(), Ordering::Release);
        let local = self.tables.local(guard);
        // SAFETY: made by `Box`, and no longer reachable for those who pin themselves from now on; this is the only
        // thread that brought the count of moved buckets to the end.
        unsafe { local.retire_sized(NonNull::from(table), table.bytes()) };
        if next.len() < table.len() {
            self.entries.local(guard).release_spare();
        }
    }

    /// Shrinks the table as far as its entries allow, for a caller that has walked over all of it anyway.
    pub(super) fn settle(&self) {
        loop {
            let guard = pin();
            let Ok(Some(table)) = self.table(&guard) else { return };
            match table.next() {
                Next::None => {
                    self.look(table, &guard);
                    if matches!(table.next(), Next::None) {
                        return;
                    }
                }
                // ORDERING: Relaxed: only a hint whether there is work left to share.
                Next::Table(next) if table.claimed.load(Ordering::Relaxed) < table.len() => {
                    self.help_moving(table, next, &guard);
                }
                Next::Table(_) | Next::Closed => return,
            }
        }
    }

    fn free_tables(&self, guard: &Guard) {
        self.tables.local(guard).poll();
    }
}

/// Moves all entries of a bucket to the next table, and marks it.
fn move_bucket<K, V>(table: &Table<Entry<K, V>>, next: &Table<Entry<K, V>>, index: usize) {
    let root = table.bucket_at(index);
    let Some(word) = root.lock() else {
        unreachable!("a bucket is moved once, by the thread that claimed it");
    };
    let shared = next.len() < table.len();
    for bucket in chain(root) {
        for lane in bucket.word().occupied() {
            let entry = bucket.entry(lane);
            // SAFETY: an occupied lane of a locked bucket holds an entry, which is in the map.
            let hash = unsafe { (*entry).hash };
            add_moved(next, hash, entry, shared);
        }
    }
    root.set_moved(word);
}

/// `shared` says that other buckets move to the same one.
fn add_moved<K, V>(next: &Table<Entry<K, V>>, hash: u64, entry: *mut Entry<K, V>, shared: bool) {
    let target: &Bucket<_> = next.bucket_of(hash);
    let word = if shared { target.lock() } else { Some(target.word()) };
    let Some(word) = word else {
        unreachable!("a table is not moved on before it is the root");
    };
    let (word, _) = next.add(target, word, hash, entry);
    target.set_word(word);
}

/// Asks for the entries of some buckets, so that their hashes come at the same time and not one after the other.
fn prefetch_entries<K, V>(table: &Table<Entry<K, V>>, buckets: std::ops::Range<usize>) {
    for index in buckets {
        let bucket = table.bucket_at(index);
        for lane in bucket.word().occupied() {
            prefetch::to_read(bucket.entry(lane));
        }
    }
}
