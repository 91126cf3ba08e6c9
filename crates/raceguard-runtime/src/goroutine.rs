//! The state of a live goroutine: its epoch, its vector clock and its call stack.
//!
//! Go keeps a pointer to it in `g.racectx` and passes it to every call. It is used by one thread at a time: the
//! one that runs the goroutine, or one that acts for it while it is parked.

use core::cell::Cell;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::clock::Clock;
use crate::context_pair::{JOINTS, Joint};
use crate::lock::SpinLock;
use crate::record::{MAX_CLOCK, Record, epoch};
use crate::slots::Identity;
use crate::{context, memory, reclaim, slots};

/// Frames that fit a new call stack.
const FIRST_FRAMES: usize = 16;
/// More epochs than any one operation on a sync object ends.
const EPOCHS_OF_AN_OPERATION: u32 = 4;
/// Something was accessed in the current epoch.
pub const ACCESSED: u32 = 1;
/// The clock has learned something in the current epoch.
pub const LEARNED: u32 = 2;

/// A frame of the call stack that `__tsan_func_enter` pushed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CallFrame {
    /// Return address into the caller.
    pub pc: u64,
    /// Distance of the frame pointer from the upper end of the goroutine's stack, in bytes. A frame that is deeper than
    /// the goroutine is now has been left without notice: a panic was recovered above it.
    pub depth: u32,
    /// The calling context, 0 until somebody asks.
    pub context: u32,
    /// The last resolved (parent, pc) → context at this position: calls in a loop resolve to the same context.
    memo_pc: u64,
    memo_parent: u32,
    memo_context: u32,
}

/// A goroutine. The first three fields are read by assembly (see `entry` and the generated stubs).
#[repr(C)]
pub struct Goroutine {
    /// Slot and clock as in [`Record`].
    pub epoch: u64,
    /// Behind the innermost frame.
    pub top: *mut CallFrame,
    /// Behind the last frame that fits.
    pub limit: *mut CallFrame,
    base: *mut CallFrame,
    /// What this goroutine knows of all others.
    pub clock: Clock,
    /// Position in vector clocks.
    pub slot: u32,
    /// Number in reports: 0 for the start-up code, 1 for the main goroutine.
    pub number: u32,
    /// Where it and its ancestors were started, see [`context::spawn`]; 0 for the start-up code.
    spawn: u32,
    /// [`ACCESSED`] and [`LEARNED`].
    pub dirty: u32,
    /// Clock of the epoch in which the goroutine's vector clock last changed.
    learned: u32,
    /// An epoch whose owner, when it released it, knew all that this goroutine knows; or empty.
    basis: Record,
    /// [`reclaim::generation`] that the basis is of.
    generation: u32,
    /// [`GLOBAL_ACQUIRES`] when this goroutine's current epoch began, or later if nothing was learned since.
    global_acquires: u32,
    /// Synchronisation is not to be seen (`race.Disable`).
    pub ignores_sync: u32,
    /// The context that was asked for last, see [`context::call_after`].
    latest: u32,
    /// Contexts of statements that this goroutine was at lately: most are visited again and again.
    lately: [Statement; LATELY],
    /// Contexts that records of this goroutine were joined from lately.
    pub joints: [Cell<Joint>; JOINTS],
}

/// How many statements a goroutine remembers the contexts of.
const LATELY: usize = 8;

/// The context of a statement in a calling context.
#[derive(Clone, Copy)]
struct Statement {
    pc: u64,
    function: u32,
    context: u32,
}

/// Where the statement at `pc` is remembered.
#[inline(always)]
fn place_of(pc: u64) -> usize {
    (pc ^ (pc >> 4)) as usize % LATELY
}

/// Field offsets that assembly relies on.
pub const EPOCH_OFFSET: usize = offset_of!(Goroutine, epoch);
/// See [`EPOCH_OFFSET`].
pub const TOP_OFFSET: usize = offset_of!(Goroutine, top);
/// See [`EPOCH_OFFSET`].
pub const LIMIT_OFFSET: usize = offset_of!(Goroutine, limit);

