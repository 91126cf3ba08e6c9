//! Entry points in assembly: they know the goroutine's registers, which Rust cannot name.
//!
//! On entry rdi, rsi, rdx, rcx hold the C arguments, rbp the frame pointer of the Go code that calls and r14 its
//! `g`, whose second word is the upper end of its stack. The *depth* of a frame is the distance of its frame pointer
//! from there; it stays the same when Go moves the stack. Depending on the Go version, the calls to `racefuncenter`
//! and `racefuncexit` pass through a wrapper with a frame of its own; the function's frame is the one whose return
//! address is the program counter that `racefuncenter` was given.
//!
//! The common cases of entering and leaving a function, and of accesses that are on record already, are done here in
//! full. In the object built with `raceguard_direct` they run on the goroutine's own stack, without the change of
//! stacks that Go's stubs make for each call (module `convention`).

use core::arch::naked_asm;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::abi;
use crate::goroutine::{Goroutine, LIMIT_OFFSET, TOP_OFFSET};
use crate::record::{MASK_BITS, WRITE};
use crate::shadow::{FLAGS, HEAP_BIAS, HEAP_END, HEAP_START, LANE, PAGE_SHIFT, TOUCHED};
use crate::{budget, heap, quick, sampling, shadow, stack};

#[cfg(raceguard_direct)]
mod convention {
    //! Calls come straight from Go code, on the goroutine's stack, or by way of `racecall` on the system stack:
    //! the goroutine is looked up in `g`, and slow paths change to the system stack unless they are on it.
    //!
    //! The offsets of Go's structures are placeholders that are filled in at link time (raceguard-gotool, `stub`).

    /// `g.racectx`.
    pub(super) const G_RACECTX: u32 = 0x7ead_0001;
    /// `g.m`.
    pub(super) const G_M: u32 = 0x7ead_0002;
    /// `m.g0`.
    pub(super) const M_G0: u32 = 0x7ead_0003;
    /// `m.gsignal`.
    pub(super) const M_GSIGNAL: u32 = 0x7ead_0004;
    /// `g.sched.sp`.
    pub(super) const G_SCHED_SP: u32 = 0x7ead_0005;

    macro_rules! load_goroutine {
        () => {
            concat!("mov rdi, [r14 + ", 0x7ead_0001, "]")
        };
    }
    pub(super) use load_goroutine;

    /// Calls rax with the C arguments in place, on the system stack. The frame pointer chain stays whole.
    #[unsafe(naked)]
    pub(super) extern "C" fn on_system_stack() {
        core::arch::naked_asm!(
            "push rbp",
            "mov rbp, rsp",
            "cmp rsp, [r14]",
            "jbe 2f",
            "cmp rsp, [r14 + 8]",
            "ja 2f",
            "mov r10, [r14 + {g_m}]",
            "cmp r14, [r10 + {m_gsignal}]",
            "je 2f",
            "mov r10, [r10 + {m_g0}]",
            "cmp r14, r10",
            "je 2f",
            "mov rsp, [r10 + {sched_sp}]",
            "2:",
            "and rsp, -16",
            "call rax",
            "mov rsp, rbp",
            "pop rbp",
            "xorps xmm15, xmm15",
            "ret",
            g_m = const G_M, m_g0 = const M_G0, m_gsignal = const M_GSIGNAL, sched_sp = const G_SCHED_SP,
        )
    }
    const _: () = assert!(G_RACECTX == 0x7ead_0001);
}

#[cfg(not(raceguard_direct))]
mod convention {
    //! All calls come by way of Go's `racecall`: on the system stack, with the goroutine in rdi.

    macro_rules! load_goroutine {
        () => {
            ""
        };
    }
    pub(super) use load_goroutine;

    /// Calls rax with the C arguments in place; the stack is the right one.
    #[unsafe(naked)]
    pub(super) extern "C" fn on_system_stack() {
        core::arch::naked_asm!("jmp rax")
    }
}
use convention::{load_goroutine, on_system_stack};

