//! The end: taking everything out of a shared map, and freeing a map that nobody shares any more.

use std::ptr::{self, NonNull};

use super::bucket::Bucket;
use super::core::{Core, Entry};
use super::table::{Next, Table, chain, closed_mark};
use crate::raw::reclaim::{Guard, Limbo, pin};
use crate::raw::sync::Waiting;
use crate::raw::sync::atomic::Ordering;

impl<K, V> Core<K, V> {
    /// Frees what was retired and is not held by a reader. Returns how many entries and tables that leaves.
    pub(crate) fn collect(&self) -> usize {
        let left = self.entries.collect() + self.tables.collect();
        self.give_back.finish();
        left
    }

    /// Closes the map: waits for the writes that are under way, takes out all entries, and returns how many they were.
    pub(crate) fn take_all(&self) -> usize {
        let guard = pin();
        let Some(table) = self.last_table(&guard) else { return 0 };
        let mut entries = 0;
        for index in 0..table.len() {
            entries += self.take_bucket(table.bucket_at(index), &guard);
        }
        // ORDERING: Release: who sees the mark sees the closed buckets too.
        self.root.store(closed_mark(), Ordering::Release);
        // SAFETY: made by `Box`; not reachable any more, and only the call that set the mark comes here.
        unsafe { self.tables.local(&guard).retire_sized(NonNull::from(table), table.bytes()) };
        entries
    }

    /// Marks the current table as the last one, which a running resize has to end for. `None` if the map is closed or
    /// has had no table.
    fn last_table<'g>(&self, guard: &'g Guard) -> Option<&'g Table<Entry<K, V>>> {
        let mut waiting = Waiting::default();
        loop {
            let Some(table) = self.table(guard).ok()? else {
                // ORDERING: Relaxed: there is nothing that the mark publishes.
                let closed = self.root.compare_exchange(
                    ptr::null_mut(),
                    closed_mark(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                if closed.is_ok() {
                    return None;
                }
                continue;
            };
            match table.next() {
                Next::None => {
                    if table.set_next(closed_mark()) {
                        return Some(table);
                    }
                }
                Next::Closed => return None,
                // ORDERING: Relaxed: only a hint whether there is work left to share.
                Next::Table(next) if table.claimed.load(Ordering::Relaxed) < table.len() => {
                    self.help_moving(table, next, guard);
                }
                Next::Table(_) => waiting.wait(),
            }
        }
    }

    /// Marks a bucket as moved to nowhere and retires its entries.
    fn take_bucket(&self, root: &Bucket<Entry<K, V>>, guard: &Guard) -> usize {
        let Some(word) = root.lock() else { return 0 };
        let entries: Vec<_> = entries_of(root).collect();
        root.set_moved(word);
        for entry in &entries {
            self.count(guard, -1);
            // SAFETY: readers that come from now on see the mark; the entry was in the map, once.
            unsafe { self.entries.local(guard).retire(*entry) };
        }
        entries.len()
    }
}

/// The entries of a bucket that nobody else changes.
fn entries_of<K, V>(root: &Bucket<Entry<K, V>>) -> impl Iterator<Item = NonNull<Entry<K, V>>> {
    chain(root)
        .flat_map(|bucket| bucket.word().occupied().filter_map(|lane| NonNull::new(bucket.entry(lane))))
}

impl<K, V> Drop for Core<K, V> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut self`.
        let mut at = self.root.load(Ordering::Relaxed);
        // A table that is being moved holds the entries of the buckets that were not; each entry is in one bucket only.
        while !at.is_null() && at != closed_mark() {
            // SAFETY: made by `Box`; tables before the root are retired, those from the root on are ours.
            let table = unsafe { Box::from_raw(at) };
            let live =
                (0..table.len()).map(|index| table.bucket_at(index)).filter(|root| !root.word().is_moved());
            // SAFETY: in the map, so not retired; nobody shares the map.
            unsafe { Limbo::free_unshared(live.flat_map(entries_of)) };
            at = match table.next() {
                Next::Table(next) => ptr::from_ref(next).cast_mut(),
                Next::None | Next::Closed => ptr::null_mut(),
            };
        }
    }
}
