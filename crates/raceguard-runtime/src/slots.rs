//! Slots: the positions of goroutines in vector clocks.
//!
//! A slot outlives its goroutine, because records of the dead still lie in shadow memory and must stay
//! comparable. It is given to a new goroutine only when the starter knows the last epoch of its previous owner:
//! then everything the dead goroutine did happens before everything the new one does, and the two may share a
//! position in every clock as if they were one thread. Goroutines that nobody joined keep their slot.

use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::clock::Clock;
use crate::lock::SpinLock;
use crate::record::{MAX_CLOCK, MAX_SLOTS};
use crate::{memory, reclaim, sys};

/// How many dead slots a new goroutine tries before it takes a fresh one.
const PROBES: usize = 4;
/// How many past owners of a slot are remembered one by one; of older ones only where they were started.
const HISTORY: u32 = 4096;

/// What is known of a slot beside the clocks. Each has a cache line of its own: owners publish all the time.
#[repr(C, align(64))]
struct Slot {
    /// Clock of the last epoch in which the dead owner accessed anything; [`LIVE`] while the owner lives.
    last: AtomicU32,
    /// Clock of the last epoch that the owner released to anybody.
    published: AtomicU32,
    /// The newest [`Goroutine::learn_everything`](crate::goroutine::Goroutine::learn_everything) that an owner has seen
    /// when it began an epoch, and the clock of the latest epoch before that one.
    step: AtomicU32,
    before_step: AtomicU32,
    /// First clock and number of the present (or last) owner.
    owner: Owner,
    /// Owners before that, oldest first.
    past: *mut Owner,
    past_len: u32,
    past_capacity: u32,
}

/// Who a goroutine is, in reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Identity {
    /// Its number, [`Identity::FORGOTTEN`] if that is not known any more.
    pub number: u32,
    /// Where it was started, see [`crate::context::spawn`].
    pub spawn: u32,
}

impl Identity {
    /// The number of goroutines that are remembered by where they were started only.
    pub const FORGOTTEN: u32 = u32::MAX;
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Owner {
    first: u32,
    identity: Identity,
}

const LIVE: u32 = u32::MAX;
/// How far behind the last epoch with accesses the slot's next owner begins. The dead owner may have been in one more,
/// which a finalizer then knows though nobody else ever will: as the next owner's it would seem to know that one's start.
const HEIR: u32 = 2;
/// Slots whose owners ended later than this have no epochs left for another one.
const MAX_LAST: u32 = MAX_CLOCK - 2 * HEIR;
const _: () = assert!(size_of::<Slot>() == 64 && size_of::<Owner>() == 12);

/// Dead slots, oldest first, in a ring of a power of two; and the table.
struct Table {
    slots: *mut Slot,
    fresh: u32,
    ring: *mut u32,
    capacity: usize,
    head: usize,
    len: usize,
    /// The head of a list of slots that anybody can have, linked through `published`; 0 for none, else slot + 1.
    free: u32,
}

// SAFETY: the table is behind a lock; the atomics of its entries are shared through `entry`.
unsafe impl Send for Table {}

static TABLE: SpinLock<Table> = SpinLock::new(Table {
    slots: core::ptr::null_mut(),
    fresh: 0,
    ring: core::ptr::null_mut(),
    capacity: 0,
    head: 0,
    len: 0,
    free: 0,
});
static ENTRIES: AtomicPtr<Slot> = AtomicPtr::new(core::ptr::null_mut());

/// A slot and the first clock of its new owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The slot.
    pub slot: u32,
    /// The new owner's first clock.
    pub clock: u32,
}

/// Reserves the table. Called once.
pub fn init() {
    let mut table = TABLE.lock();
    if table.slots.is_null() {
        let at = sys::map(MAX_SLOTS as usize * size_of::<Slot>());
        if at == 0 {
            sys::fatal(
                "cannot reserve address space for goroutines",
                "lift the limit on address space (ulimit -v)",
            );
        }
        table.slots = at as *mut Slot;
        // ORDERING: Release pairs with the Acquire in `entry`.
        ENTRIES.store(table.slots, Ordering::Release);
    }
}

/// The two atomics of an entry, without the lock.
#[inline]
fn entry(slot: u32) -> (&'static AtomicU32, &'static AtomicU32) {
    // SAFETY: the table has MAX_SLOTS zeroed entries and is never unmapped; slots come from `claim`. Only the
    // atomic fields are borrowed.
    unsafe {
        let at = ENTRIES.load(Ordering::Acquire).add(slot as usize);
        (&(*at).last, &(*at).published)
    }
}

