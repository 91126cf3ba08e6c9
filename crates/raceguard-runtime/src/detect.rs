//! The check of one access against the recorded ones, after FastTrack (Flanagan and Freund, PLDI 2009).
//!
//! For each word the shadow keeps a set of records such that every earlier access that could still race with a
//! future one is represented: a record goes only when a newer access that happens after it takes its place for all
//! its bytes ([`Record::is_subsumed_by`]). A few records lie in the cell; more in an overflow set.
//!
//! Records of races that were found stay too, as concurrent ones: a third party is compared with both.

use crate::cell_update::{self, Update};
use crate::context_pair::Lookup;
use crate::goroutine::{ACCESSED, Goroutine};
use crate::overflow::{Set, Verdict};
use crate::record::Record;
use crate::shadow::{Cell, LANES, LINE, LineGuard, OVERFLOWED, TOUCHED};
use crate::{context_pair, report, sampling, stack};
use core::sync::atomic::Ordering;

/// An earlier access that races with the present one.
#[derive(Clone, Copy)]
pub struct Earlier {
    /// The earlier access.
    pub record: Record,
    /// Its calling context.
    pub context: u32,
    /// Where the common bytes lie.
    pub address: usize,
}

/// The races of one access or range: a few different ones are enough.
pub struct Races {
    found: [Option<Earlier>; Self::MOST],
}

impl Races {
    const MOST: usize = 4;

    /// None yet.
    #[inline(always)]
    pub const fn none() -> Self {
        Self { found: [None; Self::MOST] }
    }

    /// Adds the races of an access to `bytes` with an earlier one, one for each statement that made it.
    #[cold]
    fn add(&mut self, earlier: Earlier, bytes: u8) {
        context_pair::for_each_part(earlier.context, |context, part| {
            let record = earlier.record.without(!part);
            if record.mask() & bytes != 0 {
                self.add_one(Earlier { record, context, ..earlier });
            }
        });
    }

    fn add_one(&mut self, earlier: Earlier) {
        for place in &mut self.found {
            match place {
                None => {
                    *place = Some(earlier);
                    return;
                }
                Some(known) if known.context == earlier.context => return,
                Some(_) => {}
            }
        }
    }

    #[inline(always)]
    fn any(&self) -> bool {
        self.found[0].is_some()
    }

    /// The races found.
    pub fn iter(&self) -> impl Iterator<Item = &Earlier> {
        self.found.iter().flatten()
    }
}

/// Where an access stands in the program.
#[derive(Clone, Copy)]
pub struct Site {
    /// Return address of the statement, 0 if there is none but the function's.
    pub pc: u64,
    /// Return address into the caller of the function that `pc` lies in, when that function has not announced
    /// itself by `__tsan_func_enter`; else 0.
    pub caller: u64,
    /// Depth of the goroutine's stack, see [`crate::goroutine::CallFrame::depth`].
    pub depth: u32,
    /// Upper end of the goroutine's stack if the access was announced by Go's runtime on behalf of an instrumented
    /// function, whose statement is then looked for; else 0.
    pub stack_end: usize,
}

impl Site {
    fn context(self, goroutine: &mut Goroutine) -> u32 {
        let mut function = goroutine.function_context(self.depth);
        if self.caller != 0 {
            let caller = self.statement(goroutine);
            function = goroutine.statement(function, caller);
        }
        if self.pc == 0 { function } else { goroutine.statement(function, self.pc) }
    }
}

impl Site {
    /// The statement of the instrumented function. Go's runtime names the caller of its innermost function, which can
    /// be another function of its own (Go 1.27: `mapaccess1_fast64` calls `mapaccess2_fast64`).
    fn statement(self, goroutine: &Goroutine) -> u64 {
        let end = self.stack_end;
        let frame = end.wrapping_sub(self.depth as usize);
        let found = if end == 0 {
            None
        } else {
            stack::statement(goroutine.innermost_pc(), Some(self.caller), frame, end)
        };
        found.unwrap_or(self.caller)
    }
}

/// Checks and records an access to some bytes of one word.
#[inline]
pub fn access(goroutine: &mut Goroutine, address: usize, kind: u64, mask: u8, site: Site) {
    let cell = Cell::of(address);
    let new = Record::new(goroutine.epoch, kind, mask);
    if is_known(cell, new) {
        return;
    }
    let mut races = Races::none();
    let context = if sampling::is_recording() {
        let context = site.context(goroutine);
        goroutine.dirty |= ACCESSED;
        cell.mark(TOUCHED);
        let _line = cell.lock_line();
        update_unknown(goroutine, cell, (new, context), &mut races, address & !7);
        context
    } else {
        check_only(goroutine, cell, new, &mut races, address & !7);
        if races.any() { site.context(goroutine) } else { 0 }
    };
    if races.any() {
        report_all(&races, new, context, 8);
    }
}

