//! Tests of `Coalesced`: what is merged, when it is flushed, and what a failed flush leaves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::{Entries, MutexMap};

/// A map whose batches can be made to fail after the first operation, and that counts what it is asked to do.
#[derive(Default)]
struct Inside {
    map: MutexMap<u64, u64>,
    failing: AtomicBool,
    written: AtomicUsize,
    read: AtomicUsize,
}

const FAULT: MapError = MapError::Full { capacity: 0 };

impl ConcurrentMap<u64, u64> for Inside {
    type Snapshot = Entries<u64, u64>;

    const CONSISTENCY: Consistency = Consistency::ONE_LOCK;

    fn get_with<Q: Lookup<u64> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&u64) -> R,
    ) -> Result<Option<R>, MapError> {
        self.read.fetch_add(1, Ordering::SeqCst);
        self.map.get_with(key, read)
    }

    fn insert(&self, key: u64, value: u64) -> Result<Option<u64>, MapError> {
        self.map.insert(key, value)
    }

    fn insert_if_absent(&self, key: u64, value: u64) -> Result<Option<u64>, MapError> {
        self.map.insert_if_absent(key, value)
    }

    fn update<Q: Lookup<u64> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut u64) -> R,
    ) -> Result<Option<R>, MapError> {
        self.map.update(key, change)
    }

    fn compute<R>(
        &self,
        key: u64,
        decide: impl FnOnce(Option<&u64>) -> (Change<u64>, R),
    ) -> Result<R, MapError> {
        self.map.compute(key, decide)
    }

    fn remove_if<Q: Lookup<u64> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&u64) -> bool,
    ) -> Result<Option<u64>, MapError> {
        self.map.remove_if(key, condition)
    }

    fn retain(&self, keep: impl FnMut(&u64, &u64) -> bool) -> Result<usize, MapError> {
        self.map.retain(keep)
    }

    fn len(&self) -> Result<usize, MapError> {
        self.map.len()
    }

    fn for_each(&self, visit: impl FnMut(&u64, &u64)) -> Result<(), MapError> {
        self.map.for_each(visit)
    }

    fn snapshot(&self) -> Result<Self::Snapshot, MapError> {
        self.map.snapshot()
    }

    fn apply(&self, batch: impl IntoIterator<Item = Operation<u64, u64>>) -> Result<usize, MapError> {
        let mut batch = batch.into_iter();
        if self.failing.load(Ordering::SeqCst) {
            self.map.apply(batch.next())?;
            return Err(FAULT);
        }
        let count = |operation| {
            self.written.fetch_add(1, Ordering::SeqCst);
            operation
        };
        self.map.apply(batch.map(count))
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        self.map.close()
    }
}

fn adding(most_pending: usize) -> Coalescing<u64> {
    Coalescing { most_pending, merge: Some(|a, b| a + b) }
}

fn buffered(most_pending: usize) -> Coalesced<Inside, u64, u64> {
    Coalesced::new(Inside::default(), adding(most_pending)).unwrap()
}

fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

#[test]
fn behaves_like_a_hash_map_whatever_is_pending() {
    for most_pending in [1, 40, 100_000] {
        let map = buffered(most_pending);
        let mut model: HashMap<u64, u64> = HashMap::new();
        let mut seed = 11_u64;
        for step in 0..20_000_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (seed >> 33) % 100;
            match (seed >> 20) % 13 {
                0 => assert_eq!(map.insert(key, step).unwrap(), model.insert(key, step)),
                1 => {
                    assert_eq!(map.insert_if_absent(key, step).unwrap(), model.get(&key).copied());
                    model.entry(key).or_insert(step);
                }
                2 => assert_eq!(map.remove(&key).unwrap(), model.remove(&key)),
                3 => assert_eq!(
                    map.update(&key, |value| *value += 1).unwrap(),
                    model.get_mut(&key).map(|value| *value += 1)
                ),
                4 => {
                    let shown = map.compute(key, |old| (Change::Remove, old.copied())).unwrap();
                    assert_eq!(shown, model.remove(&key));
                }
                5 => {
                    map.put(key, step).unwrap();
                    model.insert(key, step);
                }
                6 => {
                    map.discard(key).unwrap();
                    model.remove(&key);
                }
                7..=9 => {
                    map.merge(key, step).unwrap();
                    *model.entry(key).or_default() += step;
                }
                10 if step % 50 == 0 => assert_eq!(map.len().unwrap(), model.len()),
                11 if step % 50 == 0 => drop(map.flush().unwrap()),
                _ => assert_eq!(map.get(&key).unwrap(), model.get(&key).copied()),
            }
        }
        let held: HashMap<u64, u64> = map.snapshot().unwrap().into_iter().collect();
        assert_eq!(held, model);
    }
}

