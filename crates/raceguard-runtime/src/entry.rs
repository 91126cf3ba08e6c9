//! Entry points in assembly: they know the goroutine's registers, which Rust cannot name.
//!
//! On entry rdi, rsi, rdx, rcx hold the C arguments, rbp the frame pointer of the Go code that calls and r14 its
//! `g`, whose second word is the upper end of its stack. The *depth* of a frame is the distance of its frame pointer
//! from there; it stays the same when Go moves the stack. Depending on the Go version, the calls to `racefuncenter`
//! and `racefuncexit` pass through a wrapper with a frame of its own; the function's frame is the one whose return
//! address is the program counter that `racefuncenter` was given.
//!
//! The common cases of `__tsan_func_enter` and `__tsan_func_exit` are done here in full.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::abi;
use crate::goroutine::{Goroutine, LIMIT_OFFSET, TOP_OFFSET};
use crate::{context, heap, shadow};

/// Pushes a frame: `__tsan_func_enter(thr, pc)`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub extern "C" fn __tsan_func_enter() {
    naked_asm!(
        "mov r8, rbp",
        "cmp [rbp + 8], rsi",
        "je 2f",
        "mov r8, [rbp]",
        "2:", // r8: the function's frame pointer
        "mov rdx, [r14 + 8]",
        "mov rcx, rdx",
        "sub rdx, r8",   // depth of the function
        "sub rcx, [r8]", // depth of its caller
        "mov rax, [rdi + {top}]",
        "mov r9d, [rax - 24]", // depth of the innermost known frame
        "cmp r9, rcx",
        "ja {slowly}",
        "cmp rax, [rdi + {limit}]",
        "je {slowly}",
        "mov [rax], rsi",
        "mov [rax + 8], edx",
        "mov dword ptr [rax + 12], 0",
        "add rax, 32",
        "mov [rdi + {top}], rax",
        "ret",
        top = const TOP_OFFSET, limit = const LIMIT_OFFSET, slowly = sym abi::func_enter_slowly,
    )
}

/// Pops a frame: `__tsan_func_exit(thr)`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub extern "C" fn __tsan_func_exit() {
    naked_asm!(
        "mov rsi, [r14 + 8]",
        "mov rdx, rsi",
        "sub rsi, rbp",
        "sub rdx, [rbp]",
        "mov rax, [rdi + {top}]",
        "mov ecx, [rax - 24]",
        "cmp rcx, rdx",
        "je 2f",
        "cmp rcx, rsi",
        "jne {slowly}",
        "2:",
        "sub rax, 32",
        "mov [rdi + {top}], rax",
        "ret",
        top = const TOP_OFFSET, slowly = sym abi::func_exit_slowly,
    )
}

/// Functions that get the depth as one more argument, in the register named.
macro_rules! with_depth {
    ($($name:ident => $target:path, $register:literal;)*) => {$(
        #[doc = "Part of Go's race ABI; adds the depth of the goroutine's stack."]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub extern "C" fn $name() {
            naked_asm!(
                concat!("mov ", $register, ", [r14 + 8]"),
                concat!("sub ", $register, ", rbp"),
                "jmp {target}",
                target = sym $target,
            )
        }
    )*};
}

with_depth! {
    __tsan_read => abi::read, "rcx";
    __tsan_write => abi::write, "rcx";
    __tsan_read_pc => abi::read_pc, "r8";
    __tsan_write_pc => abi::write_pc, "r8";
    __tsan_read_range => abi::read_range, "r8";
    __tsan_write_range => abi::write_range, "r8";
    __tsan_go_atomic32_load => abi::atomic_load::<u32>, "r8";
    __tsan_go_atomic64_load => abi::atomic_load::<u64>, "r8";
    __tsan_go_atomic32_store => abi::atomic_store::<u32>, "r8";
    __tsan_go_atomic64_store => abi::atomic_store::<u64>, "r8";
    __tsan_go_atomic32_exchange => abi::atomic_exchange::<u32>, "r8";
    __tsan_go_atomic64_exchange => abi::atomic_exchange::<u64>, "r8";
    __tsan_go_atomic32_fetch_add => abi::atomic_add::<u32>, "r8";
    __tsan_go_atomic64_fetch_add => abi::atomic_add::<u64>, "r8";
    __tsan_go_atomic32_fetch_and => abi::atomic_and::<u32>, "r8";
    __tsan_go_atomic64_fetch_and => abi::atomic_and::<u64>, "r8";
    __tsan_go_atomic32_fetch_or => abi::atomic_or::<u32>, "r8";
    __tsan_go_atomic64_fetch_or => abi::atomic_or::<u64>, "r8";
    __tsan_go_atomic32_compare_exchange => abi::atomic_compare_exchange::<u32>, "r8";
    __tsan_go_atomic64_compare_exchange => abi::atomic_compare_exchange::<u64>, "r8";
}

