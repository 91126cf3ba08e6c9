//! Allocation and release of the program's memory: fresh memory has no history.

use core::sync::atomic::Ordering;

use crate::overflow::Set;
use crate::record::Record;
use crate::shadow::{self, ALL_LANES, Cell, HAS_SYNC, LANES, LINE, OVERFLOWED, PAGE, TOUCHED};
use crate::{budget, sync_object};

/// The shadow of freed objects from this size on goes back to the system: it can be several times as large as they are, and
/// no object of their size may ever come again. That of smaller ones is kept, as clearing it takes less time than
/// having it mapped anew.
const LARGE: usize = 4 << 20;
/// As [`LARGE`], for programs that use much memory.
const LARGE_WHERE_MUCH_IS_USED: usize = 32 << 10;
/// So many bytes of shadow are much.
const MUCH: usize = 1 << 30;

fn is_large(size: usize) -> bool {
    size >= LARGE || (size >= LARGE_WHERE_MUCH_IS_USED && budget::shadow() > MUCH)
}

/// `size` bytes at `address` were allocated by a goroutine in calling context `context` (0 when unknown).
pub fn allocated(address: usize, size: usize, context: u32) {
    forget_accesses(address, size);
    if shadow::is_heap(address) {
        Cell::of(address).prepare_page();
        shadow::set_allocation(address, context);
    }
}

/// `size` bytes at `address` were allocated by the Go runtime for itself: mostly stacks.
pub fn allocated_for_runtime(address: usize, size: usize) {
    forget_accesses(address, size);
    if shadow::is_heap(address) && Cell::of(address).is_prepared() {
        shadow::set_allocation(address, 0);
    }
}

/// `size` bytes at `address` were freed: what was released there, and large sets of readers, need no memory more.
pub fn freed(address: usize, size: usize) {
    for_each_page(address, size, |start, end, flags| {
        if flags & HAS_SYNC != 0 {
            for word in (start..end).step_by(8) {
                let cell = Cell::of(word);
                if cell.sync().load(Ordering::Relaxed) != 0 {
                    sync_object::drop_all(cell);
                }
            }
        }
        if flags & OVERFLOWED != 0 {
            clear_lines(start, end, flags);
        }
    });
    if is_large(size) {
        let first = address.next_multiple_of(PAGE);
        shadow::discard(first, (address + size) / PAGE * PAGE - first);
    }
}

fn forget_accesses(address: usize, size: usize) {
    for_each_page(address, size, |start, end, flags| {
        if flags & TOUCHED != 0 {
            clear_lines(start, end, flags);
            if end - start == PAGE {
                // The whole page is new and nobody else can be marking it.
                Cell::of(start).flags().fetch_and(!(ALL_LANES | OVERFLOWED), Ordering::Relaxed);
            }
        }
    });
}

fn for_each_page(address: usize, size: usize, mut action: impl FnMut(usize, usize, u8)) {
    let end = (address + size).next_multiple_of(8);
    let mut at = address & !7;
    while at < end {
        let stop = ((at & !(PAGE - 1)) + PAGE).min(end);
        action(at, stop, Cell::of(at).flags().load(Ordering::Relaxed));
        at = stop;
    }
}

/// Clears the words of `start..end`, which belong to one object. Other objects in its first and last line are in use.
fn clear_lines(start: usize, end: usize, flags: u8) {
    if flags & OVERFLOWED != 0 {
        free_sets(start, end);
    }
    let first_line = start.next_multiple_of(LINE).min(end);
    let last_line = (end & !(LINE - 1)).max(first_line);
    for lane in (0..LANES).filter(|lane| flags & TOUCHED << lane != 0) {
        if start < first_line {
            // A line that begins before `start`: its first cell, which holds the lock, is not among those cleared.
            Cell::of(start).clear(lane, (first_line - start) / 8);
        }
        Cell::of(first_line).clear(lane, (last_line - first_line) / 8);
        if last_line < end {
            // The line goes on with another object, and its lock is in the first of our cells.
            let cell = Cell::of(last_line);
            let _line = cell.lock_line();
            cell.store(lane, Record::EMPTY);
            cell.next().clear(lane, (end - last_line) / 8 - 1);
        }
    }
}

fn free_sets(start: usize, end: usize) {
    let mut cell = Cell::of(start);
    for _ in (start..end).step_by(8) {
        let last = cell.load(LANES - 1);
        if let Some(set) = Set::of(last) {
            cell.clear(LANES - 1, 1);
            set.free();
        }
        cell = cell.next();
    }
}
