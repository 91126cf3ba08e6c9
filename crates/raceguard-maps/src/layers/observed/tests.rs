//! Tests of `Observed`: what is counted, and how it is told.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use super::*;
use crate::{MutexMap, SerialMap, ShardedMap};

fn closely() -> Observed<MutexMap<u64, u64>> {
    Observed::new(MutexMap::new()).with_sampling(1).unwrap()
}

fn triple(observation: &Observation, kind: Kind) -> (u64, u64, u64) {
    let count = observation.of(kind);
    (count.hits, count.misses, count.errors)
}

#[test]
fn every_kind_is_counted_with_its_outcome() {
    let map = closely();
    map.insert(1, 1).unwrap();
    map.insert(1, 2).unwrap();
    map.insert_if_absent(1, 3).unwrap();
    map.insert_if_absent(2, 3).unwrap();
    map.get(&1).unwrap();
    map.get_with(&9, |_| ()).unwrap();
    map.contains_key(&2).unwrap();
    map.update(&1, |value| *value += 1).unwrap();
    map.update(&9, |_| ()).unwrap();
    map.compute(3, |_| (Change::Put(1), ())).unwrap();
    map.compute(3, |_| (Change::Keep, ())).unwrap();
    map.compute(3, |_| (Change::Remove, ())).unwrap();
    map.compute(3, |_| (Change::Remove, ())).unwrap();
    map.remove(&1).unwrap();
    map.remove_if(&2, |_| false).unwrap();
    map.snapshot().unwrap();
    map.for_each(|_, _| ()).unwrap();
    assert_eq!(map.len().unwrap(), 1);
    assert!(!map.is_empty().unwrap());
    map.apply([Operation::Insert(5, 5), Operation::InsertIfAbsent(5, 6), Operation::Remove(6)]).unwrap();
    map.retain(|key, _| *key != 5).unwrap();
    map.clear().unwrap();
    map.close().unwrap();
    assert_eq!(map.get(&1), Err(MapError::Closed));
    let seen = map.observation();
    assert_eq!(triple(&seen, Kind::Get), (2, 1, 1));
    assert_eq!(triple(&seen, Kind::Insert), (1, 1, 0));
    assert_eq!(triple(&seen, Kind::InsertIfAbsent), (1, 1, 0));
    assert_eq!(triple(&seen, Kind::Update), (1, 1, 0));
    assert_eq!(triple(&seen, Kind::Compute), (2, 2, 0));
    assert_eq!(triple(&seen, Kind::Remove), (1, 1, 0));
    assert_eq!(triple(&seen, Kind::Retain), (2, 0, 0));
    assert_eq!(triple(&seen, Kind::Len), (2, 0, 0));
    assert_eq!(triple(&seen, Kind::ForEach), (1, 0, 0));
    assert_eq!(triple(&seen, Kind::Snapshot), (1, 0, 0));
    assert_eq!(triple(&seen, Kind::Apply), (1, 0, 0));
    for kind in [Kind::Insert, Kind::InsertIfAbsent, Kind::Remove] {
        assert_eq!(seen.of(kind).batched, 1);
    }
    // 1, 2 and 3 came; 3 and 1 went, then what `retain` and `clear` found: 5 (from the batch) and 2.
    assert_eq!((seen.keys_created, seen.keys_removed, seen.snapshot_entries), (3, 4, 1));
    let calls: u64 = seen.operations.iter().map(|count| count.done() - count.batched + count.errors).sum();
    assert_eq!(seen.durations.iter().map(Durations::count).sum::<u64>(), calls);
    assert_eq!(seen.threads, 1);
}

#[test]
fn nothing_is_counted_while_off() {
    let map = closely();
    map.insert(1, 1).unwrap();
    map.observe(false);
    map.insert(2, 2).unwrap();
    map.get(&2).unwrap();
    assert_eq!(map.observation().of(Kind::Get).done(), 0);
    map.observe(true);
    map.get(&2).unwrap();
    assert_eq!((map.observation().of(Kind::Get).done(), map.observation().of(Kind::Insert).done()), (1, 1));
}

