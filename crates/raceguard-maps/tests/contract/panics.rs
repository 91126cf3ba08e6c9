//! User code that panics: for every operation, every kind of user code and every n, the n-th call panics. Without
//! `RACEGUARD_MAPS_THOROUGH` in the environment, ever more of the n beyond ten are left out.
//!
//! Afterwards the map must be usable from another thread, every entry must be as it was before the operation or as the
//! operation would have left it, `len` must count what `for_each` visits, and nothing may be dropped twice. But for a
//! panic in `Drop` itself, which may leak what had still to be dropped, everything is dropped in the end.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use raceguard_maps::{Change, ConcurrentMap, FastState, MapSnapshot, Operation};

use crate::subjects::Subject;
use crate::tracked::{COLLIDING, Call, Tracked, World};
use crate::watchdog::within_limit;

/// Ids of keys with ids of their values.
type Entries = BTreeMap<u64, u64>;

/// One operation of the interface, by name, with what it does to a sequential map.
struct Attempt<M> {
    name: &'static str,
    run: fn(&M, &Arc<World>),
    model: fn(&mut Entries),
}

/// Keys `0..BEFORE` are there when the operation starts, with their id as value.
const BEFORE: u64 = 11;

/// More calls than this no operation makes.
const MOST_CALLS: i64 = 20_000;

fn object(id: u64, world: &Arc<World>) -> Tracked {
    Tracked::new(id, world)
}

fn attempts<M: ConcurrentMap<Tracked, Tracked>>() -> Vec<Attempt<M>> {
    let mut all = single_key::<M>();
    all.extend(many_keys::<M>());
    all
}

// tidy: allow(function-length) a table, one line per method
#[rustfmt::skip]
fn single_key<M: ConcurrentMap<Tracked, Tracked>>() -> Vec<Attempt<M>> {
    vec![
        Attempt { name: "get", run: |map, world| drop(map.get(&object(3, world))), model: |_| () },
        Attempt {
            name: "get_with",
            run: |map, world| { let _ = map.get_with(&object(3, world), |_| world.called(Call::Closure)); },
            model: |_| (),
        },
        Attempt { name: "get of an absent key", run: |map, world| drop(map.get(&object(99, world))), model: |_| () },
        Attempt {
            name: "insert of a new key",
            run: |map, world| drop(map.insert(object(99, world), object(50, world))),
            model: |entries| { entries.insert(99, 50); },
        },
        Attempt {
            name: "insert over a value",
            run: |map, world| drop(map.insert(object(3, world), object(50, world))),
            model: |entries| { entries.insert(3, 50); },
        },
        Attempt {
            name: "insert_if_absent of a new key",
            run: |map, world| drop(map.insert_if_absent(object(99, world), object(50, world))),
            model: |entries| { entries.insert(99, 50); },
        },
        Attempt {
            name: "insert_if_absent of a present key",
            run: |map, world| drop(map.insert_if_absent(object(3, world), object(50, world))),
            model: |_| (),
        },
        Attempt {
            name: "update",
            run: |map, world| {
                let _ = map.update(&object(3, world), |value| {
                    world.called(Call::Closure);
                    value.id = 50;
                    world.called(Call::Closure);
                });
            },
            model: |entries| { entries.insert(3, 50); },
        },
        Attempt {
            name: "update with a new object",
            run: |map, world| { let _ = map.update(&object(3, world), |value| *value = object(50, world)); },
            model: |entries| { entries.insert(3, 50); },
        },
        Attempt {
            name: "compute that puts a new entry",
            run: |map, world| {
                let _ = map.compute(object(99, world), |_| {
                    world.called(Call::Closure);
                    (Change::Put(object(50, world)), ())
                });
            },
            model: |entries| { entries.insert(99, 50); },
        },
        Attempt {
            name: "compute that replaces",
            run: |map, world| {
                let _ = map.compute(object(3, world), |_| {
                    world.called(Call::Closure);
                    (Change::Put(object(50, world)), ())
                });
            },
            model: |entries| { entries.insert(3, 50); },
        },
        Attempt {
            name: "compute that keeps",
            run: |map, world| {
                let _ = map.compute(object(3, world), |value| {
                    world.called(Call::Closure);
                    (Change::Keep, value.cloned())
                });
            },
            model: |_| (),
        },
        Attempt {
            name: "compute that removes",
            run: |map, world| {
                let _ = map.compute(object(3, world), |_| {
                    world.called(Call::Closure);
                    (Change::Remove, ())
                });
            },
            model: |entries| { entries.remove(&3); },
        },
        Attempt {
            name: "remove",
            run: |map, world| drop(map.remove(&object(3, world))),
            model: |entries| { entries.remove(&3); },
        },
        Attempt {
            name: "remove_if",
            run: |map, world| {
                drop(map.remove_if(&object(3, world), |_| {
                    world.called(Call::Closure);
                    true
                }));
            },
            model: |entries| { entries.remove(&3); },
        },
    ]
}

