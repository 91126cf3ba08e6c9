//! The detector as a whole, driven as Go would: goroutines, sync objects, accesses, and the races that come out.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::context;
use crate::detect::{self, AtomicAccess, Races, Site};
use crate::goroutine::Goroutine;
use crate::record::{ATOMIC, Record, WRITE};
use crate::shadow::{self, Cell, HEAP_START};
use crate::{atomic, budget, cell_update, heap, quick, slots, sync_object};

static TURN: Mutex<()> = Mutex::new(());

/// One test at a time, on fresh memory.
pub(crate) struct World {
    main: &'static mut Goroutine,
    next: usize,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    pub(crate) fn new() -> Self {
        static START: Once = Once::new();
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        START.call_once(|| {
            shadow::map_flags();
            context::init();
            slots::init();
            sync_object::init();
            shadow::map(HEAP_START, 4 << 20);
        });
        heap::allocated(HEAP_START, 4 << 20, 0);
        heap::freed(HEAP_START, 4 << 20);
        Self { main: Goroutine::first(), next: HEAP_START, _turn: turn }
    }

    pub(crate) fn allocate(&mut self, size: usize) -> usize {
        self.next += 64;
        let at = self.next;
        self.next += size.next_multiple_of(64);
        at
    }

    fn go(&mut self) -> &'static mut Goroutine {
        Goroutine::start(self.main, 0x1000)
    }
}

fn site(pc: u64) -> Site {
    Site { pc, caller: 0, depth: u32::MAX, stack_end: 0 }
}

/// The earlier accesses that a plain access races with. Scalars take the way that Go's calls take.
pub(crate) fn races(goroutine: &mut Goroutine, address: usize, size: usize, kind: u64, pc: u64) -> Vec<u64> {
    let quickly = if kind == WRITE { quick::write } else { quick::read };
    if size == 1 && kind & ATOMIC == 0 && quickly(goroutine, address, pc, u32::MAX) {
        return Vec::new();
    }
    let mut found = Races::none();
    detect::check_range(goroutine, address, size, kind, site(pc), &mut found);
    found.iter().map(|earlier| innermost(earlier.context)).collect()
}

/// A read-modify-write operation; `stored` is false for a compare-and-swap that fails.
pub(crate) fn update_atomically(
    goroutine: &mut Goroutine,
    address: usize,
    stored: bool,
    pc: u64,
) -> Vec<u64> {
    let mask = if address.is_multiple_of(8) { 0xff } else { 0xf0 };
    let mut access = AtomicAccess::new(goroutine, address, WRITE | ATOMIC, mask, site(pc));
    atomic::synchronised(goroutine, address, &mut access, || ((), stored));
    access.races().iter().map(|earlier| innermost(earlier.context)).collect()
}

fn innermost(id: u32) -> u64 {
    context::frames(id).next().expect("an access has a context")
}

fn read(goroutine: &mut Goroutine, address: usize, pc: u64) -> Vec<u64> {
    races(goroutine, address, 1, 0, pc)
}

fn write(goroutine: &mut Goroutine, address: usize, pc: u64) -> Vec<u64> {
    races(goroutine, address, 1, WRITE, pc)
}

#[test]
fn unordered_write_and_read_race_in_either_order() {
    let mut world = World::new();
    let (x, y) = (world.allocate(8), world.allocate(8));
    let (a, b) = (world.go(), world.go());
    assert!(write(a, x, 1).is_empty());
    assert_eq!(read(b, x, 2), [1]);
    assert!(read(a, y, 3).is_empty());
    assert_eq!(write(b, y, 4), [3]);
}

#[test]
fn the_go_statement_orders() {
    let mut world = World::new();
    let x = world.allocate(8);
    assert!(write(world.main, x, 1).is_empty());
    let child = world.go();
    assert!(write(child, x, 2).is_empty());
    assert_eq!(write(world.main, x, 3), [2]);
}

#[test]
fn release_and_acquire_order() {
    let mut world = World::new();
    let (x, lock) = (world.allocate(8), world.allocate(8));
    let (a, b) = (world.go(), world.go());
    for round in 0..100 {
        for goroutine in [&mut *a, &mut *b] {
            if let Some(object) = sync_object::find(lock) {
                object.acquire(goroutine);
            }
            assert!(write(goroutine, x, round + 1).is_empty());
            sync_object::find_or_create(lock).release(goroutine);
        }
    }
    assert_eq!(write(a, x, 1000), [100], "without the lock");
}

#[test]
fn what_follows_a_release_is_not_released() {
    let mut world = World::new();
    let (x, lock) = (world.allocate(8), world.allocate(8));
    let (a, b) = (world.go(), world.go());
    sync_object::find_or_create(lock).release(a);
    assert!(write(a, x, 1).is_empty());
    sync_object::find_or_create(lock).acquire(b);
    assert_eq!(read(b, x, 2), [1]);
}

