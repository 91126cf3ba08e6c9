//! The epoch, and one slot per thread in which it says that it is pinned.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::compiler_fence;

use crossbeam_utils::CachePadded;

use super::fence::Fences;
use crate::raw::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering, fence};

/// How far the epoch must move from the stamp of a batch until nobody can hold what is in it.
pub(super) const GRACE: u64 = 3;

const FENCES_UNKNOWN: u8 = 0;
const FENCES_SYMMETRIC: u8 = 1;
const FENCES_ASYMMETRIC: u8 = 2;
#[cfg(all(test, raceguard_loom))]
const FENCES_NONE: u8 = 3;

/// What one thread tells the others. Owned by one thread at a time; never freed, but used again.
#[derive(Debug)]
pub(super) struct Slot {
    /// The epoch in which the owner pinned itself, 0 when it is not pinned.
    epoch: AtomicU64,
    /// The last epoch after whose sight the owner executed a full fence.
    fenced: AtomicU64,
    /// The epoch in which the owner need not execute a fence to pin itself, 0 for none. Set by the owner before the
    /// fence of its first pin in that epoch, revoked by an advance.
    quick: AtomicU64,
    /// Pins beyond the first one, plus [`TEMPORARY`]. Owner only.
    nested: Cell<usize>,
    taken: AtomicBool,
    /// Distinct for each slot of the domain, small.
    pub(super) index: usize,
    next: *const CachePadded<Slot>,
}

// SAFETY: the cells are used by the owner alone, and ownership passes through `taken` with acquire and release; `next`
// never changes after the slot was published.
unsafe impl Sync for Slot {}
// SAFETY: as above.
unsafe impl Send for Slot {}

/// Marks a slot that its thread gives back at the end of the outermost pin, because its thread-locals are gone.
const TEMPORARY: usize = 1 << (usize::BITS - 1);

/// The epoch and the slots. One per process, except in models.
#[derive(Debug)]
pub(super) struct Domain {
    clock: CachePadded<Clock>,
    slots: AtomicPtr<CachePadded<Slot>>,
    advancing: AtomicBool,
}

/// What every pin reads.
#[derive(Debug)]
struct Clock {
    /// Starts at 1; written by `try_advance` alone.
    epoch: AtomicU64,
    fences: AtomicU8,
}

impl Domain {
    #[cfg(not(raceguard_loom))]
    pub(super) const fn new() -> Self {
        Self {
            clock: CachePadded::new(Clock {
                epoch: AtomicU64::new(1),
                fences: AtomicU8::new(FENCES_UNKNOWN),
            }),
            slots: AtomicPtr::new(ptr::null_mut()),
            advancing: AtomicBool::new(false),
        }
    }

    #[cfg(raceguard_loom)]
    pub(super) fn new() -> Self {
        Self {
            clock: CachePadded::new(Clock {
                epoch: AtomicU64::new(1),
                fences: AtomicU8::new(FENCES_UNKNOWN),
            }),
            slots: AtomicPtr::new(ptr::null_mut()),
            advancing: AtomicBool::new(false),
        }
    }

    /// A domain that has nothing but the fences that active threads execute by themselves.
    #[cfg(all(test, raceguard_loom))]
    pub(super) fn without_heavy_fence() -> Self {
        let domain = Self::new();
        domain.clock.fences.store(FENCES_NONE, Ordering::SeqCst);
        domain
    }

    /// Settled before the first slot is handed out, so everyone who has a slot sees the same.
    #[inline]
    pub(super) fn fences(&self) -> Fences {
        // ORDERING: Relaxed: the value never changes once it is known, and who reads the initial one asks again.
        match self.clock.fences.load(Ordering::Relaxed) {
            FENCES_ASYMMETRIC => Fences::Asymmetric,
            FENCES_SYMMETRIC => Fences::Symmetric,
            #[cfg(all(test, raceguard_loom))]
            FENCES_NONE => Fences::None,
            _ => self.detect_fences(),
        }
    }

    #[cold]
    fn detect_fences(&self) -> Fences {
        let found = match Fences::detect() {
            Fences::Asymmetric => FENCES_ASYMMETRIC,
            Fences::Symmetric => FENCES_SYMMETRIC,
            #[cfg(all(test, raceguard_loom))]
            Fences::None => FENCES_NONE,
        };
        // Two threads may ask the kernel at once and, if it is out of memory, get different answers: the first counts.
        let _ =
            self.clock.fences.compare_exchange(FENCES_UNKNOWN, found, Ordering::Relaxed, Ordering::Relaxed);
        self.fences()
    }

    /// A slot that is this thread's until `release`.
    pub(super) fn acquire(&self) -> &CachePadded<Slot> {
        self.fences();
        let slot = self.reuse().unwrap_or_else(|| self.add());
        // ORDERING: Relaxed: as in `pin`, the word matters once this thread has executed its first fence.
        slot.quick.store(0, Ordering::Relaxed);
        slot
    }

