//! The queue, the owner thread, back-pressure, publications and the end of life under shuttle's schedules.

use std::sync::Arc;
use std::time::Duration;

use shuttle::{future, thread};

use super::*;

const SCHEDULES: usize = 3_000;

fn explore(test: impl Fn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    let random = Arc::clone(&test);
    shuttle::check_random(move || random(), SCHEDULES);
    shuttle::check_pct(move || test(), SCHEDULES, 3);
}

fn small() -> SerialMap<u64, u64, foldhash::fast::FixedState> {
    let settings = SerialSettings { queue: 2, publish_after_writes: 2, publish_after: Duration::ZERO };
    SerialMap::with_settings_and_hasher(settings, foldhash::fast::FixedState::default()).unwrap()
}

fn add_one(entries: &mut SerialEntries<'_, u64, u64, foldhash::fast::FixedState>) -> u64 {
    let sum = entries.get(&1).copied().unwrap_or(0) + 1;
    entries.insert(1, sum);
    sum
}

#[test]
fn every_way_in_is_done_once_and_answered() {
    explore(|| {
        let map = Arc::new(small());
        let ways: [fn(&SerialMap<u64, u64, foldhash::fast::FixedState>); 3] = [
            |map| {
                let first = map.submit(add_one).unwrap();
                let second = map.submit(add_one).unwrap();
                assert!(first.wait().unwrap() < second.wait().unwrap());
            },
            |map| drop((map.submit(add_one).unwrap(), map.submit(add_one).unwrap())),
            |map| {
                future::block_on(map.submit_async(add_one)).unwrap();
                map.compute(1, |old| (Change::Put(old.unwrap_or(&0) + 1), ())).unwrap();
            },
        ];
        let threads = ways.map(|way| {
            let map = Arc::clone(&map);
            thread::spawn(move || way(&map))
        });
        threads.map(|thread| thread.join().unwrap());
        assert_eq!(map.get(&1).unwrap(), Some(6));
    });
}

#[test]
fn close_answers_whoever_waits() {
    explore(|| {
        let map = Arc::new(small());
        let writers = [1_u64, 2].map(|key| {
            let map = Arc::clone(&map);
            thread::spawn(move || {
                let queued = map.enqueue(Operation::Insert(key, 0)).and_then(Acknowledgement::wait);
                let awaited = future::block_on(map.insert_async(key + 10, 0));
                [queued, awaited].iter().filter(|result| result.is_ok()).count()
            })
        });
        let closing = Arc::clone(&map);
        let report = thread::spawn(move || closing.close().unwrap()).join().unwrap();
        let done: usize = writers.map(|writer| writer.join().unwrap()).into_iter().sum();
        assert_eq!((report.entries, report.dropped), (done, 0));
    });
}

#[test]
fn dropping_the_map_does_what_is_queued() {
    explore(|| {
        let map = Arc::new(small());
        let other = Arc::clone(&map);
        let queueing = thread::spawn(move || other.submit(add_one).unwrap());
        let mine = map.submit(add_one).unwrap();
        drop(map);
        let results = [queueing.join().unwrap().wait().unwrap(), mine.wait().unwrap()];
        assert_eq!(results.iter().sum::<u64>(), 3);
    });
}

#[test]
fn publications_never_go_back() {
    explore(|| {
        let map = Arc::new(small());
        let writing = Arc::clone(&map);
        let writer = thread::spawn(move || {
            for value in 1..=4 {
                drop(writing.enqueue(Operation::Insert(1, value)).unwrap());
            }
        });
        let mut reader = map.reader().unwrap();
        let (mut newest, mut version) = (0, 0);
        for _ in 0..4 {
            let seen = reader.get(&1).unwrap().copied().unwrap_or(0);
            assert!(seen >= newest);
            newest = seen;
            let published = map.published().unwrap();
            assert!(published.version() >= version);
            version = published.version();
        }
        writer.join().unwrap();
        assert_eq!(map.get(&1).unwrap(), Some(4));
    });
}
