//! Each method against what a sequential map does.

use std::collections::BTreeMap;

use raceguard_maps::{Change, ConcurrentMap, MapSnapshot, Operation};

use crate::family::Family;

/// As many keys as most checks need: all there are, but no more than this.
const FEW: u64 = 40;

fn few<F: Family>() -> u64 {
    F::KEYS.min(FEW)
}

fn fill<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M, count: u64) {
    for n in 0..count {
        assert_eq!(map.insert(F::key(n), F::value(n)), Ok(None));
    }
}

/// Everything that the map shows must be these entries: by len, for_each, snapshot and get.
pub(crate) fn shows<F: Family, M: ConcurrentMap<F::Key, F::Value>>(
    map: &M,
    expected: &BTreeMap<F::Key, F::Value>,
) {
    assert_eq!(map.len(), Ok(expected.len()));
    assert_eq!(map.is_empty(), Ok(expected.is_empty()));
    let mut visited = Vec::new();
    map.for_each(|key, value| visited.push((key.clone(), value.clone()))).expect("open");
    visited.sort_by(|left, right| left.0.cmp(&right.0));
    let wanted: Vec<_> = expected.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    assert_eq!(visited, wanted, "for_each");
    let snapshot = map.snapshot().expect("open");
    assert_eq!((snapshot.len(), snapshot.is_empty()), (wanted.len(), wanted.is_empty()));
    let mut seen: Vec<_> = snapshot.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    seen.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(seen, wanted, "snapshot");
    for (key, value) in expected {
        assert_eq!(map.get(key).as_ref(), Ok(&Some(value.clone())));
        assert_eq!(map.contains_key(key), Ok(true));
    }
}

pub(crate) fn an_empty_map_has_nothing<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    shows::<F, M>(map, &BTreeMap::new());
    let key = F::key(0);
    assert_eq!(map.get(&key), Ok(None));
    assert_eq!(map.contains_key(&key), Ok(false));
    assert_eq!(map.get_with(&key, |_| panic!("there is no value to read")), Ok(None::<()>));
    assert_eq!(map.update(&key, |_| panic!("there is no value to change")), Ok(None::<()>));
    assert_eq!(map.remove(&key), Ok(None));
    assert_eq!(map.remove_if(&key, |_| panic!("there is no value to judge")), Ok(None));
    assert_eq!(map.retain(|_, _| panic!("there is no entry to keep")), Ok(0));
    assert_eq!(map.clear(), Ok(0));
    assert_eq!(map.apply(Vec::new()), Ok(0));
}

pub(crate) fn insert_replaces<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    fill::<F, M>(map, few::<F>());
    let mut expected = BTreeMap::new();
    for n in 0..few::<F>() {
        assert_eq!(map.insert(F::key(n), F::value(n + 7)), Ok(Some(F::value(n))));
        expected.insert(F::key(n), F::value(n + 7));
    }
    shows::<F, M>(map, &expected);
}

pub(crate) fn insert_if_absent_keeps<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    let mut expected = BTreeMap::new();
    for n in 0..few::<F>() {
        assert_eq!(map.insert_if_absent(F::key(n), F::value(n)), Ok(None));
        assert_eq!(map.insert_if_absent(F::key(n), F::value(n + 7)), Ok(Some(F::value(n))));
        expected.insert(F::key(n), F::value(n));
    }
    shows::<F, M>(map, &expected);
}

pub(crate) fn reading_shows_the_value<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    fill::<F, M>(map, few::<F>());
    for n in 0..few::<F>() {
        let mut calls = 0;
        let read = map.get_with(&F::key(n), |value| {
            calls += 1;
            value.clone()
        });
        assert_eq!((read, calls), (Ok(Some(F::value(n))), 1));
    }
}