    fn reuse(&self) -> Option<&CachePadded<Slot>> {
        self.slots().find(|slot| {
            // ORDERING: Acquire pairs with the Release in `release`: the cells are ours, as their last owner left them.
            !slot.taken.load(Ordering::Relaxed)
                && slot.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
        })
    }

    fn add(&self) -> &CachePadded<Slot> {
        // ORDERING: Acquire pairs with the Release below: the index of the slot that we read is there.
        let mut head = self.slots.load(Ordering::Acquire);
        let mut slot = Box::new(CachePadded::new(Slot {
            epoch: AtomicU64::new(0),
            fenced: AtomicU64::new(0),
            quick: AtomicU64::new(0),
            nested: Cell::new(0),
            taken: AtomicBool::new(true),
            index: 0,
            next: ptr::null(),
        }));
        loop {
            // SAFETY: slots are never freed.
            slot.index = unsafe { head.as_ref() }.map_or(0, |head| head.index + 1);
            slot.next = head;
            let new = Box::into_raw(slot);
            // ORDERING: Release publishes the slot's fields.
            match self.slots.compare_exchange(head, new, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: slots are never freed.
                Ok(_) => return unsafe { &*new },
                Err(newer) => {
                    head = newer;
                    // SAFETY: not published, so still ours.
                    slot = unsafe { Box::from_raw(new) };
                }
            }
        }
    }

    /// Gives a slot back that is not pinned.
    pub(super) fn release(slot: &Slot) {
        // ORDERING: Release pairs with the Acquire in `reuse`.
        slot.taken.store(false, Ordering::Release);
    }

    fn slots(&self) -> impl Iterator<Item = &CachePadded<Slot>> {
        // ORDERING: Acquire pairs with the Release in `add`.
        let mut at = self.slots.load(Ordering::Acquire).cast_const();
        std::iter::from_fn(move || {
            // SAFETY: slots are never freed, and `next` does not change after publication.
            let slot = unsafe { at.as_ref() }?;
            at = slot.next;
            Some(slot)
        })
    }