/// Pushes a frame: `__tsan_func_enter(thr, pc)`. Leaves rdx and rbx alone: they hold Go's closure context.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub extern "C" fn __tsan_func_enter() {
    naked_asm!(
        load_goroutine!(),
        "mov r8, rbp",
        "cmp [rbp + 8], rsi",
        "je 2f",
        "mov r8, [rbp]",
        "2:", // r8: the function's frame pointer
        "mov r10, [r14 + 8]",
        "mov rcx, r10",
        "sub r10, r8",   // depth of the function
        "sub rcx, [r8]", // depth of its caller
        "mov rax, [rdi + {top}]",
        "mov r9d, [rax - 24]", // depth of the innermost known frame
        "cmp r9, rcx",
        "ja 3f",
        "cmp rax, [rdi + {limit}]",
        "je 3f",
        "mov [rax], rsi",
        "mov [rax + 8], r10d",
        "mov dword ptr [rax + 12], 0",
        "add rax, 32",
        "mov [rdi + {top}], rax",
        "ret",
        "3:",
        "push rdx",
        "mov rdx, r10",
        "lea rax, [rip + {slowly}]",
        "call {call}",
        "pop rdx",
        "ret",
        top = const TOP_OFFSET, limit = const LIMIT_OFFSET, slowly = sym abi::func_enter_slowly,
        call = sym on_system_stack,
    )
}

/// Pops a frame: `__tsan_func_exit(thr)`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub extern "C" fn __tsan_func_exit() {
    naked_asm!(
        load_goroutine!(),
        "mov rsi, [r14 + 8]",
        "mov rdx, rsi",
        "sub rsi, rbp",
        "sub rdx, [rbp]",
        "mov rax, [rdi + {top}]",
        "mov ecx, [rax - 24]",
        "cmp rcx, rdx",
        "je 2f",
        "cmp rcx, rsi",
        "jne 3f",
        "2:",
        "sub rax, 32",
        "mov [rdi + {top}], rax",
        "ret",
        "3:",
        "lea rax, [rip + {slowly}]",
        "jmp {call}",
        top = const TOP_OFFSET, slowly = sym abi::func_exit_slowly, call = sym on_system_stack,
    )
}

/// Stack that the functions of [`quick`] may use; where less is left, the system stack is the place to go.
const QUICK_STACK: usize = 512;

/// Returns if the first or the second record of the cell of the address in rsi covers the access of one byte by the goroutine in
/// rdi: a record of its current epoch with the byte, and for a write the write bit (`add_kind` adds that to r9). Goes to 4
/// where nothing is known of the address's page, to 6 if nothing is recorded, to 5 otherwise.
macro_rules! return_if_known {
    ($add_kind:literal) => {
        concat!(
            "mov rax, rsi\n",
            "shr rax, {page_shift}\n",
            "movabs r11, {flags}\n",
            "cmp rax, {last_page}\n",
            "jae 4f\n",
            "movzx r11d, byte ptr [rax + r11]\n",
            "test r11b, {first_touched}\n",
            "jz 4f\n", // do not touch memory that holds no records
            "movabs rax, {heap_bias}\n",
            "mov r8, rsi\n",
            "and r8, -8\n",
            "add rax, r8\n",   // the cell
            "mov r9, [rdi]\n", // the epoch
            $add_kind,
            "mov r10, [rax]\n",
            "mov r8d, esi\n",
            "and r8d, 7\n",
            "xor r10, r9\n",
            "bt r10, r8\n",
            "jnc 2f\n",
            "test r10, {fixed_bits}\n",
            "jnz 2f\n",
            "ret\n",
            "2:\n",
            "cmp r10, r9\n",
            "je 6f\n",
            "test r11b, {second_touched}\n",
            "jz 5f\n",
            "movabs r10, {second}\n",
            "mov r10, [rax + r10]\n",
            "xor r10, r9\n",
            "bt r10, r8\n",
            "jnc 5f\n",
            "test r10, {fixed_bits}\n",
            "jnz 5f\n",
            "ret",
        )
    };
}
const _: () = assert!(WRITE == 1024, "the literal below");

