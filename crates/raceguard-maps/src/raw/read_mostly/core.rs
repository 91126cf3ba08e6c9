//! [`Core`]: lookup in the read table, and the paths that need the mutex.

use std::ptr::{self, NonNull};

use crossbeam_utils::CachePadded;
use hashbrown::HashTable;

use super::entry::{Entry, LockedEntry, State, Value};
use crate::map::Change;
use crate::raw::reclaim::{Guard, Limbo, pin};
use crate::raw::striped_count::StripedCount;
use crate::raw::sync::Mutex;
use crate::raw::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Removals of a thread after which it looks whether the read table is mostly tombstones.
const LOOK: isize = if cfg!(any(raceguard_stress, raceguard_loom)) { 1 } else { 64 };
/// A removal leaves a read table of fewer keys alone.
const WORTH_IT: usize = if cfg!(any(raceguard_stress, raceguard_loom)) { 1 } else { 128 };

/// Tombstones whose memory is worth waiting for the end of their grace period. Reclamation has loom models of its own;
/// with the waiting, those of this map would be too large.
const MANY: usize = if cfg!(raceguard_loom) {
    usize::MAX
} else if cfg!(raceguard_stress) {
    1
} else {
    1024
};

/// The map was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

type Entries<K, V> = HashTable<NonNull<Entry<K, V>>>;

/// Both tables and their garbage.
#[derive(Debug)]
pub(crate) struct Core<K, V> {
    /// Null before the first key, [`closed_mark`] after close. Written under the mutex.
    read: CachePadded<AtomicPtr<ReadTable<K, V>>>,
    pub(super) dirty: Mutex<Dirty<K, V>>,
    pub(super) values: Limbo<Value<V>>,
    pub(super) entries: Limbo<Entry<K, V>>,
    pub(super) tables: Limbo<ReadTable<K, V>>,
    pub(super) count: StripedCount,
}

/// Not changed after it was published, but for the flag.
#[derive(Debug)]
pub(super) struct ReadTable<K, V> {
    pub(super) entries: Entries<K, V>,
    /// The dirty table has keys that this one does not have.
    amended: AtomicBool,
}

/// What is under the mutex.
#[derive(Debug)]
pub(super) struct Dirty<K, V> {
    table: Option<Entries<K, V>>,
    /// Entries of the read table that were expunged when the dirty table was made; some may have been revived since.
    expunged: Vec<NonNull<Entry<K, V>>>,
    misses: usize,
}

/// What a promotion leaves: to be retired when the mutex is released, for that may run user code.
#[must_use]
pub(super) struct Discarded<K, V> {
    pub(super) table: Option<NonNull<ReadTable<K, V>>>,
    pub(super) entries: Vec<NonNull<Entry<K, V>>>,
}

// SAFETY: keys and values are reached through raw pointers by several threads at a time, and dropped by any.
unsafe impl<K: Send + Sync, V: Send + Sync> Sync for Core<K, V> {}
// SAFETY: owns its entries.
unsafe impl<K: Send, V: Send> Send for Core<K, V> {}

pub(super) fn closed_mark<K, V>() -> *mut ReadTable<K, V> {
    ptr::without_provenance_mut(align_of::<ReadTable<K, V>>())
}

/// What a lookup by a writer brought.
enum Found<'g, K, V> {
    Entry(&'g Entry<K, V>),
    /// A new entry, without value.
    Added(LockedEntry<'g, V>),
    Absent,
    /// The read table cannot tell.
    Unknown,
}

/// # Safety
///
/// The entries of the table live as long as `'g`.
#[inline]
unsafe fn find_in<'g, K, V>(
    table: &Entries<K, V>,
    hash: u64,
    is_key: impl Fn(&K) -> bool,
) -> Option<&'g Entry<K, V>> {
    // SAFETY: by the caller.
    let found = table.find(hash, |entry| is_key(unsafe { &entry.as_ref().key }))?;
    // SAFETY: by the caller.
    Some(unsafe { found.as_ref() })
}

fn add_to<K, V>(table: &mut Entries<K, V>, entry: NonNull<Entry<K, V>>) {
    // SAFETY: entries of the dirty table are in the map.
    let hash_of = |entry: &NonNull<Entry<K, V>>| unsafe { entry.as_ref().hash };
    table.insert_unique(hash_of(&entry), entry, hash_of);
}

