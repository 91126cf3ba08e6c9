//! Four threads at once: what holds under any interleaving, on a smoke test's budget. The linearizability tests go
//! deeper.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use raceguard_maps::{Change, CloseReport, ConcurrentMap};

use crate::every_call::says_closed;
use crate::watchdog::within_limit;

const THREADS: u64 = 4;
const ROUNDS: u64 = if cfg!(raceguard_stress) { 2_000 } else { 4_000 };

/// Runs `work` on every thread, all starting together, and returns what they returned.
fn together<R: Send>(work: impl Fn(u64) -> R + Sync) -> Vec<R> {
    let start = Barrier::new(usize::try_from(THREADS).expect("a handful"));
    let run = |thread| {
        start.wait();
        work(thread)
    };
    within_limit("threads", || {
        thread::scope(|scope| {
            let running: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || run(thread))).collect();
            running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        })
    })
}

pub(crate) fn disjoint_keys<M: ConcurrentMap<u64, u64> + Sync>(map: &M) {
    together(|thread| {
        for round in 0..ROUNDS {
            let key = (round % 97) * THREADS + thread;
            assert_eq!(map.insert(key, round), Ok(None));
            assert_eq!(map.get(&key), Ok(Some(round)));
            assert_eq!(map.update(&key, |value| *value += 1), Ok(Some(())));
            assert_eq!(map.insert_if_absent(key, 0), Ok(Some(round + 1)));
            assert_eq!(map.remove(&key), Ok(Some(round + 1)));
            assert_eq!(map.get(&key), Ok(None));
        }
        for key in 0..50 {
            map.insert(key * THREADS + thread, key).expect("open");
        }
    });
    assert_eq!(map.len().map(|len| len as u64), Ok(50 * THREADS));
    let mut sum = 0;
    map.for_each(|_, value| sum += value).expect("open");
    assert_eq!(sum, THREADS * (0..50).sum::<u64>());
}

pub(crate) fn no_update_is_lost<M: ConcurrentMap<u64, u64> + Sync>(map: &M) {
    for key in 0..3 {
        map.insert(key, 0).expect("open");
    }
    together(|thread| {
        for round in 0..ROUNDS {
            let key = (round + thread) % 3;
            assert_eq!(map.update(&key, |value| *value += 1), Ok(Some(())));
        }
    });
    let sum: u64 = (0..3).filter_map(|key| map.get(&key).expect("open")).sum();
    assert_eq!(sum, THREADS * ROUNDS);
}

/// The counters go away whenever they reach a multiple of five, so that creating and removing race with counting.
pub(crate) fn no_compute_is_lost<M: ConcurrentMap<u64, u64> + Sync>(map: &M) {
    let finished = AtomicU64::new(0);
    together(|thread| {
        for round in 0..ROUNDS {
            let key = (round + thread) % 3;
            let full = map.compute(key, |value| match value.copied() {
                None => (Change::Put(1), false),
                Some(4) => (Change::Remove, true),
                Some(count) => (Change::Put(count + 1), false),
            });
            finished.fetch_add(u64::from(full.expect("open")), Ordering::Relaxed);
        }
    });
    let rest: u64 = (0..3).filter_map(|key| map.get(&key).expect("open")).sum();
    assert_eq!(finished.into_inner() * 5 + rest, THREADS * ROUNDS);
}

/// Each value that went in comes out exactly once: replaced, removed, or left at the end.
pub(crate) fn an_entry_is_taken_once<M: ConcurrentMap<u64, u64> + Sync>(map: &M) {
    let taken = together(|thread| {
        let mut taken = Vec::new();
        for round in 0..ROUNDS {
            let key = round % 2;
            let value = round * THREADS + thread;
            match round % 4 {
                0 | 1 => taken.extend(map.insert(key, value).expect("open")),
                2 => taken.extend(map.remove(&key).expect("open")),
                _ => match map.insert_if_absent(key, value).expect("open") {
                    None => {}
                    Some(_) => taken.push(value),
                },
            }
        }
        taken
    });
    let mut out: Vec<u64> = taken.into_iter().flatten().collect();
    map.for_each(|_, value| out.push(*value)).expect("open");
    out.sort_unstable();
    let went_in: Vec<u64> = (0..ROUNDS)
        .filter(|round| round % 4 != 2)
        .flat_map(|round| round * THREADS..(round + 1) * THREADS)
        .collect();
    assert_eq!(out, went_in);
}

