//! A bucket with its overflow buckets, under its lock: [`Chain`].
//!
//! The head is full where there are overflow buckets, and of those all but the first are full: a removal fills the hole
//! from the first one. So insertion and removal touch two buckets at most, and a chain is as short as it can be.

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use super::header::{CHAINED, CLOSED, Head, MOVED, SPECIAL};
use super::shape::{Entry, Shape};
use super::table::Root;
use super::words;
use crate::raw::sync::atomic::Ordering;

/// The entries of one bucket, owned by this thread. Dropping it unlocks the bucket, also when a panic passes.
#[derive(Debug)]
pub(super) struct Chain<'t, K, V> {
    table: Root<K, V>,
    head: &'t Head,
    number: usize,
    /// The head's header while the bucket is locked: flags are changed here.
    header: usize,
    /// An insertion made the chain longer.
    overflowed: bool,
}

/// Where an entry lies. Good until the chain is changed.
#[derive(Debug)]
pub(super) struct Place<K, V> {
    bucket: NonNull<Head>,
    lane: usize,
    entry: NonNull<Entry<K, V>>,
}

/// What a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The entries are here.
    Open,
    /// They are in the next table.
    Moved,
    /// The map was closed.
    Closed,
}

/// What the special bits of a header say; not for a locked one.
#[inline]
pub(super) fn state(header: usize) -> State {
    if header & SPECIAL == 0 {
        State::Open
    } else if header & MOVED != 0 {
        State::Moved
    } else {
        State::Closed
    }
}