/// A scalar access: `(thr, address, pc)`. Done at once when the cell already covers it.
macro_rules! scalar_access {
    ($($name:ident => $quickly:path, $slowly:path, $add_kind:literal, $free_bits:expr;)*) => {$(
        #[doc = "Part of Go's race ABI: a scalar access, recorded as its first byte."]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub extern "C" fn $name() {
            naked_asm!(
                load_goroutine!(),
                return_if_known!($add_kind),
                "4:", // nothing recorded, or data whose shadow lies elsewhere, or memory without a shadow
                "mov rax, rsi",
                "shr rax, 37",
                "cmp eax, {heap}",
                "je 6f",
                "mov rax, rsi",
                "sub rax, [rip + {data_start}]",
                "cmp rax, [rip + {data_size}]",
                "jb 5f",
                "ret",
                "6:",
                "cmp byte ptr [rip + {recording}], 0",
                "jne 5f",
                "ret",
                "5:",
                "mov rcx, [r14 + 8]",
                "sub rcx, rbp",
                "lea rax, [rsp - {stack}]", // enough of the goroutine's stack left?
                "cmp rax, [r14]",
                "jb 7f",
                "push rdi",
                "push rsi",
                "push rdx",
                "push rcx",
                "call {quickly}",
                "xorps xmm15, xmm15", // Go keeps a zero there
                "pop rcx",
                "pop rdx",
                "pop rsi",
                "pop rdi",
                "test al, al",
                "jz 7f",
                "ret",
                "7:",
                "lea rax, [rip + {slowly}]",
                "jmp {call}",
                heap = const HEAP_START >> 37, heap_bias = const HEAP_BIAS, second = const LANE,
                page_shift = const PAGE_SHIFT, last_page = const HEAP_END >> PAGE_SHIFT, flags = const FLAGS,
                first_touched = const TOUCHED, second_touched = const TOUCHED << 1,
                fixed_bits = const !(MASK_BITS | $free_bits) as i64 as i32,
                data_start = sym shadow::DATA_START, data_size = sym shadow::DATA_SIZE,
                recording = sym sampling::RECORDING,
                stack = const QUICK_STACK, quickly = sym $quickly, slowly = sym $slowly, call = sym on_system_stack,
            )
        }
    )*};
}

scalar_access! {
    __tsan_read => quick::read, abi::read, "", WRITE;
    __tsan_write => quick::write, abi::write, "or r9, 1024\n", 0;
}

/// A scalar access that Go's runtime announces on behalf of an instrumented function: `(thr, address, caller, pc)`.
macro_rules! scalar_access_for {
    ($($name:ident => $slowly:path, $add_kind:literal, $free_bits:expr;)*) => {$(
        #[doc = "Part of Go's race ABI: as `__tsan_read` and `__tsan_write`, with the caller's program counter."]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub extern "C" fn $name() {
            naked_asm!(
                return_if_known!($add_kind),
                "4:",
                "5:",
                "6:",
                "mov r9, [r14 + 8]",
                "mov r8, r9",
                "sub r8, rbp",
                "jmp {slowly}",
                heap_bias = const HEAP_BIAS, second = const LANE, page_shift = const PAGE_SHIFT,
                last_page = const HEAP_END >> PAGE_SHIFT, flags = const FLAGS,
                first_touched = const TOUCHED, second_touched = const TOUCHED << 1,
                fixed_bits = const !(MASK_BITS | $free_bits) as i64 as i32, slowly = sym $slowly,
            )
        }
    )*};
}

scalar_access_for! {
    __tsan_read_pc => abi::read_pc, "", WRITE;
    __tsan_write_pc => abi::write_pc, "or r9, 1024\n", 0;
}

/// An access to a range: `(thr, address, size, pc)`. Done at once when it is whole words of the heap, few of them,
/// and the first record of each cell covers them.
macro_rules! range_access {
    ($($name:ident => $quickly:path, $slowly:path, $own_bits:expr, $free_bits:expr;)*) => {$(
        #[doc = "Part of Go's race ABI: an access to a range of bytes."]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub extern "C" fn $name() {
            naked_asm!(
                load_goroutine!(),
                "lea rax, [rdx - 1]",
                "cmp rax, {most}",
                "jae 4f",
                "mov eax, esi",
                "or eax, edx",
                "test al, 7",
                "jnz 4f",
                "mov rax, rsi",
                "shr rax, {page_shift}",
                "cmp rax, {last_page}",
                "jae 4f",
                "lea r8, [rsi + rdx - 1]",
                "shr r8, {page_shift}",
                "movabs r11, {flags}",
                "movzx eax, byte ptr [rax + r11]",
                "and al, byte ptr [r8 + r11]",
                "test al, {first_touched}",
                "jz 4f", // do not touch memory that holds no records
                "movabs rax, {heap_bias}",
                "add rax, rsi",        // the first cell
                "lea r8, [rax + rdx]", // behind the last
                "mov r9, [rdi]",
                "or r9, {own_bits} + 0xff",
                "2:",
                "mov r10, [rax]",
                "xor r10, r9",
                "test r10, {fixed_bits}",
                "jnz 5f",
                "add rax, 8",
                "cmp rax, r8",
                "jne 2b",
                "3:",
                "ret",
                "4:",
                "mov rax, rsi",
                "shr rax, 37",
                "cmp eax, {heap}",
                "je 5f",
                "mov rax, rsi",
                "sub rax, [rip + {data_start}]",
                "cmp rax, [rip + {data_size}]",
                "jae 3b",
                "5:",
                "lea rax, [rsp - {stack}]",
                "cmp rax, [r14]",
                "jb 6f",
                "push rdi",
                "push rsi",
                "push rdx",
                "push rcx",
                "call {quickly}",
                "xorps xmm15, xmm15", // Go keeps a zero there
                "pop rcx",
                "pop rdx",
                "pop rsi",
                "pop rdi",
                "test al, al",
                "jnz 3b",
                "6:",
                "mov r8, [r14 + 8]",
                "sub r8, rbp",
                "lea rax, [rip + {slowly}]",
                "jmp {call}",
                heap = const HEAP_START >> 37, heap_bias = const HEAP_BIAS, most = const FEW_BYTES,
                page_shift = const PAGE_SHIFT, last_page = const HEAP_END >> PAGE_SHIFT, flags = const FLAGS,
                first_touched = const TOUCHED,
                own_bits = const $own_bits, fixed_bits = const !$free_bits as i64 as i32,
                data_start = sym shadow::DATA_START, data_size = sym shadow::DATA_SIZE,
                stack = const QUICK_STACK, quickly = sym $quickly, slowly = sym $slowly, call = sym on_system_stack,
            )
        }
    )*};
}
/// Ranges up to this size are looked through in assembly.
const FEW_BYTES: usize = 256;