const _: () = {
    assert!(EPOCH_OFFSET == 0 && TOP_OFFSET == 8 && LIMIT_OFFSET == 16);
    assert!(size_of::<CallFrame>() == 32 && size_of::<Goroutine>() <= 256);
    assert!(offset_of!(CallFrame, depth) == 8 && offset_of!(CallFrame, context) == 12);
};

static NEXT_NUMBER: AtomicU32 = AtomicU32::new(0);
/// How often somebody has learned the current epochs of all goroutines ([`Goroutine::learn_everything`]).
static GLOBAL_ACQUIRES: AtomicU32 = AtomicU32::new(0);

/// How many goroutines have been started.
pub fn started() -> u32 {
    NEXT_NUMBER.load(Ordering::Relaxed)
}

impl Goroutine {
    /// The goroutine that runs the runtime's start-up code.
    pub fn first() -> &'static mut Self {
        Self::create(Clock::new(), u32::MAX, 0)
    }

    /// A context of the Go runtime's own, started at `pc` by nobody and after nothing.
    pub fn orphan(pc: u64) -> &'static mut Self {
        Self::create(Clock::new(), u32::MAX, context::spawn(0, context::call(context::ROOT, pc)))
    }

    /// A goroutine started by `parent` through a `go` statement at `pc`.
    pub fn start(parent: &mut Self, pc: u64) -> &'static mut Self {
        let statement = parent.context_at(u32::MAX, pc);
        // Ending the epoch may change the slot.
        let slot = parent.slot;
        let released = parent.release_epoch();
        let mut clock = parent.clock.share();
        clock.raise(slot, released);
        let child = Self::create(clock, slot, context::spawn(parent.spawn, statement));
        child.basis = Record(epoch(slot, released));
        child
    }

    fn create(clock: Clock, parent: u32, spawn: u32) -> &'static mut Self {
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        let step = GLOBAL_ACQUIRES.load(Ordering::SeqCst);
        let claim = slots::claim(Identity { number, spawn }, &clock, parent, step);
        let base = memory::allocate(FIRST_FRAMES * size_of::<CallFrame>()).as_ptr().cast::<CallFrame>();
        let place = memory::allocate(size_of::<Self>()).as_ptr().cast::<Self>();
        // SAFETY: fresh memory of the right sizes. The frames are plain numbers, for which zero is a good value;
        // the first is the sentinel that is never popped.
        unsafe {
            base.write_bytes(0, FIRST_FRAMES);
            (*base).context = context::ROOT;
            place.write(Self {
                epoch: epoch(claim.slot, claim.clock),
                top: base.add(1),
                limit: base.add(FIRST_FRAMES),
                base,
                clock,
                slot: claim.slot,
                number,
                spawn,
                dirty: LEARNED,
                learned: claim.clock,
                basis: Record::EMPTY,
                generation: reclaim::generation(),
                global_acquires: step,
                ignores_sync: 0,
                latest: context::ROOT,
                lately: [Statement { pc: 0, function: 0, context: 0 }; LATELY],
                joints: Default::default(),
            });
            &mut *place
        }
    }

    /// The goroutine has ended: its slot waits for an heir, its memory is free.
    pub fn end(&mut self) {
        let last = if self.dirty & ACCESSED != 0 { self.now() } else { self.now() - 1 };
        slots::release(self.slot, last);
        let frames = self.capacity() * size_of::<CallFrame>();
        // SAFETY: the goroutine and its frames were allocated with these sizes, and Go never uses a context after
        // `__tsan_go_end`.
        unsafe {
            memory::free(NonNull::new_unchecked(self.base.cast()), frames);
            let place: *mut Self = self;
            place.drop_in_place();
            memory::free(NonNull::new_unchecked(place.cast()), size_of::<Self>());
        }
    }

    /// Sees to it that the next operation changes epochs only, not the slot: who looks for another slot may lock any line
    /// of the shadow. An epoch may end between any two accesses.
    #[inline]
    pub fn have_epochs_left(&mut self) {
        if self.now() + EPOCHS_OF_AN_OPERATION >= MAX_CLOCK {
            self.take_other_slot();
        }
    }

    #[cold]
    fn take_other_slot(&mut self) {
        let now = self.now();
        slots::publish(self.slot, now);
        self.change_slot(now);
    }

    /// Clock of the current epoch.
    #[inline]
    pub fn now(&self) -> u32 {
        Record(self.epoch).clock()
    }

    /// Whether the access `record` happened before what this goroutine does now.
    #[inline(always)]
    pub fn knows(&self, record: Record) -> bool {
        let slot = record.slot();
        slot == self.slot || self.clock.get(slot) >= record.clock()
    }

    /// Learns what a sync object knows: `clock` and, if there is one, the epoch `owner` that released it.
    ///
    /// Whoever knows an epoch knows all that its owner knew then. So a source that knows an epoch in which this
    /// goroutine, or its basis, already knew what it knows now, knows at least as much: its clock is taken over
    /// without comparing entries. Goroutines that pass a lock around are in this case.
    pub fn learn(&mut self, clock: &Clock, owner: Record) {
        if self.is_surpassed_by(clock, owner) {
            self.clock.assign(clock);
            return self.have_taken_over(owner);
        }
        let mut news = self.clock.join(clock);
        if owner != Record::EMPTY && owner.slot() != self.slot {
            news |= self.clock.raise(owner.slot(), owner.clock());
        }
        if news {
            self.basis = Record::EMPTY;
            self.note_news();
        }
    }

    /// Whether `clock` and `owner` know at least as much as this goroutine, as far as that can be told from two entries.
    #[inline]
    pub fn is_surpassed_by(&mut self, clock: &Clock, owner: Record) -> bool {
        let covers = |record: Record| {
            let of_owner =
                owner != Record::EMPTY && owner.slot() == record.slot() && owner.clock() >= record.clock();
            of_owner || clock.get(record.slot()) >= record.clock()
        };
        if self.generation != reclaim::generation() {
            self.generation = reclaim::generation();
            self.basis = Record::EMPTY;
        }
        let mine = Record(epoch(self.slot, self.learned));
        covers(mine) || (self.basis != Record::EMPTY && covers(self.basis))
    }

    /// This goroutine's clock has become that of a sync object with the releasing epoch `owner`, which surpassed it.
    pub fn have_taken_over(&mut self, owner: Record) {
        self.basis = owner;
        if owner != Record::EMPTY {
            self.clock.raise(owner.slot(), owner.clock());
        }
        self.note_news();
    }

    /// This goroutine's clock has taken in that of a sync object with the releasing epoch `owner`, which was news.
    pub fn have_learned_from(&mut self, owner: Record) {
        self.basis = Record::EMPTY;
        self.clock.raise(owner.slot(), owner.clock());
        self.note_news();
    }

    /// Learns the current epochs of all goroutines: finalizers run after all that was done before.
    ///
    /// An epoch is thereby known that its owner has not released yet. For whoever knows an epoch to know all that is
    /// released with it, the owner may not learn anything more in that epoch: see `note_news`. For the same reason an
    /// epoch that began since is not learned, nor that of a goroutine started since: what was known at its start may
    /// come from a slot that has been looked at before.
    pub fn learn_everything(&mut self) {
        static TURN: SpinLock<()> = SpinLock::new(());
        // One at a time: slots tell what was before the newest step only.
        let _turn = TURN.lock();
        // ORDERING: SeqCst, before the epochs are read. A goroutine that does not see this step in `note_news` has
        // learned before, from epochs that had been released before: those read here are not older.
        let step = GLOBAL_ACQUIRES.fetch_add(1, Ordering::SeqCst) + 1;
        let mut news = false;
        slots::for_each_epoch_before(step, |slot, clock| {
            news |= slot != self.slot && self.clock.raise(slot, clock);
        });
        if news {
            self.basis = Record::EMPTY;
            self.note_news();
        }
    }

    fn note_news(&mut self) {
        // ORDERING: SeqCst, pairs with the step in `learn_everything`.
        let global_acquires = GLOBAL_ACQUIRES.load(Ordering::SeqCst);
        if self.global_acquires != global_acquires {
            self.see_step(global_acquires);
            self.begin_epoch();
        }
        self.dirty |= LEARNED;
        self.learned = self.now();
    }

    /// Whether a release by this goroutine in its epoch `clock` handed out all that it knows now but its own epoch.
    #[inline]
    pub fn knew_all_at(&self, clock: u32) -> bool {
        clock >= self.learned
    }

    /// The epoch up to which a release now publishes, after which the goroutine is in a fresh epoch. Nothing new
    /// since the last release means that the last one's epoch says it all.
    pub fn release_epoch(&mut self) -> u32 {
        let now = self.now();
        let global_acquires = GLOBAL_ACQUIRES.load(Ordering::Relaxed);
        if self.dirty == 0 && self.global_acquires == global_acquires {
            return now - 1;
        }
        if self.global_acquires != global_acquires {
            self.see_step(global_acquires);
        }
        self.begin_epoch();
        now
    }

    /// The epoch that ends now is the last one that began before [`GLOBAL_ACQUIRES`] became `step`.
    #[cold]
    fn see_step(&mut self, step: u32) {
        self.global_acquires = step;
        slots::note_step(self.slot, self.now(), step);
    }

    /// The current epoch is over and may be known to others.
    fn begin_epoch(&mut self) {
        let now = self.now();
        self.dirty = 0;
        slots::publish(self.slot, now);
        if now + 1 < MAX_CLOCK {
            self.epoch = epoch(self.slot, now + 1);
        } else {
            self.change_slot(now);
        }
    }

    /// The clock of the slot is exhausted: takes another one.
    #[cold]
    fn change_slot(&mut self, now: u32) {
        let old = self.slot;
        self.clock.raise(old, now);
        slots::release(old, MAX_CLOCK);
        let identity = Identity { number: self.number, spawn: self.spawn };
        let claim = slots::claim(identity, &self.clock, u32::MAX, self.global_acquires);
        self.slot = claim.slot;
        self.epoch = epoch(claim.slot, claim.clock);
        self.basis = Record::EMPTY;
        self.dirty = LEARNED;
        self.learned = self.now();
    }

    fn capacity(&self) -> usize {
        (self.limit as usize - self.base as usize) / size_of::<CallFrame>()
    }

    /// Room for more frames. Called with the stack full.
    #[cold]
    pub fn grow_stack(&mut self) {
        let old = self.capacity();
        let base = memory::allocate(2 * old * size_of::<CallFrame>()).as_ptr().cast::<CallFrame>();
        // SAFETY: the old frames are `old` in number; the new block has room for twice as many.
        unsafe {
            base.copy_from_nonoverlapping(self.base, old);
            base.add(old).write_bytes(0, old);
            memory::free(NonNull::new_unchecked(self.base.cast()), old * size_of::<CallFrame>());
            self.top = base.add(old);
            self.limit = base.add(2 * old);
        }
        self.base = base;
    }

    /// Enters a function called from `pc`, whose frame lies at `depth` and its caller's at `caller`.
    pub fn push(&mut self, pc: u64, depth: u32, caller: u32) {
        self.drop_frames_below(caller);
        if self.top == self.limit {
            self.grow_stack();
        }
        // SAFETY: below the limit.
        unsafe {
            (*self.top).pc = pc;
            (*self.top).depth = depth;
            (*self.top).context = 0;
            self.top = self.top.add(1);
        }
    }

    /// Leaves the function whose frame lies at `depth` or, if there is none, at `outer`; and all that were left
    /// without notice.
    pub fn pop(&mut self, depth: u32, outer: u32) {
        for depth in [depth, outer] {
            self.drop_frames_below(depth);
            // SAFETY: there is always the sentinel.
            if unsafe { (*self.top.sub(1)).depth } == depth {
                return self.drop_frames_below(depth.saturating_sub(1));
            }
        }
    }

    /// Drops the frames that are deeper than `depth`; the sentinel has depth 0 and stays.
    #[inline]
    fn drop_frames_below(&mut self, depth: u32) {
        // SAFETY: the sentinel ends the loop.
        unsafe {
            while (*self.top.sub(1)).depth > depth {
                self.top = self.top.sub(1);
            }
        }
    }

    /// The calling context of a statement at `pc`, executed at `depth` (`u32::MAX` when unknown).
    #[inline]
    pub fn context_at(&mut self, depth: u32, pc: u64) -> u32 {
        let function = self.function_context(depth);
        if pc == 0 { function } else { self.statement(function, pc) }
    }

    /// The context of the statement at `pc` in the function of context `function`.
    #[inline]
    pub fn statement(&mut self, function: u32, pc: u64) -> u32 {
        let place = &mut self.lately[place_of(pc)];
        if place.pc != pc || place.function != function {
            *place = Statement { pc, function, context: context::call_after(self.latest, function, pc) };
        }
        self.latest = place.context;
        place.context
    }

    /// As [`Self::context_at`], if the context is the one that was asked for here before or the one that followed upon the
    /// latest one before. Adds no context; what it changes is only what is remembered.
    #[inline(always)]
    pub fn remembered_context(&mut self, depth: u32, pc: u64) -> Option<u32> {
        // SAFETY: there is always the sentinel, whose context is never 0, so there is a frame below any other one.
        let function = unsafe {
            let frame = self.top.sub(1);
            if (*frame).depth > depth {
                return None;
            }
            if (*frame).context == 0 {
                let parent = (*frame.sub(1)).context;
                if parent == 0 || (*frame).memo_pc != (*frame).pc || (*frame).memo_parent != parent {
                    return None;
                }
                (*frame).context = (*frame).memo_context;
                self.latest = (*frame).memo_context;
            }
            (*frame).context
        };
        let place = &mut self.lately[place_of(pc)];
        if place.pc != pc || place.function != function {
            *place = Statement { pc, function, context: context::after(self.latest, function, pc)? };
        }
        self.latest = place.context;
        Some(place.context)
    }

    /// The calling context of the innermost function.
    pub fn function_context(&mut self, depth: u32) -> u32 {
        self.drop_frames_below(depth);
        // SAFETY: frames from the sentinel, whose context is never 0, up to the top are initialised.
        unsafe {
            let mut frame = self.top.sub(1);
            while (*frame).context == 0 {
                frame = frame.sub(1);
            }
            let mut parent = (*frame).context;
            while frame != self.top.sub(1) {
                frame = frame.add(1);
                parent = (*frame).resolve(self.latest, parent);
                self.latest = parent;
            }
            parent
        }
    }

    /// The return address into the caller of the innermost function.
    pub fn innermost_pc(&self) -> u64 {
        // SAFETY: there is always the sentinel.
        unsafe { (*self.top.sub(1)).pc }
    }
}

impl CallFrame {
    #[inline]
    fn resolve(&mut self, latest: u32, parent: u32) -> u32 {
        if self.memo_pc != self.pc || self.memo_parent != parent {
            self.memo_pc = self.pc;
            self.memo_parent = parent;
            self.memo_context = context::call_after(latest, parent, self.pc);
        }
        self.context = self.memo_context;
        self.context
    }
}
