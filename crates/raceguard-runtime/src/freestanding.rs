//! What the compiler expects of its surroundings when there is no libc: block operations and a panic handler.

use core::arch::naked_asm;
use core::fmt::Write;
use core::panic::PanicInfo;

use crate::sys;

/// The string instructions take long to start: blocks shorter than this, which nearly all are, go word by word.
const LONG: usize = 256;

/// Copies `size` bytes; the ranges do not overlap.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memcpy(_to: *mut u8, _from: *const u8, _size: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "mov rcx, rdx",
        "cmp rdx, {long}",
        "jae 4f",
        "sub rcx, 8",
        "jb 3f",
        "2:",
        "mov r8, [rsi]",
        "mov [rdi], r8",
        "add rsi, 8",
        "add rdi, 8",
        "sub rcx, 8",
        "jae 2b",
        "3:",
        "add rcx, 8",
        "jz 5f",
        "4:",
        "rep movsb",
        "5:",
        "ret",
        long = const LONG,
    )
}

/// Copies `size` bytes; the ranges may overlap.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memmove(_to: *mut u8, _from: *const u8, _size: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "mov rcx, rdx",
        "mov r8, rdi",
        "sub r8, rsi",
        "cmp r8, rdx",
        "jb 2f",
        "rep movsb",
        "ret",
        "2:",
        "lea rdi, [rdi + rcx - 1]",
        "lea rsi, [rsi + rcx - 1]",
        "std",
        "rep movsb",
        "cld",
        "ret",
    )
}

/// Fills `size` bytes.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memset(_to: *mut u8, _value: i32, _size: usize) -> *mut u8 {
    naked_asm!(
        "mov r8, rdi",
        "movzx eax, sil",
        "cmp rdx, {long}",
        "jae 5f",
        "movabs rcx, 0x0101010101010101",
        "imul rax, rcx",
        "sub rdx, 8",
        "jb 3f",
        "2:",
        "mov [rdi], rax",
        "add rdi, 8",
        "sub rdx, 8",
        "jae 2b",
        "3:",
        "add rdx, 8",
        "jz 4f",
        "5:",
        "mov rcx, rdx",
        "rep stosb",
        "4:",
        "mov rax, r8",
        "ret",
        long = const LONG,
    )
}

/// Compares `size` bytes.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memcmp(_a: *const u8, _b: *const u8, _size: usize) -> i32 {
    naked_asm!(
        "xor eax, eax",
        "mov rcx, rdx",
        "cmp rcx, rcx",
        "repe cmpsb",
        "je 2f",
        "movzx eax, byte ptr [rdi - 1]",
        "movzx ecx, byte ptr [rsi - 1]",
        "sub eax, ecx",
        "2:",
        "ret",
    )
}

/// Compares `size` bytes for equality.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn bcmp(_a: *const u8, _b: *const u8, _size: usize) -> i32 {
    naked_asm!("jmp {memcmp}", memcmp = sym memcmp)
}

struct Stderr;

impl Write for Stderr {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        sys::write_all(2, text.as_bytes());
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let _ = writeln!(Stderr, "raceguard: internal error in the race runtime: {info}");
    sys::exit_process(66)
}

/// Length of a NUL-terminated string.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn strlen(_text: *const u8) -> usize {
    naked_asm!("xor eax, eax", "2:", "cmp byte ptr [rdi + rax], 0", "je 3f", "inc rax", "jmp 2b", "3:", "ret")
}

/// The standard library's code is compiled with landing pads that refer to these two; nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    sys::fatal("unwinding in the race runtime", "this is a bug in raceguard; please report it")
}

/// See [`_Unwind_Resume`].
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