/// Whether an access to some bytes of a word is on record already or, where none are recorded now, has nothing to be
/// compared with.
#[inline(always)]
pub fn has_nothing_to_record(goroutine: &Goroutine, address: usize, kind: u64, mask: u8) -> bool {
    let cell = Cell::of(address);
    is_known(cell, Record::new(goroutine.epoch, kind, mask)) || (!sampling::is_recording() && !cell.is_used())
}

/// The access of an atomic operation to its variable. It is checked, and recorded, while its line is locked for the operation.
pub struct AtomicAccess {
    address: usize,
    kind: u64,
    mask: u8,
    site: Site,
    /// The calling context, 0 if the access is not to be recorded.
    context: u32,
    races: Races,
}

impl AtomicAccess {
    /// The access of kind `kind` to the bytes `mask` of a word.
    #[inline(always)]
    pub fn new(goroutine: &mut Goroutine, address: usize, kind: u64, mask: u8, site: Site) -> Self {
        let context = if sampling::is_recording() { site.context(goroutine) } else { 0 };
        Self { address, kind, mask, site, context, races: Races::none() }
    }

    /// Locks the line for the operation.
    #[inline(always)]
    pub fn lock(&self, goroutine: &mut Goroutine) -> LineGuard {
        goroutine.have_epochs_left();
        let cell = Cell::of(self.address);
        if self.context == 0 {
            cell.prepare_page();
        } else {
            cell.mark(TOUCHED);
        }
        cell.lock_line()
    }

    fn as_record(&self, goroutine: &Goroutine) -> Record {
        Record::new(goroutine.epoch, self.kind, self.mask)
    }

    /// Compares the access with what is on record. The line is locked.
    pub fn check(&mut self, goroutine: &Goroutine) {
        let (cell, new) = (Cell::of(self.address), self.as_record(goroutine));
        find_races(goroutine, cell, new, &mut self.races, self.address & !7);
    }

    /// Records the access as one of the goroutine's present epoch. The line is locked.
    #[inline]
    pub fn record(&mut self, goroutine: &mut Goroutine) {
        let (cell, new) = (Cell::of(self.address), self.as_record(goroutine));
        if self.context == 0 {
            return update_used(goroutine, cell, (Record::EMPTY, 0), new, &mut self.races, self.address & !7);
        }
        goroutine.dirty |= ACCESSED;
        update(goroutine, cell, (new, self.context), &mut self.races, self.address & !7);
    }

    /// The races found so far.
    pub fn races(&self) -> &Races {
        &self.races
    }

    /// Reports the races that were found. Calls back Go: no lock may be held.
    #[inline(always)]
    pub fn report(&mut self, goroutine: &mut Goroutine) {
        if self.races.any() {
            if self.context == 0 {
                self.context = self.site.context(goroutine);
            }
            report_all(&self.races, self.as_record(goroutine), self.context, 8);
        }
    }
}

/// The races of `new` with the records of the cell, whose line is locked; nothing is changed.
fn find_races(goroutine: &Goroutine, cell: Cell, new: Record, races: &mut Races, address: usize) {
    let mut look_at = |record: Record, context: u32| {
        if record.conflicts(new) && !goroutine.knows(record) {
            races.add(Earlier { record, context, address }, new.mask());
        }
    };
    let flags = cell.flags().load(Ordering::Relaxed);
    for lane in 0..LANES {
        let record = cell.load_if_used(lane, flags);
        if record == Record::EMPTY {
            return;
        }
        match Set::of(record) {
            Some(set) => set.visit(new, |(record, context)| {
                look_at(record, context);
                Verdict::Keep
            }),
            None => look_at(record, cell.context(lane).load(Ordering::Relaxed)),
        }
    }
}

/// Checks and records an access to `size` bytes from `address` on.
pub fn access_range(goroutine: &mut Goroutine, address: usize, size: usize, kind: u64, site: Site) {
    let mut races = Races::none();
    let recorded = check_range(goroutine, address, size, kind, site, &mut races);
    if races.any() {
        let record = Record::new(goroutine.epoch, kind, 0xff);
        report_all(&races, record, recorded, size);
    }
}

