//! Reading entries of `Copy` types without taking a lock.

use std::hash::{BuildHasher, Hash};
use std::mem::MaybeUninit;
use std::ptr;

use crate::error::MapError;
use crate::map::Lookup;
use crate::raw::reclaim;
use crate::raw::sync::atomic::Ordering;

use super::chain::{Chain, State, state};
use super::core::{Buckets, Closed, Copied};
use super::header::{CHAINED, Head, LOCKED, SPECIAL};
use super::shape::{Entry, Shape};
use super::table::Root;
use super::words;

/// A reader that was disturbed so often takes the lock, so that writers cannot hold it up for ever.
const PATIENCE: usize = if cfg!(any(raceguard_stress, raceguard_shuttle, raceguard_loom)) { 2 } else { 64 };

/// What one optimistic attempt gave.
enum Attempt<T> {
    Done(T),
    /// A writer was there.
    Disturbed,
    /// The entries are elsewhere or gone, as the header says.
    Special(usize),
}

impl<K: Copy + Hash + Eq, V: Copy, S: BuildHasher> Buckets<K, V, S, Copied> {
    /// A copy of the value of `key`.
    // Left to itself the compiler calls it, and passes the result through memory: a third of the time of a read that
    // finds everything in the cache.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(crate) fn copy<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, MapError> {
        let hash = self.hash(key);
        let Some(guard) = reclaim::pin_quickly() else {
            return self.copy_pinned(hash, key).map_err(|Closed| MapError::Closed);
        };
        let table = self.root();
        let number = table.number(hash);
        // SAFETY: the table was reachable while we were pinned, and a hash has the number of a bucket.
        let head = unsafe { table.bucket(number) };
        Root::<K, V>::prefetch_rest(head);
        // SAFETY: as above.
        if let Some(value) = unsafe { glance(head, hash, |found| key.matches(found)) } {
            return Ok(Some(value));
        }
        Self::copy_from_elsewhere(guard, table, hash, key).map_err(|Closed| MapError::Closed)
    }

    /// What is not at first sight in its bucket is most often nowhere.
    #[cold]
    #[inline(never)]
    fn copy_from_elsewhere<Q: Lookup<K> + ?Sized, G>(
        pinned: G,
        table: Root<K, V>,
        hash: u64,
        key: &Q,
    ) -> Result<Option<V>, Closed> {
        // SAFETY: the table lives while we are pinned, and a hash has the number of a bucket.
        if unsafe { is_absent::<K, V>(table.bucket(table.number(hash)), hash) } {
            return Ok(None);
        }
        Self::copy_carefully(pinned, table, hash, key)
    }

    #[cold]
    #[inline(never)]
    fn copy_pinned<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Result<Option<V>, Closed> {
        let guard = reclaim::pin();
        Self::copy_carefully(guard, self.root(), hash, key)
    }

    /// Looks at the whole chain, again where a writer was in the way, at last under the lock, and follows moved entries to
    /// their table.
    fn copy_carefully<Q: Lookup<K> + ?Sized, G>(
        _pinned: G,
        mut table: Root<K, V>,
        hash: u64,
        key: &Q,
    ) -> Result<Option<V>, Closed> {
        let is_it = |found: &K| key.matches(found);
        let mut disturbed = 0;
        loop {
            // SAFETY: the table lives while we are pinned, and a hash has the number of a bucket.
            let head = unsafe { table.bucket(table.number(hash)) };
            let state = if disturbed < PATIENCE {
                // SAFETY: as above.
                match unsafe { find(table, hash, is_it) } {
                    Attempt::Done(found) => return Ok(found),
                    Attempt::Special(header) if header & LOCKED == 0 => state(header),
                    Attempt::Disturbed | Attempt::Special(_) => {
                        disturbed += 1;
                        // SAFETY: as above.
                        unsafe { &*head }.header().wait();
                        continue;
                    }
                }
            } else {
                // SAFETY: as above.
                let chain = unsafe { Chain::lock(table, table.number(hash)) };
                if chain.state() == State::Open {
                    return Ok(chain.find(hash, is_it).map(|place| *chain.entry(&place).1));
                }
                chain.state()
            };
            if state == State::Closed {
                return Err(Closed);
            }
            // SAFETY: the header said that there is a next table, and we are pinned.
            table = unsafe { table.next() };
        }
    }
}