range_access! {
    __tsan_read_range => quick::knows_read, abi::read_range, 0, WRITE;
    __tsan_write_range => quick::knows_write, abi::write_range, WRITE, 0;
}

/// Functions with four arguments that get the depth and the upper end of the goroutine's stack as two more.
macro_rules! with_depth {
    ($($name:ident => $target:path;)*) => {$(
        #[doc = "Part of Go's race ABI; adds depth and end of the goroutine's stack."]
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub extern "C" fn $name() {
            naked_asm!(
                "mov r9, [r14 + 8]",
                "mov r8, r9",
                "sub r8, rbp",
                "jmp {target}",
                target = sym $target,
            )
        }
    )*};
}

with_depth! {
    __tsan_go_atomic32_load => abi::atomic_load::<u32>;
    __tsan_go_atomic64_load => abi::atomic_load::<u64>;
    __tsan_go_atomic32_store => abi::atomic_store::<u32>;
    __tsan_go_atomic64_store => abi::atomic_store::<u64>;
    __tsan_go_atomic32_exchange => abi::atomic_exchange::<u32>;
    __tsan_go_atomic64_exchange => abi::atomic_exchange::<u64>;
    __tsan_go_atomic32_fetch_add => abi::atomic_add::<u32>;
    __tsan_go_atomic64_fetch_add => abi::atomic_add::<u64>;
    __tsan_go_atomic32_fetch_and => abi::atomic_and::<u32>;
    __tsan_go_atomic64_fetch_and => abi::atomic_and::<u64>;
    __tsan_go_atomic32_fetch_or => abi::atomic_or::<u32>;
    __tsan_go_atomic64_fetch_or => abi::atomic_or::<u64>;
    __tsan_go_atomic32_compare_exchange => abi::atomic_compare_exchange::<u32>;
    __tsan_go_atomic64_compare_exchange => abi::atomic_compare_exchange::<u64>;
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

/// `goroutine` allocates; null when Go's runtime allocates for itself. `frame` is its frame pointer, `depth` that of
/// its stack, which ends at `stack_end`.
extern "C" fn malloc(
    goroutine: *mut Goroutine,
    address: usize,
    size: usize,
    frame: usize,
    depth: u32,
    stack_end: usize,
) {
    sampling::is_recording(); // so that periods pass even while nothing else does
    if size == 0 || !shadow::has_shadow(address) {
        return;
    }
    // SAFETY: null, or the `racectx` of the running `g`, which only this thread uses.
    let Some(goroutine) = (unsafe { goroutine.as_mut() }) else {
        return heap::allocated_for_runtime(address, size);
    };
    let mut context = 0;
    if budget::allows_allocation_stacks() {
        context = goroutine.function_context(depth);
        if let Some(pc) = stack::statement(goroutine.innermost_pc(), None, frame, stack_end) {
            context = goroutine.statement(context, pc);
        }
    }
    heap::allocated(address, size, context);
}
