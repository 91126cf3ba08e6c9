//! Finds slots of ended goroutines that nothing refers to any more.
//!
//! A goroutine that nobody waited for keeps its slot, because its records may still race with anything. A program that
//! starts such goroutines for ever would run out of slots. So, whenever their number has grown enough, all shadow in use
//! is searched: a slot of which there is no record left, and no sync object that it released last, can be given to any
//! new goroutine.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use alloc::vec;
use alloc::vec::Vec;

use crate::overflow::{Set, Verdict};
use crate::record::{MAX_SLOTS, Record};
use crate::shadow::{self, Cell, LANES, LINE, PAGE, TOUCHED};
use crate::{slots, sync_object};

/// The first search is made when this many slots are taken.
const FIRST_SEARCH: u32 = 1 << 18;
static NEXT_SEARCH: AtomicU32 = AtomicU32::new(FIRST_SEARCH);
static SEARCHING: AtomicBool = AtomicBool::new(false);
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How many searches have given slots away. An epoch that somebody remembers, without its being on record, means
/// nothing any more when this has changed: its slot may have an owner now who knows nothing of it.
#[inline]
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Acquire)
}

/// How many slots have to be in use before it is worth searching.
#[inline]
pub fn next_search() -> u32 {
    NEXT_SEARCH.load(Ordering::Relaxed)
}

/// Searches, unless somebody does already. `taken` slots have been used so far.
#[cold]
pub fn search(taken: u32) {
    if SEARCHING.swap(true, Ordering::Acquire) {
        return;
    }
    let dead = slots::take_dead();
    let mut referred = Referred(vec![0; MAX_SLOTS as usize / 64 + 1]);
    let complete = shadow::for_each_range(|start, size| {
        for page in (start..start + size).step_by(PAGE) {
            if Cell::of(page).flags().load(Ordering::Relaxed) & TOUCHED != 0 {
                for line in (page..page + PAGE).step_by(LINE) {
                    referred.look_at_line(line);
                }
            }
        }
    });
    sync_object::for_each_owner(|owner| referred.add(owner));
    let (used, unused): (Vec<u32>, Vec<u32>) =
        dead.into_iter().partition(|&slot| !complete || referred.has(slot));
    // ORDERING: Release, before anybody can have one of the slots; whoever hears of its new owner sees this step too.
    GENERATION.fetch_add(1, Ordering::Release);
    slots::give_back(&used, &unused);
    // Fresh slots are taken only when the free ones have run out: then half as many again may be.
    NEXT_SEARCH.store((taken + taken / 2).min(MAX_SLOTS), Ordering::Relaxed);
    SEARCHING.store(false, Ordering::Release);
}

/// Slots that something refers to, a bit each.
struct Referred(Vec<u64>);

impl Referred {
    fn add(&mut self, record: Record) {
        self.0[record.slot() as usize / 64] |= 1 << (record.slot() % 64);
    }

    fn has(&self, slot: u32) -> bool {
        self.0[slot as usize / 64] >> (slot % 64) & 1 != 0
    }

    fn look_at_line(&mut self, address: usize) {
        let start = Cell::of(address);
        let mut cell = start;
        let mut any = false;
        for _ in 0..LINE / 8 {
            any |= cell.load(0) != Record::EMPTY;
            cell = cell.next();
        }
        if !any {
            return;
        }
        let _line = start.lock_line();
        let mut cell = start;
        for _ in 0..LINE / 8 {
            self.look_at_cell(cell);
            cell = cell.next();
        }
    }

    fn look_at_cell(&mut self, cell: Cell) {
        for lane in 0..LANES {
            let record = cell.load(lane);
            if record == Record::EMPTY {
                return;
            }
            match Set::of(record) {
                None => self.add(record),
                Some(set) => set.visit_all(|(record, _)| {
                    self.add(record);
                    Verdict::Keep
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::epoch;

    #[test]
    fn a_slot_is_remembered_by_its_bit() {
        let mut referred = Referred(vec![0; MAX_SLOTS as usize / 64 + 1]);
        referred.add(Record::new(epoch(MAX_SLOTS - 1, 1), 0, 1));
        referred.add(Record::new(epoch(64, 1), 0, 1));
        assert!(referred.has(MAX_SLOTS - 1) && referred.has(64));
        assert!(!referred.has(63) && !referred.has(65) && !referred.has(0));
    }
}