/// The usual case of a read: the entry is in the bucket itself and nobody disturbs. As few instructions as can be depend
/// on what is read, since those have to wait for memory, and a processor can have only so many that wait: for a table
/// that does not fit the cache, that decides how many reads it has under way at once.
///
/// # Safety
///
/// `head` is a bucket of a table that lives.
#[inline]
unsafe fn glance<K: Copy, V: Copy>(head: *mut Head, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<V> {
    // SAFETY: by the caller.
    let (header, tags) = unsafe { ((*head).header(), &*head) };
    let before = header.read();
    // SAFETY: by the caller.
    let (_, slot) = unsafe { Shape::<K, V>::first_slot(head, tags.tags(), Shape::<K, V>::tag(hash)) }?;
    // SAFETY: a slot of a bucket of a table that lives.
    let copy = unsafe { words::load(slot.as_ptr()) };
    if !header.is_still(before) {
        return None;
    }
    // SAFETY: nobody wrote between the two looks at the header, so the tags told the truth: the slot held an entry, and
    // the copy is whole. Where entries have moved or the map was closed, there are no tags.
    let entry = unsafe { copy.assume_init() };
    is_it(&entry.key).then_some(entry.value)
}

/// Whether a single look shows that no key has this hash.
///
/// # Safety
///
/// `head` is a bucket of a table that lives.
#[inline]
unsafe fn is_absent<K, V>(head: *mut Head, hash: u64) -> bool {
    // SAFETY: by the caller.
    let head = unsafe { &*head };
    let before = head.header().read();
    before & (SPECIAL | CHAINED) == 0
        && Shape::<K, V>::has_none(head.tags(), Shape::<K, V>::tag(hash))
        && head.header().is_still(before)
}

/// One attempt to copy the value of the entry for whose key `is_it` holds, from anywhere in the chain.
///
/// # Safety
///
/// The table lives.
unsafe fn find<K: Copy, V: Copy>(
    table: Root<K, V>,
    hash: u64,
    is_it: impl Fn(&K) -> bool,
) -> Attempt<Option<V>> {
    let tag = Shape::<K, V>::tag(hash);
    let number = table.number(hash);
    // SAFETY: by the caller.
    let mut bucket = unsafe { table.bucket(number) };
    // SAFETY: as above.
    let header = unsafe { &*bucket }.header();
    let before = header.read();
    if before & SPECIAL != 0 {
        return Attempt::Special(before);
    }
    // SAFETY: by the caller.
    let mut first = Some(unsafe { first_overflow(table, number, before) });
    loop {
        // SAFETY: buckets live as long as their table, also when they have left the chain.
        let tags = unsafe { &*bucket }.tags();
        for lane in Shape::<K, V>::matching(tags, tag) {
            // SAFETY: a slot of a bucket of a table that lives.
            let copy = unsafe { words::load(Shape::<K, V>::slot(bucket, lane)) };
            if !header.is_still(before) {
                return Attempt::Disturbed;
            }
            // SAFETY: as in `glance`.
            let entry = unsafe { copy.assume_init() };
            if is_it(&entry.key) {
                return Attempt::Done(Some(entry.value));
            }
        }
        // SAFETY: as above.
        bucket = first.take().unwrap_or_else(|| unsafe { &*bucket }.next());
        // Looked at for each bucket: only an unchanged chain is sure to have an end.
        if !header.is_still(before) {
            return Attempt::Disturbed;
        }
        if bucket.is_null() {
            return Attempt::Done(None);
        }
    }
}

/// The first overflow bucket of a chain whose header is `before`, or null. It counts only if the header is then still the
/// same.
///
/// # Safety
///
/// The table lives, and `number` is one of its buckets.
#[inline]
unsafe fn first_overflow<K, V>(table: Root<K, V>, number: usize, before: usize) -> *mut Head {
    if before & CHAINED == 0 {
        return ptr::null_mut();
    }
    // SAFETY: by the caller.
    // ORDERING: Relaxed: as said above.
    unsafe { table.overflow_of(number) }.load(Ordering::Relaxed)
}

/// One attempt to copy all entries of a chain to the end of `out`. Unless it is done, what is there then is of no use.
///
/// # Safety
///
/// The table lives, and `number` is one of its buckets.
#[inline]
unsafe fn copy_all<K: Copy, V: Copy>(
    table: Root<K, V>,
    number: usize,
    out: &mut Vec<MaybeUninit<Entry<K, V>>>,
) -> Attempt<()> {
    // SAFETY: by the caller.
    let mut bucket = unsafe { table.bucket(number) };
    // SAFETY: as above.
    let header = unsafe { &*bucket }.header();
    let before = header.read();
    if before & SPECIAL != 0 {
        return Attempt::Special(before);
    }
    // SAFETY: by the caller.
    let mut first = Some(unsafe { first_overflow(table, number, before) });
    loop {
        out.reserve(Shape::<K, V>::SLOTS);
        // SAFETY: buckets live as long as their table, also when they have left the chain.
        let tags = unsafe { &*bucket }.tags();
        let free = out.spare_capacity_mut();
        let mut copied = 0;
        for lane in 0..Shape::<K, V>::SLOTS {
            // Copies what is in every slot and keeps it if it is an entry: no branch that cannot be predicted.
            // SAFETY: a slot of a bucket of a table that lives; there is room for as many as there are slots.
            unsafe { free.get_unchecked_mut(copied).write(words::load(Shape::<K, V>::slot(bucket, lane))) };
            copied += usize::from(Shape::<K, V>::is_occupied(tags, lane));
        }
        // SAFETY: written above; the type allows for memory that is not initialized.
        unsafe { out.set_len(out.len() + copied) };
        // SAFETY: as above.
        bucket = first.take().unwrap_or_else(|| unsafe { &*bucket }.next());
        // Looked at for each bucket: only an unchanged chain is sure to have an end.
        if !header.is_still(before) {
            return Attempt::Disturbed;
        }
        if bucket.is_null() {
            return Attempt::Done(());
        }
    }
}

/// Copies all entries of the bucket with this number to the end of `out`, which holds whole entries then. Says whether
/// they are there.
///
/// # Safety
///
/// The table lives, and `number` is one of its buckets.
#[inline]
pub(super) unsafe fn copy_bucket<K: Copy, V: Copy>(
    table: Root<K, V>,
    number: usize,
    out: &mut Vec<MaybeUninit<Entry<K, V>>>,
) -> State {
    let len = out.len();
    for _ in 0..PATIENCE {
        // SAFETY: by the caller.
        let (head, attempt) = unsafe { (table.bucket(number), copy_all(table, number, out)) };
        if matches!(attempt, Attempt::Done(())) {
            return State::Open;
        }
        out.truncate(len);
        match attempt {
            Attempt::Special(header) if header & LOCKED == 0 => return state(header),
            // SAFETY: as above.
            _ => unsafe { &*head }.header().wait(),
        }
    }
    // SAFETY: by the caller.
    let chain = unsafe { Chain::lock(table, number) };
    chain.for_each(|key, value| out.push(MaybeUninit::new(Entry { key: *key, value: *value })));
    chain.state()
}
