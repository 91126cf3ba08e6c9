//! Linux system calls without libc: the runtime runs on Go's system stacks, before and after libc is usable.
//!
//! Each wrapper returns the kernel's answer: a value, or a negative errno.

use core::arch::asm;

/// A raw system call with up to six arguments.
///
/// # Safety
/// As for the system call named by `number`.
#[inline]
unsafe fn syscall(number: usize, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the x86-64 Linux convention: number in rax, arguments in rdi, rsi, rdx, r10, r8, r9; rcx and r11
    // are clobbered. The caller vouches for the call itself.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2], in("r10") args[3], in("r8") args[4],
            in("r9") args[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

const PROT_READ_WRITE: usize = 3;
const MAP_PRIVATE_ANONYMOUS_NORESERVE: usize = 0x4022;
const MAP_FIXED_NOREPLACE: usize = 0x10_0000;
const MADV_DONTNEED: usize = 4;
const MADV_NOHUGEPAGE: usize = 15;
const ENOENT: isize = -2;
/// The file exists already: `mmap` with a fixed address found the place taken.
pub const EEXIST: isize = -17;

/// Maps `size` bytes of zeroed private memory anywhere; 0 when the system has none.
pub fn map(size: usize) -> usize {
    // SAFETY: an anonymous mapping at a place of the kernel's choice touches nothing that exists.
    let at =
        unsafe { syscall(9, [0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, usize::MAX, 0]) };
    if at < 0 { 0 } else { at.cast_unsigned() }
}

/// Maps `size` bytes of zeroed memory at exactly `address`, with small pages; an errno when it cannot.
pub fn map_at(address: usize, size: usize) -> Result<(), isize> {
    let flags = MAP_PRIVATE_ANONYMOUS_NORESERVE | MAP_FIXED_NOREPLACE;
    // SAFETY: MAP_FIXED_NOREPLACE never replaces an existing mapping.
    let at = unsafe { syscall(9, [address, size, PROT_READ_WRITE, flags, usize::MAX, 0]) };
    if at < 0 {
        return Err(at);
    }
    if at.cast_unsigned() != address {
        unmap(at.cast_unsigned(), size);
        return Err(EEXIST);
    }
    // SAFETY: advice on the mapping just made; sparse shadow must not be rounded up to 2 MB pages.
    unsafe { syscall(28, [address, size, MADV_NOHUGEPAGE, 0, 0, 0]) };
    Ok(())
}

/// Gives memory got from [`map`] back.
pub fn unmap(address: usize, size: usize) {
    // SAFETY: callers pass back exactly what `map` gave them and hold no references into it.
    unsafe { syscall(11, [address, size, 0, 0, 0, 0]) };
}

/// Gives the memory of some whole pages back; they read as zeroes from then on.
pub fn discard(start: usize, size: usize) {
    // SAFETY: the pages are part of a private anonymous mapping of this crate; callers need nothing of their content.
    unsafe { syscall(28, [start, size, MADV_DONTNEED, 0, 0, 0]) };
}

/// Writes all of `bytes` to `fd`, in one call if the kernel takes them all at once. False on an error.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length describe a live slice.
        let n = unsafe { syscall(1, [fd as usize, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0]) };
        if n == -4 {
            continue; // EINTR
        }
        if n <= 0 {
            return false;
        }
        bytes = &bytes[n.cast_unsigned().min(bytes.len())..];
    }
    true
}

/// Opens a file to append to it, created if missing; `path` must end in NUL. Negative errno on failure.
pub fn open_append(path: &[u8]) -> isize {
    open(path, 0o2_002_101, 0o644) // O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC
}

/// Opens a file to write it from its start, created or emptied; `path` must end in NUL.
pub fn open_truncate(path: &[u8]) -> isize {
    open(path, 0o2_001_101, 0o644) // O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
}

/// Opens a file for reading; `path` must end in NUL.
pub fn open_read(path: &[u8]) -> isize {
    open(path, 0o2_000_000, 0) // O_RDONLY | O_CLOEXEC
}

fn open(path: &[u8], flags: usize, mode: usize) -> isize {
    if path.last() != Some(&0) {
        return ENOENT;
    }
    // SAFETY: `path` is NUL-terminated, checked above.
    unsafe { syscall(2, [path.as_ptr() as usize, flags, mode, 0, 0, 0]) }
}

/// Reads into `buffer`; the number of bytes, or a negative errno.
pub fn read(fd: i32, buffer: &mut [u8]) -> isize {
    // SAFETY: the pointer and length describe a live, exclusively borrowed slice.
    unsafe { syscall(0, [fd as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0]) }
}

/// Closes a file descriptor of this module's making.
pub fn close(fd: i32) {
    // SAFETY: closing a descriptor that this crate opened.
    unsafe { syscall(3, [fd as usize, 0, 0, 0, 0, 0]) };
}

/// The target of a symbolic link, as the part of `buffer` that was filled.
pub fn read_link<'a>(path: &[u8], buffer: &'a mut [u8]) -> &'a [u8] {
    if path.last() != Some(&0) {
        return &[];
    }
    let args = [path.as_ptr() as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0];
    // SAFETY: `path` is NUL-terminated and the buffer is described exactly.
    let n = unsafe { syscall(89, args) };
    if n < 0 { &[] } else { &buffer[..n.cast_unsigned()] }
}

/// This process's id.
pub fn process_id() -> u32 {
    // SAFETY: getpid has no preconditions.
    unsafe { syscall(39, [0; 6]) as u32 }
}

/// Nanoseconds since the Unix epoch.
pub fn unix_nanoseconds() -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: clock_gettime(CLOCK_REALTIME) fills a two-word timespec.
    unsafe { syscall(228, [0, time.as_mut_ptr() as usize, 0, 0, 0, 0]) };
    time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1])
}

/// Nanoseconds of the monotonic clock.
pub fn monotonic_nanoseconds() -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: clock_gettime(CLOCK_MONOTONIC) fills a two-word timespec.
    unsafe { syscall(228, [1, time.as_mut_ptr() as usize, 0, 0, 0, 0]) };
    time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1])
}

/// Sleeps for about `milliseconds`.
pub fn sleep_milliseconds(milliseconds: u64) {
    let time = [milliseconds / 1000, milliseconds % 1000 * 1_000_000];
    // SAFETY: nanosleep reads a two-word timespec.
    unsafe { syscall(35, [time.as_ptr() as usize, 0, 0, 0, 0, 0]) };
}

/// Lets another thread of the system run.
pub fn yield_now() {
    // SAFETY: sched_yield has no preconditions.
    unsafe { syscall(24, [0; 6]) };
}

/// Ends the whole process.
pub fn exit_process(code: i32) -> ! {
    loop {
        // SAFETY: exit_group does not return.
        unsafe { syscall(231, [code as usize, 0, 0, 0, 0, 0]) };
    }
}

/// Ends the process with a message on stderr: for states in which detection cannot go on honestly.
pub fn fatal(what: &str, hint: &str) -> ! {
    for part in ["raceguard: ", what, "\n  hint: ", hint, "\n"] {
        write_all(2, part.as_bytes());
    }
    exit_process(66)
}
