//! Walking over all entries while others write and resize.
//!
//! The walk goes by regions of the hash: as many as there were buckets at the start. A region is one bucket, some
//! buckets of a table that has grown, or a part of one that has shrunk. A thread stays pinned for a few regions only.

use std::ptr::NonNull;

use super::bucket::Bucket;
use super::core::{Closed, Core, Entry};
use super::look::Look;
use super::table::{Next, Table, chain};
use crate::raw::prefetch;
use crate::raw::reclaim::{Guard, pin};

/// Regions that are read under one pin.
const GROUP: usize = 64;
/// Attempts to read a bucket without its lock.
const ATTEMPTS: usize = 4;

/// The hashes whose lowest bits, those of `mask`, are `index`.
#[derive(Debug, Clone, Copy)]
struct Region {
    index: usize,
    mask: usize,
}

impl Region {
    #[expect(clippy::cast_possible_truncation, reason = "the mask is no wider than a pointer")]
    fn contains(self, hash: u64) -> bool {
        hash as usize & self.mask == self.index
    }

    /// The buckets of a table that hold entries of this region.
    fn buckets<E>(self, table: &Table<E>) -> impl Iterator<Item = usize> + use<E> {
        let first = self.index & table.mask();
        (first..table.len()).step_by((self.mask + 1).min(table.len()))
    }

    /// The part of this region in one of those buckets.
    fn within<E>(self, table: &Table<E>, bucket: usize) -> Self {
        if table.mask() > self.mask { Self { index: bucket, mask: table.mask() } } else { self }
    }
}

impl<K, V> Core<K, V> {
    /// Calls `visit` with every entry: once with those that are there all the time, at most once with others.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&K, &V)) -> Result<(), Closed> {
        let mut found: Vec<NonNull<Entry<K, V>>> = Vec::new();
        self.for_regions(GROUP, |table, region, _, last| {
            collect_region(table, region, &mut found)?;
            if last {
                for entry in found.drain(..) {
                    // SAFETY: found under this guard.
                    let entry = unsafe { entry.as_ref() };
                    visit(&entry.key, &entry.value);
                }
            }
            Ok(())
        })
    }

    /// Removes the entries for which `keep` is false and returns how many those were.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> Result<usize, Closed> {
        let mut removed = 0;
        self.for_regions(1, |table, region, guard, _| {
            removed += self.retain_region(table, region, guard, &mut keep)?;
            Ok(())
        })?;
        if removed > 0 {
            self.settle();
            self.entries.flush();
            self.tables.flush();
            self.give_back.finish();
        }
        Ok(removed)
    }

    /// Calls `work` with each region and the current table, under a guard that is renewed every `group` regions; the
    /// last argument says that the guard ends after this call.
    fn for_regions(
        &self,
        group: usize,
        mut work: impl FnMut(&Table<Entry<K, V>>, Region, &Guard, bool) -> Result<(), Closed>,
    ) -> Result<(), Closed> {
        let Some(regions) = self.table(&pin())?.map(Table::len) else { return Ok(()) };
        let mut start = 0;
        while start < regions {
            let guard = pin();
            let Some(table) = self.table(&guard)? else { return Ok(()) };
            let end = (start + group).min(regions);
            for index in start..end {
                work(table, Region { index, mask: regions - 1 }, &guard, index + 1 == end)?;
            }
            start = end;
        }
        Ok(())
    }

    fn retain_region(
        &self,
        table: &Table<Entry<K, V>>,
        region: Region,
        guard: &Guard,
        keep: &mut impl FnMut(&K, &V) -> bool,
    ) -> Result<usize, Closed> {
        let mut removed = 0;
        for bucket in region.buckets(table) {
            let part = region.within(table, bucket);
            removed += match self.retain_bucket(table, bucket, part, guard, keep) {
                Some(removed) => removed,
                None => match table.next() {
                    Next::Table(next) => self.retain_region(next, part, guard, keep)?,
                    Next::None | Next::Closed => return Err(Closed),
                },
            };
        }
        Ok(removed)
    }

    /// `None` if the bucket was moved.
    fn retain_bucket<'g>(
        &'g self,
        table: &'g Table<Entry<K, V>>,
        bucket: usize,
        region: Region,
        guard: &'g Guard,
        keep: &mut impl FnMut(&K, &V) -> bool,
    ) -> Option<usize> {
        // Before the lock, so that the entries are retired after it was released, also in a panic of `keep`.
        let mut removed = Vec::new();
        let mut locked = self.lock_at(table, table.bucket_at(bucket), guard)?;
        locked.remove_where(
            |entry| region.contains(entry.hash) && !keep(&entry.key, &entry.value),
            &mut removed,
        );
        drop(locked);
        let count = removed.len();
        drop(removed);
        Some(count)
    }
}

fn collect_region<K, V>(
    table: &Table<Entry<K, V>>,
    region: Region,
    found: &mut Vec<NonNull<Entry<K, V>>>,
) -> Result<(), Closed> {
    if table.mask() == region.mask && collect_bucket(table.bucket_at(region.index), found) {
        return Ok(());
    }
    for bucket in region.buckets(table) {
        let part = region.within(table, bucket);
        let start = found.len();
        if !collect_bucket(table.bucket_at(bucket), found) {
            match table.next() {
                Next::Table(next) => collect_region(next, part, found)?,
                Next::None | Next::Closed => return Err(Closed),
            }
        } else if table.mask() < region.mask {
            let mut at = start;
            while at < found.len() {
                // SAFETY: found under the caller's guard.
                if part.contains(unsafe { found[at].as_ref() }.hash) {
                    at += 1;
                } else {
                    found.swap_remove(at);
                }
            }
        }
    }
    Ok(())
}

/// Appends the entries that a bucket holds at one instant; false, and nothing appended, if it was moved.
fn collect_bucket<E>(root: &Bucket<E>, found: &mut Vec<NonNull<E>>) -> bool {
    let start = found.len();
    let look = Look::at(root);
    if look.is_moved() {
        return false;
    }
    // Twice the same pointers: nothing moved from one lane to another meanwhile, for no entry that was found is freed and
    // used again under our guard. A bucket that was moved since holds what it held at the move.
    if !look.is_part() && Look::at(root) == look {
        look.append_to(found);
        return true;
    }
    for _ in 0..ATTEMPTS {
        found.truncate(start);
        if root.word().is_moved() {
            return false;
        }
        for entry in entries(root) {
            prefetch::to_read(entry.as_ptr());
            found.push(entry);
        }
        if entries(root).eq(found[start..].iter().copied()) {
            return true;
        }
    }
    found.truncate(start);
    let Some(word) = root.lock() else { return false };
    found.extend(entries(root));
    root.set_word(word);
    true
}

fn entries<E>(root: &Bucket<E>) -> impl Iterator<Item = NonNull<E>> {
    chain(root)
        .flat_map(|bucket| bucket.word().occupied().filter_map(|lane| NonNull::new(bucket.entry(lane))))
}
