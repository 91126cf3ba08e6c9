//! Sync objects: what has been released at an address.
//!
//! An object holds the clock of its last release and, as long as that release covers all earlier ones, the
//! releasing epoch (its *owner*). Whoever already knows the owner's epoch knows all that the object holds, so most
//! acquires are one comparison. Objects are found through a table beside the shadow and go when their memory is
//! freed.

use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};

use crate::clock::Clock;
use crate::goroutine::Goroutine;
use crate::lock::SpinLock;
use crate::record::{Record, epoch};
use crate::shadow::{Cell, HAS_SYNC, LineGuard};
use crate::sys;

const MOST: usize = 1 << 30;

/// What was released at `address`. Each has a cache line of its own.
#[repr(C)]
pub struct SyncObject {
    owner: AtomicU64,
    address: usize,
    clock: UnsafeCell<Clock>,
    /// The next object of the same eight bytes, or in the free list.
    next: u32,
}
const _: () = assert!(size_of::<SyncObject>() == 32);

// SAFETY: the clock is reached only with the line of the object's address locked, everything else is atomic or constant.
unsafe impl Sync for SyncObject {}

struct Free {
    head: u32,
    fresh: u32,
}

static OBJECTS: AtomicPtr<SyncObject> = AtomicPtr::new(null_mut());
static FREE: SpinLock<Free> = SpinLock::new(Free { head: 0, fresh: 1 });

/// Reserves the table. Called once.
pub fn init() {
    if OBJECTS.load(Ordering::Acquire).is_null() {
        let at = sys::map(MOST * size_of::<SyncObject>());
        if at == 0 {
            sys::fatal(
                "cannot reserve address space for sync objects",
                "lift the limit on address space (ulimit -v)",
            );
        }
        OBJECTS.store(at as *mut SyncObject, Ordering::Release);
    }
}

fn at(index: u32) -> *mut SyncObject {
    OBJECTS.load(Ordering::Relaxed).wrapping_add(index as usize)
}

/// The object at `address`, if anything was ever released there.
#[inline]
pub fn find(address: usize) -> Option<&'static SyncObject> {
    let cell = Cell::of(address);
    // ORDERING: both Acquire, pairing with the Release operations in `find_or_create`. Memory of the table is left alone
    // where nothing was ever written to it, for the reason given at `Cell::load_if_used`.
    if cell.flags().load(Ordering::Acquire) & HAS_SYNC == 0 {
        return None;
    }
    let mut index = cell.sync().load(Ordering::Acquire);
    while index != 0 {
        // SAFETY: indices in the table refer to live objects; they go only when their memory is freed, after
        // which nobody synchronises there.
        let object = unsafe { &*at(index) };
        if object.address == address {
            return Some(object);
        }
        index = object.next;
    }
    None
}

/// The object at `address`, made if there is none.
pub fn find_or_create(address: usize) -> &'static SyncObject {
    if let Some(object) = find(address) {
        return object;
    }
    let cell = Cell::of(address);
    cell.prepare_page();
    let _line = cell.lock_line();
    if let Some(object) = find(address) {
        return object;
    }
    let index = take_index();
    let object = at(index);
    let is_first = cell.flags().load(Ordering::Relaxed) & HAS_SYNC == 0;
    let next = if is_first { 0 } else { cell.sync().load(Ordering::Relaxed) };
    // SAFETY: the index is ours until the object is published below.
    unsafe {
        object.write(SyncObject {
            owner: AtomicU64::new(0),
            address,
            clock: UnsafeCell::new(Clock::new()),
            next,
        });
    }
    // ORDERING: Release publishes the object to `find`.
    cell.sync().store(index, Ordering::Release);
    cell.mark(HAS_SYNC);
    // SAFETY: just written.
    unsafe { &*object }
}

fn take_index() -> u32 {
    let mut free = FREE.lock();
    if free.head != 0 {
        let index = free.head;
        // SAFETY: free objects keep their link.
        free.head = unsafe { (*at(index)).next };
        return index;
    }
    if free.fresh as usize == MOST {
        sys::fatal("more than a billion sync objects are alive", "split the test");
    }
    free.fresh += 1;
    free.fresh - 1
}

/// Calls `action` with the last releasing epoch of every live object that has one.
pub fn for_each_owner(mut action: impl FnMut(Record)) {
    let fresh = FREE.lock().fresh;
    for index in 1..fresh {
        // SAFETY: below `fresh`, so written once; free objects have no owner.
        let owner = Record(unsafe { (*at(index)).owner.load(Ordering::Relaxed) });
        if owner != Record::EMPTY {
            action(owner);
        }
    }
}

/// Drops the objects of the eight bytes of `cell`, whose memory is being freed.
pub fn drop_all(cell: Cell) {
    let mut index = cell.sync().swap(0, Ordering::AcqRel);
    while index != 0 {
        // SAFETY: nobody synchronises on freed memory; the object is ours.
        let object = unsafe { &mut *at(index) };
        *object.clock.get_mut() = Clock::new();
        object.owner.store(0, Ordering::Relaxed);
        let next = object.next;
        let mut free = FREE.lock();
        object.next = free.head;
        free.head = index;
        index = next;
    }
}

impl SyncObject {
    /// The object of `line`, which is locked, to change it.
    #[inline(always)]
    pub fn hold<'a>(&'static self, line: &'a LineGuard) -> Held<'a> {
        debug_assert!(line.guards(Cell::of(self.address)), "the lock of another line");
        // SAFETY: the clock is touched only with the line locked, and the guard outlives the reference.
        Held { owner: &self.owner, clock: unsafe { &mut *self.clock.get() } }
    }

