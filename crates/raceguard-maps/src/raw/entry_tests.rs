//! Tests that the maps with an allocation for each entry share, each through its core: against a sequential map, under
//! threads, and with drops counted. What is special to one of them is tested beside it.

/// The tests for one map. So many keys come and go while others stay.
macro_rules! entry_tests {
    ($map:ident, $keys:literal) => {
        mod shared {
            use std::collections::HashMap;
            use std::panic::{self, AssertUnwindSafe};
            use std::sync::Arc;
            use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
            use std::thread;

            use crate::{Change, ConcurrentMap, MapError, MapSnapshot, $map};

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
                    let (map, mut model) = ($map::new(), HashMap::new());
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
            fn entries_stay_reachable_while_tables_change() {
                let (map, stop) = ($map::new(), AtomicBool::new(false));
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
                                let seen =
                                    map.snapshot().unwrap().into_iter().filter(|(key, _)| *key < 100).count();
                                assert_eq!(seen, 100);
                            }
                        });
                    }
                    let writers: Vec<_> = (1..3)
                        .map(|part| {
                            let map = &map;
                            scope.spawn(move || {
                                for _ in 0..3 {
                                    let keys = part * 1_000_000..part * 1_000_000 + $keys;
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
                let map = $map::new();
                thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| {
                            for turn in 0..20_000_u64 {
                                let add = |there: Option<&u64>| {
                                    (Change::Put(there.map_or(1, |value| value + 1)), ())
                                };
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
                    let map = $map::new();
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
                let map = $map::new();
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
                let map = $map::new();
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
                    let map = $map::new();
                    let (added, closed) = thread::scope(|scope| {
                        let writers: Vec<_> = (0..3_u64)
                            .map(|part| {
                                let map = &map;
                                scope.spawn(move || {
                                    (0..u64::MAX)
                                        .take_while(|key| map.insert((part, *key), ()).is_ok())
                                        .count()
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
                let unused: $map<u8, u8> = $map::new();
                assert_eq!(unused.close().unwrap().entries, 0);
                assert_eq!(unused.insert(1, 1), Err(MapError::Closed));
                assert_eq!(unused.get(&1), Err(MapError::Closed));
            }
        }
    };
}

pub(super) use entry_tests;
