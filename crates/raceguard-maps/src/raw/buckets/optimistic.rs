//! Reading entries of `Copy` types without taking a lock.

use std::hash::{BuildHasher, Hash};
use std::mem::MaybeUninit;

use crate::error::MapError;
use crate::map::Lookup;
use crate::raw::reclaim;
use crate::raw::sync::atomic::Ordering;

use super::chain::{Chain, State, state};
use super::core::{Buckets, Closed, Copied};
use super::header::{Head, LOCKED, SPECIAL, prefetch};
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
    Special(u64),
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
        let (head, near) = unsafe { (table.bucket(number), table.near_overflow(number)) };
        prefetch(near);
        // SAFETY: as above.
        if let Some(value) = unsafe { glance(head, hash, |found| key.matches(found)) } {
            return Ok(Some(value));
        }
        // SAFETY: as above.
        if unsafe { is_absent::<K, V>(head, hash) } {
            return Ok(None);
        }
        Self::copy_carefully(guard, table, hash, key).map_err(|Closed| MapError::Closed)
    }

    #[cold]
    #[inline(never)]
    fn copy_pinned<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Result<Option<V>, Closed> {
        let guard = reclaim::pin();
        Self::copy_carefully(guard, self.root(), hash, key)
    }

    /// Looks at the whole chain, again where a writer was in the way, at last under the lock, and follows moved entries to
    /// their table.
    #[inline(never)]
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
                // SAFETY: a bucket of a table that lives.
                match unsafe { find(head, hash, is_it) } {
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
    let header = unsafe { &*head }.header();
    let before = header.read();
    // SAFETY: by the caller.
    let (_, slot) = unsafe { Shape::<K, V>::first_slot(head, before, Shape::<K, V>::tag(hash)) }?;
    // SAFETY: a slot of a bucket of a table that lives.
    let copy = unsafe { words::load(slot.as_ptr()) };
    if !header.is_still(before) {
        return None;
    }
    // SAFETY: nobody wrote between the two looks at the header, so the tags told the truth: the slot held an entry, and
    // the copy is whole. A header that is `SPECIAL` has no tags.
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
    let (header, next) = unsafe { ((*head).header(), &(*head).next) };
    let before = header.read();
    before & SPECIAL == 0
        && Shape::<K, V>::has_none(before, Shape::<K, V>::tag(hash))
        // ORDERING: Relaxed: counts only if the header is still the same.
        && next.load(Ordering::Relaxed).is_null()
        && header.is_still(before)
}

/// One attempt to copy the value of the entry for whose key `is_it` holds, from anywhere in the chain.
///
/// # Safety
///
/// `head` is a bucket of a table that lives.
unsafe fn find<K: Copy, V: Copy>(
    head: *mut Head,
    hash: u64,
    is_it: impl Fn(&K) -> bool,
) -> Attempt<Option<V>> {
    let tag = Shape::<K, V>::tag(hash);
    // SAFETY: by the caller.
    let header = unsafe { &*head }.header();
    let before = header.read();
    if before & SPECIAL != 0 {
        return Attempt::Special(before);
    }
    let mut bucket = head;
    let mut tags = before;
    loop {
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
        // SAFETY: buckets live as long as their table, also when they have left the chain.
        bucket = unsafe { &*bucket }.next();
        // Looked at for each bucket: only an unchanged chain is sure to have an end.
        if !header.is_still(before) {
            return Attempt::Disturbed;
        }
        // SAFETY: as above.
        match unsafe { bucket.as_ref() } {
            None => return Attempt::Done(None),
            Some(next) => tags = next.tags(),
        }
    }
}

/// One attempt to copy all entries of a chain to the end of `out`. Unless it is done, what is there then is of no use.
///
/// # Safety
///
/// `head` is a bucket of a table that lives.
#[inline]
unsafe fn copy_all<K: Copy, V: Copy>(
    head: *mut Head,
    out: &mut Vec<MaybeUninit<Entry<K, V>>>,
) -> Attempt<()> {
    // SAFETY: by the caller.
    let header = unsafe { &*head }.header();
    let before = header.read();
    if before & SPECIAL != 0 {
        return Attempt::Special(before);
    }
    let mut bucket = head;
    let mut tags = before;
    loop {
        out.reserve(Shape::<K, V>::SLOTS);
        for lane in 0..Shape::<K, V>::SLOTS {
            // Copies what is in every slot and keeps it if it is an entry: no branch that cannot be predicted.
            // SAFETY: a slot of a bucket of a table that lives; room was reserved, and what is there is possibly
            // uninitialized memory, which the type allows for.
            unsafe {
                out.spare_capacity_mut()[0].write(words::load(Shape::<K, V>::slot(bucket, lane)));
                out.set_len(out.len() + usize::from(Shape::<K, V>::is_occupied(tags, lane)));
            }
        }
        // SAFETY: buckets live as long as their table, also when they have left the chain.
        bucket = unsafe { &*bucket }.next();
        // Looked at for each bucket: only an unchanged chain is sure to have an end.
        if !header.is_still(before) {
            return Attempt::Disturbed;
        }
        // SAFETY: as above.
        match unsafe { bucket.as_ref() } {
            None => return Attempt::Done(()),
            Some(next) => tags = next.tags(),
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
        let head = unsafe { table.bucket(number) };
        // SAFETY: a bucket of a table that lives.
        let attempt = unsafe { copy_all(head, out) };
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