#[test]
fn a_second_release_after_learning_something_is_seen() {
    let mut world = World::new();
    let (x, first, second, other) =
        (world.allocate(8), world.allocate(8), world.allocate(8), world.allocate(8));
    let (a, b, c) = (world.go(), world.go(), world.go());
    assert!(write(c, x, 1).is_empty());
    sync_object::find_or_create(other).release(c);
    sync_object::find_or_create(first).release(a);
    sync_object::find_or_create(first).acquire(b);
    sync_object::find_or_create(other).acquire(a);
    sync_object::find_or_create(second).release(a);
    sync_object::find_or_create(second).acquire(b);
    assert!(write(b, x, 2).is_empty(), "c → a → b");
}

#[test]
fn merged_releases_order_all_of_their_goroutines() {
    let mut world = World::new();
    let group = world.allocate(8);
    let places: Vec<usize> = (0..200).map(|_| world.allocate(8)).collect();
    for &place in &places {
        let goroutine = world.go();
        assert!(write(goroutine, place, 1).is_empty());
        sync_object::find_or_create(group).release_merge(goroutine);
    }
    sync_object::find_or_create(group).acquire(world.main);
    assert!(places.iter().all(|&place| write(world.main, place, 2).is_empty()));
}

#[test]
fn plain_release_forgets_other_releases() {
    let mut world = World::new();
    let (x, lock) = (world.allocate(8), world.allocate(8));
    let (a, b, c) = (world.go(), world.go(), world.go());
    assert!(write(a, x, 1).is_empty());
    sync_object::find_or_create(lock).release(a);
    sync_object::find_or_create(lock).release(b);
    sync_object::find_or_create(lock).acquire(c);
    assert_eq!(write(c, x, 2), [1]);
}

#[test]
fn every_one_of_many_concurrent_readers_is_remembered() {
    for readers in [2, 3, 5, 20, 300] {
        let mut world = World::new();
        let (x, lock) = (world.allocate(8), world.allocate(8));
        let stranger = world.go();
        assert!(read(stranger, x, 7).is_empty());
        for _ in 0..readers {
            let reader = world.go();
            assert!(read(reader, x, 8).is_empty());
            sync_object::find_or_create(lock).release_merge(reader);
        }
        sync_object::find_or_create(lock).acquire(world.main);
        assert_eq!(write(world.main, x, 9), [7], "with {readers} joined readers");
    }
}

#[test]
fn bytes_of_a_word_are_separate_and_keep_their_history() {
    let mut world = World::new();
    let x = world.allocate(8);
    let lock = world.allocate(8);
    assert!(races(world.main, x, 8, WRITE, 1).is_empty());
    let other = world.go();
    sync_object::find_or_create(lock).release(world.main);
    for byte in 0..4 {
        assert!(write(world.main, x + byte, 10 + byte as u64).is_empty());
        sync_object::find_or_create(lock).release(world.main);
    }
    for byte in 0..4 {
        assert_eq!(read(other, x + byte, 2), [10 + byte as u64]);
    }
    for byte in 4..8 {
        assert!(write(other, x + byte, 2).is_empty(), "initialised before the go statement");
    }
}

#[test]
fn ranges_cover_exactly_their_bytes() {
    let mut world = World::new();
    let x = world.allocate(256);
    let (a, b) = (world.go(), world.go());
    assert!(races(a, x + 3, 150, WRITE, 1).is_empty());
    for at in 0..256 {
        let expected: &[u64] = if (3..153).contains(&at) { &[1] } else { &[] };
        assert_eq!(read(b, x + at, 2), expected, "byte {at}");
    }
}

#[test]
fn a_line_of_equal_cells_is_known_at_one_look_and_one_of_different_cells_by_the_word() {
    let mut world = World::new();
    let line = world.allocate(64);
    let other = world.go();
    assert!(races(other, line, 64, WRITE, 1).is_empty());
    let known = |new| cell_update::equal_cells_cover(Cell::of(line), new);
    let (own, strange) = (Record::new(other.epoch, 0, 0xff), Record::new(world.main.epoch, WRITE, 0xff));
    assert_eq!((known(own), known(strange)), (Some(true), Some(false)));
    assert_eq!(
        races(world.main, line, 64, 0, 2),
        [1],
        "what another goroutine has on record is no record of this one's"
    );
    assert!(races(other, line + 24, 1, WRITE, 3).is_empty());
    assert!(write(world.main, line + 24, 4).contains(&1));
    assert_eq!(known(strange), None, "one cell has more records than the others");
}