/// As [`access_range`], but only collects the races. The answer is the access's context, if it was recorded.
pub fn check_range(
    goroutine: &mut Goroutine,
    address: usize,
    size: usize,
    kind: u64,
    site: Site,
    races: &mut Races,
) -> u32 {
    let end = address + size;
    let mut context = 0;
    let mut at = address & !7;
    while at < end {
        let line_end = (at & !(LINE - 1)) + LINE;
        let stop = line_end.min(end);
        let mut cell = Cell::of(at);
        let whole = stop - at == LINE && address <= at;
        let all = Record::new(goroutine.epoch, kind, 0xff);
        let known = if whole { cell_update::equal_cells_cover(cell, all) } else { None };
        if !known.unwrap_or_else(|| line_is_known(goroutine, at, address, stop, end, kind)) {
            let recording = sampling::is_recording();
            if context == 0 && recording {
                context = site.context(goroutine);
                goroutine.dirty |= ACCESSED;
            }
            if recording {
                cell.mark(TOUCHED);
            }
            let line = recording.then(|| cell.lock_line());
            if whole && line.is_some() && cell_update::update_line(goroutine, cell, (all, context)) {
                at = line_end;
                continue;
            }
            while at < stop {
                let new = Record::new(goroutine.epoch, kind, mask_of(at, address, end));
                match line {
                    Some(_) => update(goroutine, cell, (new, context), races, at),
                    None => check_only(goroutine, cell, new, races, at),
                }
                cell = cell.next();
                at += 8;
            }
        }
        at = line_end;
    }
    if context == 0 && races.any() {
        context = site.context(goroutine);
    }
    context
}

/// Outside of sampling periods: compares `new` with what is on record, without recording it. Records that it would
/// replace go.
fn check_only(goroutine: &Goroutine, cell: Cell, new: Record, races: &mut Races, address: usize) {
    if !cell.is_used() {
        return;
    }
    let _line = cell.lock_line();
    update_used(goroutine, cell, (Record::EMPTY, 0), new, races, address);
}

/// The bytes of the word at `word` that lie in `start..end`.
#[inline(always)]
fn mask_of(word: usize, start: usize, end: usize) -> u8 {
    let mut mask = 0xffu8;
    if word < start {
        mask &= 0xff << (start - word);
    }
    if word + 8 > end {
        mask &= 0xff >> (word + 8 - end);
    }
    mask
}

/// Whether an access to `size` bytes from `address` on is on record already.
#[inline(always)]
pub fn range_is_known(goroutine: &Goroutine, address: usize, size: usize, kind: u64) -> bool {
    let end = address + size;
    line_is_known(goroutine, address & !7, address, end, end, kind)
}

/// Whether of an access to `start..end` the words of `from..stop` are on record already.
#[inline(always)]
fn line_is_known(
    goroutine: &Goroutine,
    from: usize,
    start: usize,
    stop: usize,
    end: usize,
    kind: u64,
) -> bool {
    let mut cell = Cell::of(from);
    let mut at = from;
    while at < stop {
        let new = Record::new(goroutine.epoch, kind, mask_of(at, start, end));
        if !is_known(cell, new) {
            return false;
        }
        cell = cell.next();
        at += 8;
    }
    true
}

/// Whether the cell already says what `new` would say. No lock: a record of this goroutine's current epoch can
/// have been put there only by this goroutine.
#[inline(always)]
pub fn is_known(cell: Cell, new: Record) -> bool {
    let flags = cell.flags().load(Ordering::Relaxed);
    for lane in 0..LANES {
        let record = cell.load_if_used(lane, flags);
        if record.covers(new) {
            return true;
        }
        if record == Record::EMPTY {
            return false;
        }
    }
    match Set::of(cell.load(LANES - 1)) {
        Some(set) => set.covers_racily(new) && cell.reload_last() == set.reference(),
        None => false,
    }
}

/// Puts `new` into the cell, whose line is locked, unless it is on record already.
#[inline(always)]
fn update(goroutine: &Goroutine, cell: Cell, new: (Record, u32), races: &mut Races, address: usize) {
    if !is_known(cell, new.0) {
        update_unknown(goroutine, cell, new, races, address);
    }
}

/// Puts `new`, which is not on record, into the cell, whose line is locked.
#[inline]
fn update_unknown(goroutine: &Goroutine, cell: Cell, new: (Record, u32), races: &mut Races, address: usize) {
    const NONE: Record = Record::EMPTY;
    let first = cell.load(0);
    if first == NONE {
        return cell.set(0, new.0, new.1);
    }
    let apply = |records: [Record; 3]| {
        Update::plan(goroutine, cell, records, new, Lookup::OrNew)
            .map(|update| update.apply(cell, new.0))
            .is_some()
    };
    let flags = cell.flags().load(Ordering::Relaxed);
    let second = cell.load_if_used(1, flags);
    let done = if second == NONE {
        apply([first, NONE, NONE])
    } else {
        let third = cell.load_if_used(2, flags);
        if third == NONE {
            apply([first, second, NONE])
        } else {
            cell.load_if_used(3, flags) == NONE && apply([first, second, third])
        }
    };
    if !done {
        update_used(goroutine, cell, new, new.0, races, address);
    }
}