// Places are good for the chain that gave them: methods that use one borrow it.
#[allow(clippy::unused_self)]
impl<K, V> Chain<'_, K, V> {
    /// Locks the bucket with this number.
    ///
    /// # Safety
    ///
    /// The table lives for `'t`, and `number` is one of its buckets.
    #[inline]
    pub(super) unsafe fn lock(table: Root<K, V>, number: usize) -> Self {
        // SAFETY: by the caller.
        let head = unsafe { &*table.bucket(number) };
        let header = head.header().lock();
        Self { table, head, number, header, overflowed: false }
    }

    #[inline]
    pub(super) fn state(&self) -> State {
        state(self.header)
    }

    /// Whether an insertion made the chain longer.
    #[inline]
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed
    }

    #[inline]
    pub(super) fn table(&self) -> Root<K, V> {
        self.table
    }

    /// As `find`, where it takes no more than a look at one slot of the bucket itself. `None` shows nothing.
    #[inline]
    pub(super) fn glance(&self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<Place<K, V>> {
        let bucket = ptr::from_ref(self.head).cast_mut();
        // SAFETY: a bucket of this shape. Where the header is special, there are no tags.
        let (lane, entry) =
            unsafe { Shape::<K, V>::first_slot(bucket, self.head.tags(), Shape::<K, V>::tag(hash)) }?;
        // SAFETY: the tag says that the slot holds an entry, and we have the lock.
        is_it(unsafe { &entry.as_ref().key }).then(|| Place { bucket: self.head.into(), lane, entry })
    }

    /// The entry with this hash for whose key `is_it` holds.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<Place<K, V>> {
        let tag = Shape::<K, V>::tag(hash);
        self.buckets().find_map(|(bucket, tags)| Self::find_in(bucket, tags, tag, &is_it))
    }

    #[inline]
    fn find_in(bucket: *mut Head, tags: u64, tag: u64, is_it: &impl Fn(&K) -> bool) -> Option<Place<K, V>> {
        for lane in Shape::<K, V>::matching(tags, tag) {
            let place = Self::place(bucket, lane);
            // SAFETY: the tag says that the slot holds an entry, and we have the lock.
            if is_it(unsafe { &(*place.entry.as_ptr()).key }) {
                return Some(place);
            }
        }
        None
    }

    #[inline]
    fn place(bucket: *mut Head, lane: usize) -> Place<K, V> {
        // SAFETY: buckets of a chain are never null and have this many lanes.
        unsafe {
            let entry = NonNull::new_unchecked(Shape::<K, V>::slot(bucket, lane));
            Place { bucket: NonNull::new_unchecked(bucket), lane, entry }
        }
    }

    /// The first overflow bucket, or null.
    #[inline]
    fn first_overflow(&self) -> *mut Head {
        if self.header & CHAINED == 0 {
            return ptr::null_mut();
        }
        // SAFETY: the table lives for `'t`, and the number is that of a bucket.
        // ORDERING: Relaxed: written by owners of the lock alone.
        unsafe { self.table.overflow_of(self.number) }.load(Ordering::Relaxed)
    }

    /// Makes `first`, or none if it is null, the first overflow bucket.
    fn set_first_overflow(&mut self, first: *mut Head) {
        // SAFETY: as above.
        // ORDERING: Relaxed: as above; what a reader gets counts only if the header is then still the same.
        unsafe { self.table.overflow_of(self.number) }.store(first, Ordering::Relaxed);
        self.header = if first.is_null() { self.header & !CHAINED } else { self.header | CHAINED };
    }

    /// The buckets of the chain with their tags.
    #[inline]
    fn buckets(&self) -> impl Iterator<Item = (*mut Head, u64)> + use<K, V> {
        let mut at = ptr::from_ref(self.head).cast_mut();
        let mut first = Some(self.first_overflow());
        std::iter::from_fn(move || {
            // SAFETY: null, or a bucket of the chain, which lives as long as its table, for `'t` as `self`.
            let head = unsafe { at.as_ref() }?;
            let found = (at, head.tags());
            at = first.take().unwrap_or_else(|| head.next());
            Some(found)
        })
    }

    /// The key and value at `place`.
    #[inline]
    pub(super) fn entry(&self, place: &Place<K, V>) -> (&K, &V) {
        // SAFETY: a place of this chain holds an entry, which nobody changes while we have the lock.
        let entry = unsafe { place.entry.as_ref() };
        (&entry.key, &entry.value)
    }

    /// The value at `place`, to be changed where it lies.
    ///
    /// # Safety
    ///
    /// Nobody reads the entries of this map without their lock.
    #[inline]
    pub(super) unsafe fn value_mut(&mut self, place: &Place<K, V>) -> &mut V {
        // SAFETY: as in `entry`, and by the caller.
        unsafe { &mut (*place.entry.as_ptr()).value }
    }

    /// Puts `value` at `place` and returns the one that was there.
    #[inline]
    pub(super) fn replace(&mut self, place: &Place<K, V>, value: V) -> V {
        // SAFETY: the old value is moved out before the new one is written over it; readers without the lock go by
        // words.
        unsafe {
            let slot = &raw mut (*place.entry.as_ptr()).value;
            let old = slot.read();
            words::store(slot, &MaybeUninit::new(value));
            old
        }
    }

    /// Adds an entry whose key is not in the chain.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, key: K, value: V) {
        self.insert_tagged(Shape::<K, V>::tag(hash), Entry { key, value });
    }

    /// As `insert`, for an entry whose tag is known.
    #[inline]
    pub(super) fn insert_tagged(&mut self, tag: u64, entry: Entry<K, V>) {
        let entry = MaybeUninit::new(entry);
        let tags = self.head.tags();
        if let Some(lane) = Shape::<K, V>::empty(tags).next() {
            let place = Self::place(ptr::from_ref(self.head).cast_mut(), lane);
            // SAFETY: the slot is empty and ours.
            unsafe { words::store(place.entry.as_ptr(), &entry) };
            self.head.set_tags(Shape::<K, V>::with_tag(tags, lane, tag));
        } else {
            self.insert_overflowing(tag, &entry);
        }
    }

    #[cold]
    fn insert_overflowing(&mut self, tag: u64, entry: &MaybeUninit<Entry<K, V>>) {
        let first = self.first_overflow();
        let mut bucket = first;
        // SAFETY: null, or a bucket of this chain.
        let free = unsafe { bucket.as_ref() }.and_then(|head| Shape::<K, V>::empty(head.tags()).next());
        let lane = free.unwrap_or_else(|| {
            // SAFETY: the table lives for `'t`.
            bucket = unsafe { self.table.details().overflow.take() };
            // SAFETY: a bucket that is now ours.
            unsafe { (*bucket).set_next(first) };
            self.set_first_overflow(bucket);
            self.overflowed = true;
            0
        });
        let place = Self::place(bucket, lane);
        // SAFETY: the slot is empty and ours; the bucket is part of this chain.
        unsafe {
            words::store(place.entry.as_ptr(), entry);
            let head = &*bucket;
            head.set_tags(Shape::<K, V>::with_tag(head.tags(), lane, tag));
        }
    }

    /// Takes the entry at `place` out.
    #[inline]
    pub(super) fn remove(&mut self, place: &Place<K, V>) -> Entry<K, V> {
        // SAFETY: the place holds an entry; its tag goes below, or another entry is written over it.
        let removed = unsafe { place.entry.read() };
        let first = self.first_overflow();
        if first.is_null() {
            self.head.set_tags(Shape::<K, V>::without_tag(self.head.tags(), place.lane));
        } else {
            self.fill_hole(place, first);
        }
        removed
    }

    /// Puts an entry of the `first` overflow bucket into the slot at `hole`, which has just lost its own.
    #[cold]
    fn fill_hole(&mut self, hole: &Place<K, V>, first: *mut Head) {
        // SAFETY: an overflow bucket of this chain; it is not empty, and what its tags name are entries. The hole is in a
        // bucket of this chain, too.
        unsafe {
            let head = &*first;
            if hole.bucket.as_ptr() == first {
                head.set_tags(Shape::<K, V>::without_tag(head.tags(), hole.lane));
            } else {
                let Some(lane) = Shape::<K, V>::occupied(head.tags()).next() else {
                    unreachable!("an empty overflow bucket in a chain")
                };
                let moved = words::load(Shape::<K, V>::slot(first, lane));
                words::store(hole.entry.as_ptr(), &moved);
                let tag = Shape::<K, V>::tag_at(head.tags(), lane);
                let with_hole = Shape::<K, V>::without_tag(hole.bucket.as_ref().tags(), hole.lane);
                hole.bucket.as_ref().set_tags(Shape::<K, V>::with_tag(with_hole, hole.lane, tag));
                head.set_tags(Shape::<K, V>::without_tag(head.tags(), lane));
            }
            if head.tags() == 0 {
                self.set_first_overflow(head.next());
                self.table.details().overflow.give_back(first);
            }
        }
    }

    /// Calls `visit` with every entry.
    #[inline]
    pub(super) fn for_each(&self, mut visit: impl FnMut(&K, &V)) {
        let mut visit_all = |bucket, tags| {
            for lane in Shape::<K, V>::occupied(tags) {
                // SAFETY: the tag says that the slot holds an entry, and we have the lock.
                let entry = unsafe { &*Shape::<K, V>::slot(bucket, lane) };
                visit(&entry.key, &entry.value);
            }
        };
        visit_all(ptr::from_ref(self.head).cast_mut(), self.head.tags());
        if self.header & CHAINED != 0 {
            self.buckets().skip(1).for_each(|(bucket, tags)| visit_all(bucket, tags));
        }
    }

    /// Takes out the entries for which `keep` is false. They are in `removed` then, to be dropped without the lock. When
    /// `keep` panics, none is removed.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool, removed: &mut Vec<Entry<K, V>>) {
        let mut doomed = Doomed::default();
        for (bucket, tags) in self.buckets() {
            for lane in Shape::<K, V>::occupied(tags) {
                let place = Self::place(bucket, lane);
                let (key, value) = self.entry(&place);
                if !keep(key, value) {
                    doomed.push(place);
                }
            }
        }
        // Holes are filled from the first overflow bucket. In this order, what is in it is never doomed any more, unless
        // the hole is there too.
        let [in_head, overflowed] = doomed.split(self.head);
        for place in overflowed.iter().chain(in_head) {
            removed.push(self.remove(place));
        }
    }

    /// Moves all entries out, with their tags, to `out`, which must not panic. Overflow buckets go back to the table.
    pub(super) fn drain(&mut self, mut out: impl FnMut(u64, Entry<K, V>)) {
        for (bucket, tags) in self.buckets() {
            for lane in Shape::<K, V>::occupied(tags) {
                // SAFETY: the tag says that the slot holds an entry; the tags go below.
                let entry = unsafe { Shape::<K, V>::slot(bucket, lane).read() };
                out(Shape::<K, V>::tag_at(tags, lane), entry);
            }
        }
        self.head.set_tags(0);
        while let Some(first) = NonNull::new(self.first_overflow()) {
            // SAFETY: an overflow bucket of this chain, whose entries were moved out; the table lives.
            unsafe {
                self.set_first_overflow(first.as_ref().next());
                self.table.details().overflow.give_back(first.as_ptr());
            }
        }
    }

    /// Marks the bucket, now empty, as one whose entries are in the next table.
    pub(super) fn set_moved(&mut self) {
        self.header |= MOVED;
    }

    /// Marks the bucket, now empty, as one of a closed map.
    pub(super) fn set_closed(&mut self) {
        self.header |= CLOSED;
    }
}

/// The places of entries that `retain` removes, in the order of the chain.
struct Doomed<K, V>(Vec<Place<K, V>>);

impl<K, V> Default for Doomed<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K, V> Doomed<K, V> {
    fn push(&mut self, place: Place<K, V>) {
        self.0.push(place);
    }

    /// Those in the chain's head, and the others.
    fn split(&self, head: &Head) -> [&[Place<K, V>]; 2] {
        let in_head = self.0.iter().take_while(|place| ptr::eq(place.bucket.as_ptr(), head)).count();
        self.0.split_at(in_head).into()
    }
}

impl<K, V> Drop for Chain<'_, K, V> {
    #[inline]
    fn drop(&mut self) {
        self.head.header().unlock(self.header);
    }
}