    /// # Safety
    ///
    /// The slot belongs to this domain and the calling thread owns it.
    #[inline]
    pub(super) unsafe fn pin(&self, slot: &Slot) {
        // ORDERING: Relaxed: only this thread writes it.
        if slot.epoch.load(Ordering::Relaxed) != 0 {
            slot.nested.set(slot.nested.get() + 1);
            return;
        }
        // ORDERING: Acquire pairs with the Release in `try_advance`: what was unlinked before the fence of an advance
        // is seen as unlinked by a pin in the epoch that follows it.
        let epoch = self.clock.epoch.load(Ordering::Acquire);
        // ORDERING: Relaxed: ordered before the reads of the pinned section, and before the load of `quick`, by a fence:
        // the one of `first_pin`, or the heavy one of the advance that revokes `quick`.
        slot.epoch.store(epoch, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        if slot.quick.load(Ordering::Relaxed) != epoch {
            self.first_pin(slot, epoch);
        }
        compiler_fence(Ordering::SeqCst);
    }

    /// Whether the thread is now pinned, and was not before.
    ///
    /// # Safety
    ///
    /// As for `pin`.
    #[inline]
    pub(super) unsafe fn pin_quickly(&self, slot: &Slot) -> bool {
        // ORDERING: all as in `pin`.
        if slot.epoch.load(Ordering::Relaxed) != 0 {
            return false;
        }
        let epoch = self.clock.epoch.load(Ordering::Acquire);
        slot.epoch.store(epoch, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        if slot.quick.load(Ordering::Relaxed) != epoch {
            // ORDERING: Release: as in `unpin`, though nothing was read.
            slot.epoch.store(0, Ordering::Release);
            return false;
        }
        compiler_fence(Ordering::SeqCst);
        true
    }

    /// The first pin in each epoch executes a full fence and says so. Where there is no heavy fence, every pin does.
    #[cold]
    fn first_pin(&self, slot: &Slot, epoch: u64) {
        if self.fences() != Fences::Symmetric {
            // ORDERING: Relaxed: before the fence, so that who does not see this word executed its fence before ours.
            slot.quick.store(epoch, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        // ORDERING: Release pairs with the Acquire in `stragglers`: who sees this also sees our slot as it was at the
        // fence.
        slot.fenced.store(epoch, Ordering::Release);
    }

    /// # Safety
    ///
    /// As for `pin`, which this ends.
    #[inline]
    pub(super) unsafe fn unpin(slot: &Slot) {
        if slot.nested.get() == 0 {
            // ORDERING: Release pairs with the Acquire in `stragglers`: our reads are over before anything is freed.
            slot.epoch.store(0, Ordering::Release);
        } else {
            Self::unpin_nested(slot);
        }
    }

    #[cold]
    fn unpin_nested(slot: &Slot) {
        if slot.nested.get() == TEMPORARY {
            slot.nested.set(0);
            // ORDERING: as in `unpin`.
            slot.epoch.store(0, Ordering::Release);
            let _ = SLOT.try_with(|current| current.set(ptr::null()));
            Self::release(slot);
        } else {
            slot.nested.set(slot.nested.get() - 1);
        }
    }

    /// The epoch with which a batch is stamped whose contents the caller has unlinked.
    pub(super) fn stamp(&self) -> u64 {
        // ORDERING: the fence orders the unlinking before the load; it pairs with the fence of each later advance.
        fence(Ordering::SeqCst);
        self.clock.epoch.load(Ordering::Relaxed)
    }

    /// Whether the grace period of a batch with this stamp is over.
    pub(super) fn is_over(&self, stamp: u64) -> bool {
        // ORDERING: Acquire pairs with the Release in `try_advance`, which has seen the pins end.
        self.clock.epoch.load(Ordering::Acquire) >= stamp + GRACE
    }

    /// Moves the epoch on by one if no thread is pinned in an older one. `urgent` says whether that is worth a
    /// `membarrier` when some threads have not passed a fence of their own in this epoch.
    pub(super) fn try_advance(&self, urgent: bool) -> bool {
        // ORDERING: Acquire and the Release below: one at a time, in order.
        if self.advancing.load(Ordering::Relaxed) || self.advancing.swap(true, Ordering::Acquire) {
            return false;
        }
        let Some(advanced) = self.advance(urgent) else {
            // The kernel refused the heavy fence after it had agreed to it. Some slots look revoked and are not: nothing
            // may be freed from now on.
            return false;
        };
        self.advancing.store(false, Ordering::Release);
        advanced
    }

    /// `None` if a heavy fence failed.
    fn advance(&self, urgent: bool) -> Option<bool> {
        // ORDERING: Acquire pairs with the Release of the advance before.
        let epoch = self.clock.epoch.load(Ordering::Acquire);
        // ORDERING: full fence: pairs with the one of `stamp` (a batch stamped with an older epoch is unlinked for
        // whoever acquires the next epoch) and with the ones of the pins.
        fence(Ordering::SeqCst);
        let mut stragglers = self.stragglers(epoch);
        if stragglers == Stragglers::Unfenced && urgent {
            self.revoke(epoch);
            if !self.fences().heavy() {
                return None;
            }
            stragglers = self.stragglers(epoch);
        }
        if stragglers != Stragglers::None {
            return Some(false);
        }
        // ORDERING: Release pairs with the Acquire in `pin` and `is_over`.
        self.clock.epoch.store(epoch + 1, Ordering::Release);
        Some(true)
    }

    /// Makes the owners of slots that have not passed a fence in this epoch execute one when they pin themselves next:
    /// once a heavy fence was executed, which the caller does.
    fn revoke(&self, epoch: u64) {
        for slot in self.slots() {
            // ORDERING: Relaxed: only a hint, a fence too many does no harm.
            if slot.fenced.load(Ordering::Relaxed) < epoch {
                // ORDERING: Relaxed: the heavy fence follows, and pairs with the light one between the owner's store of
                // its epoch and its load of this word.
                slot.quick.store(0, Ordering::Relaxed);
            }
        }
    }

    fn stragglers(&self, epoch: u64) -> Stragglers {
        let mut found = Stragglers::None;
        for slot in self.slots() {
            // ORDERING: Acquire pairs with the Release in `release`. Who takes the slot after this load executes a fence
            // in its first pin, after the one of `advance`, and so reaches nothing that was unlinked before.
            if !slot.taken.load(Ordering::Acquire) {
                continue;
            }
            // ORDERING: Acquire pairs with the Release in `first_pin`: the load of the slot's epoch below sees what the
            // owner wrote before that fence. It has to come first.
            let fenced = slot.fenced.load(Ordering::Acquire) >= epoch;
            // ORDERING: Relaxed: ordered by the fence of `advance`, which pairs with the one in `first_pin`.
            let revoked = slot.quick.load(Ordering::Relaxed) == 0;
            // ORDERING: Acquire pairs with the Release in `unpin`.
            let pinned = slot.epoch.load(Ordering::Acquire);
            if pinned != 0 && pinned != epoch {
                return Stragglers::Pinned;
            }
            if !fenced && !revoked {
                found = Stragglers::Unfenced;
            }
        }
        found
    }
}

/// Who stands in the way of the next epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stragglers {
    None,
    /// A thread has not executed a fence in this epoch: what its slot shows may be out of date.
    Unfenced,
    /// A thread is pinned in an older epoch.
    Pinned,
}

/// While it lives, nothing is freed that could be reached when it was made.
#[derive(Debug)]
pub(crate) struct Guard {
    slot: &'static CachePadded<Slot>,
    /// The slot belongs to this thread.
    _not_send: PhantomData<*const ()>,
}

/// Pins the calling thread. Costs a few plain loads and stores; nests.
#[inline]
pub(crate) fn pin() -> Guard {
    let slot = SLOT.with(Cell::get);
    // SAFETY: null, or the slot that this thread owns; slots are never freed.
    let slot = match unsafe { slot.as_ref() } {
        Some(slot) => slot,
        None => first_slot(),
    };
    // SAFETY: this thread owns the slot.
    unsafe { domain().pin(slot) };
    Guard { slot, _not_send: PhantomData }
}

/// As [`Guard`], for a thread that was not pinned before.
#[derive(Debug)]
pub(crate) struct QuickGuard {
    slot: &'static CachePadded<Slot>,
    _not_send: PhantomData<*const ()>,
}

/// Pins the calling thread if that takes a few plain loads and stores and nothing else: not the first time in an epoch,
/// nor if the thread is pinned already. For operations so short that what [`pin`] may have to do beyond that would cost
/// them registers; where this returns `None`, they go another way, which calls `pin`.
#[inline]
pub(crate) fn pin_quickly() -> Option<QuickGuard> {
    let slot = SLOT.with(Cell::get);
    // SAFETY: null, or the slot that this thread owns; slots are never freed.
    let slot = unsafe { slot.as_ref() }?;
    // SAFETY: this thread owns the slot.
    unsafe { domain().pin_quickly(slot) }.then(|| QuickGuard { slot, _not_send: PhantomData })
}

impl QuickGuard {
    /// As [`Guard::index`].
    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.slot.index
    }
}

impl Drop for QuickGuard {
    #[inline]
    fn drop(&mut self) {
        // Pins that began later have ended: `nested` is as it was, and not `TEMPORARY`, or there would have been no slot.
        // ORDERING: as in `unpin`.
        self.slot.epoch.store(0, Ordering::Release);
    }
}

impl Guard {
    /// Distinct among the threads that live at the same time, small.
    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.slot.index
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `pin` pinned this thread's slot, and a guard does not leave its thread.
        unsafe { Domain::unpin(self.slot) };
    }
}

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
mod globals {
    use super::{Cell, Domain, Release, SlotPointer, ptr};

