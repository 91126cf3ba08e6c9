//! Models for loom: the real header, chains and moves on loom's atomics, in every order that two threads can take
//! (with at most three switches where a whole map is involved).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Plain, Ordering as PlainOrdering};

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::header::{Head, LOCKED, SPECIAL};
use super::{Buckets, Copied, Locked};

/// The same hashes in every run of a model.
type FixedState = foldhash::fast::FixedState;

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
            let header = counter.head.header().lock();
            assert_eq!(header & LOCKED, 0);
            // SAFETY: we have the lock.
            counter.count.with_mut(|count| unsafe { *count += 1 });
            counter.head.header().unlock(header);
        };
        let other = thread::spawn({
            let counter = Arc::clone(&counter);
            move || add(&counter)
        });
        add(&counter);
        other.join().unwrap();
        let header = counter.head.header().lock();
        // SAFETY: we have the lock.
        counter.count.with(|count| assert_eq!(unsafe { *count }, 2));
        assert_eq!(header >> 32, 2, "a version for each write");
        counter.head.header().unlock(header);
    });
}

/// Runs the model with a bound on the switches: whole maps have too many steps for all orders.
fn bounded(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 100_000;
    builder.check(model);
}

/// Enough entries to overflow the bucket of the smallest table, so that it grows.
const FULL: u64 = 4;

#[test]
fn loom_a_reader_finds_an_entry_while_it_moves() {
    bounded(|| {
        let map = Arc::new(Buckets::<u64, u64, FixedState, Copied>::new(0, FixedState::default()));
        for key in 0..FULL {
            map.insert(key, key).unwrap();
        }
        let mover = thread::spawn({
            let map = Arc::clone(&map);
            move || map.insert(FULL, FULL).unwrap()
        });
        assert_eq!(map.copy(&0), Ok(Some(0)));
        assert_eq!(mover.join().unwrap(), None);
        assert_eq!(map.copy(&FULL), Ok(Some(FULL)));
    });
}

#[test]
fn loom_no_update_is_lost_while_entries_move() {
    bounded(|| {
        let map = Arc::new(Buckets::<u64, u64, FixedState, Locked>::new(0, FixedState::default()));
        for key in 0..FULL {
            map.insert(key, 0).unwrap();
        }
        let add = |map: &Buckets<u64, u64, FixedState, Locked>| map.update(&0, |value| *value += 1).unwrap();
        let other = thread::spawn({
            let map = Arc::clone(&map);
            move || add(&map)
        });
        assert_eq!(add(&map), Some(()));
        assert_eq!(other.join().unwrap(), Some(()));
        assert_eq!(map.read(&0, |value| *value), Ok(Some(2)));
    });
}