/// Finds a slot for the goroutine `identity`, started by somebody who knows `clock` and, of its own slot
/// `parent`, everything.
///
/// `step` is the newest [`for_each_epoch_before`] that the goroutine begins after.
pub fn claim(identity: Identity, clock: &Clock, parent: u32, step: u32) -> Claim {
    let mut table = TABLE.lock();
    if let Some(free) = table.pop_free() {
        let last = entry(free).0.load(Ordering::Relaxed);
        return table.take(free, last + HEIR, identity, step);
    }
    if table.fresh >= reclaim::next_search() {
        let taken = table.fresh;
        drop(table);
        reclaim::search(taken);
        table = TABLE.lock();
    }
    for _ in 0..PROBES.min(table.len) {
        let candidate = table.pop();
        let last = entry(candidate).0.load(Ordering::Relaxed);
        if last <= MAX_LAST && (candidate == parent || clock.get(candidate) >= last) {
            return table.take(candidate, last + HEIR, identity, step);
        }
        table.push(candidate);
    }
    let fresh = table.fresh;
    if fresh >= MAX_SLOTS {
        sys::fatal(
            "more than 4,194,303 goroutines are alive or ended without being waited for",
            "split the test, or wait for goroutines (WaitGroup, errgroup) so that their slots can be used again",
        );
    }
    table.fresh += 1;
    table.take(fresh, 1, identity, step)
}

impl Table {
    fn take(&mut self, index: u32, clock: u32, identity: Identity, step: u32) -> Claim {
        // SAFETY: in range, and the non-atomic fields are touched only under the table's lock, which is held.
        let slot = unsafe { &mut *self.slots.add(index as usize) };
        if clock > 1 {
            slot.remember();
        }
        slot.owner = Owner { first: clock, identity };
        // SAFETY: the entry is at hand.
        unsafe { Slot::see_step(slot, clock - 1, step) };
        slot.published.store(clock - 1, Ordering::Release);
        slot.last.store(LIVE, Ordering::Release);
        Claim { slot: index, clock }
    }

    fn pop_free(&mut self) -> Option<u32> {
        let slot = self.free.checked_sub(1)?;
        self.free = entry(slot).1.load(Ordering::Relaxed);
        Some(slot)
    }

    fn pop(&mut self) -> u32 {
        // SAFETY: the ring has `capacity` entries and `len` > 0 of them are set.
        let slot = unsafe { *self.ring.add(self.head) };
        self.head = (self.head + 1) & (self.capacity - 1);
        self.len -= 1;
        slot
    }

    fn push(&mut self, slot: u32) {
        if self.len == self.capacity {
            self.grow();
        }
        // SAFETY: there is room for one more.
        unsafe { *self.ring.add((self.head + self.len) & (self.capacity - 1)) = slot };
        self.len += 1;
    }

    fn grow(&mut self) {
        let capacity = (self.capacity * 2).max(64);
        let ring = memory::allocate(4 * capacity).as_ptr().cast::<u32>();
        for i in 0..self.len {
            // SAFETY: both rings have room for `len` entries.
            unsafe { *ring.add(i) = *self.ring.add((self.head + i) & (self.capacity - 1)) };
        }
        if let Some(old) = NonNull::new(self.ring) {
            // SAFETY: the old ring was allocated with its capacity and is not used any more.
            unsafe { memory::free(old.cast(), 4 * self.capacity) };
        }
        (self.ring, self.capacity, self.head) = (ring, capacity, 0);
    }
}

impl Slot {
    /// The epochs after `clock` begin after `step`, unless the owner before has seen that step already.
    ///
    /// # Safety
    /// `slot` is an entry of the table.
    unsafe fn see_step(slot: *const Self, clock: u32, step: u32) {
        // SAFETY: the caller vouches for the entry; only atomic fields are borrowed.
        let (seen, before) = unsafe { (&(*slot).step, &(*slot).before_step) };
        if seen.load(Ordering::Relaxed) < step {
            before.store(clock, Ordering::Relaxed);
            // ORDERING: Release, and before the epoch is published: see `for_each_epoch_before`.
            seen.store(step, Ordering::Release);
        }
    }

    /// Moves the present owner to the past ones.
    fn remember(&mut self) {
        if self.past_len == self.past_capacity {
            if self.past_capacity == HISTORY {
                self.condense();
            } else {
                self.grow_past((self.past_capacity * 2).clamp(4, HISTORY));
            }
        }
        // SAFETY: there is room for one more.
        unsafe { *self.past.add(self.past_len as usize) = self.owner };
        self.past_len += 1;
    }

    fn grow_past(&mut self, capacity: u32) {
        let new = memory::allocate(size_of::<Owner>() * capacity as usize).as_ptr().cast::<Owner>();
        if let Some(old) = NonNull::new(self.past) {
            // SAFETY: the new block is larger; the old one was allocated with its capacity.
            unsafe {
                new.copy_from_nonoverlapping(self.past, self.past_len as usize);
                memory::free(old.cast(), size_of::<Owner>() * self.past_capacity as usize);
            }
        }
        (self.past, self.past_capacity) = (new, capacity);
    }