#[test]
fn one_call_in_so_many_is_timed() {
    let map = Observed::new(MutexMap::<u64, u64>::new()).with_sampling(16).unwrap();
    for key in 0..1_600 {
        map.insert(key, key).unwrap();
    }
    let seen = map.observation();
    assert_eq!(seen.of(Kind::Insert).misses, 1_600);
    assert_eq!(seen.durations[Group::Write as usize].count(), 100);
    for every in [0, 3, 1 << 30] {
        assert!(Observed::new(()).with_sampling(every).is_err());
    }
}

#[test]
fn a_call_that_panics_leaves_the_layer_usable() {
    let map = closely();
    map.insert(1, 1).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| map.update(&1, |_| panic!("closure")))).is_err());
    assert_eq!(map.get(&1).unwrap(), Some(1));
    assert_eq!(triple(&map.observation(), Kind::Update), (0, 0, 0));
}

/// One thread holds the lock for a while after another one said that it is about to call.
fn contend<M: ConcurrentMap<u64, u64> + Sync>(map: &Observed<M>, blocked: &(impl Fn() + Sync)) {
    map.insert(1, 1).unwrap();
    let (held, is_held) = channel();
    let (calls, is_called) = channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            map.update(&1, |_| {
                held.send(()).unwrap();
                is_called.recv().unwrap();
                thread::sleep(HELD);
            })
            .unwrap();
        });
        is_held.recv().unwrap();
        calls.send(()).unwrap();
        blocked();
    });
}

const HELD: Duration = Duration::from_millis(30);

/// Calls under a held lock until a wait of a third of that time was seen: a busy machine may keep the calling thread
/// from running until the lock is free.
fn is_seen_waiting<M: ConcurrentMap<u64, u64> + Sync>(map: &Observed<M>, blocked: impl Fn() + Sync) {
    let waited = || map.observation().lock_waits;
    let before = waited();
    for calls in 1.. {
        contend(map, &blocked);
        let now = waited();
        assert!(now.count() - before.count() <= calls, "more waits than calls");
        if u128::from(now.sum_nanos - before.sum_nanos) > HELD.as_nanos() / 3 {
            assert!(now.count() > before.count());
            return;
        }
        assert!(calls < 100, "no wait was seen");
    }
}

#[test]
fn waits_for_locks_of_any_strategy_are_seen() {
    fn check<M: ConcurrentMap<u64, u64> + Sync>(map: M, reads_wait: bool) {
        let map = Observed::new(map);
        let read = || assert!(map.get(&1).unwrap().is_some());
        if reads_wait {
            is_seen_waiting(&map, read);
        } else {
            contend(&map, &read);
            assert_eq!(map.observation().lock_waits.count(), 0);
        }
        is_seen_waiting(&map, || assert!(map.insert(1, 2).unwrap().is_some()));
    }
    check(MutexMap::new(), true);
    check(crate::RwLockMap::new(), true);
    check(ShardedMap::new(), true);
    check(SerialMap::new(), true);
    check(crate::BucketMap::new(), true);
    check(crate::LockFreeMap::new(), false);
}

#[test]
fn copies_for_snapshots_are_seen() {
    let map = Observed::new(SerialMap::<u64, u64>::new());
    for key in 0..100 {
        map.insert(key, key).unwrap();
    }
    assert_eq!(map.observation().copied_entries, 0);
    let snapshot = map.snapshot().unwrap();
    map.insert(1, 0).unwrap();
    let seen = map.observation();
    assert_eq!(seen.snapshot_entries, 100);
    assert!(seen.copied_entries > 0 && seen.copied_entries <= 100);
    drop(snapshot);
}