impl<K, V> Core<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            read: CachePadded::new(AtomicPtr::new(ptr::null_mut())),
            dirty: Mutex::new(Dirty { table: None, expunged: Vec::new(), misses: 0 }),
            values: Limbo::new(),
            entries: Limbo::new(),
            tables: Limbo::new(),
            count: StripedCount::new(),
        }
    }

    #[inline]
    pub(super) fn read<'g>(&self, _guard: &'g Guard) -> Result<Option<&'g ReadTable<K, V>>, Closed> {
        // ORDERING: Acquire pairs with the Release in `set_read`.
        let read = self.read.load(Ordering::Acquire);
        if read == closed_mark() {
            return Err(Closed);
        }
        // SAFETY: null or a table that is not freed while the guard lives.
        Ok(unsafe { read.as_ref() })
    }

    /// Under the mutex. Returns the table that was there.
    pub(super) fn set_read(&self, read: *mut ReadTable<K, V>) -> Option<NonNull<ReadTable<K, V>>> {
        // ORDERING: Release publishes the table; Acquire is for the one that comes back.
        NonNull::new(self.read.swap(read, Ordering::AcqRel))
    }

    /// The value of a key.
    #[inline]
    pub(crate) fn find<'g>(
        &self,
        guard: &'g Guard,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
    ) -> Result<Option<&'g V>, Closed>
    where
        K: 'g,
    {
        let Some(read) = self.read(guard)? else { return Ok(None) };
        // SAFETY: entries are retired later than the last table that has them was replaced.
        if let Some(entry) = unsafe { find_in(&read.entries, hash, &is_key) } {
            return value_of(entry);
        }
        // ORDERING: Acquire pairs with the Release in `add`.
        if !read.amended.load(Ordering::Acquire) {
            return Ok(None);
        }
        self.find_dirty(guard, hash, is_key)
    }

    #[cold]
    fn find_dirty<'g>(
        &self,
        guard: &'g Guard,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
    ) -> Result<Option<&'g V>, Closed>
    where
        K: 'g,
    {
        let mut dirty = self.dirty.lock();
        let Some(read) = self.read(guard)? else { return Ok(None) };
        // SAFETY: as in `find`. The dirty table may have been promoted before we had the mutex.
        let mut entry = unsafe { find_in(&read.entries, hash, &is_key) };
        let mut discarded = None;
        if entry.is_none()
            && let Some(table) = &dirty.table
        {
            // SAFETY: as in `find`.
            entry = unsafe { find_in(table, hash, &is_key) };
            discarded = self.miss(&mut dirty);
        }
        drop(dirty);
        self.discard(guard, discarded);
        entry.map_or(Ok(None), value_of)
    }

    /// Shows `decide` the value of a key, or its absence, and does what it returns, with writers of this key locked out.
    /// A key that is absent is only added if there is a `new_key`.
    pub(crate) fn change<R>(
        &self,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
        new_key: Option<impl FnOnce() -> K>,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> Result<R, Closed> {
        let (result, look) = self.change_pinned(&pin(), hash, is_key, new_key, decide)?;
        if look {
            self.drop_tombstones();
        }
        Ok(result)
    }

    /// As `change`; also returns whether it is time to look for tombstones.
    #[inline]
    fn change_pinned<R>(
        &self,
        guard: &Guard,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
        new_key: Option<impl FnOnce() -> K>,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> Result<(R, bool), Closed> {
        let adds = new_key.is_some();
        let mut new_key = new_key;
        loop {
            let entry = match self.find_fast(guard, hash, &is_key, adds)? {
                Found::Unknown => self.find_slowly(guard, hash, &is_key, &mut new_key)?,
                found => found,
            };
            let locked = match entry {
                Found::Entry(entry) => entry.lock(),
                Found::Added(locked) => locked,
                Found::Absent | Found::Unknown => return Ok((decide(None).1, false)),
            };
            match locked.state() {
                State::Value(_) | State::Empty => return Ok(self.decide(guard, locked, decide)),
                State::Expunged if !adds => return Ok((decide(None).1, false)),
                // The entry is in no dirty table: with the mutex it can be revived.
                State::Expunged => {}
                State::Closed => return Err(Closed),
            }
        }
    }

    /// What the read table alone can say.
    #[inline]
    fn find_fast<'g>(
        &self,
        guard: &'g Guard,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
        adds: bool,
    ) -> Result<Found<'g, K, V>, Closed> {
        let absent = if adds { Found::Unknown } else { Found::Absent };
        let Some(read) = self.read(guard)? else { return Ok(absent) };
        // SAFETY: as in `find`.
        let Some(entry) = (unsafe { find_in(&read.entries, hash, is_key) }) else {
            // ORDERING: Acquire as in `find`.
            return Ok(if read.amended.load(Ordering::Acquire) { Found::Unknown } else { absent });
        };
        let expunged = matches!(entry.state(), State::Expunged);
        Ok(if expunged { absent } else { Found::Entry(entry) })
    }

    /// The entry of a key, revived or added if need be.
    #[cold]
    fn find_slowly<'g>(
        &self,
        guard: &'g Guard,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
        new_key: &mut Option<impl FnOnce() -> K>,
    ) -> Result<Found<'g, K, V>, Closed> {
        let mut dirty = self.dirty.lock();
        let read = self.read(guard)?;
        // SAFETY: as in `find`.
        if let Some(entry) = read.and_then(|read| unsafe { find_in(&read.entries, hash, &is_key) }) {
            if entry.try_revive() {
                let table =
                    dirty.table.as_mut().expect("entries are expunged only when a dirty table is made");
                add_to(table, NonNull::from(entry));
            }
            return Ok(Found::Entry(entry));
        }
        // SAFETY: as in `find`.
        let in_dirty = dirty.table.as_ref().and_then(|table| unsafe { find_in(table, hash, &is_key) });
        if in_dirty.is_none()
            && let Some(new_key) = new_key.take()
        {
            let new = self.entries.local(guard).alloc(Entry::new_locked(hash, new_key()));
            self.add(&mut dirty, read, new);
            // SAFETY: in the map from now on, and the guard lives.
            return Ok(Found::Added(unsafe { new.as_ref() }.adopt_lock()));
        }
        let discarded = self.miss(&mut dirty);
        drop(dirty);
        self.discard(guard, discarded);
        Ok(in_dirty.map_or(Found::Absent, Found::Entry))
    }

    /// Lets `decide` see the value of a locked entry, and does what it says. Also returns whether it is time to look for
    /// tombstones.
    #[inline]
    pub(super) fn decide<R>(
        &self,
        guard: &Guard,
        locked: LockedEntry<'_, V>,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> (R, bool) {
        let old = match locked.state() {
            State::Value(value) => Some(value),
            _ => None,
        };
        // SAFETY: the value is in the entry, whose lock keeps other writers from retiring it.
        let (change, result) = decide(old.map(|value| unsafe { &value.as_ref().0 }));
        let mut removed = false;
        match change {
            Change::Keep => return (result, false),
            Change::Put(value) => {
                locked.unlock_with(State::Value(self.values.local(guard).alloc(Value(value))));
                if old.is_none() {
                    self.count.add(guard, 1);
                }
            }
            Change::Remove => {
                locked.unlock_with(State::Empty);
                removed = old.is_some();
            }
        }
        // Before the old value goes: to retire may drop others, and a drop may panic.
        let look = removed && self.count.add(guard, -1) % LOOK == 0;
        if let Some(old) = old {
            // SAFETY: taken out under the entry's lock; allocated by `alloc`.
            unsafe { self.values.local(guard).retire(old) };
        }
        (result, look)
    }

    /// Adds a new entry to the dirty table, under the mutex.
    fn add(&self, dirty: &mut Dirty<K, V>, read: Option<&ReadTable<K, V>>, new: NonNull<Entry<K, V>>) {
        let table = match &mut dirty.table {
            Some(table) => table,
            empty => empty.insert(copy_live(read, &mut dirty.expunged)),
        };
        if let Some(read) = read {
            // ORDERING: Release pairs with the Acquire of those who miss the read table: they then take the mutex.
            read.amended.store(true, Ordering::Release);
        } else {
            let first = ReadTable { entries: HashTable::new(), amended: AtomicBool::new(true) };
            let before = self.set_read(Box::into_raw(Box::new(first)));
            debug_assert!(before.is_none());
        }
        add_to(table, new);
    }

    /// Counts a lookup that needed the mutex, and promotes the dirty table if there were many.
    fn miss(&self, dirty: &mut Dirty<K, V>) -> Option<Discarded<K, V>> {
        let keys = dirty.table.as_ref()?.len();
        dirty.misses += 1;
        if dirty.misses < keys {
            return None;
        }
        self.promote(dirty)
    }

    /// Makes the dirty table, if there is one, the read table.
    pub(super) fn promote(&self, dirty: &mut Dirty<K, V>) -> Option<Discarded<K, V>> {
        let entries = dirty.table.take()?;
        dirty.misses = 0;
        let read = Box::new(ReadTable { entries, amended: AtomicBool::new(false) });
        let table = self.set_read(Box::into_raw(read));
        let mut entries = std::mem::take(&mut dirty.expunged);
        // SAFETY: entries of the table that was just replaced are not freed yet.
        entries.retain(|entry| matches!(unsafe { entry.as_ref() }.state(), State::Expunged));
        Some(Discarded { table, entries })
    }

    /// Retires what a promotion left. Not under the mutex.
    pub(super) fn discard(&self, guard: &Guard, discarded: Option<Discarded<K, V>>) {
        let Some(Discarded { table, entries }) = discarded else { return };
        if let Some(table) = table {
            // SAFETY: made by `Box`, replaced by another one.
            unsafe {
                let bytes = table.as_ref().entries.allocation_size();
                self.tables.local(guard).retire_sized(table, bytes);
            }
        }
        for entry in entries {
            // SAFETY: it was in the replaced table alone; allocated by `alloc`.
            unsafe { self.entries.local(guard).retire(entry) };
        }
    }

    /// Frees tombstones if there are many. If they are, no later operation need come for their memory to go back.
    #[cold]
    fn drop_tombstones(&self) {
        let dropped = self.compact(&pin(), WORTH_IT);
        if dropped >= MANY {
            self.values.flush_briefly();
            self.entries.flush_briefly();
            self.tables.flush_briefly();
        }
    }

    /// Makes a read table without tombstones if there are more of them than keys, in either table, and `worth_it` in all.
    /// Returns how many it retired.
    pub(super) fn compact(&self, guard: &Guard, worth_it: usize) -> usize {
        self.tables.local(guard).poll();
        let left = self.len();
        let crowded = |keys: usize| keys >= worth_it && keys >= 2 * left;
        let Ok(Some(read)) = self.read(guard) else { return 0 };
        // ORDERING: Relaxed: only a hint that there may be keys in the dirty table.
        if !crowded(read.entries.len()) && !read.amended.load(Ordering::Relaxed) {
            return 0;
        }
        let mut discarded = Vec::new();
        let mut dirty = self.dirty.lock();
        // The first turn may only bring the tombstones of the dirty table to the read table.
        for _ in 0..2 {
            let Ok(Some(read)) = self.read(guard) else { break };
            let Dirty { table, expunged, .. } = &mut *dirty;
            if !crowded(table.as_ref().map_or(0, Entries::len).max(read.entries.len())) {
                break;
            }
            if table.is_none() {
                *table = Some(copy_live(Some(read), expunged));
            }
            discarded.extend(self.promote(&mut dirty));
        }
        drop(dirty);
        let mut retired = 0;
        for discarded in discarded {
            retired += discarded.entries.len();
            self.discard(guard, Some(discarded));
        }
        retired
    }

    /// How many keys there are: exact when nobody writes.
    pub(crate) fn len(&self) -> usize {
        self.count.sum()
    }

    pub(crate) fn check_open(&self) -> Result<(), Closed> {
        self.read(&pin()).map(|_| ())
    }

    /// Frees what was retired and is not held by a reader. Returns how many things that leaves.
    pub(crate) fn collect(&self) -> usize {
        self.values.collect() + self.entries.collect() + self.tables.collect()
    }
}