#[test]
fn writes_of_one_key_become_one_and_touch_nothing_else() {
    let map = buffered(1_000);
    for round in 0..500 {
        map.merge(round % 5, 1).unwrap();
        map.put(100 + round % 5, round).unwrap();
    }
    assert_eq!((count(&map.inner().written), count(&map.inner().read)), (0, 0));
    assert_eq!((map.get(&3).unwrap(), map.get(&103).unwrap()), (Some(100), Some(498)));
    assert_eq!(map.flush().unwrap(), 10);
    assert_eq!(count(&map.inner().written), 10);
    assert_eq!(map.flush().unwrap(), 0);
    assert_eq!((map.get(&3).unwrap(), map.get(&103).unwrap()), (Some(100), Some(498)));
}

#[test]
fn a_full_buffer_is_flushed_by_the_next_key() {
    let map = buffered(1);
    for key in 0..100 {
        map.put(key, key).unwrap();
        map.put(key, key + 1).unwrap();
    }
    let pending = 100 - count(&map.inner().written);
    assert!(pending <= STRIPES, "{pending} are pending");
}

#[test]
fn a_failed_flush_keeps_everything_and_refuses_what_has_no_room() {
    let map = buffered(STRIPES);
    for key in 0..STRIPES as u64 {
        map.put(key, 1).unwrap();
        map.merge(1_000 + key, 5).unwrap();
    }
    map.flush().unwrap();
    map.inner().failing.store(true, Ordering::SeqCst);
    let mut taken = 0;
    for key in 0..STRIPES as u64 {
        match map.merge(1_000 + key, 2) {
            Ok(()) => taken += 1,
            Err(error) => assert_eq!(error, FAULT),
        }
    }
    assert!(taken > 0);
    let sum = || (0..STRIPES as u64).map(|key| map.get(&(1_000 + key)).unwrap().unwrap()).sum::<u64>();
    let expected = 5 * STRIPES as u64 + 2 * taken;
    assert_eq!(sum(), expected);
    for _ in 0..3 {
        assert_eq!(map.flush(), Err(FAULT));
        assert_eq!(map.close(), Err(FAULT));
        assert_eq!(map.len(), Err(FAULT));
        assert_eq!(sum(), expected, "a delta is applied once, however often the flush was tried");
    }
    map.inner().failing.store(false, Ordering::SeqCst);
    let report = map.close().unwrap();
    assert_eq!((report.entries, report.dropped), (2 * STRIPES, 0));
    assert_eq!(u64::try_from(report.drained).unwrap(), taken);
}

#[test]
fn close_flushes_reports_and_is_idempotent() {
    let map = buffered(1_000);
    map.insert(1, 1).unwrap();
    map.put(2, 2).unwrap();
    let report = map.close().unwrap();
    assert_eq!((report.entries, report.drained, report.dropped, report.already_closed), (2, 2, 0, false));
    assert_eq!(map.close().unwrap(), CloseReport { already_closed: true, ..report });
    assert_eq!(map.get(&1), Err(MapError::Closed));
    assert_eq!(map.put(1, 1), Err(MapError::Closed));
    assert_eq!(map.flush(), Err(MapError::Closed));
    assert_eq!(map.apply([]), Err(MapError::Closed));
}

#[test]
fn what_a_map_closed_from_elsewhere_did_not_take_is_reported() {
    let map = buffered(1_000);
    map.put(1, 1).unwrap();
    map.put(2, 2).unwrap();
    map.inner().close().unwrap();
    let report = map.close().unwrap();
    assert_eq!((report.drained, report.dropped), (0, 2));
}

#[test]
fn a_panic_leaves_the_entry_as_it_was() {
    let map = buffered(1_000);
    map.put(1, 1).unwrap();
    for _ in 0..2 {
        let panicking = catch_unwind(AssertUnwindSafe(|| {
            map.update(&1, |value| {
                *value = 9;
                panic!("half-way");
            })
        }));
        assert!(panicking.is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| map.get_with(&1, |_| panic!("read")))).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| map.remove_if(&1, |_| panic!("condition")))).is_err());
    }
    assert_eq!(map.get(&1).unwrap(), Some(1));
}

