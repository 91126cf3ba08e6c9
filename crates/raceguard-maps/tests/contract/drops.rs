//! Keys and values are dropped exactly once, whichever way they leave the map.

use std::sync::Arc;
use std::thread;

use raceguard_maps::{Change, ConcurrentMap, FastState, MapSnapshot, Operation};

use crate::subjects::Subject;
use crate::tracked::{Tracked, World};
use crate::watchdog::within_limit;

fn key(n: u64, world: &Arc<World>) -> Tracked {
    Tracked::new(n, world)
}

/// Every way in and out, on keys `base..base + 12`. What comes out is dropped here.
fn all_ways<M: ConcurrentMap<Tracked, Tracked>>(map: &M, base: u64, world: &Arc<World>) {
    let at = |n: u64| key(base + n, world);
    for n in 0..12 {
        map.insert(at(n), at(100)).expect("open");
        map.insert(at(n), at(101)).expect("open");
        map.insert_if_absent(at(n), at(102)).expect("open");
    }
    for n in 0..12 {
        map.get(&at(n)).expect("open");
        map.get_with(&at(n), |value| value.id).expect("open");
        map.update(&at(n), |value| *value = at(103)).expect("open");
        map.update(&at(n), |value| value.id += 1).expect("open");
        map.compute(at(n), |value| (Change::Keep, value.map(|value| value.id))).expect("open");
        map.compute(at(n), |_| (Change::Put(at(104)), ())).expect("open");
    }
    let snapshot = map.snapshot().expect("open");
    map.compute(at(0), |_| (Change::Remove, ())).expect("open");
    map.compute(at(0), |_| (Change::Put(at(105)), ())).expect("open");
    map.remove(&at(1)).expect("open");
    map.remove_if(&at(2), |value| value.id > 0).expect("open");
    map.remove_if(&at(3), |_| false).expect("open");
    map.apply([
        Operation::Insert(at(1), at(106)),
        Operation::InsertIfAbsent(at(1), at(107)),
        Operation::Remove(at(4)),
        Operation::Remove(at(4)),
    ])
    .expect("open");
    let ours = |key: &Tracked| (base..base + 12).contains(&key.id);
    map.retain(|key, _| !ours(key) || key.id % 3 != 0).expect("open");
    drop(snapshot);
}

pub(crate) fn everything_is_dropped_once<T: Subject<Tracked, Tracked, FastState>>() {
    let world = World::new();
    let map = T::make(FastState::default());
    for round in 0..3 {
        all_ways(&*map, round * 6, &world);
    }
    map.clear().expect("open");
    all_ways(&*map, 0, &world);
    drop(map);
    world.expect_empty(T::flush, "after the map went");
}

/// Strategies may free later, but not ever more of it.
pub(crate) fn garbage_stays_bounded<T: Subject<Tracked, Tracked, FastState>>() {
    const WRITES: u64 = 20_000;
    const MOST_ALIVE: usize = 6_000;
    let world = World::new();
    let map = T::make(FastState::default());
    for n in 0..WRITES {
        map.insert(key(n % 5, &world), key(n, &world)).expect("open");
        if n % 3 == 0 {
            map.remove(&key(n % 5, &world)).expect("open");
        }
        let alive = world.alive();
        assert!(alive < MOST_ALIVE, "{alive} objects for at most 5 entries after {n} writes");
    }
}

pub(crate) fn close_frees_the_entries<T: Subject<Tracked, Tracked, FastState>>() {
    let world = World::new();
    let map = T::make(FastState::default());
    for round in 0..3 {
        all_ways(&*map, round * 12, &world);
    }
    map.close().expect("closes");
    world.expect_empty(T::flush, "after close");
    assert!(map.insert(key(1, &world), key(1, &world)).is_err());
    assert!(map.compute(key(1, &world), |_| (Change::Put(key(2, &world)), ())).is_err());
    assert!(map.apply([Operation::Insert(key(1, &world), key(1, &world))]).is_err());
    world.expect_empty(T::flush, "what a closed map refused");
}

pub(crate) fn a_snapshot_outlives_the_map<T: Subject<Tracked, Tracked, FastState>>() {
    let world = World::new();
    let map = T::make(FastState::default());
    for n in 0..20 {
        map.insert(key(n, &world), key(n, &world)).expect("open");
    }
    let snapshot = map.snapshot().expect("open");
    map.clear().expect("open");
    drop(map);
    let mut ids: Vec<u64> = snapshot
        .iter()
        .map(|(key, value)| {
            assert_eq!(key.id, value.id);
            key.id
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
    drop(snapshot);
    world.expect_empty(T::flush, "after the snapshot went");
}

pub(crate) fn everything_is_dropped_once_under_threads<T: Subject<Tracked, Tracked, FastState>>() {
    let world = World::new();
    let map = T::make(FastState::default());
    within_limit("threads", || {
        thread::scope(|scope| {
            for thread in 0..4 {
                let (map, world) = (&*map, &world);
                scope.spawn(move || {
                    for round in 0..25 {
                        all_ways(map, (thread * 5 + round) % 15, world);
                    }
                });
            }
        });
    });
    let mut left = 0;
    map.for_each(|_, _| left += 1).expect("open");
    assert_eq!(map.len(), Ok(left));
    drop(map);
    world.expect_empty(T::flush, "after the map went");
}