#[test]
fn atomics_do_not_race_with_each_other_but_with_plain_accesses() {
    let mut world = World::new();
    let x = world.allocate(8);
    let (a, b) = (world.go(), world.go());
    assert!(races(a, x, 8, WRITE | ATOMIC, 1).is_empty());
    assert!(races(b, x, 8, WRITE | ATOMIC, 2).is_empty());
    let mut found = read(world.main, x, 3);
    found.sort_unstable();
    assert_eq!(found, [1, 2], "both unordered atomic writes are remembered");
}

#[test]
fn read_modify_write_operations_follow_each_other_in_one_record() {
    let mut world = World::new();
    let x = world.allocate(8);
    let goroutines: Vec<_> = (0..20).map(|_| world.go()).collect();
    for goroutine in goroutines {
        assert!(update_atomically(goroutine, x, true, u64::from(goroutine.number)).is_empty());
        assert!(Cell::of(x).load(0).slot() == goroutine.slot && Cell::of(x).load(1).is_empty());
    }
    assert_eq!(read(world.main, x, 3).len(), 1, "the last of them stands for all");
}

#[test]
fn a_plain_access_known_by_the_operation_alone_races_with_it() {
    let mut world = World::new();
    let x = world.allocate(8);
    let (a, b) = (world.go(), world.go());
    assert!(write(a, x, 1).is_empty());
    assert!(update_atomically(a, x, true, 2).is_empty());
    assert_eq!(update_atomically(b, x, true, 3), [1]);
    assert!(update_atomically(b, x, true, 4).is_empty(), "known now");
}

#[test]
fn a_failed_compare_and_swap_learns_but_does_not_release() {
    let mut world = World::new();
    let (x, y) = (world.allocate(8), world.allocate(8));
    let (a, b) = (world.go(), world.go());
    assert!(write(b, y, 1).is_empty());
    assert!(update_atomically(b, x, false, 2).is_empty());
    assert!(update_atomically(a, x, true, 3).is_empty());
    assert_eq!(write(a, y, 4), [1]);
}

/// A load without the lock sees a value; before it looks at the object, somebody the reader knows well has released there.
/// The value's own release is gone from the object then, and the reader does not know it: it has to take the lock.
#[test]
fn a_value_is_read_without_the_lock_only_with_the_release_it_came_from() {
    let mut world = World::new();
    let variable = world.allocate(8);
    let (writer, other, reader) = (world.go(), world.go(), world.go());
    let object = sync_object::find_or_create(variable);
    object.release(other);
    object.acquire(reader);
    assert_eq!(object.read_if_known(reader, || 1), Some(1), "nothing new");
    object.release(writer);
    let overtaken = object.read_if_known(reader, || {
        object.release(other);
        2
    });
    assert_eq!(overtaken, None, "released in between, by somebody known");
    assert_eq!(object.read_if_known(reader, || 3), Some(3), "the last release is known");
    let line = Cell::of(variable).lock_line();
    let inside = object.read_if_known(reader, || 4);
    drop(line);
    assert_eq!(inside, None, "somebody is between release and store");
    object.release(writer);
    assert_eq!(object.read_if_known(reader, || 5), None, "news");
}

#[test]
fn allocation_forgets_and_neighbours_stay() {
    let mut world = World::new();
    let x = world.allocate(64);
    let (a, b) = (world.go(), world.go());
    assert!(races(a, x, 64, WRITE, 1).is_empty());
    heap::allocated(x + 16, 16, 0);
    assert!(races(b, x + 16, 16, WRITE, 2).is_empty());
    assert_eq!(write(b, x + 8, 3), [1]);
    assert_eq!(write(b, x + 32, 4), [1]);
}

#[test]
fn a_finished_goroutine_is_remembered_until_it_is_known() {
    let mut world = World::new();
    let (x, y, lock) = (world.allocate(8), world.allocate(8), world.allocate(8));
    let gone = world.go();
    assert!(write(gone, x, 1).is_empty());
    sync_object::find_or_create(lock).release(gone);
    assert!(write(gone, y, 2).is_empty());
    gone.end();
    // Plenty of goroutines that could take the slot if they were let.
    for _ in 0..100 {
        let goroutine = world.go();
        goroutine.end();
    }
    sync_object::find_or_create(lock).acquire(world.main);
    let heir = world.go();
    assert!(write(heir, x, 3).is_empty());
    assert_eq!(write(heir, y, 4), [2]);
}

#[test]
fn joined_goroutines_share_their_slots() {
    let mut world = World::new();
    let lock = world.allocate(8);
    let mut highest = 0;
    for _ in 0..10_000 {
        let goroutine = world.go();
        highest = highest.max(goroutine.slot);
        sync_object::find_or_create(lock).release_merge(goroutine);
        goroutine.end();
        sync_object::find_or_create(lock).acquire(world.main);
    }
    let lowest = world.go().slot;
    assert!(highest < lowest + 5_000, "slots are used again: up to {highest}, then {lowest}");
}

