//! Merging, the flusher's thread and the end of life under shuttle's schedules.

use std::sync::Arc;

use shuttle::thread;

use super::*;
use crate::MutexMap;

const SCHEDULES: usize = 3_000;

type Hasher = foldhash::fast::FixedState;
type Adding = Coalesced<MutexMap<u64, u64, Hasher>, u64, u64, Hasher>;

fn explore(test: impl Fn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    let random = Arc::clone(&test);
    shuttle::check_random(move || random(), SCHEDULES);
    shuttle::check_pct(move || test(), SCHEDULES, 3);
}

fn adding() -> Adding {
    let settings = Coalescing { most_pending: 1, merge: Some(|a: &u64, b: &u64| a + b) };
    let map = MutexMap::with_hasher(Hasher::default());
    Coalesced::with_age_and_hasher(map, settings, Duration::from_millis(1), Hasher::default()).unwrap()
}

#[test]
fn merges_updates_and_flushes_lose_nothing() {
    explore(|| {
        let map = Arc::new(adding());
        let ways: [fn(&Adding); 3] = [
            |map| {
                map.merge(1, 1).unwrap();
                map.merge(2, 1).unwrap();
            },
            |map| {
                map.compute(1, |old| (Change::Put(old.unwrap_or(&0) + 1), ())).unwrap();
                map.merge(1, 1).unwrap();
            },
            |map| {
                let first = map.get(&1).unwrap();
                map.flush().unwrap();
                assert!(map.get(&1).unwrap() >= first);
            },
        ];
        let threads = ways.map(|way| {
            let map = Arc::clone(&map);
            thread::spawn(move || way(&map))
        });
        threads.map(|thread| thread.join().unwrap());
        assert_eq!((map.get(&1).unwrap(), map.get(&2).unwrap()), (Some(3), Some(1)));
    });
}

#[test]
fn age_flushes_every_write_without_a_further_call() {
    explore(|| {
        let map = Arc::new(adding());
        let other = Arc::clone(&map);
        let writer = thread::spawn(move || other.put(2, 2).unwrap());
        map.put(1, 1).unwrap();
        writer.join().unwrap();
        while map.inner().len().unwrap() < 2 {
            thread::yield_now();
        }
    });
}

#[test]
fn close_reports_what_was_taken() {
    explore(|| {
        let map = Arc::new(adding());
        let writers = [1_u64, 2].map(|key| {
            let map = Arc::clone(&map);
            thread::spawn(move || usize::from(map.put(key, 0).is_ok()))
        });
        let report = map.close().unwrap();
        let done: usize = writers.map(|writer| writer.join().unwrap()).into_iter().sum();
        assert_eq!((report.entries, report.dropped), (done, 0));
    });
}
