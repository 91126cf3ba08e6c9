//! `CounterMap` loses no addition: what was drained, taken and is left adds up to what was added.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use raceguard_maps::{CounterMap, MapError, MapSnapshot};

const THREADS: u64 = 8;

/// A stream of numbers that looks random and is the same each time.
fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn counts_of_one_thread() {
    let counts: CounterMap<String> = CounterMap::new();
    assert_eq!(counts.get("a"), Ok(None));
    counts.add("a", 2).unwrap();
    counts.add("a", 3).unwrap();
    counts.add("b", 0).unwrap();
    assert_eq!(counts.get("a"), Ok(Some(5)));
    assert_eq!(counts.get("b"), Ok(Some(0)));
    assert_eq!(counts.len(), Ok(2));
    assert_eq!(counts.take("a"), Ok(Some(5)));
    assert_eq!(counts.take("a"), Ok(None));
    assert_eq!(counts.drain(), Ok(vec![("b".to_owned(), 0)]));
    assert_eq!(counts.is_empty(), Ok(true));
}

#[test]
fn counts_wrap() {
    let counts: CounterMap<u8> = CounterMap::new();
    counts.add(&1, u64::MAX).unwrap();
    counts.add(&1, 3).unwrap();
    assert_eq!(counts.get(&1), Ok(Some(2)));
}

/// Against a `HashMap`, with more keys than a stripe holds and with keys that come again at very different rates.
#[test]
fn same_as_a_sequential_map() {
    for keys in [3, 5_000, 60_000] {
        let counts: CounterMap<u64> = CounterMap::new();
        let mut model: HashMap<u64, u64> = HashMap::new();
        let mut next = numbers(keys);
        for step in 0..200_000 {
            let (choice, key) = (next(), next() % (next() % keys + 1));
            match choice % 1000 {
                0 => assert_eq!(counts.take(&key), Ok(model.remove(&key)), "step {step}"),
                1..=20 => assert_eq!(counts.get(&key), Ok(model.get(&key).copied()), "step {step}"),
                _ => {
                    counts.add(&key, choice % 7).unwrap();
                    *model.entry(key).or_default() += choice % 7;
                }
            }
        }
        assert_eq!(counts.len(), Ok(model.len()));
        let snapshot = counts.snapshot().unwrap();
        assert_eq!(snapshot.len(), model.len());
        assert!(snapshot.iter().all(|(key, count)| model.get(key) == Some(count)));
        let drained: HashMap<u64, u64> = counts.drain().unwrap().into_iter().collect();
        assert_eq!(drained, model);
    }
}

#[test]
fn nothing_is_lost_between_adding_taking_and_draining() {
    for keys in [1, 100, 20_000] {
        let counts: CounterMap<u64> = CounterMap::new();
        let (added, removed) = (AtomicU64::new(0), AtomicU64::new(0));
        let adders_left = AtomicU64::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (counts, added, adders_left) = (&counts, &added, &adders_left);
                scope.spawn(move || {
                    let mut next = numbers(thread + 1);
                    let mut sum = 0;
                    for _ in 0..50_000 {
                        let amount = next() % 5;
                        counts.add(&(next() % keys), amount).unwrap();
                        sum += amount;
                    }
                    added.fetch_add(sum, Ordering::Relaxed);
                    adders_left.fetch_sub(1, Ordering::Relaxed);
                });
            }
            scope.spawn(|| {
                let mut next = numbers(99);
                while adders_left.load(Ordering::Relaxed) > 0 {
                    let drained: u64 = counts.drain().unwrap().into_iter().map(|(_, count)| count).sum();
                    let taken = counts.take(&(next() % keys)).unwrap().unwrap_or(0);
                    removed.fetch_add(drained + taken, Ordering::Relaxed);
                }
            });
        });
        let left: u64 = counts.snapshot().unwrap().into_iter().map(|(_, count)| count).sum();
        assert_eq!(left + removed.into_inner(), added.into_inner(), "{keys} keys");
    }
}

/// A thread that sees a count sees it grow only, and at least its own additions.
#[test]
fn reads_are_monotone_and_see_own_additions() {
    let counts: CounterMap<u64> = CounterMap::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let counts = &counts;
            scope.spawn(move || {
                let (mut seen, mut next) = (0, numbers(thread + 1));
                for own in 1..=20_000_u64 {
                    counts.add(&0, 1).unwrap();
                    // Other keys push the counted one out of its stripe now and then.
                    counts.add(&(next() % 50_000), 0).unwrap();
                    if own % 64 == 0 {
                        let now = counts.get(&0).unwrap().unwrap();
                        assert!(now >= own && now >= seen, "{now} after {seen}, own {own}");
                        seen = now;
                    }
                }
            });
        }
    });
    assert_eq!(counts.get(&0), Ok(Some(80_000)));
}

