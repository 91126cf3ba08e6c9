//! Tests of `Checked`: each kind of misuse, with both call sites.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::{MutexMap, SerialMap};

fn here() -> Checked<MutexMap<u64, u64>> {
    let map = Checked::new(MutexMap::new());
    map.insert(1, 1).unwrap();
    map
}

/// The misuse that a result reports; its sites must be in this file, at most `lines` apart.
#[track_caller]
fn found<T: std::fmt::Debug>(result: &Result<T, MapError>, lines: u32) -> MisuseKind {
    let Err(MapError::Misuse(misuse)) = result else { panic!("no misuse: {result:?}") };
    assert_eq!((misuse.first.file(), misuse.second.file()), (file!(), file!()));
    assert!(misuse.second.line() >= misuse.first.line());
    assert!(misuse.second.line() - misuse.first.line() <= lines, "{misuse}");
    assert!(misuse.second.line() <= Location::caller().line());
    misuse.kind
}

/// Calls each method of the map.
fn each_call(map: &Checked<MutexMap<u64, u64>>) -> Vec<(Access, Option<MapError>)> {
    vec![
        (Access::Read, map.get_with(&1, |_| ()).err()),
        (Access::Read, map.get(&1).err()),
        (Access::Read, map.contains_key(&1).err()),
        (Access::Write, map.insert(1, 1).err()),
        (Access::Write, map.insert_if_absent(1, 1).err()),
        (Access::Write, map.update(&1, |_| ()).err()),
        (Access::Write, map.compute(1, |_| (Change::Keep, ())).err()),
        (Access::Write, map.remove(&9).err()),
        (Access::Write, map.remove_if(&9, |_| true).err()),
        (Access::Iterate, map.retain(|_, _| true).err()),
        (Access::Write, map.clear().err()),
        (Access::Read, map.len().err()),
        (Access::Read, map.is_empty().err()),
        (Access::Iterate, map.for_each(|_, _| ()).err()),
        (Access::Read, map.snapshot().err()),
        (Access::Write, map.apply([]).err()),
    ]
}

fn assert_each_is(outer: Access, outer_line: u32, calls: Vec<(Access, Option<MapError>)>) {
    for (inner, error) in calls {
        let Some(MapError::Misuse(misuse)) = error else { panic!("{inner:?} in {outer:?}: {error:?}") };
        assert_eq!(misuse.kind, kind_of(outer, inner));
        assert_eq!(misuse.first.line(), outer_line);
        assert_eq!(misuse.second.file(), file!());
    }
}

#[test]
fn every_call_in_every_closure_is_reported_with_both_sites() {
    let map = here();
    let mut calls = Vec::new();
    map.get_with(&1, |_| calls = each_call(&map)).unwrap();
    assert_each_is(Access::Read, line!() - 1, std::mem::take(&mut calls));
    map.update(&1, |_| calls = each_call(&map)).unwrap();
    assert_each_is(Access::Write, line!() - 1, std::mem::take(&mut calls));
    map.compute(1, |_| (Change::Keep, calls = each_call(&map))).unwrap();
    assert_each_is(Access::Write, line!() - 1, std::mem::take(&mut calls));
    map.for_each(|_, _| calls = each_call(&map)).unwrap();
    assert_each_is(Access::Iterate, line!() - 1, std::mem::take(&mut calls));
    assert!(each_call(&map).iter().all(|(_, error)| error.is_none()), "not from within a closure");
}

#[test]
fn kinds_are_told_apart() {
    let map = here();
    map.get_with(&1, |_| assert_eq!(found(&map.get(&1), 0), MisuseKind::Reentrant)).unwrap();
    map.get_with(&1, |_| assert_eq!(found(&map.remove(&1), 0), MisuseKind::LockUpgrade)).unwrap();
    map.update(&1, |_| assert_eq!(found(&map.insert(1, 2), 0), MisuseKind::Reentrant)).unwrap();
    map.for_each(|_, _| assert_eq!(found(&map.insert(1, 2), 0), MisuseKind::WriteWhileIterating)).unwrap();
    map.retain(|_, _| found(&map.clear(), 0) == MisuseKind::WriteWhileIterating).unwrap();
    map.remove_if(&1, |_| found(&map.close(), 0) != MisuseKind::Reentrant).unwrap();
    assert_eq!(map.get(&1).unwrap(), Some(1), "a refused call has no effect");
}