pub(crate) fn update_changes_what_is_there<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    fill::<F, M>(map, few::<F>());
    let mut expected = BTreeMap::new();
    for n in 0..few::<F>() {
        let mut calls = 0;
        let before = map.update(&F::key(n), |value| {
            calls += 1;
            std::mem::replace(value, F::value(n + 9))
        });
        assert_eq!((before, calls), (Ok(Some(F::value(n))), 1));
        expected.insert(F::key(n), F::value(n + 9));
    }
    shows::<F, M>(map, &expected);
}

pub(crate) fn compute_keeps_puts_and_removes<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    let key = || F::key(0);
    let steps = [
        (Change::Keep, None),
        (Change::Remove, None),
        (Change::Put(F::value(1)), Some(F::value(1))),
        (Change::Keep, Some(F::value(1))),
        (Change::Put(F::value(2)), Some(F::value(2))),
        (Change::Remove, None),
        (Change::Put(F::value(3)), Some(F::value(3))),
    ];
    let mut before: Option<F::Value> = None;
    for (change, after) in steps {
        let mut calls = 0;
        let shown = map.compute(key(), |value| {
            calls += 1;
            (change, value.cloned())
        });
        assert_eq!((shown, calls), (Ok(before), 1));
        assert_eq!(map.get(&key()).as_ref(), Ok(&after));
        assert_eq!(map.len(), Ok(usize::from(after.is_some())));
        before = after;
    }
}

pub(crate) fn remove_takes_the_entry<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    fill::<F, M>(map, few::<F>());
    for n in 0..few::<F>() {
        assert_eq!(map.remove(&F::key(n)), Ok(Some(F::value(n))));
        assert_eq!(map.remove(&F::key(n)), Ok(None));
        assert_eq!(map.get(&F::key(n)), Ok(None));
        assert_eq!(map.len().map(|len| len as u64), Ok(few::<F>() - n - 1));
    }
    assert_eq!(map.insert(F::key(0), F::value(5)), Ok(None), "a removed key can come back");
    shows::<F, M>(map, &BTreeMap::from([(F::key(0), F::value(5))]));
}

pub(crate) fn remove_if_asks_first<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    fill::<F, M>(map, few::<F>());
    for n in 0..few::<F>() {
        let mut shown = Vec::new();
        let ask = |answer: bool, shown: &mut Vec<F::Value>| {
            map.remove_if(&F::key(n), |value| {
                shown.push(value.clone());
                answer
            })
        };
        assert_eq!(ask(false, &mut shown), Ok(None));
        assert_eq!(map.get(&F::key(n)), Ok(Some(F::value(n))));
        assert_eq!(ask(true, &mut shown), Ok(Some(F::value(n))));
        assert_eq!(ask(true, &mut shown), Ok(None));
        assert_eq!(shown, [F::value(n), F::value(n)]);
    }
    assert_eq!(map.len(), Ok(0));
}

pub(crate) fn retain_and_clear_count<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    let count = few::<F>();
    fill::<F, M>(map, count);
    assert_eq!(map.retain(|_, _| true), Ok(0));
    let stay: BTreeMap<_, _> = (0..count / 3).map(|n| (F::key(n), F::value(n))).collect();
    let mut shown = BTreeMap::new();
    let gone = map.retain(|key, value| {
        assert_eq!(shown.insert(key.clone(), value.clone()), None, "shown twice");
        stay.contains_key(key)
    });
    assert_eq!(gone.map(|gone| gone as u64), Ok(count - count / 3));
    assert_eq!(shown, (0..count).map(|n| (F::key(n), F::value(n))).collect());
    shows::<F, M>(map, &stay);
    assert_eq!(map.clear(), Ok(stay.len()));
    shows::<F, M>(map, &BTreeMap::new());
    assert_eq!(map.clear(), Ok(0));
}

pub(crate) fn each_entry_is_visited_once<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    let mut expected = BTreeMap::new();
    for n in 0..few::<F>() {
        shows::<F, M>(map, &expected);
        map.insert(F::key(n), F::value(n)).expect("open");
        expected.insert(F::key(n), F::value(n));
    }
    shows::<F, M>(map, &expected);
}