    /// Runs an operation of `goroutine` on the object so that no other one comes between its parts.
    fn exclusively<R>(
        &'static self,
        goroutine: &mut Goroutine,
        action: impl FnOnce(&mut Goroutine, &mut Held) -> R,
    ) -> R {
        goroutine.have_epochs_left();
        let line = Cell::of(self.address).lock_line();
        action(goroutine, &mut self.hold(&line))
    }

    /// Reads a value that is stored with the line locked, after its release. `None` if the goroutine does not know the
    /// release that the value came from, or if that can't be told without the lock.
    ///
    /// That the last release is known is not enough: the value may still be that of the one before, whose clock is gone.
    /// So nobody may have been between release and store, nor have released, while the value was read.
    #[inline]
    pub fn read_if_known<T>(&self, goroutine: &Goroutine, read: impl FnOnce() -> T) -> Option<T> {
        // ORDERING: Acquire loads, in this order; on the other side lock, owner, value and unlock follow each other.
        let cell = Cell::of(self.address);
        let open = !cell.line_is_locked();
        let before = self.owner.load(Ordering::Acquire);
        let value = read();
        fence(Ordering::Acquire);
        let unchanged = self.owner.load(Ordering::Acquire) == before && !cell.line_is_locked();
        (open && unchanged && before != 0 && goroutine.knows(Record(before))).then_some(value)
    }

    /// Whether the goroutine knows all that was released here until now.
    #[inline]
    pub fn is_known_to(&self, goroutine: &Goroutine) -> bool {
        // ORDERING: Acquire pairs with the Release store of the owner. A goroutine that knows the owner's epoch
        // has nothing to learn, whatever happens to the object meanwhile.
        let owner = Record(self.owner.load(Ordering::Acquire));
        owner != Record::EMPTY && goroutine.knows(owner)
    }

    /// C ⊔= S.
    #[inline]
    pub fn acquire(&'static self, goroutine: &mut Goroutine) {
        if !self.is_known_to(goroutine) {
            self.exclusively(goroutine, |goroutine, held| held.acquire(goroutine));
        }
    }

    /// S := C.
    pub fn release(&'static self, goroutine: &mut Goroutine) {
        self.exclusively(goroutine, |goroutine, held| held.release(goroutine));
    }

    /// S ⊔= C.
    pub fn release_merge(&'static self, goroutine: &mut Goroutine) {
        self.exclusively(goroutine, |goroutine, held| held.release_merge(goroutine));
    }

    /// S := C and C ⊔= old S.
    pub fn release_acquire(&'static self, goroutine: &mut Goroutine) {
        self.exclusively(goroutine, |goroutine, held| {
            let owner = held.owner();
            if owner != Record::EMPTY && goroutine.knows(owner) {
                return held.release(goroutine);
            }
            if goroutine.is_surpassed_by(held.clock, owner) {
                // Each takes the other's clock over whole.
                core::mem::swap(held.clock, &mut goroutine.clock);
                held.publish(goroutine);
                return goroutine.have_taken_over(owner);
            }
            if owner == Record::EMPTY {
                let old = core::mem::take(held.clock);
                held.release(goroutine);
                return goroutine.learn(&old, owner);
            }
            // The object's block takes in both and goes to the goroutine, whose own one is what it releases.
            held.clock.join(&goroutine.clock);
            core::mem::swap(held.clock, &mut goroutine.clock);
            held.publish(goroutine);
            goroutine.have_learned_from(owner);
        });
    }
}

/// A sync object whose line is locked.
pub struct Held<'a> {
    owner: &'a AtomicU64,
    clock: &'a mut Clock,
}

impl Held<'_> {
    fn owner(&self) -> Record {
        Record(self.owner.load(Ordering::Relaxed))
    }

    /// Whether there may be something to learn here.
    #[inline]
    pub fn has_news_for(&self, goroutine: &Goroutine) -> bool {
        let owner = self.owner();
        owner == Record::EMPTY || !goroutine.knows(owner)
    }

    /// C ⊔= S.
    pub fn acquire(&mut self, goroutine: &mut Goroutine) {
        if self.has_news_for(goroutine) {
            goroutine.learn(self.clock, self.owner());
        }
    }

    /// S := C.
    pub fn release(&mut self, goroutine: &mut Goroutine) {
        let owner = self.owner();
        let up_to_date = owner.slot() == goroutine.slot && goroutine.knew_all_at(owner.clock());
        if owner == Record::EMPTY || !up_to_date {
            self.clock.assign(&goroutine.clock);
        }
        self.publish(goroutine);
    }

    /// The object holds the goroutine's clock now: ends the epoch that is released with it.
    fn publish(&self, goroutine: &mut Goroutine) {
        let slot = goroutine.slot;
        let released = goroutine.release_epoch();
        // ORDERING: Release pairs with the Acquire load in `SyncObject::acquire`.
        self.owner.store(epoch(slot, released), Ordering::Release);
    }

    /// S ⊔= C.
    pub fn release_merge(&mut self, goroutine: &mut Goroutine) {
        let owner = self.owner();
        if owner != Record::EMPTY && goroutine.knows(owner) {
            return self.release(goroutine);
        }
        if owner != Record::EMPTY {
            self.clock.raise(owner.slot(), owner.clock());
        }
        // Of thousands of goroutines that release to one object each adds nothing but its own epoch.
        let adds_only_itself = goroutine.is_surpassed_by(self.clock, Record::EMPTY);
        let slot = goroutine.slot;
        let released = goroutine.release_epoch();
        if !adds_only_itself {
            self.clock.join(&goroutine.clock);
        }
        self.clock.raise(slot, released);
        self.owner.store(0, Ordering::Release);
    }
}