/// Values of many words are read as they were written, through every way of reading.
pub(crate) fn no_value_is_torn<M: ConcurrentMap<u64, [u64; 128]> + Sync>(map: &M) {
    map.insert(0, [0; 128]).expect("open");
    let whole = |value: &[u64; 128]| assert!(value.iter().all(|word| *word == value[0]), "torn: {value:?}");
    together(|thread| {
        for round in 0..ROUNDS / 4 {
            let value = round * THREADS + thread;
            if thread == 0 {
                map.insert(0, [value; 128]).expect("open");
            } else if thread == 1 && round % 2 == 0 {
                map.update(&0, |words| {
                    whole(words);
                    *words = [value; 128];
                })
                .expect("open");
            } else if thread == 1 {
                if let Some(value) = map.remove(&0).expect("open") {
                    whole(&value);
                }
            } else {
                map.get_with(&0, whole).expect("open");
                map.for_each(|_, value| whole(value)).expect("open");
            }
        }
    });
}

/// Readers look for keys that are always there while writers make the map grow and shrink around them.
pub(crate) fn keys_that_stay_are_found<M: ConcurrentMap<u64, u64> + Sync>(map: &M) {
    const STAY: u64 = 30;
    for key in 0..STAY {
        map.insert(key, key).expect("open");
    }
    let writing = AtomicU64::new(2);
    together(|thread| {
        if thread < 2 {
            for round in 0..5 {
                let keys = || (0..ROUNDS / 4).map(|n| STAY + n * 2 + thread);
                for key in keys() {
                    assert_eq!(map.insert(key, round), Ok(None));
                }
                for key in keys() {
                    assert_eq!(map.remove(&key), Ok(Some(round)));
                }
            }
            writing.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        while writing.load(Ordering::Relaxed) > 0 {
            for key in 0..STAY {
                assert_eq!(map.get(&key), Ok(Some(key)));
            }
            let mut found = 0;
            map.for_each(|key, _| found += u64::from(*key < STAY)).expect("open");
            assert_eq!(found, STAY);
        }
    });
    assert_eq!(map.len().map(|len| len as u64), Ok(STAY));
}

/// A write that was answered with success before the close is in the report; one that came later is refused.
pub(crate) fn close_counts_every_write<M: ConcurrentMap<u64, u64> + Sync>(map: &M) {
    let closed = AtomicBool::new(false);
    let outcome = together(|thread| {
        if thread == 0 {
            while map.len() == Ok(0) {
                thread::yield_now();
            }
            let report = map.close().expect("closes");
            closed.store(true, Ordering::SeqCst);
            return (report.entries, 0);
        }
        let mut written = 0;
        for n in 0.. {
            let known = closed.load(Ordering::SeqCst);
            match map.insert(n * THREADS + thread, n) {
                Ok(None) => assert!(!known, "a write after close had returned"),
                Err(error) if says_closed(&error) => break,
                other => panic!("{other:?}"),
            }
            written += 1;
        }
        (0, written)
    });
    let written: usize = outcome.iter().map(|(_, written)| written).sum();
    assert_eq!(outcome[0].0, written, "entries in the report of close, and writes that were acknowledged");
}

pub(crate) fn one_of_many_closes<M: ConcurrentMap<u64, u64> + Sync>(map: &M) {
    map.insert(1, 1).expect("open");
    let reports = together(|_| map.close().expect("closes"));
    assert_eq!(reports.iter().filter(|report| !report.already_closed).count(), 1);
    for report in reports {
        assert_eq!(CloseReport { already_closed: false, ..report }.entries, 1);
    }
}