    static DOMAIN: Domain = Domain::new();

    #[inline]
    pub(in super::super) fn domain() -> &'static Domain {
        &DOMAIN
    }

    thread_local! {
        pub(super) static SLOT: SlotPointer = const { Cell::new(ptr::null()) };
        pub(super) static RELEASE: Release = const { Release };
    }
}

#[cfg(raceguard_shuttle)]
mod globals {
    use super::{Cell, Domain, Release, SlotPointer, ptr};

    shuttle::lazy_static! {
        static ref DOMAIN: Domain = Domain::new();
    }

    pub(in super::super) fn domain() -> &'static Domain {
        &DOMAIN
    }

    shuttle::thread_local! {
        pub(super) static SLOT: SlotPointer = Cell::new(ptr::null());
        pub(super) static RELEASE: Release = Release;
    }
}

#[cfg(raceguard_loom)]
mod globals {
    use super::{Cell, Domain, Release, SlotPointer, ptr};

    loom::lazy_static! {
        static ref DOMAIN: Domain = Domain::new();
    }

    pub(in super::super) fn domain() -> &'static Domain {
        &DOMAIN
    }

    loom::thread_local! {
        pub(super) static SLOT: SlotPointer = Cell::new(ptr::null());
        pub(super) static RELEASE: Release = Release;
    }
}

pub(super) use globals::domain;
use globals::{RELEASE, SLOT};

type SlotPointer = Cell<*const CachePadded<Slot>>;

/// Gives the thread's slot back when the thread ends.
struct Release;

impl Drop for Release {
    fn drop(&mut self) {
        let _ = SLOT.try_with(|slot| {
            let owned = slot.replace(ptr::null());
            // SAFETY: null, or the slot that this thread owns.
            if let Some(owned) = unsafe { owned.as_ref() } {
                Domain::release(owned);
            }
        });
    }
}

/// Takes a slot for a thread that has none: for as long as it runs or, when its thread-locals are being destroyed, for
/// the outermost pin.
#[cold]
fn first_slot() -> &'static CachePadded<Slot> {
    let slot = domain().acquire();
    if RELEASE.try_with(|_| ()).is_err() {
        slot.nested.set(TEMPORARY);
    }
    SLOT.with(|current| current.set(slot));
    slot
}
