//! Allocation and release of the program's memory: fresh memory has no history.

use core::sync::atomic::Ordering;

use crate::overflow::Set;
use crate::record::Record;
use crate::shadow::{Cell, HAS_SYNC, LINE, OVERFLOWED, PAGE, TOUCHED};
use crate::sync_object;

/// `size` bytes at `address` were allocated in calling context `context` (0 when unknown).
pub fn allocated(address: usize, size: usize, context: u32) {
    forget_accesses(address, size);
    if crate::shadow::is_heap(address) {
        Cell::of(address).allocation().store(context, Ordering::Relaxed);
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
            clear_lines(start, end, true);
        }
    });
}

fn forget_accesses(address: usize, size: usize) {
    for_each_page(address, size, |start, end, flags| {
        if flags & TOUCHED != 0 {
            clear_lines(start, end, flags & OVERFLOWED != 0);
            if end - start == PAGE {
                // The whole page is new and nobody else can be marking it.
                Cell::of(start).flags().fetch_and(!(TOUCHED | OVERFLOWED), Ordering::Relaxed);
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

/// Clears the words of `start..end`: whole lines at once, the rest under the line's lock, because its neighbours
/// are other objects in use.
fn clear_lines(start: usize, end: usize, overflows: bool) {
    let mut at = start;
    while at < end {
        let line_end = (at & !(LINE - 1)) + LINE;
        let whole = at % LINE == 0 && end >= line_end;
        if whole && !overflows {
            let stop = end & !(LINE - 1);
            Cell::of(at).clear((stop - at) / 8);
            at = stop;
            continue;
        }
        let stop = line_end.min(end);
        clear_words(at, stop);
        at = stop;
    }
}

fn clear_words(start: usize, stop: usize) {
    let mut cell = Cell::of(start);
    let _line = cell.lock_line();
    for _ in (start..stop).step_by(8) {
        let (first, second) = cell.load();
        if first.0 | second.0 != 0 {
            if let Some(set) = Set::of(second) {
                set.free();
            }
            cell.store(Record::EMPTY, Record::EMPTY);
        }
        cell = cell.next();
    }
}