#[test]
fn closing_counts_every_addition_that_succeeded() {
    for round in 0..50 {
        let counts: CounterMap<u64> = CounterMap::new();
        let added = AtomicU64::new(0);
        let started = AtomicBool::new(false);
        let drained = std::thread::scope(|scope| {
            for thread in 0..4 {
                let (counts, added, started) = (&counts, &added, &started);
                scope.spawn(move || {
                    let mut next = numbers(thread + round * 4 + 1);
                    while counts.add(&(next() % 10_000), 1).is_ok() {
                        added.fetch_add(1, Ordering::Relaxed);
                        started.store(true, Ordering::Relaxed);
                    }
                });
            }
            while !started.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let (report, drained) = counts.close_and_drain().unwrap();
            assert_eq!(report.entries, drained.len());
            drained
        });
        assert_eq!(drained.iter().map(|(_, count)| count).sum::<u64>(), added.into_inner());
        let distinct: HashSet<u64> = drained.iter().map(|(key, _)| *key).collect();
        assert_eq!(distinct.len(), drained.len());
    }
}

#[test]
fn after_close_every_call_is_refused() {
    let counts: CounterMap<u64> = CounterMap::new();
    counts.add(&1, 1).unwrap();
    let report = counts.close().unwrap();
    assert_eq!((report.entries, report.already_closed), (1, false));
    let again = counts.close().unwrap();
    assert_eq!((again.entries, again.already_closed), (1, true));
    assert_eq!(counts.add(&1, 1), Err(MapError::Closed));
    assert_eq!(counts.get(&1), Err(MapError::Closed));
    assert_eq!(counts.take(&1), Err(MapError::Closed));
    assert_eq!(counts.drain(), Err(MapError::Closed));
    assert_eq!(counts.len(), Err(MapError::Closed));
    assert_eq!(counts.is_empty(), Err(MapError::Closed));
    assert!(counts.snapshot().is_err());
}

thread_local! {
    /// In how many uses a key panics; 0 is never.
    static FUSE: Cell<u32> = const { Cell::new(0) };
}

/// A key whose hash, comparison and copy panic when the fuse is used up. All keys of one tenth collide.
#[derive(Debug)]
struct Brittle(u64);

fn burn() {
    let left = FUSE.get();
    FUSE.set(left.saturating_sub(1));
    assert_ne!(left, 1, "the fuse is used up");
}

impl Hash for Brittle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        burn();
        (self.0 / 10).hash(state);
    }
}

impl PartialEq for Brittle {
    fn eq(&self, other: &Self) -> bool {
        burn();
        self.0 == other.0
    }
}

impl Eq for Brittle {}

impl Clone for Brittle {
    fn clone(&self) -> Self {
        burn();
        Self(self.0)
    }
}

#[test]
fn panics_of_keys_lose_nothing() {
    let counts: CounterMap<Brittle> = CounterMap::new();
    let mut model: HashMap<u64, u64> = HashMap::new();
    let mut next = numbers(5);
    let mut panics = 0;
    for _ in 0..20_000 {
        let (choice, key) = (next(), next() % 300);
        FUSE.set(u32::try_from(next() % 12).unwrap());
        let outcome = catch_unwind(AssertUnwindSafe(|| match choice % 50 {
            0 => {
                let taken = counts.take(&Brittle(key)).unwrap();
                FUSE.set(0);
                assert_eq!(taken, model.remove(&key));
            }
            1 => {
                let drained = counts.drain().unwrap();
                FUSE.set(0);
                let drained: HashMap<u64, u64> = drained.into_iter().map(|(key, n)| (key.0, n)).collect();
                assert_eq!(drained, std::mem::take(&mut model));
            }
            2 => drop(counts.snapshot().unwrap()),
            _ => {
                counts.add(&Brittle(key), 1).unwrap();
                *model.entry(key).or_default() += 1;
            }
        }));
        FUSE.set(0);
        if let Err(panic) = outcome {
            let message = panic.downcast_ref::<String>().expect("a message");
            assert!(message.contains("the fuse is used up"), "{message}");
            panics += 1;
        }
    }
    assert!(panics > 1000, "{panics}");
    let left: HashMap<u64, u64> =
        counts.drain().unwrap().into_iter().map(|(key, count)| (key.0, count)).collect();
    assert_eq!(left, model);
}