// tidy: allow(function-length) a table, one line per method
#[rustfmt::skip]
fn many_keys<M: ConcurrentMap<Tracked, Tracked>>() -> Vec<Attempt<M>> {
    vec![
        Attempt {
            name: "retain",
            run: |map, world| {
                let _ = map.retain(|key, _| {
                    world.called(Call::Closure);
                    key.id % 2 == 0
                });
            },
            model: |entries| entries.retain(|key, _| key % 2 == 0),
        },
        Attempt { name: "clear", run: |map, _| { let _ = map.clear(); }, model: BTreeMap::clear },
        Attempt {
            name: "for_each",
            run: |map, world| { let _ = map.for_each(|_, _| world.called(Call::Closure)); },
            model: |_| (),
        },
        Attempt {
            name: "snapshot",
            run: |map, world| {
                let snapshot = map.snapshot().expect("open");
                let copied: Vec<_> = snapshot.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                assert_eq!(copied.len() as u64, BEFORE);
                world.called(Call::Closure);
            },
            model: |_| (),
        },
        Attempt {
            name: "apply",
            run: |map, world| {
                let batch = (2..6).map(|id| {
                    world.called(Call::Closure);
                    match id % 3 {
                        0 => Operation::Remove(object(id, world)),
                        1 => Operation::Insert(object(id, world), object(50, world)),
                        _ => Operation::InsertIfAbsent(object(90 + id, world), object(50, world)),
                    }
                });
                let _ = map.apply(batch);
            },
            model: |entries| {
                entries.remove(&3);
                entries.extend([(4, 50), (92, 50), (95, 50)]);
            },
        },
        Attempt {
            name: "growth",
            run: |map, world| {
                for id in 100..160 {
                    let _ = map.insert(object(id, world), object(id, world));
                }
            },
            model: |entries| entries.extend((100..160).map(|id| (id, id))),
        },
        Attempt {
            name: "churn",
            run: |map, world| churn(map, world, CHURNED, 3),
            model: |entries| entries.extend(((CHURNED.end - 3)..CHURNED.end).map(|id| (id, id))),
        },
    ]
}

/// Keys that come and go in the attempt of that name.
const CHURNED: Range<u64> = 100..250;

/// A window of keys moves through the range: each is inserted, and removed when the window has passed.
fn churn<M: ConcurrentMap<Tracked, Tracked>>(map: &M, world: &Arc<World>, range: Range<u64>, window: u64) {
    for id in range {
        let _ = map.insert(object(id, world), object(id, world));
        let _ = map.remove(&object(id - window, world));
    }
}

/// Keys come and go, always twenty with the same hash: in a table with open addressing their removal leaves marks
/// behind, and the table is rebuilt in place. Too many calls for a try with each of them, but for `Hash`.
fn rebuild<M: ConcurrentMap<Tracked, Tracked>>() -> Attempt<M> {
    Attempt {
        name: "rebuild",
        run: |map, world| churn(map, world, REBUILT, 24),
        model: |entries| entries.extend(((REBUILT.end - 24)..REBUILT.end).map(|id| (id, id))),
    }
}

/// Keys that come and go in the attempt of that name.
const REBUILT: Range<u64> = COLLIDING..COLLIDING + 300;