pub(crate) fn a_snapshot_stays_as_it_was<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    let count = few::<F>();
    fill::<F, M>(map, count);
    let before = map.snapshot().expect("open");
    for n in 0..count {
        map.update(&F::key(n), |value| *value = F::value(n + 50)).expect("open");
    }
    let between = map.snapshot().expect("open");
    map.clear().expect("open");
    let after = map.snapshot().expect("open");
    map.insert(F::key(0), F::value(99)).expect("open");
    let entries = |snapshot: &M::Snapshot| {
        let entries: BTreeMap<_, _> =
            snapshot.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(entries.len(), snapshot.len());
        entries
    };
    assert_eq!(entries(&before), (0..count).map(|n| (F::key(n), F::value(n))).collect());
    assert_eq!(entries(&between), (0..count).map(|n| (F::key(n), F::value(n + 50))).collect());
    assert_eq!(entries(&after), BTreeMap::new());
    map.close().expect("closes");
    assert_eq!(entries(&before).len() as u64, count, "a snapshot is readable after close");
}

pub(crate) fn a_batch_is_done_in_order<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    let key = || F::key(0);
    let batch = vec![
        Operation::Remove(key()),
        Operation::Insert(key(), F::value(1)),
        Operation::InsertIfAbsent(key(), F::value(2)),
        Operation::Insert(key(), F::value(3)),
    ];
    assert_eq!(map.apply(batch), Ok(2));
    assert_eq!(map.get(&key()), Ok(Some(F::value(3))));
    let batch = vec![
        Operation::Remove(key()),
        Operation::InsertIfAbsent(key(), F::value(4)),
        Operation::Remove(key()),
        Operation::Remove(key()),
        Operation::InsertIfAbsent(key(), F::value(5)),
    ];
    assert_eq!(map.apply(batch), Ok(4));
    shows::<F, M>(map, &BTreeMap::from([(key(), F::value(5))]));
    let all = (0..F::KEYS).map(|n| Operation::Insert(F::key(n), F::value(n + 1)));
    assert_eq!(map.apply(all).map(|changed| changed as u64), Ok(F::KEYS));
    shows::<F, M>(map, &(0..F::KEYS).map(|n| (F::key(n), F::value(n + 1))).collect());
}

pub(crate) fn it_grows_and_shrinks<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    let expected: BTreeMap<_, _> = (0..F::KEYS).map(|n| (F::key(n), F::value(n))).collect();
    for round in 0..3 {
        fill::<F, M>(map, F::KEYS);
        shows::<F, M>(map, &expected);
        let half: BTreeMap<_, _> = expected.clone().into_iter().step_by(2).collect();
        for key in expected.keys().skip(1).step_by(2) {
            assert!(map.remove(key).expect("open").is_some(), "round {round}: {key:?} was lost");
        }
        shows::<F, M>(map, &half);
        for key in half.keys() {
            assert!(map.remove(key).expect("open").is_some(), "round {round}: {key:?} was lost");
        }
        shows::<F, M>(map, &BTreeMap::new());
    }
}

/// `str` for `String`.
pub(crate) fn a_borrowed_key_finds<M: ConcurrentMap<String, String>>(map: &M) {
    map.insert("a".to_owned(), "1".to_owned()).expect("open");
    assert_eq!(map.get("a"), Ok(Some("1".to_owned())));
    assert_eq!(map.get("b"), Ok(None));
    assert_eq!(map.contains_key("a"), Ok(true));
    assert_eq!(map.get_with("a", String::len), Ok(Some(1)));
    assert_eq!(map.update("a", |value| value.push('2')), Ok(Some(())));
    assert_eq!(map.remove_if("a", |value| value == "1"), Ok(None));
    assert_eq!(map.remove("a"), Ok(Some("12".to_owned())));
}