#[test]
fn threads_are_counted_apart_and_add_up() {
    let map = Observed::new(ShardedMap::<u64, u64>::new()).with_sampling(1).unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let map = &map;
            scope.spawn(move || {
                for key in 0..5_000 {
                    assert_eq!(map.insert(thread * 5_000 + key, key).unwrap(), None);
                }
            });
        }
    });
    let seen = map.observation();
    assert_eq!((seen.of(Kind::Insert).misses, seen.keys_created, seen.threads), (20_000, 20_000, 4));
    assert!(map.shard_imbalance().unwrap() < 2.0);
    assert!(map.shard_lens().unwrap().len() > 1);
}

#[test]
fn the_text_follows_the_exposition_format() {
    let map = closely();
    map.insert(1, 1).unwrap();
    map.get(&1).unwrap();
    let text = map.to_prometheus("a \"b\"\\\n");
    let mut described = HashSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.split(' ');
            let (what, metric) = (words.next().unwrap(), words.next().unwrap());
            assert!(described.insert((what.to_owned(), metric.to_owned())), "described twice: {line}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap();
        assert!(labels.starts_with(r#"map="a \"b\"\\\n""#) && labels.ends_with('}'), "{line}");
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(described.contains(&("HELP".to_owned(), family.to_owned())), "{line}");
        assert!(described.contains(&("TYPE".to_owned(), family.to_owned())), "{line}");
    }
    let bucket = r#"raceguard_map_operation_duration_seconds_bucket{map="a \"b\"\\\n",operation="read",le="#;
    assert!(text.contains(&format!("{bucket}\"0.000000064\"}}")));
    assert!(text.contains(&format!("{bucket}\"1.073741824\"}}")));
    assert!(text.contains(&format!("{bucket}\"+Inf\"}} 1\n")));
    assert!(text.ends_with('\n'));
}

#[test]
fn the_profile_says_what_is_known_and_why_the_rest_is_not() {
    let map = closely();
    for key in 0..100 {
        map.insert(key, 0).unwrap();
    }
    for round in 0..800 {
        map.get(&(round % 100)).unwrap();
    }
    for key in 0..50 {
        map.insert(key, 1).unwrap();
        map.update(&key, |value| *value += 1).unwrap();
    }
    map.for_each(|_, _| ()).unwrap();
    let profile = map.profile("test");
    profile.validate().unwrap();
    assert_eq!(profile.mix.reads, Some(0.8));
    assert_eq!((profile.mix.inserts, profile.mix.overwrites), (Some(0.1), Some(0.05)));
    assert_eq!((profile.mix.removes, profile.mix.read_modify_writes), (Some(0.0), Some(0.05)));
    assert_eq!(profile.iterations_per_million, Some(1_000.0));
    assert_eq!((profile.keys, profile.threads), (Some(100), Some(1)));
    assert_eq!((profile.key_bytes, profile.value_bytes), (Some(8), Some(8)));
    assert!(profile.skew.unwrap() < 0.2);
    assert!(profile.unknown.contains_key("hold_nanos") && profile.unknown.contains_key("key_copy"));

    let texts: Observed<MutexMap<String, String>> = Observed::new(MutexMap::new()).with_bytes(30, 400);
    let profile = texts.profile("texts");
    profile.validate().unwrap();
    assert_eq!((profile.key_bytes, profile.value_bytes), (Some(30), Some(400)));
    assert_eq!((profile.key_copy, profile.value_copy), (Some(false), Some(false)));
    for field in ["mix", "keys", "skew", "threads"] {
        assert!(profile.unknown.contains_key(field), "{field}");
    }
}

#[test]
fn skew_is_seen_through_the_layer() {
    let map = Observed::new(MutexMap::<u64, u64>::new()).with_sampling(1).unwrap();
    for rank in 1..=200_u64 {
        for _ in 0..(6_000 / rank) {
            map.get(&rank).unwrap();
        }
    }
    assert!((map.skew().unwrap() - 1.0).abs() < 0.1, "{:?}", map.skew());
}