#[test]
fn the_stack_of_an_access_has_all_its_frames() {
    let mut world = World::new();
    let x = world.allocate(8);
    let goroutine = world.go();
    goroutine.push(0x111, 100, u32::MAX);
    goroutine.push(0x222, 200, 100);
    goroutine.push(0x333, 300, 200);
    goroutine.pop(300, 200);
    let map_access = Site { pc: 0x555, caller: 0x444, depth: 260, stack_end: 0 };
    detect::access(goroutine, x, WRITE, 1, map_access);
    let context = Cell::of(x).context(0).load(Ordering::Relaxed);
    let frames: Vec<u64> = context::frames(context).collect();
    assert_eq!(frames, [0x555, 0x444, 0x222, 0x111]);
}

#[test]
fn frames_that_a_recovered_panic_left_are_dropped() {
    let mut world = World::new();
    let goroutine = world.go();
    goroutine.push(0x111, 100, u32::MAX);
    for _ in 0..1000 {
        goroutine.push(0x222, 200, 100);
        goroutine.push(0x333, 300, 200);
        // A panic unwinds to the function at 100, which goes on.
        let now = goroutine.context_at(100, 0x999);
        let frames: Vec<u64> = context::frames(now).take(2).collect();
        assert_eq!(frames, [0x999, 0x111]);
    }
    goroutine.push(0x222, 200, 100);
    goroutine.push(0x444, 500, 100);
    let now = goroutine.context_at(500, 0x999);
    let frames: Vec<u64> = context::frames(now).take(3).collect();
    assert_eq!(frames, [0x999, 0x444, 0x111], "the caller of 0x444 is at 100");
    goroutine.pop(116, 100);
    assert_eq!(goroutine.innermost_pc(), 0, "left through a wrapper; only the sentinel is left");
}

/// A finalizer knows the epoch that a goroutine is in. If nothing was accessed in it, the slot's next owner may know the
/// one before only: it must begin behind both, or the finalizer would seem to know what it has known from its start.
#[test]
fn an_heir_does_not_begin_in_the_epoch_that_its_predecessor_ended_in() {
    let mut world = World::new();
    let (x, done, lock) = (world.allocate(8), world.allocate(8), world.allocate(8));
    let (finalizer, predecessor) = (world.go(), world.go());
    let slot = predecessor.slot;
    sync_object::find_or_create(done).release(predecessor);
    finalizer.learn_everything();
    predecessor.end();
    sync_object::find_or_create(done).acquire(world.main);
    assert!(write(world.main, x, 1).is_empty());
    // Other slots are tried before.
    let heir = (0..10_000).map(|_| world.go()).find(|goroutine| goroutine.slot == slot);
    let heir = heir.expect("the starter knows the end of the slot's owner");
    sync_object::find_or_create(lock).release(finalizer);
    sync_object::find_or_create(lock).acquire(heir);
    assert!(write(heir, x, 2).is_empty(), "its starter wrote before it started it");
}

#[test]
fn a_large_freed_object_gives_its_shadow_back() {
    let mut world = World::new();
    let (a, b) = (world.go(), world.go());
    let last = HEAP_START + (4 << 20) - 8;
    heap::allocated(HEAP_START, 4 << 20, 0);
    for x in (HEAP_START..=last).step_by(4096 - 8) {
        assert!(write(a, x, 1).is_empty() && read(a, x + 1, 2).is_empty());
    }
    assert_eq!(write(b, HEAP_START, 3), [1]);
    let used = budget::shadow();
    heap::freed(HEAP_START, 4 << 20);
    assert!(budget::shadow() + (8 << 20) <= used, "{used} bytes, now {}", budget::shadow());
    heap::allocated(HEAP_START, 4 << 20, 0);
    for x in [HEAP_START, last] {
        assert!(Cell::of(x).load(0) == Record::EMPTY && write(b, x, 4).is_empty());
    }
}

/// Two statements of one goroutine write the halves of a word: one record, of which each half has its own statement.
#[test]
fn a_record_of_two_statements_names_the_one_that_wrote_the_byte() {
    let mut world = World::new();
    let (x, y) = (world.allocate(8), world.allocate(8));
    let (writer, reader) = (world.go(), world.go());
    for word in [x, y] {
        write(writer, word, 1);
        write(writer, word + 4, 2);
        assert!(Cell::of(word).load(0).mask() == 0x11 && Cell::of(word).load(1).is_empty());
    }
    assert_eq!(read(reader, x, 3), [1]);
    assert_eq!(read(reader, x + 4, 4), [2]);
    let mut both = races(reader, y, 8, 0, 5);
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
}