/// Runs every operation with every call of this kind panicking in turn.
pub(crate) fn check<T: Subject<Tracked, Tracked, FastState>>(kind: Call) {
    let thorough = std::env::var_os("RACEGUARD_MAPS_THOROUGH").is_some();
    let mut panics = 0;
    let mut attempts = attempts::<T::Map>();
    if kind == Call::Hash {
        attempts.push(rebuild());
    }
    for attempt in attempts {
        let mut nth = 0;
        while within_limit(attempt.name, || check_one::<T>(&attempt, kind, nth)) {
            panics += 1;
            nth += if thorough { 1 } else { 1 + nth / 10 };
            assert!(nth < MOST_CALLS, "{}: the fuse never burns down", attempt.name);
        }
    }
    assert!(panics > 0, "no call of {kind:?} was ever made: this test shows nothing");
}

/// Whether the n-th call was made, so that there may be a next.
fn check_one<T: Subject<Tracked, Tracked, FastState>>(
    attempt: &Attempt<T::Map>,
    kind: Call,
    nth: i64,
) -> bool {
    let when = format!("{}, {kind:?} number {nth}", attempt.name);
    let world = World::new();
    let map = T::make(FastState::default());
    for id in 0..BEFORE {
        map.insert(object(id, &world), object(id, &world)).expect("open");
    }
    world.arm(kind, nth);
    let outcome = catch_unwind(AssertUnwindSafe(|| (attempt.run)(&map, &world)));
    let tripped = world.disarm();
    assert!(tripped || outcome.is_ok(), "{when}: a panic that nobody planned");

    let before: Entries = (0..BEFORE).map(|id| (id, id)).collect();
    let mut after = before.clone();
    (attempt.model)(&mut after);
    // A panic that does not reach the caller was in work for others, such as growth or late freeing: then the operation
    // has to be done in full.
    let done = outcome.is_ok();
    expect_between(&*map, &world, [if done { &after } else { &before }, &after], attempt.name, &when);
    expect_usable(&*map, &world, &when);
    drop(map);
    if tripped && kind == Call::Drop {
        world.expect_no_double_drop(&when);
    } else {
        world.expect_empty(&mut || (), &when);
    }
    tripped
}

/// Every key must have the value of one of the two, and `len` must be right.
fn expect_between<M: ConcurrentMap<Tracked, Tracked>>(
    map: &M,
    world: &Arc<World>,
    [before, after]: [&Entries; 2],
    name: &str,
    when: &str,
) {
    let mut visited = Entries::new();
    map.for_each(|key, value| {
        assert_eq!(visited.insert(key.id, value.id), None, "{when}: {} is there twice", key.id);
    })
    .expect("open");
    assert_eq!(map.len(), Ok(visited.len()), "{when}: len");
    for id in (0..CHURNED.end).chain(REBUILT) {
        let shown = visited.get(&id);
        let passing = (name == "churn" && CHURNED.contains(&id)
            || name == "rebuild" && REBUILT.contains(&id))
            && shown.is_none_or(|value| *value == id);
        assert!(
            shown == before.get(&id) || shown == after.get(&id) || passing,
            "{when}: key {id} has {shown:?}, had {:?} before and would have {:?}",
            before.get(&id),
            after.get(&id),
        );
        let found = map.get(&object(id, world)).expect("open").map(|value| value.id);
        assert_eq!(found.as_ref(), shown, "{when}: get and for_each disagree on {id}");
    }
}

fn expect_usable<M: ConcurrentMap<Tracked, Tracked>>(map: &M, world: &Arc<World>, when: &str) {
    for id in 0..120 {
        map.insert(object(id, world), object(id + 1, world)).expect("open");
        let updated = map.update(&object(id, world), |value| value.id += 1);
        assert_eq!(updated, Ok(Some(())), "{when}: key {id} afterwards");
    }
    for id in 0..120 {
        let removed = map.remove(&object(id, world)).expect("open").map(|value| value.id);
        assert_eq!(removed, Some(id + 2), "{when}: key {id} afterwards");
    }
    map.clear().expect("open");
    assert_eq!(map.len(), Ok(0), "{when}: len afterwards");
}
