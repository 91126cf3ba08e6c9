//! What goes over all keys: walks, `retain`, and the end.

use super::core::{Closed, Core, Discarded, ReadTable, closed_mark, value_of};
use super::entry::State;
use crate::map::Change;
use crate::raw::prefetch;
use crate::raw::reclaim::{Guard, pin};

/// Entries that a walk asks the processor for at once: each waits for two cache lines, that of the entry and that of its
/// value.
const BATCH: usize = if cfg!(any(raceguard_stress, raceguard_loom)) { 2 } else { 64 };

impl<K, V> Core<K, V> {
    /// A read table with all keys.
    fn promoted<'g>(&self, guard: &'g Guard) -> Result<Option<&'g ReadTable<K, V>>, Closed> {
        let mut dirty = self.dirty.lock();
        self.read(guard)?;
        let discarded = self.promote(&mut dirty);
        let read = self.read(guard)?;
        drop(dirty);
        self.discard(guard, discarded);
        Ok(read)
    }

    /// Calls `visit` with every key that has a value when its turn comes.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&K, &V)) -> Result<(), Closed> {
        let guard = pin();
        let Some(read) = self.promoted(&guard)? else { return Ok(()) };
        let mut entries = read.entries.iter();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.extend(entries.by_ref().take(BATCH).map(|entry| {
                prefetch::to_read(entry.as_ptr());
                // SAFETY: entries are retired later than the last table that has them was replaced.
                unsafe { entry.as_ref() }
            }));
            if batch.is_empty() {
                return Ok(());
            }
            for entry in &batch {
                if let State::Value(value) = entry.state() {
                    prefetch::to_read(value.as_ptr());
                }
            }
            for entry in batch.drain(..) {
                if let Some(value) = value_of(entry)? {
                    visit(&entry.key, value);
                }
            }
        }
    }

    /// Removes the keys for which `keep` is false and returns how many those were. `keep` runs under the entry's lock.
    pub(crate) fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, Closed> {
        let removed = self.remove_where_not(keep)?;
        if removed > 0 {
            self.values.flush();
            self.entries.flush();
            self.tables.flush();
        }
        Ok(removed)
    }

    fn remove_where_not(&self, mut keep: impl FnMut(&K, &V) -> bool) -> Result<usize, Closed> {
        let guard = pin();
        let Some(read) = self.promoted(&guard)? else { return Ok(0) };
        let mut removed = 0;
        for entry in &read.entries {
            // SAFETY: as in `for_each`.
            let entry = unsafe { entry.as_ref() };
            let locked = entry.lock();
            match locked.state() {
                State::Value(_) => {}
                State::Empty | State::Expunged => continue,
                State::Closed => return Err(Closed),
            }
            let _: ((), bool) = self.decide(&guard, locked, |value| {
                let stays = value.is_none_or(|value| keep(&entry.key, value));
                removed += usize::from(!stays);
                (if stays { Change::Keep } else { Change::Remove }, ())
            });
        }
        self.compact(&guard, 1);
        Ok(removed)
    }

    /// Closes the map, takes out all values, and returns how many they were.
    pub(crate) fn take_all(&self) -> usize {
        let guard = &pin();
        let mut dirty = self.dirty.lock();
        if self.read(guard).is_err() {
            return 0;
        }
        let promoted = self.promote(&mut dirty);
        let table = self.set_read(closed_mark());
        drop(dirty);
        self.discard(guard, promoted);
        let Some(table) = table else { return 0 };
        // SAFETY: the guard lives.
        let entries: Vec<_> = unsafe { table.as_ref() }.entries.iter().copied().collect();
        let mut taken = 0;
        for entry in &entries {
            // SAFETY: as above.
            let locked = unsafe { entry.as_ref() }.lock();
            let state = locked.state();
            locked.unlock_with(State::Closed);
            if let State::Value(value) = state {
                taken += 1;
                self.count.add(guard, -1);
                // SAFETY: taken out under the lock of the entry; allocated by `alloc`.
                unsafe { self.values.local(guard).retire(value) };
            }
        }
        self.discard(guard, Some(Discarded { table: Some(table), entries }));
        taken
    }
}