    /// Of the older half of the past owners forgets the numbers: those that follow each other and were started at the
    /// same place become one. If that is not enough the oldest are forgotten.
    fn condense(&mut self) {
        // SAFETY: `past_len` owners are set.
        let past = unsafe { core::slice::from_raw_parts_mut(self.past, self.past_len as usize) };
        let half = past.len() / 2;
        let mut kept = 0;
        for index in 0..half {
            let mut owner = past[index];
            owner.identity.number = Identity::FORGOTTEN;
            if kept == 0 || past[kept - 1].identity.spawn != owner.identity.spawn {
                past[kept] = owner;
                kept += 1;
            }
        }
        let kept_from = kept.saturating_sub(half / 2);
        past.copy_within(kept_from..kept, 0);
        let kept = kept - kept_from;
        past.copy_within(half.., kept);
        self.past_len = (kept + past.len() - half) as u32;
    }
}

/// The owner of `slot` ended; `last` is the clock of the last epoch in which it accessed anything.
pub fn release(slot: u32, last: u32) {
    let mut table = TABLE.lock();
    entry(slot).0.store(last, Ordering::Release);
    table.push(slot);
}

/// The owner of `slot` released its epoch `clock` to somebody.
#[inline]
pub fn publish(slot: u32, clock: u32) {
    // ORDERING: Release, see `for_each_epoch_before`.
    entry(slot).1.store(clock, Ordering::Release);
}

/// The owner of `slot` begins an epoch after its epoch `clock`, and sees `step` for the first time.
pub fn note_step(slot: u32, clock: u32, step: u32) {
    // SAFETY: as in `entry`.
    unsafe { Slot::see_step(ENTRIES.load(Ordering::Acquire).add(slot as usize), clock, step) };
}

/// Takes the slots of all ended goroutines out of circulation, to look for what refers to them.
pub fn take_dead() -> Vec<u32> {
    let mut table = TABLE.lock();
    (0..table.len).map(|_| table.pop()).collect()
}

/// Puts slots back: those that are `used` wait for an heir who knows their end, the others are for anybody.
pub fn give_back(used: &[u32], unused: &[u32]) {
    let mut table = TABLE.lock();
    for &slot in used {
        table.push(slot);
    }
    for &slot in unused {
        if entry(slot).0.load(Ordering::Relaxed) <= MAX_LAST {
            // The list goes through a field that means nothing between two owners.
            entry(slot).1.store(table.free, Ordering::Relaxed);
            table.free = slot + 1;
        }
    }
}

/// Calls `action` with every slot and the clock of the latest epoch that began before `step`.
pub fn for_each_epoch_before(step: u32, mut action: impl FnMut(u32, u32)) {
    let fresh = TABLE.lock().fresh;
    for index in 0..fresh {
        let (last, published) = entry(index);
        // ORDERING: Acquire, in this order: an epoch that began after the step was published after the step was noted.
        let last = last.load(Ordering::Acquire);
        let latest = if last == LIVE { published.load(Ordering::Acquire) + 1 } else { last };
        // SAFETY: as in `entry`; only atomic fields are borrowed.
        let (seen, before) = unsafe {
            let slot = ENTRIES.load(Ordering::Acquire).add(index as usize);
            (&(*slot).step, &(*slot).before_step)
        };
        let began_after = seen.load(Ordering::Acquire) >= step;
        action(index, if began_after { latest.min(before.load(Ordering::Relaxed)) } else { latest });
    }
}

/// Whether nobody can ever come to know the epoch `clock` of `slot`: its goroutine ended without releasing it. An
/// access of such an epoch is concurrent with everything that does not know it already, for ever.
pub fn is_orphan(slot: u32, clock: u32) -> bool {
    let (last, published) = entry(slot);
    last.load(Ordering::Relaxed) != LIVE && clock > published.load(Ordering::Relaxed)
}

