//! The core through its map: against a sequential map, under threads, and with drops counted.

#[cfg(not(any(raceguard_loom, raceguard_shuttle)))]
mod threads {
    use std::collections::HashMap;
    use std::panic::{self, AssertUnwindSafe};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    use std::thread;

    use crate::{Change, ConcurrentMap, MapError, MapSnapshot, ReadMostlyMap};

    /// A small generator, so that a failure can be repeated.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }
    }

    #[test]
    fn does_what_a_sequential_map_does() {
        for (seed, keys) in [(1, 4), (2, 40), (3, 3000)] {
            let (map, mut model) = (ReadMostlyMap::new(), HashMap::new());
            let mut random = Random(seed);
            for turn in 0..60_000_u64 {
                let key = random.below(keys).to_string();
                match random.below(8) {
                    0 | 1 => assert_eq!(map.insert(key.clone(), turn), Ok(model.insert(key, turn))),
                    2 => {
                        let there = model.get(&key).copied();
                        assert_eq!(map.insert_if_absent(key.clone(), turn), Ok(there));
                        model.entry(key).or_insert(turn);
                    }
                    3 => assert_eq!(map.remove(&key), Ok(model.remove(&key))),
                    4 => {
                        let change = |value: &mut u64| std::mem::replace(value, turn);
                        assert_eq!(map.update(&key, change), Ok(model.get_mut(&key).map(change)));
                    }
                    5 => {
                        let decide = |there: Option<&u64>| match there {
                            Some(value) if value % 2 == 0 => (Change::Remove, *value),
                            Some(value) if value % 3 == 0 => (Change::Keep, *value),
                            _ => (Change::Put(turn), turn),
                        };
                        let (change, result) = decide(model.get(&key));
                        match change {
                            Change::Keep => {}
                            Change::Put(value) => drop(model.insert(key.clone(), value)),
                            Change::Remove => drop(model.remove(&key)),
                        }
                        assert_eq!(map.compute(key, decide), Ok(result));
                    }
                    6 if turn % 1000 == 0 => {
                        let before = model.len();
                        model.retain(|_, value| *value % 3 == 0);
                        assert_eq!(map.retain(|_, value| *value % 3 == 0), Ok(before - model.len()));
                    }
                    _ => assert_eq!(map.get(&key), Ok(model.get(&key).copied())),
                }
                assert_eq!(map.len(), Ok(model.len()));
            }
            let entries: HashMap<_, _> = map.snapshot().unwrap().into_iter().collect();
            assert_eq!(entries, model);
            assert_eq!(map.close().unwrap().entries, model.len());
        }
    }

    #[test]
    fn entries_stay_reachable_through_promotions() {
        let (map, stop) = (ReadMostlyMap::new(), AtomicBool::new(false));
        for key in 0..100_u64 {
            map.insert(key, Arc::new(key)).unwrap();
        }
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        for key in 0..100 {
                            assert_eq!(map.get_with(&key, |value| **value), Ok(Some(key)));
                        }
                        let seen = map.snapshot().unwrap().into_iter().filter(|(key, _)| *key < 100).count();
                        assert_eq!(seen, 100);
                    }
                });
            }
            let writers: Vec<_> = (1..3)
                .map(|part| {
                    let map = &map;
                    scope.spawn(move || {
                        for _ in 0..3 {
                            let keys = part * 1_000_000..part * 1_000_000 + 2_000;
                            for key in keys.clone() {
                                assert_eq!(map.insert(key, Arc::new(key)), Ok(None));
                            }
                            for key in keys {
                                assert_eq!(map.remove(&key).unwrap().as_deref(), Some(&key));
                            }
                        }
                    })
                })
                .collect();
            for writer in writers {
                writer.join().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(map.len(), Ok(100));
    }

    #[test]
    fn no_update_is_lost() {
        let map = ReadMostlyMap::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for turn in 0..20_000_u64 {
                        let add = |there: Option<&u64>| (Change::Put(there.map_or(1, |value| value + 1)), ());
                        map.compute(turn % 10, add).unwrap();
                        map.update(&(turn % 10), |value| *value += 1).unwrap();
                    }
                });
            }
        });
        let mut sum = 0;
        map.for_each(|_, value| sum += value).unwrap();
        assert_eq!(sum, 160_000);
    }

    /// Counts those alive.
    #[derive(Debug)]
    struct Alive(Arc<AtomicUsize>, AtomicU64);

    impl Alive {
        fn new(count: &Arc<AtomicUsize>) -> Self {
            count.fetch_add(1, Ordering::Relaxed);
            Self(Arc::clone(count), AtomicU64::new(7))
        }
    }

    impl Clone for Alive {
        fn clone(&self) -> Self {
            assert_eq!(self.1.load(Ordering::Relaxed), 7);
            Self::new(&self.0)
        }
    }

    impl Drop for Alive {
        fn drop(&mut self) {
            assert_eq!(self.1.swap(0, Ordering::Relaxed), 7, "dropped twice");
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn everything_is_dropped_once() {
        let alive = Arc::new(AtomicUsize::new(0));
        for close in [false, true] {
            let map = ReadMostlyMap::new();
            thread::scope(|scope| {
                for part in 0..3 {
                    let (map, alive) = (&map, &alive);
                    scope.spawn(move || {
                        let mut random = Random(part + 1);
                        for _ in 0..20_000 {
                            let key = random.below(300);
                            match random.below(4) {
                                0 | 1 => drop(map.insert(key, Alive::new(alive))),
                                2 => drop(map.remove(&key)),
                                _ => drop(map.update(&key, |_| ())),
                            }
                        }
                    });
                }
            });
            let entries = map.len().unwrap();
            assert!(alive.load(Ordering::Relaxed) >= entries);
            if close {
                assert_eq!(map.close().unwrap().entries, entries);
                while map.core().collect() != 0 {
                    thread::yield_now();
                }
                assert_eq!(alive.load(Ordering::Relaxed), 0);
            }
            drop(map);
            assert_eq!(alive.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn values_need_not_outlive_the_map() {
        let text = String::from("borrowed");
        let map = ReadMostlyMap::new();
        for turn in 0..1000 {
            map.insert(turn % 3, text.as_str()).unwrap();
        }
        assert_eq!(map.get(&1), Ok(Some("borrowed")));
        drop(map);
        drop(text);
    }

    #[test]
    fn a_panicking_closure_changes_nothing() {
        fn stop() -> ! {
            panic::resume_unwind(Box::new("asked to"))
        }
        let map = ReadMostlyMap::new();
        map.insert(1, String::from("one")).unwrap();
        let attempts: [&dyn Fn(); 5] = [
            &|| {
                drop(map.update(&1, |value| {
                    value.clear();
                    stop()
                }));
            },
            &|| drop(map.compute(1, |_| -> (Change<String>, ()) { stop() })),
            &|| drop(map.remove_if(&1, |_| stop())),
            &|| drop(map.retain(|_, _| stop())),
            &|| drop(map.get_with(&1, |_| stop())),
        ];
        for attempt in attempts {
            assert!(panic::catch_unwind(AssertUnwindSafe(attempt)).is_err());
            assert_eq!(map.get(&1), Ok(Some("one".to_owned())));
            assert_eq!(map.len(), Ok(1));
        }
    }

    #[test]
    fn close_ends_everything_while_others_write() {
        for _ in 0..20 {
            let map = ReadMostlyMap::new();
            let (added, closed) = thread::scope(|scope| {
                let writers: Vec<_> = (0..3_u64)
                    .map(|part| {
                        let map = &map;
                        scope.spawn(move || {
                            (0..u64::MAX).take_while(|key| map.insert((part, *key), ()).is_ok()).count()
                        })
                    })
                    .collect();
                while map.len().unwrap() < 2000 {
                    thread::yield_now();
                }
                let closed = map.close().unwrap().entries;
                (writers.into_iter().map(|writer| writer.join().unwrap()).sum::<usize>(), closed)
            });
            assert_eq!(added, closed);
            assert_eq!(map.get(&(0, 0)), Err(MapError::Closed));
            assert_eq!(map.len(), Err(MapError::Closed));
            assert_eq!(map.for_each(|_, ()| ()), Err(MapError::Closed));
            assert_eq!(map.retain(|_, ()| true), Err(MapError::Closed));
            assert_eq!(map.snapshot().map(|snapshot| snapshot.len()), Err(MapError::Closed));
            let report = map.close().unwrap();
            assert!(report.already_closed && report.entries == closed);
        }
        let unused: ReadMostlyMap<u8, u8> = ReadMostlyMap::new();
        assert_eq!(unused.close().unwrap().entries, 0);
        assert_eq!(unused.insert(1, 1), Err(MapError::Closed));
        assert_eq!(unused.get(&1), Err(MapError::Closed));
    }

    #[test]
    fn tombstones_are_freed() {
        let alive = Arc::new(AtomicUsize::new(0));
        let map = ReadMostlyMap::new();
        for key in 0..10_000 {
            map.insert((key, Tracked(Arc::clone(&alive))), key).unwrap();
        }
        // Promotes, so that all keys are in the read table.
        map.for_each(|_, _| ()).unwrap();
        for key in 0..10_000 {
            map.remove(&(key, Tracked(Arc::clone(&alive)))).unwrap();
        }
        while map.core().collect() != 0 {
            thread::yield_now();
        }
        assert!(Arc::strong_count(&alive) < 1000, "{} keys of removed entries", Arc::strong_count(&alive));
    }

    /// Other tests may be pinned meanwhile, which holds up the freeing: then the next removals do it.
    #[test]
    fn tombstones_of_new_keys_are_freed_by_the_removals() {
        let alive = Arc::new(AtomicUsize::new(0));
        let map = ReadMostlyMap::new();
        let freed = || Arc::strong_count(&alive) < 2_000;
        for _ in 0..100 {
            // Nothing promotes these, and nothing but removals follows.
            for key in 0..10_000 {
                map.insert((key, Tracked(Arc::clone(&alive))), key).unwrap();
            }
            for key in 100..10_000 {
                map.remove(&(key, Tracked(Arc::clone(&alive)))).unwrap();
            }
            if freed() {
                break;
            }
        }
        assert!(freed(), "{} keys of removed entries", Arc::strong_count(&alive));
        assert_eq!(map.len(), Ok(100));
    }

    #[derive(Clone)]
    struct Tracked(#[expect(dead_code, reason = "its count of references is what matters")] Arc<AtomicUsize>);

    impl PartialEq for Tracked {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }

    impl Eq for Tracked {}

    impl std::hash::Hash for Tracked {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }
}

/// Models under loom.
#[cfg(raceguard_loom)]
mod loom_models {
    use loom::sync::Arc;
    use loom::thread;

    use crate::{Change, ConcurrentMap, ReadMostlyMap};

    fn model(work: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        // A compaction, and the end of a map, look at many words once.
        builder.max_branches = 5_000;
        builder.check(work);
    }

    /// One key, in the read table.
    fn map_with_one() -> Arc<ReadMostlyMap<u64, u64>> {
        let map = Arc::new(ReadMostlyMap::new());
        assert_eq!(map.insert(1, 10), Ok(None));
        map.for_each(|_, _| ()).unwrap();
        map
    }

    #[test]
    fn loom_a_key_is_revived_while_its_tombstone_is_expunged() {
        model(|| {
            let map = map_with_one();
            map.remove(&1).unwrap();
            let other = {
                let map = Arc::clone(&map);
                // Makes the dirty table, and expunges.
                thread::spawn(move || assert_eq!(map.insert(2, 20), Ok(None)))
            };
            assert_eq!(map.insert(1, 11), Ok(None));
            assert_eq!(map.get(&1), Ok(Some(11)));
            other.join().unwrap();
            map.for_each(|_, _| ()).unwrap();
            assert_eq!((map.get(&1), map.get(&2)), (Ok(Some(11)), Ok(Some(20))));
        });
    }

    #[test]
    fn loom_a_promotion_loses_no_key() {
        model(|| {
            let map = map_with_one();
            assert_eq!(map.insert(2, 20), Ok(None));
            let other = {
                let map = Arc::clone(&map);
                // Misses the read table, and promotes.
                thread::spawn(move || assert_eq!((map.get(&2), map.get(&2)), (Ok(Some(20)), Ok(Some(20)))))
            };
            assert_eq!(map.insert(1, 11), Ok(Some(10)));
            assert_eq!(map.get(&2), Ok(Some(20)));
            other.join().unwrap();
            assert_eq!(map.get(&1), Ok(Some(11)));
        });
    }

    #[test]
    fn loom_no_update_is_lost() {
        model(|| {
            let map = map_with_one();
            let add = |old: Option<&u64>| (Change::Put(old.map_or(1, |value| value + 1)), ());
            let other = {
                let map = Arc::clone(&map);
                thread::spawn(move || map.compute(1, add).unwrap())
            };
            map.compute(1, add).unwrap();
            other.join().unwrap();
            assert_eq!(map.get(&1), Ok(Some(12)));
        });
    }
}