/// Compares `access` with all records of the cell, drops those that it takes the place of, and adds `new`: the access
/// itself, or nothing. No record of the cell covers it.
fn update_used(
    goroutine: &Goroutine,
    cell: Cell,
    (new, context): (Record, u32),
    access: Record,
    races: &mut Races,
    address: usize,
) {
    let mut check = |record: Record, its_context: u32| {
        let (left, race) = judge(goroutine, record, access);
        if race {
            races.add(Earlier { record, context: its_context, address }, access.mask());
        }
        left
    };
    let (mut used, mut kept, mut merged, mut set) = (0, 0, false, None);
    let flags = cell.flags().load(Ordering::Relaxed);
    while used < LANES {
        let record = cell.load_if_used(used, flags);
        if record == Record::EMPTY {
            break;
        }
        used += 1;
        set = Set::of(record);
        if set.is_some() {
            break;
        }
        let its_context = cell.context(used - 1).load(Ordering::Relaxed);
        let mut left = check(record, its_context);
        if left.is_empty() {
            continue;
        }
        if its_context == context && left.same_but_mask(new) {
            left = Record(left.0 | u64::from(new.mask()));
            merged = true;
        }
        if kept + 1 != used {
            cell.set(kept, left, its_context);
        } else if left != record {
            cell.store(kept, left);
        }
        kept += 1;
    }
    if let Some(old) = set {
        set = update_set(goroutine, old, (new, context), access, &mut merged, &mut check);
    }
    if !merged && new != Record::EMPTY {
        set = insert(goroutine, cell, &mut kept, set, (new, context));
    }
    if let Some(set) = set {
        kept = store_set(cell, kept, set, (new, context));
    }
    for lane in kept..used {
        cell.store(lane, Record::EMPTY);
    }
}

/// Puts the reference to a set into the last lane, behind `kept` records. No lane before it may be empty: one of the
/// set's records fills them. The answer is how many lanes are in use then.
fn store_set(cell: Cell, kept: usize, set: Set, new: (Record, u32)) -> usize {
    let (record, context) = set.any().unwrap_or(new);
    for lane in kept..LANES - 1 {
        cell.set(lane, record, context);
    }
    cell.mark(OVERFLOWED);
    cell.store(LANES - 1, set.reference());
    LANES
}

/// Adds a record behind the `kept` ones of the cell. The answer is the overflow set, if there is one now.
fn insert(
    goroutine: &Goroutine,
    cell: Cell,
    kept: &mut usize,
    set: Option<Set>,
    new: (Record, u32),
) -> Option<Set> {
    if *kept + usize::from(set.is_some()) < LANES {
        cell.set(*kept, new.0, new.1);
        *kept += 1;
        return set;
    }
    let set = set.unwrap_or_else(|| {
        *kept -= 1;
        Set::new((cell.load(*kept), cell.context(*kept).load(Ordering::Relaxed)))
    });
    Some(set.push(new, |record| {
        record.mask() & !new.0.mask() == 0 && record.is_subsumed_by(new.0) && goroutine.knows(record)
    }))
}

/// What is left of `record` when `new` comes, and whether the two race.
#[inline(always)]
fn judge(goroutine: &Goroutine, record: Record, new: Record) -> (Record, bool) {
    let common = record.mask() & new.mask();
    if common == 0 {
        return (if record.is_empty() { Record::EMPTY } else { record }, false);
    }
    if goroutine.knows(record) {
        return (if record.is_subsumed_by(new) { record.without(common) } else { record }, false);
    }
    (record, record.conflicts(new))
}

/// Judges the records of a set. `None` when nothing is left of it.
#[inline(never)]
fn update_set(
    goroutine: &Goroutine,
    set: Set,
    (new, context): (Record, u32),
    access: Record,
    merged: &mut bool,
    check: &mut impl FnMut(Record, u32) -> Record,
) -> Option<Set> {
    set.visit(access, |(record, its_context)| {
        if record.covers(access) {
            *merged = true;
            return Verdict::Keep;
        }
        if access.is_atomic() && record.is_atomic() && record.slot() != goroutine.slot {
            // They never race: saves asking the clock. What has become superfluous goes when the set is full.
            return Verdict::Keep;
        }
        let left = check(record, its_context);
        if !*merged && its_context == context && left.same_but_mask(new) && !left.is_empty() {
            *merged = true;
            return Verdict::Replace(Record(left.0 | u64::from(new.mask())));
        }
        if left == record { Verdict::Keep } else { Verdict::Replace(left) }
    });
    if set.is_empty() {
        set.free();
        return None;
    }
    Some(set)
}

#[cold]
fn report_all(races: &Races, new: Record, context: u32, size: usize) {
    for earlier in races.iter() {
        report::race(&report::Later { record: new, context, size }, earlier);
    }
}