#[test]
fn a_merge_that_panics_while_flushing_loses_nothing() {
    #[allow(clippy::trivially_copy_pass_by_ref)] // The type of a merge function.
    fn add_small(a: &u64, b: &u64) -> u64 {
        assert!(a + b < 100, "too much");
        a + b
    }
    let map =
        Coalesced::new(MutexMap::new(), Coalescing { most_pending: 100, merge: Some(add_small) }).unwrap();
    map.put(1, 60).unwrap();
    map.flush().unwrap();
    map.merge(1, 50).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| map.flush())).is_err());
    map.put(1, 7).unwrap();
    assert_eq!(map.flush().unwrap(), 1);
    assert_eq!(map.inner().get(&1).unwrap(), Some(7));
}

/// Waits until a condition holds; the test hangs where it never does.
fn eventually(condition: impl Fn() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn age_flushes_without_any_further_call() {
    let age = Duration::from_millis(5);
    let map = Coalesced::with_age(Inside::default(), adding(1_000), age).unwrap();
    for round in 1..=3 {
        map.put(round, 1).unwrap();
        eventually(|| map.inner().map.get(&round).unwrap() == Some(1));
    }
    map.inner().failing.store(true, Ordering::SeqCst);
    map.put(9, 1).unwrap();
    eventually(|| map.last_flush_error() == Some(FAULT));
    assert_eq!(map.get(&9).unwrap(), Some(1));
    map.inner().failing.store(false, Ordering::SeqCst);
    eventually(|| map.last_flush_error().is_none() && count(&map.inner().written) == 4);
    assert_eq!(map.close().unwrap().drained, 0);
}

#[test]
fn dropping_the_layer_flushes_and_joins() {
    let map = Coalesced::with_age(crate::SerialMap::new(), adding(100), Duration::from_hours(1)).unwrap();
    map.put(1, 2).unwrap();
    let watch = Arc::downgrade(&map.shared);
    let core = Arc::clone(&map.shared);
    drop(map);
    assert_eq!(core.core.map.get(&1).unwrap(), Some(2));
    drop(core);
    assert!(watch.upgrade().is_none(), "the thread has gone");
}

#[test]
fn threads_lose_nothing_while_flushes_run() {
    let age = Duration::from_micros(50);
    let map = Coalesced::with_age(crate::ShardedMap::new(), adding(8), age).unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 0..3_000_u64 {
                    match round % 3 {
                        0 => map.merge(round % 20, 1).unwrap(),
                        1 => map.compute(round % 20, |old| (Change::Put(old.unwrap_or(&0) + 1), ())).unwrap(),
                        _ => {
                            if map.update(&(round % 20), |value| *value += 1).unwrap().is_none() {
                                map.merge(round % 20, 1).unwrap();
                            }
                        }
                    }
                }
            });
        }
        scope.spawn(|| (0..200).for_each(|_| assert!(map.flush().is_ok())));
    });
    let mut sum = 0;
    map.for_each(|_, value| sum += value).unwrap();
    assert_eq!(sum, 9_000);
}

#[test]
fn a_reader_never_sees_a_key_go_back() {
    let map = Coalesced::new(crate::ShardedMap::new(), adding(4)).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::SeqCst) {
                let seen = map.get(&1).unwrap().unwrap_or(0);
                assert!(seen >= last, "{seen} after {last}");
                last = seen;
            }
        });
        for round in 0..20_000_u64 {
            if round % 2 == 0 {
                map.put(1, round).unwrap();
            } else {
                map.merge(1, 1).unwrap();
            }
            if round % 3 == 0 {
                map.flush().unwrap();
            }
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn nonsense_settings_are_refused() {
    for most_pending in [0, usize::MAX] {
        let refused = Coalesced::<_, u64, u64>::new(MutexMap::new(), adding(most_pending)).unwrap_err();
        assert!(matches!(refused, MapError::Configuration { setting: "most_pending", .. }));
    }
    let map = Coalesced::new(MutexMap::<u64, u64>::new(), Coalescing::default()).unwrap();
    assert!(matches!(map.merge(1, 1), Err(MapError::Configuration { setting: "merge", .. })));
}
