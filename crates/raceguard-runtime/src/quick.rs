//! Accesses that are recorded on the goroutine's own stack.
//!
//! Go's instrumentation calls on that stack ([`crate::entry`]), and changing to the system stack costs as much as the
//! simple cases of an access do. They are done here: no function is called that needs more than a few words of stack,
//! nothing is allocated, nothing is reported. The answer is false when a case is not simple; nothing has changed then,
//! and [`crate::detect`] does it all.

use core::sync::atomic::Ordering;

use crate::cell_update::{self, Update};
use crate::context_pair::Lookup;
use crate::detect;
use crate::goroutine::{ACCESSED, Goroutine};
use crate::record::{Record, WRITE};
use crate::sampling;
use crate::shadow::{Cell, TOUCHED};

/// Ranges that are looked through here.
const FEW_BYTES: usize = 64;

/// A read of the byte at `address` by the statement at `pc`, `depth` deep in the goroutine's stack.
pub(crate) extern "C" fn read(goroutine: &mut Goroutine, address: usize, pc: u64, depth: u32) -> bool {
    record(goroutine, address, 0, pc, depth)
}

/// As [`read`], a write.
pub(crate) extern "C" fn write(goroutine: &mut Goroutine, address: usize, pc: u64, depth: u32) -> bool {
    record(goroutine, address, WRITE, pc, depth)
}

/// Whether a read of a small range is on record already.
pub(crate) extern "C" fn knows_read(goroutine: &Goroutine, address: usize, size: usize) -> bool {
    size.wrapping_sub(1) < FEW_BYTES && detect::range_is_known(goroutine, address, size, 0)
}

/// As [`knows_read`], for a write.
pub(crate) extern "C" fn knows_write(goroutine: &Goroutine, address: usize, size: usize) -> bool {
    size.wrapping_sub(1) < FEW_BYTES && detect::range_is_known(goroutine, address, size, WRITE)
}

#[inline(always)]
fn record(goroutine: &mut Goroutine, address: usize, kind: u64, pc: u64, depth: u32) -> bool {
    let cell = Cell::of(address);
    let new = Record::new(goroutine.epoch, kind, 1 << (address & 7));
    let flags = cell.flags().load(Ordering::Relaxed);
    if flags & TOUCHED == 0 {
        return false;
    }
    let first = cell.load(0);
    if first.covers(new) {
        return true;
    }
    if first != Record::EMPTY && cell.load_if_used(1, flags) != Record::EMPTY {
        return beside_others(goroutine, cell, new, pc, depth);
    }
    let Some(context) = context_to_record(goroutine, pc, depth) else { return false };
    if first == Record::EMPTY {
        return enter_empty(goroutine, cell, (new, context));
    }
    if first.same_but_mask(new) && cell.context(0).load(Ordering::Relaxed) == context {
        return extend_only(goroutine, cell, first, new);
    }
    enter_beside(goroutine, cell, first, (new, context))
}

/// Puts the access `new` into a cell without records, on a page whose first lane is in use.
#[inline(always)]
fn enter_empty(goroutine: &mut Goroutine, cell: Cell, (new, context): (Record, u32)) -> bool {
    let Some(_line) = cell.try_lock_line() else { return false };
    if cell.load(0) != Record::EMPTY {
        return false;
    }
    cell.set(0, new, context);
    goroutine.dirty |= ACCESSED;
    true
}

/// Adds the bytes of `new` to the only record of a cell, `own`, which has its context.
#[inline(always)]
fn extend_only(goroutine: &mut Goroutine, cell: Cell, own: Record, new: Record) -> bool {
    let Some(_line) = cell.try_lock_line() else { return false };
    let flags = cell.flags().load(Ordering::Relaxed);
    if cell.load(0) != own || cell.load_if_used(1, flags) != Record::EMPTY {
        return false;
    }
    cell.store(0, Record(own.0 | new.0));
    goroutine.dirty |= ACCESSED;
    true
}