/// The goroutine that had `slot` at `clock`, and whether it has ended. `None` when too many others have had the slot
/// since.
pub fn owner(slot: u32, clock: u32) -> (Option<Identity>, bool) {
    let table = TABLE.lock();
    // SAFETY: in range, and the lock is held.
    let slot = unsafe { &*table.slots.add(slot as usize) };
    if clock >= slot.owner.first {
        return (Some(slot.owner.identity), slot.last.load(Ordering::Relaxed) != LIVE);
    }
    let past: &[Owner] = match NonNull::new(slot.past) {
        // SAFETY: `past_len` owners are set.
        Some(past) => unsafe { core::slice::from_raw_parts(past.as_ptr(), slot.past_len as usize) },
        None => &[],
    };
    (past.iter().rev().find(|owner| clock >= owner.first).map(|owner| owner.identity), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(number: u32) -> Identity {
        Identity { number, spawn: number % 7 }
    }

    #[test]
    fn of_very_many_owners_the_old_ones_are_known_by_where_they_were_started() {
        let mut slot = Slot {
            last: AtomicU32::new(0),
            published: AtomicU32::new(0),
            step: AtomicU32::new(0),
            before_step: AtomicU32::new(0),
            owner: Owner { first: 1, identity: who(0) },
            past: core::ptr::null_mut(),
            past_len: 0,
            past_capacity: 0,
        };
        for number in 1..100_000 {
            slot.remember();
            slot.owner = Owner { first: number + 1, identity: Identity { number, spawn: number / 5000 } };
        }
        assert!(slot.past_capacity <= HISTORY);
        // SAFETY: as many owners are set.
        let past = unsafe { core::slice::from_raw_parts(slot.past, slot.past_len as usize) };
        assert!(past.windows(2).all(|pair| pair[0].first < pair[1].first));
        let at = |clock| past.iter().rev().find(|owner| clock >= owner.first).unwrap().identity;
        assert_eq!(at(99_990), Identity { number: 99_989, spawn: 19 });
        assert_eq!(at(7001), Identity { number: Identity::FORGOTTEN, spawn: 1 });
    }

    #[test]
    fn a_slot_is_reused_only_by_those_who_know_its_end() {
        init();
        let mut knows = Clock::new();
        let first = claim(who(1_000_001), &knows, u32::MAX, 0);
        release(first.slot, first.clock + 9);
        let stranger = claim(who(1_000_002), &knows, u32::MAX, 0);
        assert_ne!(stranger.slot, first.slot);
        knows.raise(first.slot, first.clock + 9);
        let mut heirs = Vec::new();
        // Other tests share the queue: a few claims may be needed until ours comes up.
        while heirs.len() < 20_000 && !heirs.iter().any(|heir: &Claim| heir.slot == first.slot) {
            heirs.push(claim(who(1_000_003), &knows, u32::MAX, 0));
        }
        let heir = heirs.last().unwrap();
        assert_eq!(*heir, Claim { slot: first.slot, clock: first.clock + 9 + HEIR });
        assert_eq!(owner(first.slot, first.clock + 3), (Some(who(1_000_001)), true));
        assert_eq!(owner(first.slot, heir.clock), (Some(who(1_000_003)), false));
    }

    #[test]
    fn epochs_that_began_after_a_step_are_not_learned_by_it() {
        init();
        let step = u32::MAX - 1;
        let known = |slot: u32| {
            let mut found = None;
            for_each_epoch_before(step, |index, clock| {
                found = if index == slot { Some(clock) } else { found }
            });
            found.unwrap()
        };
        let old = claim(who(1_000_020), &Clock::new(), u32::MAX, 0);
        publish(old.slot, old.clock + 2);
        assert_eq!(known(old.slot), old.clock + 3, "the epoch it is in");
        note_step(old.slot, old.clock + 3, step);
        publish(old.slot, old.clock + 3);
        assert_eq!(known(old.slot), old.clock + 3, "not the next one");
        release(old.slot, old.clock + 4);
        assert_eq!(known(old.slot), old.clock + 3, "nor the last one");
        let new = claim(who(1_000_021), &Clock::new(), u32::MAX, step);
        assert_eq!(known(new.slot), new.clock - 1, "started since");
    }

    #[test]
    fn of_an_owner_s_past_a_step_keeps_what_the_next_owner_follows() {
        init();
        let step = u32::MAX - 1;
        let mut knows = Clock::new();
        let old = claim(who(1_000_030), &Clock::new(), u32::MAX, 0);
        note_step(old.slot, old.clock + 1, step);
        publish(old.slot, old.clock + 2);
        release(old.slot, old.clock + 2);
        knows.raise(old.slot, old.clock + 2);
        let new = (0..20_000).map(|_| claim(who(1_000_031), &knows, u32::MAX, step));
        assert!(new.into_iter().any(|new| new.slot == old.slot));
        for_each_epoch_before(step, |slot, clock| {
            assert!(slot != old.slot || clock == old.clock + 1, "not what the owner learned after the step");
        });
    }

    #[test]
    fn an_epoch_that_was_never_released_is_an_orphan_after_the_end() {
        init();
        let claim = claim(who(1_000_010), &Clock::new(), u32::MAX, 0);
        publish(claim.slot, claim.clock);
        assert!(!is_orphan(claim.slot, claim.clock + 1), "still alive");
        release(claim.slot, claim.clock + 1);
        assert!(is_orphan(claim.slot, claim.clock + 1) && !is_orphan(claim.slot, claim.clock));
    }
}
