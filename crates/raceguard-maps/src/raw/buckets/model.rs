//! Models for loom: the real header on loom's atomics, in every order that two threads can take. What lies in a bucket is
//! modelled by two words; a move takes its locks and sets its marks in the order of `growth`. Nobody waits: loom cannot
//! tell that a thread which spins will see the store that it waits for. Who finds a lock taken gives up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Plain, Ordering as PlainOrdering};

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::header::{Head, LOCKED, MOVED, SPECIAL, VERSION};

/// A bucket whose entry is two words that are always equal.
struct Pair {
    head: Head,
    words: [AtomicU64; 2],
}

impl Pair {
    fn new() -> Arc<Self> {
        Arc::new(Self { head: Head::new(), words: [AtomicU64::new(0), AtomicU64::new(0)] })
    }

    fn write(&self, value: u64) {
        let header = self.head.header().lock();
        for word in &self.words {
            word.store(value, Ordering::Relaxed);
        }
        self.head.header().unlock(header);
    }

    /// What an optimistic reader got, if nobody disturbed it.
    fn read(&self) -> Option<[u64; 2]> {
        let header = self.head.header();
        let before = header.read();
        if before & SPECIAL != 0 {
            return None;
        }
        let copy = [0, 1].map(|word| self.words[word].load(Ordering::Relaxed));
        header.is_still(before).then_some(copy)
    }
}

#[test]
fn loom_a_reader_gets_all_of_a_write_or_nothing() {
    let whole = Arc::new(Plain::new(0));
    let seen = Arc::clone(&whole);
    loom::model(move || {
        let pair = Pair::new();
        let writer = thread::spawn({
            let pair = Arc::clone(&pair);
            move || {
                pair.write(1);
                pair.write(2);
            }
        });
        if let Some([first, second]) = pair.read() {
            assert_eq!(first, second);
            seen.fetch_or(1 << first, PlainOrdering::Relaxed);
        }
        writer.join().unwrap();
        assert_eq!(pair.read(), Some([2, 2]));
    });
    assert_eq!(whole.load(PlainOrdering::Relaxed), 0b111, "the model never saw some of the values");
}

#[test]
fn loom_one_at_a_time_has_the_lock() {
    struct Counter {
        head: Head,
        count: UnsafeCell<u64>,
    }
    // SAFETY: the count is used under the lock, which is what the model checks.
    unsafe impl Sync for Counter {}

    loom::model(|| {
        let counter = Arc::new(Counter { head: Head::new(), count: UnsafeCell::new(0) });
        let add = |counter: &Counter| {
            let Some(header) = counter.head.header().try_lock() else { return 0 };
            assert_eq!(header & LOCKED, 0);
            // SAFETY: we have the lock.
            counter.count.with_mut(|count| unsafe { *count += 1 });
            counter.head.header().unlock(header);
            1
        };
        let other = thread::spawn({
            let counter = Arc::clone(&counter);
            move || add(&counter)
        });
        let added = add(&counter) + other.join().unwrap();
        assert!(added > 0);
        let header = counter.head.header().lock();
        // SAFETY: we have the lock.
        counter.count.with(|count| assert_eq!(unsafe { *count }, added));
        assert_eq!((header / VERSION) as u64, added, "a version for each write");
        counter.head.header().unlock(header);
    });
}

/// Two tables of one bucket with one entry, which is moved from the first to the second as `growth` does it.
struct Move {
    from: Arc<Pair>,
    to: Arc<Pair>,
}

impl Move {
    fn new() -> Arc<Self> {
        let tables = Self { from: Pair::new(), to: Pair::new() };
        tables.from.write(1);
        Arc::new(tables)
    }

    fn run(&self) {
        let Some(source) = self.from.head.header().try_lock() else { return };
        let target = self.to.head.header().lock();
        for word in 0..2 {
            let value = self.from.words[word].swap(0, Ordering::Relaxed);
            self.to.words[word].store(value, Ordering::Relaxed);
        }
        self.to.head.header().unlock(target);
        self.from.head.header().unlock(source | MOVED);
    }

    /// Adds one, where the entry is. Returns how much was added.
    fn add(&self) -> u64 {
        for table in [&self.from, &self.to] {
            let Some(header) = table.head.header().try_lock() else { return 0 };
            let is_here = header & MOVED == 0;
            if is_here {
                for word in &table.words {
                    word.store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                }
            }
            table.head.header().unlock(header);
            if is_here {
                return 1;
            }
        }
        panic!("moved to nowhere");
    }

    /// Reads without a lock, where the entry is. `None` if somebody was in the way.
    fn read(&self) -> Option<[u64; 2]> {
        let moved = self.from.head.header().read() & SPECIAL == MOVED;
        if moved { self.to.read() } else { self.from.read() }
    }
}

#[test]
fn loom_a_reader_finds_an_entry_while_it_moves() {
    loom::model(|| {
        let tables = Move::new();
        let mover = thread::spawn({
            let tables = Arc::clone(&tables);
            move || tables.run()
        });
        if let Some(found) = tables.read() {
            assert_eq!(found, [1, 1]);
        }
        mover.join().unwrap();
        assert_eq!(tables.read(), Some([1, 1]));
    });
}

#[test]
fn loom_no_update_is_lost_while_entries_move() {
    loom::model(|| {
        let tables = Move::new();
        let mover = thread::spawn({
            let tables = Arc::clone(&tables);
            move || tables.run()
        });
        let added = tables.add();
        mover.join().unwrap();
        assert_eq!(tables.read(), Some([1 + added; 2]));
    });
}