/// As [`record`], for a cell that has two records at least.
#[inline(never)]
fn beside_others(goroutine: &mut Goroutine, cell: Cell, new: Record, pc: u64, depth: u32) -> bool {
    let flags = cell.flags().load(Ordering::Relaxed);
    let (first, second) = (cell.load(0), cell.load(1));
    if second.covers(new) {
        return true;
    }
    let third = cell.load_if_used(2, flags);
    if third.covers(new) {
        return true;
    }
    if third != Record::EMPTY && cell.load_if_used(3, flags) != Record::EMPTY {
        return detect::is_known(cell, new);
    }
    let Some(context) = context_to_record(goroutine, pc, depth) else { return false };
    let is_extended = |record: Record, lane: usize| {
        record.same_but_mask(new) && cell.context(lane).load(Ordering::Relaxed) == context
    };
    if third == Record::EMPTY {
        if is_extended(second, 1)
            && let Some(first) = remains_in_part(goroutine, first, new)
        {
            return extend(goroutine, cell, [(0, first), (2, unchanged(third))], (1, second), new);
        }
        return enter_beside_two(goroutine, cell, (first, second), (new, context));
    }
    if is_extended(third, 2)
        && let Some(first) = remains_in_part(goroutine, first, new)
        && let Some(second) = remains_in_part(goroutine, second, new)
    {
        return extend(goroutine, cell, [(0, first), (1, second)], (2, third), new);
    }
    enter_beside_three(goroutine, cell, (first, second, third), (new, context))
}

/// [`enter`] for a cell with one record. It and its like are functions of their own, so that what fills buffers byte by byte
/// saves no registers for them.
#[inline(never)]
fn enter_beside(goroutine: &mut Goroutine, cell: Cell, old: Record, new: (Record, u32)) -> bool {
    enter(goroutine, cell, [old, Record::EMPTY, Record::EMPTY], new)
}

/// As [`enter_beside`], for two records.
#[inline(never)]
fn enter_beside_two(
    goroutine: &mut Goroutine,
    cell: Cell,
    old: (Record, Record),
    new: (Record, u32),
) -> bool {
    enter(goroutine, cell, [old.0, old.1, Record::EMPTY], new)
}

/// As [`enter_beside`], for three records.
#[inline(never)]
fn enter_beside_three(
    goroutine: &mut Goroutine,
    cell: Cell,
    old: (Record, Record, Record),
    new: (Record, u32),
) -> bool {
    enter(goroutine, cell, [old.0, old.1, old.2], new)
}

/// A record, and what an access makes of it.
type Change = (Record, Record);

fn unchanged(record: Record) -> Change {
    (record, record)
}

/// What the access `new` leaves of `record`, unless the two race or nothing is left.
#[inline(always)]
fn remains_in_part(goroutine: &Goroutine, record: Record, new: Record) -> Option<Change> {
    let left = cell_update::remains(goroutine, record, new)?;
    (!left.is_empty()).then_some((record, left))
}

/// Adds the bytes of `new` to one record of a cell, and takes them from the others: a buffer that has been used before is
/// filled byte by byte. The lanes behind those named are empty.
#[inline(always)]
fn extend(
    goroutine: &mut Goroutine,
    cell: Cell,
    others: [(usize, Change); 2],
    (lane, own): (usize, Record),
    new: Record,
) -> bool {
    let Some(_line) = cell.try_lock_line() else { return false };
    let flags = cell.flags().load(Ordering::Relaxed);
    let is_same = |lane: usize, record: Record| cell.load_if_used(lane, flags) == record;
    if !(is_same(lane, own)
        && others.iter().all(|&(lane, (old, _))| is_same(lane, old))
        && is_same(3, Record::EMPTY))
    {
        return false;
    }
    for (lane, (old, left)) in others {
        if left != old {
            cell.store(lane, left);
        }
    }
    cell.store(lane, Record(own.0 | new.0));
    goroutine.dirty |= ACCESSED;
    true
}

/// The context of an access, if it is to be recorded and can be found at once.
#[inline(always)]
fn context_to_record(goroutine: &mut Goroutine, pc: u64, depth: u32) -> Option<u32> {
    if sampling::is_active() {
        return None;
    }
    goroutine.remembered_context(depth, pc)
}

/// Puts the access `new` into a cell with the records `old`.
#[inline(always)]
fn enter(goroutine: &mut Goroutine, cell: Cell, old: [Record; 3], new: (Record, u32)) -> bool {
    let flags = cell.flags().load(Ordering::Relaxed);
    let Some(update) = Update::plan(goroutine, cell, old, new, Lookup::Known) else { return false };
    if !update.fits(flags) {
        return false;
    }
    let Some(_line) = cell.try_lock_line() else { return false };
    if !update.still_applies(cell) {
        return false;
    }
    update.apply(cell, new.0);
    goroutine.dirty |= ACCESSED;
    true
}
