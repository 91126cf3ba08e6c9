//! Tests of the core through both of its maps. The contract tests of all strategies are elsewhere; these aim at what is
//! special here: chains, moves, tags, shapes.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::{BucketMap, Change, ConcurrentMap, InlineMap, MapError, MapSnapshot};

/// Gives three hashes.
#[derive(Debug, Clone, Copy, Default)]
struct Poor(u64);

impl BuildHasher for Poor {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for Poor {
    fn finish(&self) -> u64 {
        self.0 % 3
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are u64")
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// A small generator of pseudo-random numbers (SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The entries by `for_each`; no key may come twice.
fn entries<M: ConcurrentMap<u64, V>, V: Clone>(map: &M) -> BTreeMap<u64, V> {
    let mut entries = BTreeMap::new();
    map.for_each(|key, value| assert!(entries.insert(*key, value.clone()).is_none(), "{key} came twice"))
        .unwrap();
    entries
}

/// Does random operations on the map and on a `HashMap`, and compares.
fn compare_with_std<M: ConcurrentMap<u64, u64>>(map: &M, keys: u64, steps: usize, seed: u64) {
    let mut model = HashMap::new();
    let mut state = seed;
    for step in 0..steps {
        let (key, value) = (random(&mut state) % keys, random(&mut state));
        match random(&mut state) % 12 {
            0..4 => assert_eq!(map.insert(key, value).unwrap(), model.insert(key, value)),
            4..7 => assert_eq!(map.remove(&key).unwrap(), model.remove(&key)),
            7 => {
                assert_eq!(map.insert_if_absent(key, value).unwrap(), model.get(&key).copied());
                model.entry(key).or_insert(value);
            }
            8 => {
                let new = map.update(&key, |value| {
                    *value += 1;
                    *value
                });
                assert_eq!(
                    new.unwrap(),
                    model.get_mut(&key).map(|value| {
                        *value += 1;
                        *value
                    })
                );
            }
            9 => {
                let old =
                    map.compute(key, |old| (old.map_or(Change::Put(1), |_| Change::Remove), old.copied()));
                assert_eq!(old.unwrap(), model.get(&key).copied());
                if model.remove(&key).is_none() {
                    model.insert(key, 1);
                }
            }
            10 if step % 1000 == 10 => {
                let before = model.len();
                model.retain(|key, _| key % 3 != 0);
                assert_eq!(map.retain(|key, _| key % 3 != 0).unwrap(), before - model.len());
            }
            _ => assert_eq!(map.get(&key).unwrap(), model.get(&key).copied()),
        }
        assert_eq!(map.len().unwrap(), model.len());
    }
    assert_eq!(entries(map), model.iter().map(|(key, value)| (*key, *value)).collect());
    assert_eq!(map.snapshot().unwrap().len(), model.len());
    let removed = map.clear().unwrap();
    assert_eq!(removed, model.len());
    assert_eq!(entries(map), BTreeMap::new());
}

#[test]
fn random_operations_agree_with_the_standard_map() {
    for (keys, seed) in [(10, 1), (300, 2), (20_000, 3)] {
        compare_with_std(&InlineMap::<u64, u64>::new(), keys, 60_000, seed);
        compare_with_std(&BucketMap::<u64, u64>::new(), keys, 60_000, seed);
    }
}

#[test]
fn keys_that_share_a_bucket_and_a_tag_are_told_apart() {
    compare_with_std(&InlineMap::with_hasher(Poor(0)), 200, 20_000, 4);
    compare_with_std(&BucketMap::with_hasher(Poor(0)), 200, 20_000, 5);
}

#[test]
fn shapes_of_all_kinds_hold_their_entries() {
    fn check<V: Copy + Eq + std::fmt::Debug>(value: V) {
        let map: InlineMap<u32, V> = InlineMap::new();
        for key in 0..500 {
            assert_eq!(map.insert(key, value), Ok(None));
        }
        for key in 0..500 {
            assert_eq!(map.get(&key), Ok(Some(value)));
            assert_eq!(map.remove(&key), Ok(Some(value)));
        }
        assert_eq!(map.len(), Ok(0));
    }
    check(());
    check(7_u8);
    check((7_u8, 7_u32));
    check([7_u16; 13]);
    check([7_u64; 40]);
    check(u128::MAX);
}

#[test]
fn growing_and_shrinking_give_memory_back_and_lose_nothing() {
    let map: BucketMap<u64, Arc<u64>> = BucketMap::new();
    let values = 30_000;
    let counted = Arc::new(0);
    for key in 0..values {
        map.insert(key, Arc::clone(&counted)).unwrap();
    }
    let grown = map.bits();
    assert_eq!(Arc::strong_count(&counted), 30_001);
    for key in 0..values {
        assert!(map.remove(&key).unwrap().is_some());
    }
    assert_eq!(Arc::strong_count(&counted), 1);
    assert!(grown >= 13 && map.bits() <= 7, "from {grown} to {} bits", map.bits());
}

#[test]
fn a_reserved_capacity_stays() {
    let map: InlineMap<u64, u64> = InlineMap::with_capacity(10_000);
    let reserved = map.bits();
    for key in 0..10_000 {
        map.insert(key, key).unwrap();
    }
    map.clear().unwrap();
    assert_eq!(map.bits(), reserved);
}

#[test]
fn a_panicking_hash_stops_neither_the_map_nor_its_growth() {
    /// A key whose hash panics while the flag is up.
    #[derive(Clone, PartialEq, Eq)]
    struct Moody(u64);
    static PANICS: AtomicBool = AtomicBool::new(false);
    impl std::hash::Hash for Moody {
        fn hash<H: Hasher>(&self, state: &mut H) {
            assert!(self.0 != 3 || !PANICS.load(Ordering::Relaxed), "a hash that panics");
            state.write_u64(self.0);
        }
    }
    let map: BucketMap<Moody, u64> = BucketMap::new();
    map.insert(Moody(3), 3).unwrap();
    PANICS.store(true, Ordering::Relaxed);
    let mut panics = 0;
    for key in 4..500 {
        let insert = || map.insert(Moody(key), key).unwrap();
        if catch_unwind(AssertUnwindSafe(insert)).is_err() {
            panics += 1;
            assert_eq!(map.get(&Moody(key)), Ok(None));
            insert();
        }
    }
    assert_eq!(panics, 1);
    let stuck = map.bits();
    PANICS.store(false, Ordering::Relaxed);
    for key in 500..1000 {
        map.insert(Moody(key), key).unwrap();
    }
    assert!(map.bits() > stuck);
    for key in 3..1000 {
        assert_eq!(map.get(&Moody(key)), Ok(Some(key)));
    }
}

#[test]
fn readers_never_see_half_of_a_write() {
    let map: InlineMap<u64, [u64; 6]> = InlineMap::new();
    let stop = AtomicBool::new(false);
    let looks = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..300_000_u64 {
                let key = round % 5;
                if round % 7 == 0 {
                    map.remove(&key).unwrap();
                } else {
                    map.insert(key, [round; 6]).unwrap();
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for key in 0..5 {
                        if let Some(value) = map.get(&key).unwrap() {
                            assert!(
                                value.iter().all(|word| *word == value[0] && word % 5 == key),
                                "{value:?}"
                            );
                            looks.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    assert!(looks.into_inner() > 0);
}

/// Threads insert and remove their own keys while the table grows and shrinks; others walk over entries that stay.
fn walks_see_what_stays_once<M: ConcurrentMap<u64, u64> + Sync>(map: &M) {
    let staying = 500;
    for key in 0..staying {
        map.insert(key, key).unwrap();
    }
    let running = AtomicUsize::new(2);
    thread::scope(|scope| {
        for writer in 1..=2_u64 {
            let running = &running;
            scope.spawn(move || {
                for _ in 0..5 {
                    let keys = writer * 1_000_000..writer * 1_000_000 + 20_000;
                    for key in keys.clone() {
                        assert_eq!(map.insert(key, key), Ok(None));
                    }
                    for key in keys {
                        assert_eq!(map.remove(&key), Ok(Some(key)));
                    }
                }
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let running = &running;
        scope.spawn(move || {
            while running.load(Ordering::Relaxed) > 0 {
                let found = entries(map);
                assert_eq!(found.range(..staying).count(), 500);
                assert!(found.iter().all(|(key, value)| key == value));
                for key in 0..staying {
                    assert_eq!(map.get(&key), Ok(Some(key)));
                }
            }
        });
    });
    assert_eq!(map.len(), Ok(500));
    assert_eq!(entries(map).len(), 500);
}

#[test]
fn walks_see_what_stays_exactly_once_while_the_table_moves() {
    walks_see_what_stays_once(&InlineMap::<u64, u64>::new());
    walks_see_what_stays_once(&BucketMap::<u64, u64>::new());
}

#[test]
fn after_close_everything_is_an_error_and_entries_are_dropped() {
    let map: BucketMap<u64, Arc<u64>> = BucketMap::new();
    let counted = Arc::new(0);
    for key in 0..1000 {
        map.insert(key, Arc::clone(&counted)).unwrap();
    }
    let report = map.close().unwrap();
    assert_eq!((report.entries, report.already_closed), (1000, false));
    assert_eq!(Arc::strong_count(&counted), 1);
    let report = map.close().unwrap();
    assert_eq!((report.entries, report.already_closed), (1000, true));
    assert_eq!(map.get(&1), Err(MapError::Closed));
    assert_eq!(map.insert(1, counted), Err(MapError::Closed));
    assert_eq!(map.len(), Err(MapError::Closed));
    assert_eq!(map.clear(), Err(MapError::Closed));
    assert!(map.snapshot().is_err());
}

#[test]
fn no_write_slips_in_after_close_has_counted() {
    for _ in 0..50 {
        let map: InlineMap<u64, u64> = InlineMap::new();
        let inserted = AtomicUsize::new(0);
        let closed = thread::scope(|scope| {
            for writer in 0..2 {
                let (map, inserted) = (&map, &inserted);
                scope.spawn(move || {
                    for key in 0_u64.. {
                        match map.insert(key * 2 + writer, key) {
                            Ok(_) => inserted.fetch_add(1, Ordering::Relaxed),
                            Err(_) => break,
                        };
                    }
                });
            }
            while inserted.load(Ordering::Relaxed) < 2000 {
                thread::yield_now();
            }
            map.close().unwrap().entries
        });
        assert_eq!(closed, inserted.into_inner());
    }
}