/// A `go` statement; hands on the running `g` as well.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub extern "C" fn __tsan_go_start() {
    naked_asm!("mov rcx, r14", "jmp {target}", target = sym go_start)
}

/// Memory was allocated: `__tsan_malloc(0, 0, p, size)`. Go passes no goroutine, but it is the running one.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub extern "C" fn __tsan_malloc() {
    naked_asm!(
        "mov rax, [rip + {racectx}]",
        "test rax, rax",
        "je 2f",
        "mov rdi, [r14 + rax]",
        "2:",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "mov rcx, rbp",
        "mov r9, [r14 + 8]",
        "mov r8, r9",
        "sub r8, rbp",
        "jmp {target}",
        racectx = sym RACECTX, target = sym malloc,
    )
}

/// Offset of `racectx` in Go's `g`, which differs between Go versions; 0 until it is known.
static RACECTX: AtomicUsize = AtomicUsize::new(0);
/// `g` is at least this long.
const G_WORDS: usize = 50;

/// `parent` is null when the runtime itself starts a context, for timers, outside any goroutine.
extern "C" fn go_start(parent: Option<&mut Goroutine>, child: &mut *mut Goroutine, pc: u64, g: *const usize) {
    let Some(parent) = parent else {
        *child = Goroutine::orphan(pc);
        return;
    };
    if RACECTX.load(Ordering::Relaxed) == 0 {
        let wanted: *const Goroutine = parent;
        // SAFETY: `g` is the running goroutine's descriptor. The first `go` statement of a program is executed by
        // the start-up code on its own `g`, whose `racectx` is `parent`, so the search ends there.
        let found = (2..G_WORDS).find(|&word| unsafe { *g.add(word) } == wanted as usize);
        RACECTX.store(found.unwrap_or(0) * 8, Ordering::Relaxed);
    }
    *child = Goroutine::start(parent, pc);
}

/// Most frames of Go's runtime between an allocating statement and `racemalloc`.
const ALLOCATOR_FRAMES: usize = 12;

/// `goroutine` allocates; null when Go's runtime allocates for itself. `frame` is its frame pointer, `depth` that of
/// its stack, which ends at `stack_end`.
extern "C" fn malloc(
    goroutine: *mut Goroutine, address: usize, size: usize, frame: usize, depth: u32, stack_end: usize,
) {
    if size == 0 || !shadow::has_shadow(address) {
        return;
    }
    // SAFETY: null, or the `racectx` of the running `g`, which only this thread uses.
    let context = match unsafe { goroutine.as_mut() } {
        Some(goroutine) => {
            let function = goroutine.function_context(depth);
            match allocating_statement(goroutine.innermost_pc(), frame, stack_end) {
                Some(pc) => context::call(function, pc),
                None => function,
            }
        }
        None => 0,
    };
    heap::allocated(address, size, context);
}

/// Follows Go's frame pointers out of the allocator up to the innermost instrumented function, which returns to
/// `caller`; the answer is where that function called the allocator.
fn allocating_statement(caller: u64, frame: usize, stack_end: usize) -> Option<u64> {
    let mut frame = frame;
    let mut pc = None;
    for _ in 0..ALLOCATOR_FRAMES {
        if frame % 8 != 0 || frame == 0 || frame + 16 > stack_end || frame + (1 << 30) < stack_end {
            return None;
        }
        // SAFETY: inside the goroutine's stack, above its stack pointer: Go's frames begin with the caller's frame
        // pointer and the return address.
        let (outer, return_address) = unsafe { (*(frame as *const usize), *((frame + 8) as *const u64)) };
        if return_address == caller {
            return pc;
        }
        pc = Some(return_address);
        if outer <= frame {
            return None;
        }
        frame = outer;
    }
    None
}