#[test]
fn a_batch_that_reads_its_own_map_is_reported() {
    let map = here();
    let batch = std::iter::once(()).map(|()| Operation::Insert(2, found_len(&map)));
    assert_eq!(map.apply(batch).unwrap(), 1);
    assert_eq!(map.get(&2).unwrap(), Some(0));
}

fn found_len(map: &Checked<MutexMap<u64, u64>>) -> u64 {
    match map.len() {
        Err(MapError::Misuse(Misuse { kind: MisuseKind::Reentrant, .. })) => 0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_panic_leaves_no_frame_behind() {
    let map = here();
    for _ in 0..2 {
        assert!(catch_unwind(AssertUnwindSafe(|| map.update(&1, |_| panic!("closure")))).is_err());
    }
    assert_eq!(map.get(&1).unwrap(), Some(1));
}

#[test]
fn other_threads_and_other_maps_are_no_misuse() {
    let (map, other) = (here(), here());
    map.get_with(&1, |_| {
        assert_eq!(other.insert(7, 7).unwrap(), None);
        assert_eq!(other.len().unwrap(), 2);
    })
    .unwrap();
    let unlocked = Checked::new(SerialMap::<u64, u64>::new());
    unlocked.insert(1, 1).unwrap();
    unlocked
        .for_each(|_, _| {
            std::thread::scope(|scope| {
                scope.spawn(|| unlocked.insert(2, 2)).join().unwrap().unwrap();
            });
        })
        .unwrap();
    assert_eq!(unlocked.len().unwrap(), 2);
}

#[test]
fn use_after_close_names_the_close() {
    let map = here();
    assert_eq!(map.close().unwrap().entries, 1);
    let error = map.get(&1).unwrap_err();
    assert!(error.is_closed() && MapError::Closed.is_closed() && !MapError::Reentrant.is_closed());
    assert_eq!(found(&Err::<(), _>(error), 2), MisuseKind::UseAfterClose);
    for (_, error) in each_call(&map) {
        assert!(error.is_some_and(|error| error.is_closed()));
    }
    assert!(map.close().unwrap().already_closed);
}

#[test]
fn through_generic_code_the_site_is_in_the_generic_code() {
    fn read<M: ConcurrentMap<u64, u64>>(map: &M) -> Result<Option<u64>, MapError> {
        map.get(&1) // the site
    }
    let map = here();
    let line = line!() - 3;
    map.get_with(&1, |_| {
        let Err(MapError::Misuse(misuse)) = read(&map) else { panic!("no misuse") };
        assert_eq!(misuse.second.line(), line);
    })
    .unwrap();
}

#[test]
fn opposite_nestings_are_a_warning() {
    let (a, b, c) = (here(), here(), here());
    for _ in 0..3 {
        a.get_with(&1, |_| b.get(&1)).unwrap().unwrap().unwrap();
        b.get_with(&1, |_| c.get(&1)).unwrap().unwrap().unwrap();
    }
    assert_eq!(a.lock_order_warnings(), []);
    c.get_with(&1, |_| a.get(&1)).unwrap().unwrap().unwrap();
    let line = line!() - 1;
    let warnings = a.lock_order_warnings();
    assert_eq!(warnings.len(), 1);
    assert_eq!((warnings[0].kind, warnings[0].second.line()), (MisuseKind::LockOrder, line));
    assert!(warnings[0].to_string().contains("the other way round"));
    assert_eq!(c.lock_order_warnings(), warnings);
    drop(a);
    assert_eq!(c.lock_order_warnings(), []);
}
