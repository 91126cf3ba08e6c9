//! Allocation and release of the program's memory: fresh memory has no history.

use core::sync::atomic::Ordering;

use crate::overflow::Set;
use crate::record::Record;
use crate::shadow::{self, Cell, HAS_SYNC, LINE, OVERFLOWED, PAGE, SECONDED, TOUCHED};
use crate::sync_object;

/// `size` bytes at `address` were allocated in calling context `context` (0 when unknown).
pub fn allocated(address: usize, size: usize, context: u32) {
    forget_accesses(address, size);
    if shadow::is_heap(address) {
        shadow::set_allocation(address, context);
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
}

fn forget_accesses(address: usize, size: usize) {
    for_each_page(address, size, |start, end, flags| {
        if flags & TOUCHED != 0 {
            clear_lines(start, end, flags);
            if end - start == PAGE {
                // The whole page is new and nobody else can be marking it.
                Cell::of(start).flags().fetch_and(!(TOUCHED | OVERFLOWED | SECONDED), Ordering::Relaxed);
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
    let seconded = flags & SECONDED != 0;
    let first_line = start.next_multiple_of(LINE).min(end);
    let last_line = (end & !(LINE - 1)).max(first_line);
    if start < first_line {
        // A line that begins before `start`: its first cell, which holds the lock, is not among those cleared.
        Cell::of(start).clear((first_line - start) / 8, seconded);
    }
    Cell::of(first_line).clear((last_line - first_line) / 8, seconded);
    if last_line < end {
        clear_start_of_line(last_line, end, seconded);
    }
}

/// The line goes on behind `end` with another object, and its lock is in the first of our cells.
fn clear_start_of_line(start: usize, end: usize, seconded: bool) {
    let mut cell = Cell::of(start);
    let _line = cell.lock_line();
    for _ in (start..end).step_by(8) {
        if cell.load().0 != Record::EMPTY {
            cell.store_first(Record::EMPTY);
        }
        if seconded {
            cell.clear_second();
        }
        cell = cell.next();
    }
}

fn free_sets(start: usize, end: usize) {
    let mut cell = Cell::of(start);
    for _ in (start..end).step_by(8) {
        if let Some(set) = Set::of(cell.load().1) {
            cell.clear_second();
            set.free();
        }
        cell = cell.next();
    }
}
