//! What becomes of the few records of a cell when an access comes that none of them races with: the common case of an
//! access that is not on record yet. It needs no memory and changes nothing before all is known, so that it can be
//! worked out without the line's lock, and on any stack.
//!
//! [`crate::detect`] does the rest: races, cells with more records than these, overflow sets.

use core::sync::atomic::Ordering;

use crate::context_pair::{self, Lookup};
use crate::goroutine::Goroutine;
use crate::record::Record;
use crate::shadow::{Cell, LANES, TOUCHED};

/// No lane.
const NONE: usize = LANES;

/// The change of a cell with up to three records by one access. The functions of this type are inlined for each number
/// of records: where a record is known to be empty, nothing is left of what concerns it.
pub struct Update {
    old: [Record; 3],
    new: [Record; 3],
    /// The lane that gets the access's context, [`NONE`] if it has it already. The last lane gets the access itself as well.
    place: usize,
    /// That context, or a pair of it and the one that was there.
    context: u32,
}

impl Update {
    /// What `access` in calling context `context` makes of the records of `cell`. `None` if it races with one of them, or
    /// if one would have to move.
    #[inline(always)]
    pub fn plan(
        goroutine: &Goroutine,
        cell: Cell,
        old: [Record; 3],
        (access, context): (Record, u32),
        lookup: Lookup,
    ) -> Option<Self> {
        let first = remains(goroutine, old[0], access)?;
        let second = remains(goroutine, old[1], access)?;
        let third = remains(goroutine, old[2], access)?;
        // Records of the present epoch are this goroutine's own, and so are their contexts: nobody else changes those.
        let extended = |record: Record, lane: usize| {
            if !record.same_but_mask(access) {
                return None;
            }
            let its_context = cell.context(lane).load(Ordering::Relaxed);
            if its_context == context {
                return Some(context);
            }
            let bytes = access.without(record.mask()).mask();
            context_pair::join_again(&goroutine.joints, its_context, context, bytes, lookup)
        };
        // The lane that a record's context has to be written to, if it changes where it is.
        let place_of = |lane: usize, joint: u32| if joint == context { NONE } else { lane };
        let more = |record: Record| Record(record.0 | u64::from(access.mask()));
        let done = |new, place, context| Some(Self { old, new, place, context });
        if let Some(joint) = extended(third, 2) {
            return match (first.is_empty(), second.is_empty()) {
                (false, false) => done([first, second, more(third)], place_of(2, joint), joint),
                (false, true) => done([first, more(third), Record::EMPTY], 1, joint),
                (true, _) => done([more(third), second, Record::EMPTY], 0, joint),
            };
        }
        if let Some(joint) = extended(second, 1) {
            return match (first.is_empty(), third.is_empty()) {
                (false, _) => done([first, more(second), third], place_of(1, joint), joint),
                (true, true) => done([more(second), Record::EMPTY, Record::EMPTY], 0, joint),
                (true, false) => None,
            };
        }
        let joint = extended(first, 0);
        if second.is_empty() && !third.is_empty() {
            return if first.is_empty() || joint.is_some() {
                None
            } else {
                done([first, access, third], 1, context)
            };
        }
        if let Some(joint) = joint {
            done([more(first), second, third], place_of(0, joint), joint)
        } else if first.is_empty() {
            done([access, second, third], 0, context)
        } else if second.is_empty() {
            done([first, access, third], 1, context)
        } else if third.is_empty() {
            done([first, second, access], 2, context)
        } else {
            done([first, second, third], 3, context)
        }
    }

    /// Whether the update needs no lane that the page with these `flags` does not have yet.
    #[inline(always)]
    pub fn fits(&self, flags: u8) -> bool {
        self.place == NONE || flags & TOUCHED << self.place != 0
    }

    /// Whether the cell, whose line is locked now, has the same records still.
    #[inline(always)]
    pub fn still_applies(&self, cell: Cell) -> bool {
        let flags = cell.flags().load(Ordering::Relaxed);
        let mut same = true;
        for lane in 0..3 {
            same &= cell.load_if_used(lane, flags) == self.old[lane];
            if self.old[lane] == Record::EMPTY {
                return same;
            }
        }
        same && cell.load_if_used(3, flags) == Record::EMPTY
    }

    /// Changes the cell, whose line is locked.
    #[inline(always)]
    pub fn apply(&self, cell: Cell, access: Record) {
        if self.place != NONE {
            cell.context(self.place).store(self.context, Ordering::Relaxed);
        }
        for lane in 0..3 {
            if self.new[lane] != self.old[lane] {
                cell.store(lane, self.new[lane]);
            }
        }
        if self.place == 3 {
            cell.store(3, access);
        }
    }
}

/// Puts the access `new` into the eight cells of the line that starts with `start`, which is locked, if they have the same
/// records. False if they do not, or if one cell would have to be looked at by itself.
#[inline(always)]
pub fn update_line(goroutine: &Goroutine, start: Cell, new: (Record, u32)) -> bool {
    let Some(old) = records_of_line(start) else { return false };
    // Whether a record takes the new bytes in depends on its context, and those of a line may differ.
    if old.iter().any(|record| record.same_but_mask(new.0)) {
        return false;
    }
    let Some(update) = Update::plan(goroutine, start, old, new, Lookup::Known) else { return false };
    if update.place != NONE {
        start.set_context_of_line(update.place, new.1);
    }
    for lane in 0..3 {
        if update.new[lane] != update.old[lane] {
            start.store_line(lane, update.new[lane]);
        }
    }
    if update.place == 3 {
        start.store_line(3, new.0);
    }
    true
}

/// Whether a record of each cell of the line that starts with `start` covers `new`. `None` if that can't be told at one
/// look, because the cells have different records. As [`crate::detect::is_known`], without the lock.
#[inline(always)]
pub fn equal_cells_cover(start: Cell, new: Record) -> Option<bool> {
    let flags = start.flags().load(Ordering::Relaxed);
    for lane in 0..LANES - 1 {
        let record = if flags & TOUCHED << lane == 0 { Record::EMPTY } else { start.load_line(lane)? };
        if record == Record::EMPTY || record.covers(new) {
            return Some(record != Record::EMPTY);
        }
    }
    None
}

/// The records of every cell of the line, if there are no more than three.
#[inline(always)]
fn records_of_line(start: Cell) -> Option<[Record; 3]> {
    let flags = start.flags().load(Ordering::Relaxed);
    let mut records = [Record::EMPTY; 3];
    for lane in 0..LANES {
        let record = if flags & TOUCHED << lane == 0 { Record::EMPTY } else { start.load_line(lane)? };
        if record == Record::EMPTY {
            return Some(records);
        }
        *records.get_mut(lane)? = record;
    }
    None
}

/// What is left of `record` when `access` comes. `None` if the two race.
#[inline(always)]
pub fn remains(goroutine: &Goroutine, record: Record, access: Record) -> Option<Record> {
    if record.mask() & access.mask() == 0 {
        return Some(record);
    }
    if goroutine.knows(record) {
        return Some(if record.is_subsumed_by(access) { record.without(access.mask()) } else { record });
    }
    (!record.conflicts(access)).then_some(record)
}
