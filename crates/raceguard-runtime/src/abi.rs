//! The C ABI that Go's race build calls (GOROOT/src/runtime/race.go and race_amd64.s).
//!
//! Calls come on the thread's system stack, with the goroutine's stack pointer in r12 and its `g` in r14. Calls
//! that need to know how deep the goroutine's stack is enter through a few lines of assembly in [`crate::entry`],
//! which add that depth as the last argument; all others are here in full.

use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::atomic::{self, Change, Word};
use crate::detect::{self, Site};
use crate::goroutine::Goroutine;
use crate::record::WRITE;
use crate::report::{self, sink, symbols};
use crate::{context, heap, options, sampling, shadow, slots, sync_object, sys};

type Thread<'a> = &'a mut Goroutine;

/// Starts the runtime. `__tsan_init(**thr, **proc, callback)`.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_init(
    thread: &mut *mut Goroutine,
    processor: &mut *mut c_void,
    callback: symbols::Callback,
) {
    shadow::map_flags();
    context::init();
    slots::init();
    sync_object::init();
    symbols::set_callback(callback);
    options::get().apply();
    sink::open();
    *thread = Goroutine::first();
    *processor = PROCESSOR;
}

/// Go's Ps need a non-null context; nothing of ours depends on the processor.
const PROCESSOR: *mut c_void = 16 as *mut c_void;

/// A new P.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_proc_create(processor: &mut *mut c_void) {
    *processor = PROCESSOR;
}

/// A P less.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_proc_destroy(_processor: *mut c_void) {}

/// The program has ended well: `main` returned or os.Exit(0).
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_fini() -> ! {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let options = options::get();
    if options.at_exit_sleep_ms > 0 {
        sys::sleep_milliseconds(options.at_exit_sleep_ms);
    }
    let races = report::count();
    if !ENDED.swap(true, Ordering::AcqRel) {
        sink::close(races);
    }
    sys::exit_process(if races > 0 { options.exit_code } else { 0 })
}

/// Go is going to use a range of memory: data and bss first, then parts of the heap.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_map_shadow(address: usize, size: usize) {
    shadow::map(address, size);
}

/// How many races there are so far.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_report_count(count: &mut u64) {
    *count = u64::from(report::count());
    report::next_interval();
}

/// The goroutine has ended.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_go_end(thread: Thread) {
    thread.end();
}

/// Finalizers run after everything that any goroutine has done so far.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_finalizer_goroutine(thread: Thread) {
    thread.learn_everything();
}

/// Memory was freed.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_free(address: usize, size: usize) {
    if size > 0 && shadow::has_shadow(address) {
        heap::freed(address, size);
    }
}

/// Acquire on `address`.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_acquire(thread: Thread, address: usize) {
    sampling::is_recording();
    if thread.ignores_sync == 0
        && let Some(object) = sync_object::find(address)
    {
        object.acquire(thread);
    }
}

/// Release on `address`.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_release(thread: Thread, address: usize) {
    if thread.ignores_sync == 0 {
        sync_object::find_or_create(address).release(thread);
    }
}

/// Release, then acquire what was there before.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_release_acquire(thread: Thread, address: usize) {
    if thread.ignores_sync == 0 {
        sync_object::find_or_create(address).release_acquire(thread);
    }
}

/// Release that keeps what was released before.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_release_merge(thread: Thread, address: usize) {
    if thread.ignores_sync == 0 {
        sync_object::find_or_create(address).release_merge(thread);
    }
}

/// Synchronisation is invisible from here on.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_go_ignore_sync_begin(thread: Thread) {
    thread.ignores_sync += 1;
}

/// Synchronisation is visible again.
#[unsafe(no_mangle)]
pub extern "C" fn __tsan_go_ignore_sync_end(thread: Thread) {
    thread.ignores_sync = thread.ignores_sync.saturating_sub(1);
}

fn statement(pc: u64, depth: u32) -> Site {
    Site { pc, caller: 0, depth, stack_end: 0 }
}

pub(crate) extern "C" fn read(thread: Thread, address: usize, pc: u64, depth: u32) {
    detect::access(thread, address, 0, 1 << (address & 7), statement(pc, depth));
}

pub(crate) extern "C" fn write(thread: Thread, address: usize, pc: u64, depth: u32) {
    detect::access(thread, address, WRITE, 1 << (address & 7), statement(pc, depth));
}

pub(crate) extern "C" fn read_pc(
    thread: Thread,
    address: usize,
    caller: u64,
    pc: u64,
    depth: u32,
    stack_end: usize,
) {
    detect::access(thread, address, 0, 1 << (address & 7), Site { pc, caller, depth, stack_end });
}

pub(crate) extern "C" fn write_pc(
    thread: Thread,
    address: usize,
    caller: u64,
    pc: u64,
    depth: u32,
    stack_end: usize,
) {
    detect::access(thread, address, WRITE, 1 << (address & 7), Site { pc, caller, depth, stack_end });
}