/// A dirty table with the entries that have a value, or are about to get one. The others are expunged.
fn copy_live<K, V>(
    read: Option<&ReadTable<K, V>>,
    expunged: &mut Vec<NonNull<Entry<K, V>>>,
) -> Entries<K, V> {
    let Some(read) = read else { return HashTable::new() };
    let mut table = HashTable::with_capacity(read.entries.len() + 1);
    for entry in &read.entries {
        // SAFETY: entries of the read table are in the map.
        if unsafe { entry.as_ref() }.try_expunge() {
            expunged.push(*entry);
        } else {
            add_to(&mut table, *entry);
        }
    }
    if table.len() < table.capacity() / 4 {
        // SAFETY: as above.
        table.shrink_to(2 * table.len(), |entry| unsafe { entry.as_ref() }.hash);
    }
    table
}

impl<K, V> Drop for Core<K, V> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut self`.
        let read = self.read.load(Ordering::Relaxed);
        if read.is_null() || read == closed_mark() {
            return;
        }
        // SAFETY: made by `Box`, and not retired.
        let read = unsafe { Box::from_raw(read) };
        let mut dirty = self.dirty.lock();
        let entries = match dirty.table.take() {
            // The expunged ones that were not revived are in the read table alone.
            Some(table) => {
                let expunged = std::mem::take(&mut dirty.expunged);
                let dead = |entry: &NonNull<Entry<K, V>>| {
                    // SAFETY: not freed yet.
                    matches!(unsafe { entry.as_ref() }.state(), State::Expunged)
                };
                table.into_iter().chain(expunged.into_iter().filter(dead)).collect::<Vec<_>>()
            }
            None => read.entries.into_iter().collect(),
        };
        drop(dirty);
        // SAFETY: not freed yet.
        let values = entries.iter().filter_map(|entry| match unsafe { entry.as_ref() }.state() {
            State::Value(value) => Some(value),
            _ => None,
        });
        let values: Vec<_> = values.collect();
        // SAFETY: nobody shares the map; each value is in one entry, and each entry comes once.
        unsafe {
            Limbo::free_unshared(entries.into_iter());
            Limbo::free_unshared(values.into_iter());
        }
    }
}

#[inline]
pub(super) fn value_of<K, V>(entry: &Entry<K, V>) -> Result<Option<&V>, Closed> {
    match entry.state() {
        // SAFETY: values are retired, and the caller is pinned for as long as it has the entry.
        State::Value(value) => Ok(Some(unsafe { &value.as_ref().0 })),
        State::Empty | State::Expunged => Ok(None),
        State::Closed => Err(Closed),
    }
}