pub(crate) extern "C" fn read_range(thread: Thread, address: usize, size: usize, pc: u64, depth: u32) {
    if size > 0 {
        detect::access_range(thread, address, size, 0, statement(pc, depth));
    }
}

pub(crate) extern "C" fn write_range(thread: Thread, address: usize, size: usize, pc: u64, depth: u32) {
    if size > 0 {
        detect::access_range(thread, address, size, WRITE, statement(pc, depth));
    }
}

/// `depth` is that of the function that is entered, `caller` that of the function it returns to.
pub(crate) extern "C" fn func_enter_slowly(thread: Thread, pc: u64, depth: u64, caller: u64) {
    thread.push(pc, depth as u32, caller.min(u64::from(u32::MAX)) as u32);
}

/// The function that is left lies at `depth`, or at `outer` if a wrapper's frame comes between.
pub(crate) extern "C" fn func_exit_slowly(thread: Thread, depth: u64, outer: u64) {
    thread.pop(depth as u32, outer.min(u64::from(u32::MAX)) as u32);
}

/// The argument block of an atomic operation: the address, then the operands, then room for the result.
struct Arguments(usize);

impl Arguments {
    fn address(&self) -> usize {
        self.get(0)
    }

    fn get<T: Copy>(&self, offset: usize) -> T {
        // SAFETY: Go passes a pointer to its argument area, laid out as race_amd64.s says.
        unsafe { ((self.0 + offset) as *const T).read_unaligned() }
    }

    fn set<T>(&self, offset: usize, value: T) {
        // SAFETY: as above; results have their place behind the operands.
        unsafe { ((self.0 + offset) as *mut T).write_unaligned(value) };
    }
}

fn atomic_site(caller: u64, pc: u64, depth: u32) -> Site {
    Site { pc, caller, depth, stack_end: 0 }
}

pub(crate) extern "C" fn atomic_load<T: Word>(
    thread: Thread,
    caller: u64,
    pc: u64,
    block: usize,
    depth: u32,
) {
    let arguments = Arguments(block);
    // SAFETY: Go has checked the address (racecallatomic).
    let value = unsafe { atomic::load::<T>(thread, arguments.address(), atomic_site(caller, pc, depth)) };
    arguments.set(8, value);
}

pub(crate) extern "C" fn atomic_store<T: Word>(
    thread: Thread,
    caller: u64,
    pc: u64,
    block: usize,
    depth: u32,
) {
    let arguments = Arguments(block);
    // SAFETY: Go has checked the address (racecallatomic).
    unsafe {
        atomic::store::<T>(thread, arguments.address(), arguments.get(8), atomic_site(caller, pc, depth));
    }
}

/// Exchange, add, and, or: operand at 8, old value to 16.
fn fetch<T: Word>(
    thread: Thread,
    caller: u64,
    pc: u64,
    block: usize,
    depth: u32,
    change: impl FnOnce(T) -> Change<T>,
) {
    let arguments = Arguments(block);
    let change = change(arguments.get(8));
    // SAFETY: Go has checked the address (racecallatomic).
    let (old, _) =
        unsafe { atomic::update(thread, arguments.address(), change, atomic_site(caller, pc, depth)) };
    arguments.set(16, old);
}

pub(crate) extern "C" fn atomic_exchange<T: Word>(
    thread: Thread,
    caller: u64,
    pc: u64,
    block: usize,
    depth: u32,
) {
    fetch(thread, caller, pc, block, depth, Change::<T>::Exchange);
}

pub(crate) extern "C" fn atomic_add<T: Word>(thread: Thread, caller: u64, pc: u64, block: usize, depth: u32) {
    fetch(thread, caller, pc, block, depth, Change::<T>::Add);
}

pub(crate) extern "C" fn atomic_and<T: Word>(thread: Thread, caller: u64, pc: u64, block: usize, depth: u32) {
    fetch(thread, caller, pc, block, depth, Change::<T>::And);
}

pub(crate) extern "C" fn atomic_or<T: Word>(thread: Thread, caller: u64, pc: u64, block: usize, depth: u32) {
    fetch(thread, caller, pc, block, depth, Change::<T>::Or);
}

/// Expected value at 8, new one behind it, success behind that.
pub(crate) extern "C" fn atomic_compare_exchange<T: Word>(
    thread: Thread,
    caller: u64,
    pc: u64,
    block: usize,
    depth: u32,
) {
    let arguments = Arguments(block);
    let (expected, new) = (arguments.get(8), arguments.get(8 + size_of::<T>()));
    let change = Change::CompareExchange(expected, new);
    // SAFETY: Go has checked the address (racecallatomic).
    let (_, stored) =
        unsafe { atomic::update::<T>(thread, arguments.address(), change, atomic_site(caller, pc, depth)) };
    arguments.set(8 + 2 * size_of::<T>(), u8::from(stored));
}
